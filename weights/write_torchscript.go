package weights

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
)

// WriteTorchScript writes the pieces as an archive of torch.jit.save: a tree of
// modules whose names are the parts of the pieces' names between dots. After
// torch.jit.load, state_dict() has the pieces' names, types and values. Tensors of
// floats become parameters, the others buffers.
//
// The class is the outer module's, with or without packages before it ("CLIP",
// "multimodal.model.CLIP"); every module below is of a class of its own, as in an
// archive of a traced model. The modules hold tensors and no code: calling one is
// an error. The comment is the zip archive's own and may be empty.
//
// One piece is in memory at a time: the parameters of a module, its buffers, then
// the modules in it. The same pieces give the same bytes. Errors are those of
// [WriteTorchZip]; besides, a name that cannot be an attribute's wraps
// [assay.ErrInvalid].
func WriteTorchScript(ctx context.Context, w io.Writer, class string, pieces []Piece, comment string) error {
	planned, err := planTorch(pieces)
	if err != nil {
		return err
	}
	root, err := scriptTree(planned)
	if err != nil {
		return err
	}
	parts := strings.Split("__torch__."+class, ".")
	if slices.ContainsFunc(parts, func(s string) bool { return !identifier(s) }) {
		return fmt.Errorf("class %.100q: not names joined by dots: %w", class, assay.ErrInvalid)
	}
	outer := len(parts) - 1
	s := &scriptWriter{pickle: newPickleWriter(), space: strings.Join(parts[:outer], "."), class: parts[outer]}
	if err := s.module(root, s.space); err != nil {
		return err
	}
	s.pickle.op(opStop)
	z, err := newZipWriter(w, comment)
	if err != nil {
		return err
	}
	if err := z.tensors(ctx, s.pickle.storages); err != nil {
		return err
	}
	s.entries = append(s.entries,
		scriptEntry{"data.pkl", s.pickle.String()},
		scriptEntry{"constants.pkl", "\x80\x02)."}, // an empty tuple
		scriptEntry{"version", torchVersion},
		scriptEntry{"byteorder", "little"})
	for _, e := range s.entries {
		if err := z.whole(ctx, torchFolder+e.name, []byte(e.content)); err != nil {
			return err
		}
	}
	return z.Close()
}

// A scriptModule is a module as its tensors' names describe it.
type scriptModule struct {
	parameters, buffers []scriptTensor
	children            []scriptChild
}

type scriptTensor struct {
	name string // the last part
	plannedPiece
}

type scriptChild struct {
	name   string
	module *scriptModule
}

// scriptTree makes modules of dotted names.
func scriptTree(pieces []plannedPiece) (*scriptModule, error) {
	root := &scriptModule{}
	for _, p := range pieces {
		at, parts := root, strings.Split(p.Name, ".")
		for i, part := range parts {
			last := i == len(parts)-1
			if err := at.allows(part, last); err != nil {
				return nil, fmt.Errorf("tensor %.100q: %w: %w", p.Name, err, assay.ErrInvalid)
			}
			if !last {
				at = at.child(part)
			}
		}
		tensor := scriptTensor{parts[len(parts)-1], p}
		if strings.Contains(p.DType, "float") {
			at.parameters = append(at.parameters, tensor)
		} else {
			at.buffers = append(at.buffers, tensor)
		}
	}
	return root, nil
}

// allows checks a name for an attribute of the module.
func (m *scriptModule) allows(name string, tensor bool) error {
	if name == "" || name == "training" || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r > '~' }) {
		return fmt.Errorf("%q cannot be the name of an attribute", name)
	}
	same := func(t scriptTensor) bool { return t.name == name }
	if slices.ContainsFunc(m.parameters, same) || slices.ContainsFunc(m.buffers, same) ||
		tensor && slices.ContainsFunc(m.children, func(c scriptChild) bool { return c.name == name }) {
		return fmt.Errorf("%q is the name of a tensor and of a module", name)
	}
	return nil
}

// child returns the named module, which is made if it is not there.
func (m *scriptModule) child(name string) *scriptModule {
	for _, c := range m.children {
		if c.name == name {
			return c.module
		}
	}
	m.children = append(m.children, scriptChild{name, &scriptModule{}})
	return m.children[len(m.children)-1].module
}

// A scriptWriter collects what describes the modules.
type scriptWriter struct {
	pickle       *pickleWriter
	space, class string // the outer module is of SPACE.CLASS
	mangled      int    // modules inside it so far
	entries      []scriptEntry
}

type scriptEntry struct{ name, content string }

// module writes the object into the pickle and its class into an entry of code,
// then those of the modules in it.
func (s *scriptWriter) module(m *scriptModule, space string) error {
	at := len(s.entries)
	s.entries = append(s.entries, scriptEntry{name: "code/" + strings.ReplaceAll(space, ".", "/") + ".py"})
	p := s.pickle
	p.class(space, s.class)
	p.op(opEmptyTuple, pickleNewObj, opEmptyDict, opMark)
	var code strings.Builder
	fmt.Fprintf(&code, "class %s(Module):\n  __parameters__ = %s\n  __buffers__ = %s\n", s.class, listed(m.parameters), listed(m.buffers))
	for _, t := range slices.Concat(m.parameters, m.buffers) {
		code.WriteString(annotation(t.name, "Tensor"))
		p.text(t.name)
		if err := p.tensor(t.plannedPiece); err != nil {
			return err
		}
	}
	code.WriteString(annotation("training", "bool"))
	p.text("training")
	p.truth(false)
	for _, c := range m.children {
		inner := fmt.Sprintf("%s.___torch_mangle_%d", s.space, s.mangled) // as torch tells classes of one name apart
		s.mangled++
		code.WriteString(annotation(c.name, inner+"."+s.class))
		p.text(c.name)
		if err := s.module(c.module, inner); err != nil {
			return err
		}
	}
	p.op(opSetItems, opBuild)
	s.entries[at].content = code.String()
	return nil
}

// listed writes the names as a list of Python.
func listed(tensors []scriptTensor) string {
	var b strings.Builder
	for _, t := range tensors {
		fmt.Fprintf(&b, "%q, ", t.name)
	}
	return "[" + b.String() + "]"
}

// annotation declares an attribute of a class.
func annotation(name, class string) string {
	if identifier(name) {
		return fmt.Sprintf("  %s : %s\n", name, class)
	}
	return fmt.Sprintf("  __annotations__[%q] = %s\n", name, class)
}

// identifier reports whether Python would take the name as it stands.
func identifier(name string) bool {
	for i, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != "" && !slices.Contains(strings.Fields(pythonWords), name)
}

// pythonWords are the keywords of Python 3.
const pythonWords = "False None True and as assert async await break class continue def del elif else except finally for from " +
	"global if import in is lambda nonlocal not or pass raise return try while with yield"

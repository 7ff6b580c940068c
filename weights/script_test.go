package weights

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stateDict is what Python says a file holds.
type stateDict struct {
	Digest  string
	Tensors map[string]struct {
		DType  string
		Shape  []int
		SHA256 string
		Sum    *float64
	}
	Extra    []string // tensors that state_dict() does not have
	Metadata map[string]string
}

// compare checks names, types, shapes, values and sums.
func (w stateDict) compare(t *testing.T, c *Checkpoint) {
	t.Helper()
	names := slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(w.Tensors)), w.Extra...)))
	if diff := cmp.Diff(names, c.Names()); diff != "" {
		t.Errorf("names (-Python +assay):\n%s", diff)
	}
	for name, tensor := range w.Tensors {
		shape, _ := c.Shape(name)
		raw, err := c.Bytes(name)
		if err != nil || !slices.Equal(shape, tensor.Shape) {
			t.Errorf("%s: shape %v, %v; want %v", name, shape, err, tensor.Shape)
			continue
		}
		sum := sha256.Sum256(raw)
		if _, _, _, kind := c.Place(name); kind != tensor.DType || hex.EncodeToString(sum[:]) != tensor.SHA256 {
			t.Errorf("%s: %s or its values, want %s", name, kind, tensor.DType)
		}
		values, err := c.Float64(name)
		if err != nil {
			if tensor.DType != "int64" && tensor.DType != "complex64" {
				t.Error(err)
			}
			continue
		}
		total := 0.0
		for _, v := range values {
			total += v
		}
		if tensor.Sum == nil || math.Abs(total-*tensor.Sum) > 1e-12*float64(len(values)) {
			t.Errorf("%s: sum %v, Python says %v", name, total, tensor.Sum)
		}
	}
	checkInvariants(t, c)
}

// TestTorchScript compares files that torch.jit.save wrote with their state_dict:
// see reference/weights_torchscript.py.
func TestTorchScript(t *testing.T) {
	var want map[string]stateDict
	readJSON(t, "torchscript.json", &want)
	if len(want) != 6 {
		t.Errorf("%d files described, want 6", len(want))
	}
	for file, w := range want {
		t.Run(file, func(t *testing.T) {
			c := open(t, filepath.Join("testdata", file))
			if c.Container() != TorchScript {
				t.Errorf("container %q", c.Container())
			}
			w.compare(t, c)
			if got := digest(t, c); got != w.Digest && len(w.Extra) == 0 {
				t.Errorf("digest %s, Python says %s", got, w.Digest)
			}
		})
	}
}

// TestTorchScriptMetadata reads the numbers and texts that modules hold.
func TestTorchScriptMetadata(t *testing.T) {
	for _, file := range []string{"script_new.pt", "script_old.pt"} {
		c := open(t, filepath.Join("testdata", file))
		want := map[string]string{
			"depth": "2", "blocks.0.heads": "2", "blocks.1.heads": "2", "part.far": "4611686018427387904", "part.minus": "-3",
			"part.resolution": "224", "part.ratio": "0.5", "part.label": "part", "part.on": "true", "part.inf": "+Inf", "part.device": "cpu", "conv.transposed": "false",
		}
		if diff := cmp.Diff(want, c.Metadata()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// TestTorchScriptByContent recognises the container without its constants or code.
func TestTorchScriptByContent(t *testing.T) {
	module := newPickle().module("A").str("w").tensor("0", "FloatStorage", 4, 0, []int64{4}, []int64{1}).end().stop()
	plain, storages := pickleOf([]row{{"w", []int64{4}, make([]byte, 16)}})
	for _, test := range []struct {
		name   string
		pickle []byte
		extra  []entry
		want   Container
	}{
		{"a module", module, nil, TorchScript},
		{"a dictionary", plain, nil, TorchZip},
		{"a dictionary with constants", plain, []entry{{"x/constants.pkl", []byte("rubbish"), 0}}, TorchScript},
		{"a dictionary with code", plain, []entry{{"x/code/a.py", bytes.Repeat([]byte("x"), 9999), zip.Deflate}}, TorchScript},
	} {
		c, err := openBytes(zipOf(t, append([]entry{{"x/data.pkl", test.pickle, 0}, {"x/data/0", storages[0], 0}}, test.extra...)...), Limits{})
		if err != nil || c.Container() != test.want || !slices.Equal(c.Names(), []string{"w"}) {
			t.Errorf("%s: %v, want %s with w", test.name, err, test.want)
		}
	}
}

// TestTorchScriptStorages lie in data/ or beside it; only a number is looked for
// there.
func TestTorchScriptStorages(t *testing.T) {
	module := func(key string) []byte {
		return newPickle().module("A").str("w").tensor(key, "FloatStorage", 4, 0, []int64{4}, []int64{1}).end().stop()
	}
	four := []byte("0123456789abcdef")
	c, err := openBytes(zipOf(t, entry{"x/data.pkl", module("0"), 0}, entry{"x/0", four, 0}), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := c.Bytes("w"); err != nil || !bytes.Equal(raw, four) {
		t.Errorf("%q %v", raw, err)
	}
	refused(t, zipOf(t, entry{"x/data.pkl", module("version"), 0}, entry{"x/version", four, 0}), "is not in the archive")
	refused(t, zipOf(t, entry{"x/data.pkl", module("0"), 0}, entry{"x/data/0", four, zip.Deflate}), "compressed")
}

// TestHostileScripts are modules that torch.jit.save does not write.
func TestHostileScripts(t *testing.T) {
	four := make([]byte, 16)
	tensor := func(p *pickler) *pickler {
		return p.str("w").tensor("0", "FloatStorage", 4, 0, []int64{4}, []int64{1})
	}
	class := "__torch__.net A"
	for name, test := range map[string]struct {
		pickle *pickler
		want   string
	}{
		"other class":        {newPickle().global("torch.nn Linear").op(opEmptyTuple, opNewObj), `"torch.nn.Linear"`},
		"near miss":          {newPickle().global("__torch__x net").op(opEmptyTuple, opNewObj), `"__torch__x.net"`},
		"builtins":           {newPickle().global("builtins complex").op(opEmptyTuple, opNewObj), `"builtins.complex"`},
		"jit helper":         {newPickle().global("torch.jit._pickle exec").op(opEmptyTuple, opNewObj), `"torch.jit._pickle.exec"`},
		"no class":           {newPickle().str("x").op(opEmptyTuple, opNewObj), "makes an instance of text"},
		"allowed, no class":  {newPickle().global(string(buildIntList)).op(opEmptyTuple, opNewObj), "makes an instance of the name"},
		"arguments":          {newPickle().global(class).str("x").op(opTuple1, opNewObj), "is made of arguments"},
		"arguments no tuple": {newPickle().global(class).op(opEmptyList, opNewObj), "is made of arguments"},
		"called":             {newPickle().global(class).str("x").op(opTuple1, opReduce), "__torch__.net.A is called with 1 arguments"},
		"called bare":        {newPickle().global(class).op(opEmptyTuple, opReduce), "is called with 0 arguments"},
		"state no dict":      {newPickle().global(class).op(opEmptyTuple, opNewObj, opEmptyTuple, opBuild), "want a dictionary of attributes"},
		"state ordered": {newPickle().global(class).op(opEmptyTuple, opNewObj).global(string(orderedDict)).op(opEmptyTuple, opReduce, opBuild),
			"want a dictionary of attributes"},
		"two states":     {newPickle().module("A").end().op(opEmptyDict, opBuild), "twice"},
		"numbered":       {newPickle().module("A").num(1).num(2).end(), "attribute 0 of a __torch__.net.A is named by an integer"},
		"nameless":       {tensor(newPickle().module("A").str("").op(opNone)).end(), "attribute without a name"},
		"list of text":   {newPickle().global(string(buildIntList)).str("x").op(opTuple1, opReduce), "build_intlist of text"},
		"list of two":    {newPickle().global(string(buildIntList)).op(opEmptyList, opEmptyList, opTuple2, opReduce), "with 2 arguments"},
		"tag of a tuple": {newPickle().global(string(restoreTypeTag)).op(opEmptyTuple).str("x").op(opTuple2, opReduce), "restore_type_tag of a tuple"},
		"tag no text":    {newPickle().global(string(restoreTypeTag)).op(opEmptyList, opNone, opTuple2, opReduce), "restore_type_tag of a list"},
		"device":         {newPickle().global(string(torchDevice)).op(opNone, opTuple1, opReduce), "torch.device of None"},
		"same name":      {tensor(tensor(newPickle().module("A"))).end(), `two tensors are named "w"`},
		"same number":    {tensor(newPickle().module("A").str("n").num(1).str("n").num(2)).end(), `two attributes are named "n"`},
		"frozen":         {newPickle().module("A").str("n").num(1).end(), "torch.jit.freeze"},
		"no state":       {newPickle().global(class).op(opEmptyTuple, opNewObj), "torch.jit.freeze"},
		"loop": {newPickle().global(class).op(opEmptyTuple, opNewObj, opBinPut, 0, opEmptyDict, opMark).str("self").
			op(opBinGet, 0, opSetItems, opBuild), "nested deeper"},
		"appended to": {newPickle().module("A").end().op(opNone, opAppend), "appends to a __torch__.net.A"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, torchZip(t, test.pickle.stop(), four), test.want)
		})
	}
	legacy := tensor(newPickle().module("A")).end().stop()
	refused(t, torchLegacy(legacy, four), `"__torch__.net.A"`) // torch.jit.save never wrote that container
	late := newPickle().global(class).op(opEmptyTuple, opNewObj, opEmptyDict, opBinPut, 7, opBuild, opEmptyDict).
		str("a").op(opBinGet, 7).num(1).op(opNone, opSetItem, opSetItem) // the attributes change after BUILD has looked
	refused(t, torchZip(t, late.stop(), four), "")
}

// TestScriptBombs are small pickles of modules that describe something huge.
func TestScriptBombs(t *testing.T) {
	shared := newPickle().op(opMark).module("A").str("w").tensor("0", "FloatStorage", 4, 0, []int64{4}, []int64{1}).end().op(opBinPut, 0)
	for range 60 { // each module holds the one before it twice: 2⁶⁰ tensors
		shared.module("A").str("a").op(opBinGet, 0).str("b").op(opBinGet, 0).end().op(opBinPut, 0)
	}
	refused(t, torchZip(t, shared.op(opTuple).stop(), make([]byte, 16)), "too often")
	deep := newPickle().op(opMark).module("A").end().op(opBinPut, 0)
	for range 10_000 {
		deep.module("A").str("a").op(opBinGet, 0).end().op(opBinPut, 0)
	}
	refused(t, torchZip(t, deep.op(opTuple).stop(), make([]byte, 16)), "nested deeper")
	numbers := newPickle().op(opMark).module("A") // one number under 4000 long names
	numbers.str(strings.Repeat("long", 5000)).op(opBinPut, 1).num(1).end().op(opBinPut, 0)
	for range 20 {
		numbers.module("A").op(opBinGet, 1, opBinGet, 0).end().op(opBinPut, 0)
	}
	for range 4000 {
		numbers.op(opBinGet, 0)
	}
	refused(t, torchZip(t, numbers.op(opTuple).stop(), make([]byte, 16)), "names of the tensors are too long")
}

// TestDamagedScripts changes and cuts a real archive at every third byte of its
// directory, pickle and program: it is refused, or reads consistently.
func TestDamagedScripts(t *testing.T) {
	good, err := os.ReadFile(filepath.Join("testdata", "attributes_new.pt"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(good); i += 3 {
		fuzzOpen(t, good[:i])
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		fuzzOpen(t, bad)
	}
}

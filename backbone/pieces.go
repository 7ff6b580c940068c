package backbone

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/weights"
)

// A Source is an official checkpoint; weights.Checkpoint is one.
type Source interface {
	Names() []string                        // of every tensor
	Shape(name string) ([]int, bool)        // false if there is no such tensor
	Float32(name string) ([]float32, error) // row-major; widened exactly from narrower types
}

// A LoRA is an adapter of low rank on the query, key and value of every block:
// W' = W + Scale·B·A.
type LoRA struct {
	Scale float32
	Rank  int
	// A and B return the adapter's two matrices for a block, row-major: A is
	// [Rank, w] and B is [3w, Rank].
	A, B func(block int) ([]float32, error)
}

// Pieces describes the prepared file of the tower, made from a checkpoint that
// names its parts as l says: float32 values, canonical names, query, key and value
// in one tensor, positions interpolated to the tower's grid, the adapter merged in
// (nil for none), and with [nn.Int8] the weights of the blocks' four linear layers
// quantized, with [nn.Packed] packed. The same weights give the same file under
// every layout, and the same digest packed or not.
//
// Names and shapes are checked here; values are read when a piece is made. Tensors
// of CLIP's text half may be there; any other that the tower has no use for is
// refused, and so is what is missing or of another shape: the error wraps
// [assay.ErrInvalid] and names them.
func (v ViT) Pieces(l Layout, src Source, lora *LoRA, p nn.Precision) ([]weights.Piece, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	c, err := l.container()
	if err != nil {
		return nil, err
	}
	if lora != nil && (lora.Rank < 1 || lora.A == nil || lora.B == nil || lora.Scale-lora.Scale != 0) {
		return nil, fmt.Errorf("tower %s: adapter of rank %d and scale %g: %w", v.Name, lora.Rank, lora.Scale, assay.ErrInvalid)
	}
	plan := plan{tower: v.Name, layout: l, c: c, own: c.vision, other: c.text, src: src,
		width: v.Width, stored: v.Grid, grid: v.grid(), lora: lora}
	return plan.pieces(v.slots(), p)
}

// Pieces describes the prepared file of the tower; see [ViT.Pieces]. The file also
// has logit_scale, the logarithm of the factor on cosines.
func (t Text) Pieces(l Layout, src Source, p nn.Precision) ([]weights.Piece, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	c, err := l.container()
	if err != nil {
		return nil, err
	}
	if c.text == nil {
		return nil, fmt.Errorf("tower %s: layout %s holds no text towers: %w", t.Name, l, assay.ErrInvalid)
	}
	plan := plan{tower: t.Name, layout: l, c: c, own: c.text, other: c.vision, src: src, width: t.Width}
	return plan.pieces(t.slots(), p)
}

// A plan turns a checkpoint into a prepared file.
type plan struct {
	tower        string
	layout       Layout
	c            container
	own, other   naming // of the tower's half, and of the other one
	src          Source
	width        int
	stored, grid int // of positions, in the checkpoint and in the tower; 0 for text
	lora         *LoRA
}

// officialShape returns the shape that each of the slot's official tensors has.
func (p plan) officialShape(s slot, parts int) []int {
	shape := slices.Clone(s.shape)
	switch s.role {
	case fused, fusedBias:
		shape[0] /= parts
	case projection:
		if p.c.turned {
			slices.Reverse(shape)
		}
	case positions:
		shape[0] = 1 + p.stored*p.stored
		if p.c.batched {
			shape = append([]int{1}, shape...)
		}
	case classToken:
		if p.c.batched {
			shape = append([]int{1, 1}, shape...)
		}
	}
	return shape
}

// pieces checks the checkpoint and describes the file.
func (p plan) pieces(slots []slot, precision nn.Precision) ([]weights.Piece, error) {
	if err := p.fit(slots); err != nil {
		return nil, err
	}
	return p.list(slots, precision)
}

// list describes the file that the slots make up.
func (p plan) list(slots []slot, precision nn.Precision) ([]weights.Piece, error) {
	if precision != nn.Float32 && precision != nn.Packed && precision != nn.Int8 {
		return nil, fmt.Errorf("tower %s: precision %q, want %s, %s or %s: %w", p.tower, precision, nn.Float32, nn.Packed, nn.Int8, assay.ErrInvalid)
	}
	var list []weights.Piece
	for _, s := range slots {
		values := func() ([]float32, error) { return p.values(s) }
		product := s.role == linear || s.role == fused
		switch {
		case product && precision == nn.Int8:
			list = append(list, quantized(s, values)...)
		case product && precision == nn.Packed:
			list = append(list, packed(s, values))
		default:
			list = append(list, floats(s, values))
		}
	}
	return list, nil
}

// fit checks that the checkpoint has every tensor the slots are made of, in its
// shape, and no other.
func (p plan) fit(slots []slot) error {
	var m misfit
	used := map[string]bool{}
	for _, s := range slots {
		names := p.own.official(s.name)
		if len(names) == 0 {
			m.missing = append(m.missing, fmt.Sprintf("%s (the layout has no name for it)", s.name))
		}
		want := p.officialShape(s, len(names))
		for _, name := range names {
			used[name] = true
			m.need(p.src, name, want)
		}
	}
	others := p.other.patterns()
	m.others(p.src, func(name string) bool {
		generic, _ := star(name)
		return used[name] || others[generic] || slices.Contains(p.c.idle, name)
	})
	return m.err(fmt.Sprintf("tower %s in layout %s", p.tower, p.layout))
}

// listed joins the first few names and counts the rest, to fit a screen.
func listed(names []string) string {
	const most = 8
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// values returns the slot's values in float32, as the network wants them.
func (p plan) values(s slot) ([]float32, error) {
	names := p.own.official(s.name)
	shape := p.officialShape(s, len(names))
	var all []float32
	for _, name := range names {
		v, err := p.src.Float32(name)
		if err != nil {
			return nil, fmt.Errorf("tower %s: %w", p.tower, err)
		}
		if len(v) != volume(shape) {
			return nil, fmt.Errorf("tower %s: tensor %q has %d values for shape %v: %w", p.tower, name, len(v), shape, assay.ErrInvalid)
		}
		all = append(all, v...)
	}
	switch {
	case s.role == projection && p.c.turned:
		return transposed(all, shape[0], shape[1]), nil
	case s.role == positions && p.stored != p.grid:
		return interpolated(all, p.stored, p.grid, p.width), nil
	case s.role == fused && p.lora != nil:
		return p.merged(s, all)
	}
	return all, nil
}

// volume returns the number of elements of a shape.
func volume(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

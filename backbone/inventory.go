package backbone

import (
	"fmt"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/weights"
)

// A Storage says in which types a container holds a CLIP model.
type Storage string

// The storages of published files.
const (
	Single Storage = "single" // float32: LAION's and PickScore's
	Half   Storage = "half"   // float16: HPS
	Mixed  Storage = "mixed"  // OpenAI's: linear layers, convolution and projections float16, the rest float32
)

// Inventory lists the tensors that an official file of the tower holds in the
// given layout, in float32, with synthetic values that keep activations in the
// range of trained towers. It is nil for a layout that has no names for them.
func (v ViT) Inventory(l Layout) []weights.TensorSpec {
	c, err := l.container()
	if err != nil || v.check() != nil {
		return nil
	}
	p := plan{c: c, own: c.vision, stored: v.Grid, grid: v.grid()}
	list := p.inventory(v.slots(), Single)
	if l != Timm || list == nil {
		return list
	}
	if !v.Pool.normed() { // the norm that raw features do not pass
		for _, s := range norm("post", v.Width) {
			list = append(list, weights.TensorSpec{Name: c.vision.official(s.name)[0], Shape: s.shape, DType: "float32", Init: s.init})
		}
	}
	if v.LayerScale {
		list = append(list, weights.TensorSpec{Name: "mask_token", Shape: []int{1, v.Width}, DType: "float32",
			Init: weights.Init{Kind: weights.InitConst}})
	}
	return list
}

// Inventory lists the tensors of the tower's half of an official file, in float32;
// see [ViT.Inventory].
func (t Text) Inventory(l Layout) []weights.TensorSpec {
	c, err := l.container()
	if err != nil || c.text == nil || t.check() != nil {
		return nil
	}
	return plan{c: c, own: c.text}.inventory(t.slots(), Single)
}

// InventoryCLIP lists every tensor of an official file that holds both halves of a
// CLIP model, the small integers that nobody reads included.
func InventoryCLIP(v ViT, t Text, l Layout, s Storage) ([]weights.TensorSpec, error) {
	if s != Single && s != Half && s != Mixed {
		return nil, fmt.Errorf("storage %q, want %s, %s or %s: %w", s, Single, Half, Mixed, assay.ErrInvalid)
	}
	for _, err := range []error{v.check(), t.check()} {
		if err != nil {
			return nil, err
		}
	}
	c, err := l.container()
	if err != nil {
		return nil, err
	}
	vision := plan{c: c, own: c.vision, stored: v.Grid, grid: v.grid()}.inventory(v.slots(), s)
	text := plan{c: c, own: c.text}.inventory(t.slots(), s)
	if vision == nil || text == nil {
		return nil, fmt.Errorf("towers %s and %s: layout %s has no names for some of their tensors: %w", v.Name, t.Name, l, assay.ErrInvalid)
	}
	list := append(vision, text...)
	number := func(name string, n int) weights.TensorSpec {
		return weights.TensorSpec{Name: name, DType: "int64", Init: weights.Init{Kind: weights.InitConst, Mean: float64(n)}}
	}
	switch {
	case l == OpenAI && s == Mixed: // the TorchScript archives
		list = append(list, number("input_resolution", v.Size), number("context_length", t.Context), number("vocab_size", t.Vocabulary))
	case l == HuggingFace:
		for i, n := range []int{v.tokens(), t.Context} {
			list = append(list, weights.TensorSpec{Name: c.idle[i], Shape: []int{1, n}, DType: "int64",
				Init: weights.Init{Kind: weights.InitArange}})
		}
	}
	return list, nil
}

// inventory lists the official tensors of the slots, or nil if the layout has no
// name for one of them.
func (p plan) inventory(slots []slot, storage Storage) []weights.TensorSpec {
	var list []weights.TensorSpec
	for _, s := range slots {
		dtype := "float32"
		if storage == Half || storage == Mixed && s.half {
			dtype = "float16"
		}
		names := p.own.official(s.name)
		if len(names) == 0 {
			return nil
		}
		for _, name := range names {
			list = append(list, weights.TensorSpec{Name: name, Shape: p.officialShape(s, len(names)), DType: dtype, Init: s.init})
		}
	}
	return list
}

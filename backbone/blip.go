package backbone

import (
	"fmt"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/weights"
)

// BLIPL16 returns BLIP's ViT-L/16, vision, as ImageReward keeps it: 197 tokens of
// 1024, each normalised.
func BLIPL16() ViT {
	return ViT{Name: "blip-l16", Size: 224, Patch: 16, Grid: 14, Width: 1024, Layers: 24, Heads: 16, MLP: 4096,
		Activation: nn.GELU, Eps: dinoEps, PatchBias: true, Pool: TokensNormed}
}

// A Reward is a row of what ImageReward puts on BLIP's vision tower: BLIP's text
// half, which reads a prompt while it looks at the picture, and linear layers from
// its feature to one number, which is then put on the scale of the training set.
//
// Xu et al., arXiv 2304.05977.
type Reward struct {
	Name   string // "imagereward-text"
	Text   BERT
	Tokens int     // of a picture
	Head   []int   // lengths between the linear layers, the feature's first and 1 last
	Mean   float64 // of the numbers, subtracted
	Std    float64 // of the numbers, divided by
}

// ImageReward returns the row of ImageReward v1.0, for the tokens of [BLIPL16].
func ImageReward() Reward {
	return Reward{Name: "imagereward-text", Tokens: 197,
		Text: BERT{Context: 512, Vocabulary: 30524, Width: 768, Layers: 12, Heads: 12, MLP: 3072, Seen: 1024, Eps: 1e-12},
		Head: []int{768, 1024, 128, 64, 16, 1},
		Mean: 0.16717362830052426, Std: 1.0333394966054072,
	}
}

// headLayers are the numbers of the linear layers among the modules of the
// official head; the others drop values while it is trained. No function stands
// between them.
var headLayers = []int{0, 2, 4, 6, 7}

// check refuses a row that describes no network.
func (r Reward) check() error {
	err := r.Text.check()
	n := len(r.Head)
	switch {
	case err != nil:
	case r.Tokens < 1 || n != len(headLayers)+1 || r.Head[0] != r.Text.Width || r.Head[n-1] != 1 || !(r.Std > 0) || r.Mean-r.Mean != 0:
		err = fmt.Errorf("%d tokens, a head of %v, mean %g and deviation %g: %w", r.Tokens, r.Head, r.Mean, r.Std, assay.ErrInvalid)
	default:
		for _, w := range r.Head {
			if w < 1 {
				err = fmt.Errorf("a head of %v: %w", r.Head, assay.ErrInvalid)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("tower %q: %w", r.Name, err)
	}
	return nil
}

// headSlots returns the linear layers of the official head. Synthetic features that
// differ by about one give numbers that do, and the last bias brings these near 0
// under the seed that parity is checked with.
func (r Reward) headSlots() []slot {
	var list []slot
	for i, number := range headLayers {
		name := fmt.Sprintf("head.%d", number)
		in, out := r.Head[i], r.Head[i+1]
		list = append(list,
			slot{name: name + ".weight", shape: []int{out, in}, init: fan(in, 1)},
			slot{name: name + ".bias", shape: []int{out}, init: normal(0, 0.02)})
	}
	list[len(list)-1].init.Mean = 2.2
	return list
}

// Graph builds the network over a file that [Reward.Pieces] described. Its inputs
// are "ids" [1, n], n from 1 to Text.Context: token numbers as float32 that hold
// whole numbers; and "seen" [1, Tokens, Text.Seen]: the picture's tokens. Its
// output "reward" is [1, 1]. A number outside the vocabulary, and more tokens than
// positions, fail when the graph runs. For errors see [ViT.Graph].
func (r Reward) Graph(w onnx.Weights, p nn.Precision) (*onnx.Model, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	b := onnx.NewBuilder(w)
	ids, seen := b.Input("ids", 1, onnx.Dynamic), b.Input("seen", 1, r.Tokens, r.Text.Seen)
	x := r.Text.apply(b, p, ids, seen)
	b.Output("reward", b.Gemm(x, b.Param("head.weight", 1, r.Text.Width), b.Param("head.bias", 1), true))
	return built(b, r.Name)
}

// Flops returns the floating-point operations of the products that [Reward.Graph]
// takes for n tokens, a multiplication and an addition counted as two.
func (r Reward) Flops(n int) float64 {
	return r.Text.flops(n, r.Tokens) + 2*float64(r.Text.Width)
}

// Pieces describes the prepared file, made from an official checkpoint: see
// [ViT.Pieces]. The head's layers, mean and deviation become one row and one bias,
// multiplied out in float64. The vision half and BLIP's projections may be there;
// any other tensor without use is refused.
func (r Reward) Pieces(src Source, p nn.Precision) ([]weights.Piece, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	plan := r.plan()
	plan.src = src
	text, head := r.Text.slots(), r.headSlots()
	if err := plan.fit(append(text[:len(text):len(text)], head...)); err != nil {
		return nil, err
	}
	list, err := plan.list(text, p)
	if err != nil {
		return nil, err
	}
	folded := func(part int) func() ([]byte, error) {
		return func() ([]byte, error) {
			row, bias, err := r.folded(plan)
			if err != nil {
				return nil, err
			}
			return weights.Float32Bytes([][]float32{row, {bias}}[part]), nil
		}
	}
	return append(list,
		weights.Piece{Name: "head.weight", Shape: []int{1, r.Text.Width}, DType: "float32", Make: folded(0)},
		weights.Piece{Name: "head.bias", Shape: []int{1}, DType: "float32", Make: folded(1)}), nil
}

func (r Reward) plan() plan {
	c := containers[BLIP]
	return plan{tower: r.Name, layout: BLIP, c: c, own: c.text, other: c.vision, width: r.Text.Width}
}

// folded multiplies the head's layers out, from the last one to the first, and puts
// mean and deviation in. The results are rounded to float32 once.
func (r Reward) folded(p plan) (row []float32, bias float32, err error) {
	slots := r.headSlots()
	sum, offset := []float64{1}, 0.0 // what the layers after this one make of its output
	for i := len(headLayers) - 1; i >= 0; i-- {
		w, err := p.values(slots[2*i])
		if err != nil {
			return nil, 0, err
		}
		b, err := p.values(slots[2*i+1])
		if err != nil {
			return nil, 0, err
		}
		in := r.Head[i]
		next := make([]float64, in)
		for o, f := range sum {
			offset += float64(f * float64(b[o]))
			for k, x := range w[o*in : (o+1)*in] {
				next[k] += float64(f * float64(x))
			}
		}
		sum = next
	}
	row = make([]float32, len(sum))
	for i, x := range sum {
		row[i] = float32(x / r.Std)
	}
	return row, float32((offset - r.Mean) / r.Std), nil
}

// Inventory lists every tensor of an official file, with the vision tower that
// belongs to it, in the types it has there and with synthetic values; see
// [ViT.Inventory]. BLIP's projections and the table of positions, which nobody
// reads, are among them.
func (r Reward) Inventory(v ViT) ([]weights.TensorSpec, error) {
	for _, err := range []error{v.check(), r.check()} {
		if err != nil {
			return nil, err
		}
	}
	p := r.plan()
	list := v.Inventory(BLIP)
	list = append(list, weights.TensorSpec{Name: blipPositionIDs, Shape: []int{1, r.Text.Context}, DType: "int64",
		Init: weights.Init{Kind: weights.InitArange}})
	list = append(list, p.inventory(r.Text.slots(), Single)...)
	const joint = 256 // of BLIP's projections
	for _, part := range []struct {
		name string
		in   int
	}{{"blip.vision_proj", v.Width}, {"blip.text_proj", r.Text.Width}} {
		list = append(list,
			weights.TensorSpec{Name: part.name + ".weight", Shape: []int{joint, part.in}, DType: "float32", Init: fan(part.in, 1)},
			weights.TensorSpec{Name: part.name + ".bias", Shape: []int{joint}, DType: "float32", Init: normal(0, 0.02)})
	}
	return append(list, p.inventory(r.headSlots(), Single)...), nil
}

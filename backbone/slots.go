package backbone

import (
	"math"

	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/weights"
)

// A role says what a tensor is to a network, as far as files treat it differently.
type role int

const (
	plain      role = iota // stored as it is used
	linear                 // weight of a block's linear layer [out, in]: may become int8
	fused                  // linear, of query, key and value: may come in three parts, and take a LoRA
	fusedBias              // the bias of fused: may come in three parts
	classToken             // [w]: may be stored as [1, 1, w]
	positions              // [1+g², w]: may be stored as [1, 1+g², w], and for another grid
	projection             // [w, e]: may be stored transposed
)

// A slot is one tensor of a prepared file, before it is quantized.
type slot struct {
	name  string // canonical
	shape []int
	role  role
	half  bool         // OpenAI's files store it as float16
	init  weights.Init // synthetic values
}

// normal is mean + scale·N(0, 1).
func normal(mean, scale float64) weights.Init {
	return weights.Init{Kind: weights.InitNormal, Mean: mean, Scale: scale}
}

// fan is N(0, gain/√in): it keeps the size of what a layer with in inputs is given.
func fan(in int, gain float64) weights.Init { return normal(0, gain/math.Sqrt(float64(in))) }

// norm returns the two tensors of a layer norm.
func norm(name string, width int) []slot {
	return []slot{
		{name: name + ".weight", shape: []int{width}, init: normal(1, 0.1)},
		{name: name + ".bias", shape: []int{width}, init: normal(0, 0.1)},
	}
}

// layer returns the two tensors of a linear layer, which have the given roles.
func layer(name string, weight, bias role, in, out int, gain float64) []slot {
	return []slot{
		{name: name + ".weight", shape: []int{out, in}, role: weight, half: true, init: fan(in, gain)},
		{name: name + ".bias", shape: []int{out}, role: bias, half: true, init: normal(0, 0.02)},
	}
}

// slots returns the tensors of the vision tower's file.
func (v ViT) slots() []slot {
	w := v.Width
	list := []slot{{name: "patch.weight", shape: []int{w, 3, v.Patch, v.Patch}, half: true, init: fan(3*v.Patch*v.Patch, 1)}}
	if v.PatchBias {
		bias := normal(0, 0.02)
		if v.PreNorm { // a CLIP tower in DreamSim's form, where the bias is there and zero
			bias = weights.Init{Kind: weights.InitConst}
		}
		list = append(list, slot{name: "patch.bias", shape: []int{w}, init: bias})
	}
	list = append(list,
		slot{name: "class", shape: []int{w}, role: classToken, init: normal(0, 0.05)},
		slot{name: "positions", shape: []int{v.tokens(), w}, role: positions, init: normal(0, 0.05)})
	if v.PreNorm {
		list = append(list, norm("pre", w)...)
	}
	list = append(list, blockSlots(w, v.MLP, v.Layers, v.LayerScale)...)
	if v.Pool.normed() {
		list = append(list, norm("post", w)...)
	}
	if v.Projection > 0 {
		list = append(list, slot{name: "proj", shape: []int{w, v.Projection}, role: projection, half: true, init: fan(w, 1)})
	}
	return list
}

// slots returns the tensors of the text tower's file.
func (t Text) slots() []slot {
	list := []slot{
		{name: "tokens", shape: []int{t.Vocabulary, t.Width}, init: normal(0, 0.05)},
		{name: "positions", shape: []int{t.Context, t.Width}, init: normal(0, 0.02)},
	}
	list = append(list, blockSlots(t.Width, t.MLP, t.Layers, false)...)
	list = append(list, norm("post", t.Width)...)
	return append(list,
		slot{name: "proj", shape: []int{t.Width, t.Projection}, role: projection, half: true, init: fan(t.Width, 1)},
		slot{name: logitScale, init: weights.Init{Kind: weights.InitConst, Mean: math.Log(100)}})
}

// blockSlots returns the tensors of a stack of blocks. The branches' last layers
// are scaled so that the sum of all branches is of the size of one. Queries and
// keys are larger than what they are made of, because attention that is almost
// uniform makes the features of all pictures almost parallel.
func blockSlots(width, mlp, layers int, scales bool) []slot {
	branch := 1 / math.Sqrt(2*float64(layers))
	var list []slot
	for i := range layers {
		n := nn.BlockName(i)
		list = append(list, norm(n+".norm1", width)...)
		list = append(list, layer(n+".qkv", fused, fusedBias, width, 3*width, 2)...)
		list = append(list, layer(n+".out", linear, plain, width, width, branch)...)
		list = append(list, norm(n+".norm2", width)...)
		list = append(list, layer(n+".fc1", linear, plain, width, mlp, 1)...)
		list = append(list, layer(n+".fc2", linear, plain, mlp, width, branch)...)
		if scales {
			for _, s := range []string{".scale1", ".scale2"} {
				list = append(list, slot{name: n + s, shape: []int{width}, init: normal(1, 0.1)})
			}
		}
	}
	return list
}

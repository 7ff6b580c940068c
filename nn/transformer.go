package nn

import (
	"fmt"

	"github.com/gen-emerge/assay/onnx"
)

// An Activation is the function between the two layers of a transformer's MLP.
// Checkpoints of one architecture differ in it, and the wrong one gives plausible
// numbers, so it is stated and has no default.
type Activation string

// The activations of published vision and text transformers.
const (
	GELU      Activation = "gelu"       // x·Φ(x), exactly
	QuickGELU Activation = "quick-gelu" // x·sigmoid(1.702·x), OpenAI's CLIP
)

// Apply adds the activation of every element of x.
func (a Activation) Apply(b *onnx.Builder, x onnx.Value) onnx.Value {
	switch a {
	case GELU:
		return b.Gelu(x)
	case QuickGELU: // ONNX Runtime makes one operator of these three
		return b.Mul(x, b.Sigmoid(b.Mul(x, b.Scalar(1.702))))
	}
	return b.Fail("activation %q, want %s or %s", a, GELU, QuickGELU)
}

// A Transformer is a stack of blocks that all work on sequences [1, length,
// Width] and add to what they are given.
type Transformer struct {
	Width      int // a multiple of Heads
	Heads      int
	MLP        int // width between the two layers of the MLP
	Activation Activation
	Eps        float32 // of the layer norms
	LayerScale bool    // each branch is multiplied by a vector before it is added
	Causal     bool    // a position sees itself and those before it only
	Precision  Precision
}

// Block adds one block: attention over the normalised sequence, then an MLP over
// the normalised positions. The parameters are
//
//	name.norm1.{weight,bias} [Width]       name.norm2.{weight,bias} [Width]
//	name.qkv.{weight [3·Width, Width], bias [3·Width]}: query, key and value
//	name.out.{weight [Width, Width], bias [Width]}
//	name.fc1.{weight [MLP, Width], bias [MLP]}
//	name.fc2.{weight [Width, MLP], bias [Width]}
//	name.scale1 [Width], name.scale2 [Width] with LayerScale
//
// in float32, or with the weights of the four linear layers as [Precision] says.
func (t Transformer) Block(b *onnx.Builder, name string, x onnx.Value) onnx.Value {
	if t.Precision == Packed && !t.Causal {
		return t.finish(b, name, x, b.SelfAttention(t.fused(b, name, x), t.Heads))
	}
	q, k, v := t.project(b, name, x)
	return t.finish(b, name, x, b.Attention(q, k, v, onnx.AttentionOptions{Heads: t.Heads, Causal: t.Causal}))
}

// BlockAt is Block for one position only, the first or, with last, the last one:
// the result is [1, 1, Width]. The others are seen but not computed, so that the
// final block of a network whose feature is one token costs a third. In a causal
// stack it must be the last position, which sees all.
func (t Transformer) BlockAt(b *onnx.Builder, name string, x onnx.Value, last bool) onnx.Value {
	if t.Causal && !last {
		return b.Fail("block %s: the first position of a causal stack sees only itself", name)
	}
	from, to := 0, 1
	if last {
		from, to = -1, onnx.End
	}
	q, k, v := t.project(b, name, x)
	y := b.Attention(b.Slice(q, 1, from, to), k, v, onnx.AttentionOptions{Heads: t.Heads})
	return t.finish(b, name, b.Slice(x, 1, from, to), y)
}

// project returns the queries, keys and values of x, each of x's shape.
func (t Transformer) project(b *onnx.Builder, name string, x onnx.Value) (q, k, v onnx.Value) {
	parts := b.Split(t.fused(b, name, x), -1, 3)
	return parts[0], parts[1], parts[2]
}

// fused returns them beside each other.
func (t Transformer) fused(b *onnx.Builder, name string, x onnx.Value) onnx.Value {
	y := LayerNorm(b, name+".norm1", x, t.Width, t.Eps)
	return t.Precision.Linear(b, name+".qkv", y, t.Width, 3*t.Width)
}

// finish adds the attention y to x, and then the MLP.
func (t Transformer) finish(b *onnx.Builder, name string, x, y onnx.Value) onnx.Value {
	y = t.Precision.Linear(b, name+".out", y, t.Width, t.Width)
	x = b.Add(x, t.scaled(b, name+".scale1", y))
	y = LayerNorm(b, name+".norm2", x, t.Width, t.Eps)
	y = t.hidden(b, name+".fc1", y)
	y = t.Precision.Linear(b, name+".fc2", y, t.MLP, t.Width)
	return b.Add(x, t.scaled(b, name+".scale2", y))
}

// hidden is the first layer of the MLP and its activation.
func (t Transformer) hidden(b *onnx.Builder, name string, x onnx.Value) onnx.Value {
	if t.Precision == Packed && t.Activation == QuickGELU {
		return linearPacked(b, name, x, t.Width, t.MLP, b.PackedGemmQuickGELU)
	}
	return t.Activation.Apply(b, t.Precision.Linear(b, name, x, t.Width, t.MLP))
}

// scaled multiplies a branch by its vector, if the stack has such.
func (t Transformer) scaled(b *onnx.Builder, name string, y onnx.Value) onnx.Value {
	if !t.LayerScale {
		return y
	}
	return b.Mul(y, b.Param(name, t.Width))
}

// BlockName returns the name of the block with the given number: "blocks.0".
func BlockName(i int) string { return fmt.Sprintf("blocks.%d", i) }

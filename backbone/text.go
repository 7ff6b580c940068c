package backbone

import (
	"fmt"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
)

// A Text is a row of the architecture of CLIP's text towers: token and position
// embeddings, pre-norm transformer blocks in which a token sees itself and those
// before it, and the last token's state, normalised and projected, as the feature.
//
// Radford et al., arXiv 2103.00020.
type Text struct {
	Name       string        // of the tower, "clip-text-l"
	Context    int           // the most tokens
	Vocabulary int           // token numbers are below
	Width      int           // of a token: a multiple of Heads
	Layers     int           // blocks
	Heads      int           // of the attention
	MLP        int           // width between the two layers of a block's MLP
	Activation nn.Activation // between them
	Eps        float32       // of every layer norm
	Projection int           // length of the feature
}

// Dim returns the length of the feature.
func (t Text) Dim() int { return t.Projection }

// check refuses a row that describes no network.
func (t Text) check() error {
	switch {
	case t.Context < 1 || t.Vocabulary < 1 || t.Projection < 1:
	case t.Layers < 1 || t.Heads < 1 || t.Width < 1 || t.Width%t.Heads != 0 || t.MLP < 1:
	default:
		return nil
	}
	return fmt.Errorf("text tower %q: %d tokens of %d, %d layers of width %d, %d heads and MLP %d, projected to %d: %w",
		t.Name, t.Context, t.Vocabulary, t.Layers, t.Width, t.Heads, t.MLP, t.Projection, assay.ErrInvalid)
}

// Graph builds the network over a file that [Text.Pieces] described. Its input
// "ids" is [1, n], n from 1 to Context: token numbers, the last being
// end-of-text, as float32 that hold whole numbers (all of them are exact). What
// follows end-of-text could not change the feature, because no token sees later
// ones, so it is never computed. Its output "embedding" is [1, Projection], not
// normalised. A number outside the vocabulary, and more than Context tokens, fail
// when the graph runs. For errors see [ViT.Graph]; the file's logit_scale is for
// the caller.
func (t Text) Graph(w onnx.Weights, p nn.Precision) (*onnx.Model, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	b := onnx.NewBuilder(w)
	b.Output("embedding", t.apply(b, p, b.Input("ids", 1, onnx.Dynamic)))
	return built(b, t.Name, logitScale)
}

// logitScale is the tensor of a text tower's file that the graph does not read:
// the logarithm of the factor on cosines between pictures and texts.
const logitScale = "logit_scale"

// apply adds the network to the graph.
func (t Text) apply(b *onnx.Builder, p nn.Precision, ids onnx.Value) onnx.Value {
	x := b.Gather(b.Param("tokens", t.Vocabulary, t.Width), b.Cast(ids, onnx.Int64), 0) // [1, n, w]
	x = b.Add(x, b.Head(b.Param("positions", t.Context, t.Width), b.Length(ids, 1), 0))
	stack := nn.Transformer{Width: t.Width, Heads: t.Heads, MLP: t.MLP, Activation: t.Activation, Eps: t.Eps,
		Causal: true, Precision: p}
	for i := range t.Layers - 1 {
		x = stack.Block(b, nn.BlockName(i), x)
	}
	x = b.Reshape(stack.BlockAt(b, nn.BlockName(t.Layers-1), x, true), 1, t.Width)
	x = nn.LayerNorm(b, "post", x, t.Width, t.Eps)
	return b.Gemm(x, b.Param("proj", t.Width, t.Projection), onnx.Value{}, false)
}

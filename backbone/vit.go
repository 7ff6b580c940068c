package backbone

import (
	"fmt"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
)

// A Pool says what a vision transformer gives as its feature.
type Pool int

// The pools. Raw features are taken after the last block, before the final norm,
// whose parameters the prepared file then lacks.
const (
	ClassNormed  Pool = iota // the class token, normalised, times the projection if there is one: [1, e]
	ClassRaw                 // the class token: [1, w]
	TokensRaw                // every token, the class token first: [1, 1+g², w]
	TokensNormed             // the same, each normalised
)

// tokens reports whether the feature is every token.
func (p Pool) tokens() bool { return p == TokensRaw || p == TokensNormed }

// normed reports whether the feature passes the final norm.
func (p Pool) normed() bool { return p == ClassNormed || p == TokensNormed }

// A ViT is a row of the one architecture that CLIP's vision towers, DINO, DINOv2,
// SynCLR and BLIP share: square patches become tokens, a class token is put before
// them, and a stack of pre-norm transformer blocks works on the sequence.
//
// Dosovitskiy et al., arXiv 2010.11929.
type ViT struct {
	Name       string        // of the tower, "clip-b32": part of a reading's identity
	Size       int           // height and width of the picture, in pixels: a multiple of Patch
	Patch      int           // height and width of a patch, in pixels
	Width      int           // of a token: a multiple of Heads
	Layers     int           // blocks
	Heads      int           // of the attention
	MLP        int           // width between the two layers of a block's MLP
	Activation nn.Activation // between them
	Eps        float32       // of every layer norm
	PatchBias  bool          // the patches have a bias
	PreNorm    bool          // tokens are normalised before the first block
	LayerScale bool          // branches are multiplied by a vector before they are added
	Pool       Pool          // what the feature is
	Projection int           // length of the projected feature; 0 for none; needs ClassNormed
	Grid       int           // height and width of the grid of positions that checkpoints hold
}

// grid returns the height and width of the grid of patches.
func (v ViT) grid() int { return v.Size / v.Patch }

// tokens returns the length of the sequence: the class token and the patches.
func (v ViT) tokens() int { return 1 + v.grid()*v.grid() }

// Dim returns the length of the feature, of each token where it is all of them.
func (v ViT) Dim() int {
	if v.Projection > 0 {
		return v.Projection
	}
	return v.Width
}

// Side returns the height and width of the pictures that the network reads, in
// pixels.
func (v ViT) Side() int { return v.Size }

// Shape returns the shape of the feature: [1, e], or [1, 1+g², w] where it is every
// token.
func (v ViT) Shape() []int {
	if v.Pool.tokens() {
		return []int{1, v.tokens(), v.Width}
	}
	return []int{1, v.Dim()}
}

// check refuses a row that describes no network.
func (v ViT) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("vision tower %q: %s: %w", v.Name, fmt.Sprintf(format, args...), assay.ErrInvalid)
	}
	switch {
	case v.Patch < 1 || v.Size < v.Patch || v.Size%v.Patch != 0:
		return bad("patches of %d in pictures of %d pixels", v.Patch, v.Size)
	case v.Layers < 1 || v.Heads < 1 || v.Width < 1 || v.Width%v.Heads != 0 || v.MLP < 1:
		return bad("%d layers of width %d, %d heads and MLP %d", v.Layers, v.Width, v.Heads, v.MLP)
	case v.Grid < 1:
		return bad("positions of a grid of %d", v.Grid)
	case v.Projection < 0 || v.Projection > 0 && v.Pool != ClassNormed:
		return bad("a projection to %d of a feature that is not normalised", v.Projection)
	case v.Pool < ClassNormed || v.Pool > TokensNormed:
		return bad("pool %d", v.Pool)
	}
	return nil
}

// stack returns the blocks.
func (v ViT) stack(p nn.Precision) nn.Transformer {
	return nn.Transformer{Width: v.Width, Heads: v.Heads, MLP: v.MLP, Activation: v.Activation, Eps: v.Eps,
		LayerScale: v.LayerScale, Precision: p}
}

// Graph builds the network over a file that [ViT.Pieces] described. Its input
// "pixels" is [1, 3, Size, Size], RGB normalised as the checkpoint wants it; its
// output "embedding" has the shape [ViT.Shape] says, not normalised. An error
// wraps [assay.ErrInvalid] and names tensors that are missing, have another shape,
// or that this row has no use for.
func (v ViT) Graph(w onnx.Weights, p nn.Precision) (*onnx.Model, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	b := onnx.NewBuilder(w)
	b.Output("embedding", v.apply(b, p, b.Input("pixels", 1, 3, v.Size, v.Size)))
	return built(b, v.Name)
}

// built finishes a graph whose checkpoint holds nothing but its parameters, save
// those named in spare.
func built(b *onnx.Builder, name string, spare ...string) (*onnx.Model, error) {
	m, err := b.Build()
	if err != nil {
		return nil, fmt.Errorf("tower %s: %w", name, err)
	}
	rest := slices.DeleteFunc(m.Unused, func(n string) bool { return slices.Contains(spare, n) })
	if len(rest) > 0 {
		return nil, fmt.Errorf("tower %s: the prepared file has %d tensors this tower has no use for: %s: %w",
			name, len(rest), listed(rest), assay.ErrInvalid)
	}
	m.Unused = nil
	return m, nil
}

// apply adds the network to the graph.
func (v ViT) apply(b *onnx.Builder, p nn.Precision, x onnx.Value) onnx.Value {
	g, w := v.grid(), v.Width
	weight, bias := b.Param("patch.weight", w, 3, v.Patch, v.Patch), onnx.Value{}
	if v.PatchBias {
		bias = b.Param("patch.bias", w)
	}
	x = b.Conv(x, weight, bias, onnx.ConvOptions{Stride: [2]int{v.Patch, v.Patch}}) // [1, w, g, g]
	x = b.Transpose(b.Reshape(x, 1, w, g*g), 0, 2, 1)
	x = b.Concat(1, b.Reshape(b.Param("class", w), 1, 1, w), x)
	x = b.Add(x, b.Param("positions", v.tokens(), w)) // [1, tokens, w]
	if v.PreNorm {
		x = nn.LayerNorm(b, "pre", x, w, v.Eps)
	}
	stack := v.stack(p)
	for i := range v.Layers - 1 {
		x = stack.Block(b, nn.BlockName(i), x)
	}
	last := nn.BlockName(v.Layers - 1)
	switch v.Pool {
	case TokensRaw:
		return stack.Block(b, last, x)
	case TokensNormed:
		return nn.LayerNorm(b, "post", stack.Block(b, last, x), w, v.Eps)
	}
	x = b.Reshape(stack.BlockAt(b, last, x, false), 1, w)
	if v.Pool == ClassRaw {
		return x
	}
	x = nn.LayerNorm(b, "post", x, w, v.Eps)
	if v.Projection > 0 {
		x = b.Gemm(x, b.Param("proj", w, v.Projection), onnx.Value{}, false)
	}
	return x
}

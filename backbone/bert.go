package backbone

import (
	"fmt"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
)

// A BERT is a row of the text half of BLIP: token and position embeddings, which
// are summed and normalised, and layers in which every token sees all tokens, then
// the tokens of a picture, then passes an MLP. Each of the three adds to what it is
// given, and the sum is normalised. The feature is the first token's state.
//
// It is BERT with cross-attention in every layer and without the table of token
// types: Devlin et al., arXiv 1810.04805; Li et al. (BLIP), arXiv 2201.12086.
type BERT struct {
	Context    int     // the most tokens there are positions for
	Vocabulary int     // token numbers are below
	Width      int     // of a token, and of the feature: a multiple of Heads
	Layers     int     // each of self-attention, cross-attention and MLP
	Heads      int     // of either attention
	MLP        int     // width between the two layers of the MLP, whose activation is GELU
	Seen       int     // width of the picture's tokens
	Eps        float32 // of every layer norm
}

// check refuses a row that describes no network.
func (t BERT) check() error {
	switch {
	case t.Context < 1 || t.Vocabulary < 1 || t.Seen < 1:
	case t.Layers < 1 || t.Heads < 1 || t.Width < 1 || t.Width%t.Heads != 0 || t.MLP < 1:
	default:
		return nil
	}
	return fmt.Errorf("%d of %d tokens, %d layers of width %d that see %d, %d heads and MLP %d: %w",
		t.Context, t.Vocabulary, t.Layers, t.Width, t.Seen, t.Heads, t.MLP, assay.ErrInvalid)
}

// slots returns the tensors of the text half. Synthetic values let the first token
// depend on the prompt about half as much as on the picture.
func (t BERT) slots() []slot {
	w := t.Width
	list := []slot{
		{name: "tokens", shape: []int{t.Vocabulary, w}, init: normal(0, 0.05)},
		{name: "positions", shape: []int{t.Context, w}, init: normal(0, 0.02)},
	}
	list = append(list, norm("pre", w)...)
	for i := range t.Layers {
		n := nn.BlockName(i)
		list = append(list, layer(n+".qkv", fused, fusedBias, w, 3*w, 2)...)
		list = append(list, layer(n+".out", linear, plain, w, w, 1.5)...)
		list = append(list, norm(n+".norm1", w)...)
		list = append(list, layer(n+".cross.q", linear, plain, w, w, 4)...)
		list = append(list, layer(n+".cross.kv", fused, fusedBias, t.Seen, 2*w, 1)...)
		list = append(list, layer(n+".cross.out", linear, plain, w, w, 0.7)...)
		list = append(list, norm(n+".norm2", w)...)
		list = append(list, layer(n+".fc1", linear, plain, w, t.MLP, 1)...)
		list = append(list, layer(n+".fc2", linear, plain, t.MLP, w, 0.7)...)
		list = append(list, norm(n+".norm3", w)...)
	}
	return list
}

// apply adds the network to the graph: from ids [1, n] and the picture's tokens [1,
// m, Seen] to the feature [1, Width]. All ids are seen: what a reference fills a
// text up with it also masks, by −10000 before the softmax, whose weight is then
// exactly 0 in float32.
func (t BERT) apply(b *onnx.Builder, p nn.Precision, ids, seen onnx.Value) onnx.Value {
	x := b.Gather(b.Param("tokens", t.Vocabulary, t.Width), b.Cast(ids, onnx.Int64), 0) // [1, n, w]
	x = b.Add(x, b.Head(b.Param("positions", t.Context, t.Width), b.Length(ids, 1), 0))
	x = nn.LayerNorm(b, "pre", x, t.Width, t.Eps)
	for i := range t.Layers {
		x = t.layer(b, p, nn.BlockName(i), x, seen, i == t.Layers-1)
	}
	return b.Reshape(x, 1, t.Width)
}

// layer adds one layer. The last one is computed for the first token only, which
// sees the others: [1, 1, Width].
func (t BERT) layer(b *onnx.Builder, p nn.Precision, name string, x, seen onnx.Value, last bool) onnx.Value {
	w, heads := t.Width, onnx.AttentionOptions{Heads: t.Heads}
	qkv := b.Split(p.Linear(b, name+".qkv", x, w, 3*w), -1, 3)
	if last {
		qkv[0], x = b.Slice(qkv[0], 1, 0, 1), b.Slice(x, 1, 0, 1)
	}
	add := func(norm string, y onnx.Value) { x = nn.LayerNorm(b, name+norm, b.Add(x, y), w, t.Eps) }
	add(".norm1", p.Linear(b, name+".out", b.Attention(qkv[0], qkv[1], qkv[2], heads), w, w))

	q := p.Linear(b, name+".cross.q", x, w, w)
	kv := b.Split(p.Linear(b, name+".cross.kv", seen, t.Seen, 2*w), -1, 2)
	add(".norm2", p.Linear(b, name+".cross.out", b.Attention(q, kv[0], kv[1], heads), w, w))

	y := nn.GELU.Apply(b, p.Linear(b, name+".fc1", x, w, t.MLP))
	add(".norm3", p.Linear(b, name+".fc2", y, t.MLP, w))
	return x
}

// flops counts the products on n tokens that see m of a picture.
func (t BERT) flops(n, m int) float64 {
	w := float64(t.Width)
	layer := func(rows int) float64 {
		r := float64(rows)
		self := 2*float64(n)*3*w*w + 4*r*float64(n)*w + 2*r*w*w
		cross := 2*r*w*w + 2*float64(m)*2*float64(t.Seen)*w + 4*r*float64(m)*w + 2*r*w*w
		return self + cross + 4*r*w*float64(t.MLP)
	}
	return float64(t.Layers-1)*layer(n) + layer(1)
}

// blipNames are those of BLIP's text half, below prefix, and of the head that
// ImageReward puts on it.
func blipNames(prefix string) naming {
	p := prefix + "encoder.layer.*."
	return naming{
		"tokens":          prefix + "embeddings.word_embeddings.weight",
		"positions":       prefix + "embeddings.position_embeddings.weight",
		"pre.":            prefix + "embeddings.LayerNorm.",
		"blocks.*.qkv.":   p + "attention.self.{query,key,value}.",
		"blocks.*.out.":   p + "attention.output.dense.",
		"blocks.*.norm1.": p + "attention.output.LayerNorm.",

		"blocks.*.cross.q.":   p + "crossattention.self.query.",
		"blocks.*.cross.kv.":  p + "crossattention.self.{key,value}.",
		"blocks.*.cross.out.": p + "crossattention.output.dense.",
		"blocks.*.norm2.":     p + "crossattention.output.LayerNorm.",

		"blocks.*.fc1.":   p + "intermediate.dense.",
		"blocks.*.fc2.":   p + "output.dense.",
		"blocks.*.norm3.": p + "output.LayerNorm.",
		"head.*.":         "mlp.layers.*.",
	}
}

// blipPositionIDs is the table 0, 1, 2, … that PyTorch keeps with the embeddings.
const blipPositionIDs = "blip.text_encoder.embeddings.position_ids"

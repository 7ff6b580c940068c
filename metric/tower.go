package metric

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/token"
	"github.com/gen-emerge/assay/weights"
)

// A vision is the prepared image half of a tower. Its network is opened by the
// pool when it is needed.
type vision struct {
	row    towerRow
	id     assay.Identity
	path   string // of the prepared file
	key    string // of the pool
	towers *Towers
}

// embed returns what the tower sees in p, [e], as the network gives it or, where
// the row says so, reduced. It is computed once a picture. Callers must not
// change it.
func (v *vision) embed(ctx context.Context, p *Picture) ([]float32, error) {
	e, err := p.embeds.get(ctx, v.id, func(ctx context.Context) ([]float32, error) {
		e, err := v.run(ctx, p)
		if err != nil || v.row.reduce == nil {
			return e, err
		}
		return v.row.reduce(e, v.row.vit.Width)
	})
	if err == nil {
		err = v.usable(e, v.row.dim())
	}
	if err != nil {
		return nil, fmt.Errorf("tower %s: %w", v.row.name, err)
	}
	return e, nil
}

// run sends the picture through the network.
func (v *vision) run(ctx context.Context, p *Picture) ([]float32, error) {
	pixels, err := v.row.prep.tensor(ctx, p)
	if err != nil {
		return nil, err
	}
	side := v.row.network().Side()
	out, err := v.towers.once(ctx, v.key, v.open, onnx.Tensor{Shape: []int{1, 3, side, side}, Data: pixels})
	if err != nil {
		return nil, err
	}
	want := 1
	for _, n := range v.row.network().Shape() {
		want *= n
	}
	return out, v.usable(out, want)
}

// usable refuses what cannot be the tower's output.
func (v *vision) usable(e []float32, want int) error {
	if v.row.zero {
		return finite(e, want)
	}
	return usable(e, want)
}

// open builds the network's graph over the prepared file.
func (v *vision) open(ctx context.Context) (Runner, error) {
	return v.towers.openGraph(ctx, v.path, func(w onnx.Weights) (*onnx.Model, error) {
		return v.row.network().Graph(w, v.towers.precisionOf(v.row))
	})
}

// A textual is the prepared text half of a tower.
type textual struct {
	row    towerRow
	path   string
	key    string
	digest string
	scale  float64 // exp(logit_scale): what the tower was trained to multiply cosines with
	bpe    *token.CLIP
	towers *Towers
}

// A textKey says which embedding of which text is meant.
type textKey struct {
	digest, runtime string // of the text half
	variant         token.Variant
	text            string
}

// A textEmbedding is what the tower reads from a text.
type textEmbedding struct {
	vector []float32 // not normalised
	cut    bool      // the text was too long
}

// embed returns what the tower reads from the text, and a warning if the text
// was too long for it. Embeddings of recent texts are kept. Callers must not
// change them.
func (x *textual) embed(ctx context.Context, text string) ([]float32, []string, error) {
	key := textKey{x.digest, x.towers.runtime(x.towers.precision()), x.row.variant, text}
	e, err := x.towers.texts.get(ctx, key, func(ctx context.Context) (textEmbedding, error) {
		ids, cut := x.bpe.Frame(text, x.row.variant)
		// A text may itself hold the token that ends texts. The references take the
		// feature at the first one.
		ids = ids[:slices.Index(ids, token.End)+1]
		in := onnx.Tensor{Shape: []int{1, len(ids)}, Data: make([]float32, len(ids))}
		for i, id := range ids {
			in.Data[i] = float32(id) // ids stay below 2^24, so exact
		}
		v, err := x.towers.once(ctx, x.key, x.open, in)
		if err == nil {
			err = usable(v, x.row.text.Projection)
		}
		return textEmbedding{v, cut}, err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("tower %s, text: %w", x.row.name, err)
	}
	if !e.cut {
		return e.vector, nil, nil
	}
	return e.vector, []string{fmt.Sprintf("the prompt is longer than the %d tokens that %s reads; its end was not read",
		x.row.text.Context, x.row.name)}, nil
}

func (x *textual) open(ctx context.Context) (Runner, error) {
	return x.towers.openGraph(ctx, x.path, func(w onnx.Weights) (*onnx.Model, error) {
		return x.row.text.Graph(w, x.towers.precision())
	})
}

// openGraph builds a graph over a prepared file and hands it to the engine.
func (t *Towers) openGraph(ctx context.Context, path string, build func(onnx.Weights) (*onnx.Model, error)) (Runner, error) {
	c, err := weights.Open(path, weights.Limits{})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	m, err := build(c)
	if err != nil {
		return nil, fmt.Errorf("prepared file %s: %w", path, err)
	}
	return t.engine.Open(ctx, m)
}

// once runs a network of the pool and returns its one output.
func (t *Towers) once(ctx context.Context, key string, open func(context.Context) (Runner, error), in ...onnx.Tensor) ([]float32, error) {
	run, err := t.pool.use(ctx, key, open)
	if err != nil {
		return nil, err
	}
	defer t.pool.release(key)
	out, err := run.Run(ctx, in...)
	if err != nil {
		return nil, err
	}
	if len(out) != 1 {
		return nil, fmt.Errorf("the network gave %d results, want 1", len(out))
	}
	return out[0].Data, nil
}

// finite refuses an embedding of another length, or that holds no numbers.
func finite(v []float32, want int) error {
	if len(v) != want {
		return fmt.Errorf("an embedding of %d numbers, want %d: %w", len(v), want, assay.ErrInvalid)
	}
	for i, x := range v {
		if x-x != 0 {
			return fmt.Errorf("component %d of the embedding is %v: %w", i, x, assay.ErrInvalid)
		}
	}
	return nil
}

// usable also refuses one that has no direction.
func usable(v []float32, want int) error {
	if err := finite(v, want); err != nil {
		return err
	}
	if !slices.ContainsFunc(v, func(x float32) bool { return x != 0 }) {
		return fmt.Errorf("the embedding is zero, which has no direction: %w", assay.ErrInvalid)
	}
	return nil
}

// cosine returns a·b/(|a||b|) in [−1, 1], computed in double precision. It fails
// if a vector has no direction.
func cosine(a, b []float32) (float64, error) {
	var ab, aa, bb float64
	for i, x := range a {
		y := float64(b[i])
		ab += float64(float64(x) * y)
		aa += float64(float64(x) * float64(x))
		bb += float64(y * y)
	}
	if !(aa > 0 && bb > 0) {
		return 0, fmt.Errorf("an embedding is zero or not a number, so there is no angle: %w", assay.ErrInvalid)
	}
	return min(max(ab/math.Sqrt(aa*bb), -1), 1), nil // exactly 1 for equal vectors; leaves [−1, 1] by rounding only
}

// unit returns v / |v| in double precision; v must be usable.
func unit(v []float32) []float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(float64(x) * float64(x))
	}
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x) / math.Sqrt(sum)
	}
	return out
}

// logitScale reads exp(logit_scale) from a prepared text half.
func logitScale(path string) (float64, error) {
	c, err := weights.Open(path, weights.Limits{})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	v, err := c.Float32("logit_scale")
	if err != nil {
		return 0, err
	}
	if len(v) != 1 || !(math.Abs(float64(v[0])) < 50) {
		return 0, fmt.Errorf("prepared file %s: logit_scale is %v, want one number near ln 100: %w", path, v, assay.ErrInvalid)
	}
	return math.Exp(float64(v[0])), nil
}

// runtimeOf puts the precision of the towers into an engine's name, in the place
// of float32 where it says that.
func runtimeOf(engine string, p nn.Precision) string {
	if p == nn.Float32 {
		return engine
	}
	name := string(p) + " per row"
	if strings.Contains(engine, string(nn.Float32)) {
		return strings.Replace(engine, string(nn.Float32), name, 1)
	}
	return engine + " " + name
}

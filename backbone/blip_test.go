package backbone

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/weights"
)

// goldenReward is testdata/blip.json: a tiny ImageReward by its authors' modules.
type goldenReward struct {
	Vision struct{ Size, Patch, Width, Layers, Heads, MLP, Grid int }
	Text   BERT
	Head   []int
	IDs    [][]float32
	Cases  []struct {
		Input   int
		Seen    []float32 // the picture's tokens
		Rewards []float64 // by the ids
	}
}

func readReward(t testing.TB) (g goldenReward, v ViT, r Reward) {
	t.Helper()
	data, err := os.ReadFile("testdata/blip.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Cases) < 2 || len(g.IDs) < 3 {
		t.Fatalf("%d cases of %d texts", len(g.Cases), len(g.IDs))
	}
	v, r = BLIPL16(), ImageReward()
	s := g.Vision
	v.Size, v.Patch, v.Width, v.Layers, v.Heads, v.MLP, v.Grid = s.Size, s.Patch, s.Width, s.Layers, s.Heads, s.MLP, s.Grid
	g.Text.Eps = r.Text.Eps
	r.Text, r.Head, r.Tokens = g.Text, g.Head, v.tokens()
	return g, v, r
}

// rewardSessions opens the two networks over the prepared files of src.
func rewardSessions(t testing.TB, v ViT, r Reward, src Source, p nn.Precision) (vision, text func(...onnx.Tensor) []float32) {
	t.Helper()
	var run []func(...onnx.Tensor) []float32
	for _, half := range []struct {
		pieces func() ([]weights.Piece, error)
		graph  func(onnx.Weights, nn.Precision) (*onnx.Model, error)
	}{
		{func() ([]weights.Piece, error) { return v.Pieces(BLIP, src, nil, p) }, v.Graph},
		{func() ([]weights.Piece, error) { return r.Pieces(src, p) }, r.Graph},
	} {
		pieces, err := half.pieces()
		if err != nil {
			t.Fatal(err)
		}
		m, err := half.graph(prepared(t, pieces), p)
		if err != nil {
			t.Fatal(err)
		}
		s := openSession(t, m)
		run = append(run, func(in ...onnx.Tensor) []float32 {
			out, err := s.Run(t.Context(), in...)
			if err != nil {
				t.Fatal(err)
			}
			return out[0].Data
		})
	}
	return run[0], run[1]
}

// TestRewardGolden compares with the authors' modules: the picture's tokens and the
// reward, where they fill texts up and mask that, and run five layers where one is
// run here.
func TestRewardGolden(t *testing.T) {
	g, v, r := readReward(t)
	src := open(t, "testdata/blip.safetensors", "")
	for _, p := range []nn.Precision{nn.Float32, nn.Int8} {
		vision, text := rewardSessions(t, v, r, src, p)
		allowed := map[nn.Precision]float64{nn.Float32: 2e-5, nn.Int8: 0.5}[p]
		for _, c := range g.Cases {
			seen := onnx.Tensor{Shape: []int{1, r.Tokens, r.Text.Seen}, Data: vision(synthetic(c.Input, 2, 1, 3, v.Size, v.Size))}
			worst, _ := apart(t, "tokens", seen, seen.Shape, c.Seen)
			if p == nn.Float32 && worst > 1e-5 {
				t.Errorf("tokens of picture %d are off by %g", c.Input, worst)
			}
			for i, ids := range g.IDs {
				got := text(onnx.Tensor{Shape: []int{1, len(ids)}, Data: ids}, seen)
				d := math.Abs(float64(got[0]) - c.Rewards[i])
				if len(got) != 1 || !(d <= allowed) {
					t.Errorf("%s, picture %d, text %d: %v, want %g", p, c.Input, i, got, c.Rewards[i])
				}
				t.Logf("%s, picture %d, text %d: off by %.2g", p, c.Input, i, d)
			}
		}
	}
}

// TestFolded compares the one map with the head's layers, taken one by one in
// double precision, at the official sizes.
func TestFolded(t *testing.T) {
	r := ImageReward()
	src := memory{}
	for i, s := range r.headSlots() {
		src[r.plan().own.official(s.name)[0]] = synthetic(i+1, 0.1, s.shape...)
	}
	row, bias, err := r.folded(plan{tower: r.Name, c: containers[BLIP], own: containers[BLIP].text, src: floatsOf{src}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		feature := synthetic(100+n, 1, r.Text.Width).Data
		x := make([]float64, len(feature))
		got := float64(bias)
		for i, f := range feature {
			x[i] = float64(f)
			got += float64(row[i]) * float64(f)
		}
		for i, number := range headLayers {
			w, b := src[fmt.Sprintf("mlp.layers.%d.weight", number)], src[fmt.Sprintf("mlp.layers.%d.bias", number)]
			next := make([]float64, r.Head[i+1])
			for o := range next {
				next[o] = float64(b.Data[o])
				for k, f := range x {
					next[o] += f * float64(w.Data[o*len(x)+k])
				}
			}
			x = next
		}
		want := (x[0] - r.Mean) / r.Std
		if !(math.Abs(got-want) <= 1e-5*max(1, math.Abs(want))) || math.Abs(want) < 1e-3 {
			t.Errorf("feature %d: %g, want %g", n, got, want)
		}
	}
}

// floatsOf lets values in memory be a Source.
type floatsOf struct{ memory }

func (f floatsOf) Float32(name string) ([]float32, error) {
	return slices.Clone(f.memory[name].Data), nil
}

// TestRewardInventory: the file that the authors' modules wrote has these names and
// shapes, and the official sizes add up to the official file's.
func TestRewardInventory(t *testing.T) {
	_, v, r := readReward(t)
	list, err := r.Inventory(v)
	if err != nil {
		t.Fatal(err)
	}
	src := open(t, "testdata/blip.safetensors", "")
	var want, got []string
	for _, name := range src.Names() {
		shape, _ := src.Shape(name)
		want = append(want, fmt.Sprint(name, shape))
	}
	for _, s := range list {
		got = append(got, fmt.Sprint(s.Name, s.Shape))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("\ngot  %q\nwant %q", got, want)
	}
	list, err = ImageReward().Inventory(BLIPL16())
	if err != nil {
		t.Fatal(err)
	}
	bytes := int64(0)
	for _, s := range list {
		bytes += s.Bytes()
	}
	// The official file has 1,786,880,927 bytes; the rest is names and the archive.
	if over := 1_786_880_927 - bytes; over < 50_000 || over > 500_000 {
		t.Errorf("%d tensors have %d bytes, %d less than the official file", len(list), bytes, over)
	}
}

// TestRewardFaults: a checkpoint that is not ImageReward's says why.
func TestRewardFaults(t *testing.T) {
	_, v, r := readReward(t)
	list, err := r.Inventory(v)
	if err != nil {
		t.Fatal(err)
	}
	pieces := func(change func(*[]weights.TensorSpec)) error {
		list := slices.Clone(list)
		change(&list)
		_, err1 := v.Pieces(BLIP, specs(list), nil, nn.Float32)
		_, err2 := r.Pieces(specs(list), nn.Float32)
		return errors.Join(err1, err2)
	}
	if err := pieces(func(*[]weights.TensorSpec) {}); err != nil {
		t.Error(err)
	}
	for i, s := range list {
		err := pieces(func(l *[]weights.TensorSpec) { *l = slices.Delete(*l, i, i+1) })
		if slices.Contains(containers[BLIP].idle, s.Name) { // nobody reads these
			if err != nil {
				t.Error(err)
			}
			continue
		}
		says(t, err, fmt.Sprintf("%q", s.Name), "1 tensors missing", fmt.Sprint(s.Shape))
		err = pieces(func(l *[]weights.TensorSpec) { (*l)[i].Shape = append([]int{7}, s.Shape...) })
		says(t, err, fmt.Sprintf("%q is %v, want %v", s.Name, append([]int{7}, s.Shape...), s.Shape))
	}
	for _, name := range []string{"mlp.layers.1.weight", "blip.text_encoder.embeddings.token_type_embeddings.weight", "blip.itm_head.weight",
		"blip.visual_encoder.blocks.9.norm1.weight", "blip.text_encoder.encoder.layer.9.output.dense.bias", "blip.text_encoder.pooler.dense.weight"} {
		says(t, pieces(func(l *[]weights.TensorSpec) { *l = append(*l, weights.TensorSpec{Name: name}) }), fmt.Sprintf("%q", name), "without use")
	}
	_, err = r.Pieces(specs(list), "float16")
	says(t, err, `"float16"`)
	for _, w := range []struct {
		change func(*Reward)
		says   string
	}{
		{func(r *Reward) { r.Text.Heads = 5 }, "5 heads"},
		{func(r *Reward) { r.Text.Vocabulary = 0 }, "12 of 0 tokens"},
		{func(r *Reward) { r.Tokens = 0 }, "0 tokens"},
		{func(r *Reward) { r.Head = []int{48, 1} }, "[48 1]"},
		{func(r *Reward) { r.Head = []int{48, 20, -1, 8, 6, 1} }, "-1"},
		{func(r *Reward) { r.Std = 0 }, "deviation 0"},
		{func(r *Reward) { r.Mean = math.NaN() }, "mean NaN"},
	} {
		other := r
		w.change(&other)
		_, err1 := other.Pieces(specs(list), nn.Float32)
		_, err2 := other.Graph(nil, nn.Float32)
		_, err3 := other.Inventory(v)
		for _, err := range []error{err1, err2, err3} {
			says(t, err, w.says, `"imagereward-text"`)
		}
	}
	failed := errors.New("disk on fire")
	for _, b := range []broken{{list, failed}, {list, nil}} {
		made, err := r.Pieces(b, nn.Float32)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range made[len(made)-2:] {
			if _, err := p.Make(); err == nil || b.err != nil && !errors.Is(err, failed) {
				t.Errorf("%s of values that cannot be read: %v", p.Name, err)
			}
		}
	}
}

// TestRewardRefuses: what is no token, and what has no position, is an error.
func TestRewardRefuses(t *testing.T) {
	_, v, r := readReward(t)
	pieces, err := r.Pieces(open(t, "testdata/blip.safetensors", ""), nn.Float32)
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.Graph(prepared(t, pieces), nn.Float32)
	if err != nil {
		t.Fatal(err)
	}
	s := openSession(t, m)
	seen := synthetic(1, 1, 1, v.tokens(), v.Width)
	for what, ids := range map[string][]float32{
		"a number outside the vocabulary": {1, 64, 2},
		"more tokens than positions":      make([]float32, 13),
	} {
		if out, err := s.Run(t.Context(), onnx.Tensor{Shape: []int{1, len(ids)}, Data: ids}, seen); err == nil {
			t.Errorf("%s gives %v", what, out[0])
		}
	}
	if out, err := s.Run(t.Context(), onnx.Tensor{Shape: []int{1, 1}, Data: []float32{1}}, synthetic(1, 1, 1, 3, v.Width)); err == nil {
		t.Errorf("3 tokens of a picture give %v", out[0])
	}
}

// The usual figure for ViT-L/16 at 224 pixels, every token of every block, is 123.1
// GFLOP. In the text half a layer has 14 weights for every pair of components of a
// token, of which the last layer's first token alone passes 11; and keys and values
// of 197 tokens of a picture cost 7.44 GFLOP, whatever the text.
func TestRewardFlops(t *testing.T) {
	if got := BLIPL16().Flops() / 1e9; math.Abs(got-123.1) > 0.3 {
		t.Errorf("vision: %.2f GFLOP", got)
	}
	const w, n, m = 768, 35, 197
	layers := 2.0 * w * w * (11*14*n + 3*n + 11)
	attention := 4.0 * w * (11*n*(n+m) + 1*(n+m))
	want := 7.437e9 + layers + attention + 2*w
	if got := ImageReward().Flops(n); math.Abs(got/want-1) > 1e-4 {
		t.Errorf("text of %d tokens: %.4f GFLOP, want %.4f", n, got/1e9, want/1e9)
	}
}

package backbone

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/ort"
	"github.com/gen-emerge/assay/weights"
)

// goldenTower is a case of testdata/vit.json: a network of the authors, the file
// of its weights, and what it makes of an input.
type goldenTower struct {
	Name, File, Prefix string
	Layout             Layout
	Row                struct {
		ViT
		Text
		Size, Patch, Width, Layers, Heads, MLP int
		Context, Vocabulary, Projection        int
		Activation                             nn.Activation
		Eps                                    float32
		Pool                                   string
	}
	Input   int       // number of the synthetic picture
	IDs     []float32 // or the tokens
	Adapter string
	Rank    int
	Scale   float32
	Want    []float32
	Shape   []int
}

// golden reads testdata/vit.json.
func golden(t testing.TB) (cases []goldenTower, grids []struct {
	From, To, Number int
	Want             []float32
}) {
	t.Helper()
	data, err := os.ReadFile("testdata/vit.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Cases []goldenTower
		Grids []struct {
			From, To, Number int
			Want             []float32
		}
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Cases) < 20 || len(all.Grids) < 2 {
		t.Fatalf("%d cases and %d grids", len(all.Cases), len(all.Grids))
	}
	return all.Cases, all.Grids
}

// vit returns the case's vision row.
func (g goldenTower) vit(t testing.TB) ViT {
	t.Helper()
	pool, ok := map[string]Pool{"normed": ClassNormed, "raw": ClassRaw, "tokens": TokensRaw}[g.Row.Pool]
	if !ok {
		t.Fatalf("%s: pool %q", g.Name, g.Row.Pool)
	}
	r := g.Row
	return ViT{Name: g.Name, Size: r.Size, Patch: r.Patch, Width: r.Width, Layers: r.Layers, Heads: r.Heads, MLP: r.MLP,
		Activation: r.Activation, Eps: r.Eps, PatchBias: r.PatchBias, PreNorm: r.PreNorm, LayerScale: r.LayerScale,
		Pool: pool, Projection: r.Projection, Grid: r.Grid}
}

// text returns the case's text row.
func (g goldenTower) text() Text {
	r := g.Row
	return Text{Name: g.Name, Context: r.Context, Vocabulary: r.Vocabulary, Width: r.Width, Layers: r.Layers, Heads: r.Heads,
		MLP: r.MLP, Activation: r.Activation, Eps: r.Eps, Projection: r.Projection}
}

// open reads a checkpoint of testdata, below a prefix.
func open(t testing.TB, file, prefix string) *weights.Checkpoint {
	t.Helper()
	c, err := weights.Open(file, weights.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if prefix != "" {
		if c, err = c.Sub(prefix); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// source opens the case's checkpoint, and its adapter if it has one.
func (g goldenTower) source(t testing.TB) (Source, *LoRA) {
	t.Helper()
	src := open(t, filepath.Join("testdata", g.File), g.Prefix)
	if g.Adapter == "" {
		return src, nil
	}
	return src, adapter(open(t, filepath.Join("testdata", g.Adapter), ""), g.Rank, g.Scale)
}

func adapter(c *weights.Checkpoint, rank int, scale float32) *LoRA {
	part := func(letter string) func(int) ([]float32, error) {
		return func(block int) ([]float32, error) {
			return c.Float32(fmt.Sprintf("base_model.model.blocks.%d.attn.qkv.lora_%s.weight", block, letter))
		}
	}
	return &LoRA{Scale: scale, Rank: rank, A: part("A"), B: part("B")}
}

// pieces describes the case's prepared file.
func (g goldenTower) pieces(t testing.TB, p nn.Precision) []weights.Piece {
	t.Helper()
	src, lora := g.source(t)
	var list []weights.Piece
	var err error
	if g.IDs != nil {
		list, err = g.text().Pieces(g.Layout, src, p)
	} else {
		list, err = g.vit(t).Pieces(g.Layout, src, lora, p)
	}
	if err != nil {
		t.Fatalf("%s: %v", g.Name, err)
	}
	return list
}

// model builds the case's graph over its prepared file.
func (g goldenTower) model(t testing.TB, p nn.Precision) *onnx.Model {
	t.Helper()
	c := prepared(t, g.pieces(t, p))
	var m *onnx.Model
	var err error
	if g.IDs != nil {
		m, err = g.text().Graph(c, p)
	} else {
		m, err = g.vit(t).Graph(c, p)
	}
	if err != nil {
		t.Fatalf("%s: %v", g.Name, err)
	}
	return m
}

// input returns what the case gives the network.
func (g goldenTower) input() onnx.Tensor {
	if g.IDs != nil {
		return onnx.Tensor{Shape: []int{1, len(g.IDs)}, Data: g.IDs}
	}
	return synthetic(g.Input, 2, 1, 3, g.Row.Size, g.Row.Size)
}

// file writes the pieces as a safetensors file.
func file(t testing.TB, pieces []weights.Piece) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := weights.WriteSafetensors(t.Context(), &buf, pieces, nil); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// prepared writes the pieces to a file and opens it.
func prepared(t testing.TB, pieces []weights.Piece) *weights.Checkpoint {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prepared.safetensors")
	if err := os.WriteFile(path, file(t, pieces), 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, path, "")
}

// apart compares two features: the largest difference over the largest component,
// and one less their cosine.
func apart(t testing.TB, what string, got onnx.Tensor, shape []int, want []float32) (worst, angle float64) {
	t.Helper()
	if !slices.Equal(got.Shape, shape) || len(got.Data) != len(want) {
		t.Fatalf("%s: shape %v of %d values, want %v of %d", what, got.Shape, len(got.Data), shape, len(want))
	}
	var most, dot, aa, bb float64
	for i, w := range want {
		a, b := float64(got.Data[i]), float64(w)
		worst, most = max(worst, math.Abs(a-b)), max(most, math.Abs(b))
		dot, aa, bb = dot+a*b, aa+a*a, bb+b*b
	}
	return worst / most, 1 - dot/math.Sqrt(aa*bb)
}

// TestTowers compares every tower with its authors' network.
func TestTowers(t *testing.T) {
	cases, _ := golden(t)
	for _, g := range cases {
		t.Run(g.Name, func(t *testing.T) {
			s := openSession(t, g.model(t, nn.Float32))
			out, err := s.Run(t.Context(), g.input())
			if err != nil {
				t.Fatal(err)
			}
			worst, angle := apart(t, g.Name, out[0], g.Shape, g.Want)
			if !(worst <= 2e-5 && angle <= 1e-7) { // written so that NaN fails
				t.Errorf("off by %.2g of the largest component, cosine below 1 by %.2g", worst, angle)
			}
			t.Logf("off by %.2g, cosine below 1 by %.2g", worst, angle)
			if g.IDs == nil && !slices.Equal(g.vit(t).Shape(), g.Shape) {
				t.Errorf("the row says shape %v, it is %v", g.vit(t).Shape(), g.Shape)
			}
		})
	}
}

// TestTowersDiffer makes sure that the golden values can tell activations, pools
// and adapters apart, since every tolerance would be met by nothing else.
func TestTowersDiffer(t *testing.T) {
	cases, _ := golden(t)
	named := map[string]goldenTower{}
	for _, g := range cases {
		named[g.Name] = g
	}
	for _, pair := range [][2]string{
		{"open_clip gelu", "openai"}, {"open_clip gelu, 5 tokens", "openai, 5 tokens"},
		{"dreamsim clip", "dreamsim open_clip"}, {"dino tokens", "dino with adapter"}, {"dino", "dino normed"},
	} {
		a, b := named[pair[0]], named[pair[1]]
		worst, _ := apart(t, a.Name, onnx.Tensor{Shape: a.Shape, Data: a.Want}, b.Shape, b.Want)
		if !(worst > 1e-4) {
			t.Errorf("%q and %q differ by %.2g: too little to test with", pair[0], pair[1], worst)
		}
	}
}

// TestLayoutsAgree: one set of weights gives one file, whatever names and types it
// came in.
func TestLayoutsAgree(t *testing.T) {
	cases, _ := golden(t)
	for _, p := range []nn.Precision{nn.Float32, nn.Int8} {
		first := map[bool][]byte{}
		files := map[string]bool{}
		for _, g := range cases {
			if g.Layout == Timm {
				continue
			}
			got, text := file(t, g.pieces(t, p)), g.IDs != nil
			if first[text] == nil {
				first[text] = got
			}
			if !bytes.Equal(got, first[text]) {
				t.Errorf("%s: the prepared file from %s differs", g.Name, g.File)
			}
			files[g.File] = true
		}
		if len(files) != 3 {
			t.Errorf("compared %d containers, want 3", len(files))
		}
	}
}

// TestMerge compares merged weights with peft's, which sums the product in
// float32: a bit of difference in the sum is one in the last place of the addend.
func TestMerge(t *testing.T) {
	cases, _ := golden(t)
	i := slices.IndexFunc(cases, func(g goldenTower) bool { return g.Adapter != "" })
	if i < 0 {
		t.Fatal("no case with an adapter")
	}
	got, want := prepared(t, cases[i].pieces(t, nn.Float32)), open(t, "testdata/dino_merged.safetensors", "")
	worst, moved := 0.0, 0
	for _, name := range want.Names() {
		a, err := got.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := want.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(a) != len(b) {
			t.Fatalf("%s: %d values, want %d", name, len(a), len(b))
		}
		for i := range a {
			if d := math.Abs(float64(a[i]) - float64(b[i])); d > 0 {
				moved++
				// The sum of four products below 4 is rounded at 2⁻²³ of its size or so.
				worst = max(worst, d/max(math.Abs(float64(b[i])), 1))
			}
		}
	}
	if !(worst <= 2.4e-7) {
		t.Errorf("off by %.2g, want at most two units in the last place", worst)
	}
	t.Logf("%d values of %d differ, by at most %.2g", moved, 2*192*64, worst)
}

// TestInterpolate compares positions with DINO's own method, on DINOv2's grids and
// on one that grows.
func TestInterpolate(t *testing.T) {
	_, grids := golden(t)
	for _, g := range grids {
		at := synthetic(g.Number, 1, 1+g.From*g.From, 4)
		got := interpolated(at.Data, g.From, g.To, 4)
		worst, _ := apart(t, fmt.Sprint(g.From), onnx.Tensor{Shape: []int{len(got)}, Data: got}, []int{len(g.Want)}, g.Want)
		// Values of 1 with factors of up to 1: some roundings to float32, PyTorch's in
		// the factors and sums, which fall as its compiler likes.
		if !(worst <= 1e-6) {
			t.Errorf("%d to %d: off by %.2g", g.From, g.To, worst)
		}
		t.Logf("%d to %d: off by %.2g", g.From, g.To, worst)
	}
	// The coordinates that the DINOv2 authors' factor 16.1/37 leads to.
	taps := cubicTaps(37, 16)
	for d, want := range map[int]float64{0: 0.649068, 1: 2.947205, 15: 35.121118} {
		first := math.Floor(want)
		u := want - first
		near := float64(cubicNear(float32(u)))
		if taps[d].at[1] != int(first) || math.Abs(taps[d].factor[1]-near) > 1e-5 {
			t.Errorf("position %d lies at %d with factor %g, want %d and %g", d, taps[d].at[1], taps[d].factor[1], int(first), near)
		}
	}
}

// TestConcurrent: a feature does not depend on what runs beside it, nor on the
// number of threads, to the bit.
func TestConcurrent(t *testing.T) {
	cases, _ := golden(t)
	for _, g := range cases {
		if g.Name != "transformers quick_gelu" && g.Name != "dinov2 tokens" && g.Name != "openai, 5 tokens" {
			continue
		}
		for _, p := range []nn.Precision{nn.Float32, nn.Int8} {
			m := g.model(t, p)
			want, err := openSession(t, m, ort.SessionOptions{Threads: 2}).Run(t.Context(), g.input())
			if err != nil {
				t.Fatal(err)
			}
			s := openSession(t, m, ort.SessionOptions{Threads: 1})
			var wg sync.WaitGroup
			for caller := range 4 {
				wg.Go(func() {
					for range 5 {
						got, err := s.Run(t.Context(), g.input())
						if err != nil {
							t.Error(err)
							return
						}
						for i, v := range got[0].Data {
							if math.Float32bits(v) != math.Float32bits(want[0].Data[i]) {
								t.Errorf("%s %s, caller %d: component %d is %g, alone it was %g", g.Name, p, caller, i, v, want[0].Data[i])
								return
							}
						}
					}
				})
			}
			wg.Wait()
		}
	}
}

// TestTextRefuses: what is no token, and what has no position, is an error.
func TestTextRefuses(t *testing.T) {
	cases, _ := golden(t)
	i := slices.IndexFunc(cases, func(g goldenTower) bool { return g.IDs != nil })
	s := openSession(t, cases[i].model(t, nn.Float32))
	for what, ids := range map[string][]float32{
		"a number outside the vocabulary": {62, 64, 63},
		"more tokens than positions":      make([]float32, 13),
	} {
		if out, err := s.Run(t.Context(), onnx.Tensor{Shape: []int{1, len(ids)}, Data: ids}); err == nil {
			t.Errorf("%s gives %v", what, out[0].Shape)
		}
	}
}

// TestGraphRefuses: a file that another row described is not run.
func TestGraphRefuses(t *testing.T) {
	cases, _ := golden(t)
	i := slices.IndexFunc(cases, func(g goldenTower) bool { return g.Name == "dinov2" })
	g := cases[i]
	c, v := prepared(t, g.pieces(t, nn.Float32)), g.vit(t)
	for _, w := range []struct {
		change func(*ViT)
		p      nn.Precision
		says   []string
	}{
		{func(v *ViT) { v.LayerScale = false }, nn.Float32, []string{"4 tensors", "blocks.0.scale1", "no use"}},
		{func(v *ViT) { v.Layers = 1 }, nn.Float32, []string{"blocks.1.norm1.weight", "no use", "more"}},
		{func(v *ViT) { v.Layers = 3 }, nn.Float32, []string{"blocks.2.norm1.weight", "not in the checkpoint"}},
		{func(v *ViT) { v.Width, v.Heads = 32, 1 }, nn.Float32, []string{"patch.weight", "[64 3 14 14]", "[32 3 14 14]"}},
		{func(v *ViT) { v.Pool = ClassNormed }, nn.Float32, []string{"post.weight"}},
		{func(v *ViT) { v.Size = 70 }, nn.Float32, []string{"positions", "[17 64]", "[26 64]"}},
		{func(v *ViT) { v.Activation = "relu" }, nn.Float32, []string{`"relu"`}},
		{func(*ViT) {}, nn.Int8, []string{"blocks.0.qkv.weight", "[192 64]", "[64 192]"}},
		{func(*ViT) {}, "float16", []string{`"float16"`}},
		{func(v *ViT) { v.Projection = 3 }, nn.Float32, []string{"not normalised"}},
		{func(v *ViT) { v.Size = 57 }, nn.Float32, []string{"57 pixels"}},
		{func(v *ViT) { v.Grid = 0 }, nn.Float32, []string{"grid of 0"}},
		{func(v *ViT) { v.Pool = 7 }, nn.Float32, []string{"pool 7"}},
	} {
		other := v
		w.change(&other)
		_, err := other.Graph(c, w.p)
		says(t, err, w.says...)
	}
	_, err := Text{Name: "none"}.Graph(c, nn.Float32)
	says(t, err, `"none"`)
	_, err = CLIPTextB().Graph(c, nn.Float32)
	says(t, err, "tokens", "[49408 512]")
}

// broken is a checkpoint whose values cannot be read, or are too few.
type broken struct {
	specs
	err error
}

func (b broken) Float32(string) ([]float32, error) { return make([]float32, 2), b.err }

// TestPieceErrors: what goes wrong while a piece is made comes out of Make.
func TestPieceErrors(t *testing.T) {
	cases, _ := golden(t)
	v := cases[slices.IndexFunc(cases, func(g goldenTower) bool { return g.Name == "dino" })].vit(t)
	list := specs(v.Inventory(Timm))
	failed := errors.New("disk on fire")
	zeros := func(n int) func(int) ([]float32, error) {
		return func(int) ([]float32, error) { return make([]float32, n), nil }
	}
	fine := &LoRA{Scale: 1, Rank: 2, A: zeros(2 * 64), B: zeros(2 * 192)}
	for what, c := range map[string]struct {
		src  Source
		lora *LoRA
		says string
		is   error
	}{
		"unreadable":     {broken{list, failed}, nil, "disk on fire", failed},
		"too few values": {broken{list, nil}, nil, "2 values for shape", assay.ErrInvalid},
		"adapter unread": {list, &LoRA{Scale: 1, Rank: 2, A: func(int) ([]float32, error) { return nil, failed }, B: fine.B}, "adapter of block 0", failed},
		"other half":     {list, &LoRA{Scale: 1, Rank: 2, A: fine.A, B: func(int) ([]float32, error) { return nil, failed }}, "adapter of block 0", failed},
		"adapter size":   {list, &LoRA{Scale: 1, Rank: 3, A: fine.A, B: fine.B}, "A [3 64] and B [192 3]", assay.ErrInvalid},
	} {
		for _, p := range []nn.Precision{nn.Float32, nn.Int8} {
			pieces, err := v.Pieces(Timm, c.src, c.lora, p)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			for _, name := range []string{"blocks.0.qkv.weight", "blocks.0.qkv.scale"} {
				i := slices.IndexFunc(pieces, func(p weights.Piece) bool { return p.Name == name })
				if i < 0 {
					if p == nn.Int8 || !strings.HasSuffix(name, "scale") {
						t.Errorf("%s %s: no piece %s", what, p, name)
					}
					continue
				}
				if _, err := pieces[i].Make(); !errors.Is(err, c.is) || !strings.Contains(fmt.Sprint(err), c.says) {
					t.Errorf("%s, %s: error %v, want one that says %s", what, name, err, c.says)
				}
			}
		}
	}
	for _, bad := range []*LoRA{{Scale: 1, A: fine.A, B: fine.B}, {Scale: 1, Rank: 2, A: fine.A}, {Scale: float32(math.Inf(1)), Rank: 2, A: fine.A, B: fine.B}} {
		_, err := v.Pieces(Timm, list, bad, nn.Float32)
		says(t, err, "adapter of rank")
	}
}

// TestConfigs compares the rows with the sizes that open_clip and DINO configure,
// of which the number of heads leaves no trace in any tensor's shape.
func TestConfigs(t *testing.T) {
	data, err := os.ReadFile("testdata/vit.json")
	if err != nil {
		t.Fatal(err)
	}
	type size struct{ Size, Patch, Width, Layers, Heads, Projection, Context, Vocabulary int }
	var all struct {
		Configs []struct {
			size
			Name string
			Text size
		}
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	type towers struct {
		vision []ViT
		text   []Text
	}
	rows := map[string]towers{
		"ViT-B-32":     {[]ViT{CLIPB32(), OpenCLIPB32(), DreamSimCLIPB32(), DreamSimOpenCLIPB32()}, []Text{CLIPTextB(), OpenCLIPTextB()}},
		"ViT-B-16":     {[]ViT{CLIPB16(), OpenCLIPB16(), DreamSimCLIPB16(), DreamSimOpenCLIPB16()}, []Text{CLIPTextB(), OpenCLIPTextB()}},
		"ViT-L-14":     {[]ViT{CLIPL14(), OpenCLIPL14()}, []Text{CLIPTextL(), OpenCLIPTextL()}},
		"ViT-L-14-336": {[]ViT{CLIPL14At336()}, []Text{CLIPTextL()}},
		"ViT-H-14":     {[]ViT{OpenCLIPH14()}, []Text{OpenCLIPTextH()}},
		"dino":         {[]ViT{DINOB16(), SynCLRB16()}, nil},
	}
	if len(all.Configs) != len(rows) {
		t.Fatalf("%d configurations, want %d", len(all.Configs), len(rows))
	}
	for _, c := range all.Configs {
		for _, v := range rows[c.Name].vision {
			got := size{Size: v.Size, Patch: v.Patch, Width: v.Width, Layers: v.Layers, Heads: v.Heads, Projection: v.Projection}
			if got != c.size || v.MLP != 4*v.Width || v.Grid != v.Size/v.Patch {
				t.Errorf("%s is %+v with MLP %d and grid %d, %s is %+v", v.Name, got, v.MLP, v.Grid, c.Name, c.size)
			}
		}
		for _, x := range rows[c.Name].text {
			got := size{Context: x.Context, Vocabulary: x.Vocabulary, Width: x.Width, Layers: x.Layers, Heads: x.Heads}
			if got != c.Text || x.MLP != 4*x.Width || x.Projection != c.Projection {
				t.Errorf("%s is %+v, %s is %+v", x.Name, got, c.Name, c.Text)
			}
		}
	}
}

// TestRows: names are one row's own, and every row is a network that its layouts
// have names for.
func TestRows(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range ViTs() {
		got, ok := ViTNamed(v.Name)
		if !ok || got != v || seen[v.Name] || v.check() != nil || v.Dim() < 512 {
			t.Errorf("%q: found %v, again %v, %v", v.Name, ok, seen[v.Name], v.check())
		}
		l := OpenAI
		if v.PatchBias {
			l = Timm
		}
		list, err := v.Pieces(l, specs(v.Inventory(l)), nil, nn.Float32)
		if err != nil || len(list) != len(v.slots()) {
			t.Errorf("%s: %d pieces, %v", v.Name, len(list), err)
		}
		seen[v.Name] = true
	}
	for _, x := range Texts() {
		got, ok := TextNamed(x.Name)
		if !ok || got != x || seen[x.Name] || x.check() != nil || x.Dim() < 512 {
			t.Errorf("%q: found %v, again %v, %v", x.Name, ok, seen[x.Name], x.check())
		}
		seen[x.Name] = true
	}
	if _, ok := ViTNamed("vgg"); ok {
		t.Error("there is a vision row named vgg")
	}
	if _, ok := TextNamed("vgg"); ok {
		t.Error("there is a text row named vgg")
	}
}

// TestPieceFaults: a checkpoint that is not the tower's says why.
func TestPieceFaults(t *testing.T) {
	v := ViT{Name: "tiny", Size: 16, Patch: 8, Width: 8, Layers: 2, Heads: 2, MLP: 16, Activation: nn.GELU, Eps: 1e-5,
		PreNorm: true, Pool: ClassNormed, Projection: 4, Grid: 2}
	x := Text{Name: "tiny text", Context: 5, Vocabulary: 9, Width: 8, Layers: 1, Heads: 2, MLP: 16, Activation: nn.GELU, Eps: 1e-5, Projection: 4}
	for _, l := range []Layout{OpenAI, HuggingFace} {
		list, err := InventoryCLIP(v, x, l, Mixed)
		if err != nil {
			t.Fatal(err)
		}
		pieces := func(change func(*[]weights.TensorSpec)) error {
			list := slices.Clone(list)
			change(&list)
			src := specs(list)
			_, err1 := v.Pieces(l, src, nil, nn.Float32)
			_, err2 := x.Pieces(l, src, nn.Float32)
			return errors.Join(err1, err2)
		}
		if err := pieces(func(*[]weights.TensorSpec) {}); err != nil {
			t.Errorf("%s: %v", l, err)
		}
		for i := range list {
			if list[i].DType == "int64" {
				continue // these may be missing
			}
			err := pieces(func(s *[]weights.TensorSpec) { *s = slices.Delete(*s, i, i+1) })
			says(t, err, fmt.Sprintf("%q", list[i].Name), "1 tensors missing", fmt.Sprint(list[i].Shape))
			err = pieces(func(s *[]weights.TensorSpec) { (*s)[i].Shape = append([]int{7}, (*s)[i].Shape...) })
			says(t, err, fmt.Sprintf("%q is %v, want %v", list[i].Name, append([]int{7}, list[i].Shape...), list[i].Shape))
			err = pieces(func(s *[]weights.TensorSpec) { (*s)[i].Name += "x" })
			says(t, err, fmt.Sprintf("%q", list[i].Name), fmt.Sprintf("%q", list[i].Name+"x"), "without use")
		}
		for _, name := range []string{"head.weight", "visual.transformer.resblocks.2.ln_1.weight", "vision_model.encoder.layers.2.mlp.fc1.bias"} {
			says(t, pieces(func(s *[]weights.TensorSpec) { *s = append(*s, weights.TensorSpec{Name: name}) }), fmt.Sprintf("%q", name), "without use")
		}
		other := map[Layout]Layout{OpenAI: HuggingFace, HuggingFace: OpenAI}[l]
		_, err = v.Pieces(other, specs(list), nil, nn.Float32)
		says(t, err, "tensors missing", "without use", string(other), "more")
	}
	_, err := v.Pieces("keras", specs(nil), nil, nn.Float32)
	says(t, err, `"keras"`)
	_, err = v.Pieces(OpenAI, specs(v.Inventory(OpenAI)), nil, "float16")
	says(t, err, `"float16"`)
	_, err = x.Pieces(Timm, specs(nil), nn.Float32)
	says(t, err, "no text")
	v.PatchBias = true
	_, err = v.Pieces(OpenAI, specs(v.Inventory(OpenAI)), nil, nn.Float32)
	says(t, err, "patch.bias", "no name")
	v.Heads = 3
	_, err = v.Pieces(OpenAI, specs(nil), nil, nn.Float32)
	says(t, err, "3 heads")
}

// says fails unless err wraps ErrInvalid and its text has every part.
func says(t testing.TB, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(fmt.Sprint(err), p) {
			t.Errorf("error %v, want one that says %s", err, p)
		}
	}
}

// specs is a checkpoint of zeros with the given tensors.
type specs []weights.TensorSpec

func (s specs) Names() (names []string) {
	for _, t := range s {
		names = append(names, t.Name)
	}
	return names
}

func (s specs) find(name string) int {
	return slices.IndexFunc(s, func(t weights.TensorSpec) bool { return t.Name == name })
}

func (s specs) Shape(name string) ([]int, bool) {
	i := s.find(name)
	if i < 0 {
		return nil, false
	}
	return s[i].Shape, true
}

func (s specs) Float32(name string) ([]float32, error) {
	return make([]float32, s[s.find(name)].Elements()), nil
}

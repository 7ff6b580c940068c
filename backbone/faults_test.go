package backbone

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/weights"
)

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
		for _, p := range []nn.Precision{nn.Float32, nn.Packed, nn.Int8} {
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
		switch {
		case v.Pool == TokensNormed:
			l = BLIP
		case v.PatchBias:
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

package backbone

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/weights"
)

// TestParameters counts what the rows ask for and compares with the published
// numbers of parameters and tensors.
func TestParameters(t *testing.T) {
	count := func(list []weights.TensorSpec) (values int64, tensors int) {
		for _, s := range list {
			if s.DType != "int64" {
				values, tensors = values+s.Elements(), tensors+1
			}
		}
		return values, tensors
	}
	for _, c := range []struct {
		v       ViT
		t       Text
		values  int64 // of both halves; open_clip's table of models, OpenAI's files
		tensors int
	}{
		{CLIPB32(), CLIPTextB(), 151_277_313, 302},
		{CLIPB16(), CLIPTextB(), 149_620_737, 302},
		{CLIPL14(), CLIPTextL(), 427_616_513, 446},
		{CLIPL14At336(), CLIPTextL(), 427_944_193, 446},
		{OpenCLIPB32(), OpenCLIPTextB(), 151_277_313, 302},
		{OpenCLIPB16(), OpenCLIPTextB(), 149_620_737, 302},
		{OpenCLIPL14(), OpenCLIPTextL(), 427_616_513, 446},
		{OpenCLIPH14(), OpenCLIPTextH(), 986_109_441, 302 + 12*32}, // 20 vision and 12 text layers more than B
	} {
		list, err := InventoryCLIP(c.v, c.t, OpenAI, Single)
		if err != nil {
			t.Fatal(err)
		}
		if values, tensors := count(list); values != c.values || tensors != c.tensors {
			t.Errorf("%s: %d values in %d tensors, want %d in %d", c.v.Name, values, tensors, c.values, c.tensors)
		}
		list, err = InventoryCLIP(c.v, c.t, HuggingFace, Single)
		if err != nil {
			t.Fatal(err)
		}
		if values, _ := count(list); values != c.values {
			t.Errorf("%s, transformers: %d values, want %d", c.v.Name, values, c.values)
		}
	}
	for _, c := range []struct {
		v       ViT
		tensors int
	}{{DINOB16(), 150}, {DINOB16().Patches(), 150}, {SynCLRB16(), 150}, {DINOv2B14(), 175}, {DINOv2B14().Patches(), 175},
		{DreamSimCLIPB16(), 153}, {DreamSimCLIPB32(), 153}, {DreamSimOpenCLIPB16(), 153}, {DreamSimOpenCLIPB32(), 153}} {
		if _, tensors := count(c.v.Inventory(Timm)); tensors != c.tensors {
			t.Errorf("%s: %d tensors, want %d", c.v.Name, tensors, c.tensors)
		}
	}
	if values, _ := count(DINOB16().Inventory(Timm)); values != 85_798_656 { // timm's vit_base_patch16 without a head
		t.Errorf("DINO: %d values", values)
	}
	if values, _ := count(DINOv2B14().Inventory(Timm)); values != 86_580_480 { // the mask token included
		t.Errorf("DINOv2: %d values", values)
	}
}

// TestInventories compares with files that the authors' own modules wrote: names,
// shapes and types.
func TestInventories(t *testing.T) {
	cases, _ := golden(t)
	row := func(name string) goldenTower {
		return cases[slices.IndexFunc(cases, func(g goldenTower) bool { return g.Name == name })]
	}
	v, x := row("openai").vit(t), row("openai, 5 tokens").text()
	clip := func(l Layout, s Storage) []weights.TensorSpec {
		list, err := InventoryCLIP(v, x, l, s)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	half := func(list []weights.TensorSpec) []weights.TensorSpec { // these files were halved to be small
		for i := range list {
			list[i].DType = "float16"
		}
		return list
	}
	for _, c := range []struct {
		file, prefix string
		list         []weights.TensorSpec
	}{
		{"clip.pt", "", clip(OpenAI, Mixed)},
		{"open_clip.safetensors", "", clip(OpenAI, Single)},
		{"clip_hf.safetensors", "", clip(HuggingFace, Single)},
		{"dino.safetensors", "", half(row("dino").vit(t).Inventory(Timm))},
		{"dino.safetensors", "", half(row("dino normed").vit(t).Inventory(Timm))},
		{"dinov2.safetensors", "", half(row("dinov2").vit(t).Inventory(Timm))},
		{"dreamsim_clip.pth.tar", "state_dict.", half(row("dreamsim clip").vit(t).Inventory(Timm))},
	} {
		src := open(t, filepath.Join("testdata", c.file), c.prefix)
		var want, got []string
		for _, name := range src.Names() {
			shape, _ := src.Shape(name)
			_, _, _, dtype := src.Place(name)
			want = append(want, fmt.Sprint(name, shape, dtype))
		}
		for _, s := range c.list {
			got = append(got, fmt.Sprint(s.Name, append([]int{}, s.Shape...), s.DType))
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", c.file, got, want)
		}
	}
}

func TestInventoryRefuses(t *testing.T) {
	v, x := CLIPB32(), CLIPTextB()
	_, err := InventoryCLIP(v, x, OpenAI, "double")
	says(t, err, `"double"`)
	_, err = InventoryCLIP(v, x, Timm, Single)
	says(t, err, "no names")
	_, err = InventoryCLIP(v, x, "keras", Single)
	says(t, err, `"keras"`)
	_, err = InventoryCLIP(ViT{Name: "empty"}, x, OpenAI, Single)
	says(t, err, `"empty"`)
	_, err = InventoryCLIP(v, Text{Name: "none"}, OpenAI, Single)
	says(t, err, `"none"`)
	if v.Inventory("keras") != nil || x.Inventory(Timm) != nil || DINOv2B14().Inventory(OpenAI) != nil {
		t.Error("a layout without names for a tower has an inventory of it")
	}
}

// synthesized is the tower's prepared file, from a synthetic official one.
func synthesized(t testing.TB, l Layout, specs []weights.TensorSpec, pieces func(Source) ([]weights.Piece, error)) *weights.Checkpoint {
	t.Helper()
	write := func(name string, list []weights.Piece) *weights.Checkpoint {
		path := filepath.Join(t.TempDir(), name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := weights.WriteSafetensors(t.Context(), f, list, nil); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		return open(t, path, "")
	}
	list, err := pieces(write("official.safetensors", weights.SyntheticPieces(1, specs)))
	if err != nil {
		t.Fatal(err)
	}
	return write("prepared.safetensors", list)
}

// picture is a made-up scene of S×S pixels, normalised: a few waves of light, each
// channel its own, and a darker disc.
func picture(seed, size int) onnx.Tensor {
	x := onnx.Tensor{Shape: []int{1, 3, size, size}, Data: make([]float32, 3*size*size)}
	r := synthetic(900+seed, 1, 64).Data
	for i := range x.Data {
		c, row, col := i/(size*size), float64(i/size%size)/float64(size), float64(i%size)/float64(size)
		value := float64(r[c])
		for k := range 5 {
			p := r[3+k*6 : 9+k*6]
			value += float64(p[2+c]) / float64(k+1) * math.Sin(6*float64(k+1)*(float64(p[0])*row+float64(p[1])*col)+3*float64(p[5]))
		}
		if math.Hypot(row-0.5-0.3*float64(r[40]), col-0.5-0.3*float64(r[41])) < 0.1+0.1*math.Abs(float64(r[42])) {
			value -= 1.5 * float64(r[43+c])
		}
		x.Data[i] = float32(value)
	}
	return x
}

// TestSynthetic: with synthetic weights, deep towers give features of an ordinary
// size that tell inputs apart, and 8-bit products keep their direction.
func TestSynthetic(t *testing.T) {
	small := func(v ViT) ViT { // as deep as the real one, to be quick
		v.Width, v.Heads, v.MLP, v.Size = 96, 3, 384, 8*v.Patch
		if v.Grid != 37 { // DINOv2 keeps its own
			v.Grid = 8
		}
		return v
	}
	text := CLIPTextL()
	text.Vocabulary, text.Width, text.Heads, text.MLP = 300, 96, 3, 384
	for _, c := range []struct {
		name   string
		pieces func(p nn.Precision) *weights.Checkpoint
		graph  func(w onnx.Weights, p nn.Precision) (*onnx.Model, error)
		input  func(seed int) onnx.Tensor
	}{
		vision(t, small(CLIPB16()), OpenAI), vision(t, small(OpenCLIPH14()), HuggingFace),
		vision(t, small(DINOB16()), Timm), vision(t, small(DINOv2B14()), Timm), vision(t, small(DreamSimCLIPB32()), Timm),
		{"text", func(p nn.Precision) *weights.Checkpoint {
			return synthesized(t, OpenAI, text.Inventory(OpenAI), func(s Source) ([]weights.Piece, error) { return text.Pieces(OpenAI, s, p) })
		}, text.Graph, func(seed int) onnx.Tensor {
			ids := onnx.Tensor{Shape: []int{1, 5 + seed}, Data: make([]float32, 5+seed)}
			for i := range ids.Data {
				ids.Data[i] = float32((seed*31 + i*i*7) % 298)
			}
			ids.Data[0], ids.Data[4+seed] = 298, 299
			return ids
		}},
	} {
		features := map[nn.Precision][]onnx.Tensor{}
		for _, p := range []nn.Precision{nn.Float32, nn.Int8} {
			m, err := c.graph(c.pieces(p), p)
			if err != nil {
				t.Fatal(err)
			}
			s := openSession(t, m)
			for seed := range 6 {
				out, err := s.Run(t.Context(), c.input(seed))
				if err != nil {
					t.Fatal(err)
				}
				features[p] = append(features[p], out[0])
			}
		}
		var cosines []float64
		for i, f := range features[nn.Float32] {
			sum := 0.0
			for _, v := range f.Data {
				sum += float64(v) * float64(v)
			}
			if size := math.Sqrt(sum / float64(len(f.Data))); !(size > 0.2 && size < 5) {
				t.Errorf("%s: components of size %.3g", c.name, size)
			}
			_, angle := apart(t, c.name, features[nn.Int8][i], f.Shape, f.Data)
			if !(angle < 0.01) {
				t.Errorf("%s: int8 turns a feature, cosine below 1 by %.2g", c.name, angle)
			}
			for _, g := range features[nn.Float32][:i] {
				_, angle := apart(t, c.name, f, g.Shape, g.Data)
				cosines = append(cosines, 1-angle)
			}
		}
		slices.Sort(cosines)
		if median, most := cosines[len(cosines)/2], cosines[len(cosines)-1]; !(median < 0.9 && most < 0.97) {
			t.Errorf("%s: cosines between features up to %.3f, in the middle %.3f", c.name, most, median)
		}
		t.Logf("%s: cosines between features from %.3f to %.3f", c.name, cosines[0], cosines[len(cosines)-1])
	}
}

// vision is a case of TestSynthetic.
func vision(t *testing.T, v ViT, l Layout) (c struct {
	name   string
	pieces func(p nn.Precision) *weights.Checkpoint
	graph  func(w onnx.Weights, p nn.Precision) (*onnx.Model, error)
	input  func(seed int) onnx.Tensor
}) {
	c.name, c.graph = v.Name, v.Graph
	c.pieces = func(p nn.Precision) *weights.Checkpoint {
		return synthesized(t, l, v.Inventory(l), func(s Source) ([]weights.Piece, error) { return v.Pieces(l, s, nil, p) })
	}
	c.input = func(seed int) onnx.Tensor { return picture(seed, v.Size) }
	return c
}

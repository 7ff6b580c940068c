package metric

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/weights"
)

// features are made-up tower features with a mean far from 0.
func features(n int, phase float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(3 + math.Sin(float64(i)*0.71+phase) + 0.3*math.Cos(float64(i*i)*0.013))
	}
	return v
}

// pearson is the correlation of two vectors in double precision: DreamSim's
// distance is 1 less it.
func pearson(a, b []float32) float64 {
	var ma, mb, ab, aa, bb float64
	for i := range a {
		ma, mb = ma+float64(a[i])/float64(len(a)), mb+float64(b[i])/float64(len(b))
	}
	for i := range a {
		x, y := float64(a[i])-ma, float64(b[i])-mb
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}

// TestCentred: DreamSim's normalisation, whichever order its two steps have.
func TestCentred(t *testing.T) {
	a, b := features(1792, 0), features(1792, 0.4)
	x, err := centred(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := centred(b)
	if err != nil {
		t.Fatal(err)
	}
	var sum, squares float64
	for _, v := range x {
		sum, squares = sum+float64(v), squares+float64(v)*float64(v)
	}
	near(t, "sum of components", sum, 0, 1e-6)
	near(t, "length", math.Sqrt(squares), 1, 1e-6)
	cos, err := cosine(x, y)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "cosine", cos, pearson(a, b), 1e-7)

	// The order before v0.2.1, length first: the same angle.
	length := func(v []float32) []float32 {
		var out []float32
		for _, c := range unit(v) {
			out = append(out, float32(c))
		}
		return out
	}
	x2, _ := centred(length(a))
	y2, _ := centred(length(b))
	other, _ := cosine(x2, y2)
	near(t, "cosine in the other order", other, cos, 1e-6)

	for name, v := range map[string][]float32{"constant": slices.Repeat([]float32{0.1}, 1792), "zero": make([]float32, 1792),
		"not a number": {1, float32(math.NaN())}} {
		if _, err := centred(v); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s features: %v", name, err)
		}
	}
}

// TestPooledPatches: against the definition, token by token in double precision.
func TestPooledPatches(t *testing.T) {
	const n, w = 5, 24
	tokens := features(n*w, 1)
	got, err := pooledPatches(tokens, w)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float64, 2*w)
	for i := range n {
		row := tokens[i*w : (i+1)*w]
		mean, size := 0.0, 0.0
		for _, v := range row {
			mean += float64(v) / w
		}
		for _, v := range row {
			size += (float64(v) - mean) * (float64(v) - mean)
		}
		for j, v := range row {
			z := (float64(v) - mean) / math.Sqrt(size)
			if i == 0 {
				want[j] = z
			} else {
				want[w+j] += z / (n - 1)
			}
		}
	}
	for j := range want {
		near(t, fmt.Sprint("component ", j), float64(got[j]), want[j], 1e-7)
	}
	if _, err := pooledPatches(make([]float32, n*w), w); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("zero tokens: %v", err)
	}
}

// loraTensors are adapter matrices by name.
type loraTensors map[string][]int

func (l loraTensors) Names() []string                 { return slices.Sorted(maps.Keys(l)) }
func (l loraTensors) Shape(name string) ([]int, bool) { s, ok := l[name]; return s, ok }
func (l loraTensors) Float32(name string) ([]float32, error) {
	n := 1
	for _, s := range l[name] {
		n *= s
	}
	v := make([]float32, n)
	if !strings.Contains(name, "untrained") {
		v[n-1] = 1
	}
	return v, nil
}

// loraOf is a complete adapter of some towers of ViT-B with rank 4.
func loraOf(towers int, format string) loraTensors {
	l := loraTensors{}
	for tower := range towers {
		for block := range 12 {
			l[fmt.Sprintf(format, tower, block, "A")] = []int{4, 768}
			l[fmt.Sprintf(format, tower, block, "B")] = []int{2304, 4}
		}
	}
	return l
}

const loraFormat = "base_model.model.extractor_list.%d.model.blocks.%d.attn.qkv.lora_%s.weight"

func without(l loraTensors, name string) loraTensors {
	l = maps.Clone(l)
	delete(l, name)
	return l
}

func with(l loraTensors, name string, shape ...int) loraTensors {
	l = maps.Clone(l)
	l[name] = shape
	return l
}

// TestReadAdapter: what is complete is taken, with the factor the JSON says;
// what lacks a pair, has one too many or was never trained is refused.
func TestReadAdapter(t *testing.T) {
	const config = `{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["qkv"], "bias": "none", "lora_dropout": 0.3}`
	v := backbone.DINOB16()
	for name, l := range map[string]loraTensors{"plain": loraOf(3, loraFormat), "default": loraOf(3, strings.Replace(loraFormat, ".weight", ".default.weight", 1))} {
		lora, err := readAdapter([]byte(config), l, 2, 3, v)
		if err != nil || lora.Scale != 2 || lora.Rank != 4 {
			t.Fatalf("%s names: %+v, %v", name, lora, err)
		}
		a, err := lora.A(11)
		b, err2 := lora.B(0)
		if err != nil || err2 != nil || len(a) != 4*768 || len(b) != 2304*4 {
			t.Errorf("%s names: %d and %d values, %v %v", name, len(a), len(b), err, err2)
		}
	}
	full := loraOf(3, loraFormat)
	for name, c := range map[string]struct {
		l      loraTensors
		towers int
		want   string
	}{
		"a missing A":      {without(full, fmt.Sprintf(loraFormat, 1, 7, "A")), 3, "tower 1, block 7"},
		"a missing B":      {without(full, fmt.Sprintf(loraFormat, 2, 11, "B")), 3, "tower 2, block 11"},
		"one tower of 3":   {loraOf(1, loraFormat), 3, "tower 1, block 0"},
		"three for one":    {full, 1, "another variant"},
		"a block too many": {with(with(full, fmt.Sprintf(loraFormat, 0, 12, "A"), 4, 768), fmt.Sprintf(loraFormat, 0, 12, "B"), 2304, 4), 3, "another variant"},
		"another module":   {with(full, "base_model.model.extractor_list.0.model.blocks.0.mlp.fc1.lora_A.weight", 4, 768), 3, "no adapter"},
		"named twice":      {with(full, strings.Replace(fmt.Sprintf(loraFormat, 0, 0, "A"), ".weight", ".default.weight", 1), 4, 768), 3, "same matrix"},
		"another rank":     {with(full, fmt.Sprintf(loraFormat, 0, 3, "A"), 16, 768), 3, "want [4 768]"},
		"v0.1's grouped B": {with(full, fmt.Sprintf(loraFormat, 0, 3, "B"), 1536, 16, 1), 3, "want [2304 4]"},
		"untrained":        {loraOf(1, "untrained.extractor_list.%d.model.blocks.%d.attn.qkv.lora_%s.weight"), 1, "never trained"},
	} {
		_, err := readAdapter([]byte(config), c.l, 0, c.towers, v)
		if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestParseAdapter(t *testing.T) {
	for config, want := range map[string]float32{
		`{"r": 16, "lora_alpha": 8, "target_modules": ["qkv"]}`:                                                0.5,
		`{"r": 16, "lora_alpha": 32, "target_modules": ["qkv"], "use_rslora": false}`:                          2,
		`{"r": 16, "lora_alpha": 32, "target_modules": "qkv", "use_rslora": true}`:                             8,
		`{"r": 3, "lora_alpha": 0.5, "target_modules": ["attn.qkv"], "modules_to_save": null, "bias": "none"}`: float32(0.5 / 3.0),
		`{"r": 4, "lora_alpha": 4, "target_modules": ["qkv"], "enable_lora": null, "rank_pattern": {}}`:        1,
	} {
		if _, scale, err := parseAdapter([]byte(config)); err != nil || scale != want {
			t.Errorf("%s: factor %v, %v; want %v", config, scale, err, want)
		}
	}
	for config, want := range map[string]string{
		``: "adapter_config.json", `[]`: "adapter_config.json", `{"r": "16"}`: "adapter_config.json",
		`{"lora_alpha": 8, "target_modules": ["qkv"]}`:                                              "r is 0",
		`{"r": -1, "lora_alpha": 8, "target_modules": ["qkv"]}`:                                     "r is -1",
		`{"r": 16, "target_modules": ["qkv"]}`:                                                      "lora_alpha",
		`{"r": 16, "lora_alpha": 0, "target_modules": ["qkv"]}`:                                     "lora_alpha",
		`{"r": 16, "lora_alpha": 8}`:                                                                "target_modules",
		`{"r": 16, "lora_alpha": 8, "target_modules": []}`:                                          "target_modules",
		`{"r": 16, "lora_alpha": 8, "target_modules": ["qkv", "proj"]}`:                             "target_modules",
		`{"r": 16, "lora_alpha": 8, "target_modules": ["qkv"], "enable_lora": [true, false, true]}`: "v0.1",
		`{"r": 16, "lora_alpha": 8, "target_modules": ["qkv"], "bias": "all"}`:                      "bias",
		`{"r": 16, "lora_alpha": 8, "target_modules": ["qkv"], "fan_in_fan_out": true}`:             "fan_in_fan_out",
		`{"r": 16, "lora_alpha": 8, "target_modules": ["qkv"], "alpha_pattern": {"qkv": 3}}`:        "pattern",
		`{"r": 16, "lora_alpha": 8, "target_modules": ["qkv"], "peft_type": "IA3"}`:                 "IA3",
		`{"r": 16, "lora_alpha": 8, "target_modules": ["qkv"], "modules_to_save": ["norm"]}`:        "modules_to_save",
	} {
		if _, _, err := parseAdapter([]byte(config)); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", config, err, want)
		}
	}
}

func FuzzParseAdapter(f *testing.F) {
	f.Add([]byte(`{"r": 16, "lora_alpha": 8, "target_modules": ["qkv"]}`))
	f.Add([]byte(`{"r": 1, "lora_alpha": 1e999, "target_modules": "qkv", "use_rslora": true}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rank, scale, err := parseAdapter(data)
		if err != nil {
			if !errors.Is(err, assay.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		if rank < 1 || scale == 0 || scale-scale != 0 {
			t.Fatalf("rank %d and factor %v", rank, scale)
		}
	})
}

// TestReleases: archives of v0.1 and of other variants are told from the right one.
func TestReleases(t *testing.T) {
	for _, d := range dreamSimVariants() {
		for _, r := range d.towers {
			if err := r.dreamSim.release([]string{"checkpoints/" + r.dreamSim.adapter + "/adapter_config.json", "x.pth"}); err != nil {
				t.Errorf("%s refuses its own: %v", r.name, err)
			}
			for folder, want := range map[string]string{"dino_vitb16_lora": "v0.1", "open_clip_vitb16_lora": "v0.1", "other_single_lora": "another variant", "readme": "another variant"} {
				err := r.dreamSim.release([]string{folder + "/adapter_config.json"})
				if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), want) {
					t.Errorf("%s offered %s: %v", r.name, folder, err)
				}
			}
		}
	}
}

// tinyRelease writes an archive of DreamSim with one tiny tower: backbone under
// "state_dict." and adapter of rank 2.
func tinyRelease(t *testing.T, path string, v backbone.ViT, config string) {
	t.Helper()
	tensors := func(specs []weights.TensorSpec) []byte {
		var b bytes.Buffer
		if err := weights.WriteSafetensors(t.Context(), &b, weights.SyntheticPieces(5, specs), nil); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	body := v.Inventory(backbone.Timm)
	for i := range body {
		body[i].Name = "state_dict." + body[i].Name
	}
	normal := weights.Init{Kind: weights.InitNormal, Scale: 0.1}
	var adapter []weights.TensorSpec
	for block := range v.Layers {
		adapter = append(adapter,
			weights.TensorSpec{Name: fmt.Sprintf(loraFormat, 0, block, "A"), Shape: []int{2, v.Width}, DType: "float32", Init: normal},
			weights.TensorSpec{Name: fmt.Sprintf(loraFormat, 0, block, "B"), Shape: []int{3 * v.Width, 2}, DType: "float32", Init: normal})
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for name, data := range map[string][]byte{
		"release/tiny.pth.tar": tensors(body), "release/tiny_single_lora/adapter_model.safetensors": tensors(adapter),
		"release/tiny_single_lora/adapter_config.json": []byte(config),
	} {
		w, err := z.Create(name) // deflated
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestDreamSimFromItsArchive: from the release's zip to distances, with the
// adapter merged as W + alpha/r·B·A.
func TestDreamSimFromItsArchive(t *testing.T) {
	const config = `{"peft_type": "LORA", "r": 2, "lora_alpha": 3, "target_modules": ["qkv"], "bias": "none"}`
	v := tinyViT()
	v.PatchBias = true
	v.Size, v.Grid = 224, 14 // what the preparation gives
	cache := tinyCache(t)
	cache.Models = append(cache.Models, weights.Model{Name: "dreamsim-tiny", Files: []weights.File{{Name: "release.zip"}}})
	path := filepath.Join(cache.Dir, "dreamsim-tiny", "release.zip")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	tinyRelease(t, path, v, config)
	if err := weights.MarkSynthetic(path, 5); err != nil {
		t.Fatal(err)
	}
	row := dreamSimRow("dreamsim-tiny", "", v, dreamSimTower{name: "vision", towers: 1, adapter: "tiny_single_lora", file: "tiny.pth.tar", prefix: "state_dict."})
	d := dreamSimVariant{name: "dreamsim-tiny", towers: []towerRow{row}}

	done, err := row.prepareVision(t.Context(), cache, nn.Float32)
	if err != nil {
		t.Fatal(err)
	}
	checkMerged(t, done.Path, v, 1.5)

	e := &countingEngine{t: t}
	in := NewTowers(cache, e, TowerOptions{}).mustOpen(t, d.instrument())
	defer in.Close()
	a, b := tinyPicture(), NewPicture(scene(90, 41, 8, 40))
	r, err := in.Distance(t.Context(), a, b)
	if err != nil || r.Value <= 0 || !r.Synthetic {
		t.Fatalf("%+v, %v", r, err)
	}
	if same, err := in.Distance(t.Context(), a, a); err != nil || math.Abs(same.Value) > 1e-7 {
		t.Errorf("of a picture and itself: %v, %v", same.Value, err)
	}
	if back, err := in.Distance(t.Context(), b, a); err != nil || back.Value != r.Value {
		t.Errorf("the other way round: %v, want %v, %v", back.Value, r.Value, err)
	}
	if runs := e.visionRuns.Load(); runs != 2 {
		t.Errorf("%d runs for two pictures", runs)
	}
	x, _ := in.Embed(t.Context(), a)
	y, _ := in.Embed(t.Context(), b)
	apart, err := in.Apart(x, y)
	if err != nil || in.Space != Cosine {
		t.Fatal(err)
	}
	near(t, "from embeddings", apart, r.Value, 1e-6)
	ea, _ := in.Embeddings(t.Context(), a)
	eb, _ := in.Embeddings(t.Context(), b)
	near(t, "1 − Pearson of raw features", 1-pearson(ea[0].Vector, eb[0].Vector), r.Value, 1e-6)
	if _, err := in.Apart(x, y[1:]); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("vectors of two lengths: %v", err)
	}
}

// checkMerged holds the prepared query, key and value against the formula.
func checkMerged(t *testing.T, prepared string, v backbone.ViT, scale float64) {
	t.Helper()
	c, err := weights.Open(prepared, weights.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.Float32("blocks.0.qkv.weight")
	if err != nil {
		t.Fatal(err)
	}
	made := func(name string, shape ...int) []float32 {
		for _, s := range v.Inventory(backbone.Timm) {
			if name == s.Name {
				return synthesized(t, "state_dict."+name, shape, s.Init)
			}
		}
		return synthesized(t, name, shape, weights.Init{Kind: weights.InitNormal, Scale: 0.1})
	}
	w := made("blocks.0.attn.qkv.weight", 3*v.Width, v.Width)
	a, b := made(fmt.Sprintf(loraFormat, 0, 0, "A"), 2, v.Width), made(fmt.Sprintf(loraFormat, 0, 0, "B"), 3*v.Width, 2)
	moved := 0.0
	for i := range got {
		o, in := i/v.Width, i%v.Width
		add := scale * (float64(b[2*o])*float64(a[in]) + float64(b[2*o+1])*float64(a[v.Width+in]))
		near(t, fmt.Sprint("merged weight ", i), float64(got[i]), float64(w[i])+add, 1e-6)
		moved = max(moved, math.Abs(add))
	}
	if moved < 1e-3 {
		t.Fatalf("the adapter moves nothing: %g", moved)
	}
}

func synthesized(t *testing.T, name string, shape []int, init weights.Init) []float32 {
	t.Helper()
	spec := weights.TensorSpec{Name: name, Shape: shape, DType: "float32", Init: init}
	c, err := weights.Open(func() string {
		path := filepath.Join(t.TempDir(), "one.safetensors")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(weights.WriteSafetensors(t.Context(), f, weights.SyntheticPieces(5, []weights.TensorSpec{spec}), nil), f.Close()); err != nil {
			t.Fatal(err)
		}
		return path
	}(), weights.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	v, err := c.Float32(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

package weights

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
)

// goldenSynthetic is what reference/synthetic.py found right.
type goldenSynthetic struct {
	Values []struct {
		Name, DType, Kind, Seed, SHA256 string
		Shape                           []int
		Mean, Scale                     float64
	}
	Files map[string]struct {
		SHA256  string
		Tensors map[string]string
	}
}

func readGoldenSynthetic(t *testing.T) (g goldenSynthetic) {
	t.Helper()
	data, err := os.ReadFile("testdata/synthetic.json")
	if err == nil {
		err = json.Unmarshal(data, &g)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// TestSynthesize compares every value with NumPy's, bit by bit.
func TestSynthesize(t *testing.T) {
	golden := readGoldenSynthetic(t).Values
	if len(golden) < 40 {
		t.Fatalf("%d golden tensors", len(golden))
	}
	for _, g := range golden {
		seed, err := strconv.ParseUint(g.Seed, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := Synthesize(seed, TensorSpec{g.Name, g.Shape, g.DType, Init{g.Kind, g.Mean, g.Scale}})
		if err != nil || sumOf(raw) != g.SHA256 {
			t.Errorf("%s, seed %s: %d bytes of SHA-256 %s, want %s (%v)", g.Name, g.Seed, len(raw), sumOf(raw), g.SHA256, err)
		}
	}
}

// TestSynthesizeMoments holds the values to the distribution they are said to have.
func TestSynthesizeMoments(t *testing.T) {
	const n = 1 << 20
	raw, err := Synthesize(3, TensorSpec{"moments", []int{n}, "float32", Init{InitNormal, 2, 0.5}})
	if err != nil {
		t.Fatal(err)
	}
	values, _ := dtype("float32").widen(raw)
	var m [5]float64 // sums of powers
	for _, v := range values {
		z := (v - 2) / 0.5
		if math.Abs(z) > 3.47 {
			t.Fatalf("a value of %v standard deviations", z)
		}
		for k := range m {
			m[k] += math.Pow(z, float64(k)) / n
		}
	}
	// Four standard errors: of the mean 1/sqrt(n), of the others a few times that.
	for k, want := range map[int]float64{1: 0, 2: 1, 3: 0, 4: 2.7} {
		if math.Abs(m[k]-want) > 0.025 {
			t.Errorf("moment %d is %.4f, want %.1f", k, m[k], want)
		}
	}
	other, _ := Synthesize(4, TensorSpec{"moments", []int{n}, "float32", Init{InitNormal, 2, 0.5}})
	dot := 0.0
	for i, v := range values {
		w := float64(math.Float32frombits(uint32(other[4*i]) | uint32(other[4*i+1])<<8 | uint32(other[4*i+2])<<16 | uint32(other[4*i+3])<<24))
		dot += (v - 2) * (w - 2) / 0.25 / n
	}
	if math.Abs(dot) > 0.005 {
		t.Errorf("values of two seeds correlate by %.4f", dot)
	}
}

func TestSynthesizeRefuses(t *testing.T) {
	for _, s := range []TensorSpec{
		{"type", []int{2}, "int8", Init{InitConst, 1, 0}},
		{"kind", []int{2}, "float32", Init{"uniform", 0, 1}},
		{"fractions", []int{2}, "int64", Init{InitNormal, 0, 1}},
		{"half", nil, "int64", Init{InitConst, 0.5, 0}},
		{"overflow", []int{2}, "float16", Init{InitNormal, 0, 20000}},
		{"large", []int{2}, "float32", Init{InitConst, 1e39, 0}},
		{"nan", []int{2}, "float32", Init{InitConst, math.NaN(), 0}},
		{"inf", []int{2}, "float32", Init{InitNormal, 0, math.Inf(1)}},
		{"count", []int{2049}, "float16", Init{InitArange, 0, 0}},
		{"negative", []int{2, -1}, "float32", Init{InitConst, 0, 0}},
	} {
		if _, err := Synthesize(1, s); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), s.Name) {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

// TestNarrow compares rounding with widening: every 16-bit float is rounded to
// itself, and what lies between two of them to the nearer, or to the even one.
func TestNarrow(t *testing.T) {
	for _, c := range []struct {
		to    narrow
		widen func(uint16) float32
		inf   uint16
	}{{half, halfToFloat32, 0x7c00}, {brain, bfloat16ToFloat32, 0x7f80}} {
		for h := range c.inf - 1 {
			low, high := float64(c.widen(h)), float64(c.widen(h+1))
			middle := (low + high) / 2
			even := h + h&1
			for _, v := range []struct {
				v    float64
				want uint16
			}{{low, h}, {middle, even}, {math.Nextafter(middle, 0), h}, {math.Nextafter(middle, math.Inf(1)), h + 1}, {-low, h | 0x8000}} {
				if got := c.to.bits(v.v); got != v.want && v.v != 0 {
					t.Fatalf("%g is %#04x, want %#04x", v.v, got, v.want)
				}
			}
		}
		if got := c.to.bits(math.MaxFloat64); got != c.inf {
			t.Errorf("the largest float64 is %#04x, want infinity", got)
		}
	}
}

// A synthFile is a container of the golden set.
type synthFile struct {
	Container Container         `json:"container"`
	Seed      string            `json:"seed"`
	Tensors   []synthSpec       `json:"tensors,omitempty"`
	Members   []string          `json:"members,omitempty"`
	Inner     map[string]string `json:"inner,omitempty"` // member: file of the set
	specs     []TensorSpec
	write     func(io.Writer) error
}

type synthSpec struct {
	Name  string  `json:"name"`
	Shape []int   `json:"shape"`
	DType string  `json:"dtype"`
	Kind  string  `json:"kind"`
	Mean  float64 `json:"mean"`
	Scale float64 `json:"scale"`
}

// tinyCLIP is an inventory with OpenAI's names: one block a tower, of the smallest
// width that OpenAI's package accepts.
func tinyCLIP() []TensorSpec {
	const w, context, vocabulary, patch, grid, embed = 64, 7, 16, 8, 2, 24
	normal := func(name, d string, scale float64, shape ...int) TensorSpec {
		return TensorSpec{name, shape, d, Init{InitNormal, 0, scale}}
	}
	norm := func(name string) []TensorSpec {
		return []TensorSpec{{name + ".weight", []int{w}, "float32", Init{InitNormal, 1, 0.1}}, normal(name+".bias", "float32", 0.1, w)}
	}
	linear := func(name string, out, in int) []TensorSpec {
		return []TensorSpec{normal(name+".weight", "float16", 0.05, out, in), normal(name+".bias", "float16", 0.05, out)}
	}
	block := func(p string) []TensorSpec {
		return slices.Concat(
			[]TensorSpec{normal(p+"attn.in_proj_weight", "float16", 0.05, 3*w, w), normal(p+"attn.in_proj_bias", "float16", 0.05, 3*w)},
			linear(p+"attn.out_proj", w, w), norm(p+"ln_1"), linear(p+"mlp.c_fc", 4*w, w), linear(p+"mlp.c_proj", w, 4*w), norm(p+"ln_2"))
	}
	number := func(name string, v float64) TensorSpec { return TensorSpec{name, nil, "int64", Init{InitConst, v, 0}} }
	return slices.Concat(
		[]TensorSpec{normal("positional_embedding", "float32", 0.01, context, w), normal("text_projection", "float16", 0.1, w, embed),
			{"logit_scale", nil, "float32", Init{InitConst, 4.6052, 0}}},
		[]TensorSpec{normal("visual.class_embedding", "float32", 0.1, w), normal("visual.positional_embedding", "float32", 0.1, grid*grid+1, w),
			normal("visual.proj", "float16", 0.1, w, embed), normal("visual.conv1.weight", "float16", 0.05, w, 3, patch, patch)},
		norm("visual.ln_pre"), block("visual.transformer.resblocks.0."), norm("visual.ln_post"),
		block("transformer.resblocks.0."), []TensorSpec{normal("token_embedding.weight", "float32", 0.02, vocabulary, w)}, norm("ln_final"),
		[]TensorSpec{number("input_resolution", grid*patch), number("context_length", context), number("vocab_size", vocabulary)})
}

// synthFiles are the containers of the golden set.
func synthFiles(ctx context.Context) map[string]synthFile {
	const seed = 20240611
	mark := SyntheticMark(seed)
	odd := []TensorSpec{
		{"state_dict.visual.proj", []int{6, 5}, "float16", Init{InitNormal, 0, 0.02}},
		{"state_dict.brain", []int{9}, "bfloat16", Init{InitNormal, 0, 0.02}},
		{"state_dict.0.in", []int{2, 3, 1}, "float32", Init{InitArange, 0, 0}},
		{"state_dict.none", []int{0, 4}, "float32", Init{InitConst, 0, 0}},
		{"student.module.head.weight", []int{4}, "float32", Init{InitNormal, 0, 1}},
		{"count", []int{300}, "int64", Init{InitArange, 0, 0}},
	}
	names := []TensorSpec{ // what Python could not spell
		{"0", []int{2}, "float32", Init{InitNormal, 0, 1}},
		{"1.0", []int{3}, "bfloat16", Init{InitNormal, 0, 1}},
		{"class", nil, "int64", Init{InitConst, 5, 0}},
		{"in.weight", []int{2, 2}, "float16", Init{InitNormal, 0, 1}},
		{"a-b.c d", []int{1}, "float32", Init{InitNormal, 0, 1}},
		{"x.1.y", []int{1, 2}, "float32", Init{InitArange, 0, 0}},
		{"x.10.y", []int{0}, "float32", Init{InitConst, 0, 0}},
	}
	files := map[string]synthFile{
		"names.pt": {Container: TorchScript, specs: names, write: func(w io.Writer) error {
			return WriteTorchScript(ctx, w, "M", SyntheticPieces(seed, names), mark)
		}},
		"clip.pt": {Container: TorchScript, specs: tinyCLIP(), write: func(w io.Writer) error {
			return WriteTorchScript(ctx, w, "multimodal.model.CLIP", SyntheticPieces(seed, tinyCLIP()), mark)
		}},
		"flat.bin": {Container: TorchZip, specs: tinyCLIP(), write: func(w io.Writer) error {
			return WriteTorchZip(ctx, w, SyntheticPieces(seed, tinyCLIP()), TorchZipOptions{Comment: mark})
		}},
		"nested.pth": {Container: TorchZip, specs: odd, write: func(w io.Writer) error {
			return WriteTorchZip(ctx, w, SyntheticPieces(seed, odd), TorchZipOptions{
				Under: []string{"state_dict", "student"}, Comment: mark,
				Extra: map[string]any{"epoch": 70000, "steps": int64(-1 << 40), "arch": "vit_é", "ema": true, "best": nil, "args": 3},
			})
		}},
		"flat.pth": {Container: TorchLegacy, specs: tinyCLIP(), write: func(w io.Writer) error {
			return WriteTorchLegacy(ctx, w, SyntheticPieces(seed, tinyCLIP()), TorchZipOptions{Comment: mark})
		}},
		"old.pth.tar": {Container: TorchLegacy, specs: odd, write: func(w io.Writer) error {
			return WriteTorchLegacy(ctx, w, SyntheticPieces(seed, odd), TorchZipOptions{
				Under: []string{"state_dict", "student"}, Comment: mark,
				Extra: map[string]any{"epoch": 70000, "steps": int64(-1 << 40), "arch": "vit_é", "ema": true, "best": nil, "args": 3},
			})
		}},
		"model.safetensors": {Container: Safetensors, specs: odd, write: func(w io.Writer) error {
			return WriteSafetensors(ctx, w, SyntheticPieces(seed, odd), map[string]string{"format": "pt", "synthetic": mark})
		}},
	}
	inner := map[string]string{"vit_pretrain.pth.tar": "nested.pth", "lora/adapter_model.safetensors": "model.safetensors"}
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	members := []ArchiveMember{
		{"lora/README.md", text("An adapter.\n")},
		{"vit_pretrain.pth.tar", files["nested.pth"].write},
		{"lora/adapter_config.json", text(`{"r": 16, "lora_alpha": 8}`)},
		{"lora/adapter_model.safetensors", files["model.safetensors"].write},
	}
	release := synthFile{Container: ZipFiles, Inner: inner, write: func(w io.Writer) error { return WriteArchive(ctx, w, members, mark) }}
	for _, m := range members {
		release.Members = append(release.Members, m.Name)
	}
	files["release.zip"] = release
	for name, f := range files {
		f.Seed = fmt.Sprint(seed)
		for _, s := range f.specs {
			f.Tensors = append(f.Tensors, synthSpec{s.Name, append([]int{}, s.Shape...), s.DType, s.Init.Kind, s.Init.Mean, s.Init.Scale})
		}
		files[name] = f
	}
	return files
}

// writeSynthFiles writes the golden set into the folder.
func writeSynthFiles(t testing.TB, dir string) map[string]synthFile {
	t.Helper()
	files := synthFiles(t.Context())
	for name, f := range files {
		var b bytes.Buffer
		if err := f.write(&b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestSyntheticContainers compares the containers with those that the authors'
// loaders were shown by reference/synthetic.py, byte by byte, and reads them back.
func TestSyntheticContainers(t *testing.T) {
	if dir := os.Getenv("ASSAY_SYNTHETIC_DIR"); dir != "" {
		specs, err := json.Marshal(writeSynthFiles(t, dir))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "specs.json"), specs, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Skipf("wrote %s for reference/synthetic.py", dir)
	}
	golden := readGoldenSynthetic(t).Files
	dir := t.TempDir()
	files := writeSynthFiles(t, dir)
	if len(golden) != len(files) {
		t.Errorf("%d golden files, %d written", len(golden), len(files))
	}
	for name, f := range files {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := sumOf(data); got != golden[name].SHA256 {
			t.Errorf("%s: SHA-256 %s is not that of the file that was shown to load, %s", name, got, golden[name].SHA256)
		}
		if !bytes.Contains(data, []byte(SyntheticMark(20240611))) {
			t.Errorf("%s does not say that it is synthetic", name)
		}
		if f.Container == ZipFiles {
			checkRelease(t, dir, name, f)
			continue
		}
		c := open(t, path)
		if c.Container() != f.Container || len(c.Names()) != len(f.specs) || len(golden[name].Tensors) != len(f.specs) {
			t.Errorf("%s: %s with %d tensors, want %s with %d", name, c.Container(), len(c.Names()), f.Container, len(f.specs))
		}
		for _, s := range f.specs {
			raw, err := c.Bytes(s.Name)
			shape, ok := c.Shape(s.Name)
			place, at, _, d := c.Place(s.Name)
			if err != nil || !ok || !s.SameShape(shape) || d != s.DType || sumOf(raw) != golden[name].Tensors[s.Name] {
				t.Errorf("%s: %s: %v %s, SHA-256 %s (%v)", name, s.Name, shape, d, sumOf(raw), err)
			}
			switch {
			case f.Container == TorchLegacy: // where values lie follows from the pickles before them
			case place != path || f.Container != Safetensors && at%64 != 0:
				t.Errorf("%s: %s lies at %d of %q", name, s.Name, at, place)
			}
		}
	}
}

// checkRelease reads the archive with the standard library and with OpenArchive.
func checkRelease(t *testing.T, dir, name string, f synthFile) {
	t.Helper()
	z, err := zip.OpenReader(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for i, e := range z.File {
		if at, err := e.DataOffset(); e.Name != f.Members[i] || e.Method != zip.Store || err != nil || at%64 != 0 {
			t.Errorf("entry %d is %q, method %d, at %d (%v), want %q", i, e.Name, e.Method, at, err, f.Members[i])
		}
	}
	for member, file := range f.Inner {
		r, err := z.Open(member)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		want, _ := os.ReadFile(filepath.Join(dir, file))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s in the archive is not %s (%v)", member, file, err)
		}
	}
}

func BenchmarkSynthesize(b *testing.B) {
	const n = 16 << 20
	for _, d := range []string{"float32", "float16", "bfloat16"} {
		b.Run(d, func(b *testing.B) {
			for b.Loop() {
				if _, err := Synthesize(1, TensorSpec{"w", []int{n}, d, Init{InitNormal, 0, 0.02}}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
	}
}

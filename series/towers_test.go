package series_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/token"
	"github.com/gen-emerge/assay/weights"
)

// The instruments of these tests are metric's own; only what they stand on is
// made up: the models' files have the right tensors and no values (holes in a
// file, so that they take no room), and the networks are replaced by an engine
// that knows which of 32 concepts a picture shows and a prompt names.

// concepts is how many things pictures can show.
const concepts = 32

// models are installed models without values.
type models struct {
	dir       string
	have      []string
	synthetic []string
}

func (m *models) Files(model string) (map[string]string, error) {
	if !slices.Contains(m.have, model) {
		return nil, fmt.Errorf("model %s is not installed: assay models pull %s: %w", model, model, assay.ErrUnavailable)
	}
	return map[string]string{model: filepath.Join(m.dir, model)}, nil
}

func (m *models) Synthetic(model string) bool { return slices.Contains(m.synthetic, model) }

// visions and texts are the halves of towers that the tests use, by the model
// that owns the prepared file and the file's name.
func visions() map[string]backbone.ViT {
	return map[string]backbone.ViT{
		"clip-vit-b32/vision": backbone.CLIPB32(), "clip-vit-l14/vision": backbone.CLIPL14(), "openclip-vit-h14/vision": backbone.OpenCLIPH14(),
		"dreamsim-dino/vision": backbone.DINOB16(),
	}
}

func texts() map[string]backbone.Text {
	return map[string]backbone.Text{
		"clip-vit-b32/text": backbone.CLIPTextB(), "clip-vit-l14/text": backbone.CLIPTextL(), "openclip-vit-h14/text": backbone.OpenCLIPTextH(),
	}
}

// blank is a checkpoint of zeros.
type blank []weights.TensorSpec

func (b blank) Names() []string {
	var names []string
	for _, s := range b {
		names = append(names, s.Name)
	}
	return names
}

func (b blank) Shape(name string) ([]int, bool) {
	i := slices.IndexFunc(b, func(s weights.TensorSpec) bool { return s.Name == name })
	if i < 0 {
		return nil, false
	}
	return b[i].Shape, true
}

func (b blank) Float32(name string) ([]float32, error) {
	shape, _ := b.Shape(name)
	n := 1
	for _, d := range shape {
		n *= d
	}
	return make([]float32, n), nil
}

// Prepare makes the prepared file of a tower, its values left out, and every
// other file as it should be.
func (m *models) Prepare(ctx context.Context, owners []string, name string, _ int,
	build func(map[string]map[string]string) ([]weights.Piece, error)) (weights.Prepared, error) {
	if strings.HasPrefix(name, "style-") {
		return m.captions(ctx, owners[0], name, build)
	}
	which, precision, _ := strings.Cut(name, "-")
	p := nn.Float32
	if precision != "" {
		p = nn.Precision(precision)
	}
	key := owners[0] + "/" + which
	var pieces []weights.Piece
	var err error
	if v, ok := visions()[key]; ok {
		for _, l := range []backbone.Layout{backbone.OpenAI, backbone.Timm} {
			if list := v.Inventory(l); list != nil {
				pieces, err = v.Pieces(l, blank(list), nil, p)
			}
			if err == nil && pieces != nil {
				break
			}
		}
	} else if owners[0] == markModel {
		net := backbone.NIMA(markModel, backbone.Keras21)
		pieces, err = net.Pieces(blank(net.Inventory()), p)
	} else if t, ok := texts()[key]; ok {
		pieces, err = t.Pieces(backbone.OpenAI, blank(t.Inventory(backbone.OpenAI)), p)
	}
	if err != nil || pieces == nil {
		return weights.Prepared{}, fmt.Errorf("no tower %s: %v: %w", key, err, assay.ErrUnavailable)
	}
	digest := assay.DigestOf([]byte(key + name)).String()
	synthetic := slices.ContainsFunc(owners, m.Synthetic)
	path := filepath.Join(m.dir, strings.ReplaceAll(owners[0]+"-"+name, "/", "-")+".safetensors")
	return weights.Prepared{Path: path, Digest: digest, Synthetic: synthetic}, writeHollow(path, pieces)
}

// captions makes the file of what captions read as, once.
func (m *models) captions(ctx context.Context, owner, name string,
	build func(map[string]map[string]string) ([]weights.Piece, error)) (weights.Prepared, error) {
	done := weights.Prepared{Path: filepath.Join(m.dir, owner+"-"+name+".safetensors")}
	if _, err := os.Stat(done.Path); err == nil {
		return done, nil
	}
	pieces, err := build(nil)
	if err != nil {
		return done, err
	}
	f, err := os.Create(done.Path)
	if err != nil {
		return done, err
	}
	return done, errors.Join(weights.WriteSafetensors(ctx, f, pieces, nil), f.Close())
}

// writeHollow writes a safetensors file whose values are a hole.
func writeHollow(path string, pieces []weights.Piece) error {
	type tensor struct {
		DType   string   `json:"dtype"`
		Shape   []int    `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	types := map[string]struct {
		name string
		size int64
	}{"float32": {"F32", 4}, "int8": {"I8", 1}, "uint8": {"U8", 1}}
	header, end := map[string]tensor{}, int64(0)
	for _, p := range pieces {
		t := types[p.DType]
		size := t.size
		for _, d := range p.Shape {
			size *= int64(d)
		}
		if p.Shape == nil {
			p.Shape = []int{}
		}
		header[p.Name] = tensor{t.name, p.Shape, [2]int64{end, end + size}}
		end += size
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	for (8+len(text))%64 != 0 {
		text = append(text, ' ')
	}
	data := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return err
	}
	return os.Truncate(path, int64(len(data))+end)
}

// vocabulary is one of the right shape: merges of any two bytes.
func vocabulary() []byte {
	var names []string
	next := rune(0x100)
	for b := range 256 {
		switch {
		case b >= '!' && b <= '~', b >= 0xA1 && b <= 0xAC, b >= 0xAE:
			names = append(names, string(rune(b)))
		default:
			names = append(names, string(next))
			next++
		}
	}
	var text bytes.Buffer
	text.WriteString("made up\n")
	n := 0
	for _, a := range names {
		for _, b := range names {
			for _, end := range []string{"", "</w>"} {
				if n++; n <= 48894 {
					fmt.Fprintf(&text, "%s %s%s\n", a, b, end)
				}
			}
		}
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(text.Bytes())
	z.Close()
	return out.Bytes()
}

// An engine stands for the networks, and counts how often each is asked.
type engine struct {
	bpe     *token.CLIP
	numbers map[string]int // concept by the prompt's ids
	blind   bool           // sees and reads nothing: every vector is chance
	broken  string         // the half of a tower that always fails
	marks   *marks         // what the network that gives marks knows

	mu   sync.Mutex
	runs map[string]int // by model and half
}

func (e *engine) Name() string { return "fake float32" }

// teach tells the engine which concept a prompt names.
func (e *engine) teach(prompt string, concept int) {
	for _, v := range []token.Variant{token.OpenAI, token.OpenCLIP} {
		ids, _ := e.bpe.Frame(prompt, v)
		e.numbers[fmt.Sprint(ids)] = concept
	}
}

func (e *engine) Open(_ context.Context, m *onnx.Model) (metric.Runner, error) {
	return &network{e, m}, nil
}

type network struct {
	e *engine
	m *onnx.Model
}

func (*network) Close() error { return nil }

// Run answers with a vector that points towards the concept, and a little
// aside, which way the rest of the picture or of the prompt says.
func (n *network) Run(_ context.Context, in ...onnx.Tensor) ([]onnx.Tensor, error) {
	if len(in) != 1 {
		return nil, fmt.Errorf("%d inputs", len(in))
	}
	// The graph names its weights by file, and the file is called after the tower.
	tower, dim := "", 0
	for key, v := range visions() {
		if f := strings.ReplaceAll(key, "/", "-"); bytes.Contains(n.m.Proto, []byte(f)) {
			tower, dim = key, v.Dim()
		}
	}
	for key, t := range texts() {
		if f := strings.ReplaceAll(key, "/", "-"); bytes.Contains(n.m.Proto, []byte(f)) {
			tower, dim = key, t.Projection
		}
	}
	if bytes.Contains(n.m.Proto, []byte(markModel+"-vision")) {
		return n.e.marks.give(in[0]), nil
	}
	if tower == "" {
		return nil, fmt.Errorf("a graph of no tower")
	}
	if tower == n.e.broken {
		return nil, fmt.Errorf("%s is broken: %w", tower, assay.ErrInvalid)
	}
	n.e.mu.Lock()
	n.e.runs[tower]++
	n.e.mu.Unlock()
	concept, seed := -1, uint64(0)
	if strings.HasSuffix(tower, "vision") {
		concept, seed = seen(in[0])
	} else {
		ids := make([]int32, len(in[0].Data))
		for i, id := range in[0].Data {
			ids[i] = int32(id)
		}
		key := fmt.Sprint(ids)
		h := fnv.New64()
		h.Write([]byte(key))
		seed = h.Sum64()
		if c, ok := n.e.numbers[key]; ok {
			concept = c
		}
	}
	rng := rand.New(rand.NewPCG(seed, uint64(dim)))
	out := make([]float32, dim)
	for i := range out {
		out[i] = float32(rng.NormFloat64()) * 0.6 / float32(math.Sqrt(float64(dim)))
	}
	if concept >= 0 && !n.e.blind {
		out[concept%dim]++
	}
	return []onnx.Tensor{{Shape: []int{1, dim}, Data: out}}, nil
}

// seen reads the concept from the level of the red channel of [showing], and a
// number for the rest of the picture.
func seen(pixels onnx.Tensor) (concept int, seed uint64) {
	n := len(pixels.Data) / 3
	mean := func(c int) float64 {
		sum := 0.0
		for _, v := range pixels.Data[c*n : (c+1)*n] {
			sum += float64(v)
		}
		return sum / float64(n)
	}
	level := mean(0)*0.26862954 + 0.48145466 // CLIP's mean and standard deviation
	return int(math.Round((level*255-20)/7)) % concepts, uint64(int64(mean(1)*1e4)*1e6 + int64(mean(2)*1e4))
}

// showing draws a picture of a concept; the seed says what else is in it.
func showing(t testing.TB, concept int, seed uint64) []byte {
	t.Helper()
	const side = 64
	r := rand.New(rand.NewPCG(seed, 7))
	k, p := 0.2+r.Float64(), 6*r.Float64()
	g, b := 60+120*r.Float64(), 60+120*r.Float64()
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			v := 40 * math.Sin(k*float64(x)+p) * math.Cos(k*float64(y))
			img.SetNRGBA(x, y, color.NRGBA{uint8(20 + 7*concept), uint8(g + v), uint8(b - v), 255})
		}
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// A lab is a toolbox of formulas and of instruments on made-up towers.
type lab struct {
	engine *engine
	models *models
	tools  series.Tools
}

// newLab opens the named instruments beside the formulas. The models whose
// weights count as made up are named in synthetic.
func newLab(t *testing.T, precision nn.Precision, synthetic []string, names ...string) *lab {
	t.Helper()
	l := &lab{models: &models{dir: t.TempDir(), synthetic: synthetic}, tools: formulas(t)}
	bpe, err := token.NewCLIP(vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	l.engine = &engine{bpe: bpe, numbers: map[string]int{}, runs: map[string]int{}}
	if err := os.WriteFile(filepath.Join(l.models.dir, "clip-vocabulary"), vocabulary(), 0o644); err != nil {
		t.Fatal(err)
	}
	head := []weights.Piece{{Name: "weight", Shape: []int{1, 512}, DType: "float32", Make: func() ([]byte, error) { return weights.Float32Bytes(make([]float32, 512)), nil }},
		{Name: "bias", Shape: []int{1}, DType: "float32", Make: func() ([]byte, error) { return weights.Float32Bytes([]float32{5}), nil }}}
	var file bytes.Buffer
	if err := weights.WriteSafetensors(t.Context(), &file, head, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.models.dir, "laion-aes-v1-b32"), file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	towers := metric.NewTowers(l.models, l.engine, metric.TowerOptions{Precision: precision})
	t.Cleanup(func() { towers.Close() })
	for _, spec := range metric.Catalogue() { // in the catalogue's order
		if !slices.Contains(names, spec.Name) {
			continue
		}
		l.models.have = append(l.models.have, spec.Models...)
		in, err := towers.Open(t.Context(), spec.Name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close() })
		l.tools.Instruments = append(l.tools.Instruments, in)
		delete(l.tools.Missing, spec.Name)
	}
	return l
}

// runs returns how often the towers were asked since the last call.
func (l *lab) runs() map[string]int {
	l.engine.mu.Lock()
	defer l.engine.mu.Unlock()
	out := l.engine.runs
	l.engine.runs = map[string]int{}
	return out
}

// prompted returns n inputs whose prompts are the given ones in turn; the i-th
// prompt names concept i, and the picture shows it.
func (l *lab) prompted(t *testing.T, n int, prompts ...string) []series.Input {
	t.Helper()
	var out []series.Input
	for i := range n {
		in := input(fmt.Sprintf("%02d.png", i), showing(t, i%len(prompts), uint64(i+1)))
		in.Prompt = prompts[i%len(prompts)]
		l.engine.teach(in.Prompt, i%len(prompts))
		out = append(out, in)
	}
	return out
}

// things names n prompts.
func things(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("thing number %d on a table", i))
	}
	return out
}

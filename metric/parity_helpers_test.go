package metric

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/weights"
)

// paritySeed is SEED of reference/parity.py.
const paritySeed = 20240607

// How near the authors' own code the numbers must come. Both compute in float32
// and sum in different orders, through up to 32 layers.
const (
	parityCosine    = 1 - 1e-6 // of two embeddings, at least
	parityComponent = 2e-4     // of an embedding, relative to its largest
	parityAngle     = 2e-5     // of a cosine between picture and text
	parityDistance  = 2e-5     // of DreamSim
	parityScore     = 1e-3     // of a head or a preference score, relative
	parityJPEG      = 5e-7     // 1 − cos of embeddings of a JPEG, decoded here and by Pillow
	parityFloat     = 2e-5     // of a sample of a tensor that is resized in floats, in normalised units
)

// A parityGolden is what the scripts of reference/ write.
type parityGolden struct {
	Seed        uint64
	Model       string
	Checkpoints map[string]string // SHA-256 by MODEL/FILE
	Images      []parityImage
	Prompts     []struct {
		Text      string
		IDs       []int32 `json:"ids"`
		Embedding parityFloats
	}
	LogitScale float64     `json:"logit_scale"`
	Cosines    [][]float64 // by picture and prompt
	Scores     [][]float64 // of HPS
	Pairs      []struct {
		A, B     int
		Distance float64
	}
	// FID, by row of features, of the first half of Images against the second.
	FID map[string]struct {
		Exact   float64 // in float64, of the package's features
		Package float64 // as the package gives it
	} `json:"fid"`
	Heads map[string][]struct {
		File  string
		Score float64
	}
	Compared []json.RawMessage // of LPIPS and DISTS: see pairGolden
}

type parityImage struct {
	File        string
	Sampling    string       // of a JPEG
	Crop        string       `json:"crop_sha256"` // of the 8-bit RGB samples that become the tensor; empty if floats are resized
	Tensor      string       `json:"tensor_sha256"`
	Sum         float64      `json:"tensor_sum"`
	At          []int        // indices of Samples in the tensor
	Samples     []float64    // of the tensor
	Embedding   parityFloats // as the instrument compares it
	Raw         parityFloats // of DreamSim: the towers' features
	FirstTokens parityFloats `json:"first_tokens"` // of DreamSim's patch variants
}

// parityFloats is base64 of little-endian float32.
type parityFloats []float32

func (f *parityFloats) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw)%4 != 0 {
		return fmt.Errorf("%d bytes are no float32s: %v", len(raw), err)
	}
	for i := 0; i < len(raw); i += 4 {
		*f = append(*f, math.Float32frombits(binary.LittleEndian.Uint32(raw[i:])))
	}
	return nil
}

// readParity reads a golden file.
func readParity(t *testing.T, name string) parityGolden {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "parity", name+".json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var g parityGolden
	if err := json.NewDecoder(z).Decode(&g); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if g.Seed != paritySeed || len(g.Checkpoints) == 0 || len(g.Images)+len(g.Heads)+len(g.Compared) == 0 {
		t.Fatalf("%s is no golden file of seed %d", name, paritySeed)
	}
	return g
}

// parityPicture decodes one of the committed pictures.
func parityPicture(t *testing.T, name string) *Picture {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "parity", "images", name))
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := pixel.Decode(t.Context(), data, pixel.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return NewPicture(img)
}

// A parityBench makes synthetic checkpoints and runs them.
type parityBench struct {
	cache  *weights.Cache
	keep   bool // the folder is the caller's
	words  bool // the vocabulary is there
	engine Engine
}

// newParityBench uses the folder that ASSAY_TEST_SYNTH names and leaves there
// what it makes, or a folder that goes when the test ends.
func newParityBench(t *testing.T) *parityBench {
	t.Helper()
	b := &parityBench{engine: openLPIPSEngine(t), cache: &weights.Cache{Dir: os.Getenv("ASSAY_TEST_SYNTH")}}
	if b.keep = b.cache.Dir != ""; !b.keep {
		b.cache.Dir = t.TempDir()
	}
	b.words = b.vocabulary(t)
	return b
}

// vocabulary puts CLIP's merges, which are real, into the folder.
func (b *parityBench) vocabulary(t *testing.T) bool {
	t.Helper()
	return b.vocabularyOf(t, vocabularyModel, "bpe_simple_vocab_16e6.txt.gz", "ASSAY_TEST_VOCAB")
}

// vocabularyOf puts a vocabulary, whose file the variable of the environment names or which
// is installed, into the folder. Without it the tests that read prompts are left
// out, or fail where they are required.
func (b *parityBench) vocabularyOf(t *testing.T, model, file, variable string) bool {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		path = filepath.Join(dir, "assay", "models", model, file)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), "vocab") {
			t.Fatalf("ASSAY_TEST_REQUIRE asks for %s: %v", model, err)
		}
		t.Logf("no vocabulary (set %s, or install the model %s), so no prompts: %v", variable, model, err)
		return false
	}
	if _, err := b.cache.Files(model); err == nil {
		return true
	}
	to := filepath.Join(b.cache.Dir, model, file)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := b.cache.Files(model); err != nil {
		t.Fatal(err)
	}
	return true
}

// make makes the checkpoints that a golden file stands on, and compares each
// with the one that the authors' code was given.
func (b *parityBench) make(t *testing.T, g parityGolden) {
	t.Helper()
	for _, key := range slices.Sorted(keysOf(g.Checkpoints)) {
		model, file, _ := strings.Cut(key, "/")
		if _, err := b.cache.Files(model); err != nil {
			if err := Synthesize(t.Context(), model, paritySeed, b.cache.Dir); err != nil {
				t.Fatal(err)
			}
		}
		if !b.cache.Synthetic(model) {
			t.Fatalf("%s: the weights in %s are not synthetic", model, b.cache.Dir)
		}
		var have struct {
			SHA256 string
		}
		note, err := os.ReadFile(filepath.Join(b.cache.Dir, model, file+".verified"))
		if err == nil {
			err = json.Unmarshal(note, &have)
		}
		if err != nil {
			t.Fatal(err)
		}
		if have.SHA256 != g.Checkpoints[key] {
			t.Fatalf("synthetic %s has SHA-256 %s, the golden values are of %s: the generator has changed, so run reference/*_golden.py again, or remove a stale %s",
				key, have.SHA256, g.Checkpoints[key], b.cache.Dir)
		}
	}
}

// clean removes the checkpoints that were made for one golden file and that the
// next does not need: all together would take a hundred gigabytes.
func (b *parityBench) clean(t *testing.T, made, next parityGolden) {
	t.Helper()
	if b.keep {
		return
	}
	needed := map[string]bool{}
	for key := range next.Checkpoints {
		model, _, _ := strings.Cut(key, "/")
		needed[model] = true
	}
	for key := range made.Checkpoints {
		model, _, _ := strings.Cut(key, "/")
		if needed[model] {
			continue
		}
		if err := os.RemoveAll(filepath.Join(b.cache.Dir, model)); err != nil {
			t.Error(err)
		}
	}
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// sha256Of returns the hex digits of a SHA-256.
func sha256Of(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// A parityTally keeps the largest differences by what they are of.
type parityTally struct {
	worst map[string]float64
	count map[string]int
}

// check counts one difference and fails t if it exceeds the tolerance.
func (y *parityTally) check(t *testing.T, kind, what string, difference, tolerance float64) {
	t.Helper()
	if !(difference <= tolerance) { // written so that NaN fails
		t.Errorf("%s, %s: off by %.3g, allowed %.3g", kind, what, difference, tolerance)
	}
	if y.worst == nil {
		y.worst, y.count = map[string]float64{}, map[string]int{}
	}
	y.worst[kind] = max(y.worst[kind], difference)
	y.count[kind]++
}

// vector compares an embedding with the authors'.
func (y *parityTally) vector(t *testing.T, kind, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Errorf("%s, %s: %d numbers, want %d", kind, what, len(got), len(want))
		return
	}
	y.check(t, kind+" 1-cos", what, parityApart(got, want), 1-parityCosine)
	var diff, largest float64
	for i, x := range want {
		largest = max(largest, math.Abs(float64(x)))
		d := math.Abs(float64(got[i]) - float64(x))
		if d != d {
			diff = math.NaN()
		}
		diff = max(diff, d)
	}
	y.check(t, kind+" component", what, diff/largest, parityComponent)
}

// parityApart is 1 − cos without cancellation: |a/|a| − b/|b||²/2.
func parityApart(a, b []float32) float64 {
	x, y, sum := unit(a), unit(b), 0.0
	for i := range x {
		sum += (x[i] - y[i]) * (x[i] - y[i])
	}
	return sum / 2
}

// report logs the largest differences.
func (y *parityTally) report(t *testing.T) {
	t.Helper()
	for _, kind := range slices.Sorted(keysOf(y.worst)) {
		t.Logf("%-24s %4d compared, largest difference %.2e", kind, y.count[kind], y.worst[kind])
	}
}

package metric

import (
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gen-emerge/assay/weights"
)

// How near the authors' packages distances and maps must come. Both compute in
// float32 and sum in different orders.
const parityPair = 1e-5

// pairCases checks LPIPS and DISTS, with the small weights that the authors'
// packages carry, on synthetic checkpoints of the networks.
func pairCases() []parityCase {
	return []parityCase{
		{"lpips-vgg", true, lpipsDistances}, // after the features of the same checkpoint
		{"dists", true, distsDistances},
		{"lpips-alex", false, lpipsDistances},
	}
}

// A pairGolden is what lpips_golden.py and dists_golden.py write beside what every
// golden file has.
type pairGolden struct {
	Model    string
	Small    map[string]string // SHA-256 of the small weights, by model
	Compared []struct {
		First, Second  string
		Rule           ResizeRule
		Width, Height  int
		Distance       float64
		MapSum         float64   `json:"map_sum"`
		MapMax         float64   `json:"map_max"`
		MapAt          []int     `json:"map_at"`
		MapSamples     []float64 `json:"map_samples"`
		Map            parityFloats
		Float32        float64
		Float64        float64
		ResizedFloat32 float64 `json:"resized_float32"`
		ResizedFloat64 float64 `json:"resized_float64"`
	}
}

func readPairs(t *testing.T, name string) (g pairGolden) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "parity", name+".json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err == nil {
		err = json.NewDecoder(z).Decode(&g)
	}
	if err != nil || len(g.Small) != 1 || len(g.Compared) < 10 {
		t.Fatalf("%s: %d small weights, %d pairs (%v)", name, len(g.Small), len(g.Compared), err)
	}
	return g
}

// smallWeights finds the real file of a model of a few kilobytes: in the folder that
// ASSAY_TEST_HEADS names, or in the user's cache.
func smallWeights(t testing.TB, model string) (path string, data []byte) {
	t.Helper()
	dir := os.Getenv("ASSAY_TEST_HEADS")
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(user, "assay", "models")
	}
	for _, m := range weights.Manifest() {
		if m.Name == model {
			path = filepath.Join(dir, model, m.Files[0].Name)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		lpipsNeed(t, "heads", "the weights %s (run: assay models pull %s, or set ASSAY_TEST_HEADS): %v", model, model, err)
	}
	return path, data
}

// real puts the real small weights of a golden file into the bench's folder.
func (b *parityBench) real(t *testing.T, g pairGolden) {
	t.Helper()
	for model, sum := range g.Small {
		path, data := smallWeights(t, model)
		if sha256Of(data) != sum {
			t.Fatalf("%s is not the file that the authors' package carries", path)
		}
		to := filepath.Join(b.cache.Dir, model, filepath.Base(path))
		if err := os.RemoveAll(filepath.Dir(to)); err != nil { // synthetic ones may lie there
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := b.cache.Files(model); err != nil || b.cache.Synthetic(model) {
			t.Fatalf("%s: the real file does not count as installed: %v", model, err)
		}
	}
}

// pairPicture returns a picture, or the part of it that follows an @.
func pairPicture(t *testing.T, name string) *Picture {
	t.Helper()
	file, box, cut := strings.Cut(name, "@")
	p := parityPicture(t, file)
	if !cut {
		return p
	}
	var at []int
	for n := range strings.SplitSeq(box, ",") {
		v, err := strconv.Atoi(n)
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, v)
	}
	img, err := p.Image.Crop(at[0], at[1], at[2]-at[0], at[3]-at[1])
	if err != nil {
		t.Fatal(err)
	}
	return NewPicture(img)
}

// ruled returns the instrument under a rule, or itself.
func ruled(t *testing.T, in *Instrument, r ResizeRule) *Instrument {
	t.Helper()
	if r == "" {
		return in
	}
	under, err := in.Resizing(r)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(under.Preparation, in.Preparation) || under.Preparation == in.Preparation || under.Checkpoint != in.Checkpoint {
		t.Errorf("%s under %s is prepared as %q", in.Name, r, under.Preparation)
	}
	return under
}

func lpipsDistances(t *testing.T, b *parityBench, g parityGolden, y *parityTally) {
	pairs := readPairs(t, g.Model)
	b.real(t, pairs)
	in := b.open(t, b.towers(t), g.Model)
	for i, want := range pairs.Compared {
		what := want.First + ", " + want.Second
		under := ruled(t, in, want.Rule)
		first, second := pairPicture(t, want.First), pairPicture(t, want.Second)
		r, m, err := under.Map(t.Context(), first, second)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		y.check(t, "distance", what, math.Abs(r.Value-want.Distance), parityPair)
		if i < 4 { // the distance alone comes of the same graph
			alone, err := under.Distance(t.Context(), first, second)
			if err != nil || alone.Value != r.Value || alone.Identity != r.Identity {
				t.Errorf("%s: distance %v alone, %v with the map (%v)", what, alone, r, err)
			}
		}
		if m.Width != want.Width || m.Height != want.Height || len(m.Values) != m.Width*m.Height {
			t.Errorf("%s: a map of %d×%d, want %d×%d", what, m.Width, m.Height, want.Width, want.Height)
			continue
		}
		sum := 0.0
		for _, v := range m.Values {
			sum += float64(v)
		}
		y.check(t, "map mean", what, math.Abs(sum-want.MapSum)/float64(len(m.Values)), parityPair)
		y.check(t, "map maximum", what, math.Abs(float64(m.Max())-want.MapMax), parityPair)
		for i, at := range want.MapAt {
			y.check(t, "map sample", what, math.Abs(float64(m.Values[at])-want.MapSamples[i]), parityPair)
		}
		for i, v := range want.Map {
			y.check(t, "map", what, math.Abs(float64(m.Values[i])-float64(v)), parityPair)
		}
	}
}

// distsDistances holds both instruments to the authors' code in double precision,
// and to its float32 wherever that keeps to the other by itself: on flat pictures it
// does not, as the script says.
func distsDistances(t *testing.T, b *parityBench, g parityGolden, y *parityTally) {
	pairs := readPairs(t, g.Model)
	b.real(t, pairs)
	towers := b.towers(t)
	resized, native := b.open(t, towers, "dists"), b.open(t, towers, "dists-noresize")
	near := 0
	for _, want := range pairs.Compared {
		first, second := pairPicture(t, want.First), pairPicture(t, want.Second)
		for _, c := range []struct {
			in             *Instrument
			exact, authors float64
		}{{native, want.Float64, want.Float32}, {resized, want.ResizedFloat64, want.ResizedFloat32}} {
			what := c.in.Name + ", " + want.First + ", " + want.Second
			r, err := ruled(t, c.in, want.Rule).Distance(t.Context(), first, second)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			y.check(t, "distance from float64", what, math.Abs(r.Value-c.exact), parityPair)
			if math.Abs(c.exact-c.authors) < parityPair/2 {
				y.check(t, "distance from float32", what, math.Abs(r.Value-c.authors), parityPair)
				near++
			}
		}
	}
	if near < 2*len(pairs.Compared)-2 {
		t.Errorf("the authors' float32 keeps to float64 in %d of %d distances", near, 2*len(pairs.Compared))
	}
}

package taste_test

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/ort"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/stat"
	"github.com/gen-emerge/assay/taste"
	"github.com/gen-emerge/assay/weights"
)

// lack skips the test, or fails it where ASSAY_TEST_REQUIRE lists word.
func lack(t *testing.T, word string, why error) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), word) {
		t.Fatal(why)
	}
	t.Skip(why)
}

// TestMaterials learns axes and a distance from what people said of 100 rendered
// materials (Lagunas et al. 2019; 21,406 answers with a majority): which of two is
// more like a third. The embedding is SqueezeNet's last layer, averaged over the
// picture. Half of the materials, drawn anew each time, are references that are
// learned from, the others' answers are held out. By default two draws of 200
// answers; with ASSAY_TEST_LONG=1 ten draws each of 50, 200 and 1,000.
func TestMaterials(t *testing.T) {
	if taste.RaceEnabled && os.Getenv("ASSAY_TEST_LONG") == "" {
		t.Skip("much arithmetic in one goroutine: go test ./taste runs it without the race detector")
	}
	root := os.Getenv("ASSAY_TEST_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "data")
	}
	if _, err := os.Stat(root); err != nil {
		lack(t, "data", err)
	}
	vectors := squeezed(t, root)
	answers := materialAnswers(t, root)
	sizes, draws := []int{200}, 2
	if os.Getenv("ASSAY_TEST_LONG") != "" {
		sizes, draws = []int{50, 200, 1000}, 10
	}
	for _, n := range sizes {
		var axes, distance []float64
		for draw := range draws {
			a, d := heldOut(t, vectors, answers, n, uint64(draw))
			axes, distance = append(axes, a...), append(distance, d...)
		}
		for what, x := range map[string][]float64{"axes": axes, "distance": distance} {
			gains := make([]float64, draws)
			before := 0.0
			for k := range gains {
				gains[k] = x[2*k+1] - x[2*k]
				before += x[2*k] / float64(draws)
			}
			mean, half := 0.0, 0.0
			for _, g := range gains {
				mean += g / float64(draws)
			}
			for _, g := range gains {
				half += (g - mean) * (g - mean)
			}
			half = stat.StudentHalf(0.95, float64(draws-1)) * math.Sqrt(half/float64(draws-1)/float64(draws))
			t.Logf("%d answers, %s: %.4f untrained, %+.4f ± %.4f learned (95 %%, %d draws; %.3f to %.3f)", n, what, before, mean, half, draws, slices.Min(gains), slices.Max(gains))
			if n >= 200 && slices.Min(gains) <= 0 {
				t.Errorf("%d answers, %s: a draw gained %.4f, want every one above 0", n, what, slices.Min(gains))
			}
		}
	}
}

// heldOut learns from n answers about half of the materials, and returns the
// agreement with the others' answers before and after, of axes and of a distance.
func heldOut(t *testing.T, vectors [][]float32, answers []taste.Likeness, n int, seed uint64) (axes, distance []float64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 11))
	half := map[int]bool{}
	for _, i := range rng.Perm(len(vectors))[:len(vectors)/2] {
		half[i] = true
	}
	var learn, test []taste.Likeness
	for _, a := range answers {
		if half[a.A] {
			learn = append(learn, a)
		} else {
			test = append(test, a)
		}
	}
	rng.Shuffle(len(learn), func(i, j int) { learn[i], learn[j] = learn[j], learn[i] })
	d := taste.Likenesses{Vectors: vectors, Unit: true, Answers: learn[:n]}
	opt := taste.AxesOptions{Untried: true}
	m, _, err := taste.FitAxes(t.Context(), d, opt)
	if err != nil {
		t.Fatal(err)
	}
	own, _, err := taste.FitDistance(t.Context(), d, opt)
	if err != nil {
		t.Fatal(err)
	}
	at := make([][]float64, len(vectors))
	for i, v := range vectors {
		if at[i], err = m.At(v); err != nil {
			t.Fatal(err)
		}
	}
	first := taste.FirstComponents(t, d, 2)
	agree := func(apart func(i, j int) float64) float64 {
		k := 0
		for _, a := range test {
			if apart(a.A, a.B) < apart(a.A, a.Odd) {
				k++
			}
		}
		return float64(k) / float64(len(test))
	}
	euclid := func(x [][]float64) func(i, j int) float64 {
		return func(i, j int) float64 { return math.Hypot(x[i][0]-x[j][0], x[i][1]-x[j][1]) }
	}
	cosine := func(i, j int) float64 {
		var xy, xx, yy float64
		for k, x := range vectors[i] {
			y := float64(vectors[j][k])
			xy, xx, yy = xy+float64(x)*y, xx+float64(x)*float64(x), yy+y*y
		}
		return 1 - xy/math.Sqrt(xx*yy)
	}
	weighed := make([][]float64, len(vectors))
	for i := range vectors {
		weighed[i] = make([]float64, len(vectors))
		for j := range i {
			if weighed[i][j], err = own.Between(vectors[i], vectors[j]); err != nil {
				t.Fatal(err)
			}
			weighed[j][i] = weighed[i][j]
		}
	}
	return []float64{agree(euclid(first)), agree(euclid(at))}, []float64{agree(cosine), agree(func(i, j int) float64 { return weighed[i][j] })}
}

// squeezed embeds the materials in the order the answers number them.
func squeezed(t *testing.T, root string) [][]float32 {
	t.Helper()
	lib, err := ort.Find(t.Context(), ort.FindOptions{})
	if err != nil {
		lack(t, "ort", err)
	}
	rt, err := ort.Open(lib)
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	w, err := weights.Open(filepath.Join(root, "weights", "lpips_squeeze", "lpips_squeeze.pt"), weights.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	const side = 298
	b := onnx.NewBuilder(w)
	x := b.Input("x", 1, 3, side, side)
	x = b.Div(b.Sub(x, b.Param("scaling_layer.shift", 1, 3, 1, 1)), b.Param("scaling_layer.scale", 1, 3, 1, 1))
	taps := backbone.SqueezeNet11(b, backbone.LPIPSSqueezeKeys, x)
	b.Output("mean", b.ReduceMean(taps[len(taps)-1].Value, false, 2, 3))
	model, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	session, err := rt.OpenSession(context.Background(), model, ort.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	names, err := filepath.Glob(filepath.Join(root, "human", "material_triplets", "havran1_ennis_298x298_LDR", "*.jpg"))
	if err != nil || len(names) != 100 {
		t.Fatalf("%d pictures of materials, want 100 (%v)", len(names), err)
	}
	var out [][]float32
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := pixel.Decode(t.Context(), data, pixel.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		y, err := session.Run(t.Context(), onnx.Tensor{Shape: []int{1, 3, side, side}, Data: img.RGB().CHWSigned()})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, slices.Clone(y[0].Data))
	}
	return out
}

// materialAnswers reads the answers that a majority gave.
func materialAnswers(t *testing.T, root string) []taste.Likeness {
	t.Helper()
	var file struct {
		Answers   [][3]int `json:"answers"`
		Agreement [][2]int `json:"agreement"` // votes for the second and the third
	}
	raw, err := os.ReadFile(filepath.Join(root, "human", "material_triplets", "answers_processed_train.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	var out []taste.Likeness
	for k, a := range file.Answers {
		switch v := file.Agreement[k]; {
		case v[0] > v[1]:
			out = append(out, taste.Likeness{A: a[0], B: a[1], Odd: a[2], Ref: true})
		case v[1] > v[0]:
			out = append(out, taste.Likeness{A: a[0], B: a[2], Odd: a[1], Ref: true})
		}
	}
	return out
}

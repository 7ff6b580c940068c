package taste

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/ort"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/stat"
	"github.com/gen-emerge/assay/weights"
)

// avtLack skips a test that needs something, or fails it where that is required.
func avtLack(t *testing.T, need, why string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), need) {
		t.Fatal(why)
	}
	t.Skip(why)
}

func avtData(t *testing.T) string {
	t.Helper()
	root := os.Getenv("ASSAY_TEST_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(root, "SOURCES.md")); err != nil {
		avtLack(t, "data", fmt.Sprintf("no test data (set ASSAY_TEST_DATA): %v", err))
	}
	return root
}

// avt are 134 generated images of 27 prompts, five generators each, and what 22
// people who rated all of them said of their appeal, 1 to 5 (test 1 of the
// AVT-AI-Image-Dataset).
type avt struct {
	items  []Item
	prompt []string
	rating [][]float64 // by rater and item
}

// avtSide is what pictures are resized to before the network sees them.
const avtSide = 256

func readAVT(t *testing.T) *avt {
	t.Helper()
	root := filepath.Join(avtData(t), "human", "avt_ai_images")
	f, err := os.Open(filepath.Join(root, "evaluation__subjective__2022_12_02___ratings.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]map[string]float64{} // by person and file
	for _, r := range rows {
		if r[3] != "range_image_appeal" {
			continue
		}
		if said[r[0]] == nil {
			said[r[0]] = map[string]float64{}
		}
		name := strings.TrimSuffix(strings.TrimPrefix(r[2], "./stimuli/"), ".png")
		if said[r[0]][name], err = strconv.ParseFloat(r[4], 64); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(root, "images_384", "*", "p*.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	a := &avt{}
	people := slices.SortedFunc(maps.Keys(said), func(x, y string) int { return cmp.Or(len(x)-len(y), strings.Compare(x, y)) })
	people = slices.DeleteFunc(people, func(p string) bool { return len(said[p]) < 145 })
	a.rating = make([][]float64, len(people))
	see := avtEye(t)
	for _, file := range files {
		generator := filepath.Base(filepath.Dir(file))
		if generator == "own" { // photographs
			continue
		}
		prompt := strings.TrimSuffix(filepath.Base(file), ".jpg")
		it := see(file)
		it.Group, _ = strconv.Atoi(prompt[1:])
		a.items, a.prompt = append(a.items, it), append(a.prompt, prompt)
		for k, p := range people {
			r, ok := said[p][generator+"/"+prompt]
			if !ok { // three people were shown one image twice and another never
				r = math.NaN()
			}
			a.rating[k] = append(a.rating[k], r)
		}
	}
	if len(a.items) != 134 || len(people) != 22 {
		t.Fatalf("%d images and %d people, want 134 and 22", len(a.items), len(people))
	}
	return a
}

// avtEye sees the mean and the standard deviation of each channel of SqueezeNet
// 1.1 at the seven layers of LPIPS, and reads the formulas. It stands in for an
// installed embedding, on the weights of the test data.
func avtEye(t *testing.T) func(file string) Item {
	t.Helper()
	run := avtNetwork(t)
	var formulas []*metric.Instrument
	for _, spec := range metric.Catalogue() {
		if len(spec.Models) == 0 && spec.Kind == metric.OfImage {
			in, err := metric.OpenFormula(spec.Name)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { in.Close() })
			formulas = append(formulas, in)
		}
	}
	return func(file string) Item {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := pixel.Decode(t.Context(), data, pixel.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		pic := metric.NewPicture(img)
		var it Item
		for _, in := range formulas {
			r, err := in.Measure(t.Context(), pic)
			if err != nil {
				t.Fatal(err)
			}
			it.Readings = append(it.Readings, r.Value)
		}
		small, err := pic.RGB().Resize(avtSide, avtSide, pixel.Bilinear)
		if err != nil {
			t.Fatal(err)
		}
		out, err := run.Run(t.Context(), onnx.Tensor{Shape: []int{1, 3, avtSide, avtSide}, Data: small.CHWSigned()})
		if err != nil {
			t.Fatal(err)
		}
		for _, tap := range out {
			length := 0.0
			for _, v := range tap.Data {
				length += float64(v) * float64(v)
			}
			for _, v := range tap.Data {
				it.Vector = append(it.Vector, v/float32(math.Sqrt(length)))
			}
		}
		return it
	}
}

func avtNetwork(t *testing.T) *ort.Session {
	t.Helper()
	w, err := weights.Open(filepath.Join(avtData(t), "weights", "lpips_squeeze", "lpips_squeeze.pt"), weights.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	b := onnx.NewBuilder(w)
	x := b.Input("image", 1, 3, avtSide, avtSide)
	x = b.Div(b.Sub(x, b.Param("scaling_layer.shift", 1, 3, 1, 1)), b.Param("scaling_layer.scale", 1, 3, 1, 1))
	for _, tap := range backbone.SqueezeNet11(b, backbone.LPIPSSqueezeKeys, x) {
		if !backbone.LPIPSSqueezeTap(tap.Index) {
			continue
		}
		mean := b.ReduceMean(tap.Value, true, 2, 3)
		off := b.Sub(tap.Value, mean)
		std := b.Sqrt(b.ReduceMean(b.Mul(off, off), false, 2, 3))
		b.Output(fmt.Sprint("tap", tap.Index), b.Concat(1, b.Reshape(mean, 1, tap.Channels), std))
	}
	for i, n := range []int{64, 128, 256, 384, 384, 512, 512} { // of the distance, which is not what is asked here
		b.Param(fmt.Sprintf("lin%d.model.1.weight", i), 1, n, 1, 1)
	}
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := ort.Find(t.Context(), ort.FindOptions{})
	if err != nil {
		avtLack(t, "ort", err.Error())
	}
	rt, err := ort.Open(lib)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close() })
	run, err := rt.OpenSession(t.Context(), m, ort.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Close() })
	return run
}

// judged has a person compare n pairs of some items, by their ratings.
func (a *avt) judged(rater int, items []int, n int, rng *rand.Rand) []Vote {
	var out []Vote
	items = slices.DeleteFunc(slices.Clone(items), func(i int) bool { return math.IsNaN(a.rating[rater][i]) })
	for k := range n {
		p := rng.Perm(len(items))
		v := Vote{Left: items[p[0]], Right: items[p[1]], Rater: rater, Cluster: rater*10000 + k/5, Outcome: assay.Tie}
		switch l, r := a.rating[rater][v.Left], a.rating[rater][v.Right]; {
		case l > r:
			v.Outcome = assay.Left
		case l < r:
			v.Outcome = assay.Right
		}
		out = append(out, v)
	}
	return out
}

// A foretold is how a model did on the pairs of held-out prompts of one person.
type foretold struct{ loss, right, n float64 }

func (f *foretold) add(y, d float64) {
	f.loss += lossOf(y, d)
	if y*d > 0 {
		f.right++
	}
	f.n++
}

// the ways to foresee a person, in the order of avtTrial's results
var avtModels = []string{"all others", "alone, 25", "alone, 50", "alone, 100", "alone, 200", "joint, 25", "joint, 50", "joint, 100", "joint, 200"}

// trial foresees a person's pairs of the prompts of one fold of several: by each
// model all pairs, then by each those of one prompt.
func (a *avt) trial(ctx context.Context, rater, fold, folds int) ([]foretold, error) {
	var learn, test []int
	for i, it := range a.items {
		if it.Group%folds == fold {
			test = append(test, i)
		} else {
			learn = append(learn, i)
		}
	}
	rng := rand.New(rand.NewPCG(uint64(rater), uint64(fold)))
	own := a.judged(rater, learn, 200, rng)
	var others []Vote
	for r := range a.rating {
		if r != rater {
			others = append(others, a.judged(r, learn, 200, rng)...)
		}
	}
	out := make([]foretold, 2*len(avtModels))
	var shared shape
	foresee := func(model int, votes []Vote) error {
		l, err := newLearning(Data{Items: a.items, Votes: append(votes, own[:1]...)}, rater, Options{})
		if err != nil {
			return err
		}
		l.rows = l.rows[:len(l.data.Votes)-1] // ratings call no pair bad: a row a vote
		switch {
		case model == 0:
			if err := l.prepare(ctx); err != nil {
				return err
			}
			shared, l.free = l.from, nil
		case l.layout.others: // as prepare would have it, once
			l.from, l.free = shared, []part{departure}
		default:
			l.from, l.free = firstShape(), l.layout.parts()
		}
		f, err := l.forecaster(ctx, l.rows, l.free)
		if err != nil {
			return err
		}
		a.score(l, f, test, &out[model], &out[len(avtModels)+model])
		return nil
	}
	if err := foresee(0, others); err != nil {
		return nil, err
	}
	for k, n := range []int{25, 50, 100, 200} {
		if err := foresee(1+k, slices.Clone(own[:n])); err != nil {
			return nil, err
		}
		if err := foresee(5+k, slices.Concat(own[:n], others)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// score counts how a forecaster does on all pairs of some items that the person
// has not rated alike, and on those of one prompt.
func (a *avt) score(l *learning, f *forecaster, test []int, all, within *foretold) {
	for k, i := range test {
		for _, j := range test[:k] {
			y := a.rating[l.rater][i] - a.rating[l.rater][j]
			if y == 0 || math.IsNaN(y) {
				continue
			}
			z := make([]float64, l.layout.cols())
			for c := range l.x[i] {
				z[c] = l.x[i][c] - l.x[j][c]
			}
			d := f.logOdds(z)
			all.add(math.Copysign(1, y), d)
			if a.prompt[i] == a.prompt[j] {
				within.add(math.Copysign(1, y), d)
			}
		}
	}
}

// TestRealPeople foresees people's comparisons of images of prompts that no model
// has seen, from their ratings of others: minutes, so behind ASSAY_TEST_LONG=1.
func TestRealPeople(t *testing.T) {
	if os.Getenv("ASSAY_TEST_LONG") == "" {
		t.Skip("takes minutes: ASSAY_TEST_LONG=1")
	}
	a := readAVT(t)
	raters := len(a.rating)
	total := a.trials(t, raters, 5)
	loss := func(f foretold) float64 { return f.loss / f.n }
	accuracy := func(f foretold) float64 { return f.right / f.n }
	value := func(of func(foretold) float64, model, less int) string {
		mean := func(index []int) float64 {
			s := 0.0
			for _, r := range index {
				v := of(total[r][model])
				if less >= 0 {
					v -= of(total[r][less])
				}
				s += v / float64(len(index))
			}
			return s
		}
		res, err := stat.Bootstrap(t.Context(), raters, mean, stat.BootstrapOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%.3f (%.3f to %.3f)", res.Value, res.Interval.Lo, res.Interval.Hi)
	}
	mean := func(of func(foretold) float64, model int) (m float64) {
		for _, of1 := range total {
			m += of(of1[model]) / float64(raters)
		}
		return m
	}
	if few, many := mean(loss, 1), mean(loss, 4); many >= few || many >= math.Ln2 {
		t.Errorf("alone: %.3f nats a pair after 25 judgments, %.3f after 200", few, many)
	}
	if others, joint := mean(loss, 0), mean(loss, 8); joint >= others {
		t.Errorf("all others foresee with %.3f nats a pair, with 200 of one's own %.3f", others, joint)
	}
	for m, name := range slices.Concat(avtModels, avtModels) {
		base, what := 0, "all pairs"
		if m >= len(avtModels) {
			base, what = len(avtModels), "of one prompt"
		}
		t.Logf("%s, %s: loss %s, accuracy %s; against the others': loss %s, accuracy %s", what, name,
			value(loss, m, -1), value(accuracy, m, -1), value(loss, m, base), value(accuracy, m, base))
	}
}

// trials adds up the trials of some people over all folds.
func (a *avt) trials(t *testing.T, raters, folds int) [][]foretold {
	t.Helper()
	total := make([][]foretold, raters)
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for r := range next {
				total[r] = make([]foretold, 2*len(avtModels))
				for fold := range folds {
					got, err := a.trial(t.Context(), r, fold, folds)
					if err != nil {
						t.Error(err)
						return
					}
					for m, f := range got {
						total[r][m].loss += f.loss
						total[r][m].right += f.right
						total[r][m].n += f.n
					}
				}
			}
		})
	}
	for r := range raters {
		next <- r
	}
	close(next)
	wg.Wait()
	return total
}

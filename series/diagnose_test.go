package series_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/stat"
	"github.com/gen-emerge/assay/store"
)

// A blind store fails whoever looks at a picture.
type blind struct {
	*store.DB
	t *testing.T
}

func (b blind) Blob(context.Context, assay.Digest) ([]byte, error) {
	b.t.Error("a picture was read")
	return nil, errors.New("blind")
}

func (b blind) Record(context.Context, assay.Measurement) error {
	b.t.Error("something was stored")
	return errors.New("blind")
}

// TestDiagnoseStored: a diagnosis reads stored vectors, no picture; it says the
// same whenever it is asked; and its spread is the one that two lines of loops give.
func TestDiagnoseStored(t *testing.T) {
	db := openStore(t)
	s := openSeries(t, db, series.Options{Warmup: 1000})
	var list []series.Input
	for seed := range uint64(30) {
		list = append(list, input(fmt.Sprint(seed), picture(t, seed)))
	}
	add(t, s, list)
	eyeless, err := series.Open(t.Context(), "test", blind{db, t}, formulas(t), series.Options{Warmup: 1000})
	if err != nil {
		t.Fatal(err)
	}
	d, err := eyeless.Diagnose(t.Context(), series.DiagnoseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Diagnose(t.Context(), series.DiagnoseOptions{})
	if diff := cmp.Diff(d, again); diff != "" || err != nil {
		t.Errorf("asked again: %v %s", err, diff)
	}
	if _, err := json.Marshal(d); err != nil {
		t.Error(err)
	}
	layout, _ := formulas(t).Find("layout")
	var vectors [][]float32
	err = db.Embeddings(t.Context(), "test", layout.Identity(), func(_ int64, _ assay.Digest, v []float32) error {
		vectors = append(vectors, v)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	mean, n := 0.0, 0.0
	for i := 15; i < 30; i++ {
		for j := 15; j < i; j++ {
			x, err := layout.Apart(vectors[i], vectors[j])
			if err != nil {
				t.Fatal(err)
			}
			mean, n = mean+x, n+1
		}
	}
	if got := d.Closer.Last.Mean; d.Window != 15 || d.Images != 30 || d.By != layout.Identity() || math.Abs(got-mean/n) > 1e-6 {
		t.Errorf("the last %d of %d images by %s are %g apart, want 15 of 30 and %g", d.Window, d.Images, d.By.Instrument, got, mean/n)
	}
	if d.Watch.Raised != nil || d.Watch.Next != 40 || !strings.HasPrefix(d.Alarm, "No alarm can be raised before there are 40 images") {
		t.Errorf("%+v %s", d.Watch, d.Alarm)
	}
	if len(d.Curve) < 3 || d.Curve[len(d.Curve)-1].To != 30 || d.Curve[0].From != 1 || d.Curve[0].Entropy == nil {
		t.Errorf("curve %+v", d.Curve)
	}
}

// TestDiagnoseBy: other stored vectors serve as well, and those that lack are made
// once.
func TestDiagnoseBy(t *testing.T) {
	l := newLab(t, nn.Float32, nil, "dreamsim-dino", "clip-score-b32")
	db, list := openStore(t), l.prompted(t, 14, things(4)...)
	poor := l.open(t, db, "test", series.Options{Distance: "layout", Warmup: 1000}, "dreamsim-dino")
	add(t, poor, list)
	by, err := poor.Diagnose(t.Context(), series.DiagnoseOptions{By: "clip-score-b32"})
	if err != nil || by.By.Instrument != "clip-b32" || by.Space != metric.Cosine || by.Images != 14 || by.Scale != 0 {
		t.Errorf("by the tower of an instrument: %v, %+v", err, by.By)
	}
	named, err := poor.Diagnose(t.Context(), series.DiagnoseOptions{By: "clip-b32"})
	if diff := cmp.Diff(by, named); err != nil || diff != "" {
		t.Errorf("by the name of the tower: %v %s", err, diff)
	}
	rich := l.open(t, db, "test", series.Options{Distance: "layout", Warmup: 1000})
	if _, err := rich.Diagnose(t.Context(), series.DiagnoseOptions{By: "dreamsim-dino"}); !errors.Is(err, assay.ErrNotFound) || !strings.Contains(err.Error(), "--by dreamsim-dino") {
		t.Errorf("without vectors: %v", err)
	}
	if n, err := rich.Embed(t.Context(), "dreamsim-dino", nil); n != 14 || err != nil {
		t.Errorf("embedded %d: %v", n, err)
	}
	if n, err := rich.Embed(t.Context(), "dreamsim-dino", nil); n != 0 || err != nil {
		t.Errorf("embedded %d again: %v", n, err)
	}
	if d, err := rich.Diagnose(t.Context(), series.DiagnoseOptions{By: "dreamsim-dino"}); err != nil || d.By.Instrument != "dreamsim-dino" || d.Images != 14 {
		t.Errorf("by dreamsim: %v, %+v", err, d.By)
	}
	for name, want := range map[string]error{"sharpness": assay.ErrInvalid, "nothing": assay.ErrNotFound} {
		if _, err := rich.Diagnose(t.Context(), series.DiagnoseOptions{By: name}); !errors.Is(err, want) {
			t.Errorf("by %s: %v", name, err)
		}
	}
}

// points is a sequence of things in the plane.
func points(n int, at func(i int) (x, y float64)) series.Sequence {
	q := series.Sequence{By: assay.Identity{Instrument: "points"}, Space: metric.Euclidean, Order: "time"}
	for i := range n {
		x, y := at(i)
		q.Vectors = append(q.Vectors, []float32{float32(x), float32(y)})
		q.Labels = append(q.Labels, fmt.Sprint(i))
		q.Cells = append(q.Cells, (500+int(math.Round(x)))*1000+500+int(math.Round(y)))
	}
	return q
}

// TestDiagnoseConverging: what converges is told in a sentence and raises the
// alarm, once there are enough; the sentence has the true ratio.
func TestDiagnoseConverging(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	q := points(200, func(i int) (x, y float64) {
		scale := 3.0
		if i >= 100 {
			scale = 1
		}
		return scale * rng.NormFloat64(), scale * rng.NormFloat64()
	})
	d, err := series.Diagnose(t.Context(), q, series.DiagnoseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if iv := d.Closer.Interval; iv == nil || iv.Lo > 3 || iv.Hi < 3 || *d.Closer.Times < 2 {
		t.Errorf("three times closer is told as %v: %s", iv, d.Sentence)
	}
	if d.Watch.Raised == nil || d.Watch.Raised.Images > 160 || d.Watch.Latest.Images != 200 || len(d.Watch.Latest.Alarms) == 0 {
		t.Errorf("%+v", d.Watch)
	}
	for _, want := range []string{"The last 40 images are ", " times closer to each other than the first 40 (95 % interval ", "; p = 0.0001)."} {
		if !strings.Contains(d.Sentence, want) {
			t.Errorf("the sentence %q lacks %q", d.Sentence, want)
		}
	}
	if v := d.Curve; v[0].Vendi < 1.5*v[len(v)-1].Vendi || *v[0].Entropy < *v[len(v)-1].Entropy || d.Nearest.Tau > -0.2 {
		t.Errorf("Vendi %g to %g, entropy %g to %g, tau %g", v[0].Vendi, v[len(v)-1].Vendi, *v[0].Entropy, *v[len(v)-1].Entropy, d.Nearest.Tau)
	}
	widening := q
	widening.Vectors = append(append([][]float32{}, q.Vectors[100:]...), q.Vectors[:100]...)
	if d, err = series.Diagnose(t.Context(), widening, series.DiagnoseOptions{}); err != nil || !strings.Contains(d.Sentence, "times farther apart than the first 40") || d.Tests[0].P < 0.9 {
		t.Errorf("%v: %s", err, d.Sentence)
	}
}

// TestDiagnoseEdges: nothing known is no error; what is all the same is told; and
// options that cannot be are refused.
func TestDiagnoseEdges(t *testing.T) {
	same := func(int) (float64, float64) { return 1, 2 }
	for n, want := range map[int]string{0: "0 images: too few", 1: "1 image: too few", 11: "1 more is needed", 12: "are all the same", 100: "The first 40 and the last 40 images are all the same."} {
		d, err := series.Diagnose(t.Context(), points(n, same), series.DiagnoseOptions{})
		if err != nil || !strings.Contains(d.Sentence, want) || d.Watch.Raised != nil {
			t.Errorf("%d times the same image: %v, %q, alarm %v", n, err, d.Sentence, d.Watch.Raised)
		}
		if text, err := json.Marshal(d); err != nil || strings.Contains(string(text), "NaN") {
			t.Errorf("%d: %v", n, err)
		}
		if n == 100 && d.Curve[0].Vendi > 1+1e-9 {
			t.Errorf("a hundred times one image are %g different ones", d.Curve[0].Vendi)
		}
	}
	rng := rand.New(rand.NewPCG(9, 9))
	stuck := points(80, func(i int) (float64, float64) {
		if i >= 40 {
			return 0, 0
		}
		return rng.NormFloat64(), rng.NormFloat64()
	})
	if d, err := series.Diagnose(t.Context(), stuck, series.DiagnoseOptions{}); err != nil || !strings.Contains(d.Sentence, "The last 40 images are all the same, unlike the first 40") || d.Watch.Raised == nil || d.Closer.Times != nil {
		t.Errorf("stuck: %v, %s", err, d.Sentence)
	}
	unmapped := points(20, same)
	unmapped.Cells[3] = -1
	if d, err := series.Diagnose(t.Context(), unmapped, series.DiagnoseOptions{}); err != nil || len(d.Tests) != 2 || len(d.NotMeasured) != 1 || d.Curve[0].Entropy != nil {
		t.Errorf("without a cell: %v, %+v", err, d.NotMeasured)
	}
	for _, opt := range []series.DiagnoseOptions{{Window: 5}, {Batch: -1}, {Batch: 7}, {Alpha: 1}, {Window: -3}} {
		if _, err := series.Diagnose(t.Context(), points(100, same), opt); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%+v: %v", opt, err)
		}
	}
	bad := points(20, same)
	bad.Vectors[5] = []float32{1}
	if _, err := series.Diagnose(t.Context(), bad, series.DiagnoseOptions{}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("vectors of two lengths: %v", err)
	}
	boom := errors.New("boom")
	if _, err := series.Diagnose(t.Context(), series.Sequence{Labels: make([]string, 20), Distance: stat.Dist(func(_, _ int) (float64, error) { return 0, boom })}, series.DiagnoseOptions{}); !errors.Is(err, boom) {
		t.Errorf("a distance that fails: %v", err)
	}
}

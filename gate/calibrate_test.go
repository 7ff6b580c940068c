package gate

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

// ramp returns 1, 2, … n in a shuffled order.
func ramp(n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(i + 1)
	}
	rand.New(rand.NewPCG(1, uint64(n))).Shuffle(n, func(i, j int) { x[i], x[j] = x[j], x[i] })
	return x
}

func normal(rng *rand.Rand, n int, mean float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = mean + rng.NormFloat64()
	}
	return x
}

// TestSamePicture has the answer worked out by hand: the 0.95 quantile of 1…101
// is 96, and its 90 % interval runs between the 92nd and the 100th value, as
// P(Bin(101, .95) ≤ 91) = .030, P(≤ 92) = .066, P(≥ 100) = .036, P(≥ 99) = .114
// (scipy 1.17).
func TestSamePicture(t *testing.T) {
	all := ramp(101)
	c, err := SamePicture(Variants{Trivial: map[string][]float64{"jpeg q=85": all[:50], "crop 2%": all[50:], "none": nil}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if c.Value != 96 || c.Fails != Below || c.Mode != assay.Enforced {
		t.Errorf("calibration %+v", c)
	}
	ev := c.Evidence.Same
	if ev.N != 101 || ev.Quantile != 0.95 || *ev.Lo != 92 || *ev.Hi != 100 {
		t.Errorf("evidence n %d, quantile %g, interval %g to %g", ev.N, ev.Quantile, *ev.Lo, *ev.Hi)
	}
	if len(ev.Transforms) != 2 || ev.Transforms[0].Transform != "crop 2%" || ev.Transforms[0].N != 51 || ev.Transforms[1].Max != slices.Max(all[:50]) {
		t.Errorf("transforms %+v", ev.Transforms)
	}
	if s := slices.Sorted(slices.Values(all[50:])); ev.Transforms[0].Median != s[25] {
		t.Errorf("median %g, want %g", ev.Transforms[0].Median, s[25])
	}
	if want := "95 % of 101 trivial variants lie within 96 of their original (90 % interval 92 to 100); from controls, no human judgment yet"; c.Reason != want {
		t.Errorf("reason %q, want %q", c.Reason, want)
	}
}

// TestSamePictureModes checks each reason not to enforce, and its smallest n.
func TestSamePictureModes(t *testing.T) {
	check := func(name string, d Variants, q float64, mode assay.GateMode, says string) {
		t.Helper()
		c, err := SamePicture(d, q)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if c.Mode != mode || !strings.Contains(c.Reason, says) || !strings.HasSuffix(c.Reason, "from controls, no human judgment yet") {
			t.Errorf("%s: %s because %q, want %s saying %q", name, c.Mode, c.Reason, mode, says)
		}
		if _, err := json.Marshal(c.Evidence); err != nil {
			t.Errorf("%s: evidence: %v", name, err)
		}
	}
	of := func(n int) Variants { return Variants{Trivial: map[string][]float64{"a": ramp(n)}} }
	check("58", of(58), 0, assay.Shadow, "59 are needed")
	check("59", of(59), 0, assay.Enforced, "interval")
	check("20", of(20), 0, assay.Shadow, "59 are needed")
	check("28 at 0.9", of(28), 0.9, assay.Shadow, "29 are needed")
	check("29 at 0.9", of(29), 0.9, assay.Enforced, "interval")
	check("blind", Variants{Trivial: map[string][]float64{"a": make([]float64, 80)}}, 0, assay.Shadow, "nothing can be nearer")
	d := of(80)
	d.Different = []float64{10, 20, 30, 200, 300}
	check("too close", d, 0, assay.Shadow, "3 of 5 different pictures")
	d.Different = []float64{10, 200, 300}
	check("far enough", d, 0, assay.Enforced, "interval")
	check("low quantile", of(4), 0.5, assay.Shadow, "5 are needed")
	check("low quantile", of(5), 0.5, assay.Enforced, "interval")
}

func TestSamePictureRefuses(t *testing.T) {
	few := Variants{Trivial: map[string][]float64{"a": ramp(10), "b": ramp(9)}}
	if _, err := SamePicture(few, 0); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "19 distances") || !strings.Contains(err.Error(), "at least 20") {
		t.Errorf("19 distances: %v", err)
	}
	if _, err := SamePicture(Variants{}, 0); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("no distances: %v", err)
	}
	for _, q := range []float64{-1, 0.49, 1, 2, math.NaN()} {
		if _, err := SamePicture(few, q); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("quantile %g: %v", q, err)
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), -0.1} {
		d := Variants{Trivial: map[string][]float64{"a": append(ramp(80), bad)}}
		if _, err := SamePicture(d, 0); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "80 of 81") {
			t.Errorf("distance %g: %v", bad, err)
		}
		d = Variants{Trivial: map[string][]float64{"a": ramp(80)}, Different: []float64{bad}}
		if _, err := SamePicture(d, 0); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("different distance %g: %v", bad, err)
		}
	}
}

// TestSamePictureLaws: a higher quantile gives no lower threshold, a scale goes
// through, a wild outlier does not, and the upper bound of the quantile fails
// as rarely as it says.
func TestSamePictureLaws(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	x := make([]float64, 200)
	for i := range x {
		x[i] = rng.ExpFloat64()
	}
	value := func(x []float64, q float64) float64 {
		t.Helper()
		c, err := SamePicture(Variants{Trivial: map[string][]float64{"a": x}}, q)
		if err != nil {
			t.Fatal(err)
		}
		return c.Value
	}
	last := 0.0
	for q := 0.5; q < 0.99; q += 0.05 {
		if v := value(x, q); v < last {
			t.Errorf("quantile %g gives %g after %g", q, v, last)
		} else {
			last = v
		}
	}
	double := slices.Clone(x)
	for i := range double {
		double[i] *= 2
	}
	if value(double, 0.95) != 2*value(x, 0.95) {
		t.Error("the threshold does not scale with the distance")
	}
	wild := slices.Clone(x)
	wild[slices.Index(wild, slices.Max(wild))] = 1e9
	if value(wild, 0.95) != value(x, 0.95) {
		t.Error("one outlier moves the threshold")
	}

	const runs = 4000
	missed, truth := 0, -math.Log(0.05) // the 0.95 quantile of the exponential
	for range runs {
		for i := range x[:80] {
			x[i] = rng.ExpFloat64()
		}
		c, err := SamePicture(Variants{Trivial: map[string][]float64{"a": x[:80]}}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if *c.Evidence.Same.Hi < truth {
			missed++
		}
	}
	// P(Bin(80, .05) ≤ 0) = .017; one more rank would give .086 > .05.
	if got := float64(missed) / runs; got > 0.05 || math.Abs(got-0.0165) > 0.007 {
		t.Errorf("the upper bound of the quantile failed in %.3g of runs, want about 0.0165", got)
	}
}

func TestCalibrationThreshold(t *testing.T) {
	c, err := SamePicture(Variants{Trivial: map[string][]float64{"a": ramp(30)}}, 0) // no upper bound
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	th, err := c.Threshold(niqe, "s", "same", at)
	if err != nil {
		t.Fatal(err)
	}
	want := assay.Threshold{Identity: niqe, Series: "s", Gate: "same", Value: c.Value, Fails: Below,
		Mode: assay.Shadow, Source: "controls", Reason: c.Reason, Evidence: th.Evidence, Created: at}
	if d := cmp.Diff(want, th); d != "" {
		t.Errorf("threshold (-want +got)\n%s", d)
	}
	var back Evidence
	if err := json.Unmarshal(th.Evidence, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c.Evidence, back); d != "" || back.Same.Hi != nil || back.Same.Lo == nil {
		t.Errorf("evidence after JSON (-want +got)\n%s", d)
	}
	if Judge("same", &th, reading(c.Value-1, nil), "").Verdict != assay.Fail {
		t.Error("what is nearer than the threshold does not fail")
	}
}

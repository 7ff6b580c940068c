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

// TestChance has the answer worked out by hand: of 1…101 the 0.95 quantile is 96
// with the 90 % interval 92 to 100 (see TestSamePicture), the median 51. Of the
// own readings 90, 96 and 110…117 one lies below; the Wilson interval of 1 in 10
// is 0.01788 to 0.40415 (scipy 1.17), their median 112.5.
func TestChance(t *testing.T) {
	own := []float64{110, 96, 111, 112, 113, 90, 114, 115, 116, 117}
	c, err := Chance(Prompts{Others: ramp(101), Own: own, Distinct: 5}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if c.Value != 96 || c.Fails != Below || c.Mode != assay.Enforced || c.Source != "" {
		t.Errorf("calibration %+v", c)
	}
	ev := c.Evidence.Chance
	if ev.Quantile != 0.95 || ev.N != 101 || ev.Prompts != 5 || ev.Median != 51 || *ev.Lo != 92 || *ev.Hi != 100 {
		t.Errorf("evidence %+v, interval %g to %g", ev, *ev.Lo, *ev.Hi)
	}
	if ev.Own.Median != 112.5 || ev.Own.Refused.K != 1 || ev.Own.Refused.N != 10 || ev.Own.Refused.P != 0.1 ||
		math.Abs(ev.Own.Refused.Lo-0.01788) > 1e-5 || math.Abs(ev.Own.Refused.Hi-0.40415) > 1e-5 {
		t.Errorf("own %+v", ev.Own)
	}
	if want := "95 % of 101 readings with the prompt of another image reach no more than 96; 1 of 10 with their own lie below that (1.79 % to 40.4 %); " +
		"the bound has the 90 % interval 92 to 100, over 5 distinct prompts; from controls, no human judgment yet"; c.Reason != want {
		t.Errorf("reason %q, want %q", c.Reason, want)
	}
}

// TestChanceModes checks each reason not to enforce, and its smallest number.
func TestChanceModes(t *testing.T) {
	own := []float64{500, 600, 700}
	check := func(name string, p Prompts, q float64, mode assay.GateMode, says string) {
		t.Helper()
		c, err := Chance(p, q)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if c.Mode != mode || !strings.Contains(c.Reason, says) || !strings.HasSuffix(c.Reason, "from controls, no human judgment yet") {
			t.Errorf("%s: %s because %q, want %s saying %q", name, c.Mode, c.Reason, mode, says)
		}
		text, err := json.Marshal(c.Evidence)
		var back Evidence
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if diff := cmp.Diff(c.Evidence, back); err != nil || diff != "" {
			t.Errorf("%s: evidence after JSON: %v\n%s", name, err, diff)
		}
	}
	check("58", Prompts{ramp(58), own, 9}, 0, assay.Shadow, "59 are needed")
	check("59", Prompts{ramp(59), own, 9}, 0, assay.Enforced, "interval")
	check("20", Prompts{ramp(20), own, 9}, 0, assay.Shadow, "59 are needed")
	check("28 at 0.9", Prompts{ramp(28), own, 9}, 0.9, assay.Shadow, "29 are needed")
	check("29 at 0.9", Prompts{ramp(29), own, 9}, 0.9, assay.Enforced, "interval")
	check("2 prompts", Prompts{ramp(200), own, 2}, 0, assay.Shadow, "2 distinct prompts; 5 are needed")
	check("4 prompts", Prompts{ramp(200), own, 4}, 0, assay.Shadow, "5 are needed")
	check("5 prompts", Prompts{ramp(200), own, 5}, 0, assay.Enforced, "5 distinct prompts")
	check("no own", Prompts{ramp(200), nil, 5}, 0, assay.Shadow, "none with its own prompt")
	check("no better than chance", Prompts{ramp(200), []float64{1, 100, 900}, 5}, 0, assay.Shadow, "cannot tell")
	check("median at the threshold", Prompts{make([]float64, 80), make([]float64, 3), 5}, 0, assay.Shadow, "cannot tell")
	check("median just above", Prompts{make([]float64, 80), []float64{1e-9}, 5}, 0, assay.Enforced, "no more than 0")
}

func TestChanceRefuses(t *testing.T) {
	own := []float64{500}
	for name, p := range map[string]Prompts{
		"19 readings": {ramp(19), own, 9},
		"nothing":     {nil, nil, 9},
		"one prompt":  {ramp(200), own, 1},
		"no prompt":   {ramp(200), own, 0},
	} {
		if _, err := Chance(p, 0); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "assay gate calibrate") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, q := range []float64{-1, 0.49, 1, 2, math.NaN()} {
		if _, err := Chance(Prompts{ramp(99), own, 9}, q); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("quantile %g: %v", q, err)
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, err := Chance(Prompts{append(ramp(80), bad), own, 9}, 0); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "81 is") && !strings.Contains(err.Error(), "80 of 81") {
			t.Errorf("other reading %g: %v", bad, err)
		}
		if _, err := Chance(Prompts{ramp(80), []float64{bad}, 9}, 0); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("own reading %g: %v", bad, err)
		}
	}
}

// TestChanceLaws: order does not matter; a higher quantile gives no lower
// threshold; a rising straight line goes through; own readings change what is
// said and never the threshold; and an instrument that reads nothing is refused
// leave to enforce about as often as chance says.
func TestChanceLaws(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	x, own := normal(rng, 200, 0), normal(rng, 60, 3)
	calibrate := func(p Prompts, q float64) Calibration {
		t.Helper()
		c, err := Chance(p, q)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	base := calibrate(Prompts{x, own, 9}, 0)
	backwards := slices.Clone(x)
	slices.Reverse(backwards)
	if diff := cmp.Diff(base, calibrate(Prompts{backwards, own, 9}, 0)); diff != "" {
		t.Errorf("the order of the readings matters:\n%s", diff)
	}
	last := math.Inf(-1)
	for q := 0.5; q < 0.99; q += 0.05 {
		v := calibrate(Prompts{x, own, 9}, q).Value
		if v < last {
			t.Errorf("quantile %g gives %g after %g", q, v, last)
		}
		last = v
	}
	line := func(x []float64) []float64 {
		out := slices.Clone(x)
		for i := range out {
			out[i] = 2*out[i] - 8 // exact in binary up to one rounding
		}
		return out
	}
	moved := calibrate(Prompts{line(x), line(own), 9}, 0)
	if math.Abs(moved.Value-(2*base.Value-8)) > 1e-12 || moved.Mode != base.Mode || moved.Evidence.Chance.Own.Refused != base.Evidence.Chance.Own.Refused {
		t.Errorf("2x−8 of the readings gives %g in %s, want %g in %s", moved.Value, moved.Mode, 2*base.Value-8, base.Mode)
	}
	if v := calibrate(Prompts{x, own[:1], 9}, 0).Value; v != base.Value {
		t.Errorf("own readings move the threshold from %g to %g", base.Value, v)
	}
	enforced := 0
	for range 200 { // own readings are chance readings: a median of 40 above a 0.95 quantile has probability near 0
		if calibrate(Prompts{normal(rng, 80, 0), normal(rng, 40, 0), 9}, 0).Mode == assay.Enforced {
			enforced++
		}
	}
	if enforced > 0 {
		t.Errorf("an instrument that reads nothing was let enforce in %d of 200 runs", enforced)
	}
}

// TestPercentile has the answer worked out by hand: the 0.1 quantile of 1…101 is
// 11; by symmetry with 0.9, P(Bin(101, .1) ≤ 5) = .055 > .05 ≥ P(≤ 4) = .023,
// and P(≥ 16) = .043 ≤ .05 < P(≥ 15) = .078 (scipy 1.17): the interval runs
// from the 5th to the 16th value.
func TestPercentile(t *testing.T) {
	c, err := Percentile(ramp(101), PercentileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ev := c.Evidence.Percentile
	if c.Value != 11 || c.Fails != Below || c.Mode != assay.Shadow || c.Source != "own images" || ev.Share != 0.1 || ev.N != 101 ||
		ev.Median != 51 || ev.Below.K != 10 || *ev.Lo != 5 || *ev.Hi != 16 {
		t.Errorf("calibration %+v, evidence %+v, interval %v to %v", c, ev, *ev.Lo, *ev.Hi)
	}
	if want := "the lowest 10 % of 101 of the series' own images lie below 11 (90 % interval 5 to 16); the gate records; own images' percentile, no human judgment yet"; c.Reason != want {
		t.Errorf("reason %q, want %q", c.Reason, want)
	}
	c, err = Percentile(ramp(101), PercentileOptions{Enforce: true, Share: 0.5})
	if err != nil || c.Value != 51 || c.Mode != assay.Enforced || !strings.Contains(c.Reason, "because the settings say so") {
		t.Errorf("enforced: %+v, %v", c, err)
	}
	th, err := c.Threshold(niqe, "s", "style", noon)
	if err != nil || th.Source != "own images" {
		t.Errorf("threshold %+v, %v", th, err)
	}
}

func TestPercentileRefuses(t *testing.T) {
	if _, err := Percentile(ramp(9), PercentileOptions{}); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "at least 10") {
		t.Errorf("9 readings: %v", err)
	}
	if _, err := Percentile(ramp(10), PercentileOptions{}); err != nil {
		t.Errorf("10 readings: %v", err)
	}
	for _, share := range []float64{-0.1, 0.51, math.NaN()} {
		if _, err := Percentile(ramp(99), PercentileOptions{Share: share}); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("share %g: %v", share, err)
		}
	}
	if _, err := Percentile(append(ramp(99), math.NaN()), PercentileOptions{}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("NaN: %v", err)
	}
}

// Numbers that mean nothing set no threshold, whatever they were computed by.
func TestSyntheticSetsNoThreshold(t *testing.T) {
	c, err := Percentile(ramp(50), PercentileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	made := niqe
	made.Synthetic = true
	if _, err := c.Threshold(made, "s", "style", noon); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "synthetic") {
		t.Errorf("a threshold from synthetic readings: %v", err)
	}
}

// TestGuard: of 1…101 the 0.05 quantile is 6. What passes fails below that, and
// holds then what it failed by; what failed or abstained is left alone.
func TestGuard(t *testing.T) {
	c, err := Percentile(ramp(101), PercentileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	art := assay.Identity{Instrument: "style-artness", Version: 1, Checkpoint: "c1", Preparation: "224", Runtime: "cpu"}
	c, err = c.Guard(art, ramp(101), 0)
	if err != nil {
		t.Fatal(err)
	}
	th, err := c.Threshold(niqe, "s", "style", noon)
	if err != nil {
		t.Fatal(err)
	}
	g, err := GuardOf(th)
	if err != nil || g == nil || g.Identity != art || g.Value != 6 || g.Share != 0.05 || g.N != 101 || !strings.Contains(th.Reason, "style-artness reads below 6") {
		t.Fatalf("guard %+v, %v, reason %q", g, err, th.Reason)
	}
	by := func(v float64, change func(*assay.Reading)) *assay.Reading {
		r := &assay.Reading{Identity: art, Value: v}
		if change != nil {
			change(r)
		}
		return r
	}
	for _, c := range []struct {
		name   string
		value  float64
		guard  *assay.Reading
		want   assay.Verdict
		holds  string // instrument of the result's reading
		says   string
		holdsV float64 // the result's threshold
	}{
		{"passes both", 50, by(6, nil), assay.Pass, "niqe", "style-artness 6 is not below 6", 11},
		{"fails the guard", 50, by(5, nil), assay.Fail, "style-artness", "style-artness 5 is below 6: the lowest 5 %", 6},
		{"fails the threshold", 5, by(5, nil), assay.Fail, "niqe", "niqe 5 is below 11", 11},
		{"no guard reading", 50, nil, assay.NotMeasured, "", "no reading: get it", 6},
		{"another checkpoint", 50, by(9, func(r *assay.Reading) { r.Checkpoint = "c2" }), assay.Abstain, "style-artness", "cannot be compared", 6},
		{"synthetic", 50, by(9, func(r *assay.Reading) { r.Synthetic = true }), assay.Abstain, "style-artness", "synthetic", 6},
	} {
		res := Rules{}.Guarded(Judge("style", &th, reading(c.value, nil), ""), g, c.guard, "get it")
		holds := ""
		if res.Reading != nil {
			holds = res.Reading.Instrument
		}
		if res.Verdict != c.want || holds != c.holds || *res.Threshold != c.holdsV || res.Mode != assay.Shadow || res.Gate != "style" || !strings.Contains(res.Reason, c.says) {
			t.Errorf("%s: %+v (threshold %g) holding %q; want %s saying %q", c.name, res, *res.Threshold, holds, c.want, c.says)
		}
	}
	if g, err := GuardOf(assay.Threshold{}); g != nil || err != nil {
		t.Errorf("no evidence: %+v, %v", g, err)
	}
	if _, err := GuardOf(assay.Threshold{Evidence: json.RawMessage("[")}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("broken evidence: %v", err)
	}
	if _, err := c.Guard(art, ramp(19), 0); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("19 readings: %v", err)
	}
	art.Synthetic = true
	if _, err := c.Guard(art, ramp(101), 0); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("synthetic guard: %v", err)
	}
}

var noon = time.Date(2025, 1, 2, 12, 0, 0, 0, time.UTC)

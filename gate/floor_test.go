package gate

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
)

// TestFloor has its answer worked out by hand. Of 1…100, five may be refused, so
// the floor is 6. The Clopper–Pearson bound is scipy 1.17's beta.ppf(0.95, 6, 95),
// the Wilson interval of 27 of 40 follows the formula in Newcombe (1998).
func TestFloor(t *testing.T) {
	damaged := map[string][]float64{
		"blur":  append(slices.Repeat([]float64{2}, 18), 50, 60),
		"noise": append(slices.Repeat([]float64{5.5}, 9), slices.Repeat([]float64{6}, 11)...), // 6 itself passes
		"none":  nil,
	}
	c, err := Floor(ramp(100), damaged, Higher, FloorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ev := c.Evidence.Floor
	if c.Value != 5.75 || c.Fails != Below || c.Mode != assay.Enforced || ev.Alpha != 0.05 || ev.Better != Higher {
		t.Errorf("calibration %+v", c)
	}
	if f := ev.FalseRefusal; f.K != 5 || f.N != 100 || f.P != 0.05 || f.Lo != 0 || math.Abs(f.Hi-0.1022533776) > 1e-9 {
		t.Errorf("false refusal %+v", f)
	}
	if d := ev.Detection; d.K != 27 || d.N != 40 || math.Abs(d.Lo-0.5201774619) > 1e-9 || math.Abs(d.Hi-0.7991549777) > 1e-9 {
		t.Errorf("detection %+v", d)
	}
	if len(ev.Damages) != 2 || ev.Damages[0].Damage != "blur" || ev.Damages[0].Detected.K != 18 || ev.Damages[1].Detected.K != 9 || ev.Damages[0].Median != 2 || ev.Damages[0].Worse != nil {
		t.Errorf("damages %+v", ev.Damages)
	}
	want := "refuses what reads below 5.75: 5 of 100 originals (at most 10.2 % with 95 % confidence) and 27 of 40 damaged copies (52 % to 79.9 %); from controls, no human judgment yet"
	if c.Reason != want {
		t.Errorf("reason %q, want %q", c.Reason, want)
	}
}

// TestFloorMirror holds that turning every number round turns the floor round.
func TestFloorMirror(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := 20; n < 200; n += 13 {
		good, bad := normal(rng, n, 2), normal(rng, 50, 0)
		hi, err := Floor(good, map[string][]float64{"d": bad}, Higher, FloorOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range [][]float64{good, bad} {
			for i := range x {
				x[i] = -x[i]
			}
		}
		lo, err := Floor(good, map[string][]float64{"d": bad}, Lower, FloorOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if lo.Value != -hi.Value || lo.Fails != Above || lo.Mode != hi.Mode || *lo.Evidence.Floor.Detection != *hi.Evidence.Floor.Detection || lo.Evidence.Floor.FalseRefusal != hi.Evidence.Floor.FalseRefusal {
			t.Errorf("n %d: %+v against %+v", n, lo, hi)
		}
	}
}

func TestFloorRefuses(t *testing.T) {
	d := map[string][]float64{"blur": ramp(20)}
	check := func(name string, want error, says string, good []float64, d map[string][]float64, better string, alpha float64) {
		t.Helper()
		if _, err := Floor(good, d, better, FloorOptions{FalseRefusal: alpha}); !errors.Is(err, want) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want %v saying %q", name, err, want, says)
		}
	}
	check("19", assay.ErrUnavailable, "at least 20", ramp(19), d, Higher, 0)
	check("99 at 1 %", assay.ErrUnavailable, "at least 100", ramp(99), d, Higher, 0.01)
	check("none", assay.ErrUnavailable, "0 originals", nil, d, Higher, 0)
	check("direction", assay.ErrInvalid, "descriptor", ramp(50), d, "descriptor", 0)
	check("alpha", assay.ErrInvalid, "0.6", ramp(50), d, Higher, 0.6)
	check("alpha", assay.ErrInvalid, "-1", ramp(50), d, Higher, -1)
	check("alpha", assay.ErrInvalid, "NaN", ramp(50), d, Higher, math.NaN())
	check("NaN", assay.ErrInvalid, "reading 20 of 21", append(ramp(20), math.NaN()), d, Higher, 0)
	check("infinite", assay.ErrInvalid, `"blur"`, ramp(20), map[string][]float64{"blur": {math.Inf(-1)}}, Higher, 0)
	for n, alpha := range map[int]float64{20: 0.05, 100: 0.01, 10: 0.1, 2: 0.5} {
		c, err := Floor(ramp(n), d, Higher, FloorOptions{FalseRefusal: alpha})
		if err != nil || c.Value != 1.5 || c.Evidence.Floor.FalseRefusal.K != 1 {
			t.Errorf("n %d alpha %g: floor %g, %v; want 1.5, refusing one", n, alpha, c.Value, err)
		}
	}
}

// TestFloorModes checks each reason not to enforce.
func TestFloorModes(t *testing.T) {
	good := ramp(100)
	copies := func(caught, n int) []float64 {
		return append(slices.Repeat([]float64{1}, caught), slices.Repeat([]float64{50}, n-caught)...)
	}
	check := func(name string, d map[string][]float64, mode assay.GateMode, says string) {
		t.Helper()
		c, err := Floor(good, d, Higher, FloorOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if c.Mode != mode || !strings.Contains(c.Reason, says) || !strings.HasSuffix(c.Reason, "; from controls, no human judgment yet") {
			t.Errorf("%s: %s because %q, want %s saying %q", name, c.Mode, c.Reason, mode, says)
		}
	}
	blind := "cannot tell damaged copies from originals in this series"
	check("none", nil, assay.Shadow, "no damaged copies")
	check("as originals", map[string][]float64{"a": good}, assay.Shadow, blind)
	check("none caught", map[string][]float64{"a": copies(0, 100)}, assay.Shadow, blind)
	check("a third of each", map[string][]float64{"a": copies(30, 90), "b": copies(30, 90)}, assay.Shadow, blind)
	check("half of one", map[string][]float64{"a": copies(45, 90), "b": copies(15, 90)}, assay.Enforced, "60 of 180")
	check("one of many", map[string][]float64{"a": copies(20, 20), "b": copies(0, 400)}, assay.Shadow, blind)
	check("nine", map[string][]float64{"a": copies(9, 9)}, assay.Shadow, "fewer than 10")
	check("ten", map[string][]float64{"a": copies(10, 10)}, assay.Enforced, "10 of 10")
}

// TestFloorPairs holds that copies read worse than their own originals are
// counted even where no floor can tell them: the originals spread widely.
func TestFloorPairs(t *testing.T) {
	good := ramp(100)
	worse := slices.Clone(good)
	for i := range worse {
		worse[i] -= 0.5
	}
	worse[0] = good[0] // equal is not worse
	c, err := Floor(good, map[string][]float64{"blur": worse}, Higher, FloorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d := c.Evidence.Floor.Damages[0]
	if d.Worse == nil || d.Worse.K != 99 || d.Worse.N != 100 || c.Mode != assay.Shadow || d.Detected.P > 0.1 {
		t.Errorf("damage %+v in mode %s", d, c.Mode)
	}
}

// TestFloorRobust replaces originals by ever worse works. Up to k = 5 of 100 the
// floor goes on catching damage however bad they are; beyond that it
// falls among the damaged ones and is no longer enforced.
func TestFloorRobust(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	clean, damaged := normal(rng, 100, 10), normal(rng, 100, 3)
	sorted := slices.Sorted(slices.Values(clean))
	for bad := range 30 {
		good := slices.Clone(clean)
		for i := range bad {
			good[i] = -1e6 * float64(i+1)
		}
		c, err := Floor(good, map[string][]float64{"d": damaged}, Higher, FloorOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if bad <= 5 && (c.Value > sorted[10] || c.Mode != assay.Enforced || c.Evidence.Floor.Detection.P < 0.85) {
			t.Errorf("%d damaged originals: floor %g in mode %s, the undamaged begin at %g", bad, c.Value, c.Mode, sorted[0])
		}
		if bad > 5 && c.Mode != assay.Shadow {
			t.Errorf("%d damaged originals: floor %g is enforced", bad, c.Value)
		}
	}
}

// TestFloorMonotone: allowing more refusals never lowers the floor nor the share
// of damaged copies caught.
func TestFloorMonotone(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	good, damaged := normal(rng, 150, 1), map[string][]float64{"d": normal(rng, 150, 0)}
	floor, caught := math.Inf(-1), 0
	for alpha := 0.01; alpha <= 0.5; alpha += 0.01 {
		c, err := Floor(good, damaged, Higher, FloorOptions{FalseRefusal: alpha})
		if err != nil {
			t.Fatal(err)
		}
		ev := c.Evidence.Floor
		if c.Value < floor || ev.Detection.K < caught || ev.FalseRefusal.P > alpha+1e-9 {
			t.Errorf("alpha %g: floor %g after %g, %d caught after %d, %g refused", alpha, c.Value, floor, ev.Detection.K, caught, ev.FalseRefusal.P)
		}
		floor, caught = c.Value, ev.Detection.K
	}
}

// TestFloorBound draws originals again and again and holds that the share of
// all such images beyond the floor exceeds the stated bound in 5 % of the draws:
// exactly so for a continuous distribution, at most so where readings are
// rounded and tied.
func TestFloorBound(t *testing.T) {
	const runs = 8000
	rng := rand.New(rand.NewPCG(11, 12))
	below := func(v float64) float64 { return 0.5 * math.Erfc(-v/math.Sqrt2) } // P(X < v)
	for _, n := range []int{20, 60, 137} {
		broken, tied := 0, 0
		for range runs {
			x := normal(rng, n, 0)
			c, err := Floor(x, nil, Higher, FloorOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if below(c.Value) > c.Evidence.Floor.FalseRefusal.Hi {
				broken++
			}
			for i := range x {
				x[i] = math.Round(2*x[i]) / 2
			}
			if c, err = Floor(x, nil, Higher, FloorOptions{}); err != nil {
				t.Fatal(err)
			}
			if below(c.Value-0.25) > c.Evidence.Floor.FalseRefusal.Hi { // rounds to less than Value
				tied++
			}
		}
		// Three standard errors of 8000 draws are 0.0073.
		if got := float64(broken) / runs; math.Abs(got-0.05) > 0.0075 {
			t.Errorf("n %d: the bound was exceeded in %.4f of draws, want 0.05", n, got)
		}
		if got := float64(tied) / runs; got > 0.0575 {
			t.Errorf("n %d, tied: the bound was exceeded in %.4f of draws, want at most 0.05", n, got)
		}
	}
}

func BenchmarkFloor(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	good, damaged := normal(rng, 1000, 1), map[string][]float64{"blur": normal(rng, 1000, 0), "noise": normal(rng, 1000, 0)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Floor(good, damaged, Higher, FloorOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestFloorStandsBack: where damage reads far worse than the originals, the
// floor stands halfway, and still catches what Keep asks for.
func TestFloorStandsBack(t *testing.T) {
	good := ramp(100) // the tightest floor is 6
	far := map[string][]float64{"blur": {-100, -90, -80, -70, -60, -50, -40, -30, -20, -14}}
	for _, c := range []struct {
		keep, value float64
		caught      int
	}{{0, 6 - 13, 10}, {1, 6 - 10, 10}, {0.5, 6 - 33, 8}} {
		got, err := Floor(good, far, Higher, FloorOptions{Keep: c.keep})
		if err != nil {
			t.Fatal(err)
		}
		if ev := got.Evidence.Floor; got.Value != c.value || ev.Detection.K != c.caught || ev.FalseRefusal.K != 0 {
			t.Errorf("keep %g: floor %g catches %d and refuses %d, want %g, %d and 0", c.keep, got.Value, ev.Detection.K, ev.FalseRefusal.K, c.value, c.caught)
		}
	}
	if _, err := Floor(good, far, Higher, FloorOptions{Keep: 1.5}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("keep 1.5: error %v", err)
	}
}

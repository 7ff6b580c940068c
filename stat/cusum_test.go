package stat_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// Montgomery and Runger's worked example: target 99, K 1, H 10.
func TestNormalCUSUM(t *testing.T) {
	data := []float64{102.0, 94.8, 98.3, 98.4, 102.0, 98.5, 99.0, 97.7, 100.0, 98.1, 101.3, 98.7, 101.1, 98.4, 97.0, 96.7, 100.3, 101.4, 97.2, 101.0}
	upper := []float64{2, 0, 0, 0, 2, .5, 0, 0, 0, 0, 1.3, 0, 1.1, 0, 0, 0, .3, 1.7, 0, 1}
	lower := []float64{0, 3.2, 2.9, 2.5, 0, 0, 0, .3, 0, 0, 0, 0, 0, 0, 1, 2.3, 0, 0, .8, 0}
	c, err := stat.NewNormalCUSUM(99, 1, 10)
	if err != nil {
		t.Fatal(err)
	}
	for k, x := range data {
		if c.Add(x) || math.Abs(c.Upper-upper[k]) > 1e-9 || math.Abs(c.Lower-lower[k]) > 1e-9 {
			t.Errorf("after %d: %g and %g, alarm %d; want %g and %g and none", k+1, c.Upper, c.Lower, c.Alarm, upper[k], lower[k])
		}
	}
}

// Run lengths are those that tables print: one-sided normal sums with k = ½
// (335.35 and 930.75 without a shift at h = 4 and 5, 8.38 and 10.38 at one σ; two
// sides 168 and 465), and sums of Bernoulli ratios at h = 3.
func TestCUSUMRunLengths(t *testing.T) {
	runs, tol := 1500, 0.12
	if os.Getenv("ASSAY_TEST_LONG") != "" {
		runs, tol = 40000, 0.025
	}
	rng := rand.New(rand.NewPCG(1, 9))
	mean := func(run func() int) float64 {
		sum := 0
		for range runs {
			sum += run()
		}
		return float64(sum) / float64(runs)
	}
	for _, c := range []struct{ h, shift, want float64 }{{4, 0, 168}, {5, 0, 465}, {4, 1, 8.38}, {5, 1, 10.38}} {
		got := mean(func() int {
			s, err := stat.NewNormalCUSUM(0, 0.5, c.h)
			if err != nil {
				t.Fatal(err)
			}
			for !s.Add(c.shift + rng.NormFloat64()) {
			}
			return s.Alarm
		})
		if math.Abs(got/c.want-1) > tol {
			t.Errorf("h %g, shift %g σ: an alarm after %.1f, want %g", c.h, c.shift, got, c.want)
		}
	}
	for _, c := range []struct{ p0, p1, p, want float64 }{{.75, .55, .75, 295}, {.75, .55, .55, 26}, {.8, .6, .8, 274}, {.8, .6, .6, 23.2}, {.7, .5, .5, 27.6}} {
		got := mean(func() int {
			s, err := stat.NewBernoulliCUSUM(c.p0, c.p1, 3)
			if err != nil {
				t.Fatal(err)
			}
			for !s.Add(rng.Float64() < c.p) {
			}
			return s.Alarm
		})
		if math.Abs(got/c.want-1) > tol {
			t.Errorf("from %g to %g at %g: an alarm after %.1f, want %g", c.p0, c.p1, c.p, got, c.want)
		}
	}
}

func TestBernoulliCUSUM(t *testing.T) {
	c, err := stat.NewBernoulliCUSUM(.75, .55, 2)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := c.Step(true), c.Step(false); math.Abs(a+.3102) > 5e-5 || math.Abs(b-.5878) > 5e-5 {
		t.Errorf("steps %g and %g, want -.3102 and .5878", a, b)
	}
	for k, success := range []bool{true, true, true, false, false, false, false, true, true} {
		alarm := c.Add(success)
		if want := k >= 6; alarm != want { // four failures in a row: 4 × .5878 ≥ 2
			t.Errorf("after %d: alarm %v, want %v (S %.3f)", k+1, alarm, want, c.S)
		}
	}
	if c.Since != 3 || c.Alarm != 7 || c.N != 9 {
		t.Errorf("state %+v, want a fall since 3 and an alarm at 7", c)
	}
	for _, bad := range [][3]float64{{.5, .5, 1}, {.5, .6, 1}, {1, .5, 1}, {.5, 0, 1}, {.5, .4, 0}, {.5, .4, math.NaN()}, {.5, .4, math.Inf(1)}} {
		if _, err := stat.NewBernoulliCUSUM(bad[0], bad[1], bad[2]); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	for _, bad := range [][3]float64{{math.NaN(), 1, 1}, {0, -1, 1}, {0, 1, 0}} {
		if _, err := stat.NewNormalCUSUM(bad[0], bad[1], bad[2]); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

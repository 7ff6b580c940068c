package stat

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gen-emerge/assay"
)

// TestMinTrials checks the sample sizes of the learn-then-test table and of
// clean audits, which follow from the binomial law.
func TestMinTrials(t *testing.T) {
	for _, c := range []struct {
		alpha float64
		want  [4]int // for 0, 1, 2, 3 failures
	}{
		{.05, [4]int{59, 93, 124, 153}}, {.1, [4]int{29, 46, 61, 76}}, {.2, [4]int{14, 22, 30, 37}},
	} {
		for failures, want := range c.want {
			if got, err := MinTrials(failures, c.alpha, .05); got != want || err != nil {
				t.Errorf("MinTrials(%d, %g, .05) = %d, %v; want %d", failures, c.alpha, got, err, want)
			}
		}
	}
	if got, err := MinTrials(0, .3, .05); got != 9 || err != nil {
		t.Errorf("clean audits to prove 0.3: %d, %v; want 9", got, err)
	}
	for _, c := range []struct{ alpha, delta float64 }{{0, .05}, {1, .05}, {.05, 0}, {.05, 1}, {math.NaN(), .05}, {1e-15, .05}} {
		_, err := MinTrials(0, c.alpha, c.delta)
		invalid(t, "MinTrials", err)
	}
	_, err := MinTrials(-1, .05, .05)
	invalid(t, "MinTrials", err)
}

// TestOrderIndexIsTheLargest sums the binomial law term by term.
func TestOrderIndexIsTheLargest(t *testing.T) {
	tail := func(k, n int, p float64) float64 { // P(Bin(n,p) ≤ k-1)
		sum, term := 0.0, math.Pow(1-p, float64(n))
		for i := 0; i < k; i++ {
			sum += term
			term *= float64(n-i) / float64(i+1) * p / (1 - p)
		}
		return sum
	}
	for _, alpha := range []float64{.01, .05, .1, .3} {
		for _, n := range []int{5, 22, 58, 59, 92, 93, 300, 500} {
			k, err := OrderIndex(n, alpha, .05)
			var short *ShortageError
			if errors.As(err, &short) {
				if tail(1, n, alpha) <= .05 || tail(1, short.Need, alpha) > .05 || tail(1, short.Need-1, alpha) <= .05 {
					t.Errorf("n=%d alpha=%g: %v is not right", n, alpha, err)
				}
				if !errors.Is(err, assay.ErrUnavailable) {
					t.Errorf("%v does not wrap ErrUnavailable", err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if tail(k, n, alpha) > .05 || tail(k+1, n, alpha) <= .05 {
				t.Errorf("n=%d alpha=%g: k=%d has risk %g and k+1 has %g", n, alpha, k, tail(k, n, alpha), tail(k+1, n, alpha))
			}
		}
	}
	if _, err := OrderIndex(58, .05, .05); err == nil || err.Error() !=
		"a false-reject rate of at most 0.05 with probability 0.95 needs n >= 59 known-good scores, there are 58" {
		t.Errorf("58 scores: %v", err)
	}
}

// TestThresholdKeepsItsGuarantee draws known-good samples from a known law and
// counts how often the guarantee is broken.
func TestThresholdKeepsItsGuarantee(t *testing.T) {
	const alpha, delta, n, rounds = .1, .1, 80, 4000
	rng := rand.New(rand.NewPCG(1, 2))
	low, high, risk := 0, 0, 0.0
	for range rounds {
		x := make([]float64, n)
		for i := range x {
			x[i] = rng.Float64()
		}
		a, err := LowThreshold(x, alpha, delta)
		if err != nil {
			t.Fatal(err)
		}
		b, err := HighThreshold(x, alpha, delta)
		if err != nil {
			t.Fatal(err)
		}
		if a.Value > alpha { // share below is the value itself
			low++
		}
		if 1-b.Value > alpha {
			high++
		}
		risk = a.Risk
	}
	if risk > delta || risk < delta/2 {
		t.Errorf("risk %g is not just below %g", risk, delta)
	}
	// Four standard errors of a binomial share.
	slack := 4 * math.Sqrt(risk*(1-risk)/rounds)
	near(t, "low guarantee broken", float64(low)/rounds, risk, slack)
	near(t, "high guarantee broken", float64(high)/rounds, risk, slack)
}

func TestThresholdMirrors(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	x, neg := make([]float64, 200), make([]float64, 200)
	for i := range x {
		x[i] = math.Round(10*rng.NormFloat64()) / 10 // with ties
		neg[i] = -x[i]
	}
	a, err := LowThreshold(x, .05, .05)
	if err != nil {
		t.Fatal(err)
	}
	b, err := HighThreshold(neg, .05, .05)
	if err != nil {
		t.Fatal(err)
	}
	if a.Value != -b.Value || a.K != b.K || a.N != 200 {
		t.Errorf("low %+v, high of the negatives %+v", a, b)
	}
	_, err = LowThreshold([]float64{1, math.NaN()}, .05, .05)
	invalid(t, "NaN score", err)
}

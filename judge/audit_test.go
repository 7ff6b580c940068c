package judge

import (
	"context"
	"flag"
	"fmt"
	"math"
	"testing"
)

var auditSeeds = flag.Int("audit.seeds", 100, "examinations of each pretended judge")

// The judges that must be told apart, at 200 calls each.
var (
	worthless = []behaviour{
		{name: "always first", first: 8, yes: 8},
		{name: "always first, and a coin for the rest", first: 8, rare: true},
		{name: "always yes", yes: 8, says: "yes"},
		{name: "even coin", rare: true}, // every probability is 1/2
		{name: "coin", noise: 5},
	}
	seeing = []behaviour{
		{name: "0.7", looks: true, accuracy: 0.7, strength: 3},
		{name: "0.7 with a position bias", looks: true, accuracy: 0.7, strength: 3, first: 1.5},
		{name: "0.8", looks: true, accuracy: 0.8, strength: 3, noise: 0.3},
		{name: "0.95", looks: true, accuracy: 0.95, strength: 3},
	}
)

func examine(t testing.TB, b behaviour, seed uint64, probs bool, pairs int) (Report, *pretender) {
	t.Helper()
	g := newGallery(t, pairs, seed)
	m, p := g.judge(b, seed, probs)
	r, err := Audit(context.Background(), m, g.Material, AuditOptions{Seed: seed, Parallel: 1, Ask: Options{Controls: g.controls}, degrade: degradeOnce})
	if err != nil {
		t.Fatal(err)
	}
	if p.calls > auditCalls || r.Cost.Calls != p.calls {
		t.Fatalf("%d requests were made and %d reported, of at most %d", p.calls, r.Cost.Calls, auditCalls)
	}
	return r, p
}

// Always-first, always-yes and coins are unfit in every one of 100 examinations
// of 200 calls.
func TestAuditTellsTheWorthless(t *testing.T) {
	for _, b := range worthless {
		for _, probs := range []bool{true, false} {
			for _, pairs := range []int{150, 0} {
				t.Run(fmt.Sprintf("%s/probabilities %v/%d pairs", b.name, probs, pairs), func(t *testing.T) {
					t.Parallel()
					fit := 0
					n := *auditSeeds
					if pairs == 0 || b.rare {
						n /= 5
					}
					for seed := range uint64(n) {
						if r, _ := examine(t, b, seed, probs, pairs); r.Trust.Fit {
							fit++
							t.Logf("seed %d: %+v", seed, r.Table())
						}
					}
					t.Logf("fit %d of %d", fit, n)
					if fit > n/100 {
						t.Errorf("fit in %d of %d examinations", fit, n)
					}
				})
			}
		}
	}
}

// A judge that looks is fit, and its true accuracy lies within its interval, in
// at least 95 of 100 examinations of 200 calls.
func TestAuditMeasuresTheSeeing(t *testing.T) {
	for _, b := range seeing {
		for _, probs := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/probabilities %v", b.name, probs), func(t *testing.T) {
				t.Parallel()
				truth := trueAccuracy(b, probs)
				good, fit, held, n := 0, 0, 0, *auditSeeds
				for seed := range uint64(n) {
					r, _ := examine(t, b, seed, probs, 150)
					if r.Trust.Source != "people" {
						t.Fatalf("seed %d: accuracy from %s", seed, r.Trust.Source)
					}
					in := r.Trust.Low <= truth && truth <= r.Trust.High
					fit += bit(r.Trust.Fit)
					held += bit(in)
					good += bit(in && r.Trust.Fit)
					if !r.Trust.Fit && testing.Verbose() {
						t.Logf("seed %d: %v", seed, r.Trust.Reasons)
					}
				}
				t.Logf("true accuracy %.3f: fit %d, within the interval %d, both %d of %d", truth, fit, held, good, n)
				if good*100 < n*95 {
					t.Errorf("fit and within the interval in %d of %d examinations", good, n)
				}
			})
		}
	}
}

// trueAccuracy is the probability that a pair that is decided is decided as
// people do: exactly the taste's where probabilities are averaged and no pair is
// so close that noise or the margin matters alike for both signs; for one draw an
// order, the share of agreeing draws that are right, over the strengths.
func trueAccuracy(b behaviour, probs bool) float64 {
	var right, wrong float64
	const steps = 400
	sigma := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for i := range steps {
		c := b.strength * (0.2 + 1.6*(float64(i)+0.5)/steps)
		if probs {
			// The mean of σ(c+b) and σ(c-b) is above 1/2 for every c > 0.
			right, wrong = right+b.accuracy, wrong+1-b.accuracy
			continue
		}
		// Noise of the log-odds, at three points that give a normal law's mean and variance.
		at := func(l float64) float64 {
			w := b.noise * math.Sqrt(3)
			return (sigma(l-w) + 4*sigma(l) + sigma(l+w)) / 6
		}
		agreeRight := at(c+b.first) * at(c-b.first)
		agreeWrong := (1 - at(c+b.first)) * (1 - at(c-b.first))
		right += b.accuracy*agreeRight + (1-b.accuracy)*agreeWrong
		wrong += b.accuracy*agreeWrong + (1-b.accuracy)*agreeRight
	}
	return right / (right + wrong)
}

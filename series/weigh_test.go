package series

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gen-emerge/assay"
)

// panel makes comparisons of n pairs by two judges of accuracy 0.8, the second of
// which says what the first says with the given probability and else makes up its
// own mind.
func panel(n int, echo float64, seed uint64) ([]assay.Comparison, trusts) {
	rng := rand.New(rand.NewPCG(seed, 5))
	a, b := assay.Judge{Name: "a", API: "openai", Model: "m"}, assay.Judge{Name: "b", API: "openai", Model: "m"}
	says := func(j assay.Judge, pair int, right bool) assay.Comparison {
		c := assay.Comparison{Judge: j, A: assay.Digest{1, byte(pair), byte(pair >> 8)}, B: assay.Digest{2, byte(pair), byte(pair >> 8)}, Outcome: assay.Left}
		if rng.IntN(2) == 0 { // the sides tell nothing
			c.A, c.B = c.B, c.A
			right = !right
		}
		if !right {
			c.Outcome = assay.Right
		}
		return c
	}
	var all []assay.Comparison
	for pair := range n {
		truth := rng.IntN(2) == 0 // whether the first is better
		right := rng.Float64() < 0.8
		all = append(all, says(a, pair, right == truth))
		if rng.Float64() >= echo {
			right = rng.Float64() < 0.8
		}
		all = append(all, says(b, pair, right == truth))
	}
	return all, trusts{
		a: {Judge: a, Fit: true, Accuracy: 0.8, Source: "people"},
		b: {Judge: b, Fit: true, Accuracy: 0.8, Source: "people"},
	}
}

// How alike judges err is found without knowing who is right.
func TestLikeness(t *testing.T) {
	for _, echo := range []float64{0, 0.3, 0.6, 1} {
		mean := 0.0
		const runs, pairs = 20, 400
		for seed := range uint64(runs) {
			all, who := panel(pairs, echo, seed)
			alike := likeness(weigh(all, nil, who), who)
			if len(alike) != 2 {
				t.Fatalf("measured %v", alike)
			}
			for _, r := range alike {
				mean += r / 2 / runs
			}
		}
		if math.Abs(mean-echo) > 0.05 {
			t.Errorf("judges whose errors correlate by %g were measured at %.3f", echo, mean)
		}
	}
}

// With fewer common pairs than it takes, judges are taken to err as panels do;
// with enough, as measured.
func TestPanelCorrelation(t *testing.T) {
	for _, c := range []struct {
		pairs int
		echo  float64
		share float64 // of its log-odds that each keeps
	}{
		{commonPairs - 1, 0, 1 / (1 + PanelCorrelation)},
		{commonPairs - 1, 1, 1 / (1 + PanelCorrelation)},
		{commonPairs, 1, 0.5},
		{1000, 1, 0.5},
	} {
		all, who := panel(c.pairs, c.echo, 1)
		for _, w := range weigh(all, nil, who) {
			if got := logit(w.Accuracy) / logit(0.8); !w.Counts || math.Abs(got-c.share) > 1e-9 {
				t.Fatalf("%d common pairs, echo %g: a judge keeps %.3f of its evidence, want %.3f (%s)", c.pairs, c.echo, got, c.share, w.Why)
			}
		}
	}
	all, who := panel(1000, 0, 1)
	if w := weigh(all, nil, who)[0]; logit(w.Accuracy)/logit(0.8) < 0.9 {
		t.Errorf("independent judges keep %.3f of their evidence (%s)", logit(w.Accuracy)/logit(0.8), w.Why)
	}
}

// No examination makes a judge certain.
func TestAccuracyIsBounded(t *testing.T) {
	j := assay.Judge{Name: "a", API: "openai", Model: "m"}
	for _, acc := range []float64{1, 1.5, math.Inf(1)} {
		got, why := trusts{j: {Judge: j, Fit: true, Accuracy: acc}}.accuracy(j)
		if why != "" || !(got < 0.998) {
			t.Errorf("accuracy %g weighs as %g (%s)", acc, got, why)
		}
	}
	for _, acc := range []float64{0, -1, math.NaN(), 0.3} {
		if got, why := (trusts{j: {Judge: j, Fit: true, Accuracy: acc}}).accuracy(j); why == "" {
			t.Errorf("accuracy %g weighs as %g", acc, got)
		}
	}
}

// A seed draws its share, and a larger share contains a smaller one.
func TestDrawn(t *testing.T) {
	n, both := 0, 0
	for i := range 20_000 {
		id := assay.DigestOf([]byte{byte(i), byte(i >> 8)})
		small, large := drawn(7, id, 0.05), drawn(7, id, 0.5)
		if small {
			n++
		}
		if small && !large {
			t.Fatal("a larger share leaves out what a smaller one draws")
		}
		if large && drawn(8, id, 0.5) {
			both++
		}
		if drawn(7, id, 0) || !drawn(7, id, 1) {
			t.Fatal("none and all are not what they say")
		}
	}
	if n < 900 || n > 1100 || both < 4800 || both > 5200 {
		t.Errorf("of 20,000 images 5 %% drew %d; two seeds at a half share %d, want about 1000 and 5000", n, both)
	}
}

package rank

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gen-emerge/assay"
)

// Pairs that are chosen for what they are expected to tell order the items as well
// as random pairs do, with three fifths of the judgments: what a person is asked
// for. Strengths are spread as widely as pictures of very different quality are.
func TestInformationSavesJudgments(t *testing.T) {
	const n, random, informed = 24, 300, 180
	runs := 12
	if long() {
		runs = 200
	}
	rng := rand.New(rand.NewPCG(31, 4))
	vote := func(theta []float64, i, j int) Vote {
		v := Vote{Left: i, Right: j, Outcome: assay.Right}
		if rng.Float64() < 1/(1+math.Exp(theta[j]-theta[i])) {
			v.Outcome = assay.Left
		}
		return v
	}
	fit := func(votes []Vote) *Fit {
		f, err := Estimate(t.Context(), n, votes, Options{Prior: 0.1})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	var items []int
	for i := range n {
		items = append(items, i)
	}
	var byChance, byChoice float64
	for range runs {
		theta := make([]float64, n)
		for i := range theta {
			theta[i] = 3 * rng.NormFloat64()
		}
		var a, b []Vote
		for range random {
			i := rng.IntN(n)
			a = append(a, vote(theta, i, (i+1+rng.IntN(n-1))%n))
		}
		for len(b) < informed {
			picks, err := NextPairs(fit(b), items, 4, PairOptions{Seed: rng.Uint64()})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range picks {
				b = append(b, vote(theta, p.Left, p.Right))
			}
		}
		byChance += ordered(theta, fit(a).Strength) / float64(runs)
		byChoice += ordered(theta, fit(b[:informed]).Strength) / float64(runs)
	}
	t.Logf("of all pairs %.4f are in order after %d random judgments, %.4f after %d chosen ones", byChance, random, byChoice, informed)
	if byChoice < byChance-0.003 {
		t.Errorf("%.4f after %d chosen judgments, %.4f after %d random ones", byChoice, informed, byChance, random)
	}
}

// ordered is the share of pairs that two lists put in the same order.
func ordered(a, b []float64) float64 {
	same, all := 0, 0
	for i := range a {
		for j := range i {
			all++
			if (a[i] > a[j]) == (b[i] > b[j]) {
				same++
			}
		}
	}
	return float64(same) / float64(all)
}

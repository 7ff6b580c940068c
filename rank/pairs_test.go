package rank

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/gen-emerge/assay"
)

func TestBetter(t *testing.T) {
	for _, c := range []struct {
		k, n int
		want float64
	}{
		{1, 1, .75}, {2, 2, .875}, {3, 3, .9375}, {4, 4, .96875}, {5, 5, .984375},
		{2, 3, .6875}, {3, 4, .8125}, {4, 5, .890625}, {3, 5, .65625}, {0, 0, .5},
	} {
		near(t, "posterior", Better(c.k, c.n), c.want, 1e-14)
		near(t, "of the other", Better(c.n-c.k, c.n), 1-c.want, 1e-14)
	}
	if !math.IsNaN(Better(-1, 2)) || !math.IsNaN(Better(3, 2)) {
		t.Error("impossible counts must give NaN")
	}
}

// TestEIG holds exact values made with 200-point Gauss–Hermite quadrature,
// printed to six decimals.
func TestEIG(t *testing.T) {
	for _, c := range []struct{ m, s, want float64 }{
		{0, .5, .028665}, {0, 1, .093709}, {0, 2, .231138}, {1, 1, .081427}, {2, 1, .054164}, {3, 1, .028711}, {1, 2, .216067},
	} {
		near(t, "information", EIG(c.m, c.s), c.want, 6e-7)
		near(t, "information of the mirror", EIG(-c.m, c.s), EIG(c.m, c.s), 1e-14)
	}
}

// simpson is EIG by Simpson's rule with many points.
func simpson(m, s float64) float64 {
	const reach = 10.0
	n := 2 * int(1000+200*s) // steps of at most .05 logits
	var win, noise, mass float64
	for k := 0; k <= n; k++ {
		z := -reach + 2*reach*float64(k)/float64(n)
		w := math.Exp(-z * z / 2)
		switch {
		case k == 0 || k == n:
		case k%2 == 1:
			w *= 4
		default:
			w *= 2
		}
		p := 1 / (1 + math.Exp(-(m + s*z)))
		mass, win, noise = mass+w, win+w*p, noise+w*coin(p)
	}
	return coin(win/mass) - noise/mass
}

func TestEIGLaws(t *testing.T) {
	for _, s := range []float64{.01, .3, 1, 3, 10, 30, 100} {
		for _, m := range []float64{0, .7, 3, 20} {
			near(t, "against Simpson's rule", EIG(m, s), simpson(m, s), 1e-8)
			if EIG(m, s) > EIG(m, 1.1*s) || EIG(m+.5, s) > EIG(m, s)+1e-12 {
				t.Errorf("at %g, %g the information does not grow with doubt and shrink with distance", m, s)
			}
		}
	}
	near(t, "continuous at the switch", EIG(.3*1.0001e4, 1.0001e4), EIG(.3*.9999e4, .9999e4), 5e-8)
	near(t, "no doubt", EIG(1, 0), 0, 0)
	near(t, "all doubt", EIG(5, math.Inf(1)), math.Ln2, 1e-15)
	if EIG(math.Inf(1), 1) != 0 || !math.IsNaN(EIG(0, -1)) || !math.IsNaN(EIG(math.NaN(), 1)) {
		t.Error("borders")
	}
}

func TestNextPairs(t *testing.T) {
	votes, _ := random(12, 100, .3, 0, 14)
	f := fit(t, 12, votes, Options{})
	all := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	picks, err := NextPairs(f, all, 5, PairOptions{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	if len(picks) != 5 {
		t.Fatalf("%d picks, want 5", len(picks))
	}
	// The first is the best of all pairs, by exhaustive search.
	best := 0.0
	for i := range 12 {
		for j := range i {
			best = max(best, EIG(f.Strength[i]-f.Strength[j], math.Sqrt(f.Var(i, j)))/(1+float64(f.Met(i, j))))
		}
	}
	near(t, "best pair", picks[0].EIG/(1+float64(picks[0].Met)), best, 1e-15)
	shown := map[int]int{}
	for _, p := range picks {
		shown[p.Left]++
		shown[p.Right]++
		if p.Propensity != 1 || p.Left == p.Right || p.Met != countVotes(votes, p.Left, p.Right) {
			t.Errorf("pick %+v", p)
		}
	}
	for i, n := range shown {
		if n > 1 {
			t.Errorf("item %d is shown %d times", i, n)
		}
	}
	slices.Reverse(all)
	again, err := NextPairs(f, all, 5, PairOptions{Seed: 3})
	if err != nil || !reflect.DeepEqual(picks, again) {
		t.Errorf("the same question gave %v, then %v (%v)", picks, again, err)
	}
	flipped := 0
	for seed := range uint64(400) {
		p, err := NextPairs(f, all, 1, PairOptions{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if p[0].Left > p[0].Right {
			flipped++
		}
	}
	near(t, "share of flipped pairs", float64(flipped)/400, .5, .1) // four standard errors
}

func countVotes(votes []Vote, i, j int) int {
	n := 0
	for _, v := range votes {
		if v.Left == i && v.Right == j || v.Left == j && v.Right == i {
			n++
		}
	}
	return n
}

func TestNextPairsRules(t *testing.T) {
	// Two pairs of equals; the first pair has met often, the second once.
	v := times(times(nil, 3, 0, 1, assay.Left), 3, 1, 0, assay.Left)
	v = times(v, 1, 2, 3, assay.Tie)
	f := fit(t, 4, v, Options{Ties: HalfTies})
	p, err := NextPairs(f, []int{0, 1, 2, 3}, 10, PairOptions{})
	if err != nil || len(p) != 2 || p[0].Met != 0 || p[1].Met != 0 {
		t.Errorf("pairs that never met come first: %+v, %v", p, err)
	}
	p, err = NextPairs(f, []int{0, 1, 2, 3}, 10, PairOptions{PerItem: 3, Penalty: -1})
	if err != nil || len(p) != 6 {
		t.Errorf("three a head allow all six pairs: %+v, %v", p, err)
	}
	p, err = NextPairs(f, []int{0, 1, 2, 3}, 1, PairOptions{MaxSeen: 6})
	if err != nil || len(p) != 1 || p[0].Left+p[0].Right != 5 || p[0].Met != 1 {
		t.Errorf("with a cap of six only 2 and 3 are left: %+v, %v", p, err)
	}
	// Without a prior, items of different components are wholly unknown.
	f = fit(t, 4, v, Options{Ties: HalfTies, Prior: NoPrior})
	p, err = NextPairs(f, []int{0, 1, 2, 3}, 1, PairOptions{})
	if err != nil || f.Component[p[0].Left] == f.Component[p[0].Right] || p[0].EIG != math.Ln2 {
		t.Errorf("joining components comes first: %+v, %v", p, err)
	}
	for name, c := range map[string]struct {
		items []int
		k     int
		opt   PairOptions
	}{
		"none":      {[]int{0, 1}, 0, PairOptions{}},
		"twice":     {[]int{0, 0}, 1, PairOptions{}},
		"range":     {[]int{0, 4}, 1, PairOptions{}},
		"many":      {make([]int, 1001), 1, PairOptions{}},
		"per item":  {[]int{0, 1}, 1, PairOptions{PerItem: -1}},
		"NaN":       {[]int{0, 1}, 1, PairOptions{Penalty: math.NaN()}},
		"below cap": {[]int{0, 1}, 1, PairOptions{MaxSeen: -1}},
	} {
		if _, err := NextPairs(f, c.items, c.k, c.opt); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v, want an error wrapping ErrInvalid", name, err)
		}
	}
	if p, err := NextPairs(f, nil, 1, PairOptions{}); err != nil || len(p) != 0 {
		t.Errorf("no candidates: %v, %v", p, err)
	}
}

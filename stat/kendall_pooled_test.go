package stat

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/gen-emerge/assay"
)

// permute calls f with every order of n things.
func permute(n int, f func(order []int)) {
	order := make([]int, n)
	var place func(at int, used int)
	place = func(at, used int) {
		if at == n {
			f(order)
			return
		}
		for v := range n {
			if used>>v&1 == 0 {
				order[at] = v
				place(at+1, used|1<<v)
			}
		}
	}
	place(0, 0)
}

// TestKendallNull compares the law with a count of all orders, and with the values
// for ten things that tables print.
func TestKendallNull(t *testing.T) {
	for n := 2; n <= 7; n++ {
		count, all := make([]float64, n*(n-1)/2+1), 0.0
		permute(n, func(order []int) {
			d := 0
			for i := range order {
				for j := range i {
					if order[j] > order[i] {
						d++
					}
				}
			}
			count[d]++
			all++
		})
		k, err := NewKendallNull(n)
		if err != nil {
			t.Fatal(err)
		}
		for d := range count {
			want := 0.0
			for e := range count { // as far from the middle, or farther
				if most := len(count) - 1; max(2*e-most, most-2*e) >= max(2*d-most, most-2*d) {
					want += count[e] / all
				}
			}
			p, err := k.P(d)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "p", p, want, 1e-14)
		}
	}
	ten, err := NewKendallNull(10)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "sd for ten", ten.StdDev(), .2485, 5e-5)
	for d, want := range map[int]float64{12: .0725, 11: .0466, 10: .0286, 9: .0167} {
		p, err := ten.P(d)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "p for ten", p, want, 5.1e-5)
	}
	for p, want := range map[float64]float64{.05: .5111, .0286: .6, .02: .6, .1: .4667} {
		least, err := ten.Least(p)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "least tau for ten", least, want, 5e-5)
	}
	// SciPy 1.17.1, kendalltau(range(n), order, method="exact") of an order with so
	// many inversions.
	for _, c := range []struct {
		n, inversions int
		p             float64
	}{
		{10, 11, 0.04662257495590829}, {30, 120, 0.0003607684252773088}, {60, 600, 0.00022591548563625406},
		{150, 4500, 0.0003804656877751596}, {150, 3000, 1.3661947110372262e-18},
	} {
		k, err := NewKendallNull(c.n)
		if err != nil {
			t.Fatal(err)
		}
		p, err := k.P(c.inversions)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "p as SciPy's", p, c.p, tolSciPy*c.p)
	}
	sum, square := 0.0, 0.0
	big, err := NewKendallNull(nullLimit)
	if err != nil {
		t.Fatal(err)
	}
	for d, s := range big.share {
		tau := 1 - 2*float64(d)/float64(len(big.share)-1)
		sum, square = sum+s, square+s*tau*tau
	}
	near(t, "all shares", sum, 1, 1e-12)
	near(t, "sd of the largest", math.Sqrt(square), big.StdDev(), 1e-12)
}

func TestKendallNullRefuses(t *testing.T) {
	for _, n := range []int{-1, 1, nullLimit + 1} {
		_, err := NewKendallNull(n)
		invalid(t, "size", err)
	}
	three, err := NewKendallNull(3)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []int{-1, 4} {
		_, err = three.P(d)
		invalid(t, "inversions", err)
	}
	_, err = three.Least(1)
	invalid(t, "level", err)
	if _, err = three.Least(.05); !errors.Is(err, assay.ErrUnavailable) { // full agreement has p = 1/3
		t.Errorf("three things at 0.05: %v", err)
	}
}

// round draws things and two judgings of them whose values correlate by rho.
func round(rng *rand.Rand, n int, rho float64) Paired {
	p := Paired{make([]float64, n), make([]float64, n)}
	for i := range n {
		p.X[i] = rng.NormFloat64()
		p.Y[i] = rho*p.X[i] + math.Sqrt(1-rho*rho)*rng.NormFloat64()
	}
	return p
}

// TestPooledKendallIsKendall: rounds that are copies have the tau-b of one, ties
// and all, and their pairs are those of each round and no more.
func TestPooledKendallIsKendall(t *testing.T) {
	x, y := []float64{12, 2, 1, 12, 2}, []float64{1, 4, 7, 1, 0} // SciPy: -0.471405
	p, err := PooledKendall(t.Context(), []Paired{{x, y}, {x, y}, {x, y}}, BootstrapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "tau-b", p.Value, -.471405, 5e-7)
	if p.Rounds != 3 || p.Pairs != 3*8 || p.Exact {
		t.Errorf("%+v: want 3 rounds, 24 pairs and no exact law with ties", p)
	}
	if p.Interval != (Interval{-1, 1}) || len(p.Warnings) != 1 {
		t.Errorf("interval %v with %v: rounds that are the same set no limit", p.Interval, p.Warnings)
	}
	one, err := Kendall(x, y)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "p of three rounds", math.Erfcinv(p.P), math.Sqrt(3)*math.Erfcinv(one.P), 1e-9)
}

// TestPooledKendallP counts all orders of two small rounds.
func TestPooledKendallP(t *testing.T) {
	up := []float64{1, 2, 3, 4}
	three := Paired{up[:3], []float64{1, 3, 2}}
	hits, all := 0, 0
	seen := 0
	permute(4, func(a []int) {
		permute(3, func(b []int) {
			s := 0
			for _, o := range [][]int{a, b} {
				for i := range o {
					for j := range i {
						s += cmp.Compare(o[i], o[j])
					}
				}
			}
			if all++; max(s, -s) >= 7 { // the rounds below: 6 and 1
				hits++
			}
			seen = max(seen, s)
		})
	})
	p, err := PooledKendall(t.Context(), []Paired{{up, up}, three}, BootstrapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Exact || seen != 9 {
		t.Errorf("exact %v, largest sum %d", p.Exact, seen)
	}
	near(t, "tau", p.Value, 7./9, 1e-15)
	near(t, "p", p.P, float64(hits)/float64(all), 1e-15)
}

// TestPooledKendallCovers draws rounds of ten whose truth is known: tau of normal
// numbers is 2/π·asin rho. Half of the rounds of a set are of a better day, so that
// rounds differ by more than chance.
func TestPooledKendallCovers(t *testing.T) {
	sets := 300
	if os.Getenv("ASSAY_TEST_LONG") != "" {
		sets = 20000
	}
	rng := rand.New(rand.NewPCG(4, 6))
	for _, rounds := range []int{4, 6} {
		for _, rho := range []float64{0, .6, .85} {
			lo, hi := max(-1, rho-.1), min(1, rho+.1)
			truth := (math.Asin(lo) + math.Asin(hi)) / math.Pi // the mean of the two days
			in, sure, wide := 0, 0, 0.0
			for set := range sets {
				rs := make([]Paired, rounds)
				for i := range rs {
					day := lo
					if rng.IntN(2) == 0 {
						day = hi
					}
					rs[i] = round(rng, 10, day)
				}
				p, err := PooledKendall(t.Context(), rs, BootstrapOptions{Resamples: 200, Seed: uint64(set)})
				if err != nil {
					t.Fatal(err)
				}
				if p.Interval.Lo <= truth && truth <= p.Interval.Hi {
					in++
				}
				if p.P <= .05 {
					sure++
				}
				wide += (p.Interval.Hi - p.Interval.Lo) / float64(sets)
			}
			cover := float64(in) / float64(sets)
			t.Logf("%d rounds, rho %g: %.3f of intervals hold tau %.3f (mean width %.2f), %.3f have p ≤ 0.05", rounds, rho, cover, truth, wide, float64(sure)/float64(sets))
			if cover < .92 || cover > .985 {
				t.Errorf("%d rounds, rho %g: %.3f of the intervals hold tau, want about 0.95", rounds, rho, cover)
			}
		}
	}
}

func TestPooledKendallRefuses(t *testing.T) {
	good := Paired{[]float64{1, 2, 3}, []float64{1, 3, 2}}
	tied := Paired{[]float64{1, 1, 1}, []float64{1, 3, 2}}
	if _, err := PooledKendall(t.Context(), []Paired{good}, BootstrapOptions{}); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("one round: %v", err)
	}
	for name, bad := range map[string]Paired{"short": {good.X, good.Y[:2]}, "NaN": {good.X, []float64{1, math.NaN(), 2}}, "one": {good.X[:1], good.Y[:1]}} {
		_, err := PooledKendall(t.Context(), []Paired{good, bad}, BootstrapOptions{})
		invalid(t, name, err)
	}
	_, err := PooledKendall(t.Context(), []Paired{tied, tied}, BootstrapOptions{})
	invalid(t, "all tied", err)
	p, err := PooledKendall(t.Context(), []Paired{good, tied, {good.Y, good.X}}, BootstrapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// 1/27 of the resamples hold nothing but the tied round.
	if len(p.Warnings) == 0 || p.Value >= 1./3 || slices.Contains(p.Warnings, nil) {
		t.Errorf("%+v: want a doubt about resamples, and the tied round's pairs to count against tau", p)
	}
}

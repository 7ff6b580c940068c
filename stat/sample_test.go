package stat

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestQuantilesAgreeWithNumPy(t *testing.T) {
	for _, c := range readGolden(t).Quantile {
		before := slices.Clone(c.X)
		got, err := Quantile(c.X, c.P)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "quantile", got, c.Value, 1e-12)
		if !slices.Equal(before, c.X) {
			t.Fatal("Quantile changed its input")
		}
	}
}

// TestQuantileIntervalAgreesWithSciPy compares with scipy.stats.quantile_test,
// whose interval inverts the same binomial tests; it prints NaN where ours is
// infinite.
func TestQuantileIntervalAgreesWithSciPy(t *testing.T) {
	for _, c := range readGolden(t).Quantile {
		if c.P == 0 || c.P == 1 {
			continue
		}
		est, err := QuantileInterval(c.X, c.P, .9)
		if err != nil {
			t.Fatal(err)
		}
		lo, hi := math.Inf(-1), math.Inf(1)
		if c.Lo != nil {
			lo = *c.Lo
		}
		if c.Hi != nil {
			hi = *c.Hi
		}
		near(t, "low", est.Interval.Lo, lo, 0)
		near(t, "high", est.Interval.Hi, hi, 0)
		if est.Coverage < .9-1e-12 {
			t.Errorf("coverage %g is below the level", est.Coverage)
		}
		if bounded := c.Lo != nil && c.Hi != nil; bounded != (len(est.Warnings) == 0) {
			t.Errorf("interval %v comes with %d warnings", est.Interval, len(est.Warnings))
		}
	}
}

func TestQuantileIntervalCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const rounds, n, p = 4000, 60, .2
	hits, coverage := 0, 0.0
	for range rounds {
		x := make([]float64, n)
		for i := range x {
			x[i] = rng.Float64()
		}
		est, err := QuantileInterval(x, p, .9)
		if err != nil {
			t.Fatal(err)
		}
		if est.Interval.Lo <= p && p <= est.Interval.Hi {
			hits++
		}
		coverage = est.Coverage
	}
	near(t, "coverage", float64(hits)/rounds, coverage, 4*math.Sqrt(.9*.1/rounds))
}

func TestQuantilesRefuse(t *testing.T) {
	for _, p := range []float64{-.1, 1.1, math.NaN()} {
		_, err := Quantile([]float64{1}, p)
		invalid(t, "quantile", err)
	}
	_, err := Quantile(nil, .5)
	invalid(t, "empty", err)
	_, err = Quantile([]float64{math.Inf(1)}, .5)
	invalid(t, "infinite", err)
	_, err = QuantileInterval([]float64{1, 2}, 0, .9)
	invalid(t, "p=0", err)
	_, err = QuantileInterval([]float64{1, 2}, .5, 1)
	invalid(t, "conf=1", err)
}

func TestRankCorrelationsAgreeWithSciPy(t *testing.T) {
	exact := 0
	for _, c := range readGolden(t).Rank {
		k, err := Kendall(c.X, c.Y)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "tau", k.Value, c.Tau, 1e-12)
		near(t, "tau p", k.P, c.TauP, tolSciPy)
		s, err := Spearman(c.X, c.Y)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "rho", s.Value, c.Rho, 1e-12)
		near(t, "rho p", s.P, c.RhoP, tolSciPy)
		if k.Exact {
			exact++
		}
	}
	if exact < 5 {
		t.Errorf("only %d of the cases used the exact law", exact)
	}
}

// TestKendallAsPublished checks values printed for ten things and SciPy's own
// documented example with ties.
func TestKendallAsPublished(t *testing.T) {
	k, err := Kendall([]float64{12, 2, 1, 12, 2}, []float64{1, 4, 7, 1, 0})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "tau-b", k.Value, -.471405, 5e-7)
	near(t, "p", k.P, .2827, 5e-5)
	ten := []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	for _, c := range []struct {
		inversions int
		tau, p     float64
	}{{12, .4667, .0725}, {11, .5111, .0466}, {10, .5556, .0286}, {9, .6, .0167}} {
		y := withInversions(10, c.inversions)
		k, err := Kendall(ten, y)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "tau", k.Value, c.tau, 5e-5)
		near(t, "exact p", k.P, c.p, 6e-5) // .07255 is printed as .0725
	}
	for _, c := range []struct{ tau, lo, hi float64 }{
		{.4667, -.023, .776}, {.6, .163, .840}, {.7333, .386, .899}, {.8667, .659, .952},
	} {
		iv, err := KendallInterval(c.tau, 10, .95)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "low", iv.Lo, c.lo, 6e-4)
		near(t, "high", iv.Hi, c.hi, 6e-4)
	}
}

// withInversions returns a permutation of 0..n-1 with exactly d inversions.
func withInversions(n, d int) []float64 {
	var y []float64
	for v := range n {
		at := min(v, d)
		d -= at
		y = slices.Insert(y, len(y)-at, float64(v))
	}
	return y
}

func TestRankCorrelationLaws(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		n := 2 + rng.IntN(30)
		x, y, up, neg := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
		for i := range x {
			x[i], y[i] = float64(rng.IntN(9)), float64(rng.IntN(9))
			up[i], neg[i] = math.Exp(y[i]), -y[i]
		}
		for name, f := range map[string]func(x, y []float64) (Agreement, error){"kendall": Kendall, "spearman": Spearman} {
			a, err := f(x, y)
			if err != nil {
				continue // all of one side tied
			}
			b, _ := f(y, x)
			near(t, name+" symmetric", b.Value, a.Value, 1e-14)
			c, _ := f(x, up)
			near(t, name+" monotone", c.Value, a.Value, 1e-14)
			d, _ := f(x, neg)
			near(t, name+" reversed", d.Value, -a.Value, 1e-14)
			if self, err := f(x, x); err != nil || math.Abs(self.Value-1) > 1e-14 {
				t.Errorf("%s with itself: %g, %v", name, self.Value, err)
			}
		}
		if a, err := Kendall(x, y); err == nil {
			near(t, "tau by counting pairs", a.Value, tauByPairs(x, y), 1e-12)
		}
	}
	_, err := Kendall([]float64{1, 1}, []float64{1, 2})
	invalid(t, "all tied", err)
	_, err = Spearman([]float64{1, 2}, []float64{1})
	invalid(t, "lengths", err)
	_, err = KendallInterval(1, 10, .95)
	invalid(t, "tau 1", err)
}

func tauByPairs(x, y []float64) float64 {
	sign := func(v float64) float64 {
		switch {
		case v > 0:
			return 1
		case v < 0:
			return -1
		}
		return 0
	}
	var s, nx, ny float64
	for i := range x {
		for j := range i {
			a, b := sign(x[i]-x[j]), sign(y[i]-y[j])
			s, nx, ny = s+a*b, nx+a*a, ny+b*b
		}
	}
	return s / math.Sqrt(nx*ny)
}

// TestBootstrapOfTwo compares with the exact bootstrap law of the mean of
// {0, 1}: 0, ½ and 1 with probability ¼, ½ and ¼.
func TestBootstrapOfTwo(t *testing.T) {
	x := []float64{0, 1}
	mean := func(index []int) float64 {
		sum := 0.0
		for _, i := range index {
			sum += x[i]
		}
		return sum / float64(len(index))
	}
	res, err := Bootstrap(t.Context(), 2, mean, BootstrapOptions{Resamples: 20000, Conf: .4, Seed: 9})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "value", res.Value, .5, 0)
	near(t, "low", res.Interval.Lo, .5, 0) // the 0.3 quantile
	near(t, "high", res.Interval.Hi, .5, 0)
	near(t, "standard error", res.StdErr, math.Sqrt(.125), .01)
	wide, err := Bootstrap(t.Context(), 2, mean, BootstrapOptions{Seed: 9})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "wide low", wide.Interval.Lo, 0, 0)
	near(t, "wide high", wide.Interval.Hi, 1, 0)
	if len(wide.Warnings) != 1 {
		t.Errorf("two observations give %d warnings, want 1", len(wide.Warnings))
	}
}

func TestBootstrapClusters(t *testing.T) {
	// Twenty clusters of five equal values: the mean varies as that of twenty.
	const clusters, size = 20, 5
	rng := rand.New(rand.NewPCG(10, 11))
	var x []float64
	var label []int
	ss := 0.0
	for c := range clusters {
		v := rng.NormFloat64()
		ss += v * v
		for range size {
			x, label = append(x, v), append(label, 7-c)
		}
	}
	m := 0.0
	for _, v := range x {
		m += v / float64(len(x))
	}
	want := math.Sqrt(ss/clusters-m*m) / math.Sqrt(clusters)
	mean := func(index []int) float64 {
		sum := 0.0
		for _, i := range index {
			sum += x[i]
		}
		return sum / float64(len(index))
	}
	opt := BootstrapOptions{Resamples: 8000, Seed: 12, Cluster: label}
	res, err := Bootstrap(t.Context(), len(x), mean, opt)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "standard error", res.StdErr, want, .05*want)
	// The mean of twenty clusters is near enough normal for the 2.5 % points.
	near(t, "low end", (res.Value-res.Interval.Lo)/want, 1.96, .2)
	near(t, "high end", (res.Interval.Hi-res.Value)/want, 1.96, .2)
	again, err := Bootstrap(t.Context(), len(x), mean, opt)
	if err != nil || again.Interval != res.Interval || again.StdErr != res.StdErr {
		t.Errorf("the same seed gave %v then %v (%v)", res, again, err)
	}
	opt.Cluster = nil
	apart, err := Bootstrap(t.Context(), len(x), mean, opt)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "ratio to independent votes", res.StdErr/apart.StdErr, math.Sqrt(size), .15)
}

func TestBootstrapSaysWhatItLeftOut(t *testing.T) {
	undefined := func(index []int) float64 {
		if slices.Contains(index, 0) {
			return 1
		}
		return math.NaN()
	}
	res, err := Bootstrap(t.Context(), 30, undefined, BootstrapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if res.Used >= 2000 || res.Used < 1000 || len(res.Warnings) != 1 {
		t.Errorf("used %d of 2000 with %d warnings", res.Used, len(res.Warnings))
	}
	_, err = Bootstrap(t.Context(), 3, func([]int) float64 { return math.NaN() }, BootstrapOptions{})
	invalid(t, "never defined", err)
	_, err = Bootstrap(t.Context(), 0, undefined, BootstrapOptions{})
	invalid(t, "nothing", err)
	_, err = Bootstrap(t.Context(), 3, undefined, BootstrapOptions{Cluster: []int{1}})
	invalid(t, "labels", err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Bootstrap(ctx, 3, undefined, BootstrapOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

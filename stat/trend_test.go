package stat

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// on places things on a line, so that distances are differences.
func on(x ...float64) Dist {
	return func(i, j int) (float64, error) { return math.Abs(x[i] - x[j]), nil }
}

func distancesOn(t *testing.T, x ...float64) *Distances {
	t.Helper()
	d, err := NewDistances(t.Context(), len(x), on(x...))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestSpread: mean and jackknife error of single things are those of MeanPairwise,
// and with batches those of leaving batches out by hand.
func TestSpread(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float64, 24)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	d := distancesOn(t, x...)
	want, err := MeanPairwise(t.Context(), 24, func(i, j int) (float64, error) { return d.At(i, j), nil })
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Spread(Window{0, 24}, 1, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "mean", got.Mean, want.Mean, 1e-12)
	near(t, "standard error", got.StdErr, want.StdErr, 1e-12)
	// Student's 97.5 % quantile with 23 degrees of freedom is 2.068658.
	near(t, "upper end", got.Interval.Hi, got.Mean*math.Exp(2.068658*got.StdErr/got.Mean), 1e-6)

	batched, err := d.Spread(Window{4, 24}, 4, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	var left []float64
	for out := range 5 {
		var keep []float64
		for i := 4; i < 24; i++ {
			if (i-4)/4 != out {
				keep = append(keep, x[i])
			}
		}
		m, err := MeanPairwise(t.Context(), len(keep), on(keep...))
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, m.Mean)
	}
	centre, ss := 0.0, 0.0
	for _, m := range left {
		centre += m / 5
	}
	for _, m := range left {
		ss += (m - centre) * (m - centre)
	}
	near(t, "batched standard error", batched.StdErr, math.Sqrt(ss*4/5), 1e-6) // distances are kept as float32
	if batched.N != 20 || batched.Groups != 5 {
		t.Errorf("%d things in %d batches", batched.N, batched.Groups)
	}
}

// TestCompareSpreadExact: the p-value is the share of all arrangements that do at
// least as well. Of the 20 ways to put six things into two windows, the true one
// and no other is as extreme: 0, 10, 25 against 40, 41, 43.
func TestCompareSpreadExact(t *testing.T) {
	d := distancesOn(t, 0, 10, 25, 40, 41, 43)
	c, err := CompareSpread(t.Context(), d, Window{0, 3}, Window{3, 6}, TrendOptions{Draws: 20000})
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBlocks(d, []Window{{0, 3}, {3, 6}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	value := func(first, last []int) float64 {
		f, sf := b.spread(first)
		l, sl := b.spread(last)
		return studentized(f-l, sf, sl)
	}
	observed, hits := value([]int{0, 1, 2}, []int{3, 4, 5}), 0
	for set := range 64 {
		var first, last []int
		for i := range 6 {
			if set>>i&1 == 1 {
				first = append(first, i)
			} else {
				last = append(last, i)
			}
		}
		if len(first) == 3 && value(first, last) >= observed-1e-9 {
			hits++
		}
	}
	near(t, "p", c.P, float64(hits)/20, 0.02)
	near(t, "ratio", c.Closer, (50.0/3)/2, 1e-6)
	near(t, "least p", c.Least, 1.0/20, 1e-12)
}

// TestCompareSpreadSame: things that are all the same make no NaN.
func TestCompareSpreadSame(t *testing.T) {
	for _, c := range []struct {
		x      []float64
		closer float64
		pMost  float64
	}{
		{[]float64{1, 1, 1, 1, 1, 1, 1, 1}, 1, 1},
		{[]float64{1, 2, 4, 8, 5, 5, 5, 5}, math.Inf(1), 0.2},
		{[]float64{5, 5, 5, 5, 1, 2, 4, 8}, 0, 1},
	} {
		got, err := CompareSpread(t.Context(), distancesOn(t, c.x...), Window{0, 4}, Window{4, 8}, TrendOptions{})
		if err != nil || got.Closer != c.closer || got.P > c.pMost || !(got.P > 0) || len(got.Warnings) == 0 {
			t.Errorf("%v: %+v, %v", c.x, got, err)
		}
	}
}

// TestNearest: by hand, with a lookback of two and in batches of two.
func TestNearest(t *testing.T) {
	got, err := Nearest(t.Context(), distancesOn(t, 0, 10, 12, 11, 30, 12.5), 2, TrendOptions{Draws: 99})
	if err != nil {
		t.Fatal(err)
	}
	want := []float64{2, 1, 18, 1.5}
	for i, w := range want {
		if near(t, "nearest", got.Distance[i], w, 1e-6); got.At[i] != i+2 {
			t.Errorf("thing %d at %d", i, got.At[i])
		}
	}
	near(t, "tau", got.Tau, 0, 1e-12) // 2>1, 2<18, 2>1.5, 1<18, 1<1.5, 18>1.5: three rise, three fall
	batches, err := Nearest(t.Context(), distancesOn(t, 0, 10, 12, 11, 30, 12.5, 13, 14), 2, TrendOptions{Draws: 99, Batch: 2})
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range []float64{2, 1, 18, 0.5, 0.5, 1.5} { // 13 and 14 see 30 and 12.5, not each other
		near(t, "nearest before the batch", batches.Distance[i], w, 1e-6)
	}
}

func TestEntropyMillerMadow(t *testing.T) {
	got, err := EntropyMillerMadow([]float64{3, 1, 0, 4})
	if err != nil {
		t.Fatal(err)
	}
	want := -(3./8*math.Log(3./8) + 1./8*math.Log(1./8) + 0.5*math.Log(0.5)) + 2./16
	near(t, "entropy", got, want, 1e-12)
	// The correction does what it is for: of 30 things in 8 equal cells the
	// plug-in estimate lacks 0.12 nats in the mean, the corrected one 0.01.
	rng := rand.New(rand.NewPCG(3, 4))
	plain, corrected := 0.0, 0.0
	for range 4000 {
		counts := make([]float64, 8)
		for range 30 {
			counts[rng.IntN(8)]++
		}
		p, _, _ := Entropy(counts)
		c, _ := EntropyMillerMadow(counts)
		plain, corrected = plain+p/4000, corrected+c/4000
	}
	near(t, "plug-in bias", plain-math.Log(8), -0.125, 0.01)
	near(t, "corrected bias", corrected-math.Log(8), 0, 0.015)
}

func TestCompareOccupancy(t *testing.T) {
	cells := []int{1, 2, 3, 4, 5, 6, 70, 70, 70, 70, 70, 1}
	got, err := CompareOccupancy(t.Context(), cells, Window{0, 6}, Window{6, 12}, TrendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "first", got.First, math.Log(6), 1e-12)
	near(t, "last", got.Last, -(5./6*math.Log(5./6) + 1./6*math.Log(1./6)), 1e-12)
	if got.FirstCells != 6 || got.LastCells != 2 || got.P > 0.02 {
		t.Errorf("%+v", got)
	}
}

// TestHolm: the example of Holm's procedure in R's p.adjust.
func TestHolm(t *testing.T) {
	got := Holm([]float64{0.01, 0.02, 0.03, 0.04, 0.05})
	for i, w := range []float64{0.05, 0.08, 0.09, 0.09, 0.09} {
		near(t, "adjusted", got[i], w, 1e-12)
	}
	got = Holm([]float64{0.7, 0.001, 0.6})
	for i, w := range []float64{1, 0.003, 1} {
		near(t, "adjusted, in the given order", got[i], w, 1e-12)
	}
}

// TestLooks: looks depend on the length only, shorter series have had a part of
// the same looks, and what they spend adds up to at most alpha.
func TestLooks(t *testing.T) {
	long, err := Looks(100_000, 40, 1, 0.05)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{40, 80, 120, 160, 200, 250, 312, 390} {
		if long[i].Things != want {
			t.Errorf("look %d after %d things, want %d", i+1, long[i].Things, want)
		}
	}
	if long[0].Window != 20 || long[1].Window != 40 {
		t.Errorf("windows of %d and %d", long[0].Window, long[1].Window)
	}
	spent := 0.0
	for i, l := range long {
		spent += l.Alpha
		short, err := Looks(l.Things, 40, 1, 0.05)
		if err != nil || len(short) != i+1 || short[i] != l {
			t.Fatalf("at %d things: %v %v", l.Things, short, err)
		}
		if next := NextLook(l.Things-1, 40, 1); next != l.Things {
			t.Errorf("before %d things the next look is after %d", l.Things, next)
		}
	}
	if spent >= 0.05 || spent < 0.045 {
		t.Errorf("%d looks spend %g", len(long), spent)
	}
	batched, err := Looks(500, 42, 5, 0.05)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range batched {
		if l.Things%5 != 0 || l.Window%5 != 0 || l.Things < 2*l.Window {
			t.Errorf("a look of batches of 5: %+v", l)
		}
	}
}

// TestSerial: things that come in pairs are noticed, things that drift slowly or
// come in any order are not.
func TestSerial(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	fill := func(next func(i int) float64) Dist {
		x := make([]float64, 400)
		for i := range x {
			x[i] = next(i)
		}
		return on(x...)
	}
	for _, c := range []struct {
		name string
		dist Dist
	}{
		{"any order", fill(func(int) float64 { return rng.NormFloat64() })},
		{"drift", fill(func(i int) float64 { return rng.NormFloat64() + float64(i)/100 })},
	} {
		s, err := SerialDependence(t.Context(), 400, c.dist, TrendOptions{})
		if err != nil || s.P < 0.01 {
			t.Errorf("%s: %+v %v", c.name, s, err)
		}
	}
	base := 0.0
	pairsOf := fill(func(i int) float64 {
		if i%2 == 0 {
			base = rng.NormFloat64()
		}
		return base + 0.1*rng.NormFloat64()
	})
	s, err := SerialDependence(t.Context(), 400, pairsOf, TrendOptions{})
	if err != nil || s.P > 0.001 || s.Closer < 1.3 {
		t.Errorf("pairs: %+v %v", s, err)
	}
	if s, err = SerialDependence(t.Context(), 400, pairsOf, TrendOptions{Batch: 2}); err != nil || s.P < 0.01 {
		t.Errorf("pairs that are told of: %+v %v", s, err)
	}
}

// TestBatches: things in batches of four raise false alarms if they are taken for
// single ones, and not if they are told of.
func TestBatches(t *testing.T) {
	alarms := map[int]int{}
	const runs = 60
	for run := range runs {
		rng := rand.New(rand.NewPCG(uint64(run), 21))
		var c cloud
		var centre []float64
		for i := range 120 {
			if i%4 == 0 {
				centre = gauss(rng, 8, math.Exp(0.5*rng.NormFloat64()))
			}
			v := gauss(rng, 8, 0.2)
			for k := range v {
				v[k] += centre[k]
			}
			c.put(v)
		}
		for _, batch := range []int{1, 4} {
			w, err := WatchTrend(t.Context(), 120, c.apart, c.cells, 40, 0.05, TrendOptions{Seed: uint64(run), Batch: batch})
			if err != nil {
				t.Fatal(err)
			}
			if w.Raised != nil {
				alarms[batch]++
			}
		}
	}
	t.Logf("of %d stationary series in batches of four %d raise an alarm if not told, %d if told", runs, alarms[1], alarms[4])
	if alarms[4] > 9 || alarms[1] <= alarms[4] {
		t.Errorf("told %d, not told %d", alarms[4], alarms[1])
	}
}

func TestTrendErrors(t *testing.T) {
	ctx := t.Context()
	d := distancesOn(t, 1, 2, 3, 4, 5, 6, 7, 8)
	check := func(what string, err error) { t.Helper(); invalid(t, what, err) }
	_, err := NewDistances(ctx, 1, on(1))
	check("one thing", err)
	_, err = NewDistances(ctx, 2, func(_, _ int) (float64, error) { return math.NaN(), nil })
	check("a distance that is not a number", err)
	_, err = NewDistances(ctx, 2, func(_, _ int) (float64, error) { return -1, nil })
	check("a negative distance", err)
	_, err = d.Spread(Window{0, 9}, 1, 0.95)
	check("a window outside", err)
	_, err = d.Spread(Window{0, 7}, 2, 0.95)
	check("half a batch", err)
	_, err = d.Spread(Window{0, 4}, 1, 1)
	check("a level of 1", err)
	_, err = CompareSpread(ctx, d, Window{0, 5}, Window{4, 8}, TrendOptions{})
	check("windows of two lengths", err)
	_, err = CompareSpread(ctx, d, Window{0, 5}, Window{3, 8}, TrendOptions{})
	check("windows that overlap", err)
	_, err = CompareSpread(ctx, d, Window{0, 4}, Window{4, 8}, TrendOptions{Draws: -1})
	check("no draws", err)
	_, err = Nearest(ctx, d, 0, TrendOptions{})
	check("no lookback", err)
	_, err = Nearest(ctx, d, 6, TrendOptions{})
	check("too few", err)
	_, err = CompareOccupancy(ctx, []int{1, 2, 3}, Window{0, 2}, Window{2, 4}, TrendOptions{})
	check("cells outside", err)
	_, err = Looks(100, 5, 1, 0.05)
	check("small windows", err)
	_, err = Looks(100, 40, 1, 0)
	check("no error rate", err)
	_, err = SerialDependence(ctx, 19, on(make([]float64, 19)...), TrendOptions{})
	check("no stretch", err)
	boom := errors.New("boom")
	if _, err := NewDistances(ctx, 3, func(_, _ int) (float64, error) { return 0, boom }); !errors.Is(err, boom) {
		t.Errorf("a distance that fails: %v", err)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := NewDistances(stopped, 3, on(1, 2, 3)); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	if _, err := WatchTrend(stopped, 80, on(make([]float64, 80)...), nil, 40, 0.05, TrendOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a watch that is stopped: %v", err)
	}
}

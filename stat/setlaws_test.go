package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestFrechetLaws: what holds for any two sets, of any rank.
func TestFrechetLaws(t *testing.T) {
	for _, s := range [][3]int{{50, 60, 7}, {5, 60, 20}, {6, 4, 20}, {300, 20, 41}} {
		x, y := goldenFeatures(s[0], s[2], 1, 0), goldenFeatures(s[1], s[2], 2, 0.4)
		xy, err := FrechetFeatures(t.Context(), x, y, true)
		if err != nil {
			t.Fatal(err)
		}
		yx, err := FrechetFeatures(t.Context(), y, x, true)
		if err != nil {
			t.Fatal(err)
		}
		near(t, fmt.Sprint(s, ": either way round"), xy.Value, yx.Value, 1e-12)
		for _, f := range []Features{x, y} {
			self, err := FrechetFeatures(t.Context(), f, f, true)
			if err != nil {
				t.Fatal(err)
			}
			near(t, fmt.Sprint(s, ": from itself"), self.Value, 0, 1e-12)
		}
		// A set moved by 0.5 in every column, exactly: the distance is d/4.
		moved := Features{x.Dim, slices.Clone(x.Data)}
		for i := range moved.Data {
			moved.Data[i] += 0.5
		}
		away, err := FrechetFeatures(t.Context(), x, moved, false)
		if err != nil {
			t.Fatal(err)
		}
		near(t, fmt.Sprint(s, ": from itself moved"), away.Value, float64(x.Dim)/4, 1e-5)
		// Twice the set is as far as the mean and the spread say: tr Σ + ‖μ‖².
		double := Features{x.Dim, slices.Clone(x.Data)}
		for i := range double.Data {
			double.Data[i] *= 2
		}
		twice, err := FrechetFeatures(t.Context(), x, double, false)
		if err != nil {
			t.Fatal(err)
		}
		want := 0.0
		for _, v := range x.Data {
			want += float64(v) * float64(v) / float64(x.Len())
		}
		near(t, fmt.Sprint(s, ": from itself doubled"), twice.Value, want, 1e-11*want)
	}
}

// TestFrechetOfDisjointPlanes: two sets that spread in directions at right angles
// have a root of 0. A square root of eigenvalues finds 1e-8 there; this is exact.
func TestFrechetOfDisjointPlanes(t *testing.T) {
	const d = 40
	make2 := func(first int) Features {
		f := goldenFeatures(30, d, uint64(first+1), 0.5)
		for i := range f.Len() {
			clear(f.Row(i)[:first])
			clear(f.Row(i)[first+d/2:])
		}
		return f
	}
	a, b := make2(0), make2(d/2)
	f, err := FrechetMoments(t.Context(), momentsOf(t, plain(a)), momentsOf(t, plain(b)), true)
	if err != nil {
		t.Fatal(err)
	}
	traces := 0.0
	for _, m := range []*Moments{momentsOf(t, plain(a)), momentsOf(t, plain(b))} {
		for j := range d {
			traces += m.Scatter[j*d+j] / float64(m.N-1)
		}
	}
	near(t, "traces of disjoint planes", f.Traces, traces, 1e-14*traces)
}

func TestFrechetWarns(t *testing.T) {
	for n, want := range map[int]string{8: "biased upward by far", 9: "biased upward;", 39: "biased upward;", 40: ""} {
		x, y := goldenFeatures(n, 8, 1, 0), goldenFeatures(100, 8, 1, 0)
		f, err := FrechetFeatures(t.Context(), y, x, true)
		if err != nil {
			t.Fatal(err)
		}
		said := ""
		for _, w := range f.Warnings {
			said += w.Error()
		}
		if want == "" && said != "" || !strings.Contains(said, want) {
			t.Errorf("%d rows of eight: warnings %q; want %q", n, said, want)
		}
	}
}

// TestFrechetInfinity: two sets of one population are at 0; the finite distance
// is above it, the intercept near it, and the sizes are dgm-eval's.
func TestFrechetInfinity(t *testing.T) {
	const d = 12
	a, b := momentsOf(t, plain(goldenFeatures(200000, d, 1, 0))), goldenFeatures(4000, d, 2, 0)
	r, err := FrechetInfinity(t.Context(), a, b, true, FrechetInfinityOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// numpy.linspace(400, 4000, 15).astype('int32')
	want := []int{400, 657, 914, 1171, 1428, 1685, 1942, 2200, 2457, 2714, 2971, 3228, 3485, 3742, 4000}
	if !slices.Equal(r.Sizes, want) {
		t.Errorf("sizes %v, want %v", r.Sizes, want)
	}
	whole, err := FrechetFeatures(t.Context(), goldenFeatures(200000, d, 1, 0), b, true)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "whole set", r.Whole, whole.Value, 1e-9*whole.Value)
	if !(math.Abs(r.Value) < r.Whole/3) || r.Distances[0] < 3*r.Whole {
		t.Errorf("intercept %g, whole %g, first %g: want the intercept near 0 and the parts far above", r.Value, r.Whole, r.Distances[0])
	}
	at, se := intercept([]float64{1, 2, 3, 4}, []float64{5, 7, 9, 11})
	near(t, "intercept", at, 3, 1e-14)
	near(t, "its error", se, 0, 1e-14)
	_, err = FrechetInfinity(t.Context(), a, b, true, FrechetInfinityOptions{Sizes: 1})
	invalid(t, "one size", err)
	_, err = FrechetInfinity(t.Context(), a, b.part(0, 19), true, FrechetInfinityOptions{})
	invalid(t, "few rows", err)
}

// TestKIDBothWays: subsets computed one by one and shared out of the whole agree.
func TestKIDBothWays(t *testing.T) {
	x, y := plain(goldenFeatures(310, 20, 1, 0)), plain(goldenFeatures(260, 20, 2, 0.2))
	rng := NewMT19937(9)
	const size = 130
	var sx, sy [][]int
	for range 4 {
		a, b := rng.Choose(310, size), rng.Choose(260, size)
		slices.Sort(a)
		slices.Sort(b)
		sx, sy = append(sx, a), append(sy, b)
	}
	shared, err := subsetMMDs(t.Context(), best(), x, y, sx, sy) // 4 subsets of 130: more pairs than the sets have
	if err != nil {
		t.Fatal(err)
	}
	for s := range sx {
		one, err := subsetMMDs(t.Context(), best(), x, y, sx[s:s+1], sy[s:s+1])
		if err != nil {
			t.Fatal(err)
		}
		near(t, "subset", shared[s], one[0], 1e-13)
	}
}

func TestCMMDOfFewWarns(t *testing.T) {
	x := goldenFeatures(1, 5, 1, 0.5)
	c, err := CLIPMMD(t.Context(), x, x)
	if err != nil || c.Value != 0 || !math.IsNaN(c.Unbiased) || len(c.Warnings) != 1 {
		t.Errorf("one row from itself: %+v, %v; want 0, no unbiased value and a warning", c, err)
	}
	zero := Features{2, []float32{1, 0, 0, 0}}
	_, err = CLIPMMD(t.Context(), zero, zero)
	invalid(t, "a row of zeros", err)
}

// TestBallsOnALine: whole numbers on a line, where edges are met exactly.
func TestBallsOnALine(t *testing.T) {
	line := func(at ...float32) Features { return Features{1, at} }
	// With neighbour 1, real balls reach 1 from 0, 1 and 5, 6; generated ones 3
	// from 2 and 5, and 5 from 10.
	real, fake := line(0, 1, 5, 6), line(2, 5, 10)
	pr, err := PrecisionRecall(t.Context(), real, fake, 1)
	if err != nil {
		t.Fatal(err)
	}
	dc, err := DensityCoverage(t.Context(), real, fake, 1)
	if err != nil {
		t.Fatal(err)
	}
	// 2 is on the edge of 1's ball; 5 inside 5's, on the edge of 6's; 10 in none.
	if pr.Inside != 2 || pr.Reached != 4 {
		t.Errorf("with edges: %d generated rows inside, %d real rows reached; want 2, 4", pr.Inside, pr.Reached)
	}
	near(t, "strict precision", dc.Precision, 1.0/3, 1e-15)
	near(t, "strict recall", dc.Recall, 1, 0) // 0 and 1 by 2's ball, 5 and 6 by 5's
	near(t, "density", dc.Density, 1.0/3, 1e-15)
	if dc.Covered != 1 {
		t.Errorf("%d real rows covered, want 1", dc.Covered)
	}
	// A set against itself: every row is inside, and covered.
	x := goldenFeatures(500, 16, 3, 0)
	if pr, err = PrecisionRecall(t.Context(), x, x, 3); err != nil || pr.Precision != 1 || pr.Recall != 1 {
		t.Errorf("a set against itself: %+v, %v", pr, err)
	}
	if dc, err = DensityCoverage(t.Context(), x, x, 5); err != nil || dc.Coverage != 1 || dc.Density != 1 {
		t.Errorf("a set against itself: %+v, %v; want density 1: itself and four neighbours, the fifth on the edge", dc, err)
	}
}

// TestBallsAgainstPlainLoops: random sets, with repeats, against sorting.
func TestBallsAgainstPlainLoops(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for trial := range 40 {
		n, m, d := 5+rng.IntN(300), 5+rng.IntN(300), 1+rng.IntN(4)
		draw := func(n int) Features {
			f := Features{d, make([]float32, n*d)}
			for i := range f.Data {
				f.Data[i] = float32(rng.IntN(12))
			}
			return f
		}
		real, fake := draw(n), draw(m)
		k := 1 + rng.IntN(4)
		dist := func(a, b []float32) float64 {
			s := 0.0
			for i := range a {
				s += float64(a[i]-b[i]) * float64(a[i]-b[i])
			}
			return s
		}
		radius := func(f Features) []float64 {
			var out []float64
			for i := range f.Len() {
				var all []float64
				for j := range f.Len() {
					if i != j {
						all = append(all, dist(f.Row(i), f.Row(j)))
					}
				}
				slices.Sort(all)
				out = append(out, all[k-1])
			}
			return out
		}
		rr, fr := radius(real), radius(fake)
		var inside, reached, covered, balls int
		for j := range m {
			in := false
			for i := range n {
				d := dist(real.Row(i), fake.Row(j))
				in = in || d <= rr[i]
				if d < rr[i] {
					balls++
				}
			}
			if in {
				inside++
			}
		}
		for i := range n {
			in, cov := false, false
			for j := range m {
				d := dist(real.Row(i), fake.Row(j))
				in, cov = in || d <= fr[j], cov || d < rr[i]
			}
			if in {
				reached++
			}
			if cov {
				covered++
			}
		}
		pr, err := PrecisionRecall(t.Context(), real, fake, k)
		if err != nil {
			t.Fatal(err)
		}
		dc, err := DensityCoverage(t.Context(), real, fake, k)
		if err != nil {
			t.Fatal(err)
		}
		if pr.Inside != inside || pr.Reached != reached || dc.Covered != covered {
			t.Errorf("trial %d: inside %d, reached %d, covered %d; want %d, %d, %d", trial, pr.Inside, pr.Reached, dc.Covered, inside, reached, covered)
		}
		near(t, "density", dc.Density, float64(balls)/float64(m*k), 1e-12)
	}
}

func TestVendiLaws(t *testing.T) {
	ctx := t.Context()
	one := goldenFeatures(1, 9, 1, 0.5)
	for _, q := range []float64{0.5, 1, 2, math.Inf(1)} {
		v, err := Vendi(ctx, one, q)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "one row", v, 1, 1e-12)
		// Four directions at right angles, the third taken six times.
		f := Features{5, make([]float32, 9*5)}
		for i, at := range []int{0, 1, 2, 2, 2, 2, 2, 2, 3} {
			f.Row(i)[at] = float32(i + 1)
		}
		if v, err = Vendi(ctx, f, q); err != nil {
			t.Fatal(err)
		}
		shares := []float64{1. / 9, 1. / 9, 6. / 9, 1. / 9}
		near(t, fmt.Sprintf("four directions of order %g", q), v, vendiSpectrum(shares, q), 1e-12)
		for i := range f.Data { // and all of them once, whatever their lengths
			f.Data[i] = 0
		}
		for i := range 5 {
			f.Row(i)[i] = float32(int(1) << i)
		}
		if v, err = Vendi(ctx, f.part(0, 5), q); err != nil {
			t.Fatal(err)
		}
		near(t, "right angles", v, 5, 1e-12)
	}
	for _, q := range []float64{0, -1, math.NaN()} {
		_, err := Vendi(ctx, one, q)
		invalid(t, "order", err)
	}
	_, err := Vendi(ctx, Features{Dim: 3}, 1)
	invalid(t, "no rows", err)
	for what, k := range map[string][]float64{
		"too few numbers": {1, 0, 0}, "not like itself": {1, 0, 0, 0.5}, "not symmetric": {1, 0.2, 0.3, 1}, "not finite": {1, math.NaN(), math.NaN(), 1},
	} {
		_, err := VendiKernel(ctx, k, 2, 1)
		invalid(t, what, err)
	}
}

func TestPairwiseAgreesWithLoops(t *testing.T) {
	f := goldenFeatures(50, 7, 2, 0.3)
	cosine := func(i, j int) (float64, error) {
		var ab, aa, bb float64
		for k := range f.Dim {
			a, b := float64(f.Row(i)[k]), float64(f.Row(j)[k])
			ab, aa, bb = ab+a*b, aa+a*a, bb+b*b
		}
		return 1 - ab/math.Sqrt(aa*bb), nil
	}
	slow, err := MeanPairwise(t.Context(), f.Len(), cosine)
	if err != nil {
		t.Fatal(err)
	}
	fast, err := MeanPairwiseCosine(f)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "mean", fast.Mean, slow.Mean, 1e-14)
	near(t, "error", fast.StdErr, slow.StdErr, 1e-13)
	if fast.Pairs != 50*49/2 || fast.N != 50 {
		t.Errorf("%d pairs of %d", fast.Pairs, fast.N)
	}
	// The error is the jackknife's, leaving one out at a time.
	r, err := Jackknife(t.Context(), []int{50}, JackknifeOptions{Groups: 50}, func(keep [][]int) (float64, error) {
		p, err := MeanPairwise(t.Context(), len(keep[0]), func(i, j int) (float64, error) { return cosine(keep[0][i], keep[0][j]) })
		return p.Mean, err
	})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "error by leaving out", fast.StdErr, r.StdErr, 1e-13)
	_, err = MeanPairwise(t.Context(), 1, cosine)
	invalid(t, "one thing", err)
	_, err = MeanPairwise(t.Context(), 2, func(int, int) (float64, error) { return math.NaN(), nil })
	invalid(t, "a distance that is not finite", err)
	_, err = MeanPairwiseCosine(f.part(0, 1))
	invalid(t, "one row", err)
}

// TestSetMetricsRefuse: NaN and infinity by row and column, sets that do not fit,
// sets that are too small.
func TestSetMetricsRefuse(t *testing.T) {
	ctx := t.Context()
	good := goldenFeatures(20, 4, 1, 0.5)
	nan := Features{4, slices.Clone(good.Data)}
	nan.Data[4*7+2] = float32(math.NaN())
	inf := Features{4, slices.Clone(good.Data)}
	inf.Data[4*7+2] = float32(math.Inf(1))
	calls := map[string]func(x, y Features) error{
		"fréchet":    func(x, y Features) error { _, err := FrechetFeatures(ctx, x, y, true); return err },
		"kid":        func(x, y Features) error { _, err := KernelInception(ctx, x, y, KIDOptions{Size: 2}); return err },
		"polynomial": func(x, y Features) error { _, err := PolynomialMMD(ctx, x, y); return err },
		"cmmd":       func(x, y Features) error { _, err := CLIPMMD(ctx, x, y); return err },
		"precision":  func(x, y Features) error { _, err := PrecisionRecall(ctx, x, y, 3); return err },
		"density":    func(x, y Features) error { _, err := DensityCoverage(ctx, x, y, 3); return err },
	}
	for name, call := range calls {
		if err := call(good, good); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, bad := range []Features{nan, inf} {
			for _, err := range []error{call(bad, good), call(good, bad)} {
				invalid(t, name, err)
				if err != nil && !strings.Contains(err.Error(), "row 7, column 2") {
					t.Errorf("%s: %v; want it to name row 7, column 2", name, err)
				}
			}
		}
		invalid(t, name+": no rows", call(good, Features{Dim: 4}))
		invalid(t, name+": no dimensions", call(Features{}, Features{}))
		invalid(t, name+": other dimensions", call(good, goldenFeatures(20, 5, 1, 0.5)))
		invalid(t, name+": part of a row", call(good, Features{4, good.Data[:7]}))
	}
	three := goldenFeatures(3, 4, 1, 0)
	invalid(t, "three rows with neighbour 3", calls["precision"](good, three))
	invalid(t, "three rows with neighbour 3", calls["density"](three, good))
	invalid(t, "one row", calls["fréchet"](good, good.part(0, 1)))
	invalid(t, "one row", calls["polynomial"](good, good.part(0, 1)))
	for _, o := range []KIDOptions{{Size: 1}, {Size: 21}, {Subsets: -1}} {
		_, err := KernelInception(ctx, good, good, o)
		invalid(t, fmt.Sprint(o), err)
	}
	_, err := PrecisionRecall(ctx, good, good, 0)
	invalid(t, "neighbour 0", err)
}

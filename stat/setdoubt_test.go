package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestMMDErrorIsTheJackknife leaves each row out in turn.
func TestMMDErrorIsTheJackknife(t *testing.T) {
	x, y := plain(goldenFeatures(30, 6, 1, 0)), plain(goldenFeatures(25, 6, 2, 0.1))
	whole, err := mmd(t.Context(), best(), x, y, polynomial(6))
	if err != nil {
		t.Fatal(err)
	}
	variance := 0.0
	for set, n := range []int{30, 25} {
		left := make([]float64, n)
		for i := range left {
			all := make([]int, 0, n)
			for j := range n {
				if j != i {
					all = append(all, j)
				}
			}
			a, b := x, y
			if set == 0 {
				a = x.pick(all)
			} else {
				b = y.pick(all)
			}
			r, err := mmd(t.Context(), best(), a, b, polynomial(6))
			if err != nil {
				t.Fatal(err)
			}
			left[i] = r.Unbiased
		}
		_, std := meanStd(left)
		variance += float64(n-1) * std * std
	}
	near(t, "standard error", whole.StdErr, math.Sqrt(variance), 1e-12)
	small, err := mmd(t.Context(), best(), x.pick([]int{0, 1}), y, polynomial(6))
	if err != nil || !math.IsNaN(small.StdErr) {
		t.Errorf("two rows: error %g, %v; want NaN", small.StdErr, err)
	}
}

// TestMMDErrorCovers draws pairs of sets at a known distance and counts how often
// the distance lies within two standard errors.
func TestMMDErrorCovers(t *testing.T) {
	const trials, spread, s2 = 400, 0.4, 0.4 * 0.4
	for _, shift := range []float64{0, 0.3} {
		in := 0
		for trial := range trials {
			rng := rand.New(rand.NewPCG(uint64(trial), 77))
			draw := func(n int, shift float64) rows {
				data := make([]float64, n)
				for i := range data {
					data[i] = spread*rng.NormFloat64() + shift
				}
				return wide(n, 1, func(i, _ int) float64 { return data[i] })
			}
			m, err := mmd(t.Context(), best(), draw(60, 0), draw(60, shift), polynomial(1))
			if err != nil {
				t.Fatal(err)
			}
			// E k(x,y) of independent normals with means a and b is Σ C(3,j) E xʲ E yʲ.
			k := func(a, b float64) float64 {
				return 1 + 3*a*b + 3*(s2+a*a)*(s2+b*b) + (a*a*a+3*a*s2)*(b*b*b+3*b*s2)
			}
			if truth := k(0, 0) + k(shift, shift) - 2*k(0, shift); math.Abs(m.Unbiased-truth) < 2*m.StdErr {
				in++
			}
		}
		// Around a distance of 0 the jackknife errs on the safe side.
		if share := float64(in) / trials; share < 0.92 {
			t.Errorf("shift %g: %.3f of the intervals hold the distance, want about 0.95", shift, share)
		}
	}
}

// TestJackknifeOfAMean: of means the jackknife with one thing a group is the
// textbook error; with larger groups it covers.
func TestJackknifeOfAMean(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	draw := func(n int, mean float64) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = rng.ExpFloat64() + mean - 1
		}
		return v
	}
	mean := func(v []float64, keep []int) float64 {
		s := 0.0
		for _, i := range keep {
			s += v[i]
		}
		return s / float64(len(keep))
	}
	a, b := draw(40, 0), draw(30, 2)
	r, err := Jackknife(t.Context(), []int{40, 30}, JackknifeOptions{Groups: 1000}, func(keep [][]int) (float64, error) {
		return mean(b, keep[1]) - mean(a, keep[0]), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, sa := meanStd(a)
	_, sb := meanStd(b)
	near(t, "error of a difference", r.StdErr, math.Sqrt(sa*sa/39+sb*sb/29), 1e-12)
	if r.Groups != 70 {
		t.Errorf("%d groups, want 70", r.Groups)
	}
	const trials = 1000
	in := 0
	for trial := range trials {
		v := draw(95, 5)
		r, err := Jackknife(t.Context(), []int{95}, JackknifeOptions{Seed: uint64(trial)}, func(keep [][]int) (float64, error) { return mean(v, keep[0]), nil })
		if err != nil {
			t.Fatal(err)
		}
		if r.Interval.Lo <= 5 && 5 <= r.Interval.Hi {
			in++
		}
	}
	if share := float64(in) / trials; share < 0.92 || share > 0.975 {
		t.Errorf("%.3f of the intervals hold the mean, want 0.95", share)
	}
	fails := func([][]int) (float64, error) { return 0, nil }
	_, err = Jackknife(t.Context(), nil, JackknifeOptions{}, fails)
	invalid(t, "no set", err)
	_, err = Jackknife(t.Context(), []int{1}, JackknifeOptions{}, fails)
	invalid(t, "a set of one", err)
	_, err = Jackknife(t.Context(), []int{9}, JackknifeOptions{Groups: 1}, fails)
	invalid(t, "one group", err)
	_, err = Jackknife(t.Context(), []int{9}, JackknifeOptions{Conf: 1}, fails)
	invalid(t, "certainty", err)
}

// TestJackknifeOfMoments: the groups' moments give what leaving rows out gives.
func TestJackknifeOfMoments(t *testing.T) {
	const groups = 6
	x, y := goldenFeatures(90, 8, 1, 0), goldenFeatures(60, 8, 2, 0.3)
	parts := make([][]*Moments, 2)
	for s, f := range []Features{x, y} {
		for g := range groups {
			var index []int
			for i := g; i < f.Len(); i += groups {
				index = append(index, i)
			}
			parts[s] = append(parts[s], momentsOf(t, plain(f).pick(index)))
		}
	}
	got, err := JackknifeMoments(t.Context(), parts, JackknifeOptions{}, func(sets []*Moments) (float64, error) {
		f, err := FrechetMoments(t.Context(), sets[0], sets[1], true)
		return f.Value, err
	})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := FrechetFeatures(t.Context(), x, y, true)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "value", got.Value, whole.Value, 1e-11)
	variance := 0.0
	for s := range 2 {
		left := make([]float64, groups)
		for g := range left {
			sets := [2]rows{plain(x), plain(y)}
			var keep []int
			for i := range sets[s].n {
				if i%groups != g {
					keep = append(keep, i)
				}
			}
			sets[s] = sets[s].pick(keep)
			f, err := frechetRows(t.Context(), best(), sets[0], sets[1], true)
			if err != nil {
				t.Fatal(err)
			}
			left[g] = f.Value
		}
		_, std := meanStd(left)
		variance += (groups - 1) * std * std
	}
	near(t, "error", got.StdErr, math.Sqrt(variance), 1e-11)
	_, err = JackknifeMoments(t.Context(), parts[:0], JackknifeOptions{}, nil)
	invalid(t, "no set", err)
	_, err = JackknifeMoments(t.Context(), [][]*Moments{parts[0][:1]}, JackknifeOptions{}, nil)
	invalid(t, "one group", err)
}

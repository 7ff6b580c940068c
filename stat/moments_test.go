package stat

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	gonum "gonum.org/v1/gonum/stat"
)

func (f Features) part(from, to int) Features { return Features{f.Dim, f.Data[from*f.Dim : to*f.Dim]} }

// TestMomentsAgreeWithGonum holds one pass against covariances made the plain way,
// also where a mean far above the spread would cost the sum of squares its digits.
func TestMomentsAgreeWithGonum(t *testing.T) {
	for _, offset := range []float32{0, 1 << 13} {
		f := goldenFeatures(2100, 37, 5, 0)
		for i := range f.Data {
			f.Data[i] += offset
		}
		m := momentsOf(t, plain(f))
		data := mat.NewDense(f.Len(), f.Dim, nil)
		for i := range f.Len() {
			for j, v := range f.Row(i) {
				data.Set(i, j, float64(v))
			}
		}
		var cov mat.SymDense
		gonum.CovarianceMatrix(&cov, data, nil)
		for i := range f.Dim {
			near(t, "mean", m.Mean[i], gonum.Mean(mat.Col(nil, i, data), nil), 1e-15*math.Abs(m.Mean[i])+1e-14)
			for j := range f.Dim {
				if m.Scatter[i*f.Dim+j] != m.Scatter[j*f.Dim+i] {
					t.Fatalf("scatter is not symmetric at %d, %d", i, j)
				}
				near(t, "covariance", m.Scatter[i*f.Dim+j]/float64(m.N-1), cov.At(i, j), 1e-12)
			}
		}
	}
}

// TestMomentsOfShardsEqualOnePass: whatever the split, with empty shards and
// shards of one row, added up or merged in any grouping, moments and distance
// agree with one pass within 1e-9.
func TestMomentsOfShardsEqualOnePass(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	other := momentsOf(t, plain(goldenFeatures(200, 24, 9, 0.3)))
	for trial := range 300 {
		n := 2 + rng.IntN(400)
		f := goldenFeatures(n, 24, uint64(trial+10), float64(trial%5))
		whole := momentsOf(t, plain(f))
		var shards []*Moments
		for from := 0; from < n; {
			size := []int{0, 1, 1 + rng.IntN(5), 1 + rng.IntN(n)}[rng.IntN(4)]
			to := min(n, from+size)
			m, err := NewMoments(f.Dim)
			if err != nil {
				t.Fatal(err)
			}
			// A shard may itself have come in two parts.
			mid := from + rng.IntN(to-from+1)
			for _, p := range []Features{f.part(from, mid), f.part(mid, to)} {
				if err := m.Add(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
			shards = append(shards, m)
			from = to
		}
		rng.Shuffle(len(shards), func(i, j int) { shards[i], shards[j] = shards[j], shards[i] })
		count := len(shards)
		for len(shards) > 1 { // merge any two neighbours until one is left
			i := rng.IntN(len(shards) - 1)
			if err := shards[i].Merge(shards[i+1]); err != nil {
				t.Fatal(err)
			}
			shards = append(shards[:i+1], shards[i+2:]...)
		}
		compareMoments(t, fmt.Sprintf("%d rows in %d shards", n, count), shards[0], whole)
		a, err := FrechetMoments(t.Context(), shards[0], other, true)
		if err != nil {
			t.Fatal(err)
		}
		b, err := FrechetMoments(t.Context(), whole, other, true)
		if err != nil {
			t.Fatal(err)
		}
		near(t, fmt.Sprintf("distance of %d rows in %d shards", n, count), a.Value, b.Value, 1e-9*b.Value)
	}
}

func compareMoments(t *testing.T, what string, got, want *Moments) {
	t.Helper()
	if got.N != want.N {
		t.Fatalf("%s: %d rows, want %d", what, got.N, want.N)
	}
	d, top := got.Dim(), 0.0
	for j := range d {
		top = max(top, want.Scatter[j*d+j])
	}
	for j := range d {
		near(t, what+": mean", got.Mean[j], want.Mean[j], 1e-9*math.Abs(want.Mean[j]))
	}
	for i := range want.Scatter {
		near(t, what+": scatter", got.Scatter[i], want.Scatter[i], 1e-12*top)
	}
}

func TestMomentsRefuse(t *testing.T) {
	for _, dim := range []int{-1, 0, maxDim + 1} {
		_, err := NewMoments(dim)
		invalid(t, "dimension", err)
	}
	m, err := NewMoments(3)
	if err != nil {
		t.Fatal(err)
	}
	invalid(t, "rows of another length", m.Add(t.Context(), Features{Dim: 4, Data: make([]float32, 8)}))
	invalid(t, "part of a row", m.Add(t.Context(), Features{Dim: 3, Data: make([]float32, 8)}))
	bad := Features{Dim: 3, Data: []float32{1, 2, 3, 4, float32(math.NaN()), 6}}
	err = m.Add(t.Context(), bad)
	invalid(t, "NaN", err)
	if want := "row 1, column 1"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("NaN: %v; want it to name %s", err, want)
	}
	bad.Data[4] = float32(math.Inf(-1))
	invalid(t, "infinity", m.Add(t.Context(), bad))
	if m.N != 0 {
		t.Errorf("refused rows were counted: %d", m.N)
	}
	o, err := NewMoments(2)
	if err != nil {
		t.Fatal(err)
	}
	invalid(t, "merging another dimension", m.Merge(o))
	_, err = FrechetMoments(t.Context(), m, o, true)
	invalid(t, "distance of two dimensions", err)
	_, err = FrechetMoments(t.Context(), m, m, true)
	invalid(t, "distance of no rows", err)
	bent := &Moments{N: 5, Mean: make([]float64, 3), Scatter: make([]float64, 8)}
	invalid(t, "moments that do not fit", bent.Check())
	bent.Scatter = make([]float64, 9)
	bent.Scatter[4] = math.NaN()
	_, err = FrechetMoments(t.Context(), bent, bent, true)
	invalid(t, "moments that are not finite", err)
	for what, scatter := range map[string][]float64{
		"a negative variance":             {1, 0, 0, 0, -1, 0, 0, 0, 1},
		"a scatter that is not symmetric": {1, 0.5, 0, 0, 1, 0, 0, 0, 1},
		"a scatter that is not positive":  {1, 2, 0, 2, 1, 0, 0, 0, 1},
	} {
		bent.Scatter = scatter
		_, err = FrechetMoments(t.Context(), bent, bent, true)
		invalid(t, what, err)
	}
	bent.Scatter, bent.N = []float64{1, 0, 0, 0, 1, 0, 0, 0, 1}, 3
	_, err = FrechetMoments(t.Context(), bent, bent, true)
	invalid(t, "three rows that scatter along three axes", err)
	bent.Scatter, bent.N = []float64{1e300, 5e299, 1e299, 5e299, 1e300, 0, 1e299, 0, 1e300}, 4
	_, err = FrechetMoments(t.Context(), bent, bent, true)
	invalid(t, "a scatter beyond float64", err)
	bent.Scatter = []float64{1, 0, 0, 0, 1, 0, 0, 0, 1}
	if _, err = FrechetMoments(t.Context(), bent, bent, true); err != nil {
		t.Errorf("four rows that scatter along three axes: %v", err)
	}
}

// TestLongWorkEndsWithTheContext: every function that may take long says why it
// was stopped.
func TestLongWorkEndsWithTheContext(t *testing.T) {
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	f := goldenFeatures(20, 5, 1, 0)
	m := momentsOf(t, plain(f))
	calls := map[string]func() error{
		"moments":      func() error { return m.Clone().Add(ctx, f) },
		"fréchet":      func() error { _, err := FrechetMoments(ctx, m, m, true); return err },
		"features":     func() error { _, err := FrechetFeatures(ctx, f, f, true); return err },
		"infinity":     func() error { _, err := FrechetInfinity(ctx, m, f, true, FrechetInfinityOptions{}); return err },
		"kid":          func() error { _, err := KernelInception(ctx, f, f, KIDOptions{}); return err },
		"polynomial":   func() error { _, err := PolynomialMMD(ctx, f, f); return err },
		"cmmd":         func() error { _, err := CLIPMMD(ctx, f, f); return err },
		"precision":    func() error { _, err := PrecisionRecall(ctx, f, f, 3); return err },
		"density":      func() error { _, err := DensityCoverage(ctx, f, f, 3); return err },
		"vendi":        func() error { _, err := Vendi(ctx, f, 1); return err },
		"vendi kernel": func() error { _, err := VendiKernel(ctx, []float64{1}, 1, 1); return err },
		"euclidean":    func() error { _, err := MeanPairwiseEuclidean(ctx, f); return err },
		"pairwise": func() error {
			_, err := MeanPairwise(ctx, 3, func(i, j int) (float64, error) { return 1, nil })
			return err
		},
		"jackknife": func() error {
			_, err := Jackknife(ctx, []int{4}, JackknifeOptions{}, func([][]int) (float64, error) { return 1, nil })
			return err
		},
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, why) {
			t.Errorf("%s: %v; want %v", name, err, why)
		}
	}
}

package stat

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
)

// wide reads rows of float64 numbers: tests of the arithmetic need not round to
// float32 first.
func wide(n, dim int, at func(i, j int) float64) rows {
	return rows{n, dim, func(i int, dst []float64) {
		for j := range dst {
			dst[j] = at(i, j)
		}
	}}
}

// specX and specY are the specification's matrices.
func specX(n int) rows {
	return wide(n, 8, func(i, j int) float64 { return math.Sin(0.1 * float64((i+1)*(j+1))) })
}

func specY(n int) rows {
	return wide(n, 8, func(i, j int) float64 { return math.Cos(0.13*float64((i+1)*(j+1))) + 0.05*float64(j+1) })
}

// printed fails unless got is want to want's last printed digit.
func printed(t *testing.T, what string, got float64, want string) {
	t.Helper()
	v, err := strconv.ParseFloat(want, 64)
	if err != nil {
		t.Fatal(err)
	}
	digits := len(want) - 1 - slices.Index([]byte(want), '.')
	near(t, what, got, v, 0.5000001*math.Pow(10, -float64(digits)))
}

// The specification's values, to the last printed digit. Two of its values hold rounding of the methods that made them, and here is what
// 60 digits of mpmath give instead: the Fréchet distance of five rows against six
// is 3.21102799056 (the specification's 3.211027965 and 3.211027980 come from
// square roots of eigenvalues of 0 that rounding made positive), and Vendi of
// order ½ is 7.75531024233 (7.755310629 counts fifteen such eigenvalues).
func TestSpecificationVectors(t *testing.T) {
	ctx, kn := t.Context(), best()
	for _, c := range []struct {
		n, m     int
		unbiased bool
		want     string
	}{{40, 50, true, "0.730790064"}, {40, 50, false, "0.726779663"}, {5, 6, true, "3.211027991"}} {
		f, err := frechetRows(ctx, kn, specX(c.n), specY(c.m), c.unbiased)
		if err != nil {
			t.Fatal(err)
		}
		printed(t, fmt.Sprintf("FID %d %d %v", c.n, c.m, c.unbiased), f.Value, c.want)
		// The same from moments, which know the covariances only.
		a, b := momentsOf(t, specX(c.n)), momentsOf(t, specY(c.m))
		if f, err = FrechetMoments(ctx, a, b, c.unbiased); err != nil {
			t.Fatal(err)
		}
		printed(t, fmt.Sprintf("FID of moments %d %d %v", c.n, c.m, c.unbiased), f.Value, c.want)
	}
	m, err := mmd(ctx, kn, specX(40), specY(40), polynomial(8))
	if err != nil {
		t.Fatal(err)
	}
	printed(t, "KID unbiased", m.Unbiased, "0.1576576267")
	printed(t, "KID biased", m.Biased, "0.2792012038")
	x, err := specX(40).unit(kn, "x")
	if err != nil {
		t.Fatal(err)
	}
	y, err := specY(50).unit(kn, "y")
	if err != nil {
		t.Fatal(err)
	}
	c, err := clipMMD(ctx, kn, x, y)
	if err != nil {
		t.Fatal(err)
	}
	printed(t, "CMMD", c.Value, "0.930882469")
	for k, want := range map[int][4]float64{3: {0.94, 0.375, 0.7266666667, 0.80}, 5: {1.0, 0.90, 0.804, 0.925}} {
		mf, err := newManifold(ctx, kn, specX(40), specY(50), k)
		if err != nil {
			t.Fatal(err)
		}
		pr, dc := mf.pr(), mf.dc()
		for i, got := range [][2]float64{{pr.Precision, dc.Precision}, {pr.Recall, dc.Recall}, {dc.Density, dc.Density}, {dc.Coverage, dc.Coverage}} {
			near(t, fmt.Sprintf("k %d, measure %d", k, i), got[0], want[i], 0.5e-10)
			near(t, fmt.Sprintf("k %d, measure %d, strict", k, i), got[1], want[i], 0.5e-10)
		}
	}
	for q, want := range map[float64]string{0.5: "7.755310242", 1: "7.501252751", 2: "6.995405720", math.Inf(1): "4.467911190"} {
		v, err := vendi(ctx, kn, x, q)
		if err != nil {
			t.Fatal(err)
		}
		printed(t, fmt.Sprintf("Vendi of order %g", q), v, want)
	}
}

func momentsOf(t *testing.T, x rows) *Moments {
	t.Helper()
	m, err := NewMoments(x.dim)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.add(t.Context(), best(), x); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSetMetricsAsPublished holds values printed in the projects' own READMEs and
// tests.
func TestSetMetricsAsPublished(t *testing.T) {
	ctx := t.Context()
	at := []float64{0, 0, 10, 10, 20, 20}
	steps := make([]float64, 36)
	for i, a := range at {
		for j, b := range at {
			steps[6*i+j] = math.Exp(-math.Abs(a - b))
		}
	}
	v, err := VendiKernel(ctx, steps, 6, 1)
	near(t, "Vendi of three pairs", v, 2.9999999959, 1e-10)
	if err != nil || fmt.Sprintf("%.4f", math.Floor(v*1e4)/1e4) != "2.9999" {
		t.Errorf("Vendi of three pairs: %v, %v; its README cuts it to 2.9999", v, err)
	}
	v, err = VendiKernel(ctx, []float64{1, 0.9, 0, 0.9, 1, 0, 0, 0, 1}, 3, 1)
	near(t, "Vendi of a near pair", v, 2.1573004834, 1e-10)
	if err != nil || fmt.Sprintf("%.4f", v) != "2.1573" {
		t.Errorf("Vendi of a near pair: %v, %v", v, err)
	}

	// pytorch-fid's unit test: identity covariances, means 0 and 1.
	const d = 2048
	sides := [2]*Moments{}
	for s := range sides {
		m, err := NewMoments(d)
		if err != nil {
			t.Fatal(err)
		}
		m.N = 10001
		for j := range d {
			m.Mean[j] = float64(s)
			m.Scatter[j*d+j] = 10000
		}
		sides[s] = m
	}
	f, err := FrechetMoments(ctx, sides[0], sides[1], true)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "pytorch-fid's test", f.Value, 2048, 0)

	// cmmd-pytorch's README: three copies of one image against three of another,
	// whose embeddings have the cosine 0.61446.
	const cosine = 0.61446
	x := wide(3, 2, func(_, j int) float64 { return float64(1 - j) })
	y := wide(3, 2, func(_, j int) float64 { return [2]float64{cosine, math.Sqrt(1 - cosine*cosine)}[j] })
	c, err := clipMMD(ctx, best(), x, y)
	if err != nil || fmt.Sprintf("%.3f", c.Value) != "7.696" {
		t.Errorf("cmmd-pytorch's README: got %v, %v; want 7.696", c.Value, err)
	}
	near(t, "CMMD of two points", c.Value, 2000*(1-math.Exp(-(2-2*cosine)/200)), 1e-11)
}

// A setGolden is written by reference/set_golden.py.
type setGolden struct {
	Cases []setCase
	Toys  struct{ Steps, Three float64 }
	Draws struct{ First, Second []int }
}

type setCase struct {
	Name         string
	N, M, Dim    int
	Shift        float64
	Sums         [2]float64
	FIDSVD       float64  `json:"fid_svd"`
	FIDSVDBiased float64  `json:"fid_svd_biased"`
	FIDMpmath    *float64 `json:"fid_mpmath"`
	FIDPytorch   *float64 `json:"fid_pytorch"`
	FIDClean     *float64 `json:"fid_clean"`
	FIDFidelity  *float64 `json:"fid_fidelity"`
	KID          []struct {
		Subsets, Size int
		Mean, Std     float64
	}
	MMDClean *float64 `json:"mmd_clean"`
	CMMD     float64
	PRDC     []struct {
		K                                    int
		Precision, Recall, Density, Coverage float64
		FidelityPrecision                    float64 `json:"fidelity_precision"`
		FidelityRecall                       float64 `json:"fidelity_recall"`
	}
	Vendi []struct {
		Q     string
		Value float64
	}
	VendiDual     *float64 `json:"vendi_dual"`
	MeanCosine    *float64 `json:"mean_cosine"`
	MeanEuclidean *float64 `json:"mean_euclidean"`
}

func readSetGolden(t *testing.T) setGolden {
	t.Helper()
	data, err := os.ReadFile("testdata/sets.json")
	if err != nil {
		t.Fatal(err)
	}
	var g setGolden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Cases) == 0 {
		t.Fatal("testdata/sets.json has no cases")
	}
	return g
}

// splitmix is 12 bits of splitmix64 of a row and a column, as in the script.
func splitmix(seed, i, j uint64) float64 {
	z := seed<<40 + i<<20 + j + 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return float64((z ^ z>>31) >> 52)
}

// goldenFeatures makes the script's features.
func goldenFeatures(n, d int, seed uint64, shift float64) Features {
	f := Features{Dim: d, Data: make([]float32, n*d)}
	along := make([]float64, d)
	for j := range along {
		along[j] = splitmix(99, 0, uint64(j)) / 4096
	}
	for i := range n {
		common := splitmix(seed, uint64(i), 1<<19) / 4096
		for j := range d {
			own := splitmix(seed, uint64(i), uint64(j)) / 4096
			f.Data[i*d+j] = float32(max(0, own+float64((common+shift)*along[j])-0.5))
		}
	}
	return f
}

func (c setCase) features(t *testing.T) (x, y Features) {
	t.Helper()
	x, y = goldenFeatures(c.N, c.Dim, 1, 0), goldenFeatures(c.M, c.Dim, 2, c.Shift)
	for s, f := range []Features{x, y} {
		sum := 0.0
		for _, v := range f.Data {
			sum += float64(v)
		}
		near(t, c.Name+": sum of the features", sum, c.Sums[s], 1e-9*c.Sums[s])
	}
	return x, y
}

// within compares with a golden value where there is one, relative to scale.
func relative(t *testing.T, what string, got float64, want *float64, tol float64) {
	t.Helper()
	if want != nil {
		near(t, what, got, *want, tol*math.Abs(*want))
	}
}

func TestFrechetAgreesWithPackages(t *testing.T) {
	for _, c := range readSetGolden(t).Cases {
		t.Run(c.Name, func(t *testing.T) {
			x, y := c.features(t)
			f, err := FrechetFeatures(t.Context(), x, y, true)
			if err != nil {
				t.Fatal(err)
			}
			b, err := FrechetFeatures(t.Context(), x, y, false)
			if err != nil {
				t.Fatal(err)
			}
			m, err := FrechetMoments(t.Context(), momentsOf(t, plain(x)), momentsOf(t, plain(y)), true)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("features %.2g, moments %.2g, relative to singular values in float64", f.Value/c.FIDSVD-1, m.Value/c.FIDSVD-1)
			relative(t, "features", f.Value, &c.FIDSVD, 1e-11)
			relative(t, "features, N", b.Value, &c.FIDSVDBiased, 1e-11)
			relative(t, "50 digits", f.Value, c.FIDMpmath, 1e-13)
			// A covariance of lower rank than its size knows the small singular
			// values to half the digits only where they touch what was cut off.
			relative(t, "moments", m.Value, &c.FIDSVD, 1e-9)
			relative(t, "50 digits, moments", m.Value, c.FIDMpmath, 1e-9)
			relative(t, "pytorch-fid", f.Value, c.FIDPytorch, 1e-9)
			relative(t, "clean-fid", f.Value, c.FIDClean, 1e-9)
			relative(t, "torch-fidelity", f.Value, c.FIDFidelity, 1e-9)
		})
	}
}

func TestKernelsAgreeWithPackages(t *testing.T) {
	for _, c := range readSetGolden(t).Cases {
		x, y := c.features(t)
		for _, k := range c.KID {
			got, err := KernelInception(t.Context(), x, y, KIDOptions{Subsets: k.Subsets, Size: k.Size})
			if err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("%s: KID of %d subsets of %d", c.Name, k.Subsets, k.Size)
			relative(t, what, got.Mean, &k.Mean, 1e-9)
			near(t, what+", spread", got.Std, k.Std, 1e-9*max(k.Std, math.Abs(k.Mean)))
		}
		if c.MMDClean != nil {
			got, err := PolynomialMMD(t.Context(), x, y)
			if err != nil {
				t.Fatal(err)
			}
			relative(t, c.Name+": clean-fid's kernel distance", got.Unbiased, c.MMDClean, 1e-9)
		}
		got, err := CLIPMMD(t.Context(), x, y)
		if err != nil {
			t.Fatal(err)
		}
		relative(t, c.Name+": cmmd-pytorch", got.Value, &c.CMMD, 1e-9)
	}
}

func TestManifoldsAgreeWithPackages(t *testing.T) {
	for _, c := range readSetGolden(t).Cases {
		x, y := c.features(t)
		for _, want := range c.PRDC {
			pr, err := PrecisionRecall(t.Context(), x, y, want.K)
			if err != nil {
				t.Fatal(err)
			}
			dc, err := DensityCoverage(t.Context(), x, y, want.K)
			if err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("%s, k %d: ", c.Name, want.K)
			// torch-fidelity takes the means of its counts in float32.
			near(t, what+"torch-fidelity's precision", pr.Precision, want.FidelityPrecision, 1e-7)
			near(t, what+"torch-fidelity's recall", pr.Recall, want.FidelityRecall, 1e-7)
			near(t, what+"prdc's precision", dc.Precision, want.Precision, 1e-12)
			near(t, what+"prdc's recall", dc.Recall, want.Recall, 1e-12)
			near(t, what+"prdc's density", dc.Density, want.Density, 1e-12)
			near(t, what+"prdc's coverage", dc.Coverage, want.Coverage, 1e-12)
		}
	}
}

func TestVendiAgreesWithPackage(t *testing.T) {
	g := readSetGolden(t)
	for _, c := range g.Cases {
		x, _ := c.features(t)
		for _, want := range c.Vendi {
			q, err := strconv.ParseFloat(want.Q, 64)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Vendi(t.Context(), x, q)
			if err != nil {
				t.Fatal(err)
			}
			tol := 1e-9
			if q < 1 && c.N > c.Dim {
				// The package counts what rounding makes of eigenvalues of 0 when
				// that is positive: n−d times the root of 1e-17.
				tol = 1e-5
			}
			relative(t, fmt.Sprintf("%s: Vendi of order %s", c.Name, want.Q), got, &want.Value, tol)
			if q == 1 {
				relative(t, c.Name+": Vendi, dual", got, c.VendiDual, 1e-9)
			}
		}
		if c.MeanCosine != nil {
			p, err := MeanPairwiseCosine(x)
			if err != nil {
				t.Fatal(err)
			}
			relative(t, c.Name+": mean cosine distance", p.Mean, c.MeanCosine, 1e-11)
			if p, err = MeanPairwiseEuclidean(t.Context(), x); err != nil {
				t.Fatal(err)
			}
			relative(t, c.Name+": mean Euclidean distance", p.Mean, c.MeanEuclidean, 1e-11)
		}
	}
}

func TestDrawsAgreeWithNumPy(t *testing.T) {
	g := readSetGolden(t)
	rng := NewMT19937(2020)
	first := rng.Choose(5000, 1000)
	if !slices.Equal(first[:6], []int{2398, 2360, 3232, 27, 1246, 2217}) || !slices.Equal(first[:20], g.Draws.First) {
		t.Errorf("first draw: %v; want %v", first[:20], g.Draws.First)
	}
	if second := rng.Choose(70000, 5); !slices.Equal(second, g.Draws.Second) {
		t.Errorf("second draw: %v; want %v", second, g.Draws.Second)
	}
}

package stat

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"testing"

	"github.com/gen-emerge/assay"
)

// near fails t unless got is within tol of want, and says how far off it is.
func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if got == want {
		return
	}
	if d := math.Abs(got - want); !(d <= tol) { // written so that NaN fails
		t.Errorf("%s: got %.9g, want %.9g: off by %.2g, allowed %.2g", what, got, want, d, tol)
	}
}

func invalid(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("%s: got error %v, want one wrapping ErrInvalid", what, err)
	}
}

type golden struct {
	Proportion []struct {
		K, N          int
		Conf          float64
		Wilson, Exact [2]float64
		Upper, Lower  float64
	}
	Rank []struct {
		X, Y     []float64
		Tau, Rho float64
		TauP     float64 `json:"tau_p"`
		RhoP     float64 `json:"rho_p"`
	}
	Quantile []struct {
		X      []float64
		P      float64
		Value  float64
		Lo, Hi *float64
	}
	Entropy []struct {
		Counts []float64
		Nats   float64
	}
}

func readGolden(t *testing.T) golden {
	t.Helper()
	data, err := os.ReadFile("testdata/scipy.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Proportion) < 100 || len(g.Rank) < 14 || len(g.Quantile) < 30 || len(g.Entropy) < 4 {
		t.Fatalf("golden file is short: %d, %d, %d, %d", len(g.Proportion), len(g.Rank), len(g.Quantile), len(g.Entropy))
	}
	return g
}

// SciPy is the reference; 1e-9 is well above both sides' rounding and below
// anything printed.
const tolSciPy = 1e-9

func TestProportionsAgreeWithSciPy(t *testing.T) {
	for _, c := range readGolden(t).Proportion {
		w, err := Wilson(c.K, c.N, c.Conf)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "wilson low", w.Lo, c.Wilson[0], tolSciPy)
		near(t, "wilson high", w.Hi, c.Wilson[1], tolSciPy)
		e, err := ClopperPearson(c.K, c.N, c.Conf)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "exact low", e.Lo, c.Exact[0], tolSciPy)
		near(t, "exact high", e.Hi, c.Exact[1], tolSciPy)
		up, err := ClopperPearsonUpper(c.K, c.N, c.Conf)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "upper", up, c.Upper, tolSciPy)
		lo, err := ClopperPearsonLower(c.K, c.N, c.Conf)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "lower", lo, c.Lower, tolSciPy)
	}
}

// TestProportionsAsPublished checks the values printed by Newcombe, Statistics
// in Medicine 17 (1998), to their four decimals, and textbook bounds.
func TestProportionsAsPublished(t *testing.T) {
	for _, c := range []struct {
		k, n   int
		lo, hi float64
	}{
		{81, 263, .2553, .3662}, {15, 148, .0624, .1605}, {0, 20, 0, .1611}, {1, 29, .0061, .1718},
		{10, 10, .7225, 1}, {9, 10, .5958, .9821},
	} {
		w, err := Wilson(c.k, c.n, .95)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "wilson low", w.Lo, c.lo, 5.1e-5)
		near(t, "wilson high", w.Hi, c.hi, 5.1e-5)
	}
	for _, c := range []struct {
		k, n int
		want float64
	}{{0, 59, .0495}, {0, 100, .0295}, {3, 100, .0757}, {0, 20, .1391}} {
		up, err := ClopperPearsonUpper(c.k, c.n, .95)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "one-sided upper", up, c.want, 5.1e-5)
	}
}

func TestProportionLaws(t *testing.T) {
	for n := 1; n <= 40; n++ {
		for k := 0; k <= n; k++ {
			for name, f := range map[string]func(k, n int, conf float64) (Interval, error){"wilson": Wilson, "exact": ClopperPearson} {
				iv, err := f(k, n, .9)
				if err != nil {
					t.Fatal(err)
				}
				mirror, _ := f(n-k, n, .9)
				near(t, name+" mirror", iv.Lo, 1-mirror.Hi, 1e-12)
				wider, _ := f(k, n, .99)
				p := float64(k) / float64(n)
				if !(0 <= iv.Lo && iv.Lo <= p && p <= iv.Hi && iv.Hi <= 1) {
					t.Errorf("%s %d/%d: %v does not hold the observed share", name, k, n, iv)
				}
				if wider.Lo > iv.Lo || wider.Hi < iv.Hi {
					t.Errorf("%s %d/%d: the 0.99 interval %v is inside the 0.9 interval %v", name, k, n, wider, iv)
				}
			}
		}
	}
}

func TestProportionsRefuse(t *testing.T) {
	for _, c := range []struct {
		k, n int
		conf float64
	}{{0, 0, .95}, {-1, 5, .95}, {6, 5, .95}, {1, 5, 0}, {1, 5, 1}, {1, 5, math.NaN()}} {
		_, err := Wilson(c.k, c.n, c.conf)
		invalid(t, "wilson", err)
		_, err = ClopperPearson(c.k, c.n, c.conf)
		invalid(t, "exact", err)
		_, err = ClopperPearsonUpper(c.k, c.n, c.conf)
		invalid(t, "upper", err)
		_, err = ClopperPearsonLower(c.k, c.n, c.conf)
		invalid(t, "lower", err)
	}
}

func TestEntropy(t *testing.T) {
	for _, c := range readGolden(t).Entropy {
		nats, share, err := Entropy(c.Counts)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "nats", nats, c.Nats, 1e-12)
		near(t, "share", share, c.Nats/math.Log(float64(len(c.Counts))), 1e-12)
	}
	if nats, share, err := Entropy([]float64{7}); nats != 0 || share != 0 || err != nil {
		t.Errorf("one cell: %g, %g, %v; want 0, 0, nil", nats, share, err)
	}
	for _, bad := range [][]float64{nil, {0, 0}, {1, -1}, {1, math.NaN()}, {math.MaxFloat64, math.MaxFloat64}} {
		_, _, err := Entropy(bad)
		invalid(t, "entropy", err)
	}
}

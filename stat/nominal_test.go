package stat

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/gen-emerge/assay"
)

// goldenAgreement is what reference/agreement_golden.py writes.
type goldenAgreement struct {
	Nominal []struct {
		Ratings            [][]int
		Categories         int
		Gwet, Krippendorff float64
	}
	Difference []struct {
		A, B         [2]int
		Conf, Lo, Hi float64
	}
	Powered []struct {
		Unlabelled, Said, Labels       []float64
		Conf, Lo, Hi, Judged, Labelled float64
	}
	Correlation []struct {
		Votes [][]int
		Mean  float64
		Pairs int
	}
	Prevalence []struct {
		Positive, Found, Cleared [2]int
		Conf, Value, Lo, Hi      float64
	}
}

func readAgreement(t *testing.T) goldenAgreement {
	t.Helper()
	data, err := os.ReadFile("testdata/agreement.json")
	if err != nil {
		t.Fatal(err)
	}
	var g goldenAgreement
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Nominal) < 8 || len(g.Difference) < 18 || len(g.Powered) < 8 || len(g.Correlation) < 3 || len(g.Prevalence) < 10 {
		t.Fatalf("golden file is short: %d, %d, %d, %d, %d", len(g.Nominal), len(g.Difference), len(g.Powered), len(g.Correlation), len(g.Prevalence))
	}
	return g
}

func count(kn [2]int) Count { return Count{kn[0], kn[1]} }

func TestNominalAgreementAgreesWithThePackages(t *testing.T) {
	for i, c := range readAgreement(t).Nominal {
		got, err := GwetAC1(c.Ratings, c.Categories)
		if err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		near(t, "gwet", got, c.Gwet, tolSciPy)
		if got, err = KrippendorffNominal(c.Ratings, c.Categories); err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		near(t, "krippendorff", got, c.Krippendorff, tolSciPy)
	}
}

// Values that were printed elsewhere: Krippendorff (2011), example C, nominal
// alpha 0.743 of twelve things by four observers; six judges count as 1.9
// (UKGovernmentBEIS/inspect_ai).
func TestPublishedAgreement(t *testing.T) {
	x := -1
	byRater := [][]int{
		{0, 1, 2, 2, 1, 0, 3, 0, 1, x, x, x},
		{0, 1, 2, 2, 1, 1, 3, 0, 1, 4, x, 2},
		{x, 2, 2, 2, 1, 2, 3, 1, 1, 4, 0, x},
		{0, 1, 2, 2, 1, 3, 3, 0, 1, 4, 0, x},
	}
	ratings := make([][]int, len(byRater[0]))
	for i := range ratings {
		for _, r := range byRater {
			ratings[i] = append(ratings[i], r[i])
		}
	}
	got, err := KrippendorffNominal(ratings, 5)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "alpha", got, 0.743, 5e-4)
	n, err := EffectiveNumber(6, 0.43)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "effective number", n, 1.9, 0.05)
}

func TestAgreementOfOneMind(t *testing.T) {
	same := [][]int{{0, 0}, {1, 1}, {1, 1}, {0, -1}}
	for name, f := range map[string]func([][]int, int) (float64, error){"gwet": GwetAC1, "krippendorff": KrippendorffNominal} {
		got, err := f(same, 2)
		if err != nil {
			t.Fatal(err)
		}
		near(t, name, got, 1, 0)
	}
	// All of one category: AC1 stands, alpha is 0/0 and says so.
	all := [][]int{{1, 1}, {1, 1}}
	if got, err := GwetAC1(all, 2); err != nil || got != 1 {
		t.Errorf("gwet of one category: %g, %v; want 1", got, err)
	}
	if got, err := KrippendorffNominal(all, 2); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("krippendorff of one category: %g, %v; want ErrInvalid", got, err)
	}
}

func TestNominalRefuses(t *testing.T) {
	for name, r := range map[string][][]int{
		"nothing": nil, "one rater": {{1}}, "ragged": {{1, 1}, {1}}, "out of range": {{2, 0}}, "below": {{-2, 0}},
		"no pair": {{1, -1}, {-1, 0}},
	} {
		for what, f := range map[string]func([][]int, int) (float64, error){"gwet": GwetAC1, "krippendorff": KrippendorffNominal} {
			if v, err := f(r, 2); !errors.Is(err, assay.ErrInvalid) {
				t.Errorf("%s of %s: %g, %v; want ErrInvalid", what, name, v, err)
			}
		}
		if c, err := MeanCorrelation(r); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("correlation of %s: %+v, %v; want ErrInvalid", name, c, err)
		}
	}
	if _, err := GwetAC1([][]int{{0, 0}}, 1); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("one category: %v; want ErrInvalid", err)
	}
}

func TestBootstrapAgreementHoldsTheTruth(t *testing.T) {
	// Two raters of a balanced truth, each right with probability 0.9, agree on
	// 0.82; chance is 0.5, so AC1 is 0.64.
	held := 0
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 1))
		ratings := make([][]int, 120)
		for i := range ratings {
			truth := rng.IntN(2)
			for range 2 {
				if rng.Float64() < 0.9 {
					ratings[i] = append(ratings[i], truth)
				} else {
					ratings[i] = append(ratings[i], 1-truth)
				}
			}
		}
		r, err := BootstrapAgreement(context.Background(), ratings, 2, GwetAC1, BootstrapOptions{Resamples: 300, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if r.Interval.Lo <= 0.64 && 0.64 <= r.Interval.Hi {
			held++
		}
	}
	if held < 34 { // of 40 at 0.95: fewer than 34 has probability 0.003
		t.Errorf("the interval held the truth %d of 40 times", held)
	}
	if _, err := BootstrapAgreement(context.Background(), [][]int{{1, 1}}, 2, KrippendorffNominal, BootstrapOptions{}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("an undefined coefficient: %v; want ErrInvalid", err)
	}
}

func TestMeanCorrelationAgreesWithNumPy(t *testing.T) {
	for _, c := range readAgreement(t).Correlation {
		got, err := MeanCorrelation(c.Votes)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "mean correlation", got.Mean, c.Mean, tolSciPy)
		if got.Pairs != c.Pairs || len(got.Warnings) > 0 || got.Least < 1 {
			t.Errorf("%+v; want %d pairs and no warning", got, c.Pairs)
		}
	}
	// The third rater always says yes: two of three pairs have no correlation.
	got, err := MeanCorrelation([][]int{{1, 1, 1}, {0, 0, 1}, {1, 0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "what is left", got.Mean, 0.5, tolSciPy)
	if got.Pairs != 1 || got.Least != 3 || len(got.Warnings) != 1 {
		t.Errorf("%+v; want 1 pair on 3 things and a warning", got)
	}
}

func TestEffectiveNumber(t *testing.T) {
	for _, c := range []struct {
		n         int
		rho, want float64
	}{{1, 0.9, 1}, {5, 0, 5}, {5, 1, 1}, {4, -0.2, 10}} {
		got, err := EffectiveNumber(c.n, c.rho)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "effective number", got, c.want, 1e-12)
	}
	for _, c := range []struct {
		n   int
		rho float64
	}{{0, 0}, {3, 1.1}, {3, -0.5}, {2, math.NaN()}} {
		if got, err := EffectiveNumber(c.n, c.rho); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%d judges at %g: %g, %v; want ErrInvalid", c.n, c.rho, got, err)
		}
	}
}

func TestDifferenceAgreesWithStatsmodels(t *testing.T) {
	for _, c := range readAgreement(t).Difference {
		got, err := DifferenceWilson(count(c.A), count(c.B), c.Conf)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "difference low", got.Lo, c.Lo, tolSciPy)
		near(t, "difference high", got.Hi, c.Hi, tolSciPy)
	}
}

func TestPredictionPoweredAgreesWithThePackage(t *testing.T) {
	for _, c := range readAgreement(t).Powered {
		got, err := PredictionPowered(c.Unlabelled, c.Said, c.Labels, c.Conf)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "judged", got.Judged, c.Judged, 1e-12)
		near(t, "labelled", got.Labelled, c.Labelled, 1e-12)
		near(t, "variance", got.Variance, c.Judged+c.Labelled, 1e-12)
		near(t, "mean", got.Value, (c.Lo+c.Hi)/2, tolSciPy)
		// The package divides squares by n where we divide by n-1.
		n, m := float64(len(c.Labels)), float64(len(c.Unlabelled))
		theirs := math.Sqrt(got.Judged*(m-1)/m + got.Labelled*(n-1)/n)
		ours := math.Sqrt(got.Variance)
		near(t, "half width", (got.Interval.Hi-got.Interval.Lo)/2*theirs/ours, (c.Hi-c.Lo)/2, tolSciPy)
		if warned := len(got.Warnings) > 0; warned != (len(c.Labels) < 30) {
			t.Errorf("%d labels: warnings %v", len(c.Labels), got.Warnings)
		}
	}
	for _, c := range [][3][]float64{{{1}, {1, 1}, {1, 1}}, {{1, 0}, {1}, {1}}, {{1, 0}, {1, 0}, {1}}, {{1, math.NaN()}, {1, 0}, {1, 0}}} {
		if _, err := PredictionPowered(c[0], c[1], c[2], 0.95); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%v: %v; want ErrInvalid", c, err)
		}
	}
}

func TestCorrectedPrevalence(t *testing.T) {
	for _, c := range readAgreement(t).Prevalence {
		got, err := CorrectedPrevalence(count(c.Positive), count(c.Found), count(c.Cleared), c.Conf)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "value", got.Value, c.Value, tolSciPy)
		near(t, "low", got.Interval.Lo, c.Lo, tolSciPy)
		near(t, "high", got.Interval.Hi, c.Hi, tolSciPy)
	}
	// 23 of 150 cows at sensitivity 0.96 and specificity 0.98: 14.2 % (the example
	// of the R package epiR).
	got, err := RoganGladen(23.0/150, 0.96, 0.98)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "cows", got, 0.142, 5e-4)
	for _, c := range [][3]float64{{0.5, 0.6, 0.5}, {0.5, 0.55, 0.55}, {0.5, 0.3, 0.3}, {1.5, 0.9, 0.9}, {0.5, math.NaN(), 0.9}} {
		if got, err := RoganGladen(c[0], c[1], c[2]); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%v: %g, %v; want ErrInvalid", c, got, err)
		}
	}
	for _, c := range [][3]float64{{0.01, 0.9, 0.9}, {0.99, 0.9, 0.9}} {
		if got, err := RoganGladen(c[0], c[1], c[2]); err != nil || got != math.Round(c[0]) {
			t.Errorf("%v: %g, %v; want the border", c, got, err)
		}
	}
	if _, err := CorrectedPrevalence(Count{5, 10}, Count{0, 1}, Count{1, 1}, 0.95); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("a judge that finds nothing: %v; want ErrInvalid", err)
	}
}

// The interval of the corrected share holds the truth about as often as it says.
func TestCorrectedPrevalenceCoverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	binomial := func(n int, p float64) (k int) {
		for range n {
			if rng.Float64() < p {
				k++
			}
		}
		return k
	}
	const runs = 1000
	for _, truth := range []float64{0.1, 0.5} {
		held := 0
		for range runs {
			share := truth*0.85 + (1-truth)*0.1
			got, err := CorrectedPrevalence(Count{binomial(200, share), 200}, Count{binomial(40, 0.85), 40}, Count{binomial(60, 0.9), 60}, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			if got.Interval.Lo <= truth && truth <= got.Interval.Hi {
				held++
			}
		}
		if held < 930 { // of 1000 at 0.95: below 930 has probability 0.003
			t.Errorf("truth %g was held %d of %d times", truth, held, runs)
		}
	}
}

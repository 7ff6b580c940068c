package rank

import (
	"errors"
	"math"
	"testing"

	"github.com/gen-emerge/assay"
)

// A public course page's run of the psych package prints 0, .75, .79, .92, 1.37.
func TestThurstoneScale(t *testing.T) {
	share := [][]float64{{.50, .75, .85, .80, .90}, {.25, .50, .55, .60, .65}, {.15, .45, .50, .70, .70}, {.20, .40, .30, .50, .80}, {.10, .35, .30, .20, .50}}
	scale, residual, err := ThurstoneScale(share)
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range []float64{0, .74885, .78948, .92237, 1.37340} {
		if math.Abs(scale[k]-want) > 1e-5 {
			t.Errorf("item %d at %.5f, want %.5f", k, scale[k], want)
		}
	}
	for k, want := range []float64{0, .02303, -.06492, .02183, .01519} {
		if math.Abs(residual[0][k]-want) > 1e-5 {
			t.Errorf("residual %d is %.5f, want %.5f", k, residual[0][k], want)
		}
	}
	for _, bad := range [][][]float64{{{.5}}, {{.5, 1}, {0, .5}}, {{.5, .4}, {.6}}} {
		if _, _, err := ThurstoneScale(bad); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// Guilford's nine vegetables, as the psychTools package has them: from turnips to
// corn, the share of people who preferred the column's.
func TestThurstoneVegetables(t *testing.T) {
	share := [][]float64{
		{.500, .818, .770, .811, .878, .892, .899, .892, .926},
		{.182, .500, .601, .723, .743, .736, .811, .845, .858},
		{.230, .399, .500, .561, .736, .676, .845, .797, .818},
		{.189, .277, .439, .500, .561, .588, .676, .601, .730},
		{.122, .257, .264, .439, .500, .493, .574, .709, .764},
		{.108, .264, .324, .412, .507, .500, .628, .682, .628},
		{.101, .189, .155, .324, .426, .372, .500, .527, .642},
		{.108, .155, .203, .399, .291, .318, .473, .500, .628},
		{.074, .142, .182, .270, .236, .372, .358, .372, .500},
	}
	scale, _, err := ThurstoneScale(share)
	if err != nil {
		t.Fatal(err)
	}
	nearAll(t, "vegetables", scale, []float64{0, .52205, .65444, .97954, 1.11708, 1.14372, 1.40012, 1.44383, 1.62944}, 1e-5)
}

// Far out, where dividing the density by the distribution function leaves nothing,
// the expansions go on where the quotient ends.
func TestThurstoneTails(t *testing.T) {
	for _, x := range []float64{-29.999, -30.001} {
		// mpmath with 30 digits; near −30 both go by their slopes.
		const value, ratio, slope = -454.321243956343, 30.0332596674337, -.998896228488
		near(t, "ln Φ", logPhi(x), value+(x+30)*ratio, 1e-6)
		near(t, "φ/Φ", mills(x), ratio+(x+30)*slope, 1e-6)
	}
}

// Taste data of David (1988), as probit regression fits them.
func TestEstimateThurstone(t *testing.T) {
	beat := [][]int{{0, 3, 2, 2}, {12, 0, 11, 3}, {13, 4, 0, 5}, {13, 12, 10, 0}}
	var votes []Vote
	for i, row := range beat {
		for j, n := range row {
			for range n {
				votes = append(votes, Vote{Left: i, Right: j, Outcome: assay.Left})
			}
		}
	}
	f, err := EstimateThurstone(t.Context(), 4, votes, Options{Reference: []int{0}})
	if err != nil {
		t.Fatal(err)
	}
	strength, se := []float64{0, .9453, .7682, 1.3874}, []float64{0, .2657, .2615, .2833}
	for k := range strength {
		if math.Abs(f.Strength[k]-strength[k]) > 1e-4 || math.Abs(f.StdErr[k]-se[k]) > 1e-4 {
			t.Errorf("item %d: %.4f ± %.4f, want %.4f ± %.4f", k, f.Strength[k], f.StdErr[k], strength[k], se[k])
		}
	}
	if math.Abs(f.Deviance-4.5327) > 1e-4 || f.DF != 3 {
		t.Errorf("deviance %.4f on %d, want 4.5327 on 3", f.Deviance, f.DF)
	}
	if p := math.Erfc(-1/JOD/math.Sqrt2) / 2; math.Abs(p-0.75) > 1e-12 {
		t.Errorf("one JOD is a preference of %g", p)
	}
	if _, err := EstimateThurstone(t.Context(), 3, votes[:1], Options{}); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("items that never met: %v", err)
	}
	with, err := EstimateThurstone(t.Context(), 3, votes[:1], Options{Prior: 1})
	if err != nil || !(with.Strength[0] > with.Strength[2] && with.Strength[2] > with.Strength[1]) {
		t.Errorf("with a prior: %+v, %v", with, err)
	}
}

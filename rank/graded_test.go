package rank

import (
	"errors"
	"math"
	"testing"

	"github.com/gen-emerge/assay"
)

// The tests of Tournesol's solver print these, for a prior of standard deviation 7
// and uniform grades.
func TestEstimateGraded(t *testing.T) {
	for name, c := range map[string]struct {
		votes []GradedVote
		want  []float64
	}{
		"-5":    {[]GradedVote{{Left: 0, Right: 1, Grade: -.5}}, []float64{.854315, -.854315}},
		"3":     {[]GradedVote{{Left: 0, Right: 1, Grade: .3}}, []float64{-.459938, .459938}},
		"-8":    {[]GradedVote{{Left: 0, Right: 1, Grade: -.8}}, []float64{2.0611, -2.0611}},
		"-10":   {[]GradedVote{{Left: 0, Right: 1, Grade: -1}}, []float64{4.949747, -4.949747}},
		"three": {[]GradedVote{{Left: 0, Right: 2, Grade: -.5}, {Left: 1, Right: 2, Grade: .3}, {Left: 0, Right: 1, Grade: -.4}}, []float64{1.016700, -.787675, -.229025}},
		"chain": {[]GradedVote{{Left: 1, Right: 0, Grade: -.8}, {Left: 2, Right: 0, Grade: -1}}, []float64{-4.965663, .021217, 4.944446}},
	} {
		got, se, err := EstimateGraded(t.Context(), len(c.want), c.votes, Slider, 7)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range c.want {
			if math.Abs(got[i]-want) > 2e-4 || !(se[i] > 0 && se[i] < 7) {
				t.Errorf("%s: item %d at %.6f ± %.3f, want %.6f", name, i, got[i], se[i], want)
			}
		}
	}
	// Two buttons are Bradley and Terry's model of twice the difference.
	got, _, err := EstimateGraded(t.Context(), 2, []GradedVote{{Left: 0, Right: 1, Grade: -1}}, TwoButtons, 1)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Estimate(t.Context(), 2, []Vote{{Left: 0, Right: 1, Outcome: assay.Left}}, Options{Prior: 0.25})
	if err != nil || math.Abs(2*got[0]-plain.Strength[0]) > 1e-7 {
		t.Errorf("two buttons: %v, plain %v, %v", got, plain.Strength, err)
	}
	for _, d := range []float64{0, 5e-4, 0.3, 2, 40} { // the moments of each law are derivatives of one another
		for _, law := range []GradeLaw{Slider, FiveButtons, TwoButtons} {
			const h = 1e-4
			a, _ := law.moments(d - h)
			b, _ := law.moments(d + h)
			if _, v := law.moments(d); math.Abs((b-a)/(2*h)-v) > 1e-6 {
				t.Errorf("law %d at %g: variance %g, slope of the mean %g", law, d, v, (b-a)/(2*h))
			}
		}
	}
	for _, bad := range []GradedVote{{Left: 0, Right: 0}, {Left: 0, Right: 2}, {Left: 0, Right: 1, Grade: 1.5}, {Left: 0, Right: 1, Grade: math.NaN()}} {
		if _, _, err := EstimateGraded(t.Context(), 2, []GradedVote{bad}, Slider, 7); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

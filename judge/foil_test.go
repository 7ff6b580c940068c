package judge

import (
	"context"
	"testing"

	"github.com/gen-emerge/assay"
)

func TestReadNumber(t *testing.T) {
	for text, want := range map[string]float64{
		"7": 7, " 8.\n": 8, "7/10": 7, "7 out of 10": 7, "**9**": 9, "Score: 6": 6, "7.5": 7.5, "7,5": 7.5, "10": 10, "10/10": 10, "1": 1,
	} {
		if got, ok := readNumber(text); !ok || got != want {
			t.Errorf("%q: %g, %v; want %g", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "seven", "0", "11", "-3", "between 6 and 8", "7 8", "7/100", "1e5", "99999999999999999999", ".5"} {
		if got, ok := readNumber(text); ok {
			t.Errorf("%q was read as %g", text, got)
		}
	}
}

func FuzzReadNumber(f *testing.F) {
	for _, s := range []string{"7", "7/10", "7.5 out of 10", "-1", "1e9", "٣", "ⅶ", "10.0.0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, ok := readNumber(text); ok && !(n >= 1 && n <= 10) {
			t.Errorf("%q was read as %g", text, n)
		}
	})
}

// A judge that sees quality perfectly, but has only two numbers to say it with
// and wavers between them, ties and repeats itself as counted by hand.
func TestFoilCounts(t *testing.T) {
	g := newGallery(t, 40, 31)
	m, p := g.judge(seeing[3], 31, true)
	p.score = func(d assay.Digest, sample int) string {
		first := sample == Options{}.sample(0, 0, 0)
		switch q := g.quality[d]; {
		case q > 1:
			return "9/10"
		case q > -1.5 && !first:
			return "7"
		case q > -1.5:
			return "8"
		}
		return "I will not rate art."
	}
	r, err := Foil(context.Background(), m, g.Subjects, g.Pairs, AuditOptions{Seed: 31, FoilCalls: 50, Parallel: 2})
	if err != nil {
		t.Fatal(err)
	}
	if r.Cost.Calls != 50 || p.calls != 50 {
		t.Errorf("%d calls reported, %d made; want 50", r.Cost.Calls, p.calls)
	}
	if r.Distinct != 2 || r.Counts[7]+r.Counts[8] != r.Pictures || r.Pictures*2+r.Unanswered != 50 {
		t.Errorf("%+v", r)
	}
	// 25 pictures are the first 12 pairs and one more; whoever got 9 got it twice.
	if r.Same.K != r.Counts[8] || r.Same.N != r.Pictures {
		t.Errorf("same number twice: %+v, nines %d", r.Same, r.Counts[8])
	}
	if r.Agree.N+r.Ties.K != r.Ties.N || r.Ties.N > 12 || r.Agree.K != r.Agree.N {
		t.Errorf("ties %+v, agrees %+v: a higher number must mean a better picture here", r.Ties, r.Agree)
	}
}

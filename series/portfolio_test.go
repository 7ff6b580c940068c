package series_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/gen-emerge/assay"
)

// What is recorded as the chance of a pair is how often it is drawn: over many
// people who have answered nothing, each challenger is the first to be asked about
// as often as that says, and the random pair is one of those left.
func TestPropensities(t *testing.T) {
	_, s, ids := duel(t, 4) // an elite and three challengers, in one cell: six pairs
	const people = 240
	first := map[assay.Digest]int{}
	for k := range people {
		round, _, err := s.OpenRound(t.Context(), fmt.Sprintf("rater %d", k), 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range round.Pairs {
			switch p.Kind {
			case assay.ArchivePair:
				if math.Abs(p.Propensity-1./3) < 1e-9 {
					challenger := p.Left
					if challenger == ids[0] {
						challenger = p.Right
					}
					first[challenger]++
				}
			case assay.RandomPair:
				if want := 1 / float64(6-(len(round.Pairs)-1)); math.Abs(p.Propensity-want) > 1e-9 {
					t.Errorf("a random pair of the %d left has chance %g, want %g", 6-(len(round.Pairs)-1), p.Propensity, want)
				}
			}
		}
	}
	total := 0
	for _, n := range first {
		total += n
	}
	if total != people || len(first) != 3 {
		t.Fatalf("of %d rounds %d began with one challenger of three: %v", people, total, first)
	}
	for id, n := range first { // 80 ± 7.3
		if n < 50 || n > 110 {
			t.Errorf("%s came first in %d of %d rounds, at a chance of a third", id.Short(), n, people)
		}
	}
}

package stat

import (
	"fmt"

	"github.com/gen-emerge/assay"
)

// A Tested says which settings are proven.
type Tested struct {
	Proven []bool    // of each setting: its rate of errors is at most alpha
	P      []float64 // of each: P(Bin(n, alpha) ≤ errors), the p-value of "the rate is above alpha"
	Last   int       // the last of the first settings that are all proven; −1 if the first is not
	More   int       // labels without a further error that would prove the setting after Last; 0 if all are proven
}

// LearnThenTest says at which settings the rate of errors is at most alpha, all
// these statements being right together with probability at least 1−delta
// (Angelopoulos, Bates, Candès, Jordan and Lei 2021, with exact binomial
// p-values). seen[j] counts the errors among the labels at setting j; labels may
// be the same ones at all settings, and nothing is assumed of how the rate changes
// between them.
//
// If inOrder is set, settings are tested one after the other at the full delta
// until the first that is not proven. That costs nothing for their number, but the
// order, from the surest to the boldest, must be fixed before labels are seen. Else
// all are tested by Holm's rule, which proves whatever Bonferroni's does. With
// delta 0.05 a first setting takes 59 labels without an error for alpha 0.05, 93
// with one; 29 and 46 for 0.1.
//
// No settings, impossible counts, and rates that do not lie strictly between 0 and
// 1 are errors wrapping [assay.ErrInvalid].
func LearnThenTest(seen []Count, alpha, delta float64, inOrder bool) (Tested, error) {
	if len(seen) == 0 {
		return Tested{}, fmt.Errorf("learn then test: no settings: %w", assay.ErrInvalid)
	}
	if err := checkOpen("learn then test", "alpha", alpha); err != nil {
		return Tested{}, err
	}
	t := Tested{Proven: make([]bool, len(seen)), P: make([]float64, len(seen)), Last: -1}
	for j, c := range seen {
		if err := checkCounts(fmt.Sprintf("learn then test: setting %d", j), c.K, c.N, 1-delta); err != nil {
			return Tested{}, err
		}
		t.P[j] = binomialCDF(c.K, c.N, alpha)
	}
	adjusted := t.P
	if !inOrder {
		adjusted = Holm(t.P)
	}
	for j, p := range adjusted {
		if p > delta && inOrder {
			break
		}
		t.Proven[j] = p <= delta
	}
	for t.Last+1 < len(seen) && t.Proven[t.Last+1] {
		t.Last++
	}
	if t.Last+1 == len(seen) {
		return t, nil
	}
	next := seen[t.Last+1]
	level := delta
	if !inOrder {
		level = delta / float64(len(seen)) // enough whatever the others show
	}
	need, err := MinTrials(next.K, alpha, level)
	if err != nil {
		return Tested{}, fmt.Errorf("learn then test: setting %d: %w", t.Last+1, err)
	}
	t.More = max(0, need-next.N)
	return t, nil
}

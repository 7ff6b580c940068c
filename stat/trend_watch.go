package stat

import (
	"context"
	"math"
)

// The tests that a look makes. Each asks one question, one-sided.
const (
	Closer     = "closer"      // do the last things lie closer to each other than the first: [CompareSpread]
	Nearer     = "nearer"      // does each new thing come ever nearer to those just before: [Nearest]
	FewerCells = "fewer cells" // do the last things spread over fewer cells than the first: [CompareOccupancy]
)

// nearestLimit bounds how many things [Nearest] follows at a look: drawing an
// order costs that many times the lookback, and 400 points show any trend.
const nearestLimit = 400

// A TrendTest is one test of a look.
type TrendTest struct {
	Name     string
	Adjusted float64 // P by [Holm] over the tests of the look
	Chance
}

// A Judgement is what a look found.
type Judgement struct {
	Look
	Spread Convergence
	Near   NearestTrend
	NearAt []int      // places in the series of what Near follows
	Held   *Occupancy // nil if things have no cells
	Tests  []TrendTest
	Alarms []string // names of the tests whose adjusted P is at most the look's Alpha
}

// JudgeLook makes the tests of a look on the first look.Things things. A nil
// cells leaves out the test of cells; else it has one cell for each thing. At
// least so many orders are drawn that p-values can be small enough for
// look.Alpha, and opt.Draws if that is more.
func JudgeLook(ctx context.Context, dist Dist, cells []int, look Look, opt TrendOptions) (Judgement, error) {
	tests := 2
	if cells != nil {
		tests = 3
	}
	// So many that four orders as extreme as the true one still are an alarm for
	// the strictest of Holm's levels.
	opt.Draws = max(opt.Draws, int(math.Ceil(4*float64(tests)/look.Alpha))-1)
	j := Judgement{Look: look}
	first, last := Window{0, look.Window}, Window{look.Things - look.Window, look.Things}
	ends, err := dist.of(ctx, append(span(first), span(last)...))
	if err != nil {
		return j, err
	}
	if j.Spread, err = CompareSpread(ctx, ends, first, Window{look.Window, 2 * look.Window}, opt); err != nil {
		return j, err
	}
	j.add(Closer, j.Spread.Chance)
	at := ThinEvenly(look.Things, nearestLimit, opt.Batch)
	thin, err := dist.of(ctx, at)
	if err != nil {
		return j, err
	}
	if j.Near, err = Nearest(ctx, thin, look.Window, opt); err != nil {
		return j, err
	}
	for _, i := range j.Near.At {
		j.NearAt = append(j.NearAt, at[i])
	}
	j.add(Nearer, j.Near.Chance)
	if cells != nil {
		held, err := CompareOccupancy(ctx, cells, first, last, opt)
		if err != nil {
			return j, err
		}
		j.Held = &held
		j.add(FewerCells, held.Chance)
	}
	j.adjust()
	return j, nil
}

func (j *Judgement) add(name string, c Chance) {
	j.Tests = append(j.Tests, TrendTest{Name: name, Chance: c})
}

func (j *Judgement) adjust() {
	var ps []float64
	for _, t := range j.Tests {
		ps = append(ps, t.P)
	}
	for i, adjusted := range Holm(ps) {
		j.Tests[i].Adjusted = adjusted
		if adjusted <= j.Alpha {
			j.Alarms = append(j.Alarms, j.Tests[i].Name)
		}
	}
}

// span lists the places of a window.
func span(w Window) []int {
	out := make([]int, 0, w.Len())
	for i := w.From; i < w.To; i++ {
		out = append(out, i)
	}
	return out
}

// A Watch is what all looks of a series so far found.
type Watch struct {
	Looks  []Look     // that have been due
	Raised *Judgement // the first that raised an alarm; nil if none did
	Latest *Judgement // the newest look; nil before the first
}

// WatchTrend makes the looks of a series of n things, in order, up to the first
// that raises an alarm, and the newest: what came between says no more. The
// chance that a series that does not change ever raises one is at most alpha,
// over all tests and all looks, see [Looks].
func WatchTrend(ctx context.Context, n int, dist Dist, cells []int, window int, alpha float64, opt TrendOptions) (Watch, error) {
	looks, err := Looks(n, window, opt.Batch, alpha)
	if err != nil || len(looks) == 0 {
		return Watch{}, err
	}
	w := Watch{Looks: looks}
	for i, look := range looks {
		if w.Raised != nil && i < len(looks)-1 {
			continue
		}
		j, err := JudgeLook(ctx, dist, cells, look, opt)
		if err != nil {
			return w, err
		}
		if w.Raised == nil && len(j.Alarms) > 0 {
			w.Raised = &j
		}
		w.Latest = &j
	}
	return w, nil
}

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
	P        float64
	Adjusted float64 // P by [Holm] over the tests of the look
	Least    float64 // the smallest P the test could have given
	Draws    int
}

// A Judgement is what a look found.
type Judgement struct {
	Look
	Tests  []TrendTest
	Alarms []string // names of the tests whose adjusted P is at most the look's Alpha
}

// JudgeLook makes the tests of a look on the first look.Things things. A nil
// cells leaves out the test of cells; else it has one cell for each thing of p.
// The p-values can be small enough for look.Alpha, whatever opt.Draws says.
func JudgeLook(ctx context.Context, p *Pairwise, cells []int, look Look, opt TrendOptions) (Judgement, error) {
	opt = opt.withDefaults()
	tests := 2
	if cells != nil {
		tests = 3
	}
	// So many that four orders as extreme as the true one still are an alarm for
	// the strictest of Holm's levels.
	opt.Draws = max(999, int(math.Ceil(4*float64(tests)/look.Alpha))-1)
	j := Judgement{Look: look}
	first := Window{0, look.Window}
	last := Window{look.Things - look.Window, look.Things}
	spread, err := CompareSpread(ctx, p, first, last, opt)
	if err != nil {
		return j, err
	}
	j.add(Closer, spread.Chance)
	near, err := nearestOf(ctx, p, look, opt)
	if err != nil {
		return j, err
	}
	j.add(Nearer, near.Chance)
	if cells != nil {
		held, err := CompareOccupancy(ctx, cells, first, last, opt)
		if err != nil {
			return j, err
		}
		j.add(FewerCells, held.Chance)
	}
	var ps []float64
	for _, t := range j.Tests {
		ps = append(ps, t.P)
	}
	for i, adjusted := range Holm(ps) {
		j.Tests[i].Adjusted = adjusted
		if adjusted <= look.Alpha {
			j.Alarms = append(j.Alarms, j.Tests[i].Name)
		}
	}
	return j, nil
}

func (j *Judgement) add(name string, c Chance) {
	j.Tests = append(j.Tests, TrendTest{Name: name, P: c.P, Least: c.Least, Draws: c.Draws})
}

// nearestOf follows the nearest neighbours of a look's things, of at most
// nearestLimit of them. The lookback is a window: so even the look that compares
// halves has things to follow.
func nearestOf(ctx context.Context, p *Pairwise, look Look, opt TrendOptions) (NearestTrend, error) {
	return Nearest(ctx, p.Pick(ThinEvenly(look.Things, nearestLimit, opt.Batch)), look.Window, opt)
}

package rank

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
)

// A TimedGame is a game that Winner won against Loser.
type TimedGame struct {
	Winner, Loser int
	Time          float64 // in the unit that Gamma is per
}

// ThroughTimeOptions are the constants of [ThroughTime].
type ThroughTimeOptions struct {
	Sigma  float64 // deviation of a newcomer's skill about 0; 0 means 6
	Beta   float64 // deviation of a performance about the skill; 0 means 1
	Gamma  float64 // deviation that a skill gains per √time
	Passes int     // forwards and backwards over all games; 0 means until nothing moves; negative: once forwards, which is filtering alone
}

// ThroughTime follows the skills of n players through their games, each game
// informed by those before and after it (TrueSkill Through Time: Dangauthier,
// Herbrich, Minka and Graepel, NIPS 2007). It returns, for each player, the belief
// about their skill right after each of their games, in order of time. Errors wrap
// [assay.ErrInvalid].
func ThroughTime(ctx context.Context, n int, games []TimedGame, opt ThroughTimeOptions) ([][]Rating, error) {
	if opt.Sigma == 0 {
		opt.Sigma = 6
	}
	if opt.Beta == 0 {
		opt.Beta = 1
	}
	if !(opt.Sigma > 0) || !(opt.Beta > 0) || !(opt.Gamma >= 0) {
		return nil, fmt.Errorf("rank: sigma %g, beta %g, gamma %g: want the first two above 0 and none negative: %w", opt.Sigma, opt.Beta, opt.Gamma, assay.ErrInvalid)
	}
	order := make([]int, len(games))
	for k, g := range games {
		if g.Winner < 0 || g.Winner >= n || g.Loser < 0 || g.Loser >= n || g.Winner == g.Loser || math.IsNaN(g.Time) || math.IsInf(g.Time, 0) {
			return nil, fmt.Errorf("rank: game %d, %+v: want two of %d players and a finite time: %w", k, g, n, assay.ErrInvalid)
		}
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(games[a].Time, games[b].Time) })
	t := &timeline{opt: opt, players: make([][]moment, n)}
	for _, k := range order {
		g := games[k]
		t.games = append(t.games, [2]place{{g.Winner, len(t.players[g.Winner])}, {g.Loser, len(t.players[g.Loser])}})
		for _, p := range []int{g.Winner, g.Loser} {
			t.players[p] = append(t.players[p], moment{time: g.Time})
		}
	}
	passes := opt.Passes
	if passes == 0 {
		passes = 500
	}
	if passes < 0 {
		t.pass(true)
		return t.beliefs(), nil
	}
	for range passes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if moved := max(t.pass(true), t.pass(false)); moved < 1e-9 {
			break
		}
	}
	return t.beliefs(), nil
}

// A natural is a normal distribution by its precision and precision times mean;
// the zero natural says nothing.
type natural struct{ prec, pm float64 }

func (a natural) times(b natural) natural { return natural{a.prec + b.prec, a.pm + b.pm} }
func (a natural) over(b natural) natural  { return natural{a.prec - b.prec, a.pm - b.pm} }

// blurred is the belief after a skill has wandered by this variance.
func (a natural) blurred(variance float64) natural {
	if a.prec == 0 {
		return a
	}
	v := 1/a.prec + variance
	return natural{1 / v, a.pm / a.prec / v}
}

// A moment is one player at one of their games.
type moment struct {
	time          float64
	before, after natural // what earlier and later games say of the skill here
	said          natural // what this game says
}

type place struct{ player, at int }

type timeline struct {
	opt     ThroughTimeOptions
	players [][]moment
	games   [][2]place // winner, loser; in order of time
}

// pass goes over all games once and returns the largest change of what one says.
func (t *timeline) pass(forwards bool) (moved float64) {
	for k := range t.games {
		if !forwards {
			k = len(t.games) - 1 - k
		}
		g := t.games[k]
		for _, p := range g {
			t.arrive(p)
		}
		moved = max(moved, t.play(g))
	}
	return moved
}

// arrive brings what a player's neighbouring games say to one of their moments.
func (t *timeline) arrive(p place) {
	chain := t.players[p.player]
	m := &chain[p.at]
	m.before = natural{prec: 1 / (t.opt.Sigma * t.opt.Sigma)}
	if p.at > 0 {
		last := chain[p.at-1]
		m.before = last.before.times(last.said).blurred(t.opt.Gamma * t.opt.Gamma * (m.time - last.time))
	}
	m.after = natural{}
	if p.at+1 < len(chain) {
		next := chain[p.at+1]
		m.after = next.after.times(next.said).blurred(t.opt.Gamma * t.opt.Gamma * (next.time - m.time))
	}
}

// play passes the result of a game to both skills.
func (t *timeline) play(g [2]place) (moved float64) {
	w, l := &t.players[g[0].player][g[0].at], &t.players[g[1].player][g[1].at]
	cw, cl := w.before.times(w.after), l.before.times(l.after) // all but this game
	mw, vw, ml, vl := cw.pm/cw.prec, 1/cw.prec, cl.pm/cl.prec, 1/cl.prec
	noise := 2 * t.opt.Beta * t.opt.Beta
	variance := vw + vl + noise
	x := (mw - ml) / math.Sqrt(variance)
	v := mills(x)
	seen := variance * (1 - v*(v+x))
	diff := natural{1 / seen, (mw - ml + math.Sqrt(variance)*v) / seen}.over(natural{1 / variance, (mw - ml) / variance})
	if !(diff.prec > 1e-12/variance) { // as sure as it was expected: it says nothing
		moved = max(math.Abs(w.said.pm), math.Abs(w.said.prec), math.Abs(l.said.pm), math.Abs(l.said.prec))
		w.said, l.said = natural{}, natural{}
		return moved
	}
	gap, doubt := diff.pm/diff.prec, 1/diff.prec // what the result alone says of the difference in performance
	sw := natural{1 / (doubt + vl + noise), (gap + ml) / (doubt + vl + noise)}
	sl := natural{1 / (doubt + vw + noise), (mw - gap) / (doubt + vw + noise)}
	moved = max(math.Abs(sw.pm-w.said.pm), math.Abs(sw.prec-w.said.prec), math.Abs(sl.pm-l.said.pm), math.Abs(sl.prec-l.said.prec))
	w.said, l.said = sw, sl
	return moved
}

func (t *timeline) beliefs() [][]Rating {
	out := make([][]Rating, len(t.players))
	for p, chain := range t.players {
		for _, m := range chain {
			all := m.before.times(m.after).times(m.said)
			out[p] = append(out[p], Rating{all.pm / all.prec, math.Sqrt(1 / all.prec)})
		}
	}
	return out
}

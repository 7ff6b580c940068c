package rank

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// A Rating is a belief about one player of an online system: a normal
// distribution. Its unit is the system's own.
type Rating struct{ Mean, SD float64 }

// A GlickoGame is one game of a rating period: 1 for a win, ½ for a draw, 0 for a
// loss against an opponent with the rating they had when the period began.
type GlickoGame struct {
	Opponent Rating
	Score    float64
}

// Glicko returns a player's rating after the games of one period (Glickman,
// Applied Statistics 48, 1999). Ratings are on the Elo scale; 1500 ± 350 is a
// newcomer. The increase of the deviation between periods is left to the caller.
// Ratings that are not finite, deviations that are not above 0 and scores outside
// [0,1] are errors wrapping [assay.ErrInvalid].
func Glicko(player Rating, games []GlickoGame) (Rating, error) {
	if err := player.check(); err != nil {
		return Rating{}, err
	}
	q := math.Ln10 / 400
	var gain, info float64
	for _, game := range games {
		if err := game.Opponent.check(); err != nil {
			return Rating{}, err
		}
		if !(game.Score >= 0 && game.Score <= 1) {
			return Rating{}, fmt.Errorf("rank: score %g: want 0 to 1: %w", game.Score, assay.ErrInvalid)
		}
		g := 1 / math.Sqrt(1+3*q*q*game.Opponent.SD*game.Opponent.SD/(math.Pi*math.Pi))
		e := 1 / (1 + math.Pow(10, -g*(player.Mean-game.Opponent.Mean)/400))
		gain += g * (game.Score - e)
		info += q * q * g * g * e * (1 - e)
	}
	variance := 1 / (1/(player.SD*player.SD) + info)
	return Rating{player.Mean + q*variance*gain, math.Sqrt(variance)}, nil
}

func (r Rating) check() error {
	if math.IsNaN(r.Mean) || math.IsInf(r.Mean, 0) || !(r.SD > 0) || math.IsInf(r.SD, 0) {
		return fmt.Errorf("rank: rating %g ± %g: want a finite mean and a deviation above 0: %w", r.Mean, r.SD, assay.ErrInvalid)
	}
	return nil
}

// TrueSkillOptions are the constants of [TrueSkill] and [WengLin]. The zero value
// has those of a newcomer at 25 ± 25/3.
type TrueSkillOptions struct {
	Beta float64 // deviation of a performance about the skill; 0 means 25/6
	Tau  float64 // deviation that a skill gains before each game; 0 means 25/300, negative none
	Draw float64 // chance of a draw between equals; 0 means 0.1, negative none
}

func (o TrueSkillOptions) withDefaults() TrueSkillOptions {
	if o.Beta == 0 {
		o.Beta = 25.0 / 6
	}
	if o.Tau == 0 {
		o.Tau = 25.0 / 300
	}
	if o.Draw == 0 {
		o.Draw = 0.1
	}
	o.Tau, o.Draw = max(o.Tau, 0), max(o.Draw, 0)
	return o
}

// TrueSkill returns two players' ratings after the first has beaten the second
// (Herbrich, Minka and Graepel, NIPS 2006), with the constants of its paper. Errors
// wrap [assay.ErrInvalid].
func TrueSkill(winner, loser Rating, opt TrueSkillOptions) (w, l Rating, err error) {
	for _, r := range []Rating{winner, loser} {
		if err := r.check(); err != nil {
			return w, l, err
		}
	}
	opt = opt.withDefaults()
	if !(opt.Beta > 0) || !(opt.Draw < 1) {
		return w, l, fmt.Errorf("rank: beta %g, chance of a draw %g: want beta above 0 and a chance below 1: %w", opt.Beta, opt.Draw, assay.ErrInvalid)
	}
	vw, vl := winner.SD*winner.SD+opt.Tau*opt.Tau, loser.SD*loser.SD+opt.Tau*opt.Tau
	c := math.Sqrt(2*opt.Beta*opt.Beta + vw + vl)
	margin := math.Erfinv(opt.Draw) * math.Sqrt2 * math.Sqrt2 * opt.Beta
	t := (winner.Mean - loser.Mean - margin) / c
	v := mills(t)
	shrink := v * (v + t)
	return Rating{winner.Mean + vw/c*v, math.Sqrt(vw * (1 - vw/(c*c)*shrink))},
		Rating{loser.Mean - vl/c*v, math.Sqrt(vl * (1 - vl/(c*c)*shrink))}, nil
}

// WengLin returns the players' ratings after a game that ended in the given order
// of places (1 is best, equals share one), by the Plackett–Luce rule of Weng and
// Lin (JMLR 12, 2011), which openskill takes by default. Errors wrap
// [assay.ErrInvalid].
func WengLin(players []Rating, places []int, opt TrueSkillOptions) ([]Rating, error) {
	if len(players) < 2 || len(places) != len(players) {
		return nil, fmt.Errorf("rank: %d players with %d places: want two or more, and a place for each: %w", len(players), len(places), assay.ErrInvalid)
	}
	opt = opt.withDefaults()
	var sum float64
	variance := make([]float64, len(players))
	for i, p := range players {
		if err := p.check(); err != nil {
			return nil, err
		}
		variance[i] = p.SD*p.SD + opt.Tau*opt.Tau
		sum += variance[i] + opt.Beta*opt.Beta
	}
	c := math.Sqrt(sum)
	out := make([]Rating, len(players))
	for i, p := range players {
		var omega, delta float64
		for q := range players {
			if places[q] > places[i] {
				continue
			}
			var rest, equals float64 // of those that q was chosen from; how many share its place
			for s := range players {
				if places[s] >= places[q] {
					rest += math.Exp((players[s].Mean - p.Mean) / c)
				}
				if places[s] == places[q] {
					equals++
				}
			}
			share := 1 / rest
			if q == i {
				omega += (1 - share) / equals
			} else {
				omega -= share / equals
			}
			delta += share * (1 - share) / equals
		}
		sd := math.Sqrt(variance[i])
		omega *= variance[i] / c
		delta *= sd / c * variance[i] / (c * c)
		out[i] = Rating{p.Mean + omega, sd * math.Sqrt(max(1-delta, 1e-4))}
	}
	return out, nil
}

package taste

import (
	"context"
	"math"
)

// A shape is what the data choose of the prior: the standard deviations, in
// log-odds, of what the embedding and the readings contribute and of what an
// image is worth to a person beyond these, and how far a person departs from the
// others, as a share of the first two.
type shape struct {
	embedding, readings, residual, departure float64
}

// Fixed parts of the prior. A bar may lie anywhere within a few logits of the
// mean; being shown on the left is worth little.
const (
	barDeviation  = 2
	sideDeviation = 0.5
)

// A layout says which columns are which.
type layout struct {
	comps, readings int
	others          bool // more than one person has judged: departures can be told
}

func (l layout) cols() int { return l.comps + l.readings + 2 }

// prior returns the variances that a shape stands for.
func (l layout) prior(s shape) prior {
	p := prior{make([]float64, l.cols()), make([]float64, l.cols()), s.residual * s.residual}
	for k := range l.comps + l.readings {
		sd := s.embedding
		if k >= l.comps {
			sd = s.readings
		}
		p.pop[k] = sd * sd
		if l.others {
			p.dev[k] = sd * sd * s.departure * s.departure
		}
	}
	bar := l.comps + l.readings
	p.pop[bar] = barDeviation * barDeviation
	if l.others {
		p.dev[bar] = barDeviation * barDeviation / 4
	}
	p.pop[bar+1] = sideDeviation * sideDeviation
	return p
}

// Bounds of a shape, and where the search for it begins.
const (
	leastDeviation, mostDeviation = 0.02, 8
	leastResidual, mostResidual   = 0.1, 4
	leastDeparture, mostDeparture = 0.05, 4
)

func firstShape() shape { return shape{embedding: 1, readings: 1, residual: 0.7, departure: 0.5} }

// doubt is the weak prior of a shape: within a factor of seven or so of what is
// usual, without which a few votes could call for any.
func (s shape) doubt() float64 {
	first, sum := firstShape(), 0.0
	for _, ratio := range []float64{s.embedding / first.embedding, s.readings / first.readings, s.residual / first.residual, s.departure / first.departure} {
		sum -= math.Log(ratio) * math.Log(ratio) / 2 / 4
	}
	return sum
}

// tune finds the shape under which the votes are least surprising, and the
// reward under it. The search steps through one part after another by factors,
// so it ends, and in the same place on every machine.
func (s *system) tune(ctx context.Context, l layout) (shape, posterior, error) {
	best := firstShape()
	post, err := s.maximise(ctx, l.prior(best), s.origin())
	if err != nil {
		return best, posterior{}, err
	}
	value := post.evidence + best.doubt()
	for _, factor := range []float64{2.5, 1.4} {
		for moved, rounds := true, 0; moved && rounds < 6; rounds++ {
			moved = false
			for _, next := range l.neighbours(best, factor) {
				p, err := s.maximise(ctx, l.prior(next), post.point)
				if err != nil {
					return best, posterior{}, err
				}
				if v := p.evidence + next.doubt(); v > value+1e-3 {
					best, post, value, moved = next, p, v, true
				}
			}
		}
	}
	return best, post, nil
}

// neighbours lists the shapes that differ in one part by a factor.
func (l layout) neighbours(s shape, factor float64) []shape {
	var out []shape
	for _, f := range []float64{factor, 1 / factor} {
		a, b, c, e := s, s, s, s
		a.embedding = min(max(s.embedding*f, leastDeviation), mostDeviation)
		b.readings = min(max(s.readings*f, leastDeviation), mostDeviation)
		c.departure = min(max(s.departure*f, leastDeparture), mostDeparture)
		e.residual = min(max(s.residual*f, leastResidual), mostResidual)
		if e != s {
			out = append(out, e)
		}
		if l.comps > 0 && a != s {
			out = append(out, a)
		}
		if l.readings > 0 && b != s {
			out = append(out, b)
		}
		if l.others && c != s {
			out = append(out, c)
		}
	}
	return out
}

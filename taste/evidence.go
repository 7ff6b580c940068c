package taste

import (
	"context"
	"math"
)

// A shape is what the data choose of the prior: the standard deviations, in
// log-odds, of what the embedding and the readings contribute, and how far a
// person departs from the others, as a share of these.
type shape struct {
	embedding, readings, departure float64
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
	p := prior{make([]float64, l.cols()), make([]float64, l.cols())}
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
	leastDeparture, mostDeparture = 0.05, 4
)

func firstShape() shape { return shape{embedding: 1, readings: 1, departure: 0.5} }

// doubt is the weak prior of a shape: within a factor of seven or so of what is
// usual, without which a few votes could call for any.
func (s shape) doubt() float64 {
	first, sum := firstShape(), 0.0
	for _, ratio := range []float64{s.embedding / first.embedding, s.readings / first.readings, s.departure / first.departure} {
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
		a, b, c := s, s, s
		a.embedding = min(max(s.embedding*f, leastDeviation), mostDeviation)
		b.readings = min(max(s.readings*f, leastDeviation), mostDeviation)
		c.departure = min(max(s.departure*f, leastDeparture), mostDeparture)
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

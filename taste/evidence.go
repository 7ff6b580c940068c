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
	leastDeparture, mostDeparture = 0.05, 40 // others may want nothing at all
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
// reward under it, to a factor: what a variance is exactly changes little. It
// steps through one part after another, so it ends, and in the same place on
// every machine.
func (s *system) tune(ctx context.Context, l layout, from shape, parts []part) (shape, posterior, error) {
	best := from
	post, err := s.maximise(ctx, l.prior(best), s.origin())
	if err != nil {
		return best, posterior{}, err
	}
	value := post.evidence + best.doubt()
	better := func(next shape) (bool, error) {
		if next == best {
			return false, nil
		}
		p, err := s.maximise(ctx, l.prior(next), post.point)
		if err != nil {
			return false, err
		}
		v := p.evidence + next.doubt()
		if v <= value+1e-2 {
			return false, nil
		}
		best, post, value = next, p, v
		return true, nil
	}
	for moved, sweeps := true, 0; moved && sweeps < 3; sweeps++ {
		moved = false
		for _, change := range parts {
			for _, factor := range []float64{tuneFactor, 1 / tuneFactor} {
				steps := 0
				for ok := true; ok; steps++ {
					if ok, err = better(change(best, factor)); err != nil {
						return best, posterior{}, err
					}
					moved = moved || ok
				}
				if steps > 1 { // it lay that way, so it does not lie the other
					break
				}
			}
		}
	}
	return best, post, nil
}

// tuneFactor is the step of the search for a shape.
const tuneFactor = 1.8

// A part changes one number of a shape by a factor.
type part func(s shape, factor float64) shape

func residual(s shape, f float64) shape {
	s.residual = min(max(s.residual*f, leastResidual), mostResidual)
	return s
}

func embedding(s shape, f float64) shape {
	s.embedding = min(max(s.embedding*f, leastDeviation), mostDeviation)
	return s
}

func readings(s shape, f float64) shape {
	s.readings = min(max(s.readings*f, leastDeviation), mostDeviation)
	return s
}

func departure(s shape, f float64) shape {
	s.departure = min(max(s.departure*f, leastDeparture), mostDeparture)
	return s
}

// parts lists what can be changed of a shape under this layout.
func (l layout) parts() []part {
	out := []part{residual}
	if l.comps > 0 {
		out = append(out, embedding)
	}
	if l.readings > 0 {
		out = append(out, readings)
	}
	if l.others {
		out = append(out, departure)
	}
	return out
}

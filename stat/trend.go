package stat

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/gen-emerge/assay"
)

// A Dist returns the distance of things i and j of a series.
type Dist func(i, j int) (float64, error)

// of returns the distances of the things at some places.
func (d Dist) of(ctx context.Context, at []int) (*Distances, error) {
	return NewDistances(ctx, len(at), func(i, j int) (float64, error) { return d(at[i], at[j]) })
}

// Distances holds the distances of n things, each from each, in the order of
// time. It is what every statistic of a trend reads.
type Distances struct {
	n int
	d []float32 // n×n, symmetric, zero diagonal
}

// NewDistances asks dist once for each pair i < j of n things. A distance that is
// negative or not finite is an error wrapping [assay.ErrInvalid], as are fewer
// than two things; an error of dist, or of the context, ends the work.
func NewDistances(ctx context.Context, n int, dist Dist) (*Distances, error) {
	if n < 2 {
		return nil, fmt.Errorf("distances of %d things: at least 2 are needed: %w", n, assay.ErrInvalid)
	}
	p := &Distances{n: n, d: make([]float32, n*n)}
	for j := range n {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		for i := range j {
			x, err := dist(i, j)
			if err != nil {
				return nil, err
			}
			if !(x >= 0) || math.IsInf(x, 1) {
				return nil, fmt.Errorf("distance of things %d and %d is %g: want a number of 0 or more: %w", i, j, x, assay.ErrInvalid)
			}
			p.d[i*n+j], p.d[j*n+i] = float32(x), float32(x)
		}
	}
	return p, nil
}

// Len returns the number of things.
func (p *Distances) Len() int { return p.n }

// At returns the distance of things i and j.
func (p *Distances) At(i, j int) float64 { return float64(p.d[i*p.n+j]) }

// A Spread is how far things lie apart: the mean distance of their pairs, which
// is the self-similarity of a set read the other way. It is a U-statistic, so it
// estimates the same number whatever the count.
type Spread struct {
	Mean     float64  // of the distances of all pairs
	StdErr   float64  // by leaving out one thing, or one batch, at a time; pairs are never taken for independent
	Interval Interval // for the mean, on the logarithmic scale by Student's law; NaN ends where it is not defined
	N        int      // things
	Groups   int      // batches that were left out in turn; N if things are their own batches
}

// A Window is a run of things in order of time, from From to before To.
type Window struct{ From, To int }

// Len returns the number of things in the window.
func (w Window) Len() int { return w.To - w.From }

// Spread returns how far the things of a window lie apart. Batches of more than
// one are left out whole when the error is estimated, counting from the
// window's start; 0 means 1. The level of the interval is conf. A window outside
// the things, of fewer than two batches or not of whole ones, is an error
// wrapping [assay.ErrInvalid].
func (p *Distances) Spread(w Window, batch int, conf float64) (Spread, error) {
	if err := checkOpen("mean pairwise distance", "confidence", conf); err != nil {
		return Spread{}, err
	}
	b, err := newBlocks(p, []Window{w}, batch)
	if err != nil {
		return Spread{}, err
	}
	mean, se := b.spread(b.all())
	s := Spread{Mean: mean, StdErr: se, N: w.Len(), Groups: b.n, Interval: Interval{math.NaN(), math.NaN()}}
	if b.n > 2 && mean > 0 {
		half := StudentHalf(conf, float64(b.n-1)) * se / mean
		s.Interval = Interval{mean * math.Exp(-half), mean * math.Exp(half)}
	}
	return s, nil
}

// StudentHalf returns how many standard errors a two-sided interval of level conf
// reaches to either side, by Student's law with dof degrees of freedom.
func StudentHalf(conf, dof float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: dof}.Quantile(0.5 + conf/2)
}

// blocks are sums of distances between whole batches, so that drawing another
// order costs nothing but additions.
type blocks struct {
	n    int       // batches
	size int       // things in each
	sum  []float64 // n×n: distances between things of two batches; on the diagonal, of the pairs inside one
}

func newBlocks(p *Distances, windows []Window, batch int) (*blocks, error) {
	if batch < 0 {
		return nil, fmt.Errorf("batches of %d: want 1 or more: %w", batch, assay.ErrInvalid)
	}
	batch = max(batch, 1)
	var starts []int
	for _, w := range windows {
		if w.From < 0 || w.To > p.n || w.Len() < 2*batch || w.Len()%batch != 0 {
			return nil, fmt.Errorf("window from %d to %d of %d things in batches of %d: want at least two whole batches: %w",
				w.From, w.To, p.n, batch, assay.ErrInvalid)
		}
		for at := w.From; at < w.To; at += batch {
			starts = append(starts, at)
		}
	}
	b := &blocks{n: len(starts), size: batch}
	b.sum = make([]float64, b.n*b.n)
	for i, from := range starts {
		for j, to := range starts[:i+1] {
			total := 0.0
			for x := from; x < from+batch; x++ {
				for y := to; y < to+batch; y++ {
					if i != j || y < x {
						total += p.At(x, y)
					}
				}
			}
			b.sum[i*b.n+j], b.sum[j*b.n+i] = total, total
		}
	}
	return b, nil
}

func (b *blocks) all() []int {
	out := make([]int, b.n)
	for i := range out {
		out[i] = i
	}
	return out
}

// spread returns the mean distance over the pairs of the member batches, and
// its standard error by the jackknife over batches (Arvesen 1969 for
// U-statistics).
func (b *blocks) spread(members []int) (mean, se float64) {
	m := len(members)
	total := 0.0
	var room [64]float64
	rows := room[:0] // what leaves with each batch
	for _, i := range members {
		row := b.sum[i*b.n : (i+1)*b.n]
		out := 0.0
		for _, j := range members {
			out += row[j]
		}
		total += out + row[i]
		rows = append(rows, out)
	}
	total /= 2 // each pair of batches was met twice, and the diagonal added twice
	mean = total / pairs(m*b.size)
	if m < 3 {
		return mean, math.NaN()
	}
	left := pairs((m - 1) * b.size)
	centre, ss := 0.0, 0.0
	for i, out := range rows {
		rows[i] = (total - out) / left
		centre += rows[i]
	}
	centre /= float64(m)
	for _, u := range rows {
		ss += float64((u - centre) * (u - centre))
	}
	return mean, math.Sqrt(ss * float64(m-1) / float64(m))
}

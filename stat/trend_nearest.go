package stat

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gen-emerge/assay"
)

// A NearestTrend says how the distance to the nearest of the things just before
// changes with time.
type NearestTrend struct {
	Lookback int       // how many things before each one's batch are searched
	At       []int     // places of the things that have so many before them
	Distance []float64 // of each of those, to the nearest
	Tau      float64   // Kendall's tau-a with time, −1 to 1: below 0, new things come ever nearer to those just before
	Chance             // of "ever nearer", if batches could have come in any order
}

// Nearest follows the distance of each thing from the nearest of the lookback
// things that came before its batch. The number searched is fixed on purpose:
// among all earlier things the nearest comes nearer as they grow in number, with
// or without convergence. One thing is the neighbour of many that follow, so
// that the values are not independent and Kendall's own law does not hold; the
// p-value comes from drawing orders of the batches and searching anew. Fewer
// than lookback + 3 batches' worth of things, or a lookback below 1, is an error
// wrapping [assay.ErrInvalid]. Things after the last whole batch are left out.
func Nearest(ctx context.Context, p *Distances, lookback int, opt TrendOptions) (NearestTrend, error) {
	opt = opt.withDefaults()
	m := p.n / opt.Batch
	firstBatch := (lookback + opt.Batch - 1) / opt.Batch
	if lookback < 1 || m < firstBatch+3 {
		return NearestTrend{}, fmt.Errorf("nearest of the %d before: %d things in batches of %d: at least %d are needed: %w",
			lookback, p.n, opt.Batch, (firstBatch+3)*opt.Batch, assay.ErrInvalid)
	}
	t := NearestTrend{Lookback: lookback}
	for i := firstBatch * opt.Batch; i < m*opt.Batch; i++ {
		t.At = append(t.At, i)
	}
	s := nearestSearch{p: p, lookback: lookback, batch: opt.Batch, order: make([]int, m*opt.Batch), values: make([]float64, len(t.At)), room: make([]float64, len(t.At)), tmp: make([]float64, len(t.At))}
	order := make([]int, m)
	for i := range order {
		order[i] = i
	}
	s.search(order)
	t.Distance = append(t.Distance, s.values...)
	observed := s.concordance()
	t.Tau = observed / pairs(len(t.At))
	rng := rand.New(rand.NewPCG(opt.Seed, 2))
	var err error
	t.Chance, err = chance(ctx, rng, -observed, opt, func(rng *rand.Rand) float64 {
		shuffle(rng, order)
		s.search(order)
		return -s.concordance()
	})
	t.Least = max(t.Least, 1/math.Gamma(float64(m+1)))
	return t, err
}

// A nearestSearch is the room in which orders are tried.
type nearestSearch struct {
	p               *Distances
	lookback, batch int
	order           []int     // of things, as the order of batches says
	values          []float64 // one for each thing that is followed
	room, tmp       []float64 // to sort them in
}

// search finds the nearest before for an order of batches.
func (s *nearestSearch) search(batches []int) {
	for i, b := range batches {
		for k := range s.batch {
			s.order[i*s.batch+k] = b*s.batch + k
		}
	}
	skip := len(s.order) - len(s.values)
	for i := range s.values {
		at := skip + i
		row := s.p.d[s.order[at]*s.p.n : (s.order[at]+1)*s.p.n]
		end := at / s.batch * s.batch
		least := float32(math.MaxFloat32)
		for _, j := range s.order[end-s.lookback : end] {
			least = min(least, row[j])
		}
		s.values[i] = float64(least)
	}
}

// concordance returns the pairs of values that rise with time less those that fall.
func (s *nearestSearch) concordance() float64 {
	v := append(s.room[:0], s.values...)
	total := pairs(len(v))
	swaps := countSwaps(v, s.tmp)
	ties := tieRuns(len(v), func(i int) bool { return v[i] == v[i-1] }) // v is sorted now
	return total - ties.pairs - 2*swaps
}

// ThinEvenly returns at most limit of n places, evenly spread, whole batches of
// them in order. Things that were exchangeable still are.
func ThinEvenly(n, limit, batch int) []int {
	batch = max(batch, 1)
	m := n / batch
	keep := min(m, max(1, limit/batch))
	var out []int
	for i := range keep {
		b := m - 1
		if keep > 1 {
			b = i * (m - 1) / (keep - 1)
		}
		for k := range batch {
			out = append(out, b*batch+k)
		}
	}
	return out
}

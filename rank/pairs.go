package rank

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/gen-emerge/assay"
)

// Better returns the probability that a newcomer is truly preferred, its
// chance of winning being above one half, after it won k of n comparisons,
// under a flat prior on that chance: P(Bin(n+1, ½) ≤ k). One win gives 0.75,
// three of three 0.9375. Counts other than 0 ≤ k ≤ n give NaN.
func Better(k, n int) float64 {
	if k < 0 || k > n {
		return math.NaN()
	}
	return mathext.RegIncBeta(float64(n+1-k), float64(k+1), 0.5)
}

// EIG returns the information, in nats, that one comparison is expected to
// give about two items whose difference in strength is normal with this mean
// and standard deviation (log-odds): the entropy of the expected outcome less
// the expected entropy of the outcome. It lies between 0 and ln 2, which it
// reaches at an infinite sd. Ties are not counted as outcomes.
//
// The integrals are sums over equal steps, which for a normal density converge
// faster than any power of the step; a step of at most 1/4 of the standard
// deviation and at most one logit leaves an error below 1e-8 nats.
func EIG(mean, sd float64) float64 {
	switch {
	case math.IsNaN(mean) || math.IsNaN(sd) || sd < 0:
		return math.NaN()
	case sd == 0:
		return 0
	case math.IsInf(mean, 0):
		return 0
	case sd > 1e4:
		// The sigmoid is a step next to so wide a law, and the noise lies in the
		// strip of area ∫H(σ(x))dx = π²/3 around it.
		at := mean / sd
		density := math.Exp(-at*at/2) / math.Sqrt(2*math.Pi)
		return max(0, coin(distuv.UnitNormal.CDF(at))-density/sd*math.Pi*math.Pi/3)
	}
	h := min(0.25, 1/sd)
	const reach = 8.5 // standard deviations; the density beyond is 1e-16
	steps := int(reach / h)
	var win, noise, mass float64
	for k := -steps; k <= steps; k++ {
		z := float64(k) * h
		w := math.Exp(-z * z / 2)
		p, entropy := toss(mean + sd*z)
		mass += w
		win += w * p
		noise += w * entropy
	}
	return max(0, coin(win/mass)-noise/mass)
}

// toss is the probability of a yes with log-odds d, and its entropy in nats.
func toss(d float64) (p, entropy float64) {
	e := math.Exp(-math.Abs(d))
	rare := e / (1 + e)
	entropy = math.Log1p(e) + math.Abs(d)*rare
	if d < 0 {
		return rare, entropy
	}
	return 1 - rare, entropy
}

// coin is the entropy in nats of a yes with probability p.
func coin(p float64) float64 {
	if p <= 0 || p >= 1 {
		return 0
	}
	return -p*math.Log(p) - (1-p)*math.Log1p(-p)
}

// PairOptions adjust [NextPairs]. The zero PairOptions is a good choice.
type PairOptions struct {
	// Penalty divides the information of a pair that was compared m times
	// before by 1 + Penalty·m; 0 means 1, negative means none.
	Penalty float64
	PerItem int    // most pairs of the batch that show one item; 0 means 1
	MaxSeen int    // items that were in this many votes are not shown; 0 means no cap
	Seed    uint64 // decides which of a pair is shown on the left, and between equals
}

// A Pick is one pair to ask about.
type Pick struct {
	Left, Right int     // in the order to be shown
	EIG         float64 // expected information in nats, before the penalty
	Met         int     // times the two were compared before
	// Propensity is the probability with which the pair was chosen. It is 1,
	// because the choice is determined by the votes and the seed.
	Propensity float64
}

// mostCandidates bounds the pairs that NextPairs weighs to about half a
// million, which takes a second.
const mostCandidates = 1000

// NextPairs chooses up to k pairs among the candidate items for which one
// comparison is expected to give the most information about who is stronger,
// greedily, with a penalty on repeats and a cap on how often an item is seen.
// The bar and other items that cannot be shown are left out of the candidates
// by the caller. Fewer than k pairs come back when the caps allow no more. The
// same fit, candidates and seed give the same pairs. Items that are not
// comparable count as wholly unknown, so joining components comes first. Where
// there is no covariance matrix (see [Fit.Local]) the variance of a difference
// is taken for the sum of both local ones. Candidates that are repeated or out
// of range, or more than 1000 of them, are an error wrapping
// [assay.ErrInvalid].
func NextPairs(f *Fit, candidates []int, k int, opt PairOptions) ([]Pick, error) {
	if k < 1 || opt.PerItem < 0 || opt.MaxSeen < 0 || math.IsNaN(opt.Penalty) {
		return nil, fmt.Errorf("rank: %d pairs, %d per item, cap %d, penalty %g: want at least one pair and no negative limit: %w",
			k, opt.PerItem, opt.MaxSeen, opt.Penalty, assay.ErrInvalid)
	}
	if len(candidates) > mostCandidates {
		return nil, fmt.Errorf("rank: %d candidates for the next pairs: choose at most %d, for instance those least certain: %w",
			len(candidates), mostCandidates, assay.ErrInvalid)
	}
	opt.Penalty = max(0, cmp.Or(opt.Penalty, 1))
	opt.PerItem = cmp.Or(opt.PerItem, 1)
	seen := map[int]bool{}
	var items []int
	for _, i := range candidates {
		if i < 0 || i >= len(f.Strength) || seen[i] {
			return nil, fmt.Errorf("rank: candidate %d: want different items from 0 to %d: %w", i, len(f.Strength)-1, assay.ErrInvalid)
		}
		seen[i] = true
		if opt.MaxSeen == 0 || f.Tally[i].Votes < opt.MaxSeen {
			items = append(items, i)
		}
	}
	slices.Sort(items) // so that the order of the candidates does not matter
	list := f.weigh(items, opt)
	slices.SortFunc(list, func(a, b weighed) int {
		return cmp.Or(cmp.Compare(b.gain, a.gain), cmp.Compare(a.draw, b.draw), cmp.Compare(a.i, b.i), cmp.Compare(a.j, b.j))
	})
	var picks []Pick
	shown := map[int]int{}
	for _, w := range list {
		if len(picks) == k {
			break
		}
		if shown[w.i] >= opt.PerItem || shown[w.j] >= opt.PerItem {
			continue
		}
		shown[w.i]++
		shown[w.j]++
		p := Pick{Left: w.i, Right: w.j, EIG: f.pairEIG(w.i, w.j), Met: f.Met(w.i, w.j), Propensity: 1}
		if w.draw&1 == 1 {
			p.Left, p.Right = p.Right, p.Left
		}
		picks = append(picks, p)
	}
	return picks, nil
}

// A weighed pair is a candidate with its penalised information.
type weighed struct {
	i, j int
	gain float64
	draw uint64 // from the seed: breaks ties and says who is on the left
}

// weigh computes the penalised information of every pair of items.
func (f *Fit) weigh(items []int, opt PairOptions) []weighed {
	list := make([]weighed, len(items)*(len(items)-1)/2)
	parallelItems(f.sys.workers, len(items), func(x int) {
		at := x * (x - 1) / 2
		for y, j := range items[:x] {
			i := items[x]
			// The draw is a function of the seed and the pair alone.
			rng := rand.NewPCG(opt.Seed, uint64(j)<<32|uint64(i))
			met := float64(f.Met(i, j))
			list[at+y] = weighed{j, i, f.pairEIG(i, j) / (1 + opt.Penalty*met), rng.Uint64()}
		}
	})
	return list
}

// pairEIG is the information of one comparison of i and j.
func (f *Fit) pairEIG(i, j int) float64 {
	if !f.comparable(i, j) {
		return math.Ln2
	}
	v := f.StdErr[i]*f.StdErr[i] + f.StdErr[j]*f.StdErr[j]
	if f.cov != nil {
		v = f.Var(i, j)
	}
	return EIG(f.Strength[i]-f.Strength[j], math.Sqrt(v))
}

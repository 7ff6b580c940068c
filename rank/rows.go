package rank

import (
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
)

// rows are the votes with equal pairs added up: one row for a pair of items, or
// one for each order shown when a side effect is fitted. Rows are sorted by a,
// then b.
type rows struct {
	a, b    []int32
	side    []float64 // 1 if a was shown on the left, 0 if no side effect applies; nil if none is fitted
	w, l, t []float64 // summed weights of the votes that a won, lost and tied
	// Sums of the squared weights, for the sandwich. They share memory with w, l
	// and t when every weight is 1.
	w2, l2, t2 []float64
	votes      []int32 // number of votes
	start      []int   // rows start[a] to start[a+1] have first item a
}

func (r *rows) len() int { return len(r.a) }

// tieSum and winSum are the total weights of ties and of decisive votes.
func (r *rows) tieSum() float64 { return sum(r.t) }

func (r *rows) winSum() float64 { return sum(r.w) + sum(r.l) }

func sum(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s
}

// orient says which item of v comes first in its row.
func orient(v *Vote, side bool) (a, b int, flipped, sided bool) {
	if side && !v.Unordered {
		return v.Left, v.Right, false, true
	}
	if v.Left > v.Right {
		return v.Right, v.Left, true, false
	}
	return v.Left, v.Right, false, false
}

// newRows checks the votes and adds them up. The order of equal rows' votes is
// that of the votes, so the sums do not depend on anything else.
func newRows(n int, votes []Vote, side bool) (*rows, error) {
	if n > math.MaxInt32 || len(votes) > math.MaxInt32 {
		return nil, fmt.Errorf("rank: %d items and %d votes: at most %d of each: %w", n, len(votes), math.MaxInt32, assay.ErrInvalid)
	}
	start := make([]int, n+2)
	for k := range votes {
		if err := checkVote(k, n, &votes[k]); err != nil {
			return nil, err
		}
		a, _, _, _ := orient(&votes[k], side)
		start[a+2]++
	}
	for a := 2; a < len(start); a++ {
		start[a] += start[a-1]
	}
	// A key is the second item (31 bits), whether the row is sided (1) and the
	// vote's number (32), so that sorting keys groups rows.
	keys := make([]uint64, len(votes))
	for k := range votes {
		a, b, _, sided := orient(&votes[k], side)
		key := uint64(b)<<33 | uint64(k)
		if sided {
			key |= 1 << 32
		}
		keys[start[a+1]] = key
		start[a+1]++
	}
	start = start[:n+1]
	r := &rows{start: make([]int, n+1)}
	distinct := 0
	for a := range n {
		bucket := keys[start[a]:start[a+1]]
		slices.Sort(bucket)
		for i, key := range bucket {
			if i == 0 || key>>32 != bucket[i-1]>>32 {
				distinct++
			}
		}
		r.start[a+1] = distinct
	}
	r.fill(votes, keys, start, distinct, side)
	return r, nil
}

// fill adds up the sorted keys into the given number of rows.
func (r *rows) fill(votes []Vote, keys []uint64, start []int, distinct int, side bool) {
	r.a, r.b, r.votes = make([]int32, distinct), make([]int32, distinct), make([]int32, distinct)
	r.w, r.l, r.t = make([]float64, distinct), make([]float64, distinct), make([]float64, distinct)
	if side {
		r.side = make([]float64, distinct)
	}
	r.w2, r.l2, r.t2 = r.w, r.l, r.t
	if weighted(votes) {
		r.w2, r.l2, r.t2 = make([]float64, distinct), make([]float64, distinct), make([]float64, distinct)
	}
	separate := distinct > 0 && &r.w2[0] != &r.w[0]
	at := -1
	for a := range len(start) - 1 {
		last := uint64(math.MaxUint64)
		for _, key := range keys[start[a]:start[a+1]] {
			if key>>32 != last {
				last = key >> 32
				at++
				r.a[at], r.b[at] = int32(a), int32(key>>33)
				if side {
					r.side[at] = float64(key >> 32 & 1)
				}
			}
			v := &votes[uint32(key)]
			_, _, flipped, _ := orient(v, side)
			to, to2 := r.t, r.t2
			switch {
			case v.Outcome == assay.Tie:
			case (v.Outcome == assay.Left) != flipped:
				to, to2 = r.w, r.w2
			default:
				to, to2 = r.l, r.l2
			}
			weight := v.weight()
			r.votes[at]++
			to[at] += weight
			if separate {
				to2[at] += weight * weight
			}
		}
	}
}

func weighted(votes []Vote) bool {
	return slices.ContainsFunc(votes, func(v Vote) bool { return v.weight() != 1 })
}

// keep returns the rows for which ok holds.
func (r *rows) keep(ok func(k int) bool) *rows {
	kept := &rows{start: make([]int, len(r.start))}
	separate := r.len() > 0 && &r.w2[0] != &r.w[0]
	for k := range r.a {
		if !ok(k) {
			continue
		}
		kept.start[r.a[k]+1]++
		kept.a, kept.b, kept.votes = append(kept.a, r.a[k]), append(kept.b, r.b[k]), append(kept.votes, r.votes[k])
		kept.w, kept.l, kept.t = append(kept.w, r.w[k]), append(kept.l, r.l[k]), append(kept.t, r.t[k])
		if separate {
			kept.w2, kept.l2, kept.t2 = append(kept.w2, r.w2[k]), append(kept.l2, r.l2[k]), append(kept.t2, r.t2[k])
		}
		if r.side != nil {
			kept.side = append(kept.side, r.side[k])
		}
	}
	if !separate {
		kept.w2, kept.l2, kept.t2 = kept.w, kept.l, kept.t
	}
	for a := 1; a < len(kept.start); a++ {
		kept.start[a] += kept.start[a-1]
	}
	return kept
}

// count returns how many votes compared i with j, in either order.
func (r *rows) count(i, j int) int {
	n := 0
	for _, p := range [2][2]int{{i, j}, {j, i}} {
		lo, hi := r.start[p[0]], r.start[p[0]+1]
		at, _ := slices.BinarySearch(r.b[lo:hi], int32(p[1]))
		for k := lo + at; k < hi && r.b[k] == int32(p[1]); k++ {
			n += int(r.votes[k])
		}
	}
	return n
}

package index

import (
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
)

// Nearest returns the k held vectors nearest to query, nearest first; fewer if
// the index holds fewer. Equal distances come in order of insertion. If keep is
// not nil, only vectors for whose id it returns true are considered; it must
// not call the index's Add.
//
// Sums are accumulated in float64 in a fixed order, and no step may be fused
// into a multiply-add with another rounding, so that the result is the same on
// every machine; its relative error is below dim·2⁻⁵³ for [L1] and [L2], and
// the absolute error of [Cosine] below dim·2⁻⁵².
//
// The error wraps [assay.ErrInvalid] if query has the wrong length, a value
// that is not finite, or no direction under [Cosine], or if k is less than 1.
func (x *Index) Nearest(query []float32, k int, keep func(assay.Digest) bool) ([]Hit, error) {
	if k < 1 {
		return nil, fmt.Errorf("index: %d nearest: ask for at least 1: %w", k, assay.ErrInvalid)
	}
	norm, err := x.check(query)
	if err != nil {
		return nil, fmt.Errorf("index: query: %w", err)
	}
	// Rows that are there now never change, so the scan needs no lock.
	x.mu.RLock()
	chunks, norms, ids := x.chunks, x.norms, x.ids
	x.mu.RUnlock()

	q := make([]float64, len(query))
	for i, v := range query {
		q[i] = float64(v)
	}
	best := nearest{k: k, hits: make([]found, 0, min(k, len(ids)))}
	for i := range ids {
		if keep != nil && !keep(ids[i]) {
			continue
		}
		row := x.row(chunks, i)
		switch x.metric {
		case L2:
			if sum := squares(q, row, best.bound()); !math.IsInf(sum, 1) {
				best.offer(found{sum, math.Sqrt(sum), i})
			}
		case L1:
			if sum := absolutes(q, row, best.bound()); !math.IsInf(sum, 1) {
				best.offer(found{sum, sum, i})
			}
		case Cosine:
			d := 1 - min(1, max(-1, dot(q, row)/(norm*norms[i])))
			best.offer(found{d, d, i})
		}
	}
	out := make([]Hit, len(best.hits))
	for i, f := range best.sorted() {
		out[i] = Hit{ids[f.row], f.row, f.dist}
	}
	return out, nil
}

// dot returns Σ q·r. A product of two float32 values is exact in float64, so a
// fused multiply-add gives the same sum.
func dot(q []float64, r []float32) float64 {
	var s0, s1, s2, s3 float64
	r = r[:len(q)]
	i := 0
	for ; i+4 <= len(q); i += 4 {
		a, b := q[i:i+4:i+4], r[i:i+4:i+4]
		s0 += a[0] * float64(b[0])
		s1 += a[1] * float64(b[1])
		s2 += a[2] * float64(b[2])
		s3 += a[3] * float64(b[3])
	}
	for ; i < len(q); i++ {
		s0 += q[i] * float64(r[i])
	}
	return (s0 + s1) + (s2 + s3)
}

// stride is how many terms are summed between two looks at the bound; a
// multiple of 4. Looking more often costs more than it saves.
const stride = 64

// squares returns Σ (q−r)², or +Inf as soon as the sum is known to exceed
// bound: terms are not negative and rounding is monotone, so a partial sum
// never exceeds the whole.
func squares(q []float64, r []float32, bound float64) float64 {
	var s0, s1, s2, s3 float64
	r = r[:len(q)]
	i := 0
	for i+4 <= len(q) {
		for end := min(i+stride, len(q)-3); i < end; i += 4 {
			a, b := q[i:i+4:i+4], r[i:i+4:i+4]
			d0, d1 := a[0]-float64(b[0]), a[1]-float64(b[1])
			d2, d3 := a[2]-float64(b[2]), a[3]-float64(b[3])
			s0 += float64(d0 * d0) // the conversion forbids fusing
			s1 += float64(d1 * d1)
			s2 += float64(d2 * d2)
			s3 += float64(d3 * d3)
		}
		if (s0+s1)+(s2+s3) > bound {
			return math.Inf(1)
		}
	}
	for ; i < len(q); i++ {
		d := q[i] - float64(r[i])
		s0 += float64(d * d)
	}
	return (s0 + s1) + (s2 + s3)
}

// absolutes returns Σ |q−r|, or +Inf as soon as the sum is known to exceed
// bound.
func absolutes(q []float64, r []float32, bound float64) float64 {
	var s0, s1, s2, s3 float64
	r = r[:len(q)]
	i := 0
	for i+4 <= len(q) {
		for end := min(i+stride, len(q)-3); i < end; i += 4 {
			a, b := q[i:i+4:i+4], r[i:i+4:i+4]
			s0 += math.Abs(a[0] - float64(b[0]))
			s1 += math.Abs(a[1] - float64(b[1]))
			s2 += math.Abs(a[2] - float64(b[2]))
			s3 += math.Abs(a[3] - float64(b[3]))
		}
		if (s0+s1)+(s2+s3) > bound {
			return math.Inf(1)
		}
	}
	for ; i < len(q); i++ {
		s0 += math.Abs(q[i] - float64(r[i]))
	}
	return (s0 + s1) + (s2 + s3)
}

// A found is one candidate row: the sum it was compared by, and its distance.
type found struct {
	sum  float64
	dist float64
	row  int
}

// after reports whether f comes after g in the answer.
func (f found) after(g found) bool {
	return f.dist > g.dist || f.dist == g.dist && f.row > g.row
}

// A nearest keeps the k best rows offered, as a heap whose root is the worst.
type nearest struct {
	k    int
	hits []found
}

// bound returns the sum above which a row cannot enter.
func (n *nearest) bound() float64 {
	if len(n.hits) < n.k {
		return math.MaxFloat64
	}
	return n.hits[0].sum
}

// offer takes f if it comes before the worst row kept. Rows are offered in
// order of insertion, so a later row with an equal distance stays out.
func (n *nearest) offer(f found) {
	if len(n.hits) < n.k {
		n.hits = append(n.hits, f)
		for i := len(n.hits) - 1; i > 0; {
			parent := (i - 1) / 2
			if !n.hits[i].after(n.hits[parent]) {
				return
			}
			n.hits[i], n.hits[parent] = n.hits[parent], n.hits[i]
			i = parent
		}
		return
	}
	if !n.hits[0].after(f) {
		return
	}
	n.hits[0] = f
	for i := 0; ; {
		worst := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(n.hits) && n.hits[child].after(n.hits[worst]) {
				worst = child
			}
		}
		if worst == i {
			return
		}
		n.hits[i], n.hits[worst] = n.hits[worst], n.hits[i]
		i = worst
	}
}

// sorted returns the rows kept, best first.
func (n *nearest) sorted() []found {
	slices.SortFunc(n.hits, func(a, b found) int {
		if a.after(b) {
			return 1
		}
		return -1
	})
	return n.hits
}

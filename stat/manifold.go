package stat

import (
	"context"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// A PR is precision and recall of a generated set against a real one
// (Kynkäänniemi et al. 2019).
type PR struct {
	Precision  float64 // share of generated rows inside some real row's ball
	Recall     float64 // share of real rows inside some generated row's ball
	Inside     int     // generated rows inside: Precision times their number
	Reached    int     // real rows inside: Recall times their number
	Real, Fake int     // rows
	Warnings   []error // doubts to show beside the numbers, which still stand
}

// PrecisionRecall returns precision and recall: a row's ball reaches to its k-th
// nearest neighbour of its own set, itself left out, and what lies on the edge is
// inside (≤). Each set needs k+1 rows; k is at least 1, as published 3; anything
// else is an error wrapping [assay.ErrInvalid]. [Wilson] of the counts is an
// interval that holds the balls fixed.
func PrecisionRecall(ctx context.Context, real, fake Features, k int) (PR, error) {
	if err := checkBalls("precision and recall", real, fake, k); err != nil {
		return PR{}, err
	}
	m, err := newManifold(ctx, best(), plain(real), plain(fake), k)
	if err != nil {
		return PR{}, err
	}
	return m.pr(), nil
}

// A DC is density and coverage (Naeem et al. 2020), with the precision and recall
// that the package prdc gives beside them.
type DC struct {
	Density       float64 // real balls around a generated row, mean, by k; may exceed 1
	DensityStdErr float64 // over the generated rows, the real ones held fixed
	Coverage      float64 // share of real rows whose ball holds a generated row
	Covered       int     // Coverage times the number of real rows
	Precision     float64 // as [PR], but the edge is outside
	Recall        float64 // as [PR], but the edge is outside
	Real, Fake    int     // rows
	Warnings      []error // doubts to show beside the numbers, which still stand
}

// DensityCoverage returns density and coverage: balls as in [PrecisionRecall],
// but what lies on the edge is outside (<). Each set needs k+1 rows; k is at least
// 1, in prdc's example 5; anything else is an error wrapping [assay.ErrInvalid].
func DensityCoverage(ctx context.Context, real, fake Features, k int) (DC, error) {
	if err := checkBalls("density and coverage", real, fake, k); err != nil {
		return DC{}, err
	}
	m, err := newManifold(ctx, best(), plain(real), plain(fake), k)
	if err != nil {
		return DC{}, err
	}
	return m.dc(), nil
}

func checkBalls(what string, real, fake Features, k int) error {
	if k < 1 {
		return fmt.Errorf("%s: neighbour %d: want 1 or more: %w", what, k, assay.ErrInvalid)
	}
	return checkTwo(fmt.Sprintf("%s with neighbour %d", what, k), real, fake, k+1)
}

// A manifold is what these measures are made of. Distances are squared. Shares
// count; counts, least distances and yes/no know no order, so workers may keep
// their own and join them at the end.
type manifold struct {
	k                      int
	realRadius, fakeRadius []float64 // to the k-th neighbour of the own set
	nearest                []float64 // of each real row: the nearest generated one
	balls                  []int     // of each generated row: real balls strictly around it
	fakeIn                 []bool    // of each generated row: in some real ball, edge included
	realIn                 []bool    // of each real row: in some generated ball, edge included
	realStrict             []bool    // of each real row: in some generated ball, edge excluded
}

func newManifold(ctx context.Context, kn kernel, real, fake rows, k int) (*manifold, error) {
	realSq, fakeSq := squares(kn, real), squares(kn, fake)
	rr, err := radii(ctx, kn, real, realSq, k)
	if err != nil {
		return nil, err
	}
	fr, err := radii(ctx, kn, fake, fakeSq, k)
	if err != nil {
		return nil, err
	}
	part := make([]*manifold, max(1, kn.cores))
	for w := range part {
		part[w] = &manifold{k: k, realRadius: rr, fakeRadius: fr,
			nearest: make([]float64, real.n), balls: make([]int, fake.n),
			fakeIn: make([]bool, fake.n), realIn: make([]bool, real.n), realStrict: make([]bool, real.n)}
		for i := range part[w].nearest {
			part[w].nearest[i] = math.Inf(1)
		}
	}
	err = products(ctx, kn, real, fake, false, func(t tile) {
		for i := range t.rows {
			part[t.worker].take(t.i0+i, t.j0, t.c[i*tileEdge:][:t.cols], realSq[t.i0+i], fakeSq[t.j0:])
		}
	})
	if err != nil {
		return nil, err
	}
	for _, p := range part[1:] {
		part[0].join(p)
	}
	return part[0], nil
}

// squares returns each row's product with itself.
func squares(kn kernel, x rows) []float64 {
	sq := make([]float64, x.n)
	kn.chunks(x.n, 256, func(from, to int) {
		buf := make([]float64, x.dim)
		for i := from; i < to; i++ {
			x.read(i, buf)
			sq[i] = dot(buf, buf)
		}
	})
	return sq
}

// apart is ‖a−b‖² of ‖a‖², ‖b‖² and ⟨a,b⟩. For two equal rows it is 0 exactly,
// since their dot product is the same chain as their squares.
func apart(a, b, dot float64) float64 { return max(0, (a+b)-2*dot) }

// take takes in real row i's dot products with the generated rows from j0 on.
func (m *manifold) take(i, j0 int, dots []float64, sq float64, fakeSq []float64) {
	radius := m.realRadius[i]
	nearest, in, strict := m.nearest[i], m.realIn[i], m.realStrict[i]
	balls, fakeIn, fakeRadius := m.balls[j0:][:len(dots)], m.fakeIn[j0:][:len(dots)], m.fakeRadius[j0:][:len(dots)]
	for j, dot := range dots {
		d := apart(sq, fakeSq[j], dot)
		nearest = min(nearest, d)
		if d <= radius {
			fakeIn[j] = true
			if d < radius {
				balls[j]++
			}
		}
		if d <= fakeRadius[j] {
			in = true
			strict = strict || d < fakeRadius[j]
		}
	}
	m.nearest[i], m.realIn[i], m.realStrict[i] = nearest, in, strict
}

func (m *manifold) join(o *manifold) {
	for i := range m.nearest {
		m.nearest[i] = min(m.nearest[i], o.nearest[i])
		m.realIn[i] = m.realIn[i] || o.realIn[i]
		m.realStrict[i] = m.realStrict[i] || o.realStrict[i]
	}
	for j := range m.balls {
		m.balls[j] += o.balls[j]
		m.fakeIn[j] = m.fakeIn[j] || o.fakeIn[j]
	}
}

func (m *manifold) pr() PR {
	p := PR{Real: len(m.nearest), Fake: len(m.balls), Warnings: m.warnings()}
	for _, in := range m.fakeIn {
		if in {
			p.Inside++
		}
	}
	for _, in := range m.realIn {
		if in {
			p.Reached++
		}
	}
	p.Precision = float64(p.Inside) / float64(p.Fake)
	p.Recall = float64(p.Reached) / float64(p.Real)
	return p
}

func (m *manifold) dc() DC {
	c := DC{Real: len(m.nearest), Fake: len(m.balls), Warnings: m.warnings()}
	per := make([]float64, c.Fake)
	in, reached := 0, 0
	for j, n := range m.balls {
		per[j] = float64(n) / float64(m.k)
		if n > 0 {
			in++
		}
	}
	for i, d := range m.nearest {
		if m.realStrict[i] {
			reached++
		}
		if d < m.realRadius[i] {
			c.Covered++
		}
	}
	mean, std := meanStd(per)
	c.Density, c.DensityStdErr = mean, std/math.Sqrt(float64(c.Fake-1))
	c.Coverage = float64(c.Covered) / float64(c.Real)
	c.Precision = float64(in) / float64(c.Fake)
	c.Recall = float64(reached) / float64(c.Real)
	return c
}

func (m *manifold) warnings() []error {
	var w []error
	n, f := len(m.nearest), len(m.balls)
	if n != f {
		w = append(w, fmt.Errorf("%d real images against %d generated: these measures depend on both numbers; use equal ones", n, f))
	}
	if least := min(n, f); least < 1000 {
		w = append(w, fmt.Errorf("%d images: balls of so few are wide, and published values use 10,000 or more; compare sets of equal size only", least))
	}
	return w
}

// radii returns the squared distance of each row to its k-th neighbour.
func radii(ctx context.Context, kn kernel, x rows, sq []float64, k int) ([]float64, error) {
	// Each worker keeps, for each row, the k least distances it saw, rising.
	seen := make([][]float64, max(1, kn.cores))
	for w := range seen {
		seen[w] = make([]float64, x.n*k)
		for i := range seen[w] {
			seen[w][i] = math.Inf(1)
		}
	}
	err := products(ctx, kn, x, x, true, func(t tile) {
		mine := seen[t.worker]
		for i := range t.rows {
			own := mine[(t.i0+i)*k:][:k]
			dots := t.c[i*tileEdge:][:t.cols]
			from := 0
			if t.i0 == t.j0 {
				from = i + 1
			}
			for j := from; j < t.cols; j++ {
				d := apart(sq[t.i0+i], sq[t.j0+j], dots[j])
				if d < own[k-1] {
					insert(own, d)
				}
				if other := mine[(t.j0+j)*k:][:k]; d < other[k-1] {
					insert(other, d)
				}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	out := make([]float64, x.n)
	for i := range out {
		own := seen[0][i*k:][:k]
		for _, more := range seen[1:] {
			for _, d := range more[i*k:][:k] {
				if d < own[k-1] {
					insert(own, d)
				}
			}
		}
		out[i] = own[k-1]
	}
	return out, nil
}

// insert puts d in its place among rising numbers; the last falls out.
func insert(rising []float64, d float64) {
	i := len(rising) - 1
	for ; i > 0 && rising[i-1] > d; i-- {
		rising[i] = rising[i-1]
	}
	rising[i] = d
}

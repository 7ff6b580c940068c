package stat

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
)

// A PR is precision and recall of a generated set against a real one
// (Kynkäänniemi et al. 2019).
type PR struct {
	Precision float64 // share of generated rows inside some real row's ball
	Recall    float64 // share of real rows inside some generated row's ball
	Inside    int     // generated rows inside: Precision times their number
	Reached   int     // real rows inside: Recall times their number
	Real      int     // rows
	Fake      int     // rows
	Warnings  []error // doubts to show beside the numbers, which still stand
}

// PrecisionRecall returns precision and recall: a row's ball reaches to its k-th
// nearest neighbour of its own set, itself left out, and what lies on the edge is
// inside (≤). Each set needs k+1 rows; k is at least 1, as published 3. The
// result carries the counts, for [Wilson].
func PrecisionRecall(ctx context.Context, real, fake Features, k int) (PR, error) {
	m, err := newManifold(ctx, "precision and recall", real, fake, k)
	if err != nil {
		return PR{}, err
	}
	p := PR{Real: real.Len(), Fake: fake.Len(), Warnings: m.warnings(k)}
	for j := range m.fakeIn {
		if m.fakeIn[j] {
			p.Inside++
		}
	}
	for i := range m.realIn {
		if m.realIn[i] {
			p.Reached++
		}
	}
	p.Precision = float64(p.Inside) / float64(p.Fake)
	p.Recall = float64(p.Reached) / float64(p.Real)
	return p, nil
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
// 1, in prdc's example 5.
func DensityCoverage(ctx context.Context, real, fake Features, k int) (DC, error) {
	m, err := newManifold(ctx, "density and coverage", real, fake, k)
	if err != nil {
		return DC{}, err
	}
	c := DC{Real: real.Len(), Fake: fake.Len(), Warnings: m.warnings(k)}
	per := make([]float64, c.Fake)
	in, reached := 0, 0
	for j, n := range m.balls {
		per[j] = float64(n) / float64(k)
		if n > 0 {
			in++
		}
	}
	for i := range m.realStrict {
		if m.realStrict[i] {
			reached++
		}
		if m.nearest[i] < m.realRadius[i] {
			c.Covered++
		}
	}
	mean, std := meanStd(per)
	c.Density, c.DensityStdErr = mean, std/math.Sqrt(float64(c.Fake-1))
	c.Coverage = float64(c.Covered) / float64(c.Real)
	c.Precision = float64(in) / float64(c.Fake)
	c.Recall = float64(reached) / float64(c.Real)
	return c, nil
}

// A manifold is what both measures are made of; distances are squared.
type manifold struct {
	realRadius, fakeRadius []float64 // to the k-th neighbour of the own set
	nearest                []float64 // of each real row: the nearest generated one
	balls                  []int     // of each generated row: real balls strictly around it
	fakeIn                 []bool    // of each generated row: in some real ball, edge included
	realIn                 []bool    // of each real row: in some generated ball, edge included
	realStrict             []bool    // of each real row: in some generated ball, edge excluded
}

func newManifold(ctx context.Context, what string, real, fake Features, k int) (*manifold, error) {
	if k < 1 {
		return nil, fmt.Errorf("%s: neighbour %d: want 1 or more: %w", what, k, assay.ErrInvalid)
	}
	if err := checkTwo(what, real, fake, k+1); err != nil {
		return nil, err
	}
	m := &manifold{nearest: make([]float64, real.Len()), balls: make([]int, fake.Len()),
		fakeIn: make([]bool, fake.Len()), realIn: make([]bool, real.Len()), realStrict: make([]bool, real.Len())}
	var err error
	if m.realRadius, err = radii(ctx, real, k); err != nil {
		return nil, err
	}
	if m.fakeRadius, err = radii(ctx, fake, k); err != nil {
		return nil, err
	}
	for i := range m.nearest {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		m.nearest[i] = math.Inf(1)
		for j := range m.balls {
			d := squared(real.Row(i), fake.Row(j))
			m.nearest[i] = min(m.nearest[i], d)
			if d < m.realRadius[i] {
				m.balls[j]++
			}
			m.fakeIn[j] = m.fakeIn[j] || d <= m.realRadius[i]
			m.realIn[i] = m.realIn[i] || d <= m.fakeRadius[j]
			m.realStrict[i] = m.realStrict[i] || d < m.fakeRadius[j]
		}
	}
	return m, nil
}

func (m *manifold) warnings(k int) []error {
	var w []error
	n, f := len(m.realRadius), len(m.fakeRadius)
	if n != f {
		w = append(w, fmt.Errorf("%d real rows against %d generated: the measures depend on both sizes; use equal ones", n, f))
	}
	if min(n, f) < 10*k {
		w = append(w, fmt.Errorf("%d rows with neighbour %d: balls of so few rows cover much of the space whatever is in them", min(n, f), k))
	}
	return w
}

// radii returns the squared distance of each row to its k-th neighbour.
func radii(ctx context.Context, f Features, k int) ([]float64, error) {
	out := make([]float64, f.Len())
	d := make([]float64, 0, f.Len())
	for i := range out {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		d = d[:0]
		for j := range out {
			if i != j {
				d = append(d, squared(f.Row(i), f.Row(j)))
			}
		}
		slices.Sort(d)
		out[i] = d[k-1]
	}
	return out, nil
}

func squared(a, b []float32) float64 {
	s := 0.0
	for k := range a {
		d := float64(a[k]) - float64(b[k])
		s += float64(d * d)
	}
	return s
}

package taste

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/gen-emerge/assay"
)

// small is a system with all there is in it: two raters, ties, both bad, marks.
func small(t *testing.T) (*system, prior, point) {
	t.Helper()
	w := newWorld(2, 9)
	votes := slices.Concat(w.votes(w.taste(1), 0, 12, 1), w.votes(w.taste(1), 1, 9, 1), []Vote{
		{Left: 2, Right: 3, Outcome: assay.BothBad}, {Left: 4, Right: Bar, Outcome: assay.Left, Rater: 1}})
	l, err := newLearning(Data{Items: w.items, Votes: votes}, 0, Options{Components: 3})
	if err != nil {
		t.Fatal(err)
	}
	s := newSystem(l.rows, l.layout.cols(), 2)
	pr := l.layout.prior(shape{embedding: 0.8, readings: 1.2, residual: 0.6, departure: 0.4})
	for k, v := range pr.dev {
		if v > 0 {
			s.locals = append(s.locals, k)
		}
	}
	p, rng := s.origin(), rand.New(rand.NewPCG(1, 2))
	s.each(p, func(x *float64) { *x = 0.3 * rng.NormFloat64() })
	return s, pr, p
}

// each calls fn with every parameter: what is common, then each rater's own.
func (s *system) each(p point, fn func(*float64)) {
	for k := range p.pop {
		fn(&p.pop[k])
	}
	for r := range p.dev {
		for _, k := range s.locals {
			fn(&p.dev[r][k])
		}
		for k := range p.item[r] {
			fn(&p.item[r][k])
		}
	}
}

// numeric returns the gradient and the curvature of the log-posterior by
// differences, over the parameters in the order of each.
func (s *system) numeric(p point, pr prior) (grad []float64, curvature *mat.SymDense) {
	var at []*float64
	s.each(p, func(x *float64) { at = append(at, x) })
	const h = 1e-4
	value := func(i, j int, a, b float64) float64 {
		x, y := *at[i], *at[j]
		*at[i] += a
		*at[j] += b
		v := s.value(p, pr)
		*at[j] = y
		*at[i] = x
		return v
	}
	curvature = mat.NewSymDense(len(at), nil)
	for i := range at {
		grad = append(grad, (value(i, i, h, 0)-value(i, i, -h, 0))/(2*h))
		for j := range i + 1 {
			curvature.SetSym(i, j, -(value(i, j, h, h)-value(i, j, h, -h)-value(i, j, -h, h)+value(i, j, -h, -h))/(4*h*h))
		}
	}
	return grad, curvature
}

// The arrow is the curvature of the value, by differences: its gradient, its
// determinant, its step and its covariance are those of the full matrix.
func TestArrowIsTheCurvature(t *testing.T) {
	s, pr, p := small(t)
	a, err := s.curvature(p, pr)
	if err != nil {
		t.Fatal(err)
	}
	grad, full := s.numeric(p, pr)
	near := func(what string, k int, got, want, tol float64) {
		t.Helper()
		if math.Abs(got-want) > tol*(1+math.Abs(want)) {
			t.Errorf("%s %d: %.8g, by differences %.8g", what, k, got, want)
		}
	}
	i := 0
	s.each(a.grad, func(x *float64) { near("gradient", i, *x, grad[i], 1e-6); i++ })
	var chol mat.Cholesky
	if !chol.Factorize(full) {
		t.Fatal("the curvature by differences is not positive")
	}
	near("ln det", 0, a.logDet(), chol.LogDet(), 1e-5)
	var want mat.VecDense
	var inverse mat.SymDense
	if err := errors.Join(chol.SolveVecTo(&want, mat.NewVecDense(len(grad), grad)), chol.InverseTo(&inverse)); err != nil {
		t.Fatal(err)
	}
	step, _ := a.solve()
	i = 0
	s.each(step, func(x *float64) { near("step", i, *x, want.AtVec(i), 1e-4); i++ })
	for r := range 2 {
		cov, err := a.covariance(pr, r)
		if err != nil {
			t.Fatal(err)
		}
		// A weight is what is common plus the departure; a residual is its own.
		start := s.cols + 1 + r*(len(s.locals)+len(s.items[0]))
		parts := func(k int) (out []int) {
			if k >= s.cols {
				return []int{start + len(s.locals) + k - s.cols}
			}
			out = []int{k}
			if at := slices.Index(s.locals, k); at >= 0 {
				out = append(out, start+at)
			}
			return out
		}
		for i := range cov.SymmetricDim() {
			for j := range i + 1 {
				sum := 0.0
				for _, a := range parts(i) {
					for _, b := range parts(j) {
						sum += inverse.At(a, b)
					}
				}
				near("covariance", i*100+j, cov.At(i, j), sum, 1e-4)
			}
		}
	}
}

// The most probable point has no slope, wherever the climb begins.
func TestMaximum(t *testing.T) {
	s, pr, p := small(t)
	one, err := s.maximise(t.Context(), pr, p)
	if err != nil {
		t.Fatal(err)
	}
	two, err := s.maximise(t.Context(), pr, s.origin())
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(one.evidence-two.evidence) > 1e-3 {
		t.Errorf("evidence %.6f and %.6f", one.evidence, two.evidence)
	}
	grad, _ := s.numeric(one.point, pr)
	for k, g := range grad {
		if math.Abs(g) > 1e-2 {
			t.Errorf("slope of parameter %d at the top: %g", k, g)
		}
	}
}

// Principal components are those of the whole: orthogonal, of length 1, and what
// they leave out is least; together their variance is 1.
func TestBasis(t *testing.T) {
	w := newWorld(4, 40)
	b, err := newBasis(w.items, 6)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range b.comps {
		for j, y := range b.comps[:i+1] {
			want := 0.0
			if i == j {
				want = 1
			}
			if got := dot(x, y); math.Abs(got-want) > 1e-9 {
				t.Errorf("components %d and %d: product %g", i, j, got)
			}
		}
	}
	var all mat.SVD
	centred := mat.NewDense(len(w.items), worldDim, nil)
	for i, it := range w.items {
		for k, v := range it.Vector {
			centred.Set(i, k, float64(v)-b.mean[k])
		}
	}
	if !all.Factorize(centred, mat.SVDThin) {
		t.Fatal("no decomposition")
	}
	variance, total := make([]float64, len(b.comps)), 0.0
	for _, it := range w.items {
		for k, v := range b.features(it)[:len(b.comps)] {
			variance[k] += v * v / float64(len(w.items))
		}
	}
	for k, v := range variance {
		sigma := all.Values(nil)[k] * b.scale
		if want := sigma * sigma / float64(len(w.items)); math.Abs(v-want) > 1e-9 {
			t.Errorf("component %d has variance %g, by singular values %g", k, v, want)
		}
		total += v
	}
	if math.Abs(total-1) > 1e-9 {
		t.Errorf("the components have variance %g together", total)
	}
}

// What few items have, or all alike, is no feature; what an item lacks counts as
// the mean.
func TestBasisLeavesOut(t *testing.T) {
	w := newWorld(4, 40)
	for i := range w.items {
		w.items[i].Vector = nil
		w.items[i].Readings[3] = 7
		if i < 10 {
			w.items[i].Readings[5] = math.NaN()
		}
	}
	w.items[0].Readings[1] = math.NaN()
	b, err := newBasis(w.items, 6)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.kept, []int{0, 1, 2, 4, 6, 7}) {
		t.Errorf("readings kept: %v", b.kept)
	}
	if x := b.features(w.items[0]); len(x) != 6 || x[1] != 0 {
		t.Errorf("features %v: want 0 for what is missing", x)
	}
	w.items[1].Readings[0] = 1e9
	if x := b.features(w.items[1]); x[0] != reach/math.Sqrt(6) {
		t.Errorf("an odd reading counts %g", x[0])
	}
}

// The bar lies where "both bad" and marks put it, and each person has their own.
func TestBar(t *testing.T) {
	w := newWorld(6, 40)
	votes := w.votes(w.taste(1), 0, 60, 0.2)
	for k := range 10 {
		votes = append(votes, Vote{Left: k, Right: k + 20, Outcome: assay.BothBad, Cluster: 100 + k})
	}
	strict, err := Learn(t.Context(), Data{w.items, votes}, 0, Options{Untried: true})
	if err != nil {
		t.Fatal(err)
	}
	for k := range votes[60:] {
		votes[60+k] = Vote{Left: k, Right: Bar, Outcome: assay.Left, Cluster: 100 + k}
	}
	lenient, err := Learn(t.Context(), Data{w.items, votes}, 0, Options{Untried: true})
	if err != nil {
		t.Fatal(err)
	}
	none, err := Learn(t.Context(), Data{w.items, votes[:60]}, 0, Options{Untried: true})
	if err != nil {
		t.Fatal(err)
	}
	if !strict.BarKnown || !lenient.BarKnown || none.BarKnown || strict.Bar < 1 || lenient.Bar > -1 {
		t.Errorf("bars at %.2f and %.2f; without either known: %v", strict.Bar, lenient.Bar, none.BarKnown)
	}
}

// The gradient is the direction of the reward: an image moved along it gains.
func TestGradient(t *testing.T) {
	w := newWorld(8, 60)
	r, err := Learn(t.Context(), Data{w.items, w.votes(w.taste(2), 0, 150, 0.2)}, 0, Options{Untried: true})
	if err != nil {
		t.Fatal(err)
	}
	g, it := r.Gradient(), w.items[0]
	if math.Abs(dot(g, g)-1) > 1e-9 {
		t.Errorf("length² %g", dot(g, g))
	}
	before, se, err := r.Of(it)
	if err != nil || !(se > 0) {
		t.Fatal(se, err)
	}
	for k := range g {
		it.Vector[k] += float32(g[k])
	}
	after, _, _ := r.Of(it)
	for k := range g { // as far across it
		it.Vector[k] -= float32(g[k])
	}
	across := slices.Clone(g)
	across[0] += 1
	along := dot(across, g)
	length := 0.0
	for k := range across {
		across[k] -= along * g[k]
		length += across[k] * across[k]
	}
	for k := range across {
		it.Vector[k] += float32(across[k] / math.Sqrt(length))
	}
	aside, _, _ := r.Of(it)
	if after <= before+0.1 || math.Abs(aside-before) > 0.05*(after-before) {
		t.Errorf("worth %.3f, moved along %.3f, across %.3f", before, after, aside)
	}
}

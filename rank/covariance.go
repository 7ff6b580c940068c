package rank

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// exactTol is the residual to which single contrasts are solved when there is
// no covariance matrix.
const exactTol = 1e-10

// errors computes the standard errors at the maximum.
func (f *Fit) errors(ctx context.Context, votes []Vote, opt Options) error {
	s := f.sys
	f.StdErr, f.Sandwich = make([]float64, s.n), make([]float64, s.n)
	f.meat = newMeat(s, f.param, votes)
	f.Clusters = f.meat.clusters
	if f.meat.pooled {
		f.warn("all votes are of one cluster: the sandwich takes them for independent")
	}
	f.Local = s.n > opt.Dense
	if f.Local {
		f.localErrors()
		return f.extraErrors()
	}
	chol, err := s.dense()
	if err != nil {
		return fmt.Errorf("rank: covariance of %d items: %w", s.n, err)
	}
	f.cov = &mat.SymDense{}
	if err := chol.InverseTo(f.cov); err != nil {
		return fmt.Errorf("rank: covariance of %d items: %w", s.n, err)
	}
	if err := f.denseErrors(ctx); err != nil {
		return err
	}
	return f.extraErrors()
}

// denseErrors takes the errors of the contrasts with the reference from the
// covariance matrix.
func (f *Fit) denseErrors(ctx context.Context) error {
	s := f.sys
	for c, ref := range f.references() {
		// base is the covariance of every parameter with the reference's mean.
		base := make([]float64, len(f.param))
		for _, r := range ref {
			for i := range base {
				base[i] += f.cov.At(i, r) / float64(len(ref))
			}
		}
		own := 0.0
		for _, r := range ref {
			own += base[r] / float64(len(ref))
		}
		scope := f.scope(c)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		parallelItems(s.workers, len(scope), func(k int) {
			i := scope[k]
			f.StdErr[i] = math.Sqrt(max(0, f.cov.At(i, i)-2*base[i]+own))
			reach := make([]float64, len(base))
			for j := range reach {
				reach[j] = f.cov.At(i, j) - base[j]
			}
			f.Sandwich[i] = math.Sqrt(f.meat.spread(reach, s))
		})
	}
	return nil
}

// parallelItems calls f for each of n things that take long and touch nothing
// in common, on so many goroutines.
func parallelItems(workers, n int, f func(i int)) {
	var wg sync.WaitGroup
	workers = max(1, min(workers, n))
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}

// localErrors approximates the inverse curvature by its first terms. With
// curvature D - A, D diagonal and A the coupling, the diagonal of the inverse
// is the sum over closed walks D⁻¹ + D⁻¹AD⁻¹AD⁻¹ + ..., all terms positive; the
// sum stops after walks of length two. The sandwich uses D⁻¹ alone.
func (f *Fit) localErrors() {
	s := f.sys
	vars, robust := make([]float64, s.n), f.meat.diagonal(s)
	s.parallel(s.n, func(_, lo, hi int) {
		for i := lo; i < hi; i++ {
			if s.diag[i] == 0 {
				vars[i], robust[i] = math.Inf(1), math.Inf(1)
				continue
			}
			walks := 0.0
			for at := s.begin[i]; at < s.begin[i+1]; at++ {
				walks += s.off[at] * s.off[at] / s.diag[s.other[at]]
			}
			vars[i] = (1 + walks/s.diag[i]) / s.diag[i]
			robust[i] = (robust[i] + s.alpha) / (s.diag[i] * s.diag[i])
		}
	})
	for c, ref := range f.references() {
		var mean, meanRobust float64
		share := 1 / float64(len(ref))
		inRef := make(map[int]bool, len(ref))
		for _, r := range ref {
			mean += vars[r] * share * share
			meanRobust += robust[r] * share * share
			inRef[r] = true
		}
		for _, i := range f.scope(c) {
			keep := 1.0
			if inRef[i] {
				keep -= 2 * share
			}
			f.StdErr[i] = math.Sqrt(max(0, vars[i]*keep+mean))
			f.Sandwich[i] = math.Sqrt(max(0, robust[i]*keep+meanRobust))
		}
	}
}

// extraErrors fills in the standard errors of log nu and of the side effect.
func (f *Fit) extraErrors() error {
	s := f.sys
	for _, e := range []struct {
		at int
		to *Parameter
	}{{s.tie, f.Tie}, {s.side, f.Side}} {
		if e.at < 0 {
			continue
		}
		if f.cov != nil {
			e.to.StdErr = math.Sqrt(f.cov.At(e.at, e.at))
			continue
		}
		unit := make([]float64, len(f.param))
		unit[e.at] = 1
		x, err := f.inverse(unit)
		if err != nil {
			return fmt.Errorf("rank: standard error of an extra parameter: %w", err)
		}
		e.to.StdErr = math.Sqrt(x[e.at])
	}
	return nil
}

// inverse applies the inverse curvature to b.
func (f *Fit) inverse(b []float64) ([]float64, error) {
	x := make([]float64, len(b))
	if f.cov != nil {
		mat.NewVecDense(len(x), x).MulVec(f.cov, mat.NewVecDense(len(b), b))
		return x, nil
	}
	err := f.sys.bordered(x, b, func(x, b []float64) bool { return f.sys.conjugate(x, b, exactTol) })
	return x, err
}

// comparable reports whether the data and the prior bound the difference of
// two items.
func (f *Fit) comparable(i, j int) bool {
	return f.Prior > 0 || f.Component[i] == f.Component[j]
}

// Var returns the Laplace variance of Strength[i] - Strength[j], in squared
// log-odds; +Inf where the two are not comparable. It does not depend on the
// reference. Where there is no covariance matrix (see [Fit.Local]) each call
// solves a system of equations; NaN says that rounding kept it from an answer.
func (f *Fit) Var(i, j int) float64 {
	switch {
	case i == j:
		return 0
	case !f.comparable(i, j):
		return math.Inf(1)
	case f.cov != nil:
		return max(0, f.cov.At(i, i)+f.cov.At(j, j)-2*f.cov.At(i, j))
	}
	reach, err := f.reach(i, j)
	if err != nil {
		return math.NaN()
	}
	return max(0, reach[i]-reach[j])
}

// SandwichVar is [Fit.Var] by the cluster-robust formula.
func (f *Fit) SandwichVar(i, j int) float64 {
	if i == j {
		return 0
	}
	if !f.comparable(i, j) {
		return math.Inf(1)
	}
	reach, err := f.reach(i, j)
	if err != nil {
		return math.NaN()
	}
	return f.meat.spread(reach, f.sys)
}

// reach is the inverse curvature times the contrast of i and j.
func (f *Fit) reach(i, j int) ([]float64, error) {
	c := make([]float64, len(f.param))
	c[i], c[j] = 1, -1
	return f.inverse(c)
}

// ProbBetter returns the probability that item i is stronger than item j under
// the Laplace approximation, Φ(Δ/√V); NaN where the two are not comparable.
func (f *Fit) ProbBetter(i, j int) float64 {
	if i == j || !f.comparable(i, j) {
		return math.NaN()
	}
	return distuv.UnitNormal.CDF((f.Strength[i] - f.Strength[j]) / math.Sqrt(f.Var(i, j)))
}

// ProbWin predicts the probability that i is preferred to j in one new
// comparison, given that it is no tie and neither side is favoured. The doubt
// about the strengths pulls it towards one half: σ(Δ/√(1+πV/8)) (MacKay 1992).
// It is NaN where the two are not comparable.
func (f *Fit) ProbWin(i, j int) float64 {
	if i == j || !f.comparable(i, j) {
		return math.NaN()
	}
	d := (f.Strength[i] - f.Strength[j]) / math.Sqrt(1+math.Pi*f.Var(i, j)/8)
	return 1 / (1 + math.Exp(-d))
}

// Outcomes returns the fitted probabilities that left wins, that the two tie
// and that left loses when shown in this order, the strengths taken for exact.
// They are NaN where the two are not comparable. Where ties count as half a win
// of each, and where none was seen, the probability of a tie is 0.
func (f *Fit) Outcomes(left, right int) (win, tie, lose float64) {
	if left == right || !f.comparable(left, right) {
		return math.NaN(), math.NaN(), math.NaN()
	}
	d, logNu := f.Strength[left]-f.Strength[right], math.Inf(-1)
	if f.sys.side >= 0 {
		d += f.Side.Value
	}
	if f.sys.tie >= 0 {
		logNu = f.Tie.Value
	}
	win, lose, tie, _ = chances(d, logNu)
	return win, tie, lose
}

// Met returns how many votes compared i with j.
func (f *Fit) Met(i, j int) int { return f.all.count(i, j) }

// sortedKeys returns the keys of m in increasing order.
func sortedKeys(m map[int]float64) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

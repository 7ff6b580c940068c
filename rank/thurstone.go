package rank

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/gen-emerge/assay"
)

// JOD is the standard deviation of the difference of two items, in
// just-objectionable differences: one JOD is a preference of 75 %, so that
// P(i preferred to j) = Φ((i−j)/JOD) with JOD = 1/Φ⁻¹(0.75).
const JOD = 1.482602218505602

// A Thurstone is a fit of Thurstone's model, case V: P(i preferred to j) =
// Φ(Strength[i] − Strength[j]). Multiply by [JOD] for the unit of psychophysics.
type Thurstone struct {
	Strength []float64 // in probits, against the mean of the reference
	// StdErr is in the same unit, from the expected information, which is what
	// probit regression prints; a prior counts in it.
	StdErr []float64

	LogLik   float64 // of the votes, in nats, without the binomial coefficients
	Deviance float64 // against a free probability for each two items that met
	DF       int     // of Deviance
	Steps    int     // Newton steps

	inverse mat.SymDense
}

// EstimateThurstone fits Thurstone's case V to the votes of n items by maximum
// likelihood, or with a normal prior of inverse variance opt.Prior on each
// strength; here 0 means none. A tie is half a win of each. Without a prior items
// that do not hang together in both directions ("was beaten by") have no estimate:
// the error wraps [assay.ErrUnavailable]. It uses n² memory, for up to 4,000
// items. Of the options Prior, Reference, Tol and MaxIter count.
func EstimateThurstone(ctx context.Context, n int, votes []Vote, opt Options) (*Thurstone, error) {
	if err := opt.check(n); err != nil {
		return nil, err
	}
	if n < 2 || n > 4000 {
		return nil, fmt.Errorf("rank: Thurstone's model of %d items: want 2 to 4000: %w", n, assay.ErrInvalid)
	}
	r, err := newRows(n, votes, false)
	if err != nil {
		return nil, err
	}
	prior := max(opt.Prior, 0)
	if prior == 0 && slices.Max(beatComponents(n, r)) > 0 {
		return nil, fmt.Errorf("rank: some items only ever won or lost against the rest: without a prior they have no strength: %w", assay.ErrUnavailable)
	}
	wins := mat.NewDense(n, n, nil)
	for k := range r.a {
		a, b := int(r.a[k]), int(r.b[k])
		wins.Set(a, b, r.w[k]+r.t[k]/2)
		wins.Set(b, a, r.l[k]+r.t[k]/2)
	}
	f := &Thurstone{Strength: make([]float64, n)}
	if err := f.newton(ctx, wins, prior, opt); err != nil {
		return nil, err
	}
	f.finish(wins, opt.Reference)
	return f, nil
}

// mills is the ratio of the normal density to its distribution function at x,
// without the loss of digits that dividing them has far out.
func mills(x float64) float64 {
	if x > -30 {
		return math.Exp(-x*x/2) / math.Sqrt(2*math.Pi) / (math.Erfc(-x/math.Sqrt2) / 2)
	}
	return -x - 1/x + 2/(x*x*x) // the first terms of its expansion
}

// logPhi is the logarithm of the normal distribution function, likewise.
func logPhi(x float64) float64 {
	if x > -30 {
		return math.Log(math.Erfc(-x/math.Sqrt2) / 2)
	}
	return -x*x/2 - math.Log(-x*math.Sqrt(2*math.Pi)) + math.Log1p(-1/(x*x)+3/(x*x*x*x))
}

// newton climbs to the maximum; the log-likelihood is concave.
func (f *Thurstone) newton(ctx context.Context, wins *mat.Dense, prior float64, opt Options) error {
	n := len(f.Strength)
	tol, most := opt.Tol, opt.MaxIter
	if tol == 0 {
		tol = 1e-10
	}
	if most == 0 {
		most = 100
	}
	for f.Steps < most {
		if err := ctx.Err(); err != nil {
			return err
		}
		grad, info := f.system(wins, prior, false)
		var chol mat.Cholesky
		if !chol.Factorize(info) {
			return fmt.Errorf("rank: the information of Thurstone's model is singular: %w", assay.ErrUnavailable)
		}
		var step mat.VecDense
		if err := chol.SolveVecTo(&step, grad); err != nil {
			return fmt.Errorf("rank: Thurstone's model: %w: %w", err, assay.ErrUnavailable)
		}
		f.Steps++
		before, largest := f.objective(wins, prior), 0.0
		old := append([]float64(nil), f.Strength...)
		for scale := 1.0; ; scale /= 2 {
			largest = 0
			for i := range n {
				f.Strength[i] = old[i] + scale*step.AtVec(i)
				largest = max(largest, math.Abs(scale*step.AtVec(i)))
			}
			if largest < tol || f.objective(wins, prior) >= before-1e-12*math.Abs(before) {
				break
			}
		}
		if largest < tol {
			return f.invert(wins, prior)
		}
	}
	return fmt.Errorf("rank: Thurstone's model did not settle in %d steps: %w", most, assay.ErrUnavailable)
}

// invert keeps the inverse of the expected information at the maximum. Unlike in
// Bradley and Terry's model it is not the observed one.
func (f *Thurstone) invert(wins *mat.Dense, prior float64) error {
	_, info := f.system(wins, prior, true)
	var chol mat.Cholesky
	if !chol.Factorize(info) {
		return fmt.Errorf("rank: the information of Thurstone's model is singular: %w", assay.ErrUnavailable)
	}
	if err := chol.InverseTo(&f.inverse); err != nil {
		return fmt.Errorf("rank: Thurstone's model: %w: %w", err, assay.ErrUnavailable)
	}
	return nil
}

func (f *Thurstone) objective(wins *mat.Dense, prior float64) (sum float64) {
	for i, x := range f.Strength {
		sum -= prior * x * x / 2
		for j, y := range f.Strength {
			if w := wins.At(i, j); w > 0 {
				sum += w * logPhi(x-y)
			}
		}
	}
	return sum
}

// system is the gradient and the observed or the expected information, with the
// mean fixed.
func (f *Thurstone) system(wins *mat.Dense, prior float64, expected bool) (*mat.VecDense, *mat.SymDense) {
	n := len(f.Strength)
	grad, info := mat.NewVecDense(n, nil), mat.NewSymDense(n, nil)
	for i := range n {
		for j := range i {
			a, b := wins.At(i, j), wins.At(j, i)
			if a+b == 0 {
				continue
			}
			d := f.Strength[i] - f.Strength[j]
			m, r := mills(d), mills(-d)
			g := a*m - b*r
			h := a*m*(d+m) + b*r*(r-d)
			if expected {
				h = (a + b) * m * r
			}
			grad.SetVec(i, grad.AtVec(i)+g)
			grad.SetVec(j, grad.AtVec(j)-g)
			info.SetSym(i, i, info.At(i, i)+h)
			info.SetSym(j, j, info.At(j, j)+h)
			info.SetSym(i, j, info.At(i, j)-h)
		}
	}
	for i := range n {
		grad.SetVec(i, grad.AtVec(i)-prior*f.Strength[i])
		info.SetSym(i, i, info.At(i, i)+prior)
		if prior > 0 {
			continue
		}
		for j := range i + 1 { // any weight on the mean: it is orthogonal to all differences
			info.SetSym(i, j, info.At(i, j)+1)
		}
	}
	return grad, info
}

// finish computes errors and deviance, and moves the reference to 0.
func (f *Thurstone) finish(wins *mat.Dense, reference []int) {
	n := len(f.Strength)
	f.DF = 1 - n
	for i := range n {
		for j := range i {
			a, b := wins.At(i, j), wins.At(j, i)
			if a+b == 0 {
				continue
			}
			f.DF++
			d := f.Strength[i] - f.Strength[j]
			fit := a*logPhi(d) + b*logPhi(-d)
			f.LogLik += fit
			f.Deviance += 2 * (entropyTerm(a, a+b) + entropyTerm(b, a+b) - fit)
		}
	}
	f.StdErr = make([]float64, n)
	var centre float64
	referenceShares(n, reference, func(i int, share float64) { centre += share * f.Strength[i] })
	for i := range n {
		c := make([]float64, n)
		c[i] = 1
		referenceShares(n, reference, func(k int, share float64) { c[k] -= share })
		v := mat.NewVecDense(n, c)
		f.StdErr[i] = math.Sqrt(max(mat.Inner(v, &f.inverse, v), 0))
	}
	for i := range n {
		f.Strength[i] -= centre
	}
}

func entropyTerm(k, n float64) float64 {
	if k == 0 {
		return 0
	}
	return k * math.Log(k/n)
}

// ThurstoneScale is Thurstone's (1927) own solution of case V by least squares,
// from the shares in which the item of the column was preferred to that of the
// row: the means of the columns' probits, the first item at 0. Every share lies
// strictly between 0 and 1, and share[i][j] + share[j][i] need not be 1; anything
// else is an error wrapping [assay.ErrInvalid]. Residuals, fitted less given share,
// come with it.
func ThurstoneScale(share [][]float64) (scale []float64, residual [][]float64, err error) {
	n := len(share)
	if n < 2 {
		return nil, nil, fmt.Errorf("rank: a scale of %d items: want 2 or more: %w", n, assay.ErrInvalid)
	}
	scale = make([]float64, n)
	for i, row := range share {
		if len(row) != n {
			return nil, nil, fmt.Errorf("rank: row %d has %d shares of %d: %w", i, len(row), n, assay.ErrInvalid)
		}
		for j, p := range row {
			if !(p > 0 && p < 1) {
				return nil, nil, fmt.Errorf("rank: share %g in row %d, column %d: want one strictly between 0 and 1; fit votes by EstimateThurstone instead: %w", p, i, j, assay.ErrInvalid)
			}
			scale[j] += distuv.UnitNormal.Quantile(p) / float64(n)
		}
	}
	first := scale[0]
	for j := range scale {
		scale[j] -= first
	}
	residual = make([][]float64, n)
	for i := range residual {
		residual[i] = make([]float64, n)
		for j := range residual[i] {
			residual[i][j] = math.Erfc((scale[i]-scale[j])/math.Sqrt2)/2 - share[i][j]
		}
	}
	return scale, residual, nil
}

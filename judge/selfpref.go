package judge

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// A Preference is one pair as a person and a judge decided it: 1 for the first
// picture, 0 for the second, 0.5 for neither. The families are those of the
// pictures' generators' makers.
type Preference struct {
	A, B   string
	Person float64
	Judge  float64
}

// A SelfReport says how much a judge favours pictures of its own family beyond
// what people make of them.
type SelfReport struct {
	Delta   *Estimate `json:"delta,omitempty"` // in log-odds; 0 for a fair judge; 95 % bootstrap over pairs
	Pairs   int       `json:"pairs"`           // of one picture of the family and one of another
	Rule    string    `json:"rule"`
	Verdict Verdict   `json:"verdict"`
	Note    string    `json:"note,omitempty"`
}

const (
	selfRule    = "fails where the 95 % bootstrap interval of delta lies beyond 0.25 or below -0.25 (a fair judge fails in at most about 5 % of examinations); at least 10 pairs of its family with another are needed"
	leastOwn    = 10
	leastDelta  = 0.25 // log-odds that matter: 6 of 100 even pairs. The prior alone makes some hundredths
	selfPrior   = 3.0  // standard deviation of the normal prior of each coefficient, which keeps unanimous pairs finite
	selfSamples = 500
)

// SelfPreference fits logit P(A beats B) = q(A) - q(B) + δ·own(A) - δ·own(B) to
// pairs that people and a judge of a family both decided, q being the worth of a
// family's generators as people see it and own whether it is the judge's; people
// have no δ, and so say what q is. It returns δ with its 95 % percentile bootstrap
// over pairs. Coefficients have a normal prior of deviation 3 around 0, so that a
// unanimous sample has an answer. No pair of the family with another, an empty
// family and outcomes outside [0,1] are errors wrapping [assay.ErrInvalid].
func SelfPreference(ctx context.Context, family string, ps []Preference, seed uint64) (Estimate, error) {
	own := 0
	for i, p := range ps {
		if !(p.Person >= 0 && p.Person <= 1 && p.Judge >= 0 && p.Judge <= 1) {
			return Estimate{}, fmt.Errorf("self-preference: pair %d has outcomes %g and %g: want 0 to 1: %w", i, p.Person, p.Judge, assay.ErrInvalid)
		}
		if ownSide(p, family) != 0 {
			own++
		}
	}
	if family == "" || own == 0 {
		return Estimate{}, fmt.Errorf("self-preference: no pair of family %q with another: %w", family, assay.ErrInvalid)
	}
	f := newSelfFit(family, ps)
	b, err := stat.Bootstrap(ctx, len(ps), f.delta, stat.BootstrapOptions{Resamples: selfSamples, Seed: seed})
	if err != nil {
		return Estimate{}, fmt.Errorf("self-preference: %w", err)
	}
	return *estimate(b.Value, b.Interval), nil
}

// ownSide is 1 if only A is of the family, -1 if only B is, else 0.
func ownSide(p Preference, family string) float64 {
	return float64(bit(strings.EqualFold(p.A, family)) - bit(strings.EqualFold(p.B, family)))
}

// A selfFit is a logistic regression whose last coefficient is δ and whose others
// are the families' worths. Pairs of the same two families are one cell.
type selfFit struct {
	ps       []Preference
	cell     []int // of each pair
	cells    []selfCell
	families int
}

// A selfCell is two families, by index, and the side of δ.
type selfCell struct {
	a, b int
	own  float64
}

func newSelfFit(family string, ps []Preference) *selfFit {
	f := &selfFit{ps: ps}
	var names []string
	at := func(name string) int {
		name = strings.ToLower(name)
		i := slices.Index(names, name)
		if i < 0 {
			i = len(names)
			names = append(names, name)
		}
		return i
	}
	for _, p := range ps {
		c := selfCell{at(p.A), at(p.B), ownSide(p, family)}
		i := slices.Index(f.cells, c)
		if i < 0 {
			i = len(f.cells)
			f.cells = append(f.cells, c)
		}
		f.cell = append(f.cell, i)
	}
	f.families = len(names)
	return f
}

// delta maximises the posterior by Newton's method; NaN if it does not settle.
func (f *selfFit) delta(index []int) float64 {
	count := make([]float64, len(f.cells))
	person, judge := make([]float64, len(f.cells)), make([]float64, len(f.cells))
	for _, i := range index {
		c := f.cell[i]
		count[c]++
		person[c] += f.ps[i].Person
		judge[c] += f.ps[i].Judge
	}
	n := f.families + 1
	beta := make([]float64, n)
	grad, hess := mat.NewVecDense(n, nil), mat.NewSymDense(n, nil)
	for range 50 {
		hess.Zero()
		for i, b := range beta {
			grad.SetVec(i, -b/(selfPrior*selfPrior))
			hess.SetSym(i, i, 1/(selfPrior*selfPrior))
		}
		for i, c := range f.cells {
			c.add(grad, hess, beta, 0, count[i], person[i])
			c.add(grad, hess, beta, c.own, count[i], judge[i])
		}
		var chol mat.Cholesky
		var step mat.VecDense
		if !chol.Factorize(hess) || chol.SolveVecTo(&step, grad) != nil {
			return math.NaN()
		}
		size := 0.0
		for i := range beta {
			beta[i] += step.AtVec(i)
			size = max(size, math.Abs(step.AtVec(i)))
		}
		if size < 1e-9 {
			return beta[n-1]
		}
	}
	return math.NaN()
}

// add enters n decisions of which wins went to a: +1 at one family, -1 at the
// other, own at δ. A pair within one family has no worths.
func (c selfCell) add(grad *mat.VecDense, hess *mat.SymDense, beta []float64, own, n, wins float64) {
	at := [3]int{c.a, c.b, len(beta) - 1}
	x := [3]float64{1, -1, own}
	if c.a == c.b {
		x[0], x[1] = 0, 0
	}
	eta := 0.0
	for k := range at {
		eta += x[k] * beta[at[k]]
	}
	p := 1 / (1 + math.Exp(-eta))
	for k := range at {
		grad.SetVec(at[k], grad.AtVec(at[k])+x[k]*(wins-n*p))
		for l := k; l < len(at); l++ {
			if at[l] != at[k] || l == k {
				hess.SetSym(at[k], at[l], hess.At(at[k], at[l])+x[k]*x[l]*n*p*(1-p))
			}
		}
	}
}

// self measures self-preference on what was compared; nil if nothing can show it.
func (e *examination) self(ctx context.Context) *SelfReport {
	var ps []Preference
	r := &SelfReport{Rule: selfRule, Verdict: NotEnoughData}
	seen := map[[2]assay.Digest]bool{}
	for _, d := range slices.Concat(e.plan.own, e.plan.pairs) {
		pair := [2]assay.Digest{d.a.Image, d.b.Image}
		if !d.done || d.result.Outcome == assay.Skip || d.a.Family == "" || d.b.Family == "" || seen[pair] {
			continue
		}
		seen[pair] = true
		p := Preference{A: d.a.Family, B: d.b.Family, Person: float64(bit(d.aWins)), Judge: 0.5}
		switch d.result.Outcome {
		case assay.Left:
			p.Judge = 1
		case assay.Right:
			p.Judge = 0
		}
		ps = append(ps, p)
		if ownSide(p, e.m.Family) != 0 {
			r.Pairs++
		}
	}
	if len(e.plan.own) == 0 {
		return nil
	}
	if r.Pairs < leastOwn {
		r.Note = fmt.Sprintf("%d pairs of its own family with another were decided, %d are needed", r.Pairs, leastOwn)
		return r
	}
	d, err := SelfPreference(ctx, e.m.Family, ps, e.opt.Seed)
	if err != nil {
		r.Note = err.Error()
		return r
	}
	r.Delta, r.Verdict = &d, Pass
	towards := "no preference for its own family was found"
	if d.Low > leastDelta || d.High < -leastDelta {
		r.Verdict = Fail
		towards = "it favours pictures of its own family"
		if d.Value < 0 {
			towards = "it disfavours pictures of its own family"
		}
	}
	r.Note = fmt.Sprintf("self-preference: %s: %+.2f in log-odds (%+.2f to %+.2f) beyond what people make of them, on %d pairs", towards, d.Value, d.Low, d.High, r.Pairs)
	return r
}

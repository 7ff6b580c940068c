package rank

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"

	"gonum.org/v1/gonum/mat"

	"github.com/gen-emerge/assay"
)

// A Fit is the outcome of fitting a Davidson–Bradley–Terry model. It may be
// read by several goroutines at once.
type Fit struct {
	// Strength is in log-odds against the mean of the reference, one for each
	// item. Under maximum likelihood it is against the mean of the reference
	// within the item's component, +Inf for an item that only won, -Inf for one
	// that only lost, and NaN for one that the data cannot place.
	Strength []float64
	// StdErr is the Laplace standard error of Strength, same unit; +Inf where
	// the data cannot say. It takes votes for independent and weights for
	// counts.
	StdErr []float64
	// Sandwich is the cluster-robust standard error of Strength, same unit,
	// with the factor C/(C-1) on the variance for C clusters. It stays honest
	// when votes are weighted or depend on each other. With a prior, the prior
	// counts as one more observation of each item with the variance it claims,
	// so that an item without votes keeps the prior's own error. It is +Inf where
	// a single cluster cannot say how clusters vary.
	Sandwich []float64
	// Local says that StdErr and Sandwich are local approximations, because
	// there are more items than [Options.Dense]: StdErr sums the walks of length
	// up to two in the expansion of the inverse curvature, which leaves out the
	// doubt passed on from farther away and so comes out low. [Fit.Var] stays
	// exact.
	Local bool

	Tie  *Parameter // log nu; nil if no tie was modelled
	Side *Parameter // log-odds gained on the left; nil if not asked for

	// Component numbers the part of the comparison graph each item is in, and
	// Components lists the items of each part. Without a prior these are the
	// strongly connected components of "was beaten by", and strengths of
	// different components are not comparable. With a prior they are the
	// connected parts of "met", and only the prior compares between them.
	Component  []int
	Components [][]int

	Tally      []Tally // what each item's votes were
	LogLik     float64 // of the votes, in nats; the prior not included
	Deviance   float64 // twice the log-likelihood lost against a free outcome distribution for each row
	DF         int     // degrees of freedom of Deviance; meaningful without a prior
	Clusters   int     // independent clusters behind Sandwich
	Iterations int     // Newton steps
	Prior      float64 // inverse variance used; 0 under maximum likelihood
	Reference  []int   // items whose mean is 0; empty for all
	Warnings   []error // doubts to show beside the numbers, which still stand

	sys   *system
	all   *rows         // every vote, also those that sys leaves out
	cov   *mat.SymDense // inverse curvature; nil if Local
	meat  *meat
	param []float64 // strengths before the shift to the reference, then the extra parameters
}

// A Parameter is an estimate that is not of an item, in log-odds. A Value of
// ±Inf says that the data have no finite estimate; the model was then fitted
// without it.
type Parameter struct {
	Value  float64
	StdErr float64 // Laplace; +Inf where the data cannot say
}

// A Tally adds up the votes of one item.
type Tally struct {
	Votes           int     // comparisons it was in
	Won, Lost, Tied float64 // their weights by outcome
}

// A NoEstimateError is the warning that one item has no finite strength.
type NoEstimateError struct {
	Item int
	Tally
}

// Error says why there is no estimate.
func (e *NoEstimateError) Error() string { return e.Named(fmt.Sprintf("item %d", e.Item)) }

// Named is [NoEstimateError.Error] with the item's own name.
func (e *NoEstimateError) Named(name string) string {
	if e.Votes == 0 {
		return name + " was never compared: its strength has no finite estimate"
	}
	return fmt.Sprintf("%s won %g, lost %g and tied %g: its strength has no finite estimate", name, e.Won, e.Lost, e.Tied)
}

// Estimate fits the strengths of n items to the votes: the maximum of the
// posterior under a normal prior, or of the likelihood without one, by Newton's
// method. A vote that cannot be meant, or options that cannot be, give an error
// wrapping [assay.ErrInvalid]; data that leave something open give warnings.
// The votes are not kept or changed. A fit of a million votes over a hundred
// thousand items takes seconds; ctx ends it early.
func Estimate(ctx context.Context, n int, votes []Vote, opt Options) (*Fit, error) {
	if n < 1 {
		return nil, fmt.Errorf("rank: %d items: at least one is needed: %w", n, assay.ErrInvalid)
	}
	if err := opt.check(n); err != nil {
		return nil, err
	}
	opt.Prior = cmp.Or(opt.Prior, 1)
	opt.Tol = cmp.Or(opt.Tol, 1e-8)
	opt.MaxIter = cmp.Or(opt.MaxIter, 100)
	opt.Dense = cmp.Or(opt.Dense, 2000)
	opt.Workers = cmp.Or(opt.Workers, runtime.GOMAXPROCS(0))
	all, err := newRows(n, votes, opt.Side)
	if err != nil {
		return nil, err
	}
	f := &Fit{all: all, Reference: append([]int(nil), opt.Reference...), Prior: max(0, opt.Prior)}
	f.tally(n)
	if err := f.maximise(ctx, n, opt); err != nil {
		return nil, err
	}
	if err := f.errors(ctx, votes, opt); err != nil {
		return nil, err
	}
	f.place()
	f.doubt(votes)
	return f, nil
}

func (f *Fit) tally(n int) {
	f.Tally = make([]Tally, n)
	r := f.all
	for k := range r.a {
		a, b := &f.Tally[r.a[k]], &f.Tally[r.b[k]]
		a.Votes, b.Votes = a.Votes+int(r.votes[k]), b.Votes+int(r.votes[k])
		a.Won, b.Lost = a.Won+r.w[k], b.Lost+r.w[k]
		a.Lost, b.Won = a.Lost+r.l[k], b.Won+r.l[k]
		a.Tied, b.Tied = a.Tied+r.t[k], b.Tied+r.t[k]
	}
}

// maximise fits the model with every extra parameter that has a finite
// estimate, and says which have none.
func (f *Fit) maximise(ctx context.Context, n int, opt Options) error {
	use := f.all
	davidson := opt.Ties == Davidson && use.tieSum() > 0
	if davidson && use.winSum() == 0 {
		f.Tie = &Parameter{math.Inf(1), math.Inf(1)}
		f.warn("all votes are ties: the tie parameter has no finite estimate, and ties count as half a win of each")
		davidson = false
	}
	var comp []int
	if opt.Prior < 0 {
		comp = beatComponents(n, use)
		use = use.keep(func(k int) bool { return comp[use.a[k]] == comp[use.b[k]] })
		f.Component = comp
		if davidson && use.tieSum() == 0 {
			davidson = false
		}
	} else {
		f.Component = islands(n, use)
	}
	f.Components = members(f.Component)
	side := opt.Side && f.sideIsFinite(use)
	for {
		f.sys = newSystem(n, use, f.Prior, comp, davidson, side, opt.Workers)
		f.param = make([]float64, n+f.sys.extras())
		way, err := f.sys.newton(ctx, f.param, opt)
		if errors.Is(err, errRunaway) {
			// The one that ran is left out, the side effect first if both did.
			davidson, side = f.drop(davidson, side)
			continue
		}
		if err != nil {
			return fmt.Errorf("rank: newton step %d: %w", way.iterations+1, err)
		}
		f.finish(way, opt)
		return nil
	}
}

// sideIsFinite reports whether a side effect can be estimated at all: both
// sides must have won.
func (f *Fit) sideIsFinite(r *rows) bool {
	left, right := 0.0, 0.0
	for k := range r.a {
		left, right = left+r.side[k]*r.w[k], right+r.side[k]*r.l[k]
	}
	if left > 0 && right > 0 {
		return true
	}
	f.Side = &Parameter{math.NaN(), math.Inf(1)}
	switch {
	case left > 0:
		f.Side.Value = math.Inf(1)
		f.warn("every decisive vote went to the left: the side effect has no finite estimate and was left out of the strengths")
	case right > 0:
		f.Side.Value = math.Inf(-1)
		f.warn("every decisive vote went to the right: the side effect has no finite estimate and was left out of the strengths")
	default:
		f.warn("no vote tells of a side effect: it was left out")
	}
	return false
}

// drop leaves out the parameter that ran away and warns of it.
func (f *Fit) drop(davidson, side bool) (bool, bool) {
	inf := math.Inf(1)
	if side {
		value := f.param[f.sys.side]
		if !davidson || math.Abs(value) >= math.Abs(f.param[f.sys.tie]) {
			f.Side = &Parameter{math.Copysign(inf, value), inf}
			f.warn("the votes leave the side effect without a finite estimate: it was left out of the strengths")
			return davidson, false
		}
	}
	f.Tie = &Parameter{math.Copysign(inf, f.param[f.sys.tie]), inf}
	f.warn("the votes leave the tie parameter without a finite estimate: ties count as half a win of each")
	return false, side
}

// finish records how the fit ended.
func (f *Fit) finish(way path, opt Options) {
	f.Iterations, f.LogLik = way.iterations, way.moments.loglik
	if way.last > opt.Tol {
		f.warn("stopped after %d steps; the last one still moved a strength by %.2g", way.iterations, way.last)
	}
	if s := f.sys; s.tie >= 0 {
		f.Tie = &Parameter{f.param[s.tie], math.Inf(1)}
	}
	if s := f.sys; s.side >= 0 {
		f.Side = &Parameter{f.param[s.side], math.Inf(1)}
	}
	f.deviance()
}

// deviance compares each row with a free distribution of its outcomes.
func (f *Fit) deviance() {
	r, free := f.sys.rows, 0.0
	term := func(part, whole float64) {
		if part > 0 {
			free += part * math.Log(part/whole)
		}
	}
	outcomes := 1
	if f.sys.tie >= 0 {
		outcomes = 2
	}
	for k := range r.a {
		n := r.w[k] + r.l[k] + r.t[k]
		if f.sys.tie >= 0 {
			term(r.t[k], n)
			term(r.w[k], n)
			term(r.l[k], n)
			continue
		}
		term(r.w[k]+r.t[k]/2, n)
		term(r.l[k]+r.t[k]/2, n)
	}
	f.Deviance = 2 * (free - f.LogLik)
	rank := f.sys.n
	if f.sys.comp != nil {
		rank -= len(f.sys.groups)
	} else {
		rank -= len(f.Components)
	}
	f.DF = r.len()*outcomes - rank - f.sys.extras()
}

// place shifts the strengths to the reference and marks those that have none.
func (f *Fit) place() {
	n := f.sys.n
	f.Strength = append([]float64(nil), f.param[:n]...)
	for c, ref := range f.references() {
		mean := 0.0
		for _, i := range ref {
			mean += f.param[i] / float64(len(ref))
		}
		for _, i := range f.scope(c) {
			f.Strength[i] -= mean
		}
	}
	if f.Prior > 0 {
		return
	}
	const shown = 10 // warnings of single items; the rest are counted
	alone := 0
	for _, group := range f.Components {
		if len(group) > 1 || n == 1 {
			continue
		}
		i := group[0]
		f.StdErr[i], f.Sandwich[i] = math.Inf(1), math.Inf(1)
		switch t := f.Tally[i]; {
		case t.Won > 0 && t.Lost+t.Tied == 0:
			f.Strength[i] = math.Inf(1)
		case t.Lost > 0 && t.Won+t.Tied == 0:
			f.Strength[i] = math.Inf(-1)
		default:
			f.Strength[i] = math.NaN()
		}
		if alone++; alone <= shown {
			f.Warnings = append(f.Warnings, &NoEstimateError{i, f.Tally[i]})
		}
	}
	if alone > shown {
		f.warn("%d more items have no finite estimate", alone-shown)
	}
}

// references lists, for each set of items that share a zero, the items whose
// mean is that zero. With a prior there is one set, else one a component.
func (f *Fit) references() [][]int {
	if f.Prior > 0 {
		if len(f.Reference) > 0 {
			return [][]int{f.Reference}
		}
		return [][]int{f.scope(0)}
	}
	refs := make([][]int, len(f.Components))
	for _, i := range f.Reference {
		refs[f.Component[i]] = append(refs[f.Component[i]], i)
	}
	for c := range refs {
		if len(refs[c]) == 0 {
			refs[c] = f.Components[c]
		}
	}
	return refs
}

// scope lists the items of set c of [Fit.references].
func (f *Fit) scope(c int) []int {
	if f.Prior == 0 {
		return f.Components[c]
	}
	every := make([]int, len(f.Tally))
	for i := range every {
		every[i] = i
	}
	return every
}

func (f *Fit) warn(format string, args ...any) {
	f.Warnings = append(f.Warnings, fmt.Errorf(format, args...))
}

// doubt adds the warnings that concern the data as a whole.
func (f *Fit) doubt(votes []Vote) {
	if parts := len(f.Components); parts > 1 {
		if f.Prior > 0 {
			f.warn("the items fall into %d parts that never met; only the prior compares between them", parts)
		} else {
			f.warn("the items fall into %d components; strengths of different components are not comparable", parts)
		}
	}
	if f.Prior == 0 && len(f.Reference) > 0 {
		missed := map[int]bool{}
		for c := range f.Components {
			missed[c] = true
		}
		for _, i := range f.Reference {
			delete(missed, f.Component[i])
		}
		if len(missed) > 0 {
			f.warn("%d components hold no reference item; their strengths are against their own mean", len(missed))
		}
	}
	if weighted(votes) {
		f.warn("votes carry weights: the standard errors take them for counts; if they are anything else, read the sandwich errors")
	}
	if f.Local {
		f.warn("%d items are too many for the full covariance: standard errors are local approximations and come out low", len(f.Tally))
	}
}

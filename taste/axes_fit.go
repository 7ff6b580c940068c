package taste

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/optimize"

	"github.com/gen-emerge/assay"
)

const (
	// scaleMean and scaleSD are of the normal prior on the logarithm of how many
	// times the start's coordinates are stretched: embeddings' components have
	// variance 1 together, and e^1.5 makes a person as consistent as raters are.
	scaleMean, scaleSD = 1.5, 2
	// innerFolds is into how many parts answers are cut to choose the penalty.
	innerFolds = 5
)

// penalties are what a departure from the start may cost, the strongest first:
// half of the penalty times the squared departure is taken from the log
// likelihood. The first allows none.
var penalties = []float64{math.Inf(1), 3000, 1000, 300, 100, 30, 10}

// A likening is answers on their way to a map or a distance.
type likening struct {
	d     Likenesses
	opt   AxesOptions
	basis *basis
	z     [][]float64 // components by item, divided by the root of their standard deviation
	root  []float64   // that root
	rows  int         // of the fitted matrix
	rest  bool        // a distance: what lies outside the components counts too
	norm  [][]float64 // embeddings by item, of length 1 if only directions count
}

// FitAxes learns a map of few coordinates from answers, and tries it. The fit
// starts at the first principal components of the embedding and departs from them
// as far as answers that are held back support: with few answers it stays near.
//
// The error wraps [assay.ErrInvalid] if data or options cannot be meant, and
// [assay.ErrUnavailable] if there are no answers or the items do not differ in as
// many ways. A map that fails its trial is no error.
func FitAxes(ctx context.Context, d Likenesses, opt AxesOptions) (*Map, AxesTrial, error) {
	l, err := newLikening(d, opt, false)
	if err != nil {
		return nil, AxesTrial{}, err
	}
	f, err := l.tuned(ctx, d.Answers)
	if err != nil {
		return nil, AxesTrial{}, err
	}
	m := l.weigh(f.a)
	trial, err := l.trial(ctx)
	return &m, trial, err
}

// FitDistance learns how far apart one person finds two images: the embedding's
// own distance, with its principal components weighed anew. Errors and trial are
// those of [FitAxes]; Old and Axes do not count.
func FitDistance(ctx context.Context, d Likenesses, opt AxesOptions) (*Distance, AxesTrial, error) {
	opt.Old, opt.Axes = nil, 0
	l, err := newLikening(d, opt, true)
	if err != nil {
		return nil, AxesTrial{}, err
	}
	f, err := l.tuned(ctx, d.Answers)
	if err != nil {
		return nil, AxesTrial{}, err
	}
	dist := &Distance{Map: l.weigh(f.a), Span: Map{Unit: d.Unit}, Rest: f.rest * l.basis.scale * l.basis.scale}
	for _, comp := range l.basis.comps {
		dist.Span.Weights = append(dist.Span.Weights, comp)
		dist.Span.Offset = append(dist.Span.Offset, dot(comp, l.basis.mean))
	}
	trial, err := l.trial(ctx)
	return dist, trial, err
}

func newLikening(d Likenesses, opt AxesOptions, rest bool) (*likening, error) {
	if err := d.check(opt); err != nil {
		return nil, err
	}
	opt.Axes, opt.Components, opt.Folds = cmp.Or(opt.Axes, 2), cmp.Or(opt.Components, 12), cmp.Or(opt.Folds, 6)
	l := &likening{d: d, opt: opt, rest: rest, basis: &basis{}}
	items := make([]Item, len(d.Vectors))
	for i, v := range d.Vectors {
		x, err := wide(v, d.Unit)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		l.norm = append(l.norm, x)
		items[i].Vector = make([]float32, len(x))
		for k := range x {
			items[i].Vector[k] = float32(x[k])
		}
	}
	if err := l.basis.principal(items, opt.Components); err != nil {
		return nil, err
	}
	k := len(l.basis.comps)
	if l.rows = opt.Axes; rest {
		l.rows = k
	}
	if k < l.rows || k == 0 {
		return nil, fmt.Errorf("taste: the %d images differ in %d ways, want %d: %w", len(items), k, max(1, l.rows), assay.ErrUnavailable)
	}
	l.z = make([][]float64, len(items))
	for i := range items {
		l.z[i] = l.basis.features(items[i])
	}
	l.root = make([]float64, k)
	for c := range l.root {
		ss := 0.0
		for i := range l.z {
			ss += l.z[i][c] * l.z[i][c] / float64(len(l.z))
		}
		l.root[c] = math.Sqrt(math.Sqrt(ss))
		for i := range l.z {
			l.z[i][c] /= l.root[c]
		}
	}
	return l, nil
}

// outside returns the squared distance of two items outside the components, in
// the components' unit; 0 for a map.
func (l *likening) outside(i, j int) float64 {
	if !l.rest {
		return 0
	}
	whole := 0.0
	for k, x := range l.norm[i] {
		whole += (x - l.norm[j][k]) * (x - l.norm[j][k])
	}
	whole *= l.basis.scale * l.basis.scale
	for c, r := range l.root {
		d := (l.z[i][c] - l.z[j][c]) * r
		whole -= d * d
	}
	return max(0, whole)
}

// weigh turns a fitted matrix into a map of embeddings.
func (l *likening) weigh(a [][]float64) Map {
	m := Map{Unit: l.d.Unit}
	for _, row := range a {
		w := make([]float64, len(l.basis.mean))
		for c, comp := range l.basis.comps {
			for k, x := range comp {
				w[k] += row[c] * l.basis.scale / l.root[c] * x
			}
		}
		m.Weights, m.Offset = append(m.Weights, w), append(m.Offset, dot(w, l.basis.mean))
	}
	return m
}

// A likened is a fitted matrix over components, and what the squared distance
// outside of them is multiplied by.
type likened struct {
	a    [][]float64
	rest float64
	x    []float64 // the parameters: log of the stretch, then the departure
}

// unpack reads parameters.
func (l *likening) unpack(x []float64) likened {
	e, k := math.Exp(x[0]), len(l.root)
	f := likened{rest: e * e, x: x}
	for r := range l.rows {
		row := make([]float64, k)
		for c := range row {
			row[c] = e * l.start(r, c)
			if len(x) > 1 {
				row[c] += e * x[1+r*k+c]
			}
		}
		f.a = append(f.a, row)
	}
	return f
}

// start is the matrix that gives the embedding's own components.
func (l *likening) start(r, c int) float64 {
	if r == c {
		return l.root[c]
	}
	return 0
}

// An asking is one answer as differences: of the pair that was taken for alike,
// then of the pairs that were not.
type asking struct {
	diff [3][]float64
	rest [3]float64
	n    int
}

func (l *likening) askings(answers []Likeness) []asking {
	out := make([]asking, len(answers))
	for k, a := range answers {
		pairs := [3][2]int{{a.A, a.B}, {a.A, a.Odd}, {a.B, a.Odd}}
		out[k].n = 3
		if a.Ref {
			out[k].n = 2
		}
		for p := range out[k].n {
			i, j := pairs[p][0], pairs[p][1]
			d := make([]float64, len(l.root))
			for c := range d {
				d[c] = l.z[i][c] - l.z[j][c]
			}
			out[k].diff[p], out[k].rest[p] = d, l.outside(i, j)
		}
	}
	return out
}

// squares returns the squared distances of an asking's pairs.
func (f likened) squares(q *asking) (d [3]float64) {
	for p := range q.n {
		d[p] = f.rest * q.rest[p]
		for _, row := range f.a {
			y := dot(row, q.diff[p])
			d[p] += y * y
		}
	}
	return d
}

// loss returns −ln P of an answer, and the probability of each pair.
func (f likened) loss(q *asking) (loss float64, prob, d [3]float64) {
	d = f.squares(q)
	least := slices.Min(d[:q.n])
	sum := 0.0
	for p := range q.n {
		prob[p] = math.Exp(least - d[p])
		sum += prob[p]
	}
	for p := range q.n {
		prob[p] /= sum
	}
	return d[0] - least + math.Log(sum), prob, d
}

// objective returns the penalised loss of parameters and adds its gradient to grad,
// which may be nil.
func (l *likening) objective(x []float64, asked []asking, penalty float64, grad []float64) float64 {
	f, k := l.unpack(x), len(l.root)
	e := math.Exp(x[0])
	u := (x[0] - scaleMean) / scaleSD
	total := u * u / 2
	clear(grad)
	if grad != nil {
		grad[0] = u / scaleSD
	}
	for _, dx := range x[1:] {
		total += penalty / 2 * dx * dx
	}
	for i := range asked {
		q := &asked[i]
		loss, prob, d := f.loss(q)
		total += loss
		if grad == nil {
			continue
		}
		for p := range q.n {
			g := -prob[p] // of the loss by the pair's squared distance
			if p == 0 {
				g++
			}
			grad[0] += 2 * g * d[p]
			for r := 0; r < l.rows && len(x) > 1; r++ {
				y := 2 * g * e * dot(f.a[r], q.diff[p])
				for c, v := range q.diff[p] {
					grad[1+r*k+c] += y * v
				}
			}
		}
	}
	if grad != nil {
		for i, dx := range x[1:] {
			grad[1+i] += penalty * dx
		}
	}
	return total
}

// fit finds the likeliest parameters under a penalty, from those given.
func (l *likening) fit(asked []asking, penalty float64, from []float64) ([]float64, error) {
	if math.IsInf(penalty, 1) {
		from = from[:1]
	}
	problem := optimize.Problem{
		Func: func(x []float64) float64 { return l.objective(x, asked, penalty, nil) },
		Grad: func(grad, x []float64) { l.objective(x, asked, penalty, grad) },
	}
	res, err := optimize.Minimize(problem, from, &optimize.Settings{GradientThreshold: 1e-4 * math.Sqrt(float64(1+len(asked))), MajorIterations: 300}, &optimize.LBFGS{})
	if res == nil || res.X == nil || math.IsNaN(res.F) {
		return nil, fmt.Errorf("taste: weights of likeness did not converge: %v", err)
	}
	return res.X, nil // a line search that gets no further has arrived
}

// path fits every penalty, the strongest first, each from the one before.
func (l *likening) path(ctx context.Context, answers []Likeness, last int) ([]likened, error) {
	asked := l.askings(answers)
	x := []float64{scaleMean}
	var out []likened
	for i := range last + 1 {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if i == 1 {
			x = append(slices.Clone(x), make([]float64, l.rows*len(l.root))...)
		}
		var err error
		if x, err = l.fit(asked, penalties[i], x); err != nil {
			return nil, err
		}
		out = append(out, l.unpack(x))
	}
	return out, nil
}

// tuned fits under the penalty that foresees best what is held back, the
// strongest of equals. Answers about one A are held back together.
func (l *likening) tuned(ctx context.Context, answers []Likeness) (likened, error) {
	fold := l.deal(answers, innerFolds)
	loss := make([]float64, len(penalties))
	for k := range innerFolds {
		var learn, test []Likeness
		for _, a := range answers {
			if fold[a.A] == k {
				test = append(test, a)
			} else {
				learn = append(learn, a)
			}
		}
		if len(learn) == 0 || len(test) == 0 {
			continue
		}
		fits, err := l.path(ctx, learn, len(penalties)-1)
		if err != nil {
			return likened{}, err
		}
		asked := l.askings(test)
		for i, f := range fits {
			for q := range asked {
				one, _, _ := f.loss(&asked[q])
				loss[i] += one
			}
		}
	}
	best := 0
	for i := range loss {
		if loss[i] < loss[best] {
			best = i
		}
	}
	fits, err := l.path(ctx, answers, best)
	if err != nil {
		return likened{}, err
	}
	return fits[best], nil
}

package taste

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/gen-emerge/assay"
)

// Options are the settings of [Learn]. The zero Options is a good choice.
type Options struct {
	Components int // of the embedding, at most; 0 means 12, more than any hundred judgments can tell apart
	Folds      int // of the groups of items in the trial; 0 means 8
	Workers    int // fits at once; 0 means one per CPU
	// Untried leaves the trial out: the reward's Check is then empty and not
	// accepted. For callers that hold judgments back themselves.
	Untried bool
}

func (o Options) check() error {
	if o.Components < 0 || o.Folds < 0 || o.Folds == 1 || o.Folds > 50 || o.Workers < 0 {
		return fmt.Errorf("taste: %d components, %d folds, %d workers: want none negative and 2 to 50 folds: %w",
			o.Components, o.Folds, o.Workers, assay.ErrInvalid)
	}
	return nil
}

// A Reward is what one person prefers, as a weight for each of a few features:
// d = Σ weight·(feature(left) − feature(right)) are the log-odds of left being
// preferred. What people have in common is drawn from a normal prior, each
// person's departure from another, and what an image is worth to a person beyond
// its features from a third, so that many judgments of one image are not taken
// for many of what it looks like; the variances are chosen by the evidence.
type Reward struct {
	Check      Check
	Components int // of the embedding that it stands on
	Readings   []int
	Departure  float64 // how far people depart from each other, as a share of what they have in common; 0 if one alone has judged
	Tie        float64 // ν; 0 if nobody called a tie
	Bar        float64 // what an image must be worth for even odds of not being called bad; meaningless unless BarKnown
	BarKnown   bool

	basis    *basis
	weight   []float64
	residual float64       // prior variance of an item's residual
	cov      *mat.SymDense // of the weights, then of the residuals of what the rater judged
	own      []int         // items that the rater judged, in order
	beyond   []float64     // what these are worth beyond their features
	x        [][]float64   // features by item
	mean     []float64     // of the features over the judged items
	unseen   slope         // of the embedding's part, on pairs it had not seen
}

// Learn fits the reward of one rater to the votes of all, and tries it. The
// errors wrap [assay.ErrInvalid] if the data or the options cannot be meant, and
// [assay.ErrUnavailable] if the items have no features or the rater no votes.
// A reward that fails its trial is no error: see [Reward.Check].
func Learn(ctx context.Context, d Data, rater int, opt Options) (*Reward, error) {
	l, err := newLearning(d, rater, opt)
	if err != nil {
		return nil, err
	}
	if err := l.prepare(ctx); err != nil {
		return nil, err
	}
	sh, post, err := l.fit(ctx, l.rows, l.free)
	if err != nil {
		return nil, err
	}
	r := &Reward{Components: l.layout.comps, Readings: l.basis.kept, basis: l.basis, x: l.x,
		residual: sh.residual * sh.residual, own: post.arrow.s.items[rater], beyond: post.item[rater]}
	if l.layout.others {
		r.Departure = sh.departure
	}
	cols := l.layout.cols()
	r.weight = post.weights(rater, cols)
	if r.cov, err = post.arrow.covariance(l.layout.prior(sh), rater); err != nil {
		return nil, fmt.Errorf("taste: %w", err)
	}
	if post.arrow.s.ties {
		r.Tie = math.Exp(post.pop[cols])
	}
	r.mean = l.judgedMean()
	for _, row := range l.rows {
		r.BarKnown = r.BarKnown || row.right == Bar && row.rater == rater
	}
	r.Bar = r.weight[cols-2] - dot(r.mean, r.weight)
	if !opt.Untried {
		r.Check, r.unseen, err = l.try(ctx)
	}
	return r, err
}

// A learning is data on its way to a reward.
type learning struct {
	data   Data
	rater  int
	raters int
	opt    Options
	basis  *basis
	layout layout
	x      [][]float64 // features by item
	rows   []row

	from shape  // where the search for the shape begins
	free []part // what of it the rater's own votes choose
}

func newLearning(d Data, rater int, opt Options) (*learning, error) {
	if err := opt.check(); err != nil {
		return nil, err
	}
	vector, _, err := d.check()
	if err != nil {
		return nil, err
	}
	opt.Components, opt.Folds = cmp.Or(opt.Components, 12), cmp.Or(opt.Folds, 8)
	l := &learning{data: d, rater: rater, opt: opt}
	own, others := 0, false
	for _, v := range d.Votes {
		l.raters = max(l.raters, v.Rater+1)
		if v.Outcome == assay.Skip {
			continue
		}
		if v.Rater == rater {
			own++
		} else {
			others = true
		}
	}
	if own == 0 {
		return nil, fmt.Errorf("taste: rater %d has judged nothing: %w", rater, assay.ErrUnavailable)
	}
	if l.basis, err = newBasis(d.Items, min(opt.Components, vector)); err != nil {
		return nil, err
	}
	if l.basis.len() == 0 {
		return nil, fmt.Errorf("taste: %d items without a feature in which they differ: %w", len(d.Items), assay.ErrUnavailable)
	}
	l.layout = layout{comps: len(l.basis.comps), readings: len(l.basis.kept), others: others}
	l.x = make([][]float64, len(d.Items))
	for i, it := range d.Items {
		l.x[i] = l.basis.features(it)
	}
	l.rows = d.rows(l.x)
	return l, nil
}

// prepare says where the shape comes from. A rater who is alone chooses all of it.
// Among others it comes from the others' votes, and how far one departs from
// another from all: the rater's few votes need not choose what many say better.
func (l *learning) prepare(ctx context.Context) (err error) {
	l.from, l.free = firstShape(), l.layout.parts()
	if !l.layout.others {
		return nil
	}
	others := slices.DeleteFunc(slices.Clone(l.rows), func(r row) bool { return r.rater == l.rater })
	l.from, _, err = l.fit(ctx, others, l.free)
	l.free = []part{departure}
	return err
}

func (l *learning) fit(ctx context.Context, rows []row, free []part) (shape, posterior, error) {
	return newSystem(rows, l.layout.cols(), l.raters).tune(ctx, l.layout, l.from, free)
}

// judged lists the items that the rater has judged, each once, in order.
func (l *learning) judged() []int {
	var out []int
	for _, v := range l.data.Votes {
		if v.Rater != l.rater || v.Outcome == assay.Skip {
			continue
		}
		out = append(out, v.Left)
		if v.Right != Bar {
			out = append(out, v.Right)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// judgedMean returns the mean features of the items that the rater has judged.
func (l *learning) judgedMean() []float64 {
	mean, judged := make([]float64, l.layout.cols()), l.judged()
	for _, i := range judged {
		for k, f := range l.x[i] {
			mean[k] += f / float64(len(judged))
		}
	}
	return mean
}

// Of returns what an item that the rater has not judged is worth to them, in
// log-odds against the mean of what they have judged, and the posterior standard
// error of that. Its vector and readings must be of the same kind and length as
// those that the reward was learned from, or the error wraps [assay.ErrInvalid].
func (r *Reward) Of(it Item) (worth, se float64, err error) {
	most := -1
	for _, k := range r.basis.kept {
		most = max(most, k)
	}
	if len(r.basis.comps) > 0 && len(it.Vector) != len(r.basis.mean) || len(it.Readings) <= most {
		return 0, 0, fmt.Errorf("taste: an item with %d coordinates and %d readings: want %d and more than %d: %w",
			len(it.Vector), len(it.Readings), len(r.basis.mean), most, assay.ErrInvalid)
	}
	worth, variance := r.along(r.basis.features(it), -1)
	return worth, math.Sqrt(variance + r.residual), nil
}

// Item is [Reward.Of] for an item of the data that the reward was learned from,
// by its index. Of one that the rater has judged it knows more than the features
// tell.
func (r *Reward) Item(i int) (worth, se float64) {
	at, judged := slices.BinarySearch(r.own, i)
	if !judged {
		worth, variance := r.along(r.x[i], -1)
		return worth, math.Sqrt(variance + r.residual)
	}
	worth, variance := r.along(r.x[i], at)
	return worth, math.Sqrt(variance)
}

// along returns what features are worth and the variance of that, with the
// residual of the own item with the given index, none if that is −1.
func (r *Reward) along(features []float64, own int) (worth, variance float64) {
	z := make([]float64, len(r.weight)+len(r.own))
	copy(z, features)
	for k := range r.mean {
		z[k] -= r.mean[k]
	}
	worth = dot(z[:len(r.weight)], r.weight)
	if own >= 0 {
		z[len(r.weight)+own] = 1
		worth += r.beyond[own]
	}
	v := mat.NewVecDense(len(z), z)
	return worth, max(0, mat.Inner(v, r.cov, v))
}

// Gradient returns the direction in the embedding, of length 1, in which the
// reward grows; nil if it stands on no embedding.
func (r *Reward) Gradient() []float64 {
	if len(r.basis.comps) == 0 {
		return nil
	}
	out, length := make([]float64, len(r.basis.mean)), 0.0
	for k, comp := range r.basis.comps {
		for d, v := range comp {
			out[d] += r.weight[k] * v
		}
	}
	for _, v := range out {
		length += v * v
	}
	if length == 0 {
		return nil
	}
	for d := range out {
		out[d] /= math.Sqrt(length)
	}
	return out
}

// Direction returns the embedding's part of the reward as a direction of a
// compass. Its effect is what it was worth on pairs that the reward had not
// seen: on those that it was learned from any direction would look well. ok is
// false if the reward was refused or stands on no embedding. ids names the items
// of d, which must be the data that r was learned from.
func (r *Reward) Direction(d Data, ids []assay.Digest, rater int) (out Direction, ok bool) {
	g := r.Gradient()
	if !r.Check.Accepted || g == nil || r.unseen.n == 0 {
		return out, false
	}
	s := r.unseen
	out = Direction{Kind: OfEmbedding, Effect: s.at, Low: s.low(), High: s.high(), N: s.n, Toward: toward(s, s.p), Vector: g}
	w, judged := Way{}, itemsOf(decidedBy(d.Votes, rater))
	for _, it := range d.Items {
		along := 0.0
		for k, v := range it.Vector {
			along += g[k] * float64(v)
		}
		w.Values = append(w.Values, along)
	}
	var values []float64
	for _, i := range judged {
		values = append(values, w.Values[i])
	}
	_, out.Unit = moments(values)
	out.Preferred, out.Avoided = w.sides(judged, ids, s.at)
	return out, true
}

package rank

import (
	"math"
	"slices"

	"github.com/gen-emerge/assay"
)

// Standard deviations of the priors that have no option: of the side effect and
// log ν and log μ of the typical rater (all but flat), and of each rater's
// deviations from them: two raters in three lean less than half a logit more to a
// side than the typical one, and call ties half to twice as readily.
const (
	flatSD     = 30
	ownSideSD  = 0.5
	ownTieSD   = 0.7
	firstOwnSD = 0.5 // of strengths, where EM begins
)

// A jointVote is a vote as the solver reads it. Its predictor is
// d = η·(x_i − x_j) + side, with x = θ + u.
type jointVote struct {
	i, j   int32 // the sign of k is that of i winning
	ui, uj int32 // of the rater's own strengths among the parameters; −1: none
	rater  int32 // −1: none
	k      int8  // category: ±1 wins, ±2 much better, 0 a tie
	five   bool  // the rater says "much better" too
	sided  bool
	base   float64 // weight before decay
	w      float64 // with it
	g      float64 // probability that it was no random click
}

// A jointOrder is an order as the solver reads it.
type jointOrder struct {
	items, own []int32
	rater      int32
	w          float64
}

// A jointModel holds the votes, the parameters and the priors. Parameters are
// one vector: strengths, raters' own deviations, then for each rater log η, side
// and tie, then side, log ν and log μ of all.
type jointModel struct {
	opt    JointOptions
	n      int
	own    map[[2]int32]int32 // parameter of a rater's deviation for an item
	raters int
	votes  []jointVote
	orders []jointOrder

	x      []float64  // parameters
	prec   []float64  // prior precision of each
	held   []bool     // parameters that are not estimated
	lambda []float64  // by rater
	random [3]float64 // chance of a category |k| under random clicks
	sigma  float64    // of own strengths
	ties   bool
	pace   []float64 // by rater: how far a step of its reliability goes beyond EM's
	went   []float64 // by rater: its last step
	warm   bool      // what is said of raters is taken over and stays
	steps  int

	unsettled bool // the last climb ended because it had taken its steps
}

func (m *jointModel) size() int      { return len(m.x) }
func (m *jointModel) at(r int32) int { return m.n + len(m.own) + 3*int(r) } // log η, side, tie of a rater
func (m *jointModel) global() int    { return m.n + len(m.own) + 3*m.raters }
func (m *jointModel) several() bool  { return m.raters > 1 }

// gradeOf is the category of a vote: 1 and 2 for the left, −1 and −2 for the
// right. An answer that is not graded is a plain one.
func gradeOf(v *JointVote) (k int8) {
	switch v.Outcome {
	case assay.Left:
		k = 1
		if v.Grade == -2 {
			k = 2
		}
	case assay.Right:
		k = -1
		if v.Grade == 2 {
			k = -2
		}
	}
	return k
}

func newJointModel(n, raters int, votes []JointVote, orders []Order, opt JointOptions) *jointModel {
	m := &jointModel{opt: opt, n: n, raters: raters, own: map[[2]int32]int32{}, sigma: firstOwnSD, lambda: make([]float64, raters)}
	five := make([]bool, raters+1)
	for k := range votes {
		if g := gradeOf(&votes[k]); g == 2 || g == -2 {
			five[votes[k].Rater+1] = true
		}
	}
	for k := range votes {
		v := &votes[k]
		jv := jointVote{i: int32(v.Left), j: int32(v.Right), rater: int32(v.Rater), k: gradeOf(v), five: five[v.Rater+1],
			sided: !v.Unordered, base: v.weight(), g: 1}
		jv.ui, jv.uj = m.ownOf(jv.rater, jv.i), m.ownOf(jv.rater, jv.j)
		m.ties = m.ties || jv.k == 0
		m.votes = append(m.votes, jv)
	}
	for _, o := range orders {
		jo := jointOrder{rater: int32(o.Rater), w: o.Weight}
		if jo.w == 0 {
			jo.w = 1
		}
		for _, i := range o.Items {
			jo.items, jo.own = append(jo.items, int32(i)), append(jo.own, m.ownOf(jo.rater, int32(i)))
		}
		m.orders = append(m.orders, jo)
	}
	m.prepare(slices.Contains(five, true))
	return m
}

// ownOf returns the parameter of a rater's own deviation for an item, −1 where
// there is none: one rater's taste is the population's.
func (m *jointModel) ownOf(rater, item int32) int32 {
	if rater < 0 || !m.several() {
		return -1
	}
	key := [2]int32{rater, item}
	at, ok := m.own[key]
	if !ok {
		at = int32(m.n + len(m.own))
		m.own[key] = at
	}
	return at
}

// prepare sets the priors and where the search begins.
func (m *jointModel) prepare(graded bool) {
	size := m.global() + 3
	m.x, m.prec, m.held = make([]float64, size), make([]float64, size), make([]bool, size)
	for i := range m.n {
		m.prec[i] = m.opt.Prior
	}
	m.setSigma(m.sigma)
	sided := slices.ContainsFunc(m.votes, func(v jointVote) bool { return v.sided })
	for r := range m.raters {
		at := m.at(int32(r))
		m.prec[at], m.prec[at+1], m.prec[at+2] = 1/(m.opt.Reliability*m.opt.Reliability), 1/(ownSideSD*ownSideSD), 1/(ownTieSD*ownTieSD)
		m.held[at], m.held[at+1], m.held[at+2] = true, !m.several() || !sided, !m.several() || !m.ties
		if m.several() {
			m.lambda[r] = 0.2
		}
		m.pace, m.went = append(m.pace, 1), append(m.went, 0)
	}
	g := m.global()
	for k := range 3 {
		m.prec[g+k] = 1.0 / (flatSD * flatSD)
	}
	m.held[g], m.held[g+1], m.held[g+2] = !sided, !m.ties, !graded
	// Random clicks fall on the buttons as often as all clicks do, and on either
	// side alike.
	var count [3]float64
	for _, v := range m.votes {
		count[abs8(v.k)]++
	}
	total := count[0] + count[1] + count[2] + 3
	m.random = [3]float64{(count[0] + 1) / total, (count[1] + 1) / total / 2, (count[2] + 1) / total / 2}
	if m.ties {
		m.x[g+1] = math.Log(math.Max(count[0], 1) / math.Max(count[1]+count[2], 1))
	}
	if graded {
		m.x[g+2] = math.Log(math.Max(count[2], 1) / math.Max(count[1], 1))
	}
}

func (m *jointModel) setSigma(sigma float64) {
	m.sigma = sigma
	for k := range len(m.own) {
		m.prec[m.n+k] = 1 / (sigma * sigma)
	}
}

// from takes over the parameters of a model of nearly the same votes.
func (m *jointModel) from(o *jointModel) {
	m.warm = true
	if o.n == 0 {
		return
	}
	copy(m.x[:m.n], o.x[:min(m.n, o.n)])
	for key, at := range m.own {
		if there, ok := o.own[key]; ok {
			m.x[at] = o.x[there]
		}
	}
	for r := range min(m.raters, o.raters) {
		copy(m.x[m.at(int32(r)):m.at(int32(r))+3], o.x[o.at(int32(r)):o.at(int32(r))+3])
		m.lambda[r] = o.lambda[r]
	}
	copy(m.x[m.global():], o.x[o.global():])
	m.setSigma(o.sigma)
	for i := range m.n {
		m.prec[i] = o.prec[0]
	}
}

// decay sets the weights of votes for a half-life in judgments, counted back
// from the newest; 0 or less means none.
func (m *jointModel) decay(votes []JointVote, half float64) {
	if half <= 0 {
		for k := range m.votes {
			m.votes[k].w = m.votes[k].base
		}
		return
	}
	for age, k := range backwards(votes) {
		m.votes[k].w = m.votes[k].base * math.Exp2(-float64(age)/half)
	}
}

// backwards lists the votes from the newest: by their times if all have one, else
// as they stand.
func backwards(votes []JointVote) []int {
	out := make([]int, len(votes))
	timed := true
	for k := range votes {
		out[k] = k
		timed = timed && !votes[k].Time.IsZero()
	}
	if timed {
		slices.SortStableFunc(out, func(a, b int) int { return votes[a].Time.Compare(votes[b].Time) })
	}
	slices.Reverse(out)
	return out
}

func abs8(k int8) int8 {
	if k < 0 {
		return -k
	}
	return k
}

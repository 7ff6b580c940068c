package rank

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/gen-emerge/assay"
)

// jointDraws is how many samples errors are estimated from where the covariance
// is too large: they are then right to 1/√200 of themselves, 7 %.
const jointDraws = 100

// report turns a fitted model into a Joint.
func (m *jointModel) report(ctx context.Context, votes []JointVote, orders []Order, half *HalfLife, opt JointOptions) (*Joint, error) {
	j := &Joint{Prior: opt.Prior, HalfLife: half, Steps: m.steps, reference: opt.Reference, model: m, Tally: make([]Tally, m.n)}
	j.Clusters = m.countClusters(votes, orders)
	s := newJointSystem(m)
	m.rescale()
	m.expect(false)
	for r := range m.raters { // their doubt is part of all doubt
		m.held[m.at(int32(r))] = !m.several()
	}
	s.build()
	if len(m.own) > 0 && m.sigma > leastSigma {
		j.Own = m.sigma
	}
	j.tally(votes)
	j.component = m.met()
	for k := range m.votes {
		v := &m.votes[k]
		p := s.locals[k].p[v.k+2]
		if v.rater >= 0 && m.several() {
			p = (1-m.lambda[v.rater])*p + m.lambda[v.rater]*m.chance(v)
		}
		j.LogLik += v.w * math.Log(p)
	}
	for k := range m.orders {
		j.LogLik += m.orders[k].w * m.orderLogLik(&m.orders[k])
	}
	centre := mean(m.x[:m.n], opt.Reference)
	for i := range m.n {
		j.Strength = append(j.Strength, m.x[i]-centre)
	}
	free := 0
	for _, h := range m.held {
		if !h {
			free++
		}
	}
	var sd []float64 // of every parameter
	var err error
	switch {
	case opt.Quick:
	case free <= opt.Dense:
		sd, err = j.exact(s, votes, orders)
	default:
		j.Draws = jointDraws
		sd, err = j.sampled(ctx, s, votes, orders)
	}
	if err != nil {
		return nil, err
	}
	j.parameters(sd)
	j.doubt(votes)
	return j, nil
}

// doubt adds the warnings that concern the data as a whole.
func (j *Joint) doubt(votes []JointVote) {
	if parts := slices.Max(j.component) + 1; parts > 1 {
		j.Warnings = append(j.Warnings, fmt.Errorf("the items fall into %d parts that never met; only the prior compares between them", parts))
	}
	if j.model.unsettled {
		j.Warnings = append(j.Warnings, fmt.Errorf("the fit still moved after %d steps: the numbers are near, not exact", j.Steps))
	}
	if slices.ContainsFunc(votes, func(v JointVote) bool { return v.weight() != 1 }) || j.HalfLife != nil && j.HalfLife.Judgments > 0 {
		j.Warnings = append(j.Warnings, errors.New("votes carry weights: the standard errors take them for counts; if they are anything else, read the sandwich errors"))
	}
	if j.Draws > 0 {
		j.Warnings = append(j.Warnings, fmt.Errorf("there is too much for the full covariance: standard errors are from %d samples, right to about 7 %%", j.Draws))
	}
}

// parameters reports what is not an item's.
func (j *Joint) parameters(sd []float64) {
	m := j.model
	of := func(k int) float64 {
		if sd == nil || m.held[k] {
			return math.NaN()
		}
		return sd[k]
	}
	g := m.global()
	if !m.held[g] {
		j.Side = &Parameter{m.x[g], of(g)}
	}
	if m.ties {
		j.Tie = &Parameter{m.x[g+1], of(g + 1)}
	}
	j.Raters = make([]RaterFit, m.raters)
	for r := range j.Raters {
		at := m.at(int32(r))
		eta := math.Exp(m.x[at])
		j.Raters[r] = RaterFit{Reliability: eta, StdErr: eta * of(at), Random: m.lambda[r], Side: m.x[g] + m.x[at+1]}
	}
	for _, v := range m.votes {
		if v.rater >= 0 {
			j.Raters[v.rater].Votes++
		}
	}
	for _, o := range m.orders {
		if o.rater >= 0 {
			j.Raters[o.rater].Votes += len(o.items) - 1
		}
	}
}

func (j *Joint) tally(votes []JointVote) {
	for k := range votes {
		v := &votes[k]
		a, b, w := &j.Tally[v.Left], &j.Tally[v.Right], v.weight()
		a.Votes++
		b.Votes++
		switch v.Outcome {
		case assay.Left:
			a.Won, b.Lost = a.Won+w, b.Lost+w
		case assay.Right:
			a.Lost, b.Won = a.Lost+w, b.Won+w
		default:
			a.Tied, b.Tied = a.Tied+w, b.Tied+w
		}
	}
}

// A scoreOf is a score's entry for one parameter.
type scoreOf struct {
	k int32
	v float64
}

// clusters calls fn with the score of each cluster of votes that are not
// independent, as sparse as the votes make it, in order of the parameters: sums
// over it are the same each time.
func (s *jointSystem) clusters(votes []JointVote, orders []Order, fn func(score []scoreOf)) {
	m := s.m
	byCluster := map[int][]int{}
	var order []int
	own := -1 // a vote without a cluster is one of its own
	put := func(cluster, at int) {
		if cluster == 0 {
			cluster = own
			own--
		}
		if byCluster[cluster] == nil {
			order = append(order, cluster)
		}
		byCluster[cluster] = append(byCluster[cluster], at)
	}
	for k := range votes {
		put(votes[k].Cluster, k)
	}
	for k := range orders {
		put(orders[k].Cluster, len(votes)+k)
	}
	dense := make([]float64, m.size())
	for _, c := range order {
		touched := map[int32]bool{}
		for _, at := range byCluster[c] {
			if at < len(votes) {
				s.addScore(at, m.votes[at].w*m.votes[at].g, dense)
				for _, k := range s.touches(at) {
					touched[k] = true
				}
				continue
			}
			b := &s.blocks[at-len(votes)]
			b.addScore(m, dense)
			for k, i := range b.order.items {
				touched[i] = true
				if o := b.order.own[k]; o >= 0 {
					touched[o] = true
				}
			}
			if r := b.order.rater; r >= 0 {
				touched[int32(m.at(r))] = true
			}
		}
		var score []scoreOf
		for _, k := range slices.Sorted(maps.Keys(touched)) {
			if dense[k] != 0 && !m.held[k] {
				score = append(score, scoreOf{k, dense[k]})
			}
			dense[k] = 0
		}
		fn(score)
	}
}

// touches lists the parameters that a vote's score is about.
func (s *jointSystem) touches(at int) []int32 {
	m, v := s.m, &s.m.votes[at]
	g := int32(m.global())
	out := []int32{v.i, v.j, g, g + 1, g + 2}
	if v.ui >= 0 {
		out = append(out, v.ui, v.uj)
	}
	if v.rater >= 0 {
		r := int32(m.at(v.rater))
		out = append(out, r, r+1, r+2)
	}
	return out
}

// factor is the Cholesky factor of the information about what is not held, with
// the place of each parameter in it.
func (s *jointSystem) factor() (*mat.Cholesky, []int, error) {
	m := s.m
	var free []int
	for k, h := range m.held {
		if !h {
			free = append(free, k)
		}
	}
	info := mat.NewSymDense(len(free), nil)
	x, y := make([]float64, m.size()), make([]float64, m.size())
	for c, k := range free {
		x[k] = 1
		s.times(x, y)
		x[k] = 0
		for r := range c + 1 {
			info.SetSym(r, c, y[free[r]])
		}
	}
	s.addTypical(info, free)
	var chol mat.Cholesky
	if !chol.Factorize(info) {
		return nil, nil, fmt.Errorf("rank: the joint model's information is not positive: %w", assay.ErrUnavailable)
	}
	return &chol, free, nil
}

// addTypical keeps the raters' log reliabilities at a sum of 0, as [jointSystem.level]
// does: with a precision beside which nothing else counts.
func (s *jointSystem) addTypical(info *mat.SymDense, free []int) {
	const precision = 1e7
	first, last := s.m.at(0), s.m.global()
	for r, a := range free {
		for c, b := range free[:r+1] {
			if a >= first && a < last && b >= first && (a-first)%3 == 0 && (b-first)%3 == 0 {
				info.SetSym(r, c, info.At(r, c)+precision)
			}
		}
	}
}

// exact computes the errors from the covariance of all parameters.
func (j *Joint) exact(s *jointSystem, votes []JointVote, orders []Order) ([]float64, error) {
	m := j.model
	chol, free, err := s.factor()
	if err != nil {
		return nil, err
	}
	var inverse mat.SymDense
	if err := chol.InverseTo(&inverse); err != nil {
		return nil, fmt.Errorf("rank: the joint model's covariance: %w: %w", err, assay.ErrUnavailable)
	}
	place := make([]int, m.size())
	for k := range place {
		place[k] = -1
	}
	for at, k := range free {
		place[k] = at
	}
	sd := make([]float64, m.size())
	for at, k := range free {
		sd[k] = math.Sqrt(inverse.At(at, at))
	}
	j.draws = drawFrom(chol, place, m.n)
	rows := contrasts(&inverse, place, m.n, j.reference)
	j.StdErr, j.Sandwich = make([]float64, m.n), make([]float64, m.n)
	meat := make([]float64, m.n)
	s.clusters(votes, orders, func(score []scoreOf) {
		for i := range m.n {
			var sum float64
			for _, e := range score {
				sum += rows[i][place[e.k]] * e.v
			}
			meat[i] += sum * sum
		}
	})
	for i := range m.n {
		var prior float64
		for at, k := range free {
			prior += rows[i][at] * rows[i][at] * m.prec[k]
		}
		j.StdErr[i] = math.Sqrt(contrastVar(rows[i], place, i, m.n, j.reference))
		j.Sandwich[i] = sandwich(meat[i], prior, j.Clusters)
	}
	return sd, nil
}

func sandwich(meat, prior float64, clusters int) float64 {
	if clusters < 2 {
		return math.NaN()
	}
	return math.Sqrt(meat*float64(clusters)/float64(clusters-1) + prior)
}

// contrasts are the rows of the covariance of each strength less the mean of the
// reference.
func contrasts(inverse *mat.SymDense, place []int, n int, reference []int) [][]float64 {
	size := inverse.SymmetricDim()
	mean := make([]float64, size)
	each := func(fn func(i int, share float64)) { referenceShares(n, reference, fn) }
	each(func(i int, share float64) {
		for k := range mean {
			mean[k] += share * inverse.At(place[i], k)
		}
	})
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = make([]float64, size)
		for k := range mean {
			rows[i][k] = inverse.At(place[i], k) - mean[k]
		}
	}
	return rows
}

func referenceShares(n int, reference []int, fn func(i int, share float64)) {
	if len(reference) == 0 {
		for i := range n {
			fn(i, 1/float64(n))
		}
		return
	}
	for _, i := range reference {
		fn(i, 1/float64(len(reference)))
	}
}

func contrastVar(row []float64, place []int, i, n int, reference []int) float64 {
	v := row[place[i]]
	referenceShares(n, reference, func(k int, share float64) { v -= share * row[place[k]] })
	return max(v, 0)
}

// sampled estimates the errors from solutions of the information matrix for right
// sides whose covariance is that matrix itself, and that of the clusters' scores.
func (j *Joint) sampled(ctx context.Context, s *jointSystem, votes []JointVote, orders []Order) ([]float64, error) {
	m := j.model
	var scores [][]scoreOf
	s.clusters(votes, orders, func(score []scoreOf) { scores = append(scores, score) })
	model, robust := make([][]float64, jointDraws), make([][]float64, jointDraws)
	parallelItems(runtime.GOMAXPROCS(0), jointDraws, func(draw int) {
		if ctx.Err() != nil {
			return
		}
		rng := rand.New(rand.NewPCG(uint64(draw), 3)) // numbers of its own: the result does not depend on who draws
		model[draw] = s.solve(s.noise(rng))
		robust[draw] = s.solve(s.meat(rng, scores))[:m.n]
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, x := range model {
		j.draws = append(j.draws, x[:m.n])
	}
	squares, all := make([]float64, m.n), make([]float64, m.size())
	spread := make([]float64, m.n)
	for draw := range jointDraws {
		x, y := model[draw], robust[draw]
		cx, cy := mean(x[:m.n], j.reference), mean(y, j.reference)
		for i := range m.n {
			squares[i] += (x[i] - cx) * (x[i] - cx)
			spread[i] += (y[i] - cy) * (y[i] - cy)
		}
		for k, v := range x {
			all[k] += v * v
		}
	}
	j.StdErr, j.Sandwich = make([]float64, m.n), make([]float64, m.n)
	for i := range m.n {
		j.StdErr[i], j.Sandwich[i] = math.Sqrt(squares[i]/jointDraws), math.Sqrt(spread[i]/jointDraws)
		if j.Clusters < 2 {
			j.Sandwich[i] = math.NaN()
		}
	}
	for k := range all {
		all[k] = math.Sqrt(all[k] / jointDraws)
	}
	return all, nil
}

func mean(x []float64, reference []int) (sum float64) {
	referenceShares(len(x), reference, func(i int, share float64) { sum += share * x[i] })
	return sum
}

package rank

import (
	"context"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

const (
	jointTol   = 1e-7 // largest change of a parameter in the last Newton step
	raterTol   = 1e-4 // the same where what is said of raters converges beside it
	lambdaTol  = 1e-3 // of a share of random clicks; ten times as much of a log reliability
	sigmaRound = 12   // EM rounds for the spread of own strengths
	leastSigma = 0.02 // below it raters' own strengths are nothing to tell
)

// A local is what one vote says at the parameters: its predictors, the chances of
// its categories, and from these the score and the information of (d, log ν,
// log μ).
type local struct {
	eta, diff float64 // d = eta·diff + side
	d         float64
	p         [5]float64 // of the categories −2 … 2
	score     [3]float64
	info      [6]float64 // dd, da, db, aa, ab, bb
}

// categoryScore multiplies d in the exponent of each category.
func categoryScore(k int) float64 { return float64(k) / 2 }

func (m *jointModel) eta(r int32) float64 {
	if r < 0 {
		return 1
	}
	return math.Exp(m.x[m.at(r)])
}

func (m *jointModel) strength(i, own int32) float64 {
	if own < 0 {
		return m.x[i]
	}
	return m.x[i] + m.x[own]
}

// look evaluates one vote.
func (m *jointModel) look(v *jointVote) local { return m.lookAt(v, 0) }

// lookAt evaluates one vote as if its items' difference were greater by more.
func (m *jointModel) lookAt(v *jointVote, more float64) (l local) {
	g := m.global()
	l.eta, l.diff = m.eta(v.rater), m.strength(v.i, v.ui)-m.strength(v.j, v.uj)+more
	l.d = l.eta * l.diff
	tie, strong := m.x[g+1], m.x[g+2]
	if v.sided {
		l.d += m.x[g]
	}
	if v.rater >= 0 {
		at := m.at(v.rater)
		if v.sided {
			l.d += m.x[at+1]
		}
		tie += m.x[at+2]
	}
	var logit [5]float64
	most := math.Inf(-1)
	for c := range logit {
		k := c - 2
		logit[c] = categoryScore(k) * l.d
		switch {
		case k == 0 && !m.ties, (k == 2 || k == -2) && !v.five:
			logit[c] = math.Inf(-1)
		case k == 0:
			logit[c] += tie
		case k == 2 || k == -2:
			logit[c] += strong
		}
		most = max(most, logit[c])
	}
	var sum float64
	for c := range logit {
		l.p[c] = math.Exp(logit[c] - most)
		sum += l.p[c]
	}
	for c := range l.p {
		l.p[c] /= sum
	}
	l.derive(v.k)
	return l
}

// derive fills in the score of the category k and the information.
func (l *local) derive(k int8) {
	var e1, e2 float64
	for c, p := range l.p {
		s := categoryScore(c - 2)
		e1, e2 = e1+p*s, e2+p*s*s
	}
	tie, strong, lean := l.p[2], l.p[0]+l.p[4], l.p[4]-l.p[0]
	l.score = [3]float64{categoryScore(int(k)) - e1, -tie, -strong}
	switch k {
	case 0:
		l.score[1]++
	case 2, -2:
		l.score[2]++
	}
	l.info = [6]float64{e2 - e1*e1, -e1 * tie, lean - e1*strong, tie * (1 - tie), -tie * strong, strong * (1 - strong)}
}

// spread adds the transposed Jacobian of a vote's predictors times y to out.
func (m *jointModel) spread(v *jointVote, l *local, y [3]float64, out []float64) {
	g := m.global()
	z := l.eta * y[0]
	out[v.i] += z
	out[v.j] -= z
	if v.ui >= 0 {
		out[v.ui] += z
		out[v.uj] -= z
	}
	out[g+1] += y[1]
	out[g+2] += y[2]
	if v.sided {
		out[g] += y[0]
	}
	if v.rater < 0 {
		return
	}
	at := m.at(v.rater)
	out[at] += z * l.diff
	out[at+2] += y[1]
	if v.sided {
		out[at+1] += y[0]
	}
}

// gather is the Jacobian of a vote's predictors times x.
func (m *jointModel) gather(v *jointVote, l *local, x []float64) (z [3]float64) {
	g := m.global()
	z[0] = x[v.i] - x[v.j]
	if v.ui >= 0 {
		z[0] += x[v.ui] - x[v.uj]
	}
	z[1], z[2] = x[g+1], x[g+2]
	if v.rater >= 0 {
		at := m.at(v.rater)
		z[0] += l.diff * x[at]
		z[1] += x[at+2]
	}
	z[0] *= l.eta
	if v.sided {
		z[0] += x[g]
		if v.rater >= 0 {
			z[0] += x[m.at(v.rater)+1]
		}
	}
	return z
}

func (l *local) times(z [3]float64) [3]float64 {
	i := &l.info
	return [3]float64{i[0]*z[0] + i[1]*z[1] + i[2]*z[2], i[1]*z[0] + i[3]*z[1] + i[4]*z[2], i[2]*z[0] + i[4]*z[1] + i[5]*z[2]}
}

// chance is the probability of the vote's category under clicks at random.
func (m *jointModel) chance(v *jointVote) float64 { return m.random[abs8(v.k)] }

// expect sets for each vote the probability that it was no random click and, if
// update is set, first the raters' shares of such clicks to those that are
// likeliest at the strengths as they stand; it returns the largest change of a
// share.
func (m *jointModel) expect(update bool) (change float64) {
	if !m.several() {
		return 0
	}
	p := make([]float64, len(m.votes))
	of := make([][]int, m.raters)
	for k := range m.votes {
		v := &m.votes[k]
		p[k] = m.look(v).p[v.k+2]
		if v.rater >= 0 {
			of[v.rater] = append(of[v.rater], k)
		}
	}
	for r, votes := range of {
		if update {
			lambda := m.share(votes, p)
			change = max(change, math.Abs(lambda-m.lambda[r]))
			m.lambda[r] = lambda
		}
		for _, k := range votes {
			v := &m.votes[k]
			byModel, byChance := (1-m.lambda[r])*p[k], m.lambda[r]*m.chance(v)
			v.g = byModel / (byModel + byChance)
		}
	}
	return change
}

// share is the likeliest share of random clicks among one rater's votes, whose
// chances under the model are p, with the prior Beta(1,19). The log posterior is
// concave in it: its derivative is bisected.
func (m *jointModel) share(votes []int, p []float64) float64 {
	slope := func(lambda float64) float64 {
		sum := -18 / (1 - lambda)
		for _, k := range votes {
			v := &m.votes[k]
			q := m.chance(v)
			sum += v.w * (q - p[k]) / ((1-lambda)*p[k] + lambda*q)
		}
		return sum
	}
	lo, hi := 0.0, 0.99
	if slope(lo) <= 0 {
		return 0
	}
	for range 30 {
		if mid := (lo + hi) / 2; slope(mid) > 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// objective is the log posterior, up to a constant, given which votes were random
// clicks.
func (m *jointModel) objective() float64 {
	var sum float64
	for k := range m.votes {
		v := &m.votes[k]
		sum += v.w * v.g * math.Log(m.look(v).p[v.k+2])
	}
	for k := range m.orders {
		sum += m.orders[k].w * m.orderLogLik(&m.orders[k])
	}
	for k, x := range m.x {
		sum -= m.prec[k] * x * x / 2
	}
	return sum
}

// newton takes one step of Fisher scoring and returns the largest change.
func (m *jointModel) newton(s *jointSystem) (float64, error) {
	s.build()
	grad := s.gradient()
	step := s.solveTo(grad, 1e-4)
	before := m.objective()
	old := append([]float64(nil), m.x...)
	for scale := 1.0; scale > 1e-9; scale /= 2 {
		var largest float64
		for k := range m.x {
			m.x[k] = old[k] + scale*step[k]
			largest = max(largest, math.Abs(scale*step[k]))
		}
		if now := m.objective(); now >= before-1e-9*(1+math.Abs(before)) {
			return largest, nil
		}
	}
	copy(m.x, old)
	if s.norm(grad) < 1e-5 { // rounding hides what is left to gain
		return 0, nil
	}
	return 0, fmt.Errorf("rank: the joint model does not converge (log posterior %g); fit without raters, times and grades: %w", before, assay.ErrUnavailable)
}

// climb takes Newton steps until nothing moves. Between them go the raters'
// reliabilities and their shares of random clicks, once the strengths nearly
// stand: while nothing is known every click looks like chance.
func (m *jointModel) climb(ctx context.Context, s *jointSystem, most int) error {
	near := false
	m.unsettled = false
	for range most {
		if err := ctx.Err(); err != nil {
			return err
		}
		change := m.expect(near && !m.warm)
		if near && m.several() && !m.warm {
			change = max(change, m.reliabilities(s)/5)
		}
		moved, err := m.newton(s)
		if err != nil {
			return err
		}
		m.steps++
		if m.several() && !m.warm && !near {
			near = moved < 0.05
			continue
		}
		if moved < jointTol || moved < raterTol && m.several() && change < lambdaTol {
			return nil
		}
	}
	m.unsettled = true
	return nil
}

// fit finds the maximum of the posterior; unless the model is to be quick it also
// estimates how far raters' own strengths lie from the population's.
func (m *jointModel) fit(ctx context.Context, most int) error {
	s := newJointSystem(m)
	if err := m.climb(ctx, s, most); err != nil || len(m.own) == 0 || m.opt.Quick {
		return err
	}
	for range sigmaRound {
		sigma := m.ownSpread(s)
		settled := math.Abs(sigma-m.sigma) < 0.02*m.sigma
		m.setSigma(max(sigma, leastSigma))
		if err := m.climb(ctx, s, most); err != nil || settled || sigma <= leastSigma {
			return err
		}
	}
	return nil
}

package rank

import "math"

// reliabilities moves each rater's log reliability towards the maximum of its
// expected log posterior, given the strengths' means and variances, and returns
// the largest change. That is a step of EM: reliabilities and strengths only enter as
// products, and a joint maximum would let the many strengths shrink and the few
// reliabilities grow without end. The doubt about the strengths, which grows with
// the square of the reliability that multiplies it, is what holds them. Variances
// are those given all else, which is close where items meet many others.
func (m *jointModel) reliabilities(s *jointSystem) (change float64) {
	of := make([][]int, m.raters)
	for k := range m.votes {
		if r := m.votes[k].rater; r >= 0 {
			of[r] = append(of[r], k)
		}
	}
	orders := make([][]int, m.raters)
	for k := range m.orders {
		if r := m.orders[k].rater; r >= 0 {
			orders[r] = append(orders[r], k)
		}
	}
	for r := range m.raters {
		at := m.at(int32(r))
		slope, curve := m.reliabilitySlope(s, of[r], orders[r])
		// EM creeps where much is in doubt: steps that go on in one direction grow,
		// and shrink when they turn.
		step := (slope - m.prec[at]*m.x[at]) / (curve + m.prec[at])
		if m.pace[r] = min(m.pace[r]*1.5, 20); step*m.went[r] < 0 {
			m.pace[r] = max(m.pace[r]/4, 1)
		}
		m.went[r] = step
		step = min(max(m.pace[r]*step, -0.7), 0.7)
		m.x[at] = min(max(m.x[at]+step, -5), 3)
		change = max(change, math.Abs(step))
	}
	return change
}

// reliabilitySlope is the derivative, in one rater's log reliability, of the
// expected log likelihood over the doubt about the strengths, and its curvature.
// Of orders both are to second order.
func (m *jointModel) reliabilitySlope(s *jointSystem, votes, orders []int) (slope, curve float64) {
	for _, k := range votes {
		v := &m.votes[k]
		doubt := 1/s.diag[v.i] + 1/s.diag[v.j]
		if v.ui >= 0 {
			doubt += 1/s.diag[v.ui] + 1/s.diag[v.uj]
		}
		far := math.Sqrt(3 * doubt)
		for node, share := range [3]float64{1. / 6, 2. / 3, 1. / 6} { // Gauss and Hermite's three points
			l := m.lookAt(v, float64(node-1)*far)
			w, x := v.w*v.g*share, l.eta*l.diff
			slope += w * l.score[0] * x
			curve += w * l.info[0] * x * x
		}
	}
	for _, k := range orders {
		o := &m.orders[k]
		b := m.orderBlock(o)
		n := len(b.y)
		for at, i := range o.items {
			doubt := 1 / s.diag[i]
			if own := o.own[at]; own >= 0 {
				doubt += 1 / s.diag[own]
			}
			grown := b.eta * b.eta * doubt * b.info[at*n+at]
			slope += o.w * (b.score[at]*b.y[at] - grown)
			curve += 2 * o.w * grown
			for to := range n {
				curve += o.w * b.y[at] * b.info[at*n+to] * b.y[to]
			}
		}
	}
	return slope, curve
}

// rescale puts all strengths into the log-odds of the typical rater, whose
// reliability, the geometric mean of all, is 1. The model stays the same.
func (m *jointModel) rescale() {
	if !m.several() {
		return
	}
	var mean float64
	for r := range m.raters {
		mean += m.x[m.at(int32(r))] / float64(m.raters)
	}
	for r := range m.raters {
		m.x[m.at(int32(r))] -= mean
	}
	scale := math.Exp(mean)
	for k := range m.n + len(m.own) {
		m.x[k] *= scale
		m.prec[k] /= scale * scale
	}
	m.sigma *= scale
}

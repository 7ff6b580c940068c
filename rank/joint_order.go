package rank

import "math"

// An orderBlock is what one order says of its items' utilities y = η·x at the
// model's parameters.
type orderBlock struct {
	order *jointOrder
	eta   float64
	y     []float64
	score []float64
	info  []float64 // len(y)²
}

// utilities are the strengths of an order's items as its rater sees them.
func (m *jointModel) utilities(o *jointOrder) (y []float64, eta float64) {
	eta = m.eta(o.rater)
	y = make([]float64, len(o.items))
	for k := range y {
		y[k] = eta * m.strength(o.items[k], o.own[k])
	}
	return y, eta
}

// shares are the chances to be chosen next among those from the first on.
func shares(y []float64) []float64 {
	p := make([]float64, len(y))
	most, sum := math.Inf(-1), 0.0
	for _, v := range y {
		most = max(most, v)
	}
	for k, v := range y {
		p[k] = math.Exp(v - most)
		sum += p[k]
	}
	for k := range p {
		p[k] /= sum
	}
	return p
}

// orderLogLik is Plackett and Luce's: each item is chosen from those not yet
// chosen.
func (m *jointModel) orderLogLik(o *jointOrder) (sum float64) {
	y, _ := m.utilities(o)
	for k := range len(y) - 1 {
		sum += math.Log(shares(y[k:])[0])
	}
	return sum
}

func (m *jointModel) orderBlock(o *jointOrder) orderBlock {
	y, eta := m.utilities(o)
	n := len(y)
	b := orderBlock{order: o, eta: eta, y: y, score: make([]float64, n), info: make([]float64, n*n)}
	for first := range n - 1 {
		p := shares(y[first:])
		b.score[first]++
		for i, pi := range p {
			b.score[first+i] -= pi
			b.info[(first+i)*n+first+i] += pi
			for j, pj := range p {
				b.info[(first+i)*n+first+j] -= pi * pj
			}
		}
	}
	return b
}

// spread adds w times the transposed Jacobian times v to out.
func (b *orderBlock) spread(m *jointModel, v []float64, w float64, out []float64) {
	o := b.order
	for k, i := range o.items {
		z := w * b.eta * v[k]
		out[i] += z
		if own := o.own[k]; own >= 0 {
			out[own] += z
		}
		if o.rater >= 0 {
			out[m.at(o.rater)] += w * b.y[k] * v[k]
		}
	}
}

func (b *orderBlock) addScore(m *jointModel, out []float64) { b.spread(m, b.score, b.order.w, out) }

func (b *orderBlock) times(m *jointModel, x, out []float64) {
	o, n := b.order, len(b.y)
	z, y := make([]float64, n), make([]float64, n)
	for k, i := range o.items {
		z[k] = b.eta * x[i]
		if own := o.own[k]; own >= 0 {
			z[k] += b.eta * x[own]
		}
		if o.rater >= 0 {
			z[k] += b.y[k] * x[m.at(o.rater)]
		}
	}
	for i := range n {
		for j := range n {
			y[i] += b.info[i*n+j] * z[j]
		}
	}
	b.spread(m, y, o.w, out)
}

func (b *orderBlock) addDiag(diag []float64, m *jointModel) {
	o, n := b.order, len(b.y)
	for k, i := range o.items {
		z := o.w * b.eta * b.eta * b.info[k*n+k]
		diag[i] += z
		if own := o.own[k]; own >= 0 {
			diag[own] += z
		}
	}
	if o.rater < 0 {
		return
	}
	for i := range n {
		for j := range n {
			diag[m.at(o.rater)] += o.w * b.y[i] * b.info[i*n+j] * b.y[j]
		}
	}
}

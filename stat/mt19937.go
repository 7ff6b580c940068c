package stat

// An MT19937 is the Mersenne Twister (Matsumoto and Nishimura 1998), the
// generator behind NumPy's RandomState and PyTorch's CPU generator. It is here
// because published values were drawn with it; see [NewMT19937].
type MT19937 struct {
	state [624]uint32
	next  int
}

// NewMT19937 returns the generator that RandomState(seed) and
// torch.manual_seed(seed) start from.
func NewMT19937(seed uint32) *MT19937 {
	m := &MT19937{next: 624}
	m.state[0] = seed
	for i := 1; i < 624; i++ {
		m.state[i] = 1812433253*(m.state[i-1]^m.state[i-1]>>30) + uint32(i)
	}
	return m
}

// Uint32 returns the next 32 bits.
func (m *MT19937) Uint32() uint32 {
	if m.next == 624 {
		for i := range m.state {
			y := m.state[i]&0x80000000 | m.state[(i+1)%624]&0x7fffffff
			m.state[i] = m.state[(i+397)%624] ^ y>>1 ^ (y&1)*0x9908b0df
		}
		m.next = 0
	}
	y := m.state[m.next]
	m.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// below returns a number from 0 to most, as RandomState.randint's legacy way
// does for numbers of 32 bits: masked draws, those above most thrown away.
func (m *MT19937) below(most uint32) uint32 {
	mask := most
	for _, s := range []uint{1, 2, 4, 8, 16} {
		mask |= mask >> s
	}
	for {
		if v := m.Uint32() & mask; v <= most {
			return v
		}
	}
}

// Choose returns size of the numbers 0 to n-1 without repeats, in the order in
// which RandomState.choice(n, size, replace=False) gives them: the head of a
// Fisher-Yates permutation. It needs 0 <= size <= n <= 2³¹.
func (m *MT19937) Choose(n, size int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := int(m.below(uint32(i)))
		p[i], p[j] = p[j], p[i]
	}
	return p[:size]
}

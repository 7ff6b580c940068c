package metric

import "github.com/gen-emerge/assay/pixel"

// An mt19937 is the Mersenne Twister that PyTorch's CPU generator is (Matsumoto
// and Nishimura, 1998). Some published values are of pictures drawn with it.
type mt19937 struct {
	state [624]uint32
	next  int
}

func newMT19937(seed uint32) *mt19937 {
	m := &mt19937{next: 624}
	m.state[0] = seed
	for i := 1; i < 624; i++ {
		m.state[i] = 1812433253*(m.state[i-1]^m.state[i-1]>>30) + uint32(i)
	}
	return m
}

func (m *mt19937) uint32() uint32 {
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

// randomImage is torch.randint(255, (3, side, side)) after torch.manual_seed:
// the k-th sample, red plane first, is the k-th number modulo 255.
func randomImage(seed uint32, side int) *pixel.Image {
	m := newMT19937(seed)
	img := &pixel.Image{Mode: pixel.RGB, Width: side, Height: side, Pix: make([]uint8, 3*side*side)}
	for c := range 3 {
		for i := range side * side {
			img.Pix[3*i+c] = uint8(m.uint32() % 255)
		}
	}
	return img
}

package pixel

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// Noise returns img with independent Gaussian noise of standard deviation sigma,
// in levels of 255, added to every sample, rounded and clipped. The noise of a
// sample depends on seed and on the sample's place in Pix only, so a seed always
// gives the same picture. sigma is in [0, 255], else the error wraps
// [assay.ErrInvalid]; 0 changes nothing.
func (img *Image) Noise(sigma float64, seed uint64) (*Image, error) {
	if err := img.editable("noise"); err != nil {
		return nil, err
	}
	if !(sigma >= 0 && sigma <= 255) {
		return nil, fmt.Errorf("noise: sigma %g levels: want 0 to 255: %w", sigma, assay.ErrInvalid)
	}
	out := &Image{Mode: RGB, Width: img.Width, Height: img.Height, Pix: make([]uint8, len(img.Pix))}
	key := permute(seed)
	for i := 0; i < len(img.Pix); i += 2 {
		a, b := normals(key, uint64(i))
		out.Pix[i] = level(float64(img.Pix[i]) + float64(sigma*a))
		if i+1 < len(img.Pix) {
			out.Pix[i+1] = level(float64(img.Pix[i+1]) + float64(sigma*b))
		}
	}
	return out, nil
}

// normals returns two independent standard normal numbers that belong to n, by
// the Box–Muller transform of two 53-bit uniform ones.
func normals(key, n uint64) (float64, float64) {
	const unit = 1.0 / (1 << 53)
	// 1 − u is in (0, 1], so that its logarithm is finite.
	u := 1 - float64(permute(step(key, n))>>11)*unit
	v := float64(permute(step(key, n+1))>>11) * unit
	r := math.Sqrt(-2 * math.Log(u))
	sin, cos := math.Sincos(2 * math.Pi * v)
	return r * cos, r * sin
}

// step returns the n-th state of the stream key. The multiplier and increment
// scatter neighbouring counters; both are odd, so no two counters share a state.
func step(key, n uint64) uint64 {
	// 6364136223846793005 is the multiplier of PCG's 64-bit generator, 2^64/φ
	// the increment of Weyl sequences.
	return (key+n*0x9e3779b97f4a7c15)*6364136223846793005 + 0x9e3779b97f4a7c15
}

// permute is the output permutation RXS-M-XS of PCG (O'Neill 2014, section
// 6.3.4) for 64 bits, a bijection.
func permute(state uint64) uint64 {
	word := (state>>(state>>59+5) ^ state) * 12605985483714917081
	return word>>43 ^ word
}

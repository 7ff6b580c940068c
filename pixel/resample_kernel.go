package pixel

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// A kernel is one resampling function and the distance from its centre beyond
// which it is zero, both in source pixels at scale 1. Nearest has no function.
type kernel struct {
	at      func(float64) float64
	support float64
}

func (f Filter) kernel() (kernel, error) {
	switch f {
	case Nearest:
		return kernel{}, nil
	case Box:
		return kernel{boxAt, 0.5}, nil
	case Bilinear:
		return kernel{bilinearAt, 1}, nil
	case Hamming:
		return kernel{hammingAt, 1}, nil
	case Bicubic:
		return kernel{bicubicAt, 2}, nil
	case Lanczos:
		return kernel{lanczosAt, 3}, nil
	}
	return kernel{}, fmt.Errorf("filter %q: want nearest, box, bilinear, hamming, bicubic or lanczos: %w",
		string(f), assay.ErrInvalid)
}

// The products below are written float64(a*b) wherever something is added to
// them. Without the conversion a compiler may fuse the two operations, as it
// does on arm64, and the last bit would depend on the machine.

func boxAt(x float64) float64 {
	if x > -0.5 && x <= 0.5 {
		return 1
	}
	return 0
}

func bilinearAt(x float64) float64 {
	return max(1-math.Abs(x), 0)
}

func hammingAt(x float64) float64 {
	x = math.Abs(x)
	switch {
	case x == 0:
		return 1
	case x >= 1:
		return 0
	}
	// Pillow writes these two as C floats; they are not 0.54 and 0.46.
	const a, b = float64(float32(0.54)), float64(float32(0.46))
	x *= math.Pi
	return math.Sin(x) / x * (a + float64(b*math.Cos(x)))
}

func bicubicAt(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64((float64((a+2)*x)-(a+3))*x*x) + 1
	case x < 2:
		return (float64((float64((x-5)*x)+8)*x) - 4) * a
	}
	return 0
}

func lanczosAt(x float64) float64 {
	if -3 <= x && x < 3 {
		return sinc(x) * sinc(x/3)
	}
	return 0
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

// A taps says for every output index of one axis which source samples it is made
// of: taps.weights(i) belong to the source indices from taps.first[i].
type taps[T int32 | float64] struct {
	first []int
	start []int // of weights in all; one longer than first
	all   []T
}

func (t *taps[T]) weights(i int) []T { return t.all[t.start[i]:t.start[i+1]] }

// newTaps computes the normalised weights for resizing an axis of in samples
// to out, in the order of operations of Pillow's precompute_coeffs.
func newTaps(in, out int, k kernel) *taps[float64] {
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	support := float64(k.support * stretch)
	inverse := 1 / stretch
	t := &taps[float64]{
		first: make([]int, out),
		start: make([]int, 1, out+1),
		all:   make([]float64, 0, out*(int(2*support)+2)),
	}
	for i := range out {
		centre := float64((float64(i) + 0.5) * scale)
		lo := max(int(centre-support+0.5), 0)
		hi := min(int(centre+support+0.5), in)
		sum := 0.0
		for j := lo; j < hi; j++ {
			w := k.at((float64(j) - centre + 0.5) * inverse)
			t.all = append(t.all, w)
			sum += w
		}
		if sum != 0 {
			for j := t.start[i]; j < len(t.all); j++ {
				t.all[j] /= sum
			}
		}
		t.first[i] = lo
		t.start = append(t.start, len(t.all))
	}
	return t
}

// precision is the number of fractional bits of an 8-bit filter's weights:
// 32 less 8 for the sample and 2 because a sum of weights can leave [0, 1].
const precision = 22

// fixed rounds the weights, half away from zero, to precision bits.
func (t *taps[T]) fixed() *taps[int32] {
	f := &taps[int32]{first: t.first, start: t.start, all: make([]int32, len(t.all))}
	for i, w := range t.all {
		v := float64(w) * (1 << precision)
		if v < 0 {
			f.all[i] = int32(v - 0.5)
		} else {
			f.all[i] = int32(v + 0.5)
		}
	}
	return f
}

package gemm

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gen-emerge/assay"
)

// TestUnitDistance holds the kernels to plain Go, bit by bit, and that to double
// precision.
func TestUnitDistance(t *testing.T) {
	for name, mc := range kernels(t) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, c := range []struct{ channels, n int }{{1, 1}, {3, 7}, {64, 8}, {5, 511}, {64, 513}, {17, 1100}, {192, 49}} {
			u := UnitDistance{Weight: numbers(r, c.channels), Eps: 1e-10}
			for i, w := range u.Weight {
				u.Weight[i] = w * w
			}
			f, g := numbers(r, c.channels*c.n), numbers(r, c.channels*c.n)
			for i := range c.channels { // the last position has no features
				f[(i+1)*c.n-1] = 0
			}
			want := unitDistanceOf(u, f, g, c.n)
			for _, threads := range []int{1, 2, 5} {
				y := make([]float32, c.n)
				if err := mc.unitDistance(u, y, f, g, threads); err != nil {
					t.Fatal(err)
				}
				for i, v := range want {
					if math.Float32bits(y[i]) != math.Float32bits(v) {
						t.Fatalf("%s, %d channels, %d positions, %d threads: position %d is %b, want %b", name, c.channels, c.n, threads, i, y[i], v)
					}
					if exact := exactUnitDistance(u, f, g, c.n, i); math.Abs(float64(v)-exact) > 1e-5*(1+exact) {
						t.Fatalf("%d channels, %d positions: position %d is %g, exactly %g", c.channels, c.n, i, v, exact)
					}
				}
			}
			y := make([]float32, c.n)
			if err := mc.unitDistance(u, y, f, f, 1); err != nil {
				t.Fatal(err)
			}
			for i, v := range y {
				if v != 0 {
					t.Fatalf("%s: position %d of a map is %g from itself", name, i, v)
				}
			}
		}
	}
}

// unitDistanceOf is the reference, bit for bit.
func unitDistanceOf(u UnitDistance, f, g []float32, n int) []float32 {
	inverse := func(x []float32) []float32 {
		out := make([]float32, n)
		for c := range u.Weight {
			squaresOf(out, x[c*n:][:n])
		}
		for i, v := range out {
			out[i] = 1 / (float32(math.Sqrt(float64(v))) + u.Eps)
		}
		return out
	}
	p, q, y := inverse(f), inverse(g), make([]float32, n)
	for c, w := range u.Weight {
		apartOf(y, f[c*n:][:n], g[c*n:][:n], p, q, w)
	}
	return y
}

// exactUnitDistance is position i in double precision.
func exactUnitDistance(u UnitDistance, f, g []float32, n, i int) float64 {
	length := func(x []float32) float64 {
		sum := 0.0
		for c := range u.Weight {
			sum += float64(x[c*n+i]) * float64(x[c*n+i])
		}
		return math.Sqrt(sum) + float64(u.Eps)
	}
	lf, lg, sum := length(f), length(g), 0.0
	for c, w := range u.Weight {
		d := float64(f[c*n+i])/lf - float64(g[c*n+i])/lg
		sum += float64(w) * d * d
	}
	return sum
}

func TestUnitDistanceRefuses(t *testing.T) {
	for name, u := range map[string]UnitDistance{"no channel": {}, "two channels": {Weight: make([]float32, 2)}} {
		if err := u.Apply(make([]float32, 3), make([]float32, 3), make([]float32, 3), 1); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkUnitDistance(b *testing.B) {
	if !Supported() {
		b.Skip("no kernel for this processor")
	}
	const channels, n = 64, 256 * 256
	f, y := make([]float32, channels*n), make([]float32, n)
	for i := range f {
		f[i] = float32(i%7) - 3
	}
	u := UnitDistance{Weight: make([]float32, channels), Eps: 1e-10}
	b.SetBytes(2 * 4 * channels * n)
	for b.Loop() {
		if err := u.Apply(y, f, f, 1); err != nil {
			b.Fatal(err)
		}
	}
}

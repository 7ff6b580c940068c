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

// TestUnitDistanceRows does so for positions whose channels lie beside each other.
func TestUnitDistanceRows(t *testing.T) {
	for name, mc := range kernels(t) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, c := range []struct{ channels, n int }{{16, 1}, {64, 7}, {48, 100}, {512, 9}} {
			u := UnitDistance{Weight: numbers(r, c.channels), Eps: 1e-10}
			for i, w := range u.Weight {
				u.Weight[i] = w * w
			}
			f, g := numbers(r, c.channels*c.n), numbers(r, c.channels*c.n)
			clear(f[(c.n-1)*c.channels:])            // the last position has no features
			copy(f[:c.channels], g[:c.channels*c.n]) // the first is equal
			turned := func(x []float32) []float32 {
				out := make([]float32, len(x))
				for i, v := range x {
					out[i%c.channels*c.n+i/c.channels] = v
				}
				return out
			}
			for _, threads := range []int{1, 3} {
				y := make([]float32, c.n)
				if err := mc.unitRows(u, y, f, g, threads); err != nil {
					t.Fatal(err)
				}
				for i, v := range y {
					want := rowDistance(u, f[i*c.channels:][:c.channels], g[i*c.channels:][:c.channels])
					if math.Float32bits(v) != math.Float32bits(want) {
						t.Fatalf("%s, %d channels, %d threads: position %d is %b, want %b", name, c.channels, threads, i, v, want)
					}
					if exact := exactUnitDistance(u, turned(f), turned(g), c.n, i); math.Abs(float64(v)-exact) > 1e-5*(1+exact) {
						t.Fatalf("%d channels: position %d is %g, exactly %g", c.channels, i, v, exact)
					}
				}
				if c.n > 1 && y[0] != 0 {
					t.Errorf("%s: a position is %g from itself", name, y[0])
				}
			}
		}
	}
}

// rowDistance is the reference, bit for bit.
func rowDistance(u UnitDistance, f, g []float32) float32 {
	sum := func(term func(i int) float32) float32 {
		var lanes [Lanes]float32
		for i := range f {
			lanes[i%Lanes] += term(i)
		}
		for n := Lanes / 2; n > 0; n /= 2 {
			for i := range n {
				lanes[i] += lanes[i+n]
			}
		}
		return lanes[0]
	}
	inverse := func(x []float32) float32 {
		return 1 / (float32(math.Sqrt(float64(sum(func(i int) float32 { return float32(x[i] * x[i]) })))) + u.Eps)
	}
	p, q := inverse(f), inverse(g)
	return sum(func(i int) float32 {
		d := float32(f[i]*p) - float32(g[i]*q)
		return float32(float32(d*d) * u.Weight[i])
	})
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
		if err := u.ApplyRows(make([]float32, 3), make([]float32, 6), make([]float32, 6), 1); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("rows, %s: %v", name, err)
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

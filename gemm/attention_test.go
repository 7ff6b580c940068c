package gemm

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gen-emerge/assay"
)

// exponential is e^x for x ≤ 0 as the kernels compute it.
func exponential(x float32) float32 {
	if x < -75 {
		return 0
	}
	return power(x)
}

// power is e^x for x of magnitude 75 at most.
func power(x float32) float32 {
	n := float32(math.RoundToEven(float64(x * float32(1.44269504088896341))))
	r := fma(n, 2.12194440e-4, fma(n, -0.693359375, x))
	p := float32(1.9875691500e-4)
	for _, c := range []float32{1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1, 1} {
		p = fma(p, r, c)
	}
	return float32(math.Ldexp(float64(p), int(n)))
}

// softmaxOf is the softmax of a row as the kernels compute it: 16 sums, which are
// then added in pairs.
func softmaxOf(row []float32) []float32 {
	most := row[0]
	for _, v := range row {
		most = max(most, v)
	}
	var sums [16]float32
	out := make([]float32, len(row))
	for i, v := range row {
		out[i] = exponential(v - most)
		sums[i%16] += out[i]
	}
	for half := 8; half > 0; half /= 2 {
		for i := range half {
			sums[i] += sums[i+half]
		}
	}
	for i := range out {
		out[i] *= 1 / sums[0]
	}
	return out
}

// attention is the reference, bit for bit.
func attention(a Attention, qkv []float32) []float32 {
	w, d := a.Width, a.Width/a.Heads
	n := len(qkv) / (3 * w)
	y := make([]float32, n*w)
	for h := range a.Heads {
		for r := range n {
			row := make([]float32, n)
			for c := range n {
				for i := range d {
					row[c] = fma(qkv[r*3*w+h*d+i]*a.scale(), qkv[c*3*w+w+h*d+i], row[c])
				}
			}
			for c, share := range softmaxOf(row) {
				for i := range d {
					y[r*w+h*d+i] = fma(share, qkv[c*3*w+2*w+h*d+i], y[r*w+h*d+i])
				}
			}
		}
	}
	return y
}

func TestAttention(t *testing.T) {
	for name, mc := range kernels(t) {
		for _, c := range []struct {
			a    Attention
			n    int
			size float64 // of queries and keys: large ones leave most shares at zero
		}{
			{Attention{64, 1}, 1, 1}, {Attention{64, 2}, 17, 1}, {Attention{80, 2}, 33, 3}, {Attention{15, 3}, 60, 9},
			{Attention{128, 2}, 130, 1}, {Attention{8, 8}, 5, 1}, {Attention{64, 1}, 100, 6},
		} {
			r := rand.New(rand.NewPCG(11, uint64(c.n)))
			qkv := numbers(r, 3*c.n*c.a.Width)
			for i := range qkv {
				if i%(3*c.a.Width) < 2*c.a.Width {
					qkv[i] *= float32(c.size)
				}
			}
			want := attention(c.a, qkv)
			for _, threads := range []int{1, 2, 5} {
				y := make([]float32, len(want))
				if err := mc.attend(c.a, y, qkv, threads); err != nil {
					t.Fatal(err)
				}
				for i, v := range want {
					if math.Float32bits(y[i]) != math.Float32bits(v) {
						t.Fatalf("%s, %+v on %d threads: element %d is %b, want %b", name, c, threads, i, y[i], v)
					}
				}
			}
			closeToExact(t, name, c.a, c.n, qkv, want)
		}
	}
}

// closeToExact holds an attention to one in double precision.
func closeToExact(t *testing.T, name string, a Attention, n int, qkv, y []float32) {
	t.Helper()
	w, d := a.Width, a.Width/a.Heads
	for at, got := range y {
		r, h, i := at/w, at%w/d, at%w%d
		shares := make([]float64, n)
		most, sum, want, size := math.Inf(-1), 0.0, 0.0, 0.0
		for c := range n {
			for j := range d {
				shares[c] += float64(qkv[r*3*w+h*d+j]) * float64(qkv[c*3*w+w+h*d+j]) / math.Sqrt(float64(d))
			}
			most = max(most, shares[c])
		}
		for c, s := range shares {
			e := math.Exp(s - most)
			sum += e
			want += e * float64(qkv[c*3*w+2*w+h*d+i])
			size = max(size, math.Abs(float64(qkv[c*3*w+2*w+h*d+i])))
		}
		// A share errs by as much as its exponent does, and that by some roundings
		// of its size.
		if limit := size * (1e-6 + 3e-7*math.Abs(most)); !(math.Abs(float64(got)-want/sum) <= limit) {
			t.Fatalf("%s, %+v: element %d is %g, want %g ± %g", name, a, at, got, want/sum, limit)
		}
	}
}

// TestAttentionNotFinite: what is not a number must not get lost.
func TestAttentionNotFinite(t *testing.T) {
	for name, mc := range kernels(t) {
		a, n := Attention{Width: 4, Heads: 2}, 20
		qkv := numbers(rand.New(rand.NewPCG(1, 1)), 3*n*a.Width)
		qkv[5*3*a.Width] = float32(math.NaN()) // the query of position 5, head 0
		y := make([]float32, n*a.Width)
		if err := mc.attend(a, y, qkv, 1); err != nil {
			t.Fatal(err)
		}
		for i, v := range y {
			if bad := i/a.Width == 5 && i%a.Width < 2; bad != (v != v) {
				t.Errorf("%s: element %d is %g", name, i, v)
			}
		}
	}
}

func TestAttentionRefuses(t *testing.T) {
	for _, a := range []Attention{{}, {Width: 4}, {Width: 4, Heads: 3}} {
		if err := a.Apply(make([]float32, 4), make([]float32, 12), 1); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%+v: %v", a, err)
		}
	}
	for _, n := range [][2]int{{3, 9}, {4, 11}, {8, 12}} {
		if err := (Attention{Width: 4, Heads: 2}).Apply(make([]float32, n[0]), make([]float32, n[1]), 1); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%v numbers: %v", n, err)
		}
	}
	err := Attention{Width: 4, Heads: 2}.Apply(make([]float32, 4), make([]float32, 12), 1)
	if Supported() && err != nil || !Supported() && !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("a good one, supported %t: %v", Supported(), err)
	}
}

// BenchmarkAttention is that of one block of ViT-L/14.
func BenchmarkAttention(b *testing.B) {
	if !Supported() {
		b.Skip("this processor has no kernel")
	}
	a, n := Attention{Width: 1024, Heads: 16}, 257
	qkv, y := numbers(rand.New(rand.NewPCG(1, 2)), 3*n*a.Width), make([]float32, n*a.Width)
	for b.Loop() {
		if err := a.Apply(y, qkv, 1); err != nil {
			b.Fatal(err)
		}
	}
}

package gemm

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/gen-emerge/assay"
)

// numbers returns n values of N(0, 1).
func numbers(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// fma returns a·b + c, rounded once. The product of two float32 is exact in
// float64; where adding c to it is not, the last bit of the sum is made odd if
// the sum lies between two numbers, so that rounding to float32 cannot take
// a tie for what is near one.
func fma(a, b, c float32) float32 {
	p, q := float64(a)*float64(b), float64(c)
	s := p + q
	rest := (p - (s - (s - p))) + (q - (s - p)) // of the sum, exactly
	if rest != 0 && math.Float64bits(s)&1 == 0 {
		s = math.Nextafter(s, math.Copysign(math.Inf(1), rest))
	}
	return float32(s)
}

// chains computes the layer as the package says it does.
func chains(l Layer, w, x []float32) []float32 {
	rows := len(x) / l.In
	y := make([]float32, rows*l.Out)
	for r := range rows {
		for o := range l.Out {
			sum := l.Bias[o]
			for i := range l.In {
				sum = fma(x[r*l.In+i], w[o*l.In+i], sum)
			}
			y[r*l.Out+o] = sum
		}
	}
	return y
}

// TestFMA holds the emulation to exact arithmetic.
func TestFMA(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	exact := func(a, b, c float32) float32 {
		f := func(x float32) *big.Float { return new(big.Float).SetPrec(1000).SetFloat64(float64(x)) }
		sum := f(a)
		sum.Mul(sum, f(b)).Add(sum, f(c))
		v, _ := sum.Float32()
		return v
	}
	check := func(a, b, c float32) {
		if got, want := fma(a, b, c), exact(a, b, c); got != want {
			t.Fatalf("fma(%b, %b, %b) = %b, want %b", a, b, c, got, want)
		}
	}
	for range 200_000 {
		a, b := float32(r.NormFloat64()), float32(r.NormFloat64())
		c := float32(math.Ldexp(r.NormFloat64(), r.IntN(80)-40))
		check(a, b, c)
	}
	// 1 + 2^-24 is a tie that goes to 1; a little more must go up, a little less must not.
	tie := math.Float32frombits(0x33800000)
	one := math.Float32frombits(0x3f800001)
	check(tie, one, 1)
	check(tie, 1, 1)
	check(tie, math.Float32frombits(0x3f7fffff), 1)
	check(tie, -one, -1)
}

// shapes are rows, inputs and outputs: all heights of tiles, edges of panels and
// of blocks, and depths that do not divide by 4.
func shapes() (list [][3]int) {
	for rows := range 30 {
		list = append(list, [3]int{rows, 7 + rows, 33})
	}
	for cols := 1; cols <= 2*Panel; cols += 3 {
		list = append(list, [3]int{5, 9, cols})
	}
	for in := 1; in < 9; in++ {
		list = append(list, [3]int{14, in, 48})
	}
	return append(list, [3]int{1, 1025, 31}, [3]int{330, 67, 40}, [3]int{197, 1030, 20}, [3]int{16, 2050, 64}, [3]int{321, 3, 1})
}

// kernels lists those that run here.
func kernels(t *testing.T) map[string]*kernel {
	list := supported()
	if len(list) == 0 {
		t.Skip("this processor has no kernel")
	}
	return list
}

// TestBits holds every kernel, on every number of threads, to the chain that the
// package promises, bit for bit.
func TestBits(t *testing.T) {
	for name, mc := range kernels(t) {
		for _, s := range shapes() {
			r := rand.New(rand.NewPCG(3, uint64(s[0]*1000+s[2])))
			l := Layer{In: s[1], Out: s[2], Bias: numbers(r, s[2])}
			w, x := numbers(r, l.Out*l.In), numbers(r, s[0]*l.In)
			l.Weight = Pack(w, l.Out, l.In)
			want := chains(l, w, x)
			for _, threads := range []int{1, 2, 3} {
				const guard = 8 // what lies behind the result must stay
				y := make([]float32, len(want)+guard)
				for i := range y {
					y[i] = 77
				}
				if err := mc.apply(l, y[:len(want)], x, threads); err != nil {
					t.Fatal(err)
				}
				if i := slices.IndexFunc(y[len(want):], func(v float32) bool { return v != 77 }); i >= 0 {
					t.Fatalf("%s, %v: wrote %d numbers beyond the result", name, s, i+1)
				}
				for i, v := range want {
					if math.Float32bits(y[i]) != math.Float32bits(v) {
						t.Fatalf("%s, %v on %d threads: element %d is %b, want %b", name, s, threads, i, y[i], v)
					}
				}
			}
		}
	}
}

// TestAgainstFloat64 holds the product to one in double precision: a chain of n
// sums errs by at most about n·2⁻²⁴ of the sum of magnitudes.
func TestAgainstFloat64(t *testing.T) {
	kernels(t)
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		l := Layer{In: 1 + r.IntN(700), Out: 1 + r.IntN(100)}
		rows := 1 + r.IntN(60)
		w, x := numbers(r, l.Out*l.In), numbers(r, rows*l.In)
		l.Bias, l.Weight = numbers(r, l.Out), Pack(w, l.Out, l.In)
		y := make([]float32, rows*l.Out)
		if err := l.Apply(y, x, 2); err != nil {
			t.Fatal(err)
		}
		for i, v := range y {
			row, o := x[i/l.Out*l.In:][:l.In], i%l.Out
			sum := float64(l.Bias[o])
			size := math.Abs(sum)
			for j, a := range row {
				p := float64(a) * float64(w[o*l.In+j])
				sum += p
				size += math.Abs(p)
			}
			if limit := float64(l.In+1) * 0x1p-24 * size; !(math.Abs(float64(v)-sum) <= limit) {
				t.Fatalf("%d×%d×%d: element %d is %g, want %g ± %g", rows, l.In, l.Out, i, v, sum, limit)
			}
		}
	}
}

// TestQuickGELU holds the function to the same steps in Go, bit for bit, and to
// double precision.
func TestQuickGELU(t *testing.T) {
	for name, mc := range kernels(t) {
		for _, s := range shapes() {
			r := rand.New(rand.NewPCG(4, uint64(s[0]*1000+s[2])))
			l := Layer{In: s[1], Out: s[2], Bias: numbers(r, s[2])}
			w, x := numbers(r, l.Out*l.In), numbers(r, s[0]*l.In)
			l.Weight = Pack(w, l.Out, l.In)
			if s[0] == 5 && s[2] > 3 {
				l.Bias[0], l.Bias[1], l.Bias[2], l.Bias[3] = 1e30, -1e30, float32(math.NaN()), float32(math.Inf(1))
			}
			plain, got := make([]float32, s[0]*l.Out), make([]float32, s[0]*l.Out)
			err := mc.apply(l, plain, x, 1)
			l.QuickGELU = true
			if err := errors.Join(err, mc.apply(l, got, x, 2)); err != nil {
				t.Fatal(err)
			}
			for i, v := range plain {
				e := min(max(v*float32(-1.702), -75), 75)
				want := v / (1 + power(e))
				if math.Float32bits(got[i]) != math.Float32bits(want) && (want == want || got[i] == got[i]) {
					t.Fatalf("%s, %v: element %d, of %g, is %b, want %b", name, s, i, v, got[i], want)
				}
				if !(math.Abs(float64(v)) < 40) { // beyond, it is v or nothing
					continue
				}
				exact := float64(v) / (1 + math.Exp(-1.702*float64(v)))
				// Rounding 1.702·v moves the exponential by that much.
				if limit := math.Abs(exact) * (3e-7 + 2e-7*math.Abs(float64(v))); !(math.Abs(float64(want)-exact) <= limit) {
					t.Fatalf("%s: QuickGELU of %g is %g, want %g ± %g", name, v, want, exact, limit)
				}
			}
		}
	}
}

// TestNotFinite lets what is not a number through, in its own row and column only.
func TestNotFinite(t *testing.T) {
	kernels(t)
	l := Layer{In: 3, Out: 2, Bias: []float32{1, 2}, Weight: Pack([]float32{1, 1, 1, 1, 1, 1}, 2, 3)}
	y := make([]float32, 4)
	if err := l.Apply(y, []float32{1, float32(math.NaN()), 1, 1, 1, 1}, 1); err != nil {
		t.Fatal(err)
	}
	if y[0] == y[0] || y[1] == y[1] || y[2] != 4 || y[3] != 5 {
		t.Errorf("%v, want two NaN, 4 and 5", y)
	}
}

func TestPack(t *testing.T) {
	const out, in = 35, 3
	w := make([]float32, out*in)
	for i := range w {
		w[i] = float32(i + 1)
	}
	got := Pack(w, out, in)
	if shape := PackedShape(out, in); !slices.Equal(shape, []int{2, in, Panel}) || len(got) != 2*in*Panel {
		t.Fatalf("shape %v, %d values", shape, len(got))
	}
	for i, v := range got {
		p, k, c := i/(in*Panel), i/Panel%in, i%Panel
		want := float32(0)
		if o := p*Panel + c; o < out {
			want = w[o*in+k]
		}
		if v != want {
			t.Fatalf("element [%d, %d, %d] is %g, want %g", p, k, c, v, want)
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	good := Layer{In: 3, Out: 2, Bias: make([]float32, 2), Weight: make([]float32, 3*Panel)}
	for name, c := range map[string]struct {
		change func(l *Layer)
		y, x   int
	}{
		"no inputs":    {func(l *Layer) { l.In = 0 }, 2, 3},
		"no outputs":   {func(l *Layer) { l.Out = 0 }, 2, 3},
		"weights":      {func(l *Layer) { l.Weight = l.Weight[1:] }, 2, 3},
		"biases":       {func(l *Layer) { l.Bias = l.Bias[1:] }, 2, 3},
		"half a row":   {func(l *Layer) {}, 2, 4},
		"short result": {func(l *Layer) {}, 1, 3},
		"long result":  {func(l *Layer) {}, 4, 3},
	} {
		l := good
		c.change(&l)
		if err := l.Apply(make([]float32, c.y), make([]float32, c.x), 1); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: error %v, want ErrInvalid", name, err)
		}
	}
	err := good.Apply(make([]float32, 2), make([]float32, 3), 1)
	if Supported() && err != nil || !Supported() && !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("a good layer, supported %t: %v", Supported(), err)
	}
}

// TestConcurrent has many callers share one layer.
func TestConcurrent(t *testing.T) {
	kernels(t)
	r := rand.New(rand.NewPCG(7, 8))
	l := Layer{In: 65, Out: 70, Bias: numbers(r, 70)}
	w, x := numbers(r, l.Out*l.In), numbers(r, 40*l.In)
	l.Weight = Pack(w, l.Out, l.In)
	want := chains(l, w, x)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			y := make([]float32, len(want))
			for range 20 {
				clear(y)
				if err := l.Apply(y, x, 1+i%3); err != nil || !slices.Equal(y, want) {
					t.Errorf("caller %d: other results, or %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkApply multiplies at the sizes of ViT-B/16 and ViT-L/14, with weights
// that are too many for the caches, as those of a whole network are.
func BenchmarkApply(b *testing.B) {
	if !Supported() {
		b.Skip("this processor has no kernel")
	}
	for _, s := range [][3]int{{197, 768, 2304}, {197, 768, 768}, {197, 768, 3072}, {197, 3072, 768},
		{257, 1024, 3072}, {257, 1024, 1024}, {257, 1024, 4096}, {257, 4096, 1024}} {
		b.Run(fmt.Sprintf("%dx%dx%d", s[0], s[1], s[2]), func(b *testing.B) {
			r := rand.New(rand.NewPCG(9, 10))
			l := Layer{In: s[1], Out: s[2], Bias: numbers(r, s[2])}
			one := Pack(numbers(r, l.Out*l.In), l.Out, l.In)
			copies := max(1, 64<<20/(4*len(one)))
			all := slices.Repeat(one, copies)
			x, y := numbers(r, s[0]*l.In), make([]float32, s[0]*l.Out)
			i := 0
			for b.Loop() {
				l.Weight = all[i%copies*len(one):][:len(one)]
				i++
				if err := l.Apply(y, x, 1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(2*float64(s[0]*s[1]*s[2])*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

package gemm

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gen-emerge/assay"
)

// grids are pictures with one to many windows a row, and both paddings.
func grids() (list []Grid) {
	for _, side := range [][2]int{{1, 1}, {1, 3}, {3, 2}, {2, 4}, {4, 5}, {5, 6}, {3, 7}, {2, 15}, {7, 29}} {
		list = append(list, Grid{side[0], side[1], 1, 1}, Grid{2 * side[0], 2 * side[1], 2, 1}, Grid{2 * side[0], 2 * side[1], 2, 0})
	}
	return list
}

// see returns what position (i, j) of the window of row r and column c sees: the
// picture there, or 0 outside.
func (g Grid) see(at func(h, w int) float32, r, c, i, j int) float32 {
	h, w := r*g.Stride-g.Before+i, c*g.Stride-g.Before+j
	if h < 0 || w < 0 || h >= g.Height || w >= g.Width {
		return 0
	}
	return at(h, w)
}

func clipped(v, most float32) float32 { return max(0, min(most, v)) }

// separableOf computes the convolution as the package says it does.
func separableOf(s Separable, deep, deepBias, weight, x []float32) []float32 {
	h, w := s.Result()
	mid := make([]float32, h*w*s.In)
	for at := range h * w {
		for c := range s.In {
			sum := deepBias[c]
			for p := range area {
				v := s.see(func(h, w int) float32 { return x[(h*s.Width+w)*s.In+c] }, at/w, at%w, p/window, p%window)
				sum = fma(v, deep[c*area+p], sum)
			}
			mid[at*s.In+c] = clipped(sum, s.Most)
		}
	}
	y := chains(Layer{In: s.In, Out: s.Out, Bias: s.Bias}, weight, mid)
	for i, v := range y {
		y[i] = clipped(v, s.Most)
	}
	return y
}

// same runs a convolution on one to five threads and compares bits; nothing behind
// the result may change.
func same(t *testing.T, what string, want []float32, run func(y []float32, threads int) error) {
	t.Helper()
	const guard = 40
	for _, threads := range []int{1, 2, 5} {
		y := slices.Repeat([]float32{77}, len(want)+guard)
		if err := run(y[:len(want)], threads); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for i, v := range y {
			if i >= len(want) && v != 77 || i < len(want) && math.Float32bits(v) != math.Float32bits(want[i]) {
				t.Fatalf("%s on %d threads: element %d of %d is %b", what, threads, i, len(want), v)
			}
		}
	}
}

// TestSeparable holds every kernel to the chains that the package promises, bit for
// bit.
func TestSeparable(t *testing.T) {
	for name, mc := range kernels(t) {
		r := rand.New(rand.NewPCG(11, 12))
		for i, g := range grids() {
			s := Separable{Grid: g, In: Lanes * (1 + i%3), Out: 1 + 7*i%50, Most: 0.5 + float32(i%4)}
			deep, deepBias, weight, x := numbers(r, s.In*area), numbers(r, s.In), numbers(r, s.In*s.Out), numbers(r, g.Height*g.Width*s.In)
			s.Bias, s.Deep, s.Weight = numbers(r, s.Out), PackDeep(deep, deepBias), Pack(weight, s.Out, s.In)
			want := separableOf(s, deep, deepBias, weight, x)
			same(t, fmt.Sprintf("%s: %+v, %d to %d channels", name, g, s.In, s.Out), want,
				func(y []float32, threads int) error { return mc.applySeparable(s, y, x, threads) })
		}
	}
}

// TestSeparableBlocks lets one convolution take several blocks of rows, and rows that
// are larger than the scratch memory.
func TestSeparableBlocks(t *testing.T) {
	for name, mc := range kernels(t) {
		r := rand.New(rand.NewPCG(13, 14))
		for _, g := range []Grid{{12, 100, 1, 1}, {2, 4*blockRows + 6, 2, 1}, {2, 2 + scratchSize/Lanes, 1, 1}} {
			s := Separable{Grid: g, In: Lanes, Out: 2, Most: 6}
			deep, deepBias, weight, x := numbers(r, s.In*area), numbers(r, s.In), numbers(r, s.In*s.Out), numbers(r, g.Height*g.Width*s.In)
			s.Bias, s.Deep, s.Weight = numbers(r, s.Out), PackDeep(deep, deepBias), Pack(weight, s.Out, s.In)
			same(t, fmt.Sprintf("%s: %+v", name, g), separableOf(s, deep, deepBias, weight, x),
				func(y []float32, threads int) error { return mc.applySeparable(s, y, x, threads) })
		}
	}
}

// convolutionOf computes the convolution as the package says it does.
func convolutionOf(c Convolution, weight, x []float32) []float32 {
	g := c.Seen()
	h, w := g.Result()
	at := func(i, j, k int) float32 {
		switch {
		case c.Planes:
			return x[(k*c.Height+i)*c.Width+j]
		case c.Halved:
			v := func(i, j int) float32 { return x[(i*c.Width+j)*c.In+k] }
			return max(v(2*i, 2*j), v(2*i, 2*j+1), v(2*i+1, 2*j), v(2*i+1, 2*j+1))
		}
		return x[(i*c.Width+j)*c.In+k]
	}
	y := make([]float32, 0, h*w*c.Out)
	seen := make([]float32, area*c.In)
	for n := range h * w {
		for i := range seen {
			p, k := i/c.In, i%c.In
			if c.Planes {
				k, p = i/area, i%area
			}
			seen[i] = g.see(func(i, j int) float32 { return at(i, j, k) }, n/w, n%w, p/window, p%window)
		}
		for _, v := range chains(Layer{In: len(seen), Out: c.Out, Bias: c.Bias}, weight, seen) {
			y = append(y, clipped(v, c.Most))
		}
	}
	return y
}

// convolutions are those of [grids] with all that a picture may be.
func convolutions() (list []Convolution) {
	for i, g := range grids() {
		list = append(list, Convolution{Grid: g, In: 3, Out: 1 + 9*i%70, Planes: true})
		if g.Stride == 1 {
			list = append(list, Convolution{Grid: g, In: 1 + 3*i, Out: 3 + i}, Convolution{Grid: g, In: 8 + i, Out: 33, Halved: true})
		}
	}
	return append(list, Convolution{Grid: Grid{3, 5, 1, 1}, In: 256, Out: 40}, Convolution{Grid: Grid{9, 9, 1, 1}, In: 256, Out: 5, Halved: true},
		Convolution{Grid: Grid{3, seenSize / 8, 1, 1}, In: 4, Out: 1}, Convolution{Grid: Grid{60, 60, 1, 1}, In: 3, Out: 4, Planes: true})
}

// TestConvolution holds every kernel to the chains that the package promises, bit
// for bit.
func TestConvolution(t *testing.T) {
	for name, mc := range kernels(t) {
		r := rand.New(rand.NewPCG(15, 16))
		for i, c := range convolutions() {
			if h, w := c.Seen().Result(); h*w == 0 {
				continue // a single row has no half
			}
			c.Most = float32(math.Inf(1))
			if i%2 == 0 {
				c.Most = 2
			}
			weight, x := numbers(r, c.Out*area*c.In), numbers(r, c.Height*c.Width*c.In)
			c.Bias, c.Weight = numbers(r, c.Out), Pack(weight, c.Out, area*c.In)
			same(t, fmt.Sprintf("%s: %+v, %d to %d channels, planes %t, halved %t", name, c.Grid, c.In, c.Out, c.Planes, c.Halved),
				convolutionOf(c, weight, x), func(y []float32, threads int) error { return mc.applyConvolution(c, y, x, threads) })
		}
	}
}

// TestConvolutionsRefuse: what does not fit is refused before memory is touched.
func TestConvolutionsRefuse(t *testing.T) {
	g := Grid{4, 4, 1, 1}
	s := Separable{Grid: g, In: 16, Out: 2, Deep: make([]float32, 160), Weight: make([]float32, 16*Panel), Bias: make([]float32, 2), Most: 6}
	c := Convolution{Grid: g, In: 2, Out: 2, Weight: make([]float32, 18*Panel), Bias: make([]float32, 2), Most: 6}
	x, y := make([]float32, 256), make([]float32, 32)
	if err := errors.Join(s.Apply(y, x, 1), c.Apply(y, x[:32], 1)); Supported() != (err == nil) {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"channels":       func(s Separable) error { s.In = 8; return s.Apply(y, x, 1) }(s),
		"deep weights":   func(s Separable) error { s.Deep = s.Deep[1:]; return s.Apply(y, x, 1) }(s),
		"a bound":        func(s Separable) error { s.Most = float32(math.NaN()); return s.Apply(y, x, 1) }(s),
		"weights":        func(s Separable) error { s.Weight = s.Weight[1:]; return s.Apply(y, x, 1) }(s),
		"a picture":      s.Apply(y, x[1:], 1),
		"a result":       s.Apply(y[1:], x, 1),
		"a stride":       func(s Separable) error { s.Stride = 3; return s.Apply(y, x, 1) }(s),
		"an odd side":    func(s Separable) error { s.Height, s.Width, s.Stride = 1, 16, 2; return s.Apply(y, x, 1) }(s),
		"zeros":          func(s Separable) error { s.Before = 0; return s.Apply(y, x, 1) }(s),
		"two planes":     func(c Convolution) error { c.Planes = true; return c.Apply(y, x[:32], 1) }(c),
		"strided rows":   func(c Convolution) error { c.Stride = 2; return c.Apply(y[:8], x[:32], 1) }(c),
		"biases":         func(c Convolution) error { c.Bias = nil; return c.Apply(y, x[:32], 1) }(c),
		"no bound":       func(c Convolution) error { c.Most = 0; return c.Apply(y, x[:32], 1) }(c),
		"half a row":     func(c Convolution) error { c.Halved, c.Height = true, 1; return c.Apply(y[:0], x[:8], 1) }(c),
		"halved, result": func(c Convolution) error { c.Halved = true; return c.Apply(y, x[:32], 1) }(c),
	} {
		if !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: error %v, want ErrInvalid", what, err)
		}
	}
}

// BenchmarkSeparable takes the steps of MobileNet at 224 pixels.
func BenchmarkSeparable(b *testing.B) {
	if !Supported() {
		b.Skip("no kernel for this processor")
	}
	for _, s := range []struct{ side, stride, in, out int }{{112, 1, 32, 64}, {112, 2, 64, 128}, {56, 1, 128, 128}, {56, 2, 128, 256},
		{28, 1, 256, 256}, {28, 2, 256, 512}, {14, 1, 512, 512}, {14, 2, 512, 1024}, {7, 1, 1024, 1024}} {
		b.Run(fmt.Sprintf("%d/%d/%dto%d", s.side, s.stride, s.in, s.out), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			c := Separable{Grid: Grid{s.side, s.side, s.stride, 1}, In: s.in, Out: s.out, Bias: numbers(r, s.out), Most: 6,
				Deep: numbers(r, s.in*(1+area)), Weight: Pack(numbers(r, s.in*s.out), s.out, s.in)}
			h, w := c.Result()
			x, y := numbers(r, s.side*s.side*s.in), make([]float32, h*w*s.out)
			for b.Loop() {
				if err := c.Apply(y, x, 1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(2*float64(h*w*s.in*(s.out+area))*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

// BenchmarkConvolution takes the steps of VGG16 at 256 pixels.
func BenchmarkConvolution(b *testing.B) {
	if !Supported() {
		b.Skip("no kernel for this processor")
	}
	for _, s := range []struct {
		side, in, out int
		halved        bool
	}{{256, 3, 64, false}, {256, 64, 64, false}, {256, 64, 128, true}, {128, 128, 128, false}, {128, 128, 256, true},
		{64, 256, 256, false}, {64, 256, 512, true}, {32, 512, 512, false}, {16, 512, 512, false}} {
		b.Run(fmt.Sprintf("%d/%dto%d", s.side, s.in, s.out), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			c := Convolution{Grid: Grid{s.side, s.side, 1, 1}, In: s.in, Out: s.out, Bias: numbers(r, s.out), Most: 6, Halved: s.halved,
				Planes: s.in == 3, Weight: Pack(numbers(r, area*s.in*s.out), s.out, area*s.in)}
			h, w := c.Seen().Result()
			x, y := numbers(r, s.side*s.side*s.in), make([]float32, h*w*s.out)
			for b.Loop() {
				if err := c.Apply(y, x, 1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(2*float64(h*w*s.in*s.out*area)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

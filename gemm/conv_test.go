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
	for _, threads := range []int{1, 2, 3, 4, 5} {
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

// chainOf makes a chain with the given strides and channels, and what it is made of.
func chainOf(r *rand.Rand, g Grid, first int, strides, channels []int) (c Chain, of func(x []float32) []float32) {
	const most = 3
	c.First = Convolution{Grid: g, In: 3, Out: first, Bias: numbers(r, first), Most: most, Planes: true}
	weight := numbers(r, first*3*area)
	c.First.Weight = Pack(weight, first, 3*area)
	deep, wide := make([][]float32, len(strides)), make([][]float32, len(strides))
	for i, stride := range strides {
		h, w, in := c.Result()
		s := Separable{Grid: Grid{h, w, stride, 1}, In: in, Out: channels[i], DeepBias: numbers(r, in), Bias: numbers(r, channels[i]), Most: most}
		if stride == 2 {
			s.Before = g.Before
		}
		deep[i], wide[i] = numbers(r, in*area), numbers(r, in*s.Out)
		s.Deep, s.Weight = PackDeep(deep[i]), Pack(wide[i], s.Out, in)
		c.Steps = append(c.Steps, s)
	}
	return c, func(x []float32) []float32 {
		y := convolutionOf(c.First, weight, x)
		for i, s := range c.Steps {
			y = separableOf(s, deep[i], s.DeepBias, wide[i], y)
		}
		return y
	}
}

// TestChain holds every kernel to the chains that the package promises, bit for bit:
// steps alone and together, in one strip and in many, with rows that fit no memory
// that is kept.
func TestChain(t *testing.T) {
	type row struct {
		g                 Grid
		first             int
		strides, channels []int
	}
	list := []row{{Grid{2, 2, 2, 1}, 5, nil, nil}, {Grid{12, 1000, 1, 1}, 3, nil, nil},
		{Grid{32, 32, 2, 0}, 16, []int{1, 2, 1, 2}, []int{16, 32, 48, 7}}, {Grid{64, 64, 2, 1}, 16, []int{1, 2, 1, 2}, []int{16, 16, 32, 7}},
		{Grid{40, 40, 2, 0}, 16, []int{1, 2, 1}, []int{48, 16, 35}},
		{Grid{40, 120, 2, 1}, 16, []int{1, 1, 2, 1}, []int{16, 16, 16, 1}}, {Grid{80, 8, 2, 0}, 16, []int{1, 1, 2, 1}, []int{16, 16, 16, 70}},
		{Grid{8, 8, 1, 1}, 256, []int{1, 2, 1, 1}, []int{272, 256, 16, 40}}, {Grid{2, 20802, 2, 1}, 16, []int{1}, []int{2}}}
	for i, g := range grids() {
		list = append(list, row{g, Lanes * (1 + i%3), []int{1}, []int{1 + 7*i%50}})
		if h, w := g.Result(); h%2 == 0 && w%2 == 0 {
			list = append(list, row{g, Lanes, []int{2}, []int{9}})
		}
	}
	for name, mc := range kernels(t) {
		r := rand.New(rand.NewPCG(11, 12))
		for _, row := range list {
			c, of := chainOf(r, row.g, row.first, row.strides, row.channels)
			x := numbers(r, 3*row.g.Height*row.g.Width)
			same(t, fmt.Sprintf("%s: %+v", name, row), of(x), func(y []float32, threads int) error { return mc.applyChain(c, y, x, threads) })
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
	if c.Winograd {
		return winogradOf(c, weight, at)
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

// winogradOf computes the convolution as [points] says.
func winogradOf(c Convolution, weight []float32, at func(i, j, k int) float32) []float32 {
	g := c.Seen()
	h, w := g.Result()
	y := make([]float32, h*w*c.Out)
	in := func(a, b, c, d float32) [4]float32 { return [4]float32{a - c, b + c, c - b, b - d} }
	for n := range (h + 1) / 2 * ((w + 1) / 2) {
		r, q := 2*(n/((w+1)/2)), 2*(n%((w+1)/2))
		v := make([][points]float32, c.In)
		for k := range v {
			d := func(i, j int) float32 { return g.see(func(i, j int) float32 { return at(i, j, k) }, r, q, i, j) }
			var rows [4][4]float32
			for j := range 4 {
				for i, t := range in(d(0, j), d(1, j), d(2, j), d(3, j)) {
					rows[i][j] = t
				}
			}
			for i, t := range rows {
				row := in(t[0], t[1], t[2], t[3])
				copy(v[k][4*i:], row[:])
			}
		}
		for o := range c.Out {
			var m [points]float32
			for k := range v {
				for p, u := range winogradWeight(weight[(o*c.In+k)*area:][:area]) {
					m[p] = fma(v[k][p], float32(u), m[p])
				}
			}
			var rows [2][4]float32
			for j := range 4 {
				rows[0][j] = m[j] + m[4+j] + m[8+j]
				rows[1][j] = m[4+j] - m[8+j] - m[12+j]
			}
			for i, t := range rows {
				for j, sum := range [2]float32{t[0] + t[1] + t[2], t[1] - t[2] - t[3]} {
					if r+i < h && q+j < w {
						y[((r+i)*w+q+j)*c.Out+o] = clipped(sum+c.Bias[o], c.Most)
					}
				}
			}
		}
	}
	return y
}

// convolutions are those of [grids] with all that a picture may be.
func convolutions() (list []Convolution) {
	for i, g := range grids() {
		list = append(list, Convolution{Grid: g, In: 3, Out: 1 + 9*i%70, Planes: true})
		if g.Stride == 1 {
			list = append(list, Convolution{Grid: g, In: 1 + 3*i, Out: 3 + i}, Convolution{Grid: g, In: 8 + i, Out: 33, Halved: true},
				Convolution{Grid: g, In: Lanes, Out: 48, Winograd: true}, Convolution{Grid: g, In: 32, Out: Lanes, Halved: true, Winograd: true})
		}
	}
	return append(list, Convolution{Grid: Grid{3, 5, 1, 1}, In: 256, Out: 40}, Convolution{Grid: Grid{9, 9, 1, 1}, In: 256, Out: 5, Halved: true},
		Convolution{Grid: Grid{3, 24576, 1, 1}, In: 4, Out: 1}, Convolution{Grid: Grid{60, 60, 1, 1}, In: 3, Out: 4, Planes: true},
		Convolution{Grid: Grid{2, 2, 1, 1}, In: 256, Out: Lanes, Winograd: true}, Convolution{Grid: Grid{3, 301, 1, 1}, In: Lanes, Out: Lanes, Winograd: true})
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
			if c.Winograd {
				c.Weight = PackWinograd(weight, c.Out, c.In)
			}
			same(t, fmt.Sprintf("%s: %+v, %d to %d channels, planes %t, halved %t", name, c.Grid, c.In, c.Out, c.Planes, c.Halved),
				convolutionOf(c, weight, x), func(y []float32, threads int) error { return mc.applyConvolution(c, y, x, threads) })
		}
	}
}

// TestConvolutionsRefuse: what does not fit is refused before memory is touched.
func TestConvolutionsRefuse(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	chain, _ := chainOf(r, Grid{8, 8, 2, 1}, 16, []int{1, 2}, []int{16, 5})
	c := Convolution{Grid: Grid{4, 4, 1, 1}, In: 2, Out: 2, Weight: make([]float32, 18*Panel), Bias: make([]float32, 2), Most: 6}
	x, y := make([]float32, 192), make([]float32, 32)
	if err := errors.Join(chain.Apply(y[:20], x, 1), c.Apply(y, x[:32], 1)); Supported() != (err == nil) {
		t.Fatal(err)
	}
	step := func(change func(s *Separable)) error {
		bad := chain
		bad.Steps = slices.Clone(chain.Steps)
		change(&bad.Steps[1])
		return bad.Apply(y[:20], x, 1)
	}
	for what, err := range map[string]error{
		"channels":       step(func(s *Separable) { s.In = 8 }),
		"deep weights":   step(func(s *Separable) { s.Deep = s.Deep[1:] }),
		"deep biases":    step(func(s *Separable) { s.DeepBias = s.DeepBias[1:] }),
		"a bound":        step(func(s *Separable) { s.Most = float32(math.NaN()) }),
		"weights":        step(func(s *Separable) { s.Weight = s.Weight[1:] }),
		"a stride":       step(func(s *Separable) { s.Stride = 3 }),
		"zeros":          step(func(s *Separable) { s.Stride, s.Before = 1, 0 }),
		"another size":   step(func(s *Separable) { s.Width = 8 }),
		"a picture":      chain.Apply(y[:20], x[1:], 1),
		"a result":       chain.Apply(y[:21], x, 1),
		"no planes":      Chain{First: c}.Apply(y, x[:32], 1),
		"odd channels":   func(c Convolution) error { c.Winograd = true; return c.Apply(y, x[:32], 1) }(c),
		"two planes":     func(c Convolution) error { c.Planes = true; return c.Apply(y, x[:32], 1) }(c),
		"an odd side":    func(c Convolution) error { c.In, c.Planes, c.Stride, c.Width = 3, true, 2, 3; return c.Apply(y, x, 1) }(c),
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

// mobileNet is MobileNet's chain at 224 pixels.
func mobileNet(r *rand.Rand) Chain {
	c, _ := chainOf(r, Grid{224, 224, 2, 1}, 32, []int{1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1},
		[]int{64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024})
	return c
}

// BenchmarkChain takes MobileNet's steps.
func BenchmarkChain(b *testing.B) {
	if !Supported() {
		b.Skip("no kernel for this processor")
	}
	r := rand.New(rand.NewPCG(1, 2))
	c := mobileNet(r)
	x, y := numbers(r, 3*224*224), make([]float32, 7*7*1024)
	for b.Loop() {
		if err := c.Apply(y, x, 1); err != nil {
			b.Fatal(err)
		}
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

package gemm

import (
	"fmt"
	"sync"

	"github.com/gen-emerge/assay"
)

// ConvVersion names what the bits of convolutions depend on; it is part of a
// reading's identity, as [Version] is.
const ConvVersion = 1

// A Grid says where windows of 3×3 positions lie over a picture of Height×Width.
// Pictures are stored position by position, [Height, Width, channels].
type Grid struct {
	Height, Width int
	// Stride is how far apart windows lie: 1, or 2, which divides Height and Width.
	Stride int
	// Before is how many rows of zeros there are above the picture, and columns of
	// zeros at its left: 1, or with stride 2 also 0. As many follow below and at the
	// right as the last windows need.
	Before int
}

// Result returns height and width of what the windows give.
func (g Grid) Result() (h, w int) { return g.Height / g.Stride, g.Width / g.Stride }

// window is the height and width of windows, and their area.
const (
	window = 3
	area   = window * window
)

// A Separable is a convolution in two steps, as in MobileNet: of every channel by
// itself with 3×3 windows, and across channels at every position. The results of
// both, biases added, are moved between 0 and Most. Sums begin with the bias; they
// take in the window row by row, and the channels in their order.
type Separable struct {
	Grid
	In, Out int       // channels; In is a multiple of [Lanes]
	Deep    []float32 // of the first step, as [PackDeep] packs it
	Weight  []float32 // of the second, [Out, In], as [Pack] packs it
	Bias    []float32 // of the second, [Out]
	Most    float32   // 6 makes it ReLU6
}

// Lanes is how many channels lie beside each other in what [PackDeep] packs.
const Lanes = 16

// DeepShape returns the shape of what [PackDeep] gives for so many channels.
func DeepShape(channels int) []int { return []int{channels / Lanes, 1 + area, Lanes} }

// PackDeep returns the weight w [channels, 9] and the bias of windows that see one
// channel each, packed: for every group of Lanes channels their biases, then their
// weights of each position. channels is a multiple of Lanes.
func PackDeep(w, bias []float32) []float32 {
	packed := make([]float32, 0, len(w)+len(bias))
	for c := 0; c+Lanes <= len(bias); c += Lanes {
		packed = append(packed, bias[c:c+Lanes]...)
		for p := range area {
			for i := range Lanes {
				packed = append(packed, w[(c+i)*area+p])
			}
		}
	}
	return packed
}

// Apply computes y from x on up to threads threads. y must not overlap x. For
// errors see [Layer.Apply].
func (s Separable) Apply(y, x []float32, threads int) error {
	return machine().applySeparable(s, y, x, threads)
}

func (mc *kernel) applySeparable(s Separable, y, x []float32, threads int) error {
	switch {
	case s.In < 1 || s.In%Lanes != 0 || len(s.Deep) != s.In*(1+area):
		return fmt.Errorf("separable convolution: %d channels and %d weights, want a multiple of %d and %d for each: %w",
			s.In, len(s.Deep), Lanes, 1+area, assay.ErrInvalid)
	case !(s.Most > 0):
		return fmt.Errorf("separable convolution: results between 0 and %g: %w", s.Most, assay.ErrInvalid)
	}
	l := Layer{In: s.In, Out: s.Out, Weight: s.Weight, Bias: s.Bias}
	if err := s.check("separable convolution", s.Height*s.Width*s.In, y, x, l); err != nil {
		return err
	}
	if mc == nil {
		return fmt.Errorf("separable convolution: %w", unsupported)
	}
	h, _ := s.Result()
	shared(h, threads, func(first, last int) { mc.separable(s, y, x, first, last) })
	return nil
}

// A Convolution is one of 3×3 windows over all channels, whose results, biases
// added, are moved between 0 and Most. Sums begin with the bias and take in the
// window row by row, position by position, channel by channel.
type Convolution struct {
	Grid
	In, Out int
	Weight  []float32 // [Out, 9·In], as [Pack] packs it: inputs by row, column and channel of the window
	Bias    []float32 // [Out]
	Most    float32   // infinity makes it ReLU
	// Halved makes it see the largest of every 2×2 positions of the picture, whose
	// last row and column are left out where there is an odd number. Stride is 1.
	Halved bool
	// Planes says that the picture is one of three planes, [3, Height, Width], and
	// the inputs of Weight are by channel, row and column.
	Planes bool
}

// Seen returns the grid of the picture that the windows see: half as high and wide
// with Halved.
func (c Convolution) Seen() Grid {
	g := c.Grid
	if c.Halved {
		g.Height, g.Width = g.Height/2, g.Width/2
	}
	return g
}

// Apply computes y from x on up to threads threads. y must not overlap x. For
// errors see [Layer.Apply].
func (c Convolution) Apply(y, x []float32, threads int) error {
	return machine().applyConvolution(c, y, x, threads)
}

func (mc *kernel) applyConvolution(c Convolution, y, x []float32, threads int) error {
	const name = "convolution"
	switch {
	case c.In < 1 || c.Planes && c.In != 3 || c.Halved && c.Planes:
		return fmt.Errorf("%s: %d channels (planes %t, halved %t), want three planes as they are, or rows: %w",
			name, c.In, c.Planes, c.Halved, assay.ErrInvalid)
	case !c.Planes && c.Stride != 1:
		return fmt.Errorf("%s: stride %d over rows, want 1: %w", name, c.Stride, assay.ErrInvalid)
	case !(c.Most > 0):
		return fmt.Errorf("%s: results between 0 and %g: %w", name, c.Most, assay.ErrInvalid)
	}
	seen := c.Seen()
	l := Layer{In: area * c.In, Out: c.Out, Weight: c.Weight, Bias: c.Bias}
	if err := seen.check(name, c.Height*c.Width*c.In, y, x, l); err != nil {
		return err
	}
	if mc == nil {
		return fmt.Errorf("%s: %w", name, unsupported)
	}
	h, _ := seen.Result()
	shared(h, threads, func(first, last int) { mc.convolution(c, y, x, first, last) })
	return nil
}

// check refuses slices that do not fit: a picture of size numbers, and a result of
// the layer's outputs at every window.
func (g Grid) check(name string, size int, y, x []float32, l Layer) error {
	if g.Height < 1 || g.Width < 1 || g.Stride != 1 && (g.Stride != 2 || g.Height%2 != 0 || g.Width%2 != 0) ||
		g.Before != 1 && (g.Before != 0 || g.Stride != 2) {
		return fmt.Errorf("%s: windows %d apart over %d×%d with %d rows of zeros before: %w",
			name, g.Stride, g.Height, g.Width, g.Before, assay.ErrInvalid)
	}
	h, w := g.Result()
	if len(x) != size || len(y) != h*w*l.Out {
		return fmt.Errorf("%s: %d numbers give %d, want %d and %d×%d×%d: %w", name, len(x), len(y), size, h, w, l.Out, assay.ErrInvalid)
	}
	if err := l.check(nil, nil); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// shared divides n rows among threads.
func shared(n, threads int, work func(first, last int)) {
	threads = min(max(threads, 1), n)
	var wg sync.WaitGroup
	for i := 1; i < threads; i++ {
		wg.Go(func() { work(n*i/threads, n*(i+1)/threads) })
	}
	work(0, n/threads)
	wg.Wait()
}

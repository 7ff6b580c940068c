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

// window is the height and width of windows, area how many positions they have.
const (
	window = 3
	area   = window * window
)

// check refuses windows that are not known.
func (g Grid) check(name string) error {
	if g.Height < 1 || g.Width < 1 || g.Stride != 1 && (g.Stride != 2 || g.Height%2 != 0 || g.Width%2 != 0) ||
		g.Before != 1 && (g.Before != 0 || g.Stride != 2) {
		return fmt.Errorf("%s: windows %d apart over %d×%d with %d rows of zeros before: %w",
			name, g.Stride, g.Height, g.Width, g.Before, assay.ErrInvalid)
	}
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
	// Winograd says that Weight is as [PackWinograd] packs it. It takes fewer products
	// and rounds otherwise. In and Out are multiples of [Lanes], Stride is 1.
	Winograd bool
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
	if err := c.check(); err != nil {
		return err
	}
	h, w := c.Seen().Result()
	if err := sizes("convolution", y, x, h*w*c.Out, c.Height*c.Width*c.In); err != nil {
		return err
	}
	if mc == nil {
		return fmt.Errorf("convolution: %w", unsupported)
	}
	if c.Winograd {
		shared((h+1)/pair, threads, func(first, last int) { mc.winograd(c, y, x, first, last) })
		return nil
	}
	shared(h, threads, func(first, last int) { mc.convolution(c, y[first*w*c.Out:], x, first, last) })
	return nil
}

func (c Convolution) check() error {
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
	if err := c.Seen().check(name); err != nil {
		return err
	}
	if c.Winograd {
		if c.Planes || c.In%Lanes != 0 || c.Out%Lanes != 0 {
			return fmt.Errorf("%s: %d to %d channels (planes %t), want rows and multiples of %d: %w", name, c.In, c.Out, c.Planes, Lanes, assay.ErrInvalid)
		}
		return Layer{In: points * c.In, Out: c.Out, Weight: c.Weight, Bias: c.Bias}.check(nil, nil)
	}
	return Layer{In: area * c.In, Out: c.Out, Weight: c.Weight, Bias: c.Bias}.check(nil, nil)
}

// sizes refuses slices of other lengths.
func sizes(name string, y, x []float32, ny, nx int) error {
	if len(y) != ny || len(x) != nx {
		return fmt.Errorf("%s: %d numbers give %d, want %d and %d: %w", name, len(x), len(y), nx, ny, assay.ErrInvalid)
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

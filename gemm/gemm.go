// Package gemm computes what networks spend their time on: linear layers,
// self-attention and convolutions of 3×3 windows in float32, from weights that are
// stored in the order in which the processor reads them, so that they may lie in a
// mapped file, and the distance of feature maps that LPIPS is made of.
//
// Each element of a product or convolution is one chain of fused multiply-adds: it
// begins with the bias and takes in the products in the order of the inputs, each
// rounded once; Winograd's convolution ([PackWinograd]) has chains of its own. Exponentials and their sums have a fixed order too. None depends on the
// processor, the number of threads or the other rows, so that results are the same
// to the bit wherever [Supported] is true.
package gemm

import (
	"fmt"
	"sync"

	"github.com/gen-emerge/assay"
)

// Panel is how many columns of the right factor lie beside each other.
const Panel = 32

// Version names what the products' bits depend on; it is part of a reading's
// identity. Whoever changes the order of the sums must raise it.
const Version = 1

// Supported reports whether this processor has what the products need: AVX-512F,
// or AVX2 and FMA.
func Supported() bool { return machine() != nil }

// PackedShape returns the shape of a packed weight: [panels, in, Panel].
func PackedShape(out, in int) []int { return []int{(out + Panel - 1) / Panel, in, Panel} }

// Pack returns the weight w [out, in] packed: element [p, i, c] is w[p·Panel+c, i],
// and 0 where there is no such output.
func Pack(w []float32, out, in int) []float32 {
	packed := make([]float32, (out+Panel-1)/Panel*in*Panel)
	for o := range out {
		panel := packed[o/Panel*in*Panel:]
		for i, v := range w[o*in : (o+1)*in] {
			panel[i*Panel+o%Panel] = v
		}
	}
	return packed
}

// A Layer is a linear layer: y = x·Wᵀ + bias, or y = f(x·Wᵀ + bias).
type Layer struct {
	In, Out int
	Weight  []float32 // W [Out, In], as [Pack] packs it
	Bias    []float32 // [Out]
	// QuickGELU makes f(x) = x·sigmoid(1.702·x).
	QuickGELU bool
}

// Apply computes y [rows, Out] from x [rows, In] on up to threads threads. y must
// not overlap x. The error wraps [assay.ErrInvalid] if lengths do not fit, and
// [assay.ErrUnavailable] if the processor is not [Supported].
func (l Layer) Apply(y, x []float32, threads int) error {
	return machine().apply(l, y, x, threads)
}

// apply is [Layer.Apply] with the given kernel; nil is none.
func (mc *kernel) apply(l Layer, y, x []float32, threads int) error {
	if err := l.check(y, x); err != nil {
		return err
	}
	if mc == nil {
		return fmt.Errorf("packed product: %w", unsupported)
	}
	rows := len(x) / l.In
	if rows == 0 {
		return nil
	}
	panels := len(l.Weight) / (l.In * Panel)
	threads = min(max(threads, 1), panels)
	var wg sync.WaitGroup
	for i := 1; i < threads; i++ {
		wg.Go(func() { mc.panels(l, y, x, rows, panels*i/threads, panels*(i+1)/threads) })
	}
	mc.panels(l, y, x, rows, 0, panels/threads)
	wg.Wait()
	return nil
}

// unsupported says why there is no kernel.
var unsupported = fmt.Errorf("this processor has neither AVX-512 nor AVX2 with FMA: %w", assay.ErrUnavailable)

// check refuses slices that do not fit the layer: what comes next does not look
// at their lengths.
func (l Layer) check(y, x []float32) error {
	if l.In < 1 || l.Out < 1 {
		return fmt.Errorf("packed product: %d inputs and %d outputs: %w", l.In, l.Out, assay.ErrInvalid)
	}
	rows := len(x) / l.In
	switch {
	case len(l.Weight) != (l.Out+Panel-1)/Panel*Panel*l.In:
		return fmt.Errorf("packed product: %d weights for %d inputs and %d outputs in panels of %d: %w",
			len(l.Weight), l.In, l.Out, Panel, assay.ErrInvalid)
	case len(l.Bias) != l.Out:
		return fmt.Errorf("packed product: %d biases for %d outputs: %w", len(l.Bias), l.Out, assay.ErrInvalid)
	case len(x) != rows*l.In || len(y) != rows*l.Out:
		return fmt.Errorf("packed product: %d numbers give %d, want rows of %d and as many of %d: %w",
			len(x), len(y), l.In, l.Out, assay.ErrInvalid)
	}
	return nil
}

package gemm

import (
	"fmt"
	"math"
	"sync"

	"github.com/gen-emerge/assay"
)

// An Attention is the self-attention of a sequence, every position looking at all:
// softmax(q·kᵀ/√d)·v in each of the heads, d = Width/Heads.
type Attention struct {
	Width, Heads int
}

// Apply computes y [n, Width] from qkv [n, 3·Width], which holds the positions'
// queries, keys and values, on up to threads threads. y must not overlap qkv.
// For errors see [Layer.Apply].
func (a Attention) Apply(y, qkv []float32, threads int) error {
	return machine().attend(a, y, qkv, threads)
}

// attend is [Attention.Apply] with the given kernel; nil is none.
func (mc *kernel) attend(a Attention, y, qkv []float32, threads int) error {
	if a.Width < 1 || a.Heads < 1 || a.Width%a.Heads != 0 {
		return fmt.Errorf("attention: %d heads of width %d: %w", a.Heads, a.Width, assay.ErrInvalid)
	}
	n := len(y) / a.Width
	if len(y) != n*a.Width || len(qkv) != 3*len(y) {
		return fmt.Errorf("attention: %d numbers give %d, want rows of %d and as many of %d: %w",
			len(qkv), len(y), 3*a.Width, a.Width, assay.ErrInvalid)
	}
	if mc == nil {
		return fmt.Errorf("attention: %w", unsupported)
	}
	if n == 0 {
		return nil
	}
	threads = min(max(threads, 1), a.Heads)
	var wg sync.WaitGroup
	for i := 1; i < threads; i++ {
		wg.Go(func() { mc.heads(a, y, qkv, n, a.Heads*i/threads, a.Heads*(i+1)/threads) })
	}
	mc.heads(a, y, qkv, n, 0, a.Heads/threads)
	wg.Wait()
	return nil
}

// scale is what queries are multiplied with.
func (a Attention) scale() float32 { return float32(1 / math.Sqrt(float64(a.Width/a.Heads))) }

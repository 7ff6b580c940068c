package gemm

import (
	"fmt"
	"math"
	"sync"

	"github.com/gen-emerge/assay"
)

// A UnitDistance says how far apart two feature maps are at each position, once
// the features there are divided by their length, as LPIPS has it:
// Σ_c Weight_c·(f_c/(|f|+Eps) − g_c/(|g|+Eps))².
type UnitDistance struct {
	Weight []float32 // of each channel
	Eps    float32   // added to the lengths
}

// Apply computes y [n] of f and g [channels, n], n positions, on up to threads
// threads, in one pass over memory. Equal maps give 0. For errors see [Layer.Apply].
func (u UnitDistance) Apply(y, f, g []float32, threads int) error {
	return machine().unitDistance(u, y, f, g, threads)
}

// ApplyRows computes y [n] of f and g [n, channels], whose channels lie beside each
// other and are a multiple of [Lanes], on up to threads threads. Sums over channels
// are those of every Lanes-th, added up by halves: not to the bit what Apply gives.
func (u UnitDistance) ApplyRows(y, f, g []float32, threads int) error {
	return machine().unitRows(u, y, f, g, threads)
}

func (mc *kernel) unitRows(u UnitDistance, y, f, g []float32, threads int) error {
	n, c := len(y), len(u.Weight)
	if c == 0 || c%Lanes != 0 || len(f) != n*c || len(g) != len(f) {
		return fmt.Errorf("unit distance: %d and %d numbers for %d positions of %d channels, want a multiple of %d: %w",
			len(f), len(g), n, c, Lanes, assay.ErrInvalid)
	}
	if mc == nil {
		return fmt.Errorf("unit distance: %w", unsupported)
	}
	if n > 0 {
		shared(n, threads, func(first, last int) { mc.rowDistances(u, y[first:last], f[first*c:last*c], g[first*c:last*c]) })
	}
	return nil
}

// positions are looked at together: their features stay in the second cache.
const positions = 512

func (mc *kernel) unitDistance(u UnitDistance, y, f, g []float32, threads int) error {
	n := len(y)
	if len(u.Weight) == 0 || len(f) != n*len(u.Weight) || len(g) != len(f) {
		return fmt.Errorf("unit distance: %d and %d numbers for %d positions of %d channels: %w",
			len(f), len(g), n, len(u.Weight), assay.ErrInvalid)
	}
	if mc == nil {
		return fmt.Errorf("unit distance: %w", unsupported)
	}
	blocks := (n + positions - 1) / positions
	threads = min(max(threads, 1), max(blocks, 1))
	var wg sync.WaitGroup
	for i := range threads {
		work := func() {
			for b := blocks * i / threads; b < blocks*(i+1)/threads; b++ {
				mc.unitBlock(u, y, f, g, b*positions, min(positions, n-b*positions))
			}
		}
		if i == threads-1 {
			work()
		} else {
			wg.Go(work)
		}
	}
	wg.Wait()
	return nil
}

// unitBlock computes m positions from the first.
func (mc *kernel) unitBlock(u UnitDistance, y, f, g []float32, first, m int) {
	var lengths [2][positions]float32 // their inverses, in the end
	n := len(y)
	for i, x := range [][]float32{f, g} {
		for c := range u.Weight {
			mc.squares(lengths[i][:m], x[c*n+first:][:m])
		}
		for j, sum := range lengths[i][:m] {
			lengths[i][j] = 1 / (float32(math.Sqrt(float64(sum))) + u.Eps)
		}
	}
	out := y[first:][:m]
	clear(out)
	for c, w := range u.Weight {
		at := c*n + first
		mc.apart(out, f[at:][:m], g[at:][:m], lengths[0][:m], lengths[1][:m], w)
	}
}

// squaresOf adds the squares of x to acc.
func squaresOf(acc, x []float32) {
	for i, v := range x {
		acc[i] += float32(v * v)
	}
}

// apartOf adds w·(f·p − g·q)² to acc.
func apartOf(acc, f, g, p, q []float32, w float32) {
	for i := range acc {
		d := float32(f[i]*p[i]) - float32(g[i]*q[i])
		acc[i] += float32(float32(d*d) * w)
	}
}

package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestTileRate(t *testing.T) {
	for _, kn := range kernels() {
		a, b := newPanel(240, 2048, kn.mr), newPanel(240, 2048, kn.nr)
		for i := range a.data {
			a.data[i] = 1
		}
		c := make([]float64, 240*240)
		r := testing.Benchmark(func(bb *testing.B) {
			for bb.Loop() {
				kn.mulTile(a, b, 0, 240, 0, 240, c, 240)
			}
		})
		t.Logf("%s %.1f GFLOP/s", kn.name, 240*240*2048*2/float64(r.NsPerOp()))
		x := make([]float64, 2048*2048)
		y := make([]float64, 2048)
		r = testing.Benchmark(func(bb *testing.B) {
			for bb.Loop() {
				kn.addRows(2048, x, 2048, y, y)
			}
		})
		r2 := testing.Benchmark(func(bb *testing.B) {
			for bb.Loop() {
				kn.dotRows(2048, x, 2048, y, y)
			}
		})
		t.Logf("%s addRows %.1f GB/s dotRows %.1f GB/s", kn.name, 8*2048*2048/float64(r.NsPerOp()), 8*2048*2048/float64(r2.NsPerOp()))
	}
	_ = rand.Float64
	_ = math.Pi
}

package stat_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// Samples of one distribution give p below 0.05 as often as that says; samples
// that differ in their mean or their spread are told.
func TestKernelShift(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	sample := func(n int, mean, sd float64) [][]float32 {
		out := make([][]float32, n)
		for i := range out {
			for range 6 {
				out[i] = append(out[i], float32(mean+sd*rng.NormFloat64()))
			}
		}
		return out
	}
	test := func(mean, sd float64) (rejected int) {
		for k := range 200 {
			p, err := stat.KernelShift(sample(20, 0, 1), sample(20, mean, sd), 99, uint64(k))
			if err != nil {
				t.Fatal(err)
			}
			if p <= 0.05 {
				rejected++
			}
		}
		return rejected
	}
	if n := test(0, 1); n < 2 || n > 20 { // 10 ± 3
		t.Errorf("%d of 200 equal samples were told apart at 5 %%", n)
	}
	if n := test(0.8, 1); n < 180 {
		t.Errorf("%d of 200 samples whose means differ were told apart", n)
	}
	if n := test(0, 2); n < 150 {
		t.Errorf("%d of 200 samples whose spreads differ were told apart", n)
	}
	for _, bad := range [][2][][]float32{{sample(1, 0, 1), sample(5, 0, 1)}, {{{1}, {2, 3}}, {{1}, {2}}}} {
		if _, err := stat.KernelShift(bad[0], bad[1], 99, 1); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

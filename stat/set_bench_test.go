package stat

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// benchFeatures returns n rows that look like a network's: rectified, correlated.
func benchFeatures(n, d int, seed uint64) Features {
	rng := rand.New(rand.NewPCG(seed, 1))
	f := Features{Dim: d, Data: make([]float32, n*d)}
	for i := range n {
		row := f.Row(i)
		a, b := float32(rng.NormFloat64()), float32(rng.NormFloat64())
		for j := range row {
			row[j] = max(0, rng.Float32()+a*float32(j%7)/20+b*float32(j%11)/30)
		}
	}
	return f
}

// The benchmarks are of the sizes that published values are made at. Each starts
// from features in memory and ends at the value.

// BenchmarkFID is what reference/speed_fid.py times, of ASSAY_FID_ROWS rows
// (50,000) of ASSAY_FID_DIM numbers (2048).
func BenchmarkFID(b *testing.B) {
	size := func(name string, otherwise int) int {
		if v := os.Getenv(name); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
		return otherwise
	}
	n, d := size("ASSAY_FID_ROWS", 50000), size("ASSAY_FID_DIM", 2048)
	x, y := goldenFeatures(n, d, 1, 0), goldenFeatures(n, d, 2, 0.2)
	var f Frechet
	for b.Loop() {
		var err error
		if f, err = FrechetFeatures(b.Context(), x, y, true); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("FID %.12g", f.Value)
}

func BenchmarkFIDOfMoments2048(b *testing.B) {
	var m [2]*Moments
	for s := range m {
		m[s], _ = NewMoments(2048)
		if err := m[s].Add(b.Context(), benchFeatures(5000, 2048, uint64(s))); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := FrechetMoments(b.Context(), m[0], m[1], true); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKID100x1000x2048(b *testing.B) {
	x, y := benchFeatures(50000, 2048, 1), benchFeatures(50000, 2048, 2)
	for b.Loop() {
		if _, err := KernelInception(b.Context(), x, y, KIDOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCMMD10000x768(b *testing.B) {
	x, y := benchFeatures(10000, 768, 1), benchFeatures(10000, 768, 2)
	for b.Loop() {
		if _, err := CLIPMMD(b.Context(), x, y); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPrecisionRecall10000x2048(b *testing.B) {
	x, y := benchFeatures(10000, 2048, 1), benchFeatures(10000, 2048, 2)
	for b.Loop() {
		if _, err := PrecisionRecall(b.Context(), x, y, 3); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVendi5000x768(b *testing.B) {
	x := benchFeatures(5000, 768, 1)
	for b.Loop() {
		if _, err := Vendi(b.Context(), x, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkProduct is the kernels' rate, one core, operands in the caches.
func BenchmarkProduct(b *testing.B) {
	for _, kn := range kernels() {
		b.Run(kn.name, func(b *testing.B) {
			const n, k = tileEdge, 1024
			x, y := newPanel(n, k, kn.mr), newPanel(n, k, kn.nr)
			c := make([]float64, n*n)
			for b.Loop() {
				kn.mulTile(x, y, 0, n, 0, n, c, n)
			}
			b.ReportMetric(2*n*n*k/(float64(b.Elapsed().Nanoseconds())/float64(b.N)), "GFLOP/s")
		})
	}
}

package stat

import (
	"context"
	"math/rand/v2"
	"testing"
)

// featuresOf returns n rows that look like a network's: rectified, correlated,
// with a falling spectrum.
func featuresOf(n, d int, seed uint64) Features {
	rng := rand.New(rand.NewPCG(seed, 1))
	f := Features{Dim: d, Data: make([]float32, n*d)}
	for i := range n {
		row := f.Row(i)
		a, b := float32(rng.NormFloat64()), float32(rng.NormFloat64())
		for j := range row {
			u := rng.Uint64()
			v := float32(u>>40)/(1<<24) + a*float32(j%7)/20 + b*float32(j%11)/30
			row[j] = max(0, v)
		}
	}
	return f
}

// BenchmarkFID is the distance of two sets of 50,000 features of 2048 numbers,
// from the features to the value.
func BenchmarkFID(b *testing.B) {
	x, y := featuresOf(50000, 2048, 1), featuresOf(50000, 2048, 2)
	ctx := context.Background()
	for b.Loop() {
		f, err := FrechetFeatures(ctx, x, y, true)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(f.Value, "FID")
	}
}

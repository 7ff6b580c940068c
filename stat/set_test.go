package stat

import (
	"math"
	"slices"
	"testing"
)

// spec returns the matrices of the specification's vectors: X[i][j] =
// sin(0.1·i·j), Y[i][j] = cos(0.13·i·j) + 0.05·j, i from 1, j from 1 to 8.
func specX(n int) Features {
	f := Features{Dim: 8}
	for i := 1; i <= n; i++ {
		for j := 1; j <= 8; j++ {
			f.Data = append(f.Data, float32(math.Sin(0.1*float64(i*j))))
		}
	}
	return f
}

func specY(n int) Features {
	f := Features{Dim: 8}
	for i := 1; i <= n; i++ {
		for j := 1; j <= 8; j++ {
			f.Data = append(f.Data, float32(math.Cos(0.13*float64(i*j))+0.05*float64(j)))
		}
	}
	return f
}

func TestSpecVectors(t *testing.T) {
	ctx := t.Context()
	for _, unbiased := range []bool{true, false} {
		f, err := FrechetFeatures(ctx, specX(40), specY(50), unbiased)
		t.Log(f, err)
	}
	f, err := FrechetFeatures(ctx, specX(5), specY(6), true)
	t.Log(f, err)
	k, err := PolynomialMMD(ctx, specX(40), specY(40))
	t.Log(k, err)
	c, err := CLIPMMD(ctx, specX(40), specY(50))
	t.Log(c, err)
	p, err := PrecisionRecall(ctx, specX(40), specY(50), 3)
	t.Log(p, err)
	for _, n := range []int{3, 5} {
		d, err := DensityCoverage(ctx, specX(40), specY(50), n)
		t.Log(d, err)
	}
	for _, q := range []float64{0.5, 1, 2, math.Inf(1)} {
		v, err := Vendi(ctx, specX(40), q)
		t.Log(v, err)
	}
	if got := NewMT19937(2020).Choose(5000, 1000)[:6]; !slices.Equal(got, []int{2398, 2360, 3232, 27, 1246, 2217}) {
		t.Errorf("first draw: %v", got)
	}
}

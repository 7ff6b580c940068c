package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// normals returns n random numbers of very different sizes, so that any change in
// the order of a sum would show.
func normals(rng *rand.Rand, n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = rng.NormFloat64() * math.Ldexp(1, rng.IntN(30)-15)
	}
	return v
}

func sameBits(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range got {
		if math.Float64bits(got[i]) != math.Float64bits(want[i]) {
			t.Fatalf("%s: number %d is %v, want %v: %d units apart in the last place", what, i, got[i], want[i],
				int64(math.Float64bits(got[i])-math.Float64bits(want[i])))
		}
	}
}

// TestKernelsGiveTheSameBits compares every micro-kernel with the sums spelt out.
func TestKernelsGiveTheSameBits(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, kn := range kernels() {
		t.Logf("%s: tiles of %d × %d", kn.name, kn.mr, kn.nr)
		if tileEdge%kn.mr != 0 || tileEdge%kn.nr != 0 || groupEdge%kn.mr != 0 || groupEdge%kn.nr != 0 {
			t.Errorf("%s: tiles of %d × %d do not divide %d and %d", kn.name, kn.mr, kn.nr, tileEdge, groupEdge)
		}
		for _, k := range []int{1, 2, 3, 7, 64, 255, 256, 257} {
			ldc := kn.nr + rng.IntN(5)
			a, b, c := normals(rng, k*kn.mr), normals(rng, k*kn.nr), normals(rng, kn.mr*ldc)
			want := slices.Clone(c)
			for i := range kn.mr {
				for j := range kn.nr {
					for p := range k {
						want[i*ldc+j] = math.FMA(a[p*kn.mr+i], b[p*kn.nr+j], want[i*ldc+j])
					}
				}
			}
			kn.tile(k, &a[0], &b[0], &c[0], ldc)
			sameBits(t, fmt.Sprintf("%s: tile of %d", kn.name, k), c, want)
		}
		for _, n := range []int{8, 16, 40, 1000} {
			lda := n + rng.IntN(3)
			a, x, y := normals(rng, 8*lda), normals(rng, n), normals(rng, n)
			want := slices.Clone(y)
			coef := [8]float64(normals(rng, 8))
			for j := range n {
				for r := range 8 {
					want[j] = math.FMA(coef[r], a[r*lda+j], want[j])
				}
			}
			kn.axpy(n, &a[0], lda, &coef, &y[0])
			sameBits(t, fmt.Sprintf("%s: axpy of %d", kn.name, n), y, want)
			var lanes, wantLanes [64]float64
			for r := range 8 {
				for j := range n {
					wantLanes[8*r+j%8] = math.FMA(a[r*lda+j], x[j], wantLanes[8*r+j%8])
				}
			}
			kn.dot(n, &a[0], lda, &x[0], &lanes)
			sameBits(t, fmt.Sprintf("%s: dot of %d", kn.name, n), lanes[:], wantLanes[:])
		}
	}
}

// everywhere calls f with each kernel on one, two and five cores, with memory
// that is used again and without.
func everywhere(f func(kn kernel)) {
	for _, kn := range kernels() {
		for _, cores := range []int{1, 2, 5} {
			kn.cores = cores
			kn.room = nil
			if cores == 2 {
				kn.room = &room{work: make([][]float64, cores)}
			}
			f(kn)
		}
	}
}

// TestProductsGiveTheSameBits: whole matrices, of shapes that fill tiles, blocks
// and strips and that do not.
func TestProductsGiveTheSameBits(t *testing.T) {
	for _, s := range [][3]int{{1, 1, 1}, {3, 5, 2}, {12, 16, 256}, {13, 17, 257}, {241, 239, 31}, {961, 250, 9}, {70, 1000, 300}} {
		n, m, d := s[0], s[1], s[2]
		rng := rand.New(rand.NewPCG(uint64(n), uint64(m)))
		x, y := normals(rng, n*d), normals(rng, m*d)
		rx := wide(n, d, func(i, j int) float64 { return x[i*d+j] })
		ry := wide(m, d, func(i, j int) float64 { return y[i*d+j] })
		want := make([]float64, n*m)
		for i := range n {
			for j := range m {
				want[i*m+j] = dot(x[i*d:(i+1)*d], y[j*d:(j+1)*d])
			}
		}
		everywhere(func(kn kernel) {
			got := make([]float64, n*m)
			err := products(t.Context(), kn, rx, ry, false, func(t tile) {
				for i := range t.rows {
					copy(got[(t.i0+i)*m+t.j0:], t.c[i*tileEdge:][:t.cols])
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			sameBits(t, fmt.Sprintf("%v: %s on %d cores", s, kn.name, kn.cores), got, want)
		})
	}
}

// TestSpectraGiveTheSameBits: everything built on the kernels, once with each.
func TestSpectraGiveTheSameBits(t *testing.T) {
	const n, d = 300, 75
	f := goldenFeatures(n, d, 3, 0.2)
	var first []float64
	everywhere(func(kn kernel) {
		m, err := NewMoments(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []int{0, 17, 170} {
			end := map[int]int{0: 17, 17: 170, 170: n}[part]
			if err := m.add(t.Context(), kn, plain(Features{d, f.Data[part*d : end*d]})); err != nil {
				t.Fatal(err)
			}
		}
		got := append(slices.Clone(m.Mean), m.Scatter...)
		a, lda := padded(m.Scatter, d, d)
		ev, err := eigenvalues(t.Context(), kn, a, d, lda)
		if err != nil {
			t.Fatal(err)
		}
		factor, rank, err := choleskyFactor(t.Context(), kn, slices.Clone(m.Scatter), d, d)
		if err != nil {
			t.Fatal(err)
		}
		a, lda = padded(factor, rank, d)
		if rank != d {
			t.Fatalf("rank %d, want %d", rank, d)
		}
		sv, err := singularValues(t.Context(), kn, a, d, d, lda)
		if err != nil {
			t.Fatal(err)
		}
		k, err := kid(t.Context(), kn, plain(f), plain(f).pick([]int{5, 2, 9, 11, 3}), KIDOptions{Subsets: 3, Size: 4})
		if err != nil {
			t.Fatal(err)
		}
		u, err := plain(f).unit(kn, "f")
		if err != nil {
			t.Fatal(err)
		}
		v, err := vendi(t.Context(), kn, u, 2)
		if err != nil {
			t.Fatal(err)
		}
		got = append(append(append(append(got, ev...), factor...), sv...), k.Mean, k.Std, v)
		if first == nil {
			first = got
		}
		sameBits(t, fmt.Sprintf("%s on %d cores", kn.name, kn.cores), got, first)
	})
}

// TestSpectraAgreeWithGonum compares with an implementation of LAPACK, on
// matrices of full and of lower rank.
func TestSpectraAgreeWithGonum(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, s := range [][3]int{{1, 1, 1}, {2, 1, 1}, {2, 2, 2}, {9, 5, 5}, {31, 31, 31}, {33, 32, 20}, {70, 65, 65}, {130, 129, 40}, {400, 170, 170}} {
		m, n, rank := s[0], s[1], s[2]
		left, right := mat.NewDense(m, rank, nil), mat.NewDense(rank, n, nil)
		for i := range m {
			for j := range rank {
				left.Set(i, j, rng.NormFloat64()*math.Pow(0.8, float64(j)))
			}
		}
		for i := range rank {
			for j := range n {
				right.Set(i, j, rng.NormFloat64())
			}
		}
		var full mat.Dense
		full.Mul(left, right)
		data := full.RawMatrix().Data
		var svd mat.SVD
		if !svd.Factorize(&full, mat.SVDNone) {
			t.Fatal("gonum's SVD did not settle")
		}
		want := svd.Values(nil)
		a, lda := padded(data, m, n)
		got, err := singularValues(t.Context(), best(), a, m, n, lda)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			near(t, fmt.Sprintf("%v: singular value %d", s, i), got[i], want[i], 1e-13*want[0])
		}

		var gram mat.SymDense
		gram.SymOuterK(1, full.T())
		var eig mat.EigenSym
		if !eig.Factorize(&gram, false) {
			t.Fatal("gonum's eigenvalues did not settle")
		}
		wantEig := eig.Values(nil)
		square := make([]float64, n*n)
		for i := range n {
			for j := range n {
				square[i*n+j] = gram.At(i, j)
			}
		}
		a, lda = padded(square, n, n)
		gotEig, err := eigenvalues(t.Context(), best(), a, n, lda)
		if err != nil {
			t.Fatal(err)
		}
		for i := range wantEig {
			near(t, fmt.Sprintf("%v: eigenvalue %d", s, i), gotEig[i], wantEig[i], 1e-13*wantEig[n-1])
		}
		checkFactor(t, fmt.Sprint(s), square, n, min(rank, n))
	}
}

// checkFactor factors a matrix and multiplies the factor out again.
func checkFactor(t *testing.T, what string, square []float64, n, rank int) {
	t.Helper()
	f, got, err := choleskyFactor(t.Context(), best(), slices.Clone(square), n, n)
	if err != nil {
		t.Fatal(err)
	}
	if got > rank {
		t.Errorf("%s: factor of rank %d, want at most %d", what, got, rank)
	}
	top := 0.0
	for i := range n {
		top = max(top, square[i*n+i])
	}
	for i := range n {
		for j := range n {
			sum := 0.0
			for r := range got {
				sum += f[r*n+i] * f[r*n+j]
			}
			near(t, fmt.Sprintf("%s: product of the factor at %d, %d", what, i, j), sum, square[i*n+j], 1e-13*top*float64(n))
		}
	}
}

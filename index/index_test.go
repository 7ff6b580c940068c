package index

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/gen-emerge/assay"
)

// id returns a made-up image name.
func id(i int) assay.Digest {
	var d assay.Digest
	binary.BigEndian.PutUint64(d[:], uint64(i)+1)
	return d
}

// fill returns an index of the given rows, named in order.
func fill(t testing.TB, metric Metric, rows [][]float32) *Index {
	t.Helper()
	x, err := New(len(rows[0]), metric)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		if err := x.Add(id(i), r); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

func random(rng *rand.Rand, n, dim int) [][]float32 {
	rows := make([][]float32, n)
	for i := range rows {
		rows[i] = make([]float32, dim)
		for j := range rows[i] {
			rows[i][j] = float32(rng.NormFloat64())
		}
	}
	return rows
}

// TestScipy compares order and distances with scipy's cdist. The tolerance is
// dim·2⁻⁵² relative to a distance of order 10, rounded up.
func TestScipy(t *testing.T) {
	data, err := os.ReadFile("testdata/scipy.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Rows, Queries [][]float32
		K             int
		Answers       map[Metric][]struct {
			Rows      []int
			Distances []float64
		}
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	worst := 0.0
	for _, metric := range []Metric{L2, L1, Cosine} {
		x := fill(t, metric, want.Rows)
		for q, query := range want.Queries {
			hits, err := x.Nearest(query, want.K, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, h := range hits {
				golden := want.Answers[metric][q]
				if h.Row != golden.Rows[i] || h.ID != id(h.Row) {
					t.Errorf("%s query %d: hit %d is row %d, want %d", metric, q, i, h.Row, golden.Rows[i])
				}
				worst = max(worst, math.Abs(h.Distance-golden.Distances[i]))
			}
			if len(hits) != want.K {
				t.Errorf("%s query %d: %d hits, want %d", metric, q, len(hits), want.K)
			}
		}
	}
	t.Logf("worst difference from scipy: %.2g", worst)
	if !(worst <= 1e-13) {
		t.Errorf("worst difference from scipy %.2g, allowed 1e-13", worst)
	}
}

// naive returns every distance by the definition, in plain order.
func naive(metric Metric, query []float32, rows [][]float32) []float64 {
	out := make([]float64, len(rows))
	for i, r := range rows {
		var sum, dot, qq, rr float64
		for j := range r {
			a, b := float64(query[j]), float64(r[j])
			switch metric {
			case L2:
				sum += (a - b) * (a - b)
			case L1:
				sum += math.Abs(a - b)
			}
			dot, qq, rr = dot+a*b, qq+a*a, rr+b*b
		}
		switch metric {
		case L2:
			sum = math.Sqrt(sum)
		case Cosine:
			sum = 1 - dot/math.Sqrt(qq*rr)
		}
		out[i] = sum
	}
	return out
}

// TestBruteForce tries lengths that are no multiple of four or of the stride,
// and enough rows to need several chunks, with every k.
func TestBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][2]int{{1, 1}, {5, 3}, {300, 4}, {200, 63}, {200, 64}, {150, 67}, {90, 130}, {5, 300000}} {
		n, dim := shape[0], shape[1]
		rows := random(rng, n, dim)
		for range n / 4 { // near-identical and equal vectors, as generators make
			copy(rows[rng.IntN(n)], rows[rng.IntN(n)])
		}
		for _, metric := range []Metric{L2, L1, Cosine} {
			x := fill(t, metric, rows)
			query := random(rng, 1, dim)[0]
			if dim < 100 {
				copy(query, rows[rng.IntN(n)])
			}
			want := naive(metric, query, rows)
			sorted := slices.Clone(want)
			slices.Sort(sorted)
			for _, k := range []int{1, 2, 7, n, n + 5} {
				hits, err := x.Nearest(query, k, nil)
				if err != nil {
					t.Fatal(err)
				}
				if len(hits) != min(k, n) {
					t.Fatalf("%s %v: %d hits, want %d", metric, shape, len(hits), min(k, n))
				}
				for i, h := range hits {
					tol := 1e-12 * (1 + want[h.Row])
					if math.Abs(h.Distance-want[h.Row]) > tol || math.Abs(h.Distance-sorted[i]) > tol {
						t.Errorf("%s %v k=%d: hit %d is %g, want %g", metric, shape, k, i, h.Distance, sorted[i])
					}
					if i > 0 && (hits[i-1].Distance > h.Distance || hits[i-1].Distance == h.Distance && hits[i-1].Row >= h.Row) {
						t.Errorf("%s %v k=%d: hits %d and %d out of order", metric, shape, k, i-1, i)
					}
				}
			}
		}
	}
}

// TestTies holds that equal distances come in order of insertion, also when
// there are more of them than are asked for.
func TestTies(t *testing.T) {
	for _, metric := range []Metric{L2, L1, Cosine} {
		rows := make([][]float32, 20)
		for i := range rows {
			rows[i] = []float32{1, 2, 3, 4, 5}
		}
		hits, err := fill(t, metric, rows).Nearest([]float32{5, 4, 3, 2, 1}, 6, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, h := range hits {
			if h.Row != i {
				t.Errorf("%s: hit %d is row %d of equal rows", metric, i, h.Row)
			}
		}
	}
}

// TestLaws checks identity, symmetry and what is known of each distance.
func TestLaws(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	rows := random(rng, 40, 50)
	for _, metric := range []Metric{L2, L1, Cosine} {
		x := fill(t, metric, rows)
		d := make([][]float64, len(rows))
		for i, r := range rows {
			d[i] = make([]float64, len(rows))
			hits, err := x.Nearest(r, len(rows), nil)
			if err != nil {
				t.Fatal(err)
			}
			if hits[0].Row != i || math.Abs(hits[0].Distance) > 1e-15 {
				t.Errorf("%s: the nearest to row %d is row %d at %g", metric, i, hits[0].Row, hits[0].Distance)
			}
			for _, h := range hits {
				d[i][h.Row] = h.Distance
			}
		}
		for i := range rows {
			for j := range rows {
				if d[i][j] != d[j][i] {
					t.Errorf("%s: d(%d,%d) = %g, d(%d,%d) = %g", metric, i, j, d[i][j], j, i, d[j][i])
				}
				for k := range rows {
					if metric != Cosine && d[i][k] > (d[i][j]+d[j][k])*(1+1e-12) {
						t.Errorf("%s: triangle %d %d %d", metric, i, j, k)
					}
				}
			}
		}
	}
	x := fill(t, Cosine, [][]float32{{2, 0}, {0, 3}, {-1, 0}, {1e-20, 0}, {3e38, 0}})
	hits, _ := x.Nearest([]float32{7, 0}, 5, nil)
	want := map[int]float64{0: 0, 1: 1, 2: 2, 3: 0, 4: 0}
	for _, h := range hits {
		if math.Abs(h.Distance-want[h.Row]) > 1e-15 {
			t.Errorf("cosine of row %d = %g, want %g", h.Row, h.Distance, want[h.Row])
		}
	}
}

func TestKeep(t *testing.T) {
	x := fill(t, L2, [][]float32{{0}, {1}, {2}, {3}})
	hits, err := x.Nearest([]float32{0}, 2, func(d assay.Digest) bool { return d != id(0) && d != id(2) })
	if err != nil || len(hits) != 2 || hits[0].ID != id(1) || hits[1].ID != id(3) {
		t.Errorf("hits %v, error %v, want rows 1 and 3", hits, err)
	}
	empty, _ := New(1, L2)
	if hits, err := empty.Nearest([]float32{0}, 3, nil); err != nil || len(hits) != 0 {
		t.Errorf("empty index: %v, %v", hits, err)
	}
}

func TestRefusals(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	x := fill(t, Cosine, [][]float32{{1, 2, 3}})
	check := func(name string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", name, err, want)
		}
	}
	_, err := New(0, L2)
	check("dimension 0", err, assay.ErrInvalid)
	_, err = New(3, "l3")
	check("unknown metric", err, assay.ErrInvalid)
	for name, v := range map[string][]float32{
		"NaN": {1, nan, 2}, "infinity": {inf, 0, 0}, "short": {1, 2}, "long": {1, 2, 3, 4}, "nil": nil, "zero": {0, 0, 0},
	} {
		check("add "+name, x.Add(id(9), v), assay.ErrInvalid)
		_, err := x.Nearest(v, 1, nil)
		check("query "+name, err, assay.ErrInvalid)
	}
	_, err = x.Nearest([]float32{1, 1, 1}, 0, nil)
	check("k = 0", err, assay.ErrInvalid)
	check("same id, other vector", x.Add(id(0), []float32{1, 2, 4}), assay.ErrConflict)
	check("same id, same vector", x.Add(id(0), []float32{1, 2, 3}), nil)
	if x.Len() != 1 || x.Dim() != 3 {
		t.Errorf("%d vectors of %d values after refusals, want 1 of 3", x.Len(), x.Dim())
	}
}

// TestAddCopies holds that the caller may reuse its slice.
func TestAddCopies(t *testing.T) {
	x, _ := New(2, L2)
	v := []float32{1, 1}
	if err := x.Add(id(0), v); err != nil {
		t.Fatal(err)
	}
	v[0] = 100
	hits, _ := x.Nearest([]float32{1, 1}, 1, nil)
	if hits[0].Distance != 0 {
		t.Errorf("distance %g after the caller changed its slice, want 0", hits[0].Distance)
	}
}

// TestConcurrent searches while rows arrive. Each search must see a prefix of
// the rows, whole, and later searches no shorter ones. Row i is (i, i, …), the
// query the origin, so that the nearest is always row 0.
func TestConcurrent(t *testing.T) {
	const n, dim = 2000, 2000 // 131 rows a chunk
	x, _ := New(dim, L1)
	var wg sync.WaitGroup
	wg.Go(func() {
		v := make([]float32, dim)
		for i := range n {
			for j := range v {
				v[j] = float32(i)
			}
			if err := x.Add(id(i), v); err != nil {
				t.Error(err)
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			query, seen := make([]float32, dim), 0
			for seen < n {
				before := x.Len()
				hits, err := x.Nearest(query, n, nil)
				if err != nil || len(hits) < before || len(hits) < seen {
					t.Errorf("%d hits after %d rows and an earlier %d, error %v", len(hits), before, seen, err)
					return
				}
				for i, h := range hits {
					if h.Row != i || h.Distance != float64(i)*dim || h.ID != id(i) {
						t.Errorf("hit %d is row %d at %g", i, h.Row, h.Distance)
						return
					}
				}
				seen = len(hits)
			}
		})
	}
	wg.Wait()
}

func BenchmarkNearest(b *testing.B) {
	for _, metric := range []Metric{L2, Cosine} {
		for _, n := range []int{1e4, 1e5} {
			b.Run(fmt.Sprintf("%s/%dx128", metric, n), func(b *testing.B) {
				rng := rand.New(rand.NewPCG(1, 2))
				x := fill(b, metric, random(rng, n, 128))
				query := random(rng, 1, 128)[0]
				b.ReportAllocs()
				b.SetBytes(int64(n) * 128 * 4)
				for b.Loop() {
					if _, err := x.Nearest(query, 10, nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	v := random(rand.New(rand.NewPCG(1, 2)), 1, 128)[0]
	x, _ := New(128, L2)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := x.Add(id(i), v); err != nil {
			b.Fatal(err)
		}
	}
}

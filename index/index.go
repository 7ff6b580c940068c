// Package index finds the nearest vectors among those it holds, exactly.
//
// It scans every row. That is the right tool up to about a hundred thousand
// embeddings, where a scan takes milliseconds, gives the same answer on every
// machine, and does not lose near-identical vectors the way graph indexes do.
package index

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/gen-emerge/assay"
)

// Metric names a distance between two vectors of equal length.
type Metric string

// The metrics an [Index] can use. All are at least 0, and 0 for equal vectors
// up to rounding.
const (
	// L2 is the Euclidean distance, √Σ(aᵢ−bᵢ)².
	L2 Metric = "l2"
	// L1 is the sum of absolute differences, Σ|aᵢ−bᵢ|.
	L1 Metric = "l1"
	// Cosine is 1 − cos(a, b), from 0 (same direction) to 2 (opposite). Vectors
	// of length zero have no direction and are refused.
	Cosine Metric = "cosine"
)

// chunkFloats is the size of one block of rows, in float32 values (1 MiB). A
// full block is never moved or copied when more rows arrive.
const chunkFloats = 1 << 18

// An Index holds vectors of one length under the names of their images. Rows
// are only ever added. It is safe for concurrent use: searches see the rows
// that were there when they began and do not block the writer.
type Index struct {
	dim    int
	metric Metric
	rows   int // rows of one chunk

	mu     sync.RWMutex
	chunks [][]float32          // each rows×dim, allocated whole; written once per row
	norms  []float64            // Euclidean length of each row; Cosine only
	ids    []assay.Digest       // in order of insertion
	at     map[assay.Digest]int // row of each id
}

// A Hit is one vector found by [Index.Nearest].
type Hit struct {
	ID       assay.Digest // the image the vector was added under
	Row      int          // position in order of insertion, from 0
	Distance float64      // by the index's metric
}

// New returns an empty index of vectors with dim values, compared by metric.
// The error wraps [assay.ErrInvalid] if dim is less than 1 or the metric is not
// one of [L2], [L1] and [Cosine].
func New(dim int, metric Metric) (*Index, error) {
	if dim < 1 {
		return nil, fmt.Errorf("index: dimension %d: want at least 1: %w", dim, assay.ErrInvalid)
	}
	switch metric {
	case L2, L1, Cosine:
	default:
		return nil, fmt.Errorf("index: no metric %q: use %q, %q or %q: %w", metric, L2, L1, Cosine, assay.ErrInvalid)
	}
	return &Index{
		dim:    dim,
		metric: metric,
		rows:   max(1, chunkFloats/dim),
		at:     map[assay.Digest]int{},
	}, nil
}

// Dim returns the number of values in each vector.
func (x *Index) Dim() int { return x.dim }

// Len returns the number of vectors held.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.ids)
}

// Add copies vec into the index under id. Adding the same vector under the same
// id again does nothing, so that a repeated job is harmless. The error wraps
// [assay.ErrInvalid] if vec has the wrong length, a value that is not finite,
// or no direction under [Cosine], and [assay.ErrConflict] if id is held with
// another vector.
func (x *Index) Add(id assay.Digest, vec []float32) error {
	norm, err := x.check(vec)
	if err != nil {
		return fmt.Errorf("index: add %s: %w", id.Short(), err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if row, ok := x.at[id]; ok {
		if slices.Equal(x.row(x.chunks, row), vec) {
			return nil
		}
		return fmt.Errorf("index: add %s: held with another vector; embed an image once per index: %w", id.Short(), assay.ErrConflict)
	}
	n := len(x.ids)
	if n == len(x.chunks)*x.rows {
		x.chunks = append(x.chunks, make([]float32, x.rows*x.dim))
	}
	copy(x.row(x.chunks, n), vec)
	if x.metric == Cosine {
		x.norms = append(x.norms, norm)
	}
	x.ids = append(x.ids, id)
	x.at[id] = n
	return nil
}

// row returns row i of chunks.
func (x *Index) row(chunks [][]float32, i int) []float32 {
	at := i % x.rows * x.dim
	return chunks[i/x.rows][at : at+x.dim : at+x.dim]
}

// check returns the Euclidean length of vec, or why it cannot be used.
func (x *Index) check(vec []float32) (float64, error) {
	if len(vec) != x.dim {
		return 0, fmt.Errorf("vector of %d values in an index of %d: %w", len(vec), x.dim, assay.ErrInvalid)
	}
	sum := 0.0
	for i, v := range vec {
		w := float64(v)
		if math.IsNaN(w) || math.IsInf(w, 0) {
			return 0, fmt.Errorf("value %d of the vector is %g: embed the image again: %w", i, v, assay.ErrInvalid)
		}
		sum += float64(w * w)
	}
	if x.metric == Cosine && sum == 0 {
		return 0, fmt.Errorf("vector of length zero has no direction for the cosine distance: %w", assay.ErrInvalid)
	}
	return math.Sqrt(sum), nil
}

package stat

import (
	"context"
	"fmt"

	"github.com/gen-emerge/assay"
)

// Moments are the count, mean and scatter of a set of vectors, in float64: all
// that the Fréchet distance asks of a set. They can be gathered in parts, on
// several machines, and merged.
type Moments struct {
	N       int       // rows seen
	Mean    []float64 // of each column
	Scatter []float64 // Σ (x−mean)(x−mean)ᵀ, row-major and symmetric, len(Mean)² numbers
}

// maxDim bounds the scatter matrix at 2 GiB.
const maxDim = 1 << 14

// NewMoments returns the moments of no vectors of dim numbers. A dim below 1 or
// above 16,384 is an error wrapping [assay.ErrInvalid].
func NewMoments(dim int) (*Moments, error) {
	if dim < 1 || dim > maxDim {
		return nil, fmt.Errorf("moments of %d dimensions: want 1 to %d: %w", dim, maxDim, assay.ErrInvalid)
	}
	return &Moments{Mean: make([]float64, dim), Scatter: make([]float64, dim*dim)}, nil
}

// Dim returns the length of the vectors.
func (m *Moments) Dim() int { return len(m.Mean) }

// Check refuses moments whose parts do not fit each other, or are not finite.
func (m *Moments) Check() error {
	d := len(m.Mean)
	if d < 1 || d > maxDim || len(m.Scatter) != d*d || m.N < 0 {
		return fmt.Errorf("moments of %d rows, %d means and %d products: they do not fit each other: %w", m.N, d, len(m.Scatter), assay.ErrInvalid)
	}
	if err := checkFinite("moments: means", m.Mean); err != nil {
		return err
	}
	return checkFinite("moments: scatter", m.Scatter)
}

// Clone returns a copy that shares nothing with m.
func (m *Moments) Clone() *Moments {
	return &Moments{N: m.N, Mean: append([]float64(nil), m.Mean...), Scatter: append([]float64(nil), m.Scatter...)}
}

// Add takes the rows of f in. Each block of rows is centred on its own mean and
// then merged (Chan, Golub and LeVeque 1979), so large means cost no digits.
// Every call touches the whole scatter matrix: many rows a call are faster than
// one. Rows of another length, or numbers that are not finite, are errors
// wrapping [assay.ErrInvalid] and change nothing. After the context's error m is
// of no use.
func (m *Moments) Add(ctx context.Context, f Features) error {
	if f.Dim != m.Dim() {
		return fmt.Errorf("moments: rows of %d numbers: want %d as in the rows before: %w", f.Dim, m.Dim(), assay.ErrInvalid)
	}
	if err := f.Check("moments", 0); err != nil {
		return err
	}
	for from := 0; from < f.Len(); from += momentsBlock {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		to := min(f.Len(), from+momentsBlock)
		m.addBlock(Features{Dim: f.Dim, Data: f.Data[from*f.Dim : to*f.Dim]})
	}
	return nil
}

const momentsBlock = 256

func (m *Moments) addBlock(f Features) {
	d, n := f.Dim, f.Len()
	block := &Moments{N: n, Mean: make([]float64, d), Scatter: make([]float64, d*d)}
	for i := range n {
		for j, v := range f.Row(i) {
			block.Mean[j] += float64(v)
		}
	}
	for j := range block.Mean {
		block.Mean[j] /= float64(n)
	}
	c := make([]float64, d)
	for i := range n {
		for j, v := range f.Row(i) {
			c[j] = float64(v) - block.Mean[j]
		}
		for j := range d {
			row := block.Scatter[j*d : (j+1)*d]
			for k := range row {
				row[k] += float64(c[j] * c[k])
			}
		}
	}
	m.merge(block)
}

// Merge takes in what o has seen; o stays as it is. The result is that of one
// pass over both up to rounding. Moments of other dimensions are an error
// wrapping [assay.ErrInvalid].
func (m *Moments) Merge(o *Moments) error {
	if o.Dim() != m.Dim() || len(o.Scatter) != len(m.Scatter) {
		return fmt.Errorf("moments: %d dimensions into %d: want features of one kind: %w", o.Dim(), m.Dim(), assay.ErrInvalid)
	}
	m.merge(o)
	return nil
}

func (m *Moments) merge(o *Moments) {
	if o.N == 0 {
		return
	}
	n := m.N + o.N
	share := float64(o.N) / float64(n)
	weight := float64(m.N) * share
	delta := make([]float64, len(m.Mean))
	for j := range delta {
		delta[j] = o.Mean[j] - m.Mean[j]
		m.Mean[j] += float64(delta[j] * share)
	}
	d := len(delta)
	for j := range d {
		row, add := m.Scatter[j*d:(j+1)*d], o.Scatter[j*d:(j+1)*d]
		for k := range row {
			row[k] += add[k] + float64(weight*float64(delta[j]*delta[k]))
		}
	}
	m.N = n
}

package stat

import (
	"context"
	"fmt"
	"math"

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

// Check refuses moments whose parts do not fit each other, are not finite, or are
// no scatter of anything: the error wraps [assay.ErrInvalid]. It is for moments
// that were read from a file.
func (m *Moments) Check() error {
	d := len(m.Mean)
	if d < 1 || d > maxDim || len(m.Scatter) != d*d || m.N < 0 {
		return fmt.Errorf("moments of %d rows, %d means and %d products: they do not fit each other: %w", m.N, d, len(m.Scatter), assay.ErrInvalid)
	}
	if err := checkFinite("moments: means", m.Mean); err != nil {
		return err
	}
	if err := checkFinite("moments: scatter", m.Scatter); err != nil {
		return err
	}
	for i := range d {
		if v := m.Scatter[i*d+i]; v < 0 || m.N < 2 && v > 0 {
			return fmt.Errorf("moments of %d rows: column %d scatters by %g: %w", m.N, i, v, assay.ErrInvalid)
		}
		for j := range i {
			a, b := m.Scatter[i*d+j], m.Scatter[j*d+i]
			if math.Abs(a-b) > 1e-9*max(m.Scatter[i*d+i], m.Scatter[j*d+j]) {
				return fmt.Errorf("moments: scatter of columns %d and %d is %g and %g: want a symmetric matrix: %w", j, i, b, a, assay.ErrInvalid)
			}
		}
	}
	return nil
}

// checkMoments checks two sets that are to be compared.
func checkMoments(what string, a, b *Moments, unbiased bool) error {
	if a.Dim() != b.Dim() {
		return fmt.Errorf("%s: %d dimensions against %d: want features of one kind: %w", what, a.Dim(), b.Dim(), assay.ErrInvalid)
	}
	for _, m := range []*Moments{a, b} {
		if err := m.Check(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if m.N < least(unbiased) {
			return fmt.Errorf("%s: %d rows: at least %d are needed: %w", what, m.N, least(unbiased), assay.ErrInvalid)
		}
	}
	return nil
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
	return m.add(ctx, best(), plain(f))
}

// momentsBlock is how many rows are centred together: with the one that stands
// for the shift of the mean, a multiple of what the kernel takes at a time.
const momentsBlock = 4*depth - 1

func (m *Moments) add(ctx context.Context, kn kernel, x rows) error {
	if x.n == 0 {
		return nil
	}
	d := m.Dim()
	block := min(momentsBlock, x.n)
	buf := make([]float64, block*d)
	for from := 0; from < x.n; from += block {
		if err := stopped(ctx); err != nil {
			return err
		}
		n := min(block, x.n-from)
		kn.chunks(n, 32, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				x.read(from+i, buf[i*d:(i+1)*d])
			}
		})
		a, b := kn.panel(0, d, n+1), kn.panel(1, d, n+1)
		m.pack(kn, a, b, buf, n)
		m.N += n
		ti := tilesOf(d)
		kn.parallel(ti*ti, func(_, at int) {
			i, j := at/ti*tileEdge, at%ti*tileEdge
			if i <= j {
				kn.mulTile(a, b, i, min(d, i+tileEdge), j, min(d, j+tileEdge), m.Scatter[i*d+j:], d)
			}
		})
	}
	mirror(kn, m.Scatter, d)
	return nil
}

// pack centres the n rows of buf column by column, lays them out as both sides of
// a product, and adds one row: the shift of the mean, weighted so that its square
// is what merging adds to the scatter. The mean is moved.
func (m *Moments) pack(kn kernel, a, b *panel, buf []float64, n int) {
	d := m.Dim()
	share := float64(n) / float64(m.N+n)
	weight := math.Sqrt(float64(m.N) * share)
	kn.chunks(d, groupEdge, func(from, to int) {
		mean := make([]float64, to-from)
		for i := range n {
			for j, v := range buf[i*d+from : i*d+to] {
				mean[j] += v
			}
		}
		shift := make([]float64, to-from)
		for j := range mean {
			mean[j] /= float64(n)
			delta := mean[j] - m.Mean[from+j]
			m.Mean[from+j] += float64(delta * share)
			shift[j] = delta * weight
		}
		row := make([]float64, to-from)
		for i := range n {
			for j, v := range buf[i*d+from : i*d+to] {
				row[j] = v - mean[j]
			}
			a.put(i, from, row)
			b.put(i, from, row)
		}
		a.put(n, from, shift)
		b.put(n, from, shift)
	})
}

// mirror copies what is above the diagonal of the n × n matrix s below it.
func mirror(kn kernel, s []float64, n int) {
	kn.chunks(n, 64, func(from, to int) {
		for j0 := 0; j0 < to; j0 += 64 {
			for i := from; i < to; i++ {
				for j := j0; j < min(j0+64, i); j++ {
					s[i*n+j] = s[j*n+i]
				}
			}
		}
	})
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

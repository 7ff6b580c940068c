package stat

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// Features is a set of vectors of one length, one row each: what a network says
// of each image of a set. Row i is Data[i*Dim : (i+1)*Dim].
type Features struct {
	Dim  int
	Data []float32
}

// Len returns the number of rows; 0 for a set without dimensions.
func (f Features) Len() int {
	if f.Dim < 1 {
		return 0
	}
	return len(f.Data) / f.Dim
}

// Row returns row i. It is part of Data, not a copy.
func (f Features) Row(i int) []float32 { return f.Data[i*f.Dim : (i+1)*f.Dim] }

// Check refuses sets with no dimension, with a part of a row, with fewer than
// least rows, or with a number that is not finite: the error wraps
// [assay.ErrInvalid] and names the row and column. The functions of this package
// call it themselves.
func (f Features) Check(what string, least int) error {
	if f.Dim < 1 {
		return fmt.Errorf("%s: features of %d dimensions: at least one is needed: %w", what, f.Dim, assay.ErrInvalid)
	}
	if len(f.Data)%f.Dim != 0 {
		return fmt.Errorf("%s: %d numbers are no whole number of rows of %d: %w", what, len(f.Data), f.Dim, assay.ErrInvalid)
	}
	if n := f.Len(); n < least {
		return fmt.Errorf("%s: %d rows: at least %d are needed: %w", what, n, least, assay.ErrInvalid)
	}
	for i, v := range f.Data {
		// A number minus itself is 0 unless it is NaN or infinite.
		if v-v != 0 {
			return fmt.Errorf("%s: row %d, column %d is %g: features must be finite: %w", what, i/f.Dim, i%f.Dim, v, assay.ErrInvalid)
		}
	}
	return nil
}

// checkTwo checks two sets that are to be compared.
func checkTwo(what string, x, y Features, least int) error {
	if x.Dim != y.Dim {
		return fmt.Errorf("%s: rows of %d numbers against rows of %d: want features of one kind: %w", what, x.Dim, y.Dim, assay.ErrInvalid)
	}
	if err := x.Check(what+": first set", least); err != nil {
		return err
	}
	return y.Check(what+": second set", least)
}

// rows reads a set as float64, whole or in part, as it is or changed.
type rows struct {
	n, dim int
	read   func(i int, dst []float64) // writes row i; called by several at once
}

// plain reads the rows of f as they are.
func plain(f Features) rows {
	return rows{f.Len(), f.Dim, func(i int, dst []float64) {
		for k, v := range f.Row(i) {
			dst[k] = float64(v)
		}
	}}
}

// pick reads the rows of r that index names, in its order.
func (r rows) pick(index []int) rows {
	return rows{len(index), r.dim, func(i int, dst []float64) { r.read(index[i], dst) }}
}

// unit reads the rows of r divided by their lengths. A row of zeros has no
// direction: an error wrapping [assay.ErrInvalid] names it.
func (r rows) unit(kn kernel, what string) (rows, error) {
	length := make([]float64, r.n)
	kn.chunks(r.n, 256, func(from, to int) {
		buf := make([]float64, r.dim)
		for i := from; i < to; i++ {
			r.read(i, buf)
			length[i] = math.Sqrt(dot(buf, buf))
		}
	})
	for i, l := range length {
		if l == 0 {
			return rows{}, fmt.Errorf("%s: row %d is all zeros and has no direction to compare: %w", what, i, assay.ErrInvalid)
		}
	}
	return rows{r.n, r.dim, func(i int, dst []float64) {
		r.read(i, dst)
		for k := range dst {
			dst[k] /= length[i]
		}
	}}, nil
}

// dot adds the products in order, as a [kernel] does.
func dot(a, b []float64) float64 {
	s := 0.0
	for k, v := range a {
		s = math.FMA(v, b[k], s)
	}
	return s
}

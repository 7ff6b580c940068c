package archive

import (
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// The quantiles that bound an axis unless told otherwise: those of pyribs' own
// tutorial on quality-diversity through human feedback. A few extreme images
// then do not stretch the map.
const (
	DefaultLo = 0.01
	DefaultHi = 0.99
)

// widen is how far the bounds of an axis without any spread are set apart: on
// each side, this share of the value's magnitude.
const widen = 0.1

// An AxisSample is a descriptor with the values measured so far, from which
// [FromQuantiles] sets its bounds.
type AxisSample struct {
	Descriptor string
	Values     []float64 // finite, at least one
	Cells      int
}

// FromQuantiles returns one axis per sample, bounded by the lo and hi quantiles
// of its values (linear interpolation between order statistics, as numpy's
// default), and notes for people on axes whose bounds had to be set otherwise:
// where the quantiles are equal the smallest and largest value bound the axis,
// and where all values are equal the bounds lie a tenth of the value's
// magnitude to either side, or ±0.5 around 0. Quantiles of 0 and 0 mean
// [DefaultLo] and [DefaultHi].
//
// The error wraps [assay.ErrInvalid] if the quantiles are not 0 ≤ lo < hi ≤ 1, a
// sample is empty or has a value that is not finite, or the axes make no grid
// that [NewGrid] accepts.
func FromQuantiles(samples []AxisSample, lo, hi float64) ([]assay.Axis, []string, error) {
	if lo == 0 && hi == 0 {
		lo, hi = DefaultLo, DefaultHi
	}
	if !(0 <= lo && lo < hi && hi <= 1) {
		return nil, nil, fmt.Errorf("grid: bounds from quantiles %g and %g: want 0 ≤ lo < hi ≤ 1: %w", lo, hi, assay.ErrInvalid)
	}
	axes := make([]assay.Axis, len(samples))
	var notes []string
	for i, s := range samples {
		axes[i] = assay.Axis{Descriptor: s.Descriptor, Cells: s.Cells}
		note, err := bound(&axes[i], s.Values, lo, hi)
		if err != nil {
			return nil, nil, fmt.Errorf("grid: bounds of axis %d %q: %w", i, s.Descriptor, err)
		}
		if note != "" {
			notes = append(notes, fmt.Sprintf("%s: %s", s.Descriptor, note))
		}
	}
	if _, err := NewGrid(axes); err != nil {
		return nil, nil, err
	}
	return axes, notes, nil
}

// bound sets the bounds of a and says what was unusual about them.
func bound(a *assay.Axis, values []float64, lo, hi float64) (note string, err error) {
	if a.Lo, err = stat.Quantile(values, lo); err != nil {
		return "", err
	}
	if a.Hi, err = stat.Quantile(values, hi); err != nil {
		return "", err
	}
	if a.Lo < a.Hi {
		return "", nil
	}
	a.Lo, a.Hi = slices.Min(values), slices.Max(values)
	if a.Lo < a.Hi {
		return fmt.Sprintf("most of %d values are equal, so the smallest (%g) and largest (%g) bound the axis", len(values), a.Lo, a.Hi), nil
	}
	v, half := a.Lo, 0.5
	if v != 0 {
		half = widen * math.Abs(v)
	}
	a.Lo, a.Hi = v-half, v+half
	return fmt.Sprintf("all of %d values are %g; the bounds around it are a guess until images differ", len(values), v), nil
}

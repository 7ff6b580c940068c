// Package archive keeps a series' map of what has been covered: a grid of
// descriptors whose cells each hold one elite, the challengers that wait to be
// compared with it, and the history of who was displaced on what evidence.
//
// An elite is a claim with evidence. There is no score to compare, so a newcomer
// to an occupied cell replaces nobody by arriving; it replaces the elite when
// comparisons make it probable enough that it is better.
//
// An archive is a view. It is rebuilt from the facts (placements in order of
// arrival, judgments in order) and its state depends on nothing but the grid,
// the options and the sequence of calls; to withdraw a judgment or an image,
// build it again without. Nothing is ever evicted from a cell, so coverage never
// falls while images are added.
//
// The words are those of pyribs (Tjanaka et al., GECCO 2023), the idea of
// MAP-Elites is Mouret and Clune's (arXiv 1504.04909).
package archive

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/gen-emerge/assay"
)

// MaxCells is the largest number of cells a grid may have. A map that people
// look at has a few hundred; a million is where a grid has stopped being one.
const MaxCells = 1_000_000

// maxBound keeps a bound times a number of cells inside float64.
const maxBound = 1e300

// A Grid cuts the space of descriptors into cells: along each axis, equal
// intervals between a lower and an upper bound. It is immutable and safe for
// concurrent use.
//
// Cell i of an axis holds the values v with Boundary(i) ≤ v < Boundary(i+1);
// the last cell also holds its upper boundary, and values outside the bounds go
// to the first or the last cell. No epsilon is added. pyribs adds 1e-6 divided
// by the interval before rounding down, so that a value just under a boundary
// lands above it; here [Grid.Index] and [Grid.Bounds] always agree.
type Grid struct {
	axes  []assay.Axis
	edges [][]float64 // for each axis Cells+1 boundaries, strictly increasing
	cells int         // product of the axes' Cells
}

// NewGrid returns the grid with the given axes, two to four of them. The error
// wraps [assay.ErrInvalid] and says which axis is wrong and what to write: an
// empty or repeated descriptor, bounds that are not finite, not in order or
// beyond ±1e300, fewer than one cell, cells too narrow for float64 to tell
// apart, or more than [MaxCells] cells in all.
func NewGrid(axes []assay.Axis) (*Grid, error) {
	if len(axes) < 2 || len(axes) > 4 {
		return nil, fmt.Errorf("grid of %d axes: give two to four: %w", len(axes), assay.ErrInvalid)
	}
	g := &Grid{axes: slices.Clone(axes), edges: make([][]float64, len(axes)), cells: 1}
	for i, a := range axes {
		if err := checkAxis(a); err != nil {
			return nil, fmt.Errorf("grid: axis %d %q: %w: %w", i, a.Descriptor, err, assay.ErrInvalid)
		}
		for j, b := range axes[:i] {
			if a.Descriptor == b.Descriptor {
				return nil, fmt.Errorf("grid: axes %d and %d are both %q: name each descriptor once: %w", j, i, a.Descriptor, assay.ErrInvalid)
			}
		}
		if a.Cells > MaxCells/g.cells {
			return nil, fmt.Errorf("grid: more than %d cells with axis %d %q cut into %d: cut the axes into fewer: %w",
				MaxCells, i, a.Descriptor, a.Cells, assay.ErrInvalid)
		}
		g.cells *= a.Cells
		g.edges[i] = edges(a)
		for c := range a.Cells {
			if g.edges[i][c] >= g.edges[i][c+1] {
				return nil, fmt.Errorf("grid: axis %d %q: %d cells between %g and %g are too narrow to tell apart: use fewer cells or wider bounds: %w",
					i, a.Descriptor, a.Cells, a.Lo, a.Hi, assay.ErrInvalid)
			}
		}
	}
	return g, nil
}

// checkAxis says what is wrong with one axis taken alone.
func checkAxis(a assay.Axis) error {
	switch {
	case a.Descriptor == "":
		return fmt.Errorf("no descriptor: name an instrument")
	case !(math.Abs(a.Lo) <= maxBound) || !(math.Abs(a.Hi) <= maxBound): // also NaN
		return fmt.Errorf("bounds %g and %g: want numbers within ±%g", a.Lo, a.Hi, maxBound)
	case a.Lo >= a.Hi:
		return fmt.Errorf("lower bound %g is not below upper bound %g: swap or widen them", a.Lo, a.Hi)
	case a.Cells < 1:
		return fmt.Errorf("%d cells: want at least 1", a.Cells)
	}
	return nil
}

// edges returns the boundaries of the cells of a. Weighing both bounds, rather
// than adding steps to the lower one, gives the float64 nearest to a decimal
// boundary such as 0.3 wherever bounds times cells are exact.
func edges(a assay.Axis) []float64 {
	out := make([]float64, a.Cells+1)
	n := float64(a.Cells)
	for i := range out {
		out[i] = (a.Lo*(n-float64(i)) + a.Hi*float64(i)) / n
	}
	out[0], out[a.Cells] = a.Lo, a.Hi
	return out
}

// Axes returns a copy of the grid's axes.
func (g *Grid) Axes() []assay.Axis { return slices.Clone(g.axes) }

// Cells returns the number of cells in the whole grid.
func (g *Grid) Cells() int { return g.cells }

// Index returns the cell that descriptor falls into, counted row by row with
// the last axis fastest, as numpy.ravel_multi_index and pyribs count, and
// whether any value lay outside its axis's bounds. The descriptor has one value
// per axis, in the axes' order. The error wraps [assay.ErrInvalid] if it has
// another length or a value that is not finite.
func (g *Grid) Index(descriptor []float64) (cell int, clamped bool, err error) {
	if err := g.check(descriptor); err != nil {
		return -1, false, err
	}
	for i, v := range descriptor {
		a := &g.axes[i]
		cell = cell*a.Cells + g.position(i, v)
		clamped = clamped || v < a.Lo || v > a.Hi
	}
	return cell, clamped, nil
}

// check says why a descriptor has no cell.
func (g *Grid) check(descriptor []float64) error {
	if len(descriptor) != len(g.axes) {
		return fmt.Errorf("descriptor of %d values on a grid of %d axes: measure every axis: %w", len(descriptor), len(g.axes), assay.ErrInvalid)
	}
	for i, v := range descriptor {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("descriptor %q is %g, which has no cell: measure it again: %w", g.axes[i].Descriptor, v, assay.ErrInvalid)
		}
	}
	return nil
}

// position returns the cell of v along one axis. The guess by division may be
// off by rounding, so the boundaries themselves decide.
func (g *Grid) position(axis int, v float64) int {
	a, edges := &g.axes[axis], g.edges[axis]
	switch {
	case v <= a.Lo:
		return 0
	case v >= a.Hi:
		return a.Cells - 1
	}
	c := min(a.Cells-1, int((v-a.Lo)/(a.Hi-a.Lo)*float64(a.Cells)))
	if edges[c] <= v && v < edges[c+1] {
		return c
	}
	return sort.Search(a.Cells, func(i int) bool { return v < edges[i+1] })
}

// Coords returns the position of a cell along each axis, counted from 0. The
// cell must be one that [Grid.Index] can return; for any other number the
// result is nil.
func (g *Grid) Coords(cell int) []int {
	if cell < 0 || cell >= g.cells {
		return nil
	}
	out := make([]int, len(g.axes))
	for i := len(g.axes) - 1; i >= 0; i-- {
		out[i] = cell % g.axes[i].Cells
		cell /= g.axes[i].Cells
	}
	return out
}

// Cell returns the cell at the given position along each axis: the inverse of
// [Grid.Coords]. The error wraps [assay.ErrInvalid] if there is no such cell.
func (g *Grid) Cell(coords []int) (int, error) {
	if len(coords) != len(g.axes) {
		return -1, fmt.Errorf("cell %v on a grid of %d axes: give one position per axis: %w", coords, len(g.axes), assay.ErrInvalid)
	}
	cell := 0
	for i, c := range coords {
		if c < 0 || c >= g.axes[i].Cells {
			return -1, fmt.Errorf("cell %v: axis %q has positions 0 to %d: %w", coords, g.axes[i].Descriptor, g.axes[i].Cells-1, assay.ErrInvalid)
		}
		cell = cell*g.axes[i].Cells + c
	}
	return cell, nil
}

// Bounds returns the lower and upper boundary of a cell on each axis, in the
// descriptor's units; both are nil if there is no such cell. What is clamped
// into an outer cell lies outside of them.
func (g *Grid) Bounds(cell int) (lo, hi []float64) {
	for i, c := range g.Coords(cell) {
		lo = append(lo, g.edges[i][c])
		hi = append(hi, g.edges[i][c+1])
	}
	return lo, hi
}

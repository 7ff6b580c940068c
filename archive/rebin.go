package archive

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/gen-emerge/assay"
)

// A Rebinning says what another grid would do to the images of an archive.
type Rebinning struct {
	Before Occupancy `json:"before"`
	After  Occupancy `json:"after"`
	// ElitesOnly is the occupancy of the new grid if nothing but the present
	// elites were inserted: the fair way to compare two ways of cutting, since
	// it asks both to tell the same images apart.
	ElitesOnly Occupancy `json:"elites_only"`

	Merged   []Merge        `json:"merged"`  // new cells where elites of several present cells meet, in order of index
	Split    []Split        `json:"split"`   // present cells whose images would spread over several, in order of index
	Moved    int            `json:"moved"`   // images whose position on the axes would change; telling only if both grids have the same axes
	Clamped  int            `json:"clamped"` // images outside the bounds of the new grid
	Unplaced []assay.Digest `json:"unplaced"`
}

// Occupancy is how many cells of a grid are taken.
type Occupancy struct {
	Cells    int     `json:"cells"`
	Occupied int     `json:"occupied"`
	Coverage float64 `json:"coverage"` // Occupied / Cells, 0 to 1
}

// A Merge is one new cell in which several present elites meet; all but one
// would become challengers.
type Merge struct {
	Coords []int          `json:"cell"`
	Elites []assay.Digest `json:"elites"` // in order of their present cells
}

// A Split is one present cell whose images would spread over several cells.
type Split struct {
	Coords []int   `json:"cell"`
	Into   [][]int `json:"into"` // positions on the new grid, in order of index
}

// Rebin reports what would become of the archive's images on another grid, and
// changes nothing. Descriptor gives an image's values on the axes of the new
// grid; images for which it returns something that has no cell there are listed
// as unplaced, in order of arrival. If it is nil, the new grid must have the
// same descriptors in the same order, and the archive's own values are used;
// otherwise the error wraps [assay.ErrInvalid].
func Rebin(a *Archive, to *Grid, descriptor func(assay.Digest) []float64) (Rebinning, error) {
	if to == nil {
		return Rebinning{}, fmt.Errorf("rebin: no grid: make one with NewGrid: %w", assay.ErrInvalid)
	}
	if descriptor == nil {
		same := slices.EqualFunc(a.grid.axes, to.axes, func(x, y assay.Axis) bool { return x.Descriptor == y.Descriptor })
		if !same {
			return Rebinning{}, fmt.Errorf("rebin: the new grid has other descriptors: say how to read them: %w", assay.ErrInvalid)
		}
		descriptor = func(d assay.Digest) []float64 { return a.items[d].Descriptor }
	}
	var r Rebinning
	into := make(map[assay.Digest]int, len(a.items))
	after := map[int]bool{}
	byArrival := slices.SortedFunc(maps.Values(a.items), func(x, y *item) int { return cmp.Compare(x.order, y.order) })
	for _, it := range byArrival {
		n, clamped, err := to.Index(descriptor(it.Image))
		if err != nil {
			r.Unplaced = append(r.Unplaced, it.Image)
			continue
		}
		into[it.Image], after[n] = n, true
		if clamped {
			r.Clamped++
		}
		if !slices.Equal(a.grid.Coords(it.cell), to.Coords(n)) {
			r.Moved++
		}
	}
	elites := map[int][]assay.Digest{}
	for _, n := range slices.Sorted(maps.Keys(a.cells)) {
		at := a.cells[n]
		if m, ok := into[at.elite.Image]; ok {
			elites[m] = append(elites[m], at.elite.Image)
		}
		if s := split(at, into); len(s) > 1 {
			r.Split = append(r.Split, Split{a.grid.Coords(n), coords(to, s)})
		}
	}
	for _, m := range slices.Sorted(maps.Keys(elites)) {
		if len(elites[m]) > 1 {
			r.Merged = append(r.Merged, Merge{to.Coords(m), elites[m]})
		}
	}
	r.Before = occupancy(a.grid, len(a.cells))
	r.After = occupancy(to, len(after))
	r.ElitesOnly = occupancy(to, len(elites))
	return r, nil
}

// split returns the new cells of the images in one cell, in order.
func split(at *cell, into map[assay.Digest]int) []int {
	seen := map[int]bool{}
	for _, it := range append([]*item{at.elite}, at.challengers...) {
		if n, ok := into[it.Image]; ok {
			seen[n] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// coords returns the positions of several cells.
func coords(g *Grid, cells []int) [][]int {
	out := make([][]int, len(cells))
	for i, n := range cells {
		out[i] = g.Coords(n)
	}
	return out
}

// occupancy returns how full a grid is.
func occupancy(g *Grid, occupied int) Occupancy {
	return Occupancy{g.cells, occupied, float64(occupied) / float64(g.cells)}
}

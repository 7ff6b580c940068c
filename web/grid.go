package web

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/series"
)

const (
	// gridSide bounds the columns and rows on one page; larger grids are shown
	// in windows with links to their neighbours.
	gridSide = 40
	// gridThumbs bounds the pictures in a grid; further elites are marks with
	// the same links.
	gridThumbs = 600
	// gridTicks bounds the labels along an axis.
	gridTicks = 8
)

// A gridView is what the map page shows of the archive: two axes as a table,
// the others cut at one cell.
type gridView struct {
	X, Y       axisView
	Rows       []gridRow // from the top: the highest cells of Y first
	Slices     []sliceView
	Windows    []link
	Size       string // style class by the number of columns
	Elsewhere  int    // occupied cells outside of what is shown
	Unpictured int    // elites shown as marks
}

type gridRow struct {
	Tick  tick
	Cells []cellView
}

type axisView struct {
	Descriptor, Unit, Doc string
	Ticks                 []tick // one a column; unused for Y, whose rows have theirs
}

// A tick labels the lower boundary of a column or row, and the upper one of
// the last.
type tick struct {
	Lo, Hi string // empty: no label here
}

type cellView struct {
	Anchor      string
	Label       string // for people who cannot see the picture
	Side        string // style classes: where the tooltip opens
	Coords      []int
	Elite       assay.Digest // zero if the cell is empty
	Pictured    bool         // false: a mark without picture and tooltip
	Challengers []archive.Challenger
	Readings    []axisValue
	Prompt      string
	Seq         int64
}

type axisValue struct {
	Descriptor, Unit string
	Value            float64
	Clamped          bool // outside the axis's bounds
}

// A sliceView is one axis beyond the first two, with the cell it is cut at.
type sliceView struct {
	Descriptor string
	Range      string
	Links      []link
}

type link struct {
	Text, URL string
	Here      bool
	Count     int // occupied cells there
}

// at is where a map page looks: the corner of its window and the cell of each
// axis beyond the first two.
type at struct {
	x, y  int
	slice []int
}

// query writes where a page looks as its address.
func (a at) query(axes []assay.Axis) string {
	q := url.Values{}
	for i, c := range a.slice {
		q.Set(axes[i+2].Descriptor, strconv.Itoa(c))
	}
	if a.x > 0 {
		q.Set("x", strconv.Itoa(a.x))
	}
	if a.y > 0 {
		q.Set("y", strconv.Itoa(a.y))
	}
	if len(q) == 0 {
		return "/"
	}
	return "/?" + q.Encode()
}

// holding returns where the map must look to show a cell.
func holding(coords []int) at {
	return at{x: coords[0] / gridSide * gridSide, y: coords[1] / gridSide * gridSide, slice: coords[2:]}
}

// cellURL is the address of a cell on the map.
func cellURL(axes []assay.Axis, coords []int) string {
	if len(coords) != len(axes) {
		return "/"
	}
	return holding(coords).query(axes) + "#" + anchor(coords)
}

func anchor(coords []int) string {
	var b strings.Builder
	b.WriteString("cell")
	for _, c := range coords {
		fmt.Fprintf(&b, "-%d", c)
	}
	return b.String()
}

// lookAt reads where a request wants the map to look. Where it does not say, the
// fullest slice is shown.
func lookAt(q url.Values, axes []assay.Axis, occupied []archive.Cell) (at, error) {
	number := func(name string, limit int) (int, error) {
		n, err := strconv.Atoi(q.Get(name))
		if err != nil || n < 0 || n >= limit {
			return 0, fmt.Errorf("%s %q: want a number from 0 to %d: %w", name, clip(q.Get(name), 20), limit-1, assay.ErrInvalid)
		}
		return n, nil
	}
	a := at{slice: fullest(axes, occupied)}
	for i := range a.slice {
		axis := axes[i+2]
		if q.Has(axis.Descriptor) {
			n, err := number(axis.Descriptor, axis.Cells)
			if err != nil {
				return a, err
			}
			a.slice[i] = n
		}
	}
	for name, to := range map[string]*int{"x": &a.x, "y": &a.y} {
		if !q.Has(name) {
			continue
		}
		limit := axes[0].Cells
		if name == "y" {
			limit = axes[1].Cells
		}
		n, err := number(name, limit)
		if err != nil {
			return a, err
		}
		*to = n
	}
	return a, nil
}

// fullest returns the cut through the axes beyond the first two that shows
// most occupied cells, the first such in order.
func fullest(axes []assay.Axis, occupied []archive.Cell) []int {
	counts := map[string]int{}
	cuts := map[string][]int{}
	for _, c := range occupied {
		key := anchor(c.Coords[2:])
		cuts[key] = c.Coords[2:]
		counts[key]++
	}
	best := make([]int, len(axes)-2)
	most := 0
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		if counts[key] > most {
			most, best = counts[key], slices.Clone(cuts[key])
		}
	}
	return best
}

// gridView lays out what a map page shows.
func (st *site) gridView(ctx context.Context, v *series.View, occupied []archive.Cell, here at) (gridView, error) {
	axes := v.Grid.Axes
	g := gridView{X: axisOf(axes[0]), Y: axisOf(axes[1])}
	x0, x1 := here.x, min(here.x+gridSide, axes[0].Cells)
	y0, y1 := here.y, min(here.y+gridSide, axes[1].Cells)
	visible := map[[2]int]archive.Cell{}
	for _, c := range occupied {
		if slices.Equal(c.Coords[2:], here.slice) && c.Coords[0] >= x0 && c.Coords[0] < x1 && c.Coords[1] >= y0 && c.Coords[1] < y1 {
			visible[[2]int{c.Coords[0], c.Coords[1]}] = c
		}
	}
	g.Elsewhere = len(occupied) - len(visible)
	units := make([]string, len(axes))
	for i, a := range axes {
		units[i] = unit(a.Descriptor)
	}
	pictured := 0
	for y := y1 - 1; y >= y0; y-- {
		row := gridRow{Tick: tickAt(axes[1], y, y0, y1)}
		for x := x0; x < x1; x++ {
			cell := cellView{Coords: append([]int{x, y}, here.slice...), Side: side(x-x0, x1-x0, y-y0, y1-y0)}
			cell.Anchor, cell.Label = anchor(cell.Coords), cellLabel(axes, cell.Coords)
			if c, ok := visible[[2]int{x, y}]; ok {
				cell.Pictured = pictured < gridThumbs
				if err := st.fill(ctx, &cell, c, axes, units); err != nil {
					return g, err
				}
				pictured++
			}
			row.Cells = append(row.Cells, cell)
		}
		g.Rows = append(g.Rows, row)
	}
	g.Unpictured = max(0, pictured-gridThumbs)
	for x := x0; x < x1; x++ {
		g.X.Ticks = append(g.X.Ticks, tickAt(axes[0], x, x0, x1))
	}
	g.Size = sizeClass(x1 - x0)
	g.Slices = sliceViews(axes, occupied, here)
	g.Windows = windows(axes, here)
	return g, nil
}

// fill tells of the elite of a cell; of one without picture, only its name.
func (st *site) fill(ctx context.Context, cell *cellView, c archive.Cell, axes []assay.Axis, units []string) error {
	cell.Elite, cell.Seq, cell.Challengers = c.Elite.Image, c.Elite.Seq, c.Challengers
	cell.Label = fmt.Sprintf("image %d, %s, %s", c.Elite.Seq, counted(len(c.Challengers), "challenger", "challengers"), cell.Label)
	if !cell.Pictured {
		return nil
	}
	e, err := st.series.Entry(ctx, c.Elite.Image)
	if err != nil {
		return err
	}
	cell.Prompt = clip(e.Prompt, 140)
	for i, x := range c.Elite.Descriptor {
		a := axes[i]
		cell.Readings = append(cell.Readings, axisValue{Descriptor: a.Descriptor, Unit: units[i], Value: x, Clamped: x < a.Lo || x > a.Hi})
	}
	return nil
}

func axisOf(a assay.Axis) axisView {
	if doc := series.AxisDoc(a.Descriptor); doc != "" {
		return axisView{Descriptor: a.Descriptor, Doc: strings.ToUpper(doc[:1]) + doc[1:]}
	}
	spec, _ := metric.Find(a.Descriptor) // an instrument of a later version has no description here
	return axisView{Descriptor: a.Descriptor, Unit: spec.Unit, Doc: spec.Doc}
}

func unit(instrument string) string {
	spec, _ := metric.Find(instrument)
	return spec.Unit
}

// boundary is the lower boundary of cell i of an axis.
func boundary(a assay.Axis, i int) float64 {
	return a.Lo + (a.Hi-a.Lo)*float64(i)/float64(a.Cells)
}

func interval(a assay.Axis, cell int) string {
	return num(boundary(a, cell)) + " to " + num(boundary(a, cell+1))
}

// cellLabel says in words where a cell is.
func cellLabel(axes []assay.Axis, coords []int) string {
	var parts []string
	for i, c := range coords {
		parts = append(parts, axes[i].Descriptor+" "+interval(axes[i], c))
	}
	return strings.Join(parts, ", ")
}

func tickAt(a assay.Axis, i, from, to int) tick {
	var t tick
	every := (to - from + gridTicks - 1) / gridTicks
	if (i-from)%every == 0 {
		t.Lo = short(boundary(a, i))
	}
	if i == to-1 {
		t.Hi = short(boundary(a, to))
	}
	return t
}

// side says to which side a cell's tooltip opens: towards the middle.
func side(x, columns, y, rows int) string {
	h, v := "to-right", "to-top"
	if 2*x >= columns {
		h = "to-left"
	}
	if 2*y >= rows {
		v = "to-bottom"
	}
	return h + " " + v
}

func sizeClass(columns int) string {
	switch {
	case columns <= 4:
		return "few"
	case columns <= 10:
		return "some"
	case columns <= 20:
		return "many"
	}
	return "wide"
}

func sliceViews(axes []assay.Axis, occupied []archive.Cell, here at) []sliceView {
	var out []sliceView
	for i, cut := range here.slice {
		axis := axes[i+2]
		v := sliceView{Descriptor: axis.Descriptor, Range: interval(axis, cut)}
		for c := range min(axis.Cells, gridSide) {
			to := at{slice: slices.Clone(here.slice)}
			to.slice[i] = c
			n := 0
			for _, cell := range occupied {
				if slices.Equal(cell.Coords[2:], to.slice) {
					n++
				}
			}
			v.Links = append(v.Links, link{Text: interval(axis, c), URL: to.query(axes), Here: c == cut, Count: n})
		}
		out = append(out, v)
	}
	return out
}

// windows links to the parts of a grid too large for one page.
func windows(axes []assay.Axis, here at) []link {
	if axes[0].Cells <= gridSide && axes[1].Cells <= gridSide {
		return nil
	}
	var out []link
	add := func(text string, x, y int) {
		if x >= 0 && y >= 0 && x < axes[0].Cells && y < axes[1].Cells && cmp.Or(x-here.x, y-here.y) != 0 {
			out = append(out, link{Text: text, URL: at{x: x, y: y, slice: here.slice}.query(axes)})
		}
	}
	add("← lower "+axes[0].Descriptor, here.x-gridSide, here.y)
	add("higher "+axes[0].Descriptor+" →", here.x+gridSide, here.y)
	add("↓ lower "+axes[1].Descriptor, here.x, here.y-gridSide)
	add("↑ higher "+axes[1].Descriptor, here.x, here.y+gridSide)
	return out
}

package archive

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

// golden is testdata/pyribs.json, made by reference/archive_pyribs.py.
type golden struct {
	Dims   []int
	Ranges [][2]float64
	Cases  map[string]struct {
		Points [][]float64
		Cells  []int
		Coords [][]int
	}
	Adds struct {
		Points    [][]float64
		Statuses  []Status
		Coverage  float64
		NumElites int `json:"num_elites"`
	}
}

func (g golden) axes() []assay.Axis {
	axes := make([]assay.Axis, len(g.Dims))
	for i, n := range g.Dims {
		axes[i] = assay.Axis{Descriptor: string(rune('a' + i)), Lo: g.Ranges[i][0], Hi: g.Ranges[i][1], Cells: n}
	}
	return axes
}

func readGolden(t *testing.T) []golden {
	t.Helper()
	data, err := os.ReadFile("testdata/pyribs.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []golden
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func mustGrid(t testing.TB, axes ...assay.Axis) *Grid {
	t.Helper()
	g, err := NewGrid(axes)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// snap moves each value that lies within two units in the last place of a
// boundary onto it: pyribs takes its boundaries from numpy.linspace, which adds
// steps and so misses the nearest float64 now and then.
func snap(g *Grid, p []float64) {
	for i, v := range p {
		for _, e := range g.edges[i] {
			if math.Abs(v-e) <= 2*math.Abs(math.Nextafter(e, math.Inf(1))-e) {
				p[i] = e
			}
		}
	}
}

// TestPyribsIndex compares cells with pyribs' GridArchive: equal for points
// inside, outside and on the boundaries; one lower on the first axis for points
// that only pyribs' epsilon lifts over a boundary.
func TestPyribsIndex(t *testing.T) {
	for _, want := range readGolden(t) {
		g := mustGrid(t, want.axes()...)
		for name, c := range want.Cases {
			for i, p := range c.Points {
				if name == "edges" {
					snap(g, p)
				}
				got, clamped, err := g.Index(p)
				if err != nil {
					t.Fatal(err)
				}
				coords := slices.Clone(c.Coords[i])
				if name == "under" {
					coords[0]--
				} else if got != c.Cells[i] {
					t.Errorf("%v %s %v: cell %d, pyribs says %d", want.Dims, name, p, got, c.Cells[i])
				}
				if d := cmp.Diff(coords, g.Coords(got)); d != "" {
					t.Errorf("%v %s %v: coordinates (-want +got)\n%s", want.Dims, name, p, d)
				}
				outside := false
				for j, v := range p {
					outside = outside || v < want.Ranges[j][0] || v > want.Ranges[j][1]
				}
				if clamped != outside {
					t.Errorf("%v %s %v: clamped %v, want %v", want.Dims, name, p, clamped, outside)
				}
			}
		}
		if len(want.Cases["inside"].Points) == 0 || len(want.Cases["edges"].Points) == 0 || len(want.Cases["outside"].Points) == 0 {
			t.Errorf("%v: golden points are missing", want.Dims)
		}
	}
}

// TestIndexBounds holds that Index and Bounds agree for every boundary and its
// float64 neighbours, whatever the bounds, and that Coords and Cell invert.
func TestIndexBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		axes := make([]assay.Axis, 2+rng.IntN(3))
		for i := range axes {
			scale := math.Pow(10, float64(rng.IntN(13)-6))
			lo := rng.NormFloat64() * scale
			axes[i] = assay.Axis{Descriptor: string(rune('a' + i)), Lo: lo, Hi: lo + scale*rng.ExpFloat64() + scale/100, Cells: 1 + rng.IntN(9)}
		}
		g := mustGrid(t, axes...)
		p := make([]float64, len(axes))
		for range 50 {
			for i := range p {
				e := g.edges[i][rng.IntN(axes[i].Cells+1)]
				p[i] = []float64{e, math.Nextafter(e, math.Inf(-1)), math.Nextafter(e, math.Inf(1)), e + rng.NormFloat64()}[rng.IntN(4)]
			}
			cell, _, err := g.Index(p)
			if err != nil {
				t.Fatal(err)
			}
			coords := g.Coords(cell)
			if back, err := g.Cell(coords); err != nil || back != cell {
				t.Fatalf("cell %d has position %v, which is cell %d (%v)", cell, coords, back, err)
			}
			lo, hi := g.Bounds(cell)
			for i, v := range p {
				first, last := coords[i] == 0, coords[i] == axes[i].Cells-1
				if (v < lo[i] && !first) || (v >= hi[i] && !last) {
					t.Errorf("%g on %+v went to cell %d, [%g, %g)", v, axes[i], coords[i], lo[i], hi[i])
				}
			}
		}
	}
}

// TestDecimalEdges holds that boundaries are the float64 that people write.
func TestDecimalEdges(t *testing.T) {
	g := mustGrid(t, assay.Axis{Descriptor: "a", Lo: -1, Hi: 1, Cells: 20}, assay.Axis{Descriptor: "b", Lo: 0, Hi: 1, Cells: 10})
	for i, v := range []float64{0, .1, .2, .3, .4, .5, .6, .7, .8, .9} {
		cell, _, _ := g.Index([]float64{v, v})
		if want := []int{10 + i, i}; !slices.Equal(g.Coords(cell), want) {
			t.Errorf("%g: position %v, want %v", v, g.Coords(cell), want)
		}
	}
}

func TestNewGridRefuses(t *testing.T) {
	ok := assay.Axis{Descriptor: "hue", Lo: 0, Hi: 1, Cells: 10}
	check := func(want string, axes ...assay.Axis) {
		t.Helper()
		_, err := NewGrid(axes)
		if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
	with := func(change func(*assay.Axis)) assay.Axis {
		a := ok
		a.Descriptor = "blur"
		change(&a)
		return a
	}
	check("two to four")
	check("two to four", ok)
	check("two to four", ok, ok, ok, ok, ok)
	check("once", ok, ok)
	check("name an instrument", ok, with(func(a *assay.Axis) { a.Descriptor = "" }))
	check("swap or widen", ok, with(func(a *assay.Axis) { a.Lo = 1 }))
	check("swap or widen", ok, with(func(a *assay.Axis) { a.Hi = -1 }))
	check("numbers within", ok, with(func(a *assay.Axis) { a.Lo = math.NaN() }))
	check("numbers within", ok, with(func(a *assay.Axis) { a.Hi = math.Inf(1) }))
	check("numbers within", ok, with(func(a *assay.Axis) { a.Hi = 1e301 }))
	check("at least 1", ok, with(func(a *assay.Axis) { a.Cells = 0 }))
	check("fewer", ok, with(func(a *assay.Axis) { a.Cells = MaxCells/10 + 1 }))
	check("fewer", ok, with(func(a *assay.Axis) { a.Cells = math.MaxInt }))
	check("too narrow", ok, with(func(a *assay.Axis) { a.Lo, a.Hi, a.Cells = 1e9, 1e9+1e-5, 1000 }))
	if _, err := NewGrid([]assay.Axis{ok, with(func(a *assay.Axis) { a.Cells = MaxCells / 10 })}); err != nil {
		t.Errorf("%d cells: %v", MaxCells, err)
	}
}

func TestIndexRefuses(t *testing.T) {
	g := mustGrid(t, assay.Axis{Descriptor: "hue", Lo: 0, Hi: 1, Cells: 2}, assay.Axis{Descriptor: "blur", Lo: 0, Hi: 1, Cells: 2})
	for _, p := range [][]float64{nil, {1}, {1, 1, 1}, {math.NaN(), 0}, {0, math.Inf(1)}, {math.Inf(-1), 0}} {
		if cell, _, err := g.Index(p); !errors.Is(err, assay.ErrInvalid) || cell != -1 {
			t.Errorf("%v: cell %d, error %v", p, cell, err)
		}
	}
	// pyribs casts to int32 before it clips, so 1e12 lands in its first cell.
	if cell, clamped, err := g.Index([]float64{1e12, -1e300}); cell != 2 || !clamped || err != nil {
		t.Errorf("far outside: cell %d, clamped %v, error %v", cell, clamped, err)
	}
	for _, c := range [][]int{nil, {0}, {0, 2}, {-1, 0}, {0, 0, 0}} {
		if _, err := g.Cell(c); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("cell %v: error %v", c, err)
		}
	}
	for _, n := range []int{-1, 4} {
		if lo, hi := g.Bounds(n); g.Coords(n) != nil || lo != nil || hi != nil {
			t.Errorf("cell %d has coordinates or bounds", n)
		}
	}
}

func TestFromQuantiles(t *testing.T) {
	ramp := make([]float64, 101)
	for i := range ramp {
		ramp[i] = float64(100 - i)
	}
	flat := []float64{3, 3, 3}
	mostly := append(slices.Repeat([]float64{5}, 200), 4, 7)
	axes, notes, err := FromQuantiles([]AxisSample{
		{"ramp", ramp, 10}, {"flat", flat, 4}, {"mostly", mostly, 3}, {"zero", []float64{0}, 2},
	}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []assay.Axis{
		{Descriptor: "ramp", Lo: 1, Hi: 99, Cells: 10},
		{Descriptor: "flat", Lo: 2.7, Hi: 3.3, Cells: 4},
		{Descriptor: "mostly", Lo: 4, Hi: 7, Cells: 3},
		{Descriptor: "zero", Lo: -0.5, Hi: 0.5, Cells: 2},
	}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })
	if d := cmp.Diff(want, axes, near); d != "" {
		t.Errorf("axes (-want +got)\n%s", d)
	}
	if len(notes) != 3 || !strings.HasPrefix(notes[0], "flat: all of 3") || !strings.HasPrefix(notes[1], "mostly: most of 202") {
		t.Errorf("notes %q", notes)
	}
	two := func(v []float64) []AxisSample { return []AxisSample{{"a", v, 2}, {"b", ramp, 2}} }
	for name, bad := range map[string]struct {
		s      []AxisSample
		lo, hi float64
	}{
		"reversed":   {two(ramp), .9, .1},
		"NaN":        {two([]float64{1, math.NaN()}), 0, 1},
		"empty":      {two(nil), 0, 1},
		"one axis":   {two(ramp)[:1], 0, 1},
		"above one":  {two(ramp), 0, 1.5},
		"zero cells": {[]AxisSample{{"a", ramp, 0}, {"b", ramp, 2}}, 0, 1},
	} {
		if _, _, err := FromQuantiles(bad.s, bad.lo, bad.hi); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

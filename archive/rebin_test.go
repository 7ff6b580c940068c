package archive

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

func TestRebin(t *testing.T) {
	axis := func(name string, cells int) assay.Axis {
		return assay.Axis{Descriptor: name, Lo: 0, Hi: 4, Cells: cells}
	}
	a := mustNew(t, mustGrid(t, axis("a", 4), axis("b", 1)), Options{})
	for i, v := range []float64{0.2, 0.8, 1.5, 2.5, 2.9} {
		a.Add([]Candidate{{Image: id(i), Descriptor: []float64{v, 1}}})
	}
	// Cells of width 4/3: 0.2, 0.8 | 1.5, 2.5 | 2.9.
	to := mustGrid(t, axis("a", 3), axis("b", 1))
	got, err := Rebin(a, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Rebinning{
		Before:     Occupancy{4, 3, 0.75},
		After:      Occupancy{3, 3, 1},
		ElitesOnly: Occupancy{3, 2, 2.0 / 3},
		Merged:     []Merge{{[]int{1, 0}, []assay.Digest{id(2), id(3)}}},
		Split:      []Split{{[]int{2, 0}, [][]int{{1, 0}, {2, 0}}}},
		Moved:      1, // 2.5 moves from position 2 to 1; 2.9 stays at 2
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rebinning (-want +got)\n%s", d)
	}

	other := mustGrid(t, axis("c", 2), axis("d", 2))
	if _, err := Rebin(a, other, nil); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("other descriptors without a way to read them: %v", err)
	}
	if _, err := Rebin(a, nil, nil); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("no grid: %v", err)
	}
	got, err = Rebin(a, other, func(d assay.Digest) []float64 {
		switch d {
		case id(0):
			return []float64{9, 3}
		case id(3):
			return []float64{1, 1}
		}
		return nil
	})
	if err != nil || got.Clamped != 1 || got.After.Occupied != 2 || !slices.Equal(got.Unplaced, []assay.Digest{id(1), id(2), id(4)}) {
		t.Errorf("new descriptors: %+v, %v", got, err)
	}
}

// TestRebinLaws holds that the same grid changes nothing, that a dry run changes
// nothing, and that the occupancy foretold is the one that comes.
func TestRebinLaws(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	g := mustGrid(t, assay.Axis{Descriptor: "a", Lo: 0, Hi: 1, Cells: 6}, assay.Axis{Descriptor: "b", Lo: 0, Hi: 1, Cells: 5})
	to := mustGrid(t, assay.Axis{Descriptor: "a", Lo: -1, Hi: 0.7, Cells: 9}, assay.Axis{Descriptor: "b", Lo: 0, Hi: 2, Cells: 3})
	a, moved := mustNew(t, g, Options{}), mustNew(t, to, Options{})
	for i := range 80 {
		c := Candidate{Image: id(i), Descriptor: []float64{rng.NormFloat64(), rng.Float64()}}
		a.Add([]Candidate{c})
		moved.Add([]Candidate{c})
	}
	before := slices.Collect(a.Cells())
	same, err := Rebin(a, g, nil)
	if err != nil || same.Before != same.After || same.Before != same.ElitesOnly || same.Moved != 0 || same.Merged != nil || same.Split != nil {
		t.Errorf("onto the same grid: %+v, %v", same, err)
	}
	r, err := Rebin(a, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := moved.Stats()
	if r.After.Occupied != s.NumElites || r.After.Coverage != s.Coverage {
		t.Errorf("foretold %+v, came %d", r.After, s.NumElites)
	}
	lost := 0
	for _, m := range r.Merged {
		lost += len(m.Elites) - 1
	}
	if r.ElitesOnly.Occupied != r.Before.Occupied-lost {
		t.Errorf("%d elites in %d cells with %d lost to merges", r.Before.Occupied, r.ElitesOnly.Occupied, lost)
	}
	if d := cmp.Diff(before, slices.Collect(a.Cells())); d != "" {
		t.Errorf("the dry run changed the archive\n%s", d)
	}
}

package archive

import (
	"iter"
	"maps"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// A Challenger is an image that fell into an occupied cell, and what is known
// of it against the elite there now.
type Challenger struct {
	Member
	Wins      int     // against the elite, by people
	Trials    int     // comparisons with the elite by people, with those that neither won
	Posterior float64 // that it is better than the elite, by people and judges; 0.5 if never compared
	Evidence  float64 // log-odds of judges that it is better than the elite; 0 if none counts
}

// A Cell is one occupied cell as it stands. Its slices are copies.
type Cell struct {
	Index       int
	Coords      []int // position on each axis
	Elite       Member
	Challengers []Challenger // in order of arrival in the archive; displaced elites among them
	History     []Event      // oldest first
}

// Images returns the number of images that fell into the cell.
func (c Cell) Images() int { return 1 + len(c.Challengers) }

// Cell returns the cell with the given index, and whether it is occupied.
func (a *Archive) Cell(index int) (Cell, bool) {
	at, ok := a.cells[index]
	if !ok {
		return Cell{}, false
	}
	c := Cell{
		Index: index, Coords: a.grid.Coords(index),
		Elite:   at.elite.member(),
		History: slices.Clone(at.history),
	}
	for _, it := range at.challengers {
		e := a.between(it.Image, at.elite.Image)
		c.Challengers = append(c.Challengers, Challenger{it.member(), e.wins, e.trials, e.posterior(), e.judges})
	}
	return c, true
}

// member returns a copy that shares nothing with the archive.
func (it *item) member() Member {
	return Member{it.Image, it.Seq, slices.Clone(it.Descriptor)}
}

// Retrieve returns the cell that descriptor falls into, and whether it is
// occupied. The error is that of [Grid.Index].
func (a *Archive) Retrieve(descriptor []float64) (Cell, bool, error) {
	n, _, err := a.grid.Index(descriptor)
	if err != nil {
		return Cell{}, false, err
	}
	c, ok := a.Cell(n)
	return c, ok, nil
}

// Where returns the cell of an image and its placement now: Added or Improved
// if it is the elite, else Challenger. It reports false for an image that has
// no place.
func (a *Archive) Where(image assay.Digest) (cell int, how assay.Placement, ok bool) {
	it, ok := a.items[image]
	if !ok {
		return -1, "", false
	}
	return it.cell, it.how, true
}

// Cells yields the occupied cells in order of index. The archive must not be
// changed meanwhile.
func (a *Archive) Cells() iter.Seq[Cell] {
	return func(yield func(Cell) bool) {
		for _, n := range slices.Sorted(maps.Keys(a.cells)) {
			if c, _ := a.Cell(n); !yield(c) {
				return
			}
		}
	}
}

// Elites returns the elite of each occupied cell, in order of the cells' index:
// what pyribs calls the archive's data.
func (a *Archive) Elites() []Member {
	out := make([]Member, 0, len(a.cells))
	for _, n := range slices.Sorted(maps.Keys(a.cells)) {
		out = append(out, a.cells[n].elite.member())
	}
	return out
}

// Stats describe how an archive is filled. There is no QD score: without a
// scale of quality there is nothing to add up.
type Stats struct {
	Cells     int     `json:"cells"`      // of the grid
	NumElites int     `json:"num_elites"` // occupied cells
	Coverage  float64 `json:"coverage"`   // NumElites / Cells, 0 to 1
	Images    int     `json:"images"`     // that have a cell

	// Entropy is −Σ pᵢ ln pᵢ in nats, pᵢ the share of all images that fell into
	// cell i: 0 if all fell into one. Evenness divides it by ln(Cells), its
	// value if all cells were equally full: 0 to 1, and 0 on a grid of one cell.
	Entropy  float64 `json:"entropy"`
	Evenness float64 `json:"evenness"`

	Axes []AxisStats `json:"axes"`

	// Replacements counts displaced elites. ExpectedFalseReplacements is the
	// sum of 1 − posterior over them: how many displaced a better image, if
	// the posteriors are right. Their quotient never exceeds 1 − Tau.
	Replacements              int     `json:"replacements"`
	ExpectedFalseReplacements float64 `json:"expected_false_replacements"`
}

// AxisStats describe how the images spread along one axis. An axis whose images
// all fall into one end measures nothing: its bounds are wrong.
type AxisStats struct {
	Descriptor string  `json:"descriptor"`
	Low        int     `json:"low"`      // images below the lower bound, clamped into the first cell
	High       int     `json:"high"`     // images above the upper bound, clamped into the last cell
	Entropy    float64 `json:"entropy"`  // as in Stats, of the positions on this axis, in nats
	Evenness   float64 `json:"evenness"` // Entropy / ln(cells of the axis), 0 to 1; 0 on an axis of one cell
}

// Stats returns how the archive is filled now.
func (a *Archive) Stats() Stats {
	s := Stats{
		Cells: a.grid.cells, NumElites: len(a.cells), Images: len(a.items),
		Coverage: float64(len(a.cells)) / float64(a.grid.cells),
	}
	all := make([]float64, 0, len(a.cells))
	along := make([][]float64, len(a.grid.axes))
	for i, x := range a.grid.axes {
		along[i] = make([]float64, x.Cells)
	}
	for _, n := range slices.Sorted(maps.Keys(a.cells)) {
		for _, e := range a.cells[n].history {
			if e.Kind == KindImproved { // summed here, so that the order in which cells changed leaves no trace
				s.Replacements++
				s.ExpectedFalseReplacements += 1 - e.Posterior
			}
		}
		images := float64(1 + len(a.cells[n].challengers))
		all = append(all, images)
		for i, c := range a.grid.Coords(n) {
			along[i][c] += images
		}
	}
	s.Entropy, s.Evenness = entropy(all, s.Cells)
	for i, x := range a.grid.axes {
		as := AxisStats{Descriptor: x.Descriptor, Low: a.low[i], High: a.high[i]}
		as.Entropy, as.Evenness = entropy(along[i], x.Cells)
		s.Axes = append(s.Axes, as)
	}
	return s
}

// entropy returns the Shannon entropy of counts in nats, and divided by its
// largest value for the given number of cells. Without images both are 0.
func entropy(counts []float64, cells int) (nats, evenness float64) {
	nats, _, err := stat.Entropy(counts)
	if err != nil {
		return 0, 0 // nothing counted: the only error that counts of images can make
	}
	if cells > 1 {
		evenness = min(1, nats/math.Log(float64(cells)))
	}
	return nats, evenness
}

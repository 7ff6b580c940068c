package archive

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/rank"
)

// DefaultTau is the probability of being better that a challenger must reach.
// With a flat prior on the chance of winning, one win of one gives 0.75, so that
// one click of a person decides; 0.9 needs three wins in a row.
const DefaultTau = 0.75

// slack forgives the last bits of a posterior computed in float64: one win of
// one reaches a Tau of 0.75, and posteriors closer than this are equal, so that
// machines that round differently make the same archive.
const slack = 1e-9

// Options adjust an Archive. The zero Options is a good choice.
type Options struct {
	// Tau is the posterior probability of being better than the elite at which
	// a challenger replaces it, above 0.5 and below 1; 0 means [DefaultTau].
	Tau float64
}

// An Archive is a grid with the images placed on it. See the package comment
// for its laws. It is not safe for concurrent use.
type Archive struct {
	grid  *Grid
	tau   float64
	cells map[int]*cell
	items map[assay.Digest]*item
	pairs map[pair]tally

	low, high []int // images beyond the bounds of each axis
}

// A Member is an image that has a cell.
type Member struct {
	Image      assay.Digest
	Seq        int64     // its place in the series
	Descriptor []float64 // one value per axis, as measured, not clamped
}

// An item is what the archive knows of one placed image.
type item struct {
	Member
	cell  int
	order int // counts placed images, in order of arrival
	how   assay.Placement
}

// A cell is one occupied cell.
type cell struct {
	elite       *item
	challengers []*item // in order of arrival in the archive
	history     []Event
}

// New returns an empty archive on grid. The error wraps [assay.ErrInvalid] if
// the grid is nil or Tau is outside its range.
func New(grid *Grid, opt Options) (*Archive, error) {
	if grid == nil {
		return nil, fmt.Errorf("archive: no grid: make one with NewGrid: %w", assay.ErrInvalid)
	}
	if opt.Tau == 0 {
		opt.Tau = DefaultTau
	}
	if !(opt.Tau > 0.5 && opt.Tau < 1) {
		return nil, fmt.Errorf("archive: tau %g: want a probability above 0.5 and below 1: %w", opt.Tau, assay.ErrInvalid)
	}
	return &Archive{
		grid:  grid,
		tau:   opt.Tau,
		cells: map[int]*cell{},
		items: map[assay.Digest]*item{},
		pairs: map[pair]tally{},
		low:   make([]int, len(grid.axes)),
		high:  make([]int, len(grid.axes)),
	}, nil
}

// Grid returns the archive's grid.
func (a *Archive) Grid() *Grid { return a.grid }

// A Candidate is an image offered to the archive.
type Candidate struct {
	Image      assay.Digest
	Seq        int64
	Descriptor []float64 // one value per axis of the grid; empty if not measured
	Refused    bool      // an enforced gate failed
}

// A Status says what an add did with one candidate. The codes 0 to 2 are those
// of pyribs; the rest extend them.
type Status int

// The statuses.
const (
	NotAdded  Status = iota // 0: no name, or a descriptor that is not measured or not finite
	Improved                // 1: comparisons made earlier say that it is better than the elite, which it replaced
	Filled                  // 2: the cell was empty
	Pending                 // 3: the cell is occupied; it waits for a comparison
	Gated                   // 4: an enforced gate refused it
	Duplicate               // 5: the image has its place already, which stands
)

// A Result says what an add did with one candidate.
type Result struct {
	Status    Status
	Placement assay.Placement // the same in the words of a decision; of a duplicate, its placement now
	Cell      int             // −1 if the descriptor has no cell
	Coords    []int           // position of the cell on each axis; nil if there is none
	Incumbent assay.Digest    // the elite met in the cell, before any replacement; zero if there was none
	Clamped   bool            // a value lay outside the bounds of its axis
	Posterior float64         // of being better than the incumbent, if Improved; else 0
	Err       error           // why the status is NotAdded; wraps [assay.ErrInvalid]
}

// Add places the candidates in the order given, each against the archive as its
// predecessors left it. That is where it differs from pyribs, whose statuses of
// one batch are all computed against the archive before the batch, so that two
// candidates for one empty cell both read "new"; here the second is a
// challenger. A candidate that cannot be placed says so in its result, and the
// batch goes on. Refused candidates and those without a descriptor leave no
// trace in the archive. Descriptors are copied.
func (a *Archive) Add(batch []Candidate) []Result {
	out := make([]Result, len(batch))
	for i := range batch {
		out[i] = a.add(&batch[i])
	}
	return out
}

// add places one candidate.
func (a *Archive) add(c *Candidate) Result {
	if it, ok := a.items[c.Image]; ok {
		r := Result{Status: Duplicate, Placement: it.how, Cell: it.cell, Coords: a.grid.Coords(it.cell), Clamped: a.clamped(it.Descriptor)}
		if elite := a.cells[it.cell].elite; elite != it {
			r.Incumbent = elite.Image
		}
		return r
	}
	n, clamped, err := a.grid.Index(c.Descriptor)
	if c.Image.IsZero() {
		err = fmt.Errorf("image without a name: give its digest: %w", assay.ErrInvalid)
	}
	r := Result{Cell: n, Coords: a.grid.Coords(n), Clamped: clamped}
	at := a.cells[n]
	if at != nil {
		r.Incumbent = at.elite.Image
	}
	switch {
	case c.Refused:
		r.Status, r.Placement = Gated, assay.Refused
		return r
	case err != nil:
		return Result{Status: NotAdded, Placement: assay.Unplaced, Cell: -1, Err: fmt.Errorf("archive: entry %d: %w", c.Seq, err)}
	}
	it := &item{
		Member: Member{c.Image, c.Seq, slices.Clone(c.Descriptor)},
		cell:   n, order: len(a.items),
	}
	a.items[c.Image] = it
	a.countClamped(c.Descriptor)
	if at == nil {
		it.how = assay.Added
		a.cells[n] = &cell{elite: it, history: []Event{{Kind: KindAdded, Cell: n, Image: c.Image, Seq: c.Seq}}}
		r.Status, r.Placement = Filled, assay.Added
		return r
	}
	it.how = assay.Challenger
	at.challengers = append(at.challengers, it)
	at.history = append(at.history, Event{Kind: KindChallenger, Cell: n, Image: c.Image, Other: at.elite.Image, Seq: c.Seq})
	r.Status, r.Placement = Pending, assay.Challenger
	// A newcomer that replaced the elite may have lost its place in the same
	// call to a challenger known to be better still.
	if events := a.settle(at, it, c.Seq, 0); at.elite == it {
		r.Status, r.Placement, r.Posterior = Improved, assay.Improved, events[0].Posterior
	}
	return r
}

// clamped reports whether any value lies outside its axis's bounds.
func (a *Archive) clamped(descriptor []float64) bool {
	for i, v := range descriptor {
		if v < a.grid.axes[i].Lo || v > a.grid.axes[i].Hi {
			return true
		}
	}
	return false
}

// countClamped counts the values of a placed descriptor that were clamped.
func (a *Archive) countClamped(descriptor []float64) {
	for i, v := range descriptor {
		switch {
		case v < a.grid.axes[i].Lo:
			a.low[i]++
		case v > a.grid.axes[i].Hi:
			a.high[i]++
		}
	}
}

// A pair is two images, the smaller name first.
type pair struct{ a, b assay.Digest }

// pairOf returns the pair of x and y, and whether x comes first in it.
func pairOf(x, y assay.Digest) (p pair, first bool) {
	if bytes.Compare(x[:], y[:]) < 0 {
		return pair{x, y}, true
	}
	return pair{y, x}, false
}

// A tally is the evidence about a pair.
type tally struct {
	a, b  int     // wins of each, by people
	n     int     // all comparisons by people, with those that neither won
	judge float64 // log-odds that a is the better one, by judges
}

// evidence is what is known of one image against another.
type evidence struct {
	wins, trials int     // by people
	judges       float64 // log-odds
}

// between returns what is known of x against y.
func (a *Archive) between(x, y assay.Digest) evidence {
	p, first := pairOf(x, y)
	t := a.pairs[p]
	if first {
		return evidence{t.a, t.n, t.judge}
	}
	return evidence{t.b, t.n, -t.judge}
}

// posterior returns the probability that the one is better than the other: 0.5
// if nothing is known. See [Archive.Compare] for the formula.
func (e evidence) posterior() float64 {
	better := rank.Better(e.wins, e.trials)
	if e.judges == 0 {
		return better
	}
	// Worse is 1−better, computed without cancellation: P(Bin(n+1, ½) > k).
	worse := rank.Better(e.trials-e.wins, e.trials)
	return 1 / (1 + worse/better*math.Exp(-e.judges))
}

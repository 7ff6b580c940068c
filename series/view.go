package series

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
	"github.com/gen-emerge/assay/gate"
)

// A View is what follows from the facts of a series: verdicts, the archive and
// its history. It is computed, never stored; equal facts give an equal View.
type View struct {
	Version    string // of the facts it was computed from
	Grid       assay.GridSpec
	Thresholds []assay.Threshold // one a gate, by name of the gate
	Archive    *archive.Archive

	Trusts      []assay.Trust // of each judge that was examined, see [Series.Trusts]
	Comparisons []Weighed     // of all pairs by models, oldest first

	learned map[int]*LearnedAxes // by axis, of those that were learned
	gates   []string
	reads   []*assay.Identity   // what each gate reads; nil if that is pairs, or nothing yet
	lacking []string            // by gate: why it reads nothing yet, and the remedy
	guard   *gate.GuardEvidence // of the style gate's threshold; nil if it has none
	rules   gate.Rules
	warmup  int
	tools   Tools
	rows    []row // by Seq−1
	seqs    map[assay.Digest]int64
	prompts map[string]bool // the first two distinct ones, see promptKey
	count   int             // rows that are measured
}

// A row is what the view keeps of an entry.
type row struct {
	image     assay.Digest
	text      assay.Digest // of the prompt; zero if there is none that can be read
	values    []float64    // of the grid's axes; NaN where not measured
	readings  []float64    // of the gates but diversity; NaN where not measured by what the gate reads
	guard     float64      // what the style gate's guard reads; NaN where not measured
	neighbour assay.Neighbour
	recorded  bool // measured to the end, neighbour included
	placed    bool
}

type viewCache struct {
	mu   sync.Mutex
	view *View
}

// View returns the view of the facts as they are now.
func (s *Series) View(ctx context.Context) (*View, error) {
	version, err := s.facts.Version(ctx, s.name)
	if err != nil {
		return nil, err
	}
	s.views.mu.Lock()
	defer s.views.mu.Unlock()
	if v := s.views.view; v != nil && v.Version == version {
		return v, nil
	}
	v, err := s.build(ctx, version)
	if err != nil {
		return nil, err
	}
	s.views.view = v
	return v, nil
}

// fresh returns a view of its own, which the caller may add to.
func (s *Series) fresh(ctx context.Context) (*View, error) {
	version, err := s.facts.Version(ctx, s.name)
	if err != nil {
		return nil, err
	}
	return s.build(ctx, version)
}

func (s *Series) build(ctx context.Context, version string) (*View, error) {
	v := &View{Version: version, gates: Gates(), rules: s.rules(), warmup: s.opt.Warmup, tools: s.tools,
		seqs: map[assay.Digest]int64{}, prompts: map[string]bool{}}
	v.reads, v.lacking = make([]*assay.Identity, len(v.gates)), make([]string, len(v.gates))
	var err error
	if v.Grid, err = s.facts.Grid(ctx, s.name); errors.Is(err, assay.ErrNotFound) {
		v.Grid, err = assay.GridSpec{Series: s.name, Axes: s.opt.Axes}, nil
	}
	if err != nil {
		return nil, err
	}
	if v.Thresholds, err = s.facts.Thresholds(ctx, s.name); err != nil {
		return nil, err
	}
	grid, err := archive.NewGrid(v.Grid.Axes)
	if err != nil {
		return nil, fmt.Errorf("series %s: %w", s.name, err)
	}
	if v.Archive, err = archive.New(grid, archive.Options{Tau: s.opt.Tau}); err != nil {
		return nil, err
	}
	if v.Trusts, err = s.Trusts(ctx); err != nil {
		return nil, err
	}
	if v.learned, err = s.learnedMaps(ctx, v.Grid.Axes); err != nil {
		return nil, err
	}
	if err := s.load(ctx, v); err != nil {
		return nil, err
	}
	for i := range v.rows {
		v.place(int64(i + 1))
	}
	return v, s.replay(ctx, v)
}

// entryWindow is how many entries are read at once.
const entryWindow = 4096

// load fills the rows from the readings and answers that the grid and the gates
// stand on.
func (s *Series) load(ctx context.Context, v *View) error {
	for {
		entries, err := s.facts.Entries(ctx, s.name, int64(len(v.rows)), entryWindow)
		if err != nil {
			return err
		}
		for _, e := range entries {
			v.enter(e)
		}
		if len(entries) < entryWindow {
			break
		}
	}
	err := s.describe(ctx, v.Grid.Axes, trustsOf(v.Trusts), func(k int, seq int64, image assay.Digest, value float64) {
		v.row(seq, image).values[k] = value
	})
	if err != nil {
		return err
	}
	for k := range v.gates {
		if err := s.loadGate(ctx, v, k); err != nil {
			return err
		}
	}
	if err := s.loadGuard(ctx, v); err != nil {
		return err
	}
	th := v.threshold(diversityGate)
	return s.facts.Neighbours(ctx, s.name, func(n assay.Neighbour) error {
		if n.Seq > int64(len(v.rows)) {
			return nil // entered and measured between two reads: the next view has it
		}
		r := &v.rows[n.Seq-1]
		if !r.recorded || th != nil && n.Identity == th.Identity {
			r.neighbour = n
		}
		if !r.recorded {
			r.recorded = true
			v.count++
		}
		return nil
	})
}

// loadGate fills the rows with what the k-th gate reads: by its threshold's
// instrument or, before there is a threshold, by the one that would serve it.
func (s *Series) loadGate(ctx context.Context, v *View, k int) error {
	name := v.gates[k]
	var names []string
	if th := v.threshold(name); th != nil && name != diversityGate {
		v.reads[k], names = &th.Identity, []string{th.Instrument}
	} else if g, ok := s.serving(name); ok && th == nil {
		if names = g.names; g.named != "" {
			names = []string{g.named}
		}
		if in, err := s.chosen(name); err == nil {
			id := in.Identity()
			v.reads[k], names = &id, []string{in.Name}
		} else {
			v.lacking[k] = told(err)
		}
	}
	for _, instrument := range names {
		err := s.facts.SeriesReadings(ctx, s.name, instrument, func(seq int64, r assay.Reading) error {
			if v.reads[k] == nil { // no instrument is at hand, but one has been
				v.reads[k] = &r.Identity
			}
			if r.Identity == *v.reads[k] {
				v.row(seq, r.Image).readings[k] = r.Value
			}
			return nil
		})
		if err != nil || v.reads[k] != nil {
			return err
		}
	}
	return nil
}

// loadGuard fills the rows with what the style gate's guard reads.
func (s *Series) loadGuard(ctx context.Context, v *View) error {
	th := v.threshold(styleGate)
	if th == nil {
		return nil
	}
	var err error
	if v.guard, err = gate.GuardOf(*th); err != nil || v.guard == nil {
		return err
	}
	return s.facts.SeriesReadings(ctx, s.name, v.guard.Instrument, func(seq int64, r assay.Reading) error {
		if r.Identity == v.guard.Identity {
			v.row(seq, r.Image).guard = r.Value
		}
		return nil
	})
}

// current returns the identity under which the named instrument reads today,
// nil if it is not at hand: then any of its readings is taken.
func (s *Series) current(name string) *assay.Identity {
	in, err := s.tools.Find(name)
	if err != nil {
		return nil
	}
	id := in.Identity()
	return &id
}

// replay applies what people and then what judges said of pairs, each in order.
// People come first, so that what a person has upheld no judge of equal weight
// displaces, whoever spoke first: a click against a judge undoes what it did.
func (s *Series) replay(ctx context.Context, v *View) error {
	judgments, err := s.facts.Judgments(ctx, s.name)
	if err != nil {
		return err
	}
	withdrawn := map[int64]bool{}
	for _, j := range judgments {
		if j.Withdrawn {
			withdrawn[j.ID] = true
		}
		if j.Withdrawn || j.Source != "human" { // what a model says counts as a comparison, weighed
			continue
		}
		_, err := v.Archive.Compare(archive.Comparison{Left: j.Left, Right: j.Right, Outcome: j.Outcome, Judgment: j.ID})
		if err != nil {
			return fmt.Errorf("judgment %d: %w", j.ID, err)
		}
	}
	all, err := s.facts.Comparisons(ctx, s.name)
	if err != nil {
		return err
	}
	v.Comparisons = weigh(all, withdrawn, trustsOf(v.Trusts))
	for i := range v.Comparisons {
		if err := v.hear(&v.Comparisons[i]); err != nil {
			return err
		}
	}
	return nil
}

// hear applies a model's comparison, if it counts.
func (v *View) hear(w *Weighed) error {
	if !w.Counts {
		return nil
	}
	events, err := v.Archive.Compare(archive.Comparison{Left: w.A, Right: w.B, Outcome: w.Outcome, Judgment: w.Judgment, Accuracy: w.Accuracy})
	if err != nil {
		return fmt.Errorf("comparison %d: %w", w.ID, err)
	}
	w.Decided = len(events) > 0 && events[0].Kind == archive.KindImproved
	return nil
}

// enter makes the row of an entry, once.
func (v *View) enter(e assay.Entry) *row {
	r := v.row(e.Seq, e.Image)
	if hasPrompt(e.Prompt) && r.text.IsZero() {
		r.text = assay.DigestOfText(e.Prompt)
		if len(v.prompts) < 2 { // whether there are others is all that is asked
			v.prompts[promptKey(e.Prompt)] = true
		}
	}
	return r
}

// row returns the row of an entry, made if need be.
func (v *View) row(seq int64, image assay.Digest) *row {
	for int64(len(v.rows)) < seq {
		v.rows = append(v.rows, row{values: nans(len(v.Grid.Axes)), readings: nans(len(v.gates)), guard: math.NaN()})
	}
	r := &v.rows[seq-1]
	if r.image.IsZero() {
		r.image = image
		v.seqs[image] = seq
	}
	return r
}

func nans(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = math.NaN()
	}
	return v
}

// add takes in a measurement that was just recorded. Twice changes nothing.
func (v *View) add(e assay.Entry, m assay.Measurement) {
	r := v.enter(e)
	for _, reading := range m.Readings {
		if !reading.Ref.IsZero() || !reading.Text.IsZero() && reading.Text != r.text {
			continue
		}
		for k, axis := range v.Grid.Axes {
			if reading.Instrument == axis.Descriptor && v.rules.Accepts(reading.Identity) == "" {
				r.values[k] = reading.Value
			}
		}
		for k := range v.gates {
			if v.reads[k] != nil && reading.Identity == *v.reads[k] {
				r.readings[k] = reading.Value
			}
		}
		if v.guard != nil && reading.Identity == v.guard.Identity {
			r.guard = reading.Value
		}
	}
	for k, l := range v.learned {
		a, _ := learnedOf(v.Grid.Axes[k].Descriptor)
		for _, e := range m.Embeddings {
			if x, err := l.Map.At(e.Vector); e.Identity == l.Identity && err == nil {
				r.values[k] = x[a.k-1]
			}
		}
	}
	if len(m.Neighbours) > 0 && !r.recorded {
		r.neighbour, r.recorded = m.Neighbours[0], true
		v.count++
	}
	v.place(e.Seq)
}

// place puts an entry into the archive, once.
func (v *View) place(seq int64) {
	r := &v.rows[seq-1]
	if r.placed || !r.recorded || slices.ContainsFunc(r.values, math.IsNaN) {
		return
	}
	r.placed = true
	v.Archive.Add([]archive.Candidate{{
		Image: r.image, Seq: seq, Descriptor: r.values, Refused: gate.Refuses(v.verdicts(r)),
	}})
}

func (v *View) threshold(name string) *assay.Threshold {
	for i := range v.Thresholds {
		if v.Thresholds[i].Gate == name {
			return &v.Thresholds[i]
		}
	}
	return nil
}

func (v *View) recorded(seq int64) bool {
	return seq <= int64(len(v.rows)) && v.rows[seq-1].recorded
}

// unmeasured lists those of the first n entries whose measuring was cut short.
func (v *View) unmeasured(n int64) []int64 {
	var out []int64
	for seq := int64(1); seq <= n; seq++ {
		if !v.recorded(seq) {
			out = append(out, seq)
		}
	}
	return out
}

// Calibrated reports whether the gates have thresholds.
func (v *View) Calibrated() bool { return v.threshold(diversityGate) != nil }

// Images returns how many images the series has measured.
func (v *View) Images() int { return v.count }

// decision says where an entry stands now, and on what basis.
func (v *View) decision(seq int64) assay.Decision {
	r := &v.rows[seq-1]
	d := assay.Decision{Series: v.Grid.Series, Seq: seq, Image: r.image, Gates: v.verdicts(r), Basis: v.basis()}
	index, how, ok := v.Archive.Where(r.image)
	switch {
	case ok:
		d.Placement, d.Cell = how, v.Archive.Grid().Coords(index)
		if cell, _ := v.Archive.Cell(index); cell.Elite.Image != r.image {
			d.Incumbent = cell.Elite.Image
		}
	case gate.Refuses(d.Gates):
		d.Placement = assay.Refused
	default:
		d.Placement = assay.Unplaced
	}
	return d
}

// Decision says where an image of the series stands now; ok is false if it is
// not in the series or not measured yet.
func (v *View) Decision(id assay.Digest) (d assay.Decision, ok bool) {
	seq, ok := v.seqs[id]
	if !ok || !v.recorded(seq) {
		return assay.Decision{}, false
	}
	return v.decision(seq), true
}

// placed lists the images on the map in order of arrival.
func (v *View) placed() []assay.Digest {
	var out []assay.Digest
	for i := range v.rows {
		if _, _, ok := v.Archive.Where(v.rows[i].image); ok {
			out = append(out, v.rows[i].image)
		}
	}
	return out
}

// cellRange names a cell of the map by what falls into it, for people.
func (v *View) cellRange(index int) string {
	lo, hi := v.Archive.Grid().Bounds(index)
	parts := make([]string, len(lo))
	for k, a := range v.Grid.Axes {
		parts[k] = fmt.Sprintf("%s %.3g to %.3g", a.Descriptor, lo[k], hi[k])
	}
	return strings.Join(parts, ", ")
}

// contested lists the pairs whose comparison would decide a cell.
func (v *View) contested() []assay.Pair {
	var out []assay.Pair
	for cell := range v.Archive.Cells() {
		for _, ch := range cell.Challengers {
			out = append(out, assay.Pair{Left: cell.Elite.Image, Right: ch.Image,
				Reason: "who holds the cell " + v.cellRange(cell.Index)})
		}
	}
	return out
}

// basis names the rules in force: the grid and the thresholds.
func (v *View) basis() string {
	var b strings.Builder
	fmt.Fprintf(&b, "grid %d", v.Grid.ID)
	for _, t := range v.Thresholds {
		fmt.Fprintf(&b, ", %s %d", t.Gate, t.ID)
	}
	return b.String()
}

// ensureGrid makes the series' first grid from the options.
func (s *Series) ensureGrid(ctx context.Context) error {
	_, err := s.facts.Grid(ctx, s.name)
	if !errors.Is(err, assay.ErrNotFound) {
		return err
	}
	if _, err := archive.NewGrid(s.opt.Axes); err != nil {
		return err
	}
	for _, a := range s.opt.Axes {
		if err := s.checkAxis(a); err != nil {
			return err
		}
	}
	_, err = s.facts.PutGrid(ctx, assay.GridSpec{Series: s.name, Axes: s.opt.Axes, Reason: "bounds as configured", Created: s.opt.Now()})
	return err
}

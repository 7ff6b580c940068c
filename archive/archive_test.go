package archive

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

// id returns a made-up image name; names do not sort in the order of i.
func id(i int) assay.Digest {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(i))
	return assay.DigestOf(n[:])
}

// small is a grid of 2×2 cells over the unit square.
func small(t testing.TB) *Grid {
	return mustGrid(t, assay.Axis{Descriptor: "hue", Lo: 0, Hi: 1, Cells: 2}, assay.Axis{Descriptor: "blur", Lo: 0, Hi: 1, Cells: 2})
}

func mustNew(t testing.TB, g *Grid, opt Options) *Archive {
	t.Helper()
	a, err := New(g, opt)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// at returns candidate i for the first cell.
func at(i int) Candidate {
	return Candidate{Image: id(i), Seq: int64(i), Descriptor: []float64{0.1, 0.1}}
}

// won compares x with y, x winning, and fails the test on an error.
func won(t *testing.T, a *Archive, judgment int64, x, y int) []Event {
	t.Helper()
	events, err := a.Compare(Comparison{Left: id(x), Right: id(y), Outcome: assay.Left, Judgment: judgment})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestPyribsAdds(t *testing.T) {
	for _, want := range readGolden(t) {
		a := mustNew(t, mustGrid(t, want.axes()...), Options{})
		for i, p := range want.Adds.Points {
			r := a.Add([]Candidate{{Image: id(i), Seq: int64(i), Descriptor: p}})[0]
			status := r.Status
			if status == Pending {
				status = NotAdded // pyribs has nowhere to wait
			}
			if status != want.Adds.Statuses[i] {
				t.Errorf("%v: point %d has status %d, pyribs says %d", want.Dims, i, status, want.Adds.Statuses[i])
			}
		}
		if s := a.Stats(); s.Coverage != want.Adds.Coverage || s.NumElites != want.Adds.NumElites {
			t.Errorf("%v: coverage %g with %d elites, pyribs says %g with %d", want.Dims, s.Coverage, s.NumElites, want.Adds.Coverage, want.Adds.NumElites)
		}
	}
}

func TestAdd(t *testing.T) {
	a := mustNew(t, small(t), Options{})
	bad := errors.New("any")
	got := a.Add([]Candidate{
		at(1),
		at(2),
		at(1),
		at(2),
		{Image: id(3), Seq: 3, Descriptor: []float64{0.9, -4}},
		{Image: id(4), Seq: 4, Descriptor: []float64{0.1, 0.2}, Refused: true},
		{Image: id(5), Seq: 5, Refused: true},
		{Image: id(6), Seq: 6},
		{Image: id(7), Seq: 7, Descriptor: []float64{math.NaN(), 0}},
		{Seq: 8, Descriptor: []float64{0, 0}},
		{Image: id(4), Seq: 9, Descriptor: []float64{0.1, 0.9}},
	})
	unplaced := Result{Status: NotAdded, Placement: assay.Unplaced, Cell: -1, Err: bad}
	want := []Result{
		{Status: Filled, Placement: assay.Added, Cell: 0, Coords: []int{0, 0}},
		{Status: Pending, Placement: assay.Challenger, Cell: 0, Coords: []int{0, 0}, Incumbent: id(1)},
		{Status: Duplicate, Placement: assay.Added, Cell: 0, Coords: []int{0, 0}},
		{Status: Duplicate, Placement: assay.Challenger, Cell: 0, Coords: []int{0, 0}, Incumbent: id(1)},
		{Status: Filled, Placement: assay.Added, Cell: 2, Coords: []int{1, 0}, Clamped: true},
		{Status: Gated, Placement: assay.Refused, Cell: 0, Coords: []int{0, 0}, Incumbent: id(1)},
		{Status: Gated, Placement: assay.Refused, Cell: -1},
		unplaced, unplaced, unplaced,
		{Status: Filled, Placement: assay.Added, Cell: 1, Coords: []int{0, 1}},
	}
	errs := cmp.Comparer(func(x, y error) bool { return (x == nil) == (y == nil) })
	if d := cmp.Diff(want, got, errs); d != "" {
		t.Errorf("results (-want +got)\n%s", d)
	}
	for i, r := range got {
		if r.Err != nil && !errors.Is(r.Err, assay.ErrInvalid) {
			t.Errorf("result %d: error %v", i, r.Err)
		}
	}
	s := a.Stats()
	third := 0.25*math.Log(4)*2 + 0.5*math.Log(2) // 2, 1 and 1 of 4 images
	if s.Images != 4 || s.NumElites != 3 || s.Coverage != 0.75 || math.Abs(s.Entropy-third) > 1e-15 || math.Abs(s.Evenness-third/math.Log(4)) > 1e-15 {
		t.Errorf("stats %+v", s)
	}
	if x := s.Axes[1]; x.Low != 1 || x.High != 0 || s.Axes[0].Low+s.Axes[0].High != 0 {
		t.Errorf("clamped %+v", s.Axes)
	}
	// Three of four images lie in the first half of "hue".
	if h := -0.75*math.Log(0.75) - 0.25*math.Log(0.25); math.Abs(s.Axes[0].Entropy-h) > 1e-15 {
		t.Errorf("entropy along hue %g, want %g", s.Axes[0].Entropy, h)
	}
}

// TestAddCopies holds that neither callers' slices nor views reach inside.
func TestAddCopies(t *testing.T) {
	a := mustNew(t, small(t), Options{})
	c := at(1)
	a.Add([]Candidate{c})
	c.Descriptor[0] = 9
	v, _ := a.Cell(0)
	v.Elite.Descriptor[0], v.History[0].Image = 9, id(9)
	again, _ := a.Cell(0)
	if again.Elite.Descriptor[0] != 0.1 || again.History[0].Image != id(1) {
		t.Errorf("the archive changed from outside: %+v", again)
	}
}

// TestReplacement follows one cell through the table of section 4.5: one win of
// one reaches 0.75, and only more evidence brings the displaced elite back.
func TestReplacement(t *testing.T) {
	a := mustNew(t, small(t), Options{})
	a.Add([]Candidate{at(1), at(2)})
	if events := won(t, a, 10, 1, 2); len(events) != 1 || events[0].Kind != KindKept || math.Abs(events[0].Posterior-0.25) > 1e-12 {
		t.Errorf("elite won: %+v", events)
	}
	for n, p := range []float64{0.5, 0.6875, 0.8125} { // 1/2, 2/3, 3/4
		events := won(t, a, int64(11+n), 2, 1)
		if len(events) != 1 || math.Abs(events[0].Posterior-p) > 1e-12 || (events[0].Kind == KindImproved) != (p >= 0.75) {
			t.Errorf("win %d: %+v, want posterior %g", n+1, events, p)
		}
	}
	c, _ := a.Cell(0)
	if c.Elite.Image != id(2) || len(c.Challengers) != 1 || c.Challengers[0].Image != id(1) || c.Challengers[0].Wins != 1 || c.Challengers[0].Trials != 4 || c.Images() != 2 {
		t.Errorf("cell after the replacement: %+v", c)
	}
	kinds := []Kind{KindAdded, KindChallenger, KindKept, KindKept, KindKept, KindImproved}
	for i, e := range c.History {
		if e.Kind != kinds[i] {
			t.Errorf("event %d is %q, want %q", i, e.Kind, kinds[i])
		}
	}
	if e := c.History[5]; e.Image != id(2) || e.Other != id(1) || e.Judgment != 13 || e.Wins != 3 || e.Trials != 4 {
		t.Errorf("replacement %+v", e)
	}
	if _, how, _ := a.Where(id(1)); how != assay.Challenger {
		t.Errorf("displaced elite is %q", how)
	}
	if _, how, _ := a.Where(id(2)); how != assay.Improved {
		t.Errorf("new elite is %q", how)
	}
	if s := a.Stats(); s.Replacements != 1 || math.Abs(s.ExpectedFalseReplacements-0.1875) > 1e-12 {
		t.Errorf("%d replacements, %g expected false", s.Replacements, s.ExpectedFalseReplacements)
	}
}

// TestTies holds that ties and "both bad" are counted, won by neither, and that
// a skip says nothing.
func TestTies(t *testing.T) {
	a := mustNew(t, small(t), Options{})
	a.Add([]Candidate{at(1), at(2)})
	for _, o := range []assay.Outcome{assay.Tie, assay.BothBad, assay.Skip} {
		if _, err := a.Compare(Comparison{Left: id(1), Right: id(2), Outcome: o}); err != nil {
			t.Fatal(err)
		}
	}
	c, _ := a.Cell(0)
	if got := c.Challengers[0]; got.Wins != 0 || got.Trials != 2 || math.Abs(got.Posterior-0.125) > 1e-12 || c.Elite.Image != id(1) {
		t.Errorf("after a tie, both bad and a skip: %+v", c)
	}
}

// TestHigherTau needs three wins in a row for 0.9, as section 4.5 says.
func TestHigherTau(t *testing.T) {
	a := mustNew(t, small(t), Options{Tau: 0.9})
	a.Add([]Candidate{at(1), at(2)})
	for n := 1; n <= 3; n++ {
		if events := won(t, a, 0, 2, 1); (events[0].Kind == KindImproved) != (n == 3) {
			t.Errorf("win %d: %+v", n, events)
		}
	}
	for _, tau := range []float64{0.5, 1, -1, math.NaN()} {
		if _, err := New(small(t), Options{Tau: tau}); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("tau %g: error %v", tau, err)
		}
	}
	if _, err := New(nil, Options{}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("nil grid: error %v", err)
	}
}

// TestEarlierEvidence holds that evidence counts whenever it was given: before a
// newcomer arrives, and between challengers one of which becomes elite.
func TestEarlierEvidence(t *testing.T) {
	a := mustNew(t, small(t), Options{})
	a.Add([]Candidate{at(1)})
	if events := won(t, a, 7, 2, 1); events != nil {
		t.Errorf("comparison with an image that is not there: %+v", events)
	}
	r := a.Add([]Candidate{at(2)})[0]
	if r.Status != Improved || r.Placement != assay.Improved || r.Incumbent != id(1) || math.Abs(r.Posterior-0.75) > 1e-12 {
		t.Errorf("newcomer known to be better: %+v", r)
	}
	a.Add([]Candidate{at(3), at(4)})
	if events := won(t, a, 8, 4, 3); events != nil {
		t.Errorf("comparison of two challengers: %+v", events)
	}
	events := won(t, a, 9, 3, 2) // 3 replaces 2, and 4 has beaten 3
	if len(events) != 2 || events[1].Image != id(4) || events[1].Other != id(3) || events[1].Judgment != 9 {
		t.Errorf("chain of replacements: %+v", events)
	}
	c, _ := a.Cell(0)
	order := []assay.Digest{id(1), id(2), id(3)}
	for i, x := range c.Challengers {
		if x.Image != order[i] {
			t.Errorf("challenger %d out of order of arrival", i)
		}
	}
}

// TestCircle holds that a circle of preferences ends.
func TestCircle(t *testing.T) {
	a := mustNew(t, small(t), Options{})
	a.Add([]Candidate{at(1), at(2), at(3)})
	won(t, a, 1, 3, 2)
	won(t, a, 2, 2, 1) // 2 replaces 1, then 3 replaces 2
	events := won(t, a, 3, 1, 3)
	var elites []assay.Digest
	for _, e := range events {
		elites = append(elites, e.Image)
	}
	if want := []assay.Digest{id(1), id(2)}; !slices.Equal(elites, want) {
		t.Errorf("the circle went %v, want 1 then 2", elites)
	}
}

func TestCompareRefuses(t *testing.T) {
	a := mustNew(t, small(t), Options{})
	a.Add([]Candidate{at(1), at(2)})
	for name, c := range map[string]Comparison{
		"no left":  {Right: id(1), Outcome: assay.Left},
		"no right": {Left: id(1), Outcome: assay.Left},
		"itself":   {Left: id(1), Right: id(1), Outcome: assay.Left},
		"outcome":  {Left: id(2), Right: id(1), Outcome: "better"},
		"empty":    {Left: id(2), Right: id(1)},
	} {
		if _, err := a.Compare(c); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if c, _ := a.Cell(0); c.Challengers[0].Trials != 0 || len(c.History) != 2 {
		t.Errorf("refused comparisons left a trace: %+v", c)
	}
}

func TestViews(t *testing.T) {
	a := mustNew(t, small(t), Options{})
	a.Add([]Candidate{{Image: id(1), Descriptor: []float64{.9, .9}}, {Image: id(2), Descriptor: []float64{.1, .9}}, at(3)})
	var seen []int
	for c := range a.Cells() {
		seen = append(seen, c.Index)
	}
	if !slices.Equal(seen, []int{0, 1, 3}) {
		t.Errorf("cells %v, want 0, 1 and 3", seen)
	}
	for range a.Cells() {
		break // stopping early must not panic
	}
	var elites []assay.Digest
	for _, m := range a.Elites() {
		elites = append(elites, m.Image)
	}
	if want := []assay.Digest{id(3), id(2), id(1)}; !slices.Equal(elites, want) {
		t.Error("elites are not in order of cell")
	}
	if c, ok, err := a.Retrieve([]float64{.6, .6}); err != nil || !ok || c.Elite.Image != id(1) {
		t.Errorf("retrieve: %+v, %v, %v", c, ok, err)
	}
	if _, ok, err := a.Retrieve([]float64{.6, .1}); err != nil || ok {
		t.Errorf("retrieve from an empty cell: %v, %v", ok, err)
	}
	if _, _, err := a.Retrieve([]float64{.6}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("retrieve without a cell: %v", err)
	}
	if _, _, ok := a.Where(id(9)); ok {
		t.Error("an unknown image has a place")
	}
	if s := mustNew(t, small(t), Options{}).Stats(); s.Coverage != 0 || s.Entropy != 0 || s.Evenness != 0 {
		t.Errorf("empty archive: %+v", s)
	}
}

func BenchmarkAdd(b *testing.B) {
	const n = 100_000
	g := mustGrid(b, assay.Axis{Descriptor: "a", Lo: 0, Hi: 1, Cells: 20}, assay.Axis{Descriptor: "b", Lo: 0, Hi: 1, Cells: 20})
	rng := rand.New(rand.NewPCG(1, 2))
	batch := make([]Candidate, n)
	for i := range batch {
		batch[i] = Candidate{Image: id(i), Seq: int64(i), Descriptor: []float64{rng.Float64(), rng.Float64()}}
	}
	b.ReportAllocs()
	for b.Loop() {
		mustNew(b, g, Options{}).Add(batch)
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "adds/s")
}

func BenchmarkCompare(b *testing.B) {
	a := mustNew(b, small(b), Options{})
	for i := range 1000 {
		a.Add([]Candidate{at(i)})
	}
	rng := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	for b.Loop() {
		x, y := rng.IntN(1000), rng.IntN(999)
		if y >= x {
			y++
		}
		if _, err := a.Compare(Comparison{Left: id(x), Right: id(y), Outcome: assay.Left}); err != nil {
			b.Fatal(err)
		}
	}
}

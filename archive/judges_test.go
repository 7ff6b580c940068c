package archive

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/rank"
)

// rivals is an archive of one cell with images 0, 1, 2, ... in it: 0 its elite.
func rivals(t *testing.T, n int, opt Options) *Archive {
	t.Helper()
	a := mustNew(t, mustGrid(t, assay.Axis{Descriptor: "a", Hi: 1, Cells: 1}, assay.Axis{Descriptor: "b", Hi: 1, Cells: 1}), opt)
	for i := range n {
		a.Add([]Candidate{{Image: id(i), Seq: int64(i + 1), Descriptor: []float64{0.5, 0.5}}})
	}
	return a
}

// says compares images x and y: x is the better one.
func says(t *testing.T, a *Archive, x, y int, accuracy float64) []Event {
	t.Helper()
	events, err := a.Compare(Comparison{Left: id(y), Right: id(x), Outcome: assay.Right, Accuracy: accuracy, Judgment: 9})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func elite(t *testing.T, a *Archive) assay.Digest {
	t.Helper()
	c, ok := a.Cell(0)
	if !ok {
		t.Fatal("the cell is empty")
	}
	return c.Elite.Image
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-12 {
		t.Errorf("%s: %.15g, want %.15g", what, got, want)
	}
}

// One judge of accuracy 0.75 reaches a Tau of 0.75, one of less does not, and the
// history keeps people's counts apart from judges' evidence.
func TestJudgeReplaces(t *testing.T) {
	a := rivals(t, 2, Options{})
	e := says(t, a, 1, 0, 0.75)[0]
	if e.Kind != KindImproved || e.Wins != 0 || e.Trials != 0 || elite(t, a) != id(1) {
		t.Errorf("a judge of 0.75 made %+v", e)
	}
	near(t, "posterior", e.Posterior, 0.75)
	near(t, "evidence", e.Evidence, math.Log(3))

	a = rivals(t, 2, Options{})
	e = says(t, a, 1, 0, 0.74)[0]
	if e.Kind != KindKept || elite(t, a) != id(0) {
		t.Errorf("a judge of 0.74 made %+v", e)
	}
	near(t, "posterior", e.Posterior, 0.74)
	e = says(t, a, 1, 0, 0)[0] // and a person, who says the same
	if e.Kind != KindImproved || e.Wins != 1 || e.Trials != 1 {
		t.Errorf("a judge and a person made %+v", e)
	}
	near(t, "posterior of both", e.Posterior, 3*0.74/(3*0.74+0.26))
}

// A click of a person against a judge of 0.75 leaves one half, so that the judge
// replaces nothing that a person has upheld, and a judge's word falls when people
// outweigh it.
func TestPersonAgainstJudge(t *testing.T) {
	a := rivals(t, 2, Options{})
	says(t, a, 0, 1, 0)
	e := says(t, a, 1, 0, 0.75)[0]
	if e.Kind != KindKept || elite(t, a) != id(0) {
		t.Errorf("a judge against a person made %+v", e)
	}
	near(t, "posterior", e.Posterior, 0.5)

	b := rivals(t, 2, Options{})
	says(t, b, 1, 0, 0.75)
	for click := 1; elite(t, b) == id(1); click++ {
		e = says(t, b, 0, 1, 0)[0]
		near(t, "posterior", e.Posterior, rank.Better(click, click)/(rank.Better(click, click)+3*rank.Better(0, click)))
		if click > 3 {
			t.Fatalf("%d clicks do not bring the image back: %+v", click, e)
		}
	}
	if e.Wins != 3 || e.Trials != 3 {
		t.Errorf("the image came back with %+v, want after three clicks", e)
	}
}

// Whatever the order in which people and judges speak, the evidence is the same.
func TestEvidenceKnowsNoOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var all []Comparison
	for range 40 {
		c := Comparison{Left: id(0), Right: id(1), Outcome: []assay.Outcome{assay.Left, assay.Right, assay.Tie}[rng.IntN(3)]}
		if rng.IntN(2) == 0 {
			c.Left, c.Right = c.Right, c.Left
		}
		if rng.IntN(3) > 0 {
			c.Accuracy = 0.5 + 0.49*rng.Float64()
		}
		all = append(all, c)
	}
	var first evidence
	for k := range 50 {
		a := rivals(t, 2, Options{})
		for _, c := range all {
			if _, err := a.Compare(c); err != nil {
				t.Fatal(err)
			}
		}
		e, back := a.between(id(0), id(1)), a.between(id(1), id(0))
		if k == 0 {
			first = e
		}
		if e.wins != first.wins || e.trials != first.trials || math.Abs(e.judges-first.judges) > 1e-13 || math.Abs(e.posterior()-first.posterior()) > 1e-13 {
			t.Fatalf("in another order the evidence is %+v, not %+v", e, first)
		}
		if back.judges != -e.judges {
			t.Fatalf("seen from the other side the judges say %g, not %g", back.judges, -e.judges)
		}
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
}

// What a judge leaves open weighs nothing; a person's tie holds the elite.
func TestTiesOfJudges(t *testing.T) {
	a := rivals(t, 2, Options{})
	for _, o := range []assay.Outcome{assay.Tie, assay.BothBad, assay.Skip} {
		if _, err := a.Compare(Comparison{Left: id(0), Right: id(1), Outcome: o, Accuracy: 0.9}); err != nil {
			t.Fatal(err)
		}
	}
	if e := a.between(id(1), id(0)); e != (evidence{}) {
		t.Errorf("a judge's ties left %+v", e)
	}
	if _, err := a.Compare(Comparison{Left: id(0), Right: id(1), Outcome: assay.Tie}); err != nil {
		t.Fatal(err)
	}
	if e := says(t, a, 1, 0, 0.75)[0]; e.Kind != KindKept || math.Abs(e.Posterior-0.5) > 1e-12 {
		t.Errorf("a judge against a person's tie made %+v", e)
	}
}

// The expected number of false replacements is the sum of what the combined
// posteriors leave open.
func TestDoubtOfJudges(t *testing.T) {
	a := rivals(t, 4, Options{})
	want := 0.0
	for _, e := range [][]Event{says(t, a, 1, 0, 0.8), says(t, a, 2, 1, 0.9), says(t, a, 3, 2, 0)} {
		if e[0].Kind != KindImproved {
			t.Fatalf("want a replacement, not %+v", e[0])
		}
		want += 1 - e[0].Posterior
	}
	s := a.Stats()
	near(t, "Σ(1−P)", s.ExpectedFalseReplacements, want)
	near(t, "of 0.8, 0.9 and a click", want, 0.2+0.1+0.25)
	if s.Replacements != 3 {
		t.Errorf("%d replacements, want 3", s.Replacements)
	}
}

func TestAccuracyRefused(t *testing.T) {
	a := rivals(t, 2, Options{})
	for _, bad := range []float64{-0.75, 0.49, 1, 1.5, math.NaN(), math.Inf(1)} {
		_, err := a.Compare(Comparison{Left: id(0), Right: id(1), Outcome: assay.Right, Accuracy: bad})
		if !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("accuracy %g: %v, want ErrInvalid", bad, err)
		}
	}
	if e := a.between(id(1), id(0)); e != (evidence{}) {
		t.Errorf("what was refused left %+v", e)
	}
}

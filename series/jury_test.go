package series_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
)

// checklist is what the test's jurors ask.
func checklist() []assay.Question {
	q := func(id string, good assay.Polarity) assay.Question {
		return assay.Question{ID: id, Version: "1", Dimension: "composition", Text: "Is it " + id + "?", Good: good, Kind: "plain", Scope: "image"}
	}
	control, twin, other := q("control", assay.YesIsGood), q("not-warm", assay.NoIsGood), q("style", assay.YesIsGood)
	control.Expect, control.Kind = "yes", "control" // of the dimension it watches over
	twin.TwinOf = "warm"
	other.Dimension, other.Scope = "originality", "style"
	return []assay.Question{control, q("warm", assay.YesIsGood), q("blurred", assay.NoIsGood), q("there", assay.Neither), twin, other}
}

// A fake is a juror that answers from the bytes of a picture, counts what it is
// asked, and stops when its budget is spent.
type fake struct {
	judge  assay.Judge
	better func(a, b series.Shown) float64                // P(a is better)
	fail   func(img series.Shown) error                   // of one picture
	said   func(q assay.Question, p float64) assay.Belief // what becomes of an answer; nil: it is given
	others func([]assay.Digest)
	slow   bool

	mu     sync.Mutex
	asked  map[string]int
	budget int // questions and comparisons left; negative: no limit
}

func newFake(name string) *fake {
	return &fake{judge: assay.Judge{Name: name, API: "openai", Model: "model-of-" + name, Protocol: 1}, asked: map[string]int{}, budget: -1,
		better: func(a, b series.Shown) float64 { // a picture's name is a coin that always falls alike
			if a.Entry.Image.String() > b.Entry.Image.String() {
				return 0.9
			}
			return 0.1
		}}
}

func (f *fake) Judge() assay.Judge { return f.judge }

func (f *fake) pay(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.budget == 0 {
		return fmt.Errorf("%s: %w", what, errBudget)
	}
	f.budget--
	f.asked[what]++
	return nil
}

// share is a number in [0,1) that a picture has for a question.
func share(img assay.Digest, question string) float64 {
	d := assay.DigestOf(append(img[:], question...))
	return (float64(d[0]) + 0.5) / 256
}

func (f *fake) Checklist(ctx context.Context, img series.Shown, have []assay.Answer) (out []assay.Answer, err error) {
	if f.fail != nil {
		if err := f.fail(img); err != nil {
			return nil, err
		}
	}
	if assay.DigestOf(img.Data) != img.Entry.Image || img.Image.ID != img.Entry.Image || slices.Contains(img.Others, img.Entry.Image) {
		return nil, errors.New("shown another picture")
	}
	if f.others != nil {
		f.others(img.Others)
	}
	if f.slow {
		time.Sleep(time.Duration(img.Entry.Image[0]) * 20 * time.Microsecond)
	}
	for _, q := range checklist() {
		if slices.ContainsFunc(have, func(a assay.Answer) bool { return a.Question.ID == q.ID }) {
			continue
		}
		if err := f.pay(q.ID + " " + img.Entry.Image.String()); err != nil {
			return out, err
		}
		p := share(img.Entry.Image, q.ID)
		b := assay.Belief{P: p, Low: p, High: p, Method: assay.ByLogProbs, Coverage: 1}
		if f.said != nil {
			b = f.said(q, p)
		}
		out = append(out, assay.Answer{Question: q, Belief: b})
	}
	return out, nil
}

func (f *fake) Compare(ctx context.Context, a, b series.Shown, reason string) (assay.Comparison, error) {
	if f.slow {
		time.Sleep(time.Duration(b.Entry.Image[1]) * 20 * time.Microsecond)
	}
	if f.fail != nil {
		if err := errors.Join(f.fail(a), f.fail(b)); err != nil {
			return assay.Comparison{}, err
		}
	}
	one, two := a.Entry.Image.String(), b.Entry.Image.String()
	if err := f.pay("compare " + min(one, two) + " " + max(one, two)); err != nil {
		return assay.Comparison{}, err
	}
	p := f.better(a, b)
	belief := assay.Belief{P: p, Low: p, High: p, Method: assay.ByLogProbs, Coverage: 1}
	c := assay.Comparison{A: a.Entry.Image, B: b.Entry.Image, Criterion: "better@1", P: p, Margin: 0.1,
		FirstOrder: belief, SecondOrder: belief, Outcome: assay.Tie, Reason: reason}
	switch {
	case math.IsNaN(p):
		c.FirstOrder, c.SecondOrder = assay.Belief{Abstained: "refused: no"}, assay.Belief{Abstained: "refused: no"}
		c.P, c.Outcome, c.Reason = 0.5, assay.Skip, "neither order was answered"
	case p > 0.6:
		c.Outcome = assay.Left
	case p < 0.4:
		c.Outcome = assay.Right
	}
	return c, nil
}

func (f *fake) Write(ctx context.Context, img series.Shown, answers []assay.Answer, kind string) (assay.Note, error) {
	if len(answers) != len(checklist()) {
		return assay.Note{}, fmt.Errorf("%d answers, want all", len(answers))
	}
	if err := f.pay(kind + " " + img.Entry.Image.String()); err != nil {
		return assay.Note{}, err
	}
	return assay.Note{Body: json.RawMessage(`{"text":"a ` + kind + `"}`)}, nil
}

// once fails the test if the juror was asked anything twice.
func (f *fake) once(t *testing.T) {
	t.Helper()
	for what, n := range f.asked {
		if n != 1 {
			t.Errorf("%s was asked %d times: %s", f.judge.Name, n, what)
		}
	}
}

// count counts what the juror was asked whose name starts so.
func (f *fake) count(prefix string) (n int) {
	for what := range f.asked {
		if strings.HasPrefix(what, prefix) {
			n++
		}
	}
	return n
}

// some opens the named formulas only.
func some(t *testing.T, names ...string) series.Tools {
	t.Helper()
	var tools series.Tools
	for _, name := range names {
		in, err := metric.OpenFormula(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close() })
		tools.Instruments = append(tools.Instruments, in)
	}
	return tools
}

// jury opens a series of n pictures, on a map of four cells unless told
// otherwise, with no thresholds.
func jury(t *testing.T, db *store.DB, n int, opt series.Options) *series.Series {
	t.Helper()
	if opt.Axes == nil {
		opt.Axes = []assay.Axis{{Descriptor: "lightness", Lo: 0, Hi: 100, Cells: 2}, {Descriptor: "warmth", Lo: -30, Hi: 30, Cells: 2}}
	}
	if opt.Warmup == 0 {
		opt.Warmup = 1000
	}
	s, err := series.Open(t.Context(), "test", db, some(t, "layout", "lightness", "warmth"), opt)
	if err != nil {
		t.Fatal(err)
	}
	var list []series.Input
	for i := range n {
		list = append(list, input(fmt.Sprintf("%02d.png", i), pictureOf(t, uint64(i+1), 48)))
	}
	add(t, s, list)
	return s
}

func deliberate(t *testing.T, s *series.Series, opt series.DeliberateOptions, jurors ...series.Juror) (out []series.Deliberation, err error) {
	t.Helper()
	err = s.Deliberate(t.Context(), jurors, opt, func(d series.Deliberation) error { out = append(out, d); return nil })
	return out, err
}

func viewOf(t *testing.T, s *series.Series) *series.View {
	t.Helper()
	v, err := s.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// audit stores what an examination found of a judge.
func audit(t *testing.T, db *store.DB, trust assay.Trust) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"trust": trust, "calls": 200})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.PutNote(t.Context(), assay.Note{Series: "test", Judge: trust.Judge, Kind: series.AuditNote, Body: body}); err != nil {
		t.Fatal(err)
	}
}

func fit(j assay.Judge, accuracy float64) assay.Trust {
	return assay.Trust{Judge: j, Fit: true, Accuracy: accuracy, Low: accuracy - 0.1, High: accuracy + 0.1, Pairs: 50, Source: "people"}
}

// cells is the archive without the numbers that depend on what was stored first.
func cells(v *series.View) []archive.Cell { return slices.Collect(v.Archive.Cells()) }

var sameCells = []cmp.Option{cmpopts.IgnoreFields(archive.Event{}, "Judgment"), cmpopts.EquateApprox(0, 1e-12), cmpopts.EquateEmpty()}

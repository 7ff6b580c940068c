package judge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
	"github.com/gen-emerge/assay/stat"
)

func TestRules(t *testing.T) {
	for _, c := range []struct {
		rule rule
		k, n int
		want Verdict
	}{
		{ruleControls, 0, 0, NotEnoughData},
		{ruleControls, 3, 3, NotEnoughData}, // a coin does that in 1 of 8
		{ruleControls, 20, 20, Pass},
		{ruleControls, 10, 20, Fail},
		{ruleYesBias, 20, 20, Fail},
		{ruleYesBias, 0, 20, Fail},
		{ruleYesBias, 11, 20, Pass},
		{ruleYesBias, 2, 2, NotEnoughData},
		{ruleGross, 6, 6, NotEnoughData},
		{ruleGross, 30, 30, Pass},
		{ruleGross, 0, 6, Fail},
		{rulePosition, 40, 40, Fail},
		{rulePosition, 20, 40, Pass}, // no more than a coin turns, which is another rule's business
		{ruleRepeat, 5, 8, Fail},
		{ruleRepeat, 0, 8, Pass},
		{ruleDecided, 0, 70, Fail},
		{ruleDecided, 0, 20, NotEnoughData},
		{ruleDecided, 30, 77, Pass},
	} {
		got := c.rule.check(c.k, c.n)
		if got.Verdict != c.want {
			t.Errorf("%s, %d of %d: %s; want %s (%+v)", c.rule.name, c.k, c.n, got.Verdict, c.want, got.Share)
		}
		if got.Rule == "" || got.What == "" || (got.Share == nil) != (c.n == 0) {
			t.Errorf("%s: %+v", c.rule.name, got)
		}
	}
}

// The rules keep the error rates that they state.
func TestRulesErrorRates(t *testing.T) {
	for _, r := range []rule{ruleControls, ruleYesBias, ruleGross, ruleMild, ruleDecided, rulePosition, ruleRepeat, ruleNegation, ruleWrong} {
		for _, n := range []int{5, 20, 71} {
			for _, border := range []float64{r.least, r.most} {
				if border == 0 || border == 1 {
					continue
				}
				at := r
				at.worthless = border
				if p := at.power(n); p > (1-r.level)+1e-9 { // both borders can be crossed by one judge
					t.Errorf("%s: a judge at %g fails in %.4f of examinations of %d", r.name, border, p, n)
				}
			}
		}
	}
}

func TestPairsRuleErrorRates(t *testing.T) {
	chance := func(p float64, n int, of Verdict) (sum float64) {
		for k := range n + 1 {
			if checkPairs(k, n).Verdict == of {
				lg := func(x int) float64 { v, _ := math.Lgamma(float64(x + 1)); return v }
				sum += math.Exp(lg(n) - lg(k) - lg(n-k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
			}
		}
		return sum
	}
	for n := leastPairs; n <= 200; n += 9 {
		if p := chance(0.5, n, Pass); p > coinPasses {
			t.Errorf("a coin passes with probability %.3f at %d pairs", p, n)
		}
		if p := chance(goodAccuracy, n, Fail); p > goodFails {
			t.Errorf("a good judge fails with probability %.3f at %d pairs", p, n)
		}
	}
	// At the pairs that an examination of 200 calls has both are told apart.
	if p := chance(0.5, 71, Fail); p < 0.8 {
		t.Errorf("a coin fails with probability %.3f", p)
	}
	if p := chance(goodAccuracy, 71, Pass); p < 0.97 {
		t.Errorf("a good judge passes with probability %.3f", p)
	}
	if v := checkPairs(15, 25).Verdict; v != NotEnoughData {
		t.Errorf("15 of 25: %s", v)
	}
}

func TestPositionOffsetIsFound(t *testing.T) {
	b := behaviour{name: "leaning", looks: true, accuracy: 0.7, strength: 3, first: 1.5}
	r, _ := examine(t, b, 1, true, 150)
	n := r.Position.Number
	if n == nil || math.Abs(n.Value-1.5) > 0.2 || n.Low > 1.5 || n.High < 1.2 {
		t.Errorf("offset %+v; want about 1.5", n)
	}
	if r.Position.K == 0 || r.Position.Verdict != Pass {
		t.Errorf("%+v; want some flips, and no more than half", r.Position)
	}
	first, _ := examine(t, worthless[0], 1, true, 150)
	if first.Position.K != first.Position.N || first.Position.Verdict != Fail {
		t.Errorf("always first: %+v; want every pair to flip", first.Position)
	}
}

// What the prompt changes and what a negation turns is seen by a judge that looks.
func TestAuditOfPromptsAndTwins(t *testing.T) {
	g := newGallery(t, 150, 3)
	question := withVersion(assay.Question{ID: "q", Text: "Is it sharp?", Scope: "image"})
	twin := withVersion(assay.Question{ID: "not-q", Text: "Is it blurred?", Scope: "image", TwinOf: "q"})
	g.Questions = []assay.Question{question, twin}
	for _, says := range []struct {
		truth map[string]bool
		want  Verdict
	}{{map[string]bool{question.Text: true, twin.Text: false}, Pass}, {map[string]bool{question.Text: true, twin.Text: true}, Fail}} {
		for text, v := range says.truth {
			g.truth[text] = v
		}
		m, _ := g.judge(seeing[3], 3, true)
		r, err := Audit(context.Background(), m, g.Material, AuditOptions{Seed: 3, Ask: Options{Controls: g.controls}})
		if err != nil {
			t.Fatal(err)
		}
		if r.Negation.Verdict != says.want || r.Negation.N != twinCount {
			t.Errorf("negation: %+v; want %s", r.Negation, says.want)
		}
		if r.Wrong.Verdict != Pass || r.Wrong.N != wrongCount {
			t.Errorf("wrong prompt: %+v; want a pass of %d", r.Wrong, wrongCount)
		}
		if !r.Trust.Fit { // failing twins is a doubt
			t.Errorf("unfit: %v", r.Trust.Reasons)
		}
	}
	m, _ := g.judge(behaviour{name: "blind", yes: 2}, 3, true)
	r, err := Audit(context.Background(), m, g.Material, AuditOptions{Seed: 3, Ask: Options{Controls: g.controls}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Wrong.Verdict != Fail || r.Trust.Fit {
		t.Errorf("blind: wrong prompt %+v, fit %v", r.Wrong, r.Trust.Fit)
	}
}

// With few pairs of people the accuracy comes from degraded pairs, and is capped.
func TestAuditWithoutPeople(t *testing.T) {
	for _, pairs := range []int{0, 7} {
		r, _ := examine(t, seeing[3], 4, true, pairs)
		tr := r.Trust
		if !tr.Fit || tr.Source != "controls" || tr.Accuracy != mostByControls || tr.Low != 0.5 || tr.High < tr.Accuracy || tr.Pairs < leastPairs {
			t.Errorf("%d pairs: %+v", pairs, tr)
		}
		if r.Pairs.N > pairs {
			t.Errorf("%d pairs: %+v", pairs, r.Pairs)
		}
	}
}

func TestAuditOfQuestions(t *testing.T) {
	g := newGallery(t, 0, 5)
	ann := assay.Judge{Name: "ann"}
	good := withVersion(assay.Question{ID: "good", Text: "Is it good?", Scope: "image"})
	bad := withVersion(assay.Question{ID: "bad", Text: "Is it bad?", Scope: "image"})
	m, _ := g.judge(seeing[3], 5, true)
	mine := m.Judge
	mine.Protocol = Protocol
	rng := rand.New(rand.NewPCG(1, 2))
	answer := func(j assay.Judge, q assay.Question, i int, yes bool) {
		b := assay.Belief{P: float64(bit(yes)), Low: float64(bit(yes)), High: float64(bit(yes)), Method: assay.ByWord}
		g.Answers = append(g.Answers, assay.Answer{Image: nameOnly(fmt.Sprint(i)).Image, Judge: j, Question: q, Belief: b})
	}
	for i := range 120 {
		truth := i%2 == 0
		answer(mine, good, i, truth != (rng.Float64() < 0.1))
		answer(mine, bad, i, i%4 < 2) // as often yes where people say yes as where they say no
		if i < 80 {
			answer(ann, good, i, truth)
			answer(ann, bad, i, truth)
		}
	}
	r, err := Audit(context.Background(), m, g.Material, AuditOptions{Seed: 5, Ask: Options{Controls: g.controls}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Questions) != 2 {
		t.Fatalf("%d questions", len(r.Questions))
	}
	qb, qg := r.Questions[0], r.Questions[1]
	if qg.Verdict != Pass || qg.Yes.N+qg.No.N != 80 || qg.Sensitivity.Value < 0.8 || qg.Specificity.Value < 0.8 {
		t.Errorf("good: %+v", qg)
	}
	if qg.Share == nil || qg.Share.Low > 0.5 || qg.Share.High < 0.5 {
		t.Errorf("good: share of yes %+v; want an interval around 0.5", qg.Share)
	}
	if qb.Verdict != Fail || r.Trust.Unfit[idOf(bad)] == "" || r.Trust.Unfit[idOf(good)] != "" {
		t.Errorf("bad: %+v; unfit %v", qb, r.Trust.Unfit)
	}
	if r.Agreement == nil || r.Agreement.Value < 0.2 || r.Agreement.Value > 0.7 {
		t.Errorf("agreement %+v; want that of one good and one worthless question", r.Agreement)
	}
}

// What people answered and the judge did not is asked, and can be kept.
func TestAuditAsksPeoplesQuestions(t *testing.T) {
	g := newGallery(t, 0, 6)
	q := withVersion(assay.Question{ID: "q", Text: "Is it sharp?", Scope: "image"})
	g.truth[q.Text] = true
	for i, s := range g.Subjects {
		b := assay.Belief{P: float64(bit(i%3 > 0)), Method: assay.ByWord}
		g.Answers = append(g.Answers, assay.Answer{Image: s.Image, Judge: assay.Judge{Name: "ann"}, Question: q, Belief: b})
	}
	m, _ := g.judge(seeing[3], 6, true)
	r, err := Audit(context.Background(), m, g.Material, AuditOptions{Seed: 6, Ask: Options{Controls: g.controls}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Answers) != len(g.Subjects) || r.Answers[0].Judge.Protocol != Protocol || !r.Answers[0].Belief.Known() {
		t.Fatalf("%d answers to keep: %+v", len(r.Answers), r.Answers)
	}
	if got := r.Questions[0]; got.Yes != (stat.Count{K: 8, N: 8}) || got.No != (stat.Count{K: 0, N: 4}) {
		t.Errorf("%+v; want yes to everything", got)
	}
}

type failing struct {
	vlm.Asker
	after int
	err   error
}

func (f *failing) Ask(ctx context.Context, r vlm.Request) (vlm.Reply, error) {
	if f.after--; f.after < 0 {
		return vlm.Reply{}, f.err
	}
	return f.Asker.Ask(ctx, r)
}

func TestAuditThatIsCutOff(t *testing.T) {
	g := newGallery(t, 150, 7)
	m, _ := g.judge(seeing[3], 7, true)
	gone := errors.New("the server is gone")
	m.Asker = &failing{m.Asker, 60, gone}
	r, err := Audit(context.Background(), m, g.Material, AuditOptions{Seed: 7, Parallel: 1, Ask: Options{Controls: g.controls}})
	if !errors.Is(err, gone) || r.Trust.Fit || !strings.Contains(r.Stopped, gone.Error()) {
		t.Fatalf("%v, fit %v, stopped %q", err, r.Trust.Fit, r.Stopped)
	}
	if r.Controls.N == 0 || r.Pairs.N == 0 {
		t.Errorf("what was answered is gone: %+v, %+v", r.Controls, r.Pairs)
	}
}

func TestAuditRefuses(t *testing.T) {
	g := newGallery(t, 1, 8)
	m, p := g.judge(seeing[0], 8, true)
	for name, f := range map[string]func(*Material, *AuditOptions){
		"few calls":      func(_ *Material, o *AuditOptions) { o.Calls = 5 },
		"bad margin":     func(_ *Material, o *AuditOptions) { o.Ask.Margin = 0.7 },
		"weight":         func(mat *Material, _ *AuditOptions) { mat.Pairs[0].Weight = -1 },
		"not encoded":    func(mat *Material, _ *AuditOptions) { mat.Pairs[0].A.Sent = nil },
		"not a picture":  func(mat *Material, _ *AuditOptions) { mat.Subjects = []Subject{nameOnly("x")} },
		"negative foils": func(_ *Material, o *AuditOptions) { o.FoilCalls = -1 },
	} {
		mat, opt := g.Material, AuditOptions{}
		mat.Pairs = append([]HumanPair{}, mat.Pairs...)
		f(&mat, &opt)
		if _, err := Audit(context.Background(), m, mat, opt); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v; want ErrInvalid", name, err)
		}
	}
	if p.calls > 0 {
		t.Errorf("%d requests were made", p.calls)
	}
}

func TestAuditOfNothing(t *testing.T) {
	m, _ := newGallery(t, 0, 9).judge(seeing[3], 9, true)
	g := newGallery(t, 0, 9)
	m.Asker.(*pretender).cards = g.cards
	r, err := Audit(context.Background(), m, Material{}, AuditOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Trust.Fit || r.Trust.Accuracy != 0 || len(r.Trust.Reasons) == 0 {
		t.Errorf("%+v; want an unfit judge of unknown accuracy", r.Trust)
	}
}

func TestReportForPeopleAndJSON(t *testing.T) {
	g := newGallery(t, 150, 10)
	m, p := g.judge(seeing[3], 10, true)
	p.score = func(assay.Digest, int) string { return "7" }
	r, err := Audit(context.Background(), m, g.Material, AuditOptions{Seed: 10, Absolute: true, Ask: Options{Controls: g.controls}})
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, row := range r.Table() {
		have[row.Check] = true
		if row.Check == "" || row.Found == "" || row.Rule == "" {
			t.Errorf("a row is empty: %+v", row)
		}
	}
	for _, want := range []string{"verdict", "accuracy", "controls", "yes-bias", "position bias", "people's pairs", "foil: ties", "foil: cost", "cost"} {
		if !have[want] {
			t.Errorf("no row %q", want)
		}
	}
	if r.Foil == nil || r.Foil.Cost.Calls != foilCalls || r.Foil.Pairwise == nil || r.Foil.Pairwise.N != r.Pairs.N {
		t.Errorf("foil: %+v", r.Foil)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(text, &back); err != nil || back.Pairs.K != r.Pairs.K || back.Trust.Accuracy != r.Trust.Accuracy {
		t.Errorf("%v: %+v", err, back)
	}
	again, err := Audit(context.Background(), m, g.Material, AuditOptions{Seed: 10, Parallel: 3, Ask: Options{Controls: g.controls}})
	if err != nil {
		t.Fatal(err)
	}
	if again.Pairs.K != r.Pairs.K || again.Controls.K != r.Controls.K || again.Position.K != r.Position.K {
		t.Errorf("the same seed gave %+v and %+v", again.Pairs, r.Pairs)
	}
}

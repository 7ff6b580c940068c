package judge

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// quiet asks nothing twice and mixes nothing in.
var quiet = Options{RepeatRate: -1, ControlRate: -1, Batch: true}

func handQuestions() []assay.Question {
	hands := question("hands", "Are there hands?")
	hands.Good, hands.Kind = assay.Neither, "presence"
	fingers := question("fingers", "Has each hand five fingers?")
	fingers.Needs = []string{"hands"}
	rings := question("rings", "Do the rings sit on the fingers?")
	rings.Needs = []string{"fingers"}
	return []assay.Question{rings, fingers, hands, question("sharp", "Is the subject sharp?")}
}

// answering gives each question of a judge with probabilities its P, and each
// of one without its likelier word.
func answering(ps map[string]float64) func(r vlm.Request) (vlm.Reply, error) {
	of := func(q string) float64 {
		if p, ok := truthful(q); ok {
			return p
		}
		for text, p := range ps {
			if strings.Contains(q, text) {
				return p
			}
		}
		return 0.9
	}
	word := func(q string) string {
		if of(q) > 0.5 {
			return "yes"
		}
		return "no"
	}
	return func(r vlm.Request) (vlm.Reply, error) {
		switch {
		case r.TopLogProbs > 0:
			return pYes(of(questionOf(r))), nil
		case r.Schema != nil || strings.Contains(textOf(r), "Questions:"):
			return batchReply(r, word), nil
		}
		return says(word(questionOf(r))), nil
	}
}

func ids(answers []assay.Answer) (out []string) {
	for _, a := range answers {
		id := a.Question.ID
		if a.Repeat > 0 {
			id += fmt.Sprint("#", a.Repeat)
		}
		out = append(out, id)
	}
	return out
}

// However a judge is read, the answers are in the order of the questions, and a
// child of a no is neither asked nor answered.
func TestChecklistDependencies(t *testing.T) {
	for name, can := range map[string]vlm.Capabilities{"logprobs": canLogProbs, "batch": canSchema, "single draws": canNothing} {
		t.Run(name, func(t *testing.T) {
			m, f := model(can, answering(map[string]float64{"Has each hand": 0.1}))
			answers, err := Checklist(t.Context(), m, subject("a"), handQuestions(), quiet)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := ids(answers), []string{"rings", "fingers", "hands", "sharp"}; !slices.Equal(got, want) {
				t.Fatalf("order %v, want %v", got, want)
			}
			if f.asked("rings") > 0 {
				t.Error("a child of a no was asked")
			}
			if got, want := answers[0].Belief.Abstained, "not asked: it needs fingers, which was answered no"; got != want {
				t.Errorf("abstained %q, want %q", got, want)
			}
			if b := answers[1].Belief; !b.Known() || b.P > 0.5 {
				t.Errorf("fingers: %+v", b)
			}
			method := assay.BySamples
			if can.LogProbs {
				method = assay.ByLogProbs
			}
			for _, a := range answers[1:] {
				if a.Belief.Method != method || a.Judge.Protocol != Protocol || a.Image != subject("a").Image || a.Created.IsZero() || a.Void != "" {
					t.Errorf("%+v", a)
				}
			}
		})
	}
}

func TestChecklistParentSilent(t *testing.T) {
	m, _ := model(canLogProbs, func(r vlm.Request) (vlm.Reply, error) {
		if strings.Contains(questionOf(r), "Are there hands") {
			return words("unsure", .9, "yes", .1), nil
		}
		return pYes(.9), nil
	})
	answers, err := Checklist(t.Context(), m, subject("a"), handQuestions(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	if got := answers[1].Belief.Abstained; got != "not asked: it needs hands, which was not answered" {
		t.Errorf("fingers: %q", got)
	}
	if got := answers[0].Belief.Abstained; got != "not asked: it needs fingers, which was not answered" {
		t.Errorf("rings: %q", got)
	}
}

func TestChecklistScopes(t *testing.T) {
	prompt, style := question("met", "Is the boat there?"), question("kin", "Is it of the series?")
	prompt.Scope, style.Scope = "prompt", "style"
	qs := []assay.Question{prompt, style}
	m, f := model(canLogProbs, answering(nil))
	answers, err := Checklist(t.Context(), m, subject("a"), qs, quiet)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range answers {
		if !strings.HasPrefix(a.Belief.Abstained, "not asked: ") || f.count() > 0 {
			t.Errorf("%s: %+v", a.Question.ID, a.Belief)
		}
	}
	s := subject("a")
	s.Prompt, s.Others = "a boat", []*vlm.Image{subject("b").Sent}
	if answers, err = Checklist(t.Context(), m, s, qs, quiet); err != nil {
		t.Fatal(err)
	}
	if answers[0].Text != assay.DigestOfText("a boat") || !answers[1].Text.IsZero() || !answers[0].Belief.Known() || !answers[1].Belief.Known() {
		t.Errorf("%+v", answers)
	}
	if f.asked("a boat") != 1 || f.asked("other pictures of the series") != 1 {
		t.Error("the scope was not shown, or to every question")
	}
	m.Can.ManyImages = false
	if answers, err = Checklist(t.Context(), m, s, qs, quiet); err != nil || answers[1].Belief.Known() {
		t.Errorf("%+v %v", answers, err)
	}
	// In a batch the controls do not go down with a question that cannot be put.
	m, _ = model(canSchema, answering(nil))
	answers, err = Checklist(t.Context(), m, subject("a"), qs[:1], Options{Controls: testControls, RepeatRate: -1, Batch: true})
	if err != nil || len(answers) != 3 || !answers[1].Belief.Known() || !answers[2].Belief.Known() {
		t.Errorf("%+v %v", answers, err)
	}
}

// steered is a judge that obeys a picture: everything is a yes.
func steered(r vlm.Request) (vlm.Reply, error) {
	switch {
	case r.TopLogProbs > 0:
		return pYes(.98), nil
	case strings.Contains(textOf(r), "Questions:"):
		return batchReply(r, func(string) string { return "yes" }), nil
	}
	return says("Yes"), nil
}

func TestChecklistControls(t *testing.T) {
	for name, can := range map[string]vlm.Capabilities{"logprobs": canLogProbs, "batch": canSchema, "single draws": canNothing} {
		t.Run(name, func(t *testing.T) {
			opt := Options{Controls: testControls, RepeatRate: -1, Samples: 2, Batch: name == "batch"}
			m, f := model(can, answering(nil))
			answers, err := Checklist(t.Context(), m, subject("a"), handQuestions(), opt)
			if err != nil {
				t.Fatal(err)
			}
			expects := map[string]int{}
			for _, a := range answers {
				if a.Void != "" {
					t.Errorf("a truthful judge: %s is void: %s", a.Question.ID, a.Void)
				}
				expects[a.Question.Expect]++
			}
			if expects["yes"] != 1 || expects["no"] != 1 || len(answers) != 6 || answers[5].Question.Expect == "" {
				t.Errorf("controls of each answer: %v, answers %v", expects, ids(answers))
			}
			if !can.LogProbs && answers[3].Belief.Samples < controlSamples {
				t.Errorf("%d draws cannot show a control wrong", answers[3].Belief.Samples)
			}
			before := f.count()

			m, f = model(can, steered)
			answers, err = Checklist(t.Context(), m, subject("a"), handQuestions(), opt)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range answers {
				isControl := a.Question.Expect != ""
				if isControl != (a.Void == "") {
					t.Errorf("%s: void %q", a.Question.ID, a.Void)
				}
				if !isControl && !(strings.HasPrefix(a.Void, "control control.") && strings.Contains(a.Void, "was answered yes")) {
					t.Errorf("%s: the reason %q does not name the control", a.Question.ID, a.Void)
				}
			}
			if (can.LogProbs || !can.Schema) && f.count() >= before {
				t.Errorf("%d requests after a control failed, %d where none did", f.count(), before)
			}
		})
	}
}

// A control that is answered with a shrug, or wrongly within its interval, is
// not wrong.
func TestWrong(t *testing.T) {
	lp := func(p, lo, hi float64) assay.Belief {
		return assay.Belief{P: p, Low: lo, High: hi, Method: assay.ByLogProbs}
	}
	no, yes := knownControl("c", "?", "no"), knownControl("c", "?", "yes")
	for i, c := range []struct {
		q    assay.Question
		b    assay.Belief
		want bool
	}{
		{no, lp(.9, .8, .95), true}, {no, lp(.9, .4, .95), false}, {no, lp(.1, .05, .2), false}, {no, lp(.5, .5, .5), false},
		{yes, lp(.1, .05, .2), true}, {yes, lp(.1, .05, .6), false}, {yes, lp(.9, .8, .95), false},
		{question("q", "?"), lp(.9, .8, .95), false},
		{no, assay.Belief{Method: assay.ByLogProbs, P: .9, Low: .9, Abstained: cannotTell}, false},
	} {
		if got := Wrong(c.q, c.b); got != c.want {
			t.Errorf("%d: %t, want %t", i, got, c.want)
		}
	}
}

func manyQuestions(n int) (qs []assay.Question) {
	for i := range n {
		q := question(fmt.Sprintf("q.%03d", i), fmt.Sprintf("Is number %03d fine?", i))
		q.Dimension = []string{"composition", "detail", "safety"}[i%3]
		qs = append(qs, q)
		if i%5 == 0 {
			twin := question(q.ID+".not", fmt.Sprintf("Is number %03d not fine?", i))
			twin.Dimension, twin.TwinOf, twin.Good = q.Dimension, q.ID, assay.NoIsGood
			qs = append(qs, twin)
		}
	}
	return qs
}

func TestChecklistRates(t *testing.T) {
	qs := manyQuestions(500)
	m, f := model(canLogProbs, answering(map[string]float64{"not fine": 0.2}))
	answers, err := Checklist(t.Context(), m, subject("a"), qs, Options{TwinRate: 0.5, RepeatRate: 0.1, Controls: testControls})
	if err != nil {
		t.Fatal(err)
	}
	twins, repeats, controls := 0, 0, 0
	for i, a := range answers {
		switch {
		case a.Repeat > 0:
			repeats++
			if answers[i-1].Question.ID != a.Question.ID {
				t.Errorf("%s's repeat stands behind %s", a.Question.ID, answers[i-1].Question.ID)
			}
		case a.Question.TwinOf != "":
			twins++
		case a.Question.Expect != "":
			controls++
		}
	}
	if twins < 30 || twins > 70 || repeats < 30 || repeats > 90 || controls != 3 {
		t.Errorf("%d of 100 twins, %d of about 550 repeated, %d controls", twins, repeats, controls)
	}
	seen := map[string]bool{}
	for _, r := range f.requests {
		key := fmt.Sprint(questionOf(r), r.Sample)
		if seen[key] {
			t.Errorf("asked twice as one sample: %s", key)
		}
		seen[key] = true
	}
	merged, err := Twins(answers)
	if err != nil || len(merged) != twins {
		t.Fatalf("%d merged of %d: %v", len(merged), twins, err)
	}
	for _, x := range merged {
		near(t, x.Question.ID, x.Belief.P, 0.85, 1e-9)
		near(t, "gap", x.Gap, 0.1, 1e-9)
	}
}

// The same seed asks the same, so that a run that was cut off finds its answers
// in the cache; another seed chooses otherwise.
func TestChecklistIsRepeatable(t *testing.T) {
	run := func(can vlm.Capabilities, seed uint64, repeat int, rate float64) []string {
		m, f := model(can, answering(map[string]float64{"not fine": 0.2}))
		opt := Options{Batch: can.Schema, Seed: seed, Repeat: repeat, Controls: testControls, TwinRate: .5, RepeatRate: rate}
		if _, err := Checklist(t.Context(), m, subject("a"), manyQuestions(40), opt); err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, r := range f.requests {
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(text))
		}
		slices.Sort(out)
		return out
	}
	for _, can := range []vlm.Capabilities{canLogProbs, canSchema, canNothing} {
		a := run(can, 1, 0, 0)
		if !slices.Equal(a, run(can, 1, 0, 0)) {
			t.Error("the same seed asked something else")
		}
		if slices.Equal(a, run(can, 2, 0, 0)) {
			t.Error("another seed asked the same")
		}
		// The repeats within the first time are the second asking; without them
		// nothing may coincide.
		a = run(can, 1, 0, -1)
		again := run(can, 1, 1, -1)
		for _, r := range again {
			if slices.Contains(a, r) {
				t.Fatalf("asked again, a request is one of the first time: %s", r)
			}
		}
	}
}

var errGone = errors.New("budget spent")

// A judge that announced probabilities and gives none is not read another way.
func TestMethodsAreNotMixed(t *testing.T) {
	m, _ := model(canLogProbs, func(vlm.Request) (vlm.Reply, error) { return says("Yes"), nil })
	b, err := Ask(t.Context(), m, subject("a"), question("q", "Is it fine?"), Options{})
	if err != nil || b.Abstained != "no answer: the server gave no probabilities" || b.Method != assay.ByLogProbs {
		t.Errorf("%+v %v", b, err)
	}
}

func TestRequestShape(t *testing.T) {
	m, f := model(canLogProbs, answering(nil))
	if _, err := Ask(t.Context(), m, subject("a"), question("q", "Is it fine?"), Options{}); err != nil {
		t.Fatal(err)
	}
	r := f.requests[0]
	if len(r.Parts) != 2 || r.Parts[0].Image == nil || r.MaxTokens != 3 || r.TopLogProbs != 20 || *r.Temperature != 1 || r.Seed != nil || r.Schema != nil {
		t.Errorf("%+v", r)
	}
	if text := r.Parts[1].Text; !strings.HasPrefix(text, "Question: Is it fine?\nAnswer with one word: yes, no or unsure.") {
		t.Errorf("%q", text)
	}
}

func TestParallelIsBounded(t *testing.T) {
	m, f := model(canNothing, func(vlm.Request) (vlm.Reply, error) {
		time.Sleep(time.Millisecond)
		return says("yes"), nil
	})
	if _, err := Checklist(t.Context(), m, subject("a"), manyQuestions(20), Options{Parallel: 3, ControlRate: -1}); err != nil {
		t.Fatal(err)
	}
	if f.top != 3 {
		t.Errorf("%d requests at once, want 3", f.top)
	}
}

func TestChecklistInvalid(t *testing.T) {
	m, f := model(canLogProbs, answering(nil))
	needs := func(id string, needs ...string) assay.Question {
		q := question(id, "Is it?")
		q.Needs = needs
		return q
	}
	for name, qs := range map[string][]assay.Question{
		"circle": {needs("a", "b"), needs("b", "c"), needs("c", "a")}, "itself": {needs("a", "a")}, "unknown": {needs("a", "z")},
		"twice": {needs("a"), needs("a")}, "no id": {needs("")}, "no text": {{ID: "a"}},
		"expects": {knownControl("a", "Is it?", "perhaps")}, "scope": {{ID: "a", Text: "Is it?", Scope: "sound"}},
	} {
		if _, err := Checklist(t.Context(), m, subject("a"), qs, quiet); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, opt := range map[string]Options{
		"samples": {Samples: -1}, "many samples": {Samples: 1001}, "retries": {Retries: 10}, "margin": {Margin: .5},
		"rate": {RepeatRate: 1.5}, "parallel": {Parallel: -2}, "criterion": {Criterion: Criterion{Name: "x"}},
	} {
		if _, err := Checklist(t.Context(), m, subject("a"), nil, opt); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Checklist(t.Context(), m, Subject{}, nil, quiet); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("no picture: %v", err)
	}
	if f.count() > 0 {
		t.Error("something was asked")
	}
}

// Draws that wait for their turn when one fails are not sent.
func TestNothingIsSentAfterFailure(t *testing.T) {
	m, f := model(canNothing, nil)
	f.answer = func(vlm.Request) (vlm.Reply, error) {
		n := f.count()
		time.Sleep(2 * time.Millisecond)
		if n == 20 {
			return vlm.Reply{}, errGone
		}
		return says("yes"), nil
	}
	_, err := Checklist(t.Context(), m, subject("a"), manyQuestions(20), Options{Parallel: 8, Samples: 50, ControlRate: -1})
	if n := f.count(); !errors.Is(err, errGone) || n > 20+2*8 {
		t.Errorf("%d requests, of which the 20th failed: %v", n, err)
	}
}

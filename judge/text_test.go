package judge

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

func TestSentences(t *testing.T) {
	for text, want := range map[string][]string{
		"A red boat. The sky is flat, e.g. above the mast! Is it day?": {"A red boat.", "The sky is flat, e.g. above the mast!", "Is it day?"},
		"In the manner of J. Vermeer. Calm.":                           {"In the manner of J. Vermeer.", "Calm."},
		"- A boat.\n- A barn.":                                         {"A boat.", "A barn."},
		"一艘红船。天空很平。":                                                   {"一艘红船。", "天空很平。"},
		"It is 3.5 times as wide. 12 boats lie there.":                 {"It is 3.5 times as wide.", "12 boats lie there."},
		"no end": {"no end"},
		" \n ":   nil,
		"...":    nil,
	} {
		if got := sentences(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func answerOf(text string, good assay.Polarity, p float64) assay.Answer {
	q := question(text, text)
	q.Good = good
	return assay.Answer{Question: q, Belief: assay.Belief{P: p, Low: p, High: p, Method: assay.ByLogProbs, Coverage: 1}}
}

// A judge that writes text and then answers questions about it.
func writer(text vlm.Reply, answer func(q string) vlm.Reply) func(r vlm.Request) (vlm.Reply, error) {
	return func(r vlm.Request) (vlm.Reply, error) {
		if q := questionOf(r); q != "" {
			return answer(q), nil
		}
		return text, nil
	}
}

func TestSummarise(t *testing.T) {
	text := "A red boat lies on a calm lake. A dog sits on the bow. I would give it 8/10. Nothing else. The light is low."
	m, f := model(canLogProbs, writer(says(text), func(q string) vlm.Reply {
		if strings.Contains(q, "dog") {
			return pYes(.2)
		}
		return pYes(.9)
	}))
	void := answerOf("Is it void?", assay.YesIsGood, .99)
	void.Void = "control failed"
	answers := []assay.Answer{answerOf("Is it sharp?", assay.YesIsGood, .9), answerOf("Is it noisy?", assay.NoIsGood, .8), void,
		answerOf("Are there hands?", assay.Neither, .9)}
	sum, err := Summarise(t.Context(), m, subject("a"), answers, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Text != "A red boat lies on a calm lake." || len(sum.Claims) != 5 || sum.Abstained != "" {
		t.Errorf("%+v", sum)
	}
	for i, want := range []string{"", "not confirmed: P(yes) 0.20", "it gives a score", "more than 3 sentences", "more than 3 sentences"} {
		if got := sum.Claims[i].Dropped; got != want {
			t.Errorf("claim %d: %q, want %q", i, got, want)
		}
	}
	if f.count() != 3 || f.asked("Is it sharp? yes\n- Is it noisy? yes\nWrite") != 1 || f.asked("hands") > 0 || f.asked("void") > 0 {
		t.Errorf("%d requests, the first: %q", f.count(), textOf(f.requests[0]))
	}
	if _, err := json.Marshal(sum); err != nil {
		t.Error(err)
	}
}

func TestSummariseAbstains(t *testing.T) {
	for want, r := range map[string]vlm.Reply{
		"refused: no":                         {Refusal: "no"},
		"refused: I'm sorry, I can't do that": says("I'm sorry, I can't do that"),
		"no answer: an empty reply":           says(" \n"),
		"no answer: the reply was cut off":    {Text: "A red", Finish: "length"},
	} {
		m, _ := model(canLogProbs, writer(r, nil))
		sum, err := Summarise(t.Context(), m, subject("a"), nil, Options{})
		if err != nil || sum.Abstained != want || sum.Text != "" {
			t.Errorf("%+v %v, want %q", sum, err, want)
		}
	}
	m, _ := model(canLogProbs, func(r vlm.Request) (vlm.Reply, error) {
		if questionOf(r) != "" {
			return vlm.Reply{}, errGone
		}
		return says("A boat."), nil
	})
	if _, err := Summarise(t.Context(), m, subject("a"), nil, Options{}); !errors.Is(err, errGone) {
		t.Error(err)
	}
}

func weakness(statement, category, box, part string) string {
	return fmt.Sprintf(`{"statement":%q,"category":%q,"box":%s,"part":%q}`, statement, category, box, part)
}

func critiqueOf(ws ...string) vlm.Reply {
	return says(`{"weaknesses":[` + strings.Join(ws, ",") + `]}`)
}

func TestCriticise(t *testing.T) {
	s, wrong := subject("a"), subject("b")
	found := critiqueOf(
		weakness("The left hand has six fingers.", "anatomy", "[0.1, 0.6, 0.3, 0.9]", ""),
		weakness("The picture lacks a focal point", "composition", "[]", "whole picture"),
		weakness("The mast is bent", "geometry", "[]", "mast"))
	m, mf := model(canSchema, writer(found, nil))
	verifier, vf := model(canLogProbs, func(r vlm.Request) (vlm.Reply, error) {
		q, here := questionOf(r), shownFirst(r) == s.Sent.Digest
		switch {
		case strings.Contains(q, "six fingers") && here:
			return pYes(.9), nil
		case strings.Contains(q, "six fingers"):
			return words("unsure", .9, "yes", .1), nil // no hand to count on
		case strings.Contains(q, "focal point"):
			return pYes(.8), nil // said of anything
		}
		return pYes(.3), nil
	})
	verifier.Name = "other"
	got, err := Criticise(t.Context(), m, verifier, s, wrong, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Weaknesses) != 1 || got.Weaknesses[0].Text != "The left hand has six fingers." || got.Verifier.Name != "other" || got.WrongImage != wrong.Image {
		t.Fatalf("%+v", got)
	}
	reasons := []string{"it is said to be so of an unrelated picture as well: P(yes) 0.80", "not confirmed: P(yes) 0.30"}
	for i, w := range got.Dropped {
		if w.Dropped != reasons[i] {
			t.Errorf("%q: %q, want %q", w.Text, w.Dropped, reasons[i])
		}
	}
	if mf.count() != 1 || vf.count() != 5 {
		t.Errorf("%d requests to the critic, %d to the verifier; want 1 and 5", mf.count(), vf.count())
	}
	if vf.asked("“The left hand has six fingers” (lower left of the picture, from 10 % to 30 % of its width and 60 % to 90 % of its height)?") != 2 {
		t.Errorf("%q", questionOf(vf.requests[0]))
	}
	if !json.Valid(mf.requests[0].Schema) {
		t.Error("the schema is no JSON")
	}

	m, _ = model(canSchema, writer(critiqueOf(), nil))
	if got, err = Criticise(t.Context(), m, verifier, s, wrong, Options{}); err != nil || got.Weaknesses == nil || len(got.Weaknesses)+len(got.Dropped) != 0 || got.Abstained != "" {
		t.Errorf("none is a good answer: %+v %v", got, err)
	}
	m, _ = model(canSchema, writer(says("The hand is wrong."), nil))
	if got, err = Criticise(t.Context(), m, verifier, s, wrong, Options{}); err != nil || !strings.HasPrefix(got.Abstained, "no answer: no JSON") {
		t.Errorf("%+v %v", got, err)
	}
	m, _ = model(canSchema, writer(says("I'm sorry, I can't."), nil))
	if got, err = Criticise(t.Context(), m, verifier, s, wrong, Options{}); err != nil || !strings.HasPrefix(got.Abstained, "refused: ") {
		t.Errorf("%+v %v", got, err)
	}
	if _, err = Criticise(t.Context(), m, verifier, s, s, Options{}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("against itself: %v", err)
	}
}

// A control that was not answered is none.
func TestCriticiseUncontrolled(t *testing.T) {
	s, wrong := subject("a"), subject("b")
	m, _ := model(canLogProbs, func(r vlm.Request) (vlm.Reply, error) {
		switch {
		case questionOf(r) == "":
			return critiqueOf(weakness("The mast is bent", "geometry", "[]", "mast")), nil
		case shownFirst(r) == s.Sent.Digest:
			return pYes(.9), nil
		}
		return vlm.Reply{Refusal: "no"}, nil
	})
	got, err := Criticise(t.Context(), m, m, s, wrong, Options{})
	if err != nil || len(got.Dropped) != 1 || got.Dropped[0].Dropped != "not controlled on an unrelated picture: refused: no" {
		t.Errorf("%+v %v", got, err)
	}
}

func TestParseCritique(t *testing.T) {
	got, err := parseCritique("```json\n" + critiqueOf(
		weakness("one", "Anatomy", "[0,0,1,1]", ""),
		weakness("One.", "anatomy", "[0,0,1,1]", ""),
		weakness("two", "taste", "[0,0,1,1]", ""),
		weakness("three", "light", "[0.5,0,0.4,1]", ""),
		weakness("four", "light", "[100,200,300,400]", "sky"),
		weakness("five", "light", "[]", ""),
		weakness(" ", "light", "[0,0,1,1]", ""),
		weakness("six", "light", "[0,0,1,1]", ""),
		weakness("seven", "light", "[0,0,1,1]", "")).Text + "\n```")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"", "it was said before", `its category is "taste"`, "its box [0.5 0 0.4 1] is none: want x0 < x1 and y0 < y1 in [0, 1]", "",
		"it does not say where", "it says nothing", "", "more than 3 weaknesses"}
	for i, w := range got {
		if w.Dropped != want[i] {
			t.Errorf("%q: dropped %q, want %q", w.Text, w.Dropped, want[i])
		}
	}
	if got[4].Box != nil || got[4].Part != "sky" {
		t.Errorf("a box in pixels was taken: %+v", got[4])
	}
	for _, text := range []string{"", "none", "{}", `{"weaknesses":null}`, `{"weaknesses":[{"statement":"a`, `{"weaknesses":"none"}`} {
		if w, err := parseCritique(text); err == nil {
			t.Errorf("%q: %+v", text, w)
		}
	}
}

func FuzzParseCritique(f *testing.F) {
	f.Add(critiqueOf(weakness("one", "anatomy", "[0,0,1,1]", "")).Text)
	f.Add(critiqueOf(weakness("one", "anatomy", "[1e999,0,1,1]", "hand")).Text)
	f.Add("```\n{\"weaknesses\":[]}```")
	f.Fuzz(func(t *testing.T, text string) {
		ws, err := parseCritique(text)
		if err != nil {
			if ws != nil {
				t.Fatal("weaknesses with an error")
			}
			return
		}
		kept := 0
		for _, w := range ws {
			if w.Dropped != "" {
				continue
			}
			kept++
			if w.Text == "" || !slices.Contains(Categories(), w.Category) || w.Box == nil && w.Part == "" {
				t.Fatalf("%+v", w)
			}
			if b := w.Box; b != nil && !(0 <= b[0] && b[0] < b[2] && b[2] <= 1 && 0 <= b[1] && b[1] < b[3] && b[3] <= 1) {
				t.Fatalf("box %v", *b)
			}
			if w.where() == "" {
				t.Fatal("nowhere")
			}
		}
		if kept > mostWeaknesses {
			t.Fatalf("%d kept", kept)
		}
	})
}

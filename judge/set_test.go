package judge

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

// TestDefaultSet holds assay's own questions to the shape that the evidence
// speaks for.
func TestDefaultSet(t *testing.T) {
	s := DefaultSet()
	if got, want := s.Names(), []string{"alignment", "composition", "detail", "originality", "safety"}; !slices.Equal(got, want) {
		t.Errorf("dimensions %v, want %v", got, want)
	}
	for _, advice := range s.Advice() {
		t.Error(advice)
	}
	kinds, scored := map[string]int{}, 0
	for _, q := range s.Questions() {
		if q.Dimension == "alignment" && q.Scope != "prompt" {
			t.Errorf("%s: scope %s; alignment is asked with the prompt", q.ID, q.Scope)
		}
		if q.Scope == "style" && q.Dimension != "originality" {
			t.Errorf("%s is asked with other pictures", q.ID)
		}
		if q.TwinOf == "" && q.Kind != "presence" {
			kinds[q.Kind]++
			scored++
		}
	}
	share := func(kind string) float64 { return float64(kinds[kind]) / float64(scored) }
	if f := share("floor"); f < 0.55 || f > 0.65 {
		t.Errorf("%.0f %% of the questions are floor questions, want about 60", 100*f)
	}
	if p := share("plain"); p < 0.2 || p > 0.3 {
		t.Errorf("%.0f %% of the questions are plain, want about 25", 100*p)
	}
	if x := share("superlative"); x < 0.1 || x > 0.2 {
		t.Errorf("%.0f %% of the questions are superlatives, want about 15", 100*x)
	}
	for _, d := range s.Dimensions {
		if d.About == "" {
			t.Errorf("dimension %s says nothing of itself", d.Name)
		}
	}
	hands := slices.IndexFunc(s.Questions(), func(q assay.Question) bool { return q.ID == "detail.hand" })
	if hands < 0 || !slices.Contains(s.Questions()[hands].Needs, "detail.has-hand") {
		t.Error("hands are asked about where there are none")
	}
}

// TestPublishedQuestions holds every published version of a built-in set to what
// it was: a text that changes without the set's version would take over the trust
// in the old one.
func TestPublishedQuestions(t *testing.T) {
	want := map[string]string{"assay@1": "0a18bbabf38cd263"}
	for _, s := range builtinSets() {
		var all strings.Builder
		for _, q := range s.Questions() {
			fmt.Fprintln(&all, q.ID, q.Version, q.Kind, q.Needs)
		}
		if got := assay.DigestOfText(all.String()).String()[:16]; got != want[s.ID()] {
			t.Errorf("the questions of %s have digest %s, published were %s: give the changed set a new version and file", s.ID(), got, want[s.ID()])
		}
	}
}

func TestVersionOf(t *testing.T) {
	q := assay.Question{ID: "a.b", Text: "Is it red?", Good: assay.YesIsGood, Scope: "image", Dimension: "a", Kind: "plain"}
	version := VersionOf(q)
	if len(version) != 12 {
		t.Errorf("version %q", version)
	}
	same := q
	same.ID, same.Kind, same.Needs = "c.d", "floor", []string{"x"}
	if VersionOf(same) != version {
		t.Error("a version depends on more than what is asked")
	}
	for name, change := range map[string]func(*assay.Question){
		"text":             func(q *assay.Question) { q.Text = "Is it Red?" },
		"polarity":         func(q *assay.Question) { q.Good = assay.NoIsGood },
		"scope":            func(q *assay.Question) { q.Scope = "style" },
		"dimension":        func(q *assay.Question) { q.Dimension = "b" },
		"text to polarity": func(q *assay.Question) { q.Text, q.Good = "Is it red?yes", "" },
	} {
		other := q
		change(&other)
		if VersionOf(other) == version {
			t.Errorf("%s: the version stays", name)
		}
	}
}

// TestQuestionsOrder: what a question needs is asked before it, also from another
// dimension, and twins follow what they negate.
func TestQuestionsOrder(t *testing.T) {
	s := DefaultSet()
	for _, dims := range [][]string{nil, {"safety"}, {"detail"}, {"originality", "alignment"}, s.Names()} {
		qs := s.Questions(dims...)
		at := map[string]int{}
		for i, q := range qs {
			if _, ok := at[q.ID]; ok {
				t.Errorf("%v: %s is there twice", dims, q.ID)
			}
			at[q.ID] = i
			for _, need := range q.Needs {
				if j, ok := at[need]; !ok || j >= i {
					t.Errorf("%v: %s comes before %s, which it needs", dims, q.ID, need)
				}
			}
			if q.TwinOf != "" && (i == 0 || qs[i-1].ID != q.TwinOf) {
				t.Errorf("%v: %s does not follow %s", dims, q.ID, q.TwinOf)
			}
		}
		for _, dim := range dims {
			for _, d := range s.Dimensions {
				for _, q := range d.Questions {
					if _, ok := at[q.ID]; d.Name == dim && !ok {
						t.Errorf("%v: %s is missing", dims, q.ID)
					}
				}
			}
		}
	}
	if n := len(s.Questions("no-such")); n != 0 {
		t.Errorf("%d questions of a dimension that is not there", n)
	}
	if err := s.Has("safety", "beauty"); !errors.Is(err, assay.ErrNotFound) || !strings.Contains(err.Error(), `"beauty" (there are alignment`) {
		t.Error(err)
	}
}

func TestTwins(t *testing.T) {
	for _, q := range DefaultSet().Questions() {
		if q.TwinOf == "" {
			continue
		}
		if q.ID != q.TwinOf+".not" {
			t.Errorf("%s negates %s", q.ID, q.TwinOf)
		}
		for _, o := range DefaultSet().Questions() {
			if o.ID != q.TwinOf {
				continue
			}
			if o.Good == q.Good || o.Scope != q.Scope || o.Kind != q.Kind || !slices.Equal(o.Needs, q.Needs) {
				t.Errorf("%+v does not negate %+v", q, o)
			}
		}
	}
}

const forkText = `
set: mine
version: 3
from: assay@1
about: Without people.
dimensions:
  - name: detail
    questions:
      - {id: body, retired: no people in this series}
      - {id: blurred, text: "Is all of the picture blurred?"}
      - {id: colours, twin: ""}
      - {id: grain, kind: floor, good: no, text: "Is there grain in the picture?", needs: [has-writing, composition.has-subject]}
  - name: calm
    about: Whether it is quiet.
    scope: prompt
    questions:
      - {id: quiet, kind: plain, good: yes, text: "Is the picture quiet?", twin: "Is the picture loud?"}
ladders:
  - {name: distance}
  - {name: rest, steps: [calm.quiet, detail.grain]}
`

func TestFork(t *testing.T) {
	base := DefaultSet()
	s, err := ParseSet("mine.yaml", []byte(forkText))
	if err != nil {
		t.Fatal(err)
	}
	if s.ID() != "mine@3" || s.From != "assay@1" || s.Dimensions[5].Name != "calm" {
		t.Errorf("%s from %s, dimensions %v", s.ID(), s.From, s.Names())
	}
	old, now := questionsByID(base), questionsByID(s)
	changed := map[string]bool{}
	for id := range now {
		if !cmp.Equal(now[id], old[id]) {
			changed[id] = true
		}
	}
	if diff := cmp.Diff([]string{"calm.quiet", "calm.quiet.not", "detail.blurred", "detail.grain"}, slices.Sorted(maps.Keys(changed))); diff != "" {
		t.Errorf("changed questions: %s", diff)
	}
	for _, id := range []string{"detail.body", "detail.colours.not"} {
		if now[id].ID != "" || old[id].ID == "" {
			t.Errorf("%s: now %v, before %v", id, now[id], old[id])
		}
	}
	if now["detail.blurred"].Version == old["detail.blurred"].Version || now["detail.blurred"].Good != assay.NoIsGood {
		t.Errorf("the changed text has version %s, as before, or another polarity", now["detail.blurred"].Version)
	}
	if got := now["detail.grain"]; got.Scope != "image" || !slices.Equal(got.Needs, []string{"detail.has-writing", "composition.has-subject"}) {
		t.Errorf("%+v", got)
	}
	if q := now["calm.quiet.not"]; q.Good != assay.NoIsGood || q.Scope != "prompt" || q.TwinOf != "calm.quiet" {
		t.Errorf("twin %+v", q)
	}
	if len(s.Retired) != 1 || s.Retired[0].Question.ID != "detail.body" || s.Retired[0].Why != "no people in this series" {
		t.Errorf("retired %+v", s.Retired)
	}
	var ladders []string
	for _, l := range s.Ladders {
		ladders = append(ladders, l.Name)
	}
	if want := []string{"prompt", "arrangement", "sharpness", "audience", "rest"}; !slices.Equal(ladders, want) {
		t.Errorf("ladders %v, want %v", ladders, want)
	}
	// The fork shares nothing with what it came from.
	if diff := cmp.Diff(DefaultSet(), base); diff != "" {
		t.Errorf("forking changed the default set: %s", diff)
	}
	again, err := ParseSet("again.yaml", []byte(`
set: mine
version: 4
from: mine@3
dimensions:
  - name: detail
    questions:
      - {id: body, kind: floor, good: no, text: "Is a body in the picture malformed?"}
`), s)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Retired) != 0 || questionsByID(again)["detail.body"].Text != "Is a body in the picture malformed?" {
		t.Errorf("a question that came back: %+v, retired %v", questionsByID(again)["detail.body"], again.Retired)
	}
}

func questionsByID(s *Set) map[string]assay.Question {
	byID := map[string]assay.Question{}
	for _, q := range s.Questions() {
		byID[q.ID] = q
	}
	return byID
}

// TestParseSetErrors: what is wrong is named, with the file.
func TestParseSetErrors(t *testing.T) {
	one := func(q string) string {
		return "set: s\nversion: 1\ndimensions:\n  - name: d\n    questions:\n      - " + q + "\n"
	}
	ok := `{id: a, kind: plain, good: yes, text: "Is it red?"}`
	for _, c := range []struct{ text, want string }{
		{"", "empty"},
		{"set: s\nversion: 1\n", "0 questions"},
		{one(ok) + "colour: red\n", `unknown field "colour"`},
		{one(`{id: a, kind: plain, good: yes, text: "Is it red?", weight: 2}`), `unknown field "weight"`},
		{strings.Replace(one(ok), "set: s", "set: S s", 1), `name "S s"`},
		{strings.Replace(one(ok), "version: 1", "version: 0", 1), "versions count from 1"},
		{strings.Replace(one(ok), "version: 1", "version: one", 1), "[2:10]"},
		{strings.Replace(one(ok), "name: d", "name: control", 1), `"control"`},
		{one(ok) + "      - " + ok, `"a" is there twice`},
		{one(ok) + "      - " + strings.Replace(ok, "id: a", "id: b", 1), "asks what d.a asks"},
		{one(strings.Replace(ok, "red?", "red", 1)), "question mark"},
		{one(strings.Replace(ok, "red?", "red? Or blue?", 1)), "ask one thing"},
		{one(strings.Replace(ok, "Is it red?", "How red is it?", 1)), "yes or no"},
		{one(strings.Replace(ok, "Is it red?", "Would you rate it above 5 out of 10?", 1)), "no judge is asked for a score"},
		{one(strings.Replace(ok, "Is it red?", `Is it\nred?`, 1)), "line break"},
		{one(strings.Replace(ok, "Is it red?", strings.Repeat("Is it red ", 30)+"?", 1)), "at most 240"},
		{one(strings.Replace(ok, "kind: plain, ", "", 1)), `kind: ""`},
		{one(strings.Replace(ok, "plain", "control", 1)), `kind: "control"`},
		{one(strings.Replace(ok, "good: yes", "good: maybe", 1)), `good: "maybe"`},
		{one(strings.Replace(ok, "good: yes, ", "", 1)), `good: ""`},
		{one(strings.Replace(ok, "plain", "presence", 1)), "neither answer is good"},
		{one(strings.Replace(ok, "good: yes", "good: yes, scope: room", 1)), `scope: "room"`},
		{one(strings.Replace(ok, "id: a", "id: a.b", 1)), `"a.b"`},
		{one(strings.Replace(ok, "good: yes", "good: yes, needs: [x]", 1)), `d.a needs "d.x", which is not there`},
		{one(strings.Replace(ok, "good: yes", "good: yes, needs: [a]", 1)), "d.a needs d.a"},
		{one(strings.Replace(ok, "good: yes", "good: yes, retired: old", 1)), "no such question"},
		{"set: s\nversion: 1\nfrom: assay@1\ndimensions: [{name: detail, questions: [{id: body, retired: ''}]}]", "say why"},
		{one(ok) + "ladders:\n  - {name: l, steps: [d.a]}\n", "at least 2"},
		{one(ok) + "ladders:\n  - {name: l, steps: [d.a, d.b]}\n", `no question "d.b"`},
		{one(ok) + "---\n" + one(ok), "one question set"},
		{one("&q " + ok), "anchors"},
		{one(ok) + "about: " + strings.Repeat("[", 40), "40 deep"},
		{"set: s\nversion: 2\nfrom: assay@1\ndimensions:\n  - name: detail\n    questions:\n      - {id: has-hand, retired: x}\n", "detail.hand needs \"detail.has-hand\", which is retired"},
		{strings.Repeat("#", maxSetBytes+1), "at most"},
	} {
		_, err := ParseSet("q.yaml", []byte(c.text))
		if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "q.yaml: ") {
			t.Errorf("%.200s\n: %v, want %q", c.text, err, c.want)
		}
	}
	if _, err := ParseSet("q.yaml", []byte("set: s\nversion: 1\nfrom: other@2\n")); !errors.Is(err, assay.ErrNotFound) || !strings.Contains(err.Error(), `"other@2" (there are assay@1)`) {
		t.Error(err)
	}
	circle := one(strings.Replace(ok, "good: yes", "good: yes, needs: [b]", 1)) + `      - {id: b, kind: plain, good: yes, text: "Is it blue?", needs: [a]}`
	if _, err := ParseSet("q.yaml", []byte(circle)); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "d.a needs d.b needs d.a") {
		t.Error(err)
	}
}

func TestReadSets(t *testing.T) {
	set := func(name string, version int, from string) *fstest.MapFile {
		q := fmt.Sprintf(`{id: own-%s, kind: floor, good: no, text: "Is there %s here?"}`, name, name)
		text := fmt.Sprintf("set: %s\nversion: %d\ndimensions:\n  - {name: d, questions: [%s]}\n", name, version, q)
		if from != "" {
			text += "from: " + from + "\n"
		}
		return &fstest.MapFile{Data: []byte(text)}
	}
	// Read in the order of names, each would fork what is not read yet.
	sets, err := ReadSets(fstest.MapFS{"a.yaml": set("a", 1, "b@2"), "b.yml": set("b", 2, "c"), "c.yaml": set("c", 7, "assay@1"), "notes.txt": {}})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range sets {
		ids = append(ids, s.ID())
	}
	if want := []string{"assay@1", "c@7", "b@2", "a@1"}; !slices.Equal(ids, want) {
		t.Errorf("sets %v, want %v", ids, want)
	}
	a, err := PickSet(sets, "a")
	if err != nil || len(a.Questions("d")) != 3 || a.From != "b@2" {
		t.Errorf("%v: %d questions, from %s", err, len(a.Questions("d")), a.From)
	}
	if _, err := PickSet(sets, "a@2"); !errors.Is(err, assay.ErrNotFound) {
		t.Error(err)
	}
	if _, err := ReadSets(fstest.MapFS{"a.yaml": set("a", 1, ""), "b.yaml": set("a", 1, "")}); !errors.Is(err, assay.ErrConflict) || !strings.Contains(err.Error(), "b.yaml: question set a@1 is there already, in a.yaml") {
		t.Error(err)
	}
	if _, err := ReadSets(fstest.MapFS{"x.yaml": set("assay", 1, "")}); !errors.Is(err, assay.ErrConflict) {
		t.Error(err)
	}
	if _, err := ReadSets(fstest.MapFS{"a.yaml": set("a", 1, "b"), "b.yaml": set("b", 1, "a")}); !errors.Is(err, assay.ErrNotFound) {
		t.Errorf("two that fork each other: %v", err)
	}
	if sets, err := ReadSets(fstest.MapFS{}); err != nil || len(sets) != 1 {
		t.Errorf("an empty folder: %d sets, %v", len(sets), err)
	}
}

func TestLadder(t *testing.T) {
	l := Ladder{"l", []string{"a", "b", "c", "d"}}
	for _, c := range []struct {
		answers    string // y, n or - for each step
		violations int
		steps      int
	}{{"yyyy", 0, 4}, {"yynn", 0, 4}, {"nyyy", 3, 4}, {"ynyn", 1, 4}, {"-n-y", 1, 2}, {"----", 0, 0}} {
		violations, steps := l.Violations(func(id string) (bool, bool) {
			a := c.answers[slices.Index(l.Steps, id)]
			return a == 'y', a != '-'
		})
		if violations != c.violations || steps != c.steps {
			t.Errorf("%s: %d violations of %d steps, want %d of %d", c.answers, violations, steps, c.violations, c.steps)
		}
	}
}

// FuzzParseSet holds that a set that is read can be asked: each question is in its
// form, and what it needs comes first.
func FuzzParseSet(f *testing.F) {
	f.Add(assay1)
	f.Add([]byte(forkText))
	f.Add([]byte("set: s\nversion: 1\ndimensions: [{name: d, questions: [{id: a, kind: plain, good: yes, text: 'Is it?'}]}]"))
	f.Add([]byte("from: assay@1\nset: s\nversion: 1\ndimensions: [{name: safety, questions: [{id: child, retired: x}, {id: child, text: ''}]}]"))
	f.Add([]byte("? [[{: &a *a\n---\n..."))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseSet("fuzz.yaml", text)
		if err != nil {
			if !errors.Is(err, assay.ErrInvalid) && !errors.Is(err, assay.ErrNotFound) {
				t.Errorf("error of no kind: %v", err)
			}
			return
		}
		s.Advice()
		seen := map[string]bool{}
		for _, q := range s.Questions() {
			if err := checkQuestion(q); err != nil || q.Version != VersionOf(q) || seen[q.ID] {
				t.Errorf("%+v: %v", q, err)
			}
			seen[q.ID] = true
			for _, need := range q.Needs {
				if !seen[need] {
					t.Errorf("%s comes before %s", q.ID, need)
				}
			}
		}
		total := 0
		for _, d := range s.Dimensions {
			total += len(d.Questions)
		}
		if len(seen) != total {
			t.Errorf("%d questions are asked of %d", len(seen), total)
		}
	})
}

package judge

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/gen-emerge/assay/judge/vlm"
)

func TestBatches(t *testing.T) {
	qs := manyQuestions(40)
	m, f := model(canSchema, answering(map[string]float64{"not fine": .1}))
	answers, err := Checklist(t.Context(), m, subject("a"), qs, quiet)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range answers {
		want := 5.5 / 6
		if a.Question.TwinOf != "" {
			want = .5 / 6
		}
		near(t, a.Question.ID, a.Belief.P, want, 1e-12)
	}
	first := map[string]bool{}
	for _, r := range f.requests {
		ids, texts := batchOf(r)
		if len(ids) > mostInBatch || len(ids) == 0 || r.SchemaName != "answers" || !json.Valid(r.Schema) {
			t.Errorf("%d questions, schema %q", len(ids), r.Schema)
		}
		first[texts[0]] = true
		twins := 0
		for _, q := range texts {
			if strings.Contains(q, "not fine") {
				twins++
			}
		}
		if twins != 0 && twins != len(texts) {
			t.Error("a twin and its question share a reply")
		}
	}
	if len(first) < 12 { // 6 groups, 5 draws each
		t.Errorf("%d different questions come first: the orders are not random", len(first))
	}
}

func TestReadBatch(t *testing.T) {
	ids := []string{"q1", "q2", "q3"}
	fence := "```json\n%s\n```"
	full := `{"answers":[{"id":"q2","answer":"no"},{"id":"q1","answer":"Yes"},{"id":"q3","answer":"unsure"}]}`
	for _, c := range []struct {
		name, text string
		ok         bool
		want       []side
	}{
		{"plain", full, true, []side{yes, no, unsure}},
		{"fence", fmt.Sprintf(fence, full), true, []side{yes, no, unsure}},
		{"fence on one line", "```" + full + "```", true, []side{yes, no, unsure}},
		{"words around", "Here you are:\n" + full + "\nThank you.", true, []side{yes, no, unsure}},
		{"missing", `{"answers":[{"id":"q2","answer":"no"}]}`, true, []side{nothing, no, nothing}},
		{"none", `{"answers":[]}`, true, []side{nothing, nothing, nothing}},
		{"unknown id", `{"answers":[{"id":"q9","answer":"no"},{"id":"q1","answer":"no"}]}`, true, []side{no, nothing, nothing}},
		{"contradiction", `{"answers":[{"id":"q1","answer":"no"},{"id":"q1","answer":"yes"},{"id":"q2","answer":"yes"}]}`, true, []side{nothing, yes, nothing}},
		{"duplicate", `{"answers":[{"id":"q1","answer":"yes"},{"id":"q1","answer":"yes"}]}`, true, []side{nothing, nothing, nothing}},
		{"a score", `{"answers":[{"id":"q1","answer":"7"}]}`, true, []side{nothing, nothing, nothing}},
		{"truncated", full[:40], false, []side{nothing, nothing, nothing}},
		{"two objects", full + full, false, []side{nothing, nothing, nothing}},
		{"other JSON", `{"q1":"yes"}`, false, []side{nothing, nothing, nothing}},
		{"other types", `{"answers":[{"id":1,"answer":true}]}`, false, []side{nothing, nothing, nothing}},
		{"prose", "q1 yes, q2 no", false, []side{nothing, nothing, nothing}},
	} {
		said, ok := readBatch(says(c.text), false, ids)
		if ok != c.ok {
			t.Errorf("%s: ok %t", c.name, ok)
		}
		for i, d := range said {
			if d.side != c.want[i] || d.refused || cmp.Or(d.why, "x") == "x" && d.side == nothing {
				t.Errorf("%s: %s: %+v, want side %d", c.name, ids[i], d, c.want[i])
			}
		}
	}
	for _, r := range []vlm.Reply{{Refusal: "no"}, says("I'm sorry, I can't do that.")} {
		if said, ok := readBatch(r, false, ids); !ok || !said[2].refused {
			t.Errorf("a refusal: %+v %t", said, ok)
		}
	}
}

func FuzzParseBatch(f *testing.F) {
	f.Add(`{"answers":[{"id":"q2","answer":"no"},{"id":"q1","answer":"yes"}]}`)
	f.Add("```json\n{\"answers\":[]}\n```")
	f.Add(`{"answers":[{"id":"q1","answer":"no"},{"id":"q1"`)
	f.Add("``` {} ```")
	f.Fuzz(func(t *testing.T, text string) {
		said, ok := readBatch(says(text), false, []string{"q1", "q2"})
		if len(said) != 2 {
			t.Fatal("an id without an answer or an abstention")
		}
		for _, d := range said {
			if d.side == equal || d.refused && d.side != nothing || !ok && d.side != nothing {
				t.Fatalf("%+v", d)
			}
			if d.side == nothing && d.why == "" {
				t.Fatal("no reason")
			}
		}
	})
}

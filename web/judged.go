package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
)

// A judgedView is what judges said of an image, in the order of the page.
type judgedView struct {
	Judges   []judgeView
	Groups   []answerGroup
	Compared []comparedView
	Written  []writtenView
}

// A judgeView is one judge, and what it may decide.
type judgeView struct {
	assay.Judge
	Trust   *assay.Trust // nil: not examined yet
	Class   string       // style class of the badge
	State   string       // for people
	Reasons []string
}

// An answerGroup is the answers of one dimension.
type answerGroup struct {
	Dimension string
	Rows      []answerRow
}

// An answerRow is a question, what each judge said to it, and what people did.
type answerRow struct {
	assay.Question
	Cells  []answerCell
	People []string
}

type answerCell struct {
	Judge string
	Word  string // "yes", "no", "cannot tell", ...
	Class string
	Title string // how it was obtained
	Void  string
}

// A comparedView says a comparison from the side of one image.
type comparedView struct {
	series.Weighed
	Other assay.Digest
	P     float64 // of this image being better
	Said  string
}

// A writtenView is a summary or a critique.
type writtenView struct {
	Kind, Judge string
	Text        string
	Weaknesses  []weaknessView
	Dropped     int
	Abstained   string
}

type weaknessView struct{ Text, Category, Where string }

// judged puts what judges said into the order of the page.
func judged(p *series.Profile, id assay.Digest) judgedView {
	v := judgedView{Judges: judgesOf(p), Groups: answersOf(p)}
	for _, c := range slices.Backward(p.Comparisons) {
		one := comparedView{Weighed: c, Other: c.B, P: c.P}
		if id == c.B {
			one.Other, one.P = c.A, 1-c.P
		}
		won := c.Outcome == assay.Left && id == c.A || c.Outcome == assay.Right && id == c.B
		switch {
		case won:
			one.Said = "better than"
		case c.Outcome == assay.Left || c.Outcome == assay.Right:
			one.Said = "not as good as"
		case c.Outcome == assay.Tie:
			one.Said = "no better or worse than"
		default:
			one.Said = "could not be compared with"
		}
		v.Compared = append(v.Compared, one)
	}
	for _, n := range slices.Backward(p.Notes) {
		if w, ok := written(n); ok {
			v.Written = append(v.Written, w)
		}
	}
	return v
}

// judgesOf lists the models that said anything, and how far each is trusted.
func judgesOf(p *series.Profile) []judgeView {
	var out []judgeView
	add := func(j assay.Judge) {
		if j.IsPerson() || slices.ContainsFunc(out, func(v judgeView) bool { return v.Judge == j }) {
			return
		}
		v := judgeView{Judge: j, Class: "abstain", State: "not examined: it decides nothing yet"}
		for i := range p.Trusts {
			t := &p.Trusts[i]
			if t.Judge != j {
				continue
			}
			v.Trust, v.Reasons = t, t.Reasons
			switch {
			case !t.Fit:
				v.Class, v.State = "fail", "failed its examination: it decides nothing"
			case t.Accuracy == 0:
				v.Class, v.State = "pass", "passed its examination"
			default:
				v.Class = "pass"
				v.State = fmt.Sprintf("agrees with %s in %.0f %% (%.0f to %.0f, of %d pairs)", t.Source, 100*t.Accuracy, 100*t.Low, 100*t.High, t.Pairs)
			}
		}
		out = append(out, v)
	}
	for _, a := range p.Answers {
		add(a.Judge)
	}
	for _, c := range p.Comparisons {
		add(c.Judge)
	}
	for _, n := range p.Notes {
		add(n.Judge)
	}
	return out
}

// answersOf groups the newest answers by dimension and question.
func answersOf(p *series.Profile) []answerGroup {
	var groups []answerGroup
	for _, a := range p.Answers {
		if a.Repeat > 0 && !a.Judge.IsPerson() {
			continue
		}
		g := slices.IndexFunc(groups, func(g answerGroup) bool { return g.Dimension == a.Question.Dimension })
		if g < 0 {
			g = len(groups)
			groups = append(groups, answerGroup{Dimension: a.Question.Dimension})
		}
		rows := &groups[g].Rows
		k := slices.IndexFunc(*rows, func(r answerRow) bool { return r.ID == a.Question.ID && r.Version == a.Question.Version })
		if k < 0 {
			k = len(*rows)
			*rows = append(*rows, answerRow{Question: a.Question})
		}
		row := &(*rows)[k]
		if a.Judge.IsPerson() {
			row.People = append(row.People, a.Judge.Name+": "+answerWord(a.Belief))
			continue
		}
		row.Cells = append(row.Cells, answerCellOf(p, a))
	}
	return groups
}

func answerCellOf(p *series.Profile, a assay.Answer) answerCell {
	c := answerCell{Judge: a.Judge.Name, Word: answerWord(a.Belief), Class: "abstain", Void: a.Void}
	b := a.Belief
	for _, t := range p.Trusts {
		if why := t.Unfit[a.Question.ID+"@"+a.Question.Version]; t.Judge == a.Judge && why != "" && c.Void == "" {
			c.Void = "decides nothing: " + why
		}
	}
	if !b.Known() {
		c.Title = b.Abstained
		return c
	}
	good := a.Question.Good
	switch yes := b.P >= 0.5; {
	case good == assay.Neither && a.Question.Expect == "":
		c.Class = "plain"
	case good == assay.YesIsGood == yes && good != assay.Neither, a.Question.Expect == "yes" && yes, a.Question.Expect == "no" && !yes:
		c.Class = "pass"
	default:
		c.Class = "fail"
	}
	c.Title = fmt.Sprintf("P(yes) %.3f, between %.3f and %.3f, from %s", b.P, b.Low, b.High, methodText(b))
	return c
}

func methodText(b assay.Belief) string {
	if b.Method == assay.BySamples {
		return fmt.Sprintf("%d of %d answers", b.Yes, b.Samples)
	}
	return "the probabilities of its first word"
}

// answerWord is a belief in a word, with its probability where there is doubt.
func answerWord(b assay.Belief) string {
	switch {
	case !b.Known():
		return "abstains"
	case b.Method == assay.ByWord && b.P >= 0.5:
		return "yes"
	case b.Method == assay.ByWord:
		return "no"
	case b.P >= 0.5:
		return fmt.Sprintf("yes %.2f", b.P)
	}
	return fmt.Sprintf("no %.2f", 1-b.P)
}

// written reads a summary or a critique for people.
func written(n assay.Note) (writtenView, bool) {
	var body struct {
		Text       string `json:"text"`
		Abstained  string `json:"abstained"`
		Weaknesses []struct {
			Text     string      `json:"text"`
			Category string      `json:"category"`
			Part     string      `json:"part"`
			Box      *[4]float64 `json:"box"`
		} `json:"weaknesses"`
		Dropped []json.RawMessage `json:"dropped"`
	}
	if n.Kind != "summary" && n.Kind != "critique" || json.Unmarshal(n.Body, &body) != nil {
		return writtenView{}, false
	}
	w := writtenView{Kind: n.Kind, Judge: n.Judge.Name, Text: body.Text, Dropped: len(body.Dropped), Abstained: body.Abstained}
	for _, x := range body.Weaknesses {
		one := weaknessView{Text: x.Text, Category: x.Category, Where: x.Part}
		if b := x.Box; b != nil && one.Where == "" {
			one.Where = fmt.Sprintf("%.0f–%.0f %% across, %.0f–%.0f %% down", 100*b[0], 100*b[2], 100*b[1], 100*b[3])
		}
		w.Weaknesses = append(w.Weaknesses, one)
	}
	return w, true
}

// answerQuestion records what the person at the page says to a question.
func (st *site) answerQuestion(w http.ResponseWriter, r *http.Request) error {
	id, err := assay.ParseDigest(r.PathValue("id"))
	if err != nil {
		return err
	}
	var ask struct {
		Question string `json:"question"`
		Answer   string `json:"answer"`
	}
	form, err := readBody(r, &ask)
	if err != nil {
		return err
	}
	if form != nil {
		ask.Question, ask.Answer = form.Get("question"), form.Get("answer")
	}
	if strings.TrimSpace(ask.Question) == "" {
		return fmt.Errorf("no question is named: %w", assay.ErrInvalid)
	}
	a, err := st.series.AnswerQuestion(r.Context(), st.rater, id, ask.Question, ask.Answer)
	if err != nil {
		return err
	}
	if form != nil {
		http.Redirect(w, r, "/image/"+id.String()+"#judged", http.StatusSeeOther)
		return nil
	}
	writeJSON(w, http.StatusOK, a)
	return nil
}

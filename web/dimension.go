package web

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
)

// A dimensionView is the questions of one dimension. It counts what they say
// and makes no number of it.
type dimensionView struct {
	Name  string
	Open  bool
	Rows  []questionRow
	Words string       // how many speak for the picture, against it, ...
	Notes []string     // sentences: controls, what decides nothing, ...
	Bar   []barSegment // the same as Words
}

// A barSegment is a part of a bar that is 100 wide.
type barSegment struct {
	Class    string
	From, To float64
}

// A questionRow is a question, what each judge said to it, and what people did.
type questionRow struct {
	assay.Question
	Anchor     string
	Cells      []answerCell
	Mine       string   // what the person at the page said last; empty if nothing
	Others     []string // what other people said last: "ben: yes"
	Superseded bool     // another version of the question was asked since
	Outcome    outcome
	Silent     bool // nothing of what was said decides anything

	people []assay.Answer // each one's newest
}

// An answerCell is the newest answer of one judge to a question.
type answerCell struct {
	Judge string
	Word  string // "yes 0.93", "no", "abstains"
	Class string
	Side  string // "for the picture", "against the picture"; empty if neither
	How   string // how it was obtained, or why there is none
	Void  string // why it does not count
	Mute  string // why it decides nothing although it is not void

	judge assay.Judge
	known bool
}

// An outcome is what a question says of the picture.
type outcome int

const (
	unanswered outcome = iota
	speaksFor
	speaksAgainst
	divided
	describes
	abstained
	allVoid
)

// outcomes are the outcomes in the order of words and bars.
var outcomes = []struct {
	outcome
	class, one, many string
}{
	{speaksFor, "pass", "1 speaks for the picture", "%d speak for the picture"},
	{speaksAgainst, "fail", "1 against it", "%d against it"},
	{divided, "divided", "1 divides the judges", "%d divide the judges"},
	{describes, "plain", "1 only describes", "%d only describe"},
	{abstained, "abstain", "1 abstained", "%d abstained"},
	{allVoid, "void", "1 void", "%d void"},
}

// dimensionsOf groups the newest answers by dimension and question.
func dimensionsOf(p *series.Profile, labels map[assay.Judge]string, rater string) []dimensionView {
	var out []dimensionView
	newest := map[string]string{} // version, by id
	for _, a := range p.Answers {
		newest[a.Question.ID] = a.Question.Version
		if a.Repeat > 0 && !a.Judge.IsPerson() {
			continue // asked again to see whether it holds
		}
		g := slices.IndexFunc(out, func(d dimensionView) bool { return d.Name == a.Question.Dimension })
		if g < 0 {
			g = len(out)
			out = append(out, dimensionView{Name: a.Question.Dimension})
		}
		out[g].hear(a, labels[a.Judge], trustIn(p.Trusts, a.Judge))
	}
	for g := range out {
		d := &out[g]
		for i := range d.Rows {
			r := &d.Rows[i]
			r.Superseded = newest[r.ID] != r.Version
			r.finish(rater)
		}
		d.count()
	}
	return out
}

// hear takes in one answer; a later one of the same judge takes its place.
func (d *dimensionView) hear(a assay.Answer, label string, t *assay.Trust) {
	k := slices.IndexFunc(d.Rows, func(r questionRow) bool { return r.ID == a.Question.ID && r.Version == a.Question.Version })
	if k < 0 {
		k = len(d.Rows)
		d.Rows = append(d.Rows, questionRow{Question: a.Question, Anchor: questionAnchor(a.Question)})
	}
	r := &d.Rows[k]
	if a.Judge.IsPerson() {
		r.people = append(slices.DeleteFunc(r.people, func(b assay.Answer) bool { return b.Judge == a.Judge }), a)
		return
	}
	cell := cellOf(a, label, t)
	if i := slices.IndexFunc(r.Cells, func(c answerCell) bool { return c.judge == a.Judge }); i >= 0 {
		r.Cells[i] = cell
		return
	}
	r.Cells = append(r.Cells, cell)
}

func questionAnchor(q assay.Question) string { return anchorOf("question", q.ID+"@"+q.Version) }

func cellOf(a assay.Answer, label string, t *assay.Trust) answerCell {
	b := a.Belief
	c := answerCell{Judge: label, Word: answerWord(b), Class: "abstain", Void: a.Void, judge: a.Judge, known: b.Known()}
	switch {
	case t == nil:
		c.Mute = "under test"
	case !t.Fit:
		c.Mute = "its judge is not fit to decide"
	default:
		if why, unfit := t.Unfit[a.Question.ID+"@"+a.Question.Version]; unfit {
			c.Mute = "decides nothing at this question: " + why
		}
	}
	if !c.known {
		c.How = b.Abstained
		return c
	}
	c.How = fmt.Sprintf("P(yes) %.2f, %.2f to %.2f, from %s", b.P, b.Low, b.High, methodText(b))
	c.Class, c.Side = sideOf(a.Question, b.P >= 0.5)
	return c
}

// sideOf says what a yes or a no to the question means.
func sideOf(q assay.Question, yes bool) (class, side string) {
	switch {
	case q.Expect != "" && (q.Expect == "yes") == yes:
		return "pass", "right"
	case q.Expect != "":
		return "fail", "wrong"
	case q.Good == assay.Neither:
		return "plain", ""
	case (q.Good == assay.YesIsGood) == yes:
		return "pass", "for the picture"
	}
	return "fail", "against the picture"
}

func methodText(b assay.Belief) string {
	if b.Method == assay.BySamples {
		return fmt.Sprintf("%d yes of %s", b.Yes, counted(b.Samples, "answer", "answers"))
	}
	return "the odds of its first word"
}

// answerWord is a belief in a word, with its probability where there is doubt.
func answerWord(b assay.Belief) string {
	switch {
	case !b.Known():
		return "abstains"
	case b.P >= 0.5:
		return fmt.Sprintf("yes %.2f", b.P)
	}
	return fmt.Sprintf("no %.2f", 1-b.P)
}

// saidWord is what a person said.
func saidWord(b assay.Belief) string {
	switch {
	case !b.Known():
		return series.SaidCannotTell
	case b.P >= 0.5:
		return series.SaidYes
	}
	return series.SaidNo
}

// finish says what people said last, and what the question says of the picture:
// by people, where one of them could tell, else by judges whose answers decide,
// else by those under test.
func (r *questionRow) finish(rater string) {
	var people []bool
	for _, a := range r.people {
		if a.Judge.Name == rater {
			r.Mine = saidWord(a.Belief)
		} else {
			r.Others = append(r.Others, a.Judge.Name+": "+saidWord(a.Belief))
		}
		if a.Belief.Known() {
			people = append(people, a.Belief.P >= 0.5)
		}
	}
	var deciding, tested []string // the sides
	void := 0
	for _, c := range r.Cells {
		switch {
		case c.Void != "":
			void++
		case c.known && c.Mute == "":
			deciding = append(deciding, c.Class)
		case c.known:
			tested = append(tested, c.Class)
		}
	}
	var sides []string
	for _, yes := range people {
		class, _ := sideOf(r.Question, yes)
		sides = append(sides, class)
	}
	if len(sides) == 0 {
		sides = deciding
	}
	if len(sides) == 0 {
		sides, r.Silent = tested, len(tested) > 0
	}
	r.Outcome = outcomeOf(sides)
	if r.Outcome == unanswered && void > 0 && void == len(r.Cells) {
		r.Outcome = allVoid
	} else if r.Outcome == unanswered {
		r.Outcome = abstained
	}
}

// outcomeOf puts the sides that were taken together, by their classes.
func outcomeOf(sides []string) outcome {
	switch {
	case len(sides) == 0:
		return unanswered
	case slices.ContainsFunc(sides, func(s string) bool { return s != sides[0] }):
		return divided
	case sides[0] == "pass":
		return speaksFor
	case sides[0] == "fail":
		return speaksAgainst
	}
	return describes
}

// count says in words and in a bar what the questions say. Controls, negations
// and what was asked anew are not among them.
func (d *dimensionView) count() {
	n := map[outcome]int{}
	all, silent, twins, old := 0, 0, 0, 0
	var right, wrong int
	for _, r := range d.Rows {
		switch {
		case r.Superseded:
			old++
		case r.Expect != "" && r.Outcome == speaksFor:
			right++
		case r.Expect != "":
			wrong++
		case r.TwinOf != "":
			twins++
		default:
			all++
			n[r.Outcome]++
			if r.Silent {
				silent++
			}
		}
	}
	var words []string
	at := 0.0
	for _, o := range outcomes {
		k := n[o.outcome]
		if k == 0 {
			continue
		}
		if k == 1 {
			words = append(words, o.one)
		} else {
			words = append(words, fmt.Sprintf(o.many, k))
		}
		to := at + 100*float64(k)/float64(all)
		d.Bar = append(d.Bar, barSegment{o.class, at, to})
		at = to
	}
	d.Words = strings.Join(words, ", ")
	if all == 0 {
		d.Words = "no question about the picture"
	}
	d.note(right, wrong, silent, twins, old)
}

// note says what is not in the count, or is and decides nothing.
func (d *dimensionView) note(right, wrong, silent, twins, old int) {
	if silent > 0 {
		d.Notes = append(d.Notes, counted(silent, "of these decides", "of these decide")+" nothing: no judge that may decide answered")
	}
	if right+wrong > 0 {
		text := fmt.Sprintf("of %s, %d answered right", counted(right+wrong, "control", "controls"), right)
		d.Notes = append(d.Notes, text)
	}
	if twins > 0 {
		d.Notes = append(d.Notes, counted(twins, "negation is", "negations are")+" not counted")
	}
	if old > 0 {
		d.Notes = append(d.Notes, counted(old, "older wording is", "older wordings are")+" not counted")
	}
}

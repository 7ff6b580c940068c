package judge

import (
	"context"
	"fmt"
	"math"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// A Report is what an examination found. Each check states its rule, what was
// counted, the interval and the verdict; [Report.Table] has them for people.
type Report struct {
	Trust    assay.Trust `json:"trust"`
	Controls Check       `json:"controls"`
	YesBias  Check       `json:"yes_bias"`
	Gross    Check       `json:"gross"`    // grossly degraded pairs
	Mild     Check       `json:"mild"`     // mildly degraded pairs
	Decided  Check       `json:"decided"`  // pairs of people that were decided
	Pairs    Check       `json:"pairs"`    // of people, that went as they decided
	Position Check       `json:"position"` // Number: the offset in log-odds towards the first side
	Repeat   Check       `json:"repeat"`
	Negation Check       `json:"negation"` // Number: the mean of |p + p̄ - 1|
	Wrong    Check       `json:"wrong"`    // Number: the median drop of P(yes)

	Questions []QuestionReport `json:"questions,omitempty"` // against people's answers
	Agreement *Estimate        `json:"agreement,omitempty"` // Gwet's AC1 with people over all these answers, 95 % bootstrap over pictures
	Self      *SelfReport      `json:"self,omitempty"`      // preference for its own family; nil if there are no such pairs
	Cost      Cost             `json:"cost"`
	Foil      *FoilReport      `json:"foil,omitempty"`
	Stopped   string           `json:"stopped,omitempty"`  // why the examination ended early
	LeftOut   []string         `json:"left_out,omitempty"` // sentences: what was not asked

	Answers     []assay.Answer     `json:"-"` // to questions that people answered, for keeping: the next examination need not ask them
	Comparisons []assay.Comparison `json:"-"` // of people's pairs
}

// Cost is what an examination took.
type Cost struct {
	Calls  int           `json:"calls"`            // requests made, cached ones among them
	Paid   *int64        `json:"paid,omitempty"`   // requests that were sent; nil if the asker keeps no account
	Money  *float64      `json:"money,omitempty"`  // in the configured currency; nil if the asker keeps no account
	In     int64         `json:"in"`               // tokens
	Out    int64         `json:"out"`              //
	Cached int64         `json:"cached,omitempty"` // of In
	Median time.Duration `json:"median_ns"`        // of a request as the examination waited for it, retries and pacing included
	Slow   time.Duration `json:"slow_ns"`          // 95 of 100 were faster
}

// Checks returns the checks in the order of the table.
func (r *Report) Checks() []Check {
	return []Check{r.Controls, r.YesBias, r.Gross, r.Mild, r.Decided, r.Pairs, r.Position, r.Repeat, r.Negation, r.Wrong}
}

// report computes everything from what was answered.
func (e *examination) report(ctx context.Context, mat Material, stopped error) Report {
	p := e.plan
	r := Report{Cost: e.cost(e.before), LeftOut: p.leftOut}
	if stopped != nil {
		r.Stopped = stopped.Error()
	}
	r.Controls, r.YesBias = checkKnowns(p.knowns)
	right, decided, done := tallyDuels(p.gross)
	r.Gross = ruleGross.check(right, decided)
	rightM, decidedM, doneM := tallyDuels(p.mild)
	r.Mild = ruleMild.check(rightM, decidedM)
	rightP, decidedP, doneP := tallyDuels(p.pairs)
	r.Pairs = checkPairs(rightP, decidedP)
	r.Decided = ruleDecided.check(decided+decidedM+decidedP, done+doneM+doneP)
	r.Position = checkPosition(append(append([]*duel{}, p.pairs...), p.gross...))
	r.Repeat = checkRepeat(p.again, p.repeated)
	r.Negation = checkNegation(p.twins)
	r.Wrong = checkWrong(p.wrongs)
	r.Answers, r.Comparisons = e.facts()
	r.Questions, r.Agreement = e.questions(ctx, mat, r.Answers)
	r.Self = e.self(ctx)
	r.Trust = e.trust(&r)
	return r
}

func checkKnowns(ps []*probe) (controls, yesBias Check) {
	var right, asked, yes, answered, abstained int
	var wrong string
	for _, p := range ps {
		if !p.done {
			continue
		}
		asked++
		if !p.belief.Known() {
			abstained++
			continue
		}
		answered++
		said := "no"
		if p.belief.P > 0.5 {
			said = "yes"
			yes++
		}
		if said == p.question.Expect {
			right++
		} else if wrong == "" {
			wrong = fmt.Sprintf("%q of %s was answered %s", p.question.Text, p.name, said)
		}
	}
	controls = ruleControls.check(right, asked)
	controls.Note = wrong
	if abstained > 0 {
		controls.Note = because(controls.Note, fmt.Sprintf("%d abstained", abstained))
	}
	return controls, ruleYesBias.check(yes, answered)
}

// tallyDuels counts; ties and abstentions are not decided.
func tallyDuels(ds []*duel) (right, decided, done int) {
	for _, d := range ds {
		if !d.done {
			continue
		}
		done++
		r, ok := d.right()
		if ok {
			decided++
		}
		if r {
			right++
		}
	}
	return right, decided, done
}

// checkPosition looks at each order by itself. An order in which the judge said
// "equal" takes no side.
func checkPosition(ds []*duel) Check {
	var flips, n, first int
	var offsets []float64
	for _, d := range ds {
		x, y := d.result.FirstOrder, d.result.SecondOrder
		if !d.done || !x.Known() || !y.Known() {
			continue
		}
		if x.Method == assay.ByLogProbs { // a few draws' odds are not the judge's
			offsets = append(offsets, (Logit(x.P)-Logit(y.P))/2)
		}
		if x.P == 0.5 || y.P == 0.5 {
			continue
		}
		n++
		if (x.P > 0.5) != (y.P > 0.5) {
			flips++
			if x.P > 0.5 {
				first++
			}
		}
	}
	c := rulePosition.check(flips, n)
	if flips > 0 {
		c.Note = fmt.Sprintf("%d of the flips towards the first side", first)
	}
	if c.Number = meanOf(offsets); c.Number != nil {
		c.Note = because(c.Note, "number: offset towards the first side in log-odds")
	}
	return c
}

func checkRepeat(again, before []*duel) Check {
	var turned, n int
	for i, d := range again {
		o := before[i]
		if !d.done || !o.done {
			continue
		}
		for _, pair := range [][2]assay.Belief{{d.result.FirstOrder, o.result.FirstOrder}, {d.result.SecondOrder, o.result.SecondOrder}} {
			if !pair[0].Known() || !pair[1].Known() {
				continue
			}
			n++
			if side01(pair[0].P) != side01(pair[1].P) {
				turned++
			}
		}
	}
	return ruleRepeat.check(turned, n)
}

// side01 is the side that a probability takes: 1, -1, or 0 for neither.
func side01(p float64) int {
	switch {
	case p > 0.5:
		return 1
	case p < 0.5:
		return -1
	}
	return 0
}

func checkNegation(ts []*twinned) Check {
	var alike, n int
	var gaps []float64
	for _, t := range ts {
		p, q := t.question.belief, t.negated.belief
		if !t.question.done || !t.negated.done || !p.Known() || !q.Known() {
			continue
		}
		n++
		gaps = append(gaps, math.Abs(p.P+q.P-1))
		if side01(p.P) == side01(q.P) {
			alike++
		}
	}
	c := ruleNegation.check(alike, n)
	if c.Number = meanOf(gaps); c.Number != nil {
		c.Note = "number: mean of |P(yes) + P(yes to the negation) - 1|, 0.25 or less is good"
	}
	return c
}

func checkWrong(ws []*wrong) Check {
	var fell, n int
	var drops []float64
	for _, w := range ws {
		p, q := w.own.belief, w.other.belief
		if !w.own.done || !w.other.done || !p.Known() || !q.Known() {
			continue
		}
		n++
		drops = append(drops, p.P-q.P)
		if p.P-q.P >= 0.3 {
			fell++
		}
	}
	c := ruleWrong.check(fell, n)
	if c.Number = meanOf(drops); c.Number != nil {
		c.Note = "number: mean fall of P(yes)"
	}
	return c
}

// meanOf is the mean with its 95 % interval by Student's law; nil below two
// numbers.
func meanOf(x []float64) *Estimate {
	if len(x) < 2 {
		return nil
	}
	n := float64(len(x))
	var mean, ss float64
	for _, v := range x {
		mean += v / n
	}
	for _, v := range x {
		ss += (v - mean) * (v - mean)
	}
	half := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(0.975) * math.Sqrt(ss/(n-1)/n)
	return &Estimate{mean, mean - half, mean + half}
}

// facts are the answers and comparisons that are worth keeping.
func (e *examination) facts() (answers []assay.Answer, comparisons []assay.Comparison) {
	for _, p := range e.plan.answers {
		if p.done {
			answers = append(answers, assay.Answer{
				Series: e.opt.Ask.Series, Image: p.subject.Image, Text: shown(p.subject, p.question.Scope), Judge: e.m.Judge,
				Question: p.question, Belief: p.belief, Repeat: e.opt.Ask.Repeat, Created: e.opt.Now(),
			})
		}
	}
	for _, d := range e.plan.pairs {
		if d.done {
			comparisons = append(comparisons, d.result)
		}
	}
	return answers, comparisons
}

// estimate puts a number and its interval together.
func estimate(value float64, iv stat.Interval) *Estimate { return &Estimate{value, iv.Lo, iv.Hi} }

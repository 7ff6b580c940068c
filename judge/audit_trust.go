package judge

import (
	"fmt"

	"github.com/gen-emerge/assay"
)

// mostByControls caps an accuracy that does not rest on people: a judge that
// sees well need not share this creator's taste.
const mostByControls = 0.75

// trust decides what the judge may do.
func (e *examination) trust(r *Report) assay.Trust {
	t := assay.Trust{Judge: e.m.Judge, Created: e.opt.Now(), Unfit: map[string]string{}}
	for _, q := range r.Questions {
		if q.Verdict == Fail {
			t.Unfit[q.ID+"@"+q.Version] = q.Reason
		}
	}
	e.accuracy(&t, r)
	var doubts []string
	for _, c := range r.Checks() {
		switch {
		case c.Verdict != Fail:
		case c.Decides:
			t.Reasons = append(t.Reasons, "unfit: "+c.sentence())
		default:
			doubts = append(doubts, "doubtful: "+c.sentence())
		}
	}
	if r.Controls.Verdict == NotEnoughData {
		t.Reasons = append(t.Reasons, fmt.Sprintf("unfit: %d questions with known answers were put, too few to tell it from a coin", r.Controls.N))
	}
	if t.Source == "controls" && r.Gross.Verdict == NotEnoughData {
		t.Reasons = append(t.Reasons, fmt.Sprintf("unfit: %d decided pairs of people and %d degraded pairs are too few to tell it from a coin", r.Pairs.N, r.Gross.N))
	}
	if r.Stopped != "" {
		t.Reasons = append(t.Reasons, "unfit: the examination was cut off: "+r.Stopped)
	}
	t.Fit = len(t.Reasons) == 0
	t.Reasons = append(t.Reasons, doubts...)
	t.Reasons = append(t.Reasons, e.remarks(&t, r)...)
	return t
}

// accuracy comes from people's pairs, or from degraded ones.
func (e *examination) accuracy(t *assay.Trust, r *Report) {
	k, n := r.Pairs.K, r.Pairs.N
	t.Source = "people"
	if n < leastPairs {
		t.Source = "controls"
		right, decided, _ := tallyDuels(append(append([]*duel{}, e.plan.gross...), e.plan.mild...))
		k, n = right, decided
	}
	t.Pairs = n
	if n == 0 {
		return // unknown
	}
	iv := exact(k, n, trustLevel)
	t.Accuracy, t.Low, t.High = float64(k+1)/float64(n+2), iv.Lo, iv.Hi
	if t.Source == "controls" {
		// Nothing was learnt of the creator's taste: a coin is not excluded.
		t.Accuracy, t.Low = min(t.Accuracy, mostByControls), min(t.Low, 0.5)
	}
}

// remarks are sentences that bar nothing.
func (e *examination) remarks(t *assay.Trust, r *Report) (out []string) {
	if t.Source == "controls" {
		out = append(out, fmt.Sprintf("%d decided pairs of people could be counted and %d are needed: its accuracy rests on degraded pairs, which show sight and not this creator's taste, and is capped at %.2f", r.Pairs.N, leastPairs, mostByControls))
	}
	if r.Pairs.Verdict == NotEnoughData && t.Source == "people" {
		out = append(out, fmt.Sprintf("doubtful: %s: too few to tell it from a coin", r.Pairs.sentence()))
	}
	if !e.m.Can.LogProbs {
		out = append(out, fmt.Sprintf("it gives no probabilities; answers were drawn, %d for each order of a pair", e.opt.Ask.Samples))
	}
	if s := r.Self; s != nil && s.Verdict == Fail {
		out = append(out, "doubtful: "+s.Note)
	}
	return append(out, e.plan.leftOut...)
}

// sentence says what a check found.
func (c Check) sentence() string {
	if c.Share == nil {
		return fmt.Sprintf("%s: nothing was counted", c.Name)
	}
	return fmt.Sprintf("%s: %d of %d %s (%.0f %%, %.0f to %.0f %%)", c.Name, c.K, c.N, c.What, 100*c.Share.Value, 100*c.Share.Low, 100*c.Share.High)
}

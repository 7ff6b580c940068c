package judge

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// MergeTwin makes one belief of a question's and its negated twin's: the mean of
// p and 1−p̄, with the interval that holds both. Gap is |p+p̄−1|, in [0,1]: 0
// for a judge that contradicts itself nowhere. Where both is false, one of them
// was not answered, merged is what the other says of the question, and there is
// no gap. Beliefs read by different methods are not merged; that is an error
// wrapping [assay.ErrInvalid].
func MergeTwin(q, twin assay.Belief) (merged assay.Belief, gap float64, both bool, err error) {
	t := flip(twin)
	switch {
	case !q.Known() && t.Known():
		return t, 0, false, nil
	case !q.Known() || !t.Known():
		return q, 0, false, nil
	case q.Method != t.Method:
		return assay.Belief{}, 0, false, fmt.Errorf("a question read by %s and its twin by %s are not merged: ask both one way: %w", q.Method, t.Method, assay.ErrInvalid)
	}
	return assay.Belief{
		P:        (q.P + t.P) / 2,
		Low:      min(q.Low, t.Low),
		High:     max(q.High, t.High),
		Method:   q.Method,
		Coverage: min(q.Coverage, t.Coverage),
		Samples:  q.Samples + t.Samples,
		Yes:      q.Yes + t.Yes,
	}, math.Abs(q.P - t.P), true, nil
}

// A Twinned is a question that was asked both ways.
type Twinned struct {
	Question assay.Question
	Twin     assay.Question
	Belief   assay.Belief // of Question, made of both
	Gap      float64      // |p+p̄−1|
}

// Twins merges the questions among one judge's answers to one image that have a
// twin among them and were answered both ways, in the order of the answers. Void
// answers and repeats are left out.
func Twins(answers []assay.Answer) ([]Twinned, error) {
	byID := map[string]assay.Answer{}
	for _, a := range answers {
		if a.Repeat == 0 && a.Void == "" {
			byID[a.Question.ID] = a
		}
	}
	var out []Twinned
	for _, a := range answers {
		q, ok := byID[a.Question.TwinOf]
		if a.Question.TwinOf == "" || a.Repeat != 0 || a.Void != "" || !ok {
			continue
		}
		b, gap, both, err := MergeTwin(q.Belief, a.Belief)
		if err != nil {
			return nil, fmt.Errorf("question %s: %w", q.Question.ID, err)
		}
		if both {
			out = append(out, Twinned{Question: q.Question, Twin: a.Question, Belief: b, Gap: gap})
		}
	}
	return out, nil
}

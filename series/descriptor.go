package series

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
)

// Descriptors that stand on answers, not on an instrument.
const (
	checklistPrefix = "checklist:" // and a dimension
	answerPrefix    = "answer:"    // and the id of a question
)

// An asked is a descriptor that stands on answers: the share of a dimension's
// questions that were answered well, or the probability of yes to one question.
type asked struct {
	dimension string // empty if it is one question
	question  string
}

// askedOf reads a descriptor; ok is false if it is an instrument's name.
func askedOf(descriptor string) (a asked, ok bool) {
	if d, ok := strings.CutPrefix(descriptor, checklistPrefix); ok {
		return asked{dimension: d}, true
	}
	q, ok := strings.CutPrefix(descriptor, answerPrefix)
	return asked{question: q}, ok
}

// AskedAxis says in a sentence what a descriptor that stands on answers reads;
// ok is false if the descriptor is another's.
func AskedAxis(descriptor string) (doc string, ok bool) {
	a, ok := askedOf(descriptor)
	switch {
	case !ok:
		return "", false
	case a.dimension != "":
		return fmt.Sprintf("share of the questions about %s that judges answered well, 0 to 1", a.dimension), true
	}
	return fmt.Sprintf("probability of yes to the question %s, 0 to 1", a.question), true
}

// AxisDoc says in a sentence what a descriptor reads that is no instrument's: one
// that stands on answers, or that was learned. It is empty for an instrument's
// name.
func AxisDoc(descriptor string) string {
	if l, ok := learnedOf(descriptor); ok {
		return fmt.Sprintf("coordinate %d of the axes learned from odd ones out, version %d", l.k, l.version)
	}
	doc, _ := AskedAxis(descriptor)
	return doc
}

// checkAxis says why nothing can be placed along the axis, nil if something can.
func (s *Series) checkAxis(a assay.Axis) error {
	if said, ok := askedOf(a.Descriptor); ok {
		if said == (asked{}) {
			return fmt.Errorf("axis %q: want %sDIMENSION or %sQUESTION-ID: %w", a.Descriptor, checklistPrefix, answerPrefix, assay.ErrInvalid)
		}
		if a.Hi <= 0 || a.Lo >= 1 {
			return fmt.Errorf("axis %s from %g to %g: its values lie between 0 and 1: %w", a.Descriptor, a.Lo, a.Hi, assay.ErrInvalid)
		}
		return nil
	}
	if _, ok := learnedOf(a.Descriptor); ok {
		return nil // whether the version exists is found out when it is read
	}
	in, err := s.tools.Find(a.Descriptor)
	if err != nil {
		return fmt.Errorf("axis %s: %w", a.Descriptor, err)
	}
	if why := s.usable(in); why != "" {
		return fmt.Errorf("axis %s: %s: %w", a.Descriptor, why, assay.ErrInvalid)
	}
	return nil
}

// describe calls fn with each value that an image of the series has on the axes,
// k being the axis. An image is told once for each axis that it has a value on.
func (s *Series) describe(ctx context.Context, axes []assay.Axis, t trusts, fn func(k int, seq int64, image assay.Digest, value float64)) error {
	questions := map[int]asked{}
	for k, axis := range axes {
		if a, ok := askedOf(axis.Descriptor); ok {
			questions[k] = a
			continue
		}
		if _, ok := learnedOf(axis.Descriptor); ok {
			continue
		}
		want := s.current(axis.Descriptor)
		err := s.facts.SeriesReadings(ctx, s.name, axis.Descriptor, func(seq int64, r assay.Reading) error {
			if (want == nil || r.Identity == *want) && s.rules().Accepts(r.Identity) == "" {
				fn(k, seq, r.Image, r.Value)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := s.describeLearned(ctx, axes, fn); err != nil || len(questions) == 0 {
		return err
	}
	var of int64 // the place whose answers are in hand
	var hand []assay.Answer
	tell := func() {
		for k, a := range questions {
			if v := a.value(hand, t); !math.IsNaN(v) {
				fn(k, of, hand[0].Image, v)
			}
		}
	}
	err := s.facts.SeriesAnswers(ctx, s.name, func(seq int64, a assay.Answer) error {
		if seq != of && len(hand) > 0 {
			tell()
			hand = hand[:0]
		}
		of, hand = seq, append(hand, a)
		return nil
	})
	if err == nil && len(hand) > 0 {
		tell()
	}
	return err
}

// value returns what the answers about one image, in the order in which they
// were given, say along the axis; NaN if nothing.
//
// Of each question the version that was answered last counts, and of that: what
// people said, if any said something, else what fit judges said, averaged as
// log-odds. Void answers, repetitions by models, negated twins and controls do
// not count.
func (a asked) value(answers []assay.Answer, t trusts) float64 {
	questions := map[string][]assay.Answer{}
	for _, w := range answers {
		if !a.asks(w.Question) || w.Void != "" || w.Repeat > 0 && !w.Judge.IsPerson() || !t.answers(w) {
			continue
		}
		same := questions[w.Question.ID]
		if len(same) > 0 && same[0].Question.Version != w.Question.Version {
			same = nil
		}
		questions[w.Question.ID] = append(same, w)
	}
	sum, n := 0.0, 0
	for _, id := range slices.Sorted(maps.Keys(questions)) {
		p := together(questions[id])
		if math.IsNaN(p) {
			continue
		}
		if a.dimension != "" && questions[id][0].Question.Good == assay.NoIsGood {
			p = 1 - p
		}
		sum, n = sum+p, n+1
	}
	return sum / float64(n) // NaN of none
}

// asks reports whether the question is part of the axis.
func (a asked) asks(q assay.Question) bool {
	if a.dimension == "" {
		return q.ID == a.question
	}
	return q.Dimension == a.dimension && q.Good != assay.Neither && q.TwinOf == "" && q.Expect == ""
}

// answers reports whether an answer may describe an image: a person's may, and a
// fit judge's to a question at which it is fit.
func (t trusts) answers(w assay.Answer) bool {
	if w.Judge.IsPerson() {
		return true
	}
	_, unfit := t[w.Judge].Unfit[w.Question.ID+"@"+w.Question.Version]
	return !unfit && t.fit(w.Judge) == ""
}

// together returns the probability of yes by all answers to one question; NaN if
// nobody told. Each judge's newest answer counts.
func together(answers []assay.Answer) float64 {
	newest := map[assay.Judge]int{}
	for i, w := range answers {
		newest[w.Judge] = i
	}
	var sum, n [2]float64 // of models, of people
	for i, w := range answers {
		if newest[w.Judge] != i || !w.Belief.Known() {
			continue
		}
		who := 0
		if w.Judge.IsPerson() {
			who = 1
		}
		sum[who] += min(max(logit(w.Belief.P), -maxLogit), maxLogit)
		n[who]++
	}
	if n[1] > 0 {
		return sigmoid(sum[1] / n[1])
	}
	return sigmoid(sum[0] / n[0]) // NaN of none
}

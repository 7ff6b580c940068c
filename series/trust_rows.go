package series

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gate"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/stat"
)

// fewPairs is how many pairs an evaluator must have decided before its agreement
// is more than an anecdote: with fewer the 95 % interval is wider than 0.4.
const fewPairs = 20

// agree counts, over the rater's decided pairs, those that go the way of an
// evaluator that prefers the image with the higher value.
func (t *trusting) agree(row TrustRow, value func(assay.Digest) (float64, bool)) TrustRow {
	for _, d := range t.decided {
		b, ok := value(d.better)
		w, also := value(d.worse)
		if !ok || !also || b == w {
			continue
		}
		row.N++
		if b > w {
			row.Agreed++
		}
		row.Last = d.at
	}
	return row.counted()
}

// counted turns the counts of a row into an agreement with its interval.
func (r TrustRow) counted() TrustRow {
	if r.N == 0 {
		if r.Reason == "" {
			r.Reason = "it has decided none of your pairs"
		}
		return r
	}
	share := float64(r.Agreed) / float64(r.N)
	r.Agreement = &share
	if ci, err := stat.Wilson(r.Agreed, r.N, 0.95); err == nil { // the counts are in order
		r.Low, r.High = ci.Lo, ci.Hi
	}
	switch {
	case r.Reason != "":
	case r.High < 0.5:
		r.Reason = "it goes against you"
	case r.Low > 0.5:
	case r.N < fewPairs:
		r.Reason = fmt.Sprintf("%s: too few to tell it from a coin", counted(r.N, "pair", "pairs"))
	default:
		r.Reason = "it cannot be told from a coin"
	}
	return r
}

// person is the rater against themselves: pairs that were asked more than once,
// each time against the time before. No evaluator can be expected to agree with a
// person more often than they do.
func (t *trusting) person() TrustRow {
	row := TrustRow{Kind: TrustPerson, Name: "yourself", Measure: "pairs asked again that you decided as before",
		Decides: []string{"everything: people come before judges, and judges before instruments"}, Reason: ""}
	for _, again := range t.repeats() {
		row.N++
		if again.same {
			row.Agreed++
		}
		row.Last = again.at
	}
	if row.N == 0 {
		row.Reason = "no pair was asked twice yet; rounds do so now and then"
	}
	return row.counted()
}

// judges are the models that compared pairs, and how many independent ones they
// are worth.
func (t *trusting) judges() (rows []TrustRow, effective float64) {
	said := map[assay.Judge]map[[2]assay.Digest]assay.Digest{} // which of a pair it called better
	for _, w := range t.view.Comparisons {
		if said[w.Judge] == nil {
			said[w.Judge] = map[[2]assay.Digest]assay.Digest{}
		}
		switch w.Outcome {
		case assay.Left:
			said[w.Judge][pairKey(w.A, w.B)] = w.A
		case assay.Right:
			said[w.Judge][pairKey(w.A, w.B)] = w.B
		}
	}
	trusted := trustsOf(t.view.Trusts)
	for j := range trusted {
		if said[j] == nil {
			said[j] = map[[2]assay.Digest]assay.Digest{}
		}
	}
	judges := slices.SortedFunc(maps.Keys(said), func(a, b assay.Judge) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Model, b.Model), strings.Compare(a.Endpoint, b.Endpoint), a.Protocol-b.Protocol)
	})
	for _, j := range judges {
		row := TrustRow{Kind: TrustJudge, Name: j.Name, Version: j.Model, Measure: "pairs it decided as you did, asked in both orders"}
		if acc, why := trusted.accuracy(j); why == "" {
			row.Decides = []string{fmt.Sprintf("comparisons in the archive, weighed as right with probability %.2f", acc)}
		} else {
			row.Reason = why
		}
		for _, d := range t.decided {
			if better, ok := said[j][pairKey(d.better, d.worse)]; ok {
				row.N++
				if better == d.better {
					row.Agreed++
				}
				row.Last = d.at
			}
		}
		if found := trusted[j]; row.Last.Before(found.Created) {
			row.Last = found.Created
		}
		rows = append(rows, row.counted())
	}
	return rows, effectiveJudges(judges, likeness(t.view.Comparisons, trusted))
}

// effectiveJudges is what n judges are worth given how alike they err.
func effectiveJudges(judges []assay.Judge, alike map[[2]assay.Judge]float64) float64 {
	n := len(judges)
	if n < 2 {
		return 0
	}
	var sum float64
	for i, a := range judges {
		for _, b := range judges[:i] {
			r, measured := alike[[2]assay.Judge{a, b}]
			if !measured {
				r = PanelCorrelation
			}
			sum += r
		}
	}
	eff, err := stat.EffectiveNumber(n, sum/float64(n*(n-1)/2))
	if err != nil { // a mean of numbers in [0,1] is one
		return 0
	}
	return eff
}

// questions are the questions of each judge, by whether the answer that speaks
// for a picture is likelier for the image the rater prefers.
func (t *trusting) questions() []TrustRow {
	type key struct {
		judge    assay.Judge
		id, text string // the version's text in the row
	}
	values := map[key]map[assay.Digest]float64{}
	asked := map[key]assay.Question{}
	var order []key
	for _, a := range t.answers {
		if a.Judge.IsPerson() || a.Question.Kind == "control" {
			continue
		}
		k := key{a.Judge, a.Question.ID, a.Question.Version}
		if values[k] == nil {
			values[k], asked[k] = map[assay.Digest]float64{}, a.Question
			order = append(order, k)
		}
		if a.Belief.Known() {
			values[k][a.Image] = a.Belief.P
		}
	}
	slices.SortStableFunc(order, func(a, b key) int {
		return cmp.Or(strings.Compare(asked[a].Dimension, asked[b].Dimension), strings.Compare(a.id, b.id), strings.Compare(a.judge.Name, b.judge.Name))
	})
	trusted := trustsOf(t.view.Trusts)
	var rows []TrustRow
	for _, k := range order {
		q := asked[k]
		row := TrustRow{Kind: TrustQuestion, Name: q.ID, Version: q.Version + ", " + k.judge.Name}
		row.Decides, row.Reason = t.questionDecides(trusted, k.judge, q)
		row.Answers = t.ownAnswers(k.judge, q, values[k])
		sign := 1.0
		switch q.Good {
		case assay.NoIsGood:
			sign, row.Measure = -1, "pairs where no was likelier of the image you preferred"
		case assay.YesIsGood:
			row.Measure = "pairs where yes was likelier of the image you preferred"
		default:
			row.Measure, row.Reason = "none: it asks what there is, not how good it is", cmp.Or(row.Reason, "nothing to agree with")
			rows = append(rows, row)
			continue
		}
		rows = append(rows, t.agree(row, func(id assay.Digest) (float64, bool) {
			p, ok := values[k][id]
			return sign * p, ok
		}))
	}
	return rows
}

// questionDecides says what a judge's answers to a question may decide: cells, if
// an axis stands on them and the judge is fit for the question.
func (t *trusting) questionDecides(trusted trusts, j assay.Judge, q assay.Question) (decides []string, why string) {
	if why = trusted.fit(j); why != "" {
		return nil, why
	}
	if why = trusted[j].Unfit[q.ID+"@"+q.Version]; why != "" {
		return nil, "retired: " + why
	}
	for _, a := range t.view.Grid.Axes {
		if said, ok := askedOf(a.Descriptor); ok && said.asks(q) {
			decides = append(decides, "where images stand along "+a.Descriptor)
		}
	}
	return decides, ""
}

// ownAnswers holds a judge's answers to a question against the rater's own; nil
// if they share no image.
func (t *trusting) ownAnswers(j assay.Judge, q assay.Question, said map[assay.Digest]float64) *AnswerRow {
	var yes, no stat.Count
	var ratings [][]int
	for _, a := range t.answers {
		p, known := said[a.Image]
		if !a.Judge.IsPerson() || a.Question.ID != q.ID || a.Question.Version != q.Version || !a.Belief.Known() || !known || p == 0.5 {
			continue
		}
		own, judged := a.Belief.P > 0.5, p > 0.5
		ratings = append(ratings, []int{category(own), category(judged)})
		if own {
			yes.N++
			yes.K += category(judged)
		} else {
			no.N++
			no.K += category(!judged)
		}
	}
	if len(ratings) == 0 {
		return nil
	}
	out := &AnswerRow{N: len(ratings), Sensitivity: wilson(yes), Specificity: wilson(no)}
	if ac1, err := stat.GwetAC1(ratings, 2); err == nil { // two ratings each: always defined
		out.AC1 = ac1
	}
	return out
}

func category(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// wilson is k of n with its interval, nil of nothing.
func wilson(c stat.Count) *gate.Share {
	ci, err := stat.Wilson(c.K, c.N, 0.95)
	if c.N == 0 || err != nil {
		return nil
	}
	return &gate.Share{K: c.K, N: c.N, P: float64(c.K) / float64(c.N), Lo: ci.Lo, Hi: ci.Hi}
}

// instruments are those that have read the judged images, in the catalogue's
// order, by their newest identity.
func (t *trusting) instruments() []TrustRow {
	var rows []TrustRow
	for _, r := range t.readers() {
		rows = append(rows, t.instrument(r.spec, r.id))
	}
	return rows
}

// A reader is an instrument and the identity by which it is judged.
type reader struct {
	spec metric.Spec
	id   assay.Identity
}

func (t *trusting) readers() (out []reader) {
	newest := map[string]assay.Reading{}
	for _, readings := range t.rows {
		for _, r := range readings {
			if have, ok := newest[r.Instrument]; r.Ref.IsZero() && (!ok || have.Created.Before(r.Created)) {
				newest[r.Instrument] = r
			}
		}
	}
	for _, spec := range metric.Catalogue() {
		r, read := newest[spec.Name]
		id := r.Identity
		if now := t.s.current(spec.Name); now != nil {
			id, read = *now, true
		}
		if read && spec.Kind != metric.OfPair {
			out = append(out, reader{spec, id})
		}
	}
	return out
}

func (t *trusting) instrument(spec metric.Spec, id assay.Identity) TrustRow {
	row := TrustRow{Kind: TrustInstrument, Name: spec.Name, Version: id.Checkpoint, Decides: t.instrumentDecides(id)}
	if id.Synthetic {
		row.Reason = "its weights are made up for testing: its readings mean nothing"
	}
	sign := 1.0
	switch spec.Better {
	case metric.LowerIsBetter:
		sign, row.Measure = -1, "pairs where it reads lower of the image you preferred"
	case metric.HigherIsBetter:
		row.Measure = "pairs where it reads higher of the image you preferred"
	default:
		row.Measure, row.Reason = "none: it says what an image is, not how good", cmp.Or(row.Reason, "nothing to agree with")
		return row
	}
	return t.agree(row, func(image assay.Digest) (float64, bool) {
		v, ok := t.value(image, id)
		return sign * v, ok
	})
}

// instrumentDecides lists the gates and axes that stand on an instrument.
func (t *trusting) instrumentDecides(id assay.Identity) (out []string) {
	for _, th := range t.view.Thresholds {
		if th.Identity == id {
			out = append(out, fmt.Sprintf("gate %s (%s, threshold from %s)", th.Gate, th.Mode, th.Source))
		}
	}
	for _, a := range t.view.Grid.Axes {
		if a.Descriptor == id.Instrument {
			out = append(out, "where images stand along "+a.Descriptor)
		}
	}
	return out
}

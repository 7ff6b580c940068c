package judge

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// A QuestionReport compares a judge's answers to one question with people's.
type QuestionReport struct {
	ID          string     `json:"id"`
	Version     string     `json:"version"`
	Text        string     `json:"text"`
	Yes         stat.Count `json:"yes"`                   // of the pictures where people say yes, the judge says yes: sensitivity
	No          stat.Count `json:"no"`                    // of the pictures where people say no, the judge says no: specificity
	Abstained   int        `json:"abstained"`             // pictures that people answered and the judge did not
	Sensitivity *Estimate  `json:"sensitivity,omitempty"` // 95 % Wilson
	Specificity *Estimate  `json:"specificity,omitempty"` // 95 % Wilson
	Youden      *Estimate  `json:"youden,omitempty"`      // sensitivity + specificity - 1: 0 for a coin; 95 %, Newcombe's method 10
	Share       *Estimate  `json:"share,omitempty"`       // of the series' pictures to which people would say yes: prediction-powered, 95 %
	Rule        string     `json:"rule"`
	Verdict     Verdict    `json:"verdict"`
	Reason      string     `json:"reason"` // a sentence for people
}

const (
	leastYouden = 0.3
	leastLabels = 10 // answers of people, to correct a share by
)

const questionRule = "fails where the 95 % interval of sensitivity + specificity - 1 lies below 0.3 (a question at 0.3 fails in about 2.5 % of examinations); passes otherwise, if the interval lies above 0"

// An asked is one picture as people and the judge answered one question.
type asked struct {
	image         assay.Digest
	question      assay.Question
	people, votes int          // sum of ±1, and how many
	judge         assay.Belief // zero if the judge was not asked
	wasAsked      bool
}

// questions compares the judge's answers, stored and new, with people's.
func (e *examination) questions(ctx context.Context, mat Material, fresh []assay.Answer) ([]QuestionReport, *Estimate) {
	byID := e.pair(mat, fresh)
	ids := make([]string, 0, len(byID))
	for id := range byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var out []QuestionReport
	var ratings [][]int // of one picture and question: people, judge
	for _, id := range ids {
		labelled := false
		for _, a := range byID[id] {
			labelled = labelled || a.people != 0
			if a.people != 0 && a.judge.Known() && a.judge.P != 0.5 {
				ratings = append(ratings, []int{bit(a.people > 0), bit(a.judge.P > 0.5)})
			}
		}
		if labelled {
			out = append(out, questionReport(byID[id]))
		}
	}
	if len(ratings) < leastLabels {
		return out, nil
	}
	b, err := stat.BootstrapAgreement(ctx, ratings, 2, stat.GwetAC1, stat.BootstrapOptions{Resamples: 500, Seed: e.opt.Seed})
	if err != nil {
		return out, nil // ctx's end: what it cut short says so itself
	}
	return out, estimate(b.Value, b.Interval)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// pair puts people's and the judge's answers side by side, by question, in the
// order of the pictures' digests. Of several answers of the judge the newest
// counts; of people's the majority.
func (e *examination) pair(mat Material, fresh []assay.Answer) map[string][]*asked {
	type key struct {
		image    assay.Digest
		question string
	}
	all := map[key]*asked{}
	for _, a := range slices.Concat(mat.Answers, fresh) {
		own := a.Judge == e.m.Judge
		if a.Void != "" || !a.Judge.IsPerson() && !own || own && a.Repeat != e.opt.Ask.Repeat && a.Repeat != 0 {
			continue
		}
		k := key{a.Image, idOf(a.Question)}
		if all[k] == nil {
			all[k] = &asked{image: a.Image, question: a.Question}
		}
		switch at := all[k]; {
		case own:
			at.judge, at.wasAsked = a.Belief, true
		case a.Belief.Known():
			at.people += side01(a.Belief.P)
			at.votes++
		}
	}
	out := map[string][]*asked{}
	for k, a := range all {
		out[k.question] = append(out[k.question], a)
	}
	for _, as := range out {
		slices.SortFunc(as, func(a, b *asked) int { return cmp.Compare(a.image.String(), b.image.String()) })
	}
	return out
}

func questionReport(as []*asked) QuestionReport {
	q := as[0].question
	r := QuestionReport{ID: q.ID, Version: q.Version, Text: q.Text, Rule: questionRule, Verdict: NotEnoughData}
	var said, labels, unlabelled []float64
	for _, a := range as {
		known := a.judge.Known() && a.judge.P != 0.5
		if known && a.people == 0 {
			unlabelled = append(unlabelled, float64(bit(a.judge.P > 0.5)))
		}
		if a.people == 0 || !a.wasAsked {
			continue
		}
		if !known {
			r.Abstained++
			continue
		}
		yes := a.judge.P > 0.5
		said, labels = append(said, float64(bit(yes))), append(labels, float64(bit(a.people > 0)))
		if a.people > 0 {
			r.Yes.N++
			r.Yes.K += bit(yes)
		} else {
			r.No.N++
			r.No.K += bit(!yes)
		}
	}
	r.judge()
	if len(labels) >= leastLabels && len(unlabelled) >= leastLabels {
		if m, err := stat.PredictionPowered(unlabelled, said, labels, 0.95); err == nil {
			r.Share = &Estimate{m.Value, max(0, m.Interval.Lo), min(1, m.Interval.Hi)}
			r.Share.Value = min(1, max(0, m.Value))
		}
	}
	return r
}

// judge computes the rates and the verdict from the counts.
func (r *QuestionReport) judge() {
	share := func(c stat.Count) *Estimate {
		iv, err := stat.Wilson(c.K, c.N, 0.95)
		if err != nil {
			return nil // nothing counted
		}
		return estimate(float64(c.K)/float64(c.N), iv)
	}
	r.Sensitivity, r.Specificity = share(r.Yes), share(r.No)
	if r.Sensitivity == nil || r.Specificity == nil {
		r.Reason = fmt.Sprintf("people answered yes on %d pictures that the judge answered and no on %d: both are needed", r.Yes.N, r.No.N)
		return
	}
	iv, err := stat.DifferenceWilson(r.Yes, stat.Count{K: r.No.N - r.No.K, N: r.No.N}, 0.95)
	if err != nil {
		r.Reason = err.Error()
		return
	}
	r.Youden = estimate(r.Sensitivity.Value+r.Specificity.Value-1, iv)
	found := fmt.Sprintf("it says yes on %d of %d pictures where people do, and no on %d of %d", r.Yes.K, r.Yes.N, r.No.K, r.No.N)
	switch {
	case iv.Hi < leastYouden:
		r.Verdict, r.Reason = Fail, found+": too near to chance to decide anything"
	case iv.Lo > 0:
		r.Verdict, r.Reason = Pass, found
	default:
		r.Reason = found + ": too few to tell it from chance"
	}
}

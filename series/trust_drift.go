package series

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// What an alarm of a drift detector would be about.
const (
	AboutTaste     = "taste"
	AboutJudge     = "judge"
	AboutGenerator = "generator"
)

// A fall of twenty points is what the detectors look for, from where a stream
// stood at first. The limit lets some 300 observations pass between false alarms
// and tells of a true fall after some 26.
const (
	driftFall  = 0.2
	driftLimit = 3
	driftFirst = 20 // observations that say where a stream stood
)

// An asking is a pair put to the rater again.
type asking struct {
	same bool // they decided as the time before
	at   time.Time
}

// repeats lists, oldest first, the pairs that the rater decided again, each
// against the time before. Sides do not matter: it is the image that is the same.
func (t *trusting) repeats() (out []asking) {
	last := map[[2]assay.Digest]assay.Digest{}
	for _, d := range t.decided {
		key := pairKey(d.better, d.worse)
		if better, before := last[key]; before {
			out = append(out, asking{better == d.better, d.at})
		}
		last[key] = d.better
	}
	return out
}

// streams are what is watched for drift.
func (t *trusting) streams(ctx context.Context) ([]DriftStream, error) {
	out := []DriftStream{agreementStream("your own repeats", AboutTaste, TrustPerson+" yourself", t.repeats())}
	for _, r := range t.judgeAgreements() {
		out = append(out, agreementStream("judge "+r.name+" against you", AboutJudge, TrustJudge+" "+r.name, r.asked))
	}
	moved, err := t.generator(ctx)
	return append(out, moved), err
}

// A judgeAgreement is one judge's comparisons of the rater's pairs, in the order
// in which the later of the two spoke.
type judgeAgreement struct {
	name  string
	asked []asking
}

func (t *trusting) judgeAgreements() (out []judgeAgreement) {
	at := map[assay.Judge]int{}
	newest := map[[2]assay.Digest]decided{}
	for _, d := range t.decided {
		newest[pairKey(d.better, d.worse)] = d
	}
	for _, w := range t.view.Comparisons {
		d, both := newest[pairKey(w.A, w.B)]
		var better assay.Digest
		switch w.Outcome {
		case assay.Left:
			better = w.A
		case assay.Right:
			better = w.B
		}
		if !both || better.IsZero() {
			continue
		}
		k, known := at[w.Judge]
		if !known {
			k = len(out)
			at[w.Judge] = k
			out = append(out, judgeAgreement{name: w.Judge.Name})
		}
		when := d.at
		if w.Created.After(when) {
			when = w.Created
		}
		out[k].asked = append(out[k].asked, asking{better == d.better, when})
	}
	for k := range out {
		slices.SortStableFunc(out[k].asked, func(a, b asking) int { return a.at.Compare(b.at) })
	}
	return out
}

// agreementStream watches a stream of agreements by a Bernoulli CUSUM. Where it
// stood at first is estimated from the first observations, which are not watched.
func agreementStream(name, about, evaluator string, seen []asking) DriftStream {
	s := DriftStream{Name: name, About: about, N: len(seen), Limit: driftLimit, evaluator: evaluator, Detector: "Bernoulli CUSUM"}
	if len(seen) < driftFirst {
		s.Reason = fmt.Sprintf("%d of the %d observations that say where it stands", len(seen), driftFirst)
		return s
	}
	agreed := 0
	for _, a := range seen[:driftFirst] {
		if a.same {
			agreed++
		}
	}
	// Jeffreys' estimate: twenty agreements of twenty are no certainty. Near 1 a
	// single disagreement would all but raise the alarm, which the cap prevents.
	p0 := min((float64(agreed)+0.5)/(driftFirst+1), 0.95)
	if p0 <= 0.5 {
		s.Reason = fmt.Sprintf("it stood at %.2f at first: there is no agreement to fall from", p0)
		return s
	}
	c, err := stat.NewBernoulliCUSUM(p0, max(p0-driftFall, 0.05), driftLimit)
	if err != nil { // both chances are in order
		s.Reason = err.Error()
		return s
	}
	for _, a := range seen[driftFirst:] {
		c.Add(a.same)
	}
	s.Detector = fmt.Sprintf("Bernoulli CUSUM, %.2f to %.2f", c.P0, c.P1)
	s.Watching, s.Value, s.Alarm = true, c.S, c.Alarm > 0
	if s.Reason = fmt.Sprintf("no fall from %.2f is seen", p0); s.Alarm {
		s.Since = seen[min(driftFirst+c.Since, len(seen)-1)].at
		s.Reason = fmt.Sprintf("agreement fell from %.2f, likeliest on %s", p0, s.Since.Format(time.DateOnly))
	}
	return s
}

// Generator drift is looked for in blocks of this many images.
const (
	driftBlock = 40
	driftAlpha = 0.01
	driftPerms = 399
)

// generator compares the newest images with those before them by the kernel
// distance of their embeddings: whether what comes in has changed, whatever
// anybody thinks of it.
func (t *trusting) generator(ctx context.Context) (DriftStream, error) {
	s := DriftStream{Name: "the images that come in", About: AboutGenerator, Limit: 1 - driftAlpha,
		Detector: fmt.Sprintf("MMD of the newest %d against the %d before, %d permutations", driftBlock, driftBlock, driftPerms)}
	by, _, err := t.s.diagnoseBy(ctx, "")
	if errors.Is(err, assay.ErrNotFound) {
		s.Reason = "the images have no embedding yet"
		return s, nil
	}
	if err != nil {
		return s, err
	}
	ring := make([][]float32, 2*driftBlock) // the newest, the N-th at N modulo its length
	err = t.s.facts.Embeddings(ctx, t.s.name, by, func(_ int64, _ assay.Digest, v []float32) error {
		at := &ring[s.N%len(ring)]
		*at = append((*at)[:0], v...)
		s.N++
		return nil
	})
	if err != nil {
		return s, err
	}
	if s.N < len(ring) {
		s.Reason = fmt.Sprintf("%d of the %d images that two blocks take", s.N, len(ring))
		return s, nil
	}
	oldest := s.N % len(ring)
	rows := slices.Concat(ring[oldest:], ring[:oldest])
	p, err := stat.KernelShift(rows[:driftBlock], rows[driftBlock:], driftPerms, uint64(s.N))
	if err != nil {
		return s, err
	}
	s.Watching, s.Value, s.Alarm = true, 1-p, p <= driftAlpha
	if s.Reason = fmt.Sprintf("the newest are like those before (p = %.3f)", p); s.Alarm {
		s.Reason = fmt.Sprintf("the newest %d images are not like the %d before them (p = %.3f, by %s): thresholds from before may no longer hold", driftBlock, driftBlock, p, by.Instrument)
	}
	return s, nil
}

// moved says which of taste, judge and generator moved. A judge that disagrees
// with a person who no longer agrees with themselves has not moved: they have.
func moved(streams []DriftStream) string {
	about := map[string][]string{}
	short := 0
	for _, s := range streams {
		if s.Alarm {
			about[s.About] = append(about[s.About], s.Name)
		}
		if !s.Watching {
			short++
		}
	}
	var said []string
	if len(about[AboutGenerator]) > 0 {
		said = append(said, "The generator moved: its newest images differ from those before. Calibrate the gates again.")
	}
	switch {
	case len(about[AboutTaste]) > 0:
		said = append(said, "Your taste moved: you decide pairs otherwise than you did. Old judgments weigh less where that helps, and judges are to be examined again.")
	case len(about[AboutJudge]) > 0:
		said = append(said, "A judge moved ("+strings.Join(about[AboutJudge], ", ")+"), while you decide as you did: examine it again with `assay judge audit`.")
	}
	switch {
	case len(said) > 0:
		return strings.Join(said, " ")
	case short == len(streams):
		return "Too little is known yet to see anything move."
	}
	return "Nothing is seen to have moved."
}

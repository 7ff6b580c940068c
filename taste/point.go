package taste

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

const (
	// fewPairs is how many decided pairs a direction needs before it may be told
	// from 0: with fewer the normal approximation is a guess.
	fewPairs = 15
	// effectDeviation is the prior standard deviation of a direction's effect:
	// wide, so that it only tames pairs that all go one way.
	effectDeviation = 2
	// together is the chance that any direction is told from 0 that is not.
	together = 0.05
	// exemplars is how many images show each side of a direction.
	exemplars = 4
)

// A Way is one way in which images differ.
type Way struct {
	Kind, Name, Doc string
	Values          []float64 // by item; NaN where not measured
}

// Points says what one rater makes of each way, from the pairs that they
// decided. Votes are in order of time; those of the cluster of the last one are
// the last round. ids names the items. Ways in which the judged items do not
// differ, or that no decided pair has, are left out.
func Points(ways []Way, ids []assay.Digest, votes []Vote, rater int) []Direction {
	votes = decidedBy(votes, rater)
	if len(votes) == 0 {
		return nil
	}
	last := votes[len(votes)-1].Cluster
	var before, round []Vote
	for _, v := range votes {
		if v.Cluster == last {
			round = append(round, v)
		} else {
			before = append(before, v)
		}
	}
	var out []Direction
	var now, then []slope
	var moved []float64
	for _, w := range ways {
		judged := itemsOf(votes)
		var values []float64
		for _, i := range judged {
			if v := w.Values[i]; !math.IsNaN(v) {
				values = append(values, v)
			}
		}
		_, unit := moments(values)
		if !(unit > 0) || math.IsInf(unit, 0) {
			continue
		}
		s := slopeOf(w.differences(votes, unit))
		if s.n == 0 {
			continue
		}
		d := Direction{Kind: w.Kind, Name: w.Name, Doc: w.Doc, Effect: s.at, Low: s.low(), High: s.high(), Unit: unit, N: s.n}
		d.Preferred, d.Avoided = w.sides(judged, ids, s.at)
		past := slopeOf(w.differences(before, unit))
		if past.n > 0 {
			d.Before = &Past{Effect: past.at, Low: past.low(), High: past.high(), N: past.n}
		}
		out, now, then = append(out, d), append(now, s), append(then, past)
		moved = append(moved, past.surprise(w.differences(round, unit)))
	}
	told(out, now, then, moved)
	return out
}

// told decides which directions can be told from 0, now and before the last
// round, and which the last round moved.
func told(out []Direction, now, then []slope, moved []float64) {
	var p, past []float64
	for k := range out {
		p, past = append(p, now[k].p), append(past, then[k].p)
	}
	p, past, moved = stat.Holm(p), stat.Holm(past), stat.Holm(moved)
	for k := range out {
		out[k].Toward = toward(now[k], p[k])
		if b := out[k].Before; b != nil {
			b.Toward = toward(then[k], past[k])
			out[k].Changed = moved[k] < together
		}
	}
}

func toward(s slope, p float64) string {
	switch {
	case s.n < fewPairs || p >= together:
		return Undecided
	case s.at > 0:
		return More
	}
	return Less
}

// decidedBy keeps the votes of one rater that name a better side.
func decidedBy(votes []Vote, rater int) []Vote {
	return slices.DeleteFunc(slices.Clone(votes), func(v Vote) bool {
		return v.Rater != rater || v.Right == Bar || v.Outcome != assay.Left && v.Outcome != assay.Right
	})
}

// itemsOf lists the items that votes show, each once, in order.
func itemsOf(votes []Vote) []int {
	var out []int
	for _, v := range votes {
		out = append(out, v.Left, v.Right)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// A difference is how much more of a way the better image of a pair has.
type difference struct {
	by      float64
	cluster int
}

func (w Way) differences(votes []Vote, unit float64) []difference {
	var out []difference
	for _, v := range votes {
		d := (w.Values[v.Left] - w.Values[v.Right]) / unit
		if v.Outcome == assay.Right {
			d = -d
		}
		if !math.IsNaN(d) {
			out = append(out, difference{min(max(d, -2*reach), 2*reach), v.Cluster})
		}
	}
	return out
}

// sides returns the judged images farthest on the side an effect points to, and
// on the other.
func (w Way) sides(judged []int, ids []assay.Digest, effect float64) (preferred, avoided []Exemplar) {
	var all []Exemplar
	for _, i := range judged {
		if v := w.Values[i]; !math.IsNaN(v) {
			all = append(all, Exemplar{ids[i], v})
		}
	}
	slices.SortFunc(all, func(a, b Exemplar) int {
		return cmp.Or(cmp.Compare(b.Value, a.Value), slices.Compare(a.Image[:], b.Image[:]))
	})
	n := min(exemplars, len(all)/2)
	most, least := slices.Clone(all[:n]), slices.Clone(all[len(all)-n:])
	slices.Reverse(least)
	if effect < 0 {
		return least, most
	}
	return most, least
}

// A slope is a logistic regression on one number, through 0.
type slope struct {
	n   int
	at  float64
	se  float64
	dof float64 // of Student's law; +Inf for the normal
	p   float64 // two-sided chance of the pairs leaning as far one way if they lean none
}

// manyClusters is how many rounds are enough to measure how alike the votes of a
// round are. With fewer the measure is worse than what it mends.
const manyClusters = 20

// slopeOf fits the log-odds that a pair goes the way of a difference. The error
// allows for votes of a round being alike, and the test is that of the score,
// where there are rounds enough; else votes are taken for independent, and the
// test is that of the likelihood ratio, which holds also where all go one way.
func slopeOf(x []difference) slope {
	s := slope{n: len(x), dof: math.Inf(1)}
	const precision = 1.0 / (effectDeviation * effectDeviation)
	h := 0.0
	for range 100 {
		g := -precision * s.at
		h = precision
		for _, d := range x {
			p := 1 / (1 + math.Exp(d.by*s.at))
			g += d.by * p
			h += d.by * d.by * p * (1 - p)
		}
		step := g / h
		s.at += min(max(step, -1), 1) // far from the top a step can overshoot
		if math.Abs(step) < 1e-10 {
			break
		}
	}
	scores, leans := map[int]float64{}, map[int]float64{}
	ratio := 0.0
	for _, d := range x {
		scores[d.cluster] += d.by / (1 + math.Exp(d.by*s.at))
		leans[d.cluster] += d.by
		ratio += 2 * (math.Ln2 - lossOf(1, d.by*s.at))
	}
	c := float64(len(scores))
	if c < manyClusters {
		s.se = 1 / math.Sqrt(h)
		s.p = 2 * distuv.UnitNormal.CDF(-math.Sqrt(max(0, ratio)))
		return s
	}
	meat, lean, leaning := 0.0, 0.0, 0.0
	for _, k := range sorted(scores) {
		meat += scores[k] * scores[k]
		lean += leans[k]
		leaning += leans[k] * leans[k]
	}
	s.se, s.dof = math.Sqrt((meat*c/(c-1)+precision)/(h*h)), c-1
	s.p = 1
	if leaning > 0 {
		s.p = 2 * distuv.UnitNormal.CDF(-math.Abs(lean)/math.Sqrt(leaning))
	}
	return s
}

func (s slope) half() float64 {
	if math.IsInf(s.dof, 1) {
		return distuv.UnitNormal.Quantile(0.975) * s.se
	}
	return stat.StudentHalf(0.95, s.dof) * s.se
}

func (s slope) low() float64  { return s.at - s.half() }
func (s slope) high() float64 { return s.at + s.half() }

// surprise is the two-sided chance of later pairs leaning as far from what the
// slope foresees.
func (s slope) surprise(later []difference) float64 {
	score, info := 0.0, 0.0
	for _, d := range later {
		p := 1 / (1 + math.Exp(d.by*s.at))
		score += d.by * p
		info += d.by * d.by * p * (1 - p)
	}
	if !(info > 0) {
		return 1
	}
	return 2 * distuv.UnitNormal.CDF(-math.Abs(score)/math.Sqrt(info+info*info*s.se*s.se))
}

// Order puts decided directions first, each kind of it by how many errors it
// lies from 0.
func Order(all []Direction) {
	errors := func(d Direction) float64 { return math.Abs(d.Effect) / max(d.High-d.Low, 1e-12) }
	slices.SortStableFunc(all, func(a, b Direction) int {
		if (a.Toward == Undecided) != (b.Toward == Undecided) {
			if a.Toward == Undecided {
				return 1
			}
			return -1
		}
		return cmp.Compare(errors(b), errors(a))
	})
}

// Changes says in sentences what the last round changed.
func Changes(all []Direction) []string {
	out := []string{}
	for _, d := range all {
		b := d.Before
		switch {
		case b == nil:
		case b.Toward != d.Toward && d.Toward != Undecided:
			out = append(out, fmt.Sprintf("%s of %s is now told from chance (%.2f; it was %.2f)", d.Toward, d.Name, d.Effect, b.Effect))
		case b.Toward != d.Toward:
			out = append(out, fmt.Sprintf("%s of %s is no longer told from chance (%.2f; it was %.2f)", b.Toward, d.Name, d.Effect, b.Effect))
		case d.Changed:
			out = append(out, fmt.Sprintf("%s moved from %.2f to %.2f, more than chance moves it", d.Name, b.Effect, d.Effect))
		}
	}
	return out
}

package rank

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
)

// A JointReport is a [Joint] in the form that is printed and sent: a [Report]
// with what the joint model adds to it.
type JointReport struct {
	Report
	Raters    []RaterReport   `json:"raters"`          // in the order in which they first voted; never null
	OwnSpread float64         `json:"own"`             // standard deviation of raters' own strengths about the population's, log-odds
	HalfLife  *float64        `json:"half_life"`       // judgments after which one weighs half; null when decay does not help, or was not looked for
	Decay     *HalfLifeReport `json:"decay"`           // what the search for it found; null if the votes have no times
	Draws     int             `json:"draws,omitempty"` // samples behind the standard errors; absent if they are exact
}

// A RaterReport is one rater of a JointReport.
type RaterReport struct {
	ID          string `json:"id"`
	Reliability Number `json:"reliability"` // 1 is the typical rater, 0 a coin
	SE          Number `json:"se"`          // Laplace; null of a single rater, whose reliability is 1 by definition
	Votes       int    `json:"votes"`
	Random      Number `json:"random"` // share of clicks at random
	Side        Number `json:"side"`   // log-odds given to the left
}

// A HalfLifeReport is a [HalfLife] in a JointReport.
type HalfLifeReport struct {
	Best  float64 `json:"best"`  // the half-life that forecast best; 0 if there were too few votes to look
	Gain  Number  `json:"gain"`  // nats per vote against no decay
	SE    Number  `json:"se"`    // of Gain; decay is used where the gain is above two of it
	Votes int     `json:"votes"` // that were forecast
}

// Report names the items and raters of j. There must be one name for each, or
// the error wraps [assay.ErrInvalid].
func (j *Joint) Report(ids, raters []string) (*JointReport, error) {
	if len(ids) != len(j.Strength) || len(raters) != len(j.Raters) {
		return nil, fmt.Errorf("rank: %d names for %d items, %d for %d raters: %w", len(ids), len(j.Strength), len(raters), len(j.Raters), assay.ErrInvalid)
	}
	r := &JointReport{Report: Report{Warnings: []string{}, Prior: j.Prior, LogLik: Number(j.LogLik), Components: slices.Max(j.component) + 1, Clusters: j.Clusters,
		Tie: j.Tie.report(), Side: j.Side.report(), Items: make([]Item, len(ids))}, Raters: make([]RaterReport, len(raters)), OwnSpread: j.Own, Draws: j.Draws}
	for i, id := range ids {
		t := j.Tally[i]
		r.Items[i] = Item{ID: id, Strength: Number(j.Strength[i]), SE: nth(j.StdErr, i), Sandwich: nth(j.Sandwich, i), Component: j.component[i],
			Games: t.Votes, Won: t.Won, Lost: t.Lost, Tied: t.Tied}
	}
	for i, d := range j.Ranks(func(item int) bool { return ids[item] != BarID }) {
		if d.Lo > 0 {
			r.Items[i].RankLo, r.Items[i].RankHi, r.Items[i].Best = d.Lo, d.Hi, &d.Best
		}
	}
	for k, name := range raters {
		f := j.Raters[k]
		r.Raters[k] = RaterReport{name, Number(f.Reliability), Number(f.StdErr), f.Votes, Number(f.Random), Number(f.Side)}
	}
	if h := j.HalfLife; h != nil {
		if h.Judgments > 0 {
			r.HalfLife = &h.Judgments
		}
		if !h.Fixed {
			r.Decay = &HalfLifeReport{h.Best, Number(h.Gain), Number(h.StdErr), h.Votes}
		}
	}
	for _, i := range j.reference {
		r.Reference = append(r.Reference, ids[i])
	}
	for _, w := range j.Warnings {
		r.Warnings = append(r.Warnings, w.Error())
	}
	slices.SortStableFunc(r.Items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(b.Strength, a.Strength), cmp.Compare(a.ID, b.ID))
	})
	return r, nil
}

func nth(x []float64, i int) Number {
	if x == nil {
		return Number(math.NaN())
	}
	return Number(x[i])
}

// Personal returns one rater's own strengths, in log-odds on the scale of
// Strength: the population's and how far this rater's votes pull away from them.
// An item that they have not judged has the population's. A rater that j does
// not know is an error wrapping [assay.ErrInvalid].
func (j *Joint) Personal(rater int) ([]float64, error) {
	if rater < 0 || rater >= len(j.Raters) {
		return nil, fmt.Errorf("rank: rater %d: want 0 to %d: %w", rater, len(j.Raters)-1, assay.ErrInvalid)
	}
	out := slices.Clone(j.Strength)
	for key, at := range j.model.own {
		if int(key[0]) == rater {
			out[key[1]] += j.model.x[at]
		}
	}
	return out, nil
}

// Outcomes returns the probabilities that left wins, that the two tie and that
// left loses, when shown in this order to the typical rater, the strengths taken
// for exact.
func (j *Joint) Outcomes(left, right int) (win, tie, lose float64) {
	m := j.model
	v := jointVote{i: int32(left), j: int32(right), ui: -1, uj: -1, rater: -1, sided: true, five: !m.held[m.global()+2]}
	p := m.look(&v).p
	return p[3] + p[4], p[2], p[0] + p[1]
}

// MarshalJSON writes the numbers that are not known as null.
func (h HalfLifeReport) MarshalJSON() ([]byte, error) {
	type plain HalfLifeReport
	if h.Best == 0 {
		h.Gain, h.SE = Number(math.NaN()), Number(math.NaN())
	}
	return json.Marshal(plain(h))
}

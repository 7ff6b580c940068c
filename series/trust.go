package series

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/gen-emerge/assay"
)

// AuditNote is the kind of the notes that examinations leave; the field "trust"
// of their body is an [assay.Trust].
const AuditNote = "audit"

// PanelCorrelation is how alike judges err where too few common pairs tell: with
// it six judges count as 1.9, as was reported of six that were in use
// (UKGovernmentBEIS/inspect_ai).
const PanelCorrelation = 0.43

// commonPairs is how many pairs two judges must both have decided before it is
// measured how alike they err.
const commonPairs = 20

// controlsAccuracy is the most that an examination on controls alone lets a
// judge weigh: one click of a person.
const controlsAccuracy = 0.75

// maxLogit bounds the log-odds of one answer or one comparison: that of 0.9975.
const maxLogit = 6

// Trusts returns what the newest examination of each judge in this series found,
// in the order in which the judges were first examined. A judge without a trust
// has not been examined, and decides nothing.
func (s *Series) Trusts(ctx context.Context) ([]assay.Trust, error) {
	notes, err := s.facts.Notes(ctx, s.name, assay.Digest{}, AuditNote)
	if err != nil {
		return nil, err
	}
	var out []assay.Trust
	at := map[assay.Judge]int{}
	for _, n := range notes {
		t, ok := trustOf(n)
		if !ok {
			continue
		}
		if i, known := at[t.Judge]; known {
			out[i] = t
			continue
		}
		at[t.Judge] = len(out)
		out = append(out, t)
	}
	return out, nil
}

// trustOf reads the trust in an examination's note; ok is false if it has none.
// The judge and the time are the note's. One that cannot be read trusts nobody:
// notes are never removed, and one bad one must not lock the series.
func trustOf(n assay.Note) (t assay.Trust, ok bool) {
	var body struct {
		Trust json.RawMessage `json:"trust"`
	}
	err := json.Unmarshal(n.Body, &body)
	if err == nil && len(body.Trust) == 0 {
		return t, false
	}
	if err == nil {
		err = json.Unmarshal(body.Trust, &t)
	}
	if err != nil {
		t = assay.Trust{Reasons: []string{fmt.Sprintf("the trust in note %d cannot be read (%v); examine the judge again", n.ID, err)}}
	}
	t.Judge, t.Created = n.Judge, n.Created
	return t, true
}

// trusts are what examinations found, by judge.
type trusts map[assay.Judge]assay.Trust

func trustsOf(all []assay.Trust) trusts {
	out := trusts{}
	for _, t := range all {
		out[t.Judge] = t
	}
	return out
}

// fit says why the judge decides nothing; nothing if it may.
func (t trusts) fit(j assay.Judge) (why string) {
	found, examined := t[j]
	switch {
	case !examined:
		return fmt.Sprintf("under test: %s has not been examined in this series; `assay judge audit` does", j.Name)
	case !found.Fit:
		return fmt.Sprintf("under test: %s is not fit to decide: %s", j.Name, strings.Join(found.Reasons, "; "))
	}
	return ""
}

// accuracy returns the probability that a comparison of the judge goes as the
// creator would decide, or why it decides no comparison.
func (t trusts) accuracy(j assay.Judge) (acc float64, why string) {
	if why := t.fit(j); why != "" {
		return 0, why
	}
	found := t[j]
	if acc = found.Accuracy; found.Source == "controls" {
		acc = min(acc, controlsAccuracy)
	}
	switch {
	case !(acc > 0): // NaN too
		return 0, fmt.Sprintf("under test: it is not known how often %s decides as this creator would", j.Name)
	case acc <= 0.5:
		return 0, fmt.Sprintf("under test: %s decides no better than a coin (%.2f)", j.Name, acc)
	}
	return min(acc, sigmoid(maxLogit)), ""
}

func logit(p float64) float64 { return math.Log(p / (1 - p)) }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

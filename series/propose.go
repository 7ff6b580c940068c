package series

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gate"
	"github.com/gen-emerge/assay/stat"
)

// A Proposal says what people's judgments, and what moved, make of one gate:
// another threshold, another mode, or that more judgments are needed first.
// Nothing changes until it is applied.
type Proposal struct {
	Gate     string           `json:"gate"`
	InForce  assay.Threshold  `json:"in_force"`
	Proposed *assay.Threshold `json:"proposed,omitempty"` // with ID 0; nil if nothing is to change
	// Automatic says that it may be applied without asking: it refuses nothing that
	// is not refused now.
	Automatic bool   `json:"automatic"`
	Good      int    `json:"good"`    // images with a reading that people call good
	Bad       int    `json:"bad"`     // likewise bad
	Audited   int    `json:"audited"` // of both, that the gates had refused
	Missing   int    `json:"missing"` // good ones still missing for the promise
	Reason    string `json:"reason"`  // a sentence for people
}

// ProposeOptions adjust [Series.Proposals]. The zero value promises, with
// probability 0.95, that at most 5 % of good images fail.
type ProposeOptions struct {
	Alpha float64 // largest share of good images that a gate may fail; 0 means 0.05
	Delta float64 // probability that the promise is wrong; 0 means 0.05
}

// Proposals returns one proposal for each gate that has a threshold. The life of
// a gate goes from shadow (too little is known) to calibrated (a threshold with a
// promise from people's judgments) to enforced (the promise, and bad images that
// fail oftener than good ones may). While the newest images are unlike those before
// them gates are suspended, since thresholds from before may no longer hold; they
// come back by way of shadow.
func (s *Series) Proposals(ctx context.Context, opt ProposeOptions) ([]Proposal, error) {
	view, err := s.View(ctx)
	if err != nil {
		return nil, err
	}
	labels, err := s.Labels(ctx)
	if err != nil {
		return nil, err
	}
	watched, err := (&trusting{s: s, view: view}).generator(ctx)
	if err != nil {
		return nil, err
	}
	var out []Proposal
	for k, name := range view.gates {
		th := view.threshold(name)
		if th == nil {
			continue
		}
		p := Proposal{Gate: name, InForce: *th}
		if err := s.propose(&p, view.labelled(k, labels), watched, opt); err != nil {
			return nil, fmt.Errorf("gate %s: %w", name, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// A labelledGate is what one gate reads of the images that people judged.
type labelledGate struct {
	labels            []gate.Label
	accepted, refused int // images with a reading
}

func (v *View) labelled(k int, labels map[assay.Digest]Label) (g labelledGate) {
	th := v.threshold(v.gates[k])
	for i := range v.rows {
		r := &v.rows[i]
		reading := v.reading(r, k)
		if reading == nil || th == nil || reading.Identity != th.Identity || !r.placed {
			continue
		}
		_, _, onMap := v.Archive.Where(r.image)
		if onMap {
			g.accepted++
		} else {
			g.refused++
		}
		if l, judged := labels[r.image]; judged {
			g.labels = append(g.labels, gate.Label{Image: r.image, Value: reading.Value, Good: l.Good, Refused: !onMap})
		}
	}
	return g
}

func (s *Series) propose(p *Proposal, g labelledGate, watched DriftStream, opt ProposeOptions) error {
	for _, l := range g.labels {
		if l.Good {
			p.Good++
		} else {
			p.Bad++
		}
		if l.Refused {
			p.Audited++
		}
	}
	switch mode := p.InForce.Mode; {
	case watched.Alarm && (mode == assay.Enforced || mode == assay.Calibrated):
		p.turn(assay.Suspended, watched.Reason, s.opt.Now())
		return nil
	case watched.Alarm: // what people said is of images that no longer come
		p.Reason = watched.Reason
		return nil
	case mode == assay.Suspended:
		p.turn(assay.Shadow, "the newest images are like those before them again; it records until it is calibrated", s.opt.Now())
		return nil
	}
	better := gate.Higher
	if p.InForce.Fails == gate.Above {
		better = gate.Lower
	}
	c, err := gate.People(g.labels, better, gate.PeopleOptions{Alpha: opt.Alpha, Delta: opt.Delta, Accepted: g.accepted, Refused: g.refused})
	var short *stat.ShortageError
	switch {
	case errors.As(err, &short):
		p.Missing = short.Need - short.Have
		p.Reason = fmt.Sprintf("%d more images that you call good to promise that at most %g %% of them fail", p.Missing, 100*short.Alpha)
	case errors.Is(err, assay.ErrUnavailable):
		p.Reason = err.Error()
	case err != nil:
		return err
	}
	if err != nil {
		return nil
	}
	if p.InForce.Source == "people" && p.InForce.Value == c.Value {
		p.Reason = "the threshold stands: " + c.Reason
		if p.InForce.Mode == assay.Enforced || !c.Evidence.People.Worth {
			return nil
		}
	}
	if c.Evidence.People.Worth {
		c.Mode = assay.Enforced
	}
	th, err := c.Threshold(p.InForce.Identity, s.name, p.Gate, s.opt.Now())
	if err != nil {
		return err
	}
	p.Proposed, p.Reason = &th, c.Reason
	p.Automatic = refusesNoMore(p.InForce, th)
	return nil
}

// turn proposes the threshold in force with another mode.
func (p *Proposal) turn(mode assay.GateMode, why string, at time.Time) {
	th := p.InForce
	th.ID, th.Mode, th.Created, th.Reason = 0, mode, at, why
	p.Proposed, p.Automatic, p.Reason = &th, true, why
}

// refusesNoMore reports whether the new threshold refuses nothing that the old one
// does not.
func refusesNoMore(old, now assay.Threshold) bool {
	switch {
	case now.Mode != assay.Enforced:
		return true
	case old.Mode != assay.Enforced || old.Fails != now.Fails:
		return false
	case now.Fails == gate.Below:
		return now.Value <= old.Value
	}
	return now.Value >= old.Value
}

// Apply puts a proposal in force, and returns the threshold that was stored. It
// can be taken back, see [Series.UndoThreshold]. If the gate has changed since the
// proposal was made the error wraps [assay.ErrConflict]; if it proposes nothing,
// [assay.ErrInvalid].
func (s *Series) Apply(ctx context.Context, p Proposal) (assay.Threshold, error) {
	if p.Proposed == nil {
		return assay.Threshold{}, fmt.Errorf("gate %s: nothing is proposed: %s: %w", p.Gate, p.Reason, assay.ErrInvalid)
	}
	current, err := s.facts.Thresholds(ctx, s.name)
	if err != nil {
		return assay.Threshold{}, err
	}
	at := slices.IndexFunc(current, func(t assay.Threshold) bool { return t.Gate == p.Gate })
	if at < 0 || current[at].ID != p.InForce.ID {
		return assay.Threshold{}, fmt.Errorf("gate %s: another threshold has come into force since this was proposed; ask for proposals again: %w", p.Gate, assay.ErrConflict)
	}
	th := *p.Proposed
	th.ID, err = s.facts.PutThreshold(ctx, th)
	return th, err
}

// UndoThreshold puts the threshold back that was in force before the gate's newest
// one, as a new row: nothing is removed. A gate that has had but one threshold, or
// none, is an error wrapping [assay.ErrNotFound].
func (s *Series) UndoThreshold(ctx context.Context, name string) (assay.Threshold, error) {
	history, err := s.facts.ThresholdHistory(ctx, s.name, name)
	if err != nil {
		return assay.Threshold{}, err
	}
	if len(history) < 2 {
		return assay.Threshold{}, fmt.Errorf("gate %s has had %d thresholds: there is no earlier one to go back to: %w", name, len(history), assay.ErrNotFound)
	}
	th := history[len(history)-2]
	th.Reason = fmt.Sprintf("threshold %d was taken back; %s", history[len(history)-1].ID, th.Reason)
	th.Created = s.opt.Now()
	th.ID, err = s.facts.PutThreshold(ctx, th)
	return th, err
}

package archive

import (
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
)

// A Comparison is what one judgment says of a pair of images.
type Comparison struct {
	Left, Right assay.Digest
	Outcome     assay.Outcome
	Judgment    int64 // id of the judgment, kept in the history

	// Accuracy is 0 of a person, whose comparisons are counted. Of a judge it is
	// the probability, from ½ to below 1, that its word is right: its log-odds
	// are added to the evidence of the pair, see [Archive.Compare].
	Accuracy float64
}

// A Kind says what an event was.
type Kind string

// The kinds of event in the life of a cell.
const (
	KindAdded      Kind = "added"      // Image came to the empty cell and became its elite
	KindChallenger Kind = "challenger" // Image came to the cell of the elite Other
	KindKept       Kind = "kept"       // Image was compared with the elite Other, which stays
	KindImproved   Kind = "improved"   // Image replaced the elite Other, which is a challenger now
)

// An Event is one line of a cell's history.
type Event struct {
	Kind      Kind         `json:"kind"`
	Cell      int          `json:"cell"`
	Image     assay.Digest `json:"image"`
	Other     assay.Digest `json:"other,omitzero"`
	Wins      int          `json:"wins,omitempty"`      // of Image against Other at that moment, by people
	Trials    int          `json:"trials,omitempty"`    // comparisons of the two by people, with those that neither won
	Evidence  float64      `json:"evidence,omitempty"`  // log-odds of judges that Image is better than Other, at that moment
	Posterior float64      `json:"posterior,omitempty"` // that Image is better than Other by all of it, at that moment
	Seq       int64        `json:"seq,omitempty"`       // the entry whose arrival made the event
	Judgment  int64        `json:"judgment,omitempty"`  // the judgment that made the event
}

// Compare counts a comparison and returns what followed from it, in order;
// nothing if the two are not an elite and a challenger of its cell. Such
// evidence is kept all the same: it counts when the two meet, be it that one of
// them arrives later or becomes an elite.
//
// A challenger with k wins of n comparisons by people with the elite, and the
// word of judges, replaces it when the posterior
//
//	P = σ( logit P(Bin(n+1, ½) ≤ k) + Σ ±logit(Accuracy) )
//
// reaches Tau. The first term is P(p > ½ | k of n) under a flat prior on the
// challenger's chance p of winning. Ties and "both bad" are counted in n but won
// by neither, so they keep the elite and make the challenger's case weaker. The
// second sums over the judges' comparisons, + where the challenger won and −
// where the elite did; a judge's tie adds nothing. It assumes that judges err
// independently: whoever knows better passes smaller accuracies. So one judge of
// Accuracy 0.75 weighs as much as one click of a person, and a click against it
// leaves the posterior at ½. A skip says nothing and is not counted.
//
// The evidence of a pair is the same in whatever order it arrives. Who holds the
// cell need not be: an elite keeps it until the posterior reaches Tau. Whoever
// wants a person's word to outlast a judge's gives people's comparisons first.
//
// The displaced elite becomes a challenger, and must outweigh the evidence
// against it to come back. After a replacement the other challengers are weighed
// against the new elite by the evidence at hand, the most probable first and
// equals in order of arrival; in a circle of preferences no image becomes elite
// twice in one call.
//
// The error wraps [assay.ErrInvalid] if an image has no name, the two are the
// same, the outcome is unknown, or Accuracy is neither 0 nor from ½ to below 1;
// the archive is then unchanged.
func (a *Archive) Compare(c Comparison) ([]Event, error) {
	switch {
	case c.Left.IsZero() || c.Right.IsZero():
		return nil, fmt.Errorf("archive: judgment %d: an image has no name: %w", c.Judgment, assay.ErrInvalid)
	case c.Left == c.Right:
		return nil, fmt.Errorf("archive: judgment %d: image %s compared with itself: %w", c.Judgment, c.Left.Short(), assay.ErrInvalid)
	}
	if c.Accuracy != 0 && !(c.Accuracy >= 0.5 && c.Accuracy < 1) { // written so that NaN fails
		return nil, fmt.Errorf("archive: judgment %d: accuracy %g: want 0 for a person, or a probability from 0.5 to below 1: %w", c.Judgment, c.Accuracy, assay.ErrInvalid)
	}
	switch c.Outcome {
	case assay.Left, assay.Right, assay.Tie, assay.BothBad:
		a.count(c)
	case assay.Skip:
		return nil, nil
	default:
		return nil, fmt.Errorf("archive: judgment %d: no outcome %q: %w", c.Judgment, c.Outcome, assay.ErrInvalid)
	}

	left, right := a.items[c.Left], a.items[c.Right]
	if left == nil || right == nil || left.cell != right.cell {
		return nil, nil
	}
	at, challenger := a.cells[left.cell], left
	switch at.elite {
	case left:
		challenger = right
	case right:
	default:
		return nil, nil
	}
	if events := a.settle(at, challenger, 0, c.Judgment); len(events) > 0 {
		return events, nil
	}
	e := a.event(KindKept, challenger, at.elite)
	e.Judgment = c.Judgment
	at.history = append(at.history, e)
	return []Event{e}, nil
}

// count adds a comparison to the evidence of its pair.
func (a *Archive) count(c Comparison) {
	p, first := pairOf(c.Left, c.Right)
	t := a.pairs[p]
	won := c.Outcome == assay.Left || c.Outcome == assay.Right
	byA := first == (c.Outcome == assay.Left) // if one of them won
	switch {
	case c.Accuracy != 0:
		if logit := math.Log(c.Accuracy / (1 - c.Accuracy)); won && byA {
			t.judge += logit
		} else if won {
			t.judge -= logit
		}
	case won && byA:
		t.a++
	case won:
		t.b++
	}
	if c.Accuracy == 0 {
		t.n++
	}
	a.pairs[p] = t
}

// event returns an event about x and y with the evidence between them.
func (a *Archive) event(kind Kind, x, y *item) Event {
	e := a.between(x.Image, y.Image)
	return Event{
		Kind: kind, Cell: x.cell, Image: x.Image, Other: y.Image,
		Wins: e.wins, Trials: e.trials, Evidence: e.judges, Posterior: e.posterior(),
	}
}

// settle replaces the elite by the challenger if the evidence supports it, then
// the new elite by any other challenger, and so on. Each round makes another
// image elite, so it ends.
func (a *Archive) settle(at *cell, challenger *item, seq, judgment int64) []Event {
	var events []Event
	been := map[*item]bool{}
	for challenger != nil {
		e := a.event(KindImproved, challenger, at.elite)
		if e.Posterior < a.tau-slack {
			break
		}
		e.Seq, e.Judgment = seq, judgment
		events = append(events, e)
		a.replace(at, challenger, e)
		been[a.items[e.Other]] = true
		challenger = a.strongest(at, been)
	}
	return events
}

// replace makes challenger the elite of its cell.
func (a *Archive) replace(at *cell, challenger *item, e Event) {
	at.challengers = slices.DeleteFunc(at.challengers, func(it *item) bool { return it == challenger })
	i, _ := slices.BinarySearchFunc(at.challengers, at.elite.order, func(it *item, order int) int { return it.order - order })
	at.challengers = slices.Insert(at.challengers, i, at.elite)
	at.elite.how, challenger.how = assay.Challenger, assay.Improved
	at.elite = challenger
	at.history = append(at.history, e)
}

// strongest returns the challenger most probably better than the elite among
// those not in been; nil if there is none.
func (a *Archive) strongest(at *cell, been map[*item]bool) *item {
	var best *item
	top := -1.0
	for _, it := range at.challengers {
		if been[it] {
			continue
		}
		if p := a.between(it.Image, at.elite.Image).posterior(); p > top+slack {
			best, top = it, p
		}
	}
	return best
}

package series

import (
	"context"
	"fmt"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/pixel"
)

// Entry returns an image's place in the series. The error wraps
// [assay.ErrNotFound] if it has none, whatever other series hold it.
func (s *Series) Entry(ctx context.Context, id assay.Digest) (assay.Entry, error) {
	return s.facts.Entry(ctx, s.name, id)
}

// Image returns what is known of an image's file; the error is that of [Series.Entry].
func (s *Series) Image(ctx context.Context, id assay.Digest) (assay.Image, error) {
	if _, err := s.Entry(ctx, id); err != nil {
		return assay.Image{}, err
	}
	return s.facts.Image(ctx, id)
}

// Count returns how many images have entered the series, measured or not.
func (s *Series) Count(ctx context.Context) (int64, error) { return s.facts.Count(ctx, s.name) }

// Limits returns the bounds under which the series decodes pictures.
func (s *Series) Limits() pixel.Limits { return s.opt.Limits }

// Refused lists the images that an enforced gate keeps off the map, in order
// of arrival. [View.Decision] says which gate and why.
func (v *View) Refused() []assay.Digest {
	return v.chosen(func(r *row, onMap bool) bool { return r.placed && !onMap })
}

// Unplaced lists the measured images that have no place because a descriptor
// of the grid was not read, in order of arrival.
func (v *View) Unplaced() []assay.Digest {
	return v.chosen(func(r *row, onMap bool) bool { return r.recorded && !r.placed })
}

func (v *View) chosen(want func(r *row, onMap bool) bool) []assay.Digest {
	var out []assay.Digest
	for i := range v.rows {
		r := &v.rows[i]
		if _, _, onMap := v.Archive.Where(r.image); !r.image.IsZero() && want(r, onMap) {
			out = append(out, r.image)
		}
	}
	return out
}

// Unruled returns, for a gate of [Gates] that has no threshold, why not; it is
// empty for a gate that has one.
func (v *View) Unruled(gate string) string {
	k := slices.Index(v.gates, gate)
	if k < 0 || v.threshold(gate) != nil {
		return ""
	}
	return v.whyUnruled(k)
}

// A RoundState is a round and what its rater has answered so far.
type RoundState struct {
	Round   assay.Round
	Answers []assay.Judgment // by index of Round.Pairs; ID is 0 where there is none that stands
}

// Next returns the index of the first pair without an answer, −1 if the round
// is done.
func (r RoundState) Next() int {
	return slices.IndexFunc(r.Answers, func(j assay.Judgment) bool { return j.ID == 0 })
}

// Last returns the index of the pair answered last, −1 if there is none.
func (r RoundState) Last() int {
	last := -1
	for i, j := range r.Answers {
		if j.ID != 0 && (last < 0 || j.ID > r.Answers[last].ID) {
			last = i
		}
	}
	return last
}

// CurrentRound returns the rater's unfinished round. Unlike [Series.OpenRound]
// it makes none: the error then wraps [assay.ErrNotFound].
func (s *Series) CurrentRound(ctx context.Context, rater string) (RoundState, error) {
	round, _, err := s.facts.OpenRound(ctx, s.name, rater)
	if err != nil {
		return RoundState{}, err
	}
	return s.answers(ctx, round)
}

// Round returns one round of the rater, finished or not. The error wraps
// [assay.ErrNotFound] if it is not one of theirs in this series.
func (s *Series) Round(ctx context.Context, id int64, rater string) (RoundState, error) {
	round, err := s.facts.Round(ctx, id)
	if err != nil {
		return RoundState{}, err
	}
	if round.Series != s.name || round.Rater != rater {
		return RoundState{}, fmt.Errorf("round %d is not one of %s in series %s: %w", id, rater, s.name, assay.ErrNotFound)
	}
	return s.answers(ctx, round)
}

func (s *Series) answers(ctx context.Context, round assay.Round) (RoundState, error) {
	state := RoundState{Round: round, Answers: make([]assay.Judgment, len(round.Pairs))}
	all, err := s.facts.Judgments(ctx, s.name)
	if err != nil {
		return RoundState{}, err
	}
	for _, j := range all {
		if j.Round != round.ID || j.Rater != round.Rater || j.Withdrawn {
			continue
		}
		i := slices.IndexFunc(round.Pairs, func(p assay.Pair) bool { return p.Left == j.Left && p.Right == j.Right })
		if i >= 0 {
			state.Answers[i] = j
		}
	}
	return state, nil
}

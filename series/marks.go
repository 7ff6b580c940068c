package series

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gen-emerge/assay"
)

// A MarkRequest is a person's favour for an image.
type MarkRequest struct {
	Image    assay.Digest
	Rater    string
	Kind     assay.MarkKind
	Round    int64 // in which it was given; 0 if in none
	Transfer bool  // take the breakthrough away from the image that holds it
}

// A HeldError says that another image holds the rater's breakthrough, of which
// there is one a series. It wraps [assay.ErrConflict].
type HeldError struct{ Mark assay.Mark }

// Error names the holder and the remedy.
func (e *HeldError) Error() string {
	return fmt.Sprintf("the breakthrough of %s in series %s is %s; transfer it to make another image the breakthrough", e.Mark.Rater, e.Mark.Series, e.Mark.Image.Short())
}

// Unwrap returns [assay.ErrConflict].
func (e *HeldError) Unwrap() error { return assay.ErrConflict }

// Mark records a mark. It is durable when Mark returns; the same mark again adds
// nothing. A second breakthrough is a [*HeldError] unless Transfer is set; the old
// one is then withdrawn in the same step.
func (s *Series) Mark(ctx context.Context, req MarkRequest) (assay.Mark, error) {
	m := assay.Mark{Series: s.name, Image: req.Image, Rater: req.Rater, Kind: req.Kind, Round: req.Round, Created: s.opt.Now()}
	put := s.facts.PutMark
	if req.Transfer {
		put = s.facts.MoveMark
	}
	id, err := put(ctx, m)
	if errors.Is(err, assay.ErrConflict) {
		marks, merr := s.Marks(ctx)
		if merr != nil {
			return assay.Mark{}, merr
		}
		for _, held := range marks {
			if held.Rater == req.Rater && held.Kind == assay.Breakthrough && held.Image != req.Image {
				return assay.Mark{}, &HeldError{held}
			}
		}
	}
	if err != nil {
		return assay.Mark{}, err
	}
	marks, err := s.Marks(ctx)
	if err != nil {
		return assay.Mark{}, err
	}
	if i := slices.IndexFunc(marks, func(m assay.Mark) bool { return m.ID == id }); i >= 0 {
		return marks[i], nil
	}
	return assay.Mark{}, fmt.Errorf("mark %d was stored and is not there", id)
}

// Unmark takes a rater's mark back. It stays on record as withdrawn. The error
// wraps [assay.ErrNotFound] if it is not a standing mark of theirs in this series.
func (s *Series) Unmark(ctx context.Context, id int64, rater string) error {
	marks, err := s.Marks(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(marks, func(m assay.Mark) bool { return m.ID == id && m.Rater == rater }) {
		return fmt.Errorf("mark %d is not one of %s in series %s: %w", id, rater, s.name, assay.ErrNotFound)
	}
	return s.facts.WithdrawMark(ctx, id)
}

// Marks lists the standing marks of all raters, oldest first.
func (s *Series) Marks(ctx context.Context) ([]assay.Mark, error) {
	all, err := s.facts.Marks(ctx, s.name)
	return slices.DeleteFunc(all, func(m assay.Mark) bool { return m.Withdrawn }), err
}

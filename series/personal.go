package series

import (
	"context"
	"fmt"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/taste"
)

// A Personal is one person's reward over the images of a series: a ranking that
// borrows strength from what images look like. Items is empty if the reward was
// refused; Check.Reason says why.
type Personal struct {
	Series   string         `json:"series"`
	Rater    string         `json:"rater"`
	Features []string       `json:"features"` // what it stands on: the embedding's instrument, and the descriptors
	Check    taste.Check    `json:"check"`
	Items    []PersonalItem `json:"items"`    // best first
	Warnings []string       `json:"warnings"` // doubts to show beside the numbers
}

// A PersonalItem is one image under a personal reward.
type PersonalItem struct {
	Image  assay.Digest `json:"image"`
	Reward float64      `json:"reward"` // log-odds against the mean of the judged images
	SE     float64      `json:"se"`     // of Reward
	Judged bool         `json:"judged"` // whether this person has judged it; else the reward is a forecast
}

// Personal fits the reward of one rater. The error wraps [assay.ErrUnavailable]
// if the series has no judgments or no features to stand on; a reward that does
// not beat a coin and the model of all others is no error, but has no items.
func (s *Series) Personal(ctx context.Context, rater string) (*Personal, error) {
	return nil, fmt.Errorf("series %s: no personal reward: %w", s.name, assay.ErrUnavailable)
}

// Compass says where one rater's taste points. Too few judgments are no error:
// the compass then says so and its directions are undecided.
func (s *Series) Compass(ctx context.Context, rater string) (*taste.Compass, error) {
	return nil, fmt.Errorf("series %s: no compass: %w", s.name, assay.ErrUnavailable)
}

package series

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

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

// A tastes keeps what was last learned of each rater, until a fact is added.
type tastes struct {
	mu    sync.Mutex
	facts string // version of the facts
	known map[string]*learned
}

// learned is a rater's facts and the reward that follows from them.
type learned struct {
	*tasted
	reward *taste.Reward
	why    error // why there is none; wraps [assay.ErrUnavailable]
}

// learn returns what is learned of a rater from the facts as they are now. The
// error wraps [assay.ErrUnavailable] if they have judged nothing.
func (s *Series) learn(ctx context.Context, rater string) (*learned, error) {
	version, err := s.facts.Version(ctx, s.name)
	if err != nil {
		return nil, err
	}
	s.tastes.mu.Lock()
	defer s.tastes.mu.Unlock()
	if s.tastes.facts != version {
		s.tastes.facts, s.tastes.known = version, map[string]*learned{}
	}
	if l := s.tastes.known[rater]; l != nil {
		return l, nil
	}
	t, err := s.tasted(ctx, rater)
	if err != nil {
		return nil, err
	}
	l := &learned{tasted: t}
	if l.reward, err = taste.Learn(ctx, t.data, 0, taste.Options{}); errors.Is(err, assay.ErrUnavailable) || len(t.data.Items) == 0 {
		l.reward, l.why = nil, fmt.Errorf("series %s: no reward of %s: %s: %w", s.name, rater, "the images that they compared have no features in which they differ; `assay add` measures images", assay.ErrUnavailable)
		err = nil
	}
	if err == nil {
		s.tastes.known[rater] = l
	}
	return l, err
}

// Personal fits the reward of one rater, in the light of what all people here
// prefer, and tries it. The error wraps [assay.ErrUnavailable] if the rater has
// judged nothing or their images have no features to stand on; a reward that does
// not beat a coin and the model of all others is no error, but has no items.
func (s *Series) Personal(ctx context.Context, rater string) (*Personal, error) {
	l, err := s.learn(ctx, rater)
	if err != nil {
		return nil, err
	}
	if l.why != nil {
		return nil, l.why
	}
	p := &Personal{Series: s.name, Rater: rater, Features: l.features(), Check: l.reward.Check, Items: []PersonalItem{}, Warnings: l.doubts()}
	if !p.Check.Accepted {
		return p, nil
	}
	p.Items, err = l.rank(ctx)
	return p, err
}

// features names what the reward stands on.
func (l *learned) features() []string {
	out := []string{}
	if l.reward.Components > 0 {
		out = append(out, l.eye.Instrument)
	}
	for _, k := range l.reward.Readings {
		out = append(out, l.reading[k])
	}
	return out
}

// doubts says what weakens the reward though its trial may not show it.
func (l *learned) doubts() []string {
	out := []string{}
	switch {
	case l.eye == nil:
		out = append(out, "the images have no embedding in common: the reward stands on readings alone")
	case l.eye.Instrument == sketchInstrument:
		out = append(out, fmt.Sprintf("the reward sees where colours lie and how edges run (%s), not what a picture shows: `assay models pull` installs networks that do", sketchInstrument))
	}
	if l.missing > 0 {
		out = append(out, fmt.Sprintf("%s left out: an image has no embedding by %s", counted(l.missing, "judgment was", "judgments were"), l.eye.Instrument))
	}
	if n := len(l.own); n > ownVotes {
		out = append(out, fmt.Sprintf("of %d judgments the newest %d were learned from", n, ownVotes))
	}
	return out
}

// rank orders every image that has the features, the best first.
func (l *learned) rank(ctx context.Context) ([]PersonalItem, error) {
	values := map[assay.Digest][]float64{}
	var names []string
	for _, k := range l.reward.Readings {
		names = append(names, l.reading[k])
	}
	err := l.s.each(ctx, names, l.view, func(k int, image assay.Digest, value float64) {
		if values[image] == nil {
			values[image] = nans(len(l.reading))
		}
		values[image][l.reward.Readings[k]] = value
	})
	if err != nil {
		return nil, err
	}
	judged := map[assay.Digest]bool{}
	for _, j := range l.own {
		judged[j.Left], judged[j.Right] = true, true
	}
	var out []PersonalItem
	take := func(_ int64, id assay.Digest, v []float32) error {
		if i, ok := l.items[id]; ok {
			worth, se := l.reward.Item(i)
			out = append(out, PersonalItem{Image: id, Reward: worth, SE: se, Judged: judged[id]})
			return nil
		}
		it := taste.Item{Vector: v, Readings: values[id]}
		if it.Readings == nil {
			it.Readings = nans(len(l.reading))
		}
		worth, se, err := l.reward.Of(it)
		if err == nil {
			out = append(out, PersonalItem{Image: id, Reward: worth, SE: se, Judged: judged[id]})
		}
		return err
	}
	if l.eye != nil {
		err = l.s.facts.Embeddings(ctx, l.s.name, *l.eye, take)
	} else {
		for k, r := range l.view.rows {
			if err == nil && l.view.recorded(int64(k+1)) {
				err = take(int64(k+1), r.image, nil)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b PersonalItem) int { return cmp.Compare(b.Reward, a.Reward) })
	return out, err
}

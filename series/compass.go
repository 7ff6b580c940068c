package series

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/taste"
)

// Compass says where one rater's taste points. Too few judgments, or none, are
// no error: the compass then says so, and what it has is undecided.
func (s *Series) Compass(ctx context.Context, rater string) (*taste.Compass, error) {
	c := &taste.Compass{Series: s.name, Rater: rater, Directions: []taste.Direction{}, Changed: []string{}}
	l, err := s.learn(ctx, rater)
	if errors.Is(err, assay.ErrUnavailable) {
		c.Reason = told(err)
		c.Reward.Reason = c.Reason
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	if c.Evidence, err = l.evidence(ctx); err != nil {
		return nil, err
	}
	if c.Directions = taste.Points(l.ways, l.ids, l.data.Votes, 0); c.Directions == nil {
		c.Directions = []taste.Direction{}
	}
	taste.Order(c.Directions)
	c.Changed = taste.Changes(c.Directions)
	if l.why != nil {
		c.Reward.Reason = told(l.why)
	} else {
		c.Reward = l.reward.Check
		if d, ok := l.reward.Direction(l.data, l.ids, 0); ok {
			d.Name, d.Identity = l.eye.Instrument, l.eye
			d.Doc = "how the personal reward grows in this embedding; the exemplars show what it is"
			c.Directions = slices.Insert(c.Directions, 0, d)
		}
	}
	c.Reason = reason(c)
	return c, nil
}

// reason says what a compass is worth.
func reason(c *taste.Compass) string {
	decided := 0
	for _, d := range c.Directions {
		if d.Toward != taste.Undecided {
			decided++
		}
	}
	switch {
	case len(c.Directions) == 0:
		return fmt.Sprintf("%s: nothing yet in which the pairs that %s decided differ", counted(c.Evidence.Judgments, "judgment", "judgments"), c.Rater)
	case decided == 0:
		return fmt.Sprintf("none of %s can be told from chance by %s", counted(len(c.Directions), "direction", "directions"), counted(c.Evidence.Decided, "decided pair", "decided pairs"))
	}
	return fmt.Sprintf("%d of %s can be told from chance by %s", decided, counted(len(c.Directions), "direction", "directions"),
		counted(c.Evidence.Decided, "decided pair", "decided pairs"))
}

// evidence says what the compass rests on and how old it is.
func (l *learned) evidence(ctx context.Context) (taste.Evidence, error) {
	e := taste.Evidence{Judgments: len(l.own)}
	rounds := map[int64]bool{}
	var times []time.Time
	for _, j := range l.own {
		times = append(times, j.Created)
		if j.Outcome == assay.Left || j.Outcome == assay.Right {
			e.Decided++
		}
		if j.Round != 0 {
			rounds[j.Round] = true
		}
	}
	e.Rounds = len(rounds)
	last := l.own[len(l.own)-1]
	for _, j := range l.own {
		if (j.Round == 0 || j.Round != last.Round) && j.ID != last.ID && j.Created.After(e.Previous) {
			e.Previous = j.Created
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	e.Oldest, e.Median, e.Newest = times[0], times[len(times)/2], times[len(times)-1]
	e.AgeDays = max(0, l.s.opt.Now().Sub(e.Median).Hours()/24)
	for seq := int64(0); ; {
		entries, err := l.s.facts.Entries(ctx, l.s.name, seq, entryWindow)
		if err != nil || len(entries) == 0 {
			return e, err
		}
		for _, entry := range entries {
			seq = entry.Seq
			if entry.Created.After(e.Newest) {
				e.ImagesNew++
			}
		}
	}
}

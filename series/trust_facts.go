package series

import (
	"context"
	"slices"
	"time"

	"github.com/gen-emerge/assay"
)

// A decided is one pair of which the rater said which side is better.
type decided struct {
	better, worse assay.Digest
	at            time.Time
}

// trusting is what a trust table is computed from.
type trusting struct {
	s       *Series
	rater   string
	view    *View
	decided []decided        // of the rater, oldest first; of a pair asked again each time
	ranked  [][]assay.Digest // the rater's orders, best first
	images  map[assay.Digest]bool
	answers []assay.Answer // about judged images, and all that the rater gave; repeats and void ones left out
	rows    map[assay.Digest][]assay.Reading
	texts   map[assay.Digest]assay.Digest // of the prompt an image came with
}

// trusting reads the facts about the pairs of one rater.
func (s *Series) trusting(ctx context.Context, rater string) (*trusting, error) {
	view, err := s.View(ctx)
	if err != nil {
		return nil, err
	}
	t := &trusting{s: s, rater: rater, view: view, images: map[assay.Digest]bool{},
		rows: map[assay.Digest][]assay.Reading{}, texts: map[assay.Digest]assay.Digest{}}
	all, err := s.facts.Judgments(ctx, s.name)
	if err != nil {
		return nil, err
	}
	for _, j := range all {
		if d, ok := decidedBy(j); ok && j.Rater == rater && j.Source == "human" && !j.Withdrawn {
			t.decided = append(t.decided, d)
			t.images[d.better], t.images[d.worse] = true, true
		}
	}
	if err := t.readRankings(ctx); err != nil {
		return nil, err
	}
	for image := range t.images {
		if t.rows[image], err = s.facts.Readings(ctx, image); err != nil {
			return nil, err
		}
		e, err := s.facts.Entry(ctx, s.name, image)
		if err != nil {
			return nil, err
		}
		t.texts[image] = assay.DigestOfText(e.Prompt)
	}
	return t, t.readAnswers(ctx)
}

// readRankings reads the rater's orders.
func (t *trusting) readRankings(ctx context.Context) error {
	all, err := t.s.facts.Rankings(ctx, t.s.name)
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.Rater != t.rater || len(r.Order) == 0 {
			continue
		}
		t.ranked = append(t.ranked, r.Order)
		for _, id := range r.Order {
			t.images[id] = true
		}
	}
	return nil
}

// decidedBy returns which side a judgment calls better; ok is false if neither.
func decidedBy(j assay.Judgment) (d decided, ok bool) {
	switch j.Outcome {
	case assay.Left:
		return decided{j.Left, j.Right, j.Created}, true
	case assay.Right:
		return decided{j.Right, j.Left, j.Created}, true
	}
	return decided{}, false
}

// readAnswers keeps the answers that are compared with the rater. What a person
// answers again counts by the last time, a model's by the first.
func (t *trusting) readAnswers(ctx context.Context) error {
	latest := map[string]int{}
	return t.s.facts.SeriesAnswers(ctx, t.s.name, func(_ int64, a assay.Answer) error {
		own := a.Judge.IsPerson() && a.Judge.Name == t.rater
		if a.Void != "" || a.Judge.IsPerson() && !own || a.Repeat > 0 && !own {
			return nil
		}
		if own {
			key := a.Image.String() + a.Question.ID + a.Question.Version
			if at, again := latest[key]; again {
				t.answers[at] = a
				return nil
			}
			latest[key] = len(t.answers)
		}
		t.answers = append(t.answers, a)
		return nil
	})
}

// value returns what the instrument with this identity reads of an image, of the
// image with its own prompt if it reads that; ok is false if nothing.
func (t *trusting) value(image assay.Digest, id assay.Identity) (value float64, ok bool) {
	i := slices.IndexFunc(t.rows[image], func(r assay.Reading) bool {
		return r.Identity == id && r.Ref.IsZero() && (r.Text.IsZero() || r.Text == t.texts[image])
	})
	if i < 0 {
		return 0, false
	}
	return t.rows[image][i].Value, true
}

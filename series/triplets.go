package series

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gen-emerge/assay"
)

// OpenTriplet returns the three images the rater is asked to find the odd one out
// of: those asked and not answered yet, or three at random from the map. The error
// wraps [assay.ErrUnavailable] if the map has fewer than three.
func (s *Series) OpenTriplet(ctx context.Context, rater string) (assay.Triplet, error) {
	t, err := s.facts.OpenTriplet(ctx, s.name, rater)
	if err == nil || !errors.Is(err, assay.ErrNotFound) {
		return t, err
	}
	view, err := s.View(ctx)
	if err != nil {
		return assay.Triplet{}, err
	}
	placed := view.placed()
	n := len(placed)
	if n < 3 {
		return assay.Triplet{}, fmt.Errorf("series %s: %d images on the map: a triplet needs three: %w", s.name, n, assay.ErrUnavailable)
	}
	t = assay.Triplet{Series: s.name, Rater: rater, Asked: s.opt.Now(),
		Propensity: 6 / (float64(n) * float64(n-1) * float64(n-2))} // of the three, whatever their order
	for k, at := range drawn3(n) {
		t.Images[k] = placed[at]
	}
	if t.ID, err = s.facts.PutTriplet(ctx, t); err != nil {
		return assay.Triplet{}, err
	}
	return t, nil
}

// drawn3 draws three different numbers below n, in random order.
func drawn3(n int) (out [3]int) {
	for k := range out {
		for again := true; again; {
			out[k], again = rand.IntN(n), false
			for _, other := range out[:k] {
				again = again || other == out[k]
			}
		}
	}
	return out
}

// AnswerTriplet records which of the three is the odd one out: 0 to 2 in the order
// shown, −1 to skip. It is durable when AnswerTriplet returns. A triplet that is
// not the rater's is an error wrapping [assay.ErrNotFound], one that was answered
// otherwise one wrapping [assay.ErrConflict].
func (s *Series) AnswerTriplet(ctx context.Context, id int64, rater string, odd int, latency time.Duration) (assay.Triplet, error) {
	t, err := s.triplet(ctx, id, rater)
	if err != nil {
		return assay.Triplet{}, err
	}
	if err := s.facts.AnswerTriplet(ctx, t.ID, odd, latency); err != nil {
		return assay.Triplet{}, err
	}
	return s.triplet(ctx, id, rater)
}

func (s *Series) triplet(ctx context.Context, id int64, rater string) (assay.Triplet, error) {
	all, err := s.facts.Triplets(ctx, s.name)
	if err != nil {
		return assay.Triplet{}, err
	}
	i := slices.IndexFunc(all, func(t assay.Triplet) bool { return t.ID == id && t.Rater == rater })
	if i < 0 {
		return assay.Triplet{}, fmt.Errorf("triplet %d is not one of %s in series %s: %w", id, rater, s.name, assay.ErrNotFound)
	}
	return all[i], nil
}

// Ranking rounds show this many images unless another number is asked for.
const rankingSize = 10

// OpenRanking returns the images the rater is asked to put in order: those asked
// and not ordered yet, or n new ones (3 to 20; 0 means 10; fewer if the map has no
// more). Half come from cells where challengers wait, the rest uniformly from the
// map, and each says which: what the uniform part tells holds for the series. The
// error wraps [assay.ErrUnavailable] if the map has fewer than three.
func (s *Series) OpenRanking(ctx context.Context, rater string, n int) (assay.Ranking, error) {
	if n == 0 {
		n = rankingSize
	}
	if n < 3 || n > 20 {
		return assay.Ranking{}, fmt.Errorf("a ranking of %d images: want 3 to 20: %w", n, assay.ErrInvalid)
	}
	r, err := s.facts.OpenRanking(ctx, s.name, rater)
	if err == nil || !errors.Is(err, assay.ErrNotFound) {
		return r, err
	}
	view, err := s.View(ctx)
	if err != nil {
		return assay.Ranking{}, err
	}
	placed := view.placed()
	if len(placed) < 3 {
		return assay.Ranking{}, fmt.Errorf("series %s: %d images on the map: a ranking needs three: %w", s.name, len(placed), assay.ErrUnavailable)
	}
	r = assay.Ranking{Series: s.name, Rater: rater, Asked: s.opt.Now(), Shown: rankingDraw(placed, view.contested(), n)}
	if r.ID, err = s.facts.PutRanking(ctx, r); err != nil {
		return assay.Ranking{}, err
	}
	return r, nil
}

// rankingDraw draws the images of a ranking, in random order.
func rankingDraw(placed []assay.Digest, contested []assay.Pair, n int) (shown []assay.Ranked) {
	var disputed []assay.Digest
	seen := map[assay.Digest]bool{}
	for _, p := range contested {
		for _, id := range []assay.Digest{p.Left, p.Right} {
			if !seen[id] {
				disputed, seen[id] = append(disputed, id), true
			}
		}
	}
	taken := map[assay.Digest]bool{}
	take := func(from []assay.Digest, most int, contested bool) {
		left := 0
		for _, id := range from {
			if !taken[id] {
				left++
			}
		}
		share := min(1, float64(most)/float64(max(left, 1)))
		for _, k := range rand.Perm(len(from)) {
			if most > 0 && !taken[from[k]] {
				taken[from[k]] = true
				shown = append(shown, assay.Ranked{Image: from[k], Contested: contested, Propensity: share})
				most--
			}
		}
	}
	take(disputed, n/2, true)
	take(placed, n-len(shown), false)
	rand.Shuffle(len(shown), func(i, j int) { shown[i], shown[j] = shown[j], shown[i] })
	return shown
}

// AnswerRanking records the order, best first. Errors are those of
// [Series.AnswerTriplet], and one wrapping [assay.ErrInvalid] if the order is not
// of the images shown.
func (s *Series) AnswerRanking(ctx context.Context, id int64, rater string, order []assay.Digest) (assay.Ranking, error) {
	r, err := s.ranking(ctx, id, rater)
	if err != nil {
		return assay.Ranking{}, err
	}
	if err := s.facts.AnswerRanking(ctx, r.ID, order); err != nil {
		return assay.Ranking{}, err
	}
	return s.ranking(ctx, id, rater)
}

func (s *Series) ranking(ctx context.Context, id int64, rater string) (assay.Ranking, error) {
	all, err := s.facts.Rankings(ctx, s.name)
	if err != nil {
		return assay.Ranking{}, err
	}
	i := slices.IndexFunc(all, func(r assay.Ranking) bool { return r.ID == id && r.Rater == rater })
	if i < 0 {
		return assay.Ranking{}, fmt.Errorf("ranking %d is not one of %s in series %s: %w", id, rater, s.name, assay.ErrNotFound)
	}
	return all[i], nil
}

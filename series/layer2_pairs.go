package series

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
	"github.com/gen-emerge/assay/rank"
)

// A bout is a pair to be compared, the one that holds its place first, and the
// jurors who have not.
type bout struct {
	pair   assay.Pair // Left holds, Right challenges
	jurors []Juror
}

// pairs compares in waves: of each cell the strongest challenger that is
// undecided, all cells at once, then the archive is computed anew. Within a cell
// one pair is compared at a time, so that who was quicker decides nothing.
func (d *deliberating) pairs(ctx context.Context) error {
	d.done, d.total = 0, 0
	given := map[seat]bool{} // up in this run: the juror could not compare them
	for {
		wave, waiting, err := d.wave(ctx, given)
		if err != nil {
			return err
		}
		if len(wave) == 0 {
			break
		}
		d.total = d.done + waiting
		if err := d.fight(ctx, wave, given); err != nil {
			return err
		}
	}
	if !d.opt.Best {
		return nil
	}
	final, err := d.final(ctx, given)
	if err != nil {
		return err
	}
	d.total = d.done + len(final)
	return d.fight(ctx, final, given)
}

// wave lists the next bout of each cell, and how many there are in all by now.
func (d *deliberating) wave(ctx context.Context, given map[seat]bool) (wave []bout, waiting int, err error) {
	view, err := d.s.View(ctx)
	if err != nil {
		return nil, 0, err
	}
	decided, err := d.decided(ctx, view)
	if err != nil {
		return nil, 0, err
	}
	for cell := range view.Archive.Cells() {
		challengers := slices.Clone(cell.Challengers)
		slices.SortStableFunc(challengers, func(a, b archive.Challenger) int { // equals in order of arrival
			return cmp.Compare(round9(b.Posterior), round9(a.Posterior))
		})
		first := true
		for _, ch := range challengers {
			b := bout{pair: assay.Pair{Left: cell.Elite.Image, Right: ch.Image, Reason: "who holds the cell " + view.cellRange(cell.Index)}}
			if b.jurors = d.missing(b.pair, decided, given); len(b.jurors) == 0 || !d.wants(b.pair) {
				continue
			}
			waiting++
			if first {
				wave, first = append(wave, b), false
			}
		}
	}
	return wave, waiting, nil
}

// round9 makes posteriors that differ by rounding alone equal.
func round9(p float64) int64 { return int64(p*1e9 + 0.5) }

// wants reports whether a pair is among those that the options ask for.
func (d *deliberating) wants(p assay.Pair) bool {
	return len(d.opt.Images) == 0 || slices.Contains(d.opt.Images, p.Left) || slices.Contains(d.opt.Images, p.Right)
}

// decided says of pairs which judges have compared them; the zero Judge stands
// for people.
func (d *deliberating) decided(ctx context.Context, view *View) (map[seat]bool, error) {
	judgments, err := d.s.facts.Judgments(ctx, d.s.name)
	if err != nil {
		return nil, err
	}
	out := map[seat]bool{}
	for _, j := range judgments {
		if j.Source == "human" && !j.Withdrawn && j.Outcome != assay.Skip {
			out[seat{pair: pairKey(j.Left, j.Right)}] = true
		}
	}
	for _, w := range view.Comparisons {
		out[seatOf(w.Comparison)] = true
	}
	return out, nil
}

// missing lists the jurors who have not compared a pair; none if a person has.
func (d *deliberating) missing(p assay.Pair, decided, given map[seat]bool) []Juror {
	key := pairKey(p.Left, p.Right)
	if decided[seat{pair: key}] {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(d.jurors), func(j Juror) bool {
		at := seat{j.Judge(), key}
		return decided[at] || given[at]
	})
}

// fight has bouts fought, several at once, and stores each outcome as it comes.
// given learns of those that could not be.
func (d *deliberating) fight(ctx context.Context, bouts []bout, given map[seat]bool) error {
	return d.each(ctx, len(bouts), func(ctx context.Context, i int) error {
		b := bouts[i]
		left, err := d.s.show(ctx, b.pair.Left, nil)
		if err != nil {
			return err
		}
		right, err := d.s.show(ctx, b.pair.Right, nil)
		if err != nil {
			return err
		}
		for k, j := range b.jurors {
			t := Deliberation{Image: b.pair.Left, Other: b.pair.Right, Judge: j.Judge()}
			c, err := d.compare(ctx, j, left, right, b.pair.Reason)
			switch {
			case err == nil:
				t.Comparison = &c
			case aboutPictures(err):
				t.Error = told(err)
				d.mu.Lock()
				given[seat{j.Judge(), pairKey(b.pair.Left, b.pair.Right)}] = true
				d.mu.Unlock()
			default:
				return err
			}
			finished := 0
			if k == len(b.jurors)-1 {
				finished = 1
			}
			if err := d.tell(t, finished); err != nil {
				return err
			}
		}
		return nil
	})
}

// steered returns an error wrapping [assay.ErrInvalid] if a judge's answers to an
// image are void: a control on it failed, and what made the judge fail there, a
// text painted into the picture above all, speaks to it in a comparison as well,
// in both orders alike. Of each question the newest answer counts.
func (d *deliberating) steered(ctx context.Context, j assay.Judge, image assay.Digest) error {
	answers, err := d.s.answersOf(ctx, image, j)
	if err != nil {
		return endsRun{err}
	}
	newest := map[string]string{}
	for _, a := range answers {
		newest[a.Question.ID] = a.Void
	}
	for _, a := range slices.Backward(answers) {
		if why := newest[a.Question.ID]; why != "" {
			return fmt.Errorf("not compared: the answers of %s to image %s do not count: %s: %w", j.Name, image.Short(), why, assay.ErrInvalid)
		}
	}
	return nil
}

// compare gets a juror's comparison and stores it.
func (d *deliberating) compare(ctx context.Context, j Juror, a, b Shown, reason string) (assay.Comparison, error) {
	for _, s := range []Shown{a, b} {
		if err := d.steered(ctx, j.Judge(), s.Entry.Image); err != nil {
			return assay.Comparison{}, err
		}
	}
	c, err := j.Compare(ctx, a, b, reason)
	if err != nil {
		return c, err
	}
	if c.A == b.Entry.Image && c.B == a.Entry.Image { // a juror may turn a pair round; not name another
		a, b = b, a
	}
	if c.A != a.Entry.Image || c.B != b.Entry.Image {
		return c, endsRun{fmt.Errorf("%s was asked to compare %s and %s and compared %s and %s",
			j.Judge().Name, a.Entry.Image.Short(), b.Entry.Image.Short(), c.A.Short(), c.B.Short())}
	}
	c.Series, c.Judge, c.Reason = d.s.name, j.Judge(), cmp.Or(c.Reason, reason)
	if c.Created.IsZero() {
		c.Created = d.s.opt.Now()
	}
	if c.ID, err = d.s.facts.PutComparison(context.WithoutCancel(ctx), c); err != nil {
		return c, endsRun{err}
	}
	return c, nil
}

// final lists the bouts of every elite with the best of the series: the image on
// the map that people's comparisons rank highest.
func (d *deliberating) final(ctx context.Context, given map[seat]bool) ([]bout, error) {
	view, err := d.s.View(ctx)
	if err != nil {
		return nil, err
	}
	best, err := d.s.best(ctx, view)
	if err != nil {
		return nil, err
	}
	decided, err := d.decided(ctx, view)
	if err != nil {
		return nil, err
	}
	var out []bout
	for _, m := range view.Archive.Elites() {
		b := bout{pair: assay.Pair{Left: best, Right: m.Image, Reason: "an elite against the best of the series, by people's ranking"}}
		if m.Image == best || !d.wants(b.pair) {
			continue
		}
		if b.jurors = d.missing(b.pair, decided, given); len(b.jurors) > 0 {
			out = append(out, b)
		}
	}
	return out, nil
}

// best returns the image on the map that people's comparisons rank highest.
func (s *Series) best(ctx context.Context, view *View) (assay.Digest, error) {
	table, err := s.Votes(ctx)
	if err != nil {
		return assay.Digest{}, fmt.Errorf("the best of the series is not known: %w", err)
	}
	fit, err := rank.Estimate(ctx, len(table.IDs()), table.Votes(), rank.Options{})
	if err != nil {
		return assay.Digest{}, err
	}
	var best assay.Digest
	var top float64
	for i, name := range table.IDs() {
		id, err := assay.ParseDigest(name)
		if err != nil {
			continue // the bar
		}
		if _, _, ok := view.Archive.Where(id); ok && (best.IsZero() || fit.Strength[i] > top) {
			best, top = id, fit.Strength[i]
		}
	}
	if best.IsZero() {
		return best, fmt.Errorf("series %s: no image that people compared is on the map: %w", s.name, assay.ErrUnavailable)
	}
	return best, nil
}

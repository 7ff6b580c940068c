package series

import (
	"context"
	"fmt"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
)

// CalibrateOptions say which images the controls are run on. The zero value
// spreads a sample over the whole series.
type CalibrateOptions struct {
	First    int // use the first this many images; 0 means a sample of the whole series
	Sample   int // how many images to sample; 0 means 48
	DryRun   bool
	Progress func(done, total int)
}

// minControls is the fewest images controls are run on: below it the quantile
// of a threshold is one image's opinion.
const minControls = 8

// Calibrate computes the thresholds of all gates from controls: trivial
// variants of the series' own images say what "the same picture" measures,
// damaged copies say what damage does, other images' prompts what chance reads
// like. The thresholds, and the controls they rest on, are stored unless DryRun
// is set. A gate that nothing at hand can serve, or whose controls are too few,
// gets none.
func (s *Series) Calibrate(ctx context.Context, opt CalibrateOptions) ([]assay.Threshold, error) {
	if err := s.checkOptions(); err != nil {
		return nil, err
	}
	sample, all, err := s.sample(ctx, opt)
	if err != nil {
		return nil, err
	}
	distance, err := s.bestDistance()
	if err != nil {
		return nil, err
	}
	if !opt.DryRun { // first, so that the controls find each tower's embedding stored
		if err := s.remeasure(ctx, distance); err != nil {
			return nil, err
		}
	}
	c := s.controls(distance, all)
	if err := c.run(ctx, sample, opt.Progress); err != nil {
		return nil, err
	}
	if !opt.DryRun {
		if err := s.facts.PutControls(ctx, c.facts()); err != nil {
			return nil, err
		}
	}
	if err := c.nearest(ctx); err != nil {
		return nil, err
	}
	thresholds, err := c.thresholds()
	if err != nil || opt.DryRun {
		for i := range thresholds {
			if thresholds[i].Gate == diversityGate && len(c.different) == 0 {
				thresholds[i].Reason += "; not compared with different pictures, which a dry run does not measure"
			}
		}
		return thresholds, err
	}
	for i := range thresholds {
		if thresholds[i].ID, err = s.facts.PutThreshold(ctx, thresholds[i]); err != nil {
			return nil, err
		}
	}
	return thresholds, nil
}

// sample returns the entries that controls are run on, and those they are
// sampled from.
func (s *Series) sample(ctx context.Context, opt CalibrateOptions) (sample, all []assay.Entry, err error) {
	all, err = s.facts.Entries(ctx, s.name, 0, opt.First)
	if err != nil {
		return nil, nil, err
	}
	if len(all) < minControls {
		return nil, nil, fmt.Errorf("series %s has %d images; controls need %d: add more first: %w",
			s.name, len(all), minControls, assay.ErrUnavailable)
	}
	n := len(all)
	if opt.First == 0 {
		if opt.Sample == 0 {
			opt.Sample = 48
		}
		n = min(n, max(opt.Sample, minControls))
	}
	for i := range n { // evenly spaced, so that the same series gives the same sample
		sample = append(sample, all[i*len(all)/n])
	}
	return sample, all, nil
}

// remeasure completes what the new thresholds will ask for: readings of
// instruments that were not at hand before, and neighbours by the given
// distance.
func (s *Series) remeasure(ctx context.Context, distance *metric.Instrument) error {
	h, err := s.hood(distance)
	if err != nil {
		return err
	}
	if err := s.catchUp(ctx, h); err != nil {
		return err
	}
	have := map[int64]bool{}
	err = s.facts.Neighbours(ctx, s.name, func(n assay.Neighbour) error {
		have[n.Seq] = have[n.Seq] || n.Identity == distance.Identity()
		return nil
	})
	if err != nil {
		return err
	}
	return s.facts.Embeddings(ctx, s.name, h.base.Identity(), func(seq int64, id assay.Digest, v []float32) error {
		if !have[seq] {
			if err := s.renew(ctx, h, seq, id, v); err != nil {
				return err
			}
		}
		return h.add(id, v)
	})
}

// catchUp measures the entries that some instrument at hand has not read, or
// that lack a vector that neighbours are searched by.
func (s *Series) catchUp(ctx context.Context, h *neighbourhood) error {
	sketched, err := s.embedded(ctx, h.sketch)
	if err != nil {
		return err
	}
	based, err := s.embedded(ctx, h.base)
	if err != nil {
		return err
	}
	for seq := int64(0); ; {
		entries, err := s.facts.Entries(ctx, s.name, seq, entryWindow)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			seq = e.Seq
			img, err := s.facts.Image(ctx, e.Image)
			if err != nil {
				return err
			}
			done, err := s.settled(ctx, img, e.Prompt)
			if err != nil {
				return err
			}
			if done && sketched[e.Image] && based[e.Image] {
				continue
			}
			w, err := s.again(ctx, e, h)
			if err != nil {
				return fmt.Errorf("measuring entry %d (%s) again: %w", e.Seq, e.Path, err)
			}
			err = s.facts.Record(ctx, assay.Measurement{Series: s.name, Seq: e.Seq, Readings: w.readings, Embeddings: w.embeddings})
			if err != nil {
				return err
			}
		}
	}
}

// embedded lists the images of the series that have a vector of the instrument.
func (s *Series) embedded(ctx context.Context, in *metric.Instrument) (map[assay.Digest]bool, error) {
	have := map[assay.Digest]bool{}
	err := s.facts.Embeddings(ctx, s.name, in.Identity(), func(_ int64, id assay.Digest, _ []float32) error {
		have[id] = true
		return nil
	})
	return have, err
}

// renew records the neighbour of one entry by another distance. The vector is
// that of the neighbourhood's base.
func (s *Series) renew(ctx context.Context, h *neighbourhood, seq int64, id assay.Digest, vector []float32) error {
	var small *metric.Picture
	if !h.exact() {
		full, err := s.picture(ctx, id)
		if err != nil {
			return err
		}
		if small, err = shrink(full); err != nil {
			return err
		}
	}
	nearest, d, err := h.nearest(ctx, id, small, vector)
	if err != nil {
		return err
	}
	if small != nil {
		h.small.put(id, small)
	}
	return s.facts.Record(ctx, assay.Measurement{Series: s.name, Seq: seq, Neighbours: []assay.Neighbour{
		{Identity: h.distance.Identity(), Series: s.name, Seq: seq, Nearest: nearest, Value: d}}})
}

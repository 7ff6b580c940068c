package series

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gate"
	"github.com/gen-emerge/assay/metric"
)

// diversityGate asks whether an image is new: far enough from the nearest image
// that came before.
const diversityGate = "diversity"

// Gates lists the gates of a series in the order they are asked. Each technical
// gate watches for one kind of damage; its instrument is the one that, on this
// series' own images, told damaged copies from originals best.
func Gates() []string {
	var names []string
	for _, d := range damages() {
		names = append(names, technicalGate(d.kind))
	}
	return append(names, diversityGate)
}

func technicalGate(kind string) string { return "technical-" + kind }

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
// damaged copies say what damage does. The thresholds, and the controls they
// rest on, are stored unless DryRun is set.
func (s *Series) Calibrate(ctx context.Context, opt CalibrateOptions) ([]assay.Threshold, error) {
	ids, err := s.sample(ctx, opt)
	if err != nil {
		return nil, err
	}
	distance, err := s.bestDistance()
	if err != nil {
		return nil, err
	}
	c := &controls{s: s, distance: distance, candidates: s.candidates()}
	if err := c.run(ctx, ids, opt.Progress); err != nil {
		return nil, err
	}
	if !opt.DryRun {
		if err := s.facts.PutControls(ctx, c.facts()); err != nil {
			return nil, err
		}
		if err := s.remeasure(ctx, distance); err != nil {
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

// sample names the images that controls are run on.
func (s *Series) sample(ctx context.Context, opt CalibrateOptions) ([]assay.Digest, error) {
	entries, err := s.facts.Entries(ctx, s.name, 0, opt.First)
	if err != nil {
		return nil, err
	}
	if len(entries) < minControls {
		return nil, fmt.Errorf("series %s has %d images; controls need %d: add more first: %w",
			s.name, len(entries), minControls, assay.ErrUnavailable)
	}
	n := len(entries)
	if opt.First == 0 {
		if opt.Sample == 0 {
			opt.Sample = 48
		}
		n = min(n, max(opt.Sample, minControls))
	}
	ids := make([]assay.Digest, n)
	for i := range ids { // evenly spaced, so that the same series gives the same sample
		ids[i] = entries[i*len(entries)/n].Image
	}
	return ids, nil
}

// candidates are the instruments that may serve a technical gate.
func (s *Series) candidates() []*metric.Instrument {
	return slices.DeleteFunc(s.imageInstruments(), func(in *metric.Instrument) bool {
		named := len(s.opt.Technical) > 0
		return in.Synthetic || in.Better == metric.Descriptor || named && !slices.Contains(s.opt.Technical, in.Name)
	})
}

// bestDistance is the instrument the diversity gate should read: the one
// configured, else the best one installed.
func (s *Series) bestDistance() (*metric.Instrument, error) {
	if s.opt.Distance != "" {
		in, err := s.tools.Find(s.opt.Distance)
		if err == nil && !slices.Contains(distances(), in.Name) {
			err = fmt.Errorf("diversity gate: %s does not compare images of any size; use one of %s: %w",
				in.Name, strings.Join(distances(), ", "), assay.ErrInvalid)
		}
		return in, err
	}
	for _, name := range distances() {
		if in, err := s.tools.Find(name); err == nil && !in.Synthetic {
			return in, nil
		}
	}
	return s.tools.Find(sketchInstrument)
}

// distances are the instruments that may serve the diversity gate, the best
// first: those that compare images of any two sizes.
func distances() []string { return []string{"lpips-squeeze-64", sketchInstrument} }

// distance is the instrument that new images are compared with: that of the
// threshold in force while it is at hand, so that readings and threshold agree.
func (s *Series) distance(ctx context.Context) (*metric.Instrument, error) {
	thresholds, err := s.facts.Thresholds(ctx, s.name)
	if err != nil {
		return nil, err
	}
	for _, t := range thresholds {
		if t.Gate != diversityGate {
			continue
		}
		if in, err := s.tools.Find(t.Instrument); err == nil && in.Identity() == t.Identity {
			return in, nil
		}
	}
	return s.bestDistance()
}

// remeasure completes what the new thresholds will ask for: readings of
// instruments that were not at hand before, and neighbours by the given
// distance.
func (s *Series) remeasure(ctx context.Context, distance *metric.Instrument) error {
	if err := s.catchUp(ctx); err != nil {
		return err
	}
	have := map[int64]bool{}
	err := s.facts.Neighbours(ctx, s.name, func(n assay.Neighbour) error {
		have[n.Seq] = have[n.Seq] || n.Identity == distance.Identity()
		return nil
	})
	if err != nil {
		return err
	}
	h := &neighbourhood{s: s, distance: distance, small: newPictures(pictureCache)}
	if h.sketch, err = s.tools.Find(sketchInstrument); err != nil {
		return err
	}
	return s.facts.Embeddings(ctx, s.name, h.sketch.Identity(), func(seq int64, id assay.Digest, v []float32) error {
		if !have[seq] {
			if err := s.renew(ctx, h, seq, id, v); err != nil {
				return err
			}
		}
		return h.add(id, v)
	})
}

// catchUp measures the entries that some instrument at hand has not read.
func (s *Series) catchUp(ctx context.Context) error {
	sketch, err := s.tools.Find(sketchInstrument)
	if err != nil {
		return err
	}
	sketched := map[assay.Digest]bool{}
	err = s.facts.Embeddings(ctx, s.name, sketch.Identity(), func(_ int64, id assay.Digest, _ []float32) error {
		sketched[id] = true
		return nil
	})
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
			done, err := s.settled(ctx, img)
			if err != nil {
				return err
			}
			if done && sketched[e.Image] {
				continue
			}
			w, err := s.again(ctx, e.Image)
			if err != nil {
				return fmt.Errorf("measuring entry %d (%s) again: %w", e.Seq, e.Path, err)
			}
			err = s.facts.Record(ctx, assay.Measurement{Series: s.name, Seq: e.Seq, Readings: w.readings,
				Embeddings: []assay.Embedding{{Identity: sketch.Identity(), Image: e.Image, Vector: w.sketch}}})
			if err != nil {
				return err
			}
		}
	}
}

// renew records the neighbour of one entry by another distance.
func (s *Series) renew(ctx context.Context, h *neighbourhood, seq int64, id assay.Digest, sketch []float32) error {
	full, err := s.picture(ctx, id)
	if err != nil {
		return err
	}
	small, err := shrink(full)
	if err != nil {
		return err
	}
	nearest, d, err := h.nearest(ctx, id, small, sketch)
	if err != nil {
		return err
	}
	h.small.put(id, small)
	return s.facts.Record(ctx, assay.Measurement{Series: s.name, Seq: seq, Neighbours: []assay.Neighbour{
		{Identity: h.distance.Identity(), Series: s.name, Seq: seq, Nearest: nearest, Value: d}}})
}

// nearest reads how far the sampled images lie from their neighbours: what
// different pictures measure.
func (c *controls) nearest(ctx context.Context) error {
	sampled := map[int64]bool{}
	for _, row := range c.rows {
		e, err := c.s.facts.Entry(ctx, c.s.name, row.image)
		if err != nil {
			return err
		}
		sampled[e.Seq] = true
	}
	return c.s.facts.Neighbours(ctx, c.s.name, func(n assay.Neighbour) error {
		if sampled[n.Seq] && n.Identity == c.distance.Identity() && !n.Nearest.IsZero() {
			c.different = append(c.different, n.Value)
		}
		return nil
	})
}

// controls are the numbers of one calibration.
type controls struct {
	s          *Series
	distance   *metric.Instrument
	candidates []*metric.Instrument

	mu   sync.Mutex
	rows []controlRow // one an image, in the order of the sample

	different []float64 // distances from sampled images to their nearest neighbours
}

type controlRow struct {
	image   assay.Digest
	same    []float64            // distances, by index of variants
	intact  map[string]float64   // by instrument
	damaged []map[string]float64 // by index of damages, then instrument
}

// run measures the controls of every image, several at once.
func (c *controls) run(ctx context.Context, ids []assay.Digest, progress func(done, total int)) error {
	c.rows = make([]controlRow, len(ids))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	done := 0
	for range c.s.opt.Workers {
		wg.Go(func() {
			for i := range next {
				row, err := c.measure(ctx, ids[i])
				if err != nil {
					cancel(err)
					return
				}
				c.mu.Lock()
				c.rows[i] = row
				done++
				if progress != nil {
					progress(done, len(ids))
				}
				c.mu.Unlock()
			}
		})
	}
feed:
	for i := range ids {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

func (c *controls) measure(ctx context.Context, id assay.Digest) (controlRow, error) {
	row := controlRow{image: id}
	pic, err := c.s.picture(ctx, id)
	if err != nil {
		return row, err
	}
	small, err := c.gallery(pic)
	if err != nil {
		return row, err
	}
	for _, v := range variants() {
		changed, err := v.apply(ctx, pic.RGB())
		if err != nil {
			return row, fmt.Errorf("image %s, %s: %w", id.Short(), v.name, err)
		}
		other, err := c.gallery(metric.NewPicture(changed))
		if err != nil {
			return row, err
		}
		r, err := c.distance.Distance(ctx, small, other)
		if err != nil {
			return row, fmt.Errorf("image %s, %s: %w", id.Short(), v.name, err)
		}
		row.same = append(row.same, r.Value)
	}
	if row.intact, err = c.read(ctx, pic); err != nil {
		return row, err
	}
	for _, d := range damages() {
		changed, err := d.apply(ctx, pic.RGB())
		if errors.Is(err, assay.ErrInvalid) { // a black picture cannot be overexposed: no control here
			row.damaged = append(row.damaged, nil)
			continue
		}
		if err != nil {
			return row, fmt.Errorf("image %s, %s: %w", id.Short(), d.name, err)
		}
		values, err := c.read(ctx, metric.NewPicture(changed))
		if err != nil {
			return row, err
		}
		row.damaged = append(row.damaged, values)
	}
	return row, nil
}

// gallery prepares a picture as the neighbourhood does, so that controls and
// neighbours are measured alike.
func (c *controls) gallery(p *metric.Picture) (*metric.Picture, error) {
	if c.distance.Name == sketchInstrument {
		return p, nil
	}
	return shrink(p)
}

// read measures every candidate; one that cannot read a picture is left out.
func (c *controls) read(ctx context.Context, p *metric.Picture) (map[string]float64, error) {
	out := map[string]float64{}
	for _, in := range c.candidates {
		r, err := in.Measure(ctx, p)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil {
			out[in.Name] = r.Value
		}
	}
	return out, nil
}

// facts lists the controls as rows for the store.
func (c *controls) facts() []assay.Control {
	now := c.s.opt.Now()
	var out []assay.Control
	for _, row := range c.rows {
		for k, v := range variants() {
			out = append(out, assay.Control{Identity: c.distance.Identity(), Series: c.s.name, Image: row.image, Transform: v.name, Value: row.same[k], Created: now})
		}
		for _, in := range c.candidates {
			add := func(transform string, values map[string]float64) {
				if x, ok := values[in.Name]; ok {
					out = append(out, assay.Control{Identity: in.Identity(), Series: c.s.name, Image: row.image, Transform: transform, Value: x, Created: now})
				}
			}
			add("none", row.intact)
			for k, d := range damages() {
				add(d.name, row.damaged[k])
			}
		}
	}
	return out
}

// thresholds computes every gate's threshold.
func (c *controls) thresholds() ([]assay.Threshold, error) {
	var out []assay.Threshold
	for k, d := range damages() {
		t, err := c.floor(k, d)
		if errors.Is(err, assay.ErrUnavailable) {
			continue // no instrument at hand can serve this gate; it stays without a threshold
		}
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	v := gate.Variants{Trivial: map[string][]float64{}, Different: c.different}
	for _, row := range c.rows {
		for k, edit := range variants() {
			v.Trivial[edit.name] = append(v.Trivial[edit.name], row.same[k])
		}
	}
	cal, err := gate.SamePicture(v, c.s.opt.SameQuantile)
	if err != nil {
		return nil, err
	}
	t, err := cal.Threshold(c.distance.Identity(), c.s.name, diversityGate, c.s.opt.Now())
	return append(out, t), err
}

// floor chooses the instrument that tells one kind of damage best.
func (c *controls) floor(k int, d edit) (assay.Threshold, error) {
	var best gate.Calibration
	var chosen *metric.Instrument
	for _, in := range c.candidates {
		var intact, damaged []float64
		for _, row := range c.rows {
			a, okA := row.intact[in.Name]
			b, okB := row.damaged[k][in.Name]
			if okA && okB {
				intact, damaged = append(intact, a), append(damaged, b)
			}
		}
		cal, err := gate.Floor(intact, map[string][]float64{d.name: damaged}, string(in.Better), gate.FloorOptions{FalseRefusal: c.s.opt.FalseRefusal})
		if errors.Is(err, assay.ErrUnavailable) {
			continue // too few images could be read by this one
		}
		if err != nil {
			return assay.Threshold{}, fmt.Errorf("%s by %s: %w", technicalGate(d.kind), in.Name, err)
		}
		if chosen == nil || better(cal, best) {
			best, chosen = cal, in
		}
	}
	if chosen == nil {
		return assay.Threshold{}, fmt.Errorf("%s: no instrument: %w", technicalGate(d.kind), assay.ErrUnavailable)
	}
	return best.Threshold(chosen.Identity(), c.s.name, technicalGate(d.kind), c.s.opt.Now())
}

// better prefers what can be enforced, then what detects more.
func better(a, b gate.Calibration) bool {
	if (a.Mode == assay.Enforced) != (b.Mode == assay.Enforced) {
		return a.Mode == assay.Enforced
	}
	return a.Evidence.Floor.Detection != nil && (b.Evidence.Floor.Detection == nil || a.Evidence.Floor.Detection.P > b.Evidence.Floor.Detection.P)
}

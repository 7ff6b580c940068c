package series

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gate"
	"github.com/gen-emerge/assay/metric"
)

// nearest reads how far the sampled images lie from their neighbours: what
// different pictures measure.
func (c *controls) nearest(ctx context.Context) error {
	sampled := map[int64]bool{}
	for _, row := range c.rows {
		sampled[row.seq] = true
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
	adherence  *metric.Instrument // nil if none can serve its gate
	style      *metric.Instrument // likewise
	artness    *metric.Instrument // that guards it; likewise
	prompts    []string           // the distinct ones, in the order they came

	mu   sync.Mutex
	rows []controlRow // one an image, in the order of the sample

	different []float64 // distances from sampled images to their nearest neighbours
}

type controlRow struct {
	image   assay.Digest
	seq     int64
	same    []float64            // distances, by index of variants
	intact  map[string]float64   // by instrument
	damaged []map[string]float64 // by index of damages, then instrument
	style   *float64             // nil if it could not be read
	artness *float64             // likewise
	own     *promptRead          // by the adherence instrument with the image's own prompt; nil if there is none
	others  []promptRead         // with prompts of other images
}

// A promptRead is the reading of an image with one prompt.
type promptRead struct {
	prompt string
	value  float64
}

// controls are the controls of images among the given entries, not run yet.
func (s *Series) controls(distance *metric.Instrument, entries []assay.Entry) *controls {
	c := &controls{s: s, distance: distance, candidates: s.candidates(), prompts: distinctPrompts(entries)}
	if in, err := s.chosen(adherenceGate); err == nil && s.usable(in) == "" && len(c.prompts) > 1 {
		c.adherence = in
	}
	if in, err := s.chosen(styleGate); err == nil && s.usable(in) == "" {
		c.style = in
		if in, err := s.tools.Find(guards()[in.Name]); err == nil && s.usable(in) == "" {
			c.artness = in
		}
	}
	return c
}

// run measures the controls of every image, several at once.
func (c *controls) run(ctx context.Context, sample []assay.Entry, progress func(done, total int)) error {
	c.rows = make([]controlRow, len(sample))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	done := 0
	for range c.s.opt.Workers {
		wg.Go(func() {
			for i := range next {
				row, err := c.measure(ctx, sample[i], i)
				if err != nil {
					cancel(err)
					return
				}
				c.mu.Lock()
				c.rows[i] = row
				done++
				if progress != nil {
					progress(done, len(sample))
				}
				c.mu.Unlock()
			}
		})
	}
feed:
	for i := range sample {
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

// measure runs all controls on the i-th image of the sample.
func (c *controls) measure(ctx context.Context, e assay.Entry, i int) (controlRow, error) {
	row := controlRow{image: e.Image, seq: e.Seq}
	pic, err := c.s.picture(ctx, e.Image)
	if err != nil {
		return row, err
	}
	if row.same, err = c.variants(ctx, pic, e.Image); err != nil {
		return row, err
	}
	if row.intact, err = c.read(ctx, pic); err != nil {
		return row, err
	}
	for _, d := range damages() {
		if len(c.candidates) == 0 {
			break
		}
		changed, err := d.apply(ctx, pic.RGB())
		if errors.Is(err, assay.ErrInvalid) { // a black picture cannot be overexposed: no control here
			row.damaged = append(row.damaged, nil)
			continue
		}
		if err != nil {
			return row, fmt.Errorf("image %s, %s: %w", e.Image.Short(), d.name, err)
		}
		values, err := c.read(ctx, metric.NewPicture(changed))
		if err != nil {
			return row, err
		}
		row.damaged = append(row.damaged, values)
	}
	return row, c.readPrompts(ctx, &row, pic, e, i)
}

// variants measures how far trivial variants lie from their original.
func (c *controls) variants(ctx context.Context, pic *metric.Picture, id assay.Digest) ([]float64, error) {
	small, err := c.gallery(pic)
	if err != nil {
		return nil, err
	}
	var out []float64
	for _, v := range variants() {
		changed, err := v.apply(ctx, pic.RGB())
		if err != nil {
			return nil, fmt.Errorf("image %s, %s: %w", id.Short(), v.name, err)
		}
		other, err := c.gallery(metric.NewPicture(changed))
		if err != nil {
			return nil, err
		}
		r, err := c.distance.Distance(ctx, small, other)
		if err != nil {
			return nil, fmt.Errorf("image %s, %s: %w", id.Short(), v.name, err)
		}
		out = append(out, r.Value)
	}
	return out, nil
}

// readPrompts reads the image's style, and the image with its own prompt and
// with those of others. What an instrument cannot read is left out.
func (c *controls) readPrompts(ctx context.Context, row *controlRow, pic *metric.Picture, e assay.Entry, i int) error {
	one := func(in *metric.Instrument, prompt string) *promptRead {
		if r, err := measureWith(ctx, in, pic, prompt); err == nil {
			return &promptRead{prompt, r.Value}
		}
		return nil
	}
	for in, into := range map[*metric.Instrument]**float64{c.style: &row.style, c.artness: &row.artness} {
		if in == nil {
			continue
		}
		if r := one(in, ""); r != nil {
			*into = &r.value
		}
	}
	if c.adherence != nil && hasPrompt(e.Prompt) { // what an image without a prompt shows may be any of them
		row.own = one(c.adherence, e.Prompt)
		for _, p := range otherPrompts(c.prompts, e.Prompt, i, othersPerImage) {
			if r := one(c.adherence, p); r != nil {
				row.others = append(row.others, *r)
			}
		}
	}
	return context.Cause(ctx)
}

// gallery prepares a picture as the neighbourhood does, so that controls and
// neighbours are measured alike.
func (c *controls) gallery(p *metric.Picture) (*metric.Picture, error) {
	if c.distance.Embeds() {
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
				if k < len(row.damaged) {
					add(d.name, row.damaged[k])
				}
			}
		}
		for _, r := range row.others {
			out = append(out, assay.Control{Identity: c.adherence.Identity(), Series: c.s.name, Image: row.image,
				Transform: "prompt " + assay.DigestOfText(r.prompt).String(), Value: r.value, Created: now})
		}
	}
	return out
}

// thresholds computes every gate's threshold, in the order of the gates.
func (c *controls) thresholds() ([]assay.Threshold, error) {
	var out []assay.Threshold
	for _, one := range c.computed() {
		t, err := one()
		if errors.Is(err, assay.ErrUnavailable) {
			continue // no instrument at hand can serve this gate, or too few images; it stays without a threshold
		}
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	t, err := c.samePicture() // without this one the others are not worth having: what repeats would be let in
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(out, func(t assay.Threshold) bool { return t.Gate == styleGate })
	if at < 0 {
		at = len(out)
	}
	return slices.Insert(out, at, t), nil
}

// computed lists what computes the thresholds that a series can do without.
func (c *controls) computed() []func() (assay.Threshold, error) {
	var out []func() (assay.Threshold, error)
	for k, d := range damages() {
		out = append(out, func() (assay.Threshold, error) { return c.floor(k, d) })
	}
	return append(out, c.chance, c.percentile)
}

// samePicture computes the diversity gate's threshold.
func (c *controls) samePicture() (assay.Threshold, error) {
	v := gate.Variants{Trivial: map[string][]float64{}, Different: c.different}
	for _, row := range c.rows {
		for k, edit := range variants() {
			v.Trivial[edit.name] = append(v.Trivial[edit.name], row.same[k])
		}
	}
	cal, err := gate.SamePicture(v, c.s.opt.SameQuantile)
	if err != nil {
		return assay.Threshold{}, err
	}
	return cal.Threshold(c.distance.Identity(), c.s.name, diversityGate, c.s.opt.Now())
}

// chance computes the adherence gate's threshold.
func (c *controls) chance() (assay.Threshold, error) {
	if c.adherence == nil {
		return assay.Threshold{}, fmt.Errorf("%s: no instrument, or no two prompts: %w", adherenceGate, assay.ErrUnavailable)
	}
	var p gate.Prompts
	read := map[string]bool{}
	for _, row := range c.rows {
		for _, r := range row.others {
			p.Others = append(p.Others, r.value)
			read[promptKey(r.prompt)] = true
		}
		if row.own != nil {
			p.Own = append(p.Own, row.own.value)
			read[promptKey(row.own.prompt)] = true
		}
	}
	p.Distinct = len(read)
	cal, err := gate.Chance(p, c.s.opt.ChanceQuantile)
	if err != nil {
		return assay.Threshold{}, err
	}
	return cal.Threshold(c.adherence.Identity(), c.s.name, adherenceGate, c.s.opt.Now())
}

// percentile computes the style gate's threshold.
func (c *controls) percentile() (assay.Threshold, error) {
	if c.style == nil {
		return assay.Threshold{}, fmt.Errorf("%s: no instrument: %w", styleGate, assay.ErrUnavailable)
	}
	var own, artness []float64
	for _, row := range c.rows {
		if row.style != nil {
			own = append(own, *row.style)
		}
		if row.artness != nil {
			artness = append(artness, *row.artness)
		}
	}
	cal, err := gate.Percentile(own, gate.PercentileOptions{Share: c.s.opt.StyleShare, Enforce: c.s.opt.StyleEnforce})
	if err != nil {
		return assay.Threshold{}, err
	}
	guarded := gate.Calibration{}
	if err = errNoGuard; c.artness != nil {
		guarded, err = cal.Guard(c.artness.Identity(), artness, 0)
	}
	switch {
	case errors.Is(err, assay.ErrUnavailable):
		cal.Reason += fmt.Sprintf("; not guarded: %v", err)
	case err != nil:
		return assay.Threshold{}, err
	default:
		cal = guarded
	}
	return cal.Threshold(c.style.Identity(), c.s.name, styleGate, c.s.opt.Now())
}

// errNoGuard is why a style threshold has no guard.
var errNoGuard = fmt.Errorf("no instrument at hand reads whether it is art: %w", assay.ErrUnavailable)

// floor chooses the instrument that serves the gate of one kind of damage: the
// preferred one, unless the controls show beyond doubt that another tells that
// damage better; without one, whichever tells it best.
func (c *controls) floor(k int, d edit) (assay.Threshold, error) {
	var best, first *floored
	for _, in := range c.candidates {
		f, err := c.floorBy(in, k, d)
		if errors.Is(err, assay.ErrUnavailable) {
			continue // too few images could be read by this one
		}
		if err != nil {
			return assay.Threshold{}, err
		}
		if best == nil || better(f.cal, best.cal) {
			best = f
		}
		if in == c.preferred() {
			first = f
		}
	}
	if best == nil {
		return assay.Threshold{}, fmt.Errorf("%s: no instrument: %w", technicalGate(d.kind), assay.ErrUnavailable)
	}
	switch {
	case first == nil:
	case beyondDoubt(best.cal, first.cal):
		best.cal.Reason += fmt.Sprintf("; read by %s, as %s, which is preferred where it is installed, %s", best.in.Name, first.in.Name, caught(first.cal))
	default:
		if best != first {
			first.cal.Reason += fmt.Sprintf("; read by %s, which is preferred where it is installed: %s %s, no more beyond doubt",
				first.in.Name, best.in.Name, caught(best.cal))
		}
		best = first
	}
	return best.cal.Threshold(best.in.Identity(), c.s.name, technicalGate(d.kind), c.s.opt.Now())
}

// A floored is the floor that one instrument gives.
type floored struct {
	in  *metric.Instrument
	cal gate.Calibration
}

// floorBy computes the floor of one instrument for one kind of damage.
func (c *controls) floorBy(in *metric.Instrument, k int, d edit) (*floored, error) {
	var intact, damaged []float64
	for _, row := range c.rows {
		a, okA := row.intact[in.Name]
		b, okB := row.damaged[k][in.Name]
		if okA && okB {
			intact, damaged = append(intact, a), append(damaged, b)
		}
	}
	cal, err := gate.Floor(intact, map[string][]float64{d.name: damaged}, string(in.Better), gate.FloorOptions{FalseRefusal: c.s.opt.FalseRefusal})
	if err != nil {
		return nil, fmt.Errorf("%s by %s: %w", technicalGate(d.kind), in.Name, err)
	}
	return &floored{in, cal}, nil
}

// beyondDoubt reports whether a tells damage better than b whatever the luck of
// the sample: a can be enforced and b cannot, or the intervals of what they catch
// do not meet.
func beyondDoubt(a, b gate.Calibration) bool {
	if a.Mode != b.Mode {
		return a.Mode == assay.Enforced
	}
	x, y := a.Evidence.Floor.Detection, b.Evidence.Floor.Detection
	return x != nil && y != nil && x.Lo > y.Hi
}

// caught says how much of the damage a floor catches.
func caught(c gate.Calibration) string {
	d := c.Evidence.Floor.Detection
	if d == nil {
		return "was shown no damaged copies"
	}
	return fmt.Sprintf("catches %d of %d damaged copies", d.K, d.N)
}

// better prefers what can be enforced, then what detects more.
func better(a, b gate.Calibration) bool {
	if (a.Mode == assay.Enforced) != (b.Mode == assay.Enforced) {
		return a.Mode == assay.Enforced
	}
	return a.Evidence.Floor.Detection != nil && (b.Evidence.Floor.Detection == nil || a.Evidence.Floor.Detection.P > b.Evidence.Floor.Detection.P)
}

package series

import (
	"context"
	"errors"
	"fmt"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/pixel"
)

// A work is one input on its way through ingest: first bytes, then pixels, then
// numbers. It is filled by one worker and read by the committer.
type work struct {
	in    Input
	data  []byte
	image assay.Image
	meta  pixel.Meta
	pic   *metric.Picture // dropped once it is measured
	small *metric.Picture // what gallery distances compare; nil if the gate needs none
	known bool            // already an entry of the series with everything measured

	readings []assay.Reading
	sketch   []float32 // the layout embedding, for nearest neighbours
	doubts   []string  // instruments that could not read this image, and why
	err      error     // why this input ends here
	ready    chan struct{}
}

// examine takes w from bytes to numbers, unless it is known and measured. It
// writes nothing to the store.
func (s *Series) examine(ctx context.Context, w *work) error {
	if err := s.identify(w, s.opt.Limits); err != nil {
		return err
	}
	var err error
	if w.known, err = s.settled(ctx, w.image); err != nil || w.known {
		return err
	}
	return s.decode(ctx, w, s.opt.Limits)
}

// identify reads the header.
func (s *Series) identify(w *work, lim pixel.Limits) error {
	info, err := pixel.Sniff(w.data, lim)
	if err != nil {
		return err
	}
	w.image = assay.Image{
		ID: assay.DigestOf(w.data), Bytes: int64(len(w.data)), Format: info.Format,
		Width: info.Width, Height: info.Height, Mode: string(info.Mode),
	}
	return nil
}

// decode takes an identified w from pixels to numbers.
func (s *Series) decode(ctx context.Context, w *work, lim pixel.Limits) error {
	img, _, err := pixel.Decode(ctx, w.data, lim)
	if err != nil {
		return err
	}
	w.meta, _ = pixel.ReadMeta(w.data)
	w.pic = metric.NewPicture(img)
	return s.measure(ctx, w)
}

// measure reads every instrument that reads single images, and the sketch.
func (s *Series) measure(ctx context.Context, w *work) error {
	for _, in := range s.imageInstruments() {
		r, err := in.Measure(ctx, w.pic)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil { // this number does not exist for this image; the others do
			w.doubts = append(w.doubts, err.Error())
			continue
		}
		r.Image, r.Created = w.image.ID, s.opt.Now()
		w.readings = append(w.readings, r)
	}
	layout, err := s.tools.Find(sketchInstrument)
	if err != nil {
		return err
	}
	if w.sketch, err = layout.Embed(ctx, w.pic); err != nil {
		return err
	}
	return nil
}

// A factsError is a failure of the store: not the fault of an input, so it ends
// the run.
type factsError struct{ error }

func (e factsError) Unwrap() error { return e.error }

// settled reports whether the image is an entry of the series that every
// instrument at hand has read, or cannot read because it is too small.
func (s *Series) settled(ctx context.Context, img assay.Image) (bool, error) {
	if _, err := s.facts.Entry(ctx, s.name, img.ID); err != nil {
		if errors.Is(err, assay.ErrNotFound) {
			return false, nil
		}
		return false, factsError{err}
	}
	have, err := s.facts.Readings(ctx, img.ID)
	if err != nil {
		return false, factsError{err}
	}
	done := map[assay.Identity]bool{}
	for _, r := range have {
		if r.Ref.IsZero() {
			done[r.Identity] = true
		}
	}
	for _, in := range s.imageInstruments() {
		if !done[in.Identity()] && min(img.Width, img.Height) >= in.MinSide {
			return false, nil
		}
	}
	return true, nil
}

// picture decodes a stored image.
func (s *Series) picture(ctx context.Context, id assay.Digest) (*metric.Picture, error) {
	data, lim, err := s.stored(ctx, id)
	if err != nil {
		return nil, err
	}
	img, _, err := pixel.Decode(ctx, data, lim)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", id.Short(), err)
	}
	return metric.NewPicture(img), nil
}

// stored returns the bytes of an image of the series, and limits that let it
// through: what was accepted once is not measured by the limits of this run.
func (s *Series) stored(ctx context.Context, id assay.Digest) ([]byte, pixel.Limits, error) {
	img, err := s.facts.Image(ctx, id)
	if err != nil {
		return nil, pixel.Limits{}, err
	}
	data, err := s.facts.Blob(ctx, id)
	lim := pixel.Limits{Bytes: img.Bytes, Pixels: int64(img.Width) * int64(img.Height), Side: max(img.Width, img.Height)}
	return data, lim, err
}

// again measures a stored image with every instrument at hand, whatever was
// measured before.
func (s *Series) again(ctx context.Context, id assay.Digest) (*work, error) {
	data, lim, err := s.stored(ctx, id)
	if err != nil {
		return nil, err
	}
	w := &work{data: data}
	if err := s.identify(w, lim); err != nil {
		return nil, err
	}
	return w, s.decode(ctx, w, lim)
}

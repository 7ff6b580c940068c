package series

import (
	"cmp"
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
	in     Input
	data   []byte
	image  assay.Image
	meta   pixel.Meta
	prompt string          // what the readings with a prompt were made with
	pic    *metric.Picture // dropped once it is measured
	small  *metric.Picture // what gallery distances compare; nil if the gate needs none
	known  bool            // already an entry of the series with everything measured

	readings   []assay.Reading
	embeddings []assay.Embedding // of towers, the sketch and the neighbourhood's base
	vector     []float32         // the base's, for nearest neighbours
	doubts     []string          // instruments that could not read this image, and why
	err        error             // why this input ends here
	ready      chan struct{}
}

// examine takes w from bytes to numbers, unless it is known and measured. It
// writes nothing to the store.
func (s *Series) examine(ctx context.Context, w *work, h *neighbourhood) error {
	if err := s.identify(w, s.opt.Limits); err != nil {
		return err
	}
	e, err := s.facts.Entry(ctx, s.name, w.image.ID)
	switch {
	case errors.Is(err, assay.ErrNotFound):
		return s.decode(ctx, w, nil, s.opt.Limits, h)
	case err != nil:
		return factsError{err}
	}
	if w.known, err = s.settled(ctx, w.image, e.Prompt); err != nil || w.known {
		return err
	}
	return s.decode(ctx, w, &e, s.opt.Limits, h)
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

// decode takes an identified w from pixels to numbers. An image that is an entry
// is read with the entry's prompt, whatever the caller says of it today: entries
// do not change.
func (s *Series) decode(ctx context.Context, w *work, e *assay.Entry, lim pixel.Limits, h *neighbourhood) error {
	img, _, err := pixel.Decode(ctx, w.data, lim)
	if err != nil {
		return err
	}
	w.meta, _ = pixel.ReadMeta(w.data)
	w.prompt = cmp.Or(w.in.Prompt, w.meta.Prompt)
	if e != nil {
		w.prompt = e.Prompt
	}
	w.pic = metric.NewPicture(img)
	return s.measure(ctx, w, h)
}

// measure reads every instrument that reads images, with the prompt those that
// read prompts, and the vectors that neighbours are searched by. What towers
// saw of this image before, in whatever series, they are not asked again.
func (s *Series) measure(ctx context.Context, w *work, h *neighbourhood) error {
	stored, err := s.facts.ImageEmbeddings(ctx, w.image.ID)
	if err != nil {
		return factsError{err}
	}
	v := vectors{image: w.image.ID, pic: w.pic, have: map[assay.Identity][]float32{}}
	for _, e := range stored {
		v.have[e.Identity] = e.Vector
		w.pic.Recall(e)
	}
	for _, in := range s.readers(w.prompt) {
		r, err := measureWith(ctx, in, w.pic, w.prompt)
		if err == nil {
			err = v.addTowers(ctx, in)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil { // this number does not exist for this image; the others do
			w.doubts = append(w.doubts, told(err))
			continue
		}
		r.Image, r.Created = w.image.ID, s.opt.Now()
		w.readings = append(w.readings, r)
	}
	if _, err := v.vector(ctx, h.sketch); err != nil {
		return err
	}
	if w.vector, err = v.vector(ctx, h.base); err != nil {
		return err
	}
	w.embeddings = v.made
	return nil
}

// measureWith reads one picture, with the prompt if the instrument reads one.
func measureWith(ctx context.Context, in *metric.Instrument, p *metric.Picture, prompt string) (assay.Reading, error) {
	if in.Kind == metric.OfPrompt {
		return in.MeasurePrompt(ctx, p, prompt)
	}
	return in.Measure(ctx, p)
}

// vectors are the embeddings of one picture: those that were stored, and those
// that are made now.
type vectors struct {
	image assay.Digest
	pic   *metric.Picture
	have  map[assay.Identity][]float32
	made  []assay.Embedding
}

// put takes an embedding that was made now, unless it is there.
func (v *vectors) put(e assay.Embedding) {
	if v.have[e.Identity] != nil {
		return
	}
	e.Image = v.image
	v.have[e.Identity] = e.Vector
	v.made = append(v.made, e)
}

// addTowers takes what the towers of in saw of the picture.
func (v *vectors) addTowers(ctx context.Context, in *metric.Instrument) error {
	made, err := towersOf(ctx, in, v.pic)
	for _, e := range made {
		v.put(e)
	}
	return err
}

// towersOf returns what the instrument's towers see in p; nothing if it stands
// on none.
func towersOf(ctx context.Context, in *metric.Instrument, p *metric.Picture) ([]assay.Embedding, error) {
	if len(in.TowerIdentities()) == 0 {
		return nil, nil
	}
	return in.Embeddings(ctx, p)
}

// vector returns the instrument's own vector of the picture, as stored if it is.
func (v *vectors) vector(ctx context.Context, in *metric.Instrument) ([]float32, error) {
	if have := v.have[in.Identity()]; have != nil {
		return have, nil
	}
	made, err := in.Embed(ctx, v.pic)
	if err != nil {
		return nil, err
	}
	v.put(assay.Embedding{Identity: in.Identity(), Vector: made})
	return made, v.addTowers(ctx, in)
}

// A factsError is a failure of the store: not the fault of an input, so it ends
// the run.
type factsError struct{ error }

func (e factsError) Unwrap() error { return e.error }

// settled reports whether every instrument at hand has read the image, with the
// prompt those that read prompts, or cannot read it because it is too small.
// Readings count by identity: those of made-up weights, or of another
// arithmetic, do not stand for those of an instrument that came since.
func (s *Series) settled(ctx context.Context, img assay.Image, prompt string) (bool, error) {
	have, err := s.facts.Readings(ctx, img.ID)
	if err != nil {
		return false, factsError{err}
	}
	type read struct {
		id   assay.Identity
		text assay.Digest
	}
	done := map[read]bool{}
	for _, r := range have {
		if r.Ref.IsZero() {
			done[read{r.Identity, r.Text}] = true
		}
	}
	for _, in := range s.readers(prompt) {
		want := read{id: in.Identity()}
		if in.Kind == metric.OfPrompt {
			want.text = assay.DigestOfText(prompt)
		}
		if !done[want] && min(img.Width, img.Height) >= in.MinSide {
			return false, nil
		}
	}
	return true, nil
}

// picture decodes a stored image, which remembers what towers saw of it.
func (s *Series) picture(ctx context.Context, id assay.Digest) (*metric.Picture, error) {
	data, lim, err := s.stored(ctx, id)
	if err != nil {
		return nil, err
	}
	img, _, err := pixel.Decode(ctx, data, lim)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", id.Short(), err)
	}
	stored, err := s.facts.ImageEmbeddings(ctx, id)
	if err != nil {
		return nil, err
	}
	pic := metric.NewPicture(img)
	for _, e := range stored {
		pic.Recall(e)
	}
	return pic, nil
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

// again measures a stored entry with every instrument at hand, whatever was
// measured before.
func (s *Series) again(ctx context.Context, e assay.Entry, h *neighbourhood) (*work, error) {
	data, lim, err := s.stored(ctx, e.Image)
	if err != nil {
		return nil, err
	}
	w := &work{data: data}
	if err := s.identify(w, lim); err != nil {
		return nil, err
	}
	return w, s.decode(ctx, w, &e, lim, h)
}

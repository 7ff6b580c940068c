package metric

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gen-emerge/assay"
)

// goRuntime is the Runtime of every instrument that needs no graph.
const goRuntime = "go"

// Measure reads one picture. The Reading carries identity, value and warnings;
// the caller, who knows the image's name and the time, adds those.
//
// It fails, wrapping [assay.ErrInvalid], if in reads pairs, if the picture is
// smaller than in.MinSide, or if the number does not exist for this picture
// (statistics of a flat image, say). A value that is not finite or leaves the
// instrument's bounds is an error too, and never a Reading.
func (in *Instrument) Measure(ctx context.Context, p *Picture) (assay.Reading, error) {
	if in.measure == nil {
		return assay.Reading{}, in.wrongKind()
	}
	if err := in.ready(ctx, p); err != nil {
		return assay.Reading{}, err
	}
	value, warnings, err := in.measure(ctx, p)
	return in.reading(value, warnings, err)
}

// Distance reads a pair of pictures. Reading and errors are those of
// [Instrument.Measure]; it fails, wrapping [assay.ErrInvalid], if in reads
// single images.
func (in *Instrument) Distance(ctx context.Context, a, b *Picture) (assay.Reading, error) {
	if in.distance == nil {
		return assay.Reading{}, in.wrongKind()
	}
	for _, p := range []*Picture{a, b} {
		if err := in.ready(ctx, p); err != nil {
			return assay.Reading{}, err
		}
	}
	value, warnings, err := in.distance(ctx, a, b)
	return in.reading(value, warnings, err)
}

// MeasurePrompt reads one picture with the text that it should show. The
// Reading's Text is the digest of prompt. Otherwise Reading and errors are
// those of [Instrument.Measure]; it also fails, wrapping [assay.ErrInvalid], if
// in reads no text, or if prompt is empty or not UTF-8. A prompt that is longer
// than the network can read is cut, and the Reading carries a warning.
func (in *Instrument) MeasurePrompt(ctx context.Context, p *Picture, prompt string) (assay.Reading, error) {
	switch {
	case in.prompted == nil:
		return assay.Reading{}, in.wrongKind()
	case strings.TrimSpace(prompt) == "":
		return assay.Reading{}, fmt.Errorf("%s compares an image with its prompt, and there is none: %w", in.Name, assay.ErrInvalid)
	case !utf8.ValidString(prompt):
		return assay.Reading{}, fmt.Errorf("%s: the prompt %.80q is not UTF-8: %w", in.Name, prompt, assay.ErrInvalid)
	}
	if err := in.ready(ctx, p); err != nil {
		return assay.Reading{}, err
	}
	value, warnings, err := in.prompted(ctx, p, prompt)
	r, err := in.reading(value, warnings, err)
	if err == nil {
		r.Text = assay.DigestOfText(prompt)
	}
	return r, err
}

// wrongKind is the error for asking in what it cannot read.
func (in *Instrument) wrongKind() error {
	if in.Kind == OfFeatures {
		return fmt.Errorf("%s gives features and reads nothing: use Embed: %w", in.Name, assay.ErrInvalid)
	}
	use := map[Kind]string{OfImage: "Measure", OfPair: "Distance", OfPrompt: "MeasurePrompt"}[in.Kind]
	return fmt.Errorf("%s reads one %s: use %s: %w", in.Name, in.Kind, use, assay.ErrInvalid)
}

// Embed returns the vector from which, with another picture's,
// [Instrument.Distance] follows in the instrument's Space, so that neighbours
// can be searched without reading pictures again. The slice is the caller's.
//
// It fails, wrapping [assay.ErrInvalid], if in has no such vector
// ([Instrument.Embeds] tells) or the picture is smaller than in.MinSide.
func (in *Instrument) Embed(ctx context.Context, p *Picture) ([]float32, error) {
	if in.embed == nil {
		return nil, fmt.Errorf("%s has no embedding: %w", in.Name, assay.ErrInvalid)
	}
	if err := in.ready(ctx, p); err != nil {
		return nil, err
	}
	v, err := in.embed(ctx, p)
	if err != nil {
		return nil, err
	}
	for i, x := range v {
		if x-x != 0 {
			return nil, fmt.Errorf("%s: component %d of the embedding is %v", in.Name, i, x)
		}
	}
	return v, nil
}

// Embeds reports whether in has an embedding.
func (in *Instrument) Embeds() bool { return in.embed != nil }

// Apart returns the distance, in the instrument's Space, of two vectors that
// [Instrument.Embed] returned: what [Instrument.Distance] reads of the two
// pictures, but for rounding to float32. It fails, wrapping [assay.ErrInvalid],
// if in has no embedding or the vectors are not of one length.
func (in *Instrument) Apart(a, b []float32) (float64, error) {
	d, err := in.Space.Apart(a, b)
	if err != nil {
		err = fmt.Errorf("%s: %w", in.Name, err)
	}
	return d, err
}

// Apart returns the distance of two vectors in the space. It fails, wrapping
// [assay.ErrInvalid], if s is none, the vectors are not of one length, or one
// has no direction in the space of cosines.
func (s Space) Apart(a, b []float32) (float64, error) {
	switch {
	case len(a) != len(b) || len(a) == 0:
		return 0, fmt.Errorf("embeddings of %d and %d numbers: %w", len(a), len(b), assay.ErrInvalid)
	case s == Euclidean:
		return euclidean(a, b), nil
	case s == Cosine:
		cos, err := cosine(a, b)
		return 1 - cos, err
	}
	return 0, fmt.Errorf("no embedding: %w", assay.ErrInvalid)
}

// Embeddings returns what each tower that in stands on sees in p, as the
// network gives it (not normalised): one for most instruments, one a tower for
// an ensemble. The identities are the towers', so instruments that share a
// tower share its embedding. The caller, who knows the image's name, adds that;
// stored embeddings can be given back with [Picture.Recall]. The vectors are
// the caller's.
//
// It fails, wrapping [assay.ErrInvalid], if in stands on no tower that gives one
// ([Instrument.TowerIdentities] tells) or the picture is smaller than in.MinSide.
func (in *Instrument) Embeddings(ctx context.Context, p *Picture) ([]assay.Embedding, error) {
	if len(in.towers) == 0 {
		return nil, fmt.Errorf("%s stands on no tower whose output is an embedding: %w", in.Name, assay.ErrInvalid)
	}
	if err := in.ready(ctx, p); err != nil {
		return nil, err
	}
	var out []assay.Embedding
	for _, t := range in.towers {
		v, err := t.embed(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", in.Name, err)
		}
		out = append(out, assay.Embedding{Identity: t.id, Vector: slices.Clone(v)})
	}
	return out, nil
}

// TowerIdentities returns the identities under which [Instrument.Embeddings]
// files its vectors, in the same order: none for an instrument without towers.
func (in *Instrument) TowerIdentities() []assay.Identity {
	var out []assay.Identity
	for _, t := range in.towers {
		out = append(out, t.id)
	}
	return out
}

// Close releases what in holds. The instrument must not be used afterwards.
func (in *Instrument) Close() error {
	if in.close == nil {
		return nil
	}
	return in.close()
}

// ready reports whether in can read p now.
func (in *Instrument) ready(ctx context.Context, p *Picture) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if side := max(in.MinSide, 1); min(p.Width, p.Height) < side {
		return fmt.Errorf("%s: image is %d×%d pixels, needs at least %d on each side: %w",
			in.Name, p.Width, p.Height, side, assay.ErrInvalid)
	}
	if in.MaxPixels > 0 && p.Width > in.MaxPixels/p.Height {
		return fmt.Errorf("%s: image is %d×%d pixels, reads up to %d (%.3g megapixels) because of the memory that takes; make it smaller%s: %w",
			in.Name, p.Width, p.Height, in.MaxPixels, float64(in.MaxPixels)/1e6, in.smaller(), assay.ErrInvalid)
	}
	return nil
}

// smaller is the remedy for pictures that are too large.
func (in *Instrument) smaller() string {
	if in.SameSize {
		return fmt.Sprintf(", or compare under a rule (--resize %s)", ShortSide256)
	}
	return ""
}

// reading makes a Reading of what an instrument's function returned.
func (in *Instrument) reading(value float64, warnings []string, err error) (assay.Reading, error) {
	switch {
	case err != nil:
		return assay.Reading{}, err
	case math.IsNaN(value) || math.IsInf(value, 0):
		return assay.Reading{}, fmt.Errorf("%s: value is %v, which is no reading", in.Name, value)
	case value < in.Lo || value > in.Hi:
		return assay.Reading{}, fmt.Errorf("%s: value %v is outside [%v, %v]", in.Name, value, in.Lo, in.Hi)
	}
	return assay.Reading{Identity: in.Identity(), Value: value, Warnings: warnings}, nil
}

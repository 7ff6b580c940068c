package metric

import (
	"context"
	"fmt"
	"math"

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
		return assay.Reading{}, fmt.Errorf("%s reads a pair of images, not one: use Distance: %w", in.Name, assay.ErrInvalid)
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
		return assay.Reading{}, fmt.Errorf("%s reads one image, not a pair: use Measure: %w", in.Name, assay.ErrInvalid)
	}
	for _, p := range []*Picture{a, b} {
		if err := in.ready(ctx, p); err != nil {
			return assay.Reading{}, err
		}
	}
	value, warnings, err := in.distance(ctx, a, b)
	return in.reading(value, warnings, err)
}

// Embed returns the vector whose Euclidean distance from another picture's is
// what [Instrument.Distance] reads, so that neighbours can be searched without
// reading pictures again. The slice is the caller's.
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
	return nil
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

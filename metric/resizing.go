package metric

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/pixel"
)

// A ResizeRule says how two pictures of different sizes are brought to one size
// before an instrument compares them that wants one.
type ResizeRule string

// The rules. Pixels are 8-bit RGB, and resized as Pillow does.
const (
	// SecondToFirst resizes the second picture to the first's size, bicubic,
	// whatever its aspect ratio: the first is the original.
	SecondToFirst ResizeRule = "second-to-first"
	// ShortSide256 resizes each so that its short side has 256 pixels, bilinear, as
	// DISTS' helper does with larger ones. It cannot help where aspect ratios differ.
	ShortSide256 ResizeRule = "short-side-256"
	// Square256 resizes each to 256×256 pixels, bilinear, the aspect ratio not kept,
	// as measures of diversity by LPIPS do.
	Square256 ResizeRule = "square-256"
)

// ResizeRules lists the rules.
func ResizeRules() []ResizeRule { return []ResizeRule{SecondToFirst, ShortSide256, Square256} }

// text describes what the rule does, for Identity.Preparation.
func (r ResizeRule) text() string {
	switch r {
	case SecondToFirst:
		return "the second image to the first's size (RGB, Pillow bicubic, 8 bits, aspect ratio not kept)"
	case ShortSide256:
		return "each image's short side to 256 (RGB, Pillow bilinear, 8 bits)"
	case Square256:
		return "each image to 256×256 (RGB, Pillow bilinear, 8 bits, aspect ratio not kept)"
	}
	return ""
}

// apply brings two pictures to one size. Pictures that the rule leaves as they are
// are returned themselves.
func (r ResizeRule) apply(ctx context.Context, a, b *Picture) (x, y *Picture, err error) {
	resize := func(p *Picture, w, h int, f pixel.Filter) (*Picture, error) {
		if p.Width == w && p.Height == h {
			return p, nil
		}
		c, err := p.cuttings.get(ctx, fmt.Sprintf("resized %d %d %v", w, h, f), func(context.Context) (cutting, error) {
			img, err := p.Image.RGB().Resize(w, h, f)
			return cutting{image: img}, err
		})
		if err != nil {
			return nil, err
		}
		return NewPicture(c.image), nil
	}
	switch r {
	case SecondToFirst:
		y, err = resize(b, a.Width, a.Height, pixel.Bicubic)
		return a, y, err
	case Square256:
		if x, err = resize(a, 256, 256, pixel.Bilinear); err == nil {
			y, err = resize(b, 256, 256, pixel.Bilinear)
		}
		return x, y, err
	case ShortSide256:
		if x, err = shortSide(ctx, a, 256); err == nil {
			y, err = shortSide(ctx, b, 256)
		}
		if err == nil && (x.Width != y.Width || x.Height != y.Height) {
			err = fmt.Errorf("images of %d×%d and %d×%d pixels become %d×%d and %d×%d under the rule %s; %s or %s would make them alike: %w",
				a.Width, a.Height, b.Width, b.Height, x.Width, x.Height, y.Width, y.Height, r, SecondToFirst, Square256, assay.ErrInvalid)
		}
		return x, y, err
	}
	return nil, nil, r.unknown()
}

// shortSide returns the picture with its short side of n pixels, Pillow's bilinear.
func shortSide(ctx context.Context, p *Picture, n int) (*Picture, error) {
	if min(p.Width, p.Height) == n {
		return p, nil
	}
	c, err := p.cuttings.get(ctx, fmt.Sprintf("short side %d bilinear", n), func(context.Context) (cutting, error) {
		img, err := p.Image.RGB().ShortSide(n, pixel.Bilinear)
		return cutting{image: img}, err
	})
	if err != nil {
		return nil, err
	}
	return NewPicture(c.image), nil
}

func (r ResizeRule) unknown() error {
	var names []string
	for _, k := range ResizeRules() {
		names = append(names, string(k))
	}
	return fmt.Errorf("no resize rule %q: there are %s: %w", r, strings.Join(names, ", "), assay.ErrInvalid)
}

// Resizing returns in as an instrument that first brings two pictures of different
// sizes to one by the rule, which is then part of its Preparation: readings under
// different rules are not comparable. It shares what in holds, and must not be used
// once in is closed.
//
// The error wraps [assay.ErrInvalid] if there is no such rule, or if in compares
// pictures of any sizes as it is ([Spec].SameSize tells).
func (in *Instrument) Resizing(r ResizeRule) (*Instrument, error) {
	if !slices.Contains(ResizeRules(), r) {
		return nil, r.unknown()
	}
	if !in.SameSize {
		return nil, fmt.Errorf("%s does not want two images of one size, so the rule %s has no use: %w", in.Name, r, assay.ErrInvalid)
	}
	out := *in
	out.close = nil
	out.SameSize, out.MinSide, out.MaxPixels = false, 0, 0 // in's own are asked after the resize
	out.Preparation = r.text() + ", then: " + in.Preparation
	out.distance = func(ctx context.Context, a, b *Picture) (float64, []string, error) {
		a, b, err := in.resized(ctx, r, a, b)
		if err != nil {
			return 0, nil, err
		}
		return in.distance(ctx, a, b)
	}
	if in.chart != nil {
		out.chart = func(ctx context.Context, a, b *Picture) (float64, PairMap, error) {
			a, b, err := in.resized(ctx, r, a, b)
			if err != nil {
				return 0, PairMap{}, err
			}
			return in.chart(ctx, a, b)
		}
	}
	return &out, nil
}

// resized applies the rule and checks that in can read what comes of it.
func (in *Instrument) resized(ctx context.Context, r ResizeRule, a, b *Picture) (x, y *Picture, err error) {
	if x, y, err = r.apply(ctx, a, b); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", in.Name, err)
	}
	for _, p := range []*Picture{x, y} {
		if err := in.ready(ctx, p); err != nil {
			return nil, nil, err
		}
	}
	return x, y, nil
}

package series

import (
	"context"

	"github.com/gen-emerge/assay/pixel"
)

// galleryFilter shrinks pictures for gallery distances, as the authors of
// LPIPS do for theirs.
const galleryFilter = pixel.Bilinear

// VariantsPerImage is how many distances of trivial variants controls measure on
// one image.
const VariantsPerImage = 6

// An edit is a change made on purpose, for controls.
type edit struct {
	kind  string // what a technical gate is named after; empty for trivial variants
	name  string // the control's transform, with its amount
	apply func(context.Context, *pixel.Image) (*pixel.Image, error)
}

// variants are changes after which anybody would still say "the same picture".
func variants() []edit {
	return []edit{
		{name: "jpeg q=80", apply: func(ctx context.Context, im *pixel.Image) (*pixel.Image, error) { return im.JPEG(ctx, 80) }},
		{name: "jpeg q=50", apply: func(ctx context.Context, im *pixel.Image) (*pixel.Image, error) { return im.JPEG(ctx, 50) }},
		{name: "crop 1%", apply: func(_ context.Context, im *pixel.Image) (*pixel.Image, error) { return im.CropSides(0.01) }},
		{name: "crop 2%", apply: func(_ context.Context, im *pixel.Image) (*pixel.Image, error) { return im.CropSides(0.02) }},
		{name: "brightness +4%", apply: func(_ context.Context, im *pixel.Image) (*pixel.Image, error) { return im.Brightness(1.04) }},
		{name: "brightness -4%", apply: func(_ context.Context, im *pixel.Image) (*pixel.Image, error) { return im.Brightness(0.96) }},
	}
}

// damages are changes after which anybody would say "broken". The amounts are
// gross on purpose: a gate must catch what nobody wants, not judge taste.
func damages() []edit {
	return []edit{
		{kind: "blur", name: "blur 1.2%", apply: func(_ context.Context, im *pixel.Image) (*pixel.Image, error) {
			return im.Blur(0.012 * float64(min(im.Width, im.Height)))
		}},
		{kind: "noise", name: "noise 40", apply: func(_ context.Context, im *pixel.Image) (*pixel.Image, error) { return im.Noise(40, 1) }},
		{kind: "compression", name: "jpeg q=5", apply: func(ctx context.Context, im *pixel.Image) (*pixel.Image, error) { return im.JPEG(ctx, 5) }},
		{kind: "clipping", name: "clipping 40%", apply: func(_ context.Context, im *pixel.Image) (*pixel.Image, error) {
			out, _, err := im.Overexpose(0.4)
			return out, err
		}},
	}
}

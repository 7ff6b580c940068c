package pixel

import (
	"fmt"

	"github.com/gen-emerge/assay"
)

// A Rounding says which pixel a centred crop starts at when it cannot be
// centred exactly. The two differ by one pixel when the margin is 3 more than a
// multiple of 4.
type Rounding string

// The roundings of the reference pipelines.
const (
	HalfEven  Rounding = "half-even" // torchvision: openai/CLIP, open_clip, clip-score
	HalfFloor Rounding = "floor"     // Hugging Face's CLIPImageProcessor: torchmetrics
)

// ShortSide returns img resized so that its shorter side is n pixels and the
// longer one trunc(n·long/short), as torchvision's Resize(n) and Hugging Face's
// shortest_edge do. An image whose shorter side is n already is returned as it
// is, whatever its longer side. Its errors are those of [Image.Resize].
func (img *Image) ShortSide(n int, f Filter) (*Image, error) {
	if err := img.consistent(); err != nil {
		return nil, err
	}
	if n <= 0 || n > maxResizedSide {
		return nil, fmt.Errorf("resize the short side to %d pixels: want 1 to %d: %w", n, maxResizedSide, assay.ErrInvalid)
	}
	short, long := min(img.Width, img.Height), max(img.Width, img.Height)
	if short == n {
		return img, nil
	}
	scaled := int(float64(n) * float64(long) / float64(short))
	if img.Width <= img.Height {
		return img.Resize(n, scaled, f)
	}
	return img.Resize(scaled, n, f)
}

// CenterCrop returns the w by h pixels in the middle of img; r says where the
// middle is. The references pad an image that is too small with black; here
// that is an error that wraps [assay.ErrInvalid], as padding is never wanted
// after [Image.ShortSide].
func (img *Image) CenterCrop(w, h int, r Rounding) (*Image, error) {
	left, err := r.margin(img.Width - w)
	if err != nil {
		return nil, err
	}
	top, err := r.margin(img.Height - h)
	if err != nil {
		return nil, err
	}
	return img.Crop(left, top, w, h)
}

// margin returns half of d, rounded to an integer.
func (r Rounding) margin(d int) (int, error) {
	switch r {
	case HalfFloor:
		return d >> 1, nil
	case HalfEven:
		half := d >> 1
		return half + d&1&half, nil // a half goes up only from an odd number
	}
	return 0, fmt.Errorf("rounding %q: want half-even or floor: %w", string(r), assay.ErrInvalid)
}

// Crop returns the w by h pixels of img from (left, top). The error wraps
// [assay.ErrInvalid] if they do not lie within img.
func (img *Image) Crop(left, top, w, h int) (*Image, error) {
	if err := img.consistent(); err != nil {
		return nil, err
	}
	if left < 0 || top < 0 || w <= 0 || h <= 0 || w > img.Width-left || h > img.Height-top {
		return nil, fmt.Errorf("crop %d×%d pixels at (%d, %d) from an image of %d×%d: out of bounds: %w",
			w, h, left, top, img.Width, img.Height, assay.ErrInvalid)
	}
	if w == img.Width && h == img.Height {
		return img, nil
	}
	out := &Image{Mode: img.Mode, Width: w, Height: h, Palette: img.Palette}
	if img.Mode == I16 {
		out.Pix16 = cut(img.Pix16, img.Width, left, top, w, h)
	} else {
		ch := img.Mode.Channels()
		out.Pix = cut(img.Pix, img.Width*ch, left*ch, top, w*ch, h)
	}
	return out, nil
}

func cut[T uint8 | uint16](src []T, line, left, top, w, h int) []T {
	out := make([]T, 0, w*h)
	for y := top; y < top+h; y++ {
		out = append(out, src[y*line+left:y*line+left+w]...)
	}
	return out
}

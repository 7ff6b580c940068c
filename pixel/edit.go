package pixel

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"math"

	"github.com/gen-emerge/assay"
)

// The edits below make controls: copies of an image that were changed by a
// known amount, to learn what "the same picture" and "a damaged picture" read
// like. Each is a pure function of its arguments, takes RGB only, and gives the
// same bytes on every machine.

// editable returns an error that wraps [assay.ErrInvalid] unless img is RGB.
func (img *Image) editable(edit string) error {
	if err := img.consistent(); err != nil {
		return err
	}
	if img.Mode != RGB {
		return fmt.Errorf("%s: image is %s: convert it with RGB first: %w", edit, img.Mode, assay.ErrInvalid)
	}
	return nil
}

// JPEG returns img after one round through a baseline 4:2:0 JPEG of the given
// quality, 1 (worst) to 100, written by Go's encoder and read by this package's
// decoder. The error wraps [assay.ErrInvalid] if img is not RGB, is longer than
// the 65535 pixels a JPEG can hold, or quality is out of range.
func (img *Image) JPEG(ctx context.Context, quality int) (*Image, error) {
	if err := img.editable("jpeg"); err != nil {
		return nil, err
	}
	if quality < 1 || quality > 100 {
		return nil, fmt.Errorf("jpeg: quality %d: want 1 to 100: %w", quality, assay.ErrInvalid)
	}
	if img.Width > 65535 || img.Height > 65535 {
		return nil, fmt.Errorf("jpeg: image of %d×%d pixels: a side may have 65535: %w", img.Width, img.Height, assay.ErrInvalid)
	}
	canvas := image.NewRGBA(image.Rect(0, 0, img.Width, img.Height))
	for i, o := 0, 0; i < len(img.Pix); i, o = i+3, o+4 {
		copy(canvas.Pix[o:o+3], img.Pix[i:i+3])
		canvas.Pix[o+3] = 255
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, canvas, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("jpeg: %w", err)
	}
	// The limits of the decoder are for files of unknown origin; img got past them.
	own := Limits{Bytes: int64(file.Len()), Pixels: int64(img.Width) * int64(img.Height), Side: max(img.Width, img.Height)}
	out, _, err := Decode(ctx, file.Bytes(), own)
	return out, err
}

// CropSides returns img without a margin of the given fraction of its width on
// the left and right and of its height at the top and bottom, rounded to whole
// pixels. fraction is in [0, 0.5) and must leave something; else the error
// wraps [assay.ErrInvalid].
func (img *Image) CropSides(fraction float64) (*Image, error) {
	if err := img.editable("crop sides"); err != nil {
		return nil, err
	}
	if !(fraction >= 0 && fraction < 0.5) {
		return nil, fmt.Errorf("crop sides: fraction %g: want 0 to below 0.5: %w", fraction, assay.ErrInvalid)
	}
	dx := int(math.Round(fraction * float64(img.Width)))
	dy := int(math.Round(fraction * float64(img.Height)))
	return img.Crop(dx, dy, img.Width-2*dx, img.Height-2*dy)
}

// Brightness returns img with every sample multiplied by gain, rounded and
// clipped. gain is finite and not negative, else the error wraps
// [assay.ErrInvalid]; 1 changes nothing.
func (img *Image) Brightness(gain float64) (*Image, error) {
	if err := img.editable("brightness"); err != nil {
		return nil, err
	}
	if !(gain >= 0) || math.IsInf(gain, 1) {
		return nil, fmt.Errorf("brightness: gain %g: want a finite number from 0: %w", gain, assay.ErrInvalid)
	}
	return img.scaled(gain), nil
}

// scaled multiplies every sample by gain, rounds half up and clips.
func (img *Image) scaled(gain float64) *Image {
	var table [256]uint8
	for v := range table {
		table[v] = level(float64(v) * gain)
	}
	out := &Image{Mode: RGB, Width: img.Width, Height: img.Height, Pix: make([]uint8, len(img.Pix))}
	for i, v := range img.Pix {
		out.Pix[i] = table[v]
	}
	return out
}

// level rounds x, which is not NaN, half up to a sample. The conversion keeps a
// product from being fused with the sum, which would depend on the machine.
func level(x float64) uint8 {
	return uint8(min(max(float64(x)+0.5, 0), 255))
}

// Overexpose returns img multiplied by the smallest gain that saturates (brings
// to 255) the brightest channel of at least the given share of its pixels, and
// that gain. share is in (0, 1]. If that share is saturated already the gain is
// 1. The error wraps [assay.ErrInvalid] if share is out of range or so many
// pixels are black that no gain will do.
func (img *Image) Overexpose(share float64) (*Image, float64, error) {
	if err := img.editable("overexpose"); err != nil {
		return nil, 0, err
	}
	if !(share > 0 && share <= 1) {
		return nil, 0, fmt.Errorf("overexpose: share %g: want above 0, to 1: %w", share, assay.ErrInvalid)
	}
	var brightest [256]int // pixels by their brightest channel
	for i := 0; i < len(img.Pix); i += 3 {
		brightest[max(img.Pix[i], img.Pix[i+1], img.Pix[i+2])]++
	}
	want := int(math.Ceil(share * float64(img.Width*img.Height)))
	v, have := 255, brightest[255]
	for have < want && v > 0 {
		v--
		have += brightest[v]
	}
	if v == 0 {
		return nil, 0, fmt.Errorf("overexpose: %d of %d pixels are black: cannot saturate a share of %g: %w",
			brightest[0], img.Width*img.Height, share, assay.ErrInvalid)
	}
	if v == 255 {
		return img, 1, nil
	}
	// 254.5 is the least that rounds to 255.
	gain := 254.5 / float64(v)
	for level(float64(v)*gain) < 255 {
		gain = math.Nextafter(gain, math.Inf(1))
	}
	return img.scaled(gain), gain, nil
}

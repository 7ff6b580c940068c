package pixel

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// LetterboxUnit returns the tensor that HPS v2 reads, before it is normalised:
// planar float32 [3, side, side], the whole picture scaled by side / max(width,
// height) with [TorchBicubic], in the middle of zeros. Each side becomes
// round(length·scale), halves to even; where the margin is odd, the left and
// the top get the smaller half. Samples are v/255 before the resize, so the
// filter's overshoot below 0 and above 1 is kept. An image of another mode is
// first converted as [Image.RGB] does.
//
// The reference fails on an image whose longer side is side already and whose
// shorter is not; here it is padded like any other. The error wraps
// [assay.ErrInvalid] if the shorter side would be rounded to nothing, as it is
// in the reference, or if side is not positive or more than 2^20.
func (img *Image) LetterboxUnit(side int, antialias bool) ([]float32, error) {
	if err := img.consistent(); err != nil {
		return nil, err
	}
	if err := resizable(side, side, 3); err != nil {
		return nil, err
	}
	scale := float64(side) / float64(max(img.Width, img.Height))
	w := int(math.RoundToEven(float64(img.Width) * scale))
	h := int(math.RoundToEven(float64(img.Height) * scale))
	if w == 0 || h == 0 {
		return nil, fmt.Errorf("image of %d×%d pixels: nothing is left of its shorter side at %d pixels; crop it first: %w",
			img.Width, img.Height, side, assay.ErrInvalid)
	}
	small, err := TorchBicubic(img.CHWUnit(), img.Width, img.Height, 3, w, h, antialias)
	if err != nil {
		return nil, err
	}
	out := make([]float32, 3*side*side)
	left, top := (side-w)/2, (side-h)/2
	for c := range 3 {
		for y := range h {
			copy(out[(c*side+top+y)*side+left:], small[(c*h+y)*w:(c*h+y+1)*w])
		}
	}
	return out, nil
}

// Normalize returns (v − mean) / std of planar float32 samples [3, h, w], each
// operation rounded to float32, as torchvision's Normalize and [Image.CHW] do.
// len(planes) must be a multiple of 3, and no entry of std may be 0.
func Normalize(planes []float32, mean, std [3]float32) []float32 {
	out := make([]float32, len(planes))
	n := len(planes) / 3
	for c := range 3 {
		for i := c * n; i < (c+1)*n; i++ {
			out[i] = (planes[i] - mean[c]) / std[c]
		}
	}
	return out
}

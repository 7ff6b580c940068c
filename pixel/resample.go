package pixel

import (
	"fmt"

	"github.com/gen-emerge/assay"
)

// A Filter names a resampling kernel as Pillow does. The zero Filter is not
// valid: the reference pipelines differ in nothing so much as in their filter,
// so none is assumed.
type Filter string

// The filters of Pillow's Image.resize. All but Nearest are widened when they
// shrink an image, so that every source pixel counts.
const (
	Nearest  Filter = "nearest"  // the source pixel under the centre
	Box      Filter = "box"      // mean over the pixels covered; support 0.5
	Bilinear Filter = "bilinear" // triangle; support 1
	Hamming  Filter = "hamming"  // windowed sinc; support 1
	Bicubic  Filter = "bicubic"  // Keys with a = −0.5 (PyTorch's tensors use −0.75); support 2
	Lanczos  Filter = "lanczos"  // sinc windowed by sinc; support 3
)

// maxResized bounds the samples Resize makes for one image. A strip of one by
// many thousand pixels, scaled by its short side, would otherwise ask for
// gigabytes. maxResizedSide bounds the tables of weights likewise.
const (
	maxResized     = 1 << 28
	maxResizedSide = 1 << 20
)

// Resize returns img at w by h pixels, equal byte for byte to what Pillow 2.7 to
// 12 give for Image.resize((w, h), f) without a reducing gap (I;16: from 12.3).
// Pillow 13 filters along y first where the height shrinks by more than twice as
// many pixels as the width, as it does when a portrait is squashed to a square,
// and then differs; the published numbers of the models were made with the
// order before. Pillow-SIMD is a different program and may differ by one level.
//
// The horizontal pass comes first and is stored in 8 bits, an axis that keeps
// its length is not touched, and the mode decides the rest: RGBA and LA are
// premultiplied, filtered and divided again; P and 1 are resized with Nearest
// whatever f says; I;16 is filtered in double precision and rounded to 16 bits
// after each pass (older Pillows refuse, or let sums that leave the range wrap
// around). The mode and the palette are kept. If neither side changes, img
// itself is returned.
//
// The error wraps [assay.ErrInvalid] if a side is not positive, f is not a
// filter, img does not hold the samples its size calls for, or the result would
// hold more than 2^20 pixels a side or 2^28 samples.
func (img *Image) Resize(w, h int, f Filter) (*Image, error) {
	if err := img.consistent(); err != nil {
		return nil, err
	}
	kern, err := f.kernel()
	if err != nil {
		return nil, err
	}
	if err := resizable(w, h, img.Mode.Channels()); err != nil {
		return nil, err
	}
	if w == img.Width && h == img.Height {
		return img, nil
	}
	out := &Image{Mode: img.Mode, Width: w, Height: h, Palette: img.Palette}
	near := f == Nearest || img.Mode == Indexed || img.Mode == Bilevel
	switch {
	case near && img.Mode == I16:
		cols, rows := nearestAffine(img.Width, w), nearestAffine(img.Height, h)
		out.Pix16 = gather(img.Pix16, img.Width, 1, cols, rows)
	case near:
		cols, rows := nearestScaled(img.Width, w), nearestScaled(img.Height, h)
		out.Pix = gather(img.Pix, img.Width, img.Mode.Channels(), cols, rows)
	case img.Mode == I16:
		out.Pix16 = resize16(img.Pix16, img.Width, img.Height, w, h, kern)
	case img.Mode == RGBA || img.Mode == GrayA:
		ch := img.Mode.Channels()
		out.Pix = resize8(premultiply(img.Pix, ch), img.Width, img.Height, ch, w, h, kern)
		unpremultiply(out.Pix, ch)
	default:
		out.Pix = resize8(img.Pix, img.Width, img.Height, img.Mode.Channels(), w, h, kern)
	}
	return out, nil
}

// consistent reports whether img holds as many samples as its mode and size
// call for. Decoded images do; hand-made ones may not.
func (img *Image) consistent() error {
	if img.Width <= 0 || img.Height <= 0 {
		return fmt.Errorf("image of %d×%d pixels: both sides must be positive: %w",
			img.Width, img.Height, assay.ErrInvalid)
	}
	have, per := len(img.Pix), img.Mode.Channels()
	if img.Mode == I16 {
		have = len(img.Pix16)
	}
	// Divided, not multiplied, so that no size can overflow.
	if have/per/img.Width != img.Height || have != img.Width*img.Height*per {
		return fmt.Errorf("%s image of %d×%d pixels holds %d samples, want %d a pixel: %w",
			img.Mode, img.Width, img.Height, have, per, assay.ErrInvalid)
	}
	return nil
}

func resizable(w, h, channels int) error {
	if w <= 0 || h <= 0 {
		return fmt.Errorf("resize to %d×%d pixels: both sides must be positive: %w", w, h, assay.ErrInvalid)
	}
	if w > maxResizedSide || h > maxResizedSide || h > maxResized/w/channels {
		return fmt.Errorf("resize to %d×%d pixels: more than %d a side or %d samples; crop the image first: %w",
			w, h, maxResizedSide, maxResized, assay.ErrInvalid)
	}
	return nil
}

// nearestScaled returns the source index of each of out pixels on an axis of
// in. Pillow adds the step up instead of multiplying, and the rounding of that
// sum decides ties: 512 to 224 is one of the sizes where the two differ.
func nearestScaled(in, out int) []int {
	step := float64(in) / float64(out)
	index := make([]int, out)
	at := step * 0.5
	for i := range index {
		index[i] = min(int(at), in-1)
		at += step
	}
	return index
}

// nearestAffine is nearestScaled for I;16, which Pillow sends through its
// general affine transform: there the step is multiplied.
func nearestAffine(in, out int) []int {
	step := float64(in) / float64(out)
	index := make([]int, out)
	for i := range index {
		index[i] = min(int(step*(float64(i)+0.5)), in-1)
	}
	return index
}

// gather collects the pixels at cols by rows of src, which is srcW pixels wide
// and has ch samples a pixel.
func gather[T uint8 | uint16 | float32](src []T, srcW, ch int, cols, rows []int) []T {
	out := make([]T, len(cols)*len(rows)*ch)
	o := 0
	for _, y := range rows {
		line := src[y*srcW*ch : (y+1)*srcW*ch]
		for _, x := range cols {
			for c := range ch {
				out[o] = line[x*ch+c]
				o++
			}
		}
	}
	return out
}

// premultiply returns pix with every sample but the last of each pixel
// multiplied by that last one, rounded as Pillow's MULDIV255 does.
func premultiply(pix []uint8, ch int) []uint8 {
	out := make([]uint8, len(pix))
	for i := 0; i+ch <= len(pix); i += ch {
		alpha := uint32(pix[i+ch-1])
		for c := range ch - 1 {
			t := uint32(pix[i+c])*alpha + 128
			out[i+c] = uint8((t>>8 + t) >> 8)
		}
		out[i+ch-1] = uint8(alpha)
	}
	return out
}

// unpremultiply undoes premultiply in place as Pillow does: by a truncating
// division, and not at all where alpha is 0.
func unpremultiply(pix []uint8, ch int) {
	for i := 0; i+ch <= len(pix); i += ch {
		alpha := uint32(pix[i+ch-1])
		if alpha == 255 || alpha == 0 {
			continue
		}
		for c := range ch - 1 {
			pix[i+c] = uint8(min(255*uint32(pix[i+c])/alpha, 255))
		}
	}
}

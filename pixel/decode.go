package pixel

import (
	"context"
	"fmt"

	"github.com/gen-emerge/assay"
)

// A decodeContext is what a format's decoder works on. The header has passed
// the limits.
type decodeContext struct {
	ctx  context.Context
	data []byte
	info Info
}

// Decode reads the image file data: the first frame, in the mode and with the
// bytes that Pillow gives it (see the package comment for how close), and what
// [Sniff] says of it, whose errors it also returns. EXIF orientation is not
// applied.
//
// Errors wrap [assay.ErrInvalid] if the file is damaged, ends early or does not
// hold what its header announces. If ctx ends, the error is its cause; decoding
// in progress is interrupted for JPEG, AVIF, HEIC and JPEG XL, and finished first
// for the others.
func Decode(ctx context.Context, data []byte, lim Limits) (*Image, Info, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, Info{}, err
	}
	h, err := sniff(data, lim)
	if err != nil {
		return nil, Info{}, err
	}
	img, err := guard(h.Format, func() (*Image, error) {
		return h.decode(decodeContext{ctx, data, h.Info})
	})
	if cause := context.Cause(ctx); cause != nil {
		return nil, Info{}, cause
	}
	if err != nil {
		return nil, Info{}, err
	}
	if err := h.announced(img); err != nil {
		return nil, Info{}, err
	}
	return img, h.Info, nil
}

// guard turns a panic of a decoder into an error: the decoders of other
// packages have been driven into index errors by damaged files before, and one
// bad file must not end a batch.
func guard(format string, decode func() (*Image, error)) (img *Image, err error) {
	defer func() {
		if r := recover(); r != nil {
			img, err = nil, invalidf("%s: the file makes its decoder fail: %v", format, r)
		}
	}()
	return decode()
}

// announced reports whether img is what the header said, and is consistent.
func (h header) announced(img *Image) error {
	if img.Width != h.Width || img.Height != h.Height || img.Mode != h.Mode {
		return invalidf("%s: the header announces %d×%d %s, the file holds %d×%d %s", h.Format,
			h.Width, h.Height, h.Mode, img.Width, img.Height, img.Mode)
	}
	if err := img.consistent(); err != nil {
		return fmt.Errorf("%s: %w", h.Format, err)
	}
	return nil
}

// newImage returns an Image of the given mode with all samples 0.
func newImage(m Mode, w, h int) *Image {
	img := &Image{Mode: m, Width: w, Height: h}
	if m == I16 {
		img.Pix16 = make([]uint16, w*h)
	} else {
		img.Pix = make([]uint8, w*h*m.Channels())
	}
	return img
}

// damaged wraps the error of another package's decoder.
func damaged(format string, err error) error {
	return fmt.Errorf("%s: cannot be decoded: %w: %w", format, err, assay.ErrInvalid)
}

package pixel

import (
	"fmt"

	"github.com/gen-emerge/assay"
)

// The limits that the zero [Limits] stands for. 100 megapixels is past the
// largest single-shot cameras and every generator; 32768 keeps any row within
// what all formats here can say; 256 MiB holds such a picture uncompressed in 8-bit RGB.
const (
	DefaultBytes  int64 = 256 << 20
	DefaultPixels int64 = 100_000_000
	DefaultSide   int   = 32768
)

// Limits bound what [Sniff] and [Decode] accept, so that a hostile file cannot
// take memory. A field of 0 (or less) means its default.
type Limits struct {
	Bytes  int64 // length of the encoded file; 0 means [DefaultBytes], 256 MiB
	Pixels int64 // width times height; 0 means [DefaultPixels], 100 megapixels
	Side   int   // width, and height, in pixels; 0 means [DefaultSide], 32768
}

// orDefault returns l with every unset field replaced by its default.
func (l Limits) orDefault() Limits {
	if l.Bytes <= 0 {
		l.Bytes = DefaultBytes
	}
	if l.Pixels <= 0 {
		l.Pixels = DefaultPixels
	}
	if l.Side <= 0 {
		l.Side = DefaultSide
	}
	return l
}

// checkBytes holds the length of a file against l, whose fields are all set.
func (l Limits) checkBytes(n int) error {
	if int64(n) > l.Bytes {
		return fmt.Errorf("file of %d bytes is over the limit of %d; raise it (Limits.Bytes, --max-bytes) or make the file smaller: %w",
			n, l.Bytes, assay.ErrInvalid)
	}
	return nil
}

// checkSize holds an announced size against l, whose fields are all set.
func (l Limits) checkSize(format string, w, h int) error {
	switch {
	case w <= 0 || h <= 0:
		return fmt.Errorf("%s: image of %d×%d pixels holds nothing: %w", format, w, h, assay.ErrInvalid)
	case w > l.Side || h > l.Side:
		return fmt.Errorf("%s: image of %d×%d pixels is over the limit of %d pixels a side; raise it (Limits.Side, --max-side) or scale the image down: %w",
			format, w, h, l.Side, assay.ErrInvalid)
	case int64(w)*int64(h) > l.Pixels:
		return fmt.Errorf("%s: image of %d×%d = %d pixels is over the limit of %d; raise it (Limits.Pixels, --max-pixels) or scale the image down: %w",
			format, w, h, int64(w)*int64(h), l.Pixels, assay.ErrInvalid)
	}
	return nil
}

// invalidf is fmt.Errorf for input that can never be accepted as it stands.
func invalidf(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, assay.ErrInvalid)...)
}

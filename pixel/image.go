package pixel

// A Mode names a pixel layout as Pillow does.
type Mode string

// The modes an Image can have. Pix holds one byte a sample, rows top to bottom,
// samples interleaved, no padding; I16 holds its samples in Pix16 instead.
const (
	Bilevel Mode = "1"    // one byte a pixel, 0 or 255
	Gray    Mode = "L"    // 8-bit grey
	GrayA   Mode = "LA"   // 8-bit grey and alpha, straight
	Indexed Mode = "P"    // index into Palette
	RGB     Mode = "RGB"  // 8-bit
	RGBA    Mode = "RGBA" // 8-bit, straight alpha
	CMYK    Mode = "CMYK" // 8-bit, as Pillow holds it (0 is no ink)
	I16     Mode = "I;16" // 16-bit grey, in Pix16
)

// An Image is a decoded picture. It is never changed after it is made, so it
// may be shared by goroutines.
type Image struct {
	Mode          Mode
	Width, Height int      // pixels
	Pix           []uint8  // Width·Height·Channels samples; nil for I16
	Pix16         []uint16 // Width·Height samples; nil unless I16
	Palette       []uint8  // RGBA quadruples, at most 256; nil unless Indexed
}

// Channels returns the number of samples a pixel of mode m has.
func (m Mode) Channels() int {
	switch m {
	case GrayA:
		return 2
	case RGB:
		return 3
	case RGBA, CMYK:
		return 4
	}
	return 1
}

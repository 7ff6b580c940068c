package pixel

import (
	"bytes"
	"encoding/binary"
	"image"
	"slices"

	"golang.org/x/image/tiff"
)

// TIFF 6.0 tags and values that the mode depends on.
const (
	tagImageWidth      = 256
	tagImageLength     = 257
	tagBitsPerSample   = 258
	tagCompression     = 259
	tagPhotometric     = 262
	tagFillOrder       = 266
	tagSamplesPerPixel = 277
	tagPlanarConfig    = 284
	tagExtraSamples    = 338

	tiffWhiteIsZero = 0
	tiffBlackIsZero = 1
	tiffRGB         = 2
	tiffPalette     = 3

	tiffAlphaPremultiplied = 1
	tiffAlphaStraight      = 2
)

func isTIFF(data []byte) bool {
	return prefixed("II*\x00")(data) || prefixed("MM\x00*")(data) || prefixed("II+\x00")(data) || prefixed("MM\x00+")(data)
}

// A tiffHead is what the first directory of a TIFF file says.
type tiffHead struct {
	little      bool
	orientation int
	inverted16  bool // 16-bit grey with white as 0, which Pillow leaves as stored
	associated  bool // colour premultiplied by alpha
	flipped     bool // fax-coded with black as 0: see decode
}

func parseTIFF(data []byte) (header, error) {
	if data[2] == '+' || data[3] == '+' {
		return header{}, invalidf("tiff: BigTIFF is not supported; save it as TIFF or PNG")
	}
	f, ok := openIFD(data)
	if !ok {
		return header{}, invalidf("tiff: ends within its header, after %d bytes", len(data))
	}
	first := func(tag uint16, def uint32) uint32 {
		if v := f.uints(tag); len(v) > 0 {
			return v[0]
		}
		return def
	}
	t := &tiffHead{little: f.order == binary.LittleEndian, orientation: exifOrientation(data)}
	w, h := first(tagImageWidth, 0), first(tagImageLength, 0)
	if w > 1<<31-1 || h > 1<<31-1 {
		return header{}, invalidf("tiff: image of %d×%d pixels is over what can be read", w, h)
	}
	bits := f.uints(tagBitsPerSample)
	if bits == nil {
		bits = []uint32{1}
	}
	photometric, extra := first(tagPhotometric, tiffWhiteIsZero), first(tagExtraSamples, 0)
	if n := first(tagSamplesPerPixel, 1); int(n) != len(bits) {
		return header{}, invalidf("tiff: %d samples a pixel, but %d bit depths", n, len(bits))
	}
	if v := first(tagPlanarConfig, 1); v != 1 && len(bits) > 1 {
		return header{}, invalidf("tiff: planar configuration %d (channels apart) is not supported; save it interleaved", v)
	}
	// The fill order is honoured by the CCITT decoder (compression 3 and 4) only.
	if c := first(tagCompression, 1); first(tagFillOrder, 1) != 1 && c != 3 && c != 4 {
		return header{}, invalidf("tiff: reversed bit order with compression %d is not supported", c)
	}
	fax := first(tagCompression, 1) == 3 || first(tagCompression, 1) == 4
	t.flipped = fax && photometric == tiffBlackIsZero
	info := Info{Width: int(w), Height: int(h), Mode: t.mode(photometric, bits, extra), Orientation: 1}
	if info.Mode == "" {
		return header{}, invalidf("tiff: photometric interpretation %d with bits %v and extra samples %d is not supported; save it as 8-bit RGB or PNG",
			photometric, bits, extra)
	}
	if t.orientation >= 5 {
		info.Width, info.Height = info.Height, info.Width
	}
	return header{info, t.decode}, nil
}

// mode gives Pillow's mode, or "" for what cannot be read.
func (t *tiffHead) mode(photometric uint32, bits []uint32, extra uint32) Mode {
	depth, n := bits[0], len(bits)
	if slices.ContainsFunc(bits, func(b uint32) bool { return b != depth }) {
		return ""
	}
	grey := photometric == tiffBlackIsZero || photometric == tiffWhiteIsZero
	switch {
	case n == 1 && grey && depth == 1:
		return Bilevel
	case n == 1 && grey && depth == 8:
		return Gray
	case n == 1 && grey && depth == 16 && (photometric == tiffBlackIsZero || t.little):
		t.inverted16 = photometric == tiffWhiteIsZero
		return I16
	case n == 1 && photometric == tiffPalette && (depth == 1 || depth == 8):
		return Indexed
	case n == 3 && photometric == tiffRGB && (depth == 8 || depth == 16):
		return RGB
	case n == 4 && photometric == tiffRGB && extra == tiffAlphaStraight && (depth == 8 || depth == 16):
		return RGBA
	case n == 4 && photometric == tiffRGB && extra == tiffAlphaPremultiplied && depth == 8:
		t.associated = true
		return RGBA
	}
	return ""
}

// decode also turns the pixels as the orientation tag says: for TIFF, Pillow does.
func (t *tiffHead) decode(d decodeContext) (*Image, error) {
	src, err := tiff.Decode(bytes.NewReader(d.data))
	if err != nil {
		return nil, damaged("tiff", err)
	}
	w, h := src.Bounds().Dx(), src.Bounds().Dy()
	out := &Image{Mode: d.info.Mode, Width: w, Height: h}
	switch src := src.(type) {
	case *image.Gray:
		out.Pix = src.Pix
		if t.flipped { // x/image shows fax white as white; libtiff, and so Pillow, as a 0 bit
			for i := range out.Pix {
				out.Pix[i] ^= 255
			}
		}
	case *image.Gray16:
		out.Pix16 = make([]uint16, w*h)
		for i := range out.Pix16 {
			out.Pix16[i] = binary.BigEndian.Uint16(src.Pix[2*i:])
			if t.inverted16 {
				out.Pix16[i] ^= 0xffff
			}
		}
	case *image.Paletted:
		out.Pix, out.Palette = src.Pix, paletteBytes(src.Palette)
	case *image.RGBA:
		if t.associated {
			unpremultiply(src.Pix, 4)
			out.Pix = src.Pix
		} else {
			out.Pix = pick(src.Pix, 4, 0, 1, 2)
		}
	case *image.RGBA64:
		out.Pix = pick(src.Pix, 8, 0, 2, 4)
	case *image.NRGBA:
		out.Pix = src.Pix
	case *image.NRGBA64:
		out.Pix = pick(src.Pix, 8, 0, 2, 4, 6)
	default:
		return nil, invalidf("tiff: unexpected pixel layout %T", src)
	}
	return out.Oriented(t.orientation), nil
}

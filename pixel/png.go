package pixel

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
)

const pngMagic = "\x89PNG\r\n\x1a\n"

// pngMode gives Pillow's mode for each colour type and bit depth that the PNG
// specification allows. 16-bit grey with alpha is RGBA in Pillow, which has no
// 16-bit LA; other 16-bit layouts lose their low byte.
func pngMode(colour, depth int) Mode {
	switch [2]int{colour, depth} {
	case [2]int{0, 1}:
		return Bilevel
	case [2]int{0, 2}, [2]int{0, 4}, [2]int{0, 8}:
		return Gray
	case [2]int{0, 16}:
		return I16
	case [2]int{2, 8}, [2]int{2, 16}:
		return RGB
	case [2]int{3, 1}, [2]int{3, 2}, [2]int{3, 4}, [2]int{3, 8}:
		return Indexed
	case [2]int{4, 8}:
		return GrayA
	case [2]int{4, 16}, [2]int{6, 8}, [2]int{6, 16}:
		return RGBA
	}
	return ""
}

func parsePNG(data []byte) (header, error) {
	c := cursor{data: data, off: len(pngMagic)}
	size, kind := c.be32(), string(c.take(4))
	w, h := c.be32(), c.be32()
	depth, colour := c.u8(), c.u8()
	if c.over {
		return header{}, invalidf("png: ends within its header, after %d bytes", len(data))
	}
	if size != 13 || kind != "IHDR" {
		return header{}, invalidf("png: starts with chunk %q of %d bytes, want IHDR of 13", kind, size)
	}
	mode := pngMode(colour, depth)
	if mode == "" {
		return header{}, invalidf("png: colour type %d with %d bits does not exist", colour, depth)
	}
	if w > 1<<31-1 || h > 1<<31-1 {
		return header{}, invalidf("png: image of %d×%d pixels is over what the format allows", w, h)
	}
	info := Info{Width: int(w), Height: int(h), Mode: mode, Orientation: pngOrientation(data)}
	return header{info, decodePNG}, nil
}

// pngOrientation looks for an eXIf chunk.
func pngOrientation(data []byte) int {
	rest := data[len(pngMagic):]
	for len(rest) >= 12 {
		n := binary.BigEndian.Uint32(rest)
		if uint64(n)+12 > uint64(len(rest)) {
			break
		}
		if string(rest[4:8]) == "eXIf" {
			return exifOrientation(rest[8 : 8+n])
		}
		rest = rest[12+n:]
	}
	return 1
}

func decodePNG(d decodeContext) (*Image, error) {
	if img := decodePlainPNG(d); img != nil {
		return img, nil
	}
	src, err := png.Decode(bytes.NewReader(d.data))
	if err != nil {
		return nil, damaged("png", err)
	}
	w, h := src.Bounds().Dx(), src.Bounds().Dy()
	out := &Image{Mode: d.info.Mode, Width: w, Height: h}
	switch src := src.(type) {
	case *image.Gray:
		out.Pix = src.Pix
	case *image.Gray16: // big-endian pairs
		out.Pix16 = make([]uint16, w*h)
		for i := range out.Pix16 {
			out.Pix16[i] = binary.BigEndian.Uint16(src.Pix[2*i:])
		}
	case *image.Paletted:
		out.Pix, out.Palette = src.Pix, paletteBytes(src.Palette)
	case *image.RGBA: // opaque: the package uses it for colour type 2 only
		out.Pix = pick(src.Pix, 4, 0, 1, 2)
	case *image.RGBA64:
		out.Pix = pick(src.Pix, 8, 0, 2, 4)
	case *image.NRGBA: // with alpha, or with a transparent colour, which Pillow leaves out
		out.Pix = pngNRGBA(src.Pix, out.Mode)
	case *image.NRGBA64:
		out.Pix, out.Pix16 = pngNRGBA64(src.Pix, out.Mode)
	default:
		return nil, invalidf("png: unexpected pixel layout %T", src)
	}
	return out, nil
}

func pngNRGBA(pix []uint8, m Mode) []uint8 {
	switch m {
	case RGBA:
		return pix
	case GrayA:
		return pick(pix, 4, 0, 3)
	case RGB:
		return pick(pix, 4, 0, 1, 2)
	default: // grey with a transparent level
		return pick(pix, 4, 0)
	}
}

// pngNRGBA64 reads big-endian pairs: 16-bit grey keeps both bytes, all else the high one.
func pngNRGBA64(pix []uint8, m Mode) ([]uint8, []uint16) {
	switch m {
	case I16:
		out := make([]uint16, len(pix)/8)
		for i := range out {
			out[i] = binary.BigEndian.Uint16(pix[8*i:])
		}
		return nil, out
	case RGB:
		return pick(pix, 8, 0, 2, 4), nil
	default:
		return pick(pix, 8, 0, 2, 4, 6), nil
	}
}

// pick returns the bytes at the given places of each group of n, in order.
func pick(pix []uint8, n int, at ...int) []uint8 {
	out := make([]uint8, len(pix)/n*len(at))
	if n == 4 && len(at) == 3 && at[2] == 2 { // the common case, RGBA to RGB
		for i, j := 0, 0; i+4 <= len(pix); i, j = i+4, j+3 {
			s, t := pix[i:i+4:i+4], out[j:j+3:j+3]
			t[0], t[1], t[2] = s[0], s[1], s[2]
		}
		return out
	}
	j := 0
	for i := 0; i+n <= len(pix); i += n {
		for _, k := range at {
			out[j] = pix[i+k]
			j++
		}
	}
	return out
}

// paletteBytes writes p as RGBA quadruples with straight alpha.
func paletteBytes(p color.Palette) []uint8 {
	out := make([]uint8, 0, 4*len(p))
	for _, entry := range p {
		c := color.NRGBAModel.Convert(entry).(color.NRGBA)
		out = append(out, c.R, c.G, c.B, c.A)
	}
	return out
}

package pixel

import (
	"encoding/binary"
	"strings"
)

// BMP compression values; the others are run lengths, JPEG and PNG.
const (
	bmpRaw       = 0
	bmpBitfields = 3
)

func isBMP(data []byte) bool {
	if len(data) < 2 || string(data[:2]) != "BM" {
		return false
	}
	if len(data) < 18 {
		return true // so that a truncated file is told as one
	}
	switch binary.LittleEndian.Uint32(data[14:]) {
	case 12, 40, 52, 56, 64, 108, 124:
		return true
	}
	return false
}

// A bmpHead is a BMP file's header. The x/image decoder reads fewer layouts
// and keeps alpha where Pillow has none, and raw BMP is simple.
type bmpHead struct {
	bits    int
	topDown bool
	offset  int      // of the first stored row
	layout  string   // order of the channels in a pixel of 24 or 32 bits: "BGR", "BGRX", …; "565" or "555" for 16
	palette []uint8  // RGBA quadruples, nil if mode is not Indexed
	masks   []uint32 // red, green, blue, alpha; nil unless bit fields
}

func parseBMP(data []byte) (header, error) {
	c := cursor{data: data, off: 10}
	b := &bmpHead{offset: int(c.le32())}
	size := int(c.le32())
	var w, h, colours int
	compression, entry := bmpRaw, 4
	if size == 12 { // OS/2
		w, h = c.le16(), c.le16()
		c.take(2)
		b.bits, entry = c.le16(), 3
	} else {
		w, h = int(int32(c.le32())), int(int32(c.le32()))
		c.take(2)
		b.bits = c.le16()
		compression = int(c.le32())
		c.take(12)
		colours = int(c.le32())
		c.take(4)
		if h < 0 {
			h, b.topDown = -h, true
		}
		if compression == bmpBitfields {
			b.masks = []uint32{c.le32(), c.le32(), c.le32(), 0}
			if size >= 56 {
				b.masks[3] = c.le32()
			}
		}
		c.off = max(c.off, min(14+size, len(data)))
	}
	if c.over || len(data) < 14+size {
		return header{}, invalidf("bmp: ends within its header, after %d bytes", len(data))
	}
	if compression != bmpRaw && compression != bmpBitfields {
		return header{}, invalidf("bmp: compression %d is not supported; save it uncompressed, or as PNG", compression)
	}
	info := Info{Width: w, Height: h}
	var err error
	if b.bits <= 8 {
		info.Mode, err = b.readPalette(&c, colours, entry, 14+size)
	} else {
		info.Mode, err = b.readLayout()
	}
	if b.offset == 0 {
		b.offset = c.off
	}
	return header{info, b.decode}, err
}

// readPalette reads the colours after the header and gives the mode: a palette
// of black and white, or of the 256 greys in order, is left out, as in Pillow.
func (b *bmpHead) readPalette(c *cursor, colours, entry, start int) (Mode, error) {
	if b.bits != 1 && b.bits != 4 && b.bits != 8 || b.masks != nil {
		return "", invalidf("bmp: %d bits a pixel is not supported", b.bits)
	}
	if colours == 0 {
		colours = 1 << b.bits
	}
	if colours < 0 || colours > 65536 { // as in Pillow; entries past 256 are skipped
		return "", invalidf("bmp: palette of %d colours", colours)
	}
	if b.offset == start { // some writers leave the palette out of the offset
		b.offset += entry * colours
	}
	raw := c.take(entry * colours)
	if c.over {
		return "", invalidf("bmp: ends within its palette, after %d bytes", len(c.data))
	}
	grey := true
	for i := range min(colours, 256) {
		e := raw[entry*i:]
		b.palette = append(b.palette, e[2], e[1], e[0], 255)
		v := byte(i)
		if colours == 2 {
			v = byte(255 * i)
		}
		grey = grey && e[0] == v && e[1] == v && e[2] == v
	}
	switch {
	case grey && b.bits == 1 && colours <= 2:
		b.palette = nil
		return Bilevel, nil
	case grey && b.bits == 8 && colours > 2:
		b.palette = nil
		return Gray, nil
	}
	return Indexed, nil
}

// readLayout finds the order of the channels. Uncompressed 32-bit files have no
// alpha, whatever their fourth byte holds; Pillow's list of masks is the list here.
func (b *bmpHead) readLayout() (Mode, error) {
	masks := [4]uint32{}
	copy(masks[:], b.masks)
	switch {
	case b.bits == 16 && (b.masks == nil || masks == [4]uint32{0x7c00, 0x3e0, 0x1f, masks[3]}):
		b.layout = "555"
	case b.bits == 16 && masks == [4]uint32{0xf800, 0x7e0, 0x1f, masks[3]}:
		b.layout = "565"
	case b.bits == 24 && (b.masks == nil || masks == [4]uint32{0xff0000, 0xff00, 0xff, masks[3]}):
		b.layout = "BGR"
	case b.bits == 32 && b.masks == nil:
		b.layout = "BGRX"
	case b.bits == 32:
		b.layout = map[[4]uint32]string{
			{0xff0000, 0xff00, 0xff, 0}:          "BGRX",
			{0xff000000, 0xff0000, 0xff00, 0}:    "XBGR",
			{0xff000000, 0xff00, 0xff, 0}:        "BGXR",
			{0xff000000, 0xff0000, 0xff00, 0xff}: "ABGR",
			{0xff, 0xff00, 0xff0000, 0xff000000}: "RGBA",
			{0xff0000, 0xff00, 0xff, 0xff000000}: "BGRA",
			{0xff000000, 0xff00, 0xff, 0xff0000}: "BGAR",
			{0, 0, 0, 0}:                         "BGRA",
		}[masks]
	}
	if b.layout == "" {
		return "", invalidf("bmp: %d bits a pixel with channel masks %x is not supported; save it as PNG", b.bits, b.masks)
	}
	if strings.Contains(b.layout, "A") {
		return RGBA, nil
	}
	return RGB, nil
}

func (b *bmpHead) decode(d decodeContext) (*Image, error) {
	w, h := d.info.Width, d.info.Height
	stride := (w*b.bits + 31) / 32 * 4
	if need := int64(b.offset) + int64(stride)*int64(h); need > int64(len(d.data)) {
		return nil, invalidf("bmp: ends early: %d bytes, want %d", len(d.data), need)
	}
	out := newImage(d.info.Mode, w, h)
	out.Palette = b.palette
	n := out.Mode.Channels()
	for y := range h {
		at := h - 1 - y
		if b.topDown {
			at = y
		}
		row := d.data[b.offset+at*stride:][:stride]
		b.unpack(out.Pix[n*y*w:n*(y+1)*w], row, out.Mode)
	}
	return out, nil
}

// unpack writes one row.
func (b *bmpHead) unpack(dst, row []uint8, m Mode) {
	switch b.bits {
	case 1, 4, 8:
		per, mask := 8/b.bits, byte(1<<b.bits-1)
		for x := range dst {
			v := row[x/per] >> (8 - b.bits - x%per*b.bits) & mask
			if m == Bilevel {
				v *= 255
			}
			dst[x] = v
		}
	case 16:
		green, shift := uint32(31), 10
		if b.layout == "565" {
			green, shift = 63, 11
		}
		for x := range len(dst) / 3 {
			v := uint32(binary.LittleEndian.Uint16(row[2*x:]))
			dst[3*x] = uint8((v >> shift & 31) * 255 / 31)
			dst[3*x+1] = uint8((v >> 5 & green) * 255 / green)
			dst[3*x+2] = uint8((v & 31) * 255 / 31)
		}
	default:
		n, k := m.Channels(), len(b.layout)
		for c, name := range "RGBA"[:n] {
			from := strings.IndexRune(b.layout, name)
			for x := range len(dst) / n {
				dst[n*x+c] = row[k*x+from]
			}
		}
	}
}

package pixel

import (
	"bytes"
	"compress/lzw"
	"io"
)

// A gifHead is a GIF file up to the data of its first frame. The Go library's
// decoder forgets the colour of the transparent index, which convert("RGB")
// needs, so the blocks are read here and only LZW is the library's.
type gifHead struct {
	x0, y0, x1, y1 int // the frame on the canvas
	interlaced     bool
	transparent    int // index, or -1
	palette        []uint8
	data           int // offset of the LZW code size
}

// parseGIF reads up to the first frame. As in Pillow, the canvas grows if the
// frame does not fit, and a palette that maps every index to the grey of the
// same level, or no palette, gives mode L.
func parseGIF(data []byte) (header, error) {
	c := cursor{data: data, off: 6}
	w, h := c.le16(), c.le16()
	flags := c.u8()
	c.take(2) // background colour and aspect ratio
	g := &gifHead{transparent: -1}
	if flags&0x80 != 0 {
		g.palette = gifPalette(c.take(3 << (flags&7 + 1)))
	}
	if c.over {
		return header{}, invalidf("gif: ends within its header, after %d bytes", len(data))
	}
	if err := g.findFrame(&c); err != nil {
		return header{}, err
	}
	info := Info{Width: max(w, g.x1), Height: max(h, g.y1), Mode: Gray}
	if g.palette != nil {
		info.Mode = Indexed
	}
	return header{info, g.decode}, nil
}

// gifPalette returns RGBA quadruples, or nil for the identity grey palette.
func gifPalette(rgb []byte) []uint8 {
	out := make([]uint8, 0, len(rgb)/3*4)
	identity := true
	for i := 0; i+3 <= len(rgb); i += 3 {
		out = append(out, rgb[i], rgb[i+1], rgb[i+2], 255)
		v := byte(i / 3)
		identity = identity && rgb[i] == v && rgb[i+1] == v && rgb[i+2] == v
	}
	if identity {
		return nil
	}
	return out
}

// findFrame reads blocks up to and including the first image descriptor.
func (g *gifHead) findFrame(c *cursor) error {
	for {
		switch kind := c.u8(); {
		case c.over:
			return invalidf("gif: ends before its first frame, after %d bytes", len(c.data))
		case kind == '!':
			label := c.u8()
			for first := true; ; first = false {
				block := c.take(c.u8())
				if len(block) == 0 || c.over {
					break
				}
				// Graphic control extension: flags, delay (2), transparent index.
				if label == 0xf9 && first && len(block) >= 4 && block[0]&1 != 0 {
					g.transparent = int(block[3])
				}
			}
		case kind == ',':
			g.x0, g.y0 = c.le16(), c.le16()
			g.x1, g.y1 = g.x0+c.le16(), g.y0+c.le16()
			flags := c.u8()
			g.interlaced = flags&0x40 != 0
			if flags&0x80 != 0 {
				g.palette = gifPalette(c.take(3 << (flags&7 + 1)))
			}
			g.data = c.off
			if c.over {
				return invalidf("gif: ends within the descriptor of its first frame")
			}
			if g.x0 == g.x1 || g.y0 == g.y1 {
				return invalidf("gif: first frame of %d×%d pixels holds nothing", g.x1-g.x0, g.y1-g.y0)
			}
			return nil
		case kind == ';':
			return invalidf("gif: ends without a frame")
		}
	}
}

func (g *gifHead) decode(d decodeContext) (*Image, error) {
	c := cursor{data: d.data, off: g.data}
	size := c.u8()
	if c.over || size < 2 || size > 8 {
		return nil, invalidf("gif: LZW code size %d, want 2 to 8", size)
	}
	blocks := io.Reader(&gifBlocks{c: &c})
	lz := lzw.NewReader(blocks, lzw.LSB, size)
	defer lz.Close()

	out := newImage(d.info.Mode, d.info.Width, d.info.Height)
	if g.transparent >= 0 {
		copy(out.Pix, bytes.Repeat([]byte{byte(g.transparent)}, len(out.Pix)))
	}
	w, h := g.x1-g.x0, g.y1-g.y0
	for i := range h {
		y := g.y0 + g.line(i, h)
		if _, err := io.ReadFull(lz, out.Pix[y*out.Width+g.x0:][:w]); err != nil {
			return nil, invalidf("gif: ends in row %d of %d of its first frame (%v)", i, h, err)
		}
	}
	if d.info.Mode == Indexed {
		out.Palette = g.palette
		if t := g.transparent; t >= 0 && t < len(out.Palette)/4 {
			out.Palette = bytes.Clone(out.Palette)
			out.Palette[4*t+3] = 0
		}
	}
	return out, nil
}

// line returns where the i-th stored row of h belongs (GIF89a, appendix E).
func (g *gifHead) line(i, h int) int {
	if !g.interlaced {
		return i
	}
	for _, pass := range [...]struct{ start, step int }{{0, 8}, {4, 8}, {2, 4}, {1, 2}} {
		n := (h - pass.start + pass.step - 1) / pass.step
		if i < n {
			return pass.start + i*pass.step
		}
		i -= max(n, 0)
	}
	return h - 1
}

// gifBlocks joins the data sub-blocks of a frame.
type gifBlocks struct {
	c    *cursor
	rest []byte
}

func (b *gifBlocks) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		n := b.c.u8()
		if b.c.over {
			return 0, io.ErrUnexpectedEOF
		}
		if n == 0 {
			return 0, io.EOF
		}
		if b.rest = b.c.take(n); b.c.over {
			return 0, io.ErrUnexpectedEOF
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// ReadByte lets compress/lzw read without a buffer of its own.
func (b *gifBlocks) ReadByte() (byte, error) {
	var one [1]byte
	_, err := b.Read(one[:])
	return one[0], err
}

package pixel

import "encoding/binary"

const jxlContainer = "\x00\x00\x00\x0cJXL \r\n\x87\n"

func isJXL(data []byte) bool { return prefixed("\xff\x0a")(data) || prefixed(jxlContainer)(data) }

// parseJXL reads the size and the channels from the start of the codestream
// (ISO/IEC 18181-1, annex D).
func parseJXL(data []byte) (header, error) {
	stream := data
	if prefixed(jxlContainer)(data) {
		stream = nil
		err := boxes(data, 0, len(data), func(b box) error {
			switch {
			case stream != nil:
			case b.kind == "jxlc":
				stream = data[b.start:b.end]
			case b.kind == "jxlp": // in parts; each starts with its number
				stream = data[min(b.start+4, b.end):b.end]
			}
			return nil
		})
		if err != nil {
			return header{}, damaged("jxl", err)
		}
	}
	if !prefixed("\xff\x0a")(stream) {
		return header{}, invalidf("jxl: holds no codestream")
	}
	b := bitReader{data: stream[2:]}
	w, h := b.size()
	j, orientation := b.metadata()
	if b.over {
		return header{}, invalidf("jxl: ends within its header, after %d bytes", len(data))
	}
	if w > 1<<30 || h > 1<<30 { // ISO/IEC 18181-1, level 10
		return header{}, invalidf("jxl: image of %d×%d pixels is over what the format allows", w, h)
	}
	if orientation >= 5 { // applied by the decoder
		w, h = h, w
	}
	mode := [2][2]Mode{{RGB, RGBA}, {Gray, GrayA}}[btoi(j.grey)][btoi(j.alpha)]
	return header{Info{Width: int(w), Height: int(h), Mode: mode, Orientation: 1}, j.decode}, nil
}

// A jxlHead is what the image metadata says of the samples.
type jxlHead struct {
	grey, alpha bool
	bits        int // a sample
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A bitReader reads bits, lowest first. Past the end it returns zeros and remembers it.
type bitReader struct {
	data []byte
	pos  int // in bits
	over bool
}

// u reads an n-bit number, n at most 32.
func (b *bitReader) u(n int) uint64 {
	var v uint64
	for i := range n {
		at := (b.pos + i) / 8
		if at >= len(b.data) {
			b.over = true
			return 0
		}
		v |= uint64(b.data[at]>>((b.pos+i)%8)&1) << i
	}
	b.pos += n
	return v
}

func (b *bitReader) bool() bool { return b.u(1) == 1 }

// A choice is one of the four ways of a U32: add plus n bits.
type choice struct {
	add uint64
	n   int
}

// u32 reads the standard's variable-size number.
func (b *bitReader) u32(c0, c1, c2, c3 choice) uint64 {
	c := [4]choice{c0, c1, c2, c3}[b.u(2)]
	return c.add + b.u(c.n)
}

func (b *bitReader) enum() uint64 {
	return b.u32(choice{0, 0}, choice{1, 0}, choice{2, 4}, choice{18, 6})
}

// size reads a SizeHeader.
func (b *bitReader) size() (w, h uint64) {
	small := b.bool()
	side := func() uint64 {
		if small {
			return 8 * (1 + b.u(5))
		}
		return b.u32(choice{1, 9}, choice{1, 13}, choice{1, 18}, choice{1, 30})
	}
	h = side()
	if r := b.ratio(h); r != 0 {
		return r, h
	}
	return side(), h
}

// ratio reads an aspect ratio and returns the width it gives, or 0 if the width follows.
func (b *bitReader) ratio(h uint64) uint64 {
	r := [8][2]uint64{{0, 1}, {1, 1}, {12, 10}, {4, 3}, {3, 2}, {16, 9}, {5, 4}, {2, 1}}[b.u(3)]
	return h * r[0] / r[1]
}

// metadata reads ImageMetadata as far as the colour space.
func (b *bitReader) metadata() (*jxlHead, int) {
	j, orientation := &jxlHead{bits: 8}, 1
	if b.bool() { // all default: 8-bit RGB
		return j, orientation
	}
	if b.bool() {
		orientation = 1 + int(b.u(3))
		if b.bool() {
			b.size() // intrinsic size, for display
		}
		if b.bool() {
			b.preview()
		}
		if b.bool() {
			b.animation()
		}
	}
	j.bits = b.depth()
	b.u(1) // modular decoding may use 16-bit buffers
	extra := b.u32(choice{0, 0}, choice{1, 0}, choice{2, 4}, choice{1, 12})
	for ; extra > 0 && !b.over; extra-- {
		j.alpha = b.extraChannel() || j.alpha
	}
	b.u(1) // XYB
	if !b.bool() {
		b.u(1) // has an ICC profile
		j.grey = b.enum() == 1
	}
	return j, orientation
}

func (b *bitReader) preview() {
	div8 := b.bool()
	side := func() uint64 {
		if div8 {
			return 8 * b.u32(choice{16, 0}, choice{32, 0}, choice{1, 5}, choice{33, 9})
		}
		return b.u32(choice{1, 6}, choice{65, 8}, choice{321, 10}, choice{1345, 12})
	}
	if h := side(); b.ratio(h) == 0 {
		side()
	}
}

func (b *bitReader) animation() {
	b.u32(choice{100, 0}, choice{1000, 0}, choice{1, 10}, choice{1, 30}) // ticks a second
	b.u32(choice{1, 0}, choice{1001, 0}, choice{1, 8}, choice{1, 10})
	b.u32(choice{0, 0}, choice{0, 3}, choice{0, 16}, choice{0, 32}) // loops
	b.u(1)
}

// depth reads a BitDepth.
func (b *bitReader) depth() int {
	if !b.bool() {
		return int(b.u32(choice{8, 0}, choice{10, 0}, choice{12, 0}, choice{1, 6}))
	}
	bits := b.u32(choice{32, 0}, choice{16, 0}, choice{24, 0}, choice{1, 6})
	b.u(4) // exponent
	return int(bits)
}

// extraChannel reads an ExtraChannelInfo and reports whether it is alpha.
func (b *bitReader) extraChannel() bool {
	const alpha, spot, cfa = 0, 2, 5
	if b.bool() { // all default: 8-bit alpha
		return true
	}
	kind := b.enum()
	b.depth()
	b.u32(choice{0, 0}, choice{3, 0}, choice{4, 0}, choice{1, 3}) // size
	n := b.u32(choice{0, 0}, choice{0, 4}, choice{16, 5}, choice{48, 10})
	for ; n > 0 && !b.over; n-- {
		b.u(8) // name
	}
	switch kind {
	case alpha:
		b.u(1) // premultiplied
	case spot:
		b.u(32)
		b.u(32)
	case cfa:
		b.u32(choice{1, 0}, choice{0, 2}, choice{3, 4}, choice{19, 8})
	}
	return kind == alpha
}

// decode runs libjxl. Its glue code writes RGBA: big-endian pairs for 16 bits a
// sample, else bytes, whatever the file's depth.
func (j *jxlHead) decode(d decodeContext) (*Image, error) {
	codec, err := jxlCodec()
	if err != nil {
		return nil, err
	}
	w, h := d.info.Width, d.info.Height
	per := 4
	if j.bits == 16 {
		per = 8
	}
	var pix []uint8
	err = codec.run(d, d.data, func(m *wasmCall) error {
		// Results: width, height, depth, count, then the duration of the frame.
		res, out := m.alloc(5*4), m.alloc(w*h*per)
		m.store(res, 0, 0, 0, 0, 0)
		ok := m.call("decode", m.in, m.inLen, 0, 0, res, res+4, res+8, res+12, res+16, out)
		v := m.load(res, 4)
		if m.err != nil {
			return m.err
		}
		if ok == 0 || v[3] == 0 {
			return invalidf("jxl: damaged, or ends early")
		}
		if int(v[0]) != w || int(v[1]) != h || (v[2] == 16) != (per == 8) {
			return invalidf("jxl: the header announces %d×%d with %d bits, the decoder finds %d×%d with %d", w, h, j.bits, v[0], v[1], v[2])
		}
		pix = m.read(out, w*h*per)
		return m.err
	})
	if err != nil {
		return nil, err
	}
	if per == 8 {
		pix = from16(pix, binary.BigEndian)
	}
	return fromRGBA(d.info, pix), nil
}

// from16 scales 16-bit samples to 8 bits, rounding to nearest.
func from16(pix []uint8, order binary.ByteOrder) []uint8 {
	out := make([]uint8, len(pix)/2)
	for i := range out {
		out[i] = uint8((uint32(order.Uint16(pix[2*i:]))*255 + 32767) / 65535)
	}
	return out
}

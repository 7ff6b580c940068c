package pixel

import (
	"encoding/binary"
	"slices"
)

func parseAVIF(data []byte) (header, error) {
	h, err := readHEIF(data)
	if err != nil {
		return header{}, damaged("avif", err)
	}
	if h.premult && h.alpha {
		return header{}, invalidf("avif: colour stored premultiplied by alpha is not supported; save it as PNG")
	}
	mode := [2][2]Mode{{RGB, RGBA}, {Gray, GrayA}}[btoi(h.monochrome)][btoi(h.alpha)]
	info := Info{Width: h.w, Height: h.h, Mode: mode, Orientation: h.orientation()}
	return header{info, h.decodeAVIF}, nil
}

// decodeAVIF runs libavif. Its glue code multiplies colour by alpha, which
// cannot be undone where alpha is small, so a picture with alpha is decoded
// twice: once from a copy in which nothing refers to the alpha plane, for the
// colours as stored, and once for the alpha.
func (h *heif) decodeAVIF(d decodeContext) (*Image, error) {
	data := d.data
	if h.alpha {
		data = slices.Clone(data)
		for _, at := range h.auxl {
			copy(data[at:], "skip") // no reference type, so it is passed over
		}
	}
	pix, err := runAVIF(d, data)
	if err != nil {
		return nil, err
	}
	if h.alpha {
		with, err := runAVIF(d, d.data)
		if err != nil {
			return nil, err
		}
		for i := 3; i < len(pix); i += 4 {
			pix[i] = with[i]
		}
	}
	return fromRGBA(d.info, pix), nil
}

// fromRGBA makes an image of info's mode, whose grey is the red channel.
func fromRGBA(info Info, pix []uint8) *Image {
	out := &Image{Mode: info.Mode, Width: info.Width, Height: info.Height}
	switch out.Mode {
	case Gray:
		out.Pix = pick(pix, 4, 0)
	case GrayA:
		out.Pix = pick(pix, 4, 0, 3)
	case RGB:
		out.Pix = pick(pix, 4, 0, 1, 2)
	default:
		out.Pix = pix
	}
	return out
}

// runAVIF returns RGBA bytes. The glue code writes them as such, or as
// little-endian pairs for files of more than 8 bits a sample.
func runAVIF(d decodeContext, data []byte) ([]uint8, error) {
	codec, err := avifCodec()
	if err != nil {
		return nil, err
	}
	w, h := d.info.Width, d.info.Height
	var pix []uint8
	err = codec.run(d, data, func(m *wasmCall) error {
		// Results: width, height, depth, count; then the frame's duration as a
		// double. The glue code reports success also if no frame could be
		// decoded, but writes the duration only if one was: no duration has all
		// bits set.
		res := m.alloc(4*4 + 8)
		m.store(res, 0, 0, 0, 0, 1<<32-1, 1<<32-1)
		ok := m.call("decode", m.in, m.inLen, 1, 0, res, res+4, res+8, res+12, res+16, 0)
		v := m.load(res, 4)
		if m.err == nil && ok == 0 {
			m.fail("damaged, or ends early")
		}
		if m.err == nil && (int(v[0]) != w || int(v[1]) != h) {
			m.fail("the header announces %d×%d pixels, the decoder finds %d×%d", w, h, v[0], v[1])
		}
		if m.err != nil {
			return m.err
		}
		per := 4
		if v[2] > 8 {
			per = 8
		}
		out := m.alloc(w * h * per)
		ok = m.call("decode", m.in, m.inLen, 0, 0, res, res+4, res+8, res+12, res+16, out)
		if v = m.load(res, 6); m.err == nil && (ok == 0 || v[4]&v[5] == 1<<32-1) {
			m.fail("damaged, or ends early")
		}
		if pix = m.read(out, w*h*per); per == 8 {
			pix = from16(pix, binary.LittleEndian)
		}
		return m.err
	})
	return pix, err
}

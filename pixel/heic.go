package pixel

import "encoding/binary"

// libheif's names for how a picture is stored.
const (
	heicYCbCr      = 0
	heicRGB        = 1
	heicMonochrome = 2

	heic420 = 1
	heic422 = 2
	heic444 = 3
)

func parseHEIC(data []byte) (header, error) {
	h, err := readHEIF(data)
	if err != nil {
		return header{}, damaged("heic", err)
	}
	info := Info{Width: h.w, Height: h.h, Mode: RGB, Orientation: 1}
	if h.clapW > h.w || h.clapH > h.h {
		return header{}, invalidf("heic: clean aperture of %d×%d pixels in an image of %d×%d", h.clapW, h.clapH, h.w, h.h)
	}
	if h.clapW > 0 && h.clapH > 0 { // cropping and turning are the decoder's
		info.Width, info.Height = h.clapW, h.clapH
	}
	if h.rotate%2 == 1 {
		info.Width, info.Height = info.Height, info.Width
	}
	if h.monochrome {
		info.Mode = Gray
	}
	return header{info, h.decodeHEIC}, nil
}

// heicStride is how many bytes libheif gives a row of n samples: memory is made
// for at least 64, in steps of 16.
func heicStride(n, bytes int) int { return (max(n, 64)*bytes + 15) &^ 15 }

// A heicLayout is how libheif holds a decoded picture: one plane of luma (or of
// interleaved RGBA), then two of chroma if it is YCbCr.
type heicLayout struct {
	space          int
	stride, first  int // bytes a row, and in all, of the first plane
	cStride, cSize int // likewise for a chroma plane
	hs, vs         int // pixels a chroma sample, each direction
}

func newHEICLayout(w, h int, space, chroma uint32) (heicLayout, error) {
	l := heicLayout{space: int(space), stride: heicStride(w, 1), hs: 1, vs: 1}
	switch {
	case space == heicMonochrome:
	case space == heicRGB:
		l.stride = heicStride(w, 4)
	case space == heicYCbCr && chroma >= heic420 && chroma <= heic444:
		if chroma != heic444 {
			l.hs = 2
		}
		if chroma == heic420 {
			l.vs = 2
		}
		l.cStride = heicStride((w+l.hs-1)/l.hs, 1)
		l.cSize = l.cStride * ((h + l.vs - 1) / l.vs)
	default:
		return l, invalidf("heic: colour space %d with chroma %d is not supported", space, chroma)
	}
	l.first = l.stride * h
	return l, nil
}

// decodeHEIC runs libheif. Its glue code delivers the planes without alpha, one
// after the other, as they lie in libheif's memory.
func (h *heif) decodeHEIC(d decodeContext) (*Image, error) {
	codec, err := heicCodec()
	if err != nil {
		return nil, err
	}
	var layout heicLayout
	var pix []uint8
	err = codec.run(d, d.data, func(m *wasmCall) error {
		// Results: width, height, colour space, chroma, premultiplied.
		res := m.alloc(5 * 4)
		m.store(res, 0, 0, 0, 0, 0)
		decode := func(configOnly, out uint64) []uint32 {
			ok := m.call("decode", m.in, m.inLen, configOnly, res, res+4, res+8, res+12, res+16, out)
			v := m.load(res, 4)
			if m.err == nil && ok == 0 {
				m.fail("damaged, or ends early")
			}
			if m.err == nil && (int(v[0]) != d.info.Width || int(v[1]) != d.info.Height) {
				m.fail("the header announces %d×%d pixels, the decoder finds %d×%d", d.info.Width, d.info.Height, v[0], v[1])
			}
			return v
		}
		v := decode(1, 0)
		if m.err != nil {
			return m.err
		}
		var err error
		if layout, err = newHEICLayout(d.info.Width, d.info.Height, v[2], v[3]); err != nil {
			return err
		}
		size := layout.first + 2*layout.cSize
		out := m.alloc(size)
		decode(0, out)
		pix = m.read(out, size)
		return m.err
	})
	if err != nil {
		return nil, err
	}
	return h.fromHEIC(d.info, layout, pix)
}

// fromHEIC makes the image from the planes.
func (h *heif) fromHEIC(info Info, l heicLayout, pix []uint8) (*Image, error) {
	out, w := newImage(info.Mode, info.Width, info.Height), info.Width
	switch {
	case l.space == heicRGB && out.Mode == RGB:
		for y := range out.Height {
			copy(out.Pix[3*y*w:], pick(pix[l.stride*y:][:4*w], 4, 0, 1, 2))
		}
	case l.space == heicMonochrome && out.Mode == Gray:
		for y := range out.Height {
			copy(out.Pix[y*w:(y+1)*w], pix[l.stride*y:])
		}
	case l.space == heicYCbCr && out.Mode == RGB:
		conv, err := h.matrix()
		if err != nil {
			return nil, err
		}
		cb, cr := pix[l.first:][:l.cSize], pix[l.first+l.cSize:]
		for y := range out.Height {
			at := y / l.vs * l.cStride
			conv.row(out.Pix[3*y*w:3*(y+1)*w], pix[l.stride*y:], cb[at:], cr[at:], l.hs)
		}
	default:
		return nil, invalidf("heic: the header announces %s, the decoder finds colour space %d", info.Mode, l.space)
	}
	return out, nil
}

// A yccMatrix turns Y'CbCr into R'G'B'.
type yccMatrix struct {
	offset, gain   float64 // of luma: 16 and 255/219 in studio range, else 0 and 1
	rv, gu, gv, bu float64 // of chroma − 128
}

// matrix reads the file's coding-independent code points (ITU-T H.273). A file
// that has none is taken for ITU-R 601 in full range, as phones write it.
func (h *heif) matrix() (yccMatrix, error) {
	coefficients, full := 6, true
	if h.nclx != nil {
		coefficients, full = int(binary.BigEndian.Uint16(h.nclx[4:])), h.nclx[6]&0x80 != 0
	}
	var kr, kb float64
	switch coefficients {
	case 1:
		kr, kb = 0.2126, 0.0722
	case 2, 5, 6: // 2 is "unspecified"
		kr, kb = 0.299, 0.114
	case 9:
		kr, kb = 0.2627, 0.0593
	default:
		return yccMatrix{}, invalidf("heic: colour matrix %d of ITU-T H.273 is not supported; save it as PNG", coefficients)
	}
	m, scale := yccMatrix{gain: 1}, 1.0
	if !full {
		m.offset, m.gain, scale = 16, 255./219, 255./224
	}
	kg := 1 - kr - kb
	m.rv, m.bu = 2*(1-kr)*scale, 2*(1-kb)*scale
	m.gu, m.gv = -m.bu*kb/kg, -m.rv*kr/kg
	return m, nil
}

// row converts one row; each chroma sample serves hs pixels, as in libheif.
func (m yccMatrix) row(dst, ys, cb, cr []uint8, hs int) {
	for x := range len(dst) / 3 {
		l := (float64(ys[x]) - m.offset) * m.gain
		u, v := float64(cb[x/hs])-128, float64(cr[x/hs])-128
		p := dst[3*x : 3*x+3]
		p[0] = clamp8(int32(l + m.rv*v + 0.5))
		p[1] = clamp8(int32(l + m.gu*u + m.gv*v + 0.5))
		p[2] = clamp8(int32(l + m.bu*u + 0.5))
	}
}

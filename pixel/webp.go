package pixel

import (
	"bytes"
	"encoding/binary"
	"image"

	"golang.org/x/image/vp8"
	"golang.org/x/image/vp8l"
	"golang.org/x/image/webp"
)

func isWebP(data []byte) bool {
	return len(data) >= 16 && string(data[:4]) == "RIFF" && string(data[8:15]) == "WEBPVP8"
}

// WebP container flags (VP8X chunk, first byte).
const (
	webpAnimated = 1 << 1
	webpAlpha    = 1 << 4
)

// A webpHead is a WebP file's first frame and where it goes on the canvas.
type webpHead struct {
	x, y     int
	w, h     int
	alph     []byte // ALPH chunk; nil if none
	bits     []byte // VP8 or VP8L chunk
	lossless bool
}

// parseWebP reads the container. Its pixels are not read through the
// WebAssembly build of libwebp: that one returns subsampled chroma even for
// lossless files. The x/image decoders give the exact planes.
func parseWebP(data []byte) (header, error) {
	size := int64(binary.LittleEndian.Uint32(data[4:]))
	if 8+size > int64(len(data)) {
		return header{}, invalidf("webp: ends early: %d bytes, its header says %d", len(data), 8+size)
	}
	data = data[:8+size]
	info := Info{Mode: RGB, Orientation: 1}
	f := &webpHead{}
	extended, animated, alpha := false, false, false
	err := riffChunks(data[min(12, len(data)):], func(kind string, body []byte) error {
		switch {
		case kind == "VP8X" && len(body) >= 10 && !extended && f.bits == nil:
			extended = true
			animated, alpha = body[0]&webpAnimated != 0, body[0]&webpAlpha != 0
			info.Width, info.Height = le24(body[4:])+1, le24(body[7:])+1
		case kind == "ANMF" && animated && f.bits == nil:
			return f.animationFrame(body)
		case kind == "EXIF":
			info.Orientation = exifOrientation(body)
		case !animated:
			return f.chunk(kind, body)
		}
		return nil
	})
	if err != nil {
		return header{}, err
	}
	if f.bits == nil {
		return header{}, invalidf("webp: holds no picture")
	}
	switch {
	case !extended:
		info.Width, info.Height = f.w, f.h
	case !animated && (f.w != info.Width || f.h != info.Height):
		return header{}, invalidf("webp: picture of %d×%d pixels on a canvas of %d×%d", f.w, f.h, info.Width, info.Height)
	case f.x+f.w > info.Width || f.y+f.h > info.Height:
		return header{}, invalidf("webp: frame of %d×%d pixels at %d,%d is outside its canvas of %d×%d",
			f.w, f.h, f.x, f.y, info.Width, info.Height)
	}
	// What libwebp's WebPGetFeatures says of alpha, which gives Pillow its mode.
	if !animated {
		alpha = f.alph != nil || alpha && !f.lossless || f.lossless && f.bits[4]&0x10 != 0
	}
	if alpha {
		info.Mode = RGBA
	}
	return header{info, f.decode}, nil
}

// riffChunks calls visit for each chunk of data.
func riffChunks(data []byte, visit func(kind string, body []byte) error) error {
	for len(data) >= 8 {
		kind, n := string(data[:4]), uint64(binary.LittleEndian.Uint32(data[4:]))
		if n > uint64(len(data)-8) {
			return invalidf("webp: chunk %q of %d bytes runs past the end", kind, n)
		}
		if err := visit(kind, data[8:8+n]); err != nil {
			return err
		}
		data = data[min(uint64(len(data)), 8+n+n%2):]
	}
	return nil
}

// chunk takes in a chunk of a frame; unknown ones, and all after the picture, are skipped.
func (f *webpHead) chunk(kind string, body []byte) error {
	switch {
	case f.bits != nil:
	case kind == "ALPH":
		f.alph = body
	case kind == "VP8 ":
		if len(body) < 10 || string(body[3:6]) != "\x9d\x01\x2a" || body[0]&1 != 0 {
			return invalidf("webp: VP8 chunk of %d bytes does not start with a key frame", len(body))
		}
		f.bits = body
		f.w = int(binary.LittleEndian.Uint16(body[6:])) & 0x3fff
		f.h = int(binary.LittleEndian.Uint16(body[8:])) & 0x3fff
	case kind == "VP8L":
		if len(body) < 5 || body[0] != 0x2f {
			return invalidf("webp: VP8L chunk of %d bytes has no valid header", len(body))
		}
		f.bits, f.lossless = body, true
		v := binary.LittleEndian.Uint32(body[1:])
		f.w, f.h = int(v&0x3fff)+1, int(v>>14&0x3fff)+1
	}
	return nil
}

// animationFrame reads an ANMF chunk.
func (f *webpHead) animationFrame(body []byte) error {
	if len(body) < 16 {
		return invalidf("webp: frame header of %d bytes, want 16", len(body))
	}
	f.x, f.y = 2*le24(body), 2*le24(body[3:])
	w, h := le24(body[6:])+1, le24(body[9:])+1
	if err := riffChunks(body[16:], f.chunk); err != nil {
		return err
	}
	if f.bits == nil || f.w != w || f.h != h {
		return invalidf("webp: frame says %d×%d pixels, its picture %d×%d", w, h, f.w, f.h)
	}
	return nil
}

func le24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func (f *webpHead) decode(d decodeContext) (*Image, error) {
	out := newImage(d.info.Mode, d.info.Width, d.info.Height)
	n := out.Mode.Channels()
	at := func(y int) []uint8 { return out.Pix[n*((f.y+y)*out.Width+f.x):][:n*f.w] }
	src, err := f.planes()
	if err != nil {
		return nil, damaged("webp", err)
	}
	if b := src.Bounds(); b.Dx() != f.w || b.Dy() != f.h {
		return nil, invalidf("webp: frame says %d×%d pixels, its picture %d×%d", f.w, f.h, b.Dx(), b.Dy())
	}
	opaque := !f.lossless || f.bits[4]&0x10 == 0
	if opaque && n == 4 {
		for y := range f.h {
			for row, i := at(y), 3; i < len(row); i += 4 {
				row[i] = 255
			}
		}
	}
	switch src := src.(type) {
	case *image.NRGBA:
		copied := n
		if opaque {
			copied = 3
		}
		for y := range f.h {
			row, from := at(y), src.Pix[y*src.Stride:]
			for x := range f.w {
				copy(row[n*x:n*x+copied], from[4*x:])
			}
		}
	case *image.YCbCr:
		vp8ToRGB(at, n, src, f.w, f.h)
	case *image.NYCbCrA:
		vp8ToRGB(at, n, &src.YCbCr, f.w, f.h)
		for y := range f.h {
			row, alpha := at(y), src.A[y*src.AStride:]
			for x := 0; n == 4 && x < f.w; x++ {
				row[4*x+3] = alpha[x]
			}
		}
	default:
		return nil, invalidf("webp: unexpected pixel layout %T", src)
	}
	return out, nil
}

// planes runs the decoder for the frame's kind.
func (f *webpHead) planes() (image.Image, error) {
	if f.lossless {
		return vp8l.Decode(bytes.NewReader(f.bits))
	}
	if f.alph == nil {
		d := vp8.NewDecoder()
		d.Init(bytes.NewReader(f.bits), len(f.bits))
		if _, err := d.DecodeFrameHeader(); err != nil {
			return nil, err
		}
		m, err := d.DecodeFrame()
		if err != nil {
			return nil, err
		}
		return m, nil
	}
	// The alpha decoder is not exported: hand it a file of this frame alone.
	size := func(v int) []byte { return []byte{byte(v - 1), byte((v - 1) >> 8), byte((v - 1) >> 16)} }
	body := []byte("WEBP")
	body = appendChunk(body, "VP8X", append(append([]byte{webpAlpha, 0, 0, 0}, size(f.w)...), size(f.h)...))
	body = appendChunk(body, "ALPH", f.alph)
	body = appendChunk(body, "VP8 ", f.bits)
	return webp.Decode(bytes.NewReader(appendChunk(nil, "RIFF", body)))
}

func appendChunk(dst []byte, kind string, body []byte) []byte {
	dst = append(dst, kind...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(body)))
	dst = append(dst, body...)
	if len(body)%2 != 0 {
		dst = append(dst, 0)
	}
	return dst
}

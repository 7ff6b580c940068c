package pixel

import (
	"bytes"
	"encoding/binary"
)

// exifOrientation returns the orientation, 1 to 8, that an EXIF block says, or
// 1 if it says none. The block may start with "Exif\0\0", as in JPEG and in
// some WebP files. A damaged block says none: it does not hurt the pixels.
func exifOrientation(block []byte) int {
	block = bytes.TrimPrefix(block, []byte("Exif\x00\x00"))
	f, ok := openIFD(block)
	if !ok {
		return 1
	}
	if v := f.uints(tagOrientation); len(v) > 0 && v[0] >= 1 && v[0] <= 8 {
		return int(v[0])
	}
	return 1
}

const tagOrientation = 274 // TIFF 6.0, section 8; shared by EXIF

// An ifd is the first image file directory of a TIFF file or EXIF block.
type ifd struct {
	data    []byte
	order   binary.ByteOrder
	entries []byte // 12 bytes each
}

// openIFD finds the first directory of data; entries past the end are left out.
func openIFD(data []byte) (ifd, bool) {
	f := ifd{data: data, order: binary.LittleEndian}
	if len(data) < 8 {
		return f, false
	}
	switch string(data[:4]) {
	case "II*\x00":
	case "MM\x00*":
		f.order = binary.BigEndian
	default:
		return f, false
	}
	off := uint64(f.order.Uint32(data[4:]))
	if off+2 > uint64(len(data)) {
		return f, false
	}
	n := uint64(f.order.Uint16(data[off:]))
	n = min(n, (uint64(len(data))-off-2)/12)
	f.entries = data[off+2 : off+2+12*n]
	return f, true
}

// uints returns the values of a BYTE, SHORT or LONG tag, at most 1024 of them;
// nil if the tag is absent, of another type or past the end of the data.
func (f ifd) uints(tag uint16) []uint32 {
	for e := f.entries; len(e) >= 12; e = e[12:] {
		if f.order.Uint16(e) != tag {
			continue
		}
		size, ok := map[uint16]uint64{1: 1, 3: 2, 4: 4}[f.order.Uint16(e[2:])]
		if !ok {
			return nil
		}
		n := min(uint64(f.order.Uint32(e[4:])), 1024)
		raw := e[8:12]
		if n*size > 4 {
			off := uint64(f.order.Uint32(e[8:]))
			if off+n*size > uint64(len(f.data)) {
				return nil
			}
			raw = f.data[off : off+n*size]
		}
		out := make([]uint32, n)
		for i := range out {
			switch size {
			case 1:
				out[i] = uint32(raw[i])
			case 2:
				out[i] = uint32(f.order.Uint16(raw[2*i:]))
			default:
				out[i] = f.order.Uint32(raw[4*i:])
			}
		}
		return out
	}
	return nil
}

// Oriented returns the image turned for display as the EXIF orientation says:
// 2 mirrored left to right, 3 turned by 180°, 4 mirrored top to bottom,
// 5 transposed, 6 turned 90° clockwise, 7 transposed along the other diagonal,
// 8 turned 90° anticlockwise. Any other value returns img itself. Models never
// see the result; it is for people.
func (img *Image) Oriented(orientation int) *Image {
	if orientation < 2 || orientation > 8 {
		return img
	}
	w, h := img.Width, img.Height
	if orientation >= 5 {
		w, h = h, w
	}
	out := newImage(img.Mode, w, h)
	out.Palette = img.Palette
	n := img.Mode.Channels()
	for y := range h {
		for x := range w {
			sx, sy := orientedSource(orientation, x, y, img.Width, img.Height)
			from, to := sy*img.Width+sx, y*w+x
			if img.Mode == I16 {
				out.Pix16[to] = img.Pix16[from]
				continue
			}
			copy(out.Pix[n*to:n*to+n], img.Pix[n*from:n*from+n])
		}
	}
	return out
}

// orientedSource returns where in the stored image, of w×h pixels, the pixel
// shown at x, y comes from (EXIF 2.32, tag 0x0112).
func orientedSource(orientation, x, y, w, h int) (sx, sy int) {
	switch orientation {
	case 2:
		return w - 1 - x, y
	case 3:
		return w - 1 - x, h - 1 - y
	case 4:
		return x, h - 1 - y
	case 5:
		return y, x
	case 6:
		return y, h - 1 - x
	case 7:
		return w - 1 - y, h - 1 - x
	default: // 8
		return w - 1 - y, x
	}
}

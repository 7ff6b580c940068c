package pixel

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// decodePlainPNG decodes the PNG files that most generators write: 8-bit RGB or
// RGBA, not interlaced, every chunk in its place. That is twice as fast as the
// standard library, which makes pixels of four bytes first and filters byte by
// byte. It returns nil for every other file and for every damaged one: the
// standard library has the last word on those, and on what is wrong with them.
func decodePlainPNG(d decodeContext) *Image {
	const depthAt, interlaceAt = 24, 28
	bpp := map[Mode]int{RGB: 3, RGBA: 4}[d.info.Mode]
	if bpp == 0 || len(d.data) < 33 || d.data[depthAt] != 8 || d.data[depthAt+2] != 0 || d.data[depthAt+3] != 0 || d.data[interlaceAt] != 0 {
		return nil
	}
	parts, ok := pngData(d.data[len(pngMagic):])
	if !ok {
		return nil
	}
	z, err := zlib.NewReader(io.MultiReader(parts...))
	if err != nil {
		return nil
	}
	defer z.Close()
	w, h := d.info.Width*bpp, d.info.Height
	img := newImage(d.info.Mode, d.info.Width, h)
	// A row comes as the number of its filter and w bytes. It is read to its place,
	// the filter's number into what is free there or read already.
	var kind [1]byte
	above := make([]uint8, w) // the first row has zeros above it
	for y := range h {
		row := img.Pix[y*w : (y+1)*w : (y+1)*w]
		if _, err := io.ReadFull(z, kind[:]); err != nil {
			return nil
		}
		if _, err := io.ReadFull(z, row); err != nil || !unfilter(kind[0], row, above, bpp) {
			return nil
		}
		above = row
	}
	// The stream must end here, its checksum right.
	if n, err := z.Read(kind[:]); n != 0 || err != io.EOF {
		return nil
	}
	return img
}

// pngData returns the image data of a PNG file after its magic number, chunk by
// chunk, or false unless the file is whole: IHDR, chunks that have no say in what the
// pixels are, the data, other such chunks, IEND, every checksum right.
func pngData(rest []byte) (parts []io.Reader, ok bool) {
	const before, within, after = 0, 1, 2
	state := before
	for first := true; ; first = false {
		if len(rest) < 12 {
			return nil, false
		}
		n := binary.BigEndian.Uint32(rest)
		if uint64(n)+12 > uint64(len(rest)) {
			return nil, false
		}
		kind, body := string(rest[4:8]), rest[8:8+n]
		if crc32.ChecksumIEEE(rest[4:8+n]) != binary.BigEndian.Uint32(rest[8+n:]) || first != (kind == "IHDR") {
			return nil, false
		}
		switch {
		case kind == "IDAT" && state != after:
			state = within
			parts = append(parts, bytes.NewReader(body))
		case kind == "IEND":
			return parts, state != before && n == 0
		case kind == "IDAT", kind == "tRNS", kind == "PLTE":
			return nil, false
		case state == within:
			state = after
		}
		rest = rest[12+n:]
	}
}

// unfilter turns a row back into samples, given the row above and the bytes a
// pixel takes. It reports whether there is such a filter. PNG specification,
// section 9.
func unfilter(kind byte, row, above []uint8, bpp int) bool {
	above = above[:len(row)]
	switch kind {
	case 0:
	case 1:
		for i := bpp; i < len(row); i++ {
			row[i] += row[i-bpp]
		}
	case 2:
		addBytes(row, above)
	case 3:
		for i := range bpp {
			row[i] += above[i] / 2
		}
		for i := bpp; i < len(row); i++ {
			row[i] += uint8((int(row[i-bpp]) + int(above[i])) / 2)
		}
	case 4:
		if bpp == 3 {
			paeth3(row, above)
		} else {
			paeth4(row, above)
		}
	default:
		return false
	}
	return true
}

// addBytes adds b to a byte by byte, modulo 256, eight at a time.
func addBytes(a, b []uint8) {
	const low, high = 0x7f7f7f7f7f7f7f7f, 0x8080808080808080
	for len(a) >= 8 && len(b) >= 8 {
		x, y := binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b)
		binary.LittleEndian.PutUint64(a, (x&low+y&low)^((x^y)&high))
		a, b = a[8:], b[8:]
	}
	for i, v := range b {
		a[i] += v
	}
}

// paeth3 undoes the fourth filter for pixels of three bytes: to each is added
// whichever of left (a), above (b) and above left (c) is nearest to a + b − c, the
// earlier one of equals. It is written out so that neighbours stay in registers.
func paeth3(row, above []uint8) {
	var a0, a1, a2, c0, c1, c2 int
	for len(row) >= 3 && len(above) >= 3 {
		b0, b1, b2 := int(above[0]), int(above[1]), int(above[2])
		p0, d0 := nearer(a0, magnitude(b0-c0), b0, magnitude(a0-c0))
		p1, d1 := nearer(a1, magnitude(b1-c1), b1, magnitude(a1-c1))
		p2, d2 := nearer(a2, magnitude(b2-c2), b2, magnitude(a2-c2))
		p0, _ = nearer(p0, d0, c0, magnitude(a0+b0-2*c0))
		p1, _ = nearer(p1, d1, c1, magnitude(a1+b1-2*c1))
		p2, _ = nearer(p2, d2, c2, magnitude(a2+b2-2*c2))
		a0, a1, a2 = (int(row[0])+p0)&255, (int(row[1])+p1)&255, (int(row[2])+p2)&255
		row[0], row[1], row[2] = uint8(a0), uint8(a1), uint8(a2)
		c0, c1, c2 = b0, b1, b2
		row, above = row[3:], above[3:]
	}
}

// paeth4 does so for pixels of four.
func paeth4(row, above []uint8) {
	var a0, a1, a2, a3, c0, c1, c2, c3 int
	for len(row) >= 4 && len(above) >= 4 {
		b0, b1, b2, b3 := int(above[0]), int(above[1]), int(above[2]), int(above[3])
		p0, d0 := nearer(a0, magnitude(b0-c0), b0, magnitude(a0-c0))
		p1, d1 := nearer(a1, magnitude(b1-c1), b1, magnitude(a1-c1))
		p2, d2 := nearer(a2, magnitude(b2-c2), b2, magnitude(a2-c2))
		p3, d3 := nearer(a3, magnitude(b3-c3), b3, magnitude(a3-c3))
		p0, _ = nearer(p0, d0, c0, magnitude(a0+b0-2*c0))
		p1, _ = nearer(p1, d1, c1, magnitude(a1+b1-2*c1))
		p2, _ = nearer(p2, d2, c2, magnitude(a2+b2-2*c2))
		p3, _ = nearer(p3, d3, c3, magnitude(a3+b3-2*c3))
		a0, a1, a2, a3 = (int(row[0])+p0)&255, (int(row[1])+p1)&255, (int(row[2])+p2)&255, (int(row[3])+p3)&255
		row[0], row[1], row[2], row[3] = uint8(a0), uint8(a1), uint8(a2), uint8(a3)
		c0, c1, c2, c3 = b0, b1, b2, b3
		row, above = row[4:], above[4:]
	}
}

// nearer returns q and its distance e if that is below d, and else p and d. It has
// no jump, since which way one would go is as good as random.
func nearer(p, d, q, e int) (int, int) {
	m := (e - d) >> 63 // all ones if q is nearer
	return p ^ (p^q)&m, d ^ (d^e)&m
}

func magnitude(x int) int {
	s := x >> 63
	return (x ^ s) - s
}

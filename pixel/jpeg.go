package pixel

import (
	"bytes"
)

// JPEG markers, ITU-T T.81 table B.1.
const (
	markerSOF0  = 0xc0 // baseline
	markerSOF2  = 0xc2 // progressive
	markerDHT   = 0xc4
	markerJPG   = 0xc8
	markerDAC   = 0xcc
	markerSOF15 = 0xcf
	markerRST0  = 0xd0
	markerSOI   = 0xd8
	markerEOI   = 0xd9
	markerSOS   = 0xda
	markerDQT   = 0xdb
	markerDRI   = 0xdd
	markerAPP0  = 0xe0
	markerAPP1  = 0xe1
	markerAPP14 = 0xee
	markerTEM   = 0x01
)

// A jpegHead is what stands in a JPEG file before its first scan.
type jpegHead struct {
	width, height int
	progressive   bool
	comps         []jpegComp
	jfif          bool
	adobe         int // the colour transform that Adobe's segment says, -1 without one
	orientation   int
}

// A jpegComp is one component of the frame: sampling factors are 1 to 4 and
// divide the largest of the frame; tq is the number of its quantisation table.
type jpegComp struct {
	id   byte
	h, v int
	tq   int
}

func parseJPEG(data []byte) (header, error) {
	j, err := readJPEGHead(data)
	if err != nil {
		return header{}, err
	}
	info := Info{Width: j.width, Height: j.height, Orientation: j.orientation}
	switch len(j.comps) {
	case 1:
		info.Mode = Gray
	case 3:
		info.Mode = RGB
	case 4:
		info.Mode = CMYK
	default:
		return header{}, invalidf("jpeg: %d components; 1, 3 and 4 can be read", len(j.comps))
	}
	return header{info, j.decode}, nil
}

// A segment is one marker of a JPEG file and what belongs to it.
type segment struct {
	marker byte
	body   []byte // without the length
	end    int    // offset of what comes next
}

// nextSegment returns the first segment at or after off. What is no marker, and
// markers that mean nothing outside of a scan, are gone over, as libjpeg does.
func nextSegment(data []byte, off int) (segment, error) {
	for {
		marker, end := nextMarker(data, off)
		switch {
		case marker == 0:
			return segment{}, invalidf("jpeg: ends early, after %d bytes, without an end marker", len(data))
		case marker == markerTEM || marker >= markerRST0 && marker < markerSOI:
			off = end
			continue
		case marker == markerEOI:
			return segment{marker: marker, end: end}, nil
		case marker == markerSOI:
			return segment{}, invalidf("jpeg: two start markers")
		}
		c := cursor{data: data, off: end}
		n := c.be16()
		body := c.take(n - 2)
		if n < 2 || c.over {
			return segment{}, invalidf("jpeg: segment 0x%02x of %d bytes runs past the end of the file", marker, n)
		}
		return segment{marker, body, c.off}, nil
	}
}

// isFrame reports whether a marker starts a frame header.
func isFrame(marker byte) bool {
	return marker >= markerSOF0 && marker <= markerSOF15 && marker != markerDHT && marker != markerJPG && marker != markerDAC
}

// readJPEGHead walks the segments up to the first scan.
func readJPEGHead(data []byte) (*jpegHead, error) {
	j := &jpegHead{orientation: 1, adobe: -1}
	for off := 2; ; {
		s, err := nextSegment(data, off)
		if err != nil {
			return nil, err
		}
		switch {
		case s.marker == markerEOI:
			return nil, invalidf("jpeg: ends without a picture")
		case s.marker == markerSOS && j.comps == nil:
			return nil, invalidf("jpeg: a scan comes before the frame header")
		case s.marker == markerSOS:
			return j, nil
		}
		if err := j.segment(s); err != nil {
			return nil, err
		}
		off = s.end
	}
}

// segment takes in one segment. What makes a JFIF or Adobe segment is as in libjpeg.
func (j *jpegHead) segment(s segment) error {
	switch {
	case s.marker == markerAPP0 && len(s.body) >= 14 && bytes.HasPrefix(s.body, []byte("JFIF\x00")):
		j.jfif = true
	case s.marker == markerAPP1 && bytes.HasPrefix(s.body, []byte("Exif\x00\x00")):
		j.orientation = exifOrientation(s.body)
	case s.marker == markerAPP14 && len(s.body) >= 12 && string(s.body[:5]) == "Adobe":
		j.adobe = int(s.body[11])
	case isFrame(s.marker) && s.marker <= markerSOF2:
		j.progressive = s.marker == markerSOF2
		return j.frame(s.body)
	case isFrame(s.marker):
		return invalidf("jpeg: coding process 0x%02x (lossless, hierarchical or arithmetic) is not supported; save it as baseline or progressive", s.marker)
	}
	return nil
}

func (j *jpegHead) frame(body []byte) error {
	if j.comps != nil {
		return invalidf("jpeg: two frame headers")
	}
	c := cursor{data: body}
	bits := c.u8()
	j.height, j.width = c.be16(), c.be16()
	for range c.u8() {
		id, hv := c.u8(), c.u8()
		j.comps = append(j.comps, jpegComp{byte(id), hv >> 4, hv & 15, c.u8()})
	}
	if c.over {
		return invalidf("jpeg: frame header of %d bytes is too short", len(body))
	}
	if bits != 8 {
		return invalidf("jpeg: %d bits a sample; 8 can be read", bits)
	}
	return j.checkComps()
}

// checkComps holds the components against T.81, B.2.2. Ratios that are no whole
// numbers are refused, as libjpeg does.
func (j *jpegHead) checkComps() error {
	hmax, vmax := j.maxFactors()
	for i, c := range j.comps {
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || hmax%c.h != 0 || vmax%c.v != 0 {
			return invalidf("jpeg: sampling factors %d×%d beside %d×%d; they go from 1 to 4 and must divide the largest", c.h, c.v, hmax, vmax)
		}
		if c.tq > 3 {
			return invalidf("jpeg: quantisation table %d; 0 to 3 exist", c.tq)
		}
		for _, other := range j.comps[:i] {
			if other.id == c.id {
				return invalidf("jpeg: two components are numbered %d", c.id)
			}
		}
	}
	if len(j.comps) == 1 { // factors are relative, and a lone component is never interleaved
		j.comps[0].h, j.comps[0].v = 1, 1
	}
	return nil
}

// maxFactors returns the largest sampling factors of the frame.
func (j *jpegHead) maxFactors() (h, v int) {
	h, v = 1, 1
	for _, c := range j.comps {
		h, v = max(h, c.h), max(v, c.v)
	}
	return h, v
}

// isYCC reports whether the first three components are luma and chroma, by
// libjpeg's rules: for three components a JFIF segment says so, else Adobe's says
// what they are, else all are but those that are called R, G and B.
func (j *jpegHead) isYCC() bool {
	switch {
	case len(j.comps) == 4:
		return j.adobe > 0
	case len(j.comps) < 3:
		return false
	case j.jfif:
		return true
	case j.adobe >= 0:
		return j.adobe != 0
	}
	return j.comps[0].id != 'R' || j.comps[1].id != 'G' || j.comps[2].id != 'B'
}

// decode reads the scans, brings the components to full size and converts them.
func (j *jpegHead) decode(d decodeContext) (*Image, error) {
	r := newJPEGDecoder(d, j)
	if err := r.readAll(); err != nil {
		return nil, err
	}
	if err := r.samples(); err != nil {
		return nil, err
	}
	out := newImage(d.info.Mode, j.width, j.height)
	hmax, vmax := j.maxFactors()
	planes := make([]*plane, len(r.comps))
	for i, c := range r.comps {
		planes[i] = newPlane(c.pix, c.stride, j.width, j.height, hmax/c.h, vmax/c.v)
	}
	write := writeRow(j.isYCC(), len(planes))
	rows, n := make([][]uint8, len(planes)), out.Mode.Channels()*j.width
	for y := range j.height {
		for i, p := range planes {
			rows[i] = p.row(y)[:j.width]
		}
		write(out.Pix[y*n:(y+1)*n], rows)
		if y%64 == 0 && d.ctx.Err() != nil {
			return nil, d.ctx.Err()
		}
	}
	return out, nil
}

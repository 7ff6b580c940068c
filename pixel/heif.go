package pixel

import (
	"encoding/binary"
	"slices"
)

// A heif is what the container of an AVIF or HEIC file (ISO/IEC 23008-12) says
// of its primary item.
type heif struct {
	w, h       int // of the ispe property: before rotation
	rotate     int // irot: quarter turns anticlockwise for display
	mirror     int // imir: 0 none, 1 top to bottom, 2 left to right
	clapW      int // clean aperture, which libheif crops to and libavif ignores; 0 if none
	clapH      int
	monochrome bool
	alpha      bool  // another item is its alpha plane
	premult    bool  // colour is stored premultiplied by it
	auxl       []int // offsets of the four letters of each auxl reference
	nclx       []byte
}

// isHEIF reports whether data is an ISO base media file with one of the brands.
func isHEIF(data []byte, brands ...string) bool {
	if len(data) < 12 || string(data[4:8]) != "ftyp" {
		return false
	}
	n := min(uint64(binary.BigEndian.Uint32(data)), uint64(len(data)))
	for at := uint64(8); at+4 <= n; at += 4 {
		if at != 12 && slices.Contains(brands, string(data[at:at+4])) { // 12 is the minor version
			return true
		}
	}
	return false
}

// A box is one box of the container. Its body is data[start:end] of the file.
type box struct {
	kind       string
	start, end int
}

// boxes calls visit for each box in data[start:end].
func boxes(data []byte, start, end int, visit func(b box) error) error {
	for at := start; at < end; {
		if end-at < 8 {
			return invalidf("container ends within a box header at byte %d", at)
		}
		size, head := uint64(binary.BigEndian.Uint32(data[at:])), 8
		b := box{kind: string(data[at+4 : at+8])}
		switch {
		case size == 0: // up to the end
			size = uint64(end - at)
		case size == 1 && end-at >= 16:
			size, head = binary.BigEndian.Uint64(data[at+8:]), 16
		}
		if size < uint64(head) || size > uint64(end-at) {
			return invalidf("box %q of %d bytes at byte %d runs past the end", b.kind, size, at)
		}
		b.start, b.end = at+head, at+int(size)
		if err := visit(b); err != nil {
			return err
		}
		at = b.end
	}
	return nil
}

// readHEIF reads the container in data.
func readHEIF(data []byte) (*heif, error) {
	r := heifReader{data: data, h: &heif{}}
	found := false
	err := boxes(data, 0, len(data), func(b box) error {
		if b.kind == "moov" {
			return r.tracks(b, "trak", "tref", "auxl")
		}
		if b.kind != "meta" || found {
			return nil
		}
		found = true
		if b.end-b.start < 4 {
			return invalidf("box \"meta\" of %d bytes is too short", b.end-b.start)
		}
		return boxes(data, b.start+4, b.end, r.meta)
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, invalidf("no box \"meta\": image sequences without a primary image are not supported")
	}
	return r.h, r.resolve()
}

// tracks notes where tracks of an image sequence refer to others as their
// alpha: in the boxes moov/trak/tref/auxl, of which path is what is left.
func (r *heifReader) tracks(b box, path ...string) error {
	if len(path) == 0 {
		r.h.auxl = append(r.h.auxl, b.start-4)
		return nil
	}
	return boxes(r.data, b.start, b.end, func(b box) error {
		if b.kind != path[0] {
			return nil
		}
		return r.tracks(b, path[1:]...)
	})
}

// A heifReader collects the boxes of "meta", whose order is free.
type heifReader struct {
	data    []byte
	h       *heif
	primary uint32
	props   []box // of ipco, in order; associations count from 1
	assoc   map[uint32][]int
	refs    []heifRef
}

// A heifRef says that item from describes, or is made of, other items.
type heifRef struct {
	kind string
	at   int // offset of kind
	from uint32
	to   []uint32
}

func (r *heifReader) meta(b box) error {
	c := cursor{data: r.data[:b.end], off: b.start}
	switch b.kind {
	case "pitm":
		version := c.be32() >> 24
		if version == 0 {
			r.primary = uint32(c.be16())
		} else {
			r.primary = c.be32()
		}
	case "iprp":
		return boxes(r.data, b.start, b.end, r.properties)
	case "iref":
		version := c.be32() >> 24
		return boxes(r.data, min(b.start+4, b.end), b.end, func(b box) error { return r.reference(b, version) })
	}
	if c.over {
		return invalidf("box %q of %d bytes is too short", b.kind, b.end-b.start)
	}
	return nil
}

func (r *heifReader) reference(b box, version uint32) error {
	c := cursor{data: r.data[:b.end], off: b.start}
	id := func() uint32 {
		if version == 0 {
			return uint32(c.be16())
		}
		return c.be32()
	}
	ref := heifRef{kind: b.kind, at: b.start - 4, from: id()}
	for range c.be16() {
		ref.to = append(ref.to, id())
		if c.over {
			return invalidf("box \"iref\" is too short")
		}
	}
	r.refs = append(r.refs, ref)
	return nil
}

func (r *heifReader) properties(b box) error {
	switch b.kind {
	case "ipco":
		return boxes(r.data, b.start, b.end, func(p box) error { r.props = append(r.props, p); return nil })
	case "ipma":
		if r.assoc == nil {
			r.assoc = map[uint32][]int{}
		}
		c := cursor{data: r.data[:b.end], off: b.start}
		head := c.be32()
		for n := c.be32(); n > 0 && !c.over; n-- {
			var item uint32
			if head>>24 < 1 {
				item = uint32(c.be16())
			} else {
				item = c.be32()
			}
			for range c.u8() {
				index := 0
				if head&1 != 0 {
					index = c.be16() & 0x7fff
				} else {
					index = c.u8() & 0x7f
				}
				r.assoc[item] = append(r.assoc[item], index)
			}
		}
		if c.over {
			return invalidf("box \"ipma\" is too short")
		}
	}
	return nil
}

// resolve reads the properties of the primary item and finds its alpha.
func (r *heifReader) resolve() error {
	for _, index := range r.assoc[r.primary] {
		if index < 1 || index > len(r.props) {
			continue // 0 stands for none
		}
		if err := r.property(r.props[index-1]); err != nil {
			return err
		}
	}
	if r.h.w == 0 || r.h.h == 0 {
		return invalidf("the primary image has no size")
	}
	for _, ref := range r.refs {
		switch {
		case ref.kind == "auxl" && slices.Contains(ref.to, r.primary) && r.isAlpha(ref.from):
			r.h.alpha = true
			r.h.auxl = append(r.h.auxl, ref.at)
		case ref.kind == "prem" && ref.from == r.primary:
			r.h.premult = true
		}
	}
	return nil
}

func (r *heifReader) isAlpha(item uint32) bool {
	for _, index := range r.assoc[item] {
		if index < 1 || index > len(r.props) || r.props[index-1].kind != "auxC" {
			continue
		}
		p := r.props[index-1]
		urn, _, _ := cutNUL(r.data[min(p.start+4, p.end):p.end])
		if urn == "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha" || urn == "urn:mpeg:hevc:2015:auxid:1" {
			return true
		}
	}
	return false
}

func cutNUL(b []byte) (before string, after []byte, found bool) {
	if i := slices.Index(b, 0); i >= 0 {
		return string(b[:i]), b[i+1:], true
	}
	return string(b), nil, false
}

func (r *heifReader) property(p box) error {
	c := cursor{data: r.data[:p.end], off: p.start}
	switch p.kind {
	case "ispe":
		c.take(4)
		w, h := c.be32(), c.be32()
		if w > 1<<31-1 || h > 1<<31-1 {
			return invalidf("image of %d×%d pixels is over what can be read", w, h)
		}
		r.h.w, r.h.h = int(w), int(h)
	case "irot":
		r.h.rotate = c.u8() & 3
	case "imir":
		r.h.mirror = 1 + c.u8()&1
	case "clap": // width and height as fractions, then the offset of the centre
		w, wd, h, hd := c.be32(), c.be32(), c.be32(), c.be32()
		if wd == 0 || hd == 0 || w%wd != 0 || h%hd != 0 || w/wd > 1<<31-1 || h/hd > 1<<31-1 {
			return invalidf("clean aperture of %d/%d×%d/%d pixels is not whole", w, wd, h, hd)
		}
		r.h.clapW, r.h.clapH = int(w/wd), int(h/hd)
	case "pixi": // a grid has this alone
		c.take(4)
		r.h.monochrome = c.u8() == 1
	case "av1C": // AV1 codec configuration, third byte
		c.take(2)
		r.h.monochrome = c.u8()&0x10 != 0
	case "hvcC": // HEVC decoder configuration: chroma_format_idc
		c.take(16)
		r.h.monochrome = c.u8()&3 == 0
	case "colr":
		if string(c.take(4)) == "nclx" {
			r.h.nclx = c.take(7)
		}
	}
	if c.over {
		return invalidf("box %q of %d bytes is too short", p.kind, p.end-p.start)
	}
	return nil
}

// orientation gives the EXIF orientation that stands for first turning by
// rotate and then mirroring.
func (h *heif) orientation() int {
	return [4][3]int{{1, 4, 2}, {8, 5, 7}, {3, 2, 4}, {6, 7, 5}}[h.rotate][h.mirror]
}

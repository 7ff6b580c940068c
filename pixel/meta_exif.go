package pixel

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
)

// jpeg adds what the EXIF segment of a JPEG file holds.
func (t *texts) jpeg(data []byte) {
	rest := data[2:]
	for len(rest) >= 4 && rest[0] == 0xff {
		marker := rest[1]
		if marker == 0xff { // fill byte
			rest = rest[1:]
			continue
		}
		if marker == 0xd9 || marker == 0xda { // end of image, start of scan
			return
		}
		n := int(binary.BigEndian.Uint16(rest[2:]))
		if n < 2 || 2+n > len(rest) {
			t.doubt("jpeg: segment %#x is longer than the file", marker)
			return
		}
		if body := rest[4 : 2+n]; marker == 0xe1 && bytes.HasPrefix(body, []byte("Exif\x00")) {
			t.exif(body)
		}
		rest = rest[2+n:]
	}
}

// webp adds what the EXIF chunk of a WebP file holds.
func (t *texts) webp(data []byte) {
	rest := data[12:]
	for len(rest) >= 8 {
		n := uint64(binary.LittleEndian.Uint32(rest[4:]))
		if n > uint64(len(rest)-8) {
			t.doubt("webp: the file ends within a chunk")
			return
		}
		if string(rest[:4]) == "EXIF" {
			t.exif(rest[8 : 8+n])
		}
		rest = rest[min(8+n+n%2, uint64(len(rest))):]
	}
}

// The tags that generators write text to (EXIF 2.32, section 4.6). Fooocus has
// its comment among the tags of the image, all others in the EXIF directory.
const (
	tagDescription = 0x010e
	tagMake        = 0x010f
	tagModel       = 0x0110
	tagSoftware    = 0x0131
	tagExif        = 0x8769
	tagMakerNote   = 0x927c
	tagUserComment = 0x9286
)

// exif adds the texts of a TIFF-structured EXIF block, with or without the
// "Exif\0\0" that JPEG puts before it.
func (t *texts) exif(block []byte) {
	if bytes.HasPrefix(block, []byte("Exif\x00")) && len(block) >= 6 {
		block = block[6:]
	}
	if len(block) < 8 {
		t.doubt("exif: block of %d bytes is too short", len(block))
		return
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(block[:4]) {
	case "II*\x00":
	case "MM\x00*":
		order = binary.BigEndian
	default:
		t.doubt("exif: block begins with neither byte order")
		return
	}
	sub := t.exifDirectory(block, order, order.Uint32(block[4:]))
	if sub != 0 {
		t.exifDirectory(block, order, sub)
	}
}

// exifDirectory adds the texts of the directory at off and returns the place of
// the EXIF directory it names, or 0. Directories are not followed further.
func (t *texts) exifDirectory(block []byte, order binary.ByteOrder, off uint32) (sub uint32) {
	if uint64(off)+2 > uint64(len(block)) {
		t.doubt("exif: directory at %d lies outside the block", off)
		return 0
	}
	entries := block[off+2:]
	for range order.Uint16(block[off:]) {
		if len(entries) < 12 {
			t.doubt("exif: directory at %d ends early", off)
			return sub
		}
		e := entries[:12]
		entries = entries[12:]
		tag, kind, n := order.Uint16(e), order.Uint16(e[2:]), order.Uint32(e[4:])
		if tag == tagExif && kind == 4 {
			sub = order.Uint32(e[8:])
			continue
		}
		if kind != 1 && kind != 2 && kind != 7 { // bytes, ASCII, undefined
			continue
		}
		value := e[8:]
		if n > 4 {
			at := uint64(order.Uint32(e[8:]))
			if at+uint64(n) > uint64(len(block)) {
				t.doubt("exif: value of tag %#x lies outside the block", tag)
				continue
			}
			value = block[at : at+uint64(n)]
		} else {
			value = value[:n]
		}
		t.exifText(tag, value, order)
	}
	return sub
}

func (t *texts) exifText(tag uint16, value []byte, order binary.ByteOrder) {
	switch tag {
	case tagUserComment:
		t.add("UserComment", userComment(value, order))
	case tagSoftware:
		t.add("Software", looseText(bytes.TrimRight(value, "\x00")))
	case tagMakerNote:
		// A camera's note is binary and long; a scheme's name is neither.
		if len(value) <= 32 && utf8.Valid(value) {
			t.add("MakerNote", string(value))
		}
	case tagDescription, tagMake, tagModel:
		// ComfyUI's animated WebP: "prompt:{…}" and "workflow:{…}".
		name, text, ok := strings.Cut(looseText(bytes.TrimRight(value, "\x00")), ":")
		if name = strings.ToLower(name); ok && (name == "prompt" || name == "workflow") {
			t.add(name, text)
		}
	}
}

// userComment decodes an EXIF user comment, whose first 8 bytes should name its
// character code. Programs that leave the code out write UTF-8.
func userComment(value []byte, order binary.ByteOrder) string {
	if len(value) < 8 {
		return looseText(value)
	}
	switch code, text := string(value[:8]), value[8:]; code {
	case "ASCII\x00\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x00":
		return looseText(text)
	case "UNICODE\x00":
		return wideText(text, order)
	case "JIS\x00\x00\x00\x00\x00":
		if s, err := japanese.ISO2022JP.NewDecoder().Bytes(text); err == nil {
			return string(s)
		}
		return looseText(text)
	}
	return looseText(value)
}

// wideText decodes UTF-16. The byte order should be that of the block, but
// piexif, which A1111 uses, always writes big endian, and others little: a byte
// order mark decides, else the side on which the zeros of the Latin letters
// are, else order. Text without a single zero that is UTF-8 is taken as that.
func wideText(b []byte, order binary.ByteOrder) string {
	if bytes.IndexByte(b, 0) < 0 && utf8.Valid(b) {
		return string(b)
	}
	even, odd := 0, 0 // zeros at even and odd places
	for i, c := range b {
		if c == 0 && i%2 == 0 {
			even++
		} else if c == 0 {
			odd++
		}
	}
	switch {
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		order, b = binary.BigEndian, b[2:]
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		order, b = binary.LittleEndian, b[2:]
	case even > odd:
		order = binary.BigEndian
	case odd > even:
		order = binary.LittleEndian
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

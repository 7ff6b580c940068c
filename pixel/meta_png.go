package pixel

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"
	"unicode/utf8"
)

// png adds the text chunks and the EXIF chunk of a PNG file (PNG specification,
// third edition, sections 11.3.3 and 11.3.4.4), wherever they stand.
func (t *texts) png(data []byte) {
	rest := data[8:]
	for len(rest) >= 12 {
		n := uint64(binary.BigEndian.Uint32(rest))
		if n > uint64(len(rest)-12) {
			t.doubt("png: the file ends within a chunk")
			return
		}
		kind, body := string(rest[4:8]), rest[8:8+n]
		sum := binary.BigEndian.Uint32(rest[8+n:])
		checked := rest[4 : 8+n]
		rest = rest[12+n:]
		switch kind {
		case "tEXt", "zTXt", "iTXt", "eXIf":
			if crc32.ChecksumIEEE(checked) != sum {
				t.doubt("png: checksum of a %s chunk is wrong: its text may be damaged", kind)
			}
			t.pngText(kind, body)
		case "IEND":
			return
		}
	}
}

func (t *texts) pngText(kind string, body []byte) {
	if kind == "eXIf" {
		t.exif(body)
		return
	}
	key, body, ok := bytes.Cut(body, []byte{0})
	name := pngKey(string(key))
	if !ok || name == "" {
		return
	}
	packed := kind == "zTXt"
	if kind == "iTXt" {
		// Flag, method, then language and translated keyword, each ended by 0.
		if len(body) < 2 {
			t.doubt("png: iTXt chunk %q is too short", name)
			return
		}
		packed = body[0] != 0
		method := body[1]
		_, body, _ = bytes.Cut(body[2:], []byte{0})
		_, body, ok = bytes.Cut(body, []byte{0})
		if !ok {
			t.doubt("png: iTXt chunk %q lacks its text", name)
			return
		}
		if packed {
			body = append([]byte{method}, body...)
		}
	}
	if packed {
		var err error
		if body, err = inflate(body); err != nil {
			t.doubt("png: %s chunk %q: %w", kind, name, err)
			return
		}
	}
	t.add(name, looseText(body))
}

// pngKey returns the name under which the text of a keyword is kept, empty if
// no reader asks for it.
func pngKey(key string) string {
	switch key {
	case "dream":
		return "Dream"
	case "Title", "Description", "Software", "Source", "Comment":
		return key
	}
	if told(key) {
		return key
	}
	return ""
}

// inflate unpacks a method byte and a zlib stream, up to one byte over maxText.
func inflate(body []byte) ([]byte, error) {
	if len(body) < 1 || body[0] != 0 {
		return nil, invalidf("compression method is not 0 (deflate)")
	}
	z, err := zlib.NewReader(bytes.NewReader(body[1:]))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return io.ReadAll(io.LimitReader(z, maxText+1))
}

// looseText returns bytes as text: UTF-8 if they are, else Latin-1, which is
// what PNG's older chunks hold by the book. Many programs write UTF-8 there.
func looseText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

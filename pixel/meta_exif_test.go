package pixel

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
)

// A tag is one text value of an EXIF block.
type tag struct {
	id    uint16
	value string
}

// tiffBlock writes an EXIF block: the user comment and maker note in an EXIF
// directory, the other tags in the first.
func tiffBlock(order binary.AppendByteOrder, tags ...tag) []byte {
	b := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM\x00*")
	}
	b = order.AppendUint32(b, 8)
	var first, sub []tag
	for _, t := range tags {
		if t.id == tagUserComment || t.id == tagMakerNote {
			sub = append(sub, t)
		} else {
			first = append(first, t)
		}
	}
	size := func(n int) uint32 { return uint32(2 + 12*n + 4) }
	at := 8 + size(len(first)+1) + size(len(sub))
	var values []byte
	entry := func(t tag) {
		b = order.AppendUint16(b, t.id)
		b = order.AppendUint16(b, 7)
		b = order.AppendUint32(b, uint32(len(t.value)))
		if len(t.value) <= 4 {
			b = append(b, (t.value + "\x00\x00\x00\x00")[:4]...)
			return
		}
		b = order.AppendUint32(b, at+uint32(len(values)))
		values = append(values, t.value...)
	}
	b = order.AppendUint16(b, uint16(len(first)+1))
	for _, t := range first {
		entry(t)
	}
	b = order.AppendUint16(b, tagExif)
	b = order.AppendUint16(b, 4)
	b = order.AppendUint32(b, 1)
	b = order.AppendUint32(b, 8+size(len(first)+1))
	b = order.AppendUint32(b, 0)
	b = order.AppendUint16(b, uint16(len(sub)))
	for _, t := range sub {
		entry(t)
	}
	b = order.AppendUint32(b, 0)
	return append(b, values...)
}

func jpegFile(exif []byte) []byte {
	b := []byte("\xff\xd8\xff\xe0\x00\x04JF\xff\xff\xe1")
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(exif)))
	b = append(b, "Exif\x00\x00"...)
	return append(append(b, exif...), "\xff\xda\x00\x02\xff\xd9"...)
}

func webpFile(exif string) []byte {
	body := "WEBPVP8 \x03\x00\x00\x00abc\x00EXIF" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(exif)))) + exif
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func wide(s string, order binary.AppendByteOrder) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

func TestUserComment(t *testing.T) {
	le, be := binary.AppendByteOrder(binary.LittleEndian), binary.AppendByteOrder(binary.BigEndian)
	text := strings.Replace(infotext, "castle", "城 château", 1)
	want := strings.Replace(infoMeta.Prompt, "castle", "城 château", 1)
	jis, err := japanese.ISO2022JP.NewEncoder().String(strings.Replace(infotext, "castle", "城", 1))
	if err != nil {
		t.Fatal(err)
	}
	for name, comment := range map[string]string{
		"unicode big endian":    "UNICODE\x00" + wide(text, be),
		"unicode little endian": "UNICODE\x00" + wide(text, le),
		"marked big":            "UNICODE\x00\xfe\xff" + wide(text, be),
		"marked little":         "UNICODE\x00\xff\xfe" + wide(text, le),
		"utf-8 called unicode":  "UNICODE\x00" + text,
		"ascii":                 "ASCII\x00\x00\x00" + text,
		"undefined":             "\x00\x00\x00\x00\x00\x00\x00\x00" + text,
		"no code":               text + "\x00",
		"jis":                   "JIS\x00\x00\x00\x00\x00" + jis,
	} {
		want := want
		if name == "jis" {
			want = strings.Replace(infoMeta.Prompt, "castle", "城", 1)
		}
		for _, order := range []binary.AppendByteOrder{le, be} {
			block := tiffBlock(order, tag{tagUserComment, comment}, tag{tagMake, "abc"})
			for container, file := range map[string][]byte{
				"jpeg":             jpegFile(block),
				"webp":             webpFile(string(block)),
				"webp with prefix": webpFile("Exif\x00\x00" + string(block)),
				"png":              pngFile(chunk("eXIf", string(block))),
			} {
				m, doubts := ReadMeta(file)
				if m.Generator != "a1111" || m.Prompt != want || m.Settings["seed"] != "1234567890" || len(doubts) > 0 {
					t.Errorf("%s, %v, %s: generator %q, prompt %q, doubts %v", name, order, container, m.Generator, m.Prompt, doubts)
				}
			}
		}
	}
}

// TestComfyWebP: ComfyUI's animated WebP has its graphs in the make and model.
func TestComfyWebP(t *testing.T) {
	block := tiffBlock(binary.LittleEndian, tag{tagMake, "workflow:{}\x00"}, tag{tagModel, "prompt:" + smallGraph + "\x00"})
	m, doubts := ReadMeta(webpFile(string(block)))
	if m.Generator != comfyUI || m.Prompt != "a red fox" || m.Negative != "text" || len(doubts) > 0 {
		t.Errorf("%+v, %v", m, doubts)
	}
}

func FuzzExif(f *testing.F) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		f.Add(tiffBlock(order, tag{tagUserComment, "UNICODE\x00" + wide(infotext, order)}, tag{tagSoftware, "Fooocus v2"}))
		f.Add(tiffBlock(order, tag{tagUserComment, "JIS\x00\x00\x00\x00\x00\x1b$B8\x1b(B"}, tag{tagModel, "prompt:" + smallGraph}))
	}
	f.Add([]byte("MM\x00*\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, block []byte) {
		found := &texts{at: map[string]string{}}
		found.exif(block)
		for name, text := range found.at {
			if !utf8.ValidString(text) || len(text) > maxText {
				t.Errorf("%s: %d bytes, UTF-8 %v", name, len(text), utf8.ValidString(text))
			}
			// UTF-16 grows to at most three bytes a unit of two, Latin-1 to two a byte;
			// JIS to three a byte with replacement characters.
			if len(text) > 3*len(block) {
				t.Errorf("%s: %d bytes from a block of %d", name, len(text), len(block))
			}
		}
		if slices.Contains(found.doubts, nil) {
			t.Error(fmt.Errorf("nil among the doubts"))
		}
	})
}

package token

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// What a character may be when UTF-8 was read in a one-byte encoding, as bits of
// tables.clues.
const (
	firstOf2 uint8 = 1 << iota
	firstOf3
	firstOf4
	continuation
	continuationStrict // without spaces, dashes and quotes, which stand for themselves too
)

// clueBits are the clues by their names in tables.txt.
var clueBits = map[string]uint8{
	"utf8_first_of_2": firstOf2, "utf8_first_of_3": firstOf3, "utf8_first_of_4": firstOf4,
	"utf8_continuation": continuation, "utf8_continuation_strict": continuationStrict,
}

// An encoding is a one-byte encoding with ASCII in its lower half. A sloppy one
// has no holes: bytes that mean nothing are C1 controls, and the byte 1A stands
// for U+FFFD, a character that was already lost.
type encoding struct {
	name   string
	sloppy bool
	chars  []rune // of the bytes 80 to FF
	bytes  map[rune]byte
}

// windows1252 is the place of that encoding in tables.encodings.
const windows1252 = 1

func newEncoding(name string) encoding {
	e := encoding{name: name, sloppy: strings.HasPrefix(name, "sloppy"), bytes: map[rune]byte{}}
	if e.sloppy {
		e.bytes[utf8.RuneError] = 0x1A
	}
	return e
}

func (e *encoding) add(r rune) {
	e.bytes[r] = byte(0x80 + len(e.chars))
	e.chars = append(e.chars, r)
}

// encode returns text in e, or false if e lacks one of its characters.
func (e *encoding) encode(text []rune) ([]byte, bool) {
	out := make([]byte, len(text))
	for i, r := range text {
		if r < 0x80 && (r != 0x1A || !e.sloppy) {
			out[i] = byte(r)
			continue
		}
		b, ok := e.bytes[r]
		if !ok {
			return nil, false
		}
		out[i] = b
	}
	return out, true
}

// fixEncoding undoes readings in wrong encodings until none is seen, as
// ftfy.fix_encoding does.
func fixEncoding(text []rune) []rune {
	for {
		fixed := fixEncodingOnce(text)
		if slices.Equal(fixed, text) {
			return text
		}
		text = fixed
	}
}

func fixEncodingOnce(text []rune) []rune {
	if !slices.ContainsFunc(text, func(r rune) bool { return r >= 0x80 }) || !isBad(text) {
		return text
	}
	t := table()
	for i := range t.encodings {
		e := &t.encodings[i]
		data, ok := e.encode(text)
		if !ok {
			continue
		}
		if e.name != "macroman" { // there, an en dash before a space looks the same
			data = restoreA0(data)
		}
		if e.sloppy {
			data = replaceLossy(data)
		}
		if fixed, ok := decodeVariants(data); ok {
			return []rune(fixed)
		}
	}
	if fixed := fixEmbedded(text); !slices.Equal(fixed, text) {
		return fixed
	}
	// Also what is left of Latin-1 with C1 controls, which nobody wants.
	return fixC1(text)
}

// fixEmbedded repairs stretches that look like UTF-8 read as something else in
// text that has no one encoding.
func fixEmbedded(text []rune) []rune {
	out := make([]rune, 0, len(text))
	for i := 0; i < len(text); {
		n := embedded(text, i)
		if n == 0 {
			out = append(out, text[i])
			i++
			continue
		}
		part := text[i : i+n]
		if n < len(text) && isBad(part) { // shorter, or this would never end
			part = fixEncoding(part)
		}
		out = append(out, part...)
		i += n
	}
	return out
}

// embedded returns the length of the sequences at text[i:] that look like UTF-8,
// or 0. None begins right after what may be the end of another.
func embedded(text []rune, i int) int {
	clues := &table().clues
	if i > 0 && clues.at(text[i-1])&continuationStrict != 0 {
		return 0
	}
	end := i
	for end < len(text) {
		more := 0
		switch c := clues.at(text[end]); {
		case c&firstOf2 != 0:
			more = 1
		case c&firstOf3 != 0:
			more = 2
		case c&firstOf4 != 0:
			more = 3
		}
		if more == 0 || end+more >= len(text) || slices.ContainsFunc(text[end+1:end+1+more], func(r rune) bool {
			return clues.at(r)&continuation == 0
		}) {
			break
		}
		end += 1 + more
	}
	return end - i
}

// A byteRange holds the bytes lo to hi, and those of also.
type byteRange struct {
	lo, hi byte
	also   string
}

func (b byteRange) holds(c byte) bool {
	return b.lo <= c && c <= b.hi || strings.IndexByte(b.also, c) >= 0
}

// match returns the length of the first of the patterns that data begins with, or 0.
func match(patterns [][]byteRange, data []byte) int {
next:
	for _, p := range patterns {
		if len(data) < len(p) {
			continue
		}
		for i, b := range p {
			if !b.holds(data[i]) {
				continue next
			}
		}
		return len(p)
	}
	return 0
}

var (
	spaceByte  = byteRange{' ', ' ', ""}
	tailByte   = byteRange{0x80, 0xBF, ""}
	letterTail = byteRange{0x86, 0x9F, "\x80\x81\x82\x83\x84" +
		"\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf" +
		"\xb0\xb1\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xbb\xbc\xbd\xbe\xbf"} // 80-BF but 85 and A0
)

// altered are sequences that would be UTF-8 if a space were the byte A0, of the
// lead bytes for which that gives a likely character.
var altered = [][]byteRange{
	{{0, 0, "\xc2\xc3\xc5\xce\xd0\xd9"}, spaceByte},
	{{0xE2, 0xE3, ""}, spaceByte, letterTail},
	{{0xE0, 0xE3, ""}, letterTail, spaceByte},
	{{0xF0, 0xF0, ""}, spaceByte, tailByte, tailByte},
	{{0xF0, 0xF0, ""}, tailByte, spaceByte, tailByte},
	{{0xF0, 0xF0, ""}, tailByte, tailByte, spaceByte},
}

// restoreA0 puts A0 back where something made it a space. "Ã " as a word of its
// own was "à" with its space gone: that space is kept, but not before the endings
// that Portuguese joins to it.
func restoreA0(data []byte) []byte {
	found := false
	for i := range data {
		if data[i] >= 0x80 && match(altered, data[i:]) > 0 {
			found = true
			break
		}
	}
	if !found {
		return data
	}
	spread := make([]byte, 0, len(data)+8)
	for i := 0; i < len(data); i++ {
		if data[i] == 0xC3 && i+1 < len(data) && data[i+1] == ' ' && !joined(data[i+2:]) {
			spread = append(spread, 0xC3, 0xA0, ' ')
			i++
			continue
		}
		spread = append(spread, data[i])
	}
	for i := 0; i < len(spread); i++ {
		if n := match(altered, spread[i:]); n > 0 {
			for j := i; j < i+n; j++ {
				if spread[j] == ' ' {
					spread[j] = 0xA0
				}
			}
			i += n - 1
		}
	}
	return spread
}

// joined reports whether data goes on as a word that "à" is part of.
func joined(data []byte) bool {
	for _, s := range []string{" ", "quele", "quela", "quilo", "s "} {
		if bytes.HasPrefix(data, []byte(s)) {
			return true
		}
	}
	return false
}

// lossy are UTF-8 sequences some bytes of which were lost: 1A is a character that
// became U+FFFD, "?" may be one, at most once in a sequence.
var lossy = [][]byteRange{
	{{0xC2, 0xDF, ""}, {0x1A, 0x1A, ""}},
	{{0xC2, 0xC3, ""}, {'?', '?', ""}},
	{{0xED, 0xED, ""}, {0xA0, 0xAF, ""}, lost, {0xED, 0xED, ""}, {0xB0, 0xBF, ""}, {0x80, 0xBF, "\x1a?"}},
	{{0xED, 0xED, ""}, {0xA0, 0xAF, ""}, {0x80, 0xBF, "\x1a?"}, {0xED, 0xED, ""}, {0xB0, 0xBF, ""}, lost},
	{{0xE0, 0xEF, ""}, lost, maybe},
	{{0xE0, 0xEF, ""}, maybe, lost},
	{{0xF0, 0xF4, ""}, lost, maybe, maybe},
	{{0xF0, 0xF4, ""}, maybe, lost, maybe},
	{{0xF0, 0xF4, ""}, maybe, maybe, lost},
	{{0x1A, 0x1A, ""}},
}

var (
	lost  = byteRange{0x1A, 0x1A, "?"}
	maybe = byteRange{0x80, 0xBF, "\x1a"}
)

// replaceLossy makes each such sequence one U+FFFD in UTF-8.
func replaceLossy(data []byte) []byte {
	out := make([]byte, 0, len(data))
	for i := 0; i < len(data); {
		n := 0
		if data[i] >= 0x80 || data[i] == 0x1A {
			n = match(lossy, data[i:])
		}
		if n == 0 {
			out = append(out, data[i])
			i++
			continue
		}
		out = append(out, "\ufffd"...)
		i += n
	}
	return out
}

// decodeVariants decodes UTF-8, and with it CESU-8 (surrogates as three bytes
// each) and Java's two-byte zero. It reports false where the reference fails.
//
// The reference takes "at the end" to hold before a last line break too. So a
// broken sequence there swallows that line break, and here as well.
func decodeVariants(data []byte) (string, bool) {
	if bytes.IndexByte(data, 0xED) < 0 && bytes.IndexByte(data, 0xC0) < 0 {
		return string(data), utf8.Valid(data)
	}
	var out strings.Builder
	for len(data) > 0 {
		n := 0
		for n < len(data) && !isVariant(data[n:]) {
			n++
		}
		if !utf8.Valid(data[:n]) {
			return "", false
		}
		out.Write(data[:n])
		if data = data[n:]; len(data) == 0 {
			break
		}
		switch {
		case data[0] == 0xC0 && len(data) > 1:
			out.WriteByte(0)
			data = data[2:]
		case len(data) >= 6 && isCESU8(data):
			high := rune(data[1]&0x0F)<<16 | rune(data[2]&0x3F)<<10
			out.WriteRune(0x10000 + high + rune(data[4]&0x0F)<<6 + rune(data[5]&0x3F))
			data = data[6:]
		default:
			return "", false
		}
	}
	return out.String(), true
}

// isVariant reports whether data begins with bytes that UTF-8 does not have but
// its variants do: a two-byte zero, or a surrogate, or what may be the head of one.
func isVariant(data []byte) bool {
	switch data[0] {
	case 0xC0:
		return atEnd(data[1:]) || data[1] == 0x80
	case 0xED:
		switch {
		case atEnd(data[1:]):
			return true
		case data[1] < 0xA0 || data[1] > 0xBF:
			return false
		}
		return atEnd(data[2:]) || tailByte.holds(data[2])
	}
	return false
}

// isCESU8 reports whether data, 6 bytes or more, begins with a surrogate pair.
func isCESU8(data []byte) bool {
	return 0xA0 <= data[1] && data[1] <= 0xAF && tailByte.holds(data[2]) &&
		data[3] == 0xED && 0xB0 <= data[4] && data[4] <= 0xBF && (tailByte.holds(data[5]) || atEnd(data[5:]))
}

// atEnd reports whether nothing is left, or nothing but a line break.
func atEnd(data []byte) bool { return len(data) == 0 || len(data) == 1 && data[0] == '\n' }

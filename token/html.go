package token

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape is Python's html.unescape: names with a semicolon, names without one
// where HTML allowed that, the longest such name at the head of a longer word, and
// numbers as browsers read them. Go's html.UnescapeString differs in all three.
func unescape(text []rune) []rune {
	i := slices.Index(text, '&')
	if i < 0 {
		return text
	}
	out := append(make([]rune, 0, len(text)), text[:i]...)
	for i < len(text) {
		if text[i] == '&' {
			if n := numeric(text[i+1:]); n > 0 {
				out = appendNumeric(out, text[i+2:i+1+n])
				i += 1 + n
				continue
			}
			if n := named(text[i+1:]); n > 0 {
				out = appendNamed(out, string(text[i+1:i+1+n]))
				i += 1 + n
				continue
			}
		}
		out = append(out, text[i])
		i++
	}
	return out
}

// numeric returns the length of the "#65;", "#65", "#x41;" or "#x41" at the head
// of text, or 0.
func numeric(text []rune) int {
	if len(text) == 0 || text[0] != '#' {
		return 0
	}
	i, digit := 1, isDigit
	if len(text) > 1 && (text[1] == 'x' || text[1] == 'X') {
		i, digit = 2, isHex
	}
	start := i
	for i < len(text) && digit(text[i]) {
		i++
	}
	if i == start {
		return 0
	}
	if i < len(text) && text[i] == ';' {
		i++
	}
	return i
}

// named returns the length of what may be a name at the head of text: up to 32
// characters that cannot end it, and a semicolon if one follows.
func named(text []rune) int {
	i := 0
	for i < len(text) && i < 32 && !strings.ContainsRune("\t\n\f <&#;", text[i]) {
		i++
	}
	if i > 0 && i < len(text) && text[i] == ';' {
		i++
	}
	return i
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

func isHex(r rune) bool { return isDigit(r) || 'a' <= r && r <= 'f' || 'A' <= r && r <= 'F' }

// appendNumeric appends the character that the digits (perhaps with an x before
// and a semicolon behind) mean.
func appendNumeric(out []rune, digits []rune) []rune {
	s := strings.TrimSuffix(string(digits), ";")
	base := 10
	if s[0] == 'x' || s[0] == 'X' {
		base, s = 16, s[1:]
	}
	n, err := strconv.ParseUint(s, base, 32)
	switch {
	case err != nil || n > 0x10FFFF || 0xD800 <= n && n <= 0xDFFF || n == 0:
		return append(out, utf8.RuneError) // out of range: the digits are checked
	case n == '\r':
		return append(out, '\r')
	case 0x80 <= n && n <= 0x9F:
		return append(out, table().encodings[windows1252].chars[n-0x80])
	case n < 0x20 && n != '\t' && n != '\n' && n != '\f', n == 0x7F,
		0xFDD0 <= n && n <= 0xFDEF, n&0xFFFE == 0xFFFE:
		return out // not characters
	}
	return append(out, rune(n))
}

// appendNamed appends the characters that name means, or "&" and the name.
func appendNamed(out []rune, name string) []rune {
	t := table()
	if v, ok := t.entity[name]; ok {
		return append(out, []rune(v)...)
	}
	for i := len(name) - 1; i > 1; i-- {
		if v, ok := t.entity[name[:i]]; ok {
			return append(append(out, []rune(v)...), []rune(name[i:])...)
		}
	}
	return append(append(out, '&'), []rune(name)...)
}

// unescapeCertain is the cautious form that ftfy applies to text without tags:
// only what ends in a semicolon, and some names in capitals besides.
func unescapeCertain(text []rune) []rune {
	i := slices.Index(text, '&')
	if i < 0 {
		return text
	}
	out := append(make([]rune, 0, len(text)), text[:i]...)
	for i < len(text) {
		if n := certain(text[i:]); n > 0 {
			out = append(out, certainValue(text[i:i+n])...)
			i += n
			continue
		}
		out = append(out, text[i])
		i++
	}
	return out
}

// certain returns the length of the "&", perhaps "#", 1 to 24 ASCII letters and
// digits and ";" at the head of text, or 0.
func certain(text []rune) int {
	if text[0] != '&' {
		return 0
	}
	i := 1
	if i < len(text) && text[i] == '#' {
		i++
	}
	start := i
	for i < len(text) && i-start < 24 && (isDigit(text[i]) || 'a' <= text[i]|0x20 && text[i]|0x20 <= 'z') {
		i++
	}
	if i == start || i == len(text) || text[i] != ';' {
		return 0
	}
	return i + 1
}

// certainValue returns what a match of certain becomes: itself if it is no name
// or if a semicolon would be left.
func certainValue(match []rune) []rune {
	t, name := table(), string(match[1:])
	if v, ok := t.entity[name]; ok {
		return []rune(v)
	}
	if v, ok := t.upper[name]; ok {
		return []rune(v)
	}
	if match[1] == '#' {
		if v := unescape(match); !slices.Contains(v, ';') {
			return v
		}
	}
	return match
}

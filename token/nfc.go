package token

import "slices"

// The blocks that Unicode composes by arithmetic.
const (
	hangulBase  = 0xAC00
	hangulCount = 11172
	leadBase    = 0x1100
	leadCount   = 19
	vowelBase   = 0x1161
	vowelCount  = 21
	tailBase    = 0x11A7
	tailCount   = 28
)

// nfc returns text in Unicode normalization form C, by the tables of Python or by
// the older ones of Hugging Face, to which some characters are unassigned. It is written out here and
// not taken from a library for two reasons: the tables must not change with the
// Go release, and the usual library keeps to the stream-safe format, which puts
// U+034F into long runs of marks where the reference puts nothing.
func nfc(text []rune, v Variant) []rune {
	if slices.IndexFunc(text, func(r rune) bool { return r >= 0x300 }) < 0 {
		return text // nothing below U+0300 composes or decomposes here
	}
	n := normalizer{table(), v == HuggingFace}
	return n.compose(n.decompose(text))
}

// A normalizer may treat late characters as unassigned.
type normalizer struct {
	*tables
	old bool
}

// decompose returns the full canonical decomposition, marks in canonical order.
func (t normalizer) decompose(text []rune) []rune {
	out := make([]rune, 0, len(text)+16)
	for _, r := range text {
		if s := r - hangulBase; s >= 0 && s < hangulCount {
			out = append(out, leadBase+s/(vowelCount*tailCount), vowelBase+s%(vowelCount*tailCount)/tailCount)
			if tail := s % tailCount; tail != 0 {
				out = append(out, tailBase+tail)
			}
		} else if d, ok := t.decomposed[r]; ok && !t.unknown(r) {
			out = append(out, d...)
		} else {
			out = append(out, r)
		}
	}
	for i := 0; i < len(out); i++ {
		j := i
		for j < len(out) && t.class(out[j]) != 0 {
			j++
		}
		if j > i+1 {
			slices.SortStableFunc(out[i:j], func(a, b rune) int { return int(t.class(a)) - int(t.class(b)) })
		}
		i = j
	}
	return out
}

// compose puts decomposed text together again, in place.
func (t normalizer) compose(text []rune) []rune {
	out := text[:0]
	starter, last := -1, uint8(0)
	for _, r := range text {
		class := t.class(r)
		if starter >= 0 && (starter == len(out)-1 || last < class) {
			if c, ok := t.pair(out[starter], r); ok {
				out[starter] = c
				continue
			}
		}
		if last = class; class == 0 {
			starter = len(out)
		}
		out = append(out, r)
	}
	return out
}

// pair returns the character that a and b make together, if there is one.
func (t normalizer) pair(a, b rune) (rune, bool) {
	if l, v := a-leadBase, b-vowelBase; l >= 0 && l < leadCount && v >= 0 && v < vowelCount {
		return hangulBase + (l*vowelCount+v)*tailCount, true
	}
	if s, tail := a-hangulBase, b-tailBase; s >= 0 && s < hangulCount && s%tailCount == 0 && tail > 0 && tail < tailCount {
		return a + tail, true
	}
	c, ok := t.composed[[2]rune{a, b}]
	return c, ok && !t.unknown(c)
}

// class is the canonical combining class of r.
func (t normalizer) class(r rune) uint8 {
	if r < 0x300 || t.unknown(r) {
		return 0
	}
	return t.combining[r]
}

func (t normalizer) unknown(r rune) bool { return t.old && t.properties.at(r)&late != 0 }

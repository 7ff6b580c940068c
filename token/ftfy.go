package token

import "slices"

// segmentLimit is the most characters ftfy looks at as one piece.
const segmentLimit = 1_000_000

// fixText is ftfy.fix_text with its defaults: line by line, names of characters
// spelled out, wrong encodings undone, typography made plain, control characters
// removed, NFC, until nothing changes. From the first line with a "<" on, text is
// taken for HTML and names of characters are left alone.
func fixText(text []rune) []rune {
	if isPlain(text) {
		return text
	}
	out := make([]rune, 0, len(text))
	entities := true
	for len(text) > 0 {
		n := slices.Index(text, '\n') + 1
		if n == 0 {
			n = len(text)
		}
		n = min(n, segmentLimit)
		entities = entities && !slices.Contains(text[:n], '<')
		out = append(out, fixSegment(text[:n], entities)...)
		text = text[n:]
	}
	return out
}

// isPlain reports whether ftfy has nothing to do: printable ASCII without "&".
func isPlain(text []rune) bool { return !slices.Contains(text, '&') && isPrintable(text) }

// isPrintable reports whether text is nothing but ASCII that ftfy leaves alone.
func isPrintable(text []rune) bool {
	for _, r := range text {
		if r > '~' || r < ' ' && r != '\t' && r != '\n' && r != '\f' {
			return false
		}
	}
	return true
}

func fixSegment(text []rune, entities bool) []rune {
	if isPlain(text) {
		return text
	}
	for {
		before := text
		if entities {
			text = unescapeCertain(text)
		}
		if isPrintable(text) {
			// Names within names are read a round each; nothing else is to be done.
			if slices.Equal(text, before) {
				return text
			}
			continue
		}
		text = fixEncoding(text)
		text = fixC1(text)
		text = fixCharacters(text)
		text = removeEscapes(text)
		text = slices.DeleteFunc(slices.Clone(text), isControl)
		text = nfc(text, OpenAI)
		if slices.Equal(text, before) {
			return text
		}
	}
}

// fixC1 reads C1 control characters as Windows-1252, as browsers do.
func fixC1(text []rune) []rune {
	if !slices.ContainsFunc(text, isC1) {
		return text
	}
	out := slices.Clone(text)
	for i, r := range out {
		if isC1(r) {
			out[i] = table().encodings[windows1252].chars[r-0x80]
		}
	}
	return out
}

func isC1(r rune) bool { return 0x80 <= r && r <= 0x9F }

// fixCharacters takes Latin ligatures apart, gives characters of full and half
// width their usual one, straightens quotes and makes every line break "\n".
func fixCharacters(text []rune) []rune {
	t := table()
	out := make([]rune, 0, len(text))
	for _, r := range text {
		if t.properties.at(r)&shaped == 0 {
			out = append(out, r)
		} else if to, ok := t.ligature[r]; ok {
			out = append(out, to...) // none of which has a width of its own
		} else {
			out = append(out, t.width[r]...)
		}
	}
	kept := out[:0]
	for i, r := range out {
		switch {
		case r == 0x2BC || 0x2018 <= r && r <= 0x201B:
			r = '\''
		case 0x201C <= r && r <= 0x201F:
			r = '"'
		case r == '\r' && i+1 < len(out) && out[i+1] == '\n':
			continue
		case r == '\r' || r == 0x2028 || r == 0x2029 || r == 0x85:
			r = '\n'
		}
		kept = append(kept, r)
	}
	return kept
}

// removeEscapes removes ANSI terminal sequences: ESC [ digits and semicolons, a letter.
func removeEscapes(text []rune) []rune {
	if !slices.Contains(text, 0x1B) {
		return text
	}
	out := make([]rune, 0, len(text))
	for i := 0; i < len(text); i++ {
		if n := escape(text[i:]); n > 0 {
			i += n - 1
			continue
		}
		out = append(out, text[i])
	}
	return out
}

// escape returns the length of the terminal sequence at the head of text, or 0.
// The digits may be of any script, as \d is to the reference.
func escape(text []rune) int {
	if len(text) < 3 || text[0] != 0x1B || text[1] != '[' {
		return 0
	}
	i := 2
	for i < len(text) && (text[i] == ';' || table().properties.at(text[i])&decimal != 0) {
		i++
	}
	if i < len(text) && 'a' <= text[i]|0x20 && text[i]|0x20 <= 'z' {
		return i + 1
	}
	return 0
}

// isControl reports the control characters that ftfy removes. C1 is not among
// them: it is a clue to wrong encodings.
func isControl(r rune) bool {
	return r <= 0x08 || r == 0x0B || 0x0E <= r && r <= 0x1F || r == 0x7F ||
		0x206A <= r && r <= 0x206F || r == 0xFEFF || 0xFFF9 <= r && r <= 0xFFFC
}

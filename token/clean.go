package token

import "strings"

// Clean returns the text whose words are encoded: what v does to text before it
// is split. Bytes that are not UTF-8 become U+FFFD, one each. Clean panics if v is
// none of the variants.
//
//   - [OpenAI] and [OpenCLIP]: ftfy.fix_text; HTML character references replaced,
//     twice; white space trimmed and its runs made one space; lower case.
//     They differ only in the special tokens, which come after this.
//   - [HuggingFace]: Unicode NFC, runs of white space made one space but not
//     trimmed, lower case character by character (Σ never becomes ς). The two
//     special tokens are kept as they stand, and the text between is cleaned
//     piece by piece.
func Clean(text string, v Variant) string {
	if v.mustBe(); v != HuggingFace {
		return string(clean([]rune(text), v))
	}
	var out strings.Builder
	for part, special := range specials(text) {
		if special {
			out.WriteString(part)
		} else {
			out.WriteString(string(clean([]rune(part), v)))
		}
	}
	return out.String()
}

func clean(text []rune, v Variant) []rune {
	if v == HuggingFace {
		return lowerEach(collapse(nfc(text, v), space))
	}
	// The two references take white space a little differently here (regex's \s and
	// str.split), but not in any character that fixText leaves.
	text = trim(unescape(unescape(fixText(text))))
	return lower(trim(collapse(text, space)))
}

// trim is Python's str.strip.
func trim(text []rune) []rune {
	t := table()
	for len(text) > 0 && t.properties.at(text[0])&blank != 0 {
		text = text[1:]
	}
	for len(text) > 0 && t.properties.at(text[len(text)-1])&blank != 0 {
		text = text[:len(text)-1]
	}
	return text
}

// collapse makes every run of characters with the property one space.
func collapse(text []rune, property uint16) []rune {
	t := table()
	out := make([]rune, 0, len(text))
	inside := false
	for _, r := range text {
		was := inside
		if inside = t.properties.at(r)&property != 0; !inside {
			out = append(out, r)
		} else if !was {
			out = append(out, ' ')
		}
	}
	return out
}

package token

// lower is Python's str.lower: one to one by table, but İ becomes i and a dot
// above, and a capital sigma at the end of a word becomes ς.
func lower(text []rune) []rune {
	t := table()
	out := make([]rune, 0, len(text)+2)
	for i, r := range text {
		if r == 'Σ' && t.finalSigma(text, i) {
			out = append(out, 'ς')
		} else {
			out = t.appendLower(out, r)
		}
	}
	return out
}

// lowerEach is lower without the rule of the final sigma: every character by
// itself, as the Hugging Face normalizer does.
func lowerEach(text []rune) []rune {
	t := table()
	out := make([]rune, 0, len(text)+2)
	for _, r := range text {
		if l, ok := t.otherLower[r]; ok && r >= 0x80 {
			out = append(out, l)
		} else {
			out = t.appendLower(out, r)
		}
	}
	return out
}

func (t *tables) appendLower(out []rune, r rune) []rune {
	switch {
	case r < 0x80:
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
	case r == 'İ':
		return append(out, 'i', 0x307)
	default:
		if l, ok := t.lower[r]; ok {
			r = l
		}
	}
	return append(out, r)
}

// finalSigma reports whether the sigma text[i] has a letter before it and none
// after it, where marks, apostrophes and the like are looked through.
func (t *tables) finalSigma(text []rune, i int) bool {
	j := i - 1
	for j >= 0 && t.properties.at(text[j])&ignorable != 0 {
		j--
	}
	if j < 0 || t.properties.at(text[j])&cased == 0 {
		return false
	}
	for j = i + 1; j < len(text) && t.properties.at(text[j])&ignorable != 0; j++ {
	}
	return j == len(text) || t.properties.at(text[j])&cased == 0
}

package token

import (
	"iter"
	"strings"
)

// The special tokens by their spelling: of OpenAI and Hugging Face, of open_clip.
var (
	pipeSpecials = [2]string{"<|startoftext|>", "<|endoftext|>"}
	openSpecials = [2]string{"<start_of_text>", "<end_of_text>"}
)

func (v Variant) specials() [2]string {
	if v == OpenCLIP {
		return openSpecials
	}
	return pipeSpecials
}

// specials cuts raw text at the two special tokens as Hugging Face does: before
// any cleaning, and only where they are spelled exactly.
func specials(text string) iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		for len(text) > 0 {
			at, found := len(text), ""
			for _, s := range pipeSpecials {
				if i := strings.Index(text[:at], s); i >= 0 {
					at, found = i, s
				}
			}
			if at > 0 && !yield(text[:at], false) || found != "" && !yield(found, true) {
				return
			}
			text = text[at+len(found):]
		}
	}
}

// words cuts cleaned text into the pieces that are encoded by themselves, in the
// order of the reference's expression: a special token, an English ending, a run of
// letters, one number character, a run of anything else but white space.
func words(text []rune, v Variant) iter.Seq[[]rune] {
	return func(yield func([]rune) bool) {
		for i := 0; i < len(text); {
			if n := special(text[i:], v); n > 0 && v == HuggingFace {
				// Not spelled as the token was, so it is none; but its parts do not
				// join what stands beside them.
				if !yield(text[i:i+2]) || !yield(text[i+2:i+n-2]) || !yield(text[i+n-2:i+n]) {
					return
				}
				i += n
			} else if n := max(n, pieceAt(text[i:], v)); n == 0 {
				i++
			} else if !yield(text[i : i+n]) {
				return
			} else {
				i += n
			}
		}
	}
}

// special returns the length of the special token that text begins with, or 0. The
// Python expressions ignore case, and to them ſ is a kind of s; what is matched
// with ſ is a piece, though not the token.
func special(text []rune, v Variant) int {
	if len(text) == 0 || text[0] != '<' {
		return 0
	}
	for _, s := range v.specials() {
		if hasPrefix(text, s, v != HuggingFace) {
			return len(s)
		}
	}
	return 0
}

func hasPrefix(text []rune, s string, fold bool) bool {
	if len(text) < len(s) {
		return false
	}
	for i := range len(s) {
		if r := text[i]; r != rune(s[i]) && (!fold || r != 'ſ' || s[i] != 's') {
			return false
		}
	}
	return true
}

// pieceAt returns the length of the piece at the head of text that is no special
// token, or 0 if the character there belongs to none: white space and, in the
// Python expressions, U+0345, which is neither a letter nor anything else to them.
func pieceAt(text []rune, v Variant) int {
	if text[0] == '\'' {
		for _, s := range []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
			if hasPrefix(text, s, v != HuggingFace) {
				return len(s)
			}
		}
	}
	first := kind(text[0], v)
	if first == number {
		return 1
	}
	if first == space {
		return 0
	}
	n := 1
	for n < len(text) && kind(text[n], v) == first {
		n++
	}
	return n
}

// kind is letter, number, space, or 0 for the rest.
func kind(r rune, v Variant) uint16 {
	p := table().properties.at(r)
	k := p & (letter | number | space)
	switch {
	case v != HuggingFace:
		if r == 0x345 {
			return space
		}
	case p&otherLetter != 0:
		k ^= letter
	case p&otherNumber != 0:
		k ^= number
	}
	return k
}

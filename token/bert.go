package token

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/gen-emerge/assay"
)

// Numbers of BERT's vocabulary. BLIP puts two tokens of its own behind it, which
// its network has embeddings for.
const (
	BERTSize = 30524 // ids, BLIP's two included

	bertPad     = 0
	bertUnknown = 100 // a word that the pieces do not make up
	bertStart   = 101 // begins a text; the network reads its answer there
	bertEnd     = 102 // ends a text
	bertMask    = 103
	bertDecode  = 30522 // BLIP's own
	bertEncode  = 30523
	bertLines   = 30522 // of the vocabulary's file
)

// bertSpecials are the tokens that are found in raw text, spelled exactly so.
var bertSpecials = map[string]int32{"[PAD]": bertPad, "[UNK]": bertUnknown, "[CLS]": bertStart, "[SEP]": bertEnd,
	"[MASK]": bertMask, "[DEC]": bertDecode, "[ENC]": bertEncode}

const (
	bertWord  = 100     // a word of more characters is unknown, whatever it is made of
	bertLimit = 4 << 20 // most bytes of a vocabulary's file
	inner     = "##"    // before a piece that does not begin a word
)

// BERT encodes text with the pieces of bert-base-uncased, as the BertTokenizer does
// that BLIP and ImageReward make: lower case, without accents, cut at white space,
// punctuation and ideographs, and each word written with the longest pieces from
// its left. It is safe for use by several goroutines.
type BERT struct {
	first, rest map[string]int32 // pieces that begin a word, and those that go on, without their mark
	longest     int              // bytes of the longest piece

	words wordCache
}

// NewBERT reads the bytes of bert-base-uncased's vocab.txt: a piece a line, whose id
// is the line's number from 0. It holds the file to its structure, not to its
// digest: whoever fetched it has compared that. Errors wrap [assay.ErrInvalid] and
// name the line.
func NewBERT(vocabulary []byte) (*BERT, error) {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("BERT vocabulary: "+format+"; install the model bert-vocabulary again: %w", append(args, assay.ErrInvalid)...)
	}
	if len(vocabulary) > bertLimit {
		return nil, refuse("%d bytes, want at most %d", len(vocabulary), bertLimit)
	}
	lines := strings.Split(strings.TrimSuffix(string(vocabulary), "\n"), "\n")
	if len(lines) != bertLines {
		return nil, refuse("%d lines, want %d", len(lines), bertLines)
	}
	t := &BERT{first: make(map[string]int32, bertLines), rest: map[string]int32{}}
	for i, line := range lines {
		piece, goesOn := strings.CutPrefix(line, inner)
		into := t.first
		if goesOn {
			into = t.rest
		}
		want, special := bertSpecials[line]
		switch _, again := into[piece]; {
		case piece == "" && !goesOn || strings.ContainsAny(line, " \t\r") || !utf8.ValidString(line):
			return nil, refuse("line %d: %.40q is no piece", i+1, line)
		case again:
			return nil, refuse("line %d: %.40q is there twice", i+1, line)
		case special && want != int32(i):
			return nil, refuse("line %d: %s has the id %d, want %d", i+1, line, i, want)
		}
		into[piece] = int32(i)
		t.longest = max(t.longest, len(piece))
	}
	for piece, id := range bertSpecials {
		if _, ok := t.first[piece]; !ok && id < bertLines {
			return nil, refuse("%s is missing", piece)
		}
	}
	return t, nil
}

// Encode returns the ids of text, without those that begin and end it. A special
// token that is written out in text, such as [SEP] or BLIP's [ENC], becomes its id,
// as in the reference. A word that the vocabulary cannot write is one [UNK].
func (t *BERT) Encode(text string) []int32 {
	out := []int32{}
	for len(text) > 0 {
		at, found := nextBERTSpecial(text)
		for _, w := range bertWords([]rune(text[:at])) {
			out = t.words.encode(out, w, t.pieces)
		}
		if found != "" {
			out = append(out, bertSpecials[found])
		}
		text = text[at+len(found):]
	}
	return out
}

// Frame returns [CLS], the ids of text and [SEP], and nothing after: where the
// reference fills up with [PAD], its mask keeps the network from looking there. If
// that is more than context ids, which must be at least 2, the text's last ones
// are left out, [SEP] stays, and truncated is true.
func (t *BERT) Frame(text string, context int) (ids []int32, truncated bool) {
	ids = append([]int32{bertStart}, t.Encode(text)...)
	if len(ids) > context-1 {
		ids, truncated = ids[:context-1:context-1], true
	}
	return append(ids, bertEnd), truncated
}

// nextBERTSpecial returns where the first special token begins and its spelling, or
// the length of text.
func nextBERTSpecial(text string) (at int, found string) {
	for from := 0; ; {
		i := strings.IndexByte(text[from:], '[')
		if i < 0 {
			return len(text), ""
		}
		from += i
		if end := strings.IndexByte(text[from:min(len(text), from+len("[MASK]"))], ']'); end > 0 {
			if s := text[from : from+end+1]; isBERTSpecial(s) {
				return from, s
			}
		}
		from++
	}
}

func isBERTSpecial(s string) bool {
	_, ok := bertSpecials[s]
	return ok
}

// bertWords cuts text into the words that are encoded by themselves. The reference
// lowers each character by itself, so that Σ never becomes ς, and drops controls
// before it cuts.
func bertWords(text []rune) []string {
	t := table()
	var words []string
	var word []rune
	flush := func() {
		words = t.appendBERTWords(words, word)
		word = word[:0]
	}
	var buf [2]rune
	for _, upper := range text {
		for _, r := range t.appendLower(buf[:0], upper) {
			p := t.properties.at(r)
			switch {
			case r == '\t' || r == '\n' || r == '\r' || p&(separator|blank) != 0 && p&assigned != 0:
				flush()
			case r == 0xFFFD || p&assigned == 0:
			case isIdeograph(r):
				flush()
				word = append(word, r)
				flush()
			default:
				word = append(word, r)
			}
		}
	}
	flush()
	return words
}

// appendBERTWords takes the accents off a word and cuts it at punctuation, each sign
// of which is a word. White space is not among what decomposition gives.
func (t *tables) appendBERTWords(words []string, word []rune) []string {
	var bare []rune
	cut := func() {
		if len(bare) > 0 {
			words = append(words, string(bare))
			bare = bare[:0]
		}
	}
	for _, r := range (normalizer{t, false}).decompose(word) {
		switch p := t.properties.at(r); {
		case p&mark != 0:
		case p&punctuation != 0 || isASCIISign(r):
			cut()
			words = append(words, string(r))
		default:
			bare = append(bare, r)
		}
	}
	cut()
	return words
}

// isASCIISign reports ASCII that is neither letter, digit, space nor control: all of
// it is punctuation to BERT, "$" and "^" too.
func isASCIISign(r rune) bool {
	return '!' <= r && r <= '/' || ':' <= r && r <= '@' || '[' <= r && r <= '`' || '{' <= r && r <= '~'
}

// isIdeograph reports the blocks of Chinese characters that BERT cuts into words of
// one. The list is the reference's: extensions that came later are not on it.
func isIdeograph(r rune) bool {
	switch {
	case r < 0x3400:
		return false
	case r <= 0x4DBF, 0x4E00 <= r && r <= 0x9FFF, 0xF900 <= r && r <= 0xFAFF,
		0x20000 <= r && r <= 0x2A6DF, 0x2A700 <= r && r <= 0x2CEAF, 0x2F800 <= r && r <= 0x2FA1F:
		return true
	}
	return false
}

// pieces writes a word with the longest pieces from its left, or gives it up.
func (t *BERT) pieces(out []int32, w string) []int32 {
	if utf8.RuneCountInString(w) > bertWord {
		return append(out, bertUnknown)
	}
	whole := len(out)
	known := t.first
	for len(w) > 0 {
		n := min(len(w), t.longest)
		id, ok := int32(0), false
		for ; n > 0; n-- {
			// A piece is valid UTF-8, so what is cut inside a character is none.
			if id, ok = known[w[:n]]; ok {
				break
			}
		}
		if !ok {
			return append(out[:whole], bertUnknown)
		}
		out, w, known = append(out, id), w[n:], t.rest
	}
	return out
}

package token

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"

	"github.com/gen-emerge/assay"
)

// vocabularyLimit is the most bytes the vocabulary may unpack to: twice and more
// what the real one does.
const vocabularyLimit = 8 << 20

// endOfWord marks a symbol that ends a word.
const endOfWord = "</w>"

// A symbol is what one id stands for.
type symbol struct {
	bytes string
	last  bool // ends a word
}

// pair is two neighbouring ids.
type pair struct{ left, right int32 }

// readMerges unpacks the vocabulary and returns the two parts of each merge. The
// file has a heading and more merges than CLIP uses.
func readMerges(vocabulary []byte) ([][2]string, error) {
	z, err := gzip.NewReader(bytes.NewReader(vocabulary))
	if err != nil {
		return nil, refuse("not a gzip file: %v", err)
	}
	text, err := io.ReadAll(io.LimitReader(z, vocabularyLimit+1))
	if err != nil {
		return nil, refuse("%v", err)
	}
	if len(text) > vocabularyLimit {
		return nil, refuse("unpacks to more than %d bytes", vocabularyLimit)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < merges+1 {
		return nil, refuse("%d lines, want at least %d", len(lines), merges+1)
	}
	out := make([][2]string, merges)
	for i, line := range lines[1 : merges+1] {
		parts := strings.Fields(line)
		if len(parts) != 2 {
			return nil, refuse("line %d: %.40q: want two symbols", i+2, line)
		}
		out[i] = [2]string(parts)
	}
	return out, nil
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("CLIP vocabulary: "+format+"; install the model clip-vocabulary again: %w", append(args, assay.ErrInvalid)...)
}

// byteRunes is the character that stands for each byte in the vocabulary: itself if
// it prints in Latin-1, else one from U+0100 on. order is the bytes by their ids.
func byteRunes() (names [256]rune, order [256]byte) {
	n, next := 0, rune(0x100)
	for _, span := range [][2]int{{'!', '~'}, {0xA1, 0xAC}, {0xAE, 0xFF}} {
		for b := span[0]; b <= span[1]; b++ {
			names[b], order[n] = rune(b), byte(b)
			n++
		}
	}
	for b := range 256 {
		if names[b] == 0 {
			names[b], order[n] = next, byte(b)
			n++
			next++
		}
	}
	return names, order
}

// build fills t from the merges. Every merge must join two symbols made before it
// into one that is new. That is so in the real file, and the order in which merges
// are applied rests on it.
func (t *CLIP) build(list [][2]string) error {
	names, order := byteRunes()
	known := make(map[string]int32, Size)
	for n, b := range order {
		t.plain[b], t.last[b] = int32(n), int32(n+256)
		known[string(names[b])], known[string(names[b])+endOfWord] = int32(n), int32(n+256)
	}
	t.symbols = make([]symbol, 512, Size)
	for b := range 256 {
		t.symbols[t.plain[b]] = symbol{string([]byte{byte(b)}), false}
		t.symbols[t.last[b]] = symbol{string([]byte{byte(b)}), true}
	}
	t.merge = make(map[pair]int32, merges)
	for i, m := range list {
		left, ok := known[m[0]]
		right, ok2 := known[m[1]]
		_, again := known[m[0]+m[1]]
		if !ok || !ok2 || again || t.symbols[left].last {
			return refuse("line %d: %.40q and %.40q cannot be joined to a new symbol", i+2, m[0], m[1])
		}
		id := int32(len(t.symbols))
		known[m[0]+m[1]] = id
		t.merge[pair{left, right}] = id
		t.symbols = append(t.symbols, symbol{t.symbols[left].bytes + t.symbols[right].bytes, t.symbols[right].last})
	}
	return nil
}

package token

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:embed tables.txt
var tablesText string

//go:embed tables_bert.txt
var tablesBERTText string

// table returns the character tables. They are data of the reference tokenizers
// (see the package comment), not of the Go release this was built with.
var table = sync.OnceValue(func() *tables {
	t, err := parseTables(tablesText + "\n" + tablesBERTText)
	if err != nil {
		panic("token: embedded tables: " + err.Error()) // a broken build; a test reads them
	}
	return t
})

// Properties of a character, as bits.
const (
	letter      uint16 = 1 << iota // \p{L} of the word split
	number                         // \p{N} of the word split
	space                          // Unicode White_Space
	word                           // \w of Python's re
	cased                          // counts as a letter beside a final sigma
	ignorable                      // is looked through beside a final sigma
	decimal                        // \d of Python's re
	blank                          // str.isspace of Python
	late                           // unknown to Hugging Face's normalizer
	otherLetter                    // a letter to one of Python and Hugging Face, not to both
	otherNumber                    // a number likewise
	shaped                         // a ligature or of unusual width
	assigned                       // of no category C: not a control, a format, private or unassigned
	separator                      // category Zs
	mark                           // category Mn
	punctuation                    // of a category P; the last of 16 bits
)

// tables holds what tables.txt and tables_bert.txt say, ready for use.
type tables struct {
	properties pages[uint16]
	categories pages[uint32] // of mojibake: bits of badness.go
	clues      pages[uint8]  // of UTF-8 read as something else: bits of mojibake.go
	lower      map[rune]rune // one to one; the rest is in lower.go
	otherLower map[rune]rune // Hugging Face's, where it is another
	width      map[rune][]rune
	ligature   map[rune][]rune
	encodings  []encoding
	entity     map[string]string // HTML 5 names with their semicolons, and those that need none
	upper      map[string]string // names in capitals that ftfy reads besides
	combining  map[rune]uint8    // canonical combining class, where not 0
	decomposed map[rune][]rune   // in full
	composed   map[[2]rune]rune
}

// pages is a sparse array over all of Unicode.
type pages[T uint8 | uint16 | uint32] struct{ page [0x1100]*[256]T }

func (p *pages[T]) at(r rune) T {
	if q := p.page[r>>8]; q != nil {
		return q[r&0xFF]
	}
	return 0
}

func (p *pages[T]) set(lo, hi rune, bit T) {
	for r := lo; r <= hi; r++ {
		if p.page[r>>8] == nil {
			p.page[r>>8] = new([256]T)
		}
		p.page[r>>8][r&0xFF] |= bit
	}
}

// parseTables reads sections of words under "[name]" lines.
func parseTables(text string) (*tables, error) {
	t := &tables{
		lower: map[rune]rune{}, otherLower: map[rune]rune{}, width: map[rune][]rune{}, ligature: map[rune][]rune{},
		entity: map[string]string{}, upper: map[string]string{},
		combining: map[rune]uint8{}, decomposed: map[rune][]rune{}, composed: map[[2]rune]rune{},
	}
	section := ""
	for n, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]")
			if name, ok := strings.CutPrefix(section, "encoding "); ok {
				t.encodings = append(t.encodings, newEncoding(name))
			}
		default:
			for _, word := range strings.Fields(line) {
				if err := t.add(section, word); err != nil {
					return nil, fmt.Errorf("line %d: %w", n+1, err)
				}
			}
		}
	}
	t.expand()
	t.addPlain()
	return t, nil
}

// propertySections are the sections that give a property to ranges.
var propertySections = map[string]uint16{
	"letter": letter, "number": number, "space": space, "word": word, "cased": cased, "ignorable": ignorable,
	"decimal": decimal, "blank": blank, "late": late, "other-letter": otherLetter, "other-number": otherNumber,
	"assigned": assigned, "separator": separator, "mark": mark, "punctuation": punctuation,
}

// add enters one word of a section.
func (t *tables) add(section, w string) error {
	kind, name, _ := strings.Cut(section, " ")
	if bit, ok := propertySections[kind]; ok {
		lo, hi, _, err := span(w)
		t.properties.set(lo, hi, bit)
		return err
	}
	switch kind {
	case "category":
		bit, ok := categoryBits[name]
		lo, hi, _, err := span(w)
		if !ok {
			return fmt.Errorf("unknown category %q", name)
		}
		t.categories.set(lo, hi, bit)
		return err
	case "clue":
		bit, ok := clueBits[name]
		lo, hi, _, err := span(w)
		if !ok {
			return fmt.Errorf("unknown clue %q", name)
		}
		t.clues.set(lo, hi, bit)
		return err
	case "lower", "other-lower", "ccc":
		return t.addValued(kind, w)
	case "encoding":
		r, err := runes(w)
		if err == nil {
			t.encodings[len(t.encodings)-1].add(r[0])
		}
		return err
	}
	return t.addMapped(kind, w)
}

// addValued enters "lo-hi:value", or "lo-hi/2:value" for every second one.
func (t *tables) addValued(kind, w string) error {
	where, text, ok := strings.Cut(w, ":")
	value, err := strconv.Atoi(text)
	if !ok || err != nil {
		return fmt.Errorf("%q: want range:value", w)
	}
	lo, hi, step, err := span(where)
	for r := lo; r <= hi && err == nil; r += step {
		switch kind {
		case "ccc":
			t.combining[r] = uint8(value)
		case "lower":
			t.lower[r] = r + rune(value)
		default:
			t.otherLower[r] = r + rune(value)
		}
	}
	return err
}

// addMapped enters "from=characters"; of a decomposition, "!" for "=" says that
// the pair is not put together again.
func (t *tables) addMapped(kind, w string) error {
	i := strings.LastIndexAny(w, "=!")
	if i < 0 {
		return fmt.Errorf("%q in section %q: want from=to", w, kind)
	}
	to, err := runes(w[i+1:])
	if err != nil {
		return err
	}
	if kind == "entity" || kind == "upper-entity" {
		into := t.entity
		if kind == "upper-entity" {
			into = t.upper
		}
		into[w[:i]] = string(to)
		return nil
	}
	from, err := runes(w[:i])
	if err != nil {
		return err
	}
	switch kind {
	case "width":
		t.width[from[0]] = to
		t.properties.set(from[0], from[0], shaped)
	case "ligature":
		t.ligature[from[0]] = to
		t.properties.set(from[0], from[0], shaped)
	case "decomposition":
		t.decomposed[from[0]] = to
		if w[i] == '=' && len(to) == 2 {
			t.composed[[2]rune{to[0], to[1]}] = from[0]
		}
	default:
		return fmt.Errorf("unknown section %q", kind)
	}
	return nil
}

// expand makes every decomposition a full one.
func (t *tables) expand() {
	var full func(r rune) []rune
	full = func(r rune) []rune {
		to, ok := t.decomposed[r]
		if !ok {
			return []rune{r}
		}
		var out []rune
		for _, c := range to {
			out = append(out, full(c)...)
		}
		return out
	}
	all := make(map[rune][]rune, len(t.decomposed))
	for r := range t.decomposed {
		all[r] = full(r)
	}
	t.decomposed = all
}

// span reads "lo", "lo-hi" or "lo-hi/2", in hexadecimal.
func span(w string) (lo, hi, step rune, err error) {
	w, second := strings.CutSuffix(w, "/2")
	first, last, ok := strings.Cut(w, "-")
	if !ok {
		last = first
	}
	a, err := strconv.ParseUint(first, 16, 21)
	if err != nil {
		return 0, -1, 1, err
	}
	b, err := strconv.ParseUint(last, 16, 21)
	if err != nil || b > 0x10FFFF {
		return 0, -1, 1, fmt.Errorf("range %q: want lo-hi", w)
	}
	step = 1
	if second {
		step = 2
	}
	return rune(a), rune(b), step, nil
}

// runes reads hexadecimal code points with commas between.
func runes(w string) ([]rune, error) {
	var out []rune
	for _, part := range strings.Split(w, ",") {
		r, err := strconv.ParseUint(part, 16, 21)
		if err != nil {
			return nil, err
		}
		out = append(out, rune(r))
	}
	return out, nil
}

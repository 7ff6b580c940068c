// Package token turns text into the ids that text networks read. [CLIP] is the
// byte-level byte-pair encoding of openai/CLIP, with the two ways in which others
// prepare text for the same vocabulary; [BERT] is the WordPiece of bert-base-uncased,
// which ImageReward reads prompts with. The ids are equal, text by text, to those of
// the authors' own packages, the repair of badly encoded text included.
//
// # Tables
//
// Which characters are letters, how they are lowered and composed, what HTML names
// mean: all of that comes from tables.txt and tables_bert.txt, which are written out
// of the references (reference/token_clip.py, token_bert.py) and never from the Go
// release. So ids do not change when Go or Unicode does. CLIP's references have
// tables of several ages themselves, and these
// are kept: letters and numbers are those of Unicode 18.0 (Python's regex module);
// lower case, composition and white space are those of Unicode 14.0 (CPython 3.11);
// Hugging Face's library has tables of its own, some older and some newer, and its
// variant follows them. All that BERT's asks is of Unicode 14.0. So a Python of
// another release can differ from this in characters that were added to Unicode
// after version 14, and in no others.
//
// # Input
//
// Any string is accepted. A byte that is not UTF-8 counts as one U+FFFD.
package token

import (
	"fmt"

	"github.com/gen-emerge/assay"
)

// A Variant is a way to prepare text for the vocabulary.
type Variant string

// The variants.
const (
	// OpenAI is openai/CLIP's simple_tokenizer with ftfy installed.
	OpenAI Variant = "openai"
	// OpenCLIP is open_clip's SimpleTokenizer. Its special tokens are spelled
	// <start_of_text> and <end_of_text>, and <|startoftext|> is text.
	OpenCLIP Variant = "open_clip"
	// HuggingFace is transformers' CLIPTokenizerFast: no ftfy, no HTML, no trimming.
	// It is made from vocabulary and merges as the package makes it: special
	// tokens are found in raw text, spelled exactly.
	HuggingFace Variant = "huggingface"
)

// ParseVariant reads the name of a variant. The error wraps [assay.ErrInvalid].
func ParseVariant(s string) (Variant, error) {
	switch v := Variant(s); v {
	case OpenAI, OpenCLIP, HuggingFace:
		return v, nil
	}
	return "", fmt.Errorf("tokenizer %q: want %q, %q or %q: %w", s, OpenAI, OpenCLIP, HuggingFace, assay.ErrInvalid)
}

// mustBe panics if v is none of the variants: an unknown one is an error of the
// program, and any ids for it would be wrong ones.
func (v Variant) mustBe() {
	if _, err := ParseVariant(string(v)); err != nil {
		panic("token: " + err.Error())
	}
}

// Numbers of the vocabulary.
const (
	Size    = 49408       // ids
	Start   = 49406       // the id that begins a text
	End     = 49407       // the id that ends a text; the text network reads its answer there
	Context = 77          // the most ids a text network reads, Start and End included
	merges  = 49152 - 258 // that the vocabulary file is read for
)

// CLIP encodes text. It is safe for use by several goroutines.
type CLIP struct {
	plain, last [256]int32 // the id of a byte inside and at the end of a word
	merge       map[pair]int32
	symbols     []symbol // by id, without the two special ones

	words wordCache
}

// NewCLIP reads the bytes of bpe_simple_vocab_16e6.txt.gz, gzipped as published. It
// holds the file to its structure, not to its digest: whoever fetched it has
// compared that. Errors wrap [assay.ErrInvalid] and name the line.
func NewCLIP(vocabulary []byte) (*CLIP, error) {
	list, err := readMerges(vocabulary)
	if err != nil {
		return nil, err
	}
	t := &CLIP{}
	if err := t.build(list); err != nil {
		return nil, err
	}
	return t, nil
}

// Encode returns the ids of text, without Start and End around them. A special token
// that is written out in text becomes its id, as in the reference. Encode panics if
// v is none of the variants.
func (t *CLIP) Encode(text string, v Variant) []int32 {
	out := []int32{}
	if v.mustBe(); v != HuggingFace {
		return t.encode(out, clean([]rune(text), v), v)
	}
	for part, special := range specials(text) {
		switch {
		case !special:
			out = t.encode(out, clean([]rune(part), v), v)
		case part == pipeSpecials[0]:
			out = append(out, Start)
		default:
			out = append(out, End)
		}
	}
	return out
}

// encode appends the ids of cleaned text.
func (t *CLIP) encode(out []int32, text []rune, v Variant) []int32 {
	names := v.specials()
	for w := range words(text, v) {
		switch s := string(w); {
		case s == names[0] && v != HuggingFace:
			out = append(out, Start)
		case s == names[1] && v != HuggingFace:
			out = append(out, End)
		default:
			out = t.words.encode(out, s, t.join)
		}
	}
	return out
}

// Frame returns Start, the ids of text and End, and nothing after. If that is more
// than [Context] ids, the rest is cut off, the last one is End, and truncated is
// true: text networks do not see what was cut. openai/CLIP refuses such a text
// unless told to truncate; then it does the same, and so do the others.
func (t *CLIP) Frame(text string, v Variant) (ids []int32, truncated bool) {
	ids = append(append([]int32{Start}, t.Encode(text, v)...), End)
	if len(ids) <= Context {
		return ids, false
	}
	ids = ids[:Context:Context]
	ids[Context-1] = End
	return ids, true
}

// Decode returns the text of ids: that of Encode cleaned, with a space after every
// word and none where white space was. The special tokens are spelled as v spells
// them. The error for an id that is not in the vocabulary wraps [assay.ErrInvalid].
// Decode panics if v is none of the variants.
func (t *CLIP) Decode(ids []int32, v Variant) (string, error) {
	v.mustBe()
	var out []byte
	for i, id := range ids {
		switch {
		case id == Start || id == End:
			out = append(out, v.specials()[id-Start]...)
		case id < 0 || int(id) >= len(t.symbols):
			return "", fmt.Errorf("token %d of %d: id %d is not in the vocabulary of %d: %w", i+1, len(ids), id, Size, assay.ErrInvalid)
		default:
			out = append(out, t.symbols[id].bytes...)
			if t.symbols[id].last {
				out = append(out, ' ')
			}
		}
	}
	return string([]rune(string(out))), nil
}

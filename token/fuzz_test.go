package token

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzClean: any bytes are cleaned to valid text without white space at its ends or
// in runs, and cleaning is a function of the characters alone.
func FuzzClean(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.text)
	}
	for _, s := range []string{"ÃƒÂ©â€œ", "&amp;#x26;lt", "\xff\xc0\x80", "â€\u009d\n<b>&EACUTE;", "\x1b[31m\u0345\u0301Σ", "Ã\u0080\xed\xa0\n", "&&&&amp;amp;amp"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 20_000 {
			return
		}
		for _, v := range variants {
			got := Clean(text, v)
			if !utf8.ValidString(got) {
				t.Fatalf("%s: Clean(%q) = %q is not UTF-8", v, text, got)
			}
			if again := Clean(string([]rune(text)), v); again != got {
				t.Fatalf("%s: Clean(%q) = %q, but %q of its characters", v, text, got, again)
			}
			if v != HuggingFace && (strings.TrimSpace(got) != got || strings.Contains(got, "  ")) {
				t.Fatalf("%s: Clean(%q) = %q has white space left", v, text, got)
			}
		}
		if Clean(text, OpenAI) != Clean(text, OpenCLIP) {
			t.Fatalf("Clean(%q) differs between OpenAI and OpenCLIP", text)
		}
	})
}

// FuzzEncode: with a made-up vocabulary, ids are in range, decode to the cleaned
// text, and are framed as they should be.
func FuzzEncode(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.text)
	}
	f.Add("<start_of_text><|ſtartoftext|>'ſ'S a\u0345b")
	f.Add(strings.Repeat("abba", 100))
	c, err := NewCLIP(zipped(f, madeUp()))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 20_000 {
			return
		}
		for _, v := range variants {
			checkEncode(t, c, text, v)
		}
	})
}

func checkEncode(t *testing.T, c *CLIP, text string, v Variant) {
	ids := c.Encode(text, v)
	back, err := c.Decode(ids, v) // an id out of range is an error
	if err != nil {
		t.Fatalf("%s: Encode(%q) = %d: %v", v, text, ids, err)
	}
	// White space separates and is not encoded; neither is U+0345 in Python.
	bare := func(s string) string {
		return strings.Map(func(r rune) rune {
			if table().properties.at(r)&space != 0 || r == 0x345 && v != HuggingFace {
				return -1
			}
			return r
		}, s)
	}
	if cleaned := Clean(text, v); bare(back) != bare(cleaned) {
		t.Fatalf("%s: %q is cleaned to %q, but its ids decode to %q", v, text, cleaned, back)
	}
	frame, truncated := c.Frame(text, v)
	whole := append(append([]int32{Start}, ids...), End)
	n := min(len(whole), Context)
	if truncated != (len(whole) > Context) || len(frame) != n || frame[n-1] != End || !slices.Equal(frame[:n-1], whole[:n-1]) {
		t.Fatalf("%s: Encode(%q) = %d, but Frame = %d, %v", v, text, ids, frame, truncated)
	}
}

// FuzzVocabulary: bytes from outside are refused or make a tokenizer that works.
func FuzzVocabulary(f *testing.F) {
	f.Add([]byte{})
	f.Add(zipped(f, []string{"# heading", "a b"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := NewCLIP(data); err == nil {
			checkEncode(t, c, "hello", OpenAI)
		}
	})
}

package token

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/gen-emerge/assay"
)

// vectors are ids by openai/CLIP, several of them in public documentation too.
var vectors = []struct {
	text string
	ids  []int32
}{
	{"Hello World!", []int32{3306, 1002, 256}},
	{"a photo of a cat", []int32{320, 1125, 539, 320, 2368}},
	{"a diagram", []int32{320, 22697}},
	{"A photo depicts an orange cat and a grey cat are lying together.",
		[]int32{320, 1125, 29340, 550, 4287, 2368, 537, 320, 5046, 2368, 631, 7175, 1952, 269}},
	{"You should've done this", []int32{592, 1535, 1200, 1700, 589}},
	{"résumé", []int32{29106, 7054, 4166}},
	{"rÃ©sumÃ©", []int32{29106, 7054, 4166}},
	{"“smart quotes” — it’s", []int32{257, 4115, 5808, 257, 2005, 585, 568}},
	{"ＬＯＵＤ　ＮＯＩＳＥＳ", []int32{7464, 31575}},
	{"2023-10-05 12:30", []int32{273, 271, 273, 274, 268, 272, 271, 268, 271, 276, 272, 273, 281, 274, 271}},
	{"emoji 😀👍🏽", []int32{16327, 12832, 43722}},
	{"ΟΔΥΣΣΕΥΣ", []int32{138, 123, 138, 112, 139, 227, 139, 225, 139, 225, 138, 113, 139, 227, 139, 480}},
	{"İstanbul", []int32{328, 16384, 11231}},
	{"x²+y³=½", []int32{343, 41175, 266, 344, 126, 367, 284, 33613}},
	{"&amp;lt;b&amp;gt; 2 &lt; 3", []int32{283, 321, 285, 273, 283, 274}},
	{"<|startoftext|> hi <|endoftext|>", []int32{49406, 1883, 49407}},
}

func TestEncode(t *testing.T) {
	c := clip(t)
	for _, v := range vectors {
		if got := c.Encode(v.text, OpenAI); !slices.Equal(got, v.ids) {
			t.Errorf("Encode(%q) = %d, want %d", v.text, got, v.ids)
		}
	}
	for _, empty := range []string{"", " \t\n ", "\x00\x01"} {
		if got := c.Encode(empty, OpenAI); got == nil || len(got) != 0 {
			t.Errorf("Encode(%q) = %#v, want an empty slice", empty, got)
		}
	}
}

// TestVariants holds the differences between the variants in place.
func TestVariants(t *testing.T) {
	c := clip(t)
	for _, test := range []struct {
		text string
		v    Variant
		ids  []int32
	}{
		{"<start_of_text>a<end_of_text>", OpenCLIP, []int32{Start, 320, End}},
		{"<|startoftext|>", OpenCLIP, []int32{27, 347, 993, 6659, 4160, 91, 285}},
		{"<|startoftext|> Hi <|STARTOFTEXT|>x<|endoftext|>", HuggingFace, []int32{Start, 1883, 27, 347, 993, 6659, 4160, 91, 285, 343, End}},
		{"ΟΔΥΣΣΕΥΣ", HuggingFace, []int32{138, 123, 138, 112, 139, 227, 139, 225, 139, 225, 138, 113, 139, 227, 139, 481}},
		{"a\x1cb\u0085c'ſ", HuggingFace, []int32{320, 472, 321, 322, 262, 129, 379}},
	} {
		got := c.Encode(test.text, test.v)
		if !slices.Equal(got, test.ids) {
			t.Errorf("%s: Encode(%q) = %d, want %d", test.v, test.text, got, test.ids)
		}
	}
	for _, s := range []string{"", "OpenAI", "clip"} {
		if _, err := ParseVariant(s); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("ParseVariant(%q) = %v, want ErrInvalid", s, err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Encode with variant %q does not panic", s)
				}
			}()
			c.Encode("a", Variant(s))
		}()
	}
}

func TestFrame(t *testing.T) {
	c := clip(t)
	for _, test := range []struct {
		words     int
		length    int
		truncated bool
	}{{0, 2, false}, {1, 3, false}, {74, 76, false}, {75, 77, false}, {76, 77, true}, {5000, 77, true}} {
		for _, v := range variants {
			ids, truncated := c.Frame(strings.Repeat("cat ", test.words), v)
			if len(ids) != test.length || truncated != test.truncated || ids[0] != Start || ids[len(ids)-1] != End {
				t.Errorf("%s: %d words give %d ids, truncated = %v, from %d to %d; want %d, %v, from %d to %d",
					v, test.words, len(ids), truncated, ids[0], ids[len(ids)-1], test.length, test.truncated, Start, End)
			}
			if test.words > 0 && slices.ContainsFunc(ids[1:len(ids)-1], func(id int32) bool { return id != 2368 }) {
				t.Errorf("%s: %d words give %d", v, test.words, ids)
			}
		}
	}
}

func TestDecode(t *testing.T) {
	c := clip(t)
	got, err := c.Decode([]int32{Start, 3306, 1002, 256, 29106, 7054, 4166, End}, OpenAI)
	if want := "<|startoftext|>hello world ! résumé <|endoftext|>"; got != want || err != nil {
		t.Errorf("Decode = %q, %v; want %q", got, err, want)
	}
	if got, err = c.Decode([]int32{138}, OpenAI); got != "\ufffd" || err != nil { // half a character
		t.Errorf("Decode of half a character = %q, %v", got, err)
	}
	for _, id := range []int32{-1, Size, 1 << 30} {
		if _, err := c.Decode([]int32{0, id}, OpenCLIP); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("Decode(%d): %v, want ErrInvalid", id, err)
		}
	}
}

// TestJoin compares the heap with the rule as it is written down: round by round,
// all occurrences of the best pair.
func TestJoin(t *testing.T) {
	c := clip(t)
	rounds := func(word string) []int32 {
		var ids []int32
		for i := range len(word) - 1 {
			ids = append(ids, c.plain[word[i]])
		}
		ids = append(ids, c.last[word[len(word)-1]])
		for {
			best := int32(Size)
			for i := range len(ids) - 1 {
				if id, ok := c.merge[pair{ids[i], ids[i+1]}]; ok {
					best = min(best, id)
				}
			}
			if best == Size {
				return ids
			}
			var next []int32
			for i := 0; i < len(ids); i++ {
				if i+1 < len(ids) && c.merge[pair{ids[i], ids[i+1]}] == best {
					next = append(next, best)
					i++
				} else {
					next = append(next, ids[i])
				}
			}
			ids = next
		}
	}
	lines, _ := golden(t)
	for _, word := range []string{"a", "aa", "aaa", strings.Repeat("a", 999), strings.Repeat("hahaha", 100), strings.Repeat("=", 500), strings.Repeat("😀", 99)} {
		if got, want := c.join(nil, word), rounds(word); !slices.Equal(got, want) {
			t.Errorf("join(%s) = %d, want %d", show(word), got, want)
		}
	}
	for n, g := range lines[:3000] { // whole strings as words: longer than any real one
		if word := g.text(); word != "" && n%goldenStep == 0 {
			if got, want := c.join(nil, word), rounds(word); !slices.Equal(got, want) {
				t.Errorf("join(%s) = %d, want %d", show(word), got, want)
			}
		}
	}
}

func TestConcurrent(t *testing.T) {
	c := clip(t)
	lines, _ := golden(t)
	want := make([][]int32, 500)
	fresh := clip(t)
	for i := range want {
		want[i] = c.Encode(lines[i].text(), OpenAI)
	}
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			for k := range want {
				i := (k*7 + g*61) % len(want)
				if got := fresh.Encode(lines[i].text(), OpenAI); !slices.Equal(got, want[i]) {
					t.Errorf("string %d: %d, want %d", i, got, want[i])
				}
			}
		})
	}
	wait.Wait()
}

// TestCache: what is full stays right and stays bounded.
func TestCache(t *testing.T) {
	c := clip(t)
	for i := range cacheWords + 500 {
		c.Encode(fmt.Sprintf("w%s", strings.Map(func(r rune) rune { return r - '0' + 'a' }, fmt.Sprint(i))), OpenAI)
	}
	if len(c.words.ids) != cacheWords {
		t.Errorf("%d words in the cache, want %d", len(c.words.ids), cacheWords)
	}
	if got := c.Encode("a diagram", OpenAI); !slices.Equal(got, []int32{320, 22697}) {
		t.Errorf("with a full cache: %d", got)
	}
}

func zipped(t testing.TB, lines []string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// madeUp is a vocabulary of the right structure that joins pairs of letters to
// ever longer symbols.
func madeUp() []string {
	lines := []string{"# heading"}
	symbols := strings.Split("abcdefghijklmnopqrstuvwxyz", "")
	seen := map[string]bool{}
	for i := 0; len(lines) <= merges; i++ {
		for j := 0; j < 26 && len(lines) <= merges; j++ {
			if s := symbols[i] + symbols[j]; !seen[s] {
				seen[s] = true
				lines = append(lines, symbols[i]+" "+symbols[j])
				symbols = append(symbols, s)
			}
		}
	}
	return lines
}

// TestNewCLIP needs no real vocabulary: it makes one, and breaks it.
func TestNewCLIP(t *testing.T) {
	good := madeUp()
	c, err := NewCLIP(zipped(t, good))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Encode("ab b", OpenAI); !slices.Equal(got, []int32{c.plain['a'], c.last['b'], c.last['b']}) {
		t.Errorf("made-up vocabulary: %d", got)
	}
	if got := c.Encode("aab", OpenAI); !slices.Equal(got, []int32{512, c.last['b']}) {
		t.Errorf("made-up vocabulary: %d, want the first merge, 512, first", got)
	}
	with := func(n int, line string) []byte {
		lines := slices.Clone(good)
		lines[n] = line
		return zipped(t, lines)
	}
	whole := zipped(t, good)
	for name, data := range map[string][]byte{
		"empty":             nil,
		"no gzip":           []byte(strings.Join(good, "\n")),
		"cut":               whole[:len(whole)/2],
		"too short":         zipped(t, good[:merges]),
		"one symbol":        with(17, "ab"),
		"three symbols":     with(17, "a b c"),
		"unknown symbol":    with(17, "a zzzzzz"),
		"made twice":        with(17, "a a"),
		"after end of word": with(17, "a</w> b"),
		"too large":         zipped(t, append(slices.Clone(good), strings.Repeat(" ", vocabularyLimit))),
	} {
		if _, err := NewCLIP(data); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		} else if strings.Contains(name, "symbol") && !strings.Contains(err.Error(), "line 18") {
			t.Errorf("%s: %v, want it to name line 18", name, err)
		}
	}
}

// TestTables compares the embedded tables with Go's, which are of another age: a
// letter here that is none there must be unassigned there, and the other way round
// unless Go has grown past Unicode 18.
func TestTables(t *testing.T) {
	if _, err := parseTables(tablesText); err != nil {
		t.Fatal(err)
	}
	tab := table()
	known := func(r rune) bool {
		return unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf)
	}
	differ := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		p := tab.properties.at(r)
		if (p&space != 0) != unicode.IsSpace(r) {
			t.Errorf("%U: white space %v", r, p&space != 0)
		}
		if !known(r) {
			if p&(letter|number) != 0 {
				differ++
			}
			continue
		}
		if unicode.Version > "18.0.0" && p == 0 {
			continue // unassigned here
		}
		if (p&letter != 0) != unicode.IsLetter(r) || (p&number != 0) != unicode.IsNumber(r) {
			t.Errorf("%U: letter %v, number %v; Go says %v, %v", r, p&letter != 0, p&number != 0, unicode.IsLetter(r), unicode.IsNumber(r))
		}
		if l, ok := tab.lower[r]; ok && l != unicode.ToLower(r) {
			t.Errorf("%U: lower case %U, Go says %U", r, l, unicode.ToLower(r))
		}
	}
	if differ > 30000 {
		t.Errorf("%d letters and numbers are unassigned to Go", differ)
	}
	if n := len(tab.entity); n != 2231 {
		t.Errorf("%d HTML names, want 2231", n)
	}
	for _, e := range tab.encodings {
		if len(e.chars) != 128 {
			t.Errorf("%s has %d characters, want 128", e.name, len(e.chars))
		}
	}
	if len(tab.encodings) != 10 || tab.encodings[windows1252].name != "sloppy-windows-1252" {
		t.Errorf("%d encodings, the second %s", len(tab.encodings), tab.encodings[windows1252].name)
	}
	for _, text := range []string{"[letter]\n41-\n", "[letter]\nzz\n", "[lower]\n41:\n", "[what]\n41=42\n", "[category odd]\n41\n",
		"[entity]\namp\n", "[width]\n41=g\n", "[letter]\n41-1fffff\n", "[clue x]\n41\n", "[ccc]\n41\n"} {
		if _, err := parseTables(text); err == nil {
			t.Errorf("parseTables(%q) finds nothing wrong", text)
		}
	}
}

// TestInvalidUTF8: every byte that is not UTF-8 counts as one U+FFFD.
func TestInvalidUTF8(t *testing.T) {
	for _, v := range variants {
		for _, s := range []string{"a\xffb", "\xf0\x9f\x98", "\xed\xa0\x80", "ok \xc3( ", "\x80\x80\x80"} {
			got, want := Clean(s, v), Clean(string([]rune(s)), v)
			if got != want || !utf8.ValidString(got) || !strings.ContainsRune(got, utf8.RuneError) {
				t.Errorf("%s: Clean(%q) = %q, want %q with U+FFFD", v, s, got, want)
			}
		}
	}
}

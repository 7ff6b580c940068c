package token

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/gen-emerge/assay"
)

// bertFile returns the bytes of the vocabulary, or skips the test where it is not
// installed and nothing says that it must be.
func bertFile(t testing.TB) []byte {
	t.Helper()
	path := os.Getenv("ASSAY_TEST_BERT_VOCAB")
	if path == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		path = filepath.Join(cache, "assay", "models", "bert-vocabulary", "bert-base-uncased-vocab.txt")
	}
	data, err := os.ReadFile(path)
	if err == nil {
		return data
	}
	if slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), "vocab") {
		t.Fatalf("ASSAY_TEST_REQUIRE asks for the BERT vocabulary: %v", err)
	}
	t.Skipf("no BERT vocabulary (set ASSAY_TEST_BERT_VOCAB, or install the model bert-vocabulary): %v", err)
	return nil
}

func bert(t testing.TB) *BERT {
	t.Helper()
	b, err := NewBERT(bertFile(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bertVectors are ids that anybody can look up, by transformers' BertTokenizer.
var bertVectors = []struct {
	text string
	ids  []int32
}{
	{"a photo of a cat", []int32{1037, 6302, 1997, 1037, 4937}},
	{"Hello, World!", []int32{7592, 1010, 2088, 999}},
	{"unaffable", []int32{14477, 20961, 3468}},
	{"résumé NAÏVE", []int32{13746, 15743}},
	{"[CLS] x [SEP][ENC]", []int32{101, 1060, 102, 30523}},
	{"\u0000\u200b\ufffd", []int32{}},
}

func TestBERTEncode(t *testing.T) {
	b := bert(t)
	for _, v := range bertVectors {
		if got := b.Encode(v.text); !slices.Equal(got, v.ids) || got == nil {
			t.Errorf("Encode(%q) = %#v, want %d", v.text, got, v.ids)
		}
	}
}

// A bertLine is a line of testdata/bert.jsonl.gz, made by reference/token_bert.py. I is
// the first 4 bytes of the SHA-256 of the ids. Without S and Sweep it belongs to the
// line of clip.jsonl.gz at the same place.
type bertLine struct {
	goldenLine
	IDs   []int32
	Frame []int32 // 35 long, filled up with 0
}

func bertGolden(t testing.TB) (lines []bertLine, last bertLine) {
	t.Helper()
	f, err := os.Open("testdata/bert.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(z)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var g bertLine
		if err := json.Unmarshal(scan.Bytes(), &g); err != nil {
			t.Fatalf("line %d: %v", len(lines)+1, err)
		}
		lines = append(lines, g)
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
	last = lines[len(lines)-1]
	lines = lines[:len(lines)-1]
	texts, _ := golden(t)
	for i, g := range texts {
		lines[i].goldenLine = goldenLine{S: g.S, N: g.N, Sweep: g.Sweep, I: lines[i].I}
	}
	if len(lines) != last.Count || len(lines) < len(texts)+2000 || len(texts) < 20_000 {
		t.Fatalf("%d lines, %d of them new: want %d, at least 2000 of them new", len(lines), len(lines)-len(texts), last.Count)
	}
	return lines, last
}

// TestBERTGolden compares the ids with the reference on every string, and at the end
// the one digest over all of them in full; and frames of 35, as ImageReward asks for.
func TestBERTGolden(t *testing.T) {
	b := bert(t)
	lines, last := bertGolden(t)
	bad, framed, cut := 0, 0, 0
	all := sha256.New()
	for n, g := range lines {
		if n%goldenStep != 0 {
			continue
		}
		text := g.text()
		got := b.Encode(text)
		if g.IDs != nil && !slices.Equal(got, g.IDs) {
			t.Errorf("string %d: Encode(%s) = %d, want %d", n, show(text), got, g.IDs)
		}
		sum := sha256.Sum256([]byte(strings.Trim(fmt.Sprint(got), "[]")))
		all.Write(sum[:])
		if hex.EncodeToString(sum[:4]) != g.I {
			if bad++; bad <= 20 {
				t.Errorf("string %d: %s has other ids than the reference's: %d", n, show(text), got)
			}
		}
		if g.Frame == nil {
			continue
		}
		framed++
		frame, truncated := b.Frame(text, 35)
		if truncated {
			cut++
		}
		if truncated != (len(got) > 33) {
			t.Errorf("string %d: %d ids, truncated = %v", n, len(got), truncated)
		}
		if padded := append(frame, make([]int32, 35-len(frame))...); !slices.Equal(padded, g.Frame) {
			t.Errorf("string %d: frame of %s = %d, want %d", n, show(text), padded, g.Frame)
		}
	}
	if bad > 0 {
		t.Errorf("%d of %d strings differ", bad, len(lines))
	}
	if got := hex.EncodeToString(all.Sum(nil)); goldenStep == 1 && got != last.All {
		t.Errorf("digest over all strings is %s, want %s", got, last.All)
	}
	if framed < 800/goldenStep || goldenStep == 1 && cut < 20 {
		t.Errorf("%d frames compared, %d of them cut; want more", framed, cut)
	}
}

// madeUpBERT is a vocabulary of the right structure: letters, pairs and triples.
func madeUpBERT() []string {
	lines := make([]string, 0, bertLines)
	for i := range bertLines {
		lines = append(lines, fmt.Sprintf("[unused%d]", i))
	}
	for s, id := range bertSpecials {
		if id < bertLines {
			lines[id] = s
		}
	}
	at := 200
	for a := 'a'; a <= 'z'; a++ {
		lines[at], lines[at+1] = string(a), "##"+string(a)
		at += 2
		for b := 'a'; b <= 'z'; b++ {
			lines[at] = string([]rune{'#', '#', a, b})
			at++
		}
	}
	for i, s := range strings.Split("! , . - [ ] é 的 😀 the ##ing ####", " ") {
		lines[at+i] = s
	}
	return lines
}

func joinBERT(lines []string) []byte { return []byte(strings.Join(lines, "\n") + "\n") }

// TestNewBERT needs no real vocabulary: it makes one, and breaks it.
func TestNewBERT(t *testing.T) {
	good := madeUpBERT()
	b, err := NewBERT(joinBERT(good))
	if err != nil {
		t.Fatal(err)
	}
	id := func(s string) int32 { return int32(slices.Index(good, s)) }
	for text, want := range map[string][]int32{
		"The":                     {id("the")},
		"going":                   {id("g"), id("##oi"), id("##ng")}, // greedy from the left
		"éa":                      {id("e"), id("##a")},
		"的a":                      {id("的"), id("a")},
		"a9b":                     {bertUnknown},
		"a9b c":                   {bertUnknown, id("c")},
		"[MASK]-[mask]":           {bertMask, id("-"), id("["), id("m"), id("##as"), id("##k"), id("]")},
		strings.Repeat("a", 100):  nil,
		strings.Repeat("a", 101):  {bertUnknown},
		"[[CLS]":                  {id("["), bertStart},
		"[ENC][DEC]":              {bertEncode, bertDecode},
		"\x1c\u200d\ufffda\x00\v": {id("a")},
	} {
		if want == nil {
			want = []int32{id("a")}
			for range 49 {
				want = append(want, id("##aa"))
			}
			want = append(want, id("##a"))
		}
		if got := b.Encode(text); !slices.Equal(got, want) {
			t.Errorf("made-up vocabulary: Encode(%.40q) = %d, want %d", text, got, want)
		}
	}
	with := func(n int, line string) []byte {
		lines := slices.Clone(good)
		lines[n] = line
		return joinBERT(lines)
	}
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"empty":           {nil, "1 lines"},
		"too short":       {joinBERT(good[:100]), "100 lines"},
		"too long":        {joinBERT(append(slices.Clone(good), "more")), "30523 lines"},
		"too large":       {make([]byte, bertLimit+1), "bytes"},
		"empty line":      {with(17, ""), "line 18"},
		"space":           {with(17, "a b"), "line 18"},
		"carriage return": {with(17, "x\r"), "line 18"},
		"not UTF-8":       {with(17, "\xff"), "line 18"},
		"twice":           {with(17, good[300]), "line 301"},
		"special moved":   {with(17, "[SEP]"), "[SEP] has the id 17"},
		"special missing": {with(101, "x1"), "[CLS] is missing"},
		"BLIP's is there": {with(17, "[ENC]"), "[ENC] has the id 17"},
	} {
		_, err := NewBERT(c.data)
		if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v, want ErrInvalid that says %q", name, err, c.says)
		}
	}
}

// TestBERTFrame cuts at every context.
func TestBERTFrame(t *testing.T) {
	b, err := NewBERT(joinBERT(madeUpBERT()))
	if err != nil {
		t.Fatal(err)
	}
	for words := range 40 {
		for _, context := range []int{2, 3, 35} {
			ids, truncated := b.Frame(strings.Repeat("a ", words), context)
			if want := min(words+2, context); len(ids) != want || truncated != (words+2 > context) || ids[0] != bertStart || ids[want-1] != bertEnd {
				t.Errorf("%d words in %d: %d, truncated = %v", words, context, ids, truncated)
			}
		}
	}
}

func TestBERTConcurrent(t *testing.T) {
	b, err := NewBERT(joinBERT(madeUpBERT()))
	if err != nil {
		t.Fatal(err)
	}
	lines, _ := golden(t)
	want := make([][]int32, 500)
	for i := range want {
		want[i] = b.Encode(lines[i].text())
	}
	fresh, err := NewBERT(joinBERT(madeUpBERT()))
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			for k := range want {
				i := (k*7 + g*61) % len(want)
				if got := fresh.Encode(lines[i].text()); !slices.Equal(got, want[i]) {
					t.Errorf("string %d: %d, want %d", i, got, want[i])
				}
			}
		})
	}
	wait.Wait()
}

// TestBERTTables compares the categories with Go's where both know a character: they
// change little, and only in releases of Unicode.
func TestBERTTables(t *testing.T) {
	tab := table()
	differ, seen := 0, [4]int{}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		p := tab.properties.at(r)
		for i, c := range []struct {
			bit uint16
			in  *unicode.RangeTable
		}{{separator, unicode.Zs}, {mark, unicode.Mn}, {punctuation, unicode.P}} {
			if p&assigned == 0 && p&c.bit != 0 {
				t.Errorf("%U is unassigned and has a category", r)
			}
			if p&c.bit != 0 {
				seen[i]++
			}
			if p&assigned != 0 && (p&c.bit != 0) != unicode.Is(c.in, r) {
				differ++
			}
		}
		if p&assigned != 0 {
			seen[3]++
			if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs) {
				differ++
			}
		}
	}
	if want := [4]int{17, 1950, 819, 144534}; seen != want {
		t.Errorf("%d separators, marks, punctuation and characters, want %d", seen, want)
	}
	if differ > 20 {
		t.Errorf("%d categories are not Go's", differ)
	}
}

// FuzzBERT: ids are in range, a known word's pieces spell it, and frames are as they
// should be.
func FuzzBERT(f *testing.F) {
	for _, v := range bertVectors {
		f.Add(v.text)
	}
	for _, s := range []string{"[[SEP]]", "İI\u0307 ΑΣ ǅ", "가\u302e\u302f\u0323", "a\xffb\x1c\u2028c\u0085", "的\u3000カ\u3099", strings.Repeat("\u0301e", 120), "\U000e0041x"} {
		f.Add(s)
	}
	b, err := NewBERT(joinBERT(madeUpBERT()))
	if err != nil {
		f.Fatal(err)
	}
	names := make([]string, BERTSize)
	for s, id := range b.first {
		names[id] = s
	}
	for s, id := range b.rest {
		names[id] = s
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 20_000 {
			return
		}
		checkBERT(t, b, names, text)
	})
}

func checkBERT(t *testing.T, b *BERT, names []string, text string) {
	ids := b.Encode(text)
	for _, id := range ids {
		if id < 0 || id >= BERTSize {
			t.Fatalf("Encode(%q) = %d", text, ids)
		}
	}
	if again := b.Encode(string([]rune(text))); !slices.Equal(again, ids) {
		t.Fatalf("Encode(%q) = %d, but %d of its characters", text, ids, again)
	}
	if other := b.Encode(" " + strings.ReplaceAll(text, " ", "\t\u3000")); !slices.Equal(other, ids) {
		t.Fatalf("Encode(%q) = %d, but %d with other white space", text, ids, other)
	}
	if !strings.Contains(text, "[") {
		var spelled, want strings.Builder
		for _, w := range bertWords([]rune(text)) {
			odd := func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Mn, r) && r < 0x500 }
			if strings.ContainsFunc(w, odd) || w == "" {
				t.Fatalf("%q has the word %q", text, w)
			}
			if one := b.pieces(nil, w); slices.Equal(one, []int32{bertUnknown}) {
				want.WriteString("?")
			} else {
				want.WriteString(w)
			}
		}
		for _, id := range ids {
			if id == bertUnknown {
				spelled.WriteString("?")
			} else {
				spelled.WriteString(names[id])
			}
		}
		if spelled.String() != want.String() {
			t.Fatalf("the words of %q are %q, the ids spell %q", text, want.String(), spelled.String())
		}
	}
	frame, truncated := b.Frame(text, 35)
	whole := append(append([]int32{bertStart}, ids...), bertEnd)
	n := min(len(whole), 35)
	if truncated != (len(whole) > 35) || len(frame) != n || frame[n-1] != bertEnd || !slices.Equal(frame[:n-1], whole[:n-1]) {
		t.Fatalf("Encode(%q) = %d, but Frame = %d, %v", text, ids, frame, truncated)
	}
}

// FuzzBERTVocabulary: bytes from outside are refused or make a tokenizer that works.
func FuzzBERTVocabulary(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add([]byte("##\n###\nx"), 17)
	good := madeUpBERT()
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		lines := slices.Clone(good)
		lines[uint(at)%uint(len(lines))] = string(data)
		b, err := NewBERT(joinBERT(lines))
		if err != nil {
			if !errors.Is(err, assay.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		if ids := b.Encode("hello, 的 world"); len(ids) < 4 {
			t.Fatalf("%d", ids)
		}
	})
}

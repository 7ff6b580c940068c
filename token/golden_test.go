package token

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// variants in the order of the golden file.
var variants = [3]Variant{OpenAI, OpenCLIP, HuggingFace}

// A line of testdata/clip.jsonl.gz, made by reference/token_clip.py with the authors'
// packages. The hashes are the first 4 bytes of the SHA-256 of what cleaning gives
// (joined by NUL) and of the ids (by spaces, the variants by line breaks). Some lines
// have both in full besides, to show what differs.
type goldenLine struct {
	S      string
	N      int
	C, I   string
	Clean  []string
	IDs    [][]int32
	Frames [][]int32 // of open_clip, padded with 0, and of Hugging Face

	Sweep *rune // instead of S: the first of 1024 characters, see text

	Count int
	All   string
}

// text is S, N times if N is set; of a sweep, every character of its block joined
// to a letter or a sign and beside a sigma.
func (g goldenLine) text() string {
	if g.Sweep == nil {
		return strings.Repeat(g.S, max(1, g.N))
	}
	var b strings.Builder
	for r := *g.Sweep; r < *g.Sweep+0x400; r++ {
		if r < 0xD800 || r >= 0xE000 {
			fmt.Fprintf(&b, "a%c! %cΣ A%cΣ\n", r, r, r)
		}
	}
	return b.String()
}

var readGolden = sync.OnceValues(func() ([]goldenLine, error) {
	f, err := os.Open("testdata/clip.jsonl.gz")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	var lines []goldenLine
	scan := bufio.NewScanner(z)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var g goldenLine
		if err := json.Unmarshal(scan.Bytes(), &g); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(lines)+1, err)
		}
		lines = append(lines, g)
	}
	return lines, scan.Err()
})

func golden(t testing.TB) (lines []goldenLine, last goldenLine) {
	t.Helper()
	lines, err := readGolden()
	if err != nil {
		t.Fatal(err)
	}
	n := max(0, len(lines)-1)
	if n != 20000 || lines[n].Count != n {
		t.Fatalf("golden file has %d strings and says %d; want 20000", n, lines[n].Count)
	}
	return lines[:n], lines[n]
}

// clip returns the tokenizer, if the vocabulary is on this machine.
func clip(t testing.TB) *CLIP {
	t.Helper()
	path := os.Getenv("ASSAY_TEST_VOCAB")
	if path == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		path = filepath.Join(dir, "assay", "models", "clip-vocabulary", "bpe_simple_vocab_16e6.txt.gz")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), "vocab") {
			t.Fatalf("ASSAY_TEST_REQUIRE asks for the CLIP vocabulary: %v", err)
		}
		t.Skipf("no CLIP vocabulary (set ASSAY_TEST_VOCAB, or install the model clip-vocabulary): %v", err)
	}
	const want = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
	if got := fmt.Sprintf("%x", sha256.Sum256(data)); got != want {
		t.Fatalf("%s: SHA-256 %s, want %s", path, got, want)
	}
	c, err := NewCLIP(data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func cleanedHash(text string) [32]byte {
	var parts []string
	for _, v := range variants {
		parts = append(parts, Clean(text, v))
	}
	return sha256.Sum256([]byte(strings.Join(parts, "\x00")))
}

func idsHash(c *CLIP, text string) [32]byte {
	var parts []string
	for _, v := range variants {
		parts = append(parts, strings.Trim(fmt.Sprint(c.Encode(text, v)), "[]"))
	}
	return sha256.Sum256([]byte(strings.Join(parts, "\n")))
}

func show(s string) string {
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	return fmt.Sprintf("%+q", s)
}

// TestCleanGolden compares cleaning with the reference on every string, all three
// variants.
func TestCleanGolden(t *testing.T) {
	lines, _ := golden(t)
	bad := 0
	for n, g := range lines {
		if n%goldenStep != 0 {
			continue
		}
		text := g.text()
		for i, v := range variants {
			if g.Clean != nil && Clean(text, v) != g.Clean[i] {
				t.Errorf("string %d, %s: Clean(%s) =\n%s, want\n%s", n, v, show(text), show(Clean(text, v)), show(g.Clean[i]))
			}
		}
		sum := cleanedHash(text)
		if got := hex.EncodeToString(sum[:4]); got != g.C {
			if bad++; bad <= 20 {
				t.Errorf("string %d: %s is cleaned otherwise than by the reference: %s", n, show(text), show(Clean(text, OpenAI)))
			}
		}
	}
	if bad > 0 {
		t.Errorf("%d of %d strings differ", bad, len(lines))
	}
}

// TestEncodeGolden compares the ids with the reference on every string, all three
// variants, and at the end the one digest over all of them in full.
func TestEncodeGolden(t *testing.T) {
	c := clip(t)
	lines, last := golden(t)
	bad := 0
	all := sha256.New()
	for n, g := range lines {
		if n%goldenStep != 0 {
			continue
		}
		text := g.text()
		for i, v := range variants {
			if g.IDs != nil && !slices.Equal(c.Encode(text, v), g.IDs[i]) {
				t.Errorf("string %d, %s: Encode(%s) = %d, want %d", n, v, show(text), c.Encode(text, v), g.IDs[i])
			}
		}
		cleaned, ids := cleanedHash(text), idsHash(c, text)
		all.Write(cleaned[:])
		all.Write(ids[:])
		if got := hex.EncodeToString(ids[:4]); got != g.I {
			if bad++; bad <= 20 {
				t.Errorf("string %d: %s has other ids than the reference's: %d", n, show(text), c.Encode(text, OpenAI))
			}
		}
	}
	if bad > 0 {
		t.Errorf("%d of %d strings differ", bad, len(lines))
	}
	if got := hex.EncodeToString(all.Sum(nil)); goldenStep == 1 && got != last.All {
		t.Errorf("digest over all strings is %s, want %s", got, last.All)
	}
}

// TestFrameGolden compares framing and cutting with open_clip's call, which pads with
// zeros, and with Hugging Face's.
func TestFrameGolden(t *testing.T) {
	c := clip(t)
	lines, _ := golden(t)
	seen, cut := 0, 0
	for n, g := range lines {
		if g.Frames == nil {
			continue
		}
		seen++
		got, truncated := c.Frame(g.text(), OpenCLIP)
		if truncated {
			cut++
		}
		if truncated != (len(c.Encode(g.text(), OpenCLIP)) > Context-2) {
			t.Errorf("string %d: truncated = %v", n, truncated)
		}
		padded := append(slices.Clone(got), make([]int32, Context-len(got))...)
		if !slices.Equal(padded, g.Frames[0]) {
			t.Errorf("string %d: open_clip frame of %s = %d, want %d", n, show(g.text()), padded, g.Frames[0])
		}
		if got, _ := c.Frame(g.text(), HuggingFace); !slices.Equal(got, g.Frames[1]) {
			t.Errorf("string %d: Hugging Face frame of %s = %d, want %d", n, show(g.text()), got, g.Frames[1])
		}
	}
	if seen < 500 || cut < 1 {
		t.Errorf("%d frames compared, %d of them cut; want more", seen, cut)
	}
}

package pixel

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// pngFile returns the least PNG that carries the given chunks: metadata is read
// without decoding pixels.
func pngFile(chunks ...string) []byte {
	b := []byte("\x89PNG\r\n\x1a\n")
	b = append(b, chunk("IHDR", "\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00")...)
	for _, c := range chunks {
		b = append(b, c...)
	}
	return append(b, chunk("IEND", "")...)
}

func chunk(kind, body string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(b, kind+body...)
	return string(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:])))
}

func tEXt(key, text string) string { return chunk("tEXt", key+"\x00"+text) }

func deflated(s string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write([]byte(s))
	z.Close()
	return b.String()
}

// readOne reads a PNG of the given text chunks and fails t on any doubt.
func readOne(t *testing.T, chunks ...string) Meta {
	t.Helper()
	m, doubts := ReadMeta(pngFile(chunks...))
	if len(doubts) > 0 {
		t.Errorf("doubts: %v", doubts)
	}
	return m
}

const infotext = "a castle, <lora:foo:0.8>\nsecond (line:1.2)\nNegative prompt: ugly,\nblurry\n" +
	`Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1234567890, Size: 512x768, ` +
	`Model hash: abc123, Model: v1-5, Lora hashes: "foo: 1a2b, bar: \"q\"", Version: v1.9.4`

var infoMeta = Meta{
	Generator: "a1111",
	Prompt:    "a castle, <lora:foo:0.8>\nsecond (line:1.2)",
	Negative:  "ugly,\nblurry",
	Settings: map[string]string{
		"steps": "20", "sampler": "DPM++ 2M", "scheduler": "Karras", "cfg": "7", "seed": "1234567890",
		"width": "512", "height": "768", "Model hash": "abc123", "model": "v1-5",
		"Lora hashes": `foo: 1a2b, bar: "q"`, "version": "v1.9.4",
	},
}

func withRaw(m Meta, raw ...string) Meta {
	m.Raw = map[string]string{}
	for i := 0; i < len(raw); i += 2 {
		m.Raw[raw[i]] = raw[i+1]
	}
	return m
}

// TestTextChunks: the same text by each of PNG's three ways.
func TestTextChunks(t *testing.T) {
	want := withRaw(infoMeta, "parameters", infotext)
	for name, c := range map[string]string{
		"tEXt":            tEXt("parameters", infotext),
		"zTXt":            chunk("zTXt", "parameters\x00\x00"+deflated(infotext)),
		"iTXt":            chunk("iTXt", "parameters\x00\x00\x00en\x00Parameter\x00"+infotext),
		"iTXt compressed": chunk("iTXt", "parameters\x00\x01\x00\x00\x00"+deflated(infotext)),
		"after the image": chunk("IDAT", "xyz") + tEXt("parameters", infotext),
		"beside others":   tEXt("Author", "me") + tEXt("parameters", infotext) + tEXt("Title", "a picture"),
	} {
		t.Run(name, func(t *testing.T) {
			want := want
			if name == "beside others" {
				want = withRaw(infoMeta, "parameters", infotext, "Title", "a picture")
			}
			if diff := cmp.Diff(want, readOne(t, c)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if m := readOne(t, tEXt("parameters", "caf\xe9, na\xefve")); m.Prompt != "café, naïve" {
		t.Errorf("Latin-1 read as %q", m.Prompt)
	}
	if m := readOne(t, tEXt("parameters", "café 猫")); m.Prompt != "café 猫" {
		t.Errorf("UTF-8 read as %q", m.Prompt)
	}
}

// TestMetaDoubts: damage and excess are reported, and what is whole is read.
func TestMetaDoubts(t *testing.T) {
	bomb := deflated(strings.Repeat("a", maxText+100))
	broken := []byte(tEXt("parameters", infotext))
	broken[len(broken)-1] ^= 1
	whole := pngFile(tEXt("parameters", infotext))
	for name, c := range map[string]struct {
		file  []byte
		doubt string
		found bool
	}{
		"cut short":         {whole[:len(whole)-20], "ends within a chunk", false},
		"wrong checksum":    {pngFile(string(broken)), "checksum", true},
		"inflates too far":  {pngFile(chunk("zTXt", "prompt\x00\x00"+bomb), tEXt("parameters", infotext)), "over the limit", true},
		"bad deflate":       {pngFile(chunk("zTXt", "prompt\x00\x00junk"), tEXt("parameters", infotext)), "zTXt", true},
		"bad method":        {pngFile(chunk("zTXt", "prompt\x00\x07"+deflated("x"))), "method", false},
		"twice":             {pngFile(tEXt("parameters", infotext), tEXt("parameters", "other")), "twice", true},
		"too much in all":   {pngFile(tEXt("workflow", strings.Repeat("w", maxText)), tEXt("prompt", strings.Repeat("w", maxText)), tEXt("Title", strings.Repeat("w", maxText)), tEXt("Comment", strings.Repeat("w", maxText)), tEXt("parameters", infotext)), "bytes of text", false},
		"broken graph":      {pngFile(tEXt("prompt", `{"1": {`), tEXt("parameters", infotext)), "comfyui", true},
		"deep":              {pngFile(tEXt("prompt", strings.Repeat(`{"a":`, 100)), tEXt("parameters", infotext)), "deeper", true},
		"plain prompt":      {pngFile(tEXt("prompt", "a cat")), "not a ComfyUI graph", false},
		"webp cut":          {[]byte("RIFF\xff\x00\x00\x00WEBPEXIF\xff\x00\x00\x00II"), "within a chunk", false},
		"jpeg cut":          {[]byte("\xff\xd8\xff\xe1\x10\x00Exif\x00\x00"), "longer than the file", false},
		"exif without form": {pngFile(chunk("eXIf", "nonsense"), tEXt("parameters", infotext)), "byte order", true},
	} {
		t.Run(name, func(t *testing.T) {
			m, doubts := ReadMeta(c.file)
			if !strings.Contains(fmt.Sprint(doubts), c.doubt) {
				t.Errorf("doubts %.300v, want one of %q", doubts, c.doubt)
			}
			if c.found != (m.Generator == "a1111" && m.Prompt == infoMeta.Prompt) {
				t.Errorf("generator %q, prompt %.60q", m.Generator, m.Prompt)
			}
			if !c.found && name != "plain prompt" && name != "too much in all" && !cmp.Equal(m, Meta{}) {
				t.Errorf("found %+v", m)
			}
		})
	}
}

func TestMetaNothing(t *testing.T) {
	for name, file := range map[string][]byte{
		"nil":         nil,
		"text":        []byte("hello"),
		"gif":         []byte("GIF89a"),
		"bare png":    pngFile(),
		"titled png":  pngFile(tEXt("Title", "Sunset"), tEXt("Software", "GIMP"), tEXt("Comment", "made by hand")),
		"camera jpeg": jpegFile(tiffBlock(binary.BigEndian, tag{tagMake, "NIKON: the maker\x00"}, tag{tagUserComment, "ASCII\x00\x00\x00holiday"})),
	} {
		if m, doubts := ReadMeta(file); !cmp.Equal(m, Meta{}) || len(doubts) > 0 {
			t.Errorf("%s: %+v, %v", name, m, doubts)
		}
	}
}

func TestRawIsCut(t *testing.T) {
	long := strings.Repeat("é", maxRaw)
	m, doubts := ReadMeta(pngFile(tEXt("parameters", long)))
	if len(doubts) != 0 || len(m.Raw["parameters"]) > maxRaw || !utf8.ValidString(m.Raw["parameters"]) {
		t.Errorf("raw text of %d bytes, doubts %v", len(m.Raw["parameters"]), doubts)
	}
	if m.Prompt != long {
		t.Errorf("prompt of %d bytes, want %d", len(m.Prompt), len(long))
	}
}

func TestA1111(t *testing.T) {
	for name, c := range map[string]struct {
		text, prompt, negative string
		settings               int
	}{
		"prompt only":          {"just a cat", "just a cat", "", 0},
		"two pairs are prompt": {"a cat\nSteps: 20, Seed: 3", "a cat\nSteps: 20, Seed: 3", "", 0},
		"three pairs are not":  {"a cat\nSteps: 20, Seed: 3, CFG scale: 7", "a cat", "", 3},
		"no prompt":            {"Steps: 20, Seed: 3, CFG scale: 7", "", "", 3},
		"only negative":        {"Negative prompt: bad\nSteps: 20, Seed: 3, CFG scale: 7", "", "bad", 3},
		"colons in prompt":     {"(cat:1.2), [dog:0.5], a: b", "(cat:1.2), [dog:0.5], a: b", "", 0},
		"carriage returns":     {"a\r\nNegative prompt: b\r\nSteps: 1, Seed: 2, Size: 3x4", "a", "b", 4},
		"odd size":             {"a\nSteps: 1, Seed: 2, Size: large", "a", "", 3},
		"empty lines":          {"a\n\n b \n\nNegative prompt:\nx\nSteps: 1, Seed: 2, Size: 3x4", "a\n\nb", "x", 4},
		"unclosed quote":       {"a\nSteps: 1, Seed: 2, Note: \"open, Size: 3x4", "a", "", 5},
	} {
		m := parseA1111(c.text)
		if m.Prompt != c.prompt || m.Negative != c.negative || len(m.Settings) != c.settings {
			t.Errorf("%s: prompt %q, negative %q, settings %v", name, m.Prompt, m.Negative, m.Settings)
		}
	}
}

package pixel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"image/jpeg"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// A jpegCase is one JPEG file and the SHA-256 of what Pillow reads from it;
// reference/pixel_jpeg.py writes them.
type jpegCase struct {
	Name          string
	Size          int
	Width, Height int
	Mode          Mode
	Pixels        string
	file          []byte
}

func jpegCases(t testing.TB) []jpegCase {
	t.Helper()
	data, err := os.ReadFile("testdata/jpeg.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Files []byte
		Cases []jpegCase
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	files := unzipped(t, all.Files)
	for i := range all.Cases {
		c := &all.Cases[i]
		c.file, files = files[:c.Size:c.Size], files[c.Size:]
	}
	if len(all.Cases) < 400 || len(files) > 0 {
		t.Fatalf("testdata/jpeg.json has %d cases and %d bytes left over", len(all.Cases), len(files))
	}
	return all.Cases
}

// TestJPEGPillow holds qualities, sizes, sampling factors, coding modes, markers
// and extreme coefficients against Pillow: not a single sample may differ.
func TestJPEGPillow(t *testing.T) {
	for _, c := range jpegCases(t) {
		img, info, err := Decode(context.Background(), c.file, Limits{})
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if info.Width != c.Width || info.Height != c.Height || info.Mode != c.Mode {
			t.Errorf("%s: %+v, want %s %d×%d", c.Name, info, c.Mode, c.Width, c.Height)
		}
		if got := hashImage(img); got != c.Pixels {
			t.Errorf("%s: SHA-256 %s, Pillow's %s", c.Name, got, c.Pixels)
		}
	}
}

// TestJPEGReal reads every JPEG file of the outside pictures.
func TestJPEGReal(t *testing.T) {
	dir := dataDir(t)
	data, err := os.ReadFile("testdata/jpeg_real.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Files map[string]string }
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	read := 0
	for path, want := range all.Files {
		file, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		if errors.Is(err, os.ErrNotExist) {
			continue // not in this copy of the test data
		}
		if err != nil {
			t.Fatal(err)
		}
		fileSum, pixelSum, _ := strings.Cut(want, " ")
		if sum := sha256.Sum256(file); hex.EncodeToString(sum[:8]) != fileSum {
			t.Fatalf("%s is another file: SHA-256 %x", path, sum)
		}
		img, _, err := Decode(context.Background(), file, Limits{})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got := hashImage(img.RGB())[:16]; got != pixelSum {
			t.Errorf("%s: SHA-256 %s…, Pillow's %s…", path, got, pixelSum)
		}
		read++
	}
	if read < 100 {
		t.Errorf("only %d of %d files are there", read, len(all.Files))
	}
	t.Logf("%d files", read)
}

// decodeKept reads a JPEG file and keeps its coefficients, also of sequential scans.
func decodeKept(data []byte) (*jpegDecoder, error) {
	h, err := sniff(data, Limits{})
	if err != nil {
		return nil, err
	}
	j, err := readJPEGHead(data)
	if err != nil {
		return nil, err
	}
	r := newJPEGDecoder(decodeContext{context.Background(), data, h.Info}, j)
	r.keep = true
	return r, r.readAll()
}

// TestJPEGKept checks that the short cuts taken when blocks are transformed at
// once make no difference.
func TestJPEGKept(t *testing.T) {
	for _, c := range jpegCases(t) {
		kept, err := decodeKept(c.file)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		direct := newJPEGDecoder(decodeContext{ctx: context.Background(), data: c.file}, kept.head)
		if err := errors.Join(direct.readAll(), direct.samples(), kept.samples()); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		for i, p := range direct.comps {
			for y := range 8 * p.down {
				row := func(p jpegPlane) []uint8 { return p.pix[y*p.stride:][:8*p.across] }
				if !bytes.Equal(row(p), row(kept.comps[i])) {
					t.Fatalf("%s: component %d differs in row %d", c.Name, i, y)
				}
			}
		}
	}
}

// patched returns data with the first old replaced by new.
func patched(t testing.TB, data []byte, old, new string) []byte {
	t.Helper()
	if !bytes.Contains(data, []byte(old)) {
		t.Fatalf("the file has no % x", old)
	}
	return bytes.Replace(data, []byte(old), []byte(new), 1)
}

func jpegNamed(t testing.TB, name string) []byte {
	t.Helper()
	for _, c := range jpegCases(t) {
		if c.Name == name {
			return c.file
		}
	}
	t.Fatalf("testdata/jpeg.json has no case %q", name)
	return nil
}

// TestJPEGRefuse damages files one way at a time.
func TestJPEGRefuse(t *testing.T) {
	plain := jpegNamed(t, "extended sequential")         // component 1 is 2×2, all tables are number 0
	single := jpegNamed(t, "scans of single components") // the same in three scans
	restarts := jpegNamed(t, "restart 2")
	progressive := jpegNamed(t, "17x33 4:2:0 progressive")
	frame := "\xff\xc1\x00\x11\x08\x00\x25\x00\x2d\x03\x01\x22\x00\x02\x11\x00\x03\x11\x00"
	scan := "\xff\xda\x00\x0c\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00"
	frameWith := func(comps string) []byte { return patched(t, plain, frame, frame[:10]+comps) }
	scanWith := func(s string) []byte { return patched(t, plain, scan, s) }
	third := bytes.LastIndex(single, []byte("\xff\xda"))
	bomb := bytes.Clone(progressive[:len(progressive)-2])
	at := bytes.Index(bomb, []byte("\xff\xda"))
	for range maxScans {
		bomb = append(bomb, progressive[at:bytes.Index(progressive[at+2:], []byte("\xff\xc4"))+at+2]...)
	}
	for name, c := range map[string]struct {
		data []byte
		word string
	}{
		"factors 0":           {frameWith("\x01\x02\x00\x02\x11\x00\x03\x11\x00"), "sampling factors 0×2"},
		"factors 5":           {frameWith("\x01\x25\x00\x02\x11\x00\x03\x11\x00"), "sampling factors 2×5"},
		"factors no divisors": {frameWith("\x01\x32\x00\x02\x21\x00\x03\x11\x00"), "sampling factors 2×1 beside 3×2"},
		"same number":         {frameWith("\x01\x22\x00\x02\x11\x00\x02\x11\x00"), "two components are numbered 2"},
		"quantisation 4":      {frameWith("\x01\x22\x04\x02\x11\x00\x03\x11\x00"), "quantisation table 4"},
		"quantisation absent": {frameWith("\x01\x22\x00\x02\x11\x01\x03\x11\x00"), "comes before its quantisation table 1"},
		"large units":         {frameWith("\x01\x42\x00\x02\x21\x00\x03\x11\x00"), "units of 11 blocks"},
		"two frames":          {patched(t, plain, scan, frame+scan), "two frame headers"},
		"frame after scan":    {slices.Concat(single[:third], []byte(frame), single[third:]), "two frame headers"},
		"two starts":          {patched(t, plain, scan, "\xff\xd8"+scan), "two start markers"},
		"no frame":            {patched(t, plain, frame, ""), "before the frame header"},
		"unknown component":   {scanWith("\xff\xda\x00\x0c\x03\x01\x00\x09\x00\x03\x00\x00\x3f\x00"), "component 9"},
		"component twice":     {scanWith("\xff\xda\x00\x0c\x03\x01\x00\x02\x00\x02\x00\x00\x3f\x00"), "component 2 twice"},
		"Huffman 4":           {scanWith("\xff\xda\x00\x0c\x03\x01\x40\x02\x00\x03\x00\x00\x3f\x00"), "tables 4 and 0"},
		"Huffman absent":      {scanWith("\xff\xda\x00\x0c\x03\x01\x01\x02\x00\x03\x00\x00\x3f\x00"), "before its Huffman table"},
		"no component":        {scanWith("\xff\xda\x00\x06\x00\x00\x3f\x00"), "0 components"},
		"short scan header":   {scanWith("\xff\xda\x00\x07\x03\x01\x00\x02\x00"), "component"},
		"component missing":   {slices.Concat(single[:third], []byte("\xff\xd9")), "without a scan of component 3"},
		"restart out of turn": {patched(t, restarts, "\xff\xd1", "\xff\xd2"), "0xd2 stands where restart marker 0xd1"},
		"restart missing":     {patched(t, restarts, "\xff\xd1", "\x12\x34"), "restart"},
		"restart length":      {patched(t, restarts, "\xff\xdd\x00\x04\x00", "\xff\xdd\x00\x05\x00\x00"), "restart interval of 3 bytes"},
		"too many codes":      {patched(t, plain, "\xff\xc4\x00\x23\x00\x00", "\xff\xc4\x00\x23\x00\x03"), ""},
		"code space":          {patched(t, plain, scan, "\xff\xc4\x00\x16\x00\x03"+strings.Repeat("\x00", 15)+"\x01\x02\x03"+scan), "more codes of 1 bits"},
		"Huffman class 2":     {patched(t, plain, scan, "\xff\xc4\x00\x14\x20\x01"+strings.Repeat("\x00", 15)+"\x01"+scan), "class 2"},
		"Huffman short":       {patched(t, plain, scan, "\xff\xc4\x00\x13\x00\x01"+strings.Repeat("\x00", 15)+scan), "1 symbols"},
		"precision 2":         {patched(t, plain, scan, "\xff\xdb\x00\x43\x20"+strings.Repeat("\x01", 64)+scan), "precision 2"},
		"quantisation short":  {patched(t, plain, scan, "\xff\xdb\x00\x42\x00"+strings.Repeat("\x01", 63)+scan), "fewer than 64"},
		"band":                {patched(t, progressive, "\x10\x00\x00\x01", "\x10\x00\x05\x01"), "coefficients 0 to 5"},
		"scans":               {append(bomb, "\xff\xd9"...), "more than 500 scans"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.data, Limits{}, false, c.word) })
	}
}

// TestJPEGSmall announces the largest picture in a file of some bytes: nothing
// must be allocated for it.
func TestJPEGSmall(t *testing.T) {
	for _, name := range []string{"extended sequential", "17x33 4:2:0 progressive"} {
		data := bytes.Clone(jpegNamed(t, name))
		at := bytes.Index(data, []byte("\x00\x11\x08"))
		copy(data[at+3:], "\x27\x10\x27\x10") // 10000×10000
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		refused(t, data, Limits{}, false, "ends early", "cannot hold")
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s: %d bytes allocated for refusing", name, got)
		}
	}
}

// TestJPEGStops ends the context between two looks at it.
func TestJPEGStops(t *testing.T) {
	stop := errors.New("enough")
	for _, name := range []string{"restart 1", "restart 1 progressive"} {
		data := jpegNamed(t, name)
		for n := range 4 {
			ctx, cancel := context.WithCancelCause(context.Background())
			looks := &countingContext{Context: ctx, after: n, cancel: func() { cancel(stop) }}
			if img, _, err := Decode(looks, data, Limits{}); img != nil || !errors.Is(err, stop) {
				t.Errorf("%s, ended after %d looks: %v, error %v", name, n, img, err)
			}
		}
	}
}

// A countingContext is cancelled when it has been asked for an error some times.
type countingContext struct {
	context.Context
	after  int
	cancel func()
}

func (c *countingContext) Err() error {
	if c.after--; c.after < 0 {
		c.cancel()
	}
	return c.Context.Err()
}

func BenchmarkJPEG(b *testing.B) {
	baseline, _ := photoFiles(b)
	for name, data := range map[string][]byte{"baseline": baseline, "progressive": jpegNamed(b, "flat progressive")} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Decode(context.Background(), data, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+" standard library", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package pixel

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A decodeCase is one file and what Pillow reads from it; reference/pixel_decode.py
// writes them. Raw, RGB, Grey and RGBA are SHA-256 of bytes; Samples the bytes
// themselves, compressed, of formats that need not agree exactly.
type decodeCase struct {
	Name, Format  string
	Width, Height int
	Mode          Mode
	Orientation   int
	File          []byte
	Raw, RGB      string
	Grey, RGBA    string
	Samples       []byte
}

func decodeCases(t testing.TB) []decodeCase {
	t.Helper()
	data, err := os.ReadFile("testdata/decode.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Cases []decodeCase }
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Cases) < 100 {
		t.Fatalf("testdata/decode.json has %d cases", len(all.Cases))
	}
	return all.Cases
}

// tolerances say, for cases whose name starts so, how far from Pillow a sample
// may be, and which share of them may be off at all; the first that fits counts,
// and cases without one must agree to the bit. They are measured values, rounded
// up: AVIF 2 levels and 7.7 % (chroma on smooth ground), HEIC 11 levels and
// 13.6 % (chroma; the encoder's noise adds edges), 1 level and 65.3 % in studio
// range (libheif rounds to multiples of 1/256), JPEG XL 1 level and 32.4 %
// (libjxl's build).
var tolerances = []struct {
	prefix   string
	level    int
	fraction float64
}{
	{"avif 4:2", 2, 0.08},
	{"avif animated", 2, 0.08},
	{"avif orientation", 2, 0.08},
	{"heic 42", 12, 0.15},
	{"heic studio", 1, 0.7},
	{"jxl lossy", 1, 0.35},
}

// tolerance returns what tolerances say of a case.
func tolerance(name string) (level int, fraction float64) {
	for _, tol := range tolerances {
		if strings.HasPrefix(name, tol.prefix) {
			return tol.level, tol.fraction
		}
	}
	return 0, 0
}

// TestDecodePillow checks every format, mode and layout against Pillow.
func TestDecodePillow(t *testing.T) {
	for _, c := range decodeCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			info, err := Sniff(c.File, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			want := Info{c.Format, c.Width, c.Height, c.Mode, c.Orientation}
			if info != want {
				t.Errorf("Sniff: %+v, want %+v", info, want)
			}
			img, again, err := Decode(context.Background(), c.File, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if again != info || img.Width != info.Width || img.Height != info.Height || img.Mode != info.Mode {
				t.Errorf("Decode gives %+v and %d×%d %s, Sniff %+v", again, img.Width, img.Height, img.Mode, info)
			}
			if c.Samples != nil {
				level, fraction := tolerance(c.Name)
				near(t, img.Pix, undelta(unzipped(t, c.Samples), c.Height), level, fraction)
				return
			}
			same(t, "pixels", hashImage(img), c.Raw)
			same(t, "RGB", hashImage(img.RGB()), c.RGB)
			same(t, "Gray", hashImage(img.Gray()), c.Grey)
			if c.RGBA != "" {
				same(t, "palette with alpha", hashImage(lookUp(img)), c.RGBA)
			}
		})
	}
}

// TestDecodeParallel decodes all formats at once, as a batch does; codecs are
// shared, their memory is not.
func TestDecodeParallel(t *testing.T) {
	files := madeFiles(t)
	want := map[string]*Image{}
	for name, data := range files {
		img, _, err := Decode(context.Background(), data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		want[name] = img
	}
	var wg sync.WaitGroup
	for range 4 {
		for name, data := range files {
			wg.Go(func() {
				img, _, err := Decode(context.Background(), data, Limits{})
				if err != nil {
					t.Errorf("%s: %v", name, err)
				} else if !bytes.Equal(img.Pix, want[name].Pix) {
					t.Errorf("%s: other pixels than before", name)
				}
			})
		}
	}
	wg.Wait()
}

// lookUp replaces indices by palette entries, absent ones by opaque black.
func lookUp(img *Image) *Image {
	table := bytes.Repeat([]byte{0, 0, 0, 255}, 256)
	copy(table, img.Palette)
	out := newImage(RGBA, img.Width, img.Height)
	for i, v := range img.Pix {
		copy(out.Pix[4*i:4*i+4], table[4*int(v):])
	}
	return out
}

func hashImage(img *Image) string {
	b := img.Pix
	for _, v := range img.Pix16 {
		b = append(b, byte(v), byte(v>>8))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func same(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: SHA-256 %s, Pillow's %s", what, got, want)
	}
}

// near compares samples and logs how far they are apart. Small pictures get a
// margin of three standard errors of the share, as independent samples have.
func near(t testing.TB, got, want []uint8, level int, fraction float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d samples, want %d", len(got), len(want))
	}
	worst, off, sum := 0, 0, 0
	for i := range got {
		d := max(int(got[i])-int(want[i]), int(want[i])-int(got[i]))
		worst = max(worst, d)
		sum += d
		off += min(d, 1)
	}
	share := float64(off) / float64(len(got))
	t.Logf("worst %d levels, %.3f %% of %d samples off, mean %.4f", worst, 100*share, len(got), float64(sum)/float64(len(got)))
	fraction += 3 * math.Sqrt(fraction/float64(len(got)))
	if worst > level || share > fraction {
		t.Errorf("worst %d levels (limit %d), %.3f %% off (limit %.1f %%)", worst, level, 100*share, 100*fraction)
	}
}

func unzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	r, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// undelta adds to each row the one above; the script stores differences.
func undelta(pix []uint8, rows int) []uint8 {
	n := len(pix) / rows
	for i := n; i < len(pix); i++ {
		pix[i] += pix[i-n]
	}
	return pix
}

// dataDir returns the folder of pictures from outside, or skips the test.
func dataDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ASSAY_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		if slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), "data") {
			t.Fatalf("test data is required but absent: %v", err)
		}
		t.Skipf("no test data in %s; set ASSAY_TEST_DATA to its folder", dir)
	}
	return dir
}

// TestDecodeReal reads pictures from cameras and generators as Pillow does.
func TestDecodeReal(t *testing.T) {
	dir := dataDir(t)
	data, err := os.ReadFile("testdata/decode_real.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Files []struct {
			Path, File, Format string
			Mode               Mode
			Width, Height      int
			RGB                string
		}
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for _, c := range all.Files {
		t.Run(c.Path, func(t *testing.T) {
			file, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(c.Path)))
			if errors.Is(err, os.ErrNotExist) {
				t.Skip("not in this copy of the test data")
			}
			if err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(file); hex.EncodeToString(sum[:]) != c.File {
				t.Fatalf("the file is another one: SHA-256 %x", sum)
			}
			img, info, err := Decode(context.Background(), file, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if info.Format != c.Format || info.Mode != c.Mode || info.Width != c.Width || info.Height != c.Height {
				t.Errorf("%+v, want %s %s %d×%d", info, c.Format, c.Mode, c.Width, c.Height)
			}
			same(t, "RGB", hashImage(img.RGB()), c.RGB)
		})
	}
}

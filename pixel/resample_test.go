package pixel

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/gen-emerge/assay"
)

var (
	allModes   = []Mode{Bilevel, Gray, GrayA, Indexed, RGB, RGBA, CMYK, I16}
	allFilters = []Filter{Nearest, Box, Bilinear, Hamming, Bicubic, Lanczos}
)

// testPicture is picture() of reference/pixel_resample.py: blocks of noise, of
// nothing, of everything and of a ramp.
func testPicture(w, h, channels int, wide bool) []uint16 {
	out := make([]uint16, 0, w*h*channels)
	s := uint32(1)
	for y := range h {
		for x := range w {
			for c := range channels {
				s = s*1664525 + 1013904223
				v := [4]uint32{s >> 16, 0, 65535, uint32(x*2900+y*1700+c*12800) % 65536}[(x/5+y/3+c/3)%4]
				if !wide {
					v >>= 8
				}
				out = append(out, uint16(v))
			}
		}
	}
	return out
}

// testImage is image() of the same script.
func testImage(m Mode, w, h int) *Image {
	img := &Image{Mode: m, Width: w, Height: h}
	px := testPicture(w, h, m.Channels(), m == I16)
	if m == I16 {
		img.Pix16 = px
		return img
	}
	for _, v := range px {
		if m == Bilevel {
			v = v / 128 * 255
		}
		img.Pix = append(img.Pix, uint8(v))
	}
	if m == Indexed {
		for i := range 256 {
			img.Palette = append(img.Palette, uint8(3*i), uint8(3*i+1), uint8(3*i+2), 255)
		}
	}
	return img
}

func hashOf(img *Image) string {
	h := sha256.New()
	h.Write(img.Pix)
	for _, v := range img.Pix16 {
		h.Write([]byte{byte(v), byte(v >> 8)})
	}
	return hex.EncodeToString(h.Sum(nil))
}

func floatHash(x []float32) string {
	var b []byte
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func resize(t testing.TB, img *Image, w, h int, f Filter) *Image {
	t.Helper()
	out, err := img.Resize(w, h, f)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.consistent(); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestResamplePillow holds every mode, filter and kind of size change against
// the hashes of Pillow 12.3.0: no tolerance.
func TestResamplePillow(t *testing.T) {
	file, err := os.Open("testdata/resample.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) < 500 {
		t.Fatalf("only %d rows of golden values", len(rows))
	}
	for _, row := range rows[1:] {
		mode, f := Mode(row[1]), Filter(row[2])
		var d [4]int
		for i := range d {
			if d[i], err = strconv.Atoi(row[3+i]); err != nil {
				t.Fatal(err)
			}
		}
		w, h, outW, outH := d[0], d[1], d[2], d[3]
		var got string
		switch row[0] {
		case "8":
			got = hashOf(resize(t, testImage(mode, w, h), outW, outH, f))
		case "F", "tf1":
			src := testImage(RGB, w, h).CHWLevels()
			out, err := ResizeFloat(src, w, h, 3, outW, outH, f)
			if row[0] == "tf1" {
				out, err = TF1Bilinear(src, w, h, 3, outW, outH)
			}
			if err != nil {
				t.Fatal(err)
			}
			got = floatHash(out)
		default:
			t.Fatalf("unknown kind %q", row[0])
		}
		if got != row[7] {
			t.Errorf("%s %s %s %d×%d to %d×%d: pixels differ from Pillow's", row[0], mode, f, w, h, outW, outH)
		}
	}
}

func TestResizeLaws(t *testing.T) {
	for _, m := range allModes {
		for _, f := range allFilters {
			t.Run(fmt.Sprintf("%s %s", m, f), func(t *testing.T) {
				img := testImage(m, 24, 18)
				if got := resize(t, img, 24, 18, f); got != img {
					t.Error("the same size is not the image itself")
				}
				before := hashOf(img)
				down := resize(t, img, 9, 7, f)
				if hashOf(img) != before {
					t.Error("Resize changed its argument")
				}
				if down.Mode != m || !slices.Equal(down.Palette, img.Palette) {
					t.Errorf("mode %s became %s, or the palette was lost", m, down.Mode)
				}
				flat := testImage(m, 24, 18)
				for i := range flat.Pix {
					flat.Pix[i] = 200
				}
				for i := range flat.Pix16 {
					flat.Pix16[i] = 51234
				}
				constantStays(t, resize(t, flat, 31, 5, f))
				// Nearest and Box break ties to one side; the other kernels are symmetric.
				if f != Nearest && f != Box && m != Indexed && m != Bilevel {
					mirrored := mirror(resize(t, mirror(img), 11, 6, f))
					if hashOf(mirrored) != hashOf(resize(t, img, 11, 6, f)) {
						t.Error("resizing the mirrored image is not mirroring the resized one")
					}
				}
			})
		}
	}
}

// constantStays fails t unless out is all 200 (51234 in 16 bits), or what those
// become when divided by an alpha of 200 again.
func constantStays(t *testing.T, out *Image) {
	t.Helper()
	for i, v := range out.Pix {
		if v != out.Pix[i%out.Mode.Channels()] || v < 199 || v > 200 {
			t.Fatalf("constant 200 became %d at %d", v, i)
		}
	}
	for i, v := range out.Pix16 {
		if v != 51234 {
			t.Fatalf("constant 51234 became %d at %d", v, i)
		}
	}
}

// mirror swaps left and right.
func mirror(img *Image) *Image {
	out := &Image{Mode: img.Mode, Width: img.Width, Height: img.Height, Palette: img.Palette}
	out.Pix, out.Pix16 = slices.Clone(img.Pix), slices.Clone(img.Pix16)
	ch := img.Mode.Channels()
	for y := range img.Height {
		for x := range img.Width {
			to, from := (y*img.Width+x)*ch, (y*img.Width+img.Width-1-x)*ch
			if img.Mode == I16 {
				out.Pix16[to] = img.Pix16[from]
			} else {
				copy(out.Pix[to:to+ch], img.Pix[from:from+ch])
			}
		}
	}
	return out
}

func TestResizeRefuses(t *testing.T) {
	good := testImage(RGB, 8, 8)
	short := &Image{Mode: RGB, Width: 8, Height: 8, Pix: good.Pix[1:]}
	huge := &Image{Mode: Gray, Width: math.MaxInt / 2, Height: 4, Pix: make([]uint8, 8)}
	check := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: error %v, want one that wraps ErrInvalid", name, err)
		}
	}
	for name, c := range map[string]struct {
		img  *Image
		w, h int
		f    Filter
	}{
		"no width":      {good, 0, 5, Bicubic},
		"negative":      {good, 5, -1, Bicubic},
		"no filter":     {good, 5, 5, ""},
		"wrong filter":  {good, 5, 5, "cubic"},
		"too large":     {good, 1 << 20, 1 << 20, Box},
		"too long":      {good, 1<<20 + 1, 1, Box},
		"overflow":      {good, math.MaxInt, math.MaxInt, Box},
		"samples short": {short, 5, 5, Box},
		"size overflow": {huge, 5, 5, Box},
	} {
		_, err := c.img.Resize(c.w, c.h, c.f)
		check(name, err)
	}
	_, err := ResizeFloat(make([]float32, 11), 2, 2, 3, 4, 4, Bicubic)
	check("float samples", err)
	_, err = ResizeFloat(make([]float32, 12), 2, 2, 3, 4, 4, "")
	check("float filter", err)
	_, err = TorchBilinear(make([]float32, 12), 2, 2, 3, 0, 4)
	check("torch size", err)
	_, err = TF1Bilinear(make([]float32, 12), 2, -2, -3, 4, 4)
	check("tf1 planes", err)
}

func BenchmarkResize(b *testing.B) {
	for _, c := range []struct {
		in, out int
		f       Filter
	}{{1024, 224, Bicubic}, {512, 64, Bilinear}, {512, 224, Nearest}} {
		b.Run(fmt.Sprintf("%s %d to %d", c.f, c.in, c.out), func(b *testing.B) {
			img := testImage(RGB, c.in, c.in)
			b.ReportAllocs()
			b.SetBytes(int64(len(img.Pix)))
			for b.Loop() {
				resize(b, img, c.out, c.out, c.f)
			}
		})
	}
}

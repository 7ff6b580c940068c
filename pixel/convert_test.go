package pixel

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// modes lists every mode an image can have.
var modes = []Mode{Bilevel, Gray, GrayA, Indexed, RGB, RGBA, CMYK, I16}

// randomImage returns noise in mode m, from a fixed seed.
func randomImage(m Mode, w, h int) *Image {
	rng := rand.New(rand.NewPCG(7, uint64(w*h)))
	img := newImage(m, w, h)
	for i := range img.Pix {
		img.Pix[i] = uint8(rng.Uint32())
		if m == Bilevel {
			img.Pix[i] = 255 * (img.Pix[i] & 1)
		}
	}
	for i := range img.Pix16 {
		img.Pix16[i] = uint16(rng.Uint32N(700))
	}
	if m == Indexed {
		img.Palette = make([]uint8, 4*200)
		for i := range img.Palette {
			img.Palette[i] = uint8(rng.Uint32())
		}
	}
	return img
}

// TestConvertPillow checks the modes that files seldom have against values that
// Pillow 13.0.0 gives for convert("RGB") and convert("L").
func TestConvertPillow(t *testing.T) {
	check := func(name string, img *Image, rgb, grey []uint8) {
		t.Helper()
		if got := img.RGB(); got.Mode != RGB || !bytes.Equal(got.Pix, rgb) {
			t.Errorf("%s: RGB %v, want %v", name, got.Pix, rgb)
		}
		if got := img.Gray(); got.Mode != Gray || !bytes.Equal(got.Pix, grey) {
			t.Errorf("%s: L %v, want %v", name, got.Pix, grey)
		}
	}
	check("CMYK", &Image{Mode: CMYK, Width: 2, Height: 1, Pix: []uint8{10, 20, 30, 40, 255, 0, 128, 255}},
		[]uint8{207, 198, 190, 0, 0, 0}, []uint8{200, 0})
	check("I;16", &Image{Mode: I16, Width: 4, Height: 1, Pix16: []uint16{1, 255, 256, 65535}},
		[]uint8{1, 1, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255}, []uint8{1, 255, 255, 255})
	check("P with absent entries", &Image{Mode: Indexed, Width: 3, Height: 1, Pix: []uint8{0, 1, 200}, Palette: []uint8{10, 20, 30, 255, 40, 50, 60, 0}},
		[]uint8{10, 20, 30, 40, 50, 60, 0, 0, 0}, []uint8{18, 48, 0})
	check("RGBA", &Image{Mode: RGBA, Width: 1, Height: 1, Pix: []uint8{10, 20, 30, 0}}, []uint8{10, 20, 30}, []uint8{18})
	check("LA", &Image{Mode: GrayA, Width: 1, Height: 1, Pix: []uint8{77, 0}}, []uint8{77, 77, 77}, []uint8{77})
	check("1", &Image{Mode: Bilevel, Width: 2, Height: 1, Pix: []uint8{0, 255}}, []uint8{0, 0, 0, 255, 255, 255}, []uint8{0, 255})
}

func TestConvertLaws(t *testing.T) {
	for _, m := range modes {
		img := randomImage(m, 11, 6)
		before := slices.Clone(img.Pix)
		rgb, grey := img.RGB(), img.Gray()
		if !bytes.Equal(img.Pix, before) {
			t.Errorf("%s: converting changes the image", m)
		}
		if rgb.RGB() != rgb || grey.Gray() != grey {
			t.Errorf("%s: converting twice makes a new image", m)
		}
		// Grey pixels are fixed points of luma: the weights sum to 65536.
		if back := grey.RGB().Gray(); !bytes.Equal(back.Pix, grey.Pix) {
			t.Errorf("%s: L to RGB and back differs", m)
		}
		if m != I16 && !bytes.Equal(rgb.Gray().Pix, grey.Pix) {
			t.Errorf("%s: L by way of RGB differs from L", m)
		}
	}
}

// TestOriented checks that orientations compose as the rotations and mirrors
// they are, in every mode, and where a corner goes.
func TestOriented(t *testing.T) {
	for _, m := range modes {
		img := randomImage(m, 5, 3)
		equal := func(what string, a, b *Image) {
			t.Helper()
			if a.Width != b.Width || a.Height != b.Height || !bytes.Equal(a.Pix, b.Pix) || !slices.Equal(a.Pix16, b.Pix16) || !bytes.Equal(a.Palette, b.Palette) {
				t.Errorf("%s: %s", m, what)
			}
		}
		for _, o := range []int{-1, 0, 1, 9} {
			if img.Oriented(o) != img {
				t.Errorf("%s: orientation %d makes a new image", m, o)
			}
		}
		for _, o := range []int{2, 3, 4, 5, 7} {
			equal("a mirror or half turn is not its own inverse", img.Oriented(o).Oriented(o), img)
		}
		equal("6 and 8 are not inverse", img.Oriented(6).Oriented(8), img)
		equal("two quarter turns are not a half turn", img.Oriented(6).Oriented(6), img.Oriented(3))
		equal("transposing is not turning and mirroring", img.Oriented(6).Oriented(2), img.Oriented(5))
		equal("transversing is not turning and mirroring", img.Oriented(6).Oriented(4), img.Oriented(7))
		equal("two mirrors are not a half turn", img.Oriented(2).Oriented(4), img.Oriented(3))
	}
	row := &Image{Mode: Gray, Width: 3, Height: 1, Pix: []uint8{1, 2, 3}}
	if got := row.Oriented(6); got.Height != 3 || !bytes.Equal(got.Pix, []uint8{1, 2, 3}) {
		t.Errorf("turned clockwise, the left end is not on top: %v", got.Pix)
	}
	if got := row.Oriented(8); !bytes.Equal(got.Pix, []uint8{3, 2, 1}) {
		t.Errorf("turned anticlockwise, the left end is not at the bottom: %v", got.Pix)
	}
}

// photo is 512×512 and smooth with some noise, so that files of it are like photographs.
func photo() *image.NRGBA {
	rng := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, 512, 512))
	for y := range 512 {
		for x := range 512 {
			n := rng.IntN(24)
			m.SetNRGBA(x, y, color.NRGBA{uint8(x/3 + n), uint8(y/3 + n), uint8((x+y)/5 + n), 255})
		}
	}
	return m
}

func photoFiles(t testing.TB) (jpg, lossless []byte) {
	t.Helper()
	var a, b bytes.Buffer
	if err := jpeg.Encode(&a, photo(), &jpeg.Options{Quality: 90}); err != nil { // 4:2:0
		t.Fatal(err)
	}
	if err := png.Encode(&b, photo()); err != nil {
		t.Fatal(err)
	}
	return a.Bytes(), b.Bytes()
}

// TestDecodeMemory bounds what decoding allocates beside the result: the planes
// of a JPEG (1.5 bytes a pixel), the 4 bytes a pixel that image/png makes.
func TestDecodeMemory(t *testing.T) {
	jpg, lossless := photoFiles(t)
	const pixels = 512 * 512
	check := func(name string, data []byte, limit int) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, _, err := Decode(context.Background(), data, Limits{}); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		got := int(after.TotalAlloc - before.TotalAlloc)
		t.Logf("%s: %.2f bytes a pixel", name, float64(got)/pixels)
		if got > limit {
			t.Errorf("%s: %d bytes allocated, limit %d", name, got, limit)
		}
	}
	const other = 128 << 10 // tables and buffers
	check("jpeg", jpg, pixels*9/2+other)
	check("png", lossless, pixels*7+other)
}

func benchmarkDecode(b *testing.B, data []byte) {
	b.Helper()
	b.ReportAllocs()
	b.SetBytes(512 * 512 * 3)
	for b.Loop() {
		img, _, err := Decode(context.Background(), data, Limits{})
		if err != nil {
			b.Fatal(err)
		}
		img.RGB()
	}
}

func BenchmarkDecodeJPEG(b *testing.B) {
	jpg, _ := photoFiles(b)
	benchmarkDecode(b, jpg)
}

func BenchmarkDecodePNG(b *testing.B) {
	_, lossless := photoFiles(b)
	benchmarkDecode(b, lossless)
}

// BenchmarkSniff is the cost of refusing a bomb.
func BenchmarkSniff(b *testing.B) {
	data := pngClaiming(100000, 100000, 8, 6)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Sniff(data, Limits{}); err == nil {
			b.Fatal("accepted")
		}
	}
}

// BenchmarkDecodeAVIF shows what a WebAssembly codec costs once compiled.
func BenchmarkDecodeAVIF(b *testing.B) {
	data := madeFiles(b)["avif"]
	if _, err := avifCodec(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Decode(context.Background(), data, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

package vlm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/pixel"
)

func pngOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// noise is what no encoder can make small.
func noise(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = uint8(rng.Uint32())
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	return img
}

func decodeSent(t testing.TB, sent *Image) *pixel.Image {
	t.Helper()
	img, info, err := pixel.Decode(t.Context(), sent.Data, pixel.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if img.Mode != pixel.RGB || "image/"+info.Format != sent.MIME || img.Width != sent.Width || img.Height != sent.Height {
		t.Errorf("sent %s %d×%d %s, says %s %d×%d", info.Format, img.Width, img.Height, img.Mode, sent.MIME, sent.Width, sent.Height)
	}
	if sent.Digest != assay.DigestOf(sent.Data) {
		t.Error("the digest is not that of the bytes")
	}
	return img
}

func TestEncodeModes(t *testing.T) {
	rect := image.Rect(0, 0, 2, 1)
	alpha := image.NewNRGBA(rect)
	alpha.SetNRGBA(0, 0, color.NRGBA{255, 0, 100, 0})   // nothing of it
	alpha.SetNRGBA(1, 0, color.NRGBA{255, 0, 100, 127}) // half of it
	deep := image.NewGray16(rect)
	deep.SetGray16(0, 0, color.Gray16{0x8000})
	deep.SetGray16(1, 0, color.Gray16{0x01ff})
	grey := image.NewGray(rect)
	grey.SetGray(0, 0, color.Gray{7})
	palette := image.NewPaletted(rect, color.Palette{color.NRGBA{10, 20, 30, 255}, color.NRGBA{255, 255, 255, 0}})
	palette.SetColorIndex(1, 0, 1)
	for _, test := range []struct {
		name string
		img  image.Image
		want []uint8
	}{
		{"alpha", alpha, []uint8{128, 128, 128, 191, 64, 114}},
		{"16 bits", deep, []uint8{128, 128, 128, 1, 1, 1}},
		{"grey", grey, []uint8{7, 7, 7, 0, 0, 0}},
		{"palette", palette, []uint8{10, 20, 30, 128, 128, 128}},
	} {
		sent, err := Encode(pngOf(t, test.img), pixel.Limits{}, Limits{})
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got := decodeSent(t, sent); !bytes.Equal(got.Pix, test.want) {
			t.Errorf("%s: pixels %v, want %v", test.name, got.Pix, test.want)
		}
	}
}

func TestEncodeSizes(t *testing.T) {
	for _, test := range []struct {
		w, h, edge, bytes int
		wantW, wantH      int
		mime              string
	}{
		{60, 40, 0, 0, 60, 40, "image/png"},
		{60, 40, 30, 0, 30, 20, "image/png"},
		{40, 60, 30, 0, 20, 30, "image/png"},
		{1536, 3, 0, 0, 1536, 3, "image/png"},
		{1537, 3, 0, 0, 1536, 3, "image/png"},
		{900, 1, 30, 0, 30, 1, "image/png"},
		{200, 200, 0, 70000, 200, 200, "image/jpeg"},
	} {
		sent, err := Encode(pngOf(t, noise(test.w, test.h)), pixel.Limits{}, Limits{LongEdge: test.edge, Bytes: test.bytes})
		if err != nil {
			t.Fatalf("%+v: %v", test, err)
		}
		decodeSent(t, sent)
		if sent.Width != test.wantW || sent.Height != test.wantH || sent.MIME != test.mime {
			t.Errorf("%+v: sent %d×%d %s of %d bytes", test, sent.Width, sent.Height, sent.MIME, len(sent.Data))
		}
	}
	// Too large even as JPEG: smaller, and within the limit, and not much smaller than needed.
	sent, err := Encode(pngOf(t, noise(200, 200)), pixel.Limits{}, Limits{Bytes: 20000})
	if err != nil {
		t.Fatal(err)
	}
	decodeSent(t, sent)
	if len(sent.Data) > 20000 || sent.Width < 60 || sent.Width >= 200 {
		t.Errorf("%d×%d in %d bytes", sent.Width, sent.Height, len(sent.Data))
	}
	if _, err := Encode(pngOf(t, noise(200, 200)), pixel.Limits{}, Limits{Bytes: 50}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("50 bytes: %v", err)
	}
}

// TestEncodeJPEGQuality reads the luminance table: quality 95 divides it by ten.
func TestEncodeJPEGQuality(t *testing.T) {
	sent, err := Encode(pngOf(t, noise(64, 64)), pixel.Limits{}, Limits{Bytes: 9000})
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := jpeg.Encode(&want, noise(8, 8), &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	table := func(b []byte) []byte { i := bytes.Index(b, []byte{0xff, 0xdb}); return b[i : i+69] }
	if sent.MIME != "image/jpeg" || !bytes.Equal(table(sent.Data), table(want.Bytes())) {
		t.Errorf("%s with tables %v", sent.MIME, table(sent.Data))
	}
}

func TestEncodeSays(t *testing.T) {
	for name, data := range map[string][]byte{"nothing": nil, "text": []byte("hello"), "torn": pngOf(t, noise(20, 20))[:200]} {
		if _, err := Encode(data, pixel.Limits{}, Limits{}); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Encode(pngOf(t, noise(20, 20)), pixel.Limits{Side: 10}, Limits{}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("over the decoder's limit: %v", err)
	}
}

// TestEncodeDropsMetadata: the prompt that a generator left in a file is not sent.
func TestEncodeDropsMetadata(t *testing.T) {
	secret := []byte("a prompt that must not be seen")
	file := pngOf(t, noise(8, 8))
	chunk := append([]byte("tEXtparameters\x00"), secret...)
	withText := append(append(append([]byte{}, file[:33]...), pngChunk(chunk)...), file[33:]...)
	if meta, _ := pixel.ReadMeta(withText); meta.Prompt == "" {
		t.Fatal("the test's own file holds no prompt")
	}
	a, err := Encode(withText, pixel.Limits{}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Encode(file, pixel.Limits{}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(a.Data, secret) || a.Digest != b.Digest {
		t.Error("metadata is in what is sent")
	}
}

// TestEncodeOrientation: a file that is to be turned is sent turned.
func TestEncodeOrientation(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 32, 16))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	for y := range 16 {
		for x := range 16 { // the left half is black
			img.SetNRGBA(x, y, color.NRGBA{A: 255})
		}
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, nil); err != nil {
		t.Fatal(err)
	}
	exif := "Exif\x00\x00II*\x00\x08\x00\x00\x00" + "\x01\x00" + "\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00" + "\x00\x00\x00\x00"
	turned := append([]byte{0xff, 0xd8, 0xff, 0xe1, 0, byte(len(exif) + 2)}, exif...)
	sent, err := Encode(append(turned, file.Bytes()[2:]...), pixel.Limits{}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got := decodeSent(t, sent)
	if got.Width != 16 || got.Height != 32 || got.Pix[0] > 20 || got.Pix[len(got.Pix)-1] < 235 {
		t.Errorf("%d×%d, from %d above to %d below; want 16×32, black above white", got.Width, got.Height, got.Pix[0], got.Pix[len(got.Pix)-1])
	}
}

func TestEncoder(t *testing.T) {
	file := pngOf(t, noise(40, 40))
	one, err := Encode(file, pixel.Limits{}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	e := NewEncoder(3*len(one.Data) + 10)
	var loads atomic.Int32
	load := func() ([]byte, error) { loads.Add(1); return file, nil }
	id := func(n byte) assay.Digest { return assay.Digest{n} }

	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if got, err := e.Encode(id(1), load, pixel.Limits{}, Limits{}); err != nil || got.Digest != one.Digest {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	wait.Wait()
	if loads.Load() != 1 {
		t.Errorf("eight at once: loaded %d times", loads.Load())
	}
	get := func(n byte, to Limits, want int32) {
		t.Helper()
		loads.Store(0)
		if _, err := e.Encode(id(n), load, pixel.Limits{}, to); err != nil {
			t.Fatal(err)
		}
		if loads.Load() != want {
			t.Errorf("picture %d: loaded %d times, want %d", n, loads.Load(), want)
		}
	}
	get(1, Limits{LongEdge: DefaultLongEdge}, 0) // the default, said
	get(1, Limits{LongEdge: 20}, 1)              // other limits are another picture
	get(2, Limits{}, 1)
	get(1, Limits{}, 0)
	get(3, Limits{}, 1)
	get(4, Limits{}, 1) // drops the oldest uses: the small one, 2
	get(1, Limits{}, 0)
	get(2, Limits{}, 1)
	if e.used > e.size || e.used <= 0 || len(e.byKey) != e.order.Len() {
		t.Errorf("%d bytes of %d, %d keys, %d in order", e.used, e.size, len(e.byKey), e.order.Len())
	}

	broken := errors.New("disk on fire")
	if _, err := e.Encode(id(9), func() ([]byte, error) { return nil, broken }, pixel.Limits{}, Limits{}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	get(9, Limits{}, 1) // an error is not remembered
}

func BenchmarkEncode(b *testing.B) {
	img := image.NewNRGBA(image.Rect(0, 0, 1024, 1024))
	for i := range img.Pix { // soft, with a little grain, as generated pictures are
		img.Pix[i] = uint8(i/4%1024/8 + i/4096/8 + i*7919%5)
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	file := pngOf(b, img)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(file, pixel.Limits{}, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

// pngChunk frames a chunk's type and data.
func pngChunk(body []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)-4))
	out = append(out, body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body))
}

package pixel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/gen-emerge/assay"
)

// madeFiles returns one small file of each format, by name: those that Go can
// write are made here, the others come from testdata.
func madeFiles(t testing.TB) map[string][]byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 9, 7))
	for i := range m.Pix {
		m.Pix[i] = byte(i * 37)
	}
	p := image.NewPaletted(m.Rect, color.Palette{color.Black, color.White, color.NRGBA{9, 80, 200, 255}})
	for i := range p.Pix {
		p.Pix[i] = byte(i % 3)
	}
	files := map[string][]byte{}
	write := func(name string, encode func(*bytes.Buffer) error) {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		files[name] = b.Bytes()
	}
	write("png", func(b *bytes.Buffer) error { return png.Encode(b, m) })
	write("jpeg", func(b *bytes.Buffer) error { return jpeg.Encode(b, m, nil) })
	write("gif", func(b *bytes.Buffer) error { return gif.Encode(b, p, nil) })
	write("bmp", func(b *bytes.Buffer) error { return bmp.Encode(b, m) })
	write("tiff", func(b *bytes.Buffer) error { return tiff.Encode(b, m, nil) })
	for name, from := range map[string]string{
		"webp": "webp lossy alpha 17x13", "webp lossless": "webp lossless alpha 17x13", "webp animated": "webp animated",
		"avif": "avif alpha", "heic": "heic 420 17x13", "jxl": "jxl lossy 17x13", "jxl box": "jxl container",
	} {
		for _, c := range decodeCases(t) {
			if c.Name == from {
				files[name] = c.File
			}
		}
		if files[name] == nil {
			t.Fatalf("testdata/decode.json has no case %q", from)
		}
	}
	return files
}

// refused checks that both Sniff and Decode, or Decode alone, refuse data.
func refused(t *testing.T, data []byte, lim Limits, sniffToo bool, words ...string) {
	t.Helper()
	_, err := Sniff(data, lim)
	if sniffToo && err == nil {
		t.Errorf("Sniff accepts it")
	}
	img, _, err := Decode(context.Background(), data, lim)
	if err == nil || img != nil {
		t.Fatalf("Decode gives an image: %t, error %v", img != nil, err)
	}
	if !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("error %q does not wrap ErrInvalid", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

func TestRefuseNotAnImage(t *testing.T) {
	for name, data := range map[string][]string{
		"empty":     {"", "empty"},
		"text":      {"hello, world", "not an image"},
		"svg":       {"<?xml version=\"1.0\"?><svg xmlns=\"\"/>", "SVG"},
		"web page":  {"<!DOCTYPE html><title>404</title>", "web page"},
		"lfs":       {"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"},
		"video":     {"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42", "not an image"},
		"wave":      {"RIFF\x24\x00\x00\x00WAVEfmt ", "not an image"},
		"png magic": {pngMagic, "ends within its header"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, []byte(data[0]), Limits{}, true, data[1]) })
	}
}

// TestRefuseTruncated cuts each file everywhere. Only bytes that come after the
// last pixel and say nothing of them may be missing: there the pixels must be
// those of the whole file.
func TestRefuseTruncated(t *testing.T) {
	tail := map[string]int{
		"gif":  2,  // end of the frame's blocks, trailer
		"tiff": 16, // Go's encoder puts the values of the resolution tags last
	}
	for name, whole := range madeFiles(t) {
		t.Run(name, func(t *testing.T) {
			want, _, err := Decode(context.Background(), whole, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			step := 1
			if name == "avif" || name == "heic" || strings.HasPrefix(name, "jxl") {
				step = 1 + len(whole)/60 // each try starts a codec
			}
			for n := 0; n < len(whole); n += step {
				img, _, err := Decode(context.Background(), whole[:n:n], Limits{})
				switch {
				case err != nil && !errors.Is(err, assay.ErrInvalid):
					t.Errorf("%d of %d bytes: error %q does not wrap ErrInvalid", n, len(whole), err)
				case err == nil && n < len(whole)-tail[name]:
					t.Errorf("%d of %d bytes are accepted", n, len(whole))
				case err == nil && !bytes.Equal(img.Pix, want.Pix):
					t.Errorf("%d of %d bytes give other pixels", n, len(whole))
				}
			}
		})
	}
}

// pngClaiming is a PNG that announces a size and holds no pixels to speak of.
func pngClaiming(w, h uint32, depth, colour byte) []byte {
	body := binary.BigEndian.AppendUint32(nil, w)
	body = binary.BigEndian.AppendUint32(body, h)
	body = append(body, depth, colour, 0, 0, 0)
	return slices.Concat([]byte(pngMagic), pngChunk("IHDR", body), pngChunk("IDAT", []byte("x\x9c\x03\x00\x00\x00\x00\x01")), pngChunk("IEND", nil))
}

func pngChunk(kind string, body []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	out = append(append(out, kind...), body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

// claims returns a header of each format that announces w×h pixels.
func claims(t testing.TB, w, h int) map[string][]byte {
	t.Helper()
	put := func(data []byte, at int, order binary.AppendByteOrder, size int, v int) {
		b := order.AppendUint64(nil, uint64(v))
		if order == binary.AppendByteOrder(binary.BigEndian) {
			b = b[8-size:]
		}
		copy(data[at:], b[:size])
	}
	out := map[string][]byte{"png": pngClaiming(uint32(w), uint32(h), 8, 2)}
	for name, whole := range madeFiles(t) {
		data := bytes.Clone(whole)
		switch name {
		case "jpeg":
			at := bytes.Index(data, []byte{0xff, 0xc0})
			put(data, at+5, binary.BigEndian, 2, h)
			put(data, at+7, binary.BigEndian, 2, w)
		case "gif":
			put(data, 6, binary.LittleEndian, 2, w)
			put(data, 8, binary.LittleEndian, 2, h)
			at := bytes.IndexByte(data[13:], ',') + 13
			put(data, at+5, binary.LittleEndian, 2, w)
			put(data, at+7, binary.LittleEndian, 2, h)
		case "bmp":
			put(data, 18, binary.LittleEndian, 4, w)
			put(data, 22, binary.LittleEndian, 4, h)
		case "avif", "heic":
			at := 0
			for range bytes.Count(data, []byte("ispe")) {
				at += bytes.Index(data[at:], []byte("ispe")) + 4
				put(data, at+4, binary.BigEndian, 4, w)
				put(data, at+8, binary.BigEndian, 4, h)
			}
			data = bytes.ReplaceAll(data, []byte("clap"), []byte("free"))
		case "webp animated":
			put(data, 24, binary.LittleEndian, 3, w-1)
			put(data, 27, binary.LittleEndian, 3, h-1)
		default:
			continue
		}
		out[name] = data
	}
	return out
}

// TestRefuseBomb measures that a header announcing gigabytes costs nothing.
func TestRefuseBomb(t *testing.T) {
	for name, data := range claims(t, 65000, 65000) {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Sniff(data, Limits{})
			_, _, derr := Decode(context.Background(), data, Limits{})
			runtime.ReadMemStats(&after)
			if err == nil || derr == nil {
				t.Fatalf("accepted: %v, %v", err, derr)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
				t.Errorf("%d bytes allocated for refusing", got)
			}
			refused(t, data, Limits{}, true, "65000", "32768", "Limits.Side")
		})
	}
	refused(t, pngClaiming(100000, 100000, 8, 6), Limits{}, true, "100000", "32768")
	refused(t, pngClaiming(30000, 30000, 8, 6), Limits{}, true, "900000000", "100000000", "Limits.Pixels")
}

func TestRefuseNothing(t *testing.T) {
	for name, data := range claims(t, 0, 0) {
		if name == "webp animated" { // cannot say 0
			continue
		}
		t.Run(name, func(t *testing.T) { refused(t, data, Limits{}, true) })
	}
	refused(t, pngClaiming(0, 5, 8, 2), Limits{}, true, "0×5", "holds nothing")
}

func TestRefuseOverLimits(t *testing.T) {
	for name, data := range madeFiles(t) {
		info, err := Sniff(data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		w, h := info.Width, info.Height
		t.Run(name, func(t *testing.T) {
			at := Limits{Bytes: int64(len(data)), Pixels: int64(w * h), Side: max(w, h)}
			if _, _, err := Decode(context.Background(), data, at); err != nil {
				t.Errorf("refused at its limits: %v", err)
			}
			over := at
			over.Bytes--
			refused(t, data, over, true, fmt.Sprint(len(data)), fmt.Sprint(over.Bytes), "Limits.Bytes")
			over = at
			over.Pixels--
			refused(t, data, over, true, fmt.Sprint(w*h), fmt.Sprint(over.Pixels), "Limits.Pixels")
			over = at
			over.Side--
			refused(t, data, over, true, fmt.Sprint(max(w, h)), fmt.Sprint(over.Side), "Limits.Side")
		})
	}
}

func TestRefuseUnsupported(t *testing.T) {
	files := madeFiles(t)
	patch := func(name string, old, new string) []byte {
		out := bytes.Replace(bytes.Clone(files[name]), []byte(old), []byte(new), 1)
		if bytes.Equal(out, files[name]) {
			t.Fatalf("%s has no % x", name, old)
		}
		return out
	}
	rle := bytes.Clone(files["bmp"])
	rle[30] = 1
	deep := bytes.Clone(files["bmp"])
	deep[28] = 48
	for name, c := range map[string]struct {
		data []byte
		word string
	}{
		"png depth":       {pngClaiming(4, 4, 4, 2), "colour type 2 with 4 bits"},
		"png 3 bits":      {pngClaiming(4, 4, 3, 0), "colour type 0 with 3 bits"},
		"jpeg arithmetic": {patch("jpeg", "\xff\xc0", "\xff\xc9"), "0xc9"},
		"jpeg lossless":   {patch("jpeg", "\xff\xc0", "\xff\xc3"), "0xc3"},
		"jpeg 12 bits":    {patch("jpeg", "\xff\xc0\x00\x11\x08", "\xff\xc1\x00\x11\x0c"), "12 bits"},
		"jpeg 2 channels": {patch("jpeg", "\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01", "\x02\x01\x22\x00\x02\x11\x01\x03\x11\x01"), "2 components"},
		"bmp rle":         {rle, "compression 1"},
		"bmp 48 bits":     {deep, "48 bits"},
		"bigtiff":         {[]byte("II+\x00\x08\x00\x00\x00\x00\x00\x00\x00"), "BigTIFF"},
		"heif video":      {[]byte("\x00\x00\x00\x14ftypavis\x00\x00\x00\x00avis"), "without a primary image"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.data, Limits{}, true, c.word) })
	}
}

// TestRefuseNesting checks that boxes within boxes cost no stack.
func TestRefuseNesting(t *testing.T) {
	for _, kind := range []string{"moov", "trak", "meta", "iprp", "ipco"} {
		data := []byte("\x00\x00\x00\x10ftypavif\x00\x00\x00\x00")
		const deep = 1 << 20
		for n := deep; n > 0; n-- {
			data = append(binary.BigEndian.AppendUint32(data, uint32(8*n)), kind...)
		}
		refused(t, data, Limits{}, true)
	}
}

func TestDecodeStops(t *testing.T) {
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(stop)
	for name, data := range madeFiles(t) {
		if _, _, err := Decode(ctx, data, Limits{}); !errors.Is(err, stop) {
			t.Errorf("%s: error %v, want the cause", name, err)
		}
	}
}

// TestGuard shows that a decoder that panics costs an error only.
func TestGuard(t *testing.T) {
	img, err := guard("png", func() (*Image, error) { panic("index out of range") })
	if img != nil || !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("%v, %v", img, err)
	}
}

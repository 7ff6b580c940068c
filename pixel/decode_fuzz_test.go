package pixel

import (
	"context"
	"errors"
	"testing"

	"github.com/gen-emerge/assay"
)

// fuzzLimits keep one input cheap.
var fuzzLimits = Limits{Bytes: 1 << 20, Pixels: 1 << 20, Side: 4096}

func addSeeds(f *testing.F) {
	for _, data := range madeFiles(f) {
		f.Add(data)
	}
	for _, data := range claims(f, 4097, 3) {
		f.Add(data)
	}
	for _, c := range decodeCases(f) {
		if len(c.File) < 1500 {
			f.Add(c.File)
		}
	}
}

// FuzzSniff checks that what Sniff accepts is within the limits and complete,
// and that it looks at the bytes only.
func FuzzSniff(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := Sniff(data, fuzzLimits)
		if err != nil {
			if !errors.Is(err, assay.ErrInvalid) {
				t.Fatalf("error %q does not wrap ErrInvalid", err)
			}
			return
		}
		if info.Width < 1 || info.Height < 1 || info.Width > fuzzLimits.Side || info.Height > fuzzLimits.Side ||
			int64(info.Width)*int64(info.Height) > fuzzLimits.Pixels || int64(len(data)) > fuzzLimits.Bytes {
			t.Fatalf("%+v of %d bytes is over the limits", info, len(data))
		}
		if info.Format == "" || info.Mode == "" || info.Orientation < 1 || info.Orientation > 8 {
			t.Fatalf("%+v is incomplete", info)
		}
		if again, err := Sniff(data, fuzzLimits); err != nil || again != info {
			t.Fatalf("second reading: %+v, %v; first %+v", again, err, info)
		}
	})
}

// viaCodec reports whether a format is decoded by a WebAssembly codec, each run
// of which costs as much as hundreds of the others.
func viaCodec(format string) bool { return format == "avif" || format == "heic" || format == "jxl" }

// FuzzDecode checks that what is decoded is what was announced, that Sniff
// accepts it, and that every conversion can read it.
func FuzzDecode(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if info, err := Sniff(data, fuzzLimits); err == nil && !viaCodec(info.Format) {
			decodeAnything(t, data)
		}
	})
}

// FuzzDecodeCodec is FuzzDecode for AVIF, HEIC and JPEG XL.
func FuzzDecodeCodec(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if info, err := Sniff(data, fuzzLimits); err == nil && viaCodec(info.Format) {
			decodeAnything(t, data)
		}
	})
}

func decodeAnything(t *testing.T, data []byte) {
	img, info, err := Decode(context.Background(), data, fuzzLimits)
	if err != nil {
		if !errors.Is(err, assay.ErrInvalid) {
			t.Fatalf("error %q does not wrap ErrInvalid", err)
		}
		return
	}
	sniffed, err := Sniff(data, fuzzLimits)
	if err != nil || sniffed != info {
		t.Fatalf("Decode gives %+v, Sniff %+v and %v", info, sniffed, err)
	}
	n := info.Width * info.Height
	if img.Width != info.Width || img.Height != info.Height || img.Mode != info.Mode ||
		len(img.Pix)+len(img.Pix16) != n*img.Mode.Channels() {
		t.Fatalf("%d×%d %s with %d samples, announced %+v", img.Width, img.Height, img.Mode, len(img.Pix)+len(img.Pix16), info)
	}
	if len(img.Palette)%4 != 0 || len(img.Palette) > 4*256 || img.Mode == Indexed && img.Palette == nil {
		t.Fatalf("palette of %d bytes", len(img.Palette))
	}
	if rgb, l := img.RGB(), img.Gray(); len(rgb.Pix) != 3*n || len(l.Pix) != n {
		t.Fatalf("RGB of %d samples, L of %d, for %d pixels", len(rgb.Pix), len(l.Pix), n)
	}
}

package pixel

import (
	"errors"
	"slices"
	"testing"

	"github.com/gen-emerge/assay"
)

// The offsets are those of torchvision's CenterCrop, by Python's round, and of
// Hugging Face's center_crop, by integer division.
func TestMargin(t *testing.T) {
	for d, want := range map[int][2]int{
		0: {0, 0}, 1: {0, 0}, 2: {1, 1}, 3: {2, 1}, 4: {2, 2}, 5: {2, 2}, 7: {4, 3}, 11: {6, 5},
	} {
		even, err := HalfEven.margin(d)
		if err != nil {
			t.Fatal(err)
		}
		floor, err := HalfFloor.margin(d)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]int{even, floor}; got != want {
			t.Errorf("margin %d: offsets %v, want %v", d, got, want)
		}
	}
}

func TestShortSide(t *testing.T) {
	for _, c := range []struct{ w, h, n, wantW, wantH int }{
		{512, 384, 224, 298, 224},  // 298.67 truncated
		{384, 512, 224, 224, 298},  // and standing
		{224, 999, 224, 224, 999},  // nothing happens
		{2162, 762, 224, 635, 224}, // CLIP.png
		{7, 7, 3, 3, 3},
		{10, 30, 20, 20, 60},
	} {
		img := testImage(Gray, c.w, c.h)
		out, err := img.ShortSide(c.n, Bilinear)
		if err != nil {
			t.Fatal(err)
		}
		if out.Width != c.wantW || out.Height != c.wantH {
			t.Errorf("%d×%d to short side %d: %d×%d, want %d×%d", c.w, c.h, c.n, out.Width, out.Height, c.wantW, c.wantH)
		}
		if min(c.w, c.h) == c.n && out != img {
			t.Errorf("%d×%d already has short side %d, but was copied", c.w, c.h, c.n)
		}
	}
	for name, n := range map[string]int{"zero": 0, "negative": -5, "huge": 1 << 40} {
		if _, err := testImage(Gray, 4, 5).ShortSide(n, Bicubic); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	strip := testImage(Gray, 1, 30000)
	if _, err := strip.ShortSide(1000, Bicubic); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("a strip that would grow to 3·10^10 samples: error %v", err)
	}
}

func TestCrop(t *testing.T) {
	for _, m := range allModes {
		img := testImage(m, 9, 7)
		out, err := img.Crop(2, 3, 4, 3)
		if err != nil {
			t.Fatal(err)
		}
		if err := out.consistent(); err != nil {
			t.Fatal(err)
		}
		ch := m.Channels()
		for y := range 3 {
			for x := range 4 {
				to, from := (y*4+x)*ch, ((y+3)*9+x+2)*ch
				same := m == I16 && out.Pix16[to] == img.Pix16[from] ||
					m != I16 && slices.Equal(out.Pix[to:to+ch], img.Pix[from:from+ch])
				if !same {
					t.Fatalf("%s: pixel (%d, %d) is another", m, x, y)
				}
			}
		}
		if whole, err := img.Crop(0, 0, 9, 7); err != nil || whole != img {
			t.Errorf("%s: cropping nothing: %v, %v", m, whole == img, err)
		}
	}
	img := testImage(RGB, 9, 7)
	for _, r := range [][4]int{{-1, 0, 2, 2}, {0, -1, 2, 2}, {0, 0, 0, 2}, {0, 0, 2, 0}, {8, 0, 2, 2}, {0, 6, 2, 2}, {0, 0, 1 << 62, 1 << 62}} {
		if _, err := img.Crop(r[0], r[1], r[2], r[3]); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("crop %v: error %v", r, err)
		}
	}
	if _, err := img.CenterCrop(10, 3, HalfEven); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("centre crop wider than the image: error %v", err)
	}
	if _, err := img.CenterCrop(3, 3, "ceil"); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("unknown rounding: error %v", err)
	}
}

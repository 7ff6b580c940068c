package judge

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/pixel"
)

// draw returns a PNG of w×h pixels.
func draw(t testing.TB, w, h int, at func(x, y int) color.Color) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, drawn2D(w, h, at)); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func drawn2D(w, h int, at func(x, y int) color.Color) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, at(x, y))
		}
	}
	return img
}

func look(t testing.TB, data []byte) Pixels {
	t.Helper()
	p, err := Look(data, pixel.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func evenly(c color.Color) func(x, y int) color.Color {
	return func(int, int) color.Color { return c }
}

// TestImageControls: what is asked of a picture, and the answers that its pixels
// give. Anything left out would be open to doubt.
func TestImageControls(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	jpegOf := func(w, h int, at func(x, y int) color.Color) []byte {
		var file bytes.Buffer
		if err := jpeg.Encode(&file, drawn2D(w, h, at), &jpeg.Options{Quality: 60}); err != nil {
			t.Fatal(err)
		}
		return file.Bytes()
	}
	halves := func(x, y int) color.Color {
		if x < 64 {
			return color.RGBA{200, 30, 30, 255}
		}
		return color.RGBA{30, 30, 200, 255}
	}
	for name, c := range map[string]struct {
		data []byte
		want string // id=answer
	}{
		"red": {draw(t, 64, 64, evenly(color.RGBA{200, 20, 20, 255})),
			"single-colour=yes shades=no black=no lighter=yes white=no darker=yes colourless=no colourful=yes"},
		"red after compression": {jpegOf(64, 64, evenly(color.RGBA{200, 20, 20, 255})),
			"single-colour=yes shades=no black=no lighter=yes white=no darker=yes colourless=no colourful=yes"},
		"black": {draw(t, 64, 64, evenly(color.Black)),
			"single-colour=yes shades=no black=yes lighter=no white=no darker=yes colourful=no"},
		"white": {draw(t, 64, 64, evenly(color.White)),
			"single-colour=yes shades=no black=no lighter=yes white=yes darker=no colourful=no"},
		"transparent": {draw(t, 64, 64, evenly(color.NRGBA{255, 0, 0, 0})), // mid-grey as sent
			"single-colour=yes shades=no black=no lighter=yes white=no darker=yes colourful=no"},
		"one pixel": {draw(t, 1, 1, evenly(color.Gray{100})),
			"single-colour=yes shades=no black=no lighter=yes white=no darker=yes colourful=no"},
		"halves, wide": {draw(t, 128, 64, halves),
			"single-colour=no shades=yes black=no lighter=yes white=no darker=yes colourless=no colourful=yes wide=yes tall=no"},
		"halves, tall": {draw(t, 128, 256, halves),
			"single-colour=no shades=yes black=no lighter=yes white=no darker=yes colourless=no colourful=yes wide=no tall=yes"},
		"almost square": {draw(t, 128, 100, halves),
			"single-colour=no shades=yes black=no lighter=yes white=no darker=yes colourless=no colourful=yes"},
		"faint gradient": {draw(t, 64, 64, func(x, y int) color.Color { return color.Gray{uint8(100 + x/2)} }),
			"black=no lighter=yes white=no darker=yes colourful=no"},
		"grey gradient": {draw(t, 64, 64, func(x, y int) color.Color { return color.Gray{uint8(4 * x)} }),
			"single-colour=no shades=yes black=no lighter=yes white=no darker=yes colourless=yes colourful=no"},
		"tinted gradient": {draw(t, 64, 64, func(x, y int) color.Color { return color.RGBA{uint8(3*x + 40), uint8(3*x + 20), uint8(3 * x), 255} }),
			"single-colour=no shades=yes black=no lighter=yes white=no darker=yes"},
		"dim noise": {draw(t, 64, 64, func(x, y int) color.Color { return color.Gray{uint8(rng.IntN(60))} }),
			"white=no darker=yes colourful=no"},
		"a little red on white": {draw(t, 64, 64, func(x, y int) color.Color {
			if x < 4 && y < 32 {
				return color.RGBA{255, 0, 0, 255}
			}
			return color.White
		}), "single-colour=no shades=yes black=no lighter=yes"},
	} {
		p := look(t, c.data)
		for seed := range uint64(40) {
			qs := ImageControls(p, seed)
			got := map[string]string{}
			for i, q := range qs {
				id := strings.TrimPrefix(q.ID, "control.")
				got[id] = q.Expect
				if checkText(q.Text) != nil || q.Version != VersionOf(q) || q.Kind != "control" || q.Dimension != "control" || q.Good != assay.Neither || q.Scope != "image" {
					t.Fatalf("%s: %+v: %v", name, q, checkText(q.Text))
				}
				if (id == "wide" || id == "tall") && i < 2 {
					t.Errorf("%s, seed %d: the shape of the picture is asked first", name, seed)
				}
			}
			want := map[string]string{}
			for _, pair := range strings.Fields(c.want) {
				id, answer, _ := strings.Cut(pair, "=")
				want[id] = answer
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s: %+v\n%s", name, p, diff)
			}
			if len(qs) < 2 || qs[0].Expect == qs[1].Expect {
				t.Fatalf("%s, seed %d: the first two have no answer of each kind: %v", name, seed, qs)
			}
			if !cmp.Equal(qs, ImageControls(p, seed)) {
				t.Fatalf("%s, seed %d: another list the second time", name, seed)
			}
		}
		if slices.EqualFunc(ImageControls(p, 1), ImageControls(p, 2), func(a, b assay.Question) bool { return a.Text == b.Text }) {
			t.Errorf("%s: two seeds ask the same in the same order", name)
		}
	}
}

// TestImageControlsOfNothing: no answer is known of a picture nobody looked at.
func TestImageControlsOfNothing(t *testing.T) {
	if qs := ImageControls(Pixels{}, 1); qs != nil {
		t.Errorf("%v", qs)
	}
	for _, data := range [][]byte{nil, []byte("not a picture"), draw(t, 9, 9, evenly(color.Black))[:60]} {
		if _, err := Look(data, pixel.Limits{}); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%.20q: %v", data, err)
		}
	}
	if _, err := Look(draw(t, 99, 9, evenly(color.Black)), pixel.Limits{Side: 50}); !errors.Is(err, assay.ErrInvalid) {
		t.Error(err)
	}
}

// TestImageControlsAlwaysBoth: whatever is known of a picture, one answer is yes
// and one is no.
func TestImageControlsAlwaysBoth(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for range 3000 {
		p := Pixels{Width: 1 + rng.IntN(2000), Height: 1 + rng.IntN(2000), MeanLuma: 255 * rng.Float64(), Contrast: 255 * rng.Float64()}
		switch rng.IntN(4) { // what cannot be true together is not
		case 0:
			p.Plain, p.Contrast = true, 0
			p.Dark, p.Bright = p.MeanLuma <= blackLuma, p.MeanLuma >= whiteLuma
		case 1:
			p.Grey = true
		case 2:
			p.Vivid = true
		}
		qs := ImageControls(p, rng.Uint64())
		if len(qs) < 2 || qs[0].Expect == qs[1].Expect {
			t.Fatalf("%+v: %v", p, qs)
		}
	}
}

func TestLook(t *testing.T) {
	got := look(t, draw(t, 16, 8, func(x, y int) color.Color {
		if x < 8 {
			return color.RGBA{255, 0, 0, 255}
		}
		return color.RGBA{0, 0, 255, 255}
	}))
	want := Pixels{Width: 16, Height: 8, Colours: 2, MeanLuma: 255 * (0.299 + 0.114) / 2, Vivid: true, Contrast: 255}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 })); diff != "" {
		t.Error(diff)
	}
	// A picture longer than judges are sent is looked at as they are sent it.
	if p := look(t, draw(t, 3072, 4, evenly(color.White))); p.Width != 1536 || p.Height != 2 {
		t.Errorf("%d×%d", p.Width, p.Height)
	}
	chess := look(t, draw(t, 64, 64, func(x, y int) color.Color { return color.Gray{uint8(255 * ((x + y) % 2))} }))
	if chess.Contrast > 1 || chess.Plain || chess.Colours != 2 {
		t.Errorf("a fine pattern: %+v", chess)
	}
}

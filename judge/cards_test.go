package judge

import (
	"context"
	"errors"
	"image/color"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
	"github.com/gen-emerge/assay/pixel"
)

// TestCards holds the cards to their bytes and to what their pixels show.
func TestCards(t *testing.T) {
	cards := Cards()
	answers, ids := map[string]int{}, map[string]bool{}
	all := ""
	for _, c := range cards {
		answers[c.Question.Expect]++
		if ids[c.Question.ID] || checkText(c.Question.Text) != nil || c.Question.Version != VersionOf(c.Question) || c.Question.Kind != "control" {
			t.Errorf("%s: question %+v", c.Name, c.Question)
		}
		ids[c.Question.ID] = true
		if pair := len(c.Pictures) == 2; pair != (c.Question.Scope == "style") || len(c.Subject().Others) != len(c.Pictures)-1 {
			t.Errorf("%s: %d pictures, scope %s", c.Name, len(c.Pictures), c.Question.Scope)
		}
		for _, p := range c.Pictures {
			all += p.Digest.String()
			img := decoded(t, p)
			if p.Digest != assay.DigestOf(p.Data) || img.Width != p.Width || img.Height != p.Height || p.MIME != "image/png" || len(p.Data) > 100_000 {
				t.Errorf("%s: %s, %d×%d, %d bytes", c.Name, p.MIME, p.Width, p.Height, len(p.Data))
			}
		}
	}
	if answers["yes"] != answers["no"] || len(answers) != 2 || answers["yes"] < 10 {
		t.Errorf("answers %v", answers)
	}
	if got := assay.DigestOfText(all).String()[:16]; got != "f1f9e4abf806747d" {
		t.Errorf("the cards' bytes have digest %s", got)
	}
	if p := card(t, "plain red").Subject().Pixels; !p.Plain || !p.Vivid {
		t.Errorf("plain red: %+v", p)
	}
	if p := card(t, "blank").Subject().Pixels; !p.Plain || !p.Bright {
		t.Errorf("blank: %+v", p)
	}
	if p := card(t, "noise").Subject().Pixels; p.Plain || p.Colours != 64 {
		t.Errorf("noise: %+v", p)
	}
	if p := card(t, "shapes").Subject().Pixels; p.Colours != 4 {
		t.Errorf("shapes: %+v", p)
	}
	same := card(t, "identical pair").Pictures
	if same[0].Digest != same[1].Digest {
		t.Error("the identical pair differs")
	}
	a, b := decoded(t, card(t, "mirrored pair").Pictures[0]), decoded(t, card(t, "mirrored pair").Pictures[1])
	if slices.Equal(a.Pix, b.Pix) || !slices.Equal(mirrored(a).Pix, b.Pix) {
		t.Error("the mirrored pair is not mirrored, or is its own mirror image")
	}
}

func card(t *testing.T, name string) Card {
	t.Helper()
	at := slices.IndexFunc(Cards(), func(c Card) bool { return c.Name == name })
	if at < 0 {
		t.Fatalf("no card %s", name)
	}
	return Cards()[at]
}

func decoded(t testing.TB, p *vlm.Image) *pixel.Image {
	t.Helper()
	img, _, err := pixel.Decode(context.Background(), p.Data, pixel.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return img.RGB()
}

func mirrored(img *pixel.Image) *pixel.Image {
	out := &pixel.Image{Mode: pixel.RGB, Width: img.Width, Height: img.Height, Pix: slices.Clone(img.Pix)}
	for y := range img.Height {
		for x := range img.Width {
			copy(out.Pix[(y*img.Width+x)*3:][:3], img.Pix[(y*img.Width+img.Width-1-x)*3:][:3])
		}
	}
	return out
}

// scene is a picture with edges, areas and texture.
func scene(t testing.TB, w, h int) []byte {
	rng := rand.New(rand.NewPCG(5, 5))
	return draw(t, w, h, func(x, y int) color.Color {
		grain := uint8(rng.IntN(12))
		switch {
		case (x-w/3)*(x-w/3)+(y-h/2)*(y-h/2) < w*h/20:
			return color.RGBA{220 - grain, 60, 40, 255}
		case (x/8+y/8)%2 == 0:
			return color.RGBA{40, 90 + grain, uint8(100 + 100*x/w), 255}
		}
		return color.RGBA{uint8(200 * y / h), 160, 90 + grain, 255}
	})
}

// TestDegrade: every change is the same each time and within the picture's size,
// and gross is further from the original than mild.
func TestDegrade(t *testing.T) {
	data := scene(t, 160, 120)
	original, err := asSent(data, pixel.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	distance := func(how string) float64 {
		t.Helper()
		worse, err := Degrade(data, how, pixel.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		again, err := Degrade(data, how, pixel.Limits{})
		if err != nil || again.Digest != worse.Digest {
			t.Errorf("%s: another picture the second time (%v)", how, err)
		}
		img := decoded(t, worse)
		if img.Width != original.Width || img.Height != original.Height {
			t.Fatalf("%s: %d×%d", how, img.Width, img.Height)
		}
		return meanDifference(original, img)
	}
	gross, mild := Degradations()
	for i := range gross {
		g, m := distance(gross[i]), distance(mild[i])
		t.Logf("%s: %.1f levels, %s: %.1f", gross[i], g, mild[i], m)
		if tiles := i == len(gross)-1; m < leastChange || !tiles && g <= m {
			t.Errorf("%s changes the picture by %.2f levels, %s by %.2f", gross[i], g, mild[i], m)
		}
	}
	for _, how := range []string{"blur", "jpeg q=5", "channels swapped", "tiles shuffled"} {
		if d := distance(how); d < leastChange {
			t.Errorf("%s: %.2f levels", how, d)
		}
	}
}

// TestShuffleTiles: no tile stays, and none is lost.
func TestShuffleTiles(t *testing.T) {
	for n := 2; n <= 16; n++ {
		img := &pixel.Image{Mode: pixel.RGB, Width: n, Height: n, Pix: make([]uint8, 3*n*n)}
		for i := range img.Pix {
			img.Pix[i] = uint8(i / 3)
		}
		out := shuffleTiles(img, n)
		seen := map[uint8]bool{}
		for i := 0; i < len(out.Pix); i += 3 {
			if out.Pix[i] == img.Pix[i] {
				t.Errorf("%d×%d: tile %d stays", n, n, i/3)
			}
			seen[out.Pix[i]] = true
		}
		if len(seen) != n*n {
			t.Errorf("%d×%d: %d tiles are left", n, n, len(seen))
		}
	}
}

func TestDegradeErrors(t *testing.T) {
	data := scene(t, 64, 64)
	for _, how := range []string{"", "blurred", "blur 2", "blur 0%", "blur 99%", "jpeg q=0", "jpeg q=101", "noise -1", "noise 1e9", "tiles shuffled 1x1",
		"tiles shuffled 2x17", "channels swapped 2", "jpeg q=99999999999999999999", "blur 1%\n"} {
		if _, err := Degrade(data, how, pixel.Limits{}); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%q: %v", how, err)
		}
	}
	if _, err := Degrade([]byte("x"), "blur", pixel.Limits{}); !errors.Is(err, assay.ErrInvalid) {
		t.Error(err)
	}
	plain := draw(t, 64, 64, evenly(color.Gray{90}))
	for _, how := range []string{"blur", "jpeg q=5", "channels swapped", "tiles shuffled 3x3"} {
		if _, err := Degrade(plain, how, pixel.Limits{}); !errors.Is(err, ErrUnchanged) {
			t.Errorf("%s of a plain picture: %v", how, err)
		}
	}
}

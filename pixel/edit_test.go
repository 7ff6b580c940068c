package pixel

import (
	"context"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/gen-emerge/assay"
)

// TestBlurScipy allows one level: the reference rounds the exact sum, the blur
// one made of 20-bit weights, so values near a half may fall to either side.
func TestBlurScipy(t *testing.T) {
	file, err := os.Open("testdata/edits.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) < 5 {
		t.Fatalf("only %d rows", len(rows))
	}
	for _, row := range rows[1:] {
		sigma, err := strconv.ParseFloat(row[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		w, _ := strconv.Atoi(row[1])
		h, _ := strconv.Atoi(row[2])
		want, err := base64.StdEncoding.DecodeString(row[3])
		if err != nil {
			t.Fatal(err)
		}
		got, err := testImage(RGB, w, h).Blur(sigma)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Pix) != len(want) {
			t.Fatalf("sigma %g: %d samples, want %d", sigma, len(got.Pix), len(want))
		}
		off := 0
		for i, v := range got.Pix {
			d := int(v) - int(want[i])
			if d < -1 || d > 1 {
				t.Fatalf("sigma %g: sample %d is %d, want %d", sigma, i, v, want[i])
			}
			off += d * d
		}
		if off > len(want)/1000 {
			t.Errorf("sigma %g: %d of %d samples differ by a level", sigma, off, len(want))
		}
	}
}

// variance is that of all samples: a blur lowers it, noise raises it.
func variance(img *Image) float64 {
	var n, sum, sq float64
	for _, v := range img.Pix {
		n++
		sum += float64(v)
		sq += float64(v) * float64(v)
	}
	return sq/n - sum*sum/n/n
}

// smooth is a picture of middling levels without structure finer than a few
// pixels, so that edits do not clip.
func smooth(t *testing.T, w, h int) *Image {
	t.Helper()
	img, err := testImage(RGB, w, h).Blur(3)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestBlurLaws(t *testing.T) {
	img := testImage(RGB, 40, 30)
	last := variance(img)
	for _, sigma := range []float64{0.5, 1, 2, 4, 8} {
		out, err := img.Blur(sigma)
		if err != nil {
			t.Fatal(err)
		}
		if v := variance(out); v >= last {
			t.Errorf("sigma %g: variance %g is not below %g", sigma, v, last)
		} else {
			last = v
		}
		mirrored, err := mirror(img).Blur(sigma)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(mirror(mirrored).Pix, out.Pix) {
			t.Errorf("sigma %g: blurring does not commute with mirroring", sigma)
		}
	}
	for v := range 256 {
		flat := &Image{Mode: RGB, Width: 3, Height: 2, Pix: slices.Repeat([]uint8{uint8(v)}, 18)}
		if out, err := flat.Blur(5); err != nil || !slices.Equal(out.Pix, flat.Pix) {
			t.Fatalf("constant %d: %v, %v", v, out, err)
		}
	}
	if out, err := img.Blur(0); err != nil || out != img {
		t.Errorf("sigma 0: %v", err)
	}
}

func TestNoise(t *testing.T) {
	flat := &Image{Mode: RGB, Width: 200, Height: 200, Pix: slices.Repeat([]uint8{128}, 120000)}
	for _, sigma := range []float64{1, 5, 20} {
		a, err := flat.Noise(sigma, 7)
		if err != nil {
			t.Fatal(err)
		}
		// Of n = 120000 the standard error of the variance is sigma²·√(2/n), 0.4 %,
		// and of the mean sigma/√n; five of each. Rounding adds 1/12.
		want := sigma*sigma + 1.0/12
		if v := variance(a); math.Abs(v-want) > 5*0.0041*want {
			t.Errorf("sigma %g: variance %g, want %g", sigma, v, want)
		}
		mean, beyond := 0.0, 0
		for _, v := range a.Pix {
			mean += float64(v) / float64(len(a.Pix))
			if math.Abs(float64(v)-128) > 2*sigma+0.5 {
				beyond++
			}
		}
		if math.Abs(mean-128) > 5*math.Sqrt(want/120000) {
			t.Errorf("sigma %g: mean %g, want 128", sigma, mean)
		}
		if sigma == 20 { // P(|z| > 2.025) = 0.0429, five standard errors of 0.0006
			if share := float64(beyond) / 120000; math.Abs(share-0.0429) > 0.003 {
				t.Errorf("share beyond two sigma is %g, want 0.0429", share)
			}
		}
		b, err := flat.Noise(sigma, 7)
		if err != nil {
			t.Fatal(err)
		}
		c, err := flat.Noise(sigma, 8)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(a.Pix, b.Pix) || slices.Equal(a.Pix, c.Pix) {
			t.Errorf("sigma %g: the seed does not decide the noise", sigma)
		}
	}
	// These bytes are what makes stored controls comparable: they may not change.
	small := &Image{Mode: RGB, Width: 2, Height: 2, Pix: slices.Repeat([]uint8{128}, 12)}
	out, err := small.Noise(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := []uint8{135, 124, 126, 142, 128, 139, 133, 129, 124, 140, 113, 108}; !slices.Equal(out.Pix, want) {
		t.Errorf("noise of seed 1 is %v, want %v", out.Pix, want)
	}
	if out, err := small.Noise(0, 1); err != nil || !slices.Equal(out.Pix, small.Pix) {
		t.Errorf("sigma 0 changed the image: %v", err)
	}
}

func TestBrightness(t *testing.T) {
	img := &Image{Mode: RGB, Width: 2, Height: 1, Pix: []uint8{0, 1, 100, 127, 200, 255}}
	for gain, want := range map[float64][]uint8{
		0:   {0, 0, 0, 0, 0, 0},
		0.5: {0, 1, 50, 64, 100, 128}, // halves go up
		1:   {0, 1, 100, 127, 200, 255},
		2:   {0, 2, 200, 254, 255, 255},
	} {
		out, err := img.Brightness(gain)
		if err != nil || !slices.Equal(out.Pix, want) {
			t.Errorf("gain %g: %v, %v, want %v", gain, out.Pix, err, want)
		}
	}
}

func TestOverexpose(t *testing.T) {
	img := smooth(t, 60, 50)
	last := 1.0
	for _, share := range []float64{0.01, 0.1, 0.3, 0.5, 0.9, 1} {
		out, gain, err := img.Overexpose(share)
		if err != nil {
			t.Fatal(err)
		}
		saturated := func(img *Image) float64 {
			n := 0
			for i := 0; i < len(img.Pix); i += 3 {
				if max(img.Pix[i], img.Pix[i+1], img.Pix[i+2]) == 255 {
					n++
				}
			}
			return float64(n) / float64(img.Width*img.Height)
		}
		if got := saturated(out); got < share {
			t.Errorf("share %g: only %g saturated", share, got)
		}
		if gain < last {
			t.Errorf("share %g: gain %g is below %g of a smaller share", share, gain, last)
		}
		last = gain
		if less := img.scaled(gain * 0.999); saturated(less) >= share {
			t.Errorf("share %g: gain %g is not the smallest", share, gain)
		}
	}
	white := &Image{Mode: RGB, Width: 1, Height: 1, Pix: []uint8{255, 0, 0}}
	if out, gain, err := white.Overexpose(1); err != nil || out != white || gain != 1 {
		t.Errorf("saturated already: gain %g, %v", gain, err)
	}
	black := &Image{Mode: RGB, Width: 2, Height: 1, Pix: []uint8{0, 0, 0, 9, 9, 9}}
	if _, _, err := black.Overexpose(0.9); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("half black, share 0.9: error %v", err)
	}
}

func TestCropSides(t *testing.T) {
	img := testImage(RGB, 40, 30)
	out, err := img.CropSides(0.1)
	if err != nil {
		t.Fatal(err)
	}
	want, err := img.Crop(4, 3, 32, 24)
	if err != nil {
		t.Fatal(err)
	}
	if out.Width != 32 || out.Height != 24 || !slices.Equal(out.Pix, want.Pix) {
		t.Errorf("%d×%d, want 32×24 from the middle", out.Width, out.Height)
	}
	if out, err := img.CropSides(0); err != nil || out != img {
		t.Errorf("fraction 0: %v", err)
	}
	if _, err := testImage(RGB, 1, 1).CropSides(0.49); err != nil {
		t.Errorf("one pixel, nothing to cut: %v", err)
	}
}

func TestJPEG(t *testing.T) {
	img := smooth(t, 61, 35)
	last := math.Inf(1)
	for _, q := range []int{1, 10, 50, 90, 100} {
		out, err := img.JPEG(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if out.Mode != RGB || out.Width != 61 || out.Height != 35 {
			t.Fatalf("quality %d: %s %d×%d", q, out.Mode, out.Width, out.Height)
		}
		mse := 0.0
		for i, v := range out.Pix {
			d := float64(v) - float64(img.Pix[i])
			mse += d * d / float64(len(img.Pix))
		}
		if mse > last {
			t.Errorf("quality %d: mean square error %g, more than %g of a lower quality", q, mse, last)
		}
		last = mse
	}
	if last > 8 {
		t.Errorf("quality 100: mean square error %g", last)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := img.JPEG(ctx, 90); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
}

func TestEditsRefuse(t *testing.T) {
	good, nan := testImage(RGB, 8, 8), math.NaN()
	drop := func(_ *Image, err error) error { return err }
	over := func(img *Image, share float64) error { _, _, err := img.Overexpose(share); return err }
	for name, err := range map[string]error{
		"jpeg 0":          drop(good.JPEG(t.Context(), 0)),
		"jpeg 101":        drop(good.JPEG(t.Context(), 101)),
		"crop half":       drop(good.CropSides(0.5)),
		"crop negative":   drop(good.CropSides(-0.1)),
		"crop nan":        drop(good.CropSides(nan)),
		"crop to nothing": drop(testImage(RGB, 2, 2).CropSides(0.4)),
		"gain negative":   drop(good.Brightness(-1)),
		"gain nan":        drop(good.Brightness(nan)),
		"gain inf":        drop(good.Brightness(math.Inf(1))),
		"blur negative":   drop(good.Blur(-1)),
		"blur nan":        drop(good.Blur(nan)),
		"blur wide":       drop(good.Blur(1e9)),
		"noise negative":  drop(good.Noise(-1, 0)),
		"noise nan":       drop(good.Noise(nan, 0)),
		"share 0":         over(good, 0),
		"share above 1":   over(good, 1.01),
		"share nan":       over(good, nan),
		"grey":            drop(testImage(Gray, 8, 8).Blur(1)),
		"alpha":           drop(testImage(RGBA, 8, 8).Noise(1, 1)),
		"damaged":         drop((&Image{Mode: RGB, Width: 8, Height: 8}).Brightness(1)),
		"empty":           drop((&Image{Mode: RGB}).JPEG(t.Context(), 90)),
	} {
		if !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: error %v, want one that wraps ErrInvalid", name, err)
		}
	}
}

package judge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
	"github.com/gen-emerge/assay/pixel"
)

// ErrUnchanged reports that a picture looks the same after a change, so that
// neither of the two is the better one.
var ErrUnchanged = errors.New("the picture does not change")

// leastChange is the mean difference of a sample, in levels of 255, from which a
// copy counts as changed.
const leastChange = 1.0

// Degradations returns changes for [Degrade] after which nobody would prefer the
// copy: gross ones, that nobody overlooks, and mild ones of the same kinds, that
// take a look. "channels swapped" is in neither list: a picture in other colours
// may be as good.
func Degradations() (gross, mild []string) {
	return []string{"blur 1.5%", "jpeg q=3", "noise 70", "tiles shuffled 4x4"},
		[]string{"blur 0.4%", "jpeg q=10", "noise 25", "tiles shuffled 2x2"}
}

// A degrading changes a picture by an amount.
type degrading struct {
	form    *regexp.Regexp
	amount  float64 // if none is given
	lo, hi  float64
	degrade func(img *pixel.Image, amount float64) (*pixel.Image, error)
}

var degradings = []degrading{
	{regexp.MustCompile(`^blur(?: (\d+(?:\.\d+)?)%)?$`), 1.5, 0.05, 5, func(img *pixel.Image, percent float64) (*pixel.Image, error) {
		return img.Blur(percent / 100 * float64(min(img.Width, img.Height)))
	}},
	{regexp.MustCompile(`^jpeg(?: q=(\d+))?$`), 5, 1, 100, func(img *pixel.Image, quality float64) (*pixel.Image, error) {
		return img.JPEG(context.Background(), int(quality))
	}},
	{regexp.MustCompile(`^noise(?: (\d+(?:\.\d+)?))?$`), 70, 1, 255, func(img *pixel.Image, sigma float64) (*pixel.Image, error) {
		return img.Noise(sigma, 1)
	}},
	{regexp.MustCompile(`^tiles shuffled(?: (\d+)x(\d+))?$`), 4, 2, 16, func(img *pixel.Image, n float64) (*pixel.Image, error) {
		return shuffleTiles(img, int(n)), nil
	}},
	{regexp.MustCompile(`^channels swapped()$`), 1, 1, 1, func(img *pixel.Image, _ float64) (*pixel.Image, error) {
		return swapChannels(img), nil
	}},
}

// Degrade returns a copy of a picture that was made worse, encoded as judges are
// sent pictures. how is
//
//	blur S%             Gaussian, sigma in hundredths of the shorter side, 0.05 to 5
//	jpeg q=N            through a JPEG of quality N, 1 to 100
//	noise N             Gaussian, sigma in levels of 255, 1 to 255
//	tiles shuffled NxN  no tile stays in its place, 2 to 16 a side
//	channels swapped    red, green and blue take each other's place
//
// and without an amount a gross one. The same arguments give the same picture. To
// compare it with the original, pass what the judge is sent of that
// ([Subject.Sent]), so that both have one size. The error wraps
// [assay.ErrInvalid] if data is not a picture within lim or how is none of these,
// and [ErrUnchanged] if the copy hardly differs: a plain picture cannot be blurred.
func Degrade(data []byte, how string, lim pixel.Limits) (*vlm.Image, error) {
	at := slices.IndexFunc(degradings, func(d degrading) bool { return d.form.MatchString(how) })
	if at < 0 {
		return nil, fmt.Errorf("degrade: %.100q: want blur S%%, jpeg q=N, noise N, tiles shuffled NxN or channels swapped: %w", how, assay.ErrInvalid)
	}
	d := degradings[at]
	amount := d.amount
	for _, given := range d.form.FindStringSubmatch(how)[1:] {
		if given == "" {
			continue
		}
		x, err := strconv.ParseFloat(given, 64)
		if err != nil || x < d.lo || x > d.hi {
			return nil, fmt.Errorf("degrade: %.100q: the amount must be in [%g, %g]: %w", how, d.lo, d.hi, assay.ErrInvalid)
		}
		amount = x
	}
	img, err := asSent(data, lim)
	if err != nil {
		return nil, err
	}
	worse, err := d.degrade(img, amount)
	if err != nil {
		return nil, fmt.Errorf("degrade: %s: %w", how, err)
	}
	if diff := meanDifference(img, worse); diff < leastChange {
		return nil, fmt.Errorf("degrade: %s: a mean difference of %.2f levels: %w", how, diff, ErrUnchanged)
	}
	return encodeRGB(worse)
}

// meanDifference returns the mean difference of two pictures' samples, in levels,
// from what all samples of a channel differ by: a plain picture in a slightly
// other shade is not worse.
func meanDifference(a, b *pixel.Image) float64 {
	n := len(a.Pix) / 3
	var shift [3]float64
	for i, v := range a.Pix {
		shift[i%3] += (float64(b.Pix[i]) - float64(v)) / float64(n)
	}
	sum := 0.0
	for i, v := range a.Pix {
		sum += math.Abs(float64(b.Pix[i]) - float64(v) - shift[i%3])
	}
	return sum / float64(len(a.Pix))
}

// swapChannels makes green what was red, blue what was green, red what was blue.
func swapChannels(img *pixel.Image) *pixel.Image {
	out := &pixel.Image{Mode: pixel.RGB, Width: img.Width, Height: img.Height, Pix: make([]uint8, len(img.Pix))}
	for i := 0; i < len(img.Pix); i += 3 {
		out.Pix[i], out.Pix[i+1], out.Pix[i+2] = img.Pix[i+2], img.Pix[i], img.Pix[i+1]
	}
	return out
}

// shuffleTiles moves each of n×n equal tiles to another's place. What is left at
// the right and the bottom when sides are divided stays.
func shuffleTiles(img *pixel.Image, n int) *pixel.Image {
	w, h := img.Width/n, img.Height/n
	out := &pixel.Image{Mode: pixel.RGB, Width: img.Width, Height: img.Height, Pix: slices.Clone(img.Pix)}
	// A cycle through all places in a random order leaves none where it was.
	order := rand.New(rand.NewPCG(1, uint64(n))).Perm(n * n)
	for k, to := range order {
		from := order[(k+1)%len(order)]
		for y := range h {
			src := ((from/n*h+y)*img.Width + from%n*w) * 3
			dst := ((to/n*h+y)*img.Width + to%n*w) * 3
			copy(out.Pix[dst:dst+3*w], img.Pix[src:src+3*w])
		}
	}
	return out
}

// encodeRGB returns a picture as it is sent to judges.
func encodeRGB(img *pixel.Image) (*vlm.Image, error) {
	canvas := image.NewNRGBA(image.Rect(0, 0, img.Width, img.Height))
	for i, o := 0, 0; i < len(img.Pix); i, o = i+3, o+4 {
		copy(canvas.Pix[o:o+3], img.Pix[i:i+3])
		canvas.Pix[o+3] = 255
	}
	var file bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&file, canvas); err != nil {
		return nil, fmt.Errorf("degrade: png: %w", err)
	}
	own := pixel.Limits{Bytes: int64(file.Len()), Pixels: int64(img.Width) * int64(img.Height), Side: max(img.Width, img.Height)}
	return vlm.Encode(file.Bytes(), own, vlm.Limits{})
}

// Package art draws the demo's pictures: ten families of generative art, from
// nothing but a seed.
package art

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"

	"github.com/gen-emerge/assay/pixel"
)

// Side is the width and height of every work in pixels.
const Side = 512

// A Work is one picture of the demo's series.
type Work struct {
	Name   string // a file name without its suffix: "07-voronoi"
	Family string
	Prompt string // what a generator would have been told
	Seed   uint64
	Flaw   string // what was done to it on purpose; empty for originals

	flaw func(context.Context, *pixel.Image) (*pixel.Image, error)
}

// families lists every way of drawing, in the order works take turns.
var families = []struct {
	name, prompt string
	draw         func(*canvas, *rand.Rand, palette)
}{
	{"flow", "ink lines following a wind that is not there", flow},
	{"voronoi", "a stained-glass mosaic of uneven cells", voronoi},
	{"waves", "interference of a few distant waves", waves},
	{"packing", "circles packed until nothing fits", packing},
	{"grid", "a rectangle divided until it is a painting", mondrian},
	{"julia", "a Julia set, close to its edge", julia},
	{"ridges", "mountain ridges fading into haze", ridges},
	{"truchet", "quarter-circle tiles turned at random", truchet},
	{"attractor", "dust on a strange attractor", attractor},
	{"marble", "marbled paper, warped twice", marble},
}

// Series lists the demo's 64 works: 56 originals in which the families take
// turns, then four near-duplicates and four damaged copies of earlier ones.
func Series(seed uint64) []Work {
	var works []Work
	for i := range 56 {
		f := families[i%len(families)]
		works = append(works, Work{
			Name: fmt.Sprintf("%02d-%s", i+1, f.name), Family: f.name, Prompt: f.prompt, Seed: seed*1_000_003 + uint64(i),
		})
	}
	for i, flaw := range flaws {
		of := works[7*i+3]
		of.Name = fmt.Sprintf("%02d-%s-%s", len(works)+1, of.Family, flaw.name)
		of.Flaw, of.flaw = fmt.Sprintf(flaw.text, works[7*i+3].Name), flaw.apply
		works = append(works, of)
	}
	return works
}

// flaws are what the last works of a series suffer from.
var flaws = []struct {
	name, text string
	apply      func(context.Context, *pixel.Image) (*pixel.Image, error)
}{
	{"again", "near-duplicate of %s: encoded again", func(ctx context.Context, im *pixel.Image) (*pixel.Image, error) { return im.JPEG(ctx, 70) }},
	{"blurred", "damaged copy of %s: out of focus", func(_ context.Context, im *pixel.Image) (*pixel.Image, error) { return im.Blur(7) }},
	{"trimmed", "near-duplicate of %s: one per cent cropped", func(_ context.Context, im *pixel.Image) (*pixel.Image, error) { return im.CropSides(0.01) }},
	{"noisy", "damaged copy of %s: sensor noise", func(_ context.Context, im *pixel.Image) (*pixel.Image, error) { return im.Noise(48, 7) }},
	{"lighter", "near-duplicate of %s: a little lighter", func(_ context.Context, im *pixel.Image) (*pixel.Image, error) { return im.Brightness(1.03) }},
	{"blocky", "damaged copy of %s: compressed to death", func(ctx context.Context, im *pixel.Image) (*pixel.Image, error) { return im.JPEG(ctx, 4) }},
	{"darker", "near-duplicate of %s: a little darker", func(_ context.Context, im *pixel.Image) (*pixel.Image, error) { return im.Brightness(0.97) }},
	{"clipped", "damaged copy of %s: overexposed", func(_ context.Context, im *pixel.Image) (*pixel.Image, error) {
		out, _, err := im.Overexpose(0.5)
		return out, err
	}},
}

// PNG draws a work and encodes it. The same work gives the same bytes.
func (w Work) PNG(ctx context.Context) ([]byte, error) {
	c := newCanvas(Side)
	for _, f := range families {
		if f.name == w.Family {
			r := rand.New(rand.NewPCG(w.Seed, 0x6173736179))
			f.draw(c, r, newPalette(r))
		}
	}
	pic := c.image()
	if w.flaw != nil {
		var err error
		if pic, err = w.flaw(ctx, pic); err != nil {
			return nil, fmt.Errorf("work %s: %w", w.Name, err)
		}
	}
	out := &image.NRGBA{Pix: make([]uint8, 4*pic.Width*pic.Height), Stride: 4 * pic.Width, Rect: image.Rect(0, 0, pic.Width, pic.Height)}
	for i := range pic.Width * pic.Height {
		copy(out.Pix[4*i:], pic.Pix[3*i:3*i+3])
		out.Pix[4*i+3] = 255
	}
	var buf bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	err := enc.Encode(&buf, out)
	return buf.Bytes(), err
}

package judge

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"sync"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// A Card is a picture, or two, made for a question whose answer is known.
type Card struct {
	Name     string       // of the picture: "plain red", "mirrored pair"
	Pictures []*vlm.Image // one, or two to be shown in this order
	Question assay.Question
}

// Subject returns the card as it is put to a judge: a second picture is shown as
// another one of a series, and the question's scope says so.
func (c Card) Subject() Subject {
	s := Subject{Image: c.Pictures[0].Digest, Sent: c.Pictures[0], Others: c.Pictures[1:]}
	p, err := Look(c.Pictures[0].Data, cardLimits)
	if err != nil {
		panic("judge: card " + c.Name + ": " + err.Error()) // tests hold that it does not happen
	}
	s.Pixels = p
	return s
}

// cardSide is a card's width and height in pixels: enough for every model's
// patches, and cheap.
const cardSide = 256

// The cards' colours. Index 0 is the ground.
var (
	white = color.RGBA{255, 255, 255, 255}
	black = color.RGBA{0, 0, 0, 255}
	red   = color.RGBA{220, 20, 20, 255}
	green = color.RGBA{20, 150, 40, 255}
	blue  = color.RGBA{25, 60, 220, 255}
)

// a cardText is a question about a card and its answer.
type cardText struct{ id, text, expect string }

// Cards returns the control cards, always the same bytes: plain and two-coloured
// ones, pairs that are mirrored or identical, noise, a blank one, and shapes, with
// questions about what is there and, as many, about what is not.
func Cards() []Card { return cards() }

var cards = sync.OnceValue(func() []Card {
	var out []Card
	add := func(name, slug string, pictures []*vlm.Image, texts ...cardText) {
		scope := "image"
		if len(pictures) > 1 {
			scope = "style"
		}
		for _, t := range texts {
			out = append(out, Card{name, pictures, knownQuestion("card-"+slug+"-"+t.id, t.text, t.expect, scope)})
		}
	}
	one := func(c canvas) []*vlm.Image { return []*vlm.Image{c.encode()} }

	add("plain red", "plain", one(newCanvas(red)),
		cardText{"even", "Is the whole picture one flat, even colour?", "yes"},
		cardText{"blue", "Is there a blue area in the picture?", "no"})

	halves := newCanvas(red, blue)
	halves.fill(1, func(x, y int) bool { return x >= cardSide/2 })
	add("two colours", "halves", one(halves),
		cardText{"left-red", "Is the left half of the picture red?", "yes"},
		cardText{"left-blue", "Is the left half of the picture blue?", "no"})

	right, left := newCanvas(white, black), newCanvas(white, black)
	right.fill(1, arrow)
	left.fill(1, func(x, y int) bool { return arrow(cardSide-1-x, y) })
	add("mirrored pair", "mirrored", []*vlm.Image{right.encode(), left.encode()},
		cardText{"mirrored", "Is this picture a mirror image of the other picture?", "yes"},
		cardText{"same", "Is this picture exactly the same as the other picture?", "no"})
	add("identical pair", "identical", []*vlm.Image{right.encode(), right.encode()},
		cardText{"same", "Is this picture exactly the same as the other picture?", "yes"},
		cardText{"different", "Does this picture show another shape than the other picture?", "no"})

	add("noise", "noise", one(noise()),
		cardText{"speckles", "Is the picture filled with random speckles?", "yes"},
		cardText{"face", "Is there a face in the picture?", "no"})

	add("blank", "blank", one(newCanvas(white)),
		cardText{"empty", "Is the picture empty?", "yes"},
		cardText{"dog", "Is there a dog in the picture?", "no"})

	shapes := newCanvas(white, red, blue, green)
	shapes.fill(1, disc(70, 80, 40))
	shapes.fill(2, func(x, y int) bool { return x >= 150 && x < 220 && y >= 45 && y < 115 })
	shapes.fill(3, func(x, y int) bool { return y >= 150 && y < 220 && 2*abs(x-128) <= y-150 })
	add("shapes", "shapes", one(shapes),
		cardText{"circle", "Is there a circle in the picture?", "yes"},
		cardText{"square", "Is there a square in the picture?", "yes"},
		cardText{"triangle", "Is there a triangle in the picture?", "yes"},
		cardText{"star", "Is there a star in the picture?", "no"},
		cardText{"heart", "Is there a heart in the picture?", "no"},
		cardText{"arrow", "Is there an arrow in the picture?", "no"})

	dots := newCanvas(white, black)
	for _, x := range []int{48, 128, 208} {
		dots.fill(1, disc(x, 128, 24))
	}
	add("three dots", "dots", one(dots),
		cardText{"three", "Are there exactly three dots in the picture?", "yes"},
		cardText{"five", "Are there exactly five dots in the picture?", "no"})
	return out
})

// A canvas is a card being drawn.
type canvas struct{ *image.Paletted }

func newCanvas(colours ...color.Color) canvas {
	return canvas{image.NewPaletted(image.Rect(0, 0, cardSide, cardSide), colours)}
}

// fill colours the pixels that are inside.
func (c canvas) fill(colour uint8, inside func(x, y int) bool) {
	for y := range cardSide {
		for x := range cardSide {
			if inside(x, y) {
				c.Pix[y*c.Stride+x] = colour
			}
		}
	}
}

func disc(cx, cy, r int) func(x, y int) bool {
	return func(x, y int) bool { return (x-cx)*(x-cx)+(y-cy)*(y-cy) <= r*r }
}

// arrow points to the right, and is not its own mirror image.
func arrow(x, y int) bool {
	shaft := x >= 40 && x < 150 && y >= 108 && y < 148
	head := x >= 150 && x < 216 && abs(y-128) <= (216-x)
	return shaft || head
}

func abs(x int) int { return max(x, -x) }

// noise returns speckles of all colours.
func noise() canvas {
	var colours []color.Color
	for i := range 64 {
		colours = append(colours, color.RGBA{uint8(i & 3 * 85), uint8(i >> 2 & 3 * 85), uint8(i >> 4 * 85), 255})
	}
	c := newCanvas(colours...)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range c.Pix {
		c.Pix[i] = uint8(rng.UintN(64))
	}
	return c
}

// encode writes the card without compression, whose bytes would change with the
// version of Go.
func (c canvas) encode() *vlm.Image {
	var file bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&file, c); err != nil {
		panic(fmt.Sprintf("judge: card: %v", err)) // a buffer does not fail
	}
	return &vlm.Image{Data: file.Bytes(), MIME: "image/png", Digest: assay.DigestOf(file.Bytes()), Width: cardSide, Height: cardSide}
}

package judgetest

import (
	"image"
	"image/color"
	"image/draw"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// Painted returns a copy of img with text in large white letters on a black band
// across its middle, broken into lines of about 16 letters.
func Painted(img image.Image, text string) *image.RGBA {
	b := img.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(out, out.Bounds(), img, b.Min, draw.Src)
	rows := broken(text, 16)
	face := basicfont.Face7x13
	small := image.NewGray(image.Rect(0, 0, 16*face.Advance+4, len(rows)*face.Height+4))
	for i, line := range rows {
		d := font.Drawer{Dst: small, Src: image.White, Face: face, Dot: fixed.P(2, 2+i*face.Height+face.Ascent)}
		d.DrawString(line)
	}
	w := out.Bounds().Dx()
	h := min(out.Bounds().Dy(), max(1, w*small.Bounds().Dy()/small.Bounds().Dx()))
	top := (out.Bounds().Dy() - h) / 2
	for y := range h {
		for x := range w {
			v := small.GrayAt(x*small.Bounds().Dx()/w, y*small.Bounds().Dy()/h).Y
			out.SetRGBA(x, top+y, color.RGBA{v, v, v, 255})
		}
	}
	return out
}

// broken breaks text into lines of at most n bytes, at spaces where there are any.
func broken(text string, n int) []string {
	var out []string
	line := ""
	for _, w := range strings.Fields(text) {
		for len(w) > n {
			if line != "" {
				out = append(out, line)
				line = ""
			}
			out, w = append(out, w[:n]), w[n:]
		}
		switch {
		case line == "":
			line = w
		case len(line)+1+len(w) <= n:
			line += " " + w
		default:
			out = append(out, line)
			line = w
		}
	}
	return append(out, line)
}

package art

import (
	"math"
	"math/rand/v2"

	"github.com/gen-emerge/assay/pixel"
)

// A color is linear-light red, green and blue in [0, 1].
type color [3]float64

func (a color) mix(b color, t float64) color {
	for i := range a {
		a[i] += (b[i] - a[i]) * t
	}
	return a
}

func (a color) scale(k float64) color { return color{a[0] * k, a[1] * k, a[2] * k} }

// hsl returns the colour of a hue in turns, a saturation and a lightness.
func hsl(h, s, l float64) color {
	var c color
	for i, shift := range [3]float64{0, 8, 4} {
		k := math.Mod(shift+12*(h-math.Floor(h)), 12)
		v := l - s*min(l, 1-l)*max(-1, min(k-3, 9-k, 1))
		c[i] = math.Pow(v, 2.2)
	}
	return c
}

// A palette is a ground and a few colours that go together.
type palette struct {
	ground color
	inks   []color
}

// newPalette draws a palette: neighbouring hues with one opposite, on paper or
// on night.
func newPalette(r *rand.Rand) palette {
	h, spread := r.Float64(), 0.05+0.12*r.Float64()
	sat := 0.25 + 0.6*r.Float64()
	p := palette{ground: hsl(h+0.5, 0.15, 0.93)}
	if r.IntN(2) == 0 {
		p.ground = hsl(h+0.6, 0.35, 0.08)
	}
	for i := range 5 {
		hue := h + spread*float64(i-2)
		if i == 4 {
			hue += 0.5
		}
		p.inks = append(p.inks, hsl(hue, sat, 0.3+0.1*float64(i)+0.1*r.Float64()))
	}
	return p
}

// at returns the palette's colour at t in [0, 1], blended between inks.
func (p palette) at(t float64) color {
	t = min(max(t, 0), 1) * float64(len(p.inks)-1)
	i := min(int(t), len(p.inks)-2)
	return p.inks[i].mix(p.inks[i+1], t-float64(i))
}

func (p palette) pick(r *rand.Rand) color { return p.inks[r.IntN(len(p.inks))] }

// A canvas holds linear light, so that what overlaps blends as light does.
type canvas struct {
	side int
	pix  []color
}

func newCanvas(side int) *canvas { return &canvas{side, make([]color, side*side)} }

// shade sets every pixel from its position in the unit square.
func (c *canvas) shade(f func(x, y float64) color) {
	for j := range c.side {
		for i := range c.side {
			c.pix[j*c.side+i] = f((float64(i)+0.5)/float64(c.side), (float64(j)+0.5)/float64(c.side))
		}
	}
}

func (c *canvas) fill(k color) { c.shade(func(_, _ float64) color { return k }) }

// over blends k over the pixel with the given cover.
func (c *canvas) over(i, j int, k color, cover float64) {
	if i >= 0 && j >= 0 && i < c.side && j < c.side && cover > 0 {
		p := &c.pix[j*c.side+i]
		*p = p.mix(k, min(cover, 1))
	}
}

// disc paints a filled circle, anti-aliased; centre and radius in pixels.
func (c *canvas) disc(x, y, radius float64, k color, cover float64) {
	for j := int(y - radius - 1); j <= int(y+radius+1); j++ {
		for i := int(x - radius - 1); i <= int(x+radius+1); i++ {
			d := math.Hypot(float64(i)+0.5-x, float64(j)+0.5-y)
			c.over(i, j, k, cover*min(max(radius+0.5-d, 0), 1))
		}
	}
}

// image converts to 8-bit sRGB.
func (c *canvas) image() *pixel.Image {
	out := &pixel.Image{Mode: pixel.RGB, Width: c.side, Height: c.side, Pix: make([]uint8, 3*c.side*c.side)}
	for i, p := range c.pix {
		for k := range p {
			out.Pix[3*i+k] = uint8(255*math.Pow(min(max(p[k], 0), 1), 1/2.2) + 0.5)
		}
	}
	return out
}

// noise is smooth value noise of a seed: a function of the plane into [0, 1].
type noise uint64

func (n noise) lattice(x, y int) float64 {
	h := uint64(n) ^ uint64(uint32(x))*0x9e3779b97f4a7c15 ^ uint64(uint32(y))*0xc2b2ae3d27d4eb4f
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 32
	h *= 0x94d049bb133111eb
	h ^= h >> 31
	return float64(h>>11) / (1 << 53)
}

func (n noise) at(x, y float64) float64 {
	fx, fy := math.Floor(x), math.Floor(y)
	i, j := int(fx), int(fy)
	u, v := smooth(x-fx), smooth(y-fy)
	a := n.lattice(i, j) + (n.lattice(i+1, j)-n.lattice(i, j))*u
	b := n.lattice(i, j+1) + (n.lattice(i+1, j+1)-n.lattice(i, j+1))*u
	return a + (b-a)*v
}

// octaves sums noise at doubling frequencies; the result stays in [0, 1].
func (n noise) octaves(x, y float64, k int) float64 {
	sum, weight, total := 0.0, 1.0, 0.0
	for i := range k {
		sum += weight * (n+noise(i)*7919).at(x, y)
		total += weight
		weight /= 2
		x, y = 2*x+17.3, 2*y+9.1
	}
	return sum / total
}

func smooth(t float64) float64 { return t * t * (3 - 2*t) }

package metric

import (
	"math"
	"sync"

	"github.com/gen-emerge/assay/pixel"
)

// Heat draws the map in colours: dark violet where it is 0, through red, to light
// yellow where it is most or more. Equal steps of the map are equal steps of
// lightness. If most is not positive, everything is dark.
func (m PairMap) Heat(most float32) *pixel.Image {
	img := &pixel.Image{Mode: pixel.RGB, Width: m.Width, Height: m.Height, Pix: make([]uint8, 0, 3*len(m.Values))}
	for _, v := range m.Values {
		c := heatColours()[heatStep(v, most)]
		img.Pix = append(img.Pix, c[:]...)
	}
	return img
}

// Overlay draws the map in the colours of [PairMap.Heat] to be laid over the
// picture: clear where it is 0, and covering nine tenths from half of most on.
func (m PairMap) Overlay(most float32) *pixel.Image {
	img := &pixel.Image{Mode: pixel.RGBA, Width: m.Width, Height: m.Height, Pix: make([]uint8, 0, 4*len(m.Values))}
	for _, v := range m.Values {
		step := heatStep(v, most)
		c := heatColours()[step]
		img.Pix = append(img.Pix, c[0], c[1], c[2], uint8(min(2*step, 255)*230/255))
	}
	return img
}

// heatStep returns which of the 256 colours stands for a value.
func heatStep(v, most float32) int {
	if !(most > 0) || !(v > 0) {
		return 0
	}
	return int(min(float64(v)/float64(most), 1)*255 + 0.5)
}

// heatColours are 256 colours on a path through OKLab (Ottosson 2020): lightness
// grows evenly from 0.16 to 0.96, and hue turns once from violet over red to
// yellow; each is as vivid as a screen can show, up to a limit.
var heatColours = sync.OnceValue(func() *[256][3]uint8 {
	var all [256][3]uint8
	for i := range all {
		t := float64(i) / 255
		light, hue := 0.16+0.80*t, (295+170*t)*math.Pi/180
		lo, hi := 0.0, 0.05+0.16*math.Sin(math.Pi*min(0.12+t, 1)) // chroma; the largest that can be shown is looked for
		if _, ok := okLab(light, hi, hue); ok {
			lo = hi
		}
		for range 24 {
			if mid := (lo + hi) / 2; mid > lo {
				if _, ok := okLab(light, mid, hue); ok {
					lo = mid
				} else {
					hi = mid
				}
			}
		}
		all[i], _ = okLab(light, lo, hue)
	}
	return &all
})

// okLab returns the 8-bit sRGB colour of a lightness, chroma and hue, and whether
// screens can show it.
func okLab(light, chroma, hue float64) (rgb [3]uint8, ok bool) {
	a, b := chroma*math.Cos(hue), chroma*math.Sin(hue)
	cube := func(x float64) float64 { return x * x * x }
	l := cube(light + float64(0.3963377774*a) + float64(0.2158037573*b))
	m := cube(light - float64(0.1055613458*a) - float64(0.0638541728*b))
	s := cube(light - float64(0.0894841775*a) - float64(1.2914855480*b))
	linear := [3]float64{
		float64(4.0767416621*l) - float64(3.3077115913*m) + float64(0.2309699292*s),
		float64(-1.2684380046*l) + float64(2.6097574011*m) - float64(0.3413193965*s),
		float64(-0.0041960863*l) - float64(0.7034186147*m) + float64(1.7076147010*s),
	}
	ok = true
	for i, x := range linear {
		ok = ok && x >= 0 && x <= 1
		x = min(max(x, 0), 1)
		if x <= 0.0031308 {
			x *= 12.92
		} else {
			x = float64(1.055*math.Pow(x, 1/2.4)) - 0.055
		}
		rgb[i] = uint8(float64(255*x) + 0.5)
	}
	return rgb, ok
}

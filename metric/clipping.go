package metric

var clipping = formula{
	spec: Spec{
		Name:        "clipping",
		Version:     1,
		Kind:        OfImage,
		Better:      LowerIsBetter,
		Lo:          0,
		Hi:          1,
		MinSide:     1,
		Unit:        "fraction",
		Preparation: "Pillow L, native size",
		Doc: "Share of pixels too dark or too bright to hold detail: luma at most 2 or at least 253, " +
			"a margin that lossy coding stays within.",
		Source:    "defined here",
		Agreement: "NumPy: equal; exact on images clipped on purpose",
	},
	value: func(p *Picture) (float64, []string) {
		levels, clipped := p.histogram(), 0
		for k := range clippedLevels {
			clipped += levels[k] + levels[255-k]
		}
		return float64(clipped) / float64(p.pixels()), nil
	},
}

// clippedLevels is how many levels at either end count as clipped. A JPEG of
// quality 85 leaves large clipped areas within 2 levels of 0 or 255.
const clippedLevels = 3

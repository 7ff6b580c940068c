package metric

var edgeDensity = formula{
	spec: Spec{
		Name:        "edge-density",
		Version:     1,
		Kind:        OfImage,
		Better:      Descriptor,
		Lo:          0,
		Hi:          1,
		MinSide:     3,
		Unit:        "fraction",
		Preparation: "Pillow L, native size",
		Doc: "Share of pixels on an edge: those where Sobel's gradient is that of a step of at least 32 levels; " +
			"the outermost pixels are not asked.",
		Source:    "Sobel and Feldman's operator (1968); threshold defined here",
		Agreement: "SciPy ndimage.sobel: equal",
	},
	value: func(p *Picture) (float64, []string) {
		w, h := p.Width, p.Height
		grey, edges := p.grey(), 0
		for y := 1; y < h-1; y++ {
			r0, r1, r2 := grey[(y-1)*w:y*w], grey[y*w:(y+1)*w], grey[(y+1)*w:(y+2)*w]
			for x := 1; x < w-1; x++ {
				a, b, c := int32(r0[x-1]), int32(r0[x]), int32(r0[x+1])
				d, e, f := int32(r2[x-1]), int32(r2[x]), int32(r2[x+1])
				gx := c + 2*int32(r1[x+1]) + f - a - 2*int32(r1[x-1]) - d
				gy := d + 2*e + f - a - 2*b - c
				// A branch would be guessed wrong on every edge; a sign bit is not.
				edges += int(uint32(edgeGradient*edgeGradient-1-(gx*gx+gy*gy)) >> 31)
			}
		}
		return float64(edges) / float64((w-2)*(h-2)), nil
	},
}

// edgeGradient is Sobel's response to a straight step of 32 levels along an
// axis: an eighth of the range, above the texture of brushwork and lossy
// coding.
const edgeGradient = 4 * 32

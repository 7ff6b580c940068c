package metric

import "math"

var noise = formula{
	spec: Spec{
		Name:        "noise",
		Version:     1,
		Kind:        OfImage,
		Better:      LowerIsBetter,
		Lo:          0,
		Hi:          8 * 255 * noiseScale,
		MinSide:     3,
		Unit:        "8-bit levels",
		Preparation: "Pillow L, native size",
		Doc: "Standard deviation of additive white Gaussian noise that would explain the image's finest detail; " +
			"fine texture reads as noise too.",
		Source:    "Immerkær: Fast noise variance estimation, Computer Vision and Image Understanding 64(2), 1996",
		Agreement: "the paper's convolution in SciPy: within 1e-9",
	},
	value: func(p *Picture) (float64, []string) {
		w, h := p.Width, p.Height
		grey, sum := p.grey(), 0
		for y := 1; y < h-1; y++ {
			r0, r1, r2 := grey[(y-1)*w:y*w], grey[y*w:(y+1)*w], grey[(y+1)*w:(y+2)*w]
			for x := 1; x < w-1; x++ {
				// The difference of two Laplacians: 0 on any plane or straight edge.
				v := int32(r0[x-1]) - 2*int32(r0[x]) + int32(r0[x+1]) -
					2*(int32(r1[x-1])-2*int32(r1[x])+int32(r1[x+1])) +
					int32(r2[x-1]) - 2*int32(r2[x]) + int32(r2[x+1])
				sum += int(max(v, -v))
			}
		}
		return noiseScale * (float64(sum) / float64((w-2)*(h-2))), nil
	},
}

// noiseScale turns the mean magnitude of the response into a standard
// deviation: the response's is 6 times the noise's, and a Gaussian's is √(π/2)
// times its mean magnitude.
var noiseScale = math.Sqrt(math.Pi/2) / 6

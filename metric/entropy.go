package metric

import "math"

var entropy = formula{
	spec: Spec{
		Name:        "entropy",
		Version:     1,
		Kind:        OfImage,
		Better:      Descriptor,
		Lo:          0,
		Hi:          8,
		MinSide:     1,
		Unit:        "bits",
		Preparation: "Pillow L, native size",
		Doc:         "Shannon entropy of the grey levels: 0 for one level, 8 if all 256 are equally frequent.",
		Source:      "Shannon: A mathematical theory of communication, 1948; as MATLAB entropy and skimage.measure.shannon_entropy",
		Agreement: "scikit-image 0.26: within 1e-9; published MATLAB values of five TID2013 images, " +
			"which have 4 decimals: within 0.0002",
	},
	value: func(p *Picture) (float64, []string) {
		n, sum := float64(p.pixels()), 0.0
		for _, count := range p.histogram() {
			if count > 0 {
				f := float64(count) / n
				sum -= float64(f * math.Log2(f))
			}
		}
		return max(sum, 0), nil // one level gives −0
	},
}

package metric

var symmetryLR = formula{
	spec: symmetrySpec("symmetry-lr", "left and right"),
	value: func(p *Picture) (float64, []string) {
		grey, w := p.grey(), p.Width
		product := 0
		for y := range p.Height {
			row := grey[y*w : (y+1)*w]
			for x := range w / 2 {
				product += 2 * int(row[x]) * int(row[w-1-x])
			}
			if w%2 == 1 {
				product += int(row[w/2]) * int(row[w/2])
			}
		}
		return p.correlation(product), nil
	},
}

var symmetryUD = formula{
	spec: symmetrySpec("symmetry-ud", "top and bottom"),
	value: func(p *Picture) (float64, []string) {
		grey, w, h := p.grey(), p.Width, p.Height
		product := 0
		for y := range h {
			top, bottom := grey[y*w:(y+1)*w], grey[(h-1-y)*w:(h-y)*w]
			for x, v := range top {
				product += int(v) * int(bottom[x])
			}
		}
		return p.correlation(product), nil
	},
}

func symmetrySpec(name, sides string) Spec {
	return Spec{
		Name:        name,
		Version:     1,
		Kind:        OfImage,
		Better:      Descriptor,
		Lo:          -1,
		Hi:          1,
		MinSide:     1,
		Preparation: "Pillow L, native size",
		Doc: "Correlation of the image with its mirror image, " + sides + " exchanged: 1 is symmetric " +
			"(an image of one level too), 0 unrelated, −1 a negative of itself.",
		Source:    "Pearson's correlation; defined here",
		Agreement: "NumPy corrcoef: within 1e-9",
	}
}

// correlation returns Pearson's correlation of the grey levels with a
// rearrangement of them, given the sum of products of the two. All sums are
// integers, so symmetric images give exactly 1.
func (p *Picture) correlation(product int) float64 {
	n, sum, squares := float64(p.pixels()), 0, 0
	for v, count := range p.histogram() {
		sum += v * count
		squares += v * v * count
	}
	if product == squares {
		return 1
	}
	square := float64(sum) * float64(sum) / n
	r := (float64(product) - square) / (float64(squares) - square)
	return min(max(r, -1), 1) // rounding
}

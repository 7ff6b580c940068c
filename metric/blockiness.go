package metric

var blockiness = formula{
	spec: Spec{
		Name:        "blockiness",
		Version:     1,
		Kind:        OfImage,
		Better:      LowerIsBetter,
		Lo:          -1,
		Hi:          1,
		MinSide:     16,
		Preparation: "Pillow L, native size, 8×8 grid from the top left",
		Doc: "How much more neighbouring pixels differ across the borders of JPEG's 8×8 blocks (B) than elsewhere (A): " +
			"(B − A)/(B + A), 0 without a grid, 1 with nothing but a grid. A crop that shifts the grid hides it.",
		Source: "Wang, Sheikh, Bovik: No-reference perceptual quality assessment of JPEG compressed images, ICIP 2002; " +
			"their B, and the plain mean of the other differences for A",
		Agreement: "the formula in NumPy: within 1e-9",
	},
	value: func(p *Picture) (float64, []string) {
		grey, w, h := p.grey(), p.Width, p.Height
		// Sums of |difference| of horizontal (0) and vertical (1) neighbours.
		var all, border [2]int
		for y := range h {
			row := grey[y*w : (y+1)*w]
			all[0] += differences(row, row[1:])
			for x := gridSide; x < w; x += gridSide {
				border[0] += distance(row[x-1], row[x])
			}
			if y == 0 {
				continue
			}
			d := differences(grey[(y-1)*w:y*w], row)
			all[1] += d
			if y%gridSide == 0 {
				border[1] += d
			}
		}
		b0, a0 := gridMeans(all[0], border[0], w, h)
		b1, a1 := gridMeans(all[1], border[1], h, w)
		a, b := a0+a1, b0+b1
		if a+b == 0 {
			return 0, []string{"the image is of one level: there is no grid to see"}
		}
		return (b - a) / (b + a), nil
	},
}

const gridSide = 8 // pixels: JPEG's blocks

// gridMeans returns the mean difference across block borders, and elsewhere,
// along one axis of the given length.
func gridMeans(all, border, length, breadth int) (b, a float64) {
	borders := (length - 1) / gridSide
	b = float64(border) / float64(breadth*borders)
	a = float64(all-border) / float64(breadth*(length-1-borders))
	return b, a
}

// differences returns Σ|a[i] − b[i]| over the shorter of the two.
func differences(a, b []uint8) int {
	n := min(len(a), len(b))
	a, b = a[:n], b[:n]
	sum := 0
	for i, v := range a {
		sum += distance(v, b[i])
	}
	return sum
}

func distance(a, b uint8) int {
	d := int(a) - int(b)
	return max(d, -d)
}

package metric

var flatness = formula{
	spec: Spec{
		Name:        "flatness",
		Version:     1,
		Kind:        OfImage,
		Better:      Descriptor,
		Lo:          0,
		Hi:          1,
		MinSide:     flatBlock,
		Unit:        "fraction",
		Preparation: "Pillow L, native size, whole 8×8 blocks from the top left",
		Doc:         "Share of 8×8 blocks with next to nothing in them: a standard deviation below 2 levels.",
		Source:      "defined here",
		Agreement:   "NumPy: equal",
	},
	value: func(p *Picture) (float64, []string) {
		grey, w := p.grey(), p.Width
		cols, rows, flat := w/flatBlock, p.Height/flatBlock, 0
		sums, squares := make([]int32, cols), make([]int32, cols)
		for r := range rows {
			clear(sums)
			clear(squares)
			for y := r * flatBlock; y < (r+1)*flatBlock; y++ {
				row := grey[y*w : y*w+cols*flatBlock]
				for c := range sums {
					var s, q int32
					for _, v := range row[c*flatBlock : (c+1)*flatBlock : (c+1)*flatBlock] {
						s += int32(v)
						q += int32(v) * int32(v)
					}
					sums[c] += s
					squares[c] += q
				}
			}
			for c, s := range sums {
				// n²·variance, with n = 64 pixels: at most 64·64·255², which fits.
				const n = flatBlock * flatBlock
				if n*squares[c]-s*s < n*n*flatVariance {
					flat++
				}
			}
		}
		return float64(flat) / float64(cols*rows), nil
	},
}

const (
	flatBlock    = 8 // pixels, the side of a JPEG block
	flatVariance = 4 // squared levels
)

package metric

var sharpness = formula{
	spec: Spec{
		Name:        "sharpness",
		Version:     1,
		Kind:        OfImage,
		Better:      HigherIsBetter,
		Lo:          0,
		Hi:          1,
		MinSide:     16,
		Preparation: "Pillow L, native size",
		Doc: "1 minus the blur effect: the share of edge strength that an 11-pixel box blur takes away, in the direction " +
			"that loses least; 0 if there are no edges in one direction.",
		Source: "Crete, Dolmiere, Ladret, Nicolas: The blur effect, SPIE 6492, 2007; 11-tap box and Sobel edges, " +
			"as skimage.measure.blur_effect",
		Agreement: "scikit-image 0.26 blur_effect(h_size=11): within 1e-9",
	},
	value: func(p *Picture) (float64, []string) {
		grey := p.grey()
		across, down := blurAcross(grey, p.Width, p.Height), blurDown(grey, p.Width, p.Height)
		if across.edges == 0 || down.edges == 0 {
			return 0, []string{"no edge at all in one direction: taken as perfectly blurred"}
		}
		return min(across.share(), down.share()), nil
	},
}

// An edgeLoss sums up, along one axis, the Sobel edge strength of an image and
// how much of it a box blur along that axis takes away. Rows and columns 0, 1
// and the last are left out, as scikit-image does.
type edgeLoss struct{ edges, lost int }

func (e edgeLoss) share() float64 { return float64(e.lost) / float64(e.edges) }

// boxLength tells blurs apart up to that many pixels (Crete et al., section 3).
const boxLength = 11

// addRow takes in the Sobel responses of one row before the blur, and boxLength
// times those after it.
func (e *edgeLoss) addRow(before, after []int32) {
	after = after[:len(before)]
	edges, lost := 0, 0
	for i, b := range before {
		sharp, soft := boxLength*max(b, -b), max(after[i], -after[i])
		edges += int(sharp)
		lost += int(max(0, sharp-soft))
	}
	e.edges += edges
	e.lost += lost
}

// blurAcross reads vertical edges. The blur's sum telescopes: of two boxes two
// pixels apart only the ends differ.
func blurAcross(grey []uint8, w, h int) (e edgeLoss) {
	const reach = boxLength/2 + 1
	smooth := make([]int32, w+2*reach) // three rows weighted 1, 2, 1, mirrored at both ends
	before, after := make([]int32, w-3), make([]int32, w-3)
	for y := 2; y < h-1; y++ {
		mid := smooth[reach : reach+w]
		r0, r1, r2 := grey[(y-1)*w:][:len(mid)], grey[y*w:][:len(mid)], grey[(y+1)*w:][:len(mid)]
		for x := range mid {
			mid[x] = int32(r0[x]) + 2*int32(r1[x]) + int32(r2[x])
		}
		for k := range reach {
			smooth[k], smooth[reach+w+k] = mid[mirror(k-reach, w)], mid[mirror(w+k, w)]
		}
		for i := range before {
			s := smooth[i+2:][: 2*reach+1 : 2*reach+1] // centred on pixel i+2
			before[i] = s[reach+1] - s[reach-1]
			after[i] = s[2*reach] + s[2*reach-1] - s[1] - s[0]
		}
		e.addRow(before, after)
	}
	return e
}

// blurDown reads horizontal edges.
func blurDown(grey []uint8, w, h int) (e edgeLoss) {
	const reach = boxLength/2 + 1
	before, after := make([]int32, w), make([]int32, w)
	for y := 2; y < h-1; y++ {
		row := func(at int) []uint8 { return grey[mirror(at, h)*w:][:w] }
		a, b, c, d := row(y-reach), row(y-reach+1), row(y+reach-1), row(y+reach)
		for x := range after {
			after[x] = int32(d[x]) + int32(c[x]) - int32(b[x]) - int32(a[x])
		}
		up, down := row(y-1), row(y+1)
		for x := range before {
			before[x] = int32(down[x]) - int32(up[x])
		}
		e.addRow(smoothed(before), smoothed(after))
	}
	return e
}

// smoothed weighs each value but the two first and the last with its
// neighbours, 1, 2, 1, in place.
func smoothed(v []int32) []int32 {
	left, mid := v[1], v[2]
	for i, right := range v[3:] {
		v[i] = left + 2*mid + right
		left, mid = mid, right
	}
	return v[:len(v)-3]
}

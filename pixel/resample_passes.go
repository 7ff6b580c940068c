package pixel

// resize8 resamples src, interleaved samples of ch a pixel, in two passes of
// 8 bits each.
func resize8(src []uint8, w, h, ch, outW, outH int, k kernel) []uint8 {
	if w != outW {
		src = across8(src, w, h, ch, newTaps(w, outW, k).fixed())
	}
	if h != outH {
		src = down8(src, outW*ch, newTaps(h, outH, k).fixed())
	}
	return src
}

// oneHalf is what the sums of the 8-bit passes start from, so that clip8 rounds.
const oneHalf = 1 << (precision - 1)

// clip8 rounds a sum down to a sample.
func clip8(sum int32) uint8 {
	return uint8(min(max(sum>>precision, 0), 255))
}

func across8(src []uint8, w, h, ch int, t *taps[int32]) []uint8 {
	outW := len(t.first)
	out := make([]uint8, outW*h*ch)
	for y := range h {
		from, to := src[y*w*ch:(y+1)*w*ch], out[y*outW*ch:(y+1)*outW*ch]
		switch ch {
		case 1:
			across1(to, from, t)
		case 3:
			across3(to, from, t)
		default:
			acrossAny(to, from, ch, t)
		}
	}
	return out
}

func across1(to, from []uint8, t *taps[int32]) {
	for x := range to {
		k := t.weights(x)
		line := from[t.first[x]:]
		line = line[:len(k)]
		sum := int32(oneHalf)
		for i, w := range k {
			sum += int32(line[i]) * w
		}
		to[x] = clip8(sum)
	}
}

func across3(to, from []uint8, t *taps[int32]) {
	for x := range t.first {
		k := t.weights(x)
		line := from[3*t.first[x]:]
		line = line[:3*len(k)]
		r, g, b := int32(oneHalf), int32(oneHalf), int32(oneHalf)
		for i, w := range k {
			p := line[3*i : 3*i+3 : 3*i+3]
			r += int32(p[0]) * w
			g += int32(p[1]) * w
			b += int32(p[2]) * w
		}
		to[3*x], to[3*x+1], to[3*x+2] = clip8(r), clip8(g), clip8(b)
	}
}

func acrossAny(to, from []uint8, ch int, t *taps[int32]) {
	for x, first := range t.first {
		k := t.weights(x)
		for c := range ch {
			sum := int32(oneHalf)
			at := first*ch + c
			for _, w := range k {
				sum += int32(from[at]) * w
				at += ch
			}
			to[x*ch+c] = clip8(sum)
		}
	}
}

// down8 filters columns. It adds whole source lines to a line of sums, so that
// memory is read in order.
func down8(src []uint8, line int, t *taps[int32]) []uint8 {
	out := make([]uint8, line*len(t.first))
	sums := make([]int32, line)
	for y, first := range t.first {
		for i := range sums {
			sums[i] = oneHalf
		}
		for j, w := range t.weights(y) {
			from := src[(first+j)*line:]
			from = from[:len(sums)]
			for i, v := range from {
				sums[i] += int32(v) * w
			}
		}
		to := out[y*line:]
		to = to[:len(sums)]
		for i, s := range sums {
			to[i] = clip8(s)
		}
	}
	return out
}

// resize16 resamples 16-bit grey as Pillow's 16bpc passes do.
func resize16(src []uint16, w, h, outW, outH int, k kernel) []uint16 {
	if w != outW {
		src = acrossWide(src, w, newTaps(w, outW, k), clip16)
	}
	if h != outH {
		src = downWide(src, outW, newTaps(h, outH, k), clip16)
	}
	return src
}

// clip16 rounds half up after clipping; for the values that survive, Pillow's
// half away from zero is the same.
func clip16(sum float64) uint16 {
	return uint16(min(max(sum+0.5, 0), 65535))
}

// acrossWide filters lines of w samples with sums in double precision.
func acrossWide[T uint16 | float32](src []T, w int, t *taps[float64], store func(float64) T) []T {
	outW := len(t.first)
	h := len(src) / w
	out := make([]T, outW*h)
	for y := range h {
		from, to := src[y*w:(y+1)*w], out[y*outW:(y+1)*outW]
		for x, first := range t.first {
			sum := 0.0
			for j, k := range t.weights(x) {
				sum += float64(float64(from[first+j]) * k) // converted: never fused
			}
			to[x] = store(sum)
		}
	}
	return out
}

// downWide filters columns of lines of w samples likewise. Each sum is made in
// the order of the taps, as it is in Pillow.
func downWide[T uint16 | float32](src []T, w int, t *taps[float64], store func(float64) T) []T {
	out := make([]T, w*len(t.first))
	sums := make([]float64, w)
	for y, first := range t.first {
		clear(sums)
		for j, k := range t.weights(y) {
			from := src[(first+j)*w : (first+j+1)*w]
			for i, v := range from {
				sums[i] += float64(float64(v) * k)
			}
		}
		for i, s := range sums {
			out[y*w+i] = store(s)
		}
	}
	return out
}

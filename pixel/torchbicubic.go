package pixel

import "math"

// TorchBicubic resizes planar float32 samples, [channels, h, w] to
// [channels, outH, outW], as torch.nn.functional.interpolate does on the CPU
// with mode="bicubic" and align_corners=False, which is what torchvision's
// resize does to a float tensor. The two settings of antialias are different
// filters:
//
//   - true: Keys' kernel with a = −0.5, widened when it shrinks, along x and
//     then y with the result between them in float32: Pillow's filter, but
//     neither rounded nor clipped. torchvision's default since about 0.17.
//   - false: Keys' kernel with a = −0.75 on four samples, whatever the scale;
//     samples beyond the edge repeat it.
//
// Both overshoot: of samples in [0, 1] come some outside. Products are fused
// with sums as in PyTorch's builds for x86-64; torch 2.15 differs by at most 6e-7
// on samples in [0, 1]. Where the result is one pixel wide, PyTorch
// 2.15 repeats the first row when it antialiases; this function does not. The
// errors are those of [ResizeFloat]. If neither side changes, src itself is
// returned.
func TorchBicubic(src []float32, w, h, channels, outW, outH int, antialias bool) ([]float32, error) {
	if err := agree(src, w, h, channels, outW, outH); err != nil {
		return nil, err
	}
	if w == outW && h == outH {
		return src, nil
	}
	make1 := torchFour
	if antialias {
		make1 = torchWide
	}
	cols, rows := make1(w, outW), make1(h, outH)
	out := make([]float32, 0, channels*outW*outH)
	for c := range channels {
		plane := src[c*w*h : (c+1)*w*h]
		out = append(out, down32(across32(plane, w, cols), outW, rows)...)
	}
	return out, nil
}

// taps32 says for every output index of an axis which source samples it is made
// of, one after the other from first, and how much of each.
type taps32 struct {
	first   int
	weights []float32
}

// torchWide computes the weights of the antialiased filter in the types that
// PyTorch computes them in: positions and weights are float32, the differences
// inside are double.
func torchWide(in, out int) []taps32 {
	scale := float32(in) / float32(out)
	support, inverse := float32(2), float32(1)
	if scale >= 1 {
		support, inverse = 2*scale, float32(1/float64(scale))
	}
	all := make([]taps32, out)
	for i := range all {
		centre := float32(float64(scale) * (float64(i) + 0.5))
		lo := max(int(float64(centre-support)+0.5), 0)
		hi := min(int(float64(centre+support)+0.5), in)
		k := make([]float32, hi-lo)
		total := float32(0)
		for j := range k {
			k[j] = torchKeys(float32((float64(float32(j+lo)-centre)+0.5)*float64(inverse)), -0.5)
			total += k[j]
		}
		if total != 0 {
			for j := range k {
				k[j] /= total
			}
		}
		all[i] = taps32{lo, k}
	}
	return all
}

// torchFour computes the four weights of the plain filter. Those that fall on
// samples beyond the edge are added to the edge's.
func torchFour(in, out int) []taps32 {
	const a = -0.75
	scale := float32(in) / float32(out)
	all := make([]taps32, out)
	for i := range all {
		at := float32(float64(scale)*(float64(i)+0.5) - 0.5) // fused in PyTorch: rounded once
		base := min(int(math.Floor(float64(at))), in-1)
		part := min(max(at-float32(base), 0), 1)
		four := [4]float32{torchKeys(part+1, a), torchKeys(part, a), torchKeys(1-part, a), torchKeys(2-part, a)}
		lo := min(max(base-1, 0), in-1)
		hi := min(max(base+2, 0), in-1)
		k := make([]float32, hi-lo+1)
		for j, v := range four {
			k[min(max(base-1+j, 0), in-1)-lo] += v
		}
		all[i] = taps32{lo, k}
	}
	return all
}

// torchKeys is Keys' cubic kernel in float32, in PyTorch's order of operations.
func torchKeys(x, a float32) float32 {
	x = max(x, -x)
	switch {
	case x < 1:
		return fused(float32(fused(a+2, x, -(a+3))*x), x, 1)
	case x < 2:
		return fused(fused(fused(a, x, -5*a), x, 8*a), x, -4*a)
	}
	return 0
}

// across32 filters lines of w samples with sums in float32.
func across32(src []float32, w int, t []taps32) []float32 {
	out := make([]float32, len(src)/w*len(t))
	for y := range len(src) / w {
		from, to := src[y*w:(y+1)*w], out[y*len(t):(y+1)*len(t)]
		for x, tap := range t {
			sum := float32(0)
			for j, v := range from[tap.first : tap.first+len(tap.weights)] {
				sum = fused(v, tap.weights[j], sum)
			}
			to[x] = sum
		}
	}
	return out
}

// down32 filters columns of lines of w samples likewise.
func down32(src []float32, w int, t []taps32) []float32 {
	out := make([]float32, w*len(t))
	for y, tap := range t {
		to := out[y*w : (y+1)*w]
		for j, k := range tap.weights {
			from := src[(tap.first+j)*w:][:w]
			for i, v := range from {
				to[i] = fused(v, k, to[i])
			}
		}
	}
	return out
}

// fused returns a·b + c rounded once, or so nearly always: the product is exact
// in double precision.
func fused(a, b, c float32) float32 { return float32(float64(float64(a)*float64(b)) + float64(c)) }

package backbone

// SqueezeNet11Flops returns the floating-point operations of the convolutions of
// SqueezeNet 1.1 on one image of h×w pixels, a multiplication and an addition
// counted as two. Biases, ReLUs and pools are not counted.
func SqueezeNet11Flops(h, w int) float64 {
	conv := func(in, out, kernel, h, w int) float64 {
		return 2 * float64(in*out*kernel*kernel) * float64(h*w)
	}
	h, w = (h-3)/2+1, (w-3)/2+1
	total := conv(3, 64, 3, h, w)
	for _, f := range squeezeNet11 {
		if f.pool { // ceil mode
			h, w = (h-3+1)/2+1, (w-3+1)/2+1
		}
		total += conv(f.in, f.narrow, 1, h, w) + conv(f.narrow, f.out/2, 1, h, w) + conv(f.narrow, f.out/2, 3, h, w)
	}
	return total
}

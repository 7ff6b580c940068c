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

// Flops returns the floating-point operations of the products that [ViT.Graph]
// takes for one picture, a multiplication and an addition counted as two. Norms,
// activations and additions are not counted. It is less than what is published
// for the architecture, because the last block is computed for one token unless
// the feature is all of them.
func (v ViT) Flops() float64 {
	rows := 1
	if v.Pool.tokens() {
		rows = v.tokens()
	}
	patches := 2 * float64(3*v.Patch*v.Patch*v.Width) * float64(v.grid()*v.grid())
	return patches + stackFlops(v.tokens(), rows, v.Width, v.MLP, v.Layers) + 2*float64(v.Width*v.Projection)
}

// Flops returns the same as [ViT.Flops] for [Text.Graph] on n tokens. The products
// with masked tokens count: they are taken, and thrown away.
func (t Text) Flops(n int) float64 {
	return stackFlops(n, 1, t.Width, t.MLP, t.Layers) + 2*float64(t.Width*t.Projection)
}

// stackFlops counts the products of a stack of blocks on n tokens, of which the
// last block computes rows.
func stackFlops(n, rows, width, mlp, layers int) float64 {
	block := func(rows int) float64 {
		qkv := 2 * float64(n) * float64(3*width*width)
		attention := 4 * float64(rows) * float64(n*width)
		return qkv + attention + 2*float64(rows)*float64(width*width+2*width*mlp)
	}
	return float64(layers-1)*block(n) + block(rows)
}

package onnx

// The operators of this file work on images: float32 values of shape
// [n, channels, height, width].

// ConvOptions adjust [Builder.Conv]. The zero ConvOptions give a convolution
// with stride 1 and no padding.
type ConvOptions struct {
	Stride   [2]int // down, right; 0 means 1
	Dilation [2]int // down, right; 0 means 1
	Pads     [4]int // zeros put at the top, left, bottom, right
	Groups   int    // 0 means 1
}

// Conv convolves x [n, in, h, w] with w [out, in/groups, kh, kw] as neural
// networks do, without flipping the kernel, and adds bias [out], or nothing if
// that is the zero Value. A result of height h has h = ⌊(in + pads − dilation·(k−1) − 1) / stride⌋ + 1.
func (b *Builder) Conv(x, w, bias Value, o ConvOptions) Value {
	args := []Value{x, w}
	if !bias.IsZero() {
		args = append(args, bias)
	}
	if !b.floats("conv", args...) {
		return Value{}
	}
	stride, dilation, groups := orOne(o.Stride), orOne(o.Dilation), max(o.Groups, 1)
	switch {
	case x.Rank() != 4 || w.Rank() != 4:
		return b.Fail("conv: x %v and weight %v, want four dimensions each", x.shape, w.shape)
	case o.Groups < 0 || w.shape[0]%groups != 0 || !fits(x.shape[1], w.shape[1]*groups):
		return b.Fail("conv: x %v and weight %v in %d groups", x.shape, w.shape, o.Groups)
	case !bias.IsZero() && (bias.Rank() != 1 || bias.shape[0] != w.shape[0]):
		return b.Fail("conv: bias of shape %v for %d outputs", bias.shape, w.shape[0])
	}
	g := window{"conv", [2]int{w.shape[2], w.shape[3]}, stride, dilation, o.Pads, false}
	h, wd, ok := g.over(b, x)
	if !ok {
		return Value{}
	}
	return b.node("Conv", []int{x.shape[0], w.shape[0], h, wd}, Float32, args,
		attrInts("kernel_shape", g.kernel[:]...), attrInts("strides", stride[:]...),
		attrInts("dilations", dilation[:]...), attrInts("pads", o.Pads[:]...), attrInt("group", int64(groups)))
}

// PoolOptions describe the windows of [Builder.MaxPool] and [Builder.AveragePool].
type PoolOptions struct {
	Kernel   [2]int // height, width
	Stride   [2]int // down, right; 0 means the kernel's size, as in PyTorch
	Pads     [4]int // at the top, left, bottom, right
	Ceil     bool   // also keep a last window that is only partly inside; needs no padding and stride ≤ kernel
	CountPad bool   // averages count the padding as zeros; no matter to maxima
}

// MaxPool returns the largest element of every window; padding never wins.
func (b *Builder) MaxPool(x Value, o PoolOptions) Value {
	return b.pool("MaxPool", x, o)
}

// AveragePool returns the mean of every window. It does not take Ceil, whose
// meaning for averages differs between frameworks.
func (b *Builder) AveragePool(x Value, o PoolOptions) Value {
	if o.Ceil {
		return b.Fail("average pool: rounding up is not defined")
	}
	return b.pool("AveragePool", x, o, attrBool("count_include_pad", o.CountPad))
}

func (b *Builder) pool(op string, x Value, o PoolOptions, attrs ...attr) Value {
	if !b.floats(op, x) {
		return Value{}
	}
	if x.Rank() != 4 {
		return b.Fail("%s: shape %v, want four dimensions", op, x.shape)
	}
	stride := o.Stride
	for i := range stride {
		if stride[i] == 0 {
			stride[i] = o.Kernel[i]
		}
		// Elsewhere PyTorch and ONNX do not agree on the number of windows.
		if o.Ceil && (o.Pads != [4]int{} || stride[i] > o.Kernel[i]) {
			return b.Fail("%s: rounding up with kernel %v, stride %v and padding %v", op, o.Kernel, stride, o.Pads)
		}
		if o.Pads[i] >= o.Kernel[i] || o.Pads[i+2] >= o.Kernel[i] {
			return b.Fail("%s: padding %v reaches over the kernel %v", op, o.Pads, o.Kernel)
		}
	}
	h, w, ok := window{op, o.Kernel, stride, [2]int{1, 1}, o.Pads, o.Ceil}.over(b, x)
	if !ok {
		return Value{}
	}
	attrs = append(attrs, attrInts("kernel_shape", o.Kernel[:]...), attrInts("strides", stride[:]...),
		attrInts("pads", o.Pads[:]...), attrBool("ceil_mode", o.Ceil))
	return b.node(op, []int{x.shape[0], x.shape[1], h, w}, Float32, []Value{x}, attrs...)
}

// ResizeBilinear returns x resized to height h and width w by interpolating
// between the four nearest pixels, whose centres lie at half-integers: PyTorch's
// interpolate with align_corners=False and without antialiasing.
func (b *Builder) ResizeBilinear(x Value, h, w int) Value {
	if !b.floats("resize", x) {
		return Value{}
	}
	if x.Rank() != 4 || h < 1 || w < 1 {
		return b.Fail("resize: shape %v to %d×%d", x.shape, h, w)
	}
	return b.node("Resize", []int{x.shape[0], x.shape[1], h, w}, Float32, []Value{x, {}, {}, b.ints(h, w)},
		attrString("mode", "linear"), attrString("coordinate_transformation_mode", "half_pixel"), attrInts("axes", 2, 3))
}

// A window slides over an image.
type window struct {
	op                       string
	kernel, stride, dilation [2]int
	pads                     [4]int
	ceil                     bool
}

// over returns the number of windows down and right, [Dynamic] where the
// image's length is.
func (g window) over(b *Builder, x Value) (h, w int, ok bool) {
	var n [2]int
	for i := range n {
		if g.kernel[i] < 1 || g.stride[i] < 1 || g.dilation[i] < 1 || g.pads[i] < 0 || g.pads[i+2] < 0 {
			b.Fail("%s: kernel %v, stride %v, dilation %v, padding %v", g.op, g.kernel, g.stride, g.dilation, g.pads)
			return 0, 0, false
		}
		if n[i] = x.shape[2+i]; n[i] == Dynamic {
			continue
		}
		room := n[i] + g.pads[i] + g.pads[i+2] - g.dilation[i]*(g.kernel[i]-1) - 1
		if g.ceil {
			room += g.stride[i] - 1
		}
		if room < 0 {
			b.Fail("%s: %v is too small for a kernel of %v, dilation %v", g.op, x.shape, g.kernel, g.dilation)
			return 0, 0, false
		}
		n[i] = room/g.stride[i] + 1
	}
	return n[0], n[1], true
}

// orOne replaces lengths left out by 1.
func orOne(v [2]int) [2]int {
	for i := range v {
		if v[i] == 0 {
			v[i] = 1
		}
	}
	return v
}

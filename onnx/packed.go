package onnx

import "slices"

// The operators of this file are convolutions that only [OwnDomain] has. Pictures
// lie position by position, [1, height, width, channels], and weights in the order
// in which they are read. Windows are of 3×3 positions.

const (
	places = 3 * 3 // in a window
	planes = 3
)

// A SeparableStep is a convolution of every channel by itself and then one across
// channels.
type SeparableStep struct {
	Deep     Value // [groups, 9, lanes]: channel g·lanes+i at place p of the window is element [g, p, i]
	DeepBias Value // [channels]
	Weight   Value // [panels, channels, p], as for [Builder.PackedGemm]
	Bias     Value // [out]
	Stride   int   // of the first convolution: 1 or 2
}

// ChainOptions adjust [Builder.SeparableChain].
type ChainOptions struct {
	Stride int     // of the first convolution: 1 or 2
	Before int     // rows and columns of zeros before a picture that is seen with stride 2; with 1 there is one
	Most   float32 // results of every convolution are moved between 0 and Most
}

// SeparableChain convolves x [1, 3, h, w] with weight [panels, 27, p], packed as for
// [Builder.PackedGemm], adds bias [out], and then takes the steps, each on what the
// one before gives. Strides divide heights and widths. The result is [1, h', w',
// channels].
func (b *Builder) SeparableChain(x, weight, bias Value, steps []SeparableStep, o ChainOptions) Value {
	args := []Value{x, {}, weight, bias}
	for _, s := range steps {
		args = append(args, s.Deep, s.DeepBias, s.Weight, s.Bias)
	}
	if !b.floats("separable chain", slices.Concat(args[:1], args[2:])...) {
		return Value{}
	}
	channels, ok := packedOutputs(weight, bias, planes*places)
	if x.Rank() != 4 || x.shape[0] != 1 || x.shape[1] != planes || !ok {
		return b.Fail("separable chain: picture %v, weight %v and bias %v", x.shape, weight.shape, bias.shape)
	}
	plan, side := []float32{o.Most, float32(o.Before)}, [2]int{x.shape[2], x.shape[3]}
	for i := range len(steps) + 1 {
		stride := o.Stride
		if i > 0 {
			s := steps[i-1]
			stride = s.Stride
			if s.Deep.Rank() != 3 || s.Deep.shape[0]*s.Deep.shape[2] != channels || s.Deep.shape[1] != places ||
				!slices.Equal(s.DeepBias.shape, []int{channels}) {
				return b.Fail("separable chain: step %d has weight %v and bias %v for %d channels", i, s.Deep.shape, s.DeepBias.shape, channels)
			}
			if channels, ok = packedOutputs(s.Weight, s.Bias, channels); !ok {
				return b.Fail("separable chain: step %d has weight %v and bias %v", i, s.Weight.shape, s.Bias.shape)
			}
		}
		if (stride != 1 && stride != 2) || side[0]%stride != 0 || side[1]%stride != 0 || side[0] < 1 || side[1] < 1 {
			return b.Fail("separable chain: stride %d of step %d over %v", stride, i, side)
		}
		side[0], side[1] = side[0]/stride, side[1]/stride
		plan = append(plan, float32(stride))
	}
	args[1] = b.Const([]int{len(plan)}, plan...)
	return b.nodeOf(OwnDomain, SeparableChainOp, []int{1, side[0], side[1], channels}, Float32, args)
}

// PackedConvOptions adjust [Builder.PackedConvRelu].
type PackedConvOptions struct {
	Planes bool // x is [1, 3, height, width]
	Halved bool // the largest of every 2×2 positions is convolved, without a last odd row and column
}

// PackedConvRelu convolves x [1, h, w, channels] with one position of zeros around
// it, adds bias [out], and puts 0 in the place of what is below. The weight is
// [panels, 9·channels, p], packed as for [Builder.PackedGemm], inputs by row, column
// and channel of the window, or by channel, row and column with Planes; or, as
// Winograd's convolution takes it, [panels, 16, channels, p]. The result is [1, h', w', out].
func (b *Builder) PackedConvRelu(x, weight, bias Value, o PackedConvOptions) Value {
	if !b.floats("packed conv", x, weight, bias) {
		return Value{}
	}
	if x.Rank() != 4 || x.shape[0] != 1 || o.Planes && (x.shape[1] != planes || o.Halved) {
		return b.Fail("packed conv: picture %v", x.shape)
	}
	shape, channels := slices.Clone(x.shape), x.shape[3]
	if o.Planes {
		shape, channels = []int{1, x.shape[2], x.shape[3], 0}, planes
	}
	flat, winograd := weight, float32(0)
	if weight.Rank() == 4 && weight.shape[1] == winogradPoints {
		flat.shape, winograd = []int{weight.shape[0], weight.shape[2] * places, weight.shape[3]}, 1
	}
	out, ok := packedOutputs(flat, bias, places*channels)
	if !ok || channels < 1 {
		return b.Fail("packed conv: weight %v and bias %v for %d channels", weight.shape, bias.shape, channels)
	}
	for i := 1; i <= 2 && o.Halved; i++ {
		if shape[i] == Dynamic {
			continue
		}
		if shape[i] /= 2; shape[i] == 0 {
			return b.Fail("packed conv: picture %v has no half", x.shape)
		}
	}
	shape[3] = out
	plan := []float32{0, 0, winograd}
	if o.Planes {
		plan[0] = 1
	}
	if o.Halved {
		plan[1] = 1
	}
	return b.nodeOf(OwnDomain, PackedConvOp, shape, Float32, []Value{x, weight, bias, b.Const([]int{len(plan)}, plan...)})
}

// winogradPoints are in a patch of 4×4 positions.
const winogradPoints = 16

// UnitDistanceRows is [Builder.UnitDistance] of maps [1, h, w, c].
func (b *Builder) UnitDistanceRows(f, g, weight Value, eps float32) Value {
	if !b.floats("unit distance", f, g, weight) {
		return Value{}
	}
	if f.Rank() != 4 || g.Rank() != 4 || f.shape[0] != 1 || f.shape[3] < 1 || !slices.Equal(weight.shape, []int{1, f.shape[3], 1, 1}) {
		return b.Fail("unit distance of rows: shapes %v and %v with weights %v", f.shape, g.shape, weight.shape)
	}
	for i, n := range f.shape {
		if !fits(n, g.shape[i]) {
			return b.Fail("unit distance of rows: shapes %v and %v", f.shape, g.shape)
		}
	}
	return b.nodeOf(OwnDomain, RowDistanceOp, []int{1, 1, f.shape[1], f.shape[2]}, Float32, []Value{f, g, weight, b.Scalar(eps)})
}

// packedOutputs returns how many outputs a packed weight of so many inputs has, and
// whether it and its bias fit.
func packedOutputs(weight, bias Value, in int) (int, bool) {
	if weight.Rank() != 3 || bias.Rank() != 1 || bias.shape[0] < 1 || weight.shape[1] != in || weight.shape[2] < 1 {
		return 0, false
	}
	out, width := bias.shape[0], weight.shape[2]
	return out, weight.shape[0] == (out+width-1)/width
}

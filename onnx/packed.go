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

// packedOutputs returns how many outputs a packed weight of so many inputs has, and
// whether it and its bias fit.
func packedOutputs(weight, bias Value, in int) (int, bool) {
	if weight.Rank() != 3 || bias.Rank() != 1 || bias.shape[0] < 1 || weight.shape[1] != in || weight.shape[2] < 1 {
		return 0, false
	}
	out, width := bias.shape[0], weight.shape[2]
	return out, weight.shape[0] == (out+width-1)/width
}

package backbone

import (
	"fmt"
	"slices"

	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
)

// A fire is one module of a SqueezeNet: a 1×1 convolution that narrows, then a
// 1×1 and a 3×3 convolution side by side that widen, each followed by a ReLU.
type fire struct {
	index           int // of the module in torchvision's features
	in, narrow, out int // channels; out is of the two wide halves together
	pool            bool
}

// squeezeNet11 lists the fire modules of SqueezeNet 1.1 after the first
// convolution (index 0) and its ReLU (index 1); pool says that a max-pool stands
// before the module (indices 2, 5, 8).
//
// Iandola et al., arXiv 1602.07360; version 1.1 as in torchvision's squeezenet1_1.
var squeezeNet11 = [...]fire{
	{3, 64, 16, 128, true},
	{4, 128, 16, 128, false},
	{6, 128, 32, 256, true},
	{7, 256, 32, 256, false},
	{9, 256, 48, 384, true},
	{10, 384, 48, 384, false},
	{11, 384, 64, 512, false},
	{12, 512, 64, 512, false},
}

// SqueezeNetMin is the smallest height and width in pixels that SqueezeNet 1.1
// can look at.
const SqueezeNetMin = 17

// A Tap is a feature map of a network.
type Tap struct {
	Index    int        // of the layer in torchvision's features, counted from 0
	Channels int        // second dimension of Value
	Value    onnx.Value // [n, Channels, h, w], after a ReLU: no element is negative
}

// SqueezeNet11 adds the convolutional part of SqueezeNet 1.1 and returns its
// features after the layers 1, 3, 4, 6, 7, 9, 10, 11 and 12 in that order. x is
// [n, 3, h, w], RGB normalised as the checkpoint wants it, h and w at least
// [SqueezeNetMin]. key gives the checkpoint's name for the layer with the given
// index, such as "features.3"; the parameters are key(0).weight,
// key(3).squeeze.weight, key(3).expand1x1.weight and so on.
func SqueezeNet11(b *onnx.Builder, key func(index int) string, x onnx.Value) []Tap {
	for _, side := range []int{x.Dim(2), x.Dim(3)} {
		if b.Err() == nil && side != onnx.Dynamic && side < SqueezeNetMin {
			b.Fail("squeezenet: input %v is smaller than %d pixels", x.Shape(), SqueezeNetMin)
		}
	}
	x = b.Relu(nn.Conv2d(b, key(0), x, nn.Conv{In: 3, Out: 64, Kernel: 3, Stride: 2})) // [n, 64, h/2, w/2]
	taps := []Tap{{1, 64, x}}
	for _, f := range squeezeNet11 {
		if f.pool {
			x = nn.MaxPool(b, x, 3, 2, true) // half the height and width
		}
		x = f.apply(b, key(f.index), x)
		taps = append(taps, Tap{f.index, f.out, x})
	}
	return taps
}

// apply adds the module to the graph. x is [n, in, h, w], the result [n, out, h, w].
func (f fire) apply(b *onnx.Builder, name string, x onnx.Value) onnx.Value {
	half := f.out / 2
	x = b.Relu(nn.Conv2d(b, name+".squeeze", x, nn.Conv{In: f.in, Out: f.narrow, Kernel: 1}))
	one := b.Relu(nn.Conv2d(b, name+".expand1x1", x, nn.Conv{In: f.narrow, Out: half, Kernel: 1}))
	three := b.Relu(nn.Conv2d(b, name+".expand3x3", x, nn.Conv{In: f.narrow, Out: half, Kernel: 3, Pad: 1}))
	return b.Concat(1, one, three)
}

// SqueezeNetKeys names the layers of a SqueezeNet as torchvision does:
// "features.0", "features.3" and so on, after the given prefix.
func SqueezeNetKeys(prefix string) func(index int) string {
	return func(index int) string { return fmt.Sprintf("%sfeatures.%d", prefix, index) }
}

// lpipsSqueezeTaps are the layers of torchvision's squeezenet1_1.features after
// which LPIPS compares two images: the end of each slice of its network.
var lpipsSqueezeTaps = [...]int{1, 4, 7, 9, 10, 11, 12}

// LPIPSSqueezeTap reports whether LPIPS compares two images after the layer of
// torchvision's squeezenet1_1.features with the given index.
func LPIPSSqueezeTap(index int) bool { return slices.Contains(lpipsSqueezeTaps[:], index) }

// LPIPSSqueezeKeys names the layers of a SqueezeNet as the checkpoints of LPIPS
// do, which cut the network into slices that end at its taps: "net.slice1.0",
// "net.slice2.3", "net.slice2.4" and so on.
func LPIPSSqueezeKeys(index int) string {
	slice := 1
	for _, tap := range lpipsSqueezeTaps {
		if index > tap {
			slice++
		}
	}
	return fmt.Sprintf("net.slice%d.%d", slice, index)
}

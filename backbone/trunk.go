package backbone

import (
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gemm"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/weights"
)

// A Trunk is the convolutional part of one of torchvision's classifiers: its
// "features", a row of convolutions, each followed by a ReLU, with pools between.
// [VGG16] and [AlexNet] are the rows.
type Trunk struct {
	Name    string // "vgg16"
	MinSide int    // neither side of an image may be shorter, in pixels

	layers     []trunkLayer
	taps       []int   // layers after which features are compared, counted as torchvision does
	classifier []dense // behind the trunk, in the official file
}

// A trunkLayer is a convolution, or a pool if kernel alone is given.
type trunkLayer struct {
	index int // of the layer in torchvision's features, counted from 0; the ReLU is the next
	conv  nn.Conv
	pool  int // height and width of a pool's windows, 2 apart; 0 for a convolution
}

// A dense is a linear layer of the classifier.
type dense struct{ index, in, out int }

// Channels returns how many channels each tap has, in the order of [Trunk.Taps].
func (t Trunk) Channels() []int {
	var all []int
	for _, l := range t.layers {
		if l.pool == 0 && slices.Contains(t.taps, l.index+1) {
			all = append(all, l.conv.Out)
		}
	}
	return all
}

// Taps adds the trunk to the graph, as far as its last tap, and returns its
// features after every tap. x is [n, 3, h, w], RGB less ImageNet's mean and divided
// by its standard deviation, h and w at least MinSide. The parameters are
// features.N.weight and features.N.bias. pool puts another layer in the place of
// each max-pool; nil leaves them.
func (t Trunk) Taps(b *onnx.Builder, x onnx.Value, pool func(x onnx.Value, channels int) onnx.Value) []Tap {
	for _, side := range []int{x.Dim(2), x.Dim(3)} {
		if b.Err() == nil && side != onnx.Dynamic && side < t.MinSide {
			b.Fail("%s: input %v is smaller than %d pixels", t.Name, x.Shape(), t.MinSide)
		}
	}
	var taps []Tap
	channels := 3
	for _, l := range t.layers {
		switch {
		case len(taps) == len(t.taps): // the pool at the end
		case l.pool == 0:
			x = b.Relu(nn.Conv2d(b, l.name(), x, l.conv))
			channels = l.conv.Out
			if slices.Contains(t.taps, l.index+1) {
				taps = append(taps, Tap{l.index + 1, channels, x})
			}
		case pool != nil:
			x = pool(x, channels)
		default:
			x = nn.MaxPool(b, x, l.pool, 2, false)
		}
	}
	return taps
}

func (l trunkLayer) name() string { return fmt.Sprintf("features.%d", l.index) }

// Flops returns the floating-point operations of the convolutions that [Trunk.Taps]
// takes on one image of h×w pixels, with its max-pools, a multiplication and an
// addition counted as two.
func (t Trunk) Flops(h, w int) float64 {
	total := 0.0
	for _, l := range t.layers {
		if l.pool > 0 {
			h, w = (h-l.pool)/2+1, (w-l.pool)/2+1
			continue
		}
		c := l.conv
		step := max(c.Stride, 1)
		h, w = (h+2*c.Pad-c.Kernel)/step+1, (w+2*c.Pad-c.Kernel)/step+1
		total += 2 * float64(c.In*c.Out*c.Kernel*c.Kernel) * float64(h*w)
	}
	return total
}

// Inventory lists the tensors of torchvision's official file, the classifier's
// included, with synthetic values that keep activations in the range of trained
// networks.
func (t Trunk) Inventory() []weights.TensorSpec {
	return append(t.features(), t.behind()...)
}

func (t Trunk) features() []weights.TensorSpec {
	var list []weights.TensorSpec
	for _, l := range t.layers {
		if c := l.conv; l.pool == 0 {
			list = append(list, rectified(l.name(), c.Out, c.In, c.Kernel, c.Kernel)...)
		}
	}
	return list
}

// behind lists the classifier's tensors.
func (t Trunk) behind() []weights.TensorSpec {
	var list []weights.TensorSpec
	for _, d := range t.classifier {
		list = append(list, rectified(d.name(), d.out, d.in)...)
	}
	return list
}

func (d dense) name() string { return fmt.Sprintf("classifier.%d", d.index) }

// rectified is a layer that a ReLU follows, with values that keep the mean square
// of what comes in (He et al. 2015), and its bias.
func rectified(name string, shape ...int) []weights.TensorSpec {
	fan := volume(shape[1:])
	return []weights.TensorSpec{
		{Name: name + ".weight", Shape: shape, DType: "float32", Init: weights.Init{Kind: weights.InitNormal, Scale: math.Sqrt(2 / float64(fan))}},
		{Name: name + ".bias", Shape: shape[:1], DType: "float32", Init: weights.Init{Kind: weights.InitNormal, Scale: 0.05}},
	}
}

// Packs reports whether [Trunk.PackedTaps] can be: all convolutions have windows of
// 3×3, one position of zeros around the picture, and no stride, and pools halve it.
func (t Trunk) Packs() bool {
	for _, l := range t.layers {
		if l.pool != 0 && l.pool != 2 || l.pool == 0 && (l.conv.Kernel != 3 || l.conv.Pad != 1 || l.conv.Stride > 1) {
			return false
		}
	}
	return true
}

// winogradMost is how many channels in times channels out a convolution has at most
// that is taken as Winograd's: with more, its weights, which are larger, take longer
// to come from memory than the products they save.
const winogradMost = 256 * 512

func (l trunkLayer) planes() bool { return l.conv.In == 3 }

func (l trunkLayer) winograd() bool {
	c := l.conv
	return !l.planes() && c.In%gemm.Lanes == 0 && c.Out%gemm.Lanes == 0 && c.In*c.Out <= winogradMost
}

// PackedTaps is [Trunk.Taps] with the max-pools, of one picture [1, 3, h, w], by our
// own operators, over a file prepared with [nn.Packed]. The channels of taps are
// their last dimension.
func (t Trunk) PackedTaps(b *onnx.Builder, x onnx.Value) []Tap {
	if !t.Packs() {
		b.Fail("%s: its convolutions cannot be packed", t.Name)
	}
	var taps []Tap
	var o onnx.PackedConvOptions
	for _, l := range t.layers {
		if l.pool != 0 || len(taps) == len(t.taps) {
			o.Halved = true
			continue
		}
		c := l.conv
		shape := gemm.PackedShape(c.Out, 9*c.In)
		if l.winograd() {
			shape = gemm.WinogradShape(c.Out, c.In)
		}
		o.Planes = l.planes()
		x = b.PackedConvRelu(x, b.Param(l.name()+".weight", shape...), b.Param(l.name()+".bias", c.Out), o)
		o = onnx.PackedConvOptions{}
		if slices.Contains(t.taps, l.index+1) {
			taps = append(taps, Tap{l.index + 1, c.Out, x})
		}
	}
	return taps
}

// Pieces describes the prepared file of the trunk, made from torchvision's official
// file: its features in float32 under their own names, packed with [nn.Packed], which
// leaves the digest as it is. The classifier may be there; a tensor that is missing, of another shape, or without a place in the
// official file is refused by name, with an error that wraps [assay.ErrInvalid].
func (t Trunk) Pieces(src Source, p nn.Precision) ([]weights.Piece, error) {
	if p != nn.Float32 && (p != nn.Packed || !t.Packs()) {
		return nil, fmt.Errorf("%s: precision %q, want %s: %w", t.Name, p, nn.Float32, assay.ErrInvalid)
	}
	if err := holds(t.Name, src, t.features(), t.behind()); err != nil {
		return nil, err
	}
	list := kept(t.Name, src, t.features())
	for i, at := 0, 0; p == nn.Packed && i < len(t.layers); i++ {
		l := t.layers[i]
		switch {
		case l.pool != 0:
			continue
		case l.planes():
			values := func() ([]float32, error) { return src.Float32(l.name() + ".weight") }
			list[at] = packedPiece(list[at], values)
		default:
			list[at] = packedWindows(list[at], l.winograd())
		}
		at += 2 // its bias stays
	}
	return list, nil
}

// holds checks that a checkpoint has every tensor of want in its shape, and no
// others but those of idle.
func holds(network string, src Source, want, idle []weights.TensorSpec) error {
	var m misfit
	known := map[string]bool{}
	for _, s := range want {
		known[s.Name] = true
		m.need(src, s.Name, s.Shape)
	}
	for _, s := range idle {
		known[s.Name] = true
	}
	m.others(src, func(name string) bool { return known[name] })
	return m.err(network)
}

// kept describes tensors that a prepared file takes over as they are, in float32.
func kept(network string, src Source, specs []weights.TensorSpec) []weights.Piece {
	list := make([]weights.Piece, len(specs))
	for i, s := range specs {
		list[i] = weights.Piece{Name: s.Name, Shape: s.Shape, DType: "float32", Make: func() ([]byte, error) {
			v, err := src.Float32(s.Name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", network, err)
			}
			return weights.Float32Bytes(v), nil
		}}
	}
	return list
}

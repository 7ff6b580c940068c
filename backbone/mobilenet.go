package backbone

import (
	"fmt"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gemm"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/weights"
)

// A Padding says where a network puts the zeros that a 3×3 convolution of stride
// 2 needs. Weights are trained with one; with the other all shapes are the same
// and the numbers are wrong.
type Padding string

// The paddings of Keras' MobileNet. At stride 1 both put one row of zeros on every
// side.
const (
	// Keras21 puts one row on every side, as Keras 2.1 and keras-applications up to
	// 1.0.2 do (before June 2018).
	Keras21 Padding = "keras21"
	// TF2 puts one row at the bottom and one at the right, as keras-applications
	// from 1.0.3 on, TensorFlow 2 and Keras 3 do.
	TF2 Padding = "tf2"
)

// A MobileNet is a row of MobileNet v1 at full width, as Keras has it: a 3×3
// convolution and 13 pairs of a 3×3 convolution of each channel by itself and a
// 1×1 convolution across channels, each followed by a batch norm and ReLU6; the
// mean over the picture, a dense layer, and a softmax.
//
// Howard et al., arXiv 1704.04861.
type MobileNet struct {
	Name    string // of the tower: part of a reading's identity
	Size    int    // height and width of the picture, in pixels: a multiple of 32
	Classes int    // shares that the network gives
	Padding Padding
}

// NIMA returns idealo's network of that padding: ten shares.
func NIMA(name string, p Padding) MobileNet {
	return MobileNet{Name: name, Size: 224, Classes: 10, Padding: p}
}

// mobileBlocks lists the pairs of convolutions: channels of the result, and the
// stride of the first.
var mobileBlocks = [...]struct{ out, stride int }{
	{64, 1}, {128, 2}, {128, 1}, {256, 2}, {256, 1}, {512, 2}, {512, 1}, {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1},
}

const (
	mobileFirst = 32   // channels of the first convolution
	mobileLast  = 1024 // of the last
	mobileEps   = 1e-3 // of every batch norm
)

// A mobileConv is a convolution with its batch norm.
type mobileConv struct {
	layer   string // Keras' name; the norm's is layer_bn
	name    string // in prepared files
	in, out int
	side    int // 3 or 1: height and width of the kernel
	stride  int
	alone   bool // every channel by itself; in and out are equal
}

// mobileConvs lists all of them in order.
func mobileConvs() []mobileConv {
	list := []mobileConv{{layer: "conv1", name: "first", in: 3, out: mobileFirst, side: 3, stride: 2}}
	in := mobileFirst
	for i, b := range mobileBlocks {
		list = append(list,
			mobileConv{layer: fmt.Sprintf("conv_dw_%d", i+1), name: fmt.Sprintf("deep.%d", i+1), in: in, out: in, side: 3, stride: b.stride, alone: true},
			mobileConv{layer: fmt.Sprintf("conv_pw_%d", i+1), name: fmt.Sprintf("wide.%d", i+1), in: in, out: b.out, side: 1, stride: 1})
		in = b.out
	}
	return list
}

// shape returns the kernel's shape in a graph.
func (c mobileConv) shape() []int {
	if c.alone {
		return []int{c.out, 1, c.side, c.side}
	}
	return []int{c.out, c.in, c.side, c.side}
}

// kerasShape returns the kernel's shape in Keras' files.
func (c mobileConv) kerasShape() []int {
	if c.alone {
		return []int{c.side, c.side, c.in, 1}
	}
	return []int{c.side, c.side, c.in, c.out}
}

// Side returns the height and width of the pictures that the network reads, in
// pixels.
func (m MobileNet) Side() int { return m.Size }

// Shape returns the shape of the result, [1, Classes]: shares that sum to 1.
func (m MobileNet) Shape() []int { return []int{1, m.Classes} }

// check refuses a row that describes no network, and precisions that it does not
// know.
func (m MobileNet) check(p nn.Precision) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("MobileNet %q: %s: %w", m.Name, fmt.Sprintf(format, args...), assay.ErrInvalid)
	}
	switch {
	case m.Size < 32 || m.Size%32 != 0:
		return bad("pictures of %d pixels, want a multiple of 32", m.Size)
	case m.Classes < 1:
		return bad("%d classes", m.Classes)
	case m.Padding != Keras21 && m.Padding != TF2:
		return bad("padding %q, want %s or %s", m.Padding, Keras21, TF2)
	case p != nn.Float32 && p != nn.Packed:
		return bad("precision %q, want %s or %s", p, nn.Float32, nn.Packed)
	}
	return nil
}

// Flops returns the floating-point operations of the convolutions and the dense
// layer on one picture, a multiplication and an addition counted as two.
func (m MobileNet) Flops() float64 {
	total, side := 2*float64(mobileLast*m.Classes), m.Size
	for _, c := range mobileConvs() {
		side /= c.stride
		total += 2 * float64(volume(c.shape())) * float64(side*side)
	}
	return total
}

// Graph builds the network over a file that is prepared for the precision: pixels
// [1, 3, Size, Size], RGB in [−1, 1], give shares [1, Classes]. It knows [nn.Float32]
// and [nn.Packed].
func (m MobileNet) Graph(w onnx.Weights, p nn.Precision) (*onnx.Model, error) {
	if err := m.check(p); err != nil {
		return nil, err
	}
	b := onnx.NewBuilder(w)
	x := b.Input("pixels", 1, 3, m.Size, m.Size)
	if p == nn.Packed {
		x = b.ReduceMean(m.chain(b, x), false, 1, 2)
	} else {
		x = b.ReduceMean(m.convs(b, x), false, 2, 3)
	}
	b.Output("shares", b.Softmax(nn.Linear(b, "dense", x, mobileLast, m.Classes), 1)) // of [1, 1024]
	return built(b, m.Name)
}

// mobileMost is where the activation ends.
const mobileMost = 6

// convs adds the convolutions, one by one: [1, 1024, h, w].
func (m MobileNet) convs(b *onnx.Builder, x onnx.Value) onnx.Value {
	for _, c := range mobileConvs() {
		opt := onnx.ConvOptions{Stride: [2]int{c.stride, c.stride}, Pads: m.pads(c)}
		if c.alone {
			opt.Groups = c.in
		}
		weight, bias := b.Param(c.name+".weight", c.shape()...), b.Param(c.name+".bias", c.out)
		x = b.Clip(b.Conv(x, weight, bias, opt), 0, mobileMost) // [1, out, side, side]
	}
	return x
}

// chain adds them as one operator: [1, h, w, 1024].
func (m MobileNet) chain(b *onnx.Builder, x onnx.Value) onnx.Value {
	list := mobileConvs()
	wide := func(c mobileConv) (weight, bias onnx.Value) {
		return b.Param(c.name+".weight", gemm.PackedShape(c.out, c.in*c.side*c.side)...), b.Param(c.name+".bias", c.out)
	}
	weight, bias := wide(list[0])
	var steps []onnx.SeparableStep
	for i := 1; i < len(list); i += 2 {
		deep := list[i]
		s := onnx.SeparableStep{Stride: deep.stride}
		s.Deep, s.DeepBias = b.Param(deep.name+".weight", gemm.DeepShape(deep.out)...), b.Param(deep.name+".bias", deep.out)
		s.Weight, s.Bias = wide(list[i+1])
		steps = append(steps, s)
	}
	return b.SeparableChain(x, weight, bias, steps, onnx.ChainOptions{Stride: list[0].stride, Before: m.pads(list[0])[0], Most: mobileMost})
}

// pads returns the zeros at the top, left, bottom and right of a convolution.
func (m MobileNet) pads(c mobileConv) [4]int {
	switch {
	case c.side == 1:
		return [4]int{}
	case c.stride == 2 && m.Padding == TF2:
		return [4]int{0, 0, 1, 1}
	}
	return [4]int{1, 1, 1, 1}
}

// Inventory lists the tensors of Keras' file, in its order, with synthetic values
// that keep activations in the range of trained networks.
func (m MobileNet) Inventory() []weights.TensorSpec {
	var list []weights.TensorSpec
	add := func(layer, weight string, init weights.Init, shape ...int) {
		list = append(list, weights.TensorSpec{Name: layer + "/" + layer + "/" + weight + ":0", Shape: shape, DType: "float32", Init: init})
	}
	for _, c := range mobileConvs() {
		inputs := c.in * c.side * c.side
		kernel := "kernel"
		if c.alone {
			inputs, kernel = c.side*c.side, "depthwise_kernel"
		}
		add(c.layer, kernel, fan(inputs, mobileGain), c.kerasShape()...)
		norm := c.layer + "_bn"
		add(norm, "gamma", normal(1, 0.15), c.out)
		add(norm, "beta", normal(0, 0.3), c.out)
		add(norm, "moving_mean", normal(0, 0.3), c.out)
		add(norm, "moving_variance", normal(1, 0.2), c.out) // never below 0.3: values lie within 3.5 scales
	}
	add("dense_1", "kernel", fan(mobileLast, mobileSpread), mobileLast, m.Classes)
	add("dense_1", "bias", normal(0, 0.1), m.Classes)
	return list
}

// How synthetic kernels are scaled: by experiment, so that no layer dies or
// saturates, and that the shares of different pictures differ.
const (
	mobileGain   = 1.9
	mobileSpread = 1.5
)

// KerasLayers names every layer of Keras 2.1's model in its order, those without
// weights too.
func (m MobileNet) KerasLayers() []string {
	list := []string{"input_1"}
	for i, c := range mobileConvs() {
		switch {
		case i == 0:
			list = append(list, "conv1_pad")
		case c.alone:
			list = append(list, fmt.Sprintf("conv_pad_%d", (i+1)/2))
		}
		list = append(list, c.layer, c.layer+"_bn", c.layer+"_relu")
	}
	return append(list, "global_average_pooling2d_1", "dropout_1", "dense_1")
}

// Pieces describes the prepared file, made from Keras' checkpoint: float32, kernels
// turned to [out, in, height, width], and the batch norms folded into them in
// double precision; with [nn.Packed] kernels are packed, and the digest is the same.
// A tensor is known by its layer and what it is in it; what lies
// between in its name ("conv1/conv1_1/kernel:0") and the name of the dense layer
// depend on what was built before it in the same session, and do not matter.
//
// Names and shapes are checked here; values are read when a piece is made. What is
// missing, of another shape or without use is refused: the error wraps
// [assay.ErrInvalid] and names it.
func (m MobileNet) Pieces(src Source, p nn.Precision) ([]weights.Piece, error) {
	if err := m.check(p); err != nil {
		return nil, err
	}
	f := kerasFit{src: src, used: map[string]bool{}, at: map[[2]string]string{}}
	f.index()
	var list []weights.Piece
	for _, c := range mobileConvs() {
		list = append(list, f.folded(c, p)...)
	}
	list = append(list, f.dense(m.Classes)...)
	if err := f.err("MobileNet " + m.Name); err != nil {
		return nil, err
	}
	return list, nil
}

// piece is a float32 tensor of a prepared file.
func piece(name string, values func() ([]float32, error), shape ...int) weights.Piece {
	return weights.Piece{Name: name, Shape: slices.Clone(shape), DType: "float32", Make: func() ([]byte, error) {
		v, err := values()
		if err != nil {
			return nil, err
		}
		return weights.Float32Bytes(v), nil
	}}
}

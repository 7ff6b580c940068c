package backbone

import (
	"fmt"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
)

// An InceptionTap says where a picture's features leave [Inception].
type InceptionTap string

// The taps. The three spatial ones are the first seven channels of a block at 17
// rows and 17 columns, after the ReLU. All lie in the first branch of their
// block, so the network ends there: nothing behind it is computed.
const (
	// InceptionPool is the mean of the last block over its 8×8 places, [2048].
	// TensorFlow calls it pool_3; FID is of it.
	InceptionPool InceptionTap = "pool"
	// Inception6d is the 1×1 branch of Mixed_6d, TensorFlow's mixed_6/conv, whose
	// features ADM's evaluator takes for sFID: row, column and channel, the channel
	// fastest, [2023], as its precomputed statistics have them.
	Inception6d InceptionTap = "Mixed_6d"
	// Inception6e is Mixed_6e, of which dgm-eval takes them: channel, row and
	// column, the column fastest, [2023].
	Inception6e InceptionTap = "Mixed_6e"
	// Inception6a is Mixed_6a, of which pyiqa takes them, in the order of
	// Inception6e, [2023].
	Inception6a InceptionTap = "Mixed_6a"
)

const (
	inceptionSide    = 299
	inceptionPooled  = 2048
	inceptionClasses = 1008
	inceptionEps     = 1e-3 // added to variances by every batch norm
	tapChannels      = 7
	tapSide          = 17
)

// Inception is Inception-v3 as Google published it on 2015-12-05, in which FID
// and most measures of sets since are defined. It is not torchvision's: averages
// leave the padding out, the last block pools by maxima, it tells 1008 classes
// apart, and its weights are others.
//
// Szegedy et al., arXiv:1512.00567; layers, names and those differences as in
// mseitzer/pytorch-fid.
type Inception struct {
	Tap InceptionTap
}

// Side returns the height and width of the pictures that the network reads, in
// pixels.
func (n Inception) Side() int { return inceptionSide }

// Shape returns the shape of the features: [1, 2048] or [1, 2023].
func (n Inception) Shape() []int {
	if n.Tap == InceptionPool {
		return []int{1, inceptionPooled}
	}
	return []int{1, tapChannels * tapSide * tapSide}
}

// check refuses a tap that does not exist.
func (n Inception) check() error {
	switch n.Tap {
	case InceptionPool, Inception6d, Inception6e, Inception6a:
		return nil
	}
	return fmt.Errorf("inception: no tap %q, want %s, %s, %s or %s: %w", n.Tap, InceptionPool, Inception6d, Inception6e, Inception6a, assay.ErrInvalid)
}

// Graph builds the network over a file that [Inception.Pieces] described. Its
// input "pixels" is [1, 3, 299, 299], RGB in about [−1, 1]; its output "features"
// has the shape [Inception.Shape] says. It is there in [nn.Float32] only. An error
// wraps [assay.ErrInvalid] and names tensors that are missing, have another shape,
// or that no tap has a use for.
func (n Inception) Graph(w onnx.Weights, p nn.Precision) (*onnx.Model, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	if p != nn.Float32 {
		return nil, fmt.Errorf("inception: precision %q, want %s: %w", p, nn.Float32, assay.ErrInvalid)
	}
	b := onnx.NewBuilder(w)
	x := b.Input("pixels", 1, 3, inceptionSide, inceptionSide)
	x = inceptionNet[onnx.Value]{graphLayers{b}}.until(n.Tap, x)
	switch n.Tap {
	case InceptionPool:
		x = b.ReduceMean(x, false, 2, 3)
	case Inception6d:
		x = b.Transpose(b.Slice(x, 1, 0, tapChannels), 0, 2, 3, 1)
	default:
		x = b.Slice(x, 1, 0, tapChannels)
	}
	b.Output("features", b.Reshape(x, n.Shape()...))
	var spare []string // what lies behind the tap
	for _, c := range inceptionConvs() {
		spare = append(spare, c.name+".weight", c.name+".bias")
	}
	return built(b, "inception", spare...)
}

// Flops returns the floating-point operations of the convolutions that
// [Inception.Graph] computes for one picture, a multiplication and an addition
// counted as two.
func (n Inception) Flops() float64 {
	var c convCount
	inceptionNet[planes]{&c}.until(n.Tap, planes{3, inceptionSide, inceptionSide})
	return c.flops
}

// inceptionConvs lists the convolutions of the whole network, in the order of
// computation.
func inceptionConvs() []normedConv {
	var c convCount
	inceptionNet[planes]{&c}.until(InceptionPool, planes{3, inceptionSide, inceptionSide})
	return c.list
}

// A normedConv is a convolution without a bias, a batch norm and a ReLU.
type normedConv struct {
	name    string
	in, out int
	kernel  [2]int // height, width
	stride  int
	pads    [2]int // zeros above and below, left and right
}

// shape returns the shape of the convolution's weight.
func (c normedConv) shape() []int { return []int{c.out, c.in, c.kernel[0], c.kernel[1]} }

// A layers adds layers behind images of type T.
type layers[T any] interface {
	channels(x T) int
	conv(c normedConv, x T) T
	maxPool(x T, stride, pad int) T // of 3×3
	meanPool(x T) T                 // of 3×3 at every place, of what lies inside
	concat(xs ...T) T               // of channels
}

// graphLayers adds them to a graph.
type graphLayers struct{ b *onnx.Builder }

func (g graphLayers) channels(x onnx.Value) int {
	if g.b.Err() != nil { // the builder remembers the first mistake
		return 1
	}
	return x.Dim(1)
}

func (g graphLayers) conv(c normedConv, x onnx.Value) onnx.Value {
	w, bias := g.b.Param(c.name+".weight", c.shape()...), g.b.Param(c.name+".bias", c.out)
	return g.b.Relu(g.b.Conv(x, w, bias, onnx.ConvOptions{
		Stride: [2]int{c.stride, c.stride}, Pads: [4]int{c.pads[0], c.pads[1], c.pads[0], c.pads[1]},
	}))
}

func (g graphLayers) maxPool(x onnx.Value, stride, pad int) onnx.Value {
	return g.b.MaxPool(x, onnx.PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{stride, stride}, Pads: [4]int{pad, pad, pad, pad}})
}

func (g graphLayers) meanPool(x onnx.Value) onnx.Value {
	return g.b.AveragePool(x, onnx.PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Pads: [4]int{1, 1, 1, 1}})
}

func (g graphLayers) concat(xs ...onnx.Value) onnx.Value { return g.b.Concat(1, xs...) }

// planes is the size of an image: channels, height, width.
type planes [3]int

// A convCount lists the convolutions that it meets and counts their operations.
type convCount struct {
	list  []normedConv
	flops float64
}

func (c *convCount) channels(x planes) int { return x[0] }

func (c *convCount) conv(v normedConv, x planes) planes {
	c.list = append(c.list, v)
	out := planes{v.out}
	for i := range 2 {
		out[1+i] = (x[1+i]+2*v.pads[i]-v.kernel[i])/v.stride + 1
	}
	c.flops += 2 * float64(volume(v.shape())) * float64(out[1]*out[2])
	return out
}

func (c *convCount) maxPool(x planes, stride, pad int) planes {
	return planes{x[0], (x[1]+2*pad-3)/stride + 1, (x[2]+2*pad-3)/stride + 1}
}

func (c *convCount) meanPool(x planes) planes { return x }

func (c *convCount) concat(xs ...planes) planes {
	out := xs[0]
	for _, x := range xs[1:] {
		out[0] += x[0]
	}
	return out
}

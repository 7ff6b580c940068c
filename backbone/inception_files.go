package backbone

import (
	"fmt"
	"math"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/weights"
)

// The parts of a batch norm, as official files name them, and of what a
// convolution has when its norm is folded into it.
const (
	normCount = ".bn.num_batches_tracked"
	normMean  = ".bn.running_mean"
	normVar   = ".bn.running_var"
)

// Pieces describes the prepared file of the whole network, made of pytorch-fid's
// checkpoint: for each convolution NAME.weight and NAME.bias in float32, its batch
// norm folded in, which is computed in float64. All taps read the same file. The
// classifier's two tensors must be there, since their 1008 classes tell the file
// from torchvision's, and are left out; so are the batch norms' counts, which files
// of before PyTorch 0.4.1 have not.
//
// Names and shapes are checked here; values are read when a piece is made. What is
// missing, of another shape, or has no use is refused: the error wraps
// [assay.ErrInvalid] and names it.
func (n Inception) Pieces(src Source) ([]weights.Piece, error) {
	var want, counts []weights.TensorSpec
	for _, s := range n.Inventory() {
		if strings.HasSuffix(s.Name, normCount) {
			counts = append(counts, s)
		} else {
			want = append(want, s)
		}
	}
	if err := holds("inception-2015-12-05", src, want, counts); err != nil {
		return nil, err
	}
	var list []weights.Piece
	for _, c := range inceptionConvs() {
		list = append(list,
			weights.Piece{Name: c.name + ".weight", Shape: c.shape(), DType: "float32", Make: func() ([]byte, error) {
				w, _, err := c.folded(src)
				return weights.Float32Bytes(w), err
			}},
			weights.Piece{Name: c.name + ".bias", Shape: []int{c.out}, DType: "float32", Make: func() ([]byte, error) {
				_, bias, err := c.folded(src)
				return weights.Float32Bytes(bias), err
			}})
	}
	return list, nil
}

// folded returns the convolution's weight and bias with its batch norm in them:
// w·g/√(v+ε) and b − m·g/√(v+ε), each rounded once.
func (c normedConv) folded(src Source) (weight, bias []float32, err error) {
	var parts [5][]float32
	for i, part := range []string{".conv.weight", ".bn.weight", ".bn.bias", normMean, normVar} {
		if parts[i], err = src.Float32(c.name + part); err != nil {
			return nil, nil, fmt.Errorf("inception: %w", err)
		}
	}
	weight, gamma, beta, mean, variance := parts[0], parts[1], parts[2], parts[3], parts[4]
	bias = make([]float32, c.out)
	each := len(weight) / c.out
	for o := range c.out {
		spread := float64(variance[o]) + inceptionEps
		if !(spread > 0) { // also NaN
			return nil, nil, fmt.Errorf("inception: %s%s: value %d is %v, want a variance: %w", c.name, normVar, o, variance[o], assay.ErrInvalid)
		}
		scale := float64(gamma[o]) / math.Sqrt(spread)
		for i, w := range weight[o*each : (o+1)*each] {
			weight[o*each+i] = float32(float64(w) * scale)
		}
		bias[o] = float32(float64(beta[o]) - float64(float64(mean[o])*scale))
	}
	return weight, bias, nil
}

// Inventory lists the tensors of pytorch-fid's file, with synthetic values that
// keep activations in the range of trained networks: variances lie about what
// convolutions of such weights give.
func (n Inception) Inventory() []weights.TensorSpec {
	normal := func(name string, mean, scale float64, shape ...int) weights.TensorSpec {
		return weights.TensorSpec{Name: name, Shape: shape, DType: "float32", Init: weights.Init{Kind: weights.InitNormal, Mean: mean, Scale: scale}}
	}
	var list []weights.TensorSpec
	for _, c := range inceptionConvs() {
		inputs := float64(volume(c.shape()[1:]))
		list = append(list,
			normal(c.name+".conv.weight", 0, math.Sqrt(2/inputs), c.shape()...),
			normal(c.name+".bn.weight", 1, 0.1, c.out),
			normal(c.name+".bn.bias", 0, 0.2, c.out),
			normal(c.name+normMean, 0, 0.2, c.out),
			normal(c.name+normVar, 1, 0.2, c.out), // 0.3 to 1.7
			weights.TensorSpec{Name: c.name + normCount, DType: "int64", Init: weights.Init{Kind: weights.InitConst}})
	}
	return append(list, normal("fc.weight", 0, 1/math.Sqrt(inceptionPooled), inceptionClasses, inceptionPooled), normal("fc.bias", 0, 0.1, inceptionClasses))
}

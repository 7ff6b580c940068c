package backbone

import (
	"fmt"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/weights"
)

// VGG16 returns the convolutional part of torchvision's vgg16, thirteen 3×3
// convolutions in five groups. Its taps are those of LPIPS and DISTS: the last ReLU
// of every group, layers 3, 8, 15, 22 and 29, of 64, 128, 256, 512 and 512 channels.
//
// Simonyan and Zisserman, arXiv 1409.1556; torchvision's vgg16.
func VGG16() Trunk {
	t := Trunk{
		Name: "vgg16", MinSide: 16, // four pools halve it
		classifier: []dense{{0, 512 * 7 * 7, 4096}, {3, 4096, 4096}, {6, 4096, 1000}},
	}
	index, in := 0, 3
	for _, group := range []struct{ n, channels int }{{2, 64}, {2, 128}, {3, 256}, {3, 512}, {3, 512}} {
		if index > 0 {
			t.layers = append(t.layers, trunkLayer{index: index, pool: 2})
			index++
		}
		for range group.n {
			t.layers = append(t.layers, trunkLayer{index: index, conv: nn.Conv{In: in, Out: group.channels, Kernel: 3, Pad: 1}})
			index, in = index+2, group.channels
		}
		t.taps = append(t.taps, index-1)
	}
	return t
}

// dense1and2 says how much of the classifier [VGG16FC2] runs.
const dense1and2 = 2

// VGG16FC2 is torchvision's vgg16 as far as the ReLU after its second linear layer,
// 4096 numbers that are never negative: what torch-fidelity takes precision and
// recall on.
type VGG16FC2 struct{}

// Side returns the height and width of the picture that the network reads.
func (VGG16FC2) Side() int { return 224 }

// Shape returns the shape of what it gives, [1, 4096].
func (VGG16FC2) Shape() []int { return []int{1, 4096} }

// Flops returns the floating-point operations of the network's products for one
// picture, a multiplication and an addition counted as two.
func (n VGG16FC2) Flops() float64 {
	t := VGG16()
	total := t.Flops(n.Side(), n.Side())
	for _, d := range t.classifier[:dense1and2] {
		total += 2 * float64(d.in) * float64(d.out)
	}
	return total
}

// Pieces describes the prepared file of the network, made from torchvision's
// official file; see [Trunk.Pieces]. The classifier's last layer may be there.
func (VGG16FC2) Pieces(src Source) ([]weights.Piece, error) {
	t := VGG16()
	behind := t.behind()
	want := append(t.features(), behind[:2*dense1and2]...)
	if err := holds(t.Name, src, want, behind); err != nil {
		return nil, err
	}
	return kept(t.Name, src, want), nil
}

// Graph builds the network over a prepared file: a picture [1, 3, 224, 224], RGB
// less ImageNet's mean and divided by its standard deviation, gives [1, 4096]. It
// runs in float32 only; the error wraps [assay.ErrInvalid] for another precision
// or another file.
func (n VGG16FC2) Graph(w onnx.Weights, p nn.Precision) (*onnx.Model, error) {
	t := VGG16()
	if p != nn.Float32 {
		return nil, fmt.Errorf("%s: precision %q, want %s: %w", t.Name, p, nn.Float32, assay.ErrInvalid)
	}
	b := onnx.NewBuilder(w)
	x := onnx.Value{}
	for _, tap := range t.Taps(b, b.Input("image", 1, 3, n.Side(), n.Side()), nil) {
		x = tap.Value
	}
	x = nn.MaxPool(b, x, 2, 2, false) // [1, 512, 7, 7]
	x = b.Reshape(x, 1, t.classifier[0].in)
	for _, d := range t.classifier[:dense1and2] {
		x = b.Relu(nn.Linear(b, d.name(), x, d.in, d.out))
	}
	b.Output("features", x)
	return b.Build()
}

package metric

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/weights"
)

// distsModel is the manifest's name for what DISTS puts on each channel.
const distsModel = "dists-weights"

// distsShort is the short side in pixels that DISTS' helper brings larger images
// to, at which its weights were learned.
const distsShort = 256

// The constants of DISTS: what keeps its two quotients from dividing by zero, and
// its pooling from a root of zero.
const (
	distsC1   = 1e-6
	distsC2   = 1e-6
	distsPool = 1e-12
)

// distsChannels returns how many channels each level has: the image itself, then
// VGG16's taps. There are 1475 in all.
func distsChannels() []int { return append([]int{3}, backbone.VGG16().Channels()...) }

// distsPairs lists DISTS with its helper's resize rule and without.
func distsPairs() []towerInstrument {
	spec := Spec{
		Name: "dists", Version: 1, Kind: OfPair, Better: LowerIsBetter, Lo: 0, Hi: 2, MinSide: backbone.VGG16().MinSide, SameSize: true,
		Preparation: fmt.Sprintf("Pillow RGB, short side to %d if it is longer (Pillow bilinear, 8 bits), v/255", distsShort),
		Models:      []string{vgg16Model, distsModel}, Graph: true,
		Doc: "Distance of two images of one size in structure and texture: how the means and the correlations of 1475 channels differ, the image's own and " +
			"those of VGG16 with L2 pooling, weighted to agree with human judgments. It forgives another sample of the same texture.",
		Source: "Ding, Ma, Wang, Simoncelli: Image quality assessment: unifying structure and texture similarity, TPAMI 2020, arXiv:2004.07728; " +
			"DISTS-pytorch 0.1, prepare_image of dingkeyan93/DISTS",
		Agreement: "the authors' DISTS-pytorch 0.1 with its own weights on a synthetic VGG16, odd sizes included: within 1e-5; the repository's demo (0.3347) " +
			"is compared by `assay models verify --published`, within 2e-4",
	}
	native := spec
	native.Name, native.MaxPixels = "dists-noresize", vggMaxPixels
	native.Preparation = "Pillow RGB, native size, v/255"
	native.Doc += " At native size: the authors' package given tensors, and IQA-PyTorch, do not resize either."
	native.Agreement = "as for dists; IQA-PyTorch's five calibration pairs (0.4742 to 0.02867) are compared by `assay models verify --published`, within 2e-4"
	return []towerInstrument{
		{spec: spec, open: func(ctx context.Context, s *stand) error { return openDISTS(ctx, s, distsShort) }},
		{spec: native, open: func(ctx context.Context, s *stand) error { return openDISTS(ctx, s, 0) }},
	}
}

// A dists is DISTS, ready to run.
type dists struct {
	name        string
	short       int       // side that larger images are resized to; 0 is native size
	alpha, beta []float64 // of each channel's structure and texture, of sum 1 together
	run         func(context.Context, ...onnx.Tensor) ([]onnx.Tensor, error)
}

func openDISTS(ctx context.Context, s *stand, short int) error {
	done, err := s.trunk(ctx, backbone.VGG16(), vgg16Model, nn.Float32)
	if err != nil {
		return err
	}
	w, err := s.small(distsModel, distsInventory())
	if err != nil {
		return err
	}
	d := dists{name: s.in.Name, short: short}
	if d.alpha, d.beta, err = distsWeights(w); err != nil {
		return fmt.Errorf("model %s: %w", distsModel, err)
	}
	if d.run, err = s.graph(done, "dists", distsGraph); err != nil {
		return err
	}
	s.in.distance = func(ctx context.Context, a, b *Picture) (float64, []string, error) {
		value, err := d.distance(ctx, a, b)
		if err != nil {
			err = fmt.Errorf("%s: %w", d.name, err)
		}
		return value, nil, err
	}
	s.in.exercise = pairExercise(s.in, backbone.VGG16())
	return nil
}

// distsInventory lists the tensors of the file of weights, with synthetic values
// that are never negative.
func distsInventory() []weights.TensorSpec {
	n := 0
	for _, c := range distsChannels() {
		n += c
	}
	return []weights.TensorSpec{normal("alpha", 0.0006, 0.00015, 1, n, 1, 1), normal("beta", 0.0001, 0.000025, 1, n, 1, 1)}
}

// distsWeights reads the weights and divides them by their sum.
func distsWeights(w inline) (alpha, beta []float64, err error) {
	sum := 0.0
	read := func(name string) []float64 {
		raw, v := w[name].raw, []float64(nil)
		for i := 0; i+4 <= len(raw); i += 4 {
			x := float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[i:])))
			if !(x >= 0 && x <= math.MaxFloat32) && err == nil {
				err = fmt.Errorf("tensor %q: element %d is %g; DISTS' weights are never negative: %w", name, i/4, x, assay.ErrInvalid)
			}
			v, sum = append(v, x), sum+x
		}
		return v
	}
	alpha, beta = read("alpha"), read("beta")
	if err == nil && !(sum > 0) {
		err = fmt.Errorf("all weights are zero: %w", assay.ErrInvalid)
	}
	for i := range alpha {
		alpha[i] /= sum
		beta[i] /= sum
	}
	return alpha, beta, err
}

// distsGraph builds what DISTS needs to know of two images [2, 3, h, w] with
// samples in [0, 1]: of each of the channels of every level, one after the other,
// the means [2, 1475, 1, 1], the variances of the same shape, and the mean square
// [1, 1475, 1, 1] of the difference of the two, each less its mean.
func distsGraph(w onnx.Weights) (*onnx.Model, error) {
	b := onnx.NewBuilder(w)
	x := b.Input("pair", 2, 3, onnx.Dynamic, onnx.Dynamic)
	normal := b.Sub(x, b.Const([]int{1, 3, 1, 1}, imageNetMean[:]...))
	normal = b.Div(normal, b.Const([]int{1, 3, 1, 1}, imageNetStd[:]...))
	levels := []onnx.Value{x}
	for _, tap := range backbone.VGG16().Taps(b, normal, l2Pool(b)) {
		levels = append(levels, tap.Value)
	}
	// The mean over a plane, of its rows first: a sum of millions in float32 loses digits.
	plane := func(v onnx.Value) onnx.Value { return b.ReduceMean(b.ReduceMean(v, true, 3), true, 2) }
	var means, variances, apart []onnx.Value
	for _, f := range levels {
		mean := plane(f) // [2, c, 1, 1]
		d := b.Sub(f, mean)
		e := b.Sub(b.Slice(d, 0, 0, 1), b.Slice(d, 0, 1, 2))
		means = append(means, mean)
		variances = append(variances, plane(b.Mul(d, d)))
		apart = append(apart, plane(b.Mul(e, e)))
	}
	b.Output("means", b.Concat(1, means...))
	b.Output("variances", b.Concat(1, variances...))
	b.Output("apart", b.Concat(1, apart...))
	return b.Build()
}

// l2Pool returns the layer that DISTS puts in the place of max-pooling: the root of
// the mean square under a window of 3×3 with the weights (1, 2, 1)/4 each way,
// 2 apart, zeros around the edge.
func l2Pool(b *onnx.Builder) func(x onnx.Value, channels int) onnx.Value {
	return func(x onnx.Value, channels int) onnx.Value {
		window := make([]float32, 0, 9*channels)
		for range channels {
			window = append(window, 1./16, 2./16, 1./16, 2./16, 4./16, 2./16, 1./16, 2./16, 1./16)
		}
		sum := b.Conv(b.Mul(x, x), b.Const([]int{channels, 1, 3, 3}, window...), onnx.Value{},
			onnx.ConvOptions{Stride: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, Groups: channels})
		return b.Sqrt(b.Add(sum, b.Scalar(distsPool)))
	}
}

// distance prepares two images and compares them.
func (d dists) distance(ctx context.Context, a, b *Picture) (float64, error) {
	var x onnx.Tensor
	sizes := [2]*pixel.Image{}
	for i, p := range []*Picture{a, b} {
		if d.short > 0 && min(p.Width, p.Height) > d.short {
			var err error
			if p, err = shortSide(ctx, p, d.short); err != nil {
				return 0, err
			}
		}
		sizes[i] = p.Image
		x.Shape = []int{2, 3, p.Height, p.Width}
		x.Data = append(x.Data, p.Image.CHWUnit()...)
	}
	if sizes[0].Width != sizes[1].Width || sizes[0].Height != sizes[1].Height {
		return 0, sameSize(a.Image, b.Image)
	}
	out, err := d.run(ctx, x)
	if err != nil {
		return 0, err
	}
	return d.combine(out[0].Data, out[1].Data, out[2].Data)
}

// combine returns Σ α(1−l) + β(1−s) over all channels, in double precision. With
// the two means μ, ν and variances u, v of a channel, l is (2μν + c₁)/(μ² + ν² + c₁)
// and s is (2·covariance + c₂)/(u + v + c₂); 1−l is therefore (μ − ν)²/(μ² + ν² + c₁),
// and 1−s is apart/(u + v + c₂), the mean square of the difference of the two less
// their means. In this form nothing cancels: an image is exactly 0 from itself.
func (d dists) combine(means, variances, apart []float32) (float64, error) {
	n := len(d.alpha)
	if len(means) != 2*n || len(variances) != 2*n || len(apart) != n {
		return 0, fmt.Errorf("the network gave %d means, %d variances and %d differences of %d channels: %w",
			len(means), len(variances), len(apart), n, assay.ErrInvalid)
	}
	total := 0.0
	for i := range n {
		mu, nu := float64(means[i]), float64(means[n+i])
		luminance := float64((mu-nu)*(mu-nu)) / (float64(mu*mu) + float64(nu*nu) + distsC1)
		structure := float64(apart[i]) / (float64(variances[i]) + float64(variances[n+i]) + distsC2)
		total += float64(d.alpha[i]*luminance) + float64(d.beta[i]*structure)
	}
	return total, nil
}

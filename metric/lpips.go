package metric

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/pixel"
)

// lpipsModel is the manifest's name for the checkpoint: the convolutional part
// of torchvision's SqueezeNet 1.1 with the linear heads of LPIPS v0.1.
const lpipsModel = "lpips-squeeze"

// lpipsEps is added to the length of a feature vector before dividing by it,
// outside the square root, as the authors do.
const lpipsEps = 1e-10

// lpipsMaxSide bounds the side in pixels that images may be resized to. Beyond
// it one distance takes more than a gigabyte.
const lpipsMaxSide = 1024

// lpipsSpec describes LPIPS at native size if side is 0, and else with both
// images resized to side × side pixels, which is another instrument: the
// features depend on scale.
func lpipsSpec(side int) Spec {
	s := Spec{
		Name:        "lpips-squeeze",
		Version:     1,
		Kind:        OfPair,
		Better:      LowerIsBetter,
		Lo:          0,
		Hi:          math.Inf(1),
		MinSide:     backbone.SqueezeNetMin,
		Preparation: "Pillow RGB, native size, v/127.5 − 1",
		Models:      []string{lpipsModel},
		Graph:       true,
		Doc: "Perceptual distance of two images of one size: difference of their SqueezeNet 1.1 features, " +
			"weighted to agree with human judgments of 64×64 patches.",
		Source: "Zhang, Isola, Efros, Shechtman, Wang: The unreasonable effectiveness of deep features as a perceptual " +
			"metric, CVPR 2018, arXiv:1801.03924; lpips 0.1.4, version 0.1, net squeeze",
		Agreement: "the authors' lpips 0.1.4 on eighteen pairs: within 1e-5; torchmetrics' documentation: 0.1024 and 0.0938",
	}
	if side > 0 {
		s.Name = fmt.Sprintf("%s-%d", s.Name, side)
		s.MinSide = 1
		s.Preparation = fmt.Sprintf("Pillow RGB, each image to %d×%d (Pillow bilinear, 8 bits, aspect ratio not kept), v/127.5 − 1", side, side)
		s.Doc = fmt.Sprintf("Perceptual distance of two images of any size, both resized to %d×%d pixels: difference of their "+
			"SqueezeNet 1.1 features, weighted to agree with human judgments.", side, side)
		s.Agreement = "the authors' lpips 0.1.4 on nine pairs resized by Pillow: within 1e-5"
	}
	return s
}

// OpenLPIPSSqueeze returns the instrument lpips-squeeze, which compares two
// images of the same size, at least 17 pixels on each side, as they are. w is
// the complete state of the authors' network, and checkpoint its digest. The
// error wraps [assay.ErrInvalid] if w is something else.
func OpenLPIPSSqueeze(ctx context.Context, w onnx.Weights, checkpoint string, e Engine) (*Instrument, error) {
	return OpenLPIPSSqueezeAt(ctx, w, checkpoint, e, 0)
}

// OpenLPIPSSqueezeAt is [OpenLPIPSSqueeze] for images that are first resized to
// side × side pixels, 17 to 1024. The instrument is then called lpips-squeeze-64
// if side is 64: a distance at another size is another instrument. A side of 0
// means native size.
func OpenLPIPSSqueezeAt(ctx context.Context, w onnx.Weights, checkpoint string, e Engine, side int) (*Instrument, error) {
	spec := lpipsSpec(side)
	if side != 0 && (side < backbone.SqueezeNetMin || side > lpipsMaxSide) {
		return nil, fmt.Errorf("lpips-squeeze: images cannot be compared at %d×%d pixels, want a side of %d to %d: %w",
			side, side, backbone.SqueezeNetMin, lpipsMaxSide, assay.ErrInvalid)
	}
	if e == nil {
		return nil, fmt.Errorf("%s needs an engine to run its graph: %w", spec.Name, assay.ErrUnavailable)
	}
	m, err := lpipsGraph(w, side)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	run, err := e.Open(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	return &Instrument{
		Spec: spec, Checkpoint: checkpoint, Runtime: e.Name(), close: run.Close,
		distance: func(ctx context.Context, a, b *Picture) (float64, []string, error) {
			value, err := lpipsDistance(ctx, run, side, a.Image, b.Image)
			if err != nil {
				err = fmt.Errorf("%s: %w", spec.Name, err)
			}
			return value, nil, err
		},
	}, nil
}

// lpipsGraph builds the whole metric as one graph: two images [1, 3, h, w] with
// samples in [−1, 1] give their distance [].
func lpipsGraph(w onnx.Weights, side int) (*onnx.Model, error) {
	b := onnx.NewBuilder(w)
	if side == 0 {
		side = onnx.Dynamic
	}
	first := lpipsFeatures(b, b.Input("a", 1, 3, side, side))
	second := lpipsFeatures(b, b.Input("b", 1, 3, side, side))
	total := b.Scalar(0)
	for i := range min(len(first), len(second)) { // one is empty after a mistake
		name := fmt.Sprintf("lin%d.model.1.weight", i)
		head := b.Param(name, 1, first[i].Channels, 1, 1)
		if err := notNegative(b, w, name); err != nil {
			return nil, err
		}
		d := b.Sub(first[i].Value, second[i].Value)
		m := b.Conv(b.Mul(d, d), head, onnx.Value{}, onnx.ConvOptions{}) // [1, 1, h, w]
		total = b.Add(total, b.ReduceMean(m, false, 0, 1, 2, 3))
	}
	b.Output("distance", total)
	return b.Build()
}

// lpipsFeatures adds the network to the graph and returns its features, divided
// at every position by their length.
func lpipsFeatures(b *onnx.Builder, x onnx.Value) []backbone.Tap {
	x = b.Sub(x, b.Param("scaling_layer.shift", 1, 3, 1, 1))
	x = b.Div(x, b.Param("scaling_layer.scale", 1, 3, 1, 1))
	var taps []backbone.Tap
	for _, tap := range backbone.SqueezeNet11(b, backbone.LPIPSSqueezeKeys, x) {
		if !backbone.LPIPSSqueezeTap(tap.Index) {
			continue
		}
		length := b.Sqrt(b.ReduceSum(b.Mul(tap.Value, tap.Value), true, 1)) // [1, 1, h, w]
		tap.Value = b.Div(tap.Value, b.Add(length, b.Scalar(lpipsEps)))
		taps = append(taps, tap)
	}
	return taps
}

// notNegative checks the weights of a head. The authors keep them at zero or
// above, so one below, or none, means that the file is not theirs; the distance
// could then be negative.
func notNegative(b *onnx.Builder, w onnx.Weights, name string) error {
	if b.Err() != nil {
		return nil // Build says it
	}
	_, _, _, dtype := w.Place(name)
	if dtype != "float32" {
		return fmt.Errorf("weight %q: type %s, want float32: %w", name, dtype, assay.ErrInvalid)
	}
	raw, err := w.Bytes(name)
	if err != nil {
		return fmt.Errorf("weight %q: %w", name, err)
	}
	for i := 0; i+4 <= len(raw); i += 4 {
		if v := math.Float32frombits(binary.LittleEndian.Uint32(raw[i:])); !(v >= 0) {
			return fmt.Errorf("weight %q: element %d is %g; LPIPS heads are never negative, so this is not one: %w",
				name, i/4, v, assay.ErrInvalid)
		}
	}
	return nil
}

// lpipsDistance prepares two images and runs the graph.
func lpipsDistance(ctx context.Context, run Runner, side int, a, b *pixel.Image) (float64, error) {
	if side == 0 && (a.Width != b.Width || a.Height != b.Height) {
		return 0, fmt.Errorf("images are %d×%d and %d×%d pixels; resize one to the other's size, or use lpips-squeeze-64: %w",
			a.Width, a.Height, b.Width, b.Height, assay.ErrInvalid)
	}
	var in [2]onnx.Tensor
	for i, img := range []*pixel.Image{a, b} {
		img := img.RGB()
		if side > 0 {
			var err error
			if img, err = img.Resize(side, side, pixel.Bilinear); err != nil {
				return 0, err
			}
		}
		in[i] = onnx.Tensor{Shape: []int{1, 3, img.Height, img.Width}, Data: img.CHWSigned()}
	}
	out, err := run.Run(ctx, in[0], in[1])
	if err != nil {
		return 0, err
	}
	return float64(out[0].Data[0]), nil
}

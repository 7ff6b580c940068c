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

// lpipsEps is added to the length of a feature vector before dividing by it,
// outside the square root, as the authors do.
const lpipsEps = 1e-10

// An lpips is one of the metrics, ready to run.
type lpips struct {
	spec Spec
	side int // that both images are resized to; 0 is native size
	run  func(context.Context, ...onnx.Tensor) ([]onnx.Tensor, error)
}

// fit makes the instrument read what l reads.
func (l lpips) fit(in *Instrument) {
	in.distance = func(ctx context.Context, a, b *Picture) (float64, []string, error) {
		out, _, err := l.compare(ctx, a, b)
		if err != nil {
			return 0, nil, err
		}
		return float64(out[0].Data[0]), nil, nil
	}
	in.chart = func(ctx context.Context, a, b *Picture) (float64, PairMap, error) {
		out, x, err := l.compare(ctx, a, b)
		if err != nil {
			return 0, PairMap{}, err
		}
		m, err := upsampled(x.Shape[3], x.Shape[2], out[1:])
		if err != nil {
			err = fmt.Errorf("%s: %w", l.spec.Name, err)
		}
		return float64(out[0].Data[0]), m, err
	}
}

// compare prepares two images, [2, 3, h, w], and runs the graph on them.
func (l lpips) compare(ctx context.Context, a, b *Picture) (out []onnx.Tensor, x onnx.Tensor, err error) {
	if l.side == 0 {
		if err := sameSize(a.Image, b.Image); err != nil {
			return nil, x, fmt.Errorf("%s: %w", l.spec.Name, err)
		}
	}
	for _, p := range []*Picture{a, b} {
		img := p.Image.RGB()
		if l.side > 0 {
			if img, err = img.Resize(l.side, l.side, pixel.Bilinear); err != nil {
				return nil, x, fmt.Errorf("%s: %w", l.spec.Name, err)
			}
		}
		x.Shape = []int{2, 3, img.Height, img.Width}
		x.Data = append(x.Data, img.CHWSigned()...)
	}
	if out, err = l.run(ctx, x); err != nil {
		return nil, x, fmt.Errorf("%s: %w", l.spec.Name, err)
	}
	return out, x, nil
}

// lpipsGraph builds the whole metric as one graph: a pair of images [2, 3, h, w]
// with samples in [−1, 1] gives its distance [] and, for every layer that is
// compared, how much each of its positions contributes, [1, 1, h', w'].
func lpipsGraph(w onnx.Weights, net lpipsNet, side int, by lpipsBuild) (*onnx.Model, error) {
	b := onnx.NewBuilder(w)
	if side == 0 {
		side = onnx.Dynamic
	}
	x := b.Input("pair", 2, 3, side, side)
	features := net.features
	if by == lpipsPacked {
		features = trunkFeatures(net.trunk.PackedTaps)
	}
	first, second := features(b, b.Slice(x, 0, 0, 1)), features(b, b.Slice(x, 0, 1, 2))
	total := b.Scalar(0)
	var maps []onnx.Value
	for i := range min(len(first), len(second)) { // one is empty after a mistake
		name := headName(i)
		head := b.Param(name, 1, first[i].Channels, 1, 1)
		if err := notNegative(b, w, name); err != nil {
			return nil, err
		}
		m := unitsApart(b, first[i].Value, second[i].Value, head, by)
		total = b.Add(total, b.ReduceMean(m, false, 0, 1, 2, 3))
		maps = append(maps, m)
	}
	b.Output("distance", total)
	for i, m := range maps {
		b.Output(fmt.Sprintf("map%d", i), m)
	}
	return b.Build()
}

// A lpipsBuild says which parts of the graph are operators of [onnx.OwnDomain].
type lpipsBuild int

const (
	lpipsOperators lpipsBuild = iota // none
	lpipsCompared                    // the comparison
	lpipsPacked                      // and the network
)

// unitsApart adds how much every position of two feature maps contributes, [1, 1, h', w'].
func unitsApart(b *onnx.Builder, f, g, head onnx.Value, by lpipsBuild) onnx.Value {
	switch by {
	case lpipsPacked:
		return b.UnitDistanceRows(f, g, head, lpipsEps)
	case lpipsCompared:
		return b.UnitDistance(f, g, head, lpipsEps)
	}
	unit := func(x onnx.Value) onnx.Value {
		length := b.Sqrt(b.ReduceSum(b.Mul(x, x), true, 1)) // [1, 1, h', w']
		return b.Div(x, b.Add(length, b.Scalar(lpipsEps)))
	}
	d := b.Sub(unit(f), unit(g))
	return b.Conv(b.Mul(d, d), head, onnx.Value{}, onnx.ConvOptions{})
}

// headName names the weights of a tap as the authors do: a dropout layer stands
// before them.
func headName(tap int) string { return fmt.Sprintf("lin%d.model.1.weight", tap) }

// squeezeFeatures adds the network of lpips-squeeze, whose checkpoint is the
// authors' whole state.
func squeezeFeatures(b *onnx.Builder, x onnx.Value) []backbone.Tap {
	x = b.Sub(x, b.Param("scaling_layer.shift", 1, 3, 1, 1))
	x = b.Div(x, b.Param("scaling_layer.scale", 1, 3, 1, 1))
	var taps []backbone.Tap
	for _, tap := range backbone.SqueezeNet11(b, backbone.LPIPSSqueezeKeys, x) {
		if backbone.LPIPSSqueezeTap(tap.Index) {
			taps = append(taps, tap)
		}
	}
	return taps
}

// trunkFeatures adds one of torchvision's networks. The authors scale samples in
// [−1, 1] by these constants, which is ImageNet's mean and standard deviation.
func trunkFeatures(taps func(*onnx.Builder, onnx.Value) []backbone.Tap) func(*onnx.Builder, onnx.Value) []backbone.Tap {
	return func(b *onnx.Builder, x onnx.Value) []backbone.Tap {
		x = b.Sub(x, b.Const([]int{1, 3, 1, 1}, -.030, -.088, -.188))
		x = b.Div(x, b.Const([]int{1, 3, 1, 1}, .458, .448, .450))
		return taps(b, x)
	}
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

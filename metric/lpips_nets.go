package metric

import (
	"context"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/weights"
)

// The manifest's names: the convolutional part of torchvision's SqueezeNet 1.1
// with the linear heads of LPIPS v0.1 in one file, and torchvision's AlexNet.
const (
	lpipsModel   = "lpips-squeeze"
	alexNetModel = "alexnet"
)

// lpipsMaxSide bounds the side in pixels that images may be resized to. Beyond
// it one distance takes more than a gigabyte.
const lpipsMaxSide = 1024

// An lpipsNet is a network on whose features LPIPS v0.1 is defined.
type lpipsNet struct {
	name      string // as in lpips.LPIPS(net=…)
	title     string
	minSide   int
	features  func(*onnx.Builder, onnx.Value) []backbone.Tap
	maxPixels int // of an image at native size

	// Of those whose network and heads are two files.
	trunk        backbone.Trunk
	model, heads string
	agreement    string
}

var lpipsSqueezeNet = lpipsNet{name: "squeeze", title: "SqueezeNet 1.1", minSide: backbone.SqueezeNetMin,
	features: squeezeFeatures, maxPixels: squeezeMaxPixels}

// lpipsNets lists the networks whose heads come apart.
func lpipsNets() []lpipsNet {
	row := func(name, title, model string, t backbone.Trunk, maxPixels int, agreement string) lpipsNet {
		pooled := func(b *onnx.Builder, x onnx.Value) []backbone.Tap { return t.Taps(b, x, nil) }
		return lpipsNet{name: name, title: title, minSide: t.MinSide, features: trunkFeatures(pooled), trunk: t, model: model,
			heads: "lpips-" + name + "-heads", maxPixels: maxPixels, agreement: agreement}
	}
	const parity = "the authors' lpips 0.1.4 with its own heads on a synthetic checkpoint of the network, odd sizes and maps included: within 1e-5"
	return []lpipsNet{
		row("alex", "AlexNet", alexNetModel, backbone.AlexNet(), alexMaxPixels, parity+
			"; IQA-PyTorch's five calibration pairs (0.7237 to 0.05079) are compared by `assay models verify --published`, within 2e-4"),
		row("vgg", "VGG16", vgg16Model, backbone.VGG16(), vggMaxPixels, parity),
	}
}

// How many pixels an image may have at native size, so that a pair takes no more
// than about 5 GB. Measured with ONNX Runtime on a CPU, a pair takes for each pixel of
// one of its images 1.5 kB with VGG16 (2.2 kB in DISTS), 0.16 kB with AlexNet and
// 0.56 kB with SqueezeNet.
const (
	vggMaxPixels     = 1536 * 1536
	alexMaxPixels    = 1 << 25
	squeezeMaxPixels = 1 << 23
)

// spec describes LPIPS on the network at native size if side is 0, and else with
// both images resized to side × side pixels, which is another instrument: the
// features depend on scale.
func (n lpipsNet) spec(side int) Spec {
	s := Spec{
		Name:        "lpips-" + n.name,
		Version:     1,
		Kind:        OfPair,
		Better:      LowerIsBetter,
		Lo:          0,
		Hi:          math.Inf(1),
		MinSide:     n.minSide,
		MaxPixels:   n.maxPixels,
		SameSize:    true,
		Preparation: "Pillow RGB, native size, v/127.5 − 1",
		Models:      []string{lpipsModel},
		Graph:       true,
		Doc: fmt.Sprintf("Perceptual distance of two images of one size: difference of their %s features, "+
			"weighted to agree with human judgments of 64×64 patches.", n.title),
		Source: "Zhang, Isola, Efros, Shechtman, Wang: The unreasonable effectiveness of deep features as a perceptual " +
			"metric, CVPR 2018, arXiv:1801.03924; lpips 0.1.4, version 0.1, net " + n.name,
		Agreement: "the authors' lpips 0.1.4 on eighteen pairs: within 1e-5; torchmetrics' documentation: 0.1024 and 0.0938",
	}
	if n.model != "" {
		s.Models, s.Agreement = []string{n.model, n.heads}, n.agreement
	}
	if side > 0 {
		s.Name = fmt.Sprintf("%s-%d", s.Name, side)
		s.MinSide, s.MaxPixels, s.SameSize = 1, 0, false
		s.Preparation = fmt.Sprintf("Pillow RGB, each image to %d×%d (Pillow bilinear, 8 bits, aspect ratio not kept), v/127.5 − 1", side, side)
		s.Doc = fmt.Sprintf("Perceptual distance of two images of any size, both resized to %d×%d pixels: difference of their "+
			"%s features, weighted to agree with human judgments.", side, side, n.title)
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
	spec := lpipsSqueezeNet.spec(side)
	if side != 0 && (side < backbone.SqueezeNetMin || side > lpipsMaxSide) {
		return nil, fmt.Errorf("lpips-squeeze: images cannot be compared at %d×%d pixels, want a side of %d to %d: %w",
			side, side, backbone.SqueezeNetMin, lpipsMaxSide, assay.ErrInvalid)
	}
	if e == nil {
		return nil, fmt.Errorf("%s needs an engine to run its graph: %w", spec.Name, assay.ErrUnavailable)
	}
	m, err := lpipsGraph(w, lpipsSqueezeNet, side, lpipsOperators)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	run, err := e.Open(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	in := &Instrument{Spec: spec, Checkpoint: checkpoint, Runtime: e.Name(), close: run.Close}
	lpips{spec, side, run.Run}.fit(in)
	return in, nil
}

// lpipsPairs lists the instruments on torchvision's networks.
func lpipsPairs() []towerInstrument {
	var all []towerInstrument
	for _, n := range lpipsNets() {
		all = append(all, towerInstrument{spec: n.spec(0), open: n.open})
	}
	return all
}

func (n lpipsNet) open(ctx context.Context, s *stand) error {
	own, precision := s.towers.packed(), nn.Float32
	if own != "" && n.trunk.Packs() {
		precision = nn.Packed
	}
	done, err := s.trunk(ctx, n.trunk, n.model, precision)
	if err != nil {
		return err
	}
	heads, err := s.small(n.heads, n.headsInventory())
	if err != nil {
		return err
	}
	// The heads are looked at now, the network when it is first needed.
	for _, h := range n.headsInventory() {
		if err := notNegative(onnx.NewBuilder(heads), heads, h.Name); err != nil {
			return fmt.Errorf("model %s: %w", n.heads, err)
		}
	}
	build := lpipsOperators
	switch {
	case precision == nn.Packed:
		build = lpipsPacked
	case own != "":
		build = lpipsCompared
	}
	run, err := s.graph(done, "lpips "+own, func(w onnx.Weights) (*onnx.Model, error) {
		return lpipsGraph(joint{w, heads}, n, 0, build)
	})
	if err != nil {
		return err
	}
	if own != "" && precision == nn.Float32 {
		s.in.Runtime += ", " + own
	}
	lpips{s.in.Spec, 0, run}.fit(s.in)
	s.in.exercise = pairExercise(s.in, n.trunk)
	return nil
}

// headsInventory lists the tensors of the file of heads, with synthetic values
// that are never negative.
func (n lpipsNet) headsInventory() []weights.TensorSpec {
	var list []weights.TensorSpec
	for i, c := range n.trunk.Channels() {
		list = append(list, normal(headName(i), 0.05, 0.014, 1, c, 1, 1)) // nothing lies further than 3.47 scales from the mean
	}
	return list
}

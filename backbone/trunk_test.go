package backbone

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/weights"
)

// outline is a checkpoint of zeros.
type outline map[string][]int

func (o outline) Names() []string                 { return slices.Sorted(maps.Keys(o)) }
func (o outline) Shape(name string) ([]int, bool) { s, ok := o[name]; return s, ok }
func (o outline) Float32(name string) ([]float32, error) {
	return make([]float32, volume(o[name])), nil
}
func (o outline) Bytes(name string) ([]byte, error) { return make([]byte, 4*volume(o[name])), nil }
func (o outline) Place(name string) (file string, offset, length int64, dtype string) {
	return "", 0, int64(4 * volume(o[name])), "float32"
}

func outlined(specs []weights.TensorSpec) outline {
	o := outline{}
	for _, s := range specs {
		o[s.Name] = s.Shape
	}
	return o
}

// TestTrunks compares the rows with what torchvision says of its files: parameters,
// and billions of multiplications on 224×224 pixels, the classifier included.
func TestTrunks(t *testing.T) {
	for _, c := range []struct {
		trunk      Trunk
		parameters int
		gmac       float64
		taps       string
		channels   []int
	}{
		{VGG16(), 138357544, 15.47, "[3 8 15 22 29]", []int{64, 128, 256, 512, 512}},
		{AlexNet(), 61100840, 0.714, "[1 4 7 9 11]", []int{64, 192, 384, 256, 256}},
	} {
		n, dense := 0, 0
		for _, s := range c.trunk.Inventory() {
			n += volume(s.Shape)
			if strings.HasPrefix(s.Name, "classifier.") && strings.HasSuffix(s.Name, ".weight") {
				dense += volume(s.Shape)
			}
		}
		if n != c.parameters {
			t.Errorf("%s: %d parameters, want %d", c.trunk.Name, n, c.parameters)
		}
		if got := (c.trunk.Flops(224, 224)/2 + float64(dense)) / 1e9; math.Abs(got-c.gmac) > 0.006 {
			t.Errorf("%s: %.3f billion multiplications, want %.3f", c.trunk.Name, got, c.gmac)
		}
		if !slices.Equal(c.trunk.Channels(), c.channels) {
			t.Errorf("%s: channels %v", c.trunk.Name, c.trunk.Channels())
		}
		b := onnx.NewBuilder(outlined(c.trunk.features()))
		var at []int
		for _, tap := range c.trunk.Taps(b, b.Input("x", 2, 3, c.trunk.MinSide, onnx.Dynamic), nil) {
			at = append(at, tap.Index)
		}
		if fmt.Sprint(at) != c.taps || b.Err() != nil {
			t.Errorf("%s: taps after %v, want %s (%v)", c.trunk.Name, at, c.taps, b.Err())
		}
		b = onnx.NewBuilder(outlined(c.trunk.features()))
		c.trunk.Taps(b, b.Input("x", 1, 3, c.trunk.MinSide-1, 64), nil)
		if b.Err() == nil || !strings.Contains(b.Err().Error(), fmt.Sprint(c.trunk.MinSide)) {
			t.Errorf("%s: %d pixels: %v", c.trunk.Name, c.trunk.MinSide-1, b.Err())
		}
	}
}

// TestTrunkSmallest holds MinSide to being the smallest that works.
func TestTrunkSmallest(t *testing.T) {
	for _, trunk := range []Trunk{VGG16(), AlexNet()} {
		trunk.MinSide--
		b := onnx.NewBuilder(outlined(trunk.features()))
		trunk.Taps(b, b.Input("x", 1, 3, trunk.MinSide, trunk.MinSide), nil)
		if b.Err() == nil {
			t.Errorf("%s: %d pixels are enough", trunk.Name, trunk.MinSide)
		}
	}
}

// TestTrunkPieces: what is prepared is what the network asks for, and what is wrong
// with a file is said by name.
func TestTrunkPieces(t *testing.T) {
	trunk := AlexNet()
	official := outlined(trunk.Inventory())
	pieces, err := trunk.Pieces(official, nn.Float32)
	if err != nil || len(pieces) != 10 || pieces[0].Name != "features.0.weight" {
		t.Fatalf("%d pieces, %v", len(pieces), err)
	}
	for _, p := range pieces {
		raw, err := p.Make()
		if err != nil || len(raw) != 4*volume(p.Shape) {
			t.Errorf("%s: %d bytes, %v", p.Name, len(raw), err)
		}
	}
	bare := outlined(trunk.features())
	if _, err := trunk.Pieces(bare, nn.Float32); err != nil {
		t.Errorf("without a classifier: %v", err)
	}
	for _, c := range []struct {
		what  string
		spoil func(outline)
		says  []string
	}{
		{"missing", func(o outline) { delete(o, "features.6.bias") }, []string{"1 tensors missing", `"features.6.bias" [384]`}},
		{"shape", func(o outline) { o["features.3.weight"] = []int{192, 64, 3, 3} }, []string{"of another shape", "[192 64 3 3], want [192 64 5 5]"}},
		{"spare", func(o outline) { o["features.1.weight"] = []int{64} }, []string{"without use", `"features.1.weight"`}},
		{"another network", func(o outline) { clear(o); maps.Copy(o, outlined(VGG16().Inventory())) }, []string{"does not hold alexnet"}},
	} {
		o := maps.Clone(official)
		c.spoil(o)
		_, err := trunk.Pieces(o, nn.Float32)
		if !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v", c.what, err)
		}
		for _, s := range c.says {
			if !strings.Contains(fmt.Sprint(err), s) {
				t.Errorf("%s: %v does not say %q", c.what, err, s)
			}
		}
	}
}

func TestVGG16FC2(t *testing.T) {
	n := VGG16FC2{}
	pieces, err := n.Pieces(outlined(VGG16().Inventory()))
	if err != nil || len(pieces) != 2*13+4 {
		t.Fatalf("%d pieces, %v", len(pieces), err)
	}
	if got := n.Flops() / 2e9; math.Abs(got-(15.47-0.004)) > 0.006 { // all but the last layer
		t.Errorf("%.3f billion multiplications", got)
	}
	prepared := outline{}
	for _, p := range pieces {
		prepared[p.Name] = p.Shape
	}
	delete(prepared, "classifier.3.bias")
	if _, err := n.Pieces(prepared); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "classifier.3.bias") {
		t.Errorf("without a bias: %v", err)
	}
	if _, err := n.Graph(prepared, nn.Int8); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("int8: %v", err)
	}
	if _, err := n.Graph(prepared, nn.Float32); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "classifier.3.bias") {
		t.Errorf("a graph without a bias: %v", err)
	}
}

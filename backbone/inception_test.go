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

// shapes is a checkpoint of which only names and shapes can be had, and the values
// given.
type shapes struct {
	of     map[string][]int
	values map[string][]float32
}

func (s shapes) Names() []string { return slices.Sorted(maps.Keys(s.of)) }

func (s shapes) Shape(name string) ([]int, bool) { shape, ok := s.of[name]; return shape, ok }

func (s shapes) Float32(name string) ([]float32, error) {
	if v, ok := s.values[name]; ok {
		return slices.Clone(v), nil
	}
	return nil, fmt.Errorf("%s: no values", name)
}

func inceptionShapes() shapes {
	s := shapes{map[string][]int{}, map[string][]float32{}}
	for _, t := range (Inception{}).Inventory() {
		s.of[t.Name] = t.Shape
	}
	return s
}

// TestInceptionInventory: the published file has 472 tensors of 23,885,392 floats,
// and an integer for each batch norm.
func TestInceptionInventory(t *testing.T) {
	floats, values, counts := 0, int64(0), 0
	seen := map[string]bool{}
	for _, s := range (Inception{}).Inventory() {
		if seen[s.Name] {
			t.Errorf("two tensors %s", s.Name)
		}
		seen[s.Name] = true
		if s.DType == "int64" {
			counts++
			continue
		}
		floats, values = floats+1, values+s.Elements()
		if least := s.Init.Mean - 3.47*s.Init.Scale; strings.HasSuffix(s.Name, "running_var") && least <= 0 {
			t.Errorf("%s: synthetic variances go down to %g", s.Name, least)
		}
	}
	if floats != 472 || values != 23_885_392 || counts != 94 {
		t.Errorf("%d float tensors of %d values and %d counts, want 472 of 23885392 and 94", floats, values, counts)
	}
	// Names and shapes that pytorch-fid's issues and code quote.
	for name, shape := range map[string][]int{
		"Conv2d_4a_3x3.conv.weight": {192, 80, 3, 3}, "Mixed_6c.branch7x7dbl_4.conv.weight": {160, 160, 7, 1},
		"Mixed_6e.branch7x7_2.conv.weight": {192, 192, 1, 7}, "Mixed_7b.branch_pool.conv.weight": {192, 1280, 1, 1},
		"Mixed_7c.branch3x3dbl_3b.conv.weight": {384, 384, 3, 1}, "fc.weight": {1008, 2048},
	} {
		if got, ok := inceptionShapes().Shape(name); !ok || !slices.Equal(got, shape) {
			t.Errorf("%s is %v, want %v", name, got, shape)
		}
	}
}

// TestInceptionFlops: torchvision's table gives its Inception-v3, whose
// convolutions are the same, 5.71 GFLOPs (multiply-adds) with a classifier of 1000.
func TestInceptionFlops(t *testing.T) {
	all := Inception{InceptionPool}.Flops()
	if got := math.Round((all/2+2048*1000)/1e7) / 100; got != 5.71 {
		t.Errorf("%.4f GMAC with a classifier, torchvision says 5.71", got)
	}
	last := 0.0
	for _, tap := range []InceptionTap{Inception6a, Inception6d, Inception6e, InceptionPool} {
		got := Inception{tap}.Flops()
		if got <= last {
			t.Errorf("%s takes %.2f GFLOP, no more than what lies before it", tap, got/1e9)
		}
		last = got
	}
}

// TestInceptionFolds: a convolution and its batch norm become a convolution with a
// bias, in float64.
func TestInceptionFolds(t *testing.T) {
	src := inceptionShapes()
	c := normedConv{name: "Mixed_5b.branch_pool", in: 192, out: 32, kernel: [2]int{1, 1}, stride: 1}
	n := 0
	value := func(scale, mean float64) float32 { n++; return float32(mean + scale*math.Sin(float64(n)*1.7)) }
	for _, p := range []struct {
		part        string
		size        int
		scale, mean float64
	}{{".conv.weight", 32 * 192, 0.2, 0}, {".bn.weight", 32, 0.3, 1}, {".bn.bias", 32, 0.5, 0}, {normMean, 32, 2, 1}, {normVar, 32, 0.01, 0.0101}} {
		v := make([]float32, p.size)
		for i := range v {
			v[i] = value(p.scale, p.mean)
		}
		src.values[c.name+p.part] = v
	}
	pieces, err := Inception{}.Pieces(src)
	if err != nil {
		t.Fatal(err)
	}
	made := map[string][]float32{}
	for _, p := range pieces {
		if raw, err := p.Make(); err == nil {
			made[p.Name] = fromBytes(raw)
		} else if strings.HasPrefix(p.Name, c.name) {
			t.Error(err)
		}
	}
	if len(pieces) != 2*94 {
		t.Errorf("%d pieces, want 188", len(pieces))
	}
	at := func(part string, i int) float64 { return float64(src.values[c.name+part][i]) }
	for o := range 32 {
		scale := at(".bn.weight", o) / math.Sqrt(at(normVar, o)+0.001)
		if got, want := made[c.name+".bias"][o], at(".bn.bias", o)-at(normMean, o)*scale; math.Abs(float64(got)-want) > 1e-7*(1+math.Abs(want)) {
			t.Errorf("bias %d is %g, want %g", o, got, want)
		}
		for i := range 192 {
			want := at(".conv.weight", o*192+i) * scale
			if got := made[c.name+".weight"][o*192+i]; math.Abs(float64(got)-want) > 1e-7*math.Abs(want) {
				t.Fatalf("weight %d, %d is %g, want %g", o, i, got, want)
			}
		}
	}
	for _, bad := range []float32{-0.002, float32(math.NaN())} {
		src.values[c.name+normVar][3] = bad
		if _, _, err := c.folded(src); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(fmt.Sprint(err), "running_var") {
			t.Errorf("variance %v: %v", bad, err)
		}
	}
}

func fromBytes(raw []byte) []float32 {
	out := make([]float32, len(raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(uint32(raw[4*i]) | uint32(raw[4*i+1])<<8 | uint32(raw[4*i+2])<<16 | uint32(raw[4*i+3])<<24)
	}
	return out
}

// TestInceptionRefuses names what is wrong with a checkpoint; counts may be missing.
func TestInceptionRefuses(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(map[string][]int)
		says   []string
	}{
		{"missing", func(of map[string][]int) { delete(of, "Mixed_6d.branch1x1.bn.running_mean") },
			[]string{"1 tensors missing", `"Mixed_6d.branch1x1.bn.running_mean" [192]`}},
		{"another shape", func(of map[string][]int) { of["Mixed_6b.branch7x7_2.conv.weight"] = []int{128, 128, 7, 1} },
			[]string{"of another shape", `"Mixed_6b.branch7x7_2.conv.weight" is [128 128 7 1], want [128 128 1 7]`}},
		{"torchvision's", func(of map[string][]int) {
			of["fc.weight"], of["fc.bias"] = []int{1000, 2048}, []int{1000}
			of["AuxLogits.conv0.conv.weight"] = []int{128, 768, 1, 1}
		}, []string{`"fc.weight" is [1000 2048], want [1008 2048]`, "without use", "AuxLogits.conv0.conv.weight"}},
		{"no tensors", func(of map[string][]int) { clear(of) }, []string{"472 tensors missing", "and 464 more"}},
	} {
		src := inceptionShapes()
		c.change(src.of)
		_, err := Inception{}.Pieces(src)
		if !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v", c.what, err)
		}
		for _, s := range c.says {
			if !strings.Contains(fmt.Sprint(err), s) {
				t.Errorf("%s: %v does not say %q", c.what, err, s)
			}
		}
	}
	src := inceptionShapes()
	for name := range src.of {
		if strings.HasSuffix(name, normCount) {
			delete(src.of, name)
		}
	}
	if _, err := (Inception{}).Pieces(src); err != nil {
		t.Errorf("a file of before PyTorch 0.4.1: %v", err)
	}
}

// TestInceptionGraph: the graph gives what Shape says at every tap, on a prepared
// file that has all of the network, and stops at the tap.
func TestInceptionGraph(t *testing.T) {
	w := memory{}
	for _, c := range inceptionConvs() {
		w[c.name+".weight"], w[c.name+".bias"] = synthetic(1, 0.05, c.shape()...), synthetic(2, 0.05, c.out)
	}
	x := synthetic(3, 1, 1, 3, 299, 299)
	for _, tap := range []InceptionTap{Inception6a, InceptionPool} {
		n := Inception{tap}
		m, err := n.Graph(w, nn.Float32)
		if err != nil {
			t.Fatal(err)
		}
		got, err := openSession(t, m).Run(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || !slices.Equal(got[0].Shape, n.Shape()) {
			t.Errorf("%s gives %v, want %v", tap, got[0].Shape, n.Shape())
		}
	}
	if _, err := (Inception{InceptionPool}).Graph(w, nn.Int8); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("int8: %v", err)
	}
	if _, err := (Inception{"Mixed_5b"}).Graph(w, nn.Float32); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(fmt.Sprint(err), "Mixed_6e") {
		t.Errorf("a tap that is none: %v", err)
	}
	w["spare"] = onnx.Tensor{Shape: []int{1}, Data: []float32{1}}
	if _, err := (Inception{Inception6a}).Graph(w, nn.Float32); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(fmt.Sprint(err), "spare") {
		t.Errorf("a tensor too many: %v", err)
	}
	delete(w, "spare")
	delete(w, "Mixed_5c.branch5x5_2.bias")
	if _, err := (Inception{Inception6a}).Graph(w, nn.Float32); err == nil || !strings.Contains(err.Error(), "Mixed_5c.branch5x5_2.bias") {
		t.Errorf("a tensor too few: %v", err)
	}
}

var _ Source = (*weights.Checkpoint)(nil)

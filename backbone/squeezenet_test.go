package backbone

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/ort"
)

// openSession prepares a graph to run. Without the library the test is skipped,
// or fails if ASSAY_TEST_REQUIRE lists ort.
func openSession(t testing.TB, m *onnx.Model, options ...ort.SessionOptions) *ort.Session {
	t.Helper()
	var opt ort.SessionOptions
	if len(options) > 0 {
		opt = options[0]
	}
	lib, err := ort.Find(context.Background(), ort.FindOptions{})
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), "ort") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	rt, err := ort.Open(lib)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close() })
	s, err := rt.OpenSession(t.Context(), m, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// memory is a checkpoint without a file.
type memory map[string]onnx.Tensor

func (w memory) Names() []string { return slices.Sorted(maps.Keys(w)) }

func (w memory) Shape(name string) ([]int, bool) { t, ok := w[name]; return t.Shape, ok }

func (w memory) Place(name string) (file string, offset, length int64, dtype string) {
	return "", 0, int64(4 * len(w[name].Data)), "float32"
}

func (w memory) Bytes(name string) ([]byte, error) {
	var raw []byte
	for _, v := range w[name].Data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return raw, nil
}

// synthetic returns a tensor of values in [−scale, scale] by the formula of
// reference/backbone_squeezenet.py.
func synthetic(number int, scale float64, shape ...int) onnx.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	t := onnx.Tensor{Shape: shape, Data: make([]float32, n)}
	for k := range t.Data {
		t.Data[k] = float32((float64((k*7919+number*104729)%2003)/1001 - 1) * scale)
	}
	return t
}

// squeezeNetWeights returns a synthetic checkpoint with torchvision's names.
func squeezeNetWeights() memory {
	shapes := map[string][]int{"0.weight": {64, 3, 3, 3}, "0.bias": {64}}
	for _, f := range squeezeNet11 {
		p := fmt.Sprintf("%d.", f.index)
		half := f.out / 2
		shapes[p+"squeeze.weight"], shapes[p+"squeeze.bias"] = []int{f.narrow, f.in, 1, 1}, []int{f.narrow}
		shapes[p+"expand1x1.weight"], shapes[p+"expand1x1.bias"] = []int{half, f.narrow, 1, 1}, []int{half}
		shapes[p+"expand3x3.weight"], shapes[p+"expand3x3.bias"] = []int{half, f.narrow, 3, 3}, []int{half}
	}
	w := memory{}
	for number, name := range slices.Sorted(maps.Keys(shapes)) {
		s, scale := shapes[name], 0.1
		if len(s) == 4 {
			scale = math.Sqrt(6 / float64(s[1]*s[2]*s[3]))
		}
		w["features."+name] = synthetic(number, scale, s...)
	}
	return w
}

// TestSqueezeNet11 compares every tap with torchvision. Features are of the
// order of 1; the tolerance is for float32 sums in another order through 26
// convolutions.
func TestSqueezeNet11(t *testing.T) {
	const tol = 1e-5
	data, err := os.ReadFile("testdata/squeezenet.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			Height, Width int
			Taps          []struct {
				Index        int
				Shape, At    []int
				Sum, Squares float64
				Values       []float64
			}
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	b := onnx.NewBuilder(squeezeNetWeights())
	taps := SqueezeNet11(b, SqueezeNetKeys(""), b.Input("x", 1, 3, onnx.Dynamic, onnx.Dynamic))
	for _, tap := range taps {
		b.Output(fmt.Sprint(tap.Index), tap.Value)
	}
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Unused) > 0 {
		t.Errorf("tensors without use: %q", m.Unused)
	}
	s := openSession(t, m)
	worst := 0.0
	for _, c := range golden.Cases {
		out, err := s.Run(t.Context(), synthetic(500, 2, 1, 3, c.Height, c.Width))
		if err != nil {
			t.Fatal(err)
		}
		if len(out) != len(c.Taps) {
			t.Fatalf("%d taps, want %d", len(out), len(c.Taps))
		}
		for i, want := range c.Taps {
			what := fmt.Sprintf("%d×%d, layer %d", c.Height, c.Width, want.Index)
			if !slices.Equal(out[i].Shape, want.Shape) || taps[i].Index != want.Index || taps[i].Channels != want.Shape[1] {
				t.Fatalf("%s: layer %d of shape %v, want %v", what, taps[i].Index, out[i].Shape, want.Shape)
			}
			var sum, squares float64
			for _, v := range out[i].Data {
				if v < 0 {
					t.Fatalf("%s: %g after a ReLU", what, v)
				}
				sum += float64(v)
				squares += float64(v) * float64(v)
			}
			check := func(what string, got, want, scale float64) {
				t.Helper()
				d := math.Abs(got-want) / scale
				if !(d <= tol) {
					t.Errorf("%s: %g, want %g", what, got, want)
				}
				worst = max(worst, d)
			}
			check(what+", sum", sum, want.Sum, want.Sum)
			check(what+", squares", squares, want.Squares, want.Squares)
			for j, at := range want.At {
				check(fmt.Sprintf("%s, element %d", what, at), float64(out[i].Data[at]), want.Values[j], 1)
			}
		}
	}
	t.Logf("worst difference %.2g", worst)
}

func TestSqueezeNet11TooSmall(t *testing.T) {
	for _, size := range [][2]int{{16, 64}, {64, 16}} {
		b := onnx.NewBuilder(squeezeNetWeights())
		SqueezeNet11(b, SqueezeNetKeys(""), b.Input("x", 1, 3, size[0], size[1]))
		if b.Err() == nil || !strings.Contains(b.Err().Error(), "17 pixels") {
			t.Errorf("%v: error %v", size, b.Err())
		}
	}
	b := onnx.NewBuilder(squeezeNetWeights())
	taps := SqueezeNet11(b, SqueezeNetKeys(""), b.Input("x", 1, 3, SqueezeNetMin, SqueezeNetMin))
	if last := taps[len(taps)-1].Value.Shape(); b.Err() != nil || !slices.Equal(last, []int{1, 512, 1, 1}) {
		t.Errorf("the smallest input gives %v, %v", last, b.Err())
	}
}

func TestSqueezeNetKeys(t *testing.T) {
	var got []string
	for _, i := range []int{0, 3, 4, 6, 7, 9, 10, 11, 12} {
		got = append(got, LPIPSSqueezeKeys(i))
	}
	want := strings.Fields("net.slice1.0 net.slice2.3 net.slice2.4 net.slice3.6 net.slice3.7 net.slice4.9 net.slice5.10 net.slice6.11 net.slice7.12")
	if !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
	if got := SqueezeNetKeys("trunk.")(3); got != "trunk.features.3" {
		t.Errorf("torchvision's name is %q", got)
	}
}

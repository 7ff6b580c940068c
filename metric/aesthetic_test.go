package metric

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/weights"
)

// clipVector reads one of the authors' real CLIP embeddings: a .npy of one row
// of float32.
func clipVector(t testing.TB, tower string, rating int) []float32 {
	t.Helper()
	data, err := os.ReadFile(lpipsData(t, fmt.Sprintf("weights/clip_heads_and_vectors/laion/%s_embeddings/rating%d.npy", tower, rating)))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(data, []byte("\x93NUMPY\x01\x00")) {
		t.Fatal("not a .npy of version 1")
	}
	raw := data[10+int(binary.LittleEndian.Uint16(data[8:])):]
	v := make([]float32, len(raw)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return v
}

func headFile(t testing.TB, name string) *weights.Checkpoint {
	t.Helper()
	c, err := weights.Open(lpipsData(t, "weights/clip_heads_and_vectors/"+name), weights.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// The published values of LAION's heads on the vectors that the repository
// ships, which the specification repeats to seven digits.
var laionRatings = map[string][10]float64{
	"l14": {-2.4579086, -0.1378579, 1.8951100, 3.5849338, 5.0997257, 6.4701033, 7.7869897, 9.0480013, 10.2264061, 11.3044262},
	"b32": {-1.4699523, 0.2727947, 1.9900193, 3.6114173, 5.0874405, 6.3925514, 7.6681643, 8.9154520, 9.9166059, 11.0055761},
}

// The values that the data's own notes state of SAC's linear layer on vectors of
// length 1; the authors feed it vectors of length √d.
var sacUnitRatings = [10]float64{2.249, 2.293, 2.336, 2.381, 2.425, 2.458, 2.489, 2.520, 2.541, 2.565}

// TestHeadsOnRealVectors: twenty real CLIP embeddings against published values
// and against the authors' heads in PyTorch (reference/metric_heads.py).
func TestHeadsOnRealVectors(t *testing.T) {
	var want map[string][]float64
	data, err := os.ReadFile("testdata/heads.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	for short, long := range map[string]string{"b32": "vit_b_32", "l14": "vit_l_14"} {
		dim := clipTowers()[short].dim()
		laion, err := laionV1Head(headFile(t, "laion/sa_0_4_"+long+"_linear.pth"), dim)
		if err != nil {
			t.Fatal(err)
		}
		sac, err := sacHead(headFile(t, "sac/sac_public_2022_06_29_"+long+"_linear.pth"), dim)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			v := clipVector(t, long, i)
			near(t, fmt.Sprintf("LAION %s of rating %d", short, i), laion.of(v), laionRatings[short][i], 5e-6) // sums in float32
			for j := range v {
				v[j] *= 7 // neither head may depend on the length
			}
			near(t, fmt.Sprintf("LAION %s, PyTorch, rating %d", short, i), laion.of(v), want["laion-aes-v1-"+short][i], 1e-5)
			near(t, fmt.Sprintf("SAC %s, PyTorch, rating %d", short, i), sac.of(v), want["sac-"+short][i], 1e-5)
			if short == "b32" {
				atUnit := (sac.of(v)-sac.bias)/math.Sqrt(float64(dim)) + sac.bias
				near(t, fmt.Sprintf("SAC at length 1, rating %d", i), atUnit, sacUnitRatings[i], 6e-4)
			}
		}
	}
}

// TestHeadsOnMadeVectors: the specification's values of each head on vectors
// that are formulas.
func TestHeadsOnMadeVectors(t *testing.T) {
	made := func(dim int, at func(i int) float64) []float32 {
		v := make([]float32, dim)
		for i := range v {
			v[i] = float32(at(i))
		}
		return v
	}
	for short, c := range map[string]struct {
		file                       string
		zero, ones, ramp, cos, one float64
	}{
		"l14": {"sa_0_4_vit_l_14_linear.pth", 3.5293717, 1.5131297, 0.9780496, 2.1072683, 5.4020922},
		"b32": {"sa_0_4_vit_b_32_linear.pth", 3.4214709, 3.9081633, 5.1179106, 2.9718705, 4.6295505},
		"b16": {"sa_0_4_vit_b_16_linear.pth", 3.1506021, 1.2578493, 1.7987428, 1.8631995, 3.8408904},
	} {
		dim := clipTowers()[short].dim()
		h, err := laionV1Head(headFile(t, "laion/"+c.file), dim)
		if err != nil {
			t.Fatal(err)
		}
		near(t, short+" bias", h.bias, c.zero, 1e-6)
		near(t, short+" ones", h.of(made(dim, func(int) float64 { return 1 })), c.ones, 1e-6)
		near(t, short+" ramp", h.of(made(dim, func(i int) float64 { return float64(i + 1) })), c.ramp, 1e-6)
		near(t, short+" cos", h.of(made(dim, func(i int) float64 { return math.Cos(float64(i)) })), c.cos, 1e-6)
		near(t, short+" e0", h.of(made(dim, func(i int) float64 { return max(0, 1-float64(i)) })), c.one, 1e-6)
	}
}

// tensorsFile writes float32 tensors as a safetensors file and opens it. Values
// are f(tensor's number in the list, index).
func tensorsFile(t testing.TB, meta map[string]string, f func(n, i int) float32, specs ...weights.TensorSpec) *weights.Checkpoint {
	t.Helper()
	c, err := weights.Open(writeTensors(t, meta, f, specs...), weights.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func writeTensors(t testing.TB, meta map[string]string, f func(n, i int) float32, specs ...weights.TensorSpec) string {
	t.Helper()
	var pieces []weights.Piece
	for n, s := range specs {
		pieces = append(pieces, weights.Piece{Name: s.Name, Shape: s.Shape, DType: "float32", Make: func() ([]byte, error) {
			v := make([]float32, s.Elements())
			for i := range v {
				v[i] = f(n, i)
			}
			return weights.Float32Bytes(v), nil
		}})
	}
	path := filepath.Join(t.TempDir(), "tensors.safetensors")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(weights.WriteSafetensors(t.Context(), file, pieces, meta), file.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func layerSpecs(keys []int, widths []int) []weights.TensorSpec {
	var specs []weights.TensorSpec
	for i, k := range keys {
		specs = append(specs, weights.TensorSpec{Name: fmt.Sprintf("layers.%d.weight", k), Shape: []int{widths[i+1], widths[i]}},
			weights.TensorSpec{Name: fmt.Sprintf("layers.%d.bias", k), Shape: []int{widths[i+1]}})
	}
	return specs
}

// wave is smooth made-up weights, small enough for five layers.
func wave(n, i int) float32 { return float32(0.1 * math.Sin(float64(n+1)*1.7+float64(i)*0.37)) }

// TestFoldedHead: the one affine function is the five layers one after the other.
func TestFoldedHead(t *testing.T) {
	keys, widths := []int{0, 2, 4, 6, 7}, []int{768, 1024, 128, 64, 16, 1}
	h, err := laionV2Head(tensorsFile(t, nil, wave, layerSpecs(keys, widths)...), 768)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, 768)
	for i := range v {
		v[i] = float32(math.Cos(float64(i)*0.9) + 0.2)
	}
	x := unit(v)
	for l := range keys {
		y := make([]float64, widths[l+1])
		for o := range y {
			y[o] = float64(wave(2*l+1, o))
			for i, c := range x {
				y[o] += float64(wave(2*l, o*len(x)+i)) * c
			}
		}
		x = y
	}
	near(t, "five layers", h.of(v), x[0], 1e-9*math.Max(1, math.Abs(x[0])))
	if math.Abs(x[0]-float64(wave(9, 0))) < 1e-6 {
		t.Fatal("the made-up head does not depend on its input")
	}
}

// TestHeadsAreRefused: the wrong variant, another tower's, damaged and strange
// files are told from the right one, with a reason.
func TestHeadsAreRefused(t *testing.T) {
	right, widths := []int{0, 2, 4, 6, 7}, []int{8, 6, 5, 4, 3, 1}
	nan := func(int, int) float32 { return float32(math.NaN()) }
	linear := []weights.TensorSpec{{Name: "weight", Shape: []int{1, 8}}, {Name: "bias", Shape: []int{1}}}
	for name, c := range map[string]struct {
		head func(*weights.Checkpoint, int) (affineHead, error)
		file *weights.Checkpoint
		dim  int
		want string
	}{
		"ReLU variant":     {laionV2Head, tensorsFile(t, nil, wave, layerSpecs([]int{0, 3, 6, 9, 11}, widths)...), 8, "ReLU between the layers"},
		"V1 as V2":         {laionV2Head, tensorsFile(t, nil, wave, linear...), 8, "layers.7.weight"},
		"V2 as V1":         {laionV1Head, tensorsFile(t, nil, wave, layerSpecs(right, widths)...), 8, "missing"},
		"another tower":    {laionV1Head, tensorsFile(t, nil, wave, linear...), 12, "another tower"},
		"LAION's as SAC's": {sacHead, tensorsFile(t, nil, wave, linear...), 8, "linear.weight"},
		"spare tensor":     {laionV1Head, tensorsFile(t, nil, wave, append(linear, weights.TensorSpec{Name: "more", Shape: []int{1}})...), 8, "3 tensors"},
		"not a number":     {laionV1Head, tensorsFile(t, nil, nan, linear...), 8, "NaN"},
		"two outputs": {laionV1Head, tensorsFile(t, nil, wave, weights.TensorSpec{Name: "weight", Shape: []int{2, 8}},
			weights.TensorSpec{Name: "bias", Shape: []int{2}}), 8, "[1, n]"},
		"layers that do not meet": {laionV2Head, tensorsFile(t, nil, wave, append(layerSpecs(right[:4], []int{8, 6, 5, 4, 2}),
			layerSpecs(right[4:], []int{3, 1})...)...), 8, "layers.6.weight"},
	} {
		_, err := c.head(c.file, c.dim)
		if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

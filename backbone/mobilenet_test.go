package backbone

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gemm"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/ort"
	"github.com/gen-emerge/assay/weights"
)

// A kerasFile is a checkpoint in memory.
type kerasFile struct{ memory }

func (f kerasFile) Float32(name string) ([]float32, error) {
	return slices.Clone(f.memory[name].Data), nil
}

// kerasMemory is a synthetic checkpoint of NIMA in Keras' names.
func kerasMemory(t *testing.T) memory {
	t.Helper()
	w := memory{}
	for _, s := range NIMA("test", Keras21).Inventory() {
		raw, err := weights.Synthesize(7, s)
		if err != nil {
			t.Fatal(err)
		}
		values := make([]float32, len(raw)/4)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		w[s.Name] = onnx.Tensor{Shape: s.Shape, Data: values}
	}
	return w
}

// TestNIMAInventory counts what idealo's own export has: 137 tensors of 3,239,114
// values.
func TestNIMAInventory(t *testing.T) {
	m, total := NIMA("nima", Keras21), int64(0)
	list := m.Inventory()
	layers := m.KerasLayers()
	for _, s := range list {
		total += s.Elements()
		if layer, _, _ := strings.Cut(s.Name, "/"); !slices.Contains(layers, layer) {
			t.Errorf("%s is of no layer of the model", s.Name)
		}
	}
	if len(list) != 137 || total != 3_239_114 {
		t.Errorf("%d tensors of %d values, want 137 of 3,239,114", len(list), total)
	}
	// Keras 2.1's MobileNet without its top has 95 layers after the input and the
	// pads: 27 convolutions with norm and activation, and the pads of 14.
	if len(layers) != 1+27*3+14+3 {
		t.Errorf("%d layers", len(layers))
	}
}

// The paper gives 569 million multiplications and additions at 224×224 with 1000
// classes.
func TestMobileNetFlops(t *testing.T) {
	m := MobileNet{Name: "imagenet", Size: 224, Classes: 1000, Padding: TF2}
	if got := math.Round(m.Flops() / 2e6); got != 569 {
		t.Errorf("%.1f million multiply-adds, the paper says 569", m.Flops()/2e6)
	}
}

// TestNIMAFolds compares the prepared convolutions with the formula, and the names
// that Keras gives in other sessions and versions with those it gave idealo.
func TestNIMAFolds(t *testing.T) {
	src := kerasMemory(t)
	want := pieceBytes(t, kerasFile{src})
	renamed := memory{}
	for name, v := range src {
		parts := strings.Split(name, "/")
		switch {
		case strings.HasPrefix(name, "dense_1"):
			parts[0], parts[1] = "dense_7", "dense_7"
		case strings.HasPrefix(name, "conv_dw"): // Keras 3
			parts[len(parts)-1] = strings.Replace(parts[len(parts)-1], "depthwise_kernel:0", "kernel", 1)
		default: // built after another model in one session
			parts[1] += "_1"
		}
		renamed[strings.Join(parts, "/")] = v
	}
	if got := pieceBytes(t, kerasFile{renamed}); !maps.EqualFunc(got, want, slices.Equal) {
		t.Error("other names give another file")
	}
	for layer, c := range map[string]struct {
		name    string
		in, out int
		alone   bool
	}{"conv1": {"first", 3, 32, false}, "conv_dw_12": {"deep.12", 512, 512, true}, "conv_pw_5": {"wide.5", 256, 256, false}} {
		kernel, places := layer+"/"+layer+"/kernel:0", 9
		if c.alone {
			kernel = layer + "/" + layer + "/depthwise_kernel:0"
		}
		if strings.HasPrefix(layer, "conv_pw") {
			places = 1
		}
		norm := func(w string, o int) float64 {
			return float64(src[layer+"_bn/"+layer+"_bn/"+w+":0"].Data[o])
		}
		ins := c.in
		if c.alone {
			ins = 1
		}
		for o := range c.out {
			scale := norm("gamma", o) / math.Sqrt(norm("moving_variance", o)+1e-3)
			mobileNear(t, c.name+".bias", want[c.name+".bias"][o], norm("beta", o)-norm("moving_mean", o)*scale)
			for i := range ins {
				for p := range places {
					at := (p*c.in+i)*c.out + o // [place, in, out]
					if c.alone {
						at = p*c.in + o // [place, channel, 1]
					}
					mobileNear(t, c.name+".weight", want[c.name+".weight"][(o*ins+i)*places+p], float64(src[kernel].Data[at])*scale)
				}
			}
		}
	}
}

func mobileNear(t *testing.T, what string, got float32, want float64) {
	t.Helper()
	if !(math.Abs(float64(got)-want) <= 1e-7*max(1, math.Abs(want))) {
		t.Fatalf("%s: %g, want %g", what, got, want)
	}
}

// TestNIMAPacked: the network by our own operator gives what it gives by the
// library's, with both paddings, and the weights keep their identity.
func TestNIMAPacked(t *testing.T) {
	if !gemm.Supported() {
		t.Skip("this processor cannot run packed products")
	}
	src := kerasFile{kerasMemory(t)}
	x := synthetic(3, 1, 1, 3, 224, 224)
	var shares [2][]float32
	for i, padding := range []Padding{Keras21, TF2} {
		m := NIMA("test", padding)
		var results [][]float32
		for _, p := range []nn.Precision{nn.Float32, nn.Packed} {
			list, err := m.Pieces(src, p)
			if err != nil {
				t.Fatal(err)
			}
			g, err := m.Graph(open(t, written(t, list), ""), p)
			if err != nil {
				t.Fatal(err)
			}
			y, err := openSession(t, g, ort.SessionOptions{Threads: 1 + i}).Run(t.Context(), x)
			if err != nil {
				t.Fatal(err)
			}
			results = append(results, y[0].Data)
		}
		for k, v := range results[0] {
			if !(math.Abs(float64(v-results[1][k])) <= 5e-6) {
				t.Errorf("%s: share %d is %g, the library's operators give %g", padding, k, results[1][k], v)
			}
		}
		shares[i] = results[1]
	}
	plain, err := NIMA("test", TF2).Pieces(src, nn.Float32)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := NIMA("test", TF2).Pieces(src, nn.Packed)
	if err != nil {
		t.Fatal(err)
	}
	sameForms(t, packed, plain)
	if slices.Equal(shares[0], shares[1]) {
		t.Error("both paddings give the same shares")
	}
}

// written returns a file of the pieces.
func written(t *testing.T, list []weights.Piece) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "made.safetensors")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(weights.WriteSafetensors(t.Context(), f, list, nil), f.Close()); err != nil {
		t.Fatal(err)
	}
	return file
}

// sameForms checks that the packed pieces are forms of the plain ones, so that
// digests are the same.
func sameForms(t *testing.T, packed, plain []weights.Piece) {
	t.Helper()
	if len(packed) != len(plain) {
		t.Fatalf("%d pieces packed, %d plain", len(packed), len(plain))
	}
	for i, p := range packed {
		if p.Of != nil {
			p = *p.Of
		}
		a, errA := p.Make()
		b, errB := plain[i].Make()
		if errA != nil || errB != nil || p.Name != plain[i].Name || !bytes.Equal(a, b) {
			t.Errorf("%s is not a form of %s", p.Name, plain[i].Name)
		}
	}
}

// pieceBytes makes every piece.
func pieceBytes(t *testing.T, src Source) map[string][]float32 {
	t.Helper()
	pieces, err := NIMA("test", Keras21).Pieces(src, nn.Float32)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]float32{}
	for _, p := range pieces {
		raw, err := p.Make()
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(raw); i += 4 {
			out[p.Name] = append(out[p.Name], math.Float32frombits(binary.LittleEndian.Uint32(raw[i:])))
		}
	}
	return out
}

// TestNIMARefuses: a file that is not NIMA's is told from it by name.
func TestNIMARefuses(t *testing.T) {
	for want, change := range map[string]func(memory){
		`missing: "conv_dw_3/…/depthwise_kernel:0" [3 3 128 1]`: func(w memory) { delete(w, "conv_dw_3/conv_dw_3/depthwise_kernel:0") },
		`"conv1/conv1/kernel:0" is [3 3 3 24], want [3 3 3 32]`: func(w memory) {
			w["conv1/conv1/kernel:0"] = onnx.Tensor{Shape: []int{3, 3, 3, 24}, Data: make([]float32, 648)}
		},
		`without use: "conv_preds/conv_preds/bias:0"`: func(w memory) { w["conv_preds/conv_preds/bias:0"] = onnx.Tensor{Shape: []int{1000}} },
		`missing: "dense_1/…/kernel:0" [1024 10]`:     func(w memory) { delete(w, "dense_1/dense_1/kernel:0") },
		`without use: "kernel"`:                       func(w memory) { w["kernel"] = onnx.Tensor{Shape: []int{1}} },
		`there twice: `:                               func(w memory) { w["conv1/again/kernel:0"] = w["conv1/conv1/kernel:0"] },
	} {
		src := kerasMemory(t)
		change(src)
		if _, err := NIMA("nima", Keras21).Pieces(kerasFile{src}, nn.Float32); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	src := kerasMemory(t)
	src["conv1_bn/conv1_bn/moving_variance:0"].Data[3] = -0.5
	pieces, err := NIMA("nima", Keras21).Pieces(kerasFile{src}, nn.Float32)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pieces[0].Make(); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "value 3 is -0.5") {
		t.Errorf("a negative variance: %v", err)
	}
	for _, m := range []MobileNet{{Size: 224, Classes: 10}, {Size: 225, Classes: 10, Padding: TF2}, {Size: 224, Padding: TF2}} {
		if _, err := m.Graph(memory{}, nn.Float32); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%+v: %v", m, err)
		}
		if _, err := m.Pieces(kerasFile{src}, nn.Float32); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%+v: %v", m, err)
		}
	}
	if _, err := NIMA("nima", TF2).Graph(memory{}, nn.Int8); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "float32") {
		t.Errorf("int8: %v", err)
	}
}

package backbone

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gemm"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
)

// smallTrunk is a VGG of few channels with every kind of convolution that
// [Trunk.PackedTaps] tells apart: of planes, Winograd's, and neither.
func smallTrunk() Trunk {
	conv := func(index, in, out int) trunkLayer {
		return trunkLayer{index: index, conv: nn.Conv{In: in, Out: out, Kernel: 3, Pad: 1}}
	}
	return Trunk{Name: "small", MinSide: 4, taps: []int{3, 6, 11}, layers: []trunkLayer{
		conv(0, 3, 16), conv(2, 16, 32), {index: 4, pool: 2}, conv(5, 32, 20), {index: 7, pool: 2}, conv(8, 20, 48), conv(10, 48, 16),
	}}
}

// TestPackedTaps: the taps of our own operators are those of the library's, at odd
// sizes too, and the weights keep their identity.
func TestPackedTaps(t *testing.T) {
	if !gemm.Supported() {
		t.Skip("this processor cannot run packed products")
	}
	trunk, src := smallTrunk(), memory{}
	for i, s := range trunk.features() {
		src[s.Name] = synthetic(i+1, 0.3, s.Shape...)
	}
	files := map[nn.Precision]string{}
	for _, p := range []nn.Precision{nn.Float32, nn.Packed} {
		list, err := trunk.Pieces(kerasFile{src}, p)
		if err != nil {
			t.Fatal(err)
		}
		files[p] = written(t, list)
	}
	for _, size := range [][2]int{{4, 4}, {23, 30}} {
		b := onnx.NewBuilder(open(t, files[nn.Float32], ""))
		for i, tap := range trunk.Taps(b, b.Input("x", 1, 3, onnx.Dynamic, onnx.Dynamic), nil) {
			b.Output(fmt.Sprint("tap", i), b.Transpose(tap.Value, 0, 2, 3, 1))
		}
		plain, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		b = onnx.NewBuilder(open(t, files[nn.Packed], ""))
		for i, tap := range trunk.PackedTaps(b, b.Input("x", 1, 3, onnx.Dynamic, onnx.Dynamic)) {
			b.Output(fmt.Sprint("tap", i), tap.Value)
		}
		packed, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		x := synthetic(9, 1, 1, 3, size[0], size[1])
		want, err := openSession(t, plain).Run(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		got, err := openSession(t, packed).Run(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(trunk.taps) || len(want) != len(got) {
			t.Fatalf("%d taps and %d, want %d", len(got), len(want), len(trunk.taps))
		}
		for i, tap := range want {
			if !slices.Equal(tap.Shape, got[i].Shape) {
				t.Fatalf("%v: tap %d is %v, want %v", size, i, got[i].Shape, tap.Shape)
			}
			for k, v := range tap.Data {
				if !(math.Abs(float64(v-got[i].Data[k])) <= 1e-5*max(1, math.Abs(float64(v)))) {
					t.Fatalf("%v: element %d of tap %d is %g, want %g", size, k, i, got[i].Data[k], v)
				}
			}
		}
	}
}

// TestPackedTrunkPieces: packed weights are forms of the plain ones, VGG16 can be packed,
// and AlexNet says that it cannot.
func TestPackedTrunkPieces(t *testing.T) {
	src := kerasFile{memory{}}
	for i, s := range smallTrunk().features() {
		src.memory[s.Name] = synthetic(i+1, 0.3, s.Shape...)
	}
	plain, err := smallTrunk().Pieces(src, nn.Float32)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := smallTrunk().Pieces(src, nn.Packed)
	if err != nil {
		t.Fatal(err)
	}
	sameForms(t, packed, plain)

	list, err := VGG16().Pieces(outlined(VGG16().Inventory()), nn.Packed)
	if err != nil || !VGG16().Packs() {
		t.Fatal(err)
	}
	prepared := outline{}
	for _, p := range list {
		prepared[p.Name] = p.Shape
	}
	b := onnx.NewBuilder(prepared)
	for i, tap := range VGG16().PackedTaps(b, b.Input("x", 1, 3, 64, 48)) {
		if want := []int{1, 64 >> i, 48 >> i, VGG16().Channels()[i]}; !slices.Equal(tap.Value.Shape(), want) {
			t.Errorf("tap %d is %v, want %v", i, tap.Value.Shape(), want)
		}
	}
	if b.Err() != nil {
		t.Error(b.Err())
	}
	if _, err := AlexNet().Pieces(outlined(AlexNet().Inventory()), nn.Packed); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("AlexNet packed: %v", err)
	}
	b = onnx.NewBuilder(prepared)
	AlexNet().PackedTaps(b, b.Input("x", 1, 3, 64, 64))
	if !errors.Is(b.Err(), assay.ErrInvalid) {
		t.Errorf("AlexNet's taps packed: %v", b.Err())
	}
}

package pixel

import (
	"math"
	"testing"
)

// TestTensors checks layout and arithmetic on an image that has every level in
// every channel, sample by sample against the formula in the order of the
// reference.
func TestTensors(t *testing.T) {
	img := &Image{Mode: RGB, Width: 16, Height: 16}
	for i := range 256 {
		img.Pix = append(img.Pix, uint8(i), uint8(255-i), uint8(i*7))
	}
	// OpenAI CLIP's constants.
	mean := [3]float32{0.48145466, 0.4578275, 0.40821073}
	std := [3]float32{0.26862954, 0.26130258, 0.27577711}
	clip, unit, signed, levels := img.CHW(mean, std), img.CHWUnit(), img.CHWSigned(), img.CHWLevels()
	for _, x := range [][]float32{clip, unit, signed, levels} {
		if len(x) != 3*256 {
			t.Fatalf("%d samples, want %d", len(x), 3*256)
		}
	}
	for c := range 3 {
		for i := range 256 {
			v, at := img.Pix[3*i+c], c*256+i
			u := float32(v) / 255
			d := u - mean[c]
			if clip[at] != d/std[c] || unit[at] != u || levels[at] != float32(v) {
				t.Fatalf("channel %d of pixel %d: %g, %g, %g", c, i, clip[at], unit[at], levels[at])
			}
			if want := float32(float64(v)/127.5 - 1); signed[at] != want {
				t.Fatalf("channel %d of pixel %d: signed %g, want %g", c, i, signed[at], want)
			}
			keras := float32(v)/127.5 - 1
			if off := math.Abs(float64(signed[at] - keras)); off > 6e-8 {
				t.Errorf("level %d: %g from the float32 formula, documented as within 6e-8", v, off)
			}
		}
	}
	if signed[0] != -1 || signed[255] != 1 {
		t.Errorf("signed range is %g to %g, want −1 to 1", signed[0], signed[255])
	}
}

// TestTensorConverts: other modes are converted first, alpha dropped.
func TestTensorConverts(t *testing.T) {
	img := &Image{Mode: RGBA, Width: 1, Height: 2, Pix: []uint8{10, 20, 30, 0, 40, 50, 60, 255}}
	want := []float32{10, 40, 20, 50, 30, 60}
	for i, v := range img.CHWLevels() {
		if v != want[i] {
			t.Errorf("sample %d is %g, want %g", i, v, want[i])
		}
	}
	grey := &Image{Mode: Gray, Width: 2, Height: 1, Pix: []uint8{3, 9}}
	for i, v := range grey.CHWLevels() {
		if v != float32([]uint8{3, 9}[i%2]) {
			t.Errorf("grey sample %d is %g", i, v)
		}
	}
}

// TestTorchLaws: a constant stays, the same size is the identity, and a ramp
// stays a ramp away from the edges.
func TestTorchLaws(t *testing.T) {
	ramp := make([]float32, 8)
	for i := range ramp {
		ramp[i] = float32(i)
	}
	same, err := TorchBilinear(ramp, 8, 1, 1, 8, 1)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := TorchBilinear(ramp, 8, 1, 1, 16, 1)
	if err != nil {
		t.Fatal(err)
	}
	shifted, err := TF1Bilinear(ramp, 8, 1, 1, 16, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ramp {
		if same[i] != ramp[i] {
			t.Errorf("same size: sample %d became %g", i, same[i])
		}
	}
	for i := 1; i < 15; i++ {
		if want := (float32(i)+0.5)/2 - 0.5; twice[i] != want {
			t.Errorf("torch: sample %d is %g, want %g", i, twice[i], want)
		}
		if want := min(float32(i)/2, 7); shifted[i] != want {
			t.Errorf("tf1: sample %d is %g, want %g", i, shifted[i], want)
		}
	}
}

package pixel

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/gen-emerge/assay"
)

// TestTorchBicubicGolden holds the tensor resizer and the letterbox against
// torchvision on the CPU. PyTorch fuses products with sums, so the last place
// may differ; a weight or a position that is wrong would show as 1e-4 or more.
func TestTorchBicubicGolden(t *testing.T) {
	file, err := os.Open("testdata/torch.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) < 60 {
		t.Fatalf("only %d rows of golden values", len(rows))
	}
	worst := 0.0
	for _, row := range rows[1:] {
		var d [5]int
		for i := range d {
			if d[i], err = strconv.Atoi(row[2+i]); err != nil {
				t.Fatal(err)
			}
		}
		w, h, outW, outH, step := d[0], d[1], d[2], d[3], d[4]
		img, antialias := testImage(RGB, w, h), row[1] == "true"
		var got []float32
		if row[0] == "letterbox" {
			got, err = img.LetterboxUnit(outW, antialias)
		} else {
			got, err = TorchBicubic(img.CHWUnit(), w, h, 3, outW, outH, antialias)
		}
		if err != nil {
			t.Fatal(err)
		}
		raw, err := base64.StdEncoding.DecodeString(row[7])
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 3*outW*outH || (len(got)+step-1)/step != len(raw)/4 {
			t.Fatalf("%v: %d values, %d golden at step %d", row[:7], len(got), len(raw)/4, step)
		}
		off := 0.0
		for i := range len(raw) / 4 {
			want := float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
			off = max(off, math.Abs(float64(got[i*step])-want))
		}
		worst = max(worst, off)
		if off > 1e-6 {
			t.Errorf("%v: %.3g from torchvision's", row[:7], off)
		}
	}
	t.Logf("largest difference %.3g", worst)
}

// TestLetterboxPads: the margin is exactly zero and the picture is where the
// reference puts it.
func TestLetterboxPads(t *testing.T) {
	white := &Image{Mode: RGB, Width: 7, Height: 3, Pix: make([]uint8, 63)}
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	for _, antialias := range []bool{true, false} {
		got, err := white.LetterboxUnit(14, antialias) // 14×6: 4 rows above, 4 below
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			y := i / 14 % 14
			inside := y >= 4 && y < 10
			if !inside && v != 0 || inside && math.Abs(float64(v)-1) > 1e-6 {
				t.Fatalf("antialias %v: sample %d (row %d) is %g", antialias, i, y, v)
			}
		}
	}
	odd := &Image{Mode: Gray, Width: 2, Height: 5, Pix: []uint8{9, 9, 9, 9, 9, 9, 9, 9, 9, 9}}
	got, err := odd.LetterboxUnit(5, true) // nothing is resized; 1 column on the left, 2 on the right
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if want := i%5 == 1 || i%5 == 2; want != (v != 0) {
			t.Fatalf("column %d holds %g", i%5, v)
		}
	}
}

// TestTorchBicubicLaws: a constant stays one, the same size is the identity,
// and nothing is clipped.
func TestTorchBicubicLaws(t *testing.T) {
	flat := make([]float32, 3*9*7)
	for i := range flat {
		flat[i] = 0.7
	}
	edge := []float32{0, 0, 0, 0, 1, 1, 1, 1}
	for _, antialias := range []bool{true, false} {
		for _, to := range [][2]int{{4, 5}, {1, 1}, {31, 2}, {9, 7}} {
			got, err := TorchBicubic(flat, 9, 7, 3, to[0], to[1], antialias)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range got {
				if math.Abs(float64(v)-0.7) > 1e-6 {
					t.Fatalf("antialias %v: a constant became %g", antialias, v)
				}
			}
		}
		same, err := TorchBicubic(edge, 8, 1, 1, 8, 1, antialias)
		if err != nil || &same[0] != &edge[0] {
			t.Errorf("the same size is not the slice itself: %v", err)
		}
		up, err := TorchBicubic(edge, 8, 1, 1, 24, 1, antialias)
		if err != nil {
			t.Fatal(err)
		}
		lo, hi := up[0], up[0]
		for _, v := range up {
			lo, hi = min(lo, v), max(hi, v)
		}
		if lo >= 0 || hi <= 1 {
			t.Errorf("antialias %v: overshoot was clipped: %g to %g", antialias, lo, hi)
		}
	}
}

func TestLetterboxRefuses(t *testing.T) {
	good := testImage(RGB, 8, 8)
	for name, call := range map[string]func() error{
		"too thin": func() error { _, err := testImage(Gray, 1000, 1).LetterboxUnit(224, true); return err },
		"no side":  func() error { _, err := good.LetterboxUnit(0, true); return err },
		"too wide": func() error { _, err := good.LetterboxUnit(1<<20, true); return err },
		"no pixels": func() error {
			_, err := (&Image{Mode: RGB, Width: 3, Height: 3}).LetterboxUnit(224, false)
			return err
		},
		"samples": func() error { _, err := TorchBicubic(make([]float32, 5), 2, 2, 1, 3, 3, true); return err },
		"result":  func() error { _, err := TorchBicubic(make([]float32, 4), 2, 2, 1, 0, 3, false); return err },
	} {
		if err := call(); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v, want an error that wraps ErrInvalid", name, err)
		}
	}
}

// TestNormalize: the same arithmetic as CHW.
func TestNormalize(t *testing.T) {
	img := testImage(RGB, 16, 16)
	mean, std := [3]float32{0.48145466, 0.4578275, 0.40821073}, [3]float32{0.26862954, 0.26130258, 0.27577711}
	want := img.CHW(mean, std)
	for i, v := range Normalize(img.CHWUnit(), mean, std) {
		if v != want[i] {
			t.Fatalf("sample %d: %g, want %g", i, v, want[i])
		}
	}
}

// FuzzLetterbox: any image gives a tensor of finite numbers or an error.
func FuzzLetterbox(f *testing.F) {
	f.Add(uint16(1), uint16(1), uint8(9), true)
	f.Add(uint16(300), uint16(2), uint8(40), false)
	f.Fuzz(func(t *testing.T, w, h uint16, side uint8, antialias bool) {
		w, h = w%600, h%600
		img := &Image{Mode: Gray, Width: int(w), Height: int(h), Pix: make([]uint8, int(w)*int(h))}
		for i := range img.Pix {
			img.Pix[i] = uint8(i * 37)
		}
		got, err := img.LetterboxUnit(int(side), antialias)
		if err != nil {
			if !errors.Is(err, assay.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		for _, v := range got {
			if v < -1 || v > 2 || v != v {
				t.Fatal(fmt.Sprintf("%d×%d to %d: %g", w, h, side, v))
			}
		}
	})
}

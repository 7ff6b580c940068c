package pixel

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"testing"
)

// FuzzJPEG takes the standard library's decoder as a second opinion: where both
// read a file, the sizes must agree. The two go on differently after damage, so
// luma is compared on a sound file, which the library writes of what was decoded.
func FuzzJPEG(f *testing.F) {
	for _, c := range jpegCases(f) {
		if len(c.file) < 1500 {
			f.Add(c.file)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := Sniff(data, fuzzLimits)
		if err != nil || info.Format != "jpeg" {
			return
		}
		decodeAnything(t, data)
		theirs, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		if size := theirs.Bounds().Size(); size.X != info.Width || size.Y != info.Height {
			t.Fatalf("%d×%d pixels, the library's are %v", info.Width, info.Height, size)
		}
		var again bytes.Buffer
		if err := jpeg.Encode(&again, theirs, &jpeg.Options{Quality: 1 + len(data)%100}); err != nil {
			t.Fatal(err)
		}
		r, err := decodeKept(again.Bytes())
		if err != nil {
			t.Fatalf("a sound file is refused: %v", err)
		}
		if theirs, err = jpeg.Decode(&again); err != nil {
			t.Fatal(err)
		}
		if err := r.samples(); err != nil {
			t.Fatal(err)
		}
		compareLuma(t, r.comps[0], theirs)
	})
}

// ordinary reports whether all coefficients are far from overflowing and in one
// scan: the library looks quantisation tables up at another time.
func (r *jpegDecoder) ordinary() bool {
	for _, p := range r.comps {
		for i, c := range p.coefs {
			if v := int(c) * int(uint16(p.quant[i%64])); v < -8192 || v > 8192 {
				return false
			}
		}
	}
	return r.scans == 1 || r.head.progressive
}

func compareLuma(t *testing.T, p jpegPlane, theirs image.Image) {
	t.Helper()
	var pix []uint8
	var stride int
	switch m := theirs.(type) {
	case *image.Gray:
		pix, stride = m.Pix, m.Stride
	case *image.YCbCr:
		pix, stride = m.Y, m.YStride
	default:
		return
	}
	for y := range p.down {
		for x := range p.across {
			worst, clipped := 0, false
			for i := range 64 {
				at := (8*y+i/8)*stride + 8*x + i%8
				if at >= len(pix) { // a grey picture may be cut to size
					continue
				}
				a, b := int(pix[at]), int(p.pix[(8*y+i/8)*p.stride+8*x+i%8])
				worst = max(worst, a-b, b-a)
				clipped = clipped || a == 0 || a == 255
			}
			if worst > 3 && !clipped {
				t.Fatalf("block %d, %d is %d levels from the library's", x, y, worst)
			}
		}
	}
}

// TestJPEGSecondOpinion runs the comparison of FuzzJPEG on files that are read
// by both, and counts that they are.
func TestJPEGSecondOpinion(t *testing.T) {
	compared := 0
	for _, c := range jpegCases(t) {
		theirs, err := jpeg.Decode(bytes.NewReader(c.file))
		if err != nil || c.Name == "run past the end" { // the library drops that coefficient, not its bits
			continue
		}
		if _, _, err := Decode(context.Background(), c.file, Limits{}); err != nil {
			t.Errorf("%s: the library reads it, but: %v", c.Name, err)
			continue
		}
		r, err := decodeKept(c.file)
		if err != nil {
			t.Fatal(err)
		}
		if r.ordinary() {
			if err := r.samples(); err != nil {
				t.Fatal(err)
			}
			compareLuma(t, r.comps[0], theirs)
			compared++
		}
	}
	if t.Logf("%d files compared", compared); compared < 200 {
		t.Errorf("only %d files compared", compared)
	}
}

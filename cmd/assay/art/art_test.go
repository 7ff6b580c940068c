package art

import (
	"bytes"
	"image/png"
	"testing"

	"github.com/gen-emerge/assay"
)

func TestSeries(t *testing.T) {
	works := Series(1)
	if len(works) != 64 {
		t.Fatalf("%d works, want 64", len(works))
	}
	names, kinds, flawed := map[string]bool{}, map[string]bool{}, 0
	for _, w := range works {
		if names[w.Name] {
			t.Errorf("two works are called %s", w.Name)
		}
		names[w.Name], kinds[w.Family] = true, true
		if w.Flaw != "" {
			flawed++
		}
	}
	if len(kinds) < 8 {
		t.Errorf("%d families, want at least 8", len(kinds))
	}
	if flawed != 8 {
		t.Errorf("%d flawed works, want 8: four near-duplicates and four damaged copies", flawed)
	}
}

// Every family draws something, the same every time, and something else for
// another seed.
func TestFamilies(t *testing.T) {
	ctx := t.Context()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			draw := func(seed uint64) []byte {
				data, err := Work{Family: f.name, Seed: seed}.PNG(ctx)
				if err != nil {
					t.Fatal(err)
				}
				return data
			}
			a := draw(3)
			if !bytes.Equal(a, draw(3)) {
				t.Error("the same work was drawn in two ways")
			}
			if assay.DigestOf(a) == assay.DigestOf(draw(4)) {
				t.Error("another seed gave the same picture")
			}
			img, err := png.Decode(bytes.NewReader(a))
			if err != nil {
				t.Fatal(err)
			}
			if b := img.Bounds(); b.Dx() != Side || b.Dy() != Side {
				t.Errorf("size %v, want %d×%d", b, Side, Side)
			}
			colours := map[[3]uint32]int{}
			for y := range Side {
				for x := range Side {
					r, g, b, _ := img.At(x, y).RGBA()
					colours[[3]uint32{r >> 8, g >> 8, b >> 8}]++
				}
			}
			for k, n := range colours {
				if n > Side*Side*97/100 {
					t.Errorf("%d of %d pixels are %v: there is nothing to see", n, Side*Side, k)
				}
			}
		})
	}
}

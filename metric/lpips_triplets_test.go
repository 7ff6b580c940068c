package metric

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/gen-emerge/assay/pixel"
)

// TestLPIPSTriplets asks LPIPS the questions that people answered about 100
// materials (Lagunas et al. 2019): which of two pictures is more like a third.
// On the training triplets, ties dropped, it agrees with the majority in 0.7427
// of 21,406. That run compares all 4,950 pairs and is behind ASSAY_TEST_LONG=1;
// by default the 463 triplets among the first 30 images are asked (0.7430), with
// a bar one standard error of so few (0.02) lower.
func TestLPIPSTriplets(t *testing.T) {
	var answers struct {
		Answers   [][3]int `json:"answers"`
		Agreement [][2]int `json:"agreement"` // votes for the second and the third
	}
	raw, err := os.ReadFile(lpipsData(t, "human/material_triplets/answers_processed_train.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &answers); err != nil {
		t.Fatal(err)
	}
	in, images, bar := openLPIPS(t, 0), 30, 0.72
	if os.Getenv("ASSAY_TEST_LONG") != "" {
		images, bar = 100, 0.74
	}
	d := lpipsMatrix(t, in, materials(t)[:images])
	agree, n := 0.0, 0.0
	for i, a := range answers.Answers {
		votes := answers.Agreement[i]
		if slices.Max(a[:]) >= images || votes[0] == votes[1] {
			continue
		}
		n++
		second, third := d[a[0]][a[1]], d[a[0]][a[2]]
		if (second < third) == (votes[0] > votes[1]) {
			agree++
		}
	}
	t.Logf("agreement with the majority: %.4f of %g triplets among %d images", agree/n, n, images)
	if n < 400 || agree/n < bar {
		t.Errorf("agreement %.4f on %g triplets, want at least %g on at least 400", agree/n, n, bar)
	}
}

// TestLPIPSResized compares DreamSim's demo pictures, resized to 224×224 by
// Pillow's bicubic filter, with the values of an independent implementation:
// decoding, resizing and network in one.
func TestLPIPSResized(t *testing.T) {
	var ref struct {
		Demo struct {
			A float64 `json:"ref_a"`
			B float64 `json:"ref_b"`
		} `json:"dreamsim_demo_224"`
	}
	raw, err := os.ReadFile(lpipsData(t, "weights/lpips_squeeze/reference_values.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &ref); err != nil {
		t.Fatal(err)
	}
	in := openLPIPS(t, 0)
	resized := func(name string) *Picture {
		t.Helper()
		img, err := lpipsPicture(t, "reference/published_pairs/dreamsim/"+name).RGB().Resize(224, 224, pixel.Bicubic)
		if err != nil {
			t.Fatal(err)
		}
		return NewPicture(img)
	}
	first := resized("ref_1.png")
	for name, want := range map[string]float64{"img_a_1.png": ref.Demo.A, "img_b_1.png": ref.Demo.B} {
		r, err := in.Distance(t.Context(), first, resized(name))
		if err != nil {
			t.Fatal(err)
		}
		if d := math.Abs(r.Value - want); !(d <= lpipsTolerance) {
			t.Errorf("%s: %.6f, want %.6f: off by %.2g", name, r.Value, want, d)
		}
	}
}

// materials decodes the pictures in the order the answers number them.
func materials(t *testing.T) []*Picture {
	t.Helper()
	dir := lpipsData(t, "human/material_triplets/havran1_ennis_298x298_LDR")
	names, err := filepath.Glob(filepath.Join(dir, "*.jpg"))
	if err != nil || len(names) != 100 {
		t.Fatalf("%s: %d pictures, want 100 (%v)", dir, len(names), err)
	}
	var out []*Picture
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := pixel.Decode(t.Context(), data, pixel.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out = append(out, NewPicture(img))
	}
	return out
}

// lpipsMatrix measures all pairs, several at once.
func lpipsMatrix(t *testing.T, in *Instrument, pics []*Picture) [][]float64 {
	t.Helper()
	d := make([][]float64, len(pics))
	for i := range d {
		d[i] = make([]float64, len(pics))
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	rows := make(chan int)
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for i := range rows {
				for j := range i {
					r, err := in.Distance(ctx, pics[i], pics[j])
					if err != nil {
						cancel(err)
						return
					}
					d[i][j], d[j][i] = r.Value, r.Value
				}
			}
		})
	}
feed:
	for i := range pics {
		select {
		case rows <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(rows)
	wg.Wait()
	if ctx.Err() != nil {
		t.Fatal(context.Cause(ctx))
	}
	return d
}

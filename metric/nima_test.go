package metric

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/weights"
)

// TestRatingMaths: distributions whose mean and spread are known in closed form.
func TestRatingMaths(t *testing.T) {
	one := func(at int) []float32 {
		v := make([]float32, 10)
		v[at] = 1
		return v
	}
	even := make([]float32, 10)
	for i := range even {
		even[i] = 0.1
	}
	ends := append(append([]float32{0.5}, make([]float32, 8)...), 0.5)
	for _, c := range []struct {
		shares       []float32
		mean, spread float64
	}{
		{one(0), 1, 0}, {one(9), 10, 0}, {one(4), 5, 0},
		{even, 5.5, math.Sqrt(99.0 / 12)}, {ends, 5.5, 4.5},
		{[]float32{0.25, 0.25, 0, 0, 0, 0, 0, 0, 0, 0}, 1.5, 0.5}, // shares are made to sum to 1
	} {
		r, err := ratingOf(c.shares)
		if err != nil {
			t.Fatal(err)
		}
		near(t, fmt.Sprint("mean of ", c.shares), r.Mean, c.mean, 1e-7)
		near(t, fmt.Sprint("spread of ", c.shares), r.Spread, c.spread, 1e-7)
		sum := 0.0
		for _, s := range r.Shares {
			sum += s
		}
		near(t, "sum", sum, 1, 1e-12)
		if r.Mean < 1 || r.Mean > 10 {
			t.Errorf("mean %v", r.Mean)
		}
	}
	for _, bad := range []float32{-0.1, 1.1, float32(math.NaN()), float32(math.Inf(1))} {
		if _, err := ratingOf([]float32{0.5, bad}); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "mark 2") {
			t.Errorf("share %v: %v", bad, err)
		}
	}
}

// TestNIMAPreparation: the nearest pixels of the picture as RGB, in Keras' arithmetic.
func TestNIMAPreparation(t *testing.T) {
	img := &pixel.Image{Mode: pixel.RGBA, Width: 256, Height: 1, Pix: make([]uint8, 4*256)}
	for i := range 256 {
		img.Pix[4*i], img.Pix[4*i+3] = uint8(i), uint8(255-i) // alpha is dropped, not laid over black
	}
	x, err := nimaPreparation(backbone.Keras21).tensor(t.Context(), NewPicture(img))
	if err != nil {
		t.Fatal(err)
	}
	step := 256.0 / 224
	for i, at := 0, step/2; i < 224; i, at = i+1, at+step {
		if want := float32(float64(int(at))/127.5 - 1); x[i] != want || x[223*224+i] != want {
			t.Fatalf("column %d is %v, want %v", i, x[i], want)
		}
	}
	if x[224*224] != -1 || len(x) != 3*224*224 {
		t.Errorf("green is %v", x[224*224])
	}
	a, b := nimaPreparation(backbone.Keras21), nimaPreparation(backbone.TF2)
	if a.text == b.text || !strings.Contains(a.text, "all sides") || !strings.Contains(b.text, "bottom and right") {
		t.Errorf("preparations %q and %q", a.text, b.text)
	}
}

// TestRatingRefuses: what predicts no distribution says who does, and a padding
// that nobody has is refused.
func TestRatingRefuses(t *testing.T) {
	in, err := OpenFormula("sharpness")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Rating(t.Context(), tinyPicture()); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "nima-technical") || in.Rates() {
		t.Errorf("rating by sharpness: %v", err)
	}
	dir := t.TempDir()
	if err := Synthesize(t.Context(), "nima-technical", 3, dir); err != nil {
		t.Fatal(err)
	}
	towers := NewTowers(&weights.Cache{Dir: dir}, &countingEngine{t: t}, TowerOptions{NIMAPadding: "same"})
	if _, err := towers.Open(t.Context(), "nima-technical"); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), `"same"`) {
		t.Errorf("padding: %v", err)
	}
	towers = NewTowers(&weights.Cache{Dir: dir}, &countingEngine{t: t}, TowerOptions{})
	if in, err = towers.Open(t.Context(), "nima-technical"); err != nil {
		t.Fatal(err)
	}
	if !in.Synthetic || !in.Rates() || in.Preparation != nimaPreparation(backbone.Keras21).text || len(in.TowerIdentities()) != 1 ||
		in.TowerIdentities()[0].Preparation != in.Preparation {
		t.Errorf("instrument %+v", in.Identity())
	}
	// The two paddings are two instruments to whoever compares readings.
	other, err := NewTowers(&weights.Cache{Dir: dir}, &countingEngine{t: t}, TowerOptions{NIMAPadding: backbone.TF2}).Open(t.Context(), "nima-technical")
	if err != nil {
		t.Fatal(err)
	}
	if in.Identity() == other.Identity() || in.TowerIdentities()[0] == other.TowerIdentities()[0] || in.Checkpoint != other.Checkpoint {
		t.Errorf("%+v and %+v", in.Identity(), other.Identity())
	}
}

// nimaInstalled returns the cache with a model's official weights, or skips.
func nimaInstalled(t *testing.T, model string) (*weights.Cache, string) {
	t.Helper()
	cache, err := weights.DefaultCache(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	files, err := cache.Files(model)
	if err != nil || cache.Synthetic(model) {
		t.Skipf("weights not installed: assay models pull %s (%v)", model, err)
	}
	for _, path := range files {
		return cache, path
	}
	return nil, ""
}

// nimaSums are CRC-32C sums of raw tensors, from the index of idealo's own export
// for TensorFlow Serving: that of conv1, of conv_dw_1 to 13, of conv_pw_1 to 13, of
// the last norm's mean and variance, and of the dense layer.
var nimaSums = map[string]string{
	"nima-aesthetic": "bd4f340b " +
		"c949379c fcf75a47 3aa57153 67ca6502 92a1fc26 2bb1c48c 32d1dadf aaf534a4 2790c24b ff927c08 f9d9c5da ccff89ec 1e9476c6 " +
		"37333ef2 5d73ca1d b8f4b0ce bd038acd 52e0a495 e911706e b8561b08 d3e74200 9f9e0f67 23a288ea 667fa8a2 4691a908 c63b0233 " +
		"70c869de af430626 5405ee27 de642ded",
	"nima-technical": "3dfb052e " +
		"30ae4150 f69febdf 1dd08776 0795bcb9 d4d43a54 6f398e85 3c28a3d0 c4684c7b d470ea96 a6325f4c 6fbc32dd e5a9f658 cd704a40 " +
		"4ffaa99c de07f398 b1531027 91f1a92c e8b75c42 6f36a298 0cee3916 73e244ed a13f00b3 472cb191 f5342784 873ee9e7 efd03f73 " +
		"180bc0e7 cdf042d2 928dc5e6 b52fa1cf",
}

// TestNIMAWeights holds the installed file to what idealo exported for serving.
func TestNIMAWeights(t *testing.T) {
	var suffixes []string
	add := func(format string, from, to int) {
		for i := from; i <= to; i++ {
			suffixes = append(suffixes, fmt.Sprintf(format, i))
		}
	}
	suffixes = append(suffixes, "conv1/kernel:0")
	add("conv_dw_%d/depthwise_kernel:0", 1, 13)
	add("conv_pw_%d/kernel:0", 1, 13)
	suffixes = append(suffixes, "conv_pw_13_bn/moving_mean:0", "conv_pw_13_bn/moving_variance:0", "dense_1/kernel:0", "dense_1/bias:0")
	for model, text := range nimaSums {
		t.Run(model, func(t *testing.T) {
			sums := strings.Fields(text)
			if len(sums) != len(suffixes) {
				t.Fatalf("%d sums, want %d", len(sums), len(suffixes))
			}
			_, path := nimaInstalled(t, model)
			c, err := weights.Open(path, weights.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for i, suffix := range suffixes {
				found := false
				for _, name := range c.Names() {
					if !strings.HasSuffix(name, "/"+suffix) {
						continue
					}
					raw, err := c.Bytes(name)
					if err != nil {
						t.Fatal(err)
					}
					found = true
					if got := fmt.Sprintf("%08x", crc32.Checksum(raw, crc32.MakeTable(crc32.Castagnoli))); got != sums[i] {
						t.Errorf("%s: CRC-32C %s, idealo's export has %s", name, got, sums[i])
					}
				}
				if !found {
					t.Errorf("no tensor ends in %s", suffix)
				}
			}
		})
	}
}

// TestNIMAPredictions holds the installed weights to predictions that others
// published of 146 pictures. Eight of the pictures are here unchanged; of the
// others there are smaller copies, which read a little differently and are only
// told. Which padding the
// publishers' installation had is not recorded, so one of the two must fit.
func TestNIMAPredictions(t *testing.T) {
	for model, folder := range map[string]string{"nima-aesthetic": "nima_appeal", "nima-technical": "nima_quality"} {
		t.Run(model, func(t *testing.T) {
			published := nimaPublished(t, folder)
			if len(published) != 146 {
				t.Fatalf("%d predictions, want 146", len(published))
			}
			cache, _ := nimaInstalled(t, model)
			fits := false
			for _, padding := range []backbone.Padding{backbone.Keras21, backbone.TF2} {
				towers := NewTowers(cache, openLPIPSEngine(t), TowerOptions{NIMAPadding: padding})
				in, err := towers.Open(t.Context(), model)
				if err != nil {
					t.Fatal(err)
				}
				exact, worst, copies, off := 0, 0.0, 0, 0.0
				for key, want := range published {
					generator, id, _ := strings.Cut(key, "/")
					name := "human/avt_ai_images/original/" + generator + "/" + id + ".png"
					unchanged := true
					if _, err := os.Stat(filepath.Join(nimaData(), name)); err != nil {
						name, unchanged = "human/avt_ai_images/images_384/"+generator+"/"+id+".jpg", false
						if _, err := os.Stat(filepath.Join(nimaData(), name)); err != nil {
							continue
						}
					}
					r, err := in.Measure(t.Context(), sharedPicture(t, name))
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					d := math.Abs(r.Value - want)
					if unchanged {
						exact, worst = exact+1, max(worst, d)
					} else {
						copies, off = copies+1, off+d
					}
				}
				t.Logf("%s: %d pictures unchanged, off by at most %.4f; %d smaller copies, off by %.3f on average", padding, exact, worst, copies, off/float64(copies))
				if exact < 8 || copies < 130 {
					t.Errorf("%d pictures and %d copies are there", exact, copies)
				}
				fits = fits || worst <= 0.02
				if err := errors.Join(in.Close(), towers.Close()); err != nil {
					t.Error(err)
				}
			}
			if !fits {
				t.Error("neither padding gives what was published")
			}
		})
	}
}

func nimaData() string {
	if root := os.Getenv("ASSAY_TEST_DATA"); root != "" {
		return root
	}
	return "../../shared/data"
}

// nimaPublished reads the predictions, by generator and picture.
func nimaPublished(t *testing.T, folder string) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for _, generator := range []string{"craiyon", "dall-e", "glide", "midjourney", "own", "stable_diffusion"} {
		data, err := os.ReadFile(sharedFile(t, "human/avt_ai_images/"+folder+"/"+generator+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var rows []struct {
			ID   string  `json:"image_id"`
			Mean float64 `json:"mean_score_prediction"`
		}
		if err := json.Unmarshal(data, &rows); err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if !(r.Mean >= 1 && r.Mean <= 10) {
				t.Errorf("%s/%s: %v", generator, r.ID, r.Mean)
			}
			out[generator+"/"+r.ID] = r.Mean
		}
	}
	return out
}

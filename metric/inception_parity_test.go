package metric

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gen-emerge/assay/stat"
	"github.com/gen-emerge/assay/weights"
)

// How near the packages' own features the numbers must come, relative to the
// largest component: float32 sums in other orders, through up to 18 blocks.
const parityFeature = 1e-5

// featureCases are the rows of features, by the packages that measures of sets are
// taken from: reference/inception_golden.py.
func featureCases() []parityCase {
	return []parityCase{
		{"inception-tf", false, featuresAgree(true)},
		{"inception-pytorch", false, featuresAgree(false)},
		{"inception-clean", false, featuresAgree(true)},
		{"inception-spatial", false, featuresAgree(true)},
		{"inception-spatial-6e", false, featuresAgree(false)},
		{"inception-spatial-6a", false, featuresAgree(true)},
		{"fid", false, fidAgrees},
		{"vgg16-fc2", true, featuresAgree(true)},
	}
}

// featuresAgree checks the row of the golden file's name: what its network is
// given, to the bit if exact, and the features.
func featuresAgree(exact bool) func(*testing.T, *parityBench, parityGolden, *parityTally) {
	return func(t *testing.T, b *parityBench, g parityGolden, y *parityTally) {
		in, err := b.towers(t).OpenFeatures(t.Context(), g.Model)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if !in.Synthetic {
			t.Errorf("%s does not say that its weights are synthetic", g.Model)
		}
		if spec, _ := FindFeatures(g.Model); spec.Dim != len(g.Images[0].Embedding) {
			t.Errorf("%s says %d numbers, the reference gives %d", g.Model, spec.Dim, len(g.Images[0].Embedding))
		}
		for _, want := range g.Images {
			p := parityPicture(t, want.File)
			prepared(t, y, in.towers[0].row.prep, p, want)
			x, err := in.towers[0].row.prep.tensor(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			if exact && sha256Of(weights.Float32Bytes(x)) != want.Tensor {
				t.Errorf("%s: the tensor is not the reference's to the bit", want.File)
			}
			got, err := in.Embed(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			y.features(t, want.File, got, want.Embedding)
		}
	}
}

// features compares two vectors by their largest difference, relative to the
// largest component.
func (y *parityTally) features(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Errorf("%s: %d numbers, want %d", what, len(got), len(want))
		return
	}
	var diff, largest float64
	for i, x := range want {
		largest = max(largest, math.Abs(float64(x)))
		diff = max(diff, math.Abs(float64(got[i])-float64(x)))
	}
	y.check(t, "feature", what, diff/largest, parityFeature)
}

// How near FID must come: to the exact value of the packages' features, and to what
// the packages make of them, whose root of a product of matrices of rank 4 in 2048
// dimensions is noisy.
const (
	parityFID        = 1e-6 // relative
	parityPackageFID = 2e-5 // relative
)

// fidAgrees checks the way from pictures to FID in the packages' three ways.
func fidAgrees(t *testing.T, b *parityBench, g parityGolden, y *parityTally) {
	if len(g.FID) != 3 || len(g.Images) < 6 {
		t.Fatalf("%d values of %d pictures", len(g.FID), len(g.Images))
	}
	towers := b.towers(t)
	pictures := make([]*Picture, len(g.Images))
	for i, want := range g.Images {
		pictures[i] = parityPicture(t, want.File)
	}
	for name, want := range g.FID {
		half := len(pictures) / 2
		got := fidOf(t, towers, name, pictures[:half], pictures[half:])
		y.check(t, name+" FID", "exact", math.Abs(got/want.Exact-1), parityFID)
		y.check(t, name+" FID, package's", "package", math.Abs(got/want.Package-1), parityPackageFID)
	}
}

// fidOf returns the Fréchet distance, with unbiased covariances, of the named
// features of two sets of pictures.
func fidOf(t *testing.T, towers *Towers, name string, a, b []*Picture) float64 {
	t.Helper()
	in, err := towers.OpenFeatures(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var sets [2]stat.Features
	for i, pictures := range [][]*Picture{a, b} {
		for _, p := range pictures {
			v, err := in.Embed(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			sets[i].Dim, sets[i].Data = len(v), append(sets[i].Data, v...)
		}
	}
	d, err := stat.FrechetFeatures(t.Context(), sets[0], sets[1], true)
	if err != nil {
		t.Fatal(err)
	}
	return d.Value
}

// TestPublishedFID holds FID against IQA-PyTorch's calibration, where it can be: the
// official weights have to be installed.
func TestPublishedFID(t *testing.T) {
	cache, err := weights.DefaultCache(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Files(inceptionModel); err != nil || cache.Synthetic(inceptionModel) {
		t.Skipf("weights not installed: run: assay models pull %s (%v; synthetic: %v)", inceptionModel, err, cache.Synthetic(inceptionModel))
	}
	var sets [2][]*Picture
	for i, dir := range []string{"dist_dir", "ref_dir"} {
		folder := sharedFile(t, "reference/iqa_calibra/"+dir)
		files, err := filepath.Glob(filepath.Join(folder, "*.bmp"))
		if err != nil || len(files) != 5 {
			t.Fatalf("%s: %d pictures, want 5: %v", folder, len(files), err)
		}
		slices.Sort(files)
		for _, f := range files {
			sets[i] = append(sets[i], sharedPicture(t, "reference/iqa_calibra/"+dir+"/"+filepath.Base(f)))
		}
	}
	towers := NewTowers(cache, openLPIPSEngine(t), TowerOptions{})
	defer towers.Close()
	for name, want := range map[string]float64{"inception-pytorch": 225.3678, "inception-clean": 220.5819} {
		if got := fidOf(t, towers, name, sets[0], sets[1]); math.Abs(got-want) > 0.01 {
			t.Errorf("%s: FID %.4f, IQA-PyTorch's table says %.4f", name, got, want)
		}
	}
}

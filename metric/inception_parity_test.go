package metric

import (
	"math"
	"testing"

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

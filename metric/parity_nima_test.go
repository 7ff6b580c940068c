package metric

import (
	"math"
	"testing"

	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/weights"
)

// How near Keras' own MobileNet in float64 the numbers must come. Keras in float32
// is up to 7e-6 from it.
const (
	parityShare = 1e-5 // of a share
	parityMark  = 5e-5 // of a mean of marks 1 to 10
)

func nimaParity() []parityCase {
	return []parityCase{{"nima-aesthetic", false, nimaShares}, {"nima-technical", false, nimaShares}}
}

// nimaShares holds both paddings against Keras, and against each other.
func nimaShares(t *testing.T, b *parityBench, g parityGolden, y *parityTally) {
	for i, padding := range []backbone.Padding{backbone.Keras21, backbone.TF2} {
		towers := NewTowers(b.cache, b.engine, TowerOptions{NIMAPadding: padding})
		in := b.open(t, towers, g.Model)
		other := 0.0
		for j, want := range g.Images {
			p := parityPicture(t, want.File)
			kerasTensor(t, p, want, nimaPreparation(padding))
			wantShares, others := want.Embedding, want.Raw
			if padding == backbone.TF2 {
				wantShares, others = others, wantShares
			}
			e, err := in.Embeddings(t.Context(), p)
			if err != nil {
				t.Fatalf("%s: %v", want.File, err)
			}
			r, err := in.Rating(t.Context(), p)
			if err != nil {
				t.Fatalf("%s: %v", want.File, err)
			}
			mark, err := in.Measure(t.Context(), p)
			if err != nil {
				t.Fatalf("%s: %v", want.File, err)
			}
			if len(e) != 1 || len(e[0].Vector) != 10 || len(wantShares) != 10 || len(r.Shares) != 10 || r.Mean != mark.Value {
				t.Fatalf("%s: embeddings %v, rating %+v, reading %v", want.File, e, r, mark.Value)
			}
			most := 0.0
			for k, s := range wantShares {
				y.check(t, string(padding)+" share", want.File, math.Abs(float64(e[0].Vector[k]-s)), parityShare)
				y.check(t, string(padding)+" share", want.File, math.Abs(r.Shares[k]-float64(s)), parityShare)
				most = max(most, math.Abs(float64(e[0].Vector[k]-others[k])))
			}
			if most < 0.01 { // Keras' own differ by 0.02 at least
				t.Errorf("%s: shares come within %.2g of the other padding's", want.File, most)
			}
			other = max(other, most)
			y.check(t, string(padding)+" mean", want.File, math.Abs(r.Mean-g.Scores[j][i]), parityMark)
		}
		t.Logf("%s: shares up to %.2g from the other padding's", padding, other)
		if err := towers.Close(); err != nil {
			t.Error(err)
		}
	}
}

// kerasTensor checks that the network is given what Keras' is given, to the bit.
func kerasTensor(t *testing.T, p *Picture, want parityImage, prep preparation) {
	t.Helper()
	x, err := prep.tensor(t.Context(), p)
	if err != nil {
		t.Fatalf("%s: %v", want.File, err)
	}
	if got := sha256Of(weights.Float32Bytes(x)); got != want.Tensor {
		t.Errorf("%s: the tensor is not Keras' to the bit", want.File)
	}
}

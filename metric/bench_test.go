package metric

import (
	"math/rand/v2"
	"testing"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

// Each instrument alone, at 512×512, from a picture of which nothing is derived
// yet; then all formulas and the layout on one picture.
func BenchmarkFormulas(b *testing.B) {
	img := scene(512, 512, 1, 31)
	for _, f := range formulas() {
		b.Run(f.spec.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.value(NewPicture(img))
			}
		})
	}
	b.Run("layout", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			NewPicture(img).layoutVector()
		}
	})
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := NewPicture(img)
			for _, f := range formulas() {
				f.value(p)
			}
			p.layoutVector()
		}
	})
}

func BenchmarkSceneStatistics(b *testing.B) {
	img := scene(512, 512, 1, 31)
	niqe, err := OpenNIQE(unitNIQE())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("niqe", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := niqe.Measure(b.Context(), NewPicture(img)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("brisque", func(b *testing.B) {
		brisque := open(b, "brisque")
		b.ReportAllocs()
		for b.Loop() {
			if _, err := brisque.Measure(b.Context(), NewPicture(img)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	for b.Loop() {
		if _, ok := Find("style"); !ok {
			b.Fatal("no style")
		}
	}
}

package series_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
)

// BenchmarkAdd times images end to end: decoding, every formula, the nearest
// neighbour, gates, and facts synced to disk, on a series whose thresholds
// exist. `assay bench` does the same with whatever models are installed.
func BenchmarkAdd(b *testing.B) {
	tools := series.Tools{Missing: map[string]error{}}
	for _, spec := range metric.Catalogue() {
		if len(spec.Models) == 0 {
			in, err := metric.OpenFormula(spec.Name)
			if err != nil {
				b.Fatal(err)
			}
			tools.Instruments = append(tools.Instruments, in)
		}
	}
	db, err := store.Open(b.Context(), b.TempDir(), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	s, err := series.Open(b.Context(), "bench", db, tools, series.Options{})
	if err != nil {
		b.Fatal(err)
	}
	const batch = 16
	var pictures [][]byte
	for seed := range uint64(24) {
		pictures = append(pictures, pictureOf(b, seed, 512))
	}
	next := 0
	run := func(n int) {
		var list []series.Input
		for range n {
			next++
			// The same pixels in other files, as far as the decoder is concerned.
			list = append(list, input(fmt.Sprint(next), fmt.Append(slices.Clone(pictures[next%24]), next)))
		}
		if err := s.Add(b.Context(), slices.Values(list), func(r series.Result) error { return r.Err }); err != nil {
			b.Fatal(err)
		}
	}
	run(24)
	for b.Loop() {
		run(batch)
	}
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "images/s")
}

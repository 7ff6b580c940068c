package store

import (
	"fmt"
	"sync"
	"testing"

	"github.com/gen-emerge/assay"
)

func perSecond(b *testing.B, rows int, unit string) {
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), unit+"/s")
}

func BenchmarkEnter(b *testing.B) {
	db := openAt(b, b.TempDir(), Options{})
	must(b, db.CreateSeries(b.Context(), "s"))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		img, data := bigPicture(n, 100_000)
		_, _, err := db.Enter(b.Context(), img, data, assay.Entry{Series: "s", Prompt: "a cat"})
		must(b, err)
	}
	perSecond(b, 1, "images")
}

// measurement is what ten instruments, an embedding and a distance say of entry i.
func measurement(i int) Measurement {
	m := Measurement{Series: "s", Seq: int64(i)}
	for k := range 10 {
		id := niqe
		id.Instrument = fmt.Sprint("instrument-", k)
		m.Readings = append(m.Readings, assay.Reading{Identity: id, Image: pictureID(i), Value: float64(i)})
	}
	m.Embeddings = []assay.Embedding{{Identity: lpips, Image: pictureID(i), Vector: make([]float32, 512)}}
	return m
}

// rows adds n entries without blobs, which no reading needs.
func rows(b *testing.B, db *DB, n int) {
	b.Helper()
	must(b, db.CreateSeries(b.Context(), "s"))
	must(b, db.write(b.Context(), func(t *tx) error {
		for i := 1; i <= n; i++ {
			img, _ := picture(i)
			if _, err := t.enter(img, assay.Entry{Series: "s", Prompt: "a cat on a mat, photograph, 35 mm", Settings: map[string]string{"seed": "1"}}); err != nil {
				return err
			}
		}
		return nil
	}))
}

func BenchmarkRecord(b *testing.B) {
	for _, batch := range []int{1, 100} {
		b.Run(fmt.Sprint("batch=", batch), func(b *testing.B) {
			db := openAt(b, b.TempDir(), Options{})
			const entries = 20_000
			rows(b, db, entries)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				var ms []Measurement
				for range batch {
					ms = append(ms, measurement(n%entries+1))
					n++
				}
				must(b, db.RecordAll(b.Context(), ms))
			}
			if n > entries {
				b.Logf("%d of %d measurements were repeats", n-entries, n)
			}
			perSecond(b, batch, "measurements")
		})
	}
}

// BenchmarkSeriesReadings reads one instrument of 100 000 entries, of which
// each has three.
func BenchmarkSeriesReadings(b *testing.B) {
	db := openAt(b, b.TempDir(), Options{})
	const entries = 100_000
	rows(b, db, entries)
	must(b, db.write(b.Context(), func(t *tx) error {
		for i := 1; i <= entries; i++ {
			m := measurement(i)
			m.Readings, m.Embeddings = m.Readings[:3], nil
			if err := t.record(m); err != nil {
				return err
			}
		}
		return nil
	}))
	b.Run("readings", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			seen := 0
			must(b, db.SeriesReadings(b.Context(), "s", "instrument-1", func(int64, assay.Reading) error { seen++; return nil }))
			if seen != entries {
				b.Fatalf("%d readings, want %d", seen, entries)
			}
		}
		perSecond(b, entries, "rows")
	})
	b.Run("version", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := db.Version(b.Context(), "s")
			must(b, err)
		}
	})
	b.Run("entries", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			es, err := db.Entries(b.Context(), "s", 0, 0)
			must(b, err)
			if len(es) != entries {
				b.Fatalf("%d entries", len(es))
			}
		}
		perSecond(b, entries, "rows")
	})
}

// BenchmarkReadWhileWriting counts look-ups by four readers beside one writer.
func BenchmarkReadWhileWriting(b *testing.B) {
	db := openAt(b, b.TempDir(), Options{})
	rows(b, db, 1000)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				if err := db.Record(b.Context(), measurement(n%1000+1)); err != nil {
					b.Error(err)
					return
				}
			}
		}
	})
	b.SetParallelism(2)
	b.RunParallel(func(pb *testing.PB) {
		for n := 0; pb.Next(); n++ {
			if _, err := db.Entry(b.Context(), "s", pictureID(n%1000+1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	close(stop)
	wg.Wait()
	perSecond(b, 1, "look-ups")
}

// BenchmarkCalls enters calls and their ends, so many in one transaction.
func BenchmarkCalls(b *testing.B) {
	for _, batch := range []int{1, 64} {
		db := openAt(b, b.TempDir(), Options{})
		n := 0
		enter := func(b *testing.B, end bool) {
			var calls []assay.Call
			var ends []assay.CallEnd
			for range batch {
				n++
				calls, ends = append(calls, call(n)), append(ends, callEnd(n))
			}
			must(b, db.BeginCalls(b.Context(), calls))
			if end {
				must(b, db.EndCalls(b.Context(), ends))
			}
		}
		for name, end := range map[string]bool{"begin": false, "begin and end": true} {
			b.Run(fmt.Sprintf("%s/batch=%d", name, batch), func(b *testing.B) {
				for b.Loop() {
					enter(b, end)
				}
				perSecond(b, batch, "calls")
			})
		}
	}
}

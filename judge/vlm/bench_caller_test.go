package vlm

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// bench starts a server that answers after delay, and a Caller with a ledger on
// disk that asks it.
func bench(b *testing.B, delay time.Duration, concurrency int) (*Caller, *poster) {
	b.Helper()
	s := &till{delay: delay, paid: make(map[string]int), came: make(chan struct{}, 1)}
	srv := httptest.NewServer(s)
	b.Cleanup(srv.Close)
	client := newPoster(srv.URL, concurrency)
	c := NewCaller(someone, client, CallerOptions{Ledger: workspace(b, b.TempDir()), Concurrency: concurrency, Price: Price{In: 1, Out: 1}})
	b.Cleanup(func() { c.Close() })
	return c, client
}

// each asks n new questions of a, concurrency at a time.
func each(b *testing.B, a Asker, next *atomic.Int64, n, concurrency int) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range concurrency {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := a.Ask(b.Context(), question(int(next.Add(1)))); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkRate asks a server that takes 200 ms with 64 calls at a time: 320 a
// second would be ideal.
func BenchmarkRate(b *testing.B) {
	const concurrency, rounds = 64, 20
	c, _ := bench(b, 200*time.Millisecond, concurrency)
	var next atomic.Int64
	var begun time.Time
	calls := 0
	b.ResetTimer()
	begun = time.Now()
	for b.Loop() {
		// As a checklist does it: all calls are there, the Caller bounds them.
		each(b, c, &next, concurrency*rounds, 4*concurrency)
		calls += concurrency * rounds
	}
	rate := float64(calls) / time.Since(begun).Seconds()
	b.ReportMetric(rate, "calls/s")
	b.ReportMetric(100*rate/(concurrency/0.2), "%ideal")
}

// BenchmarkOverhead compares a call through the Caller, with its two entries
// synced to the disk, with the same call of the client alone, to a server that
// answers at once.
func BenchmarkOverhead(b *testing.B) {
	for _, concurrency := range []int{1, 8, 64} {
		c, client := bench(b, 0, concurrency)
		light := NewCaller(someone, client, CallerOptions{Concurrency: concurrency})
		b.Cleanup(func() { light.Close() })
		for name, a := range map[string]Asker{"caller": c, "caller, ledger in memory": light, "client": client} {
			b.Run(fmt.Sprintf("%s/concurrency=%d", name, concurrency), func(b *testing.B) {
				var next atomic.Int64
				next.Store(time.Now().UnixNano()) // new questions each time
				calls := 0
				begun := time.Now()
				for b.Loop() {
					each(b, a, &next, 16*concurrency, concurrency)
					calls += 16 * concurrency
				}
				b.ReportMetric(time.Since(begun).Seconds()*1000/float64(calls), "ms/call")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkKept asks what is in the ledger already.
func BenchmarkKept(b *testing.B) {
	c, _ := bench(b, 0, 8)
	if _, err := c.Ask(b.Context(), question(1)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.Ask(b.Context(), question(1)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkQueued has so many calls wait in Ask behind a server that does not
// answer, and reports what each takes of memory; then the same after all have
// been answered.
func BenchmarkQueued(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				var open atomic.Bool
				gate := make(chan struct{})
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					if !open.Load() {
						<-gate
					}
					fmt.Fprint(w, `{"text":"yes","finish":"stop","usage":{"in":3,"out":1}}`)
				}))
				c := NewCaller(someone, newPoster(srv.URL, 64), CallerOptions{Ledger: workspace(b, b.TempDir()), Concurrency: 64})
				before := memory()
				var wg sync.WaitGroup
				for i := range n {
					wg.Go(func() {
						if _, err := c.Ask(b.Context(), question(i)); err != nil {
							b.Error(err)
						}
					})
				}
				for waiting := 0; waiting < n; {
					time.Sleep(10 * time.Millisecond)
					c.mu.Lock()
					waiting = c.flying.queue.Len() + c.flying.workers
					c.mu.Unlock()
				}
				b.ReportMetric(float64(memory()-before)/float64(n), "B/queued")
				open.Store(true)
				close(gate)
				wg.Wait()
				b.ReportMetric(float64(memory()-before)/1024, "KiB-after")
				b.ReportMetric(0, "ns/op")
				c.Close()
				srv.Close()
			}
		})
	}
}

// memory returns what the heap and the stacks hold after a collection.
func memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

package vlm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/store"
)

// workspace opens a store in dir.
func workspace(t testing.TB, dir string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), dir, store.Options{})
	must(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// The ledger in memory and the one on disk say the same after any history.
func TestLedgersAgree(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rng := rand.New(rand.NewPCG(3, 4))
	epoch := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	memory, disk := MemoryLedger(), Ledger(workspace(t, t.TempDir()))
	key := func() assay.Digest { return assay.DigestOfText(fmt.Sprint(rng.IntN(12))) }
	kinds := []error{nil, assay.ErrNotFound, assay.ErrConflict, assay.ErrInvalid}
	kind := func(err error) error {
		i := slices.IndexFunc(kinds[1:], func(k error) bool { return errors.Is(err, k) })
		if err != nil && i < 0 {
			t.Fatal(err)
		}
		return kinds[i+1]
	}
	seen := make(map[error]int)
	for step := range 120 {
		at := epoch.Add(time.Duration(step) * time.Second)
		var calls []assay.Call
		var ends []assay.CallEnd
		for range rng.IntN(3) + 1 {
			calls = append(calls, assay.Call{Key: key(), Judge: someone, MostTokens: rng.Int64N(9), MostCost: float64(rng.IntN(9)), Begun: at})
			e := assay.CallEnd{Key: key(), Attempts: rng.IntN(3), In: rng.Int64N(9), Out: rng.Int64N(9), Cost: float64(rng.IntN(9)), Ended: at}
			if rng.IntN(2) == 0 {
				e.Error = fmt.Sprint("error ", rng.IntN(2))
			} else {
				e.Reply = json.RawMessage(fmt.Sprint(rng.IntN(2)))
			}
			ends = append(ends, e)
		}
		if rng.IntN(3) == 0 {
			must(t, memory.BeginCalls(ctx, calls))
			must(t, disk.BeginCalls(ctx, calls))
		} else {
			got, want := kind(disk.EndCalls(ctx, ends)), kind(memory.EndCalls(ctx, ends))
			if got != want {
				t.Fatalf("step %d: EndCalls: disk %v, memory %v", step, got, want)
			}
			seen[got]++
		}
		for _, l := range []func(Ledger) (any, error){
			func(l Ledger) (any, error) { return l.CallsInDoubt(ctx) },
			func(l Ledger) (any, error) { return l.Spent(ctx, time.Time{}) },
			func(l Ledger) (any, error) { return l.Spent(ctx, at.Add(-20*time.Second)) },
			func(l Ledger) (any, error) { return l.CallEnd(ctx, calls[0].Key) },
		} {
			got, err := l(disk)
			want, err2 := l(memory)
			if kind(err) != kind(err2) {
				t.Fatalf("step %d: disk %v, memory %v", step, err, err2)
			}
			same(t, fmt.Sprint("step ", step), got, want)
		}
	}
	if len(seen) < 3 {
		t.Errorf("the history met only %v", seen)
	}
}

// What many enter at once is written together, and one wrong entry spoils none.
func TestScribe(t *testing.T) {
	t.Parallel()
	l := &slowLedger{Ledger: MemoryLedger()}
	s := &scribe{ledger: l}
	must(t, s.begin(assay.Call{Key: assay.DigestOfText("0"), Judge: someone}))
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			key := assay.DigestOfText(fmt.Sprint(i))
			if i > 0 {
				must(t, s.begin(assay.Call{Key: key, Judge: someone}))
			}
			must(t, s.end(assay.CallEnd{Key: key, Reply: json.RawMessage("1")}))
		})
		if i%16 == 0 {
			wg.Go(func() {
				is(t, "wrong", s.end(assay.CallEnd{Key: assay.DigestOfText(fmt.Sprint("wrong ", i)), Error: "x"}), assay.ErrNotFound)
			})
		}
	}
	wg.Wait()
	open, err := l.CallsInDoubt(t.Context())
	must(t, err)
	same(t, "in doubt", len(open), 0)
	if n := l.begins.Load(); n > 20 {
		t.Errorf("%d transactions for 64 begins", n)
	}
}

// slowLedger takes a while to write, as a disk does.
type slowLedger struct {
	Ledger
	begins atomic.Int64
}

func (l *slowLedger) BeginCalls(ctx context.Context, calls []assay.Call) error {
	l.begins.Add(1)
	time.Sleep(5 * time.Millisecond)
	return l.Ledger.BeginCalls(ctx, calls)
}

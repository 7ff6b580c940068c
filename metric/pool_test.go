package metric

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// TestCancelledOpening: who opens a network and is cancelled gets an error; who
// waited for the same network opens it; who waited and gave up does not wait on.
func TestCancelledOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &countingEngine{t: t}
		p := newPool(10)
		p.hold("k", 4)
		open := func(ctx context.Context) (Runner, error) {
			if ctx.Value(patient{}) == nil {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return e.Open(ctx, nil)
		}
		use := func(ctx context.Context) <-chan error {
			got := make(chan error, 1)
			go func() { _, err := p.use(ctx, "k", open); got <- err }()
			synctest.Wait()
			return got
		}
		ctx, cancel := context.WithCancel(t.Context())
		first := use(ctx)
		second := use(context.WithValue(t.Context(), patient{}, 1))
		waiter, giveUp := context.WithCancel(t.Context())
		third := use(waiter)
		giveUp()
		if err := <-third; !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up waiting: %v", err)
		}
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("who was cancelled: %v", err)
		}
		if err := <-second; err != nil || e.openNow.Load() != 1 || p.open != 4 {
			t.Errorf("who waited: %v; %d open, %d bytes", err, e.openNow.Load(), p.open)
		}
		if err := p.close(); err != nil || e.openNow.Load() != 1 {
			t.Errorf("closing while in use: %v, %d open, want 1", err, e.openNow.Load())
		}
		p.release("k")
		if err := p.drop("k"); err != nil || e.openNow.Load() != 0 || p.open != 0 || len(p.slots) != 0 {
			t.Errorf("afterwards: %v; %d open, %d bytes, %d slots", err, e.openNow.Load(), p.open, len(p.slots))
		}
	})
}

// TestPanicDoesNotStrand: a computation that panics leaves nobody waiting.
func TestPanicDoesNotStrand(t *testing.T) {
	var m memo[int, int]
	func() {
		defer func() { _ = recover() }()
		m.get(t.Context(), 1, func(context.Context) (int, error) { panic("broken") })
	}()
	v, err := m.get(t.Context(), 1, func(context.Context) (int, error) { return 7, nil })
	if v != 7 || err != nil {
		t.Errorf("after a panic: %d, %v", v, err)
	}
}

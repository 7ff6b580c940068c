package metric

import (
	"context"
	"errors"
	"sync"
)

// A memo remembers what was computed, by key. However many ask at once, a value
// is computed once; a failure is told to everyone who waited and then
// forgotten, and if whoever computes is cancelled, the next in line computes.
// The zero memo remembers everything.
type memo[K comparable, V any] struct {
	limit int // values kept, the least recently used forgotten first; 0 keeps all

	mu    sync.Mutex
	calls map[K]*call[V]
	tick  uint64
}

// A call is a value, or the wait for one.
type call[V any] struct {
	done    chan struct{} // closed once the rest is written
	value   V
	err     error
	gaveUp  bool   // err is the cancellation of whoever computed
	used    uint64 // tick of the last use; guarded by the memo's mutex
	settled bool   // guarded by the memo's mutex
}

// errUnfinished is what waiters are told when a computation panicked.
var errUnfinished = errors.New("the computation did not finish")

// get returns the value of key, made by calling make unless it is known or
// being made. Waiting ends when ctx does.
func (m *memo[K, V]) get(ctx context.Context, key K, make func(context.Context) (V, error)) (V, error) {
	for {
		c, mine := m.join(key)
		if mine {
			return m.run(ctx, key, c, make)
		}
		select {
		case <-c.done:
		default: // known values are returned even to those who were cancelled
			select {
			case <-c.done:
			case <-ctx.Done():
				var none V
				return none, context.Cause(ctx)
			}
		}
		if c.err == nil || !c.gaveUp {
			return c.value, c.err
		}
		if ctx.Err() != nil {
			var none V
			return none, context.Cause(ctx)
		}
	}
}

// join returns the call for key, and whether the caller has to make its value.
func (m *memo[K, V]) join(key K) (c *call[V], mine bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tick++
	if c, ok := m.calls[key]; ok {
		c.used = m.tick
		return c, false
	}
	if m.calls == nil {
		m.calls = map[K]*call[V]{}
	}
	c = &call[V]{done: make(chan struct{}), used: m.tick, err: errUnfinished}
	m.calls[key] = c
	return c, true
}

// run makes the value of c and tells everyone who waits.
func (m *memo[K, V]) run(ctx context.Context, key K, c *call[V], make func(context.Context) (V, error)) (V, error) {
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if c.err != nil {
			delete(m.calls, key)
		} else {
			c.settled = true
			m.trim()
		}
		close(c.done)
	}()
	value, err := make(ctx)
	c.gaveUp = err != nil && ctx.Err() != nil
	c.value, c.err = value, err
	return value, err
}

// trim forgets the least recently used values beyond the limit.
func (m *memo[K, V]) trim() {
	for m.limit > 0 && len(m.calls) > m.limit {
		var oldest K
		found := false
		for k, c := range m.calls {
			if c.settled && (!found || c.used < m.calls[oldest].used) {
				oldest, found = k, true
			}
		}
		if !found {
			return
		}
		delete(m.calls, oldest)
	}
}

// put gives key a value, unless it has one or one is being made.
func (m *memo[K, V]) put(key K, value V) {
	c, mine := m.join(key)
	if mine {
		m.run(context.Background(), key, c, func(context.Context) (V, error) { return value, nil })
	}
}

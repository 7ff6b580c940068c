package vlm

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gen-emerge/assay"
)

// A Ledger keeps calls and what became of them. A method that returns without
// error has its facts kept for good. Implementations are safe for use by many
// goroutines. store.DB is one, [MemoryLedger] another.
type Ledger interface {
	// CallEnd returns the newest reply to the call, or if there is none why it
	// failed last, or an error wrapping [assay.ErrNotFound].
	CallEnd(ctx context.Context, key assay.Digest) (assay.CallEnd, error)
	// BeginCalls enters calls that are about to be sent, all or none. A key
	// that is there already is entered once more.
	BeginCalls(ctx context.Context, calls []assay.Call) error
	// EndCalls enters what became of calls, all or none. An end belongs to the
	// newest entry of its key that has none. Where there is none, saying again
	// what was said last is a no-op, saying something else an error wrapping
	// [assay.ErrConflict]; a key that was never begun gives one wrapping
	// [assay.ErrNotFound].
	EndCalls(ctx context.Context, ends []assay.CallEnd) error
	// CallsInDoubt returns the calls that were begun last and have not ended.
	CallsInDoubt(ctx context.Context) ([]assay.Call, error)
	// Spent sums over the calls that ended at the time since or later, and
	// those without an end that were begun then.
	Spent(ctx context.Context, since time.Time) (assay.Spending, error)
}

// MemoryLedger returns a ledger that lasts as long as the process.
func MemoryLedger() Ledger { return &memoryLedger{byKey: make(map[assay.Digest][]*memoryCall)} }

type memoryLedger struct {
	mu    sync.Mutex
	calls []*memoryCall
	byKey map[assay.Digest][]*memoryCall
}

type memoryCall struct {
	assay.Call
	end *assay.CallEnd
}

// CallEnd implements [Ledger].
func (m *memoryLedger) CallEnd(_ context.Context, key assay.Digest) (assay.CallEnd, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var failed *assay.CallEnd
	for _, c := range slices.Backward(m.byKey[key]) {
		if c.end != nil && c.end.Reply != nil {
			return *c.end, nil
		}
		failed = cmp.Or(failed, c.end)
	}
	if failed != nil {
		return *failed, nil
	}
	return assay.CallEnd{}, fmt.Errorf("end of call %s: %w", key.Short(), assay.ErrNotFound)
}

// BeginCalls implements [Ledger].
func (m *memoryLedger) BeginCalls(_ context.Context, calls []assay.Call) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range calls {
		entry := &memoryCall{Call: c}
		m.calls = append(m.calls, entry)
		m.byKey[c.Key] = append(m.byKey[c.Key], entry)
	}
	return nil
}

// EndCalls implements [Ledger].
func (m *memoryLedger) EndCalls(_ context.Context, ends []assay.CallEnd) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var done []*memoryCall
	for _, e := range ends {
		c, err := m.open(e)
		if err != nil {
			for _, c := range done {
				c.end = nil
			}
			return fmt.Errorf("end of call %s: %w", e.Key.Short(), err)
		}
		if c != nil {
			c.end = &e
			done = append(done, c)
		}
	}
	return nil
}

// open returns the entry that e belongs to, or nil if e has been said already.
func (m *memoryLedger) open(e assay.CallEnd) (*memoryCall, error) {
	var last *assay.CallEnd
	for _, c := range slices.Backward(m.byKey[e.Key]) {
		if c.end == nil {
			return c, nil
		}
		last = cmp.Or(last, c.end)
	}
	switch {
	case last == nil:
		return nil, fmt.Errorf("it was never begun: %w", assay.ErrNotFound)
	case string(last.Reply) != string(e.Reply) || last.Error != e.Error:
		return nil, fmt.Errorf("it has ended, and otherwise: %w", assay.ErrConflict)
	}
	return nil, nil
}

// CallsInDoubt implements [Ledger].
func (m *memoryLedger) CallsInDoubt(context.Context) ([]assay.Call, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var open []assay.Call
	for _, c := range m.calls {
		if m.inDoubt(c) {
			open = append(open, c.Call)
		}
	}
	return open, nil
}

// inDoubt reports whether c is the newest entry of its key and has no end.
func (m *memoryLedger) inDoubt(c *memoryCall) bool {
	all := m.byKey[c.Key]
	return c.end == nil && all[len(all)-1] == c
}

// Spent implements [Ledger].
func (m *memoryLedger) Spent(_ context.Context, since time.Time) (assay.Spending, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var s assay.Spending
	for _, c := range m.calls {
		switch {
		case c.end != nil && !c.end.Ended.Before(since):
			s.Calls++
			s.In += c.end.In
			s.Out += c.end.Out
			s.Cost += c.end.Cost
		case c.end == nil && !c.Begun.Before(since):
			if m.inDoubt(c) {
				s.InDoubt++
			}
			s.DoubtTokens += c.MostTokens
			s.DoubtCost += c.MostCost
		}
	}
	return s, nil
}

// A scribe writes into a ledger what many goroutines want entered, as one
// transaction for all that came while the last one was being written.
type scribe struct {
	ledger Ledger

	mu     sync.Mutex
	begins []entry[assay.Call]
	ends   []entry[assay.CallEnd]
	busy   bool
}

// An entry waits to be written.
type entry[T any] struct {
	fact T
	done chan error
}

// begin returns when c is in the ledger.
func (s *scribe) begin(c assay.Call) error {
	e := entry[assay.Call]{c, make(chan error, 1)}
	s.add(func() { s.begins = append(s.begins, e) })
	return <-e.done
}

// end returns when what became of a call is in the ledger.
func (s *scribe) end(c assay.CallEnd) error {
	e := entry[assay.CallEnd]{c, make(chan error, 1)}
	s.add(func() { s.ends = append(s.ends, e) })
	return <-e.done
}

func (s *scribe) add(put func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	put()
	if !s.busy {
		s.busy = true
		go s.write()
	}
}

// write writes until nothing waits.
func (s *scribe) write() {
	for {
		s.mu.Lock()
		begins, ends := s.begins, s.ends
		s.begins, s.ends = nil, nil
		s.busy = len(begins)+len(ends) > 0
		busy := s.busy
		s.mu.Unlock()
		if !busy {
			return
		}
		// Begins first: slots on the wire wait for them.
		flush(begins, s.ledger.BeginCalls)
		flush(ends, s.ledger.EndCalls)
	}
}

// flush writes entries together, or one by one if together they are refused, so
// that one that no ledger takes does not spoil the others.
func flush[T any](entries []entry[T], write func(context.Context, []T) error) {
	if len(entries) == 0 {
		return
	}
	facts := make([]T, len(entries))
	for i, e := range entries {
		facts[i] = e.fact
	}
	// Not the caller's context: what was paid for is kept even if nobody waits.
	ctx := context.Background()
	err := write(ctx, facts)
	for i, e := range entries {
		if err != nil && len(entries) > 1 {
			e.done <- write(ctx, facts[i:i+1])
			continue
		}
		e.done <- err
	}
}

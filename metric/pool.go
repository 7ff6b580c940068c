package metric

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gen-emerge/assay"
)

// A pool keeps runners open within a budget of bytes. The least recently used
// is closed first; one in use is never closed, even if the budget is exceeded
// meanwhile, and the last one stays open. It is safe for concurrent use.
type pool struct {
	budget int64

	mu     sync.Mutex
	slots  map[string]*slot
	open   int64 // bytes of the runners that are open or being opened
	tick   uint64
	closed bool
	errs   []error // of closing; told by close
}

// A slot is the place of one runner, open or not.
type slot struct {
	bytes   int64
	run     Runner   // nil if not open
	opening *attempt // nil if nobody is opening it
	users   int      // between use and release
	holders int      // instruments that stand on it
	used    uint64   // tick of the last use
}

// An attempt is one opening that others may be waiting for.
type attempt struct {
	done   chan struct{}
	err    error
	gaveUp bool // err is the cancellation of whoever opened
}

func newPool(budget int64) *pool {
	return &pool{budget: budget, slots: map[string]*slot{}}
}

// hold says that one more instrument stands on the runner of key.
func (p *pool) hold(key string, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.slots[key]
	if s == nil {
		s = &slot{bytes: bytes}
		p.slots[key] = s
	}
	s.holders++
}

// drop takes back one hold. The runner is closed when nobody stands on it.
func (p *pool) drop(key string) error {
	p.mu.Lock()
	s := p.slots[key]
	s.holders--
	victims := p.settle(key, s)
	p.mu.Unlock()
	return closeAll(victims)
}

// settle forgets s if nobody needs it, and returns the runners that are to be
// closed once the mutex is free.
func (p *pool) settle(key string, s *slot) (victims []Runner) {
	if s.users == 0 && s.opening == nil && (s.holders == 0 || p.closed) {
		if s.run != nil {
			victims = append(victims, s.run)
			p.open -= s.bytes
			s.run = nil
		}
		if s.holders == 0 {
			delete(p.slots, key)
		}
	}
	return append(victims, p.evict(0)...)
}

// evict takes idle runners out, the least recently used first, until need more
// bytes fit into the budget or none is idle.
func (p *pool) evict(need int64) (victims []Runner) {
	for p.open+need > p.budget {
		var oldest *slot
		for _, s := range p.slots {
			if s.run != nil && s.users == 0 && (oldest == nil || s.used < oldest.used) {
				oldest = s
			}
		}
		if oldest == nil || need == 0 && oldest.bytes == p.open {
			break // a budget that one runner exceeds must not close it after every use
		}
		victims = append(victims, oldest.run)
		p.open -= oldest.bytes
		oldest.run = nil
	}
	return victims
}

func closeAll(runners []Runner) error {
	var errs []error
	for _, r := range runners {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

// use returns the runner of key, which some instrument holds, opened with open
// if it is not. Of many who ask at once, one opens; if that fails, all are told,
// and the next to ask tries again. The caller must release the runner.
func (p *pool) use(ctx context.Context, key string, open func(context.Context) (Runner, error)) (Runner, error) {
	for {
		p.mu.Lock()
		s := p.slots[key]
		if p.closed || s == nil {
			p.mu.Unlock()
			return nil, fmt.Errorf("the towers are closed: %w", assay.ErrUnavailable)
		}
		p.tick++
		s.used = p.tick
		if s.run != nil {
			s.users++
			run := s.run
			p.mu.Unlock()
			return run, nil
		}
		if s.opening == nil {
			return p.start(ctx, key, s, open) // unlocks
		}
		wait := s.opening
		p.mu.Unlock()
		select {
		case <-wait.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if wait.err != nil && !wait.gaveUp {
			return nil, wait.err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// start opens the runner of s for the caller and everyone who waits. It is
// called with the mutex locked, and unlocks it.
func (p *pool) start(ctx context.Context, key string, s *slot, open func(context.Context) (Runner, error)) (run Runner, err error) {
	a := &attempt{done: make(chan struct{}), err: errUnfinished}
	s.opening = a
	victims := p.evict(s.bytes)
	p.open += s.bytes
	p.mu.Unlock()
	closing := closeAll(victims) // room first, then the new one
	defer func() {
		p.mu.Lock()
		s.opening = nil
		if closing != nil {
			p.errs = append(p.errs, closing)
		}
		if a.err == nil {
			s.run, s.users = run, s.users+1
		} else {
			p.open -= s.bytes
		}
		victims := p.settle(key, s)
		p.mu.Unlock()
		close(a.done)
		p.note(closeAll(victims))
	}()
	run, err = open(ctx)
	a.gaveUp = err != nil && ctx.Err() != nil
	a.err = err
	return run, err
}

// release gives back what use returned.
func (p *pool) release(key string) {
	p.mu.Lock()
	s := p.slots[key]
	s.users--
	victims := p.settle(key, s)
	p.mu.Unlock()
	p.note(closeAll(victims))
}

// note keeps an error of closing for whoever closes the pool.
func (p *pool) note(err error) {
	if err != nil {
		p.mu.Lock()
		p.errs = append(p.errs, err)
		p.mu.Unlock()
	}
}

// close closes every idle runner; those in use are closed when they are
// released. Nothing can be opened afterwards.
func (p *pool) close() error {
	p.mu.Lock()
	p.closed = true
	var victims []Runner
	for key, s := range p.slots {
		victims = append(victims, p.settle(key, s)...)
	}
	errs := p.errs
	p.errs = nil
	p.mu.Unlock()
	return errors.Join(closeAll(victims), errors.Join(errs...))
}

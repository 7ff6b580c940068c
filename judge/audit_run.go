package judge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// A meter counts requests and their cost, and allows so many.
type meter struct {
	next vlm.Asker

	mu      sync.Mutex
	left    int
	latency []time.Duration
	usage   vlm.Usage
}

func newMeter(next vlm.Asker, calls int) *meter { return &meter{next: next, left: calls} }

// Ask asks the next asker, or returns errSpent.
func (m *meter) Ask(ctx context.Context, r vlm.Request) (vlm.Reply, error) {
	m.mu.Lock()
	if m.left <= 0 {
		m.mu.Unlock()
		return vlm.Reply{}, errSpent
	}
	m.left--
	m.mu.Unlock()
	start := time.Now()
	reply, err := m.next.Ask(ctx, r)
	took := time.Since(start)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.latency = append(m.latency, took)
	m.usage.In += reply.Usage.In
	m.usage.Out += reply.Usage.Out
	m.usage.Cached += reply.Usage.Cached
	return reply, err
}

// A spender knows what was paid; [vlm.Caller] does.
type spender interface{ Spent() assay.Spending }

// cost returns what the requests took. before is what was spent before the first.
func (m *meter) cost(before *assay.Spending) Cost {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := Cost{Calls: len(m.latency), In: m.usage.In, Out: m.usage.Out, Cached: m.usage.Cached}
	if n := len(m.latency); n > 0 {
		slices.Sort(m.latency)
		c.Median, c.Slow = m.latency[n/2], m.latency[min(n-1, n*95/100)]
	}
	if s, ok := m.next.(spender); ok && before != nil {
		now := s.Spent()
		paid, money := now.Calls-before.Calls, now.Cost-before.Cost
		c.Paid, c.Money = &paid, &money
	}
	return c
}

// An examination is an agenda at work.
type examination struct {
	*meter
	m      vlm.Model // asked through the meter
	opt    AuditOptions
	plan   *agenda
	before *assay.Spending
}

// run asks everything, what matters most first. The error is the asker's, and
// ends the work; running out of calls does not count as one.
func (e *examination) run(ctx context.Context) error {
	if s, ok := e.next.(spender); ok {
		e.before = new(s.Spent())
	}
	p := e.plan
	var work []func() error
	probes := func(ps ...*probe) {
		for _, q := range ps {
			work = append(work, func() error { return e.probe(ctx, q) })
		}
	}
	duels := func(ds []*duel) {
		for _, d := range ds {
			work = append(work, func() error { return e.duel(ctx, d) })
		}
	}
	probes(p.knowns...)
	duels(p.gross)
	duels(p.pairs)
	for _, t := range p.twins {
		probes(&t.question, &t.negated)
	}
	for _, w := range p.wrongs {
		probes(&w.own, &w.other)
	}
	duels(p.again)
	duels(p.mild)
	duels(p.own)
	probes(p.answers...)
	return e.all(work)
}

// all works in order, at most opt.Parallel at once, until one fails.
func (e *examination) all(work []func() error) error {
	room := make(chan struct{}, e.opt.Parallel)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for _, f := range work {
		room <- struct{}{}
		mu.Lock()
		stop := failed != nil
		mu.Unlock()
		if stop {
			break
		}
		wg.Go(func() {
			defer func() { <-room }()
			err := f()
			if err == nil || errors.Is(err, errSpent) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if failed == nil {
				failed = err
			}
		})
	}
	wg.Wait()
	return failed
}

func (e *examination) probe(ctx context.Context, p *probe) error {
	b, err := Ask(ctx, e.m, p.subject, p.question, e.opt.Ask)
	if err != nil {
		return err
	}
	p.belief, p.done = b, true
	return nil
}

func (e *examination) duel(ctx context.Context, d *duel) error {
	c, err := Compare(ctx, e.m, d.a, d.b, d.ask)
	if err != nil {
		return err
	}
	d.result, d.done = c, true
	return nil
}

package vlm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gen-emerge/assay"
)

// join returns the flight of the call, a new one if there is none, or nil if c
// is closed.
func (c *Caller) join(key assay.Digest, r Request) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	f := c.flights[key]
	if f == nil {
		f = &flight{key: key, req: r, done: make(chan struct{})}
		c.flights[key] = f
		c.enqueue(&c.looking, f)
	} else if f.waiters == 0 { // it is worked on, and left by all
		f.left = make(chan struct{})
	}
	f.waiters++
	return f
}

// leave takes back one wait for f.
func (c *Caller) leave(f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.waiters--
	if f.waiters > 0 || c.closed {
		return
	}
	if f.queued != nil {
		f.at.queue.Remove(f.queued)
		c.land(f, Reply{}, errLeft)
	} else {
		close(f.left)
	}
}

// enqueue hands f to the workers of a stage; c.mu is held.
func (c *Caller) enqueue(at *stage, f *flight) {
	f.at, f.queued = at, at.queue.PushBack(f)
	if at.workers < at.most {
		at.workers++
		c.busy.Go(func() { c.work(at) })
	}
}

// work works off the queue of a stage.
func (c *Caller) work(at *stage) {
	for {
		c.mu.Lock()
		e := at.queue.Front()
		if e == nil {
			at.workers--
			c.mu.Unlock()
			return
		}
		f := at.queue.Remove(e).(*flight)
		f.queued = nil
		if f.left == nil {
			f.left = make(chan struct{})
		}
		c.mu.Unlock()
		at.do(f)
	}
}

// look finishes f if its reply is in the ledger, and hands it on if not.
func (c *Caller) look(f *flight) {
	reply, err := c.lookUp(f.key)
	if !errors.Is(err, assay.ErrNotFound) {
		c.finish(f, reply, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		c.land(f, Reply{}, errClosed)
	case f.waiters == 0:
		c.land(f, Reply{}, errLeft)
	default:
		c.enqueue(&c.flying, f)
	}
}

// fly makes the call of f and finishes it.
func (c *Caller) fly(f *flight) {
	reply, err := c.call(f)
	c.finish(f, reply, err)
}

// finish tells all who wait for f.
func (c *Caller) finish(f *flight, reply Reply, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, errLeft) && c.closed {
		err = errClosed
	}
	c.land(f, reply, err)
}

// land is finish with c.mu held.
func (c *Caller) land(f *flight, reply Reply, err error) {
	f.reply, f.err, f.queued = reply, err, nil
	if c.flights[f.key] == f { // not if everybody left and a new one is under way
		delete(c.flights, f.key)
	}
	close(f.done)
}

// whileWanted runs do, and again if it returned errLeft and somebody waits for
// the flight by now. If nobody does, the flight is no longer to be joined.
func (c *Caller) whileWanted(f *flight, do func(quit <-chan struct{}) error) error {
	for {
		c.mu.Lock()
		quit := f.left
		c.mu.Unlock()
		if err := do(quit); err != errLeft {
			return err
		}
		c.mu.Lock()
		wanted := f.waiters > 0 && !c.closed
		if !wanted && c.flights[f.key] == f {
			delete(c.flights, f.key)
		}
		c.mu.Unlock()
		if !wanted {
			return errLeft
		}
	}
}

// longestError is how many bytes of an error are kept.
const longestError = 2000

// A try is the state of a call between its attempts.
type try struct {
	need  totals
	held  bool // need is kept back in the account
	begun bool // it stands in the ledger without an end, and nothing was paid for it
	n     int  // attempts made
}

// call holds back what the call can take, waits for its turn, enters it in the
// ledger and sends it; and again, as long as that may help.
func (c *Caller) call(f *flight) (Reply, error) {
	t := try{need: c.worst(f.req)}
	for {
		reply, bad := c.attempt(f, &t)
		if bad == nil {
			return reply, nil
		}
		if !bad.again || t.n >= c.lane.attempts(c.attempts) || bad.hint > longestHint {
			return Reply{}, c.giveUp(f, &t, *bad)
		}
		wait := bad.delay(f.key, t.n)
		c.run.log.Debug("asked again", "judge", c.judge.Name, "call", f.key.Short(), "attempt", t.n, "after", wait, "because", bad.err)
		if err := c.whileWanted(f, func(quit <-chan struct{}) error { return pause(quit, wait) }); err != nil {
			return Reply{}, c.giveUp(f, &t, failure{err: err})
		}
	}
}

// pause waits for d, or returns errLeft when quit is closed first.
func pause(quit <-chan struct{}, d time.Duration) error {
	select {
	case <-quit: // even if there is nothing to wait for
		return errLeft
	default:
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-quit:
		return errLeft
	}
}

// attempt makes one attempt of the call and books it. A nil failure means that
// the reply is there, and kept.
func (c *Caller) attempt(f *flight, t *try) (Reply, *failure) {
	if !t.held {
		err := c.whileWanted(f, func(quit <-chan struct{}) error { return c.run.account.hold(c.base, quit, t.need) })
		if err != nil {
			return Reply{}, &failure{err: err}
		}
		t.held = true
	}
	p, bad := c.depart(f, t)
	if bad != nil {
		return Reply{}, bad
	}
	reply, latency, bad := c.send(f, p)
	c.lane.leave(p, reply.Usage)
	t.n++
	if bad == nil {
		c.lane.succeeded()
		return c.arrive(f, t, reply, latency)
	}
	if bad.busy {
		c.lane.slow(p, bad.hint)
	}
	if !bad.sure {
		// It may be paid for: it counts at worst, and the next attempt is a
		// sending of its own, in the ledger too.
		c.run.account.settle(t.need, t.need)
		c.run.meter.add(func(m *meter) {
			m.sum.DoubtTokens += t.need.tokens
			m.sum.DoubtCost += t.need.money
			m.open[f.key] = true
		})
		t.held, t.begun = false, false
	}
	return Reply{}, bad
}

// depart waits until the call may go onto the wire, having entered it in the
// ledger.
func (c *Caller) depart(f *flight, t *try) (p pass, bad *failure) {
	guess, admitted := c.guess(f.req), false
	if !t.begun {
		err := c.whileWanted(f, func(quit <-chan struct{}) error { return c.lane.admit(quit, guess) })
		if err != nil {
			return pass{}, &failure{err: err}
		}
		err = c.run.scribe.begin(assay.Call{Key: f.key, Judge: c.judge, MostTokens: t.need.tokens, MostCost: t.need.money, Begun: c.run.now()})
		if err != nil {
			c.lane.withdraw()
			return pass{}, &failure{err: err}
		}
		t.begun, admitted = true, true
	}
	err := c.whileWanted(f, func(quit <-chan struct{}) (err error) {
		p, err = c.lane.enter(quit, guess, admitted)
		return err
	})
	if err != nil {
		if admitted {
			c.lane.withdraw()
		}
		return pass{}, &failure{err: err}
	}
	return p, nil
}

// guess is what a call may take while nothing better is known.
func (c *Caller) guess(r Request) Usage {
	u := worstTokens(c.judge, r)
	return Usage{In: u.In / 4, Out: u.Out}
}

// send puts the request on the wire once.
func (c *Caller) send(f *flight, p pass) (Reply, time.Duration, *failure) {
	var w witness
	ctx, cancel := context.WithTimeout(w.watch(c.base), c.timeout)
	defer cancel()
	ctx = WithRateHeaders(ctx, func(h http.Header) { c.lane.heard(h, p) })
	begun := time.Now()
	reply, err := c.client.Ask(ctx, f.req)
	latency := time.Since(begun)
	if err == nil {
		return reply, latency, nil
	}
	bad := failed(err, &w, c.timeout)
	if c.base.Err() != nil {
		bad.again, bad.err = false, fmt.Errorf("cut off on the wire: %w", errClosed)
	}
	return Reply{}, latency, &bad
}

// arrive keeps the reply and books what it took.
func (c *Caller) arrive(f *flight, t *try, reply Reply, latency time.Duration) (Reply, *failure) {
	u := reply.Usage
	taken := totals{1, u.In + u.Out, c.price.Cost(u)}
	text, err := json.Marshal(reply)
	if err == nil {
		err = c.run.scribe.end(assay.CallEnd{Key: f.key, Reply: text, Attempts: t.n, In: u.In, Out: u.Out, Cached: u.Cached,
			Cost: taken.money, Latency: latency, Ended: c.run.now()})
	}
	if err != nil {
		err = fmt.Errorf("%s has answered call %s and the answer could not be kept: %w", c.judge.Name, f.key.Short(), err)
	}
	counted := taken
	if u == (Usage{}) { // the server does not count: the worst is taken for it
		counted = t.need
	} else {
		c.learn(f.req, u)
	}
	c.run.account.settle(t.need, counted)
	t.held, t.begun = false, false
	c.run.meter.add(func(m *meter) {
		if err != nil {
			m.open[f.key] = true
		} else {
			delete(m.open, f.key)
			m.sum.Calls++
		}
		m.sum.In += u.In
		m.sum.Out += u.Out
		m.sum.Cost += taken.money
		if u == (Usage{}) {
			m.sum.DoubtTokens += counted.tokens
			m.sum.DoubtCost += counted.money
		}
	})
	if err != nil {
		return Reply{}, &failure{err: err}
	}
	return reply, nil
}

// giveUp ends a call that has failed. In the ledger it ends only if certainly
// nothing was paid for it; else it stays in doubt.
func (c *Caller) giveUp(f *flight, t *try, bad failure) error {
	if bad.down && bad.again {
		c.lane.gaveUp()
	}
	err := bad.err
	switch {
	case bad.hint > longestHint:
		err = tooLong(bad.hint, err)
	case t.n > 1 && err != errLeft: // which joiners know by its identity
		err = fmt.Errorf("after %d attempts: %w", t.n, err)
	}
	taken := totals{}
	switch {
	case t.begun:
		taken.calls = 1
		why := err.Error()
		why = strings.ToValidUTF8(why[:min(len(why), longestError)], "?")
		if kept := c.run.scribe.end(assay.CallEnd{Key: f.key, Error: why, Attempts: t.n, Ended: c.run.now()}); kept != nil {
			c.run.log.Warn("a failed call could not be ended in the ledger, which names it in doubt", "judge", c.judge.Name, "call", f.key.Short(), "error", kept)
		}
		c.run.meter.add(func(m *meter) {
			m.sum.Calls++
			delete(m.open, f.key)
		})
	case t.n > 0:
		c.run.log.Warn("a call was sent and its reply lost; it may have been paid for", "judge", c.judge.Name, "call", f.key.Short(), "error", err)
	}
	if t.held {
		c.run.account.settle(t.need, taken)
		t.held = false
	}
	return err
}

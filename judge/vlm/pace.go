package vlm

import (
	"net/http"
	"sync"
	"time"

	"github.com/gen-emerge/assay"
)

// A lane is the pace at one endpoint and model: how many requests may be on the
// wire, and how many of what may be asked. A call is first admitted, then
// entered in the ledger, and then lets itself onto the wire; a few are admitted
// ahead, so that the wire does not wait for the disk.
type lane struct {
	admitting chan struct{} // held by the one that is next to be admitted, so that only it watches the lane
	entering  chan struct{} // the same for the wire

	mu       sync.Mutex
	most     float64 // requests at once, as configured
	limit    float64 // as the server lets us: halved on refusals, growing back
	onWire   int
	ahead    int                  // admitted, and not on the wire yet
	epoch    int                  // counts the halvings
	paused   time.Time            // nothing goes before
	buckets  [len(things)]*bucket // nil until a server tells its limits
	underWay amounts              // taken by calls on the wire
	usual    Usage                // tokens of a call, as of late; zero before the first
	learned  learned              // the rate, where no header tells it
	down     bool                 // a call gave up since the last success: later ones try once
	changed  chan struct{}        // closed when something above changes
}

func newLane() *lane {
	return &lane{admitting: make(chan struct{}, 1), entering: make(chan struct{}, 1), changed: make(chan struct{})}
}

// widen raises the most requests at once to n.
func (l *lane) widen(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if float64(n) > l.most {
		l.most, l.limit = float64(n), float64(n)
	}
}

// A pass lets one request onto the wire.
type pass struct {
	need  amounts
	epoch int
}

// amounts are of the things that servers limit.
type amounts [len(things)]float64

// admit waits until a request may go, or soon after, or returns errLeft when
// quit is closed first. guess is what it may take; what calls took of late counts
// more.
func (l *lane) admit(quit <-chan struct{}, guess Usage) error {
	return l.await(l.admitting, quit, func(now time.Time) time.Duration {
		if l.onWire+l.ahead >= max(int(l.limit*5/4), 1) {
			return longestReset
		}
		wait := l.wait(now, l.amounts(guess))
		if wait <= 0 {
			l.ahead++
		}
		return wait
	})
}

// withdraw takes an admission back.
func (l *lane) withdraw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ahead--
	l.wake()
}

// enter waits until a request may go onto the wire, or returns errLeft when quit
// is closed first. It uses up its admission, if it has one.
func (l *lane) enter(quit <-chan struct{}, guess Usage, admitted bool) (p pass, err error) {
	err = l.await(l.entering, quit, func(now time.Time) time.Duration {
		if l.onWire >= max(int(l.limit), 1) {
			return longestReset
		}
		need := l.amounts(guess)
		if wait := l.wait(now, need); wait > 0 {
			return wait
		}
		for i, b := range l.bounds() {
			l.underWay[i] += need[i]
			if b != nil {
				b.level -= need[i]
			}
		}
		l.onWire++
		if admitted {
			l.ahead--
		}
		p = pass{need, l.epoch}
		return 0
	})
	return p, err
}

// await takes a turn and tries until there is nothing to wait for. A server that
// asks to be left alone for longer than [longestHint] is not waited for.
func (l *lane) await(turn chan struct{}, quit <-chan struct{}, try func(now time.Time) time.Duration) error {
	select {
	case turn <- struct{}{}:
	case <-quit:
		return errLeft
	}
	defer func() { <-turn }()
	for {
		l.mu.Lock()
		now := time.Now()
		stopped := l.paused.Sub(now)
		if stopped > longestHint {
			l.mu.Unlock()
			return tooLong(stopped, assay.ErrUnavailable)
		}
		wait, changed := try(now), l.changed
		l.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
		case <-quit:
			timer.Stop()
			return errLeft
		}
		timer.Stop()
	}
}

// amounts returns what a call is taken to need; l.mu is held.
func (l *lane) amounts(guess Usage) amounts {
	if l.usual != (Usage{}) {
		guess = l.usual
	}
	return amounts{1, float64(guess.In + guess.Out), float64(guess.In), float64(guess.Out)}
}

// bounds returns the buckets that count; l.mu is held.
func (l *lane) bounds() [len(things)]*bucket {
	b := l.buckets
	if b[0] == nil {
		b[0] = l.learned.bucket
	}
	return b
}

// wait returns for how long need is not there; l.mu is held.
func (l *lane) wait(now time.Time, need amounts) time.Duration {
	wait := l.paused.Sub(now)
	for i, b := range l.bounds() {
		if b != nil {
			b.fill(now)
			wait = max(wait, b.wait(need[i]))
		}
	}
	return wait
}

// leave takes a request off the wire.
func (l *lane) leave(p pass, u Usage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onWire--
	for i, n := range p.need {
		l.underWay[i] -= n
	}
	if u != (Usage{}) {
		const weight = 8 // calls back to which it matters
		if l.usual == (Usage{}) {
			l.usual = u
		}
		l.usual.In += (u.In - l.usual.In) / weight
		l.usual.Out += (u.Out - l.usual.Out) / weight
	}
	l.wake()
}

// wake lets the one whose turn it is look again; l.mu is held.
func (l *lane) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// heard takes over what the headers of a response to p say.
func (l *lane) heard(h http.Header, p pass) {
	now := time.Now()
	quotas := quotasOf(h, now)
	if len(quotas) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range quotas {
		if l.buckets[q.what] == nil {
			l.buckets[q.what] = &bucket{}
		}
		l.buckets[q.what].seed(q, l.underWay[q.what]-p.need[q.what], now)
	}
	l.wake()
}

// succeeded widens the lane again, by one for each limit/4 successes.
func (l *lane) succeeded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
	l.learned.served(time.Now())
	if l.limit < l.most {
		l.limit = min(l.limit+4/l.limit, l.most)
		l.wake()
	}
}

// slow halves the lane after a refusal for being too fast or too busy, once
// for all that went before the last halving, and stops it for pause.
func (l *lane) slow(p pass, pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(pause); pause > 0 && until.After(l.paused) {
		l.paused = until
		l.wake()
	}
	if p.epoch < l.epoch {
		return
	}
	l.epoch++
	l.limit = max(l.limit/2, 1)
	now := time.Now()
	l.learned.refused(now)
	for _, b := range l.buckets {
		if b != nil {
			b.fill(now)
			b.level, b.rate = min(b.level, b.level/2), max(b.rate/2, b.size/3600)
		}
	}
}

// gaveUp notes that a call found no working server after all its attempts.
func (l *lane) gaveUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
}

// attempts returns how many of n to make: one, while the server seems to be
// down, so that a long run against it ends soon.
func (l *lane) attempts(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return 1
	}
	return n
}

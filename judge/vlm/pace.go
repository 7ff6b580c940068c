package vlm

import (
	"net/http"
	"sync"
	"time"
)

// A lane is the pace at one endpoint and model: how many requests may be on the
// wire, and how many of what may be asked.
type lane struct {
	turn chan struct{} // held by the one that goes next, so that only it watches the lane

	mu       sync.Mutex
	most     float64 // requests at once, as configured
	limit    float64 // as the server lets us: halved on refusals, growing back
	onWire   int
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
	return &lane{turn: make(chan struct{}, 1), changed: make(chan struct{})}
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

// enter waits until a request may go, or returns errLeft when quit is closed
// first. guess is what it may take; what calls took of late counts more.
func (l *lane) enter(quit <-chan struct{}, guess Usage) (pass, error) {
	select {
	case l.turn <- struct{}{}:
	case <-quit:
		return pass{}, errLeft
	}
	defer func() { <-l.turn }()
	for {
		p, wait, changed := l.try(guess)
		if changed == nil {
			return p, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
		case <-quit:
			timer.Stop()
			return pass{}, errLeft
		}
		timer.Stop()
	}
}

// try returns a pass, or for how long to wait at most and what to watch meanwhile.
func (l *lane) try(guess Usage) (p pass, wait time.Duration, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.onWire >= max(int(l.limit), 1) {
		return pass{}, longestReset, l.changed
	}
	if l.usual != (Usage{}) {
		guess = l.usual
	}
	need := amounts{1, float64(guess.In + guess.Out), float64(guess.In), float64(guess.Out)}
	wait = l.paused.Sub(now)
	buckets := l.buckets
	if buckets[0] == nil {
		buckets[0] = l.learned.bucket
	}
	for i, b := range buckets {
		if b != nil {
			b.fill(now)
			wait = max(wait, b.wait(need[i]))
		}
	}
	if wait > 0 {
		return pass{}, wait, l.changed
	}
	for i, n := range need {
		l.underWay[i] += n
		if b := buckets[i]; b != nil {
			b.level -= n
		}
	}
	l.onWire++
	return pass{need, l.epoch}, 0, nil
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

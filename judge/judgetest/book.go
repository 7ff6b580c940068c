package judgetest

import (
	"encoding/hex"
	"slices"
	"sync"
	"time"
)

// Paid is one call that was paid for, that is, answered by the model.
type Paid struct {
	Key      string // Idempotency-Key; a digest of the request if there was none
	API      string
	Model    string
	Times    int      // paid so often: 1, unless the key is ignored or missing and the request came again
	Replays  int      // answered again from the key, unpaid
	Refused  int      // requests with this key that were turned away unpaid (429, 5xx)
	Pictures []string // names recognised, "?" if unknown
	Question string   // or the last text, if there is none
	Reply    string   // text
	In, Out  int64    // tokens of one time
	Cached   int64    // of In
	First    time.Time
}

// Stats are sums over all requests.
type Stats struct {
	Requests   int // that arrived
	Paid       int // Σ Times
	Replays    int
	Limited    int      // refused with 429
	Failed     int      // refused with another error, or cut off unpaid
	Dropped    int      // paid and cut off
	Conflicts  int      // a key that came again with another body: an error 400, counted under Failed too
	Parallel   int      // most requests at once
	Unanswered []string // questions that no rule answered, at most 20
}

// A book is what the server remembers.
type book struct {
	mu       sync.Mutex
	stats    Stats
	inside   int // requests at once
	arrived  int // for RateLimit.Every
	window   time.Time
	used     int // requests in the window
	calls    map[string]*call
	order    []*call // in the order of payment
	prefixes map[string]bool
}

// A call is what is known of one key.
type call struct {
	mu       sync.Mutex // held while it is answered; guards answered, body, bytes
	answered bool
	body     uint64 // hash of what was asked
	bytes    []byte // of the reply

	// Guarded by the book's lock.
	paid     Paid
	attempts int // that failed by Faults.Fail
	dropped  bool
}

func (b *book) enter() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Requests++
	b.inside++
	b.stats.Parallel = max(b.stats.Parallel, b.inside)
}

func (b *book) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inside--
}

// call returns what is known of a key.
func (b *book) call(key string) *call {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.calls[key]
	if c == nil {
		c = &call{}
		b.calls[key] = c
	}
	return c
}

// failed counts a request that was turned away; c is nil if it is not known.
func (b *book) failed(c *call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Failed++
	if c != nil {
		c.paid.Refused++
	}
}

// limited counts a request that was refused for want of credit.
func (b *book) limited(c *call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Limited++
	c.paid.Refused++
}

// limit holds a request against lim. It returns how long to wait if it is refused,
// and what is left of the window.
func (b *book) limit(lim RateLimit, c *call, now time.Time) (wait time.Duration, over bool, left int, reset time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	window := lim.Window
	if window == 0 {
		window = time.Second
	}
	if now.Sub(b.window) >= window {
		b.window, b.used = now, 0
	}
	reset = window - now.Sub(b.window)
	b.arrived++
	switch {
	case lim.Every > 0 && b.arrived%lim.Every == 0, lim.Parallel > 0 && b.inside > lim.Parallel:
		over, wait = true, 20*time.Millisecond
	case lim.Requests > 0 && b.used >= lim.Requests:
		over, wait = true, reset
	}
	if lim.After > 0 {
		wait = lim.After
	}
	if over {
		b.stats.Limited++
		c.paid.Refused++
	} else {
		b.used++
	}
	return wait, over, max(0, lim.Requests-b.used), reset
}

// fails reports whether this attempt fails by Faults.Fail, and counts it.
func (b *book) fails(c *call, times int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.attempts >= max(1, times) {
		return false
	}
	c.attempts++
	return true
}

// drops reports whether the reply gets lost: the first one of its call.
func (b *book) drops(c *call) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.dropped {
		return false
	}
	c.dropped = true
	b.stats.Dropped++
	return true
}

// paidCalls is the number of calls paid so far.
func (b *book) paidCalls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stats.Paid
}

// times is how often c has been paid.
func (b *book) times(c *call) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return c.paid.Times
}

// pay enters a paid call.
func (b *book) pay(c *call, p Paid) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Paid++
	p.Times, p.Replays, p.Refused = c.paid.Times+1, c.paid.Replays, c.paid.Refused
	if c.paid.Times == 0 {
		b.order = append(b.order, c)
	} else {
		p.First = c.paid.First
	}
	c.paid = p
}

func (b *book) replayed(c *call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Replays++
	c.paid.Replays++
}

func (b *book) conflict() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Conflicts++
}

func (b *book) unanswered(question string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.stats.Unanswered) < 20 && !slices.Contains(b.stats.Unanswered, question) {
		b.stats.Unanswered = append(b.stats.Unanswered, question)
	}
}

// seen reports whether a prefix came before, and remembers it.
func (b *book) seen(prefix []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := hex.EncodeToString(prefix)
	was := b.prefixes[key]
	b.prefixes[key] = true
	return was
}

// Ledger lists the paid calls in the order in which they were first paid.
func (s *Server) Ledger() []Paid {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	out := make([]Paid, len(s.book.order))
	for i, c := range s.book.order {
		out[i] = c.paid
	}
	return out
}

// Stats returns the sums so far.
func (s *Server) Stats() Stats {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	out := s.book.stats
	out.Unanswered = slices.Clone(out.Unanswered)
	return out
}

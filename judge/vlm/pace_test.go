package vlm

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
)

// A limiter is a server that admits so many requests a minute, as a token
// bucket, and says so in the headers of one vendor.
type limiter struct {
	style string // "openai", "anthropic", "gemini" (a fixed window, and only refusals say when to come back), "silent", "local" (503)
	size  float64
	rate  float64 // a second

	mu      sync.Mutex
	level   float64
	at      time.Time
	refused int
	served  int
}

func (l *limiter) Ask(ctx context.Context, r Request) (Reply, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	window := time.Duration(l.size / l.rate * float64(time.Second))
	switch {
	case l.style != "gemini":
		l.level = min(l.size, l.level+now.Sub(l.at).Seconds()*l.rate)
		l.at = now
	case now.Sub(l.at) >= window: // all at once, at the turn of the window
		l.level, l.at = l.size, now
	}
	admitted := l.level >= 1
	if admitted {
		l.level--
		l.served++
	} else {
		l.refused++
	}
	full := time.Duration((l.size - l.level) / l.rate * float64(time.Second))
	h := http.Header{}
	switch l.style {
	case "openai":
		h.Set("x-ratelimit-limit-requests", fmt.Sprint(l.size))
		h.Set("x-ratelimit-remaining-requests", fmt.Sprint(int(l.level)))
		h.Set("x-ratelimit-reset-requests", full.String())
	case "anthropic":
		h.Set("anthropic-ratelimit-requests-limit", fmt.Sprint(l.size))
		h.Set("anthropic-ratelimit-requests-remaining", fmt.Sprint(int(l.level)))
		h.Set("anthropic-ratelimit-requests-reset", now.Add(full).Format(time.RFC3339Nano))
	}
	if fn, ok := ctx.Value(rateHeadersKey{}).(func(http.Header)); ok {
		fn(h)
	}
	if admitted {
		return echo(r), nil
	}
	status, body := 429, `{"error":{"message":"slow down"}}`
	next := time.Duration((1 - l.level) / l.rate * float64(time.Second))
	switch l.style {
	case "openai":
		h.Set("retry-after-ms", fmt.Sprint(next.Milliseconds()+1))
	case "anthropic":
		h.Set("retry-after", fmt.Sprint(int(next.Seconds())+1))
	case "gemini":
		next = window - now.Sub(l.at)
		body = fmt.Sprintf(`{"error":{"code":429,"message":"Resource exhausted","status":"RESOURCE_EXHAUSTED","details":[
			{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"%.3fs"}]}}`, next.Seconds())
	case "local":
		status = 503
	}
	return Reply{}, readError(status, h, []byte(body))
}

// A server of each style is not asked faster than it allows by much, serves
// every call, and is used as fast as it allows.
func TestPaceKeepsToLimits(t *testing.T) {
	for style, mostRefused := range map[string]int{"openai": 8, "anthropic": 8, "gemini": 40, "silent": 40, "local": 40} {
		t.Run(style, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				const calls = 200
				server := &limiter{style: style, size: 20, rate: 2, level: 20, at: time.Now()}
				c := NewCaller(someone, server, CallerOptions{Concurrency: 8, Attempts: 30})
				defer c.Close()
				begun := time.Now()
				var wg sync.WaitGroup
				for i := range calls {
					wg.Go(func() {
						_, err := c.Ask(t.Context(), question(i))
						must(t, err)
					})
				}
				wg.Wait()
				ideal := time.Duration((calls - 20) / 2 * float64(time.Second))
				took := time.Since(begun)
				t.Logf("%d refused; %s, ideal %s", server.refused, took.Round(time.Second), ideal)
				same(t, "served", server.served, calls)
				if server.refused > mostRefused {
					t.Errorf("%d refused, want %d at most", server.refused, mostRefused)
				}
				if took > ideal*3/2 {
					t.Errorf("took %s, ideal is %s", took, ideal)
				}
			})
		})
	}
}

// Callers beside each other keep one pace at one endpoint and model, and spend
// one budget.
func TestBeside(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		client := slowly(time.Second)
		var told []int64
		a := NewCaller(someone, client, CallerOptions{Concurrency: 2, Budget: Budget{Calls: 5},
			Progress: func(s assay.Spending) { told = append(told, s.Calls) }})
		other := someone
		other.Protocol++ // another judge, hence other calls, at the same place
		b := NewCaller(other, client, CallerOptions{Concurrency: 2, Beside: a})
		var refused int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 4 {
			for _, c := range []*Caller{a, b} {
				wg.Go(func() {
					if _, err := c.Ask(t.Context(), question(i)); err != nil {
						is(t, "Ask", err, ErrBudget, "calls a run", "5 of 5")
						mu.Lock()
						refused++
						mu.Unlock()
					}
				})
			}
		}
		wg.Wait()
		same(t, "refused", refused, 3)
		same(t, "at once", client.most.Load(), int64(2))
		same(t, "spent", b.Spent().Calls, int64(5))
		same(t, "told", told, []int64{1, 2, 3, 4, 5})
		must(t, a.Close())
		must(t, b.Close())
	})
}

// A 429 halves the lane once for all that was on the wire, and successes widen
// it again.
func TestHalving(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := newLane()
		l.widen(16)
		quit := make(chan struct{})
		var passes []pass
		for range 16 {
			p, err := l.enter(quit, Usage{}, false)
			must(t, err)
			passes = append(passes, p)
		}
		for _, p := range passes[:8] {
			l.slow(p, 0)
		}
		same(t, "after a burst of refusals", l.limit, 8.0)
		for _, p := range passes {
			l.leave(p, Usage{})
		}
		p, err := l.enter(quit, Usage{}, false)
		must(t, err)
		l.slow(p, 5*time.Second)
		l.leave(p, Usage{})
		same(t, "after one more", l.limit, 4.0)
		begun := time.Now()
		p, err = l.enter(quit, Usage{}, false)
		must(t, err)
		same(t, "paused", time.Since(begun), 5*time.Second)
		l.leave(p, Usage{})
		for range 40 {
			l.succeeded()
		}
		if l.limit != 16 {
			t.Errorf("limit %g after 40 successes, want 16", l.limit)
		}
		close(quit)
		for range 16 {
			if _, err = l.enter(quit, Usage{}, false); err != nil {
				break
			}
		}
	})
}

func TestDelay(t *testing.T) {
	key := Key(someone, question(1))
	var f failure
	for n, base := 1, firstBackoff; n < 100; n, base = n+1, min(2*base, lastBackoff) {
		if d := f.delay(key, n); d < base/2 || d >= base*3/2 {
			t.Errorf("after attempt %d: %s, want about %s", n, d, base)
		}
		if f.delay(key, n) != f.delay(key, n) {
			t.Error("the same call waits differently")
		}
	}
	if f.delay(key, 3) == f.delay(Key(someone, question(2)), 3) {
		t.Error("two calls wait for the same time")
	}
	f.hint = 30 * time.Second
	if d := f.delay(key, 1); d < 30*time.Second || d > 31*time.Second {
		t.Errorf("with a hint of 30 s: %s", d)
	}
}

// A server that asks to be left alone for the rest of the day is: the calls that
// wait end at once, and none is sent before its time.
func TestQuotaOfTheDay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		client := &asker{}
		client.ask = func(_ context.Context, r Request) (Reply, error) {
			time.Sleep(time.Second)
			if client.asked.Load() <= 2 {
				return Reply{}, &APIError{Status: 429, RetryAfter: 5 * time.Hour}
			}
			return echo(r), nil
		}
		ledger := MemoryLedger()
		c := NewCaller(someone, client, CallerOptions{Ledger: ledger, Concurrency: 2})
		defer c.Close()
		begun := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				_, err := c.Ask(t.Context(), question(i))
				is(t, "Ask", err, assay.ErrUnavailable, "wait 5h0m0s")
			})
		}
		wg.Wait()
		same(t, "all ended after", time.Since(begun), time.Second)
		same(t, "sent", client.asked.Load(), int64(2))
		open, err := ledger.CallsInDoubt(t.Context())
		must(t, err)
		same(t, "in doubt", len(open), 0)
		time.Sleep(5 * time.Hour)
		_, err = c.Ask(t.Context(), question(1))
		must(t, err)
	})
}

// While the server is slow or has stopped us, few calls stand in the ledger that
// are not on the wire.
func TestAdmittedAhead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ledger := MemoryLedger()
		begun := func() int {
			open, err := ledger.CallsInDoubt(t.Context())
			must(t, err)
			return len(open)
		}
		client := &asker{}
		client.ask = func(ctx context.Context, r Request) (Reply, error) {
			if client.asked.Load() <= 8 {
				time.Sleep(time.Second)
				return Reply{}, &APIError{Status: 429, RetryAfter: time.Minute}
			}
			return echo(r), nil
		}
		c := NewCaller(someone, client, CallerOptions{Ledger: ledger, Concurrency: 8})
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				_, err := c.Ask(t.Context(), question(i))
				must(t, err)
			})
		}
		time.Sleep(time.Second / 2)
		same(t, "begun with 8 on the wire", begun(), 10)
		time.Sleep(10 * time.Second)
		same(t, "begun while stopped", begun(), 10)
		wg.Wait()
		same(t, "begun at the end", begun(), 0)
		must(t, c.Close())
		same(t, "admitted and not gone", c.lane.ahead, 0)
		same(t, "on the wire", c.lane.onWire, 0)
	})
}

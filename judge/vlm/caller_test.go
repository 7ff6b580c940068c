package vlm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gen-emerge/assay"
)

// asker answers by a function, and counts.
type asker struct {
	ask   func(ctx context.Context, r Request) (Reply, error)
	asked atomic.Int64
	now   atomic.Int64 // on the wire
	most  atomic.Int64
}

func (a *asker) Ask(ctx context.Context, r Request) (Reply, error) {
	a.asked.Add(1)
	n := a.now.Add(1)
	defer a.now.Add(-1)
	for {
		most := a.most.Load()
		if n <= most || a.most.CompareAndSwap(most, n) {
			break
		}
	}
	return a.ask(ctx, r)
}

// slowly answers a request with its own text after d.
func slowly(d time.Duration) *asker {
	return &asker{ask: func(ctx context.Context, r Request) (Reply, error) {
		select {
		case <-time.After(d):
			return echo(r), nil
		case <-ctx.Done():
			return Reply{}, ctx.Err()
		}
	}}
}

func echo(r Request) Reply {
	return Reply{Text: "echo " + r.Parts[0].Text, Finish: "stop", Usage: Usage{In: 100, Out: 10}}
}

func question(n int) Request {
	return Request{Parts: []Part{{Text: fmt.Sprint("question ", n)}}}
}

var someone = assay.Judge{Name: "me", API: "openai", Endpoint: "http://localhost/v1/", Model: "m", Protocol: 1}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	sums := cmpopts.EquateApprox(1e-12, 0) // of money, added up in another order
	if diff := cmp.Diff(want, got, sums); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// is fails t unless err wraps want and says all of words.
func is(t testing.TB, what string, err, want error, words ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want one wrapping %q", what, err, want)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: error %q does not say %q", what, err, w)
		}
	}
}

// inBubble runs test with a clock of its own, so that a minute's wait takes none.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

func TestAskOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		client := slowly(time.Second)
		ledger := MemoryLedger()
		c := NewCaller(someone, client, CallerOptions{Ledger: ledger, Price: Price{In: 1e4, Out: 1e5}})
		var wg sync.WaitGroup
		for i := range 30 { // ten for each of three questions
			wg.Go(func() {
				got, err := c.Ask(t.Context(), question(i%3))
				must(t, err)
				same(t, "reply", got, echo(question(i%3)))
			})
		}
		wg.Wait()
		same(t, "asked", client.asked.Load(), int64(3))
		want := assay.Spending{Calls: 3, In: 300, Out: 30, Cost: 6}
		same(t, "spent", c.Spent(), want)
		_, err := c.Ask(t.Context(), question(1))
		must(t, err)
		must(t, c.Close())

		// Another run of the same ledger.
		c = NewCaller(someone, client, CallerOptions{Ledger: ledger})
		got, err := c.Ask(t.Context(), question(2))
		must(t, err)
		same(t, "reply from the ledger", got, echo(question(2)))
		second := question(2)
		second.Sample = 1
		_, err = c.Ask(t.Context(), second)
		must(t, err)
		same(t, "asked in all", client.asked.Load(), int64(4))
		must(t, c.Close())
		spent, err := ledger.Spent(t.Context(), time.Time{})
		must(t, err)
		want.Calls, want.In, want.Out = 4, 400, 40
		same(t, "ledger", spent, want)
		end, err := ledger.CallEnd(t.Context(), Key(someone, question(2)))
		must(t, err)
		same(t, "latency", end.Latency, time.Second)
		same(t, "attempts", end.Attempts, 1)
	})
}

func TestConcurrency(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		client := slowly(200 * time.Millisecond)
		c := NewCaller(someone, client, CallerOptions{Concurrency: 16})
		defer c.Close()
		begun := time.Now()
		var wg sync.WaitGroup
		for i := range 160 {
			wg.Go(func() {
				_, err := c.Ask(t.Context(), question(i))
				must(t, err)
			})
		}
		wg.Wait()
		same(t, "at once", client.most.Load(), int64(16))
		same(t, "time", time.Since(begun), 2*time.Second)
	})
}

func TestFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		errs     []error // of the first attempts; then a reply
		asked    int64
		took     time.Duration // at least, and less than twice that
		want     error         // nil: a reply
		says     string
		ended    int64 // in the ledger
		inDoubt  int64 // in the ledger
		lost     int   // sendings whose replies were lost
		attempts int   // by the ledger
	}{
		"refused for good":       {errs: []error{&APIError{Status: 400, Kind: "invalid_request_error", Message: "no such picture"}}, asked: 1, want: assay.ErrInvalid, says: "no such picture", ended: 1, attempts: 1},
		"no access":              {errs: []error{&APIError{Status: 401}}, asked: 1, want: assay.ErrUnavailable, ended: 1, attempts: 1},
		"quota used up":          {errs: []error{&APIError{Status: 429, Kind: "insufficient_quota"}}, asked: 1, want: assay.ErrUnavailable, ended: 1, attempts: 1},
		"too many, with a hint":  {errs: []error{&APIError{Status: 429, RetryAfter: 34 * time.Second}}, asked: 2, took: 34 * time.Second, ended: 1, attempts: 2},
		"too many, no hint":      {errs: []error{&APIError{Status: 429}, &APIError{Status: 429}}, asked: 3, took: 1500 * time.Millisecond, ended: 1, attempts: 3},
		"overloaded":             {errs: []error{&APIError{Status: 529, Kind: "overloaded_error"}}, asked: 2, took: 500 * time.Millisecond, ended: 1, attempts: 2},
		"unavailable, hint":      {errs: []error{&APIError{Status: 503, RetryAfter: time.Second}}, asked: 2, took: time.Second, ended: 1, attempts: 2},
		"failing":                {errs: []error{&APIError{Status: 500}}, asked: 2, took: 250 * time.Millisecond, ended: 1, attempts: 2},
		"hint of an hour":        {errs: []error{&APIError{Status: 429, RetryAfter: time.Hour}}, asked: 1, want: assay.ErrUnavailable, says: "1h0m0s", ended: 1, attempts: 1},
		"gateway lost the reply": {errs: []error{&APIError{Status: 504}}, asked: 2, took: 250 * time.Millisecond, ended: 1, lost: 1, attempts: 2},
		"torn reply":             {errs: []error{&APIError{Status: 200, Kind: "malformed"}}, asked: 2, took: 250 * time.Millisecond, ended: 1, lost: 1, attempts: 2},
		"lost connection":        {errs: []error{errors.New("EOF")}, asked: 2, took: 250 * time.Millisecond, ended: 1, lost: 1, attempts: 2},
		"always too many":        {errs: repeat(&APIError{Status: 429, Message: "slow down"}, 9), asked: 4, took: 3 * time.Second, want: assay.ErrUnavailable, says: "slow down", ended: 1, attempts: 4},
		"always lost":            {errs: repeat(errors.New("EOF"), 9), asked: 4, took: 1750 * time.Millisecond, want: assay.ErrUnavailable, says: "EOF", inDoubt: 1, lost: 4},
		"lost, then refused":     {errs: []error{errors.New("EOF"), &APIError{Status: 400}}, asked: 2, took: 250 * time.Millisecond, want: assay.ErrInvalid, ended: 1, lost: 1, attempts: 2},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				client := &asker{}
				client.ask = func(_ context.Context, r Request) (Reply, error) {
					if n := client.asked.Load() - 1; n < int64(len(tc.errs)) {
						return Reply{}, tc.errs[n]
					}
					return echo(r), nil
				}
				ledger := MemoryLedger()
				c := NewCaller(someone, client, CallerOptions{Ledger: ledger, Attempts: 4, Price: Price{In: 1, Out: 1}})
				begun := time.Now()
				got, err := c.Ask(t.Context(), question(1))
				took := time.Since(begun)
				must(t, c.Close())
				if tc.want == nil {
					must(t, err)
					same(t, "reply", got, echo(question(1)))
				} else {
					is(t, "Ask", err, tc.want, tc.says)
				}
				same(t, "asked", client.asked.Load(), tc.asked)
				if took < tc.took || took > 3*tc.took {
					t.Errorf("took %s, want %s at least and not three times that", took, tc.took)
				}
				spent, err := ledger.Spent(t.Context(), time.Time{})
				must(t, err)
				same(t, "ended", spent.Calls, tc.ended)
				same(t, "in doubt", spent.InDoubt, tc.inDoubt)
				same(t, "what was lost at worst", spent.DoubtTokens, int64(tc.lost)*c.worst(question(1)).tokens)
				same(t, "the run's own count of it", c.Spent(), spent)
				if end, err := ledger.CallEnd(t.Context(), Key(someone, question(1))); err == nil {
					same(t, "attempts", end.Attempts, tc.attempts)
				}

				// What failed is not kept as an answer.
				if tc.want != nil {
					client.ask = func(_ context.Context, r Request) (Reply, error) { return echo(r), nil }
					c = NewCaller(someone, client, CallerOptions{Ledger: ledger})
					_, err = c.Ask(t.Context(), question(1))
					must(t, err)
					must(t, c.Close())
					open, err := ledger.CallsInDoubt(t.Context())
					must(t, err)
					same(t, "in doubt after a reply", len(open), 0)
				}
			})
		})
	}
}

func repeat(err error, n int) (errs []error) {
	for range n {
		errs = append(errs, err)
	}
	return errs
}

// What the server says about asking again is believed, whatever the status.
func TestShouldRetry(t *testing.T) {
	for should, asked := range map[string]int64{"true": 2, "false": 1} {
		t.Run(should, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				status := map[string]int{"true": 400, "false": 503}[should]
				client := &asker{}
				client.ask = func(_ context.Context, r Request) (Reply, error) {
					if client.asked.Load() == 1 {
						return Reply{}, readError(status, http.Header{"X-Should-Retry": {should}}, []byte(`{"error":{"message":"m"}}`))
					}
					return echo(r), nil
				}
				c := NewCaller(someone, client, CallerOptions{})
				defer c.Close()
				_, err := c.Ask(t.Context(), question(1))
				if (err == nil) != (should == "true") {
					t.Errorf("error %v", err)
				}
				same(t, "asked", client.asked.Load(), asked)
			})
		})
	}
}

func TestTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		client := slowly(time.Hour)
		c := NewCaller(someone, client, CallerOptions{Timeout: time.Second, Attempts: 2})
		defer c.Close()
		_, err := c.Ask(t.Context(), question(1))
		is(t, "Ask", err, assay.ErrUnavailable, "no reply within 1s", "2 attempts")
		if errors.Is(err, context.DeadlineExceeded) {
			t.Error("the error looks as if the asker's own deadline had passed")
		}
	})
}

// After a call found no working server, the others make one attempt each.
func TestDown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		up := false
		client := &asker{ask: func(_ context.Context, r Request) (Reply, error) {
			if !up {
				return Reply{}, &APIError{Kind: "network", Message: "connection refused"}
			}
			return echo(r), nil
		}}
		c := NewCaller(someone, client, CallerOptions{Attempts: 3})
		defer c.Close()
		ask := func(i int, attempts int64) error {
			t.Helper()
			before := client.asked.Load()
			_, err := c.Ask(t.Context(), question(i))
			same(t, "attempts", client.asked.Load()-before, attempts)
			return err
		}
		is(t, "first", ask(1, 3), assay.ErrUnavailable, "refused")
		is(t, "second", ask(2, 1), assay.ErrUnavailable, "refused")
		up = true
		must(t, ask(1, 1))
		up = false
		is(t, "down again", ask(3, 3), assay.ErrUnavailable, "refused")
	})
}

func TestCancel(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		client := slowly(10 * time.Second)
		ledger := MemoryLedger()
		c := NewCaller(someone, client, CallerOptions{Ledger: ledger, Concurrency: 1})
		why := errors.New("the user has had enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		var wg sync.WaitGroup
		begun := time.Now()
		for i := range 20 {
			wg.Go(func() {
				_, err := c.Ask(ctx, question(i))
				is(t, "cancelled", err, why)
				same(t, "waited", time.Since(begun), time.Second)
			})
		}
		// Whoever shares a call with one that leaves gets the reply all the same.
		wg.Go(func() {
			got, err := c.Ask(t.Context(), question(7))
			must(t, err)
			same(t, "reply", got, echo(question(7)))
		})
		wg.Wait()
		must(t, c.Close())
		open, err := ledger.CallsInDoubt(t.Context())
		must(t, err)
		same(t, "in doubt", len(open), 0)
		same(t, "flights left", len(c.flights)+c.queue.Len()+c.workers, 0)
		_, err = c.Ask(t.Context(), question(1))
		is(t, "asked after Close", err, assay.ErrUnavailable, "closed")
	})
}

// What is on the wire when everybody leaves is paid for: its reply is kept.
func TestLeftOnTheWire(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		client := slowly(3 * time.Second)
		ledger := MemoryLedger()
		c := NewCaller(someone, client, CallerOptions{Ledger: ledger})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Ask(ctx, question(1))
		is(t, "left", err, context.DeadlineExceeded)
		begun := time.Now()
		got, err := c.Ask(t.Context(), question(1)) // joins what is on the wire
		must(t, err)
		same(t, "reply", got, echo(question(1)))
		same(t, "joined", time.Since(begun), 2*time.Second)
		ctx, cancel2 := context.WithTimeout(t.Context(), time.Second)
		defer cancel2()
		_, err = c.Ask(ctx, question(2))
		is(t, "left", err, context.DeadlineExceeded)
		must(t, c.Close())
		end, err := ledger.CallEnd(t.Context(), Key(someone, question(2)))
		must(t, err)
		if end.Reply == nil || client.asked.Load() != 2 {
			t.Errorf("end %+v after %d requests", end, client.asked.Load())
		}
	})
}

func TestCloseWhileWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		stuck := slowly(time.Hour)
		ledger := MemoryLedger()
		c := NewCaller(someone, stuck, CallerOptions{Ledger: ledger, Concurrency: 3, Grace: 2 * time.Second})
		begun := time.Now()
		var early, late atomic.Int64
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				_, err := c.Ask(t.Context(), question(i))
				is(t, "closed", err, assay.ErrUnavailable)
				if time.Since(begun) < 2*time.Second {
					early.Add(1)
				} else {
					late.Add(1)
				}
			})
		}
		time.Sleep(time.Second)
		for range 2 {
			wg.Go(func() { must(t, c.Close()) })
		}
		wg.Wait()
		same(t, "ended at once", early.Load(), int64(47))
		same(t, "cut off on the wire", late.Load(), int64(3))
		same(t, "closed after", time.Since(begun), 3*time.Second)
		open, err := ledger.CallsInDoubt(t.Context())
		must(t, err)
		same(t, "in doubt", len(open), 3)
	})
}

package vlm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/gen-emerge/assay"
)

const (
	firstBackoff = 500 * time.Millisecond
	lastBackoff  = time.Minute
	// longestHint is the longest wait that a call puts up with. What asks for
	// more is a day's quota, and the run had better end.
	longestHint = 10 * time.Minute
)

// tooLong says that a server is not waited for.
func tooLong(d time.Duration, err error) error {
	return fmt.Errorf("the server asks to wait %s; go on then, what is done is kept: %w", d.Round(time.Second), err)
}

// A failure is what is to be made of an attempt's error.
type failure struct {
	err   error
	sure  bool          // certainly nothing was paid for
	again bool          // another attempt may succeed
	busy  bool          // the server asks for less
	down  bool          // no working server was met
	hint  time.Duration // how long the server asks to wait; 0 if it does not say
}

// failed reads the error of an attempt.
func failed(err error, w *witness, timeout time.Duration) failure {
	var e *APIError
	if !errors.As(err, &e) {
		f := failure{err: err, sure: w.silent(), again: !errors.Is(err, assay.ErrInvalid) && !errors.Is(err, assay.ErrNotFound)}
		f.down = f.again
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			// Not wrapped: it is not the asker's deadline that has passed.
			f.err = fmt.Errorf("no reply within %s: %w", timeout, assay.ErrUnavailable)
		case f.again && !errors.Is(err, assay.ErrUnavailable):
			f.err = fmt.Errorf("%w: %w", err, assay.ErrUnavailable)
		case !f.again:
			f.sure = true // it was refused before it was sent
		}
		return f
	}
	f := failure{err: err, again: e.Temporary(), hint: e.RetryAfter}
	switch s := e.Status; {
	case s == 0:
		f.sure = w.silent()
	case s < 300: // an answer that could not be read, and is charged for
	case s == http.StatusRequestTimeout, s == http.StatusBadGateway, s == http.StatusGatewayTimeout, s >= 520 && s <= 527:
		// Something on the way lost the reply: the model may have given one.
	default:
		f.sure = true
	}
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, 529: // 529: Anthropic's "overloaded"
		f.busy = true
	default:
		f.down = e.Status == 0 || e.Status >= 500
	}
	return f
}

// delay returns how long the call waits before its next attempt, after n: what
// the server asks for and a little more, or twice as long each time. The jitter,
// which keeps calls that failed together from coming back together, is drawn
// from the key, so that it is the same in every run.
func (f failure) delay(key assay.Digest, n int) time.Duration {
	at := 8 * (n % 4)
	jitter := float64(binary.LittleEndian.Uint64(key[at:])>>11) / (1 << 53) // in [0,1)
	if f.hint > 0 {
		return f.hint + time.Duration(jitter*float64(min(f.hint/10, time.Second)))
	}
	d := min(firstBackoff<<min(n-1, 20), lastBackoff)
	return time.Duration(float64(d) * (0.5 + jitter))
}

// A witness notes whether anything of a request was sent.
type witness struct{ asked, sent atomic.Bool }

// watch returns ctx with w listening to the HTTP transport.
func (w *witness) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { w.asked.Store(true) },
		WroteHeaders: func() { w.sent.Store(true) },
	})
}

// silent reports whether certainly nothing was sent. Of a client that does not
// use net/http nothing is certain.
func (w *witness) silent() bool { return w.asked.Load() && !w.sent.Load() }

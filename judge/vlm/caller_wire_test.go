package vlm

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
)

// A Caller over each real client: what servers say of their limits, in every
// style, arrives through the SDKs and is kept to.
func TestCallerOverTheWire(t *testing.T) {
	const pause = 150 * time.Millisecond
	in := func(d time.Duration) string { return time.Now().Add(d).Format(time.RFC3339Nano) }
	refusal := map[string]func() response{
		"openai/retry-after-ms": func() response {
			return response{429, map[string]string{"retry-after-ms": "150"}, `{"error":{"message":"slow","type":"requests","code":"rate_limit_exceeded"}}`}
		},
		"openai/retry-after": func() response {
			return response{503, map[string]string{"retry-after": "0.15"}, `{"error":{"message":"busy"}}`}
		},
		"openai/empty bucket": func() response {
			return response{429, map[string]string{"x-ratelimit-limit-requests": "1", "x-ratelimit-remaining-requests": "0",
				"x-ratelimit-reset-requests": "150ms", "retry-after-ms": "1"}, `{"error":{"message":"slow"}}`}
		},
		"openai/told to": func() response {
			return response{400, map[string]string{"x-should-retry": "true", "retry-after-ms": "150"}, `{"error":{"message":"odd"}}`}
		},
		"anthropic/retry-after": func() response {
			return response{429, map[string]string{"retry-after": "0.15"}, `{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}`}
		},
		"anthropic/overloaded": func() response {
			return response{529, map[string]string{"retry-after": "0.15"}, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`}
		},
		"anthropic/empty bucket": func() response {
			return response{429, map[string]string{"anthropic-ratelimit-output-tokens-limit": "1", "anthropic-ratelimit-output-tokens-remaining": "0",
				"anthropic-ratelimit-output-tokens-reset": in(pause), "retry-after": "0.001"},
				`{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}`}
		},
		"google/RetryInfo": func() response {
			return response{429, nil, `{"error":{"code":429,"message":"Resource exhausted","status":"RESOURCE_EXHAUSTED","details":[
				{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"0.15s"}]}}`}
		},
	}
	for name, refuse := range refusal {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, _, _ := strings.Cut(name, "/")
			var mu sync.Mutex
			var came []time.Time
			server := newFakeServer(t, func(received) response {
				mu.Lock()
				defer mu.Unlock()
				came = append(came, time.Now())
				if len(came) == 1 {
					return refuse()
				}
				return response{body: plainReplies[api]}
			})
			client := dialTest(t, api, server.URL, nil)
			ledger := MemoryLedger()
			c := NewCaller(client.Judge(), client, CallerOptions{Ledger: ledger})
			defer c.Close()
			reply, err := c.Ask(t.Context(), testRequests(t)["plain"])
			must(t, err)
			same(t, "reply", reply.Text, "yes")
			same(t, "requests", len(came), 2)
			if d := came[1].Sub(came[0]); d < pause-5*time.Millisecond { // headers tell whole milliseconds
				t.Errorf("asked again after %s, want %s", d, pause)
			}
			want := Key(client.Judge(), testRequests(t)["plain"]).String()
			for _, r := range server.requests {
				same(t, "Idempotency-Key", r.header.Get("Idempotency-Key"), want)
			}
			end, err := ledger.CallEnd(t.Context(), Key(client.Judge(), testRequests(t)["plain"]))
			must(t, err)
			same(t, "attempts", end.Attempts, 2)
		})
	}
}

// The headers of a success hold the next call back before it is refused.
func TestCallerHearsSuccesses(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var came []time.Time
	server := newFakeServer(t, func(received) response {
		mu.Lock()
		defer mu.Unlock()
		came = append(came, time.Now())
		return response{header: map[string]string{"x-ratelimit-limit-requests": "1", "x-ratelimit-remaining-requests": "0",
			"x-ratelimit-reset-requests": "100ms"}, body: plainReplies["openai"]}
	})
	client := dialTest(t, "openai", server.URL, nil)
	c := NewCaller(client.Judge(), client, CallerOptions{})
	defer c.Close()
	for i := range 3 {
		_, err := c.Ask(t.Context(), question(i))
		must(t, err)
	}
	for i := range 2 {
		if d := came[i+1].Sub(came[i]); d < 95*time.Millisecond {
			t.Errorf("call %d came %s after the one before, want 100 ms", i+1, d)
		}
	}
}

// A server that nobody listens at costs nothing and leaves nothing in doubt.
func TestCallerUnreachable(t *testing.T) {
	t.Parallel()
	server := newFakeServer(t, nil)
	server.Close()
	client := dialTest(t, "openai", server.URL, nil)
	ledger := MemoryLedger()
	c := NewCaller(client.Judge(), client, CallerOptions{Ledger: ledger, Attempts: 2, Price: Price{In: 1}})
	defer c.Close()
	_, err := c.Ask(t.Context(), question(1))
	is(t, "Ask", err, assay.ErrUnavailable, "2 attempts")
	same(t, "spent", c.Spent(), assay.Spending{Calls: 1})
	spent, err := ledger.Spent(t.Context(), time.Time{})
	must(t, err)
	same(t, "ledger", spent, assay.Spending{Calls: 1})
}

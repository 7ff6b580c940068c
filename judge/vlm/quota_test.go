package vlm

import (
	"net/http"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func TestResetIn(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"12ms": 12 * time.Millisecond, "6m0s": 6 * time.Minute, "1h2m3.5s": time.Hour + 2*time.Minute + 3500*time.Millisecond,
		" 1s ": time.Second, "0s": 0, "-1s": 0, "20": 20 * time.Second, "0.25": 250 * time.Millisecond, "-3": 0,
		"2026-03-04T12:00:07Z": 7 * time.Second, "2026-03-04T13:00:07.5+01:00": 7500 * time.Millisecond, "2026-03-04T11:59:59Z": 0,
		"": 0, "soon": 0, "NaN": 0, "Inf": longestReset, "1e300": longestReset, "9999h": longestReset, "9999-01-01T00:00:00Z": longestReset,
		"999999999h": 0, // overflows: no duration
	} {
		if got := resetIn(s, noon); got != want {
			t.Errorf("resetIn(%q) = %s, want %s", s, got, want)
		}
	}
}

// Headers as the vendors' documentation shows them.
func TestQuotasOf(t *testing.T) {
	for name, tc := range map[string]struct {
		header map[string]string
		want   []quota
	}{
		"openai": {map[string]string{
			"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1s",
			"x-ratelimit-limit-tokens": "150000", "x-ratelimit-remaining-tokens": "149984", "x-ratelimit-reset-tokens": "6m0s"},
			[]quota{{0, 60, 59, time.Second}, {1, 150000, 149984, 6 * time.Minute}}},
		"anthropic": {map[string]string{
			"anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "49", "anthropic-ratelimit-requests-reset": "2026-03-04T12:00:01Z",
			"anthropic-ratelimit-tokens-limit": "50000", "anthropic-ratelimit-tokens-remaining": "47000", "anthropic-ratelimit-tokens-reset": "2026-03-04T12:00:04Z",
			"anthropic-ratelimit-input-tokens-limit": "40000", "anthropic-ratelimit-input-tokens-remaining": "38000", "anthropic-ratelimit-input-tokens-reset": "2026-03-04T12:00:03Z",
			"anthropic-ratelimit-output-tokens-limit": "10000", "anthropic-ratelimit-output-tokens-remaining": "9000", "anthropic-ratelimit-output-tokens-reset": "2026-03-04T12:00:06Z"},
			[]quota{{0, 50, 49, time.Second}, {1, 50000, 47000, 4 * time.Second}, {2, 40000, 38000, 3 * time.Second}, {3, 10000, 9000, 6 * time.Second}}},
		"the server's clock is an hour behind": {map[string]string{"Date": "Wed, 04 Mar 2026 11:00:00 GMT",
			"anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2026-03-04T11:00:09Z"},
			[]quota{{0, 50, 0, 9 * time.Second}}},
		"azure": {map[string]string{
			"x-ratelimit-limit-requests": "-1", "x-ratelimit-remaining-requests": "-1", "x-ratelimit-limit-tokens": "0", "x-ratelimit-remaining-tokens": "0"}, nil},
		"negative remainder": {map[string]string{"x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "-1"}, nil},
		"no limit":           {map[string]string{"x-ratelimit-remaining-requests": "3"}, nil},
		"no reset":           {map[string]string{"x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "3"}, []quota{{0, 10, 3, 0}}},
		"more than the limit": {map[string]string{"x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "30", "x-ratelimit-reset-requests": "x"},
			[]quota{{0, 10, 10, 0}}},
		"none": {nil, nil},
	} {
		h := http.Header{}
		for k, v := range tc.header {
			h.Set(k, v)
		}
		got := quotasOf(h, noon)
		if len(got) != len(tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
			continue
		}
		for i := range got {
			if got[i] != tc.want[i] {
				t.Errorf("%s: %v, want %v", name, got[i], tc.want[i])
			}
		}
	}
}

func FuzzResetIn(f *testing.F) {
	for _, s := range []string{"12ms", "6m0s", "20", "2026-03-04T12:00:07Z", "-1", "1e400", "NaN", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := resetIn(s, noon); d < 0 || d > longestReset {
			t.Errorf("resetIn(%q) = %s", s, d)
		}
	})
}

// Whatever the headers say, the lane opens again.
func FuzzQuotas(f *testing.F) {
	f.Add("60", "0", "1s", "150000", "0", "6m0s", "Wed, 04 Mar 2026 11:00:00 GMT")
	f.Add("1", "0", "0", "9223372036854775807", "1", "9999h", "x")
	f.Fuzz(func(t *testing.T, limit, remaining, reset, limit2, remaining2, reset2, date string) {
		h := http.Header{}
		h.Set("Date", date)
		h.Set("x-ratelimit-limit-requests", limit)
		h.Set("x-ratelimit-remaining-requests", remaining)
		h.Set("x-ratelimit-reset-requests", reset)
		h.Set("anthropic-ratelimit-output-tokens-limit", limit2)
		h.Set("anthropic-ratelimit-output-tokens-remaining", remaining2)
		h.Set("anthropic-ratelimit-output-tokens-reset", reset2)
		for _, q := range quotasOf(h, noon) {
			if !(q.limit > 0 && q.remaining >= 0 && q.remaining <= q.limit && q.reset >= 0 && q.reset <= longestReset) {
				t.Fatalf("quota %+v", q)
			}
			var b bucket
			b.seed(q, 3, noon)
			now := noon
			for range 5 { // rounding may leave a little to wait for
				wait := b.wait(100)
				if wait < 0 || wait > longestReset {
					t.Fatalf("bucket %+v waits %s", b, wait)
				}
				if wait == 0 {
					return
				}
				now = now.Add(wait)
				b.fill(now)
			}
			if b.rate*longestReset.Seconds() > 2*b.size {
				t.Fatalf("bucket %+v of quota %+v never opens", b, q)
			}
		}
	})
}

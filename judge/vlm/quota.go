package vlm

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A quota is what a server's headers say of one thing that it limits.
type quota struct {
	what      int           // of things
	limit     float64       // more than 0
	remaining float64       // 0 to limit
	reset     time.Duration // until all of it is there again; 0 if not said
}

// things are what servers limit, in the order of [amounts].
var things = [...]string{"requests", "tokens", "input-tokens", "output-tokens"}

// quotasOf reads the rate-limit headers of a response: OpenAI's
// (x-ratelimit-remaining-tokens: 149984, resets such as "6m0s") and Anthropic's
// (anthropic-ratelimit-input-tokens-remaining: 79000, resets in RFC 3339).
// Limits that are not positive, which Azure sends, and remainders that are
// missing or negative say nothing and are left out.
func quotasOf(h http.Header, now time.Time) []quota {
	var all []quota
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		now = at // the server's clock, by which its resets are meant
	}
	for i, what := range things {
		for _, name := range [...]func(field string) string{
			func(field string) string { return "x-ratelimit-" + field + "-" + what },
			func(field string) string { return "anthropic-ratelimit-" + what + "-" + field },
		} {
			limit, ok := count(h.Get(name("limit")))
			remaining, ok2 := count(h.Get(name("remaining")))
			if !ok || !ok2 || limit == 0 {
				continue
			}
			all = append(all, quota{i, limit, min(remaining, limit), resetIn(h.Get(name("reset")), now)})
		}
	}
	return all
}

// count reads a whole number of 0 or more.
func count(s string) (float64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	return float64(n), err == nil && n >= 0
}

// longestReset bounds what is believed of a reset.
const longestReset = 31 * 24 * time.Hour

// resetIn reads a reset: a duration in Go's form ("12ms", "6m0s"), seconds, or
// a time in RFC 3339. What is none of these or has passed is 0, "not said".
func resetIn(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	var d time.Duration
	if sec, err := strconv.ParseFloat(s, 64); err == nil {
		if !(sec > 0) { // written so that NaN fails
			return 0
		}
		d = time.Duration(math.Min(sec, longestReset.Seconds()) * float64(time.Second))
	} else if parsed, err := time.ParseDuration(s); err == nil {
		d = parsed
	} else if at, err := time.Parse(time.RFC3339, s); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), longestReset)
}

// A bucket holds what may still be asked of one limited thing. It fills at the
// rate that the server's headers imply.
type bucket struct {
	size  float64
	level float64 // may be below 0: more is under way than was there
	rate  float64 // a second
	at    time.Time
}

// fill adds what came since.
func (b *bucket) fill(now time.Time) {
	if dt := now.Sub(b.at).Seconds(); dt > 0 {
		b.level = min(b.size, b.level+dt*b.rate)
		b.at = now
	}
}

// seed takes over what the server says, less what is under way and may not be
// counted yet.
func (b *bucket) seed(q quota, underWay float64, now time.Time) {
	b.size, b.level, b.at = q.limit, q.remaining-underWay, now
	switch {
	case q.reset > 0 && q.remaining < q.limit:
		b.rate = (q.limit - q.remaining) / q.reset.Seconds()
	case b.rate == 0:
		b.rate = q.limit / 60 // limits are mostly by the minute
	}
}

// wait returns how long it takes until need is there. What is larger than the
// bucket may go when it is full.
func (b *bucket) wait(need float64) time.Duration {
	short := min(need, b.size) - b.level
	if short <= 1e-9*b.size {
		return 0
	}
	sec := short / b.rate
	if !(sec < longestReset.Seconds()) {
		return longestReset
	}
	return max(time.Duration(sec*float64(time.Second)), time.Microsecond)
}

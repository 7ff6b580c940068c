package vlm

import "time"

// learned is the pace that a server's refusals teach where its headers say
// nothing: after one, calls go a little slower than they were served of late,
// and then a little faster with each that is served. Of a server that refuses some
// calls at any pace each refusal would teach too much: between two slowdowns lie
// settled successes, or more refusals than successes by outnumbered.
type learned struct {
	bucket *bucket // nil before the first refusal
	growth float64 // of the rate with each success
	good   int     // successes since the last slowdown
	bad    int     // refusals since then
	times  [16]time.Time
	n      int // successes noted in times, which wraps around
}

const (
	settled     = 10
	outnumbered = 3
	growth      = 1.03
)

// served notes a success.
func (l *learned) served(now time.Time) {
	l.good++
	l.times[l.n%len(l.times)] = now
	l.n++
	if l.bucket != nil {
		l.bucket.fill(now)
		l.set(l.bucket.rate * l.growth)
	}
}

// refused notes that the server was asked too much.
func (l *learned) refused(now time.Time) {
	l.bad++
	if l.bucket != nil && l.good < settled && l.bad < l.good+outnumbered {
		l.bucket.level, l.bucket.at = 0, now
		return
	}
	l.good, l.bad = 0, 0
	switch rate := l.rate(now); {
	case l.bucket == nil && rate == 0:
		l.bucket, l.growth = &bucket{}, 1.1 // nothing is known: start slowly and grow fast
		l.set(1)
	case l.bucket == nil:
		l.bucket, l.growth = &bucket{}, growth
		l.set(0.85 * rate)
	case rate > 0 && rate < l.bucket.rate:
		l.growth = growth
		l.set(0.85 * rate)
	default:
		l.growth = growth
		l.set(l.bucket.rate / 2)
	}
	l.bucket.level, l.bucket.at = 0, now
}

// rate returns how many calls a second were served of late, 0 if unknown.
func (l *learned) rate(now time.Time) float64 {
	k := min(l.n, len(l.times))
	if k < 4 {
		return 0
	}
	span := now.Sub(l.times[(l.n-k)%len(l.times)])
	if span <= 0 {
		return 0
	}
	return float64(k) / span.Seconds()
}

// set changes the rate. What a quarter of a second lets through may go at once.
func (l *learned) set(rate float64) {
	const slowest, fastest = 1.0 / 20, 1e5 // the slowest that is sold is three calls a minute
	b := l.bucket
	b.rate = min(max(rate, slowest), fastest)
	b.size = max(1, b.rate/4)
	b.level = min(b.level, b.size)
}

package vlm

import (
	"cmp"
	"math"
	"slices"
)

// sentinel is what OpenAI and vLLM write for a token outside their list; a
// probability of e^-9999 is none that a model gives.
const sentinel = -9999

// logProb returns a log-probability as it may be used: known only if the server
// gave one that can be meant. A field that is absent is not the certainty that
// its zero value would say.
func logProb(v float64, given bool) (p float64, known bool) {
	switch {
	case !given, math.IsNaN(v), v <= sentinel, v > 0.01:
		return 0, false
	case v > 0: // a rounding error of the server's
		return 0, true
	}
	return v, true
}

// tokenText returns a token's text from its bytes, where there are any: the
// string form shows a part of a letter as a replacement sign, or in an escape of
// the server's own. A byte that is no part of a letter becomes U+FFFD, as it
// would on the way through JSON, so that a reply from a cache equals the first.
func tokenText(text string, bytes []int64, given bool) string {
	if !given || len(bytes) == 0 && text != "" {
		return text
	}
	raw := make([]byte, len(bytes))
	for i, b := range bytes {
		if b < 0 || b > 255 {
			return text
		}
		raw[i] = byte(b)
	}
	return string([]rune(string(raw)))
}

// sortAlternatives puts the most probable first, and leaves equals as they were.
func sortAlternatives(top []Alternative) {
	slices.SortStableFunc(top, func(a, b Alternative) int { return cmp.Compare(b.LogProb, a.LogProb) })
}

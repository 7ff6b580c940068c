package judge

import (
	"fmt"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/gen-emerge/assay/stat"
)

// A Verdict says how a check went.
type Verdict string

// The verdicts. A check passes if it did not fail although a worthless judge
// most likely would have; it had not enough data if such a judge could well have
// come through.
const (
	Pass          Verdict = "pass"
	Fail          Verdict = "fail"
	NotEnoughData Verdict = "not enough data"
)

// An Estimate is a number with its interval.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// A Check is one part of an examination: something counted, and a test of it.
type Check struct {
	Name    string    `json:"name"`
	What    string    `json:"what"`             // what K counts of N, for people
	K       int       `json:"k"`                //
	N       int       `json:"n"`                //
	Share   *Estimate `json:"share,omitempty"`  // K/N and its interval of level Level, in [0,1]; nil if N is 0
	Level   float64   `json:"level"`            //
	Rule    string    `json:"rule"`             // the test and its error rate, for people
	Verdict Verdict   `json:"verdict"`          //
	Decides bool      `json:"decides"`          // whether a judge that fails it is unfit; otherwise failing it is a doubt
	Note    string    `json:"note,omitempty"`   // what else was seen, for people
	Number  *Estimate `json:"number,omitempty"` // a second number, explained in Note; 95 %
}

// A rule is a test of a share.
type rule struct {
	name, what  string
	least, most float64 // the acceptable shares
	worthless   float64 // share of a judge that does not look
	level       float64 // of the Clopper–Pearson interval
	decides     bool
}

// The rules. Intervals are Clopper–Pearson's: a judge at the border of what is
// acceptable fails with probability (1-level)/2 at most. Those that make a judge
// unfit are at 0.99, so that together they wrong a sound judge in few
// examinations of a hundred.
var (
	ruleControls = rule{name: "controls", what: "questions with known answers answered right; an abstention is not right",
		least: 0.95, most: 1, worthless: 0.5, level: 0.99, decides: true}
	ruleYesBias = rule{name: "yes-bias", what: "answers that were yes, where half should be",
		least: 0.35, most: 0.65, worthless: 1, level: 0.99, decides: true}
	ruleGross = rule{name: "grossly degraded pairs", what: "decided pairs in which the original was preferred",
		least: 0.95, most: 1, worthless: 0.5, level: 0.99, decides: true}
	ruleMild = rule{name: "mildly degraded pairs", what: "decided pairs in which the original was preferred",
		least: 0.75, most: 1, worthless: 0.5, level: 0.95}
	ruleDecided = rule{name: "decided pairs", what: "pairs, of people and degraded ones, that were decided at all, both orders averaged",
		least: 0.15, most: 1, worthless: 0, level: 0.99, decides: true}
	rulePosition = rule{name: "position bias", what: "pairs in which exchanging the sides exchanged the answer",
		least: 0, most: 0.5, worthless: 1, level: 0.95}
	ruleRepeat = rule{name: "repeats", what: "answers that turned when the same was asked again",
		least: 0, most: 0.15, worthless: 0.5, level: 0.95}
	ruleNegation = rule{name: "negation", what: "questions answered alike with and without a not",
		least: 0, most: 0.25, worthless: 1, level: 0.95}
	ruleWrong = rule{name: "wrong prompt", what: "pictures whose P(yes) fell by 0.3 or more under another picture's prompt",
		least: 0.5, most: 1, worthless: 0, level: 0.95}
)

// check tests k of n.
func (r rule) check(k, n int) Check {
	c := Check{Name: r.name, What: r.what, K: k, N: n, Level: r.level, Decides: r.decides, Verdict: NotEnoughData, Rule: r.text()}
	if n == 0 {
		return c
	}
	iv := exact(k, n, r.level)
	c.Share = &Estimate{float64(k) / float64(n), iv.Lo, iv.Hi}
	switch {
	case r.fails(k, n):
		c.Verdict = Fail
	case r.power(n) >= r.wanted():
		c.Verdict = Pass
	}
	return c
}

// wanted is the probability with which a worthless judge must fail before
// anything can be said to pass.
func (r rule) wanted() float64 {
	if r.decides {
		return 0.9
	}
	return 0.5
}

// power is the probability that a worthless judge fails at n.
func (r rule) power(n int) float64 {
	if r.worthless == 0 || r.worthless == 1 { // where the binomial law has no logarithm
		if r.fails(int(r.worthless)*n, n) {
			return 1
		}
		return 0
	}
	law := distuv.Binomial{N: float64(n), P: r.worthless}
	sum := 0.0
	for k := range n + 1 {
		if p := law.Prob(float64(k)); p > 1e-9 && r.fails(k, n) {
			sum += p
		}
	}
	return sum
}

// fails reports whether the interval of k of n excludes what is acceptable.
func (r rule) fails(k, n int) bool {
	iv := exact(k, n, r.level)
	return iv.Hi < r.least || iv.Lo > r.most
}

func (r rule) text() string {
	var want string
	switch {
	case r.least == 0:
		want = fmt.Sprintf("%.0f %% or less", 100*r.most)
	case r.most == 1:
		want = fmt.Sprintf("%.0f %% or more", 100*r.least)
	default:
		want = fmt.Sprintf("%.0f to %.0f %%", 100*r.least, 100*r.most)
	}
	return fmt.Sprintf("fails where the %.0f %% Clopper-Pearson interval excludes %s (a judge that just meets this fails in at most %.1f %% of examinations); passes otherwise, if so many were counted that a worthless judge, with %.0f %%, would fail in at least %.0f of 100",
		100*r.level, want, 100*(1-r.level)/2, 100*r.worthless, 100*r.wanted())
}

// exact is [stat.ClopperPearson] for counts that are known to be possible.
func exact(k, n int, level float64) stat.Interval {
	iv, err := stat.ClopperPearson(k, n, level)
	if err != nil {
		panic(fmt.Sprintf("judge: %v", err)) // n ≥ 1 and 0 ≤ k ≤ n at every call
	}
	return iv
}

// The test of people's pairs. A coin passes with probability at most coinPasses,
// a judge that is right in goodAccuracy of its pairs fails with at most goodFails;
// in between there was not enough data.
const (
	coinPasses   = 0.1
	goodAccuracy = 0.7
	goodFails    = 0.01
	// trustLevel is that of the interval of the accuracy. Clopper–Pearson holds
	// for pairs that are independent; people's pairs share pictures, and so hold
	// less. Of independent pairs an interval at 0.98 holds the accuracy in at
	// least 95 of 100 examinations in all but about 1 hundred of 60.
	trustLevel = 0.98
)

// checkPairs tests how many of n decided pairs went as people decided.
func checkPairs(k, n int) Check {
	c := Check{
		Name: "people's pairs", What: "decided pairs that went as people decided, both orders averaged, ties left out",
		K: k, N: n, Level: trustLevel, Decides: true, Verdict: NotEnoughData,
		Rule: fmt.Sprintf("passes where a coin would do as well with probability %.0f %% at most; fails where a judge that is right in %.0f of 10 would do as badly with %.0f %% at most",
			100*coinPasses, 10*goodAccuracy, 100*goodFails),
	}
	if n == 0 {
		return c
	}
	iv := exact(k, n, trustLevel)
	c.Share = &Estimate{float64(k) / float64(n), iv.Lo, iv.Hi}
	switch {
	case exact(k, n, 1-2*coinPasses).Lo >= 0.5:
		c.Verdict = Pass
	case exact(k, n, 1-2*goodFails).Hi <= goodAccuracy:
		c.Verdict = Fail
	}
	return c
}

// counted is the check's count, for a table beside another.
func (c Check) counted() *stat.Count {
	if c.N == 0 {
		return nil
	}
	return &stat.Count{K: c.K, N: c.N}
}

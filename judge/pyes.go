package judge

import (
	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// ReadYes reads the probability of yes from the distribution over a reply's
// first word. It never guesses: what cannot be read is an abstention that says
// why.
func ReadYes(r vlm.Reply) assay.Belief { return assay.Belief{} }

// Logit returns the log-odds of p, clamped to ±6.
func Logit(p float64) float64 { return 0 }

// MergeTwin makes one belief of a question's and its negated twin's.
func MergeTwin(q, twin assay.Belief) (merged assay.Belief, gap float64, both bool) {
	return q, 0, false
}

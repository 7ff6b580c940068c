package stat

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// A Betting watches a stream of numbers in [0, 1] for a fall of their mean below
// P0, by betting on it: a stake of 1 becomes M ← M·(1 + λ(P0 − x)) with each
// observation x. As long as the mean is P0 or more, whatever came before, nobody
// grows rich by such bets: M reaches 1/Alpha ever with probability at most Alpha
// (Ville 1939; Waudby-Smith and Ramdas, JRSS B 86, 2024). So it may be looked at
// after every observation, and there is no run length to tune; a
// [BernoulliCUSUM], which alarms wrongly again and again, is faster to tell of a
// fall that comes late. A long good time is held against a later fall, so begin
// anew with each calibration.
//
// Its fields are its whole state.
type Betting struct {
	P0     float64 `json:"p0"`     // mean as it should be at least
	Lambda float64 `json:"lambda"` // what is bet; at least 0 and below 1/(1−P0), so that no observation takes all
	Alpha  float64 `json:"alpha"`  // largest probability of ever a false alarm
	LogM   float64 `json:"log_m"`  // ln M now
	N      int     `json:"n"`      // observations so far
	Alarm  int     `json:"alarm"`  // observation at which M first reached 1/Alpha, from 1; 0: none yet
}

// NewBetting returns a detector of a fall of the mean from p0 to p1 at rest. Its
// bet (p0−p1)/(p0(1−p0)) makes M grow fastest where successes, 0 or 1, come with
// chance p1 (Kelly 1956): M is then their likelihood ratio. Other numbers than
// 0 < p1 < p0 < 1 and 0 < alpha < 1 are errors wrapping [assay.ErrInvalid].
func NewBetting(p0, p1, alpha float64) (*Betting, error) {
	if !(0 < p1 && p1 < p0 && p0 < 1) {
		return nil, fmt.Errorf("betting on a fall from %g to %g: want 0 < p1 < p0 < 1: %w", p0, p1, assay.ErrInvalid)
	}
	if err := checkOpen("betting", "alpha", alpha); err != nil {
		return nil, err
	}
	return &Betting{P0: p0, Lambda: (p0 - p1) / (p0 * (1 - p0)), Alpha: alpha}, nil
}

// Add takes one observation and reports whether the alarm stands, which it does
// from the first time that M reaches 1/Alpha. An x outside [0, 1] is an error
// wrapping [assay.ErrInvalid] and changes nothing.
func (b *Betting) Add(x float64) (alarm bool, err error) {
	if !(x >= 0 && x <= 1) { // written so that NaN is refused
		return b.Alarm > 0, fmt.Errorf("betting: observation %d is %g: want 0 to 1: %w", b.N+1, x, assay.ErrInvalid)
	}
	b.N++
	b.LogM += math.Log1p(float64(b.Lambda * (b.P0 - x)))
	if b.Alarm == 0 && b.LogM >= -math.Log(b.Alpha) {
		b.Alarm = b.N
	}
	return b.Alarm > 0, nil
}

// M is the stake now, 1 at rest: evidence against the mean being P0 or more.
func (b *Betting) M() float64 { return math.Exp(b.LogM) }

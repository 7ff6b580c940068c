package judge

import (
	"cmp"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// A PanelResult is what several judges say of one pair together.
type PanelResult struct {
	A         assay.Digest `json:"a"`
	B         assay.Digest `json:"b"`
	P         float64      `json:"p"`         // of A being better, in [0,1]; 0.5 if no judge answered
	LogOdds   float64      `json:"log_odds"`  // mean over the judges, standardised where Scales has them
	Spread    float64      `json:"spread"`    // standard deviation of the judges' log-odds; 0 for fewer than two: high ones are for a person
	StdErr    float64      `json:"std_err"`   // of LogOdds, with Effective judges; 0 for fewer than two
	Judges    int          `json:"judges"`    // that answered
	Effective float64      `json:"effective"` // Judges/(1+(Judges−1)·Rho): as many independent judges these are worth
	Rho       float64      `json:"rho"`       // correlation between judges that was assumed, in [0,1]
	Scales    []Scale      `json:"scales"`    // how loud each judge was taken to be
	LeftOut   []string     `json:"left_out,omitempty"`
}

// A Scale is how far from 0 a judge's log-odds usually are, by which judges
// that are sure of everything are brought to the voice of the others.
type Scale struct {
	Judge assay.Judge `json:"judge"`
	RMS   float64     `json:"rms"` // of its log-odds on the reference pairs; 0: too few of them, or it says next to nothing; it is then taken as it is
	Pairs int         `json:"pairs"`
}

const (
	leastReference = 10  // pairs tell a judge's scale to about a fifth
	leastScale     = 0.1 // below it a judge would be made to shout what it whispers
)

// Panel combines several judges' comparisons of one pair: the mean of their
// log-odds, of which reference, comparisons of other pairs by the same judges,
// gives the scale. (Their mean is 0 by construction: which image of a pair is A
// is arbitrary.) Rho is the judges' correlation, for instance 0.43 where it was
// not measured; outside [0,1] it is taken as the nearer end, and NaN as 1.
//
// The first comparison says which images are A and B; one of them in the other
// order is turned. Comparisons that were skipped, of other pairs and by other
// criteria are left out, and named. A judge that is there more than once counts
// once, with its mean.
func Panel(cs []assay.Comparison, rho float64, reference ...assay.Comparison) PanelResult {
	res := PanelResult{P: 0.5, Rho: min(1, max(0, rho))}
	if math.IsNaN(rho) {
		res.Rho = 1
	}
	if len(cs) == 0 {
		return res
	}
	res.A, res.B = cs[0].A, cs[0].B
	var judges []assay.Judge
	said := map[assay.Judge][]float64{}
	for _, c := range cs {
		l, why := onPair(c, cs[0])
		if why != "" {
			res.LeftOut = append(res.LeftOut, c.Judge.Name+": "+why)
			continue
		}
		if said[c.Judge] == nil {
			judges = append(judges, c.Judge)
		}
		said[c.Judge] = append(said[c.Judge], l)
	}
	res.Judges = len(judges)
	if res.Judges == 0 {
		return res
	}
	res.Scales = scales(judges, reference)
	common := commonScale(res.Scales)
	ls := make([]float64, len(judges))
	for i, j := range judges {
		ls[i] = mean(said[j])
		if rms := res.Scales[i].RMS; rms > 0 {
			ls[i] *= common / rms
		}
	}
	n := float64(res.Judges)
	res.LogOdds = mean(ls)
	res.P = 1 / (1 + math.Exp(-res.LogOdds))
	res.Effective = n / (1 + (n-1)*res.Rho)
	if res.Judges > 1 {
		var ss float64
		for _, l := range ls {
			ss += (l - res.LogOdds) * (l - res.LogOdds)
		}
		res.Spread = math.Sqrt(ss / (n - 1))
		res.StdErr = res.Spread / math.Sqrt(res.Effective)
	}
	return res
}

// onPair returns c's log-odds for the A of first, or why it says nothing of it.
func onPair(c, first assay.Comparison) (l float64, why string) {
	same := c.A == first.A && c.B == first.B
	turned := c.A == first.B && c.B == first.A
	switch {
	case !same && !turned:
		return 0, fmt.Sprintf("it compared %s with %s", c.A.Short(), c.B.Short())
	case c.Criterion != first.Criterion:
		return 0, fmt.Sprintf("it compared by %s, not %s", c.Criterion, first.Criterion)
	case c.Outcome == assay.Skip:
		return 0, cmp.Or(c.Reason, "it did not decide")
	case same:
		return Logit(c.P), ""
	}
	return -Logit(c.P), ""
}

// scales reads each judge's scale from the reference comparisons.
func scales(judges []assay.Judge, reference []assay.Comparison) []Scale {
	out := make([]Scale, len(judges))
	for i, j := range judges {
		out[i].Judge = j
		var ss float64
		for _, c := range reference {
			if c.Judge == j && c.Outcome != assay.Skip {
				ss += Logit(c.P) * Logit(c.P)
				out[i].Pairs++
			}
		}
		if rms := math.Sqrt(ss / float64(max(1, out[i].Pairs))); out[i].Pairs >= leastReference && rms >= leastScale {
			out[i].RMS = rms
		}
	}
	return out
}

// commonScale is the scale that judges are brought to: the geometric mean of
// those known, or 0.
func commonScale(scales []Scale) float64 {
	var logs []float64
	for _, s := range scales {
		if s.RMS > 0 {
			logs = append(logs, math.Log(s.RMS))
		}
	}
	if len(logs) == 0 {
		return 0
	}
	return math.Exp(mean(logs))
}

func mean(x []float64) float64 {
	var sum float64
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

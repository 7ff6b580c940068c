package series

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// A Weighed is a comparison by a model, and what it weighs in the archive.
type Weighed struct {
	assay.Comparison
	Counts   bool    `json:"counts"`             // whether it is part of the evidence about its pair
	Accuracy float64 `json:"accuracy,omitempty"` // with which it counts: the judge's, discounted where several judged the pair
	Decided  bool    `json:"decided,omitempty"`  // whether it made one of the two the elite of their cell
	Why      string  `json:"why"`                // a sentence: why it does not count, or what it weighs
}

// weigh says what each comparison weighs, given the judgments that were taken
// back. Of one judge and one pair the newest answered comparison that stands
// counts, if the judge is fit. Where n judges compared a pair their log-odds are
// multiplied by n_eff/n = 1/(1+(n−1)ρ̄), ρ̄ being how alike they err.
func weigh(all []assay.Comparison, withdrawn map[int64]bool, t trusts) []Weighed {
	out := make([]Weighed, len(all))
	newest := map[seat]int{}
	for i, c := range all {
		out[i].Comparison = c
		if c.Outcome != assay.Skip && !withdrawn[c.Judgment] {
			newest[seatOf(c)] = i
		}
	}
	panels := map[[2]assay.Digest][]int{}
	for i := range out {
		w := &out[i]
		switch at, some := newest[seatOf(w.Comparison)]; {
		case w.Outcome == assay.Skip:
			w.Why = "the judge abstained: " + w.Reason
		case withdrawn[w.Judgment]:
			w.Why = "its judgment was taken back"
		case some && at != i:
			w.Why = fmt.Sprintf("%s compared the two again later", w.Judge.Name)
		default:
			if w.Accuracy, w.Why = t.accuracy(w.Judge); w.Why == "" {
				w.Counts = true
				key := pairKey(w.A, w.B)
				panels[key] = append(panels[key], i)
			}
		}
	}
	alike := likeness(out, t)
	for _, panel := range panels {
		discount(out, panel, alike)
	}
	return out
}

// A seat is one judge's place at one pair.
type seat struct {
	judge assay.Judge
	pair  [2]assay.Digest
}

func seatOf(c assay.Comparison) seat { return seat{c.Judge, pairKey(c.A, c.B)} }

// discount weighs the comparisons of one pair by several judges.
func discount(all []Weighed, panel []int, alike map[[2]assay.Judge]float64) {
	n, rho := float64(len(panel)), 0.0
	for i, a := range panel {
		for _, b := range panel[:i] {
			r, measured := alike[[2]assay.Judge{all[a].Judge, all[b].Judge}]
			if !measured {
				r = PanelCorrelation
			}
			rho += r / (n * (n - 1) / 2)
		}
	}
	share := 1 / (1 + (n-1)*rho)
	for _, i := range panel {
		w := &all[i]
		own := w.Accuracy
		w.Why = fmt.Sprintf("it weighs as a judge who is right with probability %.3g", own)
		if n > 1 {
			w.Accuracy = sigmoid(share * logit(own))
			w.Why = fmt.Sprintf("it weighs as a judge who is right with probability %.3g (%.3g alone): %d judges of the pair err alike and count as %.2g",
				w.Accuracy, own, len(panel), n*share)
		}
		if w.Outcome == assay.Tie {
			w.Why = "a tie: it speaks for neither"
		}
	}
}

// likeness measures, for each two judges, the correlation of their errors over
// the pairs that both decided. Whether both were right is not known, but whether
// they agreed is: of right answers as ±1, the mean of the product is
// 2·agreement−1 whatever the truth, and the means are 2·accuracy−1. It is at
// least 0: judges do not correct each other. Two judges with fewer than
// [commonPairs] common pairs are not in the result.
func likeness(all []Weighed, t trusts) map[[2]assay.Judge]float64 {
	said := map[assay.Judge]map[[2]assay.Digest]bool{} // whether the first of the pair is better
	for _, w := range all {
		if !w.Counts || w.Outcome == assay.Tie {
			continue
		}
		if said[w.Judge] == nil {
			said[w.Judge] = map[[2]assay.Digest]bool{}
		}
		key := pairKey(w.A, w.B)
		said[w.Judge][key] = (w.Outcome == assay.Left) == (w.A == key[0])
	}
	out := map[[2]assay.Judge]float64{}
	for a, ofA := range said {
		for b, ofB := range said {
			if a == b {
				continue
			}
			common, same := 0, 0
			for pair, first := range ofA {
				if second, both := ofB[pair]; both {
					common++
					if first == second {
						same++
					}
				}
			}
			if common < commonPairs {
				continue
			}
			pa, _ := t.accuracy(a)
			pb, _ := t.accuracy(b)
			ma, mb := 2*pa-1, 2*pb-1
			r := (2*float64(same)/float64(common) - 1 - ma*mb) / math.Sqrt((1-ma*ma)*(1-mb*mb))
			out[[2]assay.Judge{a, b}] = min(max(r, 0), 1)
		}
	}
	return out
}

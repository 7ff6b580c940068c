package stat

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/gen-emerge/assay"
)

// An Agreement is a rank correlation of two judgings of the same things: 1 when
// they order alike, -1 when one is the reverse of the other.
type Agreement struct {
	Value    float64 // in [-1, 1]
	P        float64 // two-sided p-value of "no relation"; NaN where it is not defined
	Exact    bool    // P counts permutations; otherwise it rests on a large-sample law
	N        int     // things judged
	Warnings []error // doubts to show beside the numbers, which still stand
}

// exactLimit is the number of things up to which Kendall's null distribution
// is counted exactly. Counting costs about n³/6 steps; the normal law is within
// 1e-3 of it well before.
const exactLimit = 60

// Kendall returns Kendall's rank correlation tau-b (Kendall 1945) of x and y,
// which allows for ties, by merge sort in O(n log n) (Knight 1966). Without
// ties and for at most 60 things the p-value counts permutations; otherwise it
// uses the normal law with the tie-corrected variance. Fewer than two things,
// lengths that differ, a value that is not finite, or a side that is all one
// tie (tau is then 0/0) is an error wrapping [assay.ErrInvalid].
func Kendall(x, y []float64) (Agreement, error) {
	if err := checkPaired("kendall", x, y); err != nil {
		return Agreement{}, err
	}
	n := len(x)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(x[a], x[b]), cmp.Compare(y[a], y[b]))
	})
	ys := make([]float64, n)
	for i, o := range order {
		ys[i] = y[o]
	}
	joint := tieRuns(n, func(i int) bool { return x[order[i]] == x[order[i-1]] && ys[i] == ys[i-1] })
	tx := tieRuns(n, func(i int) bool { return x[order[i]] == x[order[i-1]] })
	swaps := countSwaps(ys, make([]float64, n))
	ty := tieRuns(n, func(i int) bool { return ys[i] == ys[i-1] }) // ys is sorted now
	total := pairs(n)
	nx, ny := total-tx.pairs, total-ty.pairs
	if nx == 0 || ny == 0 {
		return Agreement{}, fmt.Errorf("kendall: all %d values of one side are equal, so there is no order to compare: %w", n, assay.ErrInvalid)
	}
	s := total - tx.pairs - ty.pairs + joint.pairs - 2*swaps
	a := Agreement{Value: s / math.Sqrt(nx) / math.Sqrt(ny), N: n}
	a.Value = max(-1, min(1, a.Value))
	if tx.pairs == 0 && ty.pairs == 0 && n <= exactLimit {
		a.Exact = true
		a.P = kendallExact(n, int(swaps))
	} else {
		a.P = kendallNormal(float64(n), s, tx, ty)
	}
	a.Warnings = smallWarning(n)
	return a, nil
}

// KendallInterval returns the approximate interval of level conf for a tau
// observed on n things without ties: Fisher's transform with variance
// 0.437/(n-4) (Fieller, Hartley and Pearson 1957). It needs n > 4 and
// -1 < tau < 1; anything else is an error wrapping [assay.ErrInvalid].
func KendallInterval(tau float64, n int, conf float64) (Interval, error) {
	if n <= 4 {
		return Interval{}, fmt.Errorf("kendall interval: %d things: at least 5 are needed: %w", n, assay.ErrInvalid)
	}
	if !(tau > -1 && tau < 1) {
		return Interval{}, fmt.Errorf("kendall interval: tau %g: want a number strictly between -1 and 1: %w", tau, assay.ErrInvalid)
	}
	if err := checkOpen("kendall interval", "confidence", conf); err != nil {
		return Interval{}, err
	}
	half := distuv.UnitNormal.Quantile(0.5+conf/2) * math.Sqrt(0.437/float64(n-4))
	z := math.Atanh(tau)
	return Interval{math.Tanh(z - half), math.Tanh(z + half)}, nil
}

// Spearman returns Spearman's rank correlation of x and y: Pearson's
// correlation of their ranks, tied values sharing their mean rank. The p-value
// uses Student's law with n-2 degrees of freedom and is NaN for n = 2. Errors
// are those of [Kendall].
func Spearman(x, y []float64) (Agreement, error) {
	if err := checkPaired("spearman", x, y); err != nil {
		return Agreement{}, err
	}
	n := len(x)
	rx, ry := ranks(x), ranks(y)
	mean := float64(n+1) / 2
	var xx, yy, xy float64
	for i := range rx {
		dx, dy := rx[i]-mean, ry[i]-mean
		xx, yy, xy = xx+dx*dx, yy+dy*dy, xy+dx*dy
	}
	if xx == 0 || yy == 0 {
		return Agreement{}, fmt.Errorf("spearman: all %d values of one side are equal, so there is no order to compare: %w", n, assay.ErrInvalid)
	}
	a := Agreement{Value: max(-1, min(1, xy/math.Sqrt(xx)/math.Sqrt(yy))), N: n, P: math.NaN()}
	if n > 2 {
		dof := float64(n - 2)
		t := math.Abs(a.Value) * math.Sqrt(dof/(1-a.Value*a.Value)) // +Inf at ±1, where p is 0
		a.P = 0
		if !math.IsInf(t, 1) {
			a.P = 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: dof}.Survival(t)
		}
	}
	a.Warnings = smallWarning(n)
	return a, nil
}

func checkPaired(what string, x, y []float64) error {
	if len(x) != len(y) {
		return fmt.Errorf("%s: %d values against %d: want one for one: %w", what, len(x), len(y), assay.ErrInvalid)
	}
	if err := checkSample(what, x, 2); err != nil {
		return err
	}
	return checkSample(what, y, 2)
}

// smallWarning doubts correlations of so few things that only a strong relation
// differs from none: at n = 10 the null tau has standard deviation 0.2485.
func smallWarning(n int) []error {
	if n > 10 {
		return nil
	}
	return []error{fmt.Errorf("%d things only tell a strong relation from none; pool several rounds", n)}
}

// ties sums over the groups of equal values, t being the size of a group.
type ties struct {
	pairs float64 // t(t-1)/2
	cubic float64 // t(t-1)(t-2)
	var5  float64 // t(t-1)(2t+5)
}

// tieRuns finds the groups of n sorted values; same(i) says that value i equals
// value i-1.
func tieRuns(n int, same func(i int) bool) ties {
	var sum ties
	run := 1.0
	for i := 1; i <= n; i++ {
		if i < n && same(i) {
			run++
			continue
		}
		sum.pairs += run * (run - 1) / 2
		sum.cubic += run * (run - 1) * (run - 2)
		sum.var5 += run * (run - 1) * (2*run + 5)
		run = 1
	}
	return sum
}

func pairs(n int) float64 { return float64(n) * float64(n-1) / 2 }

// countSwaps sorts v by merging and returns the number of pairs that were in
// strictly the wrong order.
func countSwaps(v, tmp []float64) float64 {
	if len(v) < 2 {
		return 0
	}
	mid := len(v) / 2
	left, right := v[:mid], v[mid:]
	n := countSwaps(left, tmp[:mid]) + countSwaps(right, tmp[mid:])
	i, j := 0, 0
	for k := range tmp {
		if j == len(right) || (i < len(left) && left[i] <= right[j]) {
			tmp[k] = left[i]
			i++
			continue
		}
		tmp[k] = right[j]
		j++
		n += float64(len(left) - i)
	}
	copy(v, tmp)
	return n
}

// kendallExact is the two-sided probability that a random permutation of n is at
// least as far from half its pairs in inversions as one with d of them.
func kendallExact(n, d int) float64 {
	most := n * (n - 1) / 2
	d = min(d, most-d)
	if 2*d == most {
		return 1
	}
	share := inversions(n, d)
	tail := 0.0
	for _, s := range share {
		tail += s
	}
	return min(1, 2*tail)
}

// kendallNormal is the two-sided p-value of the statistic s under the normal law
// with Kendall's variance for ties.
func kendallNormal(n, s float64, tx, ty ties) float64 {
	return math.Erfc(math.Abs(s) / math.Sqrt(kendallVariance(n, tx, ty)) / math.Sqrt2)
}

// kendallVariance is that of concordant less discordant pairs of n things without
// any relation.
func kendallVariance(n float64, tx, ty ties) float64 {
	v := (n*(n-1)*(2*n+5) - tx.var5 - ty.var5) / 18
	v += 2 * tx.pairs * ty.pairs / (n * (n - 1))
	if n > 2 {
		v += tx.cubic * ty.cubic / (9 * n * (n - 1) * (n - 2))
	}
	return v
}

// ranks returns the rank of each value from 1, tied values sharing their mean.
func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	r := make([]float64, len(x))
	for i := 0; i < len(order); {
		j := i + 1
		for j < len(order) && x[order[j]] == x[order[i]] {
			j++
		}
		for k := i; k < j; k++ {
			r[order[k]] = float64(i+j+1) / 2
		}
		i = j
	}
	return r
}

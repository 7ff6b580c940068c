package stat

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/gen-emerge/assay"
)

// An Interval is a range that is meant to hold an unknown number. Its ends are
// in the unit of that number; -Inf and +Inf say that the data set no limit.
type Interval struct {
	Lo float64 `json:"lo"`
	Hi float64 `json:"hi"`
}

// Wilson returns the two-sided score interval of Wilson (1927) for a
// proportion of which k successes in n trials were seen. The level conf lies
// strictly between 0 and 1, for instance 0.95. Its coverage is near conf on
// average over proportions; where at least conf is needed, use
// [ClopperPearson]. Impossible counts or levels are errors wrapping
// [assay.ErrInvalid].
func Wilson(k, n int, conf float64) (Interval, error) {
	if err := checkCounts("wilson interval", k, n, conf); err != nil {
		return Interval{}, err
	}
	z := distuv.UnitNormal.Quantile(0.5 + conf/2)
	m := float64(n)
	p := float64(k) / m
	scale := 1 + z*z/m
	centre := (p + z*z/(2*m)) / scale
	half := z / scale * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	iv := Interval{max(0, centre-half), min(1, centre+half)}
	// At the borders the formula gives the border itself up to rounding.
	if k == 0 {
		iv.Lo = 0
	}
	if k == n {
		iv.Hi = 1
	}
	return iv, nil
}

// ClopperPearson returns the exact two-sided interval of Clopper and Pearson
// (1934) for a proportion of which k successes in n trials were seen. It holds
// the true proportion with probability at least conf, whatever that proportion
// is. Impossible counts or levels are errors wrapping [assay.ErrInvalid].
func ClopperPearson(k, n int, conf float64) (Interval, error) {
	if err := checkCounts("clopper-pearson interval", k, n, conf); err != nil {
		return Interval{}, err
	}
	tail := (1 - conf) / 2
	return Interval{exactLower(k, n, tail), exactUpper(k, n, tail)}, nil
}

// ClopperPearsonUpper returns the exact one-sided upper bound: the proportion
// lies at or below it with probability at least conf. Errors are those of
// [ClopperPearson].
func ClopperPearsonUpper(k, n int, conf float64) (float64, error) {
	if err := checkCounts("clopper-pearson upper bound", k, n, conf); err != nil {
		return 0, err
	}
	return exactUpper(k, n, 1-conf), nil
}

// ClopperPearsonLower returns the exact one-sided lower bound: the proportion
// lies at or above it with probability at least conf. Errors are those of
// [ClopperPearson].
func ClopperPearsonLower(k, n int, conf float64) (float64, error) {
	if err := checkCounts("clopper-pearson lower bound", k, n, conf); err != nil {
		return 0, err
	}
	return exactLower(k, n, 1-conf), nil
}

// exactLower is the tail quantile of Beta(k, n-k+1).
func exactLower(k, n int, tail float64) float64 {
	if k == 0 {
		return 0
	}
	return mathext.InvRegIncBeta(float64(k), float64(n-k+1), tail)
}

// exactUpper is the 1-tail quantile of Beta(k+1, n-k), taken from the other
// side so that a small tail keeps its digits.
func exactUpper(k, n int, tail float64) float64 {
	if k == n {
		return 1
	}
	return 1 - mathext.InvRegIncBeta(float64(n-k), float64(k+1), tail)
}

// binomialCDF is P(Bin(n, p) ≤ k) for 0 < p < 1 and any k.
func binomialCDF(k, n int, p float64) float64 {
	if k < 0 {
		return 0
	}
	if k >= n {
		return 1
	}
	return mathext.RegIncBeta(float64(n-k), float64(k+1), 1-p)
}

func checkCounts(what string, k, n int, conf float64) error {
	if n < 1 {
		return fmt.Errorf("%s: %d trials: at least one is needed: %w", what, n, assay.ErrInvalid)
	}
	if k < 0 || k > n {
		return fmt.Errorf("%s: %d successes in %d trials: want 0 to %d: %w", what, k, n, n, assay.ErrInvalid)
	}
	return checkOpen(what, "confidence", conf)
}

// checkOpen refuses a probability that is not strictly between 0 and 1.
func checkOpen(what, name string, p float64) error {
	if !(p > 0 && p < 1) { // written so that NaN is refused
		return fmt.Errorf("%s: %s %g: want a number strictly between 0 and 1: %w", what, name, p, assay.ErrInvalid)
	}
	return nil
}

// checkFinite refuses samples that hold NaN or an infinity.
func checkFinite(what string, x []float64) error {
	for i, v := range x {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%s: value %d of %d is %g: leave out what was not measured: %w", what, i, len(x), v, assay.ErrInvalid)
		}
	}
	return nil
}

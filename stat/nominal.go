package stat

import (
	"context"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// GwetAC1 returns the agreement coefficient AC1 of Gwet (2008) of raters who put
// things into one of categories: 1 is full agreement, 0 what chance gives. Where
// nearly all things are of one category it stays meaningful, unlike Cohen's and
// Fleiss' kappa. ratings has a row for each thing and a column for each rater; a
// rating is 0 to categories-1, and -1 where the rater gave none. Things with
// fewer than two ratings tell the categories' shares only. Fewer than two
// categories, ragged rows, ratings out of range, or no thing with two ratings are
// errors wrapping [assay.ErrInvalid].
func GwetAC1(ratings [][]int, categories int) (float64, error) {
	counts, err := nominalCounts("gwet ac1", ratings, categories)
	if err != nil {
		return 0, err
	}
	var agree, rated, paired float64
	share := make([]float64, categories)
	for _, row := range counts {
		n := sum(row)
		if n == 0 {
			continue
		}
		rated++
		for c, k := range row {
			share[c] += k / n
		}
		if n < 2 {
			continue
		}
		paired++
		for _, k := range row {
			agree += k * (k - 1) / (n * (n - 1))
		}
	}
	if paired == 0 {
		return 0, fmt.Errorf("gwet ac1: none of %d things has two ratings: %w", len(ratings), assay.ErrInvalid)
	}
	chance := 0.0
	for _, s := range share {
		p := s / rated
		chance += p * (1 - p)
	}
	chance /= float64(categories - 1)
	return (agree/paired - chance) / (1 - chance), nil
}

// KrippendorffNominal returns Krippendorff's alpha for nominal categories
// (Krippendorff 2011): 1 is full agreement, 0 what chance gives, below 0 is worse
// than chance. The ratings are those of [GwetAC1], and so are the errors; a thing
// with fewer than two ratings counts for nothing. Where every rating is of one
// category there is no variation to agree about and alpha is 0/0: that too is an
// error.
func KrippendorffNominal(ratings [][]int, categories int) (float64, error) {
	counts, err := nominalCounts("krippendorff alpha", ratings, categories)
	if err != nil {
		return 0, err
	}
	total := make([]float64, categories)
	observed, n := 0.0, 0.0 // pairs that disagree, each pair of a thing weighing 1/(ratings-1)
	for _, row := range counts {
		m := sum(row)
		if m < 2 {
			continue
		}
		n += m
		same := 0.0
		for c, k := range row {
			total[c] += k
			same += k * (k - 1)
		}
		observed += (m*(m-1) - same) / (m - 1)
	}
	if n == 0 {
		return 0, fmt.Errorf("krippendorff alpha: none of %d things has two ratings: %w", len(ratings), assay.ErrInvalid)
	}
	expected := n * (n - 1)
	for _, k := range total {
		expected -= k * (k - 1)
	}
	if expected == 0 {
		return 0, fmt.Errorf("krippendorff alpha: all %g ratings are of one category, so there is nothing to agree about: %w", n, assay.ErrInvalid)
	}
	return 1 - (n-1)*observed/expected, nil
}

// BootstrapAgreement returns a coefficient such as [GwetAC1] or
// [KrippendorffNominal] of the ratings with its bootstrap interval. Things are
// drawn with all their ratings, so raters are taken as they are. Errors are those
// of the coefficient and of [Bootstrap].
func BootstrapAgreement(ctx context.Context, ratings [][]int, categories int, coefficient func(ratings [][]int, categories int) (float64, error), opt BootstrapOptions) (BootstrapResult, error) {
	if _, err := coefficient(ratings, categories); err != nil {
		return BootstrapResult{}, err // Bootstrap would only say that there is no value
	}
	drawn := make([][]int, 0, len(ratings))
	return Bootstrap(ctx, len(ratings), func(index []int) float64 {
		drawn = drawn[:0]
		for _, i := range index {
			drawn = append(drawn, ratings[i])
		}
		v, err := coefficient(drawn, categories)
		if err != nil {
			return math.NaN()
		}
		return v
	}, opt)
}

// A Correlation is how much alike several raters vote.
type Correlation struct {
	Mean     float64 // of the pairs' correlations, each pair counting once, in [-1, 1]
	Pairs    int     // pairs of raters that it is the mean of
	Least    int     // things that the worst-founded of these pairs both rated
	Warnings []error // doubts to show beside the number, which still stands
}

// MeanCorrelation returns the mean over all pairs of raters of the correlation of
// their yes/no votes (Pearson's, which for votes is phi), over the things that
// both voted on. votes has a row for each thing and a column for each rater: 1, 0,
// or -1 where the rater gave none. A pair in which one side always votes alike has
// no correlation; it is left out and warned of. When no pair is left the error
// wraps [assay.ErrInvalid], as for ragged rows and other votes.
func MeanCorrelation(votes [][]int) (Correlation, error) {
	if _, err := nominalCounts("mean correlation", votes, 2); err != nil {
		return Correlation{}, err
	}
	raters := len(votes[0])
	out := Correlation{}
	undefined := 0
	for i := range raters {
		for j := i + 1; j < raters; j++ {
			phi, n := phiOf(votes, i, j)
			if math.IsNaN(phi) {
				undefined++
				continue
			}
			if out.Pairs == 0 || n < out.Least {
				out.Least = n
			}
			out.Pairs++
			out.Mean += (phi - out.Mean) / float64(out.Pairs)
		}
	}
	if out.Pairs == 0 {
		return Correlation{}, fmt.Errorf("mean correlation: no two of %d raters voted both ways on the same things: %w", raters, assay.ErrInvalid)
	}
	if undefined > 0 {
		out.Warnings = append(out.Warnings, fmt.Errorf("%d of %d pairs of raters have no correlation, because one side always votes alike; they are left out", undefined, undefined+out.Pairs))
	}
	return out, nil
}

// phiOf is the correlation of two raters' votes and on how many things it rests;
// NaN where it is not defined.
func phiOf(votes [][]int, i, j int) (phi float64, n int) {
	var table [2][2]float64
	for _, row := range votes {
		if row[i] >= 0 && row[j] >= 0 {
			table[row[i]][row[j]]++
			n++
		}
	}
	yi, ni := table[1][0]+table[1][1], table[0][0]+table[0][1]
	yj, nj := table[0][1]+table[1][1], table[0][0]+table[1][0]
	return (table[1][1]*table[0][0] - table[1][0]*table[0][1]) / math.Sqrt(yi*ni*yj*nj), n // 0/0 is NaN
}

// EffectiveNumber returns how many independent judges n judges are worth whose
// votes correlate by rho on average: n/(1+(n-1)·rho). Six judges with rho 0.43 are
// worth 1.9. Judges that err in opposite ways (rho below 0) can be worth more than
// n. n below 1, rho outside [-1, 1], or so far below 0 that n votes cannot
// correlate so is an error wrapping [assay.ErrInvalid].
func EffectiveNumber(n int, rho float64) (float64, error) {
	if n < 1 {
		return 0, fmt.Errorf("effective number of judges: %d judges: at least one is needed: %w", n, assay.ErrInvalid)
	}
	if !(rho >= -1 && rho <= 1) {
		return 0, fmt.Errorf("effective number of judges: mean correlation %g: want -1 to 1: %w", rho, assay.ErrInvalid)
	}
	scale := 1 + float64(n-1)*rho
	if scale <= 0 {
		return 0, fmt.Errorf("effective number of judges: %d votes cannot all correlate by %g: the mean is above %.3g: %w", n, rho, -1/float64(n-1), assay.ErrInvalid)
	}
	return float64(n) / scale, nil
}

// nominalCounts counts the ratings of each category, for each thing.
func nominalCounts(what string, ratings [][]int, categories int) ([][]float64, error) {
	if categories < 2 {
		return nil, fmt.Errorf("%s: %d categories: at least two are needed: %w", what, categories, assay.ErrInvalid)
	}
	if len(ratings) == 0 || len(ratings[0]) < 2 {
		return nil, fmt.Errorf("%s: at least one thing and two raters are needed: %w", what, assay.ErrInvalid)
	}
	counts := make([][]float64, len(ratings))
	for i, row := range ratings {
		if len(row) != len(ratings[0]) {
			return nil, fmt.Errorf("%s: thing %d has %d ratings and the first has %d: write -1 where there is none: %w", what, i, len(row), len(ratings[0]), assay.ErrInvalid)
		}
		counts[i] = make([]float64, categories)
		for j, c := range row {
			if c < -1 || c >= categories {
				return nil, fmt.Errorf("%s: rating %d of thing %d by rater %d: want 0 to %d, or -1 for none: %w", what, c, i, j, categories-1, assay.ErrInvalid)
			}
			if c >= 0 {
				counts[i][c]++
			}
		}
	}
	return counts, nil
}

func sum(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s
}

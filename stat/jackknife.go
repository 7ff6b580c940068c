package stat

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/gen-emerge/assay"
)

// JackknifeOptions adjust [Jackknife] and [JackknifeMoments]. The zero
// JackknifeOptions asks for 10 groups and level 0.95 with seed 0.
type JackknifeOptions struct {
	Groups int     // groups a set is cut into at random; 0 means 10, or the set's size if that is less
	Conf   float64 // level of the interval; 0 means 0.95
	Seed   uint64  // of the PCG generator that cuts; the same seed cuts alike
}

// A JackknifeResult is a statistic of one or more sets with its delete-a-group
// jackknife uncertainty.
type JackknifeResult struct {
	Value    float64  // the statistic of the whole sets
	StdErr   float64  // same unit
	Interval Interval // Value ± t·StdErr, Student's t with the groups less the sets as degrees of freedom
	Groups   int      // in all sets together
	Warnings []error  // doubts to show beside the numbers, which still stand
}

// Jackknife returns the delete-a-group jackknife (Kott 2001) of a statistic of
// sets with the given sizes: each set is cut into random groups, and f is asked
// for the statistic without each group in turn. The function f is given, for each
// set, the indices that stay, in rising order; it must not keep or change them.
// Statistics that repeats would spoil, such as neighbour distances and diversity,
// have no honest bootstrap; this draws no repeats. A set of fewer than two is an
// error wrapping [assay.ErrInvalid]; f's first error ends the work, and so does
// the context's.
func Jackknife(ctx context.Context, sizes []int, opt JackknifeOptions, f func(keep [][]int) (float64, error)) (JackknifeResult, error) {
	opt, err := opt.filled()
	if err != nil {
		return JackknifeResult{}, err
	}
	rng := rand.New(rand.NewPCG(opt.Seed, 0))
	whole := make([][]int, len(sizes))
	labels := make([][]int, len(sizes)) // of each index: its group
	counts := make([]int, len(sizes))
	for s, n := range sizes {
		if n < 2 {
			return JackknifeResult{}, fmt.Errorf("jackknife: a set of %d: at least two are needed: %w", n, assay.ErrInvalid)
		}
		counts[s] = min(opt.Groups, n)
		whole[s], labels[s] = make([]int, n), make([]int, n)
		for i, p := range rng.Perm(n) {
			whole[s][i], labels[s][p] = i, i%counts[s]
		}
	}
	return jackknife(ctx, opt, counts, func(set, group int) (float64, error) {
		if set < 0 {
			return f(whole)
		}
		keep := append([][]int(nil), whole...)
		keep[set] = nil
		for i, g := range labels[set] {
			if g != group {
				keep[set] = append(keep[set], i)
			}
		}
		return f(keep)
	})
}

// JackknifeMoments is [Jackknife] for statistics of moments: parts holds, for each
// set, the moments of its groups, which the caller cut at random; f is given the
// moments of each set, merged from the groups that stay, and must not keep or
// change them. The options' Groups and Seed are not used.
func JackknifeMoments(ctx context.Context, parts [][]*Moments, opt JackknifeOptions, f func(sets []*Moments) (float64, error)) (JackknifeResult, error) {
	opt, err := opt.filled()
	if err != nil {
		return JackknifeResult{}, err
	}
	counts := make([]int, len(parts))
	whole := make([]*Moments, len(parts))
	for s, groups := range parts {
		counts[s] = len(groups)
		if len(groups) < 2 {
			return JackknifeResult{}, fmt.Errorf("jackknife: a set of %d groups: at least two are needed: %w", len(groups), assay.ErrInvalid)
		}
		if whole[s], err = mergeExcept(groups, -1); err != nil {
			return JackknifeResult{}, err
		}
	}
	return jackknife(ctx, opt, counts, func(set, group int) (float64, error) {
		if set < 0 {
			return f(whole)
		}
		sets := append([]*Moments(nil), whole...)
		if sets[set], err = mergeExcept(parts[set], group); err != nil {
			return 0, err
		}
		return f(sets)
	})
}

func mergeExcept(groups []*Moments, except int) (*Moments, error) {
	m, err := NewMoments(groups[0].Dim())
	if err != nil {
		return nil, err
	}
	for g, part := range groups {
		if g == except {
			continue
		}
		if err := m.Merge(part); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (o JackknifeOptions) filled() (JackknifeOptions, error) {
	if o.Groups == 0 {
		o.Groups = 10
	}
	if o.Conf == 0 {
		o.Conf = 0.95
	}
	if o.Groups < 2 {
		return o, fmt.Errorf("jackknife: %d groups: at least two are needed: %w", o.Groups, assay.ErrInvalid)
	}
	return o, checkOpen("jackknife", "confidence", o.Conf)
}

// jackknife asks f for the whole (set −1) and for each set without each group.
func jackknife(ctx context.Context, opt JackknifeOptions, counts []int, f func(set, group int) (float64, error)) (JackknifeResult, error) {
	if len(counts) == 0 {
		return JackknifeResult{}, fmt.Errorf("jackknife: no set: %w", assay.ErrInvalid)
	}
	var r JackknifeResult
	var err error
	if r.Value, err = f(-1, 0); err != nil {
		return JackknifeResult{}, err
	}
	variance := 0.0
	for set, groups := range counts {
		left := make([]float64, groups)
		for g := range left {
			if ctx.Err() != nil {
				return JackknifeResult{}, context.Cause(ctx)
			}
			if left[g], err = f(set, g); err != nil {
				return JackknifeResult{}, err
			}
		}
		_, std := meanStd(left)
		variance += float64(float64(groups-1) * std * std)
		r.Groups += groups
		if groups < 5 {
			r.Warnings = append(r.Warnings, fmt.Errorf("only %d groups were left out in turn; the interval is rough", groups))
		}
	}
	r.StdErr = math.Sqrt(variance)
	dof := float64(r.Groups - len(counts))
	half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: dof}.Quantile(0.5+opt.Conf/2) * r.StdErr
	r.Interval = Interval{r.Value - half, r.Value + half}
	return r, nil
}

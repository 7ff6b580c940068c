package metric

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

func measureFrechet(ctx context.Context, m *setMeasure) error {
	f, err := frechetOf(ctx, m.x, m.ref)
	if err != nil {
		return err
	}
	if !m.small { // else it was said already
		m.warn(f.Warnings)
	}
	v := SetValue{Value: clampRounding(f.Value, f.Means+math.Abs(f.Traces))}
	groups, work := 10, frechetWork(m.x, m.ref, 10)
	if work > bearable {
		groups, work = 5, frechetWork(m.x, m.ref, 5)
	}
	switch {
	case m.x.Features == nil:
		v.Method = "not measured: the state holds only moments"
	case m.x.Len() < 4 || m.ref.Features != nil && m.ref.Len() < 4: // leaving a group out must leave two
		v.Method = "not measured: too few images"
	case m.doubting(&v, work):
		if v, err = m.frechetInterval(ctx, v, groups); err != nil {
			return err
		}
	}
	m.add(v)
	if m.opt.Extrapolate {
		return m.extrapolate(ctx)
	}
	return nil
}

// extrapolate adds the distance of a set without end.
func (m *setMeasure) extrapolate(ctx context.Context) error {
	if m.x.Features == nil {
		return fmt.Errorf("--extrapolate needs the vectors of the set, and its state holds only moments: %w", assay.ErrInvalid)
	}
	ref, err := m.ref.moments(ctx)
	if err != nil {
		return err
	}
	r, err := stat.FrechetInfinity(ctx, ref, m.x.Rows(), true, stat.FrechetInfinityOptions{Seed: m.opt.Seed})
	if err != nil {
		return err
	}
	m.warn(r.Warnings)
	m.out.Settings = map[string]any{"sizes": len(r.Sizes), "seed": m.opt.Seed}
	v := SetValue{Value: r.Value, Method: "std_err is of the line alone, whose points share images: it is too small"}
	if r.StdErr-r.StdErr == 0 {
		v.StdErr = &r.StdErr
	}
	m.add(v)
	return nil
}

// frechetOf takes vectors as they are where both sides have them: where there are
// no more of them than dimensions, that is quicker and exact.
func frechetOf(ctx context.Context, x, ref *FeatureSet) (stat.Frechet, error) {
	if x.Features != nil && ref.Features != nil {
		return stat.FrechetFeatures(ctx, x.Rows(), ref.Rows(), true)
	}
	a, err := x.moments(ctx)
	if err != nil {
		return stat.Frechet{}, err
	}
	b, err := ref.moments(ctx)
	if err != nil {
		return stat.Frechet{}, err
	}
	return stat.FrechetMoments(ctx, a, b, true)
}

// clampRounding makes 0 of what rounding makes negative, against the size of what
// was subtracted; anything else stays, to be refused.
func clampRounding(v, scale float64) float64 {
	if v < 0 && v > -1e-6*max(scale, 1) {
		return 0
	}
	return v
}

// frechetWork estimates the multiplications of an interval: for every group of
// each side a product of the factors and its singular values; and the moments of
// all groups where there are more vectors than dimensions.
func frechetWork(x, ref *FeatureSet, groups float64) float64 {
	d := float64(x.Dim)
	work, rank := 0.0, [2]float64{d, d}
	for i, s := range []*FeatureSet{x, ref} {
		if n := float64(s.Len()); s.Features != nil && n <= d {
			rank[i] = n
		} else if s.Features != nil {
			work += n * d * d
		}
	}
	return work + 2*groups*rank[0]*rank[1]*(d+2*math.Min(rank[0], rank[1]))
}

// frechetInterval leaves out groups of each side whose vectors are there.
func (m *setMeasure) frechetInterval(ctx context.Context, v SetValue, groups int) (SetValue, error) {
	sides, of := []*FeatureSet{m.x}, " of the set; the reference is held fixed, because its vectors are not there"
	if m.ref.Features != nil {
		sides, of = append(sides, m.ref), ""
	}
	var r stat.JackknifeResult
	var err error
	opt := stat.JackknifeOptions{Groups: groups, Conf: intervalLevel, Seed: m.opt.Seed}
	if most := max(m.x.Len(), m.ref.Len()); len(sides) == 2 && most <= m.x.Dim {
		r, err = stat.Jackknife(ctx, []int{m.x.Len(), m.ref.Len()}, opt, func(keep [][]int) (float64, error) {
			f, err := frechetOf(ctx, m.x.subset(keep[0]), m.ref.subset(keep[1]))
			return f.Value, err
		})
	} else {
		r, err = m.frechetMoments(ctx, sides, opt)
	}
	if err != nil {
		return v, err
	}
	m.warn(r.Warnings)
	return v.jackknifed(r, of), nil
}

// frechetMoments is the jackknife over the moments of groups, each summed once.
func (m *setMeasure) frechetMoments(ctx context.Context, sides []*FeatureSet, opt stat.JackknifeOptions) (stat.JackknifeResult, error) {
	rng := rand.New(rand.NewPCG(opt.Seed, 0))
	parts := make([][]*stat.Moments, len(sides))
	for i, s := range sides {
		order, groups := rng.Perm(s.Len()), min(opt.Groups, s.Len())
		for g := range groups {
			var index []int
			for at := g; at < len(order); at += groups {
				index = append(index, order[at])
			}
			slices.Sort(index)
			part, err := s.subset(index).moments(ctx)
			if err != nil {
				return stat.JackknifeResult{}, err
			}
			parts[i] = append(parts[i], part)
		}
	}
	ref, err := m.ref.moments(ctx)
	if err != nil {
		return stat.JackknifeResult{}, err
	}
	return stat.JackknifeMoments(ctx, parts, opt, func(sets []*stat.Moments) (float64, error) {
		f, err := stat.FrechetMoments(ctx, sets[0], append(sets, ref)[1], true)
		return f.Value, err
	})
}

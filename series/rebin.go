package series

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
)

// RebinOptions say how to cut a map anew.
type RebinOptions struct {
	Axes []assay.Axis // empty means the present descriptors, bounded by quantiles
	// Learned is a version of [LearnedAxes] whose coordinates become the axes,
	// bounded by quantiles; 0: none. Axes are then ignored.
	Learned int
	Lo, Hi  float64 // those quantiles; 0 and 0 mean archive.DefaultLo and DefaultHi
	DryRun  bool    // report only
}

// A RebinReport says what a new grid does to the images of a series.
type RebinReport struct {
	Axes  []assay.Axis `json:"axes"`
	Notes []string     `json:"notes,omitempty"` // on bounds that quantiles could not give
	archive.Rebinning
}

// Rebin reports what another grid would do and, unless it is a dry run, makes
// it the series' grid. Earlier grids stay on record.
func (s *Series) Rebin(ctx context.Context, opt RebinOptions) (RebinReport, error) {
	var report RebinReport
	view, err := s.View(ctx)
	if err != nil {
		return report, err
	}
	reason := "bounds as given"
	report.Axes = opt.Axes
	if opt.Learned > 0 {
		opt.Axes = nil
		var n int
		if report.Axes, report.Notes, n, err = s.learnedGrid(ctx, opt.Learned, opt.Lo, opt.Hi); err != nil {
			return report, err
		}
		reason = fmt.Sprintf("learned@%d, bounds at quantiles of %d images", opt.Learned, n)
	} else if len(opt.Axes) == 0 {
		var n int
		if report.Axes, report.Notes, n, err = s.quantileAxes(view, opt.Lo, opt.Hi); err != nil {
			return report, err
		}
		reason = fmt.Sprintf("bounds at quantiles of %d images", n)
	}
	for _, a := range opt.Axes {
		if _, ok := askedOf(a.Descriptor); !ok {
			continue // an instrument that is not at hand may have read the images before
		}
		if err := s.checkAxis(a); err != nil {
			return report, err
		}
	}
	grid, err := archive.NewGrid(report.Axes)
	if err != nil {
		return report, err
	}
	values, err := s.values(ctx, report.Axes, trustsOf(view.Trusts))
	if err != nil {
		return report, err
	}
	report.Rebinning, err = archive.Rebin(view.Archive, grid, func(id assay.Digest) []float64 { return values[id] })
	if err != nil || opt.DryRun {
		return report, err
	}
	_, err = s.facts.PutGrid(ctx, assay.GridSpec{Series: s.name, Axes: report.Axes, Reason: reason, Created: s.opt.Now()})
	return report, err
}

// quantileAxes bounds the present axes by quantiles of the images that have a
// value on them, and tells of how many at least. The bounds of answers stay
// between 0 and 1.
func (s *Series) quantileAxes(v *View, lo, hi float64) ([]assay.Axis, []string, int, error) {
	samples := make([]archive.AxisSample, len(v.Grid.Axes))
	for k, a := range v.Grid.Axes {
		samples[k] = archive.AxisSample{Descriptor: a.Descriptor, Cells: a.Cells}
	}
	for i := range v.rows {
		for k, x := range v.rows[i].values {
			if !math.IsNaN(x) {
				samples[k].Values = append(samples[k].Values, x)
			}
		}
	}
	n := v.count
	for k, sample := range samples {
		if n = min(n, len(sample.Values)); len(sample.Values) == 0 {
			return nil, nil, 0, s.lacksAxis(v.Grid.Axes[k])
		}
	}
	axes, notes, err := archive.FromQuantiles(samples, lo, hi)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("series %s: %w", s.name, err)
	}
	for k := range axes {
		if _, ok := askedOf(axes[k].Descriptor); ok {
			axes[k].Lo, axes[k].Hi = max(axes[k].Lo, 0), min(axes[k].Hi, 1)
		}
	}
	return axes, notes, n, nil
}

// values reads the descriptors of every image; an image that lacks one has none.
func (s *Series) values(ctx context.Context, axes []assay.Axis, t trusts) (map[assay.Digest][]float64, error) {
	out := map[assay.Digest][]float64{}
	n := make([]int, len(axes))
	err := s.describe(ctx, axes, t, func(k int, _ int64, image assay.Digest, value float64) {
		if out[image] == nil {
			out[image] = nans(len(axes))
		}
		if math.IsNaN(out[image][k]) { // the first stands
			out[image][k] = value
			n[k]++
		}
	})
	if err != nil {
		return nil, err
	}
	for k, a := range axes {
		if n[k] == 0 {
			return nil, s.lacksAxis(a)
		}
	}
	for id, v := range out {
		if slices.ContainsFunc(v, math.IsNaN) {
			delete(out, id)
		}
	}
	return out, nil
}

// lacksAxis says that no image has a value on the axis, and why that may be.
func (s *Series) lacksAxis(a assay.Axis) error {
	if _, ok := askedOf(a.Descriptor); ok {
		return fmt.Errorf("axis %s: no image of series %s has an answer that may serve as an axis: by a person, or by a judge that was examined and found fit: %w",
			a.Descriptor, s.name, assay.ErrNotFound)
	}
	if _, ok := learnedOf(a.Descriptor); ok {
		return fmt.Errorf("axis %s: no image of series %s has the embedding that it maps (`assay axes` names it): %w", a.Descriptor, s.name, assay.ErrNotFound)
	}
	return fmt.Errorf("axis %s: no image of series %s has such a reading that may serve as an axis: %w", a.Descriptor, s.name, assay.ErrNotFound)
}

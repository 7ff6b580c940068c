package series

import (
	"context"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
)

// RebinOptions say how to cut a map anew.
type RebinOptions struct {
	Axes   []assay.Axis // empty means the present descriptors, bounded by quantiles
	Lo, Hi float64      // those quantiles; 0 and 0 mean archive.DefaultLo and DefaultHi
	DryRun bool         // report only
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
	if len(opt.Axes) == 0 {
		if report.Axes, report.Notes, err = view.quantileAxes(opt.Lo, opt.Hi); err != nil {
			return report, fmt.Errorf("series %s: %w", s.name, err)
		}
		reason = fmt.Sprintf("bounds at quantiles of %d images", view.count)
	}
	grid, err := archive.NewGrid(report.Axes)
	if err != nil {
		return report, err
	}
	values, err := s.values(ctx, report.Axes)
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

// quantileAxes bounds the present axes by quantiles of the images on the map.
func (v *View) quantileAxes(lo, hi float64) ([]assay.Axis, []string, error) {
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
	return archive.FromQuantiles(samples, lo, hi)
}

// values reads the descriptors of every image; an image that lacks one has none.
func (s *Series) values(ctx context.Context, axes []assay.Axis) (map[assay.Digest][]float64, error) {
	out := map[assay.Digest][]float64{}
	for k, a := range axes {
		want, n := s.current(a.Descriptor), 0
		err := s.facts.SeriesReadings(ctx, s.name, a.Descriptor, func(_ int64, r assay.Reading) error {
			if want != nil && r.Identity != *want || s.rules().Accepts(r.Identity) != "" {
				return nil
			}
			n++
			if have := out[r.Image]; len(have) == k {
				out[r.Image] = append(have, r.Value)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, fmt.Errorf("axis %s: no image of series %s has such a reading that may serve as an axis: %w", a.Descriptor, s.name, assay.ErrNotFound)
		}
	}
	for id, v := range out {
		if len(v) != len(axes) {
			delete(out, id)
		}
	}
	return out, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
)

// setTools are what the measures stand on.
type setTools struct {
	row    map[string]string             // by measure: the row of features, or the instrument that reads pairs
	rows   []*metric.Instrument          // of features; none if all comes from states
	pairs  map[string]*metric.Instrument // that read pairs and have no vector, under the rule of sizes
	opened []*metric.Instrument          // what these stand on
	box    *toolbox                      // nil if nothing is opened
}

func (t *setTools) Close() error {
	if t.box == nil {
		return nil
	}
	var errs []error
	for _, in := range t.rows {
		errs = append(errs, in.Close())
	}
	for _, in := range t.opened {
		errs = append(errs, in.Close())
	}
	return errors.Join(append(errs, t.box.Close())...)
}

// open decides what every measure stands on, and opens it if there are images to
// look at.
func (r *setRun) open(ctx context.Context, c *cobra.Command, set, ref *setSource) (*setTools, error) {
	t := &setTools{row: map[string]string{}, pairs: map[string]*metric.Instrument{}}
	images := len(set.images) + len(refImages(ref))
	if images > 0 {
		box, err := emptyToolbox(r.w, logger(c, r.w), r.f.towers, min(r.workers, images))
		if err != nil {
			return nil, err
		}
		t.box = box
	}
	for _, s := range r.specs {
		name, err := r.standsOn(s, set, t.box)
		if err != nil {
			return nil, errors.Join(err, t.Close())
		}
		t.row[s.Name] = name
		if len(s.Features) > 1 && r.f.tower == "" {
			r.note("%s stands on %s; --tower chooses another", s.Name, name)
		}
		if t.box != nil {
			if err := t.add(ctx, s, name, metric.ResizeRule(r.f.resize)); err != nil {
				return nil, errors.Join(err, t.Close())
			}
		}
	}
	if r.f.resize != "" && len(t.pairs) == 0 {
		return nil, errors.Join(usage("--resize %s: nothing here reads pairs", r.f.resize), t.Close())
	}
	if r.f.save != "" && t.box != nil && len(t.rows) == 0 {
		return nil, errors.Join(usage("--save-state: %s reads pairs and has no vector, so there is nothing to save", t.row[r.specs[0].Name]), t.Close())
	}
	return t, nil
}

func refImages(ref *setSource) []string {
	var out []string
	if ref != nil {
		for _, in := range ref.images {
			out = append(out, in.Path)
		}
	}
	return out
}

// standsOn names what the measure stands on: what the caller said; the first that
// the state has; or the first that is installed.
func (r *setRun) standsOn(s metric.SetSpec, set *setSource, box *toolbox) (string, error) {
	if r.f.tower != "" {
		return r.f.tower, nil
	}
	if len(s.Features) == 1 {
		return s.Features[0], nil
	}
	if set.states != nil {
		var names []string
		for _, row := range set.states {
			names = append(names, row.Instrument)
		}
		for _, name := range s.Features {
			if slices.Contains(names, name) {
				return name, nil
			}
		}
		return names[0], nil
	}
	for _, name := range s.Features {
		if spec, ok := standable(name, s.Pairs); ok && missingModel(box.models, spec) == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s: none of %s is installed: %w", s.Name, strings.Join(s.Features, ", "), assay.ErrUnavailable)
}

// standable finds what a measure can stand on: a row of features, or with pairs an
// instrument that reads them. Only what opening needs is filled in.
func standable(name string, pairs bool) (metric.Spec, bool) {
	if f, ok := metric.FindFeatures(name); ok {
		return metric.Spec{Name: name, Models: f.Models, Graph: f.Graph}, true
	}
	spec, ok := metric.Find(name)
	return spec, ok && pairs && spec.Kind == metric.OfPair
}

// add opens what the measure stands on, unless another measure had it opened.
func (t *setTools) add(ctx context.Context, s metric.SetSpec, name string, resize metric.ResizeRule) error {
	if t.pairs[name] != nil || slices.ContainsFunc(t.rows, func(in *metric.Instrument) bool { return in.Name == name }) {
		if t.pairs[name] != nil && !s.Pairs {
			return usage("%s needs vectors, and %s reads pairs: name another --tower", s.Name, name)
		}
		return nil
	}
	spec, ok := standable(name, s.Pairs)
	if ok && spec.Graph && t.box.installed(spec) == nil {
		if err := t.box.engine.start(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if _, features := metric.FindFeatures(name); !features && ok {
		return t.addPairs(ctx, name, resize)
	}
	in, err := t.box.towers.OpenFeatures(ctx, name)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	t.rows = append(t.rows, in)
	return nil
}

// addPairs opens an instrument that reads pairs, under the rule if there is one.
func (t *setTools) addPairs(ctx context.Context, name string, resize metric.ResizeRule) error {
	in, err := t.box.towers.Open(ctx, name)
	if err != nil {
		return err
	}
	t.opened = append(t.opened, in)
	if resize != "" {
		if in, err = in.Resizing(resize); err != nil {
			return err
		}
	}
	t.pairs[name] = in
	return nil
}

// fits says why an instrument that reads pairs cannot read a picture, if so.
func (t *setTools) fits(p *metric.Picture) error {
	for _, in := range t.pairs {
		switch {
		case min(p.Width, p.Height) < in.MinSide:
			return fmt.Errorf("%s: image is %d×%d pixels, needs at least %d on each side: %w", in.Name, p.Width, p.Height, in.MinSide, assay.ErrInvalid)
		case in.MaxPixels > 0 && p.Width > in.MaxPixels/p.Height:
			return fmt.Errorf("%s: image is %d×%d pixels, reads up to %d; --resize %s makes it smaller: %w", in.Name, p.Width, p.Height, in.MaxPixels, metric.Square256, assay.ErrInvalid)
		}
	}
	return nil
}

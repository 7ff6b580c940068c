package metric

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
)

// A formula is an instrument that needs nothing but the pixels.
type formula struct {
	spec  Spec
	value func(*Picture) (value float64, warnings []string)
}

// lpipsSmall is the side in pixels that the catalogue's second LPIPS compares
// images at: that of the patches which people judged for its weights.
const lpipsSmall = 64

// formulas lists the formula instruments, in the order users see.
func formulas() []formula {
	return []formula{
		sharpness, noise, clipping, blockiness, flatness,
		colourfulness, warmth, lightness, contrast, edgeDensity, entropy,
		symmetryLR, symmetryUD,
	}
}

// Catalogue returns every instrument this build knows, in the order users see:
// formulas first, then what needs a model.
func Catalogue() []Spec {
	var specs []Spec
	for _, f := range formulas() {
		specs = append(specs, f.spec)
	}
	specs = append(specs, layoutSpec, niqeSpec, brisqueSpec, lpipsSqueezeNet.spec(0), lpipsSqueezeNet.spec(lpipsSmall))
	for _, t := range towered() {
		s := t.spec
		s.Models = slices.Clone(s.Models)
		specs = append(specs, s)
	}
	return specs
}

// Find returns the Spec of the named instrument.
func Find(name string) (Spec, bool) {
	specs := Catalogue()
	i := slices.IndexFunc(specs, func(s Spec) bool { return s.Name == name })
	if i < 0 {
		return Spec{}, false
	}
	return specs[i], true
}

// Suggest returns the names of instruments that someone who wrote name may
// have meant, the likeliest first; at most three.
func Suggest(name string) []string {
	var names []string
	for _, s := range Catalogue() {
		names = append(names, s.Name)
	}
	return nearest(name, names)
}

// nearest returns which of the names someone who wrote name may have meant, the
// likeliest first; at most three.
func nearest(name string, of []string) []string {
	type guess struct {
		name string
		cost int
	}
	name = strings.ToLower(strings.TrimSpace(strings.ReplaceAll(name, "_", "-")))
	var guesses []guess
	for _, known := range of {
		cost := editDistance(name, known)
		switch {
		case name == "":
			continue
		case strings.HasPrefix(known, name):
			cost = min(cost, 1)
		case strings.Contains(known, name) || strings.Contains(name, known):
			cost = min(cost, 2)
		}
		if cost <= max(2, len(name)/3) {
			guesses = append(guesses, guess{known, cost})
		}
	}
	slices.SortStableFunc(guesses, func(a, b guess) int { return a.cost - b.cost })
	var names []string
	for _, g := range guesses[:min(len(guesses), 3)] {
		names = append(names, g.name)
	}
	return names
}

// editDistance counts the letters to insert, delete, replace or swap with their
// neighbour that make b of a (optimal string alignment).
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// unknown is the error for a name that is not in the catalogue.
func unknown(name string) error {
	if _, ok := FindFeatures(name); ok {
		return fmt.Errorf("no instrument %q: it is a row of features, which are embedded and not read: %w", name, assay.ErrNotFound)
	}
	hint := ""
	if near := Suggest(name); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %q?", near[0])
	}
	return fmt.Errorf("no instrument %q%s: %w", name, hint, assay.ErrNotFound)
}

// OpenFormula returns the named instrument, which must need neither model nor
// engine: a formula or the layout distance. The error wraps
// [assay.ErrNotFound] if there is no such instrument and [assay.ErrInvalid] if
// it needs more.
func OpenFormula(name string) (*Instrument, error) {
	if name == layoutSpec.Name {
		return openLayout(), nil
	}
	for _, f := range formulas() {
		if f.spec.Name == name {
			return &Instrument{Spec: f.spec, Runtime: goRuntime,
				measure: func(_ context.Context, p *Picture) (float64, []string, error) {
					value, warnings := f.value(p)
					return value, warnings, nil
				}}, nil
		}
	}
	if _, ok := Find(name); ok {
		return nil, fmt.Errorf("%s needs a model, so it is no formula: use Open: %w", name, assay.ErrInvalid)
	}
	return nil, unknown(name)
}

package metric

import (
	"fmt"
	"strings"
)

// setsDoc is the part of docs/metrics.md about measures of sets, and about rows of
// features that are no instrument's.
func setsDoc() string {
	var b strings.Builder
	b.WriteString(`
# Measures of sets

` + "`assay set`" + ` reads these of a set of images, alone or against a reference set. They stand on rows of features: what a network sees in
each image. Two values may be compared only if measure, version, settings and the features' identity are equal, and most
of them only between sets of equal size.
`)
	for _, s := range SetCatalogue() {
		fmt.Fprintf(&b, "\n## `%s`\n\n%s\n\n", s.Name, s.Doc)
		what := "the set alone"
		if s.Reference {
			what = "the set against a reference"
		}
		fmt.Fprintf(&b, "- of: %s; at least %d different images in each\n", what, s.Least)
		for _, v := range s.Values {
			fmt.Fprintf(&b, "- gives `%s` (better: %s; range: %s): %s\n", v.Name, v.Better, docRange(Spec{Lo: v.Lo, Hi: v.Hi}), v.Doc)
		}
		if s.Enough > 0 {
			fmt.Fprintf(&b, "- warns below %d images: %s\n", s.Enough, s.Doubt)
		}
		on := "`" + strings.Join(s.Features, "`, `") + "`"
		if len(s.Features) > 1 {
			on = "the first that is installed of " + on
		}
		switch {
		case s.Pairs:
			on += "; `--tower` names any other row of features, or instrument that reads pairs"
		case s.Any:
			on += "; `--tower` names any other row of features"
		}
		fmt.Fprintf(&b, "- stands on: %s\n", on)
		keeps := "moments are enough"
		if s.Vectors {
			keeps = "vectors"
		}
		fmt.Fprintf(&b, "- state: %s\n- source: %s\n- agreement: %s\n", keeps, s.Source, s.Agreement)
	}
	b.WriteString("\n# Rows of features\n\nBeside these, every instrument that has an embedding, or stands on one network, is a row by its own name.\n")
	for _, f := range FeatureCatalogue() {
		if _, ok := Find(f.Name); ok {
			continue
		}
		fmt.Fprintf(&b, "\n## `%s`\n\n%s\n\n", f.Name, f.Doc)
		fmt.Fprintf(&b, "- numbers: %d, compared in %s space where a measure leaves that open\n", f.Dim, f.Space)
		fmt.Fprintf(&b, "- preparation: %s\n- source: %s\n- agreement: %s\n", f.Preparation, f.Source, f.Agreement)
		if f.Licence != "" {
			fmt.Fprintf(&b, "- licence of the weights: %s\n", f.Licence)
		}
		fmt.Fprintf(&b, "- needs: `%s` and ONNX Runtime\n", strings.Join(f.Models, "`, `"))
	}
	return b.String()
}

package metric

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/metrics.md from the catalogue")

// TestMetricsDoc holds docs/metrics.md to the catalogue, and the README to its
// names or those of its families.
func TestMetricsDoc(t *testing.T) {
	file := filepath.Join("..", "docs", "metrics.md")
	want := metricsDoc()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the catalogue says; go test ./metric -run MetricsDoc -update rewrites it", file)
	}
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Catalogue() {
		if !inReadme(string(readme), s.Name) {
			t.Errorf("README.md names neither the instrument %s nor its family", s.Name)
		}
	}
	for _, s := range SetCatalogue() {
		if !inReadme(string(readme), s.Name) {
			t.Errorf("README.md names neither the measure %s nor its family", s.Name)
		}
	}
}

// inReadme reports whether the text has the name in backticks, or the beginning of
// it up to a hyphen or dot: `clip-score` stands for clip-score-b32 too.
func inReadme(text, name string) bool {
	for {
		if strings.Contains(text, "`"+name+"`") {
			return true
		}
		i := strings.LastIndexAny(name, "-.")
		if i < 0 {
			return false
		}
		name = name[:i]
	}
}

func metricsDoc() string {
	var b strings.Builder
	b.WriteString(`# Instruments, and how each number was checked

This page is written from the catalogue (` + "`go test ./metric -run MetricsDoc -update`" + `). Direction: which way is better; a
descriptor says what an image is, not how good it is. A reading may be compared only with readings of the same
instrument, version, checkpoint, preparation and runtime.
`)
	for _, s := range Catalogue() {
		fmt.Fprintf(&b, "\n## `%s`\n\n%s\n\n", s.Name, s.Doc)
		fmt.Fprintf(&b, "- reads: one %s, at least %d×%d pixels\n", s.Kind, max(s.MinSide, 1), max(s.MinSide, 1))
		fmt.Fprintf(&b, "- better: %s; range: %s\n", s.Better, docRange(s))
		fmt.Fprintf(&b, "- preparation: %s\n", s.Preparation)
		fmt.Fprintf(&b, "- source: %s\n", s.Source)
		fmt.Fprintf(&b, "- agreement: %s\n", s.Agreement)
		if s.Licence != "" {
			fmt.Fprintf(&b, "- licence of the weights: %s\n", s.Licence)
		}
		if s.Space != "" {
			fmt.Fprintf(&b, "- embedding: compared in %s space\n", s.Space)
		}
		if len(s.Models) > 0 {
			fmt.Fprintf(&b, "- needs: `%s`", strings.Join(s.Models, "`, `"))
			if s.Graph {
				b.WriteString(" and ONNX Runtime")
			}
			b.WriteString("\n")
		}
	}
	return b.String() + setsDoc()
}

func docRange(s Spec) string {
	bound := func(x float64) string {
		if math.IsInf(x, 0) {
			return "unbounded"
		}
		return fmt.Sprintf("%.4g", x)
	}
	text := bound(s.Lo) + " to " + bound(s.Hi)
	if s.Unit != "" {
		text += " " + s.Unit
	}
	return text
}

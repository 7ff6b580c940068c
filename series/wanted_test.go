package series

import (
	"slices"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
)

// Of what is installed the best serves, and what serves is opened, its guard too.
func TestWanted(t *testing.T) {
	have := []string{"layout", "lpips-squeeze-64", "dreamsim-dino", "clip-score", "clip-score-b32", "style-openai"}
	installed := func(name string) bool { return slices.Contains(have, name) }
	opt := Options{Axes: []assay.Axis{{Descriptor: "entropy", Lo: 0, Hi: 8, Cells: 4}}, Technical: []string{"niqe"}}
	want := []string{"layout", "niqe", "clip-score", "dreamsim-dino", "style-openai", "style-artness-openai", "entropy"}
	if got := opt.Wanted(installed); !slices.Equal(got, want) {
		t.Errorf("wanted %q, want %q", got, want)
	}
	opt.Adherence = "pickscore" // what the options name is wanted, installed or not
	if got := opt.Serving(installed); got[0] != (Serving{"adherence", "pickscore"}) {
		t.Errorf("adherence is served by %+v", got[0])
	}
	none := Options{}.Serving(func(string) bool { return false })
	for _, s := range none {
		if s.Instrument != "" {
			t.Errorf("nothing is installed, and %+v", s)
		}
	}
}

// The network that technical gates prefer is opened where it is installed, unless
// the options name who serves.
func TestTechnicalServing(t *testing.T) {
	all := func(string) bool { return true }
	if got := (Options{}).Wanted(all); !slices.Contains(got, "nima-technical") || slices.Contains(got, "nima-aesthetic") {
		t.Errorf("wanted %q", got)
	}
	if got := (Options{Technical: []string{"niqe"}}).Wanted(all); slices.Contains(got, "nima-technical") {
		t.Errorf("wanted %q", got)
	}
	if got := (Options{}).TechnicalServing(func(string) bool { return false }); got != nil {
		t.Errorf("nothing is installed, and %q", got)
	}
	for _, name := range technicals() {
		if spec, ok := metric.Find(name); !ok || spec.Kind != metric.OfImage || spec.Better == metric.Descriptor {
			t.Errorf("%s: %+v", name, spec)
		}
	}
}

// Every instrument a gate can take exists and reads what the gate needs.
func TestServingNames(t *testing.T) {
	for _, c := range []struct {
		names []string
		kind  metric.Kind
	}{{adherences(), metric.OfPrompt}, {distances(), metric.OfPair}, {styles(), metric.OfImage}} {
		for _, name := range c.names {
			if spec, ok := metric.Find(name); !ok || spec.Kind != c.kind {
				t.Errorf("%s: found %t, reads %q, want %q", name, ok, spec.Kind, c.kind)
			}
		}
	}
	for of, guard := range guards() {
		if _, ok := metric.Find(guard); !ok || !slices.Contains(styles(), of) {
			t.Errorf("guard %s of %s is no pair", guard, of)
		}
	}
}

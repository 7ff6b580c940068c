package series_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/series"
)

// Numbers of made-up weights are measured and stored, and reach neither a
// threshold, nor a verdict, nor a map.
func TestSyntheticReachesNoGate(t *testing.T) {
	all := []string{"clip-vit-l14", "dreamsim-dino"}
	l := newLab(t, nn.Float32, all, "clip-score", "style-openai", "style-artness-openai", "dreamsim-dino")
	db := openStore(t)
	s := l.open(t, db, "test", series.Options{})
	results := add(t, s, l.prompted(t, 30, things(6)...))
	for _, r := range results {
		for _, name := range []string{"adherence", "style"} {
			g := gateOf(t, r.Gates, name)
			if g.Verdict != assay.Abstain || !strings.Contains(g.Reason, "synthetic weights never reach a gate") || g.Reading == nil || !g.Reading.Synthetic {
				t.Fatalf("%s: %s %+v", r.Path, name, g)
			}
		}
	}
	thresholds, err := db.Thresholds(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, th := range thresholds {
		if th.Synthetic || th.Gate == "adherence" || th.Gate == "style" {
			t.Errorf("threshold of synthetic readings: %+v", th)
		}
	}
	if th, ok := thresholdOf(t, db, "test", "diversity"); !ok || th.Instrument != "layout" {
		t.Errorf("the diversity gate reads %+v, want what is not synthetic", th)
	}
	for _, opt := range []series.Options{{Distance: "dreamsim-dino"}, {Axes: []assay.Axis{{Descriptor: "clip-score", Lo: 0, Hi: 40, Cells: 4}, {Descriptor: "warmth", Lo: 0, Hi: 1, Cells: 4}}}} {
		err := l.open(t, openStore(t), "test", opt).Add(t.Context(), slices.Values([]series.Input{}), func(series.Result) error { return nil })
		if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "synthetic") {
			t.Errorf("options %+v: %v", opt, err)
		}
	}
	// A smaller tower with real weights comes before a larger one without.
	mixed := newLab(t, nn.Float32, all, "clip-score", "clip-score-b32")
	db = openStore(t)
	add(t, mixed.open(t, db, "test", series.Options{}), mixed.prompted(t, 24, things(6)...))
	if th, ok := thresholdOf(t, db, "test", "adherence"); !ok || th.Instrument != "clip-score-b32" || th.Mode != assay.Enforced {
		t.Errorf("the adherence gate goes by %+v, want what is not synthetic", th)
	}
	// Settled they are all the same: nothing is measured twice.
	l.runs()
	add(t, s, l.prompted(t, 30, things(6)...))
	if runs := l.runs(); len(runs) > 0 {
		t.Errorf("towers ran again: %v", runs)
	}
}

// Networks in 8 bits are refused by gates and axes unless the settings allow it.
func TestInt8(t *testing.T) {
	l := newLab(t, nn.Int8, nil, "clip-score", "style-openai", "style-artness-openai", "dreamsim-dino")
	list := l.prompted(t, 24, things(6)...)
	db := openStore(t)
	strict := add(t, l.open(t, db, "test", series.Options{}), list)
	for _, name := range []string{"adherence", "style"} {
		if g := gateOf(t, strict[3].Gates, name); g.Verdict != assay.Abstain || !strings.Contains(g.Reason, "8-bit readings reach no gate") {
			t.Errorf("%s: %+v", name, g)
		}
		if th, ok := thresholdOf(t, db, "test", name); ok {
			t.Errorf("threshold %+v", th)
		}
	}
	if th, _ := thresholdOf(t, db, "test", "diversity"); th.Instrument != "layout" {
		t.Errorf("the diversity gate reads %s", th.Instrument)
	}
	axes := []assay.Axis{{Descriptor: "style-openai", Lo: 0, Hi: 1, Cells: 4}, {Descriptor: "warmth", Lo: -60, Hi: 60, Cells: 4}}
	err := l.open(t, openStore(t), "test", series.Options{Axes: axes}).Add(t.Context(), slices.Values(list[:1]), func(series.Result) error { return nil })
	if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "axis style-openai") {
		t.Errorf("an axis in 8 bits: %v", err)
	}
	db = openStore(t)
	allowed := add(t, l.open(t, db, "test", series.Options{AllowInt8: true, Axes: axes}), list)
	if g := gateOf(t, allowed[3].Gates, "adherence"); g.Verdict != assay.Pass {
		t.Errorf("allowed: adherence %+v", g)
	}
	if th, _ := thresholdOf(t, db, "test", "diversity"); th.Instrument != "dreamsim-dino" {
		t.Errorf("allowed: the diversity gate reads %s", th.Instrument)
	}
	for _, r := range allowed {
		if r.Outcome == string(assay.Unplaced) {
			t.Errorf("allowed: %s is unplaced", r.Path)
		}
	}
	// The same facts read strictly again: nothing passes by 8 bits, nothing stands on the map.
	view, err := l.open(t, db, "test", series.Options{}).View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d, _ := view.Decision(allowed[3].Digest)
	if g := gateOf(t, d.Gates, "adherence"); g.Verdict != assay.Abstain || d.Placement != assay.Unplaced {
		t.Errorf("strict again: %s, adherence %+v", d.Placement, g)
	}
}

// Options that name an instrument for a gate it cannot serve are an error; one
// that is not installed is not.
func TestGateOptions(t *testing.T) {
	l := newLab(t, nn.Float32, nil, "clip-score-b32")
	run := func(opt series.Options) (r series.Result, err error) {
		err = l.open(t, openStore(t), "test", opt).Add(t.Context(), slices.Values(l.prompted(t, 1, "a cat")), func(got series.Result) error { r = got; return nil })
		return r, err
	}
	for _, opt := range []series.Options{{Adherence: "warmth"}, {Adherence: "no-such"}, {Style: "clip-score-b32"}, {Style: "layout"}} {
		if _, err := run(opt); err == nil || !strings.Contains(err.Error(), "gate ") {
			t.Errorf("options %+v: %v", opt, err)
		}
	}
	r, err := run(series.Options{Adherence: "pickscore", Style: "style"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"adherence", "style"} {
		if g := gateOf(t, r.Gates, name); g.Verdict != assay.Abstain || !strings.Contains(g.Reason, "left out of this test") {
			t.Errorf("%s: %+v", name, g)
		}
	}
}

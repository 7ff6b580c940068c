package series_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gate"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
)

func (l *lab) open(t *testing.T, db *store.DB, name string, opt series.Options, without ...string) *series.Series {
	t.Helper()
	tools := less(l.tools, without...)
	for name, err := range l.tools.Missing {
		tools.Missing[name] = err
	}
	s, err := series.Open(t.Context(), name, db, tools, opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func thresholdOf(t *testing.T, db *store.DB, series, gate string) (th assay.Threshold, ok bool) {
	t.Helper()
	all, err := db.Thresholds(t.Context(), series)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(t assay.Threshold) bool { return t.Gate == gate })
	if i < 0 {
		return th, false
	}
	return all[i], true
}

// However many instruments stand on a tower, it looks at an image once, and
// what it saw is stored once, under its own name.
func TestOneTowerPass(t *testing.T) {
	l := newLab(t, nn.Float32, nil, "clip-score-b32", "clip-score-hessel-b32", "laion-aes-v1-b32", "clip-score", "style-openai", "style-artness-openai")
	db := &counting{DB: openStore(t)}
	s, err := series.Open(t.Context(), "test", db, l.tools, series.Options{Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	list := l.prompted(t, 10, things(5)...)
	results := add(t, s, list)
	runs := l.runs()
	if runs["clip-vit-b32/vision"] != 10 || runs["clip-vit-l14/vision"] != 10 {
		t.Errorf("towers ran %v for 10 images", runs)
	}
	if runs["clip-vit-b32/text"] != 10 { // five prompts, alone and after “A photo depicts”
		t.Errorf("the text tower ran %d times for 5 prompts in two readings", runs["clip-vit-b32/text"])
	}
	for _, r := range results {
		es, err := db.ImageEmbeddings(t.Context(), r.Digest)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range es {
			names = append(names, fmt.Sprint(e.Instrument, " ", len(e.Vector)))
		}
		slices.Sort(names)
		if want := []string{"clip-b32 512", "clip-l14 768", "layout 304"}; len(names) != 3 || names[0] != want[0] || names[1] != want[1] || !strings.HasPrefix(names[2], "layout") {
			t.Errorf("%s: embeddings %q, want %q", r.Path, names, want)
		}
		readings, err := db.Readings(t.Context(), r.Digest)
		if err != nil {
			t.Fatal(err)
		}
		for _, reading := range readings {
			spec, _ := metric.Find(reading.Instrument)
			if (spec.Kind == metric.OfPrompt) != (reading.Text == assay.DigestOfText(list[r.Seq-1].Prompt)) {
				t.Errorf("%s: %s has the text %s", r.Path, reading.Instrument, reading.Text)
			}
		}
	}
	db.records = 0
	add(t, s, list)
	if runs := l.runs(); len(runs) != 0 || db.records != 0 {
		t.Errorf("known images made towers run (%v) and were recorded %d times", runs, db.records)
	}
}

// A counting store counts what is recorded.
type counting struct {
	*store.DB
	records int
}

func (c *counting) Record(ctx context.Context, m assay.Measurement) error {
	c.records++
	return c.DB.Record(ctx, m)
}

// An instrument that comes later reads what its tower saw before.
func TestRemeasureRecalls(t *testing.T) {
	l := newLab(t, nn.Float32, nil, "clip-score-b32", "laion-aes-v1-b32", "clip-score-hessel-b32")
	db, list := openStore(t), l.prompted(t, 12, things(4)...)
	add(t, l.open(t, db, "test", series.Options{}, "laion-aes-v1-b32", "clip-score-hessel-b32"), list)
	if runs := l.runs(); runs["clip-vit-b32/vision"] != 12 {
		t.Fatalf("the tower ran %v for 12 images", runs)
	}
	rich := l.open(t, db, "test", series.Options{})
	count := func(instrument string) (n int) {
		err := db.SeriesReadings(t.Context(), "test", instrument, func(int64, assay.Reading) error { n++; return nil })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	add(t, rich, list[:5]) // told again, and read by what came since
	if n := count("laion-aes-v1-b32"); n != 5 {
		t.Errorf("%d images were read by the instrument that came, want 5", n)
	}
	if _, err := rich.Calibrate(t.Context(), series.CalibrateOptions{}); err != nil && !errors.Is(err, assay.ErrUnavailable) {
		t.Fatal(err)
	}
	if n, h := count("laion-aes-v1-b32"), count("clip-score-hessel-b32"); n != 12 || h != 12 {
		t.Errorf("%d and %d images were read by the instruments that came, want 12", n, h)
	}
	// Another series of the same images: known bytes, known to the tower.
	add(t, l.open(t, db, "other", series.Options{}), list)
	if runs := l.runs(); runs["clip-vit-b32/vision"] != 0 {
		t.Errorf("the tower looked again %d times at images it had seen", runs["clip-vit-b32/vision"])
	}
}

// The same image with one prompt here and another there is read with each, and
// each series goes by its own. Without a prompt there is nothing to read.
func TestPromptsOfTwoSeries(t *testing.T) {
	l := newLab(t, nn.Float32, nil, "clip-score")
	db := openStore(t)
	a, b, c := l.open(t, db, "a", series.Options{}), l.open(t, db, "b", series.Options{}), l.open(t, db, "c", series.Options{})
	list := l.prompted(t, 3, "a cat", "a dog", "a cow")
	add(t, a, list)
	turned := slices.Clone(list)
	bare := slices.Clone(list)
	for i := range list {
		turned[i].Prompt, bare[i].Prompt = list[(i+1)%3].Prompt, ""
	}
	add(t, b, turned)
	add(t, c, bare)
	add(t, a, turned) // what the caller says of a known image changes nothing
	values := map[string]float64{}
	for name, s := range map[string]*series.Series{"a": a, "b": b, "c": c} {
		p, err := s.Profile(t.Context(), assay.DigestOf(must(list[0].Read())))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, r := range p.Readings {
			if r.Instrument == "clip-score" {
				n++
				values[name] = r.Value
				if r.Text != assay.DigestOfText(p.Entry.Prompt) {
					t.Errorf("series %s shows a reading of another prompt", name)
				}
			}
		}
		i := slices.IndexFunc(p.Missing, func(m series.Missing) bool { return m.Instrument == "clip-score" })
		if name != "c" && (n != 1 || i >= 0) || name == "c" && (n != 0 || i < 0 || !strings.Contains(p.Missing[i].Reason, "came without a prompt; give --prompt")) {
			t.Errorf("series %s: %d readings, missing %+v", name, n, p.Missing)
		}
		g := gateOf(t, p.Gates, "adherence")
		if name == "c" && (g.Verdict != assay.NotMeasured || g.Reason != "the image came without a prompt; give --prompt") {
			t.Errorf("series c: adherence %s because %q", g.Verdict, g.Reason)
		}
		if name != "c" && (g.Verdict != assay.Abstain || g.Reading == nil || g.Reading.Text != assay.DigestOfText(p.Entry.Prompt)) {
			t.Errorf("series %s: adherence %+v", name, g)
		}
	}
	if values["a"] < values["b"]+20 {
		t.Errorf("its own prompt reads %g, another %g", values["a"], values["b"])
	}
}

// The same image twice in one run, the second time with another prompt, while an
// instrument cannot read it: the entry's prompt is the one it is read with.
func TestTwoPromptsInOneRun(t *testing.T) {
	l := newLab(t, nn.Float32, nil, "clip-score-b32", "clip-score")
	l.engine.broken = "clip-vit-b32/vision"
	db := openStore(t)
	s := l.open(t, db, "test", series.Options{Workers: 4})
	first := l.prompted(t, 1, "a cat")[0]
	list := []series.Input{first, first, first, first}
	for i, prompt := range []string{"a dog", "a cow", ""} {
		list[i+1].Prompt = prompt
	}
	for i, r := range add(t, s, list) {
		if r.Known != (i > 0) || r.Seq != 1 || len(r.Doubts) != 1 || !strings.Contains(r.Doubts[0], "broken") {
			t.Errorf("result %d: %+v", i, r)
		}
		if g := gateOf(t, r.Gates, "adherence"); g.Reading == nil || g.Reading.Text != assay.DigestOfText("a cat") {
			t.Errorf("result %d: adherence %+v", i, g)
		}
	}
	readings, err := db.Readings(t.Context(), assay.DigestOf(must(first.Read())))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range readings {
		if !r.Text.IsZero() && r.Text != assay.DigestOfText("a cat") {
			t.Errorf("a reading of %s with a prompt that is no entry's", r.Instrument)
		}
	}
}

// Controls say what chance reads like: with one prompt they cannot, with four
// they may not refuse, with five and with thirty they do.
func TestAdherence(t *testing.T) {
	for _, c := range []struct {
		name    string
		prompts []string
		blind   bool
		want    int // distinct ones; 0 for no threshold
		mode    assay.GateMode
		says    string
	}{
		{"one", things(1), false, 0, "", "share one prompt"},
		{"one, spelt in three ways", []string{"a cat", " A Cat ", "a CAT"}, false, 0, "", "share one prompt"},
		{"four", things(4), false, 4, assay.Shadow, "4 distinct prompts; 5 are needed"},
		{"four and their doubles", append(things(4), "THING NUMBER 2 on a table", "thing number 3 on a table\n"), false, 4, assay.Shadow, "4 distinct prompts"},
		{"five", things(5), false, 5, assay.Enforced, "over 5 distinct prompts"},
		{"thirty", things(30), false, 30, assay.Enforced, "over 30 distinct prompts"},
		{"blind", things(8), true, 8, assay.Shadow, "cannot tell"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, nn.Float32, nil, "clip-score-b32", "clip-score")
			l.engine.blind = c.blind
			db := openStore(t)
			s := l.open(t, db, "test", series.Options{Warmup: 30})
			add(t, s, l.prompted(t, 30, c.prompts...))
			th, ok := thresholdOf(t, db, "test", "adherence")
			view, err := s.View(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if ok != (c.want > 0) {
				t.Fatalf("threshold %+v", th)
			}
			if !ok {
				if why := view.Unruled("adherence"); !strings.Contains(why, c.says) {
					t.Errorf("no threshold because %q, want %q", why, c.says)
				}
				d, _ := view.Decision(assay.DigestOf(showing(t, 0, 1)))
				if g := gateOf(t, d.Gates, "adherence"); g.Verdict != assay.Abstain || !strings.Contains(g.Reason, c.says) || g.Reading == nil {
					t.Errorf("verdict %+v", g)
				}
				return
			}
			var ev gate.Evidence
			if err := json.Unmarshal(th.Evidence, &ev); err != nil {
				t.Fatal(err)
			}
			if th.Mode != c.mode || !strings.Contains(th.Reason, c.says) || th.Instrument != "clip-score" || th.Fails != gate.Below || ev.Chance.Prompts != c.want {
				t.Errorf("%s by %s over %d prompts because %q", th.Mode, th.Instrument, ev.Chance.Prompts, th.Reason)
			}
			if want := 30 * min(c.want-1, 8); ev.Chance.N != want || ev.Chance.Own.Refused.N != 30 {
				t.Errorf("%d readings with other prompts, %d with their own; want %d and 30", ev.Chance.N, ev.Chance.Own.Refused.N, want)
			}
			controls, err := db.Controls(t.Context(), "test", "clip-score")
			if err != nil {
				t.Fatal(err)
			}
			below := 0
			for _, k := range controls {
				if !strings.HasPrefix(k.Transform, "prompt ") {
					t.Errorf("control %q", k.Transform)
				}
				if k.Value <= th.Value {
					below++
				}
			}
			if share := float64(below) / float64(len(controls)); len(controls) != ev.Chance.N || share < 0.94 || share > 0.97 {
				t.Errorf("%d of %d controls reach no more than the threshold, want 95 %%", below, len(controls))
			}
		})
	}
}

// An image that shows something else than its prompt says is refused; one
// without a prompt is not; and thresholds computed again are the same.
func TestAdherenceRefuses(t *testing.T) {
	l := newLab(t, nn.Float32, nil, "clip-score")
	db := openStore(t)
	s := l.open(t, db, "test", series.Options{})
	list := l.prompted(t, 24, things(6)...)
	wrong := input("wrong.png", showing(t, 4, 99))
	wrong.Prompt = list[1].Prompt
	right := input("right.png", showing(t, 1, 98))
	right.Prompt = list[1].Prompt
	results := add(t, s, append(list, wrong, right, input("bare.png", showing(t, 2, 97))))
	for i, want := range map[int]assay.Verdict{24: assay.Fail, 25: assay.Pass, 26: assay.NotMeasured} {
		g := gateOf(t, results[i].Gates, "adherence")
		if g.Verdict != want || g.Mode != assay.Enforced || want == assay.Fail && results[i].Outcome != string(assay.Refused) {
			t.Errorf("%s: %s in %s because %q; the image is %s", results[i].Path, g.Verdict, g.Mode, g.Reason, results[i].Outcome)
		}
		if i == 26 && !strings.Contains(g.Reason, "the image came without a prompt; give --prompt") {
			t.Errorf("%s: %q", results[i].Path, g.Reason)
		}
	}
	before, _ := thresholdOf(t, db, "test", "adherence")
	l.runs()
	dry, err := s.Calibrate(t.Context(), series.CalibrateOptions{First: 24, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if runs := l.runs(); runs["clip-vit-l14/vision"] != 0 {
		t.Errorf("controls made the tower look again at %v", runs)
	}
	var names []string
	for _, th := range dry {
		names = append(names, th.Gate)
		if th.Gate == "adherence" && (th.Value != before.Value || th.Reason != before.Reason) {
			t.Errorf("again: %g because %q, before %g because %q", th.Value, th.Reason, before.Value, before.Reason)
		}
	}
	order := slices.DeleteFunc(series.Gates(), func(g string) bool { return !slices.Contains(names, g) })
	if diff := cmp.Diff(order, names); diff != "" {
		t.Errorf("order of thresholds:\n%s", diff)
	}
}

// The style gate records by the images' own percentile, and refuses only if it
// is told to. What is not taken for art fails too.
func TestStyle(t *testing.T) {
	l := newLab(t, nn.Float32, nil, "style-openai", "style-artness-openai")
	list := l.prompted(t, 30, things(6)...)
	for _, enforce := range []bool{false, true} {
		db := openStore(t)
		s := l.open(t, db, "test", series.Options{Warmup: 30, StyleEnforce: enforce})
		results := add(t, s, list)
		th, ok := thresholdOf(t, db, "test", "style")
		want := assay.Shadow
		if enforce {
			want = assay.Enforced
		}
		if !ok || th.Mode != want || th.Instrument != "style-openai" || th.Source != "own images" || !strings.Contains(th.Reason, "own images' percentile, no human judgment yet") {
			t.Fatalf("threshold %+v", th)
		}
		guard, err := gate.GuardOf(th)
		if err != nil || guard == nil || guard.Instrument != "style-artness-openai" || guard.N != 30 {
			t.Errorf("guard %+v, %v", guard, err)
		}
		values := func(instrument string) map[int64]float64 {
			out := map[int64]float64{}
			if err := db.SeriesReadings(t.Context(), "test", instrument, func(seq int64, r assay.Reading) error { out[seq] = r.Value; return nil }); err != nil {
				t.Fatal(err)
			}
			return out
		}
		entropy, artness := values("style-openai"), values("style-artness-openai")
		low, alike := 0, 0
		for _, r := range results {
			g := gateOf(t, r.Gates, "style")
			want, by := assay.Pass, "style-openai"
			switch {
			case entropy[r.Seq] < th.Value:
				want = assay.Fail
				low++
			case artness[r.Seq] < guard.Value:
				want, by = assay.Fail, "style-artness-openai"
				alike++
			}
			if g.Verdict != want || g.Reading.Instrument != by || enforce && want == assay.Fail && r.Outcome != string(assay.Refused) {
				t.Errorf("%s with entropy %g and artness %g: %s by %s because %q; it is %s", r.Path, entropy[r.Seq], artness[r.Seq], g.Verdict, g.Reading.Instrument, g.Reason, r.Outcome)
			}
			if !enforce && want == assay.Fail && !strings.Contains(g.Reason, "in shadow") {
				t.Errorf("%s: %q", r.Path, g.Reason)
			}
		}
		// The 0.1 quantile of 30 lies between the 3rd and the 4th, the 0.05 quantile between the 2nd and the 3rd.
		if low != 3 || alike == 0 || alike > 2 {
			t.Errorf("%d fail by entropy, %d by the guard; want 3, and 1 or 2", low, alike)
		}
	}
}

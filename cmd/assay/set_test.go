package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/series"
)

// newSetRun is `assay set -m vendi --tower layout` on the way to its images.
func newSetRun(t *testing.T, cache string) *setRun {
	t.Helper()
	in, err := metric.NewTowers(nil, nil, metric.TowerOptions{}).OpenFeatures(t.Context(), "layout")
	if err != nil {
		t.Fatal(err)
	}
	vendi, err := metric.FindSet("vendi")
	if err != nil {
		t.Fatal(err)
	}
	r := &setRun{w: world{out: io.Discard, err: io.Discard}, f: &setFlags{limits: limitFlags{side: 1 << 16, pixels: 1 << 30, bytes: 1 << 30}}, workers: 2, specs: []metric.SetSpec{vendi},
		tools: &setTools{row: map[string]string{"vendi": "layout"}, rows: []*metric.Instrument{in}}}
	if r.cache, err = openSetCache(cache); err != nil {
		t.Fatal(err)
	}
	return r
}

// pictures are n inputs; seen is told of every time one is read.
func someInputs(n int, seen func(i int) error) []series.Input {
	var out []series.Input
	for i := range n {
		out = append(out, series.Input{Path: fmt.Sprintf("%d.png", i), Read: func() ([]byte, error) {
			return testPicture(i, 32), seen(i)
		}})
	}
	return out
}

// TestSetStopsAndResumes: what was seen before Ctrl-C is in the cache, and the
// next run looks only at the rest and finds what one run would.
func TestSetStopsAndResumes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seen.state")
	ctx, stop := context.WithCancel(t.Context())
	var reads atomic.Int64
	stopping := someInputs(20, func(int) error {
		if reads.Add(1) == 32 { // 20 to name them, 12 to look
			stop()
		}
		return nil
	})
	if _, err := newSetRun(t, path).gather(ctx, "set", &setSource{name: "x", images: stopping}); !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped: %v", err)
	}
	rows, err := metric.ReadState(path)
	if err != nil || rows[0].Len() < 5 || rows[0].Len() > 12 {
		t.Fatalf("the cache of a run that was stopped: %v, %v", rows, err)
	}
	kept := rows[0].Len()
	reads.Store(0)
	g, err := newSetRun(t, path).gather(t.Context(), "set", &setSource{name: "x", images: someInputs(20, func(int) error { reads.Add(1); return nil })})
	if err != nil || int(reads.Load()) != 40-kept {
		t.Fatalf("%v; %d reads, want 20 to name and %d to look", err, reads.Load(), 20-kept)
	}
	want, err := newSetRun(t, "").gather(t.Context(), "set", &setSource{name: "x", images: someInputs(20, func(int) error { return nil })})
	if err != nil || !slices.Equal(g.rows["layout"].Features, want.rows["layout"].Features) {
		t.Errorf("resumed, the set is another: %v", err)
	}
}

// TestSetFilesChange: a file that changes while it is measured is left out, and so
// is one that cannot be read the second time.
func TestSetFilesChange(t *testing.T) {
	images := someInputs(6, func(int) error { return nil })
	var reads, gone int
	images[1].Read = func() ([]byte, error) { reads++; return testPicture(100+reads, 32), nil }
	images[2].Read = func() ([]byte, error) {
		if gone++; gone > 1 {
			return nil, errors.New("2.png: gone")
		}
		return testPicture(2, 32), nil
	}
	r := newSetRun(t, "")
	g, err := r.gather(t.Context(), "set", &setSource{name: "x", images: images})
	if err != nil || g.rows["layout"].Len() != 4 || g.left != 2 || g.named != 6 {
		t.Fatalf("%+v, %v", g, err)
	}
	var all []string
	for _, l := range r.left {
		all = append(all, l.Error)
	}
	slices.Sort(all)
	if len(all) != 2 || !strings.Contains(all[0], "1.png: the file changed") || all[1] != "2.png: gone" {
		t.Errorf("told: %q", all)
	}
}

// stateOf writes a state of n images whose vectors are rows(i, j), i and j from 1,
// j to 8: the vectors of the specification, quality-clip-set.md section 12.
func stateOf(t *testing.T, row, label string, n int, value func(i, j float64) float64) string {
	t.Helper()
	s := &metric.FeatureSet{Identity: assay.Identity{Instrument: row, Version: 1, Preparation: "none", Runtime: "go"}, Space: metric.Cosine, Dim: 8}
	for i := range n {
		id := assay.DigestOf([]byte(label))
		id[0] = byte(i + 1)
		s.Digests = append(s.Digests, id)
		for j := range 8 {
			s.Features = append(s.Features, float32(value(float64(i+1), float64(j+1))))
		}
	}
	path := filepath.Join(t.TempDir(), label+".state")
	if err := metric.SaveState(t.Context(), path, []*metric.FeatureSet{s}); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSetOfStates holds the command to the specification's values, as a user gets
// them of two states.
func TestSetOfStates(t *testing.T) {
	sin := func(i, j float64) float64 { return math.Sin(0.1 * i * j) }
	cos := func(i, j float64) float64 { return math.Cos(0.13*i*j) + 0.05*j }
	for _, c := range []struct {
		args []string // beside the states
		ref  bool
		want map[string]float64
	}{
		{[]string{"-m", "fid,cmmd,kid", "--tower", "test"}, true, map[string]float64{"fid": 0.730790064, "cmmd": 0.930882469}},
		{[]string{"-m", "precision-recall,density-coverage", "--tower", "test", "--k", "3"}, true,
			map[string]float64{"precision": 0.94, "recall": 0.375, "density": 0.7266666667, "coverage": 0.80}},
		{[]string{"-m", "vendi"}, false, map[string]float64{"vendi": 7.501252751}},
		{[]string{"-m", "vendi", "--order", "inf"}, false, map[string]float64{"vendi": 4.467911190}},
	} {
		x, y := stateOf(t, "test", "x", 40, sin), stateOf(t, "test", "y", 50, cos)
		args := append([]string{"set", x, "--json"}, c.args...)
		if c.ref { // the set that is measured is the generated one, Y
			args = append([]string{"set", y, "--ref", x, "--json"}, c.args...)
		}
		var out, told bytes.Buffer
		if status := run(t.Context(), args, world{func(string) string { return "" }, strings.NewReader(""), &out, &told}); status != exitDone {
			t.Fatalf("%v: status %d, %s", args, status, told.String())
		}
		var report setReport
		if err := json.Unmarshal(out.Bytes(), &report); err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, r := range report.Readings {
			for _, v := range r.Values {
				got[v.Name] = v.Value
			}
		}
		for name, want := range c.want {
			if math.Abs(got[name]-want) > 1e-6*want {
				t.Errorf("%v: %s %.10g, want %.10g", c.args, name, got[name], want)
			}
		}
	}
}

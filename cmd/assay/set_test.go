package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

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

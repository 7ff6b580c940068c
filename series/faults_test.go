package series_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
)

// A brittle store fails the n-th Record.
type brittle struct {
	*store.DB
	left int
}

var errBroken = errors.New("the disk went away")

func (b *brittle) Record(ctx context.Context, m assay.Measurement) error {
	if b.left--; b.left == 0 {
		return errBroken
	}
	return b.DB.Record(ctx, m)
}

// An image that another series has measured, entered here and cut off before it
// was recorded, is taken up again.
func TestResumeSharedImage(t *testing.T) {
	db, list := openStore(t), gallery(t, 6)
	first, err := series.Open(t.Context(), "a", db, formulas(t), series.Options{})
	if err != nil {
		t.Fatal(err)
	}
	add(t, first, list)
	weak, err := series.Open(t.Context(), "b", &brittle{db, 3}, formulas(t), series.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = weak.Add(t.Context(), slices.Values(list), func(series.Result) error { return nil })
	if !errors.Is(err, errBroken) {
		t.Fatalf("the run ended with %v, want the store's error", err)
	}
	second, err := series.Open(t.Context(), "b", db, formulas(t), series.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range add(t, second, list) {
		if r.Outcome == "error" || r.Seq != int64(i+1) {
			t.Errorf("%s: %+v", r.Path, r)
		}
	}
	if problems := db.Check(t.Context()); len(problems) > 0 {
		t.Errorf("the store is not whole: %v", problems)
	}
}

// less are tools without some instruments, with a reason for each.
func less(tools series.Tools, names ...string) series.Tools {
	out := series.Tools{Missing: map[string]error{}}
	for _, in := range tools.Instruments {
		if slices.Contains(names, in.Name) {
			out.Missing[in.Name] = errors.New(in.Name + " is not installed")
			continue
		}
		out.Instruments = append(out.Instruments, in)
	}
	return out
}

// Instruments that come later are read on what is there when thresholds are
// computed again, and nothing refused comes back for want of a reading.
func TestInstrumentsComeLater(t *testing.T) {
	db, list, all := openStore(t), gallery(t, 31), formulas(t)
	poor, err := series.Open(t.Context(), "test", db, less(all, "noise", "sharpness", "blockiness"), series.Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := add(t, poor, list)
	rich, err := series.Open(t.Context(), "test", db, all, series.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rich.Calibrate(t.Context(), series.CalibrateOptions{}); err != nil {
		t.Fatal(err)
	}
	view, err := rich.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range before {
		d, ok := view.Decision(r.Digest)
		if !ok {
			t.Fatalf("%s has no decision", r.Path)
		}
		for _, g := range d.Gates {
			if g.Verdict == assay.NotMeasured {
				t.Errorf("%s: %s not measured: %s", r.Path, g.Gate, g.Reason)
			}
		}
	}
	// What was measured again and is told again agrees with the archive.
	for _, r := range add(t, rich, list) {
		if d, _ := view.Decision(r.Digest); string(d.Placement) != r.Outcome {
			t.Errorf("%s is told as %s and stands as %s", r.Path, r.Outcome, d.Placement)
		}
	}
	// Instruments that go away leave gates that say so, and break nothing.
	if _, err := series.Open(t.Context(), "test", db, less(all, "noise"), series.Options{}); err != nil {
		t.Fatal(err)
	}
}

// Images that hardly any instrument can read are told and break nothing: not
// the axes, not the first thresholds.
func TestTinyImages(t *testing.T) {
	s := openSeries(t, openStore(t), series.Options{Axes: []assay.Axis{
		{Descriptor: "edge-density", Lo: 0, Hi: 1, Cells: 4}, {Descriptor: "blockiness", Lo: -1, Hi: 1, Cells: 4},
	}})
	list := gallery(t, 30)
	for i := range 27 {
		img := image.NewGray(image.Rect(0, 0, 2, 2))
		img.Pix[0] = uint8(i)
		var buf bytes.Buffer
		if err := png.Encode(&buf, img); err != nil {
			t.Fatal(err)
		}
		list[i] = input(list[i].Path, buf.Bytes())
	}
	results := add(t, s, list)
	if len(results) != len(list) {
		t.Fatalf("%d results for %d inputs", len(results), len(list))
	}
	for i, r := range results {
		want := i < 27
		if (r.Outcome == string(assay.Unplaced)) != want || want && len(r.Doubts) == 0 {
			t.Errorf("%s: %s, doubts %v", r.Path, r.Outcome, r.Doubts)
		}
	}
}

// What the caller says of one image cannot stop the others.
func TestImpossibleParent(t *testing.T) {
	s := openSeries(t, openStore(t), series.Options{})
	list := gallery(t, 3)
	list[1].Parents = []assay.Digest{assay.DigestOf(must(list[1].Read()))}
	results := add(t, s, list)
	if len(results) != 3 || results[1].Outcome != "error" || !strings.Contains(results[1].Error, list[1].Path) || results[2].Outcome == "error" {
		t.Errorf("results %+v", results)
	}
}

// Images that were accepted are compared whatever the limits of a later run.
func TestLimitsOfALaterRun(t *testing.T) {
	db, list := openStore(t), gallery(t, 26)
	add(t, openSeries(t, db, series.Options{}), list[:10])
	tight := openSeries(t, db, series.Options{Limits: pixel.Limits{Side: 64}})
	if r := add(t, tight, list[10:11]); r[0].Outcome != "error" {
		t.Errorf("a picture over the limit: %+v", r[0])
	}
	if _, err := tight.Calibrate(t.Context(), series.CalibrateOptions{}); err != nil {
		t.Errorf("controls on images that were accepted: %v", err)
	}
}

// A store that cannot be read ends the run; it is not the image's fault.
func TestStoreFails(t *testing.T) {
	db := openStore(t)
	s := openSeries(t, db, series.Options{})
	list := gallery(t, 3)
	list[1].Read = func() ([]byte, error) { db.Close(); return picture(t, 99), nil }
	err := s.Add(t.Context(), slices.Values(list), func(r series.Result) error { return nil })
	if err == nil {
		t.Error("a run on a closed store ended without an error")
	}
}

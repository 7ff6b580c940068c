package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
)

func testReadings(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 2)
	a, b := pictureID(1), pictureID(2)
	want := []assay.Reading{
		{Identity: niqe, Image: b, Value: 3.25, Created: epoch},
		{Identity: niqe2, Image: b, Value: -math.MaxFloat64, Warnings: []string{"small", ""}, Created: epoch.Add(-time.Hour)},
		{Identity: lpips, Image: b, Ref: a, Value: 0.1, Created: epoch},
		{Identity: lpips, Image: b, Ref: b, Value: math.SmallestNonzeroFloat64, Created: epoch},
	}
	m := Measurement{Series: "s", Seq: 2, Readings: want}
	m.Readings = append([]assay.Reading(nil), want...)
	m.Readings[0].Created = time.Time{}
	for range 2 { // the second time is a no-op
		must(t, db.Record(ctx, m))
		got, err := db.Readings(ctx, b)
		must(t, err)
		same(t, "readings", got, want)
	}
	changed := want[0]
	changed.Value = 99
	must(t, db.Record(ctx, Measurement{Series: "s", Seq: 2, Readings: []assay.Reading{changed}}))
	got, err := db.Readings(ctx, b)
	must(t, err)
	same(t, "readings: the first stands", got, want)

	has, err := db.Has(ctx, b, []assay.Identity{lpips, niqe2, {Instrument: "x"}, niqe})
	must(t, err)
	same(t, "Has: pairs do not count", has, []bool{false, true, false, true})
	has, err = db.Has(ctx, a, []assay.Identity{niqe})
	must(t, err)
	same(t, "Has: other image", has, []bool{false})
}

func testRecordRefuses(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 3)
	a, b, c := pictureID(1), pictureID(2), pictureID(3)
	ok := assay.Reading{Identity: niqe, Image: b, Value: 1}
	check := func(name string, sentinel error, m Measurement) {
		t.Helper()
		m.Series, m.Seq = "s", 2
		m.Readings = append([]assay.Reading{ok}, m.Readings...) // must vanish with the rest
		is(t, name, db.RecordAll(ctx, []Measurement{{Series: "s", Seq: 2, Readings: []assay.Reading{ok}}, m}), sentinel)
		got, err := db.Readings(ctx, b)
		must(t, err)
		same(t, name+": nothing is kept", got, []assay.Reading(nil))
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		check(fmt.Sprint("value ", v), assay.ErrInvalid, Measurement{Readings: []assay.Reading{{Identity: lpips, Image: b, Value: v}}})
		check(fmt.Sprint("vector ", v), assay.ErrInvalid, Measurement{Embeddings: []assay.Embedding{{Identity: lpips, Image: b, Vector: []float32{0, float32(v)}}}})
		check(fmt.Sprint("distance ", v), assay.ErrInvalid, Measurement{Neighbours: []assay.Neighbour{{Identity: lpips, Nearest: a, Value: v}}})
	}
	check("empty vector", assay.ErrInvalid, Measurement{Embeddings: []assay.Embedding{{Identity: lpips, Image: b}}})
	check("other image", assay.ErrInvalid, Measurement{Readings: []assay.Reading{{Identity: lpips, Image: a}}})
	check("other image's vector", assay.ErrInvalid, Measurement{Embeddings: []assay.Embedding{{Identity: lpips, Image: a, Vector: []float32{1}}}})
	check("unknown second image", assay.ErrNotFound, Measurement{Readings: []assay.Reading{{Identity: lpips, Image: b, Ref: pictureID(9)}}})
	check("other entry's neighbour", assay.ErrInvalid, Measurement{Neighbours: []assay.Neighbour{{Identity: lpips, Seq: 1}}})
	check("later neighbour", assay.ErrInvalid, Measurement{Neighbours: []assay.Neighbour{{Identity: lpips, Nearest: c}}})
	check("itself as neighbour", assay.ErrInvalid, Measurement{Neighbours: []assay.Neighbour{{Identity: lpips, Nearest: b}}})
	check("neighbour not in the series", assay.ErrInvalid, Measurement{Neighbours: []assay.Neighbour{{Identity: lpips, Nearest: pictureID(9)}}})
	for _, id := range []assay.Identity{{Version: 1, Runtime: "go"}, {Instrument: "x", Runtime: "go"}, {Instrument: "x", Version: 1}} {
		check(fmt.Sprintf("identity %+v", id), assay.ErrInvalid, Measurement{Readings: []assay.Reading{{Identity: id, Image: b}}})
	}
}

func testSeriesReadings(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 4)
	type row struct {
		Seq int64
		R   assay.Reading
	}
	var want []row
	for _, seq := range []int64{3, 1, 4} { // 2 is not measured; order of recording is not order of place
		r := assay.Reading{Identity: niqe, Image: pictureID(int(seq)), Value: float64(seq), Created: epoch}
		r2 := assay.Reading{Identity: niqe2, Image: r.Image, Value: -float64(seq), Warnings: []string{"w"}, Created: epoch}
		pair := assay.Reading{Identity: niqe, Image: r.Image, Ref: pictureID(1), Value: 50}
		other := assay.Reading{Identity: lpips, Image: r.Image, Value: 70}
		must(t, db.Record(ctx, Measurement{Series: "s", Seq: seq, Readings: []assay.Reading{pair, other, r, r2}}))
	}
	for _, seq := range []int64{1, 3, 4} {
		img := pictureID(int(seq))
		want = append(want, row{seq, assay.Reading{Identity: niqe, Image: img, Value: float64(seq), Created: epoch}},
			row{seq, assay.Reading{Identity: niqe2, Image: img, Value: -float64(seq), Warnings: []string{"w"}, Created: epoch}})
	}
	var got []row
	must(t, db.SeriesReadings(ctx, "s", "niqe", func(seq int64, r assay.Reading) error {
		got = append(got, row{seq, r})
		return nil
	}))
	same(t, "series readings", got, want)
	must(t, db.SeriesReadings(ctx, "s", "none", func(seq int64, r assay.Reading) error {
		t.Errorf("an unknown instrument has read %d: %+v", seq, r)
		return nil
	}))
	stop := errors.New("enough")
	err := db.SeriesReadings(ctx, "s", "niqe", func(int64, assay.Reading) error { return stop })
	is(t, "fn's error", err, stop)
}

// An image may be read with several texts, each once; a series sees the reading
// with its own entry's prompt.
func testTexts(t *testing.T, db *DB) {
	ctx := t.Context()
	img, data := picture(1)
	prompts := map[string]string{"a": "a cat", "b": "a dog\x00 猫", "none": ""}
	for _, series := range []string{"a", "b", "none"} {
		must(t, db.CreateSeries(ctx, series))
		_, _, err := db.Enter(ctx, img, data, assay.Entry{Series: series, Prompt: prompts[series]})
		must(t, err)
	}
	cat := assay.Reading{Identity: niqe, Image: img.ID, Text: assay.DigestOfText("a cat"), Value: 1, Created: epoch}
	dog := assay.Reading{Identity: niqe, Image: img.ID, Text: assay.DigestOfText(prompts["b"]), Value: 2, Created: epoch}
	other := assay.Reading{Identity: niqe, Image: img.ID, Text: assay.DigestOfText("A cat"), Value: 3, Created: epoch}
	second := assay.Reading{Identity: niqe2, Image: img.ID, Text: cat.Text, Value: 4, Created: epoch}
	alone := assay.Reading{Identity: lpips, Image: img.ID, Value: 5, Created: epoch}
	all := []assay.Reading{cat, dog, other, second, alone}
	for range 2 {
		must(t, db.Record(ctx, Measurement{Series: "none", Seq: 1, Readings: all}))
	}
	changed := dog
	changed.Value = 99
	must(t, db.Record(ctx, Measurement{Series: "a", Seq: 1, Readings: []assay.Reading{changed}}))
	got, err := db.Readings(ctx, img.ID)
	must(t, err)
	same(t, "readings", got, all)
	check := func(series, instrument string, want ...assay.Reading) {
		t.Helper()
		var got []assay.Reading
		must(t, db.SeriesReadings(ctx, series, instrument, func(_ int64, r assay.Reading) error {
			got = append(got, r)
			return nil
		}))
		same(t, instrument+" in series "+series, got, want)
	}
	check("a", "niqe", cat, second)
	check("b", "niqe", dog)
	check("none", "niqe")
	check("none", "lpips-squeeze", alone)
	has, err := db.Has(ctx, img.ID, []assay.Identity{niqe, lpips})
	must(t, err)
	same(t, "Has: readings with a text do not count", has, []bool{false, true})
}

// The embeddings of one image come back in the order of recording, whatever
// series it was recorded in, each under the identity it was stored with.
func testImageEmbeddings(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 2)
	fill(t, db, "other", 1)
	a, b := pictureID(1), pictureID(2)
	int8 := lpips
	int8.Runtime = "onnxruntime 1.30.0 cpu int8"
	want := []assay.Embedding{
		{Identity: niqe2, Image: a, Vector: []float32{1, -2.5}},
		{Identity: lpips, Image: a, Vector: []float32{math.MaxFloat32}},
		{Identity: int8, Image: a, Vector: []float32{3, 4, 5}},
		{Identity: niqe, Image: a, Vector: []float32{math.SmallestNonzeroFloat32}},
	}
	for range 2 { // the second time is a no-op
		must(t, db.Record(ctx, Measurement{Series: "s", Seq: 1, Embeddings: want[:2]}))
		must(t, db.Record(ctx, Measurement{Series: "s", Seq: 2, Embeddings: []assay.Embedding{{Identity: niqe, Image: b, Vector: []float32{9}}}}))
		must(t, db.Record(ctx, Measurement{Series: "other", Seq: 1, Embeddings: want[2:]}))
	}
	changed := want[0]
	changed.Vector = []float32{7, 7}
	must(t, db.Record(ctx, Measurement{Series: "s", Seq: 1, Embeddings: []assay.Embedding{changed}}))
	got, err := db.ImageEmbeddings(ctx, a)
	must(t, err)
	same(t, "embeddings: the first stand", got, want)
	got, err = db.ImageEmbeddings(ctx, pictureID(9))
	must(t, err)
	same(t, "of an image that is not stored", got, []assay.Embedding(nil))
}

func testEmbeddings(t *testing.T, db *DB) {
	ctx := t.Context()
	const n = vectorWindow + 3 // more than one window
	fill(t, db, "s", n)
	var ms []Measurement
	for i := n; i >= 1; i-- {
		if i == 2 {
			continue
		}
		ms = append(ms, Measurement{Series: "s", Seq: int64(i), Embeddings: []assay.Embedding{
			{Identity: lpips, Image: pictureID(i), Vector: []float32{float32(i), -0.5, math.MaxFloat32}},
			{Identity: niqe, Image: pictureID(i), Vector: []float32{7}},
		}})
	}
	for range 2 {
		must(t, db.RecordAll(ctx, ms))
	}
	seen, kept := int64(0), [][]float32(nil)
	must(t, db.Embeddings(ctx, "s", lpips, func(seq int64, image assay.Digest, v []float32) error {
		if seen++; seen == 2 {
			seen++
		}
		if seq != seen || image != pictureID(int(seq)) {
			t.Errorf("got place %d image %s, want place %d", seq, image, seen)
		}
		kept = append(kept, v)
		return nil
	}))
	same(t, "number of vectors", len(kept), n-1)
	same(t, "first vector", kept[0], []float32{1, -0.5, math.MaxFloat32})
	same(t, "last vector", kept[n-2], []float32{n, -0.5, math.MaxFloat32})
	must(t, db.Embeddings(ctx, "s", niqe2, func(seq int64, _ assay.Digest, _ []float32) error {
		t.Errorf("place %d has a vector of an identity that made none", seq)
		return nil
	}))
	is(t, "fn's error", db.Embeddings(ctx, "s", niqe, func(int64, assay.Digest, []float32) error { return os.ErrClosed }), os.ErrClosed)
}

func testNeighbours(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 3)
	want := []assay.Neighbour{
		{Identity: lpips, Series: "s", Seq: 1},
		{Identity: lpips, Series: "s", Seq: 2, Nearest: pictureID(1), Value: 0},
		{Identity: niqe, Series: "s", Seq: 2, Nearest: pictureID(1), Value: 0.25},
		{Identity: lpips, Series: "s", Seq: 3, Nearest: pictureID(2), Value: 0.5},
	}
	for range 2 {
		must(t, db.RecordAll(ctx, []Measurement{
			{Series: "s", Seq: 3, Neighbours: want[3:]},
			{Series: "s", Seq: 1, Neighbours: []assay.Neighbour{{Identity: lpips, Value: math.Inf(1)}}}, // value without meaning
			{Series: "s", Seq: 2, Neighbours: want[1:3]},
		}))
	}
	var got []assay.Neighbour
	must(t, db.Neighbours(ctx, "s", func(n assay.Neighbour) error { got = append(got, n); return nil }))
	same(t, "neighbours", got, want)
	is(t, "fn's error", db.Neighbours(ctx, "s", func(assay.Neighbour) error { return os.ErrClosed }), os.ErrClosed)
}

func testControls(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 2)
	want := []assay.Control{
		{Identity: niqe, Series: "s", Image: pictureID(2), Transform: "jpeg q=85", Value: 5, Created: epoch},
		{Identity: niqe2, Series: "s", Image: pictureID(2), Transform: "jpeg q=85", Value: 6, Created: epoch},
		{Identity: niqe, Series: "s", Image: pictureID(1), Transform: "none", Value: -4, Created: epoch},
	}
	for range 2 {
		must(t, db.PutControls(ctx, append(want, assay.Control{Identity: lpips, Series: "s", Image: pictureID(1), Transform: "none"})))
	}
	got, err := db.Controls(ctx, "s", "niqe")
	must(t, err)
	same(t, "controls", got, want)
	check := func(name string, change func(*assay.Control)) {
		t.Helper()
		c := want[0]
		c.Transform = "new"
		change(&c)
		is(t, name, db.PutControls(ctx, []assay.Control{c}), assay.ErrInvalid)
	}
	check("no transform", func(c *assay.Control) { c.Transform = "" })
	check("not finite", func(c *assay.Control) { c.Value = math.NaN() })
	check("not in the series", func(c *assay.Control) { c.Image = pictureID(9) })
	check("no identity", func(c *assay.Control) { c.Identity = assay.Identity{} })
}

func testThresholds(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 1)
	fill(t, db, "other", 1)
	put := func(th assay.Threshold) assay.Threshold {
		t.Helper()
		var err error
		th.ID, err = db.PutThreshold(ctx, th)
		must(t, err)
		return th
	}
	base := assay.Threshold{Identity: niqe, Series: "s", Gate: "floor", Value: 7, Fails: "above", Mode: assay.Shadow,
		Source: "controls", Reason: "why", Evidence: json.RawMessage(`{"n": 3}`), Created: epoch}
	first := put(base)
	next := base
	next.Value, next.Mode, next.Evidence = 8, assay.Enforced, nil
	next = put(next)
	proven := base
	proven.Gate, proven.Mode = "adherence", assay.Calibrated
	proven = put(proven)
	near := base
	near.Gate, near.Fails, near.Mode, near.Identity = "distance", "below", assay.Suspended, lpips
	near = put(near)
	elsewhere := base
	elsewhere.Series = "other"
	put(elsewhere)

	got, err := db.Thresholds(ctx, "s")
	must(t, err)
	same(t, "ruling thresholds", got, []assay.Threshold{proven, near, next})
	got, err = db.ThresholdHistory(ctx, "s", "floor")
	must(t, err)
	same(t, "history", got, []assay.Threshold{first, next})

	check := func(name string, change func(*assay.Threshold)) {
		t.Helper()
		th := base
		change(&th)
		_, err := db.PutThreshold(ctx, th)
		is(t, name, err, assay.ErrInvalid)
	}
	check("no gate", func(th *assay.Threshold) { th.Gate = "" })
	check("no source", func(th *assay.Threshold) { th.Source = "" })
	check("side", func(th *assay.Threshold) { th.Fails = "beside" })
	check("mode", func(th *assay.Threshold) { th.Mode = "" })
	check("value", func(th *assay.Threshold) { th.Value = math.Inf(1) })
	check("evidence", func(th *assay.Threshold) { th.Evidence = json.RawMessage(`{`) })
}

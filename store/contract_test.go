package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

// contract is what every database must do. Each part gets an empty one.
var contract = []struct {
	name string
	test func(*testing.T, *DB)
}{
	{"series names", testSeriesNames},
	{"enter", testEnter},
	{"enter refuses", testEnterRefuses},
	{"enter two series", testEnterTwoSeries},
	{"missing", testMissing},
	{"entries", testEntries},
	{"find image", testFindImage},
	{"readings", testReadings},
	{"record refuses", testRecordRefuses},
	{"series readings", testSeriesReadings},
	{"readings with texts", testTexts},
	{"embeddings", testEmbeddings},
	{"embeddings of an image", testImageEmbeddings},
	{"neighbours", testNeighbours},
	{"controls", testControls},
	{"thresholds", testThresholds},
	{"grids", testGrids},
	{"decisions", testDecisions},
	{"judgments", testJudgments},
	{"judgment refused", testJudgmentRefused},
	{"judgments from elsewhere", testPutJudgments},
	{"rounds", testRounds},
	{"round refused", testRoundRefused},
	{"answers", testAnswers},
	{"answers refused", testAnswersRefused},
	{"questions", testQuestions},
	{"comparisons", testComparisons},
	{"comparison refused", testComparisonRefused},
	{"notes", testNotes},
	{"capabilities", testCapabilities},
	{"calls", testCalls},
	{"call refused", testCallRefused},
	{"pair kinds", testPairKinds},
	{"marks", testMarks},
	{"mark refused", testMarkRefused},
	{"triplets", testTriplets},
	{"triplet refused", testTripletRefused},
	{"rankings", testRankings},
	{"ranking refused", testRankingRefused},
	{"version", testVersion},
	{"callbacks use the database", testCallbacks},
	{"cancelled", testCancelled},
}

func TestContract(t *testing.T) {
	open := map[string]func(*testing.T) *DB{"sqlite": openSQLite}
	for engine, open := range open {
		for _, c := range contract {
			t.Run(engine+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				db := open(t)
				c.test(t, db)
				if errs := db.Check(t.Context()); errs != nil {
					t.Errorf("Check: %v", errs)
				}
			})
		}
	}
}

func openSQLite(t *testing.T) *DB { return openAt(t, t.TempDir(), Options{Now: clock()}) }

func openAt(t testing.TB, dir string, opt Options) *DB {
	t.Helper()
	db, err := Open(context.Background(), dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)

// clock returns a clock that stands still.
func clock() func() time.Time { return func() time.Time { return epoch } }

// picture returns made-up bytes and what an image of them would be.
func picture(n int) (assay.Image, []byte) {
	data := fmt.Appendf(nil, "picture %d", n)
	return assay.Image{ID: assay.DigestOf(data), Bytes: int64(len(data)), Format: "png", Width: 3, Height: 2, Mode: "RGB"}, data
}

func pictureID(n int) assay.Digest { img, _ := picture(n); return img.ID }

// fill makes the series s with n entries, numbered from 1.
func fill(t testing.TB, db *DB, s string, n int) {
	t.Helper()
	must(t, db.CreateSeries(t.Context(), s))
	for i := 1; i <= n; i++ {
		img, data := picture(i)
		_, _, err := db.Enter(t.Context(), img, data, assay.Entry{Series: s})
		must(t, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// is fails t unless err wraps want and says all of words.
func is(t testing.TB, what string, err, want error, words ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want one wrapping %q", what, err, want)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: error %q does not say %q", what, err, w)
		}
	}
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

var (
	niqe  = assay.Identity{Instrument: "niqe", Version: 1, Checkpoint: "c0ffee", Preparation: "gray", Runtime: "go"}
	niqe2 = assay.Identity{Instrument: "niqe", Version: 2, Checkpoint: "c0ffee", Preparation: "gray", Runtime: "go", Synthetic: true}
	lpips = assay.Identity{Instrument: "lpips-squeeze", Version: 1, Preparation: "short 256", Runtime: "onnxruntime 1.30.0 cpu float32"}
)

func testSeriesNames(t *testing.T, db *DB) {
	ctx := t.Context()
	got, err := db.SeriesNames(ctx)
	must(t, err)
	same(t, "no series", got, []string(nil))
	for _, ok := range []string{"b", "a-1_x.y", strings.Repeat("z", 64), "b"} {
		must(t, db.CreateSeries(ctx, ok))
	}
	for _, bad := range []string{"", "A", "a b", "a/b", "é", ".", "..", strings.Repeat("z", 65), "a\n", "a\x00"} {
		is(t, fmt.Sprintf("series %q", bad), db.CreateSeries(ctx, bad), assay.ErrInvalid)
	}
	got, err = db.SeriesNames(ctx)
	must(t, err)
	same(t, "names", got, []string{"a-1_x.y", "b", strings.Repeat("z", 64)})
}

func testEnter(t *testing.T, db *DB) {
	ctx := t.Context()
	must(t, db.CreateSeries(ctx, "s"))
	img, data := picture(1)
	given := assay.Entry{
		Series: "s", Path: "a\xff/b.png", Prompt: "a cat\x00, \"quoted\" 猫", Negative: "dog", Generator: "comfyui",
		Settings: map[string]string{"seed": "18446744073709551615", "": "ü"},
		Parents:  []assay.Digest{pictureID(8), pictureID(7)}, Seq: 99,
	}
	got, known, err := db.Enter(ctx, img, data, given)
	must(t, err)
	want := given
	want.Seq, want.Image, want.Created = 1, img.ID, epoch
	same(t, "entry", got, want)
	if known {
		t.Error("a new image is said to be known")
	}

	again := assay.Entry{Series: "s", Prompt: "another"}
	got, known, err = db.Enter(ctx, img, data, again)
	must(t, err)
	same(t, "entry given again", got, want)
	if !known {
		t.Error("an image given again is not said to be known")
	}

	img2, data2 := picture(2)
	local := time.Date(2020, 5, 6, 7, 8, 9, 123456789, time.FixedZone("", 3600))
	got, _, err = db.Enter(ctx, img2, data2, assay.Entry{Series: "s", Created: local})
	must(t, err)
	same(t, "plain entry", got, assay.Entry{Series: "s", Seq: 2, Image: img2.ID, Created: local.UTC().Truncate(time.Microsecond)})

	stored, err := db.Image(ctx, img.ID)
	must(t, err)
	same(t, "image", stored, img)
	blob, err := db.Blob(ctx, img.ID)
	must(t, err)
	same(t, "blob", blob, data)
	file, err := os.ReadFile(db.BlobPath(img.ID))
	must(t, err)
	same(t, "blob's file", file, data)
	n, err := db.Count(ctx, "s")
	must(t, err)
	same(t, "count", n, int64(2))
}

func testEnterRefuses(t *testing.T, db *DB) {
	ctx := t.Context()
	must(t, db.CreateSeries(ctx, "s"))
	good, data := picture(1)
	check := func(name string, sentinel error, change func(*assay.Image, *[]byte, *assay.Entry)) {
		t.Helper()
		img, d, e := good, bytes.Clone(data), assay.Entry{Series: "s"}
		change(&img, &d, &e)
		_, _, err := db.Enter(ctx, img, d, e)
		is(t, name, err, sentinel)
	}
	check("other bytes", assay.ErrInvalid, func(_ *assay.Image, d *[]byte, _ *assay.Entry) { (*d)[0]++ })
	check("other length", assay.ErrInvalid, func(i *assay.Image, _ *[]byte, _ *assay.Entry) { i.Bytes++ })
	check("no bytes", assay.ErrInvalid, func(i *assay.Image, d *[]byte, _ *assay.Entry) {
		*d, i.Bytes, i.ID = nil, 0, assay.DigestOf(nil)
	})
	check("no width", assay.ErrInvalid, func(i *assay.Image, _ *[]byte, _ *assay.Entry) { i.Width = 0 })
	check("no height", assay.ErrInvalid, func(i *assay.Image, _ *[]byte, _ *assay.Entry) { i.Height = -1 })
	check("no format", assay.ErrInvalid, func(i *assay.Image, _ *[]byte, _ *assay.Entry) { i.Format = "" })
	check("no mode", assay.ErrInvalid, func(i *assay.Image, _ *[]byte, _ *assay.Entry) { i.Mode = "" })
	check("other image", assay.ErrInvalid, func(_ *assay.Image, _ *[]byte, e *assay.Entry) { e.Image = pictureID(2) })
	check("own parent", assay.ErrInvalid, func(i *assay.Image, _ *[]byte, e *assay.Entry) { e.Parents = []assay.Digest{i.ID} })
	check("parent twice", assay.ErrInvalid, func(_ *assay.Image, _ *[]byte, e *assay.Entry) {
		e.Parents = []assay.Digest{pictureID(2), pictureID(2)}
	})
	check("no series", assay.ErrNotFound, func(_ *assay.Image, _ *[]byte, e *assay.Entry) { e.Series = "other" })
	if n, err := db.Count(ctx, "s"); n != 0 || err != nil {
		t.Errorf("refused images were counted: %d, %v", n, err)
	}
	if _, err := db.Blob(ctx, good.ID); !errors.Is(err, assay.ErrNotFound) {
		t.Errorf("a refused image left its bytes: %v", err)
	}
}

func testEnterTwoSeries(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "a", 2)
	must(t, db.CreateSeries(ctx, "b"))
	img, data := picture(2)
	got, known, err := db.Enter(ctx, img, data, assay.Entry{Series: "b"})
	must(t, err)
	if known || got.Seq != 1 {
		t.Errorf("image of another series: seq %d, known %t; want 1, false", got.Seq, known)
	}
	e, err := db.Entry(ctx, "a", img.ID)
	must(t, err)
	same(t, "place in a", e.Seq, int64(2))
}

func testMissing(t *testing.T, db *DB) {
	ctx := t.Context()
	must(t, db.CreateSeries(ctx, "s"))
	id := pictureID(1)
	do := map[string]func() error{
		"Image":            func() error { _, err := db.Image(ctx, id); return err },
		"Blob":             func() error { _, err := db.Blob(ctx, id); return err },
		"Entry":            func() error { _, err := db.Entry(ctx, "s", id); return err },
		"Grid":             func() error { _, err := db.Grid(ctx, "s"); return err },
		"Round":            func() error { _, err := db.Round(ctx, 1); return err },
		"OpenRound":        func() error { _, _, err := db.OpenRound(ctx, "s", "me"); return err },
		"Withdraw":         func() error { return db.Withdraw(ctx, 1) },
		"FindImage":        func() error { _, err := db.FindImage(ctx, "s", "abcd"); return err },
		"Record":           func() error { return db.Record(ctx, Measurement{Series: "s", Seq: 1}) },
		"Entries/x":        func() error { _, err := db.Entries(ctx, "x", 0, 0); return err },
		"Count/x":          func() error { _, err := db.Count(ctx, "x"); return err },
		"FindImage/x":      func() error { _, err := db.FindImage(ctx, "x", "abcd"); return err },
		"Record/x":         func() error { return db.Record(ctx, Measurement{Series: "x", Seq: 1}) },
		"SeriesReadings/x": func() error { return db.SeriesReadings(ctx, "x", "niqe", nil) },
		"Embeddings/x":     func() error { return db.Embeddings(ctx, "x", niqe, nil) },
		"Neighbours/x":     func() error { return db.Neighbours(ctx, "x", nil) },
		"PutControls/x":    func() error { return db.PutControls(ctx, []assay.Control{{Series: "x", Transform: "none"}}) },
		"Controls/x":       func() error { _, err := db.Controls(ctx, "x", "niqe"); return err },
		"PutThreshold/x": func() error {
			_, err := db.PutThreshold(ctx, assay.Threshold{Series: "x", Gate: "g", Source: "s", Fails: "above", Mode: assay.Shadow})
			return err
		},
		"Thresholds/x":       func() error { _, err := db.Thresholds(ctx, "x"); return err },
		"ThresholdHistory/x": func() error { _, err := db.ThresholdHistory(ctx, "x", "g"); return err },
		"PutGrid/x":          func() error { _, err := db.PutGrid(ctx, grid("x")); return err },
		"Grid/x":             func() error { _, err := db.Grid(ctx, "x"); return err },
		"Grids/x":            func() error { _, err := db.Grids(ctx, "x"); return err },
		"PutDecisions/x": func() error {
			return db.PutDecisions(ctx, []assay.Decision{{Series: "x", Placement: assay.Added}})
		},
		"Decisions/x":     func() error { _, err := db.Decisions(ctx, "x", id); return err },
		"PutJudgment/x":   func() error { _, err := db.PutJudgment(ctx, judgment("x", 1, 2)); return err },
		"PutJudgments/x":  func() error { return db.PutJudgments(ctx, nil, note("x", 0, "import")) },
		"Judgments/x":     func() error { _, err := db.Judgments(ctx, "x"); return err },
		"PutRound/x":      func() error { _, err := db.PutRound(ctx, round("x", 1, 2)); return err },
		"OpenRound/x":     func() error { _, _, err := db.OpenRound(ctx, "x", "me"); return err },
		"Version/x":       func() error { _, err := db.Version(ctx, "x"); return err },
		"PutAnswers/x":    func() error { return db.PutAnswers(ctx, []assay.Answer{answer("x", 1)}) },
		"Answers/x":       func() error { _, err := db.Answers(ctx, "x", id); return err },
		"SeriesAnswers/x": func() error { return db.SeriesAnswers(ctx, "x", nil) },
		"Question":        func() error { _, err := db.Question(ctx, "none"); return err },
		"PutComparison/x": func() error { _, err := db.PutComparison(ctx, comparison("x", 1, 2)); return err },
		"Comparisons/x":   func() error { _, err := db.Comparisons(ctx, "x"); return err },
		"PutNote/x":       func() error { _, err := db.PutNote(ctx, note("x", 0, "audit")); return err },
		"Notes/x":         func() error { _, err := db.Notes(ctx, "x", id, ""); return err },
		"WithdrawMark":    func() error { return db.WithdrawMark(ctx, 1) },
		"AnswerTriplet":   func() error { return db.AnswerTriplet(ctx, 1, 0, 0) },
		"OpenTriplet":     func() error { _, err := db.OpenTriplet(ctx, "s", "me"); return err },
		"AnswerRanking":   func() error { return db.AnswerRanking(ctx, 1, nil) },
		"OpenRanking":     func() error { _, err := db.OpenRanking(ctx, "s", "me"); return err },
		"PutMark/x":       func() error { _, err := db.PutMark(ctx, mark("x", 1, assay.Interesting)); return err },
		"MoveMark/x":      func() error { _, err := db.MoveMark(ctx, mark("x", 1, assay.Breakthrough)); return err },
		"Marks/x":         func() error { _, err := db.Marks(ctx, "x"); return err },
		"PutTriplet/x":    func() error { _, err := db.PutTriplet(ctx, triplet("x", 1, 2, 3)); return err },
		"OpenTriplet/x":   func() error { _, err := db.OpenTriplet(ctx, "x", "me"); return err },
		"Triplets/x":      func() error { _, err := db.Triplets(ctx, "x"); return err },
		"PutRanking/x":    func() error { _, err := db.PutRanking(ctx, ranking("x", 1, 2, 3)); return err },
		"OpenRanking/x":   func() error { _, err := db.OpenRanking(ctx, "x", "me"); return err },
		"Rankings/x":      func() error { _, err := db.Rankings(ctx, "x"); return err },
		"Capabilities":    func() error { _, err := db.Capabilities(ctx, qwen); return err },
	}
	for name, f := range do {
		is(t, name, f(), assay.ErrNotFound)
	}
	got, err := db.Readings(ctx, id)
	must(t, err)
	same(t, "readings of an unknown image", got, []assay.Reading(nil))
}

func testEntries(t *testing.T, db *DB) {
	fill(t, db, "s", 5)
	check := func(after int64, limit int, want ...int64) {
		t.Helper()
		es, err := db.Entries(t.Context(), "s", after, limit)
		must(t, err)
		var got []int64
		for _, e := range es {
			got = append(got, e.Seq)
			if e.Image != pictureID(int(e.Seq)) || e.Series != "s" {
				t.Errorf("entry %d is %+v", e.Seq, e)
			}
		}
		same(t, fmt.Sprintf("after %d, limit %d", after, limit), got, want)
	}
	check(0, 0, 1, 2, 3, 4, 5)
	check(2, 0, 3, 4, 5)
	check(0, 2, 1, 2)
	check(4, 2, 5)
	check(5, 0)
	_, err := db.Entries(t.Context(), "s", 0, -1)
	is(t, "negative limit", err, assay.ErrInvalid)
}

func testFindImage(t *testing.T, db *DB) {
	ctx := t.Context()
	// 700 names of 16 bits in front: some pair shares them (the chance of none
	// is 1 in 40, and the pictures are always the same).
	fill(t, db, "s", 700)
	must(t, db.CreateSeries(ctx, "empty"))
	byPrefix := make(map[string][]assay.Digest)
	for i := 1; i <= 700; i++ {
		d := pictureID(i)
		byPrefix[d.String()[:4]] = append(byPrefix[d.String()[:4]], d)
	}
	ambiguous := 0
	for prefix, ids := range byPrefix {
		got, err := db.FindImage(ctx, "s", prefix)
		if len(ids) == 1 {
			must(t, err)
			same(t, prefix, got, ids[0])
			continue
		}
		ambiguous++
		is(t, prefix, err, assay.ErrInvalid, ids[0].String(), ids[1].String())
	}
	if ambiguous == 0 {
		t.Error("no two pictures share 4 digits: the ambiguous case was not tried")
	}
	d := pictureID(1)
	for n := 12; n <= 64; n++ {
		got, err := db.FindImage(ctx, "s", strings.ToUpper(d.String()[:n]))
		must(t, err)
		same(t, "longer prefix", got, d)
	}
	for _, bad := range []string{"", "abc", "wxyz", d.String() + "0", "%%%%", "abc "} {
		_, err := db.FindImage(ctx, "s", bad)
		is(t, bad, err, assay.ErrInvalid)
	}
	_, err := db.FindImage(ctx, "empty", d.String())
	is(t, "image of another series", err, assay.ErrNotFound)
}

// A write whose context ends under it, at whatever moment, says that the context
// ended, and has either happened or not.
func TestWriteEndsWithContext(t *testing.T) {
	db := openSQLite(t)
	if err := db.CreateSeries(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	for k := range 300 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(k)*20*time.Microsecond)
		_, err := db.PutGrid(ctx, assay.GridSpec{Series: "s", Axes: []assay.Axis{
			{Descriptor: "a", Lo: 0, Hi: 1, Cells: 2}, {Descriptor: "b", Lo: 0, Hi: 1, Cells: 2}}, Reason: "test"})
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("after %d·20 µs: %v", k, err)
		}
	}
}

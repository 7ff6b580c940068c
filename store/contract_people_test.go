package store

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
)

func mark(series string, n int, kind assay.MarkKind) assay.Mark {
	return assay.Mark{Series: series, Image: pictureID(n), Rater: "me", Kind: kind, Created: epoch}
}

func triplet(series string, a, b, c int) assay.Triplet {
	return assay.Triplet{Series: series, Rater: "me", Images: [3]assay.Digest{pictureID(a), pictureID(b), pictureID(c)}, Propensity: 0.25, Asked: epoch}
}

func ranking(series string, pictures ...int) assay.Ranking {
	r := assay.Ranking{Series: series, Rater: "me", Asked: epoch}
	for i, n := range pictures {
		r.Shown = append(r.Shown, assay.Ranked{Image: pictureID(n), Contested: i%2 == 0, Propensity: 1 / float64(i+1)})
	}
	return r
}

// put is a number or a fatal error.
func put(t *testing.T) func(id int64, err error) int64 {
	return func(id int64, err error) int64 {
		t.Helper()
		must(t, err)
		return id
	}
}

func testPairKinds(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 6)
	r := round("s", 1, 2)
	r.Pairs = nil
	for i, kind := range []assay.PairKind{assay.ArchivePair, assay.InformationPair, assay.JudgePair, assay.RandomPair, ""} {
		r.Pairs = append(r.Pairs, assay.Pair{Left: pictureID(i + 1), Right: pictureID(i + 2), Kind: kind, Propensity: 0.5})
	}
	second := round("s", 1, 2)
	second.Pairs = []assay.Pair{{Left: pictureID(2), Right: pictureID(1), Kind: assay.RepeatPair}, {Left: pictureID(1), Right: pictureID(6), Kind: assay.AuditPair}}
	for _, want := range []assay.Round{r, second} {
		want.ID = put(t)(db.PutRound(ctx, want))
		got, err := db.Round(ctx, want.ID)
		must(t, err)
		same(t, "round with kinds", got, want)
	}
	second.Pairs[0].Kind = "whim"
	_, err := db.PutRound(ctx, second)
	is(t, "unknown kind", err, assay.ErrInvalid, "whim")
}

func testMarks(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 4)
	fill(t, db, "other", 1)
	r := put(t)(db.PutRound(ctx, round("s", 1, 2)))
	add := func(m assay.Mark) assay.Mark {
		t.Helper()
		m.ID = put(t)(db.PutMark(ctx, m))
		return m
	}
	fine := mark("s", 1, assay.Interesting)
	fine.Round = r
	fine = add(fine)
	same(t, "a second click", put(t)(db.PutMark(ctx, mark("s", 1, assay.Interesting))), fine.ID)
	also := add(mark("s", 2, assay.Interesting))
	best := add(mark("s", 1, assay.Breakthrough))
	same(t, "a second click", put(t)(db.PutMark(ctx, mark("s", 1, assay.Breakthrough))), best.ID)
	theirs := mark("s", 2, assay.Breakthrough)
	theirs.Rater = "them"
	theirs = add(theirs)
	elsewhere := add(mark("other", 1, assay.Breakthrough))
	_, err := db.PutMark(ctx, mark("s", 3, assay.Breakthrough))
	is(t, "a second breakthrough", err, assay.ErrConflict, pictureID(1).Short(), fmt.Sprint("mark ", best.ID))

	moved := mark("s", 3, assay.Breakthrough)
	moved.ID = put(t)(db.MoveMark(ctx, moved))
	best.Withdrawn = true
	same(t, "moved to where it is", put(t)(db.MoveMark(ctx, mark("s", 3, assay.Breakthrough))), moved.ID)
	must(t, db.WithdrawMark(ctx, also.ID))
	must(t, db.WithdrawMark(ctx, also.ID))
	also.Withdrawn = true
	again := add(mark("s", 2, assay.Interesting))
	if again.ID == also.ID {
		t.Error("a mark given after a withdrawal got the withdrawn one's number")
	}
	must(t, db.WithdrawMark(ctx, moved.ID))
	moved.Withdrawn = true
	back := mark("s", 1, assay.Breakthrough)
	back.ID = put(t)(db.MoveMark(ctx, back)) // there is none to move
	got, err := db.Marks(ctx, "s")
	must(t, err)
	same(t, "marks", got, []assay.Mark{fine, also, best, theirs, moved, again, back})
	got, err = db.Marks(ctx, "other")
	must(t, err)
	same(t, "marks of another series", got, []assay.Mark{elsewhere})
}

func testMarkRefused(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 2)
	fill(t, db, "other", 3)
	theirs := put(t)(db.PutRound(ctx, round("other", 1, 2)))
	check := func(name string, change func(*assay.Mark)) {
		t.Helper()
		m := mark("s", 1, assay.Interesting)
		change(&m)
		_, err := db.PutMark(ctx, m)
		is(t, name, err, assay.ErrInvalid)
	}
	check("no rater", func(m *assay.Mark) { m.Rater = "" })
	check("kind", func(m *assay.Mark) { m.Kind = "nice" })
	check("an image of another series", func(m *assay.Mark) { m.Image = pictureID(3) })
	check("no round", func(m *assay.Mark) { m.Round = 99 })
	check("a round of another series", func(m *assay.Mark) { m.Round = theirs })
	_, err := db.MoveMark(ctx, mark("s", 1, assay.Interesting))
	is(t, "moving what does not move", err, assay.ErrInvalid)

	// A move that fails withdraws nothing.
	put(t)(db.PutMark(ctx, mark("s", 1, assay.Breakthrough)))
	bad := mark("s", 2, assay.Breakthrough)
	bad.Round = 99
	_, err = db.MoveMark(ctx, bad)
	is(t, "move with a bad round", err, assay.ErrInvalid)
	got, err := db.Marks(ctx, "s")
	must(t, err)
	if len(got) != 1 || got[0].Withdrawn {
		t.Errorf("after a refused move: %+v", got)
	}
}

// However many moves race, one breakthrough stands.
func TestMovesRace(t *testing.T) {
	db := openSQLite(t)
	fill(t, db, "s", 8)
	var wg sync.WaitGroup
	for n := range 32 {
		wg.Go(func() {
			if _, err := db.MoveMark(t.Context(), mark("s", n%8+1, assay.Breakthrough)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := db.Marks(t.Context(), "s")
	must(t, err)
	standing := slices.DeleteFunc(got, func(m assay.Mark) bool { return m.Withdrawn })
	if len(standing) != 1 {
		t.Errorf("%d breakthroughs stand: %+v", len(standing), standing)
	}
	if errs := db.Check(t.Context()); errs != nil {
		t.Errorf("Check: %v", errs)
	}
}

func testTriplets(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 4)
	add := func(q assay.Triplet) assay.Triplet {
		t.Helper()
		q.ID = put(t)(db.PutTriplet(ctx, q))
		return q
	}
	first, second := add(triplet("s", 3, 1, 2)), add(triplet("s", 1, 2, 3))
	theirs := triplet("s", 1, 2, 4)
	theirs.Rater, theirs.Propensity = "them", 0
	theirs = add(theirs)
	elsewhere := triplet("s", 4, 3, 2)
	elsewhere.Odd, elsewhere.Latency, elsewhere.Answered = 2, 3*time.Second, epoch.Add(-time.Hour)
	elsewhere = add(elsewhere)

	open := func(name string, want assay.Triplet) {
		t.Helper()
		got, err := db.OpenTriplet(ctx, "s", "me")
		must(t, err)
		same(t, name, got, want)
	}
	open("newest first", second)
	must(t, db.AnswerTriplet(ctx, second.ID, 1, 1500*time.Millisecond))
	must(t, db.AnswerTriplet(ctx, second.ID, 1, time.Minute)) // an impatient second click
	second.Odd, second.Latency, second.Answered = 1, 1500*time.Millisecond, epoch
	is(t, "another answer", db.AnswerTriplet(ctx, second.ID, 0, 0), assay.ErrConflict)
	is(t, "a skip after an answer", db.AnswerTriplet(ctx, second.ID, -1, 0), assay.ErrConflict)
	open("the other one", first)
	must(t, db.AnswerTriplet(ctx, first.ID, -1, 0))
	first.Odd, first.Answered = -1, epoch
	_, err := db.OpenTriplet(ctx, "s", "me")
	is(t, "all answered", err, assay.ErrNotFound)
	got, err := db.Triplets(ctx, "s")
	must(t, err)
	same(t, "triplets", got, []assay.Triplet{first, second, theirs, elsewhere})
}

func testTripletRefused(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 3)
	fill(t, db, "other", 4)
	check := func(name string, change func(*assay.Triplet)) {
		t.Helper()
		q := triplet("s", 1, 2, 3)
		change(&q)
		_, err := db.PutTriplet(ctx, q)
		is(t, name, err, assay.ErrInvalid)
	}
	check("no rater", func(q *assay.Triplet) { q.Rater = "" })
	check("first is second", func(q *assay.Triplet) { q.Images[1] = q.Images[0] })
	check("first is third", func(q *assay.Triplet) { q.Images[2] = q.Images[0] })
	check("second is third", func(q *assay.Triplet) { q.Images[2] = q.Images[1] })
	check("an image of another series", func(q *assay.Triplet) { q.Images[2] = pictureID(4) })
	check("propensity", func(q *assay.Triplet) { q.Propensity = math.NaN() })
	check("propensity", func(q *assay.Triplet) { q.Propensity = 1.5 })
	check("odd one", func(q *assay.Triplet) { q.Odd, q.Answered = 3, epoch })
	check("latency", func(q *assay.Triplet) { q.Latency, q.Answered = -1, epoch })
	id := put(t)(db.PutTriplet(ctx, triplet("s", 1, 2, 3)))
	is(t, "odd one of an answer", db.AnswerTriplet(ctx, id, -2, 0), assay.ErrInvalid)
	is(t, "latency of an answer", db.AnswerTriplet(ctx, id, 0, -1), assay.ErrInvalid)
	got, err := db.Triplets(ctx, "s")
	must(t, err)
	if len(got) != 1 || !got[0].Answered.IsZero() {
		t.Errorf("after refusals: %+v", got)
	}
}

func testRankings(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 20)
	add := func(r assay.Ranking) assay.Ranking {
		t.Helper()
		r.ID = put(t)(db.PutRanking(ctx, r))
		return r
	}
	first, second := add(ranking("s", 3, 1, 2)), add(ranking("s", 5, 4, 3, 2))
	theirs := ranking("s", 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1)
	theirs.Rater = "them"
	theirs = add(theirs)
	elsewhere := ranking("s", 1, 2, 3)
	elsewhere.Order, elsewhere.Answered = []assay.Digest{pictureID(2), pictureID(3), pictureID(1)}, epoch.Add(-time.Hour)
	elsewhere = add(elsewhere)

	open := func(name string, want assay.Ranking) {
		t.Helper()
		got, err := db.OpenRanking(ctx, "s", "me")
		must(t, err)
		same(t, name, got, want)
	}
	open("newest first", second)
	order := []assay.Digest{pictureID(2), pictureID(5), pictureID(3), pictureID(4)}
	for name, bad := range map[string][]assay.Digest{
		"none": nil, "one left out": order[:3], "one twice": append(order[:3:3], order[0]),
		"one not shown": append(order[:3:3], pictureID(1)), "one too many": append(order[:4:4], pictureID(1)),
	} {
		is(t, name, db.AnswerRanking(ctx, second.ID, bad), assay.ErrInvalid)
	}
	open("refused orders leave nothing", second)
	must(t, db.AnswerRanking(ctx, second.ID, order))
	must(t, db.AnswerRanking(ctx, second.ID, order))
	second.Order, second.Answered = order, epoch
	other := []assay.Digest{order[1], order[0], order[2], order[3]}
	is(t, "another order", db.AnswerRanking(ctx, second.ID, other), assay.ErrConflict)
	open("the other one", first)
	got, err := db.Rankings(ctx, "s")
	must(t, err)
	same(t, "rankings", got, []assay.Ranking{first, second, theirs, elsewhere})
	must(t, db.AnswerRanking(ctx, first.ID, []assay.Digest{pictureID(3), pictureID(1), pictureID(2)}))
	_, err = db.OpenRanking(ctx, "s", "me")
	is(t, "all answered", err, assay.ErrNotFound)
}

func testRankingRefused(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 3)
	fill(t, db, "other", 22)
	check := func(name string, change func(*assay.Ranking)) {
		t.Helper()
		r := ranking("s", 1, 2, 3)
		change(&r)
		_, err := db.PutRanking(ctx, r)
		is(t, name, err, assay.ErrInvalid)
	}
	many := ranking("other", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21)
	check("no rater", func(r *assay.Ranking) { r.Rater = "" })
	check("two images", func(r *assay.Ranking) { r.Shown = r.Shown[:2] })
	check("too many images", func(r *assay.Ranking) { r.Series, r.Shown = "other", many.Shown })
	check("an image twice", func(r *assay.Ranking) { r.Shown[2] = r.Shown[0] })
	check("an image of another series", func(r *assay.Ranking) { r.Shown[2].Image = pictureID(4) })
	check("propensity", func(r *assay.Ranking) { r.Shown[0].Propensity = math.NaN() })
	check("an order without its time", func(r *assay.Ranking) { r.Order = []assay.Digest{pictureID(1)} })
	check("half an order", func(r *assay.Ranking) { r.Order, r.Answered = []assay.Digest{pictureID(1)}, epoch })
	got, err := db.Rankings(ctx, "s")
	must(t, err)
	same(t, "rankings after refusals", got, []assay.Ranking(nil))
}

// Check says what the schema cannot hold.
func TestCheckPeople(t *testing.T) {
	db := openSQLite(t)
	furnish(t, db)
	for range 2 {
		_, err := db.writer.Exec(`INSERT INTO mark (series, image, rater, kind, created) VALUES (1, 3, 'them', 'breakthrough', 1)`)
		must(t, err)
	}
	errs := db.Check(t.Context())
	if len(errs) != 2 {
		t.Fatalf("Check found %v", errs)
	}
	same(t, "ranking", errs[0].Error(), "store: ranking 3 is corrupt: shows 2 images and puts 1 in order")
	same(t, "mark", errs[1].Error(), "store: mark s is corrupt: them has 2 breakthroughs that stand; want one")
}

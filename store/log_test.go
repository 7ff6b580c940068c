package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
)

// strange adds facts whose values are hard to write down.
func strange(t *testing.T, db *DB) {
	t.Helper()
	ctx := t.Context()
	must(t, db.CreateSeries(ctx, "strange"))
	img, data := picture(100)
	_, _, err := db.Enter(ctx, img, data, assay.Entry{
		Series: "strange", Path: "a\xff\"\\/b.png", Prompt: "a cat\x00,\t\"quoted\" <猫> \u2028\U0001f600\x7f\x1f", Generator: "{}",
		Settings: map[string]string{"seed": "18446744073709551615", "": "ü"}, Parents: []assay.Digest{pictureID(8), pictureID(7)},
	})
	must(t, err)
	var readings []assay.Reading
	for i, v := range []float64{0, math.Copysign(0, -1), 1, -1.5, 0.1, math.MaxFloat64, math.SmallestNonzeroFloat64, 1e21, 1e20, -123456789.125} {
		id := niqe
		id.Version = i + 1
		readings = append(readings, assay.Reading{Identity: id, Image: img.ID, Value: v, Warnings: []string{"a\nb"}})
	}
	must(t, db.Record(ctx, Measurement{Series: "strange", Seq: 1, Readings: readings,
		Embeddings: []assay.Embedding{{Identity: niqe, Image: img.ID, Vector: []float32{0.1, -0, math.MaxFloat32}}}}))
}

func exportLog(t testing.TB, db *DB, opt LogOptions) ([]byte, LogSum) {
	t.Helper()
	var out bytes.Buffer
	sum, err := db.ExportLog(t.Context(), &out, opt)
	must(t, err)
	return out.Bytes(), sum
}

// lines cuts a log into its lines, each with its end.
func lines(log []byte) []string {
	return strings.SplitAfter(strings.TrimSuffix(string(log), "\n"), "\n")
}

// A workspace that is rebuilt from its log has the same log, byte for byte, and
// goes on where the other stood.
func TestLogRebuilds(t *testing.T) {
	ctx := t.Context()
	db := openSQLite(t)
	furnish(t, db)
	strange(t, db)
	for _, images := range []bool{true, false} {
		log, sum := exportLog(t, db, LogOptions{Images: images})
		again, _ := exportLog(t, db, LogOptions{Images: images})
		if !bytes.Equal(log, again) {
			t.Fatal("two exports of the same facts differ")
		}
		checked, err := CheckLog(bytes.NewReader(log))
		must(t, err)
		same(t, "sum of the check", checked, sum)
		opt := LogOptions{}
		if !images {
			opt.Blob = func(id assay.Digest) ([]byte, error) { return db.Blob(ctx, id) }
		}
		rebuilt := openSQLite(t)
		got, err := rebuilt.ImportLog(ctx, bytes.NewReader(log), opt)
		must(t, err)
		same(t, "sum of the import", got, sum)
		again, _ = exportLog(t, rebuilt, LogOptions{Images: images})
		if !bytes.Equal(log, again) {
			t.Errorf("the log of the rebuilt workspace differs:\n%s\nwant\n%s", again, log)
		}
		sameWorkspace(t, rebuilt, db)
	}
	same(t, "tables", len(logTables), len(valid))
	_, sum := exportLog(t, db, LogOptions{})
	for table := range valid {
		if sum.Tables[table].Rows == 0 {
			t.Errorf("the workspace that was tried has no rows of %s", table)
		}
	}
}

// sameWorkspace compares what two workspaces say, and what they do next.
func sameWorkspace(t *testing.T, got, want *DB) {
	t.Helper()
	ctx := t.Context()
	say := func(db *DB) (all []any) {
		for _, series := range []string{"s", "third", "strange"} {
			version, err := db.Version(ctx, series)
			must(t, err)
			entries, err := db.Entries(ctx, series, 0, 0)
			must(t, err)
			marks, err := db.Marks(ctx, series)
			must(t, err)
			rankings, err := db.Rankings(ctx, series)
			must(t, err)
			judgments, err := db.Judgments(ctx, series)
			must(t, err)
			all = append(all, version, entries, marks, rankings, judgments)
			for _, e := range entries {
				readings, err := db.Readings(ctx, e.Image)
				must(t, err)
				vectors, err := db.ImageEmbeddings(ctx, e.Image)
				must(t, err)
				blob, err := db.Blob(ctx, e.Image)
				must(t, err)
				all = append(all, readings, vectors, blob)
			}
		}
		for _, err := range db.Check(ctx) {
			all = append(all, err.Error())
		}
		return all
	}
	same(t, "rebuilt workspace", say(got), say(want))
	judgments, err := got.Judgments(ctx, "s")
	must(t, err)
	same(t, "the next number", put(t)(got.PutJudgment(ctx, judgment("s", 1, 2))), judgments[len(judgments)-1].ID+1)
}

// Not one byte of a log can be changed, left out or added unseen.
func TestLogNoticesEveryChange(t *testing.T) {
	db := openSQLite(t)
	fill(t, db, "s", 2)
	put(t)(db.PutJudgment(t.Context(), judgment("s", 1, 2)))
	log, _ := exportLog(t, db, LogOptions{Images: true})
	check := func(what string, log []byte, words ...string) {
		t.Helper()
		_, err := CheckLog(bytes.NewReader(log))
		is(t, what, err, assay.ErrInvalid, append(words, "line ")...)
	}
	for i := range log {
		for _, bit := range []byte{1, 0x20} {
			changed := bytes.Clone(log)
			changed[i] ^= bit
			check(fmt.Sprintf("byte %d %q", i, log[i]), changed)
		}
		check(fmt.Sprintf("byte %d left out", i), slices.Delete(bytes.Clone(log), i, i+1))
		check(fmt.Sprintf("cut at byte %d", i), log[:i], "cut short")
		for _, b := range []byte(" \n\r0") {
			check(fmt.Sprintf("%q before byte %d", b, i), slices.Insert(bytes.Clone(log), i, b))
		}
	}
	check("something after the end", append(bytes.Clone(log), '\n'), "follows the sum")
	all := lines(log)
	for i := range all {
		for j := range i {
			swapped := slices.Clone(all)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			check(fmt.Sprintf("lines %d and %d swapped", j, i), []byte(strings.Join(swapped, "")))
		}
		check(fmt.Sprintf("line %d left out", i), []byte(strings.Join(slices.Delete(slices.Clone(all), i, i+1), "")))
		check(fmt.Sprintf("line %d twice", i), []byte(strings.Join(slices.Insert(slices.Clone(all), i, all[i]), "")))
	}
}

// relog makes a log out of rows, "table {…}", and of images' lines, with chains and
// a sum as they should be.
func relog(header string, rows ...string) []byte {
	log := []byte(header + "\n")
	sum := LogSum{Tables: map[string]LogHead{}}
	for _, line := range rows {
		table, row, ok := strings.Cut(line, " ")
		if !ok {
			log = append(log, line+"\n"...)
			continue
		}
		head, known := sum.Tables[table]
		if !known {
			head = chainStart(table)
		}
		head.add([]byte(row))
		sum.Tables[table] = head
		sum.Rows++
		log = fmt.Appendf(log, rowLine, table, row, head.Chain)
	}
	sum.SHA256 = sha256.Sum256(log)
	last, _ := json.Marshal(sum)
	return append(append(log, last...), '\n')
}

func logHead(t testing.TB) string {
	files, err := migrations.ReadDir("migrations")
	must(t, err)
	return fmt.Sprintf(`{"assay":"log","format":1,"schema":%d}`, len(files))
}

// A log whose chains are right is still held to the rules, and a refused one leaves
// nothing.
func TestLogRefused(t *testing.T) {
	db := openSQLite(t)
	ctx := t.Context()
	head := logHead(t)
	img, data := picture(1)
	series := `series {"id":1,"name":"s","created":1}`
	blob := strings.TrimSpace(fmt.Sprintf(blobLine, img.ID, "cGljdHVyZSAx"))
	row := fmt.Sprintf(`image {"num":1,"id":"%s","bytes":%d,"format":"png","width":3,"height":2,"mode":"RGB","created":1}`, img.ID, len(data))
	for _, c := range []struct {
		name string
		want error
		says string
		log  []byte
	}{
		{"empty", assay.ErrInvalid, "cut short", nil},
		{"another file", assay.ErrInvalid, "first line of a log", []byte("left,right,winner\na,b,left\n")},
		{"another format", assay.ErrInvalid, "format 2", relog(`{"assay":"log","format":2,"schema":5}`)},
		{"table", assay.ErrInvalid, `table "sqlite_schema" is unknown`, relog(head, `sqlite_schema {"name":"x"}`)},
		{"injection", assay.ErrInvalid, `is unknown`, relog(head, `series(id);-- {"name":"x"}`)},
		{"column", assay.ErrInvalid, `column "hue" is unknown`, relog(head, `series {"id":1,"name":"s","created":1,"hue":1}`)},
		{"newer column", assay.ErrInvalid, `newer version of assay (schema 99`, relog(`{"assay":"log","format":1,"schema":99}`, `series {"id":1,"name":"s","created":1,"hue":1}`)},
		{"order", assay.ErrInvalid, "is written", relog(head, `series {"name":"s","id":1,"created":1}`)},
		{"number", assay.ErrInvalid, "column id", relog(head, `series {"id":1e0,"name":"s","created":1}`)},
		{"nothing", assay.ErrInvalid, "no columns", relog(head, `series {}`)},
		{"null", assay.ErrInvalid, "is written", relog(head, `series {"id":1,"name":null,"created":1}`)},
		{"number as text", assay.ErrInvalid, "column id", relog(head, `series {"id":"1","name":"s","created":1}`)},
		{"object for text", assay.ErrInvalid, "is written", relog(head, `series {"id":1,"name":{"hex":"73"},"created":1}`)},
		{"bad hex", assay.ErrInvalid, "column name", relog(head, `series {"id":1,"name":{"hex":"7"},"created":1}`)},
		{"no object", assay.ErrInvalid, "series", relog(head, `series 5`)},
		{"no number", assay.ErrInvalid, "rows of series are not in the order or the form", relog(head, `series {"name":"s","created":1}`)},
		{"numbers out of order", assay.ErrInvalid, "rows of series are not in the order", relog(head,
			`series {"id":2,"name":"s","created":1}`, `series {"id":1,"name":"t","created":1}`)},
		{"rule", assay.ErrInvalid, "series_name_valid", relog(head, `series {"id":1,"name":"S","created":1}`)},
		{"reference", assay.ErrInvalid, "FOREIGN KEY", relog(head, series, `round {"id":1,"series":2,"rater":"me","created":1}`)},
		{"twice", assay.ErrInvalid, "UNIQUE", relog(head, series, series)},
		{"not a number", assay.ErrInvalid, "invalid character", relog(head, series, `triplet {"id":1,"propensity":NaN}`)},
		{"infinite", assay.ErrInvalid, "finite", relog(head, series, `triplet {"id":1,"propensity":1e999}`)},
		{"no bytes", assay.ErrNotFound, "export log --images", relog(head, row)},
		{"wrong length", assay.ErrInvalid, "its row says 8", relog(head, blob, strings.Replace(row, `"bytes":9`, `"bytes":8`, 1))},
		{"no digest", assay.ErrInvalid, "digest", relog(head, strings.Replace(row, img.ID.String(), "00", 1))},
		{"rule after an image", assay.ErrInvalid, "image_size_positive", relog(head, blob, strings.Replace(row, `"width":3`, `"width":0`, 1))},
	} {
		_, err := db.ImportLog(ctx, bytes.NewReader(c.log), LogOptions{})
		is(t, c.name, err, c.want, c.says)
		_, sum := exportLog(t, db, LogOptions{})
		if sum.Rows != 0 {
			t.Fatalf("%s: %d rows were kept", c.name, sum.Rows)
		}
	}
	give := func(data []byte, err error) LogOptions {
		return LogOptions{Blob: func(assay.Digest) ([]byte, error) { return data, err }}
	}
	rest := relog(head, strings.Replace(row, img.ID.String(), pictureID(2).String(), 1))
	_, err := db.ImportLog(ctx, bytes.NewReader(rest), give(data, nil))
	is(t, "other bytes", err, assay.ErrInvalid, img.ID.String())
	_, err = db.ImportLog(ctx, bytes.NewReader(rest), give(nil, fmt.Errorf("gone: %w", assay.ErrNotFound)))
	is(t, "no bytes", err, assay.ErrNotFound, "gone")
	_, err = db.ImportLog(ctx, io.MultiReader(strings.NewReader(head+"\n"), errReader{}), LogOptions{})
	is(t, "a reader that fails", err, errBroken, "line 2")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = db.ImportLog(cancelled, bytes.NewReader(relog(head, series)), LogOptions{})
	is(t, "cancelled", err, context.Canceled)

	_, err = db.ImportLog(ctx, bytes.NewReader(relog(head, series, blob, row)), LogOptions{})
	must(t, err)
	_, err = db.ImportLog(ctx, bytes.NewReader(relog(head)), LogOptions{})
	is(t, "a workspace with facts", err, assay.ErrConflict, "new workspace")
}

var errBroken = errors.New("broken")

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errBroken }

// A later log of the same workspace passes through the heads of an earlier one,
// unless facts were changed behind the program's back.
func TestLogGrows(t *testing.T) {
	ctx := t.Context()
	db := openSQLite(t)
	furnish(t, db)
	_, before := exportLog(t, db, LogOptions{})
	strange(t, db)
	furnishPeople2(t, db)
	_, after := exportLog(t, db, LogOptions{After: &before})
	for table, head := range before.Tables {
		if after.Tables[table].Rows < head.Rows {
			t.Errorf("%s lost rows", table)
		}
	}
	refused := func(what string, sum *LogSum, table string) {
		t.Helper()
		_, err := db.ExportLog(ctx, io.Discard, LogOptions{After: sum})
		is(t, what, err, assay.ErrConflict, "exporting "+table)
	}
	other := openSQLite(t)
	fill(t, other, "other", 1)
	_, theirs := exportLog(t, other, LogOptions{})
	refused("another workspace's log", &theirs, "series")
	for _, change := range []string{
		`DROP TRIGGER judgment_never_changed; UPDATE judgment SET grade = -2 WHERE id = 1`,
		`DROP TRIGGER mark_withdrawal_never_removed; DELETE FROM mark_withdrawal`,
	} {
		_, err := db.writer.Exec(change)
		must(t, err)
	}
	refused("a judgment was changed", &before, "judgment")
	delete(before.Tables, "judgment")
	refused("a withdrawal was removed", &before, "mark_withdrawal")
}

func furnishPeople2(t *testing.T, db *DB) {
	t.Helper()
	put(t)(db.PutRound(t.Context(), round("s", 2, 3)))
	put(t)(db.PutRanking(t.Context(), ranking("s", 3, 2, 1)))
}

// Every table is in the log, after those that it refers to.
func TestLogTables(t *testing.T) {
	db := openSQLite(t)
	tables, err := list(t.Context(), db, func(rows *sql.Rows) (name string, err error) {
		err = rows.Scan(&name)
		return name, err
	}, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'schema_version' ORDER BY name`)
	must(t, err)
	same(t, "tables of the log", slices.Sorted(slices.Values(logTables)), tables)
	for i, table := range logTables {
		parents, err := list(t.Context(), db, func(rows *sql.Rows) (name string, err error) {
			err = rows.Scan(&name)
			return name, err
		}, `SELECT "table" FROM pragma_foreign_key_list($1)`, table)
		must(t, err)
		for _, p := range parents {
			if p != table && !slices.Contains(logTables[:i], p) {
				t.Errorf("%s comes before %s, which it refers to", table, p)
			}
		}
	}
}

// A log is of one moment, whatever is written meanwhile.
func TestLogWhileWriting(t *testing.T) {
	db := openSQLite(t)
	fill(t, db, "s", 20)
	done := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := db.PutRound(ctx, round("s", 1, 2)); err != nil && ctx.Err() == nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 3 {
		var log bytes.Buffer
		if _, err := db.ExportLog(t.Context(), slowly{&log}, LogOptions{Images: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := openSQLite(t).ImportLog(t.Context(), &log, LogOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	must(t, <-done)
}

type slowly struct{ io.Writer }

func (s slowly) Write(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.Writer.Write(p)
}

func FuzzImportLog(f *testing.F) {
	db := openAt(f, f.TempDir(), Options{Now: clock()})
	head := logHead(f)
	for _, rows := range [][]string{
		nil,
		{`series {"id":1,"name":"s","created":1}`},
		{`series {"id":1,"name":"s","created":1}`, `grid {"id":1,"series":1,"reason":"é\u0000","created":1}`,
			`grid_axis {"grid":1,"ord":0,"descriptor":"d","lo":-1.5,"hi":1e+300,"cells":3}`},
		{`identity {"id":1,"instrument":"x","version":1,"checkpoint":"","preparation":{"hex":"ff"},"runtime":"go","synthetic":0}`},
		{fmt.Sprintf(strings.TrimSpace(blobLine), pictureID(1), "cGljdHVyZSAx")},
	} {
		f.Add([]byte(strings.Join(append([]string{head}, rows...), "\n")), true)
		f.Add(relog(head, rows...), false)
	}
	undone := errors.New("undone")
	f.Fuzz(func(t *testing.T, log []byte, chain bool) {
		if chain { // give the rows, right or wrong, chains that fit
			all := strings.Split(string(log), "\n")
			log = relog(all[0], all[1:]...)
		}
		var first, second bytes.Buffer
		err := db.write(t.Context(), func(tx *tx) error {
			sum, err := db.importLog(t.Context(), tx, bytes.NewReader(log), LogOptions{})
			if err != nil {
				return err
			}
			if sum.Rows > 0 {
				first.Write(log)
			}
			return undone // leaves the database as it was
		})
		if err == nil || !errors.Is(err, undone) && !errors.Is(err, assay.ErrInvalid) && !errors.Is(err, assay.ErrNotFound) {
			t.Fatalf("error %v", err)
		}
		if first.Len() == 0 {
			return
		}
		// What was taken is what would be written. Images' bytes may stand anywhere in
		// a log that is read; they are written before their rows.
		fresh := openAt(t, t.TempDir(), Options{Now: clock()})
		if _, err := fresh.ImportLog(t.Context(), bytes.NewReader(log), LogOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := fresh.ExportLog(t.Context(), &second, LogOptions{}); err != nil {
			t.Fatal(err)
		}
		same(t, "rows", rowLines(second.Bytes()), rowLines(first.Bytes()))
	})
}

// rowLines returns the rows of a log, by table in no order but their own.
func rowLines(log []byte) map[string][]string {
	all := map[string][]string{}
	for _, line := range lines(log) {
		if rest, ok := strings.CutPrefix(line, `{"table":"`); ok {
			table, row, _ := strings.Cut(rest, `"`)
			all[table] = append(all[table], row)
		}
	}
	return all
}

// TestLogFiles keeps the form of a log: what an older program wrote must be read
// for ever.
func TestLogFiles(t *testing.T) {
	const file = "testdata/log-schema5.jsonl"
	want, err := os.ReadFile(file)
	must(t, err)
	db := openSQLite(t)
	_, err = db.ImportLog(t.Context(), bytes.NewReader(want), LogOptions{})
	must(t, err)
	_, err = CheckLog(bytes.NewReader(want))
	must(t, err)
	got, _ := exportLog(t, db, LogOptions{Images: true})
	// Another schema number makes another first line and another SHA-256.
	same(t, "rows", rowLines(got), rowLines(want))
}

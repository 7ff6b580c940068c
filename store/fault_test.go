package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
)

// tmpfs returns a folder on a small disk of its own, or skips the test.
func tmpfs(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := mountTmpfs(dir, size); err != nil {
		if slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), "tmpfs") {
			t.Fatalf("cannot mount a small disk: %v", err)
		}
		t.Skipf("cannot mount a small disk: %v (needs Linux and root)", err)
	}
	t.Cleanup(func() {
		if err := unmount(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// bigPicture is a picture of n bytes.
func bigPicture(seed, n int) (assay.Image, []byte) {
	_, data := picture(seed)
	data = bytes.Repeat(data, n/len(data)+1)[:n]
	return assay.Image{ID: assay.DigestOf(data), Bytes: int64(n), Format: "png", Width: 1, Height: 1, Mode: "L"}, data
}

func TestFullDisk(t *testing.T) {
	dir := tmpfs(t, "6m")
	ctx := t.Context()
	ballast := filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 2<<20), 0o644))
	db, err := Open(ctx, dir, Options{})
	must(t, err)
	defer db.Close()
	must(t, db.CreateSeries(ctx, "s"))

	enter := func(from int) (acked []assay.Entry, err error) {
		for i := from; i < from+10_000; i++ {
			img, data := bigPicture(i, 30_000)
			e, _, err := db.Enter(ctx, img, data, assay.Entry{Series: "s", Prompt: strings.Repeat("p", 500)})
			if err != nil {
				return acked, err
			}
			acked = append(acked, e)
		}
		return acked, nil
	}
	acked, err := enter(0)
	is(t, "blob on a full disk", err, assay.ErrUnavailable, "disk is full", dir)
	// What is left of the disk is taken by readings.
	recorded := 0
	for ; recorded < 1_000_000; recorded++ {
		id := assay.Identity{Instrument: fmt.Sprint("i", recorded), Version: 1, Runtime: "go", Preparation: strings.Repeat("x", 1000)}
		if err = db.Record(ctx, Measurement{Series: "s", Seq: 1, Readings: []assay.Reading{{Identity: id, Image: acked[0].Image}}}); err != nil {
			break
		}
	}
	is(t, "row on a full disk", err, assay.ErrUnavailable, "disk", dir)

	verify := func() {
		t.Helper()
		if errs := db.Check(ctx); errs != nil {
			t.Errorf("Check: %v", errs)
		}
		got, err := db.Entries(ctx, "s", 0, 0)
		must(t, err)
		same(t, "entries", got, acked)
		readings, err := db.Readings(ctx, acked[0].Image)
		must(t, err)
		same(t, "readings", len(readings), recorded)
	}
	verify()
	must(t, os.Remove(ballast))
	more, err := enter(len(acked)) // starts with the one that was refused
	is(t, "full again", err, assay.ErrUnavailable)
	if len(more) < 10 {
		t.Errorf("only %d more entries after space was made", len(more))
	}
	acked = append(acked, more...)
	verify()
	t.Logf("%d entries and %d readings acknowledged, none lost", len(acked), recorded)
}

// The same without a disk of its own: the database may not grow, then the
// blob's file may not.
func TestFullDiskInjected(t *testing.T) {
	ctx := t.Context()
	db := openSQLite(t)
	fill(t, db, "s", 1)
	limit := func(pages string) {
		t.Helper()
		_, err := db.writer.ExecContext(ctx, "PRAGMA max_page_count = "+pages)
		must(t, err)
	}
	limit("1") // at once: a database never shrinks below what it has
	var err error
	n := 2
	for ; n < 10_000 && err == nil; n++ {
		img, data := picture(n)
		_, _, err = db.Enter(ctx, img, data, assay.Entry{Series: "s", Prompt: strings.Repeat("p", 3000)})
	}
	is(t, "row", err, assay.ErrUnavailable, "disk is full", "assay.db")
	n-- // the refused one
	count, err := db.Count(ctx, "s")
	must(t, err)
	same(t, "count", count, int64(n-1))
	limit("1000000")
	img, data := picture(n)
	_, known, err := db.Enter(ctx, img, data, assay.Entry{Series: "s"})
	must(t, err)
	same(t, "known", known, false)

	whole := db.blobs.fill
	db.blobs.fill = func(f *os.File, data []byte) error {
		f.Write(data[:len(data)/2])
		return &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	img, data = picture(n + 1)
	_, _, err = db.Enter(ctx, img, data, assay.Entry{Series: "s"})
	is(t, "blob", err, assay.ErrUnavailable, "disk is full", db.BlobPath(img.ID))
	_, err = db.Image(ctx, img.ID)
	is(t, "image of the refused blob", err, assay.ErrNotFound)
	left, err := os.ReadDir(db.blobs.tmp())
	must(t, err)
	same(t, "unfinished files", len(left), 0)
	db.blobs.fill = whole
	_, _, err = db.Enter(ctx, img, data, assay.Entry{Series: "s"})
	must(t, err)
	if errs := db.Check(ctx); errs != nil {
		t.Errorf("Check: %v", errs)
	}
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	if os.Getuid() == 0 {
		dir = tmpfs(t, "1m")
		must(t, remountReadOnly(dir))
	} else {
		if runtime.GOOS == "windows" {
			t.Skip("folders have no write permission there")
		}
		must(t, os.Chmod(dir, 0o555))
	}
	_, err := Open(t.Context(), dir, Options{})
	is(t, "read-only folder", err, assay.ErrUnavailable, dir, "permissions")
}

func TestReadOnlyDatabase(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make a disk read-only")
	}
	dir := tmpfs(t, "4m")
	db, err := Open(t.Context(), dir, Options{})
	must(t, err)
	fill(t, db, "s", 1)
	must(t, db.Close())
	must(t, remountReadOnly(dir))
	_, err = Open(t.Context(), dir, Options{})
	is(t, "workspace on a read-only disk", err, assay.ErrUnavailable, dir, "permissions")
}

func TestOpenRefuses(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	_, err := Open(ctx, filepath.Join(dir, "none"), Options{})
	is(t, "no folder", err, assay.ErrNotFound, filepath.Join(dir, "none"))
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o644))
	_, err = Open(ctx, file, Options{})
	is(t, "a file", err, assay.ErrInvalid, file)

	with := func(name string, content []byte) (dir string) {
		t.Helper()
		dir = filepath.Join(t.TempDir(), name)
		must(t, os.Mkdir(dir, 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "assay.db"), content, 0o644))
		return dir
	}
	for _, size := range []int{1, 16, 99, 100, 511, 5000} {
		garbage := bytes.Repeat([]byte("x"), size)
		dir := with("garbage", garbage)
		_, err = Open(ctx, dir, Options{})
		is(t, fmt.Sprint(size, " bytes of garbage"), err, assay.ErrInvalid, filepath.Join(dir, "assay.db"), "not an assay database")
		kept, err := os.ReadFile(filepath.Join(dir, "assay.db"))
		must(t, err)
		same(t, "the file refused", kept, garbage)
	}

	raw := func(dir, statement string) {
		t.Helper()
		pool, err := sql.Open("sqlite", filepath.Join(dir, "assay.db"))
		must(t, err)
		_, err = pool.Exec(statement)
		must(t, errors.Join(err, pool.Close()))
	}
	dir = with("other", nil)
	raw(dir, `CREATE TABLE theirs (x)`)
	_, err = Open(ctx, dir, Options{})
	is(t, "another program's database", err, assay.ErrInvalid, "another program", "assay.db")
	dir = with("other id", nil)
	raw(dir, `PRAGMA application_id = 7`)
	_, err = Open(ctx, dir, Options{})
	is(t, "another program's empty database", err, assay.ErrInvalid, "another program")

	dir = with("newer", nil) // an empty file is a new database
	must(t, openAt(t, dir, Options{}).Close())
	raw(dir, `INSERT INTO schema_version (version_id, is_applied) VALUES (9999, 1)`)
	_, err = Open(ctx, dir, Options{})
	is(t, "newer", err, assay.ErrInvalid, "schema version 9999", "newer version of assay", "assay.db")
}

// A first start that was cut off between the migration library's own table and
// our first migration is taken up again.
func TestInterruptedFirstStart(t *testing.T) {
	dir := t.TempDir()
	pool, err := sql.Open("sqlite", filepath.Join(dir, "assay.db"))
	must(t, err)
	_, err = pool.Exec(`CREATE TABLE schema_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')));
		INSERT INTO schema_version (version_id, is_applied) VALUES (0, 1)`)
	must(t, errors.Join(err, pool.Close()))
	fill(t, openAt(t, dir, Options{}), "s", 1)
}

// A schema is not changed under a program that is at work.
func TestMigrationWaits(t *testing.T) {
	dir := t.TempDir()
	worker := &DB{dir: dir}
	unlock, err := worker.Lock(t.Context(), 0)
	must(t, err)
	_, err = Open(t.Context(), dir, Options{BusyTimeout: 30 * time.Millisecond})
	is(t, "locked", err, assay.ErrUnavailable, "schema version 0", "holds the workspace")
	unlock()
	openAt(t, dir, Options{})
}

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b%20?#'ü")
	must(t, os.Mkdir(dir, 0o755))
	db, err := Open(t.Context(), dir, Options{})
	must(t, err)
	fill(t, db, "s", 3)
	want, err := db.Entries(t.Context(), "s", 0, 0)
	must(t, err)
	must(t, db.Close())
	names, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "*"))
	must(t, err)
	same(t, "folders", names, []string{dir})
	_, err = os.Stat(filepath.Join(dir, "assay.db"))
	must(t, err)
	got, err := openAt(t, dir, Options{}).Entries(t.Context(), "s", 0, 0)
	must(t, err)
	same(t, "entries", got, want)
}

func TestBusy(t *testing.T) {
	dir := t.TempDir()
	a, b := openAt(t, dir, Options{}), openAt(t, dir, Options{BusyTimeout: 50 * time.Millisecond})
	fill(t, a, "s", 1)
	held, err := a.writer.Begin()
	must(t, err)
	err = b.CreateSeries(t.Context(), "t")
	is(t, "write", err, assay.ErrUnavailable, "another process was writing", "50ms")
	n, err := b.Count(t.Context(), "s")
	must(t, err)
	same(t, "reading goes on", n, int64(1))
	must(t, held.Rollback())
	must(t, b.CreateSeries(t.Context(), "t"))
}

func TestCorruptBlob(t *testing.T) {
	ctx := t.Context()
	db := openSQLite(t)
	fill(t, db, "s", 4)
	corrupt := func(what string, err error, key assay.Digest) {
		t.Helper()
		var ce *CorruptError
		if !errors.As(err, &ce) || ce.Table != "blob" || ce.Key != key.String() {
			t.Errorf("%s: %v, want a CorruptError of blob %s", what, err, key)
		}
	}
	_, data := picture(1)
	must(t, os.WriteFile(db.BlobPath(pictureID(1)), append(data[:len(data)-1], data[len(data)-1]^1), 0o644))
	_, err := db.Blob(ctx, pictureID(1))
	corrupt("a bit changed", err, pictureID(1))
	must(t, os.Truncate(db.BlobPath(pictureID(2)), 3))
	_, err = db.Blob(ctx, pictureID(2))
	corrupt("cut off", err, pictureID(2))
	must(t, os.Remove(db.BlobPath(pictureID(3))))
	_, err = db.Blob(ctx, pictureID(3))
	is(t, "gone", err, assay.ErrNotFound, pictureID(3).String())

	errs := db.Check(ctx) // looks at lengths only
	if len(errs) != 2 {
		t.Fatalf("Check found %v, want the cut-off and the missing blob", errs)
	}
	corrupt("Check", errs[0], pictureID(2))
	corrupt("Check", errs[1], pictureID(3))

	// The same image given to another series mends its bytes.
	must(t, db.CreateSeries(ctx, "t"))
	for i := 1; i <= 3; i++ {
		img, data := picture(i)
		_, _, err := db.Enter(ctx, img, data, assay.Entry{Series: "t"})
		must(t, err)
		got, err := db.Blob(ctx, img.ID)
		must(t, err)
		same(t, "mended", got, data)
	}
}

func TestCheckFinds(t *testing.T) {
	ctx := t.Context()
	db := openSQLite(t)
	fill(t, db, "s", 3)
	_, err := db.writer.ExecContext(ctx, `PRAGMA foreign_keys = 0; DROP TRIGGER entry_never_removed; DROP TRIGGER series_never_removed;
		DELETE FROM entry WHERE seq = 2`)
	must(t, err)
	errs := db.Check(ctx)
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "places 1 to 3") {
		t.Errorf("a place skipped: Check found %v", errs)
	}
	_, err = db.writer.ExecContext(ctx, `DELETE FROM series`)
	must(t, err)
	if errs = db.Check(ctx); len(errs) != 2 || !strings.Contains(errs[0].Error(), "missing row of series") {
		t.Errorf("a series removed: Check found %v", errs)
	}
}

// A comparison whose judgment was turned round behind the program's back.
func TestCheckFindsJudgment(t *testing.T) {
	ctx := t.Context()
	db := openSQLite(t)
	fill(t, db, "s", 2)
	_, err := db.PutComparison(ctx, comparison("s", 1, 2))
	must(t, err)
	_, err = db.writer.ExecContext(ctx, `DROP TRIGGER judgment_never_changed; UPDATE judgment SET outcome = 'right', grade = 1`)
	must(t, err)
	errs := db.Check(ctx)
	var ce *CorruptError
	if len(errs) != 1 || !errors.As(errs[0], &ce) || ce.Table != "comparison" || ce.Key != "1" {
		t.Errorf("Check found %v, want a CorruptError of comparison 1", errs)
	}
}

func TestDamagedDatabase(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(t.Context(), dir, Options{})
	must(t, err)
	fill(t, db, "s", 50)
	must(t, db.Close())
	path := filepath.Join(dir, "assay.db")
	file, err := os.ReadFile(path)
	must(t, err)
	const page = 4096
	for i := 20 * page; i < len(file); i++ { // the schema is whole, the tables are not
		file[i] ^= 0x5a
	}
	must(t, os.WriteFile(path, file, 0o644))
	db, err = Open(t.Context(), dir, Options{})
	var errs []error
	if err != nil {
		errs = []error{err}
	} else {
		defer db.Close()
		errs = db.Check(t.Context())
	}
	var ce *CorruptError
	if len(errs) == 0 || !errors.As(errs[0], &ce) || ce.Table != "database" || ce.Key != path {
		t.Errorf("a damaged file gives %v, want a CorruptError of the database", errs)
	}
}

func TestUnfinishedBlobsAreSwept(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(t.Context(), dir, Options{})
	must(t, err)
	old, young := filepath.Join(db.blobs.tmp(), "old"), filepath.Join(db.blobs.tmp(), "young")
	for _, f := range []string{old, young} {
		must(t, os.WriteFile(f, []byte("half"), 0o644))
	}
	must(t, os.Chtimes(old, time.Time{}, time.Now().Add(-2*orphanAge)))
	must(t, db.Close())
	openAt(t, dir, Options{})
	_, err = os.Stat(old)
	is(t, "an old one", err, os.ErrNotExist)
	_, err = os.Stat(young)
	must(t, err) // somebody may be at it
}

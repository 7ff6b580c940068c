// Package store is the one durable place: it keeps facts (images, readings,
// answers, decisions, judgments) and the images' bytes, and never loses what it has
// acknowledged.
//
// Facts are appended, never changed: the schema forbids it. A method that
// returns without error has its rows on the disk, synced. One that returns an
// error has added no row; only when the disk itself fails while syncing may its
// rows appear after all, whole. Writing again what is there adds nothing,
// except where a method returns a number: PutThreshold, PutGrid, PutRound,
// PutTriplet, PutRanking, PutComparison, PutNote and PutJudgment outside rounds
// append each time, and so do PutCapabilities and BeginCalls. Methods are safe for
// use by many goroutines and, on one machine, many processes.
//
// Missing names give errors wrapping [assay.ErrNotFound], facts that no rule
// allows [assay.ErrInvalid], facts that contradict an earlier one
// [assay.ErrConflict]; a full disk, a missing permission or another process's
// lock [assay.ErrUnavailable].
package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/gen-emerge/assay"
)

// Options adjust a DB. The zero Options is a good choice.
type Options struct {
	Now         func() time.Time // the time of facts that carry none; nil means time.Now
	BusyTimeout time.Duration    // how long a write waits for another process's; 0 means 5 seconds
	Log         *slog.Logger     // what was mended or migrated on opening; nil discards
}

// A DB is one workspace: a database and a folder of blobs. See [Open].
type DB struct {
	dir    string
	path   string // of the database file
	opt    Options
	writer *sql.DB // one connection: SQLite has one writer anyway, so ours queue here, in order
	reader *sql.DB
	blobs  blobs
}

// A CorruptError reports a record that was read but cannot be right.
type CorruptError struct {
	Table string // "image", "blob", ...; "database" if it is the file as a whole
	Key   string // the record's name
	Err   error  // what is wrong with it
}

// Error says which record is corrupt and how.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("store: %s %s is corrupt: %v", e.Table, e.Key, e.Err)
}

// Unwrap returns what is wrong with the record.
func (e *CorruptError) Unwrap() error { return e.Err }

// Open opens the workspace in dir: the database assay.db and the folder blobs,
// which it creates if they are missing. The folder dir itself must exist. A
// database of an older version of the program is brought up to date under the
// workspace's lock; one of a newer version, and a file that is not an assay
// database, are refused with an error wrapping [assay.ErrInvalid]. Errors name
// the file. The caller must call [DB.Close].
func Open(ctx context.Context, dir string, opt Options) (*DB, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	opt.BusyTimeout = cmp.Or(opt.BusyTimeout, 5*time.Second)
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("workspace %s: no such folder; create it first: %w", dir, assay.ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("workspace %s: %w: %w", dir, err, assay.ErrUnavailable)
	case !info.IsDir():
		return nil, fmt.Errorf("workspace %s: is a file, want a folder: %w", dir, assay.ErrInvalid)
	}
	dir, err = filepath.Abs(dir) // a later change of the working folder must not move the workspace
	if err != nil {
		return nil, fmt.Errorf("workspace %s: %w", dir, err)
	}
	db := &DB{dir: dir, path: filepath.Join(dir, "assay.db"), opt: opt}
	if db.blobs, err = openBlobs(filepath.Join(dir, "blobs"), opt); err != nil {
		return nil, err
	}
	if err := db.openSQLite(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Close releases the workspace. Nothing is lost if it is never called.
func (db *DB) Close() error {
	var errs []error
	for _, pool := range []*sql.DB{db.reader, db.writer} { // the writer last: it empties the log file
		if pool != nil {
			errs = append(errs, db.explain(pool.Close()))
		}
	}
	return errors.Join(errs...)
}

// A tx is one writing transaction, which remembers what it has looked up.
type tx struct {
	*sql.Tx    // bound to the caller's context, whose end rolls it back
	now        int64
	stmts      map[string]*sql.Stmt
	identities map[assay.Identity]int64
	images     map[assay.Digest]int64
	series     map[string]int64
	judges     map[assay.Judge]int64
	questions  map[string]knownQuestion // by "id@version"
}

// write runs fn in one immediate transaction and commits it durably, or changes
// nothing.
func (db *DB) write(ctx context.Context, fn func(*tx) error) error {
	begun, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return db.explain(err)
	}
	t := &tx{
		Tx: begun, now: micros(db.opt.Now()),
		stmts:      make(map[string]*sql.Stmt),
		identities: make(map[assay.Identity]int64),
		images:     make(map[assay.Digest]int64),
		series:     make(map[string]int64),
		judges:     make(map[assay.Judge]int64),
		questions:  make(map[string]knownQuestion),
	}
	if err := fn(t); err != nil {
		begun.Rollback() // the first error is the one to tell; an undone transaction leaves nothing
		return db.explain(ended(ctx, err))
	}
	return db.explain(ended(ctx, begun.Commit()))
}

// ended adds why ctx ended to the error of a transaction that database/sql
// rolled back under its user because of that. What the user meets then depends
// on the moment: a closed transaction, statement or row set, an interrupt.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}

// stmt returns query, prepared once in the transaction.
func (t *tx) stmt(query string) (*sql.Stmt, error) {
	if s, ok := t.stmts[query]; ok {
		return s, nil
	}
	s, err := t.Prepare(query)
	if err != nil {
		return nil, err
	}
	t.stmts[query] = s
	return s, nil
}

// exec runs query and returns the number of rows it added.
func (t *tx) exec(query string, args ...any) (int64, error) {
	s, err := t.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := s.Exec(args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// number returns the one whole number that query yields, or sql.ErrNoRows.
func (t *tx) number(query string, args ...any) (n int64, err error) {
	s, err := t.stmt(query)
	if err != nil {
		return 0, err
	}
	err = s.QueryRow(args...).Scan(&n)
	return n, err
}

// seriesID returns the number of the series called name.
func (t *tx) seriesID(name string) (int64, error) {
	if id, ok := t.series[name]; ok {
		return id, nil
	}
	id, err := t.number(`SELECT id FROM series WHERE name = $1`, name)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, noSeries(name)
	}
	if err == nil {
		t.series[name] = id
	}
	return id, err
}

// seriesID returns the number of the series called name.
func (db *DB) seriesID(ctx context.Context, name string) (id int64, err error) {
	err = db.reader.QueryRowContext(ctx, `SELECT id FROM series WHERE name = $1`, name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, noSeries(name)
	}
	return id, db.explain(err)
}

func noSeries(name string) error {
	return fmt.Errorf("series %q: %w", name, assay.ErrNotFound)
}

// imageNum returns the number of the stored image id.
func (t *tx) imageNum(id assay.Digest) (int64, error) {
	if num, ok := t.images[id]; ok {
		return num, nil
	}
	num, err := t.number(`SELECT num FROM image WHERE id = $1`, id[:])
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("image %s: %w", id, assay.ErrNotFound)
	}
	if err == nil {
		t.images[id] = num
	}
	return num, err
}

// entryOf returns the numbers of a series and of one of its images. An image
// that is not in the series is an error wrapping [assay.ErrInvalid].
func (t *tx) entryOf(series string, id assay.Digest) (seriesID, num int64, err error) {
	if seriesID, err = t.seriesID(series); err != nil {
		return 0, 0, err
	}
	num, err = t.number(`SELECT e.image FROM image i JOIN entry e ON e.image = i.num AND e.series = $1 WHERE i.id = $2`,
		seriesID, id[:])
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, fmt.Errorf("image %s is not in series %q: %w", id, series, assay.ErrInvalid)
	}
	return seriesID, num, err
}

// identityID returns the number of an identity, which it adds if it is new.
func (t *tx) identityID(id assay.Identity) (int64, error) {
	if n, ok := t.identities[id]; ok {
		return n, nil
	}
	if id.Instrument == "" || id.Version < 1 || id.Runtime == "" {
		return 0, fmt.Errorf("identity %+v: instrument and runtime must be named and the version at least 1: %w", id, assay.ErrInvalid)
	}
	args := []any{id.Instrument, id.Version, id.Checkpoint, id.Preparation, id.Runtime, boolean(id.Synthetic)}
	n, err := t.number(findIdentity, args...)
	if errors.Is(err, sql.ErrNoRows) {
		n, err = t.number(`INSERT INTO identity (instrument, version, checkpoint, preparation, runtime, synthetic)
			VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`, args...)
	}
	if err == nil {
		t.identities[id] = n
	}
	return n, err
}

const findIdentity = `SELECT id FROM identity WHERE instrument = $1 AND version = $2 AND checkpoint = $3
	AND preparation = $4 AND runtime = $5 AND synthetic = $6`

// identitiesOf returns the identities of the instrument by number.
func (db *DB) identitiesOf(ctx context.Context, instrument string) (map[int64]assay.Identity, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT id, instrument, version, checkpoint, preparation, runtime, synthetic
		FROM identity WHERE instrument = $1`, instrument)
	if err != nil {
		return nil, db.explain(err)
	}
	defer rows.Close()
	ids := make(map[int64]assay.Identity)
	for rows.Next() {
		var n int64
		var id assay.Identity
		if err := rows.Scan(&n, &id.Instrument, &id.Version, &id.Checkpoint, &id.Preparation, &id.Runtime, &id.Synthetic); err != nil {
			return nil, db.explain(err)
		}
		ids[n] = id
	}
	return ids, db.explain(rows.Err())
}

// list runs query and returns one T for each row, made by scan.
func list[T any](ctx context.Context, db *DB, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := db.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, db.explain(err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, db.explain(err)
		}
		all = append(all, one)
	}
	return all, db.explain(rows.Err())
}

// A digest reads a column of 32 bytes; NULL is the zero digest.
type digest assay.Digest

// Scan implements [sql.Scanner].
func (d *digest) Scan(src any) error {
	*d = digest{}
	if src == nil {
		return nil
	}
	b, ok := src.([]byte)
	if !ok || len(b) != len(d) {
		return fmt.Errorf("digest of %d bytes, want %d", len(b), len(d))
	}
	copy(d[:], b)
	return nil
}

// An instant reads a column of microseconds since 1970 as a time in UTC.
type instant time.Time

// Scan implements [sql.Scanner].
func (t *instant) Scan(src any) error {
	us, ok := src.(int64)
	if !ok {
		return fmt.Errorf("time is a %T, want whole microseconds", src)
	}
	*t = instant(time.UnixMicro(us).UTC())
	return nil
}

// micros returns t as it is stored. What is smaller than a microsecond is cut off.
func micros(t time.Time) int64 { return t.UnixMicro() }

// at returns the time of a fact as it is stored: its own, or the transaction's
// if it has none.
func (t *tx) at(created time.Time) int64 {
	if created.IsZero() {
		return t.now
	}
	return micros(created)
}

// boolean returns b as it is stored.
func boolean(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// finite refuses what is not a number to compare with.
func finite(what string, v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("%s is %v: only finite numbers are stored: %w", what, v, assay.ErrInvalid)
	}
	return nil
}

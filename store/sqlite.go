package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/gen-emerge/assay"
)

// Everything that is SQLite's own is in this file and in migrations: how to
// connect, how to migrate, what its errors mean. The statements elsewhere are
// also Postgres's ($1 for arguments, RETURNING, ON CONFLICT DO NOTHING).

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// applicationID is "assy", written into the file's header by the first
	// migration; it tells our database from another program's.
	applicationID = 0x61737379
	// headerBytes is the length of the header of an SQLite file
	// (https://sqlite.org/fileformat.html, 1.3).
	headerBytes = 100
	// readers is the size of the read pool. Reads never hold a connection
	// while a caller's function runs, so a small number cannot lock up; a
	// page cache belongs to each.
	readers = 4
	// cacheKiB is each connection's page cache. 16 MiB holds the inner pages
	// of a few million readings.
	cacheKiB = 16 << 10
)

// dsn returns the address of the database file for the driver.
func (db *DB) dsn(pragmas ...string) string {
	path := filepath.ToSlash(db.path)
	if !strings.HasPrefix(path, "/") { // C:/...
		path = "/" + path
	}
	q := url.Values{"_txlock": {"immediate"}} // a writer waits at the start, never fails in the middle
	q["_pragma"] = append([]string{
		// First, so that the ones that follow wait too.
		fmt.Sprintf("busy_timeout(%d)", max(db.opt.BusyTimeout.Milliseconds(), 1)),
		"foreign_keys(1)",
		"recursive_triggers(1)", // else INSERT OR REPLACE would remove facts unseen
		fmt.Sprintf("cache_size(-%d)", cacheKiB),
	}, pragmas...)
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// openSQLite connects both pools and brings the schema up to date.
func (db *DB) openSQLite(ctx context.Context) error {
	// FULL syncs the log at every commit: what was acknowledged survives a
	// loss of power. WAL lets readers go on while one writes.
	w, err := sqlite.NewConnector(db.dsn("synchronous(FULL)"))
	if err != nil {
		return fmt.Errorf("%s: %w", db.path, err)
	}
	db.writer = sql.OpenDB(w)
	db.writer.SetMaxOpenConns(1)
	if err := db.patiently(ctx, db.identify); err != nil {
		return err
	}
	var mode string
	if err := db.patiently(ctx, func(ctx context.Context) error {
		return db.explain(db.writer.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode))
	}); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("%s: journal mode is %q, want \"wal\"; put the workspace on a local disk: %w", db.path, mode, assay.ErrUnavailable)
	}
	if err := db.migrate(ctx); err != nil {
		return err
	}
	r, err := sqlite.NewConnector(db.dsn("query_only(1)"))
	if err != nil {
		return fmt.Errorf("%s: %w", db.path, err)
	}
	db.reader = sql.OpenDB(r)
	db.reader.SetMaxOpenConns(readers)
	db.reader.SetMaxIdleConns(readers)
	return nil
}

// patiently repeats do while another process has the file, for BusyTimeout in
// all. SQLite's own timeout does not cover the switch of a new file to WAL:
// of two processes that both wait to be alone, it sends one away at once.
func (db *DB) patiently(ctx context.Context, do func(context.Context) error) error {
	deadline := time.Now().Add(db.opt.BusyTimeout)
	for {
		err := do(ctx)
		var se *sqlite.Error
		if !errors.As(err, &se) || se.Code()&0xff != sqlite3.SQLITE_BUSY || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-time.After(lockPoll):
		}
	}
}

// identify refuses a file that is not an assay database, before anything is
// written to it.
func (db *DB) identify(ctx context.Context) error {
	// SQLite takes a file shorter than its header for an empty one and would
	// write over it; with a journal beside it, it is a first start cut off.
	info, err := os.Stat(db.path)
	if err == nil && info.Size() > 0 && info.Size() < headerBytes {
		if _, err := os.Stat(db.path + "-journal"); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: has %d bytes: not an assay database; move it away or choose another folder: %w",
				db.path, info.Size(), assay.ErrInvalid)
		}
	}
	var id, foreign int64
	err = db.writer.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id)
	if err == nil && id == 0 {
		// New, or cut off before the first migration was through.
		err = db.writer.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema
			WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'schema_version'`).Scan(&foreign)
	}
	if err != nil {
		return db.explain(err)
	}
	if id != applicationID && (id != 0 || foreign > 0) {
		return fmt.Errorf("%s: a database of another program; move it away or choose another folder: %w", db.path, assay.ErrInvalid)
	}
	return nil
}

// migrate brings the schema up to date. It holds the workspace's lock while it
// changes anything, so that it never pulls the schema from under a program
// that is at work.
func (db *DB) migrate(ctx context.Context) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db.writer, sub,
		goose.WithTableName("schema_version"), goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("%s: %w", db.path, err)
	}
	have, want, err := db.versions(ctx, p)
	if err != nil {
		return err
	}
	if have < want {
		unlock, err := db.Lock(ctx, db.opt.BusyTimeout)
		if err != nil {
			return fmt.Errorf("%s: has schema version %d, this program needs %d: %w", db.path, have, want, err)
		}
		defer unlock()
		if _, err := p.Up(ctx); err != nil {
			return fmt.Errorf("%s: migrating from schema version %d to %d: %w", db.path, have, want, db.explain(err))
		}
		db.opt.Log.Info("schema migrated", "file", db.path, "from", have, "to", want)
		return nil
	}
	if have > want {
		return fmt.Errorf("%s: has schema version %d, this program knows up to %d; use the newer version of assay that wrote it: %w",
			db.path, have, want, assay.ErrInvalid)
	}
	return nil
}

// versions returns the schema's version and the one this program needs. It
// does not ask goose for the first: goose answers by creating its table.
func (db *DB) versions(ctx context.Context, p *goose.Provider) (have, want int64, err error) {
	for _, s := range p.ListSources() {
		want = max(want, s.Version)
	}
	var exists int64
	err = db.writer.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'`).Scan(&exists)
	if err == nil && exists > 0 {
		err = db.writer.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM schema_version WHERE is_applied`).Scan(&have)
	}
	return have, want, db.explain(err)
}

// explain turns an error of SQLite or of the file system into one that names
// the file and the remedy and wraps the sentinel that a caller branches on.
// Other errors pass.
func (db *DB) explain(err error) error {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return err
	}
	say := func(what string, sentinel error) error {
		return fmt.Errorf("%s: %s: %w: %w", db.path, what, err, sentinel)
	}
	switch se.Code() & 0xff { // the low byte is the kind, the rest its variant
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return say(fmt.Sprintf("another process was writing for more than %s; try again when it is done",
			db.opt.BusyTimeout.Round(time.Millisecond)), assay.ErrUnavailable)
	case sqlite3.SQLITE_FULL:
		return say("the disk is full; free some space and repeat", assay.ErrUnavailable)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH:
		return say("cannot be opened for writing; check the permissions of the file and its folder", assay.ErrUnavailable)
	case sqlite3.SQLITE_IOERR:
		return say("the disk failed or is full; mend that and repeat", assay.ErrUnavailable)
	case sqlite3.SQLITE_NOTADB:
		return say("not an assay database; move it away or choose another folder", assay.ErrInvalid)
	case sqlite3.SQLITE_CORRUPT:
		return &CorruptError{Table: "database", Key: db.path, Err: err}
	case sqlite3.SQLITE_CONSTRAINT:
		return say("refused by a rule of the schema", assay.ErrInvalid)
	}
	return fmt.Errorf("%s: %w", db.path, err)
}

// explainFile does for the file system what [DB.explain] does for SQLite.
func explainFile(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s: the disk is full; free some space and repeat: %w: %w", path, err, assay.ErrUnavailable)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s: cannot be written; check the permissions of the folder: %w: %w", path, err, assay.ErrUnavailable)
	}
	return fmt.Errorf("%s: %w: %w", path, err, assay.ErrUnavailable)
}

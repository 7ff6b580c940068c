package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/gen-emerge/assay"
)

// maxLogLine bounds what is held of a log at once: an image of 256 MiB, the
// largest that is taken as a rule, is 342 MiB in base64.
const maxLogLine = 512 << 20

// A logReader reads lines and follows the chains.
type logReader struct {
	in    *bufio.Reader
	line  int64
	whole hash.Hash // of the lines so far
	sum   LogSum    // of the rows so far
	logHeader
}

func newLogReader(r io.Reader) *logReader {
	return &logReader{in: bufio.NewReaderSize(r, 1<<16), whole: sha256.New(), sum: LogSum{Tables: map[string]LogHead{}}}
}

// bad is an error in the present line.
func (l *logReader) bad(format string, args ...any) error {
	return fmt.Errorf("log: line %d: "+format+": %w", append(append([]any{l.line}, args...), assay.ErrInvalid)...)
}

// next returns the next line, which must have an end.
func (l *logReader) next() ([]byte, error) {
	l.line++
	var line []byte
	for {
		part, err := l.in.ReadSlice('\n')
		if len(line)+len(part) > maxLogLine {
			return nil, l.bad("is longer than %d bytes", maxLogLine)
		}
		if err == nil && line == nil {
			return part, nil
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF:
			return nil, l.bad("the log was cut short: it ends without its last line, the sum; export it again")
		default:
			return nil, fmt.Errorf("log: line %d: %w", l.line, err)
		}
	}
}

// read calls row for each row and blob for each image's bytes, in order, and returns
// the sum. What it passes is only valid during the call.
func (l *logReader) read(row func(table string, row []byte) error, blob func(id assay.Digest, data []byte) error) (LogSum, error) {
	if err := l.header(); err != nil {
		return LogSum{}, err
	}
	for {
		line, err := l.next()
		if err != nil {
			return LogSum{}, err
		}
		switch {
		case bytes.HasPrefix(line, []byte(`{"table":`)):
			err = l.row(line, row)
		case bytes.HasPrefix(line, []byte(`{"blob":`)):
			err = l.blob(line, blob)
		default:
			return l.end(line)
		}
		if err != nil {
			return LogSum{}, err
		}
		l.whole.Write(line)
	}
}

// wrap names the line at which err came up.
func (l *logReader) wrap(err error) error {
	if err != nil {
		err = fmt.Errorf("log: line %d: %w", l.line, err)
	}
	return err
}

func (l *logReader) header() error {
	line, err := l.next()
	if err != nil {
		return err
	}
	var h logHeader
	if err := json.Unmarshal(line, &h); err != nil || h.Assay != "log" {
		return l.bad("is not the first line of a log of a workspace (assay export log)")
	}
	if h.Format != logFormat {
		return l.bad("the log has format %d, this program reads %d; use the version of assay that wrote it", h.Format, logFormat)
	}
	l.logHeader = h
	l.whole.Write(line)
	return nil
}

// row chains the row in the line and compares with what the line says.
func (l *logReader) row(line []byte, do func(table string, row []byte) error) error {
	rest := bytes.TrimPrefix(line, []byte(`{"table":"`))
	name, rest, ok := bytes.Cut(rest, []byte(`","row":`))
	at := bytes.LastIndex(rest, []byte(`,"chain":"`))
	if !ok || at < 0 {
		return l.bad("is not a row")
	}
	table, row := string(name), rest[:at]
	head, ok := l.sum.Tables[table]
	if !ok {
		head = chainStart(table)
	}
	head.add(row)
	if want := fmt.Appendf(nil, rowLine, table, row, head.Chain); !bytes.Equal(line, want) {
		return l.bad("row %d of table %.40q does not follow from those before it: a line was changed, removed or moved", head.Rows, table)
	}
	l.sum.Tables[table] = head
	l.sum.Rows++
	return l.wrap(do(table, row))
}

// blob reads the bytes of an image, which its name vouches for.
func (l *logReader) blob(line []byte, do func(assay.Digest, []byte) error) error {
	rest := bytes.TrimPrefix(line, []byte(`{"blob":"`))
	name, text, _ := bytes.Cut(rest, []byte(`","bytes":"`))
	text, ok := bytes.CutSuffix(text, []byte("\"}\n"))
	id, err := assay.ParseDigest(string(name))
	if err != nil || !ok || id.String() != string(name) {
		return l.bad("is not an image")
	}
	data, err := base64.StdEncoding.Strict().AppendDecode(nil, text)
	if err != nil || base64.StdEncoding.EncodedLen(len(data)) != len(text) { // the decoder passes over line ends
		return l.bad("the bytes of image %s are not base64", id)
	}
	if got := assay.DigestOf(data); got != id {
		return l.bad("image %s has bytes with SHA-256 %s: the line was changed", id, got)
	}
	return l.wrap(do(id, data))
}

// end compares the last line with what was read, and sees to it that nothing
// follows.
func (l *logReader) end(line []byte) (LogSum, error) {
	l.whole.Sum(l.sum.SHA256[:0])
	want, err := json.Marshal(l.sum)
	if err != nil {
		return LogSum{}, err
	}
	if !bytes.Equal(line, append(want, '\n')) {
		return LogSum{}, l.bad("is neither a row nor an image, nor the sum of the lines before it, which is %s", want)
	}
	if _, err := l.in.ReadByte(); err == nil {
		l.line++
		return LogSum{}, l.bad("follows the sum, which is the last line")
	} else if err != io.EOF {
		return LogSum{}, fmt.Errorf("log: %w", err)
	}
	return l.sum, nil
}

// CheckLog reads a log and its chains to the end without keeping anything, and
// returns its sum. A log that was cut short or changed is an error wrapping
// [assay.ErrInvalid] that names the line. Whether the rows keep the rules of a
// workspace is found out by importing them.
func CheckLog(r io.Reader) (LogSum, error) {
	return newLogReader(r).read(
		func(string, []byte) error { return nil },
		func(assay.Digest, []byte) error { return nil })
}

// ImportLog rebuilds a workspace from a log, in one transaction: an export of it is
// the log again, byte for byte. The workspace must be empty, else the error wraps
// [assay.ErrConflict]. A log that was cut short or changed, by a single character,
// is an error wrapping [assay.ErrInvalid] that names the line; no row is kept of
// it. An image whose bytes are neither in the log, nor given by opt.Blob, nor in the
// workspace's folder, is an error wrapping [assay.ErrNotFound].
func (db *DB) ImportLog(ctx context.Context, r io.Reader, opt LogOptions) (sum LogSum, err error) {
	err = db.write(ctx, func(t *tx) error {
		sum, err = db.importLog(ctx, t, r, opt)
		return err
	})
	if err != nil {
		return LogSum{}, err
	}
	return sum, nil
}

// A logImport is one import under way.
type logImport struct {
	db      *DB
	t       *tx
	opt     LogOptions
	columns map[string][]logColumn
	blob    assay.Digest // the image whose bytes came last
}

func (db *DB) importLog(ctx context.Context, t *tx, r io.Reader, opt LogOptions) (LogSum, error) {
	in := &logImport{db: db, t: t, opt: opt, columns: make(map[string][]logColumn)}
	for _, table := range logTables {
		if n, err := t.number(`SELECT count(*) FROM (SELECT 1 FROM ` + table + ` LIMIT 1)`); err != nil {
			return LogSum{}, err
		} else if n > 0 {
			return LogSum{}, fmt.Errorf("%s: has facts already (%s); a log is imported into a new workspace: %w", db.path, table, assay.ErrConflict)
		}
		columns, err := logColumns(ctx, t, table)
		if err != nil {
			return LogSum{}, err
		}
		in.columns[table] = columns
	}
	schema, err := t.number(`SELECT max(version_id) FROM schema_version WHERE is_applied`)
	if err != nil {
		return LogSum{}, err
	}
	l := newLogReader(r)
	sum, err := l.read(func(table string, row []byte) error {
		if err := in.row(ctx, table, row); err != nil {
			if l.Schema > schema {
				err = fmt.Errorf("%w; the log was written by a newer version of assay (schema %d, this program has %d)", err, l.Schema, schema)
			}
			return err
		}
		return nil
	}, func(id assay.Digest, data []byte) error {
		in.blob = id
		return db.blobs.put(id, data)
	})
	if err != nil {
		return LogSum{}, err
	}
	return sum, db.rereadLog(ctx, t, sum)
}

// rereadLog sees to it that an export of what was imported is the log again: a row
// may have been given a number, or its place among others.
func (db *DB) rereadLog(ctx context.Context, t *tx, sum LogSum) error {
	for _, table := range logTables {
		head, err := db.exportTable(ctx, t.Tx, bufio.NewWriter(io.Discard), table, LogOptions{})
		if err != nil {
			return err
		}
		if head.Rows > 0 && head != sum.Tables[table] {
			return fmt.Errorf("log: the rows of %s are not in the order or the form in which a workspace keeps them: %w", table, assay.ErrInvalid)
		}
	}
	return nil
}

// row adds one row as it stands in the log.
func (in *logImport) row(ctx context.Context, table string, row []byte) error {
	columns, ok := in.columns[table]
	if !ok {
		return fmt.Errorf("table %q is unknown: %w", table, assay.ErrInvalid)
	}
	values, err := readRow(row, columns)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", table, err, assay.ErrInvalid)
	}
	if table == "image" {
		if err := in.image(ctx, columns, values); err != nil {
			return err
		}
	}
	var names, marks []string
	var args []any
	for i, c := range columns {
		if values[i] != nil {
			args = append(args, values[i])
			names, marks = append(names, c.name), append(marks, fmt.Sprint("$", len(args)))
		}
	}
	if len(args) == 0 {
		return fmt.Errorf("%s: a row with no columns: %w", table, assay.ErrInvalid)
	}
	_, err = in.t.exec(`INSERT INTO `+table+` (`+strings.Join(names, ", ")+`) VALUES (`+strings.Join(marks, ", ")+`)`, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", table, in.db.explain(err))
	}
	return nil
}

// image sees to it that the bytes of an image are on the disk before its row is.
func (in *logImport) image(ctx context.Context, columns []logColumn, values []any) error {
	var id assay.Digest
	var size int64
	for i, c := range columns {
		switch c.name {
		case "id":
			if err := (*digest)(&id).Scan(values[i]); err != nil {
				return fmt.Errorf("image: %w: %w", err, assay.ErrInvalid)
			}
		case "bytes":
			size, _ = values[i].(int64)
		}
	}
	if in.blob != id && in.opt.Blob != nil {
		data, err := in.opt.Blob(id)
		if err != nil {
			return fmt.Errorf("image %s: %w", id, err)
		}
		if got := assay.DigestOf(data); got != id {
			return fmt.Errorf("image %s: its bytes have SHA-256 %s: %w", id, got, assay.ErrInvalid)
		}
		if err := in.db.blobs.put(id, data); err != nil {
			return err
		}
	}
	data, err := in.db.Blob(ctx, id)
	if errors.Is(err, assay.ErrNotFound) {
		return fmt.Errorf("image %s: the log has not its bytes (assay export log --images puts them in): %w", id, err)
	}
	if err == nil && int64(len(data)) != size {
		err = fmt.Errorf("image %s: has %d bytes, its row says %d: %w", id, len(data), size, assay.ErrInvalid)
	}
	return err
}

// readRow reads what appendRow wrote, and nothing else: a row in another form would
// be exported differently.
func readRow(row []byte, columns []logColumn) ([]any, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(row, &fields); err != nil {
		return nil, err
	}
	values := make([]any, len(columns))
	for i, c := range columns {
		text, ok := fields[c.name]
		if !ok {
			continue
		}
		v, err := readCell(text, c)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.name, err)
		}
		values[i] = v
		delete(fields, c.name)
	}
	for name := range fields {
		return nil, fmt.Errorf("column %q is unknown", name)
	}
	again, err := appendRow(nil, columns, values)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, row) {
		return nil, fmt.Errorf("is written %s, want %s", row, again)
	}
	return values, nil
}

func readCell(text json.RawMessage, c logColumn) (any, error) {
	switch c.kind {
	case "INTEGER":
		return strconv.ParseInt(string(text), 10, 64)
	case "REAL":
		v, err := strconv.ParseFloat(string(text), 64)
		if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
			return nil, fmt.Errorf("%s is not a finite number", text)
		}
		return v, nil
	case "TEXT":
		return readText(text)
	case "BLOB":
		var s string
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, err
		}
		if c.name == "vector" {
			return base64.StdEncoding.DecodeString(s)
		}
		return hex.DecodeString(s)
	}
	return nil, fmt.Errorf("a %s has no form in a log", c.kind)
}

func readText(text json.RawMessage) (any, error) {
	if text[0] != '{' {
		var s string
		err := json.Unmarshal(text, &s)
		return s, err
	}
	var raw struct{ Hex string }
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	b, err := hex.DecodeString(raw.Hex)
	return string(b), err
}

package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gen-emerge/assay"
)

// A log is the whole workspace as JSON lines: a [logHeader], a line for each row,
// table by table in the order of logTables and of one table in the order in which
// rows were added, and a [LogSum]. docs/formats.md has the details. There is one
// way to write each line, so that a reader can tell any change.
//
// Each row carries the end of its table's chain: the SHA-256 of the end before it
// and of the row's bytes. A chain a table and not one for all, because tables only
// grow at their ends: a later log of the same workspace passes through every
// earlier head, and who kept a head can tell that nothing before it was rewritten.

// logFormat changes when older programs could not read the log.
const logFormat = 1

// logTables is every table with facts, in an order in which each comes after those
// that it refers to. New ones are put where that allows; the place is no promise.
var logTables = []string{
	"series", "image", "entry", "identity", "reading", "embedding", "neighbour", "control", "threshold", "grid", "grid_axis",
	"decision", "round", "round_pair", "judgment", "withdrawal", "judge", "question", "answer", "comparison", "note",
	"capability", "call", "call_end", "mark", "mark_withdrawal", "triplet", "triplet_answer", "ranking", "ranking_image",
	"ranking_answer", "ranking_place",
}

// The lines of rows and of images' bytes.
const (
	rowLine  = `{"table":"%s","row":%s,"chain":"%s"}` + "\n"
	blobLine = `{"blob":"%s","bytes":"%s"}` + "\n"
)

type logHeader struct {
	Assay  string `json:"assay"` // "log"
	Format int    `json:"format"`
	Schema int64  `json:"schema"`
}

// LogOptions adjust [DB.ExportLog] and [DB.ImportLog].
type LogOptions struct {
	// Images puts the bytes of every image into an exported log, so that it needs
	// nothing beside it. Without, a log names images by their digests.
	Images bool
	// After is the sum of an earlier log of this workspace. An export that does not
	// pass through all its heads is an error wrapping [assay.ErrConflict]: facts
	// were changed or removed since.
	After *LogSum
	// Blob returns the bytes of an image that an imported log names and does not
	// hold. nil: the workspace's own folder must have them.
	Blob func(assay.Digest) ([]byte, error)
}

// A LogSum says what a log holds, and names its content: equal heads mean equal
// rows.
type LogSum struct {
	Rows   int64              `json:"rows"`
	Tables map[string]LogHead `json:"tables"` // tables without rows are left out
	SHA256 assay.Digest       `json:"sha256"` // of all lines before the sum
}

// A LogHead is the end of one table's chain after some rows.
type LogHead struct {
	Rows  int64        `json:"rows"`
	Chain assay.Digest `json:"chain"`
}

// chainStart is what the first row of a table is chained to.
func chainStart(table string) LogHead {
	return LogHead{Chain: assay.DigestOfText("assay log " + table)}
}

// add chains one more row to the head.
func (h *LogHead) add(row []byte) {
	s := sha256.New()
	s.Write(h.Chain[:])
	s.Write(row)
	h.Rows++
	s.Sum(h.Chain[:0])
}

// A logColumn is one column as a log writes it.
type logColumn struct{ name, kind string }

// logColumns returns the columns of the table in the order of the schema.
func logColumns(ctx context.Context, q queryer, table string) ([]logColumn, error) {
	rows, err := q.QueryContext(ctx, `SELECT name, type FROM pragma_table_info($1) ORDER BY cid`, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []logColumn
	for rows.Next() {
		var c logColumn
		if err := rows.Scan(&c.name, &c.kind); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

// A queryer is a pool or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// ExportLog writes every fact of the workspace to w, a JSON object a line, as they
// stand at one moment, and returns its sum, which is also the last line. The same
// facts give the same bytes. w must not use the DB.
func (db *DB) ExportLog(ctx context.Context, w io.Writer, opt LogOptions) (LogSum, error) {
	sum := LogSum{Tables: map[string]LogHead{}}
	// One transaction reads one state, whatever is written meanwhile.
	t, err := db.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return sum, db.explain(err)
	}
	defer t.Rollback()
	header := logHeader{Assay: "log", Format: logFormat}
	if err := t.QueryRowContext(ctx, `SELECT max(version_id) FROM schema_version WHERE is_applied`).Scan(&header.Schema); err != nil {
		return sum, db.explain(err)
	}
	whole := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, whole), 1<<16)
	if err := json.NewEncoder(out).Encode(header); err != nil {
		return sum, err
	}
	for _, table := range logTables {
		head, err := db.exportTable(ctx, t, out, table, opt)
		if err != nil {
			return sum, fmt.Errorf("exporting %s: %w", table, db.explain(ended(ctx, err)))
		}
		if head.Rows > 0 {
			sum.Tables[table] = head
			sum.Rows += head.Rows
		}
	}
	if err := out.Flush(); err != nil {
		return sum, err
	}
	whole.Sum(sum.SHA256[:0])
	return sum, json.NewEncoder(w).Encode(sum)
}

// exportTable writes the rows of one table in the order in which they were added.
func (db *DB) exportTable(ctx context.Context, t *sql.Tx, out *bufio.Writer, table string, opt LogOptions) (LogHead, error) {
	head := chainStart(table)
	var past LogHead // of the earlier log
	if opt.After != nil {
		past = opt.After.Tables[table]
	}
	columns, err := logColumns(ctx, t, table)
	if err != nil {
		return head, err
	}
	rows, err := t.QueryContext(ctx, `SELECT `+columnList(columns)+` FROM `+table+` ORDER BY rowid`)
	if err != nil {
		return head, err
	}
	defer rows.Close()
	values, fields := cells(len(columns))
	var row []byte
	for rows.Next() {
		if err := rows.Scan(fields...); err != nil {
			return head, err
		}
		if row, err = appendRow(row[:0], columns, values); err != nil {
			return head, err
		}
		if head.add(row); head.Rows == past.Rows && head.Chain != past.Chain {
			break
		}
		if table == "image" && opt.Images {
			if err := db.exportBlob(ctx, out, columns, values); err != nil {
				return head, err
			}
		}
		if _, err := fmt.Fprintf(out, rowLine, table, row, head.Chain); err != nil {
			return head, err
		}
	}
	if err := rows.Err(); err != nil {
		return head, err
	}
	if head.Rows < past.Rows || head.Rows == past.Rows && past.Rows > 0 && head.Chain != past.Chain {
		return head, fmt.Errorf("its first %d rows are not those of the earlier log: facts were changed or removed, or it is another workspace's: %w",
			past.Rows, assay.ErrConflict)
	}
	return head, nil
}

// exportBlob writes the bytes of the image in the row that comes next.
func (db *DB) exportBlob(ctx context.Context, out *bufio.Writer, columns []logColumn, values []any) error {
	for i, c := range columns {
		if c.name != "id" {
			continue
		}
		var id assay.Digest
		if err := (*digest)(&id).Scan(values[i]); err != nil {
			return err
		}
		data, err := db.Blob(ctx, id)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, blobLine, id, base64.StdEncoding.EncodeToString(data))
		return err
	}
	return nil
}

func columnList(columns []logColumn) string {
	var names []string
	for _, c := range columns {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// cells returns n values and pointers to them, for scanning.
func cells(n int) (values, fields []any) {
	values, fields = make([]any, n), make([]any, n)
	for i := range values {
		fields[i] = &values[i]
	}
	return values, fields
}

// appendRow writes a row as a JSON object, in the only way in which it may be
// written: columns in the schema's order, empty ones left out, no spaces. It does
// not use encoding/json, whose choices may change, and the chains with them.
func appendRow(to []byte, columns []logColumn, values []any) ([]byte, error) {
	to = append(to, '{')
	start := len(to)
	for i, c := range columns {
		if values[i] == nil {
			continue
		}
		if len(to) > start {
			to = append(to, ',')
		}
		to = append(append(append(to, '"'), c.name...), '"', ':')
		switch v := values[i].(type) {
		case int64:
			to = strconv.AppendInt(to, v, 10)
		case float64:
			to = strconv.AppendFloat(to, v, 'g', -1, 64) // the shortest that reads back as the same
		case string:
			to = appendText(to, v)
		case []byte:
			to = append(to, '"')
			if c.name == "vector" {
				to = base64.StdEncoding.AppendEncode(to, v)
			} else {
				to = hex.AppendEncode(to, v)
			}
			to = append(to, '"')
		default:
			return nil, fmt.Errorf("column %s: a %T has no form in a log", c.name, v)
		}
	}
	return append(to, '}'), nil
}

// appendText writes s as a JSON string; what is not UTF-8, as paths may be, as an
// object with its bytes, because a JSON string cannot hold it.
func appendText(to []byte, s string) []byte {
	if !utf8.ValidString(s) {
		return append(hex.AppendEncode(append(to, `{"hex":"`...), []byte(s)), `"}`...)
	}
	to = append(to, '"')
	for i := range len(s) {
		switch b := s[i]; {
		case b == '"' || b == '\\':
			to = append(to, '\\', b)
		case b < 0x20:
			to = fmt.Appendf(to, `\u%04x`, b)
		default:
			to = append(to, b)
		}
	}
	return append(to, '"')
}

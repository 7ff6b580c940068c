package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unsafe"

	"github.com/parquet-go/parquet-go"

	"github.com/gen-emerge/assay"
)

// A parquetFile is one kind of fact as it is written for other programs: names and
// digests stand where tables refer to each other by number.
type parquetFile struct {
	name    string // of the file, without .parquet
	columns string // "name:kind …" in the order of the query's columns; "?" after the kind: may be empty
	query   string
}

// The kinds of columns.
const (
	parquetText    = "text"    // UTF-8 that repeats; what is not UTF-8 becomes U+FFFD
	parquetLong    = "long"    // the same, and no two rows alike as a rule
	parquetInt     = "int"     // 64 bits
	parquetReal    = "real"    // 64 bits
	parquetFlag    = "flag"    // a boolean
	parquetTime    = "time"    // microseconds, UTC
	parquetDigest  = "digest"  // 64 hex digits
	parquetVector  = "vector"  // a list of 32-bit floats
	parquetTexts   = "texts"   // a list of texts, stored as a JSON array
	parquetDigests = "digests" // a list of digests, stored one after the other
)

// parquetSizes bound what is held in memory, in bytes, about.
type parquetSizes struct {
	batch int // of rows handed to the writer at once
	group int // of a row group
}

var usualSizes = parquetSizes{4 << 20, 64 << 20}

// A parquetColumn is one column, as the file describes it.
type parquetColumn struct {
	parquet.Node
	name, kind string
	optional   bool
}

// Name implements [parquet.Field].
func (c *parquetColumn) Name() string { return c.name }

// Value implements [parquet.Field]. Rows are built by hand, so nobody asks.
func (c *parquetColumn) Value(base reflect.Value) reflect.Value { return base.FieldByName(c.name) }

// list tells whether a row has any number of values in the column.
func (c *parquetColumn) list() bool {
	return c.kind == parquetVector || c.kind == parquetTexts || c.kind == parquetDigests
}

// A parquetRoot keeps its columns in order; a plain [parquet.Group] sorts them.
type parquetRoot struct {
	parquet.Group
	columns []parquet.Field
}

// Fields implements [parquet.Node].
func (r parquetRoot) Fields() []parquet.Field { return r.columns }

// schema returns the file's columns and its schema.
func (f parquetFile) schema() ([]*parquetColumn, *parquet.Schema) {
	var columns []*parquetColumn
	root := parquetRoot{Group: parquet.Group{}}
	for word := range strings.FieldsSeq(f.columns) {
		name, kind, _ := strings.Cut(word, ":")
		kind, optional := strings.CutSuffix(kind, "?")
		c := &parquetColumn{name: name, kind: kind, optional: optional, Node: parquetNode(kind)}
		if optional {
			c.Node = parquet.Optional(c.Node)
		}
		columns = append(columns, c)
		root.columns = append(root.columns, c)
		root.Group[name] = c.Node
	}
	return columns, parquet.NewSchema(f.name, root)
}

func parquetNode(kind string) parquet.Node {
	word := parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
	switch kind {
	case parquetInt:
		return parquet.Int(64)
	case parquetReal:
		return parquet.Leaf(parquet.DoubleType)
	case parquetFlag:
		return parquet.Leaf(parquet.BooleanType)
	case parquetTime:
		return parquet.Timestamp(parquet.Microsecond)
	case parquetLong:
		return parquet.String()
	case parquetVector:
		return parquet.List(parquet.Leaf(parquet.FloatType))
	case parquetTexts, parquetDigests:
		return parquet.List(word)
	}
	return word
}

// ExportParquet writes every fact of the workspace, as they stand at one moment,
// into dir: a Parquet file a kind of fact, compressed with Zstandard. It returns how
// many rows each file has, by its name. The folder must exist; files of these names
// in it are replaced, each when it is whole. What is not UTF-8, as paths may be, is
// written with U+FFFD; the log has the exact bytes. docs/formats.md lists the
// columns.
func (db *DB) ExportParquet(ctx context.Context, dir string) (map[string]int64, error) {
	// One transaction reads one state, whatever is written meanwhile.
	t, err := db.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, db.explain(err)
	}
	defer t.Rollback()
	rows := make(map[string]int64)
	for _, f := range parquetFiles {
		path := filepath.Join(dir, f.name+".parquet")
		n, err := db.exportParquet(ctx, t, f, path)
		if err != nil {
			return nil, err
		}
		rows[f.name+".parquet"] = n
	}
	return rows, nil
}

// exportParquet writes one file so that it is never seen unfinished.
func (db *DB) exportParquet(ctx context.Context, t *sql.Tx, f parquetFile, path string) (n int64, err error) {
	out, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return 0, explainFile(path, err)
	}
	defer func() {
		if err != nil {
			out.Close()
			os.Remove(out.Name())
		}
	}()
	if n, err = db.writeParquet(ctx, t, f, out, usualSizes); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	if err := out.Chmod(0o644); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return 0, explainFile(path, err)
	}
	if err := out.Close(); err != nil {
		return 0, explainFile(path, err)
	}
	return n, explainFile(path, os.Rename(out.Name(), path))
}

func (db *DB) writeParquet(ctx context.Context, t *sql.Tx, f parquetFile, out *os.File, sizes parquetSizes) (n int64, err error) {
	columns, schema := f.schema()
	w := parquet.NewGenericWriter[any](out, schema, parquet.Compression(&parquet.Zstd), parquet.CreatedBy("assay", "", ""))
	rows, err := t.QueryContext(ctx, f.query)
	if err != nil {
		return 0, db.explain(err)
	}
	defer rows.Close()
	values, fields := cells(len(columns))
	var batch []parquet.Row
	var held, group int // bytes of the batch, and of the row group before it
	flush := func() error {
		_, err := w.WriteRows(batch)
		batch, held, group = batch[:0], 0, group+held
		if err == nil && group > sizes.group {
			group, err = 0, w.Flush()
		}
		return explainFile(out.Name(), err)
	}
	for rows.Next() {
		if err := rows.Scan(fields...); err != nil {
			return 0, db.explain(err)
		}
		row, size, err := parquetRow(columns, values)
		if err != nil {
			return 0, fmt.Errorf("row %d: %w", n+1, err)
		}
		batch, held, n = append(batch, row), held+size, n+1
		if held > sizes.batch {
			if err := flush(); err != nil {
				return 0, err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return 0, db.explain(ended(ctx, err))
	}
	if err := flush(); err != nil {
		return 0, err
	}
	return n, explainFile(out.Name(), w.Close())
}

// parquetRow returns the values of one row with their levels, and how many bytes
// they take.
func parquetRow(columns []*parquetColumn, values []any) (row parquet.Row, size int, err error) {
	for i, c := range columns {
		var cells []parquet.Value
		if values[i] != nil {
			if cells, err = parquetValues(c, values[i]); err != nil {
				return nil, 0, fmt.Errorf("column %s: %w", c.name, err)
			}
		} else if !c.optional && !c.list() {
			return nil, 0, fmt.Errorf("column %s: is empty", c.name)
		}
		if len(cells) == 0 {
			row = append(row, parquet.NullValue().Level(0, 0, i))
			continue
		}
		present := 0
		if c.optional || c.list() {
			present = 1
		}
		for k, v := range cells {
			row = append(row, v.Level(min(k, 1), present, i))
			if size += int(unsafe.Sizeof(v)); v.Kind() == parquet.ByteArray {
				size += len(v.ByteArray())
			}
		}
	}
	return row, size, nil
}

// parquetValues turns a stored value into those of the column: one, or those of a
// list.
func parquetValues(c *parquetColumn, v any) ([]parquet.Value, error) {
	one := func(v parquet.Value) ([]parquet.Value, error) { return []parquet.Value{v}, nil }
	text := func(s string) parquet.Value {
		return parquet.ByteArrayValue([]byte(strings.ToValidUTF8(s, "\ufffd")))
	}
	switch v := v.(type) {
	case int64:
		switch c.kind {
		case parquetFlag:
			return one(parquet.BooleanValue(v != 0))
		case parquetInt, parquetTime:
			return one(parquet.Int64Value(v))
		}
	case float64:
		if c.kind == parquetReal {
			return one(parquet.DoubleValue(v))
		}
	case string:
		switch c.kind {
		case parquetText, parquetLong:
			return one(text(v))
		case parquetTexts:
			var all []string
			if err := json.Unmarshal([]byte(v), &all); err != nil {
				return nil, err
			}
			var list []parquet.Value
			for _, s := range all {
				list = append(list, text(s))
			}
			return list, nil
		}
	case []byte:
		return parquetBytes(c, v)
	}
	return nil, fmt.Errorf("a %T is no %s", v, c.kind)
}

func parquetBytes(c *parquetColumn, v []byte) (list []parquet.Value, err error) {
	switch c.kind {
	case parquetVector:
		for _, x := range floats(v) {
			list = append(list, parquet.FloatValue(x))
		}
		return list, nil
	case parquetDigest, parquetDigests:
		const n = len(assay.Digest{})
		if len(v)%n != 0 || c.kind == parquetDigest && len(v) != n {
			return nil, fmt.Errorf("digest of %d bytes, want %d", len(v), n)
		}
		for ; len(v) > 0; v = v[n:] {
			list = append(list, parquet.ByteArrayValue([]byte(hex.EncodeToString(v[:n]))))
		}
		return list, nil
	}
	return nil, fmt.Errorf("bytes are no %s", c.kind)
}

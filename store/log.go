package store

import (
	"context"
	"errors"
	"io"

	"github.com/gen-emerge/assay"
)

// LogOptions adjust [DB.ExportLog] and [DB.ImportLog].
type LogOptions struct {
	// Images puts the bytes of every image into an exported log, so that it needs
	// nothing beside it. Without, a log names images by their digests.
	Images bool
	// Blob returns the bytes of an image that an imported log names and does not
	// hold. nil: the workspace's own folder must have them.
	Blob func(assay.Digest) ([]byte, error)
}

// A LogSum says what a log holds, and names its content: equal heads mean equal
// rows.
type LogSum struct {
	Rows   int64              `json:"rows"`
	Tables map[string]LogHead `json:"tables"` // tables without rows are left out
}

// A LogHead is the end of one table's chain. Rows are only added, so a later log of
// the same workspace passes through every earlier head.
type LogHead struct {
	Rows  int64        `json:"rows"`
	Chain assay.Digest `json:"chain"`
}

// ExportLog writes every fact of the workspace to w, a JSON object a line, as they
// stand at one moment. The same facts give the same bytes.
func (db *DB) ExportLog(ctx context.Context, w io.Writer, opt LogOptions) (LogSum, error) {
	return LogSum{}, errors.ErrUnsupported
}

// ImportLog rebuilds a workspace from a log. The workspace must be empty, else the
// error wraps [assay.ErrConflict]. A log that was cut short or changed, by a single
// character, is an error wrapping [assay.ErrInvalid] that names the line; nothing
// is kept of it.
func (db *DB) ImportLog(ctx context.Context, r io.Reader, opt LogOptions) (LogSum, error) {
	return LogSum{}, errors.ErrUnsupported
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/store"
)

func newImport(w world) *cobra.Command {
	c := &cobra.Command{
		Use:   "import",
		Short: "Read what other programs, or another workspace, have written",
	}
	c.AddCommand(newImportVotes(w), newImportLog(w))
	return c
}

func newImportLog(w world) *cobra.Command {
	var dir, blobs string
	var check, asJSON bool
	var wait time.Duration
	c := &cobra.Command{
		Use:   "log FILE",
		Short: "Rebuild a workspace from its log",
		Long: `Log rebuilds a workspace from what ` + "`assay export log`" + ` wrote (- is standard input)
in --dir, which is made if it is missing and must hold no facts. A log that was cut
short or changed is refused with the line, and nothing is kept of it.

Pictures that the log only names are taken from --blobs, the folder blobs of the
old workspace, or from that of the new one if they are there already.`,
		Example: `  assay import log evidence.jsonl --dir restored
  assay import log evidence.jsonl --dir restored --blobs old/blobs
  assay import log --check evidence.jsonl`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var sum store.LogSum
			var err error
			if check {
				sum, err = checkLog(w, args[0])
			} else {
				sum, err = importLog(c.Context(), c, w, args[0], dir, blobs, wait)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(w.out).Encode(sum)
			}
			what := "rebuilt in " + dir
			if check {
				what = "whole and unchanged"
			}
			fmt.Fprintf(w.out, "%d rows of %d tables, %s\n", sum.Rows, len(sum.Tables), what)
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&dir, "dir", ".", "the workspace `DIR`")
	f.StringVar(&blobs, "blobs", "", "the `FOLDER` blobs that has the pictures' bytes")
	f.BoolVar(&check, "check", false, "read the log to its end and change nothing")
	f.DurationVar(&wait, "wait", 10*time.Second, "how long to wait while another process writes to the workspace")
	f.BoolVar(&asJSON, "json", false, "print one object: rows, and each table's end of the chain")
	lineOnly(c, "blobs", "check")
	return c
}

// checkLog reads a log to its end.
func checkLog(w world, path string) (sum store.LogSum, err error) {
	err = readFrom(w, path, func(in io.Reader) error {
		sum, err = store.CheckLog(in)
		return err
	})
	return sum, err
}

// readFrom opens the file, or standard input for -, and shows a bar while it is
// read. The error of read is told with the file's name.
func readFrom(w world, path string, read func(io.Reader) error) error {
	if path == "-" {
		return read(w.in)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	p := newProgress(w, "bytes", int(info.Size()))
	defer p.stop()
	if err := read(&counted{file, p, 0}); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// counted moves a bar as it is read.
type counted struct {
	io.Reader
	p *progress
	n int64
}

// Read implements [io.Reader].
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += int64(n)
	c.p.set(c.n)
	return n, err
}

func importLog(ctx context.Context, c *cobra.Command, w world, path, dir, blobs string, wait time.Duration) (sum store.LogSum, err error) {
	if _, err := os.Stat(path); err != nil && path != "-" { // before a workspace is made for nothing
		return sum, err
	}
	if err := initWorkspace(ctx, dir); err != nil {
		return sum, err
	}
	db, err := openStore(ctx, dir, logger(c, w))
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	unlock, err := db.Lock(ctx, wait)
	if err != nil {
		return sum, err
	}
	defer unlock()
	opt := store.LogOptions{}
	if blobs != "" {
		opt.Blob = func(id assay.Digest) ([]byte, error) { return oldBlob(blobs, id) }
	}
	err = readFrom(w, path, func(in io.Reader) error {
		sum, err = db.ImportLog(ctx, in, opt)
		return err
	})
	return sum, err
}

// oldBlob reads an image's bytes in another workspace's folder.
func oldBlob(folder string, id assay.Digest) ([]byte, error) {
	name := id.String()
	data, err := os.ReadFile(filepath.Join(folder, name[:2], name))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("--blobs %s: %w: %w", folder, err, assay.ErrNotFound)
	}
	return data, err
}

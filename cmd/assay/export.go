package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay/store"
)

func newExport(w world) *cobra.Command {
	c := &cobra.Command{
		Use:   "export",
		Short: "Write what is known for other programs, or for safe-keeping",
	}
	c.AddCommand(newExportVotes(w), newExportLog(w), newExportParquet(w))
	return c
}

func newExportLog(w world) *cobra.Command {
	var dir, after string
	var images bool
	c := &cobra.Command{
		Use:   "log [FILE]",
		Short: "Write the whole workspace as one log that rebuilds it",
		Long: `Log writes every fact of the workspace, JSON lines, to FILE or standard output:
` + "`assay import log`" + ` rebuilds the workspace from it, and an export of that is the same
file again. Without --images the log names pictures by their SHA-256, and the
folder blobs is needed beside it.

Rows are chained: what is changed, left out or moved in the file shows. Facts are
only added, so a later log passes through every row of an earlier one; --after
FILE fails if it does not, because facts were changed behind the program's back.`,
		Example: `  assay export log --images evidence.jsonl
  assay export log --after march.jsonl april.jsonl
  assay export log | zstd > evidence.jsonl.zst`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			opt := store.LogOptions{Images: images}
			if after != "" {
				sum, err := checkLog(w, after)
				if err != nil {
					return err
				}
				opt.After = &sum
			}
			db, err := openStore(c.Context(), dir, logger(c, w))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			return writeTo(w, args, func(out io.Writer) error { return exportLog(c.Context(), w, db, out, opt) })
		},
	}
	f := c.Flags()
	f.StringVar(&dir, "dir", ".", "the workspace `DIR`")
	f.BoolVar(&images, "images", false, "put the bytes of every picture into the log")
	f.StringVar(&after, "after", "", "fail unless the log goes on where the earlier one in `FILE` ends")
	lineOnly(c, "images", "after")
	return c
}

func exportLog(ctx context.Context, w world, db *store.DB, out io.Writer, opt store.LogOptions) error {
	sum, err := db.ExportLog(ctx, out, opt)
	if err != nil {
		return err
	}
	if opt.After != nil {
		fmt.Fprintf(w.err, "%d rows; the %d of the earlier log are the first of them\n", sum.Rows, opt.After.Rows)
		return nil
	}
	fmt.Fprintf(w.err, "%d rows\n", sum.Rows)
	return nil
}

// writeTo has write fill the file that args names, whole or not at all, or standard
// output if args names none or -.
func writeTo(w world, args []string, write func(io.Writer) error) (err error) {
	if len(args) == 0 || args[0] == "-" {
		return write(w.out)
	}
	path := args[0]
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() {
		if err != nil {
			file.Close()
			os.Remove(file.Name())
		}
	}()
	if err := write(file); err != nil {
		return err
	}
	if err := file.Chmod(0o644); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

func newExportParquet(w world) *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use:   "parquet FOLDER",
		Short: "Write every fact as Parquet files, for DuckDB, pandas and Spark",
		Long: `Parquet writes every fact of the workspace into FOLDER, a file a kind of fact:
images, readings, embeddings, judgments and so on (docs/formats.md has the
columns). Files of these names are replaced.`,
		Example: `  assay export parquet evidence/
  duckdb -c "select instrument, avg(value) from 'evidence/readings.parquet' group by 1"`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			db, err := openStore(c.Context(), dir, logger(c, w))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			rows, err := db.ExportParquet(c.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(w.out).Encode(rows)
			}
			table := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
			for _, name := range slices.Sorted(maps.Keys(rows)) {
				fmt.Fprintf(table, "%s\t%d rows\n", filepath.Join(args[0], name), rows[name])
			}
			return table.Flush()
		},
	}
	c.Flags().StringVar(&dir, "dir", ".", "the workspace `DIR`")
	c.Flags().BoolVar(&asJSON, "json", false, "print one object: rows by file")
	return c
}

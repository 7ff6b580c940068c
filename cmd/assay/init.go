package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay/store"
)

// firstSettings is what a new workspace's settings file says.
const firstSettings = `# Settings of this workspace. Every flag can be set here by its name; the
# command line and ASSAY_... variables win over this file.

# series: main

# The map of a new series: descriptor:lowest:highest:cells, two to four axes.
# axis:
#   - warmth:-20:35:8
#   - edge-density:0:0.5:8

# Gates. Empty means: the best instrument installed.
# distance: layout
# warmup: 24
# same-quantile: 0.95
# false-refusal: 0.05
`

func newInit(w world) *cobra.Command {
	return &cobra.Command{
		Use:   "init [DIR]",
		Short: "Make a workspace: assay.yaml, assay.db, blobs/",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			if err := initWorkspace(c.Context(), dir); err != nil {
				return err
			}
			fmt.Fprintf(w.err, "workspace in %s; next: assay add IMAGE ... --dir %s\n", dir, dir)
			return nil
		},
	}
}

// initWorkspace makes dir a workspace. One that is there already is left as it is.
func initWorkspace(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	db, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(dir, configFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return db.Close()
	}
	if err != nil {
		return errors.Join(err, db.Close())
	}
	_, err = file.WriteString(firstSettings)
	return errors.Join(err, file.Close(), db.Close())
}

package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
)

func newSetMerge(w world) *cobra.Command {
	var out string
	var asJSON bool
	c := &cobra.Command{
		Use:   "merge STATE STATE ... -o FILE",
		Short: "Join the states of parts of a set",
		Long: `Merge joins what --save-state wrote for parts of a set, in any order, into the
state of the whole. All must be of the same features, to the checkpoint,
preparation and runtime. An image that is in several states counts once; where a
state holds only moments, in which no image can be found again, that is refused.

Measures of the merged state are those of one pass over all images: of vectors to
the last bit, of moments up to rounding.`,
		Example: "  assay set merge part0.state part1.state -o whole.state\n  assay set -m fid whole.state --ref reference.state",
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return mergeStates(c.Context(), w, args, out, asJSON) },
	}
	c.Flags().StringVarP(&out, "output", "o", "", "the `FILE` to write")
	c.Flags().BoolVar(&asJSON, "json", false, "print what the new state holds as one object")
	lineOnly(c, "output")
	return c
}

// A stateLine says what a row of a state holds.
type stateLine struct {
	assay.Identity
	Images int    `json:"images"`
	Set    string `json:"set"` // digest
	Holds  string `json:"holds"`
}

func mergeStates(ctx context.Context, w world, paths []string, out string, asJSON bool) error {
	if out == "" {
		return usage("name the file to write: -o whole.state, say")
	}
	rows, err := readStates(ctx, paths)
	if err != nil {
		return err
	}
	if err := metric.SaveState(ctx, out, rows); err != nil {
		return err
	}
	lines := []stateLine{}
	for _, r := range rows {
		line := stateLine{r.Identity, r.Len(), r.Digest(), "moments"}
		if r.Features != nil {
			line.Holds = "vectors"
		}
		lines = append(lines, line)
		if !asJSON {
			fmt.Fprintf(w.out, "%s: %d images, %s of %d numbers\n", r.Instrument, line.Images, line.Holds, r.Dim)
		}
	}
	if asJSON {
		return json.NewEncoder(w.out).Encode(map[string]any{"state": out, "rows": lines})
	}
	return nil
}

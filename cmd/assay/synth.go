package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/weights"
)

// newSynth writes made-up checkpoints.
func newSynth(w world) *cobra.Command {
	var seed uint64
	var dir string
	c := &cobra.Command{
		Use:   "synth NAME ... -o DIR",
		Short: "Write made-up weights in the official containers, to compare and time implementations",
		Long: `Synth writes checkpoints of the official container, tensor names, shapes and
types, filled with deterministic values that keep activations in the range of
trained networks (docs/synthetic.md). The authors' own code loads them, so every
architecture can be checked against its reference where the real weights cannot
be had. ASSAY_MODELS=DIR then uses them: readings say "synthetic", they mean
nothing, and no gate accepts them.

NAME is a model of ` + "`assay models list`" + `; "all" is every one that can be made up.`,
		Example: "  assay models synth clip-vit-b32 --seed 1 -o /tmp/made-up\n  ASSAY_MODELS=/tmp/made-up assay embed -m clip-b32 a.png",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if dir == "" {
				return usage("name the folder to write to with -o DIR; the cache of real weights is no place for made-up ones")
			}
			return synthesize(c.Context(), w, args, seed, dir)
		},
	}
	c.Flags().Uint64Var(&seed, "seed", 1, "the `NUMBER` that decides every value")
	c.Flags().StringVarP(&dir, "output", "o", "", "the `DIR` to write DIR/NAME/FILE to")
	lineOnly(c, "output")
	return c
}

func synthesize(ctx context.Context, w world, names []string, seed uint64, dir string) error {
	if len(names) == 1 && names[0] == "all" {
		names = nil
		for _, m := range weights.Manifest() {
			if metric.Synthesizable(m.Name) {
				names = append(names, m.Name)
			}
		}
	}
	var failed []error
	for _, name := range names {
		if err := metric.Synthesize(ctx, name, seed, dir); err != nil {
			if ctx.Err() != nil {
				return err
			}
			failed = append(failed, err)
			continue
		}
		fmt.Fprintf(w.out, "%s  %s\n", name, filepath.Join(dir, name))
	}
	return errors.Join(failed...)
}

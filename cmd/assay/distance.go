package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay/metric"
)

func newDistance(w world) *cobra.Command {
	var name string
	var asJSON bool
	var limits limitFlags
	var towers towerFlags
	c := &cobra.Command{
		Use:     "distance -m NAME A B",
		Short:   "Measure how far apart two images are",
		Example: `  assay distance -m lpips-squeeze a.png b.png --json`,
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return distance(c.Context(), c, w, name, limits, towers, asJSON, args)
		},
	}
	c.Flags().StringVarP(&name, "metric", "m", "layout", "the `INSTRUMENT`, one that reads pairs")
	c.Flags().BoolVar(&asJSON, "json", false, "print one object with the number's provenance")
	limits.register(c)
	towers.register(c)
	return c
}

func distance(ctx context.Context, c *cobra.Command, w world, name string, limits limitFlags, towers towerFlags, asJSON bool, args []string) (err error) {
	tools, err := openNamed(ctx, w, logger(c, w), towers, 1, []string{name})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tools.Close()) }()
	tool := tools.Instruments[0]
	if tool.Kind != metric.OfPair {
		return usage("%s reads single images: try `assay score -m %s`", name, name)
	}
	files := inputs{limit: limits.bytes, stdin: w.in}
	a, idA, err := readPicture(ctx, files.file(args[0]), limits.limits())
	if err != nil {
		return err
	}
	b, idB, err := readPicture(ctx, files.file(args[1]), limits.limits())
	if err != nil {
		return err
	}
	r, err := tool.Distance(ctx, a, b)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", args[0], args[1], err)
	}
	r.Image, r.Ref = idA, idB
	if asJSON {
		return json.NewEncoder(w.out).Encode(r)
	}
	fmt.Fprintf(w.out, "%.6f\n", r.Value)
	for _, warning := range r.Warnings {
		fmt.Fprintln(w.err, "warning:", warning)
	}
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay/series"
)

func newAxes(w world) *cobra.Command {
	var f seriesFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "axes",
		Short: "Show the axes that were learned from odd ones out",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return showAxes(c.Context(), c, w, &f, asJSON) },
	}
	f.register(c)
	f.registerRules(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the versions with their maps and trials")
	c.AddCommand(newAxesLearn(w))
	return c
}

func newAxesLearn(w world) *cobra.Command {
	var f seriesFlags
	var rater string
	var asJSON, dry bool
	c := &cobra.Command{
		Use:   "learn",
		Short: "Learn axes from one person's odd ones out, if they hold on answers not seen",
		Long: `Learn fits two axes to a person's answers to which of three pictures is the odd
one out, over the embedding that the diversity gate stands on, and tries them on
answers that they have not seen. They are kept, as a new version, only if they
foresee those better than the version in force, or than the untrained embedding,
by more than half of the interval; else the reason is told and the status is 3.
The map does not change until ` + "`assay archive rebin --axes learned@N`" + ` is asked for.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return learnAxes(c.Context(), c, w, &f, rater, asJSON, dry) },
	}
	f.register(c)
	f.registerRules(c)
	registerRater(c, &rater)
	c.Flags().BoolVar(&dry, "dry-run", false, "try them, and keep nothing")
	c.Flags().BoolVar(&asJSON, "json", false, "print the axes and their trial as one object")
	return c
}

func showAxes(ctx context.Context, c *cobra.Command, w world, f *seriesFlags, asJSON bool) (err error) {
	ws, err := openWorkspace(ctx, c, w, f, needViews)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ws.Close()) }()
	versions, err := ws.series.LearnedVersions(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		if versions == nil {
			versions = []series.LearnedAxes{} // [] in JSON, not null
		}
		return json.NewEncoder(w.out).Encode(map[string]any{"versions": versions})
	}
	if len(versions) == 0 {
		_, err := fmt.Fprintln(w.out, "no axes were learned yet: the page Odd one out asks (`assay serve`), `assay axes learn` learns")
		return err
	}
	table := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "version\tof\tover\tanswers\tlearned\ttrial")
	for _, v := range versions {
		fmt.Fprintf(table, "learned@%d\t%s\t%s\t%d\t%s\t%s\n", v.Version, v.Rater, v.Identity.Instrument, v.Triplets, v.Created.Format(time.DateOnly), v.Trial.Reason)
	}
	return table.Flush()
}

func learnAxes(ctx context.Context, c *cobra.Command, w world, f *seriesFlags, rater string, asJSON, dry bool) (err error) {
	ws, err := openLocked(ctx, c, w, f, needViews)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ws.Close()) }()
	got, err := ws.series.LearnAxes(ctx, rater, dry)
	if err != nil {
		return err
	}
	switch {
	case asJSON:
		if err := json.NewEncoder(w.out).Encode(got); err != nil {
			return err
		}
	case got.Version > 0:
		fmt.Fprintf(w.out, "learned@%d from %d answers: %s\n`assay archive rebin --axes learned@%d --dry-run` says what it would do to the map\n", got.Version, got.Triplets, got.Trial.Reason, got.Version)
	default:
		fmt.Fprintf(w.out, "nothing was kept, from %d answers: %s\n", got.Triplets, got.Trial.Reason)
	}
	if got.Version == 0 && !dry {
		return errPartial
	}
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
)

func newGate(w world) *cobra.Command {
	var f seriesFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "gate",
		Short: "Show the gates of a series: thresholds, and what they rest on",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return showGates(c.Context(), c, w, &f, asJSON)
		},
	}
	f.register(c)
	f.registerRules(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the thresholds with their evidence")
	c.AddCommand(newGateCalibrate(w))
	return c
}

func newGateCalibrate(w world) *cobra.Command {
	var f seriesFlags
	var controls, asJSON, dry bool
	var sample int
	c := &cobra.Command{
		Use:   "calibrate --controls",
		Short: "Compute thresholds from controls run on the series' own images",
		Long: `Calibrate measures what "the same picture" and "a damaged picture" read like in
this series: trivial variants and damaged copies of its images are made in
memory and measured. The diversity threshold is a stated quantile of the
distances between variants; each technical gate takes nima-technical where it is
installed and no formula tells its kind of damage better beyond doubt, else the
instrument that tells it best, at a stated rate of false refusals.

The thresholds and the controls are stored; earlier ones stay on record.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !controls {
				return usage("thresholds can be computed from controls only: say so with --controls")
			}
			return calibrateGates(c.Context(), c, w, &f, series.CalibrateOptions{Sample: sample, DryRun: dry}, asJSON)
		},
	}
	f.register(c)
	f.registerRules(c)
	c.Flags().BoolVar(&controls, "controls", false, "compute thresholds from controls")
	c.Flags().IntVar(&sample, "sample", 48, "run controls on at most this many `IMAGES`, evenly spread over the series")
	c.Flags().BoolVar(&dry, "dry-run", false, "show the thresholds and store nothing")
	c.Flags().BoolVar(&asJSON, "json", false, "print the thresholds with their evidence")
	return c
}

func showGates(ctx context.Context, c *cobra.Command, w world, f *seriesFlags, asJSON bool) (err error) {
	ws, err := openWorkspace(ctx, c, w, f, needViews)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ws.Close()) }()
	view, err := ws.series.View(ctx)
	if err != nil {
		return err
	}
	return printThresholds(w.out, view.Thresholds, asJSON)
}

func calibrateGates(ctx context.Context, c *cobra.Command, w world, f *seriesFlags, opt series.CalibrateOptions, asJSON bool) (err error) {
	ws, err := openWorkspace(ctx, c, w, f, needTools)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ws.Close()) }()
	if !opt.DryRun {
		unlock, err := ws.store.Lock(ctx, f.wait)
		if err != nil {
			return err
		}
		defer unlock()
	}
	bar := newProgress(w, "controls", opt.Sample)
	opt.Progress = func(done, total int) { bar.total(int64(total)); bar.set(int64(done)) }
	thresholds, err := ws.series.Calibrate(ctx, opt)
	bar.stop()
	if err != nil {
		return err
	}
	return printThresholds(w.out, thresholds, asJSON)
}

func printThresholds(out io.Writer, thresholds []assay.Threshold, asJSON bool) error {
	if thresholds == nil {
		thresholds = []assay.Threshold{} // [] in JSON, not null
	}
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			Thresholds []assay.Threshold `json:"thresholds"`
		}{thresholds})
	}
	if len(thresholds) == 0 {
		fmt.Fprintln(out, "no thresholds yet: `assay gate calibrate --controls` computes them")
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "gate\tinstrument\tfails\tmode\twhy")
	for _, t := range thresholds {
		fmt.Fprintf(table, "%s\t%s\t%s %.4g\t%s\t%s\n", t.Gate, t.Instrument, t.Fails, t.Value, t.Mode, t.Reason)
	}
	return table.Flush()
}

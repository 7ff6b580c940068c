package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
	"github.com/gen-emerge/assay/series"
)

func newArchive(w world) *cobra.Command {
	var f seriesFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "archive",
		Short: "Show the map of a series: cells, elites, coverage",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return showArchive(c.Context(), c, w, &f, asJSON)
		},
	}
	f.register(c)
	f.registerRules(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print cells, elites, challengers and history")
	c.AddCommand(newRebin(w))
	return c
}

func newRebin(w world) *cobra.Command {
	var f seriesFlags
	var opt series.RebinOptions
	var asJSON bool
	var learned string
	c := &cobra.Command{
		Use:   "rebin",
		Short: "Change the axes of the map, or see what that would do",
		Long: `Rebin cuts the map anew: along the axes given with --axis, or, without them,
along the present descriptors with bounds at quantiles of the series. --axes
learned@N takes axes that were learned from odd ones out (assay axes). --dry-run
says which cells would merge and split and changes nothing.`,
		Example: `  assay archive rebin --dry-run
  assay archive rebin --axis warmth:-20:60:10 --axis symmetry-lr:-1:1:6
  assay archive rebin --axes learned@3 --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if learned != "" {
				version, ok := strings.CutPrefix(learned, "learned@")
				n, err := strconv.Atoi(version)
				if !ok || err != nil || n < 1 || len(f.axes) > 0 {
					return usage("--axes %s: want learned@N, as `assay axes` lists them, and no --axis beside it", learned)
				}
				opt.Learned = n
			}
			return rebin(c.Context(), c, w, &f, opt, asJSON)
		},
	}
	f.register(c)
	f.registerRules(c)
	c.Flags().StringVar(&learned, "axes", "", "take the axes that were learned in `VERSION`: learned@N")
	lineOnly(c, "axis", "axes") // the settings' axes are those of a new series
	c.Flags().BoolVar(&opt.DryRun, "dry-run", false, "say what would merge and split; change nothing")
	c.Flags().Float64Var(&opt.Lo, "lo", archive.DefaultLo, "lower `QUANTILE` for bounds")
	c.Flags().Float64Var(&opt.Hi, "hi", archive.DefaultHi, "upper `QUANTILE` for bounds")
	c.Flags().BoolVar(&asJSON, "json", false, "print the report as one object")
	return c
}

func showArchive(ctx context.Context, c *cobra.Command, w world, f *seriesFlags, asJSON bool) (err error) {
	ws, err := openWorkspace(ctx, c, w, f, needViews)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ws.Close()) }()
	view, err := ws.series.View(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		enc := json.NewEncoder(w.out)
		enc.SetIndent("", "  ")
		return enc.Encode(archiveReport(f.series, view))
	}
	printArchive(w.out, view)
	return nil
}

// An archiveJSON is the documented form of `assay archive --json`.
type archiveJSON struct {
	Series string         `json:"series"`
	Axes   []assay.Axis   `json:"axes"`
	Reason string         `json:"bounds"`
	Stats  archive.Stats  `json:"stats"`
	Cells  []archiveEntry `json:"cells"`
}

type archiveEntry struct {
	Cell        []int           `json:"cell"`
	Elite       assay.Digest    `json:"elite"`
	Challengers []assay.Digest  `json:"challengers"`
	History     []archive.Event `json:"history"`
}

func archiveReport(name string, view *series.View) archiveJSON {
	out := archiveJSON{Series: name, Axes: view.Grid.Axes, Reason: view.Grid.Reason, Stats: view.Archive.Stats(), Cells: []archiveEntry{}}
	for cell := range view.Archive.Cells() {
		e := archiveEntry{Cell: cell.Coords, Elite: cell.Elite.Image, Challengers: []assay.Digest{}, History: cell.History}
		for _, ch := range cell.Challengers {
			e.Challengers = append(e.Challengers, ch.Image)
		}
		out.Cells = append(out.Cells, e)
	}
	return out
}

// printArchive draws a map of two axes; of more it tells the numbers only.
func printArchive(out io.Writer, view *series.View) {
	st := view.Archive.Stats()
	for i, a := range view.Grid.Axes {
		fmt.Fprintf(out, "%s  %s from %g to %g in %d cells\n", [...]string{"across", "up    ", "third ", "fourth"}[i], a.Descriptor, a.Lo, a.Hi, a.Cells)
	}
	if len(view.Grid.Axes) == 2 {
		across, up := view.Grid.Axes[0].Cells, view.Grid.Axes[1].Cells
		for y := up - 1; y >= 0; y-- {
			var line strings.Builder
			for x := range across {
				line.WriteString(cellMark(view, []int{x, y}))
			}
			fmt.Fprintf(out, "  |%s|\n", line.String())
		}
	}
	fmt.Fprintf(out, "%d images in %d of %d cells: coverage %.3f, occupancy entropy %.3f (1 is even)\n",
		st.Images, st.NumElites, st.Cells, st.Coverage, st.Evenness)
	if line := clampedLine(view.Grid, st); line != "" {
		fmt.Fprintln(out, line)
	}
}

// cellMark is how many images fell into a cell, for the terminal.
func cellMark(view *series.View, coords []int) string {
	index, err := view.Archive.Grid().Cell(coords)
	if err != nil {
		return "   "
	}
	cell, ok := view.Archive.Cell(index)
	if !ok {
		return "  ."
	}
	return fmt.Sprintf("%3d", cell.Images())
}

// clampedLine warns of images beyond the map's edges.
func clampedLine(grid assay.GridSpec, st archive.Stats) string {
	var parts []string
	for _, a := range st.Axes {
		if a.Low+a.High > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d below, %d above", a.Descriptor, a.Low, a.High))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "outside the map's bounds, kept in its outer cells: " + strings.Join(parts, "; ") + " (`assay archive rebin --dry-run`)"
}

func rebin(ctx context.Context, c *cobra.Command, w world, f *seriesFlags, opt series.RebinOptions, asJSON bool) (err error) {
	if opt.Axes, err = parseAxes(f.axes); err != nil {
		return err
	}
	ws, err := openWorkspace(ctx, c, w, f, needViews)
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
	report, err := ws.series.Rebin(ctx, opt)
	if err != nil {
		return err
	}
	if asJSON {
		enc := json.NewEncoder(w.out)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	}
	printRebin(w.out, report, opt.DryRun)
	return nil
}

func printRebin(out io.Writer, r series.RebinReport, dry bool) {
	for _, a := range r.Axes {
		fmt.Fprintf(out, "%s from %.4g to %.4g in %d cells\n", a.Descriptor, a.Lo, a.Hi, a.Cells)
	}
	for _, note := range r.Notes {
		fmt.Fprintln(out, note)
	}
	fmt.Fprintf(out, "coverage %.3f (%d of %d cells) becomes %.3f (%d of %d)\n",
		r.Before.Coverage, r.Before.Occupied, r.Before.Cells, r.After.Coverage, r.After.Occupied, r.After.Cells)
	fmt.Fprintf(out, "%d images move; %d lie outside the new bounds; %d cells split\n", r.Moved, r.Clamped, len(r.Split))
	for _, m := range r.Merged {
		var ids []string
		for _, e := range m.Elites {
			ids = append(ids, e.Short())
		}
		fmt.Fprintf(out, "cell %s: %s meet; the first stays elite, the others challenge it\n", cellName(m.Coords), strings.Join(ids, ", "))
	}
	if dry {
		fmt.Fprintln(out, "nothing was changed (--dry-run)")
	}
}

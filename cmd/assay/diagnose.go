package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/stat"
)

type diagnoseFlags struct {
	seriesFlags
	in     inputs
	opt    series.DiagnoseOptions
	asJSON bool
}

func newDiagnose(w world) *cobra.Command {
	var f diagnoseFlags
	c := &cobra.Command{
		Use:   "diagnose [IMAGE|GLOB|DIR ...]",
		Short: "Say whether a series converges: whether its images grow alike",
		Long: `Diagnose says in a sentence whether the last images of a series are closer to
each other than the first, with an interval, and shows what else tells: the
distance of each image from the nearest of those before it, the effective number
of different images (Vendi), and how the images spread over the map. It reads
stored vectors; with --by it reads the pictures that have none yet, and keeps
their vectors.

An alarm is the outcome of statistical tests, one-sided, with one error rate for
all of them and for all looks at the series, ever: --error-rate. To that end the
tests are decided after fixed numbers of images, not whenever somebody looks.
They assume that images could have come in any order if nothing changes; where
several in a row belong together, as those of one prompt do, say so with --batch.

With files or folders it needs no workspace: their order is that of the names, or
of the manifest.`,
		Example: "  assay diagnose\n  assay diagnose --by dreamsim --batch 4\n  assay diagnose renders/ --json",
		RunE: func(c *cobra.Command, args []string) error {
			return diagnose(c.Context(), c, w, &f, args)
		},
	}
	f.register(c)
	f.registerRules(c)
	flags := c.Flags()
	flags.StringVar(&f.opt.By, "by", "", "the `INSTRUMENT` that tells images apart; that of the diversity gate if not given")
	flags.IntVar(&f.opt.Window, "window", 40, "how many `IMAGES` are the last, and the first")
	flags.IntVar(&f.opt.Batch, "batch", 1, "how many `IMAGES` in a row belong together")
	flags.BoolVar(&f.opt.Accepted, "accepted", false, "leave out the images that gates refused")
	flags.Float64Var(&f.opt.Alpha, "error-rate", 0.05, "`CHANCE` that a series which does not converge ever raises an alarm")
	flags.Uint64Var(&f.opt.Seed, "seed", 0, "of the orders drawn for p-values")
	flags.BoolVarP(&f.in.recursive, "recursive", "r", false, "look in the folders below a folder")
	flags.StringVar(&f.in.manifest, "manifest", "", "a CSV or JSON-lines `FILE` with a column path, in order of time")
	flags.BoolVar(&f.asJSON, "json", false, "print one object")
	lineOnly(c, "accepted", "seed", "batch") // other commands mean something else by a batch
	return c
}

func (f *diagnoseFlags) check(files bool) error {
	switch {
	case f.opt.Batch < 1:
		return usage("--batch %d: want 1 or more", f.opt.Batch)
	case f.opt.Window < 6*f.opt.Batch:
		return usage("--window %d: want at least 6 batches of %d, %d images", f.opt.Window, f.opt.Batch, 6*f.opt.Batch)
	case !(f.opt.Alpha > 0 && f.opt.Alpha < 1):
		return usage("--error-rate %g: want a number between 0 and 1", f.opt.Alpha)
	case files && f.opt.Accepted:
		return usage("--accepted is about a series' gates; files have none")
	}
	return nil
}

func diagnose(ctx context.Context, c *cobra.Command, w world, f *diagnoseFlags, args []string) error {
	files := len(args) > 0 || f.in.manifest != ""
	if err := f.check(files); err != nil {
		return err
	}
	var d series.Diagnosis
	var err error
	partial := false
	if files {
		d, partial, err = diagnoseFiles(ctx, c, w, f, args)
	} else {
		d, err = diagnoseSeries(ctx, c, w, f)
	}
	if err != nil {
		return err
	}
	if f.asJSON {
		enc := json.NewEncoder(w.out)
		enc.SetIndent("", "  ")
		err = enc.Encode(d)
	} else {
		err = printDiagnosis(w.out, d)
	}
	if err == nil && partial {
		err = errPartial
	}
	return err
}

// diagnoseSeries reads what is stored. Only where an instrument is asked for
// whose vectors are not all there it is opened, and looks at the pictures.
func diagnoseSeries(ctx context.Context, c *cobra.Command, w world, f *diagnoseFlags) (d series.Diagnosis, err error) {
	ws, err := openWorkspace(ctx, c, w, &f.seriesFlags, needViews)
	if err != nil {
		return d, err
	}
	d, err = ws.series.Diagnose(ctx, f.opt)
	n, countErr := ws.series.Count(ctx)
	err = errors.Join(err, countErr, ws.Close())
	complete := err == nil && (f.opt.Accepted || int64(d.Images) == n)
	if f.opt.By == "" || complete || err != nil && !errors.Is(err, assay.ErrNotFound) {
		return d, err
	}
	return diagnoseEmbedding(ctx, c, w, f)
}

func diagnoseEmbedding(ctx context.Context, c *cobra.Command, w world, f *diagnoseFlags) (d series.Diagnosis, err error) {
	f.measure = append(f.measure, f.opt.By)
	ws, err := openWorkspace(ctx, c, w, &f.seriesFlags, needTools)
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, ws.Close()) }()
	unlock, err := ws.store.Lock(ctx, f.wait)
	if err != nil {
		return d, err
	}
	defer unlock()
	n, err := ws.series.Count(ctx)
	if err != nil {
		return d, err
	}
	bar := newProgress(w, "embedding", int(n))
	_, err = ws.series.Embed(ctx, f.opt.By, func(done, _ int64) { bar.set(done) })
	bar.stop()
	if err != nil {
		return d, err
	}
	return ws.series.Diagnose(ctx, f.opt)
}

func printDiagnosis(out io.Writer, d series.Diagnosis) error {
	fmt.Fprintf(out, "%s\n%s\n\n", d.Sentence, d.Alarm)
	fmt.Fprintf(out, "%d images in order of %s, told apart by %s", d.Images, d.Order, d.By.Instrument)
	if d.All != nil {
		fmt.Fprintf(out, "; all of them are %.3g apart in the mean%s", d.All.Mean, within(d.All.Interval))
	}
	fmt.Fprintln(out)
	if err := printCurve(out, d); err != nil {
		return err
	}
	if len(d.Tests) > 0 {
		fmt.Fprintln(out, "\nTests at this moment, each one-sided; for a look decided on beforehand:")
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "  test\tquestion\tfound\tp\tfor all tests")
		for _, t := range d.Tests {
			fmt.Fprintf(table, "  %s\t%s?\t%s\t%.2g\t%.2g\n", t.Name, t.Question, t.Value, t.P, t.Adjusted)
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	if len(d.Notes) > 0 {
		fmt.Fprintln(out, "\nTo know:")
	}
	for _, note := range d.Notes {
		fmt.Fprintf(out, "  - %s\n", note)
	}
	for _, m := range d.NotMeasured {
		fmt.Fprintf(out, "not measured: %s: %s\n", m.Instrument, m.Reason)
	}
	return nil
}

// printCurve prints the windows, at most eight of them.
func printCurve(out io.Writer, d series.Diagnosis) error {
	if len(d.Curve) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	cells := d.Curve[0].Entropy != nil
	head := "  images\tmean distance\tdifferent (Vendi)\tnearest before"
	if cells {
		head += "\tentropy\tcells so far"
	}
	fmt.Fprintln(table, head)
	for _, k := range stat.ThinEvenly(len(d.Curve), 8, 1) {
		p := d.Curve[k]
		fmt.Fprintf(table, "  %d–%d\t%.3g%s\t%.3g%s\t%s", p.From, p.To, p.Mean, within(p.Interval), p.Vendi, within(p.VendiInterval), nearestIn(d.Nearest, p.From, p.To))
		if cells {
			fmt.Fprintf(table, "\t%.3g\t%d", *p.Entropy, p.SoFarCells)
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}

// within writes an interval of level 0.95.
func within(iv *stat.Interval) string {
	if iv == nil {
		return ""
	}
	return fmt.Sprintf(" (%.3g to %.3g)", iv.Lo, iv.Hi)
}

// nearestIn is the median distance to the nearest before, of a window's images.
func nearestIn(n *series.NearestFinding, from, to int) string {
	var values []float64
	for i, at := range n.At {
		if at >= from && at <= to {
			values = append(values, n.Distance[i])
		}
	}
	if m, err := stat.Quantile(values, 0.5); err == nil {
		return strings.TrimSpace(fmt.Sprintf("%.3g", m))
	}
	return "–" // too early to have so many images before
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/cmd/assay/art"
	"github.com/gen-emerge/assay/series"
)

type demoFlags struct {
	seriesFlags
	noServe bool
	seed    uint64
	serve   serveFlags
}

func newDemo(w world) *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use:   "demo",
		Short: "See the whole job on 64 pictures drawn by the program; needs no network",
		Long: `Demo draws 64 pictures of generative art, among them near-duplicates and damaged
copies, measures them, computes thresholds from controls, gates and maps them,
says what happened, and serves the pages. Run again on the same folder it finds
everything done.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return demo(c.Context(), c, w, &f) },
	}
	c.Flags().StringVar(&f.dir, "dir", "", "the `DIR` to work in; a new temporary folder if not given")
	c.Flags().StringVarP(&f.seriesFlags.series, "series", "s", "demo", "the series `NAME`")
	f.registerRules(c)
	f.serve.register(c)
	c.Flags().BoolVar(&f.noServe, "no-serve", false, "end when the pictures are on the map")
	c.Flags().Uint64Var(&f.seed, "seed", 1, "draw another series")
	lineOnly(c, "dir", "series") // nobody's own series gets the demo's pictures by accident
	return c
}

func demo(ctx context.Context, c *cobra.Command, w world, f *demoFlags) (err error) {
	if f.dir == "" {
		if f.dir, err = os.MkdirTemp("", "assay-demo-"); err != nil {
			return err
		}
	}
	if err := initWorkspace(ctx, f.dir); err != nil {
		return err
	}
	works := art.Series(f.seed)
	list, err := drawAll(ctx, w, filepath.Join(f.dir, "pictures", fmt.Sprintf("seed-%d", f.seed)), works)
	if err != nil {
		return err
	}
	ws, err := openWorkspace(ctx, c, w, &f.seriesFlags, needSeries)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ws.Close()) }()
	results, err := demoAdd(ctx, w, ws, list, f.warmup, f.wait)
	if err != nil {
		return err
	}
	if err := demoReport(ctx, w.out, ws.series, works, results); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "\nThe workspace is %s: `assay archive --dir %s -s %s` shows the map again.\n", f.dir, f.dir, f.seriesFlags.series)
	if f.noServe {
		return nil
	}
	return serve(ctx, w, ws, f.serve)
}

// drawAll draws the works into a folder, those that are not there yet.
func drawAll(ctx context.Context, w world, folder string, works []art.Work) ([]series.Input, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	fmt.Fprintf(w.out, "Drawing %d pictures into %s\n", len(works), folder)
	bar := newProgress(w, "drawing", len(works))
	defer bar.stop()
	files := inputs{limit: 64 << 20}
	var list []series.Input
	type drawn struct {
		work art.Work
		path string
		err  error
	}
	err := inOrder(ctx, 2, works, func(ctx context.Context, work art.Work) drawn {
		path := filepath.Join(folder, work.Name+".png")
		if _, err := os.Stat(path); err == nil {
			return drawn{work, path, nil}
		}
		data, err := work.PNG(ctx)
		if err == nil { // whole or not at all, so that what is there can be trusted
			err = os.WriteFile(path+".tmp", data, 0o644)
		}
		if err == nil {
			err = os.Rename(path+".tmp", path)
		}
		return drawn{work, path, err}
	}, func(d drawn) error {
		defer bar.step()
		if d.err != nil {
			return d.err
		}
		in := files.file(d.path)
		in.Prompt, in.Generator = d.work.Prompt, "assay demo"
		in.Settings = map[string]string{"family": d.work.Family, "seed": strconv.FormatUint(d.work.Seed, 10)}
		if d.work.Flaw != "" {
			in.Settings["flaw"] = d.work.Flaw
		}
		list = append(list, in)
		return nil
	})
	return list, err
}

// demoAdd adds the pictures and keeps the results.
func demoAdd(ctx context.Context, w world, ws *workspace, list []series.Input, warmup int, wait time.Duration) ([]series.Result, error) {
	unlock, err := ws.store.Lock(ctx, wait)
	if err != nil {
		return nil, err
	}
	defer unlock()
	fmt.Fprintf(w.out, "Measuring with %d instruments; after %d pictures thresholds are computed from controls\n", len(ws.tools.Instruments), warmup)
	start := time.Now()
	bar := newProgress(w, "measuring", len(list))
	defer bar.stop()
	var results []series.Result
	err = ws.series.Add(ctx, slices.Values(list), func(r series.Result) error {
		results = append(results, r)
		bar.step()
		return nil
	})
	bar.stop()
	fmt.Fprintf(w.out, "Done in %.1f s\n", time.Since(start).Seconds())
	return results, err
}

// demoReport says what happened, in the order of a newcomer's questions.
func demoReport(ctx context.Context, out io.Writer, s *series.Series, works []art.Work, results []series.Result) error {
	view, err := s.View(ctx)
	if err != nil {
		return err
	}
	counts := map[string]int{}
	for _, r := range results {
		counts[r.Outcome]++
	}
	fmt.Fprintf(out, "\nOf %d pictures:\n", len(results))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(out, "  %3d %-11s %s\n", counts[name], name, map[string]string{
			string(assay.Added): "opened an empty cell of the map", string(assay.Challenger): "fell into a taken cell and wait for a person to compare them",
			string(assay.Refused): "failed an enforced gate", "error": "could not be read", string(assay.Unplaced): "lack a descriptor",
		}[name])
	}
	fmt.Fprintln(out, "\nWhat the gates refused, and what had been done to it:")
	for i, r := range results {
		flaw := works[i].Flaw
		if r.Outcome == string(assay.Refused) || flaw != "" {
			fmt.Fprintf(out, "  %-10s %-20s %s\n", r.Outcome, works[i].Name, demoWhy(r, flaw))
		}
	}
	fmt.Fprintln(out, "\nThe gates' thresholds, measured on these pictures:")
	for _, t := range view.Thresholds {
		fmt.Fprintf(out, "  %-22s %s (%s): %s\n", t.Gate, t.Instrument, t.Mode, t.Reason)
	}
	fmt.Fprintln(out, "\nThe map, images per cell:")
	printArchive(out, view)
	return nil
}

func demoWhy(r series.Result, flaw string) string {
	if flaw == "" {
		flaw = "an original"
	}
	for _, g := range r.Gates {
		if g.Verdict == assay.Fail && g.Mode == assay.Enforced {
			return fmt.Sprintf("%s (%s: %s)", flaw, g.Gate, brief(g))
		}
	}
	for _, g := range r.Gates {
		if g.Verdict == assay.Fail {
			return fmt.Sprintf("%s (%s saw it, in %s mode)", flaw, g.Gate, g.Mode)
		}
	}
	return flaw + " (no gate saw it)"
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
)

type addFlags struct {
	seriesFlags
	in       inputs
	out      string
	parents  []string
	settings map[string]string
}

func newAdd(w world) *cobra.Command {
	var f addFlags
	c := &cobra.Command{
		Use:   "add IMAGE|GLOB|DIR|- ...",
		Short: "Measure, gate and place images in a series",
		Long: `Add measures images, asks every gate, and places what passes on the series' map.

One line an image says what became of it; -o jsonl prints one object an image
for programs (docs/formats.md). Images that were added before are told again
and change nothing, so a command that was stopped can simply be repeated.`,
		Example: `  assay add renders/*.png --prompt "a red fox in snow"
  assay add -r out/ -o jsonl
  assay add --manifest prompts.csv
  curl -s https://example.org/x.png | assay add -`,
		RunE: func(c *cobra.Command, args []string) error { return add(c.Context(), c, w, &f, args) },
	}
	f.register(c)
	f.registerRules(c)
	flags := c.Flags()
	flags.BoolVarP(&f.in.recursive, "recursive", "r", false, "look in the folders below a folder")
	flags.StringVar(&f.in.manifest, "manifest", "", "a CSV or JSON-lines `FILE` of path,prompt,negative,generator,parents,...")
	flags.StringVar(&f.in.base.Prompt, "prompt", "", "the `TEXT` the images were made from; else read from their metadata")
	flags.StringVar(&f.in.base.Generator, "generator", "", "the `NAME` of what made them; else read from their metadata")
	flags.StringSliceVar(&f.parents, "parent", nil, "`DIGEST` of an image these were made from")
	flags.StringToStringVar(&f.settings, "set", nil, "a setting of the generator, `KEY=VALUE`")
	flags.StringVarP(&f.out, "output", "o", "text", "text or jsonl")
	return c
}

func add(ctx context.Context, c *cobra.Command, w world, f *addFlags, args []string) (err error) {
	if f.out != "text" && f.out != "jsonl" {
		return usage("-o %s: want text or jsonl", f.out)
	}
	for _, p := range f.parents {
		d, err := assay.ParseDigest(p)
		if err != nil {
			return usage("--parent: %v", err)
		}
		if !slices.Contains(f.in.base.Parents, d) {
			f.in.base.Parents = append(f.in.base.Parents, d)
		}
	}
	f.in.base.Settings, f.in.limit, f.in.stdin = f.settings, f.limits.bytes, w.in
	list, err := f.in.list(ctx, args)
	if err != nil {
		return err
	}
	ws, err := openLocked(ctx, c, w, &f.seriesFlags, needSeries)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ws.Close()) }()
	t := &addTally{out: w.out, jsonl: f.out == "jsonl"}
	progress := newProgress(w, "measuring", len(list))
	defer progress.stop()
	t.progress = progress
	if err := ws.series.Add(ctx, slices.Values(list), t.emit); err != nil {
		return err
	}
	progress.stop()
	return t.close(ctx, w, ws.series)
}

// addTally prints results and counts them.
type addTally struct {
	out      io.Writer
	jsonl    bool
	progress *progress
	counts   map[string]int
	partial  bool
}

func (t *addTally) emit(r series.Result) error {
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	if r.Known {
		t.counts["known"]++
	} else {
		t.counts[r.Outcome]++
	}
	if r.Outcome == "error" || r.Outcome == string(assay.Refused) || r.Outcome == string(assay.Unplaced) {
		t.partial = true
	}
	for _, g := range r.Gates {
		t.partial = t.partial || g.Verdict == assay.NotMeasured
	}
	defer t.progress.step()
	if t.jsonl {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(t.progress.over(t.out), "%s\n", line)
		return err
	}
	_, err := fmt.Fprintln(t.progress.over(t.out), resultLine(r))
	return err
}

// resultLine says in one line what became of an image.
func resultLine(r series.Result) string {
	if r.Outcome == "error" {
		if strings.HasPrefix(r.Error, r.Path) || strings.Contains(r.Error, " "+r.Path+":") {
			return "error       " + r.Error
		}
		return fmt.Sprintf("error       %s: %s", r.Path, r.Error)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-11s %s  %s", r.Outcome, r.Digest.Short(), r.Path)
	if r.Cell != nil {
		fmt.Fprintf(&b, "  cell %s", cellName(r.Cell))
	}
	if r.Outcome == string(assay.Challenger) && !r.Incumbent.IsZero() {
		fmt.Fprintf(&b, " held by %s", r.Incumbent.Short())
	}
	if r.Known {
		b.WriteString("  (known)")
	}
	for _, g := range r.Gates {
		if g.Verdict == assay.Fail || g.Verdict == assay.NotMeasured {
			fmt.Fprintf(&b, "\n            %s", gateLine(g))
		}
	}
	return b.String()
}

func gateLine(g assay.GateResult) string {
	shadow := ""
	if g.Verdict == assay.Fail && g.Mode != assay.Enforced {
		shadow = ", " + string(g.Mode) + " only"
	}
	return fmt.Sprintf("%s %s%s: %s", g.Gate, g.Verdict, shadow, brief(g))
}

// brief is the reading and the threshold of a verdict, without the threshold's
// own evidence, which `assay gate` shows once.
func brief(g assay.GateResult) string {
	if g.Verdict != assay.Fail {
		return g.Reason
	}
	short, _, _ := strings.Cut(g.Reason, ": ")
	return short
}

// cellName writes a cell as its indices, as in 3·5.
func cellName(cell []int) string {
	parts := make([]string, len(cell))
	for i, k := range cell {
		parts[i] = fmt.Sprint(k)
	}
	return strings.Join(parts, "·")
}

// close tells the sum on standard error.
func (t *addTally) close(ctx context.Context, w world, s *series.Series) error {
	var parts []string
	for _, name := range []string{"added", "improved", "challenger", "refused", "unplaced", "error", "known"} {
		if n := t.counts[name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
		}
	}
	view, err := s.View(ctx)
	if err != nil {
		return err
	}
	st := view.Archive.Stats()
	fmt.Fprintf(w.err, "%s; series %s: %s, %d of %d cells (coverage %.2f)\n",
		strings.Join(parts, ", "), s.Name(), plural(view.Images(), "image"), st.NumElites, st.Cells, st.Coverage)
	if line := clampedLine(view.Grid, st); line != "" {
		fmt.Fprintln(w.err, line)
	}
	if !view.Calibrated() {
		fmt.Fprintln(w.err, "gates have no thresholds yet: they are computed from controls after --warmup images")
	}
	if t.partial {
		return errPartial
	}
	return nil
}

// plural counts things for people.
func plural[N int | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

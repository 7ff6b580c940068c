package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay/series"
)

type calibrateFlags struct {
	seriesFlags
	apply  []string
	undo   string
	auto   bool
	asJSON bool
	opt    series.ProposeOptions
}

func newCalibrate(w world) *cobra.Command {
	var f calibrateFlags
	c := &cobra.Command{
		Use:   "calibrate",
		Short: "Propose thresholds from people's judgments, with what they promise",
		Long: `Calibrate tests each gate against what people said of the images it read and
proposes, with the evidence, a threshold whose share of failing good images is
bounded: with probability 1 − delta at most alpha of them fail. Until enough good
images are known it says how many are missing. What gates refused counts through
the audits of rounds; where nothing was audited nothing is promised.

A gate goes from shadow to calibrated (a promise; it refuses nothing) to enforced
(the bad fail oftener than good ones may). One whose images have changed is
suspended. --apply puts proposals in force; --auto only those that refuse nothing
which is not refused now; --undo goes back one step. Every change is a new row.

Thresholds from controls, before anybody has judged: assay gate calibrate --controls.`,
		Example: `  assay calibrate
  assay calibrate --apply technical-blur
  assay calibrate --undo technical-blur`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return calibrate(c.Context(), c, w, &f) },
	}
	f.register(c)
	f.registerRules(c)
	flags := c.Flags()
	flags.Float64Var(&f.opt.Alpha, "alpha", 0.05, "largest `SHARE` of good images that a gate may fail")
	flags.Float64Var(&f.opt.Delta, "delta", 0.05, "`PROBABILITY` that the promise is wrong")
	flags.StringSliceVar(&f.apply, "apply", nil, "put the proposals for these `GATES` in force, or all")
	flags.BoolVar(&f.auto, "auto", false, "put those proposals in force that refuse nothing more than now")
	flags.StringVar(&f.undo, "undo", "", "put the threshold back that `GATE` had before its newest")
	flags.BoolVar(&f.asJSON, "json", false, "print the proposals with their evidence")
	lineOnly(c, "apply", "auto", "undo")
	return c
}

func calibrate(ctx context.Context, c *cobra.Command, w world, f *calibrateFlags) (err error) {
	for name, x := range map[string]float64{"alpha": f.opt.Alpha, "delta": f.opt.Delta} {
		if !(x > 0 && x < 1) {
			return usage("--%s %g: want a number between 0 and 1", name, x)
		}
	}
	open := openWorkspace
	if len(f.apply) > 0 || f.auto || f.undo != "" {
		open = openLocked
	}
	ws, err := open(ctx, c, w, &f.seriesFlags, needViews)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ws.Close()) }()
	if f.undo != "" {
		th, err := ws.series.UndoThreshold(ctx, f.undo)
		if err != nil {
			return err
		}
		fmt.Fprintf(w.out, "%s: back to %s %.4g, %s\n", th.Gate, th.Fails, th.Value, th.Mode)
		return nil
	}
	proposals, err := ws.series.Proposals(ctx, f.opt)
	if err != nil {
		return err
	}
	if f.asJSON {
		if proposals == nil {
			proposals = []series.Proposal{} // [] in JSON, not null
		}
		enc := json.NewEncoder(w.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(map[string]any{"proposals": proposals}); err != nil {
			return err
		}
	} else if err := printProposals(w.out, proposals); err != nil {
		return err
	}
	return applyProposals(ctx, w, ws, f, proposals)
}

// applyProposals puts in force what the flags ask for. A gate that is named and
// has nothing to apply is an error, after the others.
func applyProposals(ctx context.Context, w world, ws *workspace, f *calibrateFlags, proposals []series.Proposal) error {
	all := slices.Contains(f.apply, "all")
	found := map[string]bool{"all": true}
	var failed error
	for _, p := range proposals {
		named := slices.Contains(f.apply, p.Gate)
		found[p.Gate] = true
		if !named && (p.Proposed == nil || !all && !(f.auto && p.Automatic)) {
			continue
		}
		th, err := ws.series.Apply(ctx, p)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		fmt.Fprintf(w.err, "%s: %s, fails %s %.4g; --undo %s takes it back\n", th.Gate, th.Mode, th.Fails, th.Value, th.Gate)
	}
	for _, name := range f.apply {
		if !found[name] {
			failed = errors.Join(failed, usage("--apply %s: no gate with a threshold has this name", name))
		}
	}
	return failed
}

func printProposals(out io.Writer, proposals []series.Proposal) error {
	if len(proposals) == 0 {
		_, err := fmt.Fprintln(out, "no gate has a threshold yet: `assay gate calibrate --controls` computes the first ones")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "gate\tnow\tproposed\tgood\tbad\taudited\twhy")
	for _, p := range proposals {
		now := fmt.Sprintf("%s %.4g, %s", p.InForce.Fails, p.InForce.Value, p.InForce.Mode)
		proposed := "–"
		if t := p.Proposed; t != nil {
			proposed = fmt.Sprintf("%s %.4g, %s", t.Fails, t.Value, t.Mode)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%s\n", p.Gate, now, proposed, p.Good, p.Bad, p.Audited, strings.TrimSpace(p.Reason))
	}
	return table.Flush()
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/taste"
)

func newCompass(w world) *cobra.Command {
	var f seriesFlags
	var rater string
	var asJSON bool
	c := &cobra.Command{
		Use:   "compass",
		Short: "Show where your taste points, and what it rests on",
		Long: `Compass says what your comparisons have in common: for each reading, question and
dimension, how the odds of being preferred change with one standard deviation
more of it, with its 95 % interval, and whether that can be told from chance, all
of them together. It says what the last round changed and how old the evidence is.
If the personal reward foresees comparisons that it has not seen better than a
coin does, the direction in the embedding is shown too; else why not.

With --json a generator can steer by it: exemplars on both sides of each
direction, and the vector of the one in the embedding.`,
		Example: `  assay compass
  assay compass --rater anna --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return showCompass(c.Context(), c, w, &f, rater, asJSON) },
	}
	f.register(c)
	f.registerRules(c)
	registerRater(c, &rater)
	c.Flags().BoolVar(&asJSON, "json", false, "print one object (docs/formats.md)")
	return c
}

func showCompass(ctx context.Context, c *cobra.Command, w world, f *seriesFlags, rater string, asJSON bool) (err error) {
	ws, err := openWorkspace(ctx, c, w, f, needViews)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ws.Close()) }()
	compass, err := ws.series.Compass(ctx, rater)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(w.out).Encode(compass)
	}
	return printCompass(w.out, compass)
}

func printCompass(out io.Writer, c *taste.Compass) error {
	fmt.Fprintf(out, "%s, %s: %s.\n", c.Series, c.Rater, c.Reason)
	if c.Evidence.Judgments > 0 {
		fmt.Fprintf(out, "It rests on %d comparisons from %s to %s, half of them older than %.1f days; %d images have come since.\n",
			c.Evidence.Judgments, c.Evidence.Oldest.Format(time.DateOnly), c.Evidence.Newest.Format(time.DateOnly), c.Evidence.AgeDays, c.Evidence.ImagesNew)
	}
	if len(c.Directions) > 0 {
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "\ndirection\ttoward\tlog-odds for one unit\t95 %\tunit\tpairs\tpreferred\tavoided")
		for _, d := range c.Directions {
			fmt.Fprintf(table, "%s\t%s\t%+.2f\t%+.2f to %+.2f\t%.3g\t%d\t%s\t%s\n", d.Name, d.Toward, d.Effect, d.Low, d.High, d.Unit, d.N, exemplar(d.Preferred), exemplar(d.Avoided))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	if len(c.Changed) > 0 {
		fmt.Fprintln(out, "\nSince the last round:")
		for _, change := range c.Changed {
			fmt.Fprintln(out, "  "+change)
		}
	}
	_, err := fmt.Fprintf(out, "\nPersonal reward: %s\n", c.Reward.Reason)
	return err
}

// exemplar names the image farthest along one side.
func exemplar(all []taste.Exemplar) string {
	if len(all) == 0 {
		return "–"
	}
	return all[0].Image.Short()
}

// personalRanking prints the ranking by one person's reward. If that is refused
// there is none, and the error says that something was not measured.
func personalRanking(ctx context.Context, c *cobra.Command, w world, f *seriesFlags, rater string, top int, asJSON bool) (err error) {
	ws, err := openWorkspace(ctx, c, w, f, needViews)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ws.Close()) }()
	p, err := ws.series.Personal(ctx, rater)
	if err != nil {
		return err
	}
	if asJSON {
		err = json.NewEncoder(w.out).Encode(p)
	} else {
		err = printPersonal(w.out, p, top)
	}
	if err == nil && !p.Check.Accepted {
		err = errPartial
	}
	return err
}

func printPersonal(out io.Writer, p *series.Personal, top int) error {
	if !p.Check.Accepted {
		_, err := fmt.Fprintf(out, "No ranking by %s's reward: %s\n", p.Rater, p.Check.Reason)
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "item\treward\t± se\tcompared")
	for i, it := range p.Items {
		if top > 0 && i >= top {
			break
		}
		compared := "–"
		if it.Judged {
			compared = "yes"
		}
		fmt.Fprintf(table, "%s\t%.4f\t%.4f\t%s\n", it.Image.Short(), it.Reward, it.SE, compared)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %s\n", p.Rater, p.Check.Reason)
	for _, doubt := range p.Warnings {
		fmt.Fprintln(out, "doubt:", doubt)
	}
	return nil
}

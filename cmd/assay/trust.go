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

	"github.com/gen-emerge/assay/series"
)

func newTrust(w world) *cobra.Command {
	var f seriesFlags
	var rater string
	var asJSON bool
	c := &cobra.Command{
		Use:   "trust",
		Short: "Show how far every instrument, question and judge agrees with you",
		Long: `Trust tests every evaluator of a series against the comparisons of one person:
how many of the pairs that the person decided go its way, with the 95 % interval
and the count, and what it may decide. What cannot be told from a coin is said to
be so. Below the table stand the drift detectors, one for each stream: the
person's own repeats, each judge against the person, the audits of each gate, and
the images themselves; an alarm names what moved: taste, judge, gate or generator.`,
		Example: `  assay trust
  assay trust --rater anna --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return showTrust(c.Context(), c, w, &f, rater, asJSON) },
	}
	f.register(c)
	f.registerRules(c)
	registerRater(c, &rater)
	c.Flags().BoolVar(&asJSON, "json", false, "print one object (docs/formats.md)")
	return c
}

// registerRater adds the flag that says whose judgments count.
func registerRater(c *cobra.Command, rater *string) {
	c.Flags().StringVar(rater, "rater", "me", "the `NAME` of the person whose comparisons count")
}

func showTrust(ctx context.Context, c *cobra.Command, w world, f *seriesFlags, rater string, asJSON bool) (err error) {
	ws, err := openWorkspace(ctx, c, w, f, needViews)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ws.Close()) }()
	table, err := ws.series.TrustTable(ctx, rater)
	if err != nil {
		return err
	}
	if asJSON {
		enc := json.NewEncoder(w.out)
		enc.SetIndent("", "  ")
		return enc.Encode(table)
	}
	return printTrust(w.out, table)
}

func printTrust(out io.Writer, t *series.TrustTable) error {
	fmt.Fprintf(out, "%s: %d decided pairs of %s\n\n", t.Series, t.Judgments, t.Rater)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "kind\tname\tagrees\t95 %\tpairs\tdecides\tdoubt")
	for _, r := range t.Rows {
		agrees, interval := "–", "–"
		if r.Agreement != nil {
			agrees, interval = fmt.Sprintf("%.2f", *r.Agreement), fmt.Sprintf("%.2f–%.2f", r.Low, r.High)
		}
		doubt := r.Reason
		if r.Drifted {
			doubt = strings.TrimSuffix("drifted; "+doubt, "; ")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", r.Kind, r.Name, agrees, interval, r.N, strings.Join(r.Decides, "; "), doubt)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if t.Effective > 0 {
		fmt.Fprintf(out, "\nThe judges are worth %.1f independent ones.\n", t.Effective)
	}
	if err := printOrders(out, t.Orders); err != nil {
		return err
	}
	fmt.Fprintln(out)
	table = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "watched\tfor\tseen\tdetector\tat\talarm at\twhat")
	for _, s := range t.Streams {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%.2f\t%.2f\t%s\n", s.Name, s.About, s.N, s.Detector, s.Value, s.Limit, s.Reason)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%s\n", t.Verdict)
	return err
}

// printOrders prints how instruments order what the person put in order.
func printOrders(out io.Writer, orders []series.OrderRow) error {
	if len(orders) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "orders\tτ\t95 %\trounds\tdoubt")
	for _, o := range orders {
		tau, interval := "–", "–"
		if o.Tau != nil {
			tau, interval = fmt.Sprintf("%.2f", *o.Tau), fmt.Sprintf("%.2f to %.2f", o.Low, o.High)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", o.Name, tau, interval, o.Rounds, o.Reason)
	}
	return table.Flush()
}

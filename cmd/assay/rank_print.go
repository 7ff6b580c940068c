package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/rank"
)

// A ranking is the report of either model.
type ranking struct {
	*rank.Report
	joint *rank.JointReport // nil of the plain model
}

// rankTable fits the joint model to votes that tell who gave them, when or how
// surely, and the plain one to others. Maximum likelihood and half ties belong to
// the plain one.
func rankTable(ctx context.Context, table *rank.Table, orders []rank.Order, opt rank.Options, plain bool) (ranking, error) {
	why := ""
	switch {
	case plain || !table.NeedsJoint() && len(orders) == 0:
		plain = true
	case opt.Prior == rank.NoPrior:
		why = "raters, times and confidences are left out: the joint model needs a prior on strengths"
	case opt.Ties == rank.HalfTies:
		why = "raters, times and confidences are left out: the joint model does not halve ties"
	}
	if plain || why != "" {
		fit, err := rank.Estimate(ctx, len(table.IDs()), table.Votes(), opt)
		if err != nil {
			return ranking{}, err
		}
		report, err := fit.Report(table.IDs())
		if err == nil && why != "" {
			report.Warnings = append(report.Warnings, why)
		}
		return ranking{Report: report}, err
	}
	fit, err := rank.EstimateJoint(ctx, len(table.IDs()), len(table.Raters()), table.JointVotes(), orders,
		rank.JointOptions{Prior: opt.Prior, Reference: opt.Reference})
	if err != nil {
		return ranking{}, err
	}
	report, err := fit.Report(table.IDs(), table.Raters())
	if err != nil {
		return ranking{}, err
	}
	return ranking{Report: &report.Report, joint: report}, nil
}

func (r ranking) write(out io.Writer) error {
	if r.joint != nil {
		return json.NewEncoder(out).Encode(r.joint)
	}
	return json.NewEncoder(out).Encode(r.Report)
}

func (r ranking) print(out io.Writer, top int) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "item\tstrength\t± se\tsandwich\tvotes\twon\tlost\ttied\tpart")
	for i, it := range r.Items {
		if top > 0 && i >= top {
			break
		}
		id := it.ID
		if d, err := assay.ParseDigest(id); err == nil {
			id = d.Short()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%g\t%g\t%g\t%d\n", id, number(it.Strength), number(it.SE), number(it.Sandwich), it.Games, it.Won, it.Lost, it.Tied, it.Component)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if r.Tie != nil {
		fmt.Fprintf(out, "ties: log ν %s ± %s\n", number(r.Tie.Value), number(r.Tie.SE))
	}
	if r.Side != nil {
		fmt.Fprintf(out, "shown on the left: %s ± %s\n", number(r.Side.Value), number(r.Side.SE))
	}
	if r.joint != nil {
		if err := printRaters(out, r.joint); err != nil {
			return err
		}
	}
	for _, warning := range r.Warnings {
		fmt.Fprintln(out, "doubt:", warning)
	}
	return nil
}

// printRaters prints what the joint model says of raters and of time.
func printRaters(out io.Writer, r *rank.JointReport) error {
	if len(r.Raters) > 0 {
		fmt.Fprintln(out)
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "rater\treliability\t± se\tvotes\tat random\tto the left")
		for _, it := range r.Raters {
			fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\n", it.ID, number(it.Reliability), number(it.SE), it.Votes, number(it.Random), number(it.Side))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	if r.OwnSpread > 0 {
		fmt.Fprintf(out, "raters' own strengths spread about these by %.2f\n", r.OwnSpread)
	}
	switch {
	case r.HalfLife != nil:
		fmt.Fprintf(out, "a judgment weighs half after %g more\n", *r.HalfLife)
	case r.Decay != nil && r.Decay.Best > 0:
		fmt.Fprintf(out, "no decay: the best half-life, %g judgments, forecasts %s ± %s nats a vote better\n", r.Decay.Best, number(r.Decay.Gain), number(r.Decay.SE))
	}
	return nil
}

// number writes a strength for people; what the data do not give is a dash.
func number(n rank.Number) string {
	if math.IsNaN(float64(n)) || math.IsInf(float64(n), 0) {
		return "–"
	}
	return strconv.FormatFloat(float64(n), 'f', 4, 64)
}

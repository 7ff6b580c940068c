package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/rank"
)

type rankFlags struct {
	seriesFlags
	from   string
	rater  string // whose reward ranks; all people's comparisons do if --personal is not given
	own    bool
	prior  string
	side   bool
	ties   string
	ref    string
	asJSON bool
	plain  bool
	top    int
}

func newRank(w world) *cobra.Command {
	var f rankFlags
	c := &cobra.Command{
		Use:   "rank",
		Short: "Rank what was compared, with errors and doubts",
		Long: `Rank fits a Davidson–Bradley–Terry model to comparisons: those of a series, or of
a file (CSV with left,right,winner[,weight][,rater][,round][,time][,confidence][,grade],
the arena's and evalica's columns, or JSON lines of the same). Strengths are in
log-odds: a difference of one is a preference of 73 %.

Where raters, times, confidences or grades are told, a joint model is fitted: each
rater has a reliability, a share of random clicks, a leaning to one side and
strengths of their own about the population's; confident answers weigh more, old
ones less where that forecasts new ones better. --plain leaves all that out.

--personal ranks all images of the series, also those that were never compared,
by one person's reward: what their comparisons say of what images look like. It
is refused unless it foresees comparisons that it has not seen better than a coin
and than what everybody else prefers; the status is then 3.`,
		Example: `  assay rank
  assay rank --personal --rater anna
  assay rank --from votes.csv --json
  assay rank --from votes.csv --prior none`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return rankCommand(c.Context(), c, w, &f) },
	}
	f.register(c)
	f.registerRules(c)
	flags := c.Flags()
	flags.StringVar(&f.from, "from", "", "fit the votes of `FILE` (- is standard input), not a series")
	flags.BoolVar(&f.own, "personal", false, "rank every image by the reward of --rater")
	flags.StringVar(&f.rater, "rater", "me", "the `NAME` of the person whose reward --personal takes")
	flags.StringVar(&f.prior, "prior", "1", "inverse `VARIANCE` of the normal prior on strengths, or none for plain maximum likelihood")
	flags.BoolVar(&f.side, "side", false, "estimate what being shown on the left is worth")
	flags.StringVar(&f.ties, "ties", "model", "model ties (Davidson), or count each as half a win of both: half")
	flags.StringVar(&f.ref, "reference", "", "the `ID` whose strength is 0, for instance bar; the mean of all if not given")
	flags.BoolVar(&f.plain, "plain", false, "take all votes for alike, whoever gave them, when and how surely")
	flags.IntVar(&f.top, "top", 0, "print only the first `N` in the table")
	flags.BoolVar(&f.asJSON, "json", false, "print one object (docs/formats.md)")
	lineOnly(c, "personal")
	return c
}

func (f *rankFlags) options() (rank.Options, error) {
	var opt rank.Options
	opt.Side = f.side
	switch f.ties {
	case "model":
		opt.Ties = rank.Davidson
	case "half":
		opt.Ties = rank.HalfTies
	default:
		return opt, usage("--ties %s: want model or half", f.ties)
	}
	if f.prior == "none" {
		opt.Prior = rank.NoPrior
		return opt, nil
	}
	prior, err := strconv.ParseFloat(f.prior, 64)
	if err != nil || !(prior > 0) || math.IsInf(prior, 1) {
		return opt, usage("--prior %s: want a number above 0, or none", f.prior)
	}
	opt.Prior = prior
	return opt, nil
}

func rankCommand(ctx context.Context, c *cobra.Command, w world, f *rankFlags) (err error) {
	if f.own && f.from != "" {
		return usage("--personal ranks a series' images by what they look like: --from has none")
	}
	if f.own {
		return personalRanking(ctx, c, w, &f.seriesFlags, f.rater, f.top, f.asJSON)
	}
	opt, err := f.options()
	if err != nil {
		return err
	}
	var table *rank.Table
	var orders []rank.Order
	var bad []error
	if f.from != "" {
		table, bad, err = readVotes(f.from, w.in)
	} else {
		table, orders, err = seriesVotes(ctx, c, w, f)
	}
	if err != nil {
		return err
	}
	if f.ref != "" {
		item, err := findItem(table, f.ref)
		if err != nil {
			return err
		}
		opt.Reference = []int{item}
	}
	report, err := rankTable(ctx, table, orders, opt, f.plain)
	if err != nil {
		return err
	}
	for _, b := range bad {
		fmt.Fprintln(w.err, b)
		report.Warnings = append(report.Warnings, b.Error())
	}
	if f.asJSON {
		err = report.write(w.out)
	} else {
		err = report.print(w.out, f.top)
	}
	if err == nil && len(bad) > 0 {
		err = errPartial
	}
	return err
}

// findItem finds an item by its id, or by the beginning of it that only one has.
func findItem(table *rank.Table, id string) (int, error) {
	if item, ok := table.Item(id); ok {
		return item, nil
	}
	found := -1
	for k, name := range table.IDs() {
		if !strings.HasPrefix(name, id) {
			continue
		}
		if found >= 0 {
			return 0, usage("--reference %s: more than one id begins so", id)
		}
		found = k
	}
	if found < 0 {
		return 0, usage("--reference %s: nothing of that name was compared", id)
	}
	return found, nil
}

// readVotes reads outside votes. Rows that cannot be read are told and left out.
func readVotes(from string, stdin io.Reader) (*rank.Table, []error, error) {
	in, name := stdin, "standard input"
	if from != "-" {
		file, err := os.Open(from)
		if err != nil {
			return nil, nil, err
		}
		defer file.Close()
		in, name = file, from
	}
	ballots, bad, err := rank.ReadVotes(in, name)
	if err != nil {
		return nil, nil, err
	}
	if len(ballots) == 0 {
		return nil, nil, errors.Join(append(bad, fmt.Errorf("%s: no votes: %w", name, assay.ErrInvalid))...)
	}
	table, err := rank.NewTable(ballots)
	return table, bad, err
}

// seriesVotes takes the standing judgments and orders of a series.
func seriesVotes(ctx context.Context, c *cobra.Command, w world, f *rankFlags) (table *rank.Table, orders []rank.Order, err error) {
	ws, err := openWorkspace(ctx, c, w, &f.seriesFlags, needViews)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, ws.Close()) }()
	if table, err = ws.series.Votes(ctx); err != nil {
		return nil, nil, err
	}
	orders, err = ws.series.Orders(ctx, table)
	return table, orders, err
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
)

func newRound(w world) *cobra.Command {
	var f seriesFlags
	var sf serveFlags
	var pairs int
	var asJSON, onWeb bool
	c := &cobra.Command{
		Use:   "round",
		Short: "Compare 3 to 5 pairs, each chosen for a reason",
		Long: `Round asks for a few comparisons in the terminal, naming the files of each pair,
or serves the page that shows the pictures (--web). A round that was begun is
taken up where it was left. Answers are stored one by one, as they are given.

Keys: 1 left much better, 2 left better, 3 the same, 4 right better, 5 right much
better, b both bad, s skip, u undo the last, i left is interesting, o right is
interesting, q leave the rest for later. Why a pair was chosen is told once it is
answered, so as not to prime.`,
		Example: `  assay round
  assay round --pairs 3 --rater anna
  assay round --web`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			ws, err := openWorkspace(c.Context(), c, w, &f, needViews)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, ws.Close()) }()
			switch {
			case asJSON:
				return printRound(c.Context(), w, ws.series, sf.rater, pairs)
			case onWeb:
				if _, _, err := ws.series.OpenRound(c.Context(), sf.rater, pairs); err != nil {
					return err
				}
				return serve(c.Context(), w, ws, sf)
			}
			return askRound(c.Context(), w, ws, sf.rater, pairs)
		},
	}
	f.register(c)
	f.registerRules(c)
	sf.register(c)
	c.Flags().IntVar(&pairs, "pairs", 0, "how many pairs to ask, 3 to 5; 0 is 5")
	c.Flags().BoolVar(&onWeb, "web", false, "make the round, and serve the pages that show it")
	c.Flags().BoolVar(&asJSON, "json", false, "print the open round, or a new one, and ask nothing")
	return c
}

// printRound prints the rater's open round with what is answered of it.
func printRound(ctx context.Context, w world, s *series.Series, rater string, n int) error {
	round, answered, err := s.OpenRound(ctx, rater, n)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(w.out)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		assay.Round
		Answered []bool `json:"answered"`
	}{round, answered})
}

// askRound asks the open pairs of a round, one line each.
func askRound(ctx context.Context, w world, ws *workspace, rater string, n int) error {
	round, _, err := ws.series.OpenRound(ctx, rater, n)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(w.in)
	for {
		state, err := ws.series.Round(ctx, round.ID, rater)
		if err != nil {
			return err
		}
		at := state.Next()
		if at < 0 {
			fmt.Fprintf(w.out, "round %d is done; `assay rank` and `assay compass` show what it changed\n", round.ID)
			return nil
		}
		left, err := fileOf(ctx, ws, round.Pairs[at].Left)
		if err != nil {
			return err
		}
		right, err := fileOf(ctx, ws, round.Pairs[at].Right)
		if err != nil {
			return err
		}
		fmt.Fprintf(w.out, "pair %d of %d\n  left   %s\n  right  %s\n1–5 b s u i o q> ", at+1, len(round.Pairs), left, right)
		shown := time.Now()
		if !lines.Scan() {
			fmt.Fprintln(w.out)
			if err := lines.Err(); err != nil {
				return err
			}
			fmt.Fprintf(w.err, "round %d is open; `assay round` goes on with it\n", round.ID)
			return errPartial
		}
		if strings.TrimSpace(lines.Text()) == "q" {
			fmt.Fprintf(w.err, "round %d is open; `assay round` goes on with it\n", round.ID)
			return nil
		}
		said, err := takeKey(ctx, ws.series, state, at, strings.TrimSpace(lines.Text()), rater, time.Since(shown))
		if err != nil {
			if !errors.Is(err, assay.ErrInvalid) && !errors.Is(err, assay.ErrConflict) && !errors.Is(err, assay.ErrNotFound) {
				return err
			}
			said = err.Error()
		}
		fmt.Fprintln(w.out, said)
	}
}

// fileOf names an image for a person: the file it came from.
func fileOf(ctx context.Context, ws *workspace, id assay.Digest) (string, error) {
	e, err := ws.series.Entry(ctx, id)
	if err != nil {
		return "", err
	}
	if e.Path == "" || e.Path == "-" {
		return id.Short(), nil
	}
	return e.Path + " (" + id.Short() + ")", nil
}

// takeKey does what one key says, and tells it.
func takeKey(ctx context.Context, s *series.Series, state series.RoundState, at int, key, rater string, took time.Duration) (string, error) {
	p := state.Round.Pairs[at]
	answer := series.Answer{Round: state.Round.ID, Pair: at, Rater: rater, Latency: took}
	switch key {
	case "1", "2":
		answer.Outcome, answer.Grade = assay.Left, map[string]int{"1": -2, "2": -1}[key]
	case "3":
		answer.Outcome = assay.Tie
	case "4", "5":
		answer.Outcome, answer.Grade = assay.Right, map[string]int{"4": 1, "5": 2}[key]
	case "b":
		answer.Outcome = assay.BothBad
	case "s":
		answer.Outcome = assay.Skip
	case "u":
		j, err := s.Undo(ctx, state.Round.ID, rater)
		return fmt.Sprintf("took back: %s", j.Outcome), err
	case "i", "o":
		image := map[string]assay.Digest{"i": p.Left, "o": p.Right}[key]
		_, err := s.Mark(ctx, series.MarkRequest{Image: image, Rater: rater, Kind: assay.Interesting, Round: state.Round.ID})
		return "marked as interesting: " + image.Short(), err
	default:
		return "", fmt.Errorf("key %q: want 1 to 5, b, s, u, i, o or q: %w", key, assay.ErrInvalid)
	}
	_, err := s.Judge(ctx, answer)
	return "stored; asked because: " + p.Reason, err
}

package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
	"github.com/gen-emerge/assay/store"
)

type answerFlags struct {
	seriesFlags
	rater string
	from  string
}

func newJudgeAnswer(w world) *cobra.Command {
	var f answerFlags
	c := &cobra.Command{
		Use:   "answer IMAGE QUESTION yes|no|unsure",
		Short: "Answer a judge's question yourself, so that judges can be held against it",
		Long: `Answer records what a person says to a question of the checklist about an image of
the series. IMAGE is its digest, or the first digits of it. An examination (assay
judge audit) holds every judge's answers against these.

--from reads many, from a CSV file with the columns image, question, answer and, if
there are several people, rater.`,
		Args: cobra.MaximumNArgs(3),
		RunE: func(c *cobra.Command, args []string) error { return answer(c.Context(), c, w, &f, args) },
	}
	f.register(c)
	f.registerRules(c)
	c.Flags().StringVar(&f.rater, "rater", "me", "the `NAME` of the person who answers")
	c.Flags().StringVar(&f.from, "from", "", "a CSV `FILE` of answers")
	lineOnly(c, "from")
	return c
}

// A said is one answer of a person.
type said struct{ rater, image, question, word string }

func answer(ctx context.Context, c *cobra.Command, w world, f *answerFlags, args []string) (err error) {
	var all []said
	switch {
	case f.from != "" && len(args) == 0:
		if all, err = readSaid(f.from, f.rater); err != nil {
			return err
		}
	case f.from == "" && len(args) == 3:
		all = []said{{f.rater, args[0], args[1], args[2]}}
	default:
		return usage("name an image, a question and an answer, or a file of them with --from; see `%s --help`", c.CommandPath())
	}
	ws, err := openWorkspace(ctx, c, w, &f.seriesFlags, needViews)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ws.Close()) }()
	find, err := finder(ctx, ws.store, f.series)
	if err != nil {
		return err
	}
	stored := 0
	for i, s := range all {
		id, err := find(s.image)
		if err == nil {
			_, err = ws.series.AnswerQuestion(ctx, s.rater, id, s.question, s.word)
		}
		if err != nil && (errors.Is(err, assay.ErrInvalid) || errors.Is(err, assay.ErrNotFound)) && f.from != "" {
			fmt.Fprintf(w.err, "error: %s: answer %d: %v\n", f.from, i+1, err)
			continue
		}
		if err != nil {
			return err
		}
		stored++
	}
	fmt.Fprintf(w.err, "%s kept\n", plural(stored, "answer"))
	if stored < len(all) {
		return errPartial
	}
	return nil
}

// readSaid reads a CSV file of answers.
func readSaid(file, rater string) ([]said, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	rows := csv.NewReader(skipBOM(in))
	head, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: want a first line that names the columns image, question and answer: %w", file, err, assay.ErrInvalid)
	}
	col := func(name string) int { return slices.Index(head, name) }
	for _, name := range []string{"image", "question", "answer"} {
		if col(name) < 0 {
			return nil, fmt.Errorf("%s: no column %s among %s: %w", file, name, strings.Join(head, ", "), assay.ErrInvalid)
		}
	}
	var out []said
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", file, err, assay.ErrInvalid)
		}
		s := said{rater, row[col("image")], row[col("question")], row[col("answer")]}
		if k := col("rater"); k >= 0 && row[k] != "" {
			s.rater = row[k]
		}
		out = append(out, s)
	}
}

// finder finds images of a series by the first digits of their digests, or by
// the path they were read from.
func finder(ctx context.Context, db *store.DB, series string) (func(string) (assay.Digest, error), error) {
	var entries []assay.Entry
	for {
		after := int64(0)
		if len(entries) > 0 {
			after = entries[len(entries)-1].Seq
		}
		more, err := db.Entries(ctx, series, after, 4096)
		if err != nil {
			return nil, err
		}
		entries = append(entries, more...)
		if len(more) < 4096 {
			break
		}
	}
	return func(name string) (assay.Digest, error) {
		var found []assay.Digest
		for _, e := range entries {
			if e.Path == name || len(name) >= 6 && strings.HasPrefix(e.Image.String(), name) {
				found = append(found, e.Image)
			}
		}
		switch len(found) {
		case 1:
			return found[0], nil
		case 0:
			return assay.Digest{}, fmt.Errorf("image %q is not in series %s: give the first digits of its digest (6 or more), or its path as it was added: %w", name, series, assay.ErrNotFound)
		}
		return assay.Digest{}, fmt.Errorf("image %q could be any of %d: give more digits: %w", name, len(found), assay.ErrInvalid)
	}, nil
}

func newJudgeProbe(w world) *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:   "probe",
		Short: "Find out what the judges' servers can do",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			f.judges.probe = true
			return f.sit(c.Context(), c, w, func(s *sitting) error { return s.printProbes() })
		},
	}
	f.register(c)
	return c
}

func (s *sitting) printProbes() error {
	if s.f.asJSON {
		type row struct {
			assay.Judge
			Can vlm.Capabilities `json:"can"`
		}
		var rows []row
		for _, m := range s.models {
			rows = append(rows, row{m.Judge, m.Can})
		}
		return json.NewEncoder(s.w.out).Encode(rows)
	}
	table := tabwriter.NewWriter(s.w.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "judge\tmodel\tprobabilities\tJSON schema\ttwo pictures\tseed\tnotes")
	for _, m := range s.models {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, m.Model, yesNo(m.Can.LogProbs), yesNo(m.Can.Schema),
			yesNo(m.Can.ManyImages), yesNo(m.Can.Seed), strings.Join(m.Can.Notes, "; "))
	}
	return table.Flush()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func newJudgeCalls(w world) *cobra.Command {
	var dir string
	var since time.Duration
	var asJSON bool
	c := &cobra.Command{
		Use:   "calls",
		Short: "Show what the judges have cost, and which calls are in doubt",
		Long: `Calls sums the calls of this workspace. A call is in doubt if the program was killed
between sending it and keeping its reply: it may have been paid for. It is sent
again, under the same key, by the next run that needs it.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			ctx := c.Context()
			db, err := openStore(ctx, dir, logger(c, w))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			var from time.Time
			if since > 0 {
				from = time.Now().Add(-since)
			}
			spent, err := db.Spent(ctx, from)
			if err != nil {
				return err
			}
			doubt, err := db.CallsInDoubt(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				if doubt == nil {
					doubt = []assay.Call{}
				}
				return json.NewEncoder(w.out).Encode(struct {
					Spent   assay.Spending `json:"spent"`
					InDoubt []assay.Call   `json:"in_doubt"`
				}{spent, doubt})
			}
			fmt.Fprintln(w.out, spentLine(spent))
			for _, call := range doubt {
				fmt.Fprintf(w.out, "in doubt: %s, to %s, %s\n", call.Key.Short(), call.Judge.Name, call.Begun.Format(time.RFC3339))
			}
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", ".", "the workspace `DIR`")
	c.Flags().DurationVar(&since, "since", 0, "only calls of this long ago, as in 24h")
	c.Flags().BoolVar(&asJSON, "json", false, "print one object")
	return c
}

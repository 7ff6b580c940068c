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

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/series"
)

// fileFlags are the settings of commands that ask judges about files.
type fileFlags struct {
	dir    string
	judges judgeFlags
	limits limitFlags
	prompt string
	made   string
	asJSON bool
}

func (f *fileFlags) register(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.dir, "dir", ".", "the workspace `DIR`, which names the judges and keeps their calls")
	flags.StringVar(&f.prompt, "prompt", "", "the `TEXT` the images were made from; else read from their metadata")
	flags.StringVar(&f.made, "generator", "", "the `NAME` of the model that made them; else read from their metadata")
	flags.BoolVar(&f.asJSON, "json", false, "print objects for programs")
	f.judges.register(c)
	f.limits.register(c)
}

// A sitting is the judges at hand and the images put to them.
type sitting struct {
	*judgeBench
	set *judge.Set
	opt judge.Options
	f   *fileFlags
	w   world
}

// sit opens the judges and calls fn.
func (f *fileFlags) sit(ctx context.Context, c *cobra.Command, w world, fn func(*sitting) error) (err error) {
	set, err := f.judges.set()
	if err != nil {
		return err
	}
	db, err := ledgerOf(ctx, c, w, f.dir)
	if err != nil {
		return err
	}
	if db != nil {
		defer func() { err = errors.Join(err, db.Close()) }()
	}
	b, err := f.judges.openBench(ctx, c, w, f.dir, db, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	opt := f.judges.options()
	opt.Controls = judge.ImageControls
	err = fn(&sitting{judgeBench: b, set: set, opt: opt, f: f, w: w})
	fmt.Fprintln(w.err, spentLine(b.spent()))
	return err
}

// shown reads a file as a series would show it.
func (s *sitting) shown(arg string) (series.Shown, error) {
	files := inputs{limit: s.f.limits.bytes, stdin: s.w.in, base: series.Input{Prompt: s.f.prompt, Generator: s.f.made}}
	in := files.file(arg)
	data, err := in.Read()
	if err != nil {
		return series.Shown{}, err
	}
	e := assay.Entry{Image: assay.DigestOf(data), Path: arg, Prompt: in.Prompt, Generator: in.Generator}
	meta, _ := pixel.ReadMeta(data) // what cannot be read is not there
	if e.Prompt == "" {
		e.Prompt = meta.Prompt
	}
	if e.Generator == "" {
		e.Generator = meta.Generator
	}
	e.Settings = meta.Settings
	return series.Shown{Entry: e, Data: data}, nil
}

// each asks every judge about every file; one that fails is told, and the rest
// go on.
func (s *sitting) each(ctx context.Context, args []string, ask func(j *juror, img series.Shown) error) error {
	jurors := s.jurors("", s.set, s.opt, s.f.limits.limits())
	partial := false
	for _, arg := range args {
		img, err := s.shown(arg)
		if err != nil {
			partial = true
			fmt.Fprintln(s.w.err, "error:", err)
			continue
		}
		for _, j := range jurors {
			err := ask(j, img)
			if errors.Is(err, assay.ErrInvalid) && ctx.Err() == nil {
				partial = true
				fmt.Fprintln(s.w.err, "error:", err)
				continue
			}
			if err != nil {
				return err
			}
		}
	}
	if partial {
		return errPartial
	}
	return nil
}

func newJudgeChecklist(w world) *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:   "checklist IMAGE ...",
		Short: "Ask yes/no questions about images",
		Long: `Checklist asks every judge the questions about each image and prints what it
believes: the probability of yes, and how it was obtained. Questions whose answer
is known from the pixels are mixed in; if a judge gets one wrong, its answers about
that image are void. Nothing is stored but the calls; for a series, see judge run.`,
		Example: "  assay judge checklist fox.png --prompt \"a red fox in snow\"\n  assay judge checklist *.png --judge local --json",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return f.sit(ctx, c, w, func(s *sitting) error {
				return s.each(ctx, args, func(j *juror, img series.Shown) error {
					answers, err := j.Checklist(ctx, img, nil)
					return errors.Join(s.printAnswers(img, j.Judge(), answers), err)
				})
			})
		},
	}
	f.register(c)
	return c
}

func (s *sitting) printAnswers(img series.Shown, j assay.Judge, answers []assay.Answer) error {
	if s.f.asJSON {
		return json.NewEncoder(s.w.out).Encode(struct {
			Path    string         `json:"path"`
			Digest  assay.Digest   `json:"digest"`
			Judge   assay.Judge    `json:"judge"`
			Answers []assay.Answer `json:"answers"`
		}{img.Entry.Path, img.Entry.Image, j, answers})
	}
	fmt.Fprintf(s.w.out, "%s, judge %s (%s)\n", img.Entry.Path, j.Name, j.Model)
	return writeAnswers(s.w.out, answers)
}

// writeAnswers prints a table of answers for people.
func writeAnswers(out io.Writer, answers []assay.Answer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, a := range answers {
		q := a.Question.Text
		if a.Repeat > 0 {
			q += " (asked again)"
		}
		if a.Void != "" {
			q += "  void: " + a.Void
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", a.Question.Dimension, beliefText(a.Belief), q)
	}
	return table.Flush()
}

// beliefText says what a judge believes: yes or no with its probability.
func beliefText(b assay.Belief) string {
	switch {
	case !b.Known() && b.Abstained == "":
		return "not asked"
	case !b.Known():
		return b.Abstained
	case b.Method == assay.BySamples:
		return fmt.Sprintf("P(yes) %.2f, %d of %d draws", b.P, b.Yes, b.Samples)
	}
	return fmt.Sprintf("P(yes) %.3f", b.P)
}

// sideText says how probable a judge found it that a picture is better.
func sideText(b assay.Belief) string {
	text, _ := strings.CutPrefix(beliefText(b), "P(yes) ")
	return text
}

func newJudgePair(w world) *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:   "pair A B",
		Short: "Ask which of two images is better, in both orders",
		Long: `Pair shows every judge the two images in both orders and averages its
probabilities before anything is decided; within --margin of 1/2 it is a tie. With
several judges it ends with what they say together, and how many independent
judges they are worth.`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return f.sit(ctx, c, w, func(s *sitting) error { return s.pair(ctx, args) })
		},
	}
	f.register(c)
	return c
}

func (s *sitting) pair(ctx context.Context, args []string) error {
	a, err := s.shown(args[0])
	if err != nil {
		return err
	}
	b, err := s.shown(args[1])
	if err != nil {
		return err
	}
	if a.Entry.Image == b.Entry.Image {
		return usage("%s and %s are the same image", args[0], args[1])
	}
	var all []assay.Comparison
	for _, j := range s.jurors("", s.set, s.opt, s.f.limits.limits()) {
		c, err := j.Compare(ctx, a, b, "asked for on the command line")
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	panel := judge.Panel(all, series.PanelCorrelation)
	if s.f.asJSON {
		return json.NewEncoder(s.w.out).Encode(struct {
			Comparisons []assay.Comparison `json:"comparisons"`
			Panel       judge.PanelResult  `json:"panel"`
		}{all, panel})
	}
	for _, c := range all {
		fmt.Fprintf(s.w.out, "%s: %s (P(%s is better) %.2f: %s when shown first, %s when shown second)%s\n", c.Judge.Name, pairAnswer(c, args),
			args[0], c.P, sideText(c.FirstOrder), sideText(c.SecondOrder), flagsText(c.Flags))
	}
	if panel.Judges > 1 {
		fmt.Fprintf(s.w.out, "together: P(%s is better) %.2f, from %d judges worth %.1f independent ones\n", args[0], panel.P, panel.Judges, panel.Effective)
	}
	return nil
}

// pairAnswer names the better of two files.
func pairAnswer(c assay.Comparison, args []string) string {
	switch c.Outcome {
	case assay.Left:
		return args[0]
	case assay.Right:
		return args[1]
	case assay.Tie:
		return "a tie"
	}
	return "no answer: " + c.Reason
}

func newJudgeSummary(w world) *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:   "summary IMAGE ...",
		Short: "Have two or three sentences written about an image, each verified",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return f.sit(ctx, c, w, func(s *sitting) error {
				return s.each(ctx, args, func(j *juror, img series.Shown) error {
					answers, err := j.Checklist(ctx, img, nil)
					if err != nil {
						return err
					}
					return s.printNote(ctx, j, img, answers, "summary")
				})
			})
		},
	}
	f.register(c)
	return c
}

func newJudgeCritique(w world) *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:   "critique IMAGE ...",
		Short: "Look for up to three weaknesses, each verified",
		Long: `Critique asks for weaknesses; none is a good answer. Each must say where it is. It is
then put as a yes/no question in a call of its own, to another judge where there is
one, about this image and about an unrelated one (another of those named, else a
picture of noise): what does not hold here, or holds there too, is dropped.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return f.sit(ctx, c, w, func(s *sitting) error {
				return s.each(ctx, args, func(j *juror, img series.Shown) error {
					if other, ok := s.unlike(img, args); ok {
						img.Others = []assay.Digest{other.Entry.Image}
						j.blob = func(context.Context, assay.Digest) ([]byte, error) { return other.Data, nil }
					}
					return s.printNote(ctx, j, img, nil, "critique")
				})
			})
		},
	}
	f.register(c)
	return c
}

// unlike returns another of the images, to hold a critique against.
func (s *sitting) unlike(img series.Shown, args []string) (series.Shown, bool) {
	at := slices.Index(args, img.Entry.Path)
	for k := 1; k < len(args); k++ {
		other, err := s.shown(args[(at+k)%len(args)])
		if err == nil && other.Entry.Image != img.Entry.Image {
			return other, true
		}
	}
	return series.Shown{}, false
}

// writeNote prints a summary or a critique for people.
func writeNote(out io.Writer, note assay.Note) error {
	switch note.Kind {
	case "summary":
		var body judge.Summary
		if err := json.Unmarshal(note.Body, &body); err != nil {
			return err
		}
		if body.Abstained != "" {
			_, err := fmt.Fprintf(out, "  none: %s\n", body.Abstained)
			return err
		}
		_, err := fmt.Fprintf(out, "  %s\n", body.Text)
		return err
	case "critique":
		var body judge.Critique
		if err := json.Unmarshal(note.Body, &body); err != nil {
			return err
		}
		if body.Abstained != "" {
			_, err := fmt.Fprintf(out, "  none: %s\n", body.Abstained)
			return err
		}
		for _, x := range body.Weaknesses {
			fmt.Fprintf(out, "  %s (%s, %s; P(yes) %.2f here, %.2f on another picture)\n", x.Text, x.Category, where(x), x.Here.P, x.Wrong.P)
		}
		if len(body.Weaknesses) == 0 {
			fmt.Fprintln(out, "  no weakness that could be verified")
		}
		for _, x := range body.Dropped {
			fmt.Fprintf(out, "  dropped: %s: %s\n", x.Text, x.Dropped)
		}
	}
	return nil
}

// where says where a weakness is.
func where(x judge.Weakness) string {
	if x.Part != "" || x.Box == nil {
		return x.Part
	}
	b := x.Box
	return fmt.Sprintf("%.0f to %.0f %% across and %.0f to %.0f %% down", 100*b[0], 100*b[2], 100*b[1], 100*b[3])
}

func (s *sitting) printNote(ctx context.Context, j *juror, img series.Shown, answers []assay.Answer, kind string) error {
	note, err := j.Write(ctx, img, answers, kind)
	if err != nil {
		return err
	}
	if s.f.asJSON {
		return json.NewEncoder(s.w.out).Encode(struct {
			Path string `json:"path"`
			assay.Note
		}{img.Entry.Path, note})
	}
	fmt.Fprintf(s.w.out, "%s, judge %s (%s)\n", img.Entry.Path, j.Judge().Name, j.Judge().Model)
	return writeNote(s.w.out, note)
}

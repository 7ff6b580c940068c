package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/weights"
)

func newJudgeQuestions(w world) *cobra.Command {
	var f judgeFlags
	var asJSON, asYAML bool
	c := &cobra.Command{
		Use:   "questions [DIMENSION ...]",
		Short: "Show the questions of the checklist, or check a file of your own",
		Long: `Questions lists what judges are asked. A file of your own can start from these:

  set: mine
  version: 1
  from: assay@1

and add, change and retire questions (--questions FILE shows the result, or what is
wrong with it). A changed text is another version, which inherits no trust. --yaml
prints the questions that come with assay as a file to learn from.`,
		RunE: func(c *cobra.Command, args []string) error {
			if asYAML {
				_, err := w.out.Write(judge.DefaultYAML())
				return err
			}
			set, err := f.set()
			if err != nil {
				return err
			}
			qs := set.Questions(args...)
			if asJSON {
				return json.NewEncoder(w.out).Encode(qs)
			}
			table := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "id\tversion\tgood\tkind\tscope\tneeds\tquestion")
			for _, q := range qs {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", q.ID, q.Version, q.Good, q.Kind, q.Scope, strings.Join(q.Needs, " "), q.Text)
			}
			fmt.Fprintf(w.err, "%s: %d questions\n", set.ID(), len(qs))
			return table.Flush()
		},
	}
	c.Flags().StringVar(&f.questions, "questions", "", "the `FILE` of questions; those that come with assay if not given")
	c.Flags().BoolVar(&asJSON, "json", false, "print objects for programs")
	c.Flags().BoolVar(&asYAML, "yaml", false, "print the file that comes with assay")
	return c
}

func newJudgeVisionReward(w world) *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:   "visionreward IMAGE ...",
		Short: "Answer VisionReward's questions, and order images of one prompt by them",
		Long: `Visionreward asks the judges the published questions of VisionReward's image branch and
puts the answers under its published weights, a dimension at a time. The files come
with ` + "`assay models pull " + judge.VisionRewardModel + "`" + `. The numbers order pictures of one prompt
by one judge, and mean nothing else: VisionReward's own judge is another model.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			cache, err := weights.DefaultCache(w.getenv)
			if err != nil {
				return err
			}
			v, err := judge.OpenVisionReward(cache)
			if err != nil {
				return err
			}
			return f.sit(ctx, c, w, func(s *sitting) error {
				return s.each(ctx, args, func(j *juror, img series.Shown) error { return s.visionReward(ctx, v, j, img) })
			})
		},
	}
	f.register(c)
	return c
}

func (s *sitting) visionReward(ctx context.Context, v *judge.VisionReward, j *juror, img series.Shown) error {
	if img.Entry.Prompt == "" {
		return fmt.Errorf("%s: no prompt: VisionReward asks whether the picture shows it; give --prompt: %w", img.Entry.Path, assay.ErrInvalid)
	}
	subject, err := j.subject(img)
	if err != nil {
		return err
	}
	answers, err := judge.Checklist(ctx, j.model, subject, v.Questions(img.Entry.Prompt), j.opt)
	if err != nil {
		return err
	}
	r, err := v.Result(answers)
	if err != nil {
		return fmt.Errorf("%s: %w", img.Entry.Path, err)
	}
	if s.f.asJSON {
		return json.NewEncoder(s.w.out).Encode(struct {
			Path   string                   `json:"path"`
			Digest assay.Digest             `json:"digest"`
			Result judge.VisionRewardResult `json:"result"`
		}{img.Entry.Path, img.Entry.Image, r})
	}
	fmt.Fprintf(s.w.out, "%s, judge %s (%s)\n", img.Entry.Path, j.Judge().Name, j.Judge().Model)
	table := tabwriter.NewWriter(s.w.out, 0, 0, 2, ' ', 0)
	for _, d := range r.Dimensions {
		if d.Value == nil {
			fmt.Fprintf(table, "  %s\tnot measured\n", d.Name)
			continue
		}
		fmt.Fprintf(table, "  %s\t%+.3f\n", d.Name, *d.Value)
	}
	if r.Ordering != nil {
		fmt.Fprintf(table, "  ordering\t%+.3f\t%s\n", *r.Ordering, r.Label)
	} else {
		fmt.Fprintf(table, "  ordering\tnot measured\t%s not answered\n", plural(len(r.Missing), "question"))
	}
	return table.Flush()
}

// wrongCaptions are, for each image, the captions of the others, or those that
// were given.
func (f *reconstructFlags) wrongCaptions(ctx context.Context, s *sitting, args []string) (map[string]map[string][]string, error) {
	out := map[string]map[string][]string{}
	captions := map[string]map[string]string{} // by judge, then by path
	for _, j := range s.jurors("", s.set, s.opt, f.limits.limits()) {
		name := j.Judge().Name
		captions[name], out[name] = map[string]string{}, map[string][]string{}
		for _, arg := range args {
			if len(f.wrong) > 0 {
				out[name][arg] = f.wrong
				continue
			}
			img, err := s.shown(arg)
			if err != nil {
				continue // told when its turn comes
			}
			subject, err := j.subject(img)
			if err != nil {
				continue
			}
			if captions[name][arg], err = judge.Caption(ctx, j.model, subject, s.opt); err != nil {
				return nil, err
			}
		}
		for _, arg := range args {
			for _, other := range args {
				if text := captions[name][other]; other != arg && text != "" && text != captions[name][arg] {
					out[name][arg] = append(out[name][arg], text)
				}
			}
			if len(out[name][arg]) == 0 {
				return nil, usage("%s: no caption of another picture to compare with: name more images, or give --wrong-caption", arg)
			}
		}
	}
	return out, nil
}

func (s *sitting) printReconstruction(img series.Shown, j *juror, r judge.Reconstruction) error {
	if s.f.asJSON {
		return json.NewEncoder(s.w.out).Encode(struct {
			Path           string               `json:"path"`
			Digest         assay.Digest         `json:"digest"`
			Judge          assay.Judge          `json:"judge"`
			Reconstruction judge.Reconstruction `json:"reconstruction"`
		}{img.Entry.Path, img.Entry.Image, j.Judge(), r})
	}
	fmt.Fprintf(s.w.out, "%s, judge %s (%s)\n", img.Entry.Path, j.Judge().Name, j.Judge().Model)
	if r.Abstained != "" {
		fmt.Fprintf(s.w.out, "  no caption: %s\n", r.Abstained)
		return nil
	}
	fmt.Fprintf(s.w.out, "  caption: %s\n  distances: %s\n  of wrong captions: %s\n", r.Caption, listed(r.Own), listed(r.Null))
	if r.Low != nil && r.High != nil {
		fmt.Fprintf(s.w.out, "  closer by %.4f (%.4f to %.4f)\n", r.Difference, *r.Low, *r.High)
	} else {
		fmt.Fprintf(s.w.out, "  closer by %.4f; too few distances for an interval\n", r.Difference)
	}
	return nil
}

func listed(x []float64) string {
	parts := make([]string, len(x))
	for i, v := range x {
		parts[i] = fmt.Sprintf("%.4f", v)
	}
	return strings.Join(parts, " ")
}

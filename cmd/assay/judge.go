package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
)

func newJudge(w world) *cobra.Command {
	c := &cobra.Command{
		Use:   "judge",
		Short: "Ask vision-language models: yes/no questions, pairs, summaries, critiques",
		Long: `Judge asks vision-language models, which answer and compare and never score, and
examines how far each of them can be trusted.

A workspace names its judges in ` + judgesFile + `:

  judges:
    - name: local
      api: openai                  # openai, anthropic or google
      url: http://localhost:8000/v1/
      model: Qwen/Qwen2.5-VL-7B-Instruct
    - name: big
      api: anthropic
      model: claude-sonnet-4-5
      key-env: ANTHROPIC_API_KEY   # or key-file: a file outside the workspace
      price: {in: 3, cached: 0.3, out: 15}   # per million tokens

openai also speaks to vLLM, SGLang, llama.cpp, Ollama and LM Studio. What a server
can do is found out once and remembered. Every call is kept in the workspace, so
that no call is paid twice; budgets (--budget-calls, --day-money, ...) stop a run
cleanly, and the next one goes on where it stopped.`,
	}
	c.AddCommand(newJudgeRun(w), newJudgeAudit(w), newJudgeChecklist(w), newJudgePair(w), newJudgeSummary(w), newJudgeCritique(w),
		newJudgeReconstruct(w), newJudgeVisionReward(w), newJudgeQuestions(w), newJudgeAnswer(w), newJudgeProbe(w), newJudgeCalls(w))
	return c
}

// ledgerOf opens the workspace in dir for its ledger of calls; nil, and a word
// about it, if there is no workspace.
func ledgerOf(ctx context.Context, c *cobra.Command, w world, dir string) (*store.DB, error) {
	db, err := openStore(ctx, dir, logger(c, w))
	if errors.Is(err, assay.ErrNotFound) {
		fmt.Fprintf(w.err, "%s is not a workspace: calls are not kept, and the same question costs again next time\n", dir)
		return nil, nil
	}
	return db, err
}

type judgeRunFlags struct {
	seriesFlags
	judges judgeFlags
	opt    series.DeliberateOptions
	out    string
}

func newJudgeRun(w world) *cobra.Command {
	var f judgeRunFlags
	c := &cobra.Command{
		Use:   "run",
		Short: "Ask the judges about a series: its checklist, and who holds each cell",
		Long: `Run asks every judge the checklist about each image that passed the gates, and
about a stated share of the others, drawn by lot. Then it compares the
challengers of each cell with its elite, in both orders.

Answers become coordinates (--axis checklist:composition:0:1:8) and evidence. A
comparison replaces an elite only if the judge passed its examination (assay
judge audit) and the probability that the challenger is better reaches --tau;
until then challengers stay under test.

What is learned is stored at once. A run that was stopped, or ran out of its
budget, is repeated to go on; nothing is asked twice.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return judgeRun(c.Context(), c, w, &f) },
	}
	f.register(c)
	f.registerRules(c)
	f.judges.register(c)
	flags := c.Flags()
	flags.StringSliceVar(&f.opt.Write, "write", nil, "notes to write about each image: summary, critique")
	flags.Float64Var(&f.opt.Audit, "audit-share", 0.05, "share of the refused images that is asked about all the same")
	flags.Uint64Var(&f.opt.Seed, "audit-seed", 1, "of that draw")
	flags.BoolVar(&f.opt.Best, "best", false, "compare each elite with the best of the series too")
	flags.BoolVar(&f.opt.NoPairs, "no-pairs", false, "ask the checklist only")
	flags.StringVarP(&f.out, "output", "o", "text", "text or jsonl")
	return c
}

func judgeRun(ctx context.Context, c *cobra.Command, w world, f *judgeRunFlags) (err error) {
	if f.out != "text" && f.out != "jsonl" {
		return usage("-o %s: want text or jsonl", f.out)
	}
	if f.opt.Audit == 0 {
		f.opt.Audit = -1
	}
	set, err := f.judges.set()
	if err != nil {
		return err
	}
	ws, err := openLocked(ctx, c, w, &f.seriesFlags, needViews)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ws.Close()) }()
	images, err := ws.store.Count(ctx, f.series)
	if err != nil {
		return err
	}
	bar := newProgress(w, "judging", int(images)) // how many are judged, and how many pairs, is told as they come
	defer bar.stop()
	b, err := f.judges.openBench(ctx, c, w, f.dir, ws.store, bar)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	t := &judgeTally{w: w, jsonl: f.out == "jsonl", bar: bar, judgeBench: b}
	var jurors []series.Juror
	for _, j := range b.jurors(f.series, set, f.judges.options(), f.limits.limits()) {
		jurors = append(jurors, j)
	}
	err = ws.series.Deliberate(ctx, jurors, f.opt, t.emit)
	bar.stop()
	return errors.Join(err, t.close(ctx, ws.series))
}

// judgeTally prints what is learned and counts it.
type judgeTally struct {
	w          world
	jsonl      bool
	bar        *progress
	judgeBench *judgeBench

	answers, notes, pairs, decided, failed int
}

func (t *judgeTally) emit(d series.Deliberation) error {
	t.bar.total(int64(d.Total))
	t.bar.set(int64(d.Done))
	t.answers += len(d.Answers)
	if d.Note != nil {
		t.notes++
	}
	if d.Comparison != nil {
		t.pairs++
		if d.Comparison.Outcome == assay.Left || d.Comparison.Outcome == assay.Right {
			t.decided++
		}
	}
	if d.Error != "" {
		t.failed++
	}
	if len(d.Answers) == 0 && d.Note == nil && d.Comparison == nil && d.Error == "" {
		return nil // nothing was left to ask
	}
	out := t.bar.over(t.w.out)
	if t.jsonl {
		line, err := json.Marshal(d)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s\n", line)
		return err
	}
	_, err := fmt.Fprintln(out, deliberationLine(d))
	return err
}

// deliberationLine says in one line what was learned.
func deliberationLine(d series.Deliberation) string {
	head := fmt.Sprintf("%-10s %s", d.Judge.Name, d.Image.Short())
	switch {
	case d.Error != "":
		return head + "  error: " + d.Error
	case d.Comparison != nil:
		c := d.Comparison
		return fmt.Sprintf("%s  against %s: %s, P(better) %.2f (%.2f and %.2f in the two orders)%s", head, d.Other.Short(),
			pairWord(c.Outcome), c.P, c.FirstOrder.P, c.SecondOrder.P, flagsText(c.Flags))
	case d.Note != nil:
		return fmt.Sprintf("%s  %s", head, d.Note.Kind)
	}
	void, abstained := 0, 0
	why := ""
	for _, a := range d.Answers {
		if a.Void != "" {
			void, why = void+1, a.Void
		} else if !a.Belief.Known() {
			abstained++
		}
	}
	line := fmt.Sprintf("%s  %s", head, plural(len(d.Answers), "answer"))
	if abstained > 0 {
		line += fmt.Sprintf(", %d abstained", abstained)
	}
	if void > 0 {
		line += fmt.Sprintf(", %d void: %s", void, why)
	}
	return line
}

func pairWord(o assay.Outcome) string {
	switch o {
	case assay.Left:
		return "better"
	case assay.Right:
		return "not better"
	case assay.Tie:
		return "a tie"
	}
	return "no answer"
}

func flagsText(flags []string) string {
	text := ""
	for _, f := range flags {
		text += "; " + f
	}
	return text
}

// close tells the sum on standard error.
func (t *judgeTally) close(ctx context.Context, s *series.Series) error {
	fmt.Fprintf(t.w.err, "%s, %s, %s (%d decided)", plural(t.answers, "answer"), plural(t.notes, "note"), plural(t.pairs, "comparison"), t.decided)
	if t.failed > 0 {
		fmt.Fprintf(t.w.err, ", %d could not be judged", t.failed)
	}
	fmt.Fprintf(t.w.err, "; %s\n", spentLine(t.judgeBench.spent()))
	view, err := s.View(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	st := view.Archive.Stats()
	fmt.Fprintf(t.w.err, "series %s: %d of %d cells, %s\n", s.Name(), st.NumElites, st.Cells, plural(st.Replacements, "replacement"))
	for _, m := range t.judgeBench.models {
		if line := trustLine(m.Judge, view.Trusts); line != "" && t.pairs > 0 {
			fmt.Fprintln(t.w.err, line)
		}
	}
	if t.failed > 0 {
		return errPartial
	}
	return nil
}

// trustLine says why a judge's comparisons decide nothing; empty if they do.
func trustLine(j assay.Judge, trusts []assay.Trust) string {
	for _, t := range trusts {
		switch {
		case t.Judge != j:
		case t.Fit:
			return ""
		default:
			return fmt.Sprintf("judge %s failed its examination: its comparisons decide nothing; `assay judge audit` says why", j.Name)
		}
	}
	return fmt.Sprintf("judge %s has not been examined: its comparisons decide nothing until it passes `assay judge audit`", j.Name)
}

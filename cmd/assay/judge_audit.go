package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge"
	"github.com/gen-emerge/assay/series"
)

type auditFlags struct {
	seriesFlags
	judges   judgeFlags
	calls    int
	images   int
	absolute bool
	rules    bool
	asJSON   bool
	dry      bool
}

func newJudgeAudit(w world) *cobra.Command {
	var f auditFlags
	c := &cobra.Command{
		Use:   "audit",
		Short: "Examine the judges: what each may decide, and what it may not",
		Long: `Audit puts each judge to the test on this series: does it hold to its answer when
the pictures change places, when a question is asked again, when it is negated? Does
it get right what is known? And where people compared pictures or answered
questions: does it agree with them?

A judge that fails stops deciding, and so does a question; the profile says why. The
newest examination of a judge rules.

--absolute also asks the judge for marks from 1 to 10, as is widely done, on the same
pictures, and shows in the same table what such marks are worth. They are not stored
as readings and decide nothing.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return audit(c.Context(), c, w, &f) },
	}
	f.register(c)
	f.registerRules(c)
	f.judges.register(c)
	flags := c.Flags()
	flags.IntVar(&f.calls, "calls", 200, "requests an examination may take, for each judge")
	flags.IntVar(&f.images, "images", 40, "images of the series it is made on, drawn by lot, besides those that people judged")
	flags.BoolVar(&f.absolute, "absolute", false, "show beside it what marks from 1 to 10 are worth")
	flags.BoolVar(&f.rules, "rules", false, "print beside each check what was counted, and how it was tested")
	flags.BoolVar(&f.asJSON, "json", false, "print the reports")
	flags.BoolVar(&f.dry, "dry-run", false, "store nothing")
	return c
}

func audit(ctx context.Context, c *cobra.Command, w world, f *auditFlags) (err error) {
	if f.calls < 20 || f.images < 2 {
		return usage("--calls %d --images %d: an examination wants at least 20 calls and 2 images", f.calls, f.images)
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
	b, err := f.judges.openBench(ctx, c, w, f.dir, ws.store, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	var reports []judge.Report
	for _, jr := range b.jurors(f.series, set, f.judges.options(), f.limits.limits()) {
		r, err := f.examine(ctx, ws, jr)
		if err != nil && r.Stopped == "" {
			return fmt.Errorf("judge %s: %w", jr.Judge().Name, err)
		}
		reports = append(reports, r)
		if err != nil { // what was found until then is shown, and decides nothing
			fmt.Fprintln(w.err, spentLine(b.spent()))
			return errors.Join(f.print(w.out, reports), fmt.Errorf("judge %s: the examination was cut off: %w", jr.Judge().Name, err))
		}
	}
	fmt.Fprintln(w.err, spentLine(b.spent()))
	return f.print(w.out, reports)
}

// print prints the reports.
func (f *auditFlags) print(out io.Writer, reports []judge.Report) error {
	if f.asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(reports)
	}
	return printReports(out, reports, f.rules)
}

// examine examines one judge and keeps what was found. Each examination asks
// afresh; one that was cut off goes on where it stopped.
func (f *auditFlags) examine(ctx context.Context, ws *workspace, j *juror) (judge.Report, error) {
	mat, err := f.material(ctx, ws, j)
	if err != nil {
		return judge.Report{}, err
	}
	ask := j.opt
	notes, err := ws.store.Notes(ctx, f.series, assay.Digest{}, series.AuditNote)
	if err != nil {
		return judge.Report{}, err
	}
	for _, n := range notes {
		if n.Judge == j.Judge() {
			ask.Repeat++
		}
	}
	report, err := judge.Audit(ctx, j.model, mat, judge.AuditOptions{
		Calls: f.calls, Seed: f.judges.seed, Parallel: f.judges.parallel, Ask: ask, Absolute: f.absolute, Limits: f.limits.limits(),
	})
	if err != nil || f.dry {
		return report, err // of an examination that was cut off nothing is kept but its calls
	}
	return report, f.keep(ctx, ws, j, report)
}

// keep stores a report and the facts that it rests on.
func (f *auditFlags) keep(ctx context.Context, ws *workspace, j *juror, report judge.Report) error {
	body, err := json.Marshal(report)
	if err != nil {
		return err
	}
	if err := ws.store.PutAnswers(ctx, report.Answers); err != nil {
		return err
	}
	have, err := ws.store.Comparisons(ctx, f.series)
	if err != nil {
		return err
	}
	for _, c := range report.Comparisons {
		if slices.ContainsFunc(have, func(h assay.Comparison) bool {
			return h.Judge == c.Judge && (h.A == c.A && h.B == c.B || h.A == c.B && h.B == c.A)
		}) {
			continue
		}
		if _, err := ws.store.PutComparison(ctx, c); err != nil {
			return err
		}
	}
	_, err = ws.store.PutNote(ctx, assay.Note{Series: f.series, Judge: j.Judge(), Kind: series.AuditNote, Body: body})
	return err
}

// material gathers what a judge can be examined on: pairs that people decided,
// questions they answered, and images of the series drawn by lot.
func (f *auditFlags) material(ctx context.Context, ws *workspace, j *juror) (judge.Material, error) {
	m := materials{f: f, ws: ws, j: j, subjects: map[assay.Digest]judge.Subject{}, entries: map[assay.Digest]assay.Entry{}}
	if err := m.enter(ctx); err != nil {
		return judge.Material{}, err
	}
	judgments, err := ws.store.Judgments(ctx, f.series)
	if err != nil {
		return judge.Material{}, err
	}
	for _, g := range judgments {
		if err := m.pair(ctx, g); err != nil {
			return judge.Material{}, err
		}
	}
	err = ws.store.SeriesAnswers(ctx, f.series, func(_ int64, a assay.Answer) error {
		if !a.Judge.IsPerson() && a.Judge != j.Judge() {
			return nil
		}
		m.out.Answers = append(m.out.Answers, a)
		if !a.Judge.IsPerson() {
			return nil
		}
		_, err := m.subject(ctx, a.Image)
		return err
	})
	if err != nil {
		return judge.Material{}, err
	}
	if err := m.draw(ctx); err != nil {
		return judge.Material{}, err
	}
	m.out.Questions = j.set.Questions()
	return m.out, nil
}

// materials collects the material of one examination.
type materials struct {
	f        *auditFlags
	ws       *workspace
	j        *juror
	entries  map[assay.Digest]assay.Entry
	order    []assay.Digest
	subjects map[assay.Digest]judge.Subject
	out      judge.Material
}

// enter reads the series' entries.
func (m *materials) enter(ctx context.Context) error {
	after := int64(0)
	for {
		entries, err := m.ws.store.Entries(ctx, m.f.series, after, 4096)
		if err != nil {
			return err
		}
		for _, e := range entries {
			m.entries[e.Image], after = e, e.Seq
			m.order = append(m.order, e.Image)
		}
		if len(entries) < 4096 {
			return nil
		}
	}
}

// subject prepares an image of the series, once.
func (m *materials) subject(ctx context.Context, id assay.Digest) (judge.Subject, error) {
	if s, ok := m.subjects[id]; ok {
		return s, nil
	}
	data, err := m.ws.store.Blob(ctx, id)
	if err != nil {
		return judge.Subject{}, err
	}
	s, err := m.j.subject(series.Shown{Entry: m.entries[id], Data: data})
	if err != nil {
		return s, err
	}
	m.subjects[id] = s
	m.out.Subjects = append(m.out.Subjects, s)
	return s, nil
}

// pair takes a judgment of a person that decided something.
func (m *materials) pair(ctx context.Context, g assay.Judgment) error {
	if g.Withdrawn || g.Source != "human" || g.Outcome != assay.Left && g.Outcome != assay.Right {
		return nil
	}
	a, err := m.subject(ctx, g.Left)
	if err != nil {
		return err
	}
	b, err := m.subject(ctx, g.Right)
	if err != nil {
		return err
	}
	m.out.Pairs = append(m.out.Pairs, judge.HumanPair{A: a, B: b, AWins: g.Outcome == assay.Left, Weight: 1})
	return nil
}

// draw adds images by lot.
func (m *materials) draw(ctx context.Context) error {
	lot := rand.New(rand.NewPCG(m.f.judges.seed, 0x61756469))
	for _, k := range lot.Perm(len(m.order))[:min(m.f.images, len(m.order))] {
		if _, err := m.subject(ctx, m.order[k]); err != nil {
			return err
		}
	}
	return nil
}

// printReports prints the reports for people.
func printReports(out io.Writer, reports []judge.Report, rules bool) error {
	for _, r := range reports {
		t := r.Trust
		state := "may decide"
		if !t.Fit {
			state = "decides nothing"
		}
		fmt.Fprintf(out, "%s (%s): %s\n", t.Judge.Name, t.Judge.Model, state)
		for _, why := range t.Reasons {
			fmt.Fprintf(out, "  %s\n", why)
		}
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, row := range r.Table() {
			if row.Check == "verdict" { // said above
				continue
			}
			found, more, _ := strings.Cut(row.Found, "; ")
			fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", row.Check, row.Verdict, found, row.Interval)
			for _, line := range []string{more, row.Rule} {
				if line != "" && rules {
					fmt.Fprintf(table, "  \t\t\t  %s\n", line)
				}
			}
		}
		if err := table.Flush(); err != nil {
			return err
		}
		for _, q := range slices.Sorted(maps.Keys(t.Unfit)) {
			fmt.Fprintf(out, "  question %s decides nothing: %s\n", q, t.Unfit[q])
		}
	}
	return nil
}

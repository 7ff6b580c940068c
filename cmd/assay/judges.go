package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge"
	"github.com/gen-emerge/assay/judge/vlm"
	"github.com/gen-emerge/assay/store"
)

// judgesFile is where a workspace names its judges.
const judgesFile = "judges.yaml"

// judgeFlags are the settings of commands that ask judges.
type judgeFlags struct {
	file       string
	names      []string
	questions  string
	samples    int
	margin     float64
	seed       uint64
	parallel   int
	batch      bool
	sameFamily bool
	probe      bool
	budget     vlm.Budget
}

func (f *judgeFlags) register(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.file, "judges", "", "the `FILE` that names the judges; "+judgesFile+" of the workspace if not given")
	flags.StringSliceVar(&f.names, "judge", nil, "the `JUDGES` to ask; all of the file if not given")
	flags.StringVar(&f.questions, "questions", "", "the `FILE` of questions; those that come with assay if not given")
	flags.IntVar(&f.samples, "samples", 0, "answers drawn where a judge gives no probabilities; 5 if 0")
	flags.Float64Var(&f.margin, "margin", 0, "how far from 1/2 a comparison's probability must be to decide; 0.1 if 0")
	flags.Uint64Var(&f.seed, "judge-seed", 1, "of the order of questions, and of which are asked twice")
	flags.IntVar(&f.parallel, "parallel", 0, "calls to a judge at once; what the file says, or 8, if 0")
	flags.BoolVar(&f.batch, "batch", true, "put the questions of a dimension in one call where a judge gives no probabilities")
	flags.BoolVar(&f.sameFamily, "same-family", false, "let a judge decide about pictures of a generator of its own family")
	flags.BoolVar(&f.probe, "probe-again", false, "find out anew what the judges' servers can do")
	flags.Int64Var(&f.budget.Calls, "budget-calls", 0, "stop after this many `CALLS` of this run; 0 is no limit")
	flags.Int64Var(&f.budget.Tokens, "budget-tokens", 0, "stop after this many `TOKENS` of this run")
	flags.Float64Var(&f.budget.Money, "budget-money", 0, "stop before this `COST` of this run, in the currency of the judges' prices")
	flags.Int64Var(&f.budget.DayCalls, "day-calls", 0, "stop after this many `CALLS` in 24 hours")
	flags.Int64Var(&f.budget.DayTokens, "day-tokens", 0, "stop after this many `TOKENS` in 24 hours")
	flags.Float64Var(&f.budget.DayMoney, "day-money", 0, "stop before this `COST` in 24 hours")
}

func (f *judgeFlags) check() error {
	switch {
	case f.samples < 0 || f.samples > 100:
		return usage("--samples %d: want 1 to 100, or 0 for the default", f.samples)
	case !(f.margin >= 0 && f.margin < 0.5):
		return usage("--margin %g: want a number from 0 to below 0.5", f.margin)
	case f.parallel < 0 || f.parallel > 1024:
		return usage("--parallel %d: want 0 to 1024", f.parallel)
	}
	b := f.budget
	if min(b.Calls, b.Tokens, b.DayCalls, b.DayTokens) < 0 || !(b.Money >= 0) || !(b.DayMoney >= 0) {
		return usage("a budget below zero: want what may be spent, or 0 for no limit")
	}
	return nil
}

// options are how the judges are asked.
func (f *judgeFlags) options() judge.Options {
	return judge.Options{Samples: f.samples, Margin: f.margin, Seed: f.seed, Parallel: f.parallel, Batch: f.batch, SameFamily: f.sameFamily}
}

// set reads the questions.
func (f *judgeFlags) set() (*judge.Set, error) {
	if f.questions == "" {
		return judge.DefaultSet(), nil
	}
	text, err := os.ReadFile(f.questions)
	if err != nil {
		return nil, err
	}
	return judge.ParseSet(f.questions, text)
}

// configs reads the judges that are named on the command line, or all of the
// file.
func (f *judgeFlags) configs(dir string) ([]vlm.Config, error) {
	file := f.file
	if file == "" {
		file = filepath.Join(dir, judgesFile)
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no such file: it names the judges; `assay judge --help` shows one: %w", file, assay.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	all, err := vlm.ReadConfigs(file, text)
	if err != nil || len(f.names) == 0 {
		return all, err
	}
	var out []vlm.Config
	for _, name := range f.names {
		k := slices.IndexFunc(all, func(c vlm.Config) bool { return c.Name == name })
		if k < 0 {
			var names []string
			for _, c := range all {
				names = append(names, c.Name)
			}
			return nil, usage("--judge %s: %s names %s", name, file, strings.Join(names, ", "))
		}
		out = append(out, all[k])
	}
	return out, nil
}

// A judgeBench is the judges at hand, and what they have cost.
type judgeBench struct {
	models  []vlm.Model
	callers []*vlm.Caller
	db      *store.DB // nil: nothing is kept
	warn    func(error)
}

// openBench opens the judges that are asked for. With a store every call is
// kept and none is paid twice.
func (f *judgeFlags) openBench(ctx context.Context, c *cobra.Command, w world, dir string, db *store.DB, bar *progress) (*judgeBench, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	configs, err := f.configs(dir)
	if err != nil {
		return nil, err
	}
	b := &judgeBench{db: db, warn: func(err error) { fmt.Fprintln(w.err, "warning:", err) }}
	ledger := vlm.MemoryLedger()
	if db != nil {
		ledger = db
	}
	for _, cfg := range configs {
		if f.parallel > 0 {
			cfg.Concurrency = f.parallel
		}
		cfg.Protocol = judge.Protocol
		client, err := vlm.Dial(cfg, w.getenv, &http.Client{})
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
		id := client.Judge()
		opt := vlm.CallerOptions{
			Ledger: ledger, Budget: f.budget, Price: cfg.Price, Concurrency: cfg.Concurrency, Timeout: cfg.Timeout, Log: logger(c, w),
			Progress: func(s assay.Spending) { bar.say(spentLine(s)) },
		}
		if len(b.callers) > 0 {
			opt.Beside = b.callers[0]
		}
		caller := vlm.NewCaller(id, client, opt)
		b.callers = append(b.callers, caller)
		can, err := b.capabilities(ctx, id, caller, f.probe)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("judge %s at %s: %w", id.Name, id.Endpoint, err), b.Close())
		}
		b.models = append(b.models, vlm.Model{Judge: id, Can: can, Limits: cfg.Limits, Asker: caller})
	}
	if len(b.models) == 0 {
		return nil, fmt.Errorf("no judge is named: write one into %s: %w", filepath.Join(dir, judgesFile), assay.ErrNotFound)
	}
	return b, nil
}

// capabilities says what a judge's server can do: as remembered, or probed now.
func (b *judgeBench) capabilities(ctx context.Context, id assay.Judge, a vlm.Asker, again bool) (vlm.Capabilities, error) {
	var can vlm.Capabilities
	if b.db != nil && !again {
		text, err := b.db.Capabilities(ctx, id)
		if err == nil {
			return can, json.Unmarshal(text, &can)
		}
		if !errors.Is(err, assay.ErrNotFound) {
			return can, err
		}
	}
	can, err := vlm.Probe(ctx, a, id, time.Now())
	if err != nil || b.db == nil {
		return can, err
	}
	text, err := json.Marshal(can)
	if err != nil {
		return can, err
	}
	return can, b.db.PutCapabilities(ctx, id, text)
}

// spent is what this run has cost: the callers share one budget and one sum.
func (b *judgeBench) spent() assay.Spending {
	if len(b.callers) == 0 {
		return assay.Spending{}
	}
	return b.callers[0].Spent()
}

// Close ends what is under way.
func (b *judgeBench) Close() error {
	var errs []error
	for _, c := range b.callers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// spentLine tells what a run has cost.
func spentLine(s assay.Spending) string {
	line := fmt.Sprintf("%s, %d tokens in, %d out", plural(s.Calls, "call"), s.In, s.Out)
	if s.Cost > 0 {
		line += fmt.Sprintf(", cost %.4g", s.Cost)
	}
	if s.InDoubt > 0 {
		line += fmt.Sprintf("; %d in doubt: sent, and their replies lost with an earlier run", s.InDoubt)
	}
	return line
}

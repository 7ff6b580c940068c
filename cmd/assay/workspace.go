package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
	"github.com/gen-emerge/assay/weights"
)

// seriesFlags are the settings of commands that work on a series.
type seriesFlags struct {
	dir, series     string
	axes            []string
	distance        string
	adherence       string
	style           string
	styleShare      float64
	styleEnforce    bool
	chanceQuantile  float64
	allowInt8       bool
	measure         []string
	towers          towerFlags
	technical       []string
	warmup, workers int
	sameQuantile    float64
	falseRefusal    float64
	tau             float64
	wait            time.Duration
	limits          limitFlags
}

// limitFlags bound what is decoded.
type limitFlags struct {
	bytes, pixels int64
	side          int
}

func (l *limitFlags) register(c *cobra.Command) {
	f := c.Flags()
	f.Int64Var(&l.bytes, "max-bytes", 256<<20, "refuse files larger than `BYTES`")
	f.Int64Var(&l.pixels, "max-pixels", 100_000_000, "refuse pictures with more than `PIXELS`, before they are decoded")
	f.IntVar(&l.side, "max-side", 32768, "refuse pictures with a side longer than `PIXELS`")
}

func (l limitFlags) limits() pixel.Limits {
	return pixel.Limits{Bytes: l.bytes, Pixels: l.pixels, Side: l.side}
}

// register adds the flags that say which series of which workspace.
func (s *seriesFlags) register(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.dir, "dir", ".", "the workspace `DIR`")
	f.StringVarP(&s.series, "series", "s", "main", "the series `NAME`")
}

// registerRules adds the settings of gates and archive.
func (s *seriesFlags) registerRules(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVar(&s.axes, "axis", nil, "an axis of a new series' map, `DESCRIPTOR:LO:HI:CELLS`; two to four of them")
	f.StringVar(&s.distance, "distance", "", "the diversity gate's `INSTRUMENT`; the best installed if not given")
	f.StringVar(&s.adherence, "adherence", "", "the adherence gate's `INSTRUMENT`; the best CLIP Score installed if not given")
	f.StringVar(&s.style, "style", "", "the style gate's `INSTRUMENT`; the best installed if not given")
	f.Float64Var(&s.styleShare, "style-share", 0.1, "share of the series' own images whose style is easiest to name: what the style gate tells")
	f.BoolVar(&s.styleEnforce, "style-enforce", false, "let the style gate refuse, though no control supports it")
	f.Float64Var(&s.chanceQuantile, "chance-quantile", 0.95, "quantile of the readings with other images' prompts that is the adherence threshold")
	f.BoolVar(&s.allowInt8, "allow-int8", false, "let gates and the map read networks run in 8-bit integers")
	f.StringSliceVar(&s.measure, "measure", nil, "`INSTRUMENTS` to read besides the quick ones and those of the gates, or all")
	s.towers.register(c)
	f.StringSliceVar(&s.technical, "technical", nil, "`INSTRUMENTS` that may serve the technical gates; nima-technical where it is installed, and formulas, if not given")
	f.IntVar(&s.warmup, "warmup", 24, "images after which thresholds are computed from controls")
	f.Float64Var(&s.sameQuantile, "same-quantile", 0.95, "quantile of the distances between trivial variants that is the diversity threshold")
	f.Float64Var(&s.falseRefusal, "false-refusal", 0.05, "share of the series' own images one technical gate may refuse")
	f.Float64Var(&s.tau, "tau", 0.75, "probability of being better at which a challenger replaces an elite")
	f.IntVarP(&s.workers, "workers", "j", 0, "images measured at once; one per CPU if 0")
	f.DurationVar(&s.wait, "wait", 10*time.Second, "how long to wait while another process writes to the workspace")
	s.limits.register(c)
}

func (s *seriesFlags) options() (series.Options, error) {
	axes, err := parseAxes(s.axes)
	if err != nil {
		return series.Options{}, err
	}
	return series.Options{
		Axes: axes, Distance: s.distance, Adherence: s.adherence, Style: s.style, StyleShare: s.styleShare, StyleEnforce: s.styleEnforce,
		ChanceQuantile: s.chanceQuantile, AllowInt8: s.allowInt8, Technical: s.technical, Warmup: s.warmup, SameQuantile: s.sameQuantile,
		FalseRefusal: s.falseRefusal, Tau: s.tau, Workers: s.workers, Limits: s.limits.limits(),
	}, s.check()
}

func (s *seriesFlags) check() error {
	if s.workers < 0 {
		return usage("--workers %d: want 0 or more", s.workers)
	}
	if least := int(math.Ceil(1 / s.falseRefusal)); s.falseRefusal > 0 && s.warmup < least {
		return usage("--warmup %d: to refuse at most %g of the originals, controls need at least %d images", s.warmup, s.falseRefusal, least)
	}
	if least := int(math.Ceil(1 / (1 - s.sameQuantile) / series.VariantsPerImage)); s.sameQuantile < 1 && s.warmup < least {
		return usage("--warmup %d: for the %g quantile, controls need at least %d images", s.warmup, s.sameQuantile, least)
	}
	within := func(name string, x, lo, hi float64) error {
		if x >= lo && x <= hi {
			return nil
		}
		return usage("--%s %g: want a number from %g to %g", name, x, lo, hi)
	}
	if s.warmup < 8 {
		return usage("--warmup %d: controls need at least 8 images", s.warmup)
	}
	return errors.Join(within("style-share", s.styleShare, 0.001, 0.5), within("chance-quantile", s.chanceQuantile, 0.5, 0.999),
		within("same-quantile", s.sameQuantile, 0.5, 0.999), within("false-refusal", s.falseRefusal, 0.001, 0.5), within("tau", s.tau, 0.501, 0.999))
}

// parseAxes reads DESCRIPTOR:LO:HI:CELLS. A descriptor may have colons itself, as
// in checklist:composition.
func parseAxes(texts []string) ([]assay.Axis, error) {
	var axes []assay.Axis
	for _, text := range texts {
		parts := strings.Split(text, ":")
		n := len(parts) - 3
		if n < 1 {
			return nil, usage("axis %q: want DESCRIPTOR:LO:HI:CELLS, as in warmth:-20:35:8 or checklist:composition:0:1:8", text)
		}
		lo, err1 := strconv.ParseFloat(parts[n], 64)
		hi, err2 := strconv.ParseFloat(parts[n+1], 64)
		cells, err3 := strconv.Atoi(parts[n+2])
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, usage("axis %q: %v", text, err)
		}
		axes = append(axes, assay.Axis{Descriptor: strings.Join(parts[:n], ":"), Lo: lo, Hi: hi, Cells: cells})
	}
	return axes, nil
}

// A workspace is an open folder of facts and one of its series.
type workspace struct {
	store  *store.DB
	tools  *toolbox
	series *series.Series
	unlock func() // nil: this process does not hold the writer's lock
}

// A need says what a command wants of its workspace.
type need int

const (
	needViews  need = iota // the series must be there; formulas are enough
	needTools              // the series must be there, and every instrument at hand
	needSeries             // every instrument at hand; a new series is made
)

// openWorkspace opens the workspace for a command.
func openWorkspace(ctx context.Context, c *cobra.Command, w world, f *seriesFlags, n need) (*workspace, error) {
	opt, err := f.options()
	if err != nil {
		return nil, err
	}
	opt.Log = logger(c, w)
	db, err := openStore(ctx, f.dir, opt.Log)
	if err != nil {
		return nil, err
	}
	ws := &workspace{store: db}
	if n != needSeries {
		err = f.mustExist(ctx, db)
	}
	if err == nil && n == needViews {
		ws.tools, err = formulas(w)
	} else if err == nil {
		ws.tools, err = f.openTools(ctx, w, db, opt)
	}
	if err == nil {
		ws.series, err = series.Open(ctx, f.series, db, ws.tools.Tools, opt)
	}
	if err != nil {
		return nil, errors.Join(err, ws.Close())
	}
	return ws, nil
}

// openStore opens the facts of a workspace that is there: looking must not make
// one. The error wraps [assay.ErrNotFound] if dir is none.
func openStore(ctx context.Context, dir string, log *slog.Logger) (*store.DB, error) {
	if _, err := os.Stat(filepath.Join(dir, "assay.db")); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not a workspace: `assay init %s` makes one: %w", dir, dir, assay.ErrNotFound)
	}
	return store.Open(ctx, dir, store.Options{Log: log})
}

// openLocked opens the workspace for a command that writes to it, alone.
func openLocked(ctx context.Context, c *cobra.Command, w world, f *seriesFlags, n need) (*workspace, error) {
	ws, err := openWorkspace(ctx, c, w, f, n)
	if err != nil {
		return nil, err
	}
	if ws.unlock, err = ws.store.Lock(ctx, f.wait); err != nil {
		return nil, errors.Join(err, ws.Close())
	}
	return ws, nil
}

// openTools opens what the series reads: every quick instrument, those its gates
// and its map stand on (the thresholds in force come before what is best now),
// and those that are asked for.
func (s *seriesFlags) openTools(ctx context.Context, w world, db *store.DB, opt series.Options) (*toolbox, error) {
	for _, name := range s.measure {
		if _, ok := metric.Find(name); !ok && name != "all" {
			return nil, usage("--measure %s: no such instrument; did you mean %s?", name, strings.Join(metric.Suggest(name), ", "))
		}
	}
	models, err := weights.DefaultCache(w.getenv)
	if err != nil {
		return nil, err
	}
	wanted := append(opt.Wanted(func(name string) bool {
		spec, ok := metric.Find(name)
		return ok && missingModel(models, spec) == nil
	}), s.measure...)
	thresholds, err := db.Thresholds(ctx, s.series)
	if err != nil && !errors.Is(err, assay.ErrNotFound) {
		return nil, err
	}
	for _, t := range thresholds {
		wanted = append(wanted, t.Instrument)
	}
	grid, err := db.Grid(ctx, s.series)
	if err != nil && !errors.Is(err, assay.ErrNotFound) {
		return nil, err
	}
	for _, axis := range grid.Axes {
		wanted = append(wanted, axis.Descriptor)
	}
	callers := s.workers
	if callers == 0 {
		callers = runtime.NumCPU()
	}
	return openToolbox(ctx, w, opt.Log, s.towers, callers, func(spec metric.Spec) bool {
		return quick(spec) || slices.Contains(wanted, spec.Name) || slices.Contains(wanted, "all")
	})
}

// mustExist refuses a series that is not there: reading must not make one.
func (s *seriesFlags) mustExist(ctx context.Context, db *store.DB) error {
	names, err := db.SeriesNames(ctx)
	switch {
	case err != nil || slices.Contains(names, s.series):
		return err
	case len(names) == 0:
		return fmt.Errorf("%s has no series yet: `assay add IMAGE ... --dir %s` makes one: %w", s.dir, s.dir, assay.ErrNotFound)
	}
	return fmt.Errorf("%s has no series %q; there are %s (-s NAME): %w", s.dir, s.series, strings.Join(names, ", "), assay.ErrNotFound)
}

// Close releases the instruments and the store.
func (ws *workspace) Close() error {
	if ws.unlock != nil {
		ws.unlock()
	}
	if ws.tools == nil {
		return ws.store.Close()
	}
	return errors.Join(ws.tools.Close(), ws.store.Close())
}

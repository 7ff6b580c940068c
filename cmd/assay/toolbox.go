package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/ort"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/weights"
)

// A toolbox is the instruments at hand, and what they stand on.
type toolbox struct {
	series.Tools
	engine *engine
	towers *metric.Towers
	models *weights.Cache
	late   late // opened after the others
}

// towerFlags are choices about the large networks.
type towerFlags struct {
	precision    string
	plainBicubic bool
	nimaPadding  string
	styleProbe   string
	towerMemory  int64
	prepack      bool
}

func (f *towerFlags) register(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.precision, "precision", string(nn.Float32), "of the large networks: float32, or int8, which is faster and for bulk pre-filtering: its readings are no one else's")
	flags.BoolVar(&f.plainBicubic, "hps-plain-bicubic", false, "resize for hps-v2 and hps-v2.1 without antialiasing, as in 2023")
	flags.StringVar(&f.nimaPadding, "nima-padding", string(backbone.Keras21), "`PADDING` of the NIMA networks: keras21, as they were trained, or tf2, as idealo's code does today")
	flags.StringVar(&f.styleProbe, "style-probe", "", "a linear classifier of styles, a safetensors `FILE`, in place of the zero-shot one")
	flags.Int64Var(&f.towerMemory, "tower-memory", 4<<10, "keep at most this many `MEGABYTES` of networks open")
}

// registerBulk adds what is for readings that are not kept beside others.
func (f *towerFlags) registerBulk(c *cobra.Command) {
	f.register(c)
	c.Flags().BoolVar(&f.prepack, "prepack", false, "let ONNX Runtime copy the weights of networks into its own fastest layout: opening takes longer, "+
		"readings in int8 are some 20 % faster; float32 gains on processors without AVX2 only. Runtimes say so, since last digits differ")
}

func (f towerFlags) options() (metric.TowerOptions, error) {
	if p := nn.Precision(f.precision); p != nn.Float32 && p != nn.Int8 {
		return metric.TowerOptions{}, usage("--precision %s: want %s or %s", f.precision, nn.Float32, nn.Int8)
	}
	if f.towerMemory < 1 {
		return metric.TowerOptions{}, usage("--tower-memory %d: want at least 1", f.towerMemory)
	}
	if p := backbone.Padding(f.nimaPadding); p != backbone.Keras21 && p != backbone.TF2 {
		return metric.TowerOptions{}, usage("--nima-padding %s: want %s or %s", f.nimaPadding, backbone.Keras21, backbone.TF2)
	}
	return metric.TowerOptions{Budget: f.towerMemory << 20, Precision: nn.Precision(f.precision),
		PlainBicubic: f.plainBicubic, NIMAPadding: backbone.Padding(f.nimaPadding), StyleProbe: f.styleProbe}, nil
}

// quick reports whether an instrument runs in milliseconds: a formula, or one
// whose models are of the core tier.
func quick(spec metric.Spec) bool {
	return !slices.ContainsFunc(weights.Manifest(), func(m weights.Model) bool {
		return m.Tier != weights.Core && slices.Contains(spec.Models, m.Name)
	})
}

// defaultTowers are the flags as they are when none is given.
func defaultTowers() towerFlags {
	return towerFlags{precision: string(nn.Float32), nimaPadding: string(backbone.Keras21), towerMemory: 4 << 10}
}

// openToolbox opens the instruments of the catalogue that are wanted and whose
// models are installed. What cannot be opened is missing, with the reason.
func openToolbox(ctx context.Context, w world, log *slog.Logger, opt towerFlags, callers int, want func(metric.Spec) bool) (*toolbox, error) {
	t, err := emptyToolbox(w, log, opt, callers)
	if err != nil {
		return nil, err
	}
	for _, spec := range metric.Catalogue() {
		err := t.installed(spec)
		if err == nil && !want(spec) {
			err = fmt.Errorf("%s is installed and was not asked for: %w", spec.Name, assay.ErrUnavailable)
		}
		if err == nil {
			err = t.open(ctx, spec.Name)
		}
		if ctx.Err() != nil {
			return nil, errors.Join(context.Cause(ctx), t.Close())
		}
		if err != nil {
			log.Debug("instrument not at hand", "instrument", spec.Name, "why", err)
			t.Missing[spec.Name] = err
		}
	}
	return t, nil
}

// openNamed opens exactly the instruments named, in that order.
func openNamed(ctx context.Context, w world, log *slog.Logger, opt towerFlags, callers int, names []string) (*toolbox, error) {
	return openEach(ctx, w, log, opt, callers, names, (*toolbox).open)
}

// openVectors opens the instruments named, where vectors are wanted and no
// readings: a row of features that is no instrument will do.
func openVectors(ctx context.Context, w world, log *slog.Logger, opt towerFlags, callers int, names []string) (*toolbox, error) {
	return openEach(ctx, w, log, opt, callers, names, func(t *toolbox, ctx context.Context, name string) error {
		if _, instrument := metric.Find(name); instrument {
			return t.open(ctx, name)
		}
		if spec, ok := metric.FindFeatures(name); ok && spec.Graph && missingModel(t.models, metric.Spec{Models: spec.Models}) == nil {
			if err := t.engine.start(ctx); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		in, err := t.towers.OpenFeatures(ctx, name)
		if err != nil {
			return err
		}
		t.Instruments = append(t.Instruments, in)
		return nil
	})
}

func openEach(ctx context.Context, w world, log *slog.Logger, opt towerFlags, callers int, names []string,
	open func(*toolbox, context.Context, string) error) (*toolbox, error) {
	t, err := emptyToolbox(w, log, opt, callers)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, err := t.Find(name); err == nil {
			continue
		}
		if err := open(t, ctx, name); err != nil {
			return nil, errors.Join(err, t.Close())
		}
	}
	return t, nil
}

// open adds one instrument. The library is loaded first, so that readings can
// name its version.
func (t *toolbox) open(ctx context.Context, name string) error {
	if spec, ok := metric.Find(name); ok && spec.Graph && t.installed(spec) == nil {
		if err := t.engine.start(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	in, err := t.towers.Open(ctx, name)
	if err != nil {
		return err
	}
	t.Instruments = append(t.Instruments, in)
	return nil
}

// installed says why an instrument's models cannot be used, if they cannot.
func (t *toolbox) installed(spec metric.Spec) error { return missingModel(t.models, spec) }

func missingModel(models *weights.Cache, spec metric.Spec) error {
	for _, model := range spec.Models {
		if _, err := models.Files(model); err != nil {
			return err
		}
	}
	return nil
}

// formulas opens the instruments that need nothing installed: enough to read
// views by. Of the others it says why an image has no reading.
func formulas(w world) (*toolbox, error) {
	t, err := emptyToolbox(w, slog.New(slog.DiscardHandler), defaultTowers(), 1)
	if err != nil {
		return nil, err
	}
	for _, spec := range metric.Catalogue() {
		if len(spec.Models) > 0 {
			if t.Missing[spec.Name] = t.installed(spec); t.Missing[spec.Name] == nil {
				t.Missing[spec.Name] = fmt.Errorf("%s has not read this image; `assay gate calibrate --controls` measures what can be measured", spec.Name)
			}
			continue
		}
		in, err := metric.OpenFormula(spec.Name)
		if err != nil {
			return nil, err
		}
		t.Instruments = append(t.Instruments, in)
	}
	return t, nil
}

// emptyToolbox has no instruments yet. So many images will be in work at once:
// one thread a run is then as fast as many, and leaves the other cores to
// decoding; a single image gets all of them. The numbers are the same.
func emptyToolbox(w world, log *slog.Logger, f towerFlags, callers int) (*toolbox, error) {
	opt, err := f.options()
	if err != nil {
		return nil, err
	}
	models, err := weights.DefaultCache(w.getenv)
	if err != nil {
		return nil, err
	}
	models.Note = func(s string) { fmt.Fprintln(w.err, s) }
	e := &engine{w: w, log: log, threads: max(1, runtime.NumCPU()/max(1, callers)), prepack: f.prepack}
	return &toolbox{Tools: series.Tools{Missing: map[string]error{}}, engine: e, models: models,
		towers: metric.NewTowers(models, e, opt)}, nil
}

// Close releases the instruments and the runtime.
func (t *toolbox) Close() error {
	var errs []error
	for _, in := range t.Instruments {
		errs = append(errs, in.Close())
	}
	errs = append(errs, t.late.close()...)
	return errors.Join(append(errs, t.towers.Close(), t.engine.close())...)
}

// An engine is ONNX Runtime, found or installed when the first graph needs it.
type engine struct {
	w       world
	log     *slog.Logger
	threads int  // of one run
	prepack bool // see [ort.SessionOptions]

	once sync.Once
	rt   *ort.Runtime
	err  error
}

// envNoInstall keeps the program from fetching ONNX Runtime by itself.
const envNoInstall = "ASSAY_NO_INSTALL"

func (e *engine) start(ctx context.Context) error {
	e.once.Do(func() {
		lib, err := ort.Find(ctx, ort.FindOptions{})
		if err != nil && os.Getenv(ort.EnvLib) == "" && e.w.getenv(envNoInstall) == "" && !triedLately() {
			fmt.Fprintln(e.w.err, "ONNX Runtime is needed and not here; installing it once (set "+envNoInstall+"=1 to forbid)")
			if lib.Path, err = ort.Install(ctx, ort.InstallOptions{Log: func(s string) { fmt.Fprintln(e.w.err, " ", s) }}); err == nil {
				lib, err = ort.Find(ctx, ort.FindOptions{Path: lib.Path})
			} else {
				rememberTry()
			}
		}
		if err == nil {
			e.rt, err = ort.Open(lib)
		}
		e.err = err
	})
	return e.err
}

// retryAfter is how long a failed installation is not tried again by itself: on
// a machine without a network it would cost every command some seconds.
const retryAfter = 24 * time.Hour

// tryMark is the file whose age says when an installation failed last.
func tryMark() (string, error) {
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "assay", "runtime-not-installed"), err
}

func triedLately() bool {
	mark, err := tryMark()
	if err != nil {
		return false
	}
	info, err := os.Stat(mark)
	return err == nil && time.Since(info.ModTime()) < retryAfter
}

// rememberTry leaves the mark. Without it the next command merely tries again.
func rememberTry() {
	if mark, err := tryMark(); err == nil && os.MkdirAll(filepath.Dir(mark), 0o755) == nil {
		os.WriteFile(mark, nil, 0o644)
	}
}

// Name says what runs the graphs.
func (e *engine) Name() string {
	if e.rt == nil {
		return "onnxruntime"
	}
	if e.prepack {
		return e.rt.Name() + " prepacked"
	}
	return e.rt.Name()
}

// Packed names the operator for packed weights.
func (e *engine) Packed() string { return e.rt.Packed() }

// Open prepares a graph.
func (e *engine) Open(ctx context.Context, m *onnx.Model) (metric.Runner, error) {
	return e.session(ctx, m, e.threads)
}

// whole prepares a graph that may use every core.
func (e *engine) whole(ctx context.Context, m *onnx.Model) (metric.Runner, error) {
	return e.session(ctx, m, runtime.NumCPU())
}

func (e *engine) session(ctx context.Context, m *onnx.Model, threads int) (metric.Runner, error) {
	if err := e.start(ctx); err != nil {
		return nil, err
	}
	return e.rt.OpenSession(ctx, m, ort.SessionOptions{Threads: threads, Prepack: e.prepack})
}

func (e *engine) close() error {
	if e.rt == nil {
		return nil
	}
	return e.rt.Close()
}

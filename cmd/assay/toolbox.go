package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/ort"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/weights"
)

// A toolbox is the instruments at hand, and what they stand on.
type toolbox struct {
	series.Tools
	engine *engine
}

// openToolbox opens every instrument of the catalogue whose model is installed.
// What cannot be opened is missing, with the reason.
func openToolbox(ctx context.Context, w world, log *slog.Logger) (*toolbox, error) {
	t, models, err := emptyToolbox(w, log)
	if err != nil {
		return nil, err
	}
	for _, spec := range metric.Catalogue() {
		in, err := metric.Open(ctx, spec.Name, models, t.engine)
		if ctx.Err() != nil {
			return nil, errors.Join(context.Cause(ctx), t.Close())
		}
		if err != nil {
			log.Debug("instrument not at hand", "instrument", spec.Name, "why", err)
			t.Missing[spec.Name] = err
			continue
		}
		t.Instruments = append(t.Instruments, in)
	}
	return t, nil
}

// openNamed opens exactly the instruments named, in that order.
func openNamed(ctx context.Context, w world, log *slog.Logger, names []string) (*toolbox, error) {
	t, models, err := emptyToolbox(w, log)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, err := t.Find(name); err == nil {
			continue
		}
		in, err := metric.Open(ctx, name, models, t.engine)
		if err != nil {
			return nil, errors.Join(err, t.Close())
		}
		t.Instruments = append(t.Instruments, in)
	}
	return t, nil
}

// formulas opens the instruments that need nothing installed: enough to read
// views by. Of the others it says why an image has no reading.
func formulas(w world) (*toolbox, error) {
	t, models, err := emptyToolbox(w, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	for _, spec := range metric.Catalogue() {
		if spec.Model != "" {
			if _, err := models.Files(spec.Model); err != nil {
				t.Missing[spec.Name] = err
			} else {
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

func emptyToolbox(w world, log *slog.Logger) (*toolbox, *weights.Cache, error) {
	models, err := weights.DefaultCache(w.getenv)
	if err != nil {
		return nil, nil, err
	}
	return &toolbox{Tools: series.Tools{Missing: map[string]error{}}, engine: &engine{w: w, log: log}}, models, nil
}

// Close releases the instruments and the runtime.
func (t *toolbox) Close() error {
	var errs []error
	for _, in := range t.Instruments {
		errs = append(errs, in.Close())
	}
	if t.engine != nil {
		errs = append(errs, t.engine.close())
	}
	return errors.Join(errs...)
}

// An engine is ONNX Runtime, found or installed when the first graph needs it.
type engine struct {
	w   world
	log *slog.Logger

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
	return e.rt.Name()
}

// Open prepares a graph.
//
// Many images in work at once keep the cores busy; one thread a run is then as
// fast as many, and leaves the other cores to decoding.
func (e *engine) Open(ctx context.Context, m *onnx.Model) (metric.Runner, error) {
	return e.session(ctx, m, 1)
}

// whole prepares a graph that may use every core.
func (e *engine) whole(ctx context.Context, m *onnx.Model) (metric.Runner, error) {
	return e.session(ctx, m, runtime.NumCPU())
}

func (e *engine) session(ctx context.Context, m *onnx.Model, threads int) (metric.Runner, error) {
	if err := e.start(ctx); err != nil {
		return nil, err
	}
	return e.rt.OpenSession(ctx, m, ort.SessionOptions{Threads: threads})
}

func (e *engine) close() error {
	if e.rt == nil {
		return nil
	}
	return e.rt.Close()
}

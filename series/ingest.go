package series

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"sync"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
)

// An Input is one image on its way in, and what the caller knows of it.
type Input struct {
	Path      string                 // for people and for the record
	Read      func() ([]byte, error) // the encoded bytes; called once
	Prompt    string                 // empty: read from the file's metadata, if it has any
	Negative  string
	Generator string
	Settings  map[string]string
	Parents   []assay.Digest
}

// A Result is what became of one input. Every input has exactly one.
type Result struct {
	Path      string             `json:"path"`
	Digest    assay.Digest       `json:"digest,omitzero"` // zero if the bytes could not be read
	Seq       int64              `json:"seq,omitempty"`
	Known     bool               `json:"known,omitempty"` // it was in the series before
	Outcome   string             `json:"outcome"`         // an [assay.Placement], or "error"
	Cell      []int              `json:"cell"`            // null if it has no place
	Incumbent assay.Digest       `json:"incumbent,omitzero"`
	Gates     []assay.GateResult `json:"gates"`
	Doubts    []string           `json:"doubts,omitempty"` // instruments that could not read it
	Error     string             `json:"error,omitempty"`

	Err error `json:"-"`
}

// An adder is one run of Add.
type adder struct {
	s    *Series
	near *neighbourhood
	view *View
	held []Result // waiting for the first thresholds, or for a view built anew
	emit func(Result) error

	stale bool // an image that was here before was measured again: the view is rebuilt at the end
	retry int  // images at which thresholds are tried again, after there were too few to compute them
}

// Add takes the inputs one after the other: each is read, measured, recorded,
// gated and placed. emit gets one Result an input, in order; until the series
// has its first thresholds results are held back, until Options.Warmup images
// are measured. An input that is no image gets a Result with its error, and the
// rest go on; Add itself fails only if the facts cannot be kept, emit fails, or
// ctx ends. The order of inputs decides the outcome, not the speed of workers.
func (s *Series) Add(ctx context.Context, inputs iter.Seq[Input], emit func(Result) error) error {
	a := &adder{s: s, emit: emit}
	err := a.open(ctx)
	if err == nil {
		err = a.run(ctx, inputs)
		err = errors.Join(err, a.finish(ctx))
	}
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err) // whatever it met, that is why
	}
	return err
}

// finish tells what was held back, also of a run that was cut short: it is
// recorded and true.
func (a *adder) finish(ctx context.Context) error {
	rest := context.WithoutCancel(ctx)
	if a.stale {
		var err error
		if a.view, err = a.s.fresh(rest); err != nil {
			return err
		}
		a.stale = false
		if ctx.Err() == nil {
			if err := a.calibrate(ctx); err != nil {
				return err
			}
		}
	}
	return a.flush(rest)
}

func (a *adder) open(ctx context.Context) error {
	if err := a.s.checkOptions(); err != nil {
		return err
	}
	distance, err := a.s.distance(ctx)
	if err != nil {
		return err
	}
	if a.near, err = a.s.neighbourhood(ctx, distance); err != nil {
		return err
	}
	if err := a.s.ensureGrid(ctx); err != nil {
		return err
	}
	if a.view, err = a.s.fresh(ctx); err != nil {
		return err
	}
	return a.resume(ctx)
}

// resume measures the entries whose run ended between being entered and being
// recorded.
func (a *adder) resume(ctx context.Context) error {
	n, err := a.s.facts.Count(ctx, a.s.name)
	if err != nil {
		return err
	}
	for _, seq := range a.view.unmeasured(n) {
		entries, err := a.s.facts.Entries(ctx, a.s.name, seq-1, 1)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			continue
		}
		e := entries[0]
		a.s.opt.Log.Debug("resuming", "seq", seq, "image", e.Image.Short())
		w, err := a.s.again(ctx, e, a.near)
		if err == nil {
			err = a.shrink(w)
		}
		if err == nil {
			err = a.record(ctx, w, e)
		}
		if err != nil {
			return fmt.Errorf("resuming entry %d (%s): %w", seq, e.Path, err)
		}
	}
	return nil
}

// run keeps Workers images in work and commits them in the order of inputs.
func (a *adder) run(ctx context.Context, inputs iter.Seq[Input]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	jobs := make(chan *work)
	queue := make(chan *work, a.s.opt.Workers)
	for range a.s.opt.Workers {
		wg.Go(func() {
			for w := range jobs {
				a.work(ctx, w)
			}
		})
	}
	wg.Go(func() {
		defer close(queue)
		defer close(jobs)
		for in := range inputs {
			w := &work{in: in, ready: make(chan struct{})}
			select {
			case queue <- w:
			case <-ctx.Done():
				return
			}
			select {
			case jobs <- w:
			case <-ctx.Done():
				w.err = context.Cause(ctx)
				close(w.ready)
				return
			}
		}
	})
	for w := range queue {
		<-w.ready
		if err := a.commit(ctx, w); err != nil {
			cancel(err)
			for w := range queue {
				<-w.ready
			}
			return err
		}
	}
	return context.Cause(ctx)
}

func (a *adder) work(ctx context.Context, w *work) {
	defer close(w.ready)
	if w.data, w.err = w.in.Read(); w.err == nil {
		w.err = a.s.examine(ctx, w, a.near)
	}
	if w.err == nil {
		w.err = a.shrink(w)
	}
}

// shrink keeps of the picture what the commit needs, so that full-size pixels do
// not wait in the queue.
func (a *adder) shrink(w *work) (err error) {
	if w.pic != nil && !a.near.exact() {
		w.small, err = shrink(w.pic)
	}
	w.pic = nil
	return err
}

// commit makes one examined input part of the series and says what became of it.
func (a *adder) commit(ctx context.Context, w *work) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if w.err != nil {
		return a.failed(w)
	}
	entry, known, err := a.s.facts.Enter(ctx, w.image, w.data, a.entry(w))
	if errors.Is(err, assay.ErrInvalid) { // what the caller says of it cannot be: a parent that is itself
		w.err = fmt.Errorf("%s: %w", w.in.Path, err)
		return a.failed(w)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", w.in.Path, err)
	}
	w.data = nil
	if known && !w.known && a.view.recorded(entry.Seq) {
		// It was measured while this one was in work, or instruments came since.
		if w.known, err = a.s.settled(ctx, w.image, entry.Prompt); err != nil {
			return err
		}
		a.stale = a.stale || !w.known
	}
	if !w.known {
		if err := a.measured(ctx, w, entry); err != nil {
			return fmt.Errorf("%s: %w", w.in.Path, err)
		}
	}
	if err := a.calibrate(ctx); err != nil {
		return err
	}
	res := Result{Path: w.in.Path, Digest: entry.Image, Seq: entry.Seq, Known: known, Doubts: w.doubts}
	a.held = append(a.held, res)
	if a.stale || !a.view.Calibrated() && a.retry == 0 {
		return nil
	}
	return a.flush(ctx)
}

// measured records what was measured of an input. If it became an entry with
// another prompt while this one was in work, it is measured with that.
func (a *adder) measured(ctx context.Context, w *work, e assay.Entry) error {
	if e.Prompt == w.prompt {
		return a.record(ctx, w, e)
	}
	again, err := a.s.again(ctx, e, a.near)
	if err == nil {
		err = a.shrink(again)
	}
	if err != nil {
		return err
	}
	w.doubts = again.doubts
	return a.record(ctx, again, e)
}

// failed tells of an input that is not part of the series, unless what failed
// was not the input's fault.
func (a *adder) failed(w *work) error {
	var facts factsError
	if errors.Is(w.err, context.Canceled) || errors.Is(w.err, context.DeadlineExceeded) || errors.As(w.err, &facts) {
		return w.err
	}
	res := Result{Path: w.in.Path, Outcome: "error", Error: w.err.Error(), Err: w.err, Gates: []assay.GateResult{}}
	if len(w.data) > 0 {
		res.Digest = assay.DigestOf(w.data)
	}
	if len(a.held) > 0 {
		a.held = append(a.held, res)
		return nil
	}
	return a.emit(res)
}

// entry says what is known of an input: the caller's word first, then what the
// generator wrote into the file.
func (a *adder) entry(w *work) assay.Entry {
	e := assay.Entry{
		Series: a.s.name, Image: w.image.ID, Path: w.in.Path, Prompt: w.prompt, Negative: w.in.Negative,
		Generator: w.in.Generator, Parents: w.in.Parents, Created: a.s.opt.Now(),
	}
	if w.in.Prompt == "" {
		e.Negative = cmp.Or(e.Negative, w.meta.Negative)
	}
	if e.Generator == "" {
		e.Generator = w.meta.Generator
	}
	if e.Settings = maps.Clone(w.meta.Settings); e.Settings == nil {
		e.Settings = map[string]string{}
	}
	maps.Copy(e.Settings, w.in.Settings)
	return e
}

// record stores what was measured, with the nearest neighbour among the images
// that came before, and places the image in the view.
func (a *adder) record(ctx context.Context, w *work, e assay.Entry) error {
	m := assay.Measurement{Series: a.s.name, Seq: e.Seq, Readings: w.readings, Embeddings: w.embeddings}
	if w.small != nil {
		a.near.small.put(e.Image, w.small)
	}
	if !a.view.recorded(e.Seq) {
		n, err := a.neighbour(ctx, w.small, w.vector, e)
		if err != nil {
			return err
		}
		m.Neighbours = []assay.Neighbour{n}
		if err := a.near.add(e.Image, w.vector); err != nil {
			return err
		}
	}
	if err := a.s.facts.Record(ctx, m); err != nil {
		return err
	}
	if !a.stale {
		a.view.add(e, m)
	}
	return nil
}

func (a *adder) neighbour(ctx context.Context, pic *metric.Picture, vector []float32, e assay.Entry) (assay.Neighbour, error) {
	id, d, err := a.near.nearest(ctx, e.Image, pic, vector)
	return assay.Neighbour{Identity: a.near.distance.Identity(), Series: a.s.name, Seq: e.Seq, Nearest: id, Value: d}, err
}

// calibrate computes the first thresholds once there are enough images.
func (a *adder) calibrate(ctx context.Context) error {
	if a.stale || a.view.Calibrated() || a.view.Images() < max(a.s.opt.Warmup, a.retry) {
		return nil
	}
	_, err := a.s.Calibrate(ctx, CalibrateOptions{First: a.s.opt.Warmup})
	if errors.Is(err, assay.ErrUnavailable) { // the first images cannot serve as controls: go on without, try later
		a.s.opt.Log.Warn("no thresholds yet", "why", err)
		a.retry = 2 * a.view.Images()
		return nil
	}
	if err != nil {
		return fmt.Errorf("thresholds from controls: %w", err)
	}
	a.view, err = a.s.fresh(ctx)
	return err
}

// flush tells of the results that were held back.
func (a *adder) flush(ctx context.Context) error {
	held := a.held
	a.held = nil
	for _, res := range held {
		if err := a.tell(ctx, res); err != nil {
			return err
		}
	}
	return nil
}

// tell completes a result from the view, keeps it as a decision, and emits it.
func (a *adder) tell(ctx context.Context, res Result) error {
	if res.Err == nil {
		d := a.view.decision(res.Seq)
		d.Created = a.s.opt.Now()
		if err := a.s.facts.PutDecisions(ctx, []assay.Decision{d}); err != nil {
			return err
		}
		res.Outcome, res.Cell, res.Incumbent, res.Gates = string(d.Placement), d.Cell, d.Incumbent, d.Gates
	}
	return a.emit(res)
}

package main

import (
	"context"
	"sync"

	"github.com/gen-emerge/assay/metric"
)

// mappers are the instruments that say where two pictures differ, the fastest
// first: a person waits for the page.
func mappers() []string { return []string{"lpips-squeeze", "lpips-alex", "lpips-vgg"} }

// difference returns what opens the first of the mappers that is installed, once;
// nil if none is.
func (t *toolbox) difference() func(context.Context) (*metric.Instrument, error) {
	var name string
	for _, n := range mappers() {
		if spec, ok := metric.Find(n); ok && t.installed(spec) == nil {
			name = n
			break
		}
	}
	if name == "" {
		return nil
	}
	var mu sync.Mutex
	var opened *metric.Instrument
	return func(ctx context.Context) (*metric.Instrument, error) {
		mu.Lock()
		defer mu.Unlock()
		if opened != nil {
			return opened, nil
		}
		if err := t.engine.start(ctx); err != nil { // so that readings can name its version
			return nil, err
		}
		in, err := t.towers.Open(ctx, name)
		if err != nil {
			return nil, err
		}
		opened = in
		t.late.add(in)
		return in, nil
	}
}

// late holds instruments that are opened while others are in use.
type late struct {
	mu   sync.Mutex
	list []*metric.Instrument
}

func (l *late) add(in *metric.Instrument) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, in)
}

// close releases them.
func (l *late) close() (errs []error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, in := range l.list {
		errs = append(errs, in.Close())
	}
	l.list = nil
	return errs
}

package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
)

// measurePairs reads self-similarity with an instrument that reads pairs.
func (r *setRun) measurePairs(ctx context.Context, s metric.SetSpec, tool *metric.Instrument, x *gathered) (metric.SetReading, error) {
	n := len(x.pictures)
	if n < s.Least {
		return metric.SetReading{}, fmt.Errorf("%s of a set of %d: it needs at least %d different images: %w", s.Name, n, s.Least, assay.ErrInvalid)
	}
	pairs := metric.SamplePairs(n, r.f.pairs, r.f.seed)
	ids := make([]assay.Digest, n)
	for i, p := range x.pictures {
		ids[i] = p.id
	}
	kept := &pictures{r: r, list: x.pictures, kept: map[int]*metric.Picture{}}
	distances := make([]float64, 0, len(pairs))
	bar := newProgress(r.w, "reading pairs", len(pairs))
	defer bar.stop()
	type read struct {
		value float64
		err   error
	}
	err := inOrder(ctx, r.workers, pairs, func(ctx context.Context, p metric.Pair) read {
		value, err := r.pair(ctx, tool, kept, p)
		return read{value, err}
	}, func(d read) error {
		bar.step()
		distances = append(distances, d.value)
		return d.err
	})
	bar.stop()
	if err != nil {
		return metric.SetReading{}, fmt.Errorf("%s: %w", s.Name, err)
	}
	reading, err := s.MeasurePairs(ctx, tool.Identity(), ids, pairs, distances, r.f.seed)
	if err == nil && x.left > 0 {
		reading.Warnings = append(reading.Warnings, leftWarning(x, nil))
	}
	return reading, err
}

func (r *setRun) pair(ctx context.Context, tool *metric.Instrument, kept *pictures, p metric.Pair) (float64, error) {
	a, err := kept.get(ctx, p.I)
	if err != nil {
		return 0, err
	}
	b, err := kept.get(ctx, p.J)
	if err != nil {
		return 0, err
	}
	d, err := tool.Distance(ctx, a, b)
	if err != nil {
		return 0, fmt.Errorf("%s and %s: %w", kept.list[p.I].Path, kept.list[p.J].Path, err)
	}
	return d.Value, nil
}

// keptPixels bounds the decoded pictures that wait for their next pair.
const keptPixels = 64 << 20

// pictures decodes what pairs ask for and keeps some of it.
type pictures struct {
	r    *setRun
	list []named

	mu     sync.Mutex
	kept   map[int]*metric.Picture
	pixels int
}

func (p *pictures) get(ctx context.Context, i int) (*metric.Picture, error) {
	p.mu.Lock()
	pic := p.kept[i]
	p.mu.Unlock()
	if pic != nil {
		return pic, nil
	}
	pic, err := p.r.picture(ctx, p.list[i])
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for j, other := range p.kept {
		if p.pixels+pic.Width*pic.Height <= keptPixels {
			break
		}
		p.pixels -= other.Width * other.Height
		delete(p.kept, j)
	}
	if p.kept[i] == nil {
		p.kept[i] = pic
		p.pixels += pic.Width * pic.Height
	}
	return pic, nil
}

package series

import (
	"context"
	"fmt"
	"sync"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/index"
	"github.com/gen-emerge/assay/metric"
)

const (
	// sketchInstrument is the embedding that proposes neighbours for every
	// distance: it needs no weights and costs milliseconds.
	sketchInstrument = "layout"
	// rerank is how many proposals a finer distance re-ranks. Near-duplicates,
	// which the diversity gate is about, are first in any sensible sketch.
	rerank = 8
	// pictureCache bounds the decoded small pictures kept for re-ranking:
	// 64×64 RGB is 12 kB, so 48 MB.
	pictureCache = 4096
	// smallSide is the side at which finer distances compare gallery images.
	smallSide = 64
)

// A neighbourhood finds the nearest of the images added so far.
type neighbourhood struct {
	s        *Series
	sketch   *metric.Instrument
	distance *metric.Instrument // what the diversity gate reads; may be the sketch itself
	index    *index.Index
	small    *pictures
}

// neighbourhood loads the sketches of the series' first n entries (all, if n
// is 0) for the given distance.
func (s *Series) neighbourhood(ctx context.Context, distance *metric.Instrument, n int64) (*neighbourhood, error) {
	sketch, err := s.tools.Find(sketchInstrument)
	if err != nil {
		return nil, err
	}
	h := &neighbourhood{s: s, sketch: sketch, distance: distance, small: newPictures(pictureCache)}
	err = s.facts.Embeddings(ctx, s.name, sketch.Identity(), func(seq int64, id assay.Digest, v []float32) error {
		if n > 0 && seq > n {
			return nil
		}
		return h.add(id, v)
	})
	return h, err
}

// add makes an image findable.
func (h *neighbourhood) add(id assay.Digest, sketch []float32) error {
	if h.index == nil {
		var err error
		if h.index, err = index.New(len(sketch), index.L2); err != nil {
			return err
		}
	}
	return h.index.Add(id, sketch)
}

// nearest returns the nearest image other than self, and its distance; the zero
// digest if there is none.
func (h *neighbourhood) nearest(ctx context.Context, self assay.Digest, pic *metric.Picture, sketch []float32) (assay.Digest, float64, error) {
	if h.index == nil {
		return assay.Digest{}, 0, nil
	}
	k := 1
	if h.distance.Name != h.sketch.Name {
		k = rerank
	}
	hits, err := h.index.Nearest(sketch, k, func(id assay.Digest) bool { return id != self })
	if err != nil {
		return assay.Digest{}, 0, err
	}
	var best assay.Digest
	var least float64
	for _, hit := range hits {
		d := hit.Distance
		if h.distance.Name != h.sketch.Name {
			if d, err = h.finer(ctx, pic, hit.ID); err != nil {
				return assay.Digest{}, 0, err
			}
		}
		if best.IsZero() || d < least {
			best, least = hit.ID, d
		}
	}
	return best, least, nil
}

// finer measures the gate's distance between pic and a stored image.
func (h *neighbourhood) finer(ctx context.Context, pic *metric.Picture, id assay.Digest) (float64, error) {
	other, err := h.small.get(id, func() (*metric.Picture, error) {
		full, err := h.s.picture(ctx, id)
		if err != nil {
			return nil, err
		}
		return shrink(full)
	})
	if err != nil {
		return 0, fmt.Errorf("nearest neighbour: %w", err)
	}
	r, err := h.distance.Distance(ctx, pic, other)
	return r.Value, err
}

// shrink returns what gallery distances compare. Shrinking again changes nothing.
func shrink(p *metric.Picture) (*metric.Picture, error) {
	small, err := p.RGB().Resize(smallSide, smallSide, galleryFilter)
	if err != nil {
		return nil, err
	}
	return metric.NewPicture(small), nil
}

// pictures is a bounded cache that forgets the oldest first.
type pictures struct {
	mu    sync.Mutex
	limit int
	have  map[assay.Digest]*metric.Picture
	order []assay.Digest
}

func newPictures(limit int) *pictures {
	return &pictures{limit: limit, have: map[assay.Digest]*metric.Picture{}}
}

func (c *pictures) get(id assay.Digest, load func() (*metric.Picture, error)) (*metric.Picture, error) {
	c.mu.Lock()
	p := c.have[id]
	c.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := load()
	if err != nil {
		return nil, err
	}
	c.put(id, p)
	return p, nil
}

func (c *pictures) put(id assay.Digest, p *metric.Picture) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.have[id] == nil {
		c.order = append(c.order, id)
	}
	c.have[id] = p
	for len(c.have) > c.limit {
		delete(c.have, c.order[0])
		c.order = c.order[1:]
	}
}

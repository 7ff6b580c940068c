package series

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/index"
	"github.com/gen-emerge/assay/metric"
)

const (
	// sketchInstrument is the embedding that proposes neighbours for distances
	// that have no vectors of their own: it needs no weights and costs milliseconds.
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

// A neighbourhood finds the nearest of the images added so far. If its distance
// has vectors of its own, they are searched, and the answer is exact; else the
// sketch proposes and the distance decides.
type neighbourhood struct {
	s        *Series
	sketch   *metric.Instrument
	distance *metric.Instrument // what the diversity gate reads; may be the sketch itself
	base     *metric.Instrument // whose vectors are searched: the distance if it has any, else the sketch
	index    *index.Index
	small    *pictures
}

// hood returns an empty neighbourhood for the given distance.
func (s *Series) hood(distance *metric.Instrument) (*neighbourhood, error) {
	sketch, err := s.tools.Find(sketchInstrument)
	if err != nil {
		return nil, err
	}
	h := &neighbourhood{s: s, sketch: sketch, distance: distance, base: sketch, small: newPictures(pictureCache)}
	if distance.Embeds() {
		h.base = distance
	}
	return h, nil
}

// neighbourhood returns one that holds the series' entries, for the given
// distance. Entries that were measured before the distance was at hand are
// embedded now: an image must not be told new because what it repeats had no
// vector.
func (s *Series) neighbourhood(ctx context.Context, distance *metric.Instrument) (*neighbourhood, error) {
	h, err := s.hood(distance)
	if err != nil {
		return nil, err
	}
	if err := h.load(ctx); err != nil {
		return nil, err
	}
	n, err := s.facts.Count(ctx, s.name)
	if err != nil || h.base == h.sketch || h.index != nil && int64(h.index.Len()) == n {
		return h, err // every measured entry has a sketch
	}
	added, err := h.complete(ctx)
	if err != nil || !added {
		return h, err
	}
	h.index = nil // so that images stand in the order of arrival
	return h, h.load(ctx)
}

// load adds every image of the series that has a vector.
func (h *neighbourhood) load(ctx context.Context) error {
	return h.s.facts.Embeddings(ctx, h.s.name, h.base.Identity(), func(_ int64, id assay.Digest, v []float32) error {
		return h.add(id, v)
	})
}

// complete embeds the measured entries that have no vector, and reports whether
// there were any.
func (h *neighbourhood) complete(ctx context.Context) (added bool, err error) {
	have, err := h.s.embedded(ctx, h.base)
	if err != nil {
		return false, err
	}
	measured := map[int64]bool{}
	err = h.s.facts.Neighbours(ctx, h.s.name, func(n assay.Neighbour) error {
		measured[n.Seq] = true
		return nil
	})
	if err != nil {
		return false, err
	}
	for seq := int64(0); ; {
		entries, err := h.s.facts.Entries(ctx, h.s.name, seq, entryWindow)
		if err != nil || len(entries) == 0 {
			return added, err
		}
		for _, e := range entries {
			seq = e.Seq
			if have[e.Image] || !measured[e.Seq] {
				continue
			}
			err := h.embed(ctx, e)
			if errors.Is(err, assay.ErrInvalid) { // what cannot be embedded cannot be repeated by its vector
				h.s.opt.Log.Warn("not comparable", "distance", h.base.Name, "seq", e.Seq, "why", err)
				continue
			}
			if err != nil {
				return added, fmt.Errorf("embedding entry %d (%s): %w", e.Seq, e.Path, err)
			}
			added = true
		}
	}
}

// embed stores the vector of one entry.
func (h *neighbourhood) embed(ctx context.Context, e assay.Entry) error {
	pic, err := h.s.picture(ctx, e.Image)
	if err != nil {
		return err
	}
	v := vectors{image: e.Image, pic: pic, have: map[assay.Identity][]float32{}}
	if _, err := v.vector(ctx, h.base); err != nil {
		return err
	}
	return h.s.facts.Record(ctx, assay.Measurement{Series: h.s.name, Seq: e.Seq, Embeddings: v.made})
}

// exact reports whether the vectors searched are the distance's own.
func (h *neighbourhood) exact() bool { return h.base == h.distance }

// space is the index's metric for the vectors of an instrument.
func space(in *metric.Instrument) index.Metric {
	if in.Space == metric.Cosine {
		return index.Cosine
	}
	return index.L2
}

// add makes an image findable.
func (h *neighbourhood) add(id assay.Digest, vector []float32) error {
	if h.index == nil {
		var err error
		if h.index, err = index.New(len(vector), space(h.base)); err != nil {
			return err
		}
	}
	return h.index.Add(id, vector)
}

// nearest returns the nearest image other than self, and its distance; the zero
// digest if there is none. The vector is the base's; pic is what gallery
// distances compare, not needed if the search is exact.
func (h *neighbourhood) nearest(ctx context.Context, self assay.Digest, pic *metric.Picture, vector []float32) (assay.Digest, float64, error) {
	if h.index == nil {
		return assay.Digest{}, 0, nil
	}
	k := 1
	if !h.exact() {
		k = rerank
	}
	hits, err := h.index.Nearest(vector, k, func(id assay.Digest) bool { return id != self })
	if err != nil {
		return assay.Digest{}, 0, err
	}
	var best assay.Digest
	var least float64
	for _, hit := range hits {
		d := hit.Distance
		if !h.exact() {
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

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
)

// keepEvery is how often what was seen so far is written to the cache: what a
// power cut may cost.
const keepEvery = 5 * time.Minute

// A setCache is a state file that is read first and extended. The nil cache
// remembers nothing.
type setCache struct {
	path string
	rows []*metric.FeatureSet
	last time.Time // when it was written
}

// openSetCache reads the cache, which need not be there yet.
func openSetCache(path string) (*setCache, error) {
	if path == "" {
		return nil, nil
	}
	rows, err := metric.ReadState(path)
	if err != nil && !errors.Is(err, assay.ErrNotFound) {
		return nil, err
	}
	for _, r := range rows {
		if r.Features == nil {
			return nil, fmt.Errorf("cache %s holds only moments of %s, in which no image can be found: name another file: %w", path, r.Instrument, assay.ErrInvalid)
		}
	}
	return &setCache{path: path, rows: rows, last: time.Now()}, nil
}

// find returns what a row of features saw in an image, nil if that is not known.
// The vector is the caller's.
func (c *setCache) find(id assay.Identity, image assay.Digest) []float32 {
	if c == nil {
		return nil
	}
	for _, r := range c.rows {
		if r.Identity != id {
			continue
		}
		i, ok := slices.BinarySearchFunc(r.Digests, image, func(a, b assay.Digest) int { return bytes.Compare(a[:], b[:]) })
		if ok {
			return slices.Clone(r.Rows().Row(i))
		}
	}
	return nil
}

// check refuses a cache of other features, before hours are spent.
func (c *setCache) check(tools []*metric.Instrument) error {
	if c == nil {
		return nil
	}
	for _, in := range tools {
		for _, r := range c.rows {
			if id := in.Identity(); r.Instrument == id.Instrument && r.Identity != id {
				return fmt.Errorf("cache %s holds what %s saw with another checkpoint, preparation or runtime (%q, here %q): name another file, or remove it: %w",
					c.path, in.Name, r.Preparation+"; "+r.Runtime, id.Preparation+"; "+id.Runtime, assay.ErrConflict)
			}
		}
	}
	return nil
}

// due writes the cache if that was long ago. It may be called while others look
// things up.
func (c *setCache) due(ctx context.Context, builders []*metric.SetBuilder) error {
	if c == nil || time.Since(c.last) < keepEvery {
		return nil
	}
	c.last = time.Now()
	_, err := c.write(ctx, builders)
	return err
}

// keep joins what was seen to the cache and writes it.
func (c *setCache) keep(ctx context.Context, builders []*metric.SetBuilder) error {
	if c == nil {
		return nil
	}
	rows, err := c.write(ctx, builders)
	if err == nil {
		c.rows = rows
	}
	return err
}

// write writes the cache with what was seen since, and returns that.
func (c *setCache) write(ctx context.Context, builders []*metric.SetBuilder) ([]*metric.FeatureSet, error) {
	rows := slices.Clone(c.rows)
	for _, b := range builders {
		if b.Len() == 0 {
			continue
		}
		set, err := b.Set(ctx)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(rows, func(r *metric.FeatureSet) bool { return r.Instrument == set.Instrument })
		if i < 0 {
			rows = append(rows, set)
			continue
		}
		if rows[i], err = metric.MergeSets(ctx, rows[i], set); err != nil {
			return nil, fmt.Errorf("cache %s: %w", c.path, err)
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return rows, metric.SaveState(ctx, c.path, rows)
}

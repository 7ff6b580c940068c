package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"runtime/debug"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/series"
)

// A setSource is where one side of a measure comes from: images, a state (or
// several, merged), or statistics that others published.
type setSource struct {
	name      string // for people
	images    []series.Input
	states    []*metric.FeatureSet
	published *metric.Statistics
}

// source tells what the arguments name. What a file is, its bytes decide.
func (f *setFlags) source(ctx context.Context, args []string, in inputs) (*setSource, error) {
	kinds := map[string][]string{}
	for _, arg := range args {
		kind, err := kindOfFile(arg)
		if err != nil {
			return nil, err
		}
		kinds[kind] = append(kinds[kind], arg)
	}
	if in.manifest != "" {
		kinds["images"] = append(kinds["images"], in.manifest)
	}
	if len(kinds) > 1 {
		return nil, usage("%s: one set is either images, or states, or published statistics", slices.Sorted(maps.Keys(kinds)))
	}
	s := &setSource{name: fmt.Sprint(args)}
	if len(args) == 1 {
		s.name = args[0]
	}
	var err error
	switch {
	case kinds["states"] != nil:
		s.states, err = readStates(ctx, args)
	case kinds["statistics"] != nil:
		if len(args) > 1 {
			return nil, usage("%s: published statistics cannot be joined: name one file", s.name)
		}
		s.published, err = metric.ReadStatistics(args[0])
	default:
		s.images, err = in.list(ctx, args)
	}
	return s, err
}

// kindOfFile looks at the first bytes.
func kindOfFile(path string) (string, error) {
	info, err := os.Stat(path)
	if path == "-" || err != nil || !info.Mode().IsRegular() {
		return "images", nil // what is not there is told like any other bad input
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return "images", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	var head [9]byte
	n, err := io.ReadFull(f, head[:])
	switch {
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF):
		return "", fmt.Errorf("%s: %w", path, err)
	case bytes.HasPrefix(head[:n], []byte("PK\x03\x04")):
		return "statistics", nil
	case n == 9 && head[8] == '{' && head[5]|head[6]|head[7] == 0:
		return "states", nil
	}
	return "images", nil
}

// readStates reads states and joins them.
func readStates(ctx context.Context, paths []string) ([]*metric.FeatureSet, error) {
	var all [][]*metric.FeatureSet
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			roomFor(info.Size())
		}
		rows, err := metric.ReadState(path)
		if err != nil {
			return nil, err
		}
		all = append(all, rows)
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return metric.MergeStates(ctx, all...)
}

// roomFor lets the heap grow by twice what is about to be held, for good: the soft
// limit is for a program that keeps nothing large, and below what is held the
// collector would work all the time. GOMEMLIMIT wins.
func roomFor(bytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(debug.SetMemoryLimit(-1) + 2*bytes)
	}
}

// A named is an image whose name is known.
type named struct {
	series.Input
	id  assay.Digest
	err error
}

// A leftOut is an image that is not in the set, and why.
type leftOut struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}

// A gathered is what is known of one side.
type gathered struct {
	name      string
	rows      map[string]*metric.FeatureSet
	published *metric.Statistics
	pictures  []named // readable, by name; for instruments that read pairs
	named     int     // images that the caller named
	left      int     // of these, not read
}

// reference is what the side is called that a set is compared with.
const reference = "reference"

// gather makes a source into what the measures take: images are read twice, for
// their names and then for what is in them, in the order of their names.
func (r *setRun) gather(ctx context.Context, of string, s *setSource) (*gathered, error) {
	g := &gathered{name: s.name, rows: map[string]*metric.FeatureSet{}, published: s.published}
	for _, row := range s.states {
		g.rows[row.Instrument] = row
	}
	if s.images == nil {
		return g, nil
	}
	g.named = len(s.images)
	list, err := r.names(ctx, of, g, s.images)
	if err != nil {
		return nil, err
	}
	if err := r.look(ctx, of, g, list); err != nil {
		return nil, err
	}
	return g, nil
}

// names returns the images sorted by their names, each once.
func (r *setRun) names(ctx context.Context, of string, g *gathered, images []series.Input) ([]named, error) {
	bar := newProgress(r.w, "naming the "+of, len(images))
	defer bar.stop()
	var list []named
	err := inOrder(ctx, r.workers, images, func(_ context.Context, in series.Input) named {
		data, err := in.Read()
		if in.Path == "-" {
			in.Read = func() ([]byte, error) { return data, err } // it can be read once
		}
		return named{in, assay.DigestOf(data), err}
	}, func(n named) error {
		bar.step()
		if n.err != nil {
			r.leave(g, n.Path, n.err)
		} else {
			list = append(list, n)
		}
		return nil
	})
	slices.SortStableFunc(list, func(a, b named) int { return bytes.Compare(a.id[:], b.id[:]) })
	distinct := slices.CompactFunc(slices.Clone(list), func(a, b named) bool { return a.id == b.id })
	if n := len(list) - len(distinct); n > 0 {
		r.note("%s: %d of %d files are copies of others and count once", of, n, len(list))
	}
	return distinct, err
}

// leave tells of an image that is left out.
func (r *setRun) leave(g *gathered, path string, err error) {
	g.left++
	r.left = append(r.left, leftOut{path, err.Error()})
}

// A seen is what the rows of features saw in one image.
type seen struct {
	named
	vectors [][]float32 // by the order of the rows
}

// look shows every image to every row of features.
func (r *setRun) look(ctx context.Context, of string, g *gathered, list []named) error {
	rows, pairs := r.tools.rows, len(r.tools.pairs) > 0
	if of == reference {
		rows, pairs = r.compared(), false
	}
	builders := make([]*metric.SetBuilder, len(rows))
	for i, in := range rows {
		builders[i] = metric.NewSetBuilder(in, len(list), r.needs(in.Name))
	}
	for _, in := range rows {
		if spec, ok := metric.FindFeatures(in.Name); ok && r.needs(in.Name) {
			roomFor(4 * int64(spec.Dim) * int64(len(list)))
		}
	}
	bar := newProgress(r.w, "looking at the "+of, len(list))
	defer bar.stop()
	err := inOrder(ctx, r.workers, list, func(ctx context.Context, n named) seen {
		return r.see(ctx, n, rows, pairs)
	}, func(s seen) error {
		defer bar.step()
		if s.err != nil {
			r.leave(g, s.Path, s.err)
			return nil
		}
		g.pictures = append(g.pictures, s.named)
		for i, b := range builders {
			if err := b.Add(ctx, s.id, s.vectors[i]); err != nil {
				return err
			}
		}
		return r.cache.due(ctx, builders)
	})
	bar.stop()
	// What was seen is kept even where the work was stopped.
	if cacheErr := r.cache.keep(context.WithoutCancel(ctx), builders); err == nil {
		err = cacheErr
	}
	if err != nil {
		return err
	}
	if len(g.pictures) == 0 {
		return fmt.Errorf("%s %s: no image could be read: the first: %s: %w", of, g.name, r.left[0].Error, assay.ErrInvalid)
	}
	for i, b := range builders {
		if g.rows[rows[i].Name], err = b.Set(ctx); err != nil {
			return err
		}
	}
	return nil
}

// compared are the rows that a reference is looked at with.
func (r *setRun) compared() []*metric.Instrument {
	var out []*metric.Instrument
	for _, in := range r.tools.rows {
		if slices.ContainsFunc(r.specs, func(s metric.SetSpec) bool { return s.Reference && r.tools.row[s.Name] == in.Name }) {
			out = append(out, in)
		}
	}
	return out
}

// see shows one image to the rows of features, or remembers what they saw. For
// pairs, the image must be readable now.
func (r *setRun) see(ctx context.Context, n named, rows []*metric.Instrument, pairs bool) seen {
	out := seen{named: n, vectors: make([][]float32, len(rows))}
	missing := pairs
	for i, in := range rows {
		out.vectors[i] = r.cache.find(in.Identity(), n.id)
		missing = missing || out.vectors[i] == nil
	}
	if !missing {
		return out
	}
	pic, err := r.picture(ctx, n)
	if err != nil {
		out.err = err
		return out
	}
	if pairs {
		if err := r.tools.fits(pic); err != nil {
			out.err = fmt.Errorf("%s: %w", n.Path, err)
			return out
		}
	}
	for i, in := range rows {
		if out.vectors[i] != nil {
			continue
		}
		if out.vectors[i], out.err = in.Embed(ctx, pic); out.err != nil {
			out.err = fmt.Errorf("%s: %w", n.Path, out.err)
			return out
		}
	}
	return out
}

// picture decodes an image, which must be the one that was named.
func (r *setRun) picture(ctx context.Context, n named) (*metric.Picture, error) {
	data, err := n.Read()
	if err != nil {
		return nil, err
	}
	if assay.DigestOf(data) != n.id {
		return nil, fmt.Errorf("%s: the file changed while it was being read: %w", n.Path, assay.ErrConflict)
	}
	img, _, err := pixel.Decode(ctx, data, r.f.limits.limits())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Path, err)
	}
	return metric.NewPicture(img), nil
}

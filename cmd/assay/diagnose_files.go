package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/weights"
)

// pairLimit is how many pictures may be compared by an instrument without
// vectors, which looks at every pair.
const pairLimit = 200

// A filed is what a diagnosis keeps of one file.
type filed struct {
	path   string
	vector []float32
	id     assay.Identity
	space  metric.Space
	pic    *metric.Picture // of instruments without vectors
	cell   int             // −1 if it has none
	err    error
}

// diagnoseFiles reads files in order; partial says that some could not be read.
func diagnoseFiles(ctx context.Context, c *cobra.Command, w world, f *diagnoseFlags, args []string) (d series.Diagnosis, partial bool, err error) {
	f.in.limit, f.in.stdin = f.limits.bytes, w.in
	list, err := f.in.list(ctx, args)
	if err != nil {
		return d, false, err
	}
	tools, by, err := openDiagnosing(ctx, c, w, f, len(list))
	if err != nil {
		return d, false, err
	}
	defer func() { err = errors.Join(err, tools.Close()) }()
	tool, err := tools.Find(by)
	if err != nil {
		return d, false, err
	}
	if tool.Kind == metric.OfPair && !tool.Embeds() && len(list) > pairLimit {
		return d, false, usage("%s looks at every pair of pictures and keeps no vectors: at most %d pictures, found %d; try --by layout", by, pairLimit, len(list))
	}
	axes, err := parseAxes(f.axes)
	if err != nil {
		return d, false, err
	}
	look, err := newFileLook(tools, tool, axes)
	if err != nil {
		return d, false, err
	}
	q := series.Sequence{Order: "file name", Grid: look.axes}
	if len(args) == 0 {
		q.Order = "the manifest"
	} else if f.in.manifest != "" {
		q.Order = "file name, then of the manifest"
	}
	var kept []filed
	bar := newProgress(w, "reading", len(list))
	defer bar.stop()
	err = inOrder(ctx, min(runtime.NumCPU(), len(list)), list, func(ctx context.Context, in series.Input) filed {
		return look.at(ctx, in, f.limits.limits())
	}, func(s filed) error {
		bar.step()
		if s.err != nil {
			fmt.Fprintf(bar.over(w.err), "%s: %v\n", s.path, s.err)
			partial = true
			return ctx.Err()
		}
		kept = append(kept, s)
		return nil
	})
	bar.stop()
	if err != nil {
		return d, partial, err
	}
	if n := len(list) - len(kept); n > 0 {
		q.Notes = append(q.Notes, fmt.Sprintf("%d of %d files could not be read and are left out", n, len(list)))
	}
	look.fill(ctx, &q, kept)
	d, err = series.Diagnose(ctx, q, f.opt)
	return d, partial, err
}

// openDiagnosing opens the instrument that tells images apart, the best that is
// installed if none is named, and those of the map.
func openDiagnosing(ctx context.Context, c *cobra.Command, w world, f *diagnoseFlags, files int) (*toolbox, string, error) {
	by := f.opt.By
	if by == "" {
		models, err := weights.DefaultCache(w.getenv)
		if err != nil {
			return nil, "", err
		}
		for _, name := range series.DiagnosisInstruments() {
			if spec, ok := metric.Find(name); ok && missingModel(models, spec) == nil {
				by = name
				break
			}
		}
	}
	names := []string{by}
	axes, err := parseAxes(f.axes)
	if err != nil {
		return nil, "", err
	}
	if len(axes) == 0 {
		axes = series.DefaultAxes()
	}
	for _, a := range axes {
		names = append(names, a.Descriptor)
	}
	tools, err := openNamed(ctx, w, logger(c, w), f.towers, min(runtime.NumCPU(), files), names)
	return tools, by, err
}

// A fileLook reads pictures for a diagnosis.
type fileLook struct {
	tool  *metric.Instrument
	axes  []assay.Axis
	along []*metric.Instrument // one an axis
	grid  *archive.Grid
}

func newFileLook(tools *toolbox, tool *metric.Instrument, axes []assay.Axis) (*fileLook, error) {
	if len(axes) == 0 {
		axes = series.DefaultAxes()
	}
	l := &fileLook{tool: tool, axes: axes}
	var err error
	if l.grid, err = archive.NewGrid(axes); err != nil {
		return nil, err
	}
	for _, a := range axes {
		in, err := tools.Find(a.Descriptor)
		if err != nil {
			return nil, err
		}
		if in.Kind != metric.OfImage {
			return nil, usage("--axis %s: it reads one %s; an axis reads single images", in.Name, in.Kind)
		}
		l.along = append(l.along, in)
	}
	if !tool.Embeds() && tool.Kind != metric.OfPair && len(tool.TowerIdentities()) != 1 {
		return nil, usage("--by %s: it sees images as no vector, or as several, and reads no pairs", tool.Name)
	}
	return l, nil
}

// at reads one picture.
func (l *fileLook) at(ctx context.Context, in series.Input, lim pixel.Limits) filed {
	s := filed{path: in.Path, cell: -1, id: l.tool.Identity(), space: l.tool.Space}
	pic, _, err := readPicture(ctx, in, lim)
	switch {
	case err != nil:
	case l.tool.Embeds():
		s.vector, err = l.tool.Embed(ctx, pic)
	case l.tool.Kind == metric.OfPair:
		s.pic = pic
	default:
		var made []assay.Embedding
		if made, err = l.tool.Embeddings(ctx, pic); err == nil {
			s.vector, s.id, s.space = made[0].Vector, made[0].Identity, metric.Cosine
		}
	}
	if err != nil {
		s.err = err
		return s
	}
	values := make([]float64, len(l.along))
	for k, in := range l.along {
		r, err := in.Measure(ctx, pic)
		if err != nil {
			return s // without a cell
		}
		values[k] = r.Value
	}
	if cell, _, err := l.grid.Index(values); err == nil {
		s.cell = cell
	}
	return s
}

// fill puts what was read into the sequence.
func (l *fileLook) fill(ctx context.Context, q *series.Sequence, kept []filed) {
	q.By, q.Space = l.tool.Identity(), l.tool.Space
	for _, s := range kept {
		q.Labels, q.Cells = append(q.Labels, s.path), append(q.Cells, s.cell)
		q.By, q.Space = s.id, s.space
		if s.vector != nil {
			q.Vectors = append(q.Vectors, s.vector)
		}
	}
	if q.Vectors != nil {
		if by := q.By.Instrument; by == "layout" {
			q.Lacks = append(q.Lacks, series.Missing{Instrument: "dreamsim",
				Reason: "it tells images apart by what they show, which layout does not; `assay models pull dreamsim` gets it"})
		}
		return
	}
	known := map[[2]int]float64{} // a pair is needed several times, and costs a run of a network
	q.Distance = func(i, j int) (float64, error) {
		at := [2]int{min(i, j), max(i, j)}
		if d, ok := known[at]; ok {
			return d, nil
		}
		if i == j {
			return 0, nil
		}
		r, err := l.tool.Distance(ctx, kept[at[0]].pic, kept[at[1]].pic)
		if err != nil {
			return 0, fmt.Errorf("%s and %s: %w", kept[at[0]].path, kept[at[1]].path, err)
		}
		known[at] = r.Value
		return r.Value, nil
	}
}

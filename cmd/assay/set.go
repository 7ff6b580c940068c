package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
)

type setFlags struct {
	in                                    inputs
	metrics                               []string
	refs                                  []string
	tower                                 string
	k                                     int
	order                                 string
	subsets                               int
	subsetSize                            int
	pairs                                 int
	resize                                string
	seed                                  uint64
	noInterval, allIntervals, extrapolate bool
	save                                  string
	cache                                 string
	json                                  bool
	shard                                 string
	workers                               int
	limits                                limitFlags
	towers                                towerFlags
}

func newSet(w world) *cobra.Command {
	var f setFlags
	c := &cobra.Command{
		Use:   "set -m METRIC,... IMAGE|GLOB|DIR|STATE ...",
		Short: "Measure a set of images, alone or against a reference set",
		Long: `Set measures what no single image has: how varied a set is (self-similarity,
vendi), and how near it comes to a reference (fid, fid-pytorch, fid-clean, sfid,
sfid-6e, sfid-6a, kid, cmmd, precision-recall, density-coverage).

The set, and the reference that --ref names, are images, or states: files that
--save-state wrote, which hold what a network saw in the images, and which
` + "`assay set merge`" + ` joins. A reference may also be statistics that others publish:
NumPy files of pytorch-fid, clean-fid or ADM. Copies of one file count once.

Every number comes with the number of images and with its doubt, where that can
be had at a bearable cost; what an estimator needs and does not have is said.
Images that cannot be read are told, left out and counted.

--tower stands a measure on other features than it is defined on: a row of
` + "`assay embed`" + `, as dreamsim, or for self-similarity an instrument that reads pairs.`,
		Example: `  assay set -m fid,kid,cmmd renders/ --ref photographs/
  assay set -m vendi,self-similarity --tower dreamsim renders/
  assay set -m fid --shard 0/4 --save-state part0.state renders/
  assay set -m fid whole.state --ref VIRTUAL_imagenet256_labeled.npz`,
		RunE: func(c *cobra.Command, args []string) error { return measureSet(c.Context(), c, w, &f, args) },
	}
	flags := c.Flags()
	flags.StringSliceVarP(&f.metrics, "metrics", "m", nil, "`MEASURES` of the set")
	flags.StringArrayVar(&f.refs, "ref", nil, "the reference: `IMAGES`, a state or published statistics; may be given several times")
	flags.StringVar(&f.tower, "tower", "", "stand the measures on the features of `NAME`")
	flags.IntVar(&f.k, "k", 0, "nearest `NEIGHBOURS` that make a radius; 0 is 3 for precision-recall and 5 for density-coverage")
	flags.StringVar(&f.order, "order", "1", "order `Q` of vendi: a number above 0, or inf")
	flags.IntVar(&f.subsets, "subsets", 0, "of kid; 0 is 100")
	flags.IntVar(&f.subsetSize, "subset-size", 0, "`IMAGES` in each of kid's subsets; 0 is 1000, or as many as there are")
	flags.IntVar(&f.pairs, "pairs", 2000, "most `PAIRS` that self-similarity reads where images have no vector")
	flags.StringVar(&f.resize, "resize", "", "bring two images of a pair to one size by this `RULE`, where an instrument wants that: "+string(metric.Square256)+" or "+string(metric.ShortSide256))
	flags.Uint64Var(&f.seed, "seed", 0, "of samples and intervals, and, unless it is 0, of kid's subsets, which else are drawn as published")
	flags.BoolVar(&f.extrapolate, "extrapolate", false, "also give fid and its variants of a set without end, from parts of growing size")
	flags.BoolVar(&f.noInterval, "no-interval", false, "leave out intervals that take longer than their value; fid and sfid then need no vectors, only moments")
	flags.BoolVar(&f.allIntervals, "all-intervals", false, "measure every interval, also where that takes minutes or hours")
	flags.StringVar(&f.save, "save-state", "", "write the state of the set to this `FILE`")
	flags.StringVar(&f.cache, "cache", "", "a state `FILE` that is read first and extended, also when stopped")
	flags.BoolVar(&f.json, "json", false, "print one object with provenance")
	flags.StringVar(&f.shard, "shard", "", "of the set, not of the reference, take only every N-th image, starting at the I-th: `I/N`, I from 0")
	flags.BoolVarP(&f.in.recursive, "recursive", "r", false, "look in the folders below a folder")
	flags.StringVar(&f.in.manifest, "manifest", "", "a CSV or JSON-lines `FILE` with a column path")
	flags.IntVarP(&f.workers, "workers", "j", 0, "images in work at once; one per CPU if 0")
	f.limits.register(c)
	f.towers.registerBulk(c)
	lineOnly(c, "ref", "save-state", "cache")
	c.AddCommand(newSetMerge(w))
	return c
}

// A setRun is one call of `assay set`.
type setRun struct {
	w       world
	f       *setFlags
	specs   []metric.SetSpec
	opt     metric.SetOptions
	workers int
	tools   *setTools
	cache   *setCache
	left    []leftOut
	notes   []string // for people
}

func measureSet(ctx context.Context, c *cobra.Command, w world, f *setFlags, args []string) (err error) {
	r := &setRun{w: w, f: f, workers: f.workers}
	if r.workers < 1 {
		r.workers = runtime.NumCPU()
	}
	if err := r.settle(); err != nil {
		return err
	}
	f.in.limit, f.in.stdin = f.limits.bytes, w.in
	set, err := f.source(ctx, args, f.in)
	if err != nil {
		return err
	}
	if f.shard != "" {
		if set.images == nil {
			return usage("--shard %s: %s is no set of images", f.shard, set.name)
		}
		if set.images, err = shardOf(set.images, f.shard); err != nil {
			return err
		}
		if len(set.images) == 0 {
			return usage("--shard %s: no image of %s is in this shard", f.shard, set.name)
		}
	}
	var ref *setSource
	if len(f.refs) > 0 {
		if ref, err = f.source(ctx, f.refs, inputs{recursive: f.in.recursive, limit: f.in.limit}); err != nil {
			return err
		}
	}
	if err := r.check(set, ref); err != nil {
		return err
	}
	if r.tools, err = r.open(ctx, c, set, ref); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.tools.Close()) }()
	if r.cache, err = openSetCache(f.cache); err != nil {
		return err
	}
	if err := r.cache.check(r.tools.rows); err != nil {
		return err
	}
	return r.run(ctx, set, ref)
}

// settle makes the flags what the measures take.
func (r *setRun) settle() error {
	f := r.f
	if len(f.metrics) == 0 {
		return usage("name the measures: -m %s, say", metric.SetCatalogue()[0].Name)
	}
	for _, name := range f.metrics {
		spec, err := metric.FindSet(name)
		switch {
		case err != nil:
			return err
		case f.tower != "" && !spec.Any:
			return usage("%s is defined on %s; --tower cannot change that: try fid", name, spec.Features[0])
		case !slices.ContainsFunc(r.specs, func(s metric.SetSpec) bool { return s.Name == name }):
			r.specs = append(r.specs, spec)
		}
	}
	order, err := orderOf(f.order)
	if err != nil {
		return err
	}
	if f.noInterval && f.allIntervals {
		return usage("--no-interval and --all-intervals contradict each other")
	}
	if f.resize == string(metric.SecondToFirst) {
		return usage("--resize %s: the pairs of a set have no first image: try %s", f.resize, metric.Square256)
	}
	if f.k < 0 || f.subsets < 0 || f.subsetSize < 0 || f.pairs < 1 {
		return usage("--k, --subsets and --subset-size count from 0, --pairs from 1")
	}
	r.opt = metric.SetOptions{K: f.k, Order: order, Seed: f.seed, NoInterval: f.noInterval, AllIntervals: f.allIntervals, Extrapolate: f.extrapolate}
	r.opt.KID.Subsets, r.opt.KID.Size = f.subsets, f.subsetSize
	if f.seed > math.MaxUint32 {
		return usage("--seed %d: want at most %d", f.seed, uint32(math.MaxUint32))
	}
	r.opt.KID.Seed = uint32(f.seed)
	return nil
}

// orderOf reads the order of vendi.
func orderOf(text string) (*float64, error) {
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || !(q > 0) {
		return nil, usage("--order %s: want a number above 0, or inf", text)
	}
	return &q, nil
}

// check refuses what cannot be done before anything is opened.
func (r *setRun) check(set, ref *setSource) error {
	f := r.f
	if set.published != nil {
		return usage("%s holds statistics that others published, which can be a reference only: name it with --ref", set.published.Path)
	}
	for _, s := range r.specs {
		switch {
		case s.Reference && ref == nil && f.save == "":
			return usage("%s compares the set with another: name that with --ref; or write this one's state with --save-state, for later", s.Name)
		case ref != nil && ref.published != nil && s.Reference && s.Vectors && !ref.published.Vectors():
			return usage("%s needs the vectors of the reference, and %s has only its mean and covariance", s.Name, ref.published.Path)
		}
	}
	if f.save != "" && f.cache == f.save {
		return usage("--save-state and --cache name the same file: the first holds this set only, the second everything seen so far")
	}
	return nil
}

// needs reports whether the vectors of a side must be kept, or moments do.
func (r *setRun) needs(row string) bool {
	if !r.f.noInterval || r.f.extrapolate || r.f.cache != "" {
		return true
	}
	return slices.ContainsFunc(r.specs, func(s metric.SetSpec) bool { return s.Vectors && r.tools.row[s.Name] == row })
}

func (r *setRun) run(ctx context.Context, set, ref *setSource) error {
	x, err := r.gather(ctx, "set", set)
	if err != nil {
		return err
	}
	if r.f.save != "" {
		if err := metric.SaveState(ctx, r.f.save, x.sorted()); err != nil {
			return err
		}
	}
	var y *gathered
	if ref != nil && slices.ContainsFunc(r.specs, func(s metric.SetSpec) bool { return s.Reference }) {
		if y, err = r.gather(ctx, reference, ref); err != nil {
			return err
		}
	}
	var failed []error
	out := setReport{Readings: []metric.SetReading{}, LeftOut: r.left}
	for _, s := range r.specs {
		if s.Reference && y == nil {
			r.note("%s was not measured: there is no --ref", s.Name)
			continue
		}
		reading, err := r.measure(ctx, s, x, y)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil { // what took hours to see must not be lost for one measure that fails
			failed = append(failed, err)
			out.Missing = append(out.Missing, err.Error())
			continue
		}
		out.Readings = append(out.Readings, reading)
	}
	if len(out.Readings) == 0 && len(failed) > 0 {
		return errors.Join(failed...)
	}
	out.Notes = r.notes
	if err := out.print(r.w, r.f.json); err != nil {
		return err
	}
	if len(r.left)+len(failed) > 0 {
		return errPartial
	}
	return nil
}

func (r *setRun) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// measure reads one measure of what was gathered.
func (r *setRun) measure(ctx context.Context, s metric.SetSpec, x, y *gathered) (metric.SetReading, error) {
	row := r.tools.row[s.Name]
	if tool := r.tools.pairs[row]; tool != nil {
		return r.measurePairs(ctx, s, tool, x)
	}
	set, err := x.of(row)
	if err != nil {
		return metric.SetReading{}, fmt.Errorf("%s: %w", s.Name, err)
	}
	var ref *metric.FeatureSet
	if s.Reference {
		if y.published != nil {
			ref, err = y.published.For(s, set)
		} else {
			ref, err = y.of(row)
		}
		if err != nil {
			return metric.SetReading{}, fmt.Errorf("%s, reference: %w", s.Name, err)
		}
	}
	reading, err := s.Measure(ctx, set, ref, r.opt)
	if err != nil {
		return metric.SetReading{}, err
	}
	if x.left > 0 || y != nil && y.left > 0 {
		reading.Warnings = append(reading.Warnings, leftWarning(x, y))
	}
	return reading, nil
}

func leftWarning(x, y *gathered) string {
	text := fmt.Sprintf("%d of %d images of the set could not be read and are left out", x.left, x.named)
	if y != nil && y.left > 0 {
		text += fmt.Sprintf("; %d of %d of the reference", y.left, y.named)
	}
	return text
}

// sorted is what a state file holds, in the order of the rows' names.
func (g *gathered) sorted() []*metric.FeatureSet {
	var out []*metric.FeatureSet
	for _, s := range g.rows {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *metric.FeatureSet) int { return cmp.Compare(a.Instrument, b.Instrument) })
	return out
}

// of returns what the row saw.
func (g *gathered) of(row string) (*metric.FeatureSet, error) {
	if s := g.rows[row]; s != nil {
		return s, nil
	}
	var names []string
	for _, s := range g.sorted() {
		names = append(names, s.Instrument)
	}
	return nil, fmt.Errorf("%s holds features of %q, not of %s: name one of those with --tower, or the images themselves: %w", g.name, names, row, assay.ErrUnavailable)
}

package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/series"
)

type scoreFlags struct {
	in      inputs
	metrics []string
	ref     string
	out     string
	shard   string
	workers int
	limits  limitFlags
	towers  towerFlags
}

func newScore(w world) *cobra.Command {
	var f scoreFlags
	c := &cobra.Command{
		Use:   "score IMAGE|GLOB|DIR|- ...",
		Short: "Read instruments on images; nothing is stored",
		Long: `Score reads instruments on images and prints what they read.

Instruments that compare an image with its prompt take the prompt of the
manifest's row, else --prompt, else what the generator wrote into the file.
Without -m everything installed is read that runs in milliseconds; -m all reads
the large networks too.`,
		Example: `  assay score -m sharpness,noise,entropy a.png b.jpg
  assay score -m clip-score,laion-aes --prompt "a red fox in snow" a.png
  assay score -m lpips-squeeze --ref original.png copy.png
  assay score -r renders/ -o csv > readings.csv`,
		RunE: func(c *cobra.Command, args []string) error { return score(c.Context(), c, w, &f, args) },
	}
	flags := c.Flags()
	flags.StringSliceVarP(&f.metrics, "metrics", "m", nil, "`INSTRUMENTS` to read, or all; the quick ones that are installed if not given")
	flags.StringVar(&f.in.base.Prompt, "prompt", "", "the `TEXT` the images should show")
	flags.StringVar(&f.ref, "ref", "", "the reference `IMAGE` for instruments that read pairs")
	flags.StringVarP(&f.out, "output", "o", "table", "table, json, jsonl or csv")
	flags.StringVar(&f.shard, "shard", "", "read only every N-th image, starting at the I-th: `I/N`, I from 0")
	flags.BoolVarP(&f.in.recursive, "recursive", "r", false, "look in the folders below a folder")
	flags.StringVar(&f.in.manifest, "manifest", "", "a CSV or JSON-lines `FILE` with a column path")
	flags.IntVarP(&f.workers, "workers", "j", 0, "images measured at once; one per CPU if 0")
	f.limits.register(c)
	f.towers.registerBulk(c)
	return c
}

// A scored is the readings of one input.
type scored struct {
	Path     string          `json:"path"`
	Digest   assay.Digest    `json:"digest,omitzero"`
	Readings []assay.Reading `json:"readings"`
	// Ratings are the whole distributions of marks, by the instruments that predict
	// one; a reading is the mean.
	Ratings map[string]metric.Rating `json:"ratings,omitempty"`
	Missing []string                 `json:"missing,omitempty"` // instruments that could not read this image, and why
	Error   string                   `json:"error,omitempty"`
}

func score(ctx context.Context, c *cobra.Command, w world, f *scoreFlags, args []string) (err error) {
	if !slices.Contains([]string{"table", "json", "jsonl", "csv"}, f.out) {
		return usage("-o %s: want table, json, jsonl or csv", f.out)
	}
	f.in.limit, f.in.stdin = f.limits.bytes, w.in
	list, err := f.in.list(ctx, args)
	if err != nil {
		return err
	}
	if list, err = shardOf(list, f.shard); err != nil {
		return err
	}
	workers := f.workers
	if workers < 1 {
		workers = runtime.NumCPU()
	}
	tools, err := scoreTools(ctx, c, w, f, min(workers, len(list)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tools.Close()) }()
	var ref *metric.Picture
	var refID assay.Digest
	if f.ref != "" {
		if ref, refID, err = readPicture(ctx, inputs{limit: f.in.limit}.file(f.ref), f.limits.limits()); err != nil {
			return err
		}
	}
	print, finish := scorePrinter(w.out, f.out, tools.Instruments)
	bar := newProgress(w, "scoring", len(list))
	defer bar.stop()
	partial := false
	err = inOrder(ctx, workers, list, func(ctx context.Context, in series.Input) scored {
		return scoreOne(ctx, in, tools.Instruments, ref, refID, f.limits.limits())
	}, func(s scored) error {
		partial = partial || s.Error != "" || len(s.Missing) > 0
		defer bar.step()
		return print(s)
	})
	bar.stop()
	if err = errors.Join(err, finish()); err == nil && partial {
		err = errPartial
	}
	return err
}

// scoreTools opens the instruments asked for, for so many images at once. All of
// those named must open; else it is all that are installed, or all of these that
// need no large network.
func scoreTools(ctx context.Context, c *cobra.Command, w world, f *scoreFlags, callers int) (*toolbox, error) {
	log := logger(c, w)
	everything := slices.Equal(f.metrics, []string{"all"})
	if len(f.metrics) == 0 || everything {
		return openToolbox(ctx, w, log, f.towers, callers, func(s metric.Spec) bool {
			return (s.Kind != metric.OfPair || f.ref != "") && (everything || quick(s))
		})
	}
	t, err := openNamed(ctx, w, log, f.towers, callers, f.metrics)
	if err != nil {
		return nil, err
	}
	for _, in := range t.Instruments {
		if in.Kind == metric.OfPair && f.ref == "" {
			return nil, errors.Join(usage("%s reads pairs: name the other image with --ref", in.Name), t.Close())
		}
	}
	return t, nil
}

func readPicture(ctx context.Context, in series.Input, lim pixel.Limits) (*metric.Picture, assay.Digest, error) {
	pic, _, id, err := readPrompted(ctx, in, lim)
	return pic, id, err
}

// readPrompted is readPicture, and what the image should show: the caller's word,
// else that of the generator that wrote the file.
func readPrompted(ctx context.Context, in series.Input, lim pixel.Limits) (*metric.Picture, string, assay.Digest, error) {
	data, err := in.Read()
	if err != nil {
		return nil, "", assay.Digest{}, err
	}
	img, _, err := pixel.Decode(ctx, data, lim)
	if err != nil {
		return nil, "", assay.DigestOf(data), fmt.Errorf("%s: %w", in.Path, err)
	}
	prompt := in.Prompt
	if prompt == "" {
		meta, _ := pixel.ReadMeta(data)
		prompt = meta.Prompt
	}
	return metric.NewPicture(img), prompt, assay.DigestOf(data), nil
}

func scoreOne(ctx context.Context, in series.Input, tools []*metric.Instrument, ref *metric.Picture, refID assay.Digest, lim pixel.Limits) scored {
	s := scored{Path: in.Path, Readings: []assay.Reading{}}
	pic, prompt, id, err := readPrompted(ctx, in, lim)
	s.Digest = id
	if err != nil {
		s.Error = err.Error()
		return s
	}
	for _, tool := range tools {
		var r assay.Reading
		switch tool.Kind {
		case metric.OfPair:
			r, err = tool.Distance(ctx, pic, ref)
			r.Ref = refID
		case metric.OfPrompt:
			if r, err = tool.MeasurePrompt(ctx, pic, prompt); prompt == "" {
				err = fmt.Errorf("%s: the image came without a prompt; give --prompt", tool.Name)
			}
		default:
			r, err = tool.Measure(ctx, pic)
		}
		if err != nil {
			s.Missing = append(s.Missing, err.Error())
			continue
		}
		if tool.Rates() {
			rating, err := tool.Rating(ctx, pic) // of what the network has just seen
			if err != nil {
				s.Missing = append(s.Missing, err.Error())
				continue
			}
			if s.Ratings == nil {
				s.Ratings = map[string]metric.Rating{}
			}
			s.Ratings[tool.Name] = rating
		}
		r.Image = id
		s.Readings = append(s.Readings, r)
	}
	return s
}

// shardOf keeps every N-th input, starting at the I-th.
func shardOf(list []series.Input, shard string) ([]series.Input, error) {
	if shard == "" {
		return list, nil
	}
	left, right, ok := strings.Cut(shard, "/")
	i, err1 := strconv.Atoi(left)
	n, err2 := strconv.Atoi(right)
	if !ok || err1 != nil || err2 != nil || n < 1 || i < 0 || i >= n {
		return nil, usage("--shard %s: want I/N with I from 0 to N-1, as in 0/4", shard)
	}
	var out []series.Input
	for k := i; k < len(list); k += n {
		out = append(out, list[k])
	}
	return out, nil
}

// inOrder maps list with several workers and hands on the results in order.
func inOrder[T, R any](ctx context.Context, workers int, list []T, do func(context.Context, T) R, use func(R) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan chan R, workers-1) // and one that the loop below waits for
	go func() {
		defer close(slots)
		for _, x := range list {
			slot := make(chan R, 1)
			select {
			case slots <- slot:
				go func() { slot <- do(ctx, x) }()
			case <-ctx.Done():
				return
			}
		}
	}()
	for slot := range slots {
		r := <-slot
		if ctx.Err() != nil {
			break
		}
		if err := use(r); err != nil {
			cancel(err)
			break
		}
	}
	for slot := range slots { // let what runs end, so that nothing outlives the instruments
		<-slot
	}
	return context.Cause(ctx)
}

// scorePrinter returns how to print one result in a format, and how to end.
func scorePrinter(out io.Writer, format string, tools []*metric.Instrument) (func(scored) error, func() error) {
	nothing := func() error { return nil }
	switch format {
	case "jsonl":
		enc := json.NewEncoder(out)
		return func(s scored) error { return enc.Encode(s) }, nothing
	case "json":
		all := []scored{}
		return func(s scored) error { all = append(all, s); return nil }, func() error {
			enc := json.NewEncoder(out)
			enc.SetIndent("", "  ")
			return enc.Encode(all)
		}
	case "csv":
		return scoreCSV(csv.NewWriter(out), tools)
	}
	return scoreTable(tabwriter.NewWriter(out, 0, 0, 2, ' ', 0), tools)
}

// cells are a result's values in the order of the instruments.
func (s scored) cells(tools []*metric.Instrument, missing string) []string {
	out := make([]string, len(tools))
	for i, tool := range tools {
		out[i] = missing
		for _, r := range s.Readings {
			if r.Instrument == tool.Name {
				out[i] = strconv.FormatFloat(r.Value, 'g', -1, 64)
				if missing != "" { // for people
					out[i] = strconv.FormatFloat(r.Value, 'f', 4, 64)
				}
			}
		}
	}
	return out
}

func scoreCSV(w *csv.Writer, tools []*metric.Instrument) (func(scored) error, func() error) {
	header := []string{"path", "digest"}
	for _, t := range tools {
		header = append(header, t.Name)
	}
	w.Write(append(header, "error"))
	return func(s scored) error {
		id := ""
		if !s.Digest.IsZero() {
			id = s.Digest.String()
		}
		problem := strings.Join(append(slices.Clone(s.Missing), s.Error), "; ")
		return w.Write(append(append([]string{s.Path, id}, s.cells(tools, "")...), strings.Trim(problem, "; ")))
	}, func() error { w.Flush(); return w.Error() }
}

func scoreTable(w *tabwriter.Writer, tools []*metric.Instrument) (func(scored) error, func() error) {
	fmt.Fprint(w, "image")
	for _, t := range tools {
		fmt.Fprint(w, "\t", t.Name)
	}
	fmt.Fprintln(w)
	var doubts []string
	return func(s scored) error {
			if s.Error != "" {
				doubts = append(doubts, s.Error)
			}
			for _, m := range s.Missing {
				doubts = append(doubts, s.Path+": "+m)
			}
			_, err := fmt.Fprintf(w, "%s\t%s\n", s.Path, strings.Join(s.cells(tools, "not measured"), "\t"))
			return err
		}, func() error {
			for _, d := range doubts {
				fmt.Fprintln(w, d)
			}
			return w.Flush()
		}
}

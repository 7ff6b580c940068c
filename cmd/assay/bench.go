package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/cmd/assay/art"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
)

type benchFlags struct {
	images, workers, rounds int
	metrics                 []string
	asJSON, rate            bool
	limits                  limitFlags
	towers                  towerFlags
}

func newBench(w world) *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use:   "bench [-m INSTRUMENTS [IMAGE ...]]",
		Short: "Measure throughput here, beside this machine's own arithmetic peak",
		Long: `Bench draws pictures of 512×512 pixels, adds them to a workspace in a temporary
folder, and reports images per second end to end (reading, decoding, every
installed instrument, gates, and facts synced to disk), milliseconds per
instrument, and peak memory. The arithmetic peak is what ONNX Runtime's largest
matrix product reaches here; without ONNX Runtime it is not measured.

With -m it times the large networks of instruments instead, on the images given or
its own: how long they take to open, images per second of the networks alone and
all the way from files, and the share of the fused multiply-adds that the CPU could
do meanwhile. With --precision int8 it also says how near that comes to float32 on
these images.`,
		Example: "  assay bench\n  assay bench -m clip-score,dreamsim renders/*.png\n  assay bench -m clip-score --precision int8 renders/*.png",
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case f.images < 1 || f.rounds < 1 || f.workers < 0:
				return usage("--images %d, --rounds %d, --workers %d: want at least 1, 1 and 0", f.images, f.rounds, f.workers)
			case len(f.metrics) > 0:
				return benchTowers(c.Context(), c, w, f, args)
			case len(args) > 0:
				return usage("images are for -m: the bench of `assay add` draws its own")
			}
			return bench(c.Context(), c, w, f)
		},
	}
	c.Flags().StringSliceVarP(&f.metrics, "metrics", "m", nil, "`INSTRUMENTS` whose large networks are timed")
	c.Flags().IntVar(&f.rounds, "rounds", 5, "`ROUNDS` of which medians are taken, with -m")
	c.Flags().IntVar(&f.images, "images", 100, "`IMAGES` to add after the thresholds are computed, or to measure in a round with -m")
	f.limits.register(c)
	f.towers.registerBulk(c)
	c.Flags().IntVarP(&f.workers, "workers", "j", 0, "images measured at once; one per CPU if 0")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print one object")
	c.Flags().BoolVar(&f.rate, "rate", false, "print nothing but the images per second of the networks alone, with -m")
	return c
}

// A benchReport is what was measured. Pointers are nil where nothing was.
type benchReport struct {
	CPUs         int               `json:"cpus"`
	PeakGFLOPS   *float64          `json:"peak_gflops"` // of a 2048³ float32 matrix product
	Images       int               `json:"images"`
	PerSecond    float64           `json:"images_per_second"`
	Calibration  float64           `json:"calibration_seconds"`
	Instruments  []benchInstrument `json:"instruments"`
	DecodePNG    float64           `json:"decode_png_ms"`
	DecodeJPEG   float64           `json:"decode_jpeg_ms"`
	PeakMemoryMB *float64          `json:"peak_memory_mb"`
}

type benchInstrument struct {
	Name   string   `json:"name"`
	Millis float64  `json:"ms"`               // one image or pair, one caller
	GFLOPS *float64 `json:"gflops,omitempty"` // of networks
}

func bench(ctx context.Context, c *cobra.Command, w world, f benchFlags) (err error) {
	report := benchReport{CPUs: runtime.NumCPU(), Images: f.images}
	fmt.Fprintln(w.err, "drawing pictures")
	pictures, err := benchPictures(ctx)
	if err != nil {
		return err
	}
	tools, err := openToolbox(ctx, w, logger(c, w), defaultTowers(), runtime.NumCPU(), quick)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tools.Close()) }()
	if report.PeakGFLOPS, err = matrixPeak(ctx, tools.engine); err != nil {
		fmt.Fprintln(w.err, "arithmetic peak not measured:", err)
	}
	fmt.Fprintln(w.err, "adding images")
	if err := benchAdd(ctx, tools, f, pictures, &report); err != nil {
		return err
	}
	if err := benchEach(ctx, tools, pictures, &report); err != nil {
		return err
	}
	report.PeakMemoryMB = peakMemory()
	if f.asJSON {
		return json.NewEncoder(w.out).Encode(report)
	}
	return printBench(w.out, report)
}

// benchPictures draws one picture of each family as PNG.
func benchPictures(ctx context.Context) ([][]byte, error) {
	var out [][]byte
	for _, work := range art.Series(7)[:20] {
		data, err := work.PNG(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

// benchInput is the i-th input: each is another file, since a known image is
// not measured again. A PNG ends with its IEND chunk; decoders ignore what follows.
func benchInput(pictures [][]byte, i int) series.Input {
	return series.Input{Path: fmt.Sprintf("bench/%d.png", i), Read: func() ([]byte, error) {
		return fmt.Appendf(slices.Clone(pictures[i%len(pictures)]), "%d", i), nil
	}}
}

// benchAdd times Add on a series whose thresholds exist.
func benchAdd(ctx context.Context, tools *toolbox, f benchFlags, pictures [][]byte, report *benchReport) (err error) {
	dir, err := os.MkdirTemp("", "assay-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s, err := series.Open(ctx, "bench", db, tools.Tools, series.Options{Workers: f.workers})
	if err != nil {
		return err
	}
	const warmup = 24 // series.Options.Warmup's default
	add := func(from, to int) (time.Duration, error) {
		start := time.Now()
		err := s.Add(ctx, func(yield func(series.Input) bool) {
			for i := from; i < to && yield(benchInput(pictures, i)); i++ {
			}
		}, func(r series.Result) error { return r.Err })
		return time.Since(start), err
	}
	if _, err := add(0, warmup); err != nil {
		return err
	}
	rest, err := add(warmup, warmup+f.images)
	if err != nil {
		return err
	}
	report.PerSecond = float64(f.images) / rest.Seconds()
	start := time.Now()
	_, err = s.Calibrate(ctx, series.CalibrateOptions{First: warmup, DryRun: true})
	report.Calibration = time.Since(start).Seconds()
	return err
}

// benchEach times each instrument and the decoders, one caller, median of nine.
func benchEach(ctx context.Context, tools *toolbox, pictures [][]byte, report *benchReport) error {
	lim := pixel.Limits{}
	img, _, err := pixel.Decode(ctx, pictures[0], lim)
	if err != nil {
		return err
	}
	other, _, err := pixel.Decode(ctx, pictures[1], lim)
	if err != nil {
		return err
	}
	for _, in := range tools.Instruments {
		ms, err := median(9, func() error {
			// A fresh Picture, so that nothing is remembered from the last time.
			a, b := metric.NewPicture(img), metric.NewPicture(other)
			var err error
			if in.Kind == metric.OfPair {
				_, err = in.Distance(ctx, a, b)
			} else {
				_, err = in.Measure(ctx, a)
			}
			return err
		})
		if err != nil {
			return err
		}
		one := benchInstrument{Name: in.Name, Millis: ms}
		if side, ok := map[string]int{"lpips-squeeze": art.Side, "lpips-squeeze-64": 64}[in.Name]; ok {
			rate := 2 * backbone.SqueezeNet11Flops(side, side) / (ms / 1e3) / 1e9 // two images a pair
			one.GFLOPS = &rate
		}
		report.Instruments = append(report.Instruments, one)
	}
	if report.DecodePNG, err = median(9, func() error {
		_, _, err := pixel.Decode(ctx, pictures[0], lim)
		return err
	}); err != nil {
		return err
	}
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, goImage(img), &jpeg.Options{Quality: 90}); err != nil {
		return err
	}
	report.DecodeJPEG, err = median(9, func() error {
		_, _, err := pixel.Decode(ctx, photo.Bytes(), lim)
		return err
	})
	return err
}

// goImage copies an RGB image for the standard encoders.
func goImage(img *pixel.Image) image.Image {
	rgb := img.RGB()
	out := image.NewNRGBA(image.Rect(0, 0, rgb.Width, rgb.Height))
	for i := range rgb.Width * rgb.Height {
		copy(out.Pix[4*i:], rgb.Pix[3*i:3*i+3])
		out.Pix[4*i+3] = 255
	}
	return out
}

// median returns the median time of n calls in milliseconds.
func median(n int, do func() error) (float64, error) {
	times := make([]float64, n)
	for i := range times {
		start := time.Now()
		if err := do(); err != nil {
			return 0, err
		}
		times[i] = float64(time.Since(start)) / float64(time.Millisecond)
	}
	slices.Sort(times)
	return times[n/2], nil
}

// matrixPeak returns the GFLOP/s of a 2048³ float32 matrix product.
func matrixPeak(ctx context.Context, e *engine) (*float64, error) {
	const n = 2048
	b := onnx.NewBuilder(nil)
	x, y := b.Input("x", n, n), b.Input("y", n, n)
	b.Output("z", b.MatMul(x, y))
	model, err := b.Build()
	if err != nil {
		return nil, err
	}
	runner, err := e.whole(ctx, model)
	if err != nil {
		return nil, err
	}
	defer runner.Close()
	t := onnx.Tensor{Shape: []int{n, n}, Data: make([]float32, n*n)}
	for i := range t.Data {
		t.Data[i] = float32(i%7) - 3
	}
	ms, err := median(5, func() error { _, err := runner.Run(ctx, t, t); return err })
	if err != nil {
		return nil, err
	}
	gflops := 2 * n * n * n / (ms / 1e3) / 1e9
	return &gflops, nil
}

// share says how much of the machine's arithmetic a network reaches on one core.
func (in benchInstrument) share(peak *float64) string {
	switch {
	case in.GFLOPS == nil:
		return ""
	case peak == nil:
		return fmt.Sprintf("%.1f GFLOP/s on one core", *in.GFLOPS)
	}
	return fmt.Sprintf("%.1f GFLOP/s on one core, %.2f of one core's share of the peak", *in.GFLOPS, *in.GFLOPS*float64(runtime.NumCPU()) / *peak)
}

func printBench(out io.Writer, r benchReport) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "add, end to end\t%.1f images/s\t512×512 PNG, %d images, %d CPUs, %d instruments\n", r.PerSecond, r.Images, r.CPUs, len(r.Instruments))
	fmt.Fprintf(table, "first thresholds\t%.1f s\tcontrols on 24 images\n", r.Calibration)
	fmt.Fprintf(table, "decode PNG\t%.2f ms\t\n", r.DecodePNG)
	fmt.Fprintf(table, "decode JPEG\t%.2f ms\t4:2:0, quality 90\n", r.DecodeJPEG)
	for _, in := range r.Instruments {
		fmt.Fprintf(table, "%s\t%.2f ms\t%s\n", in.Name, in.Millis, in.share(r.PeakGFLOPS))
	}
	if r.PeakGFLOPS != nil {
		fmt.Fprintf(table, "arithmetic peak\t%.0f GFLOP/s\t2048³ float32 matrix product on ONNX Runtime\n", *r.PeakGFLOPS)
	} else {
		fmt.Fprintf(table, "arithmetic peak\tnot measured\t`assay runtime install`\n")
	}
	if r.PeakMemoryMB != nil {
		fmt.Fprintf(table, "peak memory\t%.0f MB\tof this whole process\n", *r.PeakMemoryMB)
	} else {
		fmt.Fprintf(table, "peak memory\tnot measured\tthis system does not say\n")
	}
	return table.Flush()
}

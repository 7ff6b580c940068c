package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/stat"
)

// A towerReport is what was measured of one instrument's networks. Rates are
// medians over rounds; the peak is measured in every round beside them.
type towerReport struct {
	Instrument  string   `json:"instrument"`
	Runtime     string   `json:"runtime"`
	Synthetic   bool     `json:"synthetic,omitempty"`
	OpenMillis  float64  `json:"open_ms"`           // from nothing to ready to measure
	FirstMillis float64  `json:"first_reading_ms"`  // the first reading after that
	PerSecond   float64  `json:"images_per_second"` // networks alone, pictures prepared before
	Fastest     float64  `json:"images_per_second_fastest_round"`
	EndToEnd    float64  `json:"images_per_second_end_to_end"` // from encoded files
	GFLOPS      float64  `json:"gflops"`
	PeakGFLOPS  *float64 `json:"peak_gflops"`   // fused multiply-adds on all cores, median of the rounds
	Share       *float64 `json:"share_of_peak"` // median over rounds of GFLOPS over that round's peak
	// Agreement with float32 on the same pictures, for other precisions.
	Agreement *agreement `json:"agreement,omitempty"`
	PeakMB    *float64   `json:"peak_memory_mb"`
}

// An agreement says how near another precision comes to float32.
type agreement struct {
	Images     int     `json:"images"`
	WorstAngle float64 `json:"cosine_min"` // of embeddings, over images and networks
	MeanAngle  float64 `json:"cosine_mean"`
	WorstPair  float64 `json:"pair_cosine_error_max"` // |difference| of the cosines of two images
}

// benchTowers measures the named instruments, one after the other.
func benchTowers(ctx context.Context, c *cobra.Command, w world, f benchFlags, args []string) error {
	pictures, err := benchFiles(ctx, f, args)
	if err != nil {
		return err
	}
	var reports []towerReport
	for _, name := range f.metrics {
		r, err := benchTower(ctx, c, w, f, name, pictures)
		if err != nil {
			return err
		}
		reports = append(reports, r)
	}
	if f.rate {
		for _, r := range reports {
			if _, err := fmt.Fprintf(w.out, "%.4f\n", r.PerSecond); err != nil {
				return err
			}
		}
		return nil
	}
	if f.asJSON {
		return json.NewEncoder(w.out).Encode(struct {
			CPUs   int           `json:"cpus"`
			Towers []towerReport `json:"towers"`
		}{runtime.NumCPU(), reports})
	}
	return printTowers(w.out, reports)
}

// benchFiles returns the encoded pictures to measure with: the user's, or the
// program's own.
func benchFiles(ctx context.Context, f benchFlags, args []string) ([][]byte, error) {
	if len(args) == 0 {
		return benchPictures(ctx)
	}
	list, err := inputs{limit: f.limits.bytes}.list(ctx, args)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for _, in := range list {
		data, err := in.Read()
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

func benchTower(ctx context.Context, c *cobra.Command, w world, f benchFlags, name string, files [][]byte) (r towerReport, err error) {
	callers := cmp.Or(f.workers, runtime.NumCPU())
	start := time.Now()
	tools, err := openVectors(ctx, w, logger(c, w), f.towers, callers, []string{name})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, tools.Close()) }()
	in := tools.Instruments[0]
	if in.Flops() == 0 {
		return r, usage("%s stands on no large network: `assay bench` without -m times it", name)
	}
	r = towerReport{Instrument: name, Runtime: in.Runtime, Synthetic: in.Synthetic, OpenMillis: millis(time.Since(start))}
	images, err := decodeAll(ctx, files, f.limits.limits())
	if err != nil {
		return r, err
	}
	start = time.Now()
	if err := in.Exercise(ctx, metric.NewPicture(images[0])); err != nil {
		return r, err
	}
	r.FirstMillis = millis(time.Since(start))
	if err := r.rounds(ctx, f, in, callers, files, images); err != nil {
		return r, err
	}
	if nn.Precision(f.towers.precision) != nn.Float32 && len(in.TowerIdentities()) > 0 {
		if r.Agreement, err = agree(ctx, c, w, f.towers, callers, in, images); err != nil {
			return r, err
		}
	}
	r.PeakMB = peakMemory()
	return r, nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func decodeAll(ctx context.Context, files [][]byte, lim pixel.Limits) ([]*pixel.Image, error) {
	var out []*pixel.Image
	for _, data := range files {
		img, _, err := pixel.Decode(ctx, data, lim)
		if err != nil {
			return nil, err
		}
		out = append(out, img)
	}
	return out, nil
}

// rounds alternates the peak, the networks alone and the whole way from files.
func (r *towerReport) rounds(ctx context.Context, f benchFlags, in *metric.Instrument, callers int, files [][]byte, images []*pixel.Image) error {
	small := make([]*pixel.Image, len(images))
	for i, img := range images { // prepared: at the network's size nothing is left to resize
		var err error
		if small[i], err = img.RGB().Resize(in.ExerciseSide(), in.ExerciseSide(), pixel.Bicubic); err != nil {
			return err
		}
	}
	network := func(ctx context.Context, i int) error {
		return in.Exercise(ctx, metric.NewPicture(small[i%len(small)]))
	}
	whole := func(ctx context.Context, i int) error {
		img, _, err := pixel.Decode(ctx, files[i%len(files)], f.limits.limits())
		if err != nil {
			return err
		}
		return in.Exercise(ctx, metric.NewPicture(img))
	}
	n := max(2*callers, f.images)
	var alone, ends, peaks, shares []float64
	for range f.rounds {
		peak, ok := fmaPeak()
		rate, err := throughput(ctx, callers, n, network)
		if err != nil {
			return err
		}
		end, err := throughput(ctx, callers, n, whole)
		if err != nil {
			return err
		}
		after, _ := fmaPeak()
		alone, ends = append(alone, rate), append(ends, end)
		if ok {
			peaks = append(peaks, max(peak, after))
			shares = append(shares, rate*in.Flops()/1e9/max(peak, after))
		}
	}
	r.Fastest = slices.Max(alone)
	err := errors.Join(middle(alone, &r.PerSecond), middle(ends, &r.EndToEnd))
	r.GFLOPS = r.PerSecond * in.Flops() / 1e9
	if len(peaks) > 0 {
		r.PeakGFLOPS, r.Share = new(float64), new(float64)
		err = errors.Join(err, middle(peaks, r.PeakGFLOPS), middle(shares, r.Share))
	}
	return err
}

// throughput returns how many of n calls a second several callers finish.
func throughput(ctx context.Context, callers, n int, do func(context.Context, int) error) (float64, error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, callers)
	start := time.Now()
	for k := range callers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[k] == nil; i = int(next.Add(1)) - 1 {
				errs[k] = do(ctx, i)
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(start).Seconds(), errors.Join(errs...)
}

// middle puts the median of x into m.
func middle(x []float64, m *float64) (err error) {
	*m, err = stat.Quantile(x, 0.5)
	return err
}

// agree compares embeddings with those of float32.
func agree(ctx context.Context, c *cobra.Command, w world, opt towerFlags, callers int, in *metric.Instrument, images []*pixel.Image) (a *agreement, err error) {
	opt.precision = string(nn.Float32)
	tools, err := openVectors(ctx, w, logger(c, w), opt, callers, []string{in.Name})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tools.Close()) }()
	var own, exact [][][]float32 // by network, then image
	collect := func(in *metric.Instrument, into *[][][]float32, img *pixel.Image) error {
		es, err := in.Embeddings(ctx, metric.NewPicture(img))
		for k, e := range es {
			if len(*into) <= k {
				*into = append(*into, nil)
			}
			(*into)[k] = append((*into)[k], e.Vector)
		}
		return err
	}
	for _, img := range images {
		if err := errors.Join(collect(in, &own, img), collect(tools.Instruments[0], &exact, img)); err != nil {
			return nil, err
		}
	}
	a = &agreement{Images: len(images), WorstAngle: 1}
	for k := range own {
		a.add(own[k], exact[k])
	}
	a.MeanAngle /= float64(len(images) * len(own))
	return a, nil
}

// add takes one network's vectors into account.
func (a *agreement) add(own, exact [][]float32) {
	for i := range own {
		cos := angle(own[i], exact[i])
		a.WorstAngle = min(a.WorstAngle, cos)
		a.MeanAngle += cos
		for j := range i {
			a.WorstPair = max(a.WorstPair, math.Abs(angle(own[i], own[j])-angle(exact[i], exact[j])))
		}
	}
}

// angle is the cosine of two vectors.
func angle(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}

func printTowers(out io.Writer, reports []towerReport) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range reports {
		fmt.Fprintf(table, "%s\t%s\t\n", r.Instrument, r.Runtime)
		if r.Synthetic {
			fmt.Fprintf(table, "  weights\tsynthetic\tspeed is that of the real ones; readings mean nothing\n")
		}
		fmt.Fprintf(table, "  opened\t%.0f ms\tthe first reading after %.0f ms more\n", r.OpenMillis, r.FirstMillis)
		fmt.Fprintf(table, "  networks alone\t%.2f images/s\t%.0f GFLOP/s; fastest round %.2f images/s\n", r.PerSecond, r.GFLOPS, r.Fastest)
		fmt.Fprintf(table, "  from files\t%.2f images/s\t%.1f %% of the networks alone\n", r.EndToEnd, 100*r.EndToEnd/r.PerSecond)
		if r.Share != nil {
			fmt.Fprintf(table, "  share of the peak\t%.1f %%\tof %.0f GFLOP/s of fused multiply-adds, measured in every round\n", 100**r.Share, *r.PeakGFLOPS)
		} else {
			fmt.Fprintf(table, "  share of the peak\tnot measured\tno peak loop for this CPU\n")
		}
		if a := r.Agreement; a != nil {
			fmt.Fprintf(table, "  against float32\tcosine ≥ %.5f\ton %d images, mean %.5f; cosines of pairs off by at most %.4f\n", a.WorstAngle, a.Images, a.MeanAngle, a.WorstPair)
		}
		if r.PeakMB != nil {
			fmt.Fprintf(table, "  peak memory\t%.0f MB\tof this whole process\n", *r.PeakMB)
		}
	}
	return table.Flush()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay/judge"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/series"
)

type reconstructFlags struct {
	fileFlags
	command  []string
	url      string
	distance string
	wrong    []string
	seeds    int
	wait     time.Duration
	towers   towerFlags
}

func newJudgeReconstruct(w world) *cobra.Command {
	var f reconstructFlags
	c := &cobra.Command{
		Use:   "reconstruct IMAGE ...",
		Short: "Caption an image, generate from the caption, and measure how far apart they are",
		Long: `Reconstruct has a judge caption the image, gives the caption to your generator, and
measures the distance from the original to what comes back, beside the distances to
what comes of wrong captions. It says how well the image can be put into words, not
how good it is: plain pictures come back best.

The generator is a command, whose arguments may contain {caption}, {seed} and {out} (the
file it must write), or an HTTP address that is posted {"prompt", "seed"} and
answers with an image, or with {"image": base64}.`,
		Example: `  assay judge reconstruct fox.png --generate ./make.sh,{caption},{seed},{out} -m lpips-squeeze
  assay judge reconstruct *.png --generate-url http://localhost:7000/make --seeds 4`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return reconstruct(c.Context(), c, w, &f, args) },
	}
	f.register(c)
	flags := c.Flags()
	flags.StringSliceVar(&f.command, "generate", nil, "the generator's `COMMAND,ARGUMENT,...`")
	flags.StringVar(&f.url, "generate-url", "", "the generator's `URL`")
	flags.DurationVar(&f.wait, "generate-wait", 5*time.Minute, "how long one picture may take")
	flags.StringVarP(&f.distance, "metric", "m", "layout", "the `INSTRUMENT` that measures the distance, one that reads pairs")
	flags.StringSliceVar(&f.wrong, "wrong-caption", nil, "a `CAPTION` of another picture; those of the other images if not given")
	flags.IntVar(&f.seeds, "seeds", 4, "pictures that are made of each caption")
	f.towers.register(c)
	return c
}

func reconstruct(ctx context.Context, c *cobra.Command, w world, f *reconstructFlags, args []string) (err error) {
	if (len(f.command) == 0) == (f.url == "") {
		return usage("name one generator: --generate COMMAND,ARGUMENT,... or --generate-url URL")
	}
	tools, err := openNamed(ctx, w, logger(c, w), f.towers, 1, []string{f.distance})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tools.Close()) }()
	tool := tools.Instruments[0]
	if tool.Kind != metric.OfPair {
		return usage("-m %s: it reads single images; layout and lpips-squeeze read pairs", f.distance)
	}
	if rules, err := tool.Resizing(metric.SecondToFirst); err == nil {
		tool = rules // generators make pictures of sizes of their own
	}
	var g judge.Generator = judge.HTTPGenerator{URL: f.url, Timeout: f.wait}
	if f.url == "" {
		g = judge.CommandGenerator{Args: f.command, Timeout: f.wait}
	}
	return f.sit(ctx, c, w, func(s *sitting) error {
		s.opt.Seeds = f.seeds
		wrong, err := f.wrongCaptions(ctx, s, args)
		if err != nil {
			return err
		}
		return s.each(ctx, args, func(j *juror, img series.Shown) error {
			subject, err := j.subject(img)
			if err != nil {
				return err
			}
			r, err := judge.Reconstruct(ctx, j.model, subject, g, f.measure(tool), wrong[j.Judge().Name][img.Entry.Path], s.opt)
			if err != nil {
				return err
			}
			return s.printReconstruction(img, j, r)
		})
	})
}

// measure reads the distance of two encoded pictures.
func (f *reconstructFlags) measure(tool *metric.Instrument) func(ctx context.Context, a, b []byte) (float64, error) {
	return func(ctx context.Context, a, b []byte) (float64, error) {
		x, _, err := pixel.Decode(ctx, a, f.limits.limits())
		if err != nil {
			return 0, err
		}
		y, _, err := pixel.Decode(ctx, b, f.limits.limits())
		if err != nil {
			return 0, fmt.Errorf("what the generator made: %w", err)
		}
		r, err := tool.Distance(ctx, metric.NewPicture(x), metric.NewPicture(y))
		return r.Value, err
	}
}

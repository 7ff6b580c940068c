package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/weights"
)

type distanceFlags struct {
	name   string
	asJSON bool
	rule   string
	chart  string
	most   float64
	limits limitFlags
	towers towerFlags
}

func newDistance(w world) *cobra.Command {
	var f distanceFlags
	var rules []string
	for _, r := range metric.ResizeRules() {
		rules = append(rules, string(r))
	}
	c := &cobra.Command{
		Use:   "distance -m NAME A B",
		Short: "Measure how far apart two images are",
		Long: `Distance reads one pair. Instruments that want images of one size (lpips-squeeze,
lpips-alex, lpips-vgg, dists) refuse others, unless --resize names a rule, which is
then part of the reading's preparation:
  second-to-first  B is resized to A's size (Pillow bicubic)
  short-side-256   each image's short side becomes 256 (Pillow bilinear)
  square-256       each image becomes 256×256 (Pillow bilinear)

--map draws where the two differ, as LPIPS sees it: dark violet is 0, light yellow
the largest value, which is printed; --map-max sets another, so that several maps
can be compared. A file that ends in .npy gets the numbers instead, float32 in rows.`,
		Example: "  assay distance -m lpips-squeeze a.png b.png --json\n  assay distance -m lpips-alex original.png copy.jpg --resize second-to-first --map where.png",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return distance(c.Context(), c, w, f, args)
		},
	}
	flags := c.Flags()
	flags.StringVarP(&f.name, "metric", "m", "layout", "the `INSTRUMENT`, one that reads pairs")
	flags.BoolVar(&f.asJSON, "json", false, "print one object with the number's provenance")
	flags.StringVar(&f.rule, "resize", "", "bring images of different sizes to one by this `RULE`: "+strings.Join(rules, ", "))
	flags.StringVar(&f.chart, "map", "", "write where the images differ to this `FILE`, .png or .npy")
	flags.Float64Var(&f.most, "map-max", 0, "the `VALUE` that is brightest in the map; the largest if not given")
	lineOnly(c, "map")
	f.limits.register(c)
	f.towers.register(c)
	return c
}

func distance(ctx context.Context, c *cobra.Command, w world, f distanceFlags, args []string) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	tools, err := openNamed(ctx, w, logger(c, w), f.towers, 1, []string{f.name})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tools.Close()) }()
	tool := tools.Instruments[0]
	switch {
	case tool.Kind != metric.OfPair:
		return usage("%s reads single images: try `assay score -m %s`", f.name, f.name)
	case f.chart != "" && !tool.Maps():
		return usage("%s has no map of where two images differ; lpips-squeeze, lpips-alex and lpips-vgg have", f.name)
	case f.rule != "":
		if tool, err = tool.Resizing(metric.ResizeRule(f.rule)); err != nil {
			return usage("--resize %s: %v", f.rule, err)
		}
	}
	files := inputs{limit: f.limits.bytes, stdin: w.in}
	a, idA, err := readPicture(ctx, files.file(args[0]), f.limits.limits())
	if err != nil {
		return err
	}
	b, idB, err := readPicture(ctx, files.file(args[1]), f.limits.limits())
	if err != nil {
		return err
	}
	r, err := f.read(ctx, w, tool, a, b)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", args[0], args[1], err)
	}
	r.Image, r.Ref = idA, idB
	if f.asJSON {
		return json.NewEncoder(w.out).Encode(r)
	}
	fmt.Fprintf(w.out, "%.6f\n", r.Value)
	for _, warning := range r.Warnings {
		fmt.Fprintln(w.err, "warning:", warning)
	}
	return nil
}

// check refuses what can be refused before anything is opened.
func (f distanceFlags) check() error {
	switch ext := strings.ToLower(filepath.Ext(f.chart)); {
	case f.chart != "" && ext != ".png" && ext != ".npy":
		return usage("--map %s: want a name that ends in .png or .npy", f.chart)
	case !(f.most >= 0 && f.most-f.most == 0):
		return usage("--map-max %v: want a positive number", f.most)
	case f.most > 0 && f.chart == "":
		return usage("--map-max is about the picture that --map draws")
	}
	return nil
}

// read reads the pair, and writes the map if one is wanted.
func (f distanceFlags) read(ctx context.Context, w world, tool *metric.Instrument, a, b *metric.Picture) (r assay.Reading, err error) {
	if f.chart == "" {
		return tool.Distance(ctx, a, b)
	}
	r, m, err := tool.Map(ctx, a, b)
	if err != nil {
		return r, err
	}
	var data []byte
	scale := ""
	if strings.EqualFold(filepath.Ext(f.chart), ".npy") {
		data = append(npyHead(m.Height, m.Width), weights.Float32Bytes(m.Values)...)
	} else {
		most := float32(f.most)
		if most == 0 {
			most = m.Max()
		}
		if data, err = pngOf(m.Heat(most)); err != nil {
			return r, err
		}
		scale = fmt.Sprintf(", drawn from 0 (dark violet) to %.6g (light yellow)", most)
	}
	if err := os.WriteFile(f.chart, data, 0o644); err != nil {
		return r, err
	}
	fmt.Fprintf(w.err, "map: %s, %d×%d, largest value %.6g%s\n", f.chart, m.Width, m.Height, m.Max(), scale)
	return r, nil
}

func pngOf(img *pixel.Image) ([]byte, error) {
	var b bytes.Buffer
	err := png.Encode(&b, goImage(img))
	return b.Bytes(), err
}

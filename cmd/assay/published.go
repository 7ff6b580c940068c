package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/pixel"
)

// verifyPublished holds this build against every number that authors have
// printed and whose weights and pictures are at hand.
func verifyPublished(ctx context.Context, c *cobra.Command, w world, images string) (err error) {
	files, err := filesBySum(ctx, images)
	if err != nil {
		return err
	}
	tools, err := emptyToolbox(w, logger(c, w), defaultTowers(), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tools.Close()) }()
	table := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "instrument\tpicture\tpublished\there\tresult\tsource")
	unchecked, differ := 0, 0
	for _, v := range metric.Published() {
		got, why := measurePublished(ctx, tools, v, files)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		result := why
		if why == "" {
			off, ok := v.Agrees(got)
			result = fmt.Sprintf("agrees, off by %.2g of %g allowed", off, v.Tolerance)
			if !ok {
				result, differ = fmt.Sprintf("DIFFERS by %.3g, %g allowed", off, v.Tolerance), differ+1
			}
		} else {
			unchecked++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Instrument, pictureNames(v), numbers(v.Values), numbers(got), result, v.Source)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	switch {
	case differ > 0:
		return fmt.Errorf("%d published values differ", differ)
	case unchecked > 0:
		return errPartial
	}
	return nil
}

func pictureNames(v metric.PublishedValue) string {
	var names []string
	for _, in := range v.Inputs {
		names = append(names, in.Name)
	}
	return strings.Join(names, " and ")
}

func numbers(values []float64) string {
	if len(values) == 0 {
		return "–"
	}
	var out []string
	for _, v := range values {
		out = append(out, fmt.Sprintf("%.6g", v))
	}
	return strings.Join(out, " ")
}

// measurePublished reads what v is about, or says why it cannot be checked.
func measurePublished(ctx context.Context, tools *toolbox, v metric.PublishedValue, files map[string]string) (got []float64, why string) {
	spec, ok := metric.Find(v.Instrument)
	if !ok {
		return nil, "not checked: no such instrument in this build"
	}
	if tools.installed(spec) != nil {
		return nil, "not checked: weights not installed; run: assay models pull " + strings.Join(spec.Models, " ")
	}
	for _, model := range spec.Models {
		if tools.models.Synthetic(model) {
			return nil, "not checked: the weights of " + model + " are made up"
		}
	}
	var pictures []*metric.Picture
	for _, in := range v.Inputs {
		img, ok := in.Drawn()
		if !ok {
			data, err := os.ReadFile(files[in.SHA256])
			if in.SHA256 == "" || err != nil {
				return nil, fmt.Sprintf("not checked: %s is not among the --images", in.Name)
			}
			if img, _, err = pixel.Decode(ctx, data, pixel.Limits{}); err != nil {
				return nil, "not checked: " + err.Error()
			}
		}
		pictures = append(pictures, metric.NewPicture(img))
	}
	if err := tools.engine.start(ctx); err != nil {
		return nil, "not checked: " + err.Error()
	}
	in, err := tools.towers.Open(ctx, v.Instrument)
	if err != nil {
		return nil, "not checked: " + err.Error()
	}
	defer in.Close()
	if got, err = v.Measure(ctx, in, pictures...); err != nil {
		return nil, "not checked: " + err.Error()
	}
	return got, ""
}

// filesBySum finds the pictures of a folder by their SHA-256.
func filesBySum(ctx context.Context, dir string) (map[string]string, error) {
	out := map[string]string{}
	if dir == "" {
		return out, nil
	}
	return out, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if info, err := d.Info(); err != nil || !info.Mode().IsRegular() || info.Size() > 64<<20 {
			return err
		}
		data, err := os.ReadFile(path)
		out[assay.DigestOf(data).String()] = path
		return err
	})
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// A publishedRow is one published value and what this build makes of it.
type publishedRow struct {
	Instrument string    `json:"instrument"`
	Pictures   string    `json:"pictures"`
	Published  []float64 `json:"published"`
	Here       []float64 `json:"here"`      // null if it was not checked
	Tolerance  float64   `json:"tolerance"` // absolute
	Result     string    `json:"result"`    // "agrees", "differs" or "not checked"
	Why        string    `json:"why"`       // how far off, or what is missing and how to mend that
	Source     string    `json:"source"`
}

// The results of a row.
const (
	agrees     = "agrees"
	differs    = "differs"
	notChecked = "not checked"
)

// verifyPublished holds this build against every number that authors have
// printed and whose weights and pictures are at hand.
func verifyPublished(ctx context.Context, c *cobra.Command, w world, images string, asJSON bool) (err error) {
	files, err := filesBySum(ctx, images)
	if err != nil {
		return err
	}
	tools, err := emptyToolbox(w, logger(c, w), defaultTowers(), 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tools.Close()) }()
	rows, count := []publishedRow{}, map[string]int{}
	for _, v := range metric.Published() {
		row := comparePublished(ctx, tools, v, files)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rows = append(rows, row)
		count[row.Result]++
	}
	if err := printPublished(w.out, rows, asJSON); err != nil {
		return err
	}
	switch {
	case count[differs] > 0:
		return fmt.Errorf("%d published values differ", count[differs])
	case count[notChecked] > 0:
		return errPartial
	}
	return nil
}

// comparePublished makes one row.
func comparePublished(ctx context.Context, tools *toolbox, v metric.PublishedValue, files map[string]string) publishedRow {
	row := publishedRow{Instrument: v.Instrument, Pictures: pictureNames(v), Published: v.Values, Tolerance: v.Tolerance, Source: v.Source}
	got, why := measurePublished(ctx, tools, v, files)
	if why != "" {
		row.Result, row.Why = notChecked, why
		return row
	}
	off, ok := v.Agrees(got)
	row.Here, row.Result, row.Why = got, agrees, fmt.Sprintf("off by %.2g, %g allowed", off, v.Tolerance)
	if !ok {
		row.Result = differs
	}
	return row
}

func printPublished(out io.Writer, rows []publishedRow, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(struct {
			Published []publishedRow `json:"published"`
		}{rows})
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "instrument\tpicture\tpublished\there\tresult\tsource")
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s: %s\t%s\n", r.Instrument, r.Pictures, numbers(r.Published), numbers(r.Here), r.Result, r.Why, r.Source)
	}
	return table.Flush()
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
		return nil, "no such instrument in this build"
	}
	if tools.installed(spec) != nil {
		return nil, "weights not installed; run: assay models pull " + strings.Join(spec.Models, " ")
	}
	for _, model := range spec.Models {
		if tools.models.Synthetic(model) {
			return nil, "the weights of " + model + " are made up"
		}
	}
	var pictures []*metric.Picture
	for _, in := range v.Inputs {
		img, ok := in.Drawn()
		if !ok {
			data, err := os.ReadFile(files[in.SHA256])
			if in.SHA256 == "" || err != nil {
				return nil, fmt.Sprintf("%s is not among the --images", in.Name)
			}
			if img, _, err = pixel.Decode(ctx, data, pixel.Limits{}); err != nil {
				return nil, err.Error()
			}
		}
		pictures = append(pictures, metric.NewPicture(img))
	}
	if err := tools.engine.start(ctx); err != nil {
		return nil, err.Error()
	}
	in, err := tools.towers.Open(ctx, v.Instrument)
	if err != nil {
		return nil, err.Error()
	}
	defer in.Close()
	if got, err = v.Measure(ctx, in, pictures...); err != nil {
		return nil, err.Error()
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

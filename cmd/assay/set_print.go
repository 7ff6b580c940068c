package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/gen-emerge/assay/metric"
)

// A setReport is what `assay set` prints.
type setReport struct {
	Readings []metric.SetReading `json:"readings"`
	Notes    []string            `json:"notes,omitempty"`
	Missing  []string            `json:"missing,omitempty"` // measures that could not be read, and why
	LeftOut  []leftOut           `json:"left_out,omitempty"`
}

// print writes the report: numbers to standard output, doubts to standard error.
func (s setReport) print(w world, asJSON bool) error {
	for _, l := range s.LeftOut {
		fmt.Fprintln(w.err, "left out:", l.Error)
	}
	for _, m := range s.Missing {
		fmt.Fprintln(w.err, "not measured:", m)
	}
	for _, n := range s.Notes {
		fmt.Fprintln(w.err, "note:", n)
	}
	for _, r := range s.Readings {
		for _, warning := range r.Warnings {
			fmt.Fprintf(w.err, "warning: %s: %s\n", r.Metric, warning)
		}
	}
	if asJSON {
		enc := json.NewEncoder(w.out)
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	}
	if len(s.Readings) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "measure\tvalue\t95 % interval\tbetter\timages\treference\tfeatures")
	for _, r := range s.Readings {
		for _, v := range r.Values {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", v.Name, setNumber(v.Value), doubt(v), v.Better, r.Set.Images, against(r.Reference), features(r))
		}
	}
	return t.Flush()
}

func setNumber(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }

// doubt is what is known of a value's uncertainty.
func doubt(v metric.SetValue) string {
	switch {
	case v.Interval != nil:
		return setNumber(v.Interval.Lo) + " to " + setNumber(v.Interval.Hi)
	case v.Std != nil:
		return "std over subsets " + setNumber(*v.Std)
	}
	return "not measured"
}

func against(ref *metric.SetID) string {
	switch {
	case ref == nil:
		return "none"
	case ref.Images == 0:
		return "published " + ref.Digest[:12]
	}
	return strconv.Itoa(ref.Images)
}

func features(r metric.SetReading) string {
	if r.Features.Synthetic {
		return r.Features.Instrument + " (synthetic)"
	}
	return r.Features.Instrument
}

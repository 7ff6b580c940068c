package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/ort"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
	"github.com/gen-emerge/assay/weights"
)

// A finding is one thing that works here or does not.
type finding struct {
	What   string `json:"what"`
	Works  bool   `json:"works"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"` // the command that mends it

	broken bool // not merely absent
}

func newDoctor(w world) *cobra.Command {
	var f seriesFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what works here, what does not, and the command that mends it",
		Long: `Doctor looks at everything the program stands on and installs nothing. What is
merely absent is no failure; a damaged workspace is (status 1).`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			findings := examine(c.Context(), w, f.dir)
			var err error
			if asJSON {
				err = json.NewEncoder(w.out).Encode(struct {
					Findings []finding `json:"findings"`
				}{findings})
			} else {
				err = printFindings(w.out, findings)
			}
			if err == nil && slices.ContainsFunc(findings, func(f finding) bool { return f.broken }) {
				return &statusError{status: exitFailed}
			}
			return err
		},
	}
	f.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print one object")
	return c
}

// examine looks at everything the program stands on. It installs nothing.
func examine(ctx context.Context, w world, dir string) []finding {
	out := []finding{{What: "program", Works: true, Detail: fmt.Sprintf("assay %s, %s, %s/%s, %d CPUs", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())}}
	library := examineRuntime(ctx)
	out = append(out, library)
	cache, err := weights.DefaultCache(w.getenv)
	if err != nil {
		return append(out, finding{What: "models", Detail: err.Error(), Remedy: "set " + weights.EnvModels + " to a folder"})
	}
	installed := map[string]bool{}
	for _, m := range cache.List() {
		f := finding{What: "model " + m.Name, Works: m.Missing == nil, Detail: m.Dir}
		if m.Missing != nil {
			f.Detail, f.Remedy = m.Missing.Error(), "assay models pull "+m.Name
		}
		installed[m.Name] = f.Works
		out = append(out, f)
	}
	return append(append(out, examineInstruments(installed, library.Works)...), examineWorkspace(ctx, dir)...)
}

func examineRuntime(ctx context.Context) finding {
	f := finding{What: "ONNX Runtime", Remedy: "assay runtime install"}
	lib, err := ort.Find(ctx, ort.FindOptions{})
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	rt, err := ort.Open(lib)
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	f.Works, f.Remedy = true, ""
	f.Detail = fmt.Sprintf("%s, %s (found: %s)", rt.Name(), lib.Path, lib.From)
	if err := rt.Close(); err != nil {
		f.Works, f.Detail = false, err.Error()
	}
	return f
}

// examineInstruments tells which instruments can measure.
func examineInstruments(installed map[string]bool, runtime bool) []finding {
	var ready []string
	var out []finding
	for _, spec := range metric.Catalogue() {
		absent := slices.DeleteFunc(slices.Clone(spec.Models), func(model string) bool { return installed[model] })
		switch {
		case len(absent) > 0:
			names := strings.Join(absent, " ")
			out = append(out, finding{What: "instrument " + spec.Name, Detail: "not installed: " + names, Remedy: "assay models pull " + names})
		case spec.Graph && !runtime:
			out = append(out, finding{What: "instrument " + spec.Name, Detail: "it needs ONNX Runtime", Remedy: "assay runtime install"})
		default:
			ready = append(ready, spec.Name)
		}
	}
	found := []finding{{What: "instruments", Works: true, Detail: strings.Join(ready, ", ")}}
	return append(append(found, examineGates(ready)...), out...)
}

// examineGates tells what a new series' gates would read: the best installed.
func examineGates(ready []string) []finding {
	installed := func(name string) bool { return slices.Contains(ready, name) }
	technical := finding{What: "gates technical-*", Works: true, Detail: "read the formula that catches most of each damage on the series' own images; " +
		"with nima-technical (assay models pull nima-technical) they would read that"}
	if names := (series.Options{}).TechnicalServing(installed); len(names) > 0 {
		technical.Detail = "read " + names[0] + ", the best installed, unless controls show that a formula catches more of a damage"
	}
	out := []finding{technical}
	for _, s := range (series.Options{}).Serving(installed) {
		f := finding{What: "gate " + s.Gate, Works: s.Instrument != "", Detail: "reads " + s.Instrument + ", the best installed"}
		if !f.Works {
			f.Detail, f.Remedy = "no instrument that could serve it is installed", remedies[s.Gate]
		}
		out = append(out, f)
	}
	return out
}

// remedies install the smallest model that serves a gate.
var remedies = map[string]string{
	"adherence": "assay models pull clip-vit-b32 clip-vocabulary",
	"style":     "assay models pull clip-vit-l14 clip-vocabulary",
}

// examineWorkspace checks the facts of the workspace, if there is one.
func examineWorkspace(ctx context.Context, dir string) []finding {
	if _, err := os.Stat(filepath.Join(dir, "assay.db")); err != nil {
		return []finding{{What: "workspace", Detail: dir + " is none", Remedy: "assay init " + dir}}
	}
	db, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return []finding{{What: "workspace", Detail: err.Error(), Remedy: "restore " + filepath.Join(dir, "assay.db") + " from a copy", broken: true}}
	}
	problems := db.Check(ctx)
	problem := errors.Join(append(problems, db.Close())...)
	if problem != nil {
		return []finding{{What: "workspace", Detail: problem.Error(), Remedy: "restore the files it names from a copy", broken: true}}
	}
	return []finding{{What: "workspace", Works: true, Detail: dir + ": every fact and every image is whole"}}
}

func printFindings(out io.Writer, findings []finding) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		mark := "ok"
		if !f.Works {
			mark = "–"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", mark, f.What, f.Detail)
		if f.Remedy != "" {
			fmt.Fprintf(table, "\t\tmend it: %s\n", f.Remedy)
		}
	}
	return table.Flush()
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/ort"
	"github.com/gen-emerge/assay/weights"
)

// envMirror names a folder or URL that holds the models' files.
const envMirror = "ASSAY_MIRROR"

func newModels(w world) *cobra.Command {
	c := &cobra.Command{Use: "models", Short: "List, fetch and verify checkpoints"}
	var asJSON bool
	list := &cobra.Command{
		Use: "list", Short: "Show every model: size, licence, what it serves, whether it is installed", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return listModels(w, asJSON) },
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print the whole manifest")
	var mirror string
	var dry bool
	pull := &cobra.Command{
		Use: "pull [NAME|core|all] ...", Short: "Fetch models; shows sizes and licences first, resumes, verifies",
		Long: `Pull fetches the files of models into the cache. ASSAY_MIRROR or --mirror names a
folder or URL that holds the same files by sha256 or by name; then nothing else
is contacted. A download that breaks off is resumed by the same command.`,
		Example: "  assay models pull core\n  ASSAY_MIRROR=/mnt/weights assay models pull lpips-squeeze",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return pullModels(c.Context(), w, args, mirror, dry)
		},
	}
	pull.Flags().StringVar(&mirror, "mirror", "", "a `FOLDER` or URL that holds the files")
	pull.Flags().BoolVar(&dry, "dry-run", false, "show sizes and licences; fetch nothing")
	var published, publishedJSON bool
	var images string
	verify := &cobra.Command{
		Use: "verify [NAME] ...", Short: "Read every byte of installed models and compare with the manifest",
		Long: `Verify reads every byte of installed models and compares with the manifest.

With --published it holds this build against the numbers that the authors of the
instruments have printed: every one whose weights are installed and whose picture
is found, by SHA-256, in the folder --images. What cannot be checked is said, and
how to mend that (status 3).`,
		RunE: func(c *cobra.Command, args []string) error {
			if published {
				return verifyPublished(c.Context(), c, w, images, publishedJSON)
			}
			return verifyModels(c.Context(), w, args)
		},
	}
	verify.Flags().BoolVar(&published, "published", false, "measure the pictures whose values are published, and compare")
	verify.Flags().BoolVar(&publishedJSON, "json", false, "with --published, print one object")
	verify.Flags().StringVar(&images, "images", "", "a `FOLDER` with the published pictures, looked through by SHA-256")
	path := &cobra.Command{
		Use: "path [NAME]", Short: "Print the folder of the cache, or of one model", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return modelPath(w, args) },
	}
	c.AddCommand(list, pull, verify, newSynth(w), path)
	return c
}

func listModels(w world, asJSON bool) error {
	cache, err := weights.DefaultCache(w.getenv)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(w.out).Encode(struct {
			Models []modelJSON `json:"models"`
		}{modelsJSON(cache)})
	}
	table := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "model\ttier\tsize\tserves\tinstalled\tlicence")
	for _, m := range cache.List() {
		installed := "yes"
		if m.Missing != nil {
			installed = "no"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, m.Tier, size(m.Size()), strings.Join(m.Serves, ", "), installed, m.Licence)
	}
	return table.Flush()
}

// A modelJSON is a row of `assay models list --json`.
type modelJSON struct {
	Name       string     `json:"name"`
	Tier       string     `json:"tier"`
	Files      []fileJSON `json:"files"`
	Licence    string     `json:"licence"`
	LicenceURL string     `json:"licence_url"`
	Serves     []string   `json:"serves"`
	Source     string     `json:"source"`
	Paper      string     `json:"paper"`
	Reference  string     `json:"reference"` // published values
	Dir        string     `json:"dir"`
	Installed  bool       `json:"installed"`
}

type fileJSON struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`

	GitBlob string `json:"git_blob,omitempty"` // what it is compared by where sha256 is empty
}

func modelsJSON(cache *weights.Cache) []modelJSON {
	var out []modelJSON
	for _, m := range cache.List() {
		row := modelJSON{Name: m.Name, Tier: string(m.Tier), Licence: m.Licence, LicenceURL: m.LicenceURL, Serves: m.Serves,
			Source: m.Source, Paper: m.Paper, Reference: m.Reference, Dir: m.Dir, Installed: m.Missing == nil}
		for _, f := range m.Files {
			row.Files = append(row.Files, fileJSON{f.Name, f.URL, f.Size, f.SHA256, f.GitBlob})
		}
		out = append(out, row)
	}
	return out
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n == 0:
		return "not stated"
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f kB", float64(n)/1e3)
}

// chosen resolves names, "core" and "all" to rows of the manifest.
func chosen(names []string) ([]weights.Model, error) {
	var out []weights.Model
	for _, name := range names {
		found := false
		for _, m := range weights.Manifest() {
			if name == m.Name || name == "all" || name == string(m.Tier) {
				out, found = append(out, m), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no model %q; `assay models list` shows what there is: %w", name, assay.ErrNotFound)
		}
	}
	return out, nil
}

func pullModels(ctx context.Context, w world, names []string, mirror string, dry bool) error {
	models, err := chosen(names)
	if err != nil {
		return err
	}
	if mirror == "" {
		mirror = w.getenv(envMirror)
	}
	printTerms(w.err, models)
	if dry {
		return nil
	}
	cache, err := weights.DefaultCache(w.getenv)
	if err != nil {
		return err
	}
	var failed []error
	for _, m := range models {
		bar := newProgress(w, m.Name, 2)
		err := cache.Pull(ctx, m.Name, weights.PullOptions{
			Mirror:   mirror,
			Progress: func(_ string, done, total int64) { bar.total(total); bar.set(done) },
			Note:     func(s string) { fmt.Fprintln(w.err, s) },
		})
		bar.stop()
		if err != nil {
			failed = append(failed, err)
			continue
		}
		dir, err := cache.Path(m.Name)
		if err != nil {
			return err
		}
		fmt.Fprintf(w.out, "%s  %s\n", m.Name, dir)
	}
	return errors.Join(failed...)
}

// printTerms shows what will be fetched and on what terms, before it is.
func printTerms(out io.Writer, models []weights.Model) {
	for _, m := range models {
		fmt.Fprintf(out, "%s: %s, from %s\n  licence: %s\n  %s\n", m.Name, size(m.Size()), m.Source, m.Licence, m.LicenceURL)
	}
}

func verifyModels(ctx context.Context, w world, names []string) error {
	cache, err := weights.DefaultCache(w.getenv)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		for _, m := range cache.List() {
			// A model with a damaged file counts as missing: here it is to be told.
			damaged := slices.ContainsFunc(m.Files, func(f weights.File) bool {
				_, err := os.Lstat(filepath.Join(m.Dir, f.Name))
				return err == nil
			})
			if m.Missing == nil || damaged {
				names = append(names, m.Name)
			}
		}
	}
	var failed []error
	for _, name := range names {
		if err := cache.Verify(ctx, name); err != nil {
			failed = append(failed, err)
			continue
		}
		fmt.Fprintf(w.out, "%s  ok\n", name)
	}
	return errors.Join(failed...)
}

func modelPath(w world, args []string) error {
	cache, err := weights.DefaultCache(w.getenv)
	if err != nil {
		return err
	}
	dir := cache.Dir
	if len(args) == 1 {
		if dir, err = cache.Path(args[0]); err != nil {
			return err
		}
	}
	fmt.Fprintln(w.out, dir)
	return nil
}

func newRuntime(w world) *cobra.Command {
	c := &cobra.Command{Use: "runtime", Short: "Find or install ONNX Runtime"}
	install := &cobra.Command{
		Use: "install", Short: "Fetch the pinned build of ONNX Runtime through npm or pip, verified",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			path, err := ort.Install(c.Context(), ort.InstallOptions{Log: func(s string) { fmt.Fprintln(w.err, s) }})
			if err != nil {
				return err
			}
			fmt.Fprintln(w.out, path)
			return nil
		},
	}
	path := &cobra.Command{
		Use: "path", Short: "Print the library that is used, and how it was found", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			lib, err := ort.Find(c.Context(), ort.FindOptions{})
			if err != nil {
				return err
			}
			fmt.Fprintf(w.out, "%s\n", lib.Path)
			fmt.Fprintf(w.err, "found: %s\n", lib.From)
			return nil
		},
	}
	c.AddCommand(install, path)
	return c
}

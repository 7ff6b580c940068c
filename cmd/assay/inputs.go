package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
)

// inputs turns what a command line names into images: files, globs, folders,
// "-" for one image on standard input, and manifests.
type inputs struct {
	recursive bool
	manifest  string
	limit     int64 // bytes one file may have
	stdin     io.Reader
	base      series.Input // what the command line says of every image
}

// imageSuffixes are what a folder is searched for. What a file is, its bytes
// decide.
var imageSuffixes = []string{".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".jxl"}

// list returns the images in the order they will be taken: arguments in the
// order given, folders sorted by name, then the manifest's rows.
func (in inputs) list(ctx context.Context, args []string) ([]series.Input, error) {
	var out []series.Input
	for _, arg := range args {
		more, err := in.argument(ctx, arg)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	if in.manifest != "" {
		rows, err := in.rows()
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	if len(out) == 0 {
		return nil, usage("no images: name files, globs, folders or - for standard input, or give --manifest")
	}
	return out, nil
}

func (in inputs) argument(ctx context.Context, arg string) ([]series.Input, error) {
	if arg == "-" {
		one := in.base
		one.Path = "-"
		one.Read = func() ([]byte, error) { return readInput(ctx, in.stdin, in.limit) }
		return []series.Input{one}, nil
	}
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.IsDir():
		return in.folder(arg)
	case err == nil || !errors.Is(err, fs.ErrNotExist):
		return []series.Input{in.file(arg)}, nil // what cannot be opened is told like any other bad input
	}
	names, globErr := filepath.Glob(arg)
	if globErr != nil || len(names) == 0 {
		return []series.Input{in.file(arg)}, nil // the missing file is told of like any other bad input
	}
	slices.Sort(names)
	var out []series.Input
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			continue
		}
		out = append(out, in.file(name))
	}
	return out, nil
}

func (in inputs) folder(dir string) ([]series.Input, error) {
	var out []series.Input
	real, err := filepath.EvalSymlinks(dir) // WalkDir does not follow a link, not even its root
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(real, func(path string, d fs.DirEntry, err error) error {
		shown := filepath.Join(dir, strings.TrimPrefix(path, real))
		if err != nil {
			if path == real {
				return err
			}
			one := in.file(shown) // a folder that cannot be read is told, and the others are
			one.Read = func() ([]byte, error) { return nil, err }
			out = append(out, one)
			return fs.SkipDir
		}
		if d.IsDir() {
			if path != real && (!in.recursive || strings.HasPrefix(d.Name(), ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if slices.Contains(imageSuffixes, strings.ToLower(filepath.Ext(path))) {
			out = append(out, in.file(shown))
		}
		return nil
	})
	if err == nil && len(out) == 0 && !in.recursive {
		err = usage("%s: no images in this folder; -r looks in the folders below it", dir)
	}
	return out, err
}

func (in inputs) file(path string) series.Input {
	one := in.base
	one.Path = path
	one.Read = func() ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return readBounded(f, path, in.limit)
	}
	return one
}

// readInput reads standard input, until it ends or ctx does: somebody may have
// typed "-" and be waiting.
func readInput(ctx context.Context, stdin io.Reader, limit int64) ([]byte, error) {
	type read struct {
		data []byte
		err  error
	}
	done := make(chan read, 1)
	go func() {
		data, err := readBounded(stdin, "standard input", limit)
		done <- read{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func readBounded(r io.Reader, name string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: more than %d bytes; raise --max-bytes if you trust it: %w", name, limit, assay.ErrInvalid)
	}
	return data, nil
}

// rows reads the manifest: CSV with a header, or JSON lines, by its suffix. A
// path that is not absolute is relative to the manifest's folder. Columns that
// are not path, prompt, negative, generator or parents become settings.
func (in inputs) rows() ([]series.Input, error) {
	f, err := os.Open(in.manifest)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var rows []map[string]string
	switch ext := strings.ToLower(filepath.Ext(in.manifest)); ext {
	case ".csv":
		rows, err = manifestCSV(f)
	case ".jsonl", ".ndjson":
		rows, err = manifestJSONL(f)
	default:
		return nil, usage("manifest %s: want a name ending in .csv or .jsonl, found %q", in.manifest, ext)
	}
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", in.manifest, err)
	}
	var out []series.Input
	for i, row := range rows {
		one, err := in.row(row)
		if err != nil {
			return nil, fmt.Errorf("manifest %s: row %d: %w", in.manifest, i+1, err)
		}
		out = append(out, one)
	}
	return out, nil
}

func (in inputs) row(row map[string]string) (series.Input, error) {
	path := row["path"]
	if path == "" {
		return series.Input{}, fmt.Errorf("no path: every row needs one: %w", assay.ErrInvalid)
	}
	at := path
	if !filepath.IsAbs(at) {
		at = filepath.Join(filepath.Dir(in.manifest), at)
	}
	one := in.file(at)
	one.Path = path // as the manifest names it
	one.Parents = slices.Clip(one.Parents)
	one.Settings = maps.Clone(one.Settings)
	for key, value := range row {
		switch key {
		case "path":
		case "prompt":
			one.Prompt = value
		case "negative":
			one.Negative = value
		case "generator":
			one.Generator = value
		case "parents":
			for id := range strings.FieldsSeq(strings.ReplaceAll(value, ",", " ")) {
				d, err := assay.ParseDigest(id)
				if err != nil {
					return one, fmt.Errorf("parents: %w", err)
				}
				if !slices.Contains(one.Parents, d) {
					one.Parents = append(one.Parents, d)
				}
			}
		default:
			if one.Settings == nil {
				one.Settings = map[string]string{}
			}
			one.Settings[key] = value
		}
	}
	return one, nil
}

func manifestCSV(r io.Reader) ([]map[string]string, error) {
	table := csv.NewReader(skipBOM(r))
	header, err := table.Read()
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	for i := range header {
		header[i] = strings.ToLower(strings.TrimSpace(header[i]))
	}
	if !slices.Contains(header, "path") {
		return nil, fmt.Errorf("header %q has no column path: %w", strings.Join(header, ","), assay.ErrInvalid)
	}
	var rows []map[string]string
	for {
		record, err := table.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		row := map[string]string{}
		for i, value := range record {
			row[header[i]] = value
		}
		rows = append(rows, row)
	}
}

// manifestLine bounds a line of a JSON manifest: prompts are long, not endless.
const manifestLine = 1 << 20

func manifestJSONL(r io.Reader) ([]map[string]string, error) {
	lines := bufio.NewScanner(skipBOM(r))
	lines.Buffer(nil, manifestLine)
	var rows []map[string]string
	for n := 1; lines.Scan(); n++ {
		if len(strings.TrimSpace(lines.Text())) == 0 {
			continue
		}
		var raw map[string]any
		parse := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		parse.UseNumber() // a seed must not become 1.2e+09
		if err := parse.Decode(&raw); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		row := map[string]string{}
		for key, value := range raw {
			switch v := value.(type) {
			case nil:
			case string:
				row[strings.ToLower(key)] = v
			case []any:
				row[strings.ToLower(key)] = strings.Trim(fmt.Sprint(v), "[]")
			case map[string]any:
				return nil, fmt.Errorf("line %d: %s: want a value, found an object: %w", n, key, assay.ErrInvalid)
			default:
				row[strings.ToLower(key)] = fmt.Sprint(v)
			}
		}
		rows = append(rows, row)
	}
	return rows, lines.Err()
}

// skipBOM drops a byte order mark, which spreadsheets like to write.
func skipBOM(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	if head, err := b.Peek(3); err == nil && string(head) == "\ufeff" {
		b.Discard(3)
	}
	return b
}

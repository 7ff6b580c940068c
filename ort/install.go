package ort

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gen-emerge/assay"
)

// InstallOptions adjust [Install]. The zero InstallOptions are a good choice.
type InstallOptions struct {
	CacheDir string       // assay's cache; "" means "assay" in the user's cache folder
	Log      func(string) // is told what happens, a sentence at a time; nil discards
}

// Install puts the pinned build of ONNX Runtime into the cache, where [Find]
// looks, and returns the library's path. A build that is there and whole is kept.
//
// The sources are tried in turn: the npm package onnxruntime-node with the npm
// command, which follows the user's own registry and proxy settings; the same
// package over HTTPS from the registry that npm_config_registry names, if it
// names one; and the Python package onnxruntime with pip. The release
// archives on GitHub are no source: no digest of them is pinned here.
//
// Whatever arrives must have the SHA-256 that is compiled in. The library is
// written beside its final name and renamed, so that no half file is ever found
// and two installations at once do not disturb one another.
//
// The error wraps [assay.ErrUnavailable] and says why each source failed.
func Install(ctx context.Context, opt InstallOptions) (string, error) {
	dir, err := cacheDir(opt.CacheDir)
	if err != nil {
		return "", err
	}
	in := installer{cache: dir, log: opt.Log, pins: pinned(runtime.GOOS, runtime.GOARCH), integrity: npmIntegrity}
	if in.log == nil {
		in.log = func(string) {}
	}
	return in.install(ctx)
}

// An installer is one call of [Install].
type installer struct {
	cache     string
	log       func(string)
	pins      []pin  // of this platform
	integrity string // of the npm package
}

// A source is one way to get a build. fetch passes the library's bytes to save.
type source struct {
	name  string
	fetch func(ctx context.Context, p pin, save func(io.Reader) error) error
}

func (in installer) install(ctx context.Context) (string, error) {
	if len(in.pins) == 0 {
		return "", fmt.Errorf("there is no pinned build of ONNX Runtime for %s/%s; set %s to the file of a library you trust: %w",
			runtime.GOOS, runtime.GOARCH, EnvLib, assay.ErrUnavailable)
	}
	for _, p := range in.pins {
		path := p.path(in.cache)
		switch err := verify(path, p); {
		case err == nil:
			in.log(path + " is there already")
			return path, nil
		case !errors.Is(err, fs.ErrNotExist):
			in.log(fmt.Sprintf("%s cannot be used and is fetched again: %v", path, err))
		}
	}
	ways := map[string][]source{
		"npm": {{"npm pack", in.npmPack}, {"npm registry", in.registry}},
		"pip": {{"pip download", pipDownload}},
	}
	var failed []string
	for _, p := range in.pins {
		for _, s := range ways[p.archive] {
			in.log(fmt.Sprintf("fetching ONNX Runtime %s with %s", Version, s.name))
			path := p.path(in.cache)
			err := s.fetch(ctx, p, func(r io.Reader) error { return store(r, path, p) })
			if err == nil {
				in.log("installed " + path)
				return path, nil
			}
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
			in.log(fmt.Sprintf("%s failed: %v", s.name, err))
			failed = append(failed, fmt.Sprintf("%s: %v", s.name, err))
		}
	}
	return "", fmt.Errorf("ONNX Runtime %s was not installed: %s; set %s to a library you have: %w",
		Version, strings.Join(failed, "; "), EnvLib, assay.ErrUnavailable)
}

// verify checks that the file at path is the pinned build.
func verify(path string, p pin) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return p.check(io.Discard, f)
}

// check copies r to w and reports whether it was the pinned build.
func (p pin) check(w io.Writer, r io.Reader) error {
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, h), io.LimitReader(r, p.size+1))
	if err != nil {
		return err
	}
	if n != p.size {
		return fmt.Errorf("the library has %d bytes or more, want %d: %w", n, p.size, assay.ErrInvalid)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != p.sha256 {
		return fmt.Errorf("the library has SHA-256 %s, want %s: %w", got, p.sha256, assay.ErrInvalid)
	}
	return nil
}

// store writes the library to path, if it is the pinned build.
func store(r io.Reader, path string, p pin) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once the file has its final name
	err = p.check(f, r)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		// On Windows a library in use cannot be replaced; it will do if it is the same.
		if verify(path, p) == nil {
			return nil
		}
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename in dir durable where the system lets one.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

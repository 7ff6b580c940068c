package ort

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mine.so")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(EnvLib, "")

	if lib, err := Find(t.Context(), FindOptions{Path: file}); err != nil || lib.Path != file {
		t.Errorf("a path: %+v, %v", lib, err)
	}
	t.Setenv(EnvLib, file)
	if lib, err := Find(t.Context(), FindOptions{}); err != nil || lib.Path != file || lib.From != EnvLib {
		t.Errorf("%s: %+v, %v", EnvLib, lib, err)
	}

	// What somebody chose must be there; nothing else is tried.
	for _, bad := range []string{filepath.Join(dir, "none.so"), dir} {
		t.Setenv(EnvLib, bad)
		_, err := Find(t.Context(), FindOptions{})
		if !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), bad) || !strings.Contains(fmt.Sprint(err), EnvLib) {
			t.Errorf("%s=%s: error %v", EnvLib, bad, err)
		}
		if _, err := Find(t.Context(), FindOptions{Path: bad}); !errors.Is(err, assay.ErrUnavailable) {
			t.Errorf("path %s: error %v", bad, err)
		}
	}

	t.Setenv(EnvLib, "")
	for _, p := range pinned(runtime.GOOS, runtime.GOARCH) {
		cache := t.TempDir()
		path := p.path(cache)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if lib, err := Find(t.Context(), FindOptions{CacheDir: cache}); err != nil || lib.Path != path {
			t.Errorf("cache: %+v, %v; want %s", lib, err, path)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Find(ctx, FindOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestFindNothing(t *testing.T) {
	t.Setenv(EnvLib, "")
	cache := t.TempDir()
	lib, err := Find(t.Context(), FindOptions{CacheDir: cache})
	if err == nil {
		t.Skipf("this machine has a library: %+v", lib)
	}
	for _, s := range []string{"assay runtime install", EnvLib, cache} {
		if !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), s) {
			t.Errorf("error %v does not say %q", err, s)
		}
	}
}

func TestCandidatesOrder(t *testing.T) {
	var from []string
	for _, c := range candidates(t.TempDir()) {
		if len(from) == 0 || from[len(from)-1] != c.from {
			from = append(from, c.from)
		}
	}
	want := "[beside the program cache system the system's loader]"
	if runtime.GOOS == "linux" && fmt.Sprint(from) != want {
		t.Errorf("order %v, want %s", from, want)
	}
}

func TestOpenWrongFiles(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(text, []byte("this is no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{text, filepath.Join(t.TempDir(), "none.so")} {
		rt, err := Open(Library{Path: path})
		if !errors.Is(err, assay.ErrUnavailable) || rt != nil || !strings.Contains(fmt.Sprint(err), path) {
			t.Errorf("%s: error %v", path, err)
		}
	}
	if runtime.GOOS == "linux" {
		if _, err := Open(Library{Path: "libm.so.6"}); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(fmt.Sprint(err), "not an ONNX Runtime library") {
			t.Errorf("another library: error %v", err)
		}
	}
}

// TestPins checks the table of trusted builds for slips of the pen.
func TestPins(t *testing.T) {
	digest := regexp.MustCompile("^[0-9a-f]{64}$")
	seen := map[string]bool{}
	count := map[string]int{}
	for _, p := range pins {
		if !digest.MatchString(p.sha256) || seen[p.sha256] {
			t.Errorf("%s/%s from %s: digest %q is malformed or there twice", p.goos, p.goarch, p.archive, p.sha256)
		}
		seen[p.sha256] = true
		if p.size < 10e6 || p.size > 100e6 || p.archive != "npm" && p.archive != "pip" || (p.platform == "") != (p.archive == "npm") {
			t.Errorf("%+v", p)
		}
		count[p.goos+"/"+p.goarch]++
	}
	for platform, n := range count {
		if n != 2 {
			t.Errorf("%s has %d builds, want one from npm and one from pip", platform, n)
		}
	}
	if len(count) != 5 {
		t.Errorf("builds for %d platforms, want 5", len(count))
	}
}

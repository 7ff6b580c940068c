package weights

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
)

// A fileServer serves content at any path, unless answer takes the request.
type fileServer struct {
	*httptest.Server
	content []byte
	etag    string

	mu       sync.Mutex
	requests []string // path and Range of each request
	answer   func(n int, w http.ResponseWriter, r *http.Request) bool
}

func newFileServer(t *testing.T, content []byte) *fileServer {
	s := &fileServer{content: content, etag: `"v1"`}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *fileServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")))
	n := len(s.requests)
	s.mu.Unlock()
	if s.answer != nil && s.answer(n, w, r) {
		return
	}
	w.Header().Set("ETag", s.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.content))
}

// cut sends the first n bytes of a whole answer and drops the connection.
func (s *fileServer) cut(w http.ResponseWriter, n int) {
	w.Header().Set("Content-Length", fmt.Sprint(len(s.content)))
	w.Header().Set("ETag", s.etag)
	w.Write(s.content[:n])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// content of 400 kB: several reads, no two pieces alike.
func testContent() []byte {
	var buf bytes.Buffer
	for i := 0; buf.Len() < 400_000; i++ {
		fmt.Fprintf(&buf, "%d,", i)
	}
	return buf.Bytes()
}

// served is a cache whose model "m" is at the server.
func served(t *testing.T, s *fileServer) *Cache {
	c, _ := testCache(t, s.content)
	c.Models[0].Files[0].URL = s.URL + "/official/f.bin"
	return c
}

// quick does not wait between attempts.
func quick() PullOptions { return PullOptions{Pause: time.Millisecond, Attempts: 2} }

func mustHave(t *testing.T, c *Cache, content []byte) {
	t.Helper()
	files, err := c.Files("m")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(files["f.bin"]); err != nil || !bytes.Equal(got, content) {
		t.Errorf("installed %d other bytes, %v", len(got), err)
	}
	if left, _ := filepath.Glob(files["f.bin"] + ".part*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPull(t *testing.T) {
	s := newFileServer(t, testContent())
	c := served(t, s)
	var done, total int64
	opt := quick()
	opt.Progress = func(file string, d, n int64) {
		if file != "f.bin" || d < done || d > n {
			t.Errorf("progress %s %d/%d after %d", file, d, n, done)
		}
		done, total = d, n
	}
	if err := c.Pull(t.Context(), "m", opt); err != nil {
		t.Fatal(err)
	}
	mustHave(t, c, s.content)
	if size := int64(len(s.content)); done != size || total != size {
		t.Errorf("progress ended at %d/%d", done, total)
	}
	if err := c.Pull(t.Context(), "m", quick()); err != nil || len(s.requests) != 1 {
		t.Errorf("a second pull: %v, requests %q", err, s.requests)
	}
	if err := c.Pull(t.Context(), "nope", quick()); !errors.Is(err, assay.ErrNotFound) {
		t.Errorf("an unknown model: %v", err)
	}
}

// TestPullResumes cuts the first answer, within one Pull and between two.
func TestPullResumes(t *testing.T) {
	s := newFileServer(t, testContent())
	s.answer = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n == 1 {
			s.cut(w, 150_000)
		}
		return false
	}
	c := served(t, s)
	opt := quick()
	opt.Attempts = 1
	if err := c.Pull(t.Context(), "m", opt); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "150000 of") {
		t.Fatalf("a cut download: %v", err)
	}
	if err := c.Pull(t.Context(), "m", opt); err != nil {
		t.Fatal(err)
	}
	mustHave(t, c, s.content)
	if len(s.requests) != 2 || s.requests[1] != "/official/f.bin bytes=150000-" {
		t.Errorf("requests %q, want the second to resume", s.requests)
	}

	// Each answer breaks off 100 kB farther: every attempt counts anew.
	again := newFileServer(t, s.content)
	again.answer = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n <= 3 {
			from := (n - 1) * 100_000
			w.Header().Set("Content-Length", fmt.Sprint(len(again.content)-from))
			if from > 0 {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(again.content)-1, len(again.content)))
				w.WriteHeader(http.StatusPartialContent)
			}
			w.Write(again.content[from : from+100_000])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		return false
	}
	c = served(t, again)
	if err := c.Pull(t.Context(), "m", quick()); err != nil {
		t.Fatal(err)
	}
	mustHave(t, c, again.content)
	if len(again.requests) != 4 {
		t.Errorf("requests %q, want 4", again.requests)
	}
}

// TestPullStartsOver covers servers that do not resume, files that changed, and
// parts of something else.
func TestPullStartsOver(t *testing.T) {
	content := testContent()
	for name, setup := range map[string]func(*fileServer){
		"no ranges": func(s *fileServer) {
			s.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool { w.Write(s.content); return true }
		},
		"changed": func(s *fileServer) { s.etag = `"v2"` },
		"weak":    func(s *fileServer) { s.etag = `W/"v1"` },
		"wrong range": func(s *fileServer) {
			s.answer = func(n int, w http.ResponseWriter, r *http.Request) bool {
				if n > 1 {
					return false
				}
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 7-%d/%d", len(content)-1, len(content)))
				w.WriteHeader(http.StatusPartialContent)
				return true
			}
		},
		"416": func(s *fileServer) {
			s.answer = func(n int, w http.ResponseWriter, r *http.Request) bool {
				if n == 1 {
					w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				}
				return n == 1
			}
		},
		"other bytes": func(s *fileServer) {},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFileServer(t, content)
			setup(s)
			c := served(t, s)
			path := install(t, c, nil)
			os.Remove(path)
			part := bytes.Clone(content[:1000])
			if name == "other bytes" {
				part[0] ^= 1
			} else {
				os.WriteFile(path+".part.tag", []byte(s.URL+"/official/f.bin\n\"v1\"\n"), 0o644)
			}
			os.WriteFile(path+".part", part, 0o644)
			if err := c.Pull(t.Context(), "m", quick()); err != nil {
				t.Fatal(err)
			}
			mustHave(t, c, content)
			if !strings.Contains(s.requests[0], "bytes=1000-") {
				t.Errorf("requests %q: the first did not try to resume", s.requests)
			}
		})
	}
}

func TestPullRefuses(t *testing.T) {
	content := testContent()
	other := bytes.Clone(content)
	other[5] ^= 1
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		is     error
		want   string
	}{
		"wrong digest": {func(w http.ResponseWriter) { w.Write(other) }, assay.ErrConflict, "has SHA-256"},
		"a page":       {func(w http.ResponseWriter) { io.WriteString(w, "<html>log in") }, assay.ErrConflict, "the server has 12 bytes"},
		"404":          {func(w http.ResponseWriter) { w.WriteHeader(404) }, assay.ErrUnavailable, "404 Not Found"},
		"403":          {func(w http.ResponseWriter) { w.WriteHeader(403) }, assay.ErrUnavailable, "403 Forbidden"},
		"500":          {func(w http.ResponseWriter) { w.WriteHeader(500) }, assay.ErrUnavailable, "500"},
		"too long": {func(w http.ResponseWriter) {
			w.(http.Flusher).Flush() // chunked: no length is announced
			w.Write(append(bytes.Clone(content), 1))
		}, assay.ErrUnavailable, "more bytes than"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFileServer(t, content)
			s.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool { c.answer(w); return true }
			cache := served(t, s)
			err := cache.Pull(t.Context(), "m", quick())
			if !errors.Is(err, c.is) {
				t.Fatalf("got %v, want %v", err, c.is)
			}
			for _, w := range []string{c.want, s.URL, "f.bin"} {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if _, err := cache.Files("m"); !errors.Is(err, assay.ErrUnavailable) {
				t.Errorf("it is installed all the same: %v", err)
			}
		})
	}
}

func TestPullFromURLMirror(t *testing.T) {
	s := newFileServer(t, testContent())
	c, f := testCache(t, s.content) // its official address does not exist
	opt := quick()
	opt.Mirror = s.URL + "/mirror/"
	if err := c.Pull(t.Context(), "m", opt); err != nil {
		t.Fatal(err)
	}
	mustHave(t, c, s.content)
	if len(s.requests) != 1 || s.requests[0] != "/mirror/"+f.SHA256 {
		t.Errorf("requests %q, want the digest first", s.requests)
	}

	named := newFileServer(t, s.content)
	named.answer = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/f.bin") {
			w.WriteHeader(404)
			return true
		}
		return false
	}
	c, _ = testCache(t, s.content)
	opt.Mirror = named.URL
	if err := c.Pull(t.Context(), "m", opt); err != nil {
		t.Fatal(err)
	}
	mustHave(t, c, s.content)

	empty := httptest.NewServer(http.NotFoundHandler())
	defer empty.Close()
	c, _ = testCache(t, s.content)
	opt.Mirror = empty.URL
	err := c.Pull(t.Context(), "m", opt)
	if !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), EnvMirror) ||
		!strings.Contains(err.Error(), f.SHA256) || !strings.Contains(err.Error(), "/f.bin") {
		t.Errorf("an empty mirror: %v", err)
	}
	opt.Mirror = "ftp://host/x"
	if err := c.Pull(t.Context(), "m", opt); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("an ftp mirror: %v", err)
	}
}

func TestPullFromFolder(t *testing.T) {
	content := testContent()
	mirror := t.TempDir()
	opt := quick()
	opt.Mirror = mirror
	c, f := testCache(t, content)
	if err := c.Pull(t.Context(), "m", opt); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), f.SHA256) {
		t.Errorf("an empty folder: %v", err)
	}
	decoy := bytes.Clone(content)
	decoy[0] ^= 1 // right name and size
	for name, data := range map[string][]byte{"f.bin": decoy, "a/b/renamed": content} {
		path := filepath.Join(mirror, filepath.FromSlash(name))
		os.MkdirAll(filepath.Dir(path), 0o755)
		os.WriteFile(path, data, 0o644)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(mirror, link); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{mirror, link} {
		c, _ = testCache(t, content)
		opt.Mirror = folder
		if err := c.Pull(t.Context(), "m", opt); err != nil {
			t.Fatal(err)
		}
		mustHave(t, c, content)
	}
	opt.Mirror = filepath.Join(mirror, "none")
	c, _ = testCache(t, content)
	if err := c.Pull(t.Context(), "m", opt); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "not a folder") {
		t.Errorf("no folder: %v", err)
	}
}

// TestPullTogether: two pulls at once make one download.
func TestPullTogether(t *testing.T) {
	s := newFileServer(t, testContent())
	s.answer = func(int, http.ResponseWriter, *http.Request) bool { time.Sleep(20 * time.Millisecond); return false }
	c := served(t, s)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := c.Pull(t.Context(), "m", quick()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	mustHave(t, c, s.content)
	if len(s.requests) != 1 {
		t.Errorf("%d requests, want 1", len(s.requests))
	}
}

// TestPullCancelled keeps the part; so does a server that falls silent.
func TestPullCancelled(t *testing.T) {
	for _, name := range []string{"cancel", "stall"} {
		t.Run(name, func(t *testing.T) {
			s := newFileServer(t, testContent())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s.answer = func(n int, w http.ResponseWriter, r *http.Request) bool {
				if n > 1 {
					return false
				}
				w.Header().Set("Content-Length", fmt.Sprint(len(s.content)))
				w.Write(s.content[:100_000])
				w.(http.Flusher).Flush()
				<-r.Context().Done() // until the client gives up
				return true
			}
			c := served(t, s)
			opt := PullOptions{Attempts: 1, Stall: 50 * time.Millisecond}
			want := "nothing was received for 50ms"
			if name == "cancel" {
				opt.Stall, want = 0, context.Canceled.Error()
				opt.Progress = func(_ string, done, _ int64) {
					if done == 100_000 {
						cancel()
					}
				}
			}
			err := c.Pull(ctx, "m", opt)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("got %v, want %q", err, want)
			}
			part, statErr := os.Stat(filepath.Join(c.Dir, "m", "f.bin.part"))
			if statErr != nil || part.Size() != 100_000 {
				t.Fatalf("the part is not kept: %v", statErr)
			}
			if err := c.Pull(t.Context(), "m", quick()); err != nil {
				t.Fatal(err)
			}
			mustHave(t, c, s.content)
			if s.requests[1] != "/official/f.bin bytes=100000-" {
				t.Errorf("requests %q", s.requests)
			}
		})
	}
}

// limitedDisk fails like a full disk after n bytes, the last write in part.
func limitedDisk(n int) func(*os.File) io.Writer {
	return func(f *os.File) io.Writer { return &fullDisk{f, n} }
}

type fullDisk struct {
	f    *os.File
	left int
}

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) <= d.left {
		d.left -= len(p)
		return d.f.Write(p)
	}
	n, _ := d.f.Write(p[:d.left])
	d.left = 0
	return n, &os.PathError{Op: "write", Path: d.f.Name(), Err: syscall.ENOSPC}
}

func TestPullDiskFull(t *testing.T) {
	s := newFileServer(t, testContent())
	c := served(t, s)
	opt := quick()
	opt.sink = limitedDisk(200_001)
	err := c.Pull(t.Context(), "m", opt)
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "200001 of") || !strings.Contains(err.Error(), "free space") {
		t.Fatalf("got %v", err)
	}
	if len(s.requests) != 1 {
		t.Errorf("%d requests: a full disk is not mended by asking again", len(s.requests))
	}
	if err := c.Pull(t.Context(), "m", quick()); err != nil {
		t.Fatal(err)
	}
	mustHave(t, c, s.content)
	if s.requests[1] != "/official/f.bin bytes=200001-" {
		t.Errorf("requests %q", s.requests)
	}
}

// TestPullRepairs replaces a damaged file.
func TestPullRepairs(t *testing.T) {
	s := newFileServer(t, testContent())
	c := served(t, s)
	install(t, c, []byte("damaged"))
	if err := c.Pull(t.Context(), "m", quick()); err != nil {
		t.Fatal(err)
	}
	mustHave(t, c, s.content)
	sum := sha256.Sum256(s.content)
	if v, _ := recall(filepath.Join(c.Dir, "m", "f.bin")); v.SHA256 != hex.EncodeToString(sum[:]) || v.Pinned {
		t.Errorf("remembered %+v", v)
	}
}

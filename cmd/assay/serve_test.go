package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// serveForTest runs a command that serves pages, until the test ends, and
// returns the link it prints.
func serveForTest(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, args, world{getenv: func(string) string { return "" }, in: strings.NewReader(""), out: w, err: t.Output()})
		w.Close()
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case status := <-ended:
			if status != exitDone {
				t.Errorf("assay %s ended with status %d", strings.Join(args, " "), status)
			}
		case <-time.After(20 * time.Second):
			t.Error("the server did not stop")
		}
	})
	link := regexp.MustCompile(`http://\S+`)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if found := link.FindString(lines.Text()); found != "" {
			go io.Copy(io.Discard, out)
			return found
		}
	}
	t.Fatal("no link was printed")
	return ""
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestServe(t *testing.T) {
	dir, pics := t.TempDir(), t.TempDir()
	quiet := world{getenv: func(string) string { return "" }, in: strings.NewReader(""), out: io.Discard, err: t.Output()}
	for seed := range 3 {
		if err := os.WriteFile(filepath.Join(pics, string(rune('a'+seed))+".png"), testPicture(seed+1, 96), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if status := run(t.Context(), []string{"init", dir}, quiet); status != exitDone {
		t.Fatalf("init: status %d", status)
	}
	if status := run(t.Context(), []string{"add", pics, "--dir", dir}, quiet); status != exitDone {
		t.Fatalf("add: status %d", status)
	}
	link := serveForTest(t, "serve", "--dir", dir, "--addr", "127.0.0.1:0")
	if status, body := get(t, link); status != http.StatusOK || !strings.Contains(body, "edge-density") {
		t.Errorf("the map: status %d, %d bytes", status, len(body))
	}
	if status, _ := get(t, link+"blob/"+strings.Repeat("0", 64)); status != http.StatusNotFound {
		t.Errorf("a picture that is not in the series: status %d", status)
	}
	// Another address wants a token, which is part of the link.
	open := serveForTest(t, "serve", "--dir", dir, "--addr", "0.0.0.0:0")
	base, token, ok := strings.Cut(open, "?token=")
	if !ok || len(token) < 20 {
		t.Fatalf("link %s has no token", open)
	}
	if strings.Contains(base, "[::]") || strings.Contains(base, "0.0.0.0") {
		t.Errorf("nobody can open the link %s", open)
	}
	if status, _ := get(t, base); status != http.StatusUnauthorized {
		t.Errorf("without the token: status %d, want 401", status)
	}
}

// Standard input that never ends does not keep a stopped program.
func TestStopWhileReading(t *testing.T) {
	dir := t.TempDir()
	never, w := io.Pipe()
	defer w.Close()
	quiet := world{getenv: func(string) string { return "" }, in: never, out: io.Discard, err: t.Output()}
	if status := run(t.Context(), []string{"init", dir}, quiet); status != exitDone {
		t.Fatalf("init: status %d", status)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	start := time.Now()
	if status := run(ctx, []string{"add", "-", "--dir", dir}, quiet); status != exitFailed {
		t.Errorf("status %d, want %d", status, exitFailed)
	}
	if d := time.Since(start); d > 15*time.Second {
		t.Errorf("it took %v to stop", d)
	}
}

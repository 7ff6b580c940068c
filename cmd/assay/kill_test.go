package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A binary is the program, built as it is released, without the race detector.
type binary struct {
	path string
	env  []string
}

func buildBinary(t *testing.T) binary {
	t.Helper()
	b := binary{path: filepath.Join(t.TempDir(), "assay")}
	build := exec.Command("go", "build", "-o", b.path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	b.env = append(os.Environ(), "ASSAY_NO_INSTALL=1", "ASSAY_MODELS="+t.TempDir())
	return b
}

// run runs a command to its end and returns its standard output. Status 3, done
// but something was refused, is an end like another.
func (b binary) run(t *testing.T, args ...string) []byte {
	t.Helper()
	c := exec.Command(b.path, args...)
	c.Env = b.env
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == exitPartial) {
		t.Fatalf("assay %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}

// runAndKill runs a command and kills it when wait returns, which is sent a word
// for every line the command prints. It reports whether the command still ran.
func (b binary) runAndKill(t *testing.T, wait func(told <-chan struct{}), args ...string) bool {
	t.Helper()
	c := exec.Command(b.path, args...)
	c.Env = b.env
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	told, ended := make(chan struct{}, 1<<16), make(chan error, 1)
	go func() { // ends with the command
		for lines := bufio.NewReader(out); ; told <- struct{}{} {
			if _, err := lines.ReadBytes('\n'); err != nil {
				break
			}
		}
		close(told)
		ended <- c.Wait()
	}()
	wait(told)
	c.Process.Kill()
	<-ended
	return !c.ProcessState.Exited()
}

// realManifest writes a manifest of 355 real images: 145 of five text-to-image
// models and photographs with their prompts, ten with ComfyUI metadata, and 200
// of an artist grid.
func realManifest(t *testing.T, data, dir string) (string, int) {
	t.Helper()
	prompts := map[string]string{}
	f, err := os.Open(filepath.Join(data, "human/avt_ai_images/images__prompts.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		prompts[row[0]] = row[1]
	}
	var paths []string
	for _, kind := range []struct {
		pattern string
		most    int
	}{{"human/avt_ai_images/images_384/*/*.jpg", 145}, {"series/comfyui_workflows/*.png", 10}, {"series/sd_artist_grid/grid_512/*.jpg", 200}} {
		names, err := filepath.Glob(filepath.Join(data, kind.pattern))
		if err != nil || len(names) < kind.most {
			t.Fatalf("%s: %d files, want %d (%v)", kind.pattern, len(names), kind.most, err)
		}
		paths = append(paths, names[:kind.most]...)
	}
	// One order for every run, in which kinds are mixed as in a real series.
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	var buf bytes.Buffer
	for _, p := range paths {
		line, err := json.Marshal(map[string]string{"path": p, "prompt": prompts[strings.TrimSuffix(filepath.Base(p), ".jpg")]})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&buf, "%s\n", line)
	}
	name := filepath.Join(dir, "real.jsonl")
	if err := os.WriteFile(name, buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return name, len(paths)
}

// results reads what add -o jsonl printed, by path, without what differs
// between a first and a second telling.
func results(t *testing.T, out []byte) map[string]any {
	t.Helper()
	byPath := map[string]any{}
	for line := range bytes.Lines(out) {
		var r map[string]any
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		delete(r, "known")
		path := r["path"].(string)
		if byPath[path] != nil {
			t.Errorf("%s was told twice", path)
		}
		byPath[path] = r
	}
	return byPath
}

// TestKill kills adds of real images with SIGKILL at random moments, twenty
// times, and lets the last one end: no image may be lost, none counted twice,
// and the archive must be that of an undisturbed run.
func TestKill(t *testing.T) {
	data := needData(t)
	if testing.Short() {
		t.Skip("-short: this adds 355 images many times over")
	}
	b := buildBinary(t)
	manifest, n := realManifest(t, data, t.TempDir())
	calm, rough := t.TempDir(), t.TempDir()
	b.run(t, "init", calm)
	b.run(t, "init", rough)

	start := time.Now()
	want := results(t, b.run(t, "add", "--manifest", manifest, "--dir", calm, "-o", "jsonl"))
	whole := time.Since(start)
	if len(want) != n {
		t.Fatalf("%d results for %d images", len(want), n)
	}
	for path, r := range want {
		switch outcome := r.(map[string]any)["outcome"]; outcome {
		case "added", "challenger":
		case "refused":
			if !strings.Contains(fmt.Sprint(r), "verdict:fail") {
				t.Errorf("%s is refused without a reason: %v", path, r)
			}
		default:
			t.Errorf("%s: outcome %v", path, outcome)
		}
	}
	t.Logf("%d images in %.1f s undisturbed", n, whole.Seconds())

	for kill := range 20 {
		killed := b.runAndKill(t, func(told <-chan struct{}) {
			if kill%2 == 0 { // early, where a run starts and computes thresholds
				time.Sleep(time.Duration(rand.Float64() * float64(whole) / 8))
				return
			}
			for range kill * n / 20 { // further on each time, among the images
				if _, ok := <-told; !ok {
					return
				}
			}
		}, "add", "--manifest", manifest, "--dir", rough, "-o", "jsonl")
		if !killed {
			t.Logf("run %d ended before it was killed", kill)
		}
	}
	last := b.run(t, "add", "--manifest", manifest, "--dir", rough, "-o", "jsonl")
	t.Logf("the last run knew %d of %d", bytes.Count(last, []byte(`"known":true`)), n)
	got := results(t, last)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-undisturbed +killed:\n%s", diff)
	}
	mapOf := func(dir string) string { return string(b.run(t, "archive", "--dir", dir, "--json")) }
	if diff := cmp.Diff(mapOf(calm), mapOf(rough)); diff != "" {
		t.Errorf("the archives differ: -undisturbed +killed:\n%s", diff)
	}
	if found := string(b.run(t, "doctor", "--dir", rough)); !strings.Contains(found, "every fact and every image is whole") {
		t.Errorf("doctor: %s", found)
	}
}

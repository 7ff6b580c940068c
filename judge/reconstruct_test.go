package judge

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// A painter's pictures are what it was told, and the seed.
type painter struct {
	fail int
	made *int
}

func (p painter) Generate(_ context.Context, caption string, seed int64) ([]byte, error) {
	if *p.made++; *p.made == p.fail {
		return nil, errGone
	}
	return fmt.Appendf(nil, "%s %d", caption, seed), nil
}

// byWords is the share of the caption's words that a picture was not made of.
func byWords(_ context.Context, a, b []byte) (float64, error) {
	words := strings.Fields(string(a))
	missing := 0.0
	for _, w := range words {
		if !strings.Contains(string(b), w) {
			missing++
		}
	}
	return missing/float64(len(words)) + float64(len(b)%7)/1000, nil
}

func TestReconstruct(t *testing.T) {
	s := subject("a red boat on a lake")
	m, f := model(canNothing, func(vlm.Request) (vlm.Reply, error) { return says("--help \"picture of a red\nboat on a lake\""), nil })
	wrong := []string{"a green barn", "portrait of a king", "fog", "picture of a red boat on a lake", "stones on a lake", ""}
	made := 0
	r, err := Reconstruct(t.Context(), m, s, painter{made: &made}, byWords, wrong, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Caption != "help \"picture of a red boat on a lake" || len(r.Own) != 4 || len(r.Null) != 5 || made != 9 || f.count() != 1 {
		t.Fatalf("%+v", r)
	}
	slices.Sort(r.Seeds)
	if len(slices.Compact(r.Seeds)) != 4 {
		t.Errorf("seeds %v", r.Seeds)
	}
	if r.Low == nil || !(*r.Low <= r.Difference && r.Difference <= *r.High) || r.Difference < .2 {
		t.Errorf("difference %g", r.Difference)
	}
	if text, err := json.Marshal(r); err != nil || strings.Contains(strings.ToLower(string(text)), "quality") {
		t.Errorf("%s %v", text, err)
	}
}

func TestReconstructionQuantile(t *testing.T) {
	for _, c := range []struct {
		own, null []float64
		quantile  float64
		interval  bool
	}{
		{[]float64{.1, .2, .1, .2}, []float64{.5, .6, .7, .8}, 0, true},
		{[]float64{.5, .5, .5, .5}, []float64{.5, .5, .5, .5}, .5, true},
		{[]float64{.5}, []float64{.1, .9}, .5, false},
		{[]float64{.9, .9, .9, .9}, []float64{.1, .2, .3}, 1, false},
	} {
		r := Reconstruction{Own: c.own, Null: c.null}
		if err := r.conclude(1); err != nil {
			t.Fatal(err)
		}
		near(t, "quantile", r.Quantile, c.quantile, 1e-12)
		near(t, "difference", r.Difference, mean(c.null)-mean(c.own), 1e-12)
		if (r.Low != nil) != c.interval || c.interval && !(*r.Low <= r.Difference && r.Difference <= *r.High) {
			t.Errorf("%+v", r)
		}
	}
}

func TestReconstructFails(t *testing.T) {
	s := subject("a")
	m, _ := model(canNothing, func(vlm.Request) (vlm.Reply, error) { return says("a picture"), nil })
	made := 0
	r, err := Reconstruct(t.Context(), m, s, painter{fail: 3, made: &made}, byWords, []string{"fog"}, Options{})
	if !errors.Is(err, errGone) || len(r.Own) != 2 || r.Caption == "" {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := Reconstruct(t.Context(), m, s, painter{made: &made}, byWords, []string{"a picture", " "}, Options{}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("no null: %v", err)
	}
	m, _ = model(canNothing, func(vlm.Request) (vlm.Reply, error) { return vlm.Reply{Refusal: "no"}, nil })
	if r, err := Reconstruct(t.Context(), m, s, painter{made: &made}, byWords, []string{"fog"}, Options{}); err != nil || r.Abstained != "refused: no" {
		t.Errorf("%+v %v", r, err)
	}
}

func TestCleanCaption(t *testing.T) {
	for in, want := range map[string]string{
		"--steps 9; rm -rf": "steps 9; rm -rf", "@file": "file", " a\x00b\tc\n": "a b c", "“A boat.”": "A boat.", "- ": "",
		strings.Repeat("w ", 100): strings.TrimSpace(strings.Repeat("w ", captionWords)),
	} {
		if got := cleanCaption(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestGeneratorProcess is a user's generator, in a process of its own.
func TestGeneratorProcess(t *testing.T) {
	mode := os.Getenv("ASSAY_TEST_GENERATOR")
	if i := slices.Index(os.Args, "--"); mode != "" && i > 0 {
		os.Exit(generate(mode, os.Args[i+1:]))
	}
}

func generate(mode string, args []string) int {
	fmt.Println("arguments", strings.Join(args, "|"))
	switch mode {
	case "fail":
		fmt.Fprintln(os.Stderr, "out of memory")
		return 3
	case "sleep":
		time.Sleep(time.Minute)
	case "nothing":
		return 0
	case "text":
		os.WriteFile(args[2], []byte(strings.Join(args, "|")), 0o600)
		return 0
	}
	data, err := os.ReadFile(os.Getenv("ASSAY_TEST_PICTURE"))
	if err != nil || args[0] != "a {seed} $HOME; `id` \"quoted\"" || args[1] != "--seed=42" {
		fmt.Println(err, args)
		return 4
	}
	if err := os.WriteFile(args[2], data, 0o600); err != nil {
		return 5
	}
	return 0
}

func TestCommandGenerator(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	picture := drawnSubject(t, 8, 8, color.RGBA{1, 2, 3, 255}).Sent.Data
	file := t.TempDir() + "/picture.png"
	if err := os.WriteFile(file, picture, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ASSAY_TEST_PICTURE", file)
	g := CommandGenerator{Args: []string{exe, "-test.run=^TestGeneratorProcess$", "--", "{caption}", "--seed={seed}", "{out}"}}
	caption := "a {seed} $HOME; `id` \"quoted\"" // one argument, as it stands
	t.Setenv("ASSAY_TEST_GENERATOR", "paint")
	got, err := g.Generate(t.Context(), caption, 42)
	if err != nil || !slices.Equal(got, picture) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if _, err := (CommandGenerator{Args: g.Args, Bytes: 20}).Generate(t.Context(), caption, 42); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("too long: %v", err)
	}
	for mode, want := range map[string]string{"fail": "out of memory", "nothing": "wrote nothing to {out}", "text": "generator "} {
		t.Setenv("ASSAY_TEST_GENERATOR", mode)
		if _, err := g.Generate(t.Context(), caption, 42); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", mode, err)
		}
	}
	t.Setenv("ASSAY_TEST_GENERATOR", "sleep")
	g.Timeout = 200 * time.Millisecond
	start := time.Now()
	if _, err := g.Generate(t.Context(), caption, 42); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 20*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
	for _, args := range [][]string{nil, {exe, "{caption}"}} {
		if _, err := (CommandGenerator{Args: args}).Generate(t.Context(), caption, 42); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestHTTPGenerator(t *testing.T) {
	picture := drawnSubject(t, 8, 8, color.RGBA{1, 2, 3, 255}).Sent.Data
	encoded := base64.StdEncoding.EncodeToString(picture)
	var body string
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || string(sent) != `{"caption":"a \"boat\"","seed":42}` || r.Header.Get("Authorization") != "Bearer k" {
			t.Errorf("%s %s %v %v", r.Method, sent, r.Header, err)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	defer server.Close()
	g := HTTPGenerator{URL: server.URL + "/make?key=secret", Header: http.Header{"Authorization": {"Bearer k"}}}
	for _, ok := range []string{string(picture), `{"image":"` + encoded + `"}`, ` {"image":"data:image/png;base64,` + encoded + `"}`} {
		body = ok
		got, err := g.Generate(t.Context(), `a "boat"`, 42)
		if err != nil || !slices.Equal(got, picture) {
			t.Errorf("%.30q: %d bytes, %v", ok, len(got), err)
		}
	}
	for _, bad := range []string{"", "no picture", `{"image":""}`, `{"image":"%%"}`, `{"picture":1}`, `{"image":`} {
		body = bad
		if _, err := g.Generate(t.Context(), `a "boat"`, 42); !errors.Is(err, assay.ErrInvalid) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	status, body = http.StatusServiceUnavailable, "queue full"
	if _, err := g.Generate(t.Context(), `a "boat"`, 42); err == nil || !strings.Contains(err.Error(), "queue full") || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	status, body = http.StatusOK, string(picture)
	g.Bytes = 20
	if _, err := g.Generate(t.Context(), `a "boat"`, 42); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("too long: %v", err)
	}
	server.Close()
	if _, err := g.Generate(t.Context(), `a "boat"`, 42); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "Bearer") {
		t.Errorf("a server that is gone: %v", err)
	}
}

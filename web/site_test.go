package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
	"github.com/gen-emerge/assay/web"
)

// A site is a series of drawn pictures with its pages.
type site struct {
	db      *store.DB
	series  *series.Series
	results []series.Result
	handler http.Handler
}

// pictures is how many originals the series of the tests has; a copy follows.
const pictures = 26

// drawing paints picture n: waves whose colour, direction and fineness
// depend on n, so that pictures differ from each other on every axis.
func drawing(n int) image.Image {
	const side = 96
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	freq := 0.06 + 0.035*float64(n%9)
	turn := float64(n) * 0.7
	warm := float64(n*37%100) / 100
	for y := range side {
		for x := range side {
			t := math.Cos(turn)*float64(x) + math.Sin(turn)*float64(y)
			v := 0.5 + 0.4*math.Sin(freq*t+float64(n)) + 0.08*math.Sin(0.9*float64(x*y%(17+n))/3)
			img.Set(x, y, color.NRGBA{R: level(v * (0.5 + 0.5*warm)), G: level(v * 0.7), B: level(v * (1 - 0.6*warm)), A: 255})
		}
	}
	return img
}

func level(v float64) uint8 { return uint8(255 * min(1, max(0, v))) }

func pngBytes(img image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // memory does not refuse, and the pictures are drawn here
	}
	return b.Bytes()
}

func jpegBytes(img image.Image) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 85}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func openStore(t testing.TB) *store.DB {
	t.Helper()
	return openStoreIn(t, t.TempDir())
}

func openStoreIn(t testing.TB, dir string) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

// formulas opens the instruments that need no models.
func formulas() (series.Tools, error) {
	tools := series.Tools{Missing: map[string]error{}}
	for _, spec := range metric.Catalogue() {
		if len(spec.Models) > 0 {
			tools.Missing[spec.Name] = fmt.Errorf("model %s is not installed: %w", spec.Models[0], assay.ErrUnavailable)
			continue
		}
		in, err := metric.OpenFormula(spec.Name)
		if err != nil {
			return tools, err
		}
		tools.Instruments = append(tools.Instruments, in)
	}
	return tools, nil
}

func openSeries(t testing.TB, db *store.DB, name string, opt series.Options) *series.Series {
	t.Helper()
	tools, err := formulas()
	if err != nil {
		t.Fatal(err)
	}
	s, err := series.Open(t.Context(), name, db, tools, opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func add(t testing.TB, s *series.Series, inputs []series.Input) []series.Result {
	t.Helper()
	var out []series.Result
	err := s.Add(t.Context(), slices.Values(inputs), func(r series.Result) error {
		if r.Err != nil {
			t.Errorf("%s: %v", r.Path, r.Err)
		}
		out = append(out, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func file(name string, data []byte) series.Input {
	return series.Input{Path: name, Read: func() ([]byte, error) { return data, nil }}
}

// newSite opens a copy of the series of waves.
func newSite(t testing.TB, opt web.Options) *site {
	t.Helper()
	made, err := waves()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(made.dir)); err != nil {
		t.Fatal(err)
	}
	s := &site{db: openStoreIn(t, dir), results: made.results}
	s.series = openSeries(t, s.db, "waves", wavesOptions())
	if s.handler, err = web.New(s.series, s.db, opt); err != nil {
		t.Fatal(err)
	}
	return s
}

func wavesOptions() series.Options {
	return series.Options{Warmup: 20, Axes: []assay.Axis{
		{Descriptor: "warmth", Lo: -30, Hi: 30, Cells: 4}, {Descriptor: "edge-density", Lo: 0, Hi: 0.5, Cells: 3}}}
}

// A workspace is a closed series that tests copy: measuring it takes seconds.
type workspace struct {
	dir     string
	results []series.Result
}

// waves makes, once, a series of pictures, the last of which is a copy of the
// first.
var waves = sync.OnceValues(func() (w workspace, err error) {
	ctx := context.Background()
	if w.dir, err = os.MkdirTemp("", "assay-web-test-"); err != nil {
		return w, err
	}
	db, err := store.Open(ctx, w.dir, store.Options{})
	if err != nil {
		return w, err
	}
	tools, err := formulas()
	if err != nil {
		return w, errors.Join(err, db.Close())
	}
	s, err := series.Open(ctx, "waves", db, tools, wavesOptions())
	if err != nil {
		return w, errors.Join(err, db.Close())
	}
	err = s.Add(ctx, slices.Values(waveInputs()), func(r series.Result) error {
		w.results = append(w.results, r)
		return r.Err
	})
	return w, errors.Join(err, db.Close())
})

func TestMain(m *testing.M) {
	code := m.Run()
	if made, err := waves(); err == nil {
		_ = os.RemoveAll(made.dir) // in the temporary folder anyway
	}
	os.Exit(code)
}

func waveInputs() []series.Input {
	var inputs []series.Input
	for n := range pictures {
		in := file(fmt.Sprintf("wave-%02d.png", n), pngBytes(drawing(n)))
		in.Prompt = fmt.Sprintf("waves number %d <script>alert(1)</script>", n)
		in.Settings = map[string]string{"seed": fmt.Sprint(n)}
		if n == 1 {
			in.Parents = []assay.Digest{assay.DigestOf(pngBytes(drawing(0))), {1, 2, 3}}
		}
		inputs = append(inputs, in)
	}
	return append(inputs, file("copy.jpg", jpegBytes(drawing(0))))
}

// request asks the handler as a page on this machine would.
func request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "localhost:8090"
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}

func (s *site) do(t testing.TB, r *http.Request) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func (s *site) get(t testing.TB, target string) (*http.Response, string) {
	t.Helper()
	return s.do(t, request(http.MethodGet, target, ""))
}

func (s *site) postJSON(t testing.TB, target string, body, reply any) int {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	res, text := s.do(t, request(http.MethodPost, target, string(data)))
	if err := json.Unmarshal([]byte(text), reply); err != nil {
		t.Fatalf("%s answers %d %q: %v", target, res.StatusCode, text, err)
	}
	return res.StatusCode
}

// judgments returns the standing judgments in the store.
func (s *site) judgments(t testing.TB) []assay.Judgment {
	t.Helper()
	all, err := s.db.Judgments(context.Background(), s.series.Name())
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(j assay.Judgment) bool { return j.Withdrawn })
}

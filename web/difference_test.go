package web_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/ort"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/web"
)

// noise is a checkpoint of lpips-squeeze with drawn values.
type noise map[string][]float32

func (w noise) Names() []string { return slices.Sorted(maps.Keys(w)) }

func (w noise) Shape(name string) ([]int, bool) { s, ok := squeezeShapes()[name]; return s, ok }

func (w noise) Place(name string) (file string, offset, length int64, dtype string) {
	return "", 0, int64(4 * len(w[name])), "float32"
}

func (w noise) Bytes(name string) ([]byte, error) {
	var raw []byte
	for _, v := range w[name] {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return raw, nil
}

// squeezeShapes are the tensors of lpips-squeeze.
var squeezeShapes = sync.OnceValue(func() map[string][]int {
	shapes := map[string][]int{"scaling_layer.shift": {1, 3, 1, 1}, "scaling_layer.scale": {1, 3, 1, 1}}
	conv := func(name string, out, in, k int) {
		shapes[name+".weight"], shapes[name+".bias"] = []int{out, in, k, k}, []int{out}
	}
	conv(backbone.LPIPSSqueezeKeys(0), 64, 3, 3)
	in := 64
	for _, f := range []struct{ index, narrow, half int }{
		{3, 16, 64}, {4, 16, 64}, {6, 32, 128}, {7, 32, 128}, {9, 48, 192}, {10, 48, 192}, {11, 64, 256}, {12, 64, 256}} {
		key := backbone.LPIPSSqueezeKeys(f.index)
		conv(key+".squeeze", f.narrow, in, 1)
		conv(key+".expand1x1", f.half, f.narrow, 1)
		conv(key+".expand3x3", f.half, f.narrow, 3)
		in = 2 * f.half
	}
	for i, c := range []int{64, 128, 256, 384, 384, 512, 512} {
		shapes[fmt.Sprintf("lin%d.model.1.weight", i)] = []int{1, c, 1, 1}
	}
	return shapes
})

// drawnWeights fills them so that features keep their size.
func drawnWeights() noise {
	w, rng := noise{}, rand.New(rand.NewPCG(1, 2))
	for _, name := range slices.Sorted(maps.Keys(squeezeShapes())) {
		shape := squeezeShapes()[name]
		n, fan := 1, 1
		for i, d := range shape {
			n *= d
			if i > 0 {
				fan *= d
			}
		}
		values := make([]float32, n)
		for i := range values {
			switch {
			case strings.HasPrefix(name, "lin"):
				values[i] = rng.Float32() / 20
			case name == "scaling_layer.scale":
				values[i] = 0.45
			case len(shape) == 4:
				values[i] = float32(rng.NormFloat64() * math.Sqrt(2/float64(fan)))
			}
		}
		w[name] = values
	}
	return w
}

// A lens runs graphs.
type lens struct{ *ort.Runtime }

func (l lens) Open(ctx context.Context, m *onnx.Model) (metric.Runner, error) {
	return l.OpenSession(ctx, m, ort.SessionOptions{})
}

// openDifference opens lpips-squeeze with drawn weights, which say where pictures
// differ well enough for pages.
func openDifference(t *testing.T) func(context.Context) (*metric.Instrument, error) {
	t.Helper()
	lib, err := ort.Find(t.Context(), ort.FindOptions{})
	if err != nil {
		if required("ort") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	rt, err := ort.Open(lib)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close() })
	in, err := metric.OpenLPIPSSqueeze(t.Context(), drawnWeights(), "drawn", lens{rt})
	if err != nil {
		t.Fatal(err)
	}
	in.Synthetic = true
	t.Cleanup(func() { in.Close() })
	return func(context.Context) (*metric.Instrument, error) { return in, nil }
}

// mark is a picture with a square at (x, y).
func mark(w, h, x, y int) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for j := range h {
		for i := range w {
			c := color.NRGBA{uint8(60 + 100*i/w), uint8(80 + 90*j/h), 120, 255}
			if i >= x && i < x+24 && j >= y && j < y+24 {
				c = color.NRGBA{240, 230, 40, 255}
			}
			img.Set(i, j, c)
		}
	}
	return pngBytes(img)
}

// differing is a series of pictures that differ in one place, or in size.
func differing(t *testing.T, opt web.Options) (*site, []assay.Digest) {
	t.Helper()
	s := &site{db: openStore(t)}
	s.series = openSeries(t, s.db, "marks", series.Options{})
	s.results = add(t, s.series, []series.Input{
		file("a.png", mark(128, 96, 20, 30)), file("b.png", mark(128, 96, 80, 30)), file("wide.png", mark(256, 96, 20, 30)),
		file("dot.png", mark(9, 9, 0, 0)), file("large.png", mark(1600, 1500, 700, 700)), file("twice.png", mark(800, 750, 350, 350))})
	var ids []assay.Digest
	for _, r := range s.results {
		ids = append(ids, r.Digest)
	}
	var err error
	if s.handler, err = web.New(s.series, s.db, opt); err != nil {
		t.Fatal(err)
	}
	return s, ids
}

// ask is [site.get] with headers.
func (s *site) ask(t *testing.T, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := request(http.MethodGet, path, "")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

func TestDifference(t *testing.T) {
	s, ids := differing(t, web.Options{Difference: openDifference(t)})
	at := func(i, j int) string { return fmt.Sprintf("/difference/%s/%s", ids[i], ids[j]) }
	type told struct {
		Reading            assay.Reading
		Brightest, Largest float64
	}
	facts := func(path string) (v told) {
		t.Helper()
		w := s.ask(t, path+".json", "Accept", "application/json")
		if err := json.Unmarshal(w.Body.Bytes(), &v); w.Code != http.StatusOK || err != nil {
			t.Fatalf("%s.json: %d %s %v", path, w.Code, w.Body, err)
		}
		return v
	}
	picture := func(path string) (image.Image, string) {
		t.Helper()
		w := s.ask(t, path)
		img, err := png.Decode(bytes.NewReader(w.Body.Bytes()))
		if w.Code != http.StatusOK || err != nil {
			t.Fatalf("%s: %d %v", path, w.Code, err)
		}
		return img, w.Header().Get("ETag")
	}
	v := facts(at(0, 1))
	if r := v.Reading; r.Instrument != "lpips-squeeze" || !r.Synthetic || r.Image != ids[0] || r.Ref != ids[1] || !(r.Value > 0) || v.Largest < r.Value || v.Brightest < v.Largest {
		t.Errorf("the reading is %+v", v)
	}
	img, etag := picture(at(0, 1))
	if img.Bounds() != image.Rect(0, 0, 128, 96) {
		t.Errorf("the overlay is %v", img.Bounds())
	}
	alpha := func(img image.Image, x, y int) uint32 { _, _, _, a := img.At(x, y).RGBA(); return a >> 8 }
	for _, c := range []struct {
		x, y int
		seen bool
	}{{32, 42, true}, {92, 42, true}, {62, 88, false}, {4, 4, false}} {
		if a := alpha(img, c.x, c.y); (a > 60) != c.seen {
			t.Errorf("at (%d, %d) the overlay covers %d of 255", c.x, c.y, a)
		}
	}
	if w := s.ask(t, at(0, 1), "If-None-Match", etag); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("asked again: %d with %d bytes", w.Code, w.Body.Len())
	}
	// Pictures of other sizes, by a rule that the reading names.
	for _, c := range []struct {
		i, j int
		rule string
		size image.Point
	}{{0, 2, "the second image to the first's size", image.Pt(128, 96)}, {4, 5, "each image's short side to 256", image.Pt(1024, 960)},
		{4, 0, "each image to 256×256", image.Pt(1024, 960)}, {0, 1, "Pillow RGB, native size", image.Pt(128, 96)}} {
		if p := facts(at(c.i, c.j)).Reading.Preparation; !strings.HasPrefix(p, c.rule) {
			t.Errorf("pictures %d and %d are prepared by %q", c.i, c.j, p)
		}
		if img, _ := picture(at(c.i, c.j)); img.Bounds().Size() != c.size {
			t.Errorf("the overlay of picture %d is %v, want %v", c.i, img.Bounds(), c.size)
		}
	}
	for path, code := range map[string]int{
		at(3, 3): http.StatusBadRequest, // too small for the network
		"/difference/" + ids[0].String() + "/" + strings.Repeat("0", 64): http.StatusNotFound,
		"/difference/" + ids[0].String() + "/x":                          http.StatusBadRequest,
		"/difference/x/" + ids[0].String():                               http.StatusBadRequest,
	} {
		if w := s.ask(t, path); w.Code != code {
			t.Errorf("%s: %d, want %d", path, w.Code, code)
		}
	}
}

// TestDifferenceAbsent: where no instrument is installed, pages offer nothing, and
// the address says how to get one.
func TestDifferenceAbsent(t *testing.T) {
	s, ids := differing(t, web.Options{})
	if w := s.ask(t, fmt.Sprintf("/difference/%s/%s", ids[0], ids[1])); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "assay models pull") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if body := s.ask(t, "/image/"+ids[1].String()).Body.String(); strings.Contains(body, "/difference/") {
		t.Error("the profile offers a difference")
	}
}

// TestDifferenceConcurrent: an overlay that many ask for is the same for all.
func TestDifferenceConcurrent(t *testing.T) {
	s, ids := differing(t, web.Options{Difference: openDifference(t)})
	var wg sync.WaitGroup
	bodies := make([][]byte, 6)
	for i := range bodies {
		wg.Go(func() { bodies[i] = s.ask(t, fmt.Sprintf("/difference/%s/%s", ids[0], ids[1])).Body.Bytes() })
	}
	wg.Wait()
	for _, b := range bodies {
		if len(b) == 0 || !bytes.Equal(b, bodies[0]) {
			t.Fatal("two answers differ")
		}
	}
}

// TestDifferenceOnPages clicks the overlays on and off.
func TestDifferenceOnPages(t *testing.T) {
	chromium(t)
	opt := web.Options{Difference: openDifference(t)}
	s := newSite(t, opt)
	if os.Getenv("ASSAY_TEST_SCREENSHOTS") != "" { // larger pictures, to look at
		s = gallery(t, opt)
	}
	server := httptest.NewServer(s.handler)
	defer server.Close()
	for _, on := range []screen{desktop, phone} {
		p := newTab(t, server, on)
		p.open("/image/" + s.results[len(s.results)-2].Digest.String())
		p.until(`document.querySelector("a[data-difference][role=button]")`)
		p.run(chromedp.Click(chromedp.CSS("a[data-difference]")))
		p.until(`!document.getElementById("overlay").hidden`)
		if said := eval[string](p, `document.getElementById("difference").innerText`); !strings.HasPrefix(said, "Difference from the ") || !strings.Contains(said, "lpips-squeeze") || !strings.Contains(said, "synthetic") {
			t.Errorf("the profile says %q", said)
		}
		same := eval[bool](p, `(() => { const [a, b] = [...document.querySelectorAll(".stack img")].map(i => i.getBoundingClientRect());
			return Math.abs(a.x - b.x) < 1 && Math.abs(a.y - b.y) < 1 && Math.abs(a.width - b.width) < 1 && Math.abs(a.height - b.height) < 1 })()`)
		if !same {
			t.Error("the overlay does not lie on the picture")
		}
		p.shoot(on.name+"-difference-profile", true)
		p.run(chromedp.Click(chromedp.CSS("a[data-difference]")))
		p.until(`document.getElementById("overlay").hidden && document.getElementById("difference").hidden`)

		p.run(chromedp.Navigate(server.URL+"/compare"), chromedp.Click(chromedp.CSS("form button")))
		p.until(`document.querySelector("main.compare")?.dataset.state === "ready"`)
		if on.phone {
			p.run(chromedp.Click(chromedp.CSS("#difference")))
		} else {
			p.run(chromedp.KeyEvent("d"))
		}
		p.until(`document.getElementById("difference").getAttribute("aria-pressed") === "true" && !document.getElementById("left-overlay").hidden && !document.getElementById("right-overlay").hidden`)
		if said := eval[string](p, `document.getElementById("said").innerText`); !strings.Contains(said, "light yellow is") {
			t.Errorf("the comparison says %q", said)
		}
		p.shoot(on.name+"-difference-compare", false)
		// The next pair begins without it.
		p.run(chromedp.KeyEvent("s"))
		p.until(`document.querySelector("main.compare")?.dataset.state === "ready" && document.querySelector("#said").innerText.startsWith("Stored")`)
		if eval[bool](p, `!document.getElementById("left-overlay").hidden || document.getElementById("difference").getAttribute("aria-pressed") === "true"`) {
			t.Error("the overlay stays when another pair comes")
		}
		p.run(chromedp.KeyEvent("u"))
	}
}

package web_test

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/web"
)

// converging opens a series of pictures that, from half time on, are all a
// little of something over one and the same.
func converging(t testing.TB, n int) *site {
	t.Helper()
	s := &site{db: openStore(t)}
	s.series = openSeries(t, s.db, "converging", series.Options{Warmup: 1000})
	var inputs []series.Input
	for k := range n {
		img := drawing(k)
		if 2*k >= n {
			img = blended(drawing(5), img)
		}
		inputs = append(inputs, file(fmt.Sprintf("%03d.png", k), pngBytes(img)))
	}
	s.results = add(t, s.series, inputs)
	var err error
	if s.handler, err = web.New(s.series, s.db, web.Options{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// blended is seven parts of one picture and three of another.
func blended(a, b image.Image) image.Image {
	img := image.NewNRGBA(a.Bounds())
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			p, q := a.At(x, y).(color.NRGBA), b.At(x, y).(color.NRGBA)
			mix := func(u, v uint8) uint8 { return uint8((7*int(u) + 3*int(v)) / 10) }
			img.SetNRGBA(x, y, color.NRGBA{mix(p.R, q.R), mix(p.G, q.G), mix(p.B, q.B), 255})
		}
	}
	return img
}

// TestDiagnosePage: the page has the sentence, the alarm, the tests and the
// numbers without any script, the JSON is the same, and facts that change are
// seen.
func TestDiagnosePage(t *testing.T) {
	s := converging(t, 80)
	res, text := s.get(t, "/diagnose.json")
	var d series.Diagnosis
	if err := json.Unmarshal([]byte(text), &d); err != nil || res.StatusCode != 200 {
		t.Fatalf("%d %v", res.StatusCode, err)
	}
	if d.Images != 80 || d.Watch.Raised == nil || *d.Closer.Times < 1.5 || len(d.Curve) < 3 || d.By.Instrument != "layout" {
		t.Errorf("the diagnosis of a converging series: %s", text)
	}
	_, body := s.get(t, "/diagnose")
	for _, want := range []string{
		"times closer to each other than the first 40", "Alarm after 80 images", `class="alarm raised"`, "1–40", "41–80",
		`aria-current="page">Diagnosis`, `href="/diagnose.json"`, "dreamsim", "Kendall’s tau", `role="img" tabindex="0"`, "<noscript>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range []string{"style=", "onclick", "http://", "https://", "ZgotmplZ", "NaN", "0x"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	add(t, s.series, []series.Input{file("more.png", pngBytes(drawing(900)))})
	if _, again := s.get(t, "/diagnose"); !strings.Contains(again, "81 images") {
		t.Error("an image came, and the page does not know")
	}
}

// TestDiagnoseFew: few images, or none, are told about and nothing is drawn.
func TestDiagnoseFew(t *testing.T) {
	few := converging(t, 4)
	_, body := few.get(t, "/diagnose")
	if !strings.Contains(body, "4 images: too few to compare the last with the first; 8 more are needed.") || strings.Contains(body, "echarts.simple") {
		t.Errorf("four images: %s", body)
	}
	none := &site{db: openStore(t)}
	none.series = openSeries(t, none.db, "none", series.Options{})
	var err error
	if none.handler, err = web.New(none.series, none.db, web.Options{}); err != nil {
		t.Fatal(err)
	}
	res, body := none.get(t, "/diagnose")
	if res.StatusCode != 200 || !strings.Contains(body, "No image of this series is measured yet") {
		t.Errorf("no image: %d %s", res.StatusCode, body)
	}
	if res, _ := none.get(t, "/diagnose.json"); res.StatusCode != 404 {
		t.Errorf("no image as JSON: %d", res.StatusCode)
	}
}

// TestDiagnoseAccepted: what gates refused can be left out.
func TestDiagnoseAccepted(t *testing.T) {
	s := newSite(t, web.Options{})
	view, err := s.series.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := len(view.Refused())
	for target, want := range map[string]int{"/diagnose.json": pictures + 1, "/diagnose.json?accepted=1": pictures + 1 - n} {
		var d series.Diagnosis
		if _, text := s.get(t, target); json.Unmarshal([]byte(text), &d) != nil || d.Images != want {
			t.Errorf("%s looks at %d images, want %d", target, d.Images, want)
		}
	}
	if _, body := s.get(t, "/diagnose?accepted=1"); !strings.Contains(body, "All that was generated</a>") || !strings.Contains(body, "/diagnose.json?accepted=1") {
		t.Error("the page of the accepted does not say so")
	}
}

// TestECharts: the library comes with its licences and is kept by browsers.
func TestECharts(t *testing.T) {
	s := newSite(t, web.Options{})
	res, _ := s.get(t, "/static/echarts.simple.min.js")
	again := request("GET", "/static/echarts.simple.min.js", "")
	again.Header.Set("If-None-Match", res.Header.Get("ETag"))
	if res, body := s.do(t, again); res.StatusCode != 304 || body != "" {
		t.Errorf("asked again: %d with %d bytes", res.StatusCode, len(body))
	}
	res, body := s.get(t, "/static/echarts.LICENSE.txt")
	if res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("licences are %s", res.Header.Get("Content-Type"))
	}
	for _, want := range []string{"Apache License", "The Apache Software Foundation", "Mike Bostock", "Baidu Inc.", "Microsoft Corporation"} {
		if !strings.Contains(body, want) {
			t.Errorf("the licences lack %q", want)
		}
	}
}

// TestBrowserDiagnose: the plots are drawn under the pages' policy, and the
// keyboard goes from point to point; without scripts the numbers are there.
func TestBrowserDiagnose(t *testing.T) {
	s := converging(t, 80)
	for _, on := range []screen{desktop, phone} {
		p := newTab(t, s.serve(t), on)
		p.open("/diagnose")
		p.until(`document.querySelectorAll("figure.plot[data-state=drawn] canvas").length === 4`)
		told := func(plot string) string {
			return eval[string](p, `document.querySelector('[data-plot="`+plot+`"] .point').innerText`)
		}
		if got := told("spread"); !strings.HasPrefix(got, "images 41–80: ") {
			t.Errorf("%s: below the plot stands %q", on.name, got)
		}
		eval[int](p, `(document.querySelector("#chart-spread").focus(), 0)`)
		p.run(chromedp.KeyEvent(kb.Home))
		if got := told("spread"); !strings.HasPrefix(got, "images 1–40: ") {
			t.Errorf("%s: after Home %q", on.name, got)
		}
		p.run(chromedp.KeyEvent(kb.ArrowRight))
		if got := told("spread"); strings.HasPrefix(got, "images 1–40: ") {
			t.Errorf("%s: after an arrow still %q", on.name, got)
		}
		// Something is drawn: not all pixels are alike.
		for _, plot := range []string{"spread", "nearest", "vendi", "entropy"} {
			n := eval[int](p, `(() => { const c = document.querySelector("#chart-`+plot+` canvas");
				return new Set(new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer)).size })()`)
			if n < 10 {
				t.Errorf("%s: the plot %s has %d colours", on.name, plot, n)
			}
		}
		if wide := eval[bool](p, `document.documentElement.scrollWidth > innerWidth`); wide {
			t.Errorf("%s: the page is wider than its window", on.name)
		}
	}
	p := newTab(t, s.serve(t), phone)
	p.withoutScripts()
	p.open("/diagnose")
	if _, body := s.get(t, "/diagnose"); strings.Count(body, `<th scope="row" class="num">`) < 3 {
		t.Error("without scripts the table is not there")
	}
}

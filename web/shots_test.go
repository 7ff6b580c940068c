package web_test

import (
	"cmp"
	"net/http/httptest"
	"os"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/cmd/assay/art"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/web"
)

// TestScreenshots writes pictures of all pages into the folder named by
// ASSAY_TEST_SCREENSHOTS, for people to look at.
func TestScreenshots(t *testing.T) {
	if os.Getenv("ASSAY_TEST_SCREENSHOTS") == "" {
		t.Skip("ASSAY_TEST_SCREENSHOTS is not set")
	}
	s := gallery(t, web.Options{})
	s.prefer(t, 16)
	server := httptest.NewServer(s.handler)
	defer server.Close()
	narrow := httptest.NewServer(converging(t, 120).handler)
	defer narrow.Close()
	for _, on := range []screen{desktop, phone,
		{name: "desktop-dark", width: 1280, height: 900, dark: true}, {name: "phone-dark", width: 390, height: 844, phone: true, dark: true}} {
		p := newTab(t, server, on)
		p.open("/")
		p.shoot(on.name+"-map-top", false)
		p.shoot(on.name+"-map", true)
		if !on.phone {
			eval[int](p, `(window.scrollTo(0, 0), 0)`)
			x, y := p.middle(`[...document.querySelectorAll("a.cell")].at(-3)`)
			p.run(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x, y))
			p.shoot(on.name+"-tip", false)
		}
		p.open("/diagnose")
		p.until(`document.querySelectorAll("figure.plot[data-state=drawn] canvas").length === 4`)
		p.shoot(on.name+"-diagnose", true)
		q := newTab(t, narrow, on)
		q.open("/diagnose")
		q.until(`document.querySelectorAll("figure.plot[data-state=drawn] canvas").length === 4`)
		eval[int](q, `(document.querySelector("#chart-vendi").focus(), 0)`)
		q.run(chromedp.KeyEvent(kb.ArrowLeft))
		q.shoot(on.name+"-diagnose-alarm", true)
		p.open("/image/" + s.results[len(s.results)-1].Digest.String())
		p.shoot(on.name+"-refused", true)
		p.open("/image/" + s.results[30].Digest.String())
		p.shoot(on.name+"-image", true)
		p.open("/compare")
		p.shoot(on.name+"-begin", false)
		for _, page := range []string{"ranking", "triplet"} {
			p.open("/" + page)
			p.shoot(on.name+"-"+page, true)
		}
		for _, page := range []string{"trust", "compass"} {
			q.open("/" + page)
			q.shoot(on.name+"-"+page+"-empty", true)
			p.open("/" + page)
			p.shoot(on.name+"-"+page, true)
		}
		p.open("/nothing")
		p.forgive("404")
		p.shoot(on.name+"-error", false)
		p.run(chromedp.Navigate(server.URL+"/compare"), chromedp.Click(chromedp.CSS("form button")))
		p.until(`document.querySelector("main.compare")?.dataset.state === "ready"`)
		p.shoot(on.name+"-compare", false)
		p.run(chromedp.KeyEvent("2"))
		p.until(`document.querySelector("main.compare")?.dataset.state === "ready" && document.querySelector("#said").innerText.startsWith("Stored")`)
		p.shoot(on.name+"-compare-stored", false)
		p.run(chromedp.KeyEvent("i"))
		p.until(`document.querySelector("[data-mark=left]").getAttribute("aria-pressed") === "true"`)
		p.run(chromedp.Click(chromedp.CSS("#breakthrough")))
		p.shoot(on.name+"-crown", false)
		p.run(chromedp.Click(chromedp.CSS("[data-crown='']")))
		for range 4 {
			p.until(`document.querySelector("main.compare")?.dataset.state === "ready"`)
			n := eval[int](p, `Number(document.querySelector("main.compare").dataset.pair)`)
			p.run(chromedp.KeyEvent("4"))
			if n < 4 {
				p.until(`Number(document.querySelector("main.compare").dataset.pair) > ` + string(rune('0'+n)))
			}
		}
		p.until(`document.querySelector("main.done")`)
		p.shoot(on.name+"-done", true)
	}
}

// gallery is the demo's series.
func gallery(t *testing.T, opt web.Options) *site {
	s := &site{db: openStore(t)}
	s.series = openSeries(t, s.db, "demo", series.Options{})
	var inputs []series.Input
	for _, work := range art.Series(1) {
		data, err := work.PNG(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		in := file(work.Name+".png", data)
		in.Prompt, in.Generator = work.Prompt, "assay demo"
		in.Settings = map[string]string{"family": work.Family}
		inputs = append(inputs, in)
	}
	s.results = add(t, s.series, inputs)
	var err error
	if s.handler, err = web.New(s.series, s.db, opt); err != nil {
		t.Fatal(err)
	}
	return s
}

// prefer answers rounds by a taste for warm colours, and puts ten pictures in its
// order, so that the pages of what is learned have something to say.
func (s *site) prefer(t *testing.T, rounds int) {
	t.Helper()
	warmth := func(id assay.Digest) float64 {
		p, err := s.series.Profile(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Readings {
			if r.Instrument == "warmth" {
				return r.Value
			}
		}
		return 0
	}
	for range rounds {
		round, _, err := s.series.OpenRound(t.Context(), "me", 5)
		if err != nil {
			t.Fatal(err)
		}
		for k, pair := range round.Pairs {
			a := series.Answer{Round: round.ID, Pair: k, Rater: "me", Outcome: assay.Left, Grade: -1}
			if warmth(pair.Right) > warmth(pair.Left) {
				a.Outcome, a.Grade = assay.Right, 1
			}
			if _, err := s.series.Judge(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
	}
	r, err := s.series.OpenRanking(t.Context(), "me", 0)
	if err != nil {
		t.Fatal(err)
	}
	var order []assay.Digest
	for _, shown := range r.Shown {
		order = append(order, shown.Image)
	}
	slices.SortFunc(order, func(a, b assay.Digest) int { return cmp.Compare(warmth(b), warmth(a)) })
	if _, err := s.series.AnswerRanking(t.Context(), r.ID, "me", order); err != nil {
		t.Fatal(err)
	}
}

// middle returns where an element is in the window.
func (p *tab) middle(element string) (x, y float64) {
	p.t.Helper()
	at := eval[[]float64](p, `(() => { const r = (`+element+`).getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()`)
	return at[0], at[1]
}

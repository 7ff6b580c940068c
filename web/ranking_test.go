package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/web"
)

func (s *site) postForm(t *testing.T, target string, form url.Values) (*http.Response, string) {
	t.Helper()
	r := request("POST", target, form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(t, r)
}

// Without scripts an order is a place for each picture, and an odd one out a
// button.
func TestOrderAndTripletForms(t *testing.T) {
	s := newSite(t, web.Options{})
	if res, body := s.get(t, "/ranking"); res.StatusCode != http.StatusOK || strings.Count(body, "<select") != 10 {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	r, err := s.series.OpenRanking(t.Context(), "me", 0)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"ranking": {strconv.FormatInt(r.ID, 10)}}
	var want []assay.Digest
	for k, shown := range r.Shown {
		form.Set("place-"+shown.Image.String(), strconv.Itoa(10-k))
		want = append(want, shown.Image)
	}
	slices.Reverse(want)
	twice := url.Values{}
	for k, v := range form {
		twice[k] = v
	}
	twice.Set("place-"+r.Shown[0].Image.String(), "1")
	if res, body := s.postForm(t, "/ranking/order", twice); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "place 1") {
		t.Errorf("a place given twice: %d %s", res.StatusCode, body)
	}
	if res, body := s.postForm(t, "/ranking/order", form); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	table, err := s.series.Votes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	orders, err := s.series.Orders(t.Context(), table)
	if err != nil || len(orders) != 1 {
		t.Fatalf("%+v, %v", orders, err)
	}
	for k, item := range orders[0].Items {
		if table.IDs()[item] != want[k].String() {
			t.Errorf("place %d: %s, want %s", k+1, table.IDs()[item], want[k])
		}
	}

	q, err := s.series.OpenTriplet(t.Context(), "me")
	if err != nil {
		t.Fatal(err)
	}
	if _, body := s.get(t, "/triplet"); strings.Count(body, `name="odd"`) != 4 {
		t.Error(body)
	}
	if res, body := s.postForm(t, "/triplet/answer", url.Values{"triplet": {strconv.FormatInt(q.ID, 10)}, "odd": {"2"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	var done assay.Triplet
	if code := s.postJSON(t, "/triplet/answer", map[string]any{"triplet": q.ID, "odd": 2}, &done); code != http.StatusOK || done.Odd != 2 {
		t.Errorf("the same again: %d %+v", code, done)
	}
	var refused any
	if code := s.postJSON(t, "/triplet/answer", map[string]any{"triplet": q.ID, "odd": 1}, &refused); code != http.StatusConflict {
		t.Errorf("another answer: %d", code)
	}
}

// A picture is moved by keys and by the arrow buttons, and the order
// on the page is the one that is stored; odd ones out are answered by keys.
func TestBrowserOrder(t *testing.T) {
	s := newSite(t, web.Options{})
	p := newTab(t, s.serve(t), desktop)
	p.open("/ranking")
	p.until(`document.querySelector(".sortable.live") !== null`)
	shown := func() []string {
		return eval[[]string](p, `[...document.querySelectorAll(".sortable > li")].map(li => li.dataset.image)`)
	}
	first := shown()
	eval[int](p, `(document.querySelector(".sortable > li").focus(), 0)`)
	p.run(chromedp.KeyEvent(" "), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowUp)) // five beside each other: there and back
	p.run(chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(" "))
	if got := shown(); got[2] != first[0] || got[0] != first[1] {
		t.Errorf("by keys: %v, was %v", got, first)
	}
	eval[int](p, `(document.querySelector('.sortable > li:nth-child(2) [data-move="-1"]').focus(), 0)`)
	p.run(chromedp.KeyEvent("\r"))
	at := func(place int) string {
		return fmt.Sprintf(`document.querySelector(".sortable > li:nth-child(%d)").dataset.image`, place)
	}
	p.until(fmt.Sprintf(`%s === %q && %s === %q`, at(1), first[2], at(2), first[1]))
	want := shown()
	p.run(chromedp.Reload()) // the order so far is kept
	p.until(`document.querySelector(".sortable.live") !== null`)
	if got := shown(); !slices.Equal(got, want) {
		t.Errorf("after a reload: %v, was %v", got, want)
	}
	p.run(chromedp.Click(chromedp.CSS("#order .primary")))
	p.until(`location.search === "?done"`)
	table, err := s.series.Votes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	orders, err := s.series.Orders(t.Context(), table)
	if err != nil || len(orders) != 1 {
		t.Fatalf("%+v, %v", orders, err)
	}
	for k, item := range orders[0].Items {
		if table.IDs()[item] != want[k] {
			t.Errorf("place %d: %s, want %s", k+1, table.IDs()[item], want[k])
		}
	}

	p.open("/triplet")
	p.until(`document.querySelector("#triplet").dataset.state === "ready"`)
	asked := eval[string](p, `document.querySelector("[name=triplet]").value`)
	p.run(chromedp.KeyEvent("3"))
	p.until(fmt.Sprintf(`document.querySelector("[name=triplet]")?.value !== %q`, asked))
	answered, err := s.db.Triplets(t.Context(), s.series.Name())
	if err != nil || len(answered) == 0 || answered[0].Odd != 2 || answered[0].Latency <= 0 || answered[0].Latency > time.Minute {
		t.Errorf("%+v, %v", answered, err)
	}
}

// TestBrowserOrderByFinger drags a picture down a list that is longer than the
// screen: others make room, and the page follows.
func TestBrowserOrderByFinger(t *testing.T) {
	s := newSite(t, web.Options{})
	p := newTab(t, s.serve(t), phone)
	p.open("/ranking")
	p.until(`document.querySelector(".sortable.live") !== null && [...document.images].slice(0, 5).every(i => i.complete)`)
	shown := func() []string {
		return eval[[]string](p, `[...document.querySelectorAll(".sortable > li")].map(li => li.dataset.image)`)
	}
	before := shown()
	if wide := eval[int](p, `document.documentElement.scrollWidth`); wide > int(phone.width) {
		t.Errorf("the page is %d pixels wide on a screen of %d", wide, phone.width)
	}
	small := eval[[]string](p, `[...document.querySelectorAll("main button")].filter(b => { const r = b.getBoundingClientRect(); return r.width < 44 || r.height < 44 }).map(b => b.innerText)`)
	if len(small) > 0 {
		t.Errorf("too small for a finger: %q", small)
	}
	finger := func(kind input.DispatchTouchEventType, points ...*input.TouchPoint) {
		t.Helper()
		do(p, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: append([]*input.TouchPoint{}, points...)})
	}
	x, y := p.middle(`document.querySelector(".sortable > li:nth-child(1) .thumb")`)
	_, third := p.middle(`document.querySelector(".sortable > li:nth-child(3) .thumb")`)
	finger(input.DispatchTouchEventTypeTouchStart, &input.TouchPoint{X: x, Y: y})
	for step := 1.0; step <= 4; step++ {
		finger(input.DispatchTouchEventTypeTouchMove, &input.TouchPoint{X: x, Y: y + (third-y)*step/4})
	}
	finger(input.DispatchTouchEventTypeTouchEnd)
	if got := shown(); got[2] != before[0] || got[0] != before[1] || got[1] != before[2] {
		t.Errorf("dragged to the third place: %v, was %v", got, before)
	}
	if eval[bool](p, `document.querySelector(".lifted") !== null`) {
		t.Error("a picture is still lifted")
	}
	x, y = p.middle(`document.querySelector(".sortable > li:nth-child(2) .thumb")`)
	finger(input.DispatchTouchEventTypeTouchStart, &input.TouchPoint{X: x, Y: y})
	finger(input.DispatchTouchEventTypeTouchMove, &input.TouchPoint{X: x, Y: float64(phone.height) - 5})
	p.until(`scrollY > 300`)
	finger(input.DispatchTouchEventTypeTouchEnd)
}

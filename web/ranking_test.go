package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

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
	p.run(chromedp.KeyEvent(" "))
	p.run(chromedp.KeyEvent(kb.ArrowDown))
	p.run(chromedp.KeyEvent(kb.ArrowDown))
	p.run(chromedp.KeyEvent(" "))
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
	p.until(`document.querySelectorAll(".three img").length === 3`)
	asked := eval[string](p, `document.querySelector("[name=triplet]").value`)
	p.run(chromedp.KeyEvent("3"))
	p.until(fmt.Sprintf(`document.querySelector("[name=triplet]")?.value !== %q`, asked))
}

package web_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/web"
)

// serve starts a server of the site.
func (s *site) serve(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	return server
}

const ready = `document.querySelector("main.compare")?.dataset.state === "ready"`

// standing returns the judgments of the store that stand, of one pair of the
// open round.
func (s *site) standing(t testing.TB, round assay.Round, pair int) []assay.Judgment {
	t.Helper()
	return slices.DeleteFunc(s.judgments(t), func(j assay.Judgment) bool {
		return j.Round != round.ID || j.Left != round.Pairs[pair].Left || j.Right != round.Pairs[pair].Right
	})
}

func TestBrowserMapAndImage(t *testing.T) {
	s := newSite(t, web.Options{})
	p := newTab(t, s.serve(t), desktop)
	p.open("/")

	// Each occupied cell has its picture, and hovering one shows its reading.
	view, err := s.series.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	elites := view.Archive.Elites()
	if n := eval[int](p, `document.querySelectorAll("a.cell img").length`); n != len(elites) {
		t.Errorf("the map shows %d pictures, want %d", n, len(elites))
	}
	visible := func() int {
		return eval[int](p, `[...document.querySelectorAll(".tip")].filter(e => getComputedStyle(e).display !== "none").length`)
	}
	if n := visible(); n != 0 {
		t.Errorf("%d tooltips are open before anything is touched", n)
	}
	last := elites[len(elites)-1]
	cell := fmt.Sprintf(`document.querySelector('a.cell[href="/image/%s"]')`, last.Image)
	x, y := p.middle(cell)
	p.run(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x, y))
	if n := visible(); n != 1 {
		t.Errorf("%d tooltips are open over a cell, want 1", n)
	}
	tip := eval[string](p, cell+`.nextElementSibling.innerText`)
	for _, want := range []string{"warmth", "edge-density", "waves number", fmt.Sprintf("Image %d", last.Seq)} {
		if !strings.Contains(tip, want) {
			t.Errorf("the tooltip %q lacks %q", tip, want)
		}
	}
	inside := eval[bool](p, `(() => { const r = `+cell+`.nextElementSibling.getBoundingClientRect();
		return r.left >= 0 && r.top >= 0 && r.right <= innerWidth && r.bottom <= innerHeight })()`)
	if !inside {
		t.Error("the tooltip leaves the window")
	}

	// The keyboard gets there too: arrows move, Escape closes, Enter opens.
	p.run(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 1, 1))
	p.run(chromedp.KeyEvent("\t")) // so that the focus counts as the keyboard's
	eval[int](p, `(document.querySelector("a.cell").focus(), 0)`)
	before := eval[string](p, `document.activeElement.href`)
	p.run(chromedp.KeyEvent(kb.ArrowDown))
	if after := eval[string](p, `document.activeElement.href`); after == before || !strings.Contains(after, "/image/") {
		t.Errorf("arrow down: the focus is on %s, was on %s", after, before)
	}
	if n := visible(); n != 1 {
		t.Errorf("%d tooltips are open on focus, want 1", n)
	}
	p.run(chromedp.KeyEvent(kb.Escape))
	if n := visible(); n != 0 {
		t.Errorf("%d tooltips are open after Escape", n)
	}
	want := eval[string](p, `document.activeElement.pathname`)
	p.run(chromedp.KeyEvent("\r"))
	p.until(`location.pathname === ` + fmt.Sprintf("%q", want) + ` && document.querySelector(".picture img")?.complete`)

	// The picture is there, at its size, and its place links back to the cell.
	if w := eval[int](p, `document.querySelector(".picture img").naturalWidth`); w != 96 {
		t.Errorf("the picture is %d pixels wide, want 96", w)
	}
	eval[int](p, `(document.querySelector(".placement a").click(), 0)`) // not by a node's number, which the page just left may have given out
	p.until(`document.querySelector("td:target a")?.pathname === ` + fmt.Sprintf("%q", want))
}

// TestBrowserRound does a whole round by the keyboard. What the page confirms
// must be in the store at that moment.
func TestBrowserRound(t *testing.T) {
	s := newSite(t, web.Options{})
	p := newTab(t, s.serve(t), desktop)
	p.open("/compare")
	p.run(chromedp.Click(chromedp.CSS("form button")))
	p.until(ready)
	state, err := s.series.CurrentRound(t.Context(), "me")
	if err != nil {
		t.Fatal(err)
	}
	round := state.Round
	if len(round.Pairs) != 5 {
		t.Fatalf("the round has %d pairs, want 5", len(round.Pairs))
	}
	if html := eval[string](p, `document.documentElement.outerHTML`); strings.Contains(html, round.Pairs[0].Reason) || strings.Contains(html, round.Pairs[1].Reason) {
		t.Error("the page tells why a pair was chosen before it is answered")
	}

	press := func(key string, pair int, outcome assay.Outcome, grade int, confirmed string) {
		t.Helper()
		p.until(ready + ` && Number(document.getElementById("main").dataset.pair) === ` + fmt.Sprint(pair))
		shown := eval[[]string](p, `["left", "right"].map(id => document.getElementById(id).getAttribute("src"))`)
		if shown[0] != "/blob/"+round.Pairs[pair].Left.String() || shown[1] != "/blob/"+round.Pairs[pair].Right.String() {
			t.Errorf("pair %d is shown as %v", pair, shown)
		}
		if text := eval[string](p, `document.getElementById("progress").innerText`); text != fmt.Sprintf("%d of 5", pair+1) {
			t.Errorf("progress is %q at pair %d", text, pair)
		}
		p.run(chromedp.KeyEvent(key))
		if pair < 4 {
			p.until(`document.getElementById("said").innerText.startsWith("Stored") && Number(document.getElementById("main").dataset.pair) !== ` + fmt.Sprint(pair))
			if text := eval[string](p, `document.getElementById("said").innerText`); !strings.Contains(text, confirmed) || !strings.Contains(text, round.Pairs[pair].Reason) {
				t.Errorf("after %q the page says %q, want %q and the reason", key, text, confirmed)
			}
		} else {
			p.until(`document.querySelector("main.done")`)
		}
		got := s.standing(t, round, pair)
		if len(got) != 1 || got[0].Outcome != outcome || got[0].Grade != grade || got[0].Rater != "me" || got[0].Source != "human" {
			t.Fatalf("pair %d after %q: the store has %+v", pair, key, got)
		}
		if got[0].Latency <= 0 || got[0].Latency > time.Minute {
			t.Errorf("pair %d: latency %v", pair, got[0].Latency)
		}
	}
	press("1", 0, assay.Left, -2, "left much better")
	press("b", 1, assay.BothBad, 0, "both bad")
	p.until(ready)
	p.run(chromedp.KeyEvent("u"))
	p.until(ready + ` && document.getElementById("said").innerText.startsWith("Taken back: both bad")`)
	if got := s.standing(t, round, 1); len(got) != 0 {
		t.Fatalf("after undo the store has %+v", got)
	}
	press("2", 1, assay.Left, -1, "left better")
	press("3", 2, assay.Tie, 0, "the same")
	press("s", 3, assay.Skip, 0, "skipped")
	press("4", 4, assay.Right, 1, "right better")

	// The end can be taken back too.
	p.until(`document.readyState === "complete"`)
	p.run(chromedp.KeyEvent("u"))
	p.until(ready)
	if got := s.standing(t, round, 4); len(got) != 0 {
		t.Fatalf("after undo the store has %+v", got)
	}
	press("5", 4, assay.Right, 2, "right much better")
	p.run(chromedp.Click(chromedp.CSS(".actions .primary")))
	p.until(ready + ` && document.getElementById("progress").innerText.startsWith("1 of")`)
	if next, err := s.series.CurrentRound(t.Context(), "me"); err != nil || next.Round.ID == round.ID {
		t.Errorf("another round: %d, %v", next.Round.ID, err)
	}
}

// TestBrowserFailure cuts the server off while an answer is under way: the page
// must not confirm, must keep the answer, and must not store it twice.
func TestBrowserFailure(t *testing.T) {
	s := newSite(t, web.Options{})
	var before, after atomic.Bool // fail before, or after, the answer is stored
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost && before.Load():
			panic(http.ErrAbortHandler)
		case r.Method == http.MethodPost && after.Load():
			s.handler.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		s.handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	round, _, err := s.series.OpenRound(t.Context(), "me", 3)
	if err != nil {
		t.Fatal(err)
	}
	p := newTab(t, server, desktop)
	p.open("/compare")
	failed := `document.getElementById("main").dataset.state === "failed" && document.getElementById("said").innerText.startsWith("Not stored")`
	for pair, cut := range []*atomic.Bool{&before, &after} {
		p.until(ready + ` && Number(document.getElementById("main").dataset.pair) === ` + fmt.Sprint(pair))
		cut.Store(true)
		p.run(chromedp.KeyEvent("4"))
		p.until(failed)
		p.run(chromedp.KeyEvent("1")) // another answer is not taken meanwhile
		cut.Store(false)
		p.run(chromedp.KeyEvent("r"))
		p.until(ready + ` && Number(document.getElementById("main").dataset.pair) === ` + fmt.Sprint(pair+1))
		if got := s.standing(t, round, pair); len(got) != 1 || got[0].Outcome != assay.Right || got[0].Grade != 1 {
			t.Errorf("pair %d: the store has %+v", pair, got)
		}
	}
	// An undo whose confirmation is lost takes back one answer, not two.
	after.Store(true)
	p.run(chromedp.KeyEvent("u"))
	p.until(failed)
	after.Store(false)
	p.run(chromedp.KeyEvent("r"))
	p.until(ready + ` && Number(document.getElementById("main").dataset.pair) === 1`)
	if got := s.judgments(t); len(got) != 1 {
		t.Errorf("after one undo of two answers %d stand", len(got))
	}
	p.forgive("Failed to load resource")
}

func TestBrowserZoom(t *testing.T) {
	s := newSite(t, web.Options{})
	if _, _, err := s.series.OpenRound(t.Context(), "me", 3); err != nil {
		t.Fatal(err)
	}
	p := newTab(t, s.serve(t), desktop)
	p.open("/compare")
	p.until(ready)
	boxes := func() [][]float64 {
		t.Helper()
		b := eval[[][]float64](p, `[...document.querySelectorAll(".pane")].map(pane => {
			const r = pane.getBoundingClientRect(), i = pane.querySelector("img").getBoundingClientRect();
			return [i.x - r.x, i.y - r.y, i.width / r.width] })`)
		for k := range b[0] {
			if math.Abs(b[0][k]-b[1][k]) > 0.5 {
				t.Errorf("the panes differ: %v and %v", b[0], b[1])
			}
		}
		return b
	}
	at := boxes()
	x, y := p.middle(`document.querySelector(".pane")`)
	wheel := func(x, y, delta float64) {
		p.run(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseWheel, x, y, func(e *input.DispatchMouseEventParams) { e.DeltaX, e.DeltaY = 0.001, delta })) // 0 would not be sent, and both are wanted
	}
	wheel(x+100, y, -300)
	p.until(`document.querySelector(".pane").classList.contains("closer")`)
	closer := boxes()
	if want := math.E; math.Abs(closer[0][2]-want) > 0.01 {
		t.Errorf("the wheel scales to %g, want %g", closer[0][2], want)
	}
	// What was under the pointer stays there.
	width := eval[float64](p, `document.querySelector(".pane").getBoundingClientRect().width`)
	under := (width/2 + 100 - closer[0][0]) / closer[0][2]
	if was := width/2 + 100 - at[0][0]; math.Abs(under-was) > 1 {
		t.Errorf("under the pointer is now what was at %g, want %g", under, was)
	}
	p.run(chromedp.DragAndDropXY(x, y, x+60, y+40))
	dragged := boxes()
	if dx, dy := dragged[0][0]-closer[0][0], dragged[0][1]-closer[0][1]; math.Abs(dx-60) > 1 || math.Abs(dy-40) > 1 {
		t.Errorf("a drag by 60, 40 moves the picture by %g, %g", dx, dy)
	}
	p.run(chromedp.KeyEvent("0"))
	if back := boxes(); back[0][2] != 1 {
		t.Errorf("0 leaves the scale at %g", back[0][2])
	}
}

// TestBrowserPhone touches the buttons on a small screen.
func TestBrowserPhone(t *testing.T) {
	s := newSite(t, web.Options{})
	round, _, err := s.series.OpenRound(t.Context(), "me", 3)
	if err != nil {
		t.Fatal(err)
	}
	p := newTab(t, s.serve(t), phone)
	for _, page := range []string{"/", "/image/" + s.results[0].Digest.String(), "/compare"} {
		p.open(page)
		if wide := eval[int](p, `document.documentElement.scrollWidth`); wide > int(phone.width) {
			t.Errorf("%s is %d pixels wide on a screen of %d", page, wide, phone.width)
		}
	}
	p.until(ready)
	if tall := eval[int](p, `document.documentElement.scrollHeight`); tall > int(phone.height) {
		t.Errorf("the comparison is %d pixels high on a screen of %d", tall, phone.height)
	}
	small := eval[[]string](p, `[...document.querySelectorAll(".answers button")].filter(b => { const r = b.getBoundingClientRect(); return r.width < 44 || r.height < 44 }).map(b => b.innerText)`)
	if len(small) > 0 {
		t.Errorf("too small for a finger: %q", small)
	}
	for pair, value := range []string{"5", "b", "1"} {
		p.until(ready + ` && Number(document.getElementById("main").dataset.pair) === ` + fmt.Sprint(pair))
		x, y := p.middle(fmt.Sprintf(`document.querySelector('button[value="%s"]')`, value))
		p.run(chromedp.TapXY(x, y))
		if pair < 2 {
			p.until(`document.getElementById("said").innerText.startsWith("Stored")`)
		}
		p.until(fmt.Sprintf(`document.querySelector("main.done") || Number(document.getElementById("main").dataset.pair) > %d`, pair))
		if got := s.standing(t, round, pair); len(got) != 1 {
			t.Errorf("pair %d: the store has %+v", pair, got)
		}
	}
	p.until(`document.querySelector("main.done")`)
}

// TestBrowserPinch spreads two fingers on one picture: both come closer.
func TestBrowserPinch(t *testing.T) {
	s := newSite(t, web.Options{})
	if _, _, err := s.series.OpenRound(t.Context(), "me", 3); err != nil {
		t.Fatal(err)
	}
	p := newTab(t, s.serve(t), phone)
	p.open("/compare")
	p.until(ready)
	x, y := p.middle(`document.querySelector(".pane")`)
	fingers := func(kind input.DispatchTouchEventType, apart float64) {
		t.Helper()
		points := []*input.TouchPoint{{X: x - apart, Y: y, ID: ptr(1.0)}, {X: x + apart, Y: y, ID: ptr(2.0)}}
		if apart == 0 {
			points = []*input.TouchPoint{}
		}
		do(p, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: points})
	}
	fingers(input.DispatchTouchEventTypeTouchStart, 20)
	fingers(input.DispatchTouchEventTypeTouchMove, 40)
	fingers(input.DispatchTouchEventTypeTouchMove, 60)
	fingers(input.DispatchTouchEventTypeTouchEnd, 0)
	scales := eval[[]float64](p, `[...document.querySelectorAll(".pane")].map(e => e.querySelector(".glass").getBoundingClientRect().width / e.getBoundingClientRect().width)`)
	if scales[0] != scales[1] || math.Abs(scales[0]-3) > 0.05 {
		t.Errorf("fingers three times as far apart scale to %v, want 3", scales)
	}
}

func ptr[T any](v T) *T { return &v }

// TestBrowserWithoutScripts answers by the forms alone.
func TestBrowserWithoutScripts(t *testing.T) {
	s := newSite(t, web.Options{Token: "open sesame"})
	p := newTab(t, s.serve(t), desktop)
	p.withoutScripts()
	p.open("/compare?token=open+sesame")
	p.run(chromedp.Click(chromedp.CSS("form button")), chromedp.WaitVisible(chromedp.CSS("#answers")))
	state, err := s.series.CurrentRound(context.Background(), "me")
	if err != nil {
		t.Fatal(err)
	}
	for pair := range state.Round.Pairs {
		p.run(chromedp.Click(chromedp.CSS(`button[value="4"]`)))
		p.until(fmt.Sprintf(`document.querySelector("main.done") || document.querySelector("input[name=pair]")?.value === "%d"`, pair+1))
		if got := s.standing(t, state.Round, pair); len(got) != 1 || got[0].Grade != 1 {
			t.Errorf("pair %d: the store has %+v", pair, got)
		}
	}
	p.run(chromedp.WaitVisible(chromedp.CSS("main.done")))
	p.run(chromedp.Click(chromedp.CSS("#undo")), chromedp.WaitVisible(chromedp.CSS("#answers")))
	if n := len(s.judgments(t)); n != len(state.Round.Pairs)-1 {
		t.Errorf("after undo %d answers stand", n)
	}
}

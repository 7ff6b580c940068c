package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/web"
)

// said returns what a person said last to a question, as the store has it, and
// how many answers of theirs it has.
func (s *site) said(t testing.TB, id assay.Digest, rater, question string) (last string, n int) {
	t.Helper()
	all, err := s.db.Answers(t.Context(), s.series.Name(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if a.Judge != (assay.Judge{Name: rater}) || a.Question.ID != question {
			continue
		}
		n++
		last = map[bool]string{true: series.SaidYes, false: series.SaidNo}[a.Belief.P > 0.5]
		if !a.Belief.Known() {
			last = series.SaidCannotTell
		}
	}
	return last, n
}

// TestBrowserJudged answers a question by click and by key without leaving the
// page, shows a region, and does the same again without scripts. What the page
// confirms must be in the store at that moment.
func TestBrowserJudged(t *testing.T) {
	s, id, _ := heard(t, web.Options{})
	var cut atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && cut.Load() {
			panic(http.ErrAbortHandler)
		}
		s.handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	page := "/image/" + id.String()
	p := newTab(t, server, screen{name: "small", width: 320, height: 640, phone: true})
	p.open(page)
	if wide := eval[int](p, `document.documentElement.scrollWidth`); wide > 320 {
		t.Errorf("the page is %d pixels wide on a screen of 320", wide)
	}
	const subject = `document.querySelector('input[value="composition.subject"]').form`
	button := func(answer string) string {
		return fmt.Sprintf(`%s.querySelector('button[value=%q]')`, subject, answer)
	}
	eval[int](p, `(document.querySelector("details.dimension > summary").click(), window.stayed = true, 0)`)
	small := eval[[]string](p, `[...document.querySelectorAll(".say button, a[data-region], details.dimension > summary")].filter(b => { const r = b.getBoundingClientRect(); return r.height > 0 && (r.width < 40 || r.height < 40) }).map(b => b.innerText)`)
	if len(small) > 0 {
		t.Errorf("too small for a finger: %q", small)
	}
	if cut := eval[[]string](p, `[...document.querySelectorAll(".say button")].filter(b => b.scrollWidth > b.clientWidth || b.getBoundingClientRect().right > innerWidth).map(b => b.innerText)`); len(cut) > 0 {
		t.Errorf("words leave their buttons: %q", cut)
	}
	state := func(answer string) string {
		return subject + `.querySelector(".state").textContent === "Stored: ` + answer + `." && ` + button(answer) + `.getAttribute("aria-pressed") === "true"`
	}
	eval[int](p, `(`+button("no")+`.scrollIntoView({ block: "center" }), 0)`)
	x, y := p.middle(button("no"))
	p.run(chromedp.TapXY(x, y))
	p.until(state("no"))
	if got, n := s.said(t, id, "me", "composition.subject"); got != series.SaidNo || n != 1 {
		t.Errorf("after a tap the store has %d answers, last %q", n, got)
	}
	p.until(`document.querySelector("details.dimension .words").textContent.startsWith("2 speak for the picture, 2 against it")`)
	if said := eval[string](p, `document.getElementById("kept").textContent`); said != "Stored: no. Is there a clear subject?" {
		t.Errorf("a screen reader is told %q", said)
	}

	// A failure is told, stores nothing and leaves what was pressed.
	cut.Store(true)
	eval[int](p, `(`+button("yes")+`.focus(), 0)`)
	p.run(chromedp.KeyEvent("\r"))
	p.until(subject + `.querySelector(".state").textContent.startsWith("Not stored: ")`)
	if !eval[bool](p, subject+`.classList.contains("failed") && `+button("no")+`.getAttribute("aria-pressed") === "true" && `+button("yes")+`.getAttribute("aria-pressed") === "false" && document.activeElement === `+button("yes")) {
		t.Error("a failure is not marked, changes what is pressed, or moves the focus")
	}
	cut.Store(false)
	p.run(chromedp.KeyEvent(" "))
	p.until(state("yes"))
	if got, n := s.said(t, id, "me", "composition.subject"); got != series.SaidYes || n != 2 {
		t.Errorf("after a key the store has %d answers, last %q", n, got)
	}
	if !eval[bool](p, `window.stayed && !`+subject+`.classList.contains("failed") && document.querySelector("details.dimension").open`) {
		t.Error("an answer left the page or closed the questions")
	}
	p.forgive("Failed to load resource")
	p.region()

	p.withoutScripts()
	p.open(page + "?dimension=composition#region-1")
	if !eval[bool](p, `getComputedStyle(document.getElementById("region-1")).visibility === "visible"`) {
		t.Error("without scripts the link does not show the region")
	}
	p.run(chromedp.Click(chromedp.CSS(`form.say button[value="cannot tell"]`)))
	p.until(`location.hash.startsWith("#question-") && document.readyState === "complete" && ` + button("cannot tell") + `.getAttribute("aria-pressed") === "true"`)
	if got, n := s.said(t, id, "me", "composition.subject"); got != series.SaidCannotTell || n != 3 {
		t.Errorf("after the form the store has %d answers, last %q", n, got)
	}
	if !eval[bool](p, `(() => { const r = document.querySelector("li:target").getBoundingClientRect(); return r.height > 0 && r.top >= 0 && r.top < innerHeight })()`) {
		t.Error("the form does not lead back to its question")
	}
}

// region looks at the region of a weakness by key, tap and Escape.
func (p *tab) region() {
	p.t.Helper()
	const link, box = `document.querySelector("a[data-region]")`, `document.getElementById("region-1")`
	visible := func(when string, want bool) {
		p.t.Helper()
		if got := eval[bool](p, `getComputedStyle(`+box+`).visibility === "visible"`); got != want {
			p.t.Errorf("%s the region is visible: %v", when, got)
		}
	}
	visible("before anything", false)
	eval[int](p, `(`+link+`.focus(), 0)`) // by the keyboard, which was used last
	visible("on focus", true)
	eval[int](p, `(`+link+`.blur(), 0)`)
	visible("after focus", false)
	eval[int](p, `(`+link+`.scrollIntoView({ block: "end" }), 0)`)
	x, y := p.middle(link)
	p.run(chromedp.TapXY(x, y))
	p.until(link + `.getAttribute("aria-pressed") === "true"`)
	visible("on a tap", true)
	at := eval[[]float64](p, `(() => { const b = `+box+`.lastElementChild.getBoundingClientRect(), i = document.querySelector(".stack img").getBoundingClientRect();
		return [(b.left - i.left) / i.width, (b.top - i.top) / i.height, (b.right - i.left) / i.width, (b.bottom - i.top) / i.height, i.top, innerHeight - i.bottom] })()`)
	for k, want := range []float64{0.5, 0.25, 1, 0.75} {
		if at[k] < want-0.04 || at[k] > want+0.04 { // the line has a width
			p.t.Errorf("the region lies at %.3f of the picture", at[:4])
			break
		}
	}
	if at[4] < -1 || at[5] < -1 {
		p.t.Errorf("a tap does not bring the picture into view: %.0f", at[4:])
	}
	p.run(chromedp.KeyEvent(kb.Escape))
	p.until(link + `.getAttribute("aria-pressed") === "false"`)
	visible("after Escape", false)
}

// TestScreenshotsJudged writes pictures of what judges said, for people to look
// at, into the folder named by ASSAY_TEST_SCREENSHOTS.
func TestScreenshotsJudged(t *testing.T) {
	if os.Getenv("ASSAY_TEST_SCREENSHOTS") == "" {
		t.Skip("ASSAY_TEST_SCREENSHOTS is not set")
	}
	s := gallery(t, web.Options{})
	id := s.results[30].Digest
	hear(t, s, id, s.results[31].Digest)
	server := s.serve(t)
	for _, on := range []screen{desktop, phone, {name: "desktop-dark", width: 1280, height: 900, dark: true},
		{name: "phone-dark", width: 390, height: 844, phone: true, dark: true}, {name: "small-light", width: 320, height: 640, phone: true}} {
		p := newTab(t, server, on)
		p.open("/image/" + id.String() + "?dimension=composition")
		if !strings.HasPrefix(on.name, "desktop") {
			eval[int](p, `(document.querySelector("a[data-region]").click(), 0)`)
		} else {
			x, y := p.middle(`document.querySelector("a[data-region]")`)
			p.run(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x, y))
		}
		eval[int](p, `(document.querySelector('form.say button[value="yes"]').click(), 0)`)
		p.until(`document.querySelector("form.say .state").textContent.startsWith("Stored")`)
		p.shoot(on.name+"-judged", true)
		p.open("/judges")
		p.shoot(on.name+"-judges", true)
	}
}

// TestReportIsRead: every check of an examination as package judge writes it is
// shown, in its order, and its questions are named.
func TestReportIsRead(t *testing.T) {
	var r judge.Report
	checks := []*judge.Check{&r.Controls, &r.YesBias, &r.Gross, &r.Mild, &r.Decided, &r.Pairs, &r.Position, &r.Repeat, &r.Negation, &r.Wrong}
	for i, c := range checks {
		*c = judge.Check{Name: fmt.Sprintf("check %d", i), What: "w", K: i, N: 10, Share: &judge.Estimate{Low: 0.1, High: 0.2}, Rule: "r", Verdict: judge.Pass, Number: &judge.Estimate{Value: 0.5}}
	}
	r.Trust = assay.Trust{Fit: true, Unfit: map[string]string{"q@1": "a coin"}}
	r.Questions = []judge.QuestionReport{{ID: "q", Version: "1", Text: "Is it so?", Verdict: judge.Fail, Rule: "r", Reason: "a coin"}}
	r.Agreement, r.Self = &judge.Estimate{Value: 0.25}, &judge.SelfReport{Delta: &judge.Estimate{Value: 0.75}, Pairs: 3, Rule: "r", Verdict: judge.Pass}
	r.Cost.Calls, r.LeftOut = 77, []string{"the rest"}
	if len(r.Checks()) != len(checks) {
		t.Fatalf("package judge has %d checks, the test %d", len(r.Checks()), len(checks))
	}
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	s := small(t, web.Options{})
	audit(t, s, fitJudge, string(body))
	_, page := s.get(t, "/judges")
	text := words(page)
	at := 0
	for i := range checks {
		want := fmt.Sprintf("check %d pass a doubt at most %d of 10; 0.5 (0 to 0) 10 %% to 20 %% w; r", i, i)
		k := strings.Index(text[at:], want)
		if k < 0 {
			t.Fatalf("after %d characters the page lacks %q", at, want)
		}
		at += k
	}
	for _, want := range []string{"Is it so? q a coin", "0.25 (0 to 0).", "0.75 (0 to 0) in log-odds on 3 pairs; pass.", "took 77 requests.", "the rest", "how often it decides as you would is not known"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

package web_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/web"
)

// TestBrowserTwoRaters lets two people answer by turns, each in a browser of their
// own, one of whom reloads in the middle: neither loses or gets the other's answers.
func TestBrowserTwoRaters(t *testing.T) {
	raters := []web.Rater{{Name: "anna", Token: web.RaterToken("s", "anna")}, {Name: "ben", Token: web.RaterToken("s", "ben")}}
	s := newSite(t, web.Options{Raters: raters})
	server := s.serve(t)
	tabs := map[string]*tab{}
	rounds := map[string]assay.Round{}
	for i, r := range raters {
		p := newTab(t, server, []screen{desktop, phone}[i])
		p.open("/compare?token=" + r.Token)
		if who := eval[string](p, `document.querySelector(".who b").innerText`); who != r.Name {
			t.Errorf("the page of %s says that %s answers", r.Name, who)
		}
		p.run(chromedp.Click(chromedp.CSS("main form button")))
		p.until(ready)
		p.shoot("rater-"+r.Name, false)
		state, err := s.series.CurrentRound(t.Context(), r.Name)
		if err != nil {
			t.Fatal(err)
		}
		tabs[r.Name], rounds[r.Name] = p, state.Round
	}
	keys := map[string]string{"anna": "5", "ben": "1"}
	for pair := range rounds["anna"].Pairs {
		for _, r := range raters {
			p := tabs[r.Name]
			if pair == 2 && r.Name == "anna" {
				p.run(chromedp.Reload())
			}
			p.until(ready + fmt.Sprintf(` && document.getElementById("main").dataset.pair === "%d"`, pair))
			p.run(chromedp.KeyEvent(keys[r.Name]))
			p.until(fmt.Sprintf(`document.querySelector("main.done") || document.getElementById("main").dataset.pair !== "%d"`, pair))
		}
	}
	all := s.judgments(t)
	for name, grade := range map[string]int{"anna": 2, "ben": -2} {
		own := slices.DeleteFunc(slices.Clone(all), func(j assay.Judgment) bool { return j.Rater != name })
		if len(own) != len(rounds[name].Pairs) || slices.ContainsFunc(own, func(j assay.Judgment) bool { return j.Grade != grade || j.Round != rounds[name].ID }) {
			t.Errorf("%s has %+v", name, own)
		}
	}
	if len(all) != len(rounds["anna"].Pairs)+len(rounds["ben"].Pairs) {
		t.Errorf("%d answers in all", len(all))
	}
}

// TestBrowserNextPair measures how long the next pair takes to be on screen after
// an answer: without a reload, with its pictures there already.
func TestBrowserNextPair(t *testing.T) {
	s := newSite(t, web.Options{})
	if _, _, err := s.series.OpenRound(t.Context(), "me", 5); err != nil {
		t.Fatal(err)
	}
	p := newTab(t, s.serve(t), desktop)
	p.open("/compare")
	p.until(ready)
	eval[int](p, `(window.stays = true, window.took = [], document.addEventListener("keydown", () => { window.at = performance.now() }, true),
		new MutationObserver(() => { if (document.getElementById("main").dataset.state === "ready") took.push(performance.now() - at) })
			.observe(document.getElementById("main"), { attributes: true, attributeFilter: ["data-state"] }), 0)`)
	for pair := range 4 {
		p.run(chromedp.KeyEvent("2"))
		p.until(fmt.Sprintf(`window.stays && took.length > %d`, pair))
	}
	took := eval[[]float64](p, `took`)
	t.Logf("milliseconds to the next pair: %.0f", took)
	if fastest := slices.Min(took); fastest > 100 {
		t.Errorf("the next pair takes %.0f ms at best, want 100", fastest)
	}
}

package web_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/web"
)

type marksReply struct {
	Error  string        `json:"error"`
	Holder *assay.Digest `json:"holder"`
	Marks  []struct {
		ID    int64          `json:"id"`
		Image assay.Digest   `json:"image"`
		Kind  assay.MarkKind `json:"kind"`
	} `json:"marks"`
}

func TestMarkRequests(t *testing.T) {
	s := newSite(t, web.Options{})
	round, _, err := s.series.OpenRound(t.Context(), "me", 3)
	if err != nil {
		t.Fatal(err)
	}
	a, b := round.Pairs[0].Left, round.Pairs[0].Right
	mark := func(body map[string]any) (int, marksReply) {
		var reply marksReply
		code := s.postJSON(t, "/compare/mark", body, &reply)
		return code, reply
	}
	code, reply := mark(map[string]any{"image": a, "kind": "interesting", "round": round.ID})
	if code != http.StatusOK || len(reply.Marks) != 1 || reply.Marks[0].Image != a {
		t.Fatalf("%d %+v", code, reply)
	}
	if code, reply = mark(map[string]any{"image": a, "kind": "breakthrough"}); code != http.StatusOK || len(reply.Marks) != 2 {
		t.Errorf("%d %+v", code, reply)
	}
	if code, reply = mark(map[string]any{"image": b, "kind": "breakthrough"}); code != http.StatusConflict || reply.Holder == nil || *reply.Holder != a || len(reply.Marks) != 2 {
		t.Errorf("a second breakthrough: %d %+v", code, reply)
	}
	if code, reply = mark(map[string]any{"image": b, "kind": "breakthrough", "transfer": true}); code != http.StatusOK || len(reply.Marks) != 2 {
		t.Errorf("moved: %d %+v", code, reply)
	}
	if code, reply = mark(map[string]any{"take_back": reply.Marks[0].ID}); code != http.StatusOK || len(reply.Marks) != 1 {
		t.Errorf("taken back: %d %+v", code, reply)
	}
	for _, bad := range []map[string]any{{"image": a, "kind": "splendid"}, {"image": assay.Digest{1}, "kind": "interesting"}, {"take_back": 999}} {
		if code, reply := mark(bad); code < 400 || code >= 500 || reply.Error == "" {
			t.Errorf("%v: %d %+v", bad, code, reply)
		}
	}
	// Without a script a button marks the picture of its side, and takes it back.
	form := url.Values{"round": {strconv.FormatInt(round.ID, 10)}, "pair": {"0"}, "interesting": {"right"}}
	for _, want := range []int{1, 0} {
		r := request("POST", "/compare/mark", form.Encode())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if res, body := s.do(t, r); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
		marks, err := s.series.Marks(t.Context())
		interesting := 0
		for _, m := range marks {
			if m.Kind == assay.Interesting && m.Image == b {
				interesting++
			}
		}
		if err != nil || interesting != want {
			t.Errorf("%+v, %v; want the right picture marked %d times", marks, err, want)
		}
	}
}

// Without scripts the breakthrough is asked about on a page of its own, which shows
// the holder; it moves only from the holder that was shown.
func TestBreakthroughForms(t *testing.T) {
	s := newSite(t, web.Options{})
	round, _, err := s.series.OpenRound(t.Context(), "me", 3)
	if err != nil {
		t.Fatal(err)
	}
	say := func(pair int, what, holder string) (*http.Response, string) {
		form := url.Values{"round": {strconv.FormatInt(round.ID, 10)}, "pair": {strconv.Itoa(pair)}, "breakthrough": {what}}
		if holder != "" {
			form.Set("holder", holder)
		}
		return s.postForm(t, "/compare/mark", form)
	}
	held := func() string {
		marks, err := s.series.Marks(t.Context())
		if err != nil || len(marks) > 1 {
			t.Fatalf("%+v, %v", marks, err)
		}
		if len(marks) == 0 {
			return ""
		}
		return marks[0].Image.String()
	}
	// A picture may be part of two pairs; the second pair's is to be another.
	first, second, side := round.Pairs[0].Left.String(), round.Pairs[1].Right.String(), "right"
	if second == first {
		second, side = round.Pairs[1].Left.String(), "left"
	}
	if res, body := say(0, "ask", ""); res.StatusCode != http.StatusOK || strings.Contains(body, "holds it now") || held() != "" {
		t.Errorf("asked: %d %s", res.StatusCode, body)
	}
	if res, _ := say(0, "back", ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("taken back though nothing has it: %d", res.StatusCode)
	}
	if res, _ := say(0, "left", ""); res.StatusCode != http.StatusSeeOther || held() != first {
		t.Errorf("given: %d, %s holds it", res.StatusCode, held())
	}
	if res, body := say(1, side, ""); res.StatusCode != http.StatusOK || !strings.Contains(body, "holds it now") || !strings.Contains(body, first) || held() != first {
		t.Errorf("another, unseen holder: %d, %s holds it\n%s", res.StatusCode, held(), body)
	}
	if res, _ := say(1, side, first); res.StatusCode != http.StatusSeeOther || held() != second {
		t.Errorf("moved: %d, %s holds it", res.StatusCode, held())
	}
	if res, _ := say(1, "back", ""); res.StatusCode != http.StatusSeeOther || held() != "" {
		t.Errorf("taken back: %d, %s holds it", res.StatusCode, held())
	}
	if res, _ := say(1, "up", ""); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a side that is none: %d", res.StatusCode)
	}
}

// The pages say what is not known, and once something is, what.
func TestTrustAndCompassPages(t *testing.T) {
	s := newSite(t, web.Options{})
	for path, want := range map[string]string{"/trust": "Too little is known", "/compass": "Nothing is known of your taste yet"} {
		if res, body := s.get(t, path); res.StatusCode != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
		if res, body := s.get(t, path+".json"); res.StatusCode != http.StatusOK || !strings.Contains(body, `"rater":"me"`) {
			t.Errorf("%s.json: %d %s", path, res.StatusCode, body)
		}
	}
	round, _, err := s.series.OpenRound(t.Context(), "me", 3)
	if err != nil {
		t.Fatal(err)
	}
	var reply any
	for k := range round.Pairs {
		if code := s.postJSON(t, "/compare/answer", map[string]any{"round": round.ID, "pair": k, "outcome": "left", "grade": -1}, &reply); code != http.StatusOK {
			t.Fatal(code)
		}
	}
	if _, body := s.get(t, "/trust"); !strings.Contains(body, "3 pairs that you decided") || strings.Contains(body, "%!") {
		t.Errorf("after a round: %s", body)
	}
}

// Keys mark pictures, the breakthrough is asked about, and the answer keys rest
// while it is.
func TestBrowserMarks(t *testing.T) {
	s := newSite(t, web.Options{})
	round, _, err := s.series.OpenRound(t.Context(), "me", 3)
	if err != nil {
		t.Fatal(err)
	}
	p := newTab(t, s.serve(t), desktop)
	p.open("/compare")
	p.until(ready)
	p.run(chromedp.KeyEvent("i"))
	p.until(`document.querySelector("[data-mark=left]").getAttribute("aria-pressed") === "true"`)
	p.run(chromedp.KeyEvent("o"))
	p.until(`document.querySelector("[data-mark=right]").getAttribute("aria-pressed") === "true"`)
	p.run(chromedp.KeyEvent("i"))
	p.until(`document.querySelector("[data-mark=left]").getAttribute("aria-pressed") === "false"`)
	p.run(chromedp.KeyEvent("k"))
	p.until(`document.querySelector("#crown").open`)
	if !eval[bool](p, `document.querySelector("#crown-held").hidden && document.querySelector("[data-crown=back]").hidden`) {
		t.Error("the question names a holder where there is none")
	}
	p.run(chromedp.KeyEvent("1"))
	p.run(chromedp.Click(chromedp.CSS("[data-crown=right]")))
	p.until(`document.querySelector("#breakthrough").getAttribute("aria-pressed") === "true"`)
	marks, err := s.series.Marks(t.Context())
	if err != nil || len(marks) != 2 || marks[0].Image != round.Pairs[0].Right || marks[1].Kind != assay.Breakthrough || marks[1].Image != round.Pairs[0].Right {
		t.Errorf("%+v, %v", marks, err)
	}
	if n := len(s.judgments(t)); n != 0 {
		t.Errorf("%d judgments were given while the breakthrough was asked about", n)
	}

	// Of the next pair, the question shows the holder, and moves it.
	p.run(chromedp.KeyEvent("s"))
	p.until(ready + ` && document.getElementById("main").dataset.pair === "1"`)
	p.run(chromedp.Click(chromedp.CSS("#breakthrough")))
	p.until(`document.querySelector("#crown").open && !document.querySelector("#crown-held").hidden`)
	if src := eval[string](p, `document.querySelector("#crown-held img").getAttribute("src")`); src != "/thumb/"+round.Pairs[0].Right.String() {
		t.Errorf("the question shows %s as the holder", src)
	}
	side, other := "left", round.Pairs[1].Left
	if other == round.Pairs[0].Right { // which is not offered what it holds
		side, other = "right", round.Pairs[1].Right
	}
	p.run(chromedp.Click(chromedp.CSS("[data-crown=" + side + "]")))
	p.until(`document.querySelector("#said").innerText.includes("is the breakthrough")`)
	if marks, err = s.series.Marks(t.Context()); err != nil || len(marks) != 2 || marks[1].Image != other {
		t.Errorf("moved: %+v, %v", marks, err)
	}
}

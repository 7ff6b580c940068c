package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/web"
)

const hostile = `<script>alert("judge")</script>`

var (
	fitJudge   = assay.Judge{Name: "local", API: "openai", Endpoint: "http://localhost:8000/v1/", Model: "qwen2.5-vl-7b", Family: "qwen", Protocol: 1}
	unfitJudge = assay.Judge{Name: "yes-man", API: "google", Model: "always-yes", Protocol: 1}
	newJudge   = assay.Judge{Name: "newcomer " + hostile, API: "anthropic", Model: "unknown", Protocol: 1}
)

func question(dimension, id, text string, good assay.Polarity) assay.Question {
	return assay.Question{ID: id, Version: "1", Dimension: dimension, Text: text, Good: good, Kind: "plain", Scope: "image"}
}

// asked are the questions of the test's series; those of the dimension
// "composition" are answered with 0.9, 0.2, ... by the fit judge.
func asked() []assay.Question {
	control := question("composition", "control.wide", "Is the picture wider than tall?", assay.Neither)
	control.Expect, control.Kind = "no", "control"
	twin := question("composition", "composition.subject.not", "Is there no clear subject?", assay.NoIsGood)
	twin.TwinOf = "composition.subject"
	return []assay.Question{
		question("composition", "composition.subject", "Is there a clear subject?", assay.YesIsGood),
		question("composition", "composition.cropped", "Is something important cut off at the border?", assay.NoIsGood),
		question("composition", "composition.people", "Does the picture show people?", assay.Neither),
		question("composition", "composition.balance", "Is the picture balanced?", assay.YesIsGood),
		question("composition", "composition.depth", "Is there a sense of depth?", assay.YesIsGood),
		twin, control,
		question("detail", "detail.texture", "Are the textures believable? "+hostile, assay.YesIsGood),
	}
}

func belief(p float64) assay.Belief {
	return assay.Belief{P: p, Low: max(0, p-0.02), High: min(1, p+0.02), Method: assay.ByLogProbs, Coverage: 1}
}

func audit(t testing.TB, s *site, j assay.Judge, body string) {
	t.Helper()
	if _, err := s.db.PutNote(t.Context(), assay.Note{Series: s.series.Name(), Judge: j, Kind: series.AuditNote, Body: []byte(body)}); err != nil {
		t.Fatal(err)
	}
}

// examined is an examination as package judge writes it.
func examined(t testing.TB, trust assay.Trust) string {
	t.Helper()
	text, err := json.Marshal(trust)
	if err != nil {
		t.Fatal(err)
	}
	return `{"trust":` + string(text) + `,
	"controls":{"name":"controls","what":"questions with known answers answered right","k":19,"n":20,"share":{"value":0.95,"low":0.7,"high":1},"level":0.99,"rule":"fails if the interval lies below 95 %","verdict":"pass","decides":true},
	"yes_bias":{"name":"yes-bias","what":"answers that were yes","k":20,"n":20,"share":{"value":1,"low":0.77,"high":1},"level":0.99,"rule":"fails if the interval lies above 65 %","verdict":"fail","decides":true,"number":{"value":0.125,"low":0.1,"high":0.15},"note":"said yes ` + strings.ReplaceAll(hostile, `"`, `\"`) + `"},
	"wrong":{"name":"wrong prompt","what":"pictures whose P(yes) fell","k":0,"n":0,"level":0.95,"rule":"r","verdict":"not enough data","decides":false},
	"questions":[{"id":"composition.depth","version":"1","text":"Is there a sense of depth?","verdict":"fail","reason":"no better than a coin","rule":"r"}],
	"agreement":{"value":0.61,"low":0.4,"high":0.8},
	"self":{"delta":{"value":0.3,"low":0.1,"high":0.5},"pairs":12,"rule":"r","verdict":"not enough data"},
	"cost":{"calls":200},"left_out":["the wrong prompt was not tried"]}`
}

// heard is the series of waves after judges and people have spoken of its first
// two pictures.
func heard(t testing.TB, opt web.Options) (s *site, id, other assay.Digest) {
	t.Helper()
	s = newSite(t, opt)
	id, other = s.results[0].Digest, s.results[1].Digest
	hear(t, s, id, other)
	return s, id, other
}

func hear(t testing.TB, s *site, id, other assay.Digest) {
	t.Helper()
	name := s.series.Name()
	var all []assay.Answer
	for i, q := range asked() {
		b := belief([]float64{0.9, 0.2, 0.7, 0.3, 0.8, 0.1, 0.05, 0.6}[i])
		a := assay.Answer{Series: name, Image: id, Judge: fitJudge, Question: q, Belief: b}
		if q.ID == "composition.people" {
			a.Belief = assay.Belief{Method: assay.ByLogProbs, Abstained: "cannot tell"}
		}
		if q.ID == "detail.texture" {
			a.Void = "a control on this picture failed"
		}
		again := a
		again.Repeat, again.Belief = 1, belief(0.55)
		all = append(all, a, again)
	}
	all = append(all,
		assay.Answer{Series: name, Image: id, Judge: unfitJudge, Question: asked()[0], Belief: belief(0.99)},
		assay.Answer{Series: name, Image: id, Judge: newJudge, Question: asked()[3], Belief: assay.Belief{P: 2.0 / 3, Low: 0.2, High: 0.9, Method: assay.BySamples, Samples: 3, Yes: 2, Coverage: 1}})
	if err := s.db.PutAnswers(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	audit(t, s, fitJudge, examined(t, assay.Trust{Fit: true, Accuracy: 0.82, Low: 0.7, High: 0.9, Pairs: 40, Source: "people",
		Unfit: map[string]string{"composition.depth@1": "no better than a coin"}}))
	audit(t, s, unfitJudge, examined(t, assay.Trust{Reasons: []string{"unfit: it says yes to everything " + hostile}}))
	for _, c := range []assay.Comparison{
		{Judge: fitJudge, A: id, B: other, P: 0.9, Outcome: assay.Left, FirstOrder: belief(0.9), SecondOrder: belief(0.9), Reason: "who holds the cell"},
		{Judge: newJudge, A: other, B: id, P: 0.8, Outcome: assay.Left, FirstOrder: belief(0.8), SecondOrder: belief(0.8), Reason: "who holds the cell"},
		{Judge: unfitJudge, A: id, B: other, P: 0.5, Outcome: assay.Skip, Reason: "it refused " + hostile, Flags: []string{"same family as the generator of A"}},
	} {
		c.Series, c.Criterion = name, "better@1"
		if _, err := s.db.PutComparison(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	script, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []struct{ kind, body string }{
		{"summary", `{"text":"An older summary.","claims":[]}`},
		{"summary", `{"text":` + string(script) + `,"claims":[{"text":"x","belief":{}},{"text":"y","belief":{},"dropped":"not confirmed"}]}`},
		{"critique", `{"verifier":{"name":"second"},"weaknesses":[
			{"text":"The waves break off at the right border.","category":"geometry","box":[0.5,0.25,1,0.75]},
			{"text":"The lower part is dull.","category":"light","part":"lower part ` + `\u003cb\u003e` + `"},
			{"text":"A box that is none.","category":"light","part":"middle","box":[0.9,0.2,0.1,7]}],
			"dropped":[{"text":"A hand has six fingers.","dropped":"it holds of an unrelated picture"}]}`},
	} {
		if _, err := s.db.PutNote(t.Context(), assay.Note{Series: name, Image: id, Judge: fitJudge, Kind: n.kind, Body: []byte(n.body)}); err != nil {
			t.Fatal(err)
		}
	}
}

// words returns the text of a page, without tags and with single spaces.
func words(html string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(html, "<") {
		if _, text, ok := strings.Cut(part, ">"); ok {
			b.WriteString(text + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func TestJudgedImage(t *testing.T) {
	s, id, _ := heard(t, web.Options{Rater: "ada"})
	_, body := s.get(t, "/image/"+id.String())
	text := words(body)
	for _, want := range []string{
		// the judges, and what each may decide
		"may decide local qwen2.5-vl-7b Decides as people did in 82 % of 40 pairs (95 % interval 70 % to 90 %).",
		"decides nothing yes-man always-yes It failed its examination. unfit: it says yes to everything",
		"Not examined in this series, and so it decides nothing yet",
		// the overview: subject for, cropped for (no is good), people abstained, balance against, depth for but silent
		"composition 3 speak for the picture, 1 against it, 1 abstained",
		"1 of these decides nothing: no judge that may decide answered", "of 1 control, 1 answered right", "1 negation is not counted",
		"detail 1 void",
		// the details
		"no 0.80 local for the picture", "yes 0.90 local for the picture", "no 0.70 local against the picture",
		"void: a control on this picture failed;", "decides nothing at this question: no better than a coin ;",
		"yes 0.99 yes-man for the picture its judge is not fit to decide ;", "2 yes of 3 answers", "control: the answer is no",
		"abstains local cannot tell",
		// comparisons
		": better than", ", P(this is better) 0.90; it weighs as a judge who is right with probability 0.82",
		": not as good as", ", P(this is better) 0.20; under test: newcomer",
		"decides nothing yes-man : not compared with", "the judge abstained: it refused", "same family as the generator of A",
		// what they wrote
		"1 more sentence could not be verified, and is not shown.", "by local, checked by second",
		"The waves break off at the right border. geometry, 50 to 100 % across, 25 to 75 % down", "The lower part is dull. light, lower part",
		"1 more was named",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the profile lacks %q", want)
		}
	}
	for _, bad := range []string{"An older summary", "0.55", "ZgotmplZ", "NaN", "<script>", "<b> ", "region-2", "six fingers", "style=", "onclick"} {
		if strings.Contains(body, bad) {
			t.Errorf("the profile has %q", bad)
		}
	}
	for _, want := range []string{`<rect x="50.000" y="25.000" width="50.000" height="50.000"/>`, "&lt;script&gt;alert(&#34;judge&#34;)&lt;/script&gt;", `<s><span class="badge pass void">`} {
		if !strings.Contains(body, want) {
			t.Errorf("the profile lacks %q", want)
		}
	}
	if _, judgments, _ := strings.Cut(text, "Judgments"); !strings.Contains(judgments, "Nobody has compared this image yet.") {
		t.Error("what models said stands among people's judgments")
	}
	_, plain := s.get(t, "/image/"+s.results[5].Digest.String())
	if strings.Contains(plain, "What judges said") || strings.Contains(plain, "Weaknesses") {
		t.Error("the profile of a picture nobody was asked about speaks of judges")
	}
}

// pressed returns which answers to a question a page shows as the visitor's.
func pressed(t testing.TB, body, question string) []string {
	t.Helper()
	_, rest, ok := strings.Cut(body, `name="question" value="`+question+`"`)
	form, _, closed := strings.Cut(rest, "</form>")
	if !ok || !closed {
		t.Fatalf("the page has no form for %s", question)
	}
	var out []string
	for button := range strings.SplitSeq(form, "<button") {
		if strings.Contains(button, `aria-pressed="true"`) {
			_, text, _ := strings.Cut(button, `>`)
			text, _, _ = strings.Cut(text, "<")
			out = append(out, text)
		}
	}
	return out
}

// TestSay: a person's newest answer is kept, shown as theirs and decides the
// question; whoever has no scripts comes back to where they were.
func TestSay(t *testing.T) {
	s, id, _ := heard(t, web.Options{Rater: "ada"})
	page := "/image/" + id.String()
	if _, err := s.series.AnswerQuestion(t.Context(), "ben", id, "composition.balance", series.SaidYes); err != nil {
		t.Fatal(err)
	}
	say := func(question, answer string) (int, assay.Answer) {
		var a assay.Answer
		code := s.postJSON(t, page+"/answer", map[string]string{"question": question, "answer": answer}, &a)
		return code, a
	}
	for i, answer := range []string{series.SaidNo, series.SaidYes, series.SaidYes, series.SaidCannotTell, series.SaidNo} {
		code, a := say("composition.subject", answer)
		if code != 200 || a.Judge != (assay.Judge{Name: "ada"}) || a.Belief.Known() != (answer != series.SaidCannotTell) || a.Belief.P != map[string]float64{series.SaidYes: 1}[answer] {
			t.Fatalf("%d: %d %+v", i, code, a)
		}
		_, body := s.get(t, page)
		if got := pressed(t, body, "composition.subject"); !slices.Equal(got, []string{answer}) {
			t.Errorf("after %q the page shows %q as hers", answer, got)
		}
	}
	_, body := s.get(t, page)
	text := words(body)
	// ada's no turned the subject against; ben's yes to the balance turned that.
	if want := "composition 3 speak for the picture, 1 against it, 1 abstained"; !strings.Contains(text, want) {
		t.Errorf("the page lacks %q", want)
	}
	if n := strings.Count(text, "ben: yes"); n != 1 {
		t.Errorf("what ben said stands %d times", n)
	}
	if strings.Contains(text, "ada: ") {
		t.Error("her own answers are listed among others'")
	}
	if got := pressed(t, body, "composition.balance"); len(got) != 0 {
		t.Errorf("ben's answer is shown as hers: %q", got)
	}

	form := url.Values{"question": {"detail.texture"}, "answer": {"yes"}}
	r := request(http.MethodPost, page+"/answer", form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, _ := s.do(t, r)
	to, err := url.Parse(res.Header.Get("Location"))
	if res.StatusCode != http.StatusSeeOther || err != nil || to.Path != page || to.Fragment == "" {
		t.Fatalf("the form leads to %q, %v", res.Header.Get("Location"), err)
	}
	_, body = s.get(t, to.Path+"?"+to.RawQuery)
	if !strings.Contains(body, `data-dimension="detail" open>`) || strings.Contains(body, `data-dimension="composition" open>`) || !strings.Contains(body, `<li id="`+to.Fragment+`"`) {
		t.Error("the form does not lead back to its question")
	}
	if got := pressed(t, body, "detail.texture"); !slices.Equal(got, []string{"yes"}) || !strings.Contains(words(body), "detail 1 speaks for the picture") {
		t.Errorf("after the form the page shows %q", got)
	}
}

// TestSuperseded: an older wording is shown without buttons and counts nothing.
func TestSuperseded(t *testing.T) {
	s, id, _ := heard(t, web.Options{})
	q := asked()[0]
	q.Version, q.Text = "2", "Is there a subject that is plain to see?"
	if err := s.db.PutAnswers(t.Context(), []assay.Answer{{Series: s.series.Name(), Image: id, Judge: fitJudge, Question: q, Belief: belief(0.1)}}); err != nil {
		t.Fatal(err)
	}
	_, body := s.get(t, "/image/"+id.String())
	text := words(body)
	for _, want := range []string{"composition 2 speak for the picture, 2 against it, 1 abstained", "1 older wording is not counted", "asked in another wording since"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(body, `value="composition.subject"`); n != 1 {
		t.Errorf("%d forms for one question", n)
	}
}

// TestSayRefused: the route is guarded like the others that change something, and
// what is refused leaves nothing.
func TestSayRefused(t *testing.T) {
	s, id, _ := heard(t, web.Options{})
	before, err := s.db.Answers(t.Context(), s.series.Name(), id)
	if err != nil {
		t.Fatal(err)
	}
	good, target := `{"question":"composition.subject","answer":"yes"}`, "/image/"+id.String()+"/answer"
	for _, c := range []struct {
		name, target, kind, body, site string
		want                           int
	}{
		{"another site", target, "application/json", good, "cross-site", 403},
		{"another port", target, "application/json", good, "same-site", 403},
		{"a form of another site", target, "application/x-www-form-urlencoded", "question=composition.subject&answer=yes", "cross-site", 403},
		{"no origin", target, "application/json", good, "", 403},
		{"a type that forms of any site can send", target, "text/plain", good, "same-origin", 415},
		{"not JSON", target, "application/json", "{", "same-origin", 400},
		{"unknown member", target, "application/json", `{"question":"composition.subject","answer":"yes","rater":"ben"}`, "same-origin", 400},
		{"no question", target, "application/json", `{"answer":"yes"}`, "same-origin", 400},
		{"unknown question", target, "application/json", `{"question":"nothing","answer":"yes"}`, "same-origin", 404},
		{"a number", target, "application/json", `{"question":"composition.subject","answer":"0.7"}`, "same-origin", 400},
		{"too long", target, "application/json", `{"question":"` + strings.Repeat("x", 1<<20) + `"}`, "same-origin", 413},
		{"a stranger", "/image/" + strings.Repeat("0", 64) + "/answer", "application/json", good, "same-origin", 404},
		{"no name", "/image/x/answer", "application/json", good, "same-origin", 400},
	} {
		r := request(http.MethodPost, c.target, c.body)
		r.Header.Set("Content-Type", c.kind)
		r.Header.Del("Sec-Fetch-Site")
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		res, body := s.do(t, r)
		if res.StatusCode != c.want || !strings.Contains(body, "remedy") && !strings.Contains(body, "<p>") {
			t.Errorf("%s: %d %.200s, want %d", c.name, res.StatusCode, body, c.want)
		}
	}
	if res, _ := s.get(t, target); res.StatusCode != 405 || res.Header.Get("Allow") == "" {
		t.Errorf("GET: %d", res.StatusCode)
	}
	after, err := s.db.Answers(t.Context(), s.series.Name(), id)
	if err != nil || len(after) != len(before) {
		t.Errorf("%d answers, %v; there were %d", len(after), err, len(before))
	}
	secret := &site{db: s.db, series: s.series}
	if secret.handler, err = web.New(s.series, s.db, web.Options{Token: "x"}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*http.Request{request(http.MethodPost, target, good), request(http.MethodGet, "/judges.json", "")} {
		if res, body := secret.do(t, r); res.StatusCode != 401 || strings.Contains(body, "local") {
			t.Errorf("%s without the token: %d %.100s", r.URL.Path, res.StatusCode, body)
		}
	}
}

func TestJudgesPage(t *testing.T) {
	s := newSite(t, web.Options{Rater: "ada"})
	const link = `<a href="/judges"`
	if _, body := s.get(t, "/"); strings.Contains(body, link) {
		t.Error("a series without judges links to them")
	}
	if res, body := s.get(t, "/judges"); res.StatusCode != 200 || !strings.Contains(body, "No judge has said anything") {
		t.Errorf("without judges: %d", res.StatusCode)
	}
	if _, body := s.get(t, "/judges.json"); !strings.Contains(body, `"judges":[]`) {
		t.Errorf("without judges: %s", body)
	}
	id, other := s.results[0].Digest, s.results[1].Digest
	writer := assay.Judge{Name: "writer", API: "openai", Model: "m", Protocol: 1}
	if _, err := s.db.PutNote(t.Context(), assay.Note{Series: s.series.Name(), Image: id, Judge: writer, Kind: "summary", Body: []byte("[]")}); err != nil {
		t.Fatal(err)
	}
	if _, body := s.get(t, "/image/"+id.String()); !strings.Contains(body, link) || !strings.Contains(body, "It cannot be read") {
		t.Error("one that only wrote, and what cannot be read, are passed over")
	}
	hear(t, s, id, other)
	for _, target := range []string{"/", "/diagnose", "/compare", "/image/" + id.String(), "/judges"} {
		if _, body := s.get(t, target); !strings.Contains(body, link) {
			t.Errorf("%s does not link to the judges", target)
		}
	}
	if _, err := s.series.AnswerQuestion(t.Context(), "ada", id, "composition.subject", series.SaidYes); err != nil {
		t.Fatal(err)
	}
	_, body := s.get(t, "/judges")
	text := words(body)
	for _, want := range []string{
		"local qwen2.5-vl-7b may decide Decides as people did in 82 % of 40 pairs", "1 question at which it decides nothing.", "6 (on 1 image; 1 abstained; 1 void)", "1 (1 counts, 0 decided a cell)",
		"yes-man always-yes decides nothing It failed its examination. 1 (on 1 image)", "under test Not examined in this series", "never",
		"controls pass 19 of 20 70 % to 100 % questions with known answers answered right; fails if the interval lies below 95 %",
		"yes-bias fail 20 of 20; 0.125 (0.1 to 0.15)", "Gwet’s AC1): 0.61 (0.4 to 0.8).", "own family: 0.3 (0.1 to 0.5) in log-odds on 12 pairs; not enough data.", "took 200 requests.", "wrong prompt not enough data a doubt at most not asked –",
		"Is there a sense of depth? composition.depth no better than a coin", "the wrong prompt was not tried", "ada answered 1 question", "unfit: it says yes to everything",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range []string{"<script>", "ZgotmplZ", "NaN", "style="} {
		if strings.Contains(body, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	_, profile := s.get(t, "/image/"+id.String())
	for part := range strings.SplitSeq(profile, `href="/judges#`) {
		if anchor, _, ok := strings.Cut(part, `"`); ok && strings.HasPrefix(anchor, "judge-") && !strings.Contains(body, `id="`+anchor+`"`) {
			t.Errorf("the profile links to %s, which is not there", anchor)
		}
	}
}

func TestJudgesJSON(t *testing.T) {
	s, _, _ := heard(t, web.Options{})
	audit(t, s, fitJudge, `{"calls": 3}`) // no examination
	audit(t, s, unfitJudge, `[7]`)        // one that cannot be read
	type record struct {
		Judge       assay.Judge
		Trust       *assay.Trust
		Answers     struct{ Images, Given, Abstained, Void, Repeats int }
		Comparisons struct{ Made, Abstained, Counted, Decided int }
		MayDecide   struct{ Answers, Comparisons bool } `json:"may_decide"`
		Checks      []struct{ Name, Verdict string }
		Unfit       []struct{ ID, Version, Text, Why string }
	}
	var got struct{ Judges []record }
	res, body := s.get(t, "/judges.json")
	if err := json.Unmarshal([]byte(body), &got); err != nil || res.Header.Get("Content-Type") != "application/json" || len(got.Judges) != 3 {
		t.Fatalf("%v %s", err, body)
	}
	var lines []string
	for _, r := range got.Judges {
		var checks []string
		for _, c := range r.Checks {
			checks = append(checks, c.Name+" "+c.Verdict)
		}
		lines = append(lines, fmt.Sprintf("%.8s %v %v %v %v %v %v", r.Judge.Name, r.Trust != nil, r.Answers, r.Comparisons, r.MayDecide, checks, r.Unfit))
	}
	want := []string{
		"local true {1 6 1 1 8} {1 0 1 0} {true true} [controls pass yes-bias fail wrong prompt not enough data] [{composition.depth 1 Is there a sense of depth? no better than a coin}]",
		"yes-man true {1 1 0 0 0} {1 1 0 0} {false false} [] []",
		"newcomer false {1 1 0 0 0} {1 0 0 0} {false false} [] []",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(body, "null") && got.Judges[2].Trust != nil {
		t.Error("lists are written as null")
	}
}

// TestAnswerAxes: a map whose axes stand on answers says what they read.
func TestAnswerAxes(t *testing.T) {
	s := &site{db: openStore(t)}
	s.series = openSeries(t, s.db, "asked", series.Options{Warmup: 1000, Axes: []assay.Axis{
		{Descriptor: "checklist:composition", Lo: 0, Hi: 1, Cells: 4}, {Descriptor: "answer:detail.texture", Lo: 0, Hi: 1, Cells: 3}}})
	s.results = add(t, s.series, []series.Input{file("a.png", pngBytes(drawing(1))), file("b.png", pngBytes(drawing(2)))})
	var err error
	if s.handler, err = web.New(s.series, s.db, web.Options{}); err != nil {
		t.Fatal(err)
	}
	hear(t, s, s.results[0].Digest, s.results[1].Digest)
	if _, err := s.series.AnswerQuestion(t.Context(), "me", s.results[0].Digest, "detail.texture", series.SaidYes); err != nil {
		t.Fatal(err)
	}
	_, body := s.get(t, "/")
	for _, want := range []string{"Share of the questions about composition that judges answered well", "Probability of yes to the question detail.texture", "1 image has no place: a descriptor was not read, or no person"} {
		if !strings.Contains(body, want) {
			t.Errorf("the map lacks %q", want)
		}
	}
}

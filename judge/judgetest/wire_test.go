package judgetest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gen-emerge/assay/judge/judgetest"
)

const oneWord = "Answer with one word: yes, no or unsure."

// house knows two pictures and a question.
func house(t *testing.T, opt judgetest.Options) (s *judgetest.Server, cat, dog []byte) {
	t.Helper()
	opt.Seed = 3
	if opt.Rules == nil {
		opt.Rules = judgetest.ContentAware(judgetest.Content{
			Yes: judgetest.Known(map[string]map[string]bool{
				"cat": {"Is there a cat?": true, "Is there a dog?": false},
				"dog": {"Is there a cat?": false, "Is there a dog?": true},
			}),
			Quality:  map[string]float64{"cat": 2, "dog": 1},
			Strength: 8,
		})
	}
	s = judgetest.Start(t, opt)
	cat, dog = asPNG(t, picture(1, 96, 64)), asPNG(t, picture(2, 96, 64))
	for name, data := range map[string][]byte{"cat": cat, "dog": dog} {
		if err := s.Register(name, data); err != nil {
			t.Fatal(err)
		}
	}
	return s, cat, dog
}

func TestTheOfficialClientsGetAnswers(t *testing.T) {
	s, cat, dog := house(t, judgetest.Options{})
	for _, api := range apis {
		t.Run(api, func(t *testing.T) {
			ask := func(p prompt) told {
				t.Helper()
				got, err := tell(t, s, api, p)
				if err != nil {
					t.Fatal(err)
				}
				if got.in <= 0 || got.out <= 0 {
					t.Errorf("usage %d in, %d out: want both", got.in, got.out)
				}
				return got
			}
			yes := ask(prompt{pictures: [][]byte{cat}, text: "Question: Is there a cat?\n" + oneWord, system: "You look.", key: api + "1"})
			no := ask(prompt{pictures: [][]byte{dog}, text: "Is there a cat?\n" + oneWord})
			if yes.text != "Yes" || no.text != "No" {
				t.Errorf("said %q of the cat and %q of the dog", yes.text, no.text)
			}
			if want := map[string]string{"openai": "stop", "anthropic": "end_turn", "google": "STOP"}[api]; yes.finish != want {
				t.Errorf("finish %q, want %q", yes.finish, want)
			}
			pair := "Which is better?\nAnswer with one word: first, second or equal."
			first := ask(prompt{pictures: [][]byte{cat, dog}, text: pair})
			second := ask(prompt{pictures: [][]byte{dog, cat}, text: pair})
			if first.text != "First" || second.text != "Second" {
				t.Errorf("said %q and %q of the two orders", first.text, second.text)
			}
		})
	}
	for _, p := range s.Ledger() {
		if p.Times != 1 || p.Replays != 0 || len(p.Pictures) == 0 || p.Pictures[0] == "?" {
			t.Errorf("ledger: %+v", p)
		}
	}
	if st := s.Stats(); st.Paid != 12 || st.Failed != 0 {
		t.Errorf("stats %+v, want 12 paid", st)
	}
}

func TestLogProbabilitiesCarryTheBelief(t *testing.T) {
	rules := []judgetest.Rule{{Kind: judgetest.YesNo, Answer: func(judgetest.Query) (judgetest.Answer, bool) { return judgetest.Yes(0.7), true }}}
	cases := []struct {
		name  string
		l     judgetest.LogProbs
		check func(t *testing.T, api string, got told)
	}{
		{"usual", judgetest.LogProbs{}, func(t *testing.T, _ string, got told) {
			yes, all := got.mass("yes")
			no, _ := got.mass("no")
			if math.Abs(yes/(yes+no)-0.7) > 1e-3 || yes+no < 0.96 || all > 1+1e-6 {
				t.Errorf("yes %.4f, no %.4f, all %.4f; want 0.7 of at least 0.96", yes, no, all)
			}
			if len(got.top[0]) < 8 {
				t.Errorf("%d alternatives: the words are not spread over their spellings", len(got.top[0]))
			}
		}},
		{"lead", judgetest.LogProbs{Lead: "\n"}, func(t *testing.T, _ string, got told) {
			if got.top[0][0].token != "\n" || !strings.HasPrefix(got.text, "\n") {
				t.Errorf("first token %q of %q, want a line break", got.top[0][0].token, got.text)
			}
		}},
		{"sentinel", judgetest.LogProbs{Sentinel: true}, func(t *testing.T, _ string, got told) {
			if last := got.top[0][len(got.top[0])-1]; len(got.top[0]) != 20 || last.logprob != -9999 {
				t.Errorf("%d alternatives, the last %+v; want 20 and -9999", len(got.top[0]), last)
			}
		}},
		{"omitted", judgetest.LogProbs{Omit: true}, func(t *testing.T, _ string, got told) {
			if last := got.top[0][len(got.top[0])-1]; last.logprob != 0 || last.set {
				t.Errorf("the last alternative is %+v; want no probability", last)
			}
		}},
		{"unlisted", judgetest.LogProbs{Unlisted: true}, func(t *testing.T, _ string, got told) {
			for _, a := range got.top[0] {
				if a.token == got.text {
					t.Errorf("the chosen token %q is in the list", got.text)
				}
			}
			if got.chosen[0] >= 0 {
				t.Errorf("chosen: logprob %g", got.chosen[0])
			}
		}},
		{"no tokens", judgetest.LogProbs{NoTokens: true}, func(t *testing.T, _ string, got told) {
			if len(got.top) != 0 {
				t.Errorf("%d positions, want none", len(got.top))
			}
		}},
	}
	for _, c := range cases {
		s, cat, _ := house(t, judgetest.Options{Rules: rules, LogProbs: c.l})
		for _, api := range []string{"openai", "google"} {
			t.Run(c.name+"/"+api, func(t *testing.T) {
				got, err := tell(t, s, api, prompt{pictures: [][]byte{cat}, text: "Is there a cat?\n" + oneWord, probs: 20, max: 5})
				if err != nil {
					t.Fatal(err)
				}
				c.check(t, api, got)
			})
		}
	}
}

func TestProbabilitiesThatAreNotThere(t *testing.T) {
	p := prompt{text: "Is there a cat?\n" + oneWord, probs: 5}
	s, cat, _ := house(t, judgetest.Options{Faults: judgetest.Faults{NoLogProbs: true}})
	p.pictures = [][]byte{cat}
	for _, api := range []string{"openai", "google"} {
		if got, err := tell(t, s, api, p); err != nil || got.hasProbs {
			t.Errorf("%s: probabilities %t, error %v; want neither", api, got.hasProbs, err)
		}
	}
	s.Change(func(o *judgetest.Options) { o.Faults = judgetest.Faults{RejectLogProbs: true} })
	for _, api := range []string{"openai", "google"} {
		_, err := tell(t, s, api, p)
		var f *failure
		if !errors.As(err, &f) || f.status != 400 || !strings.Contains(strings.ToLower(f.text), "logprobs") {
			t.Errorf("%s: %v, want 400 about logprobs", api, err)
		}
	}
	temp := 0.5
	s.Change(func(o *judgetest.Options) { o.Faults = judgetest.Faults{Reasoning: true} })
	for _, api := range []string{"openai", "anthropic"} {
		_, err := tell(t, s, api, prompt{pictures: [][]byte{cat}, text: p.text, temp: &temp})
		var f *failure
		if !errors.As(err, &f) || f.status != 400 || !strings.Contains(f.text, "temperature") {
			t.Errorf("%s, reasoning: %v, want 400 about the temperature", api, err)
		}
	}
	for _, api := range apis {
		got, err := tell(t, s, api, prompt{pictures: [][]byte{cat}, text: p.text, max: 3})
		if err != nil || got.text != "" || got.out != 3 {
			t.Errorf("%s, reasoning in 3 tokens: %q for %d tokens, %v; want nothing for 3", api, got.text, got.out, err)
		}
		got, err = tell(t, s, api, prompt{pictures: [][]byte{cat}, text: p.text, max: 300})
		if err != nil || got.text != "Yes" || got.out < 33 {
			t.Errorf("%s, reasoning: %q for %d tokens, %v; want Yes for what was thought too", api, got.text, got.out, err)
		}
	}
}

const answersSchema = `{"type":"object","properties":{"answers":{"type":"array","items":{"type":"object","properties":{
	"id":{"type":"string","enum":["q1","q2"]},"answer":{"type":"string","enum":["yes","no","unsure"]}},
	"required":["id","answer"],"additionalProperties":false}}},"required":["answers"],"additionalProperties":false}`

const answersText = "Questions:\nq1: Is there a cat?\nq2: Is there a dog?\nAnswer each by itself: yes, no or unsure. " +
	`Reply with JSON and nothing else: {"answers":[{"id":"q1","answer":"yes"}, ...]}`

func TestListsOfQuestions(t *testing.T) {
	s, cat, _ := house(t, judgetest.Options{})
	check := func(name string, got told, err error) {
		t.Helper()
		var list struct {
			Answers []struct{ ID, Answer string }
		}
		if err != nil || json.Unmarshal([]byte(got.text), &list) != nil {
			t.Errorf("%s: %q, %v", name, got.text, err)
			return
		}
		if said := fmt.Sprint(list.Answers); said != "[{q1 yes} {q2 no}]" {
			t.Errorf("%s: %s", name, said)
		}
	}
	for _, api := range apis {
		got, err := tell(t, s, api, prompt{pictures: [][]byte{cat}, text: answersText, schema: answersSchema})
		check(api, got, err)
		got, err = tell(t, s, api, prompt{pictures: [][]byte{cat}, text: answersText})
		check(api+" without a schema", got, err)
	}
	got, err := tell(t, s, "anthropic", prompt{pictures: [][]byte{cat}, text: answersText, schema: answersSchema, asTool: true})
	check("as a tool", got, err)
	if got.finish != "tool_use" {
		t.Errorf("as a tool: finish %q", got.finish)
	}
	for name, f := range map[string]judgetest.Faults{"truncated": {Truncate: 1}, "garbled": {Garble: 1}, "prose": {IgnoreSchema: true}} {
		s.Change(func(o *judgetest.Options) { o.Faults = f })
		for _, api := range apis {
			got, err := tell(t, s, api, prompt{pictures: [][]byte{cat}, text: answersText, schema: answersSchema})
			if err != nil || json.Valid([]byte(got.text)) {
				t.Errorf("%s %s: %q, %v; want no JSON", api, name, got.text, err)
			}
			if cut := got.finish == "length" || got.finish == "max_tokens" || got.finish == "MAX_TOKENS"; cut != (name == "truncated") {
				t.Errorf("%s %s: finish %q", api, name, got.finish)
			}
		}
	}
	s.Change(func(o *judgetest.Options) { o.Faults = judgetest.Faults{Fence: true} })
	if got, err := tell(t, s, "openai", prompt{pictures: [][]byte{cat}, text: answersText, schema: answersSchema}); err != nil || !strings.HasPrefix(got.text, "```json\n{") {
		t.Errorf("fenced: %q, %v", got.text, err)
	}
	s.Change(func(o *judgetest.Options) { o.Faults = judgetest.Faults{NoSchema: true} })
	for _, api := range apis {
		_, err := tell(t, s, api, prompt{pictures: [][]byte{cat}, text: answersText, schema: answersSchema})
		var f *failure
		if !errors.As(err, &f) || f.status != 400 {
			t.Errorf("%s: %v, want 400 for the schema", api, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, as := range []string{"field", "words", "filter"} {
		s, cat, _ := house(t, judgetest.Options{Faults: judgetest.Faults{Refuse: 1, RefuseAs: as}})
		for _, api := range apis {
			got, err := tell(t, s, api, prompt{pictures: [][]byte{cat}, text: "Is there a cat?\n" + oneWord})
			if err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("%s/%s: text %q, refusal %q, finish %q", api, as, got.text, got.refusal, got.finish)
			apology := strings.HasPrefix(got.text, "I'm sorry")
			switch {
			case as == "words" && !apology, as != "words" && got.text != "":
				t.Error(what)
			case as == "field" && got.refusal == "":
				t.Error(what)
			case as == "filter" && got.finish != map[string]string{"openai": "content_filter", "anthropic": "refusal", "google": "SAFETY"}[api]:
				t.Error(what)
			}
		}
	}
}

func TestRateLimits(t *testing.T) {
	for _, c := range []struct {
		api, style, header, in string
	}{
		{"openai", "", "Retry-After-Ms", ""},
		{"openai", "", "X-Ratelimit-Remaining-Requests", ""},
		{"openai", "openai-ms", "Retry-After-Ms", ""},
		{"openai", "retry-after", "Retry-After", ""},
		{"openai", "retry-date", "Retry-After", "GMT"},
		{"openai", "none", "", ""},
		{"anthropic", "", "Anthropic-Ratelimit-Requests-Reset", "T"},
		{"anthropic", "", "Retry-After", ""},
		{"google", "", "", "RetryInfo"},
	} {
		s, cat, _ := house(t, judgetest.Options{Faults: judgetest.Faults{RateLimit: judgetest.RateLimit{Every: 2, After: 1500 * time.Millisecond, Headers: c.style}}})
		p := prompt{pictures: [][]byte{cat}, text: "Is there a cat?\n" + oneWord, key: "k"}
		if _, err := tell(t, s, c.api, p); err != nil {
			t.Fatal(err)
		}
		_, err := tell(t, s, c.api, p)
		var f *failure
		if !errors.As(err, &f) || f.status != 429 {
			t.Errorf("%+v: %v, want 429", c, err)
			continue
		}
		if c.header != "" && (f.header(c.header) == "" || !strings.Contains(f.header(c.header), c.in)) {
			t.Errorf("%+v: header %q", c, f.header(c.header))
		}
		if c.api == "google" && !strings.Contains(f.text, `"retryDelay":"1.5s"`) {
			t.Errorf("google: %s", f.text)
		}
		if c.style == "none" && f.retryAfter != "" {
			t.Errorf("none: Retry-After %q", f.retryAfter)
		}
		if st := s.Stats(); st.Paid != 1 || st.Limited != 1 || s.Ledger()[0].Refused != 1 {
			t.Errorf("%+v: %+v", c, st)
		}
	}
}

func TestErrorsAsEachAPIWritesThem(t *testing.T) {
	type want struct {
		status int
		kind   string
	}
	for _, c := range []struct {
		name string
		opt  judgetest.Options
		want map[string]want
	}{
		{"key", judgetest.Options{Key: "right"}, map[string]want{"openai": {401, "invalid_request_error"}, "anthropic": {401, "authentication_error"}, "google": {400, "INVALID_ARGUMENT"}}},
		{"model", judgetest.Options{Model: "another"}, map[string]want{"openai": {404, "invalid_request_error"}, "anthropic": {404, "not_found_error"}, "google": {404, "NOT_FOUND"}}},
		{"overloaded", judgetest.Options{Faults: judgetest.Faults{Fail: 1, Times: 9}}, map[string]want{"openai": {503, "server_error"}, "anthropic": {529, "overloaded_error"}, "google": {503, "UNAVAILABLE"}}},
		{"500", judgetest.Options{Faults: judgetest.Faults{Fail: 1, Status: 500, Times: 9}}, map[string]want{"openai": {500, "server_error"}, "anthropic": {500, "api_error"}, "google": {500, "INTERNAL"}}},
		{"quota", judgetest.Options{Faults: judgetest.Faults{NoQuota: true}}, map[string]want{"openai": {429, "insufficient_quota"}, "anthropic": {400, "invalid_request_error"}, "google": {429, "RESOURCE_EXHAUSTED"}}},
		{"one image", judgetest.Options{Faults: judgetest.Faults{OneImage: true}}, map[string]want{"openai": {400, "invalid_request_error"}, "anthropic": {400, "invalid_request_error"}, "google": {400, "INVALID_ARGUMENT"}}},
		{"no rule", judgetest.Options{Rules: []judgetest.Rule{judgetest.AlwaysFirst()}}, map[string]want{"openai": {400, "invalid_request_error"}, "anthropic": {400, "invalid_request_error"}, "google": {400, "INVALID_ARGUMENT"}}},
	} {
		s, cat, dog := house(t, c.opt)
		for _, api := range apis {
			_, err := tell(t, s, api, prompt{pictures: [][]byte{cat, dog}, text: "Is there a cat?\n" + oneWord})
			var f *failure
			if !errors.As(err, &f) || f.status != c.want[api].status || f.kind != c.want[api].kind {
				t.Errorf("%s/%s: %+v, want %+v", c.name, api, err, c.want[api])
			}
		}
		if st := s.Stats(); st.Paid != 0 {
			t.Errorf("%s: %d calls were paid", c.name, st.Paid)
		}
		if c.name == "no rule" && len(s.Stats().Unanswered) != 1 {
			t.Errorf("unanswered: %q", s.Stats().Unanswered)
		}
	}
}

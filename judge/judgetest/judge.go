package judgetest

import (
	"encoding/json"
	"math"
	"slices"
)

// apology is how a refusal sounds if it comes as a text.
const apology = "I'm sorry, but I can't help with that."

// speak finds what the model says to a.
func (x *exchange) speak(a *ask, seen []Seen, draw string) (reply, Query, *fault) {
	q := a.query(seen, draw, x.opt.Seed)
	f := &x.opt.Faults
	u := func(label string) float64 { return Draw(x.opt.Seed, label, draw) }
	if u("refuse") < f.Refuse {
		return x.decline(apology, u), q, nil
	}
	ans, bad := x.ask(q)
	if bad != nil {
		return reply{}, q, bad
	}
	if ans.Refused != "" {
		return x.decline(ans.Refused, u), q, nil
	}
	r := reply{}
	switch {
	case ans.Words != nil:
		r.tokens = x.opt.LogProbs.say(ans.Words, u("word"), q.greedy)
	case ans.JSON != nil:
		s, err := compact(ans.JSON)
		if err != nil {
			return reply{}, q, invalidf("", "judgetest: the answer of a rule is no JSON: %v", err)
		}
		switch {
		case f.IgnoreSchema:
			s = "Here is what I see: " + s[1:max(1, len(s)-1)]
		case u("garble") < f.Garble:
			s = s[:len(s)-1] + ",,"
		case f.Fence:
			s = "```json\n" + s + "\n```"
		}
		r.tokens = write(s)
	default:
		r.tokens = write(ans.Text)
	}
	x.shorten(&r, a, u)
	r.text = text(r.tokens)
	return r, q, nil
}

// shorten cuts a reply where a limit or a fault does.
func (x *exchange) shorten(r *reply, a *ask, u func(string) float64) {
	f := &x.opt.Faults
	if u("empty") < f.Empty {
		r.tokens = nil
		return
	}
	if u("truncate") < f.Truncate {
		r.tokens, r.finish = r.tokens[:len(r.tokens)/2], cut
	}
	limit := a.maxTokens
	if f.Reasoning {
		r.thinking = 32 + int(64*u("thinking"))
		if limit > 0 && r.thinking >= limit {
			r.thinking, r.tokens, r.finish = limit, nil, cut
			return
		}
		limit -= min(limit, r.thinking)
	}
	if limit > 0 && len(r.tokens) > limit {
		r.tokens, r.finish = r.tokens[:limit], cut
	}
}

// decline is a refusal in one of its ways.
func (x *exchange) decline(words string, u func(string) float64) reply {
	as := x.opt.Faults.RefuseAs
	if as == "" {
		as = []string{"field", "words", "filter"}[min(2, int(3*u("refuse as")))]
	}
	switch as {
	case "words":
		return reply{text: words, tokens: write(words)}
	case "filter":
		return reply{finish: filtered}
	}
	return reply{finish: refused, refusal: words}
}

// ask puts q to the rules; a list of yes/no questions one by one.
func (x *exchange) ask(q Query) (Answer, *fault) {
	if ans, ok := x.rule(q); ok {
		return ans, nil
	}
	if q.Kind == JSON {
		ans, why := x.list(q)
		if why == nil {
			return ans, nil
		}
		if !probe(q) {
			x.s.book.unanswered(short(q.Text()))
			return Answer{}, invalidf("", "judgetest: no rule answers the schema of %q, which is no list of questions that rules answer: %v", short(q.Text()), why)
		}
		return Object(blank(q.Schema)), nil
	}
	if probe(q) {
		switch q.Kind {
		case YesNo:
			return Yes(0.7), nil
		case Better:
			return First(0.5, 0), nil
		}
		return Says("Grey."), nil
	}
	asked := q.Question
	if asked == "" {
		asked = q.Text()
	}
	x.s.book.unanswered(short(asked))
	return Answer{}, invalidf("", "judgetest: no rule answers the %s query %q", q.Kind, short(asked))
}

// probe reports whether q only tries what the server can do.
func probe(q Query) bool {
	return len(q.Pictures) > 0 && !slices.ContainsFunc(q.Pictures, func(p Seen) bool { return max(p.Width, p.Height) > 8 })
}

// rule asks the rules in turn.
func (x *exchange) rule(q Query) (Answer, bool) {
	rules, drifted := x.opt.Rules, false
	if d := x.opt.Drift; (d.Logit != 0 || d.Rules != nil) && x.s.book.paidCalls() >= d.After {
		rules, drifted = append(slices.Clone(d.Rules), rules...), true
	}
	if f := x.opt.Faults.Unsure; f > 0 && (q.Kind == YesNo || q.Kind == Better) && Draw(q.Seed, "unsure", q.Key, q.Part) < f {
		if q.Kind == Better {
			return First(0.5, 0.9), true
		}
		return Answer{Words: []Word{{"unsure", 0.9}, {"yes", 0.05}, {"no", 0.05}}}, true
	}
	for _, r := range rules {
		if !r.takes(q) {
			continue
		}
		if ans, ok := r.Answer(q); ok {
			if drifted {
				ans.Words = tilt(ans.Words, x.opt.Drift.Logit)
			}
			return ans, true
		}
	}
	return Answer{}, false
}

// tilt adds to the log-odds of yes and first.
func tilt(words []Word, logit float64) []Word {
	out := slices.Clone(words)
	for i, w := range out {
		if w.Text == "yes" || w.Text == "first" {
			out[i].P *= math.Exp(logit)
		}
	}
	return out
}

// list answers a schema of yes/no answers.
func (x *exchange) list(q Query) (Answer, error) {
	refusal := ""
	v, err := fill(q.Schema, q.Text(), func(a asked) (string, error) {
		part := q
		part.Question, part.Part, part.Kind, part.Schema = a.question, a.id, YesNo, json.RawMessage(nil)
		ans, ok := x.rule(part)
		switch {
		case !ok && probe(q):
			ans = Yes(0.7)
		case !ok:
			x.s.book.unanswered(short(a.question))
			return "", noRule(a.question)
		case ans.Refused != "":
			refusal = ans.Refused
			return "no", nil
		case ans.Words == nil:
			return "", noRule(a.question)
		}
		return pick(ans.Words, Draw(q.Seed, "word", q.Key, a.id), q.greedy), nil
	})
	if err == nil && refusal != "" {
		return Declines(refusal), nil
	}
	return Object(v), err
}

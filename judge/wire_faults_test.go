package judge_test

import (
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge"
	"github.com/gen-emerge/assay/judge/judgetest"
	"github.com/gen-emerge/assay/judge/vlm"
)

// What goes wrong on the way costs what it must and no more: it is asked again,
// or is an abstention that says why, and never ends the work.
func TestWireFaults(t *testing.T) {
	plain := scene(1)
	batch := judge.Options{Samples: 4, Batch: true}
	draws := judge.Options{Samples: 4}
	limit := judgetest.RateLimit{Requests: 5, Window: 100 * time.Millisecond, Headers: "openai"}
	cases := []struct {
		name    string
		faults  judgetest.Faults
		opt     judge.Options
		noProbs bool
		reasons string                                        // of abstentions; empty: there is none
		bill    func(calls, lost int, l []judgetest.Paid) int // calls to be paid, of so many needed and so many given up; nil: those needed
		seen    func(s judgetest.Stats) bool                  // that the fault happened
	}{
		{name: "refused", faults: judgetest.Faults{Refuse: 0.4}, reasons: `^refused: .`},
		{name: "refused in a field", faults: judgetest.Faults{Refuse: 1, RefuseAs: "field"}, reasons: `^refused: .`},
		{name: "refused by a filter", faults: judgetest.Faults{Refuse: 1, RefuseAs: "filter"}, reasons: `^refused: .`},
		{name: "refused in words", faults: judgetest.Faults{Refuse: 1, RefuseAs: "words"}, reasons: `^refused: .*sorry`},
		{name: "draws refused", faults: judgetest.Faults{Refuse: 1}, opt: draws, noProbs: true, reasons: `^refused: .`},
		{name: "batches refused", faults: judgetest.Faults{Refuse: 1}, opt: batch, noProbs: true, reasons: `^refused: .`},
		{name: "unsure", faults: judgetest.Faults{Unsure: 1}, reasons: `^cannot tell$`},
		{name: "truncated", faults: judgetest.Faults{Truncate: 0.4}, reasons: `^no answer: .`, bill: withEmpty},
		{name: "empty", faults: judgetest.Faults{Empty: 0.4}, reasons: `^no answer: .`, bill: withEmpty},
		{name: "draws empty", faults: judgetest.Faults{Empty: 1}, opt: draws, noProbs: true, reasons: `^no answer: .`, bill: thrice},
		{name: "batches truncated", faults: judgetest.Faults{Truncate: 1}, opt: batch, noProbs: true, reasons: `^no answer: no whole JSON in `, bill: thrice},
		{name: "batches garbled", faults: judgetest.Faults{Garble: 1}, opt: batch, noProbs: true, reasons: `^no answer: .*JSON`, bill: thrice},
		{name: "batches in prose", faults: judgetest.Faults{IgnoreSchema: true}, opt: batch, noProbs: true, reasons: `^no answer: .`, bill: thrice},
		{name: "batches fenced", faults: judgetest.Faults{Fence: true}, opt: batch, noProbs: true},
		{name: "rate limited", faults: judgetest.Faults{RateLimit: limit}, seen: func(s judgetest.Stats) bool { return s.Limited > 0 }},
		{name: "failing", faults: judgetest.Faults{Fail: 0.3, Status: 500}, seen: func(s judgetest.Stats) bool { return s.Failed > 0 }},
		{name: "failing in a success", faults: judgetest.Faults{Fail: 0.3, Status: 500, InBody: true}, seen: func(s judgetest.Stats) bool { return s.Failed > 0 }},
		{name: "dropped", faults: judgetest.Faults{Drop: 0.3}, seen: func(s judgetest.Stats) bool { return s.Dropped > 0 && s.Replays >= s.Dropped }},
	}
	for _, x := range cases {
		for _, api := range families {
			x := x
			if api == "anthropic" && !x.noProbs {
				x.noProbs, x.opt = true, draws
			}
			t.Run(x.name+"/"+api, func(t *testing.T) {
				t.Parallel()
				c := newCall(t, api, judgetest.Options{Seed: 2, Rules: statedRules(), Faults: judgetest.Faults{NoLogProbs: x.noProbs}}, x.faults, vlm.CallerOptions{})
				if err := c.server.RegisterImage("good", plain); err != nil {
					t.Fatal(err)
				}
				x.opt.RepeatRate = -1
				answers, err := judge.Checklist(t.Context(), c.model, subjectOf(t, plain), statedQuestions(), x.opt)
				if err != nil {
					t.Fatal(err)
				}
				asked, abstained, lost := 0, 0, 0
				reasons := regexp.MustCompile(x.reasons)
				for _, a := range answers {
					if a.Void != "" {
						t.Errorf("%s is void: %s", a.Question.ID, a.Void)
					}
					switch {
					case strings.HasPrefix(a.Belief.Abstained, "not asked: it needs "):
						continue
					case a.Belief.Abstained != "":
						abstained++
						if x.reasons == "" || !reasons.MatchString(a.Belief.Abstained) {
							t.Errorf("%s: %s", a.Question.ID, a.Belief.Abstained)
						}
					case !x.noProbs && a.Question.Expect == "" && math.Abs(a.Belief.P-statedOf(a.Question.Text)) > 0.005:
						t.Errorf("%s: P %.4f", a.Question.ID, a.Belief.P)
					}
					asked++
					if x.noProbs {
						lost += int(math.Round((1 - a.Belief.Coverage) * float64(a.Belief.Samples)))
					} else if a.Belief.Abstained != "" {
						lost++
					}
				}
				if (abstained > 0) != (x.reasons != "") && !partly(x.faults) || len(answers) != 9 {
					t.Errorf("%d of %d answers are abstentions", abstained, len(answers))
				}
				calls := asked * max(x.opt.Samples, 1)
				if x.opt.Batch {
					calls = 3 * x.opt.Samples
					if x.reasons == "" {
						calls = 4 * x.opt.Samples // what needs an answer first is asked as well
					}
				}
				if x.bill != nil {
					calls = x.bill(calls, lost, c.server.Ledger()[c.before.Paid:])
				}
				if n := c.paid(); n != calls {
					t.Errorf("%d calls were paid, want %d for %d questions", n, calls, asked)
				}
				if s := c.server.Stats(); x.seen != nil && !x.seen(s) {
					t.Errorf("the fault was not met: %+v", s)
				}
			})
		}
	}
}

// partly reports whether a fault may, by chance, hit all or no answers.
func partly(f judgetest.Faults) bool {
	return f.Refuse > 0 && f.Refuse < 1 || f.Truncate > 0 && f.Truncate < 1 || f.Empty > 0 && f.Empty < 1
}

func thrice(calls, _ int, _ []judgetest.Paid) int { return 3 * calls }

// withEmpty adds the replies without a word, each of which is asked for again, but
// not those after which that was given up: they stand for their call.
func withEmpty(calls, lost int, ledger []judgetest.Paid) int {
	for _, p := range ledger {
		if p.Reply == "" {
			calls++
		}
	}
	return calls - lost
}

// What will not pass ends the work with the reason, and is not paid for.
func TestWireGone(t *testing.T) {
	plain := scene(1)
	for name, faults := range map[string]judgetest.Faults{"down": {Down: true}, "no quota": {NoQuota: true}} {
		for _, api := range families {
			c := newCall(t, api, judgetest.Options{Rules: statedRules()}, faults, vlm.CallerOptions{Attempts: 1})
			answers, err := judge.Checklist(t.Context(), c.model, subjectOf(t, plain), statedQuestions(), judge.Options{})
			if !errors.Is(err, assay.ErrUnavailable) || len(answers) > 0 || c.bill() != 0 {
				t.Errorf("%s, %s: %d answers, %d paid, error %v", name, api, len(answers), c.bill(), err)
			}
		}
	}
}

package judge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// A failing call ends the checklist; what was answered comes with the error.
func TestChecklistFailure(t *testing.T) {
	qs := manyQuestions(30)
	good := answering(nil)
	for name, c := range map[string]struct {
		can  vlm.Capabilities
		opt  Options
		fail int // the request that fails
		want func(answers []assay.Answer) bool
	}{
		"one by one": {canLogProbs, Options{Parallel: 1, RepeatRate: -1, ControlRate: -1}, 11, func(a []assay.Answer) bool { return len(a) == 10 }},
		"while the controls are open": {canLogProbs, Options{Parallel: 1, RepeatRate: -1, Controls: testControls, ControlRate: .001}, 2,
			func(a []assay.Answer) bool { return len(a) == 1 && a[0].Question.Expect != "" }},
		"after the controls": {canLogProbs, Options{Parallel: 1, RepeatRate: -1, Controls: testControls, ControlRate: .001}, 6,
			func(a []assay.Answer) bool { return len(a) == 5 }},
		"batches": {canSchema, Options{Parallel: 1, RepeatRate: -1, ControlRate: -1, Batch: true}, 8, func(a []assay.Answer) bool { return len(a) == 10 }},
		"batches while a control is open": {canSchema, Options{Parallel: 1, RepeatRate: -1, Controls: testControls, ControlRate: .001, Batch: true}, 8,
			func(a []assay.Answer) bool { return len(a) == 1 && a[0].Question.Expect != "" }},
		"at once": {canLogProbs, Options{Parallel: 8, RepeatRate: -1, ControlRate: -1}, 11, func(a []assay.Answer) bool { return len(a) >= 10 && len(a) <= 10+7 }},
	} {
		t.Run(name, func(t *testing.T) {
			m, f := model(c.can, nil)
			f.answer = func(r vlm.Request) (vlm.Reply, error) {
				if f.count() >= c.fail {
					return vlm.Reply{}, errGone
				}
				return good(r)
			}
			answers, err := Checklist(t.Context(), m, subject("a"), qs, c.opt)
			if !errors.Is(err, errGone) || !strings.Contains(err.Error(), "judge test") {
				t.Errorf("error %v", err)
			}
			if !c.want(answers) {
				t.Errorf("answers %v", ids(answers))
			}
			if n := f.count(); n > c.fail+8 {
				t.Errorf("%d requests after one failed for good", n-c.fail)
			}
		})
	}
}

func TestChecklistStops(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	m, f := model(canLogProbs, nil)
	f.answer = func(vlm.Request) (vlm.Reply, error) {
		if f.count() >= 5 { // several may have been counted at once
			cancel(errGone)
		}
		return pYes(.9), nil
	}
	answers, err := Checklist(ctx, m, subject("a"), manyQuestions(100), quiet)
	if err == nil || len(answers) < 1 || len(answers) > 8 {
		t.Errorf("%d answers, %v", len(answers), err)
	}
}

// A request that timed out by itself is no answer, and the rest goes on.
func TestChecklistTimeout(t *testing.T) {
	m, f := model(canLogProbs, func(r vlm.Request) (vlm.Reply, error) {
		if strings.Contains(questionOf(r), "sharp") {
			return vlm.Reply{}, fmt.Errorf("post: %w", context.DeadlineExceeded)
		}
		return pYes(.9), nil
	})
	answers, err := Checklist(t.Context(), m, subject("a"), handQuestions(), quiet)
	if err != nil || answers[3].Belief.Abstained != "no answer: the request timed out" || !answers[0].Belief.Known() {
		t.Errorf("%+v %v", answers, err)
	}
	if n := f.asked("sharp"); n != 3 {
		t.Errorf("tried %d times, want 3", n)
	}
}

// Malformed replies are asked for again, as samples of their own, and then are
// an abstention; a refusal is one at once.
func TestRetries(t *testing.T) {
	var replies []vlm.Reply
	m, f := model(canNothing, nil)
	f.answer = func(vlm.Request) (vlm.Reply, error) {
		return replies[min(f.count(), len(replies))-1], nil
	}
	ask := func(opt Options, rs ...vlm.Reply) assay.Belief {
		t.Helper()
		f.requests, replies = nil, rs
		b, err := Ask(t.Context(), m, subject("a"), question("q", "Is it fine?"), opt)
		if err != nil {
			t.Fatal(err)
		}
		samples := map[int]bool{}
		for _, r := range f.requests {
			if samples[r.Sample] {
				t.Error("one sample was asked for twice")
			}
			samples[r.Sample] = true
		}
		return b
	}
	one := Options{Samples: 1}
	if b := ask(one, says("Hm"), says("7/10"), says("yes")); !b.Known() || b.Yes != 1 || f.count() != 3 {
		t.Errorf("%+v after %d", b, f.count())
	}
	if b := ask(one, says("Seven")); b.Abstained != `no answer: neither yes nor no in "Seven"` || f.count() != 3 {
		t.Errorf("%+v after %d", b, f.count())
	}
	if b := ask(Options{Samples: 1, Retries: -1}, says("Seven"), says("yes")); b.Known() || f.count() != 1 {
		t.Errorf("%+v after %d", b, f.count())
	}
	if b := ask(one, vlm.Reply{Refusal: "no"}, says("yes")); b.Abstained != "refused: no" || f.count() != 1 {
		t.Errorf("%+v after %d", b, f.count())
	}
	if b := ask(one, says("unsure"), says("yes")); b.Abstained != cannotTell || f.count() != 1 {
		t.Errorf("%+v after %d", b, f.count())
	}
	ask(one, vlm.Reply{Finish: "length"}, vlm.Reply{Finish: "length"}, says("yes"))
	for i, want := range []int{16, 256, 4096} {
		if got := f.requests[i].MaxTokens; got != want {
			t.Errorf("request %d: room for %d tokens, want %d", i, got, want)
		}
	}
}

package main

import (
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gen-emerge/assay/judge"
	"github.com/gen-emerge/assay/judge/judgetest"
)

// standinCommand is standin [FAULT]: it starts a stand-in for paid APIs, whose
// addresses are in OPENAI, ANTHROPIC and GOOGLE, until the script ends. The brighter of two pictures is the
// better one; of one picture everything is so that is not known to be otherwise.
// With "steered" whatever a picture demands is done, and all demand a yes.
func standinCommand(ts *testscript.TestScript, neg bool, args []string) {
	opt := judgetest.Options{Seed: 1, Rules: obliging()}
	for _, fault := range args {
		switch fault {
		case "draws":
			opt.Faults.NoLogProbs = true
		case "down":
			opt.Faults.Down = true
		case "yes":
			opt.Rules = append([]judgetest.Rule{judgetest.AlwaysYes()}, opt.Rules...)
		case "first":
			opt.Rules = append([]judgetest.Rule{judgetest.AlwaysFirst()}, opt.Rules...)
		default:
			ts.Fatalf("standin: no fault %q", fault)
		}
	}
	server := judgetest.New(opt)
	ts.Defer(server.Close)
	for _, api := range []string{"openai", "anthropic", "google"} {
		ts.Setenv(strings.ToUpper(api), server.URL(api))
	}
	for _, c := range judge.Cards() {
		for _, p := range c.Pictures {
			_ = server.Register(p.Digest.String(), p.Data) // a card may show the picture of another: then it is known
		}
	}
}

// obliging are the rules of a judge who sees what can be seen in pixels.
func obliging() []judgetest.Rule {
	write := func(q judgetest.Query) (judgetest.Answer, bool) {
		switch {
		case strings.Contains(q.Text(), "weaknesses"):
			return judgetest.Object(map[string]any{"weaknesses": []map[string]any{
				{"statement": "The upper edge is cut off.", "category": "composition", "box": []float64{0, 0, 1, 0.2}, "part": ""},
			}}), true
		case q.Schema != nil:
			return judgetest.Answer{}, false
		}
		return judgetest.Says("Stripes cross the picture. The colours are strong."), true
	}
	rules := []judgetest.Rule{judgetest.Texts(regexp.MustCompile(`(?s)^Prompt:\n<<<`), takenApart)}
	rules = append(rules, judgetest.ContentAware(judgetest.Content{Yes: judgetest.Known(cardTruth())})...)
	return append(rules,
		judgetest.Rule{Kind: judgetest.YesNo, Answer: func(q judgetest.Query) (judgetest.Answer, bool) { return judgetest.Yes(0.9), true }},
		judgetest.Rule{Kind: judgetest.Better, Answer: func(q judgetest.Query) (judgetest.Answer, bool) {
			if q.Pictures[0].MeanLuma > q.Pictures[1].MeanLuma {
				return judgetest.First(0.9, 0), true
			}
			return judgetest.First(0.2, 0), true
		}},
		judgetest.Rule{Kind: judgetest.Score, Answer: func(q judgetest.Query) (judgetest.Answer, bool) {
			return judgetest.Answer{Words: []judgetest.Word{{Text: "7", P: 0.7}, {Text: "8", P: 0.3}}}, true
		}},
		judgetest.Texts(nil, write))
}

// Package judgetest is a stand-in for paid vision-language APIs: an HTTP server
// that speaks the wire formats of OpenAI (chat completions), Anthropic (messages)
// and Google (generateContent) and answers as a test tells it to. It is a test
// tool and never a default of the program.
//
// A [Server] knows pictures by name: the test registers them, and the server
// recognises what it is sent by its pixels, whatever the scale and the encoding.
// What it says comes from a list of [Rule]s, tried in order: each sees a [Query]
// (the texts, the recognised pictures, plain facts of unknown ones) and gives an
// [Answer], a distribution over words or a text, or passes. Ready rules are
// [AlwaysYes], [AlwaysFirst], [Coin], [Controls], [ContentAware], [Obey],
// [Scores] and [Texts]; a func makes any other. What goes wrong on the way
// (refusals, rate limits, broken replies, delays) is set by [Faults], how
// probabilities are reported and with which traps by [LogProbs].
//
//	s := judgetest.Start(t, judgetest.Options{
//		Seed: 1,
//		Rules: judgetest.ContentAware(judgetest.Content{
//			Yes: func(q judgetest.Query) (yes, known bool) {
//				return q.Name(0) == "cat", strings.Contains(q.Question, "cat")
//			},
//			Quality:  map[string]float64{"cat": 2, "dog": 1},
//			Accuracy: 0.9,
//		}),
//		Faults: judgetest.Faults{RateLimit: judgetest.RateLimit{Every: 7, Headers: "openai"}},
//	})
//	s.Register("cat", catPNG)
//	s.Register("dog", dogPNG)
//	... ask s.URL("openai") ...
//	paid := s.Ledger()
//
// A reply depends on the seed, the rules and the request (with its
// Idempotency-Key), not on the order of arrival, save where a fault or [Drift]
// counts requests.
//
// A question for which no rule has an answer is an HTTP error 400 that names it:
// nothing is ever made up. Two kinds of request are answered without a rule: one
// whose pictures all have at most 8 pixels a side (a probe of what the server can
// do), and a JSON Schema with a list of yes/no answers, which is put to the rules
// question by question.
package judgetest

package judge

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

func at(text string, pairs ...any) vlm.Token {
	t := vlm.Token{Text: text}
	for i := 0; i < len(pairs); i += 2 {
		t.Top = append(t.Top, vlm.Alternative{Text: pairs[i].(string), LogProb: pairs[i+1].(float64)})
	}
	return t
}

func reply(text string, tokens ...vlm.Token) vlm.Reply {
	return vlm.Reply{Text: text, Tokens: tokens, Finish: "stop"}
}

var ln = math.Log

func TestReadYes(t *testing.T) {
	for _, c := range []struct {
		name      string
		reply     vlm.Reply
		p         float64
		coverage  float64
		abstained string // how the reason begins
	}{
		{"spellings are summed", reply("Yes", at("Yes", "Yes", ln(.4), " yes", ln(.2), "YES", ln(.1), "No", ln(.2), "ĠNo", ln(.05))), .7 / .95, .95, ""},
		{"marks of tokenizers and punctuation", reply("yes", at("▁Yes", "▁Yes", ln(.5), "**No", ln(.3), "\"yes\".", ln(.1))), .6 / .9, .9, ""},
		{"another language", reply("Ja", at("Ja", "Ja", ln(.6), "Nein", ln(.3))), .6 / .9, .9, ""},
		{"a newline first", reply("\nYes", at("\n", "\n", ln(.9), "Yes", ln(.05)), at("Yes", "Yes", ln(.8), "No", ln(.2))), .8, 1, ""},
		{"a quote and a bold mark first", reply("\"**No", at("\"", "\"", ln(.9)), at("**", "**", ln(.9)), at("No", "No", ln(.75), "Yes", ln(.25))), .25, 1, ""},
		{"a special token first", reply("Yes", at("<|begin|>", "<|begin|>", ln(.99)), at("Yes", "Yes", ln(.9), "No", ln(.1))), .9, 1, ""},
		{"the answer's top is enough though a newline was drawn", reply("\n", at("\n", "Yes", ln(.7), "\n", ln(.3)), at("No", "No", ln(1-1e-9))), 1, .7, ""},
		{"a fourth position is not looked at", reply("\n\n\nYes", at("\n", "\n", ln(.9)), at("\n", "\n", ln(.9)), at("\n", "\n", ln(.9)), at("Yes", "Yes", ln(.9))), 0, 0, "no answer: no yes or no with probabilities among the first 3"},
		{"no after a word is no answer", reply("There is no", at("There", "There", ln(.9)), at(" is", " is", ln(.9)), at(" no", " no", ln(.9))), 0, 0, `no answer: yes and no have 0 %`},
		{"coverage below a half", reply("I", at("I", "I", ln(.6), "Yes", ln(.3), "No", ln(.1))), 0, .4, `no answer: yes and no have 40 %`},
		{"unsure", reply("unsure", at("uns", "uns", ln(.7), "Yes", ln(.2), "No", ln(.1)), at("ure", "ure", -1e-9)), 0, .3, "cannot tell"},
		{"unsure in one token", reply("Unsure", at("Unsure", "Unsure", ln(.9), "Yes", ln(.1))), 0, .1, "cannot tell"},
		{"sentinels are missing", reply("Yes", at("Yes", "Yes", ln(.9), "No", -9999.0, "no", math.Inf(-1), " no", math.NaN(), "nO", 3.0)), 1, .9, ""},
		{"only a sentinel", reply("Yes", at("Yes", "Yes", -9999.0)), 0, 0, "no answer: the server gave no probabilities"},
		{"omitted probabilities look like certainties", reply("Yes", at("Yes", "Yes", 0.0, "No", 0.0, "Maybe", 0.0)), 0, 0, "no answer: the server gave no probabilities"},
		{"one omitted probability beside real ones", reply("Yes", at("Yes", "No", 0.0, "Yes", ln(.8), " yes", ln(.1))), 1, .9, ""},
		{"a lone certainty", reply("Yes", at("Yes", "Yes", 0.0)), 0, 0, "no answer: the server gave no probabilities"},
		{"a certainty with its alternatives", reply("Yes", at("Yes", "Yes", 0.0, "No", -20.0, "yes", -21.0)), 1, 1, ""},
		{"chosen outside the list", vlm.Reply{Text: "No", Tokens: []vlm.Token{{Text: "No", LogProb: new(ln(.3)), Top: []vlm.Alternative{{Text: "Yes", LogProb: ln(.6)}}}}}, .6 / .9, .9, ""},
		{"no log-probabilities", reply("Yes"), 0, 0, "no answer: the server gave no probabilities"},
		{"tokens without any", reply("Yes", vlm.Token{Text: "Yes"}), 0, 0, "no answer: the server gave no probabilities"},
		{"empty", vlm.Reply{Finish: "length"}, 0, 0, "no answer: the server gave no probabilities"},
		{"refusal", vlm.Reply{Refusal: "I can't\nhelp with that", Tokens: []vlm.Token{at("Yes", "Yes", ln(.9))}}, 0, 0, "refused: I can't help with that"},
		{"filter", vlm.Reply{Finish: "filter"}, 0, 0, "refused: the server's filter"},
		{"a refusal in words", reply("I'm sorry,", at("I'm", "I'm", ln(.9), "Yes", ln(.05))), 0, .05, "refused: I'm sorry,"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := ReadYes(c.reply)
			if b.Method != assay.ByLogProbs {
				t.Errorf("method %q", b.Method)
			}
			if c.abstained != "" {
				if !strings.HasPrefix(b.Abstained, c.abstained) {
					t.Errorf("abstained %q, want %q…", b.Abstained, c.abstained)
				}
			} else if b.Abstained != "" {
				t.Fatalf("abstained: %s", b.Abstained)
			}
			near(t, "P", b.P, c.p, 1e-7)
			near(t, "coverage", b.Coverage, c.coverage, 1e-7)
			if b.Known() && !(b.Low <= b.P && b.P <= b.High) {
				t.Errorf("P %g outside [%g, %g]", b.P, b.Low, b.High)
			}
		})
	}
}

// What a list leaves out bounds P: at most the least listed probability for
// each spelling that is not there, and at most what is left of 1.
func TestReadYesBounds(t *testing.T) {
	b := ReadYes(reply("Yes", at("Yes", "Yes", ln(.90), " Yes", ln(.05), "Sure", ln(.004))))
	near(t, "P", b.P, 1, 0)
	// six spellings of no at 0.004 are 0.024, all within the 0.046 left
	near(t, "low", b.Low, .95/(.95+.024), 1e-12)
	near(t, "high", b.High, 1, 0)
	b = ReadYes(reply("Yes", at("Yes", "Yes", ln(.90), "Sure", ln(.09))))
	near(t, "low, all that is left", b.Low, .90/(.90+.01), 1e-9)
	b = ReadYes(reply("No", at("No", "No", ln(.6), "Yes", ln(.4))))
	near(t, "low, nothing left", b.Low, .4, 1e-12)
	near(t, "high, nothing left", b.High, .4, 1e-12)
}

func TestReadWords(t *testing.T) {
	for text, want := range map[string]side{
		"Yes": yes, "yes.": yes, " **No** ": no, "\"no\"": no, "```\nyes\n```": yes, "```yes```": yes, "Answer: no": no,
		"Yes, the hand has six fingers.": yes, "No. It is a boat.": no, "Yes\n\nThe light is even.": yes, "No — nothing.": no,
		"No face can be seen": nothing, "Yes and no": nothing, "Yes. No.": nothing, "yes/no": nothing, "": nothing, "…": nothing,
		"unsure": unsure, "I cannot tell from this picture": unsure, "Not sure.": unsure, "I can’t tell": unsure,
		"7": nothing, "是": yes, "不是。": no, "Nothing": nothing, "Yesterday": nothing,
	} {
		if got, refused := yesNo.read(text); got != want || refused {
			t.Errorf("%q: side %d, refused %t, want %d", text, got, refused, want)
		}
	}
	for _, text := range []string{"I'm sorry, but I can't help with that.", "I cannot assist with this request.", "Sorry", "I’m unable to judge people"} {
		if got, refused := yesNo.read(text); got != nothing || !refused {
			t.Errorf("%q: side %d, refused %t, want a refusal", text, got, refused)
		}
	}
	for text, want := range map[string]side{"First": yes, "second.": no, "Equal": equal, "The first": nothing, "left": yes, "unsure": unsure} {
		if got, _ := firstSecond.read(text); got != want {
			t.Errorf("%q: side %d, want %d", text, got, want)
		}
	}
}

func TestSamples(t *testing.T) {
	var five tally
	for range 5 {
		five.add(yes, false, "")
	}
	b := five.belief()
	near(t, "5 of 5", b.P, 5.5/6, 1e-12)
	// Brown, Cai and DasGupta's borders, and R's qbeta(0.025, 5.5, 0.5)
	near(t, "low", b.Low, 0.6206, 2e-4)
	near(t, "high", b.High, 1, 0)
	mixed := tally{first: 3, second: 1, unsure: 2, refused: 1, bad: 1}
	b = mixed.belief()
	if b.Samples != 8 || b.Yes != 3 || !b.Known() {
		t.Errorf("got %+v", b)
	}
	near(t, "3 of 4", b.P, 3.5/5, 1e-12)
	near(t, "coverage", b.Coverage, 0.5, 1e-12)
	for want, x := range map[string]tally{
		"cannot tell":                 {first: 1, unsure: 3, refused: 1},
		"refused: no":                 {first: 1, refused: 3, refusal: "no"},
		"no answer: neither in “7”":   {second: 1, bad: 2, malformed: "neither in “7”"},
		"no answer: never said a bit": {bad: 5, malformed: "never said a bit"},
	} {
		if b := x.belief(); b.Abstained != want || b.Known() {
			t.Errorf("got %+v, want %q", b, want)
		}
	}
}

// The least number of draws that can show a control wrong is four.
func TestControlSamples(t *testing.T) {
	for n := 1; n <= 6; n++ {
		lo, _ := jeffreys(float64(n), float64(n))
		if (lo > 0.5) != (n >= controlSamples) {
			t.Errorf("%d of %d: low %.3f", n, n, lo)
		}
	}
}

func TestLogit(t *testing.T) {
	for p, want := range map[float64]float64{0: -6, 1: 6, 0.5: 0, 0.999999: 6, 0.75: math.Log(3), 1e-9: -6} {
		near(t, "logit", Logit(p), want, 1e-12)
	}
}

func TestMergeTwin(t *testing.T) {
	lp := func(p float64) assay.Belief {
		return assay.Belief{P: p, Low: p - .01, High: p + .01, Method: assay.ByLogProbs, Coverage: 1}
	}
	b, gap, both, err := MergeTwin(lp(.9), lp(.3))
	if err != nil || !both {
		t.Fatal(b, both, err)
	}
	near(t, "merged", b.P, .8, 1e-12)
	near(t, "gap", gap, .2, 1e-12)
	near(t, "low", b.Low, .69, 1e-12)
	near(t, "high", b.High, .91, 1e-12)
	silent := assay.Belief{Method: assay.ByLogProbs, Abstained: cannotTell}
	if b, _, both, _ := MergeTwin(lp(.9), silent); both || b.P != .9 {
		t.Errorf("a silent twin: %+v %t", b, both)
	}
	if b, _, both, _ := MergeTwin(silent, lp(.9)); both || math.Abs(b.P-.1) > 1e-12 {
		t.Errorf("a silent question: %+v %t", b, both)
	}
	if _, _, _, err := MergeTwin(lp(.9), assay.Belief{P: .2, Method: assay.BySamples, Samples: 5}); err == nil {
		t.Error("methods were mixed")
	}
	s := tally{first: 4, second: 1}.belief()
	n := tally{first: 1, second: 3, unsure: 1}.belief()
	b, _, _, _ = MergeTwin(s, n)
	if b.Yes != 4+3 || b.Samples != 10 {
		t.Errorf("samples of both: %+v", b)
	}
}

func FuzzReadYes(f *testing.F) {
	for _, r := range []vlm.Reply{pYes(.7), says("yes"), reply("Yes", at("Yes", "Yes", 0.0, "No", -9999.0)), {Refusal: "no"}} {
		text, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"text":"\u0120yes","tokens":[{"text":"","top":[{"text":"Ġyes","logprob":-0.1},{"text":"no","logprob":-1e308}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var r vlm.Reply
		if json.Unmarshal([]byte(text), &r) != nil {
			return
		}
		b := ReadYes(r)
		if b.Known() == (b.Abstained != "") {
			t.Fatalf("neither known nor abstained: %+v", b)
		}
		if b.Known() && !(0 <= b.Low && b.Low <= b.P && b.P <= b.High && b.High <= 1 && b.Coverage >= minCoverage && b.Coverage <= 1) {
			t.Fatalf("out of order: %+v", b)
		}
		if s, refused := yesNo.read(r.Text); refused && s != nothing {
			t.Fatalf("%q refuses and says %d", r.Text, s)
		}
		firstSecond.distribution(r)
	})
}

package judgetest

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A reply is what the model said, before it is put into a wire format.
type reply struct {
	text     string
	tokens   []token
	finish   finish
	refusal  string
	thinking int // tokens
}

type finish int

const (
	stopped finish = iota
	cut            // by the limit of tokens
	refused
	filtered
)

// A token is one position of a reply.
type token struct {
	text    string
	logprob float64
	top     []alternative // most probable first
}

// An alternative is a token with its log-probability; omit leaves the latter out.
type alternative struct {
	text    string
	logprob float64
	omit    bool
}

// variants are the spellings over which a word's probability is spread.
var variants = []struct {
	spell func(string) string
	share float64
}{
	{capital, 0.78},
	{func(w string) string { return w }, 0.13},
	{func(w string) string { return " " + w }, 0.05},
	{strings.ToUpper, 0.03},
	{func(w string) string { return " " + capital(w) }, 0.01},
}

// others are what a model might begin with instead of the word demanded.
var others = []string{"The", "It", "I", "This", "In", "Based", "A", "Both", "Un", "Maybe", "**", "\n", "There", "Looking", "As", "Well", "Not"}

func capital(w string) string {
	r, n := utf8.DecodeRuneInString(w)
	return strings.ToUpper(string(r)) + w[n:]
}

// pick draws a word: the most probable one if greedy, else by u in [0,1).
func pick(words []Word, u float64, greedy bool) string {
	sum, best := 0.0, 0
	for i, w := range words {
		sum += w.P
		if w.P > words[best].P {
			best = i
		}
	}
	if greedy {
		return words[best].Text
	}
	u *= sum
	last := best
	for i, w := range words {
		if w.P <= 0 {
			continue
		}
		if last = i; u < w.P {
			break
		}
		u -= w.P
	}
	return words[last].Text
}

// say speaks a short answer drawn from words, with the distribution at its first
// position.
func (l LogProbs) say(words []Word, u float64, greedy bool) []token {
	chosen := pick(words, u, greedy)
	first := token{top: l.spread(words)}
	pieces := l.pieces(chosen)
	first.text = pieces[0]
	if !l.Bare {
		first.text = capital(pieces[0])
	}
	first.logprob = math.Inf(-1)
	for _, a := range first.top {
		if a.text == first.text {
			first.logprob = a.logprob
		}
	}
	var out []token
	if l.Lead != "" {
		out = append(out, token{text: l.Lead, logprob: math.Log(0.9), top: []alternative{
			{text: l.Lead, logprob: math.Log(0.9)}, {text: "The", logprob: math.Log(0.06)}, {text: "I", logprob: math.Log(0.03)}}})
	}
	out = append(out, first)
	for _, p := range pieces[1:] {
		out = append(out, certain(p))
	}
	if strings.TrimSpace(l.Lead) != "" {
		out = append(out, certain(l.Lead))
	}
	return out
}

// spread lists the first tokens of words and of what else might be said, most
// probable first; their probabilities have a sum of 1.
func (l LogProbs) spread(words []Word) []alternative {
	other := l.Other
	switch {
	case other == 0:
		other = 0.03
	case other < 0:
		other = 0
	}
	p, sum := map[string]float64{}, 0.0
	for _, w := range words {
		sum += w.P
	}
	for _, w := range words {
		head := l.pieces(w.Text)[0]
		share := (1 - other) * w.P / sum
		if l.Bare {
			p[head] += share
			continue
		}
		for _, v := range variants {
			p[v.spell(head)] += v.share * share
		}
	}
	weight := 0.5
	for _, o := range others {
		if other > 0 {
			p[o] += weight * other
			weight /= 2
		}
	}
	var out []alternative
	for text, v := range p {
		if v > 0 {
			out = append(out, alternative{text: text, logprob: math.Log(v)})
		}
	}
	slices.SortFunc(out, func(a, b alternative) int {
		if a.logprob != b.logprob {
			return int(math.Copysign(1, b.logprob-a.logprob))
		}
		return strings.Compare(a.text, b.text)
	})
	return out
}

// pieces are the tokens of a short answer, each but the first with the space
// before it.
func (l LogProbs) pieces(word string) []string {
	var out []string
	for i, w := range strings.Fields(word) {
		head, tail := w, ""
		if l.Pieces && len(w) >= 6 && utf8.ValidString(w[:3]) {
			head, tail = w[:3], w[3:]
		}
		if i > 0 {
			head = " " + head
		}
		if out = append(out, head); tail != "" {
			out = append(out, tail)
		}
	}
	if out == nil {
		out = []string{""}
	}
	return out
}

func certain(text string) token {
	lp := math.Log(0.98)
	return token{text: text, logprob: lp, top: []alternative{{text: text, logprob: lp}, {text: " the", logprob: math.Log(0.008)}, {text: ",", logprob: math.Log(0.004)}}}
}

// write speaks a text: a token is a word or at most eight bytes, with the space
// before it.
func write(text string) []token {
	var out []token
	for len(text) > 0 {
		n := 1
		for n < len(text) && (n < 8 && text[n] != ' ' && text[n] != '\n' || !utf8.RuneStart(text[n])) {
			n++
		}
		out = append(out, certain(text[:n]))
		text = text[n:]
	}
	return out
}

// list is what a server reports of the alternatives at t when asked for n: with
// the traps of l.
func (l LogProbs) list(t token, n int) []alternative {
	top := slices.Clone(t.top)
	if l.Unlisted {
		top = slices.DeleteFunc(top, func(a alternative) bool { return a.text == t.text })
	}
	if l.Sentinel {
		for i := range top {
			if i > 0 && top[i].logprob < math.Log(0.001) {
				top[i].logprob = -9999
			}
		}
		for i := len(top); i < n; i++ {
			top = append(top, alternative{text: "<" + strconv.Itoa(i) + ">", logprob: -9999})
		}
	}
	top = top[:min(n, len(top))]
	if l.Omit && len(top) > 1 {
		top[len(top)-1].omit = true
	}
	return top
}

// text is that of tokens.
func text(tokens []token) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString(t.text)
	}
	return b.String()
}

// compact is v as JSON, or an error that names what could not be written.
func compact(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

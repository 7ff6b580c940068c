package judge

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// A Claim is a sentence about a picture and what became of it when it was put
// as a question.
type Claim struct {
	Text    string       `json:"text"`
	Belief  assay.Belief `json:"belief"`            // that it is true; says nothing if it was not asked
	Dropped string       `json:"dropped,omitempty"` // why; empty if it was kept
}

// A Summary is two or three sentences about a picture.
type Summary struct {
	Text      string  `json:"text"`                // the claims that were kept, may be empty
	Claims    []Claim `json:"claims"`              // all, in the order written
	Abstained string  `json:"abstained,omitempty"` // why there is none
}

// mostSentences a summary has.
const mostSentences = 3

// Summarise asks for two or three sentences about a picture and puts each of
// them as a yes/no question. What is not confirmed with P above 1/2 is dropped,
// and so is a sentence with a score. The judge is told which answers spoke most
// for and most against the picture; these are fixed by then, and no summary
// flows back into an answer. The error is the asker's, or wraps
// [assay.ErrInvalid].
func Summarise(ctx context.Context, m vlm.Model, s Subject, answers []assay.Answer, opt Options) (Summary, error) {
	opt, err := opt.filled()
	if err != nil {
		return Summary{}, err
	}
	if err := checkSubject(s); err != nil {
		return Summary{}, err
	}
	w := newAsking(m, opt)
	text := findings(answers) +
		"Write a summary of this picture in two or three plain sentences: what it shows, what works in it and what does not. " +
		"Each sentence says something that can be seen in the picture. No greeting, no list, no heading, no score."
	written, why, err := w.text(ctx, vlm.Request{
		System: system, Parts: []vlm.Part{{Image: s.Sent}, {Text: text}}, MaxTokens: 256,
	})
	if err != nil || why != "" {
		return Summary{Abstained: why}, err
	}
	var out Summary
	for i, sentence := range sentences(written) {
		c := Claim{Text: sentence}
		switch {
		case i >= mostSentences:
			c.Dropped = fmt.Sprintf("more than %d sentences", mostSentences)
		case score.MatchString(sentence):
			c.Dropped = "it gives a score"
		}
		out.Claims = append(out.Claims, c)
	}
	if err := w.verify(ctx, s, out.Claims); err != nil {
		return Summary{}, err
	}
	var kept []string
	for _, c := range out.Claims {
		if c.Dropped == "" {
			kept = append(kept, c.Text)
		}
	}
	out.Text = strings.Join(kept, " ")
	return out, nil
}

// verify puts the claims that are not dropped yet as questions.
func (w *asking) verify(ctx context.Context, s Subject, claims []Claim) error {
	return w.all(len(claims), func(i int) error {
		c := &claims[i]
		if c.Dropped != "" {
			return nil
		}
		q := assay.Question{ID: "claim", Text: fmt.Sprintf("Is this statement about the picture true: “%s”?", c.Text)}
		var err error
		if c.Belief, err = w.question(ctx, s, q, 0); err != nil {
			return err
		}
		c.Dropped = unconfirmed(c.Belief)
		return nil
	})
}

// unconfirmed returns why a belief does not confirm what was asked.
func unconfirmed(b assay.Belief) string {
	switch {
	case !b.Known():
		return "not confirmed: " + b.Abstained
	case b.P <= 0.5:
		return fmt.Sprintf("not confirmed: P(yes) %.2f", b.P)
	}
	return ""
}

// text asks for a text, or returns why there is none.
func (w *asking) text(ctx context.Context, r vlm.Request) (text, why string, err error) {
	err = w.again(ctx, r, 0, 0, func(reply vlm.Reply, late bool) bool {
		text, why = "", ""
		t := strings.TrimSpace(reply.Text)
		switch {
		case late:
			why = noAnswer + timedOut
		case refusal(reply) != "":
			why = refusedTo + refusal(reply)
			return true
		case hasPhrase(t, refusalPhrases):
			why = refusedTo + excerpt(t)
			return true
		case normal(t) == "":
			why = noAnswer + "an empty reply"
		case reply.Finish == cut:
			why = noAnswer + "the reply was cut off"
		default:
			text = t
			return true
		}
		return false
	})
	return text, why, err
}

// findings lists the answers that spoke most for and most against a picture.
func findings(answers []assay.Answer) string {
	type finding struct {
		line string
		good float64
	}
	var all []finding
	for _, a := range answers {
		q, b := a.Question, a.Belief
		if !b.Known() || a.Void != "" || a.Repeat > 0 || q.Good == assay.Neither || q.Expect != "" || q.TwinOf != "" {
			continue
		}
		f := finding{line: q.Text + " yes", good: b.P}
		if b.P <= 0.5 {
			f.line = q.Text + " no"
		}
		if q.Good == assay.NoIsGood {
			f.good = 1 - b.P
		}
		all = append(all, f)
	}
	if len(all) == 0 {
		return ""
	}
	slices.SortStableFunc(all, func(a, b finding) int { return cmp.Compare(b.good, a.good) })
	const each = 3
	if len(all) > 2*each {
		all = slices.Concat(all[:each], all[len(all)-each:])
	}
	var out strings.Builder
	out.WriteString("An examination of this picture found:\n")
	for _, f := range all {
		out.WriteString("- " + f.line + "\n")
	}
	return out.String()
}

// score finds numbers that no instrument measured.
var score = regexp.MustCompile(`(?i)\b\d+([.,]\d+)?\s*(/|out of|von|sur)\s*(5|10|100)\b|\bscores?\b.*\d`)

// sentences cuts a text after each full stop that ends one. Line breaks count as
// spaces, and list marks are taken off.
func sentences(text string) (out []string) {
	runes := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(stripFence(text), "�")), " "))
	start := 0
	add := func(end int) {
		s := strings.TrimSpace(strings.TrimLeft(string(runes[start:end]), "-*•# "))
		if normal(s) != "" {
			out = append(out, s)
		}
		start = end
	}
	for i, r := range runes {
		switch {
		case strings.ContainsRune("。！？", r):
			add(i + 1)
		case strings.ContainsRune(".!?", r) && i+2 < len(runes) && runes[i+1] == ' ' && startsSentence(runes[i+2:]) && !abbreviates(runes[start:i]):
			add(i + 1)
		}
	}
	add(len(runes))
	return out
}

func startsSentence(rest []rune) bool {
	for _, r := range rest {
		if unicode.IsLetter(r) {
			return !unicode.IsLower(r)
		}
		if unicode.IsDigit(r) {
			return true
		}
	}
	return false
}

// abbreviates reports whether a stop follows a single letter or a number, as in
// "J. Vermeer" and "1. The".
func abbreviates(before []rune) bool {
	n := len(before)
	return n > 0 && (n == 1 || before[n-2] == ' ') && (unicode.IsLetter(before[n-1]) || unicode.IsDigit(before[n-1]))
}

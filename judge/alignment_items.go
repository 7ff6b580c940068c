package judge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// A promptItem is a part of a prompt as a judge named it.
type promptItem struct {
	ID     int    `json:"id"`
	Kind   string `json:"kind"`
	Phrase string `json:"phrase"`
	Needs  []int  `json:"needs"`
}

// readItems reads a reply in JSON, or line by line. An error says what cannot be
// read.
func readItems(reply vlm.Reply, schema bool) ([]promptItem, error) {
	text := strings.TrimSpace(reply.Text)
	switch {
	case reply.Finish == "length":
		return nil, errors.New("the reply was cut off")
	case text == "":
		return nil, errors.New("the reply is empty")
	case len(text) > maxItemsReply:
		return nil, fmt.Errorf("the reply has %d bytes, at most %d are read", len(text), maxItemsReply)
	case !utf8.ValidString(text):
		return nil, errors.New("the reply is not UTF-8")
	}
	text = unfenced(text)
	items, err := itemLines(text)
	if schema {
		items, err = itemsJSON(text)
	}
	if err != nil {
		return nil, err
	}
	seen := map[int]bool{}
	for _, it := range items {
		if seen[it.ID] {
			return nil, fmt.Errorf("two phrases have the number %d", it.ID)
		}
		seen[it.ID] = true
	}
	switch {
	case len(items) == 0:
		return nil, errors.New("the reply names nothing")
	case len(items) > maxItems:
		return nil, fmt.Errorf("the reply names %d things, at most %d are read", len(items), maxItems)
	}
	return items, nil
}

// unfenced returns text without the Markdown fence that some models put around
// what they were asked to write bare.
func unfenced(text string) string {
	first, rest, ok := strings.Cut(text, "\n")
	if !ok || !strings.HasPrefix(first, "```") {
		return text
	}
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "```"))
}

func itemsJSON(text string) ([]promptItem, error) {
	// Pointers tell what is missing from what is empty.
	var in struct {
		Items *[]struct {
			ID     *int    `json:"id"`
			Kind   *string `json:"kind"`
			Phrase *string `json:"phrase"`
			Needs  []int   `json:"needs"`
		} `json:"items"`
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	if err := d.Decode(&in); err != nil {
		return nil, fmt.Errorf("the reply is not the JSON that was asked for: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the reply goes on after its JSON")
	}
	if in.Items == nil {
		return nil, errors.New("the reply has no items")
	}
	var items []promptItem
	for i, it := range *in.Items {
		if it.ID == nil || it.Kind == nil || it.Phrase == nil {
			return nil, fmt.Errorf("item %d of the reply lacks id, kind or phrase", i+1)
		}
		items = append(items, promptItem{*it.ID, *it.Kind, *it.Phrase, it.Needs})
	}
	return items, nil
}

// itemLines reads "number | kind | phrase | needs". Lines without a bar are what
// models say around a list.
func itemLines(text string) ([]promptItem, error) {
	var items []promptItem
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.Contains(line, "|") {
			continue
		}
		fields := strings.Split(line, "|")
		if len(fields) == 5 && strings.TrimSpace(fields[4]) == "" { // a bar at the end
			fields = fields[:4]
		}
		if len(fields) != 3 && len(fields) != 4 {
			return nil, fmt.Errorf("line %.100q has %d fields, want number | kind | phrase | needs", line, len(fields))
		}
		id, err := strconv.Atoi(strings.TrimRight(strings.TrimSpace(fields[0]), "."))
		if err != nil {
			return nil, fmt.Errorf("line %.100q does not begin with a number", line)
		}
		it := promptItem{ID: id, Kind: strings.TrimSpace(fields[1]), Phrase: strings.TrimSpace(fields[2])}
		if len(fields) == 4 {
			for _, need := range strings.FieldsFunc(fields[3], func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
				if need == "-" || need == "—" || strings.EqualFold(need, "none") {
					continue
				}
				n, err := strconv.Atoi(need)
				if err != nil {
					return nil, fmt.Errorf("line %.100q needs %.20q, which is no number", line, need)
				}
				it.Needs = append(it.Needs, n)
			}
		}
		items = append(items, it)
	}
	return items, nil
}

// forms are the questions that the kinds of phrases become.
var forms = map[string]struct{ id, before string }{
	"entity":    {"shows", "Does the picture show "},
	"attribute": {"shows", "Does the picture show "},
	"count":     {"shows-exactly", "Does the picture show exactly "},
	"relation":  {"shows", "Does the picture show "},
	"action":    {"shows", "Does the picture show "},
	"style":     {"style", "Is the picture in the style of "},
	"mood":      {"has", "Does the picture have "},
}

// A promptPart is an item that makes a question.
type promptPart struct {
	promptItem
	id, text string
	content  []string // stems of its content words
	needs    []*promptPart
	circle   bool // needs itself, by way of others
	state    partState
}

// A partState says what became of a part.
type partState int

const (
	partWaiting partState = iota
	partAsked             // it is among the questions
	partRefused           // it is not, for want of room
)

// promptQuestions makes the questions of a prompt's parts.
func promptQuestions(prompt string, items []promptItem) PromptQuestions {
	out := PromptQuestions{Prompt: prompt, Questions: []assay.Question{wholePrompt(prompt)}}
	parts := out.parts(items)
	covered := map[string]bool{}
	for _, p := range parts {
		if p.circle {
			out.drop(p.Phrase, "needs itself, by way of others")
			continue
		}
		out.add(p, covered)
	}
	out.Coverage, out.Uncovered = coverage(prompt, covered)
	return out
}

func (out *PromptQuestions) drop(phrase, why string) {
	out.Dropped = append(out.Dropped, Dropped{cutText(phrase, 200), why})
}

// parts returns the parts that items make, each once, linked with those they need,
// and drops the other items.
func (out *PromptQuestions) parts(items []promptItem) []*promptPart {
	words := stemsOf(out.Prompt)
	byNumber, byID, all := map[int]*promptPart{}, map[string]*promptPart{}, map[int]bool{}
	for _, it := range items {
		all[it.ID] = true
	}
	var parts []*promptPart
	for _, it := range items {
		p, why := partOf(it, out.Prompt, words)
		if at := slices.IndexFunc(it.Needs, func(n int) bool { return !all[n] }); why == "" && at >= 0 {
			why = fmt.Sprintf("needs number %d, which there is not", it.Needs[at])
		}
		if why != "" {
			out.drop(it.Phrase, why)
			continue
		}
		if first := byID[p.id]; first != nil {
			byNumber[it.ID] = first // what needs this one needs the first
			out.drop(it.Phrase, "named twice")
			continue
		}
		byNumber[it.ID], byID[p.id] = p, p
		parts = append(parts, p)
	}
	connect(parts, byNumber)
	return parts
}

// add appends the question of p after those it needs, as far as there is room, and
// enters the words it covers.
func (out *PromptQuestions) add(p *promptPart, covered map[string]bool) {
	if p.state != partWaiting || p.circle {
		return
	}
	p.state = partRefused // until it is in
	q := promptQuestion(p.id, p.text)
	for _, need := range p.needs {
		if out.add(need, covered); need.state == partAsked {
			q.Needs = append(q.Needs, "alignment."+need.id)
		}
	}
	if len(out.Questions) == MaxPromptQuestions {
		out.drop(p.Phrase, fmt.Sprintf("more than %d questions", MaxPromptQuestions))
		return
	}
	p.state = partAsked
	out.Questions = append(out.Questions, q)
	for _, stem := range p.content {
		covered[stem] = true
	}
}

// connect links parts with those they need: those the judge says, and the
// entities whose words they repeat. Links among parts that need each other in a
// circle mark these.
func connect(parts []*promptPart, byNumber map[int]*promptPart) {
	for _, p := range parts {
		for _, n := range p.Needs {
			if need := byNumber[n]; need == p {
				p.circle = true
			} else if need != nil && !slices.Contains(p.needs, need) {
				p.needs = append(p.needs, need)
			}
		}
	}
	for _, p := range parts {
		p.circle = p.circle || reaches(p, p, map[*promptPart]bool{})
	}
	for _, p := range parts {
		for _, e := range parts {
			if p.Kind == "entity" || e.Kind != "entity" || len(e.content) == 0 || slices.Contains(p.needs, e) ||
				slices.ContainsFunc(e.content, func(stem string) bool { return !slices.Contains(p.content, stem) }) ||
				reaches(e, p, map[*promptPart]bool{}) {
				continue
			}
			p.needs = append(p.needs, e)
		}
	}
}

// reaches reports whether from needs to, directly or by way of others.
func reaches(from, to *promptPart, seen map[*promptPart]bool) bool {
	for _, need := range from.needs {
		if need == to {
			return true
		}
		if !seen[need] {
			seen[need] = true
			if reaches(need, to, seen) {
				return true
			}
		}
	}
	return false
}

// partOf returns the part that an item makes, or why it makes none. words are the
// stems of the prompt.
func partOf(it promptItem, prompt string, words map[string]bool) (*promptPart, string) {
	form, ok := forms[it.Kind]
	if !ok {
		return nil, fmt.Sprintf("%.40q is no kind", it.Kind)
	}
	phrase := strings.TrimRight(strings.TrimSpace(it.Phrase), ".,;: ")
	if it.Kind == "count" {
		phrase = strings.TrimPrefix(phrase, "exactly ")
	}
	switch {
	case utf8.RuneCountInString(phrase) > 100 || len(strings.Fields(phrase)) > 14:
		return nil, "too long for one fact"
	case strings.ContainsFunc(phrase, func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune("?!<>{}[]|\\", r) }):
		return nil, "has characters that no phrase has"
	case len(it.Needs) > 16:
		return nil, "speaks of too many others for one fact"
	case it.Kind == "count" && !slices.ContainsFunc(splitWords(phrase), saysNumber):
		return nil, "says no number"
	case strings.EqualFold(phrase, strings.TrimRight(prompt, ".,;: ")) && it.Kind != "style" && it.Kind != "entity":
		return nil, "is the whole prompt, which is asked for anyway"
	}
	p := &promptPart{promptItem: it, text: form.before + phrase + "?"}
	for _, w := range contentWords(phrase) {
		stem := stemOf(w)
		if words[stem] {
			p.content = append(p.content, stem)
		} else if !(it.Kind == "style" || it.Kind == "mood") || !carriers[stem] {
			return nil, fmt.Sprintf("the prompt does not say %.40q", w)
		}
	}
	if len(p.content) == 0 {
		return nil, "names nothing of the prompt"
	}
	p.id = form.id + "-" + slug(phrase)
	return p, ""
}

// saysNumber reports whether a word is a number.
func saysNumber(word string) bool {
	return countWords[stemOf(word)] || strings.IndexFunc(word, unicode.IsDigit) == 0
}

// coverage returns the share of the prompt's content words that are covered, and
// the others. A prompt without any is covered.
func coverage(prompt string, covered map[string]bool) (float64, []string) {
	words := contentWords(prompt)
	seen := map[string]bool{}
	total := 0
	var open []string
	for _, w := range words {
		stem := stemOf(w)
		if seen[stem] {
			continue
		}
		seen[stem] = true
		total++
		if !covered[stem] {
			open = append(open, w)
		}
	}
	if total == 0 {
		return 1, nil
	}
	return float64(total-len(open)) / float64(total), open
}

func cutText(s string, n int) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

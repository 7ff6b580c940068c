package judgetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// An ask is a request as parsed from its wire format.
type ask struct {
	api, model, system string
	texts              []string
	pictures           []sent
	schema             json.RawMessage
	asTool             string // name of the tool whose input is the reply; Anthropic
	maxTokens          int    // 0 if not set
	temperature        *float64
	seed               *int64
	logprobs           bool
	top                int
	cacheMark          bool // the request marks a prefix for the cache; Anthropic
}

// sent is a picture of a request, still encoded.
type sent struct {
	mime   string
	base64 []byte
}

// A fault is an error that a server answers with.
type fault struct {
	status  int
	kind    kind
	param   string // OpenAI's
	message string
}

type kind int

const (
	invalid kind = iota
	noKey
	noModel
	limited
	noQuota
	overloaded
)

func invalidf(param, format string, args ...any) *fault {
	return &fault{status: 400, kind: invalid, param: param, message: fmt.Sprintf(format, args...)}
}

// A body is a request with the long strings that hold no space taken out: they
// are pictures, and json would look at each of their bytes.
type body struct {
	slim   []byte
	lifted [][]byte
}

const placeholder = "@lifted:"

// lift takes the pictures out of a request. The slices point into raw.
func lift(raw []byte) body {
	b := body{slim: make([]byte, 0, min(len(raw), 8<<10))}
	for {
		open := bytes.IndexByte(raw, '"')
		if open < 0 {
			b.slim = append(b.slim, raw...)
			return b
		}
		n := stringEnd(raw[open+1:])
		if n < 0 {
			b.slim = append(b.slim, raw...)
			return b
		}
		s := raw[open+1 : open+1+n]
		b.slim = append(b.slim, raw[:open+1]...)
		if len(s) > 1024 && without(s, ' ', '\\', '\n', '\r') {
			b.slim = append(b.slim, placeholder...)
			b.slim = strconv.AppendInt(b.slim, int64(len(b.lifted)), 10)
			b.lifted = append(b.lifted, s)
		} else {
			b.slim = append(b.slim, s...)
		}
		b.slim = append(b.slim, '"')
		raw = raw[open+n+2:]
	}
}

// without reports whether s has none of some bytes.
func without(s []byte, none ...byte) bool {
	for _, c := range none {
		if bytes.IndexByte(s, c) >= 0 {
			return false
		}
	}
	return true
}

// stringEnd is the place of the quote that ends the JSON string raw, or −1.
func stringEnd(raw []byte) int {
	from := 0
	for {
		i := bytes.IndexByte(raw[from:], '"')
		if i < 0 {
			return -1
		}
		at := from + i
		slashes := 0
		for slashes < at && raw[at-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return at
		}
		from = at + 1
	}
}

// full is a string of the slim request as it was sent.
func (b body) full(s string) []byte {
	if num, ok := strings.CutPrefix(s, placeholder); ok {
		if i, err := strconv.Atoi(num); err == nil && i >= 0 && i < len(b.lifted) {
			return b.lifted[i]
		}
	}
	return []byte(s)
}

// fields parses an object and refuses names that are not among known.
func fields(raw json.RawMessage, known []string, unknown func(name string) *fault) (map[string]json.RawMessage, *fault) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil || m == nil {
		return nil, invalidf("", "We could not parse the JSON body of your request.")
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, unknown(name)
		}
	}
	return m, nil
}

var (
	offersYes   = regexp.MustCompile(`(?i)\byes\b["', /]{1,4}(or ["']?)?no\b`)
	offersFirst = regexp.MustCompile(`(?i)\bfirst\b["', /]{1,4}(or ["']?)?(the )?second\b`)
	offersScale = regexp.MustCompile(`(?i)\b1\s*(to|and|-|–)\s*10\b|\bone to ten\b|out of (10|ten)\b`)
	offersJSON  = regexp.MustCompile(`(?i)\b(with|as|in|only|one) JSON\b`)
)

// kindOf reads from words what kind of answer they demand of somebody who sees n
// pictures: from how the words to choose from are listed, since each of them may
// also stand in a prompt.
func kindOf(words string, n int) Kind {
	switch {
	case offersJSON.MatchString(words):
		return JSON
	case n > 0 && offersFirst.MatchString(words):
		return Better
	case offersYes.MatchString(words):
		return YesNo
	case offersScale.MatchString(words):
		return Score
	}
	return Writing
}

// query is a as rules see it, with its pictures recognised.
func (a *ask) query(seen []Seen, key string, seed uint64) Query {
	q := Query{API: a.api, Model: a.model, System: a.system, Texts: a.texts, Pictures: seen,
		Schema: a.schema, MaxTokens: a.maxTokens, Key: key, Seed: seed,
		greedy: a.temperature != nil && *a.temperature == 0}
	q.Question = questionIn(q.Text())
	all := joined(a.texts)
	if q.Question == "" {
		q.Question = questionIn(all)
	}
	if q.Kind = kindOf(q.Text(), len(seen)); q.Kind == Writing {
		q.Kind = kindOf(a.system+"\n"+all, len(seen))
	}
	if a.schema != nil {
		q.Kind = JSON
	}
	if q.Kind == JSON && a.schema == nil {
		q.Schema = schemaIn(q.Text())
	}
	if q.Kind == Better && len(seen) == 1 && seen[0].halves != nil {
		q.Pictures = seen[0].halves
	}
	return q
}

var (
	label    = regexp.MustCompile(`(?i)^(question|q)( ?\d+)?[:.] *`)
	labelled = regexp.MustCompile(`(?im)^(question|q)( ?\d+)?: *`)
)

// questionIn is text up to its last question mark, from the last line that begins
// with "Question:", or else from the start of the line.
func questionIn(text string) string {
	end := strings.LastIndexByte(text, '?')
	if end < 0 {
		return ""
	}
	if at := labelled.FindAllStringIndex(text[:end], -1); at != nil {
		return strings.TrimSpace(text[at[len(at)-1][1] : end+1])
	}
	start := strings.LastIndexByte(text[:end], '\n') + 1
	return strings.TrimSpace(label.ReplaceAllString(text[start:end+1], ""))
}

func joined(texts []string) string { return strings.Join(texts, "\n") }

// noRule says that no rule answers a question.
func noRule(question string) error { return fmt.Errorf("no rule answers %q", short(question)) }

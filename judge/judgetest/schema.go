package judgetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A schema is what the stand-in reads of a JSON Schema, or of Google's dialect.
type schema struct {
	Type                 any                        `json:"type"` // a string, or a list of them
	Properties           map[string]json.RawMessage `json:"properties"`
	Items                json.RawMessage            `json:"items"`
	Enum                 []any                      `json:"enum"`
	AnyOf                []json.RawMessage          `json:"anyOf"`
	MinItems             any                        `json:"minItems"`
	Required             []string                   `json:"required"`
	AdditionalProperties json.RawMessage            `json:"additionalProperties"`
}

func parseSchema(raw json.RawMessage) (schema, error) {
	var s schema
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("schema: %w", err)
	}
	return s, nil
}

// is reports whether s is of a type; Google writes types in capitals.
func (s schema) is(name string) bool {
	switch t := s.Type.(type) {
	case string:
		return strings.EqualFold(t, name)
	case []any:
		return slices.ContainsFunc(t, func(v any) bool { w, _ := v.(string); return strings.EqualFold(w, name) })
	}
	return false
}

// yesNo reports whether s takes yes or no: as words, or as a boolean.
func (s schema) yesNo() bool {
	has := func(word string) bool {
		return slices.ContainsFunc(s.Enum, func(v any) bool { w, _ := v.(string); return strings.EqualFold(w, word) })
	}
	return s.is("boolean") || has("yes") && has("no")
}

// put is a word as a value of s.
func (s schema) put(word string) any {
	if s.is("boolean") {
		return strings.EqualFold(word, "yes")
	}
	rest := any(nil)
	for _, v := range s.Enum {
		w, _ := v.(string)
		if strings.EqualFold(w, word) {
			return v
		}
		if !strings.EqualFold(w, "yes") && !strings.EqualFold(w, "no") {
			rest = v
		}
	}
	return rest
}

// An asked is one question of a list.
type asked struct{ id, question string }

var (
	idName       = regexp.MustCompile(`(?i)^(id|key|name|question_?id|question|number|n)$`)
	questionLine = regexp.MustCompile(`(?m)^[ \t\-*•]*["'\[(]?([\w.@/+:-]{1,80}?)["'\])]?[ \t]*[:.)\]=\t][ \t]*["']?(\S[^\n]*\?)`)
	questionJSON = regexp.MustCompile(`"id"\s*:\s*"([^"]+)"[^{}]*?"(?:question|text)"\s*:\s*"((?:[^"\\]|\\.)*)"`)
)

// questionsIn finds the questions of a list in a text: lines such as
// "id: question?", "[id] question?", "3. question?", or JSON objects with an id and
// a question.
func questionsIn(text string) []asked {
	var out []asked
	for _, m := range questionJSON.FindAllStringSubmatch(text, -1) {
		var q string
		if json.Unmarshal([]byte(`"`+m[2]+`"`), &q) == nil {
			out = append(out, asked{m[1], q})
		}
	}
	if out != nil {
		return out
	}
	for _, m := range questionLine.FindAllStringSubmatch(text, -1) {
		out = append(out, asked{m[1], m[2]})
	}
	return out
}

var exampleJSON = regexp.MustCompile(`\{\s*"(\w+)"\s*:\s*\[\s*\{\s*"(\w+)"\s*:\s*"[^"]*"\s*,\s*"(\w+)"\s*:\s*"[^"]*"`)

// schemaIn makes a schema of an example such as {"answers":[{"id":"q1","answer":
// "yes"}, ...]} in a text; nil if there is none.
func schemaIn(text string) json.RawMessage {
	m := exampleJSON.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	return fmt.Appendf(nil, `{"type":"object","properties":{%q:{"type":"array","items":{"type":"object","properties":{%q:{"type":"string"},`+
		`%q:{"type":"string","enum":["yes","no","unsure"]}}}}}}`, m[1], m[2], m[3])
}

// fill answers a schema that consists of yes/no answers to the questions of the
// text: a list of objects with an id and an answer, or an object with a property a
// question. one answers a question; an error says why the schema is no such thing.
func fill(raw json.RawMessage, text string, one func(asked) (string, error)) (any, error) {
	if raw == nil {
		return nil, fmt.Errorf("there is no schema")
	}
	s, err := parseSchema(raw)
	if err != nil {
		return nil, err
	}
	questions := questionsIn(text)
	if len(s.Items) > 0 {
		return fillList(s, questions, one)
	}
	if len(s.Properties) == 0 {
		return nil, fmt.Errorf("neither a list nor an object with properties")
	}
	out := map[string]any{}
	for name, prop := range s.Properties {
		p, err := parseSchema(prop)
		if err != nil {
			return nil, err
		}
		if !p.yesNo() {
			if out[name], err = fill(prop, text, one); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			continue
		}
		at := slices.IndexFunc(questions, func(q asked) bool { return q.id == name })
		q := asked{name, questionIn(text)}
		switch {
		case at >= 0:
			q = questions[at]
		case len(s.Properties) > 1 && len(questions) > 0:
			return nil, fmt.Errorf("no question %q in the text", name)
		}
		word, err := one(q)
		if err != nil {
			return nil, err
		}
		out[name] = p.put(word)
	}
	return out, nil
}

func fillList(list schema, questions []asked, one func(asked) (string, error)) (any, error) {
	item, err := parseSchema(list.Items)
	if err != nil {
		return nil, err
	}
	var id, answer string
	var to, ids schema
	for name, raw := range item.Properties {
		p, err := parseSchema(raw)
		switch {
		case err != nil:
			return nil, err
		case p.yesNo():
			answer, to = name, p
		case idName.MatchString(name):
			id, ids = name, p
		}
	}
	if id == "" || answer == "" || len(item.Properties) != 2 {
		return nil, fmt.Errorf("its items are not an id and a yes/no answer")
	}
	if len(questions) == 0 {
		return nil, fmt.Errorf("no list of questions in the text")
	}
	out := []any{}
	for _, q := range questions {
		if len(ids.Enum) > 0 && !slices.Contains(ids.Enum, any(q.id)) {
			continue
		}
		word, err := one(q)
		if err != nil {
			return nil, err
		}
		out = append(out, map[string]any{id: q.id, answer: to.put(word)})
	}
	if len(ids.Enum) > 0 && len(out) != len(ids.Enum) {
		return nil, fmt.Errorf("%d of the %d questions of the schema are in the text", len(out), len(ids.Enum))
	}
	return out, nil
}

// blank is the least value that a schema allows: empty texts and lists, the first
// of every enumeration, zero.
func blank(raw json.RawMessage) any {
	s, err := parseSchema(raw)
	switch {
	case err != nil:
		return nil
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.AnyOf) > 0:
		return blank(s.AnyOf[0])
	case s.is("object") || s.Properties != nil:
		out := map[string]any{}
		for name, p := range s.Properties {
			out[name] = blank(p)
		}
		return out
	case s.is("array"):
		out := []any{}
		if n, _ := s.MinItems.(float64); n >= 1 && n < 100 {
			for range int(n) {
				out = append(out, blank(s.Items))
			}
		}
		return out
	case s.is("boolean"):
		return false
	case s.is("number") || s.is("integer"):
		return 0
	case s.is("null"):
		return nil
	}
	return ""
}

// strict checks a schema as OpenAI does in strict mode and Anthropic always does:
// every object must rule out further properties; with all, every property must be
// required. banned names keywords that are refused.
func strict(raw json.RawMessage, all bool, banned []string, at string) error {
	s, err := parseSchema(raw)
	if err != nil {
		return err
	}
	var words map[string]json.RawMessage
	if err := json.Unmarshal(raw, &words); err != nil {
		return err
	}
	for _, w := range banned {
		if _, ok := words[w]; ok {
			return fmt.Errorf("In context=(%s), property '%s' is not supported", at, w)
		}
	}
	if s.is("object") {
		if !bytes.Equal(bytes.TrimSpace(s.AdditionalProperties), []byte("false")) {
			return fmt.Errorf("In context=(%s), 'additionalProperties' is required to be supplied and to be false.", at)
		}
		for name := range s.Properties {
			if all && !slices.Contains(s.Required, name) {
				return fmt.Errorf("In context=(%s), 'required' is required to be supplied and to be an array including every key in properties. Missing '%s'.", at, name)
			}
		}
	}
	for name, p := range s.Properties {
		if err := strict(p, all, banned, at+"'properties', '"+name+"'"); err != nil {
			return err
		}
	}
	if len(s.Items) > 0 {
		if err := strict(s.Items, all, banned, at+"'items'"); err != nil {
			return err
		}
	}
	for _, p := range s.AnyOf {
		if err := strict(p, all, banned, at+"'anyOf'"); err != nil {
			return err
		}
	}
	return nil
}

package pixel

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
)

// maxDepth bounds the nesting of JSON in metadata. Real files stay below 20.
const maxDepth = 64

// decodeJSON decodes one JSON value with numbers kept as written. It takes the
// NaN and Infinity that Python's json module writes, as null, and refuses
// nesting beyond maxDepth.
func decodeJSON(text string) (any, error) {
	text, err := plainJSON(text)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, invalidf("text after the JSON value")
	}
	return v, nil
}

// decodeObject is decodeJSON for a JSON object.
func decodeObject(text string) (map[string]any, error) {
	v, err := decodeJSON(text)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, invalidf("JSON is not an object")
	}
	return object, nil
}

// plainJSON replaces Python's extra numbers outside strings, and measures the
// depth.
func plainJSON(text string) (string, error) {
	var b strings.Builder
	depth, from := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth++; depth > maxDepth {
				return "", invalidf("JSON is nested deeper than %d", maxDepth)
			}
		case '}', ']':
			depth--
		case 'N', 'I', '-':
			for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
				if strings.HasPrefix(text[i:], word) {
					b.WriteString(text[from:i])
					b.WriteString("null")
					i += len(word) - 1
					from = i + 1
					break
				}
			}
		}
	}
	if from == 0 {
		return text, nil
	}
	b.WriteString(text[from:])
	return b.String(), nil
}

// scalar returns a JSON string, number or boolean as text.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		if v {
			return "true", true
		}
		return "false", true
	}
	return "", false
}

// textOf returns the named string of object, or "".
func textOf(object map[string]any, name string) string {
	s, _ := object[name].(string)
	return s
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

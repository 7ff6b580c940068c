package rank

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/gen-emerge/assay"
)

// longestLine bounds one line of a JSON lines file, so that a file without
// line ends cannot take all memory.
const longestLine = 1 << 20

func (v *voteReader) readJSON(br *bufio.Reader, lines int) error {
	sc := bufio.NewScanner(br)
	sc.Buffer(make([]byte, 0, 1<<16), longestLine)
	for line := lines + 1; sc.Scan(); line++ {
		text := bytes.TrimSpace(sc.Bytes())
		if len(text) == 0 {
			continue
		}
		row, problem := v.parseJSON(text)
		if problem != "" {
			v.bad(line, "%s", problem)
			continue
		}
		v.add(line, row)
	}
	if err := sc.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("%s: a line is longer than %d bytes: want one JSON object a line: %w", v.name, longestLine, assay.ErrInvalid)
	} else if err != nil {
		return fmt.Errorf("%s: %w", v.name, err)
	}
	return nil
}

// parseJSON reads the known keys of one object. Unknown keys are warned of in
// the order of their names.
func (v *voteReader) parseJSON(text []byte) (row [fieldCount]string, problem string) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return row, fmt.Sprintf("not a JSON object: %v", err)
	}
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var from [fieldCount]string
	var set [fieldCount]bool
	pwcmp := slices.ContainsFunc(keys, isSelected)
	for _, key := range keys {
		f, ok := fieldOf(key, pwcmp)
		if !ok {
			v.ignore(key)
			continue
		}
		if set[f] {
			return row, fmt.Sprintf("keys %q and %q mean the same: remove one", from[f], key)
		}
		value, ok := scalar(object[key])
		if !ok {
			return row, fmt.Sprintf("key %q holds %s: want a string or a number", key, object[key])
		}
		row[f], from[f], set[f] = value, key, true
	}
	if set[fieldWinner] && set[fieldSelected] {
		return row, fmt.Sprintf("keys %q and %q mean the same: remove one", from[fieldWinner], from[fieldSelected])
	}
	for f, needed := range []string{"left", "right", "winner"} {
		if !set[f] && (f != int(fieldWinner) || !set[fieldSelected]) {
			return row, fmt.Sprintf("key %q is missing", needed)
		}
	}
	return row, ""
}

// scalar returns the text of a JSON string or number, and "" for null.
func scalar(raw json.RawMessage) (string, bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	token, err := dec.Token()
	if err != nil && err != io.EOF {
		return "", false
	}
	switch value := token.(type) {
	case string:
		return value, true
	case json.Number:
		return value.String(), true
	case nil:
		return "", true
	}
	return "", false
}

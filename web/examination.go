package web

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// A checkRecord is one check of an examination, as its note has it.
type checkRecord struct {
	Name    string    `json:"name"`
	What    string    `json:"what"`
	K       int       `json:"k"`
	N       int       `json:"n"`
	Share   *estimate `json:"share,omitempty"` // K of N and its interval of level Level
	Level   float64   `json:"level"`
	Rule    string    `json:"rule"`
	Verdict string    `json:"verdict"`
	Decides bool      `json:"decides"`
	Note    string    `json:"note,omitempty"`
	Number  *estimate `json:"number,omitempty"` // a second number, which Note explains
}

// An estimate is a number with its interval.
type estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

func (e estimate) String() string {
	return fmt.Sprintf("%s (%s to %s)", short(e.Value), short(e.Low), short(e.High))
}

// Found says what was counted: "19 of 20".
func (c checkRecord) Found() string {
	if c.N == 0 {
		return "not asked"
	}
	text := fmt.Sprintf("%d of %d", c.K, c.N)
	if c.Number != nil {
		text += "; " + c.Number.String()
	}
	return text
}

// Interval says between which shares the truth is likely to lie.
func (c checkRecord) Interval() string {
	if c.Share == nil {
		return ""
	}
	return fmt.Sprintf("%s to %s", pct(c.Share.Low), pct(c.Share.High))
}

// Class is the style class of the verdict's badge.
func (c checkRecord) Class() string {
	switch c.Verdict {
	case "pass", "fail":
		return c.Verdict
	}
	return "abstain"
}

type questionFailure struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Text    string `json:"text,omitempty"` // if the examination asked it
	Why     string `json:"why"`
}

// An examination is what a page shows of an audit's note, beyond the trust.
type examination struct {
	checks  []checkRecord
	texts   map[string]string // of questions, by id@version
	leftOut []string
	remarks []string // sentences: what else was found
}

// readExamination takes what it knows of a note and leaves the rest: a check is
// any member with a name, a rule and a verdict, in the note's own order.
func readExamination(text json.RawMessage) (x examination) {
	x.texts = map[string]string{}
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return x
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return x
		}
		var member json.RawMessage
		if d.Decode(&member) != nil {
			return x
		}
		switch key {
		case "questions":
			var asked []struct{ ID, Version, Text string }
			_ = json.Unmarshal(member, &asked) // what cannot be read has no text
			for _, q := range asked {
				x.texts[q.ID+"@"+q.Version] = q.Text
			}
		case "left_out":
			_ = json.Unmarshal(member, &x.leftOut) // likewise
		case "self", "agreement", "cost":
			x.remark(key, member)
		default:
			var c checkRecord
			if json.Unmarshal(member, &c) == nil && c.Name != "" && c.Rule != "" && c.Verdict != "" {
				x.checks = append(x.checks, c)
			}
		}
	}
	return x
}

// remark says in a sentence what a member of a note found that is no check.
func (x *examination) remark(key any, member json.RawMessage) {
	var m struct {
		estimate           // of an agreement
		Delta    *estimate `json:"delta"` // of a preference
		Pairs    int       `json:"pairs"`
		Verdict  string    `json:"verdict"`
		Calls    int       `json:"calls"` // of a cost
		Money    float64   `json:"money"`
	}
	if json.Unmarshal(member, &m) != nil {
		return // the JSON of the note still has it
	}
	var text string
	switch {
	case key == "self" && m.Delta != nil:
		text = fmt.Sprintf("Preference for pictures of its own family: %s in log-odds on %s; %s", m.Delta, counted(m.Pairs, "pair", "pairs"), m.Verdict)
	case key == "self":
		text = "Preference for pictures of its own family: not measured"
	case key == "agreement":
		text = fmt.Sprintf("Agreement with people’s answers, 1 being full and 0 chance (Gwet’s AC1): %s", m.estimate)
	case m.Calls > 0:
		if text = "The examination took " + counted(m.Calls, "request", "requests"); m.Money > 0 {
			text += fmt.Sprintf(" and cost %s", num(m.Money))
		}
	default:
		return
	}
	x.remarks = append(x.remarks, text)
}

// tellsTrust reports whether an audit's note is an examination: one that cannot
// be read is, and trusts nobody.
func tellsTrust(body json.RawMessage) bool {
	var x struct {
		Trust json.RawMessage `json:"trust"`
	}
	return json.Unmarshal(body, &x) != nil || len(x.Trust) > 0
}

// cutLast cuts text at the last sep; there is no second part without one.
func cutLast(text string, sep byte) (before, after string) {
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == sep {
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}

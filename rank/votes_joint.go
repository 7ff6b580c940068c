package rank

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// joint reads the columns that only the joint model makes use of. It returns
// what is wrong with them and the remedy, nothing if all is well.
func joint(b *Ballot, row [fieldCount]string) (problem string) {
	if text := row[fieldTime]; text != "" {
		at, ok := parseTime(text)
		if !ok {
			return fmt.Sprintf("time %q: want RFC 3339, as in 2026-03-01T12:00:00Z, or seconds since 1970", text)
		}
		b.Time = at
	}
	if text := row[fieldConfidence]; text != "" {
		c, ok := parseConfidence(text)
		if !ok {
			return fmt.Sprintf("confidence %q: want a number above 0 and up to %g, or low, medium or high", text, maxWeight)
		}
		b.Confidence = c
	}
	if text := row[fieldGrade]; text != "" {
		g, err := strconv.Atoi(text)
		if err != nil || g < -2 || g > 2 {
			return fmt.Sprintf("grade %q: want -2 (left much better) to 2 (right much better), 0 or empty if there is none", text)
		}
		b.Grade = g
		if err := checkGrade(*b); err != nil {
			return fmt.Sprintf("grade %d does not go with winner %s: want -2 or -1 for left, 1 or 2 for right, else 0", g, b.Outcome)
		}
	}
	return ""
}

// parseConfidence reads a number, or the three words that people write; their
// ratios are those of the weights ½, 1 and 2.
func parseConfidence(text string) (float64, bool) {
	switch strings.ToLower(text) {
	case "low":
		return 0.5, true
	case "medium", "normal":
		return 1, true
	case "high":
		return 2, true
	}
	c, err := strconv.ParseFloat(text, 64)
	return c, err == nil && c > 0 && c <= maxWeight
}

// timeLayouts are how files write moments, beside seconds since 1970.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999", "2006-01-02 15:04", "2006-01-02"}

// maxSeconds keeps moments within the years that [time.Time] prints.
const maxSeconds = 200e9

// parseTime reads a moment; without a zone it is in UTC.
func parseTime(text string) (time.Time, bool) {
	if s, err := strconv.ParseFloat(text, 64); err == nil {
		if math.IsNaN(s) || math.Abs(s) > maxSeconds {
			return time.Time{}, false
		}
		whole, rest := math.Modf(s)
		return time.Unix(int64(whole), int64(math.Round(rest*1e6))*1000).UTC(), true
	}
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// jointColumns writes the columns that [joint] reads.
func jointColumns(b Ballot) (at, confidence, grade string) {
	if !b.Time.IsZero() {
		at = b.Time.UTC().Format(time.RFC3339Nano)
	}
	if b.Confidence != 0 {
		confidence = strconv.FormatFloat(b.Confidence, 'g', -1, 64)
	}
	if b.Grade != 0 {
		grade = strconv.Itoa(b.Grade)
	}
	return at, confidence, grade
}

// NeedsJoint reports whether any vote names a rater, a time, a confidence or a
// grade, which [Estimate] makes no use of and [EstimateJoint] does.
func (t *Table) NeedsJoint() bool {
	return slices.ContainsFunc(t.more, func(m more) bool { return m.rater >= 0 || m.grade != 0 || m.conf != 0 || !m.at.IsZero() })
}

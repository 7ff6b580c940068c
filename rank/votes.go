package rank

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gen-emerge/assay"
)

// A RowError reports one row of a vote file that was left out. It wraps
// [assay.ErrInvalid].
type RowError struct {
	File    string // as the caller named it
	Line    int    // from 1
	Problem string // the value and the remedy
}

// Error names the file, the line, the value and the remedy.
func (e *RowError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem) }

// Unwrap returns [assay.ErrInvalid].
func (e *RowError) Unwrap() error { return assay.ErrInvalid }

// A field is one of the things a vote file can say.
type field int

const (
	fieldLeft field = iota
	fieldRight
	fieldWinner
	fieldWeight
	fieldRater
	fieldRound
	fieldTime
	fieldConfidence
	fieldGrade
	fieldSelected // pwcmp's is_A_selected, in place of a winner
	fieldScene    // pwcmp's: conditions of different scenes are different items
	fieldCount
)

// fieldOf knows a column or key by its name in lower case: this package's own,
// evalica's (left, right, winner), the arena's (model_a, model_b, winner,
// judge), crowd-kit's (worker, left, right, label) and pwcmp's (observer,
// session, scene, condition_A, condition_B, is_A_selected).
func fieldOf(name string, pwcmp bool) (field, bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	if pwcmp { // words too common to mean this in files of others
		switch name {
		case "observer":
			return fieldRater, true
		case "session":
			return fieldRound, true
		case "scene":
			return fieldScene, true
		}
	}
	switch name {
	case "left", "model_a", "condition_a":
		return fieldLeft, true
	case "right", "model_b", "condition_b":
		return fieldRight, true
	case "winner", "outcome", "label":
		return fieldWinner, true
	case "weight":
		return fieldWeight, true
	case "rater", "judge", "worker":
		return fieldRater, true
	case "round":
		return fieldRound, true
	case "is_a_selected":
		return fieldSelected, true
	case "time", "ts", "tstamp", "timestamp":
		return fieldTime, true
	case "confidence":
		return fieldConfidence, true
	case "grade":
		return fieldGrade, true
	}
	return 0, false
}

// ReadVotes reads ballots from a CSV file with a header or from JSON lines,
// which it tells apart by the first character. Columns or keys are left, right
// and winner, and optionally weight, rater and round, in any case and order;
// the arena's model_a, model_b and judge and crowd-kit's worker and label mean
// the same. The winner is left, right, tie, both_bad, skip, model_a, model_b,
// "tie (bothbad)" or the name of one of the two. Of pwcmp's columns, observer is
// the rater, session the round, is_A_selected says 1 or 0 in place of a winner, and
// a scene is put before the names of its conditions, scene/condition. A byte order mark, Windows line
// ends and blank lines are accepted; spaces around values are dropped.
//
// The second result holds a [*RowError] for each row that could not be read,
// which is left out while reading goes on, and one plain warning for each
// unknown column. The last result says that there is no answer at all: the
// reader failed, or the header is missing or unfit. The name is that of the
// file, for messages.
func ReadVotes(r io.Reader, name string) ([]Ballot, []error, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	if mark, err := br.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		if _, err := br.Discard(3); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	v := &voteReader{name: name}
	first, lines, err := skipBlank(br)
	if err == io.EOF {
		return nil, nil, fmt.Errorf("%s: the file is empty: want a header line left,right,winner or JSON lines with these keys: %w", name, assay.ErrInvalid)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	if first == '{' {
		err = v.readJSON(br, lines)
	} else {
		err = v.readCSV(br, lines)
	}
	if err != nil {
		return nil, nil, err
	}
	return v.ballots, v.doubts, nil
}

// skipBlank moves to the first byte that is not white space, and returns it
// and the number of line ends passed.
func skipBlank(br *bufio.Reader) (first byte, lines int, err error) {
	for {
		b, err := br.ReadByte()
		if err != nil {
			return 0, lines, err
		}
		switch b {
		case '\n':
			lines++
		case ' ', '\t', '\r':
		default:
			return b, lines, br.UnreadByte()
		}
	}
}

// A voteReader collects what one file says.
type voteReader struct {
	name    string
	ballots []Ballot
	doubts  []error
	unknown map[string]bool // columns already warned of
	names   map[string]string
}

// keep returns one lasting copy of a name, so that ballots do not hold on to
// the lines they came from.
func (v *voteReader) keep(name string) string {
	kept, ok := v.names[name]
	if !ok {
		if v.names == nil {
			v.names = map[string]string{}
		}
		kept = strings.Clone(name)
		v.names[kept] = kept
	}
	return kept
}

func (v *voteReader) bad(line int, format string, args ...any) {
	v.doubts = append(v.doubts, &RowError{v.name, line, fmt.Sprintf(format, args...)})
}

// ignore warns once of a column that is not read.
func (v *voteReader) ignore(column string) {
	if v.unknown[column] {
		return
	}
	if v.unknown == nil {
		v.unknown = map[string]bool{}
	}
	v.unknown[column] = true
	v.doubts = append(v.doubts, fmt.Errorf("%s: column %q is not known and was ignored", v.name, column))
}

func (v *voteReader) readCSV(br *bufio.Reader, lines int) error {
	cr := csv.NewReader(br)
	cr.FieldsPerRecord = -1
	cr.ReuseRecord = true
	header, err := cr.Read()
	if err != nil {
		return fmt.Errorf("%s:%d: header: %w: %w", v.name, lines+1, err, assay.ErrInvalid)
	}
	var at [fieldCount]int
	for f := range at {
		at[f] = -1
	}
	pwcmp := slices.ContainsFunc(header, isSelected)
	for c, column := range header {
		f, ok := fieldOf(column, pwcmp)
		if !ok {
			v.ignore(strings.TrimSpace(column))
			continue
		}
		if at[f] >= 0 {
			return fmt.Errorf("%s:%d: columns %q and %q mean the same: remove one: %w", v.name, lines+1, header[at[f]], column, assay.ErrInvalid)
		}
		at[f] = c
	}
	for f, needed := range []string{"left", "right", "winner"} {
		if at[f] < 0 && (f != int(fieldWinner) || at[fieldSelected] < 0) {
			return fmt.Errorf("%s:%d: the header %q has no column %q: want left,right,winner or model_a,model_b,winner: %w",
				v.name, lines+1, strings.Join(header, ","), needed, assay.ErrInvalid)
		}
	}
	if at[fieldWinner] >= 0 && at[fieldSelected] >= 0 {
		return fmt.Errorf("%s:%d: columns %q and %q mean the same: remove one: %w", v.name, lines+1, header[at[fieldWinner]], header[at[fieldSelected]], assay.ErrInvalid)
	}
	for {
		record, err := cr.Read()
		if err == io.EOF {
			return nil
		}
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			v.bad(lines+parse.StartLine, "%v: write a quote inside a quoted value twice", parse.Err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		line, _ := cr.FieldPos(0)
		if len(record) != len(header) {
			v.bad(lines+line, "%d values for %d columns: quote values that hold a comma", len(record), len(header))
			continue
		}
		var row [fieldCount]string
		for f, c := range at {
			if c >= 0 {
				row[f] = record[c]
			}
		}
		v.add(lines+line, row)
	}
}

// add turns the values of one row into a ballot, or a complaint.
func (v *voteReader) add(line int, row [fieldCount]string) {
	for f, value := range row {
		row[f] = strings.TrimSpace(value)
		if !utf8.ValidString(value) || strings.ContainsFunc(row[f], unicode.IsControl) {
			v.bad(line, "value %q holds a control character or is not UTF-8: write plain text", value)
			return
		}
	}
	if scene := row[fieldScene]; scene != "" && row[fieldLeft] != "" && row[fieldRight] != "" {
		row[fieldLeft], row[fieldRight] = scene+"/"+row[fieldLeft], scene+"/"+row[fieldRight]
	}
	b := Ballot{Left: v.keep(row[fieldLeft]), Right: v.keep(row[fieldRight]), Weight: 1,
		Rater: v.keep(row[fieldRater]), Round: v.keep(row[fieldRound])}
	if b.Left == "" || b.Right == "" {
		v.bad(line, "left %q against right %q: both need a name", b.Left, b.Right)
		return
	}
	if b.Left == b.Right {
		v.bad(line, "%q is compared with itself: want two different names", b.Left)
		return
	}
	outcome, problem := selected(row[fieldSelected])
	if row[fieldWinner] != "" || outcome == "" && problem == "" {
		outcome, problem = winner(row[fieldWinner], b.Left, b.Right)
	}
	if problem != "" {
		v.bad(line, "%s", problem)
		return
	}
	b.Outcome = outcome
	if text := row[fieldWeight]; text != "" {
		w, err := strconv.ParseFloat(text, 64)
		if err != nil || !(w > 0 && w <= maxWeight) {
			v.bad(line, "weight %q: want a number above 0 and up to %g, or leave it empty for 1", text, maxWeight)
			return
		}
		b.Weight = w
	}
	if problem := joint(&b, row); problem != "" {
		v.bad(line, "%s", problem)
		return
	}
	v.ballots = append(v.ballots, b)
}

// isSelected tells pwcmp's files by their column is_A_selected.
func isSelected(column string) bool {
	return strings.EqualFold(strings.TrimSpace(column), "is_A_selected")
}

// selected reads pwcmp's column; an empty one says nothing.
func selected(text string) (assay.Outcome, string) {
	switch strings.ToLower(text) {
	case "":
		return "", ""
	case "1", "true":
		return assay.Left, ""
	case "0", "false":
		return assay.Right, ""
	}
	return "", fmt.Sprintf("is_A_selected %q: want 1 or 0", text)
}

// winner reads the winner's column of a comparison of left and right.
func winner(text, left, right string) (assay.Outcome, string) {
	var byWord, byName assay.Outcome
	switch strings.ToLower(text) {
	case "left", "model_a":
		byWord = assay.Left
	case "right", "model_b":
		byWord = assay.Right
	case "tie":
		byWord = assay.Tie
	case "both_bad", "tie (bothbad)":
		byWord = assay.BothBad
	case "skip":
		byWord = assay.Skip
	}
	switch text {
	case left:
		byName = assay.Left
	case right:
		byName = assay.Right
	}
	switch {
	case byWord == "" && byName == "":
		return "", fmt.Sprintf("winner %q: want left, right, tie, both_bad, skip, %q or %q", text, left, right)
	case byWord != "" && byName != "" && byWord != byName:
		return "", fmt.Sprintf("winner %q is both an outcome and the name of an item: rename the item", text)
	case byName != "":
		return byName, ""
	}
	return byWord, ""
}

// WriteVotes writes ballots as the CSV that [ReadVotes] reads, with all six
// columns. A ballot whose values would not read back the same is an error
// wrapping [assay.ErrInvalid]; a Weight of 0 is written as 1, which it means.
func WriteVotes(w io.Writer, ballots []Ballot) error {
	cw := csv.NewWriter(w)
	wide := slices.ContainsFunc(ballots, func(b Ballot) bool { return !b.Time.IsZero() || b.Confidence != 0 || b.Grade != 0 })
	header := []string{"left", "right", "winner", "weight", "rater", "round", "time", "confidence", "grade"}
	if !wide {
		header = header[:fieldTime]
	}
	if err := cw.Write(header); err != nil {
		return err
	}
	for k, b := range ballots {
		if b.Weight == 0 {
			b.Weight = 1
		}
		row := [fieldCount]string{b.Left, b.Right, string(b.Outcome), strconv.FormatFloat(b.Weight, 'g', -1, 64), b.Rater, b.Round}
		row[fieldTime], row[fieldConfidence], row[fieldGrade] = jointColumns(b)
		back := &voteReader{name: "ballot"}
		if back.add(k+1, row); len(back.doubts) > 0 {
			return back.doubts[0]
		}
		same := b
		same.Time = b.Time.UTC() // one moment in two zones is one moment
		if again := back.ballots[0]; !again.Time.Equal(b.Time) || (again != same && !b.Time.IsZero()) || (b.Time.IsZero() && again != b) {
			return fmt.Errorf("ballot:%d: %+v would read back as %+v: %w", k+1, b, back.ballots[0], assay.ErrInvalid)
		}
		if err := cw.Write(row[:len(header)]); err != nil {
			return err
		}
	}
	cw.Flush()
	return cw.Error()
}

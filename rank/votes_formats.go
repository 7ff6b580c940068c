package rank

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gen-emerge/assay"
)

// A voteFormat is a form of file that other programs read.
type voteFormat struct {
	name string
	// words are what the format calls the outcomes that it can say.
	words map[assay.Outcome]string
	// keeps projects a ballot on what the format has a place for beside items
	// and outcome.
	keeps func(b Ballot) Ballot
	write func(w io.Writer, f *voteFormat, ballots []Ballot) error
}

func bare(b Ballot) Ballot {
	return Ballot{Left: b.Left, Right: b.Right, Outcome: b.Outcome, Weight: 1}
}

func ownWords() map[assay.Outcome]string {
	return map[assay.Outcome]string{assay.Left: "left", assay.Right: "right", assay.Tie: "tie", assay.BothBad: "both_bad", assay.Skip: "skip"}
}

func voteFormats() []voteFormat {
	whole := func(b Ballot) Ballot { b.Time = b.Time.UTC(); return b }
	return []voteFormat{
		{"csv", ownWords(), whole, func(w io.Writer, _ *voteFormat, ballots []Ballot) error { return WriteVotes(w, ballots) }},
		{"jsonl", ownWords(), whole, writeLines},
		{"arena", map[assay.Outcome]string{assay.Left: "model_a", assay.Right: "model_b", assay.Tie: "tie", assay.BothBad: "tie (bothbad)"}, func(b Ballot) Ballot {
			k := bare(b)
			k.Rater, k.Time = b.Rater, b.Time.UTC().Truncate(time.Microsecond)
			return k
		}, writeArena},
		{"evalica", map[assay.Outcome]string{assay.Left: "left", assay.Right: "right", assay.Tie: "tie"}, bare, writeTable},
		{"crowd-kit", map[assay.Outcome]string{assay.Left: "", assay.Right: ""}, func(b Ballot) Ballot {
			k := bare(b)
			k.Rater = b.Rater
			return k
		}, writeTable},
		{"pwcmp", map[assay.Outcome]string{assay.Left: "1", assay.Right: "0"}, func(b Ballot) Ballot {
			k := bare(b)
			k.Rater, k.Round = b.Rater, b.Round
			return k
		}, writeTable},
	}
}

// VoteFormats returns the names of the formats that [WriteVotesAs] writes.
func VoteFormats() []string {
	var names []string
	for _, f := range voteFormats() {
		names = append(names, f.name)
	}
	return names
}

// WriteVotesAs writes ballots in a format of [VoteFormats], so that [ReadVotes]
// reads the same back. csv and jsonl keep everything; arena (JSON lines) keeps
// rater and time in microseconds, crowd-kit the rater, pwcmp rater and round,
// evalica neither. What the format has no place for is left out, but for what
// would change the outcome: an outcome that it has no word for, such as a tie in
// pwcmp, a weight other than 1, or a name that would not read back, is an error
// wrapping [assay.ErrInvalid], and nothing is written.
func WriteVotesAs(w io.Writer, format string, ballots []Ballot) error {
	all := voteFormats()
	at := slices.IndexFunc(all, func(f voteFormat) bool { return f.name == format })
	if at < 0 {
		return fmt.Errorf("rank: vote format %q: want one of %s: %w", format, strings.Join(VoteFormats(), ", "), assay.ErrInvalid)
	}
	f := &all[at]
	for k, b := range ballots {
		if _, ok := f.words[b.Outcome]; !ok {
			return fmt.Errorf("ballot:%d: %s has no word for the outcome %q of %q against %q: %w", k+1, format, b.Outcome, b.Left, b.Right, assay.ErrInvalid)
		}
		if b.Weight == 0 {
			b.Weight = 1
		}
		if kept := f.keeps(b); kept.Weight != b.Weight {
			return fmt.Errorf("ballot:%d: %s has no place for the weight %g of %q against %q: %w", k+1, format, b.Weight, b.Left, b.Right, assay.ErrInvalid)
		}
	}
	var out bytes.Buffer
	if err := f.write(&out, f, ballots); err != nil {
		return err
	}
	if err := f.check(out.Bytes(), ballots); err != nil {
		return err
	}
	_, err := w.Write(out.Bytes())
	return err
}

// check reads what was written and compares.
func (f *voteFormat) check(text []byte, ballots []Ballot) error {
	if len(ballots) == 0 {
		return nil
	}
	back, doubts, err := ReadVotes(bytes.NewReader(text), "ballots")
	if err != nil {
		return err
	}
	for k, b := range ballots {
		if b.Weight == 0 {
			b.Weight = 1
		}
		if k >= len(back) || back[k] != f.keeps(b) {
			if len(doubts) > 0 {
				return fmt.Errorf("ballot:%d: %+v would not read back from %s: %w", k+1, b, f.name, doubts[0])
			}
			return fmt.Errorf("ballot:%d: %+v would not read back from %s: %w", k+1, b, f.name, assay.ErrInvalid)
		}
	}
	return nil
}

// writeTable writes the CSV formats of other programs.
func writeTable(w io.Writer, f *voteFormat, ballots []Ballot) error {
	cw := csv.NewWriter(w)
	header := []string{"left", "right", "winner"}
	row := func(b Ballot) []string { return []string{b.Left, b.Right, f.words[b.Outcome]} }
	switch f.name {
	case "crowd-kit":
		header = []string{"worker", "left", "right", "label"}
		row = func(b Ballot) []string {
			label := b.Left
			if b.Outcome == assay.Right {
				label = b.Right
			}
			return []string{b.Rater, b.Left, b.Right, label}
		}
	case "pwcmp":
		header = []string{"observer", "session", "scene", "condition_A", "condition_B", "is_A_selected"}
		row = func(b Ballot) []string {
			return []string{b.Rater, b.Round, "", b.Left, b.Right, f.words[b.Outcome]}
		}
	}
	if err := cw.Write(header); err != nil {
		return err
	}
	for _, b := range ballots {
		if err := cw.Write(row(b)); err != nil {
			return err
		}
	}
	cw.Flush()
	return cw.Error()
}

func writeArena(w io.Writer, f *voteFormat, ballots []Ballot) error {
	enc := json.NewEncoder(w)
	for _, b := range ballots {
		line := struct {
			A      string          `json:"model_a"`
			B      string          `json:"model_b"`
			Winner string          `json:"winner"`
			Judge  string          `json:"judge,omitempty"`
			Time   json.RawMessage `json:"tstamp,omitempty"`
		}{b.Left, b.Right, f.words[b.Outcome], b.Rater, nil}
		if !b.Time.IsZero() {
			line.Time = strconv.AppendFloat(nil, float64(b.Time.UnixMicro())/1e6, 'f', 6, 64)
		}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func writeLines(w io.Writer, _ *voteFormat, ballots []Ballot) error {
	enc := json.NewEncoder(w)
	for _, b := range ballots {
		line := struct {
			Left       string  `json:"left"`
			Right      string  `json:"right"`
			Winner     string  `json:"winner"`
			Weight     float64 `json:"weight,omitempty"`
			Rater      string  `json:"rater,omitempty"`
			Round      string  `json:"round,omitempty"`
			Time       string  `json:"time,omitempty"`
			Confidence string  `json:"confidence,omitempty"`
			Grade      string  `json:"grade,omitempty"`
		}{Left: b.Left, Right: b.Right, Winner: string(b.Outcome), Weight: b.Weight, Rater: b.Rater, Round: b.Round}
		line.Time, line.Confidence, line.Grade = jointColumns(b)
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

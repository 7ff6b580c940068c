package rank

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

// TestWriteVotesAs holds each format to its text, and to what it cannot say.
func TestWriteVotesAs(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)
	full := Ballot{Left: "x", Right: "1", Outcome: assay.Right, Weight: 1, Rater: "u", Round: "7", Time: at, Confidence: 2, Grade: 1}
	for format, want := range map[string]string{
		"csv":       "left,right,winner,weight,rater,round,time,confidence,grade\nx,1,right,1,u,7,2026-03-01T12:00:00.5Z,2,1\n",
		"jsonl":     `{"left":"x","right":"1","winner":"right","weight":1,"rater":"u","round":"7","time":"2026-03-01T12:00:00.5Z","confidence":"2","grade":"1"}` + "\n",
		"arena":     `{"model_a":"x","model_b":"1","winner":"model_b","judge":"u","tstamp":1772366400.500000}` + "\n",
		"evalica":   "left,right,winner\nx,1,right\n",
		"crowd-kit": "worker,left,right,label\nu,x,1,1\n",
		"pwcmp":     "observer,session,scene,condition_A,condition_B,is_A_selected\nu,7,,x,1,0\n",
	} {
		var out bytes.Buffer
		if err := WriteVotesAs(&out, format, []Ballot{full}); err != nil {
			t.Errorf("%s: %v", format, err)
		} else if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
	cannot := map[string][]assay.Outcome{"arena": {assay.Skip}, "evalica": {assay.Skip, assay.BothBad},
		"crowd-kit": {assay.Skip, assay.BothBad, assay.Tie}, "pwcmp": {assay.Skip, assay.BothBad, assay.Tie}}
	for _, format := range VoteFormats() {
		for _, o := range []assay.Outcome{assay.Left, assay.Right, assay.Tie, assay.BothBad, assay.Skip} {
			var out bytes.Buffer
			err := WriteVotesAs(&out, format, []Ballot{{Left: "a", Right: "b", Outcome: o}})
			if refused := slices.Contains(cannot[format], o); errors.Is(err, assay.ErrInvalid) != refused || refused != (out.Len() == 0) {
				t.Errorf("%s of %s: %v, wrote %q", format, o, err, out.String())
			}
		}
		err := WriteVotesAs(&bytes.Buffer{}, format, []Ballot{{Left: "a", Right: "b", Outcome: assay.Left, Weight: 2}})
		if (err == nil) != (format == "csv" || format == "jsonl") {
			t.Errorf("%s of weight 2: %v", format, err)
		}
	}
	if err := WriteVotesAs(&bytes.Buffer{}, "xml", nil); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("xml: %v", err)
	}
}

func TestReadPwcmp(t *testing.T) {
	in := "observer,session,scene,condition_A,condition_B,is_A_selected\nu,1,cat,0,1,1\nu,1,cat,0,1,0\nu,1,,0,1,0\nu,1,cat,0,1,2\nu,1,cat,0,1,\n"
	got, doubts, err := ReadVotes(strings.NewReader(in), "p.csv")
	if err != nil {
		t.Fatal(err)
	}
	b := Ballot{Left: "cat/0", Right: "cat/1", Outcome: assay.Left, Weight: 1, Rater: "u", Round: "1"}
	c, d := b, b
	c.Outcome = assay.Right
	d.Left, d.Right, d.Outcome = "0", "1", assay.Right
	if diff := cmp.Diff([]Ballot{b, c, d}, got); diff != "" {
		t.Errorf("ballots (-want +got):\n%s", diff)
	}
	if len(doubts) != 2 || !strings.Contains(doubts[0].Error(), `p.csv:5: is_A_selected "2": want 1 or 0`) {
		t.Errorf("doubts %q", doubts)
	}
	other, doubts, err := ReadVotes(strings.NewReader("left,right,winner,scene,round,session\na,b,left,cat,3,4\n"), "o.csv")
	if want := (Ballot{Left: "a", Right: "b", Outcome: assay.Left, Weight: 1, Round: "3"}); err != nil || len(doubts) != 2 || len(other) != 1 || other[0] != want {
		t.Errorf("scene and session outside pwcmp: %+v, %q, %v", other, doubts, err)
	}
	if _, _, err := ReadVotes(strings.NewReader("left,right,winner,is_A_selected\n"), "p.csv"); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("two columns of outcomes: %v", err)
	}
}

// FuzzWriteVotesAs: what a format writes reads back as what it has a place for,
// and what is refused wraps ErrInvalid and writes nothing.
func FuzzWriteVotesAs(f *testing.F) {
	f.Add([]byte("left,right,winner,rater,time\na,b,left,u,2026-03-01\nb,c,right,,1e9\n"))
	f.Add([]byte("observer,session,scene,condition_A,condition_B,is_A_selected\nu,1,s,0,1,1\n"))
	f.Add([]byte("{\"left\":\"left\",\"right\":\"tie\",\"winner\":\"left\"}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ballots, _, err := ReadVotes(bytes.NewReader(data), "fuzz")
		if err != nil {
			return
		}
		for _, format := range voteFormats() {
			var out bytes.Buffer
			if err := WriteVotesAs(&out, format.name, ballots); err != nil {
				if !errors.Is(err, assay.ErrInvalid) || out.Len() > 0 {
					t.Fatalf("%s: %v, wrote %q", format.name, err, out.String())
				}
				continue
			}
			if len(ballots) == 0 {
				continue
			}
			back, doubts, err := ReadVotes(&out, "again")
			if err != nil || len(doubts) > 0 || len(back) != len(ballots) {
				t.Fatalf("%s: %d of %d ballots, %v, %v", format.name, len(back), len(ballots), doubts, err)
			}
		}
	})
}

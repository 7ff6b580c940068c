package rank

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

// A voteFile is a file and what it should read as.
type voteFile struct {
	in     string
	want   []Ballot
	doubts []string // parts of the messages, in order
}

// goodFiles hold rows that read.
func goodFiles() map[string]voteFile {
	return map[string]voteFile{
		"evalica": {
			"left,right,winner\npizza,sushi,left\nburger,pasta,right\npizza,pasta,tie\n",
			[]Ballot{{Left: "pizza", Right: "sushi", Outcome: assay.Left, Weight: 1}, {Left: "burger", Right: "pasta", Outcome: assay.Right, Weight: 1}, {Left: "pizza", Right: "pasta", Outcome: assay.Tie, Weight: 1}},
			nil,
		},
		"arena": {
			"model_a,model_b,winner,judge,turn\nx,y,model_a,u1,1\nx,y,model_b,u2,1\nx,y,tie (bothbad),u3,2\n",
			[]Ballot{{Left: "x", Right: "y", Outcome: assay.Left, Weight: 1, Rater: "u1"}, {Left: "x", Right: "y", Outcome: assay.Right, Weight: 1, Rater: "u2"}, {Left: "x", Right: "y", Outcome: assay.BothBad, Weight: 1, Rater: "u3"}},
			[]string{`column "turn" is not known`},
		},
		"crowd-kit": {
			"worker,left,right,label\nw,x,y,y\n",
			[]Ballot{{Left: "x", Right: "y", Outcome: assay.Right, Weight: 1, Rater: "w"}}, nil,
		},
		"ours, in any order and case": {
			"\xef\xbb\xbf\r\nRound, Winner ,RIGHT,Left,weight,rater\r\n7,both_bad,\"b, the \"\"second\"\"\",a,0.5,me\r\n\r\n,skip,b,a,,\r\n,b,b,a,2,\r\n",
			[]Ballot{{Left: "a", Right: `b, the "second"`, Outcome: assay.BothBad, Weight: .5, Rater: "me", Round: "7"}, {Left: "a", Right: "b", Outcome: assay.Skip, Weight: 1}, {Left: "a", Right: "b", Outcome: assay.Right, Weight: 2}},
			nil,
		},
		"json lines": {
			"{\"left\":\"a\",\"right\":\"b\",\"winner\":\"left\",\"weight\":2}\n\n{\"Model_A\":1,\"model_b\":2,\"winner\":\"2\",\"extra\":[1],\"rater\":null}\n",
			[]Ballot{{Left: "a", Right: "b", Outcome: assay.Left, Weight: 2}, {Left: "1", Right: "2", Outcome: assay.Right, Weight: 1}},
			[]string{`column "extra" is not known`},
		},
		"header alone": {"left,right,winner\n", nil, nil},
	}
}

// badFiles hold rows that are left out.
func badFiles() map[string]voteFile {
	return map[string]voteFile{
		"bad rows": {
			"left,right,winner,weight\na,b,left,1\na,b,middle,1\na,a,left,1\na,,left,1\na,b\na,b,left,heavy\na,b,left,-1\na,b,left,inf\n\"a,b,right,1\n",
			[]Ballot{{Left: "a", Right: "b", Outcome: assay.Left, Weight: 1}},
			[]string{
				`votes.csv:3: winner "middle": want left, right, tie, both_bad, skip, "a" or "b"`, `votes.csv:4: "a" is compared with itself`,
				`votes.csv:5: left "a" against right ""`, `votes.csv:6: 2 values for 4 columns`, `votes.csv:7: weight "heavy"`,
				`votes.csv:8: weight "-1"`, `votes.csv:9: weight "inf"`, `votes.csv:10: `,
			},
		},
		"ambiguous winner": {
			"left,right,winner\nright,x,right\nleft,x,left\nx,tie,tie\n",
			[]Ballot{{Left: "left", Right: "x", Outcome: assay.Left, Weight: 1}},
			[]string{`votes.csv:2: winner "right" is both`, `votes.csv:4: winner "tie" is both`},
		},
		"bad lines": {
			"{\"left\":\"a\",\"right\":\"b\",\"winner\":\"tie\"}\n{\"left\":\"a\"}\nnonsense\n{\"left\":\"a\",\"model_a\":\"b\",\"right\":\"c\",\"winner\":\"tie\"}\n{\"left\":{},\"right\":\"c\",\"winner\":\"tie\"}\n{\"left\":\"a\\u0001\",\"right\":\"c\",\"winner\":\"tie\"}\n",
			[]Ballot{{Left: "a", Right: "b", Outcome: assay.Tie, Weight: 1}},
			[]string{
				`votes.csv:2: key "right" is missing`, `votes.csv:3: not a JSON object`, `votes.csv:4: keys "left" and "model_a" mean the same`,
				`votes.csv:5: key "left" holds {}`, `votes.csv:6: value "a\x01" holds a control character`,
			},
		},
	}
}

func TestReadVotes(t *testing.T) {
	files := goodFiles()
	maps.Copy(files, badFiles())
	for name, c := range files {
		t.Run(name, func(t *testing.T) {
			// One byte at a time, to catch what depends on buffers.
			got, doubts, err := ReadVotes(iotest.OneByteReader(strings.NewReader(c.in)), "votes.csv")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("ballots (-want +got):\n%s", diff)
			}
			if len(doubts) != len(c.doubts) {
				t.Fatalf("doubts %q, want %d", doubts, len(c.doubts))
			}
			for i, d := range doubts {
				if !strings.Contains(d.Error(), c.doubts[i]) {
					t.Errorf("doubt %d is %q, want %q in it", i, d, c.doubts[i])
				}
				var row *RowError
				if errors.As(d, &row) != strings.HasPrefix(c.doubts[i], "votes.csv:") {
					t.Errorf("%q is of the wrong kind", d)
				}
			}
		})
	}
}

func TestReadVotesGivesUp(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"empty":      {"", "the file is empty"},
		"blank":      {"\n \n", "the file is empty"},
		"no winner":  {"\nleft,right\na,b\n", `votes.csv:2: the header "left,right" has no column "winner"`},
		"no header":  {"a,b,left\n", "has no column"},
		"twice":      {"left,right,winner,model_a\n", `columns "left" and "model_a" mean the same`},
		"bad header": {"left,\"right\n", "votes.csv:1: header"},
		"long line":  {"{\"left\":\"" + strings.Repeat("a", 2<<20) + "\"}\n", "longer than"},
	} {
		_, _, err := ReadVotes(strings.NewReader(c.in), "votes.csv")
		if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for _, start := range []string{"", "left,right,winner\n", "{}\n"} {
		_, _, err := ReadVotes(io.MultiReader(strings.NewReader(start), iotest.ErrReader(io.ErrClosedPipe)), "votes.csv")
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a reader that fails after %q: %v", start, err)
		}
	}
}

func TestWriteVotesRefuses(t *testing.T) {
	for _, b := range []Ballot{
		{Left: "a", Right: "b", Outcome: "maybe"}, {Left: "left", Right: "right", Outcome: assay.Tie, Weight: -1},
		{Left: " a", Right: "b", Outcome: assay.Tie}, {Left: "a\n", Right: "b", Outcome: assay.Tie}, {Left: "a", Right: "a", Outcome: assay.Tie},
		{Left: "right", Right: "b", Outcome: assay.Right}, {Left: "a", Right: "b", Outcome: "a"},
	} {
		if err := WriteVotes(io.Discard, []Ballot{b}); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%+v: %v, want an error wrapping ErrInvalid", b, err)
		}
	}
}

// FuzzReadVotes: whatever is read can be written, reads back equal without a
// doubt, and makes a table whose votes the model accepts.
func FuzzReadVotes(f *testing.F) {
	for _, s := range []string{
		"left,right,winner\na,b,left\nb,c,tie\nc,a,both_bad\n", "model_a,model_b,winner,judge\nx,y,tie (bothbad),u\n",
		"\xef\xbb\xbfleft,right,winner,weight,rater,round\r\n\"a,1\",\"b\"\"\",skip,1e-3,r,2\r\n", "{\"left\":\"a\",\"right\":1,\"winner\":\"a\"}\n",
		"left,right,winner\nleft,bar,left\nbar,x,both_bad\n\"\n", "worker,left,right,label\n1,2,3,2\n", "{\"left\":\"\\u2028\",\"right\":\"b\",\"winner\":\"tie\",\"weight\":\"7\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ballots, doubts, err := ReadVotes(bytes.NewReader(data), "fuzz")
		if err != nil {
			if ballots != nil || doubts != nil {
				t.Fatal("an error came with an answer")
			}
			return
		}
		for _, d := range doubts {
			if !strings.HasPrefix(d.Error(), "fuzz:") {
				t.Fatalf("doubt %q does not name the file", d)
			}
		}
		var out bytes.Buffer
		if err := WriteVotes(&out, ballots); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, doubts, err := ReadVotes(&out, "again")
		if err != nil || len(doubts) > 0 {
			t.Fatalf("what was written does not read: %v, %v", doubts, err)
		}
		if diff := cmp.Diff(ballots, again); diff != "" {
			t.Fatalf("read (-) and read again (+) differ:\n%s", diff)
		}
		var table Table
		for _, b := range ballots {
			if err := table.Add(b); err != nil && (b.Outcome != assay.BothBad || b.Left != BarID && b.Right != BarID) {
				t.Fatalf("ballot %+v: %v", b, err)
			}
		}
		for k, v := range table.Votes() {
			if err := checkVote(k, len(table.IDs()), &v); err != nil {
				t.Fatal(err)
			}
		}
	})
}

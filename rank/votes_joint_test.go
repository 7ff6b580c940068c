package rank

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
)

func TestReadVotesWithRaters(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	text := "left,right,winner,rater,time,confidence,grade\n" +
		"a,b,left,me,2026-03-01T12:00:00Z,high,-2\n" +
		"a,b,right,you,1772366400,0.5,\n" +
		"a,b,tie,you,2026-03-01 12:00:00,low,0\n" +
		"a,b,left,me,yesterday,,\na,b,left,me,,sure,\na,b,left,me,,-1,\na,b,left,me,,,2\na,b,tie,me,,,1\na,b,left,me,,,9\na,b,left,me,1e300,,\n"
	ballots, doubts, err := ReadVotes(strings.NewReader(text), "votes.csv")
	if err != nil {
		t.Fatal(err)
	}
	want := []Ballot{
		{Left: "a", Right: "b", Outcome: assay.Left, Weight: 1, Rater: "me", Time: at, Confidence: 2, Grade: -2},
		{Left: "a", Right: "b", Outcome: assay.Right, Weight: 1, Rater: "you", Time: at, Confidence: 0.5},
		{Left: "a", Right: "b", Outcome: assay.Tie, Weight: 1, Rater: "you", Time: at, Confidence: 0.5},
	}
	if !slices.Equal(ballots, want) {
		t.Errorf("read %+v\nwant %+v", ballots, want)
	}
	for k, part := range []string{`time "yesterday"`, `confidence "sure"`, `confidence "-1"`, "grade 2 does not go with winner left", "grade 1 does not go with winner tie", `grade "9"`, `time "1e300"`} {
		if k >= len(doubts) || !strings.Contains(doubts[k].Error(), part) {
			t.Fatalf("doubts %v; want %q", doubts, part)
		}
	}
	var out bytes.Buffer
	if err := WriteVotes(&out, ballots); err != nil {
		t.Fatal(err)
	}
	if again, doubts, err := ReadVotes(&out, "again"); err != nil || len(doubts) > 0 || !slices.Equal(again, want) {
		t.Errorf("written and read: %+v, %v, %v", again, doubts, err)
	}
	table, err := NewTable(ballots)
	if err != nil || !table.NeedsJoint() || !slices.Equal(table.Raters(), []string{"me", "you"}) {
		t.Fatalf("raters %v, %v", table.Raters(), err)
	}
	var weights []float64
	for _, v := range table.JointVotes() {
		weights = append(weights, v.Weight)
	}
	for k, w := range []float64{2, 0.5, 0.5} { // of mean 1
		if math.Abs(weights[k]-w) > 1e-12 {
			t.Errorf("weights %v", weights)
		}
	}
	for _, b := range []Ballot{{Left: "a", Right: "b", Outcome: assay.Left, Grade: 1}, {Left: "a", Right: "b", Outcome: assay.Skip, Grade: 3, Confidence: 1}, {Left: "a", Right: "b", Outcome: assay.Tie, Confidence: math.NaN()}} {
		if err := new(Table).Add(b); b.Outcome != assay.Skip && !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%+v: %v", b, err)
		}
	}
}

func TestEstimateJointRefuses(t *testing.T) {
	vote := JointVote{Vote: Vote{Left: 0, Right: 1, Outcome: assay.Left}}
	for name, try := range map[string]func() error{
		"an unknown rater": func() error {
			v := vote
			v.Rater = 1
			_, err := EstimateJoint(t.Context(), 2, 1, []JointVote{v}, nil, JointOptions{})
			return err
		},
		"no prior": func() error {
			_, err := EstimateJoint(t.Context(), 2, 1, []JointVote{vote}, nil, JointOptions{Prior: NoPrior})
			return err
		},
		"an order with an item twice": func() error {
			_, err := EstimateJoint(t.Context(), 2, 1, nil, []Order{{Items: []int{0, 0}}}, JointOptions{})
			return err
		},
		"a half-life that is none": func() error {
			_, err := EstimateJoint(t.Context(), 2, 1, []JointVote{vote}, nil, JointOptions{HalfLife: math.NaN()})
			return err
		},
	} {
		if err := try(); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

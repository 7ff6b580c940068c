package series

import (
	"context"
	"time"

	"github.com/gen-emerge/assay/gate"
)

// The kinds of evaluators in a [TrustTable].
const (
	TrustPerson     = "person"     // the creator, against themselves
	TrustInstrument = "instrument" // by its readings of the two images of a pair
	TrustQuestion   = "question"   // by one judge's answers about the two images of a pair
	TrustJudge      = "judge"      // by its comparisons of the same pairs
)

// A TrustTable says of everything that evaluates images in a series how often
// it agrees with one person, and what it may decide. It is computed from that
// person's standing judgments; nothing in it is a score of an image.
type TrustTable struct {
	Series    string        `json:"series"`
	Rater     string        `json:"rater"`
	Judgments int           `json:"judgments"` // of the rater that stand and name a better side
	Rows      []TrustRow    `json:"rows"`      // the person first, then judges, questions and instruments
	Streams   []DriftStream `json:"streams"`   // what is watched for drift
	Orders    []OrderRow    `json:"orders"`    // what the rater's ranking rounds say of instruments; empty before there are any
	Verdict   string        `json:"verdict"`   // what moved (taste, judge, generator), or that nothing is seen to have moved, for people
	// Effective is how many independent judges those at hand are worth,
	// n/(1+(n−1)ρ) with the mean correlation ρ of their errors; 0 with fewer
	// than two.
	Effective float64 `json:"effective,omitempty"`
}

// A TrustRow is one evaluator. Agreement is the share of the rater's decided
// pairs that go the evaluator's way, 0.5 being a coin; those that the evaluator
// leaves undecided are not counted.
type TrustRow struct {
	Kind      string     `json:"kind"`
	Name      string     `json:"name"`                // of the instrument, question or judge; "yourself" of a person
	Version   string     `json:"version,omitempty"`   // checkpoint, version of the question, model
	Measure   string     `json:"measure"`             // what Agreement counts, for people
	Agreement *float64   `json:"agreement,omitempty"` // nil: not measured, Reason says why
	Low       float64    `json:"low,omitempty"`       // 95 % Wilson interval of Agreement
	High      float64    `json:"high,omitempty"`
	Agreed    int        `json:"agreed"`            // pairs that went its way
	N         int        `json:"n"`                 // pairs that it decided
	Last      time.Time  `json:"last,omitzero"`     // the newest judgment that this rests on, or the last calibration
	Decides   []string   `json:"decides"`           // what it may decide, for people; empty: nothing
	Reason    string     `json:"reason"`            // why it may not decide more, or what was doubtful; may be empty
	Drifted   bool       `json:"drifted"`           // an alarm of its stream stands
	Answers   *AnswerRow `json:"answers,omitempty"` // of a question: against the person's own answers
}

// An OrderRow says how an instrument orders the images of the rater's ranking
// rounds: Kendall's τ_b of all rounds together. A single round of ten images tells
// a strong relation from none, and no more.
type OrderRow struct {
	Name   string   `json:"name"`           // of the instrument
	Tau    *float64 `json:"tau,omitempty"`  // −1 to 1, 1 being the rater's own order; nil: not measured
	Low    float64  `json:"low,omitempty"`  // 95 % interval over rounds
	High   float64  `json:"high,omitempty"` //
	Rounds int      `json:"rounds"`         // with readings of at least three of their images
	Pairs  int      `json:"pairs"`          // that both put in order
	Reason string   `json:"reason"`         // why it is not measured, or doubts
}

// An AnswerRow holds one judge's answers to a question against the person's own
// about the same images.
type AnswerRow struct {
	N           int         `json:"n"`
	Sensitivity *gate.Share `json:"sensitivity,omitempty"` // of the person's yes, how many it said yes to
	Specificity *gate.Share `json:"specificity,omitempty"` // of the person's no
	AC1         float64     `json:"ac1"`                   // Gwet's agreement beyond chance
}

// A DriftStream is one sequence of observations with its detector.
type DriftStream struct {
	Name     string    `json:"name"`     // "your own repeats", "judge NAME against you", "audits of GATE", "embeddings (TOWER)"
	About    string    `json:"about"`    // what an alarm would mean: "taste", "judge", "gate" or "generator"
	Detector string    `json:"detector"` // with its settings, for people
	N        int       `json:"n"`        // observations so far
	Watching bool      `json:"watching"` // false: too little is known to begin
	Value    float64   `json:"value"`    // of the detector now
	Limit    float64   `json:"limit"`    // at which it raises an alarm
	Alarm    bool      `json:"alarm"`
	Since    time.Time `json:"since,omitzero"` // when the change is estimated to have begun
	Reason   string    `json:"reason"`         // a sentence for people: what is seen, or what is missing

	evaluator string // kind and name of the row that an alarm is about
}

// TrustTable computes the table for one rater. A series without judgments gives
// a table whose rows say so; that is no error.
func (s *Series) TrustTable(ctx context.Context, rater string) (*TrustTable, error) {
	t, err := s.trusting(ctx, rater)
	if err != nil {
		return nil, err
	}
	table := &TrustTable{Series: s.name, Rater: rater, Judgments: len(t.decided), Rows: []TrustRow{t.person()}}
	judges, effective := t.judges()
	table.Rows, table.Effective = append(table.Rows, judges...), effective
	table.Rows = append(table.Rows, t.questions()...)
	table.Rows = append(table.Rows, t.instruments()...)
	if table.Orders, err = t.orders(ctx); err != nil {
		return nil, err
	}
	if table.Streams, err = t.streams(ctx); err != nil {
		return nil, err
	}
	table.Verdict = moved(table.Streams)
	for _, stream := range table.Streams {
		for i := range table.Rows {
			if r := &table.Rows[i]; stream.Alarm && stream.evaluator == r.Kind+" "+r.Name {
				r.Drifted = true
			}
		}
	}
	return table, nil
}

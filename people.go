package assay

import "time"

// A PairKind says what a pair of a round was chosen for.
type PairKind string

// The kinds of pairs. A round mixes them; the reason of a [Pair] says it in
// words.
const (
	ArchivePair     PairKind = "archive"     // a challenger and the elite of its cell
	InformationPair PairKind = "information" // the pair the ranking learns most from
	JudgePair       PairKind = "judge"       // judges disagree with the model of this creator, or among themselves
	RandomPair      PairKind = "random"      // drawn at random: the unbiased anchor of everything else
	RepeatPair      PairKind = "repeat"      // asked before, with the sides swapped
	AuditPair       PairKind = "audit"       // one image was refused by a gate, and enters unmarked
)

// A MarkKind is how a person favours one image.
type MarkKind string

// The marks. Interesting is free; a rater has one breakthrough a series, which
// moves only when they say so.
const (
	Interesting  MarkKind = "interesting"
	Breakthrough MarkKind = "breakthrough"
)

// A Mark is one person's favour for one image: it beats the bar. It is never
// changed; it can be withdrawn, as a judgment can.
type Mark struct {
	ID        int64     `json:"id"`
	Series    string    `json:"series"`
	Image     Digest    `json:"image"`
	Rater     string    `json:"rater"`
	Kind      MarkKind  `json:"kind"`
	Round     int64     `json:"round,omitempty"` // the round it was given in; 0 if in none
	Withdrawn bool      `json:"withdrawn,omitempty"`
	Created   time.Time `json:"created,omitzero"`
}

// A Triplet asks which of three images is the odd one out. It is stored when it
// is asked, so that a reload asks the same, and again when it is answered.
type Triplet struct {
	ID         int64         `json:"id"`
	Series     string        `json:"series"`
	Rater      string        `json:"rater"`
	Images     [3]Digest     `json:"images"`               // in the order shown, all different
	Odd        int           `json:"odd"`                  // index in Images; −1: skipped. Meaningless until answered
	Propensity float64       `json:"propensity,omitempty"` // probability with which the three were chosen; 0 if unknown
	Latency    time.Duration `json:"latency_ns,omitempty"` // from showing to the click
	Asked      time.Time     `json:"asked,omitzero"`
	Answered   time.Time     `json:"answered,omitzero"` // zero until it is
}

// A Ranked is one image of a [Ranking], as it was shown.
type Ranked struct {
	Image      Digest  `json:"image"`
	Contested  bool    `json:"contested,omitempty"` // drawn from the contested cells; else uniformly from all images on the map
	Propensity float64 `json:"propensity"`          // probability with which it was drawn
}

// A Ranking asks one person to put some images, ten as a rule, in order. Like a
// triplet it is stored when it is asked, and again when it is answered.
type Ranking struct {
	ID       int64     `json:"id"`
	Series   string    `json:"series"`
	Rater    string    `json:"rater"`
	Shown    []Ranked  `json:"shown"`           // in the order shown: 3 to 20, all different
	Order    []Digest  `json:"order,omitempty"` // best first; empty until answered
	Asked    time.Time `json:"asked,omitzero"`
	Answered time.Time `json:"answered,omitzero"`
}

package taste

import (
	"time"

	"github.com/gen-emerge/assay"
)

// The kinds of [Direction].
const (
	OfDescriptor = "descriptor" // an instrument's reading
	OfQuestion   = "question"   // the probability of yes to one question, or a dimension's share of good answers
	OfEmbedding  = "embedding"  // the gradient of the personal reward in an embedding
)

// Where a [Direction] points.
const (
	More      = "more"
	Less      = "less"
	Undecided = "undecided" // cannot be told from no preference
)

// A Compass says where one creator's taste points, from their standing
// judgments alone. It is a conclusion, never stored. It holds no score of an
// image.
type Compass struct {
	Series     string      `json:"series"`
	Rater      string      `json:"rater"`
	Evidence   Evidence    `json:"evidence"`
	Directions []Direction `json:"directions"` // decided ones first, then by |Effect| over its error
	Reward     Check       `json:"reward"`     // of the personal reward, which the direction in the embedding stands on
	Reason     string      `json:"reason"`     // a sentence for people: what the compass is worth, or why it points nowhere
	Changed    []string    `json:"changed"`    // sentences for people: what the last round changed; empty if nothing
}

// Evidence is what a compass rests on, and its age.
type Evidence struct {
	Judgments int       `json:"judgments"`         // of the rater that stand and say something
	Decided   int       `json:"decided"`           // of these, that name a better side
	Rounds    int       `json:"rounds"`            // that they were given in
	Oldest    time.Time `json:"oldest,omitzero"`   // judgment
	Median    time.Time `json:"median,omitzero"`   // half of the judgments are younger
	Newest    time.Time `json:"newest,omitzero"`   // judgment
	ImagesNew int64     `json:"images_new"`        // images that entered the series after the newest judgment
	AgeDays   float64   `json:"age_days"`          // of the median judgment when the compass was computed; 0 without judgments
	Previous  time.Time `json:"previous,omitzero"` // newest judgment before the last round, that Before stands on; zero if there is none
}

// A Direction is one way in which images differ, and what this creator makes of
// it. Effect is in log-odds of being preferred for one standard deviation more
// of it over the judged images, all else left as it happens to be; 1 is a
// preference of 73 %. Toward is decided against 0 with all directions of the
// compass together at 5 % (Holm), so that many directions do not make chance
// look like taste; Low and High are the direction's own 95 % interval. The
// direction in the embedding is there only if the personal reward was accepted,
// and its effect is that on pairs which the reward had not seen.
type Direction struct {
	Kind    string  `json:"kind"`
	Name    string  `json:"name"`              // of the instrument; "answer:QUESTION", "checklist:DIMENSION"; of the embedding's instrument
	Doc     string  `json:"doc"`               // what it is, for people
	Effect  float64 `json:"effect"`            // log-odds for one Unit more
	Low     float64 `json:"low"`               // 95 % interval of Effect
	High    float64 `json:"high"`              //
	Unit    float64 `json:"unit"`              // one standard deviation, in the direction's own unit
	N       int     `json:"n"`                 // judgments whose two images both have a value
	Toward  string  `json:"toward"`            // "more", "less" or "undecided"
	Before  *Past   `json:"before,omitempty"`  // as it was before the last round; nil if it was not known
	Changed bool    `json:"changed,omitempty"` // the last round moved it by more than chance moves it (5 %)

	Preferred []Exemplar `json:"preferred"` // judged images farthest on the side that Effect points to, farthest first
	Avoided   []Exemplar `json:"avoided"`   // on the other side

	// Vector is the direction in the embedding, of length 1, for generators that
	// can steer by it; Identity says whose coordinates these are. Only of an
	// [OfEmbedding].
	Vector   []float64       `json:"vector,omitempty"`
	Identity *assay.Identity `json:"identity,omitempty"`
}

// A Past is a direction as it was before the last round, in the unit of now.
type Past struct {
	Effect float64 `json:"effect"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	N      int     `json:"n"`
	Toward string  `json:"toward"`
}

// An Exemplar is an image that shows one side of a direction.
type Exemplar struct {
	Image assay.Digest `json:"image"`
	Value float64      `json:"value"` // along the direction, in its own unit
}

package judgetest

import "encoding/json"

// A Query is what a request asks, the same for every wire format.
type Query struct {
	API       string // "openai", "anthropic", "google"
	Model     string
	System    string
	Texts     []string // of the user's turn, in order
	Pictures  []Seen   // in order; in a comparison by a montage (two pictures side by side on mid-grey) the two
	Question  string   // what is asked: the last text up to its last question mark, from the last line that begins with "Question:", or else from the start of the line; one question of a list where Part is not empty; empty if nothing is asked
	Part      string   // id of the question in a list of questions; empty if it stands alone
	Kind      Kind
	Schema    json.RawMessage // nil if plain text is wanted, and in a part of a list; made from the example if the text demands JSON by one
	MaxTokens int             // 0 if not set
	Key       string          // Idempotency-Key, or a digest of the request
	Seed      uint64          // of the server, for [Draw]

	greedy bool // the temperature is 0: the most probable word is said
}

// Kind is the kind of answer that a request demands, read from its last text.
type Kind string

// The kinds.
const (
	YesNo   Kind = "yes/no"     // a choice "yes, no ..." or "yes or no" is offered
	Better  Kind = "comparison" // a choice "first, second ..." is offered, and there are pictures
	Score   Kind = "score"      // a scale "1 to 10" is offered
	JSON    Kind = "json"       // there is a JSON Schema, or the text demands JSON
	Writing Kind = "writing"    // anything else
	Any     Kind = "any"        // of a [Rule]: all of them
)

// Text is the last text.
func (q Query) Text() string {
	if len(q.Texts) == 0 {
		return ""
	}
	return q.Texts[len(q.Texts)-1]
}

// Name is the name of the i-th picture, or empty if there is none or it is not known.
func (q Query) Name(i int) string {
	if i < 0 || i >= len(q.Pictures) {
		return ""
	}
	return q.Pictures[i].Name
}

// Seen is a picture as the server sees it.
type Seen struct {
	Name     string  // of the registered picture it shows; empty if there is none
	Distance float64 // from it: root of the mean square of the differences of 16 by 16 means, in levels of 255
	Altered  string  // how it differs from it: "blurred", "blocky", "noisy", "channels swapped", "shuffled", "mirrored"; empty if it does not
	Painted  string  // the instruction painted into it, see [Server.Paint]; empty if there is none
	Format   string  // "png", "jpeg", ...
	Facts

	look   *look
	damage float64 // size of the alteration, in levels
	halves []Seen  // what stands side by side in it, if it is a montage; else nil
}

// Facts are measured on the pixels of a picture.
type Facts struct {
	Width, Height int
	Plain         bool    // one colour all over
	Grey          bool    // no visible colour
	Dark, Bright  bool    // nearly black, nearly white all over
	MeanLuma      float64 // 0 to 255
	Sharpness     float64 // mean absolute difference of neighbours in luma, in levels
	Blockiness    float64 // such differences on the 8-pixel grid over those off it; 1 is none
}

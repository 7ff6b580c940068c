package assay

import (
	"encoding/json"
	"time"
)

// A Judge is a vision-language model as it is asked, or a person. Two answers
// may be compared only when their judges are equal.
type Judge struct {
	Name     string `json:"name"`               // the user's name for it; a person's name
	API      string `json:"api,omitempty"`      // wire format: "openai", "anthropic", "google"; empty for a person
	Endpoint string `json:"endpoint,omitempty"` // base URL, without credentials
	Model    string `json:"model,omitempty"`    // as the server calls it
	Family   string `json:"family,omitempty"`   // of the model's makers, "qwen", "openai", ...; empty if unknown
	Protocol int    `json:"protocol,omitempty"` // version of how it is asked; raised when the same question would be put otherwise
}

// IsPerson reports whether j is a person.
func (j Judge) IsPerson() bool { return j.API == "" }

// Source names j as [Judgment.Source] does.
func (j Judge) Source() string {
	if j.IsPerson() {
		return "human"
	}
	return "vlm:" + j.Model
}

// A Method says how a judge's probability was read.
type Method string

// The methods. They are never mixed in one comparison.
const (
	ByLogProbs Method = "logprobs" // from the server's distribution over the answer's first word
	BySamples  Method = "samples"  // from repeated answers
	ByWord     Method = "word"     // a person's yes or no
)

// A Belief is a judge's probability of yes and how it was obtained, or why
// there is none. The zero Belief says nothing.
type Belief struct {
	P         float64 // of yes rather than no, in [0,1]; meaningless if Abstained is set
	Low, High float64 // bounds of P: what a cut-off list of probabilities leaves open, or the 95 % interval of samples
	Method    Method
	Coverage  float64 // share of the answers' distribution, or of the samples, that said yes or no, in [0,1]
	Samples   int     // answers drawn; 0 if read from probabilities
	Yes       int     // of these said yes
	Abstained string  // why there is no P: "cannot tell", "refused: ...", "no answer: ..."; empty if there is one
}

// Known reports whether b has a probability.
func (b Belief) Known() bool { return b.Method != "" && b.Abstained == "" }

type beliefJSON struct {
	P         *float64 `json:"p"`
	Low       *float64 `json:"low"`
	High      *float64 `json:"high"`
	Method    Method   `json:"method,omitempty"`
	Coverage  float64  `json:"coverage,omitempty"`
	Samples   int      `json:"samples,omitempty"`
	Yes       int      `json:"yes,omitempty"`
	Abstained string   `json:"abstained,omitempty"`
}

// MarshalJSON writes null for what was not answered: no number ever stands for it.
func (b Belief) MarshalJSON() ([]byte, error) {
	out := beliefJSON{Method: b.Method, Coverage: b.Coverage, Samples: b.Samples, Yes: b.Yes, Abstained: b.Abstained}
	if b.Known() {
		out.P, out.Low, out.High = &b.P, &b.Low, &b.High
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what [Belief.MarshalJSON] writes.
func (b *Belief) UnmarshalJSON(text []byte) error {
	var in beliefJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*b = Belief{Method: in.Method, Coverage: in.Coverage, Samples: in.Samples, Yes: in.Yes, Abstained: in.Abstained}
	if in.P != nil && in.Low != nil && in.High != nil {
		b.P, b.Low, b.High = *in.P, *in.Low, *in.High
	}
	return nil
}

// A Polarity says which answer to a question speaks for the picture.
type Polarity string

// The polarities. A question of neither asks what there is, not how good it is.
const (
	YesIsGood Polarity = "yes"
	NoIsGood  Polarity = "no"
	Neither   Polarity = ""
)

// A Question is one versioned yes/no question about a picture. Version is a
// digest of what is asked, so that a changed text is another question, which
// inherits no trust.
type Question struct {
	ID        string   `json:"id"`                // "composition.subject"; unique in its set
	Version   string   `json:"version"`           // first 12 hex digits of the SHA-256 of what is asked
	Dimension string   `json:"dimension"`         // "alignment", "composition", "detail", "originality", "safety", "control", ...
	Text      string   `json:"text"`              // ends with a question mark
	Good      Polarity `json:"good"`              // the answer that speaks for the picture
	Kind      string   `json:"kind"`              // "floor", "plain", "superlative", "presence", "control"
	Scope     string   `json:"scope"`             // "image"; "prompt" (asked with the prompt); "style" (asked with other images of the series)
	Needs     []string `json:"needs,omitempty"`   // ids of questions that must be answered yes before this one makes sense
	TwinOf    string   `json:"twin_of,omitempty"` // id of the question that this one negates
	Expect    string   `json:"expect,omitempty"`  // "yes" or "no": the known answer of a control; empty otherwise
}

// An Answer is what one judge said to one question about one image. Answers are
// appended, never changed.
type Answer struct {
	ID       int64     `json:"id,omitempty"`
	Series   string    `json:"series"`
	Image    Digest    `json:"image"`
	Text     Digest    `json:"text,omitzero"` // of the prompt that was shown with the image; zero if none was
	Judge    Judge     `json:"judge"`
	Question Question  `json:"question"`
	Belief   Belief    `json:"belief"`
	Repeat   int       `json:"repeat,omitempty"` // 0: the answer; 1, 2, ...: asked again to see whether it holds
	Void     string    `json:"void,omitempty"`   // why this answer does not count: a control on the same image failed, ...
	Created  time.Time `json:"created,omitzero"`
}

// A Comparison is one judge's comparison of two images, made in both orders.
// FirstOrder is P(A is better) when A was shown first, SecondOrder P(A is
// better) when B was; P is their mean.
type Comparison struct {
	ID          int64     `json:"id,omitempty"`
	Series      string    `json:"series"`
	Judge       Judge     `json:"judge"`
	A           Digest    `json:"a"`
	B           Digest    `json:"b"`
	Criterion   string    `json:"criterion"` // what "better" was said to mean: its name and version
	FirstOrder  Belief    `json:"first_order"`
	SecondOrder Belief    `json:"second_order"`
	P           float64   `json:"p"`                  // of A being better, in [0,1]; 0.5 if neither order was answered
	Margin      float64   `json:"margin"`             // how far from 1/2 P had to be to decide
	Outcome     Outcome   `json:"outcome"`            // [Left]: A; [Right]: B; [Tie]; [Skip] if the judge abstained
	Reason      string    `json:"reason"`             // why the pair was compared, or why the outcome does not count, for people
	Flags       []string  `json:"flags,omitempty"`    // "same family as the generator of A", ...
	Judgment    int64     `json:"judgment,omitempty"` // the judgment this gave; 0 if none
	Created     time.Time `json:"created,omitzero"`
}

// A Note is what a judge wrote or what an examination found, kept as it is. The
// kinds are "summary", "critique", "reconstruction", "alignment" (the questions
// made from a prompt), "visionreward" and "audit".
type Note struct {
	ID      int64           `json:"id,omitempty"`
	Series  string          `json:"series"`
	Image   Digest          `json:"image,omitzero"` // zero if the note is not about one image
	Judge   Judge           `json:"judge"`
	Kind    string          `json:"kind"`
	Body    json.RawMessage `json:"body"`
	Created time.Time       `json:"created,omitzero"`
}

// A Trust is what an examination found of a judge, and so what the judge may
// decide. The newest one of a judge rules.
type Trust struct {
	Judge    Judge             `json:"judge"`
	Fit      bool              `json:"fit"`             // whether it may decide anything
	Reasons  []string          `json:"reasons"`         // sentences: why not, or what was doubtful
	Accuracy float64           `json:"accuracy"`        // probability that a comparison it decides goes as this creator would decide; 0 if unknown
	Low      float64           `json:"low"`             // 95 % interval of Accuracy
	High     float64           `json:"high"`            //
	Pairs    int               `json:"pairs"`           // comparisons that Accuracy rests on
	Source   string            `json:"source"`          // "people"; or "controls", pairs whose better side is known: then Accuracy is capped at 0.75, one click of a person
	Unfit    map[string]string `json:"unfit,omitempty"` // questions that decide nothing, "id@version", and why
	Created  time.Time         `json:"created,omitzero"`
}

// A Call is one request to a model, entered before it is sent. Its key is a
// digest of the whole request and of whom it was put to.
type Call struct {
	Key        Digest    `json:"key"`
	Judge      Judge     `json:"judge"`
	MostTokens int64     `json:"most_tokens,omitempty"` // that it can take at worst, sent and received
	MostCost   float64   `json:"most_cost,omitempty"`   // that it can cost at worst
	Begun      time.Time `json:"begun,omitzero"`
}

// A CallEnd is what became of a call. A call with no end is in doubt: it was
// sent and may have been paid for, but its reply was lost with the process.
type CallEnd struct {
	Key      Digest          `json:"key"`
	Reply    json.RawMessage `json:"reply,omitempty"` // nil if it failed for good
	Error    string          `json:"error,omitempty"` // why it failed for good
	Attempts int             `json:"attempts"`
	In       int64           `json:"in"`               // tokens sent
	Out      int64           `json:"out"`              // tokens received
	Cached   int64           `json:"cached,omitempty"` // of In
	Cost     float64         `json:"cost,omitempty"`   // in the currency of the price that was configured; 0 if there is none
	Latency  time.Duration   `json:"latency_ns"`       // of the last attempt
	Ended    time.Time       `json:"ended,omitzero"`
}

// A Spending is a sum over calls.
type Spending struct {
	Calls   int64   `json:"calls"` // ended ones; InDoubt are not among them
	InDoubt int64   `json:"in_doubt,omitempty"`
	In      int64   `json:"in"`
	Out     int64   `json:"out"`
	Cost    float64 `json:"cost"`

	// What sendings whose replies were lost can have taken at worst, those of
	// calls that were sent again and ended included. They are in no other sum.
	DoubtTokens int64   `json:"doubt_tokens,omitempty"`
	DoubtCost   float64 `json:"doubt_cost,omitempty"`
}

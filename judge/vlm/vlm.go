// Package vlm asks vision-language models over HTTP: one request, one reply, in
// the wire formats of OpenAI (and every compatible server), Anthropic and Google,
// with a cache, a budget and a ledger around it.
package vlm

import (
	"context"
	"encoding/json"
	"time"

	"github.com/gen-emerge/assay"
)

// A Request is one call to a model, the same for every wire format. Equal
// requests to equal models have equal keys, see [Key].
type Request struct {
	System      string
	Parts       []Part          // texts and pictures, in the order shown
	Schema      json.RawMessage // JSON Schema of the reply; nil asks for plain text
	SchemaName  string          // at most 64 letters, digits, '_' and '-'
	MaxTokens   int             // of the reply; 0 means 256
	Temperature *float64        // nil leaves it to the server
	TopLogProbs int             // alternatives wanted at each position, 0 to 20; 0 asks for no probabilities
	Seed        *int64          // nil asks for none; ignored by servers without seeds
	Sample      int             // tells repeated draws of one request apart; not sent
}

// A Part is a text or a picture.
type Part struct {
	Text  string
	Image *Image // nil for a text
}

// An Image is a picture as it is sent: scaled and encoded once, see [Encode].
type Image struct {
	Data          []byte
	MIME          string       // "image/png" or "image/jpeg"
	Digest        assay.Digest // of Data
	Width, Height int
}

// A Reply is what came back.
type Reply struct {
	Text    string  `json:"text"`
	Tokens  []Token `json:"tokens,omitempty"` // with probabilities; empty where the server gives none
	Finish  string  `json:"finish"`           // "stop", "length", "refusal", "filter", or as the server says
	Refusal string  `json:"refusal,omitempty"`
	Model   string  `json:"model,omitempty"` // as the server names what answered
	Usage   Usage   `json:"usage"`
}

// A Token is one position of a reply.
type Token struct {
	Text    string        `json:"text"` // from the token's bytes, where the server gives them
	LogProb *float64      `json:"logprob,omitempty"`
	Top     []Alternative `json:"top,omitempty"` // most probable first; sentinels and omitted probabilities are left out
}

// An Alternative is a token the model might have said instead.
type Alternative struct {
	Text    string  `json:"text"`
	LogProb float64 `json:"logprob"`
}

// Usage counts tokens, as the server does.
type Usage struct {
	In     int64 `json:"in"`
	Out    int64 `json:"out"`
	Cached int64 `json:"cached,omitempty"` // of In, read from the server's prefix cache
}

// An Asker asks one model. A [Client] does so over the wire; a [Caller] with
// cache, budget, pacing and retries around a Client.
type Asker interface {
	// Ask returns the reply, or an error: an [*APIError] from the server,
	// [ErrBudget] when the budget is spent, ctx's end.
	Ask(ctx context.Context, r Request) (Reply, error)
}

// Capabilities are what a server was found to do, see [Probe].
type Capabilities struct {
	LogProbs    bool      `json:"logprobs"`     // it gives the probabilities of alternatives
	TopLogProbs int       `json:"top_logprobs"` // how many
	Schema      bool      `json:"schema"`       // it keeps to a JSON Schema
	ManyImages  bool      `json:"many_images"`  // it takes two pictures in one request
	Seed        bool      `json:"seed"`
	Temperature bool      `json:"temperature"`        // it takes a temperature
	Thinking    int       `json:"thinking,omitempty"` // tokens it needs before it comes to its answer; 0 if it answers at once
	Notes       []string  `json:"notes,omitempty"`    // what it refused, and in which words
	Probed      time.Time `json:"probed"`
}

// Limits bound the pictures a server is sent.
type Limits struct {
	LongEdge int // pixels; longer pictures are scaled down
	Bytes    int // of one encoded picture
}

// A Model is a judge at hand: who it is, what it can do, and how it is asked.
type Model struct {
	assay.Judge
	Can    Capabilities
	Limits Limits
	Asker  Asker
}

package vlm

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/pixel"
)

// A Config says how one judge is reached: a row of judges.yaml.
type Config struct {
	Name        string
	API         string
	BaseURL     string
	Model       string
	Family      string
	KeyEnv      string
	KeyFile     string
	Price       Price
	Concurrency int
	Timeout     time.Duration
	Limits      Limits
	Extra       map[string]any
	Protocol    int
}

// ReadConfigs reads the text of a judges.yaml.
func ReadConfigs(file string, text []byte) ([]Config, error) { return nil, errors.New("soon") }

// A Client asks one model over the wire, one attempt a call.
type Client struct{}

// Dial makes a client; it sends nothing.
func Dial(c Config, getenv func(string) string, hc *http.Client) (*Client, error) {
	return nil, errors.New("soon")
}

// Ask makes one attempt.
func (c *Client) Ask(ctx context.Context, r Request) (Reply, error) {
	return Reply{}, errors.New("soon")
}

// Judge says who is asked.
func (c *Client) Judge() assay.Judge { return assay.Judge{} }

// Learn makes the client leave out of its requests what the server was found to refuse.
func (c *Client) Learn(can Capabilities) {}

// WithRateHeaders returns a context under which [Client.Ask] calls fn with the
// rate-limit headers of every response, also of successful ones.
func WithRateHeaders(ctx context.Context, fn func(http.Header)) context.Context { return ctx }

// An APIError is a server's refusal, or that it could not be reached.
type APIError struct {
	Status     int
	Kind       string
	Message    string
	RetryAfter time.Duration
	Header     http.Header
}

// Error is a sentence for people.
func (e *APIError) Error() string { return e.Message }

// Temporary reports whether asking again can help.
func (e *APIError) Temporary() bool { return false }

// Encode makes of an image file what is sent.
func Encode(data []byte, lim pixel.Limits, to Limits) (*Image, error) {
	return nil, errors.New("soon")
}

// An Encoder is a bounded cache of [Encode].
type Encoder struct{}

// NewEncoder returns a cache that holds at most size bytes of encoded pictures.
func NewEncoder(size int) *Encoder { return nil }

// Encode returns the picture id as it is sent, from the cache or from the bytes that load gives.
func (e *Encoder) Encode(id assay.Digest, load func() ([]byte, error), lim pixel.Limits, to Limits) (*Image, error) {
	return nil, errors.New("soon")
}

// Probe finds out what a server does.
func Probe(ctx context.Context, a Asker, j assay.Judge, now time.Time) (Capabilities, error) {
	return Capabilities{}, errors.New("soon")
}

// Fit returns r without what the server was found to refuse.
func (c Capabilities) Fit(r Request) Request { return r }

// Family returns the makers of a model; "" if unknown.
func Family(model string) string { return "" }

package vlm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gen-emerge/assay"
)

// A Client asks one model over the wire: one request, one attempt, no retry and
// no redirect. It takes nothing from the environment but what its [Config]
// names, and it writes no log. Many goroutines may use it.
type Client struct {
	judge   assay.Judge
	timeout time.Duration
	wire    *wire
	ask     func(ctx context.Context, r Request) (Reply, error)
	can     atomic.Pointer[Capabilities]
}

// Dial makes a client of c. It sends nothing. getenv supplies the key, where c
// names a variable for it; hc may be nil, else its transport and cookies are
// used, and never its redirects.
//
// Errors wrap [assay.ErrInvalid] if c says what cannot be, and
// [assay.ErrUnavailable] if the key that it names is not there.
func Dial(c Config, getenv func(string) string, hc *http.Client) (*Client, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("judge %q: %w: %w", c.Name, err, assay.ErrInvalid)
	}
	base, err := c.endpoint()
	if err != nil {
		return nil, fmt.Errorf("judge %q: %w: %w", c.Name, err, assay.ErrInvalid)
	}
	key, err := c.key(getenv)
	if err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Family == "" {
		c.Family = Family(c.Model)
	}
	client := &Client{
		timeout: c.Timeout,
		wire:    newWire(c.API, base, key, hc, c.Concurrency),
		judge: assay.Judge{Name: c.Name, API: c.API, Endpoint: base.String() + c.variant(),
			Model: c.Model, Family: c.Family, Protocol: c.Protocol},
	}
	switch c.API {
	case "openai":
		client.ask = newOpenAI(c, client.wire).ask
	case "anthropic":
		client.ask = newAnthropic(c, client.wire).ask
	case "google":
		g, err := newGoogle(c, client.wire)
		if err != nil {
			return nil, err
		}
		client.ask = g.ask
	}
	return client, nil
}

// variant tells judges apart that differ in their extra fields, as a URL's
// fragment, which is never sent; empty if there are none.
func (c Config) variant() string {
	if len(c.Extra) == 0 {
		return ""
	}
	text, _ := json.Marshal(c.Extra) // sorts its keys; check has seen that it can
	return "#extra=" + assay.DigestOf(text).Short()
}

// Judge returns who is asked. Its Protocol is the configuration's, 0 unless it
// was set.
func (c *Client) Judge() assay.Judge { return c.judge }

// Learn makes c leave out of all later requests what the server was found to
// refuse, see [Capabilities.Fit].
func (c *Client) Learn(can Capabilities) { c.can.Store(&can) }

// Ask sends r once and returns the reply. The request carries the digest that
// [Key] gives for it as its Idempotency-Key.
//
// The error is an [*APIError] for whatever the server or the network did,
// ctx's where ctx has ended, or one that wraps [assay.ErrInvalid] for a request
// that cannot be sent. A refusal to answer is a reply, not an error.
func (c *Client) Ask(ctx context.Context, r Request) (Reply, error) {
	key := Key(c.judge, r)
	if can := c.can.Load(); can != nil {
		r = can.Fit(r)
	}
	if err := r.check(); err != nil {
		return Reply{}, err
	}
	if r.MaxTokens == 0 {
		r.MaxTokens = defaultTokens
	}
	inner, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	reply, err := c.ask(context.WithValue(inner, idempotencyKey{}, key.String()), r)
	if err == nil {
		return reply, nil
	}
	var api *APIError
	switch {
	case ctx.Err() != nil:
		return Reply{}, fmt.Errorf("judge %q: %w", c.judge.Name, context.Cause(ctx))
	case errors.As(err, &api):
		return Reply{}, fmt.Errorf("judge %q: %w", c.judge.Name, api)
	case inner.Err() != nil:
		api = &APIError{Kind: kindTimeout, Message: fmt.Sprintf("no reply within %v", c.timeout)}
		return Reply{}, fmt.Errorf("judge %q: %w", c.judge.Name, api)
	}
	return Reply{}, fmt.Errorf("judge %q: %w", c.judge.Name, err)
}

// defaultTokens is what a MaxTokens of 0 stands for.
const defaultTokens = 256

// check returns an error that wraps [assay.ErrInvalid] if r cannot be sent.
func (r Request) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("request: "+format+": %w", append(args, assay.ErrInvalid)...)
	}
	if len(r.Parts) == 0 {
		return bad("there is nothing in it")
	}
	for i, p := range r.Parts {
		if p.Image != nil && (len(p.Image.Data) == 0 || p.Image.MIME == "") {
			return bad("picture %d is empty", i+1)
		}
	}
	if r.TopLogProbs < 0 || r.TopLogProbs > 20 {
		return bad("%d alternatives: want 0 to 20", r.TopLogProbs)
	}
	if r.MaxTokens < 0 {
		return bad("%d tokens: want at least 1", r.MaxTokens)
	}
	if len(r.Schema) > 0 {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(r.Schema, &object); err != nil {
			return bad("schema: %v", err)
		}
		if len(r.schemaName()) > 64 {
			return bad("schema name %q is longer than 64 signs", r.SchemaName)
		}
	}
	return nil
}

// schemaName returns what the schema is called; servers want a name.
func (r Request) schemaName() string {
	if r.SchemaName == "" {
		return "reply"
	}
	return r.SchemaName
}

// lastImage returns the index of the last picture among r's parts, -1 if none.
func (r Request) lastImage() int {
	for i := len(r.Parts) - 1; i >= 0; i-- {
		if r.Parts[i].Image != nil {
			return i
		}
	}
	return -1
}

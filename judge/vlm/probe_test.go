package vlm

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

// A model is a server in a test: what it refuses, and what it gives.
type model struct {
	refuses  map[string]string // "logprobs", "temperature", "seed", "schema", "images", "small", "top20": the words
	gives    int               // alternatives, if it is asked for some
	thinks   int               // tokens before the answer
	noSchema bool              // it takes a schema and answers in its own way
	err      error             // instead of everything
	asked    []Request
}

func (m *model) Ask(_ context.Context, r Request) (Reply, error) {
	m.asked = append(m.asked, r)
	if m.err != nil {
		return Reply{}, m.err
	}
	pictures, small := 0, false
	for _, p := range r.Parts {
		if p.Image != nil {
			pictures++
			small = small || p.Image.Width < 28
		}
	}
	for what, is := range map[string]bool{"logprobs": r.TopLogProbs > 0, "top20": r.TopLogProbs > 5, "temperature": r.Temperature != nil,
		"seed": r.Seed != nil, "schema": r.Schema != nil, "images": pictures > 1, "small": small} {
		if words, refused := m.refuses[what]; refused && is {
			return Reply{}, &APIError{Status: 400, Kind: "invalid_request_error", Message: words}
		}
	}
	if r.MaxTokens <= m.thinks {
		return Reply{Finish: "length"}, nil
	}
	out := Reply{Text: "yes", Finish: "stop", Usage: Usage{In: int64(100 * pictures)}}
	if r.Schema != nil && !m.noSchema {
		out.Text = `{"answer": "yes"}`
	}
	if n := min(r.TopLogProbs, m.gives); n > 0 {
		out.Tokens = []Token{{Text: "yes", Top: make([]Alternative, n)}}
	}
	return out, nil
}

func TestProbe(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	all := Capabilities{LogProbs: true, TopLogProbs: 20, Schema: true, ManyImages: true, Seed: true, Temperature: true, Probed: now}
	but := func(change func(*Capabilities)) Capabilities { c := all; change(&c); return c }
	noProbs := func(c *Capabilities) { c.LogProbs, c.TopLogProbs = false, 0 }
	for _, test := range []struct {
		name  string
		api   string
		m     model
		want  Capabilities
		notes []string // each in one of the notes
	}{
		{"everything", "openai", model{gives: 20}, all, nil},
		{"null log-probabilities", "openai", model{}, but(noProbs), []string{"none came"}},
		{"five alternatives at most", "openai", model{gives: 20, refuses: map[string]string{"top20": "top_logprobs must be at most 5"}},
			but(func(c *Capabilities) { c.TopLogProbs = 5 }), []string{"must be at most 5"}},
		{"five come", "openai", model{gives: 5}, but(func(c *Capabilities) { c.TopLogProbs = 5 }), []string{"5 came"}},
		{"reasoning model", "openai", model{thinks: 300, refuses: map[string]string{
			"logprobs": "Unsupported parameter: 'logprobs' is not supported with this model.", "temperature": "Unsupported value: 'temperature' does not support 1"}},
			but(func(c *Capabilities) { noProbs(c); c.Temperature, c.Thinking = false, 512 }),
			[]string{"'logprobs' is not supported", "'temperature' does not", "thinks before"}},
		{"refusal without a reason, for the temperature", "openai", model{gives: 20, refuses: map[string]string{"temperature": "Bad Request"}},
			but(func(c *Capabilities) { c.Temperature = false }), []string{"log-probabilities: taken after all"}},
		{"refusal without a reason, for log-probabilities", "openai", model{refuses: map[string]string{"logprobs": "Bad Request"}},
			but(noProbs), []string{"given up"}},
		{"picture too small", "openai", model{gives: 20, refuses: map[string]string{"small": "height:2 or width:2 must be larger than factor:28"}}, all, []string{"2×2 pixels: refused"}},
		{"Gemini without", "google", model{refuses: map[string]string{"logprobs": "Logprobs is not enabled for models/gemini-2.5-pro", "seed": "seed is not supported"}},
			but(func(c *Capabilities) { noProbs(c); c.Seed = false }), []string{"is not enabled", "a seed: refused"}},
		{"Anthropic", "anthropic", model{}, but(func(c *Capabilities) { noProbs(c); c.Seed = false }), []string{"no log-probabilities and no seed"}},
		{"one picture", "openai", model{gives: 20, refuses: map[string]string{"images": "At most 1 image(s) may be provided in one request."}},
			but(func(c *Capabilities) { c.ManyImages = false }), []string{"At most 1 image"}},
		{"schema refused", "openai", model{gives: 20, refuses: map[string]string{"schema": "response_format is not supported"}},
			but(func(c *Capabilities) { c.Schema = false }), []string{"a schema: refused"}},
		{"schema not kept", "openai", model{gives: 20, noSchema: true}, but(func(c *Capabilities) { c.Schema = false }), []string{"not kept to"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Probe(t.Context(), &test.m, assay.Judge{Name: "j", API: test.api}, now)
			if err != nil {
				t.Fatal(err)
			}
			notes := strings.Join(got.Notes, "\n")
			for _, want := range test.notes {
				if !strings.Contains(notes, want) {
					t.Errorf("no note says %q:\n%s", want, notes)
				}
			}
			if len(test.notes) == 0 && notes != "" {
				t.Errorf("notes:\n%s", notes)
			}
			text, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			var again Capabilities
			if err := json.Unmarshal(text, &again); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("through JSON:\n%s", diff)
			}
			got.Notes = nil
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if n := len(test.m.asked); n > 14 {
				t.Errorf("%d questions", n)
			}
			for _, r := range test.m.asked {
				if r.Sample != int(now.Unix()) {
					t.Errorf("a request that a cache may know: %+v", r)
				}
			}
			// What was found is what the server takes.
			r := testRequests(t)["full"]
			r.Schema, r.Parts = json.RawMessage(`{}`), r.Parts[2:]
			r.Parts[1] = Part{Image: card(64)}
			if _, err := test.m.Ask(t.Context(), again.Fit(r)); err != nil {
				t.Errorf("refused after all: %v", err)
			}
		})
	}
}

// TestProbeFails: what is not a refusal is no finding.
func TestProbeFails(t *testing.T) {
	for _, err := range []error{
		&APIError{Status: 401, Kind: "authentication_error"}, &APIError{Status: 404, Kind: "NotFoundError"}, &APIError{Status: 429}, &APIError{Status: 503},
		&APIError{Kind: kindNetwork}, &APIError{Status: 400, Kind: kindBadKey}, &APIError{Status: 400, Message: "model does not support images"}, context.Canceled,
	} {
		m := &model{err: err}
		can, got := Probe(t.Context(), m, assay.Judge{Name: "j", API: "openai"}, time.Now())
		if !errors.Is(got, err) || can.Temperature || can.LogProbs || len(can.Notes) > 0 {
			t.Errorf("%v: %+v, %v", err, can, got)
		}
	}
}

// TestProbeOverWire asks a server that speaks as OpenAI's reasoning models do.
func TestProbeOverWire(t *testing.T) {
	server := newFakeServer(t, func(r received) response {
		body := string(r.body)
		for _, name := range []string{"max_tokens", "logprobs", "temperature"} {
			if strings.Contains(body, `"`+name+`"`) {
				return response{status: 400, body: `{"error":{"message":"Unsupported parameter: '` + name + `' is not supported with this model.","type":"invalid_request_error","param":"` + name + `","code":"unsupported_parameter"}}`}
			}
		}
		answer := "yes"
		if strings.Contains(body, "json_schema") {
			answer = `{\"answer\":\"no\"}`
		}
		return response{body: strings.Replace(plainReplies["openai"], `"yes"`, `"`+answer+`"`, 1)}
	})
	client := dialTest(t, "openai", server.URL, nil)
	can, err := Probe(t.Context(), client, client.Judge(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if can.LogProbs || can.Temperature || !can.Schema || !can.Seed || !can.ManyImages {
		t.Errorf("%+v", can)
	}
	client.Learn(can)
	before := len(server.requests)
	if _, err := client.Ask(t.Context(), testRequests(t)["full"]); err != nil {
		t.Error(err)
	}
	if n := len(server.requests) - before; n != 1 {
		t.Errorf("%d requests after what was learned, want 1", n)
	}
}

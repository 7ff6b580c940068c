package vlm

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"sync"

	"google.golang.org/genai"

	"github.com/gen-emerge/assay"
)

// gemini speaks Google's generateContent, as the Gemini API has it.
type gemini struct {
	model  string
	extra  map[string]any
	models *genai.Models
	wire   *wire
}

// newGoogle gives the SDK a base URL, a backend and something in the key's place,
// so that it has no reason to take any of them from the environment.
func newGoogle(c Config, w *wire) (*gemini, error) {
	defer hushGoogle()()
	client, err := genai.NewClient(context.Background(), &genai.ClientConfig{
		APIKey:      "set by the transport",
		Backend:     genai.BackendGeminiAPI,
		HTTPClient:  w.http,
		HTTPOptions: genai.HTTPOptions{BaseURL: w.base.String(), APIVersion: "v1beta"},
	})
	if err != nil {
		return nil, fmt.Errorf("judge %q: %s: %w", c.Name, tidy(err.Error(), w.key), assay.ErrInvalid)
	}
	return &gemini{model: c.Model, extra: c.Extra, models: client.Models, wire: w}, nil
}

var hushing sync.Mutex

// hushGoogle drops one line from the standard log until its result is called: if
// both of Google's variables are set, the SDK says that it uses one of them,
// even where it was given a key and does not.
func hushGoogle() (restore func()) {
	if os.Getenv("GOOGLE_API_KEY") == "" || os.Getenv("GEMINI_API_KEY") == "" {
		return func() {}
	}
	hushing.Lock()
	before := log.Writer()
	log.SetOutput(lineFilter{before, "Both GOOGLE_API_KEY and GEMINI_API_KEY are set"})
	return func() {
		log.SetOutput(before)
		hushing.Unlock()
	}
}

// A lineFilter passes on what does not hold drop.
type lineFilter struct {
	io.Writer
	drop string
}

func (f lineFilter) Write(line []byte) (int, error) {
	if strings.Contains(string(line), f.drop) {
		return len(line), nil
	}
	return f.Writer.Write(line)
}

func (g *gemini) ask(ctx context.Context, r Request) (Reply, error) {
	contents, config := g.params(r)
	var response *genai.GenerateContentResponse
	rec, err := g.wire.call(ctx, func(ctx context.Context) (err error) {
		response, err = g.models.GenerateContent(ctx, g.model, contents, config)
		return err
	})
	if err != nil {
		return Reply{}, err
	}
	return g.read(response, rec.body)
}

func (g *gemini) params(r Request) ([]*genai.Content, *genai.GenerateContentConfig) {
	once := false // else the SDK asks again, and pays again, when a reply is to be continued
	config := &genai.GenerateContentConfig{MaxOutputTokens: int32(r.MaxTokens), AutomaticContinuation: &once}
	if len(g.extra) > 0 {
		config.HTTPOptions = &genai.HTTPOptions{ExtraBody: cloneMap(g.extra)}
	}
	if r.System != "" {
		config.SystemInstruction = genai.NewContentFromText(r.System, genai.RoleUser)
	}
	if r.Temperature != nil {
		t := float32(*r.Temperature)
		config.Temperature = &t
	}
	if r.Seed != nil { // Google's seeds have 32 bits
		s := int32(uint64(*r.Seed)^uint64(*r.Seed)>>32) & 0x7fffffff
		config.Seed = &s
	}
	if r.TopLogProbs > 0 {
		n := int32(r.TopLogProbs)
		config.ResponseLogprobs, config.Logprobs = true, &n
	}
	if len(r.Schema) > 0 {
		config.ResponseMIMEType, config.ResponseJsonSchema = "application/json", r.Schema
	}
	var parts []*genai.Part
	for _, part := range r.Parts {
		if part.Image == nil {
			parts = append(parts, genai.NewPartFromText(part.Text))
			continue
		}
		parts = append(parts, genai.NewPartFromBytes(part.Image.Data, part.Image.MIME))
	}
	return []*genai.Content{genai.NewContentFromParts(parts, genai.RoleUser)}, config
}

// cloneMap copies the maps in m: the SDK merges into them.
func cloneMap(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if inner, ok := v.(map[string]any); ok {
			v = cloneMap(inner)
		}
		out[k] = v
	}
	return out
}

// read makes a reply of the first candidate. The probabilities are read from the
// JSON: in the SDK's types one that was left out is 0, a certainty.
func (g *gemini) read(resp *genai.GenerateContentResponse, body []byte) (Reply, error) {
	out := Reply{Model: resp.ModelVersion}
	if u := resp.UsageMetadata; u != nil {
		out.Usage = Usage{In: int64(u.PromptTokenCount), Out: int64(u.CandidatesTokenCount + u.ThoughtsTokenCount),
			Cached: int64(u.CachedContentTokenCount)}
	}
	if len(resp.Candidates) == 0 {
		if f := resp.PromptFeedback; f != nil && f.BlockReason != "" {
			out.Finish, out.Refusal = "filter", "the request was blocked: "+string(f.BlockReason)
			if f.BlockReasonMessage != "" {
				out.Refusal += ": " + f.BlockReasonMessage
			}
			return out, nil
		}
		return Reply{}, &APIError{Status: 200, Kind: kindMalformed, Message: "the reply has no candidates"}
	}
	candidate := resp.Candidates[0]
	var text strings.Builder
	if candidate.Content != nil {
		for _, part := range candidate.Content.Parts {
			if part != nil && !part.Thought {
				text.WriteString(part.Text)
			}
		}
	}
	out.Text = text.String()
	out.Finish, out.Refusal = geminiFinish(candidate)
	tokens, err := geminiTokens(body)
	if err != nil {
		return Reply{}, g.wire.malformed(&record{status: 200}, "probabilities: "+err.Error())
	}
	out.Tokens = tokens
	return out, nil
}

// geminiFinish returns why the reply ended and, if it was withheld, the reason.
func geminiFinish(c *genai.Candidate) (finish, refusal string) {
	switch c.FinishReason {
	case genai.FinishReasonStop, genai.FinishReasonUnspecified, "":
		return "stop", ""
	case genai.FinishReasonMaxTokens:
		return "length", ""
	case genai.FinishReasonSafety, genai.FinishReasonRecitation, genai.FinishReasonBlocklist,
		genai.FinishReasonProhibitedContent, genai.FinishReasonSPII, genai.FinishReasonImageSafety:
		refusal = "the reply was withheld: " + string(c.FinishReason)
		if c.FinishMessage != "" {
			refusal += ": " + c.FinishMessage
		}
		return "filter", refusal
	}
	return strings.ToLower(string(c.FinishReason)), ""
}

// geminiTokens reads candidates[0].logprobsResult.
func geminiTokens(body []byte) ([]Token, error) {
	type candidate struct {
		Token          string   `json:"token"`
		LogProbability *float64 `json:"logProbability"`
	}
	var doc struct {
		Candidates []struct {
			LogprobsResult struct {
				TopCandidates []struct {
					Candidates []candidate `json:"candidates"`
				} `json:"topCandidates"`
				ChosenCandidates []candidate `json:"chosenCandidates"`
			} `json:"logprobsResult"`
		} `json:"candidates"`
	}
	if err := json.Unmarshal(body, &doc); err != nil || len(doc.Candidates) == 0 {
		return nil, err
	}
	value := func(c candidate) (float64, bool) {
		if c.LogProbability == nil {
			return 0, false
		}
		return logProb(*c.LogProbability, true)
	}
	result := doc.Candidates[0].LogprobsResult
	var out []Token
	for i, chosen := range result.ChosenCandidates {
		t := Token{Text: chosen.Token}
		if p, known := value(chosen); known {
			t.LogProb = &p
		}
		if i < len(result.TopCandidates) {
			for _, c := range result.TopCandidates[i].Candidates {
				if p, known := value(c); known {
					t.Top = append(t.Top, Alternative{Text: c.Token, LogProb: p})
				}
			}
		}
		sortAlternatives(t.Top)
		out = append(out, t)
	}
	return out, nil
}

package vlm

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
)

// openAI speaks Chat Completions, which OpenAI, vLLM, SGLang, llama.cpp, Ollama
// and LM Studio have in common.
type openAI struct {
	model string
	extra []option.RequestOption
	chat  openai.ChatCompletionService
	wire  *wire

	// newField says that the limit of the reply is max_completion_tokens, as
	// OpenAI's reasoning models insist, and not max_tokens, which is all that
	// some compatible servers know. It is corrected by the first refusal.
	newField atomic.Bool
}

// newOpenAI uses the SDK's service and not its Client, whose constructor reads
// the environment and cannot be told not to.
func newOpenAI(c Config, w *wire) *openAI {
	o := &openAI{model: c.Model, wire: w, extra: nil}
	for _, name := range sortedKeys(c.Extra) {
		o.extra = append(o.extra, option.WithJSONSet(sjsonPath(name), c.Extra[name]))
	}
	o.chat = openai.NewChatCompletionService(option.WithBaseURL(w.base.String()),
		option.WithHTTPClient(w.http), option.WithMaxRetries(0))
	o.newField.Store(strings.HasSuffix(w.base.Hostname(), "openai.com") || strings.HasSuffix(w.base.Hostname(), ".azure.com"))
	return o
}

// sjsonPath escapes the signs that would make one field's name a path.
func sjsonPath(name string) string {
	return strings.NewReplacer(`\`, `\\`, ".", `\.`, ":", `\:`, "|", `\|`, "#", `\#`, "@", `\@`, "*", `\*`, "?", `\?`).Replace(name)
}

func sortedKeys(m map[string]any) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ask sends r. A server that refuses the name of the field for the reply's limit
// is asked once more under the other name: nothing was answered, or paid.
func (o *openAI) ask(ctx context.Context, r Request) (Reply, error) {
	field := o.newField.Load()
	reply, err := o.send(ctx, r, field)
	var api *APIError
	if errors.As(err, &api) && api.refused() && refusesLimit(api.Message, field) {
		o.newField.Store(!field)
		return o.send(ctx, r, !field)
	}
	return reply, err
}

// refusesLimit reports whether a message says that the field in use is not known
// or supported, rather than that its value is wrong.
func refusesLimit(message string, newField bool) bool {
	m := strings.ToLower(message)
	refusal := strings.Contains(m, "support") || strings.Contains(m, "unrecognized") || strings.Contains(m, "unknown") ||
		strings.Contains(m, "extra") || strings.Contains(m, "unexpected") || strings.Contains(m, "not permitted")
	if newField {
		return refusal && strings.Contains(m, "max_completion_tokens")
	}
	return refusal && strings.Contains(m, "max_tokens")
}

func (o *openAI) send(ctx context.Context, r Request, newField bool) (Reply, error) {
	params := o.params(r, newField)
	var completion *openai.ChatCompletion
	_, err := o.wire.call(ctx, func(ctx context.Context) (err error) {
		completion, err = o.chat.New(ctx, params, o.extra...)
		return err
	})
	if err != nil {
		return Reply{}, err
	}
	return o.read(completion)
}

func (o *openAI) params(r Request, newField bool) openai.ChatCompletionNewParams {
	p := openai.ChatCompletionNewParams{Model: shared.ChatModel(o.model)}
	if r.System != "" {
		p.Messages = append(p.Messages, openai.SystemMessage(r.System))
	}
	var parts []openai.ChatCompletionContentPartUnionParam
	for _, part := range r.Parts {
		if part.Image == nil {
			parts = append(parts, openai.TextContentPart(part.Text))
			continue
		}
		parts = append(parts, openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{
			URL:    "data:" + part.Image.MIME + ";base64," + base64.StdEncoding.EncodeToString(part.Image.Data),
			Detail: "high", // not left to the server: it would look at large and small pictures differently
		}))
	}
	p.Messages = append(p.Messages, openai.UserMessage(parts))
	if newField {
		p.MaxCompletionTokens = openai.Int(int64(r.MaxTokens))
	} else {
		p.MaxTokens = openai.Int(int64(r.MaxTokens))
	}
	if r.Temperature != nil {
		p.Temperature = openai.Float(*r.Temperature)
	}
	if r.Seed != nil {
		p.Seed = openai.Int(*r.Seed)
	}
	if r.TopLogProbs > 0 {
		p.Logprobs, p.TopLogprobs = openai.Bool(true), openai.Int(int64(r.TopLogProbs))
	}
	if len(r.Schema) > 0 {
		p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
				Name: r.schemaName(), Strict: openai.Bool(true), Schema: r.Schema,
			},
		}
	}
	return p
}

// read makes a reply of the first choice.
func (o *openAI) read(c *openai.ChatCompletion) (Reply, error) {
	if c == nil || len(c.Choices) == 0 {
		return Reply{}, &APIError{Status: 200, Kind: kindMalformed, Message: "the reply has no choices"}
	}
	choice := c.Choices[0]
	out := Reply{
		Text:    openAIText(choice.Message),
		Finish:  choice.FinishReason,
		Refusal: choice.Message.Refusal,
		Model:   c.Model,
		Usage: Usage{In: c.Usage.PromptTokens, Out: c.Usage.CompletionTokens,
			Cached: c.Usage.PromptTokensDetails.CachedTokens},
	}
	switch {
	case out.Refusal != "":
		out.Finish = "refusal"
	case out.Finish == "content_filter":
		out.Finish = "filter"
	case out.Finish == "":
		out.Finish = "stop" // some servers send null with a whole reply
	}
	for _, t := range choice.Logprobs.Content {
		out.Tokens = append(out.Tokens, openAIToken(t))
	}
	return out, nil
}

// openAIText returns the message's text. Some servers write it as a list of
// parts, as requests do.
func openAIText(m openai.ChatCompletionMessage) string {
	raw := m.JSON.Content.Raw()
	if !strings.HasPrefix(raw, "[") {
		return m.Content
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal([]byte(raw), &parts) != nil {
		return m.Content
	}
	var text strings.Builder
	for _, p := range parts {
		if p.Type == "text" || p.Type == "output_text" {
			text.WriteString(p.Text)
		}
	}
	return text.String()
}

func openAIToken(t openai.ChatCompletionTokenLogprob) Token {
	out := Token{Text: tokenText(t.Token, t.Bytes, t.JSON.Bytes.Valid())}
	if p, known := logProb(t.Logprob, t.JSON.Logprob.Valid()); known {
		out.LogProb = &p
	}
	for _, a := range t.TopLogprobs {
		if p, known := logProb(a.Logprob, a.JSON.Logprob.Valid()); known {
			out.Top = append(out.Top, Alternative{Text: tokenText(a.Token, a.Bytes, a.JSON.Bytes.Valid()), LogProb: p})
		}
	}
	sortAlternatives(out.Top)
	return out
}

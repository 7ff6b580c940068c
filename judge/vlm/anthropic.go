package vlm

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

// claude speaks Anthropic's Messages. It has no log-probabilities and no seed:
// a request's wishes for them are left out.
type claude struct {
	model    string
	extra    []option.RequestOption
	messages anthropic.MessageService
	wire     *wire

	// byTool says that a schema is put as a tool that must be called, for models
	// that refuse output_config.format. It is found out by the first refusal.
	byTool atomic.Bool
}

// newAnthropic uses the SDK's service and not its Client, whose constructor looks
// for credentials in the environment and in the home folder.
func newAnthropic(c Config, w *wire) *claude {
	a := &claude{model: c.Model, wire: w}
	for _, name := range sortedKeys(c.Extra) {
		a.extra = append(a.extra, option.WithJSONSet(sjsonPath(name), c.Extra[name]))
	}
	a.messages = anthropic.NewMessageService(option.WithoutEnvironmentDefaults(), option.WithBaseURL(w.base.String()),
		option.WithHTTPClient(w.http), option.WithMaxRetries(0))
	return a
}

// ask sends r. A model that refuses the schema's field is asked once more with a
// tool: nothing was answered, or paid.
func (a *claude) ask(ctx context.Context, r Request) (Reply, error) {
	byTool := a.byTool.Load()
	reply, err := a.send(ctx, r, byTool)
	var api *APIError
	if len(r.Schema) > 0 && !byTool && errors.As(err, &api) && api.refused() && refusesFormat(api.Message) {
		a.byTool.Store(true)
		return a.send(ctx, r, true)
	}
	return reply, err
}

func refusesFormat(message string) bool {
	m := strings.ToLower(message)
	return strings.Contains(m, "output_config") || strings.Contains(m, "output_format") ||
		strings.Contains(m, "structured output") || strings.Contains(m, "json_schema")
}

func (a *claude) send(ctx context.Context, r Request, byTool bool) (Reply, error) {
	params, err := a.params(r, byTool)
	if err != nil {
		return Reply{}, err
	}
	var message *anthropic.Message
	_, err = a.wire.call(ctx, func(ctx context.Context) (err error) {
		message, err = a.messages.New(ctx, params, a.extra...)
		return err
	})
	if err != nil {
		return Reply{}, err
	}
	return a.read(message)
}

func (a *claude) params(r Request, byTool bool) (anthropic.MessageNewParams, error) {
	p := anthropic.MessageNewParams{Model: anthropic.Model(a.model), MaxTokens: int64(r.MaxTokens)}
	if r.System != "" {
		p.System = []anthropic.TextBlockParam{{Text: r.System}}
	}
	last := r.lastImage()
	var blocks []anthropic.ContentBlockParamUnion
	for i, part := range r.Parts {
		if part.Image == nil {
			blocks = append(blocks, anthropic.NewTextBlock(part.Text))
			continue
		}
		block := anthropic.NewImageBlockBase64(part.Image.MIME, base64.StdEncoding.EncodeToString(part.Image.Data))
		if i == last {
			// Many questions are put to one picture; all up to it is read from the
			// cache after the first.
			block.OfImage.CacheControl = anthropic.NewCacheControlEphemeralParam()
		}
		blocks = append(blocks, block)
	}
	p.Messages = []anthropic.MessageParam{anthropic.NewUserMessage(blocks...)}
	if r.Temperature != nil {
		p.Temperature = anthropic.Float(min(*r.Temperature, 1)) // 1 is the most there is
	}
	if len(r.Schema) == 0 {
		return p, nil
	}
	var schema map[string]any
	if err := json.Unmarshal(r.Schema, &schema); err != nil {
		return p, err
	}
	if !byTool {
		p.OutputConfig.Format = anthropic.JSONOutputFormatParam{Schema: schema}
		return p, nil
	}
	tool := anthropic.ToolParam{Name: r.schemaName(), Description: anthropic.String("Give the reply."),
		InputSchema: toolSchema(schema)}
	p.Tools = []anthropic.ToolUnionParam{{OfTool: &tool}}
	p.ToolChoice = anthropic.ToolChoiceParamOfTool(tool.Name)
	return p, nil
}

// toolSchema sorts a schema's fields into those that the SDK has names for and
// the rest.
func toolSchema(schema map[string]any) anthropic.ToolInputSchemaParam {
	out := anthropic.ToolInputSchemaParam{Properties: schema["properties"], ExtraFields: map[string]any{}}
	for name, v := range schema {
		switch name {
		case "properties", "type":
		case "required":
			list, _ := v.([]any)
			for _, r := range list {
				if text, ok := r.(string); ok {
					out.Required = append(out.Required, text)
				}
			}
		default:
			out.ExtraFields[name] = v
		}
	}
	return out
}

// read makes a reply of the message's text; a tool's input is the reply to a
// schema. What the model thought before is left out.
func (a *claude) read(m *anthropic.Message) (Reply, error) {
	if m == nil || m.Type != "message" {
		return Reply{}, &APIError{Status: 200, Kind: kindMalformed, Message: "the reply is no message"}
	}
	out := Reply{Model: string(m.Model), Usage: Usage{
		In:     m.Usage.InputTokens + m.Usage.CacheCreationInputTokens + m.Usage.CacheReadInputTokens,
		Out:    m.Usage.OutputTokens,
		Cached: m.Usage.CacheReadInputTokens,
	}}
	var text strings.Builder
	for _, b := range m.Content {
		switch b.Type {
		case "text":
			text.WriteString(b.Text)
		case "tool_use":
			var input bytes.Buffer
			if json.Compact(&input, b.Input) == nil {
				text.Write(input.Bytes())
			}
		}
	}
	out.Text = text.String()
	switch m.StopReason {
	case anthropic.StopReasonEndTurn, anthropic.StopReasonStopSequence, anthropic.StopReasonToolUse, "":
		out.Finish = "stop"
	case anthropic.StopReasonMaxTokens, anthropic.StopReasonModelContextWindowExceeded:
		out.Finish = "length"
	case anthropic.StopReasonRefusal:
		out.Finish, out.Refusal = "refusal", m.StopDetails.Explanation
		if out.Refusal == "" {
			out.Refusal = out.Text
		}
		if out.Refusal == "" {
			out.Refusal = "the model declined to answer"
		}
	default:
		out.Finish = string(m.StopReason)
	}
	return out, nil
}

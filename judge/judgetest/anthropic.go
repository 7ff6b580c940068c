package judgetest

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// anthropic is the format of POST /v1/messages.
type anthropic struct{}

func (anthropic) name() string { return "anthropic" }

func (anthropic) key(r *http.Request) string {
	if k := r.Header.Get("X-Api-Key"); k != "" {
		return k
	}
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// anthropicFields are the parameters of a message.
var anthropicFields = strings.Fields(`model messages max_tokens cache_control container diagnostics inference_geo metadata
	output_config service_tier speed stop_sequences stream system temperature thinking tool_choice tools top_k top_p`)

// anthropicBanned are keywords of JSON Schema that structured output refuses.
var anthropicBanned = strings.Fields(`minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength maxItems uniqueItems minProperties maxProperties`)

type anthropicRequest struct {
	Model    string `json:"model"`
	Messages []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	MaxTokens    *int            `json:"max_tokens"`
	System       json.RawMessage `json:"system"`
	Temperature  *float64        `json:"temperature"`
	TopP         *float64        `json:"top_p"`
	Stream       bool            `json:"stream"`
	CacheControl json.RawMessage `json:"cache_control"`
	OutputConfig *struct {
		Effort string `json:"effort"`
		Format *struct {
			Type   string          `json:"type"`
			Schema json.RawMessage `json:"schema"`
		} `json:"format"`
	} `json:"output_config"`
	ToolChoice *struct {
		Type string `json:"type"`
		Name string `json:"name"`
	} `json:"tool_choice"`
	Tools []struct {
		Name        string          `json:"name"`
		InputSchema json.RawMessage `json:"input_schema"`
	} `json:"tools"`
}

type anthropicBlock struct {
	Type         string          `json:"type"`
	Text         string          `json:"text"`
	CacheControl json.RawMessage `json:"cache_control"`
	Source       *struct {
		Type      string `json:"type"`
		MediaType string `json:"media_type"`
		Data      string `json:"data"`
	} `json:"source"`
}

func (anthropic) parse(r *http.Request, b body, opt *Options) (*ask, *fault) {
	if r.Header.Get("Anthropic-Version") == "" {
		return nil, invalidf("", "anthropic-version: header is required")
	}
	_, bad := fields(b.slim, anthropicFields, func(name string) *fault {
		return invalidf("", "%s: Extra inputs are not permitted", name)
	})
	if bad != nil {
		return nil, bad
	}
	var in anthropicRequest
	if err := json.Unmarshal(b.slim, &in); err != nil {
		return nil, invalidf("", "Invalid request: %v", err)
	}
	if bad := in.check(opt); bad != nil {
		return nil, bad
	}
	a := &ask{api: "anthropic", model: in.Model, temperature: in.Temperature, maxTokens: *in.MaxTokens,
		cacheMark: len(in.CacheControl) > 0}
	if bad := in.format(a, opt); bad != nil {
		return nil, bad
	}
	if len(in.System) > 0 {
		var system ask
		if bad := anthropicContent(in.System, b, &system); bad != nil {
			return nil, bad
		}
		a.system, a.cacheMark = joined(system.texts), a.cacheMark || system.cacheMark
	}
	for _, m := range in.Messages {
		switch m.Role {
		case "user":
			if bad := anthropicContent(m.Content, b, a); bad != nil {
				return nil, bad
			}
		case "assistant":
		default:
			return nil, invalidf("", "messages: Unexpected role %q. Allowed roles are \"user\" or \"assistant\".", m.Role)
		}
	}
	return a, nil
}

func (in *anthropicRequest) check(opt *Options) *fault {
	switch {
	case in.Model == "":
		return invalidf("", "model: Field required")
	case opt.Model != "" && in.Model != opt.Model:
		return &fault{status: 404, kind: noModel, message: "model: " + in.Model}
	case in.MaxTokens == nil:
		return invalidf("", "max_tokens: Field required")
	case *in.MaxTokens < 1:
		return invalidf("", "max_tokens: Input should be greater than or equal to 1")
	case len(in.Messages) == 0:
		return invalidf("", "messages: at least one message is required")
	case in.Stream:
		return invalidf("", "judgetest: this stand-in does not stream")
	case in.Temperature != nil && (*in.Temperature < 0 || *in.Temperature > 1):
		return invalidf("", "temperature: range: 0..1")
	case opt.Faults.Reasoning && (in.Temperature != nil && *in.Temperature != 1 || in.TopP != nil):
		return invalidf("", "`temperature` is deprecated for this model.")
	}
	return nil
}

// format reads the schema of the reply, from the output's format or from a forced
// tool.
func (in *anthropicRequest) format(a *ask, opt *Options) *fault {
	if c := in.OutputConfig; c != nil && c.Format != nil {
		switch {
		case opt.Faults.NoSchema:
			return invalidf("", "output_config.format: structured outputs are not supported by this model")
		case c.Format.Type != "json_schema":
			return invalidf("", "output_config.format.type: Input should be 'json_schema'")
		}
		if err := strict(c.Format.Schema, false, anthropicBanned, ""); err != nil {
			return invalidf("", "output_config.format.schema: %v", err)
		}
		a.schema = c.Format.Schema
	}
	if in.ToolChoice == nil || in.ToolChoice.Type != "tool" {
		return nil
	}
	for _, t := range in.Tools {
		if t.Name == in.ToolChoice.Name && len(t.InputSchema) > 0 {
			a.schema, a.asTool = t.InputSchema, t.Name
			return nil
		}
	}
	return invalidf("", "Tool '%s' not found in provided tools", in.ToolChoice.Name)
}

// anthropicContent reads a string or blocks into a.
func anthropicContent(raw json.RawMessage, b body, a *ask) *fault {
	var whole string
	if json.Unmarshal(raw, &whole) == nil {
		a.texts = append(a.texts, string(b.full(whole)))
		return nil
	}
	var blocks []anthropicBlock
	if err := json.Unmarshal(raw, &blocks); err != nil || len(blocks) == 0 {
		return invalidf("", "messages.0.content: Input should be a valid list")
	}
	for i, p := range blocks {
		a.cacheMark = a.cacheMark || len(p.CacheControl) > 0
		switch {
		case p.Type == "text" && p.Text == "":
			return invalidf("", "messages: text content blocks must be non-empty")
		case p.Type == "text":
			a.texts = append(a.texts, string(b.full(p.Text)))
		case p.Type == "image" && p.Source != nil && p.Source.Type == "base64":
			a.pictures = append(a.pictures, sent{p.Source.MediaType, b.full(p.Source.Data)})
		default:
			return invalidf("", "messages.0.content.%d: judgetest: blocks are texts and pictures in base64, not '%s'", i, p.Type)
		}
	}
	return nil
}

func (anthropic) render(a *ask, r reply, use usage, _ *Options, id string) []byte {
	stop := map[finish]string{stopped: "end_turn", cut: "max_tokens", refused: "refusal", filtered: "refusal"}[r.finish]
	content := []any{}
	switch {
	case r.text == "":
	case a.asTool != "" && r.finish == stopped && json.Valid([]byte(r.text)):
		stop = "tool_use"
		content = append(content, map[string]any{"type": "tool_use", "id": "toolu_" + id, "name": a.asTool, "input": json.RawMessage(r.text)})
	case a.asTool != "" && r.finish == cut: // what was complete of the input is lost with its end
		content = append(content, map[string]any{"type": "tool_use", "id": "toolu_" + id, "name": a.asTool, "input": map[string]any{}})
	default:
		content = append(content, map[string]any{"type": "text", "text": r.text})
	}
	out := map[string]any{
		"id": "msg_" + id, "type": "message", "role": "assistant", "model": a.model,
		"content": content, "stop_reason": stop, "stop_sequence": nil,
		"usage": map[string]any{ // input_tokens counts what was not read from the cache; writing to it is not billed here
			"input_tokens": use.in - use.cached, "cache_creation_input_tokens": 0, "cache_read_input_tokens": use.cached,
			"output_tokens": use.out + use.thinking, "service_tier": "standard",
		},
	}
	if stop == "refusal" {
		details := map[string]any{"type": "refusal", "category": nil, "explanation": nil}
		if r.refusal != "" {
			details["explanation"] = r.refusal
		}
		out["stop_details"] = details
	}
	return must(out)
}

func (anthropic) status(k kind) int {
	return map[kind]int{noKey: 401, noModel: 404, limited: 429, noQuota: 400, overloaded: 529}[k]
}

func (anthropic) fail(h http.Header, f fault, wait time.Duration, style string) []byte {
	h.Set("Request-Id", "req_standin")
	typ := map[kind]string{invalid: "invalid_request_error", noKey: "authentication_error", noModel: "not_found_error",
		limited: "rate_limit_error", noQuota: "invalid_request_error", overloaded: "overloaded_error"}[f.kind]
	if f.kind == noQuota {
		f.message = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."
	}
	if f.kind == overloaded && f.status != 529 {
		typ = "api_error"
	}
	e := map[string]any{"type": typ, "message": f.message}
	return must(withRetryInfo(map[string]any{"type": "error", "error": e, "request_id": "req_standin"}, e, wait, style))
}

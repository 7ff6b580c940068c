package judgetest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// openAI is the format of POST /v1/chat/completions.
type openAI struct{}

func (openAI) name() string { return "openai" }

func (openAI) key(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// openAIFields are the parameters of a chat completion.
var openAIFields = strings.Fields(`messages model audio frequency_penalty function_call functions logit_bias logprobs
	max_completion_tokens max_tokens metadata modalities moderation n parallel_tool_calls prediction presence_penalty
	prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed
	service_tier stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options`)

type openAIRequest struct {
	Model    string `json:"model"`
	Messages []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	MaxTokens           *int     `json:"max_tokens"`
	MaxCompletionTokens *int     `json:"max_completion_tokens"`
	Temperature         *float64 `json:"temperature"`
	TopP                *float64 `json:"top_p"`
	LogProbs            *bool    `json:"logprobs"`
	TopLogProbs         *int     `json:"top_logprobs"`
	Seed                *int64   `json:"seed"`
	N                   *int     `json:"n"`
	Stream              bool     `json:"stream"`
	ResponseFormat      *struct {
		Type       string `json:"type"`
		JSONSchema *struct {
			Name   string          `json:"name"`
			Schema json.RawMessage `json:"schema"`
			Strict bool            `json:"strict"`
		} `json:"json_schema"`
	} `json:"response_format"`
}

func (openAI) parse(_ *http.Request, b body, opt *Options) (*ask, *fault) {
	_, bad := fields(b.slim, openAIFields, func(name string) *fault {
		return invalidf(name, "Unrecognized request argument supplied: %s", name)
	})
	if bad != nil {
		return nil, bad
	}
	var r openAIRequest
	if err := json.Unmarshal(b.slim, &r); err != nil {
		return nil, invalidf("", "Invalid request: %v", err)
	}
	if bad := r.check(opt); bad != nil {
		return nil, bad
	}
	a := &ask{api: "openai", model: r.Model, temperature: r.Temperature, seed: r.Seed}
	for _, m := range []*int{r.MaxTokens, r.MaxCompletionTokens} {
		if m != nil {
			a.maxTokens = *m
		}
	}
	if r.LogProbs != nil && *r.LogProbs {
		a.logprobs = true
		if r.TopLogProbs != nil {
			a.top = *r.TopLogProbs
		}
	}
	if f := r.ResponseFormat; f != nil && f.JSONSchema != nil {
		a.schema = f.JSONSchema.Schema
	}
	for _, m := range r.Messages {
		switch m.Role {
		case "system", "developer":
			var none ask
			if bad := openAIContent(m.Content, b, &none); bad != nil {
				return nil, bad
			}
			a.system += joined(none.texts)
		case "user":
			if bad := openAIContent(m.Content, b, a); bad != nil {
				return nil, bad
			}
		case "assistant":
		default:
			return nil, invalidf("messages", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", m.Role)
		}
	}
	return a, nil
}

var schemaName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// check holds the parameters of r against the API and against what opt's server
// cannot do.
func (r *openAIRequest) check(opt *Options) *fault {
	f := &opt.Faults
	asks := r.LogProbs != nil && *r.LogProbs
	most := opt.LogProbs.most()
	switch {
	case r.Model == "":
		return invalidf("model", "you must provide a model parameter")
	case opt.Model != "" && r.Model != opt.Model:
		return &fault{status: 404, kind: noModel, message: "The model `" + r.Model + "` does not exist or you do not have access to it."}
	case len(r.Messages) == 0:
		return invalidf("messages", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	case r.Stream || r.N != nil && *r.N != 1:
		return invalidf("stream", "judgetest: this stand-in neither streams nor gives several choices")
	case r.MaxTokens != nil && r.MaxCompletionTokens != nil:
		return invalidf("max_tokens", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
	case r.MaxTokens != nil && *r.MaxTokens < 1 || r.MaxCompletionTokens != nil && *r.MaxCompletionTokens < 1:
		return invalidf("max_tokens", "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1.")
	case r.Temperature != nil && (*r.Temperature < 0 || *r.Temperature > 2):
		return invalidf("temperature", "Invalid 'temperature': decimal out of range. Expected a value between 0 and 2.")
	case r.TopLogProbs != nil && !asks:
		return invalidf("top_logprobs", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
	case r.TopLogProbs != nil && (*r.TopLogProbs < 0 || *r.TopLogProbs > most):
		return invalidf("top_logprobs", "Invalid value for 'top_logprobs': must be less than or equal to %d.", most)
	case f.Reasoning && r.MaxTokens != nil:
		return invalidf("max_tokens", "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.")
	case f.Reasoning && r.Temperature != nil && *r.Temperature != 1:
		return invalidf("temperature", "Unsupported value: 'temperature' does not support %v with this model. Only the default (1) value is supported.", *r.Temperature)
	case f.Reasoning && r.TopP != nil:
		return invalidf("top_p", "Unsupported parameter: 'top_p' is not supported with this model.")
	case asks && (f.Reasoning || f.RejectLogProbs):
		return invalidf("logprobs", "Unsupported parameter: 'logprobs' is not supported with this model.")
	case r.Seed != nil && f.NoSeed:
		return invalidf("seed", "Unsupported parameter: 'seed' is not supported with this model.")
	}
	return r.checkFormat(f)
}

func (r *openAIRequest) checkFormat(f *Faults) *fault {
	format := r.ResponseFormat
	if format == nil || format.Type == "text" {
		return nil
	}
	if f.NoSchema {
		return invalidf("response_format", "Invalid parameter: 'response_format' of type '%s' is not supported with this model.", format.Type)
	}
	if format.Type != "json_schema" {
		return invalidf("response_format.type", "judgetest: this stand-in knows 'text' and 'json_schema', not '%s'", format.Type)
	}
	j := format.JSONSchema
	switch {
	case j == nil || len(j.Schema) == 0:
		return invalidf("response_format.json_schema", "Missing required parameter: 'response_format.json_schema'.")
	case !schemaName.MatchString(j.Name):
		return invalidf("response_format.json_schema.name", "Invalid 'response_format.json_schema.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$' of at most 64 characters.")
	}
	root, err := parseSchema(j.Schema)
	if err == nil && !root.is("object") {
		return invalidf("response_format", "Invalid schema for response_format '%s': schema must be a JSON Schema of 'type: \"object\"'.", j.Name)
	}
	if err == nil && j.Strict {
		err = strict(j.Schema, true, nil, "")
	}
	if err != nil {
		return invalidf("response_format", "Invalid schema for response_format '%s': %v", j.Name, err)
	}
	return nil
}

// openAIContent reads a message's content into a.
func openAIContent(raw json.RawMessage, b body, a *ask) *fault {
	var whole string
	if json.Unmarshal(raw, &whole) == nil {
		a.texts = append(a.texts, string(b.full(whole)))
		return nil
	}
	var parts []struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		ImageURL *struct {
			URL    string `json:"url"`
			Detail string `json:"detail"`
		} `json:"image_url"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil || len(parts) == 0 {
		return invalidf("messages", "Invalid type for 'messages[0].content': expected a string or an array of content parts.")
	}
	for _, p := range parts {
		switch {
		case p.Type == "text":
			a.texts = append(a.texts, string(b.full(p.Text)))
		case p.Type == "image_url" && p.ImageURL != nil:
			head, data, ok := bytes.Cut(b.full(p.ImageURL.URL), []byte(";base64,"))
			mime, isData := bytes.CutPrefix(head, []byte("data:"))
			if !ok || !isData {
				return invalidf("messages", "judgetest: pictures come as data URLs in base64; nothing is fetched")
			}
			a.pictures = append(a.pictures, sent{string(mime), data})
		default:
			return invalidf("messages", "Invalid value: '%s'. Supported values are: 'text' and 'image_url'.", p.Type)
		}
	}
	return nil
}

type openAIToken struct {
	Token   string             `json:"token"`
	LogProb *float64           `json:"logprob,omitempty"`
	Bytes   []int              `json:"bytes"`
	Top     *[]openAIAlternate `json:"top_logprobs,omitempty"`
}

type openAIAlternate struct {
	Token   string   `json:"token"`
	LogProb *float64 `json:"logprob,omitempty"`
	Bytes   []int    `json:"bytes"`
}

func (l LogProbs) byteList(s string) []int {
	if l.NoBytes {
		return nil
	}
	out := make([]int, len(s))
	for i := range len(s) {
		out[i] = int(s[i])
	}
	return out
}

// openAITokens are the log-probabilities of a reply.
func openAITokens(r reply, n int, l LogProbs) []openAIToken {
	out := []openAIToken{}
	if l.NoTokens {
		return out
	}
	for _, t := range r.tokens {
		top := []openAIAlternate{}
		for _, a := range l.list(t, n) {
			alt := openAIAlternate{Token: a.text, Bytes: l.byteList(a.text)}
			if !a.omit {
				alt.LogProb = &a.logprob
			}
			top = append(top, alt)
		}
		out = append(out, openAIToken{Token: t.text, LogProb: &t.logprob, Bytes: l.byteList(t.text), Top: &top})
	}
	return out
}

func (openAI) render(a *ask, r reply, use usage, opt *Options, id string) []byte {
	finish := map[finish]string{stopped: "stop", cut: "length", refused: "stop", filtered: "content_filter"}[r.finish]
	message := map[string]any{"role": "assistant", "content": r.text, "refusal": nil, "annotations": []any{}}
	if r.finish == refused {
		message["content"], message["refusal"] = nil, r.refusal
	}
	if r.finish == filtered {
		message["content"] = nil
	}
	var probs any
	if a.logprobs && !opt.Faults.NoLogProbs {
		probs = map[string]any{"content": openAITokens(r, a.top, opt.LogProbs), "refusal": nil}
	}
	return must(map[string]any{
		"id": "chatcmpl-" + id, "object": "chat.completion", "created": created, "model": a.model,
		"choices":      []any{map[string]any{"index": 0, "message": message, "logprobs": probs, "finish_reason": finish}},
		"service_tier": "default", "system_fingerprint": "fp_standin",
		"usage": map[string]any{
			"prompt_tokens": use.in, "completion_tokens": use.out + use.thinking, "total_tokens": use.in + use.out + use.thinking,
			"prompt_tokens_details": map[string]any{"cached_tokens": use.cached, "audio_tokens": 0},
			"completion_tokens_details": map[string]any{"reasoning_tokens": use.thinking, "audio_tokens": 0,
				"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
		},
	})
}

func (openAI) status(k kind) int {
	return map[kind]int{noKey: 401, noModel: 404, limited: 429, noQuota: 429, overloaded: 503}[k]
}

func (openAI) fail(h http.Header, f fault, wait time.Duration, style string) []byte {
	h.Set("X-Request-Id", "req_standin")
	typ, code := "invalid_request_error", any(nil)
	switch f.kind {
	case noKey:
		code = "invalid_api_key"
	case noModel:
		code = "model_not_found"
	case limited:
		typ, code = "requests", "rate_limit_exceeded"
	case noQuota:
		typ, code = "insufficient_quota", "insufficient_quota"
	case overloaded:
		typ = "server_error"
	}
	var param any
	if f.param != "" {
		param = f.param
	}
	e := map[string]any{"message": f.message, "type": typ, "param": param, "code": code}
	return must(withRetryInfo(map[string]any{"error": e}, e, wait, style))
}

// withRetryInfo adds to body Google's way of saying how long to wait, if that is
// the style.
func withRetryInfo(body, e map[string]any, wait time.Duration, style string) map[string]any {
	if style == "google" && wait > 0 {
		e["details"] = []any{map[string]any{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": seconds(wait)}}
	}
	return body
}

// must is v as JSON; v is made of what JSON can say.
func must(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("judgetest: " + err.Error())
	}
	return b
}

package judgetest

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// google is the format of POST /v1beta/models/MODEL:generateContent.
type google struct{}

func (google) name() string { return "google" }

func (google) key(r *http.Request) string {
	if k := r.Header.Get("X-Goog-Api-Key"); k != "" {
		return k
	}
	return r.URL.Query().Get("key")
}

// googleFields and googleConfig are the parameters of a request and of its
// generation.
var (
	googleFields = strings.Fields(`model contents systemInstruction system_instruction generationConfig generation_config
		safetySettings safety_settings tools toolConfig tool_config cachedContent cached_content labels serviceTier store`)
	googleConfig = strings.Fields(`stopSequences responseMimeType responseSchema responseJsonSchema responseModalities candidateCount
		maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty responseLogprobs logprobs
		enableEnhancedCivicAnswers speechConfig thinkingConfig mediaResolution audioTimestamp imageConfig`)
)

type googleContent struct {
	Role  string `json:"role"`
	Parts []struct {
		Text       string `json:"text"`
		InlineData *struct {
			MIME string `json:"mimeType"`
			Data string `json:"data"`
		} `json:"inlineData"`
	} `json:"parts"`
}

type googleRequest struct {
	Contents         []googleContent `json:"contents"`
	System           *googleContent  `json:"systemInstruction"`
	GenerationConfig json.RawMessage `json:"generationConfig"`
}

type googleGeneration struct {
	MIME             string          `json:"responseMimeType"`
	Schema           json.RawMessage `json:"responseSchema"`
	JSONSchema       json.RawMessage `json:"responseJsonSchema"`
	Candidates       int             `json:"candidateCount"`
	MaxOutputTokens  int             `json:"maxOutputTokens"`
	Temperature      *float64        `json:"temperature"`
	Seed             *int64          `json:"seed"`
	ResponseLogProbs bool            `json:"responseLogprobs"`
	LogProbs         *int            `json:"logprobs"`
}

func (google) parse(r *http.Request, b body, opt *Options) (*ask, *fault) {
	model, verb, _ := strings.Cut(r.PathValue("call"), ":")
	if verb != "generateContent" {
		return nil, invalidf("", "judgetest: this stand-in generates content only, not %q", verb)
	}
	if opt.Model != "" && model != opt.Model {
		return nil, &fault{status: 404, kind: noModel, message: "models/" + model + " is not found for API version " + r.PathValue("version") + ", or is not supported for generateContent."}
	}
	unknown := func(name string) *fault {
		return invalidf("", "Invalid JSON payload received. Unknown name \"%s\": Cannot find field.", name)
	}
	if _, bad := fields(b.slim, googleFields, unknown); bad != nil {
		return nil, bad
	}
	var in googleRequest
	if err := json.Unmarshal(b.slim, &in); err != nil {
		return nil, invalidf("", "Invalid JSON payload received: %v", err)
	}
	if len(in.Contents) == 0 {
		return nil, invalidf("", "* GenerateContentRequest.contents: contents is not specified")
	}
	a := &ask{api: "google", model: model}
	if len(in.GenerationConfig) > 0 {
		if _, bad := fields(in.GenerationConfig, googleConfig, func(name string) *fault {
			return invalidf("", "Invalid JSON payload received. Unknown name \"%s\" at 'generation_config': Cannot find field.", name)
		}); bad != nil {
			return nil, bad
		}
		var g googleGeneration
		if err := json.Unmarshal(in.GenerationConfig, &g); err != nil {
			return nil, invalidf("", "Invalid value at 'generation_config': %v", err)
		}
		if bad := g.read(a, opt); bad != nil {
			return nil, bad
		}
	}
	if in.System != nil {
		for _, p := range in.System.Parts {
			a.system += string(b.full(p.Text))
		}
	}
	return a, googleParts(in.Contents, b, a)
}

// googleParts reads what the user said into a.
func googleParts(contents []googleContent, b body, a *ask) *fault {
	for _, c := range contents {
		switch c.Role {
		case "user", "":
		case "model":
			continue
		default:
			return invalidf("", "Please use a valid role: user, model.")
		}
		for _, p := range c.Parts {
			switch {
			case p.InlineData != nil:
				a.pictures = append(a.pictures, sent{p.InlineData.MIME, b.full(p.InlineData.Data)})
			case p.Text != "":
				a.texts = append(a.texts, string(b.full(p.Text)))
			default:
				return invalidf("", "Unable to submit request because it must have a text parameter or a picture as inline data.")
			}
		}
	}
	return nil
}

// read checks g and enters it into a.
func (g *googleGeneration) read(a *ask, opt *Options) *fault {
	f := &opt.Faults
	schema := g.Schema
	if len(g.JSONSchema) > 0 {
		schema = g.JSONSchema
	}
	most := opt.LogProbs.most()
	switch {
	case g.Candidates > 1:
		return invalidf("", "judgetest: this stand-in gives one candidate")
	case g.LogProbs != nil && !g.ResponseLogProbs:
		return invalidf("", "Logprobs can only be set when responseLogprobs is true.")
	case g.LogProbs != nil && (*g.LogProbs < 0 || *g.LogProbs > most):
		return invalidf("", "Invalid value of logprobs: must be in the range [0, %d].", most)
	case g.ResponseLogProbs && (f.RejectLogProbs || f.Reasoning):
		return invalidf("", "Logprobs is not enabled for models/%s", a.model)
	case g.Temperature != nil && (*g.Temperature < 0 || *g.Temperature > 2):
		return invalidf("", "Invalid value of temperature: must be in the range [0.0, 2.0].")
	case g.Seed != nil && f.NoSeed:
		return invalidf("", "Seed is not supported for models/%s", a.model)
	case len(schema) > 0 && f.NoSchema:
		return invalidf("", "JSON mode is not enabled for models/%s", a.model)
	case len(schema) > 0 && g.MIME != "application/json":
		return invalidf("", "Function calling config or response schema is set with response_mime_type '%s'; it must be application/json.", g.MIME)
	}
	a.schema, a.maxTokens, a.temperature, a.seed = schema, g.MaxOutputTokens, g.Temperature, g.Seed
	if a.logprobs = g.ResponseLogProbs; a.logprobs && g.LogProbs != nil {
		a.top = *g.LogProbs
	}
	return nil
}

type googleToken struct {
	Token   string   `json:"token"`
	ID      int      `json:"tokenId"`
	LogProb *float64 `json:"logProbability,omitempty"`
}

// googleProbs are the log-probabilities of a reply, and the average of those chosen.
func googleProbs(r reply, n int, l LogProbs) (map[string]any, float64) {
	chosen, tops, sum := []googleToken{}, []any{}, 0.0
	for _, t := range r.tokens {
		chosen = append(chosen, googleToken{t.text, tokenID(t.text), &t.logprob})
		sum += t.logprob
		top := []googleToken{}
		for _, a := range l.list(t, n) {
			g := googleToken{Token: a.text, ID: tokenID(a.text)}
			if !a.omit {
				g.LogProb = &a.logprob
			}
			top = append(top, g)
		}
		tops = append(tops, map[string]any{"candidates": top})
	}
	out := map[string]any{"chosenCandidates": chosen}
	if n > 0 {
		out["topCandidates"] = tops
	}
	return out, sum / float64(max(1, len(r.tokens)))
}

func tokenID(s string) int { return int(Draw(0, "token", s) * 250000) }

func (google) render(a *ask, r reply, use usage, opt *Options, id string) []byte {
	finish := map[finish]string{stopped: "STOP", cut: "MAX_TOKENS", refused: "SAFETY", filtered: "SAFETY"}[r.finish]
	meta := map[string]any{"promptTokenCount": use.in, "totalTokenCount": use.in + use.out + use.thinking,
		"promptTokensDetails": []any{map[string]any{"modality": "TEXT", "tokenCount": use.in}}}
	if use.out > 0 {
		meta["candidatesTokenCount"] = use.out
	}
	if use.thinking > 0 {
		meta["thoughtsTokenCount"] = use.thinking
	}
	if use.cached > 0 {
		meta["cachedContentTokenCount"] = use.cached
	}
	out := map[string]any{"usageMetadata": meta, "modelVersion": a.model, "responseId": id}
	if r.finish == refused { // the prompt is blocked: no candidate at all
		out["promptFeedback"] = map[string]any{"blockReason": "SAFETY", "blockReasonMessage": r.refusal}
		return must(out)
	}
	candidate := map[string]any{"finishReason": finish, "index": 0}
	if r.text != "" {
		candidate["content"] = map[string]any{"role": "model", "parts": []any{map[string]any{"text": r.text}}}
	} else if r.finish != filtered {
		candidate["content"] = map[string]any{"role": "model"}
	}
	if a.logprobs && !opt.Faults.NoLogProbs && len(r.tokens) > 0 {
		probs, mean := googleProbs(r, a.top, opt.LogProbs)
		if !opt.LogProbs.NoTokens {
			candidate["logprobsResult"] = probs
		}
		candidate["avgLogprobs"] = mean
	}
	out["candidates"] = []any{candidate}
	return must(out)
}

func (google) status(k kind) int {
	return map[kind]int{noKey: 400, noModel: 404, limited: 429, noQuota: 429, overloaded: 503}[k]
}

func (google) fail(h http.Header, f fault, wait time.Duration, style string) []byte {
	h.Set("Content-Type", "application/json; charset=UTF-8")
	status := map[kind]string{invalid: "INVALID_ARGUMENT", noKey: "INVALID_ARGUMENT", noModel: "NOT_FOUND",
		limited: "RESOURCE_EXHAUSTED", noQuota: "RESOURCE_EXHAUSTED", overloaded: "UNAVAILABLE"}[f.kind]
	if f.kind == overloaded && f.status != 503 {
		status = "INTERNAL"
	}
	e := map[string]any{"code": f.status, "message": f.message, "status": status}
	switch {
	case f.kind == noKey:
		e["message"] = "API key not valid. Please pass a valid API key."
		e["details"] = []any{map[string]any{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}}
	case f.kind == noQuota: // a daily limit: the violation names it, and no delay is given
		e["details"] = []any{map[string]any{"@type": "type.googleapis.com/google.rpc.QuotaFailure",
			"violations": []any{map[string]any{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "0"}}}}
	}
	return must(withRetryInfo(map[string]any{"error": e}, e, wait, style))
}

// seconds is d as protobuf's JSON writes a duration.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(math.Ceil(d.Seconds()*1000)/1000, 'f', -1, 64) + "s"
}

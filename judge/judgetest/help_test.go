package judgetest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
	"google.golang.org/genai"

	"github.com/gen-emerge/assay/judge/judgetest"
)

// picture is a scene of coloured discs on a gradient, different for every seed.
func picture(seed uint64, w, h int) *image.NRGBA {
	r := rand.New(rand.NewPCG(seed, 7))
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	base := [3]float64{r.Float64() * 255, r.Float64() * 255, r.Float64() * 255}
	var discs [6]struct {
		x, y, r float64
		c       [3]float64
	}
	for i := range discs {
		discs[i].x, discs[i].y, discs[i].r = r.Float64(), r.Float64(), 0.08+0.2*r.Float64()
		discs[i].c = [3]float64{r.Float64() * 255, r.Float64() * 255, r.Float64() * 255}
	}
	for y := range h {
		for x := range w {
			u, v := float64(x)/float64(w), float64(y)/float64(h)
			c := [3]float64{base[0] * u, base[1] * v, base[2] * (1 - u)}
			for _, d := range discs {
				if math.Hypot(u-d.x, v-d.y) < d.r {
					c = d.c
				}
			}
			grain := 12 * math.Sin(float64(x)*1.3) * math.Sin(float64(y)*1.7)
			at := img.Pix[img.PixOffset(x, y):]
			for i := range 3 {
				at[i] = uint8(min(255, max(0, c[i]+grain)))
			}
			at[3] = 255
		}
	}
	return img
}

func plain(c color.Color, w, h int) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, c)
		}
	}
	return img
}

func asPNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asJPEG(t testing.TB, img image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A prompt is one request, the same for each SDK.
type prompt struct {
	pictures [][]byte
	text     string
	system   string
	schema   string
	asTool   bool // Anthropic
	probs    int  // alternatives; 0 asks for none
	max      int
	temp     *float64
	seed     *int64
	key      string // Idempotency-Key
	secret   string // API key
	mark     bool   // Anthropic: cache_control on the last picture
}

// A told is what an SDK made of the reply.
type told struct {
	text, finish, refusal string
	top                   [][]openaiAlt
	chosen                []float64
	hasProbs              bool
	in, out, cached       int64
	raw                   string
}

type openaiAlt struct {
	token   string
	logprob float64
	set     bool
}

// A failure is an API error as an SDK reports it.
type failure struct {
	status     int
	kind, text string
	retryAfter string
	header     func(string) string
}

func (f *failure) Error() string { return f.kind + ": " + f.text }

var apis = []string{"openai", "anthropic", "google"}

// tell puts p to a server through an official SDK.
func tell(t testing.TB, s *judgetest.Server, api string, p prompt) (told, error) {
	t.Helper()
	if p.max == 0 {
		p.max = 200
	}
	if p.secret == "" {
		p.secret = "secret"
	}
	switch api {
	case "openai":
		return tellOpenAI(s, p)
	case "anthropic":
		return tellAnthropic(s, p)
	}
	return tellGoogle(s, p)
}

// mime is what a picture is.
func mime(data []byte) string {
	if bytes.HasPrefix(data, []byte{0xff, 0xd8}) {
		return "image/jpeg"
	}
	return "image/png"
}

func tellOpenAI(s *judgetest.Server, p prompt) (told, error) {
	opts := []openaioption.RequestOption{openaioption.WithBaseURL(s.URL("openai")), openaioption.WithAPIKey(p.secret), openaioption.WithMaxRetries(0)}
	if p.key != "" {
		opts = append(opts, openaioption.WithHeader("Idempotency-Key", p.key))
	}
	client := openai.NewClient(opts...)
	var parts []openai.ChatCompletionContentPartUnionParam
	for _, data := range p.pictures {
		parts = append(parts, openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{
			URL: "data:" + mime(data) + ";base64," + base64.StdEncoding.EncodeToString(data), Detail: "high"}))
	}
	parts = append(parts, openai.TextContentPart(p.text))
	in := openai.ChatCompletionNewParams{Model: "stand-in", MaxCompletionTokens: openai.Int(int64(p.max))}
	if p.system != "" {
		in.Messages = append(in.Messages, openai.SystemMessage(p.system))
	}
	in.Messages = append(in.Messages, openai.UserMessage(parts))
	if p.probs > 0 {
		in.Logprobs, in.TopLogprobs = openai.Bool(true), openai.Int(int64(p.probs))
	}
	if p.temp != nil {
		in.Temperature = openai.Float(*p.temp)
	}
	if p.seed != nil {
		in.Seed = openai.Int(*p.seed)
	}
	if p.schema != "" {
		in.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
			Name: "answers", Strict: openai.Bool(true), Schema: json.RawMessage(p.schema)}}
	}
	r, err := client.Chat.Completions.New(context.Background(), in)
	if err != nil {
		var e *openai.Error
		if errors.As(err, &e) {
			return told{}, &failure{e.StatusCode, e.Type, e.Message, e.Response.Header.Get("Retry-After"), e.Response.Header.Get}
		}
		return told{}, err
	}
	if len(r.Choices) != 1 {
		return told{raw: r.RawJSON()}, errors.New("no choice in " + r.RawJSON())
	}
	c := r.Choices[0]
	out := told{text: c.Message.Content, finish: c.FinishReason, refusal: c.Message.Refusal, in: r.Usage.PromptTokens,
		out: r.Usage.CompletionTokens, cached: r.Usage.PromptTokensDetails.CachedTokens, hasProbs: c.JSON.Logprobs.Valid(), raw: r.RawJSON()}
	for _, tok := range c.Logprobs.Content {
		out.chosen = append(out.chosen, tok.Logprob)
		var top []openaiAlt
		for _, a := range tok.TopLogprobs {
			top = append(top, openaiAlt{a.Token, a.Logprob, a.JSON.Logprob.Valid()})
		}
		out.top = append(out.top, top)
	}
	return out, nil
}

func tellAnthropic(s *judgetest.Server, p prompt) (told, error) {
	opts := []anthropicoption.RequestOption{anthropicoption.WithBaseURL(s.URL("anthropic")), anthropicoption.WithAPIKey(p.secret), anthropicoption.WithMaxRetries(0)}
	if p.key != "" {
		opts = append(opts, anthropicoption.WithHeader("Idempotency-Key", p.key))
	}
	client := anthropic.NewClient(opts...)
	var parts []anthropic.ContentBlockParamUnion
	for i, data := range p.pictures {
		block := anthropic.NewImageBlockBase64(mime(data), base64.StdEncoding.EncodeToString(data))
		if p.mark && i == len(p.pictures)-1 {
			block.OfImage.CacheControl = anthropic.NewCacheControlEphemeralParam()
		}
		parts = append(parts, block)
	}
	parts = append(parts, anthropic.NewTextBlock(p.text))
	in := anthropic.MessageNewParams{Model: "stand-in", MaxTokens: int64(p.max), Messages: []anthropic.MessageParam{anthropic.NewUserMessage(parts...)}}
	if p.system != "" {
		in.System = []anthropic.TextBlockParam{{Text: p.system}}
	}
	if p.temp != nil {
		in.Temperature = anthropic.Float(*p.temp)
	}
	if p.schema != "" {
		var schema map[string]any
		if err := json.Unmarshal([]byte(p.schema), &schema); err != nil {
			return told{}, err
		}
		if p.asTool {
			in.Tools = []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{Name: "answers", InputSchema: anthropic.ToolInputSchemaParam{Properties: schema["properties"]}}}}
			in.ToolChoice = anthropic.ToolChoiceParamOfTool("answers")
		} else {
			in.OutputConfig = anthropic.OutputConfigParam{Format: anthropic.JSONOutputFormatParam{Schema: schema}}
		}
	}
	r, err := client.Messages.New(context.Background(), in)
	if err != nil {
		var e *anthropic.Error
		if errors.As(err, &e) {
			return told{}, &failure{e.StatusCode, string(e.Type()), e.RawJSON(), e.Response.Header.Get("Retry-After"), e.Response.Header.Get}
		}
		return told{}, err
	}
	out := told{finish: string(r.StopReason), refusal: r.StopDetails.Explanation, in: r.Usage.InputTokens + r.Usage.CacheReadInputTokens,
		out: r.Usage.OutputTokens, cached: r.Usage.CacheReadInputTokens, raw: r.RawJSON()}
	for _, b := range r.Content {
		switch v := b.AsAny().(type) {
		case anthropic.TextBlock:
			out.text += v.Text
		case anthropic.ToolUseBlock:
			out.text += string(v.Input)
		}
	}
	return out, nil
}

func tellGoogle(s *judgetest.Server, p prompt) (told, error) {
	ctx := context.Background()
	http := genai.HTTPOptions{BaseURL: s.URL("google")}
	if p.key != "" {
		http.Headers = map[string][]string{"Idempotency-Key": {p.key}}
	}
	client, err := genai.NewClient(ctx, &genai.ClientConfig{APIKey: p.secret, Backend: genai.BackendGeminiAPI, HTTPOptions: http})
	if err != nil {
		return told{}, err
	}
	var parts []*genai.Part
	for _, data := range p.pictures {
		parts = append(parts, genai.NewPartFromBytes(data, mime(data)))
	}
	parts = append(parts, genai.NewPartFromText(p.text))
	in := &genai.GenerateContentConfig{MaxOutputTokens: int32(p.max)}
	if p.system != "" {
		in.SystemInstruction = genai.NewContentFromText(p.system, genai.RoleUser)
	}
	if p.probs > 0 {
		n := int32(p.probs)
		in.ResponseLogprobs, in.Logprobs = true, &n
	}
	if p.temp != nil {
		in.Temperature = genai.Ptr(float32(*p.temp))
	}
	if p.seed != nil {
		in.Seed = genai.Ptr(int32(*p.seed))
	}
	if p.schema != "" {
		in.ResponseMIMEType, in.ResponseJsonSchema = "application/json", json.RawMessage(p.schema)
	}
	r, err := client.Models.GenerateContent(ctx, "stand-in", []*genai.Content{genai.NewContentFromParts(parts, genai.RoleUser)}, in)
	if err != nil {
		var e genai.APIError
		if errors.As(err, &e) {
			details, _ := json.Marshal(e.Details)
			return told{}, &failure{status: e.Code, kind: e.Status, text: e.Message + string(details)}
		}
		return told{}, err
	}
	raw, _ := json.Marshal(r)
	out := told{raw: string(raw)}
	if u := r.UsageMetadata; u != nil {
		out.in, out.out, out.cached = int64(u.PromptTokenCount), int64(u.CandidatesTokenCount+u.ThoughtsTokenCount), int64(u.CachedContentTokenCount)
	}
	if r.PromptFeedback != nil {
		out.finish, out.refusal = string(r.PromptFeedback.BlockReason), r.PromptFeedback.BlockReasonMessage
	}
	if len(r.Candidates) == 0 {
		return out, nil
	}
	c := r.Candidates[0]
	out.finish = string(c.FinishReason)
	if c.Content != nil {
		out.text = r.Text()
	}
	if l := c.LogprobsResult; l != nil {
		out.hasProbs = true
		for _, tok := range l.ChosenCandidates {
			out.chosen = append(out.chosen, float64(tok.LogProbability))
		}
		for _, pos := range l.TopCandidates {
			var top []openaiAlt
			for _, a := range pos.Candidates {
				top = append(top, openaiAlt{a.Token, float64(a.LogProbability), a.LogProbability != 0})
			}
			out.top = append(out.top, top)
		}
	}
	return out, nil
}

// mass is the probability of a word at the first position, and of all listed.
func (o told) mass(word string) (p, all float64) {
	if len(o.top) == 0 {
		return 0, 0
	}
	for _, a := range o.top[0] {
		if !a.set || a.logprob <= -9000 {
			continue
		}
		all += math.Exp(a.logprob)
		if strings.EqualFold(strings.TrimSpace(a.token), word) {
			p += math.Exp(a.logprob)
		}
	}
	return p, all
}

package vlm

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

func TestReadConfigs(t *testing.T) {
	got, err := ReadConfigs("judges.yaml", []byte(`# key: sk-in-a-comment is nobody's
judges:
  - name: local
    api: openai
    url: http://localhost:8000/v1/
    model: Qwen/Qwen2.5-VL-7B-Instruct
    key-env: MY_KEY
    price: {in: 0.15, cached: 0.075, out: 0.60}
    concurrency: 8
    timeout: 60s
    limits: {long-edge: 1024, bytes: 1000000}
    extra:
      chat_template_kwargs: {enable_thinking: false}
  - name: claude
    api: anthropic
    model: claude-sonnet-4-5
    key-file: ~/.keys/anthropic
    family: anthropic
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Config{
		{Name: "local", API: "openai", BaseURL: "http://localhost:8000/v1/", Model: "Qwen/Qwen2.5-VL-7B-Instruct", KeyEnv: "MY_KEY",
			Price: Price{In: 0.15, Cached: 0.075, Out: 0.6}, Concurrency: 8, Timeout: time.Minute, Limits: Limits{LongEdge: 1024, Bytes: 1000000},
			Extra: map[string]any{"chat_template_kwargs": map[string]any{"enable_thinking": false}}},
		{Name: "claude", API: "anthropic", Model: "claude-sonnet-4-5", KeyFile: "~/.keys/anthropic", Family: "anthropic"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, empty := range []string{"", "judges:\n", "judges: []\n", "# nothing\n"} {
		if got, err := ReadConfigs("f", []byte(empty)); err != nil || len(got) != 0 {
			t.Errorf("%q: %v, %v", empty, got, err)
		}
	}
}

func TestReadConfigsRefuses(t *testing.T) {
	const secret = "verysecret42"
	row := "judges:\n  - {name: a, api: openai, model: m, "
	for _, test := range []struct{ text, says string }{
		{row + "colour: red}", "colour"},
		{"judge: []", "judge"},
		{row + "key: " + secret + "}", "key-env"},
		{"judges:\n  - name: a\n    key: " + secret, "line 3"},
		{"judges:\n  - key: " + secret, "line 2"},
		{"judges:\n  - name: a\n    api_key: '" + secret + "'", "key-file"},
		{"judges:\n  - name: a\n    \"api-key\": " + secret, "secret"},
		{"judges:\n  - name: a\n    token: " + secret, "secret"},
		{"judges:\n  - name: a\n    extra: {headers: {Authorization: Bearer " + secret + "}}", "secret"},
		{row + "key-env: sk-" + secret + "}", "looks like a key"},
		{row + "key-env: " + secret + "-" + secret + "}", "not the name"},
		{row + "url: 'http://me:" + secret + "@h/v1'}", "password"},
		{row + "url: 'http://h/v1?key=" + secret + "'}", "query"},
		{row + "url: 'http://h:" + secret + "/'}", "cannot be parsed"},
		{"judges:\n  - name: a\n    key: " + secret + "\n  broken: [", "secret"},
		{row + "url: 'ftp://h/'}", "ftp://h/"},
		{row + "timeout: 60}", "60s"},
		{row + "timeout: -1s}", "-1s"},
		{row + "concurrency: -1}", "below zero"},
		{row + "price: {in: -1}}", "price"},
		{row + "price: {in: .nan}}", "price"},
		{row + "extra: {messages: []}}", "messages"},
		{row + "key-env: A, key-file: B}", "both"},
		{"judges:\n  - {name: a, api: cohere, model: m}", "cohere"},
		{"judges:\n  - {name: a, api: openai}", "model is missing"},
		{"judges:\n  - {api: openai, model: m}", "name is missing"},
		{"judges:\n  - {name: a, api: openai, model: m}\n  - {name: a, api: google, model: m}", "names must differ"},
		{"judges: 3", "f:"},
		{"judges: [", "f:"},
	} {
		got, err := ReadConfigs("f", []byte(test.text))
		if !errors.Is(err, assay.ErrInvalid) || got != nil {
			t.Errorf("%s: %v, %v", test.text, got, err)
			continue
		}
		if !strings.Contains(err.Error(), test.says) || !strings.HasPrefix(err.Error(), "f: ") {
			t.Errorf("%s: %q does not say %q", test.text, err, test.says)
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error repeats the secret: %v", test.text, err)
		}
	}
}

func FuzzReadConfigs(f *testing.F) {
	f.Add("judges:\n  - {name: a, api: openai, model: m, url: 'http://h', timeout: 1s}")
	f.Add("judges:\n  - name: a\n    key: sk-123456789\n")
	f.Add("judges: [{extra: {a: &x {b: *x}}}]")
	f.Fuzz(func(t *testing.T, text string) {
		configs, err := ReadConfigs("f", []byte(text))
		if err != nil && (!errors.Is(err, assay.ErrInvalid) || configs != nil) {
			t.Errorf("%v, %v", configs, err)
		}
		for _, c := range configs {
			c.KeyEnv, c.KeyFile = "K", ""
			if client, err := Dial(c, func(string) string { return "k" }, nil); err != nil {
				t.Errorf("%+v was read and cannot be dialled: %v", c, err)
			} else if _, err := ReadConfigs("f", []byte(text)); err != nil || client.Judge().Name != c.Name {
				t.Errorf("%+v: %v", c, err)
			}
		}
	})
}

func TestFamily(t *testing.T) {
	for want, names := range map[string][]string{
		"openai":      {"gpt-4o", "GPT-4.1-mini", "openai/gpt-5", "chatgpt-4o-latest", "dall-e-3", "DALL·E 2", "dalle3", "gpt-image-1", "o4-mini", "o3"},
		"anthropic":   {"claude-sonnet-4-5", "anthropic/claude-3.5-haiku", "us.anthropic.claude-opus-4-1-v1:0"},
		"google":      {"gemini-2.5-flash", "models/gemini-2.0-flash-001", "imagen-4.0-generate-001", "google/gemma-3-27b-it", "paligemma2"},
		"qwen":        {"Qwen/Qwen2.5-VL-7B-Instruct", "qwen2.5vl:7b", "qwen3-vl", "Qwen-Image", "QwQ-32B"},
		"llava":       {"llava:13b", "llava-hf/llava-v1.6-mistral-7b-hf", "bakllava"},
		"internvl":    {"OpenGVLab/InternVL3-8B", "internvl2_5"},
		"mistral":     {"mistralai/Pixtral-12B-2409", "pixtral-large-latest", "mistral-small3.1", "Ministral-8B"},
		"meta":        {"llama3.2-vision", "meta-llama/Llama-3.2-11B-Vision-Instruct"},
		"blackforest": {"flux1-dev.safetensors", "FLUX.1-schnell", "black-forest-labs/FLUX.1-Kontext-dev", "flux"},
		"stability": {"sd_xl_base_1.0.safetensors", "SDXL", "sdxl-turbo", "stable diffusion 1.5", "stabilityai/stable-diffusion-3.5-large", "sd15", "sd1.5",
			"v1-5-stable_diffusion.ckpt", "realvisxl_v40", "ponyDiffusionV6", "sd3.5"},
		"midjourney": {"midjourney v6", "Midjourney", "niji 6", "mj"},
		"deepseek":   {"deepseek-vl2", "Janus-Pro-7B"},
		"zhipu":      {"cogvlm2-llama3-chat-19B", "glm-4.5v", "VisionReward-Image"},
		"openbmb":    {"minicpm-v:8b"},
		"xai":        {"grok-2-vision-1212"},
		"ideogram":   {"ideogram-v3"},
		"allenai":    {"Molmo-7B-D-0924"},
		"":           {"", "my-finetune", "museum-model", "model", "photograph", "solo3", "checkpoint.safetensors", "deeper"},
	} {
		for _, name := range names {
			if got := Family(name); got != want {
				t.Errorf("%q: %q, want %q", name, got, want)
			}
		}
	}
}

package judgetest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image/color"
	"image/png"
	"math"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/gen-emerge/assay/judge/judgetest"
)

// A judge that sees whether a cat is in the picture, asked with the official
// client; every second request is turned away.
func Example() {
	s := judgetest.New(judgetest.Options{
		Seed: 1,
		Rules: judgetest.ContentAware(judgetest.Content{
			Yes: func(q judgetest.Query) (yes, known bool) {
				return q.Name(0) == "cat", strings.Contains(q.Question, "a cat")
			},
			Strength: 8,
		}),
		Faults: judgetest.Faults{RateLimit: judgetest.RateLimit{Every: 2}},
	})
	defer s.Close()
	var file bytes.Buffer
	cat := judgetest.Painted(plain(color.NRGBA{90, 120, 60, 255}, 64, 64), "cat")
	if err := png.Encode(&file, cat); err != nil {
		fmt.Println(err)
		return
	}
	if err := s.Register("cat", file.Bytes()); err != nil {
		fmt.Println(err)
		return
	}

	client := openai.NewClient(option.WithBaseURL(s.URL("openai")), option.WithAPIKey("any"), option.WithMaxRetries(0))
	ask := func(key string) {
		r, err := client.Chat.Completions.New(context.Background(), openai.ChatCompletionNewParams{
			Model: "stand-in",
			Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
				openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{
					URL: "data:image/png;base64," + base64.StdEncoding.EncodeToString(file.Bytes())}),
				openai.TextContentPart("Is there a cat?\nAnswer with one word: yes, no or unsure."),
			})},
			Logprobs: openai.Bool(true), TopLogprobs: openai.Int(5),
		}, option.WithHeader("Idempotency-Key", key))
		if err != nil {
			fmt.Println("refused")
			return
		}
		top := r.Choices[0].Logprobs.Content[0].TopLogprobs[0]
		fmt.Printf("%s; first alternative %q %.2f\n", r.Choices[0].Message.Content, top.Token, math.Exp(top.Logprob))
	}
	ask("a")
	ask("b")
	ask("b")
	for _, p := range s.Ledger() {
		fmt.Println(p.Key, p.Pictures, p.Question, "paid", p.Times, "refused", p.Refused)
	}
	// Output:
	// Yes; first alternative "Yes" 0.76
	// refused
	// Yes; first alternative "Yes" 0.76
	// a [cat] Is there a cat? paid 1 refused 0
	// b [cat] Is there a cat? paid 1 refused 1
}

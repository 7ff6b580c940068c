package token

import (
	"strings"
	"testing"
)

func BenchmarkEncode(b *testing.B) {
	c := clip(b)
	prompt := "a massive deactivated robot covered in moss in a forest clearing, concept art, trending on artstation. "
	for _, test := range []struct{ name, text string }{
		{"prompt", prompt},
		{"prompt10kB", strings.Repeat(prompt, 100)},
		{"word10kB", strings.Repeat("abcdefghij", 1000)},
		{"signs10kB", strings.Repeat("=-", 5000)},
		{"marks10kB", "a" + strings.Repeat("\u0301\u0323", 2500)},
		{"chinese10kB", strings.Repeat("天地玄黃 宇宙洪荒", 400)},
		{"entities10kB", strings.Repeat("&amp;", 2000)},
		{"mojibake10kB", strings.Repeat("rÃ©sumÃ© â€œx ", 500)},
		{"ampersands10kB", "&" + strings.Repeat("amp;", 2500)},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.SetBytes(int64(len(test.text)))
			for b.Loop() {
				c.Encode(test.text, OpenAI)
			}
		})
	}
}

func BenchmarkBERTEncode(b *testing.B) {
	t := bert(b)
	prompt := "a massive deactivated robot covered in moss in a forest clearing, concept art, trending on artstation. "
	for _, test := range []struct{ name, text string }{
		{"prompt", prompt},
		{"prompt10kB", strings.Repeat(prompt, 100)},
		{"word10kB", strings.Repeat("abcdefghij", 1000)},
		{"words10kB", strings.Repeat(strings.Repeat("q", 99)+" ", 100)},
		{"brackets10kB", strings.Repeat("[", 10000)},
		{"marks10kB", "a" + strings.Repeat("\u0301\u0323", 2500)},
		{"chinese10kB", strings.Repeat("天地玄黃 宇宙洪荒", 400)},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.SetBytes(int64(len(test.text)))
			for b.Loop() {
				t.Encode(test.text)
			}
		})
	}
}

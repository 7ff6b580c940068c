package series

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gen-emerge/assay"
)

// othersPerImage is how many prompts of other images controls read an image
// with: eight on the fewest images that controls are run on give 64 readings,
// and 59 bound the 0.95 quantile.
const othersPerImage = 8

// hasPrompt reports whether a prompt can be read with an image.
func hasPrompt(prompt string) bool {
	return strings.TrimSpace(prompt) != "" && utf8.ValidString(prompt)
}

// promptKey is equal for prompts that count as the same: those that differ in
// case or in the space around them.
func promptKey(prompt string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, strings.TrimSpace(prompt))
}

// distinctPrompts lists the prompts of the entries, each once as it first came,
// in order.
func distinctPrompts(entries []assay.Entry) []string {
	var out []string
	seen := map[string]bool{}
	for _, e := range entries {
		if key := promptKey(e.Prompt); hasPrompt(e.Prompt) && !seen[key] {
			seen[key] = true
			out = append(out, e.Prompt)
		}
	}
	return out
}

// otherPrompts returns up to n of the distinct prompts that are not own, for the
// i-th image: evenly spaced, and for the next image one further, so that every
// prompt gets its turn and the same series gives the same choice.
func otherPrompts(distinct []string, own string, i, n int) []string {
	key := promptKey(own)
	others := slices.DeleteFunc(slices.Clone(distinct), func(p string) bool { return promptKey(p) == key })
	if len(others) <= n {
		return others
	}
	out := make([]string, n)
	for k := range out {
		out[k] = others[(i+k*len(others)/n)%len(others)]
	}
	return out
}

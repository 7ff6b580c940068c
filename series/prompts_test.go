package series

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gen-emerge/assay"
)

func TestPromptKey(t *testing.T) {
	for _, same := range [][]string{
		{"A Cat", "a cat", "  a CAT\n"},
		{"STRASSE", "strasse"},
		{"Kelvin", "\u212Aelvin"}, // the Kelvin sign folds to k
		{"ΟΔΟΣ", "οδος", "οδοσ"},
	} {
		for _, p := range same {
			if promptKey(p) != promptKey(same[0]) {
				t.Errorf("%q and %q count as different", same[0], p)
			}
		}
	}
	for _, differ := range [][2]string{{"a cat", "a  cat"}, {"a cat", "a cat."}, {"naïve", "naive"}, {"", "a"}} {
		if promptKey(differ[0]) == promptKey(differ[1]) {
			t.Errorf("%q and %q count as the same", differ[0], differ[1])
		}
	}
	for prompt, want := range map[string]bool{"": false, " \n": false, "\xff": false, "a": true, " 猫": true} {
		if hasPrompt(prompt) != want {
			t.Errorf("prompt %q: %v", prompt, !want)
		}
	}
}

func TestDistinctPrompts(t *testing.T) {
	var entries []assay.Entry
	for _, p := range []string{"b", "", "a", " B", "a", "  ", "c", "\xff"} {
		entries = append(entries, assay.Entry{Prompt: p})
	}
	if got, want := distinctPrompts(entries), []string{"b", "a", "c"}; !slices.Equal(got, want) {
		t.Errorf("distinct prompts %q, want %q", got, want)
	}
}

// What an image is read with are n prompts or all there are, each once, never
// its own; over the images every prompt gets its turn, about equally often.
func TestOtherPrompts(t *testing.T) {
	for _, n := range []int{1, 2, 5, 8, 9, 10, 30} {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprint("p", i))
		}
		turns := map[string]int{}
		for i := range 4 * n {
			own := all[i%n]
			got := otherPrompts(all, own, i, othersPerImage)
			if want := min(n-1, othersPerImage); len(got) != want || slices.Contains(got, own) {
				t.Fatalf("%d prompts, image %d: %q, want %d without %q", n, i, got, want, own)
			}
			seen := map[string]bool{}
			for _, p := range got {
				if seen[p] {
					t.Fatalf("%d prompts, image %d: %q twice", n, i, p)
				}
				seen[p] = true
				turns[p]++
			}
			if again := otherPrompts(all, " P"+own[1:], i, othersPerImage); !slices.Equal(again, got) {
				t.Errorf("%d prompts, image %d: the choice depends on the spelling of its own", n, i)
			}
		}
		for _, p := range all {
			if n > 1 && turns[p] == 0 {
				t.Errorf("%d prompts: %q never has its turn", n, p)
			}
		}
	}
}

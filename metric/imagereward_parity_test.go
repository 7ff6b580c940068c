package metric

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// rewardCases are of reference/imagereward_golden.py.
func rewardCases() []parityCase { return []parityCase{{"imagereward", true, rewardsAgree}} }

// parityReward is how near a reward must come to the authors', absolute: their
// scale has a deviation of 1.
const parityReward = 1e-4

// rewardTokens are the tokens of a picture that the golden file has.
var rewardTokens = []int{0, 1, 98, 196}

// rewardsAgree checks ImageReward: preparation, the picture's tokens, the prompt's,
// and rewards through the front door.
func rewardsAgree(t *testing.T, b *parityBench, g parityGolden, y *parityTally) {
	if !b.vocabularyOf(t, bertVocabularyModel, "bert-base-uncased-vocab.txt", "ASSAY_TEST_BERT_VOCAB") {
		t.Skip("no vocabulary")
	}
	in := b.open(t, b.towers(t), "imagereward")
	v := in.inner[0]
	width := v.row.vit.Width
	pieces, err := v.towers.wordPieces(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range g.Prompts {
		if ids, _ := pieces.Frame(want.Text, imageRewardTokens); !slices.Equal(ids, want.IDs) {
			t.Errorf("%.40q is %v, the reference reads %v", want.Text, ids, want.IDs)
		}
	}
	cut := 0
	for i, want := range g.Images {
		p := parityPicture(t, want.File)
		prepared(t, y, v.row.prep, p, want)
		seen, err := v.embed(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		var some []float32
		for _, n := range rewardTokens {
			some = append(some, seen[n*width:(n+1)*width]...)
		}
		y.vector(t, "tokens", want.File, some, want.Embedding)
		for j, score := range g.Scores[i] {
			text := g.Prompts[j].Text
			r, err := in.MeasurePrompt(t.Context(), p, text)
			if err != nil {
				t.Fatalf("%s, %.40q: %v", want.File, text, err)
			}
			y.check(t, "reward", want.File+", "+text[:min(len(text), 40)], math.Abs(r.Value-score), parityReward)
			long := len(g.Prompts[j].IDs) == imageRewardTokens
			if long {
				cut++
			}
			if warned := len(r.Warnings) == 1 && strings.Contains(r.Warnings[0], "35 tokens"); warned != long {
				t.Errorf("%.40q: warnings %q", text, r.Warnings)
			}
		}
	}
	if len(g.Images) < 3 || len(g.Prompts) < 6 || cut == 0 {
		t.Errorf("%d pictures, %d prompts, %d readings of cut ones", len(g.Images), len(g.Prompts), cut)
	}
	first, least, most := g.Scores[0][0], math.Inf(1), math.Inf(-1)
	for _, row := range g.Scores {
		least, most = min(least, slices.Min(row)), max(most, slices.Max(row))
	}
	if most-least < 1.5 || math.Abs(first) > 5 {
		t.Errorf("rewards from %g to %g tell nothing apart", least, most)
	}
}

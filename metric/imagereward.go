package metric

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/token"
	"github.com/gen-emerge/assay/weights"
)

// imageRewardTokens is what the authors cut prompts at: [CLS] and [SEP] included.
const imageRewardTokens = 35

// imageRewardRow is the tower of ImageReward. What it sees, 197 tokens of 1024, is
// no embedding: their numbers mean nothing but to the text half, and take 800 kB.
func imageRewardRow() towerRow {
	vit := backbone.BLIPL16()
	return towerRow{name: "imagereward", models: []string{"imagereward"}, layout: backbone.BLIP, vit: vit, prep: clipPreparation(vit.Size)}
}

// imageRewards lists ImageReward.
func imageRewards() []towerInstrument {
	row := imageRewardRow()
	return []towerInstrument{{
		spec: Spec{
			Name: "imagereward", Version: 1, Kind: OfPrompt, Better: HigherIsBetter, Lo: math.Inf(-1), Hi: math.Inf(1), MinSide: 1,
			Preparation: fmt.Sprintf("%s; prompt in the pieces of bert-base-uncased, the end beyond %d tokens cut", row.prep.text, imageRewardTokens),
			Models:      []string{"imagereward", bertVocabularyModel}, Graph: true,
			Doc: "How well people like the image for its prompt: the reward that BLIP, fine-tuned on 137 000 comparisons by experts, gives the two " +
				"while it reads the prompt and looks at the image at once. On the scale of its training set, 0 in the mean and 1 in the deviation: of " +
				"images by Stable Diffusion 1.4 some 62 % read −1 to 1 and 98 % −2 to 2. Compare images of one prompt only. Accuracy its authors give: 65.14 % on " +
				"their test set (a single person: 65.3 %); HPS v2's: 74.0 % on HPD v2.",
			Licence: "Apache-2.0; the parts from BLIP BSD-3-Clause",
			Source:  "Xu et al.: ImageReward, NeurIPS 2023, arXiv:2304.05977; THUDM/ImageReward, ImageReward-v1.0",
			Agreement: "the authors' code (image-reward 1.5) on a synthetic checkpoint of the official container: rewards within 1e-4; " +
				"`assay models verify --published` compares the four of its README, within 0.01",
		},
		open: func(ctx context.Context, s *stand) error { return s.rewards(ctx, row, backbone.ImageReward()) },
	}}
}

// rewards opens the tower, the text half and the word pieces.
func (s *stand) rewards(ctx context.Context, row towerRow, net backbone.Reward) error {
	v, err := s.inner(ctx, row)
	if err != nil {
		return err
	}
	r, err := s.reward(ctx, row, net)
	if err != nil {
		return err
	}
	s.in.prompted = func(ctx context.Context, p *Picture, prompt string) (float64, []string, error) {
		return r.read(ctx, v, p, prompt)
	}
	// The prompt of the authors' example.
	const prompt = "a painting of an ocean with clouds and birds, day time, low depth field effect"
	ids, _ := r.pieces.Frame(prompt, imageRewardTokens)
	s.in.exercise = &exercise{flops: r.row.Flops(len(ids)), run: func(ctx context.Context, p *Picture) error {
		_, _, err := r.read(ctx, v, p, prompt)
		return err
	}}
	return nil
}

// A rewarder is the prepared text half of ImageReward with its head. Its network is
// opened by the pool when it is needed.
type rewarder struct {
	row    backbone.Reward
	path   string // of the prepared file
	key    string // of the pool
	pieces *token.BERT
	towers *Towers
}

// reward prepares the text half and makes it a part of the instrument.
func (s *stand) reward(ctx context.Context, row towerRow, net backbone.Reward) (*rewarder, error) {
	t := s.towers
	done, err := row.prepare(ctx, t.models, "text", t.precision(), func(open *officialFiles) ([]weights.Piece, error) {
		c, err := open.checkpoint(row.models[0], row.prefix)
		if err != nil {
			return nil, err
		}
		return net.Pieces(c, t.precision())
	})
	var info os.FileInfo
	if err == nil {
		info, err = os.Stat(done.Path)
	}
	if err != nil {
		return nil, fmt.Errorf("tower %s, text: %w", row.name, err)
	}
	pieces, err := t.wordPieces(ctx)
	if err != nil {
		return nil, err
	}
	r := &rewarder{row: net, path: done.Path, key: done.Path + " " + done.Digest, pieces: pieces, towers: t}
	s.hold(r.key, info.Size())
	s.add("text "+row.name, done.Digest, done.Synthetic || t.models.Synthetic(bertVocabularyModel))
	return r, nil
}

// read returns the reward of a picture for a prompt, and a warning if the prompt
// was too long. What the tower sees in the picture is computed once for all
// prompts.
func (r *rewarder) read(ctx context.Context, v *vision, p *Picture, prompt string) (float64, []string, error) {
	seen, err := v.embed(ctx, p)
	if err != nil {
		return 0, nil, err
	}
	ids, cut := r.pieces.Frame(prompt, imageRewardTokens)
	in := onnx.Tensor{Shape: []int{1, len(ids)}, Data: make([]float32, len(ids))}
	for i, id := range ids {
		in.Data[i] = float32(id) // ids stay below 2^24, so exact
	}
	out, err := r.towers.once(ctx, r.key, r.open, in, onnx.Tensor{Shape: []int{1, r.row.Tokens, r.row.Text.Seen}, Data: seen})
	if err == nil && len(out) != 1 {
		err = errors.New("the network gave no single number")
	}
	if err != nil {
		return 0, nil, fmt.Errorf("imagereward, text: %w", err)
	}
	var warnings []string
	if cut {
		warnings = []string{fmt.Sprintf("the prompt is longer than the %d tokens that imagereward reads; its end was not read", imageRewardTokens)}
	}
	return float64(out[0]), warnings, nil
}

func (r *rewarder) open(ctx context.Context) (Runner, error) {
	return r.towers.openGraph(ctx, r.path, func(w onnx.Weights) (*onnx.Model, error) {
		return r.row.Graph(w, r.towers.precision())
	})
}

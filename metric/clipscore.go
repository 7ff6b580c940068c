package metric

import (
	"context"
	"fmt"
	"strings"

	"github.com/gen-emerge/assay/token"
)

// clipSuffixes lists the towers of CLIP Score, in the order users see.
func clipSuffixes() []string {
	return []string{"b32", "b16", "l14", "l14-336", "laion-b32", "laion-b16", "laion-l14", "laion-h14"}
}

// clipLicence is what is known of the terms of a tower's weights.
func clipLicence(suffix string) string {
	if strings.HasPrefix(suffix, "laion-") {
		return "MIT, as LAION and open_clip state"
	}
	return "OpenAI's code is MIT; the weights carry no licence of their own, and their model card calls deployed use out of scope"
}

// imageNetTop1 is what open_clip's table says of zero-shot ImageNet, where the
// specification at hand repeats it.
var imageNetTop1 = map[string]string{"b32": "63.3", "b16": "68.3", "l14": "75.5", "l14-336": "76.6", "laion-h14": "78.0"}

// promptPreparation is the preparation of an instrument that reads an image and
// a text with the given tower; before is put in front of the text.
func promptPreparation(row towerRow, before string) string {
	s := fmt.Sprintf("%s; prompt as %s tokenises it, the end beyond %d tokens cut", row.prep.text, row.variant, row.text.Context)
	if before != "" {
		s += fmt.Sprintf(", after %q", before)
	}
	return s
}

// parityAgreement says how a tower was checked.
func parityAgreement(row towerRow) string {
	code := map[token.Variant]string{token.OpenAI: "openai/CLIP", token.OpenCLIP: "open_clip", token.HuggingFace: "transformers"}[row.variant]
	return "the authors' code (" + code + ") on a synthetic checkpoint of the official container: cosines within 2e-5"
}

// clipScores lists CLIP Score in its two conventions.
func clipScores() []towerInstrument {
	var all []towerInstrument
	rows := clipTowers()
	for _, suffix := range append([]string{""}, clipSuffixes()...) {
		name, tower := "clip-score", "l14"
		if suffix != "" {
			name, tower = name+"-"+suffix, suffix
		}
		all = append(all, clipScore(name, rows[tower], tower))
	}
	for _, suffix := range append([]string{""}, clipSuffixes()...) {
		name, tower := "clip-score-hessel", "b32"
		if suffix != "" {
			name, tower = name+"-"+suffix, suffix
		}
		all = append(all, hesselScore(name, rows[tower], tower))
	}
	return all
}

// clipScore is 100·cos, as torchmetrics computes it of one pair.
func clipScore(name string, row towerRow, suffix string) towerInstrument {
	doc := fmt.Sprintf("How well the image shows its prompt: 100 times the cosine of the embeddings that %s makes of the two. "+
		"Not clamped: torchmetrics clamps only the mean of many pairs at 0. Matching pairs read about 20 to 35, others 5 to 20; "+
		"numbers of different towers cannot be compared.", row.name)
	if top := imageNetTop1[suffix]; top != "" {
		doc += fmt.Sprintf(" Zero-shot ImageNet accuracy of the tower: %s %%.", top)
	}
	agreement := parityAgreement(row)
	if suffix == "b16" {
		agreement += "; `assay models verify --published` compares torchmetrics' 24.4260 for its random image and “a photo of a cat”"
	}
	return towerInstrument{
		spec: Spec{
			Name: name, Version: 1, Kind: OfPrompt, Better: HigherIsBetter, Lo: -100, Hi: 100, MinSide: 1,
			Preparation: promptPreparation(row, ""), Models: []string{row.models[0], vocabularyModel}, Graph: true,
			Doc: doc, Licence: clipLicence(suffix),
			Source: "Hessel et al.: CLIPScore, EMNLP 2021, arXiv:2104.08718, in the scale of torchmetrics' CLIPScore; image prepared as " +
				"openai/CLIP does (torchmetrics crops one pixel further left where the margin is 3 more than a multiple of 4)",
			Agreement: agreement,
		},
		towers: on(row),
		open: func(ctx context.Context, s *stand) error {
			return s.cosineScore(ctx, row, "", func(cos, _ float64) float64 { return 100 * cos })
		},
	}
}

// hesselPrefix is what the authors of CLIPScore put before every caption.
const hesselPrefix = "A photo depicts "

// hesselScore is CLIPScore as its paper defines it.
func hesselScore(name string, row towerRow, suffix string) towerInstrument {
	doc := fmt.Sprintf("CLIPScore as its paper defines it: 2.5·max(cos, 0) of the embeddings that %s makes of the image and of "+
		"“%s” with the caption. Matching pairs read about 0.6 to 0.9.", row.name, hesselPrefix)
	agreement := parityAgreement(row)
	if suffix == "b32" {
		doc += " With human judgments: Kendall τc 51.2 on Flickr8k-Expert, τb 34.4 on Flickr8k-CF."
	} else {
		doc += " The paper's own numbers are of ViT-B/32 only."
	}
	return towerInstrument{
		spec: Spec{
			Name: name, Version: 1, Kind: OfPrompt, Better: HigherIsBetter, Lo: 0, Hi: 2.5, MinSide: 1,
			Preparation: promptPreparation(row, hesselPrefix), Models: []string{row.models[0], vocabularyModel}, Graph: true,
			Doc: doc, Licence: clipLicence(suffix),
			Source:    "Hessel, Holtzman, Forbes, Le Bras, Choi: CLIPScore, EMNLP 2021, arXiv:2104.08718; jmhessel/clipscore 1036465",
			Agreement: agreement,
		},
		towers: on(row),
		open: func(ctx context.Context, s *stand) error {
			return s.cosineScore(ctx, row, hesselPrefix, func(cos, _ float64) float64 { return 2.5 * max(cos, 0) })
		},
	}
}

// cosineScore opens an instrument whose value follows from the cosine of image
// and text, and from the scale that the tower was trained with.
func (s *stand) cosineScore(ctx context.Context, row towerRow, before string, value func(cos, scale float64) float64) error {
	v, err := s.vision(ctx, row)
	if err != nil {
		return err
	}
	x, err := s.text(ctx, row)
	if err != nil {
		return err
	}
	name := s.in.Name
	s.in.prompted = func(ctx context.Context, p *Picture, prompt string) (float64, []string, error) {
		cos, warnings, err := v.against(ctx, x, p, before+prompt)
		if err != nil {
			return 0, nil, fmt.Errorf("%s: %w", name, err)
		}
		return value(cos, x.scale), warnings, nil
	}
	return nil
}

// against returns the cosine of a picture and a text.
func (v *vision) against(ctx context.Context, x *textual, p *Picture, text string) (float64, []string, error) {
	t, warnings, err := x.embed(ctx, text)
	if err != nil {
		return 0, nil, err
	}
	e, err := v.embed(ctx, p)
	if err != nil {
		return 0, nil, err
	}
	cos, err := cosine(e, t)
	return cos, warnings, err
}

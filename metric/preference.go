package metric

import (
	"context"
	"math"

	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/token"
)

// pickRow is the tower of PickScore.
func pickRow() towerRow {
	row := clipFile("pickscore", "pickscore", backbone.HuggingFace, backbone.OpenCLIPH14(), backbone.OpenCLIPTextH(), token.HuggingFace)
	row.prep = huggingFacePreparation(row.vit.Size)
	return row
}

// hpsRow is the tower of a version of HPS.
func hpsRow(name string, antialias bool) towerRow {
	row := clipFile(name, name, backbone.OpenAI, backbone.OpenCLIPH14(), backbone.OpenCLIPTextH(), token.OpenCLIP)
	row.prefix, row.prep = "state_dict.", letterboxPreparation(antialias)
	return row
}

// preferences lists the scorers that were fine-tuned on choices of people.
func preferences() []towerInstrument {
	return []towerInstrument{
		pickScore(),
		hps("hps-v2", "Accuracy its README gives: 83.3 % on HPD v2, 65.7 % on ImageReward's test set (a single person: 78.1 and 65.3 %)."),
		hps("hps-v2.1", "Accuracy its README gives: 84.1 % on HPD v2, 66.8 % on ImageReward's test set (a single person: 78.1 and 65.3 %)."),
	}
}

func pickScore() towerInstrument {
	row := pickRow()
	return towerInstrument{
		spec: Spec{
			Name: "pickscore", Version: 1, Kind: OfPrompt, Better: HigherIsBetter, Lo: math.Inf(-1), Hi: math.Inf(1), MinSide: 1,
			Preparation: promptPreparation(row, ""), Models: []string{"pickscore", vocabularyModel}, Graph: true,
			Doc: "How likely people are to pick the image for its prompt: exp(logit_scale)·cos of the embeddings that a CLIP ViT-H/14 " +
				"fine-tuned on half a million choices makes of the two. Usually 18 to 24, and never more than exp(logit_scale), about 100; of several images of " +
				"one prompt the softmax of the scores is the probability of being picked. Accuracy on Pick-a-Pic: 70.2 to 70.5 %, people 68.0 %.",
			Licence: "code MIT; the model card seen states no licence for the weights; they are fine-tuned from LAION's CLIP-H (MIT)",
			Source:  "Kirstain et al.: Pick-a-Pic, NeurIPS 2023, arXiv:2305.01569; yuvalkirstain/PickScore_v1",
			Agreement: parityAgreement(row) + "; the authors print no value. × 1/255 is done as " +
				"v/255 in float32, a unit in the last place from theirs",
		},
		towers: on(row),
		open: func(ctx context.Context, s *stand) error {
			return s.cosineScore(ctx, row, "", func(cos, scale float64) float64 { return scale * cos })
		},
	}
}

func hps(name, accuracy string) towerInstrument {
	agreement := "the resize of torchvision 0.29: within 1e-6; the authors' code (hpsv2) on a synthetic checkpoint of the official container: cosines within 2e-5"
	if name == "hps-v2" {
		agreement += "; `assay models verify --published` compares 0.2876 for the authors' demo picture, within 0.01"
	}
	return towerInstrument{
		spec: Spec{
			Name: name, Version: 1, Kind: OfPrompt, Better: HigherIsBetter, Lo: -1, Hi: 1, MinSide: 1,
			Preparation: promptPreparation(hpsRow(name, true), ""), Models: []string{name, vocabularyModel}, Graph: true,
			Doc: "How well people like the image for its prompt: the cosine of the embeddings that a CLIP ViT-H/14 fine-tuned on human choices makes " +
				"of the two, ×1 (leaderboards print it ×100). Usually 0.20 to 0.35. " + accuracy,
			Licence:   "Apache-2.0",
			Source:    "Wu et al.: Human Preference Score v2, arXiv:2306.09341; tgxs002/HPSv2, version " + name[len("hps-"):],
			Agreement: agreement + ". Alpha is dropped, where the authors' code fails; a picture whose long side is 224 is padded, where it fails too",
		},
		towers: func(o TowerOptions) []towerRow { return []towerRow{hpsRow(name, !o.PlainBicubic)} },
		open: func(ctx context.Context, s *stand) error {
			row := hpsRow(name, !s.towers.opt.PlainBicubic)
			s.in.Preparation = promptPreparation(row, "")
			return s.cosineScore(ctx, row, "", func(cos, _ float64) float64 { return cos })
		},
	}
}

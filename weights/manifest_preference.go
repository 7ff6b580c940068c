package weights

// preferenceModels are CLIP ViT-H/14 towers that were tuned on which of two images
// people preferred for one prompt.
func preferenceModels() []Model {
	return []Model{
		pickScore(),
		hps("hps-v2", "HPS_v2_compressed.pt",
			"README, test accuracy: ImageReward 65.7 %, HPD v2 83.3 %; tgxs002/HPSv2#27, assets/demo_image.jpg with "+
				"\"A cat with two horns on its head\": 0.2876 (version not stated)"),
		hps("hps-v2.1", "HPS_v2.1_compressed.pt", "README, test accuracy: ImageReward 66.8 %, HPD v2 84.1 %"),
	}
}

func pickScore() Model {
	return Model{
		Name: "pickscore",
		Files: []File{{
			Name:      "PickScore_v1.safetensors", // upstream model.safetensors, as everywhere
			URL:       "https://huggingface.co/yuvalkirstain/PickScore_v1/resolve/main/model.safetensors",
			SHA256:    "ef31ef6fc5ff4d9bb90dd232df4e145887ba62c5a03aa2841415f8c25f18d52e",
			Container: Safetensors,
		}},
		Licence:    "MIT (code, and the LAION CLIP-H it is tuned from); the weights' card states no licence",
		LicenceURL: "https://github.com/yuvalkirstain/PickScore/blob/main/LICENSE",
		Serves:     []string{"pickscore"}, Tier: Full,
		Source:    "huggingface.co/yuvalkirstain/PickScore_v1 main",
		Paper:     "Kirstain et al., Pick-a-Pic: An Open Dataset of User Preferences for Text-to-Image Generation, NeurIPS 2023, arXiv:2305.01569",
		Reference: "README, accuracy on the Pick-a-Pic test set 70.5 %; no single score is published",
	}
}

// hps is a row of the Human Preference Score. Half floats under the key
// state_dict; the repository's HPS_v2.pt has the same weights with the optimiser's
// state, four times as large.
func hps(name, file, reference string) Model {
	return Model{
		Name:       name,
		Files:      []File{{Name: file, URL: "https://huggingface.co/xswu/HPSv2/resolve/main/" + file, Container: TorchZip}},
		Licence:    "Apache-2.0",
		LicenceURL: "https://github.com/tgxs002/HPSv2/blob/master/LICENSE",
		Serves:     []string{name}, Tier: Full, Prefix: "state_dict.",
		Source:    "huggingface.co/xswu/HPSv2 main",
		Paper:     "Wu et al., Human Preference Score v2: A Solid Benchmark for Evaluating Human Preferences of Text-to-Image Synthesis, arXiv:2306.09341",
		Reference: reference,
	}
}

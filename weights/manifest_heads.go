package weights

import "strings"

// headModels are small maps from a CLIP image embedding to a number, learned from
// people's ratings. Each belongs to one of OpenAI's towers.
func headModels() []Model {
	return []Model{
		laionHead("b32", "sa_0_4_vit_b_32_linear.pth", 3047, "c7b14cead230694acc7b9447974d3cad78003c72da032e402a303b6c2429e85f",
			"on the repository's unit vectors vit_b_32_embeddings/rating0..9: -1.4699523 0.2727947 1.9900193 3.6114173 5.0874405 "+
				"6.3925514 7.6681643 8.9154520 9.9166059 11.0055761"),
		laionHead("b16", "sa_0_4_vit_b_16_linear.pth", 3047, "8ad3923d7ecf019df20ecd2ab5542a3075fbba0278d239c0371345f3d7fcbde0",
			"on the unit vector of equal components: 1.2578493; on none, the bias: 3.1506021"),
		laionHead("l14", "sa_0_4_vit_l_14_linear.pth", 4071, "2cd4e60f4f24ae3bcd57b847b13c1f3ba27edc28cc1a7f9ce74ee9f421243cba",
			"on the repository's unit vectors vit_l_14_embeddings/rating0..9: -2.4579086 -0.1378579 1.8951100 3.5849338 5.0997257 "+
				"6.4701033 7.7869897 9.0480013 10.2264061 11.3044262"),
		laionV2(),
		sacHead("b32", 3111, "64315370e2293a08cc2f4816ae9db715f935791569c1a57d84b943e482ea5e12",
			"on LAION's unit vectors vit_b_32_embeddings/rating0..9: 2.249 2.293 2.336 2.381 2.425 2.458 2.489 2.520 2.541 2.565"),
		sacHead("b16", 3111, "cdc27b2196565bcb69f2692731084b0189612b98aae74adec033782469ab583c",
			"none is published; the authors' demonstration ranks a bad, mediocre, good and great group of images with it"),
		sacHead("l14", 4135, "f77d1d0f4bb04b0ff8e60c5747fd0bfff0cc4a85263a6106627522c06eae85c6",
			"on LAION's unit vectors vit_l_14_embeddings/rating0..9: rising from 6.419 to 6.770"),
	}
}

func laionHead(tower, file string, size int64, sum, reference string) Model {
	const commit = "6d122adad522ab246644d9dc1c6d7a3810ee255f"
	return Model{
		Name: "laion-aes-v1-" + tower,
		Files: []File{{
			Name: file, URL: "https://raw.githubusercontent.com/LAION-AI/aesthetic-predictor/" + commit + "/" + file,
			Size: size, SHA256: sum, Container: TorchZip,
		}},
		Licence:    "MIT",
		LicenceURL: "https://github.com/LAION-AI/aesthetic-predictor/blob/" + commit + "/LICENSE",
		Serves:     []string{"laion-aes-v1-" + tower}, Tier: Full,
		Source:    "LAION-AI/aesthetic-predictor " + commit,
		Paper:     "Schuhmann et al., LAION-5B: An Open Large-Scale Dataset for Training Next Generation Image-Text Models, NeurIPS 2022, arXiv:2210.08402",
		Reference: reference,
	}
}

func laionV2() Model {
	const commit, file = "6934dd81792f086e613a121dbce43082cb8be85e", "sac+logos+ava1-l14-linearMSE.pth"
	return Model{
		Name: "laion-aes-v2",
		Files: []File{{
			Name: file,
			URL:  "https://raw.githubusercontent.com/christophschuhmann/improved-aesthetic-predictor/" + commit + "/" + strings.ReplaceAll(file, "+", "%2B"),
			Size: 3_714_759, SHA256: "21dd590f3ccdc646f0d53120778b296013b096a035a2718c9cb0d511bff0f1e0", Container: TorchZip,
		}},
		Licence:    "Apache-2.0",
		LicenceURL: "https://github.com/christophschuhmann/improved-aesthetic-predictor/blob/" + commit + "/LICENSE",
		Serves:     []string{"laion-aes"}, Tier: Full,
		Source: "christophschuhmann/improved-aesthetic-predictor " + commit,
		Paper:  "Schuhmann et al., LAION-5B: An Open Large-Scale Dataset for Training Next Generation Image-Text Models, NeurIPS 2022, arXiv:2210.08402",
		Reference: "IQA-PyTorch ResultsCalibra, official code on its five distorted images: 3.6420 5.5836 5.0716 4.6458 3.0889; " +
			"simple-aesthetics-predictor, its astronaut on a horse: 5.7546",
	}
}

func sacHead(tower string, size int64, sum, reference string) Model {
	const commit = "701f7678b305acf8a0634350365a86beb95dd87d"
	file := "sac_public_2022_06_29_vit_" + tower[:1] + "_" + tower[1:] + "_linear.pth"
	return Model{
		Name: "sac-" + tower,
		Files: []File{{
			Name: file, URL: "https://raw.githubusercontent.com/crowsonkb/simulacra-aesthetic-models/" + commit + "/models/" + file,
			Size: size, SHA256: sum, Container: TorchZip,
		}},
		Licence:    "MIT",
		LicenceURL: "https://github.com/crowsonkb/simulacra-aesthetic-models/blob/" + commit + "/LICENSE",
		Serves:     []string{"sac-" + tower}, Tier: Full,
		Source:    "crowsonkb/simulacra-aesthetic-models " + commit,
		Paper:     "Pressman, Crowson and the Simulacra Captions contributors, Simulacra Aesthetic Captions, 2022 (github.com/JD-P/simulacra-aesthetic-captions)",
		Reference: reference,
	}
}

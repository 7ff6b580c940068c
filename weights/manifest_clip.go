package weights

// The papers of the CLIP families.
const (
	paperCLIP = "Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021, arXiv:2103.00020"
	paperOpen = "Cherti et al., Reproducible Scaling Laws for Contrastive Language-Image Learning, CVPR 2023, arXiv:2212.07143"
)

// sourceCLIP is the commit of openai/CLIP that rows refer to.
const sourceCLIP = "openai/CLIP d05afc436d78f1c48dc0dbf8e5980a9d471f35f6"

// clipModels are image and text towers that answer alike, and their vocabulary.
func clipModels() []Model {
	return []Model{
		openaiCLIP("clip-vit-b32", File{
			Name: "ViT-B-32.pt", Size: 353_976_522,
			SHA256: "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
		}, "repository README, CLIP.png with \"a diagram\", \"a dog\", \"a cat\": softmax 0.9927937 0.00421068 0.00299572 (fp16 on a GPU); "+
			"clipscore README, its two images with the good captions: 0.8585, with the bad ones 0.7153",
			"clip-score-b32", "clip-score-hessel", "clip-score-hessel-b32", "laion-aes-v1-b32", "sac-b32"),
		openaiCLIP("clip-vit-b16", File{
			Name: "ViT-B-16.pt", Size: 350_837_078,
			SHA256: "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
		}, "torchmetrics documentation, image of generator seed 42 with \"a photo of a cat\": 24.4260; ImageNet zero-shot 68.3 %",
			"clip-score-b16", "clip-score-hessel-b16", "laion-aes-v1-b16", "sac-b16"),
		openaiCLIP("clip-vit-l14", File{
			Name: "ViT-L-14.pt", Size: 932_768_134,
			SHA256: "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
		}, "with the head laion-aes-v2: the values of that row; ImageNet zero-shot 75.5 %",
			"clip-score", "clip-score-l14", "clip-score-hessel-l14", "laion-aes-v1-l14", "laion-aes", "sac-l14", "style-openai"),
		openaiCLIP("clip-vit-l14-336", File{
			Name: "ViT-L-14-336px.pt", Size: 934_088_680,
			SHA256: "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
		}, "ImageNet zero-shot 76.6 %",
			"clip-score-l14-336", "clip-score-hessel-l14-336"),
		openCLIP("openclip-vit-b32", "CLIP-ViT-B-32-laion2B-s34B-b79K", File{}, "66.6 %",
			"clip-score-laion-b32", "clip-score-hessel-laion-b32"),
		openCLIP("openclip-vit-b16", "CLIP-ViT-B-16-laion2B-s34B-b88K", File{}, "70.2 %",
			"clip-score-laion-b16", "clip-score-hessel-laion-b16"),
		openCLIP("openclip-vit-l14", "CLIP-ViT-L-14-laion2B-s32B-b82K", File{}, "75.3 %",
			"clip-score-laion-l14", "clip-score-hessel-laion-l14"),
		openCLIP("openclip-vit-h14", "CLIP-ViT-H-14-laion2B-s32B-b79K", File{
			Size: 3_944_692_325, SHA256: "9a78ef8e8c73fd0df621682e7a8e8eb36c6916cb3c16b291a082ecd52ab79cc4",
		}, "78.0 %",
			"clip-score-laion-h14", "clip-score-hessel-laion-h14", "style"),
		clipVocabulary(),
	}
}

// openaiCLIP is a row of OpenAI's own checkpoints. The address has the SHA-256 in
// it, and OpenAI's loader enforces it.
func openaiCLIP(name string, f File, reference string, serves ...string) Model {
	f.URL = "https://openaipublic.azureedge.net/clip/models/" + f.SHA256 + "/" + f.Name
	f.Container = TorchScript
	return Model{
		Name: name, Files: []File{f},
		Licence: "MIT (code); the weights have no licence of their own, and the model card calls any deployed use out of scope " +
			"(https://github.com/openai/CLIP/blob/d05afc436d78f1c48dc0dbf8e5980a9d471f35f6/model-card.md)",
		LicenceURL: "https://github.com/openai/CLIP/blob/d05afc436d78f1c48dc0dbf8e5980a9d471f35f6/LICENSE",
		Serves:     serves, Tier: Full,
		Source: sourceCLIP, Paper: paperCLIP, Reference: reference,
	}
}

// openCLIP is a row of LAION's checkpoints trained on LAION-2B. Upstream calls all
// the files open_clip_pytorch_model.bin; the cache and mirrors tell them apart by
// the repository's name.
func openCLIP(name, repository string, f File, zeroShot string, serves ...string) Model {
	f.Name = repository + ".bin"
	f.URL = "https://huggingface.co/laion/" + repository + "/resolve/main/open_clip_pytorch_model.bin"
	f.Container = TorchZip
	return Model{
		Name: name, Files: []File{f},
		Licence:    "MIT",
		LicenceURL: "https://huggingface.co/laion/" + repository,
		Serves:     serves, Tier: Full,
		Source: "huggingface.co/laion/" + repository + " main", Paper: paperOpen,
		Reference: "open_clip README, ImageNet zero-shot top-1 " + zeroShot,
	}
}

func clipVocabulary() Model {
	serves := []string{
		"clip-score", "clip-score-b32", "clip-score-b16", "clip-score-l14", "clip-score-l14-336",
		"clip-score-laion-b32", "clip-score-laion-b16", "clip-score-laion-l14", "clip-score-laion-h14",
		"clip-score-hessel", "clip-score-hessel-b32", "clip-score-hessel-b16", "clip-score-hessel-l14", "clip-score-hessel-l14-336",
		"clip-score-hessel-laion-b32", "clip-score-hessel-laion-b16", "clip-score-hessel-laion-l14", "clip-score-hessel-laion-h14",
		"pickscore", "hps-v2", "hps-v2.1", "style", "style-openai",
	}
	return Model{
		Name: "clip-vocabulary",
		Files: []File{{
			Name:      "bpe_simple_vocab_16e6.txt.gz",
			URL:       "https://raw.githubusercontent.com/openai/CLIP/d05afc436d78f1c48dc0dbf8e5980a9d471f35f6/clip/bpe_simple_vocab_16e6.txt.gz",
			Size:      1_356_917,
			SHA256:    "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a",
			Container: GzipText,
			Wheel:     &Wheel{Package: "open_clip_torch", Version: "3.3.0", Member: "open_clip/bpe_simple_vocab_16e6.txt.gz"},
		}},
		Licence:    "MIT",
		LicenceURL: "https://github.com/openai/CLIP/blob/d05afc436d78f1c48dc0dbf8e5980a9d471f35f6/LICENSE",
		Serves:     serves, Tier: Full,
		Source: sourceCLIP, Paper: paperCLIP,
		Reference: "\"a photo of a cat\" is 320 1125 539 320 2368; \"Hello World!\" is 3306 1002 256",
	}
}

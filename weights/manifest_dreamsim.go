package weights

// The papers of DreamSim and of what it stands on.
const (
	paperDreamSim  = "Fu, Tamir, Sundaram et al., DreamSim: Learning New Dimensions of Human Visual Similarity using Synthetic Data, NeurIPS 2023, arXiv:2306.09344"
	paperDreamSim2 = "Sundaram et al., When Does Perceptual Alignment Benefit Vision Representations?, NeurIPS 2024, arXiv:2410.10817"
)

// licenceDreamSim holds for the adapters; what they adapt is named behind it.
const licenceDreamSim = "MIT (code; the repository states no licence for the weights)"

// dreamsimModels are the release archives of DreamSim, and the backbones that its
// package fetches from elsewhere: those of its archives hold other tensors, from
// which nothing is used.
func dreamsimModels() []Model {
	return []Model{
		dreamsim("ensemble", "v0.2.0-checkpoints/dreamsim_ensemble_checkpoint.zip", 1_261_181_618, paperDreamSim,
			"CLIP and OpenCLIP ViT-B/16: MIT (OpenAI's model card calls deployed use out of scope)",
			"repository demo, images/ref_1.png: 0.4453 to img_a_1.png, 0.2756 to img_b_1.png; NIGHTS test 96.2 %", "dreamsim"),
		dreamsim("dino", "v0.2.0-checkpoints/dreamsim_dino_vitb16_checkpoint.zip", 0, paperDreamSim,
			"DINO: Apache-2.0", "README, NIGHTS test 94.8 %", "dreamsim-dino"),
		dreamsim("clip", "v0.2.0-checkpoints/dreamsim_clip_vitb32_checkpoint.zip", 0, paperDreamSim,
			"CLIP ViT-B/32: MIT (OpenAI's model card calls deployed use out of scope)", "README, NIGHTS test 93.6 %", "dreamsim-clip"),
		dreamsim("openclip", "v0.2.0-checkpoints/dreamsim_open_clip_vitb32_checkpoint.zip", 0, paperDreamSim,
			"OpenCLIP ViT-B/32: MIT", "README, NIGHTS test 95.3 %", "dreamsim-openclip"),
		dreamsim("dinov2", "v0.2.1-checkpoints/dreamsim_dinov2_vitb14_checkpoint.zip", 0, paperDreamSim2,
			"DINOv2: Apache-2.0", "README, NIGHTS test 95.0 %", "dreamsim-dinov2"),
		dreamsim("synclr", "v0.2.1-checkpoints/dreamsim_synclr_vitb16_checkpoint.zip", 0, paperDreamSim2,
			"SynCLR: Apache-2.0", "README, NIGHTS test 95.9 %", "dreamsim-synclr"),
		dreamsim("dino-patch", "v0.2.1-checkpoints/dreamsim_dino_vitb16_patch_checkpoint.zip", 0, paperDreamSim2,
			"DINO: Apache-2.0", "README, NIGHTS test 94.8 %", "dreamsim-dino-patch"),
		dreamsim("dinov2-patch", "v0.2.1-checkpoints/dreamsim_dinov2_vitb14_patch_checkpoint.zip", 0, paperDreamSim2,
			"DINOv2: Apache-2.0", "README, NIGHTS test 95.1 %", "dreamsim-dinov2-patch"),
		dino(), dinov2(),
	}
}

// dreamsim is a row of the release archives. Upstream publishes no digests; the
// ensemble's size is the one that downloaders check.
func dreamsim(variant, asset string, size int64, paper, base, reference, serves string) Model {
	const releases = "https://github.com/ssundaram21/dreamsim/releases/download/"
	return Model{
		Name:       "dreamsim-" + variant,
		Files:      []File{{Name: asset[len("v0.2.0-checkpoints/"):], URL: releases + asset, Size: size, Container: ZipFiles}},
		Licence:    licenceDreamSim + "; " + base,
		LicenceURL: "https://github.com/ssundaram21/dreamsim/blob/main/LICENSE",
		Serves:     []string{serves}, Tier: Full,
		Source: "ssundaram21/dreamsim release " + asset[:len("v0.2.0-checkpoints")],
		Paper:  paper, Reference: reference,
	}
}

func dino() Model {
	return Model{
		Name: "dino-vitb16",
		Files: []File{{
			Name:      "dino_vitbase16_pretrain.pth",
			URL:       "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth",
			Container: TorchZip,
		}},
		Licence:    "Apache-2.0",
		LicenceURL: "https://github.com/facebookresearch/dino/blob/main/LICENSE",
		Serves:     []string{"dreamsim", "dreamsim-dino", "dreamsim-dino-patch"}, Tier: Full,
		Source:    "facebookresearch/dino",
		Paper:     "Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021, arXiv:2104.14294",
		Reference: "through dreamsim-ensemble: the values of that row",
	}
}

func dinov2() Model {
	return Model{
		Name: "dinov2-vitb14",
		Files: []File{{
			Name:      "dinov2_vitb14_pretrain.pth",
			URL:       "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth",
			Container: TorchZip,
		}},
		Licence:    "Apache-2.0",
		LicenceURL: "https://github.com/facebookresearch/dinov2/blob/main/LICENSE",
		Serves:     []string{"dreamsim-dinov2", "dreamsim-dinov2-patch"}, Tier: Full,
		Source:    "facebookresearch/dinov2",
		Paper:     "Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, TMLR 2024, arXiv:2304.07193",
		Reference: "through dreamsim-dinov2: the values of that row",
	}
}

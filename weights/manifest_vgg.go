package weights

import "strings"

// trunkModels are torchvision's AlexNet and VGG16 with the small maps that LPIPS
// and DISTS lay on their features.
func trunkModels() []Model {
	return []Model{
		torchvision("alexnet", "alexnet-owt-7be5be79.pth", 244_408_911,
			"7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02", TorchZip, []string{"lpips-alex"},
			"Krizhevsky, One weird trick for parallelizing convolutional neural networks, arXiv:1404.5997",
			"torchvision, ImageNet top-1 56.522 %; through lpips-alex: the values of lpips-alex-heads"),
		torchvision("vgg16", "vgg16-397923af.pth", 553_433_881,
			"397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0", TorchLegacy,
			[]string{"lpips-vgg", "dists", "dists-noresize"},
			"Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015, arXiv:1409.1556",
			"torchvision, ImageNet top-1 71.592 %; through dists: the values of dists-weights"),
		lpipsHeads("alex", 6009, "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
			"IQA-PyTorch ResultsCalibra, official code on its five pairs: 0.7237 0.2572 0.05079 0.05205 0.4253"),
		lpipsHeads("vgg", 7289, "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
			"README, agreement with people on BAPPS; no single distance is published"),
		distsWeights(),
	}
}

// torchvision is a row of its classifiers. The file's name has the first eight
// digits of its digest, which PyTorch checks.
func torchvision(name, file string, size int64, sum string, c Container, serves []string, paper, reference string) Model {
	return Model{
		Name:       name,
		Files:      []File{{Name: file, URL: "https://download.pytorch.org/models/" + file, Size: size, SHA256: sum, Container: c}},
		Licence:    "BSD-3-Clause (torchvision, which states no other terms for its weights; trained on ImageNet)",
		LicenceURL: "https://github.com/pytorch/vision/blob/main/LICENSE",
		Serves:     serves, Tier: Full,
		Source: "torchvision, " + strings.ToUpper(name[:1]) + name[1:] + "_Weights.IMAGENET1K_V1",
		Paper:  paper, Reference: reference,
	}
}

// lpipsHeads is a row of the weights that LPIPS v0.1 puts on a network's channels.
func lpipsHeads(net string, size int64, sum, reference string) Model {
	const commit = "082bb24f84c091ea94de2867d34c4544f68e0963"
	path := "lpips/weights/v0.1/" + net + ".pth"
	return Model{
		Name: "lpips-" + net + "-heads",
		Files: []File{{
			Name: net + ".pth", URL: "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/" + commit + "/" + path,
			Size: size, SHA256: sum, Container: TorchLegacy,
			Wheel: &Wheel{Package: "lpips", Version: "0.1.4", Member: path},
		}},
		Licence:    "BSD-2-Clause",
		LicenceURL: "https://github.com/richzhang/PerceptualSimilarity/blob/" + commit + "/LICENSE",
		Serves:     []string{"lpips-" + net}, Tier: Full,
		Source: "richzhang/PerceptualSimilarity " + commit,
		Paper: "Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018, " +
			"arXiv:1801.03924",
		Reference: reference,
	}
}

// distsWeights is what DISTS puts on the structure and the texture of each channel.
func distsWeights() Model {
	const commit, path = "1267d8cb626c98706db3697422701c56a85ebf2e", "DISTS_pytorch/weights.pt"
	return Model{
		Name: "dists-weights",
		Files: []File{{
			Name: "dists_weights.pt", // upstream weights.pt
			URL:  "https://raw.githubusercontent.com/dingkeyan93/DISTS/" + commit + "/" + path,
			Size: 12_288, SHA256: "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218", Container: TorchLegacy,
			Wheel: &Wheel{Package: "DISTS-pytorch", Version: "0.1", Member: path},
		}},
		Licence:    "MIT",
		LicenceURL: "https://github.com/dingkeyan93/DISTS/blob/" + commit + "/LICENSE",
		Serves:     []string{"dists", "dists-noresize"}, Tier: Full,
		Source: "dingkeyan93/DISTS " + commit,
		Paper: "Ding, Ma, Wang and Simoncelli, Image Quality Assessment: Unifying Structure and Texture Similarity, TPAMI 2020, " +
			"arXiv:2004.07728",
		Reference: "repository, images/r0.png and r1.png: 0.3347; IQA-PyTorch ResultsCalibra at native size: " +
			"0.4742 0.1424 0.06825 0.02867 0.3123; piq: I01.BMP 0.17321, goldhill.gif 0.19509",
	}
}

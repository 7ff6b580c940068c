package weights

// inceptionModels are the network in whose features sets of pictures are compared.
func inceptionModels() []Model {
	return []Model{{
		Name: "inception-fid",
		Files: []File{{
			Name:   "pt_inception-2015-12-05-6726825d.pth",
			URL:    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
			Size:   95_628_359,
			SHA256: "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2", Container: TorchLegacy,
		}},
		Licence:    "Apache-2.0 (as torch-fidelity states for the original TensorFlow weights; pytorch-fid, which converted them, is Apache-2.0 too)",
		LicenceURL: "https://github.com/mseitzer/pytorch-fid/blob/master/LICENSE",
		Serves:     []string{"fid", "fid-pytorch", "fid-clean", "sfid", "sfid-6e", "sfid-6a", "kid"},
		Tier:       Full,
		Source:     "download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz, converted in mseitzer/pytorch-fid, release fid_weights",
		Paper: "Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016, arXiv:1512.00567; " +
			"Heusel et al., GANs Trained by a Two Time-Scale Update Rule, NeurIPS 2017, arXiv:1706.08500",
		Reference: "IQA-PyTorch calibration, FID of its five distorted pictures against their originals: 225.3678 (legacy_pytorch), 220.5819 (clean)",
	}}
}

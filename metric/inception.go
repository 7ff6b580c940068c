package metric

import (
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/weights"
)

// inceptionModel is the manifest's name of the network that FID is defined in.
const inceptionModel = "inception-fid"

// inceptionRow is that network up to a tap. All rows share one prepared file.
func inceptionRow(name string, tap backbone.InceptionTap, prep preparation) towerRow {
	net := backbone.Inception{Tap: tap}
	return towerRow{name: name, models: []string{inceptionModel}, net: net, part: string(tap), zero: true, prep: prep,
		pieces: func(open *officialFiles, _ nn.Precision) ([]weights.Piece, error) {
			c, err := open.checkpoint(inceptionModel, "")
			if err != nil {
				return nil, err
			}
			return net.Pieces(c)
		}}
}

// The agreement of the rows: figures are those of TestParity.
const (
	inceptionAgreement = " on a synthetic checkpoint of the official container: components within 1e-5 of the largest"
	inceptionLicence   = "Apache-2.0, as torch-fidelity states for the original TensorFlow weights"
)

// inceptions lists the rows of features that FID and its relatives are taken of.
func inceptions() []featureRow {
	pooled := "The 2048 numbers that Inception-v3 of 2015-12-05 averages before its classifier (pool_3)"
	spatial := "Seven channels of a layer of Inception-v3 of 2015-12-05 at 17×17 places, 2023 numbers"
	row := func(name string, tap backbone.InceptionTap, prep preparation, doc, source, agreement string) featureRow {
		return featureRow{row: inceptionRow(name, tap, prep), spec: FeatureSpec{
			Name: name, Space: Euclidean, Doc: doc, Licence: inceptionLicence, Source: source, Agreement: agreement + inceptionAgreement,
		}}
	}
	const ours = "; layers as in mseitzer/pytorch-fid b9c1811, from whose block the seven channels are cut"
	return []featureRow{
		row("inception-tf", backbone.InceptionPool, tf1Preparation(),
			pooled+", of a picture that TensorFlow 1 resized: the features of the original FID, torch-fidelity and torchmetrics.",
			"Heusel et al., NeurIPS 2017, arXiv:1706.08500 (bioinf-jku/TTUR); toshas/torch-fidelity 0.4.0", "torch-fidelity 0.4.0"),
		row("inception-pytorch", backbone.InceptionPool, torchPreparation(),
			pooled+", of a picture that PyTorch resized: the features of pytorch-fid.",
			"mseitzer/pytorch-fid 0.3.0; clean-fid's mode legacy_pytorch, which divides by 255 after the resize", "pytorch-fid 0.3.0"),
		row("inception-clean", backbone.InceptionPool, cleanPreparation(),
			pooled+", of a picture that Pillow resized in floats, with antialiasing: the features of clean-fid.",
			"Parmar, Zhang and Zhu, CVPR 2022, arXiv:2104.11222; GaParmar/clean-fid 0.1.35",
			"clean-fid 0.1.35's resizer to the bit; the network as in pytorch-fid 0.3.0, whose weights clean-fid's are,"),
		row("inception-spatial", backbone.Inception6d, tf1Preparation(),
			spatial+": mixed_6/conv, which is the 1×1 branch of Mixed_6d after its ReLU, row, column, channel. Those of sFID in ADM's evaluator.",
			"Nash et al., ICML 2021, arXiv:2103.03841; openai/guided-diffusion 22e0df8, evaluations; that its node is the ReLU's output rests on the "+
				"order of node names and on the ports", "torch-fidelity 0.4.0's layers"),
		row("inception-spatial-6e", backbone.Inception6e, torchPreparation(),
			spatial+": Mixed_6e, channel, row, column. Those of dgm-eval's sinception.",
			"layer6ai-labs/dgm-eval 74c79f7"+ours, "pytorch-fid 0.3.0's layers"),
		row("inception-spatial-6a", backbone.Inception6a, cleanPreparation(),
			spatial+": Mixed_6a, channel, row, column. Those of pyiqa's sfid.",
			"chaofengc/IQA-PyTorch 01ae427"+ours, "pytorch-fid 0.3.0's layers"),
	}
}

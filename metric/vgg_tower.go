package metric

import (
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/weights"
)

// vgg16Model is the manifest's name for torchvision's checkpoint.
const vgg16Model = "vgg16"

// vgg16FC2 is the tower on which torch-fidelity takes precision and recall:
// torchvision's VGG16 as far as the ReLU after its second linear layer, 4096
// numbers.
func vgg16FC2() towerRow {
	return towerRow{
		name: "vgg16-fc2", models: []string{vgg16Model}, net: backbone.VGG16FC2{}, prep: vgg16Preparation(),
		pieces: func(open *officialFiles, _ nn.Precision) ([]weights.Piece, error) {
			c, err := open.checkpoint(vgg16Model, "")
			if err != nil {
				return nil, err
			}
			return backbone.VGG16FC2{}.Pieces(c)
		},
	}
}

// vgg16Preparation is torch-fidelity's: the whole picture in a square, resized in
// floats as TensorFlow 1 does, and ImageNet's mean and std in 8-bit levels.
func vgg16Preparation() preparation {
	const side = 224
	levels := func(of [3]float64) (v [3]float32) {
		for i, x := range of {
			v[i] = float32(255 * x)
		}
		return v
	}
	return preparation{
		text: "RGB, TensorFlow 1 bilinear to 224×224 (floats, no half pixel, aspect ratio not kept), ImageNet mean and std",
		key:  "tf1 224 levels",
		mean: levels([3]float64{0.485, 0.456, 0.406}), std: levels([3]float64{0.229, 0.224, 0.225}),
		cut: func(img *pixel.Image) (cutting, error) {
			img = img.RGB()
			planes, err := pixel.TF1Bilinear(img.CHWLevels(), img.Width, img.Height, 3, side, side)
			return cutting{planes: planes}, err
		},
	}
}

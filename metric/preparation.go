package metric

import (
	"context"
	"fmt"

	"github.com/gen-emerge/assay/pixel"
)

// A preparation turns a picture into the tensor that a tower reads. Its cut,
// the slow part, is made once a picture for all preparations of the same key.
type preparation struct {
	text      string // for Identity.Preparation
	key       string // of the cut
	cut       func(*pixel.Image) (cutting, error)
	mean, std [3]float32
}

// A cutting is a picture in a tower's size, not yet normalised: 8-bit samples,
// or planes of floats where the reference resizes floats.
type cutting struct {
	image  *pixel.Image
	planes []float32 // [3, h, w] in about [0, 1], instead of image
}

// tensor returns the planar float32 tensor [1, 3, h, w] of p, which callers must not
// change.
func (prep preparation) tensor(ctx context.Context, p *Picture) ([]float32, error) {
	c, err := p.cuttings.get(ctx, prep.key, func(context.Context) (cutting, error) { return prep.cut(p.Image) })
	if err != nil {
		return nil, err
	}
	if c.image != nil {
		return c.image.CHW(prep.mean, prep.std), nil
	}
	if prep.mean == [3]float32{} && prep.std == [3]float32{1, 1, 1} {
		return c.planes, nil
	}
	return pixel.Normalize(c.planes, prep.mean, prep.std), nil
}

// The means and standard deviations of the training sets, in the order R, G, B,
// of samples in [0, 1].
var (
	clipMean, clipStd         = [3]float32{0.48145466, 0.4578275, 0.40821073}, [3]float32{0.26862954, 0.26130258, 0.27577711}
	imageNetMean, imageNetStd = [3]float32{0.485, 0.456, 0.406}, [3]float32{0.229, 0.224, 0.225}
	halfMean, halfStd         = [3]float32{0.5, 0.5, 0.5}, [3]float32{0.5, 0.5, 0.5}
)

// clipPreparation is what openai/CLIP and open_clip do: resize and crop first, in
// the file's own mode (so that alpha weighs in and palettes are resized without
// a filter), and convert to RGB then.
func clipPreparation(side int) preparation {
	return preparation{
		text: fmt.Sprintf("Pillow bicubic, short side to %d (8 bits, in the file's mode), centre %d×%d (halves to even), RGB, CLIP mean and std",
			side, side, side),
		key: fmt.Sprintf("clip %d", side), mean: clipMean, std: clipStd,
		cut: func(img *pixel.Image) (cutting, error) {
			small, err := img.ShortSide(side, pixel.Bicubic)
			if err != nil {
				return cutting{}, err
			}
			small, err = small.CenterCrop(side, side, pixel.HalfEven)
			if err != nil {
				return cutting{}, err
			}
			return cutting{image: small.RGB()}, nil
		},
	}
}

// clipSquarePreparation is what CMMD does: the central square of the picture, cut
// out of its own pixels, and only then resized.
func clipSquarePreparation(side int) preparation {
	return preparation{
		text: fmt.Sprintf("RGB, central square (halves down), Pillow bicubic to %d×%d (8 bits), CLIP mean and std", side, side),
		key:  fmt.Sprintf("clip square %d", side), mean: clipMean, std: clipStd,
		cut: func(img *pixel.Image) (cutting, error) {
			n := min(img.Width, img.Height)
			square, err := img.RGB().CenterCrop(n, n, pixel.HalfFloor)
			if err != nil {
				return cutting{}, err
			}
			small, err := square.Resize(side, side, pixel.Bicubic)
			return cutting{image: small}, err
		},
	}
}

// The preparations of Inception's, by who resizes. All convert to RGB first and
// make a square of the whole picture, aspect ratio not kept. The first two do not
// antialias.
const (
	inceptionSide = 299
	signed128     = "(v − 128)/128"
)

// tf1Preparation is what the original FID does, and after it torch-fidelity and
// torchmetrics: TensorFlow 1's bilinear filter, which shifts the picture by up to
// half a pixel.
func tf1Preparation() preparation {
	return preparation{
		text: fmt.Sprintf("RGB, TensorFlow 1 bilinear (corners not aligned) to %d×%d in floats, %s", inceptionSide, inceptionSide, signed128),
		key:  "tf1 299", mean: same3(128), std: same3(128),
		cut: func(img *pixel.Image) (cutting, error) {
			planes, err := pixel.TF1Bilinear(img.CHWLevels(), img.Width, img.Height, 3, inceptionSide, inceptionSide)
			return cutting{planes: planes}, err
		},
	}
}

// torchPreparation is what pytorch-fid does.
func torchPreparation() preparation {
	return preparation{
		text: fmt.Sprintf("RGB/255, torch bilinear (antialias false) to %d×%d in floats, 2v − 1", inceptionSide, inceptionSide),
		key:  "torch 299", mean: halfMean, std: halfStd, // (v − 0.5)/0.5 is 2v − 1 to the bit
		cut: func(img *pixel.Image) (cutting, error) {
			planes, err := pixel.TorchBilinear(img.CHWUnit(), img.Width, img.Height, 3, inceptionSide, inceptionSide)
			return cutting{planes: planes}, err
		},
	}
}

// cleanPreparation is what clean-fid does: Pillow's bicubic filter, antialiased, on
// each channel in floats, clipped and not rounded.
func cleanPreparation() preparation {
	return preparation{
		text: fmt.Sprintf("RGB, Pillow bicubic to %d×%d in floats, clipped to [0, 255], %s", inceptionSide, inceptionSide, signed128),
		key:  "clean 299", mean: same3(128), std: same3(128),
		cut: func(img *pixel.Image) (cutting, error) {
			planes, err := pixel.ResizeFloat(img.CHWLevels(), img.Width, img.Height, 3, inceptionSide, inceptionSide, pixel.Bicubic)
			if err != nil {
				return cutting{}, err
			}
			for i, v := range planes { // made above, so ours to change
				planes[i] = min(max(v, 0), 255)
			}
			return cutting{planes: planes}, nil
		},
	}
}

// same3 is one number for the three channels.
func same3(v float32) [3]float32 { return [3]float32{v, v, v} }

// half is prep for networks trained on samples in [−1, 1].
func (prep preparation) half() preparation {
	prep.mean, prep.std = halfMean, halfStd
	prep.text = prep.text[:len(prep.text)-len("CLIP mean and std")] + "mean and std 0.5"
	return prep
}

// huggingFacePreparation is what transformers' CLIPImageProcessor does: RGB
// first, and a crop whose offset is rounded down.
func huggingFacePreparation(side int) preparation {
	return preparation{
		text: fmt.Sprintf("RGB, Pillow bicubic, short side to %d (8 bits), centre %d×%d (halves down), CLIP mean and std", side, side, side),
		key:  fmt.Sprintf("hugging face %d", side), mean: clipMean, std: clipStd,
		cut: func(img *pixel.Image) (cutting, error) {
			small, err := img.RGB().ShortSide(side, pixel.Bicubic)
			if err != nil {
				return cutting{}, err
			}
			small, err = small.CenterCrop(side, side, pixel.HalfFloor)
			return cutting{image: small}, err
		},
	}
}

// squashPreparation is what DreamSim does: the whole picture in a square.
func squashPreparation(mean, std [3]float32, whose string) preparation {
	const side = 224
	return preparation{
		text: fmt.Sprintf("RGB, Pillow bicubic to %d×%d (8 bits, aspect ratio not kept), %s mean and std", side, side, whose),
		key:  "squash 224", mean: mean, std: std,
		cut: func(img *pixel.Image) (cutting, error) {
			small, err := img.RGB().Resize(side, side, pixel.Bicubic)
			return cutting{image: small}, err
		},
	}
}

// letterboxPreparation is what HPS v2 does: the whole picture in a black square,
// resized in floats by torchvision, whose default for antialias has changed.
func letterboxPreparation(antialias bool) preparation {
	const side = 224
	return preparation{
		text: fmt.Sprintf("RGB/255, torch bicubic (antialias %v), long side to %d, black to %d×%d, CLIP mean and std", antialias, side, side, side),
		key:  fmt.Sprintf("letterbox 224 %v", antialias), mean: clipMean, std: clipStd,
		cut: func(img *pixel.Image) (cutting, error) {
			planes, err := img.LetterboxUnit(side, antialias)
			return cutting{planes: planes}, err
		},
	}
}

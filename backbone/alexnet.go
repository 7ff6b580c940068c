package backbone

import "github.com/gen-emerge/assay/nn"

// AlexNet returns the convolutional part of torchvision's alexnet, five
// convolutions. Its taps are those of LPIPS: after every ReLU, layers 1, 4, 7, 9
// and 11, of 64, 192, 384, 256 and 256 channels.
//
// Krizhevsky, arXiv 1404.5997 (the one-column form); torchvision's alexnet.
func AlexNet() Trunk {
	return Trunk{
		Name: "alexnet", MinSide: 31, // what leaves one window to the second pool
		layers: []trunkLayer{
			{index: 0, conv: nn.Conv{In: 3, Out: 64, Kernel: 11, Stride: 4, Pad: 2}},
			{index: 2, pool: 3},
			{index: 3, conv: nn.Conv{In: 64, Out: 192, Kernel: 5, Pad: 2}},
			{index: 5, pool: 3},
			{index: 6, conv: nn.Conv{In: 192, Out: 384, Kernel: 3, Pad: 1}},
			{index: 8, conv: nn.Conv{In: 384, Out: 256, Kernel: 3, Pad: 1}},
			{index: 10, conv: nn.Conv{In: 256, Out: 256, Kernel: 3, Pad: 1}},
		},
		taps:       []int{1, 4, 7, 9, 11},
		classifier: []dense{{1, 256 * 6 * 6, 4096}, {4, 4096, 4096}, {6, 4096, 1000}},
	}
}

package metric

import (
	"context"
	"fmt"
	"io"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/weights"
)

// pair writes the parts of LPIPS and DISTS, each in the container of its official
// file: PyTorch's zip for AlexNet, the stream before it for the others.
func (o *official) pair(name string) error {
	switch name {
	case alexNetModel:
		o.torch(backbone.AlexNet().Inventory())
		return nil
	case vgg16Model:
		o.torchLegacy(backbone.VGG16().Inventory())
		return nil
	case distsModel:
		o.torchLegacy(distsInventory())
		return nil
	}
	for _, n := range lpipsNets() {
		if n.heads == name {
			o.torchLegacy(n.headsInventory())
			return nil
		}
	}
	return fmt.Errorf("model %s cannot be made up; run: assay models pull %s: %w", name, name, assay.ErrUnavailable)
}

// torchLegacy writes one flat state dictionary as a stream.
func (o *official) torchLegacy(specs []weights.TensorSpec) {
	o.file = func(ctx context.Context, w io.Writer) error {
		return weights.WriteTorchLegacy(ctx, w, weights.SyntheticPieces(o.seed, specs),
			weights.TorchZipOptions{Comment: weights.SyntheticMark(o.seed)})
	}
}

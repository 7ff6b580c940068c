package metric

import (
	"context"
	"io"

	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/weights"
)

// nima writes a Keras file.
func (o *official) nima(name string) {
	net := backbone.NIMA(name, backbone.Keras21) // the weights are the same with either padding
	o.file = func(ctx context.Context, w io.Writer) error {
		return weights.WriteKerasHDF5(ctx, w, weights.SyntheticPieces(o.seed, net.Inventory()),
			weights.KerasOptions{Layers: net.KerasLayers(), Texts: map[string]string{"synthetic": weights.SyntheticMark(o.seed)}})
	}
}

package metric

import "github.com/gen-emerge/assay/backbone"

// imageReward writes one flat state dictionary.
func (o *official) imageReward() error {
	specs, err := backbone.ImageReward().Inventory(backbone.BLIPL16())
	o.torch(specs)
	return err
}

package metric

import (
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/stat"
)

// randomImage is torch.randint(255, (3, side, side)) after torch.manual_seed:
// the k-th sample, red plane first, is the k-th number modulo 255. Some
// published values are of such pictures.
func randomImage(seed uint32, side int) *pixel.Image {
	m := stat.NewMT19937(seed)
	img := &pixel.Image{Mode: pixel.RGB, Width: side, Height: side, Pix: make([]uint8, 3*side*side)}
	for c := range 3 {
		for i := range side * side {
			img.Pix[3*i+c] = uint8(m.Uint32() % 255)
		}
	}
	return img
}

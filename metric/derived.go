package metric

import (
	"slices"
	"sync"

	"github.com/gen-emerge/assay"
)

// derived holds what several instruments read of one picture, each made when
// first asked for.
type derived struct {
	greyOnce   sync.Once
	greyPix    []uint8
	rgbOnce    sync.Once
	rgbPix     []uint8
	levelsOnce sync.Once
	levels     [256]int
	labOnce    sync.Once
	lab        labSums
	layoutOnce sync.Once
	layout     []float32
	cuttings   memo[string, cutting]           // by preparation.key
	embeds     memo[assay.Identity, []float32] // by the tower's identity
}

// Recall gives p a tower's embedding of it that was stored earlier. It is used
// where an instrument asks for the embedding of a tower whose identity is
// exactly e's, instead of running the tower; e's Image is not looked at.
func (p *Picture) Recall(e assay.Embedding) {
	p.embeds.put(e.Identity, slices.Clone(e.Vector))
}

// grey returns the Pillow L plane, row-major. Callers must not change it.
func (p *Picture) grey() []uint8 {
	p.greyOnce.Do(func() { p.greyPix = p.Image.Gray().Pix })
	return p.greyPix
}

// rgb returns the samples in mode RGB. Callers must not change them.
func (p *Picture) rgb() []uint8 {
	p.rgbOnce.Do(func() { p.rgbPix = p.Image.RGB().Pix })
	return p.rgbPix
}

// histogram counts the pixels of each grey level.
func (p *Picture) histogram() *[256]int {
	p.levelsOnce.Do(func() {
		// Four counters a level, so that equal neighbours do not wait for each other.
		var count [4][256]int
		grey := p.grey()
		for len(grey) >= 4 {
			count[0][grey[0]]++
			count[1][grey[1]]++
			count[2][grey[2]]++
			count[3][grey[3]]++
			grey = grey[4:]
		}
		for _, v := range grey {
			count[0][v]++
		}
		for i := range p.levels {
			p.levels[i] = count[0][i] + count[1][i] + count[2][i] + count[3][i]
		}
	})
	return &p.levels
}

// pixels returns the number of pixels.
func (p *Picture) pixels() int { return p.Width * p.Height }

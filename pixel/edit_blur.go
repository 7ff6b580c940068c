package pixel

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// blurBits is the number of fractional bits of a blur's weights. Integer
// weights make the result the same on machines whose exponentials differ in
// the last place; 20 bits keep a sum of two passes within 48.
const blurBits = 20

// maxSigma bounds a blur, whose cost grows with its width.
const maxSigma = 1000

// Blur returns img after a Gaussian blur with a standard deviation of sigma
// pixels, cut off at 4 sigma and with the edge pixels repeated outwards, as
// scipy.ndimage.gaussian_filter(mode="nearest") does, rounded to the nearest
// level at the end. sigma is in [0, 1000], else the error wraps
// [assay.ErrInvalid]; below 1/8 the kernel is one pixel and nothing changes.
func (img *Image) Blur(sigma float64) (*Image, error) {
	if err := img.editable("blur"); err != nil {
		return nil, err
	}
	if !(sigma >= 0 && sigma <= maxSigma) {
		return nil, fmt.Errorf("blur: sigma %g px: want 0 to %d: %w", sigma, maxSigma, assay.ErrInvalid)
	}
	weights := gaussian(sigma)
	if len(weights) == 1 {
		return img, nil
	}
	w, h := img.Width, img.Height
	out := &Image{Mode: RGB, Width: w, Height: h, Pix: make([]uint8, len(img.Pix))}
	radius := len(weights) / 2
	// Blurred along x, each sample has blurBits fractional bits.
	mid := make([]int64, len(img.Pix))
	for y := range h {
		line := img.Pix[y*w*3 : (y+1)*w*3]
		for x := range w {
			var r, g, b int64
			for j, k := range weights {
				at := 3 * min(max(x+j-radius, 0), w-1)
				r += k * int64(line[at])
				g += k * int64(line[at+1])
				b += k * int64(line[at+2])
			}
			o := (y*w + x) * 3
			mid[o], mid[o+1], mid[o+2] = r, g, b
		}
	}
	sums := make([]int64, 3*w)
	for y := range h {
		for i := range sums {
			sums[i] = 1 << (2*blurBits - 1)
		}
		for j, k := range weights {
			at := min(max(y+j-radius, 0), h-1) * w * 3
			for i, v := range mid[at : at+3*w] {
				sums[i] += k * v
			}
		}
		for i, s := range sums {
			out.Pix[y*w*3+i] = uint8(s >> (2 * blurBits))
		}
	}
	return out, nil
}

// gaussian returns the 2·round(4·sigma)+1 weights of a Gaussian with blurBits
// fractional bits; they add up to exactly one. The centre takes the difference.
func gaussian(sigma float64) []int64 {
	radius := int(4*sigma + 0.5)
	w := make([]float64, 2*radius+1)
	sum := 0.0
	for i := range w {
		d := float64(i - radius)
		if d != 0 {
			w[i] = math.Exp(-d * d / (2 * sigma * sigma))
		} else {
			w[i] = 1
		}
		sum += w[i]
	}
	fixed := make([]int64, len(w))
	left := int64(1) << blurBits
	for i := range w {
		fixed[i] = int64(math.Round(w[i] / sum * (1 << blurBits)))
		left -= fixed[i]
	}
	fixed[radius] += left
	return fixed
}

package judgetest

import (
	"image"
	"image/draw"
	"math"

	"github.com/gen-emerge/assay/pixel"
)

// The sides of the reduced pictures that are compared. A picture is recognised
// on the coarse one, which survives scaling and JPEG, and alterations are told on
// the fine one.
const (
	coarseSide = 16
	fineSide   = 64
	workSide   = 256 // long edge at which facts are measured
)

// A look is what is kept of a picture: a few kilobytes, whatever its size.
type look struct {
	facts  Facts
	format string
	coarse []uint8     // coarseSide² RGB means
	fine   []uint8     // fineSide² luma means
	tones  [96]float64 // histogram of each channel in 32 bins, each with a sum of 1
	halves []*look     // left and right, if it is a montage
}

// lookAt measures img.
func lookAt(img *pixel.Image) (*look, error) {
	rgb := onGrey(img)
	work := rgb
	if long := max(rgb.Width, rgb.Height); long > workSide {
		w := max(1, rgb.Width*workSide/long)
		h := max(1, rgb.Height*workSide/long)
		var err error
		if work, err = rgb.Resize(w, h, pixel.Box); err != nil {
			return nil, err
		}
	}
	coarse, err := work.Resize(coarseSide, coarseSide, pixel.Box)
	if err != nil {
		return nil, err
	}
	grey := work.Gray()
	fine, err := grey.Resize(fineSide, fineSide, pixel.Box)
	if err != nil {
		return nil, err
	}
	l := &look{coarse: coarse.Pix, fine: fine.Pix}
	l.measure(work, grey)
	l.facts.Width, l.facts.Height = img.Width, img.Height
	left, right, ok := gapIn(work)
	if !ok {
		return l, nil
	}
	left, right = left*rgb.Width/work.Width, (right*rgb.Width+work.Width-1)/work.Width
	for _, span := range [][2]int{{0, left}, {right, rgb.Width}} {
		half, err := rgb.Crop(span[0], 0, span[1]-span[0], rgb.Height)
		if err != nil {
			return nil, err
		}
		h, err := lookAt(half)
		if err != nil {
			return nil, err
		}
		l.halves = append(l.halves, h)
	}
	return l, nil
}

// gapIn finds the mid-grey columns that part two pictures standing side by side:
// from left up to and without right.
func gapIn(work *pixel.Image) (left, right int, ok bool) {
	grey := func(x int) bool {
		for y := range work.Height {
			for _, v := range work.Pix[3*(y*work.Width+x):][:3] {
				if v < 120 || v > 136 {
					return false
				}
			}
		}
		return true
	}
	from, to := work.Width/8, work.Width-work.Width/8
	for left = from; left < to && !grey(left); left++ {
	}
	for right = left; right < to && grey(right); right++ {
	}
	return left, right, left > from && right < to && right-left >= 2
}

// onGrey returns img in mode RGB, what is transparent laid on mid-grey.
func onGrey(img *pixel.Image) *pixel.Image {
	if img.Mode != pixel.RGBA && img.Mode != pixel.GrayA {
		return img.RGB()
	}
	n := img.Mode.Channels()
	out := *img.RGB()
	out.Pix = append([]uint8(nil), out.Pix...)
	for i := range out.Width * out.Height {
		a := int(img.Pix[i*n+n-1])
		for c := range 3 {
			out.Pix[3*i+c] = uint8((int(out.Pix[3*i+c])*a + 128*(255-a) + 127) / 255)
		}
	}
	return &out
}

// fromImage converts img to a picture of package pixel.
func fromImage(img image.Image) *pixel.Image {
	b := img.Bounds()
	flat := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(flat, flat.Bounds(), img, b.Min, draw.Src)
	return &pixel.Image{Mode: pixel.RGBA, Width: b.Dx(), Height: b.Dy(), Pix: flat.Pix}
}

// measure fills in the facts and the tones from the picture at working size.
func (l *look) measure(work, grey *pixel.Image) {
	low, high := [3]uint8{255, 255, 255}, [3]uint8{}
	chroma, sum := 0, 0
	for i := 0; i < len(work.Pix); i += 3 {
		p := work.Pix[i : i+3 : i+3]
		for c, v := range p {
			low[c], high[c] = min(low[c], v), max(high[c], v)
			l.tones[32*c+int(v>>3)]++
		}
		chroma = max(chroma, int(max(p[0], p[1], p[2]))-int(min(p[0], p[1], p[2])))
	}
	darkest, brightest := uint8(255), uint8(0)
	for _, v := range grey.Pix {
		sum += int(v)
		darkest, brightest = min(darkest, v), max(brightest, v)
	}
	n := float64(len(grey.Pix))
	for i := range l.tones {
		l.tones[i] /= n
	}
	f := &l.facts
	f.MeanLuma = float64(sum) / n
	f.Plain = max(high[0]-low[0], high[1]-low[1], high[2]-low[2]) <= 12
	f.Grey = chroma <= 12
	f.Dark, f.Bright = brightest <= 24, darkest >= 231
	f.Sharpness, f.Blockiness = edges(grey)
}

// edges returns the mean absolute difference of neighbours in a row, and that on
// the 8-pixel grid over that off it.
func edges(grey *pixel.Image) (sharpness, blockiness float64) {
	var on, off, nOn, nOff int
	for y := range grey.Height {
		row := grey.Pix[y*grey.Width:][:grey.Width]
		for x := 1; x < len(row); x++ {
			d := int(row[x]) - int(row[x-1])
			if d < 0 {
				d = -d
			}
			if x%8 == 0 {
				on, nOn = on+d, nOn+1
			} else {
				off, nOff = off+d, nOff+1
			}
		}
	}
	if nOn+nOff > 0 {
		sharpness = float64(on+off) / float64(nOn+nOff)
	}
	if on == 0 || off == 0 {
		return sharpness, 1
	}
	return sharpness, float64(on) / float64(nOn) / (float64(off) / float64(nOff))
}

// rms is the root of the mean square of the differences of a and b at the
// places that at gives for those of b; nil is the same place.
func rms(a, b []uint8, at func(i int) int) float64 {
	sum := 0
	for i, v := range a {
		j := i
		if at != nil {
			j = at(i)
		}
		d := int(v) - int(b[j])
		sum += d * d
	}
	return math.Sqrt(float64(sum) / float64(len(a)))
}

// distance is that of [Seen.Distance].
func (l *look) distance(m *look) float64 { return rms(l.coarse, m.coarse, nil) }

// mirrored is the distance of l from m turned left to right.
func (l *look) mirrored(m *look) float64 {
	return rms(l.coarse, m.coarse, func(i int) int {
		pixel, c := i/3, i%3
		y, x := pixel/coarseSide, pixel%coarseSide
		return 3*(y*coarseSide+coarseSide-1-x) + c
	})
}

// swaps are the orders of channels besides the usual one.
var swaps = [5][3]int{{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}

// swapped is the least distance of l from m with channels exchanged.
func (l *look) swapped(m *look) float64 {
	best := math.Inf(1)
	for _, s := range swaps {
		best = min(best, rms(l.coarse, m.coarse, func(i int) int { return i - i%3 + s[i%3] }))
	}
	return best
}

// toneDistance is half the sum of the differences of histograms, averaged over
// channels: 0 for equal, 1 for disjoint ones. It knows nothing of places.
func (l *look) toneDistance(m *look) float64 {
	sum := 0.0
	for i, v := range l.tones {
		sum += math.Abs(v - m.tones[i])
	}
	return sum / 6
}

// correlation is that of the means of l and m, each channel about its own mean: 1
// for the same scene in another contrast.
func (l *look) correlation(m *look) float64 {
	var cross, one, other float64
	for c := range 3 {
		var sumL, sumM float64
		for i := c; i < len(l.coarse); i += 3 {
			sumL, sumM = sumL+float64(l.coarse[i]), sumM+float64(m.coarse[i])
		}
		n := float64(len(l.coarse) / 3)
		for i := c; i < len(l.coarse); i += 3 {
			a, b := float64(l.coarse[i])-sumL/n, float64(m.coarse[i])-sumM/n
			cross, one, other = cross+a*b, one+a*a, other+b*b
		}
	}
	if one == 0 || other == 0 {
		return 0
	}
	return cross / math.Sqrt(one*other)
}

// damage says how far l is from m, which shows the same: the size of the
// alteration, in levels, and what it is. A picture at another scale loses some
// detail and is none the worse.
func (l *look) damage(m *look) (float64, string) {
	lossy, soft, scaled := 2.5, 0.2, l.facts.Width != m.facts.Width || l.facts.Height != m.facts.Height
	if scaled {
		lossy, soft = 6, 0.35
	}
	fine := rms(l.fine, m.fine, nil)
	loss := 0.0
	if m.facts.Sharpness > 1 {
		loss = 1 - l.facts.Sharpness/m.facts.Sharpness
	}
	size := fine + 20*max(loss, min(1, -loss))
	if scaled {
		size = fine + 20*max(0, loss) // a smaller picture has sharper edges
	}
	switch {
	case fine > lossy && l.facts.Blockiness > 1.3*m.facts.Blockiness:
		return size, "blocky"
	case loss > soft:
		return size, "blurred"
	case fine > lossy, -loss > soft && !scaled:
		return size, "noisy"
	}
	return size, ""
}

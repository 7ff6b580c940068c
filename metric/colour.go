package metric

import (
	"math"
	"sync"
)

var colourfulness = formula{
	spec: Spec{
		Name:        "colourfulness",
		Version:     1,
		Kind:        OfImage,
		Better:      Descriptor,
		Lo:          0,
		Hi:          298, // σ² + μ² is at most 285.1² (pure red), and then σ + 0.3·μ at most √1.09 times its root
		MinSide:     1,
		Preparation: "RGB, native size",
		Doc: "Spread of the opponent colours red–green and yellow–blue, and their distance from grey: " +
			"0 is grey, 33 moderately, 59 quite and 109 extremely colourful.",
		Source: "Hasler and Süsstrunk: Measuring colourfulness in natural images, SPIE 5007, 2003; " +
			"their M̂⁽³⁾, on 8-bit sRGB",
		Agreement: "the paper's formula in NumPy: within 1e-9",
	},
	value: func(p *Picture) (float64, []string) {
		// rg = R − G and 2·yb = R + G − 2·B are integers, so the sums are exact.
		var rg, yb, rg2, yb2 int
		for pix := p.rgb(); len(pix) >= 3; pix = pix[3:] {
			r, g, b := int(pix[0]), int(pix[1]), int(pix[2])
			x, y := r-g, r+g-2*b
			rg += x
			yb += y
			rg2 += x * x
			yb2 += y * y
		}
		n := float64(p.pixels())
		mx, my := float64(rg)/n, float64(yb)/n/2
		vx, vy := variance(p.pixels(), rg, rg2), variance(p.pixels(), yb, yb2)/4
		return math.Sqrt(vx+vy) + float64(0.3*math.Hypot(mx, my)), nil
	},
}

// variance returns the population variance of n integers from their sum and
// the sum of their squares.
func variance(n, sum, squares int) float64 {
	// Shifting by the rounded mean keeps the difference of squares exact.
	mean := sum / n
	s := sum - n*mean
	q := squares - 2*mean*sum + n*mean*mean
	m := float64(s) / float64(n)
	return max(float64(q)/float64(n)-float64(m*m), 0)
}

var lightness = formula{
	spec: labSpec("lightness", "Mean CIE lightness L*: 0 is black, 100 white.", 0, 100,
		"CIE 15:2018 (CIELAB)", "scikit-image 0.26 rgb2lab: within 1e-4"),
	value: func(p *Picture) (float64, []string) {
		l, _, _ := p.labs().mean()
		return min(max(l, 0), 100), nil // rounding
	},
}

var contrast = formula{
	spec: labSpec("contrast", "Root-mean-square contrast: standard deviation of CIE lightness L*, in its units.", 0, 50,
		"Peli: Contrast in complex images, JOSA A 7(10), 1990 (RMS contrast), taken on CIE L*",
		"scikit-image 0.26 rgb2lab: within 1e-4"),
	value: func(p *Picture) (float64, []string) {
		s := p.labs()
		n := float64(p.pixels())
		m := s.shifted / n
		return min(116*math.Sqrt(max(s.squares/n-float64(m*m), 0)), 50), nil // rounding
	},
}

// The colours of sRGB lie between −44 (azure) and 103 (red).
var warmth = formula{
	spec: labSpec("warmth", "Mean chroma towards warm colours, in CIELAB units: orange is positive, blue negative, grey 0.", -45, 104,
		"hue 50° is the warm pole and 230° the cool one in Ou, Luo, Woodcock, Wright: A study of colour emotion and "+
			"colour preference, part I, Color Research and Application 29(3), 2004; here the mean of a*·cos 50° + b*·sin 50°",
		"scikit-image 0.26 rgb2lab: within 1e-4"),
	value: func(p *Picture) (float64, []string) {
		_, a, b := p.labs().mean()
		const cos50, sin50 = 0.6427876096865394, 0.766044443118978
		return float64(a*cos50) + float64(b*sin50), nil
	},
}

func labSpec(name, doc string, lo, hi float64, source, agreement string) Spec {
	return Spec{
		Name: name, Version: 1, Kind: OfImage, Better: Descriptor, Lo: lo, Hi: hi, MinSide: 1, Unit: "CIELAB units",
		Preparation: "RGB read as sRGB, CIELAB of white point D65, native size", Doc: doc, Source: source, Agreement: agreement,
	}
}

// layoutGrid is the number of cells along each side of the layout grid.
const layoutGrid = 4

// labSums sums up what lightness, contrast, warmth and the layout ask of an
// image's colours. With f the cube root of CIELAB and X, Y, Z relative to the
// white point, L* = 116·f(Y) − 16, a* = 500·(f(X) − f(Y)) and
// b* = 200·(f(Y) − f(Z)) are linear, so sums of f suffice.
type labSums struct {
	cells            [layoutGrid * layoutGrid]fSums // row-major; cell i of n starts at pixel i·side/n rounded up
	shifted, squares float64                        // Σ(f(Y) − c) and Σ(f(Y) − c)², c that of the first pixel
}

// fSums is Σf over some pixels.
type fSums struct {
	n       int
	x, y, z float64
}

// mean returns the mean CIELAB colour; there must be a pixel.
func (s fSums) mean() (l, a, b float64) {
	n := float64(s.n)
	x, y, z := s.x/n, s.y/n, s.z/n
	return float64(116*y) - 16, 500 * (x - y), 200 * (y - z)
}

// mean returns the mean CIELAB colour of the whole image.
func (s *labSums) mean() (l, a, b float64) {
	var all fSums
	for _, c := range s.cells {
		all = fSums{all.n + c.n, all.x + c.x, all.y + c.y, all.z + c.z}
	}
	return all.mean()
}

// labs returns the sums for p.
func (p *Picture) labs() *labSums {
	p.labOnce.Do(func() {
		pix, t := p.rgb(), labTable()
		_, first, _ := t.roots(pix[0], pix[1], pix[2])
		for y := range p.Height {
			band := p.lab.cells[y*layoutGrid/p.Height*layoutGrid:][:layoutGrid]
			row := pix[3*y*p.Width:][:3*p.Width]
			for c := range band {
				lo, hi := ceilDiv(c*p.Width, layoutGrid), ceilDiv((c+1)*p.Width, layoutGrid)
				p.lab.add(&band[c], row[3*lo:3*hi], t, float64(first))
			}
		}
	})
	return &p.lab
}

// ceilDiv returns a/b rounded up.
func ceilDiv(a, b int) int { return (a + b - 1) / b }

// add takes in a run of pixels of one cell.
func (s *labSums) add(cell *fSums, pix []uint8, t *labTables, first float64) {
	var sx, sy, sz, shifted, squares float64
	cell.n += len(pix) / 3
	for ; len(pix) >= 3; pix = pix[3:] {
		x, y, z := t.roots(pix[0], pix[1], pix[2])
		sx += float64(x)
		sy += float64(y)
		sz += float64(z)
		d := float64(y) - first
		shifted += d
		squares += float64(d * d)
	}
	cell.x += sx
	cell.y += sy
	cell.z += sz
	s.shifted += shifted
	s.squares += squares
}

// A labTables turns sRGB samples into f(X), f(Y), f(Z) by looking up.
type labTables struct {
	part [256][9]float32        // what a sample adds to X, Y, Z (as red, as green, as blue), times rootSteps
	root [rootSteps + 2]float32 // f at i/rootSteps
}

// rootSteps is how finely f is tabulated. Between the entries it is taken to be
// straight, which costs at most h²/8·max|f″| = 2.8e-7, or 3e-5 of L*.
const rootSteps = 1 << 14

var labTable = sync.OnceValue(func() *labTables {
	// sRGB to XYZ (IEC 61966-2-1, as scikit-image and OpenCV have it), and the
	// CIE 1931 white point D65.
	matrix := [3][3]float64{
		{0.412453, 0.357580, 0.180423},
		{0.212671, 0.715160, 0.072169},
		{0.019334, 0.119193, 0.950227},
	}
	white := [3]float64{0.95047, 1, 1.08883}
	t := new(labTables)
	for v := range t.part {
		linear := float64(v) / 255
		if linear > 0.04045 {
			linear = math.Pow((linear+0.055)/1.055, 2.4)
		} else {
			linear /= 12.92
		}
		for channel := range 3 {
			for axis := range 3 {
				t.part[v][3*channel+axis] = float32(linear * matrix[axis][channel] / white[axis] * rootSteps)
			}
		}
	}
	for i := range t.root {
		v := float64(i) / rootSteps
		if v > 0.008856 { // (6/29)³
			t.root[i] = float32(math.Cbrt(v))
		} else {
			t.root[i] = float32(float64(7.787*v) + 16.0/116)
		}
	}
	return t
})

// roots returns f(X), f(Y), f(Z) of an sRGB pixel.
func (t *labTables) roots(r, g, b uint8) (x, y, z float32) {
	red, green, blue := &t.part[r], &t.part[g], &t.part[b]
	return t.at(red[0] + green[3] + blue[6]), t.at(red[1] + green[4] + blue[7]), t.at(red[2] + green[5] + blue[8])
}

// at returns f(v/rootSteps) for v in [0, rootSteps].
func (t *labTables) at(v float32) float32 {
	i := int32(v)
	lo, hi := t.root[i], t.root[i+1]
	return lo + float32((v-float32(i))*(hi-lo))
}

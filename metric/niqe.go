package metric

import (
	"context"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// niqeSpec is the LIVE release of 2013 with its own pristine model. MATLAB's
// built-in niqe has another pristine model and gives other numbers.
var niqeSpec = Spec{
	Name:        "niqe",
	Version:     1,
	Kind:        OfImage,
	Better:      LowerIsBetter,
	Lo:          0,
	Hi:          math.Inf(1),
	MinSide:     niqeBlock,
	Preparation: "Pillow L, native size, whole 96×96 blocks from the top left, scales 1 and 1/2 (MATLAB bicubic)",
	Models:      []string{"niqe"},
	Doc: "Distance of the image's natural-scene statistics from those of 125 undistorted photographs; " +
		"needs room for two blocks of 96×96 pixels, and reads too high with fewer than 16.",
	Source: "Mittal, Soundararajan, Bovik: Making a completely blind image quality analyzer, IEEE SPL 20(3), 2013; " +
		"LIVE release (niqe_release), not MATLAB's built-in niqe, whose pristine model differs",
	Agreement: "published values of the LIVE release on five TID2013 images (15.754, 3.655, 3.235, 3.184, 8.635): " +
		"within 0.5 %",
}

// Of the statistics.
const (
	niqeBlock    = 96 // pixels, side of a block at full size
	niqeFeatures = 36 // 18 at each of two scales
)

// niqeSnap is the difference from the local mean, in 8-bit levels, below which
// a sample counts as equal to it. One neighbour that differs by the smallest
// step moves the mean by 1.6e-4, or 2.4e-9 at scale 1/2, whose samples are
// multiples of 2^-16; rounding moves it by less than 1e-12. The release does
// not do this, so in flat areas it reads the sign of rounding errors, which
// are those of MATLAB's filters on its authors' machine.
const niqeSnap = 1e-9

// niqeFew is the number of blocks below which a reading carries a warning. In
// crops of five TID2013 images NIQE was 2.3 times that of the whole image (20
// blocks) with 2 blocks, 1.8 times with 4, 1.3 times with 9 and 1.2 times with
// 12: medians of 30 crops. An image of 512×512 pixels has 25.
const niqeFew = 16

// A NIQEModel is the multivariate Gaussian of pristine photographs that images
// are compared with, and where it was read.
type NIQEModel struct {
	Mean       [niqeFeatures]float64
	Covariance [niqeFeatures * niqeFeatures]float64 // row-major, symmetric, positive definite
	Checkpoint string                               // digest of the tensors
	Synthetic  bool
}

// OpenNIQE returns the niqe instrument. It fails, wrapping [assay.ErrInvalid],
// if m's covariance is not symmetric and positive definite or a value of m is
// not finite.
func OpenNIQE(m NIQEModel) (*Instrument, error) {
	for i, v := range m.Mean {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("niqe: mean of feature %d is %v: %w", i, v, assay.ErrInvalid)
		}
	}
	for i := range niqeFeatures {
		for j := range i {
			if a, b := m.Covariance[i*niqeFeatures+j], m.Covariance[j*niqeFeatures+i]; a != b {
				return nil, fmt.Errorf("niqe: covariance of features %d and %d is both %v and %v: %w", i, j, a, b, assay.ErrInvalid)
			}
		}
	}
	if _, ok := quadratic(m.Covariance, m.Mean); !ok {
		return nil, fmt.Errorf("niqe: the covariance is not positive definite: %w", assay.ErrInvalid)
	}
	return &Instrument{
		Spec: niqeSpec, Checkpoint: m.Checkpoint, Runtime: goRuntime, Synthetic: m.Synthetic,
		measure: func(ctx context.Context, p *Picture) (float64, []string, error) { return m.measure(ctx, p) },
	}, nil
}

func (m *NIQEModel) measure(ctx context.Context, p *Picture) (float64, []string, error) {
	rows, cols := p.Height/niqeBlock, p.Width/niqeBlock
	if rows*cols < 2 {
		return 0, nil, fmt.Errorf("niqe: image is %d×%d pixels, which holds %d blocks of %d×%d, needs at least 2: %w",
			p.Width, p.Height, rows*cols, niqeBlock, niqeBlock, assay.ErrInvalid)
	}
	features := niqeBlocks(p, rows, cols)
	if err := ctx.Err(); err != nil {
		return 0, nil, err
	}
	mean, cov, usable := spread(features)
	if usable < 2 {
		return 0, nil, fmt.Errorf("niqe: %d of %d blocks have texture, needs at least 2: %w", usable, len(features), assay.ErrInvalid)
	}
	var d [niqeFeatures]float64
	for i := range d {
		d[i] = m.Mean[i] - mean[i]
	}
	for i := range cov {
		cov[i] = (m.Covariance[i] + cov[i]) / 2
	}
	q, ok := quadratic(cov, d)
	if !ok {
		return 0, nil, fmt.Errorf("niqe: the mean of the two covariances is singular: %w", assay.ErrInvalid)
	}
	var warnings []string
	if usable < niqeFew {
		warnings = append(warnings, fmt.Sprintf("read from %d blocks of %d×%d pixels: NIQE is higher the fewer there are, "+
			"so compare it with images of this size only", usable, niqeBlock, niqeBlock))
	}
	if flat := len(features) - usable; flat > 0 {
		warnings = append(warnings, fmt.Sprintf("%d of %d blocks are too flat to have statistics and were left out", flat, len(features)))
	}
	return math.Sqrt(q), warnings, nil
}

// niqeBlocks returns the statistics of rows×cols blocks, row by row.
func niqeBlocks(p *Picture, rows, cols int) [][niqeFeatures]float64 {
	features := make([][niqeFeatures]float64, rows*cols)
	grey, w, h := p.grey(), cols*niqeBlock, rows*niqeBlock
	blockStatistics(features, 0, mscn(grey, w, h, p.Width, replicate, niqeSnap), cols, niqeBlock)
	small, sw, sh := half(grey, w, h, p.Width)
	blockStatistics(features, niqeFeatures/2, mscn(small, sw, sh, sw, replicate, niqeSnap), cols, niqeBlock/2)
	return features
}

// blockStatistics writes the 18 statistics of every block of a plane of MSCN
// values, cols blocks of side pixels to a row, into features from column at.
// What a flat block does not have is NaN.
func blockStatistics(features [][niqeFeatures]float64, at int, plane []float64, cols, side int) {
	stride := cols * side
	for i := range features {
		origin := i/cols*side*stride + i%cols*side
		m := neighbours(plane[origin:], side, side, stride)
		sceneStatistics(features[i][at:at+niqeFeatures/2], &m)
	}
}

// sceneStatistics writes shape and width of the MSCN values, then shape, mean,
// left and right width for each of four neighbours: 18 numbers.
func sceneStatistics(dst []float64, m *[sets]moments) {
	for i := range m {
		shape, left, right, ok := m[i].asymmetric()
		mean := math.NaN()
		if ok {
			// The fit's scales β are the root mean squares times this.
			scale := math.Sqrt(math.Gamma(1/shape) / math.Gamma(3/shape))
			left, right = left*scale, right*scale
			mean = (right - left) * (math.Gamma(2/shape) / math.Gamma(1/shape))
		} else {
			shape, left, right = math.NaN(), math.NaN(), math.NaN()
		}
		if i == self {
			dst[0], dst[1] = shape, (left+right)/2
			continue
		}
		copy(dst[2+4*(i-1):], []float64{shape, mean, left, right})
	}
}

// spread returns the mean of each feature over the blocks that have it, and the
// sample covariance over the blocks that have all, which it counts. With fewer
// than two of those, mean and covariance say nothing.
func spread(features [][niqeFeatures]float64) (mean [niqeFeatures]float64, cov [niqeFeatures * niqeFeatures]float64, usable int) {
	var whole [][niqeFeatures]float64
	var count [niqeFeatures]float64
	for _, f := range features {
		complete := true
		for j, v := range f {
			if math.IsNaN(v) {
				complete = false
				continue
			}
			mean[j] += v
			count[j]++
		}
		if complete {
			whole = append(whole, f)
		}
	}
	usable = len(whole)
	if usable < 2 {
		return mean, cov, usable
	}
	var centre [niqeFeatures]float64
	for j := range mean {
		mean[j] /= count[j]
		for _, f := range whole {
			centre[j] += f[j] / float64(usable)
		}
	}
	for _, f := range whole {
		for i := range niqeFeatures {
			for j := range niqeFeatures {
				cov[i*niqeFeatures+j] += float64((f[i]-centre[i])*(f[j]-centre[j])) / float64(usable-1)
			}
		}
	}
	return mean, cov, usable
}

// quadratic returns dᵀ·S⁻¹·d by Cholesky's factorisation of S, row-major;
// ok is false if S is not positive definite.
func quadratic(s [niqeFeatures * niqeFeatures]float64, d [niqeFeatures]float64) (q float64, ok bool) {
	const n = niqeFeatures
	for i := range n {
		for j := range i + 1 {
			sum := s[i*n+j]
			for k := range j {
				sum -= float64(s[i*n+k] * s[j*n+k])
			}
			if i != j {
				s[i*n+j] = sum / s[j*n+j]
				continue
			}
			if !(sum > 0) || math.IsInf(sum, 0) {
				return 0, false
			}
			s[i*n+i] = math.Sqrt(sum)
		}
		// Forward substitution: L·z = d, and the answer is |z|².
		z := d[i]
		for k := range i {
			z -= float64(s[i*n+k] * d[k])
		}
		d[i] = z / s[i*n+i]
		q += float64(d[i] * d[i])
	}
	return q, true
}

package metric

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
	"github.com/gen-emerge/assay/weights"
)

// Statistics is a file of statistics that others computed of a reference set: a
// NumPy archive with the mean mu and covariance sigma, as pytorch-fid and
// clean-fid write; mu_s and sigma_s of the spatial features beside it, as ADM
// does; or vectors, feats, as clean-fid keeps for kid. What the file does not say,
// nobody knows: of which images, how many, and by which network.
type Statistics struct {
	Path   string
	Digest string // hex SHA-256 of the file

	pool, spatial *stat.Moments
	vectors       stat.Features
}

// Arrays of published statistics.
const (
	pubMean, pubCov               = "mu", "sigma"
	pubSpatialMean, pubSpatialCov = "mu_s", "sigma_s"
	pubVectors                    = "feats"
)

// inflateLimit lets ADM's reference batches in, of which arr_0, the pictures, may
// be compressed. It is never read.
const inflateLimit = 1 << 36

// Bounds of what is read: a small compressed file can claim much.
const (
	maxStatistics = 1 << 14 // numbers of a mean
	maxVectors    = 4 << 30 // bytes of vectors
)

// ReadStatistics reads such a file. An error wraps [assay.ErrInvalid], and names the
// array, if the file has none of these arrays, or they do not fit each other.
func ReadStatistics(path string) (*Statistics, error) {
	c, err := weights.Open(path, weights.Limits{Inflate: inflateLimit})
	if err != nil {
		return nil, fmt.Errorf("statistics: %w", err)
	}
	defer c.Close()
	p := &Statistics{Path: path}
	if err := p.read(c); err != nil {
		return nil, fmt.Errorf("statistics %s: %w", path, err)
	}
	if p.Digest, err = fileDigest(path); err != nil {
		return nil, fmt.Errorf("statistics %s: %w", path, err)
	}
	return p, nil
}

func (p *Statistics) read(c *weights.Checkpoint) (err error) {
	names := c.Names()
	if c.Container() != weights.NPZ || !slices.Contains(names, pubMean) && !slices.Contains(names, pubVectors) {
		return invalidState("a %s file with %.200q, no statistics: want mu and sigma, or feats, in a NumPy archive", c.Container(), names)
	}
	if slices.Contains(names, pubMean) {
		if p.pool, err = publishedMoments(c, pubMean, pubCov); err != nil {
			return err
		}
	}
	if slices.Contains(names, pubSpatialMean) {
		if p.spatial, err = publishedMoments(c, pubSpatialMean, pubSpatialCov); err != nil {
			return err
		}
	}
	if shape, ok := c.Shape(pubVectors); ok {
		if len(shape) != 2 || shape[0] < 1 || shape[1] < 1 {
			return invalidState("array %q has shape %v, want images × numbers", pubVectors, shape)
		}
		if _, _, length, _ := c.Place(pubVectors); length > maxVectors {
			return invalidState("array %q has %d bytes, more than the limit of %d", pubVectors, length, int64(maxVectors))
		}
		p.vectors.Dim = shape[1]
		if p.vectors.Data, err = readFloat32(c, pubVectors, shape...); err != nil {
			return err
		}
	}
	return nil
}

// publishedCount stands for the number of images that nobody knows. One less is a
// power of two, so that the covariance goes through the scatter unchanged.
const publishedCount = 1<<30 + 1

// publishedMoments reads a mean and a covariance.
func publishedMoments(c *weights.Checkpoint, mean, cov string) (*stat.Moments, error) {
	shape, _ := c.Shape(mean)
	if len(shape) != 1 || shape[0] < 1 || shape[0] > maxStatistics {
		return nil, invalidState("array %q has shape %v, want one dimension of up to %d", mean, shape, maxStatistics)
	}
	d := shape[0]
	if have, ok := c.Shape(cov); !ok || !slices.Equal(have, []int{d, d}) {
		return nil, invalidState("array %q has shape %v, want [%d %d] as the %d means of %q say", cov, have, d, d, d, mean)
	}
	mu, err := c.Float64(mean)
	if err != nil {
		return nil, err
	}
	sigma, err := c.Float64(cov)
	if err != nil {
		return nil, err
	}
	m := &stat.Moments{N: publishedCount, Mean: mu, Scatter: make([]float64, d*d)}
	for i := range d {
		for j := range d {
			a, b := sigma[i*d+j], sigma[j*d+i]
			if diff := a - b; diff > 1e-6*(1+max(a, -a)) || diff < -1e-6*(1+max(a, -a)) {
				return nil, invalidState("array %q is no covariance: numbers [%d, %d] and [%d, %d] are %v and %v", cov, i, j, j, i, a, b)
			}
			m.Scatter[i*d+j] = (a + b) / 2 * (publishedCount - 1)
		}
		if v := sigma[i*d+i]; v < 0 {
			return nil, invalidState("array %q is no covariance: variance %d is %v", cov, i, v)
		}
	}
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("arrays %q and %q: %w", mean, cov, err)
	}
	return m, nil
}

// Vectors reports whether the file has vectors, and not only mean and covariance.
func (p *Statistics) Vectors() bool { return p.vectors.Dim > 0 }

// For returns the statistics as the reference of a measure of sets that are like
// x: the identity is x's, because the file has none. It fails, wrapping
// [assay.ErrInvalid], if the file has nothing of the kind or the vectors are of
// another length.
func (p *Statistics) For(s SetSpec, x *FeatureSet) (*FeatureSet, error) {
	out := &FeatureSet{Identity: x.Identity, Space: x.Space, Dim: x.Dim, Published: p.Digest}
	m := p.pool
	if slices.Equal(s.Features, []string{inceptionSpatial}) {
		m = cmp.Or(p.spatial, p.pool)
	}
	switch {
	case s.Vectors && p.Vectors():
		if p.vectors.Dim != x.Dim {
			return nil, p.misfit(pubVectors, p.vectors.Dim, x)
		}
		out.Features = p.vectors.Data
	case !s.Vectors && m != nil:
		if m.Dim() != x.Dim {
			return nil, p.misfit(pubMean, m.Dim(), x)
		}
		out.Moments = m
	case !s.Vectors && p.Vectors() && p.vectors.Dim == x.Dim:
		out.Features = p.vectors.Data
	default:
		return nil, fmt.Errorf("statistics %s: nothing that %s can be measured against: %w", p.Path, s.Name, assay.ErrInvalid)
	}
	return out, nil
}

func (p *Statistics) misfit(array string, dim int, x *FeatureSet) error {
	return fmt.Errorf("statistics %s: array %q is of %d numbers an image, %s of %d: they are of another network or layer: %w",
		p.Path, array, dim, x.Instrument, x.Dim, assay.ErrInvalid)
}

package metric

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/weights"
)

// Open returns the named instrument, its models found by m and its graphs, if it
// has any, run by e: [Towers.Open] of towers that nobody else uses. m and e may
// be nil for instruments that do not need them. Who opens several instruments
// should share one [Towers].
func Open(ctx context.Context, name string, m Models, e Engine) (*Instrument, error) {
	return NewTowers(m, e, TowerOptions{}).Open(ctx, name)
}

// openAlone opens an instrument that needs a model and stands on no tower.
func openAlone(ctx context.Context, spec Spec, m Models, e Engine) (*Instrument, error) {
	path, err := modelFile(m, spec.Models[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	in, err := openModel(ctx, spec, path, e)
	if err != nil {
		return nil, fmt.Errorf("%s, model file %s: %w", spec.Name, path, err)
	}
	in.Synthetic = in.Synthetic || m.Synthetic(spec.Models[0])
	return in, nil
}

// modelFile returns the path of the one file that a model has.
func modelFile(m Models, model string) (string, error) {
	files, err := m.Files(model)
	if err != nil {
		return "", err
	}
	if len(files) != 1 {
		return "", fmt.Errorf("model %q has %d files, want 1: %w", model, len(files), assay.ErrInvalid)
	}
	var path string
	for _, path = range files {
	}
	return path, nil
}

// openModel opens an instrument whose model is the file at path.
func openModel(ctx context.Context, spec Spec, path string, e Engine) (*Instrument, error) {
	if spec.Name == brisqueSpec.Name { // its model has no tensors
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		svr, err := weights.ReadSVR(f)
		if err != nil {
			return nil, err
		}
		return OpenBRISQUE(svr)
	}
	c, err := weights.Open(path, weights.Limits{})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	digest, err := c.Digest()
	if err != nil {
		return nil, err
	}
	switch spec.Name {
	case niqeSpec.Name:
		m, err := niqeModel(c)
		if err != nil {
			return nil, err
		}
		m.Checkpoint = digest
		return OpenNIQE(m)
	case lpipsSqueezeNet.spec(0).Name:
		return OpenLPIPSSqueeze(ctx, c, digest, e)
	case lpipsSqueezeNet.spec(lpipsSmall).Name:
		return OpenLPIPSSqueezeAt(ctx, c, digest, e, lpipsSmall)
	}
	return nil, fmt.Errorf("this build has no way to open it: %w", assay.ErrUnavailable)
}

// niqeModel reads the pristine model of a checkpoint with BasicSR's names.
func niqeModel(c *weights.Checkpoint) (NIQEModel, error) {
	var m NIQEModel
	for _, part := range []struct {
		name  string
		shape []int
		into  []float64
	}{
		{"mu_pris_param", []int{1, niqeFeatures}, m.Mean[:]},
		{"cov_pris_param", []int{niqeFeatures, niqeFeatures}, m.Covariance[:]},
	} {
		shape, ok := c.Shape(part.name)
		if !ok {
			return m, fmt.Errorf("tensor %q is missing: %w", part.name, assay.ErrInvalid)
		}
		if !slices.Equal(shape, part.shape) {
			return m, fmt.Errorf("tensor %q has shape %v, want %v: %w", part.name, shape, part.shape, assay.ErrInvalid)
		}
		values, err := c.Float64(part.name)
		if err != nil {
			return m, err
		}
		copy(part.into, values)
	}
	return m, nil
}

package metric

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/weights"
)

// trunkRecipe numbers how torchvision's files are turned into prepared trunks. It
// is raised when that changes.
const trunkRecipe = 1

// trunk prepares the convolutional part of one of torchvision's networks, which
// several instruments share on disk, and makes it a part of the instrument.
func (s *stand) trunk(ctx context.Context, t backbone.Trunk, model string, p nn.Precision) (weights.Prepared, error) {
	name := "features"
	if p != nn.Float32 {
		name += "-" + string(p)
	}
	var open officialFiles
	done, err := s.towers.models.Prepare(ctx, []string{model}, name, trunkRecipe,
		func(files map[string]map[string]string) ([]weights.Piece, error) {
			open.files = files
			c, err := open.checkpoint(model, "")
			if err != nil {
				return nil, err
			}
			return t.Pieces(c, p)
		})
	if err = errors.Join(err, open.close()); err != nil {
		return done, fmt.Errorf("model %s: %w", model, err)
	}
	s.add("trunk "+t.Name, done.Digest, done.Synthetic)
	s.in.Runtime = s.towers.engine.Name() // in float32, whatever the towers' precision
	if p == nn.Packed {
		s.in.Runtime = s.towers.convolves()
	}
	return done, nil
}

// small reads a model of a few kilobytes, which must hold exactly the tensors of
// specs in float32, and makes it a part of the instrument.
func (s *stand) small(model string, specs []weights.TensorSpec) (inline, error) {
	path, err := modelFile(s.towers.models, model)
	if err != nil {
		return nil, err
	}
	c, err := weights.Open(path, weights.Limits{})
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", model, err)
	}
	defer c.Close()
	w := inline{}
	for _, spec := range specs {
		shape, ok := c.Shape(spec.Name)
		_, _, _, dtype := c.Place(spec.Name)
		if !ok || !spec.SameShape(shape) || dtype != "float32" {
			return nil, fmt.Errorf("model file %s: tensor %q is %v of type %q, want %v of float32: %w",
				path, spec.Name, shape, dtype, spec.Shape, assay.ErrInvalid)
		}
		raw, err := c.Bytes(spec.Name)
		if err != nil {
			return nil, fmt.Errorf("model %s: %w", model, err)
		}
		w[spec.Name] = inlineTensor{shape, raw}
	}
	if n := len(c.Names()); n != len(specs) {
		return nil, fmt.Errorf("model file %s: %d tensors, want %d, of which the last is %q: %w",
			path, n, len(specs), specs[len(specs)-1].Name, assay.ErrInvalid)
	}
	digest, err := c.Digest()
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", model, err)
	}
	s.add("weights "+model, digest, s.towers.models.Synthetic(model))
	return w, nil
}

// graph makes a graph over a prepared file part of what the instrument stands on.
// It is opened by the pool when it is first run. name and the parts that the
// instrument has so far tell graphs over one file apart.
func (s *stand) graph(done weights.Prepared, name string, build func(onnx.Weights) (*onnx.Model, error)) (
	func(context.Context, ...onnx.Tensor) ([]onnx.Tensor, error), error) {
	info, err := os.Stat(done.Path)
	if err != nil {
		return nil, err
	}
	t, key := s.towers, fmt.Sprintf("%s %s %s", done.Path, name, joined(s.parts))
	s.hold(key, info.Size())
	return func(ctx context.Context, in ...onnx.Tensor) ([]onnx.Tensor, error) {
		run, err := t.pool.use(ctx, key, func(ctx context.Context) (Runner, error) { return t.openGraph(ctx, done.Path, build) })
		if err != nil {
			return nil, err
		}
		defer t.pool.release(key)
		return run.Run(ctx, in...)
	}, nil
}

// inline is a checkpoint of a few kilobytes in memory.
type inline map[string]inlineTensor

type inlineTensor struct {
	shape []int
	raw   []byte // float32, little-endian
}

func (w inline) Names() []string {
	var names []string
	for name := range w {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (w inline) Shape(name string) ([]int, bool) { t, ok := w[name]; return t.shape, ok }

func (w inline) Place(name string) (file string, offset, length int64, dtype string) {
	return "", 0, int64(len(w[name].raw)), "float32"
}

func (w inline) Bytes(name string) ([]byte, error) { return w[name].raw, nil }

// joint is a checkpoint in two parts that have no name in common.
type joint struct {
	onnx.Weights // where names are looked for that are not in the other
	small        inline
}

func (j joint) Names() []string { return append(j.Weights.Names(), j.small.Names()...) }

func (j joint) Shape(name string) ([]int, bool) {
	if s, ok := j.small.Shape(name); ok {
		return s, true
	}
	return j.Weights.Shape(name)
}

func (j joint) Place(name string) (file string, offset, length int64, dtype string) {
	if _, ok := j.small[name]; ok {
		return j.small.Place(name)
	}
	return j.Weights.Place(name)
}

func (j joint) Bytes(name string) ([]byte, error) {
	if _, ok := j.small[name]; ok {
		return j.small.Bytes(name)
	}
	return j.Weights.Bytes(name)
}

// sameSize refuses two images that differ in size.
func sameSize(a, b *pixel.Image) error {
	if a.Width == b.Width && a.Height == b.Height {
		return nil
	}
	return fmt.Errorf("images are %d×%d and %d×%d pixels; resize them by a rule (--resize %s, say), or compare with lpips-squeeze-64 or dreamsim, which take any sizes: %w",
		a.Width, a.Height, b.Width, b.Height, SecondToFirst, assay.ErrInvalid)
}

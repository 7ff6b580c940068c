package metric

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/weights"
)

// Synthesize writes made-up weights in place of a model's official files, into
// dir/NAME, where a [weights.Cache] on dir finds them: the official container,
// names, shapes and types, with values that depend on the seed and the model's
// name alone and keep activations in the range of trained networks. What is
// measured with them is marked as synthetic and means nothing; it is there to
// compare implementations and to time them. docs/synthetic.md has the formula.
//
// An error wraps [assay.ErrNotFound] if the model is not in the manifest,
// [assay.ErrUnavailable] if it is none that can be made up (a vocabulary, the
// small real models of the core), and [assay.ErrConflict] if dir holds the
// official file.
func Synthesize(ctx context.Context, model string, seed uint64, dir string) error {
	for _, m := range weights.Manifest() {
		if m.Name != model {
			continue
		}
		o, err := officialOf(m, modelSeed(seed, model))
		if err != nil {
			return err
		}
		return o.write(ctx, m, seed, dir)
	}
	return fmt.Errorf("no model %q: %w", model, assay.ErrNotFound)
}

// Synthesizable reports whether [Synthesize] can make the model up.
func Synthesizable(model string) bool {
	_, err := officialOf(weights.Model{Name: model}, 0)
	return err == nil
}

// modelSeed is the seed of one model's tensors: models that name their tensors
// alike must not be alike. It is the given seed exclusive-or the first eight bytes,
// little-endian, of the SHA-256 of the model's name.
func modelSeed(seed uint64, model string) uint64 {
	sum := sha256.Sum256([]byte(model))
	return seed ^ binary.LittleEndian.Uint64(sum[:8])
}

// An official describes how the one file of a model is written.
type official struct {
	seed uint64
	file func(ctx context.Context, w io.Writer) error
}

// write makes the file beside its place and renames it.
func (o official) write(ctx context.Context, m weights.Model, seed uint64, dir string) (err error) {
	if len(m.Files) != 1 {
		return fmt.Errorf("model %s has %d files, want 1: %w", m.Name, len(m.Files), assay.ErrUnavailable)
	}
	cache := weights.Cache{Dir: dir}
	if _, err := cache.Files(m.Name); err == nil && !cache.Synthetic(m.Name) {
		return fmt.Errorf("model %s: %s holds the official weights; name another folder: %w", m.Name, dir, assay.ErrConflict)
	}
	folder := filepath.Join(dir, m.Name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, m.Files[0].Name+".tmp*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("model %s: %w", m.Name, err)
			os.Remove(f.Name())
		}
	}()
	err = errors.Join(o.file(ctx, f), f.Chmod(0o644), f.Close())
	if err != nil {
		return err
	}
	path := filepath.Join(folder, m.Files[0].Name)
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return weights.MarkSynthetic(path, seed)
}

// officialOf says how a model's file is written.
func officialOf(m weights.Model, seed uint64) (official, error) {
	o := official{seed: seed}
	var err error
	switch name := m.Name; {
	case strings.HasPrefix(name, "clip-vit-"):
		err = o.clip(strings.TrimPrefix(name, "clip-vit-"), backbone.Mixed)
	case strings.HasPrefix(name, "openclip-vit-"):
		err = o.clip("laion-"+strings.TrimPrefix(name, "openclip-vit-"), backbone.Single)
	case name == "pickscore":
		err = o.pickScore()
	case strings.HasPrefix(name, "hps-"):
		err = o.hps()
	case strings.HasPrefix(name, "laion-aes-") || strings.HasPrefix(name, "sac-"):
		err = o.head(name)
	case name == "dino-vitb16":
		o.torch(backbone.DINOB16().Inventory(backbone.Timm))
	case name == "dinov2-vitb14":
		o.torch(backbone.DINOv2B14().Inventory(backbone.Timm))
	case name == inceptionModel:
		o.torchLegacy(backbone.Inception{}.Inventory())
	case name == alexNetModel || name == vgg16Model || strings.HasPrefix(name, "lpips-") || name == distsModel:
		err = o.pair(name)
	case name == "imagereward":
		err = o.imageReward()
	case strings.HasPrefix(name, "dreamsim-"):
		err = o.dreamSim(strings.TrimPrefix(name, "dreamsim-"))
	case strings.HasPrefix(name, "nima-"):
		o.nima(name)
	default:
		err = fmt.Errorf("model %s cannot be made up; run: assay models pull %s: %w", name, name, assay.ErrUnavailable)
	}
	return o, err
}

// torch writes one state dictionary, its inner dictionaries named.
func (o *official) torch(specs []weights.TensorSpec, under ...string) {
	o.file = func(ctx context.Context, w io.Writer) error {
		return weights.WriteTorchZip(ctx, w, weights.SyntheticPieces(o.seed, specs),
			weights.TorchZipOptions{Under: under, Comment: weights.SyntheticMark(o.seed)})
	}
}

// clip writes OpenAI's TorchScript archive, or LAION's state dictionary.
func (o *official) clip(suffix string, s backbone.Storage) error {
	row, ok := clipTowers()[suffix]
	if !ok {
		return fmt.Errorf("no tower %q: %w", suffix, assay.ErrNotFound)
	}
	specs, err := backbone.InventoryCLIP(row.vit, row.text, row.layout, s)
	if err != nil {
		return err
	}
	if s == backbone.Single {
		o.torch(specs)
		return nil
	}
	o.file = func(ctx context.Context, w io.Writer) error {
		return weights.WriteTorchScript(ctx, w, "clip.model.CLIP", weights.SyntheticPieces(o.seed, specs), weights.SyntheticMark(o.seed))
	}
	return nil
}

// pickScore writes Hugging Face's safetensors.
func (o *official) pickScore() error {
	specs, err := backbone.InventoryCLIP(backbone.OpenCLIPH14(), backbone.OpenCLIPTextH(), backbone.HuggingFace, backbone.Single)
	o.file = func(ctx context.Context, w io.Writer) error {
		return weights.WriteSafetensors(ctx, w, weights.SyntheticPieces(o.seed, specs),
			map[string]string{"format": "pt", "synthetic": weights.SyntheticMark(o.seed)})
	}
	return err
}

// hps writes half floats below the key state_dict.
func (o *official) hps() error {
	specs, err := backbone.InventoryCLIP(backbone.OpenCLIPH14(), backbone.OpenCLIPTextH(), backbone.OpenAI, backbone.Half)
	o.torch(named("state_dict.", specs), "state_dict")
	return err
}

// named puts a prefix before every name.
func named(prefix string, specs []weights.TensorSpec) []weights.TensorSpec {
	out := make([]weights.TensorSpec, len(specs))
	for i, s := range specs {
		s.Name = prefix + s.Name
		out[i] = s
	}
	return out
}

// normal is a float32 tensor of normal values.
func normal(name string, mean, scale float64, shape ...int) weights.TensorSpec {
	return weights.TensorSpec{Name: name, Shape: shape, DType: "float32", Init: weights.Init{Kind: weights.InitNormal, Mean: mean, Scale: scale}}
}

// head writes a map from CLIP's embedding to a number. The weights are of the
// size at which scores of unit vectors spread by about one.
func (o *official) head(name string) error {
	dim := 512
	if strings.HasSuffix(name, "-l14") {
		dim = 768
	}
	switch {
	case name == "laion-aes-v2":
		var specs []weights.TensorSpec
		sizes := []int{768, 1024, 128, 64, 16, 1}
		for i, layer := range []int{0, 2, 4, 6, 7} {
			key := fmt.Sprintf("layers.%d.", layer)
			specs = append(specs, normal(key+"weight", 0, 1.3/sqrtOf(sizes[i]), sizes[i+1], sizes[i]), normal(key+"bias", 0.1, 0.1, sizes[i+1]))
		}
		specs[0].Init.Scale *= sqrtOf(768) // the input is of length 1
		o.torch(specs)
	case strings.HasPrefix(name, "sac-"):
		o.torch([]weights.TensorSpec{normal("linear.weight", 0, 1, 1, dim), normal("linear.bias", 5, 0.5, 1)})
	default:
		o.torch([]weights.TensorSpec{normal("weight", 0, 1, 1, dim), normal("bias", 5, 0.5, 1)})
	}
	return nil
}

package metric

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/weights"
)

// An affineHead is a score w·u + b of a unit vector u, in double precision.
type affineHead struct {
	weight []float64
	bias   float64
}

// of returns the score of an embedding, which is divided by its length first.
func (h affineHead) of(v []float32) float64 {
	sum := h.bias
	for i, x := range unit(v) {
		sum += float64(h.weight[i] * x)
	}
	return sum
}

// An aesthetic is a row of the table of aesthetic scores.
type aesthetic struct {
	name, model string
	suffix      string // of the tower
	head        func(*weights.Checkpoint, int) (affineHead, error)
	doc         string
	licence     string
	source      string
	agreement   string
}

// aesthetics lists the scores that a linear head reads from CLIP's embedding.
func aesthetics() []towerInstrument {
	v1 := aesthetic{
		head: laionV1Head,
		doc: "How people would rate the image, about 1 to 10, as a linear head reads it from CLIP's embedding. Not bounded: unusual " +
			"pictures leave 1 to 10.",
		licence: "MIT (the head)",
		source:  "LAION-AI/aesthetic-predictor 6d122ad, sa_0_4_vit_*_linear",
	}
	sac := aesthetic{
		head: sacHead,
		doc: "How the raters of Simulacra Aesthetic Captions would rate the image, about 1 to 10, as a linear head reads it from CLIP's " +
			"embedding, brought to length √d first. People independent of LAION's rated pictures of early generators. Not bounded.",
		licence:   "MIT (the head)",
		source:    "crowsonkb/simulacra-aesthetic-models 701f767, sac_public_2022_06_29_vit_*_linear",
		agreement: "the authors' head in PyTorch on twenty real CLIP embeddings: within 1e-5",
	}
	var all []towerInstrument
	for _, suffix := range []string{"b32", "b16", "l14"} {
		a := v1
		a.name, a.model, a.suffix = "laion-aes-v1-"+suffix, "laion-aes-v1-"+suffix, suffix
		a.agreement = "published values of the head: within 5e-6 (four unit vectors" +
			map[string]string{"b32": "; ten real embeddings)", "b16": ")", "l14": "; ten real embeddings)"}[suffix] +
			map[string]string{"b32": "; a cat photograph: 4.4723", "b16": "; a cat photograph: 4.3533", "l14": "; a cat photograph: 5.0491"}[suffix] +
			", compared by `assay models verify --published`"
		all = append(all, a.instrument())
	}
	all = append(all, aesthetic{
		name: "laion-aes", model: "laion-aes-v2", suffix: "l14", head: laionV2Head,
		doc: "The LAION aesthetic score, version 2 (sac+logos+ava1-l14-linearMSE): how people would rate the image, about 1 to 10, read from the " +
			"embedding of CLIP ViT-L/14 by five affine layers, which are one. Trained on AVA among others. pyiqa on AVA's official split: PLCC 0.666, " +
			"SRCC 0.665. Not bounded.",
		licence: "Apache-2.0 (the head)",
		source:  "christophschuhmann/improved-aesthetic-predictor 6934dd8",
		agreement: "the folded head against its five layers: within 1e-5; five TID2013 pictures of IQA-PyTorch's table (3.6420 5.5836 5.0716 4.6458 3.0889) " +
			"are compared by `assay models verify --published`, within 0.01, as the authors ran CLIP in half precision",
	}.instrument())
	for _, suffix := range []string{"b32", "b16", "l14"} {
		a := sac
		a.name, a.model, a.suffix = "sac-"+suffix, "sac-"+suffix, suffix
		all = append(all, a.instrument())
	}
	return all
}

func (a aesthetic) instrument() towerInstrument {
	row := clipTowers()[a.suffix]
	return towerInstrument{
		spec: Spec{
			Name: a.name, Version: 1, Kind: OfImage, Better: HigherIsBetter, Lo: math.Inf(-1), Hi: math.Inf(1), MinSide: 1,
			Preparation: row.prep.text, Models: []string{a.model, row.models[0]}, Graph: true,
			Doc: a.doc, Licence: a.licence + "; tower: " + clipLicence(a.suffix), Source: a.source, Agreement: a.agreement,
		},
		towers: on(row),
		open: func(ctx context.Context, s *stand) error {
			head, digest, err := readHead(s.towers.models, a, row.dim())
			if err != nil {
				return err
			}
			v, err := s.vision(ctx, row)
			if err != nil {
				return err
			}
			s.add("head "+a.model, digest, s.towers.models.Synthetic(a.model))
			s.in.measure = func(ctx context.Context, p *Picture) (float64, []string, error) {
				e, err := v.embed(ctx, p)
				if err != nil {
					return 0, nil, fmt.Errorf("%s: %w", a.name, err)
				}
				return head.of(e), nil, nil
			}
			return nil
		},
	}
}

// readHead reads the head's file.
func readHead(m Models, a aesthetic, dim int) (affineHead, string, error) {
	path, err := modelFile(m, a.model)
	if err != nil {
		return affineHead{}, "", err
	}
	c, err := weights.Open(path, weights.Limits{})
	if err != nil {
		return affineHead{}, "", err
	}
	defer c.Close()
	digest, err := c.Digest()
	if err != nil {
		return affineHead{}, "", err
	}
	head, err := a.head(c, dim)
	if err != nil {
		return affineHead{}, "", fmt.Errorf("model file %s: %w", path, err)
	}
	return head, digest, nil
}

// laionV1Head reads one linear layer.
func laionV1Head(c *weights.Checkpoint, dim int) (affineHead, error) {
	return foldedHead(c, dim, "")
}

// sacHead reads the linear layer of Simulacra Aesthetic Captions, which the
// authors feed vectors of length √d: that factor goes into the weight.
func sacHead(c *weights.Checkpoint, dim int) (affineHead, error) {
	h, err := foldedHead(c, dim, "linear.")
	for i := range h.weight {
		h.weight[i] *= math.Sqrt(float64(dim))
	}
	return h, err
}

// laionV2Head reads version 2: five affine layers without activations between
// them, which make one affine function, computed here in double precision. The
// files with activations have the layers elsewhere and are another function.
func laionV2Head(c *weights.Checkpoint, dim int) (affineHead, error) {
	if _, ok := c.Shape("layers.9.weight"); ok {
		return affineHead{}, fmt.Errorf("layers.{0,3,6,9,11}: this is the variant with ReLU between the layers (ava+logos-l14-reluMSE), "+
			"which is not one affine function and not the LAION score in use; want sac+logos+ava1-l14-linearMSE: %w", assay.ErrInvalid)
	}
	return foldedHead(c, dim, "layers.0.", "layers.2.", "layers.4.", "layers.6.", "layers.7.")
}

// foldedHead makes one affine function of layers that follow each other, the
// last of which has one output. A layer is its name with "weight" [out, in] and
// "bias" [out]; the file must hold nothing else.
func foldedHead(c *weights.Checkpoint, dim int, layers ...string) (affineHead, error) {
	h := affineHead{weight: []float64{1}} // of what comes after the layers not yet folded
	in := 1
	for _, layer := range slices.Backward(layers) {
		shape, ok := c.Shape(layer + "weight")
		bias, okBias := c.Shape(layer + "bias")
		if !ok || !okBias {
			return affineHead{}, fmt.Errorf("tensors %sweight and %sbias are missing; the file has %s: %w",
				layer, layer, strings.Join(c.Names(), ", "), assay.ErrInvalid)
		}
		if len(shape) != 2 || shape[0] != in || !slices.Equal(bias, []int{in}) {
			return affineHead{}, fmt.Errorf("tensor %sweight is %v and %sbias %v, want [%d, n] and [%d]: %w",
				layer, shape, layer, bias, in, in, assay.ErrInvalid)
		}
		w, err := c.Float64(layer + "weight")
		if err != nil {
			return affineHead{}, err
		}
		b, err := c.Float64(layer + "bias")
		if err != nil {
			return affineHead{}, err
		}
		next := make([]float64, shape[1])
		for o, outer := range h.weight {
			h.bias += float64(outer * b[o])
			for i := range next {
				next[i] += float64(outer * w[o*shape[1]+i])
			}
		}
		h.weight, in = next, shape[1]
	}
	if in != dim {
		return affineHead{}, fmt.Errorf("the head reads %d numbers and the tower gives %d: it belongs to another tower: %w", in, dim, assay.ErrInvalid)
	}
	if n := len(c.Names()); n != 2*len(layers) {
		return affineHead{}, fmt.Errorf("%d tensors, want %d; the file has %s: %w", n, 2*len(layers), strings.Join(c.Names(), ", "), assay.ErrInvalid)
	}
	for _, x := range append([]float64{h.bias}, h.weight...) {
		if x-x != 0 {
			return affineHead{}, fmt.Errorf("the head holds %v: %w", x, assay.ErrInvalid)
		}
	}
	return h, nil
}

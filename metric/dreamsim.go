package metric

import (
	"context"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
)

// A dreamSimVariant is a row of the table of DreamSim's releases.
type dreamSimVariant struct {
	name   string // of instrument and model
	towers []towerRow
	patch  bool
	nights string // accuracy on NIGHTS that the README gives, validation / test
}

// The parts that DreamSim's archives are made of.
const (
	dinoModel   = "dino-vitb16"
	dinoV2Model = "dinov2-vitb14"
)

// dreamSimVariants lists DreamSim, the ensemble first.
func dreamSimVariants() []dreamSimVariant {
	const (
		clip16, openCLIP16 = "clip_vitb16_pretrain.pth.tar", "open_clip_vitb16_pretrain.pth.tar"
		clip32, openCLIP32 = "clip_vitb32_pretrain.pth.tar", "open_clip_vitb32_pretrain.pth.tar"
	)
	ensemble := func(part string, index int, v backbone.ViT, file, prefix, base string) towerRow {
		return dreamSimRow("dreamsim-ensemble", part, v, dreamSimTower{name: part, adapter: "ensemble_lora", index: index, towers: 3, file: file, prefix: prefix, base: base})
	}
	single := func(name string, v backbone.ViT, t dreamSimTower) towerRow {
		t.name, t.towers = "vision", 1
		return dreamSimRow(name, "", v, t)
	}
	patches := func(r towerRow) towerRow {
		r.vit, r.reduce = r.vit.Patches(), pooledPatches
		return r
	}
	one := func(name, nights string, r towerRow) dreamSimVariant {
		return dreamSimVariant{name: name, towers: []towerRow{r}, nights: nights, patch: r.reduce != nil}
	}
	return []dreamSimVariant{
		{name: "dreamsim", nights: "96.9 / 96.2", towers: []towerRow{
			ensemble("dino", 0, backbone.DINOB16(), "", "", dinoModel),
			ensemble("clip", 1, backbone.DreamSimCLIPB16(), clip16, "state_dict.", ""),
			ensemble("openclip", 2, backbone.DreamSimOpenCLIPB16(), openCLIP16, "state_dict.", ""),
		}},
		one("dreamsim-dino", "95.6 / 94.8", single("dreamsim-dino", backbone.DINOB16(),
			dreamSimTower{adapter: "dino_vitb16_single_lora", base: dinoModel})),
		one("dreamsim-clip", "94.9 / 93.6", single("dreamsim-clip", backbone.DreamSimCLIPB32(),
			dreamSimTower{adapter: "clip_vitb32_single_lora", file: clip32, prefix: "state_dict."})),
		one("dreamsim-openclip", "95.6 / 95.3", single("dreamsim-openclip", backbone.DreamSimOpenCLIPB32(),
			dreamSimTower{adapter: "open_clip_vitb32_single_lora", file: openCLIP32, prefix: "state_dict."})),
		one("dreamsim-dinov2", "94.9 / 95.0", single("dreamsim-dinov2", backbone.DINOv2B14(),
			dreamSimTower{adapter: "dinov2_vitb14_single_lora", base: dinoV2Model})),
		one("dreamsim-synclr", "96.0 / 95.9", single("dreamsim-synclr", backbone.SynCLRB16(),
			dreamSimTower{adapter: "synclr_vitb16_single_lora", file: "synclr_vit_b_16.pth", prefix: "model.module.visual."})),
		one("dreamsim-dino-patch", "94.9 / 94.8", patches(single("dreamsim-dino-patch", backbone.DINOB16(),
			dreamSimTower{adapter: "dino_vitb16_patch_lora", base: dinoModel}))),
		one("dreamsim-dinov2-patch", "95.5 / 95.1", patches(single("dreamsim-dinov2-patch", backbone.DINOv2B14(),
			dreamSimTower{adapter: "dinov2_vitb14_patch_lora", base: dinoV2Model}))),
	}
}

// dreamSimRow makes the tower's row. CLIP's towers have their own mean and std.
func dreamSimRow(model, part string, v backbone.ViT, t dreamSimTower) towerRow {
	row := towerRow{name: model, models: []string{model}, layout: backbone.Timm, vit: v, dreamSim: &t,
		prep: squashPreparation(imageNetMean, imageNetStd, "ImageNet")}
	if v.Projection > 0 {
		row.prep = squashPreparation(clipMean, clipStd, "CLIP")
	}
	if part != "" {
		row.name += "/" + part
	}
	if t.base != "" {
		row.models = append(row.models, t.base)
	}
	return row
}

// models lists what the variant needs, each once.
func (d dreamSimVariant) models() []string {
	all := []string{d.towers[0].models[0]}
	for _, t := range d.towers {
		if t.dreamSim.base != "" {
			all = append(all, t.dreamSim.base)
		}
	}
	return all
}

// dreamSims lists the instruments.
func dreamSims() []towerInstrument {
	var all []towerInstrument
	for _, d := range dreamSimVariants() {
		all = append(all, d.instrument())
	}
	return all
}

func (d dreamSimVariant) instrument() towerInstrument {
	feature := "the mid-level features of three networks (DINO, CLIP, OpenCLIP), fine-tuned on human judgments of 20,019 triplets"
	preparation := "RGB, Pillow bicubic to 224×224 (8 bits, aspect ratio not kept), each tower's mean and std"
	if len(d.towers) == 1 {
		feature = fmt.Sprintf("the features of one network (%s), fine-tuned on human judgments of 20,019 triplets", d.towers[0].vit.Name)
		preparation = d.towers[0].prep.text
	}
	if d.patch {
		feature += ", of all its tokens"
	}
	agreement := "the authors' package on synthetic checkpoints and adapters: distances within 2e-5"
	if d.name == "dreamsim" {
		agreement += "; the authors' demo (0.4453 and 0.2756) is compared by `assay models verify --published`, within 5e-4"
	}
	return towerInstrument{
		spec: Spec{
			Name: d.name, Version: 1, Kind: OfPair, Better: LowerIsBetter, Lo: 0, Hi: 2, MinSide: 1,
			Preparation: preparation, Models: d.models(), Graph: true, Space: Cosine,
			Doc: fmt.Sprintf("Perceptual distance of two images of any size, layout and meaning together: 1 − cos of %s, less the mean of the vector's "+
				"components. 0 is the same; 0.2 to 0.4 are alike. Agreement with people on NIGHTS, validation and test: %s %% as its README gives it "+
				"(measured without subtracting the mean).", feature, d.nights),
			Licence:   "MIT (DreamSim; the repository states no separate licence for the weights); DINO, DINOv2 and SynCLR Apache-2.0, CLIP and OpenCLIP MIT",
			Source:    "Fu, Tamir, Sundaram et al.: DreamSim, NeurIPS 2023, arXiv:2306.09344; ssundaram21/dreamsim 0.2.1, normalize_embeds=True",
			Agreement: agreement,
		},
		towers: on(d.towers...), open: d.open,
	}
}

func (d dreamSimVariant) open(ctx context.Context, s *stand) error {
	for _, row := range d.towers {
		if _, err := s.vision(ctx, row); err != nil {
			return err
		}
	}
	towers := s.in.towers
	vector := func(ctx context.Context, p *Picture) ([]float32, error) {
		var all []float32
		for _, t := range towers {
			v, err := t.embed(ctx, p)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", d.name, err)
			}
			all = append(all, v...)
		}
		if d.patch {
			return all, nil // its tokens were centred one by one
		}
		z, err := centred(all)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.name, err)
		}
		return z, nil
	}
	s.in.embed = vector
	s.in.distance = func(ctx context.Context, a, b *Picture) (float64, []string, error) {
		x, err := vector(ctx, a)
		if err != nil {
			return 0, nil, err
		}
		y, err := vector(ctx, b)
		if err != nil {
			return 0, nil, err
		}
		cos, err := cosine(x, y)
		return 1 - cos, nil, err
	}
	return nil
}

// centred returns (v − mean(v)) / |v − mean(v)|, computed in double precision
// and rounded once. It fails if all components are equal.
func centred(v []float32) ([]float32, error) {
	mean, sum := 0.0, 0.0
	for _, x := range v {
		mean += float64(x)
	}
	mean /= float64(len(v))
	for _, x := range v {
		d := float64(x) - mean
		sum += float64(d * d)
	}
	length := math.Sqrt(sum)
	// Rounding of equal components leaves a sum of about n·(1e-16·mean)².
	if !(length > 1e-12*math.Abs(mean)*math.Sqrt(float64(len(v)))) || !(length > 0) {
		return nil, fmt.Errorf("the features are all alike, so they have no direction: %w", assay.ErrInvalid)
	}
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32((float64(x) - mean) / length)
	}
	return out, nil
}

// pooledPatches makes the vector that the patch variants compare of all tokens
// [1+g², w]: each is centred and brought to length 1; then the class token, and
// the mean of the others, [2w].
func pooledPatches(tokens []float32, w int) ([]float32, error) {
	n := len(tokens) / w
	out := make([]float32, 2*w)
	sums := make([]float64, w)
	for i := range n {
		z, err := centred(tokens[i*w : (i+1)*w])
		if err != nil {
			return nil, fmt.Errorf("token %d: %w", i, err)
		}
		if i == 0 {
			copy(out, z)
			continue
		}
		for j, x := range z {
			sums[j] += float64(x)
		}
	}
	for j, s := range sums {
		out[w+j] = float32(s / float64(n-1))
	}
	return out, nil
}

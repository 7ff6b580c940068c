package metric

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/weights"
)

func sqrtOf(n int) float64 { return math.Sqrt(float64(n)) }

// loraRank is the rank of the adapters that DreamSim's training configurations
// name since v0.2.0.
const loraRank = 16

// dreamSim writes a release archive: the backbones that lie in it, and the
// adapter with its configuration.
func (o *official) dreamSim(name string) error {
	for _, v := range dreamSimVariants() {
		if v.towers[0].models[0] == "dreamsim-"+name {
			members, err := o.release(v)
			o.file = func(ctx context.Context, w io.Writer) error {
				return weights.WriteArchive(ctx, w, members(ctx), weights.SyntheticMark(o.seed))
			}
			return err
		}
	}
	return fmt.Errorf("no release dreamsim-%s: %w", name, assay.ErrNotFound)
}

// release lists the archive's files.
func (o *official) release(v dreamSimVariant) (func(context.Context) []weights.ArchiveMember, error) {
	config, err := json.Marshal(adapterOf(v))
	if err != nil {
		return nil, err
	}
	folder := v.towers[0].dreamSim.adapter
	return func(ctx context.Context) []weights.ArchiveMember {
		var members []weights.ArchiveMember
		var adapter []weights.TensorSpec
		for _, row := range v.towers {
			t := row.dreamSim
			adapter = append(adapter, loraSpecs(t.index, row.vit)...)
			switch {
			case t.file != "":
				specs := named(t.prefix, row.vit.Inventory(row.layout))
				members = append(members, o.member(ctx, t.file, specs, strings.SplitN(t.prefix, ".", 2)[0]))
			case t.base == dinoModel:
				members = append(members, o.member(ctx, "dino_vitb16_pretrain.pth", dinoHead(), "student"))
			default: // the package wants to see the file and reads nothing from it
				members = append(members, o.member(ctx, "dinov2_vitb14_pretrain.pth", []weights.TensorSpec{normal("unused", 0, 1, 1)}))
			}
		}
		return append(members,
			weights.ArchiveMember{Name: folder + "/adapter_config.json", Write: func(w io.Writer) error {
				_, err := w.Write(config)
				return err
			}},
			weights.ArchiveMember{Name: folder + "/adapter_model.safetensors", Write: func(w io.Writer) error {
				return weights.WriteSafetensors(ctx, w, weights.SyntheticPieces(o.seed, adapter), map[string]string{"format": "pt"})
			}})
	}, nil
}

// member is a checkpoint in the archive. Tensors of two checkpoints that have one
// name must differ, so the file's name is part of the seed.
func (o *official) member(ctx context.Context, file string, specs []weights.TensorSpec, under ...string) weights.ArchiveMember {
	return weights.ArchiveMember{Name: file, Write: func(w io.Writer) error {
		return weights.WriteTorchZip(ctx, w, weights.SyntheticPieces(modelSeed(o.seed, file), specs), weights.TorchZipOptions{Under: under})
	}}
}

// adapterOf is the configuration of a release's adapter, in peft's words. The
// factor is that of DreamSim's training configurations: 0.5 for the ensemble, 2
// for the others.
func adapterOf(v dreamSimVariant) map[string]any {
	alpha, dropout := 32, 0.2
	if len(v.towers) > 1 {
		alpha, dropout = 8, 0.3
	}
	return map[string]any{
		"peft_type": "LORA", "task_type": nil, "base_model_name_or_path": nil, "inference_mode": true,
		"r": loraRank, "lora_alpha": alpha, "lora_dropout": dropout, "bias": "none", "target_modules": []string{"qkv"},
		"fan_in_fan_out": false, "modules_to_save": nil, "init_lora_weights": true,
	}
}

// loraSpecs lists the adapter's tensors for one tower.
func loraSpecs(index int, v backbone.ViT) []weights.TensorSpec {
	var specs []weights.TensorSpec
	for block := range v.Layers {
		key := fmt.Sprintf("base_model.model.extractor_list.%d.model.blocks.%d.attn.qkv.lora_", index, block)
		specs = append(specs,
			normal(key+"A.weight", 0, 1/sqrtOf(v.Width), loraRank, v.Width),
			normal(key+"B.weight", 0, 0.05, 3*v.Width, loraRank))
	}
	return specs
}

// dinoHead lists what lies in the archive's own DINO file: a projection head that
// the package loads and no released variant runs.
func dinoHead() []weights.TensorSpec {
	const hidden, bottleneck, out = 2048, 256, 2048
	var specs []weights.TensorSpec
	in := 768
	for _, layer := range []struct{ index, width int }{{0, hidden}, {2, hidden}, {4, bottleneck}} {
		key := fmt.Sprintf("student.module.head.mlp.%d.", layer.index)
		specs = append(specs, normal(key+"weight", 0, 0.02, layer.width, in), normal(key+"bias", 0, 0.02, layer.width))
		in = layer.width
	}
	return append(specs, normal("student.module.head.last_layer.weight", 0, 0.02, out, in))
}

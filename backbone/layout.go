package backbone

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gen-emerge/assay"
)

// A Layout says how a container names the parts of a tower. The same weights
// travel under several, and give the same prepared file under each.
type Layout string

// The layouts. A wrapper around all names, such as "state_dict.", is for the
// caller to take off, see weights.Checkpoint.Sub.
const (
	OpenAI      Layout = "openai"      // CLIP's own names, which open_clip and HPS kept: "visual.proj"
	HuggingFace Layout = "huggingface" // transformers' CLIPModel: "vision_model.embeddings.class_embedding"
	Timm        Layout = "timm"        // DINO, DINOv2, SynCLR, and DreamSim's CLIP towers: "blocks.0.attn.qkv.weight"
	BLIP        Layout = "blip"        // ImageReward: "blip.visual_encoder.cls_token"
)

// A naming gives the official name of each canonical one. A key that ends with a
// dot stands for the two that go on with weight and bias, an asterisk for a
// block's number, and {q,k,v} for three tensors, or {key,value} for two, whose rows
// are put one below the other.
type naming map[string]string

// A container is what a layout says about files.
type container struct {
	vision, text naming
	turned       bool     // projections are stored [e, w], not [w, e]
	batched      bool     // the class token and the positions have a first dimension of 1
	idle         []string // names of tensors that files may hold and no tower reads
}

var containers = map[Layout]container{
	OpenAI: {
		vision: openAINames("visual.", naming{
			"patch.weight": "visual.conv1.weight",
			"class":        "visual.class_embedding",
			"positions":    "visual.positional_embedding",
			"pre.":         "visual.ln_pre.",
			"post.":        "visual.ln_post.",
			"proj":         "visual.proj",
		}),
		text: openAINames("", naming{
			"tokens":    "token_embedding.weight",
			"positions": "positional_embedding",
			"post.":     "ln_final.",
			"proj":      "text_projection",
			logitScale:  logitScale,
		}),
		idle: []string{"input_resolution", "context_length", "vocab_size"}, // of the TorchScript archives
	},
	HuggingFace: {
		vision: huggingFaceNames("vision_model.", naming{
			"patch.weight": "vision_model.embeddings.patch_embedding.weight",
			"class":        "vision_model.embeddings.class_embedding",
			"positions":    "vision_model.embeddings.position_embedding.weight",
			"pre.":         "vision_model.pre_layrnorm.", // as it is spelled there
			"post.":        "vision_model.post_layernorm.",
			"proj":         "visual_projection.weight",
		}),
		text: huggingFaceNames("text_model.", naming{
			"tokens":    "text_model.embeddings.token_embedding.weight",
			"positions": "text_model.embeddings.position_embedding.weight",
			"post.":     "text_model.final_layer_norm.",
			"proj":      "text_projection.weight",
			logitScale:  logitScale,
		}),
		turned: true,
		// 0, 1, 2, …: older releases wrote these tables of indices.
		idle: []string{"vision_model.embeddings.position_ids", "text_model.embeddings.position_ids"},
	},
	Timm: {
		vision:  timmNames(""),
		batched: true,
		// The norm after the last block, which raw features do not pass, and the token
		// that stands for hidden patches while DINOv2 is trained.
		idle: []string{"norm.weight", "norm.bias", "mask_token"},
	},
	BLIP: {
		vision:  timmNames("blip.visual_encoder."),
		text:    blipNames("blip.text_encoder."),
		batched: true,
		// What BLIP compares pictures and texts with, and the table 0, 1, 2, ….
		idle: []string{"blip.vision_proj.weight", "blip.vision_proj.bias", "blip.text_proj.weight", "blip.text_proj.bias",
			blipPositionIDs},
	},
}

// timmNames are timm's, below prefix.
func timmNames(prefix string) naming {
	n := naming{
		"patch.":          "patch_embed.proj.",
		"class":           "cls_token",
		"positions":       "pos_embed",
		"pre.":            "pos_drop.", // DreamSim put the norm in the place of a dropout
		"blocks.*.norm1.": "blocks.*.norm1.", "blocks.*.norm2.": "blocks.*.norm2.",
		"blocks.*.qkv.": "blocks.*.attn.qkv.", "blocks.*.out.": "blocks.*.attn.proj.",
		"blocks.*.fc1.": "blocks.*.mlp.fc1.", "blocks.*.fc2.": "blocks.*.mlp.fc2.",
		"blocks.*.scale1": "blocks.*.ls1.gamma", "blocks.*.scale2": "blocks.*.ls2.gamma",
		"post.": "norm.",
		"proj":  "proj",
	}
	for key, name := range n {
		n[key] = prefix + name
	}
	return n
}

// openAINames adds the names of the blocks below prefix to n.
func openAINames(prefix string, n naming) naming {
	p := prefix + "transformer.resblocks.*."
	n["blocks.*.norm1."], n["blocks.*.norm2."] = p+"ln_1.", p+"ln_2."
	n["blocks.*.qkv.weight"], n["blocks.*.qkv.bias"] = p+"attn.in_proj_weight", p+"attn.in_proj_bias"
	n["blocks.*.out."] = p + "attn.out_proj."
	n["blocks.*.fc1."], n["blocks.*.fc2."] = p+"mlp.c_fc.", p+"mlp.c_proj."
	return n
}

// huggingFaceNames adds the names of the blocks below prefix to n.
func huggingFaceNames(prefix string, n naming) naming {
	p := prefix + "encoder.layers.*."
	n["blocks.*.norm1."], n["blocks.*.norm2."] = p+"layer_norm1.", p+"layer_norm2."
	n["blocks.*.qkv."] = p + "self_attn.{q,k,v}_proj."
	n["blocks.*.out."] = p + "self_attn.out_proj."
	n["blocks.*.fc1."], n["blocks.*.fc2."] = p+"mlp.fc1.", p+"mlp.fc2."
	return n
}

// container returns what the layout says.
func (l Layout) container() (container, error) {
	c, ok := containers[l]
	if !ok {
		return container{}, fmt.Errorf("layout %q, want %s, %s, %s or %s: %w", l, OpenAI, HuggingFace, Timm, BLIP, assay.ErrInvalid)
	}
	return c, nil
}

// official returns the names of the tensors that the canonical one is made of:
// one, or three whose rows are put one below the other, or none if the layout
// has no name for it.
func (n naming) official(canonical string) []string {
	generic, block := star(canonical)
	name, ok := n[generic]
	if !ok {
		dot := strings.LastIndexByte(generic, '.') + 1
		if name, ok = n[generic[:dot]]; !ok {
			return nil
		}
		name += generic[dot:]
	}
	return expand(strings.ReplaceAll(name, "*", block))
}

// expand writes {q,k,v} out.
func expand(name string) []string {
	before, rest, ok := strings.Cut(name, "{")
	parts, after, closed := strings.Cut(rest, "}")
	if !ok || !closed {
		return []string{name}
	}
	var list []string
	for _, part := range strings.Split(parts, ",") {
		list = append(list, before+part+after)
	}
	return list
}

// patterns returns every name there is, with an asterisk for a block's number.
func (n naming) patterns() map[string]bool {
	all := map[string]bool{}
	for key, name := range n {
		for _, suffix := range []string{"weight", "bias"} {
			if !strings.HasSuffix(key, ".") {
				suffix = ""
			}
			for _, one := range expand(name + suffix) {
				all[one] = true
			}
		}
	}
	return all
}

// star puts an asterisk in the place of the first part of a dotted name that is
// a number, and returns that.
func star(name string) (generic, number string) {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		if n, err := strconv.Atoi(p); err == nil && strconv.Itoa(n) == p && n >= 0 {
			parts[i] = "*"
			return strings.Join(parts, "."), p
		}
	}
	return name, ""
}

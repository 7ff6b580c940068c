package pixel

import (
	"fmt"
	"strings"
)

// parseComfyEditor turns the editor's graph into an executable one as far as
// reading it needs: links become inputs, and the values of the widgets, which
// the editor keeps without names, get theirs for the nodes widgetNames knows.
// Muted and bypassed nodes (mode 2 and 4) are left out.
func parseComfyEditor(s string) (comfyGraph, error) {
	o, err := decodeObject(s)
	if err != nil {
		return nil, fmt.Errorf("workflow: %w", err)
	}
	nodes, _ := o["nodes"].([]any)
	links, _ := o["links"].([]any)
	if len(nodes) > maxNodes || len(links) > 8*maxNodes {
		return nil, invalidf("workflow: graph of %d nodes and %d links; at most %d nodes are read", len(nodes), len(links), maxNodes)
	}
	ends := map[string][]any{} // link id → [node id, output]
	for _, v := range links {
		// [link, from node, from output, to node, to input, type]
		if l, _ := v.([]any); len(l) >= 3 {
			id, okLink := scalar(l[0])
			from, okNode := scalar(l[1])
			if okLink && okNode {
				ends[id] = []any{from, l[2]}
			}
		}
	}
	g := comfyGraph{}
	for _, v := range nodes {
		n, _ := v.(map[string]any)
		id, ok := scalar(n["id"])
		mode, _ := scalar(n["mode"])
		if class := textOf(n, "type"); ok && class != "" && mode != "2" && mode != "4" {
			g[id] = comfyNode{strings.ToLower(class), editorInputs(n, class, ends)}
		}
	}
	return g, nil
}

func editorInputs(n map[string]any, class string, ends map[string][]any) map[string]any {
	in := map[string]any{}
	switch widgets := n["widgets_values"].(type) {
	case []any:
		names := widgetNames(class)
		for i, v := range widgets {
			if i < len(names) {
				in[names[i]] = v
			}
		}
	case map[string]any: // some custom nodes name them
		for k, v := range widgets {
			in[k] = v
		}
	}
	inputs, _ := n["inputs"].([]any)
	for _, v := range inputs {
		i, _ := v.(map[string]any)
		link, ok := scalar(i["link"])
		if name := textOf(i, "name"); ok && ends[link] != nil {
			in[name] = ends[link]
		}
	}
	return in
}

// widgetNames returns the names of a node's widgets in the order of the editor,
// which puts "control after generate" behind every seed.
func widgetNames(class string) []string {
	switch class {
	case "CLIPTextEncode":
		return []string{"text"}
	case "CLIPTextEncodeFlux":
		return []string{"clip_l", "t5xxl", "guidance"}
	case "CLIPTextEncodeSDXL":
		return []string{"width", "height", "crop_w", "crop_h", "target_width", "target_height", "text_g", "text_l"}
	case "PrimitiveNode", "PrimitiveString", "PrimitiveStringMultiline", "PrimitiveInt", "PrimitiveFloat":
		return []string{"value"}
	case "KSampler":
		return []string{"seed", "control", "steps", "cfg", "sampler_name", "scheduler", "denoise"}
	case "KSamplerAdvanced":
		return []string{"add_noise", "noise_seed", "control", "steps", "cfg", "sampler_name", "scheduler"}
	case "SamplerCustom":
		return []string{"add_noise", "noise_seed", "control", "cfg"}
	case "RandomNoise":
		return []string{"noise_seed", "control"}
	case "KSamplerSelect":
		return []string{"sampler_name"}
	case "BasicScheduler":
		return []string{"scheduler", "steps", "denoise"}
	case "SDTurboScheduler":
		return []string{"steps", "denoise"}
	case "CFGGuider":
		return []string{"cfg"}
	case "CheckpointLoaderSimple", "unCLIPCheckpointLoader":
		return []string{"ckpt_name"}
	case "UNETLoader":
		return []string{"unet_name"}
	case "LoraLoader", "LoraLoaderModelOnly":
		return []string{"lora_name"}
	case "EmptyLatentImage", "EmptySD3LatentImage":
		return []string{"width", "height"}
	}
	return nil
}

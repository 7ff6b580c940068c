package pixel

import "strings"

// settings keeps what sampler id and the nodes that feed it say.
func (w *comfyWalk) settings(m *Meta, id string) {
	n := w.g[id]
	from := []comfyNode{n}
	// SamplerCustom and its like have these on nodes of their own.
	for _, k := range []string{"noise", "sampler", "sigmas", "guider"} {
		if up, _, ok := w.g.link(n.in[k]); ok {
			from = append(from, w.g[up])
		}
	}
	for _, n := range from {
		m.set("seed", w.value(n.in["seed"]))
		m.set("seed", w.value(n.in["noise_seed"]))
		for _, k := range []string{"steps", "cfg", "scheduler", "denoise"} {
			m.set(k, w.value(n.in[k]))
		}
		m.set("sampler", w.value(n.in["sampler_name"]))
	}
	for _, n := range from {
		if up, _, ok := w.g.link(n.in["model"]); ok {
			w.models(m, up)
			break
		}
	}
	for _, k := range []string{"latent_image", "latent", "samples"} {
		if up, _, ok := w.g.link(n.in[k]); ok {
			w.size(m, up)
		}
	}
}

// value returns a number or string, through one link if the node there holds a
// value and nothing else is meant.
func (w *comfyWalk) value(v any) string {
	if s, ok := scalar(v); ok {
		return s
	}
	up, _, ok := w.g.link(v)
	if !ok {
		return ""
	}
	for _, k := range []string{"value", "seed", "noise_seed", "int", "float", "number", "Number", "Value"} {
		if s, ok := scalar(w.g[up].in[k]); ok {
			return s
		}
	}
	return ""
}

// models collects the checkpoints and LoRAs above id along the links that carry
// models; merged models are joined by commas.
func (w *comfyWalk) models(m *Meta, id string) {
	var names, loras []string
	seen := map[string]bool{}
	var up func(id string)
	up = func(id string) {
		if seen[id] || !w.step() {
			return
		}
		seen[id] = true
		n := w.g[id]
		for _, k := range []string{"ckpt_name", "unet_name", "model_name"} {
			if s, ok := n.in[k].(string); ok {
				names = append(names, s)
			}
		}
		if s, ok := n.in["lora_name"].(string); ok {
			loras = append(loras, s)
		}
		for _, k := range sortedKeys(n.in) {
			if next, _, ok := w.g.link(n.in[k]); ok && strings.HasPrefix(k, "model") {
				up(next)
			}
		}
	}
	up(id)
	m.set("model", strings.Join(names, ", "))
	m.set("loras", strings.Join(loras, ", "))
}

// size looks above id for the node that made the empty latent image.
func (w *comfyWalk) size(m *Meta, id string) {
	seen := map[string]bool{}
	for !seen[id] && w.step() {
		seen[id] = true
		n := w.g[id]
		width, height := w.value(n.in["width"]), w.value(n.in["height"])
		if digits(width) && digits(height) {
			m.set("width", width)
			m.set("height", height)
			return
		}
		for _, k := range []string{"samples", "latent", "latent_image", "input"} {
			if up, _, ok := w.g.link(n.in[k]); ok {
				id = up
				break
			}
		}
	}
}

package pixel

import (
	"slices"
	"strings"
)

// A side is which of the two conditionings is followed; it is also the name of
// the inputs that carry it.
type side string

const (
	positive side = "positive"
	negative side = "negative"
)

// prompts returns the texts that sampler id was conditioned on.
func (w *comfyWalk) prompts(id string) (string, string) {
	n := w.g[id]
	if up, _, ok := w.g.link(n.in["guider"]); ok {
		n = w.g[up]
	}
	var sides [2]string
	for i, s := range []side{positive, negative} {
		c := conditioning{comfyWalk: w, side: s, seen: map[string]bool{}}
		if !c.follow(n.in[string(s)]) && s == positive {
			// A guider without a negative side; DualCFGGuider has two positive ones.
			for _, k := range []string{"conditioning", "cond1", "cond2"} {
				c.follow(n.in[k])
			}
		}
		sides[i] = strings.Join(c.texts, "\n")
	}
	return sides[0], sides[1]
}

// A conditioning collects the texts one side is made of, each once, in the
// order of the inputs.
type conditioning struct {
	*comfyWalk
	side  side
	seen  map[string]bool // nodes
	texts []string
}

// follow collects what an input says: a text, or what the node it is linked
// with is made of. It reports whether there is anything to follow.
func (c *conditioning) follow(v any) bool {
	if s, ok := v.(string); ok {
		c.add(s)
		return true
	}
	id, slot, ok := c.g.link(v)
	if ok {
		c.visit(id, slot)
	}
	return ok
}

func (c *conditioning) add(s string) {
	if s = strings.TrimSpace(s); s != "" && !slices.Contains(c.texts, s) {
		c.texts = append(c.texts, s)
	}
}

func (c *conditioning) visit(id string, slot int) {
	n := c.g[id]
	if c.seen[id] || !c.step() || n.class == "conditioningzeroout" {
		return // zeroed conditioning carries no text
	}
	c.seen[id] = true
	if c.encoder(n) {
		return
	}
	// Nodes that change both sides give them out in this order.
	other := c.side
	if c.g.linked(n, "positive") && c.g.linked(n, "negative") {
		other = [...]side{positive, negative}[min(slot&1, 1)]
	}
	if c.follow(n.in[string(other)]) {
		return
	}
	found := false
	for _, k := range sortedKeys(n.in) {
		if strings.HasPrefix(k, "cond") {
			found = c.follow(n.in[k]) || found
		}
	}
	if found {
		return
	}
	// Reroutes and switches name their inputs as they like.
	for _, k := range sortedKeys(n.in) {
		if _, literal := n.in[k].(string); !literal && passes(k) {
			c.follow(n.in[k])
		}
	}
}

// passes reports whether an unknown node's input may carry conditioning or text.
func passes(name string) bool {
	for _, p := range []string{
		"model", "clip", "vae", "control_net", "image", "pixels", "mask", "latent", "samples", "style_model", "positive", "negative",
	} {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	return true
}

// encoder adds the texts of n if it is a node that has some: a text encoder, a
// loader with prompts of its own, or a node that makes a string.
func (c *conditioning) encoder(n comfyNode) bool {
	found := false
	for _, k := range c.textInputs(n) {
		if s := c.resolve(n.in[k], map[string]bool{}); s != "" {
			c.add(s)
			found = true
		}
	}
	return found
}

// textInputs returns the inputs of n that hold text for the side, in order.
func (c *conditioning) textInputs(n comfyNode) []string {
	other := negative
	if c.side == negative {
		other = positive
	}
	var names []string
	for _, k := range sortedKeys(n.in) {
		_, literal := n.in[k].(string)
		switch {
		case strings.Contains(k, string(other)):
		case k == string(c.side):
			if literal { // a link there is conditioning
				names = append(names, k)
			}
		case textInput(k) && (literal || c.g.linked(n, k)):
			names = append(names, k)
		}
	}
	if slices.Contains(names, "populated_text") { // the wildcards are its source
		return []string{"populated_text"}
	}
	return names
}

// textInput reports whether text nodes call an input so: text, text_g, text1,
// string_a, prompt, and the encoders' own names.
func textInput(name string) bool {
	switch name {
	case "value", "clip_l", "clip_g", "t5xxl", "llama", "populated_text":
		return true
	}
	for _, p := range []string{"text", "string", "prompt"} {
		if rest, ok := strings.CutPrefix(name, p); ok {
			rest = strings.TrimPrefix(rest, "_")
			return len(rest) <= 1 || digits(rest) || rest == string(positive) || rest == string(negative)
		}
	}
	return false
}

// resolve returns the string an input says, following links through nodes that
// make strings. Parts are joined as the node says.
func (c *conditioning) resolve(v any, seen map[string]bool) string {
	if s, ok := v.(string); ok {
		return strings.TrimSpace(s)
	}
	id, _, ok := c.g.link(v)
	if !ok || seen[id] || !c.step() {
		return ""
	}
	seen[id] = true
	n := c.g[id]
	var parts []string
	for _, k := range c.textInputs(n) {
		if s := c.resolve(n.in[k], seen); s != "" {
			parts = append(parts, s)
		}
	}
	if len(parts) == 0 { // a reroute
		for _, k := range sortedKeys(n.in) {
			if s := c.resolve(n.in[k], seen); s != "" && c.g.linked(n, k) && passes(k) {
				return s
			}
		}
	}
	delimiter := " "
	for _, k := range []string{"delimiter", "separator"} {
		if s, ok := n.in[k].(string); ok {
			delimiter = s
		}
	}
	return strings.Join(parts, delimiter)
}

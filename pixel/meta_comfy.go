package pixel

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const comfyUI = "comfyui"

// A comfyNode is one node of ComfyUI's executable graph. An input is a value,
// or a link: [id of a node, index of its output].
type comfyNode struct {
	class string // lower case
	in    map[string]any
}

type comfyGraph map[string]comfyNode

// maxNodes bounds a graph; large real ones have some hundreds.
const maxNodes = 20000

// readComfy reads ComfyUI: the executable graph in "prompt", or, where only that
// is there, the editor's graph in "workflow".
func readComfy(at map[string]string) (Meta, []error, error) {
	var g comfyGraph
	var err error
	prompt := strings.TrimSpace(at["prompt"])
	switch {
	case strings.HasPrefix(prompt, "{"):
		g, err = parseComfy(prompt)
	case prompt != "" && at["parameters"] == "":
		// Other programs use the keyword for the prompt itself.
		return Meta{Prompt: prompt}, []error{fmt.Errorf("the text \"prompt\" is not a ComfyUI graph: took it as it is")}, nil
	case prompt == "" && at["workflow"] != "":
		g, err = parseComfyEditor(at["workflow"])
	default:
		return Meta{}, nil, errNotMine
	}
	if err != nil {
		return Meta{}, nil, fmt.Errorf("comfyui: %w", err)
	}
	m := Meta{Generator: comfyUI}
	w := &comfyWalk{g: g, left: maxWalk}
	id, rivals := w.sampler()
	if id == "" {
		return m, []error{fmt.Errorf("comfyui: no sampler among the %d nodes of the graph", len(g))}, nil
	}
	var doubts []error
	m.Prompt, m.Negative = w.prompts(id)
	for _, r := range rivals {
		if p, n := w.prompts(r); p != m.Prompt || n != m.Negative {
			doubts = append(doubts, fmt.Errorf("comfyui: samplers with different prompts: took node %.40q, not %.40q", id, r))
			break
		}
	}
	w.settings(&m, id)
	if m.Prompt == "" {
		doubts = append(doubts, fmt.Errorf("comfyui: found no text on the way to sampler %.40q", id))
	}
	if w.left <= 0 {
		doubts = append(doubts, fmt.Errorf("comfyui: graph is too tangled: gave up after %d steps", maxWalk))
	}
	return m, doubts, nil
}

func parseComfy(s string) (comfyGraph, error) {
	o, err := decodeObject(s)
	if err != nil {
		return nil, fmt.Errorf("prompt: %w", err)
	}
	if len(o) > maxNodes {
		return nil, invalidf("prompt: graph of %d nodes; at most %d are read", len(o), maxNodes)
	}
	g := comfyGraph{}
	for id, v := range o {
		n, _ := v.(map[string]any)
		in, ok := n["inputs"].(map[string]any)
		if class := textOf(n, "class_type"); ok && class != "" {
			g[id] = comfyNode{strings.ToLower(class), in}
		}
	}
	return g, nil
}

// link returns the node and output that an input is connected with.
func (g comfyGraph) link(v any) (id string, slot int, ok bool) {
	pair, _ := v.([]any)
	if len(pair) != 2 {
		return "", 0, false
	}
	id, ok = scalar(pair[0])
	if !ok {
		return "", 0, false
	}
	number, _ := scalar(pair[1])
	slot, err := strconv.Atoi(number)
	if _, known := g[id]; err != nil || !known {
		return "", 0, false
	}
	return id, slot, true
}

// linked reports whether input name of n is connected.
func (g comfyGraph) linked(n comfyNode, name string) bool {
	_, _, ok := g.link(n.in[name])
	return ok
}

// samples reports whether n turns noise into a latent image: it is told so by
// its class, and takes conditioning or a guider that does.
func (g comfyGraph) samples(n comfyNode) bool {
	if !g.linked(n, "positive") && !g.linked(n, "guider") {
		return false
	}
	if strings.Contains(n.class, "sampler") {
		return true
	}
	for _, k := range []string{"seed", "noise_seed", "steps"} {
		if _, ok := n.in[k]; ok {
			return true
		}
	}
	return false
}

// A comfyWalk follows links against their direction. Graphs are untrusted and
// may hold cycles and fans, so every step is paid from left.
type comfyWalk struct {
	g    comfyGraph
	left int
}

// maxWalk bounds the links followed in one graph; real ones need some hundreds.
const maxWalk = 1 << 18

func (w *comfyWalk) step() bool {
	w.left--
	return w.left > 0
}

// sampler returns the sampler that made the picture: one without another
// sampler before it (those after it refine), if possible one that a saved image
// descends from, and of several the one with the lowest id. The others of that
// rank are the rivals.
func (w *comfyWalk) sampler() (id string, rivals []string) {
	saved, shown := w.ancestors("save"), w.ancestors("preview")
	before := map[string]bool{}
	var all, later []string
	for _, id := range sortedKeys(w.g) {
		switch {
		case !w.g.samples(w.g[id]):
		case w.refines(id, before):
			later = append(later, id)
		default:
			all = append(all, id)
		}
	}
	if len(all) == 0 { // a cycle: ComfyUI would not run it, but it can be read
		all = later
	}
	rank := func(id string) int {
		switch {
		case saved[id]:
			return 0
		case shown[id]:
			return 1
		}
		return 2
	}
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(rank(a)-rank(b), byNumber(a, b))
	})
	if len(all) == 0 {
		return "", nil
	}
	for _, r := range all[1:] {
		if rank(r) == rank(all[0]) {
			rivals = append(rivals, r)
		}
	}
	return all[0], rivals
}

// byNumber orders ids as numbers where both are, else as text.
func byNumber(a, b string) int {
	x, errA := strconv.Atoi(a)
	y, errB := strconv.Atoi(b)
	if errA == nil && errB == nil {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a, b)
}

// ancestors returns the nodes from which a node whose class contains word can
// be reached, and those nodes.
func (w *comfyWalk) ancestors(word string) map[string]bool {
	seen := map[string]bool{}
	var rest []string
	for _, id := range sortedKeys(w.g) {
		if strings.Contains(w.g[id].class, word) {
			seen[id] = true
			rest = append(rest, id)
		}
	}
	for len(rest) > 0 {
		n := w.g[rest[len(rest)-1]]
		rest = rest[:len(rest)-1]
		for _, v := range n.in {
			if up, _, ok := w.g.link(v); ok && !seen[up] && w.step() {
				seen[up] = true
				rest = append(rest, up)
			}
		}
	}
	return seen
}

// refines reports whether the latent image that sampler id starts from comes
// from another sampler. known remembers the answers for the nodes passed.
func (w *comfyWalk) refines(id string, known map[string]bool) bool {
	for _, k := range []string{"latent_image", "latent", "samples", "image", "pixels"} {
		if up, _, ok := w.g.link(w.g[id].in[k]); ok && w.sampled(up, known) {
			return true
		}
	}
	return false
}

// sampled reports whether a sampler is id or above it, leaving out what only
// steers: models and conditioning. A cycle counts as no.
func (w *comfyWalk) sampled(id string, known map[string]bool) bool {
	if answer, ok := known[id]; ok {
		return answer
	}
	known[id] = false
	if !w.step() {
		return false
	}
	n := w.g[id]
	answer := w.g.samples(n)
	for _, k := range sortedKeys(n.in) {
		if up, _, ok := w.g.link(n.in[k]); ok && !answer && !steers(k) {
			answer = w.sampled(up, known)
		}
	}
	known[id] = answer
	return answer
}

// steers reports whether an input carries a model or conditioning, not pixels,
// latents or values.
func steers(name string) bool {
	for _, p := range []string{"model", "clip", "vae", "control_net", "positive", "negative", "conditioning", "guider"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

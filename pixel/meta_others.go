package pixel

import (
	"fmt"
	"strings"
)

// readInvoke reads InvokeAI: "invokeai_metadata" since version 3, "sd-metadata"
// in version 2, "Dream", a command line, before.
func readInvoke(at map[string]string) (Meta, []error, error) {
	m := Meta{Generator: "invokeai"}
	if s, ok := at["invokeai_metadata"]; ok {
		o, err := decodeObject(s)
		if err != nil {
			return Meta{}, nil, fmt.Errorf("invokeai_metadata: %w", err)
		}
		m.Prompt, m.Negative = textOf(o, "positive_prompt"), textOf(o, "negative_prompt")
		m.setAll(o, invokeAlike)
		if model, ok := o["model"].(map[string]any); ok { // version 3: model_name, 4: name
			m.set("model", textOf(model, "name"))
			m.set("model", textOf(model, "model_name"))
		}
		return m, nil, nil
	}
	if s, ok := at["sd-metadata"]; ok {
		o, err := decodeObject(s)
		if err != nil {
			return Meta{}, nil, fmt.Errorf("sd-metadata: %w", err)
		}
		picture, _ := o["image"].(map[string]any)
		m.Prompt, m.Negative = splitBrackets(weighted(picture["prompt"]))
		m.setAll(picture, invokeAlike)
		m.set("model", textOf(o, "model_weights"))
		m.set("version", textOf(o, "app_version"))
		return m, nil, nil
	}
	if s, ok := at["Dream"]; ok {
		m.dream(s)
		return m, nil, nil
	}
	return Meta{}, nil, errNotMine
}

func invokeAlike(key string) string {
	switch key {
	case "positive_prompt", "negative_prompt", "prompt", "model":
		return ""
	case "cfg_scale":
		return "cfg"
	case "strength":
		return "denoise"
	case "app_version":
		return "version"
	}
	return key
}

// weighted joins the sub-prompts of version 2: a string, or a list of
// {"prompt": …, "weight": …}.
func weighted(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	list, _ := v.([]any)
	var parts []string
	for _, e := range list {
		if o, ok := e.(map[string]any); ok && textOf(o, "prompt") != "" {
			parts = append(parts, textOf(o, "prompt"))
		}
	}
	return strings.Join(parts, "\n")
}

// splitBrackets takes the negative prompt, which version 2 writes in square
// brackets within the prompt, out of it.
func splitBrackets(s string) (prompt, negative string) {
	var rest, out []string
	for {
		before, after, ok := strings.Cut(s, "[")
		inner, tail, closed := strings.Cut(after, "]")
		if !ok || !closed {
			return strings.TrimSpace(strings.Join(append(rest, s), "")), strings.Join(out, ", ")
		}
		rest, out, s = append(rest, before), append(out, strings.TrimSpace(inner)), tail
	}
}

// dream reads a command line such as: "a cat" -s 50 -S 1234 -W 512 -H 512 -C 7.5 -A k_lms
func (m *Meta) dream(line string) {
	line = strings.TrimSpace(line)
	options := line
	if body, ok := strings.CutPrefix(line, `"`); ok {
		// The prompt ends at the last quote: it may hold others itself.
		if end := strings.LastIndexByte(body, '"'); end >= 0 {
			m.Prompt, m.Negative = splitBrackets(body[:end])
			options = body[end+1:]
		}
	} else if before, _, ok := strings.Cut(line, " -"); ok {
		m.Prompt, m.Negative = splitBrackets(before)
		options = line[len(before):]
	} else {
		m.Prompt, m.Negative = splitBrackets(line)
		options = ""
	}
	names := map[string]string{
		"-s": "steps", "-S": "seed", "-W": "width", "-H": "height", "-C": "cfg", "-A": "sampler", "-f": "denoise",
	}
	fields := strings.Fields(options)
	for i, f := range fields {
		// Written with a space or without: -s 50, -s50.
		if len(f) < 2 || names[f[:2]] == "" {
			continue
		}
		if f != f[:2] {
			m.set(names[f[:2]], f[2:])
		} else if i+1 < len(fields) {
			m.set(names[f], fields[i+1])
		}
	}
}

// readFooocus reads Fooocus, which names its scheme beside the text: its own,
// JSON, or A1111's form. In JPEG and WebP the scheme is EXIF's maker note.
func readFooocus(at map[string]string) (Meta, []error, error) {
	scheme, s := at["fooocus_scheme"], at["parameters"]
	if strings.HasPrefix(at["Software"], "Fooocus") {
		scheme, s = at["MakerNote"], at["UserComment"]
	}
	if scheme == "" || s == "" {
		return Meta{}, nil, errNotMine
	}
	m := Meta{Generator: "fooocus"}
	switch scheme {
	case "a1111":
		m = parseA1111(s)
		m.Generator = "fooocus"
		return m, nil, nil
	case "fooocus":
		o, err := decodeObject(s)
		if err != nil {
			return Meta{}, nil, fmt.Errorf("fooocus: %w", err)
		}
		m.Prompt, m.Negative = textOf(o, "prompt"), textOf(o, "negative_prompt")
		// Written as a Python tuple: (1152, 896).
		w, h, ok := strings.Cut(strings.Trim(textOf(o, "resolution"), "()"), ", ")
		if ok && digits(w) && digits(h) {
			m.set("width", w)
			m.set("height", h)
		}
		m.setAll(o, fooocusAlike)
		return m, nil, nil
	}
	return Meta{}, nil, invalidf("fooocus: unknown scheme %.40q", scheme)
}

func fooocusAlike(key string) string {
	switch key {
	case "prompt", "negative_prompt":
		return ""
	case "guidance_scale":
		return "cfg"
	case "base_model":
		return "model"
	}
	return key
}

// readNovelAI reads NovelAI: the prompt in "Description", the rest as JSON in
// "Comment". From version 4 the negative prompt has parts for characters, which
// follow the base on lines of their own.
func readNovelAI(at map[string]string) (Meta, []error, error) {
	if at["Software"] != "NovelAI" {
		return Meta{}, nil, errNotMine
	}
	m := Meta{Generator: "novelai", Prompt: at["Description"]}
	m.set("model", at["Source"])
	if at["Comment"] == "" {
		return m, nil, nil
	}
	o, err := decodeObject(at["Comment"])
	if err != nil {
		return m, []error{fmt.Errorf("novelai: comment: %w", err)}, nil
	}
	m.Negative = textOf(o, "uc")
	if s := captions(o["v4_prompt"]); s != "" {
		m.Prompt = s
	}
	if s := captions(o["v4_negative_prompt"]); s != "" {
		m.Negative = s
	}
	if m.Prompt == "" {
		m.Prompt = textOf(o, "prompt")
	}
	m.setAll(o, novelAlike)
	return m, nil, nil
}

func novelAlike(key string) string {
	switch key {
	case "prompt", "uc", "signed_hash":
		return ""
	case "scale":
		return "cfg"
	case "strength":
		return "denoise"
	case "noise_schedule":
		return "scheduler"
	}
	return key
}

// captions joins the base and character captions of NovelAI's version 4.
func captions(v any) string {
	o, _ := v.(map[string]any)
	c, _ := o["caption"].(map[string]any)
	parts := []string{textOf(c, "base_caption")}
	people, _ := c["char_captions"].([]any)
	for _, p := range people {
		person, _ := p.(map[string]any)
		parts = append(parts, textOf(person, "char_caption"))
	}
	return strings.TrimSpace(strings.Join(parts, "\n"))
}

// swarmKey begins every text of SwarmUI.
const swarmKey = `"sui_image_params"`

// readSwarm reads SwarmUI (StableSwarmUI before): JSON in "parameters" or in
// the user comment.
func readSwarm(at map[string]string) (Meta, []error, error) {
	s := at["parameters"]
	if s == "" {
		s = at["UserComment"]
	}
	if !strings.HasPrefix(strings.TrimSpace(s), "{") || !strings.Contains(s, swarmKey) {
		return Meta{}, nil, errNotMine
	}
	all, err := decodeObject(s)
	if err != nil {
		return Meta{}, nil, fmt.Errorf("swarmui: %w", err)
	}
	o, ok := all["sui_image_params"].(map[string]any)
	if !ok {
		return Meta{}, nil, invalidf("swarmui: sui_image_params is not an object")
	}
	m := Meta{Generator: "swarmui", Prompt: textOf(o, "prompt"), Negative: textOf(o, "negativeprompt")}
	m.setAll(o, swarmAlike)
	return m, nil, nil
}

func swarmAlike(key string) string {
	switch key {
	case "prompt", "negativeprompt":
		return ""
	case "cfgscale":
		return "cfg"
	case "swarm_version":
		return "version"
	}
	return key
}

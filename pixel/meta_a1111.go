package pixel

import (
	"encoding/json"
	"regexp"
	"strings"
)

// readA1111 reads what AUTOMATIC1111's web UI and its forks write: the PNG text
// "parameters", or the EXIF user comment. A comment can be anything, so it must
// look the part; the keyword is taken at its word, unless it is a text of
// Fooocus or SwarmUI that their readers refused.
func readA1111(at map[string]string) (Meta, []error, error) {
	if text, ok := at["parameters"]; ok {
		if at["fooocus_scheme"] != "" || strings.Contains(text, swarmKey) {
			return Meta{}, nil, errNotMine
		}
		return parseA1111(text), nil, nil
	}
	m := parseA1111(at["UserComment"])
	if m.Settings == nil {
		return Meta{}, nil, errNotMine
	}
	return m, nil, nil
}

// a1111Pair matches one "Key: value" of the settings line, as the web UI's own
// reader does: a value with commas in it is a JSON string.
var a1111Pair = regexp.MustCompile(`\s*([\p{L}\p{N}_][\p{L}\p{N}_ \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)`)

const a1111Negative = "Negative prompt:"

// parseA1111 reads the web UI's infotext: the lines of the prompt, those of the
// negative prompt from the one that begins so, and a last line of settings,
// which counts as such only if it holds at least three pairs.
func parseA1111(text string) Meta {
	m := Meta{Generator: "a1111"}
	text = strings.ReplaceAll(strings.TrimSpace(text), "\r\n", "\n")
	lines := strings.Split(text, "\n")
	last := lines[len(lines)-1]
	if pairs := a1111Pair.FindAllStringSubmatch(last, -1); len(pairs) >= 3 {
		lines = lines[:len(lines)-1]
		for _, p := range pairs {
			m.setA1111(p[1], strings.TrimSpace(p[2]))
		}
	}
	var prompt, negative []string
	within := &prompt
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, a1111Negative); ok {
			within, line = &negative, strings.TrimSpace(rest)
		}
		*within = append(*within, line)
	}
	m.Prompt = strings.TrimSpace(strings.Join(prompt, "\n"))
	m.Negative = strings.TrimSpace(strings.Join(negative, "\n"))
	return m
}

// setA1111 keeps one pair of the settings line.
func (m *Meta) setA1111(key, value string) {
	if strings.HasPrefix(value, `"`) {
		var s string
		if json.Unmarshal([]byte(value), &s) == nil {
			value = s
		}
	}
	if w, h, ok := sizeOf(value); ok && key == "Size" {
		m.set("width", w)
		m.set("height", h)
		return
	}
	m.set(a1111Alike(key), value)
}

// a1111Alike names what A1111 shares with the other generators as they do.
func a1111Alike(key string) string {
	switch key {
	case "Seed", "Steps", "Sampler", "Model", "Version":
		return strings.ToLower(key)
	case "CFG scale":
		return "cfg"
	case "Schedule type", "Scheduler":
		return "scheduler"
	case "Denoising strength":
		return "denoise"
	case "Base Model": // Fooocus
		return "model"
	}
	return key
}

// sizeOf splits "512x768" into its numbers.
func sizeOf(s string) (w, h string, ok bool) {
	w, h, ok = strings.Cut(s, "x")
	return w, h, ok && digits(w) && digits(h)
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

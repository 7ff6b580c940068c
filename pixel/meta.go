package pixel

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// A Meta is what a generator wrote into an image file about how it was made.
// All of it is untrusted text. The zero Meta says that nothing was found.
type Meta struct {
	// Generator is "a1111" (also its forks), "comfyui", "invokeai", "fooocus",
	// "novelai" or "swarmui"; empty if the writer is not known.
	Generator string
	// Prompt and Negative are the texts the image was conditioned on. Where a
	// graph combines several, each stands on lines of its own.
	Prompt, Negative string
	// Settings are the parameters as text. What generators have in common is
	// named alike: seed, steps, cfg, sampler, scheduler, denoise, model, loras,
	// width, height, version. Other names are the generator's own.
	Settings map[string]string
	// Raw holds the texts as found, by PNG keyword or EXIF tag name, each cut
	// after 256 KiB.
	Raw map[string]string
}

// The limits of what ReadMeta reads. Editor graphs of ComfyUI reach a few
// hundred kilobytes; ten times that is no prompt.
const (
	maxText  = 4 << 20   // bytes of one text after inflating
	maxTexts = 16 << 20  // bytes of all texts of a file
	maxRaw   = 256 << 10 // bytes of one text kept in Meta.Raw
)

// ReadMeta reads the generation data of an encoded PNG, JPEG or WebP file: PNG
// text chunks, and the user comment and a few text tags of EXIF, as A1111,
// ComfyUI, InvokeAI, Fooocus, NovelAI and SwarmUI write them. XMP is not read.
//
// A file without any, or of another format, gives the zero Meta. The errors are
// doubts, never fatal: they say what was damaged, too large, or ambiguous, and
// the Meta is what could be read in spite of them. Nothing is executed, and
// memory and time are bounded by the limits above and the length of data.
func ReadMeta(data []byte) (Meta, []error) {
	t := &texts{at: map[string]string{}}
	switch {
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		t.png(data)
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		t.jpeg(data)
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		t.webp(data)
	}
	if len(t.at) == 0 {
		return Meta{}, t.doubts
	}
	m := t.recognise()
	m.Prompt, m.Negative = strings.TrimSpace(m.Prompt), strings.TrimSpace(m.Negative)
	t.keepRaw(&m)
	return m, t.doubts
}

// A texts is what was found in one file, and the doubts about it.
type texts struct {
	at     map[string]string
	total  int
	doubts []error
}

func (t *texts) doubt(format string, args ...any) {
	const enough = 32 // a damaged file can have thousands, all alike
	if len(t.doubts) < enough {
		t.doubts = append(t.doubts, fmt.Errorf(format, args...))
	}
}

// add keeps one text under its name, within the limits. The first one stays.
func (t *texts) add(name, text string) {
	text = strings.TrimRight(text, "\x00")
	if strings.TrimSpace(text) == "" {
		return
	}
	switch _, twice := t.at[name]; {
	case twice:
		t.doubt("text %q occurs twice: kept the first", name)
	case len(text) > maxText:
		t.doubt("text %q of %d bytes is over the limit of %d: not read", name, len(text), maxText)
	case t.total+len(text) > maxTexts:
		t.doubt("text %q: the file has more than %d bytes of text: not read", name, maxTexts)
	default:
		t.total += len(text)
		t.at[name] = text
	}
}

// told reports whether a text of that name means generation data by itself.
// The others, a title or a camera's comment, count only for what is known to
// write them.
func told(name string) bool {
	switch name {
	case "parameters", "prompt", "workflow", "fooocus_scheme",
		"invokeai_metadata", "invokeai_graph", "invokeai_workflow", "sd-metadata", "Dream":
		return true
	}
	return false
}

// keepRaw fills m.Raw with the texts behind it.
func (t *texts) keepRaw(m *Meta) {
	for name, text := range t.at {
		if m.Generator == "" && !told(name) {
			continue
		}
		if len(text) > maxRaw {
			text = strings.ToValidUTF8(text[:maxRaw], "") // half a character may be left
		}
		if m.Raw == nil {
			m.Raw = map[string]string{}
		}
		m.Raw[name] = text
	}
}

// recognise asks the readers in turn, the more particular ones first. A reader
// that finds its keywords but cannot make sense of them gives an error, and the
// next one is asked.
func (t *texts) recognise() Meta {
	for _, read := range []func(map[string]string) (Meta, []error, error){
		readInvoke, readFooocus, readNovelAI, readSwarm, readComfy, readA1111,
	} {
		m, doubts, err := read(t.at)
		if errors.Is(err, errNotMine) {
			continue
		}
		if err != nil {
			t.doubt("%w", err)
			continue
		}
		for _, d := range doubts {
			t.doubt("%w", d)
		}
		if m.Prompt == "" {
			t.fillPrompt(&m)
		}
		return m
	}
	return Meta{}
}

// errNotMine is a reader's answer to a file of another generator.
var errNotMine = errors.New("not written by this generator")

// fillPrompt takes the prompt that a node of a ComfyUI graph may have written
// in A1111's form beside a graph that itself shows none.
func (t *texts) fillPrompt(m *Meta) {
	text, ok := t.at["parameters"]
	if m.Generator != comfyUI || !ok {
		return
	}
	a := parseA1111(text)
	m.Prompt, m.Negative = a.Prompt, a.Negative
	for k, v := range a.Settings {
		m.set(k, v)
	}
	t.doubt("comfyui: the graph shows no prompt: took it from the text \"parameters\"")
}

// set keeps a setting unless it is empty or known already.
func (m *Meta) set(name, value string) {
	if value == "" || name == "" {
		return
	}
	if m.Settings == nil {
		m.Settings = map[string]string{}
	}
	if _, ok := m.Settings[name]; !ok {
		m.Settings[name] = value
	}
}

// setAll keeps those settings of a JSON object that are numbers, strings or
// booleans, under the names that alike gives, and leaves out those it gives no
// name.
func (m *Meta) setAll(object map[string]any, alike func(string) string) {
	for _, k := range sortedKeys(object) {
		if v, ok := scalar(object[k]); ok {
			m.set(alike(k), v)
		}
	}
}

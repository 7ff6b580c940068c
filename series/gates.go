package series

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gate"
	"github.com/gen-emerge/assay/metric"
)

const (
	// adherenceGate asks whether an image shows what its prompt says, better
	// than it shows any other prompt of the series.
	adherenceGate = "adherence"
	// diversityGate asks whether an image is new: far enough from the nearest
	// image that came before.
	diversityGate = "diversity"
	// styleGate asks whether an image's style is as hard to name as that of the
	// series' other images.
	styleGate = "style"
)

// noPrompt says why a number that needs a prompt does not exist.
const noPrompt = "the image came without a prompt; give --prompt"

// Gates lists the gates of a series in the order they are asked. Each technical
// gate watches for one kind of damage; its instrument is the one that, on this
// series' own images, told damaged copies from originals best.
func Gates() []string {
	var names []string
	for _, d := range damages() {
		names = append(names, technicalGate(d.kind))
	}
	return append(names, adherenceGate, diversityGate, styleGate)
}

func technicalGate(kind string) string { return "technical-" + kind }

// adherences are the instruments that may serve the adherence gate by
// themselves, the best first: CLIP Scores by the size of the network, LAION's
// before OpenAI's. What was trained on people's preferences (PickScore, HPS) is
// not among them: it reads how well an image is liked as well as what it shows.
func adherences() []string {
	return []string{"clip-score-laion-h14", "clip-score-l14-336", "clip-score", "clip-score-b16", "clip-score-b32"}
}

// distances are the instruments that may serve the diversity gate, the best
// first: those that compare images of any two sizes. DreamSim's variants stand
// in the order of their agreement with people on NIGHTS' test triplets (96.2,
// 95.9, 95.3, 95.1, 95.0, 94.8, 94.8 and 93.6 %, the authors' table).
func distances() []string {
	return []string{"dreamsim", "dreamsim-synclr", "dreamsim-openclip", "dreamsim-dinov2-patch", "dreamsim-dinov2",
		"dreamsim-dino", "dreamsim-dino-patch", "dreamsim-clip", "lpips-squeeze-64", sketchInstrument}
}

// technicals are the networks that serve the technical gates unless the controls
// show that a formula catches more of a kind of damage: those that were trained on
// damaged pictures. Others serve only if they are named: what was trained on taste
// refuses what it does not like.
func technicals() []string { return []string{"nima-technical"} }

// styles are the instruments that may serve the style gate, the best first.
func styles() []string { return []string{"style", "style-openai"} }

// guards are the instruments that guard the style gate, by what serves it: the
// style of noise is ambiguous too, but noise is not taken for art.
func guards() map[string]string {
	return map[string]string{"style": "style-artness", "style-openai": "style-artness-openai"}
}

// served says by what a gate can be served whose instrument no control chooses.
type served struct {
	named string   // in the options; empty if the best is taken
	names []string // the best first
	kind  metric.Kind
}

// serving returns how the named gate is served; ok is false for the technical
// gates, whose controls choose, and for diversity, which reads pairs.
func (s *Series) serving(name string) (g served, ok bool) {
	switch name {
	case adherenceGate:
		return served{s.opt.Adherence, adherences(), metric.OfPrompt}, true
	case styleGate:
		return served{s.opt.Style, styles(), metric.OfImage}, true
	}
	return served{}, false
}

// chosen returns the instrument that serves the gate: the one the options name,
// else the best at hand whose readings a gate accepts, else the best at hand.
// Without any the error says how to get one. It wraps [assay.ErrInvalid] if the
// one named cannot serve the gate.
func (s *Series) chosen(name string) (*metric.Instrument, error) {
	g, ok := s.serving(name)
	if !ok {
		return nil, fmt.Errorf("gate %s: its instrument is chosen by controls: %w", name, assay.ErrInvalid)
	}
	if g.named != "" {
		in, err := s.tools.Find(g.named)
		if err == nil && in.Kind != g.kind {
			err = fmt.Errorf("%s reads one %s, want one that reads one %s, as %s does: %w", in.Name, in.Kind, g.kind, g.names[0], assay.ErrInvalid)
		}
		if err != nil {
			return nil, fmt.Errorf("gate %s: %w", name, err)
		}
		return in, nil
	}
	var best *metric.Instrument
	for _, n := range g.names {
		in, err := s.tools.Find(n)
		if err != nil {
			continue
		}
		if s.usable(in) == "" {
			return in, nil
		}
		if best == nil {
			best = in
		}
	}
	if best != nil {
		return best, nil
	}
	_, err := s.tools.Find(g.names[0])
	return nil, fmt.Errorf("none of %s is at hand: %w", strings.Join(g.names, ", "), err)
}

// usable says why the instrument's readings are no evidence for a gate, nothing
// if they are.
func (s *Series) usable(in *metric.Instrument) string { return s.rules().Accepts(in.Identity()) }

func (s *Series) rules() gate.Rules { return gate.Rules{AllowInt8: s.opt.AllowInt8} }

// checkOptions refuses instruments named for gates that they cannot serve. One
// that is merely not installed is no error: its gate says so.
func (s *Series) checkOptions() error {
	for _, name := range Gates() {
		if _, ok := s.serving(name); !ok {
			continue
		}
		_, err := s.chosen(name)
		if g, _ := s.serving(name); g.named != "" && (errors.Is(err, assay.ErrInvalid) || errors.Is(err, assay.ErrNotFound)) {
			return err
		}
	}
	return nil
}

// candidates are the instruments that may serve a technical gate: those that the
// options name, else formulas and [technicals].
func (s *Series) candidates() []*metric.Instrument {
	return slices.DeleteFunc(s.imageInstruments(), func(in *metric.Instrument) bool {
		if s.usable(in) != "" || in.Better == metric.Descriptor {
			return true
		}
		if len(s.opt.Technical) > 0 {
			return !slices.Contains(s.opt.Technical, in.Name)
		}
		return in.Graph && !slices.Contains(technicals(), in.Name)
	})
}

// preferred is the candidate that serves a technical gate unless controls show
// that another catches more: nil if there is none, or if the options name who may.
func (c *controls) preferred() *metric.Instrument {
	if len(c.s.opt.Technical) > 0 {
		return nil
	}
	for _, name := range technicals() {
		if i := slices.IndexFunc(c.candidates, func(in *metric.Instrument) bool { return in.Name == name }); i >= 0 {
			return c.candidates[i]
		}
	}
	return nil
}

// bestDistance is the instrument the diversity gate should read: the one
// configured, else the best one installed.
func (s *Series) bestDistance() (*metric.Instrument, error) {
	if s.opt.Distance != "" {
		in, err := s.tools.Find(s.opt.Distance)
		switch {
		case err != nil:
			return nil, err
		case !slices.Contains(distances(), in.Name):
			return nil, fmt.Errorf("diversity gate: %s does not compare images of any size; use one of %s: %w",
				in.Name, strings.Join(distances(), ", "), assay.ErrInvalid)
		case s.usable(in) != "":
			return nil, fmt.Errorf("diversity gate: %s: %w", s.usable(in), assay.ErrInvalid)
		}
		return in, nil
	}
	for _, name := range distances() {
		if in, err := s.tools.Find(name); err == nil && s.usable(in) == "" {
			return in, nil
		}
	}
	return s.tools.Find(sketchInstrument)
}

// distance is the instrument that new images are compared with: that of the
// threshold in force while it is at hand, so that readings and threshold agree.
func (s *Series) distance(ctx context.Context) (*metric.Instrument, error) {
	thresholds, err := s.facts.Thresholds(ctx, s.name)
	if err != nil {
		return nil, err
	}
	for _, t := range thresholds {
		if t.Gate != diversityGate {
			continue
		}
		if in, err := s.tools.Find(t.Instrument); err == nil && in.Identity() == t.Identity {
			return in, nil
		}
	}
	return s.bestDistance()
}

package metric

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
)

const (
	// styleTemperature divides the cosines before the softmax: CLIP's own.
	// Entropies at another temperature cannot be compared.
	styleTemperature = 0.01
	// artnessSharpness multiplies the difference of the two cosines: CLIP's own
	// scale, so artness is its posterior of "artwork" against "anything else".
	artnessSharpness = 100
)

// StyleNames returns the 27 styles that a [Style]'s Posterior is over, in its
// order: those of the WikiArt split that classifiers are trained on.
func StyleNames() []string {
	var names []string
	for _, c := range styleClasses() {
		names = append(names, c.name)
	}
	return names
}

// A Style is what the style instrument reads of one picture.
type Style struct {
	Entropy   float64   // of Posterior, over ln 27: 0 is one style, 1 is all alike
	Effective float64   // exp of the entropy: how many styles it amounts to, 1 to 27
	Margin    float64   // between the two likeliest styles, 0 to 1
	Posterior []float64 // of each of [StyleNames]; sums to 1
	// Merged is the entropy, over the logarithm of their number, after the
	// near-synonyms (three Cubisms, four Renaissances, three Realisms, Action
	// painting with Abstract Expressionism) are added up.
	Merged float64
}

// A StyleShare is one style's probability.
type StyleShare struct {
	Name  string
	Share float64 // 0 to 1
}

// Top returns the n likeliest styles, the likeliest first.
func (s Style) Top(n int) []StyleShare {
	var all []StyleShare
	for i, name := range StyleNames() {
		all = append(all, StyleShare{name, s.Posterior[i]})
	}
	slices.SortStableFunc(all, func(a, b StyleShare) int { return cmp.Compare(b.Share, a.Share) })
	return all[:min(max(n, 0), len(all))]
}

// Style returns all that the style instrument reads of p; its Entropy is what
// [Instrument.Measure] gives. Errors are those of Measure; it fails, wrapping
// [assay.ErrInvalid], if in is not a style instrument.
func (in *Instrument) Style(ctx context.Context, p *Picture) (Style, error) {
	if in.style == nil {
		return Style{}, fmt.Errorf("%s reads no styles: use style or style-openai: %w", in.Name, assay.ErrInvalid)
	}
	if err := in.ready(ctx, p); err != nil {
		return Style{}, err
	}
	return in.style(ctx, p)
}

// styles lists the style instruments: on LAION's CLIP-H, and on OpenAI's L/14.
func styles() []towerInstrument {
	return []towerInstrument{
		styleEntropy("style", "laion-h14"), artness("style-artness", "laion-h14"),
		styleEntropy("style-openai", "l14"), artness("style-artness-openai", "l14"),
	}
}

func styleEntropy(name, suffix string) towerInstrument {
	row := clipTowers()[suffix]
	return towerInstrument{
		spec: Spec{
			Name: name, Version: 1, Kind: OfImage, Better: Descriptor, Lo: 0, Hi: 1, MinSide: 1, Unit: "of ln 27",
			Preparation: fmt.Sprintf("%s; 27 styles × 8 captions, neutral direction taken out, temperature %v", row.prep.text, styleTemperature),
			Models:      []string{row.models[0], vocabularyModel}, Graph: true,
			Doc: "How ambiguous the image's style is among 27 styles of WikiArt: the normalised entropy of zero-shot probabilities. 0 is one style, " +
				"1 is all styles alike, which noise reads too: use it with style-artness, and by percentile against your own references. Zero-shot CLIP tells " +
				"these styles less well than trained classifiers, which reach about 72 %.",
			Licence: clipLicence(suffix),
			Source: "Elgammal et al.: CAN, arXiv:1706.07068, for style ambiguity; classes of cs-chan/ArtGAN's WikiArt split; captions and the bias of each " +
				"class are defined here: as no neutral pictures are at hand, it is what the picture shares with neutral captions times what the class does",
			Agreement: "softmax, entropy and projection against closed forms: within 1e-12; the tower as for clip-score",
		},
		towers: on(row),
		open:   func(ctx context.Context, s *stand) error { return s.styleEntropy(ctx, row) },
	}
}

func artness(name, suffix string) towerInstrument {
	return artnessOn(name, suffix, clipTowers()[suffix])
}

// artnessOn is artness on the given tower.
func artnessOn(name, suffix string, row towerRow) towerInstrument {
	return towerInstrument{
		spec: Spec{
			Name: name, Version: 1, Kind: OfImage, Better: HigherIsBetter, Lo: 0, Hi: 1, MinSide: 1,
			Preparation: fmt.Sprintf("%s; 8 captions of art against 9 of other images, sharpness %v", row.prep.text, artnessSharpness),
			Models:      []string{row.models[0], vocabularyModel}, Graph: true,
			Doc: "Whether the image looks like art rather than a photograph, a screenshot, noise or a gradient: the logistic function of 100 times " +
				"the difference of its cosines to captions of the two. A guard for style, whose ambiguity noise has as well.",
			Licence:   clipLicence(suffix),
			Source:    "defined here, after the condition of CAN (arXiv:1706.07068) that a picture is still recognised as art",
			Agreement: "the arithmetic against closed forms: within 1e-12; the tower as for clip-score",
		},
		towers: on(row),
		open: func(ctx context.Context, s *stand) error {
			v, x, err := s.both(ctx, row)
			if err != nil {
				return err
			}
			s.in.measure = func(ctx context.Context, p *Picture) (float64, []string, error) {
				bank, e, err := s.towers.look(ctx, v, x, p)
				if err != nil {
					return 0, nil, fmt.Errorf("%s: %w", name, err)
				}
				return bank.artness(unit(e)), nil, nil
			}
			return nil
		},
	}
}

// both prepares the two halves of a tower.
func (s *stand) both(ctx context.Context, row towerRow) (*vision, *textual, error) {
	v, err := s.vision(ctx, row)
	if err != nil {
		return nil, nil, err
	}
	x, err := s.text(ctx, row)
	return v, x, err
}

// styleEntropy opens the style instrument: zero-shot, or with a trained probe.
func (s *stand) styleEntropy(ctx context.Context, row towerRow) error {
	name, path := s.in.Name, s.towers.opt.StyleProbe
	if path == "" {
		v, x, err := s.both(ctx, row)
		if err != nil {
			return err
		}
		s.in.style = func(ctx context.Context, p *Picture) (Style, error) {
			bank, e, err := s.towers.look(ctx, v, x, p)
			if err != nil {
				return Style{}, fmt.Errorf("%s: %w", name, err)
			}
			return styleOf(bank.scores(unit(e)), styleTemperature), nil
		}
	} else {
		v, err := s.vision(ctx, row)
		if err != nil {
			return err
		}
		probe, err := readProbe(path, v.id.Checkpoint, row.dim())
		if err != nil {
			return err
		}
		s.add("probe", probe.digest, false)
		s.in.Preparation = fmt.Sprintf("%s; linear probe, temperature %v", row.prep.text, probe.temperature)
		s.in.style = func(ctx context.Context, p *Picture) (Style, error) {
			e, err := v.embed(ctx, p)
			if err != nil {
				return Style{}, fmt.Errorf("%s: %w", name, err)
			}
			return styleOf(probe.scores(unit(e)), probe.temperature), nil
		}
	}
	s.in.measure = func(ctx context.Context, p *Picture) (float64, []string, error) {
		style, err := s.in.style(ctx, p)
		return style.Entropy, nil, err
	}
	return nil
}

// look returns what the tower sees, and the captions to compare it with.
func (t *Towers) look(ctx context.Context, v *vision, x *textual, p *Picture) (*styleBank, []float32, error) {
	e, err := v.embed(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	bank, err := t.banks.get(ctx, x.digest+" "+t.runtime(t.precision()), func(ctx context.Context) (*styleBank, error) { return newStyleBank(ctx, x) })
	return bank, e, err
}

// A styleBank is the directions of the captions, each of length 1.
type styleBank struct {
	classes [][]float64 // of each style
	bias    []float64   // cosine of each style and neutral
	neutral []float64
	art     []float64
	other   []float64
}

// scores returns s_k = cos(v, c_k) − cos(v, n)·cos(c_k, n) of each class k: the
// neutral direction n is taken out of the classes. What a class owes to looking
// like "a painting", it gains only as far as the picture does too.
func (b *styleBank) scores(v []float64) []float64 {
	out := make([]float64, len(b.classes))
	shared := dot(v, b.neutral)
	for k, c := range b.classes {
		out[k] = dot(v, c) - float64(shared*b.bias[k])
	}
	return out
}

// artness returns σ(a·(cos(v, art) − cos(v, other))).
func (b *styleBank) artness(v []float64) float64 {
	return 1 / (1 + math.Exp(-artnessSharpness*(dot(v, b.art)-dot(v, b.other))))
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, x := range a {
		sum += float64(x * b[i])
	}
	return sum
}

// styleOf turns scores of the 27 styles into a Style.
func styleOf(scores []float64, temperature float64) Style {
	p := softmax(scores, temperature)
	h := entropyOf(p)
	var merged []float64
	index := map[string]int{}
	for k, c := range styleClasses() {
		i, ok := index[c.merged]
		if !ok {
			i = len(merged)
			index[c.merged] = i
			merged = append(merged, 0)
		}
		merged[i] += p[k]
	}
	sorted := slices.Sorted(slices.Values(p))
	// Rounding may take the entropy of equal shares past the logarithm.
	bound := func(h float64, n int) float64 { return min(max(h/math.Log(float64(n)), 0), 1) }
	return Style{
		Entropy: bound(h, len(p)), Merged: bound(entropyOf(merged), len(merged)), Posterior: p,
		Effective: min(max(math.Exp(h), 1), float64(len(p))), Margin: sorted[len(sorted)-1] - sorted[len(sorted)-2],
	}
}

// softmax returns exp(s/T) over its sum, without overflow.
func softmax(scores []float64, temperature float64) []float64 {
	most := slices.Max(scores)
	p := make([]float64, len(scores))
	sum := 0.0
	for i, s := range scores {
		p[i] = math.Exp((s - most) / temperature)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// entropyOf returns −Σ p ln p in nats, where 0·ln 0 is 0.
func entropyOf(p []float64) float64 {
	h := 0.0
	for _, x := range p {
		if x > 0 {
			h -= float64(x * math.Log(x))
		}
	}
	return h
}

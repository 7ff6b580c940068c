package judge

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"unicode"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
	"github.com/gen-emerge/assay/stat"
)

// A Generator makes a picture from a caption. [CommandGenerator] and
// [HTTPGenerator] are two.
type Generator interface {
	// Generate returns an encoded picture. The same caption and seed should
	// give the same picture.
	Generate(ctx context.Context, caption string, seed int64) ([]byte, error)
}

// A Reconstruction says how well a picture can be described: describability, not
// quality, for generic pictures are the ones that reconstruct best.
type Reconstruction struct {
	Caption string    `json:"caption"`
	Seeds   []int64   `json:"seeds"`
	Own     []float64 `json:"own"`  // distances of the picture to what was made from its caption, one a seed
	Null    []float64 `json:"null"` // distances of the picture to what was made from wrong captions, in their order
	// Quantile is where the own distances lie among those to wrong captions, in
	// [0,1]: the probability that a wrong caption came nearer, ties counted half.
	// 0: the caption tells this picture from all others; 1/2: it tells nothing.
	Quantile   float64  `json:"quantile"`
	Difference float64  `json:"difference"` // mean of Null less mean of Own, in the distance's unit
	Low        *float64 `json:"low"`        // 95 % bootstrap interval of Difference; null where either has fewer than four distances
	High       *float64 `json:"high"`
	Abstained  string   `json:"abstained,omitempty"` // why there is no caption, and nothing else
}

const (
	captionWords   = 60 // longer captions say more about the judge's patience
	leastDistances = 4
	resamples      = 2000
)

// Reconstruct has m describe a picture, g make it again from the description
// opt.Seeds times, and measures the distance to each. The null is what g makes
// of wrongCaptions, captions of other pictures, one each, with the same seeds in
// turn. Distance is given the picture as it was encoded for the judge, and the
// one that was made. There must be a wrong caption at least; those equal to the
// caption are left out. After an error of the asker, the generator or the
// distance, what was measured until then comes with it.
func Reconstruct(ctx context.Context, m vlm.Model, s Subject, g Generator, distance func(ctx context.Context, a, b []byte) (float64, error), wrongCaptions []string, opt Options) (Reconstruction, error) {
	opt, err := opt.filled()
	if err != nil {
		return Reconstruction{}, err
	}
	if err := checkSubject(s); err != nil {
		return Reconstruction{}, err
	}
	var out Reconstruction
	w := newAsking(m, opt)
	text, why, err := w.caption(ctx, s)
	if err != nil || why != "" {
		out.Abstained = why
		return out, err
	}
	out.Caption = text
	var wrong []string
	for _, c := range wrongCaptions {
		if c = cleanCaption(c); c != "" && c != out.Caption {
			wrong = append(wrong, c)
		}
	}
	if len(wrong) == 0 {
		return out, fmt.Errorf("reconstruction of %s: a distance says nothing without its null: give captions of other pictures: %w", s.Image.Short(), assay.ErrInvalid)
	}
	for i := range opt.Seeds {
		out.Seeds = append(out.Seeds, int64(chance(opt.Seed, fmt.Sprint("reconstruction ", i))>>33))
	}
	if err := out.measure(ctx, s, g, distance, wrong); err != nil {
		return out, err
	}
	return out, out.conclude(opt.Seed)
}

// measure has the pictures made and enters their distances.
func (r *Reconstruction) measure(ctx context.Context, s Subject, g Generator, distance func(ctx context.Context, a, b []byte) (float64, error), wrong []string) error {
	again := func(caption string, seed int64) (float64, error) {
		made, err := g.Generate(ctx, caption, seed)
		if err != nil {
			return 0, fmt.Errorf("reconstruction of %s, seed %d: %w", s.Image.Short(), seed, err)
		}
		d, err := distance(ctx, s.Sent.Data, made)
		if err != nil {
			return 0, fmt.Errorf("reconstruction of %s, seed %d: %w", s.Image.Short(), seed, err)
		}
		if math.IsNaN(d) || math.IsInf(d, 0) {
			return 0, fmt.Errorf("reconstruction of %s, seed %d: the distance is %g: %w", s.Image.Short(), seed, d, assay.ErrInvalid)
		}
		return d, nil
	}
	for _, seed := range r.Seeds {
		d, err := again(r.Caption, seed)
		if err != nil {
			return err
		}
		r.Own = append(r.Own, d)
	}
	for i, c := range wrong {
		d, err := again(c, r.Seeds[i%len(r.Seeds)])
		if err != nil {
			return err
		}
		r.Null = append(r.Null, d)
	}
	return nil
}

// Caption has m describe a picture in one paragraph, as [Reconstruct] does; it is
// empty if the judge refuses.
func Caption(ctx context.Context, m vlm.Model, s Subject, opt Options) (string, error) {
	opt, err := opt.filled()
	if err != nil {
		return "", err
	}
	if err := checkSubject(s); err != nil {
		return "", err
	}
	text, _, err := newAsking(m, opt).caption(ctx, s)
	return text, err
}

// caption returns a description of the picture, or why there is none.
func (w *asking) caption(ctx context.Context, s Subject) (text, why string, err error) {
	text, why, err = w.text(ctx, vlm.Request{
		System: system, MaxTokens: 256,
		Parts: []vlm.Part{{Image: s.Sent}, {Text: fmt.Sprintf("Describe this picture so that a painter who cannot see it could paint it again: "+
			"what it shows, where things are, colours, light, medium and style. At most %d words, one paragraph, nothing but the description.", captionWords)}},
	})
	if err != nil || why != "" {
		return "", why, err
	}
	return cleanCaption(text), "", nil
}

// conclude compares the distances.
func (r *Reconstruction) conclude(seed uint64) error {
	var nearer float64
	for _, own := range r.Own {
		for _, null := range r.Null {
			switch {
			case null < own:
				nearer++
			case null == own:
				nearer += 0.5
			}
		}
	}
	r.Quantile = nearer / float64(len(r.Own)*len(r.Null))
	r.Difference = mean(r.Null) - mean(r.Own)
	if len(r.Own) < leastDistances || len(r.Null) < leastDistances {
		return nil
	}
	// Both samples are drawn again, each from itself.
	rng := rand.New(rand.NewPCG(chance(seed, "bootstrap"), 0))
	draw := func(x []float64) float64 {
		var sum float64
		for range x {
			sum += x[rng.IntN(len(x))]
		}
		return sum / float64(len(x))
	}
	diffs := make([]float64, resamples)
	for i := range diffs {
		diffs[i] = draw(r.Null) - draw(r.Own)
	}
	lo, err := stat.Quantile(diffs, 0.025)
	if err != nil {
		return err
	}
	hi, err := stat.Quantile(diffs, 0.975)
	if err != nil {
		return err
	}
	r.Low, r.High = &lo, &hi
	return nil
}

// cleanCaption is a caption that can be handed to a program as one argument: one
// line, at most captionWords words, and no dash in front that would make it a
// flag.
func cleanCaption(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(stripFence(s), " "))
	words := strings.Fields(s)
	words = words[:min(len(words), captionWords)]
	return strings.Trim(strings.TrimLeft(strings.Join(words, " "), "-–—@/ "), "\"“” ")
}

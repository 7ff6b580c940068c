package judge

import (
	"context"
	"math/rand/v2"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
	"github.com/gen-emerge/assay/pixel"
)

// controlDimension is the dimension of questions with known answers.
const controlDimension = "control"

// What an eye is sure of, in levels of 255. Between two bounds nothing is asked.
// Compression moves a plain colour by a few levels.
const (
	plainSpread = 12  // a plain picture's levels lie within this of their mean
	greyChroma  = 16  // channels of a grey differ by no more
	vividChroma = 64  // channels of a plain colour differ by no less
	blackLuma   = 16  // black is no lighter
	whiteLuma   = 239 // white is no darker
	midLow      = 48  // a picture of this mean luma is not black
	midHigh     = 207 // a picture of this mean luma is not white
	clearly     = 64  // parts that differ by this are of different shades
	gridSide    = 8   // of the grid of parts
)

// Look reads a picture's facts from its pixels, as a judge is sent it: see
// [vlm.Encode]. The error wraps [assay.ErrInvalid] if data is not a picture within
// lim.
func Look(data []byte, lim pixel.Limits) (Pixels, error) {
	img, err := asSent(data, lim)
	if err != nil {
		return Pixels{}, err
	}
	p := Pixels{Width: img.Width, Height: img.Height, Plain: true, Grey: true, Dark: true, Bright: true}
	n := len(img.Pix) / 3
	var mean [3]float64
	for i, v := range img.Pix {
		mean[i%3] += float64(v) / float64(n)
	}
	var seen [1 << 12]bool
	vivid, luma := 0, 0.0
	for i := 0; i < len(img.Pix); i += 3 {
		r, g, b := img.Pix[i], img.Pix[i+1], img.Pix[i+2]
		seen[int(r>>4)<<8|int(g>>4)<<4|int(b>>4)] = true
		chroma := max(r, g, b) - min(r, g, b)
		y := float64(0.299*float64(r)) + float64(0.587*float64(g)) + float64(0.114*float64(b))
		luma += y
		p.Grey = p.Grey && chroma <= greyChroma
		p.Dark = p.Dark && y <= blackLuma
		p.Bright = p.Bright && y >= whiteLuma
		for c, v := range [3]uint8{r, g, b} {
			d := float64(v) - mean[c]
			p.Plain = p.Plain && d <= plainSpread && d >= -plainSpread
		}
		if chroma >= vividChroma {
			vivid++
		}
	}
	for _, s := range seen {
		if s {
			p.Colours++
		}
	}
	p.MeanLuma = luma / float64(n)
	p.Vivid = 5*vivid >= n
	p.Contrast = gridContrast(img)
	return p, nil
}

// asSent returns a picture's pixels as a judge is sent them.
func asSent(data []byte, lim pixel.Limits) (*pixel.Image, error) {
	img, info, err := pixel.Decode(context.Background(), data, lim)
	if err != nil {
		return nil, err
	}
	if img.Mode == pixel.RGB && info.Orientation == 1 && max(img.Width, img.Height) <= vlm.DefaultLongEdge {
		return img, nil // what has been encoded for a judge already, above all
	}
	sent, err := vlm.Encode(data, lim, vlm.Limits{})
	if err != nil {
		return nil, err
	}
	img, _, err = pixel.Decode(context.Background(), sent.Data, pixel.Limits{})
	if err != nil {
		return nil, err
	}
	return img.RGB(), nil
}

// gridContrast returns the largest difference, in any channel, between the means
// of two parts of a grid. Noise and fine patterns do not raise it.
func gridContrast(img *pixel.Image) float64 {
	var sum [gridSide * gridSide][3]float64
	var count [gridSide * gridSide]float64
	for y := range img.Height {
		for x := range img.Width {
			part := y*gridSide/img.Height*gridSide + x*gridSide/img.Width
			count[part]++
			for c := range 3 {
				sum[part][c] += float64(img.Pix[(y*img.Width+x)*3+c])
			}
		}
	}
	widest := 0.0
	for c := range 3 {
		lo, hi := 255.0, 0.0
		for part, n := range count {
			if n > 0 {
				lo, hi = min(lo, sum[part][c]/n), max(hi, sum[part][c]/n)
			}
		}
		widest = max(widest, hi-lo)
	}
	return widest
}

// A pixelFact is something that pixels show, in several wordings, and how it is for a
// picture: "yes", "no", or "" where an eye may doubt it.
type pixelFact struct {
	id    string
	words []string
	of    func(p Pixels) string
	last  bool // asked only after others: a server may squash what it is sent
}

// yesOrNo is yes or no if one of two bounds holds, and "" between them.
func yesOrNo(yes, no bool) string {
	switch {
	case yes:
		return "yes"
	case no:
		return "no"
	}
	return ""
}

// pixelFacts lists what can be asked. For a picture of any kind at least one answer is
// yes and one is no: it is far from black or far from white.
var pixelFacts = []pixelFact{
	{id: "single-colour", words: []string{
		"Is the whole picture one flat, even colour?",
		"Is the picture one even colour from edge to edge?",
		"Is every part of the picture of exactly the same colour?",
	}, of: func(p Pixels) string { return yesOrNo(p.Plain, p.Contrast >= clearly) }},
	{id: "shades", words: []string{
		"Can at least two different shades be seen in the picture?",
		"Does the picture have lighter or differently coloured parts?",
		"Do some parts of the picture differ from others in shade?",
	}, of: func(p Pixels) string { return yesOrNo(p.Contrast >= clearly, p.Plain) }},
	{id: "black", words: []string{
		"Is the picture black all over?",
		"Is the whole picture black?",
		"Is every part of the picture black?",
	}, of: func(p Pixels) string { return yesOrNo(p.Dark, p.MeanLuma >= midLow) }},
	{id: "lighter", words: []string{
		"Is some part of the picture lighter than black?",
		"Is there anything in the picture that is not black?",
	}, of: func(p Pixels) string { return yesOrNo(p.MeanLuma >= midLow, p.Dark) }},
	{id: "white", words: []string{
		"Is the picture white all over?",
		"Is the whole picture white?",
		"Is every part of the picture white?",
	}, of: func(p Pixels) string { return yesOrNo(p.Bright, p.MeanLuma <= midHigh) }},
	{id: "darker", words: []string{
		"Is some part of the picture darker than white?",
		"Is there anything in the picture that is not white?",
	}, of: func(p Pixels) string { return yesOrNo(p.MeanLuma <= midHigh, p.Bright) }},
	{id: "colourless", words: []string{
		"Is the picture a black-and-white picture?",
		"Is the picture made of greys only?",
	}, of: func(p Pixels) string { return yesOrNo(p.Grey && p.Contrast >= clearly, p.Vivid) }},
	{id: "colourful", words: []string{
		"Does the picture have a colour other than black, white, grey?",
		"Is there any colour in the picture that is not a grey?",
	}, of: func(p Pixels) string { return yesOrNo(p.Vivid, p.Grey) }},
	{id: "wide", last: true, words: []string{
		"Is the picture wider than it is tall?",
		"Is the picture in landscape format?",
	}, of: func(p Pixels) string { return yesOrNo(2*p.Width >= 3*p.Height, 2*p.Height >= 3*p.Width) }},
	{id: "tall", last: true, words: []string{
		"Is the picture taller than it is wide?",
		"Is the picture in portrait format?",
	}, of: func(p Pixels) string { return yesOrNo(2*p.Height >= 3*p.Width, 2*p.Width >= 3*p.Height) }},
}

// ImageControls returns questions about a picture whose answers are known from
// its pixels, so that a judge who is steered by what is painted into the picture
// fails one. Known yes and known no alternate as long as there are both, in an
// order and in words that seed decides: of the first two one is yes and one is no.
// What an eye may doubt in this picture is not asked. Nothing is known of the zero
// Pixels.
func ImageControls(p Pixels, seed uint64) []assay.Question {
	if p.Width <= 0 || p.Height <= 0 {
		return nil
	}
	rng := rand.New(rand.NewPCG(seed, 0x636f6e74726f6c73)) // "controls"
	known := map[string][]assay.Question{}
	late := map[string]bool{}
	for _, f := range pixelFacts {
		words := f.words[rng.IntN(len(f.words))] // drawn for each, so that one doubtful fact does not change the others' words
		answer := f.of(p)
		if answer == "" {
			continue
		}
		q := knownQuestion(f.id, words, answer, "image")
		late[q.ID] = f.last
		known[answer] = append(known[answer], q)
	}
	for _, answer := range []string{"yes", "no"} {
		qs := known[answer]
		rng.Shuffle(len(qs), func(i, j int) { qs[i], qs[j] = qs[j], qs[i] })
		slices.SortStableFunc(qs, func(a, b assay.Question) int {
			return lateness(late[a.ID]) - lateness(late[b.ID])
		})
	}
	first, second := known["yes"], known["no"]
	if rng.IntN(2) == 1 {
		first, second = second, first
	}
	var out []assay.Question
	for i := range max(len(first), len(second)) {
		out = append(out, first[min(i, len(first)):min(i+1, len(first))]...)
		out = append(out, second[min(i, len(second)):min(i+1, len(second))]...)
	}
	return out
}

func lateness(b bool) int {
	if b {
		return 1
	}
	return 0
}

// knownQuestion returns a question with a known answer.
func knownQuestion(id, text, expect, scope string) assay.Question {
	return withVersion(assay.Question{ID: controlDimension + "." + id, Dimension: controlDimension, Text: text, Kind: "control", Scope: scope, Expect: expect})
}

package metric

import (
	"context"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/weights"
)

// A Rating is how people would rate a picture, as an instrument predicts it: what
// share of them would give each mark.
type Rating struct {
	Mean   float64   `json:"mean"`   // of the marks
	Spread float64   `json:"spread"` // their standard deviation
	Shares []float64 `json:"shares"` // of the marks 1, 2, ...; sums to 1
}

// Rating returns all that the instrument predicts of p; its Mean is what
// [Instrument.Measure] gives. Errors are those of Measure; it fails, wrapping
// [assay.ErrInvalid], if in predicts no distribution ([Instrument.Rates] tells).
func (in *Instrument) Rating(ctx context.Context, p *Picture) (Rating, error) {
	if in.rating == nil {
		return Rating{}, fmt.Errorf("%s predicts no distribution of marks: use nima-aesthetic or nima-technical: %w", in.Name, assay.ErrInvalid)
	}
	if err := in.ready(ctx, p); err != nil {
		return Rating{}, err
	}
	return in.rating(ctx, p)
}

// Rates reports whether in predicts how marks are distributed.
func (in *Instrument) Rates() bool { return in.rating != nil }

// nimas lists idealo's two networks.
func nimas() []towerInstrument {
	const source = "Talebi and Milanfar: NIMA, arXiv:1709.05424; idealo/image-quality-assessment dceaf7c (MobileNet)"
	const agreement = "Keras 3's own MobileNet, in float64, on a synthetic checkpoint in the official layout, with both paddings: shares within 1e-5 " +
		"(Keras in float32: 7e-6), means within 5e-5, the pixels it is given to the bit; `assay models verify --published` compares the five values of idealo's issue 23"
	return []towerInstrument{
		nima(Spec{
			Name: "nima-aesthetic",
			Doc: "How people would rate the image as a picture, 1 to 10: the mean of ten shares that a MobileNet trained on AVA's photographs predicts. " +
				"Most pictures read 4 to 7. idealo's test on a tenth of AVA: LCC 0.626, SRCC 0.609; on 135 generated images its published predictions " +
				"follow people's appeal by SRCC 0.287. The spread and the shares are in -o json.",
			Source: source, Agreement: agreement,
		}),
		nima(Spec{
			Name: "nima-technical",
			Doc: "How people would rate the image's technical quality (noise, blur, compression), 1 to 10: the mean of ten shares that a MobileNet trained " +
				"on TID2013's distorted photographs predicts. It is about TID2013's mean opinion score plus 1. idealo's test, split by reference: " +
				"LCC 0.652, SRCC 0.675. The spread and the shares are in -o json.",
			Source: source, Agreement: agreement,
		}),
	}
}

// nimaRow is the tower of an instrument.
func nimaRow(name string, p backbone.Padding) towerRow {
	net := backbone.NIMA(name, p)
	return towerRow{
		name: name, models: []string{name}, net: net, packs: true, prep: nimaPreparation(p),
		pieces: func(open *officialFiles, precision nn.Precision) ([]weights.Piece, error) {
			c, err := open.checkpoint(name, "")
			if err != nil {
				return nil, err
			}
			return net.Pieces(c, precision)
		},
	}
}

// nimaPreparation is what idealo's code does: Keras' load_img, which takes the
// nearest pixels, and the arithmetic of its MobileNet in double precision. Where
// the network puts its zeros is told here too, since readings depend on it.
func nimaPreparation(p backbone.Padding) preparation {
	const side = 224
	where := map[backbone.Padding]string{backbone.Keras21: "on all sides (Keras 2.1)", backbone.TF2: "at the bottom and right (TensorFlow 2)"}[p]
	return preparation{
		text: fmt.Sprintf("RGB, Pillow nearest to %d×%d (8 bits, aspect ratio not kept), x/127.5 − 1; zeros of strided convolutions %s", side, side, where),
		key:  "nearest 224 keras", std: [3]float32{1, 1, 1},
		cut: func(img *pixel.Image) (cutting, error) {
			small, err := img.RGB().Resize(side, side, pixel.Nearest)
			if err != nil {
				return cutting{}, err
			}
			return cutting{planes: kerasPlanes(small)}, nil
		},
	}
}

// kerasPlanes are the planes [3, h, w] of an RGB picture in [−1, 1], as Keras'
// preprocess_input makes them of float64 samples: x/127.5, less 1, then rounded.
func kerasPlanes(img *pixel.Image) []float32 {
	var level [256]float32
	for v := range level {
		level[v] = float32(float64(v)/127.5 - 1)
	}
	n := img.Width * img.Height
	out := make([]float32, 3*n)
	red, green, blue := out[:n], out[n:][:n], out[2*n:][:n]
	for i := range red {
		p := (*[3]uint8)(img.Pix[3*i:])
		red[i], green[i], blue[i] = level[p[0]], level[p[1]], level[p[2]]
	}
	return out
}

// nima completes the row of an instrument.
func nima(spec Spec) towerInstrument {
	spec.Version, spec.Kind, spec.Better, spec.Lo, spec.Hi, spec.MinSide = 1, OfImage, HigherIsBetter, 1, 10, 1
	spec.Models, spec.Graph, spec.Licence = []string{spec.Name}, true, "Apache-2.0 (the repository; no other licence is stated for the weights)"
	spec.Preparation = nimaPreparation(backbone.Keras21).text
	towers := func(o TowerOptions) []towerRow { return []towerRow{nimaRow(spec.Name, o.NIMAPadding)} }
	return towerInstrument{spec: spec, towers: towers, open: func(ctx context.Context, s *stand) error {
		padding := s.towers.opt.NIMAPadding
		if padding != backbone.Keras21 && padding != backbone.TF2 {
			return fmt.Errorf("padding %q, want %s or %s: %w", padding, backbone.Keras21, backbone.TF2, assay.ErrInvalid)
		}
		row := nimaRow(spec.Name, padding)
		s.in.Preparation = row.prep.text
		v, err := s.vision(ctx, row)
		if err != nil {
			return err
		}
		s.in.rating = func(ctx context.Context, p *Picture) (Rating, error) {
			shares, err := v.embed(ctx, p)
			if err != nil {
				return Rating{}, fmt.Errorf("%s: %w", spec.Name, err)
			}
			return ratingOf(shares)
		}
		s.in.measure = func(ctx context.Context, p *Picture) (float64, []string, error) {
			r, err := s.in.rating(ctx, p)
			return r.Mean, nil, err
		}
		return nil
	}}
}

// ratingOf makes a rating of a softmax, whose shares sum to 1 but for rounding.
func ratingOf(shares []float32) (Rating, error) {
	total := 0.0
	for i, s := range shares {
		if !(s >= 0 && s <= 1.001) {
			return Rating{}, fmt.Errorf("the share of mark %d is %v: %w", i+1, s, assay.ErrInvalid)
		}
		total += float64(s)
	}
	r := Rating{Shares: make([]float64, len(shares))}
	above := 0.0 // the mean less 1, so that no rounding leads below it
	for i, s := range shares {
		r.Shares[i] = float64(s) / total
		above += float64(float64(i) * r.Shares[i])
	}
	above = min(above, float64(len(shares)-1))
	variance := 0.0
	for i, s := range r.Shares {
		d := float64(i) - above
		variance += float64(float64(d*d) * s)
	}
	r.Mean, r.Spread = 1+above, math.Sqrt(variance)
	return r, nil
}

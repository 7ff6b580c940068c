package metric

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/pixel"
)

// A PublishedInput is a picture that somebody printed a value for.
type PublishedInput struct {
	Name   string // of the file, and where it is published
	SHA256 string // of the file, or of the samples (planar, red first) if there is no file; "" where it was never recorded
	seed   uint32
	drawn  bool
}

// Drawn returns the picture if it needs no file because it is random numbers of
// a known generator; ok is false for files.
func (in PublishedInput) Drawn() (img *pixel.Image, ok bool) {
	if !in.drawn {
		return nil, false
	}
	return randomImage(in.seed, 224), true
}

// A PublishedHow says what a published value is of the instrument's readings.
type PublishedHow string

// The ways.
const (
	AsRead   PublishedHow = "as read"                               // the reading itself
	Softmax  PublishedHow = "softmax over the prompts"              // of readings on CLIP's scale, one a prompt
	OfImages PublishedHow = "100·cos of the two images' embeddings" // of the instrument's tower
)

// A PublishedValue is a number that the authors of an instrument, or of a
// widely used implementation, have printed. It needs the official weights.
type PublishedValue struct {
	Instrument string
	Inputs     []PublishedInput // one, or two for pairs
	Prompts    []string         // one a value; empty for instruments that read no text
	How        PublishedHow
	Values     []float64 // one, or one a prompt
	Tolerance  float64   // absolute, as far as the source's own precision and hardware allow
	Source     string
}

// Measure returns what in, the instrument of that name, reads of the pictures
// of v's Inputs, to be compared with v.Values. Errors are those of the
// instrument; one that wraps [assay.ErrInvalid] may also say that in or the
// number of pictures is not v's.
func (v PublishedValue) Measure(ctx context.Context, in *Instrument, pictures ...*Picture) ([]float64, error) {
	if in.Name != v.Instrument || len(pictures) != len(v.Inputs) {
		return nil, fmt.Errorf("published value of %s on %d pictures, asked of %s on %d: %w",
			v.Instrument, len(v.Inputs), in.Name, len(pictures), assay.ErrInvalid)
	}
	one := func(r assay.Reading, err error) ([]float64, error) { return []float64{r.Value}, err }
	switch {
	case v.How == OfImages:
		var e [2][]assay.Embedding
		for i, p := range pictures[:2] {
			var err error
			if e[i], err = in.Embeddings(ctx, p); err != nil {
				return nil, err
			}
		}
		cos, err := cosine(e[0][0].Vector, e[1][0].Vector)
		return []float64{100 * cos}, err
	case len(v.Prompts) > 0:
		var values []float64
		for _, prompt := range v.Prompts {
			r, err := in.MeasurePrompt(ctx, pictures[0], prompt)
			if err != nil {
				return nil, err
			}
			values = append(values, r.Value)
		}
		if v.How == Softmax {
			values = softmax(values, 1)
		}
		return values, nil
	case len(pictures) == 2:
		return one(in.Distance(ctx, pictures[0], pictures[1]))
	}
	return one(in.Measure(ctx, pictures[0]))
}

// Agrees reports whether got is what v says, and how far off it is at most.
func (v PublishedValue) Agrees(got []float64) (off float64, ok bool) {
	if len(got) != len(v.Values) {
		return math.Inf(1), false
	}
	for i, want := range v.Values {
		d := math.Abs(got[i] - want)
		if !(d <= math.MaxFloat64) {
			return math.Inf(1), false
		}
		off = max(off, d)
	}
	return off, off <= v.Tolerance
}

// Published lists the values that this build can be held against once official
// weights are installed. Values that are means over files whose captions are not
// at hand are not among them (jmhessel/clipscore's README), nor those that are
// known not to be reproducible (LAION's own notebook, 4.0330).
func Published() []PublishedValue {
	return slices.Concat(publishedCLIP(), publishedLAION(), publishedOthers(), publishedRewards(), publishedNIMA(), publishedPairs())
}

func publishedCLIP() []PublishedValue {
	random := func(seed uint32, sum string) PublishedInput {
		return PublishedInput{Name: fmt.Sprintf("torch.randint(255, (3, 224, 224)), seed %d", seed), SHA256: sum, seed: seed, drawn: true}
	}
	seed42 := random(42, "c22a38b9045c9ac7625bb65f7acd5d040751bed4581fb19f592db37a3d90b77f")
	seed43 := random(43, "899afafef41d80232317877c77e7ae263337a4b19535101f062f9fc32f03189a")
	seed0 := random(0, "7c7feedde0c6639b478ade2c3fe46dd95fedb1a6be2688bdb9e8919e99bd77c4")
	repeated := func(n int) string {
		text := make([]byte, 0, 2*n)
		for range n {
			text = append(text, "x "...)
		}
		return string(text)
	}
	return []PublishedValue{
		{"clip-score-b32", []PublishedInput{{Name: "CLIP.png of openai/CLIP (RGBA)", SHA256: "308a3ca4503f1c7a07803916c369d78c4ef501e5ab7fc727da9b5e1d2f9ec85b"}},
			[]string{"a diagram", "a dog", "a cat"}, Softmax, []float64{0.9927937, 0.00421068, 0.00299572}, 1e-3,
			"openai/CLIP README, on a GPU in half precision"},
		{"clip-score-b32", []PublishedInput{{Name: "000000039769.jpg of COCO val2017"}},
			[]string{"a photo of a cat", "a photo of a dog"}, AsRead, []float64{24.5701, 19.3049}, 0.02,
			"transformers' test of openai/clip-vit-base-patch32: logits, which are 100·cos"},
		{"clip-score-b16", []PublishedInput{seed42}, []string{"a photo of a cat"}, AsRead, []float64{24.4260}, 1e-3,
			"torchmetrics documentation of CLIPScore"},
		{"clip-score-b16", []PublishedInput{seed42, seed43}, nil, OfImages, []float64{99.4860}, 1e-3,
			"torchmetrics documentation of CLIPScore: two images"},
		{"clip-score-b16", []PublishedInput{seed0}, []string{repeated(74), repeated(75)}, AsRead,
			[]float64{27.398828506469727, 26.158306121826172}, 1e-3,
			"torchmetrics issue 2883; its third value, of 76 repetitions, is the bug that the issue reports"},
	}
}

func publishedLAION() []PublishedValue {
	var all []PublishedValue
	for _, v := range []struct {
		file, sum string
		value     float64
	}{
		{"I03", "bb817e7fef614dcc12b3a99af33ce3d201bc4d56c4827254c0bcc4fa6ea11151", 3.6420},
		{"I04", "f3d685983aacd76b2c131579ea60cee345205a1169a4bd2ff5f3039ecf81729e", 5.5836},
		{"I06", "726e043e99d8e07235c2535107d4bb6fc85bad0cb3cc7d6ba3ecf3364ac97539", 5.0716},
		{"I08", "8ad39042d7e17d6c96ecfd8c4b9f0e98c803b303a92d368ef57bc9c3c40f5330", 4.6458},
		{"I19", "e0c6000652d270d1c39b7094761d01e14695fc5aa7cb76b945be6391327ee886", 3.0889},
	} {
		all = append(all, PublishedValue{"laion-aes", []PublishedInput{{Name: "dist_dir/" + v.file + ".bmp of IQA-PyTorch ResultsCalibra", SHA256: v.sum}},
			nil, AsRead, []float64{v.value}, 0.01, "IQA-PyTorch ResultsCalibra, official code, which runs CLIP in half precision on a GPU"})
	}
	astronaut := PublishedInput{Name: "a-photo-of-an-astronaut-riding-a-horse.png of simple-aesthetics-predictor",
		SHA256: "59e7267a6e55a65ce809e4d1eb89a5e7743e24bba43e10a63018ff2ab97f1dd7"}
	all = append(all, PublishedValue{"laion-aes", []PublishedInput{astronaut}, nil, AsRead, []float64{5.7546}, 0.02,
		"shunk031/simple-aesthetics-predictor, whose own tests allow 10 %"})
	cat := PublishedInput{Name: "dreamstime 182393057, a cat, 105055 bytes"}
	for _, v := range []struct {
		suffix string
		value  float64
	}{{"l14", 5.0491}, {"b32", 4.4723}, {"b16", 4.3533}} {
		all = append(all, PublishedValue{"laion-aes-v1-" + v.suffix, []PublishedInput{cat}, nil, AsRead, []float64{v.value}, 0.01,
			"ailia-models pull request 1810 and the port it checks; the picture's digest was never recorded"})
	}
	return all
}

func publishedOthers() []PublishedValue {
	ref := PublishedInput{Name: "images/ref_1.png of ssundaram21/dreamsim", SHA256: "b694282ab12110455ccf23650aa745048ffdaf3f80c15ede95cf11528b7741d1"}
	a := PublishedInput{Name: "images/img_a_1.png of ssundaram21/dreamsim", SHA256: "1f2ec9cb3cc239c8b37ac8f47508b09a043664ca311559f03295c6ff76bdbadd"}
	b := PublishedInput{Name: "images/img_b_1.png of ssundaram21/dreamsim", SHA256: "963392f8698a2defc04cf7d4aaacbce41a63ebaea03c69f0979ff1f2ed8982b0"}
	return []PublishedValue{
		{"dreamsim", []PublishedInput{ref, a}, nil, AsRead, []float64{0.4453}, 5e-4, "ssundaram21/dreamsim demo, v0.2.0 and later"},
		{"dreamsim", []PublishedInput{ref, b}, nil, AsRead, []float64{0.2756}, 5e-4, "ssundaram21/dreamsim demo, v0.2.0 and later"},
		{"hps-v2", []PublishedInput{{Name: "assets/demo_image.jpg of tgxs002/HPSv2", SHA256: "798dfb5bc544fca70ea15d21571530c4389a25536d6a511e0b0c915b0aba144d"}},
			[]string{"A cat with two horns on its head"}, AsRead, []float64{0.2876}, 0.01,
			"tgxs002/HPSv2 issue 27, which names neither version nor torchvision release"},
	}
}

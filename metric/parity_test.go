package metric

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/token"
	"github.com/gen-emerge/assay/weights"
)

// Parity with the authors' own code, on synthetic checkpoints of the official
// containers: reference/{clip,heads,dreamsim,hps}_golden.py loaded the same
// files into openai/CLIP, open_clip, transformers, dreamsim and hpsv2.

// A parityCase is an instrument, or a family on one tower, and its golden file.
type parityCase struct {
	golden string
	large  bool // takes gigabytes or long, so not with -short or -race
	check  func(t *testing.T, b *parityBench, g parityGolden, y *parityTally)
}

func parityCases() []parityCase {
	clip := func(suffix string) func(*testing.T, *parityBench, parityGolden, *parityTally) {
		return prompted(clipTowers()[suffix], "clip-score-"+suffix, 100)
	}
	cases := []parityCase{
		{"clip-vit-b32", false, clip("b32")},
		{"heads-clip-vit-b32", false, headScores},
		{"jpeg", false, jpegs},
		{"openclip-vit-b32", false, clip("laion-b32")},
		{"dreamsim-dino", false, dreamSimDistances},
		{"clip-vit-b16", true, clip("b16")},
		{"heads-clip-vit-b16", true, headScores},
		{"openclip-vit-b16", true, clip("laion-b16")},
		{"clip-vit-l14", true, clip("l14")},
		{"heads-clip-vit-l14", true, headScores},
		{"clip-vit-l14-336", true, clip("l14-336")},
		{"clip-l14-336-square", true, featuresAgree(true)}, // here, so that the checkpoint is made once
		{"openclip-vit-l14", true, clip("laion-l14")},
		{"openclip-vit-h14", true, clip("laion-h14")},
		{"pickscore", true, prompted(pickRow(), "pickscore", 0)},
		{"hps-v2", true, prompted(hpsRow("hps-v2", true), "hps-v2", 1)},
		{"hps-v2.1", true, prompted(hpsRow("hps-v2.1", true), "hps-v2.1", 1)},
	}
	cases = append(cases, nimaParity()...)
	for _, v := range dreamSimVariants() {
		if name := v.towers[0].models[0]; name != "dreamsim-dino" {
			cases = append(cases, parityCase{name, true, dreamSimDistances})
		}
	}
	return slices.Concat(cases, rewardCases(), featureCases(), pairCases())
}

func TestParity(t *testing.T) {
	b := newParityBench(t)
	cases := parityCases()
	if testing.Short() || raceEnabled {
		cases = slices.DeleteFunc(cases, func(c parityCase) bool { return c.large })
		t.Log("large checkpoints are left out")
	}
	for i, c := range cases {
		t.Run(c.golden, func(t *testing.T) {
			g := readParity(t, c.golden)
			t.Cleanup(func() {
				var next parityGolden
				if i+1 < len(cases) {
					next = readParity(t, cases[i+1].golden)
				}
				b.clean(t, g, next)
			})
			b.make(t, g)
			var y parityTally
			c.check(t, b, g, &y)
			y.report(t)
		})
	}
}

// towers opens the bench's checkpoints until the test ends.
func (b *parityBench) towers(t *testing.T) *Towers {
	t.Helper()
	towers := NewTowers(b.cache, b.engine, TowerOptions{})
	t.Cleanup(func() {
		if err := towers.Close(); err != nil {
			t.Error(err)
		}
	})
	return towers
}

// open opens an instrument until the test ends.
func (b *parityBench) open(t *testing.T, towers *Towers, name string) *Instrument {
	t.Helper()
	in, err := towers.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	if !in.Synthetic {
		t.Errorf("%s does not say that its weights are synthetic", name)
	}
	return in
}

// prepared compares what the tower sees in a picture with what the authors'
// network was given: to the bit where it is made of 8-bit samples, except that
// transformers multiplies by 1/255 where the others divide.
func prepared(t *testing.T, y *parityTally, prep preparation, p *Picture, want parityImage) {
	t.Helper()
	c, err := prep.cut(p.Image)
	if err != nil {
		t.Fatalf("%s: %v", want.File, err)
	}
	if want.Crop != "" && (c.image == nil || c.image.Mode != pixel.RGB || sha256Of(c.image.Pix) != want.Crop) {
		t.Errorf("%s: the crop's bytes are not the reference's", want.File)
	}
	x, err := prep.tensor(t.Context(), p)
	if err != nil {
		t.Fatalf("%s: %v", want.File, err)
	}
	same := sha256Of(weights.Float32Bytes(x)) == want.Tensor
	if !same && want.Crop != "" && !strings.HasPrefix(prep.key, "hugging face") {
		t.Errorf("%s: the tensor is not the reference's to the bit", want.File)
	}
	sum := 0.0
	for _, v := range x {
		sum += float64(v)
	}
	y.check(t, "tensor mean", want.File, math.Abs(sum-want.Sum)/float64(len(x)), parityFloat)
	for i, at := range want.At {
		y.check(t, "tensor sample", want.File, math.Abs(float64(x[at])-want.Samples[i]), parityFloat)
	}
}

// prompted checks a tower with two halves, and the instrument whose value is
// scale times the cosine; scale 0 stands for exp(logit_scale).
func prompted(row towerRow, instrument string, scale float64) func(*testing.T, *parityBench, parityGolden, *parityTally) {
	return func(t *testing.T, b *parityBench, g parityGolden, y *parityTally) {
		towers := b.towers(t)
		s := &stand{towers: towers, in: &Instrument{}}
		defer s.close()
		v, err := s.vision(t.Context(), row)
		if err != nil {
			t.Fatal(err)
		}
		pictures := make([]*Picture, len(g.Images))
		for i, want := range g.Images {
			pictures[i] = parityPicture(t, want.File)
			prepared(t, y, row.prep, pictures[i], want)
			got, err := v.embed(t.Context(), pictures[i])
			if err != nil {
				t.Fatalf("%s: %v", want.File, err)
			}
			y.vector(t, "image", want.File, got, want.Embedding)
		}
		if !b.words {
			t.Log("no vocabulary: prompts are not checked")
			return
		}
		promptsAgree(t, y, s, row, g)
		if scale == 0 {
			scale = math.Exp(g.LogitScale)
		}
		scoresAgree(t, y, b.open(t, towers, instrument), pictures, g, scale)
	}
}

// promptsAgree checks the text half: tokens, and embeddings. References take the
// feature of the largest token number's first place, which is where the text says
// "end" even if it says so itself in its middle; the golden tokens go that far.
func promptsAgree(t *testing.T, y *parityTally, s *stand, row towerRow, g parityGolden) {
	t.Helper()
	x, err := s.text(t.Context(), row)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range g.Prompts {
		ids, _ := x.bpe.Frame(want.Text, row.variant)
		if ids = ids[:slices.Index(ids, token.End)+1]; !slices.Equal(ids, want.IDs) {
			t.Errorf("%.40q is %v, the reference reads %v", want.Text, ids, want.IDs)
			continue
		}
		got, _, err := x.embed(t.Context(), want.Text)
		if err != nil {
			t.Fatalf("%.40q: %v", want.Text, err)
		}
		y.vector(t, "text", want.Text[:min(len(want.Text), 40)], got, want.Embedding)
	}
}

// scoresAgree checks the instrument through its front door.
func scoresAgree(t *testing.T, y *parityTally, in *Instrument, pictures []*Picture, g parityGolden, scale float64) {
	t.Helper()
	cosines := g.Cosines
	if cosines == nil {
		cosines = g.Scores // HPS is the cosine itself
	}
	for i, row := range cosines {
		for j, want := range row {
			text := g.Prompts[j].Text
			if text == "" {
				continue // there is nothing to compare with, the instrument says
			}
			r, err := in.MeasurePrompt(t.Context(), pictures[i], text)
			if err != nil {
				t.Fatalf("%s, %.40q: %v", g.Images[i].File, text, err)
			}
			what := g.Images[i].File + ", " + text[:min(len(text), 40)]
			y.check(t, "cosine", what, math.Abs(r.Value/scale-want), parityAngle)
			// Synthetic cosines are near 0, where a relative difference says nothing.
			y.check(t, "score, relative", what, math.Abs(r.Value/scale-want)/max(math.Abs(want), 0.01), parityScore)
		}
	}
}

// headScores checks the aesthetic heads of one tower.
func headScores(t *testing.T, b *parityBench, g parityGolden, y *parityTally) {
	towers := b.towers(t)
	pictures := map[string]*Picture{}
	for model, rows := range g.Heads {
		name := model
		if model == "laion-aes-v2" {
			name = "laion-aes"
		}
		in := b.open(t, towers, name)
		for _, want := range rows {
			p := pictures[want.File]
			if p == nil {
				p = parityPicture(t, want.File)
				pictures[want.File] = p
			}
			r, err := in.Measure(t.Context(), p)
			if err != nil {
				t.Fatalf("%s, %s: %v", name, want.File, err)
			}
			y.check(t, name+", relative", want.File, math.Abs(r.Value-want.Score)/math.Abs(want.Score), parityScore)
		}
	}
}

// jpegs checks that JPEG files, decoded here, give the embeddings of Pillow's
// decoder.
func jpegs(t *testing.T, b *parityBench, g parityGolden, y *parityTally) {
	row := clipTowers()["b32"]
	s := &stand{towers: b.towers(t), in: &Instrument{}}
	defer s.close()
	v, err := s.vision(t.Context(), row)
	if err != nil {
		t.Fatal(err)
	}
	samplings := map[string]int{}
	for _, want := range g.Images {
		p := sharedPicture(t, want.File)
		prepared(t, y, row.prep, p, want)
		e, err := v.embed(t.Context(), p)
		if err != nil {
			t.Fatalf("%s: %v", want.File, err)
		}
		y.check(t, "jpeg "+want.Sampling+" 1-cos", want.File, parityApart(e, want.Embedding), parityJPEG)
		samplings[want.Sampling]++
	}
	if samplings["4:4:4"] == 0 || samplings["4:2:0"] == 0 {
		t.Errorf("photographs by subsampling: %v", samplings)
	}
}

// dreamSimDistances checks a variant of DreamSim: preparation, towers, what is
// compared, and distances.
func dreamSimDistances(t *testing.T, b *parityBench, g parityGolden, y *parityTally) {
	name := g.Model
	if name == "dreamsim-ensemble" {
		name = "dreamsim"
	}
	in := b.open(t, b.towers(t), name)
	unitPrep := squashPreparation([3]float32{}, [3]float32{1, 1, 1}, "no") // the authors' transform does not normalise
	pictures := make([]*Picture, len(g.Images))
	for i, want := range g.Images {
		p := parityPicture(t, want.File)
		pictures[i] = p
		prepared(t, y, unitPrep, p, want)
		if len(want.Raw) > 0 {
			parts, err := in.Embeddings(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			at := 0
			for _, part := range parts {
				end := min(at+len(part.Vector), len(want.Raw))
				y.vector(t, "feature", part.Instrument+", "+want.File, part.Vector, want.Raw[at:end])
				at = end
			}
			if at != len(want.Raw) {
				t.Errorf("%s: %d features, want %d", want.File, at, len(want.Raw))
			}
		}
		if n := len(want.FirstTokens); n > 0 {
			tokens, err := in.towers[0].run(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			y.vector(t, "first tokens", want.File, tokens[:n], want.FirstTokens)
		}
		got, err := in.Embed(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		y.vector(t, "embedding", want.File, got, want.Embedding)
	}
	for _, want := range g.Pairs {
		r, err := in.Distance(t.Context(), pictures[want.A], pictures[want.B])
		if err != nil {
			t.Fatal(err)
		}
		what := g.Images[want.A].File + ", " + g.Images[want.B].File
		y.check(t, "distance", what, math.Abs(r.Value-want.Distance), parityDistance)
	}
}

// TestParityPicturesAreAll: a picture that no golden file names tests nothing.
func TestParityPicturesAreAll(t *testing.T) {
	named := map[string]bool{}
	for _, want := range readParity(t, "clip-vit-b32").Images {
		named[want.File] = true
	}
	files, err := os.ReadDir(filepath.Join("testdata", "parity", "images"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !named[f.Name()] {
			t.Errorf("%s is in no golden file", f.Name())
		}
	}
	if len(files) < 12 || len(files) != len(named) {
		t.Errorf("%d pictures, %d of them golden", len(files), len(named))
	}
}

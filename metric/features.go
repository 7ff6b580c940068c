package metric

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
)

// A FeatureSpec says what a row of features is: numbers of one picture that say
// nothing alone, and from which measures of sets of pictures are taken.
type FeatureSpec struct {
	Name        string   // of the row: "inception-tf"; of the instrument, where the features are one's: "dreamsim"
	Version     int      // raised when any picture would give other features
	Dim         int      // length of the vector
	MinSide     int      // neither side of a picture may be shorter, in pixels
	Space       Space    // in which two vectors are compared, where measures leave that open
	Preparation string   // what is done to the pixels first
	Models      []string // names in the weights manifest, all needed; none for a formula
	Graph       bool     // true if it needs an Engine (ONNX Runtime)
	Doc         string   // what the numbers are
	Licence     string   // of the weights, where that is not plain from the manifest; "" else
	Source      string   // code that defines them
	Agreement   string   // how they were checked, and within what
}

// A featureRow is a row of features that is no instrument's. Its tower's
// embedding is the vector.
type featureRow struct {
	spec FeatureSpec
	row  towerRow
}

// featureRows lists them, in the order users see.
func featureRows() []featureRow { return append(inceptions(), vggFeatures(), clipSquare()) }

// FeatureCatalogue returns every row of features this build knows: first those
// that measures of sets are defined on, then those of instruments that have an
// embedding or stand on exactly one tower.
func FeatureCatalogue() []FeatureSpec {
	var all []FeatureSpec
	for _, f := range featureRows() {
		all = append(all, f.filled())
	}
	all = append(all, featuresOf(layoutSpec, layoutDim))
	for _, c := range towered() {
		rows := c.rows(TowerOptions{})
		dim := 0
		for _, r := range rows {
			dim += r.dim()
		}
		switch {
		case c.spec.Space != "":
			all = append(all, featuresOf(c.spec, dim))
		case len(rows) == 1:
			all = append(all, towerFeatures(c.spec, rows[0]))
		}
	}
	return all
}

// FindFeatures returns the FeatureSpec of the named row.
func FindFeatures(name string) (FeatureSpec, bool) {
	all := FeatureCatalogue()
	i := slices.IndexFunc(all, func(s FeatureSpec) bool { return s.Name == name })
	if i < 0 {
		return FeatureSpec{}, false
	}
	return all[i], true
}

// filled adds to the row's FeatureSpec what its tower says.
func (f featureRow) filled() FeatureSpec {
	s := f.spec
	s.Version, s.MinSide, s.Graph = max(s.Version, 1), max(s.MinSide, 1), true
	s.Dim, s.Preparation, s.Models = f.row.dim(), f.row.prep.text, slices.Clone(f.row.models)
	return s
}

// featuresOf is the row of an instrument that has an embedding.
func featuresOf(s Spec, dim int) FeatureSpec {
	return FeatureSpec{
		Name: s.Name, Version: s.Version, Dim: dim, MinSide: s.MinSide, Space: s.Space, Preparation: s.Preparation,
		Models: slices.Clone(s.Models), Graph: s.Graph, Doc: fmt.Sprintf("The vector whose distances %s reads. %s", s.Name, s.Doc),
		Licence: s.Licence, Source: s.Source, Agreement: s.Agreement,
	}
}

// towerFeatures is the row of an instrument that stands on one tower: what that
// sees in a picture. The rest of the instrument, a text half or a head, is not
// needed.
func towerFeatures(s Spec, row towerRow) FeatureSpec {
	return FeatureSpec{
		Name: s.Name, Version: s.Version, Dim: row.dim(), MinSide: s.MinSide, Space: Cosine, Preparation: row.prep.text,
		Models: slices.Clone(row.models), Graph: true,
		Doc:     fmt.Sprintf("What the tower %s, on which %s stands, sees in the picture: its embedding, not normalised.", row.name, s.Name),
		Licence: s.Licence, Source: s.Source, Agreement: s.Agreement,
	}
}

// instrument is the Spec of the Instrument that gives s.
func (s FeatureSpec) instrument() Spec {
	return Spec{
		Name: s.Name, Version: s.Version, Kind: OfFeatures, Better: Descriptor, Lo: math.Inf(-1), Hi: math.Inf(1), MinSide: s.MinSide,
		Preparation: s.Preparation, Models: s.Models, Graph: s.Graph, Space: s.Space, Doc: s.Doc,
		Licence: s.Licence, Source: s.Source, Agreement: s.Agreement,
	}
}

// OpenFeatures returns the named row of [FeatureCatalogue] as an Instrument of
// kind [OfFeatures]: [Instrument.Embed] gives the vector and
// [Instrument.Identity] says what it is filed under; it measures nothing.
//
// Errors are those of [Towers.Open].
func (t *Towers) OpenFeatures(ctx context.Context, name string) (*Instrument, error) {
	spec, ok := FindFeatures(name)
	if !ok {
		return nil, unknownFeatures(name)
	}
	if err := t.able(spec.instrument()); err != nil {
		return nil, err
	}
	for _, f := range featureRows() {
		if f.spec.Name == name {
			return t.openTowered(ctx, f.row.features(spec))
		}
	}
	for _, c := range towered() {
		if c.spec.Name == name && c.spec.Space == "" {
			return t.openTowered(ctx, c.rows(t.opt)[0].features(spec))
		}
	}
	in, err := t.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	in.Kind, in.Better, in.Lo, in.Hi, in.Doc = OfFeatures, Descriptor, math.Inf(-1), math.Inf(1), spec.Doc
	in.measure, in.distance, in.chart, in.prompted, in.style = nil, nil, nil, nil, nil
	return in, nil
}

// features makes the Instrument that gives the tower's embeddings.
func (r towerRow) features(spec FeatureSpec) towerInstrument {
	return towerInstrument{spec: spec.instrument(), open: func(ctx context.Context, s *stand) error {
		v, err := s.vision(ctx, r)
		if err != nil {
			return err
		}
		s.in.Preparation = v.id.Preparation
		s.in.embed = func(ctx context.Context, p *Picture) ([]float32, error) {
			e, err := v.embed(ctx, p)
			return slices.Clone(e), err
		}
		return nil
	}}
}

// unknownFeatures is the error for a name that no row has.
func unknownFeatures(name string) error {
	if _, ok := Find(name); ok {
		return fmt.Errorf("%s has no features: it has no embedding and does not stand on one tower: %w", name, assay.ErrNotFound)
	}
	var names []string
	for _, s := range FeatureCatalogue() {
		names = append(names, s.Name)
	}
	hint := ""
	if near := nearest(name, names); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %q?", near[0])
	}
	return fmt.Errorf("no features %q%s: %w", name, hint, assay.ErrNotFound)
}

// clipSquare is what CMMD is defined on.
func clipSquare() featureRow {
	row := clipTowers()["l14-336"]
	row.prep = clipSquarePreparation(row.vit.Size)
	return featureRow{row: row, spec: FeatureSpec{
		Name: "clip-l14-336-square", Space: Cosine,
		Doc: "What CLIP ViT-L/14 at 336 pixels sees in the picture's central square: its projected embedding, not normalised " +
			"(CMMD brings it to length 1).",
		Licence: clipLicence("l14-336"),
		Source: "Jayasumana et al.: Rethinking FID, CVPR 2024, arXiv:2401.09603; google-research/cmmd. It never converts to RGB: grey pictures are " +
			"repeated in three channels, here as there, and those with alpha, with which it fails, lose it here before the resize",
		Agreement: "the tower as for clip-score-l14-336",
	}}
}

// vggFeatures is what torch-fidelity takes precision and recall on.
func vggFeatures() featureRow {
	row := vgg16FC2()
	row.zero = true
	return featureRow{row: row, spec: FeatureSpec{
		Name: "vgg16-fc2", Space: Euclidean,
		Doc: "The 4096 numbers after the second linear layer of torchvision's VGG16 and its ReLU. Not those of the original precision and recall, " +
			"whose VGG16 has the Oxford weights.",
		Licence:   "BSD-3-Clause (torchvision); trained on ImageNet",
		Source:    "toshas/torch-fidelity 0.4.0, feature extractor vgg16, fc2_relu",
		Agreement: "torch-fidelity 0.4.0 on a synthetic checkpoint of the official container: components within 1e-5 of the largest",
	}}
}

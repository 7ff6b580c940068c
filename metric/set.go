package metric

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// A SetSpec states what a measure of a set of images is.
type SetSpec struct {
	Name      string
	Version   int            // raised when any set would read differently
	Values    []SetValueSpec // the numbers it gives, at least one
	Reference bool           // true if it compares the set with another
	// Features are the rows of features it can stand on without being asked to,
	// the best first: one where that is part of the measure's definition.
	Features []string
	Any      bool // true if any row of features may be named in their place
	Pairs    bool // true if it may also stand on an instrument that reads pairs
	Vectors  bool // true if it needs the vectors themselves; else moments are enough
	Least    int  // smaller sets are refused: there is no such number
	Enough   int  // smaller sets are warned of
	Doubt    string
	Doc      string // what it measures
	Source   string // paper or code that defines it
	// Agreement says how the numbers were checked, and within what.
	Agreement string

	measure func(context.Context, *setMeasure) error
}

// A SetValueSpec is one number that a measure of a set gives.
type SetValueSpec struct {
	Name   string
	Better Direction
	Lo, Hi float64 // bounds the value cannot leave; ±Inf where there is none
	Doc    string
}

// Rows of features that measures of sets are defined on.
const (
	inceptionTF      = "inception-tf"
	inceptionPyTorch = "inception-pytorch"
	inceptionClean   = "inception-clean"
	inceptionSpatial = "inception-spatial"
	vggFC2           = "vgg16-fc2"
	clipSquareRow    = "clip-l14-336-square"
)

// bestFeatures lists what similarity of images is best read by, the best first:
// by agreement with people's judgments of similarity (NIGHTS), then by what any
// machine has.
func bestFeatures() []string {
	return []string{"dreamsim", "dreamsim-synclr", "dreamsim-dino", "dreamsim-openclip", "dreamsim-dinov2", "dreamsim-clip", inceptionTF, "clip-score", layoutSpec.Name}
}

// bestDistances is bestFeatures with the instruments that read pairs, which are
// judged by the same people.
func bestDistances() []string {
	all := bestFeatures()
	return slices.Insert(all, slices.Index(all, inceptionTF), "lpips-alex", "dists", "lpips-vgg", "lpips-squeeze")
}

var lowerIsCloser = SetValueSpec{Better: LowerIsBetter, Lo: 0, Hi: math.Inf(1)}

func (v SetValueSpec) named(name, doc string) SetValueSpec {
	v.Name, v.Doc = name, doc
	return v
}

// SetCatalogue returns every measure of sets this build knows, in the order users
// see.
func SetCatalogue() []SetSpec {
	return slices.Concat(frechetSpecs(), []SetSpec{kidSpec(), cmmdSpec(), precisionRecallSpec(), densityCoverageSpec(), vendiSpec(), selfSimilaritySpec()})
}

// FindSet returns the SetSpec of the named measure.
func FindSet(name string) (SetSpec, error) {
	all := SetCatalogue()
	var names []string
	for _, s := range all {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	if _, ok := Find(name); ok {
		return SetSpec{}, fmt.Errorf("%s reads images, not sets; `assay set -m self-similarity --tower %s` reads how far apart a set's images are by it: %w",
			name, name, assay.ErrNotFound)
	}
	hint := fmt.Sprintf("; there are %q", names)
	if near := nearest(name, names); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %q?", near[0])
	}
	return SetSpec{}, fmt.Errorf("no measure of sets %q%s: %w", name, hint, assay.ErrNotFound)
}

// frechetRow is a named variant of the Fréchet distance.
type frechetRow struct {
	name, features string
	any            bool
	what           string // the variant is
	source         string
}

func frechetSpecs() []SetSpec {
	rows := []frechetRow{
		{"fid", inceptionTF, true, "features of the TensorFlow Inception of 2015, resized as by TensorFlow 1 (legacy_tensorflow)",
			"Heusel et al., NeurIPS 2017, arXiv:1706.08500; bioinf-jku/TTUR; GaParmar/clean-fid (legacy_tensorflow)"},
		{"fid-pytorch", inceptionPyTorch, false, "pictures resized as by pytorch-fid (legacy_pytorch)", "mseitzer/pytorch-fid; GaParmar/clean-fid (legacy_pytorch)"},
		{"fid-clean", inceptionClean, false, "pictures resized with Pillow's bicubic filter in floating point, as clean-fid does",
			"Parmar et al., CVPR 2022, arXiv:2104.11222; GaParmar/clean-fid (clean)"},
		{"sfid", inceptionSpatial, false, "the spatial features of Mixed_6d, channels 0 to 6, as in ADM's evaluator", "Nash et al., 2021, arXiv:2103.03841; openai/guided-diffusion, evaluations"},
		{"sfid-6e", inceptionSpatial + "-6e", false, "the spatial features of Mixed_6e, as in dgm-eval: another metric than sfid", "layer6ai-labs/dgm-eval (sinception)"},
		{"sfid-6a", inceptionSpatial + "-6a", false, "the spatial features of Mixed_6a: another metric than sfid", "the layer pyiqa's sfid reads; Nash et al., 2021, arXiv:2103.03841"},
	}
	var out []SetSpec
	for _, r := range rows {
		out = append(out, SetSpec{
			Name: r.name, Version: 1, Reference: true, Features: []string{r.features}, Any: r.any, Least: 2, Enough: 10000,
			Doubt: "the distance is biased upward, the more the smaller the sets: compare it only between sets of equal size",
			Values: []SetValueSpec{lowerIsCloser.named(r.name, "‖μ₁−μ₂‖² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½, covariances over N−1, in float64; "+
				"exact for covariances without full rank"),
				{Name: r.name + "-infinity", Better: LowerIsBetter, Lo: math.Inf(-1), Hi: math.Inf(1), Doc: "with --extrapolate: where a line through the distances of " +
					"growing parts of the set, over 1/images, meets a set without end: free of the set's share of the bias, not of the reference's"}},
			Doc:    "Fréchet distance of two sets of pictures, as if their features were normally distributed: " + r.what + ".",
			Source: r.source,
			Agreement: "the distance of given features: an independent float64 reference and clean-fid's and pytorch-fid's own functions within 1e-4 relative, " +
				"the exact one where theirs loses digits; the features as their row says",
			measure: measureFrechet,
		})
	}
	return out
}

func kidSpec() SetSpec {
	return SetSpec{
		Name: "kid", Version: 1, Reference: true, Features: []string{inceptionTF}, Any: true, Vectors: true, Least: 2, Enough: 1000,
		Doubt: "torch-fidelity refuses sets below 1000: subsets are as large as the smaller set",
		Values: []SetValueSpec{{Name: "kid", Better: LowerIsBetter, Lo: math.Inf(-1), Hi: math.Inf(1),
			Doc: "mean over subsets of the unbiased squared MMD with k(x, y) = (x·y/d + 1)³; may be slightly negative. Beside it the population " +
				"standard deviation over the subsets"},
			{Name: "kid-whole", Better: LowerIsBetter, Lo: math.Inf(-1), Hi: math.Inf(1), Doc: "the same with the whole sets for one subset, with its interval; where that is affordable"}},
		Doc: "Kernel Inception distance: the squared maximum mean discrepancy of two sets, unbiased at every size. Subsets are drawn as by torch-fidelity " +
			"(NumPy's RandomState, seed 2020), 100 of min(1000, n, m).",
		Source:    "Bińkowski et al., ICLR 2018, arXiv:1801.01401; toshas/torch-fidelity",
		Agreement: "torch-fidelity's function on the same features within 1e-6 relative; its first draw of a subset exactly",
		measure:   measureKID,
	}
}

func cmmdSpec() SetSpec {
	v := lowerIsCloser.named("cmmd", "the V-statistic, as published: diagonals included, so two halves of one set are not at 0")
	return SetSpec{
		Name: "cmmd", Version: 1, Reference: true, Features: []string{clipSquareRow}, Any: true, Vectors: true, Least: 2, Enough: 1000,
		Doubt: "the V-statistic is biased upward by what cmmd-unbiased is without",
		Values: []SetValueSpec{v, {Name: "cmmd-unbiased", Better: LowerIsBetter, Lo: math.Inf(-1), Hi: math.Inf(1),
			Doc: "the U-statistic: zero on average for two sets of one distribution; may be slightly negative; needs two images in each set"}},
		Doc: "CLIP maximum mean discrepancy: 1000 times the squared MMD of CLIP embeddings of length 1, with a Gaussian kernel of σ = 10. It assumes " +
			"no distribution, and needs fewer images than fid.",
		Source:    "Jayasumana et al.: Rethinking FID, CVPR 2024, arXiv:2401.09603; google-research/cmmd",
		Agreement: "cmmd-pytorch's function on the same features within 1e-6 relative in float64; its published 7.696 exactly",
		measure:   measureCMMD,
	}
}

var fraction = SetValueSpec{Better: HigherIsBetter, Lo: 0, Hi: 1}

func precisionRecallSpec() SetSpec {
	return SetSpec{
		Name: "precision-recall", Version: 1, Reference: true, Features: []string{vggFC2}, Any: true, Vectors: true, Least: 2, Enough: 10000,
		Doubt: "published values are of 10,000 images or more in each set, and both numbers depend on the sizes",
		Values: []SetValueSpec{
			fraction.named("precision", "share of the set's images that lie no farther from some reference image than that image's k-th nearest neighbour in the reference"),
			fraction.named("recall", "the same with the roles of set and reference exchanged"),
		},
		Doc: "Improved precision and recall: how much of the set looks like the reference, and how much of the reference the set covers. k = 3 unless " +
			"--k says otherwise; distances up to the radius count (≤).",
		Source:    "Kynkäänniemi et al., NeurIPS 2019, arXiv:1904.06991; features as torch-fidelity's default (VGG16 fc2)",
		Agreement: "torch-fidelity's function on the same features: equal",
		measure:   measurePrecisionRecall,
	}
}

func densityCoverageSpec() SetSpec {
	return SetSpec{
		Name: "density-coverage", Version: 1, Reference: true, Features: []string{vggFC2}, Any: true, Vectors: true, Least: 2, Enough: 10000,
		Doubt: "published values are of 10,000 images or more in each set, and both numbers depend on the sizes",
		Values: []SetValueSpec{
			{Name: "density", Better: HigherIsBetter, Lo: 0, Hi: math.Inf(1), Doc: "how many reference neighbourhoods hold an image of the set, on average, over k; 1 for two sets of one distribution, and not bounded by it"},
			fraction.named("coverage", "share of the reference images whose neighbourhood holds an image of the set"),
		},
		Doc: "Density and coverage: precision and recall that outliers of the reference do not decide. k = 5 unless --k says otherwise; only distances " +
			"below the radius count (<).",
		Source:    "Naeem et al., ICML 2020, arXiv:2002.09797; clovaai/generative-evaluation-prdc",
		Agreement: "the prdc package on the same features: equal",
		measure:   measureDensityCoverage,
	}
}

func vendiSpec() SetSpec {
	return SetSpec{
		Name: "vendi", Version: 1, Features: bestFeatures(), Any: true, Vectors: true, Least: 2, Enough: 0,
		Values: []SetValueSpec{{Name: "vendi", Better: HigherIsBetter, Lo: 1, Hi: math.Inf(1),
			Doc: "effective number of different images, 1 to their number: the exponential of the entropy, of order q, of the eigenvalues of the " +
				"cosine similarities over n"}},
		Doc: "Vendi score: how many different images a set amounts to. Order q = 1 unless --order says otherwise; a larger one counts common kinds more. " +
			"Sets of different sizes are not comparable.",
		Source:    "Friedman and Dieng, TMLR 2023, arXiv:2210.02410; orders: Pasarkar and Dieng, arXiv:2310.12952; vertaix/Vendi-Score",
		Agreement: "the vendi-score package on the same features within 1e-6 relative; its published 2.9999 and 2.1573",
		measure:   measureVendi,
	}
}

func selfSimilaritySpec() SetSpec {
	return SetSpec{
		Name: "self-similarity", Version: 1, Features: bestDistances(), Any: true, Pairs: true, Vectors: true, Least: 2, Enough: 0,
		Values: []SetValueSpec{{Name: "self-similarity", Better: HigherIsBetter, Lo: 0, Hi: math.Inf(1),
			Doc: "mean distance of two different images of the set, over all pairs, each once: a low one is a repetitive set"}},
		Doc: "How far apart a set's images are on average, by the distance that features or an instrument give: 1 − cosine, or the Euclidean one, as " +
			"their row says. With an instrument that reads pairs and has no vector, a seeded sample of pairs where there are more than --pairs.",
		Source:    "the mean over pairs as in StarGAN v2 (Choi et al., CVPR 2020) and intra-LPIPS (Ojha et al., CVPR 2021), without clusters or crops",
		Agreement: "all pairs by definition, within 1e-12 relative; the distances as their instrument says",
		measure:   measureSelfSimilarity,
	}
}

// A SetValue is one number of a measure of a set.
type SetValue struct {
	Name     string         `json:"name"`
	Better   Direction      `json:"better"`
	Value    float64        `json:"value"`
	Std      *float64       `json:"std,omitempty"`      // population standard deviation over the subsets, for kid
	StdErr   *float64       `json:"std_err,omitempty"`  // of the value
	Interval *stat.Interval `json:"interval,omitempty"` // where another sample of the same size would be expected to put it
	Method   string         `json:"method,omitempty"`   // how doubt was measured, or why it was not
}

// A SetID says of which images a measure is.
type SetID struct {
	Images int    `json:"images,omitempty"` // 0 if those who published the statistics did not say
	Digest string `json:"digest"`           // of the set, see [FeatureSet.Digest]
	// Published is true for statistics that others computed: the digest is then the file's.
	Published bool `json:"published,omitempty"`
}

// A SetReading is what a measure gives for one set, with its provenance. Two may
// be compared only if metric, version, features and settings are equal.
type SetReading struct {
	Metric    string         `json:"metric"`
	Version   int            `json:"version"`
	Features  assay.Identity `json:"features"` // or the instrument that read the pairs
	Set       SetID          `json:"set"`
	Reference *SetID         `json:"reference,omitempty"`
	Settings  map[string]any `json:"settings,omitempty"` // k, order, subsets, seed, pairs, …
	Values    []SetValue     `json:"values"`
	Warnings  []string       `json:"warnings,omitempty"`
}

// SetOptions adjust how sets are measured. The zero SetOptions is what is
// published.
type SetOptions struct {
	K            int             // neighbours; 0 means the measure's own
	Order        *float64        // of vendi; nil means 1
	KID          stat.KIDOptions // zero means torch-fidelity's
	Seed         uint64          // of intervals
	Extrapolate  bool            // also give the Fréchet distance of a set without end
	NoInterval   bool            // leave out intervals that take longer than the value
	AllIntervals bool            // measure intervals also where they take minutes or hours
}

// Package metric measures pictures: every instrument is a row of the catalogue
// that says what it is, and a function that reads one picture or a pair.
//
// Instruments are pure: the same picture gives the same number, whatever runs
// beside. Checkpoints come from a [Models] and graphs run on an [Engine], both
// given by the caller.
//
// # Towers
//
// Many instruments stand on the same large network: CLIP Score, the LAION
// aesthetics and the style reading all ask for CLIP's embedding of the picture.
// Such a network is a tower. [Towers] opens each once, when first asked for,
// keeps them within a budget of memory, and a [Picture] keeps each tower's
// embedding, so that a tower looks at a picture once however many instruments
// ask. Embeddings have identities of their own and can be stored
// ([Instrument.Embeddings]) and given back ([Picture.Recall]).
//
// # Features
//
// Measures of sets of pictures are taken of vectors. [FeatureCatalogue] lists what
// gives one: the rows that published measures are defined on (Inception-v3 prepared
// in three ways, VGG16, CMMD's CLIP), and every instrument that has an embedding or
// stands on one tower. [Towers.OpenFeatures] opens a row.
package metric

import (
	"context"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/weights"
)

// A Direction says which way of a number is better.
type Direction string

// Descriptors (warmth, symmetry) have no better direction: they say what an
// image is, not how good it is.
const (
	HigherIsBetter Direction = "higher"
	LowerIsBetter  Direction = "lower"
	Descriptor     Direction = "descriptor"
)

// A Kind says what an instrument reads.
type Kind string

// An instrument reads one image, a pair of images, or an image with a text.
// What [Towers.OpenFeatures] returns reads nothing: it only embeds.
const (
	OfImage    Kind = "image"
	OfPair     Kind = "pair"
	OfPrompt   Kind = "image and prompt"
	OfFeatures Kind = "features"
)

// A Space says how the distance of two embeddings is taken.
type Space string

// The spaces of embeddings.
const (
	Euclidean Space = "euclidean" // √Σ(a−b)²
	Cosine    Space = "cosine"    // 1 − a·b/(|a||b|)
)

// A Spec states what an instrument is, so that no reader has to guess.
type Spec struct {
	Name        string // as in the field, lower case: "niqe", "lpips-squeeze"
	Version     int    // raised when any input would read differently
	Kind        Kind
	Better      Direction
	Lo, Hi      float64  // bounds the value cannot leave; ±Inf where there is none
	MinSide     int      // neither side of an image may be shorter, in pixels; 0 is no limit
	MaxPixels   int      // an image may have no more, because of the memory that takes; 0 is no limit
	SameSize    bool     // two images must have one size; [Instrument.Resizing] brings them there
	Unit        string   // of the value: "bits", "fraction", "8-bit levels"; "" for a pure number
	Preparation string   // what is done to the pixels first
	Models      []string // names in the weights manifest, all needed; none for a formula
	Graph       bool     // true if it needs an Engine (ONNX Runtime)
	Space       Space    // of its embedding; "" if it has none
	Doc         string   // what it measures
	Licence     string   // of the weights, where that is not plain from the manifest; "" else
	Source      string   // paper or code that defines it
	Agreement   string   // how the numbers were checked, and within what
}

// A Picture is a decoded image with what instruments derive from it, computed
// once however many instruments ask. It is safe for concurrent use.
type Picture struct {
	*pixel.Image
	derived
}

// NewPicture wraps a decoded image.
func NewPicture(img *pixel.Image) *Picture { return &Picture{Image: img} }

// An Instrument is a Spec with its checkpoint loaded, ready to measure. It is
// safe for concurrent use. Close releases what it holds.
type Instrument struct {
	Spec
	Checkpoint string // digest of the tensors; empty for formulas
	Runtime    string // "go", or what the Engine calls itself
	Synthetic  bool

	measure  func(context.Context, *Picture) (float64, []string, error)
	distance func(context.Context, *Picture, *Picture) (float64, []string, error)
	chart    func(context.Context, *Picture, *Picture) (float64, PairMap, error)
	prompted func(context.Context, *Picture, string) (float64, []string, error)
	embed    func(context.Context, *Picture) ([]float32, error)
	style    func(context.Context, *Picture) (Style, error)
	rating   func(context.Context, *Picture) (Rating, error)
	towers   []*vision // whose embeddings it reads
	inner    []*vision // whose outputs it reads, which are no embeddings
	exercise *exercise // of networks beside the towers'; nil if there are none
	close    func() error
}

// Identity returns what a reading of this instrument is filed under.
func (in *Instrument) Identity() assay.Identity {
	return assay.Identity{
		Instrument: in.Name, Version: in.Version, Checkpoint: in.Checkpoint,
		Preparation: in.Preparation, Runtime: in.Runtime, Synthetic: in.Synthetic,
	}
}

// Models finds the files of installed models.
type Models interface {
	// Files returns the paths of the installed model's files, by the names the
	// manifest gives them, or an error wrapping [assay.ErrUnavailable] that says
	// how to get them.
	Files(model string) (map[string]string, error)

	// Prepare returns the prepared file called name of the installed models,
	// made by build from their files (path by model, then by file name) if it is
	// not there, was made of other files or by another recipe. A *weights.Cache
	// does this; see [weights.Cache.Prepare].
	Prepare(ctx context.Context, models []string, name string, recipe int,
		build func(files map[string]map[string]string) ([]weights.Piece, error)) (weights.Prepared, error)

	// Synthetic reports whether the installed model's weights are made up.
	Synthetic(model string) bool
}

// An Engine runs graphs.
type Engine interface {
	// Open prepares a graph. The Runner is safe for concurrent use.
	Open(ctx context.Context, m *onnx.Model) (Runner, error)
	// Name says what runs the graph, for provenance: "onnxruntime 1.30.0 cpu float32".
	Name() string
}

// A PackedEngine is an Engine whose graphs may use [onnx.Builder.PackedGemm] and the
// other operators of [onnx.OwnDomain], as package gemm packs weights. Towers in
// float32 then do, and the networks of NIMA and of LPIPS on VGG16.
type PackedEngine interface {
	Engine
	// Packed names the operator, for provenance: "assay gemm 1". It is empty where
	// the engine has none on this machine.
	Packed() string
}

// A Runner executes one graph: the inputs in the graph's order give the
// outputs in the graph's order. The context cancels a run in progress.
type Runner interface {
	Run(ctx context.Context, in ...onnx.Tensor) ([]onnx.Tensor, error)
	Close() error
}

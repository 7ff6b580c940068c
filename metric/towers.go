package metric

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/gemm"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/token"
)

// TowerOptions are choices of the caller's about the large networks. The zero
// TowerOptions is a good choice.
type TowerOptions struct {
	// Budget is how many bytes of weights are kept open; 0 means 4 GiB. A tower
	// in use is never closed, so a larger tower than this still works.
	Budget int64
	// Precision of the towers' products: [nn.Float32] if empty. [nn.Int8] is
	// faster and reads other numbers, so it is part of every reading's Runtime.
	Precision nn.Precision
	// PlainBicubic makes hps-v2 and hps-v2.1 resize without antialiasing, as
	// torchvision did before about 0.17, when they were published. It is part
	// of their Preparation.
	PlainBicubic bool
	// NIMAPadding says where the NIMA networks put the zeros of their strided
	// convolutions: [backbone.Keras21] if empty, as in the Keras that the weights
	// were trained with. [backbone.TF2] is what idealo's code does since it moved
	// to TensorFlow 2. It is part of their Preparation.
	NIMAPadding backbone.Padding
	// StyleProbe is the path of a linear probe that replaces the zero-shot
	// classifier of the style instrument whose tower it was trained on; see
	// [StyleProbeHelp]. The other style instrument then fails to open.
	StyleProbe string
}

// defaultBudget holds the towers of CLIP ViT-H/14, or any four others.
const defaultBudget = 4 << 30

// keptTexts is how many embeddings of texts are kept: a few megabytes.
const keptTexts = 1024

// Towers opens instruments that share their networks. A network is opened when
// first asked for, and closed when the last instrument that stands on it is, or
// to make room. Towers is safe for concurrent use.
type Towers struct {
	models Models
	engine Engine
	opt    TowerOptions
	pool   *pool
	texts  memo[textKey, textEmbedding]
	bpe    memo[string, *token.CLIP] // by path
	bert   memo[string, *token.BERT] // by path
	banks  memo[string, *styleBank]  // by the text tower's checkpoint and runtime
}

// NewTowers returns Towers whose models are found by m and whose graphs run on
// e. Either may be nil for instruments that need none. It opens nothing.
func NewTowers(m Models, e Engine, opt TowerOptions) *Towers {
	if opt.Budget <= 0 {
		opt.Budget = defaultBudget
	}
	if opt.Precision == "" {
		opt.Precision = nn.Float32
	}
	if opt.NIMAPadding == "" {
		opt.NIMAPadding = backbone.Keras21
	}
	t := &Towers{models: m, engine: e, opt: opt, pool: newPool(opt.Budget)}
	t.texts.limit = keptTexts
	return t
}

// Open returns the named instrument of the catalogue. What large networks it
// needs are prepared now, which takes minutes the first time and milliseconds
// afterwards, and opened when a picture is first measured.
//
// The error wraps [assay.ErrNotFound] if there is no such instrument, and says
// which name is near; [assay.ErrUnavailable] if it needs a model that is not
// installed or an engine that was not given; and [assay.ErrInvalid] if a model's
// file is not what the instrument expects. Failures are not remembered.
func (t *Towers) Open(ctx context.Context, name string) (*Instrument, error) {
	spec, ok := Find(name)
	if !ok {
		return nil, unknown(name)
	}
	if len(spec.Models) == 0 {
		return OpenFormula(name)
	}
	if err := t.able(spec); err != nil {
		return nil, err
	}
	for _, c := range towered() {
		if c.spec.Name == name {
			return t.openTowered(ctx, c)
		}
	}
	return openAlone(ctx, spec, t.models, t.engine)
}

// able reports whether the caller gave what an instrument is made with.
func (t *Towers) able(s Spec) error {
	switch {
	case len(s.Models) > 0 && t.models == nil:
		return fmt.Errorf("%s needs the model %q, and there is nowhere to find models: %w", s.Name, s.Models[0], assay.ErrUnavailable)
	case s.Graph && t.engine == nil:
		return fmt.Errorf("%s needs an engine to run its graph: %w", s.Name, assay.ErrUnavailable)
	}
	return nil
}

// openTowered opens an instrument that stands on towers.
func (t *Towers) openTowered(ctx context.Context, c towerInstrument) (*Instrument, error) {
	if p := t.opt.Precision; p != nn.Float32 && p != nn.Int8 {
		return nil, fmt.Errorf("%s: precision %q, want %s or %s: %w", c.spec.Name, p, nn.Float32, nn.Int8, assay.ErrInvalid)
	}
	for _, model := range c.spec.Models { // what is missing is said before anything is prepared
		if _, err := t.models.Files(model); err != nil {
			return nil, fmt.Errorf("%s: %w", c.spec.Name, err)
		}
	}
	s := &stand{towers: t, in: &Instrument{Spec: c.spec, Runtime: goRuntime}}
	if err := c.open(ctx, s); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", c.spec.Name, err), s.close())
	}
	s.in.Checkpoint = joined(s.parts)
	s.in.close = s.close
	return s.in, nil
}

// Close closes every network, those in use as soon as they are not. Instruments
// that stand on them cannot be used afterwards, and should still be closed.
func (t *Towers) Close() error { return t.pool.close() }

// A towerInstrument is a row of the catalogue that stands on towers.
type towerInstrument struct {
	spec Spec
	open func(context.Context, *stand) error
	// towers lists the towers whose embeddings of a picture it reads; nil where
	// those are no features by themselves.
	towers func(TowerOptions) []towerRow
}

// rows returns the towers under the options, if any are features.
func (c towerInstrument) rows(o TowerOptions) []towerRow {
	if c.towers == nil {
		return nil
	}
	return c.towers(o)
}

// on lists the same towers under all options.
func on(rows ...towerRow) func(TowerOptions) []towerRow {
	return func(TowerOptions) []towerRow { return rows }
}

// towered lists them, in the order users see. The list is made once, because
// pages look instruments up by the hundred; nobody may change it.
var towered = sync.OnceValue(func() []towerInstrument {
	return slices.Concat(clipScores(), aesthetics(), dreamSims(), preferences(), imageRewards(), styles(), nimas(),
		lpipsPairs(), distsPairs())
})

// A stand collects what one instrument stands on while it is opened.
type stand struct {
	towers *Towers
	in     *Instrument
	parts  []part
	held   []string // keys of the pool
}

// A part is a named piece of an instrument's checkpoint.
type part struct{ name, digest string }

// joined names several parts by one digest: a part alone by its own, several by
// the SHA-256 of "assay parts 1\n" and a line "NAME DIGEST\n" each.
func joined(parts []part) string {
	if len(parts) == 1 {
		return parts[0].digest
	}
	h := sha256.New()
	io.WriteString(h, "assay parts 1\n")
	for _, p := range parts {
		fmt.Fprintf(h, "%s %s\n", p.name, p.digest)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// add says that the instrument's numbers depend on a checkpoint.
func (s *stand) add(name, digest string, synthetic bool) {
	s.parts = append(s.parts, part{name, digest})
	s.in.Synthetic = s.in.Synthetic || synthetic
}

// vision prepares the named tower and makes what it sees in a picture one of the
// instrument's embeddings.
func (s *stand) vision(ctx context.Context, row towerRow) (*vision, error) {
	v, err := s.tower(ctx, row)
	if err == nil {
		s.in.towers = append(s.in.towers, v)
	}
	return v, err
}

// inner prepares a tower whose output is no embedding, but for the instrument's
// own use: it is kept with the picture, and neither stored nor shown.
func (s *stand) inner(ctx context.Context, row towerRow) (*vision, error) {
	v, err := s.tower(ctx, row)
	if err == nil {
		s.in.inner = append(s.in.inner, v)
	}
	return v, err
}

// tower prepares the image half of a tower.
func (s *stand) tower(ctx context.Context, row towerRow) (*vision, error) {
	t := s.towers
	p := t.precisionOf(row)
	done, err := row.prepareVision(ctx, t.models, p)
	if err != nil {
		return nil, fmt.Errorf("tower %s: %w", row.name, err)
	}
	info, err := os.Stat(done.Path)
	if err != nil {
		return nil, fmt.Errorf("tower %s: %w", row.name, err)
	}
	runtime := t.runtime(p)
	if row.net != nil && p == nn.Packed {
		runtime = t.convolves()
	}
	v := &vision{row: row, path: done.Path, key: done.Path + " " + done.Digest + " " + row.part, towers: t, id: assay.Identity{
		Instrument: row.name, Version: 1, Checkpoint: done.Digest,
		Preparation: row.prep.text + row.reducedText(), Runtime: runtime, Synthetic: done.Synthetic,
	}}
	s.hold(v.key, info.Size())
	s.add("vision "+row.name, done.Digest, done.Synthetic)
	s.in.Runtime = v.id.Runtime
	return v, nil
}

// text prepares the tower's text half.
func (s *stand) text(ctx context.Context, row towerRow) (*textual, error) {
	t := s.towers
	done, err := row.prepareText(ctx, t.models, t.precision())
	if err != nil {
		return nil, fmt.Errorf("tower %s, text: %w", row.name, err)
	}
	info, err := os.Stat(done.Path)
	if err != nil {
		return nil, fmt.Errorf("tower %s, text: %w", row.name, err)
	}
	scale, err := logitScale(done.Path)
	if err != nil {
		return nil, fmt.Errorf("tower %s, text: %w", row.name, err)
	}
	bpe, err := t.tokenizer(ctx)
	if err != nil {
		return nil, err
	}
	x := &textual{row: row, path: done.Path, key: done.Path + " " + done.Digest, digest: done.Digest, scale: scale, bpe: bpe, towers: t}
	s.hold(x.key, info.Size())
	s.add("text "+row.name, done.Digest, done.Synthetic || t.models.Synthetic(vocabularyModel))
	return x, nil
}

func (s *stand) hold(key string, bytes int64) {
	s.towers.pool.hold(key, bytes)
	s.held = append(s.held, key)
}

// close lets go of everything the instrument stood on.
func (s *stand) close() error {
	var errs []error
	for _, key := range s.held {
		errs = append(errs, s.towers.pool.drop(key))
	}
	s.held = nil
	return errors.Join(errs...)
}

// runtime says what runs networks in the given precision, for provenance.
func (t *Towers) runtime(p nn.Precision) string {
	if p == nn.Packed {
		return t.engine.Name() + ", " + t.packed()
	}
	return runtimeOf(t.engine.Name(), p)
}

// convolves says what runs networks whose convolutions are our own.
func (t *Towers) convolves() string {
	return fmt.Sprintf("%s, convolutions %d", t.runtime(nn.Packed), gemm.ConvVersion)
}

// packed names the engine's operator for packed weights; it is empty without one.
func (t *Towers) packed() string {
	if e, ok := t.engine.(PackedEngine); ok {
		return e.Packed()
	}
	return ""
}

// precision returns the one in which the towers run that have a choice.
func (t *Towers) precision() nn.Precision {
	if t.opt.Precision == nn.Float32 && t.packed() != "" {
		return nn.Packed
	}
	return t.opt.Precision
}

// The manifest's names for CLIP's merges and BERT's pieces.
const (
	vocabularyModel     = "clip-vocabulary"
	bertVocabularyModel = "bert-vocabulary"
)

// tokenizer reads CLIP's vocabulary, once for all towers.
func (t *Towers) tokenizer(ctx context.Context) (*token.CLIP, error) {
	return vocabulary(ctx, t.models, vocabularyModel, &t.bpe, token.NewCLIP)
}

// wordPieces reads BERT's likewise.
func (t *Towers) wordPieces(ctx context.Context) (*token.BERT, error) {
	return vocabulary(ctx, t.models, bertVocabularyModel, &t.bert, token.NewBERT)
}

// vocabulary makes a tokenizer of a model's one file, or returns the one made of it
// before.
func vocabulary[T any](ctx context.Context, m Models, model string, kept *memo[string, T], read func([]byte) (T, error)) (T, error) {
	var none T
	path, err := modelFile(m, model)
	if err != nil {
		return none, err
	}
	return kept.get(ctx, path, func(context.Context) (T, error) {
		data, err := os.ReadFile(path)
		if err != nil {
			return none, err
		}
		t, err := read(data)
		if err != nil {
			return none, fmt.Errorf("model file %s: %w", path, err)
		}
		return t, nil
	})
}

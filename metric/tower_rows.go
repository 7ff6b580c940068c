package metric

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/token"
	"github.com/gen-emerge/assay/weights"
)

// towerRecipe numbers how official files are turned into prepared ones. It is
// raised when that changes.
const towerRecipe = 1

// A towerRow describes a tower: which checkpoint, how its file names things,
// which network, and what the network wants to see.
type towerRow struct {
	name    string   // of the tower in identities: "clip-l14", "dreamsim-ensemble/dino"
	models  []string // the first owns the prepared files
	prefix  string   // of the tensors' names in the official file, up to where layout begins
	layout  backbone.Layout
	vit     backbone.ViT // of a tower that is one; zero if net is given
	net     network      // of a tower that is no ViT: pieces says how it is prepared, and it knows no int8
	pieces  func(*officialFiles, nn.Precision) ([]weights.Piece, error)
	packs   bool   // net knows [nn.Packed]
	part    string // of net, where several rows build different graphs over one prepared file; "" else
	zero    bool   // an embedding of zeros is one like any other: it need not have a direction
	prep    preparation
	text    backbone.Text // zero if the tower has no text half
	variant token.Variant

	// dreamSim says how the official file, an archive, becomes the tower; nil
	// for a checkpoint that is one file.
	dreamSim *dreamSimTower
	// reduce makes the embedding of the network's output, w numbers a token;
	// nil if the output is the embedding. It is part of the tower's identity.
	reduce func(tokens []float32, w int) ([]float32, error)
}

// A network is the architecture of a tower's image half: a square picture [1, 3,
// Side, Side] in, one output of Shape out.
type network interface {
	Side() int
	Shape() []int
	Flops() float64
	Graph(w onnx.Weights, p nn.Precision) (*onnx.Model, error)
}

// network returns the tower's architecture.
func (r towerRow) network() network {
	if r.net != nil {
		return r.net
	}
	return r.vit
}

// precisionOf returns the one in which a tower runs.
func (t *Towers) precisionOf(r towerRow) nn.Precision {
	switch {
	case r.net == nil:
		return t.precision()
	case r.packs && t.packed() != "":
		return nn.Packed
	}
	return nn.Float32
}

// dim returns the length of the embedding.
func (r towerRow) dim() int {
	if r.reduce != nil {
		return 2 * r.vit.Width
	}
	n := 1
	for _, d := range r.network().Shape() {
		n *= d
	}
	return n
}

func (r towerRow) reducedText() string {
	if r.reduce == nil {
		return ""
	}
	return "; tokens less their mean, of length 1: the class token and the mean of the patches"
}

// clipFile is a row of CLIP whose two halves are in one file.
func clipFile(name, model string, layout backbone.Layout, v backbone.ViT, t backbone.Text, variant token.Variant) towerRow {
	return towerRow{name: name, models: []string{model}, layout: layout, vit: v, text: t, variant: variant, prep: clipPreparation(v.Size)}
}

// clipTowers returns the towers of CLIP, by the suffix that instruments have.
// Nobody may change them.
var clipTowers = sync.OnceValue(func() map[string]towerRow {
	openAI := func(suffix string, v backbone.ViT, t backbone.Text) towerRow {
		return clipFile("clip-"+suffix, "clip-vit-"+suffix, backbone.OpenAI, v, t, token.OpenAI)
	}
	laion := func(suffix string, v backbone.ViT, t backbone.Text) towerRow {
		return clipFile("openclip-"+suffix, "openclip-vit-"+suffix, backbone.OpenAI, v, t, token.OpenCLIP)
	}
	rows := map[string]towerRow{
		"b32":       openAI("b32", backbone.CLIPB32(), backbone.CLIPTextB()),
		"b16":       openAI("b16", backbone.CLIPB16(), backbone.CLIPTextB()),
		"l14":       openAI("l14", backbone.CLIPL14(), backbone.CLIPTextL()),
		"l14-336":   openAI("l14-336", backbone.CLIPL14At336(), backbone.CLIPTextL()),
		"laion-b32": laion("b32", backbone.OpenCLIPB32(), backbone.OpenCLIPTextB()),
		"laion-b16": laion("b16", backbone.OpenCLIPB16(), backbone.OpenCLIPTextB()),
		"laion-l14": laion("l14", backbone.OpenCLIPL14(), backbone.OpenCLIPTextL()),
		"laion-h14": laion("h14", backbone.OpenCLIPH14(), backbone.OpenCLIPTextH()),
	}
	// LAION's L/14 of laion2b is the one CLIP trained on samples in [−1, 1].
	odd := rows["laion-l14"]
	odd.prep = odd.prep.half()
	rows["laion-l14"] = odd
	return rows
})

// officialFiles opens the official files while a prepared one is made.
type officialFiles struct {
	files   map[string]map[string]string
	closers []func() error
}

// file returns the path of the one file of a model.
func (m *officialFiles) file(model string) (string, error) {
	if len(m.files[model]) != 1 {
		return "", fmt.Errorf("model %q has %d files, want 1: %w", model, len(m.files[model]), assay.ErrInvalid)
	}
	for _, path := range m.files[model] {
		return path, nil
	}
	return "", nil
}

// checkpoint opens the one file of a model; names lose the prefix.
func (m *officialFiles) checkpoint(model, prefix string) (*weights.Checkpoint, error) {
	path, err := m.file(model)
	if err != nil {
		return nil, err
	}
	c, err := weights.Open(path, weights.Limits{})
	if err != nil {
		return nil, err
	}
	m.closers = append(m.closers, c.Close)
	return within(c, prefix)
}

// archive opens the zip that a model is.
func (m *officialFiles) archive(model string) (*weights.Archive, error) {
	path, err := m.file(model)
	if err != nil {
		return nil, err
	}
	a, err := weights.OpenArchive(path)
	if err != nil {
		return nil, err
	}
	m.closers = append(m.closers, a.Close)
	return a, nil
}

func (m *officialFiles) close() error {
	var errs []error
	for _, fn := range m.closers {
		errs = append(errs, fn())
	}
	return errors.Join(errs...)
}

// within drops a prefix that every tensor's name must begin with.
func within(c *weights.Checkpoint, prefix string) (*weights.Checkpoint, error) {
	if prefix == "" {
		return c, nil
	}
	return c.Sub(prefix)
}

// prepareVision makes the prepared file of the tower's image half, if it is not
// there already.
func (r towerRow) prepareVision(ctx context.Context, m Models, p nn.Precision) (weights.Prepared, error) {
	name := "vision"
	if r.dreamSim != nil {
		name = r.dreamSim.name
	}
	return r.prepare(ctx, m, name, p, func(open *officialFiles) ([]weights.Piece, error) {
		switch {
		case r.dreamSim != nil:
			return r.dreamSim.pieces(r, open, p)
		case r.pieces != nil:
			return r.pieces(open, p)
		}
		c, err := open.checkpoint(r.models[0], r.prefix)
		if err != nil {
			return nil, err
		}
		return r.vit.Pieces(r.layout, c, nil, p)
	})
}

// prepareText does so for the text half.
func (r towerRow) prepareText(ctx context.Context, m Models, p nn.Precision) (weights.Prepared, error) {
	return r.prepare(ctx, m, "text", p, func(open *officialFiles) ([]weights.Piece, error) {
		c, err := open.checkpoint(r.models[0], r.prefix)
		if err != nil {
			return nil, err
		}
		return r.text.Pieces(r.layout, c, p)
	})
}

func (r towerRow) prepare(ctx context.Context, m Models, name string, p nn.Precision,
	pieces func(*officialFiles) ([]weights.Piece, error)) (weights.Prepared, error) {
	if p != nn.Float32 {
		name += "-" + string(p)
	}
	var open officialFiles
	done, err := m.Prepare(ctx, r.models, name, towerRecipe, func(files map[string]map[string]string) ([]weights.Piece, error) {
		open.files = files
		return pieces(&open)
	})
	return done, errors.Join(err, open.close())
}

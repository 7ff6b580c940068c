package backbone

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/weights"
)

// goldenTower is a case of testdata/vit.json: a network of the authors, the file
// of its weights, and what it makes of an input.
type goldenTower struct {
	Name, File, Prefix string
	Layout             Layout
	Row                struct {
		ViT
		Text
		Size, Patch, Width, Layers, Heads, MLP int
		Context, Vocabulary, Projection        int
		Activation                             nn.Activation
		Eps                                    float32
		Pool                                   string
	}
	Input   int       // number of the synthetic picture
	IDs     []float32 // or the tokens
	Adapter string
	Rank    int
	Scale   float32
	Want    []float32
	Shape   []int
}

// golden reads testdata/vit.json.
func golden(t testing.TB) (cases []goldenTower, grids []struct {
	From, To, Number int
	Want             []float32
}) {
	t.Helper()
	data, err := os.ReadFile("testdata/vit.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Cases []goldenTower
		Grids []struct {
			From, To, Number int
			Want             []float32
		}
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Cases) < 20 || len(all.Grids) < 2 {
		t.Fatalf("%d cases and %d grids", len(all.Cases), len(all.Grids))
	}
	return all.Cases, all.Grids
}

// vit returns the case's vision row.
func (g goldenTower) vit(t testing.TB) ViT {
	t.Helper()
	pool, ok := map[string]Pool{"normed": ClassNormed, "raw": ClassRaw, "tokens": TokensRaw}[g.Row.Pool]
	if !ok {
		t.Fatalf("%s: pool %q", g.Name, g.Row.Pool)
	}
	r := g.Row
	return ViT{Name: g.Name, Size: r.Size, Patch: r.Patch, Width: r.Width, Layers: r.Layers, Heads: r.Heads, MLP: r.MLP,
		Activation: r.Activation, Eps: r.Eps, PatchBias: r.PatchBias, PreNorm: r.PreNorm, LayerScale: r.LayerScale,
		Pool: pool, Projection: r.Projection, Grid: r.Grid}
}

// text returns the case's text row.
func (g goldenTower) text() Text {
	r := g.Row
	return Text{Name: g.Name, Context: r.Context, Vocabulary: r.Vocabulary, Width: r.Width, Layers: r.Layers, Heads: r.Heads,
		MLP: r.MLP, Activation: r.Activation, Eps: r.Eps, Projection: r.Projection}
}

// open reads a checkpoint of testdata, below a prefix.
func open(t testing.TB, file, prefix string) *weights.Checkpoint {
	t.Helper()
	c, err := weights.Open(file, weights.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if prefix != "" {
		if c, err = c.Sub(prefix); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// source opens the case's checkpoint, and its adapter if it has one.
func (g goldenTower) source(t testing.TB) (Source, *LoRA) {
	t.Helper()
	src := open(t, filepath.Join("testdata", g.File), g.Prefix)
	if g.Adapter == "" {
		return src, nil
	}
	return src, adapter(open(t, filepath.Join("testdata", g.Adapter), ""), g.Rank, g.Scale)
}

func adapter(c *weights.Checkpoint, rank int, scale float32) *LoRA {
	part := func(letter string) func(int) ([]float32, error) {
		return func(block int) ([]float32, error) {
			return c.Float32(fmt.Sprintf("base_model.model.blocks.%d.attn.qkv.lora_%s.weight", block, letter))
		}
	}
	return &LoRA{Scale: scale, Rank: rank, A: part("A"), B: part("B")}
}

// pieces describes the case's prepared file.
func (g goldenTower) pieces(t testing.TB, p nn.Precision) []weights.Piece {
	t.Helper()
	src, lora := g.source(t)
	var list []weights.Piece
	var err error
	if g.IDs != nil {
		list, err = g.text().Pieces(g.Layout, src, p)
	} else {
		list, err = g.vit(t).Pieces(g.Layout, src, lora, p)
	}
	if err != nil {
		t.Fatalf("%s: %v", g.Name, err)
	}
	return list
}

// model builds the case's graph over its prepared file.
func (g goldenTower) model(t testing.TB, p nn.Precision) *onnx.Model {
	t.Helper()
	c := prepared(t, g.pieces(t, p))
	var m *onnx.Model
	var err error
	if g.IDs != nil {
		m, err = g.text().Graph(c, p)
	} else {
		m, err = g.vit(t).Graph(c, p)
	}
	if err != nil {
		t.Fatalf("%s: %v", g.Name, err)
	}
	return m
}

// input returns what the case gives the network.
func (g goldenTower) input() onnx.Tensor {
	if g.IDs != nil {
		return onnx.Tensor{Shape: []int{1, len(g.IDs)}, Data: g.IDs}
	}
	return synthetic(g.Input, 2, 1, 3, g.Row.Size, g.Row.Size)
}

// file writes the pieces as a safetensors file.
func file(t testing.TB, pieces []weights.Piece) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := weights.WriteSafetensors(t.Context(), &buf, pieces, nil); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// prepared writes the pieces to a file and opens it.
func prepared(t testing.TB, pieces []weights.Piece) *weights.Checkpoint {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prepared.safetensors")
	if err := os.WriteFile(path, file(t, pieces), 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, path, "")
}

// apart compares two features: the largest difference over the largest component,
// and one less their cosine.
func apart(t testing.TB, what string, got onnx.Tensor, shape []int, want []float32) (worst, angle float64) {
	t.Helper()
	if !slices.Equal(got.Shape, shape) || len(got.Data) != len(want) {
		t.Fatalf("%s: shape %v of %d values, want %v of %d", what, got.Shape, len(got.Data), shape, len(want))
	}
	var most, dot, aa, bb float64
	for i, w := range want {
		a, b := float64(got.Data[i]), float64(w)
		worst, most = max(worst, math.Abs(a-b)), max(most, math.Abs(b))
		dot, aa, bb = dot+a*b, aa+a*a, bb+b*b
	}
	return worst / most, 1 - dot/math.Sqrt(aa*bb)
}

package metric

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/token"
	"github.com/gen-emerge/assay/weights"
)

// tinyDim is the length of the tiny towers' embeddings.
const tinyDim = 8

func tinyViT() backbone.ViT {
	return backbone.ViT{Name: "tiny", Size: 32, Patch: 16, Grid: 2, Width: 16, Layers: 1, Heads: 2, MLP: 32,
		Activation: nn.GELU, Eps: 1e-5, PreNorm: true, Pool: backbone.ClassNormed, Projection: tinyDim}
}

func tinyText() backbone.Text {
	return backbone.Text{Name: "tiny-text", Context: 77, Vocabulary: 49408, Width: tinyDim, Layers: 1, Heads: 1, MLP: 16,
		Activation: nn.GELU, Eps: 1e-5, Projection: tinyDim}
}

// tinyRow is a complete tower of CLIP in all but size.
func tinyRow(name string) towerRow {
	return clipFile(name, name, backbone.OpenAI, tinyViT(), tinyText(), token.OpenAI)
}

// tinyCache is a cache with one official file, of made-up weights, for each
// tiny tower, and a made-up vocabulary.
func tinyCache(t testing.TB, names ...string) *weights.Cache {
	t.Helper()
	c := &weights.Cache{Dir: t.TempDir()}
	for seed, name := range append([]string{vocabularyModel}, names...) {
		c.Models = append(c.Models, weights.Model{Name: name, Files: []weights.File{{Name: "file", Container: weights.Safetensors}}})
		path := filepath.Join(c.Dir, name, "file")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if name == vocabularyModel {
			if err := os.WriteFile(path, madeVocabulary(t), 0o644); err != nil {
				t.Fatal(err)
			}
		} else {
			writeTiny(t, path, uint64(seed))
		}
		if err := weights.MarkSynthetic(path, uint64(seed)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func writeTiny(t testing.TB, path string, seed uint64) {
	t.Helper()
	specs, err := backbone.InventoryCLIP(tinyViT(), tinyText(), backbone.OpenAI, backbone.Single)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(weights.WriteSafetensors(t.Context(), f, weights.SyntheticPieces(seed, specs), nil), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// madeVocabulary has as many merges as CLIP's, of pairs of letters.
func madeVocabulary(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	fmt.Fprintln(z, "heading")
	var symbols []rune
	for r := rune('!'); r <= '~'; r++ {
		symbols = append(symbols, r)
	}
	for r := rune(0x100); len(symbols) < 94+34; r++ { // control characters
		symbols = append(symbols, r)
	}
	n := 0
	for _, end := range []string{"", "</w>"} {
		for _, a := range symbols {
			for _, b := range symbols {
				fmt.Fprintf(z, "%c %c%s\n", a, b, end)
				n++
			}
		}
	}
	for _, a := range symbols { // three letters, for the rest
		for _, b := range symbols {
			if n < 48894 {
				fmt.Fprintf(z, "%c%c %c\n", a, b, a)
				n++
			}
		}
	}
	if n < 48894 {
		t.Fatalf("only %d merges", n)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// tinyInstrument reads a prompt, 100·cos, on the tiny tower of that name.
func tinyInstrument(name, tower string) towerInstrument {
	row := tinyRow(tower)
	return towerInstrument{
		spec: Spec{Name: name, Version: 1, Kind: OfPrompt, Better: HigherIsBetter, Lo: -100, Hi: 100, MinSide: 1,
			Preparation: promptPreparation(row, ""), Models: []string{tower, vocabularyModel}, Graph: true},
		open: func(ctx context.Context, s *stand) error {
			return s.cosineScore(ctx, row, "", func(cos, _ float64) float64 { return 100 * cos })
		},
	}
}

func (t *Towers) mustOpen(tb testing.TB, c towerInstrument) *Instrument {
	tb.Helper()
	in, err := t.openTowered(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	return in
}

// A countingEngine is an Engine whose runners compute something cheap that
// depends on every input, and that counts what is done to it.
type countingEngine struct {
	t testing.TB

	openings, openNow, mostOpen, visionRuns, textRuns atomic.Int64

	mu     sync.Mutex
	fail   error                                       // of the next Open
	before func(ctx context.Context, image bool) error // every Run calls it first
	result func(image bool, out []float32)             // changes a result
}

func (e *countingEngine) Name() string { return "counting 1 cpu float32" }

func (e *countingEngine) Open(ctx context.Context, m *onnx.Model) (Runner, error) {
	e.openings.Add(1)
	e.mu.Lock()
	err := e.fail
	e.fail = nil
	e.mu.Unlock()
	if err != nil {
		return nil, err
	}
	now := e.openNow.Add(1)
	for most := e.mostOpen.Load(); now > most && !e.mostOpen.CompareAndSwap(most, now); most = e.mostOpen.Load() {
	}
	return &countingRunner{e: e}, nil
}

type countingRunner struct {
	e      *countingEngine
	active atomic.Int64
	closed atomic.Bool
}

func (r *countingRunner) Run(ctx context.Context, in ...onnx.Tensor) ([]onnx.Tensor, error) {
	r.active.Add(1)
	defer r.active.Add(-1)
	if r.closed.Load() {
		r.e.t.Error("a closed runner was run")
	}
	image := len(in[0].Shape) == 4
	if image {
		r.e.visionRuns.Add(1)
	} else {
		r.e.textRuns.Add(1)
	}
	r.e.mu.Lock()
	before, result := r.e.before, r.e.result
	r.e.mu.Unlock()
	if before != nil {
		if err := before(ctx, image); err != nil {
			return nil, err
		}
	}
	out := make([]float32, tinyDim)
	for i, x := range in[0].Data {
		out[i%tinyDim] += float32(math.Sin(float64(x) + float64(i)*0.1))
	}
	if result != nil {
		result(image, out)
	}
	return []onnx.Tensor{{Shape: []int{1, tinyDim}, Data: out}}, ctx.Err()
}

func (r *countingRunner) Close() error {
	if r.active.Load() > 0 {
		r.e.t.Error("a runner was closed while it ran")
	}
	if !r.closed.Swap(true) {
		r.e.openNow.Add(-1)
	} else {
		r.e.t.Error("a runner was closed twice")
	}
	return nil
}

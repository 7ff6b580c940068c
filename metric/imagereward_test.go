package metric

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/weights"
)

// A watchedEngine counts the runs of another by what they are given.
type watchedEngine struct {
	Engine
	vision, text atomic.Int64
}

func (e *watchedEngine) Open(ctx context.Context, m *onnx.Model) (Runner, error) {
	r, err := e.Engine.Open(ctx, m)
	return watchedRunner{r, e}, err
}

type watchedRunner struct {
	Runner
	e *watchedEngine
}

func (r watchedRunner) Run(ctx context.Context, in ...onnx.Tensor) ([]onnx.Tensor, error) {
	if len(in) == 1 {
		r.e.vision.Add(1)
	} else {
		r.e.text.Add(1)
	}
	return r.Runner.Run(ctx, in...)
}

// madePieces is a vocabulary of BERT's structure: letters, and what every word goes
// on with.
func madePieces() []byte {
	lines := make([]string, 30522)
	for i := range lines {
		lines[i] = fmt.Sprintf("[unused%d]", i)
	}
	for id, s := range map[int]string{0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"} {
		lines[id] = s
	}
	for i := range 26 {
		lines[1000+i], lines[1100+i] = string(rune('a'+i)), "##"+string(rune('a'+i))
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

// tinyReward is ImageReward in all but size.
func tinyReward() (towerRow, backbone.Reward) {
	vit, net := backbone.BLIPL16(), backbone.ImageReward()
	vit.Size, vit.Grid, vit.Width, vit.Layers, vit.Heads, vit.MLP = 32, 2, 16, 1, 2, 32
	net.Text.Width, net.Text.Layers, net.Text.Heads, net.Text.MLP, net.Text.Seen = 16, 2, 2, 32, vit.Width
	net.Tokens, net.Head = 5, []int{16, 8, 8, 8, 8, 1}
	return towerRow{name: "tiny reward", models: []string{"reward"}, layout: backbone.BLIP, vit: vit, prep: clipPreparation(vit.Size)}, net
}

// tinyRewardTowers returns towers over a cache with the tiny network's official file,
// and the row that opens it.
func tinyRewardTowers(t *testing.T, opt TowerOptions) (*Towers, *watchedEngine, towerInstrument) {
	t.Helper()
	row, net := tinyReward()
	specs, err := net.Inventory(row.vit)
	if err != nil {
		t.Fatal(err)
	}
	c := &weights.Cache{Dir: t.TempDir()}
	for _, name := range []string{"reward", bertVocabularyModel} {
		c.Models = append(c.Models, weights.Model{Name: name, Files: []weights.File{{Name: name, Container: weights.TorchZip}}})
		path := filepath.Join(c.Dir, name, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if name == "reward" {
			err = weights.WriteTorchZip(t.Context(), f, weights.SyntheticPieces(7, specs), weights.TorchZipOptions{})
		} else {
			_, err = f.Write(madePieces())
		}
		if err := errors.Join(err, f.Close(), weights.MarkSynthetic(path, 7)); err != nil {
			t.Fatal(err)
		}
	}
	e := &watchedEngine{Engine: openLPIPSEngine(t)}
	return NewTowers(c, e, opt), e, towerInstrument{
		spec: Spec{Name: "tiny-reward", Version: 1, Kind: OfPrompt, Better: HigherIsBetter, Lo: math.Inf(-1), Hi: math.Inf(1), MinSide: 1,
			Preparation: row.prep.text, Models: []string{"reward", bertVocabularyModel}, Graph: true},
		open: func(ctx context.Context, s *stand) error { return s.rewards(ctx, row, net) },
	}
}

// TestRewardIsOfTheWhole: the reward depends on picture and prompt; the picture is
// looked at once for all prompts; and what is seen in it is nobody's embedding.
func TestRewardIsOfTheWhole(t *testing.T) {
	towers, e, row := tinyRewardTowers(t, TowerOptions{})
	in := towers.mustOpen(t, row)
	p, q := tinyPicture(), NewPicture(scene(60, 33, 5, 9))
	read := func(p *Picture, prompt string) assay.Reading {
		t.Helper()
		r, err := in.MeasurePrompt(t.Context(), p, prompt)
		if err != nil {
			t.Fatal(err)
		}
		if r.Text != assay.DigestOfText(prompt) || !r.Synthetic || r.Checkpoint == "" {
			t.Errorf("reading %+v does not say what it is of", r)
		}
		return r
	}
	cat, dog, other := read(p, "a cat"), read(p, "a dog"), read(q, "a cat")
	if cat.Value == dog.Value || cat.Value == other.Value || read(p, "A  CÁT").Value != cat.Value {
		t.Errorf("a cat %v, a dog %v, another picture %v, again %v", cat.Value, dog.Value, other.Value, read(p, "A  CÁT").Value)
	}
	if v, x := e.vision.Load(), e.text.Load(); v != 2 || x < 4 {
		t.Errorf("%d looks at 2 pictures for %d prompts", v, x)
	}
	for words, want := range map[int]int{33: 0, 34: 1, 500: 1} {
		r := read(p, strings.Repeat("b ", words))
		if len(r.Warnings) != want || want == 1 && !strings.Contains(r.Warnings[0], "longer than the 35 tokens") {
			t.Errorf("%d words: warnings %q", words, r.Warnings)
		}
	}
	full := strings.Repeat("b ", 33)
	if a, b := read(p, full+"c"), read(p, full+"d e f"); a.Value != b.Value || a.Value != read(p, full).Value {
		t.Errorf("what is cut off counts: %v, %v", a.Value, b.Value)
	}
	if ids := in.TowerIdentities(); len(ids) != 0 || in.Embeds() {
		t.Errorf("embeddings %v, Embeds %v", ids, in.Embeds())
	}
	if e, err := in.Embeddings(t.Context(), p); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("Embeddings: %v, %v, want ErrInvalid", e, err)
	}
	for _, bad := range []string{"", " \n", "\xff"} {
		if _, err := in.MeasurePrompt(t.Context(), p, bad); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("prompt %q: %v, want ErrInvalid", bad, err)
		}
	}
	if err := errors.Join(in.Close(), towers.Close()); err != nil {
		t.Error(err)
	}
}

// TestRewardExercise: what is timed is both networks, and that is what is counted.
func TestRewardExercise(t *testing.T) {
	towers, e, row := tinyRewardTowers(t, TowerOptions{})
	in := towers.mustOpen(t, row)
	defer in.Close()
	if err := in.Exercise(t.Context(), tinyPicture()); err != nil || e.vision.Load() != 1 || e.text.Load() != 1 {
		t.Errorf("%v; %d looks, %d texts", err, e.vision.Load(), e.text.Load())
	}
	tower, net := tinyReward()
	if rest := in.Flops() - tower.vit.Flops(); rest < net.Flops(10) || rest > net.Flops(imageRewardTokens) {
		t.Errorf("%v operations, of which %v are the tower's", in.Flops(), tower.vit.Flops())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := in.Exercise(ctx, tinyPicture()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	// Of others it is the embeddings, and of formulas nothing.
	c := &countingEngine{t: t}
	clip := NewTowers(tinyCache(t, "tiny"), c, TowerOptions{}).mustOpen(t, tinyInstrument("a", "tiny"))
	defer clip.Close()
	if err := clip.Exercise(t.Context(), tinyPicture()); err != nil || c.visionRuns.Load() != 1 || c.textRuns.Load() != 0 {
		t.Errorf("%v; %d looks, %d texts", err, c.visionRuns.Load(), c.textRuns.Load())
	}
	if err := openLayout().Exercise(t.Context(), tinyPicture()); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("a formula: %v", err)
	}
}

// TestRewardInt8: the other precision is another reading, and near.
func TestRewardInt8(t *testing.T) {
	var values []float64
	var runtimes []string
	for _, p := range []nn.Precision{nn.Float32, nn.Int8} {
		towers, _, row := tinyRewardTowers(t, TowerOptions{Precision: p})
		in := towers.mustOpen(t, row)
		r, err := in.MeasurePrompt(t.Context(), tinyPicture(), "a cat")
		if err := errors.Join(err, in.Close()); err != nil {
			t.Fatal(err)
		}
		values, runtimes = append(values, r.Value), append(runtimes, r.Runtime)
	}
	if d := math.Abs(values[0] - values[1]); d == 0 || d > 0.2 || runtimes[0] == runtimes[1] {
		t.Errorf("%v by %q", values, runtimes)
	}
}

// TestRewardRefuses: what is missing or broken is said by name.
func TestRewardRefuses(t *testing.T) {
	for model, change := range map[string]func(path string) error{
		bertVocabularyModel: func(path string) error { return os.WriteFile(path, []byte("x\n"), 0o644) },
		"reward":            func(path string) error { return os.Truncate(path, 1000) },
	} {
		towers, _, row := tinyRewardTowers(t, TowerOptions{})
		path := filepath.Join(towers.models.(*weights.Cache).Dir, model, model)
		if err := errors.Join(change(path), weights.MarkSynthetic(path, 7)); err != nil {
			t.Fatal(err)
		}
		if _, err := towers.openTowered(t.Context(), row); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s is broken: %v", model, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := towers.openTowered(t.Context(), row); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), model) {
			t.Errorf("%s is missing: %v", model, err)
		}
		if len(towers.pool.slots) != 0 {
			t.Errorf("%s: %d networks are still held", model, len(towers.pool.slots))
		}
	}
	spec, ok := Find("imagereward")
	if !ok || spec.Kind != OfPrompt || len(spec.Models) != 2 || !Synthesizable("imagereward") || Synthesizable(bertVocabularyModel) {
		t.Errorf("catalogue: %+v", spec)
	}
}

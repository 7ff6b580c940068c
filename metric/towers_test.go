package metric

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/weights"
)

func tinyPicture() *Picture { return NewPicture(scene(48, 40, 3, 25)) }

// TestTowersAreShared: nothing is opened before it is needed; then once for all
// instruments, and a picture or a text is looked at once.
func TestTowersAreShared(t *testing.T) {
	e := &countingEngine{t: t}
	towers := NewTowers(tinyCache(t, "tiny"), e, TowerOptions{})
	a, b := towers.mustOpen(t, tinyInstrument("a", "tiny")), towers.mustOpen(t, tinyInstrument("b", "tiny"))
	if e.openings.Load() != 0 {
		t.Errorf("%d networks were opened before any was needed", e.openings.Load())
	}
	p := tinyPicture()
	var values []float64
	for _, in := range []*Instrument{a, b, a} {
		r, err := in.MeasurePrompt(t.Context(), p, "a cat")
		if err != nil {
			t.Fatal(err)
		}
		if r.Text != assay.DigestOfText("a cat") || !r.Synthetic || r.Runtime != e.Name() || r.Checkpoint == "" {
			t.Errorf("reading %+v does not say what it is of", r)
		}
		values = append(values, r.Value)
	}
	if values[0] != values[1] || values[0] != values[2] || values[0] == 0 {
		t.Errorf("values %v, want the same thrice", values)
	}
	if o, v, x := e.openings.Load(), e.visionRuns.Load(), e.textRuns.Load(); o != 2 || v != 1 || x != 1 {
		t.Errorf("%d openings, %d pictures and %d texts read; want 2, 1 and 1", o, v, x)
	}
	if _, err := a.MeasurePrompt(t.Context(), p, "a dog"); err != nil || e.visionRuns.Load() != 1 || e.textRuns.Load() != 2 {
		t.Errorf("another text: %v; %d pictures, %d texts", err, e.visionRuns.Load(), e.textRuns.Load())
	}
	if err := a.Close(); err != nil || e.openNow.Load() != 2 {
		t.Errorf("closing one of two: %v, %d open, want 2", err, e.openNow.Load())
	}
	if err := errors.Join(b.Close(), towers.Close()); err != nil || e.openNow.Load() != 0 {
		t.Errorf("closing both: %v, %d open", err, e.openNow.Load())
	}
}

// TestTowersConcurrently: many goroutines, one picture: one run; run with -race.
func TestTowersConcurrently(t *testing.T) {
	e := &countingEngine{t: t}
	towers := NewTowers(tinyCache(t, "tiny", "other"), e, TowerOptions{Budget: 1}) // everything that is idle is closed
	list := []*Instrument{towers.mustOpen(t, tinyInstrument("a", "tiny")), towers.mustOpen(t, tinyInstrument("b", "tiny")),
		towers.mustOpen(t, tinyInstrument("c", "other"))}
	pictures := []*Picture{tinyPicture(), NewPicture(scene(60, 33, 5, 9)), NewPicture(scene(33, 60, 6, 9))}
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			in := list[i%3]
			if _, err := in.MeasurePrompt(t.Context(), pictures[i/3%3], fmt.Sprint("text ", i%2)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if v, x := e.visionRuns.Load(), e.textRuns.Load(); v != 6 || x != 4 {
		t.Errorf("%d pictures and %d texts read, want 2·3 and 2·2", v, x)
	}
	for _, in := range list {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := towers.Close(); err != nil || e.openNow.Load() != 0 {
		t.Errorf("%v, %d still open", err, e.openNow.Load())
	}
}

// TestCancelledEmbedding: who is cancelled gets an error at once; who waited for
// the same embedding computes it; and neither errors nor cancellations stay.
func TestCancelledEmbedding(t *testing.T) {
	e := &countingEngine{t: t}
	towers := NewTowers(tinyCache(t, "tiny"), e, TowerOptions{})
	in := towers.mustOpen(t, tinyInstrument("a", "tiny"))
	defer in.Close()
	synctest.Test(t, func(t *testing.T) {
		p := tinyPicture()
		e.before = func(ctx context.Context, image bool) error { // stands until somebody gives up
			if image && ctx.Value(patient{}) == nil {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { _, err := in.Embeddings(ctx, p); first <- err }()
		synctest.Wait() // the first runs
		go func() {
			_, err := in.Embeddings(context.WithValue(t.Context(), patient{}, 1), p)
			second <- err
		}()
		synctest.Wait() // the second waits for it
		waiter, giveUp := context.WithCancel(t.Context())
		third := make(chan error, 1)
		go func() { _, err := in.Embeddings(waiter, p); third <- err }()
		synctest.Wait()
		giveUp()
		if err := <-third; !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up waiting: %v", err)
		}
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("who was cancelled: %v", err)
		}
		if err := <-second; err != nil {
			t.Errorf("who waited: %v", err)
		}
		if _, err := in.Embeddings(t.Context(), p); err != nil || e.visionRuns.Load() != 2 {
			t.Errorf("afterwards: %v, %d runs, want 2", err, e.visionRuns.Load())
		}
	})
}

// patient marks a context whose caller does not give up.
type patient struct{}

// TestTowerErrorsAreForgotten: a failure to open or to run is told, and tried again.
func TestTowerErrorsAreForgotten(t *testing.T) {
	e := &countingEngine{t: t, fail: errors.New("no memory")}
	towers := NewTowers(tinyCache(t, "tiny"), e, TowerOptions{})
	in := towers.mustOpen(t, tinyInstrument("a", "tiny"))
	defer in.Close()
	p := tinyPicture()
	if _, err := in.MeasurePrompt(t.Context(), p, "a"); err == nil || !strings.Contains(err.Error(), "no memory") {
		t.Errorf("opening: %v", err)
	}
	e.before = func(context.Context, bool) error { return errors.New("broken") }
	if _, err := in.MeasurePrompt(t.Context(), p, "a"); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("running: %v", err)
	}
	e.before = nil
	if _, err := in.MeasurePrompt(t.Context(), p, "a"); err != nil {
		t.Errorf("the third time: %v", err)
	}
}

// TestTowerBudget: what is idle is closed to make room, the longest idle first;
// what is in use is not, and comes back when needed.
func TestTowerBudget(t *testing.T) {
	e := &countingEngine{t: t}
	cache := tinyCache(t, "one", "two", "three")
	probe := NewTowers(cache, e, TowerOptions{})
	in := probe.mustOpen(t, tinyInstrument("a", "one"))
	info, err := os.Stat(in.towers[0].path)
	if err != nil {
		t.Fatal(err)
	}
	in.Close()

	towers := NewTowers(cache, e, TowerOptions{Budget: 2*info.Size() + info.Size()/2}) // two towers
	var list []*Instrument
	for _, name := range []string{"one", "two", "three"} {
		list = append(list, towers.mustOpen(t, tinyInstrument(name, name)))
	}
	see := func(in *Instrument) {
		t.Helper()
		if _, err := in.Embeddings(t.Context(), tinyPicture()); err != nil {
			t.Fatal(err)
		}
	}
	openings := func(want int64, why string) {
		t.Helper()
		if got := e.openings.Load(); got != want {
			t.Errorf("%s: %d openings, want %d", why, got, want)
		}
	}
	see(list[0])
	see(list[1])
	see(list[0]) // now two is the longest idle
	openings(2, "two fit")
	see(list[2])
	openings(3, "the third")
	see(list[0])
	openings(3, "the first stayed")
	see(list[1])
	openings(4, "the second had been closed")
	if most := e.mostOpen.Load(); most != 2 {
		t.Errorf("%d open at once, want 2", most)
	}

	// One that runs is not closed, though the others do not fit beside it.
	e.before = func(ctx context.Context, image bool) error {
		e.mu.Lock()
		e.before = nil
		e.mu.Unlock()
		see(list[0])
		see(list[2])
		return nil
	}
	see(list[1])
	if err := towers.Close(); err != nil || e.openNow.Load() != 0 {
		t.Errorf("closing: %v, %d open", err, e.openNow.Load())
	}
	if _, err := list[0].Embeddings(t.Context(), tinyPicture()); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("after closing: %v", err)
	}
	for _, in := range list {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestRecall: a stored embedding stands in for a run if, and only if, its
// identity is the tower's; a damaged one is an error.
func TestRecall(t *testing.T) {
	e := &countingEngine{t: t}
	in := NewTowers(tinyCache(t, "tiny"), e, TowerOptions{}).mustOpen(t, tinyInstrument("a", "tiny"))
	defer in.Close()
	stored, err := in.Embeddings(t.Context(), tinyPicture())
	if err != nil || len(stored) != 1 || stored[0].Instrument != "tiny" || !stored[0].Synthetic {
		t.Fatalf("%+v, %v", stored, err)
	}
	if ids := in.TowerIdentities(); !slices.Equal(ids, []assay.Identity{stored[0].Identity}) {
		t.Errorf("identities %+v are not the embedding's", ids)
	}
	want := slices.Clone(stored[0].Vector)
	p := tinyPicture()
	p.Recall(stored[0])
	clear(stored[0].Vector) // the picture has its own
	again, err := in.Embeddings(t.Context(), p)
	if err != nil || !slices.Equal(again[0].Vector, want) || e.visionRuns.Load() != 1 {
		t.Errorf("recalled: %v, %v after %d runs", again, err, e.visionRuns.Load())
	}
	clear(again[0].Vector) // and gives copies
	if r, err := in.MeasurePrompt(t.Context(), p, "x"); err != nil || e.visionRuns.Load() != 1 {
		t.Errorf("measured after %d runs: %v, %v", e.visionRuns.Load(), r, err)
	}
	for what, change := range map[string]func(*assay.Embedding){
		"runtime":     func(e *assay.Embedding) { e.Runtime += " int8 per row" },
		"checkpoint":  func(e *assay.Embedding) { e.Checkpoint = "f" + e.Checkpoint[1:] },
		"preparation": func(e *assay.Embedding) { e.Preparation += "." },
		"synthetic":   func(e *assay.Embedding) { e.Synthetic = false },
	} {
		other := assay.Embedding{Identity: stored[0].Identity, Vector: make([]float32, tinyDim)}
		change(&other)
		p := tinyPicture()
		p.Recall(other)
		if got, err := in.Embeddings(t.Context(), p); err != nil || !slices.Equal(got[0].Vector, want) {
			t.Errorf("an embedding of another %s was used: %v", what, err)
		}
	}
	for what, v := range map[string][]float32{"zero": make([]float32, tinyDim), "short": {1}, "NaN": {1, 2, 3, 4, 5, 6, 7, float32(math.NaN())}} {
		p := tinyPicture()
		p.Recall(assay.Embedding{Identity: stored[0].Identity, Vector: v})
		if _, err := in.Embeddings(t.Context(), p); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("a stored embedding that is %s: %v", what, err)
		}
	}
}

// TestUnusableEmbeddings: what has no direction is an error, never a NaN.
func TestUnusableEmbeddings(t *testing.T) {
	e := &countingEngine{t: t}
	in := NewTowers(tinyCache(t, "tiny"), e, TowerOptions{}).mustOpen(t, tinyInstrument("a", "tiny"))
	defer in.Close()
	for what, value := range map[string]float32{"zero": 0, "not a number": float32(math.NaN()), "infinite": float32(math.Inf(1))} {
		for _, ofImage := range []bool{true, false} {
			e.result = func(image bool, out []float32) {
				if image == ofImage {
					for i := range out {
						out[i] = value
					}
				}
			}
			if r, err := in.MeasurePrompt(t.Context(), tinyPicture(), fmt.Sprint(what, ofImage)); !errors.Is(err, assay.ErrInvalid) {
				t.Errorf("%s embedding (of the image: %v): %v, %v", what, ofImage, r.Value, err)
			}
		}
	}
}

// TestPrompts: what is no prompt is refused, and one that is cut says so.
func TestPrompts(t *testing.T) {
	e := &countingEngine{t: t}
	in := NewTowers(tinyCache(t, "tiny"), e, TowerOptions{}).mustOpen(t, tinyInstrument("a", "tiny"))
	defer in.Close()
	p := tinyPicture()
	for _, bad := range []string{"", " \n\t", "a\xffb"} {
		if _, err := in.MeasurePrompt(t.Context(), p, bad); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("prompt %q: %v", bad, err)
		}
	}
	r, err := in.MeasurePrompt(t.Context(), p, strings.Repeat("1 ", 100))
	if err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "77 tokens") {
		t.Errorf("a long prompt: %q, %v", r.Warnings, err)
	}
	if r, err := in.MeasurePrompt(t.Context(), p, strings.Repeat("1 ", 75)); err != nil || len(r.Warnings) != 0 {
		t.Errorf("75 tokens: %q, %v", r.Warnings, err)
	}
	if _, err := in.Measure(t.Context(), p); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "MeasurePrompt") {
		t.Errorf("without a prompt: %v", err)
	}
	formula, _ := OpenFormula("entropy")
	if _, err := formula.MeasurePrompt(t.Context(), p, "x"); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("a prompt for entropy: %v", err)
	}
	if _, err := formula.Embeddings(t.Context(), p); !errors.Is(err, assay.ErrInvalid) || formula.TowerIdentities() != nil {
		t.Errorf("embeddings of entropy: %v", err)
	}
}

// TestTextsAreBounded: the oldest texts are forgotten, not the newest.
func TestTextsAreBounded(t *testing.T) {
	e := &countingEngine{t: t}
	towers := NewTowers(tinyCache(t, "tiny"), e, TowerOptions{})
	towers.texts.limit = 3
	in := towers.mustOpen(t, tinyInstrument("a", "tiny"))
	defer in.Close()
	p := tinyPicture()
	for i, want := range []int64{1, 2, 3, 3, 4, 4, 5} { // texts read so far
		text := []string{"a", "b", "c", "a", "d", "a", "b"}[i]
		if _, err := in.MeasurePrompt(t.Context(), p, text); err != nil {
			t.Fatal(err)
		}
		if got := e.textRuns.Load(); got != want {
			t.Errorf("after %q, number %d: %d texts read, want %d", text, i, got, want)
		}
	}
	if len(towers.texts.calls) != 3 {
		t.Errorf("%d texts kept, want 3", len(towers.texts.calls))
	}
}

// TestPrecision: int8 is another runtime of the same preparation, over another
// file.
func TestPrecision(t *testing.T) {
	cache, e := tinyCache(t, "tiny"), &countingEngine{t: t}
	full := NewTowers(cache, e, TowerOptions{}).mustOpen(t, tinyInstrument("a", "tiny"))
	small := NewTowers(cache, e, TowerOptions{Precision: nn.Int8}).mustOpen(t, tinyInstrument("a", "tiny"))
	defer full.Close()
	defer small.Close()
	a, b := full.Identity(), small.Identity()
	if b.Runtime != "counting 1 cpu int8 per row" || a.Preparation != b.Preparation || a.Checkpoint == b.Checkpoint {
		t.Errorf("float32 is %+v, int8 %+v", a, b)
	}
	if _, err := small.MeasurePrompt(t.Context(), tinyPicture(), "a"); err != nil {
		t.Error(err)
	}
	_, err := NewTowers(cache, e, TowerOptions{Precision: "float8"}).openTowered(t.Context(), tinyInstrument("a", "tiny"))
	if !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("float8: %v", err)
	}
}

// A packedEngine has an operator for packed weights, of the given name.
type packedEngine struct {
	*countingEngine
	name string
}

func (e packedEngine) Packed() string { return e.name }

// TestPackedEngine: towers on an engine with the operator read a packed file and
// say so, and their checkpoint is called what it is called elsewhere.
func TestPackedEngine(t *testing.T) {
	cache, e := tinyCache(t, "tiny"), &countingEngine{t: t}
	id := func(e Engine, p nn.Precision) assay.Identity {
		in := NewTowers(cache, e, TowerOptions{Precision: p}).mustOpen(t, tinyInstrument("a", "tiny"))
		defer in.Close()
		if _, err := in.MeasurePrompt(t.Context(), tinyPicture(), "a"); err != nil {
			t.Error(err)
		}
		return in.Identity()
	}
	plain := id(e, nn.Float32)
	want := plain
	want.Runtime = "counting 1 cpu float32, op 7"
	if got := id(packedEngine{e, "op 7"}, nn.Float32); got != want {
		t.Errorf("packed it is %+v, want %+v", got, want)
	}
	if got := id(packedEngine{e, ""}, nn.Float32); got != plain {
		t.Errorf("on a processor without the operator it is %+v, want %+v", got, plain)
	}
	if got := id(packedEngine{e, "op 7"}, nn.Int8); got.Runtime != "counting 1 cpu int8 per row" {
		t.Errorf("int8 has nothing to do with it: %+v", got)
	}
	found, err := filepath.Glob(filepath.Join(cache.Dir, "tiny", "prepared", "*-packed-v*.safetensors"))
	if err != nil || len(found) != 2 {
		t.Errorf("packed files are %q, want one of each half", found)
	}
	if err := cache.Verify(t.Context(), "tiny"); err != nil {
		t.Error(err)
	}
	if _, err := NewTowers(cache, e, TowerOptions{Precision: nn.Packed}).openTowered(t.Context(), tinyInstrument("a", "tiny")); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("packed as a user's choice: %v", err)
	}
}

// TestTowersOnTheRuntime: the tiny network itself runs over its prepared file,
// float32 and int8, from many goroutines, and means nearly the same.
func TestTowersOnTheRuntime(t *testing.T) {
	e, cache := openLPIPSEngine(t), tinyCache(t, "tiny")
	var vectors [][]float32
	for _, p := range []nn.Precision{nn.Float32, nn.Int8} {
		in := NewTowers(cache, e, TowerOptions{Precision: p}).mustOpen(t, tinyInstrument("a", "tiny"))
		var wg sync.WaitGroup
		results := make([][]float32, 4)
		for i := range results {
			wg.Go(func() {
				got, err := in.Embeddings(t.Context(), tinyPicture())
				if err != nil {
					t.Error(err)
					return
				}
				results[i] = got[0].Vector
				if r, err := in.MeasurePrompt(t.Context(), tinyPicture(), fmt.Sprint("a cat ", i)); err != nil {
					t.Error(r, err)
				}
			})
		}
		wg.Wait()
		for _, r := range results {
			if !slices.Equal(r, results[0]) {
				t.Errorf("%s: two runs of one picture differ", p)
			}
		}
		vectors = append(vectors, results[0])
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
	cos, err := cosine(vectors[0], vectors[1])
	if err != nil || cos < 0.99 || cos == 1 {
		t.Errorf("cosine of float32 and int8 is %v, %v", cos, err)
	}
}

// TestOpenWithoutModels: every instrument of the catalogue says what it lacks.
func TestOpenWithoutModels(t *testing.T) {
	e := &countingEngine{t: t}
	for _, c := range towered() {
		empty := &weights.Cache{Dir: t.TempDir()}
		_, err := NewTowers(empty, e, TowerOptions{}).Open(t.Context(), c.spec.Name)
		if !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), c.spec.Models[0]) {
			t.Errorf("%s without its model: %v", c.spec.Name, err)
		}
		if _, err := Open(t.Context(), c.spec.Name, files{"a": "b"}, nil); !errors.Is(err, assay.ErrUnavailable) {
			t.Errorf("%s without an engine: %v", c.spec.Name, err)
		}
		if _, err := Open(t.Context(), c.spec.Name, nil, e); !errors.Is(err, assay.ErrUnavailable) {
			t.Errorf("%s without models: %v", c.spec.Name, err)
		}
	}
}

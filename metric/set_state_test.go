package metric

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/weights"
)

// throughFile writes a state and reads it back.
func throughFile(t testing.TB, rows ...*FeatureSet) []*FeatureSet {
	t.Helper()
	path := filepath.Join(t.TempDir(), "set.state")
	if err := SaveState(t.Context(), path, rows); err != nil {
		t.Fatal(err)
	}
	got, err := ReadState(path)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func mustSet(t testing.TB, name string) SetSpec {
	t.Helper()
	s, err := FindSet(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// cutSet divides a set into parts, image by image, as label says.
func cutSet(s *FeatureSet, parts int, label func(i int) int) []*FeatureSet {
	out := make([]*FeatureSet, parts)
	for p := range out {
		c := *s
		c.Digests, c.Features = nil, nil
		out[p] = &c
	}
	for i, d := range s.Digests {
		p := out[label(i)]
		p.Digests, p.Features = append(p.Digests, d), append(p.Features, s.Rows().Row(i)...)
	}
	return slices.DeleteFunc(out, func(p *FeatureSet) bool { return len(p.Digests) == 0 })
}

// TestMergeIsOnePass: whatever the parts and their order, merged states give what
// one pass gives: vectors bit for bit, moments within 1e-9.
func TestMergeIsOnePass(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	// Means far from zero, where naive sums lose digits.
	noise := func(int) []float64 { return eightOf(func(j float64) float64 { return 100*j + rng.NormFloat64() }) }
	x, y := setOf("test", "x", 97, noise), setOf("test", "y", 60, noise)
	whole := setValue(t, "fid", "fid", asMoments(t, x), y, SetOptions{}).Value
	for parts := 1; parts <= 12; parts++ {
		for name, label := range map[string]func(int) int{
			"in turn": func(i int) int { return i % parts },
			"in rows": func(i int) int { return i * parts / 97 },
			"random":  func(int) int { return rng.IntN(parts) },
			"uneven":  func(i int) int { return min(i/3, parts-1) },
		} {
			pieces := cutSet(x, parts, label)
			rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
			var kept, sums []*FeatureSet
			for _, p := range pieces {
				kept, sums = append(kept, throughFile(t, p)...), append(sums, throughFile(t, asMoments(t, p))...)
			}
			got, err := MergeSets(t.Context(), kept...)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Features, x.Features) || !slices.Equal(got.Digests, x.Digests) {
				t.Errorf("%d parts %s: the vectors are not those of one pass", parts, name)
			}
			m, err := MergeSets(t.Context(), sums...)
			if err != nil {
				t.Fatal(err)
			}
			if v := setValue(t, "fid", "fid", m, y, SetOptions{}).Value; math.Abs(v-whole) > 1e-9*whole {
				t.Errorf("%d parts %s: fid %v from merged moments, %v in one pass", parts, name, v, whole)
			}
			if m.Digest() != x.Digest() || m.Len() != x.Len() {
				t.Errorf("%d parts %s: another set: %d images", parts, name, m.Len())
			}
		}
	}
}

// TestMergeRefuses: what cannot be one set is refused, with the reason.
func TestMergeRefuses(t *testing.T) {
	x := setOf("test", "x", 10, sineRow)
	halves := cutSet(x, 2, func(i int) int { return i / 5 })
	change := func(f func(*FeatureSet)) *FeatureSet {
		c := *halves[1]
		f(&c)
		return &c
	}
	for want, part := range map[string]*FeatureSet{
		"checkpoints":         change(func(s *FeatureSet) { s.Checkpoint = "1234" }),
		"preparations":        change(func(s *FeatureSet) { s.Preparation = "other" }),
		"runtimes":            change(func(s *FeatureSet) { s.Runtime = "onnxruntime 1" }),
		"versions":            change(func(s *FeatureSet) { s.Version = 2 }),
		"features":            change(func(s *FeatureSet) { s.Instrument = "other" }),
		"synthetic":           change(func(s *FeatureSet) { s.Synthetic = true }),
		"euclidean":           change(func(s *FeatureSet) { s.Space = Euclidean }),
		"two states":          asMoments(t, x), // overlaps
		"saw different":       change(func(s *FeatureSet) { s.Digests = halves[0].Digests }),
		"images that are not": {Identity: x.Identity, Space: x.Space, Dim: x.Dim, Moments: asMoments(t, x).Moments, Published: "abcd"},
	} {
		_, err := MergeSets(t.Context(), halves[0], part)
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, assay.ErrConflict) && !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: error %v", want, err)
		}
	}
	// The same image in two states of vectors counts once; rounding is forgiven,
	// and which vector stays does not depend on the order.
	near := change(func(s *FeatureSet) {
		s.Digests, s.Features = halves[0].Digests, slices.Clone(halves[0].Features)
		s.Features[3] *= 1 + 1e-6
	})
	a, err := MergeSets(t.Context(), halves[0], near)
	b, err2 := MergeSets(t.Context(), near, halves[0])
	if err != nil || err2 != nil || a.Len() != 5 || !slices.Equal(a.Features, b.Features) {
		t.Errorf("the same images twice: %d images, %v, %v", a.Len(), err, err2)
	}
	rows := func(s *FeatureSet, names ...string) (out []*FeatureSet) {
		for _, n := range names {
			c := *s
			c.Instrument = n
			out = append(out, &c)
		}
		return out
	}
	if _, err := MergeStates(t.Context(), rows(halves[0], "a", "b"), rows(halves[1], "a")); !errors.Is(err, assay.ErrConflict) || !strings.Contains(err.Error(), "features of b") {
		t.Errorf("a state without a row: %v", err)
	}
	if got, err := MergeStates(t.Context(), rows(halves[0], "b", "a"), rows(halves[1], "a", "b")); err != nil || len(got) != 2 || got[0].Instrument != "a" || got[0].Len() != 10 {
		t.Errorf("two rows: %v, %v", got, err)
	}
}

// TestBuilder: vectors or moments, in the order of the digests and no other.
func TestBuilder(t *testing.T) {
	x := setOf("layout", "x", 600, func(i int) []float64 { return append(sineRow(i), cosineRow(i)...) })
	for _, keep := range []bool{true, false} {
		b := NewSetBuilder(&Instrument{Spec: Spec{Name: "layout", Version: 1, Preparation: "none", Space: Cosine}, Runtime: goRuntime}, 600, keep)
		if _, err := b.Set(t.Context()); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("an empty set: %v", err)
		}
		for i, d := range x.Digests {
			if err := b.Add(t.Context(), d, x.Rows().Row(i)); err != nil {
				t.Fatal(err)
			}
			if err := b.Add(t.Context(), d, x.Rows().Row(i)); !errors.Is(err, assay.ErrInvalid) {
				t.Fatalf("the same image twice: %v", err)
			}
		}
		if err := b.Add(t.Context(), x.Digests[599], nil); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("a vector of no numbers: %v", err)
		}
		got, err := b.Set(t.Context())
		if err != nil || got.Len() != 600 || got.Identity != x.Identity || (got.Features != nil) != keep {
			t.Fatalf("%v, %v", got, err)
		}
		if keep && !slices.Equal(got.Features, x.Features) {
			t.Error("other vectors")
		}
		if want := asMoments(t, x).Moments; !keep && (got.Moments.N != 600 || math.Abs(got.Moments.Scatter[1]-want.Scatter[1]) > 1e-9) {
			t.Errorf("other moments: %v, want %v", got.Moments.Scatter[1], want.Scatter[1])
		}
	}
}

// TestStateFile: the same rows give the same bytes, and a file that was changed is
// refused or is another set.
func TestStateFile(t *testing.T) {
	x := setOf("test", "x", 5, sineRow)
	other := asMoments(t, setOf("other", "x", 5, cosineRow))
	var a, b bytes.Buffer
	for _, w := range []*bytes.Buffer{&a, &b} {
		if err := WriteState(t.Context(), w, []*FeatureSet{x, other}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same rows gave two files")
	}
	got := throughFile(t, x, other)
	if len(got) != 2 || got[0].Identity != x.Identity || got[0].Space != x.Space || !slices.Equal(got[0].Features, x.Features) ||
		!slices.Equal(got[1].Moments.Scatter, other.Moments.Scatter) || got[1].Moments.N != 5 || !slices.Equal(got[1].Digests, x.Digests) {
		t.Errorf("read back: %+v", got)
	}
	if err := WriteState(t.Context(), &a, []*FeatureSet{x, x}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("a row twice: %v", err)
	}
	path := filepath.Join(t.TempDir(), "s")
	for n := range b.Len() { // cut short anywhere
		if n%7 != 0 && n > 64 {
			continue
		}
		if err := os.WriteFile(path, b.Bytes()[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadState(path); !errors.Is(err, assay.ErrInvalid) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	if _, err := ReadState(filepath.Join(t.TempDir(), "none")); !errors.Is(err, assay.ErrNotFound) {
		t.Errorf("no file: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := SaveState(ctx, path, got); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".s*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// hostileStates are files that break one rule each; the key is in the error.
func hostileStates(t testing.TB) map[string][]byte {
	x := setOf("test", "x", 3, sineRow)
	good := func() ([]weights.Piece, map[string]string) {
		pieces := statePieces("0.", x)
		return pieces, map[string]string{stateKey: stateVersion, "0": `{"instrument":"test","version":1,"preparation":"none","runtime":"go","space":"cosine","dim":8,"images":3}`}
	}
	write := func(change func(p *[]weights.Piece, meta map[string]string)) []byte {
		pieces, meta := good()
		change(&pieces, meta)
		var buf bytes.Buffer
		if err := weights.WriteSafetensors(context.Background(), &buf, pieces, meta); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	describe := func(old, new string) []byte {
		return write(func(_ *[]weights.Piece, meta map[string]string) { meta["0"] = strings.Replace(meta["0"], old, new, 1) })
	}
	raw := func(i int, data []byte) []byte {
		return write(func(p *[]weights.Piece, _ map[string]string) {
			(*p)[i].Make = func() ([]byte, error) { return data, nil }
		})
	}
	nan := weights.Float32Bytes(make([]float32, 24))
	copy(nan[40:], []byte{0, 0, 0xc0, 0x7f})
	moments := func(scatter float64) []byte {
		return write(func(p *[]weights.Piece, meta map[string]string) {
			m := *asMoments(t, x)
			m.Moments.Scatter[9] = scatter
			*p = statePieces("0.", &m)
		})
	}
	return map[string][]byte{
		"":                 write(func(*[]weights.Piece, map[string]string) {}),
		"not a state":      write(func(_ *[]weights.Piece, meta map[string]string) { delete(meta, stateKey) }),
		"version \"2\"":    write(func(_ *[]weights.Piece, meta map[string]string) { meta[stateKey] = "2" }),
		"none is called 0": write(func(_ *[]weights.Piece, meta map[string]string) { meta["1"] = meta["0"]; delete(meta, "0") }),
		"appear twice": write(func(p *[]weights.Piece, meta map[string]string) {
			meta["1"] = meta["0"]
			*p = append(*p, statePieces("1.", x)...)
		}),
		"unknown field":              describe(`"dim"`, `"dims"`),
		"description":                describe(`{`, `[`),
		"want float32 [3 9]":         describe(`"dim":8`, `"dim":9`),
		"space":                      describe("cosine", "taxicab"),
		"no instrument":              describe(`"test"`, `""`),
		"want uint8":                 describe(`"images":3`, `"images":4`),
		"-1 images":                  describe(`"images":3`, `"images":-1`),
		"4611686018427387904 images": describe(`"images":3`, `"images":4611686018427387904`),
		"tensors where":              write(func(p *[]weights.Piece, _ map[string]string) { q := (*p)[0]; q.Name = "stowaway"; *p = append(*p, q) }),
		"is missing":                 write(func(p *[]weights.Piece, _ map[string]string) { *p = (*p)[1:] }),
		"not after":                  raw(0, make([]byte, 96)),
		"number 10 is NaN":           raw(1, nan),
		"negative":                   moments(-1),
		"number 8 is +Inf":           moments(math.Inf(1)),
	}
}

// TestHostileStates: each is refused, and says why.
func TestHostileStates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hostile.state")
	for want, data := range hostileStates(t) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadState(path)
		switch {
		case want == "":
			if err != nil {
				t.Errorf("the file that the others were made of: %v", err)
			}
		case err == nil || !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path):
			t.Errorf("want an error with %q: %v", want, err)
		}
	}
}

// FuzzReadState holds that whatever a file says, reading it ends in an error that
// wraps ErrInvalid, or in rows that can be written again and measured.
func FuzzReadState(f *testing.F) {
	for _, data := range hostileStates(f) {
		f.Add(data)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "fuzz.state")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		rows, err := ReadState(path)
		if err != nil {
			if !errors.Is(err, assay.ErrInvalid) {
				t.Fatalf("%v", err)
			}
			return
		}
		var buf bytes.Buffer
		if len(rows) == 0 {
			t.Fatal("no rows and no error")
		}
		if err := WriteState(t.Context(), &buf, rows); err != nil {
			t.Fatalf("a state that was read cannot be written: %v", err)
		}
		for _, r := range rows {
			if r.Len() != len(r.Digests) || r.Len() < 1 {
				t.Fatalf("%d images, %d names", r.Len(), len(r.Digests))
			}
			if r.Features != nil && r.Len() > 1 && r.Dim < 64 && r.Len() < 64 {
				mustSet(t, "fid").Measure(t.Context(), r, r, SetOptions{NoInterval: true})
			}
		}
	})
}

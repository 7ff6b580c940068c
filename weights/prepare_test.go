package weights

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

// prepareTwo is a build function: two float tensors and one of bytes, out of order.
func prepareTwo(calls *atomic.Int32) func(map[string]map[string]string) ([]Piece, error) {
	return func(files map[string]map[string]string) ([]Piece, error) {
		calls.Add(1)
		raw, err := os.ReadFile(files["m"]["f.bin"])
		if err != nil {
			return nil, err
		}
		return []Piece{
			{Name: "w", Shape: []int{2, 2}, DType: "float32", Make: made(Float32Bytes([]float32{1, 2, 3, float32(raw[0])}))},
			{Name: "b.q", Shape: []int{3}, DType: "int8", Make: made([]byte{1, 2, 3})},
			{Name: "a", Shape: []int{64}, DType: "float32", Make: made(make([]byte, 256))},
		}, nil
	}
}

// preparable is a cache with model "m" installed.
func preparable(t *testing.T) *Cache {
	c, _ := testCache(t, []byte("12345"))
	install(t, c, []byte("12345"))
	return c
}

func TestPrepare(t *testing.T) {
	c := preparable(t)
	var calls atomic.Int32
	ctx := context.Background()
	got, err := c.Prepare(ctx, []string{"m"}, "vision", 3, prepareTwo(&calls))
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(c.Dir, "m", "prepared", "vision-v3.safetensors"); got.Path != want || got.Synthetic {
		t.Errorf("%+v, want path %s", got, want)
	}
	file := open(t, got.Path)
	if d := digest(t, file); d != got.Digest || file.Metadata()["assay.digest"] != d {
		t.Errorf("digest %s, of the file %s, in it %s", got.Digest, d, file.Metadata()["assay.digest"])
	}
	want := map[string]string{"assay.recipe": "3", "assay.digest": got.Digest, "assay.synthetic": "false",
		"assay.sources": "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5 m/f.bin"}
	if diff := cmp.Diff(want, file.Metadata()); diff != "" {
		t.Error(diff)
	}
	if v, err := file.Float32("w"); err != nil || v[3] != '1' {
		t.Errorf("%v %v", v, err)
	}
	info, err := os.Stat(got.Path)
	if err != nil || info.Mode().Perm() != 0o444 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if again, err := c.Prepare(ctx, []string{"m"}, "vision", 3, prepareTwo(&calls)); err != nil || again != got || calls.Load() != 1 {
		t.Errorf("warm: %+v %v, %d calls", again, err, calls.Load())
	}
	if other, err := c.Prepare(ctx, []string{"m"}, "vision", 4, prepareTwo(&calls)); err != nil || calls.Load() != 2 || other.Path == got.Path {
		t.Errorf("another recipe: %+v %v, %d calls", other, err, calls.Load())
	}
	if err := c.Verify(ctx, "m"); err != nil {
		t.Error(err)
	}
	leftNothing(t, c)
}

// leftNothing finds no temporary file.
func leftNothing(t *testing.T, c *Cache) {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(c.Dir, "m", "prepared", "*.part"))
	if len(found) > 0 {
		t.Errorf("left %v", found)
	}
}

// TestPrepareForms: a file that holds other forms of tensors is called by the
// digest of those, is verified by its own, and is made again if either is damaged.
func TestPrepareForms(t *testing.T) {
	c := preparable(t)
	var calls atomic.Int32
	ctx := context.Background()
	plain, err := c.Prepare(ctx, []string{"m"}, "plain", 1, prepareTwo(&calls))
	if err != nil {
		t.Fatal(err)
	}
	formed := func(of func(p Piece) Piece) func(map[string]map[string]string) ([]Piece, error) {
		return func(files map[string]map[string]string) ([]Piece, error) {
			pieces, err := prepareTwo(&calls)(files)
			for i, p := range pieces {
				if p.Name == "w" {
					p = of(p)
					pieces[i] = Piece{Name: "w", Shape: []int{1, 5}, DType: "float32", Of: &p,
						Make: made(Float32Bytes([]float32{9, 8, 7, 6, 5}))}
				}
			}
			return pieces, err
		}
	}
	same := func(p Piece) Piece { return p }
	prepare := func() Prepared {
		t.Helper()
		got, err := c.Prepare(ctx, []string{"m"}, "formed", 1, formed(same))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := prepare()
	file := open(t, got.Path)
	if got.Digest != plain.Digest || got.Path == plain.Path || file.Metadata()["assay.weights"] != plain.Digest {
		t.Errorf("%+v, plain it is %+v", got, plain)
	}
	if v, err := file.Float32("w"); err != nil || v[0] != 9 || len(v) != 5 {
		t.Errorf("the file holds %v, %v", v, err)
	}
	if d := digest(t, file); d == got.Digest || file.Metadata()["assay.digest"] != d {
		t.Errorf("the file's own digest is %s, it says %s", d, file.Metadata()["assay.digest"])
	}
	if err := c.Verify(ctx, "m"); err != nil {
		t.Error(err)
	}
	if made := calls.Load(); prepare() != got || calls.Load() != made {
		t.Errorf("a warm start made the file again")
	}
	for _, key := range []string{"assay.digest", "assay.weights"} {
		data, err := os.ReadFile(got.Path)
		if err != nil {
			t.Fatal(err)
		}
		old := `"` + key + `":"` + file.Metadata()[key]
		data = []byte(strings.Replace(string(data), old, `"`+key+`":"`+noDigest, 1))
		if err := errors.Join(os.Chmod(got.Path, 0o644), os.WriteFile(got.Path, data, 0o644)); err != nil {
			t.Fatal(err)
		}
		if made := calls.Load(); prepare() != got || calls.Load() != made+1 {
			t.Errorf("without %s: the file was not made again", key)
		}
	}
	for name, of := range map[string]func(p Piece) Piece{
		"name":  func(p Piece) Piece { p.Name = "v"; return p },
		"shape": func(p Piece) Piece { p.Shape = []int{3}; return p },
		"type":  func(p Piece) Piece { p.DType = "float4"; return p },
	} {
		if _, err := c.Prepare(ctx, []string{"m"}, "bad", 1, formed(of)); err == nil || !strings.Contains(err.Error(), `"w"`) && !strings.Contains(err.Error(), `"v"`) {
			t.Errorf("a form of a tensor of another %s: %v", name, err)
		}
	}
	leftNothing(t, c)
}

// TestPrepareReadsHeaderOnly damages the values: a warm start does not see it,
// Verify does.
func TestPrepareReadsHeaderOnly(t *testing.T) {
	c := preparable(t)
	var calls atomic.Int32
	prepare := func() (Prepared, error) {
		return c.Prepare(context.Background(), []string{"m"}, "vision", 1, prepareTwo(&calls))
	}
	got, err := prepare()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(got.Path)
	if err != nil {
		t.Fatal(err)
	}
	damage := func(change func([]byte) []byte) {
		t.Helper()
		err := errors.Join(os.Chmod(got.Path, 0o644), os.WriteFile(got.Path, change([]byte(string(data))), 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
	damage(func(b []byte) []byte { b[len(b)-1]++; return b })
	if again, err := prepare(); err != nil || again != got || calls.Load() != 1 {
		t.Errorf("%+v %v, %d calls", again, err, calls.Load())
	}
	if err := c.Verify(context.Background(), "m"); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "remove it") {
		t.Error(err)
	}
	for i, change := range []func([]byte) []byte{
		func(b []byte) []byte { return b[:len(b)-1] },
		func(b []byte) []byte { return nil },
		func(b []byte) []byte { return []byte(strings.Replace(string(b), got.Digest, noDigest, 1)) },
		func(b []byte) []byte {
			return []byte(strings.Replace(string(b), `"assay.recipe":"1"`, `"assay.recipe":"2"`, 1))
		},
		func(b []byte) []byte { return []byte(strings.Replace(string(b), `.sources":"5`, `.sources":"6`, 1)) },
	} {
		damage(change)
		if again, err := prepare(); err != nil || again != got || calls.Load() != int32(i+2) {
			t.Errorf("damage %d: %+v %v, %d calls", i, again, err, calls.Load())
		}
		if now, err := os.ReadFile(got.Path); err != nil || string(now) != string(data) {
			t.Errorf("damage %d: %v, or other bytes than the first time", i, err)
		}
	}
}

// TestPrepareFails leaves nothing of that name, and keeps what was there.
func TestPrepareFails(t *testing.T) {
	c := preparable(t)
	ctx := context.Background()
	broken := errors.New("broken")
	piece := func(d string, raw []byte) Piece {
		return Piece{Name: "bad.weight", Shape: []int{len(raw) / int(dtype(d).size())}, DType: d, Make: made(raw)}
	}
	nan := Float32Bytes([]float32{1, 2, float32(math.NaN()), 4})
	for name, test := range map[string]struct {
		build func() ([]Piece, error)
		is    error
		says  string
	}{
		"build":   {func() ([]Piece, error) { return nil, broken }, broken, "vision"},
		"nothing": {func() ([]Piece, error) { return nil, nil }, assay.ErrInvalid, "without tensors"},
		"make": {func() ([]Piece, error) {
			return []Piece{piece("float32", nan[:4]), {Name: "z", DType: "int8", Make: func() ([]byte, error) { return nil, broken }}}, nil
		}, broken, `"z"`},
		"NaN": {func() ([]Piece, error) { return []Piece{piece("float32", nan)}, nil }, assay.ErrInvalid, `"bad.weight": value 2 is NaN`},
		"half": {func() ([]Piece, error) { return []Piece{piece("float16", []byte{0, 0, 0, 0xfc})}, nil }, assay.ErrInvalid,
			`"bad.weight": value 1 is -Inf`},
	} {
		got, err := c.Prepare(ctx, []string{"m"}, "vision", 1, func(map[string]map[string]string) ([]Piece, error) { return test.build() })
		if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) || got != (Prepared{}) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
		leftNothing(t, c)
		if _, err := os.Stat(filepath.Join(c.Dir, "m", "prepared", "vision-v1.safetensors")); err == nil {
			t.Errorf("%s: left a file", name)
		}
	}
	for _, name := range []string{"", "..", "../x", "a/b", `a\b`} {
		if _, err := c.Prepare(ctx, []string{"m"}, name, 1, nil); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if _, err := c.Prepare(ctx, nil, "x", 1, nil); !errors.Is(err, assay.ErrInvalid) {
		t.Error(err)
	}
	if _, err := c.Prepare(ctx, []string{"other"}, "x", 1, nil); !errors.Is(err, assay.ErrNotFound) {
		t.Error(err)
	}
	os.Remove(filepath.Join(c.Dir, "m", "f.bin"))
	if _, err := c.Prepare(ctx, []string{"m"}, "x", 1, nil); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "assay models pull m") {
		t.Error(err)
	}
	install(t, c, []byte("12345"))
}

// TestPrepareCancelled stops between pieces, and while another process prepares.
func TestPrepareCancelled(t *testing.T) {
	c := preparable(t)
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(context.Background())
	building := make(chan struct{})
	_, err := c.Prepare(ctx, []string{"m"}, "vision", 1, func(map[string]map[string]string) ([]Piece, error) {
		return []Piece{
			{Name: "a", DType: "int8", Make: func() ([]byte, error) {
				waiting, giveUp := context.WithTimeout(context.Background(), 250*time.Millisecond)
				defer giveUp()
				_, err := c.Prepare(waiting, []string{"m"}, "vision", 1, nil)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("waiting: %v", err)
				}
				cancel(stop)
				close(building)
				return []byte{1}, nil
			}},
			{Name: "b", DType: "int8", Make: func() ([]byte, error) { t.Error("made after the end"); return []byte{1}, nil }},
		}, nil
	})
	<-building
	if !errors.Is(err, stop) {
		t.Error(err)
	}
	leftNothing(t, c)
	if left, _ := filepath.Glob(filepath.Join(c.Dir, "m", "prepared", "*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestPrepareAfterKill finds what a killed process left, and writes over it.
func TestPrepareAfterKill(t *testing.T) {
	c := preparable(t)
	part := filepath.Join(c.Dir, "m", "prepared", "vision-v1.safetensors.part")
	if err := errors.Join(os.MkdirAll(filepath.Dir(part), 0o755), os.WriteFile(part, make([]byte, 100_000), 0o444)); err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int32
	got, err := c.Prepare(context.Background(), []string{"m"}, "vision", 1, prepareTwo(&calls))
	if err != nil {
		t.Fatal(err)
	}
	if d := digest(t, open(t, got.Path)); d != got.Digest {
		t.Error(d)
	}
	leftNothing(t, c)
}

// TestPrepareTogether has eight prepare at once: one builds, all get its file.
func TestPrepareTogether(t *testing.T) {
	c := preparable(t)
	var calls atomic.Int32
	var all sync.WaitGroup
	results := make([]Prepared, 8)
	for i := range results {
		all.Go(func() {
			var err error
			results[i], err = (&Cache{Dir: c.Dir, Models: c.Models}).Prepare(context.Background(), []string{"m"}, "vision", 1,
				func(files map[string]map[string]string) ([]Piece, error) {
					time.Sleep(50 * time.Millisecond)
					return prepareTwo(&calls)(files)
				})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, r := range results {
		if r != results[0] || r.Digest == "" || calls.Load() != 1 {
			t.Errorf("%+v, %d calls", r, calls.Load())
		}
	}
}

// TestPrepareReadOnly works where the file is there, and says what to do where not.
func TestPrepareReadOnly(t *testing.T) {
	c := preparable(t)
	var calls atomic.Int32
	ctx := context.Background()
	got, err := c.Prepare(ctx, []string{"m"}, "vision", 1, prepareTwo(&calls))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(got.Path)
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o555); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(d, 0o755)
	}
	if again, err := c.Prepare(ctx, []string{"m"}, "vision", 1, prepareTwo(&calls)); err != nil || again != got || calls.Load() != 1 {
		t.Errorf("%+v %v, %d calls", again, err, calls.Load())
	}
	if f, err := os.CreateTemp(dir, "x"); err == nil {
		f.Close()
		t.Skip("permissions do not bind this user")
	}
	_, err = c.Prepare(ctx, []string{"m"}, "vision", 2, prepareTwo(&calls))
	if !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), EnvModels) {
		t.Error(err)
	}
}

// TestPrepareFolderBlocked is a folder that cannot be made, whoever the user is.
func TestPrepareFolderBlocked(t *testing.T) {
	c := preparable(t)
	if err := os.WriteFile(filepath.Join(c.Dir, "m", "prepared"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int32
	_, err := c.Prepare(context.Background(), []string{"m"}, "vision", 1, prepareTwo(&calls))
	if !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), EnvModels) || calls.Load() != 0 {
		t.Errorf("%v, %d calls", err, calls.Load())
	}
}

// TestDiskFull writes to a device that is always full.
func TestDiskFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	plan, err := planSafetensors([]Piece{{Name: "a", Shape: []int{4}, DType: "int8", Make: made(make([]byte, 4))}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.fill(context.Background(), full); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "free space") {
		t.Error(err)
	}
}

func TestSynthetic(t *testing.T) {
	c, _ := testCache(t, []byte("official"))
	path := install(t, c, []byte("made up values"))
	ctx := context.Background()
	if _, err := c.Files("m"); !errors.Is(err, assay.ErrUnavailable) || c.Synthetic("m") {
		t.Errorf("without a sidecar: %v", err)
	}
	if err := MarkSynthetic(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Files("m"); err != nil || !c.Synthetic("m") || c.Synthetic("unknown") {
		t.Errorf("with a sidecar: %v", err)
	}
	if err := c.Verify(ctx, "m"); err != nil {
		t.Error(err)
	}
	var calls atomic.Int32
	made, err := c.Prepare(ctx, []string{"m"}, "vision", 1, prepareTwo(&calls))
	if err != nil || !made.Synthetic || open(t, made.Path).Metadata()["assay.synthetic"] != "true" {
		t.Errorf("%+v %v", made, err)
	}
	// Nothing official is put beside it, wherever it would come from.
	mirror := t.TempDir()
	if err := os.WriteFile(filepath.Join(mirror, "f.bin"), []byte("official"), 0o644); err != nil {
		t.Fatal(err)
	}
	pull := func() error { return c.Pull(ctx, "m", PullOptions{Mirror: mirror}) }
	if err := pull(); !errors.Is(err, assay.ErrConflict) || !strings.Contains(err.Error(), EnvModels) || !strings.Contains(err.Error(), "synthetic") {
		t.Error(err)
	}
	// A change of the made-up file is damage.
	change := func(content string) {
		t.Helper()
		os.Remove(path)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		later := time.Now().Add(time.Duration(len(content)) * time.Second)
		if err := os.Chtimes(path, later, later); err != nil {
			t.Fatal(err)
		}
	}
	change("made up valueS")
	if _, err := c.Files("m"); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "assay models synth m") {
		t.Error(err)
	}
	if err := c.Verify(ctx, "m"); !errors.Is(err, assay.ErrUnavailable) {
		t.Error(err)
	}
	change("officiaX")
	if _, err := c.Files("m"); !errors.Is(err, assay.ErrUnavailable) || !c.Synthetic("m") {
		t.Error(err)
	}
	// The official file in its place is the official file.
	change("official")
	if err := pull(); err != nil || c.Synthetic("m") {
		t.Errorf("%v, synthetic %v", err, c.Synthetic("m"))
	}
	if real, err := c.Prepare(ctx, []string{"m"}, "vision", 1, prepareTwo(&calls)); err != nil || real.Synthetic || calls.Load() != 2 {
		t.Errorf("%+v %v", real, err)
	}
	// What is remembered of a file that is gone does not hinder a pull, nor pin its digest.
	change("made up values")
	if err := errors.Join(MarkSynthetic(path, 7), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	c.Models[0].Files[0].SHA256, c.Models[0].Files[0].Size = "", 0
	if err := pull(); err != nil || c.Synthetic("m") {
		t.Errorf("%v, synthetic %v", err, c.Synthetic("m"))
	}
	if err := MarkSynthetic(path+".absent", 1); err == nil {
		t.Error("marked a file that is not there")
	}
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gen-emerge/assay/ort"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"assay": main})
}

// TestScripts runs the program as its users do: a script a file in testdata.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("ASSAY_MODELS", filepath.Join(env.WorkDir, "models"))
			env.Setenv("ASSAY_NO_INSTALL", "1")
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("DATA", dataDir())
			env.Setenv("ORT", ortLibrary())
			env.Setenv("VOCAB", vocabularyDir())
			env.Setenv("STANDIN_KEY", "a-key")
			return nil
		},
		Condition: func(cond string) (bool, error) {
			have, known := map[string]bool{"data": dataDir() != "", "ort": ortLibrary() != "", "vocab": vocabularyDir() != ""}[cond]
			switch {
			case !known:
				return false, fmt.Errorf("unknown condition %s", cond)
			case !have && required(cond):
				return false, fmt.Errorf("%s is required by ASSAY_TEST_REQUIRE and not found", cond)
			}
			return have, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"draw": drawCommand, "bomb": bombCommand, "count": countCommand, "standin": standinCommand,
		},
	})
}

// required reports whether a test may not be skipped for want of something.
func required(what string) bool {
	return slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), what)
}

// ortLibrary finds ONNX Runtime; empty if it is not there.
func ortLibrary() string {
	lib, err := ort.Find(context.Background(), ort.FindOptions{})
	if err != nil {
		return ""
	}
	return lib.Path
}

// vocabularyDir finds the folder with CLIP's vocabulary; empty if it is not there.
func vocabularyDir() string {
	path := os.Getenv("ASSAY_TEST_VOCAB")
	if path == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return ""
		}
		path = filepath.Join(cache, "assay", "models", "clip-vocabulary", "bpe_simple_vocab_16e6.txt.gz")
	}
	abs, err := filepath.Abs(path)
	if _, statErr := os.Stat(path); err != nil || statErr != nil {
		return ""
	}
	return filepath.Dir(abs)
}

// dataDir finds the folder of real weights and human judgments; empty if it is
// not there.
func dataDir() string {
	dir := os.Getenv("ASSAY_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(dir, "SOURCES.md")); err != nil {
		return ""
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	return abs
}

// needData returns the data folder, or skips; where it is required, it fails.
func needData(t *testing.T) string {
	t.Helper()
	dir := dataDir()
	if dir == "" {
		if required("data") {
			t.Fatal("the test data are required and not found: set ASSAY_TEST_DATA")
		}
		t.Skip("no test data: set ASSAY_TEST_DATA to the folder of real weights and human judgments")
	}
	return dir
}

// testPicture is a picture of stripes whose colour and pitch depend on a seed.
func testPicture(seed, side int) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			on := (x*(1+seed%5)+y*(seed%7))/(3+seed%11)%2 == 0
			c := color.NRGBA{uint8(40 + 37*seed), uint8(90 + 53*seed + x), uint8(200 - 29*seed + y), 255}
			if on {
				c = color.NRGBA{uint8(220 - 17*seed), uint8(30 + 11*seed), uint8(60 + 71*seed), 255}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		panic(err) // a picture in memory always encodes
	}
	return buf.Bytes()
}

// drawCommand is draw DIR FROM TO [SIDE]: it writes pictures of those seeds.
func drawCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: draw DIR FROM TO [SIDE]")
	}
	from, to, side := atoi(ts, args[1]), atoi(ts, args[2]), 96
	if len(args) > 3 {
		side = atoi(ts, args[3])
	}
	ts.Check(os.MkdirAll(ts.MkAbs(args[0]), 0o755))
	for seed := from; seed <= to; seed++ {
		ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[0]), fmt.Sprintf("%03d.png", seed)), testPicture(seed, side), 0o644))
	}
}

// bombCommand writes a small PNG whose header claims a huge picture.
func bombCommand(ts *testscript.TestScript, neg bool, args []string) {
	data := testPicture(1, 8)
	copy(data[16:24], []byte{0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0}) // 100000×100000
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o644))
}

// countCommand is count FILE N TEXT: FILE has exactly N lines with TEXT.
func countCommand(ts *testscript.TestScript, neg bool, args []string) {
	want, n := atoi(ts, args[1]), 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if strings.Contains(line, args[2]) {
			n++
		}
	}
	if (n == want) == neg {
		ts.Fatalf("%s: %d lines with %q, want %d", args[0], n, args[2], want)
	}
}

func atoi(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

// FuzzManifest holds that whatever a manifest says, reading it ends in rows
// with paths or in an error.
func FuzzManifest(f *testing.F) {
	f.Add("path,prompt\na.png,\"a, b\"\n", true)
	f.Add("\ufeffPath,seed,parents\nx.png,12,\n", true)
	f.Add(`{"path":"a.png","prompt":"x","seed":123456789012,"parents":[]}`, false)
	f.Add("{\"path\":1}\n\n{\"path\":null,\"x\":{}}", false)
	f.Fuzz(func(t *testing.T, text string, asCSV bool) {
		name := filepath.Join(t.TempDir(), "m.jsonl")
		if asCSV {
			name = strings.TrimSuffix(name, "jsonl") + "csv"
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		rows, err := inputs{manifest: name, base: series.Input{Prompt: "p"}}.rows()
		if err != nil {
			return
		}
		for _, r := range rows {
			if r.Path == "" || r.Read == nil {
				t.Errorf("a row without a path: %+v", r)
			}
		}
	})
}

// Two processes never write to one workspace at once: the second waits, then
// says who holds it.
func TestSecondProcess(t *testing.T) {
	b, dir := buildBinary(t), t.TempDir()
	b.run(t, "init", dir)
	db, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	unlock, err := db.Lock(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	picture := filepath.Join(t.TempDir(), "a.png")
	if err := os.WriteFile(picture, testPicture(1, 64), 0o644); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(b.path, "add", picture, "--dir", dir, "--wait", "200ms")
	c.Env = b.env
	out, err := c.CombinedOutput()
	if err == nil || !strings.Contains(string(out), strconv.Itoa(os.Getpid())) {
		t.Errorf("a second writer: error %v, told %q; want an error with the first one's process id %d", err, out, os.Getpid())
	}
	unlock()
	b.run(t, "add", picture, "--dir", dir, "--wait", "200ms")
	if n, err := db.Count(t.Context(), "main"); err != nil || n != 1 {
		t.Errorf("%d images (%v), want 1", n, err)
	}
}

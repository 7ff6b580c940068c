package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

func writeArchive(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "release.zip")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func openArchive(t *testing.T, entries ...entry) *Archive {
	t.Helper()
	a, err := OpenArchive(writeArchive(t, zipOf(t, entries...)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// TestArchive reads one checkpoint in each container, stored and deflated.
func TestArchive(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		for _, name := range []string{"flat_zip.torch", "torch_legacy.torch", "flat.st", "script_new.pt", "numpy_deflated.npz"} {
			data, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			a := openArchive(t, entry{"models/readme.txt", []byte("x"), zip.Deflate}, entry{"models/lora/" + name, data, method})
			c, err := a.Checkpoint("lora/"+name, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if want := digest(t, open(t, filepath.Join("testdata", name))); digest(t, c) != want {
				t.Errorf("%s, method %d: another digest", name, method)
			}
			checkInvariants(t, c) // compares what Place says with the archive's own bytes
			mapped := false
			for _, n := range c.Names() {
				file, _, _, _ := c.Place(n)
				mapped = mapped || file != ""
				if file != "" && file != a.path {
					t.Errorf("%s lies in %q", n, file)
				}
			}
			if mapped && method == zip.Deflate {
				t.Errorf("%s: deflated values are mapped", name)
			}
			first := c.Names()[0]
			if err := errors.Join(a.Close(), a.Close(), c.Close()); err != nil {
				t.Error(err)
			}
			if _, err := c.Bytes(first); err == nil {
				t.Errorf("%s, method %d: read after Close", name, method)
			}
			if _, err := a.Checkpoint("lora/"+name, Limits{}); err == nil {
				t.Errorf("%s, method %d: opened after Close", name, method)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "assay-*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestArchiveMaps aligns a stored checkpoint, as a writer of releases can.
func TestArchiveMaps(t *testing.T) {
	values := safetensorsRows([]row{{"a", []int64{2}, []byte("abcdefgh")}})
	a := openArchive(t, entry{"xy.st", values, zip.Store}) // 30+5+... bytes before it; tried until aligned
	for pad := 0; pad < 4; pad++ {
		a = openArchive(t, entry{strings.Repeat("x", pad+1) + ".st", values, zip.Store})
		c, err := a.Checkpoint(a.Names()[0], Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if file, _, _, _ := c.Place("a"); file == a.path {
			checkInvariants(t, c)
			return
		}
	}
	t.Error("no padding of 4 aligns 4-byte values")
}

func TestArchiveNames(t *testing.T) {
	a := openArchive(t, entry{"top/", nil, 0}, entry{"top/b.json", []byte("{}"), zip.Deflate}, entry{"top/lora/c.json", []byte("[1]"), 0},
		entry{"__MACOSX/top/b.json", []byte("?"), 0}, entry{"one/same", []byte("1"), 0}, entry{"two/same", []byte("2"), 0})
	if diff := cmp.Diff([]string{"__MACOSX/top/b.json", "one/same", "top/b.json", "top/lora/c.json", "two/same"}, a.Names()); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{"top/b.json": "{}", "b.json": "{}", "lora/c.json": "[1]", "c.json": "[1]", "__MACOSX/top/b.json": "?"} {
		if got, err := a.ReadFile(name, 3); err != nil || string(got) != want {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	for name, want := range map[string]error{"": assay.ErrNotFound, "d": assay.ErrNotFound, "top/": assay.ErrNotFound, "son": assay.ErrNotFound,
		"../b.json": assay.ErrNotFound, "same": assay.ErrInvalid} {
		if _, err := a.ReadFile(name, 10); !errors.Is(err, want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := a.ReadFile("c.json", 2); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "limit of 2") {
		t.Error(err)
	}
	if _, err := a.Checkpoint("c.json", Limits{}); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "top/lora/c.json") {
		t.Error(err)
	}
}

// TestArchiveDigest does not depend on packing or order, but on all else.
func TestArchiveDigest(t *testing.T) {
	sum := func(entries ...entry) string {
		d, err := openArchive(t, entries...).Digest()
		if err != nil || len(d) != 64 {
			t.Fatal(d, err)
		}
		return d
	}
	one := sum(entry{"a", []byte("1"), 0}, entry{"b", []byte("23"), zip.Deflate})
	if sum(entry{"b", []byte("23"), 0}, entry{"d/", nil, 0}, entry{"a", []byte("1"), zip.Deflate}) != one {
		t.Error("packing matters")
	}
	if sum(entry{"a", []byte("12"), 0}, entry{"b", []byte("3"), 0}) == one || sum(entry{"a", []byte("1"), 0}, entry{"c", []byte("23"), 0}) == one {
		t.Error("contents or names do not matter")
	}
}

func TestHostileArchives(t *testing.T) {
	refuse := func(name string, data []byte, want string) {
		t.Helper()
		a, err := OpenArchive(writeArchive(t, data))
		if err == nil {
			a.Close()
		}
		if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ErrInvalid with %q", name, err, want)
		}
	}
	for _, name := range []string{"../x", "/x", "a/../../x", "a//b", "./x", `a\b`, "C:x", "a\x00b", "", "..", "\xff"} {
		refuse(name, zipOf(t, entry{name, []byte("x"), 0}), "plain path")
	}
	refuse("twice", zipOf(t, entry{"a", []byte("x"), 0}, entry{"a", []byte("y"), 0}), "two entries")
	refuse("folders", zipOf(t, entry{"a/", nil, 0}), "without files")
	refuse("no zip", []byte("not a zip"), "zip archive")
	refuse("bomb", zipOf(t, entry{"a", make([]byte, 2<<20), zip.Deflate}), "200 times")

	var link bytes.Buffer
	w := zip.NewWriter(&link)
	h := &zip.FileHeader{Name: "a"}
	h.SetMode(fs.ModeSymlink | 0o777)
	if f, err := w.CreateHeader(h); err != nil {
		t.Fatal(err)
	} else if _, err := f.Write([]byte("/etc/passwd")); err != nil {
		t.Fatal(err)
	}
	w.Close()
	refuse("link", link.Bytes(), "neither a file")

	patch := func(data []byte, at int, v uint32) []byte { // in the first entry of the directory
		out := bytes.Clone(data)
		binary.LittleEndian.PutUint32(out[bytes.Index(out, []byte("PK\x01\x02"))+at:], v)
		return out
	}
	good := zipOf(t, entry{"a", bytes.Repeat([]byte("values "), 100), zip.Deflate})
	refuse("claims more", patch(good, 24, 1<<31), "200 times")
	refuse("two sizes", patch(zipOf(t, entry{"a", []byte("abc"), 0}), 24, 4), "two sizes")
	refuse("past the end", patch(good, 20, 1<<30), "are claimed")
	refuse("method", patch(good, 10, 14), "method 14")
	refuse("encrypted", patch(good, 8, 8<<16|1), "encrypted")
	for _, size := range []uint32{0, 1, 699, 701, 100_000} { // is 700
		a, err := OpenArchive(writeArchive(t, patch(good, 24, size)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.ReadFile("a", 1<<20); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("claims %d: %v", size, err)
		}
		if _, err := a.Checkpoint("a", Limits{}); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("claims %d: %v", size, err)
		}
		a.Close()
	}
	if a, err := OpenArchive(writeArchive(t, patch(good, 16, 1))); err != nil {
		t.Error(err)
	} else if _, err := a.ReadFile("a", 1<<20); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("checksum: %v", err)
	}
	if _, err := OpenArchive(filepath.Join(t.TempDir(), "x")); !errors.Is(err, assay.ErrNotFound) {
		t.Error(err)
	}
	if _, err := OpenArchive(t.TempDir()); !errors.Is(err, assay.ErrInvalid) {
		t.Error(err)
	}
}

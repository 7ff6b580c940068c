package weights

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
)

// TestPullPins: without a published digest the first pull decides, says so, and
// later pulls are held to it.
func TestPullPins(t *testing.T) {
	s := newFileServer(t, testContent())
	c := served(t, s)
	f := &c.Models[0].Files[0]
	sum := f.SHA256
	f.SHA256, f.Size = "", 0
	var notes []string
	opt := quick()
	opt.Note = func(m string) { notes = append(notes, m) }
	if err := c.Pull(t.Context(), "m", opt); err != nil {
		t.Fatal(err)
	}
	mustHave(t, c, s.content)
	if len(notes) != 1 || !strings.Contains(notes[0], sum) {
		t.Errorf("notes %q, want one that names %s", notes, sum)
	}
	path := filepath.Join(c.Dir, "m", "f.bin")
	if v, _ := recall(path); !v.Pinned || v.SHA256 != sum || v.Source != s.URL+"/official/f.bin" {
		t.Errorf("remembered %+v", v)
	}
	os.Remove(path)
	s.content = append([]byte("new version "), s.content...)
	if err := c.Pull(t.Context(), "m", opt); !errors.Is(err, assay.ErrConflict) {
		t.Errorf("another file upstream: %v", err)
	}
	os.Remove(path + verifiedSuffix)
	os.WriteFile(path, []byte("put there by hand"), 0o644)
	if _, err := c.Files("m"); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "no digest") {
		t.Errorf("a file that was never pinned: %v", err)
	}
}

// TestPullGitBlob: where git's name of the contents is known, every pull is held
// to it, and so is a file that was put there by hand.
func TestPullGitBlob(t *testing.T) {
	s := newFileServer(t, testContent())
	c := served(t, s)
	f := &c.Models[0].Files[0]
	sum := f.SHA256
	blob := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(s.content)), s.content...))
	f.SHA256, f.Size, f.GitBlob = "", 0, hex.EncodeToString(blob[:])
	if err := c.Pull(t.Context(), "m", quick()); err != nil {
		t.Fatal(err)
	}
	mustHave(t, c, s.content)
	path := filepath.Join(c.Dir, "m", "f.bin")
	if v, _ := recall(path); v.Pinned || v.SHA256 != sum || v.GitBlob != f.GitBlob {
		t.Errorf("remembered %+v", v)
	}
	if err := c.Verify(t.Context(), "m"); err != nil {
		t.Error(err)
	}
	os.Remove(path + verifiedSuffix) // as if it had come by other means
	if _, err := c.Files("m"); err != nil {
		t.Errorf("the right file, put there by hand: %v", err)
	}
	mirror := t.TempDir()
	if err := os.WriteFile(filepath.Join(mirror, "f.bin"), s.content, 0o644); err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	opt := quick()
	opt.Mirror = mirror
	if err := c.Pull(t.Context(), "m", opt); err != nil {
		t.Errorf("from a folder: %v", err)
	}
	os.WriteFile(path, []byte("damaged"), 0o644)
	if _, err := c.Files("m"); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "git blob") || !strings.Contains(err.Error(), f.GitBlob) {
		t.Errorf("damaged: %v", err)
	}
	os.WriteFile(filepath.Join(mirror, "f.bin"), []byte("an older file of this name"), 0o644)
	if err := c.Pull(t.Context(), "m", opt); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), f.GitBlob) {
		t.Errorf("another file in the mirror: %v", err)
	}
	s.content = append([]byte("new version "), s.content...)
	if err := c.Pull(t.Context(), "m", quick()); !errors.Is(err, assay.ErrConflict) || !strings.Contains(err.Error(), "git blob") {
		t.Errorf("another file upstream: %v", err)
	}
	// Made-up weights are held to their own digest, until the official file is there.
	os.WriteFile(path, []byte("made up"), 0o644)
	if err := MarkSynthetic(path, 7); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Files("m"); err != nil || !c.Synthetic("m") {
		t.Errorf("synthetic: %v, %v", err, c.Synthetic("m"))
	}
	os.WriteFile(path, testContent(), 0o644)
	if _, err := c.Files("m"); err != nil || c.Synthetic("m") {
		t.Errorf("the official file in its place: %v, synthetic %v", err, c.Synthetic("m"))
	}
}

package weights

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
)

// TestManifest holds every row to what the cache relies on.
func TestManifest(t *testing.T) {
	// Upstream publishes no digest of these, so the first pull pins one.
	noDigest := map[string]bool{
		"openclip-vit-b32": true, "openclip-vit-b16": true, "openclip-vit-l14": true,
		"dreamsim-ensemble": true, "dreamsim-dino": true, "dreamsim-clip": true, "dreamsim-openclip": true, "dreamsim-dinov2": true,
		"dreamsim-synclr": true, "dreamsim-dino-patch": true, "dreamsim-dinov2-patch": true,
		"dino-vitb16": true, "dinov2-vitb14": true, "hps-v2": true, "hps-v2.1": true,
	}
	// These are files of a repository, whose git names them.
	blob := map[string]bool{"nima-aesthetic": true, "nima-technical": true}
	seen, files := map[string]bool{}, map[string]bool{}
	for _, m := range Manifest() {
		if seen[m.Name] || m.Name == "" || len(m.Files) == 0 {
			t.Errorf("row %q: name or files", m.Name)
		}
		seen[m.Name] = true
		for what, text := range map[string]string{
			"licence": m.Licence, "licence URL": m.LicenceURL, "source": m.Source, "paper": m.Paper, "reference": m.Reference,
		} {
			if text == "" {
				t.Errorf("%s: no %s", m.Name, what)
			}
		}
		if len(m.Serves) == 0 || (m.Tier != Core && m.Tier != Full) || (m.Tier == Core && m.Size() > 10<<20) {
			t.Errorf("%s: serves %v, tier %q, %d bytes", m.Name, m.Serves, m.Tier, m.Size())
		}
		for _, f := range m.Files {
			for _, name := range []string{m.Name, f.Name} {
				if filepath.Base(name) != name || !filepath.IsLocal(name) || strings.ContainsAny(name, `/\: `) || strings.HasPrefix(name, ".") {
					t.Errorf("%s: %q is not a plain file name", m.Name, name)
				}
			}
			if !strings.HasPrefix(f.URL, "https://") || f.Container == "" {
				t.Errorf("%s: URL %q, container %q", f.Name, f.URL, f.Container)
			}
			if sum, err := hex.DecodeString(f.SHA256); err != nil || (len(sum) != sha256.Size && f.SHA256 != "") || f.Size < 0 {
				t.Errorf("%s: SHA-256 %q, size %d", f.Name, f.SHA256, f.Size)
			}
			if pinned := f.SHA256 == ""; pinned != (noDigest[m.Name] || blob[m.Name]) {
				t.Errorf("%s: SHA-256 %q, but upstream publishes one is %v", f.Name, f.SHA256, !noDigest[m.Name])
			}
			if sum, err := hex.DecodeString(f.GitBlob); err != nil || (len(sum) == sha1.Size) != blob[m.Name] || !blob[m.Name] && f.GitBlob != "" {
				t.Errorf("%s: git blob %q", f.Name, f.GitBlob)
			}
			if files[f.Name] { // a mirror that finds files by name would mix them up
				t.Errorf("%s: another model has a file of this name", f.Name)
			}
			files[f.Name] = true
		}
	}
	Manifest()[0].Name = "changed"
	if Manifest()[0].Name == "changed" {
		t.Error("callers share the rows")
	}
}

// TestMirrorOfRealFiles installs every model that the folder of test data has,
// where one file has another name, and reads each as its row says.
func TestMirrorOfRealFiles(t *testing.T) {
	mirror := filepath.Dir(filepath.Dir(dataFile(t, "lpips_squeeze/lpips_squeeze.pt")))
	c := &Cache{Dir: t.TempDir(), Models: slices.DeleteFunc(Manifest(), func(m Model) bool {
		head := strings.HasPrefix(m.Name, "laion-aes-v1-") || strings.HasPrefix(m.Name, "sac-")
		return m.Tier != Core && !head
	})}
	if len(c.Models) != 9 {
		t.Errorf("%d models, want 3 of core and 6 heads", len(c.Models))
	}
	for _, m := range c.Models {
		if _, err := c.Files(m.Name); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "assay models pull "+m.Name) {
			t.Errorf("%s before it is pulled: %v", m.Name, err)
		}
		if err := c.Pull(t.Context(), m.Name, PullOptions{Mirror: mirror}); err != nil {
			t.Fatal(err)
		}
		files, err := c.Files(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range m.Files {
			if f.Container == SVRText {
				r, err := os.Open(files[f.Name])
				if err != nil {
					t.Fatal(err)
				}
				if _, err := ReadSVR(r); err != nil {
					t.Error(err)
				}
				r.Close()
			} else if got := open(t, files[f.Name]).Container(); got != f.Container {
				t.Errorf("%s: container %s, the manifest says %s", f.Name, got, f.Container)
			}
		}
	}
	for _, row := range c.List() {
		if row.Missing != nil {
			t.Errorf("%s is listed as missing: %v", row.Name, row.Missing)
		}
	}
}

func TestDefaultCache(t *testing.T) {
	c, err := DefaultCache(func(key string) string { return map[string]string{EnvModels: "/some/folder"}[key] })
	if err != nil || c.Dir != "/some/folder" {
		t.Errorf("%v %v", c, err)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv(EnvModels, "")
	if c, err = DefaultCache(nil); err != nil || !strings.HasSuffix(c.Dir, filepath.Join("assay", "models")) {
		t.Errorf("%v %v", c, err)
	}
	if _, err := c.Path("nope"); !errors.Is(err, assay.ErrNotFound) || !strings.Contains(err.Error(), "lpips-squeeze") {
		t.Errorf("an unknown model: %v", err)
	}
}

// TestCheck damages an installed file in the ways that size, time and digest see.
func TestCheck(t *testing.T) {
	content := []byte(strings.Repeat("weights ", 1000))
	c, f := testCache(t, content)
	path := install(t, c, content)
	if files, err := c.Files("m"); err != nil || files[f.Name] != path {
		t.Fatalf("%v %v", files, err)
	}
	memory, known := recall(path)
	if !known || memory.SHA256 != f.SHA256 {
		t.Errorf("nothing is remembered: %+v", memory)
	}
	info, _ := os.Stat(path)

	damaged := append([]byte("W"), content[1:]...)
	os.WriteFile(path, damaged, 0o644)
	os.Chtimes(path, time.Now(), info.ModTime().Add(time.Second))
	if _, err := c.Files("m"); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("other content: %v", err)
	}
	os.Chtimes(path, time.Now(), info.ModTime()) // size and time as remembered: only Verify sees it
	if _, err := c.Files("m"); err != nil {
		t.Errorf("remembered by size and time: %v", err)
	}
	if err := c.Verify(t.Context(), "m"); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("Verify: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Verify(ctx, "m"); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify, cancelled: %v", err)
	}
	os.WriteFile(path, content[:100], 0o644)
	if _, err := c.Files("m"); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "100 bytes") {
		t.Errorf("cut: %v", err)
	}
	os.WriteFile(path, content, 0o644)
	os.WriteFile(path+verifiedSuffix, []byte("{nonsense"), 0o644)
	if _, err := c.Files("m"); err != nil {
		t.Errorf("memory lost, file right: %v", err)
	}
	if _, known := recall(path); !known {
		t.Error("the memory was not renewed")
	}
	os.Remove(path)
	os.Mkdir(path, 0o755)
	if _, err := c.Files("m"); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("a folder: %v", err)
	}
}

// testCache has one model "m" of one file "f.bin".
func testCache(t *testing.T, content []byte) (*Cache, File) {
	sum := sha256.Sum256(content)
	f := File{Name: "f.bin", URL: "https://models.invalid/f.bin", Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
	return &Cache{Dir: filepath.Join(t.TempDir(), "models"), Models: []Model{{Name: "m", Files: []File{f}}}}, f
}

// install puts content in the cache by hand and returns its path.
func install(t *testing.T, c *Cache, content []byte) string {
	t.Helper()
	dir, err := c.Path("m")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "f.bin")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, content, 0o644)); err != nil {
		t.Fatal(err)
	}
	return path
}

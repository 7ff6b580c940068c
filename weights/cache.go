package weights

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gen-emerge/assay"
)

// The environment variables that [DefaultCache] and commands read.
const (
	EnvModels = "ASSAY_MODELS" // folder of the cache
	EnvMirror = "ASSAY_MIRROR" // folder or URL for [PullOptions.Mirror]
)

// A Cache is a folder of installed models: each file lies at Dir/MODEL/FILE, and
// beside it FILE.verified remembers what was verified and when. Several
// processes may use and fill one Cache at once.
//
// A file's size is compared with the manifest at every use. Its SHA-256 is
// computed once, and again whenever its size or its time of change differs from
// the remembered ones; where the folder cannot be written, once per use.
//
// Files of made-up weights, which [MarkSynthetic] remembers as such, are compared
// with their own digest instead; see [Cache.Synthetic]. What [Cache.Prepare] makes
// lies in Dir/MODEL/prepared.
type Cache struct {
	Dir    string  // made when the first model is pulled
	Models []Model // nil means [Manifest]
	// Note is told a sentence for people before work of many seconds: a file that
	// [Cache.Prepare] is about to make. nil tells nobody. It may be called by
	// several goroutines.
	Note func(message string)
}

// DefaultCache returns the cache in the folder that ASSAY_MODELS names, or else
// in assay/models under the user's cache folder. The environment is read through
// getenv; nil means [os.Getenv].
func DefaultCache(getenv func(string) string) (*Cache, error) {
	if getenv == nil {
		getenv = os.Getenv
	}
	if dir := getenv(EnvModels); dir != "" {
		return &Cache{Dir: dir}, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("no folder for models: %w; set %s to one", err, EnvModels)
	}
	return &Cache{Dir: filepath.Join(dir, "assay", "models")}, nil
}

// model returns a row of the manifest, or an error wrapping [assay.ErrNotFound]
// that lists what there is.
func (c *Cache) model(name string) (Model, error) {
	models := c.models()
	if m, ok := find(models, name); ok {
		return m, nil
	}
	var names []string
	for _, m := range models {
		names = append(names, m.Name)
	}
	return Model{}, fmt.Errorf("no model %q (there are %s): %w", name, strings.Join(names, ", "), assay.ErrNotFound)
}

func (c *Cache) models() []Model {
	if c.Models != nil {
		return c.Models
	}
	return Manifest()
}

// Path returns the folder in which the model's files lie once it is installed.
// An error wraps [assay.ErrNotFound] if there is no such model.
func (c *Cache) Path(model string) (string, error) {
	m, err := c.model(model)
	if err != nil {
		return "", err
	}
	return filepath.Join(c.Dir, m.Name), nil
}

// Files returns the paths of the installed model's files, by the names the
// manifest gives them, each verified as [Cache] describes. An error wraps
// [assay.ErrUnavailable] if a file is missing or damaged, and says how to get it;
// it wraps [assay.ErrNotFound] if there is no such model.
func (c *Cache) Files(model string) (map[string]string, error) {
	m, err := c.model(model)
	if err != nil {
		return nil, err
	}
	paths := make(map[string]string, len(m.Files))
	for _, f := range m.Files {
		path := c.file(m, f)
		if _, err := c.check(context.Background(), m, f, trustMemory); err != nil {
			return nil, err
		}
		paths[f.Name] = path
	}
	return paths, nil
}

// Verify reads every byte of the installed model's files and compares them with
// the manifest, or with its own digest if it is synthetic, whatever is remembered;
// what was prepared of them is read and compared with its digest too. Errors are those of [Cache.Files], and
// the context's.
func (c *Cache) Verify(ctx context.Context, model string) error {
	m, err := c.model(model)
	if err != nil {
		return err
	}
	for _, f := range m.Files {
		if _, err := c.check(ctx, m, f, readAgain); err != nil {
			return err
		}
	}
	return c.verifyPrepared(ctx, m)
}

// An Installed is a row of [Cache.List].
type Installed struct {
	Model
	Dir     string // where its files lie or would lie
	Missing error  // nil if the model can be used; else what [Cache.Files] answers
}

// List returns every model of the manifest and whether it is installed, in the
// order of the manifest.
func (c *Cache) List() []Installed {
	var out []Installed
	for _, m := range c.models() {
		_, err := c.Files(m.Name)
		out = append(out, Installed{m, filepath.Join(c.Dir, m.Name), err})
	}
	return out
}

func (c *Cache) file(m Model, f File) string { return filepath.Join(c.Dir, m.Name, f.Name) }

// How much check believes of what is remembered.
const (
	trustMemory = false
	readAgain   = true
)

// check verifies one installed file. Its error says what to do.
func (c *Cache) check(ctx context.Context, m Model, f File, again bool) (verified, error) {
	path := c.file(m, f)
	pull := fmt.Sprintf("run: assay models pull %s", m.Name)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return verified{}, fmt.Errorf("model %s: %s is not installed; %s: %w", m.Name, path, pull, assay.ErrUnavailable)
	case err != nil:
		return verified{}, fmt.Errorf("model %s: %w: %w", m.Name, err, assay.ErrUnavailable)
	case !info.Mode().IsRegular():
		return verified{}, fmt.Errorf("model %s: %s is not a regular file; remove it and %s: %w",
			m.Name, path, pull, assay.ErrUnavailable)
	}
	memory, known := recall(path)
	if !known && !f.published() {
		return verified{}, fmt.Errorf("model %s: %s was not pulled by assay, and upstream publishes no digest to compare it with; %s: %w",
			m.Name, path, pull, assay.ErrUnavailable)
	}
	official := f
	if !f.published() || memory.Synthetic != nil { // pinned by the first pull, or by who made it
		f.Size, f.SHA256 = memory.Size, memory.SHA256
	}
	if memory.Synthetic != nil {
		pull = fmt.Sprintf("it held synthetic weights; remove it and make them again with assay models synth %s, or pull into another folder", m.Name)
	}
	anySize := official.Size == 0 && official.published() // the official file may be of this one
	if f.Size != 0 && info.Size() != f.Size && info.Size() != official.Size && !anySize {
		return verified{}, fmt.Errorf("model %s: %s has %d bytes, want %d; %s: %w",
			m.Name, path, info.Size(), f.Size, pull, assay.ErrUnavailable)
	}
	if !again && known && memory.matches(info) && f.unlike(memory.SHA256, memory.GitBlob) == "" {
		return memory, nil
	}
	sum, err := hashFile(ctx, path)
	if err != nil {
		return verified{}, fmt.Errorf("model %s: %w", m.Name, err)
	}
	blob, err := official.blobOf(ctx, path)
	if err != nil {
		return verified{}, fmt.Errorf("model %s: %w", m.Name, err)
	}
	if memory.Synthetic != nil && official.published() && official.unlike(sum, blob) == "" {
		f, memory = official, verified{} // the official file was put in its place
	}
	if fault := f.unlike(sum, blob); fault != "" {
		return verified{}, fmt.Errorf("model %s: %s is damaged: it has %s; %s: %w", m.Name, path, fault, pull, assay.ErrUnavailable)
	}
	memory.Size, memory.SHA256, memory.Changed = info.Size(), sum, info.ModTime().UnixNano()
	if memory.Synthetic == nil {
		memory.GitBlob = blob
	}
	_ = memory.write(path) // only saves time; a folder that cannot be written costs a hash at each use
	return memory, nil
}

// verified is what FILE.verified holds, as JSON.
type verified struct {
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"`
	Changed int64  `json:"changed"`            // modification time, nanoseconds since 1970
	GitBlob string `json:"git_blob,omitempty"` // if that is what the manifest compares
	Source  string `json:"source,omitempty"`   // URL or path it was pulled from
	Pinned  bool   `json:"pinned,omitempty"`   // the digest is the first pull's, not the manifest's

	// Synthetic is the seed of made-up weights, nil for official ones. The digest
	// is then the file's own, not the manifest's.
	Synthetic *uint64 `json:"synthetic,omitempty"`
}

func (v verified) matches(info fs.FileInfo) bool {
	return v.Size == info.Size() && v.Changed == info.ModTime().UnixNano()
}

const verifiedSuffix = ".verified"

// recall reads what is remembered of the file at path. What cannot be read is
// not known.
func recall(path string) (v verified, known bool) {
	data, err := os.ReadFile(path + verifiedSuffix)
	if err != nil || json.Unmarshal(data, &v) != nil || len(v.SHA256) != 2*sha256.Size {
		return verified{}, false
	}
	return v, true
}

func (v verified) write(path string) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return replaceFile(path+verifiedSuffix, data)
}

// replaceFile writes a small file so that readers see the old or the new one.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// hashFile returns the SHA-256 of a file as 64 hex digits.
func hashFile(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return "", fmt.Errorf("verifying %s: %w", path, context.Cause(ctx))
		}
		n, err := f.Read(buf)
		h.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// syncDir makes a rename in the folder last through a loss of power, where the
// system can do that.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // not supported on every system
		d.Close()
	}
}

// lockRetry is how often a process asks whether another has finished.
const lockRetry = 100 * time.Millisecond

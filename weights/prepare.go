package weights

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gofrs/flock"

	"github.com/gen-emerge/assay"
)

// A Prepared is a file that [Cache.Prepare] made of installed models' files: what
// a network reads, once and for all in the names, types and orientation it wants.
type Prepared struct {
	Path      string // of a safetensors file
	Digest    string // of its tensors, as [Checkpoint.Digest] gives it, or of those they are forms of
	Synthetic bool   // some source holds made-up weights: results mean nothing
}

// The metadata of a prepared file.
const (
	metaRecipe    = "assay.recipe"    // decimal
	metaSources   = "assay.sources"   // a line "SHA256 MODEL/FILE" for each source, sorted by name
	metaDigest    = "assay.digest"    // as [Checkpoint.Digest] gives it
	metaWeights   = "assay.weights"   // the same of the tensors that the file's are forms of, if there are such
	metaSynthetic = "assay.synthetic" // "true" or "false"
)

// preparedFolder lies in the folder of the model that owns what is prepared.
const preparedFolder = "prepared"

// Prepare returns the prepared file called name of the installed models, the first
// of which owns it: Dir/MODEL/prepared/NAME-vRECIPE.safetensors. A file that is
// there and was made of the same sources is returned after reading its header,
// and nothing else of it. Otherwise build is called with the paths of the models' files, by model and by
// file, and the pieces it returns are written, one in memory at a time, while the
// model's lock is held: of two processes that prepare at once, the second waits
// and finds the first one's file. Build must use nothing but those files, and
// whoever changes what it makes must raise recipe.
//
// A preparation that fails, is cancelled or is killed leaves no file of that name.
// The file cannot be written to (mode 0444) and is replaced by renaming, so it may
// be mapped.
//
// An error wraps [assay.ErrInvalid] and names tensor, index and value if a
// floating-point value is not finite. It wraps [assay.ErrUnavailable] if a model is
// not installed, the folder cannot be written or the disk is full, and
// [assay.ErrNotFound] if there is no such model.
func (c *Cache) Prepare(ctx context.Context, models []string, name string, recipe int,
	build func(files map[string]map[string]string) ([]Piece, error)) (Prepared, error) {
	job, err := c.newPreparation(ctx, models, name, recipe)
	if err != nil {
		return Prepared{}, err
	}
	if done, ok := job.look(); ok {
		return done, nil
	}
	unlock, err := job.lock(ctx)
	if err != nil {
		return Prepared{}, err
	}
	defer unlock()
	if done, ok := job.look(); ok { // another process made it meanwhile
		return done, nil
	}
	if c.Note != nil {
		c.Note(fmt.Sprintf("preparing %s/%s once: later runs map the file that this makes", models[0], name))
	}
	pieces, err := build(job.files)
	if err != nil {
		return Prepared{}, fmt.Errorf("model %s: preparing %s: %w", models[0], name, err)
	}
	done, err := job.write(ctx, pieces)
	if err != nil {
		return Prepared{}, fmt.Errorf("model %s: preparing %s: %w", models[0], name, err)
	}
	return done, nil
}

// A preparation is one call of [Cache.Prepare].
type preparation struct {
	model, name string
	path        string
	recipe      string
	files       map[string]map[string]string
	sources     string // value of metaSources
	synthetic   bool
}

func (c *Cache) newPreparation(ctx context.Context, models []string, name string, recipe int) (*preparation, error) {
	if len(models) == 0 {
		return nil, fmt.Errorf("preparing %q: of no models: %w", name, assay.ErrInvalid)
	}
	if !plainName(name) || recipe < 0 {
		return nil, fmt.Errorf("preparing %q, recipe %d: want a plain file name and a recipe of at least 0: %w",
			name, recipe, assay.ErrInvalid)
	}
	job := &preparation{model: models[0], name: name, recipe: strconv.Itoa(recipe), files: make(map[string]map[string]string)}
	var lines []string
	for _, model := range slices.Compact(slices.Sorted(slices.Values(models))) {
		m, err := c.model(model)
		if err != nil {
			return nil, err
		}
		job.files[model] = make(map[string]string, len(m.Files))
		for _, f := range m.Files {
			have, err := c.check(ctx, m, f, trustMemory)
			if err != nil {
				return nil, err
			}
			job.files[model][f.Name] = c.file(m, f)
			lines = append(lines, have.SHA256+" "+model+"/"+f.Name)
			job.synthetic = job.synthetic || have.Synthetic != nil
		}
	}
	job.sources = strings.Join(lines, "\n")
	job.path = filepath.Join(c.Dir, job.model, preparedFolder, name+"-v"+job.recipe+".safetensors")
	return job, nil
}

// plainName reports whether the name names a file in a folder, and nothing
// outside it.
func plainName(name string) bool {
	return name != "" && name != "." && name != ".." && filepath.IsLocal(name) && !strings.ContainsAny(name, `/\`)
}

// look returns the file if it is there, is whole, and was made of these sources.
// Whatever is wrong with one that is there is mended by making it again.
func (job *preparation) look() (Prepared, bool) {
	c, err := Open(job.path, Limits{})
	if err != nil {
		return Prepared{}, false
	}
	defer c.Close()
	digest := c.metadata[metaDigest]
	named, formed := c.metadata[metaWeights]
	if !formed {
		named = digest
	}
	if c.container != Safetensors || c.metadata[metaRecipe] != job.recipe || c.metadata[metaSources] != job.sources ||
		c.metadata[metaSynthetic] != strconv.FormatBool(job.synthetic) || !written(digest) || !written(named) {
		return Prepared{}, false
	}
	return Prepared{job.path, named, job.synthetic}, true
}

// written reports whether a digest of the header is there and known.
func written(digest string) bool { return len(digest) == len(noDigest) && digest != noDigest }

// noDigest holds the digest's place in the header until it is known.
var noDigest = strings.Repeat("0", 64)

// lock makes the folder and waits for the model's lock.
func (job *preparation) lock(ctx context.Context) (unlock func(), err error) {
	dir := filepath.Dir(job.path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, job.readOnly(err)
	}
	l := flock.New(filepath.Join(filepath.Dir(dir), ".lock"))
	if _, err := l.TryLockContext(ctx, lockRetry); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("model %s: preparing %s: waiting for another process: %w", job.model, job.name, context.Cause(ctx))
		}
		return nil, job.readOnly(err)
	}
	return func() { l.Unlock() }, nil
}

func (job *preparation) readOnly(err error) error {
	return fmt.Errorf("model %s: %s has to be written once before the model can be used: %w; "+
		"let someone who may write there use the model once, or set %s to a folder that can be written and pull again: %w",
		job.model, job.path, err, EnvModels, assay.ErrUnavailable)
}

// write makes the file under another name and renames it. The caller holds the
// lock, so that other name is nobody else's, and what a killed process left under
// it is written over.
func (job *preparation) write(ctx context.Context, pieces []Piece) (done Prepared, err error) {
	meta := map[string]string{
		metaRecipe: job.recipe, metaSources: job.sources, metaDigest: noDigest,
		metaSynthetic: strconv.FormatBool(job.synthetic),
	}
	if slices.ContainsFunc(pieces, func(p Piece) bool { return p.Of != nil }) {
		meta[metaWeights] = noDigest
	}
	plan, err := planSafetensors(pieces, meta)
	if err != nil {
		return Prepared{}, err
	}
	part := job.path + ".part"
	os.Remove(part) // one that a kill left may be read-only
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return Prepared{}, job.readOnly(err)
	}
	defer func() {
		if err != nil {
			os.Remove(part)
		}
	}()
	digest, err := plan.fill(ctx, f)
	if err == nil {
		err = f.Chmod(0o444)
	}
	if err == nil {
		err = unwritten(part, f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return Prepared{}, err
	}
	if err := os.Rename(part, job.path); err != nil {
		return Prepared{}, err
	}
	syncDir(filepath.Dir(job.path))
	return Prepared{job.path, digest, job.synthetic}, nil
}

// unwritten is a fault of the disk, with what to do.
func unwritten(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("writing %s: %w; free space and try again: %w", path, err, assay.ErrUnavailable)
}

// fill writes the file, and the digests into the header's metadata. Pieces are
// made in the order of their names, which is the order in which they are hashed,
// and written to their places. The digest returned is the one that names the
// weights.
func (p *safetensorsPlan) fill(ctx context.Context, f *os.File) (digest string, err error) {
	slices.SortFunc(p.pieces, func(a, b plannedPiece) int { return strings.Compare(a.Name, b.Name) })
	stored, named := newTensorHash(), newTensorHash()
	formed := slices.ContainsFunc(p.pieces, func(q plannedPiece) bool { return q.Of != nil })
	for _, piece := range p.pieces {
		raw, err := piece.finite(ctx)
		if err != nil {
			return "", err
		}
		stored.tensor(piece.Name, dtype(piece.DType), piece.Shape)
		w := io.MultiWriter(io.NewOffsetWriter(f, piece.at), stored)
		if err := writeAll(ctx, w, raw); err != nil {
			if ctx.Err() != nil {
				return "", fmt.Errorf("tensor %.100q: %w", piece.Name, err)
			}
			return "", unwritten(f.Name(), err)
		}
		if !formed {
			continue
		}
		if piece.Of != nil {
			if piece, raw, err = piece.original(ctx); err != nil {
				return "", err
			}
		}
		named.tensor(piece.Name, dtype(piece.DType), piece.Shape)
		if err := writeAll(ctx, named, raw); err != nil {
			return "", fmt.Errorf("tensor %.100q: %w", piece.Name, err)
		}
	}
	digest = stored.String()
	header := stamped(p.header, metaDigest, digest)
	if formed {
		digest = named.String()
		header = stamped(header, metaWeights, digest)
	}
	_, err = f.WriteAt(header, 0)
	return digest, unwritten(f.Name(), err)
}

// stamped puts a digest into its place in the header.
func stamped(header []byte, key, digest string) []byte {
	return bytes.Replace(header, []byte(`"`+key+`":"`+noDigest), []byte(`"`+key+`":"`+digest), 1)
}

// finite makes the piece and refuses values that are not finite.
func (p plannedPiece) finite(ctx context.Context) ([]byte, error) {
	raw, err := p.make(ctx)
	if err != nil {
		return nil, err
	}
	if i, value, ok := firstNotFinite(dtype(p.DType), raw); ok {
		return nil, fmt.Errorf("tensor %.100q: value %d is %v, want a finite one: the source is damaged: %w",
			p.Name, i, value, assay.ErrInvalid)
	}
	return raw, nil
}

// original makes the tensor that the piece is a form of.
func (p plannedPiece) original(ctx context.Context) (plannedPiece, []byte, error) {
	of := plannedPiece{Piece: *p.Of}
	n, err := of.check()
	if err == nil && of.Name != p.Name {
		err = fmt.Errorf("a form of tensor %.100q: %w", of.Name, assay.ErrInvalid)
	}
	if err != nil {
		return of, nil, fmt.Errorf("tensor %.100q: %w", p.Name, err)
	}
	of.length = n
	raw, err := of.make(ctx)
	return of, raw, err
}

// Synthetic reports whether any installed file of the model holds made-up weights,
// as [MarkSynthetic] says. It is false for a model that is not in the manifest.
func (c *Cache) Synthetic(model string) bool {
	_, ok := c.synthetic(model)
	return ok
}

// synthetic returns the path of a file of the model that holds made-up weights.
func (c *Cache) synthetic(model string) (path string, ok bool) {
	m, err := c.model(model)
	if err != nil {
		return "", false
	}
	for _, f := range m.Files {
		path := c.file(m, f)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			continue // what is remembered outlived the file
		}
		if v, known := recall(path); known && v.Synthetic != nil {
			return path, true
		}
	}
	return "", false
}

// MarkSynthetic remembers, beside a file that was just written, that it holds
// made-up weights of that seed: the cache then accepts it in place of the official
// file, and everything made with it says so.
func MarkSynthetic(path string, seed uint64) error {
	sum, err := hashFile(context.Background(), path)
	if err != nil {
		return fmt.Errorf("synthetic weights: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("synthetic weights: %w", err)
	}
	v := verified{SHA256: sum, Size: info.Size(), Changed: info.ModTime().UnixNano(), Source: "synthetic", Synthetic: &seed}
	if err := v.write(path); err != nil {
		return fmt.Errorf("synthetic weights: %w", err)
	}
	return nil
}

// verifyPrepared reads every byte of what was prepared for the model.
func (c *Cache) verifyPrepared(ctx context.Context, m Model) error {
	paths, err := filepath.Glob(filepath.Join(c.Dir, m.Name, preparedFolder, "*.safetensors"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := verifyDigest(ctx, path); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("verifying %s: %w", path, context.Cause(ctx))
			}
			return fmt.Errorf("model %s: %s is damaged: %w; remove it, it is made again when it is needed: %w",
				m.Name, path, err, assay.ErrUnavailable)
		}
	}
	return nil
}

// verifyDigest compares a prepared file's tensors with the digest in its header.
func verifyDigest(ctx context.Context, path string) error {
	c, err := Open(path, Limits{})
	if err != nil {
		return err
	}
	defer c.Close()
	c.in.r = &cancellableAt{ctx, c.in.r}
	sum, err := c.Digest()
	if err == nil && sum != c.metadata[metaDigest] {
		err = fmt.Errorf("the digest of its tensors is %s, its header says %q", sum, c.metadata[metaDigest])
	}
	return err
}

// cancellableAt stops reading when the context ends.
type cancellableAt struct {
	ctx context.Context
	r   io.ReaderAt
}

func (c *cancellableAt) ReadAt(p []byte, off int64) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.ReadAt(p, off)
}

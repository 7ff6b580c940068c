package weights

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/gen-emerge/assay"
)

// An Archive is an open zip of a model's release: checkpoints, and small files
// that say how to read them. It is safe for concurrent use. No entry is written
// under its own name anywhere.
type Archive struct {
	in    *input
	path  string
	f     *os.File
	files map[string]*zip.File
	names []string // sorted

	mu     sync.Mutex
	inner  []*Checkpoint // to be closed with the archive
	closed bool
}

// What an archive may claim, beside what follows from its own size.
const (
	// maxRatio is how many times its packed size an entry may have: weights
	// hardly shrink, and text by some ten times.
	maxRatio = 200
	// freeRatio is the size up to which the ratio is not looked at, in bytes.
	freeRatio = 1 << 20
	// maxInflated is the largest checkpoint that is inflated, in bytes.
	maxInflated = 16 << 30
)

// OpenArchive reads the directory of the zip archive at path. Entries may be
// stored or deflated.
//
// An error wraps [assay.ErrNotFound] if there is no such file, and
// [assay.ErrInvalid] if it is not a zip archive, if two entries have one name or
// share bytes, if a name leaves the archive ("../x", "/x"), or if a size cannot be
// true. The caller must Close the Archive.
func OpenArchive(path string) (*Archive, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("archive %s: %w", path, assay.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("archive %s: %s, not a regular file: %w", path, kindOf(info.Mode()), assay.ErrInvalid)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	a, err := parseArchive(f, info.Size(), path)
	if err != nil {
		f.Close()
		return nil, err
	}
	a.f, a.path = f, path
	return a, nil
}

// parseArchive checks the directory of the size bytes in r.
func parseArchive(r io.ReaderAt, size int64, label string) (*Archive, error) {
	in := &input{r: r, size: size, label: label, lim: Limits{}.withDefaults()}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, in.invalid("zip archive: %v", err)
	}
	a := &Archive{in: in, files: make(map[string]*zip.File, len(z.File))}
	for _, f := range z.File {
		if err := in.archived(f); err != nil {
			return nil, err
		}
		if _, ok := a.files[f.Name]; ok {
			return nil, in.invalid("zip archive has two entries named %.100q", f.Name)
		}
		a.files[f.Name] = f
		if !strings.HasSuffix(f.Name, "/") {
			a.names = append(a.names, f.Name)
		}
	}
	if len(a.names) == 0 {
		return nil, in.invalid("zip archive without files")
	}
	slices.Sort(a.names)
	return a, in.disjoint(z.File)
}

// archived checks one entry of the directory.
func (in *input) archived(f *zip.File) error {
	name, folder := strings.CutSuffix(f.Name, "/")
	switch {
	case !utf8.ValidString(name) || !fs.ValidPath(name) || strings.ContainsAny(name, "\\:\x00"):
		return in.invalid("zip entry %.100q: not a plain path inside the archive", f.Name)
	case folder && f.UncompressedSize64 != 0:
		return in.invalid("zip entry %.100q: a folder with contents", f.Name)
	case !folder && !f.Mode().IsRegular():
		return in.invalid("zip entry %.100q: neither a file nor a folder", f.Name)
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return in.invalid("zip entry %.100q: compression method %d; stored and deflated entries are read", f.Name, f.Method)
	case f.Flags&1 != 0:
		return in.invalid("zip entry %.100q is encrypted", f.Name)
	case f.CompressedSize64 > uint64(in.size):
		return in.invalid("zip entry %.100q: %d bytes are claimed, the file has %d", f.Name, f.CompressedSize64, in.size)
	case f.Method == zip.Store && f.CompressedSize64 != f.UncompressedSize64:
		return in.invalid("zip entry %.100q is stored but has two sizes, %d and %d", f.Name, f.CompressedSize64, f.UncompressedSize64)
	case f.UncompressedSize64 > freeRatio && f.UncompressedSize64/maxRatio > f.CompressedSize64:
		return in.invalid("zip entry %.100q: %d bytes packed into %d, more than %d times: not a release of weights",
			f.Name, f.UncompressedSize64, f.CompressedSize64, maxRatio)
	}
	return nil
}

// Names returns the path of every file in the archive, sorted. The slice is the
// caller's own.
func (a *Archive) Names() []string { return slices.Clone(a.names) }

// entry finds a file by its path, or by the end of it where the archive has a
// folder around everything ("ensemble_lora/adapter_config.json" in
// "models/ensemble_lora/adapter_config.json").
func (a *Archive) entry(name string) (*zip.File, error) {
	if f, ok := a.files[name]; ok && !strings.HasSuffix(name, "/") {
		return f, nil
	}
	var found []string
	for _, have := range a.names {
		if strings.HasSuffix(have, "/"+name) && !strings.HasPrefix(have, "__MACOSX/") { // Apple's shadow files
			found = append(found, have)
		}
	}
	switch {
	case name == "" || len(found) == 0:
		return nil, fmt.Errorf("archive %s: no file %.100q (it has %.500s): %w",
			a.in.label, name, strings.Join(a.names, ", "), assay.ErrNotFound)
	case len(found) > 1:
		return nil, a.in.invalid("%.100q is %d files: %.500s", name, len(found), strings.Join(found, ", "))
	}
	return a.files[found[0]], nil
}

// ReadFile returns the contents of a small file, named by its path or the end of
// it. An error wraps [assay.ErrNotFound] if there is none, and [assay.ErrInvalid]
// if it is longer than limit bytes or damaged.
func (a *Archive) ReadFile(name string, limit int64) ([]byte, error) {
	f, err := a.entry(name)
	if err != nil {
		return nil, err
	}
	if limit < 0 || f.UncompressedSize64 > uint64(limit) {
		return nil, a.in.invalid("file %.100q has %d bytes, more than the limit of %d", f.Name, f.UncompressedSize64, limit)
	}
	var out strings.Builder // grows with what is there, not with what is claimed
	if err := a.inflate(f, &out); err != nil {
		return nil, err
	}
	return []byte(out.String()), nil
}

// inflate writes the contents of an entry, which must have exactly the size and
// the checksum that the directory says.
func (a *Archive) inflate(f *zip.File, w io.Writer) error {
	r, err := f.Open()
	if err != nil {
		return a.in.invalid("file %.100q: %v", f.Name, err)
	}
	defer r.Close()
	size := int64(f.UncompressedSize64) // archived has bounded it by the ratio
	out := &diskWriter{w: w}
	n, err := io.Copy(out, io.LimitReader(r, size+1))
	switch {
	case out.err != nil:
		return out.err
	case n > size:
		return a.in.invalid("file %.100q: more bytes than the %d that are claimed", f.Name, size)
	case err != nil:
		return a.in.invalid("file %.100q: after %d of %d bytes: %v", f.Name, n, size, err)
	case n < size:
		return a.in.invalid("file %.100q: %d bytes where %d are claimed", f.Name, n, size)
	}
	return nil
}

// A diskWriter tells its own errors from the reader's.
type diskWriter struct {
	w   io.Writer
	err error
}

func (d *diskWriter) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	if err != nil {
		d.err = err
	}
	return n, err
}

// Checkpoint opens a checkpoint in the archive, named by its path or the end of
// it. One that is stored is read where it lies, and [Checkpoint.Place] tells the
// archive's own path. One that is deflated is inflated into a temporary file that
// has no name, or is removed at Close where the system does not allow that; it
// cannot be mapped.
//
// Errors are those of [Archive.ReadFile] and of [Open]; one of the disk says what
// to do. Closing the archive closes its checkpoints.
func (a *Archive) Checkpoint(name string, lim Limits) (*Checkpoint, error) {
	f, err := a.entry(name)
	if err != nil {
		return nil, err
	}
	label := a.in.label + ": " + f.Name
	var c *Checkpoint
	if f.Method == zip.Store {
		c, err = a.inPlace(f, label, lim)
	} else {
		c, err = a.unpacked(f, label, lim)
	}
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		c.Close()
		return nil, fmt.Errorf("archive %s: %w", a.in.label, fs.ErrClosed)
	}
	a.inner = append(a.inner, c)
	return c, nil
}

func (a *Archive) inPlace(f *zip.File, label string, lim Limits) (*Checkpoint, error) {
	at, length, err := a.in.stored(f)
	if err != nil {
		return nil, err
	}
	c, err := parse(io.NewSectionReader(a.in.r, at, length), length, label, lim)
	if err != nil {
		return nil, err
	}
	c.file, c.base = a.path, at
	return c, nil
}

func (a *Archive) unpacked(f *zip.File, label string, lim Limits) (*Checkpoint, error) {
	if f.UncompressedSize64 > maxInflated {
		return nil, a.in.invalid("file %.100q has %d bytes, more than the limit of %d", f.Name, f.UncompressedSize64, int64(maxInflated))
	}
	temp, err := os.CreateTemp("", "assay-checkpoint-*")
	if err != nil {
		return nil, fmt.Errorf("unpacking %s: %w; set TMPDIR to a folder that can be written: %w", label, err, assay.ErrUnavailable)
	}
	gone := os.Remove(temp.Name()) == nil // then even a killed process leaves nothing
	closeTemp := sync.OnceValue(func() error {
		err := temp.Close()
		if !gone {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
		return err
	})
	if err := a.inflate(f, temp); err != nil {
		closeTemp()
		if errors.Is(err, assay.ErrInvalid) {
			return nil, err
		}
		return nil, fmt.Errorf("unpacking %s: %w; set TMPDIR to a folder with %d bytes free: %w",
			label, err, f.UncompressedSize64, assay.ErrUnavailable)
	}
	c, err := parse(temp, int64(f.UncompressedSize64), label, lim)
	if err != nil {
		closeTemp()
		return nil, err
	}
	c.close = closeTemp
	return c, nil
}

// Digest names the files of the archive however they are packed: the 64 hex digits
// of a SHA-256 over the line "assay archive 1\n" and then, for each file in the
// order of Names, the length of its name, the name, its length and its contents;
// lengths are unsigned 64-bit little-endian integers. It reads every file.
func (a *Archive) Digest() (string, error) {
	h := sha256.New()
	io.WriteString(h, "assay archive 1\n")
	num := func(n uint64) { h.Write(binary.LittleEndian.AppendUint64(nil, n)) }
	for _, name := range a.names {
		f := a.files[name]
		num(uint64(len(name)))
		io.WriteString(h, name)
		num(f.UncompressedSize64)
		if err := a.inflate(f, h); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Close closes the archive and the checkpoints opened from it. Closing twice is
// not an error.
func (a *Archive) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	a.closed = true
	var errs []error
	for _, c := range a.inner {
		errs = append(errs, c.Close())
	}
	if a.f != nil {
		errs = append(errs, a.f.Close())
	}
	return errors.Join(errs...)
}

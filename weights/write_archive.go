package weights

import (
	"archive/zip"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"

	"github.com/gen-emerge/assay"
)

// An ArchiveMember is one file of an archive that is to be written.
type ArchiveMember struct {
	Name string // with forward slashes
	// Write writes the file's content. It is called once, in the order of the
	// members.
	Write func(io.Writer) error
}

// WriteArchive writes the members as a zip archive in which nothing is compressed,
// as releases of several checkpoints are packed; the comment is the archive's own
// and may be empty. The content of every member starts at a multiple of 64 bytes.
// Nothing of a member is kept in memory.
//
// An error wraps [assay.ErrInvalid] if a name is used twice or could lead outside
// a folder. Otherwise it is w's, a member's own, or the context's.
func WriteArchive(ctx context.Context, w io.Writer, members []ArchiveMember, comment string) error {
	seen := make(map[string]bool, len(members))
	for _, m := range members {
		if m.Name == "." || !fs.ValidPath(m.Name) || seen[m.Name] || m.Write == nil {
			return fmt.Errorf("archive member %.100q: not a plain relative name, used twice, or without content: %w", m.Name, assay.ErrInvalid)
		}
		seen[m.Name] = true
	}
	z, err := newZipWriter(w, comment)
	if err != nil {
		return err
	}
	for _, m := range members {
		if ctx.Err() != nil {
			return fmt.Errorf("archive member %.100q: %w", m.Name, context.Cause(ctx))
		}
		if err := z.stream(ctx, m); err != nil {
			return fmt.Errorf("archive member %.100q: %w", m.Name, err)
		}
	}
	return z.Close()
}

// A zipWriter writes stored entries whose content is aligned. It knows where in
// the file it is, which archive/zip does not tell.
type zipWriter struct {
	*zip.Writer
	out  *countingWriter
	owed int64 // bytes that archive/zip still writes before the next entry
}

// A countingWriter counts what it passes on.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func newZipWriter(w io.Writer, comment string) (*zipWriter, error) {
	out := &countingWriter{w: w}
	z := &zipWriter{Writer: zip.NewWriter(out), out: out}
	if err := z.SetComment(comment); err != nil {
		return nil, fmt.Errorf("comment of %d bytes: %w: %w", len(comment), err, assay.ErrInvalid)
	}
	return z, nil
}

// The parts of a zip archive that decide where content starts.
const (
	localHeaderBytes  = 30 // before the entry's name
	extraHeaderBytes  = 4
	descriptorBytes   = 16 // after content whose length was not known before
	descriptor64Bytes = 24 // the same, from 4 GiB on
)

// header returns the header of an entry whose content is to start at a multiple of
// 64 bytes. The padding is an extra field called FB, as PyTorch writes it.
func (z *zipWriter) header(name string) (*zip.FileHeader, error) {
	if err := z.Flush(); err != nil {
		return nil, err
	}
	at := z.out.n + z.owed + localHeaderBytes + int64(len(name)) + extraHeaderBytes
	pad := (alignTo - at%alignTo) % alignTo
	extra := make([]byte, extraHeaderBytes+pad)
	copy(extra, "FB")
	extra[2] = byte(pad)
	for i := range extra[extraHeaderBytes:] {
		extra[extraHeaderBytes+i] = 'Z'
	}
	z.owed = 0
	return &zip.FileHeader{Name: name, Method: zip.Store, Extra: extra}, nil
}

// whole writes an entry whose content is at hand.
func (z *zipWriter) whole(ctx context.Context, name string, content []byte) error {
	h, err := z.header(name)
	if err != nil {
		return err
	}
	if len(content) >= math.MaxUint32 {
		return fmt.Errorf("%s: %d bytes, an entry holds less than 4 GiB: %w", name, len(content), assay.ErrInvalid)
	}
	h.CRC32 = crc32.ChecksumIEEE(content)
	h.CompressedSize64, h.UncompressedSize64 = uint64(len(content)), uint64(len(content))
	w, err := z.CreateRaw(h)
	if err != nil {
		return err
	}
	return writeAll(ctx, w, content)
}

// stream writes an entry whose length is known only afterwards.
func (z *zipWriter) stream(ctx context.Context, m ArchiveMember) error {
	h, err := z.header(m.Name)
	if err != nil {
		return err
	}
	w, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	count := &countingWriter{w: &cancelWriter{ctx, w}}
	if err := m.Write(count); err != nil {
		return err
	}
	z.owed = descriptorBytes
	if count.n >= math.MaxUint32 {
		z.owed = descriptor64Bytes
	}
	return nil
}

// A cancelWriter fails once its context is done.
type cancelWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c *cancelWriter) Write(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.w.Write(p)
}

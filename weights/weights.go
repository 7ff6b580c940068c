// Package weights reads model checkpoints without trusting them.
//
// A checkpoint becomes a table of named tensors that stay where they are in
// the file. The package also holds the table of models that assay knows, and
// the cache that downloads and verifies their files. Nothing that a file says
// is executed, and no file makes the reader allocate more than a small
// multiple of the file's own size; arrays that are compressed have a limit.
package weights

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/gen-emerge/assay"
)

// A Container is a file format that holds named tensors.
type Container string

// The containers that [Open] reads. SVRText is the text format of LIBSVM
// models, which [ReadSVR] reads: it holds no tensors.
const (
	Safetensors Container = "safetensors"
	TorchZip    Container = "torch zip"    // torch.save since PyTorch 1.6
	TorchScript Container = "torchscript"  // torch.jit.save: a module with its program, which is never read
	TorchLegacy Container = "torch legacy" // torch.save before that: a stream of pickles
	NPZ         Container = "npz"          // numpy.savez, numpy.savez_compressed
	HDF5        Container = "hdf5"         // Keras' save_weights, h5py
	SVRText     Container = "libsvm text"
)

// supported ends the message of every refusal of a container.
const supported = "supported are safetensors, PyTorch zip, TorchScript, PyTorch legacy streams, HDF5 and NumPy .npz"

// Limits bound what a checkpoint may ask of the reader, beside the bounds that
// follow from the file's own size. The zero Limits is a good choice.
type Limits struct {
	// Header is the longest safetensors header, pickle, .npy header or structure of
	// an HDF5 file that is read, in bytes. 0 means 100,000,000, the bound of the safetensors
	// reference implementation.
	Header int64
	// Depth is how deep dictionaries, lists, tuples and groups may nest. 0 means 64;
	// published checkpoints use up to 6.
	Depth int
	// Tensors is the largest number of tensors. 0 means 1,048,576.
	Tensors int
	// Inflate is the most bytes that a compressed array may have when it is
	// inflated. 0 means 268,435,456 (256 MiB). Only .npz files may be compressed.
	Inflate int64
}

// withDefaults returns the limits with every zero replaced by its meaning.
func (l Limits) withDefaults() Limits {
	l.Header = cmp.Or(l.Header, 100_000_000)
	l.Depth = cmp.Or(l.Depth, 64)
	l.Tensors = cmp.Or(l.Tensors, 1<<20)
	l.Inflate = cmp.Or(l.Inflate, 256<<20)
	return l
}

// Open reads the table of tensors of the checkpoint at path; the values stay in
// the file until they are asked for. The container is recognised by content,
// never by the file's name.
//
// An error wraps [assay.ErrNotFound] if there is no such file, and
// [assay.ErrInvalid] if it is not a checkpoint of a supported container or breaks
// a rule of its format. The caller must Close the Checkpoint.
func Open(path string, lim Limits) (*Checkpoint, error) {
	info, err := os.Stat(path) // before opening: opening a named pipe would wait for a writer
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("checkpoint %s: %w", path, assay.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("checkpoint %s: %s, not a regular file: %w", path, kindOf(info.Mode()), assay.ErrInvalid)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := parse(f, info.Size(), path, lim)
	if err != nil {
		f.Close()
		return nil, err
	}
	c.file, c.close = path, sync.OnceValue(f.Close)
	return c, nil
}

func kindOf(m fs.FileMode) string {
	if m.IsDir() {
		return "a folder"
	}
	return "a special file"
}

// parse reads the table of tensors of the size bytes in r. The label names them
// in errors.
func parse(r io.ReaderAt, size int64, label string, lim Limits) (*Checkpoint, error) {
	lim = lim.withDefaults()
	in := &input{r: r, size: size, label: label, lim: lim}
	head := make([]byte, min(size, headBytes))
	if err := in.readAt(head, 0); err != nil {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return parseZip(in)
	case bytes.HasPrefix(head, torchMagic):
		return parseLegacy(in)
	case bytes.HasPrefix(head, hdf5Magic):
		return parseHDF5(in)
	case looksSafetensors(head, size):
		return parseSafetensors(in)
	}
	return nil, in.invalid("%s is not a container that can be read here; %s", recognise(head, size), supported)
}

// headBytes is how much of a file is looked at to recognise it: enough for the
// tar signature at byte 257.
const headBytes = 512

// signatures of files that people take for checkpoints, for the error message.
var signatures = []struct {
	at    int
	magic string
	name  string
}{
	{0, "PK\x05\x06", "an empty zip archive"},
	{0, "MATLAB 5.0 MAT-file", "a MATLAB 5 file"},
	{0, "\x93NUMPY", "a single NumPy array (.npy)"},
	{0, "GGUF", "a GGUF file"},
	{0, "\x1f\x8b", "a gzip file (unpack it first)"},
	{0, "\xfd7zXZ", "an xz file (unpack it first)"},
	{0, "BZh", "a bzip2 file (unpack it first)"},
	{0, "\x28\xb5\x2f\xfd", "a Zstandard file (unpack it first)"},
	{257, "ustar", "a tar archive (PyTorch before 0.1, or packed: unpack it first)"},
	{4, "TFL3", "a TensorFlow Lite model"},
	{0, "version https://git-lfs", "a Git LFS pointer, not the file it points to (run git lfs pull)"},
	{0, "svm_type ", "a LIBSVM text model (it holds no tensors)"},
	{0, "\x89PNG", "a PNG image"},
	{0, "\xff\xd8\xff", "a JPEG image"},
	{0, "\x80\x02", "a pickle that torch.save did not write"},
	{0, "\x80\x03", "a pickle of protocol 3"},
	{0, "\x80\x04", "a pickle of protocol 4"},
	{0, "\x80\x05", "a pickle of protocol 5"},
}

// recognise says in words what the file is that starts with head.
func recognise(head []byte, size int64) string {
	if size == 0 {
		return "an empty file"
	}
	for _, s := range signatures {
		if len(head) >= s.at && bytes.HasPrefix(head[s.at:], []byte(s.magic)) {
			return s.name
		}
	}
	text := strings.ToLower(strings.TrimSpace(string(head)))
	if strings.HasPrefix(text, "<!doctype") || strings.HasPrefix(text, "<html") || strings.HasPrefix(text, "<?xml") {
		return "a web page (the download answered with a page, not with the file)"
	}
	return fmt.Sprintf("a file that starts with bytes % x", head[:min(len(head), 8)])
}

// An input is the file being read, with what every error and every bound needs.
type input struct {
	r     io.ReaderAt
	size  int64
	label string
	lim   Limits
}

// invalid returns an error about the file that wraps [assay.ErrInvalid].
func (in *input) invalid(format string, args ...any) error {
	return fmt.Errorf("checkpoint %s: %s: %w", in.label, fmt.Sprintf(format, args...), assay.ErrInvalid)
}

// readAt fills p with the bytes at off, which must lie inside the file.
func (in *input) readAt(p []byte, off int64) error {
	if off < 0 || int64(len(p)) > in.size-off {
		return in.invalid("%d bytes at offset %d lie outside the file of %d bytes", len(p), off, in.size)
	}
	n, err := in.r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // the file shrank since it was opened
	}
	return fmt.Errorf("checkpoint %s: reading %d bytes at offset %d: %w", in.label, len(p), off, err)
}

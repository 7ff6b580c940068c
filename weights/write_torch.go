package weights

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
)

// TorchZipOptions adjust [WriteTorchZip] and [WriteTorchLegacy]. The zero
// TorchZipOptions writes one flat state dict.
type TorchZipOptions struct {
	// Under names dictionaries inside the outer one. A piece called UNDER.REST is
	// written into the dictionary UNDER, under the name REST.
	Under []string
	// Extra is put beside the tensors and the inner dictionaries: text, int,
	// int64, float64, bool or nil by key.
	Extra map[string]any
	// Comment is the zip archive's own, or an entry of the stream's system
	// information, where loaders do not look.
	Comment string
}

// WriteTorchZip writes the pieces as torch.save does, so that torch.load reads a
// dictionary of tensors, also with weights_only: a zip archive with data.pkl and,
// for every tensor, its values, which start at a multiple of 64 bytes. One piece is
// in memory at a time; they are made in their order, except that those of one inner
// dictionary are made together. The same pieces give the same bytes.
//
// [Open] gives the tensors the names the pieces have. An error wraps
// [assay.ErrInvalid] and names the piece if the file could not be read back: a name
// that is used twice, a type that PyTorch has not, values that do not fit the
// shape. Otherwise it is w's, the piece's own, or the context's.
func WriteTorchZip(ctx context.Context, w io.Writer, pieces []Piece, opt TorchZipOptions) error {
	planned, err := planTorch(pieces)
	if err != nil {
		return err
	}
	p := newPickleWriter()
	if err := p.torchDict(planned, opt); err != nil {
		return err
	}
	p.op(opStop)
	z, err := newZipWriter(w, opt.Comment)
	if err != nil {
		return err
	}
	for _, e := range []struct{ name, content string }{{"data.pkl", p.String()}, {"byteorder", "little"}} {
		if err := z.whole(ctx, torchFolder+e.name, []byte(e.content)); err != nil {
			return err
		}
	}
	if err := z.tensors(ctx, p.storages); err != nil {
		return err
	}
	if err := z.whole(ctx, torchFolder+"version", []byte(torchVersion)); err != nil {
		return err
	}
	return z.Close()
}

// torchFolder is what PyTorch calls the folder when it does not know the file's
// name.
const torchFolder = "archive/"

// torchVersion is the version of the zip layout since PyTorch 1.6.
const torchVersion = "3\n"

// planTorch checks the pieces.
func planTorch(pieces []Piece) ([]plannedPiece, error) {
	if len(pieces) == 0 {
		return nil, fmt.Errorf("a PyTorch file without tensors: %w", assay.ErrInvalid)
	}
	planned := make([]plannedPiece, len(pieces))
	seen := make(map[string]bool, len(pieces))
	for i, p := range pieces {
		length, err := p.check()
		if err == nil && seen[p.Name] {
			err = fmt.Errorf("two pieces have this name")
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %.100q: %w: %w", p.Name, err, assay.ErrInvalid)
		}
		seen[p.Name] = true
		planned[i] = plannedPiece{Piece: p, length: length}
	}
	return planned, nil
}

// torchDict writes the outer dictionary: an OrderedDict if it is a state dict, a
// dict if it wraps one.
func (w *pickleWriter) torchDict(pieces []plannedPiece, opt TorchZipOptions) error {
	if len(opt.Under)+len(opt.Extra) == 0 {
		w.orderedDict()
	} else {
		w.op(opEmptyDict)
	}
	w.op(opMark)
	keys := make(map[string]bool) // of the outer dictionary
	for _, under := range opt.Under {
		inner, rest := split(pieces, under+".")
		if under == "" || len(inner) == 0 {
			return fmt.Errorf("dictionary %.100q: without a name, or no tensor's name starts with it: %w", under, assay.ErrInvalid)
		}
		keys[under], pieces = true, rest
		w.text(under)
		w.orderedDict()
		w.op(opMark)
		for _, p := range inner {
			if err := w.item(strings.TrimPrefix(p.Name, under+"."), p); err != nil {
				return err
			}
		}
		w.op(opSetItems)
	}
	for _, p := range pieces {
		if keys[p.Name] {
			return fmt.Errorf("tensor %.100q: a dictionary has this name: %w", p.Name, assay.ErrInvalid)
		}
		keys[p.Name] = true
		if err := w.item(p.Name, p); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(opt.Extra)) {
		if keys[key] {
			return fmt.Errorf("entry %.100q: a tensor or a dictionary has this name: %w", key, assay.ErrInvalid)
		}
		w.text(key)
		if err := w.value(opt.Extra[key]); err != nil {
			return fmt.Errorf("entry %.100q: %w", key, err)
		}
	}
	w.op(opSetItems)
	return nil
}

// split parts the pieces into those whose names start with prefix and the others.
func split(pieces []plannedPiece, prefix string) (with, without []plannedPiece) {
	for _, p := range pieces {
		if strings.HasPrefix(p.Name, prefix) {
			with = append(with, p)
		} else {
			without = append(without, p)
		}
	}
	return with, without
}

func (w *pickleWriter) item(key string, p plannedPiece) error {
	w.text(key)
	return w.tensor(p)
}

// tensors makes and writes the storages data/0, data/1, ...
func (z *zipWriter) tensors(ctx context.Context, storages []plannedPiece) error {
	for i, p := range storages {
		raw, err := p.make(ctx)
		if err != nil {
			return err
		}
		if err := z.whole(ctx, fmt.Sprintf("%sdata/%d", torchFolder, i), raw); err != nil {
			return fmt.Errorf("tensor %.100q: %w", p.Name, err)
		}
	}
	return nil
}

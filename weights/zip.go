package weights

import (
	"archive/zip"
	"cmp"
	"math"
	"slices"
	"strings"
)

// parseZip tells the containers apart that are zip archives.
func parseZip(in *input) (*Checkpoint, error) {
	z, err := zip.NewReader(in.r, in.size)
	if err != nil {
		return nil, in.invalid("zip archive: %v", err)
	}
	if len(z.File) == 0 {
		return nil, in.invalid("zip archive without entries; %s", supported)
	}
	files := make(map[string]*zip.File, len(z.File))
	arrays := 0
	for _, f := range z.File {
		if _, ok := files[f.Name]; ok {
			return nil, in.invalid("zip archive has two entries named %.100q", f.Name)
		}
		files[f.Name] = f
		if strings.HasSuffix(f.Name, ".npy") {
			arrays++
		}
	}
	if err := in.disjoint(z.File); err != nil {
		return nil, err
	}
	if arrays == len(z.File) {
		return parseNPZ(in, z.File)
	}
	// PyTorch's own reader takes the folder of the first entry.
	folder, _, ok := strings.Cut(z.File[0].Name, "/")
	folder += "/"
	switch {
	case ok && files[folder+"data.pkl"] != nil:
		return parseTorchZip(in, folder, files, torchKind(folder, z.File))
	}
	return nil, in.invalid("a zip archive whose first entry is %.100q, neither PyTorch's nor NumPy's; %s", z.File[0].Name, supported)
}

// torchKind tells the two torch containers apart: torch.jit.save also writes the
// constants of a program, and the program.
func torchKind(folder string, files []*zip.File) Container {
	for _, f := range files {
		if f.Name == folder+"constants.pkl" || strings.HasPrefix(f.Name, folder+"code/") {
			return TorchScript
		}
	}
	return TorchZip
}

// disjoint refuses archives whose entries overlap: PyTorch and NumPy write none,
// and they are how a small zip pretends to be large.
func (in *input) disjoint(files []*zip.File) error {
	type extent struct{ start, end int64 }
	all := make([]extent, 0, len(files))
	for _, f := range files {
		start, err := in.dataStart(f)
		if err != nil {
			return err
		}
		if f.CompressedSize64 > uint64(in.size-start) {
			return in.invalid("zip entry %.100q: %d bytes are claimed, the file has %d from there",
				f.Name, f.CompressedSize64, in.size-start)
		}
		if f.CompressedSize64 > 0 {
			all = append(all, extent{start, start + int64(f.CompressedSize64)})
		}
	}
	slices.SortFunc(all, func(a, b extent) int { return cmp.Compare(a.start, b.start) })
	for i := 1; i < len(all); i++ {
		if all[i].start < all[i-1].end {
			return in.invalid("zip entries overlap at byte %d", all[i].start)
		}
	}
	return nil
}

// dataStart returns where an entry's bytes start, which its local header says.
func (in *input) dataStart(f *zip.File) (int64, error) {
	start, err := f.DataOffset()
	if err != nil {
		return 0, in.invalid("zip entry %.100q: %v", f.Name, err)
	}
	if start < 0 || start > in.size {
		return 0, in.invalid("zip entry %.100q starts at byte %d of a file of %d", f.Name, start, in.size)
	}
	return start, nil
}

// stored returns the place of an entry that is neither compressed nor encrypted.
func (in *input) stored(f *zip.File) (at, length int64, err error) {
	switch {
	case f.Method != zip.Store:
		return 0, 0, in.invalid("zip entry %.100q is compressed (method %d); only stored entries are read here, "+
			"as torch.save writes them", f.Name, f.Method)
	case f.Flags&1 != 0:
		return 0, 0, in.invalid("zip entry %.100q is encrypted", f.Name)
	case f.CompressedSize64 != f.UncompressedSize64 || f.UncompressedSize64 > math.MaxInt64:
		return 0, 0, in.invalid("zip entry %.100q is stored but has two sizes, %d and %d",
			f.Name, f.CompressedSize64, f.UncompressedSize64)
	}
	if at, err = in.dataStart(f); err != nil {
		return 0, 0, err
	}
	if length = int64(f.UncompressedSize64); length > in.size-at {
		return 0, 0, in.invalid("zip entry %.100q: %d bytes are claimed, the file has %d from there", f.Name, length, in.size-at)
	}
	return at, length, nil
}

package metric

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
	"github.com/gen-emerge/assay/weights"
)

// A state file is a safetensors file whose metadata has stateKey; see
// docs/formats.md. Row i of features is described by the metadata "i", and its
// tensors are "i.digests", and "i.features" or "i.mean" and "i.scatter".
const (
	stateKey     = "assay set state"
	stateVersion = "1"
)

// A stateRow is the metadata of one row of features.
type stateRow struct {
	assay.Identity
	Space  Space `json:"space"`
	Dim    int   `json:"dim"`
	Images int   `json:"images"`
}

// WriteState writes rows of features as a state file. The same rows give the same
// bytes. Published statistics, and rows without images, are refused.
func WriteState(ctx context.Context, w io.Writer, rows []*FeatureSet) error {
	meta := map[string]string{stateKey: stateVersion}
	var pieces []weights.Piece
	for i, r := range rows {
		switch {
		case r.Published != "" || len(r.Digests) == 0 || r.Len() != len(r.Digests):
			return fmt.Errorf("%s: a state needs the names of its images: %w", r.Instrument, assay.ErrInvalid)
		case slices.ContainsFunc(rows[:i], func(o *FeatureSet) bool { return o.Instrument == r.Instrument }):
			return fmt.Errorf("%s appears twice in one state: %w", r.Instrument, assay.ErrInvalid)
		}
		text, err := json.Marshal(stateRow{r.Identity, r.Space, r.Dim, r.Len()})
		if err != nil {
			return err
		}
		meta[strconv.Itoa(i)] = string(text)
		pieces = append(pieces, statePieces(strconv.Itoa(i)+".", r)...)
	}
	return weights.WriteSafetensors(ctx, w, pieces, meta)
}

func statePieces(prefix string, r *FeatureSet) []weights.Piece {
	piece := func(name, dtype string, data func() []byte, shape ...int) weights.Piece {
		return weights.Piece{Name: prefix + name, DType: dtype, Shape: shape, Make: func() ([]byte, error) { return data(), nil }}
	}
	n := r.Len()
	out := []weights.Piece{piece("digests", "uint8", func() []byte {
		raw := make([]byte, 0, n*sha256.Size)
		for _, d := range r.Digests {
			raw = append(raw, d[:]...)
		}
		return raw
	}, n, sha256.Size)}
	if r.Features != nil {
		return append(out, piece("features", "float32", func() []byte { return weights.Float32Bytes(r.Features) }, n, r.Dim))
	}
	return append(out,
		piece("mean", "float64", func() []byte { return float64Bytes(r.Moments.Mean) }, r.Dim),
		piece("scatter", "float64", func() []byte { return float64Bytes(triangle(r.Moments.Scatter, r.Dim)) }, r.Dim*(r.Dim+1)/2))
}

func float64Bytes(v []float64) []byte {
	out := make([]byte, 8*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint64(out[8*i:], math.Float64bits(x))
	}
	return out
}

// triangle returns the upper triangle of a symmetric matrix, row by row.
func triangle(full []float64, d int) []float64 {
	out := make([]float64, 0, d*(d+1)/2)
	for i := range d {
		out = append(out, full[i*d+i:(i+1)*d]...)
	}
	return out
}

// square is the symmetric matrix that has the upper triangle.
func square(tri []float64, d int) []float64 {
	out := make([]float64, d*d)
	at := 0
	for i := range d {
		for j := i; j < d; j++ {
			out[i*d+j], out[j*d+i] = tri[at], tri[at]
			at++
		}
	}
	return out
}

// SaveState writes a state file in one step: path has either what it had before,
// or all of the new state.
func SaveState(ctx context.Context, path string, rows []*FeatureSet) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("state %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("state %s: %w", path, err), os.Remove(f.Name()))
		}
	}()
	err = WriteState(ctx, f, rows)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// ReadState reads a state file: one [FeatureSet] for each row of features, in the
// order of the file. A file that is not one, is cut short or contradicts itself is
// refused with an error that wraps [assay.ErrInvalid] and names it; memory is
// bounded by a small multiple of the file's size.
func ReadState(path string) ([]*FeatureSet, error) {
	c, err := weights.Open(path, weights.Limits{})
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	defer c.Close()
	rows, err := readState(c)
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", path, err)
	}
	return rows, nil
}

func invalidState(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), assay.ErrInvalid)
}

func readState(c *weights.Checkpoint) ([]*FeatureSet, error) {
	meta := c.Metadata()
	if v, ok := meta[stateKey]; c.Container() != weights.Safetensors || !ok {
		return nil, invalidState("a %s file, not a state of `assay set --save-state`", c.Container())
	} else if v != stateVersion {
		return nil, invalidState("version %.20q of the format; this program reads version %s: make it again", v, stateVersion)
	}
	var rows []*FeatureSet
	tensors := 0
	for i := range len(meta) - 1 {
		text, ok := meta[strconv.Itoa(i)]
		if !ok {
			return nil, invalidState("the metadata have %d entries and none is called %d", len(meta), i)
		}
		r, used, err := readStateRow(c, strconv.Itoa(i)+".", text)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
		if slices.ContainsFunc(rows, func(o *FeatureSet) bool { return o.Instrument == r.Instrument }) {
			return nil, invalidState("row %d: features %.100q appear twice", i, r.Instrument)
		}
		rows, tensors = append(rows, r), tensors+used
	}
	if names := c.Names(); len(names) != tensors {
		return nil, invalidState("%d tensors where the metadata describe %d", len(names), tensors)
	}
	return rows, nil
}

// readStateRow reads one row, and says of how many tensors.
func readStateRow(c *weights.Checkpoint, prefix, text string) (*FeatureSet, int, error) {
	var row stateRow
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&row); err != nil {
		return nil, 0, invalidState("its description: %v", err)
	}
	switch {
	case row.Instrument == "" || row.Runtime == "" || row.Version < 1:
		return nil, 0, invalidState("its description names no instrument, runtime or version")
	case row.Space != Cosine && row.Space != Euclidean:
		return nil, 0, invalidState("space %.20q, want %s or %s", row.Space, Cosine, Euclidean)
	case row.Dim < 1 || row.Dim > maxDim || row.Images < 1 || row.Images > maxImages:
		return nil, 0, invalidState("%d images of %d numbers", row.Images, row.Dim)
	}
	s := &FeatureSet{Identity: row.Identity, Space: row.Space, Dim: row.Dim}
	var err error
	if s.Digests, err = readDigests(c, prefix+"digests", row.Images); err != nil {
		return nil, 0, err
	}
	if _, ok := c.Shape(prefix + "features"); ok {
		s.Features, err = readFloat32(c, prefix+"features", row.Images, row.Dim)
		return s, 2, err
	}
	if s.Moments, err = readMoments(c, prefix+"mean", prefix+"scatter", row); err != nil {
		return nil, 0, err
	}
	return s, 3, nil
}

// Bounds that keep products of sizes from overflowing; nothing is allocated by
// them.
const (
	maxDim    = 1 << 20
	maxImages = 1 << 32
)

// readDigests reads n names, which must ascend.
func readDigests(c *weights.Checkpoint, name string, n int) ([]assay.Digest, error) {
	if err := tensorIs(c, name, "uint8", n, sha256.Size); err != nil {
		return nil, err
	}
	raw, err := c.Bytes(name)
	if err != nil {
		return nil, err
	}
	out := make([]assay.Digest, n)
	for i := range out {
		copy(out[i][:], raw[i*sha256.Size:])
		if last := max(i-1, 0); out[i].IsZero() || i > 0 && bytes.Compare(out[last][:], out[i][:]) >= 0 {
			return nil, invalidState("tensor %q: image %d is not named, or not after the one before it", name, i)
		}
	}
	return out, nil
}

// readFloat32 reads a tensor in blocks: as many bytes as it has beside the numbers
// would double what a large state takes.
func readFloat32(c *weights.Checkpoint, name string, shape ...int) ([]float32, error) {
	if err := tensorIs(c, name, "float32", shape...); err != nil {
		return nil, err
	}
	path, at, length, _ := c.Place(name)
	if path == "" { // compressed, or not in rows
		v, err := c.Float32(name)
		if err != nil {
			return nil, err
		}
		return v, allFinite(name, v)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := make([]float32, length/4)
	block := make([]byte, min(length, 1<<20))
	for done := int64(0); done < length; done += int64(len(block)) {
		block = block[:min(length-done, int64(len(block)))]
		if _, err := f.ReadAt(block, at+done); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		for i := range len(block) / 4 {
			out[done/4+int64(i)] = math.Float32frombits(binary.LittleEndian.Uint32(block[4*i:]))
		}
	}
	return out, allFinite(name, out)
}

func allFinite[T float32 | float64](name string, v []T) error {
	for i, x := range v {
		if x-x != 0 {
			return invalidState("tensor %q: number %d is %v", name, i, x)
		}
	}
	return nil
}

func readFloat64(c *weights.Checkpoint, name string, shape ...int) ([]float64, error) {
	if err := tensorIs(c, name, "float64", shape...); err != nil {
		return nil, err
	}
	v, err := c.Float64(name)
	if err != nil {
		return nil, err
	}
	return v, allFinite(name, v)
}

func readMoments(c *weights.Checkpoint, mean, scatter string, row stateRow) (*stat.Moments, error) {
	if err := tensorIs(c, scatter, "float64", row.Dim*(row.Dim+1)/2); err != nil {
		return nil, err
	}
	mu, err := readFloat64(c, mean, row.Dim)
	if err != nil {
		return nil, err
	}
	tri, err := readFloat64(c, scatter, row.Dim*(row.Dim+1)/2)
	if err != nil {
		return nil, err
	}
	m := &stat.Moments{N: row.Images, Mean: mu, Scatter: square(tri, row.Dim)}
	for i := range row.Dim {
		if v := m.Scatter[i*row.Dim+i]; v < 0 {
			return nil, invalidState("tensor %q: component %d has a scatter of %v, which is negative", scatter, i, v)
		}
	}
	return m, nil
}

// tensorIs refuses a tensor that is not there, or of another type or shape.
func tensorIs(c *weights.Checkpoint, name, dtype string, shape ...int) error {
	have, ok := c.Shape(name)
	_, _, _, kind := c.Place(name)
	switch {
	case !ok:
		return invalidState("tensor %q is missing", name)
	case kind != dtype || !slices.Equal(have, shape):
		return invalidState("tensor %q is %s %v, want %s %v", name, kind, have, dtype, shape)
	}
	return nil
}

// fileDigest returns the hex SHA-256 of a file.
func fileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

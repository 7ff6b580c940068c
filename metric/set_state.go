package metric

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// A FeatureSet is what one row of features saw in a set of images: either the
// vectors themselves, or only their moments, which take no more room however
// many images there are. It is the state from which measures of sets are taken,
// and states of parts of a set merge into that of the whole.
//
// Images are named by their digests, in ascending order, and none appears
// twice: so what is computed does not depend on the order in which images were
// read, or on how they were divided.
type FeatureSet struct {
	assay.Identity        // of the row of features: only equal ones may meet
	Space          Space  // in which two vectors are compared, where a measure leaves that open
	Dim            int    // length of a vector
	Published      string // digest of the file of statistics that others published; then identity and images are not known
	Digests        []assay.Digest
	Features       []float32     // len(Digests) rows of Dim, or nil
	Moments        *stat.Moments // or nil; of published ones, N means nothing
}

// Len returns how many images the set has, or 0 if that is not known.
func (s *FeatureSet) Len() int {
	switch {
	case s.Features != nil:
		return len(s.Features) / s.Dim
	case s.Moments != nil && s.Published == "":
		return s.Moments.N
	}
	return 0
}

// Rows returns the vectors, as stat takes them. The caller must not change them.
func (s *FeatureSet) Rows() stat.Features { return stat.Features{Dim: s.Dim, Data: s.Features} }

// Digest names the set whatever its order was: the hex SHA-256 of "assay set 1\n"
// and the digests of its images, ascending, 32 bytes each. Published statistics
// are named by the digest of their file.
func (s *FeatureSet) Digest() string {
	if s.Published != "" {
		return s.Published
	}
	h := sha256.New()
	io.WriteString(h, "assay set 1\n")
	for _, d := range s.Digests {
		h.Write(d[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// moments returns the moments of the set, computed if it holds vectors.
func (s *FeatureSet) moments(ctx context.Context) (*stat.Moments, error) {
	if s.Moments != nil {
		return s.Moments, nil
	}
	m, err := stat.NewMoments(s.Dim)
	if err != nil {
		return nil, err
	}
	return m, m.Add(ctx, s.Rows())
}

// same says what keeps two sets from meeting: the first part of their
// identities that differs.
func (s *FeatureSet) same(o *FeatureSet) error {
	differ := func(what string, a, b any) error {
		return fmt.Errorf("%s: %s %v and %v cannot be compared: %w", s.Instrument, what, a, b, assay.ErrConflict)
	}
	switch {
	case s.Instrument != o.Instrument:
		return differ("features", s.Instrument, o.Instrument)
	case s.Version != o.Version:
		return differ("versions", s.Version, o.Version)
	case s.Checkpoint != o.Checkpoint:
		return differ("checkpoints", shortDigest(s.Checkpoint), shortDigest(o.Checkpoint))
	case s.Preparation != o.Preparation:
		return differ("preparations", inQuotes(s.Preparation), inQuotes(o.Preparation))
	case s.Runtime != o.Runtime:
		return differ("runtimes", inQuotes(s.Runtime), inQuotes(o.Runtime))
	case s.Synthetic != o.Synthetic:
		return differ("synthetic weights", s.Synthetic, o.Synthetic)
	case s.Dim != o.Dim || s.Space != o.Space:
		return differ("vectors", fmt.Sprintf("of %d numbers (%s)", s.Dim, s.Space), fmt.Sprintf("of %d numbers (%s)", o.Dim, o.Space))
	}
	return nil
}

func shortDigest(digest string) string { return digest[:min(len(digest), 12)] }

func inQuotes(s string) string { return fmt.Sprintf("%q", s) }

// MergeSets joins what the same row saw in several sets of images. Vectors are
// kept if all parts have them; otherwise the result has moments. The result does
// not depend on the order of the parts.
//
// It fails, wrapping [assay.ErrConflict], if the identities differ; if an image
// is in two parts of which one holds only moments, because it cannot be taken
// out again; or if two parts saw different vectors in one image, beyond the
// rounding by which processors differ. Otherwise an image that is in several
// parts counts once.
func MergeSets(ctx context.Context, parts ...*FeatureSet) (*FeatureSet, error) {
	if len(parts) == 0 {
		return nil, fmt.Errorf("merging no states: %w", assay.ErrInvalid)
	}
	parts = slices.Clone(parts)
	vectors := true
	for _, p := range parts {
		if err := parts[0].same(p); err != nil {
			return nil, err
		}
		if p.Published != "" || len(p.Digests) == 0 {
			return nil, fmt.Errorf("%s: statistics of images that are not named cannot be merged: %w", p.Instrument, assay.ErrInvalid)
		}
		vectors = vectors && p.Features != nil
	}
	slices.SortFunc(parts, func(a, b *FeatureSet) int {
		return cmp.Or(bytes.Compare(a.Digests[0][:], b.Digests[0][:]), cmp.Compare(len(a.Digests), len(b.Digests)))
	})
	if vectors {
		return mergeVectors(parts)
	}
	return mergeMoments(ctx, parts)
}

// An imagePlace is where an image's vector lies.
type imagePlace struct {
	id   assay.Digest
	part int
	row  int
}

// placesOf lists the images of all parts, ascending.
func placesOf(parts []*FeatureSet) []imagePlace {
	var all []imagePlace
	for i, p := range parts {
		for j, d := range p.Digests {
			all = append(all, imagePlace{d, i, j})
		}
	}
	slices.SortFunc(all, func(a, b imagePlace) int {
		return cmp.Or(bytes.Compare(a.id[:], b.id[:]), cmp.Compare(a.part, b.part))
	})
	return all
}

func mergeVectors(parts []*FeatureSet) (*FeatureSet, error) {
	all := placesOf(parts)
	distinct := 0
	for i, p := range all {
		if i == 0 || p.id != all[i-1].id {
			distinct++
		}
	}
	out := *parts[0]
	out.Moments = nil
	out.Digests, out.Features = make([]assay.Digest, 0, distinct), make([]float32, 0, distinct*out.Dim)
	for i, p := range all {
		v := parts[p.part].Rows().Row(p.row)
		if i == 0 || p.id != all[i-1].id {
			out.Digests, out.Features = append(out.Digests, p.id), append(out.Features, v...)
			continue
		}
		have := out.Features[len(out.Features)-out.Dim:]
		if !nearlyEqual(have, v) {
			return nil, fmt.Errorf("%s: two states saw different vectors in image %s: make them again: %w", out.Instrument, p.id, assay.ErrConflict)
		}
		if slices.Compare(v, have) < 0 { // which of the two must not depend on their order
			copy(have, v)
		}
	}
	return &out, nil
}

// nearlyEqual reports whether two vectors of one image differ by no more than
// processors do: 1e-3 of their length.
func nearlyEqual(a, b []float32) bool {
	var apart, length float64
	for i, x := range a {
		d := float64(x) - float64(b[i])
		apart += float64(d * d)
		length += float64(float64(x) * float64(x))
	}
	return math.Sqrt(apart) <= 1e-3*math.Sqrt(length)
}

func mergeMoments(ctx context.Context, parts []*FeatureSet) (*FeatureSet, error) {
	all := placesOf(parts)
	out := *parts[0]
	out.Features, out.Digests = nil, make([]assay.Digest, 0, len(all))
	for i, p := range all {
		if i > 0 && p.id == all[i-1].id {
			return nil, fmt.Errorf("%s: image %s is in two states of which one holds only moments, where it cannot be counted once: "+
				"divide the images without overlap, or save states with vectors: %w", out.Instrument, p.id, assay.ErrConflict)
		}
		out.Digests = append(out.Digests, p.id)
	}
	sum, err := stat.NewMoments(out.Dim)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		m, err := p.moments(ctx)
		if err != nil {
			return nil, err
		}
		if err := sum.Merge(m); err != nil {
			return nil, err
		}
	}
	out.Moments = sum
	return &out, nil
}

// MergeStates joins states, row by row. The rows of the result are sorted by the
// names of their features. Every part must have the same rows, or measures over
// several would be of different images. Errors are those of [MergeSets].
func MergeStates(ctx context.Context, states ...[]*FeatureSet) ([]*FeatureSet, error) {
	byName := map[string][]*FeatureSet{}
	var names []string
	for _, rows := range states {
		for _, r := range rows {
			if byName[r.Instrument] == nil {
				names = append(names, r.Instrument)
			}
			byName[r.Instrument] = append(byName[r.Instrument], r)
		}
	}
	slices.Sort(names)
	var out []*FeatureSet
	for _, name := range names {
		if n := len(byName[name]); n != len(states) {
			return nil, fmt.Errorf("%d of %d states have features of %s, so the merged state would be of different images: "+
				"save all with the same metrics: %w", n, len(states), name, assay.ErrConflict)
		}
		merged, err := MergeSets(ctx, byName[name]...)
		if err != nil {
			return nil, err
		}
		out = append(out, merged)
	}
	return out, nil
}

// A SetBuilder gathers what a row of features sees in the images of a set.
type SetBuilder struct {
	set  FeatureSet
	keep bool
	n    int           // images to come, for the first allocation
	wait stat.Features // vectors that are not in the moments yet
}

// momentsBlock is how many vectors are added to moments at once.
const momentsBlock = 256

// NewSetBuilder returns a builder for what the instrument, which must have an
// embedding, sees in n images; there may come fewer. If keep is false, only
// moments are kept, in memory that does not grow with the number of images but
// for their digests.
func NewSetBuilder(in *Instrument, n int, keep bool) *SetBuilder {
	return &SetBuilder{set: FeatureSet{Identity: in.Identity(), Space: cmp.Or(in.Space, Cosine)}, keep: keep, n: n}
}

// Add takes the vector of one image. Images must come in ascending order of
// their digests, so that sums are always taken in the same order. The vector is
// copied.
func (b *SetBuilder) Add(ctx context.Context, id assay.Digest, v []float32) error {
	s := &b.set
	if s.Dim == 0 && len(v) > 0 {
		s.Dim, b.wait.Dim = len(v), len(v)
		s.Digests = make([]assay.Digest, 0, b.n)
		if b.keep {
			s.Features = make([]float32, 0, b.n*len(v))
		} else {
			var err error
			if s.Moments, err = stat.NewMoments(s.Dim); err != nil {
				return err
			}
		}
	}
	switch {
	case len(v) != s.Dim || s.Dim == 0:
		return fmt.Errorf("%s: image %s has a vector of %d numbers, others of %d: %w", s.Instrument, id, len(v), s.Dim, assay.ErrInvalid)
	case len(s.Digests) > 0 && bytes.Compare(s.Digests[len(s.Digests)-1][:], id[:]) >= 0:
		return fmt.Errorf("%s: image %s comes after a later one, or twice: %w", s.Instrument, id, assay.ErrInvalid)
	}
	s.Digests = append(s.Digests, id)
	if b.keep {
		s.Features = append(s.Features, v...)
		return nil
	}
	b.wait.Data = append(b.wait.Data, v...)
	if b.wait.Len() < momentsBlock {
		return nil
	}
	return b.flush(ctx)
}

func (b *SetBuilder) flush(ctx context.Context) error {
	if len(b.wait.Data) == 0 {
		return nil
	}
	err := b.set.Moments.Add(ctx, b.wait)
	b.wait.Data = b.wait.Data[:0]
	return err
}

// Len returns how many images were added.
func (b *SetBuilder) Len() int { return len(b.set.Digests) }

// Set returns what was gathered so far. More may be added afterwards; of vectors,
// the result stays as it is then, of moments it does not. It fails, wrapping
// [assay.ErrInvalid], if nothing was added.
func (b *SetBuilder) Set(ctx context.Context) (*FeatureSet, error) {
	if len(b.set.Digests) == 0 {
		return nil, fmt.Errorf("%s saw no image: %w", b.set.Instrument, assay.ErrInvalid)
	}
	if err := b.flush(ctx); err != nil {
		return nil, err
	}
	s := b.set
	s.Digests, s.Features = slices.Clip(s.Digests), slices.Clip(s.Features)
	return &s, nil
}

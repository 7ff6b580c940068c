package series

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/taste"
)

// AxesNote is the kind of the notes that keep learned axes, one a version.
const AxesNote = "axes"

// learnedPrefix begins the descriptors of learned axes: learned@3/1 is the first
// of version 3.
const learnedPrefix = "learned@"

// learnedCells is how many cells a learned axis is cut into.
const learnedCells = 8

// LearnedAxes are axes of an archive that were learned from one person's answers
// to which of three images is the odd one out.
type LearnedAxes struct {
	Version  int             `json:"version"` // from 1; 0 if they were not kept
	Rater    string          `json:"rater"`
	Identity assay.Identity  `json:"identity"` // of the embedding that is mapped
	Map      *taste.Map      `json:"map"`
	Trial    taste.AxesTrial `json:"trial"`
	Triplets int             `json:"triplets"` // that they were learned from
	Created  time.Time       `json:"created,omitzero"`
}

// LearnedVersions returns all learned axes of the series, oldest first: the n-th
// is version n.
func (s *Series) LearnedVersions(ctx context.Context) ([]LearnedAxes, error) {
	notes, err := s.facts.Notes(ctx, s.name, assay.Digest{}, AxesNote)
	if err != nil {
		return nil, err
	}
	out := make([]LearnedAxes, len(notes))
	for k, n := range notes {
		if err := json.Unmarshal(n.Body, &out[k]); err != nil || out[k].Map == nil {
			return nil, fmt.Errorf("series %s: learned@%d cannot be read (note %d): %w", s.name, k+1, n.ID, assay.ErrInvalid)
		}
		out[k].Version, out[k].Created = k+1, n.Created
	}
	return out, nil
}

// LearnAxes learns two axes from the rater's odd ones out, over the embeddings that
// the diversity gate or its sketch stands on, and keeps them as a new version if
// they foresee answers that they have not seen better than the version in force,
// or than the untrained embedding, by more than half of the interval. Else, and
// with dry, nothing is kept, Version is 0 and the trial says why. The map of the
// series does not change: see [Series.Rebin]. Without answers the error wraps
// [assay.ErrUnavailable].
func (s *Series) LearnAxes(ctx context.Context, rater string, dry bool) (*LearnedAxes, error) {
	id, space, err := s.diagnoseBy(ctx, "")
	if err != nil {
		return nil, err
	}
	versions, err := s.LearnedVersions(ctx)
	if err != nil {
		return nil, err
	}
	var old *LearnedAxes
	for k := range versions {
		if v := &versions[k]; v.Rater == rater && v.Identity == id {
			old = v
		}
	}
	data, opt, err := s.likenesses(ctx, rater, id, old)
	if err != nil {
		return nil, err
	}
	data.Unit = space == metric.Cosine
	out := &LearnedAxes{Rater: rater, Identity: id, Triplets: len(data.Answers), Created: s.opt.Now()}
	if out.Map, out.Trial, err = taste.FitAxes(ctx, data, opt); err != nil {
		return nil, fmt.Errorf("series %s: axes from %s of %s: %w", s.name, counted(len(data.Answers), "answer", "answers"), rater, err)
	}
	if dry || !out.Trial.Accepted {
		return out, nil
	}
	body, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	note := assay.Note{Series: s.name, Judge: assay.Judge{Name: rater}, Kind: AxesNote, Body: body, Created: out.Created}
	if _, err := s.facts.PutNote(ctx, note); err != nil {
		return nil, err
	}
	out.Version = len(versions) + 1
	return out, nil
}

// likenesses gathers the rater's odd ones out, and the embeddings of the series.
func (s *Series) likenesses(ctx context.Context, rater string, id assay.Identity, old *LearnedAxes) (d taste.Likenesses, opt taste.AxesOptions, err error) {
	at := map[assay.Digest]int{}
	err = s.facts.Embeddings(ctx, s.name, id, func(_ int64, image assay.Digest, v []float32) error {
		at[image] = len(d.Vectors)
		d.Vectors = append(d.Vectors, slices.Clone(v))
		if old == nil {
			return nil
		}
		x, err := old.Map.At(v)
		opt.Old = append(opt.Old, x)
		return err
	})
	if err != nil {
		return d, opt, err
	}
	triplets, err := s.facts.Triplets(ctx, s.name)
	if err != nil {
		return d, opt, err
	}
	for _, t := range triplets {
		if t.Rater != rater || t.Answered.IsZero() || t.Odd < 0 {
			continue
		}
		odd, ok := at[t.Images[t.Odd]]
		a, ok1 := at[t.Images[(t.Odd+1)%3]]
		b, ok2 := at[t.Images[(t.Odd+2)%3]]
		if ok && ok1 && ok2 {
			d.Answers = append(d.Answers, taste.Likeness{A: a, B: b, Odd: odd, After: old != nil && t.Answered.After(old.Created)})
		}
	}
	if len(d.Answers) == 0 {
		err = fmt.Errorf("series %s: %s has found no odd one out yet; the page Odd one out asks (`assay serve`): %w", s.name, rater, assay.ErrUnavailable)
	}
	return d, opt, err
}

// A learnedAxis is one coordinate of a version.
type learnedAxis struct{ version, k int }

// learnedOf reads a descriptor; ok is false if it is another's.
func learnedOf(descriptor string) (a learnedAxis, ok bool) {
	text, ok := strings.CutPrefix(descriptor, learnedPrefix)
	version, k, cut := strings.Cut(text, "/")
	var err1, err2 error
	a.version, err1 = strconv.Atoi(version)
	a.k, err2 = strconv.Atoi(k)
	return a, ok && cut && err1 == nil && err2 == nil && a.version > 0 && a.k > 0
}

// learnedMaps returns the versions that axes of a grid are of, by axis; nil if none
// was learned.
func (s *Series) learnedMaps(ctx context.Context, axes []assay.Axis) (map[int]*LearnedAxes, error) {
	var versions []LearnedAxes
	var out map[int]*LearnedAxes
	for k, axis := range axes {
		a, ok := learnedOf(axis.Descriptor)
		if !ok {
			continue
		}
		if out == nil {
			var err error
			if versions, err = s.LearnedVersions(ctx); err != nil {
				return nil, err
			}
			out = map[int]*LearnedAxes{}
		}
		if a.version > len(versions) {
			return nil, fmt.Errorf("axis %s: the series has %s of learned axes; `assay axes learn` makes them: %w",
				axis.Descriptor, counted(len(versions), "version", "versions"), assay.ErrNotFound)
		}
		if out[k] = &versions[a.version-1]; a.k > len(out[k].Map.Weights) {
			return nil, fmt.Errorf("axis %s: that version has %d coordinates: %w", axis.Descriptor, len(out[k].Map.Weights), assay.ErrInvalid)
		}
	}
	return out, nil
}

// describeLearned calls fn with the coordinates of every image along the axes that
// were learned, in one pass over the embeddings of each version.
func (s *Series) describeLearned(ctx context.Context, axes []assay.Axis, fn func(k int, seq int64, image assay.Digest, value float64)) error {
	maps, err := s.learnedMaps(ctx, axes)
	if err != nil {
		return err
	}
	done := map[int]bool{} // by version
	for _, v := range maps {
		if done[v.Version] {
			continue
		}
		done[v.Version] = true
		err := s.facts.Embeddings(ctx, s.name, v.Identity, func(seq int64, image assay.Digest, vector []float32) error {
			x, err := v.Map.At(vector)
			if errors.Is(err, assay.ErrInvalid) { // an embedding without a direction stands nowhere
				return nil
			}
			if err != nil {
				return err
			}
			for k, axis := range axes {
				if a, ok := learnedOf(axis.Descriptor); ok && a.version == v.Version {
					fn(k, seq, image, x[a.k-1])
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// learnedGrid is the grid of a version: its coordinates between quantiles of the
// series' images.
func (s *Series) learnedGrid(ctx context.Context, version int, lo, hi float64) ([]assay.Axis, []string, int, error) {
	axes := []assay.Axis{{Descriptor: fmt.Sprintf("%s%d/1", learnedPrefix, version)}}
	maps, err := s.learnedMaps(ctx, axes)
	if err != nil {
		return nil, nil, 0, err
	}
	for k := 2; k <= len(maps[0].Map.Weights); k++ {
		axes = append(axes, assay.Axis{Descriptor: fmt.Sprintf("%s%d/%d", learnedPrefix, version, k)})
	}
	samples := make([]archive.AxisSample, len(axes))
	for k, axis := range axes {
		samples[k] = archive.AxisSample{Descriptor: axis.Descriptor, Cells: learnedCells}
	}
	err = s.describeLearned(ctx, axes, func(k int, _ int64, _ assay.Digest, value float64) {
		samples[k].Values = append(samples[k].Values, value)
	})
	if err != nil {
		return nil, nil, 0, err
	}
	if len(samples[0].Values) == 0 {
		return nil, nil, 0, s.lacksAxis(axes[0])
	}
	axes, notes, err := archive.FromQuantiles(samples, lo, hi)
	return axes, notes, len(samples[0].Values), err
}

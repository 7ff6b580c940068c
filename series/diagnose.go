package series

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
	"github.com/gen-emerge/assay/metric"
)

// vectorBudget bounds the vectors a diagnosis holds, in bytes.
const vectorBudget = 512 << 20

// Diagnose says whether the series converges, from what is stored: it reads no
// picture and writes nothing. All images that entered count, in order of
// arrival, also those that gates refused: they are what the generator made. The
// error wraps [assay.ErrNotFound] if no image has a vector by opt.By, and says
// how to get them, and [assay.ErrInvalid] for options that cannot be.
func (s *Series) Diagnose(ctx context.Context, opt DiagnoseOptions) (Diagnosis, error) {
	view, err := s.View(ctx)
	if err != nil {
		return Diagnosis{}, err
	}
	q, err := s.sequence(ctx, view, opt)
	if err != nil {
		return Diagnosis{}, err
	}
	d, err := Diagnose(ctx, q, opt)
	d.Series = s.name
	return d, err
}

// sequence reads the images of the series in order of arrival.
func (s *Series) sequence(ctx context.Context, view *View, opt DiagnoseOptions) (Sequence, error) {
	id, space, err := s.diagnoseBy(ctx, opt.By)
	if err != nil {
		return Sequence{}, err
	}
	q := Sequence{By: id, Space: space, Order: "arrival", Grid: view.Grid.Axes}
	grid := view.Archive.Grid()
	refused, left, bytes := 0, 0, 0
	err = s.facts.Embeddings(ctx, s.name, id, func(seq int64, image assay.Digest, v []float32) error {
		if seq > int64(len(view.rows)) {
			return nil // entered since the view was made
		}
		if view.recorded(seq) && view.decision(seq).Placement == assay.Refused {
			refused++
			if opt.Accepted {
				left++
				return nil
			}
		}
		if bytes += 4 * len(v); bytes > vectorBudget {
			return fmt.Errorf("diagnosis of %d images by %s: their vectors take more than %d MiB; choose an instrument with shorter ones (--by layout): %w",
				len(view.rows), id.Instrument, vectorBudget>>20, assay.ErrInvalid)
		}
		q.Vectors = append(q.Vectors, v)
		q.Labels = append(q.Labels, fmt.Sprintf("image %d", seq))
		q.Cells = append(q.Cells, cellOf(grid, view.rows[seq-1].values))
		return nil
	})
	if err != nil {
		return Sequence{}, err
	}
	if len(q.Vectors) == 0 && len(view.rows) > left {
		return Sequence{}, fmt.Errorf("no image of series %s has a vector by %s: `assay diagnose --by %s` reads the pictures once and keeps them: %w", s.name, id.Instrument, id.Instrument, assay.ErrNotFound)
	}
	q.note(len(view.rows), refused, left, opt)
	q.Lacks = s.finer(id.Instrument)
	return q, nil
}

// note tells which images are in and which are not.
func (q *Sequence) note(entered, refused, left int, opt DiagnoseOptions) {
	if n := entered - len(q.Vectors) - left; n > 0 {
		q.Notes = append(q.Notes, fmt.Sprintf("%s of %d no vector by %s and %s left out; `assay add` measures what was cut short, `assay diagnose --by %s` embeds the rest",
			counted(n, "image has", "images have"), entered, q.By.Instrument, isOrAre(n), q.By.Instrument))
	}
	switch {
	case opt.Accepted:
		q.Notes = append(q.Notes, fmt.Sprintf("%s that gates refused %s left out: what is looked at is what was accepted", counted(left, "image", "images"), isOrAre(left)))
	case refused > 0:
		q.Notes = append(q.Notes, fmt.Sprintf("%s that gates refused %s counted too, since the generator made them; --accepted leaves them out",
			counted(refused, "image", "images"), isOrAre(refused)))
	}
}

// cellOf returns the cell of an image on the map, −1 if a descriptor is missing.
func cellOf(grid *archive.Grid, values []float64) int {
	cell, _, err := grid.Index(values)
	if err != nil { // NaN: not measured
		return -1
	}
	return cell
}

// finer names the best distance that is not at hand, if images are told apart by
// the sketch, which sees no content.
func (s *Series) finer(by string) []Missing {
	if by != sketchInstrument {
		return nil
	}
	best := distances()[0]
	reason := "it tells images apart by what they show, which " + sketchInstrument + " does not; `assay models pull " + best + "`, then `assay diagnose --by " + best + "`"
	if err := s.tools.Missing[best]; err != nil {
		reason = "it tells images apart by what they show, which " + sketchInstrument + " does not: " + told(err)
	}
	return []Missing{{Instrument: best, Reason: reason}}
}

// diagnoseBy returns the identity whose stored vectors are read, and their space.
func (s *Series) diagnoseBy(ctx context.Context, name string) (assay.Identity, metric.Space, error) {
	if name == "" {
		id, err := s.gateIdentity(ctx)
		if err != nil {
			return assay.Identity{}, "", err
		}
		if spec, ok := metric.Find(id.Instrument); ok && spec.Space != "" {
			return id, spec.Space, nil
		}
		name = sketchInstrument // the gate's distance keeps no vectors; the sketch proposes its neighbours
	}
	if in, err := s.tools.Find(name); err == nil && name != sketchInstrument {
		id, space, ok := vectorsBy(in)
		if !ok {
			err = fmt.Errorf("%s sees images as no vector, or as several: choose one that does, as %s do: %w", name, strings.Join(DiagnosisInstruments(), ", "), assay.ErrInvalid)
		}
		return id, space, err
	}
	stored, err := s.storedIdentities(ctx)
	if err != nil {
		return assay.Identity{}, "", err
	}
	var names []string
	for _, id := range stored {
		if id.Instrument == name {
			return id, spaceOf(name), nil
		}
		if !slices.Contains(names, id.Instrument) {
			names = append(names, id.Instrument)
		}
	}
	_, known := metric.Find(name)
	switch {
	case len(stored) == 0:
		return assay.Identity{}, "", fmt.Errorf("series %s has no measured images yet: `assay add IMAGE ...` adds some: %w", s.name, assay.ErrNotFound)
	case known:
		return assay.Identity{}, "", fmt.Errorf("no image of series %s has a vector by %s; there are vectors by %s: %w", s.name, name, strings.Join(names, ", "), assay.ErrNotFound)
	}
	return assay.Identity{}, "", fmt.Errorf("no instrument %q; there are vectors by %s: %w", name, strings.Join(names, ", "), assay.ErrNotFound)
}

// spaceOf is how vectors stored under a name are compared. Those of towers are
// compared by their angle.
func spaceOf(name string) metric.Space {
	if spec, ok := metric.Find(name); ok && spec.Space != "" {
		return spec.Space
	}
	return metric.Cosine
}

// gateIdentity is the identity under which the diversity gate reads distances:
// that of its threshold, before there is one that of the newest neighbour.
func (s *Series) gateIdentity(ctx context.Context) (assay.Identity, error) {
	thresholds, err := s.facts.Thresholds(ctx, s.name)
	if err != nil {
		return assay.Identity{}, err
	}
	for _, t := range thresholds {
		if t.Gate == diversityGate {
			return t.Identity, nil
		}
	}
	var id assay.Identity
	err = s.facts.Neighbours(ctx, s.name, func(n assay.Neighbour) error { id = n.Identity; return nil })
	return id, err
}

// storedIdentities lists under what identities the series' newest images have
// vectors, the newest image first.
func (s *Series) storedIdentities(ctx context.Context) ([]assay.Identity, error) {
	n, err := s.facts.Count(ctx, s.name)
	if err != nil {
		return nil, err
	}
	entries, err := s.facts.Entries(ctx, s.name, max(0, n-entryWindow), entryWindow)
	if err != nil {
		return nil, err
	}
	var out []assay.Identity
	for _, e := range slices.Backward(entries) {
		embeddings, err := s.facts.ImageEmbeddings(ctx, e.Image)
		if err != nil {
			return nil, err
		}
		for _, v := range embeddings {
			if !slices.Contains(out, v.Identity) {
				out = append(out, v.Identity)
			}
		}
		if len(out) > 0 && len(embeddings) > 0 {
			break // images of one series are measured alike; the newest says what is at hand now
		}
	}
	return out, nil
}

// vectorsBy returns the identity and the space of the vectors by which the
// instrument tells images apart: its own, or those of the one tower it stands on.
// ok is false if it has neither.
func vectorsBy(in *metric.Instrument) (id assay.Identity, space metric.Space, ok bool) {
	if in.Embeds() {
		return in.Identity(), in.Space, true
	}
	if towers := in.TowerIdentities(); len(towers) == 1 {
		return towers[0], metric.Cosine, true
	}
	return assay.Identity{}, "", false
}

// Embed stores the vectors of the series' images by which the named instrument
// tells them apart, those that are not stored yet: pictures are read for those
// only. The caller holds the store's writer lock. It returns how many were made,
// and tells progress, which may be nil, of images looked at. The error wraps
// [assay.ErrInvalid] if the instrument has no vectors.
func (s *Series) Embed(ctx context.Context, name string, progress func(done, total int64)) (int, error) {
	in, err := s.tools.Find(name)
	if err != nil {
		return 0, err
	}
	id, _, ok := vectorsBy(in)
	if !ok {
		return 0, fmt.Errorf("%s sees images as no vector, or as several: %w", name, assay.ErrInvalid)
	}
	have := map[assay.Digest]bool{}
	err = s.facts.Embeddings(ctx, s.name, id, func(_ int64, image assay.Digest, _ []float32) error { have[image] = true; return nil })
	if err != nil {
		return 0, err
	}
	total, err := s.facts.Count(ctx, s.name)
	if err != nil {
		return 0, err
	}
	made := 0
	for seq := int64(0); ; {
		entries, err := s.facts.Entries(ctx, s.name, seq, entryWindow)
		if err != nil || len(entries) == 0 {
			return made, err
		}
		for _, e := range entries {
			seq = e.Seq
			if progress != nil {
				progress(seq, total)
			}
			if have[e.Image] {
				continue
			}
			err := s.embedEntry(ctx, in, e)
			if errors.Is(err, assay.ErrInvalid) { // too small, say: it stays without, and the diagnosis says so
				s.opt.Log.Warn("not embedded", "instrument", name, "seq", e.Seq, "why", err)
				continue
			}
			if err != nil {
				return made, fmt.Errorf("embedding entry %d (%s): %w", e.Seq, e.Path, err)
			}
			made++
		}
	}
}

func (s *Series) embedEntry(ctx context.Context, in *metric.Instrument, e assay.Entry) error {
	pic, err := s.picture(ctx, e.Image)
	if err != nil {
		return err
	}
	v := vectors{image: e.Image, pic: pic, have: map[assay.Identity][]float32{}}
	if in.Embeds() {
		_, err = v.vector(ctx, in)
	} else {
		err = v.addTowers(ctx, in)
	}
	if err != nil {
		return err
	}
	return s.facts.Record(ctx, assay.Measurement{Series: s.name, Seq: e.Seq, Embeddings: v.made})
}

package series

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gate"
)

// DrawnNote is the kind of the notes that say of a refused image that it was
// drawn to be judged all the same, and with which probability.
const DrawnNote = "drawn"

// DeliberateOptions say what jurors are asked. The zero value asks the checklist
// of every image that passed the gates and of 5 % of the others, and compares
// the challengers of each cell with its elite.
type DeliberateOptions struct {
	Images   []assay.Digest // only these, and pairs of which one is among them; empty means all
	Audit    float64        // share of the refused images that is asked all the same, drawn by Seed; 0 means 0.05, negative none
	Seed     uint64         // of that draw: the same seed draws the same images
	Write    []string       // kinds of notes wanted: "summary", "critique"
	Best     bool           // compare each elite with the best of the series too
	NoPairs  bool           // ask the checklist only
	Parallel int            // images, or pairs, in work at once; 0 means 4
}

// defaultAudit is the share of refused images that is judged unless told
// otherwise: without any, the gates' own errors stay unseen.
const defaultAudit = 0.05

func (o DeliberateOptions) withDefaults() (DeliberateOptions, error) {
	o.Audit = cmp.Or(o.Audit, defaultAudit)
	if !(o.Audit <= 1) { // written so that NaN fails
		return o, fmt.Errorf("audit share %g: want at most 1, or a negative number for none: %w", o.Audit, assay.ErrInvalid)
	}
	o.Audit = max(o.Audit, 0)
	if o.Parallel < 1 {
		o.Parallel = 4
	}
	return o, nil
}

// A Deliberation is one thing that was learned, or could not be. It is stored
// before it is told.
type Deliberation struct {
	Image      assay.Digest      `json:"image"`
	Other      assay.Digest      `json:"other,omitzero"` // the other image of a pair
	Judge      assay.Judge       `json:"judge"`
	Answers    []assay.Answer    `json:"answers,omitempty"` // new ones
	Note       *assay.Note       `json:"note,omitempty"`
	Comparison *assay.Comparison `json:"comparison,omitempty"`
	Propensity float64           `json:"propensity,omitempty"` // of an image: the probability with which it is judged, 1 if it passed the gates
	Done       int               `json:"done"`                 // images, or pairs, finished so far
	Total      int               `json:"total"`                // of so many; of pairs, those known by now
	Error      string            `json:"error,omitempty"`      // why the image or the pair could not be judged
}

// Deliberate asks the jurors about the images of the series and stores what they
// say as soon as it is learned. Each image that passed the gates, and a random
// share of the others, gets each juror's checklist and the notes that are
// wanted. Then the challengers of each cell are compared with its elite, those
// most probably better first, each juror once a pair, until no pair is left that
// no person has decided and some juror has not seen; an elite that is displaced
// makes new pairs. A juror whose answers to one of a pair are void, since a control
// on it failed, does not compare it: that is told, and left to people.
//
// emit is told, one call at a time, of each thing that was learned, after it was
// stored. Jurors are asked about opt.Parallel images at once; what is stored
// depends on the facts and the jurors, not on who was quicker. Nothing that is
// stored is asked again, so a run that was cut short is resumed by repeating it.
//
// The first error of a juror that is not about the pictures in hand (see
// [Juror]), of the store, of emit, or the end of ctx ends the run: images in
// work are finished as far as their jurors answer, none is begun, and the error
// is returned.
func (s *Series) Deliberate(ctx context.Context, jurors []Juror, opt DeliberateOptions, emit func(Deliberation) error) error {
	opt, err := opt.withDefaults()
	if err != nil {
		return err
	}
	seen := map[assay.Judge]bool{}
	for _, j := range jurors {
		if seen[j.Judge()] {
			return fmt.Errorf("juror %s is named twice: %w", j.Judge().Name, assay.ErrInvalid)
		}
		seen[j.Judge()] = true
	}
	if len(jurors) == 0 {
		return fmt.Errorf("series %s: no judge is at hand to deliberate: %w", s.name, assay.ErrUnavailable)
	}
	d := &deliberating{s: s, jurors: jurors, opt: opt, emit: emit}
	if err := d.images(ctx); err != nil || opt.NoPairs {
		return err
	}
	return d.pairs(ctx)
}

// deliberating is one run of Deliberate.
type deliberating struct {
	s      *Series
	jurors []Juror
	opt    DeliberateOptions

	mu          sync.Mutex // of what follows: one thing is told at a time
	emit        func(Deliberation) error
	done, total int
}

// tell tells of something learned. finished counts images, or pairs, that are
// done with it.
func (d *deliberating) tell(t Deliberation, finished int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done += finished
	t.Done, t.Total = d.done, d.total
	return d.emit(t)
}

// each runs fn for the things 0 to n−1, opt.Parallel at once, begun in order. The
// first error ends it: what is in work is finished, nothing more is begun.
func (d *deliberating) each(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	next := 0
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		if first == nil && ctx.Err() != nil {
			first = context.Cause(ctx)
		}
		if first != nil || next == n {
			return 0, false
		}
		next++
		return next - 1, true
	}
	for range min(d.opt.Parallel, n) {
		wg.Go(func() {
			for i, more := take(); more; i, more = take() {
				if err := fn(ctx, i); err != nil {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}

// aboutPictures reports whether a juror's error is about the pictures in hand,
// so that others may go on.
func aboutPictures(err error) bool {
	var ours endsRun
	return !errors.As(err, &ours) && (errors.Is(err, assay.ErrInvalid) || errors.Is(err, assay.ErrNotFound))
}

// endsRun is an error of keeping or telling what a juror said, which ends a run
// whatever it wraps.
type endsRun struct{ err error }

func (e endsRun) Error() string { return e.err.Error() }
func (e endsRun) Unwrap() error { return e.err }

// A candidate is an image that is to be judged.
type candidate struct {
	image      assay.Digest
	propensity float64  // with which it is judged; 1 if it passed the gates
	refused    []string // the gates that refused it
	drawn      bool     // it is judged; a refused image that was not drawn is not
}

// images asks the checklist and the notes of every image that is to be judged.
func (d *deliberating) images(ctx context.Context) error {
	view, err := d.s.View(ctx)
	if err != nil {
		return err
	}
	all, passed, err := d.candidates(view)
	if err != nil {
		return err
	}
	d.total = len(all)
	return d.each(ctx, len(all), func(ctx context.Context, i int) error { return d.image(ctx, all[i], passed) })
}

// candidates lists the images to be judged in order of arrival, and the names of
// all that passed the gates.
func (d *deliberating) candidates(view *View) (all []candidate, passed []assay.Digest, err error) {
	wanted := map[assay.Digest]bool{}
	for _, id := range d.opt.Images {
		if _, ok := view.seqs[id]; !ok {
			return nil, nil, fmt.Errorf("image %s in series %s: %w", id, d.s.name, assay.ErrNotFound)
		}
		wanted[id] = true
	}
	for i := range view.rows {
		r := &view.rows[i]
		if !r.recorded {
			continue
		}
		c := candidate{image: r.image, propensity: 1, drawn: true}
		if verdicts := view.verdicts(r); gate.Refuses(verdicts) {
			c.propensity, c.drawn = d.opt.Audit, drawn(d.opt.Seed, r.image, d.opt.Audit)
			for _, g := range verdicts {
				if g.Verdict == assay.Fail && g.Mode == assay.Enforced {
					c.refused = append(c.refused, g.Gate)
				}
			}
		} else {
			passed = append(passed, r.image)
		}
		if len(wanted) > 0 && !wanted[r.image] || len(wanted) == 0 && !c.drawn {
			continue
		}
		all = append(all, c)
	}
	return all, passed, nil
}

// drawn reports whether an image is among the share that a seed draws. Nobody who
// does not know the seed can tell beforehand.
func drawn(seed uint64, image assay.Digest, share float64) bool {
	sum := sha256.Sum256(append(binary.BigEndian.AppendUint64([]byte("audit"), seed), image[:]...))
	const bits = 53 // of a float64
	return float64(binary.BigEndian.Uint64(sum[:8])>>(64-bits))/(1<<bits) < share
}

// image asks every juror about one image.
func (d *deliberating) image(ctx context.Context, c candidate, passed []assay.Digest) error {
	if !c.drawn { // but asked for by name
		return d.tell(Deliberation{Image: c.image, Propensity: c.propensity,
			Error: fmt.Sprintf("refused by %s, and not drawn to be judged all the same", strings.Join(c.refused, ", "))}, 1)
	}
	shown, err := d.s.show(ctx, c.image, passed)
	if err != nil {
		return err
	}
	for k, j := range d.jurors {
		t := Deliberation{Image: c.image, Judge: j.Judge(), Propensity: c.propensity}
		if err := d.record(ctx, c, j.Judge()); err != nil {
			return err
		}
		if t.Answers, err = d.ask(ctx, j, shown); err == nil {
			err = d.write(ctx, j, shown, t)
		}
		if err != nil && !aboutPictures(err) {
			if len(t.Answers) > 0 {
				err = errors.Join(err, d.tell(t, 0))
			}
			return err
		}
		if err != nil {
			t.Error = told(err)
		}
		finished := 0
		if k == len(d.jurors)-1 {
			finished = 1
		}
		if err := d.tell(t, finished); err != nil {
			return err
		}
	}
	return nil
}

// record keeps with which probability a refused image was drawn, once for each
// judge that sees it: its answers are a sample, and this is what they weigh.
func (d *deliberating) record(ctx context.Context, c candidate, j assay.Judge) error {
	if len(c.refused) == 0 {
		return nil
	}
	notes, err := d.s.facts.Notes(ctx, d.s.name, c.image, DrawnNote)
	if err != nil || slices.ContainsFunc(notes, func(n assay.Note) bool { return n.Judge == j }) {
		return err
	}
	body, err := json.Marshal(map[string]any{"propensity": c.propensity, "seed": d.opt.Seed, "gates": c.refused})
	if err != nil {
		return err
	}
	_, err = d.s.facts.PutNote(ctx, assay.Note{Series: d.s.name, Image: c.image, Judge: j, Kind: DrawnNote, Body: body, Created: d.s.opt.Now()})
	return err
}

// show makes an image ready to be shown, with up to [MaxOthers] of those that
// passed, evenly spaced.
func (s *Series) show(ctx context.Context, id assay.Digest, passed []assay.Digest) (out Shown, err error) {
	if out.Entry, err = s.facts.Entry(ctx, s.name, id); err != nil {
		return out, err
	}
	if out.Image, err = s.facts.Image(ctx, id); err != nil {
		return out, err
	}
	if out.Data, err = s.facts.Blob(ctx, id); err != nil {
		return out, err
	}
	for k := range MaxOthers + 1 { // one more than wanted: the image itself may be among them
		if len(passed) == 0 || len(out.Others) == MaxOthers {
			break
		}
		other := passed[k*len(passed)/(MaxOthers+1)]
		if other != id && !slices.Contains(out.Others, other) {
			out.Others = append(out.Others, other)
		}
	}
	return out, nil
}

// ask gets a juror's checklist of one image and stores what is new, also of what
// came before an error.
func (d *deliberating) ask(ctx context.Context, j Juror, img Shown) ([]assay.Answer, error) {
	have, err := d.s.answersOf(ctx, img.Entry.Image, j.Judge())
	if err != nil {
		return nil, err
	}
	fresh, err := j.Checklist(ctx, img, have)
	for i := range fresh {
		fresh[i].Series, fresh[i].Image, fresh[i].Judge = d.s.name, img.Entry.Image, j.Judge()
		if fresh[i].Created.IsZero() {
			fresh[i].Created = d.s.opt.Now()
		}
	}
	if len(fresh) == 0 {
		return nil, err
	}
	// What was learned is kept, whatever ended the asking.
	if kept := d.s.facts.PutAnswers(context.WithoutCancel(ctx), fresh); kept != nil {
		return nil, endsRun{errors.Join(kept, err)}
	}
	return fresh, err
}

// answersOf lists one judge's stored answers to an image.
func (s *Series) answersOf(ctx context.Context, image assay.Digest, j assay.Judge) ([]assay.Answer, error) {
	all, err := s.facts.Answers(ctx, s.name, image)
	return slices.DeleteFunc(all, func(a assay.Answer) bool { return a.Judge != j }), err
}

// write gets the notes that are wanted of an image and not there, and tells of
// each with what the image's deliberation t says.
func (d *deliberating) write(ctx context.Context, j Juror, img Shown, t Deliberation) error {
	if len(d.opt.Write) == 0 {
		return nil
	}
	notes, err := d.s.facts.Notes(ctx, d.s.name, img.Entry.Image, "")
	if err != nil {
		return err
	}
	answers, err := d.s.answersOf(ctx, img.Entry.Image, j.Judge())
	if err != nil {
		return err
	}
	t.Answers = nil
	for _, kind := range d.opt.Write {
		if slices.ContainsFunc(notes, func(n assay.Note) bool { return n.Judge == j.Judge() && n.Kind == kind }) {
			continue
		}
		n, err := j.Write(ctx, img, answers, kind)
		if err != nil {
			return err
		}
		n.Series, n.Image, n.Judge, n.Kind = d.s.name, img.Entry.Image, j.Judge(), kind
		if n.Created.IsZero() {
			n.Created = d.s.opt.Now()
		}
		if n.ID, err = d.s.facts.PutNote(context.WithoutCancel(ctx), n); err != nil {
			return endsRun{err}
		}
		t.Note = &n
		if err := d.tell(t, 0); err != nil {
			return endsRun{err}
		}
	}
	return nil
}

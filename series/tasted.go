package series

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/taste"
)

const (
	// basisImages is how many images at least the features are made from, where
	// the series has them: beside those that were judged, others evenly spaced.
	basisImages = 300
	// othersVotes bounds the judgments of other people that are learned from,
	// the newest: what people have in common is known well by then.
	othersVotes = 1000
	// ownVotes bounds the rater's own, the newest.
	ownVotes = 1000
)

// eyes are the embeddings a reward may stand on, the best first: those from
// which people's ratings of pictures have been predicted by a linear map (LAION's
// and SAC's predictors), then those that tell pictures apart as people do.
func eyes() []string {
	return append([]string{"clip-l14-336", "clip-l14", "openclip-h14", "openclip-l14", "clip-b16", "openclip-b16", "clip-b32", "openclip-b32"},
		distances()...)
}

// A tasted is what a reward and a compass are computed from: the facts about one
// rater's judgments.
type tasted struct {
	s     *Series
	rater string
	view  *View

	judgments []assay.Judgment // of people, standing, that say something, oldest first
	own       []assay.Judgment // of these, the rater's
	raters    []string         // the rater first
	marks     []assay.Mark     // standing ones

	eye     *assay.Identity // whose vectors the items have; nil if there are none
	ways    []taste.Way     // descriptors and questions, by item
	ids     []assay.Digest  // by item
	items   map[assay.Digest]int
	data    taste.Data
	reading []string // names of the readings, as in [taste.Item]
	missing int      // judgments left out because an image has no features
}

// tasted reads the facts about a rater. The error wraps [assay.ErrUnavailable] if
// they have judged nothing.
func (s *Series) tasted(ctx context.Context, rater string) (*tasted, error) {
	view, err := s.View(ctx)
	if err != nil {
		return nil, err
	}
	t := &tasted{s: s, rater: rater, view: view, raters: []string{rater}, items: map[assay.Digest]int{}}
	all, err := s.facts.Judgments(ctx, s.name)
	if err != nil {
		return nil, err
	}
	for _, j := range all {
		if j.Source != "human" || j.Withdrawn || j.Outcome == assay.Skip {
			continue
		}
		t.judgments = append(t.judgments, j)
		if j.Rater == rater {
			t.own = append(t.own, j)
		}
	}
	if len(t.own) == 0 {
		return nil, fmt.Errorf("%s has compared nothing in series %s yet: `assay serve` asks: %w", rater, s.name, assay.ErrUnavailable)
	}
	t.recent()
	if t.marks, err = s.Marks(ctx); err != nil {
		return nil, err
	}
	return t, t.read(ctx)
}

// recent keeps the newest judgments, of the rater and of all others.
func (t *tasted) recent() {
	own, others := 0, 0
	kept := t.judgments[:0:0]
	for _, j := range slices.Backward(t.judgments) {
		n, most := &others, othersVotes
		if j.Rater == t.rater {
			n, most = &own, ownVotes
		}
		if *n++; *n <= most {
			kept = append(kept, j)
		}
	}
	slices.Reverse(kept)
	t.judgments = kept
}

// read fills items, votes and ways.
func (t *tasted) read(ctx context.Context) error {
	if err := t.choose(ctx); err != nil {
		return err
	}
	if err := t.see(ctx); err != nil {
		return err
	}
	if err := t.describeItems(ctx); err != nil {
		return err
	}
	t.vote()
	return nil
}

// choose finds the best embedding that the rater's images have: the first of
// [eyes] that nearly all of them have.
func (t *tasted) choose(ctx context.Context) error {
	images := map[assay.Digest]bool{}
	have := map[assay.Identity]int{}
	for _, j := range t.own {
		images[j.Left], images[j.Right] = true, true
	}
	for id := range images {
		all, err := t.s.facts.ImageEmbeddings(ctx, id)
		if err != nil {
			return err
		}
		for _, e := range all {
			if t.s.rules().Accepts(e.Identity) == "" {
				have[e.Identity]++
			}
		}
	}
	for _, name := range eyes() {
		most := 0
		for id, n := range have {
			better := n > most || n == most && t.eye != nil && fmt.Sprint(id) < fmt.Sprint(*t.eye) // of equals always the same
			if id.Instrument == name && better && 10*n >= 9*len(images) {
				most, t.eye = n, &id
			}
		}
		if t.eye != nil {
			return nil
		}
	}
	return nil
}

// see makes an item of every judged image that has a vector, and of others
// evenly spaced over the series.
func (t *tasted) see(ctx context.Context) error {
	judged := map[assay.Digest]bool{}
	for _, j := range t.judgments {
		judged[j.Left], judged[j.Right] = true, true
	}
	every := max(1, int64(len(t.view.rows))/basisImages)
	take := func(seq int64, id assay.Digest, v []float32) error {
		if _, again := t.items[id]; again || !judged[id] && (seq%every != 0 || !t.view.recorded(seq)) {
			return nil
		}
		t.items[id] = len(t.ids)
		t.ids = append(t.ids, id)
		t.data.Items = append(t.data.Items, taste.Item{Vector: v, Group: len(t.ids)})
		return nil
	}
	if t.eye != nil {
		return t.s.facts.Embeddings(ctx, t.s.name, *t.eye, take)
	}
	for k, r := range t.view.rows {
		if err := take(int64(k+1), r.image, nil); err != nil {
			return err
		}
	}
	return nil
}

// vote turns judgments and marks into votes, oldest first: rounds are their
// clusters. A mark of either kind is one image that beats the bar.
func (t *tasted) vote() {
	index := map[string]int{t.rater: 0}
	rater := func(name string) int {
		if _, ok := index[name]; !ok {
			index[name] = len(t.raters)
			t.raters = append(t.raters, name)
		}
		return index[name]
	}
	alone := 0
	cluster := func(round int64) int {
		if round != 0 {
			return int(round)
		}
		alone--
		return alone
	}
	marks := t.marks
	mark := func(m assay.Mark) {
		if i, ok := t.items[m.Image]; ok {
			t.data.Votes = append(t.data.Votes, taste.Vote{Left: i, Right: taste.Bar, Outcome: assay.Left, Rater: rater(m.Rater), Cluster: cluster(m.Round)})
		}
	}
	for _, j := range t.judgments {
		for ; len(marks) > 0 && marks[0].Created.Before(j.Created); marks = marks[1:] {
			mark(marks[0])
		}
		l, ok := t.items[j.Left]
		r, also := t.items[j.Right]
		if !ok || !also {
			t.missing++
			continue
		}
		t.data.Votes = append(t.data.Votes, taste.Vote{Left: l, Right: r, Outcome: j.Outcome, Rater: rater(j.Rater), Cluster: cluster(j.Round)})
	}
	for _, m := range marks {
		mark(m)
	}
}

// describeItems reads what instruments and judges said of the items.
func (t *tasted) describeItems(ctx context.Context) error {
	names, err := t.descriptors(ctx)
	if err != nil {
		return err
	}
	t.ways = make([]taste.Way, len(names))
	for k, name := range names {
		doc, asked := AskedAxis(name)
		t.ways[k] = taste.Way{Kind: taste.OfQuestion, Name: name, Doc: doc, Values: nans(len(t.ids))}
		if spec, ok := metric.Find(name); ok && !asked {
			t.ways[k].Kind, t.ways[k].Doc = taste.OfDescriptor, spec.Doc
		} else if !asked {
			t.ways[k].Kind, t.ways[k].Doc = taste.OfDescriptor, "reading of "+name
		}
	}
	err = t.s.each(ctx, names, t.view, func(k int, image assay.Digest, value float64) {
		if i, ok := t.items[image]; ok {
			t.ways[k].Values[i] = value
		}
	})
	if err != nil {
		return err
	}
	t.reading = names
	for i := range t.data.Items {
		t.data.Items[i].Readings = make([]float64, len(names))
		for k, w := range t.ways {
			t.data.Items[i].Readings[k] = w.Values[i]
		}
	}
	return nil
}

// each calls fn with each value that images have along descriptors.
func (s *Series) each(ctx context.Context, names []string, view *View, fn func(k int, image assay.Digest, value float64)) error {
	var axes []assay.Axis
	for _, name := range names {
		axes = append(axes, assay.Axis{Descriptor: name})
	}
	return s.describe(ctx, axes, trustsOf(view.Trusts), func(k int, _ int64, image assay.Digest, value float64) { fn(k, image, value) })
}

// descriptors lists what the rater's images may have in common or not: the
// instruments that read them, in order of their names, then the dimensions and
// the questions that judges were asked.
func (t *tasted) descriptors(ctx context.Context) ([]string, error) {
	instruments, questions := map[string]bool{}, map[string]bool{}
	seen := map[assay.Digest]bool{}
	for _, j := range t.own {
		for _, id := range []assay.Digest{j.Left, j.Right} {
			if seen[id] {
				continue
			}
			seen[id] = true
			all, err := t.s.facts.Readings(ctx, id)
			if err != nil {
				return nil, err
			}
			for _, r := range all {
				if r.Ref.IsZero() && t.s.rules().Accepts(r.Identity) == "" && !math.IsNaN(r.Value) {
					instruments[r.Instrument] = true
				}
			}
		}
	}
	err := t.s.facts.SeriesAnswers(ctx, t.s.name, func(_ int64, a assay.Answer) error {
		if seen[a.Image] && a.Question.Expect == "" && a.Question.TwinOf == "" && a.Void == "" {
			questions[answerPrefix+a.Question.ID] = true
			if a.Question.Good != assay.Neither {
				questions[checklistPrefix+a.Question.Dimension] = true
			}
		}
		return nil
	})
	return append(slices.Sorted(maps.Keys(instruments)), slices.Sorted(maps.Keys(questions))...), err
}

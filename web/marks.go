package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
)

// A markRequest gives an image a mark, or takes one back.
type markRequest struct {
	Image    assay.Digest   `json:"image"`
	Kind     assay.MarkKind `json:"kind"`
	Round    int64          `json:"round"`     // in which it is given; 0 if in none
	Transfer bool           `json:"transfer"`  // take the breakthrough away from the image that holds it
	TakeBack int64          `json:"take_back"` // a standing mark of this rater; the rest is then ignored
}

// A markReply says what the rater's marks are now.
type markReply struct {
	*refusal               // nil unless another image holds the breakthrough
	Holder   *assay.Digest `json:"holder,omitempty"` // that image
	Marks    []ownMark     `json:"marks"`
}

// An ownMark is a standing mark of the visitor.
type ownMark struct {
	ID    int64          `json:"id"`
	Image assay.Digest   `json:"image"`
	Kind  assay.MarkKind `json:"kind"`
}

// ownMarks lists the visitor's standing marks.
func (st *site) ownMarks(ctx context.Context) ([]ownMark, error) {
	all, err := st.series.Marks(ctx)
	if err != nil {
		return nil, err
	}
	out := []ownMark{}
	for _, m := range all {
		if m.Rater == st.rater(ctx) {
			out = append(out, ownMark{m.ID, m.Image, m.Kind})
		}
	}
	return out, nil
}

// mark records a mark or takes one back. It answers 200 only when that is durable,
// and 409 with the holder where a breakthrough would have to move.
func (st *site) mark(w http.ResponseWriter, r *http.Request) error {
	var ask markRequest
	form, err := readBody(r, &ask)
	if err != nil {
		return err
	}
	if form != nil {
		return st.markByForm(w, r, form)
	}
	err = st.give(r.Context(), ask)
	var held *series.HeldError
	if err != nil && !errors.As(err, &held) {
		return err
	}
	reply := markReply{}
	code := http.StatusOK
	if held != nil {
		code = http.StatusConflict
		reply.refusal = &refusal{What: err.Error(), Remedy: "Ask with \"transfer\": true to move it."}
		reply.Holder = &held.Mark.Image
	}
	if reply.Marks, err = st.ownMarks(r.Context()); err != nil {
		return err
	}
	writeJSON(w, code, reply)
	return nil
}

// give gives the mark that is asked for, or takes one back.
func (st *site) give(ctx context.Context, ask markRequest) error {
	if ask.TakeBack != 0 {
		return st.series.Unmark(ctx, ask.TakeBack, st.rater(ctx))
	}
	_, err := st.series.Mark(ctx, series.MarkRequest{
		Image: ask.Image, Rater: st.rater(ctx), Kind: ask.Kind, Round: ask.Round, Transfer: ask.Transfer})
	return err
}

// A crownPage asks which picture of a pair is the breakthrough, where there is no
// script to ask.
type crownPage struct {
	frame
	Round                 int64
	Pair                  int
	Left, Right           assay.Digest
	LeftHolds, RightHolds bool
	Held                  *ownMark // nil: no picture has it
}

// markByForm does what a button without a script asks for, and goes back to the
// pair. A breakthrough is asked about on a page of its own.
func (st *site) markByForm(w http.ResponseWriter, r *http.Request, form url.Values) error {
	round, err1 := strconv.ParseInt(form.Get("round"), 10, 64)
	index, err2 := strconv.Atoi(form.Get("pair"))
	if err1 != nil || err2 != nil {
		return fmt.Errorf("form: round %q, pair %q: want numbers: %w", clip(form.Get("round"), 20), clip(form.Get("pair"), 20), assay.ErrInvalid)
	}
	state, err := st.series.Round(r.Context(), round, st.rater(r.Context()))
	if err != nil {
		return err
	}
	if index < 0 || index >= len(state.Round.Pairs) {
		return fmt.Errorf("form: round %d has no pair %d: %w", round, index, assay.ErrInvalid)
	}
	marks, err := st.ownMarks(r.Context())
	if err != nil {
		return err
	}
	pair := state.Round.Pairs[index]
	ask, err := formMark(form, round, pair, marks)
	if err == nil && ask.Kind != "" {
		err = st.give(r.Context(), ask)
	}
	var held *series.HeldError
	if errors.As(err, &held) || err == nil && ask.Kind == "" {
		p := crownPage{frame: st.frame(r.Context(), "Breakthrough", "compare"), Round: round, Pair: index, Left: pair.Left, Right: pair.Right}
		if i := slices.IndexFunc(marks, func(m ownMark) bool { return m.Kind == assay.Breakthrough }); i >= 0 {
			p.Held, p.LeftHolds, p.RightHolds = &marks[i], marks[i].Image == pair.Left, marks[i].Image == pair.Right
		}
		return st.look.write(w, http.StatusOK, "crown.html", p)
	}
	if err != nil {
		return err
	}
	back(w, r, round)
	return nil
}

// formMark reads a mark that came without a script: which side of the pair is
// interesting, which is given or else taken back, or which is the breakthrough.
// That moves only from the holder whom the form names. The kind of what is
// returned is empty if the page is to ask.
func formMark(form url.Values, round int64, pair assay.Pair, marks []ownMark) (ask markRequest, err error) {
	name, kind := "interesting", assay.Interesting
	if form.Has("breakthrough") {
		name, kind = "breakthrough", assay.Breakthrough
	}
	ask = markRequest{Kind: kind, Round: round}
	switch said := form.Get(name); {
	case said == "left":
		ask.Image = pair.Left
	case said == "right":
		ask.Image = pair.Right
	case kind == assay.Breakthrough && said == "ask":
		return markRequest{}, nil
	case kind == assay.Breakthrough && said == "back":
	default:
		return ask, fmt.Errorf("form: %s %q: want left or right: %w", name, clip(said, 20), assay.ErrInvalid)
	}
	for _, m := range marks {
		switch {
		case m.Kind != kind:
		case kind == assay.Interesting && m.Image == ask.Image, kind == assay.Breakthrough && ask.Image.IsZero():
			ask.TakeBack = m.ID
		case kind == assay.Breakthrough:
			ask.Transfer = m.Image.String() == form.Get("holder")
		}
	}
	if ask.Image.IsZero() && ask.TakeBack == 0 {
		return ask, fmt.Errorf("no picture has the breakthrough: %w", assay.ErrNotFound)
	}
	return ask, nil
}

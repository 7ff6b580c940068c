package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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
	if err == nil && form != nil {
		ask, err = st.formMark(r, form)
	}
	if err != nil {
		return err
	}
	if ask.TakeBack != 0 {
		err = st.series.Unmark(r.Context(), ask.TakeBack, st.rater(r.Context()))
	} else {
		_, err = st.series.Mark(r.Context(), series.MarkRequest{
			Image: ask.Image, Rater: st.rater(r.Context()), Kind: ask.Kind, Round: ask.Round, Transfer: ask.Transfer})
	}
	var held *series.HeldError
	if err != nil && (!errors.As(err, &held) || form != nil) {
		return err
	}
	if form != nil {
		back(w, r, ask.Round)
		return nil
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

// formMark reads a mark that came without a script: "left" or "right" of the pair
// shown, which is given "interesting", or has it taken back.
func (st *site) formMark(r *http.Request, form url.Values) (ask markRequest, err error) {
	round, err1 := strconv.ParseInt(form.Get("round"), 10, 64)
	pair, err2 := strconv.Atoi(form.Get("pair"))
	if err1 != nil || err2 != nil {
		return ask, fmt.Errorf("form: round %q, pair %q: want numbers: %w", clip(form.Get("round"), 20), clip(form.Get("pair"), 20), assay.ErrInvalid)
	}
	state, err := st.series.Round(r.Context(), round, st.rater(r.Context()))
	if err != nil {
		return ask, err
	}
	if pair < 0 || pair >= len(state.Round.Pairs) {
		return ask, fmt.Errorf("form: round %d has no pair %d: %w", round, pair, assay.ErrInvalid)
	}
	ask = markRequest{Kind: assay.Interesting, Round: round}
	switch form.Get("interesting") {
	case "left":
		ask.Image = state.Round.Pairs[pair].Left
	case "right":
		ask.Image = state.Round.Pairs[pair].Right
	default:
		return ask, fmt.Errorf("form: interesting %q: want left or right: %w", clip(form.Get("interesting"), 20), assay.ErrInvalid)
	}
	marks, err := st.ownMarks(r.Context())
	for _, m := range marks {
		if m.Image == ask.Image && m.Kind == ask.Kind {
			ask.TakeBack = m.ID
		}
	}
	return ask, err
}

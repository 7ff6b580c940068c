package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
	"github.com/gen-emerge/assay/series"
)

// maxLatency bounds the time from showing a pair to its answer: beyond a day
// the number says nothing of the person.
const maxLatency = 24 * time.Hour

// A choice is one of the answers a person can give.
type choice struct {
	Key     string // on the keyboard, and in a form
	Outcome assay.Outcome
	Grade   int
	Said    string // as told once it is stored
}

// choices are the answers in the order of the buttons.
func choices() []choice {
	return []choice{
		{"1", assay.Left, -2, "left much better"},
		{"2", assay.Left, -1, "left better"},
		{"3", assay.Tie, 0, "the same"},
		{"4", assay.Right, 1, "right better"},
		{"5", assay.Right, 2, "right much better"},
		{"b", assay.BothBad, 0, "both bad"},
		{"s", assay.Skip, 0, "skipped"},
	}
}

// said puts a judgment into the words of its button.
func said(j assay.Judgment) string {
	for _, c := range choices() {
		if c.Outcome == j.Outcome && c.Grade == j.Grade {
			return c.Said
		}
	}
	return string(j.Outcome) // of another program: graded 0, say
}

// A comparePage asks for one comparison, or says how to begin.
type comparePage struct {
	frame
	Round roundData
	Pair  pairData // the one asked now
	Total int
	Last  *toldAnswer
	Maps  bool // where the two differ can be laid over them
}

// roundData is what the script of the page knows of a round. It has no reasons:
// why a pair was chosen is told when it is answered, so as not to prime.
type roundData struct {
	Round int64      `json:"round"`
	Next  int        `json:"next"`
	Pairs []pairData `json:"pairs"`
	Marks []ownMark  `json:"marks"` // the rater's, of all images
}

type pairData struct {
	Left        assay.Digest `json:"left"`
	Right       assay.Digest `json:"right"`
	LeftPrompt  string       `json:"left_prompt"`
	RightPrompt string       `json:"right_prompt"`
	Judgment    int64        `json:"judgment"` // the answer that stands; 0 if there is none
}

// A toldAnswer is an answer that is stored, and why its pair was asked.
type toldAnswer struct {
	Judgment assay.Judgment
	Pair     int
	Said     string
	Reason   string
}

// comparePage shows the rater's open round, or the round named in the query.
func (st *site) comparePage(w http.ResponseWriter, r *http.Request) error {
	var state series.RoundState
	var err error
	if text := r.URL.Query().Get("round"); text != "" {
		id, perr := strconv.ParseInt(text, 10, 64)
		if perr != nil {
			return fmt.Errorf("round %q: want a number: %w", clip(text, 20), assay.ErrInvalid)
		}
		state, err = st.series.Round(r.Context(), id, st.rater(r.Context()))
	} else if state, err = st.series.CurrentRound(r.Context(), st.rater(r.Context())); errors.Is(err, assay.ErrNotFound) {
		return st.look.write(w, http.StatusOK, "begin.html", st.frame(r.Context(), "Compare", "compare"))
	}
	if err != nil {
		return err
	}
	if state.Next() < 0 {
		return st.roundSummary(w, r, state)
	}
	p := comparePage{frame: st.frame(r.Context(), "Compare", "compare"), Total: len(state.Round.Pairs), Maps: st.differ != nil}
	if p.Round, err = st.roundData(r, state); err != nil {
		return err
	}
	p.Pair = p.Round.Pairs[p.Round.Next]
	if last := state.Last(); last >= 0 {
		told := tell(state, last)
		p.Last = &told
	}
	return st.look.write(w, http.StatusOK, "compare.html", p)
}

func (st *site) roundData(r *http.Request, state series.RoundState) (roundData, error) {
	data := roundData{Round: state.Round.ID, Next: state.Next()}
	var err error
	if data.Marks, err = st.ownMarks(r.Context()); err != nil {
		return data, err
	}
	for i, pair := range state.Round.Pairs {
		left, err := st.series.Entry(r.Context(), pair.Left)
		if err != nil {
			return data, err
		}
		right, err := st.series.Entry(r.Context(), pair.Right)
		if err != nil {
			return data, err
		}
		data.Pairs = append(data.Pairs, pairData{
			Left: pair.Left, Right: pair.Right, LeftPrompt: clip(left.Prompt, 600), RightPrompt: clip(right.Prompt, 600),
			Judgment: state.Answers[i].ID,
		})
	}
	return data, nil
}

func tell(state series.RoundState, pair int) toldAnswer {
	j := state.Answers[pair]
	return toldAnswer{Judgment: j, Pair: pair, Said: said(j), Reason: state.Round.Pairs[pair].Reason}
}

// A change is a cell whose elite changed by the answers of a round.
type change struct {
	URL, Label string
	archive.Event
}

type summaryPage struct {
	frame
	Round   int64
	Pairs   []assay.Pair
	Told    []toldAnswer
	Changes []change
	Counted int // answers that bore on who holds a cell
}

// roundSummary thanks for a finished round and says what it changed.
func (st *site) roundSummary(w http.ResponseWriter, r *http.Request, state series.RoundState) error {
	view, err := st.series.View(r.Context())
	if err != nil {
		return err
	}
	p := summaryPage{frame: st.frame(r.Context(), "Round done", "compare"), Round: state.Round.ID, Pairs: state.Round.Pairs}
	mine := map[int64]bool{}
	cells := map[int]bool{}
	for i, j := range state.Answers {
		p.Told = append(p.Told, tell(state, i))
		mine[j.ID] = true
		for _, id := range []assay.Digest{j.Left, j.Right} {
			if cell, _, ok := view.Archive.Where(id); ok {
				cells[cell] = true
			}
		}
	}
	counted := map[int64]bool{}
	for c := range view.Archive.Cells() {
		if !cells[c.Index] {
			continue
		}
		for _, e := range c.History {
			if !mine[e.Judgment] {
				continue
			}
			counted[e.Judgment] = true
			if e.Kind == archive.KindImproved {
				p.Changes = append(p.Changes, change{cellURL(view.Grid.Axes, c.Coords), cellLabel(view.Grid.Axes, c.Coords), e})
			}
		}
	}
	p.Counted = len(counted)
	return st.look.write(w, http.StatusOK, "done.html", p)
}

// startRound opens a round: the rater's unfinished one, or a new one.
func (st *site) startRound(w http.ResponseWriter, r *http.Request) error {
	var ask struct {
		Pairs int `json:"pairs"` // 3 to 5; 0 is the series' own choice
	}
	form, err := readBody(r, &ask)
	if err != nil {
		return err
	}
	round, _, err := st.series.OpenRound(r.Context(), st.rater(r.Context()), ask.Pairs)
	if err != nil {
		return err
	}
	if form != nil {
		http.Redirect(w, r, "/compare", http.StatusSeeOther)
		return nil
	}
	writeJSON(w, http.StatusOK, map[string]int64{"round": round.ID})
	return nil
}

// An answerRequest is a click.
type answerRequest struct {
	Round     int64         `json:"round"`
	Pair      int           `json:"pair"` // index in the round
	Outcome   assay.Outcome `json:"outcome"`
	Grade     int           `json:"grade"`
	LatencyMS int64         `json:"latency_ms"` // from showing the pair to the click; 0 if not known
}

// An answerReply confirms what is stored.
type answerReply struct {
	*refusal                // nil unless the pair was answered before
	Judgment assay.Judgment `json:"judgment"`
	Pair     int            `json:"pair"`
	Said     string         `json:"said"`
	Reason   string         `json:"reason"` // why the pair was chosen
	Next     int            `json:"next"`   // the pair to ask now; −1 if the round is done
}

// answer records a judgment. It answers 200 only when the judgment is durable.
func (st *site) answer(w http.ResponseWriter, r *http.Request) error {
	var a answerRequest
	form, err := readBody(r, &a)
	if err == nil && form != nil {
		a, err = formAnswer(form)
	}
	if err != nil {
		return err
	}
	latency := time.Duration(a.LatencyMS) * time.Millisecond
	if a.LatencyMS < 0 || a.LatencyMS > maxLatency.Milliseconds() {
		return fmt.Errorf("latency_ms %d: want 0 to %d: %w", a.LatencyMS, maxLatency.Milliseconds(), assay.ErrInvalid)
	}
	// Read first, so that nothing can fail once the judgment is stored.
	state, err := st.series.Round(r.Context(), a.Round, st.rater(r.Context()))
	if err != nil {
		return err
	}
	j, err := st.series.Judge(r.Context(), series.Answer{
		Round: a.Round, Pair: a.Pair, Rater: st.rater(r.Context()), Outcome: a.Outcome, Grade: a.Grade, Latency: latency,
	})
	if err != nil && (!errors.Is(err, assay.ErrConflict) || j.ID == 0 || form != nil) {
		return err
	}
	state.Answers[a.Pair] = j
	if form != nil {
		back(w, r, a.Round)
		return nil
	}
	told := tell(state, a.Pair)
	reply := answerReply{Judgment: j, Pair: a.Pair, Said: told.Said, Reason: told.Reason, Next: state.Next()}
	code := http.StatusOK
	if err != nil {
		code = status(err)
		reply.refusal = &refusal{What: err.Error(), Remedy: remedy(code)}
	}
	writeJSON(w, code, reply)
	return nil
}

// formAnswer reads a click that came without a script.
func formAnswer(form url.Values) (answerRequest, error) {
	var a answerRequest
	var err1, err2 error
	a.Round, err1 = strconv.ParseInt(form.Get("round"), 10, 64)
	a.Pair, err2 = strconv.Atoi(form.Get("pair"))
	if err1 != nil || err2 != nil {
		return a, fmt.Errorf("form: round %q, pair %q: want numbers: %w", clip(form.Get("round"), 20), clip(form.Get("pair"), 20), assay.ErrInvalid)
	}
	for _, c := range choices() {
		if c.Key == form.Get("answer") {
			a.Outcome, a.Grade = c.Outcome, c.Grade
			return a, nil
		}
	}
	return a, fmt.Errorf("form: answer %q: want 1 to 5, b or s: %w", clip(form.Get("answer"), 20), assay.ErrInvalid)
}

// An undoRequest takes back the latest answer of a round. If it names the
// answer it means, asking twice takes back no second one.
type undoRequest struct {
	Round    int64 `json:"round"`
	Pair     int   `json:"pair"`     // whose answer is meant
	Judgment int64 `json:"judgment"` // that answer; 0: the latest, whichever it is
}

func (st *site) undo(w http.ResponseWriter, r *http.Request) error {
	var ask undoRequest
	form, err := readBody(r, &ask)
	if err == nil && form != nil {
		if ask.Round, err = strconv.ParseInt(form.Get("round"), 10, 64); err != nil {
			err = fmt.Errorf("form: round %q: want a number: %w", clip(form.Get("round"), 20), assay.ErrInvalid)
		}
	}
	if err != nil {
		return err
	}
	state, err := st.series.Round(r.Context(), ask.Round, st.rater(r.Context()))
	if err != nil {
		return err
	}
	pair, done, err := undoable(state, ask)
	if err != nil {
		return err
	}
	var j assay.Judgment
	if !done {
		if j, err = st.series.Undo(r.Context(), ask.Round, st.rater(r.Context())); err != nil {
			return err
		}
	}
	if form != nil {
		back(w, r, ask.Round)
		return nil
	}
	// Next is the pair taken back, whichever others are open: one undoes in
	// order to answer again.
	writeJSON(w, http.StatusOK, answerReply{Judgment: j, Pair: pair, Said: said(j), Reason: state.Round.Pairs[pair].Reason, Next: pair})
	return nil
}

// undoable returns the pair whose answer is to be taken back, and whether that
// has been done already.
func undoable(state series.RoundState, ask undoRequest) (pair int, done bool, err error) {
	last := state.Last()
	if ask.Judgment == 0 {
		if last < 0 {
			return 0, false, fmt.Errorf("round %d has no answer to undo: %w", ask.Round, assay.ErrNotFound)
		}
		return last, false, nil
	}
	if ask.Pair < 0 || ask.Pair >= len(state.Answers) {
		return 0, false, fmt.Errorf("round %d has no pair %d: %w", ask.Round, ask.Pair, assay.ErrInvalid)
	}
	switch {
	case state.Answers[ask.Pair].ID == 0:
		return ask.Pair, true, nil
	case ask.Pair != last || state.Answers[last].ID != ask.Judgment:
		return 0, false, fmt.Errorf("judgment %d is not the latest answer of round %d any more; reload the page: %w", ask.Judgment, ask.Round, assay.ErrConflict)
	}
	return last, false, nil
}

func back(w http.ResponseWriter, r *http.Request, round int64) {
	http.Redirect(w, r, "/compare?round="+strconv.FormatInt(round, 10), http.StatusSeeOther)
}

// readBody reads a JSON body into v, or returns the form that was posted
// instead. The guard has seen to its type and size.
func readBody(r *http.Request, v any) (url.Values, error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == typeForm {
		if err := r.ParseForm(); err != nil {
			return nil, badBody(err)
		}
		return r.PostForm, nil
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return nil, badBody(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, badBody(errors.New("more than one value"))
	}
	return nil, nil
}

// badBody says that a body cannot be read; that it is too long stays visible.
func badBody(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fmt.Errorf("body: more than %d bytes: %w", tooLarge.Limit, err)
	}
	return fmt.Errorf("body: %w: %w", err, assay.ErrInvalid)
}

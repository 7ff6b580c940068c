package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gen-emerge/assay"
)

// A rankingPage asks to put some pictures in order, or says why it cannot.
type rankingPage struct {
	frame
	Ranking assay.Ranking
	Places  []int // 1 to as many as are shown
	Why     string
	Done    bool // the last one was just stored
}

// rankingPage shows the visitor's open ranking, or a new one.
func (st *site) rankingPage(w http.ResponseWriter, r *http.Request) error {
	p := rankingPage{frame: st.frame(r.Context(), "Put in order", "compare"), Done: r.URL.Query().Has("done")}
	var err error
	if !p.Done {
		p.Ranking, err = st.series.OpenRanking(r.Context(), st.rater(r.Context()), 0)
		if errors.Is(err, assay.ErrUnavailable) {
			p.Why, err = err.Error(), nil
		}
	}
	if err != nil {
		return err
	}
	for k := range p.Ranking.Shown {
		p.Places = append(p.Places, k+1)
	}
	return st.look.write(w, http.StatusOK, "ranking.html", p)
}

// orderRequest is an order, best first.
type orderRequest struct {
	Ranking int64          `json:"ranking"`
	Order   []assay.Digest `json:"order"`
}

// order records an order. It answers 200 only when that is durable.
func (st *site) order(w http.ResponseWriter, r *http.Request) error {
	var ask orderRequest
	form, err := readBody(r, &ask)
	if err == nil && form != nil {
		ask, err = formOrder(form)
	}
	if err != nil {
		return err
	}
	done, err := st.series.AnswerRanking(r.Context(), ask.Ranking, st.rater(r.Context()), ask.Order)
	if err != nil {
		return err
	}
	if form != nil {
		http.Redirect(w, r, "/ranking?done", http.StatusSeeOther)
		return nil
	}
	writeJSON(w, http.StatusOK, done)
	return nil
}

// formOrder reads the places that were given to each picture. Each place must be
// given once.
func formOrder(form url.Values) (ask orderRequest, err error) {
	if ask.Ranking, err = strconv.ParseInt(form.Get("ranking"), 10, 64); err != nil {
		return ask, fmt.Errorf("form: ranking %q: want a number: %w", clip(form.Get("ranking"), 20), assay.ErrInvalid)
	}
	at := map[int]assay.Digest{}
	for key, values := range form {
		name, ok := strings.CutPrefix(key, "place-")
		if !ok {
			continue
		}
		id, err := assay.ParseDigest(name)
		if err != nil {
			return ask, err
		}
		place, err := strconv.Atoi(values[0])
		if err != nil || place < 1 {
			return ask, fmt.Errorf("form: place %q: want a number from 1: %w", clip(values[0], 20), assay.ErrInvalid)
		}
		if _, taken := at[place]; taken {
			return ask, fmt.Errorf("two pictures have place %d; go back and give each place once: %w", place, assay.ErrInvalid)
		}
		at[place] = id
	}
	for k := range len(at) {
		id, ok := at[k+1]
		if !ok {
			return ask, fmt.Errorf("no picture has place %d; go back and give each place once: %w", k+1, assay.ErrInvalid)
		}
		ask.Order = append(ask.Order, id)
	}
	return ask, nil
}

// A tripletPage asks which of three pictures is the odd one out.
type tripletPage struct {
	frame
	Triplet assay.Triplet
	Why     string
}

func (st *site) tripletPage(w http.ResponseWriter, r *http.Request) error {
	p := tripletPage{frame: st.frame(r.Context(), "Odd one out", "compare")}
	var err error
	p.Triplet, err = st.series.OpenTriplet(r.Context(), st.rater(r.Context()))
	if errors.Is(err, assay.ErrUnavailable) {
		p.Why, err = err.Error(), nil
	}
	if err != nil {
		return err
	}
	return st.look.write(w, http.StatusOK, "triplet.html", p)
}

// tripletRequest is an answer: 0 to 2 in the order shown, −1 to skip.
type tripletRequest struct {
	Triplet   int64 `json:"triplet"`
	Odd       int   `json:"odd"`
	LatencyMS int64 `json:"latency_ms"`
}

// odd records an answer. It answers 200 only when that is durable.
func (st *site) odd(w http.ResponseWriter, r *http.Request) error {
	var ask tripletRequest
	form, err := readBody(r, &ask)
	if err != nil {
		return err
	}
	if form != nil {
		var err1, err2, err3 error
		ask.Triplet, err1 = strconv.ParseInt(form.Get("triplet"), 10, 64)
		ask.Odd, err2 = strconv.Atoi(form.Get("odd"))
		if form.Has("latency_ms") {
			ask.LatencyMS, err3 = strconv.ParseInt(form.Get("latency_ms"), 10, 64)
		}
		if errors.Join(err1, err2, err3) != nil {
			return fmt.Errorf("form: triplet %q, odd %q, latency_ms %q: want numbers: %w",
				clip(form.Get("triplet"), 20), clip(form.Get("odd"), 20), clip(form.Get("latency_ms"), 20), assay.ErrInvalid)
		}
	}
	latency := time.Duration(ask.LatencyMS) * time.Millisecond
	if ask.LatencyMS < 0 || ask.LatencyMS > maxLatency.Milliseconds() {
		return fmt.Errorf("latency_ms %d: want 0 to %d: %w", ask.LatencyMS, maxLatency.Milliseconds(), assay.ErrInvalid)
	}
	done, err := st.series.AnswerTriplet(r.Context(), ask.Triplet, st.rater(r.Context()), ask.Odd, latency)
	if err != nil {
		return err
	}
	if form != nil {
		http.Redirect(w, r, "/triplet", http.StatusSeeOther)
		return nil
	}
	writeJSON(w, http.StatusOK, done)
	return nil
}

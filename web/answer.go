package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gen-emerge/assay"
)

// answerQuestion records what the person at the page says to a question. A form
// is sent back to the question it came from; a script is told what is stored.
func (st *site) answerQuestion(w http.ResponseWriter, r *http.Request) error {
	id, err := assay.ParseDigest(r.PathValue("id"))
	if err != nil {
		return err
	}
	var ask struct {
		Question string `json:"question"` // its id
		Answer   string `json:"answer"`   // "yes", "no" or "cannot tell"
	}
	form, err := readBody(r, &ask)
	if err != nil {
		return err
	}
	if form != nil {
		ask.Question, ask.Answer = form.Get("question"), form.Get("answer")
	}
	if strings.TrimSpace(ask.Question) == "" {
		return fmt.Errorf("no question is named: %w", assay.ErrInvalid)
	}
	a, err := st.series.AnswerQuestion(r.Context(), st.rater(r.Context()), id, ask.Question, ask.Answer)
	if err != nil {
		return err
	}
	if form != nil {
		back := url.URL{Path: "/image/" + id.String(), RawQuery: url.Values{"dimension": {a.Question.Dimension}}.Encode(), Fragment: questionAnchor(a.Question)}
		http.Redirect(w, r, back.String(), http.StatusSeeOther)
		return nil
	}
	writeJSON(w, http.StatusOK, a)
	return nil
}

package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/gen-emerge/assay"
)

// A refusal is what a visitor is told instead of what was asked for.
type refusal struct {
	status int
	What   string `json:"error"`  // a sentence without its full stop
	Remedy string `json:"remedy"` // what to do about it
}

// status says what an error means to a visitor. It is the only place that does.
func status(err error) int {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, assay.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, assay.ErrInvalid):
		return http.StatusBadRequest
	case errors.Is(err, assay.ErrConflict):
		return http.StatusConflict
	case errors.Is(err, assay.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func remedy(status int) string {
	switch status {
	case http.StatusNotFound:
		return "The map shows what is here."
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return "Go back to the page and try again from there."
	case http.StatusConflict:
		return "Undo the answer first if it was not meant."
	case http.StatusServiceUnavailable:
		return "Nothing is lost. Try again when that has changed."
	}
	return "Nothing that was confirmed is lost. Try again; if it stays, `assay doctor` says what is wrong with the workspace."
}

func routeRefusal(status int, allow string) refusal {
	if status == http.StatusMethodNotAllowed {
		return refusal{What: "this address takes " + allow + " only", Remedy: "Open the map and go on from there."}
	}
	return refusal{What: "there is no such page", Remedy: remedy(http.StatusNotFound)}
}

// fail answers with what err says. A failure that is ours is also logged.
func (st *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := status(err)
	if code == http.StatusInternalServerError {
		st.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	st.refuse(w, r, code, refusal{What: err.Error(), Remedy: remedy(code)})
}

// refuse answers with a page, or with JSON to who speaks it.
func (st *site) refuse(w http.ResponseWriter, r *http.Request, code int, why refusal) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")
	h.Del("Content-Disposition")
	if speaksJSON(r) {
		writeJSON(w, code, why)
		return
	}
	why.What = strings.ToUpper(why.What[:1]) + why.What[1:]
	page := struct {
		frame
		refusal
	}{frame{Title: fmt.Sprintf("%d %s", code, http.StatusText(code)), Series: st.series.Name()}, why}
	if err := st.look.write(w, code, "error.html", page); err != nil {
		st.log.Error("error page", "error", err)
	}
}

// speaksJSON reports whether the asker is a program.
func speaksJSON(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return kind == typeJSON || strings.HasSuffix(r.URL.Path, ".json") || strings.HasPrefix(r.Header.Get("Accept"), typeJSON)
}

// writeJSON answers with v, which must be encodable.
func writeJSON(w http.ResponseWriter, code int, v any) {
	data, err := json.Marshal(v)
	if err != nil { // a number that is not finite: the store refuses those
		code, data = http.StatusInternalServerError, []byte(`{"error":"a value cannot be written as JSON","remedy":""}`)
	}
	h := w.Header()
	h.Set("Content-Type", typeJSON)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(data, '\n')) // who asked has gone; there is nobody to tell
}

// ignoreWrite drops the error of writing to a visitor: the visitor has gone,
// and there is nobody to tell.
func ignoreWrite(error) error { return nil }

// clip shortens text for a line, at a rune's border.
func clip(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return strings.TrimSpace(string(runes[:n-1])) + "…"
}

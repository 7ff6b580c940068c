// Package web serves the pages of one series: the map, the profile of each
// image, the diagnosis of convergence, the judges with what was found of each, and
// what people are asked and what follows: comparisons with marks, pictures to put in
// order, odd ones out, how far each evaluator agrees with the visitor, and where
// their taste points.
//
// The pages are plain HTML that works without scripts; small modules make them
// pleasanter, and draw the diagnosis' plots with Apache ECharts. Everything is
// embedded, and no page asks another host for anything. Map, profiles, diagnosis,
// judges, trust and compass are also served as JSON, at /map.json, /image/{id}.json,
// /diagnose.json, /judges.json, /trust.json and /compass.json. What a person says to a question about an image is posted to
// /image/{id}/answer. Where one image differs from another is served as a picture to lay over it, at
// /difference/{id}/{other}, with the reading behind it at
// /difference/{id}/{other}.json.
//
// A judgment is confirmed only after the store has it. Requests that change
// something must come from the pages themselves. Without a token the handler
// answers on loopback addresses only, and only to requests that name one; with
// a token every request must show it. Images are served by the name of their
// content, and only those that are entries of the series: a request can never
// name a file.
package web

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"runtime"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/series"
)

// Options adjust the pages. The zero Options serves loopback without a token.
type Options struct {
	// Token is the secret that every request must show: in the link that opens
	// the pages first (?token=), then in a cookie; or as "Authorization: Bearer".
	// If it is empty, only loopback addresses are served.
	Token string
	Rater string // who answers comparisons, as recorded in judgments; empty means "me"
	// Raters are further people, each with a token in a link of their own: who opens
	// it sees the same pages, and answers under that name.
	Raters []Rater
	Log    *slog.Logger // failures that are not the visitor's; nil discards

	// Difference opens the instrument whose maps ([metric.Instrument.Map]) are laid
	// over pictures; it is asked at every request, and should remember what it opened.
	// nil: none is installed, and the pages do not offer it.
	Difference func(context.Context) (*metric.Instrument, error)
}

// Facts is what the pages need of the store beyond what a series tells them.
type Facts interface {
	// Blob returns the encoded bytes of an image.
	Blob(ctx context.Context, id assay.Digest) ([]byte, error)
	// SeriesAnswers calls fn with each answer in the series, image by image. It
	// stops at fn's first error and returns it.
	SeriesAnswers(ctx context.Context, series string, fn func(seq int64, a assay.Answer) error) error
	// Notes returns the series' notes about an image, or about any and none if
	// image is zero, of one kind, oldest first.
	Notes(ctx context.Context, series string, image assay.Digest, kind string) ([]assay.Note, error)
}

// site is the state behind the handlers.
type site struct {
	series *series.Series
	facts  Facts
	owner  string // who answers where no rater's link was opened
	cookie string // name of the cookie that remembers a link
	log    *slog.Logger
	look   *look
	thumbs *cache
	decode chan struct{} // holds one element for each decode in progress

	diagnoses diagnoses
	judges    judges

	differ      func(context.Context) (*metric.Instrument, error) // nil if pages offer no overlay
	differences *cache
	drawing     chan struct{} // holds one element while an overlay is being made
}

// New returns the pages of s, whose facts are in f. The handler may be mounted at
// the root of a server only.
func New(s *series.Series, f Facts, opt Options) (http.Handler, error) {
	opt.Rater = cmp.Or(opt.Rater, "me")
	if err := checkRaters(opt); err != nil {
		return nil, err
	}
	look, err := newLook()
	if err != nil {
		return nil, err
	}
	st := &site{
		series: s, facts: f, look: look,
		owner:  opt.Rater,
		log:    opt.Log,
		thumbs: newCache(thumbCacheBytes),
		// A decode may hold several times the picture's size; more at once than
		// half the processors would make no page appear earlier.
		decode: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		differ: opt.Difference, differences: newCache(differenceCacheBytes), drawing: make(chan struct{}, 1),
	}
	if st.log == nil {
		st.log = slog.New(slog.DiscardHandler)
	}
	return newGuard(opt, st), nil
}

// routes maps requests to handlers. What it does not name is refused with a
// page that says so.
func (st *site) routes() http.Handler {
	mux := http.NewServeMux()
	pages := map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /{$}":                     st.mapPage,
		"GET /map.json":                st.mapJSON,
		"GET /image/{id}":              st.imagePage,
		"POST /image/{id}/answer":      st.answerQuestion,
		"GET /diagnose":                st.diagnosePage,
		"GET /diagnose.json":           st.diagnoseJSON,
		"GET /judges":                  st.judgesPage,
		"GET /judges.json":             st.judgesJSON,
		"GET /compare":                 st.comparePage,
		"POST /compare/round":          st.startRound,
		"POST /compare/answer":         st.answer,
		"POST /compare/undo":           st.undo,
		"POST /compare/mark":           st.mark,
		"GET /ranking":                 st.rankingPage,
		"POST /ranking/order":          st.order,
		"GET /triplet":                 st.tripletPage,
		"POST /triplet/answer":         st.odd,
		"GET /trust":                   st.trustPage,
		"GET /trust.json":              st.trustJSON,
		"GET /compass":                 st.compassPage,
		"GET /compass.json":            st.compassJSON,
		"POST /leave":                  st.leave,
		"GET /blob/{id}":               st.blob,
		"GET /thumb/{id}":              st.thumb,
		"GET /difference/{id}/{other}": st.difference,
		"GET /static/{name}":           st.static,
		"GET /healthz":                 st.healthz,
	}
	for pattern, page := range pages {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := page(w, r); err != nil {
				st.fail(w, r, err)
			}
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := statusProbe{header: http.Header{}}
		h.ServeHTTP(&probe, r)
		if allow := probe.header.Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
		}
		st.refuse(w, r, probe.status, routeRefusal(probe.status, probe.header.Get("Allow")))
	})
}

// healthz answers as long as the facts can be read.
func (st *site) healthz(w http.ResponseWriter, r *http.Request) error {
	if _, err := st.series.Count(r.Context()); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, err := w.Write([]byte("ok\n"))
	return ignoreWrite(err)
}

// statusProbe learns what ServeMux would answer to a request it has no route
// for: 404, or 405 with the methods that exist.
type statusProbe struct {
	header http.Header
	status int
}

func (p *statusProbe) Header() http.Header         { return p.header }
func (p *statusProbe) WriteHeader(status int)      { p.status = cmp.Or(p.status, status) }
func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }

package judgetest

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gen-emerge/assay/pixel"
)

// A Server is a stand-in for three APIs at once. Its methods may be called from
// many goroutines.
type Server struct {
	http    *httptest.Server
	opt     atomic.Pointer[Options]
	gallery gallery
	buffers sync.Pool // of *bytes.Buffer, for requests
	book    book
}

// New starts a server on a free port of the loopback interface.
func New(opt Options) *Server {
	s := &Server{}
	s.gallery.within = opt.Within
	if opt.Within == 0 {
		s.gallery.within = 12
	}
	s.gallery.sent = map[sum]*arrival{}
	s.book.calls = map[string]*call{}
	s.book.prefixes = map[string]bool{}
	s.buffers.New = func() any { return new(bytes.Buffer) }
	s.opt.Store(&opt)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /openai/v1/chat/completions", s.serve(openAI{}))
	mux.HandleFunc("GET /openai/v1/models", s.models)
	mux.HandleFunc("POST /anthropic/v1/messages", s.serve(anthropic{}))
	mux.HandleFunc("POST /google/{version}/models/{call}", s.serve(google{}))
	s.http = httptest.NewServer(mux)
	return s
}

// Start is [New] with Close at the end of the test.
func Start(t testing.TB, opt Options) *Server {
	s := New(opt)
	t.Cleanup(s.Close)
	return s
}

// Close cuts all connections and stops the server.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// URL is the base URL of an API as its official SDK takes it: "openai" (with
// /v1/), "anthropic" or "google" (without a version). It panics on another name.
func (s *Server) URL(api string) string {
	switch api {
	case "openai":
		return s.http.URL + "/openai/v1/"
	case "anthropic", "google":
		return s.http.URL + "/" + api + "/"
	}
	panic("judgetest: no API " + api)
}

// Register makes a picture known by name: an encoded image of a format that
// package pixel reads. Names are unique. Pictures that are to be told apart should
// be further from each other than Options.Within; of several the nearest counts.
func (s *Server) Register(name string, data []byte) error {
	img, _, err := pixel.Decode(context.Background(), data, pixel.Limits{})
	if err != nil {
		return fmt.Errorf("picture %q: %w", name, err)
	}
	return s.register(name, "", img)
}

// RegisterImage is [Server.Register] for a decoded picture.
func (s *Server) RegisterImage(name string, img image.Image) error {
	return s.register(name, "", fromImage(img))
}

func (s *Server) register(name, painted string, img *pixel.Image) error {
	l, err := lookAt(img)
	if err != nil {
		return fmt.Errorf("picture %q: %w", name, err)
	}
	return s.gallery.hang(name, painted, l)
}

// Paint draws text into a copy of img, see [Painted], registers it by name as a
// picture that carries this instruction, and returns it.
func (s *Server) Paint(name string, img image.Image, text string) (image.Image, error) {
	out := Painted(img, text)
	return out, s.register(name, text, fromImage(out))
}

// Change replaces the options of a running server: fn gets a copy of them, whose
// slices it must not write to. Requests in progress keep the old ones; Within stays
// as it was.
func (s *Server) Change(fn func(opt *Options)) {
	for {
		old := s.opt.Load()
		next := *old
		next.Rules = slices.Clone(old.Rules)
		fn(&next)
		if s.opt.CompareAndSwap(old, &next) {
			return
		}
	}
}

// A wire is one API's format.
type wire interface {
	name() string
	key(r *http.Request) string
	// parse reads a request that is valid for a server with these options.
	parse(r *http.Request, b body, opt *Options) (*ask, *fault)
	// render writes a reply; id is unique to the call.
	render(a *ask, r reply, use usage, opt *Options, id string) []byte
	// status is that of a fault which has none of its own.
	status(k kind) int
	// fail writes an error's body, and the headers that come with every error.
	fail(h http.Header, f fault, wait time.Duration, style string) []byte
}

// serve handles one API.
func (s *Server) serve(w wire) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		now := time.Now()
		opt := s.opt.Load()
		s.book.enter()
		defer s.book.leave()
		if opt.Faults.Down {
			s.book.failed(nil)
			hangUp(out)
			return
		}
		buf := s.buffers.Get().(*bytes.Buffer)
		buf.Reset()
		if n := r.ContentLength; n > 0 && n < 64<<20 {
			buf.Grow(int(n) + bytes.MinRead) // so that ReadFrom need not grow it again
		}
		defer s.buffers.Put(buf)
		if _, err := buf.ReadFrom(r.Body); err != nil {
			s.book.failed(nil)
			return
		}
		x := exchange{s: s, w: w, opt: opt, r: r, raw: buf.Bytes()}
		x.turn(out, now)
	}
}

// hangUp cuts the connection without a reply.
func hangUp(out http.ResponseWriter) {
	if h, ok := out.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}

// models lists the models as OpenAI does.
func (s *Server) models(out http.ResponseWriter, _ *http.Request) {
	name := s.opt.Load().Model
	if name == "" {
		name = "stand-in"
	}
	out.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(out, `{"object":"list","data":[{"id":%q,"object":"model","created":%d,"owned_by":"judgetest"}]}`, name, created)
}

// created is the time of every reply: the same request gets the same bytes.
const created = 1760000000

package judgetest

import (
	"errors"
	"image"
	"testing"
	"time"
)

// A Server is a stand-in for three APIs at once. Its methods may be called from
// many goroutines.
type Server struct{}

// New starts a server on a free port of the loopback interface.
func New(opt Options) *Server { return &Server{} }

// Start is [New] with Close at the end of the test.
func Start(t testing.TB, opt Options) *Server {
	s := New(opt)
	t.Cleanup(s.Close)
	return s
}

// Close stops the server and cuts its connections.
func (s *Server) Close() {}

// URL is the base URL of an API as its official SDK takes it: "openai" (with
// /v1/), "anthropic" or "google" (without a version). It panics on another name.
func (s *Server) URL(api string) string { return "" }

// Register makes a picture known by name: an encoded image of a format that
// package pixel reads. Names are unique.
func (s *Server) Register(name string, data []byte) error { return errors.New("not implemented") }

// RegisterImage is [Server.Register] for a decoded picture.
func (s *Server) RegisterImage(name string, img image.Image) error {
	return errors.New("not implemented")
}

// Paint draws text into a copy of img, see [Painted], registers it by name as a
// picture that carries this instruction, and returns it.
func (s *Server) Paint(name string, img image.Image, text string) (image.Image, error) {
	return nil, errors.New("not implemented")
}

// Change replaces the options of a running server: fn gets a copy of them.
// Requests in progress keep the old ones.
func (s *Server) Change(fn func(opt *Options)) {}

// Paid is one call that was paid for, that is, answered by the model.
type Paid struct {
	Key      string // Idempotency-Key; a digest of the request if there was none
	API      string
	Model    string
	Times    int      // paid so often: 1, unless the key is ignored or missing and the request came again
	Replays  int      // answered again from the key, unpaid
	Refused  int      // requests with this key that were turned away unpaid (429, 5xx)
	Pictures []string // names recognised, "?" if unknown
	Question string
	Reply    string // text
	In, Out  int64  // tokens
	Cached   int64  // of In
	First    time.Time
}

// Ledger lists the paid calls in the order of their first arrival.
func (s *Server) Ledger() []Paid { return nil }

// Stats are sums over all requests.
type Stats struct {
	Requests   int // that arrived
	Paid       int // Σ Times
	Replays    int
	Limited    int      // refused with 429
	Failed     int      // refused with another error, or cut off unpaid
	Dropped    int      // paid and cut off
	Conflicts  int      // a key that came again with another body: an error 400
	Parallel   int      // most requests at once
	Unanswered []string // questions that no rule answered, at most 20
}

// Stats returns the sums so far.
func (s *Server) Stats() Stats { return Stats{} }

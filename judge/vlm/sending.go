package vlm

import (
	"context"
	"net/http"

	"github.com/gen-emerge/assay"
)

// keyHeader carries the call's key, so that a server that honours it does not
// charge twice for a call that is sent again.
const keyHeader = "Idempotency-Key"

// A sending is one attempt of a Caller, as it travels with the context through
// a client.
type sending struct {
	key   assay.Digest
	heard func(http.Header) // is told the headers of each response
}

type sendingKey struct{}

func withSending(ctx context.Context, s sending) context.Context {
	return context.WithValue(ctx, sendingKey{}, s)
}

// Transport returns base, or the default transport if it is nil, with two
// things added to the requests of a [Caller]: they carry the key under which the
// call stands in the ledger as Idempotency-Key, and the Caller hears the
// rate-limit headers of the response. Other requests pass as they are. An Asker
// whose HTTP client has no such transport is paced by its errors alone.
func Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return transport{base}
}

type transport struct{ base http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	s, ok := req.Context().Value(sendingKey{}).(sending)
	if !ok {
		return t.base.RoundTrip(req)
	}
	req = req.Clone(req.Context()) // a RoundTripper may not change what it is given
	req.Header.Set(keyHeader, s.key.String())
	resp, err := t.base.RoundTrip(req)
	if err == nil {
		s.heard(resp.Header)
	}
	return resp, err
}

// CloseIdleConnections lets [http.Client.CloseIdleConnections] reach the base.
func (t transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

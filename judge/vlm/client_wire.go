package vlm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gen-emerge/assay"
)

// A wire is the transport beneath an SDK. The SDKs never see the key: it is put
// on the request here, last, and only for the server it belongs to. Every
// response is read whole, within a limit, and kept, so that what the SDKs' types
// cannot say (was a field absent, is there an error in a success) can be read
// from the JSON itself.
type wire struct {
	api  string
	base *url.URL
	key  string
	next http.RoundTripper
	http *http.Client
	marks
}

// maxBody bounds a response. A reply of some hundred tokens, each with 20
// alternatives, has some hundred kilobytes.
const maxBody = 16 << 20

// secretLength is how long a key is at least that must not come back in a
// response. What people give to servers that want no key ("EMPTY", "none", "no")
// is shorter, and may be a word of the reply.
const secretLength = 16

// A record is what one request came to, on the wire.
type record struct {
	pictures []*Image // that the request's marks stand for
	status   int
	header   http.Header
	body     []byte // without the key
	sent     int    // requests; never more than one
}

type (
	recordKey      struct{}
	idempotencyKey struct{}
	rateHeadersKey struct{}
)

// WithRateHeaders returns a context under which [Client.Ask] calls fn with the
// rate-limit headers of the response, also of a successful one; an [*APIError]
// holds them besides. fn is not called where there are none.
func WithRateHeaders(ctx context.Context, fn func(http.Header)) context.Context {
	return context.WithValue(ctx, rateHeadersKey{}, fn)
}

// newWire returns a transport over hc's, or over one of its own that keeps a
// connection open for each of the requests that may be under way.
func newWire(api string, base *url.URL, key string, hc *http.Client, concurrency int) *wire {
	w := &wire{api: api, base: base, key: key, marks: newMarks()}
	client := http.Client{}
	if hc != nil {
		client = *hc
	}
	w.next = client.Transport
	if w.next == nil {
		t := &http.Transport{Proxy: http.ProxyFromEnvironment}
		if usual, ok := http.DefaultTransport.(*http.Transport); ok {
			t = usual.Clone()
		}
		t.MaxIdleConnsPerHost = max(64, concurrency)
		t.MaxIdleConns = 0 // no limit besides
		t.IdleConnTimeout = 90 * time.Second
		w.next = t
	}
	client.Transport = w
	// A redirect would carry pictures and key to somebody else; it is an error.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.http = &client
	return w
}

// RoundTrip sends req with the key and records the response.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	rec, _ := req.Context().Value(recordKey{}).(*record)
	if rec == nil || req.URL.Scheme != w.base.Scheme || req.URL.Host != w.base.Host {
		closeBody(req)
		return nil, fmt.Errorf("request to %s: this client speaks to %s only", req.URL.Host, w.base.Host)
	}
	if rec.sent > 0 {
		closeBody(req)
		return nil, errors.New("a second attempt within one call")
	}
	req, err := w.dress(req, rec.pictures)
	if err != nil {
		return nil, err
	}
	rec.sent++
	resp, err := w.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("reading the response: %w", err)
	}
	if len(w.key) >= secretLength {
		body = bytes.ReplaceAll(body, []byte(w.key), []byte("[key]"))
	}
	rec.status, rec.header, rec.body = resp.StatusCode, resp.Header, body
	if fn, ok := req.Context().Value(rateHeadersKey{}).(func(http.Header)); ok {
		if h := rateHeaders(resp.Header); h != nil {
			fn(h)
		}
	}
	// The SDKs give up on JSON that a server calls text.
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media != "application/json" && json.Valid(body) {
		resp.Header = resp.Header.Clone()
		resp.Header.Set("Content-Type", "application/json")
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Del("Content-Encoding")
	return resp, nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// dress returns req as it is sent: with the pictures, the key and the name of
// the call, and without what the SDKs tell the server of this machine.
func (w *wire) dress(req *http.Request, pictures []*Image) (*http.Request, error) {
	body, err := io.ReadAll(req.Body)
	closeBody(req)
	if err != nil {
		return nil, err
	}
	filled, size, err := w.fill(body, pictures)
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Body, req.ContentLength = io.NopCloser(filled), size
	// Without GetBody the transport has no second copy to send: it takes a request
	// with an Idempotency-Key for one that it may repeat by itself when a
	// connection breaks, which a server may have answered and charged for.
	req.GetBody = nil
	for name := range req.Header {
		if strings.HasPrefix(name, "X-Stainless-") {
			delete(req.Header, name)
		}
	}
	for _, name := range []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key", "X-Goog-Api-Client", "Openai-Organization", "Openai-Project"} {
		req.Header.Del(name)
	}
	if w.key != "" {
		switch w.api {
		case "openai":
			req.Header.Set("Authorization", "Bearer "+w.key)
		case "anthropic":
			req.Header.Set("X-Api-Key", w.key)
		case "google":
			req.Header.Set("X-Goog-Api-Key", w.key)
		}
	}
	if key, ok := req.Context().Value(idempotencyKey{}).(string); ok {
		req.Header.Set("Idempotency-Key", key)
	}
	return req, nil
}

// call runs send, which makes one request through an SDK, and returns what came
// back on the wire if it is a reply. The SDK's own error counts only if the
// record does not say more: its words may hold what is not ours to repeat. An
// error from before anything was sent wraps [assay.ErrInvalid]: it would come
// again, and nothing was paid for.
func (w *wire) call(ctx context.Context, r Request, send func(ctx context.Context) error) (*record, error) {
	rec := &record{}
	for _, p := range r.Parts {
		if p.Image != nil {
			rec.pictures = append(rec.pictures, p.Image)
		}
	}
	err := guarded(func() error { return send(context.WithValue(ctx, recordKey{}, rec)) })
	switch {
	case ctx.Err() != nil && rec.status == 0:
		return nil, ctx.Err()
	case rec.sent == 0:
		return nil, fmt.Errorf("the request could not be made: %s: %w", tidy(fmt.Sprint(err), w.key), assay.ErrInvalid)
	case rec.status == 0 && err != nil:
		return nil, &APIError{Kind: kindNetwork, Message: tidy(err.Error(), w.key)}
	case len(rec.body) > maxBody:
		return nil, w.malformed(rec, fmt.Sprintf("the response has more than %d bytes", maxBody))
	case rec.status >= 300 && rec.status < 400:
		return nil, &APIError{Status: rec.status, Kind: kindRedirect,
			Message: "the server sends this request elsewhere; write that address as url"}
	case rec.status < 200 || rec.status >= 300:
		return nil, w.refusal(rec.status, rec)
	}
	if e := readError(0, rec.header, rec.body); e != nil {
		e.Message = tidy(e.Message, w.key)
		return nil, e
	}
	if err != nil || !json.Valid(rec.body) {
		return nil, w.malformed(rec, "the response is not the JSON it should be: "+start(rec.body))
	}
	return rec, nil
}

// guarded turns a panic into an error. The SDKs convert what a server sends with
// unchecked assertions in places: a list with null in it ends Google's.
func guarded(send func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the SDK cannot take it: %v", p)
		}
	}()
	return send()
}

// refusal returns the error of a response with a status of its own.
func (w *wire) refusal(status int, rec *record) *APIError {
	e := readError(status, rec.header, rec.body)
	e.Message = tidy(e.Message, w.key)
	return e
}

// malformed returns the error of a response that is no reply.
func (w *wire) malformed(rec *record, message string) *APIError {
	return &APIError{Status: rec.status, Kind: kindMalformed, Message: tidy(message, w.key), Header: rateHeaders(rec.header)}
}

// start returns the first bytes of a response, for an error.
func start(body []byte) string {
	return fmt.Sprintf("%.120q", body)
}

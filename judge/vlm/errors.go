package vlm

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gen-emerge/assay"
)

// An APIError says that a server refused a request, answered with something
// that is no reply, or could not be reached. It never holds a key: what a
// server writes into its errors is searched for it first.
type APIError struct {
	// Status is the HTTP status, or the one that an error object inside a
	// successful response names; 0 if there was no response at all.
	Status int
	// Kind is the error's type as the server names it ("invalid_request_error",
	// "RESOURCE_EXHAUSTED", ...), or one of ours: "network", "timeout",
	// "malformed" (a response that is no reply), "redirect", "http" (no name).
	Kind       string
	Message    string        // in the server's words, cut to 600 bytes
	RetryAfter time.Duration // as long as the server asks to wait; 0 if it does not say
	Header     http.Header   // the rate-limit headers, and no others; may be nil

	hint string // "true" or "false" where the server says whether to ask again
}

// Kinds of our own.
const (
	kindNetwork   = "network"
	kindTimeout   = "timeout"
	kindMalformed = "malformed"
	kindRedirect  = "redirect"
	kindHTTP      = "http"
	kindBadKey    = "API_KEY_INVALID" // Google's
	kindBilling   = "billing_error"   // Anthropic's
)

// Error returns what happened, for people.
func (e *APIError) Error() string {
	switch {
	case e.Status == 0:
		return fmt.Sprintf("%s: %s", e.Kind, e.Message)
	case e.Kind == kindHTTP:
		return fmt.Sprintf("the server answered %d %s: %s", e.Status, http.StatusText(e.Status), e.Message)
	}
	return fmt.Sprintf("the server answered %d (%s): %s", e.Status, e.Kind, e.Message)
}

// Unwrap returns the sentinel that callers branch on: [assay.ErrUnavailable]
// for what may pass or is out of the request's hands (the network, limits, a key
// that is not accepted), [assay.ErrNotFound] for a model or path that the server
// does not have, [assay.ErrInvalid] for a request it will never accept.
func (e *APIError) Unwrap() error {
	switch {
	case e.Temporary(), e.Kind == kindBadKey, e.Kind == kindBilling, e.Status == http.StatusUnauthorized, e.Status == http.StatusPaymentRequired,
		e.Status == http.StatusForbidden, e.Status == http.StatusTooManyRequests, e.Status >= 500:
		return assay.ErrUnavailable
	case e.Status == http.StatusNotFound:
		return assay.ErrNotFound
	}
	return assay.ErrInvalid
}

// Temporary reports whether the same request may succeed later: nothing was
// reached, the reply was torn, the server is busy, overloaded or failing. A
// spent quota is not temporary, nor is anything that the server says not to
// send again.
func (e *APIError) Temporary() bool {
	if e.hint != "" {
		return e.hint == "true"
	}
	switch e.Kind {
	case "insufficient_quota", kindBilling, kindRedirect:
		return false
	case kindMalformed, kindTimeout, kindNetwork, "overloaded_error", "rate_limit_error", "api_error", "server_error", "timeout_error":
		return true
	}
	switch e.Status {
	case 0, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return e.Status >= 500
}

// refused reports whether a server understood a request and does not do what it
// asks, so that it may be asked for less.
func (e *APIError) refused() bool {
	switch e.Status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusNotImplemented:
		return !e.Temporary() && e.Kind != kindBadKey && e.Kind != kindBilling
	}
	return false
}

// An errorBody is every shape in which the servers put an error: an object
// beneath "error", a string there (Ollama), or the object itself (older vLLM).
type errorBody struct {
	Object  string          `json:"object"`
	Error   json.RawMessage `json:"error"`
	Message string          `json:"message"`
	Detail  json.RawMessage `json:"detail"` // FastAPI
	Type    string          `json:"type"`
	Status  string          `json:"status"` // Google: the name of the code
	Code    json.RawMessage `json:"code"`   // a number, or a name, or null
	Param   string          `json:"param"`
	Details []struct {
		Type       string `json:"@type"`
		Reason     string `json:"reason"`     // "API_KEY_INVALID"
		RetryDelay string `json:"retryDelay"` // "3.5s"
	} `json:"details"`
}

// readError returns the error in body, or nil if it holds none. Status 0 stands
// for a success, in which only an explicit error object is one.
func readError(status int, header http.Header, body []byte) *APIError {
	outer, isObject := parseErrorBody(body)
	said, message := outer, outer.Message
	present := len(outer.Error) > 0 && string(outer.Error) != "null"
	switch {
	case present && outer.Error[0] == '"':
		_ = json.Unmarshal(outer.Error, &message)
	case present:
		said, _ = parseErrorBody(outer.Error)
		message = said.Message
		if message == "" {
			message = string(outer.Error)
		}
	case outer.Object == "error":
		present = true
	case message == "" && len(outer.Detail) > 0:
		message = string(outer.Detail)
	}
	if status == 0 && !(isObject && present) {
		return nil
	}
	if message == "" {
		message = strings.TrimSpace(string(body))
	}
	e := &APIError{Status: status, Message: message, Header: rateHeaders(header)}
	if hint := header.Get("x-should-retry"); hint == "true" || hint == "false" {
		e.hint = hint
	}
	e.Kind, e.Status = said.kind(status)
	if strings.Contains(e.Message, "credit balance is too low") { // Anthropic calls this an invalid request
		e.Kind = kindBilling
	}
	e.RetryAfter = retryAfter(header, time.Now())
	for _, d := range said.Details {
		if d.Reason == kindBadKey { // Google calls this an invalid argument
			e.Kind = d.Reason
		}
		if wait, err := time.ParseDuration(d.RetryDelay); err == nil && wait > 0 {
			e.RetryAfter = max(e.RetryAfter, wait)
		}
	}
	return e
}

// parseErrorBody reads one object, or the first of a list: Google sends errors
// as a list of one. A field of an unexpected type costs that field only.
func parseErrorBody(body []byte) (b errorBody, isObject bool) {
	trimmed := strings.TrimSpace(string(body))
	if strings.HasPrefix(trimmed, "[") {
		var list []json.RawMessage
		if json.Unmarshal(body, &list) != nil || len(list) == 0 {
			return b, false
		}
		return parseErrorBody(list[0])
	}
	var typeErr *json.UnmarshalTypeError
	if err := json.Unmarshal(body, &b); err != nil && !asType(err, &typeErr) {
		return errorBody{}, false
	}
	return b, strings.HasPrefix(trimmed, "{")
}

func asType(err error, to **json.UnmarshalTypeError) bool {
	t, ok := err.(*json.UnmarshalTypeError)
	*to = t
	return ok
}

// kind returns the error's name and status: the response's, or for an error in
// a successful response what the error says of itself, else 200.
func (b errorBody) kind(status int) (string, int) {
	var number int
	var name string
	if json.Unmarshal(b.Code, &number) != nil {
		_ = json.Unmarshal(b.Code, &name)
	}
	if status == 0 {
		status = http.StatusOK
		if number >= 400 && number < 600 {
			status = number
		}
	}
	switch {
	case name == "insufficient_quota": // its type says the same, or "rate_limit"
		return name, status
	case b.Status != "":
		return b.Status, status
	case b.Type != "" && b.Type != "error":
		return b.Type, status
	case name != "":
		return name, status
	}
	return kindHTTP, status
}

// retryAfter returns how long the headers ask to wait: in milliseconds, in
// seconds, or until a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("retry-after-ms"), 64); err == nil {
		return seconds(ms / 1000)
	}
	text := h.Get("retry-after")
	if s, err := strconv.ParseFloat(text, 64); err == nil {
		return seconds(s)
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// seconds returns s as a duration of at most a day, 0 if it is no such time.
func seconds(s float64) time.Duration {
	if !(s > 0) {
		return 0
	}
	return time.Duration(math.Min(s, 86400) * float64(time.Second))
}

// rateHeaders returns those of h that say how much may be asked; nil if none do.
func rateHeaders(h http.Header) http.Header {
	var out http.Header
	for name, values := range h {
		lower := strings.ToLower(name)
		if !strings.HasPrefix(lower, "x-ratelimit-") && !strings.HasPrefix(lower, "anthropic-ratelimit-") &&
			!strings.HasPrefix(lower, "ratelimit") && !strings.HasPrefix(lower, "retry-after") && lower != "x-should-retry" {
			continue
		}
		if out == nil {
			out = http.Header{}
		}
		out[http.CanonicalHeaderKey(name)] = values
	}
	return out
}

// secrets are what keys look like wherever they turn up: after a scheme or a
// header's name, or by the prefixes of the three vendors.
var secrets = []*regexp.Regexp{
	regexp.MustCompile(`(?i)(\bbearer\s+)[^\s"',;}\\]+`),
	regexp.MustCompile(`(?i)((?:x-api-key|x-goog-api-key|api[-_ ]?key)["']?\s*[:=]\s*["']?)[^\s"',;}\\]+`),
	regexp.MustCompile(`()\b(?:sk|rk)-[A-Za-z0-9_\-*.]{6,}`),
	regexp.MustCompile(`()\bAIza[A-Za-z0-9_\-]{10,}`),
}

// redact returns text without key and without anything that looks like one.
func redact(text, key string) string {
	if len(key) >= 4 {
		text = strings.ReplaceAll(text, key, "[key]")
	}
	for _, re := range secrets {
		text = re.ReplaceAllString(text, "${1}[key]")
	}
	return text
}

// tidy makes a server's words fit for an error: without keys, on one line, and
// no longer than a person reads.
func tidy(text, key string) string {
	const most = 600
	text = strings.Join(strings.Fields(strings.ToValidUTF8(redact(text, key), "�")), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + " ..."
	}
	if text == "" {
		return "no message"
	}
	return text
}

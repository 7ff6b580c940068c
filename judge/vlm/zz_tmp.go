package vlm

import (
	"fmt"
	"net/http"
	"time"
)

// APIError is defined by the clients.
type APIError struct {
	Status        int
	Kind, Message string
	RetryAfter    time.Duration
	Header        http.Header
}

func (e *APIError) Error() string { return fmt.Sprintf("HTTP %d: %s: %s", e.Status, e.Kind, e.Message) }

func (e *APIError) Temporary() bool {
	return e.Status == 408 || e.Status == 409 || e.Status == 429 || e.Status >= 500
}

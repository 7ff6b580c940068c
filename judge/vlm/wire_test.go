package vlm

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

const testKey = "sk-test-0123456789abcdef"

// A fakeServer answers with what a test hands it and keeps what it was sent.
type fakeServer struct {
	*httptest.Server
	mu       sync.Mutex
	requests []received
	answer   func(r received) response
}

type received struct {
	path   string
	header http.Header
	body   []byte
}

type response struct {
	status int
	header map[string]string
	body   string
}

func newFakeServer(t testing.TB, answer func(received) response) *fakeServer {
	t.Helper()
	f := &fakeServer{answer: answer}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client went away
		}
		got := received{r.URL.Path, r.Header.Clone(), body}
		f.mu.Lock()
		f.requests = append(f.requests, got)
		f.mu.Unlock()
		a := f.answer(got)
		w.Header().Set("Content-Type", "application/json")
		for name, value := range a.header {
			w.Header().Set(name, value)
		}
		if a.status == 0 {
			a.status = 200
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	t.Cleanup(f.Close)
	return f
}

// plainReplies are the shortest replies that say yes.
var plainReplies = map[string]string{
	"openai":    `{"choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}`,
	"anthropic": `{"type":"message","role":"assistant","content":[{"type":"text","text":"yes"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`,
	"google":    `{"candidates":[{"content":{"role":"model","parts":[{"text":"yes"}]},"finishReason":"STOP"}]}`,
}

var apiNames = []string{"openai", "anthropic", "google"}

// dialTest returns a client of a server under test.
func dialTest(t testing.TB, api, url string, change func(*Config)) *Client {
	t.Helper()
	c := Config{Name: "test", API: api, BaseURL: url, Model: "test-model", KeyEnv: "TEST_KEY"}
	if change != nil {
		change(&c)
	}
	client, err := Dial(c, func(name string) string { return map[string]string{"TEST_KEY": testKey}[name] }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func ptr[T any](v T) *T { return &v }

var (
	picture1 = &Image{Data: []byte("img1"), MIME: "image/png", Digest: assay.DigestOf([]byte("img1"))}
	picture2 = &Image{Data: []byte("img2"), MIME: "image/jpeg", Digest: assay.DigestOf([]byte("img2"))}
)

func testRequests(t *testing.T) map[string]Request {
	var golden struct {
		ResponseFormat struct {
			JSONSchema struct{ Schema json.RawMessage } `json:"json_schema"`
		} `json:"response_format"`
	}
	readJSON(t, "testdata/openai/request_schema.json", &golden)
	schema := Request{Parts: []Part{{Image: picture1}, {Text: "Answer all."}}, MaxTokens: 500,
		SchemaName: "checklist", Schema: golden.ResponseFormat.JSONSchema.Schema}
	return map[string]Request{
		"full": {System: "You look at pictures.", MaxTokens: 3, Temperature: ptr(1.0), TopLogProbs: 20, Seed: ptr(int64(7)), Sample: 4,
			Parts: []Part{{Text: "First picture:"}, {Image: picture1}, {Text: "Second picture:"}, {Image: picture2},
				{Text: "Which is better? Answer in one word: first, second or equal."}}},
		"plain":  {Parts: []Part{{Image: picture1}, {Text: "Is there a tree?"}}},
		"schema": schema,
		"tool":   schema,
	}
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// TestRequests holds what is sent against bodies written from the vendors' documentation.
func TestRequests(t *testing.T) {
	paths := map[string]string{"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "google": "/v1beta/models/test-model:generateContent"}
	auth := map[string][2]string{"openai": {"Authorization", "Bearer " + testKey}, "anthropic": {"X-Api-Key", testKey}, "google": {"X-Goog-Api-Key", testKey}}
	requests := testRequests(t)
	for _, api := range apiNames {
		files, _ := filepath.Glob("testdata/" + api + "/request_*.json")
		if len(files) < 3 {
			t.Fatalf("%s: %d golden requests", api, len(files))
		}
		for _, file := range files {
			name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "request_"), ".json")
			t.Run(api+"/"+name, func(t *testing.T) {
				server := newFakeServer(t, func(received) response { return response{body: plainReplies[api]} })
				client := dialTest(t, api, server.URL, nil)
				if name == "tool" { // the server refuses the schema first
					first := true
					server.answer = func(received) response {
						if first {
							first = false
							return response{status: 400, body: `{"type":"error","error":{"type":"invalid_request_error","message":"output_config.format: Extra inputs are not permitted"}}`}
						}
						return response{body: plainReplies[api]}
					}
				}
				if _, err := client.Ask(t.Context(), requests[name]); err != nil {
					t.Fatal(err)
				}
				got := server.requests[len(server.requests)-1]
				if got.path != paths[api] {
					t.Errorf("path %s, want %s", got.path, paths[api])
				}
				if v := got.header.Get(auth[api][0]); v != auth[api][1] {
					t.Errorf("%s: %q", auth[api][0], v)
				}
				if v := got.header.Get("Idempotency-Key"); v != Key(client.Judge(), requests[name]).String() {
					t.Errorf("Idempotency-Key %q", v)
				}
				var want, is any
				readJSON(t, file, &want)
				if err := json.Unmarshal(got.body, &is); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, is); diff != "" {
					t.Errorf("body (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// A fixture is a response in a server's format and what is to be made of it.
type fixture struct {
	Status   int               `json:"status"`
	Headers  map[string]string `json:"headers"`
	Response json.RawMessage   `json:"response"`
	Text     string            `json:"text"`
	Want     *Reply            `json:"want"`
	Error    *struct {
		Status      int      `json:"status"`
		Kind        string   `json:"kind"`
		Message     string   `json:"message"`
		Temporary   bool     `json:"temporary"`
		Unavailable bool     `json:"unavailable"`
		RetryAfter  string   `json:"retry_after"`
		Headers     []string `json:"headers"`
	} `json:"error"`
}

// TestReplies holds what is read against fixtures of every trap.
func TestReplies(t *testing.T) {
	for _, api := range apiNames {
		files, _ := filepath.Glob("testdata/" + api + "/reply_*.json")
		if len(files) < 10 {
			t.Fatalf("%s: %d replies", api, len(files))
		}
		for _, file := range files {
			t.Run(api+"/"+strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "reply_"), ".json"), func(t *testing.T) {
				var f fixture
				readJSON(t, file, &f)
				body := string(f.Response)
				if f.Response == nil {
					body = f.Text
				}
				server := newFakeServer(t, func(received) response { return response{f.Status, f.Headers, body} })
				got, err := dialTest(t, api, server.URL, nil).Ask(t.Context(), testRequests(t)["full"])
				if len(server.requests) != 1 {
					t.Errorf("%d requests were sent, want 1", len(server.requests))
				}
				if f.Error != nil {
					f.checkError(t, err)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(*f.Want, got); diff != "" {
					t.Errorf("reply (-want +got):\n%s", diff)
				}
				text, err := json.Marshal(got)
				if err != nil {
					t.Fatal(err)
				}
				var again Reply
				if err := json.Unmarshal(text, &again); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(got, again); diff != "" {
					t.Errorf("a reply from the cache is another (-first +again):\n%s", diff)
				}
			})
		}
	}
}

func (f fixture) checkError(t *testing.T, err error) {
	t.Helper()
	var e *APIError
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want an APIError", err)
	}
	w := f.Error
	if e.Status != w.Status || e.Kind != w.Kind || e.Message != w.Message || e.Temporary() != w.Temporary {
		t.Errorf("got status %d, kind %q, temporary %v, message\n%s\nwant status %d, kind %q, temporary %v, message\n%s",
			e.Status, e.Kind, e.Temporary(), e.Message, w.Status, w.Kind, w.Temporary, w.Message)
	}
	wait := time.Duration(0)
	if w.RetryAfter != "" {
		wait, _ = time.ParseDuration(w.RetryAfter)
	}
	if e.RetryAfter != wait {
		t.Errorf("retry after %v, want %v", e.RetryAfter, wait)
	}
	if w.Temporary || w.Unavailable {
		if !errors.Is(err, assay.ErrUnavailable) {
			t.Errorf("%v does not wrap ErrUnavailable", err)
		}
	}
	var names []string
	for name := range e.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	if diff := cmp.Diff(w.Headers, names); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

// TestEnvironment: nothing in the environment changes where, as whom, or with
// which headers a request is sent.
func TestEnvironment(t *testing.T) {
	stray := newFakeServer(t, func(received) response { return response{status: 500} })
	for name, value := range map[string]string{
		"OPENAI_BASE_URL": stray.URL, "OPENAI_API_KEY": "sk-stray-000000", "OPENAI_ORG_ID": "org-stray", "OPENAI_PROJECT_ID": "proj-stray",
		"OPENAI_CUSTOM_HEADERS": "X-Stray: stray", "OPENAI_ADMIN_KEY": "sk-stray-000000",
		"ANTHROPIC_BASE_URL": stray.URL, "ANTHROPIC_API_KEY": "sk-stray-000000", "ANTHROPIC_AUTH_TOKEN": "stray-token", "ANTHROPIC_PROFILE": "stray",
		"ANTHROPIC_CUSTOM_HEADERS": "X-Stray: stray",
		"GOOGLE_GEMINI_BASE_URL":   stray.URL, "GOOGLE_VERTEX_BASE_URL": stray.URL, "GOOGLE_API_KEY": "AIzaStray0000000000", "GEMINI_API_KEY": "AIzaStray0000000001",
		"GOOGLE_GENAI_USE_VERTEXAI": "1", "GOOGLE_GENAI_USE_ENTERPRISE": "1", "GOOGLE_CLOUD_PROJECT": "stray", "GOOGLE_CLOUD_LOCATION": "stray",
	} {
		t.Setenv(name, value)
	}
	log := captureLog(t)
	for _, api := range apiNames {
		for _, withKey := range []bool{true, false} {
			server := newFakeServer(t, func(received) response { return response{body: plainReplies[api]} })
			client := dialTest(t, api, server.URL, func(c *Config) {
				if !withKey {
					c.KeyEnv = ""
				}
			})
			if reply, err := client.Ask(t.Context(), testRequests(t)["plain"]); err != nil || reply.Text != "yes" {
				t.Fatalf("%s: %q, %v", api, reply.Text, err)
			}
			sent := server.requests[0]
			for name, values := range sent.header {
				text := strings.ToLower(name + ": " + strings.Join(values, " "))
				if strings.Contains(text, "stray") || strings.Contains(text, "stainless") {
					t.Errorf("%s: sent %s", api, text)
				}
				if !withKey && (name == "Authorization" || name == "X-Api-Key" || name == "X-Goog-Api-Key") {
					t.Errorf("%s: without a key, sent %s", api, text)
				}
			}
		}
	}
	if len(stray.requests) > 0 {
		t.Errorf("%d requests went where the environment said", len(stray.requests))
	}
	if text := log(); text != "" {
		t.Errorf("logged: %s", text)
	}
}

// TestOneAttempt: the SDKs' own retries are off, also for what they would retry.
func TestOneAttempt(t *testing.T) {
	for _, api := range apiNames {
		for _, status := range []int{408, 409, 429, 500, 502, 503, 529} {
			server := newFakeServer(t, func(received) response {
				return response{status: status, header: map[string]string{"Retry-After": "0", "x-should-retry": "true"}, body: `{}`}
			})
			_, err := dialTest(t, api, server.URL, nil).Ask(t.Context(), testRequests(t)["plain"])
			var e *APIError
			if !errors.As(err, &e) || e.Status != status || !e.Temporary() {
				t.Errorf("%s: %d: error %v", api, status, err)
			}
			if len(server.requests) != 1 {
				t.Errorf("%s: %d: %d requests, want 1", api, status, len(server.requests))
			}
		}
	}
}

// TestEndings: a client that waits in vain says whose end it was.
func TestEndings(t *testing.T) {
	for _, api := range apiNames {
		release := make(chan struct{})
		server := newFakeServer(t, func(received) response { <-release; return response{body: plainReplies[api]} })
		defer close(release)

		var e *APIError
		client := dialTest(t, api, server.URL, func(c *Config) { c.Timeout = 20 * time.Millisecond })
		_, err := client.Ask(t.Context(), testRequests(t)["plain"])
		if !errors.As(err, &e) || e.Kind != kindTimeout || !e.Temporary() {
			t.Errorf("%s: timeout: %v", api, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err = dialTest(t, api, server.URL, nil).Ask(ctx, testRequests(t)["plain"])
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && e == nil {
			t.Errorf("%s: caller's deadline: %v", api, err)
		}
		_, err = dialTest(t, api, "http://127.0.0.1:1/", nil).Ask(t.Context(), testRequests(t)["plain"])
		if e = nil; !errors.As(err, &e) || e.Kind != kindNetwork || !e.Temporary() || !errors.Is(err, assay.ErrUnavailable) {
			t.Errorf("%s: nobody there: %v", api, err)
		}
	}
}

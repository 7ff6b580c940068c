package vlm

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/gen-emerge/assay"
)

// captureLog returns what is written to the standard logs until the test ends.
func captureLog(t *testing.T) func() string {
	t.Helper()
	var mu sync.Mutex
	var buf bytes.Buffer
	before, logger := log.Writer(), slog.Default()
	w := writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return buf.Write(p)
	})
	log.SetOutput(w)
	slog.SetDefault(slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})))
	log.SetOutput(w)
	t.Cleanup(func() { slog.SetDefault(logger); log.SetOutput(before) })
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return buf.String()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestKeysStayOut: a server that repeats the key in its errors, or in a reply,
// gets it into neither.
func TestKeysStayOut(t *testing.T) {
	log := captureLog(t)
	for _, api := range apiNames {
		for name, answer := range map[string]func(header string) response{
			"error": func(h string) response {
				return response{status: 401, body: fmt.Sprintf(`{"error":{"type":"auth","message":"bad credentials %s"}}`, h)}
			},
			"text":    func(h string) response { return response{status: 500, body: "echo: " + h} },
			"no json": func(h string) response { return response{body: "echo: " + h} },
			"success": func(h string) response {
				return response{body: strings.ReplaceAll(plainReplies[api], `"yes"`, `"`+h+`"`)}
			},
			"header": func(h string) response {
				return response{status: 429, header: map[string]string{"X-Echo": h}, body: `{}`}
			},
			"another's key": func(string) response {
				return response{status: 401, body: `{"error":{"message":"Incorrect API key provided: sk-test-0123456789abcdeX, header Authorization: Bearer abc.def/ghi+jkl=="}}`}
			},
		} {
			server := newFakeServer(t, func(r received) response {
				return answer(r.header.Get("Authorization") + r.header.Get("X-Api-Key") + r.header.Get("X-Goog-Api-Key"))
			})
			reply, err := dialTest(t, api, server.URL, nil).Ask(t.Context(), testRequests(t)["plain"])
			if len(server.requests) != 1 {
				t.Fatalf("%s, %s: not asked: %v", api, name, err)
			}
			said := fmt.Sprintf("%v %+v %#v %+v", err, err, err, reply)
			var e *APIError
			if errors.As(err, &e) {
				said += fmt.Sprintf("%+v %#v", *e, *e)
			}
			for _, secret := range []string{testKey, "0123456789", "abc.def", "ghi+jkl"} {
				if strings.Contains(said, secret) {
					t.Errorf("%s, %s: %q is in %s", api, name, secret, said)
				}
			}
			if (name == "success") != (err == nil) {
				t.Errorf("%s, %s: error %v", api, name, err)
			}
		}
	}
	if text := log(); strings.Contains(text, "0123456789") {
		t.Errorf("logged: %s", text)
	}
}

// TestRedirect: neither key nor picture follows a redirect.
func TestRedirect(t *testing.T) {
	for _, api := range apiNames {
		other := newFakeServer(t, func(received) response { return response{body: plainReplies[api]} })
		server := newFakeServer(t, func(r received) response {
			return response{status: 307, header: map[string]string{"Location": other.URL + r.path}}
		})
		_, err := dialTest(t, api, server.URL, nil).Ask(t.Context(), testRequests(t)["plain"])
		var e *APIError
		if !errors.As(err, &e) || e.Kind != kindRedirect || e.Temporary() {
			t.Errorf("%s: %v", api, err)
		}
		if len(other.requests) > 0 {
			t.Errorf("%s: the redirect was followed", api)
		}
	}
}

func TestRateHeadersOfSuccess(t *testing.T) {
	server := newFakeServer(t, func(received) response {
		return response{header: map[string]string{"x-ratelimit-remaining-requests": "7", "X-Other": "1"}, body: plainReplies["openai"]}
	})
	var got http.Header
	ctx := WithRateHeaders(t.Context(), func(h http.Header) { got = h })
	if _, err := dialTest(t, "openai", server.URL, nil).Ask(ctx, testRequests(t)["plain"]); err != nil {
		t.Fatal(err)
	}
	if got.Get("x-ratelimit-remaining-requests") != "7" || len(got) != 1 {
		t.Errorf("headers %v", got)
	}
}

// TestLimitField: the field that limits the reply is found by the first refusal
// and remembered.
func TestLimitField(t *testing.T) {
	server := newFakeServer(t, func(r received) response {
		if strings.Contains(string(r.body), `"max_tokens"`) {
			return response{status: 400, body: `{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}`}
		}
		return response{body: plainReplies["openai"]}
	})
	client := dialTest(t, "openai", server.URL, nil)
	for range 2 {
		if _, err := client.Ask(t.Context(), testRequests(t)["plain"]); err != nil {
			t.Fatal(err)
		}
	}
	if len(server.requests) != 3 {
		t.Errorf("%d requests, want 3: one refused, two answered", len(server.requests))
	}
	// A limit that is too large is not a field that is not known.
	server.answer = func(received) response {
		return response{status: 400, body: `{"error":{"message":"max_completion_tokens is too large: 999999. This model supports at most 16384 completion tokens","type":"invalid_request_error"}}`}
	}
	if _, err := client.Ask(t.Context(), testRequests(t)["plain"]); err == nil {
		t.Error("no error")
	}
}

func TestLearn(t *testing.T) {
	server := newFakeServer(t, func(received) response { return response{body: plainReplies["openai"]} })
	client := dialTest(t, "openai", server.URL, nil)
	client.Learn(Capabilities{Thinking: 512})
	if _, err := client.Ask(t.Context(), testRequests(t)["full"]); err != nil {
		t.Fatal(err)
	}
	body := string(server.requests[0].body)
	for _, absent := range []string{"logprobs", "temperature", "seed"} {
		if strings.Contains(body, absent) {
			t.Errorf("%s was sent: %s", absent, body)
		}
	}
	if !strings.Contains(body, `"max_tokens":515`) {
		t.Errorf("no room for thinking: %s", body)
	}
}

func TestExtra(t *testing.T) {
	for api, want := range map[string]string{
		"openai": `"chat_template_kwargs":{"enable_thinking":false}`, "anthropic": `"service_tier":"standard_only"`, "google": `"thinkingConfig":{"thinkingBudget":0}`} {
		server := newFakeServer(t, func(received) response { return response{body: plainReplies[api]} })
		client := dialTest(t, api, server.URL, func(c *Config) {
			c.Extra = map[string]any{
				"openai":    map[string]any{"chat_template_kwargs": map[string]any{"enable_thinking": false}},
				"anthropic": map[string]any{"service_tier": "standard_only"},
				"google":    map[string]any{"generationConfig": map[string]any{"thinkingConfig": map[string]any{"thinkingBudget": 0}}},
			}[api].(map[string]any)
		})
		for range 2 {
			if _, err := client.Ask(t.Context(), testRequests(t)["full"]); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range server.requests {
			if body := string(r.body); !strings.Contains(body, want) || !strings.Contains(body, "okens\":3") {
				t.Errorf("%s: %s", api, body)
			}
		}
		plain := dialTest(t, api, server.URL, nil)
		if plain.Judge().Endpoint == client.Judge().Endpoint || !strings.HasPrefix(client.Judge().Endpoint, plain.Judge().Endpoint+"#extra=") {
			t.Errorf("%s: endpoints %q and %q", api, plain.Judge().Endpoint, client.Judge().Endpoint)
		}
	}
}

func TestDial(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "key")
	if err := os.WriteFile(file, []byte("  "+testKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"OPENAI_API_KEY": testKey, "TWO": testKey + "\nand " + testKey}
	for _, test := range []struct {
		name string
		c    Config
		want error
		says string
	}{
		{"key file", Config{API: "openai", KeyFile: file, BaseURL: "http://h/v1"}, nil, ""},
		{"vendor's variable", Config{API: "openai"}, nil, ""},
		{"no key wanted", Config{API: "google", BaseURL: "http://h"}, nil, ""},
		{"vendor's variable not set", Config{API: "anthropic"}, assay.ErrUnavailable, "ANTHROPIC_API_KEY"},
		{"either variable", Config{API: "google"}, assay.ErrUnavailable, "GEMINI_API_KEY or GOOGLE_API_KEY"},
		{"variable not set", Config{API: "openai", KeyEnv: "NOT_SET"}, assay.ErrUnavailable, "NOT_SET"},
		{"no such file", Config{API: "openai", KeyFile: filepath.Join(dir, "none")}, assay.ErrUnavailable, "key-file"},
		{"empty file", Config{API: "openai", KeyFile: empty}, assay.ErrUnavailable, "no key"},
		{"two keys", Config{API: "openai", KeyEnv: "TWO"}, assay.ErrInvalid, "more than a key"},
		{"no such api", Config{API: "cohere"}, assay.ErrInvalid, "cohere"},
		{"password in url", Config{API: "openai", BaseURL: "http://me:" + testKey + "@h/v1"}, assay.ErrInvalid, "password"},
		{"key in url", Config{API: "google", BaseURL: "http://h/?key=" + testKey}, assay.ErrInvalid, "query"},
		{"no url", Config{API: "google", BaseURL: "localhost:8000"}, assay.ErrInvalid, "http"},
		{"key as variable's name", Config{API: "openai", KeyEnv: testKey}, assay.ErrInvalid, "not the name"},
	} {
		test.c.Name, test.c.Model = "j", "gpt-4o"
		client, err := Dial(test.c, func(name string) string { return env[name] }, nil)
		if !errors.Is(err, test.want) || (err == nil) != (client != nil) {
			t.Errorf("%s: error %v, want %v", test.name, err, test.want)
		}
		if err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: error %v does not say %q", test.name, err, test.says)
		}
		if err != nil && strings.Contains(err.Error(), testKey) {
			t.Errorf("%s: the key is in the error: %v", test.name, err)
		}
	}
}

func TestJudgeOfClient(t *testing.T) {
	for _, test := range []struct{ api, url, want string }{
		{"openai", "", "https://api.openai.com/v1/"},
		{"openai", "http://h:8000", "http://h:8000/v1/"},
		{"openai", "http://h/api/v3", "http://h/api/v3/"},
		{"openai", "http://h/v1/chat/completions", "http://h/v1/"},
		{"anthropic", "", "https://api.anthropic.com/"},
		{"anthropic", "http://h/v1/", "http://h/"},
		{"anthropic", "http://h/proxy", "http://h/proxy/"},
		{"google", "", "https://generativelanguage.googleapis.com/"},
		{"google", "http://h/v1beta", "http://h/"},
	} {
		got := dialTest(t, test.api, test.url, func(c *Config) { c.Model, c.Protocol = "Qwen/Qwen2.5-VL-7B-Instruct", 3 }).Judge()
		want := assay.Judge{Name: "test", API: test.api, Endpoint: test.want, Model: "Qwen/Qwen2.5-VL-7B-Instruct", Family: "qwen", Protocol: 3}
		if got != want {
			t.Errorf("%s %q: %+v, want %+v", test.api, test.url, got, want)
		}
	}
}

// TestWordAsKey: a key that is a word does not change replies that hold the word.
func TestWordAsKey(t *testing.T) {
	server := newFakeServer(t, func(received) response { return response{body: plainReplies["openai"]} })
	for _, key := range []string{"yes", "content", "EMPTY"} {
		client, err := Dial(Config{Name: "j", API: "openai", BaseURL: server.URL, Model: "m", KeyEnv: "K"}, func(string) string { return key }, nil)
		if err != nil {
			t.Fatal(err)
		}
		if reply, err := client.Ask(t.Context(), testRequests(t)["plain"]); err != nil || reply.Text != "yes" {
			t.Errorf("%s: %+v, %v", key, reply, err)
		}
	}
}

func TestBadRequests(t *testing.T) {
	client := dialTest(t, "openai", "http://127.0.0.1:1/", nil)
	text := []Part{{Text: "?"}}
	for name, r := range map[string]Request{
		"empty": {}, "empty picture": {Parts: []Part{{Image: &Image{MIME: "image/png"}}}},
		"alternatives": {Parts: text, TopLogProbs: 21}, "tokens": {Parts: text, MaxTokens: -1},
		"schema": {Parts: text, Schema: []byte(`{`)}, "schema of no object": {Parts: text, Schema: []byte(`[]`)},
		"schema's name": {Parts: text, Schema: []byte(`{}`), SchemaName: strings.Repeat("a", 65)},
	} {
		if _, err := client.Ask(t.Context(), r); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzReplies: no response makes a client panic, or say both that there is a
// reply and that there is none.
func FuzzReplies(f *testing.F) {
	for _, api := range apiNames {
		files, _ := filepath.Glob("testdata/" + api + "/reply_*.json")
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text), 200)
			f.Add(plainReplies[api], 400)
		}
	}
	for _, s := range []string{`{"error":null}`, `[`, `[{"error":1}]`, `{"choices":[null]}`, `{"candidates":[null]}`, `{"type":"message","content":[null]}`, `{"error":{"code":1e400}}`,
		`{"candidates":[{"logprobsResult":{"topCandidates":[null],"chosenCandidates":[null]}}]}`, `{"choices":[{"logprobs":{"content":[null,{"bytes":[-1,999],"logprob":1}]}}]}`} {
		f.Add(s, 200)
	}
	f.Fuzz(func(t *testing.T, body string, status int) {
		if status < 200 || status > 599 {
			return
		}
		for _, api := range apiNames {
			client, err := Dial(Config{Name: "j", API: api, BaseURL: "http://h/", Model: "m"}, func(string) string { return "" },
				&http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: status, Header: http.Header{}, Body: readCloser{strings.NewReader(body)}}, nil
				})})
			if err != nil {
				t.Fatal(err)
			}
			reply, err := client.Ask(t.Context(), Request{Parts: []Part{{Text: "?"}}})
			if err != nil && (reply.Text != "" || reply.Finish != "") {
				t.Errorf("%s: reply %+v and error %v", api, reply, err)
			}
			if err == nil && reply.Finish == "" {
				t.Errorf("%s: a reply that does not say how it ended: %+v", api, reply)
			}
			for _, token := range reply.Tokens {
				if token.LogProb != nil && (*token.LogProb > 0 || *token.LogProb <= sentinel) {
					t.Errorf("%s: log-probability %v", api, *token.LogProb)
				}
			}
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// TestBodies: any picture arrives as it was, beside any text, also one that
// looks like a mark.
func TestBodies(t *testing.T) {
	for _, api := range apiNames {
		server := newFakeServer(t, func(received) response { return response{body: plainReplies[api]} })
		client := dialTest(t, api, server.URL, nil)
		for n := range 40 {
			data := noise(n*n+1, 1).Pix[:n*n*3+n%3+1]
			text := client.wire.text(0)[:20] + "\"\\ é"
			r := Request{Parts: []Part{{Text: text}, {Image: &Image{Data: data, MIME: "image/png"}}, {Image: picture1}, {Image: picture1}, {Text: "?"}}}
			if _, err := client.Ask(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			sent := server.requests[len(server.requests)-1].body
			if !json.Valid(sent) || !bytes.Contains(sent, []byte(base64.StdEncoding.EncodeToString(data)+`"`)) || bytes.Count(sent, []byte(`aW1nMQ=="`)) != 2 {
				t.Fatalf("%s: %d bytes: sent %.300s", api, len(data), sent)
			}
		}
	}
}

func TestBase64Reader(t *testing.T) {
	data := noise(100, 100).Pix
	for _, size := range []int{0, 1, 2, 3, 4, 3071, 3072, 3073, 9216, 9217, 40000} {
		want := base64.StdEncoding.EncodeToString(data[:size])
		for name, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "halves": iotest.HalfReader} {
			got, err := io.ReadAll(wrap(newBase64Reader(data[:size])))
			if err != nil || string(got) != want {
				t.Errorf("%d bytes, %s: %d bytes of %d, %v", size, name, len(got), len(want), err)
			}
		}
	}
}

// TestBrokenConnection: a request that a server took and did not answer is not
// sent a second time by the transport, though it carries an Idempotency-Key.
func TestBrokenConnection(t *testing.T) {
	for _, api := range apiNames {
		var taken atomic.Int32
		var hang atomic.Bool
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			taken.Add(1)
			if hang.Load() {
				panic(http.ErrAbortHandler) // the connection breaks
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, plainReplies[api])
		}))
		defer server.Close()
		client := dialTest(t, api, server.URL, nil)
		if _, err := client.Ask(t.Context(), testRequests(t)["plain"]); err != nil { // so that there is a connection to break
			t.Fatal(err)
		}
		taken.Store(0)
		hang.Store(true)
		_, err := client.Ask(t.Context(), testRequests(t)["plain"])
		var e *APIError
		if !errors.As(err, &e) || e.Kind != kindNetwork || !e.Temporary() {
			t.Errorf("%s: %v", api, err)
		}
		if taken.Load() != 1 {
			t.Errorf("%s: taken %d times, want once", api, taken.Load())
		}
	}
}

// TestUnsendable: what fails before anything is sent will always fail, and is no
// call in doubt.
func TestUnsendable(t *testing.T) {
	server := newFakeServer(t, func(received) response { return response{body: plainReplies["openai"]} })
	client := dialTest(t, "openai", server.URL, nil)
	post := func(url string) func(context.Context) error {
		return func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(`{}`))
			if err != nil {
				return err
			}
			_, err = client.wire.http.Do(req)
			return err
		}
	}
	for name, send := range map[string]func(context.Context) error{
		"a bad address":                  post("http://[bad/"),
		"another host":                   post("http://localhost:1/"),
		"a picture without its place":    post(server.URL),
		"an SDK that cannot take it":     func(context.Context) error { panic("nil") },
		"an SDK that does not ask":       func(context.Context) error { return errors.New("no") },
		"an SDK that asks of " + testKey: func(context.Context) error { return errors.New("bad key " + testKey) },
	} {
		asker := askerFunc(func(ctx context.Context, r Request) (Reply, error) {
			_, err := client.wire.call(ctx, r, send)
			return Reply{}, err
		})
		ledger := MemoryLedger()
		c := NewCaller(client.Judge(), asker, CallerOptions{Ledger: ledger})
		_, err := c.Ask(t.Context(), Request{Parts: []Part{{Image: picture1}, {Text: "?"}}})
		is(t, name, err, assay.ErrInvalid, "could not be made")
		if strings.Contains(err.Error(), testKey) {
			t.Errorf("%s: the key is in %v", name, err)
		}
		doubt, err := ledger.CallsInDoubt(t.Context())
		must(t, err)
		if s := c.Spent(); len(doubt) > 0 || s.InDoubt > 0 || s.DoubtTokens > 0 {
			t.Errorf("%s: in doubt: %v, %+v", name, doubt, s)
		}
		must(t, c.Close())
	}
	if len(server.requests) > 0 {
		t.Errorf("%d requests were sent", len(server.requests))
	}
}

type askerFunc func(context.Context, Request) (Reply, error)

func (f askerFunc) Ask(ctx context.Context, r Request) (Reply, error) { return f(ctx, r) }

package vlm

import (
	"net/http/httptest"
	"testing"

	"io"
	"net/http"
)

// BenchmarkAsk measures one call to a server of this process that answers at
// once: what a client, an SDK and HTTP over the loopback cost together. "bare" is
// the same bytes without client and SDK.
func BenchmarkAsk(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"4kB", 4 << 10}, {"1MB", 1 << 20}} {
		picture := &Image{Data: make([]byte, size.bytes), MIME: "image/png"}
		request := Request{Parts: []Part{{Image: picture}, {Text: "Is there a tree? Answer with one word: yes or no."}}, MaxTokens: 1, TopLogProbs: 20}
		for _, api := range apiNames {
			b.Run(size.name+"/"+api, func(b *testing.B) {
				server := newBenchServer(b, plainReplies[api])
				client := dialTest(b, api, server.URL, nil)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := client.Ask(b.Context(), request); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(size.name+"/bare", func(b *testing.B) {
			server := newBenchServer(b, plainReplies["openai"])
			b.ReportAllocs()
			for b.Loop() {
				resp, err := server.Client().Post(server.URL, "application/json", io.LimitReader(zeros{}, int64(size.bytes)*4/3))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func newBenchServer(b *testing.B, reply string) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, reply)
	}))
	b.Cleanup(server.Close)
	return server
}

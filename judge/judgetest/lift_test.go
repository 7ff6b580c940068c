package judgetest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// FuzzLift: taking the pictures out of a request and putting them back leaves it as
// it was.
func FuzzLift(f *testing.F) {
	long := strings.Repeat("QUJD", 400)
	for _, s := range []string{"", `"`, `{"a":"b"}`, `{"a":"` + long + `","b":"\"` + long + `\\"}`, `{"a":"` + long, `{"a":"x\\\"y","c":"` + long + `"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b := lift(raw)
		back := b.slim
		for i := len(b.lifted) - 1; i >= 0; i-- {
			at := bytes.LastIndex(back, fmt.Appendf(nil, "%q", placeholder+fmt.Sprint(i)))
			if at < 0 {
				t.Fatalf("picture %d is not in %q", i, b.slim)
			}
			n := len(fmt.Sprintf("%q", placeholder+fmt.Sprint(i)))
			back = append(append(append(bytes.Clone(back[:at]), '"'), append(bytes.Clone(b.lifted[i]), '"')...), back[at+n:]...)
		}
		if !bytes.Equal(back, raw) && !bytes.Contains(raw, []byte(placeholder)) {
			t.Errorf("%q became %q", raw, back)
		}
		// A control character in a string is no JSON; in a picture it is found later,
		// as no base64.
		control := bytes.ContainsFunc(raw, func(r rune) bool { return r < ' ' })
		if json.Valid(raw) != json.Valid(b.slim) && !control {
			t.Errorf("valid %t became %t: %q", json.Valid(raw), json.Valid(b.slim), raw)
		}
	})
}

// FuzzRequests: no body makes the server do anything but answer.
func FuzzRequests(f *testing.F) {
	f.Add(0, []byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"Is it? yes or no"}]}],"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"object","properties":{"x":{"type":"array","items":{}}}}}}}`))
	f.Add(1, []byte(`{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"Is it? yes or no"}],"tools":[{"name":"t","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"t"}}`))
	f.Add(2, []byte(`{"contents":[{"parts":[{"text":"q1: Is it? yes or no"}]}],"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT"}}}`))
	s := New(Options{Rules: []Rule{AlwaysYes(), AlwaysFirst()}})
	f.Cleanup(s.Close)
	paths := []string{"openai/v1/chat/completions", "anthropic/v1/messages", "google/v1beta/models/m:generateContent"}
	f.Fuzz(func(t *testing.T, api int, raw []byte) {
		req, err := http.NewRequest("POST", s.http.URL+"/"+paths[uint(api)%3], bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Anthropic-Version", "2023-06-01")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || !json.Valid(body) || resp.StatusCode != 200 && resp.StatusCode != 400 {
			t.Errorf("%q: %d %q %v", raw, resp.StatusCode, body, err)
		}
	})
}

// request is one in OpenAI's format with a noisy picture of 512 pixels a side.
func request(tb testing.TB) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, 512, 512))
	r := rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = uint8(r.Uint32()) | uint8(255*(i%4/3))
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		tb.Fatal(err)
	}
	return fmt.Appendf(nil, `{"model":"m","logprobs":true,"top_logprobs":20,"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}},{"type":"text","text":"Is it? Answer yes or no."}]}]}`,
		base64.StdEncoding.EncodeToString(b.Bytes()))
}

// BenchmarkRecognise is the cost of a request beyond HTTP: a picture of 512 pixels
// a side that came before.
func BenchmarkRecognise(b *testing.B) {
	s := New(Options{Rules: []Rule{AlwaysYes()}})
	defer s.Close()
	raw := request(b)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		body := lift(raw)
		a, bad := openAI{}.parse(nil, body, &Options{})
		if bad != nil {
			b.Fatal(bad.message)
		}
		if _, err := s.gallery.see(a.pictures[0].base64); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCall is a whole call over loopback with that picture.
func BenchmarkCall(b *testing.B) {
	s := New(Options{Rules: []Rule{AlwaysYes()}})
	defer s.Close()
	raw := request(b)
	n := 0
	for b.Loop() {
		req, err := http.NewRequest("POST", s.URL("openai")+"chat/completions", bytes.NewReader(raw))
		if err != nil {
			b.Fatal(err)
		}
		n++
		req.Header.Set("Idempotency-Key", fmt.Sprint(n))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

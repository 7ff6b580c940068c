package web_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/web"
)

// small is a series without thresholds: enough where only requests matter.
func small(t *testing.T, opt web.Options) *site {
	t.Helper()
	s := &site{db: openStore(t)}
	s.series = openSeries(t, s.db, "small", series.Options{Warmup: 1000})
	s.results = add(t, s.series, []series.Input{file("a.png", pngBytes(drawing(1))), file("b.png", pngBytes(drawing(2))), file("c.png", pngBytes(drawing(6)))})
	var err error
	if s.handler, err = web.New(s.series, s.db, opt); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHost(t *testing.T) {
	s := small(t, web.Options{})
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8090": 200, "LOCALHOST:1": 200, "127.0.0.1:8090": 200, "127.9.9.9": 200, "[::1]:8090": 200, "[::1]": 200,
		"": 403, "example.com": 403, "example.com:8090": 403, "localhost.example.com": 403, "127.0.0.1.example.com": 403,
		"192.168.1.2:8090": 403, "0.0.0.0:8090": 403, "[::]:8090": 403, "assay": 403, "localhost:80:90": 403,
	} {
		r := request("GET", "/map.json", "")
		r.Host = host
		if res, body := s.do(t, r); res.StatusCode != want {
			t.Errorf("host %q: %d %s, want %d", host, res.StatusCode, body, want)
		}
	}
	r := request("GET", "/", "")
	far := &net.TCPAddr{IP: net.IPv4(192, 168, 1, 2), Port: 8090}
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(far)))
	if res, _ := s.do(t, r); res.StatusCode != 403 {
		t.Errorf("a connection to %v without a token: %d, want 403", far, res.StatusCode)
	}
}

func TestToken(t *testing.T) {
	const token = "a secret/+&="
	s := small(t, web.Options{Token: token})
	ask := func(target string, change func(*http.Request)) *http.Response {
		r := request("GET", target, "")
		r.Host = "studio.example:8090"
		if change != nil {
			change(r)
		}
		res, _ := s.do(t, r)
		return res
	}
	id := s.results[0].Digest.String()
	for _, target := range []string{"/", "/map.json", "/healthz", "/static/style.css", "/blob/" + id, "/thumb/" + id, "/?token=", "/?token=wrong", "/nothing"} {
		if res := ask(target, nil); res.StatusCode != 401 || len(res.Cookies()) != 0 {
			t.Errorf("%s without the token: %d with %d cookies, want 401", target, res.StatusCode, len(res.Cookies()))
		}
	}
	res := ask("/image/"+id+"?x=1&token=a+secret%2F%2B%26%3D", nil)
	if res.StatusCode != 303 || res.Header.Get("Location") != "/image/"+id+"?x=1" {
		t.Fatalf("first visit: %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	cookies := res.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || strings.Contains(cookies[0].String(), "secret") {
		t.Fatalf("first visit sets %v", cookies)
	}
	if res := ask("/", func(r *http.Request) { r.AddCookie(cookies[0]) }); res.StatusCode != 200 {
		t.Errorf("with the cookie: %d", res.StatusCode)
	}
	if res := ask("/", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: cookies[0].Name, Value: "x"}) }); res.StatusCode != 401 {
		t.Errorf("with another cookie: %d", res.StatusCode)
	}
	if res := ask("/map.json", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }); res.StatusCode != 200 {
		t.Errorf("with the header: %d", res.StatusCode)
	}
	if res := ask("/map.json", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token+"x") }); res.StatusCode != 401 {
		t.Errorf("with a wrong header: %d", res.StatusCode)
	}
	// The redirect stays on this server, whatever the path looks like.
	r := request("GET", "/?token=a+secret%2F%2B%26%3D", "")
	r.URL.Path = "//example.com/"
	if res, _ := s.do(t, r); res.Header.Get("Location") != "/example.com/" {
		t.Errorf("a path with two slashes redirects to %q", res.Header.Get("Location"))
	}
	// A token in the address of a change is not enough.
	post := request("POST", "/compare/round?token=a+secret%2F%2B%26%3D", "{}")
	if res, _ := s.do(t, post); res.StatusCode != 401 {
		t.Errorf("POST with the token in the address: %d, want 401", res.StatusCode)
	}
}

func TestCrossOrigin(t *testing.T) {
	s := small(t, web.Options{})
	for _, c := range []struct {
		name         string
		site, origin string
		want         int
	}{
		{"same origin", "same-origin", "http://localhost:8090", 200},
		{"old browser", "", "http://localhost:8090", 200},
		{"cross site", "cross-site", "https://example.com", 403},
		{"same site, other port", "same-site", "http://localhost:1", 403},
		{"typed address", "none", "", 403},
		{"old browser, other origin", "", "https://example.com", 403},
		{"old browser, other port", "", "http://localhost:1", 403},
		{"opaque origin", "", "null", 403},
		{"neither", "", "", 403},
	} {
		r := request("POST", "/compare/round", "{}")
		r.Header.Del("Sec-Fetch-Site")
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if res, body := s.do(t, r); res.StatusCode != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, res.StatusCode, body, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	s := small(t, web.Options{})
	other := openSeries(t, s.db, "other", series.Options{Warmup: 1000})
	foreign := add(t, other, []series.Input{file("foreign.png", pngBytes(drawing(9)))})[0].Digest.String()
	id := s.results[0].Digest.String()
	for _, c := range []struct {
		method, target, kind, body string
		want                       int
	}{
		{"GET", "/blob/" + id, "", "", 200},
		{"GET", "/blob/" + foreign, "", "", 404},
		{"GET", "/thumb/" + foreign, "", "", 404},
		{"GET", "/image/" + foreign, "", "", 404},
		{"GET", "/image/" + foreign + ".json", "", "", 404},
		{"GET", "/blob/" + strings.Repeat("0", 64), "", "", 404},
		{"GET", "/blob/..%2f..%2fassay.db", "", "", 400},
		{"GET", "/thumb/%2e%2e", "", "", 400},
		{"GET", "/static/..%2fweb.go", "", "", 404},
		{"GET", "/static/..%2ftemplates%2fmap.html", "", "", 404},
		{"GET", "/static/", "", "", 404},
		{"GET", "/assay.db", "", "", 404},
		{"GET", "/?x=-1", "", "", 400},
		{"GET", "/?y=99", "", "", 400},
		{"GET", "/compare?round=7", "", "", 404},
		{"GET", "/compare?round=x", "", "", 400},
		{"POST", "/", "application/json", "{}", 405},
		{"DELETE", "/image/" + id, "", "", 403},
		{"GET", "/compare/answer", "", "", 405},
		{"POST", "/compare/answer", "text/plain", "{}", 415},
		{"POST", "/compare/answer", "", "{}", 415},
		{"POST", "/compare/answer", "application/json", "{", 400},
		{"POST", "/compare/answer", "application/json", `{"round":1} {}`, 400},
		{"POST", "/compare/answer", "application/json", `{"round":1,"note":"x"}`, 400},
		{"POST", "/compare/answer", "application/json", `{"round":99,"pair":0,"outcome":"tie"}`, 404},
		{"POST", "/compare/answer", "application/json", `"` + strings.Repeat("x", 1<<20) + `"`, 413},
		{"POST", "/compare/answer", "application/x-www-form-urlencoded", "round=1&pair=0&answer=" + strings.Repeat("x", 1<<20), 413},
		{"POST", "/compare/answer", "application/x-www-form-urlencoded", "round=1&pair=0&answer=9", 400},
		{"POST", "/compare/undo", "application/json", `{"round":99}`, 404},
		{"POST", "/compare/round", "application/json", `{"pairs":17}`, 400},
	} {
		r := request(c.method, c.target, c.body)
		if c.method == "POST" {
			r.Header.Set("Content-Type", c.kind)
		}
		res, body := s.do(t, r)
		if res.StatusCode != c.want {
			t.Errorf("%s %s %s: %d %.200s, want %d", c.method, c.target, c.kind, res.StatusCode, body, c.want)
		}
		if c.want == 405 && res.Header.Get("Allow") == "" {
			t.Errorf("%s %s: 405 without Allow", c.method, c.target)
		}
		if c.want != 200 && (strings.Contains(body, "goroutine") || !strings.Contains(body, "remedy") && !strings.Contains(body, "<p>")) {
			t.Errorf("%s %s: the refusal says no remedy, or too much: %.300s", c.method, c.target, body)
		}
		if got := res.Header.Get("Content-Security-Policy"); !strings.Contains(got, "frame-ancestors 'none'") || strings.Contains(got, "unsafe") {
			t.Errorf("%s %s: policy %q", c.method, c.target, got)
		}
		if res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: no nosniff", c.method, c.target)
		}
	}
}

// TestUnreadable: when the facts cannot be read the visitor is told so, once,
// and nothing panics.
func TestUnreadable(t *testing.T) {
	s := small(t, web.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, target := range []string{"/", "/map.json", "/image/" + s.results[0].Digest.String(), "/compare", "/judges", "/judges.json", "/healthz", "/blob/" + s.results[0].Digest.String()} {
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, request("GET", target, "").WithContext(ctx))
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s with a context that has ended: %d, want 503", target, w.Code)
		}
	}
	if _, err := s.series.Entry(t.Context(), assay.Digest{1}); err == nil {
		t.Error("an unknown image has an entry")
	}
}

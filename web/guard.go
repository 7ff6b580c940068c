package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// maxBody bounds the body of a request. An answer has about 100 bytes.
const maxBody = 16 << 10

// policy lets a page load what this server serves and nothing else: no inline
// script or style, no frame around it.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// A guard stands before every handler.
type guard struct {
	token string
	site  *site
	next  http.Handler
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	// Not "no-referrer": with it browsers send "Origin: null" when a form is
	// posted, and the origin could not be checked where Sec-Fetch-Site is not
	// sent (plain HTTP on another address). Nobody else learns anything.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")

	if why := g.foreign(r); why != nil {
		g.site.refuse(w, r, why.status, *why)
		return
	}
	if g.token != "" && !g.known(w, r) {
		return
	}
	if why := unsafeRequest(r); why != nil {
		g.site.refuse(w, r, why.status, *why)
		return
	}
	if r.Body != nil {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	}
	g.next.ServeHTTP(w, r)
}

// foreign refuses, where there is no token, what did not come in over loopback
// and what calls this server by another name: a page whose name was made to
// point here (DNS rebinding) is not the person at this machine.
func (g *guard) foreign(r *http.Request) *refusal {
	if g.token != "" {
		return nil
	}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && !loopback(addr.String()) {
		return &refusal{status: http.StatusForbidden, What: "this server has no token and answers on this machine only",
			Remedy: "Start it with --addr and --token to open the pages from elsewhere."}
	}
	if loopback(r.Host) {
		return nil
	}
	return &refusal{status: http.StatusForbidden, What: "the request names the host " + clip(r.Host, 80) + "; without a token only localhost is served",
		Remedy: "Open the link that assay serve printed, or start it with --token to use another name."}
}

// loopback reports whether host, with or without a port, is this machine's
// own: localhost or a loopback address.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// known reports whether the request shows the token; if not, it has been
// answered. A link with the token is traded for a cookie and an address
// without it, so that the secret stays out of histories.
func (g *guard) known(w http.ResponseWriter, r *http.Request) bool {
	name, value := g.cookie()
	if c, err := r.Cookie(name); err == nil && equal(c.Value, value) && !r.URL.Query().Has("token") {
		return true
	}
	if secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && equal(secret, g.token) {
		return true
	}
	query := r.URL.Query()
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && equal(query.Get("token"), g.token) {
		http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		query.Del("token")
		// Leading slashes are one: "//host" would be another server.
		to := url.URL{Path: "/" + strings.TrimLeft(r.URL.Path, "/\\"), RawQuery: query.Encode()}
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, to.String(), http.StatusSeeOther)
		return false
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="assay"`)
	g.site.refuse(w, r, http.StatusUnauthorized, refusal{What: "these pages need the token that assay serve printed",
		Remedy: "Open the whole link, with ?token=… at its end; the browser then remembers it until it is closed. Programs send the header “Authorization: Bearer TOKEN”."})
	return false
}

// cookie names the cookie after the token, since cookies of two servers on one
// machine are not told apart by port, and keeps the token itself out of it.
func (g *guard) cookie() (name, value string) {
	sum := sha256.Sum256([]byte("assay cookie\n" + g.token))
	text := hex.EncodeToString(sum[:])
	return "assay-" + text[:8], text[8:]
}

// equal compares secrets in a time that depends on neither.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// unsafeRequest refuses a request that changes something unless it comes from
// one of these pages and has a form's or a script's type.
func unsafeRequest(r *http.Request) *refusal {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
		return nil
	}
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	same := site == "same-origin"
	if site == "" {
		u, err := url.Parse(origin)
		same = err == nil && u.Host != "" && u.Host == r.Host
	}
	if !same || http.NewCrossOriginProtection().Check(r) != nil {
		return &refusal{status: http.StatusForbidden, What: "a change must be asked for by these pages; this request came from elsewhere",
			Remedy: "Open the page itself and click there."}
	}
	if r.Method == http.MethodPost {
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if kind != typeJSON && kind != typeForm {
			return &refusal{status: http.StatusUnsupportedMediaType, What: "a body of the type " + clip(kind, 80) + " is not read here",
				Remedy: "Send " + typeJSON + "."}
		}
	}
	return nil
}

const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
)

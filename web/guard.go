package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxBody bounds the body of a request. An answer has about 100 bytes.
const maxBody = 16 << 10

// policy lets a page load what this server serves and nothing else: no inline
// script or style, no frame around it.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// A guard stands before every handler, and says who asks.
type guard struct {
	token string // of the server's own link; empty: none is needed on this machine
	keys  []key  // all tokens that open the pages
	site  *site
	next  http.Handler
}

// A key is a token that opens the pages.
type key struct {
	token  string
	rater  string // whose link it is; empty: the server's own
	cookie string // value of the cookie it is traded for
}

// newGuard lists the keys. The cookie is named after the first, since cookies of
// two servers on one machine are not told apart by port; the tokens themselves
// stay out of cookies.
func newGuard(opt Options, st *site) *guard {
	g := &guard{token: opt.Token, site: st, next: st.routes()}
	add := func(token, rater string) {
		sum := sha256.Sum256([]byte("assay cookie\n" + token))
		text := hex.EncodeToString(sum[:])
		if st.cookie == "" {
			st.cookie = "assay-" + text[:8]
		}
		g.keys = append(g.keys, key{token: token, rater: rater, cookie: text[8:]})
	}
	if opt.Token != "" {
		add(opt.Token, "")
	}
	for _, r := range opt.Raters {
		add(r.Token, r.Name)
	}
	return g
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
	k, done := g.opened(w, r)
	switch {
	case done:
		return
	case k == nil && g.token != "":
		w.Header().Set("WWW-Authenticate", `Bearer realm="assay"`)
		g.site.refuse(w, r, http.StatusUnauthorized, refusal{What: "these pages need the token that assay serve printed",
			Remedy: "Open the whole link, with ?token=… at its end; the browser then remembers it until it is closed. Programs send the header “Authorization: Bearer TOKEN”."})
		return
	case k != nil && k.rater != "":
		r = as(r, k.rater)
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

// opened finds the key that the request shows: nil if it shows none. A link
// with a token is traded for a cookie and an address without it, so that the
// secret stays out of histories; the request is then answered, and done is true.
func (g *guard) opened(w http.ResponseWriter, r *http.Request) (k *key, done bool) {
	query := r.URL.Query()
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && len(g.keys) > 0 && query.Has("token") {
		k := g.find(func(k key) bool { return equal(query.Get("token"), k.token) })
		if k == nil {
			return nil, g.token == "" && g.strange(w, r)
		}
		http.SetCookie(w, &http.Cookie{Name: g.site.cookie, Value: k.cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		query.Del("token")
		// Leading slashes are one: "//host" would be another server.
		to := url.URL{Path: "/" + strings.TrimLeft(r.URL.Path, "/\\"), RawQuery: query.Encode()}
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, to.String(), http.StatusSeeOther)
		return nil, true
	}
	if secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		if k := g.find(func(k key) bool { return equal(secret, k.token) }); k != nil {
			return k, false
		}
	}
	if c, err := r.Cookie(g.site.cookie); err == nil {
		return g.find(func(k key) bool { return equal(c.Value, k.cookie) }), false
	}
	return nil, false
}

func (g *guard) find(match func(key) bool) *key {
	if i := slices.IndexFunc(g.keys, match); i >= 0 {
		return &g.keys[i]
	}
	return nil
}

// strange answers a link with an unknown token where none is needed: its owner
// believes to be somebody, and would answer as somebody else.
func (g *guard) strange(w http.ResponseWriter, r *http.Request) bool {
	g.site.refuse(w, r, http.StatusUnauthorized, refusal{What: "nobody has this link now",
		Remedy: "Ask for a new one: assay serve --raters NAME,… prints a link for each."})
	return true
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

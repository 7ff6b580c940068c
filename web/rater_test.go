package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/web"
)

// cookieOf opens a link and returns what the browser is to remember.
func (s *site) cookieOf(t *testing.T, token string) *http.Cookie {
	t.Helper()
	res, body := s.get(t, "/compare?token="+token)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/compare" || len(res.Cookies()) != 1 {
		t.Fatalf("the link with %s: %d to %q with %v\n%s", token, res.StatusCode, res.Header.Get("Location"), res.Cookies(), body)
	}
	c := res.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || strings.Contains(c.String(), token) {
		t.Errorf("the link with %s sets %v", token, c)
	}
	return c
}

func TestRaterLinks(t *testing.T) {
	for _, secret := range []string{"", "open sesame"} {
		anna, ben := web.RaterToken("the secret", "anna"), web.RaterToken("the secret", "ben")
		if anna == ben || anna != web.RaterToken("the secret", "anna") || anna == web.RaterToken("another secret", "anna") {
			t.Fatalf("tokens: %s, %s", anna, ben)
		}
		s := small(t, web.Options{Token: secret, Raters: []web.Rater{{Name: "anna", Token: anna}, {Name: "ben", Token: ben}}})
		cookies := map[string]*http.Cookie{"anna": s.cookieOf(t, anna), "ben": s.cookieOf(t, ben)}
		if cookies["anna"].Name != cookies["ben"].Name {
			t.Errorf("one browser would be two raters: %v", cookies)
		}
		for rater, c := range cookies {
			r := request("POST", "/compare/round", "{}")
			r.AddCookie(c)
			if res, body := s.do(t, r); res.StatusCode != 200 {
				t.Fatalf("%s starts a round: %d %s", rater, res.StatusCode, body)
			}
			if state, err := s.series.CurrentRound(context.Background(), rater); err != nil || state.Round.Rater != rater {
				t.Errorf("the round of %s: %+v, %v", rater, state.Round, err)
			}
			r = request("GET", "/compare", "")
			r.AddCookie(c)
			if _, body := s.do(t, r); !strings.Contains(body, "You answer as <b>"+rater+"</b>") {
				t.Errorf("the page does not say that %s answers", rater)
			}
			// By the header, as programs do.
			r = request("GET", "/", "")
			r.Header.Set("Authorization", "Bearer "+map[string]string{"anna": anna, "ben": ben}[rater])
			if res, body := s.do(t, r); res.StatusCode != 200 || !strings.Contains(body, "You answer as <b>"+rater+"</b>") {
				t.Errorf("%s by the header: %d", rater, res.StatusCode)
			}
		}
		// Without a link: the owner on this machine, nobody where a token is asked for.
		res, body := s.get(t, "/")
		if secret == "" && (res.StatusCode != 200 || strings.Contains(body, "You answer as")) || secret != "" && res.StatusCode != 401 {
			t.Errorf("secret %q, no link: %d", secret, res.StatusCode)
		}
		if res, _ := s.get(t, "/?token=wrong"); res.StatusCode != 401 || len(res.Cookies()) != 0 {
			t.Errorf("secret %q, a wrong link: %d with %v", secret, res.StatusCode, res.Cookies())
		}
		if _, err := s.series.CurrentRound(context.Background(), "me"); !errors.Is(err, assay.ErrNotFound) {
			t.Errorf("the owner has a round: %v", err)
		}
		// One leaves, and the browser forgets.
		r := request("POST", "/leave", "")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(cookies["anna"])
		res, _ = s.do(t, r)
		if got := res.Cookies(); len(got) != 1 || got[0].Name != cookies["anna"].Name || got[0].MaxAge >= 0 || got[0].Value != "" {
			t.Errorf("after leaving the cookies are %v", got)
		}
	}
}

func TestRatersThatCannotBeToldApart(t *testing.T) {
	s := small(t, web.Options{})
	for name, raters := range map[string][]web.Rater{
		"no name":           {{Token: "a"}},
		"a space":           {{Name: " anna", Token: "a"}},
		"a line":            {{Name: "an\nna", Token: "a"}},
		"a long name":       {{Name: strings.Repeat("a", 81), Token: "a"}},
		"the owner":         {{Name: "me", Token: "a"}},
		"one name":          {{Name: "anna", Token: "a"}, {Name: "anna", Token: "b"}},
		"one token":         {{Name: "anna", Token: "a"}, {Name: "ben", Token: "a"}},
		"the owner's token": {{Name: "anna", Token: "secret"}},
		"no token":          {{Name: "anna"}},
	} {
		if _, err := web.New(s.series, s.db, web.Options{Token: "secret", Raters: raters}); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v, want one that wraps ErrInvalid", name, err)
		}
	}
}

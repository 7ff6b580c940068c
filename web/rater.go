package web

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/gen-emerge/assay"
)

// A Rater is a person with a link of their own: what they say in the pages is
// recorded under their name.
type Rater struct {
	Name  string
	Token string // the secret in their link (?token=), as [RaterToken] makes it
}

// RaterToken makes the token of a rater from the secret of a server: the same of
// the same secret and name, so that links outlive a restart. Whoever knows it
// learns neither the secret nor the token of another rater.
func RaterToken(secret, name string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte("assay rater\n" + name)) // a hash takes everything
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil)[:16])
}

// maxRater bounds a rater's name, in bytes.
const maxRater = 80

// checkRaters refuses raters that could not be told apart.
func checkRaters(opt Options) error {
	names, tokens := map[string]bool{opt.Rater: true}, map[string]bool{"": true, opt.Token: true}
	for _, r := range opt.Raters {
		switch {
		case strings.TrimSpace(r.Name) != r.Name || r.Name == "" || len(r.Name) > maxRater || strings.ContainsFunc(r.Name, func(c rune) bool { return !unicode.IsPrint(c) }):
			return fmt.Errorf("rater %q: want a name of 1 to %d bytes, without spaces around it and control characters: %w", clip(r.Name, 100), maxRater, assay.ErrInvalid)
		case names[r.Name]:
			return fmt.Errorf("rater %q: the name is taken: %w", r.Name, assay.ErrInvalid)
		case tokens[r.Token]:
			return fmt.Errorf("rater %q: a token of their own is wanted: %w", r.Name, assay.ErrInvalid)
		}
		names[r.Name], tokens[r.Token] = true, true
	}
	return nil
}

type raterKey struct{}

// as returns the request with the name of the rater whose link it came by.
func as(r *http.Request, rater string) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), raterKey{}, rater))
}

// rater names who asks: the owner of the link that was opened, else the rater
// the server was started for.
func (st *site) rater(ctx context.Context) string {
	if name, ok := ctx.Value(raterKey{}).(string); ok {
		return name
	}
	return st.owner
}

// leave makes the browser forget a rater's link.
func (st *site) leave(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, &http.Cookie{Name: st.cookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gen-emerge/assay"
)

//go:embed static templates
var embedded embed.FS

// A look is the templates and static files, read once.
type look struct {
	pages  *template.Template
	static map[string]asset
}

type asset struct {
	kind string // Content-Type
	etag string
	data []byte
}

// kinds are the types of static files by suffix; the machine's own table of
// types is not asked, since it differs from machine to machine.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".txt": "text/plain; charset=utf-8",
}

func newLook() (*look, error) {
	pages, err := template.New("").Funcs(template.FuncMap{
		"num": num, "short": shortOf, "pct": pct, "day": day, "size": size, "clip": clip, "inc": func(i int) int { return i + 1 }, "counted": counted, "sided": sided, "sentence": sentence, "two": two, "signed": signed,
	}).ParseFS(embedded, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("web: templates: %w", err)
	}
	l := &look{pages: pages, static: map[string]asset{}}
	files, err := embedded.ReadDir("static")
	if err != nil {
		return nil, fmt.Errorf("web: static files: %w", err)
	}
	for _, f := range files {
		data, err := embedded.ReadFile(path.Join("static", f.Name()))
		if err != nil {
			return nil, fmt.Errorf("web: static files: %w", err)
		}
		sum := sha256.Sum256(data)
		l.static[f.Name()] = asset{kind: kinds[path.Ext(f.Name())], etag: `"` + hex.EncodeToString(sum[:8]) + `"`, data: data}
	}
	return l, nil
}

// two writes a number with two decimals, and with a true minus sign.
func two(x float64) string {
	s := strconv.FormatFloat(x, 'f', 2, 64)
	if s == "-0.00" {
		return "0.00"
	}
	return strings.Replace(s, "-", "−", 1)
}

// signed is two with a plus sign before what is positive.
func signed(x float64) string {
	if s := two(x); x > 0 && s != "0.00" {
		return "+" + s
	}
	return two(x)
}

// sentence makes a statement one: a capital letter, a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(s)
	s = string(unicode.ToUpper(first)) + s[size:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// write answers with a page. Nothing is sent unless all of it could be made.
func (l *look) write(w http.ResponseWriter, code int, name string, page any) error {
	var b bytes.Buffer
	if err := l.pages.ExecuteTemplate(&b, name, page); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, err := w.Write(b.Bytes())
	return ignoreWrite(err)
}

// A frame is what every page has around its content.
type frame struct {
	Title  string
	Series string
	Here   string // "map", "diagnose", "compare", "judges", or empty
	Judged bool   // the series has judges, and a page of them
	Rater  string // whose link was opened; empty if none was
}

func (st *site) frame(ctx context.Context, title, here string) frame {
	judged, err := st.judges.any(ctx, st)
	if err != nil && ctx.Err() == nil { // the page goes without a link; what it shows itself it must be able to read
		st.log.Error("whether there are judges", "error", err)
	}
	name, _ := ctx.Value(raterKey{}).(string)
	return frame{Title: title, Series: st.series.Name(), Here: here, Judged: judged, Rater: name}
}

// static serves an embedded file. It is looked up by name in a table; no path
// is ever opened.
func (st *site) static(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	a, ok := st.look.static[name]
	if !ok {
		return fmt.Errorf("static file %q: %w", clip(name, 80), assay.ErrNotFound)
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("ETag", a.etag)
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.data))
	return nil
}

// num writes a measured number with four significant digits, and with a true
// minus sign.
func num(x float64) string { return digits(x, 4) }

// short is num with three digits, for places that are narrow.
func short(x float64) string { return digits(x, 3) }

// shortOf is short for templates, whose numbers may be pointers.
func shortOf(x any) string {
	switch x := x.(type) {
	case float64:
		return short(x)
	case *float64:
		if x != nil {
			return short(*x)
		}
	}
	return "–"
}

func digits(x float64, n int) string {
	var s string
	switch a := math.Abs(x); {
	case a != 0 && (a < 1e-4 || a >= 1e7):
		s = strconv.FormatFloat(x, 'e', n-1, 64)
	case a >= 1000:
		s = strconv.FormatFloat(x, 'f', 0, 64)
	default:
		s = strconv.FormatFloat(x, 'g', n, 64)
	}
	return strings.Replace(s, "-", "−", 1)
}

// pct writes a share of 0 to 1 in percent.
func pct(x float64) string {
	if x > 0 && x < 0.01 {
		return strconv.FormatFloat(100*x, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(100*x, 'f', 0, 64) + " %"
}

// size writes a number of bytes: "401.3 kB".
func size(n int64) string {
	switch {
	case n >= 1_000_000:
		return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + " MB"
	case n >= 1000:
		return strconv.FormatFloat(float64(n)/1e3, 'f', 1, 64) + " kB"
	}
	return strconv.FormatInt(n, 10) + " bytes"
}

func day(t time.Time) string { return t.Local().Format("2 Jan 2006, 15:04") }

// counted writes a number with its noun: "1 image", "3 images".
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// sided writes "left" and "right" so that the style sheet can say "top" and
// "bottom" where pictures stand above each other. The text is one of ours.
func sided(said string) template.HTML {
	text := template.HTMLEscapeString(said)
	text = strings.Replace(text, "left", `<span class="across">left</span><span class="down">top</span>`, 1)
	return template.HTML(strings.Replace(text, "right", `<span class="across">right</span><span class="down">bottom</span>`, 1))
}

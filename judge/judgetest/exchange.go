package judgetest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An exchange is one request and its reply.
type exchange struct {
	s   *Server
	w   wire
	opt *Options
	r   *http.Request
	raw []byte
	key string // Idempotency-Key, or a digest of the request
	own bool   // the request had a key
	c   *call
}

// turn answers, or turns away.
func (x *exchange) turn(out http.ResponseWriter, now time.Time) {
	f, book := &x.opt.Faults, &x.s.book
	x.identify()
	if x.opt.Key != "" && x.w.key(x.r) != x.opt.Key {
		x.fail(out, &fault{kind: noKey, message: "Incorrect API key provided."})
		return
	}
	wait, over, left, reset := book.limit(f.RateLimit, x.c, now)
	limits(out.Header(), x.w.name(), f.RateLimit, over, left, reset, wait, now)
	switch {
	case over:
		x.write(out, 429, x.w.fail(out.Header(), fault{status: 429, kind: limited, message: "Rate limit reached for requests. Please try again in " + wait.String() + "."}, wait, style(f.RateLimit, x.w.name())))
		return
	case f.NoQuota:
		x.fail(out, &fault{kind: noQuota, message: "You exceeded your current quota, please check your plan and billing details."})
		return
	case f.Fail > 0 && Draw(x.opt.Seed, "fail", x.key) < f.Fail && book.fails(x.c, f.Times):
		x.fail(out, &fault{status: f.Status, kind: overloaded, message: "The server is overloaded. Please try again later."})
		return
	}
	bytes, replay, bad := x.answer(now)
	if bad != nil {
		x.fail(out, bad)
		return
	}
	if !replay && !x.delay() {
		return
	}
	if f.Drop > 0 && Draw(x.opt.Seed, "drop", x.key) < f.Drop && book.drops(x.c) {
		hangUp(out)
		return
	}
	x.write(out, 200, bytes)
}

// identify finds the call that the request belongs to.
func (x *exchange) identify() {
	if k := x.r.Header.Get("Idempotency-Key"); k != "" && len(k) <= 255 {
		x.key, x.own = k, true
	} else {
		h := sha256.New()
		h.Write([]byte(x.r.URL.Path + "\x00"))
		h.Write(x.raw)
		x.key = hex.EncodeToString(h.Sum(nil))
	}
	x.c = x.s.book.call(x.w.name() + " " + x.key)
}

// fail writes an error and counts it.
func (x *exchange) fail(out http.ResponseWriter, f *fault) {
	if f.status == 0 {
		f.status = x.w.status(f.kind)
	}
	if f.status == 429 {
		x.s.book.limited(x.c)
	} else {
		x.s.book.failed(x.c)
	}
	body := x.w.fail(out.Header(), *f, 0, style(x.opt.Faults.RateLimit, x.w.name()))
	status := f.status
	if x.opt.Faults.InBody {
		status = 200
	}
	x.write(out, status, body)
}

func (x *exchange) write(out http.ResponseWriter, status int, body []byte) {
	h := out.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	out.WriteHeader(status)
	out.Write(body)
}

// delay waits as long as the model takes. It reports whether the client is still
// there.
func (x *exchange) delay() bool {
	f := &x.opt.Faults
	d := f.Delay
	if f.Jitter > 0 {
		d += time.Duration(Draw(x.opt.Seed, "jitter", x.key) * float64(f.Jitter))
	}
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-x.r.Context().Done():
		return false
	}
}

// answer returns the reply to the request, from the book if its key has one. A
// call counts as paid as soon as it is accepted, also if the client goes away.
func (x *exchange) answer(now time.Time) (bytes []byte, replay bool, bad *fault) {
	x.c.mu.Lock()
	defer x.c.mu.Unlock()
	hash := maphash.Bytes(hashSeed, x.raw)
	if x.own && x.c.answered && !x.opt.Faults.NoIdempotency {
		if hash != x.c.body {
			x.s.book.conflict()
			return nil, false, invalidf("", "Keys for idempotent requests can only be used with the same parameters they were first used with: %s", x.key)
		}
		x.s.book.replayed(x.c)
		return x.c.bytes, true, nil
	}
	b := lift(x.raw)
	a, bad := x.w.parse(x.r, b, x.opt)
	if bad != nil {
		return nil, false, bad
	}
	seen, bad := x.look(a)
	if bad != nil {
		return nil, false, bad
	}
	draw := x.key
	if times := x.s.book.times(x.c); !x.own && times > 0 && a.seed == nil {
		draw += " " + strconv.Itoa(times) // without a key the same request is drawn anew
	}
	r, q, bad := x.speak(a, seen, draw)
	if bad != nil {
		return nil, false, bad
	}
	use := x.count(a, seen, r)
	sum := sha256.Sum256([]byte(strconv.FormatUint(x.opt.Seed, 16) + " " + draw))
	id := hex.EncodeToString(sum[:12])
	x.c.bytes = x.w.render(a, r, use, x.opt, id)
	x.c.answered, x.c.body = true, hash
	names := make([]string, len(seen))
	for i, p := range seen {
		if names[i] = p.Name; names[i] == "" {
			names[i] = "?"
		}
	}
	question := q.Question
	if question == "" {
		question = q.Text()
	}
	x.s.book.pay(x.c, Paid{Key: x.key, API: a.api, Model: a.model, Pictures: names, Question: question, Reply: r.text,
		In: use.in, Out: use.out, Cached: use.cached, First: now})
	return x.c.bytes, false, nil
}

// look recognises the pictures of a.
func (x *exchange) look(a *ask) ([]Seen, *fault) {
	if len(a.pictures) > 1 && x.opt.Faults.OneImage {
		return nil, invalidf("messages", "At most 1 image(s) may be provided in one request.")
	}
	seen := make([]Seen, len(a.pictures))
	for i, p := range a.pictures {
		var err error
		if seen[i], err = x.s.gallery.see(p.base64); err != nil {
			return nil, invalidf("messages", "Could not process image %d: %v", i+1, err)
		}
		if a.api == "anthropic" {
			switch {
			case p.mime != "image/"+seen[i].Format:
				return nil, invalidf("", "messages.0.content.%d.image.source.base64: The image was specified using the %s media type, but the image appears to be a image/%s image", i, p.mime, seen[i].Format)
			case len(p.base64)/4*3 > 5<<20:
				return nil, invalidf("", "messages.0.content.%d.image.source.base64: image exceeds 5 MB maximum: %d bytes > 5242880 bytes", i, len(p.base64)/4*3)
			case max(seen[i].Width, seen[i].Height) > 8000:
				return nil, invalidf("", "messages.0.content.%d.image.source.base64: image dimensions exceed max allowed size: 8000 pixels", i)
			}
		}
	}
	return seen, nil
}

// usage counts tokens.
type usage struct{ in, out, cached, thinking int64 }

// count estimates tokens as the APIs bill them: four bytes of text a token, and
// pictures by their size.
func (x *exchange) count(a *ask, seen []Seen, r reply) usage {
	tokens := func(s string) int64 { return int64(len(s)+3) / 4 }
	prefix := tokens(a.system)
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00", a.api, a.model, a.system)
	for i, p := range seen {
		switch a.api {
		case "anthropic":
			prefix += int64(p.Width*p.Height/750) + 1
		case "google":
			prefix += 258
		default:
			prefix += 85 + 170*int64((p.Width+511)/512)*int64((p.Height+511)/512)
		}
		fmt.Fprintf(h, "%d\x00%x\x00", len(a.pictures[i].base64), maphash.Bytes(hashSeed, a.pictures[i].base64))
	}
	u := usage{in: prefix + 7, out: int64(len(r.tokens)), thinking: int64(r.thinking)}
	for _, t := range a.texts {
		u.in += tokens(t)
	}
	if len(r.tokens) == 0 {
		u.out = tokens(r.text)
	}
	if x.opt.Cache && (a.api != "anthropic" || a.cacheMark) && x.s.book.seen(h.Sum(nil)) {
		u.cached = prefix
	}
	return u
}

// style is the kind of rate-limit headers that lim asks for.
func style(lim RateLimit, api string) string {
	if lim.Headers != "" {
		return lim.Headers
	}
	return api
}

// limits writes the rate-limit headers, where there is a limit to tell of.
func limits(h http.Header, api string, lim RateLimit, over bool, left int, reset, wait time.Duration, now time.Time) {
	told := lim.Requests > 0
	if over {
		left, reset = 0, wait
	}
	seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
	limit := strconv.Itoa(max(lim.Requests, 1))
	switch style(lim, api) {
	case "openai":
		if told || over {
			h.Set("X-Ratelimit-Limit-Requests", limit)
			h.Set("X-Ratelimit-Remaining-Requests", strconv.Itoa(left))
			h.Set("X-Ratelimit-Reset-Requests", reset.Round(time.Millisecond).String())
			h.Set("X-Ratelimit-Limit-Tokens", "30000000")
			h.Set("X-Ratelimit-Remaining-Tokens", "29990000")
			h.Set("X-Ratelimit-Reset-Tokens", "1ms")
		}
		if over {
			h.Set("Retry-After-Ms", strconv.FormatInt(max(1, wait.Milliseconds()), 10))
			h.Set("Retry-After", seconds)
		}
	case "openai-ms":
		if over {
			h.Set("Retry-After-Ms", strconv.FormatInt(max(1, wait.Milliseconds()), 10))
		}
	case "anthropic":
		if told || over {
			for _, what := range []string{"Requests", "Tokens", "Input-Tokens", "Output-Tokens"} {
				all, rest := limit, strconv.Itoa(left)
				if what != "Requests" {
					all, rest = "4000000", "3990000"
				}
				h.Set("Anthropic-Ratelimit-"+what+"-Limit", all)
				h.Set("Anthropic-Ratelimit-"+what+"-Remaining", rest)
				h.Set("Anthropic-Ratelimit-"+what+"-Reset", now.Add(reset).UTC().Format(time.RFC3339))
			}
		}
		if over {
			h.Set("Retry-After", seconds)
		}
	case "retry-after":
		if over {
			h.Set("Retry-After", seconds)
		}
	case "retry-date":
		if over {
			h.Set("Retry-After", now.Add(wait).Add(time.Second-1).UTC().Format(http.TimeFormat))
		}
	}
}

// short is text for an error message.
func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	return text
}

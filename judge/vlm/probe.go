package vlm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
	"time"

	"github.com/gen-emerge/assay"
)

// Fit returns r without what the server was found to refuse: probabilities where
// it gives none, temperature, seed and schema where it takes none. Where the
// model thinks before it answers, the reply gets the tokens for that besides.
// The zero Capabilities, which nobody found, leave r without all of these.
func (c Capabilities) Fit(r Request) Request {
	if !c.LogProbs {
		r.TopLogProbs = 0
	}
	if c.TopLogProbs > 0 {
		r.TopLogProbs = min(r.TopLogProbs, c.TopLogProbs)
	}
	if !c.Temperature {
		r.Temperature = nil
	}
	if !c.Seed {
		r.Seed = nil
	}
	if !c.Schema {
		r.Schema, r.SchemaName = nil, ""
	}
	if c.Thinking > 0 {
		if r.MaxTokens == 0 {
			r.MaxTokens = defaultTokens
		}
		r.MaxTokens += c.Thinking
	}
	return r
}

// Probe asks a server a few small questions, at most some dozen, to find out
// what it does: a picture of 2×2 pixels (or 64×64, where that is too small for
// the model) and a question to be answered in one word, first with everything
// that may be asked for, then without what was refused. What was refused, and in
// which words, is in the notes.
//
// Nothing is assumed from names or tables. Log-probabilities count only if they
// came; a schema counts only if the reply kept to it though the question did not
// speak of JSON. That a server takes a seed, or two pictures, is all that is
// known of it: whether it heeds them is for an examination to find.
//
// The result is for (j.Endpoint, j.Model) and now; how long it holds is the
// caller's business. Every probe's requests are new ones to a cache.
//
// The error is what a refused request does not explain: the server is not
// there, the key or the model is not known, the budget is spent, ctx has ended.
// Then nothing has been found, and the Capabilities are zero.
func Probe(ctx context.Context, a Asker, j assay.Judge, now time.Time) (Capabilities, error) {
	p := &prober{asker: a, sample: int(now.Unix()), edge: 2}
	p.can = Capabilities{LogProbs: true, TopLogProbs: 5, Temperature: true, Probed: now}
	if j.API == "anthropic" { // its wire format has no field for them
		p.can.LogProbs, p.can.TopLogProbs = false, 0
		p.note("the wire format has no log-probabilities and no seed")
	}
	first, err := p.base(ctx)
	if err != nil {
		return Capabilities{}, fmt.Errorf("probing judge %q (%s at %s): %w", j.Name, j.Model, j.Endpoint, err)
	}
	for _, step := range []func(context.Context, Reply) error{p.thinking, p.restore, p.probabilities, p.seed(j), p.schema, p.images} {
		if err := step(ctx, first); err != nil {
			return Capabilities{}, fmt.Errorf("probing judge %q (%s at %s): %w", j.Name, j.Model, j.Endpoint, err)
		}
	}
	return p.can, nil
}

// A prober is a probe under way. can is what is still asked for.
type prober struct {
	asker   Asker
	sample  int
	edge    int // of the picture
	can     Capabilities
	dropped []string // wishes given up before the server said which it meant
	last    Reply    // to the base question
}

func (p *prober) note(format string, args ...any) {
	p.can.Notes = append(p.can.Notes, fmt.Sprintf(format, args...))
}

// request returns the base question with what is still asked for.
func (p *prober) request() Request {
	one := 1.0
	r := Request{
		Parts:     []Part{{Image: card(p.edge)}, {Text: "Is this picture of one plain colour? Answer with one word: yes or no."}},
		MaxTokens: 8 + p.can.Thinking, Sample: p.sample,
	}
	if p.can.LogProbs {
		r.TopLogProbs = p.can.TopLogProbs
	}
	if p.can.Temperature {
		r.Temperature = &one
	}
	return r
}

// refusal returns the server's words if err is its refusal of a request, else
// the error itself.
func refusal(err error) (words string, other error) {
	var api *APIError
	if errors.As(err, &api) && api.refused() {
		return api.Message, nil
	}
	return "", err
}

// base finds a form of the base question that the server takes, giving up one
// wish at a time: the one its refusal speaks of, or else the next in a fixed order.
func (p *prober) base(ctx context.Context) (Reply, error) {
	for {
		reply, err := p.asker.Ask(ctx, p.request())
		if err == nil {
			p.last = reply
			return reply, nil
		}
		words, other := refusal(err)
		if other != nil {
			return Reply{}, other
		}
		if !p.giveUp(words) {
			return Reply{}, err
		}
	}
}

// giveUp drops one wish, and reports whether there was one left.
func (p *prober) giveUp(words string) bool {
	type wish struct {
		name  string
		hints []string
		held  bool
		drop  func()
	}
	wishes := []wish{
		{"log-probabilities", []string{"logprob", "log prob", "log_prob"}, p.can.LogProbs, func() { p.can.LogProbs, p.can.TopLogProbs = false, 0 }},
		{"a temperature", []string{"temperature"}, p.can.Temperature, func() { p.can.Temperature = false }},
		{"a picture of 2×2 pixels", []string{"too small", "height", "width", "pixel", "dimension", "image size"}, p.edge < 64, func() { p.edge = 64 }},
	}
	lower := strings.ToLower(words)
	for _, w := range wishes {
		for _, hint := range w.hints {
			if w.held && strings.Contains(lower, hint) {
				w.drop()
				p.note("%s: refused: %s", w.name, words)
				return true
			}
		}
	}
	for _, w := range wishes {
		if w.held {
			w.drop()
			p.dropped = append(p.dropped, w.name)
			p.note("%s: given up after a refusal that does not say what it means: %s", w.name, words)
			return true
		}
	}
	return false
}

// restore asks once more for each wish that was given up on suspicion.
func (p *prober) restore(ctx context.Context, _ Reply) error {
	for _, name := range p.dropped {
		before := p.can
		switch name {
		case "log-probabilities":
			p.can.LogProbs, p.can.TopLogProbs = true, 5
		case "a temperature":
			p.can.Temperature = true
		default:
			continue
		}
		reply, err := p.asker.Ask(ctx, p.request())
		if err == nil {
			p.last = reply
			p.note("%s: taken after all", name)
			continue
		}
		if _, other := refusal(err); other != nil {
			return other
		}
		before.Notes = p.can.Notes
		p.can = before
	}
	return nil
}

// thinking finds out how many tokens a model needs before it comes to its answer.
func (p *prober) thinking(ctx context.Context, first Reply) error {
	for _, tokens := range []int{512, 2048, 8192} {
		if first.Finish != "length" || strings.TrimSpace(first.Text) != "" {
			return nil
		}
		p.can.Thinking = tokens
		reply, err := p.asker.Ask(ctx, p.request())
		if err != nil {
			if words, other := refusal(err); other == nil {
				p.can.Thinking = 0
				p.note("a reply of %d tokens: refused: %s", tokens, words)
				return nil
			}
			return err
		}
		first, p.last = reply, reply
		if first.Finish != "length" {
			p.note("it thinks before it answers: replies get %d tokens for that", tokens)
		}
	}
	if first.Finish == "length" && strings.TrimSpace(first.Text) == "" {
		p.note("it came to no answer within %d tokens", p.can.Thinking)
	}
	return nil
}

// probabilities holds what came against what was asked for, and asks for more.
func (p *prober) probabilities(ctx context.Context, _ Reply) error {
	if !p.can.LogProbs {
		return nil
	}
	if most(p.last.Tokens) == 0 {
		p.can.LogProbs, p.can.TopLogProbs = false, 0
		p.note("log-probabilities: taken, and none came")
		return nil
	}
	p.can.TopLogProbs = 20
	reply, err := p.asker.Ask(ctx, p.request())
	if err == nil {
		// A short list may be all that is possible: what was asked for is what is taken.
		if n := most(reply.Tokens); n == 0 {
			p.can.TopLogProbs = 5
		} else if n <= 5 && most(p.last.Tokens) >= n {
			p.can.TopLogProbs = n
			p.note("20 alternatives: taken, and %d came", n)
		}
		return nil
	}
	words, other := refusal(err)
	p.can.TopLogProbs = 5
	if other == nil {
		p.note("20 alternatives: refused: %s", words)
	}
	return other
}

// most returns how many alternatives the longest list has.
func most(tokens []Token) int {
	n := 0
	for _, t := range tokens {
		n = max(n, len(t.Top))
	}
	return n
}

func (p *prober) seed(j assay.Judge) func(context.Context, Reply) error {
	return func(ctx context.Context, _ Reply) error {
		if j.API == "anthropic" {
			return nil
		}
		r, seed := p.request(), int64(1)
		r.Seed = &seed
		_, err := p.asker.Ask(ctx, r)
		if err == nil {
			p.can.Seed = true
			return nil
		}
		words, other := refusal(err)
		if other == nil {
			p.note("a seed: refused: %s", words)
		}
		return other
	}
}

func (p *prober) schema(ctx context.Context, _ Reply) error {
	r := p.request()
	r.TopLogProbs, r.MaxTokens = 0, 64+p.can.Thinking
	r.SchemaName = "answer"
	r.Schema = json.RawMessage(`{"type":"object","properties":{"answer":{"type":"string","enum":["yes","no"]}},"required":["answer"],"additionalProperties":false}`)
	reply, err := p.asker.Ask(ctx, r)
	if err != nil {
		words, other := refusal(err)
		if other == nil {
			p.note("a schema: refused: %s", words)
		}
		return other
	}
	var got struct {
		Answer string `json:"answer"`
	}
	dec := json.NewDecoder(strings.NewReader(reply.Text))
	dec.DisallowUnknownFields()
	if dec.Decode(&got) != nil || got.Answer != "yes" && got.Answer != "no" {
		p.note("a schema: taken, and not kept to: %s", start([]byte(reply.Text)))
		return nil
	}
	p.can.Schema = true
	return nil
}

func (p *prober) images(ctx context.Context, _ Reply) error {
	r := p.request()
	r.TopLogProbs = 0
	one, err := p.asker.Ask(ctx, r)
	if err != nil {
		return err
	}
	r.Parts = append([]Part{r.Parts[0]}, r.Parts...)
	two, err := p.asker.Ask(ctx, r)
	if err != nil {
		words, other := refusal(err)
		if other == nil {
			p.note("two pictures: refused: %s", words)
		}
		return other
	}
	p.can.ManyImages = true
	if one.Usage.In > 0 && two.Usage.In > 0 && two.Usage.In <= one.Usage.In {
		p.note("two pictures: taken, but they count no more tokens than one: the second may not be looked at")
	}
	return nil
}

// card returns a plain red picture.
func card(edge int) *Image {
	img := image.NewNRGBA(image.Rect(0, 0, edge, edge))
	for y := range edge {
		for x := range edge {
			img.SetNRGBA(x, y, color.NRGBA{R: 200, G: 30, B: 30, A: 255})
		}
	}
	var buf bytes.Buffer
	_ = png.Encode(&buf, img) // into memory, of a picture that has pixels: it cannot fail
	return &Image{Data: buf.Bytes(), MIME: "image/png", Digest: assay.DigestOf(buf.Bytes()), Width: edge, Height: edge}
}

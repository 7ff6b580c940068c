package vlm

import (
	"cmp"
	"math"
	"strings"

	"github.com/gen-emerge/assay"
)

const (
	// frameTokens is more than what a chat template, the demand for a schema
	// and a server's own system prompt add to a request.
	frameTokens = 512
	partTokens  = 16 // around each part
	// fixedImageTokens is the most that a model spends on a picture of any
	// size, however small: InternVL's 13 tiles of 256.
	fixedImageTokens = 3328
	// patchPixels is the side of the smallest patch that gets a token of its
	// own (Pixtral's); Qwen's is 28, Anthropic counts 750 pixels a token.
	patchPixels = 16
	// cacheWrite is what Anthropic charges, in terms of a sent token, for one
	// that goes into the prefix cache.
	cacheWrite = 1.25
)

// worstTokens returns what r can take when j is asked: more than it will, by a
// factor of three to ten for pictures and four for English.
func worstTokens(j assay.Judge, r Request) Usage {
	in := frameTokens + len(r.System) + 2*len(r.Schema) + len(r.SchemaName)
	for _, p := range r.Parts {
		in += partTokens + len(p.Text)
		if p.Image != nil {
			in += imageTokens(j.Model, p.Image.Width, p.Image.Height)
		}
	}
	return Usage{In: int64(in), Out: int64(cmp.Or(r.MaxTokens, defaultMaxTokens))}
}

// imageTokens bounds the tokens of a picture of w×h pixels. A size of 0, where
// it is not known, is taken for the largest that no provider scales down.
func imageTokens(model string, w, h int) int {
	if w <= 0 || h <= 0 {
		w, h = 2048, 2048
	}
	n := max(fixedImageTokens, ceilDiv(w, patchPixels)*(ceilDiv(h, patchPixels)+1)) // one more for the end of each row
	if strings.Contains(model, "4o-mini") {
		// 2833 tokens and 5667 for each tile of 512 pixels, after scaling
		// into 2048×2048 and then the shorter side to 768.
		scale := min(1, 2048/float64(max(w, h)))
		scale *= min(1, 768/(scale*float64(min(w, h))))
		tiles := ceilDiv(int(math.Ceil(float64(w)*scale)), 512) * ceilDiv(int(math.Ceil(float64(h)*scale)), 512)
		n = max(n, 2833+5667*tiles)
	}
	return n
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// worst returns what r can take and cost at worst, raised by what earlier calls
// took beyond their estimates.
func (c *Caller) worst(r Request) totals {
	u := worstTokens(c.judge, r)
	c.mu.Lock()
	excess := c.excess
	c.mu.Unlock()
	tokens := math.Ceil(float64(u.In) * excess.in)
	out := math.Ceil(float64(u.Out) * excess.out)
	most := max(c.price.In, c.price.Cached)
	if c.judge.API == "anthropic" {
		most = max(most, c.price.In*cacheWrite)
	}
	return totals{calls: 1, tokens: int64(tokens + out), money: (tokens*most + out*c.price.Out) / 1e6}
}

// learn raises later estimates if u exceeds what was estimated for r, so that a
// model which counts otherwise exceeds a budget once at most.
func (c *Caller) learn(r Request, u Usage) {
	w := worstTokens(c.judge, r)
	in, out := float64(u.In)/float64(w.In), float64(u.Out)/float64(w.Out)
	c.mu.Lock()
	more := in > c.excess.in || out > c.excess.out
	c.excess.in, c.excess.out = max(c.excess.in, in), max(c.excess.out, out)
	c.mu.Unlock()
	if more {
		c.run.log.Warn("a call took more than was taken for the worst; later ones are estimated higher", "judge", c.judge.Name,
			"in", u.In, "estimated_in", w.In, "out", u.Out, "asked_out", w.Out)
	}
}

// excess is by how much the worst was exceeded; 1 if it never was.
type excess struct{ in, out float64 }

package judge

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
	"github.com/gen-emerge/assay/pixel"
)

// A behaviour is how a pretended judge answers: the log-odds of yes, or of the
// first picture. Noise is drawn for each request.
type behaviour struct {
	name     string
	first    float64 // log-odds added to the first picture
	yes      float64 // log-odds added to yes
	looks    bool    // whether it sees the pictures
	accuracy float64 // of its taste, pair by pair
	strength float64 // its log-odds are uniform on [0.2, 1.8] times this
	noise    float64 // deviation of the log-odds drawn for each request
	says     string  // every reply, whatever is asked
	rare     bool    // a variant that is examined a fifth as often
}

// A pretender is a judge in memory. It knows the pictures by their digests.
type pretender struct {
	behaviour
	seed    uint64
	probs   bool // gives probabilities
	quality map[assay.Digest]float64
	truth   map[string]bool       // of questions about one picture, by text
	cards   map[string]bool       // of questions about cards, by digest and text
	own     map[assay.Digest]bool // pictures that it favours by favour
	favour  float64
	score   func(d assay.Digest, sample int) string

	mu    sync.Mutex
	calls int
}

// random depends on the judge and on what it is for.
func (p *pretender) random(what []byte) *rand.Rand {
	h := fnv.New64a()
	h.Write(binary.LittleEndian.AppendUint64(nil, p.seed))
	h.Write(what)
	return rand.New(rand.NewPCG(h.Sum64(), p.seed))
}

func (p *pretender) Ask(ctx context.Context, r vlm.Request) (vlm.Reply, error) {
	p.mu.Lock()
	p.calls++
	p.mu.Unlock()
	var pictures []assay.Digest
	text := ""
	for _, part := range r.Parts {
		if part.Image != nil {
			pictures = append(pictures, part.Image.Digest)
		} else {
			text = part.Text
		}
	}
	key := binary.LittleEndian.AppendUint64(nil, uint64(r.Sample))
	for _, part := range r.Parts {
		key = append(key, part.Text...)
		if part.Image != nil {
			key = append(key, part.Image.Digest[:]...)
		}
	}
	rng := p.random(key)
	usage := vlm.Usage{In: 100, Out: 1}
	if text == foilPrompt {
		return vlm.Reply{Text: p.score(pictures[0], r.Sample), Finish: "stop", Usage: usage}, nil
	}
	if p.says != "" {
		return vlm.Reply{Text: p.says, Finish: "stop", Usage: usage, Tokens: tokens(r, p.probs, p.says, "-", 20)}, nil
	}
	words := [2]string{"yes", "no"}
	l := p.yes + p.noise*rng.NormFloat64()
	if strings.Contains(text, "Which picture is better?") {
		words = [2]string{"first", "second"}
		l = p.first + p.noise*rng.NormFloat64()
		if p.looks {
			l += p.taste(pictures[0], pictures[1])
		}
	} else if p.looks {
		_, question, _ := strings.Cut(text, "Question: ")
		question, _, _ = strings.Cut(question, "\n")
		l += p.sees(pictures, question, r.Parts)
	}
	word := words[0]
	if rng.Float64() > 1/(1+math.Exp(-l)) {
		word = words[1]
	}
	return vlm.Reply{Text: word, Finish: "stop", Usage: usage, Tokens: tokens(r, p.probs, words[0], words[1], l)}, nil
}

// tokens is the distribution over two words whose log-odds are l.
func tokens(r vlm.Request, probs bool, a, b string, l float64) []vlm.Token {
	if !probs || r.TopLogProbs == 0 {
		return nil
	}
	l = min(12, max(-12, l))
	top := []vlm.Alternative{{Text: a, LogProb: -math.Log1p(math.Exp(-l))}, {Text: b, LogProb: -math.Log1p(math.Exp(l))}}
	if l < 0 {
		top[0], top[1] = top[1], top[0]
	}
	return []vlm.Token{{Text: top[0].Text, LogProb: &top[0].LogProb, Top: top}}
}

// taste is the log-odds that a is better than b. A picture of unknown quality is
// a degraded copy.
func (p *pretender) taste(a, b assay.Digest) float64 {
	qa, okA := p.quality[a]
	qb, okB := p.quality[b]
	if !okA || !okB {
		return p.strength * float64(bit(okA)-bit(okB))
	}
	x, y, sign := a, b, 1.0
	if bytes.Compare(x[:], y[:]) > 0 {
		x, y, sign = y, x, -1
	}
	rng := p.random(append(x[:], y[:]...))
	l := p.strength * (0.2 + 1.6*rng.Float64())
	if (qa > qb) != (sign > 0) {
		l = -l
	}
	if rng.Float64() >= p.accuracy {
		l = -l
	}
	return sign*l + p.favour*float64(bit(p.own[a])-bit(p.own[b]))
}

// sees is the log-odds of yes to what can be seen.
func (p *pretender) sees(pictures []assay.Digest, question string, parts []vlm.Part) float64 {
	truth, ok := p.cards[fmt.Sprint(pictures)+question]
	if !ok {
		truth, ok = p.truth[question]
	}
	if question == auditPromptQuestion.Text {
		ok = true
		for _, part := range parts {
			truth = truth || strings.Contains(part.Text, "picture "+pictures[0].String())
		}
	}
	if !ok {
		return 0
	}
	return 5 * float64(2*bit(truth)-1)
}

// A gallery is what the pretended examinations are made of.
type gallery struct {
	Material
	quality map[assay.Digest]float64
	truth   map[string]bool
	cards   map[string]bool
}

// newGallery makes small pictures, and pairs of others that are never decoded.
func newGallery(t testing.TB, pairs int, seed uint64) *gallery {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 99))
	g := &gallery{quality: map[assay.Digest]float64{}, truth: map[string]bool{}, cards: map[string]bool{}}
	for _, s := range pretended() {
		g.Subjects = append(g.Subjects, s)
		g.quality[s.Image] = rng.NormFloat64()
	}
	for i := range pairs {
		p := HumanPair{A: nameOnly(fmt.Sprintf("%d a %d", seed, i)), B: nameOnly(fmt.Sprintf("%d b %d", seed, i))}
		for _, s := range []Subject{p.A, p.B} {
			g.quality[s.Image] = rng.NormFloat64()
		}
		p.AWins = g.quality[p.A.Image] > g.quality[p.B.Image]
		g.Pairs = append(g.Pairs, p)
	}
	for _, c := range Cards() {
		var pictures []assay.Digest
		for _, p := range c.Pictures {
			pictures = append(pictures, p.Digest)
		}
		g.cards[fmt.Sprint(pictures)+c.Question.Text] = c.Question.Expect == "yes"
	}
	return g
}

// pretended are the pictures that are decoded.
var pretended = sync.OnceValue(func() (out []Subject) {
	for i := range uint64(12) {
		s := Subject{Sent: drawPicture(i)}
		s.Image = s.Sent.Digest
		s.Prompt = "picture " + s.Image.String()
		var err error
		if s.Pixels, err = Look(s.Sent.Data, pixel.Limits{}); err != nil {
			panic(err)
		}
		out = append(out, s)
	}
	return out
})

// degraded keeps what [Degrade] made: it takes as long as the rest of an
// examination.
var degraded sync.Map

func degradeOnce(data []byte, how string, lim pixel.Limits) (*vlm.Image, error) {
	type made struct {
		img *vlm.Image
		err error
	}
	key := string(data) + how
	if m, ok := degraded.Load(key); ok {
		return m.(made).img, m.(made).err
	}
	img, err := Degrade(data, how, lim)
	degraded.Store(key, made{img, err})
	return img, err
}

// controls are the ones of use, with their answers noted.
func (g *gallery) controls(p Pixels, seed uint64) []assay.Question {
	qs := ImageControls(p, seed)
	for _, q := range qs {
		g.truth[q.Text] = q.Expect == "yes"
	}
	return qs
}

func (g *gallery) judge(b behaviour, seed uint64, probs bool) (vlm.Model, *pretender) {
	p := &pretender{behaviour: b, seed: seed, probs: probs, quality: g.quality, truth: g.truth, cards: g.cards}
	m := vlm.Model{Judge: assay.Judge{Name: b.name, API: "openai", Model: "pretender", Family: "qwen"}, Asker: p}
	m.Can = vlm.Capabilities{LogProbs: probs, TopLogProbs: 20, ManyImages: true, Temperature: true, Schema: !probs}
	return m, p
}

// nameOnly is a picture that nobody decodes.
func nameOnly(name string) Subject {
	img := &vlm.Image{Data: []byte(name), MIME: "image/png", Digest: assay.DigestOf([]byte(name)), Width: 48, Height: 32}
	return Subject{Image: img.Digest, Sent: img}
}

// drawPicture is a small picture with edges and colours.
func drawPicture(seed uint64) *vlm.Image {
	rng := rand.New(rand.NewPCG(seed, 5))
	img := image.NewRGBA(image.Rect(0, 0, 48, 32))
	for range 40 {
		c := color.RGBA{uint8(rng.IntN(256)), uint8(rng.IntN(256)), uint8(rng.IntN(256)), 255}
		x, y := rng.IntN(48), rng.IntN(32)
		for i := range 6 {
			for j := range 6 {
				img.SetRGBA(x+i, y+j, c)
			}
		}
	}
	for i := range img.Pix {
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		panic(err)
	}
	return &vlm.Image{Data: buf.Bytes(), MIME: "image/png", Digest: assay.DigestOf(buf.Bytes()), Width: 48, Height: 32}
}

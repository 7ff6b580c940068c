package judge

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// A fake answers by a function of the request and remembers what it was asked.
type fake struct {
	answer func(r vlm.Request) (vlm.Reply, error)

	mu       sync.Mutex
	requests []vlm.Request
	now, top int // requests at once
}

func (f *fake) Ask(ctx context.Context, r vlm.Request) (vlm.Reply, error) {
	f.mu.Lock()
	f.requests = append(f.requests, r)
	f.now++
	f.top = max(f.top, f.now)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.now--
		f.mu.Unlock()
	}()
	if err := ctx.Err(); err != nil {
		return vlm.Reply{}, err
	}
	return f.answer(r)
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

// asked returns how many requests contain the text.
func (f *fake) asked(text string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if strings.Contains(textOf(r), text) {
			n++
		}
	}
	return n
}

var (
	canLogProbs = vlm.Capabilities{LogProbs: true, TopLogProbs: 20, Schema: true, ManyImages: true, Temperature: true, Seed: true}
	canSchema   = vlm.Capabilities{Schema: true, ManyImages: true, Temperature: true, Seed: true}
	canNothing  = vlm.Capabilities{ManyImages: true}
)

func model(can vlm.Capabilities, answer func(r vlm.Request) (vlm.Reply, error)) (vlm.Model, *fake) {
	f := &fake{answer: answer}
	return vlm.Model{Judge: assay.Judge{Name: "test", API: "openai", Model: "m", Family: "qwen"}, Can: can, Asker: f}, f
}

func textOf(r vlm.Request) string {
	var s strings.Builder
	for _, p := range r.Parts {
		s.WriteString(p.Text + "\n")
	}
	return s.String()
}

// questionOf returns the text after "Question: ".
func questionOf(r vlm.Request) string {
	_, q, _ := strings.Cut(textOf(r), "Question: ")
	q, _, _ = strings.Cut(q, "\n")
	return q
}

// batchOf returns the questions of a batch by their ids, in order.
func batchOf(r vlm.Request) (ids, questions []string) {
	for line := range strings.Lines(textOf(r)) {
		var n int
		if _, err := fmt.Sscanf(line, "q%d: ", &n); err == nil {
			id, q, _ := strings.Cut(strings.TrimSpace(line), ": ")
			ids, questions = append(ids, id), append(questions, q)
		}
	}
	return ids, questions
}

// words is a reply whose first token has these probabilities.
func words(pairs ...any) vlm.Reply {
	var t vlm.Token
	for i := 0; i < len(pairs); i += 2 {
		t.Top = append(t.Top, vlm.Alternative{Text: pairs[i].(string), LogProb: math.Log(pairs[i+1].(float64))})
	}
	t.Text, t.LogProb = t.Top[0].Text, &t.Top[0].LogProb
	return vlm.Reply{Text: t.Text, Tokens: []vlm.Token{t}, Finish: "stop"}
}

// pYes is a reply that says yes with probability p, with a little mass elsewhere.
func pYes(p float64) vlm.Reply {
	if p < 0.5 {
		return words("No", 0.98*(1-p), "Yes", 0.98*p, "Maybe", 0.001)
	}
	return words("Yes", 0.98*p, "No", 0.98*(1-p), "Maybe", 0.001)
}

func says(text string) vlm.Reply { return vlm.Reply{Text: text, Finish: "stop"} }

// batchReply answers every question of a batch by a function.
func batchReply(r vlm.Request, answer func(question string) string) vlm.Reply {
	ids, qs := batchOf(r)
	var out []string
	for i := range ids {
		out = append(out, fmt.Sprintf(`{"id":%q,"answer":%q}`, ids[i], answer(qs[i])))
	}
	return says(`{"answers":[` + strings.Join(out, ",") + `]}`)
}

func question(id, text string) assay.Question {
	return assay.Question{ID: id, Version: "1", Dimension: "detail", Text: text, Good: assay.YesIsGood, Kind: "floor", Scope: "image"}
}

func knownControl(id, text, expect string) assay.Question {
	return assay.Question{ID: id, Version: "1", Dimension: "control", Text: text, Kind: "control", Scope: "image", Expect: expect}
}

func testControls(Pixels, uint64) []assay.Question {
	return []assay.Question{
		knownControl("control.grey", "Is the picture black and white?", "no"),
		knownControl("control.plain", "Is the picture of one plain colour?", "no"),
		knownControl("control.wide", "Is the picture wider than tall?", "yes"),
	}
}

// truthful answers the controls rightly.
func truthful(q string) (p float64, ok bool) {
	switch {
	case strings.Contains(q, "wider than tall"):
		return 0.97, true
	case strings.Contains(q, "black and white"), strings.Contains(q, "plain colour"):
		return 0.03, true
	}
	return 0, false
}

// subject is a picture of its own.
func subject(name string) Subject {
	data := []byte("picture " + name)
	return Subject{Image: assay.DigestOf([]byte("original " + name)), Pixels: Pixels{Width: 64, Height: 48, Colours: 9}, Sent: &vlm.Image{
		Data: data, MIME: "image/png", Digest: assay.DigestOf(data), Width: 64, Height: 48}}
}

// drawnSubject is one whose bytes are a picture.
func drawnSubject(t *testing.T, w, h int, c color.RGBA) Subject {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{c.R, c.G, uint8(int(c.B) + (x+y)%7), 255})
		}
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	d := assay.DigestOf(buf.Bytes())
	return Subject{Image: d, Sent: &vlm.Image{Data: buf.Bytes(), MIME: "image/png", Digest: d, Width: w, Height: h}}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s = %.6g, want %.6g ± %g", what, got, want, tolerance)
	}
}

// A silentAsker keeps nothing, for timing.
type silentAsker struct{}

func (silentAsker) Ask(context.Context, vlm.Request) (vlm.Reply, error) { return pYes(.9), nil }

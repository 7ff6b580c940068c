package judge

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// A Weakness is something a judge holds against a picture.
type Weakness struct {
	Text     string       `json:"text"`
	Category string       `json:"category"`          // one of [Categories]
	Box      *[4]float64  `json:"box,omitempty"`     // x0, y0, x1, y1 in [0,1] from the top left; nil if Part says where
	Part     string       `json:"part,omitempty"`    // "left hand"
	Here     assay.Belief `json:"here"`              // that it is so, by the verifier
	Wrong    assay.Belief `json:"wrong"`             // that it is so of an unrelated picture
	Dropped  string       `json:"dropped,omitempty"` // why; empty if it was kept
}

// A Critique is up to three verified weaknesses; none is a good answer.
type Critique struct {
	Weaknesses []Weakness   `json:"weaknesses"`          // that were verified, in the order found
	Dropped    []Weakness   `json:"dropped,omitempty"`   // that were not, with reasons
	Verifier   assay.Judge  `json:"verifier"`            // who verified
	WrongImage assay.Digest `json:"wrong_image"`         // the unrelated picture
	Abstained  string       `json:"abstained,omitempty"` // why there is none
}

// mostWeaknesses are asked for. A demand for three returns three, so none must
// be allowed for in so many words.
const mostWeaknesses = 3

// Categories returns the categories that a weakness may have.
func Categories() []string {
	return []string{"anatomy", "geometry", "composition", "light", "colour", "texture", "artifact", "lettering", "coherence", "style"}
}

// Criticise asks m for up to three weaknesses of s, each with a place and a
// category. The verifier, m itself or better a judge of another family, is asked
// of each by itself whether it is so, and whether it is so of an unrelated
// picture as well: a critique that fits any picture is style, not observation.
// What is not confirmed here, or is confirmed there, or could not be controlled
// there, is dropped with the reason. On the unrelated picture "cannot tell" is as
// good as no: a left hand's fingers cannot be counted where there is no hand.
//
// The error is an asker's, or wraps [assay.ErrInvalid].
func Criticise(ctx context.Context, m, verifier vlm.Model, s, wrong Subject, opt Options) (Critique, error) {
	opt, err := opt.filled()
	if err != nil {
		return Critique{}, err
	}
	for _, x := range []Subject{s, wrong} {
		if err := checkSubject(x); err != nil {
			return Critique{}, err
		}
	}
	if s.Image == wrong.Image || s.Sent.Digest == wrong.Sent.Digest && !s.Sent.Digest.IsZero() {
		return Critique{}, fmt.Errorf("image %s is to be criticised against itself: give an unrelated one: %w", s.Image.Short(), assay.ErrInvalid)
	}
	v := newAsking(verifier, opt)
	out := Critique{Weaknesses: []Weakness{}, Verifier: v.judge(), WrongImage: wrong.Image}
	found, why, err := newAsking(m, opt).weaknesses(ctx, s)
	if err != nil || why != "" {
		out.Abstained = why
		return out, err
	}
	err = v.all(len(found), func(i int) error { return v.examine(ctx, s, wrong, &found[i]) })
	if err != nil {
		return Critique{}, err
	}
	for _, w := range found {
		if w.Dropped == "" {
			out.Weaknesses = append(out.Weaknesses, w)
		} else {
			out.Dropped = append(out.Dropped, w)
		}
	}
	return out, nil
}

// weaknesses asks for them; those that are misshapen come back dropped.
func (w *asking) weaknesses(ctx context.Context, s Subject) (found []Weakness, why string, err error) {
	text := fmt.Sprintf("Look for weaknesses of this picture: at most %d, and only such as are plainly visible. "+
		"Fewer is fine, and a picture without a visible weakness has an empty list.\n"+
		"Give each one short statement that could be false of another picture, one category (%s), and where it is: "+
		"a box [x0, y0, x1, y1] with x to the right and y down, from 0 to 1, or the name of a part.\n"+
		`Reply with JSON and nothing else: {"weaknesses":[{"statement":"...","category":"...","box":[0.1,0.2,0.4,0.5],"part":""}]}`,
		mostWeaknesses, strings.Join(Categories(), ", "))
	r := vlm.Request{System: system, Parts: []vlm.Part{{Image: s.Sent}, {Text: text}}, MaxTokens: 512}
	if w.m.Can.Schema {
		r.Schema, r.SchemaName = critiqueSchema(), "critique"
	}
	err = w.again(ctx, r, 0, 0, func(reply vlm.Reply, late bool) bool {
		found, why = nil, ""
		if late {
			why = noAnswer + timedOut
			return false
		}
		if why = refusal(reply); why != "" {
			why = refusedTo + why
			return true
		}
		var bad error
		if found, bad = parseCritique(reply.Text); bad == nil {
			return true
		}
		if hasPhrase(strings.TrimSpace(reply.Text), refusalPhrases) {
			why = refusedTo + excerpt(reply.Text)
			return true
		}
		why = noAnswer + bad.Error()
		return false
	})
	return found, why, err
}

func critiqueSchema() json.RawMessage {
	names, _ := json.Marshal(Categories()) // strings always marshal
	return fmt.Appendf(nil, `{"type":"object","properties":{"weaknesses":{"type":"array","items":{"type":"object","properties":{`+
		`"statement":{"type":"string"},"category":{"type":"string","enum":%s},`+
		`"box":{"type":"array","items":{"type":"number"}},"part":{"type":"string"}},`+
		`"required":["statement","category","box","part"],"additionalProperties":false}}},`+
		`"required":["weaknesses"],"additionalProperties":false}`, names)
}

// parseCritique reads a critique. The error says that the reply is none; a
// weakness that is misshapen, said twice or one too many is there, dropped.
func parseCritique(text string) ([]Weakness, error) {
	var in struct {
		Weaknesses []struct {
			Statement string    `json:"statement"`
			Category  string    `json:"category"`
			Box       []float64 `json:"box"`
			Part      string    `json:"part"`
		} `json:"weaknesses"`
	}
	if err := parseObject(text, &in); err != nil {
		return nil, err
	}
	if in.Weaknesses == nil {
		return nil, fmt.Errorf("no weaknesses, not even an empty list, in %q", excerpt(text))
	}
	out := []Weakness{}
	seen := map[string]bool{}
	kept := 0
	for _, x := range in.Weaknesses {
		if len(out) == 10*mostWeaknesses {
			break // whoever writes more than that is not read
		}
		w := Weakness{Text: oneLine(x.Statement), Category: normal(x.Category), Part: oneLine(x.Part)}
		box, boxed := readBox(x.Box)
		if boxed {
			w.Box = box
		}
		key := normal(w.Text)
		switch {
		case key == "":
			w.Dropped = "it says nothing"
		case seen[key]:
			w.Dropped = "it was said before"
		case !slices.Contains(Categories(), w.Category):
			w.Dropped = fmt.Sprintf("its category is %q", excerpt(x.Category))
		case !boxed && len(x.Box) > 0 && w.Part == "":
			w.Dropped = fmt.Sprintf("its box %v is none: want x0 < x1 and y0 < y1 in [0, 1]", x.Box[:min(len(x.Box), 8)])
		case !boxed && w.Part == "":
			w.Dropped = "it does not say where"
		case kept == mostWeaknesses:
			w.Dropped = fmt.Sprintf("more than %d weaknesses", mostWeaknesses)
		default:
			kept++
		}
		seen[key] = true
		out = append(out, w)
	}
	return out, nil
}

// oneLine is a model's text fit to stand in a question.
func oneLine(s string) string {
	r := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(s, "�")), " "))
	const most = 300
	return string(r[:min(len(r), most)])
}

func readBox(v []float64) (*[4]float64, bool) {
	if len(v) != 4 {
		return nil, false
	}
	for _, x := range v {
		if !(x >= 0 && x <= 1) {
			return nil, false
		}
	}
	if v[0] >= v[2] || v[1] >= v[3] {
		return nil, false
	}
	return &[4]float64{v[0], v[1], v[2], v[3]}, true
}

// where says for people and judges which region is meant.
func (w Weakness) where() string {
	if w.Part != "" {
		return w.Part
	}
	b := w.Box
	name := func(mid float64, low, high string) string {
		switch {
		case mid < 1.0/3:
			return low
		case mid > 2.0/3:
			return high
		}
		return ""
	}
	place := strings.TrimSpace(name((b[1]+b[3])/2, "upper", "lower") + " " + name((b[0]+b[2])/2, "left", "right"))
	if place == "" {
		place = "middle"
	}
	return fmt.Sprintf("%s of the picture, from %.0f %% to %.0f %% of its width and %.0f %% to %.0f %% of its height",
		place, 100*b[0], 100*b[2], 100*b[1], 100*b[3])
}

// examine asks whether a weakness is there, and whether it is anywhere.
func (v *asking) examine(ctx context.Context, s, wrong Subject, w *Weakness) error {
	if w.Dropped != "" {
		return nil
	}
	q := assay.Question{ID: "weakness", Text: fmt.Sprintf("Is this true of the picture: “%s” (%s)?", strings.TrimSuffix(w.Text, "."), w.where())}
	var err error
	if w.Here, err = v.question(ctx, s, q, 0); err != nil {
		return err
	}
	if w.Dropped = unconfirmed(w.Here); w.Dropped != "" {
		return nil // the control would be paid for in vain
	}
	if w.Wrong, err = v.question(ctx, wrong, q, 0); err != nil {
		return err
	}
	switch {
	case w.Wrong.Known() && w.Wrong.P > 0.5:
		w.Dropped = fmt.Sprintf("it is said to be so of an unrelated picture as well: P(yes) %.2f", w.Wrong.P)
	case !w.Wrong.Known() && w.Wrong.Abstained != cannotTell:
		w.Dropped = "not controlled on an unrelated picture: " + w.Wrong.Abstained
	}
	return nil
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge"
	"github.com/gen-emerge/assay/judge/vlm"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
)

// A juror asks one model for a series: it turns the series' images into what a
// judge is shown, and what a judge says into facts.
type juror struct {
	model    vlm.Model
	verifier vlm.Model // verifies weaknesses: another judge, where there is one
	set      *judge.Set
	opt      judge.Options
	limits   pixel.Limits
	blob     func(ctx context.Context, id assay.Digest) ([]byte, error)
	keep     func(ctx context.Context, n assay.Note) error // nil: what is made from prompts is not kept

	warn func(error)

	mu      sync.Mutex
	prompts map[string]*promptQuestions
}

// promptQuestions are what is asked about one prompt, made once.
type promptQuestions struct {
	once sync.Once
	qs   []assay.Question
	err  error
}

// jurors makes one of each judge at hand. The first of another model verifies
// what a judge criticises.
func (b *judgeBench) jurors(name string, set *judge.Set, opt judge.Options, limits pixel.Limits) []*juror {
	opt.Series, opt.Controls = name, judge.ImageControls
	var out []*juror
	for i, m := range b.models {
		verifier := m
		for k := range b.models {
			if other := b.models[(i+1+k)%len(b.models)]; other.Model != m.Model {
				verifier = other
				break
			}
		}
		j := &juror{model: m, verifier: verifier, set: set, opt: opt, limits: limits, warn: b.warn, prompts: map[string]*promptQuestions{}}
		if b.db != nil && name != "" {
			j.blob, j.keep = b.db.Blob, func(ctx context.Context, n assay.Note) error { return keepOnce(ctx, b.db, n) }
		}
		out = append(out, j)
	}
	return out
}

// Judge says who answers.
func (j *juror) Judge() assay.Judge { return j.model.Judge }

// subject prepares an image for the judge.
func (j *juror) subject(img series.Shown) (judge.Subject, error) {
	s, err := subjectOf(img.Entry.Image, img.Data, j.limits, j.model.Limits)
	if err != nil {
		return s, fmt.Errorf("%s: %w", cmp.Or(img.Entry.Path, img.Entry.Image.Short()), err)
	}
	s.Prompt, s.Family = img.Entry.Prompt, family(img.Entry)
	return s, nil
}

// among adds the images that questions about style show beside the subject.
func (j *juror) among(ctx context.Context, s *judge.Subject, others []assay.Digest) error {
	for _, id := range others {
		data, err := j.blob(ctx, id)
		if err != nil {
			return err
		}
		other, err := vlm.Encode(data, j.limits, j.model.Limits)
		if err != nil {
			return fmt.Errorf("%s: %w", id.Short(), err)
		}
		s.Others = append(s.Others, other)
	}
	return nil
}

// subjectOf prepares the bytes of an image for a judge.
func subjectOf(id assay.Digest, data []byte, limits pixel.Limits, to vlm.Limits) (judge.Subject, error) {
	sent, err := vlm.Encode(data, limits, to)
	if err != nil {
		return judge.Subject{}, err
	}
	pixels, err := judge.Look(data, limits)
	return judge.Subject{Image: id, Sent: sent, Pixels: pixels}, err
}

// family is that of the model an image was made with, as far as its entry tells.
func family(e assay.Entry) string {
	for _, key := range []string{"model", "Model", "model_name", "checkpoint"} {
		if name := vlm.Family(e.Settings[key]); name != "" {
			return name
		}
	}
	return vlm.Family(e.Generator)
}

// questions are what is asked about a subject: those of the set that apply, and
// those made from its prompt.
func (j *juror) questions(ctx context.Context, s judge.Subject) ([]assay.Question, error) {
	qs := slices.DeleteFunc(j.set.Questions(), func(q assay.Question) bool {
		return q.Scope == "prompt" && s.Prompt == "" || q.Scope == "style" && len(s.Others) == 0
	})
	if s.Prompt == "" {
		return qs, nil
	}
	j.mu.Lock()
	p := j.prompts[s.Prompt]
	if p == nil {
		p = &promptQuestions{}
		j.prompts[s.Prompt] = p
	}
	j.mu.Unlock()
	p.once.Do(func() {
		p.qs, p.err = j.takeApart(ctx, s.Prompt)
		if errors.Is(p.err, judge.ErrNotTakenApart) || errors.Is(p.err, assay.ErrInvalid) { // the prompt's fault: the other questions can be asked
			j.warn(p.err)
			p.err = nil
		}
	})
	return append(qs, p.qs...), p.err
}

// takeApart has the judge make questions from a prompt, and keeps them.
func (j *juror) takeApart(ctx context.Context, prompt string) ([]assay.Question, error) {
	made, err := judge.Alignment(ctx, j.model, prompt)
	if err != nil {
		return nil, err
	}
	if j.keep != nil {
		body, err := json.Marshal(made)
		if err != nil {
			return nil, err
		}
		if err := j.keep(ctx, assay.Note{Series: j.opt.Series, Judge: j.model.Judge, Kind: "alignment", Body: body}); err != nil {
			return nil, err
		}
	}
	return made.Questions, nil
}

// Checklist answers what is not among have.
func (j *juror) Checklist(ctx context.Context, img series.Shown, have []assay.Answer) ([]assay.Answer, error) {
	s, err := j.subject(img)
	if err == nil {
		err = j.among(ctx, &s, img.Others)
	}
	if err != nil {
		return nil, err
	}
	qs, err := j.questions(ctx, s)
	if err != nil {
		return nil, err
	}
	answers, err := judge.Checklist(ctx, j.model, s, qs, j.opt)
	if err == nil {
		err = j.cardControl(ctx, s, answers)
	}
	return slices.DeleteFunc(answers, func(a assay.Answer) bool { return known(have, a) }), err
}

// A cardNote is the body of a note of kind "card": a control card that was put to
// the judge among the questions about an image.
type cardNote struct {
	Card     string         `json:"card"`
	Question assay.Question `json:"question"`
	Belief   assay.Belief   `json:"belief"`
	Wrong    bool           `json:"wrong"`
}

// cardControl puts one control card to the judge in each checklist, drawn by the
// image: a plain colour, a mirrored pair, something that is absent. If the judge
// gets it wrong beyond doubt, what it just said is void.
func (j *juror) cardControl(ctx context.Context, s judge.Subject, answers []assay.Answer) error {
	cards := slices.DeleteFunc(judge.Cards(), func(c judge.Card) bool { return len(c.Pictures) > 1 && !j.model.Can.ManyImages })
	card := cards[(uint64(s.Image[0])<<8|uint64(s.Image[1])^j.opt.Seed)%uint64(len(cards))]
	shown := judge.Subject{Image: card.Pictures[0].Digest, Sent: card.Pictures[0], Others: card.Pictures[1:]}
	belief, err := judge.Ask(ctx, j.model, shown, card.Question, j.opt)
	if err != nil {
		return err
	}
	wrong := judge.Wrong(card.Question, belief)
	for i := range answers {
		if wrong && answers[i].Void == "" {
			answers[i].Void = fmt.Sprintf("the judge got a control card wrong: %s: %s", card.Name, card.Question.Text)
		}
	}
	if j.keep == nil {
		return nil
	}
	body, err := json.Marshal(cardNote{card.Name, card.Question, belief, wrong})
	if err != nil {
		return err
	}
	return j.keep(ctx, assay.Note{Series: j.opt.Series, Image: s.Image, Judge: j.model.Judge, Kind: "card", Body: body})
}

// known reports whether an answer is among those that are stored. All questions
// are put again when a checklist is resumed, since what was answered decides what
// is asked next; calls that were made are answered from the ledger.
func known(have []assay.Answer, a assay.Answer) bool {
	return slices.ContainsFunc(have, func(h assay.Answer) bool {
		return h.Question.ID == a.Question.ID && h.Question.Version == a.Question.Version && h.Repeat == a.Repeat && h.Text == a.Text
	})
}

// wrong is the picture on which a weakness should not be found: another of the
// series or, where there is none, noise.
func (j *juror) wrong(ctx context.Context, img series.Shown) (judge.Subject, error) {
	if len(img.Others) > 0 {
		data, err := j.blob(ctx, img.Others[0])
		if err != nil {
			return judge.Subject{}, err
		}
		return subjectOf(img.Others[0], data, j.limits, j.model.Limits)
	}
	for _, card := range judge.Cards() {
		if len(card.Pictures) == 1 && strings.Contains(card.Name, "noise") {
			return judge.Subject{Image: card.Pictures[0].Digest, Sent: card.Pictures[0]}, nil
		}
	}
	return judge.Subject{}, fmt.Errorf("no picture to hold a critique against: %w", assay.ErrUnavailable)
}

// Compare compares two images in both orders.
func (j *juror) Compare(ctx context.Context, a, b series.Shown, reason string) (assay.Comparison, error) {
	sa, err := j.subject(a)
	if err != nil {
		return assay.Comparison{}, err
	}
	sb, err := j.subject(b)
	if err != nil {
		return assay.Comparison{}, err
	}
	opt := j.opt
	opt.Reason = reason
	return judge.Compare(ctx, j.model, sa, sb, opt)
}

// Write writes a summary or a critique.
func (j *juror) Write(ctx context.Context, img series.Shown, answers []assay.Answer, kind string) (assay.Note, error) {
	note := assay.Note{Series: j.opt.Series, Image: img.Entry.Image, Judge: j.model.Judge, Kind: kind}
	s, err := j.subject(img)
	if err != nil {
		return note, err
	}
	var body any
	switch kind {
	case "summary":
		body, err = judge.Summarise(ctx, j.model, s, answers, j.opt)
	case "critique":
		var wrong judge.Subject
		if wrong, err = j.wrong(ctx, img); err == nil {
			body, err = judge.Criticise(ctx, j.model, j.verifier, s, wrong, j.opt)
		}
	default:
		err = fmt.Errorf("a note of kind %q: want summary or critique: %w", kind, assay.ErrInvalid)
	}
	if err != nil {
		return note, err
	}
	note.Body, err = json.Marshal(body)
	return note, err
}

// keepOnce stores a note unless the same was stored before.
func keepOnce(ctx context.Context, db *store.DB, n assay.Note) error {
	have, err := db.Notes(ctx, n.Series, n.Image, n.Kind)
	if err != nil {
		return err
	}
	for _, h := range have {
		if h.Judge == n.Judge && bytes.Equal(h.Body, n.Body) {
			return nil
		}
	}
	_, err = db.PutNote(ctx, n)
	return err
}

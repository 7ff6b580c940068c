package judge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// mostInBatch questions share one reply, and with it a halo.
const mostInBatch = 15

// A batch is asked in one reply, several times in random orders.
type batch struct {
	scope  string
	repeat int
	items  []*item
}

// inBatches asks by depth, and within a depth by dimension. Controls are dealt
// to the batches of the first depth; they need nothing, and a batch cannot be
// told from its questions. A twin and its question are never in one reply, where
// they would agree by construction.
func (l *list) inBatches(ctx context.Context) error {
	for depth := range max(l.depths, 1) {
		batches := group(l.ready(depth))
		if depth == 0 {
			batches = l.deal(batches)
		}
		err := l.all(len(batches), func(i int) error { return l.askBatch(ctx, batches[i], i) })
		if err != nil {
			return err
		}
	}
	return nil
}

// group makes batches of the items that may share a reply, in the items' order.
func group(items []*item) (out []*batch) {
	last := map[string]*batch{}
	for _, it := range items {
		q := it.question
		key := fmt.Sprintf("%s %s %t %d", q.Dimension, q.Scope, q.TwinOf != "", it.repeat)
		b := last[key]
		if b == nil || len(b.items) == mostInBatch {
			b = &batch{scope: q.Scope, repeat: it.repeat}
			last[key] = b
			out = append(out, b)
		}
		b.items = append(b.items, it)
	}
	return out
}

// deal puts the controls into batches, in turn.
func (l *list) deal(batches []*batch) []*batch {
	i := 0
	for _, it := range l.items {
		if !it.isControl() {
			continue
		}
		if len(batches) == 0 {
			batches = []*batch{{scope: it.question.Scope}}
		}
		b := batches[i%len(batches)]
		b.items = append(b.items, it)
		i++
	}
	return batches
}

func (l *list) askBatch(ctx context.Context, b *batch, number int) error {
	parts, why := pictures(l.m, l.subject, b.scope)
	if why != "" {
		return l.unaskable(ctx, b, number, why)
	}
	draws := make([][]drawn, l.opt.Samples)
	err := l.all(len(draws), func(i int) error {
		var err error
		draws[i], err = l.drawBatch(ctx, parts, b, number, i)
		return err
	})
	if err != nil {
		return err
	}
	for i, it := range b.items {
		var t tally
		for _, d := range draws {
			t.add(d[i].side, d[i].refused, d[i].why)
		}
		it.belief, it.done = t.belief(), true
	}
	return nil
}

// unaskable enters why a batch cannot be put. The controls that were dealt to it
// can: they are about the picture alone.
func (l *list) unaskable(ctx context.Context, b *batch, number int, why string) error {
	rest := &batch{scope: "image", repeat: b.repeat}
	for _, it := range b.items {
		if it.isControl() && it.question.Scope != b.scope {
			rest.items = append(rest.items, it)
			continue
		}
		it.belief, it.done = assay.Belief{Abstained: why}, true
	}
	if len(rest.items) == 0 {
		return nil
	}
	return l.askBatch(ctx, rest, number)
}

// drawBatch asks for all of a batch once. The order is that of the draw, and
// ids are places in it, so that they say nothing about a question.
func (l *list) drawBatch(ctx context.Context, parts []vlm.Part, b *batch, number, n int) ([]drawn, error) {
	salt := fmt.Sprint("order ", l.subject.Image, " ", l.opt.Repeat+b.repeat, " ", number, " ", n, " ", b.items[0].question.ID)
	order := rand.New(rand.NewPCG(chance(l.opt.Seed, salt), 0)).Perm(len(b.items))
	ids := make([]string, len(order))
	questions := make([]string, len(order))
	for place, i := range order {
		ids[place] = fmt.Sprint("q", place+1)
		questions[place] = b.items[i].question.Text
	}
	r := batchRequest(parts, ids, questions, l.m.Can)
	out := make([]drawn, len(order))
	err := l.again(ctx, r, b.repeat, n, func(reply vlm.Reply, late bool) bool {
		said, ok := readBatch(reply, late, ids)
		for place, i := range order {
			out[i] = said[place]
		}
		return ok
	})
	return out, err
}

func batchRequest(parts []vlm.Part, ids, questions []string, can vlm.Capabilities) vlm.Request {
	var text strings.Builder
	fmt.Fprintln(&text, "Questions:")
	for i, q := range questions {
		fmt.Fprintf(&text, "%s: %s\n", ids[i], q)
	}
	text.WriteString("Answer each question by itself: yes, no or unsure. Say unsure only if the picture does not let you tell.\n" +
		`Reply with JSON and nothing else: {"answers":[{"id":"q1","answer":"yes"}, ...]}`)
	r := vlm.Request{System: system, MaxTokens: 64 + 32*len(ids)}
	r.Parts = append(r.Parts, parts...)
	r.Parts = append(r.Parts, vlm.Part{Text: text.String()})
	if can.Schema {
		r.Schema, r.SchemaName = batchSchema(ids), "answers"
	}
	if can.Temperature {
		r.Temperature = new(1.0)
	}
	return r
}

func batchSchema(ids []string) json.RawMessage {
	names, _ := json.Marshal(ids) // strings always marshal
	return fmt.Appendf(nil, `{"type":"object","properties":{"answers":{"type":"array","items":{"type":"object",`+
		`"properties":{"id":{"type":"string","enum":%s},"answer":{"type":"string","enum":["yes","no","unsure"]}},`+
		`"required":["id","answer"],"additionalProperties":false}}},"required":["answers"],"additionalProperties":false}`, names)
}

// readBatch returns what a reply says to each id. It is not ok if the reply as a
// whole is no answer and is worth asking for again.
func readBatch(reply vlm.Reply, late bool, ids []string) (said []drawn, ok bool) {
	said = make([]drawn, len(ids))
	every := func(d drawn) {
		for i := range said {
			said[i] = d
		}
	}
	if late {
		every(drawn{why: timedOut})
		return said, false
	}
	if why := refusal(reply); why != "" {
		every(drawn{refused: true, why: why})
		return said, true
	}
	answers, err := parseBatch(reply.Text)
	if err != nil {
		if _, refused := yesNo.read(reply.Text); refused {
			every(drawn{refused: true, why: excerpt(reply.Text)})
			return said, true
		}
		every(drawn{why: err.Error()})
		return said, false
	}
	for i, id := range ids {
		switch words := answers[id]; len(words) {
		case 0:
			said[i].why = "the question was left out of the reply"
		case 1:
			s, _ := yesNo.read(words[0])
			said[i] = drawn{side: s, why: fmt.Sprintf("neither yes nor no in %q", excerpt(words[0]))}
		default:
			said[i].why = fmt.Sprintf("the question was answered %d times in one reply", len(words))
		}
	}
	return said, true
}

// parseBatch reads {"answers":[{"id":…,"answer":…}]}, in a code fence or with
// words around it. It keeps every answer that an id was given.
func parseBatch(text string) (map[string][]string, error) {
	var in struct {
		Answers []struct {
			ID     string `json:"id"`
			Answer string `json:"answer"`
		} `json:"answers"`
	}
	if err := parseObject(text, &in); err != nil {
		return nil, err
	}
	if in.Answers == nil {
		return nil, fmt.Errorf("no answers in %q", excerpt(text))
	}
	out := map[string][]string{}
	for _, a := range in.Answers {
		id := strings.TrimSpace(a.ID)
		out[id] = append(out[id], a.Answer)
	}
	return out, nil
}

// parseObject reads the one JSON object of a reply into v: the whole reply, or
// what a fence or some words stand around. Several objects are none.
func parseObject(text string, v any) error {
	t := stripFence(text)
	start := strings.IndexByte(t, '{')
	if start < 0 {
		return fmt.Errorf("no JSON in %q", excerpt(text))
	}
	dec := json.NewDecoder(strings.NewReader(t[start:]))
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return fmt.Errorf("no whole JSON in %q: %v", excerpt(text), err)
	}
	rest := t[start+int(dec.InputOffset()):]
	if bytes.ContainsAny([]byte(rest), "{}") {
		return fmt.Errorf("more than one JSON object in %q", excerpt(text))
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("other JSON than was asked for in %q: %v", excerpt(text), err)
	}
	return nil
}

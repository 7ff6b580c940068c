package judge

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// Checklist puts questions about one picture to a judge.
//
// Where the server gives probabilities each question is a request by itself;
// else each is asked opt.Samples times or, with opt.Batch, all of a dimension are
// one JSON request, asked opt.Samples times in random orders. One checklist is
// read one way throughout.
// A question is asked after those it needs, and only if each of them was
// answered yes.
//
// Questions with an Expect are controls; opt.Controls gives more. A control that
// was answered wrongly, with its whole interval on the wrong side of 1/2, makes
// every other answer void, with a reason that names it; questions asked by
// themselves wait for the controls and are then not asked at all.
//
// The answers are in the order of the questions, a repeat behind its answer, the
// controls that were mixed in at the end. A question that was not put, or not
// answered, is an abstention that says why. An error is the asker's (a budget
// spent, the context's end, a server gone for good) or wraps
// [assay.ErrInvalid]; what was answered until then comes with it, unless a
// control was still open: then only controls do, for what is not yet known to
// count must not be kept. What was paid for lies in the asker's cache.
func Checklist(ctx context.Context, m vlm.Model, s Subject, qs []assay.Question, opt Options) ([]assay.Answer, error) {
	opt, err := opt.filled()
	if err != nil {
		return nil, err
	}
	if err := checkSubject(s); err != nil {
		return nil, err
	}
	l, err := plan(s, qs, opt)
	if err != nil {
		return nil, err
	}
	if l.controls() > 0 {
		opt.Samples = max(opt.Samples, controlSamples)
	}
	l.asking = newAsking(m, opt)
	l.subject = s
	if opt.Batch && !m.Can.LogProbs {
		err = l.inBatches(ctx)
	} else {
		err = l.oneByOne(ctx)
	}
	return l.answers(err != nil), err
}

// An item is one question of a checklist, or its repeat.
type item struct {
	question assay.Question
	repeat   int   // 0, or 1 for the repeat
	depth    int   // 0 if it needs nothing, else one more than what it needs
	mixed    bool  // a control that was not among the questions
	first    *item // of a repeat: what it repeats
	belief   assay.Belief
	done     bool
}

func (it *item) isControl() bool { return it.question.Expect != "" }

// said reports whether the item was answered yes.
func (it *item) said() bool { return it.done && it.belief.Known() && it.belief.P > 0.5 }

// skip enters that the item is not put.
func (it *item) skip(why string) {
	it.belief, it.done = assay.Belief{Abstained: "not asked: " + why}, true
}

// A list is a checklist at work.
type list struct {
	*asking
	subject Subject
	items   []*item // in the order of the answers
	byID    map[string]*item
	depths  int
}

// plan lays out what is asked: the questions without the twins that are left
// out, the repeats, and the controls.
func plan(s Subject, qs []assay.Question, opt Options) (*list, error) {
	l := &list{byID: map[string]*item{}}
	needed := map[string]bool{}
	for _, q := range qs {
		for _, n := range q.Needs {
			needed[n] = true
		}
	}
	asked := 0
	for _, q := range qs {
		if err := l.check(q); err != nil {
			return nil, err
		}
		salt := s.Image.String() + " " + q.ID
		if q.TwinOf != "" && !needed[q.ID] && unit(opt.Seed, "twin "+salt) >= opt.TwinRate {
			continue
		}
		it := &item{question: q}
		l.byID[q.ID] = it
		l.items = append(l.items, it)
		if it.isControl() {
			continue
		}
		asked++
		if unit(opt.Seed, "repeat "+salt) < opt.RepeatRate {
			l.items = append(l.items, &item{question: q, repeat: 1, first: it})
		}
	}
	if err := l.sink(); err != nil {
		return nil, err
	}
	if opt.ControlRate > 0 && asked > 0 && s.Pixels.Width > 0 {
		controls := opt.Controls(s.Pixels, chance(opt.Seed, "controls "+s.Image.String()))
		for _, q := range mixIn(controls, asked, s.Image, opt) {
			if l.byID[q.ID] != nil {
				continue
			}
			if err := l.check(q); err != nil {
				return nil, err
			}
			it := &item{question: q, mixed: true}
			l.byID[q.ID] = it
			l.items = append(l.items, it)
		}
	}
	return l, nil
}

func (l *list) check(q assay.Question) error {
	switch {
	case q.ID == "" || strings.TrimSpace(q.Text) == "":
		return fmt.Errorf("question %q: it needs an id and a text, got %q: %w", q.ID, q.Text, assay.ErrInvalid)
	case l.byID[q.ID] != nil:
		return fmt.Errorf("question %s is there twice: give each its own id: %w", q.ID, assay.ErrInvalid)
	case q.Expect != "" && q.Expect != "yes" && q.Expect != "no":
		return fmt.Errorf("question %s expects %q; want yes or no: %w", q.ID, q.Expect, assay.ErrInvalid)
	case q.Expect != "" && len(q.Needs) > 0:
		return fmt.Errorf("question %s is a control and needs %s: a control stands alone: %w", q.ID, strings.Join(q.Needs, ", "), assay.ErrInvalid)
	case !slices.Contains([]string{"", "image", "prompt", "style"}, q.Scope):
		return fmt.Errorf("question %s has scope %q; want image, prompt or style: %w", q.ID, q.Scope, assay.ErrInvalid)
	}
	return nil
}

// sink gives every item its depth.
func (l *list) sink() error {
	const open = -1
	depth := map[string]int{}
	var visit func(it *item) error
	visit = func(it *item) error {
		id := it.question.ID
		if d, ok := depth[id]; ok {
			if d == open {
				return fmt.Errorf("question %s needs itself, through %s: break the circle: %w", id, strings.Join(it.question.Needs, ", "), assay.ErrInvalid)
			}
			return nil
		}
		depth[id] = open
		for _, n := range it.question.Needs {
			parent := l.byID[n]
			if parent == nil {
				return fmt.Errorf("question %s needs %s, which is not among the questions: ask that as well: %w", id, n, assay.ErrInvalid)
			}
			if err := visit(parent); err != nil {
				return err
			}
			it.depth = max(it.depth, parent.depth+1)
		}
		depth[id] = it.depth
		l.depths = max(l.depths, it.depth+1)
		return nil
	}
	for _, it := range l.items {
		if it.repeat > 0 {
			it.depth = it.first.depth // what is repeated stands before its repeat
			continue
		}
		if err := visit(it); err != nil {
			return err
		}
	}
	return nil
}

// mixIn draws from the controls, as many of each known answer as there are, up
// to opt.ControlRate a question and one of each at least.
func mixIn(controls []assay.Question, asked int, image assay.Digest, opt Options) []assay.Question {
	want := max(2, int(math.Ceil(opt.ControlRate*float64(asked))))
	key := func(q assay.Question) uint64 {
		return chance(opt.Seed, "control "+image.String()+" "+q.ID)
	}
	byKey := slices.Clone(controls)
	slices.SortStableFunc(byKey, func(a, b assay.Question) int { return cmp.Compare(key(a), key(b)) })
	sides := map[string][]assay.Question{}
	for _, q := range byKey {
		sides[q.Expect] = append(sides[q.Expect], q)
	}
	var out []assay.Question
	for i := 0; len(out) < want && (i < len(sides["yes"]) || i < len(sides["no"])); i++ {
		for _, answer := range []string{"no", "yes"} { // models lean to yes: a known no says more
			if i < len(sides[answer]) && len(out) < want {
				out = append(out, sides[answer][i])
			}
		}
	}
	return out
}

func (l *list) controls() (n int) {
	for _, it := range l.items {
		if it.isControl() {
			n++
		}
	}
	return n
}

// oneByOne asks the controls, then the questions by depth.
func (l *list) oneByOne(ctx context.Context) error {
	var controls []*item
	for _, it := range l.items {
		if it.isControl() {
			controls = append(controls, it)
		}
	}
	if err := l.ask(ctx, controls); err != nil {
		return err
	}
	if why := l.failed(); why != "" {
		for _, it := range l.items {
			if !it.isControl() {
				it.skip(why)
			}
		}
		return nil
	}
	for depth := range l.depths {
		if err := l.ask(ctx, l.ready(depth)); err != nil {
			return err
		}
	}
	return nil
}

func (l *list) ask(ctx context.Context, items []*item) error {
	return l.all(len(items), func(i int) error {
		it := items[i]
		b, err := l.question(ctx, l.subject, it.question, it.repeat)
		if err != nil {
			return err
		}
		it.belief, it.done = b, true
		return nil
	})
}

// ready returns what is to be asked at one depth, and enters of the rest why it
// is not. Controls are not among it.
func (l *list) ready(depth int) (out []*item) {
	for _, it := range l.items {
		if it.depth != depth || it.isControl() {
			continue
		}
		if why := l.unmet(it.question); why != "" {
			it.skip(why)
			continue
		}
		out = append(out, it)
	}
	return out
}

func (l *list) unmet(q assay.Question) string {
	for _, n := range q.Needs {
		switch parent := l.byID[n]; {
		case parent.said():
		case parent.belief.Known():
			return fmt.Sprintf("it needs %s, which was answered no", n)
		default:
			return fmt.Sprintf("it needs %s, which was not answered", n)
		}
	}
	return ""
}

// failed names the control that was answered wrongly, or is empty.
func (l *list) failed() string {
	for _, it := range l.items {
		if it.done && Wrong(it.question, it.belief) {
			said := "yes"
			if it.question.Expect == "yes" {
				said = "no"
			}
			return fmt.Sprintf("control %s failed: %q was answered %s (P(yes) %.2f, %.2f to %.2f)",
				it.question.ID, it.question.Text, said, it.belief.P, it.belief.Low, it.belief.High)
		}
	}
	return ""
}

// Wrong reports whether a control was answered wrongly beyond doubt: P and the
// nearer end of its interval lie on the wrong side of 1/2. A question without a
// known answer, and an abstention, is never wrong.
func Wrong(q assay.Question, b assay.Belief) bool {
	switch {
	case !b.Known():
		return false
	case q.Expect == "yes":
		return b.P < 0.5 && b.High < 0.5
	case q.Expect == "no":
		return b.P > 0.5 && b.Low > 0.5
	}
	return false
}

// answers are the facts. After a failure they are those that are known to
// count.
func (l *list) answers(broken bool) []assay.Answer {
	void := l.failed()
	open := slices.ContainsFunc(l.items, func(it *item) bool { return it.isControl() && !it.done })
	var out []assay.Answer
	for _, it := range l.items {
		if !it.done || broken && open && !it.isControl() {
			continue
		}
		if it.repeat > 0 && it.belief.Method == "" {
			continue // that it was not put is said once
		}
		a := assay.Answer{
			Series: l.opt.Series, Image: l.subject.Image, Text: shown(l.subject, it.question.Scope),
			Judge: l.judge(), Question: it.question, Belief: it.belief,
			Repeat: l.opt.Repeat + it.repeat, Created: l.opt.Now(),
		}
		if !it.isControl() {
			a.Void = void
		}
		out = append(out, a)
	}
	return out
}

package judge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// A Criterion is what a judge is told that "better" means.
type Criterion struct {
	Name       string // "art"
	Text       string // ends the sentence "The better picture is the one that ..."
	WithPrompt bool   // the pictures' prompts are shown
}

// String returns the criterion's name and version, as a comparison stores it:
// "art@" and the first 12 hex digits of the SHA-256 of what it says.
func (c Criterion) String() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%t %s", c.WithPrompt, strings.TrimSpace(c.Text)))
	return c.Name + "@" + hex.EncodeToString(sum[:6])
}

// DefaultCriterion is made for an open-ended series of art, where no prompt is
// to be met and variety is kept elsewhere.
func DefaultCriterion() Criterion {
	return Criterion{
		Name: "art",
		Text: "is the stronger work of art: it holds the eye, its composition, light and colour are sure, " +
			"it has an idea of its own and carries it through to the details, and nothing in it is broken, muddled or generic",
	}
}

// Compare shows a judge two pictures, A first and then B first, and averages the
// probabilities of both orders before it decides. Both pictures are encoded
// alike, with as many pixels. The outcome is a tie where the mean is within
// opt.Margin of 1/2, and Skip with a reason where an order was not answered: half
// an answer carries the whole position bias. "Equal" counts half to each.
//
// Where the judge's family made one of the pictures, it is not asked unless
// opt.SameFamily is set, and the comparison is flagged. A judge that takes one
// picture a request is shown both on one canvas, which is flagged too.
//
// A comparison has no control: a text painted into a picture that asks to be
// chosen wins in both orders. Do not compare a picture whose checklist is void. The error
// is the asker's, or wraps [assay.ErrInvalid].
func Compare(ctx context.Context, m vlm.Model, a, b Subject, opt Options) (assay.Comparison, error) {
	opt, err := opt.filled()
	if err != nil {
		return assay.Comparison{}, err
	}
	for _, s := range []Subject{a, b} {
		if err := checkSubject(s); err != nil {
			return assay.Comparison{}, err
		}
	}
	w := newAsking(m, opt)
	c := assay.Comparison{
		Series: opt.Series, Judge: w.judge(), A: a.Image, B: b.Image, Criterion: opt.Criterion.String(),
		P: 0.5, Margin: opt.Margin, Outcome: assay.Skip, Reason: opt.Reason, Created: opt.Now(),
	}
	if c.Flags = relatives(m, a, b); len(c.Flags) > 0 && !opt.SameFamily {
		c.Reason = because(c.Reason, "not asked: "+strings.Join(c.Flags, " and "))
		return c, nil
	}
	if opt.Criterion.WithPrompt && (a.Prompt == "" || b.Prompt == "") {
		c.Reason = because(c.Reason, "not asked: the criterion shows the prompts, and one is not known")
		return c, nil
	}
	if !m.Can.ManyImages {
		c.Flags = append(c.Flags, "both pictures on one canvas: the judge takes one at a time")
	}
	if err := w.bothOrders(ctx, a, b, &c); err != nil {
		return assay.Comparison{}, err
	}
	decide(&c)
	return c, nil
}

// relatives flags pictures whose generator is of the judge's family.
func relatives(m vlm.Model, a, b Subject) (flags []string) {
	for _, x := range []struct {
		name   string
		family string
	}{{"A", a.Family}, {"B", b.Family}} {
		if m.Family != "" && strings.EqualFold(m.Family, x.family) {
			flags = append(flags, "same family as the generator of "+x.name)
		}
	}
	return flags
}

func (w *asking) bothOrders(ctx context.Context, a, b Subject, c *assay.Comparison) error {
	var err error
	if a.Sent, b.Sent, err = alike(ctx, a.Sent, b.Sent, w.m.Limits); err != nil {
		return fmt.Errorf("images %s and %s: %w", a.Image.Short(), b.Image.Short(), err)
	}
	return w.all(2, func(order int) error {
		if order == 0 {
			r, err := w.pair(ctx, a, b)
			if err != nil {
				return err
			}
			c.FirstOrder, err = w.belief(ctx, r, firstSecond, 0, false)
			return err
		}
		r, err := w.pair(ctx, b, a)
		if err != nil {
			return err
		}
		c.SecondOrder, err = w.belief(ctx, r, firstSecond, 0, true)
		return err
	})
}

// pair returns the request that shows one picture first and the other second.
func (w *asking) pair(ctx context.Context, first, second Subject) (vlm.Request, error) {
	r := vlm.Request{System: system}
	var text strings.Builder
	if w.m.Can.ManyImages {
		r.Parts = []vlm.Part{{Text: "First picture:"}, {Image: first.Sent}, {Text: "Second picture:"}, {Image: second.Sent}}
	} else {
		both, err := montage(ctx, first.Sent, second.Sent, w.m.Limits)
		if err != nil {
			return r, err
		}
		r.Parts = []vlm.Part{{Image: both}}
		text.WriteString("Two pictures stand side by side on a grey ground: the first picture on the left, the second picture on the right.\n")
	}
	if w.opt.Criterion.WithPrompt {
		if first.Prompt == second.Prompt {
			text.WriteString("Both were made from this prompt:\n" + quoted(first.Prompt) + "\n")
		} else {
			text.WriteString("The first was made from this prompt:\n" + quoted(first.Prompt) +
				"\nThe second from this one:\n" + quoted(second.Prompt) + "\n")
		}
	}
	text.WriteString("The better picture is the one that " + strings.TrimSuffix(strings.TrimSpace(w.opt.Criterion.Text), ".") + ".\n" +
		"The order in which they are shown means nothing.\nQuestion: Which picture is better?\n" + oneSide)
	r.Parts = append(r.Parts, vlm.Part{Text: text.String()})
	return r, nil
}

// decide draws the outcome from both orders.
func decide(c *assay.Comparison) {
	x, y := c.FirstOrder, c.SecondOrder
	switch {
	case x.Known() && y.Known():
		c.P = (x.P + y.P) / 2
	case x.Known():
		c.P = x.P
		c.Reason = because(c.Reason, "not decided: with B first there was no answer ("+y.Abstained+")")
		return
	case y.Known():
		c.P = y.P
		c.Reason = because(c.Reason, "not decided: with A first there was no answer ("+x.Abstained+")")
		return
	default:
		c.Reason = because(c.Reason, "not decided: "+x.Abstained)
		return
	}
	disagree := (x.P-0.5)*(y.P-0.5) < 0
	if disagree {
		c.Flags = append(c.Flags, "the orders disagree")
	}
	switch {
	case c.P == 0.5 || math.Abs(c.P-0.5) < c.Margin:
		c.Outcome = assay.Tie
		why := "too close to decide"
		if disagree {
			why = "the orders disagree, and their mean is too close to decide"
		}
		c.Reason = because(c.Reason, fmt.Sprintf("%s: P %.2f is within %.2f of 1/2", why, c.P, c.Margin))
	case c.P > 0.5:
		c.Outcome = assay.Left
	default:
		c.Outcome = assay.Right
	}
}

// because joins why a pair was compared and what became of it.
func because(why, then string) string {
	if why == "" {
		return then
	}
	return why + "; " + then
}

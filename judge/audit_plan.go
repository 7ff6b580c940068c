package judge

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// A probe is one question of an examination, and what the judge said.
type probe struct {
	name     string // of the card, or the image's short name
	subject  Subject
	question assay.Question
	belief   assay.Belief
	done     bool
}

// A duel is one comparison of an examination.
type duel struct {
	a, b   Subject
	aWins  bool
	how    string // of a degraded pair: what was done to the worse one
	ask    Options
	result assay.Comparison
	done   bool
}

// right says whether a duel was decided, and as it should be.
func (d *duel) right() (right, decided bool) {
	if !d.done || d.result.Outcome != assay.Left && d.result.Outcome != assay.Right {
		return false, false
	}
	return (d.result.Outcome == assay.Left) == d.aWins, true
}

// A wrong is a picture asked about with its own prompt and with another's.
type wrong struct{ own, other probe }

// A twin is a question and its negation about one picture.
type twinned struct{ question, negated probe }

// An agenda is all that an examination asks, drawn before the first request.
type agenda struct {
	knowns      []*probe // as many known yes as known no
	gross, mild []*duel
	pairs       []*duel // people's
	own         []*duel // people's, one side made by a model of the judge's family
	twins       []*twinned
	wrongs      []*wrong
	answers     []*probe // that people answered
	again       []*duel  // repeats of the first pairs, or of the first gross ones
	repeated    []*duel  // of again: what it repeats
	people      bool     // enough decided pairs to measure the accuracy on
	leftOut     []string // sentences: what could not be asked, for the report
}

// The shares of an examination. Pairs get what the rest leaves.
const (
	leastPairs  = 20  // of people, to measure an accuracy on
	knownShare  = 0.1 // of the calls, for questions with known answers
	goodPairs   = 60  // pairs that show a judge right in 7 of 10 to be better than a coin
	mostOwn     = 20  // pairs for self-preference
	grossPairs  = 9   // where people's pairs measure the accuracy: a coin fails in 9 of 10
	mostGross   = 40  // where nothing else does
	mostMild    = 10
	twinCount   = 3 // a judge that always says yes fails at 3
	wrongCount  = 6 // a judge that does not look fails at 6
	repeatCount = 4 // pairs, each with two answers
)

// drawer draws an agenda within a number of calls.
type drawer struct {
	agenda
	m        vlm.Model
	mat      Material
	opt      AuditOptions
	rng      *rand.Rand
	left     int // calls
	one, two int // calls for a question and for a pair
}

func drawAgenda(m vlm.Model, mat Material, opt AuditOptions) (*agenda, error) {
	for i, p := range mat.Pairs {
		if err := errors.Join(checkSubject(p.A), checkSubject(p.B)); err != nil {
			return nil, fmt.Errorf("pair %d of people: %w", i, err)
		}
		if p.Weight < 0 || math.IsNaN(p.Weight) || math.IsInf(p.Weight, 0) {
			return nil, fmt.Errorf("pair %d of people has weight %g: want 0 or more: %w", i, p.Weight, assay.ErrInvalid)
		}
	}
	for _, s := range mat.Subjects {
		if err := checkSubject(s); err != nil {
			return nil, err
		}
	}
	d := &drawer{m: m, mat: mat, opt: opt, rng: rand.New(rand.NewPCG(opt.Seed, 0xa0d17)), left: opt.Calls, one: opt.Ask.Samples}
	if m.Can.LogProbs {
		d.one = 1
	}
	d.two = 2 * d.one
	clean, own := d.humanPairs()
	d.people = len(clean) >= leastPairs
	d.drawKnowns()
	if err := d.drawDegraded(); err != nil {
		return nil, err
	}
	d.drawTwins()
	d.drawWrongs()
	repeats := min(repeatCount, d.left/d.two/4)
	d.left -= repeats * d.two
	d.drawPairs(clean, own)
	d.drawRepeats(repeats)
	return &d.agenda, nil
}

// afford returns how many of at most n things of a price the calls left over
// allow, and takes them off.
func (d *drawer) afford(n, price int) int {
	n = max(0, min(n, d.left/price))
	d.left -= n * price
	return n
}

// humanPairs returns people's pairs in the order in which they are drawn, each
// pair of pictures once: those that the judge may decide in use, and those in
// which exactly one side is of its own family.
func (d *drawer) humanPairs() (clean, own []HumanPair) {
	type keyed struct {
		HumanPair
		key float64
	}
	all := make([]keyed, 0, len(d.mat.Pairs))
	for _, p := range d.mat.Pairs {
		// The keys u^(1/w) draw without replacement by weight (Efraimidis and
		// Spirakis 2006); their logarithms cannot underflow.
		all = append(all, keyed{p, math.Log(d.rng.Float64()) / cmp.Or(p.Weight, 1)})
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return cmp.Compare(b.key, a.key) })
	seen := map[[2]assay.Digest]bool{}
	kin := 0
	for _, p := range all {
		a, b := p.A.Image, p.B.Image
		if a == b || seen[[2]assay.Digest{a, b}] || seen[[2]assay.Digest{b, a}] {
			continue
		}
		seen[[2]assay.Digest{a, b}] = true
		ofA, ofB := d.kin(p.A), d.kin(p.B)
		if ofA || ofB {
			kin++
		}
		if ofA != ofB {
			own = append(own, p.HumanPair)
		}
		if !ofA && !ofB || d.opt.Ask.SameFamily {
			clean = append(clean, p.HumanPair)
		}
	}
	if kin > 0 && !d.opt.Ask.SameFamily {
		d.leftOut = append(d.leftOut, fmt.Sprintf("%d of %d pairs of people hold a picture made by a model of the judge's own family and do not count for its accuracy", kin, len(seen)))
	}
	return clean, own
}

// kin reports whether a picture was made by a model of the judge's makers.
func (d *drawer) kin(s Subject) bool {
	return s.Family != "" && strings.EqualFold(s.Family, d.m.Family)
}

// drawKnowns draws as many known yes as known no, half of them cards and half
// questions about pictures of the series, where there are both.
func (d *drawer) drawKnowns() {
	share := knownShare
	if !d.people {
		share *= 2
	}
	sides := map[string][2][]*probe{} // by known answer: of cards, of pictures
	add := func(kind int, p *probe) {
		s := sides[p.question.Expect]
		s[kind] = append(s[kind], p)
		sides[p.question.Expect] = s
	}
	for _, c := range Cards() {
		if len(c.Pictures) == 1 || d.m.Can.ManyImages {
			s := Subject{Image: c.Pictures[0].Digest, Sent: c.Pictures[0], Others: c.Pictures[1:]}
			add(0, &probe{name: c.Name, subject: s, question: c.Question})
		}
	}
	for _, s := range d.shuffled(d.mat.Subjects) {
		if s.Pixels.Width == 0 {
			continue // nobody looked at it: nothing is known of it
		}
		for _, q := range first2(d.opt.Ask.Controls(s.Pixels, d.opt.Seed)) {
			add(1, newProbe(s, q))
		}
	}
	half := func(answer string) (out []*probe) { // cards and pictures by turns
		s := sides[answer]
		d.rng.Shuffle(len(s[0]), func(i, j int) { s[0][i], s[0][j] = s[0][j], s[0][i] })
		for i := range max(len(s[0]), len(s[1])) {
			for kind := range s {
				if i < len(s[kind]) {
					out = append(out, s[kind][i])
				}
			}
		}
		return out
	}
	yes, no := half("yes"), half("no")
	n := d.afford(min(len(yes), len(no), int(share*float64(d.opt.Calls)/float64(d.one)/2)), 2*d.one)
	for i := range n {
		d.knowns = append(d.knowns, yes[i], no[i])
	}
}

// first2 keeps one control of each known answer: pictures rather than questions
// are to be many.
func first2(qs []assay.Question) (out []assay.Question) {
	have := map[string]bool{}
	for _, q := range qs {
		if !have[q.Expect] {
			have[q.Expect] = true
			out = append(out, q)
		}
	}
	return out
}

func newProbe(s Subject, q assay.Question) *probe {
	return &probe{name: s.Image.Short(), subject: s, question: q}
}

func (d *drawer) shuffled(s []Subject) []Subject {
	s = slices.Clone(s)
	d.rng.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
	return s
}

// drawDegraded draws pictures against degraded copies of themselves.
func (d *drawer) drawDegraded() error {
	if len(d.mat.Subjects) == 0 {
		return nil
	}
	gross, mild := Degradations()
	nGross, nMild := grossPairs, 0
	if !d.people {
		nGross, nMild = mostGross*d.opt.Calls/auditCalls, mostMild*d.opt.Calls/auditCalls
	}
	subjects := d.shuffled(d.mat.Subjects)
	var err error
	if d.gross, err = d.degraded(subjects, gross, d.afford(nGross, d.two)); err != nil {
		return err
	}
	d.mild, err = d.degraded(subjects, mild, d.afford(nMild, d.two))
	return err
}

// degraded makes n pairs, each of another picture or another change; what a
// change leaves as it was gives no pair.
func (d *drawer) degraded(subjects []Subject, ways []string, n int) (out []*duel, err error) {
	for i := 0; len(out) < n && i < len(subjects)*len(ways); i++ {
		// Step through both lists at once: in full rounds, shifted by one each.
		s, how := subjects[i%len(subjects)], ways[(i+i/len(subjects))%len(ways)]
		worse, err := d.opt.degrade(s.Sent.Data, how, d.opt.Limits)
		if errors.Is(err, ErrUnchanged) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("examination: image %s, %s: %w", s.Image.Short(), how, err)
		}
		bad := s
		bad.Sent, bad.Image, bad.Family = worse, worse.Digest, ""
		s.Family = "" // here it does not matter who made the picture
		dl := &duel{a: s, b: bad, aWins: true, how: how, ask: d.opt.Ask}
		if d.rng.IntN(2) == 1 {
			dl.a, dl.b, dl.aWins = bad, s, false
		}
		out = append(out, dl)
	}
	d.left += (n - len(out)) * d.two
	return out, nil
}

// drawTwins draws questions that have a negation, about pictures of the series.
func (d *drawer) drawTwins() {
	byID := map[string]assay.Question{}
	for _, q := range d.mat.Questions {
		byID[q.ID] = q
	}
	var found [][2]assay.Question
	for _, q := range d.mat.Questions {
		o, ok := byID[q.TwinOf]
		// What needs another question first may not make sense for this picture.
		if ok && q.TwinOf != "" && len(o.Needs)+len(q.Needs) == 0 && isPlain(o) && isPlain(q) {
			found = append(found, [2]assay.Question{o, q})
		}
	}
	if len(found) == 0 || len(d.mat.Subjects) == 0 {
		return
	}
	d.rng.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	subjects := d.shuffled(d.mat.Subjects)
	for i := range d.afford(min(d.few(twinCount), len(found)*len(subjects)), 2*d.one) {
		s, f := subjects[(i+i/len(found))%len(subjects)], found[i%len(found)]
		d.twins = append(d.twins, &twinned{*newProbe(s, f[0]), *newProbe(s, f[1])})
	}
}

// few scales a count that suffices beside people's pairs to what is fitting where
// there are none.
func (d *drawer) few(n int) int {
	if d.people {
		return n
	}
	return 2 * n
}

// isPlain reports whether a question shows nothing but the picture.
func isPlain(q assay.Question) bool { return q.Scope == "" || q.Scope == "image" }

// auditPromptQuestion is asked with a picture's own prompt and with another's.
var auditPromptQuestion = withVersion(assay.Question{
	ID: "audit.prompt", Dimension: "control", Kind: "control", Scope: "prompt",
	Text: "Does the picture show what the prompt describes?",
})

// drawWrongs draws pictures whose prompts differ.
func (d *drawer) drawWrongs() {
	var with []Subject
	for _, s := range d.shuffled(d.mat.Subjects) {
		if s.Prompt != "" {
			with = append(with, s)
		}
	}
	var found []*wrong
	for i, s := range with {
		for j := 1; j < len(with); j++ {
			if o := with[(i+j)%len(with)]; o.Prompt != s.Prompt {
				other := s
				other.Prompt = o.Prompt
				found = append(found, &wrong{*newProbe(s, auditPromptQuestion), *newProbe(other, auditPromptQuestion)})
				break
			}
		}
	}
	d.wrongs = found[:d.afford(min(wrongCount, len(found)), 2*d.one)]
}

// drawPairs spends what is left on what people decided: pairs until they can show
// a judge to be better than a coin, then pairs and questions by turns. Pairs with
// the judge's own family have a share of their own.
func (d *drawer) drawPairs(clean, own []HumanPair) {
	nOwn := d.afford(min(mostOwn, len(own), d.left/d.two/4), d.two)
	n := d.afford(min(goodPairs, len(clean)), d.two)
	asked := d.humanAnswers()
	answers := d.afford(min(len(asked), d.left/d.one/2), d.one)
	n += d.afford(len(clean)-n, d.two)
	answers += d.afford(len(asked)-answers, d.one)
	nOwn += d.afford(min(mostOwn, len(own))-nOwn, d.two)
	d.answers = asked[:answers]
	for _, p := range clean[:n] {
		d.pairs = append(d.pairs, d.humanDuel(p, false))
	}
	for _, p := range own[:nOwn] {
		d.own = append(d.own, d.humanDuel(p, true))
	}
}

func (d *drawer) humanDuel(p HumanPair, kin bool) *duel {
	dl := &duel{a: p.A, b: p.B, aWins: p.AWins, ask: d.opt.Ask}
	dl.ask.SameFamily = dl.ask.SameFamily || kin
	return dl
}

// humanAnswers returns the questions that people answered and the judge did not
// yet, those with the most answers first: one question that is known is worth
// more than many that are not.
func (d *drawer) humanAnswers() (out []*probe) {
	type key struct {
		image    assay.Digest
		question string
	}
	subjects := map[assay.Digest]Subject{}
	for _, p := range d.mat.Pairs {
		subjects[p.A.Image], subjects[p.B.Image] = p.A, p.B
	}
	for _, s := range d.mat.Subjects {
		subjects[s.Image] = s
	}
	known := map[key]bool{}
	for _, a := range d.mat.Answers {
		if !a.Judge.IsPerson() && a.Judge == d.m.Judge && a.Repeat == 0 {
			known[key{a.Image, idOf(a.Question)}] = true
		}
	}
	count := map[string]int{}
	for _, a := range d.mat.Answers {
		k := key{a.Image, idOf(a.Question)}
		s, ok := subjects[a.Image]
		if !a.Judge.IsPerson() || !a.Belief.Known() || a.Void != "" || !ok || known[k] {
			continue
		}
		known[k] = true
		count[k.question]++
		out = append(out, newProbe(s, a.Question))
	}
	d.rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	slices.SortStableFunc(out, func(a, b *probe) int {
		x, y := idOf(a.question), idOf(b.question)
		return cmp.Or(cmp.Compare(count[y], count[x]), cmp.Compare(x, y))
	})
	return out
}

// idOf names a question as [assay.Trust] does.
func idOf(q assay.Question) string { return q.ID + "@" + q.Version }

// drawRepeats asks the first pairs again, of people or else degraded ones.
func (d *drawer) drawRepeats(n int) {
	from := d.pairs
	if len(from) == 0 {
		from = d.gross
	}
	for _, f := range from[:min(n, len(from))] {
		r := &duel{a: f.a, b: f.b, aWins: f.aWins, how: f.how, ask: f.ask}
		r.ask.Repeat++
		d.again, d.repeated = append(d.again, r), append(d.repeated, f)
	}
}
